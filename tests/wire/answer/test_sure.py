"""What cannot be taken back is shown once more before it counts."""

import re
from typing import Any

import pytest

from countermand.domain.commands import WithdrawCancellation
from countermand.domain.parties import Asker
from tests.support.world import World
from tests.wire.answer.test_page import ANSWERS, Page, asked, words

pytestmark = pytest.mark.anyio

SURE: dict[str, tuple[dict[str, object], tuple[str, ...], str, tuple[int, int, int, int]]] = {
    "accept": (
        {"units": 1},
        ("Stop 1 unit for good?", "Not sent 1 unit", "Still sent 4 units", "Yes, stop 1 unit"),
        "This cancellation was accepted",
        (4, 0, 1, 0),
    ),
    "ship": (
        {"units": 2, "carrier": "Post <b>NL</b>", "tracking_number": "3S1"},
        ("Have 2 units shipped?", "In the parcel 2 units", "Carrier Post <b>NL</b>", "Tracking number 3S1"),
        "This cancellation was declined",
        (3, 0, 0, 2),
    ),
    "decline": (
        {"reason": "in_packing", "note": "Too\r\nlate"},
        ("Keep 2 units on order?", "Stays on order 2 units", "Reason in packing", "Note Too late"),
        "This cancellation was declined",
        (5, 0, 0, 0),
    ),
}


def fields_of(page: str) -> dict[str, object]:
    """The form of the second page, as a browser sends it."""
    found = re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)">', page)
    return {name: re.sub("&lt;", "<", re.sub("&gt;", ">", value)) for name, value in found}


@pytest.mark.parametrize(("answer", "case"), SURE.items(), ids=SURE.keys())
async def test_an_answer_is_shown_once_more_and_then_counts(world: World, answer: str, case: Any) -> None:
    given, shown, title, buckets = case
    page = await asked(world)
    once_more = await page.post({"answer": answer, "once": "a", **given})
    assert once_more.status_code == 200
    for sentence in (*shown, "This cannot be undone. retailer is notified at once.", "Go back, nothing is sent yet"):
        assert sentence in words(once_more)
    assert "<b>NL" not in once_more.text
    assert await page.buckets() == (3, 2, 0, 0)
    assert len(await world.events(page.line)) == 2

    fields = fields_of(once_more.text)
    back = await page.post({**fields, "sure": "back"})
    assert "Can 2 units still be cancelled?" in words(back)
    assert "problem" not in back.text
    for value in given.values():
        assert str(value).replace("<", "&lt;").replace(">", "&gt;").replace("\r", "") in back.text
    assert await page.buckets() == (3, 2, 0, 0)

    assert title in words(await page.post({**fields, "sure": "yes"}))
    assert title in words(await page.post({**fields, "sure": "yes"}))
    assert await page.buckets() == buckets


async def test_passing_on_ends_nothing_and_needs_no_second_page(sqlite_world: World) -> None:
    page = await asked(sqlite_world, by=Asker.CUSTOMER, party=sqlite_world.retailer)
    reply = await page.post({"answer": "accept", "once": "a", "units": 2})
    assert "This cancellation waits for the answer of supplier." in words(reply)


@pytest.mark.parametrize(("name", "fields"), ANSWERS.items(), ids=ANSWERS.keys())
async def test_nothing_is_confirmed_that_is_not_asked_any_more(
    sqlite_world: World, name: str, fields: dict[str, object]
) -> None:
    page = await asked(sqlite_world)
    await sqlite_world.submit(
        WithdrawCancellation(
            line=page.line, actor=sqlite_world.actor(sqlite_world.retailer), cancellation=page.cancellation
        )
    )
    reply = await page.post({"answer": name.partition(" ")[0].strip(","), "once": "a", **fields})
    assert "This cancellation was withdrawn" in words(reply)
    assert "for good" not in words(reply)


@pytest.mark.parametrize(
    ("code", "question", "problem", "sure"),
    [
        (
            "nl",
            "Kunnen 2 stuks nog worden geannuleerd?",
            "Een weigering moet zeggen waarom: geef een reden.",
            "2 stuks voorgoed tegenhouden?",
        ),
        (
            "de",
            "Können 2 Stück noch storniert werden?",
            "Eine Ablehnung muss sagen, warum: Geben Sie einen Grund an.",
            "2 Stück endgültig anhalten?",
        ),
    ],
)
async def test_the_whole_way_in_the_suppliers_language(
    sqlite_world: World, code: str, question: str, problem: str, sure: str
) -> None:
    page = await asked(sqlite_world)
    page.path += f"?lang={code}"
    shown = await page.look()
    assert question in words(shown)
    assert f'<html lang="{code}">' in shown.text
    without = await page.post({"answer": "decline", "once": "a"})
    assert (without.status_code, problem in words(without)) == (422, True)
    assert sure in words(await page.post({"answer": "accept", "once": "b"}))
    done = await page.post({"answer": "accept", "once": "b", "sure": "yes"})
    english = ("cancellation", "accepted", "units", "order", "Monday", "Retailer", "Asked")
    assert not [each for each in english if each in words(done).replace("EN NL DE", "")], words(done)


async def test_the_browsers_language_is_taken_where_the_address_names_none(sqlite_world: World) -> None:
    page = await asked(sqlite_world)
    async with sqlite_world.client() as client:
        reply = await client.get(page.path, headers={"accept-language": "de-AT,en;q=0.7"})
        lost = await client.get("/answer/nonsense", headers={"accept-language": "nl"})
    assert "Können 2 Stück noch storniert werden?" in words(reply)
    assert (lost.status_code, "Deze link opent niets" in words(lost)) == (404, True)


async def test_a_single_unit_is_told_as_one(sqlite_world: World) -> None:
    page: Page = await asked(sqlite_world, ordered=1, units=1)
    once_more = words(await page.post({"answer": "accept", "once": "a"}))
    assert "Stop 1 unit for good?" in once_more
    assert "Still sent 0 units" in once_more
