"""What each party is told of an event, on both engines: as of the event, and nothing that is not its business."""

import json
from collections.abc import Awaitable, Callable
from dataclasses import replace
from functools import partial
from typing import Any
from uuid import UUID

import pytest
from jsonschema import Draft202012Validator
from sqlalchemy import Connection
from sqlalchemy import event as sqlalchemy_event
from sqlalchemy.engine import Engine

from countermand.admin import policies
from countermand.admin.callers import PLATFORM
from countermand.documents.events import Envelope, write, write_test
from countermand.domain.commands import NoteCancellation, Reassign, ReleaseOrder
from countermand.domain.events import EventKind
from countermand.domain.money.commands import (
    AddPayment,
    CapturePayment,
    CloseRefund,
    Movement,
    SendRefund,
    SettleRefund,
)
from countermand.domain.money.pricing import Payment
from countermand.domain.parties import PartyKind
from countermand.domain.policy import Policy, Silence, WholeOrder
from countermand.domain.reasons import CancelReason, DeclineReason
from countermand.reads import events as event_reads
from countermand.reads.events import EventView
from countermand.reads.scope import Scope
from countermand.store import events as event_store
from countermand.store.columns import Record
from countermand.store.engines.protocol import engine_of
from tests.docs.reading import DOCS
from tests.store.speaking import OPERATOR, Sale, new_sale
from tests.support.money import place_paid, rows_of
from tests.support.world import START, World

pytestmark = pytest.mark.anyio

HERE = "https://cancel.example.com"
Story = Callable[[Sale], Awaitable[None]]


async def answers(sale: Sale) -> None:
    """A customer's ask goes by the retailer, is accepted in part, and the rest takes its course."""
    await sale.done(replace(sale.customer_asks(2), note="wrong size"))
    await sale.done(sale.passes_on())
    await sale.done(sale.accept(1, named=True))
    await sale.done(sale.ask(1))
    await sale.done(sale.decline())
    await sale.done(sale.ask(1, key="again"))
    await sale.done(sale.withdraw())
    await sale.done(sale.cancel_own(1))


async def goods(sale: Sale) -> None:
    """Units are promised, rejected and shipped."""
    await sale.done(sale.allocate_order(sale.allocate(accepted=4, rejected=1)))
    await sale.done(sale.ship_order(sale.ship(2)))
    await sale.done(sale.change_parcel("DHL", "JJD1"))


async def lapses(sale: Sale) -> None:
    """Nobody answers."""
    await sale.done(sale.ask(2))
    sale.world.clock.advance(hours=49)
    await sale.done(sale.pass_deadline())


async def escalates(sale: Sale) -> None:
    """Nobody answers, and an operator has to."""
    await agreed(sale.world, Policy(silence=Silence.ESCALATE))
    await sale.done(sale.ask(2))
    sale.world.clock.advance(hours=49)
    await sale.done(sale.pass_deadline())


async def is_free(sale: Sale) -> None:
    """An ask in the free window is accepted by the policy."""
    await agreed(sale.world, Policy(free_window_s=600))
    await sale.done(sale.ask(2))


async def pays(sale: Sale) -> None:
    """One refund is paid, one fails and is closed."""
    order = await place_paid(sale.world, payments=[{"provider": "stripe", "reference": "pi_1", "captured": "27"}])
    sale.order, sale.lines = order.id, tuple(line.id for line in order.lines)
    for movement in (Movement.CONFIRMED, Movement.REFUSED):
        await sale.done(sale.cancel_own(1))
        [refund] = [row.id for row in await rows_of(sale.world, "refunds") if row.state == "due"]
        await sale.done(SendRefund(line=sale.line, refund=refund, actor=OPERATOR, attempts=0))
        await sale.done(
            SettleRefund(
                line=sale.line, refund=refund, actor=OPERATOR, attempts=1, movement=movement, result="no funds"
            )
        )
    await sale.done(CloseRefund(line=sale.line, refund=refund, actor=OPERATOR, paid=False, note="forgone"))


