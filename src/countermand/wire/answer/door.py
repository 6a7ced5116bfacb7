"""``/answer/<token>``: the page of one cancellation for one party, and the one that confirms a mailbox.

``/status/<token>`` shows a customer what became of a cancellation.

Looking at a link changes nothing, as mail scanners follow every link. Sending the form goes down the write road.
"""

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from importlib.resources import files
from typing import Final
from urllib.parse import parse_qsl

from countermand.admin import endpoints
from countermand.admin.audit import Author
from countermand.documents.languages import Language, Message, chosen, later
from countermand.domain.addresses.mailbox import mailbox_of
from countermand.domain.refusals import RefusalKind
from countermand.observability.calls import note_operation
from countermand.outlets.links import MAILBOX, PATH, STATUS, Links, MailboxTicket
from countermand.service.calls import Call, Done, Failed, Refused
from countermand.store.engines.transactions import change
from countermand.wire import limits
from countermand.wire.answer import messages, views
from countermand.wire.answer.auth import LinkReader, Opened
from countermand.wire.answer.errors import PageError, busy, error_reply, failed, not_registered, status_of
from countermand.wire.answer.meaning import command_of
from countermand.wire.answer.sentences import Reader
from countermand.wire.answer.views import page
from countermand.wire.body_types import unsupported_body
from countermand.wire.design import with_tokens
from countermand.wire.pipeline import answered
from countermand.wire.replies import REPLIES, Problem
from countermand.wire.response import Reply, Scope, Send, header, send_reply
from countermand.wire.router import Door, path_of
from countermand.wire.services import Services

DOOR: Final = "answer"
FORM: Final = "application/x-www-form-urlencoded"


def answer_door(services: Services, links: Links) -> Door:
    """The door, and all paths that begin like a link."""
    return Door(
        name=DOOR,
        prefixes=(PATH, STATUS),
        app=AnswerDoor(services, links),
        refuse_host=_refuse_host,
        busy=busy,
        failed=failed,
    )


@dataclass(frozen=True, slots=True)
class Visit:
    """One call of a link: what it opens, and who reads it."""

    opened: Opened
    reader: Reader


