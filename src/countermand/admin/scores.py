"""Appeals: a cancellation is taken out of a score, or counts again."""

from dataclasses import dataclass
from datetime import tzinfo
from typing import Final
from uuid import UUID

from sqlalchemy import Connection, select

from countermand.admin.audit import Action, Author, Change, record
from countermand.admin.finding import EVERYTHING, find_party
from countermand.domain.problems import RefusedError, UnfitError, UnknownError
from countermand.ids import show
from countermand.reads import cancellations, scores
from countermand.reads.cancellations import CancellationView
from countermand.reads.scores import JudgementView
from countermand.store import tables as t

REASON_MAX: Final = 1_000


class BadReasonError(UnfitError):
    """The text cannot be shown as a reason."""

    code = "bad_reason"


class UnknownCancellationError(UnknownError):
    """There is no such cancellation."""

    code = "unknown_cancellation"


class NotCountedError(RefusedError):
    """The cancellation counts against nobody, or not against this party."""

    code = "not_counted"


class WhoseScoreError(UnfitError):
    """The cancellation counts in two scores, and none of them was named."""

    code = "whose_score"


class NothingToJudgeError(RefusedError):
    """The cancellation is excluded already, or counts already."""

    code = "nothing_to_judge"


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """Whether a cancellation is excluded from the score of a party now."""

    cancellation: UUID
    party: UUID
    excluded: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Appeal:
    """Which cancellation is to be excluded from whose score, or to count again, and why.

    Without ``party`` the one against which it counts, if it is only one.
    """

    cancellation: UUID
    party: str | None
    reason: str
    excluded: bool


def judged(connection: Connection, author: Author, appeal: Appeal, *, zone: tzinfo) -> JudgementView:
    """Decide an appeal, with the judgement as it can be read.

    Raises:
        BadReasonError, UnknownCancellationError, NotCountedError, WhoseScoreError, UnknownPartyError,
        NothingToJudgeError: as ``judge``.
    """
    done = judge(connection, author, appeal, zone=zone)
    return scores.last_judgement(connection, done.cancellation, done.party)


def judge(connection: Connection, author: Author, appeal: Appeal, *, zone: tzinfo) -> Judged:
    """Decide an appeal.

    Raises:
        BadReasonError: it has no reason, or one that cannot be shown.
        UnknownCancellationError: there is no such cancellation.
        NotCountedError: it counts against nobody, or not against this party.
        WhoseScoreError: it counts in two scores.
        UnknownPartyError: there is no such party.
        NothingToJudgeError: it is so already.
    """
    check_reason(appeal.reason)
    row = cancellations.cancellation_by_id(connection, EVERYTHING, appeal.cancellation)
    if row is None:
        raise UnknownCancellationError(f"There is no cancellation {show('can', appeal.cancellation)}.")
    whose = _whose(connection, row, appeal.party, zone)
    # Two at once would write the same version.
    connection.execute(select(t.parties.c.id).where(t.parties.c.id == whose).with_for_update(key_share=True))
    if _is_excluded(connection, row, whose) == appeal.excluded:
        state = "is excluded already" if appeal.excluded else "is not excluded"
        raise NothingToJudgeError(f"The cancellation {state}.")
    scores.judge(
        connection,
        author.at,
        row,
        whose,
        excluded=appeal.excluded,
        reason=appeal.reason,
        by=author.name,
        door=author.door,
    )
    action = Action.JUDGEMENT_EXCLUDED if appeal.excluded else Action.JUDGEMENT_RESTORED
    written = scores.last_judgement(connection, row.id, whose)
    detail = {"cancellation": show("can", row.id), "reason": appeal.reason}
    record(connection, author, Change(action=action, party=whose, target=written.id, detail=detail))
    return Judged(cancellation=row.id, party=whose, excluded=appeal.excluded)


def check_reason(reason: str) -> None:
    """Whether everybody who reads the card can read the reason.

    Raises:
        BadReasonError: it is empty, too long, or holds what cannot be shown.
    """
    if not (reason.strip() and reason.isprintable() and len(reason) <= REASON_MAX):
        raise BadReasonError(f"A reason has 1 to {REASON_MAX} printable characters.")


def _is_excluded(connection: Connection, row: CancellationView, whose: UUID) -> bool:
    words = scores.judgements_of(connection, [(row.retailer_id, row.line_id)])
    earlier = [word.excluded for word in words if (word.cancellation_id, word.party_id) == (row.id, whose)]
    return bool(earlier and earlier[-1])


def _whose(connection: Connection, row: CancellationView, party: str | None, zone: tzinfo) -> UUID:
    against = {incident.against for incident in scores.incidents_of(connection, row, zone)}
    if not against:
        raise NotCountedError("This cancellation counts against nobody.")
    if party is None:
        if len(against) > 1:
            raise WhoseScoreError("It counts in two scores.")
        return against.pop()
    named: UUID = find_party(connection, party).id
    if named not in against:
        raise NotCountedError(f"This cancellation does not count against {party}.")
    return named
