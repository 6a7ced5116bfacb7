"""The console as an application: the session, where a form comes from, the page, and what goes wrong on the way."""

import hmac
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache
from http import HTTPStatus
from http.cookies import CookieError, SimpleCookie
from typing import Any, Final
from urllib.parse import parse_qsl, urlencode, urlsplit

import structlog
from cachetools import TTLCache

from countermand.admin import web_sessions
from countermand.admin.callers import Permission
from countermand.admin.web_sessions import WebSession
from countermand.console import rendering
from countermand.console.errors import FORBIDDEN, PageError, Trouble, trouble_of
from countermand.console.forms import BYTES_MAX, FORM, SEAL, Form, read_form
from countermand.console.live import PATH as LIVE
from countermand.console.live import Live, LiveStream
from countermand.console.login import LOGIN, ONCE, SESSION_COOKIE, Logins
from countermand.console.look import LOOK_COOKIE, Look
from countermand.console.openid.login import OpenIdLogins
from countermand.console.rendering import page, redirect, show_page
from countermand.console.routes import Route, match
from countermand.console.visit import DOOR, SentBeforeError, Visit
from countermand.ids import digest
from countermand.observability.calls import note_operation
from countermand.reads.waiting import waiting_for
from countermand.store.fair_share import reading_party
from countermand.store.row_security import viewer
from countermand.wire import limits
from countermand.wire.body_types import unsupported_body
from countermand.wire.callers import address_of
from countermand.wire.endings import note_end
from countermand.wire.replies import BUSY, SORRY
from countermand.wire.response import Reply, Scope, Send, header, header_values, send_reply
from countermand.wire.router import Door, asked_method, path_of
from countermand.wire.services import Services

PREFIX: Final = "/console/"
STATIC: Final = f"{PREFIX}static/"
KEPT_S: Final = 300
"""For so long figures of weeks that are over are kept."""
KEPT_MAX: Final = 10_000
_COOKIES_MAX: Final = 8192
_HELPS_TO_REPEAT: Final = frozenset({HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE})

log = structlog.get_logger()


