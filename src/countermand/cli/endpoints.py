"""Commands about endpoints: where parties are notified."""

from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Annotated, TypeVar

from cyclopts import Parameter
from sqlalchemy import Connection

from countermand.admin import endpoints
from countermand.admin.endpoints import Added
from countermand.admin.finding import find_party
from countermand.cli.durations import seconds
from countermand.cli.inputs import Text
from countermand.cli.orders import operator
from countermand.cli.output import Exit, fail, manners, print_json, print_table, report
from countermand.cli.parties import find_id
from countermand.cli.running import DatabaseFlag, JsonFlag, ask_database, read_settings, with_database
from countermand.documents.endpoints import listed_endpoint
from countermand.domain.delivery import Attempt, Verdict
from countermand.domain.endpoint import Endpoint
from countermand.ids import show
from countermand.reads import parties as party_reads
from countermand.road import Application

T = TypeVar("T")

_CONFIRM = "`countermand endpoint confirm ID --again` sends the confirmation once more; without --again you confirm it."

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

    def add(connection: Connection, application: Application) -> Added:
        return endpoints.add(
            connection,
            application.ids,
            application.keyring,
            application.clock(),
            party=find_party(connection, party).id,
            url=url,
            kinds=event or (),
            label=label,
            rules=application.settings.address_rules,
            by=operator().name,
        )

    _print_added(_change(database, add, uses_keys=True), json=json)


def endpoint_list(
    *,
    party: Annotated[str | None, Parameter(help="Of this party only")] = None,
    database: DatabaseFlag = None,
    json: JsonFlag = False,
) -> None:
    """List the endpoints, without those that were removed."""

    def question(connection: Connection) -> list[tuple[Endpoint, str]]:
        owner = find_party(connection, party).id if party else None
        names = {row.id: row.name for row in party_reads.list_parties(connection)}
        return [(each, names[each.party]) for each in endpoints.of_party(connection, owner)]

    found = ask_database(read_settings(database=database), question)
    if json:
        print_json([listed_endpoint(endpoint) for endpoint, _ in found])
        return
    rows = [
        (
            show(endpoints.PREFIX, each.id),
            owner,
            each.url,
            each.state,
            ", ".join(each.event_kinds) or ("asks to answer" if each.kind.asks_only else "all"),
            f"{each.failing_since:%Y-%m-%d %H:%M}" if each.failing_since else "",
            each.state_reason,
        )
        for each, owner in found
    ]
    columns = ("Id", "Party", "Address", "State", "Events", "Failing since (UTC)", "Why")
    print_table(columns, rows, empty="There are no endpoints.")


def endpoint_pause(
    endpoint: Which,
    *,
    reason: Annotated[Text, Parameter(help="Why")] = "",
    database: DatabaseFlag = None,
    json: JsonFlag = False,
) -> None:
    """Pause an endpoint. Its notices wait, and are sent when it is resumed."""
    wanted, who = find_id(endpoints.PREFIX, endpoint), operator().name
    why = f"Paused by {who}" + (f": {reason}" if reason else ".")
    _change(database, lambda connection, _: endpoints.pause(connection, wanted, reason=why, by=who))
    report("The endpoint is paused.", json=json, id=show(endpoints.PREFIX, wanted), state="paused")


def endpoint_resume(endpoint: Which, *, database: DatabaseFlag = None, json: JsonFlag = False) -> None:
    """Resume an endpoint that was paused or disabled, also if the service had stopped it."""
    wanted = find_id(endpoints.PREFIX, endpoint)
    found = _change(database, lambda connection, _: endpoints.resume(connection, wanted, by=operator().name))
    report(f"The endpoint is {found.state}.", json=json, id=show(endpoints.PREFIX, wanted), state=found.state.value)


