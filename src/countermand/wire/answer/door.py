"""``/answer/<token>``: the page of one cancellation for one party, and the one that confirms a mailbox.

Looking at a link changes nothing, as mail scanners follow every link. Sending the form goes down the write road.
"""

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from functools import partial
from importlib.resources import files
from typing import Final

from countermand.admin import endpoints
from countermand.domain.addresses.mailbox import mailbox_of
from countermand.domain.refusals import RefusalKind
from countermand.outlets.links import MAILBOX, PATH, Links, MailboxTicket
from countermand.service.calls import Call, Done, Failed, Refused
from countermand.store.engines.transactions import change
from countermand.wire import limits
from countermand.wire.answer import messages, views
from countermand.wire.answer.auth import LinkReader, Opened
from countermand.wire.answer.errors import PageError, error_reply, not_registered, status_of
from countermand.wire.answer.meaning import command_of
from countermand.wire.answer.views import page
from countermand.wire.body_types import unsupported_body
from countermand.wire.pipeline import answered
from countermand.wire.replies import REPLIES, Problem
from countermand.wire.response import Reply, Scope, Send, send_reply
from countermand.wire.router import Door, path_of
from countermand.wire.services import Services

DOOR: Final = "answer"
FORM: Final = "application/x-www-form-urlencoded"


def answer_door(services: Services, links: Links) -> Door:
    """The door, and all paths that begin like a link."""
    return Door(prefixes=(PATH,), app=AnswerDoor(services, links), refuse_host=_refuse_host, secret_paths=True)


