"""The description of this API (OpenAPI 3.1), made of the table of its calls and the models that read their bodies."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from pydantic.json_schema import models_json_schema

from countermand.reads.seller_orders import Progress
from countermand.wire.bol.vocabulary import FulfilmentMethod
from countermand.wire.bol_retailer import messages
from countermand.wire.bol_retailer.answers import SCHEMAS, Schema, named, one_of
from countermand.wire.bol_retailer.meaning import Request
from countermand.wire.bol_retailer.vocabulary import ADVERTISER, MEDIA_TYPE, Indicator, ProcessEvent
from countermand.wire.pipeline import Operation


@dataclass(frozen=True, slots=True, kw_only=True)
class Described:
    """What the table of calls does not say of one: its parameters, its body, and what it answers."""

    answer: str
    query: tuple[dict[str, Any], ...] = ()
    body: type[messages.Message] | None = None


def _whole(least: int, most: int) -> Schema:
    return {"type": "integer", "minimum": least, "maximum": most}


def _query(name: str, schema: Schema, told: str, *, needed: bool = False) -> dict[str, Any]:
    """A parameter. Where it is not needed, an empty one counts as none."""
    taken = schema if needed else {"anyOf": [schema, {"const": ""}]}
    return {"name": name, "in": "query", "required": needed, "description": told, "schema": taken}


_PAGE: Final = _query("page", _whole(1, 100_000), "which page, 50 to a page; default 1")
_FULFILMENT: Final = _query(
    "fulfilment-method", one_of(*FulfilmentMethod, "ALL"), "FBB, by bol's own warehouse, is never found; default FBR"
)
_ANY_INDICATOR: Final = "|".join(Indicator)

CALLS: Final[Mapping[str, Described]] = {
    "list_orders": Described(
        answer="ReducedOrders",
        query=(
            _PAGE,
            _FULFILMENT,
            _query("status", one_of(*Progress), "default OPEN"),
            _query("change-interval-minute", _whole(1, 60), "changed in so many minutes"),
            _query(
                "latest-change-date",
                {"type": "string", "format": "date"},
                "changed on this day in Dutch time, within the last three months",
            ),
        ),
    ),
    "get_order": Described(answer="Order"),
    "cancel_item": Described(answer="ProcessStatus", body=messages.Cancellation),
    "list_shipments": Described(
        answer="Shipments",
        query=(_PAGE, _FULFILMENT, _query("order-id", {"type": "string"}, "of this order, whoever sends it")),
    ),
    "ship": Described(answer="ProcessStatus", body=messages.Shipment),
    "get_shipment": Described(answer="Shipment"),
    "change_transport": Described(answer="ProcessStatus", body=messages.ChangedTransport),
    "indicators": Described(
        answer="PerformanceIndicators",
        query=(
            _query(
                "name",
                {"type": "string", "pattern": f"^({_ANY_INDICATOR})(,({_ANY_INDICATOR}))*$"},
                "one, or several with commas between them",
                needed=True,
            ),
            _query("year", _whole(1970, 9000), "by ISO 8601", needed=True),
            _query("week", _whole(1, 53), "by ISO 8601", needed=True),
        ),
    ),
    "get_retailer": Described(answer="Retailer"),
    "list_processes": Described(
        answer="ProcessStatuses",
        query=(
            _query(
                "entity-id", {"type": "string", "minLength": 1}, "an order item, a parcel, a subscription", needed=True
            ),
            _query("event-type", one_of(*ProcessEvent), "what kind of call", needed=True),
            _PAGE,
        ),
    ),
    "look_processes_up": Described(answer="ProcessStatuses", body=messages.ProcessQueries),
    "get_process": Described(answer="ProcessStatus"),
    "list_subscriptions": Described(answer="Subscriptions"),
    "create_subscription": Described(answer="ProcessStatus", body=messages.Subscription),
    "list_signature_keys": Described(answer="SignatureKeys"),
    "test_subscription": Described(answer="ProcessStatus"),
    "get_subscription": Described(answer="SubscriptionResponse"),
    "update_subscription": Described(answer="ProcessStatus", body=messages.Subscription),
    "delete_subscription": Described(answer="ProcessStatus"),
}
"""Every call by its name, which logs and metrics have, too. A test holds that none is missing."""

_LOOKED_UP: Final = frozenset({"look_processes_up"})
"""A POST that changes nothing, and so has its answer at once."""


def description(operations: Iterable[Operation[Request]], address: str) -> dict[str, Any]:
    """The description of these calls at a service with this address."""
    models = sorted({each.body for each in CALLS.values() if each.body}, key=lambda model: model.__name__)
    given = [(model, "validation") for model in models]
    _, bodies = models_json_schema(given, by_alias=True, ref_template="#/components/schemas/{model}")  # type: ignore[arg-type]
    paths: dict[str, dict[str, Any]] = {"/token": {"post": _TOKEN}}
    for operation in operations:
        paths.setdefault(operation.path, {})[operation.method.lower()] = _call(operation)
    return {
        "openapi": "3.1.0",
        "info": {"title": "Countermand: bol's Retailer API v10", "version": "10", "description": _ABOUT},
        "servers": [{"url": address}],
        "security": [{"bearer": []}],
        "paths": paths,
        "components": {
            "securitySchemes": {"bearer": {"type": "http", "scheme": "bearer", "description": "From `POST /token`."}},
            "schemas": {**SCHEMAS, **_untitled(bodies["$defs"])},
        },
    }


def _untitled(schemas: dict[str, Any]) -> dict[str, Any]:
    """The bodies without the titles that pydantic makes of names, and without labels, which are not sold here."""
    for schema in schemas.values():
        schema.pop("title", None)
        members = schema.get("properties", {})
        members.pop("shippingLabelId", None)
        for member in members.values():
            member.pop("title", None)
    return schemas


_ABOUT: Final = (
    "What this service knows of bol's Retailer API: orders, cancellations, parcels, process statuses, the score and"
    " subscriptions. The page about it, docs/retailer.md, says what each call means. Paths with `-demo` answer with"
    " fixed data and keep nothing."
)


def _call(operation: Operation[Request]) -> dict[str, Any]:
    """One call. Those of the sandbox are described as the true ones are."""
    told, demo = CALLS[operation.name], "-demo/" in operation.path
    told_by = (operation.answer.__doc__ or "").partition(": ")[2].partition("\n")[0]
    parameters = [*told.query]
    if "{target}" in operation.path:
        schema = {"type": "string", "minLength": 1}
        parameters.insert(0, {"name": "target", "in": "path", "required": True, "schema": schema})
    call: dict[str, Any] = {
        "operationId": f"{operation.name}_demo" if demo else operation.name,
        "tags": ["sandbox" if demo else operation.path.split("/")[2]],
        "summary": f"{told_by[:1].upper()}{told_by[1:]}",
        "parameters": parameters,
        "responses": _answers(operation, told),
    }
    if told.body:
        call["requestBody"] = {"required": True, "content": _content(told.body.__name__, *_types(operation))}
    return call


def _types(operation: Operation[Request]) -> tuple[str, ...]:
    return (MEDIA_TYPE, ADVERTISER) if operation.path.startswith("/shared") else (MEDIA_TYPE,)


def _content(schema: str, *media_types: str) -> Schema:
    return {each: {"schema": named(schema)} for each in media_types}


def _answers(operation: Operation[Request], told: Described) -> dict[str, Any]:
    queued = operation.method != "GET" and operation.name not in _LOOKED_UP
    types = _types(operation)
    good = {"202" if queued else "200": _answer("It is decided." if queued else "It is there.", told.answer, *types)}
    wrong = {"401": "no valid token", "403": "an inactive account, or no retailer", "406": "another type in `Accept`"}
    if told.query or told.body:
        wrong["400"] = "a member or a parameter is wrong; `violations` say which"
    if told.body:
        wrong |= {"413": "the body is too large", "415": "the body has another type"}
    if "{target}" in operation.path:
        wrong["404"] = "there is no such thing, or no such call"
    wrong |= {"429": "the quota of this kind of call is used up", "503": "the service is busy; repeat the call"}
    return good | {status: _answer(f"A problem: {why}.", "Problem", *types) for status, why in sorted(wrong.items())}


def _answer(told: str, schema: str, *media_types: str) -> dict[str, Any]:
    return {"description": told, "content": _content(schema, *media_types)}


_TOKEN: Final[dict[str, Any]] = {
    "operationId": "token",
    "tags": ["token"],
    "summary": "An access token for the id and the secret of a client, in the form or in a Basic header.",
    "security": [],
    "requestBody": {
        "required": True,
        "content": {
            "application/x-www-form-urlencoded": {
                "schema": {
                    "type": "object",
                    "required": ["grant_type"],
                    "properties": {
                        "grant_type": {"type": "string", "enum": ["client_credentials"]},
                        "client_id": {"type": "string"},
                        "client_secret": {"type": "string"},
                    },
                }
            }
        },
    },
    "responses": {
        "200": _answer("A token for 299 seconds.", "AccessToken", "application/json"),
        **{
            status: _answer(f"{why}.", "TokenError", "application/json")
            for status, why in (
                ("400", "The body cannot be read, or asks for another grant"),
                ("401", "The id or the secret is wrong"),
            )
        },
        "429": {
            "description": "Too many tokens, or too many wrong secrets from this address.",
            "content": {
                "application/json": {"schema": named("TokenError")},
                MEDIA_TYPE: {"schema": named("Problem")},
            },
        },
    },
}