async def comes_too_late(sale: Sale) -> None:
    """An answer after the deadline, and a parcel after the answer."""
    await sale.done(sale.ask(2))
    sale.world.clock.advance(hours=49)
    await sale.refused(sale.accept(named=True))
    await sale.done(sale.ask(2, key="again"))
    await sale.done(
        NoteCancellation(line=sale.line, actor=sale.supplier, cancellation=sale.asked, note="a label", tracking="3S1")
    )
    await sale.done(sale.accept(named=True))
    await sale.refused(sale.ship_order(sale.ship(5)))


async def contradicts(sale: Sale) -> None:
    """A supplier has to prove what it says, and then declines what the retailer had agreed to."""
    await agreed(sale.world, Policy(proof_within_s=3600))
    await sale.done(sale.customer_asks(2))
    await sale.done(sale.passes_on())
    shipped = replace(sale.decline(), reason=DeclineReason.ALREADY_SHIPPED)
    await sale.done(shipped)
    await sale.done(replace(shipped, tracking="PostNL 3S1"))


async def together(sale: Sale) -> None:
    """Two lines are asked for, all or nothing."""
    await agreed(sale.world, Policy(whole_order=WholeOrder.ALL_OR_NOTHING))
    pair = await new_sale(sale.world, 2, 2)
    sale.order, sale.lines = pair.order, pair.lines
    await sale.done(sale.cancel_order())
    await sale.done(sale.accept())
    await sale.done(sale.accept(place=1))


async def is_paid_later(sale: Sale) -> None:
    """An order that was handed in unpaid is paid, and that is captured."""
    order = await place_paid(sale.world, payments=[])
    sale.order, sale.lines = order.id, tuple(line.id for line in order.lines)
    card = Payment(id="card", provider="stripe", reference="pi_1", authorised_minor=2700)
    await sale.done(AddPayment(order=sale.order, actor=sale.retailer, payment=card))
    await sale.done(CapturePayment(order=sale.order, actor=sale.retailer, payment="card", captured_minor=900))


async def moves(sale: Sale) -> None:
    await sale.done(sale.ask(2))
    to = sale.world.other_supplier
    await sale.done(Reassign(line=sale.line, actor=sale.retailer, fulfiller=to, note="a fire"))


async def is_released(sale: Sale) -> None:
    """An order was held, and its fulfiller has it from then on."""
    order = await sale.world.order(2, held=True)
    sale.order, sale.lines = order.id, tuple(line.id for line in order.lines)
    await sale.done(ReleaseOrder(order=sale.order, actor=sale.retailer))


STORIES = (
    answers,
    is_released,
    goods,
    moves,
    lapses,
    escalates,
    is_free,
    pays,
    is_paid_later,
    comes_too_late,
    contradicts,
    together,
)


async def agreed(world: World, policy: Policy) -> None:
    await world.application.database.write(
        lambda connection: policies.put_in_force(
            connection, world.clock(), retailer=world.retailer, fulfiller=world.supplier, policy=policy, by="test"
        )
    )


async def reported(sale: Sale, place: int = 0) -> list[EventView]:
    keys = [(row["retailer_id"], row["line_id"], row["seq"]) for row in await sale.events(place)]
    found = await sale.world.application.database.read(partial(event_reads.events_for_sending, keys=keys))
    return sorted(found, key=lambda row: row.seq)


def reader(world: World, party: UUID) -> Scope:
    kinds = {world.supplier: PartyKind.SUPPLIER, world.other_supplier: PartyKind.SUPPLIER, PLATFORM: PartyKind.PLATFORM}
    return Scope(party=party, kind=kinds.get(party, PartyKind.RETAILER))


async def bodies(sale: Sale, party: UUID | None = None, **more: Any) -> list[dict[str, Any]]:
    who = reader(sale.world, party or sale.world.supplier)
    return [write(row, reader=who, source=HERE, **more) for row in await reported(sale)]


def kinds_of(written: list[dict[str, Any]]) -> list[str]:
    return [each["type"].removeprefix("countermand.").removesuffix(".v1") for each in written]