def endpoint_confirm(
    endpoint: Which,
    *,
    again: Annotated[bool, Parameter(negative=(), help="Send the confirmation to the mailbox once more")] = False,
    database: DatabaseFlag = None,
    json: JsonFlag = False,
) -> None:
    """Confirm a mailbox that you know, without its owner; or send the confirmation once more."""
    wanted, who = find_id(endpoints.PREFIX, endpoint), operator().name

    def confirm(connection: Connection, application: Application) -> Endpoint:
        if not again:
            return endpoints.confirm(connection, wanted, by=who)
        rules = application.settings.address_rules
        return endpoints.ask_again_to_confirm(connection, application.clock(), wanted, rules=rules, by=who)

    found = _change(database, confirm)
    sentence = "The confirmation is sent once more." if again else f"The mailbox is confirmed; it is {found.state}."
    report(sentence, json=json, id=show(endpoints.PREFIX, wanted), state=found.state.value)


def endpoint_rotate(
    endpoint: Which,
    *,
    overlap: Annotated[str, Parameter(help="How long the old secret stays valid beside the new one")] = "24h",
    database: DatabaseFlag = None,
    json: JsonFlag = False,
) -> None:
    """Give an endpoint a new secret, and print it. It cannot be shown again."""
    wanted, kept_for = find_id(endpoints.PREFIX, endpoint), timedelta(seconds=seconds(overlap))

    def rotate(connection: Connection, application: Application) -> Added:
        return endpoints.rotate(
            connection,
            application.ids,
            application.keyring,
            application.clock(),
            wanted,
            overlap=kept_for,
            by=operator().name,
        )

    rotated = _change(database, rotate, uses_keys=True)
    if json:
        print_json({**listed_endpoint(rotated.endpoint), "secret": rotated.secret})
    else:
        print(rotated.secret)


def endpoint_remove(endpoint: Which, *, database: DatabaseFlag = None, json: JsonFlag = False) -> None:
    """Remove an endpoint for good. Notices that waited are dead."""
    wanted = find_id(endpoints.PREFIX, endpoint)
    dead = _change(database, lambda connection, _: endpoints.remove(connection, wanted, by=operator().name))
    sentence = f"The endpoint is removed. Notices that were due there and are dead now: {dead}."
    report(sentence, json=json, id=show(endpoints.PREFIX, wanted), state="removed", dead=dead)


def endpoint_test(endpoint: Which, *, database: DatabaseFlag = None, json: JsonFlag = False) -> None:
    """Send a signed test to an endpoint now, and print the receiver's answer."""
    wanted = find_id(endpoints.PREFIX, endpoint)

    async def work(application: Application) -> Attempt | None:
        found = await application.database.read(lambda connection: endpoints.find(connection, wanted))
        if found.unconfirmed_since is not None:
            fail(Exit.REFUSED, "unconfirmed", endpoints.UNCONFIRMED, _CONFIRM)
        return None if manners.dry_run else await _try(application, found)

    attempt = with_database(read_settings(database=database), work, uses_keys=True)
    if attempt is None:
        return
    if json:
        print_json({"verdict": attempt.verdict, "result": attempt.result})
    else:
        print(attempt.result)
    if attempt.verdict is not Verdict.DELIVERED:
        raise SystemExit(Exit.FAILED)


async def _try(application: Application, endpoint: Endpoint) -> Attempt:
    # Only this command sends anything, and what it takes is slow to import.
    from countermand.outlets.links import Links
    from countermand.outlets.registry import open_outlets

    settings, keyring = application.settings, application.keyring
    links = Links(keyring, settings.base_url, days=settings.answer_link_days)
    outlets, _ = open_outlets(settings, keyring=keyring, links=links, clock=application.clock)
    try:
        return await outlets.of(endpoint).test(endpoint, application.ids.new(), application.clock())
    finally:
        await outlets.close()


def _change(database: str | None, change: Callable[[Connection, Application], T], *, uses_keys: bool = False) -> T:
    """Run a change in a transaction; what cannot be ends the command with a sentence."""

    async def work(application: Application) -> T:
        return await application.database.write(lambda connection: change(connection, application))

    return with_database(read_settings(database=database), work, uses_keys=uses_keys)


def _print_added(added: Added, *, json: bool) -> None:
    if json:
        print_json({**listed_endpoint(added.endpoint), "secret": added.secret})
        return
    print(show(endpoints.PREFIX, added.endpoint.id))
    if added.secret:
        print(added.secret)
