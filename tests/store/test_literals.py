"""Texts of callers become literals of a statement on PostgreSQL: none is taken for anything else, however it is set."""

import json

import pytest
from sqlalchemy import create_engine, make_url, text

from tests.support import templates
from tests.support.pgnode import Node
from tests.support.world import Clock, populate, running

pytestmark = pytest.mark.anyio

TEXTS = (
    "O'Brien",
    "''); DROP TABLE lines; --",
    '","units":99,"note":"',
    "\\",
    "\\\\' OR 1=1",
    r"\u0027",
    r"\x27",
    "$1 %s %(a)s :note {0}",
    "\u2028 \t \n",
)


@pytest.mark.parametrize("conforming", ["on", "off"])
async def test_a_text_is_kept_as_it_was_sent(postgres: Node, clock: Clock, conforming: str) -> None:
    url = templates.new_database(postgres)
    owner = create_engine(make_url(url).set(drivername="postgresql+psycopg"))
    with owner.begin() as connection:
        connection.execute(text(f"ALTER DATABASE {owner.url.database} SET standard_conforming_strings = {conforming}"))
    owner.dispose()
    async with running(url, clock) as application:
        world = await populate(application, clock)
        line = str((await world.order(len(TEXTS))).lines[0].id)
        bearer = {"Authorization": f"Bearer {world.tokens[world.retailer]}"}
        async with world.client() as client:
            for note in TEXTS:
                asked = {"lines": [{"line": line, "units": 1}], "note": note}
                said = await client.post("/v1/cancellations", json=asked, headers=bearer)
                assert said.status_code == 202, said.text
            listed = await client.get("/v1/cancellations", params={"line": line}, headers=bearer)
    kept = [(each["note"], each["units"]) for each in listed.json()["cancellations"]]
    assert sorted(kept) == sorted((note, 1) for note in TEXTS), json.dumps(kept)
