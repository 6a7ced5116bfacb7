"""Endpoints: the webhooks and mailboxes where parties are notified, and the secrets that sign notices.

Changed by their owners and by operators, not on the write road. Every change is in the log and in the audit trail; no
secret and no path of a URL ever is.
"""

import base64
import json
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Final
from urllib.parse import urlsplit
from uuid import UUID

import structlog
from sqlalchemy import ColumnElement, Connection, bindparam, func, insert, literal_column, select, update

from countermand.admin.audit import Action, Author, Change, differences, record
from countermand.domain.addresses.address import STRICT, AddressRules, BadAddressError
from countermand.domain.addresses.kinds import check_address, kind_of
from countermand.domain.addresses.mailbox import mailbox_of, recipient_of
from countermand.domain.endpoint import UNCONFIRMED, Endpoint, EndpointState, check_kinds
from countermand.domain.events import EventKind
from countermand.domain.parties import PartyKind
from countermand.domain.problems import RefusedError, UnfitError, UnknownError
from countermand.domain.subscriptions import SubscribedError, Subscription, subscription_of
from countermand.domain.texts import NO_LABEL, is_label
from countermand.ids import Ids, show
from countermand.keyring import Keyring
from countermand.store import owner_mails
from countermand.store import tables as t
from countermand.store.changes import change_any, change_exactly
from countermand.store.columns import IdList, one_of
from countermand.store.revisions import agreements_changed
from countermand.store.views import view, views

PREFIX: Final = "ept"
"""How the id of an endpoint begins."""

ENDPOINTS_MAX: Final = 100
"""So many endpoints a party may have: every event is sent to each."""

SECRETS_MAX: Final = 3
"""So many secrets of an endpoint may be valid at once: each makes a signature in every message."""

OVERLAP: Final = timedelta(hours=24)
"""How long a secret stays valid after it was replaced, by default."""

OVERLAP_MAX: Final = timedelta(days=30)
"""Nobody can ask for a longer one: a secret that was replaced should end."""

CONFIRMATIONS_MAX: Final = 3
"""The most confirmations to one mailbox within ``CONFIRMATIONS_WITHIN``, whichever parties register it."""

CONFIRMATIONS_WITHIN: Final = timedelta(days=1)

log = structlog.get_logger()


class UnknownEndpointError(UnknownError):
    """There is no such endpoint of this party, or it was removed."""

    code = "unknown_endpoint"


class TooManyEndpointsError(RefusedError):
    """The party has as many endpoints as it can have."""

    code = "too_many_endpoints"


class TooManySecretsError(RefusedError):
    """The endpoint has as many valid secrets as it can have. The message says when the next one ends."""

    code = "no_rotation"


class TooManyConfirmationsError(RefusedError):
    """So many confirmations were sent lately that no more are. The message says when the next one can be."""

    code = "too_many_confirmations"


class NothingToConfirmError(RefusedError):
    """The endpoint is a webhook, or its mailbox is confirmed."""

    code = "nothing_to_confirm"


class BadLabelError(UnfitError):
    """A label is short and can be shown."""

    code = "bad_label"


class BadOverlapError(UnfitError):
    """A secret that was replaced should end."""

    code = "bad_overlap"


class NoSecretError(RefusedError):
    """The endpoint is a mailbox, and mails are not signed; or a subscription, which is signed with other keys."""

    code = "no_rotation"


@dataclass(frozen=True, slots=True, kw_only=True)
class Added:
    """An endpoint at the one time that its newest secret can be read; a mailbox has none."""

    endpoint: Endpoint
    secret: str | None


