"""Links in the description (OpenAPI 3.1): from what a call answers to the calls that can follow.

An object leads to every call that takes its id in the path, and to the lists that can be narrowed to it. A list leads
to the same by its first member. ``BODIES`` says which calls take an id in their body.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

NOUNS: Final[dict[str, str]] = {
    "attempts": "attempt",
    "cancellations": "cancellation",
    "credentials": "credential",
    "endpoints": "endpoint",
    "events": "event",
    "jobs": "job",
    "lines": "line",
    "notices": "notice",
    "orders": "order",
    "parties": "party",
    "payments": "payment",
    "policies": "policy",
    "refunds": "refund",
    "shipments": "shipment",
    "users": "user",
}
"""What a parameter is called that takes the id of one of them."""

BODIES: Final[dict[str, dict[str, Any]]] = {
    "order": {
        "cancellations.create": {"order": "{}"},
        "quotes.create": {"order": "{}"},
    },
    "line": {
        "cancellations.create": {"lines": [{"line": "{}"}]},
        "quotes.create": {"lines": [{"line": "{}"}]},
    },
    "cancellation": {"judgements.create": {"cancellation": "{}"}},
    "party": {"policies.preview": {"retailer": "{}"}, "policies.create": {"retailer": "{}"}},
}
"""Bodies with an id in the place of ``{}``."""

_TOLD_OF: Final = frozenset({"order", "line", "cancellation"})
"""What ``timeline.get`` takes as ``id``."""

Call = tuple[str, str, Mapping[str, Any]]
"""Path, verb and description of an operation."""


@dataclass(frozen=True, slots=True)
class Given:
    """An id in an answer: of which noun it is, and where it stands."""

    noun: str
    pointer: str


def add_links(calls: Sequence[Call], schemas: Mapping[str, Any]) -> dict[str, Any]:
    """Give each answer its links; what they are is in the parts that are returned."""
    parts: dict[str, Any] = {}
    nouns = {_shown(call): NOUNS[noun] for noun, call in _reads(calls)}
    for path, _, call in calls:
        for status, answer in call["responses"].items():
            links = {}
            for given in _ids(call, _schema(answer), nouns, schemas) if status.startswith("2") else ():
                for name, link in _following(given, path, calls):
                    part = f"{name}.from.{given.noun}{given.pointer.replace('/', '.')}"
                    parts[part] = link
                    links[name] = {"$ref": f"#/components/links/{part}"}
            if links:
                answer["links"] = links
    return parts


def _reads(calls: Sequence[Call]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for _, _, call in calls:
        noun, _, verb = call["operationId"].partition(".")
        if verb == "get" and noun in NOUNS:
            yield noun, call


def _shown(call: Mapping[str, Any]) -> str:
    return _schema(call["responses"]["200"])


def _schema(answer: Mapping[str, Any]) -> str:
    schema = answer.get("content", {}).get("application/json", {}).get("schema", {})
    return str(schema.get("$ref", "")).rpartition("/")[2]


def _ids(call: Mapping[str, Any], schema: str, nouns: Mapping[str, str], schemas: Mapping[str, Any]) -> Iterator[Given]:
    """The ids that an answer leads on with: of the object, of the first of a list, of the first line of an order."""
    members = schemas.get(schema, {}).get("properties", {})
    listed = call["operationId"].partition(".")[0]
    noun = nouns.get(schema) or NOUNS.get(listed)
    if noun and "id" in members:
        yield Given(noun, "/id")
    elif noun and listed in members:
        yield Given(noun, f"/{listed}/0/id")
    if noun == "order" and "lines" in members:
        yield Given("line", "/lines/0/id")


def _following(given: Given, path: str, calls: Sequence[Call]) -> Iterator[tuple[str, dict[str, Any]]]:
    value = f"$response.body#{given.pointer}"
    for target, _, call in calls:
        name = call["operationId"]
        if parameters := _parameters(given.noun, value, path, target, call):
            yield name, {"operationId": name, "parameters": parameters}
        elif body := BODIES.get(given.noun, {}).get(name):
            yield name, {"operationId": name, "requestBody": _filled(body, value)}


def _parameters(noun: str, value: str, path: str, target: str, call: Mapping[str, Any]) -> dict[str, str]:
    """What a call takes: the id in its path, with what the first call had in its own; else the id in its query."""
    needed = _PLACE.findall(target)
    if call["operationId"] == "timeline.get" and noun in _TOLD_OF:
        return {"path.id": value}
    rest = set(needed) - {noun}
    if noun in needed:
        known = rest <= set(_PLACE.findall(path))
        return {f"path.{noun}": value, **{f"path.{name}": f"$request.path.{name}" for name in rest}} if known else {}
    taken = any((each["in"], each["name"]) == ("query", noun) for each in call.get("parameters", ()))
    return {f"query.{noun}": value} if taken and not needed else {}


_PLACE: Final = re.compile(r"\{(\w+)\}")


def _filled(body: Any, value: str) -> Any:
    match body:
        case dict():
            return {name: _filled(each, value) for name, each in body.items()}
        case list():
            return [_filled(each, value) for each in body]
        case "{}":
            return value
    return body
