"""Ids in any spelling: with or without prefix and hyphens, in any letter case; nothing else is one."""

from collections.abc import Callable, Iterator
from typing import Any
from uuid import UUID, uuid4

import pytest

from tests.wire.native.calling import Native, places

pytestmark = pytest.mark.anyio

PREFIXES = {
    "orders": "ord",
    "lines": "lin",
    "parties": "pty",
    "shipments": "shp",
    "cancellations": "can",
    "refunds": "rfd",
}

SPELLINGS: dict[str, Callable[[UUID, str], str]] = {
    "bare": lambda one, _: str(one),
    "hex": lambda one, _: one.hex,
    "upper case": lambda one, _: str(one).upper(),
    "prefix": lambda one, prefix: f"{prefix}_{one.hex}",
    "prefix and hyphens": lambda one, prefix: f"{prefix}_{one}",
    "all upper case": lambda one, prefix: f"{prefix}_{one.hex}".upper(),
    "a title": lambda one, prefix: f"{prefix.title()}_{one.hex}",
}
NONE: dict[str, Callable[[UUID, str], str]] = {
    "another prefix": lambda one, prefix: f"{'can' if prefix != 'can' else 'rfd'}_{one.hex}",
    "a prefix twice": lambda one, prefix: f"{prefix}_{prefix}_{one.hex}",
    "the prefix alone": lambda _, prefix: f"{prefix}_",
    "too short": lambda one, _: one.hex[:-1],
    "other digits": lambda one, _: "\u0660" + one.hex[1:],
    "a letter that looks so": lambda one, prefix: f"{prefix}_{one.hex}".replace("a", "\u0430").replace("d", "\u0501"),
    "braces": lambda one, _: f"{{{one}}}",
    "a URN": lambda one, _: f"urn:uuid:{one}",
    "blanks": lambda one, _: f" {one}",
}


async def known(native: Native) -> dict[str, UUID]:
    """An object of each kind that the retailer sees."""
    body = {
        "retailer": str(native.retailer),
        "reference": f"PO-{uuid4()}",
        "lines": [{"sku": "a", "units": 2, "unit_price": "1.00", "supplier": str(native.retailer)}],
        "payments": [{"id": "card", "reference": str(uuid4()), "captured": "2.00"}],
    }
    order = (await native.call("POST", "/v1/orders", native.retailer, body)).json()
    line = order["lines"][0]["id"]
    (asked,) = await native.asked({"line": line, "units": 1}, asker="retailer")
    parcel = {"order": order["id"], "lines": [{"line": line}]}
    shipment = (await native.call("POST", "/v1/shipments", native.retailer, parcel)).json()
    refunds = (await native.call("GET", f"/v1/refunds?order={order['id']}", native.retailer)).json()["refunds"]
    return {
        "orders": UUID(order["id"]),
        "lines": UUID(line),
        "parties": native.retailer,
        "shipments": UUID(shipment["id"]),
        "cancellations": UUID(asked["id"].removeprefix("can_")),
        "refunds": UUID(refunds[0]["id"].removeprefix("rfd_")),
    }


def spelled(kinds: dict[str, Callable[[UUID, str], str]], ids: dict[str, UUID]) -> Iterator[tuple[str, str, str]]:
    for noun, one in ids.items():
        for name, spell in kinds.items():
            yield noun, name, spell(one, PREFIXES[noun])


async def test_an_id_in_a_path_has_any_spelling_and_what_is_none_is_unknown(native: Native) -> None:
    ids = await known(native)
    for noun, name, text in spelled(SPELLINGS, ids):
        answer = await native.call("GET", f"/v1/{noun}/{text}", native.retailer)
        assert (answer.status_code, answer.json()["id"].rpartition("_")[2].replace("-", "")) == (200, ids[noun].hex), (
            name
        )
    unknown = {noun: (await native.call("GET", f"/v1/{noun}/{uuid4()}", native.retailer)).json() for noun in ids}
    for noun, name, text in spelled(NONE, ids):
        answer = await native.call("GET", f"/v1/{noun}/{text}", native.retailer)
        assert (answer.status_code, answer.json()) == (404, unknown[noun]), (noun, name)


QUERIES = {
    "orders": ("lines?order=", "cancellations?order=", "shipments?order=", "refunds?order=", "events?order="),
    "lines": ("cancellations?line=", "shipments?line=", "refunds?line=", "events?line="),
    "parties": ("orders?retailer=", "lines?retailer=", "cancellations?retailer=", "cancellations?awaiting="),
    "cancellations": ("refunds?cancellation=", "events?cancellation=", "judgements?cancellation="),
}
NAMED = ("retailer",)
"""Parameters that take a name as well: what is no id may be a name, which matches nothing."""


async def test_an_id_in_a_query_has_any_spelling_and_what_is_none_is_invalid(sqlite_native: Native) -> None:
    native, ids = sqlite_native, await known(sqlite_native)

    async def listed(path: str) -> Any:
        answer = await native.call("GET", f"/v1/{path}", native.retailer)
        assert answer.status_code == 200, answer.text
        return {**answer.json(), "next": None}

    for noun, queries in QUERIES.items():
        for query in queries:
            wanted = await listed(f"{query}{ids[noun]}")
            for name, spell in SPELLINGS.items():
                assert await listed(f"{query}{spell(ids[noun], PREFIXES[noun])}") == wanted, (query, name)
            parameter = query.partition("?")[2].removesuffix("=")
            for name, spell in {} if parameter in NAMED else NONE.items():
                answer = await native.call("GET", f"/v1/{query}{spell(ids[noun], PREFIXES[noun])}", native.retailer)
                assert (answer.status_code, answer.json()["code"]) == (422, "invalid"), (query, name)
                assert places(answer) == [["query", parameter]], (query, name)


async def test_an_id_in_a_body_has_any_spelling(sqlite_native: Native) -> None:
    native = sqlite_native
    for name, spell in SPELLINGS.items():
        made = await native.order(2)
        order, line = spell(made.id, "ord"), spell(made.lines[0].id, "lin")
        (asked,) = await native.asked({"line": line, "units": 1}, asker="retailer")
        assert asked["line"] == str(made.lines[0].id), name
        answer = await native.call("POST", "/v1/cancellations", native.retailer, {"order": order, "asker": "retailer"})
        assert answer.status_code == 202, answer.text
        quote = await native.call("POST", "/v1/quotes", native.retailer, {"lines": [{"line": line}]})
        assert quote.json()["code"] == "no_price", name
    for name, spell in NONE.items():
        answer = await native.ask({"line": spell(made.lines[0].id, "lin")})
        assert (answer.status_code, places(answer)) == (422, [["body", "lines", 0, "line"]]), name


async def test_the_spelling_of_an_id_makes_no_other_call_of_it(sqlite_native: Native) -> None:
    native, line = sqlite_native, await sqlite_native.line(3)
    answers = [
        await native.ask({"line": spell(line, "lin"), "units": 1}, asker="retailer", key="spelled")
        for spell in SPELLINGS.values()
    ]
    assert {each.status_code for each in answers} == {202}
    assert len({each.json()["cancellations"][0]["id"] for each in answers}) == 1
