"""The rules told a second time, and differently: every unit is a token, and the model says where each one lies.

Parties are told by their role on the line: ``retailer``, ``supplier``, ``platform``, ``stranger``. Each command answers
with the name of a refusal, or with nothing when it was heeded; what it did then stands in ``told``.
"""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import UUID

from countermand.domain.policy import DEFAULT_POLICY, Policy

CUSTOMER, RETAILER, SUPPLIER, PLATFORM, OPERATOR, POLICY = (
    "customer",
    "retailer",
    "supplier",
    "platform",
    "operator",
    "policy",
)
CUSTOMERS_WISH = "requested_by_customer"


@dataclass
class Wish:
    """A cancellation. ``awaits`` is a role, ``operator`` after an escalation, and empty once it is settled.

    ``terms`` are those it was asked under, ``voice`` is who asked.
    """

    id: UUID
    asker: str
    units: int
    awaits: str = ""
    due: datetime | None = None
    key: str = ""
    state: str = "asked"
    taken: int = 0
    by: str = ""
    why: str = ""
    counts: bool = False
    group: UUID | None = None
    terms: Policy = DEFAULT_POLICY
    voice: str = ""
    agreed: bool = False
    asked: datetime | None = None
    ended: datetime | None = None
    rest_why: str = ""
    first: int = 0
    reason: str = ""
    step: int = 1
    answers: list[tuple[int, str, str, str, int, int, str]] = field(default_factory=list)
    """Of each step: who answered, whose answer was due, how, for how many units, of how many, and why not."""

    def answered(self, who: str, what: str, units: int, of: int, why: str = "") -> None:
        self.answers.append((self.step, who, self.awaits, what, units, of, why))
        self.step += 1

    def as_before(self, who: str, step: int | None, what: str, units: int | None, why: str = "") -> bool:
        """Whether the same was said before: by the same party, or of a step that says so by whoever had to."""
        for number, by, awaited, answer, taken, of, because in self.answers:
            passed = answer == "passed on"
            mine = by == who or (awaited == who and (passed or step)) or (who == PLATFORM and step)
            if step not in (None, number) or (by == POLICY and not passed) or not mine:
                continue
            if what == "accept" and answer in ("accept", "passed on") and taken == (units or of):
                return True
            if what == answer == "decline" and because == why:
                return True
            if (what, answer, because) == ("decline", "proof", why) and not units:
                return True
        return False


