"""Whether a body is understood: its media type, its coding, and the encoding of its texts."""

import re
from collections.abc import Collection
from dataclasses import dataclass
from typing import Final

from countermand.wire.response import Scope, header_values

UTF_8: Final = frozenset({"utf-8", "utf8", "us-ascii", "ascii"})
"""Names of UTF-8 and of the encoding that is a part of it."""

_CHARSET: Final = re.compile(r"""(?:^|;)[ \t]*charset[ \t]*=[ \t]*("?)([^";]*)\1[ \t]*(?=;|$)""", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Unsupported:
    """Why a body is not understood, what is accepted, and the header that says so to programs."""

    sentence: str
    header: tuple[bytes, bytes]


def unsupported_coding(scope: Scope) -> Unsupported | None:
    """Whether the body is compressed or coded otherwise, which no door undoes."""
    coding = ", ".join(header_values(scope, b"content-encoding")).strip()
    if coding.lower() in ("", "identity"):
        return None
    return Unsupported(
        f'The Content-Encoding "{coding[:100]}" is not understood; bodies are accepted as they are, without one.',
        (b"accept-encoding", b"identity"),
    )


def unsupported_charset(scope: Scope, accepted: Collection[str], media_type: str) -> Unsupported | None:
    """Whether the Content-Type names an encoding of texts that this door cannot read."""
    charset = charset_of(scope)
    if charset is None or charset in accepted:
        return None
    names = "UTF-8" if accepted == UTF_8 else ", ".join(sorted(accepted))
    return Unsupported(
        f'The charset "{charset[:100]}" is not understood; accepted is {names}.', (b"accept", media_type.encode())
    )


def unsupported_body(scope: Scope, *media_types: str) -> Unsupported | None:
    """Why a body that must be of one of these media types and in UTF-8 is not understood; nothing if it is."""
    given = ", ".join(header_values(scope, b"content-type")).strip()
    if given in media_types:
        return unsupported_coding(scope)
    if given.partition(";")[0].strip().lower() not in media_types:
        what = f'The Content-Type "{given[:200]}" is not understood' if given else "There is no Content-Type"
        accepted = (b"accept", ", ".join(media_types).encode())
        return Unsupported(f"{what}; {' or '.join(media_types)} in UTF-8 is accepted.", accepted)
    return unsupported_coding(scope) or unsupported_charset(scope, UTF_8, media_types[0])


def charset_of(scope: Scope) -> str | None:
    """The encoding that the Content-Type names, in small letters."""
    found = _CHARSET.search(", ".join(header_values(scope, b"content-type")).partition(";")[2])
    return found[2].strip().lower() if found else None
