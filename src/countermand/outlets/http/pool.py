"""Connections that are good for another call."""

from collections import OrderedDict
from time import monotonic
from typing import Final

from countermand.outlets.http.connection import Exchange

IDLE_MAX: Final = 512
PER_ORIGIN_MAX: Final = 64
"""Calls to one host often end together; with fewer places most of their connections would be made anew."""
IDLE_S: Final = 15.0
AGE_MAX_S: Final = 300.0
"""A connection is not kept for longer than this, so that a host which moved is looked up again."""

Origin = tuple[str, str, int]


class IdleConnections:
    """Keeps connections by origin, a bounded number of them for a bounded time."""

    def __init__(self) -> None:
        self._waiting: OrderedDict[Exchange, tuple[Origin, float]] = OrderedDict()
        self._of: dict[Origin, list[Exchange]] = {}

    def keep(self, origin: Origin, exchange: Exchange) -> None:
        """Keep a connection for the next call, or end it."""
        now = monotonic()
        of_origin = self._of.get(origin, ())
        if not exchange.usable or now - exchange.opened_at > AGE_MAX_S or len(of_origin) >= PER_ORIGIN_MAX:
            exchange.abort()
            return
        self._waiting[exchange] = origin, now
        self._of.setdefault(origin, []).append(exchange)
        self._drop_oldest(now)

    def take(self, origin: Origin) -> Exchange | None:
        """The connection to this origin that was used last, if there is one that can be used."""
        while of_origin := self._of.get(origin):
            exchange = of_origin[-1]
            _, since = self._waiting[exchange]
            self._remove(exchange)
            if exchange.usable and monotonic() - since <= IDLE_S:
                return exchange
            exchange.abort()
        return None

    def clear(self) -> None:
        """End all of them."""
        for exchange in list(self._waiting):
            self._remove(exchange)
            exchange.abort()

    def _drop_oldest(self, now: float) -> None:
        while self._waiting:
            exchange, (_, since) = next(iter(self._waiting.items()))
            if len(self._waiting) <= IDLE_MAX and now - since <= IDLE_S:
                return
            self._remove(exchange)
            exchange.abort()

    def _remove(self, exchange: Exchange) -> None:
        origin, _ = self._waiting.pop(exchange)
        of_origin = self._of[origin]
        of_origin.remove(exchange)
        if not of_origin:
            del self._of[origin]
