"""Which engines there are. One more has a folder of its own here, and a name in this list."""

from typing import Any, Final

from sqlalchemy import make_url

from countermand.store.engines.citus.engine import CitusEngine
from countermand.store.engines.postgresql.engine import PostgresEngine
from countermand.store.engines.protocol import Database, Engine, Opening, UnsafeDatabaseError
from countermand.store.engines.sqlite.engine import SqliteEngine

ENGINES: Final[tuple[Engine, ...]] = (PostgresEngine(), SqliteEngine())

_CITUS: Final = CitusEngine()
"""Has PostgreSQL's addresses: whether it is one, the server says."""


async def open_database(url: str, **how: Any) -> Database:
    """Open the database that ``url`` names and check that it keeps what is committed; see ``Opening`` for the rest.

    Raises:
        UnsafeDatabaseError: its address makes no sense, or its settings, or the library's version, would lose
            acknowledged calls.
    """
    opening = Opening(**how)
    database = await engine_for(url).open(url, opening)
    try:
        is_citus = isinstance(database.engine, PostgresEngine) and await database.read(_CITUS.is_there)
    except BaseException:
        await database.close()
        raise
    if not is_citus:
        return database
    await database.close()
    return await _CITUS.open(url, opening)


def shown(url: str) -> str:
    """The URL of a database as it may be shown: without its secrets."""
    return engine_for(url).shown(url)


def engine_for(url: str) -> Engine:
    """Whose database this is.

    Raises:
        UnsafeDatabaseError: nobody's here.
    """
    for engine in ENGINES:
        if engine.serves(url):
            return engine
    name = make_url(url).get_backend_name()
    raise UnsafeDatabaseError(f"{name} is not supported. Use sqlite:///… or postgresql://….")
