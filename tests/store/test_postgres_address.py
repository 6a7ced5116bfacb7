"""Addresses of PostgreSQL as everybody has them: they work, or a sentence says what is wrong with them."""

import socket
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import text

from countermand.store.engines.opening import open_database
from countermand.store.engines.postgresql.address import AddressError, is_postgres, read_address
from countermand.store.engines.postgresql.database import PostgresDatabase
from countermand.store.engines.protocol import UnavailableError, UnsafeDatabaseError
from tests.support.certificates import Authority
from tests.support.pgbouncer import Pooler
from tests.support.pgnode import Node, free_port

BASE = "postgresql://shop:canary@db.example.com/orders"


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://db.example.com/orders",
        "postgres://shop@db.example.com:5433/orders",
        "postgresql+asyncpg://shop:canary@db.example.com/orders",
        "postgresql+psycopg://shop:canary@db.example.com/orders",
        "postgresql://shop:canary@h1:5432,h2:5433/orders?target_session_attrs=read-write",
        "postgresql://shop@[::1]:5432/orders",
        "postgresql://shop@/orders?host=/run/postgresql",
        "postgresql:///orders?host=h1,h2&port=5432,5433",
        *(f"{BASE}?sslmode={mode}" for mode in ("disable", "allow", "prefer", "require", "verify-ca", "verify-full")),
        f"{BASE}?sslmode=verify-full&sslrootcert=/etc/ssl/root.pem&connect_timeout=5&application_name=shop",
        f"{BASE}?options=-c%20search_path%3Dcancel",
    ],
)
def test_an_address_in_libpqs_form_is_understood(url: str) -> None:
    address = read_address(url)
    assert is_postgres(url)
    assert address.dsn.startswith("postgresql://")
    assert "canary" not in address.without_password()


@pytest.mark.parametrize(
    ("url", "complaint"),
    [
        ("postgresql://h:port/x", "a port that makes no sense: 'port'"),
        ("postgresql://h:0/x", "a port that makes no sense: '0'"),
        ("postgresql://h:65536/x", "a port that makes no sense: '65536'"),
        ("postgresql://h:-1/x", "a port that makes no sense: '-1'"),
        ("postgresql://h:5432:5433/x", "a port that makes no sense: '5432:5433'"),
        ("postgresql://h1:5432,h2:x/y", "a port that makes no sense: 'x'"),
        ("postgresql://h1,,h2/y", "a host that makes no sense: ''"),
        ("postgresql://[::1/y", "a host that makes no sense: '[::1'"),
        ("postgresql:///y?port=5432,x", "a port that makes no sense: 'x'"),
        ("postgresql:///y?host=h1,h2,h3&port=1,2", "has 3 hosts and 2 ports"),
        (f"{BASE}?sslmode=on", "sslmode=on. It can be disable, allow, prefer, require, verify-ca, verify-full"),
        (f"{BASE}?sslmode=", "sslmode=. It can be"),
        (f"{BASE}?target_session_attrs=master", "target_session_attrs=master. It can be any, primary"),
        (f"{BASE}?connect_timeout=soon", "connect_timeout=soon. It is a whole number of seconds"),
        (f"{BASE}?connect_timeout=-1", "connect_timeout=-1. It is a whole number of seconds"),
        (f"{BASE}?channel_binding=require", "the parameter 'channel_binding', which is not known"),
        (f"{BASE}?sslmod=require", "the parameter 'sslmod', which is not known. Known are"),
        (f"{BASE}?sslmode=require&sslmode=disable", "says sslmode twice"),
        (f"{BASE}?sslmode", "not of the form name=value"),
    ],
)
def test_what_cannot_be_used_is_said_in_a_sentence_without_the_password(url: str, complaint: str) -> None:
    with pytest.raises(AddressError) as refused:
        read_address(url)
    assert complaint in str(refused.value)
    assert "canary" not in str(refused.value)


@pytest.mark.parametrize(
    ("url", "hosts", "session"),
    [
        ("postgresql://h1/x", (), None),
        ("postgresql://h1:1,h2/x", (("h1", 1), ("h2", 5432)), "read-write"),
        ("postgresql://h1,h2/x?port=7", (("h1", 7), ("h2", 7)), "read-write"),
        ("postgresql://[::1]:1,[::2]:2/x", (("::1", 1), ("::2", 2)), "read-write"),
        ("postgresql:///x?host=h1,h2&port=1,2", (("h1", 1), ("h2", 2)), "read-write"),
        ("postgresql://h1,h2/x?target_session_attrs=any", (("h1", 5432), ("h2", 5432)), "any"),
    ],
)
def test_of_several_hosts_the_one_that_takes_writes_is_wanted(
    url: str, hosts: tuple[tuple[str, int], ...], session: str | None
) -> None:
    address = read_address(url)
    assert address.hosts == hosts
    assert (f"target_session_attrs={session}" in address.dsn) is (session is not None)


