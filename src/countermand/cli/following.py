"""Commands for those who write a receiver: follow events, have them sent to a program of one's own, send a sample."""

import base64
import json as json_module
import os
import secrets
import sys
import webbrowser
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Final

from cyclopts import Parameter

from countermand.cli import nouns
from countermand.cli.endpoints import tell_test
from countermand.cli.output import Exit, fail, manners, plain, print_json, say, writing
from countermand.cli.remote.calling import calling

if TYPE_CHECKING:
    from countermand_client import Client
    from countermand_client.models import Event

TypeFlag = Annotated[
    tuple[str, ...],
    Parameter(name="--type", negative=(), help="Only this kind: cancellation.asked, or refund.*; may be repeated"),
]
AfterFlag = Annotated[str | None, Parameter(help="Go on after this cursor; by default with what happens from now on")]
OneJson = Annotated[bool, Parameter(name="--json", negative=(), help="Print one JSON document")]
EventJson = Annotated[bool, Parameter(name="--json", negative=(), help="Print each event as one line of JSON")]

SECRET_VARIABLE: Final = "COUNTERMAND_LISTEN_SECRET"  # noqa: S105
_ANSWER_WITHIN_S: Final = 20.0


def events_tail(
    *,
    type: TypeFlag = (),  # noqa: A002
    order: Annotated[str | None, Parameter(help="Id of an order")] = None,
    line: Annotated[str | None, Parameter(help="Id of a line")] = None,
    after: AfterFlag = None,
    json: EventJson = False,
) -> None:
    """Print the events of a service as they happen, until it is interrupted. Needs --server."""
    with calling() as client:
        for event, cursor in _events(client, type, order, line, after):
            with writing():
                print(_as_json(event, cursor) if json else _as_row(event, cursor))


def listen(
    url: Annotated[str, Parameter(help="Where events are sent to, such as http://127.0.0.1:9000/")],
    *,
    type: TypeFlag = (),  # noqa: A002
    after: AfterFlag = None,
    json: EventJson = False,
) -> None:
    """Send the events of a service to a program on this machine, signed like webhooks. Needs --server.

    It says the secret to check the signatures with; COUNTERMAND_LISTEN_SECRET sets your own.
    """
    if not url.startswith(("http://", "https://")):
        fail(Exit.USAGE, "usage", f"{url!r} is no URL: it begins with http:// or https://.")
    secret = os.environ.get(SECRET_VARIABLE) or _new_secret()
    with calling() as client:
        say(f"Events go to {url}, signed with {secret}. Ctrl-C ends it.")
        for event, cursor in _events(client, type, None, None, after):
            answered = _forward(url, event, secret)
            with writing():
                print(_as_json(event, cursor, answered=answered) if json else f"{_as_row(event, '')}\t{answered}")


def trigger(
    endpoint: Annotated[str, Parameter(help="Id of the endpoint")],
    *,
    event: Annotated[str | None, Parameter(help="A kind of event to send a sample of; a plain test by default")] = None,
    json: OneJson = False,
) -> None:
    """Have a service send a sample of an event to an endpoint, and print the receiver's answer. Needs --server."""
    sent = nouns.endpoints(None).test(endpoint, event)
    assert sent is not None
    tell_test(sent, json=json)


PAGES: Final = {"can_": "cancellations", "rfd_": "refunds", "ord_": "orders", "ept_": "endpoints", "pty_": "parties"}
"""Where the console shows an object, by the prefix of its id."""


def open_page(
    id: Annotated[str, Parameter(help="Id of a cancellation, a refund or an order")],  # noqa: A002
    *,
    print_only: Annotated[bool, Parameter(name="--print", negative=(), help="Print the address, open nothing")] = False,
    json: OneJson = False,
) -> None:
    """Open the page of an object in the browser, and print its address. Needs --server."""
    if not manners.server:
        fail(Exit.USAGE, "no_server", "Name the service whose page it is: --server https://cancel.example.com.")
    # An id without a prefix is that of an order: others are never shown bare.
    noun = next((noun for prefix, noun in PAGES.items() if id.startswith(prefix)), "orders")
    if not id.replace("_", "").replace("-", "").isalnum() or not id.isascii():
        fail(Exit.USAGE, "bad_id", f"{id!r} is no id.")
    address = f"{manners.server.rstrip('/')}/console/{noun}/{id}"
    if json:
        print_json({"id": id, "url": address})
    else:
        print(address)
    if not (print_only or json) and sys.stdout.isatty():
        webbrowser.open(address)


def _events(
    client: "Client", kinds: tuple[str, ...], order: str | None, line: str | None, after: str | None
) -> Iterator[tuple["Event", str]]:
    since = None if after else datetime.now(UTC)
    stream = client.events.stream(type=list(kinds) or None, order=order, line=line, after=after, since=since)
    for event in stream:
        yield event, stream.cursor or ""


def _as_json(event: "Event", cursor: str, **more: str) -> str:
    return json_module.dumps({"cursor": cursor, **more, **event.document}, ensure_ascii=False)


def _as_row(event: "Event", cursor: str) -> str:
    data = event.data
    cells = [f"{event.time:%Y-%m-%d %H:%M:%S}", event.kind, data.reference, data.sku, data.units, data.line, cursor]
    return "\t".join(plain(each) for each in cells if each != "")


def _new_secret() -> str:
    return f"whsec_{base64.b64encode(secrets.token_bytes(32)).decode()}"


def _forward(url: str, event: "Event", secret: str) -> str:
    """Send one event on, and say what the program answered."""
    import httpx2

    from countermand_client import WebhookError, webhooks

    body = json_module.dumps(event.document, ensure_ascii=False).encode()
    try:
        headers = {"content-type": "application/json", **webhooks.sign(body, event.id, secret)}
    except WebhookError as error:
        fail(Exit.USAGE, "bad_secret", f"{SECRET_VARIABLE}: {error}")
    try:
        return str(httpx2.post(url, content=body, headers=headers, timeout=_ANSWER_WITHIN_S).status_code)
    except (httpx2.HTTPError, httpx2.InvalidURL) as error:
        return f"no answer: {str(error) or type(error).__name__}"
