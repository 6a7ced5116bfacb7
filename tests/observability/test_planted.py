"""Secrets of every kind are planted and used: no log, metric, trace, page, answer, report, dump or backup shows one.

What may show one is named where it is looked at: the one answer that makes a secret, the key file in a backup, and the
orders in which a customer's e-mail address belongs.
"""

import asyncio
import base64
import json
import os
import re
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.utils import format_datetime
from itertools import count
from pathlib import Path
from typing import Any, Final
from unittest.mock import patch

import httpx2
import pytest
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from prometheus_client import generate_latest

from countermand.admin.callers import PLATFORM
from countermand.admin.credentials import issue_token
from countermand.console.routes import ROUTES
from countermand.observability import tracing
from countermand.observability.exposition import registry
from countermand.reads.parties import find_party
from countermand.settings import secret_names
from countermand.store.engines.protocol import UnavailableError
from countermand.wire.bol_plaza.signature import sign
from tests.console.test_matrix import Stage, is_let_in, may, staged
from tests.console.visiting import PASSWORD
from tests.observability.test_canary import Lines, log_into
from tests.support.logs import log_plainly
from tests.support.mailbox import Mailbox
from tests.support.pgnode import free_port
from tests.support.receiver import Receiver, answer
from tests.support.waiting import HANGS_S
from tests.support.world import Clock, World, populate, running

pytestmark = pytest.mark.anyio

PROGRAM: Final = Path(sys.executable).parent / "countermand"
CUSTOMER: Final = "planted.customer@mailbox.example"
CUSTOMER_NAME: Final = "Planted-Surname"
DATABASE_PASSWORD: Final = "planted-database-password"
FORMS: Final = {
    "stripe_api_key": "sk_test_planted0stripe0api0key",
    "stripe_webhook_secret": "whsec_planted0stripe0webhook0secret",
    "mollie_api_key": "test_planted0mollie0api0key0000000",
}
"""Secrets of settings that have a form of their own."""


def planted_settings() -> dict[str, str]:
    """A value for every setting that is a secret, so that a new one is looked for, too."""
    return {name: FORMS.get(name, f"planted-{name.replace('_', '-')}") for name in sorted(secret_names())}


@dataclass
class Shown:
    """All that was shown while the secrets were used, by where it was."""

    secrets: dict[str, str] = field(default_factory=dict)
    texts: dict[str, str] = field(default_factory=dict)
    order: str = ""

    def found_in(self, where: str) -> list[str]:
        """The secrets that can be read there, in plain or in an encoding that anybody undoes."""
        text = self.texts[where]
        return [name for name, secret in self.secrets.items() if any(form in text for form in _forms(secret))]


def _forms(secret: str) -> set[str]:
    data = secret.encode()
    return {secret, base64.b64encode(data).decode().rstrip("="), data.hex()}


@pytest.fixture(scope="module")
async def shown(shared_url: str, tmp_path_factory: pytest.TempPathFactory) -> Shown:
    """Everything is done once: planted, used in good and bad calls, sent, refused, exported, dumped, backed up."""
    folder, lines, exporter = tmp_path_factory.mktemp("planted"), Lines(), InMemorySpanExporter()
    plain, url = planted_settings(), _with_password(shared_url)
    found = Shown(secrets=dict(plain))
    if url != shared_url:
        found.secrets["database password"] = DATABASE_PASSWORD
    async with Receiver() as receiver, Mailbox(login=("planted-user", plain["smtp_password"])) as box:
        receiver.otherwise = answer(500, b"It did not work.")
        settings: dict[str, Any] = {
            **plain,
            "key_file": folder / "keys",
            "smtp_host": "127.0.0.1",
            "smtp_port": box.port,
            "smtp_tls": "none",
            "smtp_user": "planted-user",
            "mail_from": "mail@shop.example",
            "nats_user": "planted-user",
            "public_url": "http://127.0.0.1:1",
            "webhook_inner_addresses": ["127.0.0.0/8"],
            "webhook_ports": [],
            "webhook_http": True,
            "payment_providers": ["stripe", "mollie"],
            "stripe_url": f"http://127.0.0.1:{free_port()}",
            "mollie_url": f"http://127.0.0.1:{free_port()}",
        }
        if url == shared_url:
            # A file has no standby.
            del settings["standby"], found.secrets["standby"]
        else:
            settings["standby"] = f"postgresql://planted:{plain['standby']}@127.0.0.1:1/none"
        with _watched(lines, exporter):
            clock = Clock()
            async with running(url, clock, **settings) as application:
                world = await populate(application, clock)
                await _Planting(world, found, receiver, box).everything()
                await _pages(await staged(world), found)
                found.secrets["key file"] = (folder / "keys").read_text().split()[0]
                await asyncio.to_thread(_commands, world, found, url, settings, folder)
    found.texts["logs"] = lines.text
    found.texts["metrics"] = generate_latest(registry()).decode()
    found.texts["traces"] = "\n".join(each.to_json() for each in exporter.get_finished_spans())
    return found


