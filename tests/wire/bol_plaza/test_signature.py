import base64
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from countermand.wire.bol_plaza import signature
from countermand.wire.bol_plaza.signature import Denial, SignedHeaders

# bol's own example pair, published for its documentation and never a live key.
PUBLIC_KEY = "oRNWbHFXtAECmhnZmEndcjLIaSKbRMVE"
PRIVATE_KEY = (
    b"MaQHPOnmYkPZNgeRziPnQyyOJYytUbcFBVJBvbMKoDdpPqaZbaOiLUTWzPAkpPsZFZbJHrcoltdgpZolyNcgvvBaKcmkqFjucFzXhDONTsPAtHHy"
    b"ccQlLUZpkOuywMiOycDWcCySFsgpDiyGnCWCZJkNTtVdPxbSUTWVIFQiUxaPDYDXRQAVVTbSVZArAZkaLDLOoOvPzxSdhnkkJWzlQDkqsXNKfAIg"
    b"AldrmyfROSyCGMCfvzdQdUQEaYZTPEoA"
)
DATE = "Wed, 17 Feb 2016 00:00:00 GMT"
NOW = datetime(2016, 2, 17, tzinfo=UTC)

PLAIN = "application/xml"
WITH_CHARSET = "application/xml; charset=UTF-8"
ORDERS = "/services/rest/orders/v2"
CANCELLATION = "/services/rest/order-items/v2/206605326/cancellation"

PUBLISHED = "nqzLWvXI1eBhBXrRx5NF23V5hS8Q1xWCloJzPi/RAts="

VECTORS = [
    ("GET", PLAIN, ORDERS, PUBLISHED),
    ("GET", WITH_CHARSET, ORDERS, "eHiB+H6R1istUPGSiPc4pjxBp0WtIjGnCJUXtq9B0zw="),
    ("PUT", PLAIN, CANCELLATION, "kZp1BSXhBVIjg++kSAWPRCBlR09+e3qGr4e2bsvluLA="),
    ("PUT", WITH_CHARSET, CANCELLATION, "nxqANiuIM08jPO+TsrL9qQXSFi4tbFs2s+ad6eKZKHA="),
]


def headers(
    *,
    content_type: str | None = PLAIN,
    date: str | None = DATE,
    authorization: str | None = f"{PUBLIC_KEY}:{PUBLISHED}",
    now: datetime = NOW,
) -> SignedHeaders | Denial:
    return signature.read_headers(
        content_type=content_type, date=date, authorization=authorization, now=now, window=timedelta(minutes=5)
    )


def judge(
    read: SignedHeaders | Denial,
    *,
    secret: bytes | None = PRIVATE_KEY,
    seller_active: bool = True,
    method: str = "GET",
    path: str = ORDERS,
) -> Denial | None:
    if isinstance(read, Denial):
        return read
    return signature.check_key(read, secret=secret, seller_active=seller_active, method=method, path=path)


@pytest.mark.parametrize(("method", "content_type", "path", "mac"), VECTORS)
def test_the_vectors_are_signed_and_let_in(method: str, content_type: str, path: str, mac: str) -> None:
    signed = signature.sign(PRIVATE_KEY, method=method, content_type=content_type, date=DATE, path=path)
    assert signed == mac
    read = headers(content_type=content_type, authorization=f"{PUBLIC_KEY}:{mac}")
    assert judge(read, method=method, path=path) is None


def test_six_lines_are_signed_and_no_newline_at_the_end() -> None:
    text = signature.string_to_sign(method="put", content_type=PLAIN, date=DATE, path=CANCELLATION)
    assert text == f"PUT\n\n{PLAIN}\n{DATE}\nx-bol-date:{DATE}\n{CANCELLATION}".encode()


def test_headers_are_taken_apart() -> None:
    read = headers()
    assert isinstance(read, SignedHeaders)
    assert (read.public_key, read.mac, read.signed_at) == (PUBLIC_KEY, PUBLISHED, NOW)


@pytest.mark.parametrize("path", [ORDERS, f"/shop{ORDERS}", f"/a/b{ORDERS}"])
def test_behind_a_prefix_the_services_part_alone_may_be_signed(path: str) -> None:
    assert judge(headers(), path=path) is None


def test_behind_a_prefix_the_whole_path_may_be_signed() -> None:
    path = f"/shop{ORDERS}"
    mac = signature.sign(PRIVATE_KEY, method="GET", content_type=PLAIN, date=DATE, path=path)
    assert judge(headers(authorization=f"{PUBLIC_KEY}:{mac}"), path=path) is None


def test_a_part_of_a_path_without_prefix_may_not_be_signed() -> None:
    assert judge(headers(), path=f"/services/x{ORDERS}") is Denial.WRONG_SIGNATURE


