"""Pictures of every page of the console, as three people see the demo, at three widths in two themes.

``make pictures`` makes all of them below ``build/pictures``, looks for what tools for accessibility find, and renews
those that the docs use; with ``--docs`` it makes these only. It ends with 1 if a page has a finding, scrolls sideways,
or breaks its security policy.
"""

import asyncio
import json
import re
import subprocess
import sys
import tempfile
from base64 import b64decode, b64encode
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Literal

from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Browser, Page, async_playwright

from countermand.console import rendering

ROOT: Final = Path(__file__).parents[2]
FOLDER: Final = ROOT / "build" / "pictures"
DOCS: Final = ROOT / "docs" / "pictures" / "console"
WIDTHS: Final = (360, 900, 1440)
THEMES: Final[tuple[Literal["light", "dark"], ...]] = ("light", "dark")
ROLES: Final = {"operator": "Platform", "retailer": "Fine Shoes", "supplier": "Alpine Supply"}

CAN, WEBHOOK, PARTY = r"/console/cancellations/can_\w+$", r"/console/webhooks/ept_\w+$", r"/console/parties/pty_\w+$"

EVERYBODY: Final = {
    "today": "/console/",
    "cancellations": "/console/cancellations?view=all",
    "waiting": "/console/cancellations?view=asked",
    "cancellation": ("/console/cancellations?view=mine", CAN),
    "decline": ("/console/cancellations?view=mine", CAN, r"/decline$"),
    "orders": "/console/orders",
    "order": ("/console/orders", r"/console/orders/ord_\w+$"),
    "scorecards": "/console/scorecards",
    "party": "/console/parties",
    "webhooks": "/console/webhooks",
    "add an endpoint": "/console/webhooks/add",
    "events": "/console/events",
    "event": ("/console/events", r"/console/events/evt_\w+$"),
    "jobs": "/console/jobs",
    "saved views": "/console/views",
    "account": "/console/account",
}
SELLERS: Final = {
    "accept": ("/console/cancellations?view=mine", CAN, r"/accept$"),
    "ask": ("/console/orders?q=PO-1012", r"/console/lines/lin_\w+/ask$"),
    "refunds": "/console/refunds",
    "all refunds": "/console/refunds?state=all",
    "journal": "/console/journal",
    "refund": ("/console/refunds?state=parked", r"/console/refunds/rfd_\w+$"),
    "ask from a file": "/console/jobs/ask",
}
PLATFORM: Final = {
    "asked": ("/console/cancellations?view=asked", CAN),
    "parties": "/console/parties",
    "party": ("/console/parties?q=Fine", PARTY),
    "make a client": ("/console/parties?q=Fine", PARTY, r"/clients/add$"),
    "add a party": "/console/parties/add",
    "deactivate": ("/console/parties?q=Nordic", PARTY, r"/deactivate$"),
    "add a person": ("/console/parties?q=Nordic", PARTY, r"/users/add$"),
    "make a token": ("/console/parties?q=Nordic", PARTY, r"/tokens/add$"),
    "make a key": ("/console/parties?q=Fine", PARTY, r"/keys/add$"),
    "person": ("/console/parties?q=Fine", PARTY, r"/console/users/usr_\w+$"),
    "change a person": ("/console/parties?q=Fine", PARTY, r"/console/users/usr_\w+$", r"/edit$"),
    "policies": "/console/policies",
    "policy": ("/console/parties?q=Kitchen", "policy of"),
    "change a policy": ("/console/parties?q=Kitchen", "policy of", r"/console/policies/edit\?"),
    "scorecard": ("/console/scorecards?q=Nordic", r"/console/scorecards/pty_\w+$"),
    "judge": ("/console/scorecards?q=Nordic", r"/console/scorecards/pty_\w+$", r"/judge/can_\w+$"),
    "failing endpoint": ("/console/webhooks?state=failing", WEBHOOK),
    "change an endpoint": ("/console/webhooks?state=failing", WEBHOOK, r"/edit$"),
    "test an endpoint": ("/console/webhooks?state=failing", WEBHOOK, r"/test$"),
    "recover": ("/console/webhooks?state=failing", WEBHOOK, r"/recover$"),
    "notice": ("/console/webhooks?state=failing", WEBHOOK, r"/console/notices/ntc_\w+$"),
    "dead notices": "/console/notices?state=dead",
    "parked": "/console/refunds?state=parked",
    "audit": "/console/audit",
    "components": "/console/components",
    "nothing found": "/console/orders?q=nothing",
    "no such page": "/console/nowhere",
}
PAGES: Final[dict[str, dict[str, Any]]] = {
    "operator": {**EVERYBODY, **SELLERS, **PLATFORM},
    "retailer": {**EVERYBODY, **SELLERS},
    "supplier": EVERYBODY,
}

