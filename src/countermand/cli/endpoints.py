"""Commands about endpoints: where parties are notified."""

from collections.abc import Sequence
from typing import Annotated

from cyclopts import Parameter

from countermand.cli import nouns
from countermand.cli.durations import seconds
from countermand.cli.inputs import Text
from countermand.cli.listing import minute
from countermand.cli.nouns import Document, ListedEndpoint
from countermand.cli.output import Exit, plain, print_json, print_table, report
from countermand.cli.running import DatabaseFlag, JsonFlag
from countermand.domain.events import EventKind

Which = Annotated[str, Parameter(help="Id of the endpoint")]


def endpoint_add(
    url: Annotated[str, Parameter(help="https://… for a webhook, mailto:… for e-mail")],
    *,
    party: str,
    event: Annotated[
        Sequence[str] | None,
        Parameter(negative=(), help="A kind of event to send there; may be repeated. Default: all; mailboxes: asks"),
    ] = None,
    label: str = "",
    database: DatabaseFlag = None,
    json: JsonFlag = False,
) -> None:
    """Register where a party is notified. Prints its id, then the secret, which cannot be shown again.

    A mailbox has no secret. Until its owner confirms it, it gets only an e-mail that asks for confirmation.

    Parameters
    ----------
    party
        Name or id of the party.
    label
        What it is for.
    """
    added = nouns.endpoints(database).add(url, party=party, events=event or (), label=label)
    if json:
        print_json({**added.document, "secret": added.secret})
        return
    print(added.document["id"])
    if added.secret:
        print(added.secret)


def endpoint_list(
    *,
    party: Annotated[str | None, Parameter(help="Of this party only")] = None,
    database: DatabaseFlag = None,
    json: JsonFlag = False,
) -> None:
    """List the endpoints, without those that were removed."""
    found = nouns.endpoints(database).all(party)
    if json:
        print_json([each.document for each in found])
        return
    rows = [
        (
            each.document["id"],
            each.owner,
            each.document["url"],
            each.document["state"],
            _told_of(each),
            minute(each.document["failing_since"]),
            each.document["state_reason"],
        )
        for each in found
    ]
    columns = ("Id", "Party", "Address", "State", "Events", "Failing since (UTC)", "Why")
    print_table(columns, rows, empty="There are no endpoints.")


def _told_of(listed: ListedEndpoint) -> str:
    named = listed.document["events"] or listed.document["resources"]
    return ", ".join(named) if named else "asks to answer" if listed.asks_only else "all"


def endpoint_pause(
    endpoint: Which,
    *,
    reason: Annotated[Text, Parameter(help="Why")] = "",
    database: DatabaseFlag = None,
    json: JsonFlag = False,
) -> None:
    """Pause an endpoint. Its notices wait, and are sent when it is resumed."""
    done = nouns.endpoints(database).pause(endpoint, reason=reason)
    report("The endpoint is paused.", json=json, **done)


def endpoint_resume(endpoint: Which, *, database: DatabaseFlag = None, json: JsonFlag = False) -> None:
    """Resume an endpoint that was paused or disabled, also if the service had stopped it."""
    done = nouns.endpoints(database).resume(endpoint)
    report(f"The endpoint is {done['state']}.", json=json, **done)


def endpoint_confirm(
    endpoint: Which,
    *,
    again: Annotated[bool, Parameter(negative=(), help="Send the confirmation to the mailbox once more")] = False,
    database: DatabaseFlag = None,
    json: JsonFlag = False,
) -> None:
    """Confirm a mailbox that you know, without its owner; or send the confirmation once more."""
    done = nouns.endpoints(database).confirm(endpoint, again=again)
    sentence = "The confirmation is sent once more." if again else f"The mailbox is confirmed; it is {done['state']}."
    report(sentence, json=json, **done)


def endpoint_rotate(
    endpoint: Which,
    *,
    overlap: Annotated[str, Parameter(help="How long the old secret stays valid beside the new one")] = "24h",
    database: DatabaseFlag = None,
    json: JsonFlag = False,
) -> None:
    """Give an endpoint a new secret, and print it. It cannot be shown again."""
    rotated = nouns.endpoints(database).rotate(endpoint, overlap_s=seconds(overlap))
    if json:
        print_json({**rotated.document, "secret": rotated.secret})
    else:
        print(rotated.secret)


def endpoint_remove(endpoint: Which, *, database: DatabaseFlag = None, json: JsonFlag = False) -> None:
    """Remove an endpoint for good. Notices that waited are dead."""
    done = nouns.endpoints(database).remove(endpoint)
    report("The endpoint is removed. Notices that waited for it are dead.", json=json, **done)


def endpoint_test(
    endpoint: Which,
    *,
    event: Annotated[
        EventKind | None, Parameter(help="A kind of event to send a sample of; a plain test by default")
    ] = None,
    database: DatabaseFlag = None,
    json: JsonFlag = False,
) -> None:
    """Send a signed test to an endpoint now, or a sample of an event, and print the receiver's answer."""
    sent = nouns.endpoints(database).test(endpoint, event.value if event else None)
    if sent is not None:
        tell_test(sent, json=json)


def tell_test(sent: Document, *, json: bool) -> None:
    """Print what came of a test; ends the command if it was not accepted."""
    if json:
        print_json(sent)
    else:
        print(plain(_answer(sent)))
    if not sent["ok"]:
        raise SystemExit(Exit.FAILED)


def _answer(sent: Document) -> str:
    if sent["status"] is None:
        return "The e-mail is sent." if sent["ok"] else str(sent["error"])
    said = f": {sent['answer']}" if sent["answer"] else "."
    return f"The receiver answered {sent['status']}{said}"