def add(
    connection: Connection,
    author: Author,
    keyring: Keyring,
    *,
    party: UUID,
    url: str,
    kinds: Collection[str] = (),
    label: str = "",
    rules: AddressRules = STRICT,
    subscription: Subscription | None = None,
) -> Added:
    """Register an address of a party for these kinds of events; without any, for all, or what asks a mailbox to answer.

    A mailbox first gets an e-mail that asks for confirmation, and nothing else until it is confirmed. A
    ``subscription`` is a webhook, has no kinds and no secret.

    Raises:
        BadLabelError: the label is too long or cannot be shown.
        BadAddressError: nothing can be sent there, or the rules do not allow it.
        TooManyConfirmationsError: it is a mailbox that was sent ``CONFIRMATIONS_MAX`` lately.
        UnknownKindError: there is no such kind of event.
        TooManyEndpointsError: the party has ``ENDPOINTS_MAX``.
    """
    if not is_label(label):
        raise BadLabelError(NO_LABEL)
    url = check_address(url, rules)
    wanted = check_kinds(kinds)
    if _count(connection, party) >= ENDPOINTS_MAX:
        raise TooManyEndpointsError(f"The party has {ENDPOINTS_MAX} endpoints. Remove one first.")
    kind = kind_of(url)
    if subscription and not kind.is_signed:
        raise BadAddressError("The address of a subscription starts with https://.")
    secret = new_secret(author.ids) if kind.is_signed and not subscription else None
    endpoint = Endpoint(
        id=author.ids.new(),
        party=party,
        url=url,
        label=label,
        event_kinds=wanted,
        state=EndpointState.UNCONFIRMED if kind.is_confirmed else EndpointState.ACTIVE,
        state_reason=UNCONFIRMED if kind.is_confirmed else "",
        created_at=author.at,
        failing_since=None,
        secrets=_close(keyring, [{"secret": secret, "until": None}]) if secret else None,
        unconfirmed_since=author.at if kind.is_confirmed else None,
        subscription=subscription,
    )
    connection.execute(insert(t.endpoints).values(_row(endpoint)))
    _changed(connection, author, Action.ENDPOINT_ADDED, endpoint, label=label, kinds=[kind.value for kind in wanted])
    if kind.is_confirmed:
        _owe_confirmation(connection, endpoint, author.at)
    return Added(endpoint=endpoint, secret=secret)


def confirm(connection: Connection, author: Author, endpoint: UUID) -> Endpoint:
    """Somebody confirmed this mailbox: notices are sent to it, also those that have waited. Once is enough.

    Raises:
        UnknownEndpointError: as ``find``.
        NothingToConfirmError: it is a webhook.
    """
    before = _find(connection, endpoint, None, lock=True)
    if not before.kind.is_confirmed:
        raise NothingToConfirmError(f"This endpoint is a {before.kind.noun}. Only a mailbox has to be confirmed.")
    if before.unconfirmed_since is None:
        return before
    after = replace(before, unconfirmed_since=None)
    if before.state is EndpointState.UNCONFIRMED:
        after = replace(after, state=EndpointState.ACTIVE, state_reason="")
    _store(connection, after)
    _changed(connection, author, Action.ENDPOINT_CONFIRMED, after)
    return after


def to_confirm(connection: Connection, endpoint: UUID, fits: Callable[[str], bool]) -> tuple[Endpoint, str]:
    """The mailbox that a link may confirm, and what its party is called.

    Raises:
        UnknownEndpointError: it was removed, or its address does not fit.
    """
    found = _find(connection, endpoint, None, lock=False)
    if not fits(mailbox_of(found.url)):
        raise UnknownEndpointError(f"There is no endpoint {show(PREFIX, endpoint)} with this address.")
    name = select(t.parties.c.name).where(t.parties.c.id == found.party)
    return found, str(connection.execute(name).scalar_one())


def confirm_by_link(connection: Connection, author: Author, endpoint: UUID, fits: Callable[[str], bool]) -> bool:
    """Confirm a mailbox by its link. Returns whether it was not confirmed before.

    Raises:
        UnknownEndpointError: as ``to_confirm``.
    """
    before, _ = to_confirm(connection, endpoint, fits)
    return confirm(connection, author, endpoint) != before


def ask_again_to_confirm(
    connection: Connection, author: Author, endpoint: UUID, *, rules: AddressRules, party: UUID | None = None
) -> Endpoint:
    """Send the confirmation of a mailbox once more.

    Raises:
        UnknownEndpointError: as ``find``.
        NothingToConfirmError: it is a webhook, or its mailbox is confirmed.
        MailUnavailableError: no e-mail can be sent.
        TooManyConfirmationsError: as ``add``.
    """
    found = _find(connection, endpoint, party, lock=True)
    if found.unconfirmed_since is None:
        noun = found.kind.noun
        what = f"This {noun} is confirmed" if found.kind.is_confirmed else f"This endpoint is a {noun}"
        raise NothingToConfirmError(f"{what}. There is nothing to confirm.")
    found.kind.check_usable(rules)
    _changed(connection, author, Action.ENDPOINT_CONFIRMATION, found)
    _owe_confirmation(connection, found, author.at)
    return found


