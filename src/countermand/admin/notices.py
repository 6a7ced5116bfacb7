"""Sending notices again: one, whatever became of it, or all that are dead for an endpoint."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import Connection

from countermand.admin import endpoints
from countermand.admin.audit import Action, Author, Change, record
from countermand.admin.endpoints import UnknownEndpointError
from countermand.domain.dates import write_moment
from countermand.domain.endpoint import Endpoint, EndpointState
from countermand.domain.problems import RefusedError, UnknownError
from countermand.ids import show
from countermand.reads import notices
from countermand.reads.notices import NoticeView
from countermand.reads.scope import Scope
from countermand.store import outbox

PREFIX = "ntc"
"""How the id of a notice begins."""


class UnknownNoticeError(UnknownError):
    """There is no such notice."""

    code = "unknown_notice"


class EndpointRemovedError(RefusedError):
    """Nothing is sent to this endpoint any more."""

    code = "endpoint_removed"


@dataclass(frozen=True, slots=True, kw_only=True)
class SentAgain:
    """So many notices are due again, and where they go."""

    count: int
    endpoint: Endpoint


def replay(connection: Connection, author: Author, notice: UUID) -> SentAgain:
    """Send a notice again, whether it is dead or was sent. It is due at once, under the same id.

    Raises:
        UnknownNoticeError: there is none.
        UnknownEndpointError: its endpoint is gone.
        EndpointRemovedError: its endpoint was removed.
    """
    row = notices.notice_by_id(connection, notice)
    to = _sendable(connection, row.endpoint_id) if row else None
    if row is None or to is None or not outbox.replay(connection, author.at, row.retailer_id, row.id):
        raise UnknownNoticeError(f"There is no notice {show(PREFIX, notice)}.")
    detail = {"endpoint": show(endpoints.PREFIX, to.id), "kind": row.kind}
    record(connection, author, Change(action=Action.NOTICE_RESENT, party=to.party, target=row.id, detail=detail))
    return SentAgain(count=1, endpoint=to)


def resend(connection: Connection, author: Author, scope: Scope, notice: UUID) -> NoticeView:
    """Send a notice again that this party may see. Returns how it stands then.

    Raises:
        UnknownNoticeError: there is none.
        EndpointRemovedError: its endpoint was removed.
    """
    if notices.notice_shown(connection, scope, notice) is None:
        raise UnknownNoticeError(f"There is no notice {show(PREFIX, notice)}.")
    replay(connection, author, notice)
    found = notices.notice_shown(connection, scope, notice)
    assert found is not None
    return found


def recover(connection: Connection, author: Author, endpoint: UUID, since: datetime) -> SentAgain:
    """Send every notice again that is dead for an endpoint and was made at that time or later.

    Raises:
        UnknownEndpointError: there is no such endpoint.
        EndpointRemovedError: it was removed.
    """
    to = _sendable(connection, endpoint)
    count = outbox.recover(connection, author.at, endpoint, since)
    detail = {"since": write_moment(since), "notices": count}
    change = Change(action=Action.ENDPOINT_RECOVERED, party=to.party, target=to.id, detail=detail)
    record(connection, author, change)
    return SentAgain(count=count, endpoint=to)


def _sendable(connection: Connection, endpoint: UUID) -> Endpoint:
    found = endpoints.by_ids(connection, [endpoint])
    if not found:
        raise UnknownEndpointError(f"There is no endpoint {show(endpoints.PREFIX, endpoint)}.")
    to, _ = found[0]
    if to.state is EndpointState.REMOVED:
        raise EndpointRemovedError("The endpoint was removed. Nothing is sent there any more.")
    return to
