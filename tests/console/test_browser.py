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
from countermand.console.routes import ROUTES
from countermand.domain.commands import AcceptCancellation, AskCancellation, EscalateCancellation
from countermand.domain.parties import Actor, PartyKind
from countermand.http_server import HttpServer
from countermand.ids import show
from countermand.service.calls import Done
from countermand.serving import connection_limits
from countermand.store import tables as t
from tests.console.test_matrix import Stage, staged
from tests.console.visiting import PASSWORD, Person, operator, person
from tests.support.money import place_paid
from tests.support.pgnode import free_port
from tests.support.waiting import ANSWER_S
from tests.support.world import Clock, World, populate, running

pytestmark = pytest.mark.anyio

WIDTHS: Final = (360, 900, 1440)


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
    await page.wait_for_load_state()
    await keys.press("/")
    await keys.type("PO-M ajk")
    assert await page.locator("#q").input_value() == "PO-M ajk"
    await keys.press("Escape")
    await keys.press("g")
    await keys.press("t")
    await page.wait_for_url("**/console/")
    await keys.press("?")
    await page.wait_for_url("**/console/account#keys")


async def test_a_dialog_opens_once_and_again_however_quickly(site: Site) -> None:
    """Of two requests for it one is enough; and what closed it last does not take away what is open now."""
    path = await asked(site.world)
    page = await site.open(await operator(site.world))
    await page.goto(path)
    await page.evaluate("""() => {
        const link = document.querySelector('[data-key="a"]');
        link.click();
        link.click();
        document.querySelector('[data-key="d"]').click();
    }""")
    dialog = page.locator("dialog.sheet[open]")
    await dialog.wait_for()
    await page.wait_for_load_state("networkidle")
    assert await dialog.count() == 1
    still_open = """async () => {
        const dialog = document.querySelector("dialog.sheet");
        const closed = new Promise((told) => dialog.addEventListener("close", told));
        dialog.close();
        document.querySelector('[data-key="a"]').click();
        await closed;
        return dialog.isConnected && dialog.open;
    }"""
    assert await page.evaluate(still_open)
    await page.keyboard.press("Escape")
    await dialog.wait_for(state="hidden")
    await page.keyboard.press("a")
    await dialog.wait_for()


async def test_keys_that_are_off_do_nothing(site: Site) -> None:
    page = await site.open(await operator(site.world))
    await page.goto("/console/account")
    await page.get_by_label("Use keys").uncheck()
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
    await page.locator("tbody tr").nth(1).wait_for()
    assert await page.locator("tbody tr").count() == 2
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


NEED_A_QUERY: Final = {
    "/console/cancellations/bulk": "?do=decline&id={cancellation}",
    "/console/refunds/bulk": "?id={refund}-{step}",
    "/console/policies/edit": "?retailer={party}",
    "/console/search": "?q=nothing",
}
MORE: Final = (
    "/console/cancellations?view=all",
    "/console/cancellations/{accepted}",
    "/console/cancellations/{escalated}",
    "/console/cancellations/{cancellation}/accept?fewer=1",
    "/console/policies?retailer={retailer}",
    "/console/refunds?state=by_hand",
    "/console/orders?q=nothing",
    "/console/nowhere",
    "/console/login",
)
"""What a page shows with a filter, in another state, or to nobody."""


