"""The audit trail of changes that are no event of a line: who changed which party, user or credential, and when."""

from collections.abc import Mapping
from dataclasses import dataclass, field
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
    """What was done, to which party, user or credential of which party. ``detail`` holds no secret."""

    action: Action
    party: UUID
    target: UUID
    detail: Mapping[str, Any] = field(default_factory=dict)


def record(connection: Connection, author: Author, change: Change) -> None:
    """Write a change to the audit trail, in the transaction that makes it."""
    connection.execute(
        insert(t.audit).values(
            id=author.ids.new(),
            party_id=change.party,
            object_id=change.target,
            action=change.action.value,
            by=author.name,
            door=author.door,
            at=author.at,
            detail={**change.detail, **({"request_id": author.request_id} if author.request_id else {})},
        )
    )
