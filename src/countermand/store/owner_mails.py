"""E-mails about endpoints: that one was stopped, to its people, or that a mailbox is to be confirmed, to that one.

Like notices they are rows of the transaction that makes them due.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Connection, bindparam, insert, literal_column, select, update

from countermand.domain.addresses.kinds import kind_of
from countermand.store import tables as t
from countermand.store.changes import change_any
from countermand.store.codecs import partition_of
from countermand.store.columns import NumberList, one_of
from countermand.store.views import views


def owe(connection: Connection, endpoint: UUID, why: str, now: datetime) -> None:
    """Queue e-mails to all mailboxes of a party: its endpoint was stopped."""
    party = connection.execute(select(t.endpoints.c.party_id).where(t.endpoints.c.id == endpoint)).scalar_one()
    rows = [_due(endpoint, party, address, now, why=why) for address in _addresses(connection, party, endpoint)]
    if rows:
        connection.execute(insert(t.owner_mails), rows)


def owe_confirmation(
    connection: Connection, *, endpoint: UUID, party: UUID, address: str, recipient: str, now: datetime
) -> None:
    """Queue an e-mail that asks a mailbox to confirm. Once for one ``now``."""
    row = _due(endpoint, party, address, now, recipient=recipient)
    if not connection.execute(select(t.owner_mails.c.address).where(*_key(row))).first():
        connection.execute(insert(t.owner_mails), [row])


def confirmations_to(connection: Connection, recipient: str, since: datetime) -> Sequence[datetime]:
    """When somebody was sent confirmations since then, whichever party had the mailbox registered; oldest first."""
    mails = t.owner_mails.c
    query = select(mails.created_at).where(mails.recipient == recipient, mails.created_at > since)
    return connection.execute(query.order_by(mails.created_at)).scalars().all()


def confirmations_of(connection: Connection, party: UUID, since: datetime) -> Sequence[datetime]:
    """When confirmations were sent since then for mailboxes of a party, those it has removed included; oldest first."""
    mails = t.owner_mails.c
    query = (
        select(mails.created_at)
        .join(t.endpoints, t.endpoints.c.id == mails.endpoint_id)
        .where(t.endpoints.c.party_id == party, mails.recipient.is_not(None), mails.created_at > since)
    )
    return connection.execute(query.order_by(mails.created_at)).scalars().all()


def _due(
    endpoint: UUID, party: UUID, address: str, now: datetime, *, why: str = "", recipient: str | None = None
) -> dict[str, Any]:
    return {
        "endpoint_id": endpoint,
        "created_at": now,
        "address": address,
        "partition": partition_of(party),
        "why": why,
        "recipient": recipient,
        "state": "due",
        "attempts": 0,
        "due_at": now,
        "last_result": "",
    }


def _key(row: dict[str, Any]) -> list[ColumnElement[bool]]:
    return [t.owner_mails.c[name] == row[name] for name in ("endpoint_id", "created_at", "address")]


@dataclass(frozen=True, slots=True, kw_only=True)
class DueMail:
    """An e-mail that is to be sent now, with its party and what its endpoint is now."""

    endpoint_id: UUID
    created_at: datetime
    address: str
    partition: int
    why: str
    recipient: str | None
    attempts: int
    url: str
    endpoint_state: str
    unconfirmed_since: datetime | None
    party_name: str


def due(connection: Connection, now: datetime, limit: int, partitions: Collection[int]) -> Sequence[DueMail]:
    """What is due in these partitions, the oldest first, with its party and what its endpoint is now."""
    mails = t.owner_mails.c
    query = (
        select(
            mails.endpoint_id,
            mails.created_at,
            mails.address,
            mails.partition,
            mails.why,
            mails.recipient,
            mails.attempts,
            t.endpoints.c.url,
            t.endpoints.c.state.label("endpoint_state"),
            t.endpoints.c.unconfirmed_since,
            t.parties.c.name.label("party_name"),
        )
        .join(t.endpoints, t.endpoints.c.id == mails.endpoint_id)
        .join(t.parties, t.parties.c.id == t.endpoints.c.party_id)
        .where(
            one_of(mails.partition, bindparam("partitions", type_=NumberList())),
            mails.state == literal_column("'due'"),
            mails.due_at <= now,
        )
        .order_by(mails.due_at, mails.endpoint_id, mails.address)
        .limit(limit)
    )
    return views(DueMail, connection.execute(query, {"partitions": sorted(partitions)}))


def settle(
    connection: Connection,
    mail: DueMail,
    fence: int,
    now: datetime,
    *,
    state: str,
    due_at: datetime | None,
    result: str,
) -> bool:
    """Write down what an attempt came to, if the mail is still this worker's to settle. Whether it was."""
    mails = t.owner_mails.c
    whose = select(t.partitions.c.fence).where(t.partitions.c.number == mails.partition).scalar_subquery()
    change = (
        update(t.owner_mails)
        .where(
            mails.endpoint_id == mail.endpoint_id,
            mails.created_at == mail.created_at,
            mails.address == mail.address,
            mails.attempts == mail.attempts,
            mails.state == literal_column("'due'"),
            whose == fence,
        )
        .values(state=state, attempts=mail.attempts + 1, due_at=due_at, last_result=result, attempted_at=now)
    )
    return change_any(connection, change) == 1


def _addresses(connection: Connection, party: UUID, endpoint: UUID) -> list[str]:
    """The other mailboxes of the party that are confirmed, else those of its users, whom an operator has added."""
    urls = select(t.endpoints.c.url).where(
        t.endpoints.c.party_id == party,
        t.endpoints.c.id != endpoint,
        t.endpoints.c.state == "active",
        t.endpoints.c.unconfirmed_since.is_(None),
    )
    found = {mailbox for url in connection.execute(urls).scalars() if (mailbox := kind_of(url).mailbox(url))}
    users = select(t.users.c.email).where(t.users.c.party_id == party, t.users.c.status == "active")
    return sorted(found or set(connection.execute(users).scalars()))
