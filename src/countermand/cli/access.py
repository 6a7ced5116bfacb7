"""Commands about who has access: users, tokens by their ids, and the audit trail of both."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from functools import partial
from typing import Annotated, Any, Final
from uuid import UUID

from cyclopts import Parameter
from sqlalchemy import Connection

from countermand.admin import credentials, users
from countermand.admin.audit import Action
from countermand.admin.finding import find_party
from countermand.cli.listing import export, newest_of
from countermand.cli.orders import LimitFlag
from countermand.cli.output import Exit, fail, print_json, print_table, say
from countermand.cli.parties import author, find_id, read_password
from countermand.cli.running import CsvFlag, DatabaseFlag, JsonFlag, read_pages, read_settings, with_database
from countermand.documents.audit import entry_document
from countermand.documents.credentials import token_document
from countermand.documents.users import user_document
from countermand.ids import show
from countermand.reads.audit import AuditEntry, AuditFilter, list_entries
from countermand.reads.credentials import CredentialFilter, CredentialView, list_credentials
from countermand.reads.users import UserFilter, UserView, list_users
from countermand.road import Application

PartyFlag = Annotated[str | None, Parameter(help="Of this party only: its name or id")]


def user_list(
    *,
    party: PartyFlag = None,
    limit: LimitFlag | None = None,
    csv: CsvFlag = False,
    database: DatabaseFlag = None,
    json: JsonFlag = False,
) -> None:
    """List the people who can log in, newest first, disabled ones too: 50 unless --limit says otherwise."""

    def page(connection: Connection, count: int, last: UserView | None) -> Sequence[UserView]:
        wanted = find_party(connection, party).id if party else None
        return list_users(connection, UserFilter(party=wanted, after=last.id if last else None, limit=count))

    settings = read_settings(database=database)
    if csv:
        return export(
            partial(read_pages, settings, page), _USER_COLUMNS, lambda row: [_as_cells(user_document(row))], limit
        )
    rows = newest_of(settings, page, limit)
    if json:
        print_json([user_document(row) for row in rows])
        return None
    shown = [(show("usr", row.id), row.email, row.name, row.party_name, row.status) for row in rows]
    print_table(("Id", "E-mail", "Name", "Party", "State"), shown, empty="There are no users.")
    return None


def user_disable(user: str, *, database: DatabaseFlag = None, json: JsonFlag = False) -> None:
    """Disable a user, who can no longer log in. The user's log-ins and tokens end.

    Parameters
    ----------
    user
        Id or e-mail address.
    """
    ended = _change(user, database, users.disable)
    _report(user, json=json, status="disabled", tokens_ended=ended)


def user_enable(user: str, *, database: DatabaseFlag = None, json: JsonFlag = False) -> None:
    """Enable a user again. Tokens that ended stay ended.

    Parameters
    ----------
    user
        Id or e-mail address.
    """
    _change(user, database, users.enable)
    _report(user, json=json, status="active")


def user_password(
    user: str,
    *,
    password_stdin: Annotated[bool, Parameter(negative=())] = False,
    database: DatabaseFlag = None,
    json: JsonFlag = False,
) -> None:
    """Replace a user's password. The user's log-ins and tokens end.

    The password comes from the terminal, from COUNTERMAND_PASSWORD, or from standard input with --password-stdin.

    Parameters
    ----------
    user
        Id or e-mail address.
    """
    password = read_password(from_stdin=password_stdin)
    ended = _change(user, database, partial(users.change_password, password=password))
    _report(user, json=json, tokens_ended=ended)


def user_log_out(user: str, *, database: DatabaseFlag = None, json: JsonFlag = False) -> None:
    """End all log-ins and tokens of a user, who can log in again.

    Parameters
    ----------
    user
        Id or e-mail address.
    """
    ended = _change(user, database, users.log_out)
    _report(user, json=json, tokens_ended=ended)


def token_list(
    *,
    party: PartyFlag = None,
    limit: LimitFlag | None = None,
    csv: CsvFlag = False,
    database: DatabaseFlag = None,
    json: JsonFlag = False,
) -> None:
    """List tokens, newest first, those of log-ins and revoked ones too: 50 unless --limit says otherwise.

    A token itself is never shown.
    """

    def page(connection: Connection, count: int, last: CredentialView | None) -> Sequence[CredentialView]:
        wanted = find_party(connection, party).id if party else None
        after = last.id if last else None
        return list_credentials(connection, CredentialFilter(kind="token", party=wanted, after=after, limit=count))

    settings = read_settings(database=database)
    if csv:
        return export(
            partial(read_pages, settings, page), _TOKEN_COLUMNS, lambda row: [_as_cells(token_document(row))], limit
        )
    rows = newest_of(settings, page, limit)
    if json:
        print_json([token_document(row) for row in rows])
        return None
    shown = [
        (show("crd", row.id), row.label, row.party_name, row.email or "", _minute(row.created_at), _end_of(row))
        for row in rows
    ]
    print_table(("Id", "Label", "Party", "User", "Created (UTC)", "End (UTC)"), shown, empty="There are no tokens.")
    return None


def token_rename(token: str, /, label: str, *, database: DatabaseFlag = None, json: JsonFlag = False) -> None:
    """Give a token another label.

    Parameters
    ----------
    token
        Its id.
    label
        What it is for; shown in timelines from now on.
    """
    wanted = find_id("crd", token)

    async def work(application: Application) -> None:
        await application.database.write(
            partial(credentials.rename, author=author(application), credential=wanted, label=label)
        )

    with_database(read_settings(database=database), work)
    if json:
        print_json({"id": show("crd", wanted), "label": label})
    else:
        say(f"The token is now called {label}.")


def audit(
    *,
    party: PartyFlag = None,
    object: Annotated[str | None, Parameter(help="About this party, user or credential: its id")] = None,  # noqa: A002
    action: Annotated[str | None, Parameter(help="Only this kind of change, such as credential.revoked")] = None,
    limit: LimitFlag | None = None,
    csv: CsvFlag = False,
    database: DatabaseFlag = None,
    json: JsonFlag = False,
) -> None:
    """List who changed which party, user or credential, newest first: 50 unless --limit says otherwise.

    What happened to orders is in `timeline`.
    """
    if action is not None and action not in set(Action):
        fail(Exit.USAGE, "bad_action", f"{action!r} is no kind of change. There are {', '.join(Action)}.")
    kind = Action(action).value if action else None

    def page(connection: Connection, count: int, last: AuditEntry | None) -> Sequence[AuditEntry]:
        wanted = AuditFilter(
            party=find_party(connection, party).id if party else None,
            target=_any_id(object) if object else None,
            action=kind,
            after=last.id if last else None,
            limit=count,
        )
        return list_entries(connection, wanted)

    settings = read_settings(database=database)
    if csv:
        return export(partial(read_pages, settings, page), _ENTRY_COLUMNS, lambda row: [_entry_cells(row)], limit)
    rows = newest_of(settings, page, limit)
    if json:
        print_json([entry_document(row) for row in rows])
        return None
    shown = [
        (_minute(row.at), row.by, row.action, row.party_name, entry_document(row)["object"], _in_words(row.detail))
        for row in rows
    ]
    print_table(("At (UTC)", "By", "Action", "Party", "Object", "Detail"), shown, empty="Nothing was changed yet.")
    return None


def _change(user: str, database: str | None, change: Callable[..., Any]) -> Any:
    async def work(application: Application) -> Any:
        def apply(connection: Connection) -> Any:
            return change(connection, author(application), users.find_user(connection, user))

        return await application.database.write(apply)

    return with_database(read_settings(database=database), work)


def _report(user: str, *, json: bool, status: str | None = None, tokens_ended: int | None = None) -> None:
    if json:
        document = {"user": user, "status": status, "tokens_ended": tokens_ended}
        print_json({name: value for name, value in document.items() if value is not None})
        return
    what = {"disabled": "is disabled", "active": "can log in again", None: "is changed"}[status]
    say(f"{user} {what}." + (f" {tokens_ended} tokens ended." if tokens_ended is not None else ""))


_USER_COLUMNS: Final = ("id", "email", "name", "party", "status", "permissions", "created_at")
_TOKEN_COLUMNS: Final = ("id", "label", "party", "user", "permissions", "created_at", "expires_at", "revoked_at")
_ENTRY_COLUMNS: Final = ("id", "at", "by", "door", "action", "party", "object", "detail")


def _as_cells(document: Mapping[str, object]) -> dict[str, object]:
    """Times as in every file, and lists with blanks between."""

    def cell(value: object) -> object:
        if isinstance(value, datetime):
            return value.isoformat()
        return " ".join(value) if isinstance(value, list | tuple) else value

    return {name: cell(value) for name, value in document.items()}


def _entry_cells(row: AuditEntry) -> dict[str, object]:
    return _as_cells(entry_document(row)) | {"detail": _in_words(row.detail)}


def _any_id(text: str) -> UUID:
    return find_id(text.partition("_")[0], text)


def _end_of(row: CredentialView) -> str:
    if row.revoked_at:
        return f"revoked {_minute(row.revoked_at)}"
    return f"expires {_minute(row.expires_at)}" if row.expires_at else ""


def _minute(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M}"


def _in_words(detail: Mapping[str, Any]) -> str:
    return ", ".join(
        f"{name} {' '.join(value) if isinstance(value, list) else value}" for name, value in detail.items()
    )
