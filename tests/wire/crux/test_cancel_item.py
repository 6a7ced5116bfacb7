"""The seed's call: DELETE /orders/items/cancel/<order_item_uuid>/, and the supplier's answer to it.

The vectors keep their numbers; where docs/decisions/0006 settles one otherwise,
the test says so.
"""

import json
from collections.abc import Awaitable, Callable
from typing import Any
from uuid import UUID, uuid4

import pytest

from countermand.admin.audit import Author
from countermand.admin.credentials import revoke_token
from countermand.domain.line import State
from countermand.domain.parties import Asker, PartyKind
from countermand.domain.policy import Cutoff, Policy
from countermand.wire.crux.views import catalog_item
from tests.wire.crux.calling import JSON, NOT_SIGNED_IN, PREFIXES, UNKNOWN, Crux, cancel_path, refusal

pytestmark = pytest.mark.anyio

both_generations = pytest.mark.parametrize("prefix", PREFIXES, ids=["v1", "timp"])


# The vectors


@pytest.mark.parametrize(
    ("content", "headers"),
    [
        pytest.param(b"{}", {}, id="1: body {}"),
        pytest.param(b"", {"Content-Length": "0"}, id="2: Content-Length 0"),
        pytest.param(None, {**JSON}, id="no body at all"),
    ],
)
@both_generations
async def test_vectors_1_and_2_cancelling_an_untouched_item_is_204_and_pending(
    crux: Crux, prefix: str, content: bytes | None, headers: dict[str, str]
) -> None:
    line = await crux.new_line(3)
    answer = await crux.call("DELETE", cancel_path(line, prefix), crux.world.retailer, content=content, headers=headers)
    assert (answer.status_code, answer.content) == (204, b"")
    assert answer.headers["content-length"] == "0"
    assert "content-type" not in answer.headers
    assert await crux.world.buckets(line) == (0, 3, 0, 0)


async def test_vector_3_bytes_without_a_length_close_the_connection_after_the_answer(sqlite_crux: Crux) -> None:
    """On sockets this is tested in tests/seeds: here, that exactly the calls that may carry such bytes say so."""
    line = await sqlite_crux.new_line()
    unframed = await sqlite_crux.cancel(line, headers=dict(JSON))
    framed = await sqlite_crux.cancel(line, content=b"{}")
    empty = await sqlite_crux.cancel(line, content=b"", headers={"Content-Length": "0"})
    assert unframed.headers["connection"] == "close"
    assert "connection" not in framed.headers
    assert "connection" not in empty.headers


@pytest.mark.parametrize("path", ["/orders/items/cancel//", "/orders/items/cancel/", "/orders/items/cancel"])
@both_generations
async def test_vector_4_an_empty_id_is_404_and_closes_what_may_carry_unframed_bytes(
    sqlite_crux: Crux, prefix: str, path: str
) -> None:
    for who in (None, sqlite_crux.world.retailer):
        answer = await sqlite_crux.call("DELETE", prefix + path, who, headers=dict(JSON))
        assert answer.status_code == 404
        assert set(answer.json()) == {"detail"}
        assert answer.headers["connection"] == "close"


@pytest.mark.parametrize(
    ("authorization", "detail"),
    [
        (None, NOT_SIGNED_IN),
        ("", NOT_SIGNED_IN),
        ("Bearer {token}", NOT_SIGNED_IN),
        ("Basic Og==", NOT_SIGNED_IN),
        ("{token}", NOT_SIGNED_IN),
        ("Token", "Invalid token header. No credentials provided."),
        ("Token  ", "Invalid token header. No credentials provided."),
        ("Token {token} x", "Invalid token header. Token string should not contain spaces."),
        ("Token 825dd305b5858e2373763ff338615db822fe67a0", "Invalid token."),
        ("Token {token}x", "Invalid token."),
        ("Token \xff\xfe", "Invalid token."),
    ],
)
@both_generations
async def test_vectors_5_and_6_without_a_good_token_it_is_401_in_drfs_words(
    sqlite_crux: Crux, prefix: str, authorization: str | None, detail: str
) -> None:
    world = sqlite_crux.world
    line = await sqlite_crux.new_line()
    headers = {}
    if authorization is not None:
        headers["Authorization"] = authorization.format(token=world.tokens[world.retailer])
    answer = await sqlite_crux.http.request(
        "DELETE",
        cancel_path(line, prefix),
        headers={name: value.encode("latin-1") for name, value in headers.items()},  # type: ignore[arg-type]
    )
    assert (answer.status_code, answer.json()) == (401, {"detail": detail})
    assert answer.headers["www-authenticate"] == "Token"
    assert await world.buckets(line) == (1, 0, 0, 0)