async def a_stage(site: Site) -> Stage:
    """Everything that a page can be about, with names and titles that are hard to show."""
    world = site.world
    stage = await staged(world)
    names = {world.retailer: "متجر الخليج", world.supplier: "Schwäbische Präzisionsteile- und Werkzeugmanufaktur GmbH"}

    def rename(connection: Any) -> None:
        for party, name in names.items():
            connection.execute(t.parties.update().where(t.parties.c.id == party).values(name=name))

    await world.application.database.write(rename)
    titles = ("Trail boot <b>Säntis</b>", "مصباح طاولة نحاسي، ٤٠ سم", "Donaudampfschifffahrtselektrizität" * 4)
    for number, name in enumerate(titles):
        await asked(world, reference=f"PO-{number}", lines=[_line(world, name)], payments=[_paid(number)])
    operators = Actor(party=PLATFORM, kind=PartyKind.PLATFORM, name="operator")
    first, second, third = [each for each in await _rows(world) if each.reference in ("PO-0", "PO-1", "PO-2")]
    yes = AcceptCancellation(line=first.line_id, actor=world.actor(world.supplier), cancellation=first.id)
    assert isinstance(await world.submit(yes, retailer=world.retailer), Done)
    escalate = EscalateCancellation(line=second.line_id, actor=operators, cancellation=second.id)
    assert isinstance(await world.submit(escalate, retailer=world.retailer), Done)
    shown = {"cancellation": third.id, "line": third.line_id, "order": third.order_id}
    stage.own |= shown | {"accepted": first.id, "escalated": second.id}
    return stage


def pages_of(stage: Stage) -> list[str]:
    """The path of every page that there is, out of the table of routes: a new one is among them by itself."""
    own = stage.own
    kept = [each for each in ROUTES if each.method == "GET" and not each.path.endswith(".csv")]
    named = {
        "cancellation": show("can", own["cancellation"]),
        "accepted": show("can", own["accepted"]),
        "escalated": show("can", own["escalated"]),
        "refund": show("rfd", own["refund"]),
        "step": "1",
        "party": show("pty", own["party"]),
        "retailer": show("pty", own["party"]),
    }
    return [
        *(stage.path(each, own, "operator") + NEED_A_QUERY.get(each.path, "").format(**named) for each in kept),
        *(each.format(**named) for each in MORE),
    ]


async def _rows(world: World) -> list[Any]:
    from countermand.reads.cancellations import CancellationFilter, list_cancellations

    scope = world.scope(PLATFORM)
    return await world.application.database.read(lambda c: list_cancellations(c, scope, CancellationFilter()))


def _line(world: World, name: str) -> dict[str, Any]:
    return {"sku": "SKU-0", "title": name, "units": 3, "unit_price": "10.00", "supplier": str(world.supplier)}


def _paid(number: int) -> dict[str, str]:
    return {"provider": "manual", "reference": f"PAY-{number}", "captured": "27.00"}


LOOKS: Final[tuple[tuple[str, int, dict[str, Any]], ...]] = (
    ("light", 1440, {}),
    ("dark", 360, {"runOnly": ["color-contrast"]}),
)
"""How tools for accessibility look at each page: the dark theme has colours of its own and nothing else."""


async def test_every_page_is_accessible_in_both_themes_and_fits_every_screen(site: Site) -> None:
    """As an operator, who sees all of them. ``make pictures`` looks at those of the others, at every width."""
    stage, axe = await a_stage(site), Axe()
    found: list[str] = []
    page = await site.open(stage.people["operator"])
    for path in pages_of(stage):
        reply = await page.goto(path)
        assert reply is not None
        # What cannot be done any more is a page, too: it says why.
        assert reply.status in ((404,) if path == "/console/nowhere" else (200, 409)), (path, reply.status)
        for width in WIDTHS:
            await page.set_viewport_size({"width": width, "height": 900})
            wide = await page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
            if wide > 0:
                found.append(f"{path}, {width} wide, scrolls sideways by {wide}")
        await page.evaluate(axe.axe_script)
        for theme, width, options in LOOKS:
            await page.set_viewport_size({"width": width, "height": 900})
            # Colours that are under way to others have no contrast yet.
            await page.emulate_media(color_scheme="dark" if theme == "dark" else "light", reduced_motion="reduce")
            results = await page.evaluate(
                "options => axe.run(document, options)", {"resultTypes": ["violations"], **options}
            )
            found += [
                f"{path}, {width} {theme}: {each['id']}: {node['html'][:150]} {node.get('failureSummary', '')[:200]}"
                for each in results["violations"]
                for node in each["nodes"]
            ]
    site.complaints[:] = [each for each in site.complaints if "404" not in each and "409" not in each]
    assert not found, "\n".join(found)
