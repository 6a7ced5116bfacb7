"""Looking at a link changes nothing, as mail scanners follow every link. Sending the form goes down the write road."""

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from importlib.resources import files
from typing import Final

import structlog

from countermand import reads
from countermand.admin import endpoints
from countermand.domain.endpoint import mailbox_of
from countermand.domain.parties import Actor, PartyKind
from countermand.domain.refusals import RefusalKind
from countermand.outlets.links import MAILBOX, PATH, ExpiredLinkError, Links, MailboxTicket, Ticket, UnknownLinkError
from countermand.service.calls import Call, Done, Failed, Refused
from countermand.store.columns import Record
from countermand.store.engines.protocol import TooBroadError, UnavailableError
from countermand.store.engines.transactions import change
from countermand.store.fair_share import reading_party
from countermand.store.row_security import viewer
from countermand.wire import limits
from countermand.wire.answer import forms, views
from countermand.wire.callers import address_of
from countermand.wire.http import unsupported_body
from countermand.wire.replies import REPLIES, Problem
from countermand.wire.response import Reply, Scope, Send, send_reply
from countermand.wire.services import Services
from countermand.wire.throttle import ThrottledError

DOOR: Final = "answer"
EXPIRED: Final = 410
"""An expired link is no outcome of a call: it says Gone, so that nobody asks again."""
HTML: Final = b"text/html; charset=utf-8"
FORM: Final = "application/x-www-form-urlencoded"
POLICY: Final = b"default-src 'none'; style-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
HEADERS: Final = (
    (b"content-security-policy", POLICY),
    (b"referrer-policy", b"no-referrer"),
    (b"cache-control", b"no-store"),
    (b"x-content-type-options", b"nosniff"),
    (b"x-robots-tag", b"noindex"),
)

log = structlog.get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class Opened:
    """A link that was found good: what it opens, whose it is, and how the cancellation stands."""

    ticket: Ticket
    party: Record
    row: Record

    @property
    def looker(self) -> views.Viewer:
        """Whoever has the link is taken for its party."""
        return views.Viewer(party=self.party.id, kind=PartyKind(self.party.kind), name=self.party.name)

    @property
    def actor(self) -> Actor:
        """Who acts when the form is sent."""
        name = f"{self.party.name} (link in an e-mail)"
        return Actor(party=self.party.id, kind=PartyKind(self.party.kind), name=name)


class PageError(Exception):
    """The call ends here, with a page that says one thing."""

    def __init__(self, status: int, title: str, *sentences: str, headers: tuple[tuple[bytes, bytes], ...] = ()) -> None:
        super().__init__(title)
        self.status = status
        self.title = title
        self.sentences = sentences
        self.headers = headers


