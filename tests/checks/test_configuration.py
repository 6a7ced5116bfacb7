"""`countermand check`: files, database, clock, mail and providers, each real."""

import asyncio
import resource
import sqlite3
from contextlib import closing
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import psycopg
import pytest
from cryptography.fernet import Fernet
from sqlalchemy import Connection

from countermand.admin.credentials import issue_plaza_key
from countermand.app import Service
from countermand.checks.configuration import check
from countermand.checks.finding import Finding, Level
from countermand.reads.parties import find_party
from countermand.settings import Settings
from tests.support import templates
from tests.support.mailbox import Mailbox
from tests.support.payments.ledger import Ledger
from tests.support.payments.script import Fault
from tests.support.payments.server import API_KEY, Fake
from tests.support.pgnode import Node
from tests.support.world import Clock, World, populate, running

pytestmark = pytest.mark.anyio

FINE, WARNING, WRONG = Level.FINE, Level.WARNING, Level.WRONG


async def found(database: str, name: str, **settings: Any) -> Finding:
    """What a check finds about one thing."""
    environment = settings.pop("environment", ())
    findings = await check(Settings(database=database, **settings), environment)
    [the_one] = [each for each in findings if each.name == name]
    return the_one


async def test_a_database_that_is_well(database_url: str) -> None:
    weak = {"allow_losing_acknowledged_calls": True}
    assert (await found(database_url, "database", **weak)).level is FINE
    assert (await found(database_url, "keys", **weak)).level is FINE
    assert (await found(database_url, "clock", **weak)).level is FINE


async def test_a_database_that_loses_what_it_acknowledged(postgres: Node) -> None:
    lost = await found(templates.new_database(postgres), "database")
    assert lost.level is WRONG
    assert "fsync" in lost.sentence


async def test_databases_that_are_not_there(tmp_path: Path) -> None:
    none = await found(f"sqlite:///{tmp_path}/none.sqlite3", "database")
    assert (none.level, (tmp_path / "none.sqlite3").exists()) == (WARNING, False)
    away = await found("postgresql://nobody@127.0.0.1:1/none", "database")
    assert (away.level, "127.0.0.1" in away.sentence) == (WRONG, True)
    (tmp_path / "text.sqlite3").write_text("no database" * 100)
    assert (await found(f"sqlite:///{tmp_path}/text.sqlite3", "database")).level is WRONG


async def test_a_schema_of_another_version(tmp_path: Path) -> None:
    path = tmp_path / "old.sqlite3"
    url = templates.filled_file(path)
    with closing(sqlite3.connect(path)) as database:
        database.execute("UPDATE alembic_version SET version_num = '9999'")
        database.execute("UPDATE schema_window SET serves_from = '9999'")
        database.commit()
    assert (await found(url, "database")).level is WRONG


async def test_another_key_file(tmp_path: Path, clock: Clock) -> None:
    url, keys = f"sqlite:///{tmp_path}/keys.sqlite3", tmp_path / "keys.keys"
    async with running(url, clock) as application:
        world = await populate(application, clock)
        await application.database.write(partial(_with_a_key, application, world))
    assert (await found(url, "keys")).level is FINE
    assert (await found(url, "key_file")).level is FINE
    keys.chmod(0o644)
    assert (await found(url, "key_file")).level is WRONG
    keys.write_bytes(Fernet.generate_key())
    assert (await found(url, "keys")).level is WRONG


def _with_a_key(application: Service, world: World, connection: Connection) -> None:
    party = find_party(connection, str(world.retailer))
    issue_plaza_key(connection, application.ids, application.keyring, world.clock(), party=party)


async def test_a_clock_that_is_behind(tmp_path: Path) -> None:
    url, ahead = f"sqlite:///{tmp_path}/clock.sqlite3", Clock(datetime.now(UTC) + timedelta(hours=3))
    async with running(url, ahead) as application:
        await (await populate(application, ahead)).order()
    behind = await found(url, "clock")
    assert (behind.level, "NTP" in behind.remedy) == (WRONG, True)