@pytest.mark.parametrize(
    "changed",
    [
        {"method": "PUT"},
        {"path": ORDERS + "/1"},
        {"path": ORDERS.upper()},
        {"path": ""},
        {"secret": PRIVATE_KEY[:-1]},
        {"secret": b""},
    ],
)
def test_what_is_signed_may_not_change(changed: dict[str, str]) -> None:
    assert judge(headers(), **changed) is Denial.WRONG_SIGNATURE  # type: ignore[arg-type]


@pytest.mark.parametrize("content_type", [WITH_CHARSET, "application/XML", "", "application/xml ", "é", "\u2028"])
def test_the_content_type_is_signed_exactly_as_sent(content_type: str) -> None:
    assert judge(headers(content_type=content_type)) is Denial.WRONG_SIGNATURE


def test_a_content_type_outside_ascii_is_signed_as_its_bytes() -> None:
    sent = "application/xml; x=é".encode()
    as_asgi_reads_it = sent.decode("latin-1")
    text = signature.string_to_sign(method="GET", content_type=as_asgi_reads_it, date=DATE, path=ORDERS)
    assert sent in text


@pytest.mark.parametrize("name", ["content_type", "date", "authorization"])
def test_a_missing_header_is_denied(name: str) -> None:
    assert headers(**{name: None}) is Denial.INVALID_HEADERS  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "authorization",
    ["", ":", PUBLIC_KEY, f":{PUBLISHED}", f"{PUBLIC_KEY} {PUBLISHED}", f"a b:{PUBLISHED}", f"é:{PUBLISHED}",
     f"a\x00:{PUBLISHED}", f"{'a' * 201}:{PUBLISHED}", f"a:{'A' * 501}", "a:\x00", "\ud800:x"],
)  # fmt: skip
def test_an_authorization_of_another_form_is_denied(authorization: str) -> None:
    assert headers(authorization=authorization) is Denial.INVALID_HEADERS


@pytest.mark.parametrize(
    "mac",
    ["", "=", "====", "not base64!", PUBLISHED[:-1], PUBLISHED + "=", PUBLISHED + "\n", " " + PUBLISHED,
     PUBLISHED.lower(), PUBLISHED.replace("/", "_"), PUBLISHED[:-2] + "t=", "ééé", "\ud800", "\U0001f600",
     base64.b64decode(PUBLISHED).hex(), base64.b64decode(PUBLISHED).decode("latin-1").replace("\x00", "")],
)  # fmt: skip
def test_a_signature_in_any_other_writing_is_wrong(mac: str) -> None:
    assert judge(headers(authorization=f"{PUBLIC_KEY}:{mac}")) is Denial.WRONG_SIGNATURE


@pytest.mark.parametrize("seconds", [0, 299, 300, -299, -300])
def test_the_window_is_open_either_way(seconds: int) -> None:
    assert judge(headers(now=NOW + timedelta(seconds=seconds))) is None


@pytest.mark.parametrize("seconds", [301, -301, 86_400, -86_400])
def test_beyond_the_window_a_date_is_not(seconds: int) -> None:
    assert headers(now=NOW + timedelta(seconds=seconds)) is Denial.INVALID_HEADERS


@pytest.mark.parametrize(
    "date",
    ["Wed, 17 Feb 2016 00:00:00 GMT", "Wed, 17 Feb 2016 01:00:00 +0100", "Tue, 16 Feb 2016 19:00:00 -0500",
     "17 Feb 2016 00:00:00 GMT", "Wed, 17 Feb 2016 00:00:00 +0000", "Wed, 17 Feb 2016 05:45:00 +0545",
     "Wed, 17 Feb 2016 00:00:00 UTC", "Wed, 17 Feb 2016 00:00:00 UT"],
)  # fmt: skip
def test_dates_of_both_kinds_are_read(date: str) -> None:
    assert signature.read_date(date) == NOW


