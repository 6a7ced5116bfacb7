"""What holds for every answer: ETags, caches, HEAD, OPTIONS, the final slash, other origins, and what will go."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from countermand.settings import Settings
from countermand.wire.native import operations
from countermand.wire.native.browsers import shared
from countermand.wire.native.operations import Deprecation
from tests.wire.native.calling import PATH, Native

pytestmark = pytest.mark.anyio

SHOP = "https://shop.example"


async def objects(native: Native) -> list[str]:
    """The path of one object of each kind."""
    (made,) = await native.asked({"line": str(await native.line(3)), "units": 1})
    hook = await native.call("POST", "/v1/endpoints", native.retailer, {"url": "https://hooks.example.com/in"})
    events = await native.call("GET", "/v1/events?limit=1", native.retailer)
    return [
        f"{PATH}/{made['id']}",
        f"/v1/lines/{made['line']}",
        f"/v1/endpoints/{hook.json()['id']}",
        f"/v1/events/{events.json()['events'][0]['id']}",
        "/v1/me",
    ]


async def test_every_object_has_an_etag_that_changes_with_it(native: Native) -> None:
    for path in await objects(native):
        first = await native.call("GET", path, native.retailer)
        etag = first.headers["etag"]
        assert etag.startswith('"'), path
        assert (first.headers["cache-control"], first.headers["vary"]) == ("private, no-cache", "Authorization")
        for known in (etag, "*", f'"other", {etag}', f"W/{etag}"):
            same = await native.call("GET", path, native.retailer, headers={"If-None-Match": known})
            assert (same.status_code, same.content, same.headers["etag"]) == (304, b"", etag), path
            assert same.headers["vary"] == "Authorization"
        other = await native.call("GET", path, native.retailer, headers={"If-None-Match": '"other"'})
        assert (other.status_code, other.content) == (200, first.content)
    path = (await objects(native))[0]
    etag = (await native.call("GET", path, native.retailer)).headers["etag"]
    await native.call("POST", f"{path}/accept", native.retailer, {})
    assert (await native.call("GET", path, native.retailer, headers={"If-None-Match": etag})).status_code == 200


async def test_an_object_that_is_not_there_has_no_etag(native: Native) -> None:
    gone = await native.call("GET", f"{PATH}/can_{'0' * 32}", native.retailer, headers={"If-None-Match": "*"})
    assert gone.status_code == 404
    assert "etag" not in gone.headers


async def test_head_options_and_the_final_slash(native: Native) -> None:
    for path in await objects(native):
        shown = await native.call("GET", path, native.retailer)
        head = await native.call("HEAD", path, native.retailer)
        assert (head.status_code, head.content) == (200, b"")
        assert head.headers["etag"] == shown.headers["etag"]
        assert (await native.call("GET", f"{path}/", native.retailer)).content == shown.content
        options = await native.call("OPTIONS", path, native.retailer)
        assert options.status_code == 204
        assert {"GET", "HEAD", "OPTIONS"} <= set(options.headers["allow"].split(", "))


async def test_changes_and_what_is_not_there_are_not_kept_by_caches(native: Native) -> None:
    asked = await native.ask(await native.line())
    assert (asked.headers["cache-control"], asked.headers["vary"]) == ("no-store", "Authorization")
    refused = await native.call("GET", "/v1/me", None)
    assert (refused.status_code, refused.headers["vary"]) == (401, "Authorization")


# Other origins


async def sent(app: Any, method: str, **headers: str) -> dict[str, str]:
    """The headers of an answer, and its status."""
    given = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    messages: list[Any] = []

    async def send(message: Any) -> None:
        messages.append(message)

    await app({"type": "http", "method": method, "path": "/v1/me", "headers": given}, None, send)
    found = [(name.decode(), value.decode()) for name, value in messages[0]["headers"]]
    return {"status": str(messages[0]["status"]), **dict(found)}


async def inner(scope: Any, receive: Any, send: Any) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b""})


async def test_pages_of_named_origins_may_call() -> None:
    app = shared(inner, [SHOP])
    asked = await sent(app, "OPTIONS", origin=SHOP, access_control_request_method="POST")
    assert (asked["status"], asked["access-control-allow-origin"], asked["vary"]) == ("204", SHOP, "Origin")
    assert "Idempotency-Key" in asked["access-control-allow-headers"]
    assert "PATCH" in asked["access-control-allow-methods"]
    called = await sent(app, "GET", origin=SHOP)
    assert (called["access-control-allow-origin"], called["vary"]) == (SHOP, "Origin")
    assert "ETag" in called["access-control-expose-headers"]


@pytest.mark.parametrize("origin", ["https://other.example", "null", f"{SHOP}.evil.example", "http://shop.example"])
async def test_pages_of_other_origins_are_told_nothing(origin: str) -> None:
    for method in ("GET", "OPTIONS"):
        answer = await sent(shared(inner, [SHOP]), method, origin=origin, access_control_request_method="GET")
        assert answer == {"status": "200"}


async def test_by_default_no_origin_is_named(native: Native) -> None:
    answer = await native.call("GET", "/v1/me", native.retailer, headers={"Origin": SHOP})
    assert not [name for name in answer.headers if name.startswith("access-control")]


@pytest.mark.parametrize("wrong", ["*", "shop.example", "https://shop.example/", "https://*.example", "null", ""])
def test_an_origin_is_written_out(wrong: str) -> None:
    with pytest.raises(ValueError, match="is no origin"):
        Settings(cors_origins=[wrong])
    assert Settings(cors_origins=[SHOP, "http://localhost:8080"]).cors_origins


# What will go


async def test_an_operation_that_will_go_says_so(sqlite_native: Native, monkeypatch: pytest.MonkeyPatch) -> None:
    ends = Deprecation(
        since=datetime(2026, 1, 1, tzinfo=UTC), sunset=datetime(2027, 1, 1, tzinfo=UTC), link="https://docs.example/me"
    )
    monkeypatch.setitem(operations.OPERATIONS, "me.get", replace(operations.OPERATIONS["me.get"], ends=ends))
    answer = await sqlite_native.call("GET", "/v1/me", sqlite_native.retailer)
    assert answer.headers["deprecation"] == "@1767225600"
    assert answer.headers["sunset"] == "Fri, 01 Jan 2027 00:00:00 GMT"
    assert answer.headers["link"] == '<https://docs.example/me>; rel="deprecation"; type="text/html"'
