"""Scorecards, with the events of every item that counts: a party sees its own, the platform all."""

from datetime import datetime
from functools import partial
from typing import Annotated, Final
from uuid import UUID
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field
from starlette.responses import Response

from countermand.documents.scorecards import WEEKS, WEEKS_MAX, SellsNothingError, Wanted, written
from countermand.domain.dates import read_end
from countermand.domain.parties import PartyKind
from countermand.domain.scoring import Role, Week, Why
from countermand.fields import InQuery
from countermand.ids import read
from countermand.reads.parties import UnknownPartyError
from countermand.wire.native.auth import Inside, Who
from countermand.wire.native.errors import PROBLEMS, invalid
from countermand.wire.native.meaning import moment_of
from countermand.wire.native.messages import JsonRoute
from countermand.wire.replies import CallError, Problem

router: Final = APIRouter(prefix="/v1/scorecards", responses=PROBLEMS, route_class=JsonRoute)


class ExcludedOut(BaseModel):
    """That an operator took it out of the score, and why."""

    reason: str
    by: str
    at: datetime


class ToldOut(BaseModel):
    """An event, in a sentence."""

    id: str
    at: datetime
    told: str


class IncidentOut(BaseModel):
    """One item that counts, or was excluded."""

    cancellation: str
    line: UUID
    reference: str
    sku: str
    ordered: int
    why: Why
    units: int
    excluded: ExcludedOut | None
    events: list[ToldOut]


class CardOut(BaseModel):
    """A week. ``evidence`` is there when it was asked for."""

    week: str
    closed: bool
    numerator: int
    denominator: int
    value: float | None
    distance_to_norm: float | None
    conforms: bool | None
    strike: bool
    answers: dict[str, int]
    median_s: float | None
    p90_s: float | None
    decline_rate: float | None
    evidence: list[IncidentOut] | None = None


class ScorecardsOut(BaseModel):
    """A party's cards, oldest first, and the strikes of the last closed weeks."""

    party: UUID
    name: str
    role: Role = Field(alias="as")
    zone: str
    at: datetime
    norm: float
    strikes: int
    weeks: list[CardOut]


@router.get("/{party}", operation_id="scorecards.get", responses={200: {"model": ScorecardsOut}})
async def show_scorecards(
    services: Inside,
    who: Who,
    party: str,
    week: Annotated[str | None, Query(max_length=8)] = None,
    weeks: Annotated[int, InQuery, Query(ge=1, le=WEEKS_MAX)] = WEEKS,
    role: Annotated[Role | None, Query(alias="as")] = None,
    as_of: str | None = None,
    *,
    evidence: bool = False,
) -> Response:
    """How a party does, by weeks of orders. A party sees its own score, the platform everybody's."""
    named = read("pty", party)
    if named is None or (who.kind is not PartyKind.PLATFORM and who.party != named):
        raise _nobody()
    wanted = Wanted(
        week=_week(week), weeks=weeks, role=role, as_of=moment_of(services, as_of, read_end, "as_of"), evidence=evidence
    )
    zone, now = ZoneInfo(services.settings.score_zone), services.clock()
    try:
        answer = await services.database.read(
            partial(written, name=str(named), wanted=wanted, zone=zone, now=now), heavy=True
        )
    except UnknownPartyError:
        raise _nobody() from None
    except SellsNothingError as error:
        raise invalid(str(error), "query", "as") from None
    return Response(answer, media_type="application/json")


def _week(text: str | None) -> Week | None:
    try:
        return Week.read(text) if text else None
    except ValueError as error:
        raise invalid(f"{text!r} is no week: {error}.", "query", "week") from None


def _nobody() -> CallError:
    return CallError(Problem.UNKNOWN_PARTY, "There is no such party whose score you can see.")