def test_a_timeout_of_0_is_the_default_and_an_at_sign_in_a_password_stays_in_it() -> None:
    assert read_address(f"{BASE}?connect_timeout=0").connect_timeout_s == 10
    assert read_address(f"{BASE}?connect_timeout=3").connect_timeout_s == 3
    assert read_address("postgresql://shop:p@ss@h/x").dsn == "postgresql://shop:p%40ss@h/x"
    assert read_address("postgresql://shop:p%40ss@h/x").dsn == "postgresql://shop:p%40ss@h/x"


@dataclass(frozen=True)
class Encrypted:
    """A server that speaks TLS only, and the root certificate that its own is signed by."""

    pooler: Pooler
    root: Path

    def url(self, query: str, host: str = "localhost") -> str:
        return f"postgresql://postgres@{host}:{self.pooler.port}/postgres?{query}"


@pytest.fixture(scope="module")
def encrypted(postgres: Node, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Encrypted]:
    folder = tmp_path_factory.mktemp("tls")
    authority = Authority(folder)
    authority.server("localhost")
    root = folder / "root.pem"
    root.write_text(authority.pem())
    with Pooler(postgres, certificate=folder / "localhost.pem") as pooler:
        yield Encrypted(pooler, root)


async def _answer(url: str) -> int:
    database = await open_database(url, allow_weak_durability=True, pooled=True)
    try:
        return await database.read(lambda connection: int(connection.execute(text("SELECT 1")).scalar_one()))
    finally:
        await database.close()


@pytest.mark.anyio
@pytest.mark.parametrize(
    "query",
    [
        "sslmode=prefer",
        "sslmode=require",
        "sslmode=verify-ca&sslrootcert={root}",
        "sslmode=verify-full&sslrootcert={root}",
        "sslmode=verify-full&sslrootcert={root}&connect_timeout=30&target_session_attrs=any",
    ],
)
async def test_sslmode_makes_the_connection_an_encrypted_one(encrypted: Encrypted, query: str) -> None:
    assert await _answer(encrypted.url(query.format(root=encrypted.root))) == 1


@pytest.mark.anyio
async def test_a_server_that_wants_tls_refuses_plain_text_and_one_without_is_refused(
    encrypted: Encrypted, postgres: Node
) -> None:
    with pytest.raises(UnavailableError):
        await _answer(encrypted.url("sslmode=disable"))
    with pytest.raises(UnavailableError) as refused:
        await _answer(f"{postgres.url()}?sslmode=require")
    assert "rejected SSL upgrade" in str(refused.value.__cause__)


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("query", "host", "complaint"),
    [
        ("sslmode=verify-full&sslrootcert={other}", "localhost", "is not trusted"),
        ("sslmode=verify-full&sslrootcert={root}", "127.0.0.1", "is not trusted"),
        ("sslmode=verify-ca&sslrootcert=/missing/root.pem", "localhost", "address cannot be used"),
        ("sslmode=verify-full&sslrootcert={empty}", "localhost", "address cannot be used"),
    ],
)
async def test_a_certificate_that_is_not_trusted_is_refused_in_a_sentence(
    encrypted: Encrypted, tmp_path: Path, query: str, host: str, complaint: str
) -> None:
    other, empty = tmp_path / "other.pem", tmp_path / "empty.pem"
    other.write_text(Authority(tmp_path).pem())
    empty.write_text("")
    with pytest.raises(UnsafeDatabaseError, match=complaint):
        await open_database(
            encrypted.url(query.format(root=encrypted.root, other=other, empty=empty), host), pooled=True
        )


@pytest.mark.anyio
async def test_of_several_hosts_the_one_that_answers_is_taken(postgres: Node) -> None:
    hosts = f"127.0.0.1:{free_port()},127.0.0.1:{postgres.port}"
    database = await open_database(f"postgresql://postgres@{hosts}/postgres", allow_weak_durability=True)
    assert isinstance(database, PostgresDatabase)
    try:
        assert await database.read(lambda connection: connection.execute(text("SELECT 1")).scalar_one()) == 1
    finally:
        await database.close()


@pytest.mark.anyio
async def test_a_host_that_is_silent_hides_no_other(postgres: Node) -> None:
    """It takes connections and says nothing; each host has a time of its own."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        hosts = f"127.0.0.1:{silent.getsockname()[1]},127.0.0.1:{postgres.port}"
        assert await _answer(f"postgresql://postgres@{hosts}/postgres?connect_timeout=1") == 1


@pytest.mark.anyio
async def test_hosts_of_which_none_takes_writes_are_as_good_as_away(postgres: Node) -> None:
    with psycopg.connect(postgres.url(), autocommit=True) as connection:
        connection.execute("CREATE DATABASE only_read")
        connection.execute("ALTER DATABASE only_read SET default_transaction_read_only = on")
    hosts = f"127.0.0.1:{postgres.port},127.0.0.1:{postgres.port}"
    with pytest.raises(UnavailableError):
        await _answer(f"postgresql://postgres@{hosts}/only_read")


@pytest.mark.anyio
async def test_the_server_is_told_the_name_of_the_program(postgres: Node) -> None:
    database = await open_database(f"{postgres.url()}?application_name=shop", allow_weak_durability=True)
    try:
        shown = await database.read(lambda connection: connection.exec_driver_sql("SHOW application_name").scalar_one())
    finally:
        await database.close()
    assert shown == "shop"