async def test_vector_6_an_expired_or_revoked_token_is_401(sqlite_crux: Crux) -> None:
    world = sqlite_crux.world
    line = await sqlite_crux.new_line()
    expiring = await sqlite_crux.token(world.retailer, expires_at=world.clock())
    world.clock.advance(seconds=1)
    revoked = await sqlite_crux.token(world.retailer)
    author = Author(name="operator", door="test", at=world.clock(), ids=world.application.ids)
    await world.application.database.write(lambda connection: revoke_token(connection, author, revoked))
    for token in (expiring, revoked):
        answer = await sqlite_crux.cancel(line, token)
        assert (answer.status_code, answer.json()) == (401, {"detail": "Invalid token."})


@both_generations
async def test_vector_7_without_the_permission_to_cancel_it_is_403(sqlite_crux: Crux, prefix: str) -> None:
    world = sqlite_crux.world
    line = await sqlite_crux.new_line()
    token = await sqlite_crux.token(world.retailer, permissions=["view_order", "create_order"])
    answer = await sqlite_crux.call("DELETE", cancel_path(line, prefix), token)
    detail = "You do not have permission to perform this action."
    assert (answer.status_code, answer.json()) == (403, {"detail": detail})


@pytest.mark.parametrize(("prefix", "status"), [("", 403), ("/timp", 409)])
async def test_vector_8_a_supplier_cannot_ask_and_the_status_is_the_generations(
    sqlite_crux: Crux, prefix: str, status: int
) -> None:
    """docs/decisions/0006: 403 on the seed's path, whose table knows no 409; 409 in timp."""
    line = await sqlite_crux.new_line()
    answer = await sqlite_crux.call("DELETE", cancel_path(line, prefix), sqlite_crux.world.supplier)
    assert (answer.status_code, answer.json()) == (status, {"detail": "Only a retailer can make this call."})
    assert await sqlite_crux.world.buckets(line) == (1, 0, 0, 0)


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "PATCH"])
@both_generations
async def test_vector_9_another_verb_is_405_and_the_right_one_is_named(
    sqlite_crux: Crux, prefix: str, method: str
) -> None:
    path = cancel_path(await sqlite_crux.new_line(), prefix)
    answer = await sqlite_crux.call(method, path, sqlite_crux.world.retailer)
    assert (answer.status_code, answer.json()) == (405, {"detail": f'Method "{method}" not allowed.'})
    assert answer.headers["allow"] == "DELETE, OPTIONS"


@pytest.mark.parametrize(
    ("headers", "named"),
    [
        ({"Content-Type": "text/plain"}, "text/plain"),
        ({"Content-Type": "application/x-www-form-urlencoded"}, "application/x-www-form-urlencoded"),
        ({"Content-Type": "application/json5"}, "application/json5"),
        ({"Content-Type": ""}, ""),
    ],
)
@both_generations
async def test_vector_10_a_body_that_is_not_said_to_be_json_is_415(
    sqlite_crux: Crux, prefix: str, headers: dict[str, str], named: str
) -> None:
    line = await sqlite_crux.new_line()
    answer = await sqlite_crux.call(
        "DELETE", cancel_path(line, prefix), sqlite_crux.world.retailer, content=b"{}", headers=headers
    )
    assert answer.status_code == 415
    assert answer.json()["detail"].startswith(f'Unsupported media type "{named}" in request. ')
    assert answer.json()["detail"].endswith("; application/json in UTF-8 is accepted.")
    assert await sqlite_crux.world.buckets(line) == (1, 0, 0, 0)


@pytest.mark.parametrize(
    "content", [b"{bad", b"{", b"{'a': 1}", b'{"a": 1,}', b"\xef\xbb\xbf{}", b"\xff", b"NaN", b" ", b"\r\n"]
)
@both_generations
async def test_vector_11_a_body_that_is_not_json_is_400(sqlite_crux: Crux, prefix: str, content: bytes) -> None:
    line = await sqlite_crux.new_line()
    answer = await sqlite_crux.call("DELETE", cancel_path(line, prefix), sqlite_crux.world.retailer, content=content)
    assert answer.status_code == 400
    assert answer.json()["detail"].startswith("JSON parse error - ")
    assert await sqlite_crux.world.buckets(line) == (1, 0, 0, 0)


