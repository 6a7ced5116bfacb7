"""Whatever is sent, the door answers from its tables: the seed's call with the seed's codes, no call with 5xx."""

import json
from typing import Any, Final
from urllib.parse import quote
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.support.effort import examples
from tests.wire.crux.calling import PREFIXES, Crux

pytestmark = pytest.mark.anyio

SEED_CODES: Final = {204, 400, 401, 403, 404, 415, 422}
"""405 is not among them, as it needs another verb than the seed's."""

many = settings(
    max_examples=examples(100, 300),
    deadline=None,
    database=None,
    # The world is shared on purpose: what one call did to it is one more thing that the next one meets.
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)

_json = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.integers(-(2**70), 2**70)
    | st.floats()
    | st.text(max_size=20)
    | st.sampled_from(["2026-11-02", "2026-11-02T00:00:00Z", "", "1", "-1", "1e9", "0x1", "\ud800", "\0", "9" * 400]),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)


def _dumped(value: Any) -> bytes:
    return json.dumps(value).encode("utf-8", "surrogatepass")


_bodies = (
    st.none()
    | st.sampled_from([b"", b"{}", b"[]", b"null", b"{bad", b"\xef\xbb\xbf{}", b"{}{}", b"\x00", b"[" * 100, b'"' * 9])
    | st.binary(max_size=60)
    | _json.map(_dumped)
)

_types = st.sampled_from(
    [
        None,
        b"application/json",
        b"application/json; charset=utf-8",
        b"APPLICATION/JSON;charset=\xff",
        b"text/plain",
        b"",
        b";",
        b"multipart/form-data",
    ]
)


def _encoded(text: str) -> str:
    """As a part of a path that the client does not resolve: two dots would lead to another call."""
    return quote(text).replace(".", "%2E")


@st.composite
def _seed_calls(draw: st.DrawFn) -> dict[str, Any]:
    return {
        "line": draw(
            st.sampled_from(
                ["own", "asked", "shipped", "foreign", "random", "order", "", "x", "%00", "%FF", "a/b", "%2e%2e"]
            )
            | st.text(st.characters(codec="utf-8", exclude_characters="/"), max_size=40).map(_encoded)
        ),
        "slash": draw(st.sampled_from(["/", "", "//"])),
        "who": draw(
            st.sampled_from(["retailer", "retailer", "retailer", "supplier", "powerless", "other"]) | st.none()
        ),
        "authorization": draw(st.none() | st.none() | st.binary(max_size=30).filter(_fits_a_header)),
        "content": draw(_bodies),
        "type": draw(_types),
    }


def _fits_a_header(value: bytes) -> bool:
    return not set(value) & set(b"\0\r\n")


@pytest.fixture(scope="module")
async def cast(sqlite_crux: Crux) -> dict[str, str]:
    """Lines in several states, and tokens of several kinds, by name."""
    world = sqlite_crux.world
    order = await world.order(10**6, 1, 1)
    await sqlite_crux.ask(order.lines[1].id)
    await sqlite_crux.ship(order, order.lines[2].id)
    return {
        "own": str(order.lines[0].id),
        "asked": str(order.lines[1].id),
        "shipped": str(order.lines[2].id),
        "foreign": str(await sqlite_crux.new_line(retailer=world.other_retailer)),
        "random": str(uuid4()),
        "order": str(order.id),
        "retailer": world.tokens[world.retailer],
        "other": world.tokens[world.other_retailer],
        "supplier": world.tokens[world.supplier],
        "powerless": await sqlite_crux.token(world.retailer, permissions=["view_order"]),
    }


@many
@given(call=_seed_calls())
async def test_the_seeds_call_answers_with_the_seeds_codes_and_no_other(
    sqlite_crux: Crux, cast: dict[str, str], call: dict[str, Any]
) -> None:
    headers: list[tuple[bytes, bytes]] = []
    if call["authorization"] is not None:
        headers.append((b"authorization", call["authorization"]))
    elif call["who"] is not None:
        headers.append((b"authorization", b"Token " + cast[call["who"]].encode()))
    if call["type"] is not None:
        headers.append((b"content-type", call["type"]))
    target = cast.get(call["line"], call["line"])
    answer = await sqlite_crux.http.request(
        "DELETE", f"/orders/items/cancel/{target}{call['slash']}", content=call["content"], headers=headers
    )
    assert answer.status_code in SEED_CODES, answer.text
    if answer.status_code == 204:
        assert answer.content == b""
    else:
        body = answer.json()
        assert isinstance(body["detail"], str)
        assert body.keys() == ({"detail", "code"} if answer.status_code == 422 else {"detail"})