@pytest.mark.parametrize("story", STORIES, ids=lambda story: story.__name__)
async def test_every_body_is_as_the_schema_says_and_nothing_else(world: World, story: Story) -> None:
    schema = Draft202012Validator(json.loads((DOCS / "events.schema.json").read_text(encoding="utf-8")))
    sale = await new_sale(world)
    await story(sale)
    for party in (world.retailer, world.supplier, PLATFORM):
        for body in await bodies(sale, party, page=lambda row: f"{HERE}/answer/token"):
            sent = json.dumps(body)
            assert list(schema.iter_errors(json.loads(sent))) == []
            assert Envelope.model_validate_json(sent).type == body["type"]


async def test_the_stories_have_every_kind(sqlite_world: World) -> None:
    seen: set[str] = set()
    for story in STORIES:
        sale = await new_sale(sqlite_world)
        await story(sale)
        seen |= set(kinds_of(await bodies(sale)))
    # What an operator corrects of a refund is told by tests/money.
    assert seen == {kind.value for kind in EventKind} - {EventKind.REFUND_CORRECTED}


async def test_the_envelope_names_the_event(world: World) -> None:
    sale = await new_sale(world)
    await sale.done(sale.ask(2), door="crux")
    row = (await sale.events())[-1]
    body = (await bodies(sale))[-1]
    data = body.pop("data")
    assert body == {
        "specversion": "1.0",
        "id": f"evt_{row['id'].hex}",
        "source": HERE,
        "type": "countermand.cancellation.asked.v1",
        "time": "2026-11-02T09:00:00Z",
        "subject": str(sale.line),
        "datacontenttype": "application/json",
    }
    line = await world.line(sale.line)
    assert data == {
        "line": str(sale.line),
        "order": str(sale.order),
        "reference": data["reference"],
        "sku": "SKU-0",
        "title": line.title,
        "retailer": {"id": str(world.retailer), "name": "retailer"},
        "fulfiller": {"id": str(world.supplier), "name": "supplier"},
        "former_fulfiller": None,
        "seq": 2,
        "units": 2,
        "state": {"ordered": 5, "open": 3, "asked": 2, "cancelled": 0, "shipped": 0},
        "cancellation": {
            "id": f"can_{sale.asked.hex}",
            "units": 2,
            "state": "asked",
            "asker": "retailer",
            "reason": "not_stated",
            "note": "",
            "awaiting": str(world.supplier),
            "due_at": "2026-11-04T09:00:00Z",
            "accepted_units": 0,
            "decline_reason": None,
            "answer_note": "",
            "unasked": False,
            "agreed": False,
            "step": 1,
            "waiting_units": 2,
        },
        "refund": None,
        "payment": None,
        "answer": None,
        "tracking": "",
        "by": {"party": str(world.retailer), "name": "retailer", "kind": "retailer", "rule": None},
        "door": "crux",
        "recorded_at": "2026-11-02T09:00:00Z",
        "links": {
            "accept": f"{HERE}/v1/cancellations/can_{sale.asked.hex}/accept",
            "decline": f"{HERE}/v1/cancellations/can_{sale.asked.hex}/decline",
        },
    }
    assert data["reference"].startswith("PO-")


async def test_a_body_tells_of_the_moment_whatever_happened_since(world: World) -> None:
    sale = await new_sale(world)
    await sale.done(sale.customer_asks(2))
    world.clock.advance(hours=1)
    first = await bodies(sale)
    await sale.done(sale.passes_on())
    world.clock.advance(hours=1)
    second = await bodies(sale)
    await sale.done(sale.accept(1, named=True))
    last = await bodies(sale)
    assert kinds_of(last) == [
        "line.placed",
        "cancellation.asked",
        "cancellation.passed_on",
        "cancellation.accepted",
    ]
    assert first == second[: len(first)] == last[: len(first)]
    assert second == last[: len(second)]
    asked, passed_on, accepted = (each["data"]["cancellation"] for each in last[1:])
    assert (asked["state"], asked["awaiting"], asked["due_at"]) == (
        "asked",
        str(world.retailer),
        "2026-11-04T09:00:00Z",
    )
    assert (passed_on["state"], passed_on["awaiting"], passed_on["due_at"]) == (
        "asked",
        str(world.supplier),
        "2026-11-04T10:00:00Z",
    )
    assert {each["reason"] for each in (asked, passed_on, accepted)} == {"requested_by_customer"}
    assert [each["accepted_units"] for each in (asked, passed_on, accepted)] == [0, 0, 1]
    assert (accepted["state"], accepted["awaiting"], accepted["due_at"]) == (
        "accepted",
        None,
        "2026-11-04T10:00:00Z",
    )
    assert [each["data"]["state"]["asked"] for each in last] == [0, 2, 2, 0]


