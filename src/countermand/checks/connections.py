"""Whether the database server lets all processes of the service connect, as `check` finds it."""

from countermand.checks.finding import Finding, fine, warning
from countermand.settings import Settings
from countermand.store.engines.protocol import Database


async def connections(settings: Settings, database: Database) -> Finding | None:
    """What the processes of this machine need, and what the server allows; nothing of a file, or of a pooler."""
    needed = settings.processes * database.engine.connections_needed(settings.lanes)
    allowed = await database.read(database.engine.connections_allowed)
    if allowed is None or settings.database_pooler:
        return None
    several = "1 process opens" if settings.processes == 1 else f"{settings.processes} processes open"
    sentence = f"{several} up to {needed} connections to the database, and the server allows this role {allowed}."
    if needed <= allowed:
        return fine("connections", sentence)
    return warning(
        "connections",
        sentence,
        "Raise its max_connections or the limit of the role, or run fewer processes: see docs/how-to/processes.md.",
    )
