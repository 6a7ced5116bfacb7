"""A call of each operation, made and answered, for the description: ``python -m tests.docs.played`` writes them."""

import asyncio
import json
import logging
import re
import tempfile
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Final
from unittest.mock import patch
from urllib.parse import quote, urlencode
from uuid import UUID

import httpx2
import structlog
from sqlalchemy import Connection, update

from countermand.admin import credentials
from countermand.admin.callers import PLATFORM
from countermand.domain.delivery import Attempt, Verdict
from countermand.outlets.webhook import WebhookOutlet
from countermand.reads.parties import find_party
from countermand.store.tables import parties, refunds
from countermand.wire.native.examples import FILE, SERVICE
from tests.support.world import Clock, World, populate, running
from tests.worker.station import station

_ID: Final = re.compile("[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}|(?<=[_-])[0-9a-f]{32}")
_SHOWN_OF_A_LIST: Final = 1


@dataclass(kw_only=True)
class Player:
    """Makes calls, and keeps the first of each operation as its example."""

    world: World
    http: httpx2.AsyncClient
    paths: Mapping[str, tuple[str, str]]
    played: dict[str, dict[str, Any]] = field(default_factory=dict)

    def knows(self, operation: str) -> bool:
        return operation in self.paths

    async def __call__(
        self,
        operation: str,
        who: UUID,
        *ids: str,
        body: Any = None,
        query: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        content: str | None = None,
    ) -> Any:
        """Make the call and give its answer; nothing where there is no such operation."""
        if operation not in self.paths:
            return None
        self.world.clock.advance(minutes=1)
        method, template = self.paths[operation]
        path = _filled(template, ids)
        if query:
            path += f"?{urlencode(query)}"
        sent = {"Authorization": f"Bearer {self.world.tokens[who]}", **(headers or {})}
        given = {"content": content} if content is not None else {"json": body} if body is not None else {}
        answer = await self.http.request(method, path, headers=sent, **given)
        assert answer.status_code < 400, f"{operation}: {answer.status_code} {answer.text}"
        told = answer.json() if answer.headers.get("content-type") == "application/json" else answer.text
        example = {
            "call": f"{method} {path}",
            "headers": dict(headers or {}),
            "body": content if content is not None else body,
            "status": answer.status_code,
            "answer": _shortened(told),
        }
        self.played.setdefault(operation, example)
        return {"etag": answer.headers.get("etag"), **told} if isinstance(told, dict) else told

    async def order(self, body: dict[str, Any], headers: Mapping[str, str] | None = None) -> Any:
        return await self("orders.create", self.world.retailer, body=body, headers=headers)

    def stream(self, page: Mapping[str, Any]) -> None:
        """How the first event of a page comes in a stream, which has no end that could be waited for."""
        if "events.stream" in self.paths:
            event, kept = page["events"][0], self.played["events.list"]
            kind = event["type"].removeprefix("countermand.").removesuffix(".v1")
            told = f"id: {page['next']}\nevent: {kind}\ndata: {json.dumps(event)}\n\n"
            answer = f"retry: 3000\n\n{told}"
            self.played["events.stream"] = {**kept, "call": "GET /v1/events/stream", "answer": answer}


def _filled(template: str, ids: tuple[str, ...]) -> str:
    parts = iter(ids)
    return re.sub("{[^}]+}", lambda _: quote(next(parts)), template)


def _shortened(answer: Any) -> Any:
    """Of a list, its first items."""
    if not isinstance(answer, dict):
        return answer
    return {
        name: value[:_SHOWN_OF_A_LIST] if isinstance(value, list) and "next" in answer else value
        for name, value in answer.items()
    }


async def _played() -> dict[str, Any]:
    with tempfile.TemporaryDirectory(prefix="examples_") as folder:
        async with story(f"sqlite:///{folder}/examples.sqlite3", Path(folder, "keys")) as player:
            return dict(sorted(player.played.items()))


@asynccontextmanager
async def story(url: str, keys: Path, player_of: type[Player] = Player) -> AsyncIterator[Player]:
    """A service in this database, after a call of each operation."""
    clock = Clock()
    more = {"public_url": SERVICE, "smtp_host": "127.0.0.1", "mail_from": "mail@cancel.example.com"}
    async with running(url, clock, key_file=keys, **more) as application:
        world = await populate(application, clock)
        await application.database.write(partial(_named_well, world=world))
        async with world.client() as http:
            described = (await http.get("/openapi.json")).json()
            paths = {
                call["operationId"]: (method.upper(), path)
                for path, methods in described["paths"].items()
                for method, call in methods.items()
            }
            player = player_of(world=world, http=http, paths=paths)
            await _play(player, world)
            yield player


