"""Calls about lines: show and list them, allocate their units, give what is left of one to another fulfiller."""

import re
from dataclasses import dataclass
from functools import partial
from typing import Annotated, Any, Final
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Response
from pydantic import BaseModel, Field

from countermand.admin.callers import Caller
from countermand.documents.expanded import ExpandedLine, LineExpand, expanded_lines
from countermand.documents.lines import LineOut, line_document
from countermand.domain.commands import Allocate, Reassign
from countermand.domain.orders import UNITS_MAX
from countermand.domain.parties import PartyKind
from countermand.domain.reasons import CancelReason
from countermand.domain.refusals import UNKNOWN_LINE, RefusalKind
from countermand.fields import Day, InQuery, Name, NeededNote, OrderId
from countermand.ids import read
from countermand.reads import line_lists
from countermand.reads import lines as line_reads
from countermand.reads.line_lists import LinePlace, LineQuery
from countermand.reads.lines import LineDetail
from countermand.reads.order_lists import Bucket, OrderFilter
from countermand.reads.parties import UnknownPartyError, find_party
from countermand.service.calls import Call
from countermand.wire.native.auth import Inside, Who
from countermand.wire.native.errors import PROBLEMS, invalid
from countermand.wire.native.etags import IfMatch
from countermand.wire.native.meaning import DOOR, former_fingerprint, party_named, place_in_time, read_place, scope_of
from countermand.wire.native.messages import EXPAND, JsonRoute, Limit, Strict, Word
from countermand.wire.native.once import Once, Shown, one_by_one, submit_once
from countermand.wire.native.periods import PeriodGiven
from countermand.wire.native.views import etag, without_inside
from countermand.wire.replies import CallError, Problem
from countermand.wire.services import Services

router: Final = APIRouter(prefix="/v1/lines", responses=PROBLEMS, route_class=JsonRoute)


Count = Annotated[int, Field(strict=True, ge=0, le=UNITS_MAX)]


LineExpands = Annotated[list[LineExpand], EXPAND]


class ReassignmentIn(Strict):
    """Who shall hold what is left of the line, by id or by a name that only one party has, and why."""

    fulfiller: Name
    note: NeededNote


class AllocationIn(Strict):
    """How many units the fulfiller can deliver, has on back-order and cannot deliver: in all, not in addition."""

    accepted: Count
    backordered: Count = 0
    rejected: Count = 0
    backorder_on: Day | None = None
    reason: CancelReason = CancelReason.REJECTED_AT_ALLOCATION


class LinePage(BaseModel):
    """Some lines, newest first. ``next`` is the ``after`` of the following page."""

    lines: list[ExpandedLine]
    next: str | None


@dataclass(frozen=True, kw_only=True)
class Filters:
    """Which lines a list shows: those that match all of these. Parties are named by id or name."""

    order: OrderId | None = None
    retailer: Word | None = None
    fulfiller: Word | None = None
    sku: Word | None = None
    number: Annotated[int | None, InQuery, Query(ge=1)] = None
    bucket: Bucket | None = None


@router.get("", operation_id="lines.list")
async def list_lines(
    services: Inside,
    who: Who,
    filters: Annotated[Filters, Depends()],
    period: PeriodGiven,
    expand: LineExpands = [],  # noqa: B006 - nothing changes it
    after: str | None = None,
    limit: Limit = 50,
) -> LinePage:
    """Lines that the caller may see, of the newest orders first. `since` and `until` are about when they were ordered.

    `bucket` are lines with units there: `open`, `asked`, `cancelled` or `shipped`.
    """
    such = OrderFilter(
        retailer=await party_named(services, filters.retailer),
        supplier=await party_named(services, filters.fulfiller),
        sku=filters.sku,
        bucket=filters.bucket,
        placed_from=period.since,
        placed_before=period.until,
    )
    behind = await _behind(services, who, after) if after is not None else None
    wanted = LineQuery(filter=such, order=filters.order, number=filters.number, behind=behind, limit=limit + 1)
    scope = scope_of(who)

    def look(connection: Any) -> LinePage:
        rows = line_lists.list_lines(connection, scope, wanted)
        more = _place(rows[limit - 1]) if len(rows) > limit else None
        return LinePage(lines=expanded_lines(connection, scope, rows[:limit], expand), next=more)

    return await services.database.read(look)


def _place(row: LineDetail) -> str:
    return f"{place_in_time(row.placed_at, row.order_id)}_{row.position}"


async def _behind(services: Services, who: Caller, after: str) -> LinePlace:
    """Where a page begins: after ``next`` of the page before, or after a line that the caller may see."""
    line, place = read("lin", after), None
    if line is not None:
        place = await services.database.read(partial(line_lists.place_of_line, scope=scope_of(who), line=line))
    elif re.fullmatch("[^_]+_[^_]+_[0-9]{1,4}", after):
        order = read_place(after.rpartition("_")[0])
        place = LinePlace(order, int(after.rpartition("_")[2])) if order else None
    if place is None:
        raise invalid("after is not next of the page before, nor the id of a line.", "query", "after")
    return place


@router.get("/{line}", operation_id="lines.get")
async def get_line(
    services: Inside,
    who: Who,
    line: str,
    response: Response,
    expand: LineExpands = [],  # noqa: B006
) -> ExpandedLine:
    """One line. Its ``ETag`` is what ``reassign`` wants in ``If-Match``."""
    wanted, scope = read("lin", line), scope_of(who)

    def look(connection: Any) -> tuple[LineDetail, ExpandedLine] | None:
        row = line_reads.line_view(connection, scope, wanted) if wanted else None
        return (row, expanded_lines(connection, scope, [row], expand)[0]) if row else None

    found = await services.database.read(look)
    if found is None:
        raise CallError.of(UNKNOWN_LINE)
    row, shown = found
    response.headers["ETag"] = etag(row, shown if expand else None)
    return shown


@router.post("/{line}/allocate", operation_id="lines.allocate", response_model=LineOut)
async def allocate_line(services: Inside, who: Who, line: str, body: AllocationIn, once: Once) -> Response:
    """Report how many units the fulfiller can deliver. Units that it rejects are cancelled, and count against it.

    If it rejects all that is left, cancellations that wait are accepted by that.
    """
    async with once.of(body) as key:
        row = await _named(services, who, line)
        command = Allocate(
            line=row.id,
            actor=who.actor,
            accepted=body.accepted,
            backordered=body.backordered,
            rejected=body.rejected,
            backorder_on=body.backorder_on,
            reason=body.reason,
        )
        return await submit_once(
            services,
            Call(command=command, door=DOOR, retailer=row.retailer_id),
            key,
            unknown=UNKNOWN_LINE,
            question=lambda _: partial(line_reads.line_view, scope=scope_of(who), line=row.id),
            show=lambda after, _: _shown(who, after or row),
            ask=one_by_one,
        )


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
                show=lambda after, _: _shown(who, after or row),
                ask=one_by_one,
            )
        except CallError as error:
            if error.kind is not RefusalKind.ETAG_MISMATCH:
                raise
            raise _changed(await _named(services, who, line), error.detail) from None


def _shown(who: Caller, after: LineDetail) -> Shown:
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
    if etag(row) in map(without_inside, re.findall('"[^"]*"', if_match)):
        return int(row.seq)
    raise _changed(row, "The line has changed since it was read. Read it again.")


def _changed(row: LineDetail, detail: str) -> CallError:
    return CallError(RefusalKind.ETAG_MISMATCH, detail, (b"etag", etag(row).encode()))
