"""The client's table of operations against the description that the service serves, both ways."""

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pytest
import write_clients

from countermand_client import models
from countermand_client.operations import OPERATIONS, Operation
from tests.wire.native.calling import Native

pytestmark = pytest.mark.anyio

NOT_DESCRIBED = {"health.live", "health.ready", "providers.receive"}
"""What needs no token is no part of the description."""


@pytest.fixture
async def described(sqlite_native: Native) -> dict[str, Any]:
    answer = await sqlite_native.http.get("/openapi.json")
    document: dict[str, Any] = answer.json()
    return document


def calls(described: Mapping[str, Any]) -> Iterator[tuple[str, str, Mapping[str, Any]]]:
    for path, methods in described["paths"].items():
        for method, call in methods.items():
            yield method.upper(), path, call


def by_id(described: Mapping[str, Any]) -> dict[str, tuple[str, str, Mapping[str, Any]]]:
    return {call["operationId"]: (method, path, call) for method, path, call in calls(described)}


def resolved(described: Mapping[str, Any], schema: Mapping[str, Any]) -> Mapping[str, Any]:
    while "$ref" in schema:
        schema = described["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
    return schema


async def test_the_client_has_every_operation_of_the_service(described: dict[str, Any]) -> None:
    assert by_id(described).keys() <= OPERATIONS.keys()


def operations(described: Mapping[str, Any]) -> set[str]:
    return OPERATIONS.keys() - by_id(described).keys() - NOT_DESCRIBED


async def test_each_object_has_a_name_of_its_own(described: dict[str, Any]) -> None:
    """Two classes of one name are described by their whole paths, which generators of clients stumble over."""
    assert [name for name in described["components"]["schemas"] if not name.isalnum()] == []


async def test_each_operation_is_sent_where_the_service_expects_it(described: dict[str, Any]) -> None:
    for id_, (method, path, _) in by_id(described).items():
        own = OPERATIONS[id_]
        assert (own.method, re.sub(r"\{\w+\}", "{}", own.path)) == (method, re.sub(r"\{\w+\}", "{}", path)), id_


def parameters(call: Mapping[str, Any], where: str) -> dict[str, bool]:
    return {each["name"]: each.get("required", False) for each in call.get("parameters", ()) if each["in"] == where}


def unlike(own: dict[str, bool], theirs: dict[str, bool]) -> Iterator[str]:
    """What one has and the other has not. The client may ask for more than the rules of the form do."""
    for name in sorted(own.keys() | theirs.keys()):
        if name not in own:
            yield f"{name} is unknown to the client"
        elif name not in theirs:
            yield f"{name} is not described"
        elif theirs[name] and not own[name]:
            yield f"{name} is needed"


def queries(described: Mapping[str, Any]) -> set[str]:
    return {
        f"{id_}: {each}"
        for id_, (_, _, call) in by_id(described).items()
        for each in unlike({each.name: each.needed for each in OPERATIONS[id_].query}, parameters(call, "query"))
    }


def bodies(described: Mapping[str, Any]) -> set[str]:
    found = set()
    for id_, (_, _, call) in by_id(described).items():
        body = call.get("requestBody", {}).get("content", {}).get("application/json", {}).get("schema", {})
        schema = resolved(described, body)
        theirs = {name: name in schema.get("required", ()) for name in schema.get("properties", {})}
        own = {each.name: each.needed for each in OPERATIONS[id_].body}
        found |= {f"{id_}: {each}" for each in unlike(own, theirs)}
    return found


def headers(described: Mapping[str, Any]) -> set[str]:
    found = set()
    for id_, (_, _, call) in by_id(described).items():
        names = {name.lower() for name in parameters(call, "header")}
        for flag, header in (("keyed", "idempotency-key"), ("guarded", "if-match")):
            if getattr(OPERATIONS[id_], flag) != (header in names):
                found.add(f"{id_}: {header}")
    return found


def shape(document: Mapping[str, Any], schema: Mapping[str, Any], depth: int = 0) -> Any:
    """What a schema says of the form of a document: its names, and for each the type, and whether it can be null."""
    while "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        schema = (document.get("components", {}).get("schemas") or document["$defs"])[name]
    if options := schema.get("anyOf") or schema.get("oneOf"):
        rest = [each for each in options if each != {"type": "null"}]
        kind = shape(document, rest[0], depth) if len(rest) == 1 else "any"
        return ("null or", kind) if len(rest) < len(options) else kind
    if "properties" in schema and depth < 4:
        return {name: shape(document, each, depth + 1) for name, each in schema["properties"].items()}
    if schema.get("type") == "array":
        return [shape(document, schema.get("items", {}), depth)]
    if "const" in schema or "enum" in schema:
        return "string"
    return schema.get("type", "any")


def answer_of(described: Mapping[str, Any], operation: Operation, call: Mapping[str, Any]) -> Any:
    """The form of the object, or of an item of the list, that a call answers."""
    good = next(answer for status, answer in call["responses"].items() if status.startswith("2"))
    schema = resolved(described, good.get("content", {}).get("application/json", {}).get("schema", {}))
    if operation.kind == "list":
        schema = schema["properties"][operation.listed_as]["items"]
    return shape(described, schema)


def differences(own: Any, theirs: Any, where: str = "") -> Iterator[str]:
    if isinstance(own, dict) and isinstance(theirs, dict):
        for name in sorted(own.keys() | theirs.keys()):
            if name not in own:
                yield f"{where}.{name} is unknown to the client"
            elif name not in theirs:
                yield f"{where}.{name} is not described"
            else:
                yield from differences(own[name], theirs[name], f"{where}.{name}")
    elif isinstance(own, list) and isinstance(theirs, list):
        yield from differences(own[0], theirs[0], f"{where}[]")
    elif isinstance(own, tuple) and isinstance(theirs, tuple):
        yield from differences(own[1], theirs[1], where)
    elif own != theirs and "any" not in (own, theirs):
        yield f"{where}: {own} in the client, {theirs} as described"


LEFT_OUT = {
    *("secret", "evidence", "attempts", "lines", "accept", "decline", "withdraw", "page"),
    *("shipments", "cancellations", "refunds", "expanded"),
}
"""Members that an answer has only where they were asked for, or once; the client may say ``None`` for them."""


def results(described: Mapping[str, Any]) -> set[str]:
    found = set()
    for id_, (_, _, call) in by_id(described).items():
        operation = OPERATIONS[id_]
        if operation.result == "None" or operation.kind == "stream":
            continue
        schema = getattr(models, operation.result).model_json_schema(mode="serialization")
        found |= set(differences(shape(schema, schema), answer_of(described, operation, call), id_))
    return {each for each in found if not _left_out(each)}


FILLED = "id: string in the client, ('null or', 'string') as described"
"""The id of an order is null where it was only tried. The client gives an empty text, so that it always is one."""


def _left_out(found: str) -> bool:
    if found.endswith(FILLED) and (found.startswith("orders.") or ".order." in found):
        return True
    return found.partition(" ")[0].rpartition(".")[2].rstrip(":") in LEFT_OUT


CHECKS = (operations, queries, bodies, headers, results)


@pytest.mark.parametrize("check", CHECKS, ids=lambda each: each.__name__)
async def test_the_client_is_as_described(
    described: dict[str, Any], check: Callable[[Mapping[str, Any]], set[str]]
) -> None:
    assert check(described) == set()


def test_the_clients_are_as_they_are_written_from_the_table() -> None:
    for name, text in write_clients.written().items():
        assert (write_clients.PACKAGE / name).read_text() == text, "run clients/python/tools/write_clients.py"
