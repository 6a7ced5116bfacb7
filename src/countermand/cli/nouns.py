"""What commands need of each noun, whether it is on a database that they open or at a service that they call.

A command asks for the noun and does not know which it got. ``local`` and ``remote`` have the two kinds, which are
imported only when they are chosen.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any, Final, Protocol

from countermand.cli.output import manners

if TYPE_CHECKING:
    from datetime import datetime
    from uuid import UUID

    from countermand.cli.orders import Given, Placed
    from countermand.documents.cancellations import ListedCancellation

Document = Mapping[str, Any]
"""What is printed with ``--json``."""


@dataclass(frozen=True, kw_only=True)
class Shown:
    """A cancellation as commands print it, and what a table says besides."""

    document: ListedCancellation
    of_units: int
    agreed: bool
    awaited: str
    """Whose answer is due, by name."""


@dataclass(frozen=True, kw_only=True)
class WantedCancellations:
    """Which cancellations are listed."""

    sought: str | None
    state: str | None
    party: str | None
    awaiting: str | None
    late: bool
    by_due: bool


class Cancellations(Protocol):
    """Cancellations: list and answer them."""

    def read(self, wanted: WantedCancellations, take: Callable[[Sequence[Shown]], None], most: int | None) -> bool:
        """Hand ``take`` so many of them. Returns whether there are more."""

    def accept(
        self, cancellation: str, *, step: int | None, units: int | None, rest_reason: str | None, note: str
    ) -> tuple[Shown, bool]:
        """Accept one. Returns it, and whether this was a repeat."""

    def decline(
        self, cancellation: str, *, step: int | None, reason: str, note: str, tracking: str
    ) -> tuple[Shown, bool]:
        """Decline one."""

    def withdraw(self, cancellation: str, *, step: int | None, note: str) -> tuple[Shown, bool]:
        """Withdraw one."""


@dataclass(frozen=True, kw_only=True)
class WantedRefunds:
    """Which refunds are listed."""

    sought: str | None
    state: str | None
    provider: str | None
    party: str | None
    """Of this retailer."""


@dataclass(frozen=True, kw_only=True)
class WantedOrders:
    """Which orders are listed."""

    sought: str | None
    party: str | None
    reference: str | None


@dataclass(frozen=True, kw_only=True)
class ListedOrder:
    """An order as a document, and as a row for each of its lines."""

    document: Document
    rows: Sequence[Document]


@dataclass(frozen=True, kw_only=True)
class FoundOrders:
    """The first orders of a list, and how many there are: at least so many, unless that ``is_exact``."""

    orders: Sequence[ListedOrder]
    total: int
    is_exact: bool


class Orders(Protocol):
    """Orders: list them, and erase a customer."""

    def first(self, wanted: WantedOrders, most: int) -> FoundOrders:
        """The newest ones."""

    def read(self, wanted: WantedOrders, take: Callable[[Sequence[ListedOrder]], None], most: int | None) -> bool:
        """Hand ``take`` so many of them, newest first. Returns whether there are more."""

    def erase(self, order: str, note: str) -> tuple[str, bool]:
        """Erase the customer of one. Returns its id, and whether that was done now."""


class Placing(Protocol):
    """Orders that are placed."""

    def place(self, given: Sequence[Given], file: str, *, skip_bad: bool, dry_run: bool) -> Sequence[Placed]:
        """Place them: each whole or not at all, and none if one is bad, unless those are skipped."""


@dataclass(frozen=True, kw_only=True)
class WantedAsk:
    """For whom and why units are to be cancelled; ``key`` is the caller's own, or empty."""

    asker: str
    reason: str
    note: str
    key: str


@dataclass(frozen=True, kw_only=True)
class WantedAsks(WantedAsk):
    """The same for the rows of a file that do not say it, and how their results are printed: text, json or csv."""

    form: str
    progress: bool


@dataclass(frozen=True, kw_only=True)
class AskResult:
    """What an ask came to; there is no ``document`` if it was only tried."""

    document: ListedCancellation | None
    state: str
    units: int
    repeated: bool
    replayed: bool


class Asking(Protocol):
    """Asks to cancel."""

    def ask(self, line: str, units: int | None, wanted: WantedAsk) -> AskResult:
        """Ask to cancel units of a line: all that are open if no number is given."""

    def ask_file(self, file: str, wanted: WantedAsks) -> None:
        """Ask for each row of a file, and print the results."""


class Refunds(Protocol):
    """Refunds: list them, and what a person decides about them."""

    def quote(self, line: str, units: int | None) -> Document:
        """What would go back for units of a line."""

    def read(self, wanted: WantedRefunds, take: Callable[[Sequence[Document]], None], most: int | None) -> bool:
        """Hand ``take`` so many of them. Returns whether there are more."""

    def paid(self, refund: str, *, note: str) -> str:
        """Mark one as paid by hand. Returns its id, as the others below."""

    def close(self, refund: str, *, note: str) -> str:
        """Close one that is not going to be paid."""

    def retry(self, refund: str, *, note: str) -> str:
        """Try a parked one again."""

    def correct(self, refund: str, *, step: int | None, elsewhere: str, note: str) -> str:
        """Correct how much of one was paid outside."""


