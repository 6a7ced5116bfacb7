"""What a client of the Retailer API sends: JSON bodies, query parameters, and the media types that it names."""

import re
from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Annotated, Any, Final, TypeVar

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints, ValidationError
from pydantic.alias_generators import to_camel
from pydantic_core import ErrorDetails, PydanticCustomError

from countermand.domain.addresses.address import URL_MAX
from countermand.domain.subscriptions import Resource
from countermand.domain.texts import fit, why_unfit
from countermand.json_input import MalformedJsonError, Place, UnfitTextError, parse_json
from countermand.reads.seller_orders import Progress
from countermand.wire.body_types import unsupported_body
from countermand.wire.bol.vocabulary import AMSTERDAM, FulfilmentMethod, ReasonCode
from countermand.wire.bol_retailer.errors import (
    EMPTY,
    NotAcceptableError,
    RetailerError,
    Violation,
    invalid,
    not_listed,
)
from countermand.wire.bol_retailer.vocabulary import (
    ADVERTISER,
    MEDIA_TYPE,
    Indicator,
    ProcessEvent,
    SubscriptionType,
)
from countermand.wire.replies import Problem
from countermand.wire.response import Scope, header_values

M = TypeVar("M", bound="Message")

ID_CHARS_MAX: Final = 100
REFERENCE_CHARS_MAX: Final = 90
CHANGES_DAYS: Final = 92
"""How far back changes are listed: three months."""


def _fit(text: str) -> str:
    problem = why_unfit(text)
    if problem:
        raise PydanticCustomError("unfit", "{problem}", {"problem": problem})
    return fit(text)


def _whole(given: Any) -> Any:
    """``2.0`` is a whole number in JSON Schema; ``"2"`` is none."""
    return int(given) if isinstance(given, Decimal) and given == given.to_integral_value() else given


_FIT: Final = Field(json_schema_extra={"pattern": r"^(\r\n|[^\x00-\x08\x0b-\x1f\x7f-\x9f])*$"})

Id = Annotated[str, StringConstraints(min_length=1, max_length=ID_CHARS_MAX), AfterValidator(_fit), _FIT]
Text = Annotated[str, StringConstraints(max_length=ID_CHARS_MAX), AfterValidator(_fit), _FIT]
Reference = Annotated[str, StringConstraints(min_length=1, max_length=REFERENCE_CHARS_MAX), AfterValidator(_fit), _FIT]


class Message(BaseModel):
    """A body. Members that nobody here knows are left aside, as bol does."""

    model_config = ConfigDict(extra="ignore", strict=True, alias_generator=to_camel)


class CancelledItem(Message):
    """An order item that is not sent, and why."""

    order_item_id: Id
    reason_code: Annotated[ReasonCode, Field(strict=False)]


class Cancellation(Message):
    """PUT /retailer/orders/cancellation: exactly one item."""

    order_items: Annotated[list[CancelledItem], Field(min_length=1, max_length=1)]


class ShippedItem(Message):
    """An order item in a parcel; without a quantity, all of it that is still open."""

    order_item_id: Id
    quantity: Annotated[int, Field(ge=1, le=2**31 - 1), BeforeValidator(_whole)] | None = None


class Transport(Message):
    """How a parcel travels."""

    transporter_code: Id
    track_and_trace: Text | None = None


class Shipment(Message):
    """POST /retailer/shipments."""

    order_items: Annotated[list[ShippedItem], Field(min_length=1, max_length=100)]
    shipment_reference: Reference | None = None
    shipping_label_id: Id | None = None
    transport: Transport | None = None


class ChangedTransport(Message):
    """PUT /retailer/transports/{id}."""

    transporter_code: Text | None = None
    track_and_trace: Id


class ProcessQuery(Message):
    """One process status that is looked up."""

    process_status_id: Id


class ProcessQueries(Message):
    """POST /shared/process-status: up to a thousand at once."""

    process_status_queries: Annotated[list[ProcessQuery], Field(min_length=1, max_length=1000)]


class Subscription(Message):
    """POST and PUT /retailer/subscriptions."""

    resources: Annotated[list[Annotated[Resource, Field(strict=False)]], Field(min_length=1, max_length=100)]
    url: Annotated[str, StringConstraints(min_length=1, max_length=URL_MAX), AfterValidator(_fit)]
    subscription_type: Annotated[SubscriptionType, Field(strict=False)]
    enabled: bool | None = None


