"""What CRUX clients send, read tolerantly (docs/crux.md), and the field errors they get back in DRF's shape."""

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, date, datetime, tzinfo
from decimal import Decimal
from typing import Annotated, Any, Final, Literal, TypeVar
from uuid import UUID

from pydantic import (
    AfterValidator,
    AliasChoices,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    ValidationInfo,
)
from pydantic_core import ErrorDetails, PydanticCustomError

from countermand.domain.dates import read_day, read_end, read_moment
from countermand.domain.numbers import read_decimal, read_whole
from countermand.domain.orders import LINES_MAX, UNITS_MAX
from countermand.domain.parties import PartyKind
from countermand.domain.texts import TEXT_MAX, is_blank, read_text
from countermand.ids import read_uuid
from countermand.json_input import NODES_MAX, MalformedJsonError, parse_json
from countermand.wire.body_types import unsupported_body
from countermand.wire.replies import CallError, Problem
from countermand.wire.response import Scope, header

M = TypeVar("M", bound=BaseModel)


class FieldErrors(ValueError):  # noqa: N818 - named for what it carries
    """What is wrong with which field, in DRF's shape."""

    def __init__(self, body: dict[str, Any]) -> None:
        super().__init__(str(body))
        self.body = body


def _told(read: Callable[[Any], Any], kind: str) -> Callable[[Any], Any]:
    """A reader that complains in this kind, for which DRF has a sentence."""

    def checked(value: Any) -> Any:
        try:
            return read(value)
        except ValueError:
            raise PydanticCustomError(kind, "wrong") from None

    return checked


def _in_zone(read: Callable[[Any, tzinfo], datetime]) -> BeforeValidator:
    """A time in a filter; a day is one of the zone that the message is read in."""

    def checked(value: Any, info: ValidationInfo) -> Any:
        zone = (info.context or {}).get("zone", UTC)
        return None if value in (None, "") else _told(lambda given: read(given, zone), "datetime_type")(value)

    return BeforeValidator(checked)


def _as_text(value: Any) -> Any:
    """A text may come as a number, whose digits are kept; one with an exponent has none to keep."""
    if isinstance(value, bool) or (isinstance(value, Decimal) and "E" in str(value)):
        return value
    return str(value) if isinstance(value, int | Decimal) else value


def _as_list(value: Any) -> Any:
    """One word may stand for a list of one; what is empty does not filter."""
    if value in (None, ""):
        return []
    return value if isinstance(value, list) else [value]


def _blank_is_none(value: Any) -> Any:
    return None if value == "" else value


def _needed(value: str) -> str:
    if is_blank(value):
        raise PydanticCustomError("blank", "blank")
    return value


_AsText = BeforeValidator(_as_text)
Text = Annotated[str, Field(max_length=TEXT_MAX), _AsText, AfterValidator(read_text)]
Needed = Annotated[Text, AfterValidator(_needed)]
LongText = Annotated[str, Field(max_length=4000), _AsText, AfterValidator(read_text)]
Number = Annotated[int, BeforeValidator(_told(read_whole, "int_type"))]
Position = Annotated[Number, Field(ge=0, le=2**31 - 1)]
Money = Annotated[
    Decimal,
    BeforeValidator(_told(read_decimal, "decimal_type")),
    Field(ge=0, max_digits=12, decimal_places=4, allow_inf_nan=False),
]
Day = Annotated[date, BeforeValidator(_told(read_day, "date_type"))]
Quantity = Annotated[Number, Field(ge=0, le=UNITS_MAX)]
Units = Annotated[Number, Field(ge=1, le=UNITS_MAX)]
Id = Annotated[UUID, BeforeValidator(_told(read_uuid, "uuid_type"))]
SupplierId = AliasChoices("supplier_uuid", "supplier_org_uuid", "supplier_id")


class Message(BaseModel):
    """Members that are not needed are ignored. Numbers may be quoted, and texts may be numbers."""

    model_config = ConfigDict(extra="ignore")


