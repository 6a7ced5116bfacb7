"""Every page and action, for each role, about what is one's own, another's, and what is not there."""

import re
from collections.abc import AsyncIterator
from dataclasses import dataclass
from functools import partial
from typing import Any, Final
from uuid import UUID

import pytest
from sqlalchemy import select

from countermand.admin import endpoints, jobs, saved_views, users
from countermand.admin.callers import PERMISSIONS, PLATFORM
from countermand.admin.saved_views import NewView
from countermand.console.routes import ROUTES, Route
from countermand.domain.commands import AcceptCancellation, AskCancellation
from countermand.domain.jobs import JobFormat, JobKind
from countermand.domain.parties import PartyKind
from countermand.ids import show
from countermand.reads.notices import NoticeFilter, list_notices
from countermand.reads.refunds import RefundFilter, list_refunds
from countermand.service.calls import Done
from countermand.store import tables as t
from countermand.store.attempts import AttemptRow, record
from tests.console.visiting import FORM, Person, person
from tests.support.money import PAID, place_paid
from tests.support.world import Clock, World, populate, running

pytestmark = pytest.mark.anyio

PREFIXES: Final = {
    "cancellation": "can",
    "refund": "rfd",
    "order": "ord",
    "line": "lin",
    "endpoint": "ept",
    "party": "pty",
    "job": "job",
    "user": "usr",
    "credential": "crd",
    "notice": "ntc",
    "attempt": "att",
    "event": "evt",
    "view": "viw",
}
ROLES: Final = {
    "operator": PartyKind.PLATFORM,
    "viewer": PartyKind.PLATFORM,
    "retailer": PartyKind.RETAILER,
    "supplier": PartyKind.SUPPLIER,
}
NAMED: Final = [route for route in ROUTES if "{" in route.path]
ENDS_THE_SESSION: Final = ("/console/logout", "/console/logout-everywhere")
"""See test_login.py."""


def name_of(route: Route) -> str:
    return route.name


def may(role: str, route: Route) -> bool:
    kind = ROLES[role]
    has = route.permission is None or (
        route.permission in PERMISSIONS[kind] and (role != "viewer" or route.permission.value == "view_order")
    )
    return kind in route.kinds and has


@dataclass(kw_only=True)
class Stage:
    """A world with a person of each role, and things of theirs and of others."""

    world: World
    people: dict[str, Person]
    own: dict[str, UUID]
    others: dict[str, UUID]

    def path(self, route: Route, things: dict[str, UUID], role: str = "") -> str:
        if role in ("operator", "viewer") and "platform's job" in things:
            # Jobs are of the party that made them, also for the platform.
            things = things | {"job": things["platform's job"]}
        if role == "supplier":
            things = things | {
                name: things[f"supplier's {name}"]
                for name in ("party", "endpoint", "job", "user", "credential", "notice", "attempt", "event")
            }
        if f"{role}'s view" in things:
            # Views are of a person.
            things = things | {"view": things[f"{role}'s view"]}
        names = {name: show(PREFIXES[name], thing) for name, thing in things.items() if name in PREFIXES}
        return route.path.format(**names)

    async def call(self, role: str, route: Route, things: dict[str, UUID]) -> Any:
        if route.path.endswith("{endpoint}/remove") and things is self.own:
            things = await self._with_another_endpoint(things)
        path = self.path(route, things, role)
        return await (self.people[role].look(path) if route.method == "GET" else self.people[role].post(path, {}))

    async def _with_another_endpoint(self, things: dict[str, UUID]) -> dict[str, UUID]:
        """So that what is removed is nothing that other calls are about."""
        return things | {
            "endpoint": await add_endpoint(self.world, things["party"], "https://c.example/"),
            "supplier's endpoint": await add_endpoint(self.world, things["supplier's party"], "https://c.example/"),
        }


async def add_endpoint(world: World, party: UUID, url: str) -> UUID:
    application = world.application
    added = await application.database.write(
        lambda c: endpoints.add(
            c,
            world.author(),
            application.keyring,
            party=party,
            url=url,
        )
    )
    return added.endpoint.id


async def view_of(world: World, who: Person, party: UUID) -> UUID:
    """A saved view of this person."""
    application = world.application
    user = await application.database.read(partial(users.find_user, text=who.email))
    new = NewView(party=party, user=user.id, list="events", name="x", query="kind=line.placed")
    return await application.database.write(lambda c: saved_views.add(c, application.ids, world.clock(), new))


