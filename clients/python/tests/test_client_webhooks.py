"""Webhooks: what is accepted, and that nothing but ``WebhookError`` is raised for what is not."""

import contextlib
import json
import random
from base64 import b64encode
from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from countermand_client import WebhookError, models, webhooks

SECRET = "whsec_" + b64encode(b"s" * 32).decode()
OTHER = "whsec_" + b64encode(b"t" * 32).decode()
NOW = 1_793_523_600.0


def event(kind: str = "cancellation.asked", **data: Any) -> dict[str, Any]:
    party = {"id": "r", "name": "Fine Shoes"}
    facts = {
        "line": "l",
        "order": "o",
        "reference": "PO-1",
        "sku": "boot-42",
        "title": "",
        "retailer": party,
        "fulfiller": party,
        "former_fulfiller": None,
        "seq": 2,
        "units": 1,
        "state": {"ordered": 3, "open": 2, "asked": 1, "cancelled": 0, "shipped": 0},
        "cancellation": None,
        "answer": None,
        "tracking": "",
        "refund": None,
        "payment": None,
        "by": {"party": "r", "name": "Fine Shoes", "kind": "retailer", "rule": None},
        "door": "native",
        "recorded_at": "2026-11-02T09:00:00Z",
        "links": {},
    }
    return {
        "specversion": "1.0",
        "id": "evt_1",
        "source": "https://cancel.example.com",
        "type": f"countermand.{kind}.v1",
        "time": "2026-11-02T09:00:00Z",
        "subject": "l",
        "datacontenttype": "application/json",
        "data": {**facts, **data},
    }


CANCELLATION = {
    "id": "can_1",
    "units": 1,
    "state": "asked",
    "asker": "retailer",
    "reason": "ordered_twice",
    "note": "",
    "awaiting": "s",
    "due_at": "2026-11-04T09:00:00Z",
    "accepted_units": 0,
    "decline_reason": None,
    "answer_note": "",
    "unasked": False,
    "agreed": False,
    "step": 1,
    "waiting_units": 1,
}
REFUND = {
    "id": "rfd_1",
    "cancellation": "can_1",
    "payment": "card",
    "amount": "12.50",
    "currency": "EUR",
    "released": False,
    "refunded_elsewhere": "0.00",
    "step": 1,
    "note": "",
}


def signed(document: Any = None, secret: str = SECRET, now: float = NOW) -> tuple[bytes, dict[str, str]]:
    body = json.dumps(event(cancellation=CANCELLATION) if document is None else document).encode()
    return body, webhooks.sign(body, "evt_1", secret, now=lambda: now)


def verified(body: bytes | str, headers: Mapping[str, str], secrets: Any = SECRET, **more: Any) -> Any:
    return webhooks.verify(body, headers, secrets, now=lambda: NOW, **more)


def test_a_webhook_becomes_an_event_of_its_kind() -> None:
    found = verified(*signed())
    assert isinstance(found, models.CancellationEvent)
    assert (found.kind, found.data.cancellation.id, found.data.seq) == ("cancellation.asked", "can_1", 2)
    assert found.time == datetime(2026, 11, 2, 9, tzinfo=UTC)
    found = verified(*signed(event("refund.done", refund=REFUND)))
    assert isinstance(found, models.RefundEvent)
    assert found.data.refund.amount == Decimal("12.50")
    assert isinstance(verified(*signed(event("line.shipped"))), models.LineEvent)
    test = {**event("endpoint.test"), "data": {"endpoint": "ept_1", "message": "This is a test."}}
    found = verified(*signed(test))
    assert isinstance(found, models.TestEvent)
    assert found.data.endpoint == "ept_1"


def test_kinds_and_members_that_are_new_are_kept() -> None:
    found = verified(*signed(event("parcel.lost", insured=True)))
    assert type(found) is models.Event
    assert (found.kind, found.data.model_extra) == ("parcel.lost", {"insured": True})
    later = {**event("stock.counted"), "data": {"shelf": "A1"}}
    found = verified(*signed(later))
    assert type(found) is models.Envelope
    assert (found.kind, found.data) == ("stock.counted", {"shelf": "A1"})


def test_names_of_headers_have_any_case_and_a_secret_can_be_one_of_several() -> None:
    body, headers = signed(secret=OTHER)
    loud = {name.upper(): value for name, value in headers.items()}
    assert verified(body, loud, [SECRET, OTHER]).id == "evt_1"
    both = {**headers, "webhook-signature": f"v1,AAAA {headers['webhook-signature']} v2,x"}
    assert verified(body.decode(), both, OTHER).id == "evt_1"


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"webhook-signature": None}, "no header webhook-signature"),
        ({"webhook-id": None}, "no header webhook-id"),
        ({"webhook-timestamp": None}, "no header webhook-timestamp"),
        ({"webhook-timestamp": "soon"}, "no number"),
        ({"webhook-timestamp": "-1"}, "no number"),
        ({"webhook-timestamp": "٣"}, "no number"),
        ({"webhook-timestamp": "1" * 12}, "no number"),
        ({"webhook-timestamp": str(int(NOW) + 1)}, "No signature"),
        ({"webhook-timestamp": str(int(NOW) - 301)}, "more than 300 seconds"),
        ({"webhook-timestamp": str(int(NOW) + 301)}, "more than 300 seconds"),
        ({"webhook-id": "evt_2"}, "No signature"),
        ({"webhook-signature": "v1,AAAA"}, "No signature"),
        ({"webhook-signature": ""}, "No signature"),
        ({"webhook-signature": "\ud800"}, "No signature"),
        ({"webhook-signature": " ".join(["v1,AAAA"] * 20)}, "No signature"),
    ],
)
def test_headers_that_are_not_right_are_refused(change: dict[str, str | None], why: str) -> None:
    body, headers = signed()
    given = {name: value for name, value in {**headers, **change}.items() if value is not None}
    with pytest.raises(WebhookError, match=why):
        verified(body, given)


@pytest.mark.parametrize("secret", ["", "whsec_", "whsec_!", "not base64", [], [""], "whsec_\ud800"])
def test_secrets_that_are_none_are_refused(secret: Any) -> None:
    with pytest.raises(WebhookError):
        verified(*signed(), secret)


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"[]", b"null", b"\xff", b"{}", b"[" * 100_000, b'{"type": 1, "data": 2}', b'{"data": {"line": 1}}'],
)
def test_a_body_that_is_no_event_raises_nothing_else(body: bytes) -> None:
    headers = webhooks.sign(body, "evt_1", SECRET, now=lambda: NOW)
    with contextlib.suppress(WebhookError):
        verified(body, headers)


def test_a_changed_byte_or_an_old_webhook_is_refused() -> None:
    body, headers = signed()
    dice = random.Random(1)
    for _ in range(200):
        place = dice.randrange(len(body))
        changed = body[:place] + bytes([body[place] ^ (1 << dice.randrange(8))]) + body[place + 1 :]
        with pytest.raises(WebhookError):
            verified(changed, headers)
    late = webhooks.sign(body, "evt_1", SECRET, now=lambda: NOW - 600)
    with pytest.raises(WebhookError):
        verified(body, late)
    assert verified(body, late, tolerance=600).id == "evt_1"
