"""The seed page's example call, ``PUT …/order-items/v2/206605326/cancellation``, by hand and with bol's own vectors."""

import base64
import hashlib
import hmac
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from email.utils import formatdate
from pathlib import Path

import pytest
from lxml import etree
from sqlalchemy import update

from countermand.admin.credentials import PlazaKey
from countermand.store import tables as t
from countermand.wire.bol.vocabulary import ReasonCode
from countermand.wire.bol_plaza.vocabulary import PLAZA_NAMESPACE
from tests.support.world import Clock, populate, running
from tests.wire.bol_plaza.calling import Seller, checked, new_key
from tests.wire.bol_plaza.shop import SEED_ITEM, Shop, serving_shop
from tests.wire.bol_plaza.wire import answer_to

pytestmark = pytest.mark.anyio

PATH = "/services/rest/order-items/v2/206605326/cancellation"
EXAMPLE = b"""<Cancellation xmlns="">
    <DateTime>2016-02-17T12:00:00.0+01:00</DateTime>
    <ReasonCode>%s</ReasonCode>
</Cancellation>
"""

# bol's published pair and date, and signatures that were published or computed from them.
PUBLIC = "oRNWbHFXtAECmhnZmEndcjLIaSKbRMVE"
PRIVATE = (
    "MaQHPOnmYkPZNgeRziPnQyyOJYytUbcFBVJBvbMKoDdpPqaZbaOiLUTWzPAkpPsZFZbJHrcoltdgpZolyNcgvvBaKcmkqFjucFzXhDONTsPAtHHyccQl"
    "LUZpkOuywMiOycDWcCySFsgpDiyGnCWCZJkNTtVdPxbSUTWVIFQiUxaPDYDXRQAVVTbSVZArAZkaLDLOoOvPzxSdhnkkJWzlQDkqsXNKfAIgAldrmyfR"
    "OSyCGMCfvzdQdUQEaYZTPEoA"
)
DATE = "Wed, 17 Feb 2016 00:00:00 GMT"
ORDERS = "/services/rest/orders/v2"
VECTORS = [
    ("GET", "application/xml", ORDERS, "nqzLWvXI1eBhBXrRx5NF23V5hS8Q1xWCloJzPi/RAts="),
    ("GET", "application/xml; charset=UTF-8", ORDERS, "eHiB+H6R1istUPGSiPc4pjxBp0WtIjGnCJUXtq9B0zw="),
    ("PUT", "application/xml", PATH, "kZp1BSXhBVIjg++kSAWPRCBlR09+e3qGr4e2bsvluLA="),
    ("PUT", "application/xml; charset=UTF-8", PATH, "nxqANiuIM08jPO+TsrL9qQXSFi4tbFs2s+ad6eKZKHA="),
]


@pytest.fixture
async def seller_of_2016(tmp_path: Path) -> AsyncIterator[Seller]:
    """On the date of the vectors, with the key of the vectors and the item of the example."""
    clock = Clock(datetime(2016, 2, 17, 0, 4, tzinfo=UTC))
    async with running(f"sqlite:///{tmp_path}/x.sqlite3", clock) as application:
        world = await populate(application, clock)
        await application.database.write(
            lambda connection: connection.execute(update(t.number_blocks).values(next_number=SEED_ITEM - 1))
        )
        key = await new_key(world, world.retailer)
        secret = application.keyring.encrypt(PRIVATE.encode())
        await application.database.write(
            lambda connection: connection.execute(
                update(t.credentials).where(t.credentials.c.lookup == key.public).values(lookup=PUBLIC, secret=secret)
            )
        )
        async with world.client() as http:
            published = PlazaKey(public=PUBLIC, private=PRIVATE)
            yield Seller(world=world, http=http, party=world.retailer, key=published)


@pytest.mark.parametrize(("method", "content_type", "path", "mac"), VECTORS)
async def test_the_vectors_open_the_door(
    seller_of_2016: Seller, method: str, content_type: str, path: str, mac: str
) -> None:
    seller = seller_of_2016
    line, number = await seller.line()
    assert number == SEED_ITEM
    headers = {"Content-Type": content_type, "X-BOL-Date": DATE, "X-BOL-Authorization": f"{PUBLIC}:{mac}"}
    body = EXAMPLE % b"OUT_OF_STOCK" if method == "PUT" else b""
    answer = checked(await seller.http.request(method, path, content=body, headers=headers))
    assert answer.status == 200
    assert await seller.world.buckets(line) == ((0, 0, 1, 0) if method == "PUT" else (1, 0, 0, 0))


@pytest.mark.parametrize("reason", list(ReasonCode))
async def test_the_example_with_every_reason(seller_of_2016: Seller, reason: ReasonCode) -> None:
    seller = seller_of_2016
    line, _ = await seller.line()
    answer = await seller.call("PUT", PATH, EXAMPLE % reason.encode())
    # As the page shows it: this root, this sentence, and a link that is the status itself.
    assert etree.QName(answer.root).text == f"{{{PLAZA_NAMESPACE}}}ProcessStatus"
    assert answer.text("description") == "Cancel order item with id 206605326."
    (link,) = answer.all("Links", "link")
    assert sorted(etree.QName(str(name)).localname for name in link.attrib) == ["href", "method", "rel"]
    values = {etree.QName(str(name)).localname: str(value) for name, value in link.attrib.items()}
    assert (values["method"], values["rel"]) == ("GET", "self")
    self_path = "/" + values["href"].split("/", 3)[3]
    polled = await seller.call("GET", self_path)
    assert polled.text("status") == "SUCCESS"
    assert await seller.world.buckets(line) == (0, 0, 1, 0)


async def test_the_published_key_is_no_other_sellers(seller_of_2016: Seller) -> None:
    forged = replace(seller_of_2016, key=PlazaKey(public=PUBLIC, private="another"))
    assert (await forged.call("PUT", PATH, EXAMPLE % b"OTHER")).error == (401, 41103)


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    with serving_shop(tmp_path_factory.mktemp("shop"), items=1) as shop:
        yield shop


def test_the_example_by_hand_on_the_real_wire(shop: Shop) -> None:
    """Signed and written byte by byte, with nothing of ours."""
    date = formatdate(usegmt=True)
    lines = ("PUT", "", "application/xml", date, f"x-bol-date:{date}", PATH)
    mac = base64.b64encode(hmac.new(shop.key.private.encode(), "\n".join(lines).encode(), hashlib.sha256).digest())
    body = EXAMPLE % b"OUT_OF_STOCK"
    head = (
        f"PUT {PATH} HTTP/1.1\r\nHost: plazaapi.bol.com\r\nConnection: close\r\nContent-Type: application/xml\r\n"
        f"X-BOL-Date: {date}\r\nX-BOL-Authorization: {shop.key.public}:{mac.decode()}\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    )
    status, answer = answer_to(shop.url, head.encode() + body)
    assert status == 200
    assert b"<ns1:description>Cancel order item with id 206605326.</ns1:description>" in answer
    assert b"<ns1:status>PENDING</ns1:status>" in answer
