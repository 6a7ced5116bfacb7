"""Saved views of lists, and the filters that they keep."""

import csv
import io
import re

import pytest

from countermand.admin import saved_views
from countermand.admin.saved_views import BadViewError, NewView, TooManyViewsError
from tests.console.test_pages import asked
from tests.console.test_people import user_of
from tests.console.visiting import links_in, operator, person, words
from tests.support.world import World

pytestmark = pytest.mark.anyio


async def test_a_view_is_saved_used_and_removed_by_whose_it_is(world: World) -> None:
    await asked(world)
    who, other = await operator(world), await operator(world)
    address = "/console/cancellations?view=asked&retailer=retailer"
    page = await who.look(f"{address}&q=sam%40example.com")
    assert "Save this view" in words(page)
    form = dict(re.findall(r'name="(list|query)" value="([^"]*)"', page.text))
    assert "sam" not in form["query"]
    form["query"] = form["query"].replace("&amp;", "&")
    reply = await who.post("/console/views", {**form, "name": "Fine <b>Shoes</b>"})
    assert reply.headers["location"] == address
    shown = await who.look(address)
    assert re.search('aria-current="page"><bdi>Fine &lt;b&gt;Shoes', shown.text)
    assert "Save this view" not in words(shown)
    assert address in links_in(await who.look("/console/cancellations?view=all"))
    assert address not in links_in(await other.look("/console/cancellations?view=all"))
    listed = await who.look("/console/views")
    assert address in links_in(listed)
    [remove] = re.findall("/console/views/viw_[0-9a-f]+/remove", listed.text)
    assert (await other.post(remove, {})).status_code == 404
    reply = await who.post(remove, {})
    assert "The view is removed." in words(await who.look(reply.headers["location"]))
    assert (await who.post(remove, {})).status_code == 404


@pytest.mark.parametrize(
    ("form", "status", "said"),
    [
        ({"list": "orders", "query": "x=1", "name": "x"}, 422, "This list has no saved views"),
        ({"list": "events", "query": "x=1", "name": "x"}, 422, "No filter is on that can be kept."),
        ({"list": "events", "query": "kind=line.placed", "name": " "}, 422, "Write a name for it."),
        ({"list": "events", "query": "kind=line.placed", "name": "x" * 41}, 422, "A name has 1 to 40"),
        ({"list": "events", "query": f"kind={'x' * 1000}", "name": "x"}, 422, "more than 1,000 characters"),
        ({"list": "events", "query": "kind=line.placed", "name": "there"}, 409, "a view called there already"),
    ],
)
async def test_what_cannot_be_saved_is_said_and_the_name_stays(
    sqlite_world: World, form: dict[str, str], status: int, said: str
) -> None:
    who = await operator(sqlite_world)
    first = await who.post("/console/views", {"list": "events", "query": "kind=line.shipped", "name": "there"})
    assert first.status_code == 303
    reply = await who.post("/console/views", form)
    assert (reply.status_code, said in words(reply)) == (status, True), words(reply)


async def test_views_of_a_user_are_bounded(world: World) -> None:
    who = await person(world, world.retailer)
    user, application = await user_of(world, who), world.application

    async def add(name: str) -> None:
        new = NewView(party=world.retailer, user=user.id, list="events", name=name, query="kind=line.placed")
        await application.database.write(lambda c: saved_views.add(c, application.ids, world.clock(), new))

    for number in range(saved_views.VIEWS_MAX):
        await add(f"view {number}")
    with pytest.raises(TooManyViewsError):
        await add("one more")
    with pytest.raises(BadViewError):
        await add("")
    assert (await who.look("/console/events")).status_code == 200


async def test_cancellations_are_filtered_by_party_and_article(world: World) -> None:
    one = await asked(world)
    who = await operator(world)
    base = "/console/cancellations?view=all"
    for query, there in (
        ("retailer=retailer", True),
        ("retailer=other_retailer", False),
        ("fulfiller=supplier&sku=SKU-0", True),
        ("sku=SKU-1", False),
    ):
        page = await who.look(f"{base}&{query}")
        assert (one.path in links_in(page)) is there, query
        assert all(f"{name} " in words(page) for name in re.findall("retailer|fulfiller", query))
    assert "There is no retailer called nobody." in words(await who.look(f"{base}&retailer=nobody"))
    # To a retailer, who is no partner is nobody.
    mila = await person(world, world.retailer)
    assert "There is no fulfiller called other_supplier." in words(await mila.look(f"{base}&fulfiller=other_supplier"))


async def test_the_trail_is_filtered_and_exported(world: World) -> None:
    who, other = await operator(world), await operator(world, name="Bo")
    await who.post("/console/parties/add", {"name": "=1+1", "kind": "retailer"})
    await other.post("/console/parties/add", {"name": "Nordic", "kind": "supplier"})
    page = await who.look("/console/audit?action=party.added")
    assert "2 changes" in words(page)
    by = "by=Platform+%28Bo%29"
    assert f"/console/audit?{by}" in links_in(page)
    mine = await who.look(f"/console/audit?{by}")
    assert ("Nordic" in words(mine), "=1+1" in words(mine)) == (True, False)
    assert "1 change" in words(await who.look("/console/audit?party=Nordic"))
    for query, said in (
        ("party=nobody", "There is no party"),
        ("of=x", "This is no id"),
        ("since=x", "This day cannot be read"),
    ):
        assert said in words(await who.look(f"/console/audit?{query}"))
        assert (await who.look(f"/console/audit.csv?{query}")).status_code == 422
    assert "Nothing was changed" in words(await who.look("/console/audit?until=2020-01-01"))
    reply = await who.look("/console/audit.csv?action=party.added")
    rows = list(csv.DictReader(io.StringIO(reply.text)))
    assert {row["party"] for row in rows} == {"'=1+1", "Nordic"}
    assert {row["action"] for row in rows} == {"party.added"}
    assert reply.headers["content-disposition"] == 'attachment; filename="audit.csv"'