async def test_another_reason_of_the_answer_does_not_reach_back(world: World) -> None:
    sale = await new_sale(world, fulfillers=(world.retailer,))
    await sale.done(replace(sale.customer_asks(2), reason=CancelReason.ORDERED_TWICE))
    own = sale.cancel_own(actor=sale.retailer)
    await sale.done(own)
    asked, *accepted = (each["data"]["cancellation"] for each in (await bodies(sale, world.retailer))[1:])
    assert (asked["reason"], asked["unasked"]) == ("ordered_twice", False)
    assert {(each["reason"], each["unasked"]) for each in accepted} == {("out_of_stock", True)}


async def test_a_decline_has_both_reasons_and_its_words(world: World) -> None:
    sale = await new_sale(world)
    await sale.done(replace(sale.ask(2), reason=CancelReason.ORDERED_TWICE, note="two were one too many"))
    await sale.done(sale.decline())
    asked, declined = (each["data"]["cancellation"] for each in (await bodies(sale))[1:])
    assert (asked["decline_reason"], asked["answer_note"]) == (None, "")
    assert (declined["reason"], declined["decline_reason"]) == ("ordered_twice", "in_packing")
    assert (declined["note"], declined["answer_note"]) == ("two were one too many", "on the belt")


async def test_an_ask_that_its_own_transaction_accepted_is_told_as_asked_first(world: World) -> None:
    sale = await new_sale(world)
    await is_free(sale)
    asked, accepted = (await bodies(sale))[1:]
    assert asked["data"]["cancellation"]["state"] == "asked"
    assert asked["data"]["cancellation"]["accepted_units"] == 0
    assert accepted["data"]["cancellation"]["state"] == "accepted"
    assert accepted["data"]["by"] == {"party": None, "name": "policy", "kind": "policy", "rule": "free_window"}


# Links


async def links(sale: Sale, party: UUID, **more: Any) -> set[str]:
    return set((await bodies(sale, party, **more))[-1]["data"]["links"])


async def test_links_to_answer_go_to_whose_answer_is_due_and_to_withdraw_to_the_asker(world: World) -> None:
    sale = await new_sale(world)
    await sale.done(sale.customer_asks(2))
    assert await links(sale, world.retailer) == {"accept", "decline"}
    assert await links(sale, world.supplier) == set()
    assert await links(sale, PLATFORM) == {"withdraw"}
    await sale.done(sale.passes_on())
    assert await links(sale, world.retailer) == set()
    assert await links(sale, world.supplier) == {"accept", "decline"}
    assert await links(sale, PLATFORM) == {"withdraw"}
    await sale.done(sale.decline())
    for party in (world.retailer, world.supplier, PLATFORM):
        assert await links(sale, party) == set()


async def test_the_retailers_own_ask_is_the_retailers_to_withdraw(world: World) -> None:
    sale = await new_sale(world)
    await sale.done(sale.ask(2))
    assert await links(sale, world.retailer) == {"withdraw"}
    assert await links(sale, PLATFORM) == set()


async def test_what_was_escalated_is_the_platforms_to_answer(world: World) -> None:
    sale = await new_sale(world)
    await escalates(sale)
    assert await links(sale, PLATFORM) == {"accept", "decline"}
    assert await links(sale, world.supplier) == set()
    assert await links(sale, world.retailer) == {"withdraw"}