def _named_well(connection: Connection, world: World) -> None:
    names = {
        world.retailer: "Fine Shoes",
        world.other_retailer: "Quay Shoes",
        world.supplier: "Alpine Supply",
        world.other_supplier: "Acme Supplies",
    }
    for party, name in names.items():
        connection.execute(update(parties).where(parties.c.id == party).values(name=name))
    platform = find_party(connection, str(PLATFORM))
    ids, now = world.application.ids, world.clock()
    world.tokens[PLATFORM] = credentials.issue_token(connection, ids, now, party=platform, label="shop")


def _order(reference: str, *units: int, **more: Any) -> dict[str, Any]:
    boot = {"title": "Hiking boot", "unit_price": "45.00", "supplier": "Alpine Supply"}
    lines = [{"sku": f"boot-4{place}", "units": count, **boot} for place, count in enumerate(units, 2)]
    paid = f"{45 * sum(units)}.00"
    return {"retailer": "Fine Shoes", "reference": reference, "lines": lines, **(more or _paid(paid))}


def _paid(amount: str) -> dict[str, Any]:
    return {"payments": [{"id": "card", "provider": "manual", "captured": amount}]}


async def _play(call: Player, world: World) -> None:
    retailer = world.retailer
    await call("me.get", retailer)
    key = {"Idempotency-Key": "7f0c"}
    order = await call.order(_order("PO-1001", 5, 2), headers=key)
    order_id, [line, other] = order["id"], [each["id"] for each in order["lines"]]
    await call("quotes.create", retailer, body={"lines": [{"line": line, "units": 2}]})
    asked = {"lines": [{"line": line, "units": 2}], "asker": "customer", "note": "wrong size"}
    await _cancel(call, world, line, asked)
    await _look(call, world, order_id, line)
    await _pay(call, retailer)
    await _refund(call, world)
    await _hold(call, world, other)
    await _notify(call, world, line)
    await _do_many(call, world, line)
    await _manage(call, world)
    await _agree(call, world)
    await call("scorecards.get", retailer, str(retailer), query={"weeks": "1"})


async def _cancel(call: Player, world: World, line: str, asked: dict[str, Any]) -> None:
    retailer, supplier = world.retailer, world.supplier
    made = await call("cancellations.create", PLATFORM, body=asked, headers={"Idempotency-Key": "8a1d"})
    wanted = made["cancellations"][0]["id"]
    await call("cancellations.get", PLATFORM, wanted)
    await call("cancellations.list", retailer, query={"awaiting_me": "true"})
    await call("cancellations.accept", retailer, wanted, body={"step": 1})
    await call("cancellations.accept", supplier, wanted, body={"step": 2})
    note = {"note": "the label could not be voided: 4.10"}
    await call("cancellations.note", supplier, wanted, body=note)
    for reason, answer, who, body in (
        ("ordered_twice", "cancellations.decline", supplier, {"step": 1, "reason": "in_packing"}),
        ("out_of_stock", "cancellations.withdraw", retailer, {"note": "the shop has found one"}),
    ):
        again = {"lines": [{"line": line, "units": 1}], "asker": "retailer", "reason": reason}
        other = await call("cancellations.create", retailer, body=again)
        await call(answer, who, other["cancellations"][0]["id"], body=body)


async def _look(call: Player, world: World, order: str, line: str) -> None:
    retailer = world.retailer
    await call("orders.get", retailer, order)
    await call("orders.list", retailer, query={"reference": "PO-1001"})
    await call("lines.get", retailer, line)
    await call("lines.list", retailer, query={"order": order})
    await call("timeline.get", retailer, order)
    await call("search.find", retailer, query={"q": "PO-1001"})
    events = await call("events.list", retailer, query={"limit": "1"})
    await call("events.get", retailer, events["events"][0]["id"])
    call.stream(events)
    await call("parties.list", retailer, query={"kind": "supplier"})
    await call("parties.get", retailer, str(retailer))


async def _pay(call: Player, retailer: UUID) -> None:
    order = await call.order(_order("PO-1002", 2, payments=[]))
    payment = {"id": "card", "authorised": "90.00"}
    await call("payments.create", retailer, order["id"], body=payment)
    await call("payments.capture", retailer, order["id"], "card", body={"captured": "60.00"})
    await call("payments.list", retailer, order["id"])