class Payments(Protocol):
    """The payments of an order."""

    def of(self, order: str) -> Document:
        """All of them."""

    def add(self, order: str, payment: Mapping[str, Any]) -> str:
        """Add one. Returns the id of the order, as ``capture``."""

    def capture(self, order: str, payment: str, captured: str) -> str:
        """Record how much of one was captured."""


@dataclass(frozen=True, kw_only=True)
class SentAgain:
    """Notices that are sent again: one by its id or so many, and the state of their endpoint."""

    notice: str = ""
    count: int = 1
    endpoint_state: str


@dataclass(frozen=True, kw_only=True)
class WantedNotices:
    """Which notices are listed, and whether what was tried is shown as well."""

    state: str | None
    endpoint: str | None
    since: datetime | None
    attempts: bool


class Notices(Protocol):
    """Notices: list them, and send them again."""

    def read(self, wanted: WantedNotices, take: Callable[[Sequence[Document]], None], most: int | None) -> bool:
        """Hand ``take`` so many of them, newest first, with the ``url`` of each. Returns whether there are more."""

    def replay(self, notice: str) -> SentAgain:
        """Send one again."""

    def recover(self, endpoint: str, since: datetime) -> SentAgain:
        """Send all dead ones of an endpoint again."""


@dataclass(frozen=True, kw_only=True)
class NewSecret:
    """An endpoint, and the secret that is shown once."""

    document: Document
    secret: str | None


@dataclass(frozen=True, kw_only=True)
class ListedEndpoint:
    """An endpoint in a list."""

    document: Document
    owner: str
    """Its party, by name."""
    asks_only: bool
    """Whether it gets nothing but asks unless it names events."""


class Endpoints(Protocol):
    """Where parties are notified."""

    def add(self, url: str, *, party: str, events: Sequence[str], label: str) -> NewSecret:
        """Register one."""

    def all(self, party: str | None) -> Sequence[ListedEndpoint]:
        """All that are there, but those that were removed."""

    def pause(self, endpoint: str, *, reason: str) -> Document:
        """Pause one. Returns ``id`` and ``state``, as the others below."""

    def resume(self, endpoint: str) -> Document:
        """Resume one."""

    def confirm(self, endpoint: str, *, again: bool) -> Document:
        """Confirm a mailbox, or ask it once more."""

    def rotate(self, endpoint: str, *, overlap_s: int) -> NewSecret:
        """Give one a new secret."""

    def remove(self, endpoint: str) -> Document:
        """Remove one."""

    def test(self, endpoint: str, event: str | None) -> Document | None:
        """Send a test, or a sample of an event. Returns the attempt, and nothing in a dry run."""


@dataclass(frozen=True, kw_only=True)
class WantedScore:
    """Which cards of which party."""

    party: str
    week: str | None
    weeks: int
    role: str | None
    as_of: str | None
    evidence: bool


class Scores(Protocol):
    """How parties do."""

    def cards(self, wanted: WantedScore) -> Document:
        """The cards of a party."""

    def judge(self, cancellation: str, *, party: str | None, reason: str, excluded: bool) -> str:
        """Exclude a cancellation from a score, or restore it. Returns its id."""


class Parties(Protocol):
    """Who takes part."""

    def add(self, kind: str, name: str) -> str:
        """Add one. Returns its id, as the others below."""

    def all(self) -> Sequence[Document]:
        """All of them."""

    def deactivate(self, party: str) -> str:
        """Deactivate one."""

    def activate(self, party: str) -> str:
        """Activate one again."""


class Users(Protocol):
    """People who can log in. One is named by its id or e-mail address."""

    def add(self, email: str, *, party: str, name: str, password: str, permissions: Sequence[str] | None) -> str:
        """Add one. Returns its id, as the others below."""

    def read(self, party: str | None, take: Callable[[Sequence[Document]], None], most: int | None) -> bool:
        """Hand ``take`` so many of them, newest first. Returns whether there are more."""

    def set_status(self, user: str, *, active: bool) -> str:
        """Enable one, or disable it."""

    def change_password(self, user: str, password: str) -> str:
        """Replace the password of one."""

    def log_out(self, user: str) -> str:
        """End the log-ins and tokens of one."""


@dataclass(frozen=True, kw_only=True)
class NewCredential:
    """A credential at the one time that its secret is shown; ``public`` is the public half of a pair of keys."""

    id: str
    secret: str
    public: str = ""


