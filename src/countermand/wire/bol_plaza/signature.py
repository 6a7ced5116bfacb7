"""Plaza's authentication: an HMAC-SHA256 over verb, content type, date and path.

A call is judged in two steps, so that the routes can look the key up in between:

    headers = read_headers(content_type=..., date=..., authorization=..., now=now, window=window)
    if isinstance(headers, Denial): ...
    key = find_key(headers.public_key)                      # the routes' part
    denial = check_key(headers, secret=key and key.secret, seller_active=..., method=..., path=...)

Nothing here raises for what a caller sent, and nothing reads a clock.
"""

import base64
import hmac
import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from enum import Enum
from functools import lru_cache
from typing import Final

SIGNED_ROOT: Final = "/services/"

# Signed with when a key is unknown, so that the answer takes the same work. As long as a published private key,
# because HMAC first hashes a long key.
_NOBODYS_SECRET: Final = b"~" * 256


class Denial(Enum):
    """Why a call is not let in, in the words of bol's list of error codes."""

    UNKNOWN_KEY = (41101, "No matching access key found")
    INVALID_HEADERS = (41102, "Request contains invalid authentication headers")
    WRONG_SIGNATURE = (41103, "Client and server signature do not match")
    INACTIVE_SELLER = (41104, "Not an active seller")

    @property
    def code(self) -> int:
        """The number after `PAI-`."""
        return self.value[0]

    @property
    def text(self) -> str:
        """The sentence after the code."""
        return self.value[1]


@dataclass(frozen=True, kw_only=True)
class SignedHeaders:
    """The authentication headers of one call: well formed and recent, but not yet believed."""

    public_key: str
    mac: str
    content_type: str
    date: str
    """The date as it was sent, because its text is what was signed."""
    signed_at: datetime


def read_headers(
    *, content_type: str | None, date: str | None, authorization: str | None, now: datetime, window: timedelta
) -> SignedHeaders | Denial:
    """Take the three headers apart and hold the date against `now`, from which it is no further than `window`."""
    if content_type is None or date is None or authorization is None:
        return Denial.INVALID_HEADERS
    credential = _CREDENTIAL.fullmatch(authorization)
    signed_at = read_date(date)
    if credential is None or signed_at is None or abs(now - signed_at) > window:
        return Denial.INVALID_HEADERS
    return SignedHeaders(
        public_key=credential["public_key"],
        mac=credential["mac"],
        content_type=content_type,
        date=date,
        signed_at=signed_at,
    )


# A wrong signature may be any text and is found by comparing; a public key is looked up, so it is held to
# characters that every database takes.
_CREDENTIAL: Final = re.compile(r"(?P<public_key>[!-9;-~]{1,200}):(?P<mac>[^\x00]{0,500})", re.DOTALL)


def check_key(
    headers: SignedHeaders, *, secret: bytes | None, seller_active: bool, method: str, path: str
) -> Denial | None:
    """Say why the call is denied, or nothing when it may pass.

    The secret is the private key's text in UTF-8, and `None` for a key that is not known. The signature is computed in
    every case, so that an unknown key, an inactive seller and a wrong signature take the same time.
    """
    genuine = _is_genuine(headers, _NOBODYS_SECRET if secret is None else secret, method, path)
    if secret is None:
        return Denial.UNKNOWN_KEY
    if not seller_active:
        return Denial.INACTIVE_SELLER
    return None if genuine else Denial.WRONG_SIGNATURE


def _is_genuine(headers: SignedHeaders, secret: bytes, method: str, path: str) -> bool:
    given = headers.mac.encode("utf-8", "surrogatepass")
    genuine = False
    for signable in signable_paths(path):
        mac = sign(secret, method=method, content_type=headers.content_type, date=headers.date, path=signable)
        genuine |= hmac.compare_digest(mac.encode("ascii"), given)
    return genuine


def signable_paths(path: str) -> tuple[str, ...]:
    """Return the paths a client may have signed: after a prefix, some sign all of it and some leave the prefix out."""
    start = path.find(SIGNED_ROOT)
    return (path, path[start:]) if start > 0 else (path,)


def sign(secret: bytes, *, method: str, content_type: str, date: str, path: str) -> str:
    """Return the Base64 text that belongs after the colon of `X-BOL-Authorization`."""
    message = string_to_sign(method=method, content_type=content_type, date=date, path=path)
    return base64.b64encode(hmac.digest(secret, message, "sha256")).decode("ascii")


def string_to_sign(*, method: str, content_type: str, date: str, path: str) -> bytes:
    """Return the six lines that both sides sign; `path` is without its query string."""
    lines = (method.upper(), "", content_type, date, f"x-bol-date:{date}", path)
    return _as_sent("\n".join(lines))


def _as_sent(text: str) -> bytes:
    """Undo the Latin-1 reading that ASGI servers give to header bytes; other text was never a header."""
    try:
        return text.encode("latin-1")
    except UnicodeEncodeError:
        return text.encode("utf-8", "surrogatepass")


@lru_cache(maxsize=256)
def read_date(text: str) -> datetime | None:
    """Read an RFC 1123 date, or an RFC 2822 one with a numeric zone; `None` if it is neither.

    A busy client sends the same text for a second. The day's name must be one but need not be the right one: it says
    nothing that the date does not say.
    """
    match = _DATE.fullmatch(text)
    if match is None:
        return None
    day, month, year, hour, minute, second, zone = match.groups()
    try:
        local = datetime(int(year), _MONTHS[month], int(day), int(hour), int(minute), int(second), tzinfo=_zone(zone))
        return local.astimezone(UTC)
    except (ValueError, OverflowError):
        return None


_MONTH_NAMES: Final = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_MONTHS: Final = {name: number for number, name in enumerate(_MONTH_NAMES, start=1)}
_DATE: Final = re.compile(
    r"(?:(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun), )?([0-9]{1,2}) (" + "|".join(_MONTHS) + r") ([0-9]{4})"
    r" ([0-9]{2}):([0-9]{2}):([0-9]{2}) (GMT|UTC|UT|[+-][0-9]{4})"
)


def _zone(text: str) -> timezone:
    """Read `GMT` or `+0100`; raise ValueError for more than a day or an hour's worth of minutes."""
    if text[0] not in "+-":
        return UTC
    hours, minutes = int(text[1:3]), int(text[3:5])
    if minutes > 59:
        raise ValueError(text)
    offset = timedelta(hours=hours, minutes=minutes)
    return timezone(-offset if text[0] == "-" else offset)
