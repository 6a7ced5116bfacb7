"""Webhooks: only what the provider signed is taken, and nothing of it is believed but that there is news."""

import hashlib
import hmac
import json
from collections.abc import Mapping
from datetime import timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from countermand.payments.mollie import webhooks as mollie_webhooks
from countermand.payments.provider import ForgedError, Movement, Notified, Provider
from countermand.payments.stripe import webhooks as stripe_webhooks
from tests.payments.conftest import PREFIX, Make, refund_request
from tests.support.payments.server import WEBHOOK_SECRET, Fake
from tests.support.world import START, Clock

pytestmark = pytest.mark.anyio

REFUND = {
    "id": "re_1",
    "object": "refund",
    "payment_intent": "pi_1",
    "charge": "ch_1",
    "status": "succeeded",
    "metadata": {"countermand_reference": "rfd_1"},
}
EVENT = json.dumps({"type": "refund.updated", "data": {"object": REFUND}}).encode()
AT = int(START.timestamp())


def stripe_header(body: bytes = EVENT, at: int = AT, secret: str = WEBHOOK_SECRET, scheme: str = "v1") -> str:
    signature = hmac.new(secret.encode(), b"%d.%s" % (at, body), hashlib.sha256).hexdigest()
    return f"t={at},{scheme}={signature}"


def read_stripe(header: str | None, body: bytes = EVENT, *, name: str = "Stripe-Signature") -> list[Notified]:
    headers = {} if header is None else {name: header}
    return list(stripe_webhooks.read_notice(headers, body, secret=WEBHOOK_SECRET, now=START))


# Stripe


def test_a_signed_event_says_where_to_look_and_nothing_else() -> None:
    assert read_stripe(stripe_header()) == [
        Notified(provider_id="re_1", reference="rfd_1", payment="pi_1"),
        Notified(provider_id="re_1", reference="rfd_1", payment="ch_1"),
    ]


@pytest.mark.parametrize("name", ["stripe-signature", "STRIPE-SIGNATURE"])
def test_the_name_of_the_header_is_in_any_case(name: str) -> None:
    assert read_stripe(stripe_header(), name=name)


def test_while_a_secret_is_replaced_one_good_signature_is_enough() -> None:
    good = stripe_header().partition(",")[2]
    assert read_stripe(f"t={AT},v1={'0' * 64},{good},v0=x")


@pytest.mark.parametrize("seconds", [-300, -1, 0, 299, 300])
def test_a_signature_holds_for_five_minutes(seconds: int) -> None:
    assert read_stripe(stripe_header(at=AT + seconds))


FORGED: Mapping[str, tuple[str | None, bytes]] = {
    "no header": (None, EVENT),
    "an empty one": ("", EVENT),
    "no time": (stripe_header().partition(",")[2], EVENT),
    "two times": (f"t={AT},{stripe_header()}", EVENT),
    "no signature": (f"t={AT}", EVENT),
    "an empty signature": (f"t={AT},v1=", EVENT),
    "another scheme": (stripe_header(scheme="v0"), EVENT),
    "another secret": (stripe_header(secret="whsec_other"), EVENT),
    "a blank secret": (stripe_header(secret=""), EVENT),
    "another body": (stripe_header(), EVENT + b" "),
    "no body": (stripe_header(), b""),
    "another time": (stripe_header().replace(f"t={AT}", f"t={AT + 1}"), EVENT),
    "too old": (stripe_header(at=AT - 301), EVENT),
    "too new": (stripe_header(at=AT + 301), EVENT),
    "a time in other digits": (stripe_header().replace(str(AT), "١٧٦٢٠٧٤٠٠٠"), EVENT),
    "a time with a sign": (stripe_header().replace(f"t={AT}", f"t=+{AT}"), EVENT),
    "a time with a zero": (stripe_header().replace(f"t={AT}", f"t=0{AT}"), EVENT),
    "capital letters": (f"t={AT},v1={stripe_header()[-64:].upper()}", EVENT),
    "letters beyond ASCII": (f"t={AT},v1={'é' * 64}", EVENT),
    "the good one behind twenty others": (f"t={AT}," + "v1=0," * 20 + stripe_header().partition(",")[2], EVENT),
    "a header without end": (stripe_header() + "," * 5000, EVENT),
    "signed, and no JSON": (stripe_header(b"{"), b"{"),
    "signed, and too deep": (stripe_header(b"[" * 100), b"[" * 100),
    "signed, and no object": (stripe_header(b"[]"), b"[]"),
}