def _owe_confirmation(connection: Connection, endpoint: Endpoint, now: datetime) -> None:
    """Call this after a change was saved, so that such changes of all parties are counted one after the other."""
    address = mailbox_of(endpoint.url)
    recipient = recipient_of(address)
    since = now - CONFIRMATIONS_WITHIN
    for whose, sent, most in (
        ("to this mailbox", owner_mails.confirmations_to(connection, recipient, since), CONFIRMATIONS_MAX),
        ("for this party", owner_mails.confirmations_of(connection, endpoint.party, since), ENDPOINTS_MAX),
    ):
        if len(sent) >= most:
            next_at = sent[-most] + CONFIRMATIONS_WITHIN
            raise TooManyConfirmationsError(
                f"{len(sent)} confirmations were sent {whose} within a day, and no more are. The next one can be asked"
                f" for at {next_at:%Y-%m-%d %H:%M} UTC."
            )
    owner_mails.owe_confirmation(
        connection, endpoint=endpoint.id, party=endpoint.party, address=address, recipient=recipient, now=now
    )


def of_party(connection: Connection, party: UUID | None = None) -> list[Endpoint]:
    """The endpoints of a party, or of all, oldest first, without those that were removed."""
    query = select(t.endpoints).where(t.endpoints.c.state != EndpointState.REMOVED.value).order_by(t.endpoints.c.id)
    if party is not None:
        query = query.where(t.endpoints.c.party_id == party)
    return [_endpoint(row) for row in views(_EndpointRow, connection.execute(query))]


class Health(StrEnum):
    """How sending to an endpoint goes. Each has one of these."""

    FAILING = "failing"
    STOPPED = "stopped"
    UNCONFIRMED = "unconfirmed"
    ACTIVE = "active"


@dataclass(frozen=True, slots=True, kw_only=True)
class EndpointFilter:
    """Which endpoints to list; what is left out does not matter. ``after`` is the last one of the page before."""

    party: UUID | None = None
    health: Health | None = None
    since: datetime | None = None
    until: datetime | None = None
    after: UUID | None = None
    limit: int = 50


def list_endpoints(connection: Connection, wanted: EndpointFilter) -> list[Endpoint]:
    """A page of endpoints, oldest first, without those that were removed."""
    endpoints = t.endpoints.c
    query = select(t.endpoints).where(endpoints.state != EndpointState.REMOVED.value).order_by(endpoints.id)
    if wanted.party is not None:
        query = query.where(endpoints.party_id == wanted.party)
    if wanted.since is not None:
        query = query.where(endpoints.created_at >= wanted.since)
    if wanted.until is not None:
        query = query.where(endpoints.created_at < wanted.until)
    if wanted.health is not None:
        query = query.where(*_IN_HEALTH[wanted.health])
    if wanted.after is not None:
        query = query.where(endpoints.id > wanted.after)
    return [_endpoint(row) for row in views(_EndpointRow, connection.execute(query.limit(wanted.limit)))]


_ON: Final = t.endpoints.c.state == EndpointState.ACTIVE.value
_IN_HEALTH: Final[Mapping[Health, Sequence[ColumnElement[bool]]]] = {
    Health.FAILING: (literal_column(t.FAILING), _ON),
    Health.STOPPED: (literal_column(t.STOPPED),),
    Health.UNCONFIRMED: (t.endpoints.c.unconfirmed_since.is_not(None), _ON),
    Health.ACTIVE: (_ON, t.endpoints.c.failing_since.is_(None), t.endpoints.c.unconfirmed_since.is_(None)),
}


def find(connection: Connection, endpoint: UUID, party: UUID | None = None) -> Endpoint:
    """One endpoint; with ``party`` only if it is that party's.

    Raises:
        UnknownEndpointError: there is none, or it was removed.
    """
    return _find(connection, endpoint, party, lock=False)


def by_ids(connection: Connection, ids: Collection[UUID]) -> list[tuple[Endpoint, PartyKind]]:
    """These endpoints in whatever state, with the kinds of the parties they belong to."""
    wanted = one_of(t.endpoints.c.id, bindparam("ids", sorted(ids), type_=IdList()))
    query = select(t.endpoints, t.parties.c.kind).join(t.parties, t.parties.c.id == t.endpoints.c.party_id)
    found = views(_EndpointOfKind, connection.execute(query.where(wanted)))
    return [(_endpoint(row), PartyKind(row.kind)) for row in found]


@dataclass(frozen=True, slots=True, kw_only=True)
class EndpointChange:
    """What of an endpoint shall be another; what is ``None`` stays."""

    url: str | None = None
    kinds: Collection[str] | None = None
    label: str | None = None
    subscription: Subscription | None = None


