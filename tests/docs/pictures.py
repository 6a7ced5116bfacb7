"""Draws the pictures of the pages, with Debian's chromium: ``python -m tests.docs.pictures``."""

import asyncio
import shutil
import subprocess
import sys
import tempfile
from functools import partial
from pathlib import Path
from typing import Final
from uuid import UUID

from sqlalchemy import Connection, update

from countermand.domain.commands import AskCancellation
from countermand.domain.orders import NewLine, PlaceOrder
from countermand.domain.parties import Asker
from countermand.domain.reasons import CancelReason
from countermand.service.calls import Done
from countermand.store.tables import parties
from tests.docs.reading import DOCS
from tests.support.world import Clock, populate, running

PICTURES: Final = DOCS / "pictures"
STYLE: Final = "/answer/style.css"
LINKED_STYLE: Final = '<link rel="stylesheet" href="style.css">'


def main() -> int:
    """Draw them all."""
    browser = shutil.which("chromium")
    if not browser:
        print("pictures: chromium is needed (Debian's package chromium).", file=sys.stderr)
        return 69
    PICTURES.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="pictures_") as folder:
        page = Path(folder, "answer-page.html")
        page.write_text(asyncio.run(_answer_page(Path(folder))), encoding="utf-8")
        _draw(browser, page, PICTURES / "answer-page.png", width=600, height=1060)
    return 0


async def _answer_page(folder: Path) -> str:
    """The page behind a mail's link, as a supplier sees it that is asked by a retailer's customer."""
    clock = Clock()
    async with running(f"sqlite:///{folder}/pictures.sqlite3", clock, key_file=folder / "keys") as application:
        world = await populate(application, clock)
        await application.database.write(
            partial(_name, names={world.retailer: "Fine Shoes", world.supplier: "Alpine Supply"})
        )
        line = application.ids.new()
        order = PlaceOrder(
            id=application.ids.new(),
            actor=world.actor(world.retailer),
            retailer=world.retailer,
            reference="PO-1",
            placed_at=clock(),
            lines=(
                NewLine(
                    id=line,
                    fulfiller=world.supplier,
                    sku="boot-42",
                    title="Hiking boot",
                    units=5,
                    details={},
                ),
            ),
            details={},
        )
        await world.submit(order, retailer=world.retailer)
        ask = AskCancellation(
            line=line,
            actor=world.actor(world.retailer),
            units=2,
            asker=Asker.RETAILER,
            reason=CancelReason.ORDERED_TWICE,
            note="two pairs came into the basket by mistake",
        )
        done = await world.submit(ask)
        assert isinstance(done, Done)
        url = application.links.page(
            retailer=world.retailer,
            line=line,
            cancellation=done.cancellations[0],
            party=world.supplier,
            at=clock(),
            step=1,
        )
        async with world.client() as http:
            reply = await http.get(url.removeprefix(application.settings.base_url))
            style = await http.get(STYLE)
        return reply.raise_for_status().text.replace(LINKED_STYLE, f"<style>{style.raise_for_status().text}</style>")


def _name(connection: Connection, names: dict[UUID, str]) -> None:
    for party, name in names.items():
        connection.execute(update(parties).where(parties.c.id == party).values(name=name))


def _draw(browser: str, page: Path, picture: Path, *, width: int, height: int) -> None:
    options = ("--headless", "--no-sandbox", "--hide-scrollbars", f"--window-size={width},{height}")
    command = [browser, *options, f"--screenshot={picture}", page.as_uri()]
    subprocess.run(command, check=True, capture_output=True, timeout=120)


if __name__ == "__main__":
    sys.exit(main())
