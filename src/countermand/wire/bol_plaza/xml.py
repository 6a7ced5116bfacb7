"""Hostile XML in, a few named texts out.

The parser is expat and not lxml: lxml keeps every element name it ever saw in a table per thread, so callers who
invent names could fill the memory of a long-lived process; a parser of expat's forgets all of it at once. No tree is
built. The bytes are decoded here and nowhere else, so that there is one opinion about their encoding and the search
for a DOCTYPE cannot be led past it.
"""

import codecs
import re
from collections import Counter
from dataclasses import dataclass, field
from typing import Final, NoReturn
from xml.parsers import expat

from countermand.wire.bol_plaza.vocabulary import ErrorCode

BODY_BYTES_MAX: Final = 256 * 1024
ELEMENTS_MAX: Final = 10_000
DEPTH_MAX: Final = 64
ATTRIBUTES_MAX: Final = 64
TEXT_CHARS_MAX: Final = 1_000
NAME_CHARS_MAX: Final = 256
"""Of an element's name, an attribute's and a namespace: each may stand there thousands of times."""

XML_WHITESPACE: Final = " \t\r\n"


@dataclass(frozen=True, kw_only=True)
class Unreadable:
    """Why a document is refused: the code for the client's program, the sentence for its author."""

    code: ErrorCode
    sentence: str


@dataclass(frozen=True, kw_only=True)
class Shape:
    """Which elements a document is read for, as paths below its root. All others are passed over."""

    root: str
    leaves: frozenset[str]
    containers: frozenset[str] = frozenset()


def read_leaves(body: bytes, shape: Shape) -> dict[str, str] | Unreadable:
    """Return the trimmed text of each leaf that is present, by its path.

    Names are compared without their namespace, and their order does not matter.
    """
    if len(body) > BODY_BYTES_MAX:
        return _schema(f"The message is larger than {BODY_BYTES_MAX} bytes.")
    text = _decoded(body)
    if isinstance(text, Unreadable):
        return text
    if not text.strip(XML_WHITESPACE):
        return _schema(f"The message is empty; {shape.root} was expected.")
    # Either would make expat guess the encoding anew, and read another text than the one looked at here.
    if "\x00" in text or text.startswith("\ufeff"):
        return _schema("The message has a NUL character or a second byte order mark.")
    # Entities, DTDs and their tricks all begin here. A comment that holds these letters is refused too.
    if "<!DOCTYPE" in text:
        return _schema("The message has a DOCTYPE, which is not allowed.")
    return _parsed(text, shape)


def _schema(sentence: str) -> Unreadable:
    return Unreadable(code=ErrorCode.SCHEMA, sentence=sentence)


# UTF-16 needs a byte order mark and says so itself; the encodings below are those that keep ASCII's bytes.
_UTF16_NAMES: Final = frozenset({"utf-16", "utf-16le", "utf-16be"})
_UTF8_NAMES: Final = frozenset({"utf-8", "utf8"})
_ENCODINGS: Final = {
    "utf-8": "utf-8",
    "utf8": "utf-8",
    "us-ascii": "ascii",
    "ascii": "ascii",
    "iso-8859-1": "latin-1",
    "latin1": "latin-1",
    "iso-8859-15": "iso-8859-15",
    "windows-1252": "cp1252",
}
CHARSETS: Final = frozenset(_ENCODINGS) | _UTF16_NAMES
"""What a Content-Type may name."""

