"""Changes by operators and owners of endpoints, once for an idempotency key: in the transaction of the change."""

from collections.abc import Callable
from datetime import datetime
from typing import TypeVar

from sqlalchemy import Connection

from countermand.domain.idempotency import IdempotencyKey, KeptAnswer
from countermand.store.idempotency import claim, find, keep_reply

T = TypeVar("T")


def once(
    connection: Connection,
    now: datetime,
    key: IdempotencyKey,
    act: Callable[[Connection], T],
    reply: Callable[[T], bytes],
) -> T | KeptAnswer:
    """Make a change once for a key. Returns its result, or what is kept of the first call with this key.

    ``reply`` makes of the result what the caller gets again. Nothing is kept of a change that failed.
    """
    kept = find(connection, key)
    if kept is None and not claim(connection, key, now):
        # A twin was quicker, and this call waited for it.
        kept = find(connection, key)
    if kept is not None:
        return kept
    result = act(connection)
    keep_reply(connection, key, reply(result))
    return result
