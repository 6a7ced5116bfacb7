"""What CRUX clients send, read tolerantly (spec/crux.md 10.3), and the field errors they get back in DRF's shape."""

from collections.abc import Sequence
from datetime import UTC, date, datetime
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
)

FIRST_YEAR, LAST_YEAR = 1970, 2200

M = TypeVar("M", bound=BaseModel)


class FieldErrors(ValueError):  # noqa: N818 - named for what it carries
    """What is wrong with which field, in DRF's shape."""

    def __init__(self, body: dict[str, Any]) -> None:
        super().__init__(str(body))
        self.body = body


def _as_utc(value: datetime) -> datetime:
    if not FIRST_YEAR <= value.year <= LAST_YEAR:
        raise ValueError("out of range")
    return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


def _sane_date(value: date) -> date:
    if not FIRST_YEAR <= value.year <= LAST_YEAR:
        raise ValueError("out of range")
    return value


def _date_of_datetime(value: Any) -> Any:
    """A date may come as a datetime (spec/crux.md 2, ``backorder_date``)."""
    return value[:10] if isinstance(value, str) and len(value) > 10 and value[10] in "T " else value


def _as_list(value: Any) -> Any:
    return value if isinstance(value, list) else [value]


def _blank_is_none(value: Any) -> Any:
    return None if value == "" else value


Text = Annotated[str, Field(max_length=255)]
LongText = Annotated[str, Field(max_length=4000)]
Position = Annotated[int, Field(ge=0, le=2**31 - 1)]
Money = Annotated[Decimal, Field(ge=0, max_digits=12, decimal_places=4, allow_inf_nan=False)]
Moment = Annotated[datetime, AfterValidator(_as_utc)]
Day = Annotated[date, AfterValidator(_sane_date), BeforeValidator(_date_of_datetime)]
Quantity = Annotated[int, Field(ge=0, le=1_000_000)]
SupplierId = AliasChoices("supplier_uuid", "supplier_org_uuid", "supplier_id")


class Message(BaseModel):
    """Members that are not needed are ignored, numbers may be quoted."""

    model_config = ConfigDict(extra="ignore", coerce_numbers_to_str=True)


class Login(Message):
    """``username`` is an e-mail address."""

    username: Text
    password: Text


class Attribute(Message):
    """A pair that is carried and handed out again."""

    attribute_name: Text = Field(validation_alias=AliasChoices("attribute_name", "name"))
    attribute_value: LongText | None = Field(default=None, validation_alias=AliasChoices("attribute_value", "value"))


class Address(Message):
    """Where the goods go."""

    name: Text
    business_name: Text | None = None
    address1: Text
    address2: Text | None = None
    city: Text
    state: Text
    postal_code: Text
    country: Text | None = None
    phone_number: Text | None = None


class Sku(Message):
    """One article to order."""

    sku_id: Text
    quantity: Annotated[int, Field(ge=1, le=1_000_000)]
    supplier: UUID = Field(validation_alias=SupplierId)
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
    """Both generations' order: v1 wishes a carrier for the order, timp one for each line."""

    skus: Annotated[list[Sku], Field(min_length=1, max_length=1000)]
    address: Address
    reference: Text = Field(validation_alias=AliasChoices("purchase_order_id", "po_number"))
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
    start_date: Annotated[Moment | None, BeforeValidator(_blank_is_none)] = None
    end_date: Annotated[Moment | None, BeforeValidator(_blank_is_none)] = None
    term: Text | None = Field(default=None, validation_alias=AliasChoices("term", "search_term"))
    po_number: Text | None = None
    sent_to_supplier: Annotated[bool | None, BeforeValidator(_blank_is_none)] = None
    org_uuids: Annotated[list[UUID], Field(max_length=200)] = []
    line_item_allocation_statuses: Annotated[list[Text], Field(max_length=50), BeforeValidator(_as_list)] = []
    line_item_designation: Annotated[list[Text] | None, Field(max_length=50), BeforeValidator(_as_list)] = None
    line_item_status: Annotated[list[Text], Field(max_length=50), BeforeValidator(_as_list)] = Field(
        default=[], validation_alias=AliasChoices("line_item_status", "line_item_statuses")
    )
    status_conjunction: Literal["and", "or", "only"] = Field(
        default="or", validation_alias=AliasChoices("status_conjunction", "line_item_status_conjunction")
    )


class CancelOrder(Message):
    """``auth_token`` and ``skus`` of the page's text are ignored (spec/crux.md 10.1, 14)."""

    order_uuid: UUID