IN_DOCS: Final = (
    ("operator", "today", 1440, "light"),
    ("operator", "today", 1440, "dark"),
    ("operator", "asked", 1440, "light"),
    ("operator", "asked", 1440, "dark"),
    ("operator", "waiting", 1440, "light"),
    ("operator", "refunds", 1440, "light"),
    ("operator", "scorecard", 1440, "light"),
    ("operator", "failing endpoint", 900, "light"),
    ("operator", "notice", 900, "light"),
    ("operator", "change a policy", 900, "light"),
    ("operator", "party", 1440, "light"),
    ("retailer", "today", 900, "light"),
    ("retailer", "ask", 900, "light"),
    ("supplier", "today", 360, "light"),
)
"""Those that the README and docs/console.md show."""


@dataclass
class Report:
    """What was looked at, and what was found."""

    pictures: int = 0
    looks: int = 0
    looked_at: set[tuple[str, str]] = field(default_factory=set)
    missing: set[tuple[str, str]] = field(default_factory=set)
    findings: list[str] = field(default_factory=list)


@contextmanager
def demo() -> Iterator[dict[str, Any]]:
    """A demo that stays up, with what it says of itself."""
    with tempfile.TemporaryDirectory() as folder:
        told = Path(folder, "demo.json")
        command = [str(Path(sys.executable).with_name("countermand")), "demo", "--port", "0", "--json", str(told)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=folder) as running:
            assert running.stdout
            for line in running.stdout:
                if "stays up" in line:
                    break
            try:
                yield json.loads(told.read_text())
            finally:
                running.terminate()
                running.stdout.read()


async def link_on(page: Page, pattern: str) -> str | None:
    """Where the first link of the page leads that fits."""
    found = await page.eval_on_selector_all("main a", "links => links.map(link => link.getAttribute('href') ?? '')")
    return next((each for each in found if re.search(pattern, each)), None)


async def address_of(page: Page, way: Any) -> str | None:
    """Where a page is: an address, or one to begin at and the links to follow."""
    if isinstance(way, str):
        return way
    start, *links = way
    path: str | None = start
    for pattern in links:
        assert path is not None
        await page.goto(path)
        if pattern == "policy of":
            party = await link_on(page, PARTY)
            path = f"/console/policies?retailer={party.rpartition('/')[2]}" if party else None
        else:
            path = await link_on(page, pattern)
        if path is None:
            return None
    return path


