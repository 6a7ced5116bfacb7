"""``ETag``: what an object looks like, in a few characters, so that a caller need not read or overwrite it unseen."""

import hashlib
import re
from collections.abc import Callable
from typing import Annotated, Any, Final

import orjson
from fastapi import Header
from fastapi.encoders import jsonable_encoder
from pydantic import BaseModel
from starlette.requests import Request
from starlette.responses import Response

from countermand.domain.refusals import RefusalKind
from countermand.wire.replies import CallError, Problem

_TAG: Final = re.compile(r'(?:W/)?("[^"]*")')

IfMatch = Annotated[
    str | None, Header(alias="If-Match", max_length=1000, description="the `ETag` of the object as it was read, or `*`")
]


def plain(document: Any) -> Any:
    """A document as JSON has it: texts, numbers, lists and objects."""
    if isinstance(document, BaseModel):
        return document.model_dump(mode="json", by_alias=True)
    return jsonable_encoder(document)


def etag_of(document: Any) -> str:
    """Changes with what is shown."""
    return _etag_of_json(plain(document))


def _etag_of_json(document: Any) -> str:
    shown = orjson.dumps(document, option=orjson.OPT_SORT_KEYS)
    return f'"{hashlib.sha256(shown).hexdigest()[:32]}"'


def tagged(request: Request, response: Response) -> Response:
    """The answer to a read of one object, with its ``ETag``; nothing but that where the caller has it already."""
    if response.status_code != 200:
        return response
    etag = response.headers.setdefault("ETag", _etag_of_json(orjson.loads(response.body)))
    known = ",".join(request.headers.getlist("if-none-match"))
    if known.strip() == "*" or etag in _TAG.findall(known):
        return Response(status_code=304, headers={"ETag": etag})
    return response


def must_match(if_match: str | None, show: Callable[[Any], Any]) -> Callable[[Any], None]:
    """A check that an object is as the caller saw it, to be made under the lock of the change.

    The check raises ``CallError`` if the caller does not say what it saw, or saw something else.
    """

    def check(found: Any) -> None:
        if if_match is None:
            detail = "Say in If-Match which state is meant: the ETag of the object, or *."
            raise CallError(Problem.IF_MATCH_NEEDED, detail)
        etag = etag_of(show(found))
        if if_match.strip() != "*" and etag not in re.findall('(?<!W/)"[^"]*"', if_match):
            detail = "The object has changed since it was read. Read it again."
            raise CallError(RefusalKind.ETAG_MISMATCH, detail, (b"etag", etag.encode()))

    return check