class Allocation(Message):
    """All three in all, not in addition to what was said before."""

    quantity_accepted: Quantity = Field(validation_alias=AliasChoices("quantity_accepted", "quantity_allocated"))
    quantity_rejected: Quantity
    quantity_backordered: Quantity
    backorder_date: Annotated[Day | None, BeforeValidator(_blank_is_none)] = None


class AllocatedLine(Message):
    """One line's allocation."""

    line_item_uuid: UUID
    allocation: Allocation


class Allocate(Message):
    """The supplier's word on lines of one order."""

    line_items: Annotated[list[AllocatedLine], Field(min_length=1, max_length=1000)]


class TrackedLine(Message):
    """How many units of a line are in the parcel."""

    line_item_uuid: UUID
    quantity: Annotated[int, Field(ge=1, le=1_000_000)] = Field(
        validation_alias=AliasChoices("quantity_shipped", "quantity")
    )


class Track(Message):
    """One parcel."""

    tracking_number: Text = Field(validation_alias=AliasChoices("tracking_number", "tracking"))
    cost: Money | None = Field(default=None, validation_alias=AliasChoices("package_ship_cost", "ship_cost"))
    carrier: Text | None = Field(default=None, validation_alias=AliasChoices("supplier_provided_carrier", "carrier"))
    method: Text | None = Field(default=None, validation_alias=AliasChoices("supplier_provided_method", "method"))
    weight: Money | None = Field(default=None, validation_alias=AliasChoices("package_weight", "weight"))
    shipped_on: Annotated[Day | None, BeforeValidator(_blank_is_none)] = Field(
        default=None, validation_alias="package_ship_date"
    )
    line_items: Annotated[list[TrackedLine], Field(min_length=1, max_length=1000)]
    attributes: list[Attribute] | None = Field(default=None, validation_alias="package_attributes")


def read(model: type[M], value: Any) -> M:
    """The message that ``value`` holds.

    Raises:
        FieldErrors: it lacks something, or something in it has the wrong form.
    """
    if not isinstance(value, dict):
        kind = "null" if value is None else type(value).__name__
        raise FieldErrors({"non_field_errors": [f"Invalid data. Expected a dictionary, but got {kind}."]})
    try:
        return model.model_validate(value)
    except ValidationError as error:
        raise FieldErrors(_in_drf_shape(model, error)) from None


_TEXTS: Final = {
    "missing": "This field is required.",
    "int_parsing": "A valid integer is required.",
    "int_type": "A valid integer is required.",
    "int_from_float": "A valid integer is required.",
    "uuid_parsing": "Must be a valid UUID.",
    "uuid_type": "Must be a valid UUID.",
    "string_type": "Not a valid string.",
    "decimal_parsing": "A valid number is required.",
    "decimal_type": "A valid number is required.",
    "bool_parsing": "Must be a valid boolean.",
    "bool_type": "Must be a valid boolean.",
    "list_type": "Expected a list of items.",
    "model_type": "Invalid data. Expected a dictionary.",
    "model_attributes_type": "Invalid data. Expected a dictionary.",
    "dict_type": "Invalid data. Expected a dictionary.",
    "too_short": "This list may not be empty.",
}


def _in_drf_shape(model: type[BaseModel], error: ValidationError) -> dict[str, Any]:
    body: dict[str, Any] = {}
    for each in error.errors(include_url=False, include_context=False):
        place: Any = body
        path = [part for part in each["loc"] if isinstance(part, int) or not part.startswith("function-")]
        *way, last = path or ["non_field_errors"]
        for part in way:
            place = place.setdefault(str(part), {})
            if not isinstance(place, dict):
                break
        if isinstance(place, dict):
            place.setdefault(str(last), []).append(_text(each["type"], each["msg"], given=each["input"]))
    return body


def _text(kind: str, message: str, *, given: Any) -> str:
    if given is None:
        return "This field may not be null."
    if kind.startswith(("datetime_", "date_")) or "out of range" in message:
        return "Datetime has wrong format. Use ISO 8601, between 1970 and 2200."
    return _TEXTS.get(kind) or f"{message}."


def pairs(attributes: Sequence[Attribute] | None) -> list[dict[str, Any]] | None:
    """Attributes as they are kept and shown."""
    if attributes is None:
        return None
    return [{"attribute_name": a.attribute_name, "attribute_value": a.attribute_value} for a in attributes]