def update_endpoint(
    connection: Connection,
    author: Author,
    endpoint: UUID,
    wanted: EndpointChange,
    *,
    rules: AddressRules = STRICT,
    party: UUID | None = None,
    check: Callable[[Endpoint], None] = lambda found: None,
) -> Endpoint:
    """Change where an endpoint is, what it gets, or how it is called. A mailbox with another address is unconfirmed.

    ``check`` is asked about it as it is, under its lock.

    Raises:
        UnknownEndpointError: as ``find``.
        BadLabelError, BadAddressError, UnknownKindError, TooManyConfirmationsError: as ``add``.
        BadAddressError: the address is of another kind.
        SubscribedError: other kinds are wanted of a subscription, which has none.
    """
    before = _find(connection, endpoint, party, lock=True)
    check(before)
    after = before
    if wanted.label is not None:
        if not is_label(wanted.label):
            raise BadLabelError(NO_LABEL)
        after = replace(after, label=wanted.label)
    if wanted.kinds is not None:
        after = replace(after, event_kinds=_kinds_of(before, wanted.kinds))
    if wanted.subscription is not None:
        after = replace(after, subscription=wanted.subscription)
    if wanted.url is not None and wanted.url != before.url:
        after = _moved(after, check_address(wanted.url, rules), author.at)
    if after != before:
        _store(connection, after)
        _changed(connection, author, Action.ENDPOINT_UPDATED, after, **_differences(before, after))
    if after.unconfirmed_since is not None and after.url != before.url:
        _owe_confirmation(connection, after, author.at)
    return after


def _kinds_of(endpoint: Endpoint, kinds: Collection[str]) -> tuple[EventKind, ...]:
    wanted = check_kinds(kinds)
    if wanted and endpoint.subscription is not None:
        raise SubscribedError("This is a subscription. Its resources are changed through bol's Retailer API.")
    return wanted


def _moved(endpoint: Endpoint, url: str, now: datetime) -> Endpoint:
    kind = kind_of(url)
    if kind.noun != endpoint.kind.noun:
        what = endpoint.kind.noun
        raise BadAddressError(f"This endpoint is a {what}, and stays one. Add another one for this address.")
    moved = replace(endpoint, url=url)
    if not kind.is_confirmed:
        return moved
    moved = replace(moved, unconfirmed_since=now)
    if moved.state is EndpointState.ACTIVE:
        moved = replace(moved, state=EndpointState.UNCONFIRMED, state_reason=UNCONFIRMED)
    return moved


def pause(
    connection: Connection, author: Author, endpoint: UUID, *, reason: str, party: UUID | None = None
) -> Endpoint:
    """Send nothing there for a while. Its notices are collected and go out when it is resumed.

    Raises:
        UnknownEndpointError: as ``find``.
    """
    before = _find(connection, endpoint, party, lock=True)
    after = replace(before, state=EndpointState.PAUSED, state_reason=reason)
    if after != before:
        _store(connection, after)
        _changed(connection, author, Action.ENDPOINT_PAUSED, after, reason=reason)
    return after


def record_stop(connection: Connection, author: Author, endpoint: Endpoint, state: EndpointState, reason: str) -> None:
    """Have it in the audit trail that the service itself stopped an endpoint, in the transaction in which it did."""
    action = Action.ENDPOINT_DISABLED if state is EndpointState.DISABLED else Action.ENDPOINT_PAUSED
    detail = {"host": _host(endpoint), "reason": reason}
    record(connection, author, Change(action=action, party=endpoint.party, target=endpoint.id, detail=detail))


def resume(connection: Connection, author: Author, endpoint: UUID, *, party: UUID | None = None) -> Endpoint:
    """Send there again, whatever stopped it, and forget what failed before. A mailbox still has to be confirmed.

    Raises:
        UnknownEndpointError: as ``find``.
    """
    before = _find(connection, endpoint, party, lock=True)
    after = replace(before, state=EndpointState.ACTIVE, state_reason="", failing_since=None)
    if before.unconfirmed_since is not None:
        after = replace(after, state=EndpointState.UNCONFIRMED, state_reason=UNCONFIRMED)
    if after != before:
        _store(connection, after)
        _changed(connection, author, Action.ENDPOINT_RESUMED, after)
    return after