class AnswerDoor:
    """The pages: check the link and the verb, read the form, decide one command, show one page."""

    def __init__(self, services: Services, links: Links) -> None:
        self._database, self._lanes = services.database, services.lanes
        self._ids, self._clock, self._settings = services.ids, services.clock, services.settings
        self._links = links
        self._reader = LinkReader(services, links)
        self._style = files("countermand.wire.answer").joinpath("style.css").read_bytes()

    async def __call__(self, scope: Scope, receive: limits.Receive, send: Send) -> None:
        """Answer one call."""
        await send_reply(send, await answered(self._reply(scope, receive), error_reply))

    async def _reply(self, scope: Scope, receive: limits.Receive) -> Reply:
        token = path_of(scope).removeprefix(PATH)
        if token == "style.css":  # noqa: S105 - a file, not a secret
            _check_method(scope, "GET")
            headers = ((b"cache-control", b"public, max-age=3600"), (b"x-content-type-options", b"nosniff"))
            return Reply(status=200, body=self._style, media_type=b"text/css; charset=utf-8", headers=headers)
        _check_method(scope, "GET", "POST")
        if token.startswith(MAILBOX):
            return await self._mailbox(self._reader.mailbox(token, scope), scope, receive)
        opened = await self._reader.opened(token, scope)
        if scope["method"] == "POST":
            return await self._give(opened, await self._form(scope, receive))
        return self._look(opened, 200)

    async def _mailbox(self, ticket: MailboxTicket, scope: Scope, receive: limits.Receive) -> Reply:
        """The page that confirms a mailbox: GET shows a button, and the button confirms."""
        if scope["method"] == "POST":
            await self._form(scope, receive, messages.CONFIRMATIONS)
            return await self._confirmed(ticket)
        with _registered():
            to_confirm = partial(endpoints.to_confirm, endpoint=ticket.endpoint, fits=ticket.fits)
            endpoint, party = await self._database.read(to_confirm)
        if endpoint.unconfirmed_since is None:
            return _mailbox_confirmed("This mailbox is confirmed already")
        return page(200, views.confirmation_page(mailbox_of(endpoint.url), party, self._settings.base_url))

    async def _confirmed(self, ticket: MailboxTicket) -> Reply:
        with _registered():
            confirm = partial(endpoints.confirm_by_link, endpoint=ticket.endpoint, fits=ticket.fits)
            changed = await change(self._database, confirm)
        return _mailbox_confirmed("Thank you" if changed else "This mailbox is confirmed already")

    async def _form(
        self, scope: Scope, receive: limits.Receive, answers: Collection[str] = messages.ANSWERS
    ) -> messages.Form:
        if unsupported := unsupported_body(scope, FORM):
            title, status = "This is not a form that a browser sent", status_of(Problem.UNSUPPORTED_MEDIA_TYPE)
            raise PageError(status, title, unsupported.sentence, headers=(unsupported.header,))
        most = min(self._settings.body_max_bytes, messages.BYTES_MAX)
        body = await limits.read_body(receive, max_bytes=most, timeout_s=self._settings.body_timeout_s)
        return messages.read_form(body, answers)

    async def _give(self, opened: Opened, form: messages.Form) -> Reply:
        """Give the answer, and show the result."""
        try:
            command = command_of(form, opened.row, opened.actor, self._ids.new, opened.ticket.step)
        except messages.FieldError as error:
            return self._look(opened, status_of(Problem.INVALID), form, views.problem_with(error))
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
                return self._look(opened, status_of(Problem.UNAVAILABLE), form, problem)

    async def _look_again(
        self,
        opened: Opened,
        status: int,
        form: messages.Form = messages.NOTHING,
        problem: views.Problem | None = None,
    ) -> Reply:
        """The page after an answer: thanks if it was accepted, otherwise the form again."""
        return self._look(await self._reader.found(opened.ticket), status, form, problem, given=True)

    def _look(
        self,
        opened: Opened,
        status: int,
        form: messages.Form = messages.NOTHING,
        problem: views.Problem | None = None,
        *,
        given: bool = False,
    ) -> Reply:
        """The page of the cancellation as it is now: with the forms, or with its outcome."""
        row, viewer, now, ticket = opened.row, opened.viewer, self._clock(), opened.ticket
        thanks = given and problem is None
        due = views.is_asked_of(row, viewer)
        if due and views.is_at_step(row, viewer, ticket.step):
            notice = "Your answer is stored. The cancellation still waits for the parcel to be named." if thanks else ""
            shown = views.Shown(once=self._ids.new().hex, form=form, problem=problem, notice=notice)
            return page(status, views.answer_page(row, viewer, now, shown))
        notice = "Thank you. Your answer is stored." if thanks else ""
        if problem is not None:
            notice = "Your answer changed nothing. This is what happened before."
        present = self._links.at_step(ticket, row.step) if due else ""
        return page(status, views.standing_page(row, viewer, now, notice, present))


_FIELDS: Final = {RefusalKind.REASON_REQUIRED: "reason"} | dict.fromkeys(
    (RefusalKind.UNITS_INVALID, RefusalKind.TOO_MANY_UNITS, RefusalKind.UNITS_ASKED), "units"
)
"""Which field a refusal is about."""


@contextmanager
def _registered() -> Iterator[None]:
    """The mailbox of a link must still be registered with the address that the link was sent to."""
    try:
        yield
    except endpoints.UnknownEndpointError:
        raise not_registered() from None


def _mailbox_confirmed(title: str) -> Reply:
    sentence = "This mailbox is confirmed. What has waited for it is sent now, unless it is paused."
    return page(200, views.message_page(title, sentence))


def _check_method(scope: Scope, *methods: str) -> None:
    if scope["method"] not in methods:
        allow = (b"allow", ", ".join(("GET", "HEAD", *methods[1:])).encode())
        title = "This page can only be opened and answered."
        raise PageError(status_of(Problem.METHOD_NOT_ALLOWED), title, headers=(allow,))


async def _refuse_host(scope: Scope, _receive: limits.Receive, send: Send) -> None:
    """Say what is wrong with the Host header."""
    body = views.message_page("Malformed call", scope["error"])
    await send_reply(send, page(status_of(Problem.MALFORMED), body))