@pytest.mark.parametrize(("header", "body"), FORGED.values(), ids=FORGED.keys())
def test_what_stripe_has_not_signed_is_refused(header: str | None, body: bytes) -> None:
    with pytest.raises(ForgedError):
        read_stripe(header, body)


@given(st.data())
def test_no_changed_header_or_body_is_accepted(data: st.DataObject) -> None:
    header, body = stripe_header().encode(), EVENT
    whole = header + b"\n" + body
    place = data.draw(st.integers(0, len(whole) - 1))
    changed = (
        whole[:place] + bytes([data.draw(st.integers(0, 255).filter(lambda b: b != whole[place]))]) + whole[place + 1 :]
    )
    altered, _, rest = changed.partition(b"\n")
    with pytest.raises(ForgedError):
        read_stripe(altered.decode("latin-1"), rest)


@given(st.dictionaries(st.sampled_from(["Stripe-Signature", "X-Mollie-Signature", "x"]), st.text()), st.binary())
def test_any_headers_and_any_body_raise_nothing_else(headers: dict[str, str], body: bytes) -> None:
    with pytest.raises(ForgedError):
        stripe_webhooks.read_notice(headers, body, secret=WEBHOOK_SECRET, now=START)
    for secret in ("", "s"):
        try:
            mollie_webhooks.read_notice(headers, body, secret=secret)
        except ForgedError:
            continue


@pytest.mark.parametrize(
    ("subject", "payments"),
    [
        ({"object": "charge", "id": "ch_1", "payment_intent": "pi_1"}, ["pi_1", "ch_1"]),
        ({"object": "charge", "id": "ch_1", "payment_intent": None}, ["ch_1"]),
        ({"object": "payment_intent", "id": "pi_1"}, ["pi_1"]),
        ({"object": "payment_intent", "id": "pi_1/../x"}, []),
        ({"object": "refund", "id": "re_1"}, [""]),
        ({"object": "refund", "id": "x"}, []),
        ({"object": "customer", "id": "cus_1"}, []),
        ({}, []),
        ([], []),
    ],
)
def test_an_event_about_something_else_leads_nowhere(subject: object, payments: list[str]) -> None:
    body = json.dumps({"data": {"object": subject}}).encode()
    assert [each.payment for each in read_stripe(stripe_header(body), body)] == payments


# Mollie


def signed(body: bytes, secret: str = "s") -> dict[str, str]:
    return {"X-Mollie-Signature": "sha256=" + hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()}


MOLLIE_EVENT = json.dumps(
    {
        "resource": "event",
        "type": "refund.refunded",
        "entityId": "re_1",
        "_embedded": {
            "entity": {
                "resource": "refund",
                "id": "re_1",
                "paymentId": "tr_1",
                "metadata": {"countermand_reference": "rfd_1"},
            }
        },
    }
).encode()


def test_an_unsigned_one_is_a_reason_to_look_at_its_payment() -> None:
    reported = mollie_webhooks.read_notice({}, b"id=tr_5B8cwPMGnU", secret="")
    assert reported == (Notified(provider_id="", reference="", payment="tr_5B8cwPMGnU"),)


@pytest.mark.parametrize(
    "body",
    [b"", b"id=", b"id=ord_1", b"id=tr_1&id=tr_2", b"id=tr_1%2F..", b"id=tr_" + b"x" * 600, b"\xff", b"{}", b"ID=tr_1"],
)
def test_an_unsigned_one_about_nothing_leads_nowhere(body: bytes) -> None:
    assert mollie_webhooks.read_notice({}, body, secret="") == ()


def test_a_signed_one_says_where_to_look() -> None:
    reported = mollie_webhooks.read_notice(signed(MOLLIE_EVENT), MOLLIE_EVENT, secret="s")
    assert reported == (Notified(provider_id="re_1", reference="rfd_1", payment="tr_1"),)


