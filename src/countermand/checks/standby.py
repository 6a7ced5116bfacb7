"""The standby for lists, as `check` and `doctor` find it."""

from countermand.checks.finding import Finding, fine, warning
from countermand.store.engines.protocol import Database


async def standby(database: Database) -> Finding:
    """Whether it answers, and is not too far behind. If not, nothing fails: lists are read at the primary."""
    fault = await database.standby_fault()
    if fault is None:
        return fine("standby", "It answers, and is not behind.")
    return warning(
        "standby", fault, "Lists are read at the primary until it answers again. See docs/how-to/standbys.md."
    )
