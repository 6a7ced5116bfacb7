"""Roles: the sets of permissions that people choose between. What counts are the permissions; a role is their name."""

from collections.abc import Collection
from enum import StrEnum
from typing import Final

from countermand.admin.callers import PERMISSIONS, Permission
from countermand.domain.parties import PartyKind


class Role(StrEnum):
    """What somebody does for a party."""

    MANAGER = "manager"
    SUPPORT = "support"
    VIEWER = "viewer"


_RULES: Final = frozenset(
    {
        Permission.MANAGE_ACCESS,
        Permission.MANAGE_ENDPOINTS,
        Permission.MANAGE_PARTIES,
        Permission.MANAGE_POLICIES,
    }
)
"""What decides who else may do what, and where events go."""


def permissions_of(role: Role, kind: PartyKind) -> frozenset[Permission]:
    """What somebody in this role may do, for a party of this kind."""
    match role:
        case Role.MANAGER:
            return PERMISSIONS[kind]
        case Role.SUPPORT:
            return PERMISSIONS[kind] - _RULES
        case Role.VIEWER:
            return frozenset({Permission.VIEW_ORDER})


def role_of(permissions: Collection[str], kind: PartyKind) -> Role | None:
    """The role with exactly these permissions, if there is one."""
    return next((each for each in Role if permissions_of(each, kind) == set(permissions)), None)
