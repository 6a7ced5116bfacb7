"""Timelines: every event says who, by which door, when and why, in sentences that a stranger understands."""

from types import SimpleNamespace
from typing import Any
from uuid import UUID

import pytest

from countermand.admin.callers import PLATFORM
from countermand.admin.policies import put_in_force
from countermand.documents import timeline
from countermand.domain.commands import (
    AcceptCancellation,
    AskCancellation,
    CancelOwn,
    DeclineCancellation,
    PassDeadline,
    Ship,
)
from countermand.domain.events import EventKind
from countermand.domain.parties import Asker
from countermand.domain.policy import Policy, Silence
from countermand.domain.reasons import CancelReason, DeclineReason
from tests.support.world import World

RETAILER = UUID(int=0xA1)
FACTS: dict[str, Any] = {"units": 2, "open": 1, "asked": 0, "cancelled": 2, "shipped": 0}
REFUND = {"payment": "1", "amount_minor": 1250, "currency": "EUR", "released": False, "elsewhere_minor": 300}


def reported(kind: EventKind, **facts: Any) -> str:
    event: Any = SimpleNamespace(
        kind=kind.value, facts=FACTS | facts, retailer_id=RETAILER, actor_id=RETAILER, actor_name="Fine Shoes"
    )
    return timeline.sentence(event)


def test_a_deadline_is_told_by_two_clocks() -> None:
    """EC-30: in UTC, and by the clock of the policy's zone, on either side of a clock change."""
    for due_at, there in (("2026-10-23T14:00:00+00:00", "16:00"), ("2026-10-26T14:00:00+00:00", "15:00")):
        facts = FACTS | {"asker": "retailer", "awaiting": str(UUID(int=0xB1)), "due_at": due_at}
        event: Any = SimpleNamespace(
            kind=EventKind.CANCELLATION_ASKED.value,
            facts=facts,
            retailer_id=RETAILER,
            actor_id=RETAILER,
            actor_name="Fine Shoes",
            door="",
        )
        sentence = timeline.sentence(event, "Europe/Amsterdam")
        assert f"due by {due_at[:10]} 14:00 UTC ({due_at[:10]} {there} Europe/Amsterdam)." in sentence


MONEY = {
    "refund": REFUND,
    "payment": {"id": "card", "captured_minor": 900, "authorised_minor": 1800, "currency": "EUR"},
}


@pytest.mark.parametrize("kind", EventKind)
def test_every_kind_of_event_has_its_sentence(kind: EventKind) -> None:
    """Whoever adds a kind adds its sentence to timeline.py."""
    sentence = reported(kind, **{part: facts for part, facts in MONEY.items() if kind.startswith(f"{part}.")})
    assert sentence[0].isupper()
    assert sentence.endswith(".")
    assert "None" not in sentence


