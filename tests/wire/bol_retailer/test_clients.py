"""Clients that others wrote, and our own command line, against the real server."""

import asyncio
import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.seeds.serving import clean_environment, command
from tests.support.pgnode import free_port
from tests.support.receiver import Receiver, answer
from tests.support.waiting import HANGS_S
from tests.wire.bol_plaza.shop import Shop, serving_shop
from tests.wire.bol_retailer.calling import UNLIMITED

HERE = Path(__file__).parent
ENVIRONMENT = Path(sys.executable).parent.parent

Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    limits = {"COUNTERMAND_RETAILER_LIMITS": json.dumps(UNLIMITED)}
    with serving_shop(tmp_path_factory.mktemp("shop"), items=12, **limits) as shop:
        yield shop


def day_of(client: str, shop: Shop, first: int) -> Any:
    """What the program of a client printed. It works on four items from ``first`` on."""
    package = ENVIRONMENT / f"bol-{client}"
    assert package.is_dir(), "the clients of others are missing: run `make .venv/.ready`"
    asked, lacking, sent = (str(number) for number in shop.own[first : first + 3])
    command("ask", "--line", asked, "--by", "customer", "--database", shop.database)
    done = subprocess.run(
        [
            sys.executable, HERE / "clients" / f"{client}.py", shop.url, str(shop.client.id), shop.client.secret,
            asked, lacking, sent, str(shop.suppliers[first]),
        ],
        capture_output=True,
        text=True,
        timeout=HANGS_S,
        env=clean_environment(PYTHONPATH=str(package)),
        check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout), asked


def test_python_bol_api_latest_as_it_is(shop: Shop) -> None:
    seen, asked = day_of("latest", shop, 1)
    left = seen.pop("left")
    assert seen == {
        "requests": [asked],
        "prices": ["0.0"],
        "queued": ["PENDING", "CANCEL_ORDER", True],
        "confirmed": "SUCCESS",
        "lacking": "SUCCESS",
        "suppliers": "PENDING",
        "about": ["SUCCESS"],
        "parcel": "SUCCESS",
        "transport": ["TNT", "3S1"],
        "listed": [True],
        "indicators": ["CANCELLATIONS", "REVIEWS"],
    }
    assert left == 24 - 3


def test_python_bol_retailer_api_as_it_is(shop: Shop) -> None:
    seen, asked = day_of("retailer", shop, 5)
    assert seen.pop("left") < 24
    assert seen == {
        "requests": [asked],
        "titles": [seen["titles"][0]],
        "missing": "Order for order id 1 not found.",
        "confirmed": "SUCCESS",
        "lacking": "SUCCESS",
        "suppliers": "PENDING",
        "refused": "Error validating request body. Consult the bol.com API documentation for more information.",
        "parcel": "SUCCESS",
    }


# countermand bol


@pytest.fixture
def bol(shop: Shop, countermand: Run) -> Run:
    def run(*arguments: str, **more: str) -> subprocess.CompletedProcess[str]:
        client = {
            "COUNTERMAND_BOL_CLIENT_ID": str(shop.client.id),
            "COUNTERMAND_BOL_CLIENT_SECRET": shop.client.secret,
        }
        where = () if "--url" in arguments else ("--url", shop.url)
        return countermand("bol", *arguments, *where, **{**client, **more})

    return run


def test_the_command_line_lists_cancels_and_polls(bol: Run, shop: Shop, tmp_path: Path) -> None:
    number = shop.own[10]
    listed = bol("GET", "/retailer/orders?page=1")
    assert (listed.returncode, listed.stderr) == (0, "200 OK\n")
    assert f'"orderItemId": "{number}"' in listed.stdout
    body = json.dumps({"orderItems": [{"orderItemId": str(number), "reasonCode": "OUT_OF_STOCK"}]})
    file = tmp_path / "cancellation.json"
    file.write_text(body)
    sent = bol("put", "/retailer/orders/cancellation", "--data", str(file))
    assert (sent.returncode, sent.stderr) == (0, "202 Accepted\n")
    process = json.loads(sent.stdout)["processStatusId"]
    assert json.loads(bol("GET", f"/shared/process-status/{process}").stdout)["status"] == "SUCCESS"
    again = bol("PUT", "/retailer/orders/cancellation", "--data", "-", stdin=body)
    assert again.returncode == 0


@pytest.mark.parametrize(
    ("arguments", "environment", "exit_code", "reported"),
    [
        (("GET", "/retailer/orders"), {"COUNTERMAND_BOL_CLIENT_SECRET": "wrong"}, 3, "Bad client credentials"),
        (("GET", "/shared/process-status/1"), {}, 1, "404"),
        (("GET", "/retailer/orders?page=x"), {}, 1, "400"),
        (("GET", "/retailer/orders"), {"COUNTERMAND_BOL_CLIENT_ID": ""}, 2, "client-credentials create"),
        (("PUT", "/retailer/orders/cancellation", "--data", "/nowhere"), {}, 2, "/nowhere cannot be read"),
        (("GET", "/retailer/orders", "--url", f"http://127.0.0.1:{free_port()}"), {}, 75, "cannot be reached"),
        (("GET", "retailer/orders", "--url", "http://127.0.0.1:1"), {}, 2, "begins with /retailer"),
        (("GET", "/retailer/orders", "--url", "nonsense"), {}, 75, "cannot be reached"),
        (("G T", "/retailer/orders"), {}, 2, "no method such as GET"),
        (("G\u00cb", "/retailer/orders"), {}, 2, "no method such as GET"),
        (("GET", "/retailer/orders"), {"COUNTERMAND_BOL_CLIENT_SECRET": "\udcff"}, 2, "that no key has"),
    ],
)
def test_the_command_line_says_what_is_wrong(
    bol: Run, arguments: tuple[str, ...], environment: dict[str, str], exit_code: int, reported: str
) -> None:
    done = bol(*arguments, **environment)
    assert done.returncode == exit_code, done.stderr
    assert reported in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.anyio
@pytest.mark.parametrize(
    "body", [b"<html>", b"[]", b"{}", b'{"access_token": 5}', '{"access_token": "\u00e9"}'.encode()]
)
async def test_the_command_line_meets_another_server(bol: Run, receiver: Receiver, body: bytes) -> None:
    receiver.script = [answer(200, body)]
    done = await asyncio.to_thread(bol, "GET", "/retailer/orders", "--url", receiver.url)
    assert (done.returncode, "Traceback" in done.stderr) == (3, False), done.stderr
    assert "There is no access token" in done.stderr