async def access(world: World, party: UUID) -> dict[str, UUID]:
    """Somebody of a party, and a token of its own."""
    who = await person(world, party)
    user = await world.application.database.read(partial(users.find_user, text=who.email))
    tokens = select(t.credentials.c.id).where(t.credentials.c.party_id == party, t.credentials.c.kind == "token")
    first = tokens.order_by(t.credentials.c.id).limit(1)
    token = await world.application.database.read(lambda connection: connection.execute(first).scalar_one())
    return {"user": user.id, "credential": token}


async def job(world: World, party: UUID) -> UUID:
    new = world.application.ids.new()
    create = partial(jobs.create, author=world.author(), job=new, party=party, kind=JobKind.ASK, written=JobFormat.CSV)
    await world.application.database.write(create)
    return new


async def sent(world: World, endpoint: UUID) -> dict[str, UUID]:
    """A notice to this endpoint, an attempt to send it, and its event."""
    application, wanted = world.application, NoticeFilter(endpoint=endpoint)
    notice = (await application.database.read(lambda c: list_notices(c, wanted, 1, world.clock())))[0]
    row = AttemptRow(
        retailer_id=notice.retailer_id, id=application.ids.new(), notice_id=notice.id, endpoint_id=endpoint,
        event_id=notice.event_id, line_id=notice.line_id, seq=notice.seq, kind=notice.kind, url=notice.url,
        at=world.clock(), ok=True, duration_ms=1, status=204, answer="", error="",
    )  # fmt: skip
    await application.database.write(lambda c: record(c, [row]))
    return {"notice": notice.id, "attempt": row.id, "event": notice.event_id}


async def things(world: World, retailer: UUID, supplier: UUID) -> dict[str, UUID]:
    line_of = {"supplier": str(supplier), "sku": "SKU-0", "units": 3, "unit_price": "10.00"}
    payment = {**PAID, "reference": f"PAY-{retailer.hex[-4:]}"}
    order = await place_paid(world, retailer=str(retailer), lines=[line_of], payments=[payment], reference="PO-X")
    line = order.lines[0].id
    ask = AskCancellation(line=line, actor=world.actor(retailer), units=1)
    done = await world.submit(ask, retailer=retailer)
    assert isinstance(done, Done)
    yes = AcceptCancellation(line=line, actor=world.actor(supplier), cancellation=done.cancellations[0])
    assert isinstance(await world.submit(yes, retailer=retailer), Done)
    waiting = await world.submit(ask, retailer=retailer)
    assert isinstance(waiting, Done)
    scope = world.scope(PLATFORM)
    [refund] = await world.application.database.read(lambda c: list_refunds(c, scope, RefundFilter(line=line)))
    endpoint = await add_endpoint(world, supplier, "https://a.example/")
    sellers = await add_endpoint(world, retailer, "https://b.example/")
    # Each is told of what the other does.
    last = await world.submit(ask, retailer=retailer)
    assert isinstance(last, Done)
    again = AcceptCancellation(line=line, actor=world.actor(supplier), cancellation=last.cancellations[0])
    assert isinstance(await world.submit(again, retailer=retailer), Done)
    return {
        "order": order.id,
        "line": line,
        "cancellation": waiting.cancellations[0],
        "refund": refund.id,
        "party": retailer,
        "endpoint": sellers,
        "job": await job(world, retailer),
        **await access(world, retailer),
        **{f"supplier's {name}": thing for name, thing in (await access(world, supplier)).items()},
        "supplier's job": await job(world, supplier),
        **await sent(world, sellers),
        **{f"supplier's {name}": thing for name, thing in (await sent(world, endpoint)).items()},
        "supplier's party": supplier,
        "supplier's endpoint": endpoint,
    }


@pytest.fixture(scope="module")
async def stage(shared_url: str) -> AsyncIterator[Stage]:
    clock = Clock()
    async with running(shared_url, clock) as application:
        yield await staged(await populate(application, clock))


async def staged(world: World) -> Stage:
    """People of each role in this world, with things of theirs and of others."""
    own = await things(world, world.retailer, world.supplier)
    own["platform's job"] = await job(world, PLATFORM)
    others = await things(world, world.other_retailer, world.other_supplier)
    people = {
        "operator": await person(world, PLATFORM),
        "viewer": await person(world, PLATFORM, permissions=["view_order"]),
        "retailer": await person(world, world.retailer),
        "supplier": await person(world, world.supplier),
    }
    parties = {"retailer": world.retailer, "supplier": world.supplier}
    for role, who in people.items():
        own[f"{role}'s view"] = await view_of(world, who, parties.get(role, PLATFORM))
    own["view"] = own["operator's view"]
    others["view"] = await view_of(world, await person(world, world.retailer), world.retailer)
    return Stage(world=world, people=people, own=own, others=others)