class AnswerDoor:
    """The pages: check the link and the verb, read the form, decide one command, show one page."""

    def __init__(self, services: Services, links: Links) -> None:
        self._database, self._lanes = services.database, services.lanes
        self._ids, self._clock, self._settings = services.ids, services.clock, services.settings
        self._links = links
        self._reader = LinkReader(services, links)
        self._style = with_tokens(files("countermand.wire.answer").joinpath("style.css").read_bytes())

    async def __call__(self, scope: Scope, receive: limits.Receive, send: Send) -> None:
        """Answer one call."""
        language = language_of(scope)
        work = self._reply(scope, receive, language)
        await send_reply(send, await answered(work, lambda error: error_reply(error, language)))

    async def _reply(self, scope: Scope, receive: limits.Receive, language: Language) -> Reply:
        path = path_of(scope)
        token = path.removeprefix(PATH).removeprefix(STATUS)
        note_operation(_operation(path, token, scope["method"]))
        if token == "style.css":  # noqa: S105 - a file, not a secret
            _check_method(scope, "GET")
            headers = ((b"cache-control", b"public, max-age=3600"), (b"x-content-type-options", b"nosniff"))
            return Reply(status=200, body=self._style, media_type=b"text/css; charset=utf-8", headers=headers)
        if path.startswith(STATUS):
            _check_method(scope, "GET")
            return page(200, views.customer_page(await self._reader.status(token, scope), self._reads(language)))
        _check_method(scope, "GET", "POST")
        if token.startswith(MAILBOX):
            return await self._mailbox(await self._reader.mailbox(token, scope), scope, receive, language)
        visit = Visit(await self._reader.opened(token, scope), self._reads(language))
        if scope["method"] == "POST":
            return await self._give(visit, await self._form(scope, receive))
        return self._look(visit, 200)

    async def _mailbox(self, ticket: MailboxTicket, scope: Scope, receive: limits.Receive, language: Language) -> Reply:
        """The page that confirms a mailbox: GET shows a button, and the button confirms."""
        if scope["method"] == "POST":
            await self._form(scope, receive, messages.CONFIRMATIONS)
            return await self._confirmed(ticket, language)
        with _registered():
            to_confirm = partial(endpoints.to_confirm, endpoint=ticket.endpoint, fits=ticket.fits)
            endpoint, party = await self._database.read(to_confirm)
        if endpoint.unconfirmed_since is None:
            return _mailbox_confirmed(language, _CONFIRMED_BEFORE)
        address = mailbox_of(endpoint.url)
        return page(200, views.mailbox_page(language, address, party, self._settings.base_url))

    async def _confirmed(self, ticket: MailboxTicket, language: Language) -> Reply:
        with _registered():
            author = Author(name="link in an e-mail", door=DOOR, at=self._clock(), ids=self._ids)
            confirm = partial(endpoints.confirm_by_link, author=author, endpoint=ticket.endpoint, fits=ticket.fits)
            changed = await change(self._database, confirm)
        return _mailbox_confirmed(language, later("Thank you") if changed else _CONFIRMED_BEFORE)

    async def _form(
        self, scope: Scope, receive: limits.Receive, answers: Collection[str] = messages.ANSWERS
    ) -> messages.Form:
        if unsupported := unsupported_body(scope, FORM):
            title, status = later("This is not a form that a browser sent"), status_of(Problem.UNSUPPORTED_MEDIA_TYPE)
            raise PageError(status, title, Message(unsupported.sentence), headers=(unsupported.header,))
        most = min(self._settings.body_max_bytes, messages.BYTES_MAX)
        body = await limits.read_body(scope, receive, max_bytes=most, timeout_s=self._settings.body_timeout_s)
        return messages.read_form(body, answers)

    async def _give(self, visit: Visit, form: messages.Form) -> Reply:
        """Give the answer, and show the result. What cannot be taken back is shown once more before."""
        opened, language = visit.opened, visit.reader.language
        if form.wants_back:
            return self._look(visit, 200, form)
        try:
            command = command_of(form, opened.row, opened.actor, self._ids.new, opened.ticket.step)
        except messages.FieldError as error:
            return self._look(visit, status_of(Problem.INVALID), form, views.problem_with(error, language))
        units = views.units_to_confirm(opened.row, opened.viewer, opened.ticket.step, form)
        if units:
            return page(200, views.confirm_page(opened.row, units, visit.reader, form))
        ticket = opened.ticket
        outcome = await self._lanes.submit(
            Call(command=command, door=DOOR, retailer=ticket.retailer, once=form.once(ticket.cancellation))
        )
        match outcome:
            case Done():
                return await self._look_again(visit, 200)
            case Refused(refusal=refusal):
                sentence = views.refusal_sentence(refusal, language)
                problem = views.Problem(sentence=sentence, field=_FIELDS.get(refusal.kind, ""))
                return await self._look_again(visit, REPLIES[refusal.kind].native, form, problem)
            case Failed():
                sentence = language.say(
                    "The database did not answer. Nobody knows whether your answer was stored. Send the form again:"
                    " the same form sent twice counts once."
                )
                return self._look(visit, status_of(Problem.UNAVAILABLE), form, views.Problem(sentence=sentence))

    async def _look_again(
        self,
        visit: Visit,
        status: int,
        form: messages.Form = messages.NOTHING,
        problem: views.Problem | None = None,
    ) -> Reply:
        """The page after an answer: thanks if it was accepted, otherwise the form again."""
        again = Visit(await self._reader.found(visit.opened.ticket), visit.reader)
        return self._look(again, status, form, problem, given=True)

    def _look(
        self,
        visit: Visit,
        status: int,
        form: messages.Form = messages.NOTHING,
        problem: views.Problem | None = None,
        *,
        given: bool = False,
    ) -> Reply:
        """The page of the cancellation as it is now: with the forms, or with its outcome."""
        opened, reader = visit.opened, visit.reader
        row, viewer, ticket, say = opened.row, opened.viewer, opened.ticket, reader.language.say
        thanks = given and problem is None
        due = views.is_asked_of(row, viewer)
        if due and views.is_at_step(row, viewer, ticket.step):
            notice = (
                say("Your answer is stored. The cancellation still waits for the parcel to be named.") if thanks else ""
            )
            shown = views.Shown(once=self._ids.new().hex, form=form, problem=problem, notice=notice)
            return page(status, views.answer_page(row, viewer, opened.policy, reader, shown))
        notice = say("Thank you. Your answer is stored.") if thanks else ""
        if problem is not None:
            notice = say("Your answer changed nothing. This is what happened before.")
        present = self._links.at_step(ticket, row.step) if due else ""
        return page(status, views.standing_page(row, viewer, reader, notice, present))

    def _reads(self, language: Language) -> Reader:
        return Reader(language=language, zone=self._settings.score_zone, now=self._clock())


def language_of(scope: Scope) -> Language:
    """The language of a page: the one in its address, else the one that the browser asks for."""
    named = dict(parse_qsl(scope["query_string"][:_QUERY_MAX].decode("latin-1"))).get("lang", "")
    return chosen(named, header(scope, b"accept-language") or "")


def _operation(path: str, token: str, method: str) -> str:
    """What logs and metrics call a call."""
    if token == "style.css":  # noqa: S105 - a file, not a secret
        return "style"
    if path.startswith(STATUS):
        return "status"
    given = method == "POST"
    if token.startswith(MAILBOX):
        return "confirm" if given else "mailbox"
    return "give" if given else "look"


_QUERY_MAX: Final = 200
_CONFIRMED_BEFORE: Final = later("This mailbox is confirmed already")
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


def _mailbox_confirmed(language: Language, title: Message) -> Reply:
    sentence = later("This mailbox is confirmed. What has waited for it is sent now, unless it is paused.")
    return page(200, views.message_page(language, title, sentence))


def _check_method(scope: Scope, *methods: str) -> None:
    if scope["method"] not in methods:
        allow = (b"allow", ", ".join(("GET", "HEAD", *methods[1:])).encode())
        title = later("This page cannot be called so.")
        raise PageError(status_of(Problem.METHOD_NOT_ALLOWED), title, headers=(allow,))


async def _refuse_host(scope: Scope, _receive: limits.Receive, send: Send) -> None:
    """Say what is wrong with the Host header."""
    body = views.message_page(language_of(scope), later("Malformed call"), Message(scope["error"]))
    await send_reply(send, page(status_of(Problem.MALFORMED), body))