def remove(connection: Connection, author: Author, endpoint: UUID, *, party: UUID | None = None) -> int:
    """Send nothing there ever again, and say how many notices were due there: they are dead from now on.

    Raises:
        UnknownEndpointError: as ``find``.
    """
    before = _find(connection, endpoint, party, lock=True)
    after = replace(before, state=EndpointState.REMOVED, state_reason="It was removed.", failing_since=None)
    _store(connection, after)
    notices = t.notices.c
    dead = change_any(
        connection,
        update(t.notices)
        .where(
            notices.partition.in_(range(t.PARTITIONS)),
            notices.endpoint_id == endpoint,
            notices.state == literal_column("'due'"),
        )
        .values(state="dead", due_at=None, last_result="The endpoint was removed."),
    )
    _changed(connection, author, Action.ENDPOINT_REMOVED, after, notices_dead=dead)
    return dead


def rotate(
    connection: Connection,
    author: Author,
    keyring: Keyring,
    endpoint: UUID,
    *,
    overlap: timedelta = OVERLAP,
    party: UUID | None = None,
) -> Added:
    """Give the endpoint a new secret. Those it had stay valid beside it for ``overlap`` at most.

    Raises:
        UnknownEndpointError: as ``find``.
        BadOverlapError: it is longer than ``OVERLAP_MAX``.
        NoSecretError: the endpoint is a mailbox.
        TooManySecretsError: ``SECRETS_MAX`` would be exceeded.
    """
    if overlap > OVERLAP_MAX:
        raise BadOverlapError(f"An overlap has at most {OVERLAP_MAX.days} days.")
    before = _find(connection, endpoint, party, lock=True)
    if before.secrets is None:
        raise NoSecretError(_why_no_secret(before))
    now = author.at
    ends = now + overlap
    kept = [
        {"secret": each["secret"], "until": min(_until(each) or ends, ends).isoformat()}
        for each in _open(keyring, before.secrets)
        if _is_valid(each, now)
    ]
    kept = [each for each in kept if _is_valid(each, now)]
    if len(kept) >= SECRETS_MAX:
        first = min(each["until"] for each in kept[1:])
        raise TooManySecretsError(
            f"The endpoint has {SECRETS_MAX} valid secrets. The next one ends at {first}; without an overlap all"
            " of them end at once."
        )
    secret = new_secret(author.ids)
    after = replace(before, secrets=_close(keyring, [{"secret": secret, "until": None}, *kept]))
    _store(connection, after)
    _changed(connection, author, Action.ENDPOINT_ROTATED, after, overlap_s=int(overlap.total_seconds()))
    return Added(endpoint=after, secret=secret)


def _why_no_secret(endpoint: Endpoint) -> str:
    if endpoint.subscription is not None:
        return "This endpoint is a subscription, whose messages are signed with the signature keys of this service."
    return f"This endpoint is a {endpoint.kind.noun}, and {endpoint.kind.messages} are not signed."


def kept_of_0_1(connection: Connection, answer: Mapping[str, Any]) -> Added:
    """The endpoint that version 0.1 kept under an idempotency key. Its secret is not shown again."""
    row = connection.execute(select(t.endpoints).where(t.endpoints.c.id == UUID(answer["endpoint"]))).one()
    return Added(endpoint=_endpoint(view(_EndpointRow, row)), secret=None)


def secrets_at(keyring: Keyring, endpoint: Endpoint, now: datetime) -> tuple[str, ...]:
    """The secrets that are valid at this time, newest first: what is sent carries a signature by each of them.

    Raises:
        KeyringError: they cannot be opened with the keys of this installation.
    """
    if endpoint.secrets is None:
        return ()
    return tuple(each["secret"] for each in _open(keyring, endpoint.secrets) if _is_valid(each, now))


def new_secret(ids: Ids) -> str:
    """256 random bits in the form of Standard Webhooks."""
    return f"whsec_{base64.b64encode(ids.random_bytes(32)).decode()}"


def _find(connection: Connection, endpoint: UUID, party: UUID | None, *, lock: bool) -> Endpoint:
    query = select(t.endpoints).where(t.endpoints.c.id == endpoint, t.endpoints.c.state != EndpointState.REMOVED.value)
    if party is not None:
        query = query.where(t.endpoints.c.party_id == party)
    row = connection.execute(query.with_for_update() if lock else query).first()
    if row is None:
        raise UnknownEndpointError(f"There is no endpoint {show(PREFIX, endpoint)}.")
    return _endpoint(view(_EndpointRow, row))


