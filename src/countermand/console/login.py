"""Log-in: by e-mail address and password, or by a link that works once. What it needs is public; all else is not."""

from collections.abc import Mapping
from functools import partial
from http import HTTPStatus
from ipaddress import ip_address
from typing import Final
from urllib.parse import urlencode, urlsplit
from uuid import UUID

from sqlalchemy import Connection

from countermand.admin import users, web_sessions
from countermand.admin.audit import Author
from countermand.admin.callers import PLATFORM
from countermand.admin.parties import TakenError
from countermand.admin.sessions import LoginUser
from countermand.admin.web_sessions import LASTS
from countermand.console.errors import PageError
from countermand.console.forms import FieldError, Form, read_form
from countermand.console.rendering import Note, page, redirect
from countermand.console.visit import DOOR, seal_of
from countermand.domain.passwords import why_no_password
from countermand.ids import digest
from countermand.reads.parties import find_party
from countermand.store.engines.transactions import change
from countermand.wire.passwords import CrowdedError
from countermand.wire.replies import Header
from countermand.wire.response import Reply
from countermand.wire.services import Services

SESSION_COOKIE: Final = "__Host-countermand"
HOME: Final = "/console/"
LOGIN: Final = "/console/login"
OPENID: Final = "/console/openid/login"
ONCE: Final = "/console/once/"


