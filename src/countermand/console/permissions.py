"""The permissions that several pages name."""

from typing import Final

from countermand.admin.callers import Permission

ACCESS: Final = Permission.MANAGE_ACCESS
POLICIES: Final = Permission.MANAGE_POLICIES
SCORES: Final = Permission.MANAGE_SCORES
