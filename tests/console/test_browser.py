"""The console in a real browser: by mouse, by keys, without JavaScript, and as tools for accessibility see it.

Needs Debian's chromium. Where it is not installed, these tests are skipped by name.
"""

import asyncio
import os
import re
import shutil
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import pytest
from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Browser, BrowserContext, Page, async_playwright

from countermand.admin.callers import PLATFORM
from countermand.console import live
from countermand.console.login import SESSION_COOKIE
from countermand.domain.commands import AcceptCancellation, AskCancellation, EscalateCancellation
from countermand.domain.parties import Actor, PartyKind
from countermand.http_server import HttpServer
from countermand.ids import show
from countermand.service.calls import Done
from countermand.serving import connection_limits
from tests.console.visiting import PASSWORD, Person, operator, person
from tests.support.money import place_paid
from tests.support.pgnode import free_port
from tests.support.waiting import ANSWER_S
from tests.support.world import Clock, World, populate, running

pytestmark = pytest.mark.anyio

WIDTHS: Final = (360, 900, 1440)
PICTURES: Final = os.environ.get("COUNTERMAND_PICTURES", "")
"""A folder for pictures of every page, for people to look at."""


def chromium() -> str:
    found = shutil.which("chromium")
    if not found and os.environ.get("COUNTERMAND_TEST_SKIP_NOTHING"):
        pytest.fail("chromium is not installed")
    if not found:
        pytest.skip("chromium is not installed")
    return found