def _with_password(url: str) -> str:
    """PostgreSQL here asks for no password, and takes any."""
    return url.replace("//postgres@", f"//postgres:{DATABASE_PASSWORD}@")


@contextmanager
def _watched(lines: Lines, exporter: InMemorySpanExporter) -> Iterator[None]:
    log_into(lines)
    tracing.start(exporter)
    try:
        yield
    finally:
        tracing.stop()
        log_plainly()


_KEYS: Final = count()


class _Planting:
    """Makes every secret that the service makes, and uses it, rightly and wrongly."""

    def __init__(self, world: World, shown: Shown, receiver: Receiver, box: Mailbox) -> None:
        self._world, self._shown, self._receiver, self._box = world, shown, receiver, box
        self._answers: list[str] = []

    async def everything(self) -> None:
        world, application = self._world, self._world.application
        world.tokens[PLATFORM] = await application.database.write(
            lambda c: issue_token(c, application.ids, world.clock(), party=find_party(c, str(PLATFORM)))
        )
        self._shown.secrets |= {f"token {party}": token for party, token in world.tokens.items()}
        await self._credentials()
        await self._endpoints()
        line = await self._sell()
        await application.worker.once()
        [confirmation] = await self._links("mailbox-")
        confirmed = await self._reply("POST", f"/answer/{confirmation}", data={"answer": "confirm"})
        assert confirmed.status_code == 200, confirmed.text
        await self._ask(line)
        await application.worker.once()
        await self._links("")
        await application.worker.settle_refunds()
        await self._misuse()
        for fault in (RuntimeError("a fault of ours"), UnavailableError("the database is away")):
            with patch.object(application.database, "read", side_effect=fault):
                await self._misuse()
        assert self._receiver.requests, "a webhook was sent"
        self._shown.texts["answers"] = "\n".join(self._answers)

    async def _credentials(self) -> None:
        """By the API, repeated under their keys: what is kept for a repetition has no secret either."""
        token = self._world.tokens[self._world.retailer]
        made = {}
        for kind in ("token", "plaza_key", "oauth_client"):
            given = {"kind": kind, "label": "planted"}
            made[kind] = await self._make("/v1/credentials", token, given)
            self._shown.secrets[f"new {kind}"] = made[kind]["secret"]
        client = made["oauth_client"]
        basic = base64.b64encode(f"{client['public']}:{client['secret']}".encode()).decode()
        self._shown.secrets["client, as it is sent"] = basic
        reply = await self._reply(
            "POST", "/token?grant_type=client_credentials", headers={"Authorization": f"Basic {basic}"}
        )
        assert reply.status_code == 200, reply.text
        self._shown.secrets["access token"] = reply.json()["access_token"]
        date, path = format_datetime(self._world.clock(), usegmt=True), "/services/rest/orders/v2"
        mac = sign(
            made["plaza_key"]["secret"].encode(), method="GET", content_type="application/xml", date=date, path=path
        )
        said = {"X-BOL-Date": date, "X-BOL-Authorization": f"{made['plaza_key']['public']}:{mac}"}
        reply = await self._reply("GET", path, headers={"Content-Type": "application/xml", **said})
        assert reply.status_code == 200, reply.text

    async def _endpoints(self) -> None:
        world = self._world
        hook = {"url": f"{self._receiver.url}/planted-path-of-a-webhook"}
        made = await self._make("/v1/endpoints", world.tokens[world.retailer], hook)
        self._shown.secrets["webhook secret"] = made["secret"]
        await self._make("/v1/endpoints", world.tokens[world.supplier], {"url": "mailto:orders@alpine.example"})

    async def _sell(self) -> str:
        """A paid order of a customer, and what Stripe should be asked to give back of it."""
        world = self._world
        who = {"first_name": "Planted", "last_name": CUSTOMER_NAME, "street": "A", "house_number": "1"}
        address = {**who, "postcode": "1", "city": "B", "country": "NL", "email": CUSTOMER}
        order = {
            "retailer": str(world.retailer),
            "reference": "PO-PLANTED",
            "shipping_address": address,
            "lines": [{"sku": "S", "units": 2, "unit_price": "10.00", "supplier": str(world.supplier)}],
            "payments": [{"provider": "stripe", "reference": "pi_planted", "captured": "20.00"}],
        }
        made = await self._make("/v1/orders", world.tokens[world.retailer], order)
        line: str = made["lines"][0]["id"]
        self._shown.order = made["id"]
        token = world.tokens[world.supplier]
        await self._make(f"/v1/cancellations/{await self._ask(line)}/accept", token, {})
        return line

    async def _ask(self, line: str) -> str:
        """Returns the cancellation."""
        ask = {"lines": [{"line": line, "units": 1}], "asker": "retailer"}
        asked = await self._make("/v1/cancellations", self._world.tokens[self._world.retailer], ask)
        cancellation: str = asked["cancellations"][0]["id"]
        return cancellation

    async def _links(self, beginning: str) -> list[str]:
        """The links in the letters that came, each of which is a secret."""
        found = []
        for letter in self._box.letters:
            found += re.findall(rf"/answer/({beginning}[A-Za-z0-9_-]{{60,}})", letter.body("plain"))
        self._box.letters.clear()
        assert found
        self._shown.secrets |= {f"link {number} {beginning}": each for number, each in enumerate(found)}
        return found

    async def _misuse(self) -> None:
        """A secret where it is none, or of another: it is refused, and not repeated."""
        for secret in self._shown.secrets.values():
            for path in ("/answer/{}", "/status/{}", "/console/once/{}", "/v1/orders?token={}", "/v1/orders/{}"):
                await self._reply("GET", path.format(secret))
            for scheme, path in (("Bearer", "/v1/orders"), ("Token", "/orders/"), ("Basic", "/retailer/orders")):
                await self._reply("GET", path, headers={"Authorization": f"{scheme} {secret}x"})
            form = {"email": CUSTOMER, "password": secret, "next": f"/{secret}"}
            await self._reply("POST", "/console/login", data=form)

    async def _make(self, path: str, token: str, document: dict[str, Any]) -> dict[str, Any]:
        """What a call makes. It is sent twice under one key."""
        headers = {"Authorization": f"Bearer {token}", "Idempotency-Key": f"planted-{next(_KEYS)}"}
        async with self._world.client() as client:
            reply = await client.post(path, json=document, headers=headers)
            again = await client.post(path, json=document, headers=headers)
        assert (reply.status_code // 100, again.status_code // 100) == (2, 2), (reply.text, again.text)
        made: dict[str, Any] = reply.json()
        return made

    async def _reply(self, method: str, path: str, **more: Any) -> httpx2.Response:
        async with self._world.client() as client:
            reply = await client.request(method, path, **more)
        if path.startswith("/token") and reply.is_success:
            return reply
        self._answers.append(f"{reply.text}\n{reply.headers}")
        return reply


async def _pages(stage: Stage, shown: Shown) -> None:
    """Every page of the console that a role may see, about things of its own, and the order that was planted."""
    shown.secrets |= {f"session of {role}": who.secret for role, who in stage.people.items()}
    shown.secrets["password"] = PASSWORD
    for role, who in stage.people.items():
        pages = [await who.look(f"/console/orders/{shown.order}")]
        pages += [
            await stage.call(role, route, stage.own) for route in ROUTES if route.method == "GET" and may(role, route)
        ]
        assert [page.url for page in pages if not is_let_in(page)] == []
        shown.texts[f"pages of the {role}"] = "\n".join(f"{page.text}\n{page.headers}" for page in pages)


def _commands(world: World, shown: Shown, url: str, settings: dict[str, Any], folder: Path) -> None:
    """Commands beside the service: what they report, and the files that they write."""
    given = {f"COUNTERMAND_{name.upper()}": _as_variable(value) for name, value in settings.items()}
    given |= {"COUNTERMAND_DATABASE": url, "COUNTERMAND_ALLOW_LOSING_ACKNOWLEDGED_CALLS": "true"}
    environment = os.environ | given

    def run(*arguments: str | Path) -> str:
        done = subprocess.run([PROGRAM, *arguments], env=environment, capture_output=True, text=True, timeout=HANGS_S)
        return f"{done.stdout}\n{done.stderr}"

    shown.texts["config show"] = run("config", "show", "--origin")
    shown.texts["check"] = run("check")
    shown.texts["doctor"] = run("doctor")
    parties = {"platform": PLATFORM, "retailer": world.retailer, "supplier": world.supplier}
    for name, party in parties.items():
        shown.texts[f"export of the {name}"] = run("export", str(party), "-")
    run("backup", "--without-keys", folder / "bare.zip")
    run("backup", folder / "whole.zip")
    shown.texts["dump"] = _members(folder / "bare.zip")
    shown.texts["backup"] = _members(folder / "whole.zip")


def _as_variable(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, default=str).strip('"')


def _members(archive: Path) -> str:
    with zipfile.ZipFile(archive) as opened:
        return "\n".join(opened.read(name).decode("latin-1") for name in opened.namelist())


LOOKED_AT: Final = {
    "logs": (
        "unexpected_error",
        "database_away",
        "confirmation_asked",
        "notice_attempted",
        "notice_waits",
        "refund_attempted",
        "refund_waits",
        "credentials.create",
    ),
    "metrics": ("countermand_http_requests_total",),
    "traces": ("call native",),
    "answers": ("unauthenticated", "The database did not answer"),
    "pages of the operator": ("PO-PLANTED", "planted-path-of-a-webhook"),
    "pages of the viewer": ("PO-PLANTED",),
    "pages of the retailer": ("PO-PLANTED", "planted-path-of-a-webhook"),
    "pages of the supplier": ("PO-PLANTED",),
    "config show": ("smtp_password", "stripe_url"),
    "check": ("stripe", "mail"),
    "doctor": ("service",),
    "export of the platform": ("PO-PLANTED", '"type":"credential"'),
    "export of the retailer": ("PO-PLANTED", '"type":"credential"'),
    "export of the supplier": ("PO-PLANTED", '"type":"credential"'),
    "dump": ("PO-PLANTED", '"product": "countermand"'),
    "backup": ("PO-PLANTED", '"product": "countermand"'),
}
"""Where secrets are looked for, and what has to be there, so that the right thing is looked at."""

ALLOWED: Final = {"backup": {"key file"}}
"""A backup has the key file in it, unless it is told otherwise (docs/how-to/back-up.md)."""

OF_CUSTOMERS: Final = {
    **{where: {CUSTOMER_NAME} for where in LOOKED_AT if where.startswith("pages")},
    "dump": {CUSTOMER_NAME, CUSTOMER},
    "backup": {CUSTOMER_NAME, CUSTOMER},
}
"""The page of an order says where the goods go. What is stored has the e-mail address, too."""


@pytest.mark.parametrize("where", LOOKED_AT)
async def test_no_secret_is_shown(shown: Shown, where: str) -> None:
    assert [part for part in LOOKED_AT[where] if part not in shown.texts[where]] == []
    assert set(shown.found_in(where)) == ALLOWED.get(where, set())


@pytest.mark.parametrize("where", LOOKED_AT)
async def test_customers_are_named_where_their_order_is_and_nowhere_else(shown: Shown, where: str) -> None:
    assert {each for each in (CUSTOMER, CUSTOMER_NAME) if each in shown.texts[where]} == OF_CUSTOMERS.get(where, set())


async def test_every_kind_of_secret_is_planted(shown: Shown) -> None:
    kinds = {name.split()[0] if name.split()[0] in ("token", "link", "session") else name for name in shown.secrets}
    planted = secret_names() - (set() if "database password" in kinds else {"standby"})
    assert kinds >= planted | {
        "token", "new token", "new plaza_key", "new oauth_client", "client, as it is sent", "access token",
        "webhook secret", "link", "session", "password", "key file",
    }  # fmt: skip
    assert all(len(secret) >= 12 for secret in shown.secrets.values())