async def _refund(call: Player, world: World) -> None:
    retailer, supplier = world.retailer, world.supplier
    for number, (verb, body) in enumerate(
        (
            ("refunds.mark_paid", {"note": "by bank transfer"}),
            ("refunds.close", {"note": "paid back in the shop"}),
            ("refunds.correct", {"step": 1, "refunded_elsewhere": "10.00", "note": "a voucher of 10.00"}),
            ("refunds.retry", {"note": "the account has the payment now"}),
        )
    ):
        order = await call.order(_order(f"PO-20{number}", 1))
        line = order["lines"][0]["id"]
        asked = {"lines": [{"line": line}], "asker": "retailer", "reason": "ordered_twice"}
        made = await call("cancellations.create", retailer, body=asked)
        await call("cancellations.accept", supplier, made["cancellations"][0]["id"], body={})
        owed = await call("refunds.list", retailer, query={"line": line})
        refund = owed["refunds"][0]["id"]
        await call("refunds.get", retailer, refund, query={"expand": "cancellation"})
        if verb == "refunds.retry":
            await world.application.database.write(partial(_park, refund=refund))
        await call(verb, PLATFORM, refund, body=body)


def _park(connection: Connection, refund: str) -> None:
    """What else takes a provider that refuses."""
    parked = UUID(refund.removeprefix("rfd_"))
    connection.execute(update(refunds).where(refunds.c.id == parked).values(state="parked", provider="stripe"))


async def _hold(call: Player, world: World, line: str) -> None:
    """What becomes of a line before and after it is sent."""
    retailer, supplier = world.retailer, world.supplier
    held = await call.order(_order("PO-1003", 1, held=True))
    await call("orders.release", retailer, held["id"])
    await call("lines.allocate", supplier, line, body={"accepted": 2})
    order = (await call("lines.get", supplier, line))["order"]
    parcel = {"carrier": "Post", "tracking_number": "3S123456789"}
    shipped = {"order": order, "lines": [{"line": line, "units": 1}], **parcel}
    if parcels := await call("shipments.create", supplier, body=shipped):
        await call("shipments.get", supplier, parcels["id"])
        await call("shipments.list", supplier, query={"order": order})
        await call("shipments.update", supplier, parcels["id"], body={"tracking_number": "3S987654321"})
    read = await call("lines.get", retailer, line)
    moved = {"fulfiller": "Acme Supplies", "note": "a fire in the warehouse"}
    await call("lines.reassign", retailer, line, body=moved, headers={"If-Match": read["etag"]})
    await call("orders.erase", retailer, held["id"], body={"note": "the customer asked for it"})


async def _do_many(call: Player, world: World, line: str) -> None:
    """Rows of a file."""
    retailer = world.retailer
    kind = {"kind": "ask", "format": "csv", "label": "asks of Monday"}
    if not (made := await call("jobs.create", retailer, body=kind)):
        return
    job, rows = made["id"], f"line,units,reason\n{line},1,ordered_twice\n"
    await call("jobs.upload", retailer, job, query={"part": "1"}, content=rows, headers={"Content-Type": "text/csv"})
    await call("jobs.start", retailer, job, body={"parts": 1})
    await world.application.worker.do_jobs()
    await call("jobs.get", retailer, job)
    await call("jobs.results", retailer, job)
    await call("jobs.list", retailer)
    other = await call("jobs.create", retailer, body=kind)
    await call("jobs.cancel", retailer, other["id"])


async def _manage(call: Player, world: World) -> None:
    """Who takes part, who logs in, and what programs call with."""
    retailer, clock = world.retailer, world.clock
    made = await call("parties.create", PLATFORM, body={"kind": "supplier", "name": "North Mill"})
    clock.advance(seconds=1)
    seen = {"If-Match": made["etag"]}
    await call("parties.update", PLATFORM, made["id"], body={"name": "North Mill Ltd"}, headers=seen)
    clock.advance(seconds=1)
    await call("parties.deactivate", PLATFORM, made["id"], body={"note": "closed for good"})
    clock.advance(seconds=1)
    await call("parties.activate", PLATFORM, made["id"])
    desk = {"email": "desk@shoes.example", "name": "Support desk", "permissions": ["view_order"]}
    user = await call("users.create", retailer, body=desk)
    await call("users.get", retailer, user["id"])
    await call("users.list", retailer)
    both = {"permissions": ["cancel_order", "view_order"]}
    await call("users.update", retailer, user["id"], body=both, headers={"If-Match": user["etag"]})
    await call("users.end_sessions", retailer, user["id"])
    token = await call("credentials.create", retailer, body={"kind": "token", "label": "ERP"})
    await call("credentials.get", retailer, token["id"])
    await call("credentials.list", retailer, query={"status": "active", "kind": "token"})
    clock.advance(seconds=1)
    await call("credentials.revoke", retailer, token["id"], body={"note": "lost"})
    await call("audit.list", PLATFORM, query={"party": made["id"]})


