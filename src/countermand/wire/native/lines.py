"""Calls about lines: show one, and give what is left of it to another fulfiller."""

import re
from functools import partial
from typing import Annotated, Final
from uuid import UUID

from fastapi import APIRouter, Response
from pydantic import AfterValidator, Field

from countermand.admin.callers import Caller
from countermand.documents.lines import LineOut, line_document
from countermand.domain.commands import Reassign
from countermand.domain.parties import PartyKind
from countermand.domain.refusals import UNKNOWN_LINE, RefusalKind
from countermand.domain.texts import needed_text
from countermand.fields import Name, Note
from countermand.ids import read
from countermand.reads import lines as line_reads
from countermand.reads.lines import LineDetail
from countermand.reads.parties import UnknownPartyError, find_party
from countermand.service.calls import Call
from countermand.wire.native.auth import Inside, Who
from countermand.wire.native.errors import PROBLEMS, ProblemOut
from countermand.wire.native.etags import IfMatch
from countermand.wire.native.meaning import DOOR, former_fingerprint, scope_of
from countermand.wire.native.messages import JsonRoute, Strict
from countermand.wire.native.once import Once, Shown, submit_once
from countermand.wire.native.views import etag
from countermand.wire.replies import CallError, Problem
from countermand.wire.services import Services

router: Final = APIRouter(prefix="/v1/lines", responses={**PROBLEMS, 412: {"model": ProblemOut}}, route_class=JsonRoute)


class ReassignmentIn(Strict):
    """Who shall hold what is left of the line, by id or by a name that only one party has, and why."""

    fulfiller: Name
    note: Annotated[Note, Field(min_length=1), AfterValidator(needed_text)]


@router.get("/{line}", operation_id="lines.get")
async def get_line(services: Inside, who: Who, line: str, response: Response) -> LineOut:
    """One line. Its ``ETag`` is what ``reassign`` wants in ``If-Match``."""
    row = await _named(services, who, line)
    response.headers["ETag"] = etag(row)
    return line_document(row, scope_of(who))


@router.post("/{line}/reassign", operation_id="lines.reassign", response_model=LineOut)
async def reassign_line(
    services: Inside, who: Who, line: str, body: ReassignmentIn, once: Once, if_match: IfMatch = None
) -> Response:
    """Give what is left of a line to another fulfiller: open units and open asks move.

    The former fulfiller is notified, and its answers no longer count. Needs ``If-Match``: the ``ETag`` of the line,
    or ``*``.
    """
    former = former_fingerprint(f"reassign {read('lin', line)}", body)
    async with once.of(body, former=former) as key:
        row = await _named(services, who, line)
        command = Reassign(
            line=row.id,
            actor=who.actor,
            fulfiller=await _fulfiller(services, body.fulfiller),
            note=body.note,
            seen=_seen(row, if_match),
        )
        try:
            return await submit_once(
                services,
                Call(command=command, door=DOOR, retailer=row.retailer_id),
                key,
                unknown=UNKNOWN_LINE,
                question=lambda _: partial(line_reads.line_view, scope=scope_of(who), line=row.id),
                show=lambda after, _: _reassigned(who, after or row),
            )
        except CallError as error:
            if error.kind is not RefusalKind.ETAG_MISMATCH:
                raise
            raise _changed(await _named(services, who, line), error.detail) from None


def _reassigned(who: Caller, after: LineDetail) -> Shown:
    return Shown(body=line_document(after, scope_of(who)), headers={"ETag": etag(after)})


async def _named(services: Services, who: Caller, text: str) -> LineDetail:
    wanted = read("lin", text)
    row = None
    if wanted:
        row = await services.database.read(partial(line_reads.line_view, scope=scope_of(who), line=wanted))
    if row is None:
        raise CallError.of(UNKNOWN_LINE)
    return row


async def _fulfiller(services: Services, text: str) -> UUID:
    try:
        party = await services.database.read(partial(find_party, text=text))
    except UnknownPartyError as error:
        raise CallError(Problem.UNKNOWN_PARTY, str(error)) from None
    if party.kind == PartyKind.PLATFORM:
        raise CallError(Problem.UNKNOWN_PARTY, "A platform holds no goods.")
    return UUID(bytes=party.id.bytes)


def _seen(row: LineDetail, if_match: str | None) -> int | None:
    """The ``seq`` at which the caller saw the line; ``None`` for any.

    Raises:
        CallError: the caller does not say, or saw it otherwise than it is.
    """
    if if_match is None:
        raise CallError(Problem.IF_MATCH_NEEDED, "Say in If-Match which state of the line is meant: its ETag, or *.")
    if if_match.strip() == "*":
        return None
    if etag(row) in re.findall('"[^"]*"', if_match):
        return int(row.seq)
    raise _changed(row, "The line has changed since it was read. Read it again.")


def _changed(row: LineDetail, detail: str) -> CallError:
    return CallError(RefusalKind.ETAG_MISMATCH, detail, (b"etag", etag(row).encode()))
