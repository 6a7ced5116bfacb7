"""Answers of a provider, read strictly: bounded in size and depth, and each field checked for its type."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import orjson

from countermand.domain.texts import why_unfit
from countermand.nesting import nests_at_most
from countermand.outlets.http.connection import Answer

BODY_MAX: Final = 1024 * 1024
"""How many bytes of an answer are read. A page of a hundred refunds has about 100 kB."""
DEPTH_MAX: Final = 32
TEXT_MAX: Final = 255

Document = Mapping[str, Any]


class UnreadableError(ValueError):
    """The answer is not as the provider's API describes it. The message is a sentence."""


def read_document(body: bytes) -> Document:
    """The JSON object in a body.

    Raises:
        UnreadableError: there is none, or it nests too deeply.
    """
    if not nests_at_most(body, DEPTH_MAX):
        raise UnreadableError("The answer nests too deeply.")
    try:
        value = orjson.loads(body)
    except orjson.JSONDecodeError:
        raise UnreadableError("The answer is not JSON.") from None
    if not isinstance(value, dict):
        raise UnreadableError("The answer is not a JSON object.")
    return value


def document_of(answer: Answer) -> Document:
    """The JSON object that an answer carries.

    Raises:
        UnreadableError: the answer is not complete, or carries none.
    """
    if not answer.whole:
        raise UnreadableError("The answer was cut off, or is too long.")
    return read_document(answer.body)


def text(document: Document, name: str, *, at_most: int = TEXT_MAX) -> str:
    """A text, which must be there.

    Raises:
        UnreadableError: it is missing, empty, too long or no text.
    """
    value = document.get(name)
    if not isinstance(value, str) or not 0 < len(value) <= at_most or why_unfit(value):
        raise UnreadableError(f"The answer has no usable {name}.")
    return value


def text_if_any(document: Document, name: str, *, at_most: int = TEXT_MAX) -> str:
    """A text, cut if it is too long; empty if it is missing, of another type or unfit to be stored."""
    value = document.get(name)
    return value[:at_most] if isinstance(value, str) and not why_unfit(value) else ""


def integer(document: Document, name: str) -> int:
    """A whole number that is not negative.

    Raises:
        UnreadableError: it is missing or something else, such as ``10.0`` or ``true``.
    """
    value = document.get(name)
    if type(value) is not int or value < 0:
        raise UnreadableError(f"The answer has no usable {name}.")
    return value


def inner(document: Document, name: str) -> Document:
    """An object inside, or an empty one if there is none."""
    value = document.get(name)
    return value if isinstance(value, dict) else {}


def items(document: Document, name: str) -> Sequence[Document]:
    """A list of objects, which must be there.

    Raises:
        UnreadableError: it is missing, or holds something else.
    """
    value = document.get(name)
    if not isinstance(value, list) or not all(isinstance(each, dict) for each in value):
        raise UnreadableError(f"The answer has no usable {name}.")
    return value
