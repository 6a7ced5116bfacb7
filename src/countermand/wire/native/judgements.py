"""Judgements: the platform takes a cancellation out of a score after an appeal, or counts it again."""

from functools import partial
from typing import Annotated, Final
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field
from starlette.responses import Response

from countermand.admin import scores
from countermand.admin.scores import (
    Appeal,
    BadReasonError,
    NotCountedError,
    NothingToJudgeError,
    UnknownCancellationError,
    WhoseScoreError,
)
from countermand.documents.judgements import JudgementOut, Verdict, judgement_document
from countermand.domain.problems import ProblemError
from countermand.domain.refusals import RefusalKind
from countermand.fields import CancellationId, Name, NeededNote
from countermand.reads.scores import JudgementFilter, JudgementView, list_judgements
from countermand.wire.native.access import party_listed, told
from countermand.wire.native.auth import Inside, Who
from countermand.wire.native.authors import By
from countermand.wire.native.errors import PROBLEMS, invalid
from countermand.wire.native.messages import JsonRoute, Limit, Strict, Word
from countermand.wire.native.once import Once, Shown, change_once
from countermand.wire.native.pages import ONE_MORE, begin, page
from countermand.wire.native.periods import PeriodGiven
from countermand.wire.replies import CallError

router: Final = APIRouter(prefix="/v1/judgements", responses=PROBLEMS, route_class=JsonRoute)

PREFIX: Final = "jdg"


class JudgementIn(Strict):
    """A word on a cancellation in a score. ``party`` can be left out where it counts in one score only."""

    cancellation: CancellationId
    verdict: Verdict
    reason: NeededNote
    party: Annotated[Name | None, Field(description="whose score is meant, by id or name")] = None


class JudgementPage(BaseModel):
    """Some judgements, newest first. ``next`` is the ``after`` of the following page."""

    judgements: list[JudgementOut]
    next: str | None


@router.get("", operation_id="judgements.list")
async def list_all(
    services: Inside,
    who: Who,
    period: PeriodGiven,
    cancellation: Annotated[CancellationId | None, Query()] = None,
    party: Annotated[Word | None, Query(description="whose score is meant, by id or name")] = None,
    after: str | None = None,
    limit: Limit = 50,
) -> JudgementPage:
    """Judgements about the caller's own score, newest first; about all for the platform."""
    wanted = JudgementFilter(
        party=await party_listed(services, who, party),
        cancellation=cancellation,
        since=period.since,
        until=period.until,
        after=begin(PREFIX, after),
        limit=limit + ONE_MORE,
    )
    rows, more = page(PREFIX, await services.database.read(partial(list_judgements, wanted=wanted)), limit)
    return JudgementPage(judgements=[judgement_document(row) for row in rows], next=more)


@router.post("", operation_id="judgements.create", status_code=201, response_model=JudgementOut)
async def create(services: Inside, by: By, body: JudgementIn, once: Once) -> Response:
    """Exclude a cancellation from a score, or restore it. Everybody who reads the card can read the reason."""
    async with once.of(body) as key:
        decide = partial(
            scores.judged,
            author=by,
            appeal=Appeal(
                cancellation=body.cancellation,
                party=body.party,
                reason=body.reason,
                excluded=body.verdict is Verdict.EXCLUDED,
            ),
            zone=ZoneInfo(services.settings.score_zone),
        )
        with told():
            try:
                return await change_once(services, key, decide, _shown)
            except UnknownCancellationError as error:
                raise CallError(RefusalKind.UNKNOWN_CANCELLATION, str(error)) from None
            except tuple(_MEMBERS) as error:
                raise invalid(str(error), "body", _MEMBERS[type(error)], code=error.code) from None


_MEMBERS: Final[dict[type[ProblemError], str]] = {
    BadReasonError: "reason",
    NotCountedError: "cancellation",
    WhoseScoreError: "party",
    NothingToJudgeError: "verdict",
}
"""The member of the body that is to blame."""


def _shown(row: JudgementView) -> Shown:
    return Shown(status=201, body=judgement_document(row))