class AnswerDoor:
    """``/answer/<token>``: the page of one cancellation, for one party."""

    def __init__(self, behind: Services, links: Links) -> None:
        self._database, self._lanes = behind.database, behind.lanes
        self._ids, self._clock, self._settings = behind.ids, behind.clock, behind.settings
        self._links = links
        self._throttle = behind.throttle
        self._style = files("countermand.wire.answer").joinpath("style.css").read_bytes()

    async def __call__(self, scope: Scope, receive: limits.Receive, send: Send) -> None:
        """Answer one call."""
        try:
            reply = await self._answered(scope, receive)
        except PageError as error:
            reply = _page(error.status, views.message_page(error.title, *error.sentences), *error.headers)
        except ThrottledError as error:
            reply = _throttled(error.retry_in_s)
        except (UnavailableError, TooBroadError):
            reply = _unavailable()
        await send_reply(send, reply)

    async def _answered(self, scope: Scope, receive: limits.Receive) -> Reply:
        token = _token(scope)
        if token == "style.css":  # noqa: S105 - a file, not a secret
            _check_method(scope, "GET")
            headers = ((b"cache-control", b"public, max-age=3600"), (b"x-content-type-options", b"nosniff"))
            return Reply(status=200, body=self._style, media_type=b"text/css; charset=utf-8", headers=headers)
        _check_method(scope, "GET", "POST")
        if token.startswith(MAILBOX):
            return await self._mailbox(token, scope, receive)
        opened = await self._opened(token, address_of(scope))
        if scope["method"] == "POST":
            form = await self._form(scope, receive)
            return await self._give(opened, form)
        return self._look(opened, 200)

    async def _opened(self, token: str, address: str) -> Opened:
        try:
            ticket = self._links.read(token, self._clock())
        except UnknownLinkError:
            self._throttle.wrong(address)
            raise _unknown() from None
        except ExpiredLinkError:
            raise PageError(
                EXPIRED,
                "This link has expired",
                "It can be used no more. If the answer is still due, ask the retailer for it.",
            ) from None
        self._throttle.check_link((ticket.party, ticket.cancellation))
        reading_party.set(ticket.party)
        viewer.set(None)
        found = await self._found(ticket)
        if found is None:
            raise _unknown()
        opened = Opened(ticket=ticket, party=found[0], row=found[1])
        viewer.set(None if opened.looker.kind is PartyKind.PLATFORM else ticket.party)
        return opened

    async def _found(self, ticket: Ticket) -> tuple[Record, Record] | None:
        return await self._database.read(
            partial(
                reads.cancellation_to_answer,
                party=ticket.party,
                retailer=ticket.retailer,
                cancellation=ticket.cancellation,
            )
        )

    async def _mailbox(self, token: str, scope: Scope, receive: limits.Receive) -> Reply:
        """The page that confirms a mailbox: looked at, it has a button; the button confirms."""
        try:
            ticket = self._links.read_confirmation(token, self._clock())
        except UnknownLinkError:
            self._throttle.wrong(address_of(scope))
            raise _unknown() from None
        except ExpiredLinkError:
            raise PageError(EXPIRED, "This link has expired", _ASK_AGAIN) from None
        self._throttle.check_link((ticket.endpoint, MAILBOX))
        reading_party.set(ticket.endpoint)
        viewer.set(None)
        if scope["method"] == "POST":
            await self._form(scope, receive, forms.CONFIRMATIONS)
            return await self._confirmed(ticket)
        with _registered():
            to_confirm = partial(endpoints.to_confirm, endpoint=ticket.endpoint, fits=ticket.fits)
            endpoint, party = await self._database.read(to_confirm)
        if endpoint.unconfirmed_since is None:
            return _mailbox_confirmed("This mailbox is confirmed already")
        return _page(200, views.confirmation_page(mailbox_of(endpoint.url), party, self._settings.base_url))

    async def _confirmed(self, ticket: MailboxTicket) -> Reply:
        with _registered():
            confirm = partial(endpoints.confirm_by_link, endpoint=ticket.endpoint, fits=ticket.fits)
            changed = await change(self._database, confirm)
        return _mailbox_confirmed("Thank you" if changed else "This mailbox is confirmed already")

    async def _form(
        self, scope: Scope, receive: limits.Receive, answers: Collection[str] = forms.ANSWERS
    ) -> forms.Form:
        if unsupported := unsupported_body(scope, FORM):
            title = "This is not a form that a browser sent"
            raise PageError(
                _status(Problem.UNSUPPORTED_MEDIA_TYPE), title, unsupported.sentence, headers=(unsupported.header,)
            )
        try:
            body = await limits.read_body(
                receive,
                max_bytes=min(self._settings.body_max_bytes, forms.BYTES_MAX),
                timeout_s=self._settings.body_timeout_s,
            )
            return forms.read_form(body, answers)
        except limits.BodyTooLargeError as error:
            raise PageError(_status(Problem.TOO_LARGE), "The form is too large", str(error)) from None
        except limits.BodyTooSlowError:
            raise PageError(_status(Problem.TOO_SLOW), "The form did not arrive in time", "Send it again.") from None
        except forms.MalformedFormError as error:
            raise PageError(_status(Problem.MALFORMED), "This form cannot be read", str(error)) from None

    async def _give(self, opened: Opened, form: forms.Form) -> Reply:
        """Give the answer, and show what it led to."""
        try:
            command = forms.command_of(form, opened.row, opened.actor, self._ids.new, opened.ticket.step)
        except forms.FieldError as error:
            return self._look(opened, _status(Problem.INVALID), form, views.problem_with(error))
        ticket = opened.ticket
        outcome = await self._lanes.submit(
            Call(command=command, door=DOOR, retailer=ticket.retailer, once=form.once(ticket.cancellation))
        )
        match outcome:
            case Done():
                return await self._look_again(opened, 200)
            case Refused(refusal=refusal):
                problem = views.Problem(sentence=refusal.detail, field=_FIELDS.get(refusal.kind, ""))
                return await self._look_again(opened, REPLIES[refusal.kind].native, form, problem)
            case Failed():
                problem = views.Problem(sentence="The database did not answer. Nothing is lost; send the form again.")
                return self._look(opened, _status(Problem.UNAVAILABLE), form, problem)

    async def _look_again(
        self, opened: Opened, status: int, form: forms.Form = forms.NOTHING, problem: views.Problem | None = None
    ) -> Reply:
        """The page after a call: thanks where it was heeded, the form again where it was not."""
        found = await self._found(opened.ticket)
        if found is None:
            raise _unknown()
        return self._look(replace(opened, row=found[1]), status, form, problem, given=True)

    def _look(
        self,
        opened: Opened,
        status: int,
        form: forms.Form = forms.NOTHING,
        problem: views.Problem | None = None,
        *,
        given: bool = False,
    ) -> Reply:
        """The page as the cancellation stands now: with the forms, or with what became of it."""
        row, looker, now, ticket = opened.row, opened.looker, self._clock(), opened.ticket
        thanks = given and problem is None
        due = views.is_asked_of(row, looker)
        if due and views.is_at_step(row, looker, ticket.step):
            notice = "Your answer is stored. The cancellation still waits for the parcel to be named." if thanks else ""
            shown = views.Shown(once=self._ids.new().hex, form=form, problem=problem, notice=notice)
            return _page(status, views.answer_page(row, looker, now, shown))
        notice = "Thank you. Your answer is stored." if thanks else ""
        if problem is not None:
            notice = "Your answer changed nothing. What happened before stands here."
        present = self._links.at_step(ticket, row.step) if due else ""
        return _page(status, views.standing_page(row, looker, now, notice, present))


