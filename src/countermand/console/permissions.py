"""The permissions that several pages name. What operators alone do needs the one that only they can have."""

from typing import Final

from countermand.admin.callers import Permission

ACCESS: Final = Permission.MANAGE_REFUNDS
POLICIES: Final = Permission.MANAGE_REFUNDS
SCORES: Final = Permission.MANAGE_REFUNDS
