import base64
import hashlib
import hmac
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from standardwebhooks import Webhook, WebhookVerificationError

from countermand.outlets.signature import SignatureError, new_secret, sign, verify

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
OTHER = "whsec_" + base64.b64encode(b"another secret of this endpoint").decode()
BODY = '{"test": "é"}'.encode()
NOW = datetime(2026, 11, 2, 9, 0, 0, 999_999, tzinfo=UTC)


def test_the_published_example() -> None:
    """The one that Standard Webhooks' own libraries are tested with."""
    headers = sign(
        [SECRET], "msg_p5jXN8AQM9LWM0D4loKWxJek", datetime.fromtimestamp(1614265330, UTC), b'{"test": 2432232314}'
    )
    assert headers == {
        "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
        "webhook-timestamp": "1614265330",
        "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
    }


def computed(secret: str, event: str, timestamp: int, body: bytes) -> str:
    """The convention, in four lines of the standard library."""
    key = base64.b64decode(secret.removeprefix("whsec_"))
    signed = f"{event}.{timestamp}.".encode() + body
    return "v1," + base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()


def test_there_is_a_signature_by_each_secret() -> None:
    headers = sign([SECRET, OTHER], "evt_1", NOW, BODY)
    timestamp = int(NOW.timestamp())
    assert headers["webhook-signature"].split(" ") == [
        computed(each, "evt_1", timestamp, BODY) for each in (SECRET, OTHER)
    ]
    for secrets in ([SECRET], [OTHER], [new_secret(), OTHER]):
        verify(secrets, headers, BODY, now=NOW)


def test_the_zone_of_the_clock_does_not_matter() -> None:
    there = NOW.astimezone(timezone(timedelta(hours=13)))
    assert sign([SECRET], "evt_1", there, BODY) == sign([SECRET], "evt_1", NOW, BODY)


def test_the_reference_verifier_believes_it() -> None:
    headers = sign([OTHER, SECRET], "evt_1", datetime.now(UTC), b'{"test": 1}')
    assert Webhook(SECRET).verify(b'{"test": 1}', headers) == {"test": 1}
    with pytest.raises(WebhookVerificationError):
        Webhook(SECRET).verify(b'{"test": 2}', headers)


def test_a_secret_is_256_random_bits() -> None:
    first, second = new_secret(), new_secret()
    assert first != second
    assert len(base64.b64decode(first.removeprefix("whsec_"), validate=True)) == 32


def test_nothing_is_signed_without_a_secret() -> None:
    with pytest.raises(ValueError, match="secret"):
        sign([], "evt_1", NOW, BODY)


HEADERS = sign([SECRET], "evt_1", NOW, BODY)


@pytest.mark.parametrize(
    ("change", "body", "later_s"),
    [
        ({"webhook-id": "evt_2"}, BODY, 0),
        ({"webhook-timestamp": str(int(NOW.timestamp()) - 1)}, BODY, 0),
        ({}, BODY + b" ", 0),
        ({}, BODY, 301),
        ({}, BODY, -302),
        ({"webhook-timestamp": ""}, BODY, 0),
        ({"webhook-timestamp": "nan"}, BODY, 0),
        ({"webhook-timestamp": "1e9"}, BODY, 0),
        ({"webhook-timestamp": "٣"}, BODY, 0),
        ({"webhook-timestamp": "9" * 400}, BODY, 0),
        ({"webhook-signature": ""}, BODY, 0),
        ({"webhook-signature": "v1"}, BODY, 0),
        ({"webhook-signature": "v1,"}, BODY, 0),
        ({"webhook-signature": "v1,ü"}, BODY, 0),
        ({"webhook-signature": "v1,\udcff"}, BODY, 0),
        ({"webhook-signature": HEADERS["webhook-signature"].replace("v1,", "v1a,")}, BODY, 0),
        ({"webhook-signature": f"v1,x {'v1,y ' * 30}{HEADERS['webhook-signature']}"}, BODY, 0),
        ({"webhook-id": "\udcff"}, BODY, 0),
        ({}, b"\xff", 0),
    ],
)
def test_what_is_not_as_it_was_signed(change: dict[str, str], body: bytes, later_s: int) -> None:
    with pytest.raises(SignatureError):
        verify([SECRET], HEADERS | change, body, now=NOW + timedelta(seconds=later_s))


@pytest.mark.parametrize("missing", ["webhook-id", "webhook-timestamp", "webhook-signature"])
def test_every_header_is_needed(missing: str) -> None:
    with pytest.raises(SignatureError, match=missing):
        verify([SECRET], {name: value for name, value in HEADERS.items() if name != missing}, BODY, now=NOW)


@pytest.mark.parametrize("secret", ["", "whsec_", "whsec_!", "whsec_A", "ü"])
def test_a_secret_that_is_none_verifies_nothing(secret: str) -> None:
    with pytest.raises(SignatureError):
        verify([secret], HEADERS, BODY, now=NOW)


def test_names_of_headers_may_be_in_any_case() -> None:
    named = {name.title(): value for name, value in HEADERS.items()}
    verify([SECRET], named, BODY, now=NOW)
    with pytest.raises(SignatureError):
        verify([SECRET], named, BODY + b" ", now=NOW)


ANY_TEXT: Any = st.text() | st.text("v1, =+/abAB09")


@given(ANY_TEXT, ANY_TEXT | st.integers().map(str), ANY_TEXT, st.binary())
def test_whatever_arrives_there_is_one_kind_of_error(event: str, timestamp: str, signature: str, body: bytes) -> None:
    headers = {"webhook-id": event, "webhook-timestamp": timestamp, "webhook-signature": signature}
    with pytest.raises(SignatureError):
        verify([SECRET], headers, body, now=NOW)