def _count(connection: Connection, party: UUID) -> int:
    mine = (t.endpoints.c.party_id == party, t.endpoints.c.state != EndpointState.REMOVED.value)
    return connection.execute(select(func.count()).select_from(t.endpoints).where(*mine)).scalar_one()


def _store(connection: Connection, endpoint: Endpoint) -> None:
    row = _row(endpoint)
    kept = ("id", "party_id", "created_at")
    changed = {name: value for name, value in row.items() if name not in kept}
    change_exactly(connection, 1, update(t.endpoints).where(t.endpoints.c.id == endpoint.id).values(changed))


def _changed(connection: Connection, author: Author, action: Action, endpoint: Endpoint, **more: Any) -> None:
    agreements_changed(connection)
    detail = {"host": _host(endpoint), **more}
    what = action.value.replace(".", "_")
    log.info(what, endpoint=show(PREFIX, endpoint.id), party=str(endpoint.party), by=author.name, **detail)
    record(connection, author, Change(action=action, party=endpoint.party, target=endpoint.id, detail=detail))


def _host(endpoint: Endpoint) -> str:
    # A path or a query can hold what proves the caller to the receiver, and a mailbox is a person's.
    return urlsplit(endpoint.url).hostname or endpoint.url.rpartition("@")[2]


def _differences(before: Endpoint, after: Endpoint) -> dict[str, Any]:
    """What is another now. Where only the rest of an address is, that is said."""
    found = differences(_told(before), _told(after))
    return {**found, "address": "another of this host"} if after.url != before.url and "host" not in found else found


def _told(endpoint: Endpoint) -> dict[str, Any]:
    kinds = [kind.value for kind in endpoint.event_kinds]
    resources = {"resources": [*endpoint.subscription.resources]} if endpoint.subscription else {}
    return {"host": _host(endpoint), "label": endpoint.label, "kinds": kinds, **resources}


def _row(endpoint: Endpoint) -> dict[str, Any]:
    unconfirmed = endpoint.state is EndpointState.UNCONFIRMED
    return {
        "id": endpoint.id,
        "party_id": endpoint.party,
        "url": endpoint.url,
        "label": endpoint.label,
        "event_kinds": [kind.value for kind in endpoint.event_kinds],
        "secrets": endpoint.secrets,
        "state": EndpointState.ACTIVE.value if unconfirmed else endpoint.state.value,
        "state_reason": "" if unconfirmed else endpoint.state_reason,
        "created_at": endpoint.created_at,
        "failing_since": endpoint.failing_since,
        "unconfirmed_since": endpoint.unconfirmed_since,
        "subscription": endpoint.subscription.kept if endpoint.subscription else None,
    }


@dataclass(frozen=True, slots=True, kw_only=True)
class _EndpointRow:
    id: UUID
    party_id: UUID
    url: str
    label: str
    event_kinds: Sequence[str]
    secrets: bytes | None
    state: str
    state_reason: str
    created_at: datetime
    failing_since: datetime | None
    unconfirmed_since: datetime | None
    subscription: Mapping[str, Any] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class _EndpointOfKind(_EndpointRow):
    kind: str


def _endpoint(row: _EndpointRow) -> Endpoint:
    unconfirmed = row.state == EndpointState.ACTIVE and row.unconfirmed_since is not None
    return Endpoint(
        id=row.id,
        party=row.party_id,
        url=row.url,
        label=row.label,
        event_kinds=tuple(EventKind(kind) for kind in row.event_kinds),
        state=EndpointState.UNCONFIRMED if unconfirmed else EndpointState(row.state),
        state_reason=UNCONFIRMED if unconfirmed else row.state_reason,
        created_at=row.created_at,
        failing_since=row.failing_since,
        secrets=row.secrets,
        unconfirmed_since=row.unconfirmed_since,
        subscription=subscription_of(row.subscription) if row.subscription else None,
    )


def _close(keyring: Keyring, secrets: Sequence[dict[str, str | None]]) -> bytes:
    return keyring.encrypt(json.dumps(secrets).encode())


def _open(keyring: Keyring, closed: bytes) -> list[dict[str, Any]]:
    secrets: list[dict[str, Any]] = json.loads(keyring.decrypt(closed))
    return secrets


def _until(secret: dict[str, Any]) -> datetime | None:
    return datetime.fromisoformat(secret["until"]) if secret["until"] else None


def _is_valid(secret: dict[str, Any], now: datetime) -> bool:
    until = _until(secret)
    return until is None or now < until
