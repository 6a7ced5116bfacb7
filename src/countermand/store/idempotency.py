"""What was answered to idempotency keys."""

import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from operator import attrgetter
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Connection, bindparam, select, tuple_, update

from countermand.domain.idempotency import IdempotencyKey, KeptAnswer
from countermand.store import tables as t
from countermand.store.changes import change_any, change_exactly
from countermand.store.columns import Record
from countermand.store.engines.protocol import engine_of
from countermand.store.views import views

_RECORDS = t.idempotency_records


def kept_answer(row: Record) -> KeptAnswer:
    """The answer in a row."""
    reply = None if row.reply is None else zlib.decompress(row.reply)
    return KeptAnswer(fingerprint=row.fingerprint, answer=row.answer, at=row.created_at, parts=row.parts, reply=reply)


def find(connection: Connection, once: IdempotencyKey) -> KeptAnswer | None:
    """The answer under a key in its party's space, where earlier versions kept it too."""
    places = [(owner, caller, once.key) for owner, caller in once.places(None)]
    rows = connection.execute(_OF_KEYS, {"places": places}).all()
    return kept_answer(rows[0]) if rows else None


_OF_KEYS: Final = select(_RECORDS).where(
    tuple_(_RECORDS.c.retailer_id, _RECORDS.c.caller, _RECORDS.c.key).in_(bindparam("places", expanding=True))
)


@dataclass(frozen=True, slots=True, kw_only=True)
class FirstUse:
    """Which key that begins so was used first, and when."""

    key: str
    created_at: datetime


def first_use(connection: Connection, retailer: UUID, caller: str, beginning: str) -> FirstUse | None:
    """The first use of the keys that begin with these hexadecimal digits and a space, if there was one."""
    # After every such key, by whatever language the database sorts: no digit is a g.
    beyond = f"{beginning}g"
    query = select(_RECORDS.c.key, _RECORDS.c.created_at).where(
        _RECORDS.c.retailer_id == retailer,
        _RECORDS.c.caller == caller,
        _RECORDS.c.key > beginning,
        _RECORDS.c.key < beyond,
    )
    rows = views(FirstUse, connection.execute(query))
    return min(rows, key=attrgetter("created_at"), default=None)


def claim(connection: Connection, once: IdempotencyKey, now: datetime) -> bool:
    """Take a key that is free. Waits for a call that has taken it and is not done, and says whether it is ours."""
    values = {
        "retailer_id": once.party,
        "caller": once.caller,
        "key": once.key,
        "fingerprint": once.fingerprint,
        "answer": {},
        "created_at": now,
        "parts": once.parts,
        "reply": None,
        "order_id": None,
    }
    return connection.execute(engine_of(connection).insert_unless_there(_RECORDS), values).rowcount == 1


def keep_reply(connection: Connection, once: IdempotencyKey, reply: bytes) -> None:
    """Keep the reply under a key that was claimed."""
    mine = (_RECORDS.c.retailer_id == once.party, _RECORDS.c.caller == once.caller, _RECORDS.c.key == once.key)
    change_exactly(connection, 1, update(_RECORDS).where(*mine).values(reply=zlib.compress(reply)))


def keep(connection: Connection, records: Sequence[dict[str, Any]]) -> None:
    """Keep answers with their replies."""
    rows = [{**each, "reply": zlib.compress(each["reply"])} for each in records]
    engine_of(connection).write(connection, {}, {"idempotency_records": rows}, frozenset())


def forget_replies(connection: Connection, order: UUID) -> None:
    """Forget the replies that show an order, which may hold its customer's data. None may be there."""
    change_any(connection, update(_RECORDS).where(_RECORDS.c.order_id == order).values(reply=None))
