"""A signature does not cover the body (docs/plaza.md): it is good for one body about one item, and no other.

What was sent under a signature is kept with its effect, as under an idempotency key. So a client that repeats a call
gets the same process status, and the same signature with another body is refused, also after a restart and by every
other process. Of a cancellation only the reason counts: its time is a claim that decides nothing, and a client that
tries again in the same second claims another.

A date has seconds, and the item of a shipment is in its body: a client that reports several parcels in one second signs
them all alike. These are let in while they can be of one second, and by this process only as long as it remembers.
"""

from collections import OrderedDict
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Final

from countermand.service.calls import IdempotencyKey

SIGNATURES_MAX: Final = 100_000
SECOND: Final = timedelta(seconds=5)
"""How far apart calls of one second arrive."""


class Signatures:
    """Which signatures were used, about which item, and when first."""

    def __init__(self) -> None:
        self._first: OrderedDict[str, tuple[str, datetime]] = OrderedDict()

    def once(self, authorization: str, said: bytes, entity: str, now: datetime) -> IdempotencyKey | None:
        """What makes a repeat of a call the same call; nothing where its signature was another item's."""
        used = sha256(authorization.encode("utf-8", "surrogatepass")).hexdigest()
        item, at = self._first.setdefault(used, (entity, now))
        if len(self._first) > SIGNATURES_MAX:
            self._first.popitem(last=False)
        if item != entity and now - at > SECOND:
            return None
        return IdempotencyKey(caller="plaza signature", key=f"{used} {entity}", fingerprint=sha256(said).hexdigest())