async def _random(crux: Crux) -> str:
    return str(uuid4())


async def _catalog_item(crux: Crux) -> str:
    line = await crux.world.line(await crux.new_line())
    return str(catalog_item(line.fulfiller_id, line.sku))


async def _someone_elses(crux: Crux) -> str:
    return str(await crux.new_line(retailer=crux.world.other_retailer))


async def _order(crux: Crux) -> str:
    return str((await crux.world.order()).id)


async def _party(crux: Crux) -> str:
    return str(crux.world.retailer)


async def _malformed(crux: Crux) -> str:
    return str(await crux.new_line())[:-1]


@pytest.mark.parametrize(
    "make",
    [
        pytest.param(_random, id="12: random"),
        pytest.param(_catalog_item, id="13: catalogue item"),
        pytest.param(_someone_elses, id="14: another retailer's line"),
        pytest.param(_order, id="an order's id"),
        pytest.param(_party, id="a party's id"),
        pytest.param(_malformed, id="malformed (decision 0006: 422)"),
    ],
)
@both_generations
async def test_vectors_12_to_14_what_is_not_ones_own_line_is_422_and_all_look_alike(
    crux: Crux, prefix: str, make: Callable[[Crux], Awaitable[str]]
) -> None:
    retailer = crux.world.retailer
    answer = await crux.call("DELETE", cancel_path(await make(crux), prefix), retailer, {})
    unknown = await crux.call("DELETE", cancel_path(UNKNOWN, prefix), retailer, {})
    assert (answer.status_code, refusal(answer)) == (422, "unknown_line")
    assert (unknown.status_code, unknown.content) == (answer.status_code, answer.content)


async def _shipped(crux: Crux) -> UUID:
    order = await crux.world.order(2)
    await crux.ship(order, order.lines[0].id)
    return order.lines[0].id


async def _cancelled(crux: Crux) -> UUID:
    line = await crux.new_line(2)
    await crux.cancelled(line)
    return line


async def _rejected(crux: Crux) -> UUID:
    order = await crux.world.order(2)
    await crux.allocate(order, order.lines[0].id, accepted=0, backordered=0, rejected=2)
    return order.lines[0].id


async def _not_accepted_by_policy(crux: Crux) -> UUID:
    supplier = await crux.party(PartyKind.SUPPLIER, "stubborn")
    await crux.agree(supplier, Policy(accepts_until=Cutoff.NEVER))
    return await crux.new_line(2, fulfillers=[supplier])


@pytest.mark.parametrize(
    ("make", "name"),
    [
        (_shipped, "already_shipped"),
        (_cancelled, "already_cancelled"),
        (_rejected, "rejected_by_fulfiller"),
        (_not_accepted_by_policy, "not_accepted_by_fulfiller"),
    ],
)
@both_generations
async def test_vector_15_an_item_that_cannot_be_cancelled_is_422_with_the_refusals_name(
    crux: Crux, prefix: str, make: Callable[[Crux], Awaitable[UUID]], name: str
) -> None:
    line = await make(crux)
    before = await crux.world.buckets(line)
    answer = await crux.call("DELETE", cancel_path(line, prefix), crux.world.retailer, {})
    assert (answer.status_code, refusal(answer)) == (422, name)
    assert answer.headers["content-type"] == "application/json"
    assert await crux.world.buckets(line) == before


@both_generations
async def test_vector_16_the_same_ask_again_while_it_is_pending_is_204_and_sends_nothing_twice(
    crux: Crux, prefix: str
) -> None:
    """A client that lost the answer must be able to repeat the call."""
    line = await crux.new_line(2)
    path = cancel_path(line, prefix)
    assert (await crux.call("DELETE", path, crux.world.retailer, {})).status_code == 204
    reported = [(event.id, event.kind) for event in await crux.world.events(line)]
    for _ in range(3):
        again = await crux.call("DELETE", path, crux.world.retailer, {})
        assert (again.status_code, again.content) == (204, b"")
    assert [(event.id, event.kind) for event in await crux.world.events(line)] == reported
    assert await crux.world.buckets(line) == (0, 2, 0, 0)