async def test_the_page_is_made_for_whose_answer_is_due_only(world: World) -> None:
    sale = await new_sale(world)
    await sale.done(sale.ask(2))
    made: list[UUID] = []

    def page(row: Record) -> str:
        made.append(row.cancellation_id)
        return "https://x"

    assert await links(sale, world.retailer, page=page) == {"withdraw"}
    assert made == []
    assert await links(sale, world.supplier, page=page) == {"accept", "decline", "page"}
    assert made == [sale.asked]


# Whose business it is


async def test_neither_the_customer_nor_who_acted_within_a_party_is_told(world: World) -> None:
    sale = await new_sale(world)
    for story in (answers, goods):
        await story(sale)
        sale = await new_sale(world)
    await sale.done(replace(sale.ask(2), actor=replace(sale.retailer, name="canary of the shop")))
    for party in (world.retailer, world.supplier, PLATFORM):
        assert "canary" not in json.dumps(await bodies(sale, party))


# Reading


async def test_any_number_of_events_is_one_statement(world: World) -> None:
    first, second = await new_sale(world, 5, 3), await new_sale(world, fulfillers=(world.other_supplier,))
    foreign = await new_sale(world, fulfillers=(world.supplier,), retailer=world.other_retailer)
    await first.done(first.ask(2))
    await first.done(first.accept(named=True))
    keys = [
        (world.retailer, first.line, 3),
        (world.retailer, first.line, 1),
        (world.retailer, second.line, 1),
        (world.other_retailer, foreign.line, 1),
    ]
    lacking = [(world.retailer, first.line, 4), (world.other_retailer, first.line, 1), (world.retailer, UUID(int=9), 1)]
    statements: list[str] = []

    def note(connection: object, cursor: object, statement: str, *more: object) -> None:
        statements.append(statement)

    sqlalchemy_event.listen(Engine, "before_cursor_execute", note)
    try:
        found = await world.application.database.read(partial(event_reads.events_for_sending, keys=[*keys, *lacking]))
    finally:
        sqlalchemy_event.remove(Engine, "before_cursor_execute", note)
    assert len([each for each in statements if "events" in each]) == 1
    assert {(row.retailer_id, row.line_id, row.seq) for row in found} == set(keys)
    assert len(found) == len(keys)
    assert await world.application.database.read(partial(event_reads.events_for_sending, keys=[])) == []


def test_a_test_is_about_nothing() -> None:
    body = write_test(endpoint="ept_1", id=UUID(int=7), at=START, source=HERE)
    assert body["type"] == "countermand.endpoint.test.v1"
    assert (body["id"], body["subject"]) == (f"evt_{7:032x}", "ept_1")
    assert set(body) == set(Envelope.model_fields)


async def test_a_look_by_keys_and_a_list_tell_the_same_of_an_event(world: World) -> None:
    """They are two statements: one has its order of tables written out, the other leaves it to the database."""
    sale = await new_sale(world)
    await answers(sale)
    stored = await sale.events()
    keys = [(world.retailer, each["line_id"], each["seq"]) for each in stored]
    by_key = await world.application.database.read(partial(event_reads.events_for_sending, keys=keys))
    wanted = event_reads.EventFilter()
    scope = Scope(party=PLATFORM, kind=PartyKind.PLATFORM)
    listed, _ = await world.application.database.read(partial(event_reads.list_events, scope=scope, wanted=wanted))
    of = {row.id: row for row in listed}
    assert len(by_key) == len(keys)
    assert all(row == of[row.id] for row in by_key)


async def test_a_look_by_keys_goes_by_primary_keys_alone(sqlite_world: World) -> None:
    def plan(connection: Connection) -> list[str]:
        statement = str(event_store._by_key(engine_of(connection), event_reads._ENVELOPE_COLUMNS))
        return [row.detail for row in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", {"keys": "[]"})]

    steps = [step for step in await sqlite_world.application.database.read(plan) if "VIRTUAL TABLE" not in step]
    steps = [step for step in steps if "SUBQUERY" not in step]
    assert len(steps) == 9
    assert all("sqlite_autoindex" in step for step in steps), steps
