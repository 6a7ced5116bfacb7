"""All that a batch writes, and what its rows are made with."""

from dataclasses import dataclass, field
from datetime import datetime
from operator import itemgetter
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Connection

from countermand.domain.cancellation import NewId
from countermand.service.agreements import Numbers
from countermand.store import statements as sql
from countermand.store.bulk import write
from countermand.store.handovers import hand_over
from countermand.store.parts import Moved, move
from countermand.store.score_cards import Touched, make_stale

Row = dict[str, Any]

_KEYS: Final = {
    "idempotency_records": itemgetter("retailer_id", "caller", "key"),
    "id_directory": itemgetter("id"),
    "payment_directory": itemgetter("provider", "reference"),
    "connections": itemgetter("retailer_id", "supplier_id"),
    "order_keys": itemgetter("retailer_id", "key", "placed_at", "order_id"),
}
"""Where two batches can meet at one key. They wait for each other in one order."""


@dataclass(slots=True)
class Rows:
    """Rows to write: ``new`` and ``changed`` ones by table, process statuses that are ``settled``, and ``parcels``.

    ``terms`` are those of orders that were paid later, ``moved`` lines that have another fulfiller, ``scored`` whose
    cards change. All are made of the time of their batch, ``now``, of fresh ids and of bol's numbers.
    """

    now: datetime
    new_id: NewId
    numbers: Numbers
    new: dict[str, list[Row]] = field(default_factory=dict)
    changed: dict[str, list[Row]] = field(default_factory=dict)
    settled: list[Row] = field(default_factory=list)
    parcels: list[Row] = field(default_factory=list)
    terms: list[Row] = field(default_factory=list)
    moved: list[Moved] = field(default_factory=list)
    scored: set[Touched] = field(default_factory=set)

    def add(self, table: str, **values: Any) -> None:
        """Insert a row, which names every column."""
        self.new.setdefault(table, []).append(values)

    def connect(self, retailer: UUID, supplier: UUID) -> None:
        """They know each other from now on, if they did not before."""
        known = self.new.setdefault("connections", [])
        if not any((each["retailer_id"], each["supplier_id"]) == (retailer, supplier) for each in known):
            self.add("connections", retailer_id=retailer, supplier_id=supplier, since=self.now)

    def change(self, table: str, retailer: UUID, of_id: UUID, values: Row) -> None:
        """Update a row that is stored. ``values`` has at least the columns of ``statements.CHANGED_COLUMNS``."""
        changed = {f"new_{name}": values[name] for name in sql.CHANGED_COLUMNS[table]}
        self.changed.setdefault(table, []).append({"of_retailer": retailer, "of_id": of_id, **changed})

    def save(self, connection: Connection) -> None:
        """Write everything, parents before children; a constant number of statements."""
        for table, key in _KEYS.items():
            self.new.get(table, []).sort(key=key)
        write(connection, self.changed, self.new)
        if self.settled:
            connection.execute(sql.SETTLE_PROCESSES, self.settled)
        if self.parcels:
            connection.execute(sql.CHANGE_PARCEL, self.parcels)
        if self.terms:
            connection.execute(sql.CHANGE_TERMS, self.terms)
        move(connection, self.moved)
        hand_over(connection, self.moved)
        make_stale(connection, self.scored)
