"""One's own account: how pages look, the password, and the end of log-ins."""

from dataclasses import replace

from sqlalchemy import Connection

from countermand.admin import users, web_sessions
from countermand.console.forms import FieldError
from countermand.console.login import LOGIN, new_password, session_cookie
from countermand.console.rendering import Note, redirect, role_of, show_page
from countermand.console.visit import Visit
from countermand.wire.passwords import CrowdedError
from countermand.wire.replies import Header
from countermand.wire.response import Reply


async def look(visit: Visit) -> Reply:
    """The account."""
    notes = {
        "look": Note(title="Saved for this browser.", mood="good"),
        "password": Note(
            title="Your password is changed.", text="All your other log-ins and tokens have ended.", mood="good"
        ),
    }
    return _account(visit, note=notes.get(visit.query.get("done", "")))


def _account(visit: Visit, *, status: int = 200, note: Note | None = None, wrong: FieldError | None = None) -> Reply:
    return show_page(
        visit,
        "account.html",
        title="Your account",
        status=status,
        note=note,
        role=role_of(visit),
        session=visit.session,
        field=wrong.field if wrong else "",
        wrong=str(wrong or ""),
    )


async def choose_look(visit: Visit) -> Reply:
    """Choose the theme and the keys."""
    chosen = replace(visit.look, keys=bool(visit.form.text("keys"))).with_theme(visit.form.text("theme"))
    return redirect("/console/account?done=look", chosen.cookie())


async def change_password(visit: Visit) -> Reply:
    """Change one's password. All other log-ins end, and this one begins anew."""
    try:
        password = new_password(visit.form, "new")
        await check_password(visit, "old")
    except FieldError as error:
        return _account(visit, status=422, wrong=error)
    author, ids, now = visit.author, visit.services.ids, visit.now

    def work(connection: Connection) -> str:
        user = users.find_user(connection, str(visit.session.user))
        users.change_password(connection, author, user, password)
        label = f"console log-in of {user.name}"
        return web_sessions.open_session(connection, ids, now, user=user.id, party=user.party_id, label=label)

    secret = await visit.change(work)
    return redirect("/console/account?done=password", session_cookie(secret))


async def check_password(visit: Visit, field: str = "password") -> None:
    """Whether the user who is logged in knows the password, too.

    Raises:
        FieldError: not, or too many passwords are being checked.
        ThrottledError: too many attempts failed.
    """
    caller = visit.caller
    try:
        user = await visit.services.passwords.user(
            visit.services.database, caller.email, visit.form.raw(field), visit.address
        )
    except CrowdedError:
        raise FieldError(field, "Too many passwords are being checked at this moment. Send it again.") from None
    if user is None or user.id != visit.session.user:
        raise FieldError(field, "This is not your password.")


async def authenticated_again(visit: Visit) -> tuple[Header, ...]:
    """Ask for the password. Who gives it gets a new session, whose cookie is returned, and the old one ends.

    Raises:
        FieldError, ThrottledError: as ``check_password``.
    """
    _, cookie = await password_again(visit)
    return cookie


async def password_again(visit: Visit) -> tuple[Visit, tuple[Header, ...]]:
    """As ``authenticated_again``, with the visit by the new session, for a page that is shown at once.

    Raises:
        FieldError, ThrottledError: as ``check_password``.
    """
    await check_password(visit)
    secret = await visit.change(web_sessions.renew_session, visit.author, visit.session)
    return replace(visit, secret=secret), (session_cookie(secret),)


async def log_out(visit: Visit) -> Reply:
    """End this log-in."""
    await visit.change(web_sessions.end_session, visit.author, visit.session.id)
    return redirect(LOGIN, session_cookie(""))


async def log_out_everywhere(visit: Visit) -> Reply:
    """End all log-ins and tokens of the user."""
    author, user = visit.author, str(visit.session.user)
    await visit.change(lambda connection: users.log_out(connection, author, users.find_user(connection, user)))
    return redirect(LOGIN, session_cookie(""))