@pytest.mark.parametrize(
    ("kind", "facts", "sentence"),
    [
        (
            EventKind.CANCELLATION_ASKED,
            {"asker": "customer", "note": "too big", "awaiting": str(RETAILER), "policy_version": 0}
            | {"due_at": "2026-11-04T09:00:00+00:00"},
            "The customer asked, through Fine Shoes, to cancel 2 units: too big."
            " The retailer's answer is due by 2026-11-04 09:00 UTC, says the default policy.",
        ),
        (
            EventKind.CANCELLATION_PASSED_ON,
            {"asker": "customer", "awaiting": str(UUID(int=0xB1))},
            "Fine Shoes passed the cancellation of 2 units on to the supplier."
            " The supplier's answer is due, without a deadline.",
        ),
        (
            EventKind.CANCELLATION_ACCEPTED,
            {"asker": "nobody", "unasked": True, "reason": "out_of_stock", "note": "the last pair was torn"},
            "Fine Shoes cancelled 2 units, which nobody had asked for (out of stock): the last pair was torn.",
        ),
        (
            EventKind.CANCELLATION_ACCEPTED,
            {"asker": "customer", "unasked": True, "reason": "out_of_stock"},
            "Fine Shoes cancelled 2 units that were asked for, but gave another reason (out of stock).",
        ),
        (
            EventKind.CANCELLATION_ACCEPTED,
            {"asker": "customer", "by_policy": True, "rule": "silence", "policy_version": 3},
            "Version 3 of the policy accepted the cancellation of 2 units, as nobody had answered in time.",
        ),
        (
            EventKind.CANCELLATION_ACCEPTED,
            {"asker": "customer", "by_policy": True, "rule": "free_window", "policy_version": 3},
            "Version 3 of the policy accepted the cancellation of 2 units, as it was asked within the free time after"
            " ordering.",
        ),
        (
            EventKind.CANCELLATION_LAPSED,
            {"asker": "retailer", "by_policy": True, "rule": "silence", "policy_version": 0},
            "The default policy let the cancellation of 2 units lapse, as nobody had answered in time.",
        ),
        (
            EventKind.CANCELLATION_ESCALATED,
            {"asker": "retailer", "by_policy": True, "rule": "silence", "policy_version": 2},
            "Version 2 of the policy handed the cancellation of 2 units to an operator, as nobody had answered in"
            " time.",
        ),
    ],
)
def test_a_sentence_says_who_why_and_what_is_due(kind: EventKind, facts: dict[str, Any], sentence: str) -> None:
    assert reported(kind, **facts) == sentence


@pytest.mark.anyio
async def test_the_timeline_of_a_line_needs_no_other_source(world: World) -> None:
    retailer, supplier = world.actor(world.retailer), world.actor(world.supplier)
    terms = Policy(answer_within_s=3600, silence=Silence.LAPSE)
    await world.application.database.write(
        lambda connection: put_in_force(
            connection, world.clock(), retailer=world.retailer, fulfiller=world.supplier, policy=terms, by="ann"
        )
    )
    line = (await world.order(5)).lines[0].id
    for command in (
        AskCancellation(line=line, actor=retailer, units=1, note="ordered twice"),
        DeclineCancellation(line=line, actor=supplier, reason=DeclineReason.IN_PACKING),
        AskCancellation(line=line, actor=retailer, asker=Asker.CUSTOMER, units=2),
        AcceptCancellation(line=line, actor=retailer),
    ):
        await world.submit(command)
    world.clock.advance(hours=1)
    asked = (await world.events(line))[-1].cancellation_id
    await world.submit(PassDeadline(line=line, cancellation=asked))
    own = CancelReason.OUT_OF_STOCK
    await world.submit(CancelOwn(line=line, actor=supplier, reason=own, units=1, note="one was torn"))
    await world.submit(Ship(line=line, actor=supplier))
    assert [timeline.sentence(event) for event in await world.events(line)] == [
        "retailer ordered 5 units.",
        "retailer asked to cancel 1 unit: ordered twice."
        " The supplier's answer is due by 2026-11-02 10:00 UTC, says version 1 of the policy.",
        "supplier declined the cancellation of 1 unit (in packing).",
        "The customer asked, through retailer, to cancel 2 units."
        " The retailer's answer is due by 2026-11-02 10:00 UTC, says version 1 of the policy.",
        "retailer passed the cancellation of 2 units on to the supplier."
        " The supplier's answer is due by 2026-11-02 10:00 UTC.",
        "Version 1 of the policy let the cancellation of 2 units lapse, as nobody had answered in time.",
        "supplier cancelled 1 unit, which nobody had asked for (out of stock): one was torn.",
        "supplier shipped 4 units.",
    ]
    for event in await world.events(line):
        assert event.door
        assert event.actor
        assert event.at.tzinfo is not None
        assert (event.actor_id is None) == ("rule" in event.facts) == (event.actor == "policy")
        assert event.actor_id != PLATFORM