# Every call that takes JSON

_word = st.fixed_dictionaries(
    {},
    optional={
        "line_item_uuid": st.sampled_from(["$own", "$asked", "$shipped", "$random", ""]) | _json,
        "allocation": st.fixed_dictionaries(
            {},
            optional={
                name: st.integers(-1, 3) | _json
                for name in ("quantity_accepted", "quantity_rejected", "quantity_backordered", "backorder_date")
            },
        )
        | _json,
        "quantity": st.integers(0, 3) | _json,
        "quantity_shipped": st.integers(0, 3) | _json,
    },
)
_sku = st.fixed_dictionaries(
    {},
    optional={
        "sku_id": st.text(max_size=5) | _json,
        "quantity": st.integers(0, 3) | _json,
        "supplier_id": st.sampled_from(["$supplier_id", "$random"]) | _json,
        "price": st.sampled_from(["1.5", "NaN", "-0", "1e5", 1e-30]) | _json,
        "retailer_provided_line_item_attributes": _json,
    },
)
_messages = st.fixed_dictionaries(
    {},
    optional={
        "line_items": st.lists(_word | _json, max_size=3) | _json,
        "tracking_number": st.text(max_size=5) | _json,
        "package_ship_date": _json,
        "package_weight": _json,
        "package_attributes": _json,
        "order_uuid": st.sampled_from(["$order", "$random"]) | _json,
        "skus": st.lists(_sku | _json, max_size=3) | _json,
        "address": st.fixed_dictionaries(
            dict.fromkeys(("name", "address1", "city", "state", "postal_code"), st.text(max_size=3)),
            optional={"address2": _json},
        )
        | _json,
        "po_number": st.text(max_size=5) | _json,
        "notes": _json,
        "start": st.integers(-1, 3) | _json,
        "limit": st.integers(-1, 3) | _json,
        "sort": st.fixed_dictionaries({"key": st.just("date"), "dir": _json}) | _json,
        "start_date": _json,
        "end_date": _json,
        "org_uuids": _json,
        "term": _json,
        "sent_to_supplier": _json,
        "line_item_status": _json,
        "line_item_designation": _json,
        "status_conjunction": st.sampled_from(["and", "only"]) | _json,
        "username": _json,
        "password": _json,
    },
)


def _filled(value: Any, names: dict[str, str]) -> Any:
    match value:
        case str() if value.startswith("$"):
            return names.get(value[1:], value)
        case list():
            return [_filled(each, names) for each in value]
        case dict():
            return {name: _filled(each, names) for name, each in value.items()}
        case _:
            return value


CALLS = [
    ("POST", "/organizations/user-login/", "retailer"),
    ("POST", "/orders/create/", "retailer"),
    ("POST", "/orders/", "retailer"),
    ("POST", "/orders/", "supplier"),
    ("PATCH", "/orders/cancel/", "retailer"),
    ("DELETE", "/orders/items/cancel/{own}/", "retailer"),
    ("PATCH", "/orders/items/cancel/{own}/confirm/", "supplier"),
    ("PATCH", "/orders/cancel/{order}/reject/", "supplier"),
    ("PUT", "/orders/allocation/{order}/", "supplier"),
    ("POST", "/orders/tracking/{order}/", "supplier"),
]


@pytest.fixture(scope="module")
async def targets(crux: Crux) -> dict[str, str]:
    """What the calls are about."""
    order = await crux.world.order(10**6, 10**6)
    return {
        "own": str(order.lines[0].id),
        "asked": str(order.lines[1].id),
        "order": str(order.id),
        "supplier_id": str(crux.world.supplier),
        "random": str(uuid4()),
    }


@pytest.mark.parametrize("prefix", PREFIXES, ids=["v1", "timp"])
@pytest.mark.parametrize(("method", "path", "who"), CALLS, ids=[f"{m} {p} {w}" for m, p, w in CALLS])
@settings(many, max_examples=examples(20, 60))
@given(message=_messages | _json)
async def test_no_json_gives_a_5xx(
    crux: Crux, targets: dict[str, str], prefix: str, method: str, path: str, who: str, message: Any
) -> None:
    caller = crux.world.retailer if who == "retailer" else crux.world.supplier
    content = _dumped(_filled(message, targets))
    answer = await crux.call(method, prefix + path.format(**targets), caller, content=content)
    assert 200 <= answer.status_code < 500, answer.text
    if answer.status_code >= 400:
        assert answer.json()