def test_a_signed_one_without_its_content_names_the_refund() -> None:
    body = b'{"resource": "event", "entityId": "re_1"}'
    assert mollie_webhooks.read_notice(signed(body), body, secret="s") == (
        Notified(provider_id="re_1", reference="", payment=""),
    )


def test_two_signatures_arrive_while_a_secret_is_replaced() -> None:
    both = {"x-mollie-signature": f"sha256={'0' * 64}, {signed(MOLLIE_EVENT)['X-Mollie-Signature']}"}
    assert mollie_webhooks.read_notice(both, MOLLIE_EVENT, secret="s")


@pytest.mark.parametrize(
    ("headers", "body", "secret"),
    [
        ({}, b"id=tr_1", "s"),
        ({}, MOLLIE_EVENT, "s"),
        ({"X-Mollie-Signature": ""}, MOLLIE_EVENT, "s"),
        (signed(MOLLIE_EVENT), MOLLIE_EVENT, ""),
        (signed(MOLLIE_EVENT, ""), MOLLIE_EVENT, "s"),
        (signed(MOLLIE_EVENT, "other"), MOLLIE_EVENT, "s"),
        (signed(MOLLIE_EVENT), MOLLIE_EVENT + b" ", "s"),
        ({"X-Mollie-Signature": signed(MOLLIE_EVENT)["X-Mollie-Signature"].removeprefix("sha256=")}, MOLLIE_EVENT, "s"),
        ({"X-Mollie-Signature": "sha256=" + "é" * 64}, MOLLIE_EVENT, "s"),
        ({"X-Mollie-Signature": signed(MOLLIE_EVENT)["X-Mollie-Signature"] + "," * 3000}, MOLLIE_EVENT, "s"),
        (signed(b"{"), b"{", "s"),
        (signed(b"id=tr_1"), b"id=tr_1", "s"),
    ],
)
def test_what_mollie_has_not_signed_is_refused_where_it_must_be(
    headers: dict[str, str], body: bytes, secret: str
) -> None:
    with pytest.raises(ForgedError):
        mollie_webhooks.read_notice(headers, body, secret=secret)


@given(st.data())
def test_no_changed_signature_or_event_of_mollie_s_is_accepted(data: st.DataObject) -> None:
    whole = signed(MOLLIE_EVENT)["X-Mollie-Signature"].encode() + b"\n" + MOLLIE_EVENT
    place = data.draw(st.integers(0, len(whole) - 1))
    changed = (
        whole[:place] + bytes([data.draw(st.integers(0, 255).filter(lambda b: b != whole[place]))]) + whole[place + 1 :]
    )
    altered, _, rest = changed.partition(b"\n")
    with pytest.raises(ForgedError):
        mollie_webhooks.read_notice({"X-Mollie-Signature": altered.decode("latin-1")}, rest, secret="s")


# With the fake


@pytest.fixture
def signing(make: Make, name: str, fake: Fake) -> Provider:
    return make(name, fake.url, webhook_secret=WEBHOOK_SECRET)


async def test_late_and_reordered_ones_lead_to_what_is_true_now(
    fake: Fake, signing: Provider, payment: str, clock: Clock
) -> None:
    await signing.refund(refund_request(payment))
    refund = fake.ledger.refunds["re_000001"]
    early = fake.webhook(refund, clock() + timedelta(minutes=4))
    fake.ledger.turn(refund.id, "failed")
    late = fake.webhook(refund, clock())
    for headers, body in (late, early, late):
        [reported] = signing.read_webhook(headers, body)
        assert (reported.provider_id, reported.reference, reported.payment) == (refund.id, "rfd_1", payment)
        assert (await signing.find(refund_request(reported.payment))).movement is Movement.REFUSED


async def test_one_about_somebody_else_s_refund_names_no_reference(
    fake: Fake, name: str, signing: Provider, clock: Clock
) -> None:
    payment = fake.ledger.pay(f"{PREFIX[name]}7", "5").id
    made = fake.ledger.refund(payment, Decimal(5), {})
    [reported] = signing.read_webhook(*fake.webhook(made, clock()))
    assert (reported.reference, reported.payment) == ("", payment)
