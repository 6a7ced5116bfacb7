"""What callers do to an order while the service is killed, and what must then be true of it."""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random
from typing import NamedTuple
from uuid import UUID

from bench.calls import http
from bench.seeding import PlantedOrder, Trader

STEPS_MAX = 8


class Units(NamedTuple):
    """The four buckets of a line."""

    open: int
    asked: int
    cancelled: int
    shipped: int


State = tuple[Units, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One call: its bytes, and the order after it. It is repeated when nobody knows what became of it.

    ``expected`` is how it is answered: by a 2xx, or by the one refusal that is right. ``once_stored`` is how else a
    repeat may be answered when the first call is known to be stored: CRUX's answers name no cancellation, so a second
    one finds nothing asked.
    """

    name: str
    call: bytes
    after: State
    expected: int = 2
    once_stored: int = 2
    key: str = ""

    def is_answered_by(self, status: int, *, stored: bool = False) -> bool:
        """Whether this status is the right answer, to the first call or to a repeat of one that is stored."""
        right = {self.expected, self.once_stored} if stored else {self.expected}
        return bool({status, status // 100} & right)


@dataclass
class Order:
    """An order that one caller plays with. ``doubt`` is a call that got no answer, or 503."""

    planted: PlantedOrder
    state: State
    steps: int = 0
    allocated: bool = False
    doubt: Step | None = None
    reported: list[str] = field(default_factory=list)
    keys: list[str] = field(default_factory=list)

    @classmethod
    def of(cls, planted: PlantedOrder) -> "Order":
        """The order as it was placed."""
        return cls(planted, tuple(Units(units, 0, 0, 0) for units in planted.units))

    def heed(self, step: Step, word: str) -> None:
        """The step is known to have happened."""
        self.state = step.after
        self.allocated = self.allocated or step.name == "allocate"
        self.reported.append(f"{step.name} {word}")
        if step.key:
            self.keys.append(step.key)
        self.doubt = None

    def forget(self) -> None:
        """The step in doubt is known not to have happened."""
        self.reported.append(f"{self.doubt.name if self.doubt else ''} did not happen")
        self.doubt = None

    def next_step(self, dice: Random) -> Step | None:
        """Any call that makes sense now; ``None`` when the story is over."""
        self.steps += 1
        choices = [make for possible, make in self._choices(dice) if possible]
        return dice.choice(choices)() if choices and self.steps <= STEPS_MAX else None

    def _choices(self, dice: Random) -> list[tuple[bool, Callable[[], Step]]]:
        free = [place for place, units in enumerate(self.state) if units.open]
        asked = [place for place, units in enumerate(self.state) if units.asked]
        over = [place for place, units in enumerate(self.state) if not units.open and not units.asked]
        fresh = all(units.open and not any(units[1:]) for units in self.state)
        return [
            (bool(free), lambda: self._cancel_item(dice.choice(free))),
            (bool(free), lambda: self._cancel_item(dice.choice(free))),
            (bool(asked), lambda: self._cancel_item(dice.choice(asked))),
            (bool(over), lambda: self._refused(dice.choice(over))),
            (bool(asked), lambda: self._answer_item(dice.choice(asked), "confirm")),
            (bool(asked), lambda: self._answer_item(dice.choice(asked), "reject")),
            (len(free) > 1, self._cancel_order),
            (len(free) > 1, lambda: self._ask_lines(free, f"key-{dice.getrandbits(64):016x}")),
            (len(asked) > 1, lambda: self._answer_order("confirm")),
            (len(asked) > 1, lambda: self._answer_order("reject")),
            (bool(free), lambda: self._ship(free, dice)),
            (fresh and not self.allocated, lambda: self._allocate(dice)),
            (True, lambda: Step(name="read", call=detail(self.planted), after=self.state)),
        ]

    # Cancelling

    def _cancel_item(self, place: int) -> Step:
        call = _call(self.planted.retailer, "DELETE", f"/orders/items/cancel/{self._line(place)}/", {})
        return Step(name=f"cancel item {place}", call=call, after=self._with(place, _ask))

    def _refused(self, place: int) -> Step:
        call = _call(self.planted.retailer, "DELETE", f"/orders/items/cancel/{self._line(place)}/", {})
        return Step(name=f"cancel item {place} in vain", call=call, after=self.state, expected=422)

    def _cancel_order(self) -> Step:
        body = {"order_uuid": str(self.planted.id)}
        call = _call(self.planted.retailer, "PATCH", "/orders/cancel/", body)
        return Step(name="cancel order", call=call, after=tuple(map(_ask, self.state)))

    def _ask_lines(self, places: list[int], key: str) -> Step:
        body = {"asker": "retailer", "lines": [{"line": str(self._line(place))} for place in places]}
        call = http(
            "POST",
            "/v1/cancellations",
            json.dumps(body).encode(),
            Authorization=f"Bearer {self.planted.retailer.token}",
            Content_Type="application/json",
            Idempotency_Key=key,
        )
        return Step(name="ask for lines by key", call=call, after=tuple(map(_ask, self.state)), key=key)

    # Answering and fulfilling

    def _answer_item(self, place: int, word: str) -> Step:
        call = _call(self.planted.supplier, "PATCH", f"/orders/items/cancel/{self._line(place)}/{word}/")
        after = self._with(place, _ANSWERS[word])
        return Step(name=f"{word} item {place}", call=call, after=after, once_stored=422)

    def _answer_order(self, word: str) -> Step:
        call = _call(self.planted.supplier, "PATCH", f"/orders/cancel/{self.planted.id}/{word}/")
        after = tuple(map(_ANSWERS[word], self.state))
        return Step(name=f"{word} order", call=call, after=after, once_stored=422)

    def _ship(self, places: list[int], dice: Random) -> Step:
        """Part of what is open, in a parcel with a number of its own: one with an equal number would be the same."""
        units = {place: dice.randint(1, self.state[place].open) for place in places}
        body = {
            "tracking_number": f"1Z{self.steps}",
            "line_items": [
                {"line_item_uuid": str(self._line(place)), "quantity": count} for place, count in units.items()
            ],
        }
        call = _call(self.planted.supplier, "POST", f"/orders/tracking/{self.planted.id}/", body)
        after = tuple(_ship(units.get(place, 0))(each) for place, each in enumerate(self.state))
        return Step(name="ship", call=call, after=after)

    def _allocate(self, dice: Random) -> Step:
        rejected = [dice.randint(0, units.open) for units in self.state]
        body = {
            "line_items": [
                {
                    "line_item_uuid": str(line),
                    "allocation": {
                        "quantity_accepted": units.open - count,
                        "quantity_rejected": count,
                        "quantity_backordered": 0,
                    },
                }
                for line, units, count in zip(self.planted.lines, self.state, rejected, strict=True)
            ]
        }
        call = _call(self.planted.supplier, "PUT", f"/orders/allocation/{self.planted.id}/", body)
        after = tuple(_reject(count)(units) for units, count in zip(self.state, rejected, strict=True))
        return Step(name="allocate", call=call, after=after)

    def _line(self, place: int) -> UUID:
        return self.planted.lines[place]

    def _with(self, place: int, move: Callable[[Units], Units]) -> State:
        return (*self.state[:place], move(self.state[place]), *self.state[place + 1 :])


def detail(order: PlantedOrder) -> bytes:
    """A read of the order."""
    return http("GET", f"/orders/{order.id}/", Authorization=f"Token {order.retailer.token}")


def cancellations(order: PlantedOrder, line: UUID) -> bytes:
    """A read of every cancellation of a line."""
    return http("GET", f"/v1/cancellations?line={line}", Authorization=f"Bearer {order.retailer.token}")


def _call(who: Trader, method: str, path: str, body: object = None) -> bytes:
    content = b"" if body is None else json.dumps(body).encode()
    return http(method, path, content, Authorization=f"Token {who.token}", Content_Type="application/json")


def _ask(units: Units) -> Units:
    return Units(0, units.asked + units.open, units.cancelled, units.shipped)


def _confirm(units: Units) -> Units:
    return Units(units.open, 0, units.cancelled + units.asked, units.shipped)


def _decline(units: Units) -> Units:
    return Units(units.open + units.asked, 0, units.cancelled, units.shipped)


def _ship(count: int) -> Callable[[Units], Units]:
    return lambda units: Units(units.open - count, units.asked, units.cancelled, units.shipped + count)


def _reject(count: int) -> Callable[[Units], Units]:
    return lambda units: Units(units.open - count, units.asked, units.cancelled + count, units.shipped)


_ANSWERS = {"confirm": _confirm, "reject": _decline}
