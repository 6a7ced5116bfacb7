"""Which reads may show what was true a moment ago: lists, where a standby answers them (docs/how-to/standbys.md)."""

from contextvars import ContextVar
from typing import Final

may_be_late: Final[ContextVar[bool]] = ContextVar("may_be_late", default=False)
"""Whether the reads of this call may be behind, by as much as the setting ``standby_lag_s`` says."""
