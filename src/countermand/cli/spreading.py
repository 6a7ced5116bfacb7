"""Commands about the servers that a database is spread over."""

import asyncio
from collections.abc import Coroutine
from functools import partial
from typing import Annotated, Any, Final, TypeVar

from cyclopts import Parameter

from countermand.cli.keeping import Progress
from countermand.cli.output import CommandError, Exit, manners, print_json, print_table, report, say
from countermand.cli.running import DatabaseFlag, JsonFlag, read_settings, run
from countermand.road import opened_database
from countermand.settings import Settings
from countermand.store.engines.protocol import Layout, Move, UnspreadableError

T = TypeVar("T")

LOOK_EVERY_S: Final = 2.0
"""Between two looks at how far shards have moved."""


def db_status(*, database: DatabaseFlag = None, json: JsonFlag = False) -> None:
    """Show over which servers the database is spread, and what is on each."""
    layout = _run(_layout(_settings(database)))
    if json:
        print_json(_document(layout))
        return
    say(layout.kind)
    servers = [
        (each.name, _part_of(each.is_coordinator, each.is_active, each.takes_shards), each.shards, _size(each.bytes))
        for each in layout.servers
    ]
    if layout.servers:
        print_table(("Server", "Part", "Shards", "Size"), servers, empty="")
        tables = [(each.name, each.key or "whole everywhere", each.shards, _size(each.bytes)) for each in layout.tables]
        print_table(("Table", "Spread by", "Shards", "Size"), tables, empty="No table is spread yet.")
    for each in layout.lacking:
        say(f"To do: {each}")
    if layout.lacking:
        say("`countermand db distribute` does it.")


def db_distribute(
    *,
    database: DatabaseFlag = None,
    block_writes: Annotated[
        bool, Parameter(negative=(), help="Have writes wait, table by table, where wal_level is not logical")
    ] = False,
    json: JsonFlag = False,
) -> None:
    """Spread the tables over the servers of a Citus cluster, while others write. A run that broke off is taken up."""
    settings = _settings(database)

    async def job() -> tuple[Layout, Layout]:
        async with opened_database(settings, creates=False, dry_run=manners.dry_run) as opened:
            before = await opened.read(opened.engine.layout)
            await opened.engine.spread(opened, _Steps(), blocks_writes=block_writes)
            return before, await opened.read(opened.engine.layout)

    before, after = _run(job())
    done = "would be done; nothing was written" if manners.dry_run else "done"
    sentence = f"{len(before.lacking)} steps {done}. {after.kind}"
    report(sentence, json=json, steps=list(before.lacking), left=list(after.lacking))


def db_rebalance(
    *,
    database: DatabaseFlag = None,
    drain: Annotated[
        str | None, Parameter(help="Move all away from this server, HOST:PORT, and give it no more", negative=())
    ] = None,
    json: JsonFlag = False,
) -> None:
    """Move shards until every server has its share, while others write. It goes on when this command is broken off."""
    settings = _settings(database)

    async def job() -> Move | None:
        async with opened_database(settings, creates=False) as opened:
            if manners.dry_run:
                await opened.read(opened.engine.layout)
                return None
            move = await opened.engine.begin_moving(opened, drain)
            while move is not None and not move.has_ended:
                say(f"Job {move.job}: {move.done} of {move.total} moved")
                await asyncio.sleep(LOOK_EVERY_S)
                move = await opened.read(partial(opened.engine.moving, job=move.job))
            return move

    move = _run(job())
    if move is None:
        report("Nothing has to move.", json=json, job=None)
        return
    if move.state != "finished":
        message = f"Job {move.job} is {move.state}: {move.done} of {move.total} moved."
        raise CommandError(Exit.FAILED, "not_rebalanced", message, "citus_rebalance_status() says more.")
    report(f"Job {move.job}: {move.done} moved.", json=json, job=move.job, moved=move.done)


class _Steps(Progress):
    """Says every step, as each may take long."""

    def __call__(self, part: str, done: int, of: int = 0) -> None:
        """Say it."""
        say(f"{done + 1} of {of}: {part}")


def _settings(database: str | None) -> Settings:
    """With as much time as it takes."""
    return read_settings(database=database).model_copy(update={"read_timeout_s": 0.0, "database_timeout_s": 0.0})


async def _layout(settings: Settings) -> Layout:
    async with opened_database(settings, creates=False) as opened:
        return await opened.read(opened.engine.layout)


def _run(job: Coroutine[Any, Any, T]) -> T:
    async def told() -> T:
        try:
            return await job
        except UnspreadableError as error:
            raise CommandError(Exit.REFUSED, "not_spreadable", str(error)) from error

    return run(told())


def _part_of(is_coordinator: bool, is_active: bool, takes_shards: bool) -> str:
    words = ["coordinator"] if is_coordinator else []
    words += ["takes shards" if takes_shards else "takes none"]
    words += [] if is_active else ["not active"]
    return ", ".join(words)


def _size(count: int) -> str:
    return f"{count / 1e6:,.1f} MB"


def _document(layout: Layout) -> dict[str, Any]:
    return {
        "kind": layout.kind,
        "servers": [
            {
                "name": each.name,
                "is_coordinator": each.is_coordinator,
                "is_active": each.is_active,
                "takes_shards": each.takes_shards,
                "shards": each.shards,
                "bytes": each.bytes,
            }
            for each in layout.servers
        ],
        "tables": [
            {"name": each.name, "key": each.key, "shards": each.shards, "bytes": each.bytes} for each in layout.tables
        ],
        "lacking": list(layout.lacking),
    }