class Login(Message):
    """``username`` is an e-mail address."""

    username: Text
    password: Text


class Attribute(Message):
    """A pair that is carried and handed out again."""

    attribute_name: Needed = Field(validation_alias=AliasChoices("attribute_name", "name"))
    attribute_value: LongText | None = Field(default=None, validation_alias=AliasChoices("attribute_value", "value"))


class Address(Message):
    """Where the goods go."""

    name: Needed
    business_name: Text | None = None
    address1: Needed
    address2: Text | None = None
    city: Needed
    state: Needed
    postal_code: Needed
    country: Text | None = None
    phone_number: Text | None = None


class Sku(Message):
    """One article to order."""

    sku_id: Needed
    quantity: Units
    supplier: Id = Field(validation_alias=SupplierId)
    cost: Annotated[Money | None, BeforeValidator(_blank_is_none)] = Field(
        default=None,
        validation_alias=AliasChoices("retailer_provided_sku_cost", "expected_sku_cost", "price"),
    )
    carrier: Text | None = Field(default=None, validation_alias="retailer_provided_shipping_carrier")
    method: Text | None = Field(default=None, validation_alias="retailer_provided_shipping_method")
    instructions: LongText | None = Field(
        default=None,
        validation_alias=AliasChoices("retailer_line_item_instructions", "line_item_special_instructions"),
    )
    attributes: list[Attribute] | None = Field(default=None, validation_alias="retailer_provided_line_item_attributes")


class CreateOrder(Message):
    """Both generations' order: v1 asks for a carrier for the order, timp one for each line."""

    skus: Annotated[list[Sku], Field(min_length=1, max_length=LINES_MAX)]
    address: Address
    reference: Needed = Field(validation_alias=AliasChoices("purchase_order_id", "po_number"))
    shipping_carrier: Text | None = None
    shipping_method: Text | None = None
    notes: LongText | None = Field(default=None, validation_alias=AliasChoices("notes", "retailer_provided_notes"))
    order_fee: Money | None = Field(default=None, validation_alias="retailer_provided_order_fee")
    tax: Money | None = Field(default=None, validation_alias="retailer_provided_tax")
    shipping_cost: Money | None = Field(default=None, validation_alias="retailer_provided_shipping_cost")
    dropship_fee: Money | None = Field(
        default=None,
        validation_alias=AliasChoices("retailer_provided_dropship_fee", "retailer_provided_drop_ship_fee"),
    )
    attributes: list[Attribute] | None = Field(default=None, validation_alias="retailer_provided_order_attributes")


class Sort(Message):
    """Only the key ``date`` sorts; ``dir`` says which way, ``value`` is what the samples call it."""

    key: Text | None = None
    dir: Text | None = Field(default=None, validation_alias=AliasChoices("dir", "value"))


class ListOrders(Message):
    """Filters of every revision of the page; what is empty does not filter."""

    start: Position = 0
    limit: Position | None = None
    sort: Sort | None = None
    start_date: Annotated[datetime | None, _in_zone(read_moment)] = None
    end_date: Annotated[datetime | None, _in_zone(read_end)] = None
    term: Text | None = Field(default=None, validation_alias=AliasChoices("term", "search_term"))
    po_number: Text | None = None
    sent_to_supplier: Annotated[bool | None, BeforeValidator(_blank_is_none)] = None
    org_uuids: Annotated[list[Id], Field(max_length=200)] = []
    line_item_allocation_statuses: Annotated[list[Text], Field(max_length=50), BeforeValidator(_as_list)] = []
    line_item_designation: Annotated[list[Text], Field(max_length=50), BeforeValidator(_as_list)] = []
    line_item_status: Annotated[list[Text], Field(max_length=50), BeforeValidator(_as_list)] = Field(
        default=[], validation_alias=AliasChoices("line_item_status", "line_item_statuses")
    )
    status_conjunction: Literal["and", "or", "only"] = Field(
        default="or", validation_alias=AliasChoices("status_conjunction", "line_item_status_conjunction")
    )