def test_a_day_of_one_digit_is_read() -> None:
    assert signature.read_date("Mon, 1 Feb 2016 00:00:00 GMT") == datetime(2016, 2, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    "date",
    ["", "now", "0", "2016-02-17T00:00:00Z", "Wednesday, 17-Feb-16 00:00:00 GMT", "Wed Feb 17 00:00:00 2016",
     "Wed, 17 Feb 16 00:00:00 GMT", "Wed, 17 Feb 2016 00:00:00", "Wed, 17 Feb 2016 00:00:00 CET",
     "Wed, 17 Feb 2016 00:00:00 +01:00", "Wed, 17 Feb 2016 00:00:00 +9999", "Wed, 17 Feb 2016 00:00:00 +2400",
     "Wed, 17 Feb 2016 00:00:00 +0160", "Wed, 30 Feb 2016 00:00:00 GMT", "Wed, 17 Feb 2016 24:00:00 GMT",
     "Wed, 17 Feb 2016 00:00:60 GMT", "Wed, 17 Feb 0000 00:00:00 GMT", "Mon, 01 Jan 0001 00:00:00 +0100",
     "Fri, 31 Dec 9999 23:59:59 -0100", "woe, 17 feb 2016 00:00:00 GMT", "Wed, 17 Feb 2016 00:00:00 GMT\n",
     "Wed, 17 Feb 2016  00:00:00 GMT", "Wed, ١٧ Feb 2016 00:00:00 GMT", "Wed, 17 Feb 2016 00:00:00 GMT" * 99],
)  # fmt: skip
def test_other_dates_are_denied(date: str) -> None:
    assert signature.read_date(date) is None
    assert headers(date=date) is Denial.INVALID_HEADERS


def test_the_checks_come_in_the_order_of_the_sheet() -> None:
    wrong = headers(authorization=f"{PUBLIC_KEY}:wrong")
    late = headers(authorization=f"{PUBLIC_KEY}:wrong", now=NOW + timedelta(hours=1))
    assert judge(late, secret=None, seller_active=False) is Denial.INVALID_HEADERS
    assert judge(wrong, secret=None, seller_active=False) is Denial.UNKNOWN_KEY
    assert judge(wrong, seller_active=False) is Denial.INACTIVE_SELLER
    assert judge(wrong) is Denial.WRONG_SIGNATURE


def test_nobodys_secret_opens_nothing() -> None:
    mac = signature.sign(
        signature._NOBODYS_SECRET, method="GET", content_type=PLAIN, date=DATE, path=ORDERS
    )  # fmt: skip
    assert judge(headers(authorization=f"{PUBLIC_KEY}:{mac}"), secret=None) is Denial.UNKNOWN_KEY


@pytest.mark.parametrize(
    "denied", [{"secret": None}, {"seller_active": False}, {"secret": b"another"}, {"secret": PRIVATE_KEY}]
)
def test_every_key_costs_the_same_signatures(denied: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    signed_paths: list[str] = []
    sign = signature.sign

    def counting(secret: bytes, *, method: str, content_type: str, date: str, path: str) -> str:
        signed_paths.append(path)
        return sign(secret, method=method, content_type=content_type, date=date, path=path)

    monkeypatch.setattr(signature, "sign", counting)
    judge(headers(), path=f"/shop{ORDERS}", **denied)  # type: ignore[arg-type]
    assert signed_paths == [f"/shop{ORDERS}", ORDERS]


def test_the_denials_are_the_published_ones() -> None:
    assert [(denial.code, denial.text) for denial in Denial] == [
        (41101, "No matching access key found"),
        (41102, "Request contains invalid authentication headers"),
        (41103, "Client and server signature do not match"),
        (41104, "Not an active seller"),
    ]


anything = st.text(st.characters(), max_size=60)
odd_macs = st.one_of(anything, st.binary(max_size=48).map(lambda raw: base64.b64encode(raw).decode()))


@given(content_type=st.none() | anything, date=st.none() | anything, authorization=st.none() | anything)
@example(content_type="\ud800", date=DATE, authorization=f"{PUBLIC_KEY}:\ud800")
def test_malformed_headers_never_raise_and_never_pass(
    content_type: str | None, date: str | None, authorization: str | None
) -> None:
    assert isinstance(headers(content_type=content_type, date=date, authorization=authorization), Denial) or (
        judge(headers(content_type=content_type, date=date, authorization=authorization)) is not None
    )


@given(mac=odd_macs, content_type=anything, method=anything, path=anything)
def test_a_guessed_signature_never_raises_and_never_passes(mac: str, content_type: str, method: str, path: str) -> None:
    read = headers(content_type=content_type, authorization=f"{PUBLIC_KEY}:{mac}")
    assert judge(read, method=method, path=path) is not None


@given(date=st.from_regex(signature._DATE, fullmatch=True))
def test_a_well_formed_date_never_raises(date: str) -> None:
    read = signature.read_date(date)
    assert read is None or read.tzinfo is UTC


@given(position=st.integers(0, len(PUBLISHED) - 1), character=st.characters())
def test_one_changed_character_is_a_wrong_signature(position: int, character: str) -> None:
    mac = PUBLISHED[:position] + character + PUBLISHED[position + 1 :]
    read = headers(authorization=f"{PUBLIC_KEY}:{mac}")
    assert (judge(read) is None) == (mac == PUBLISHED)