async def test_a_file_with_secrets_that_others_may_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    url, file = templates.filled_file(tmp_path / "x.sqlite3"), tmp_path / "countermand.toml"
    file.write_text('smtp_password = "x"\n')
    file.chmod(0o644)
    assert (await found(url, "config")).level is WRONG
    file.chmod(0o600)
    assert (await found(url, "config")).level is FINE
    file.write_text("lanes = 2\n")
    assert not [each for each in await check(Settings(database=url), ()) if each.name == "config"]


async def test_fewer_files_than_connections(sqlite_url: str) -> None:
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    few = await found(sqlite_url, "connections_max", connections_max=most)
    assert (few.level, f"{most} open files" in few.sentence) == (WARNING, True)


async def test_a_variable_that_is_no_setting(sqlite_url: str) -> None:
    names = ("COUNTERMAND_ZEBRA", "COUNTERMAND_LANES", "COUNTERMAND_TOKEN", "HOME")
    assert "COUNTERMAND_ZEBRA" in (await found(sqlite_url, "environment", environment=names)).sentence


async def test_mail(sqlite_url: str) -> None:
    assert (await found(sqlite_url, "mail")).level is FINE
    sender = {"smtp_host": "127.0.0.1", "mail_from": "a@shop.example", "smtp_tls": "none"}
    async with Mailbox(login=("shop", "right")) as server:
        given = {**sender, "smtp_port": server.port, "smtp_user": "shop"}
        assert (await found(sqlite_url, "mail", **given, smtp_password="right")).level is FINE
        refused = await found(sqlite_url, "mail", **given, smtp_password="wrong")
        assert (refused.level, "535" in refused.sentence) == (WRONG, True)
        assert server.letters == []
    assert (await found(sqlite_url, "mail", **sender, smtp_port=1)).level is WRONG


@pytest.mark.parametrize("provider", ["stripe", "mollie"])
async def test_a_provider(sqlite_url: str, clock: Clock, provider: str) -> None:
    given: dict[str, Any] = {
        "payment_providers": [provider],
        f"{provider}_api_key": API_KEY,
        "stripe_webhook_secret": "whsec_eA==",
        "webhook_inner_addresses": ["127.0.0.0/8"],
        "webhook_http": True,
    }
    async with Fake(ledger=Ledger(clock=clock)) as fake:
        given[f"{provider}_url"] = fake.url
        well = await found(sqlite_url, provider, **given)
        assert (well.level, fake.moves()) == (FINE, [])
        fake.every = Fault.EXPIRED
        expired = await found(sqlite_url, provider, **given)
        assert (expired.level, f"{provider}_api_key" in expired.remedy) == (WRONG, True)
    assert (await found(sqlite_url, provider, **given)).level is WRONG


def test_nothing_is_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    asyncio.run(check(Settings(database=f"sqlite:///{tmp_path}/none.sqlite3"), ()))
    assert list(tmp_path.iterdir()) == []


async def test_room_for_the_connections_of_all_processes(postgres: Node) -> None:
    url = templates.new_database(postgres)
    weak: dict[str, Any] = {"allow_losing_acknowledged_calls": True, "lanes": 3}
    enough = await found(url, "connections", **weak)
    assert enough.level is FINE
    assert "1 process opens up to 16 connections" in enough.sentence
    too_many = await found(url, "connections", processes=64, **weak)
    assert too_many.level is WARNING
    assert "64 processes open up to 1024 connections" in too_many.sentence
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("CREATE ROLE of_few LOGIN CONNECTION LIMIT 12 IN ROLE postgres")
    of_few = await found(url.replace("postgres@", "of_few@"), "connections", **weak)
    assert (of_few.level, "allows this role 12" in of_few.sentence) == (WARNING, True)


@pytest.mark.parametrize("more", [{}, {"database_pooler": True}])
async def test_a_file_and_a_pooler_have_no_such_limit(postgres: Node, tmp_path: Path, more: dict[str, Any]) -> None:
    url = templates.new_database(postgres) if more else templates.filled_file(tmp_path / "a.sqlite3")
    findings = await check(Settings(database=url, allow_losing_acknowledged_calls=True, **more), ())
    assert "connections" not in {each.name for each in findings}