_WORDS: Final[Mapping[str, Sequence[str]]] = {
    "reasonCode": tuple(ReasonCode),
    "resources": tuple(Resource),
    "subscriptionType": tuple(SubscriptionType),
}
"""What a member may say, by its name."""


# Bodies


def read(model: type[M], body: bytes) -> M:
    """The message.

    Raises:
        RetailerError: it cannot be read; the violations say where and why.
    """
    try:
        return model.model_validate(parse_json(body) if body else None)
    except UnfitTextError as error:
        raise invalid(Violation(name=_path(error.place), reason=f"{error}"), body=True) from None
    except MalformedJsonError as error:
        raise invalid(Violation(reason=f"The body cannot be read as JSON: {error}."), body=True) from None
    except ValidationError as error:
        raise invalid(*map(_violation, error.errors()[:VIOLATIONS_MAX]), body=True) from None


def read_shipment(body: bytes) -> Shipment:
    """The report of a parcel.

    Raises:
        RetailerError: it cannot be read, or names a shipping label: none are sold here.
    """
    shipment = read(Shipment, body)
    if shipment.shipping_label_id is None:
        return shipment
    if shipment.transport is not None:
        both = "Either provide Transport or ShippingLabelId. The current request contains both."
        raise invalid(Violation(reason=f"Conflicting transport method: {both}"), body=True)
    raise invalid(Violation(name="shippingLabelId", reason="There is no shipping label with this id."), body=True)


VIOLATIONS_MAX: Final = 100


def _violation(error: ErrorDetails) -> Violation:
    given = error.get("input")
    match error["type"]:
        case "missing" | "string_too_short":
            reason = EMPTY
        case "enum":
            name = [step for step in error["loc"] if isinstance(step, str)][-1]
            reason = not_listed(str(given), _WORDS[name]) if given not in (None, "") else EMPTY
        case _ if given is None:
            reason = EMPTY
        case "model_type":
            reason = "The value must be an object."
        case "too_long" | "too_short":
            limits = error.get("ctx", {})
            reason = f"The list has {limits['actual_length']} elements, but must have {_between(limits)}."
        case _:
            reason = f"{error['msg']}."
    return Violation(name=_path(error["loc"]), reason=reason)


def _between(limits: Mapping[str, Any]) -> str:
    return f"at most {limits['max_length']}" if "max_length" in limits else f"at least {limits['min_length']}"


def _path(place: Place) -> str:
    """Where a member is: ``orderItems[0].reasonCode``."""
    text = ""
    for step in place:
        text += f"[{step}]" if isinstance(step, int) else f".{step}" if text else step
    return text.encode("utf-8", "replace").decode()[:200]


# Media types


def check_types(scope: Scope, body: bytes, *, shared: bool) -> None:
    """Whether the answer can be given, and the body read, in the media types that the call names.

    Raises:
        RetailerError: 406 or 415; 400 for a body without any type, as bol answers it.
    """
    known = _SHARED if shared else _OWN
    if not _accepts(scope, known):
        raise NotAcceptableError
    if not body:
        return
    if not "".join(header_values(scope, b"content-type")).strip():
        raise invalid(Violation(name="Content-Type", reason=EMPTY))
    problem = unsupported_body(scope, *known)
    if problem:
        raise RetailerError(Problem.UNSUPPORTED_MEDIA_TYPE, problem.sentence, problem.header)


def answers_advertiser(scope: Scope) -> bool:
    """Whether the answer to a call below ``/shared`` has the advertiser's type: the call accepts that, and not ours."""
    _, wanted = _accepted(",".join(header_values(scope, b"accept")))
    return ADVERTISER in wanted and MEDIA_TYPE not in wanted


def _accepts(scope: Scope, known: Sequence[str]) -> bool:
    """Whether the call accepts one of these types."""
    accepted = ",".join(header_values(scope, b"accept"))
    if accepted in known:
        return True
    named, wanted = _accepted(accepted)
    return not named or any(_is_accepted(each, named, wanted) for each in known)


def _is_accepted(media_type: str, named: Collection[str], wanted: Collection[str]) -> bool:
    """Whether this type is. What names it most exactly counts (RFC 9110, 12.5.1); plain JSON is as good."""
    if media_type not in named and "application/json" in wanted:
        return True
    ranges = (media_type, "application/*", "*/*")
    return next((each in wanted for each in ranges if each in named), False)


