"""All pages and actions of the console: where each is, who may call it, and what it needs of the user."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Final

from countermand.admin.callers import Permission
from countermand.console.pages import (
    account,
    audit,
    bulk,
    cancellation,
    cancellations,
    components,
    credentials,
    events,
    jobs,
    journal,
    notices,
    orders,
    parties,
    people,
    policies,
    policy_edit,
    recovery,
    refunds,
    refunds_bulk,
    saved_views,
    scorecards,
    search,
    today,
    webhook_edit,
    webhooks,
)
from countermand.console.visit import Visit
from countermand.domain.parties import PartyKind
from countermand.wire.response import Reply

Answer = Callable[[Visit], Awaitable[Reply]]

_ALL: Final = frozenset(PartyKind)
_PLATFORM: Final = frozenset({PartyKind.PLATFORM})
_SELLERS: Final = frozenset({PartyKind.PLATFORM, PartyKind.RETAILER})


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """A page or an action."""

    method: str
    path: str
    answer: Answer
    kinds: frozenset[PartyKind] = _ALL
    permission: Permission | None = None

    @property
    def name(self) -> str:
        """For people to read."""
        return f"{self.method} {self.path}"

    @property
    def is_page(self) -> bool:
        """Whether it shows a page that the user may see things on: no action, and no file."""
        return self.method == "GET" and self.permission is not None and not self.path.endswith(".csv")


def _get(
    path: str,
    answer: Answer,
    kinds: frozenset[PartyKind] = _ALL,
    permission: Permission | None = Permission.VIEW_ORDER,
) -> Route:
    return Route(method="GET", path=path, answer=answer, kinds=kinds, permission=permission)


def _post(path: str, answer: Answer, permission: Permission | None, kinds: frozenset[PartyKind] = _ALL) -> Route:
    return Route(method="POST", path=path, answer=answer, kinds=kinds, permission=permission)


def _both(
    path: str, look: Answer, act: Answer, permission: Permission, kinds: frozenset[PartyKind] = _ALL
) -> tuple[Route, Route]:
    """An action with the page that asks once more before it."""
    return _get(path, look, kinds, permission), _post(path, act, permission, kinds)


_CANCEL: Final = Permission.CANCEL_ORDER
_ACCESS: Final = Permission.MANAGE_ACCESS
_PARTIES: Final = Permission.MANAGE_PARTIES
_PARTY: Final = "/console/parties/{party}"
_USER: Final = "/console/users/{user}"
_CREDENTIAL: Final = "/console/credentials/{credential}"
_MONEY: Final = Permission.MANAGE_REFUNDS
_ENDPOINTS: Final = Permission.MANAGE_ENDPOINTS
_ENDPOINT: Final = "/console/webhooks/{endpoint}"
_JUDGE: Final = "/console/scorecards/{party}/judge/{cancellation}"
_JOB: Final = "/console/jobs/{job}"
_ONE: Final = "/console/cancellations/{cancellation}"
_REFUND: Final = "/console/refunds/{refund}"

ROUTES: Final[tuple[Route, ...]] = (
    _get("/console/", today.look),
    _get("/console/search", search.look),
    _get("/console/cancellations", cancellations.look),
    *_both("/console/cancellations/bulk", bulk.preview, bulk.answer, _CANCEL),
    _get("/console/cancellations.csv", bulk.export),
    _get(_ONE, cancellation.look),
    *_both(f"{_ONE}/accept", cancellation.confirm_accept, cancellation.accept, _CANCEL),
    *_both(f"{_ONE}/decline", cancellation.confirm_decline, cancellation.decline, _CANCEL),
    *_both(f"{_ONE}/withdraw", cancellation.confirm_withdraw, cancellation.withdraw, _CANCEL, _SELLERS),
    _post(f"{_ONE}/notes", cancellation.note, _CANCEL),
    _get("/console/orders", orders.look),
    _get("/console/orders/{order}", orders.look_at_one),
    *_both("/console/lines/{line}/ask", orders.confirm_ask, orders.ask, _CANCEL, _SELLERS),
    _get("/console/refunds", refunds.look, _SELLERS),
    _get("/console/journal", journal.look, _SELLERS),
    _get("/console/journal.csv", journal.export, _SELLERS),
    *_both("/console/refunds/bulk", refunds_bulk.preview, refunds_bulk.pay, _MONEY, _PLATFORM),
    _get(_REFUND, refunds.look_at_one, _SELLERS),
    *_both(f"{_REFUND}/paid", refunds.confirm_paid, refunds.paid, _MONEY, _PLATFORM),
    *_both(f"{_REFUND}/retry", refunds.confirm_retry, refunds.retry, _MONEY, _PLATFORM),
    *_both(f"{_REFUND}/close", refunds.confirm_close, refunds.close, _MONEY, _PLATFORM),
    *_both(f"{_REFUND}/correct", refunds.confirm_correct, refunds.correct, _MONEY, _PLATFORM),
    _get("/console/scorecards", scorecards.look),
    _get("/console/scorecards/{party}", scorecards.look_at_one),
    _get("/console/scorecards/{party}/weeks.csv", scorecards.export),
    *_both(
        "/console/scorecards/{party}/judge/{cancellation}",
        scorecards.confirm_judge,
        scorecards.judge,
        Permission.MANAGE_SCORES,
        _PLATFORM,
    ),
    _get("/console/policies", policies.look, _PLATFORM),
    *_both("/console/policies/edit", policy_edit.look, policy_edit.save, Permission.MANAGE_POLICIES, _PLATFORM),
    _get("/console/parties", parties.look),
    *_both("/console/parties/add", parties.confirm_add, parties.add, _PARTIES, _PLATFORM),
    _get(_PARTY, parties.look_at_one),
    *_both(f"{_PARTY}/rename", parties.confirm_rename, parties.rename, _PARTIES, _PLATFORM),
    *_both(f"{_PARTY}/deactivate", parties.confirm_deactivate, parties.deactivate, _PARTIES, _PLATFORM),
    _post(f"{_PARTY}/activate", parties.activate, _PARTIES, _PLATFORM),
    *_both(f"{_PARTY}/users/add", people.confirm_add_user, people.add_user, _ACCESS),
    *_both(f"{_PARTY}/tokens/add", credentials.confirm_add_token, credentials.add_token, _ACCESS),
    *_both(f"{_PARTY}/keys/add", credentials.confirm_add_key, credentials.add_key, _ACCESS, _SELLERS),
    *_both(f"{_PARTY}/clients/add", credentials.confirm_add_client, credentials.add_client, _ACCESS, _SELLERS),
    _get(_USER, people.look_at_one, permission=_ACCESS),
    *_both(f"{_USER}/edit", people.confirm_edit, people.edit, _ACCESS),
    *_both(f"{_USER}/password", people.confirm_password, people.set_password, _ACCESS),
    _post(f"{_USER}/disable", people.disable_user, _ACCESS),
    _post(f"{_USER}/enable", people.enable_user, _ACCESS),
    _post(f"{_USER}/logout", people.log_out_user, _ACCESS),
    *_both(f"{_CREDENTIAL}/replace", credentials.confirm_replace, credentials.replace_it, _ACCESS),
    *_both(f"{_CREDENTIAL}/revoke", credentials.confirm_revoke, credentials.revoke, _ACCESS),
    _get("/console/webhooks", webhooks.look),
    *_both("/console/webhooks/add", webhook_edit.confirm_add, webhook_edit.add, _ENDPOINTS),
    _get(_ENDPOINT, webhooks.look_at_one),
    *_both(f"{_ENDPOINT}/edit", webhook_edit.confirm_edit, webhook_edit.edit, _ENDPOINTS),
    *_both(f"{_ENDPOINT}/remove", webhook_edit.confirm_remove, webhook_edit.remove, _ENDPOINTS),
    *_both(f"{_ENDPOINT}/secret", webhook_edit.confirm_rotate, webhook_edit.rotate, _ENDPOINTS),
    *_both(f"{_ENDPOINT}/test", notices.confirm_test, notices.test, _ENDPOINTS),
    *_both(f"{_ENDPOINT}/recover", recovery.confirm, recovery.recover, _ENDPOINTS),
    _post(f"{_ENDPOINT}/confirmation", webhook_edit.confirm_mailbox, _ENDPOINTS),
    _post(f"{_ENDPOINT}/pause", webhook_edit.pause, _ENDPOINTS),
    _post(f"{_ENDPOINT}/resume", webhook_edit.resume, _ENDPOINTS),
    _get("/console/notices", notices.look_at_all, permission=_ENDPOINTS),
    _get("/console/notices/{notice}", notices.look, permission=_ENDPOINTS),
    _post("/console/notices/{notice}/resend", notices.resend, _ENDPOINTS),
    _get("/console/attempts/{attempt}", notices.look_at_attempt, permission=_ENDPOINTS),
    _get("/console/events", events.look),
    _get("/console/events/{event}", events.look_at_one),
    _get("/console/jobs", jobs.look),
    *_both("/console/jobs/ask", jobs.confirm_ask, jobs.ask, _CANCEL, _SELLERS),
    _get(_JOB, jobs.look_at_one),
    _get(f"{_JOB}/results.csv", jobs.export),
    _post(f"{_JOB}/do", jobs.do, _CANCEL, _SELLERS),
    _post(f"{_JOB}/cancel", jobs.cancel, _CANCEL),
    _get("/console/audit", audit.look, _PLATFORM, _ACCESS),
    _get("/console/audit.csv", audit.export, _PLATFORM, _ACCESS),
    _get("/console/views", saved_views.look),
    _post("/console/views", saved_views.save, Permission.VIEW_ORDER),
    _post("/console/views/{view}/remove", saved_views.remove, Permission.VIEW_ORDER),
    _get("/console/components", components.look, _PLATFORM, None),
    _get("/console/account", account.look, _ALL, None),
    _post("/console/account/look", account.choose_look, None),
    _post("/console/account/password", account.change_password, None),
    _post("/console/logout", account.log_out, None),
    _post("/console/logout-everywhere", account.log_out_everywhere, None),
)


def match(path: str) -> tuple[tuple[Route, ...], Mapping[str, str]]:
    """The routes of a path, one for each method, and the parts of it that vary."""
    parts = path.split("/")
    for pattern, routes in _BY_PATTERN.items():
        if len(pattern) == len(parts) and all(_fits(*each) for each in zip(pattern, parts, strict=True)):
            return routes, {
                wanted[1:-1]: given for wanted, given in zip(pattern, parts, strict=True) if wanted.startswith("{")
            }
    return (), {}


def _fits(wanted: str, given: str) -> bool:
    return bool(given) if wanted.startswith("{") else wanted == given


def _by_pattern() -> dict[tuple[str, ...], tuple[Route, ...]]:
    found: dict[tuple[str, ...], tuple[Route, ...]] = {}
    for route in ROUTES:
        pattern = tuple(route.path.split("/"))
        found[pattern] = (*found.get(pattern, ()), route)
    return found


_BY_PATTERN: Final = _by_pattern()
