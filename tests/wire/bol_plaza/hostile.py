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
        Case(name=name, outcome=outcome, read=read_cancellation, body=make())
        for name, (outcome, make) in _MAKERS.items()
    ]


def _around(content: bytes, attributes: bytes = b"") -> bytes:
    return b"<Cancellation" + attributes + b">" + _DATE + _REASON + content + b"</Cancellation>"


def _filled(unit: bytes, limit: int = BODY_BYTES_MAX) -> bytes:
    """Repeat the unit inside a good cancellation up to the limit of bytes."""
    return _around(unit * ((limit - len(_around(b""))) // len(unit)))


def _nested(depth: int) -> bytes:
    return _around(b"<a>" * depth + b"</a>" * depth)


def _attributes(count: int) -> bytes:
    return _around(b"", b"".join(b' a%d="1"' % number for number in range(count)))


def _namespaces(count: int) -> bytes:
    return _around(b"", b"".join(b' xmlns:n%d="u:%d"' % (number, number) for number in range(count)))


def _quadratic_blowup() -> bytes:
    entity = b'<!DOCTYPE c [<!ENTITY a "' + b"a" * 100_000 + b'">]>'
    return entity + _around(b"<a>" + b"&a;" * 50_000 + b"</a>")


def _nested_namespaces(depth: int) -> bytes:
    opened = b"".join(b'<n%d:a xmlns:n%d="urn:x">' % (level, level) for level in range(depth))
    closed = b"".join(b"</n%d:a>" % level for level in reversed(range(depth)))
    return _around(opened + closed)


_MAKERS: dict[str, tuple[str, Callable[[], bytes]]] = {
    "body-of-4-megabytes": ("41100", lambda: _filled(b"<a/>", 4_000_000)),
    "body-one-byte-too-large": ("41100", lambda: _around(b"").ljust(BODY_BYTES_MAX + 1)),
    "body-as-large-as-allowed": ("accepted", lambda: _around(b"").ljust(BODY_BYTES_MAX)),
    "million-empty-elements": ("41100", lambda: _around(b"<a/>" * 1_000_000)),
    "empty-elements-up-to-the-limit-of-bytes": ("41100", lambda: _filled(b"<a/>")),
    "elements-as-many-as-allowed": ("accepted", lambda: _around(b"<a/>" * 9_997)),
    "elements-one-too-many": ("41100", lambda: _around(b"<a/>" * 9_998)),
    "elements-never-closed": ("41100", lambda: b"<Cancellation>" + b"<a>" * 80_000),
    "elements-with-names-of-their-own": (
        "41100",
        lambda: _around(b"".join(b"<n%x/>" % number for number in range(25_000))),
    ),
    "end-tags-only": ("41100", lambda: b"</a>" * 60_000),
    "depth-as-deep-as-allowed": ("accepted", lambda: _nested(63)),
    "depth-one-too-deep": ("41100", lambda: _nested(64)),
    "depth-30000": ("41100", lambda: _nested(30_000)),
    "depth-of-namespaces": ("41100", lambda: _nested_namespaces(6_000)),
    "attributes-as-many-as-allowed": ("accepted", lambda: _attributes(64)),
    "attributes-one-too-many": ("41100", lambda: _attributes(65)),
    "attributes-20000": ("41100", lambda: _attributes(20_000)),
    "attributes-200-on-each-of-1000-elements": (
        "41100",
        lambda: _filled(b"<a " + b" ".join(b'b%d=""' % number for number in range(200)) + b"/>"),
    ),
    "attribute-huge": ("41100", lambda: _around(b"", b' a="' + b"x" * 250_000 + b'"')),
    "attribute-of-references": ("41100", lambda: _around(b"", b' a="' + b"&#65;" * 50_000 + b'"')),
    "attribute-name-huge": ("41100", lambda: _around(b"", b" " + b"x" * 250_000 + b'="1"')),
    "namespaces-10000": ("41100", lambda: _namespaces(10_000)),
    "namespace-huge": ("41100", lambda: _around(b"", b' xmlns="' + b"x" * 250_000 + b'"')),
    "name-huge": ("41100", lambda: _around(b"<" + b"x" * 250_000 + b"/>")),
    "text-huge-in-reason": (
        "41202",
        lambda: b"<Cancellation>" + _DATE + b"<ReasonCode>" + b"x" * 250_000 + b"</ReasonCode></Cancellation>",
    ),
    "text-of-references-in-reason": (
        "41202",
        lambda: b"<Cancellation>" + _DATE + b"<ReasonCode>" + b"&#65;" * 50_000 + b"</ReasonCode></Cancellation>",
    ),
    "text-of-white-space-in-reason": (
        "41202",
        lambda: b"<Cancellation>" + _DATE + b"<ReasonCode>" + b" " * 250_000 + b"OTHER</ReasonCode></Cancellation>",
    ),
    "text-huge-passed-over": ("accepted", lambda: _around(b"<a>" + b"x" * 250_000 + b"</a>")),
    "text-of-references-passed-over": ("accepted", lambda: _around(b"<a>" + b"&#65;" * 50_000 + b"</a>")),
    "white-space-only-huge": ("41100", lambda: b" " * BODY_BYTES_MAX),
    "comment-huge": ("accepted", lambda: _around(b"<!--" + b"x" * 250_000 + b"-->")),
    "comments-30000": ("accepted", lambda: _filled(b"<!---->")),
    "comment-never-closed": ("41100", lambda: _around(b"<!--" + b"x" * 250_000)),
    "cdata-sections-20000": ("accepted", lambda: _around(b"<a>" + b"<![CDATA[x]]>" * 20_000 + b"</a>")),
    "cdata-never-closed": ("41100", lambda: _around(b"<![CDATA[" + b"x" * 250_000)),
    "tag-never-closed": ("41100", lambda: b"<Cancellation " + b"x" * 250_000),
    "instructions-40000": ("41100", lambda: _filled(b"<?a?>")),
    "quotes-only": ("41100", lambda: b'<Cancellation a="' + b"<" * 250_000),
    "ampersands-only": ("41100", lambda: b"<Cancellation>" + b"&" * 250_000),
    "less-thans-only": ("41100", lambda: b"<" * 250_000),
    "quadratic-blowup": ("41100", _quadratic_blowup),
    "utf-16-million-empty-elements": ("41100", lambda: _around(b"<a/>" * 25_000).decode().encode("utf-16")),
    "declaration-huge": ("41100", lambda: b'<?xml version="1.0"' + b" " * 250_000 + b"?>"),
    "nul-bytes": ("41100", lambda: bytes(BODY_BYTES_MAX)),
    "high-bytes": ("41100", lambda: b"\xff" * BODY_BYTES_MAX),
}