def _accepted(accepted: str) -> tuple[set[str], set[str]]:
    """The media types that an ``Accept`` names, and those of them that it does not exclude."""
    ranges = [each.partition(";") for each in accepted.lower().split(",") if each.strip()]
    named = {name.strip() for name, _, _ in ranges}
    return named, {name.strip() for name, _, more in ranges if not _NONE.search(more)}


_OWN: Final = (MEDIA_TYPE,)
_SHARED: Final = (MEDIA_TYPE, ADVERTISER)
_NONE: Final = re.compile(r"\bq=0(\.0*)?\s*(;|$)")


# Query parameters


class Query:
    """The parameters of a call. Those that nobody here knows are left aside, as bol does."""

    def __init__(self, given: Mapping[str, Sequence[str]]) -> None:
        self._given = given

    def text(self, name: str) -> str:
        """The parameter, as far as a database can hold it, or an empty text; the first one where it is there twice."""
        return fit(next(iter(self._given.get(name, ())), ""))

    def needed(self, name: str) -> str:
        """The parameter.

        Raises:
            RetailerError: it is missing or empty.
        """
        if not self.text(name):
            raise invalid(Violation(name=name, reason=EMPTY))
        return self.text(name)

    @property
    def page(self) -> int:
        """Which page of a list is wanted, from 1 on."""
        return self.whole("page", least=1, most=100_000) or 1

    def whole(self, name: str, *, least: int, most: int) -> int | None:
        """A whole number within these bounds.

        Raises:
            RetailerError: it is none.
        """
        text = self.text(name)
        if not text:
            return None
        if not re.fullmatch("[0-9]{1,9}", text) or not least <= int(text) <= most:
            raise invalid(Violation(name=name, reason=f"The value must be a whole number from {least} to {most}."))
        return int(text)

    @property
    def fulfilment(self) -> str:
        """``FBR``, ``FBB`` or ``ALL``: what the retailer sends, what bol's warehouse does, or both."""
        return self.word("fulfilment-method", (*FulfilmentMethod, "ALL"), FulfilmentMethod.FBR.value)

    @property
    def progress(self) -> Progress:
        """Which order items are wanted."""
        return Progress(self.word("status", tuple(Progress), Progress.OPEN.value))

    @property
    def event_type(self) -> ProcessEvent:
        """What kind of process is looked for."""
        return ProcessEvent(self.word("event-type", tuple(ProcessEvent), self.needed("event-type")))

    @property
    def indicators(self) -> tuple[Indicator, ...]:
        """The indicators that are wanted: one, or several with commas between them, as bol's clients send them."""
        words = [word.strip() for word in self.needed("name").split(",")]
        for word in words:
            if word not in tuple(Indicator):
                raise invalid(Violation(name="name", reason=not_listed(word, tuple(Indicator))))
        return tuple(dict.fromkeys(map(Indicator, words)))

    def word(self, name: str, allowed: Sequence[str], default: str) -> str:
        """One word of a list.

        Raises:
            RetailerError: it is none of them.
        """
        given = self.text(name) or default
        if given not in allowed:
            raise invalid(Violation(name=name, reason=not_listed(given, allowed)))
        return str(given)

    def changes(self, now: datetime) -> tuple[datetime, datetime | None] | None:
        """From when to when something must have changed: in the last minutes, or on a day in Dutch time."""
        minutes, on_day = self.whole("change-interval-minute", least=1, most=60), self._changed_on(now)
        return (now - timedelta(minutes=minutes), None) if minutes else on_day

    def _changed_on(self, now: datetime) -> tuple[datetime, datetime] | None:
        text = self.text("latest-change-date")
        if not text:
            return None
        day, today = _day(text), now.astimezone(AMSTERDAM).date()
        if day is None or not today - timedelta(days=CHANGES_DAYS) <= day <= today:
            reason = "The value must be a date such as 2026-11-29, within the last three months."
            raise invalid(Violation(name="latest-change-date", reason=reason))
        start, end = (datetime.combine(each, time(), AMSTERDAM) for each in (day, day + timedelta(days=1)))
        return start.astimezone(UTC), end.astimezone(UTC)


def _day(text: str) -> date | None:
    try:
        return date.fromisoformat(text) if re.fullmatch("[0-9]{4}-[0-9]{2}-[0-9]{2}", text) else None
    except ValueError:
        return None