_FIELDS: Final = {RefusalKind.REASON_REQUIRED: "reason"} | dict.fromkeys(
    (RefusalKind.UNITS_INVALID, RefusalKind.TOO_MANY_UNITS, RefusalKind.UNITS_ASKED), "units"
)
"""Which field a refusal is about."""


_ASK_AGAIN: Final = (
    "It can be used no more. Whoever had this mailbox registered can have a new one sent, as long as it is wanted."
)


@contextmanager
def _registered() -> Iterator[None]:
    """The mailbox of a link has to be registered still, under the address that the link was sent to."""
    try:
        yield
    except endpoints.UnknownEndpointError:
        title = "This mailbox is not registered any more"
        told = "Nothing is sent to it. If something should be, it has to be registered again."
        raise PageError(EXPIRED, title, told) from None


def _mailbox_confirmed(title: str) -> Reply:
    told = "This mailbox is confirmed. What has waited for it is sent now, unless it is paused."
    return _page(200, views.message_page(title, told))


async def refuse_host(scope: Scope, _receive: limits.Receive, send: Send) -> None:
    """Say what is wrong with the Host header."""
    await send_reply(send, _page(_status(Problem.MALFORMED), views.message_page("Malformed call", scope["error"])))


def _check_method(scope: Scope, *methods: str) -> None:
    if scope["method"] not in methods:
        allow = (b"allow", ", ".join(("GET", "HEAD", *methods[1:])).encode())
        title = "This page can be looked at and answered, no more."
        raise PageError(_status(Problem.METHOD_NOT_ALLOWED), title, headers=(allow,))


def _token(scope: Scope) -> str:
    path: str = scope["path"].removeprefix(scope.get("root_path", ""))
    return path.removeprefix(PATH)


def _status(problem: Problem) -> int:
    return REPLIES[problem].native


def _unknown() -> PageError:
    return PageError(
        _status(Problem.NOT_FOUND),
        "This link opens nothing",
        "It may have been cut off or mistyped. Copy all of it from the e-mail.",
    )


def _unavailable() -> Reply:
    title, sentence = "The database did not answer", "Nothing is lost. Try again in a moment."
    return _page(_status(Problem.UNAVAILABLE), views.message_page(title, sentence), (b"retry-after", b"1"))


def _throttled(retry_in_s: int) -> Reply:
    title, sentence = "Too many calls", f"Nothing is lost. Try again in {retry_in_s} seconds."
    when = (b"retry-after", str(retry_in_s).encode())
    return _page(_status(Problem.RATE_LIMITED), views.message_page(title, sentence), when)


def _page(status: int, body: bytes, *more: tuple[bytes, bytes]) -> Reply:
    return Reply(status=status, body=body, media_type=HTML, headers=(*HEADERS, *more))