def console_door(services: Services) -> Door:
    """The door, and all paths below ``/console``."""
    app = Console(services)
    return Door(
        name=DOOR,
        prefixes=(PREFIX,),
        paths=frozenset({PREFIX.rstrip("/")}),
        app=app,
        refuse_host=_refuse_host,
        busy=_busy,
        failed=_failed,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Incoming:
    """A call as it came, before anybody is known."""

    scope: Scope
    path: str
    cookies: Mapping[str, str]
    form: Form

    @property
    def method(self) -> str:
        """GET or POST, or another one."""
        method: str = self.scope["method"]
        return method

    @property
    def pairs(self) -> list[tuple[str, str]]:
        """The query; one that cannot be read says nothing."""
        text = self.scope.get("query_string", b"").decode("latin-1")
        try:
            return parse_qsl(text, keep_blank_values=True, errors="replace", max_num_fields=200)
        except ValueError:
            return []

    @property
    def query(self) -> dict[str, str]:
        """The query by name. Of a name that is there twice the first counts."""
        return dict(reversed(self.pairs))

    @property
    def whole_path(self) -> str:
        """The path with its query, to come back to."""
        query = urlencode(self.pairs)
        return f"{self.path}?{query}" if query else self.path

    @property
    def look(self) -> Look:
        """How this browser wants to see pages."""
        return Look.read(self.cookies.get(LOOK_COOKIE, ""))


class Console:
    """Answers calls: from static files and the log-in, which need nobody to be known, to all other pages."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._logins = Logins(services)
        self._kept: TTLCache[Any, Any] = TTLCache(KEPT_MAX, KEPT_S)
        self._live = Live(services.database, services.arrivals, services.clock)
        self._openid = OpenIdLogins(services) if services.settings.oidc_issuer else None

    async def __call__(self, scope: Scope, receive: limits.Receive, send: Send) -> None:
        """Answer one call."""
        reply = await self._reply(scope, receive)
        if isinstance(reply, LiveStream):
            await reply(scope, receive, send)
            return
        if self._services.settings.base_url.startswith("https:"):
            reply = replace(reply, headers=(*reply.headers, (b"strict-transport-security", b"max-age=31536000")))
        await send_reply(send, reply)

    async def _reply(self, scope: Scope, receive: limits.Receive) -> Reply | LiveStream:
        reading_party.set(None)
        viewer.set(None)
        call = Incoming(scope=scope, path=path_of(scope), cookies=_cookies(scope), form=Form())
        visit: Visit | None = None
        try:
            if call.path == PREFIX.rstrip("/"):
                return redirect(PREFIX)
            if call.path.startswith(STATIC):
                note_operation("static")
                return _static(call.path.removeprefix(STATIC), call.query)
            if call.method == "POST":
                call = replace(call, form=await self._form(call, receive))
            public = await self._public(call, address_of(scope))
            if public is not None:
                note_operation("log_in")
                return public
            session = await self._session(call)
            if call.path == LIVE:
                note_operation("live")
                return await self._stream(call, session)
            if session is None:
                return self._stranger(call)
            visit = await self._visit(call, session)
            reply = await self._page(visit, call.method)
            if call.method == "POST":
                self._live.check_sessions()
            return reply
        except Exception as error:  # noqa: BLE001 - what is nobody's to handle is raised again
            note_end(error)
            return _trouble_page(trouble_of(error), visit, call)

    async def _public(self, call: Incoming, address: str) -> Reply | None:
        """The answer to a call that needs nobody to be known; ``None`` for any other."""
        if self._openid is not None and call.method == "GET":
            by_another = await self._openid.reply(call.path, call.query, call.cookies, address)
            if by_another is not None:
                return by_another
        return await self._logins.reply(call.path, call.method, call.query, call.form, address)

    async def _form(self, call: Incoming, receive: limits.Receive) -> Form:
        if not is_from_here(call.scope, self._services.settings.base_url):
            raise PageError(
                FORBIDDEN,
                "This form did not come from here",
                "A page of another site sent it, or your browser does not say which page did. Nothing was changed.",
            )
        if wrong := unsupported_body(call.scope, FORM):
            raise PageError(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "This is not a form", wrong.sentence, wrong.header)
        settings = self._services.settings
        most = min(settings.body_max_bytes, BYTES_MAX)
        timeout_s = settings.body_timeout_s
        return read_form(await limits.read_body(call.scope, receive, max_bytes=most, timeout_s=timeout_s))

    async def _session(self, call: Incoming) -> WebSession | None:
        """Who is logged in. A cookie that is none of ours counts as a guess."""
        secret = call.cookies.get(SESSION_COOKIE, "")
        if not secret:
            return None
        services = self._services
        async with services.throttle.looking_up(call.scope):
            found = await services.database.read(
                lambda connection: web_sessions.session_of(connection, digest(secret), services.clock())
            )
        if found is None:
            await services.throttle.wrong(call.scope)
            return None
        reading_party.set(found.caller.party)
        viewer.set(found.caller.sees)
        return found

    async def _stream(self, call: Incoming, session: WebSession | None) -> Reply | LiveStream:
        """The stream of what changes. A browser that is told ``204`` does not ask again."""
        if session is None or not session.caller.may(Permission.VIEW_ORDER):
            return Reply(status=HTTPStatus.NO_CONTENT)
        if call.method != "GET":
            raise PageError(
                HTTPStatus.METHOD_NOT_ALLOWED, "This page cannot be called in this way", "", (b"allow", b"GET")
            )
        if asked_method(call.scope) == "HEAD":
            return Reply(status=HTTPStatus.OK, media_type=b"text/event-stream")
        await self._services.throttle.check_call(session.caller)
        about = [value for name, value in call.pairs if name == "about"]
        after = header(call.scope, b"last-event-id") or call.query.get("after", "")
        return LiveStream(self._live, session, about=about, after=after)

    def _stranger(self, call: Incoming) -> Reply:
        """Where somebody is led who is not logged in. What was typed comes back after the log-in."""
        if call.method == "POST":
            return self._logins.ask(
                then=call.path, kept=urlencode(call.form.content), status=HTTPStatus.UNAUTHORIZED, timed_out=True
            )
        return redirect(f"{PREFIX}login?{urlencode({'next': call.whole_path})}")

    async def _visit(self, call: Incoming, session: WebSession) -> Visit:
        _, names = match(call.path)
        await self._services.throttle.check_call(session.caller)
        return Visit(
            services=self._services,
            session=session,
            secret=call.cookies[SESSION_COOKIE],
            path=call.path,
            address=address_of(call.scope),
            names=names,
            query=call.query,
            ticked=tuple(value for name, value in call.pairs if name == "id"),
            form=call.form,
            look=call.look,
            cursor=self._live.cursor,
            kept=self._kept,
        )

    async def _page(self, visit: Visit, method: str) -> Reply:
        routes, _ = match(visit.path)
        if not routes:
            raise PageError(
                HTTPStatus.NOT_FOUND,
                "There is no such page",
                "The address may be mistyped.",
                links={PREFIX: "Today"},
            )
        route = next((each for each in routes if each.method == method), None)
        if route is None:
            allow = ", ".join(sorted({each.method for each in routes}))
            raise PageError(
                HTTPStatus.METHOD_NOT_ALLOWED, "This page cannot be called in this way", "", (b"allow", allow.encode())
            )
        note_operation(route.name)
        _check(visit, route)
        if route.is_page:
            visit = replace(visit, waiting=await visit.read(waiting_for, visit.scope, visit.now))
        try:
            return await route.answer(visit)
        except SentBeforeError as error:
            return redirect(error.path or PREFIX)


def _check(visit: Visit, route: Route) -> None:
    """Whether this visitor may make this call, and whether its form is of this session."""
    if visit.caller.kind not in route.kinds:
        whose = " or ".join(sorted(kind.value for kind in route.kinds))
        raise PageError(FORBIDDEN, "This page is not for you", f"Only a {whose} can see it.", links={PREFIX: "Today"})
    if route.permission and not visit.may(route.permission):
        sentence = f"Your user lacks the permission {route.permission.value}. An operator can give it to you."
        raise PageError(FORBIDDEN, "You may not do this", sentence, links={PREFIX: "Today"})
    if route.method == "POST" and not hmac.compare_digest(
        visit.form.text(SEAL).encode(errors="replace"), visit.seal.encode()
    ):
        sentence = "It belongs to another log-in. Go back, load the page again, and send it once more."
        raise PageError(FORBIDDEN, "This form has expired", sentence)


def is_from_here(scope: Scope, base_url: str) -> bool:
    """Whether a browser says that a page of this site sent the form."""
    site, origin = header(scope, b"sec-fetch-site"), header(scope, b"origin")
    if site is not None and site != "same-origin":
        return False
    if origin is not None:
        here = {urlsplit(base_url).netloc.lower(), (header(scope, b"host") or "").strip().lower()}
        return urlsplit(origin).netloc.lower() in here - {""}
    return site is not None


def _cookies(scope: Scope) -> dict[str, str]:
    text = "; ".join(header_values(scope, b"cookie"))[:_COOKIES_MAX]
    try:
        return {name: each.value for name, each in SimpleCookie(text).items()}
    except CookieError:
        return {}


def _static(name: str, query: Mapping[str, str]) -> Reply:
    media_type = rendering.STATIC.get(name)
    if media_type is None:
        raise PageError(HTTPStatus.NOT_FOUND, "There is no such file")
    known = query.get("v") == rendering.version()
    keep = b"public, max-age=31536000, immutable" if known else b"public, max-age=300"
    headers = ((b"cache-control", keep), (b"x-content-type-options", b"nosniff"))
    return Reply(status=200, body=rendering.static(name), media_type=media_type, headers=headers)


def _trouble_page(trouble: Trouble, visit: Visit | None, call: Incoming | None = None) -> Reply:
    again = _again(trouble, call)
    if visit is not None:
        more: dict[str, Any] = {"trouble": trouble, "again": again, "action": visit.path}
        shown = show_page(visit, "trouble.html", title=trouble.title, status=trouble.status, **more)
        return replace(shown, headers=(*shown.headers, *trouble.headers))
    action = call.path if call else ""
    values = {"title": trouble.title, "trouble": trouble, "theme": "", "again": again, "action": action}
    return page(trouble.status, "plain_trouble.html", values, *trouble.headers)


def _again(trouble: Trouble, call: Incoming | None) -> list[tuple[str, str]]:
    """What was sent, to be sent again, where that helps. A password is typed anew."""
    if call is None or trouble.status not in _HELPS_TO_REPEAT or call.path.startswith((LOGIN, ONCE)):
        return []
    return [(name, value) for name, value in call.form.pairs if name != "password"]


@cache
def _busy_page() -> Reply:
    when = (b"retry-after", b"1")
    return _trouble_page(Trouble(status=503, title="There is too much to do", sentence=BUSY, headers=(when,)), None)


def _busy(_: Scope) -> Reply:
    """There is no room for a call. The page is made once."""
    return _busy_page()


def _failed(_: Scope) -> Reply:
    """A fault of ours ended a call, outside of any page."""
    return _trouble_page(Trouble(status=500, title="Something went wrong", sentence=SORRY), None)


async def _refuse_host(scope: Scope, _receive: limits.Receive, send: Send) -> None:
    """Say what is wrong with the Host header."""
    await send_reply(send, _trouble_page(Trouble(status=400, title="Malformed call", sentence=scope["error"]), None))