class Model:
    """One line: a list of tokens, one for each unit, and the wishes that were uttered about them."""

    def __init__(self, ordered: int, placed: datetime, *, own: bool, sent: bool) -> None:
        self.placed = placed
        self.holder = RETAILER if own else SUPPLIER if sent else "nobody"
        self.decider = RETAILER if own or not sent else SUPPLIER
        self.tokens: list[tuple[str, UUID | None]] = [("open", None)] * ordered
        self.wishes: dict[UUID, Wish] = {}
        self.allocation: tuple[int, int, int] | None = None
        self.reported: list[tuple[str, int, UUID | None]] = []
        self.late: set[tuple[str, str, UUID]] = set()
        self.left: dict[tuple[str, int], int] = {}
        self.now = placed

    def count(self, bucket: str) -> int:
        return sum(place == bucket for place, _ in self.tokens)

    def buckets(self) -> tuple[int, int, int, int]:
        return self.count("open"), self.count("asked"), self.count("cancelled"), self.count("shipped")

    def standing(self) -> list[Wish]:
        return [wish for wish in self.wishes.values() if wish.state == "asked"]

    # Commands

    def ask(
        self,
        who: str,
        asker: str,
        units: int | None,
        key: str,
        now: datetime,
        terms: Policy,
        fresh: UUID,
        group: UUID | None = None,
        reason: str = "",
    ) -> str | None:
        if who not in (RETAILER, PLATFORM):
            return "unknown_line"
        if units is not None and units < 1:
            return "units_invalid"
        if self._was_asked(who, asker, units, key, reason):
            return None
        there, waiting = self.count("open"), self._waiting() if asker == RETAILER and units is None else []
        if not there and not waiting:
            return self._why_nothing_open()
        units = there if units is None else units
        alone = asker == RETAILER == self.decider
        if units and not alone and not self._is_taken(now, terms):
            return "not_accepted_by_fulfiller"
        if units > there:
            return "too_many_units"
        for wish in waiting:
            self._retailer_agrees(wish, RETAILER if who == RETAILER else PLATFORM, now)
        if units and alone and not group:
            self._own(fresh, units, who)
        elif units:
            self._put(fresh, asker, units, key, now, terms, group, who if alone else "", voice=who)
            self.wishes[fresh].reason = reason
        return None

    def accept(
        self, who: str, named: UUID | None, units: int | None, now: datetime, rest: str = "", step: int | None = None
    ) -> str | None:
        refusal = self._no_answer_from(who, named) or self._step_missing(who, named, step)
        if refusal:
            return refusal
        moved = self._moved(named, step)
        if units is not None and units < 1:
            return moved or "units_invalid"
        due = self._due_from(who, named)
        if moved or not due:
            there = [self.wishes[named]] if named else self.standing()
            if any(w.as_before(who, step, "accept", units) for w in there):
                return None
            return self._not_due(who, "accept", named, units, moved)
        if units is not None and units > due[0].units:
            return "too_many_units"
        if units is not None and units < due[0].units and due[0].group:
            return "all_or_nothing"
        for wish in due[: None if units is None else 1]:
            if wish in self._waiting():
                self._retailer_agrees(wish, who, now, units, rest)
            else:
                self._take(wish, who, units, rest)
        return None

    def decline(
        self, who: str, named: UUID | None, why: str, now: datetime, tracking: str = "", step: int | None = None
    ) -> str | None:
        refusal = self._no_answer_from(who, named) or self._step_missing(who, named, step)
        if refusal:
            return refusal
        moved = self._moved(named, step)
        if not why:
            return moved or "reason_required"
        due = self._due_from(who, named)
        if moved or not due:
            there = [self.wishes[named]] if named else self.standing()
            if any(w.as_before(who, step, "decline", 1 if tracking else None, why) for w in there):
                return None
            return self._not_due(who, "decline", named, None, moved)
        believed = why != "already_shipped" or tracking or who == PLATFORM
        for wish in due:
            if believed or wish.terms.proof_within_s is None:
                promised = who != PLATFORM and wish.terms.customer_asks_retailer_first and wish in self._with_supplier()
                self._give_back(wish, "declined", who, why)
                if promised:
                    self.reported.append(("cancellation.case_opened", wish.units, wish.id))
            elif not wish.why:
                wish.answered(who, "proof", wish.units, wish.units, why)
                wish.why, wish.due = why, now + timedelta(seconds=wish.terms.proof_within_s)
                self.reported.append(("cancellation.proof_asked", wish.units, wish.id))
        return None

    def escalate(self, who: str, named: UUID) -> str | None:
        if who != PLATFORM:
            return "unknown_line"
        wish = self.wishes.get(named)
        if wish is None:
            return "unknown_cancellation"
        if wish.state != "asked":
            return "already_answered"
        if wish.awaits in (RETAILER, SUPPLIER):
            wish.answered(who, "escalated", wish.units, wish.units)
            wish.awaits = OPERATOR
            self.reported.append(("cancellation.escalated", wish.units, wish.id))
        return None

    def note(self, who: str, named: UUID, words: str) -> str | None:
        refusal = self._no_answer_from(who, named)
        if not refusal and (who, words, named) not in self.late:
            self.late.add((who, words, named))
            self.reported.append(("cancellation.noted", self.wishes[named].units, named))
        return refusal

    def withdraw(self, who: str, asker: str, named: UUID | None) -> str | None:
        if who not in (RETAILER, PLATFORM):
            return "unknown_line"
        if named:
            wish = self.wishes.get(named)
            if wish is None or wish.asker != asker or not self._may_end(who, wish):
                return "unknown_cancellation"
            if wish.state != "asked":
                return None if wish.state == "withdrawn" else "already_answered"
        mine = [w for w in self.standing() if w.asker == asker and named in (None, w.id) and self._may_end(who, w)]
        for wish in mine:
            self._give_back(wish, "withdrawn", who)
        return None if mine else "nothing_asked"

    def deadline(self, named: UUID, now: datetime) -> str | None:
        wish = self.wishes.get(named)
        if wish is None:
            return "unknown_cancellation"
        if wish.state != "asked" or wish.agreed or wish.due is None or wish.due > now:
            return None
        self.now = wish.due
        silence = "accept" if wish.why else wish.terms.silence
        if silence == "escalate":
            wish.answered(POLICY, "escalated", wish.units, wish.units)
            wish.awaits, wish.due = OPERATOR, None
            self.reported.append(("cancellation.escalated", wish.units, wish.id))
        elif silence == "lapse":
            self._give_back(wish, "lapsed", POLICY)
        elif wish in self._waiting():
            self._retailer_agrees(wish, POLICY, now)
        else:
            self._take(wish, POLICY)
        return None

    def cancel_own(self, who: str, units: int | None, reason: str, fresh: UUID) -> str | None:
        if who not in (self.decider, PLATFORM):
            return "unknown_line"
        if units is not None and units < 1:
            return "units_invalid"
        mine = [w for w in self.standing() if who in (PLATFORM, w.awaits) or (w.agreed and w.by == who)]
        due = mine if units is None else []
        there = self.count("open")
        if not there and not due:
            return self._why_nothing_open()
        if units is not None and units > there:
            return "too_many_units"
        for wish in due:
            wish.counts = (wish.asker, reason) != (CUSTOMER, CUSTOMERS_WISH)
            self._take_for_good(wish, who)
        if there:
            self._own(fresh, units or there, who)
        return None

    def retailer_cancel(self, who: str, reason: str, now: datetime, terms: Policy, fresh: UUID) -> str | None:
        if who not in (RETAILER, PLATFORM):
            return "unknown_line"
        if reason == CUSTOMERS_WISH and any(w.asker == CUSTOMER for w in self.standing()):
            waiting = self._waiting()
            for wish in waiting:
                self._retailer_agrees(wish, who, now)
            agreed = [w for w in self.standing() if w.asker == CUSTOMER and w.agreed]
            return None if waiting or agreed or self._with_supplier() else "nothing_asked"
        # The last by the clock, which may have been put back.
        last = max(
            (w for w in self.wishes.values() if w.asker == CUSTOMER), key=lambda w: (w.asked, w.id), default=None
        )
        if reason == CUSTOMERS_WISH and last and last.state == "withdrawn":
            return "already_answered"
        if reason == CUSTOMERS_WISH and last and last.state == "accepted" and self.count("open"):
            return None
        if self.decider == RETAILER:
            return self.cancel_own(who, None, reason, fresh)
        return self.ask(who, RETAILER, None, "", now, terms, fresh, reason=reason)

    def ship(self, who: str, units: int | None, override: bool) -> str | None:
        if who not in (self.holder, PLATFORM):
            return "unknown_line"
        if units is not None and units < 1:
            return "units_invalid"
        there, asked = self.count("open"), self.count("asked")
        if there + asked == 0:
            return self._left_all_the_same(who, units) or self._why_nothing_open()
        last_first = self.standing()[::-1]
        yielding = [w for w in last_first if w.why] + [w for w in last_first if override and not w.why]
        free = there + sum(w.units for w in yielding)
        wanted, units = units, free if units is None else units
        if units > there + asked:
            return self._left_all_the_same(who, wanted, there + asked) or "too_many_units"
        if units == 0 or units > free:
            return "units_asked"
        while self.count("open") < units:
            self._give_back(yielding.pop(0), "declined", who, "already_shipped")
        self._move(units, ("open", None), ("shipped", None))
        self.reported.append(("line.shipped", units, None))
        return None

    def allocate(self, who: str, numbers: tuple[int, int, int], fresh: UUID) -> str | None:
        if who not in (self.holder, PLATFORM):
            return "unknown_line"
        if min(numbers) < 0:
            return "units_invalid"
        if numbers == self.allocation:
            return None
        there, asked = self.count("open"), self.count("asked")
        if there + asked == 0:
            return self._why_nothing_open()
        more = numbers[2] - self._rejected()
        total = more == there + asked
        if not more >= 0 or max(numbers[:2]) > len(self.tokens) or (more > there and not total):
            return "too_many_units"
        self.allocation = numbers
        self.reported.append(("line.allocated", numbers[0], None))
        for wish in self.standing() if total and more > there else []:
            self._take_for_good(wish, who)
        if min(more, there):
            self._own(fresh, min(more, there), who)
        return None

    def change_transport(self, who: str) -> str | None:
        if who not in (self.holder, PLATFORM):
            return "unknown_line"
        self.reported.append(("line.transport_changed", self.count("shipped"), None))
        return None

    # What is so

    def _was_asked(self, who: str, asker: str, units: int | None, key: str, reason: str) -> bool:
        mine = [wish for wish in self.standing() if wish.asker == asker]
        if units is not None or key:
            alike = [wish for wish in mine if wish.key == key and units in (None, wish.first)]
            return any(wish.voice == who if key else wish.reason == reason for wish in alike)
        if self.count("open"):
            return False
        if asker == CUSTOMER:
            return bool(mine)
        return bool(self.standing()) and not self._waiting()

    def _waiting(self) -> list[Wish]:
        """What customers asked and the retailer has to answer."""
        return [wish for wish in self.standing() if (wish.asker, wish.awaits) == (CUSTOMER, RETAILER)]

    def _with_supplier(self) -> list[Wish]:
        theirs = [wish for wish in self.standing() if wish.asker == CUSTOMER and self.decider == SUPPLIER]
        return [wish for wish in theirs if wish.agreed or wish.awaits == SUPPLIER]

    def _may_end(self, who: str, wish: Wish) -> bool:
        return who == PLATFORM or wish.asker != CUSTOMER or wish.voice == who

    def _step_missing(self, who: str, named: UUID | None, step: int | None) -> str | None:
        return "step_needed" if who == PLATFORM and named and step is None else None

    def _moved(self, named: UUID | None, step: int | None) -> str | None:
        return "state_changed" if named and step not in (None, self.wishes[named].step) else None

    def _not_due(self, who: str, word: str, named: UUID | None, units: int | None, moved: str | None) -> str:
        late = self._too_late(who, word, named, units)
        if moved or late:
            return moved or str(late)
        wish = self.wishes.get(named) if named else None
        if wish and (wish.state != "asked" or wish.agreed):
            return "already_answered"
        if wish and any(awaited == who and answer != "escalated" for _, _, awaited, answer, *_ in wish.answers):
            return "already_answered"
        return self._nothing_waits(named)

    def _nothing_waits(self, named: UUID | None) -> str:
        ended = [w for w in self.wishes.values() if w.ended and named in (None, w.id)]
        if not ended or (self.standing() and not named):
            return "nothing_asked"
        return "nothing_asked" if max(ended, key=lambda w: (w.ended, w.id)).asker == "nobody" else "already_answered"

    def _too_late(self, who: str, word: str, named: UUID | None, units: int | None) -> str | None:
        """What silence decided before this answer came, which is kept once."""
        ended = [w for w in self.wishes.values() if w.ended and named in (None, w.id)]
        if not ended or (self.standing() and not named):
            return None
        last = max(ended, key=lambda w: (w.ended, w.id))
        if last.by != POLICY or last.state == "withdrawn" or (who, last.asker) == (RETAILER, RETAILER):
            return None
        if (who, word, last.id) not in self.late:
            self.late.add((who, word, last.id))
            self.reported.append(("cancellation.late_answer", units or last.units, last.id))
        return "already_answered"

    def _left_all_the_same(self, who: str, units: int | None, there: int = 0) -> str | None:
        """Cancelled units are said to have shipped, and this is no earlier report that is repeated."""
        gone = self.count("cancelled") - sum(self.left.values())
        left = gone if units is None else units - there
        if self.count("shipped") and (units is None or units <= self.count("shipped")):
            return None
        if 0 < left <= gone and (who, left) not in self.left:
            self.left[who, left] = left
            self.reported.append(("line.shipped_though_cancelled", left, None))
        return None

    def _due_from(self, who: str, named: UUID | None) -> list[Wish]:
        mine = [w for w in self.standing() if w.awaits == who or (who == PLATFORM and not w.agreed)]
        return [w for w in mine if named in (None, w.id)]

    def _no_answer_from(self, who: str, named: UUID | None) -> str | None:
        if who not in (RETAILER, self.holder, PLATFORM):
            return "unknown_line"
        return "unknown_cancellation" if named and named not in self.wishes else None

    def _is_taken(self, now: datetime, terms: Policy) -> bool:
        if terms.accepts_until == "never" or (terms.accepts_until == "allocated" and self.allocation):
            return False
        return terms.accepts_for_s is None or now < self.placed + timedelta(seconds=terms.accepts_for_s)

    def _rejected(self) -> int:
        return self.allocation[2] if self.allocation else 0

    def _why_nothing_open(self) -> str:
        if self.count("shipped"):
            return "already_shipped"
        if self.count("asked"):
            return "already_asked"
        return "already_cancelled" if self.count("cancelled") > self._rejected() else "rejected_by_fulfiller"

    # What happens

    def _move(self, units: int, place: tuple[str, UUID | None], to: tuple[str, UUID | None]) -> None:
        found = [number for number, token in enumerate(self.tokens) if token == place][:units]
        assert len(found) == units, f"{units} units are not in {place}"
        for number in found:
            self.tokens[number] = to

    def _put(
        self,
        fresh: UUID,
        asker: str,
        units: int,
        key: str,
        now: datetime,
        terms: Policy,
        group: UUID | None = None,
        alone: str = "",
        *,
        voice: str,
    ) -> None:
        retailer_first = asker == CUSTOMER and terms.customer_asks_retailer_first
        awaits = RETAILER if self.decider == RETAILER or retailer_first else SUPPLIER
        self.wishes[fresh] = wish = Wish(fresh, asker, units, awaits, self._due(now, terms), key, group=group)
        wish.terms, wish.voice, wish.first, wish.asked = terms, voice, units, now
        self._move(units, ("open", None), ("asked", fresh))
        self.reported.append(("cancellation.asked", units, fresh))
        free = terms.free_window_s and now < self.placed + timedelta(seconds=terms.free_window_s)
        if alone or free:
            wish.due = None
            self._take(wish, alone or POLICY)

    def _own(self, fresh: UUID, units: int, who: str) -> None:
        self.wishes[fresh] = own = Wish(fresh, "nobody", units, state="accepted", taken=units, by=who, counts=True)
        own.ended = self.now
        self._move(units, ("open", None), ("cancelled", fresh))
        self.reported.append(("cancellation.accepted", units, fresh))

    def _retailer_agrees(self, wish: Wish, who: str, now: datetime, units: int | None = None, rest: str = "") -> None:
        if self.decider == RETAILER:
            self._take(wish, who, units, rest)
        else:
            kept = wish.units if units is None else units
            wish.answered(who, "passed on", kept, wish.units)
            if kept < wish.units:
                self._move(wish.units - kept, ("asked", wish.id), ("open", None))
                wish.rest_why, wish.units = rest, kept
            wish.awaits, wish.due, wish.why = SUPPLIER, self._due(now, wish.terms), ""
            self.reported.append(("cancellation.passed_on", wish.units, wish.id))

    def _take(self, wish: Wish, who: str, units: int | None = None, rest: str = "") -> None:
        if wish.group:
            wish.answered(who, "accept", wish.units, wish.units)
            wish.agreed, wish.by, wish.awaits, wish.why = True, who, "", ""
            self.reported.append(("cancellation.agreed", wish.units, wish.id))
            return
        units = wish.units if units is None else units
        self._take_for_good(wish, who, units)
        wish.why = (rest if units < wish.units else "") or wish.rest_why

    def _take_for_good(self, wish: Wish, who: str, units: int | None = None) -> None:
        units = wish.units if units is None else units
        self._move(units, ("asked", wish.id), ("cancelled", wish.id))
        self._move(wish.units - units, ("asked", wish.id), ("open", None))
        wish.answered(who, "accept", units, wish.units)
        wish.state, wish.taken, wish.by, wish.awaits = "accepted", units, who, ""
        wish.why, wish.ended = wish.rest_why, self.now
        self.reported.append(("cancellation.accepted", units, wish.id))

    def _give_back(self, wish: Wish, state: str, who: str, why: str = "") -> None:
        self._move(wish.units, ("asked", wish.id), ("open", None))
        wish.answered(who, {"declined": "decline"}.get(state, state), wish.units, wish.units, why)
        wish.state, wish.by, wish.why, wish.awaits = state, who, why, ""
        wish.ended = self.now
        self.reported.append((f"cancellation.{state}", wish.units, wish.id))

    def _due(self, now: datetime, terms: Policy) -> datetime | None:
        return None if terms.answer_within_s is None else now + timedelta(seconds=terms.answer_within_s)


def settle(models: list[Model]) -> None:
    """What wishes of one group mean for each other: all of them come true, or none."""
    groups = {wish.group for model in models for wish in model.standing() if wish.group}
    every = {group: [w for model in models for w in model.wishes.values() if w.group == group] for group in groups}
    spoilt = {group for group, wishes in every.items() if any(w.state not in ("asked", "accepted") for w in wishes)}
    agreed = {group for group, wishes in every.items() if all(w.agreed or w.state == "accepted" for w in wishes)}
    for model in models:
        for wish in model.standing():
            if wish.group in spoilt:
                model._give_back(wish, "withdrawn", POLICY)
            elif wish.group in agreed:
                wish.counts = wish.asker == RETAILER == model.decider
                model._take_for_good(wish, wish.by)
                wish.answers[-1] = (wish.step, POLICY, *wish.answers[-1][2:])
