"""The page behind the link in an e-mail: a supplier without a program answers in a browser."""

import re
from datetime import UTC, datetime
from html import unescape
from urllib.parse import urlsplit
from uuid import UUID

from countermand.app import opened
from countermand.cli.stories.story import Cast, Story
from countermand.ids import read
from countermand.settings import Settings

ORDER = 7


class PageStory(Story):
    """A supplier opens the link, accepts, and opens it again."""

    def __init__(self, cast: Cast, settings: Settings) -> None:
        super().__init__(cast)
        self._settings = settings

    async def _play(self) -> None:
        order, line = self._line(ORDER, 0)
        supplier = line["supplier"]
        self._title(f"{supplier} answers for {line['sku']} of {order['reference']} on the page behind an e-mail's link")
        wanted = {"lines": [{"line": line["line"]}], "asker": "retailer"}
        asked = await self._step("the retailer asks", "POST", "/v1/cancellations", "Fine Shoes", 202, wanted)
        page = await self._link(asked["cancellations"][0]["id"], line["line"], supplier)
        shown = await self._page(f"{supplier} opens the link", "GET", page)
        self._check(
            "the page asks its question", self._heading(shown), f"Can {_units(line['units'])} still be cancelled?"
        )
        once = "".join(re.findall('name="once" value="([^"]*)"', shown)[:1])
        answer = {"answer": "accept", "once": once}
        shown = await self._page(f"{supplier} presses “Yes”", "POST", page, **answer)
        self._check("the page says what it does", self._heading(shown), f"Stop {_units(line['units'])} for good?")
        await self._page(f"{supplier} presses “Yes, stop {_units(line['units'])}”", "POST", page, **answer, sure="yes")
        shown = await self._page("who opens the link again sees what happened", "GET", page)
        self._check("it was accepted", self._heading(shown), "This cancellation was accepted")

    async def _link(self, cancellation: str, line: str, supplier: str) -> str:
        """The path of the link, as the e-mail to the supplier has it."""
        async with opened(self._settings) as application:
            link = application.links.page(
                retailer=UUID(self._cast.parties["Fine Shoes"]),
                line=UUID(line),
                cancellation=read("can", cancellation) or UUID(int=0),
                party=UUID(self._cast.parties[supplier]),
                at=datetime.now(UTC),
            )
        return urlsplit(link).path

    async def _page(self, what: str, method: str, path: str, **form: str) -> str:
        answer = await self._http.request(method, path, data=form or None, follow_redirects=True)
        short = f"{path[:24]}..."
        self._told(f"{what}\n      {method} {short} -> {answer.status_code}", answer.status_code == 200)
        return answer.text

    def _heading(self, page: str) -> str:
        return unescape("".join(re.findall("<h1>(.*?)</h1>", page)[:1]))


def _units(number: int) -> str:
    return f"{number} unit{'' if number == 1 else 's'}"