async def _agree(call: Player, world: World) -> None:
    """Terms, and what counts in the score."""
    between = {"retailer": "Fine Shoes", "supplier": "Alpine Supply"}
    held = await call("policies.in_force", world.retailer, query=between)
    terms = {**between, "based_on": held["version"], "answer_within": "24h", "silence": "accept"}
    await call("policies.preview", PLATFORM, body=terms)
    made = await call("policies.create", PLATFORM, body=terms)
    await call("policies.get", world.supplier, made["id"])
    await call("policies.list", world.retailer, query={"supplier": "Alpine Supply", "history": "true"})
    order = await call.order(_order("PO-3001", 1))
    line = order["lines"][0]["id"]
    counts = {"lines": [{"line": line}], "asker": "retailer", "reason": "out_of_stock"}
    asked = await call("cancellations.create", world.retailer, body=counts)
    wanted = asked["cancellations"][0]["id"]
    await call("cancellations.accept", world.supplier, wanted, body={})
    word = {"cancellation": wanted, "verdict": "excluded", "reason": "the supplier had announced it"}
    await call("judgements.create", PLATFORM, body=word)
    await call("judgements.list", world.retailer, query={"cancellation": wanted})


async def _notify(call: Player, world: World, line: str) -> None:
    supplier = world.supplier
    url = {"url": "https://hooks.alpine.example/in", "events": ["cancellation.asked"], "label": "warehouse"}
    endpoint = (await call("endpoints.create", supplier, body=url))["id"]
    read = await call("endpoints.get", supplier, endpoint)
    changed = {"events": ["cancellation.asked", "cancellation.passed_on"]}
    await call("endpoints.update", supplier, endpoint, body=changed, headers={"If-Match": read["etag"]})
    await call("endpoints.list", supplier)
    with patch.object(WebhookOutlet, "test", _taken):
        await call("endpoints.test", supplier, endpoint, body={"event": "cancellation.asked"})
    await call("endpoints.pause", supplier, endpoint, body={"reason": "we move house"})
    await call("endpoints.resume", supplier, endpoint)
    await call("endpoints.rotate", supplier, endpoint, body={"overlap_s": 3600})
    await call("endpoints.recover", supplier, endpoint, body={"since": "2026-11-01", "which": "dead"})
    await _send(call, world, endpoint, line)
    mailbox = (await call("endpoints.create", supplier, body={"url": "mailto:orders@alpine.example"}))["id"]
    await call("endpoints.confirm", supplier, mailbox)
    await call("endpoints.delete", supplier, mailbox)


_TAKEN: Final = Attempt(verdict=Verdict.DELIVERED, result="The receiver answered 204.", status=204)


async def _taken(*_: Any) -> Attempt:
    """A test that arrives, without a network."""
    return _TAKEN


async def _send(call: Player, world: World, endpoint: str, line: str) -> None:
    """A notice that its receiver takes at the second attempt."""
    supplier, post = world.supplier, station(world)
    refused = Attempt(verdict=Verdict.FAILED, result="The receiver answered 500.", status=500, answer="oops")
    post.postman.script[UUID(endpoint.removeprefix("ept_"))].extend((refused, _TAKEN))
    asked = {"lines": [{"line": line, "units": 1}], "asker": "retailer", "note": "the last one"}
    await call("cancellations.create", world.retailer, body=asked)
    await post.worker.once()
    await post.later(3600)
    notices = await call("notices.list", supplier, query={"endpoint": endpoint})
    notice = notices["notices"][0]["id"]
    await call("notices.get", supplier, notice, query={"expand": "attempts"})
    attempts = await call("attempts.list", supplier, query={"notice": notice})
    await call("attempts.get", supplier, attempts["attempts"][0]["id"])
    await call("notices.resend", supplier, notice)


def played() -> str:
    """The file of examples. What differs from run to run is replaced by samples."""
    text = json.dumps(asyncio.run(_played()), indent=1, ensure_ascii=False)
    numbers: dict[str, int] = {}

    def sample(found: re.Match[str]) -> str:
        number = numbers.setdefault(found[0].replace("-", ""), len(numbers) + 1)
        bare = f"019a0000000070008000{number:012x}"
        return str(UUID(bare)) if "-" in found[0] else bare

    text = _ID.sub(sample, text)
    text = re.sub('"duration_ms": [0-9]+', '"duration_ms": 41', text)
    text = re.sub('"cmt_[^"]+"', '"cmt_a-token-of-49-letters-that-is-shown-once"', text)
    text = re.sub('"whsec_[^"]+"', '"whsec_Q291bnRlcm1hbmQsIGEgc2FtcGxlIG9mIDMyIGJ5dA=="', text)
    text = re.sub(r'"If-Match": "(?:\\"|[^"])+"', r'"If-Match": "\"019a-1\""', text)
    return f"{text}\n"


if __name__ == "__main__":
    logging.disable()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    FILE.write_text(played(), encoding="utf-8")