async def test_vector_17_order_detail_shows_the_same_while_the_supplier_has_not_answered(crux: Crux) -> None:
    order = await crux.world.order(2, 1)
    for path in (f"/orders/{order.id}/", f"/timp/orders/{order.id}/"):
        before = (await crux.call("GET", path, crux.world.retailer)).json()
        await crux.cancel(order.lines[0].id)
        assert (await crux.call("GET", path, crux.world.retailer)).json() == before


async def test_vector_18_the_supplier_confirms_without_body_and_with_a_cookie(crux: Crux) -> None:
    order = await crux.world.order(2)
    line = order.lines[0].id
    await crux.cancel(line)
    path = f"/timp/orders/items/cancel/{line}/confirm/"
    cookie = {"Cookie": "sessionid=x7mu2mvbeztgtuyxg7mg7e2e6w4wl3oc"}
    answer = await crux.call("PATCH", path, crux.world.supplier, headers=cookie)
    assert (answer.status_code, answer.content) == (204, b"")
    assert await crux.world.buckets(line) == (0, 0, 2, 0)
    v1 = (await crux.call("GET", f"/orders/{order.id}/", crux.world.retailer)).json()
    timp = (await crux.call("GET", f"/timp/orders/{order.id}/", crux.world.retailer)).json()
    assert (v1["status"], v1["line_items"][0]["status"]) == ("Cancelled", "Cancelled")
    assert timp["line_items"][0]["line_item_designation"] == "Cancelled"
    assert refusal(await crux.cancel(line)) == "already_cancelled"


async def test_vector_19_the_supplier_rejects_without_content_type_and_the_item_can_be_asked_for_again(
    crux: Crux,
) -> None:
    line = await crux.new_line(2)
    await crux.cancel(line)
    answer = await crux.call("PATCH", f"/timp/orders/items/cancel/{line}/reject/", crux.world.supplier, content=b"")
    assert (answer.status_code, answer.content) == (204, b"")
    assert await crux.world.buckets(line) == (2, 0, 0, 0)
    assert (await crux.cancel(line)).status_code == 204
    assert await crux.world.buckets(line) == (0, 2, 0, 0)


@pytest.mark.parametrize("verb", ["confirm", "reject"])
async def test_vector_20_an_answer_with_nothing_pending_is_422(crux: Crux, verb: str) -> None:
    line = await crux.new_line(2)
    answer = await crux.answer(verb, line)
    assert (answer.status_code, refusal(answer)) == (422, "nothing_asked")


# What every answer has in common


async def test_every_answer_says_what_is_allowed_and_varies_by_accept(sqlite_crux: Crux) -> None:
    retailer = sqlite_crux.world.retailer
    line = await sqlite_crux.new_line()
    seen = set()
    for who, method, content, headers in (
        (None, "DELETE", None, {}),
        (retailer, "GET", None, {}),
        (retailer, "DELETE", b"{}", {"Content-Type": "text/plain"}),
        (retailer, "DELETE", b"{bad", {}),
        (sqlite_crux.world.supplier, "DELETE", None, {}),
        (retailer, "DELETE", b"{}", {}),
        (retailer, "OPTIONS", None, {}),
    ):
        answer = await sqlite_crux.call(method, cancel_path(line), who, content=content, headers=headers)
        assert answer.headers["allow"] == "DELETE, OPTIONS"
        assert answer.headers["vary"] == "Accept"
        assert ("www-authenticate" in answer.headers) == (answer.status_code == 401)
        assert answer.headers.get("content-type") == (None if answer.status_code == 204 else "application/json")
        seen.add(answer.status_code)
    assert seen == {401, 405, 415, 400, 403, 204, 200}


