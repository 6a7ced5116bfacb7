"""The audit trail of changes that are no event of a line: who changed what, when, through which door, and from what.

Every function here that lets somebody change something takes an ``Author`` and records it. A test holds that.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, insert

from countermand.ids import Ids
from countermand.store import tables as t


class Action(StrEnum):
    """What was done."""

    PARTY_ADDED = "party.added"
    PARTY_DEACTIVATED = "party.deactivated"
    PARTY_ACTIVATED = "party.activated"
    PARTY_RENAMED = "party.renamed"
    USER_ADDED = "user.added"
    USER_CHANGED = "user.changed"
    USER_DISABLED = "user.disabled"
    USER_ENABLED = "user.enabled"
    USER_PASSWORD_CHANGED = "user.password_changed"  # noqa: S105 - the name of an action
    USER_LOGGED_OUT = "user.logged_out"
    CREDENTIAL_CREATED = "credential.created"
    CREDENTIAL_RENAMED = "credential.renamed"
    CREDENTIAL_REVOKED = "credential.revoked"
    ENDPOINT_ADDED = "endpoint.added"
    ENDPOINT_UPDATED = "endpoint.updated"
    ENDPOINT_CONFIRMATION = "endpoint.confirmation"
    ENDPOINT_CONFIRMED = "endpoint.confirmed"
    ENDPOINT_PAUSED = "endpoint.paused"
    ENDPOINT_DISABLED = "endpoint.disabled"
    ENDPOINT_RESUMED = "endpoint.resumed"
    ENDPOINT_ROTATED = "endpoint.rotated"
    ENDPOINT_REMOVED = "endpoint.removed"
    ENDPOINT_RECOVERED = "endpoint.recovered"
    NOTICE_RESENT = "notice.resent"
    POLICY_CREATED = "policy.created"
    JUDGEMENT_EXCLUDED = "judgement.excluded"
    JUDGEMENT_RESTORED = "judgement.restored"
    ORDER_ERASED = "order.erased"
    REFUND_RETRIED = "refund.retried"
    JOB_CREATED = "job.created"
    JOB_STARTED = "job.started"
    JOB_CANCELLED = "job.cancelled"
    SIGNATURE_KEY_ROTATED = "signature_key.rotated"
    BACKUP_RESTORED = "backup.restored"


@dataclass(frozen=True, slots=True, kw_only=True)
class Author:
    """Who makes a change, through which door, and when. ``ids`` makes the ids of what is new.

    ``request_id`` is the id of the call, where the door has one.
    """

    name: str
    door: str
    at: datetime
    ids: Ids
    request_id: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """What was done to what, and whose that is. ``detail`` holds no secret."""

    action: Action
    party: UUID
    target: UUID
    detail: Mapping[str, Any] = field(default_factory=dict)


def record(connection: Connection, author: Author, change: Change) -> None:
    """Write a change to the audit trail, in the transaction that makes it."""
    called = {"request_id": author.request_id} if author.request_id else {}
    change = replace(change, detail={**change.detail, **called})
    row = entry_of(author.ids.new(), change, by=author.name, door=author.door, at=author.at)
    connection.execute(insert(t.audit).values(row))


def entry_of(new: UUID, change: Change, *, by: str, door: str, at: datetime) -> dict[str, Any]:
    """The row of a change under this new id."""
    return {
        "id": new,
        "party_id": change.party,
        "object_id": change.target,
        "action": change.action.value,
        "by": by,
        "door": door,
        "at": at,
        "detail": dict(change.detail),
    }


def differences(before: Mapping[str, Any], after: Mapping[str, Any]) -> dict[str, Any]:
    """What of these members is another now: each with what it was, ``from``, and what it is, ``to``."""
    return {name: {"from": before.get(name), "to": value} for name, value in after.items() if value != before.get(name)}
