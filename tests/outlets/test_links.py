from base64 import urlsafe_b64decode, urlsafe_b64encode
from datetime import timedelta
from pathlib import Path
from uuid import UUID, uuid4

import pytest
from cryptography.fernet import Fernet
from hypothesis import given
from hypothesis import strategies as st

from countermand.keyring import Keyring
from countermand.outlets.links import ExpiredLinkError, Links, StatusTicket, Ticket, UnknownLinkError
from tests.support.world import START

RETAILER, LINE, CANCELLATION, PARTY = (uuid4() for _ in range(4))
BASE = "https://shop.example"


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("keys") / "test.keys"


@pytest.fixture(scope="module")
def links(keys: Path) -> Links:
    return Links(Keyring(keys), BASE, days=30)


def made(links: Links, party: UUID = PARTY) -> str:
    url = links.page(retailer=RETAILER, line=LINE, cancellation=CANCELLATION, party=party, at=START)
    return url.removeprefix(f"{BASE}/answer/")


def test_a_link_opens_what_it_was_made_for(links: Links) -> None:
    token = made(links)
    assert len(token) == 112
    expires_at = START + timedelta(days=30)
    assert links.read(token, expires_at - timedelta(seconds=1)) == Ticket(
        retailer=RETAILER, line=LINE, cancellation=CANCELLATION, party=PARTY, expires_at=expires_at
    )


def test_the_same_event_has_the_same_link(links: Links) -> None:
    assert made(links) == made(links) != made(links, party=uuid4())


def test_a_link_expires(links: Links) -> None:
    for later in (0, 1, 1e9):
        with pytest.raises(ExpiredLinkError):
            links.read(made(links), START + timedelta(days=30, seconds=later))


def test_every_bit_counts(links: Links) -> None:
    data = urlsafe_b64decode(made(links))
    for place in range(len(data) * 8):
        forged = bytearray(data)
        forged[place // 8] ^= 1 << place % 8
        with pytest.raises(UnknownLinkError):
            links.read(urlsafe_b64encode(forged).decode(), START)


@given(st.text() | st.text("abAB09_-", min_size=112, max_size=112))
def test_whatever_is_asked_for_there_are_two_errors(links: Links, token: str) -> None:
    with pytest.raises(UnknownLinkError):
        links.read(token, START)


@pytest.mark.parametrize("change", ["{}=", "{}\n", " {}", "{}A", "{}%00", "/{}"])
def test_a_token_has_one_spelling(links: Links, change: str) -> None:
    with pytest.raises(UnknownLinkError):
        links.read(change.format(made(links)), START)


def test_a_new_key_keeps_older_links_valid(keys: Path, links: Links) -> None:
    token = made(links)
    keys.write_bytes(Fernet.generate_key() + b"\n" + keys.read_bytes())
    renewed = Links(Keyring(keys), BASE, days=30)
    assert renewed.read(token, START).party == PARTY
    assert made(renewed) != token
    with pytest.raises(UnknownLinkError):
        links.read(made(renewed), START)


def test_another_key_file_makes_other_links(tmp_path: Path, links: Links) -> None:
    other = Links(Keyring(tmp_path / "other.keys"), BASE, days=30)
    with pytest.raises(UnknownLinkError):
        other.read(made(links), START)


def test_a_customers_link_shows_its_cancellation_and_answers_nothing(links: Links) -> None:
    url = links.status(retailer=RETAILER, cancellation=CANCELLATION, at=START)
    token = url.removeprefix(f"{BASE}/status/")
    expires_at = START + timedelta(days=30)
    assert links.read_status(token, START) == StatusTicket(
        retailer=RETAILER, cancellation=CANCELLATION, expires_at=expires_at
    )
    with pytest.raises(ExpiredLinkError):
        links.read_status(token, expires_at)
    data = urlsafe_b64decode(token + "==")
    for place in range(len(data) * 8):
        forged = bytearray(data)
        forged[place // 8] ^= 1 << place % 8
        with pytest.raises(UnknownLinkError):
            links.read_status(urlsafe_b64encode(forged).decode().rstrip("="), START)
    for other in (token, made(links)):
        with pytest.raises(UnknownLinkError):
            links.read_confirmation(other, START)
    with pytest.raises(UnknownLinkError):
        links.read(token, START)
    with pytest.raises(UnknownLinkError):
        links.read_status(made(links), START)