@dataclass(kw_only=True)
class Site:
    """A service that listens, a browser, and what went wrong in its pages."""

    world: World
    browser: Browser
    url: str
    complaints: list[str] = field(default_factory=list)

    async def open(
        self, who: Person | None = None, *, scripts: bool = True, width: int = 1440, theme: str = "light"
    ) -> Page:
        """A page of a browser of its own, where somebody has logged in."""
        context = await self.browser.new_context(
            java_script_enabled=scripts,
            viewport={"width": width, "height": 900},
            color_scheme="dark" if theme == "dark" else "light",
            base_url=self.url,
        )
        context.set_default_timeout(1000 * ANSWER_S)
        if who is not None:
            await log_in(context, self.url, who)
        page = await context.new_page()
        page.on("console", lambda message: self.complaints.append(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        return page


async def log_in(context: BrowserContext, url: str, who: Person) -> None:
    # Set by hand, a cookie for secure connections needs an address of such; loopback counts as secure afterwards.
    secure = url.replace("http:", "https:")
    cookie: Any = {"name": SESSION_COOKIE, "value": who.secret, "url": secure, "secure": True, "httpOnly": True}
    await context.add_cookies([cookie])


@pytest.fixture(autouse=True)
def pages_that_go_are_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    """The reader of what changes ends with the last page."""
    monkeypatch.setattr(live, "LINGER_S", 0.0)


@pytest.fixture(scope="module")
async def browser() -> AsyncIterator[Browser]:
    """Of all tests here: to start one takes longer than most of them. Each page has cookies and storage of its own."""
    program = chromium()
    async with async_playwright() as playwright:
        launched = await playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        yield launched
        await launched.close()


@pytest.fixture
async def site(browser: Browser, tmp_path: Path, clock: Clock) -> AsyncIterator[Site]:
    port = free_port()
    async with running(f"sqlite:///{tmp_path}/browser.sqlite3", clock, port=port) as application:
        world = await populate(application, clock)
        server = HttpServer(world.asgi, host="127.0.0.1", port=port, limits=connection_limits(application.settings))
        serving = asyncio.create_task(server.serve())
        found = Site(world=world, browser=browser, url=f"http://127.0.0.1:{port}")
        yield found
        for context in browser.contexts:
            await context.close()
        application.arrivals.close()
        server.stop()
        await serving
        # The browser says in its console whatever its content security policy forbade.
        assert found.complaints == []


async def asked(world: World, **changes: Any) -> str:
    order = await place_paid(world, **changes)
    ask = AskCancellation(line=order.lines[0].id, actor=world.actor(world.retailer), units=2)
    outcome = await world.submit(ask, retailer=world.retailer)
    assert isinstance(outcome, Done)
    return f"/console/cancellations/{show('can', outcome.cancellations[0])}"


async def title(page: Page) -> str:
    return (await page.locator("h1").inner_text()).strip()


@pytest.mark.parametrize("scripts", [True, False], ids=["with JavaScript", "without JavaScript"])
async def test_a_story_by_mouse(site: Site, scripts: bool) -> None:
    """Somebody logs in, finds the ask that is due, declines without a reason, with one, and logs out."""
    who = await person(site.world, site.world.supplier, name="Nadia")
    await asked(site.world, reference="PO-1", lines=[_line(site.world, "Trail boot")])
    page = await site.open(scripts=scripts)
    await page.goto("/console/")
    assert await title(page) == "Log in"
    await page.get_by_label("E-mail address").fill(who.email)
    await page.get_by_label("Password").fill("wrong")
    await page.get_by_role("button", name="Log in").click()
    await page.get_by_text("The e-mail address or the password is wrong").wait_for()
    site.complaints.clear()  # A browser says in its console that the answer was 401.
    await page.get_by_label("Password").fill(PASSWORD)
    await page.get_by_role("button", name="Log in").click()
    assert await title(page) == "Today"
    await page.get_by_role("link", name="Asks that wait for your answer").click()
    await page.get_by_role("link", name="Trail boot").click()
    assert await title(page) == "Cancel 2 of 3 × Trail boot"
    await page.get_by_role("link", name="Decline, keep 2 on order…").click()
    # On top of the page, or a page of its own: the same words.
    sheet = page.locator(".sheet")
    await sheet.get_by_label("It is being packed and cannot be taken out").check()
    await sheet.get_by_label("Note").fill("It is on the van.")
    assert await page.locator("dialog[open]").count() == (1 if scripts else 0)
    await sheet.get_by_role("button", name="Decline, keep 2 on order").click()
    await page.get_by_text("You declined 2 units of PO-1.").wait_for()
    assert await page.get_by_text("It is on the van.").count() >= 1
    await page.goto("/console/account")
    await page.get_by_role("button", name="Log out here").click()
    assert await title(page) == "Log in"
    await page.goto("/console/")
    assert await title(page) == "Log in"


async def test_a_story_by_keyboard_only(site: Site) -> None:
    """An operator goes to the list, to a row, and accepts; one key opens what asks once more, and none decides."""
    path = await asked(site.world, lines=[_line(site.world, "Trail boot")])
    page = await site.open(await operator(site.world))
    await page.goto("/console/cancellations?view=asked")
    keys = page.keyboard
    await keys.press("j")
    await keys.press("Enter")
    await page.wait_for_url(f"**{path}")
    await keys.press("a")
    dialog = page.get_by_role("dialog", name="Accept 2, refund 18.00 EUR?")
    await dialog.wait_for()
    await keys.press("Escape")
    await dialog.wait_for(state="hidden")
    await keys.press("a")
    await dialog.wait_for()
    # The note, then the button.
    await keys.press("Tab")
    assert await page.evaluate("document.activeElement.textContent") == "Accept 2, refund 18.00 EUR"
    await keys.press("Enter")
    await page.get_by_text("2 units of PO-M cancelled.").wait_for()
    await keys.press("/")
    await keys.type("PO-M ajk")
    assert await page.locator("#q").input_value() == "PO-M ajk"
    await keys.press("Escape")
    await keys.press("g")
    await keys.press("t")
    await page.wait_for_url("**/console/")
    await keys.press("?")
    await page.wait_for_url("**/console/account#keys")


async def test_keys_that_are_off_do_nothing(site: Site) -> None:
    page = await site.open(await operator(site.world))
    await page.goto("/console/account")
    await page.get_by_label("Keys do something").uncheck()
    await page.get_by_role("button", name="Save").click()
    await page.get_by_text("Saved for this browser.").wait_for()
    await page.keyboard.press("g")
    await page.keyboard.press("t")
    assert page.url.endswith("/console/account?done=look")


async def test_what_another_has_answered_is_shown_at_once(site: Site) -> None:
    """Who and when, in place of what could be done; what was typed stays, on the page and in the dialog."""
    path = await asked(site.world)
    page = await site.open(await operator(site.world))
    await page.goto(path)
    await page.get_by_label("Add a note").fill("half a sentence")
    await page.get_by_role("link", name="Accept 2").click()
    await page.get_by_role("dialog").wait_for()
    other = await person(site.world, site.world.supplier, name="Nadia")
    assert (await other.fill_in(f"{path}/decline", reason="in_packing")).status_code == 303
    await page.get_by_role("dialog").get_by_text("This cannot be done any more.").wait_for()
    assert await page.get_by_role("dialog").get_by_role("button", name="Accept 2").is_disabled()
    site.complaints.clear()  # A browser says in its console that the answer was 409.
    await page.keyboard.press("Escape")
    await page.locator("#head").get_by_text("Declined by supplier: in packing.").wait_for()
    button = page.get_by_role("button", name="Accept 2")
    assert await button.is_disabled()
    assert "Declined by supplier: in packing. Today 10:00." in await page.locator("#do").inner_text()
    assert await page.get_by_label("Add a note").input_value() == "half a sentence"


async def test_where_nothing_can_be_told_pages_ask(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "STREAMS_MAX", 0)
    path = await asked(site.world)
    page = await site.open(await operator(site.world))
    await page.clock.install()
    await page.goto(path)
    other = await person(site.world, site.world.supplier)
    assert (await other.fill_in(f"{path}/decline", reason="in_packing")).status_code == 303
    await page.clock.run_for(16_000)
    await page.locator("#head").get_by_text("Declined by supplier: in packing.").wait_for()
    assert all("503" in each for each in site.complaints)
    site.complaints.clear()


async def test_a_new_ask_moves_no_row_and_an_answered_one_stays(site: Site) -> None:
    first = await asked(site.world, reference="PO-1")
    page = await site.open(await operator(site.world))
    await page.goto("/console/cancellations?view=asked")
    await asked(site.world, reference="PO-2", payments=[])
    await page.get_by_role("link", name="1 new, show it").wait_for()
    assert await page.locator("tbody tr").count() == 1
    await page.get_by_role("link", name="1 new, show it").click()
    await page.wait_for_function("document.querySelectorAll('tbody tr').length === 2")
    other = await person(site.world, site.world.supplier)
    assert (await other.fill_in(f"{first}/decline", reason="in_packing")).status_code == 303
    await page.get_by_text("no longer in this list").wait_for()
    assert await page.locator("tbody tr").count() == 2


async def test_a_clock_counts_by_itself(site: Site) -> None:
    path = await asked(site.world)
    page = await site.open(await operator(site.world))
    await page.clock.install()
    await page.goto(path)
    clock = page.locator(".left")
    assert (await clock.inner_text()).endswith("left")
    await page.clock.fast_forward("47:58:10")
    await page.clock.run_for(16_000)
    assert re.fullmatch(r"1 min \d+ s left", await clock.inner_text())
    await page.clock.run_for(150_000)
    assert re.fullmatch(r"(less than a minute|1 min) late", await clock.inner_text())
    assert "is-late" in (await clock.get_attribute("class") or "")


async def test_what_was_typed_outlives_the_log_in(site: Site) -> None:
    path = await asked(site.world)
    who = await operator(site.world)
    page = await site.open(who)
    await page.goto(path)
    await page.get_by_label("Add a note").fill("The customer calls back.")
    assert (await who.post("/console/logout", {})).status_code == 303
    await page.get_by_text("You were logged out.").wait_for()
    await page.get_by_role("button", name="Add the note").click()
    await page.get_by_label("E-mail address").fill(who.email)
    site.complaints.clear()  # The log-in comes with 401.
    await page.get_by_label("Password").fill(PASSWORD)
    await page.get_by_role("button", name="Log in").click()
    await page.get_by_text("The customer calls back.").wait_for()
    await page.get_by_role("button", name="Send it").click()
    await page.get_by_text("Your note is stored.").wait_for()


async def test_a_button_that_is_pressed_twice_sends_once(site: Site) -> None:
    path = await asked(site.world)
    page = await site.open(await operator(site.world))
    await page.goto(path)
    sent = []
    page.on("request", lambda request: sent.append(request.url) if request.method == "POST" else None)
    await page.get_by_label("Add a note").fill("Once.")
    await page.evaluate(
        "() => { const b = document.querySelector('form[action$=notes] button'); b.click(); b.click(); }"
    )
    await page.get_by_text("Your note is stored.").wait_for()
    assert len(sent) == 1


async def every_page(site: Site) -> dict[str, str]:
    """The path of every page, with nasty data in it, by a name."""
    world = site.world
    names = {world.retailer: "متجر الخليج", world.supplier: "Schwäbische Präzisionsteile- und Werkzeugmanufaktur GmbH"}

    def rename(connection: Any) -> None:
        from countermand.store import tables as t

        for party, name in names.items():
            connection.execute(t.parties.update().where(t.parties.c.id == party).values(name=name))

    await world.application.database.write(rename)
    titles = ("Trail boot <b>Säntis</b>", "مصباح طاولة نحاسي، ٤٠ سم", "Donaudampfschifffahrtselektrizität" * 4)
    paths = [
        await asked(world, reference=f"PO-{number}", lines=[_line(world, name)], payments=[_paid(number)])
        for number, name in enumerate(titles)
    ]
    operators = Actor(party=PLATFORM, kind=PartyKind.PLATFORM, name="operator")
    first, second, _ = await _rows(world)
    yes = AcceptCancellation(line=first.line_id, actor=world.actor(world.supplier), cancellation=first.id)
    assert isinstance(await world.submit(yes, retailer=world.retailer), Done)
    escalate = EscalateCancellation(line=second.line_id, actor=operators, cancellation=second.id)
    assert isinstance(await world.submit(escalate, retailer=world.retailer), Done)
    from countermand.reads.refunds import RefundFilter, list_refunds

    scope = world.scope(PLATFORM)
    [refund] = await world.application.database.read(lambda c: list_refunds(c, scope, RefundFilter()))
    ids = {row.id: row for row in (first, second)}
    waiting = next(path for path in paths if not any(show("can", each) in path for each in ids))
    supplier = show("pty", world.supplier)
    return {
        "today": "/console/",
        "cancellations": "/console/cancellations?view=all",
        "bulk": f"/console/cancellations/bulk?do=decline&id={waiting.rpartition('/')[2]}",
        "cancellation": waiting,
        "accepted": f"/console/cancellations/{show('can', first.id)}",
        "accept": f"{waiting}/accept",
        "fewer": f"{waiting}/accept?fewer=1",
        "decline": f"{waiting}/decline",
        "withdraw": f"{waiting}/withdraw",
        "orders": "/console/orders",
        "order": f"/console/orders/{show('ord', first.order_id)}",
        "ask": f"/console/lines/{show('lin', second.line_id)}/ask",
        "refunds": "/console/refunds?state=by_hand",
        "refund": f"/console/refunds/{show('rfd', refund.id)}",
        "paid": f"/console/refunds/{show('rfd', refund.id)}/paid",
        "webhooks": "/console/webhooks",
        "parties": "/console/parties",
        "party": f"/console/parties/{supplier}",
        "add a person": f"/console/parties/{supplier}/users/add",
        "make a token": f"/console/parties/{supplier}/tokens/add",
        "policies": f"/console/policies?retailer={world.retailer}",
        "policy": f"/console/policies/edit?retailer={world.retailer}",
        "scorecards": "/console/scorecards",
        "scorecard": f"/console/scorecards/{supplier}",
        "jobs": "/console/jobs",
        "ask from a file": "/console/jobs/ask",
        "add an endpoint": "/console/webhooks/add",
        "audit": "/console/audit",
        "components": "/console/components",
        "account": "/console/account",
        "nothing": "/console/orders?q=nothing",
    }


async def _rows(world: World) -> list[Any]:
    from countermand.reads.cancellations import CancellationFilter, list_cancellations

    scope = world.scope(PLATFORM)
    return await world.application.database.read(lambda c: list_cancellations(c, scope, CancellationFilter()))


def _line(world: World, name: str) -> dict[str, Any]:
    return {"sku": "SKU-0", "title": name, "units": 3, "unit_price": "10.00", "supplier": str(world.supplier)}


def _paid(number: int) -> dict[str, str]:
    return {"provider": "manual", "reference": f"PAY-{number}", "captured": "27.00"}


@pytest.mark.parametrize("theme", ["light", "dark"])
async def test_every_page_is_accessible_and_fits_its_screen(site: Site, theme: str) -> None:
    """The dark theme has colours of its own and nothing else."""
    who, paths = await operator(site.world), await every_page(site)
    options = {"resultTypes": ["violations"], **({"runOnly": ["color-contrast"]} if theme == "dark" else {})}
    axe, found = Axe(), []
    for width in WIDTHS:
        page = await site.open(who, width=width, theme=theme)
        for name, path in {**paths, "login": "/console/login"}.items():
            reply = await page.goto(path)
            assert reply is not None
            assert reply.status == 200, (name, reply.status)
            wide = await page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
            if wide > 0:
                found.append((name, width, "scrolls sideways", str(wide), ""))
            if PICTURES:
                await page.screenshot(path=f"{PICTURES}/{name}-{width}-{theme}.png", full_page=True)
            if width == WIDTHS[1]:
                continue
            results = await axe.run(page, options=options)
            found += [
                (name, width, each["id"], node["html"][:150], node.get("failureSummary", "")[:300])
                for each in results.response["violations"]
                if each["impact"] in ("serious", "critical")
                for node in each["nodes"]
            ]
        await page.context.close()
    assert found == []
