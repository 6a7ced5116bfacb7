"""The hostile documents: small ones in the folder of the same name, large ones made here by name.

A file is called `what-it-is.outcome.xml`; the outcome is an error code or `accepted`. Its first word may name another
reader than the one of cancellations.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from countermand.wire.bol_plaza.messages import read_cancellation, read_change_transport_request, read_shipment_request
from countermand.wire.bol_plaza.xml import BODY_BYTES_MAX, Unreadable

Reader = Callable[[bytes], object]

READERS: dict[str, Reader] = {
    "shipment": read_shipment_request,
    "transport": read_change_transport_request,
}

_DATE = b"<DateTime>2020-01-01T12:00:00Z</DateTime>"
_REASON = b"<ReasonCode>OTHER</ReasonCode>"


@dataclass(frozen=True, kw_only=True)
class Case:
    name: str
    outcome: str
    read: Reader
    body: bytes
    shorter: Callable[[int], bytes] | None = None
    """The same kind of document of a half of the size for 2, of a quarter for 4; None of a stored one."""


def outcome_of(document: object) -> str:
    return str(document.code.value) if isinstance(document, Unreadable) else "accepted"


def corpus() -> list[Case]:
    return [*_stored(), *_made()]


def _stored() -> list[Case]:
    cases = []
    for path in sorted(Path(__file__).with_suffix("").glob("*.xml")):
        name, outcome, _ = path.name.rsplit(".", 2)
        read = READERS.get(name.partition("-")[0], read_cancellation)
        cases.append(Case(name=name, outcome=outcome, read=read, body=path.read_bytes()))
    return cases


def _made() -> list[Case]:
    return [
        Case(name=name, outcome=outcome, read=read_cancellation, body=make(1), shorter=make)
        for name, (outcome, make) in _MAKERS.items()
    ]


def _around(content: bytes, attributes: bytes = b"") -> bytes:
    return b"<Cancellation" + attributes + b">" + _DATE + _REASON + content + b"</Cancellation>"


def _filled(unit: bytes, limit: int) -> bytes:
    """Repeat the unit inside a good cancellation up to the limit of bytes."""
    return _around(unit * ((limit - len(_around(b""))) // len(unit)))


def _nested(depth: int) -> bytes:
    return _around(b"<a>" * depth + b"</a>" * depth)


def _attributes(count: int) -> bytes:
    return _around(b"", b"".join(b' a%d="1"' % number for number in range(count)))


def _namespaces(count: int) -> bytes:
    return _around(b"", b"".join(b' xmlns:n%d="u:%d"' % (number, number) for number in range(count)))


def _quadratic_blowup(part: int) -> bytes:
    entity = b'<!DOCTYPE c [<!ENTITY a "' + b"a" * (100_000 // part) + b'">]>'
    return entity + _around(b"<a>" + b"&a;" * (50_000 // part) + b"</a>")


def _nested_namespaces(depth: int) -> bytes:
    opened = b"".join(b'<n%d:a xmlns:n%d="urn:x">' % (level, level) for level in range(depth))
    closed = b"".join(b"</n%d:a>" % level for level in reversed(range(depth)))
    return _around(opened + closed)


_MAKERS: dict[str, tuple[str, Callable[[int], bytes]]] = {
    "body-of-4-megabytes": ("41100", lambda part: _filled(b"<a/>", 4_000_000 // part)),
    "body-one-byte-too-large": ("41100", lambda part: _around(b"").ljust(BODY_BYTES_MAX // part + 1)),
    "body-as-large-as-allowed": ("accepted", lambda part: _around(b"").ljust(BODY_BYTES_MAX // part)),
    "million-empty-elements": ("41100", lambda part: _around(b"<a/>" * (1_000_000 // part))),
    "empty-elements-up-to-the-limit-of-bytes": ("41100", lambda part: _filled(b"<a/>", BODY_BYTES_MAX // part)),
    "elements-as-many-as-allowed": ("accepted", lambda part: _around(b"<a/>" * (9_997 // part))),
    "elements-one-too-many": ("41100", lambda part: _around(b"<a/>" * (9_998 // part))),
    "elements-never-closed": ("41100", lambda part: b"<Cancellation>" + b"<a>" * (80_000 // part)),
    "elements-with-names-of-their-own": (
        "41100",
        lambda part: _around(b"".join(b"<n%x/>" % number for number in range(25_000 // part))),
    ),
    "end-tags-only": ("41100", lambda part: b"</a>" * (60_000 // part)),
    "depth-as-deep-as-allowed": ("accepted", lambda part: _nested(63 // part)),
    "depth-one-too-deep": ("41100", lambda part: _nested(64 // part)),
    "depth-30000": ("41100", lambda part: _nested(30_000 // part)),
    "depth-of-namespaces": ("41100", lambda part: _nested_namespaces(6_000 // part)),
    "attributes-as-many-as-allowed": ("accepted", lambda part: _attributes(64 // part)),
    "attributes-one-too-many": ("41100", lambda part: _attributes(65 // part)),
    "attributes-20000": ("41100", lambda part: _attributes(20_000 // part)),
    "attributes-200-on-each-of-1000-elements": (
        "41100",
        lambda part: _filled(
            b"<a " + b" ".join(b'b%d=""' % number for number in range(200)) + b"/>", BODY_BYTES_MAX // part
        ),
    ),
    "attribute-huge": ("41100", lambda part: _around(b"", b' a="' + b"x" * (250_000 // part) + b'"')),
    "attribute-of-references": ("41100", lambda part: _around(b"", b' a="' + b"&#65;" * (50_000 // part) + b'"')),
    "attribute-name-huge": ("41100", lambda part: _around(b"", b" " + b"x" * (250_000 // part) + b'="1"')),
    "namespaces-10000": ("41100", lambda part: _namespaces(10_000 // part)),
    "namespace-huge": ("41100", lambda part: _around(b"", b' xmlns="' + b"x" * (250_000 // part) + b'"')),
    "name-huge": ("41100", lambda part: _around(b"<" + b"x" * (250_000 // part) + b"/>")),
    "text-huge-in-reason": (
        "41202",
        lambda part: (
            b"<Cancellation>" + _DATE + b"<ReasonCode>" + b"x" * (250_000 // part) + b"</ReasonCode></Cancellation>"
        ),
    ),
    "text-of-references-in-reason": (
        "41202",
        lambda part: (
            b"<Cancellation>" + _DATE + b"<ReasonCode>" + b"&#65;" * (50_000 // part) + b"</ReasonCode></Cancellation>"
        ),
    ),
    "text-of-white-space-in-reason": (
        "41202",
        lambda part: (
            b"<Cancellation>"
            + _DATE
            + b"<ReasonCode>"
            + b" " * (250_000 // part)
            + b"OTHER</ReasonCode></Cancellation>"
        ),
    ),
    "text-huge-passed-over": ("accepted", lambda part: _around(b"<a>" + b"x" * (250_000 // part) + b"</a>")),
    "text-of-references-passed-over": (
        "accepted",
        lambda part: _around(b"<a>" + b"&#65;" * (50_000 // part) + b"</a>"),
    ),
    "white-space-only-huge": ("41100", lambda part: b" " * (BODY_BYTES_MAX // part)),
    "comment-huge": ("accepted", lambda part: _around(b"<!--" + b"x" * (250_000 // part) + b"-->")),
    "comments-30000": ("accepted", lambda part: _filled(b"<!---->", BODY_BYTES_MAX // part)),
    "comment-never-closed": ("41100", lambda part: _around(b"<!--" + b"x" * (250_000 // part))),
    "cdata-sections-20000": ("accepted", lambda part: _around(b"<a>" + b"<![CDATA[x]]>" * (20_000 // part) + b"</a>")),
    "cdata-never-closed": ("41100", lambda part: _around(b"<![CDATA[" + b"x" * (250_000 // part))),
    "tag-never-closed": ("41100", lambda part: b"<Cancellation " + b"x" * (250_000 // part)),
    "instructions-40000": ("41100", lambda part: _filled(b"<?a?>", BODY_BYTES_MAX // part)),
    "quotes-only": ("41100", lambda part: b'<Cancellation a="' + b"<" * (250_000 // part)),
    "ampersands-only": ("41100", lambda part: b"<Cancellation>" + b"&" * (250_000 // part)),
    "less-thans-only": ("41100", lambda part: b"<" * (250_000 // part)),
    "quadratic-blowup": ("41100", _quadratic_blowup),
    "utf-16-million-empty-elements": (
        "41100",
        lambda part: _around(b"<a/>" * (25_000 // part)).decode().encode("utf-16"),
    ),
    "declaration-huge": ("41100", lambda part: b'<?xml version="1.0"' + b" " * (250_000 // part) + b"?>"),
    "nul-bytes": ("41100", lambda part: bytes(BODY_BYTES_MAX // part)),
    "high-bytes": ("41100", lambda part: b"\xff" * (BODY_BYTES_MAX // part)),
}