_DECLARED: Final = re.compile(
    r"""<\?xml[ \t\r\n][^>]{0,100}?[ \t\r\n]encoding[ \t\r\n]*=[ \t\r\n]*["']([^"'>]{0,40})["']"""
)
_DECLARATION_CHARS_MAX: Final = 200
_MARKS: Final = (codecs.BOM_UTF8, codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


def in_utf8(body: bytes, charset: str) -> bytes:
    """``body``, which its Content-Type says is in ``charset``. What it says of itself counts for more."""
    says_itself = body.startswith(_MARKS) or _declared_encoding(body[:_DECLARATION_CHARS_MAX].decode("latin-1"))
    codec = _ENCODINGS.get(charset)
    if says_itself or codec is None or codec == "utf-8":
        return body
    # Bytes that are none of its characters stay what they are not: the reader refuses them.
    return body.decode(codec, "surrogateescape").encode("utf-8", "surrogateescape")


def _decoded(body: bytes) -> str | Unreadable:
    if body.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return _marked(_decoded_as("utf-16", body), _UTF16_NAMES)
    if body.startswith(codecs.BOM_UTF8):
        return _marked(_decoded_as("utf-8-sig", body), _UTF8_NAMES)
    declared = _declared_encoding(body[:_DECLARATION_CHARS_MAX].decode("latin-1")) or "utf-8"
    if declared not in _ENCODINGS:
        return _schema("The encoding that the message declares is not supported, or is not the one it is written in.")
    # Each of them keeps ASCII's bytes, so the declaration reads the same again.
    return _decoded_as(_ENCODINGS[declared], body)


def _decoded_as(codec: str, body: bytes) -> str | Unreadable:
    try:
        return body.decode(codec)
    except UnicodeDecodeError:
        return _schema("The message is not written in the encoding it claims.")


def _marked(text: str | Unreadable, names: frozenset[str]) -> str | Unreadable:
    """What followed a byte order mark, unless it declares an encoding of other ``names`` than the mark's."""
    declared = None if isinstance(text, Unreadable) else _declared_encoding(text[:_DECLARATION_CHARS_MAX])
    if declared is not None and declared not in names:
        return _schema("The message declares another encoding than its byte order mark.")
    return text


def _declared_encoding(head: str) -> str | None:
    match = _DECLARED.match(head)
    return match[1].lower() if match else None


# The text is fed in pieces because expat reads on, without us, to the end of a piece after we have refused it.
_PIECE_CHARS: Final = 16 * 1024


def _parsed(text: str, shape: Shape) -> dict[str, str] | Unreadable:
    leaves = _Leaves(shape=shape)
    # Not in expat's mode for namespaces: it writes the whole namespace before every name, so that one of 200 kB over
    # 9,900 elements is two gigabytes to copy.
    parser = expat.ParserCreate()
    parser.buffer_text = True
    parser.ordered_attributes = True
    parser.StartElementHandler = leaves.start
    parser.EndElementHandler = leaves.end
    parser.CharacterDataHandler = leaves.characters
    parser.ProcessingInstructionHandler = _refuse_instruction
    parser.StartDoctypeDeclHandler = _refuse_doctype
    try:
        for start in range(0, len(text), _PIECE_CHARS):
            parser.Parse(text[start : start + _PIECE_CHARS], start + _PIECE_CHARS >= len(text))
    except RefusedError as refused:
        return refused.unreadable
    except expat.ExpatError as error:
        reason = expat.ErrorString(error.code)
        return _schema(f"The message is not well-formed XML: {reason} in line {error.lineno}, column {error.offset}.")
    return leaves.texts


class RefusedError(Exception):
    """The way out of expat's callbacks and of a half-read document; the readers turn it into its value."""

    def __init__(self, unreadable: Unreadable) -> None:
        super().__init__(unreadable.sentence)
        self.unreadable = unreadable


def refuse(sentence: str, code: ErrorCode = ErrorCode.SCHEMA) -> NoReturn:
    """Stop reading; only for code that runs inside a reader."""
    raise RefusedError(Unreadable(code=code, sentence=sentence))


def _refuse_instruction(_target: str, _data: str) -> NoReturn:
    refuse("The message has a processing instruction, which is not allowed.")


def _refuse_doctype(_name: str, _system: str | None, _public: str | None, _subset: bool) -> NoReturn:
    refuse("The message has a DOCTYPE, which is not allowed.")


@dataclass(kw_only=True)
class _Leaves:
    """Expat's callbacks: where we are, how much there was, and the content of the wanted elements."""

    shape: Shape
    texts: dict[str, str] = field(default_factory=dict)
    _elements: int = 0
    _depth: int = 0
    _container: str = ""
    _leaf: str = ""
    _passing_over_since: int = 0
    _pieces: list[str] = field(default_factory=list)
    _chars: int = 0
    _seen: set[str] = field(default_factory=set)
    _namespaces: "_Namespaces" = field(default_factory=lambda: _Namespaces())

    def start(self, name: str, attributes: list[str]) -> None:
        self._count(attributes)
        local_name = self._namespaces.local_name(name, attributes, self._depth)
        if self._depth == 1:
            self._enter_root(local_name)
        elif local_name == self.shape.root:
            refuse(f"{local_name} occurs more than once.")
        elif self._leaf:
            refuse(f"{_last(self._leaf)} may hold text only.")
        elif not self._passing_over_since:
            self._enter(f"{self._container}/{local_name}" if self._container else local_name)

    def _count(self, attributes: list[str]) -> None:
        self._elements += 1
        self._depth += 1
        if self._elements > ELEMENTS_MAX:
            refuse(f"The message has more than {ELEMENTS_MAX} elements.")
        if self._depth > DEPTH_MAX:
            refuse(f"The elements of the message are nested more than {DEPTH_MAX} deep.")
        if len(attributes) > 2 * ATTRIBUTES_MAX:
            refuse(f"An element has more than {ATTRIBUTES_MAX} attributes.")
        for value in attributes:
            if len(value) > TEXT_CHARS_MAX:
                refuse(f"An attribute is longer than {TEXT_CHARS_MAX} characters.")

    def _enter_root(self, local_name: str) -> None:
        if local_name != self.shape.root:
            refuse(f"The message must be a {self.shape.root}.")

    def _enter(self, path: str) -> None:
        if path in self.shape.leaves or path in self.shape.containers:
            if path in self._seen:
                refuse(f"{_last(path)} occurs more than once.")
            self._seen.add(path)
        if path in self.shape.leaves:
            self._leaf = path
        elif path in self.shape.containers:
            self._container = path
        else:
            self._passing_over_since = self._depth

    def end(self, _name: str) -> None:
        self._namespaces.leave(self._depth)
        self._depth -= 1
        if self._leaf:
            self.texts[self._leaf] = "".join(self._pieces).strip(XML_WHITESPACE)
            self._leaf, self._pieces, self._chars = "", [], 0
        elif self._passing_over_since:
            if self._depth < self._passing_over_since:
                self._passing_over_since = 0
        elif self._depth == 1:
            self._container = ""

    def characters(self, text: str) -> None:
        if self._leaf:
            self._chars += len(text)
            if self._chars > TEXT_CHARS_MAX:
                refuse(f"{_last(self._leaf)} has more than {TEXT_CHARS_MAX} characters.", ErrorCode.TOO_LARGE)
            self._pieces.append(text)
        elif not self._passing_over_since and text.strip(XML_WHITESPACE):
            refuse(f"{_last(self._container) or self.shape.root} may not hold text of its own.")


@dataclass
class _Namespaces:
    """The prefixes that are declared where we are. What they stand for does not matter."""

    _declared: list[tuple[int, str]] = field(default_factory=lambda: [(0, "xml")])
    _counts: Counter[str] = field(default_factory=lambda: Counter(("xml", "xmlns")))

    def local_name(self, name: str, attributes: list[str], depth: int) -> str:
        """The name of an element without its prefix, which must have been declared, as must those of attributes."""
        for place in range(0, len(attributes), 2):
            self._declare(attributes[place], attributes[place + 1], depth)
        for each in (name, *attributes[::2]):
            self._check(each)
        return name.rpartition(":")[2]

    def leave(self, depth: int) -> None:
        """Forget what the element that ends declared."""
        while self._declared[-1][0] == depth > 0:
            self._counts[self._declared.pop()[1]] -= 1

    def _declare(self, name: str, namespace: str, depth: int) -> None:
        xmlns, _, prefix = name.partition(":")
        if xmlns != "xmlns":
            return
        if len(namespace) > NAME_CHARS_MAX:
            refuse(f"A namespace is longer than {NAME_CHARS_MAX} characters.")
        if prefix:
            if not namespace or prefix in ("xml", "xmlns"):
                refuse("A namespace is declared that cannot be.")
            self._declared.append((depth, prefix))
            self._counts[prefix] += 1

    def _check(self, name: str) -> None:
        if len(name) > NAME_CHARS_MAX:
            refuse(f"A name is longer than {NAME_CHARS_MAX} characters.")
        if ":" not in name:
            return
        prefix, _, local = name.partition(":")
        if not prefix or not local or ":" in local:
            refuse("A name has more than one colon, or nothing before or after it.")
        if not self._counts[prefix]:
            refuse("A name has a prefix that is not declared.")


def _last(path: str) -> str:
    return path.rpartition("/")[2]
