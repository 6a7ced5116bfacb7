"""How the tables of a plain database get on the servers of a Citus cluster, and how they move there.

Every step looks in Citus' own catalogue whether it is done, so a run that was broken off is taken up by the next one.
A table is distributed while others write to it; at the end of each, writes to it wait for a moment. Foreign keys are
dropped before and added again at the end, as Citus lets a table refer only to one that is where it belongs. Meanwhile
the service's own rules hold what they hold.

Citus refuses policies of row-level security that look into other rows, so those are dropped. Without them a role that
is bound by such policies sees less, and the service refuses to run as one.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from sqlalchemy import Connection, ForeignKeyConstraint, text
from sqlalchemy.dialects import postgresql
from sqlalchemy.schema import AddConstraint

from countermand.store import tables as t
from countermand.store.engines.protocol import Layout, Move, Server, SpreadTable, UnspreadableError

FIRST: Final = "orders"
"""The table that the others of a retailer stand beside."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One statement, which is its own transaction, and what it does in words."""

    sentence: str
    statement: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Placed:
    """Where the tables are by now: spread, whole everywhere, and their foreign keys by name, each with its table.

    ``policies`` are those that Citus refuses, each a table and a name.
    """

    spread: frozenset[str]
    everywhere: frozenset[str]
    keys: Mapping[str, str]
    policies: Sequence[tuple[str, str]]


def placed(connection: Connection) -> Placed:
    """What the catalogue says."""
    rows = connection.execute(_PARTITIONS).all()
    return Placed(
        spread=frozenset(row.name for row in rows if row.method == "h"),
        everywhere=frozenset(row.name for row in rows if row.method == "n" and row.model == "t"),
        keys={row.name: row.table for row in connection.execute(_KEYS)},
        policies=[(row.table, row.name) for row in connection.execute(_POLICIES)],
    )


def steps_left(now: Placed, *, blocks_writes: bool) -> list[Step]:
    """What is still to do, in order."""
    moving = [*_everywhere_left(now), *_spread_left(now)]
    steps = [
        Step(
            sentence=f"{table}: the policy {name} is dropped, as it looks into other rows",
            statement=f"DROP POLICY {name} ON {table}",
        )
        for table, name in now.policies
    ]
    steps += _dropped(now, moving)
    steps += [
        Step(sentence=f"{name}: every server gets all rows", statement=f"SELECT create_reference_table('{name}')")
        for name in _everywhere_left(now)
    ]
    steps += [_distribute(name, blocks_writes) for name in _spread_left(now)]
    held = now.keys.keys() - {name for name, table in now.keys.items() if _concerns(name, table, moving)}
    steps += [
        Step(
            sentence=f"{key.name}: refers again",
            statement=str(AddConstraint(key, isolate_from_table=False).compile(dialect=_DIALECT)),
        )
        for key in _foreign_keys()
        if key.name not in held
    ]
    return steps


def _everywhere_left(now: Placed) -> list[str]:
    return [table.name for table in _SORTED if table.name in t.WHOLE_EVERYWHERE - now.everywhere]


def _spread_left(now: Placed) -> list[str]:
    names = [FIRST, *(table.name for table in _SORTED if table.name != FIRST and t.spread_by(table.name))]
    return [name for name in names if name not in now.spread]


def _dropped(now: Placed, moving: Sequence[str]) -> Iterator[Step]:
    for name, table in now.keys.items():
        if _concerns(name, table, moving):
            statement = f"ALTER TABLE {table} DROP CONSTRAINT {name}"
            yield Step(sentence=f"{name}: dropped until the tables are where they belong", statement=statement)


def _concerns(name: str, table: str, moving: Sequence[str]) -> bool:
    """Whether a foreign key is of or to a table that moves."""
    referred = {str(key.name): key.referred_table.name for key in _foreign_keys()}
    return table in moving or referred.get(name) in moving


def _distribute(name: str, blocks_writes: bool) -> Step:
    beside = FIRST if t.spread_by(name) == "retailer_id" and name != FIRST else "none"
    call = "create_distributed_table" if blocks_writes else "create_distributed_table_concurrently"
    key = t.spread_by(name)
    return Step(
        sentence=f"{name}: spread by {key}",
        statement=f"SELECT {call}('{name}', '{key}', colocate_with => '{beside}')",
    )


def _foreign_keys() -> Iterator[ForeignKeyConstraint]:
    for table in _SORTED:
        yield from sorted(table.foreign_key_constraints, key=lambda key: str(key.name))


# Whether it can be


def check_ready(connection: Connection, *, blocks_writes: bool) -> None:
    """The cluster has servers that take shards, and what it needs to copy tables that are written to.

    Raises:
        UnspreadableError: it lacks something.
    """
    nodes = connection.execute(_NODES).all()
    if not any(node.groupid == 0 for node in nodes):
        raise UnspreadableError(
            "The coordinator does not know its own address. Run SELECT citus_set_coordinator_host('HOST', PORT) with"
            " an address at which the other servers reach it."
        )
    if not any(node.shouldhaveshards and node.isactive for node in nodes):
        raise UnspreadableError(
            "The cluster has no server that takes shards. Add one: SELECT citus_add_node('HOST', PORT)."
        )
    if blocks_writes:
        return
    if (level := connection.exec_driver_sql("SHOW wal_level").scalar_one()) != "logical":
        raise UnspreadableError(
            f"Tables are copied by logical replication while they are written to, and wal_level is {level}. Set"
            " wal_level = logical on every server and restart them, or have writes wait: --block-writes."
        )