@pytest.mark.parametrize("route", [each for each in ROUTES if each.path not in ENDS_THE_SESSION], ids=name_of)
async def test_one_may_or_may_not(stage: Stage, route: Route) -> None:
    wrong = {}
    for role in ROLES:
        reply = await stage.call(role, route, stage.own)
        if not is_let_in(reply) if may(role, route) else not _is_kept_out(reply):
            wrong[role] = (reply.status_code, reply.text)
    assert wrong == {}


def is_let_in(reply: Any) -> bool:
    return reply.status_code not in (401, 403, 404, 405, 500)


def _is_kept_out(reply: Any) -> bool:
    return reply.status_code == 403 and ("not for you" in reply.text or "You may not do this" in reply.text)


@pytest.mark.parametrize(
    ("role", "route"),
    [(role, route) for role in ("retailer", "supplier") for route in NAMED if may(role, route)],
    ids=lambda each: each if isinstance(each, str) else name_of(each),
)
async def test_what_is_anothers_looks_like_what_is_not_there(stage: Stage, role: str, route: Route) -> None:
    new = stage.world.application.ids.new
    theirs = await stage.call(role, route, stage.others)
    absent = {name: new() for name in stage.others}
    nothing = await stage.call(role, route, absent)
    assert (theirs.status_code, nothing.status_code) == (404, 404)
    assert _without(theirs.text, stage.others) == _without(nothing.text, absent)


@pytest.mark.parametrize("route", NAMED, ids=name_of)
async def test_a_name_that_is_none_leads_nowhere(stage: Stage, route: Route) -> None:
    who = stage.people["operator"]
    found = {}
    for name in ("x", "can_", "%00", "can_" + "0" * 32, "é", "a" * 300):
        path = re.sub("{[^}]*}", name, route.path)
        found[name] = (await (who.look(path) if route.method == "GET" else who.post(path, {}))).status_code
    assert set(found.values()) == {404}, found


@pytest.mark.parametrize("route", ROUTES, ids=name_of)
async def test_a_stranger_gets_nowhere(stage: Stage, route: Route) -> None:
    stranger = Person(stage.world, "", "")
    path = stage.path(route, stage.own)
    reply = await (stranger.look(path) if route.method == "GET" else stranger.post(path, {}))
    assert reply.status_code == (303 if route.method == "GET" else 401)
    assert "Log in" in reply.text or reply.headers["location"].startswith("/console/login?next=")


FOREIGN: Final[tuple[dict[str, str], ...]] = (
    {},
    {"sec-fetch-site": "cross-site"},
    {"sec-fetch-site": "same-site"},
    {"sec-fetch-site": "none"},
    {"origin": "https://evil.example"},
    {"origin": "null"},
    {"sec-fetch-site": "same-origin", "origin": "https://evil.example"},
    {"sec-fetch-site": "cross-site", "origin": "http://test"},
)
"""What browsers say of a form that a page of another site sent, or that none of ours did."""


@pytest.mark.parametrize("route", [each for each in ROUTES if each.method == "POST"], ids=name_of)
async def test_a_form_of_another_site_is_refused(stage: Stage, route: Route) -> None:
    """With the cookie and even the seal of somebody who may do it: the session goes on, and nothing is done."""
    who, path = stage.people["operator"], stage.path(route, stage.own, "operator")
    for said in FOREIGN:
        reply = await who.post(path, {}, headers={"content-type": FORM["content-type"], **said})
        assert reply.status_code == 403, said
        assert "This form did not come from here" in reply.text
    forged = await who.post(path, {"seal": "0" * 64}, seal=False)
    assert forged.status_code == 403
    assert "This form has expired" in forged.text


@pytest.mark.parametrize(
    ("role", "route"),
    [
        (role, route)
        for role in ("operator", "retailer", "supplier")
        for route in ROUTES
        if route.method == "GET" and may(role, route)
    ],
    ids=lambda each: each if isinstance(each, str) else name_of(each),
)
async def test_every_form_counts_once(stage: Stage, role: str, route: Route) -> None:
    """Each has a key of its own, but the one that logs out."""
    page = await stage.call(role, route, stage.own)
    forms = re.findall(r'<form\b([^>]*method="post"[^>]*)>(.*?)</form>', page.text, re.DOTALL)
    keys = [re.findall(r'name="once" value="([0-9a-f]{32})"', inner) for said, inner in forms if "/logout" not in said]
    assert all(len(each) == 1 for each in keys)
    assert len({each[0] for each in keys}) == len(keys)


def _without(text: str, named: dict[str, UUID]) -> str:
    for thing in named.values():
        text = text.replace(thing.hex, "#")
    return text