class Credentials(Protocol):
    """Tokens, Plaza keys and OAuth clients."""

    def create_token(
        self, *, party: str, permissions: Sequence[str] | None, label: str, days: int | None
    ) -> NewCredential:
        """Make a token."""

    def create_plaza_key(self, *, party: str, label: str) -> NewCredential:
        """Make a pair of Plaza keys."""

    def read(self, kind: str, party: str | None, take: Callable[[Sequence[Document]], None], most: int | None) -> bool:
        """Hand ``take`` so many of a kind, newest first. Returns whether there are more."""

    def rename_token(self, token: str, label: str) -> str:
        """Give a token another label. Returns its id."""

    def revoke_token(self, token: str) -> str:
        """End the token with this id. Returns it."""

    def revoke_secret(self, secret: str) -> None:
        """End the token that this is."""

    def revoke_plaza_key(self, public: str) -> None:
        """End the pair of Plaza keys with this public half."""

    def create_client(self, *, party: str, label: str) -> NewCredential:
        """Make an OAuth client; ``public`` is its id."""

    def revoke_client(self, client: UUID) -> None:
        """End the OAuth client with this id."""


@dataclass(frozen=True, kw_only=True)
class WantedEntries:
    """Which entries of the audit trail are listed."""

    party: str | None
    object: str | None
    action: str | None


@dataclass(frozen=True, kw_only=True)
class ListedEntry:
    """An entry of the audit trail, and the name of its party."""

    document: Document
    party: str


class Audit(Protocol):
    """The audit trail."""

    def read(self, wanted: WantedEntries, take: Callable[[Sequence[ListedEntry]], None], most: int | None) -> bool:
        """Hand ``take`` so many of its entries, newest first. Returns whether there are more."""


class Policies(Protocol):
    """What retailers agreed with suppliers. Durations and hours are given as they are written."""

    def in_force(self, retailer: str, supplier: str | None) -> Document:
        """What holds between the two."""

    def change(self, retailer: str, supplier: str | None, terms: Mapping[str, Any]) -> Document:
        """Save a new version. Returns it."""

    def preview(self, retailer: str, supplier: str | None, terms: Mapping[str, Any]) -> Document:
        """What a new version would change, in sentences."""


class Timelines(Protocol):
    """What happened to lines."""

    def of(self, sought: str) -> Document:
        """The ``entries`` and ``judgements`` of what is meant; none if nothing is known of it."""


class Lines(Protocol):
    """Lines of orders."""

    def reassign(self, line: str, *, to: str, note: str) -> tuple[str, str, str]:
        """Give a line to another fulfiller. Returns the line, and the fulfiller by name and id."""


_LOCAL: Final = "countermand.cli.local"
_REMOTE: Final = "countermand.cli.remote"


def cancellations(database: str | None) -> Cancellations:
    """Those of the database, or of the service that was named; as all of these."""
    found: Cancellations = _noun("cancellations", database)
    return found


def asking(database: str | None) -> Asking:
    """Asks."""
    found: Asking = _noun("asking", database)
    return found


def orders(database: str | None) -> Orders:
    """Orders."""
    found: Orders = _noun("orders", database)
    return found


def placing(database: str | None) -> Placing:
    """Orders that are placed."""
    found: Placing = _noun("placing", database)
    return found


def refunds(database: str | None) -> Refunds:
    """Refunds."""
    found: Refunds = _noun("refunds", database)
    return found


def payments(database: str | None) -> Payments:
    """Payments."""
    found: Payments = _noun("payments", database)
    return found


def endpoints(database: str | None) -> Endpoints:
    """Endpoints."""
    found: Endpoints = _noun("endpoints", database)
    return found


def notices(database: str | None) -> Notices:
    """Notices."""
    found: Notices = _noun("notices", database)
    return found


def scores(database: str | None) -> Scores:
    """Scores."""
    found: Scores = _noun("scores", database)
    return found


def parties(database: str | None) -> Parties:
    """Parties."""
    found: Parties = _noun("parties", database)
    return found


def users(database: str | None) -> Users:
    """People who can log in."""
    found: Users = _noun("users", database)
    return found


def credentials(database: str | None) -> Credentials:
    """Tokens and Plaza keys."""
    found: Credentials = _noun("credentials", database)
    return found


def audit(database: str | None) -> Audit:
    """The audit trail."""
    found: Audit = _noun("audit", database)
    return found


def policies(database: str | None) -> Policies:
    """Policies."""
    found: Policies = _noun("policies", database)
    return found


def timelines(database: str | None) -> Timelines:
    """Timelines."""
    found: Timelines = _noun("timelines", database)
    return found


def lines(database: str | None) -> Lines:
    """Lines."""
    found: Lines = _noun("lines", database)
    return found


def _noun(noun: str, database: str | None) -> Any:
    name = noun.capitalize()
    if manners.server is not None:
        return getattr(import_module(f"{_REMOTE}.{noun}"), f"Remote{name}")()
    return getattr(import_module(f"{_LOCAL}.{noun}"), f"Local{name}")(database)
