"""Every operation of the native API: its name, the permission it needs, and the kinds of party that may call it."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import format_datetime
from typing import Any, Final

from fastapi.routing import APIRoute

from countermand.admin.callers import Permission
from countermand.domain.parties import PartyKind


@dataclass(frozen=True, slots=True, kw_only=True)
class Deprecation:
    """An operation that will go: since when that is known, when it goes, and where its successor is described."""

    since: datetime
    sunset: datetime
    link: str

    @property
    def headers(self) -> dict[str, str]:
        """How answers say so (RFC 9745, RFC 8594)."""
        return {
            "Deprecation": f"@{int(self.since.timestamp())}",
            "Sunset": format_datetime(self.sunset.astimezone(UTC), usegmt=True),
            "Link": f'<{self.link}>; rel="deprecation"; type="text/html"',
        }


@dataclass(frozen=True, slots=True)
class Operation:
    """What a caller needs for one operation. ``permission`` is ``None`` where any valid token will do."""

    permission: Permission | None
    kinds: frozenset[PartyKind]
    ends: Deprecation | None = None


_ALL: Final = frozenset(PartyKind)
_SELLING: Final = frozenset({PartyKind.PLATFORM, PartyKind.RETAILER})
_PLATFORM: Final = frozenset({PartyKind.PLATFORM})

OPERATIONS: Final[dict[str, Operation]] = {
    "orders.create": Operation(Permission.CREATE_ORDER, _SELLING),
    "orders.list": Operation(Permission.VIEW_ORDER, _ALL),
    "orders.get": Operation(Permission.VIEW_ORDER, _ALL),
    "orders.release": Operation(Permission.CREATE_ORDER, _SELLING),
    "orders.erase": Operation(Permission.CREATE_ORDER, _SELLING),
    "cancellations.create": Operation(Permission.CANCEL_ORDER, _SELLING),
    "cancellations.list": Operation(Permission.VIEW_ORDER, _ALL),
    "cancellations.get": Operation(Permission.VIEW_ORDER, _ALL),
    "cancellations.accept": Operation(Permission.CANCEL_ORDER, _ALL),
    "cancellations.decline": Operation(Permission.CANCEL_ORDER, _ALL),
    "cancellations.withdraw": Operation(Permission.CANCEL_ORDER, _SELLING),
    "cancellations.note": Operation(Permission.CANCEL_ORDER, _ALL),
    "lines.get": Operation(Permission.VIEW_ORDER, _ALL),
    "lines.list": Operation(Permission.VIEW_ORDER, _ALL),
    "lines.allocate": Operation(Permission.ALLOCATE_ORDER, _ALL),
    "shipments.create": Operation(Permission.ADD_ORDER_TRACKING, _ALL),
    "shipments.get": Operation(Permission.VIEW_ORDER, _ALL),
    "shipments.list": Operation(Permission.VIEW_ORDER, _ALL),
    "shipments.update": Operation(Permission.ADD_ORDER_TRACKING, _ALL),
    "search.find": Operation(Permission.VIEW_ORDER, _ALL),
    "timeline.get": Operation(Permission.VIEW_ORDER, _ALL),
    "lines.reassign": Operation(Permission.CREATE_ORDER, _SELLING),
    "payments.list": Operation(Permission.VIEW_ORDER, _SELLING),
    "payments.create": Operation(Permission.CREATE_ORDER, _SELLING),
    "payments.capture": Operation(Permission.CREATE_ORDER, _SELLING),
    "quotes.create": Operation(Permission.VIEW_ORDER, _SELLING),
    "refunds.list": Operation(Permission.VIEW_ORDER, _SELLING),
    "refunds.get": Operation(Permission.VIEW_ORDER, _SELLING),
    "refunds.mark_paid": Operation(Permission.MANAGE_REFUNDS, _PLATFORM),
    "refunds.close": Operation(Permission.MANAGE_REFUNDS, _PLATFORM),
    "refunds.retry": Operation(Permission.MANAGE_REFUNDS, _PLATFORM),
    "refunds.correct": Operation(Permission.MANAGE_REFUNDS, _PLATFORM),
    "scorecards.get": Operation(Permission.VIEW_ORDER, _ALL),
    "judgements.list": Operation(Permission.VIEW_ORDER, _ALL),
    "judgements.create": Operation(Permission.MANAGE_SCORES, _PLATFORM),
    "policies.list": Operation(Permission.VIEW_ORDER, _ALL),
    "policies.get": Operation(Permission.VIEW_ORDER, _ALL),
    "policies.in_force": Operation(Permission.VIEW_ORDER, _ALL),
    "policies.create": Operation(Permission.MANAGE_POLICIES, _PLATFORM),
    "policies.preview": Operation(Permission.MANAGE_POLICIES, _PLATFORM),
    "events.list": Operation(Permission.VIEW_ORDER, _ALL),
    "events.get": Operation(Permission.VIEW_ORDER, _ALL),
    "events.stream": Operation(Permission.VIEW_ORDER, _ALL),
    "endpoints.create": Operation(Permission.MANAGE_ENDPOINTS, _ALL),
    "endpoints.list": Operation(Permission.MANAGE_ENDPOINTS, _ALL),
    "endpoints.get": Operation(Permission.MANAGE_ENDPOINTS, _ALL),
    "endpoints.delete": Operation(Permission.MANAGE_ENDPOINTS, _ALL),
    "endpoints.pause": Operation(Permission.MANAGE_ENDPOINTS, _ALL),
    "endpoints.resume": Operation(Permission.MANAGE_ENDPOINTS, _ALL),
    "endpoints.confirm": Operation(Permission.MANAGE_ENDPOINTS, _ALL),
    "endpoints.rotate": Operation(Permission.MANAGE_ENDPOINTS, _ALL),
    "endpoints.recover": Operation(Permission.MANAGE_ENDPOINTS, _ALL),
    "endpoints.update": Operation(Permission.MANAGE_ENDPOINTS, _ALL),
    "endpoints.test": Operation(Permission.MANAGE_ENDPOINTS, _ALL),
    "jobs.create": Operation(None, _ALL),
    "jobs.upload": Operation(None, _ALL),
    "jobs.start": Operation(None, _ALL),
    "jobs.list": Operation(None, _ALL),
    "jobs.get": Operation(None, _ALL),
    "jobs.results": Operation(None, _ALL),
    "jobs.cancel": Operation(None, _ALL),
    "notices.list": Operation(Permission.MANAGE_ENDPOINTS, _ALL),
    "notices.get": Operation(Permission.MANAGE_ENDPOINTS, _ALL),
    "notices.resend": Operation(Permission.MANAGE_ENDPOINTS, _ALL),
    "attempts.list": Operation(Permission.MANAGE_ENDPOINTS, _ALL),
    "attempts.get": Operation(Permission.MANAGE_ENDPOINTS, _ALL),
    "parties.list": Operation(Permission.VIEW_ORDER, _ALL),
    "parties.get": Operation(Permission.VIEW_ORDER, _ALL),
    "parties.create": Operation(Permission.MANAGE_PARTIES, _PLATFORM),
    "parties.update": Operation(Permission.MANAGE_PARTIES, _PLATFORM),
    "parties.deactivate": Operation(Permission.MANAGE_PARTIES, _PLATFORM),
    "parties.activate": Operation(Permission.MANAGE_PARTIES, _PLATFORM),
    "users.list": Operation(Permission.MANAGE_ACCESS, _ALL),
    "users.get": Operation(Permission.MANAGE_ACCESS, _ALL),
    "users.create": Operation(Permission.MANAGE_ACCESS, _ALL),
    "users.update": Operation(Permission.MANAGE_ACCESS, _ALL),
    "users.end_sessions": Operation(Permission.MANAGE_ACCESS, _ALL),
    "credentials.list": Operation(Permission.MANAGE_ACCESS, _ALL),
    "credentials.get": Operation(Permission.MANAGE_ACCESS, _ALL),
    "credentials.create": Operation(Permission.MANAGE_ACCESS, _ALL),
    "credentials.revoke": Operation(Permission.MANAGE_ACCESS, _ALL),
    "audit.list": Operation(Permission.MANAGE_ACCESS, _PLATFORM),
    "me.get": Operation(None, _ALL),
}


def check_operations(routes: Iterable[Any]) -> None:
    """Refuse to start with a call that names no operation, or an operation that has no call.

    Raises:
        LookupError: there is one.
    """
    named = [each.operation_id for each in routes if isinstance(each, APIRoute) and each.include_in_schema]
    wrong = {each for each in named if each not in OPERATIONS} | {each for each in OPERATIONS if each not in named}
    if wrong or len(set(named)) < len(named):
        raise LookupError(f"operations without a call or a permission, or with two calls: {sorted(map(str, wrong))}")