class Logins:
    """The pages by which people come in."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._database, self._passwords = services.database, services.passwords

    async def reply(self, path: str, method: str, query: Mapping[str, str], form: Form, address: str) -> Reply | None:
        """The answer to a call that needs no session; ``None`` for any other."""
        if path == LOGIN:
            if method == "POST":
                return await self._log_in(form, address)
            return self.ask(then=query.get("next", ""))
        if path.startswith(ONCE):
            token = path.removeprefix(ONCE)
            return await (self._use(token, form) if method == "POST" else self._show(token))
        return None

    # By password

    def ask(
        self,
        *,
        then: str = "",
        kept: str = "",
        status: int = 200,
        note: Note | None = None,
        email: str = "",
        timed_out: bool = False,
        headers: tuple[Header, ...] = (),
    ) -> Reply:
        """The log-in. ``kept`` is a form that could not be sent, and comes back filled."""
        if timed_out:
            note = Note(title="You were logged out.", text="Log in, and what you wrote comes back filled.")
        values = {
            "title": "Log in",
            "note": note,
            "then": local_path(then),
            "kept": kept,
            "email": email,
            "theme": "",
            "openid": self._services.settings.oidc_name if self._services.settings.oidc_issuer else "",
            "openid_begins": f"{OPENID}?{urlencode({'next': local_path(then)})}",
            "insecure": not is_secure_place(self._services.settings.base_url),
        }
        return page(status, "login.html", values, *headers)

    async def _log_in(self, form: Form, address: str) -> Reply:
        email, kept, then = form.text("email"), form.raw("kept"), local_path(form.text("next"))
        again = partial(self.ask, then=then, kept=kept, email=email)
        try:
            user = await self._passwords.user(self._database, email, form.raw("password"), address)
        except CrowdedError:
            note = Note(title="Too many people log in at this moment.", text="Try again.", mood="warn")
            return again(status=HTTPStatus.SERVICE_UNAVAILABLE, note=note, headers=((b"retry-after", b"2"),))
        if user is None:
            text = "The e-mail address or the password is wrong, or the user is disabled."
            return again(
                status=HTTPStatus.UNAUTHORIZED, note=Note(title="You are not logged in.", text=text, mood="bad")
            )
        secret = await self._begin(user)
        if kept:
            return _resend(secret, then, kept)
        return redirect(then or HOME, session_cookie(secret))

    async def _begin(self, user: LoginUser) -> str:
        services = self._services
        return await change(
            self._database,
            lambda connection: web_sessions.open_session(
                connection,
                services.ids,
                services.clock(),
                user=user.id,
                party=user.party_id,
                label=f"console log-in of {user.name}",
            ),
        )

    # By a link

    async def _show(self, token: str) -> Reply:
        """The page of a link. It has a button, because mail scanners follow links."""
        link = await self._database.read(
            partial(web_sessions.find_link, lookup=digest(token), now=self._services.clock())
        )
        if link is None:
            raise _used_up()
        if link.user is None:
            return _first_operator(Form())
        user = await self._database.read(partial(web_sessions.user_by_id, user=link.user))
        if user is None:
            raise _used_up()
        party = await self._database.read(partial(find_party, text=str(user.party_id)))
        values = {"title": f"Log in as {user.name}", "user": user, "party": party, "theme": "", "note": None}
        return page(200, "once.html", values)

    async def _use(self, token: str, form: Form) -> Reply:
        try:
            secret = await change(self._database, partial(self._used, token=token, form=form))
        except (FieldError, TakenError) as error:
            return _first_operator(form, error)
        return redirect(HOME, session_cookie(secret))

    def _used(self, connection: Connection, token: str, form: Form) -> str:
        """Use the link up, and begin a session, in one transaction."""
        services, now = self._services, self._services.clock()
        link = web_sessions.use_link(connection, digest(token), now)
        if link is None:
            raise _used_up()
        user = link.user or self._make_operator(connection, form)
        found = web_sessions.user_by_id(connection, user)
        if found is None:
            raise _used_up()
        label = f"console log-in of {found.name}, by a link"
        return web_sessions.open_session(
            connection, services.ids, now, user=found.id, party=found.party_id, label=label
        )

    def _make_operator(self, connection: Connection, form: Form) -> UUID:
        if web_sessions.has_operator(connection):
            raise _used_up()
        email = form.line("email", needed="Write the e-mail address that you log in with.")
        if "@" not in email:
            raise FieldError("email", "This is no e-mail address.")
        services = self._services
        author = Author(name="one-time link", door=DOOR, at=services.clock(), ids=services.ids)
        return users.add(
            connection,
            author,
            party=find_party(connection, str(PLATFORM)),
            email=email,
            name=form.line("name") or email,
            password=new_password(form),
            permissions=None,
        )


def new_password(form: Form, name: str = "password") -> str:
    """A password that somebody chose.

    Raises:
        FieldError: it is too short, or too long.
    """
    chosen = form.raw(name)
    if problem := why_no_password(chosen):
        raise FieldError(name, problem)
    return chosen


def session_cookie(secret: str) -> Header:
    """The cookie that says who is logged in. Only this host gets it, and no script reads it."""
    age = int(LASTS.total_seconds()) if secret else 0
    text = f"{SESSION_COOKIE}={secret}; Path=/; Max-Age={age}; Secure; HttpOnly; SameSite=Lax"
    return b"set-cookie", text.encode()


def local_path(text: str) -> str:
    """A path of the console; empty for anything that could lead elsewhere."""
    fine = text.startswith(HOME) and text.isascii() and text.isprintable() and "\\" not in text and len(text) < 2000
    return text if fine and not text.startswith(LOGIN) else ""


def is_secure_place(base_url: str) -> bool:
    """Whether browsers keep a cookie that is for secure connections only: over https, or on the same machine."""
    parts = urlsplit(base_url)
    if parts.scheme == "https" or parts.hostname == "localhost":
        return True
    try:
        return ip_address(parts.hostname or "").is_loopback
    except ValueError:
        return False


def _resend(secret: str, then: str, kept: str) -> Reply:
    """What could not be sent, to be sent now."""
    values = {
        "title": "Send it now?",
        "pairs": read_form(kept.encode("ascii", "replace")).pairs,
        "action": then or HOME,
        "seal": seal_of(secret),
        "theme": "",
        "note": None,
    }
    return page(200, "resend.html", values, session_cookie(secret))


def _first_operator(form: Form, error: Exception | None = None) -> Reply:
    field = error.field if isinstance(error, FieldError) else "email" if error else ""
    values = {"title": "Make the first operator", "form": form, "field": field, "wrong": str(error or ""), "theme": ""}
    return page(422 if error else 200, "first.html", {**values, "note": None})


def _used_up() -> PageError:
    sentence = (
        "A log-in link works once, and for one hour. `countermand serve` prints a new one while nobody can log in."
    )
    return PageError(HTTPStatus.GONE, "This link can no longer be used", sentence, links={LOGIN: "Log in"})