@both_generations
async def test_what_is_checked_first_is_told_first(sqlite_crux: Crux, prefix: str) -> None:
    """docs/crux.md: a call with every fault, which are then mended one after the other."""
    world = sqlite_crux.world
    powerless = await sqlite_crux.token(world.supplier, permissions=["view_order"])
    line = await sqlite_crux.new_line()
    call: dict[str, Any] = {
        "who": None,
        "method": "POST",
        "content": b"{bad",
        "headers": {"Content-Type": "text/plain"},
        "line": UNKNOWN,
    }
    for mended, status in (
        ({}, 401),
        ({"who": powerless}, 403),
        ({"who": world.supplier}, 409 if prefix else 403),
        ({"who": world.retailer}, 405),
        ({"method": "DELETE"}, 415),
        ({"headers": JSON}, 400),
        ({"content": b"{}"}, 422),
        ({"line": line}, 204),
    ):
        call |= mended
        answer = await sqlite_crux.call(
            call["method"],
            cancel_path(call["line"], prefix),
            call["who"],
            content=call["content"],
            headers=call["headers"],
        )
        assert answer.status_code == status, call


# The tolerance list, docs/crux.md


@pytest.mark.parametrize(
    ("content", "headers"),
    [
        pytest.param(b'{"auth_token": "x", "skus": [{"sku_id": 1}]}', {}, id="members that are not needed"),
        pytest.param(b"[]", {}, id="an array"),
        pytest.param(b"null", {}, id="null"),
        pytest.param(b'"text"', {}, id="a string"),
        pytest.param(b"", {"Content-Type": "text/plain"}, id="nothing, of another type"),
        pytest.param(b"{}", {"Content-Type": "Application/JSON"}, id="type in other letters"),
        pytest.param(b"{}", {"Content-Type": "application/json; charset=UTF-8"}, id="charset in capitals"),
        pytest.param(b"{}", {"Cookie": "sessionid=abc; csrftoken=def"}, id="cookies"),
        pytest.param(b"{}", {"Accept": "application/xml"}, id="accept XML"),
        pytest.param(b"{}", {"Accept": "nonsense"}, id="accept nonsense"),
        pytest.param(b"{}", {"X-HTTP-Method-Override": "GET"}, id="another verb on the side"),
        pytest.param(b"{}", {"Expect": "200-ok"}, id="expectations"),
    ],
)
async def test_what_clients_send_besides_is_tolerated(
    sqlite_crux: Crux, content: bytes, headers: dict[str, str]
) -> None:
    line = await sqlite_crux.new_line()
    answer = await sqlite_crux.cancel(line, content=content, headers=headers)
    assert answer.status_code == 204


async def test_a_chunked_body_is_read(sqlite_crux: Crux) -> None:
    async def chunks(text: bytes) -> Any:
        for byte in text:
            yield bytes([byte])

    line = await sqlite_crux.new_line()
    assert (await sqlite_crux.cancel(line, content=chunks(b"{bad"))).status_code == 400
    assert (await sqlite_crux.cancel(line, content=chunks(b"{}"))).status_code == 204


@pytest.mark.parametrize("scheme", ["token", "TOKEN", "tOkEn"])
async def test_the_scheme_may_be_in_any_letters(sqlite_crux: Crux, scheme: str) -> None:
    world = sqlite_crux.world
    line = await sqlite_crux.new_line()
    headers = {"Authorization": f"{scheme} {world.tokens[world.retailer]}"}
    assert (await sqlite_crux.call("DELETE", cancel_path(line), headers=headers)).status_code == 204


@pytest.mark.parametrize("write", [str, lambda line: str(line).upper(), lambda line: line.hex], ids=["", "AB", "hex"])
@pytest.mark.parametrize("slash", ["/", ""])
@both_generations
async def test_the_id_may_be_in_capitals_or_without_hyphens_and_the_final_slash_may_be_missing(
    sqlite_crux: Crux, prefix: str, slash: str, write: Callable[[UUID], str]
) -> None:
    line = await sqlite_crux.new_line()
    path = f"{prefix}/orders/items/cancel/{write(line)}{slash}"
    assert (await sqlite_crux.call("DELETE", path, sqlite_crux.world.retailer)).status_code == 204
    assert await sqlite_crux.world.buckets(line) == (0, 1, 0, 0)


@pytest.mark.parametrize(
    "spelling",
    ["x", "%00", "%F0%9F%92%A9", "%2e%2e", "urn:uuid:{}", "{{{}}}", "{}-", " {}", "{}%0A", "١٢٣", "0" * 5000],
)
async def test_a_malformed_id_is_422_whatever_it_holds(sqlite_crux: Crux, spelling: str) -> None:
    """docs/decisions/0006; the seed's row for 422 covers an identifier that may be wrong altogether."""
    line = await sqlite_crux.new_line()
    answer = await sqlite_crux.cancel(spelling.format(line))
    assert (answer.status_code, refusal(answer)) == (422, "unknown_line")
    assert await sqlite_crux.world.buckets(line) == (1, 0, 0, 0)