class CancelOrder(Message):
    """``auth_token`` and ``skus`` of the page's text are ignored (docs/crux.md)."""

    order_uuid: Id


class Allocation(Message):
    """All three are totals, not additions to what was reported before."""

    quantity_accepted: Quantity = Field(validation_alias=AliasChoices("quantity_accepted", "quantity_allocated"))
    quantity_rejected: Quantity
    quantity_backordered: Quantity
    backorder_date: Annotated[Day | None, BeforeValidator(_blank_is_none)] = None


class AllocatedLine(Message):
    """One line's allocation."""

    line_item_uuid: Id
    allocation: Allocation


class Allocate(Message):
    """The supplier's word on lines of one order."""

    line_items: Annotated[list[AllocatedLine], Field(min_length=1, max_length=LINES_MAX)]


class TrackedLine(Message):
    """How many units of a line are in the parcel."""

    line_item_uuid: Id
    quantity: Units = Field(validation_alias=AliasChoices("quantity_shipped", "quantity"))


class Track(Message):
    """One parcel."""

    tracking_number: Needed = Field(validation_alias=AliasChoices("tracking_number", "tracking"))
    cost: Money | None = Field(default=None, validation_alias=AliasChoices("package_ship_cost", "ship_cost"))
    carrier: Text | None = Field(default=None, validation_alias=AliasChoices("supplier_provided_carrier", "carrier"))
    method: Text | None = Field(default=None, validation_alias=AliasChoices("supplier_provided_method", "method"))
    weight: Money | None = Field(default=None, validation_alias=AliasChoices("package_weight", "weight"))
    shipped_on: Annotated[Day | None, BeforeValidator(_blank_is_none)] = Field(
        default=None, validation_alias="package_ship_date"
    )
    reference: Text | None = Field(default=None, validation_alias="package_reference")
    line_items: Annotated[list[TrackedLine], Field(min_length=1, max_length=LINES_MAX)]
    attributes: list[Attribute] | None = Field(default=None, validation_alias="package_attributes")


def read_json(scope: Scope, body: bytes, *, nodes_max: int = NODES_MAX) -> Any:
    """The JSON that a call carries.

    Raises:
        CallError: it is of another type, or not JSON.
    """
    if unsupported := unsupported_body(scope, "application/json"):
        given = (header(scope, b"content-type") or "")[:200]
        detail = f'Unsupported media type "{given}" in request. {unsupported.sentence}'
        raise CallError(Problem.UNSUPPORTED_MEDIA_TYPE, detail, unsupported.header)
    try:
        return parse_json(body, nodes_max=nodes_max)
    except MalformedJsonError as error:
        raise CallError(Problem.MALFORMED, f"JSON parse error - {error}") from None


def read(model: type[M], value: Any, *, timp: bool, zone: tzinfo = UTC) -> M:
    """The message that ``value`` holds; its days are those of ``zone``.

    Raises:
        FieldErrors: it lacks something, or something in it has the wrong form.
    """
    if not isinstance(value, dict):
        raise FieldErrors({"non_field_errors": [f"Invalid data. Expected a dictionary, but got {_kind(value)}."]})
    try:
        return model.model_validate(value, context={"zone": zone})
    except ValidationError as error:
        raise FieldErrors(_in_drf_shape(error, value, timp=timp)) from None


_TEXTS: Final = {
    "missing": "This field is required.",
    "uuid_parsing": "Must be a valid UUID.",
    "uuid_type": "Must be a valid UUID.",
    "string_type": "Not a valid string.",
    "string_too_long": "Ensure this field has no more than {max_length} characters.",
    "greater_than_equal": "Ensure this value is greater than or equal to {ge}.",
    "less_than_equal": "Ensure this value is less than or equal to {le}.",
    "decimal_max_digits": "Ensure that there are no more than {max_digits} digits in total.",
    "decimal_max_places": "Ensure that there are no more than {decimal_places} decimal places.",
    "decimal_whole_digits": "Ensure that there are no more than {whole_digits} digits before the decimal point.",
    "too_short": "This list may not be empty.",
    "blank": "This field may not be blank.",
    "too_long": "Ensure this field has no more than {max_length} elements.",
}

