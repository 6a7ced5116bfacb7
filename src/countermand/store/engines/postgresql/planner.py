"""How PostgreSQL finds rows: by their keys, one after the other, whatever it believes of a table (docs/decisions/0042).

It takes a list of ids for a hundred, so it reads a table of some thousand lines whole to find one of them. And a plan
is kept until the table has new statistics, however much it grows until then.
"""

from collections.abc import Mapping
from typing import Final

from sqlalchemy import Connection, func, literal, select

_OTHER_WAYS: Final = ("enable_seqscan", "enable_hashjoin", "enable_mergejoin")

BY_KEYS: Final[Mapping[str, str]] = {
    **dict.fromkeys((*_OTHER_WAYS, "jit"), "off"),
    "plan_cache_mode": "force_generic_plan",
}
"""Settings of a connection. A statement has one plan, whatever it is asked for. Servers before version 18 take a plan
that cannot do without what is off for so dear that they would compile it."""


def from_here(settings: Mapping[str, str]) -> str:
    """The commands that make settings for one transaction: behind a pooler a connection cannot be had with them."""
    return "".join(f"SET LOCAL {name} = {value};" for name, value in settings.items())


def plan_freely(connection: Connection) -> None:
    """Let this transaction, which changes most rows of a table, read it whole and join it as the server thinks best."""
    connection.execute(select(*(func.set_config(name, "on", literal(value=True)) for name in _OTHER_WAYS)))