async def look(browser: Browser, base: str, role: str, cookies: Any, report: Report, *, all_pages: bool) -> None:
    """Every page of a role, at every width, in both themes."""
    axe = Axe()
    context = await browser.new_context(base_url=base, reduced_motion="reduce")
    await context.add_cookies(cookies)
    page = await context.new_page()
    page.on("console", lambda message: report.findings.append(f"{role}: {message.text}")
            if "Content Security Policy" in message.text else None)  # fmt: skip
    for name, way in PAGES[role].items():
        wanted = [
            (theme, width) for theme in THEMES for width in WIDTHS if all_pages or (role, name, width, theme) in IN_DOCS
        ]
        if not wanted:
            continue
        path = await address_of(page, way)
        if path is None:
            report.missing.add((role, name))
            continue
        reply = await page.goto(path)
        if reply is None or reply.status >= 500:
            report.findings.append(f"{role} {name}: answered {reply and reply.status}")
        for theme, width in wanted:
            await page.set_viewport_size({"width": width, "height": 900})
            await page.emulate_media(color_scheme=theme)
            await take(page, axe, f"{role} {name} {width} {theme}", report)
            await keep(page, (role, name, width, theme))
        report.looked_at.add((role, name))
    await context.close()


async def take(page: Page, axe: Axe, name: str, report: Report) -> None:
    """A picture of the whole page, and what is wrong with it."""
    wide = await page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
    if wide > 0:
        report.findings.append(f"{name}: scrolls sideways by {wide}")
    report.looks += 1
    for each in (await axe.run(page)).response["violations"]:
        report.findings += [f"{name}: {each['id']} ({each['impact']}): {node['html'][:120]}" for node in each["nodes"]]
    await page.screenshot(path=FOLDER / f"{name.replace(' ', '-')}.png", full_page=True)
    report.pictures += 1


async def keep(page: Page, which: tuple[str, str, int, str]) -> None:
    """The part that is seen without scrolling, small enough to be kept in the repository."""
    if which not in IN_DOCS:
        return
    role, name, width, theme = which
    seen = b64encode(await page.screenshot()).decode()
    canvas = await page.context.browser.new_page()  # type: ignore[union-attr]
    encoded = await canvas.evaluate(
        """async (png) => {
          const picture = await createImageBitmap(await (await fetch("data:image/png;base64," + png)).blob());
          const canvas = document.createElement("canvas");
          canvas.width = picture.width; canvas.height = picture.height;
          canvas.getContext("2d").drawImage(picture, 0, 0);
          return canvas.toDataURL("image/webp", 0.9).split(",")[1];
        }""",
        seen,
    )
    await canvas.close()
    file = f"{role}-{name.replace(' ', '-')}{'-dark' if theme == 'dark' else ''}{'-phone' if width == 360 else ''}"
    (DOCS / f"{file}.webp").write_bytes(b64decode(encoded))


async def log_in(browser: Browser, link: str) -> Any:
    """The cookies of whoever uses this link."""
    context = await browser.new_context()
    page = await context.new_page()
    await page.goto(link)
    await page.get_by_role("button", name="Log in").click()
    await page.wait_for_url("**/console/")
    cookies = await context.cookies()
    await context.close()
    return cookies


async def main(arguments: Sequence[str]) -> int:
    """Make them all, or those of the docs."""
    all_pages = "--docs" not in arguments
    FOLDER.mkdir(parents=True, exist_ok=True)
    DOCS.mkdir(parents=True, exist_ok=True)
    report = Report()
    with demo() as cast:
        async with async_playwright() as playwright:
            browser = await playwright.chromium.launch(executable_path="/usr/bin/chromium", args=["--no-sandbox"])
            for role, party in ROLES.items():
                cookies = await log_in(browser, cast["console"][party])
                await look(browser, cast["base_url"], role, cookies, report, all_pages=all_pages)
            await browser.close()
    sizes = ", ".join(f"{name} {len(rendering.static(name)):,} bytes" for name in sorted(rendering.STATIC))
    print(
        f"{report.pictures} pictures of {len(report.looked_at)} pages in {FOLDER}, {report.looks} looks by axe; {sizes}"
    )
    print(f"not in this demo: {sorted(report.missing)}" if report.missing else "every page is there")
    print("\n".join(report.findings) or "0 findings")
    return 1 if report.findings else 0


if __name__ == "__main__":
    raise SystemExit(asyncio.run(main(sys.argv[1:])))