_TEXTS_BY_FAMILY: Final = {
    "int": "A valid integer is required.",
    "decimal": "A valid number is required.",
    "finite": "A valid number is required.",
    "bool": "Must be a valid boolean.",
    "datetime": "Datetime has wrong format. Use ISO 8601, between 1970 and 2200.",
    "date": "Date has wrong format. Use YYYY-MM-DD, between 1970 and 2200.",
    "time": "Datetime has wrong format. Use ISO 8601, between 1970 and 2200.",
    "timezone": "Datetime has wrong format. Use ISO 8601, between 1970 and 2200.",
}

_NAMES: Final = {
    True: {"purchase_order_id": "po_number", "supplier_uuid": "supplier_org_uuid"},
    False: {"tracking_number": "tracking", "quantity_shipped": "quantity"},
}
"""What the generation of the caller (``True``: timp) calls a field whose first name is the other's."""


def _in_drf_shape(error: ValidationError, value: Any, *, timp: bool) -> dict[str, Any]:
    body: dict[Any, Any] = {}
    for each in error.errors(include_url=False):
        *way, last = each["loc"]
        if each["type"] == "missing":
            last = _NAMES[timp].get(str(last), last)
        if each["type"] == "model_type" and each["input"] is not None:
            way, last = [*way, last], "non_field_errors"
        place = body
        for part in way:
            place = place.setdefault(part, {})
        place.setdefault(last, []).append(_text(each))
    shaped: dict[str, Any] = _shaped(body, value)
    return shaped


def _shaped(errors: Any, value: Any) -> Any:
    """A list of objects has a list of errors, with ``{}`` for each that is fine; any other list names positions."""
    if not isinstance(errors, dict):
        return errors
    inner = {part: _shaped(each, _part(value, part)) for part, each in errors.items()}
    if all(isinstance(part, int) and isinstance(each, dict) for part, each in inner.items()):
        return [inner.get(place, {}) for place in range(len(value))]
    return {str(part): each for part, each in inner.items()}


def _part(value: Any, part: str | int) -> Any:
    try:
        return value[part]
    except (LookupError, TypeError):
        return None


def _text(error: ErrorDetails) -> str:
    kind, given, context = error["type"], error["input"], error.get("ctx", {})
    match kind:
        case _ if given is None and kind != "missing":
            return "This field may not be null."
        case "model_type":
            return f"Invalid data. Expected a dictionary, but got {_kind(given)}."
        case "list_type":
            return f'Expected a list of items but got type "{_kind(given)}".'
        case "literal_error":
            return f'"{str(given)[:100]}" is not a valid choice.'
        case "value_error":
            return str(context["error"])
    if kind in _TEXTS:
        return _TEXTS[kind].format(**context)
    return _TEXTS_BY_FAMILY.get(kind.partition("_")[0]) or f"{error['msg']}."


def _kind(value: Any) -> str:
    return "null" if value is None else type(value).__name__


def pairs(attributes: Sequence[Attribute] | None) -> list[dict[str, Any]] | None:
    """Attributes as they are kept and shown."""
    if attributes is None:
        return None
    return [{"attribute_name": a.attribute_name, "attribute_value": a.attribute_value} for a in attributes]


def check_suppliers(message: CreateOrder, known: Mapping[UUID, PartyKind], retailer: UUID, *, timp: bool) -> None:
    """Whether each article has a supplier, out of those that are ``known``, or comes from the retailer itself.

    Raises:
        FieldErrors: some have not.
    """
    name = "supplier_org_uuid" if timp else "supplier_uuid"
    good = {each for each, kind in known.items() if kind is PartyKind.SUPPLIER or each == retailer}
    bad = [{} if sku.supplier in good else {name: ["There is no such supplier."]} for sku in message.skus]
    if any(bad):
        raise FieldErrors({"skus": bad})
