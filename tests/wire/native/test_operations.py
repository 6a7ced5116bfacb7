"""The description, and who may call what: every operation, for each kind of party, with and without its permission."""

import re
from collections.abc import Iterator
from typing import Any
from uuid import UUID, uuid4

import pytest

from countermand.admin.callers import PERMISSIONS, PLATFORM, Permission
from countermand.domain.parties import PartyKind
from countermand.wire.native.operations import OPERATIONS, check_operations
from tests.wire.native.calling import Native

pytestmark = pytest.mark.anyio


ENDED = {"events.stream": "?until=2020-01-01"}
"""Queries with which a call has an end that otherwise has none."""


async def description(native: Native) -> dict[str, Any]:
    answer = await native.http.get("/openapi.json")
    described: dict[str, Any] = answer.json()
    return described


def calls(described: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, methods in described["paths"].items():
        for method, call in methods.items():
            yield method.upper(), path, call


async def test_every_operation_is_described_under_its_name(sqlite_native: Native) -> None:
    described = await description(sqlite_native)
    assert {call["operationId"] for _, _, call in calls(described)} == OPERATIONS.keys()
    for _, path, call in calls(described):
        noun, _, verb = call["operationId"].partition(".")
        assert call["tags"] == [noun], path
        assert verb.isidentifier(), path
        assert call["summary"], path
        operation = OPERATIONS[call["operationId"]]
        permission = operation.permission
        assert call["security"] == [{"bearer": [permission.value] if permission else []}], path
        assert {"400", "401", "422", "429", "503"} <= call["responses"].keys(), path
        assert "403" in call["responses"] or (permission is None and operation.kinds == {*PartyKind}), path


async def test_nothing_that_is_sent_can_be_null(sqlite_native: Native) -> None:
    described = await description(sqlite_native)
    null = {"type": "null"}
    for _, path, call in calls(described):
        for each in call.get("parameters", ()):
            assert null not in each["schema"].get("anyOf", ()), (path, each["name"])
        for content in call.get("requestBody", {}).get("content", {}).values():
            assert "anyOf" not in content["schema"], path
    for name, schema in described["components"]["schemas"].items():
        if schema.get("additionalProperties") is False:
            for member, each in schema["properties"].items():
                assert null not in each.get("anyOf", ()), (name, member)
                assert each.get("default", "") is not None, (name, member)


def test_it_does_not_start_with_a_call_that_names_no_permission() -> None:
    with pytest.raises(LookupError, match=r"cancellations\.create"):
        check_operations([])


async def test_who_may_call_what(sqlite_native: Native) -> None:
    native = sqlite_native
    parties: dict[PartyKind, UUID] = {
        PartyKind.PLATFORM: PLATFORM,
        PartyKind.RETAILER: native.retailer,
        PartyKind.SUPPLIER: native.world.supplier,
    }
    tokens = {kind: await native.token(party) for kind, party in parties.items()}
    cells = 0
    for method, path, call in calls(await description(native)):
        operation = OPERATIONS[call["operationId"]]
        named = re.sub(r"\{\w+\}", lambda _: str(uuid4()), path) + ENDED.get(call["operationId"], "")
        for kind, party in parties.items():
            full = await native.call(method, named, tokens[kind], {} if method != "GET" else None)
            allowed = kind in operation.kinds
            assert (full.status_code, full.json()["code"]) == (403, "wrong_party") if not allowed else True, named
            assert full.status_code != 403 or not allowed, (named, kind)
            cells += 1
            if not allowed or operation.permission is None:
                continue
            others = {each.value for each in PERMISSIONS[kind] if each is not operation.permission}
            bare = await native.token(party, permissions=others)
            refused = await native.call(method, named, bare, {} if method != "GET" else None)
            assert (refused.status_code, refused.json()["code"]) == (403, "forbidden"), (named, kind)
            cells += 1
        stranger = await native.call(method, named, None)
        assert (stranger.status_code, stranger.json()["code"]) == (401, "unauthenticated"), named
    assert cells > 3 * len(OPERATIONS)


async def test_a_caller_sees_who_it_is(native: Native) -> None:
    token = await native.token(native.retailer, permissions=[Permission.VIEW_ORDER], label="ERP")
    found = (await native.call("GET", "/v1/me", token)).json()
    assert found["party"]["id"] == str(native.retailer)
    assert (found["kind"], found["label"], found["permissions"]) == ("retailer", "ERP", ["view_order"])
    assert (found["user"], found["expires_at"]) == (None, None)
    assert found["credential"].startswith("crd_")