@pytest.mark.parametrize("path", ["x/y", "{}/x", "{}//", "%2F", "{}/%0A/", "%0A/"])
async def test_a_path_that_is_no_call_is_404(sqlite_crux: Crux, path: str) -> None:
    line = await sqlite_crux.new_line()
    answer = await sqlite_crux.call("DELETE", f"/orders/items/cancel/{path.format(line)}/", sqlite_crux.world.retailer)
    assert answer.status_code == 404
    assert set(answer.json()) == {"detail"}


async def test_the_description_of_the_call_is_for_callers_with_a_token(sqlite_crux: Crux) -> None:
    path = cancel_path(UNKNOWN)
    assert (await sqlite_crux.call("OPTIONS", path)).status_code == 401
    answer = await sqlite_crux.call("OPTIONS", path, sqlite_crux.world.retailer)
    assert answer.status_code == 200
    assert answer.json()["parses"] == ["application/json"]


# What it means


async def test_units_already_shipped_stay_and_the_rest_is_asked(crux: Crux) -> None:
    order = await crux.world.order(5)
    line = order.lines[0].id
    await crux.ship(order, line, 2)
    assert (await crux.cancel(line)).status_code == 204
    assert await crux.world.buckets(line) == (0, 3, 0, 2)


async def test_a_backordered_item_can_be_cancelled(crux: Crux) -> None:
    order = await crux.world.order(3)
    line = order.lines[0].id
    await crux.allocate(order, line, accepted=0, backordered=3, rejected=0)
    assert (await crux.cancel(line)).status_code == 204


async def test_an_item_whose_supplier_was_never_told_is_cancelled_at_once(crux: Crux) -> None:
    """EC-20: there is nobody to ask."""
    line = await crux.new_line(2, held=True)
    assert (await crux.cancel(line)).status_code == 204
    assert await crux.world.buckets(line) == (0, 0, 2, 0)


async def test_an_item_that_the_retailer_holds_is_cancelled_at_once(crux: Crux) -> None:
    line = await crux.new_line(2, fulfillers=[crux.world.retailer])
    assert (await crux.cancel(line)).status_code == 204
    assert await crux.world.buckets(line) == (0, 0, 2, 0)


async def test_the_retailers_call_passes_on_what_its_customer_asked(crux: Crux) -> None:
    line = await crux.new_line(2)
    await crux.ask(line, asker=Asker.CUSTOMER)
    assert (await crux.cancel(line)).status_code == 204
    kinds = [event.kind for event in await crux.world.events(line)]
    assert kinds == ["line.placed", "cancellation.asked", "cancellation.passed_on"]
    assert (await crux.answer("confirm", line)).status_code == 204
    assert await crux.world.buckets(line) == (0, 0, 2, 0)


@pytest.mark.parametrize(("verb", "state"), [("confirm", State.ACCEPTED), ("reject", State.DECLINED)])
async def test_the_audit_trail_names_the_door_and_the_parties(crux: Crux, verb: str, state: State) -> None:
    line = await crux.new_line()
    await crux.cancel(line)
    await crux.answer(verb, line)
    _, asked, answered = await crux.world.events(line)
    assert (asked.door, asked.actor_id, asked.actor) == ("crux", crux.world.retailer, "retailer (test)")
    assert (answered.door, answered.actor_id, answered.actor) == ("crux", crux.world.supplier, "supplier (test)")
    assert answered.kind == f"cancellation.{state.value}"
    assert answered.facts["reason"] == "not_stated"


async def test_an_answer_repeated_by_a_supplier_that_lost_the_reply_is_refused_and_changes_nothing(crux: Crux) -> None:
    line = await crux.new_line()
    await crux.cancel(line)
    assert (await crux.answer("confirm", line)).status_code == 204
    assert refusal(await crux.answer("confirm", line)) == "already_answered"
    assert await crux.world.buckets(line) == (0, 0, 1, 0)


async def test_a_refusal_is_compact_json(sqlite_crux: Crux) -> None:
    answer = await sqlite_crux.cancel(UNKNOWN)
    assert answer.content == json.dumps(answer.json(), separators=(",", ":")).encode()