# Where all is, and moves


def layout(connection: Connection) -> Layout:
    """The servers with their shards, the tables, and what is not done."""
    now = placed(connection)
    shards = {(row.nodename, row.nodeport): row for row in connection.execute(_SHARDS_OF_NODES)}
    sizes = {row.name: row for row in connection.execute(_SHARDS_OF_TABLES)}
    servers = [
        Server(
            name=f"{node.nodename}:{node.nodeport}",
            is_coordinator=node.groupid == 0,
            is_active=node.isactive,
            takes_shards=node.shouldhaveshards,
            shards=getattr(shards.get((node.nodename, node.nodeport)), "shards", 0),
            bytes=getattr(shards.get((node.nodename, node.nodeport)), "bytes", 0),
        )
        for node in connection.execute(_NODES)
    ]
    tables = [
        SpreadTable(
            name=name,
            key=t.spread_by(name) if name in now.spread else None,
            shards=getattr(sizes.get(name), "shards", 0),
            bytes=getattr(sizes.get(name), "bytes", 0),
        )
        for name in sorted(now.spread | now.everywhere)
        if name in t.metadata.tables
    ]
    lacking = [step.sentence for step in steps_left(now, blocks_writes=False)]
    kind = "Citus: the tables are spread by retailer." if not lacking else "Citus: not all tables are spread yet."
    return Layout(kind=kind, servers=servers, tables=tables, lacking=lacking)


def stop_giving_shards(connection: Connection, server: str) -> None:
    """Give a server no more shards.

    Raises:
        UnspreadableError: there is no such server.
    """
    host, _, port = server.rpartition(":")
    if not port.isdecimal() or not connection.execute(_NODE, {"host": host, "port": int(port)}).first():
        raise UnspreadableError(f"The cluster has no server {server}. `countermand db status` lists them: HOST:PORT.")
    connection.execute(_TAKES_NONE, {"host": host, "port": int(port)})


def begin_moving(connection: Connection, *, drains: bool) -> int | None:
    """The job that moves shards: the one that is under way, or a new one; ``None`` if none has to move."""
    under_way: int | None = connection.execute(_UNDER_WAY).scalar()
    return under_way or connection.execute(_BEGIN, {"drains": drains}).scalar()


def moving(connection: Connection, job: int) -> Move:
    """How far it is."""
    row = connection.execute(_JOB, {"job": job}).one()
    return Move(job=job, state=row.state, done=row.done, total=row.total)


_SORTED: Final = t.metadata.sorted_tables
_DIALECT: Final = postgresql.dialect()  # type: ignore[no-untyped-call]
_PARTITIONS: Final = text(
    "SELECT c.relname AS name, CAST(p.partmethod AS TEXT) AS method, CAST(p.repmodel AS TEXT) AS model"
    " FROM pg_dist_partition AS p JOIN pg_class AS c ON c.oid = p.logicalrelid"
    " WHERE c.relnamespace = CAST(current_schema() AS REGNAMESPACE)"
)
_KEYS: Final = text(
    "SELECT f.conname AS name, c.relname AS table FROM pg_constraint AS f JOIN pg_class AS c ON c.oid = f.conrelid"
    " WHERE f.contype = 'f' AND c.relnamespace = CAST(current_schema() AS REGNAMESPACE) ORDER BY f.conname"
)
_POLICIES: Final = text(
    "SELECT c.relname AS table, p.polname AS name FROM pg_policy AS p JOIN pg_class AS c ON c.oid = p.polrelid"
    " WHERE c.relnamespace = CAST(current_schema() AS REGNAMESPACE)"
    " AND concat(p.polqual, p.polwithcheck) LIKE '%{SUBLINK %' ORDER BY c.relname, p.polname"
)
_NODES: Final = text(
    "SELECT nodename, nodeport, groupid, isactive, shouldhaveshards FROM pg_dist_node"
    " WHERE noderole = 'primary' ORDER BY groupid"
)
_NODE: Final = text("SELECT 1 FROM pg_dist_node WHERE nodename = :host AND nodeport = :port AND groupid <> 0")
_TAKES_NONE: Final = text("SELECT citus_set_node_property(:host, :port, 'shouldhaveshards', false)")
_SHARDS_OF_NODES: Final = text(
    "SELECT nodename, nodeport, count(*) AS shards, CAST(sum(shard_size) AS BIGINT) AS bytes FROM citus_shards"
    " GROUP BY nodename, nodeport"
)
_SHARDS_OF_TABLES: Final = text(
    "SELECT CAST(table_name AS TEXT) AS name, count(*) AS shards, CAST(sum(shard_size) AS BIGINT) AS bytes"
    " FROM citus_shards GROUP BY table_name"
)
_UNDER_WAY: Final = text(
    "SELECT job_id FROM pg_dist_background_job WHERE job_type = 'rebalance'"
    " AND CAST(state AS TEXT) IN ('scheduled', 'running', 'cancelling', 'failing') ORDER BY job_id LIMIT 1"
)
_BEGIN: Final = text("SELECT citus_rebalance_start(drain_only => CAST(:drains AS BOOLEAN))")
_JOB: Final = text(
    "SELECT CAST(j.state AS TEXT) AS state, count(k.task_id) FILTER (WHERE CAST(k.status AS TEXT) = 'done') AS done,"
    " count(k.task_id) AS total FROM pg_dist_background_job AS j"
    " LEFT JOIN pg_dist_background_task AS k ON k.job_id = j.job_id WHERE j.job_id = :job GROUP BY j.state"
)
