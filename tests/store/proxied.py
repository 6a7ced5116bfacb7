"""A service whose connections to PostgreSQL go through a proxy."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from tests.support import templates
from tests.support.pgnode import Node
from tests.support.pgproxy import PgProxy
from tests.support.world import Clock, World, populate, running


@asynccontextmanager
async def proxied(postgres: Node, clock: Clock) -> AsyncIterator[tuple[World, PgProxy]]:
    """A world with one lane on a new database, and the proxy in front of it."""
    name = templates.new_database(postgres).rpartition("/")[2]
    async with PgProxy(postgres.port) as proxy:
        url = f"postgresql://postgres@127.0.0.1:{proxy.port}/{name}?sslmode=disable"
        async with running(url, clock, lanes=1, database_timeout_s=10.0) as application:
            yield await populate(application, clock), proxy
