"""A lost key file is not replaced in silence: what it closed would never open again."""

from functools import partial
from pathlib import Path

import pytest
from cryptography.fernet import Fernet
from sqlalchemy import Connection

from countermand.admin import credentials, endpoints, parties
from countermand.admin.audit import Author
from countermand.admin.callers import PLATFORM
from countermand.admin.credentials import revoke_plaza_key
from countermand.app import Service, opened
from countermand.domain.endpoint import Endpoint
from countermand.domain.parties import PartyKind
from countermand.keyring import KeyringError
from countermand.reads.parties import find_party
from countermand.serving import serve
from countermand.settings import Settings
from countermand.working import work
from tests.support.world import author_at, settings_for

pytestmark = pytest.mark.anyio


@pytest.fixture
def settings(database_url: str, tmp_path: Path) -> Settings:
    return settings_for(database_url, port=0, key_file=tmp_path / "the.keys")


async def plaza_key(application: Service, retailer: str = "Shop") -> str:
    """The public half of the new key of a new retailer."""
    now, ids = application.clock(), application.ids

    def make(connection: Connection) -> str:
        parties.enter(connection, ids, now, kind=PartyKind.RETAILER, name=retailer)
        party = find_party(connection, retailer)
        return credentials.issue_plaza_key(connection, ids, application.keyring, now, party=party).public

    return await application.database.write(make)


async def webhook(application: Service, url: str = "https://shop.example/in") -> Endpoint:
    """The endpoint of a platform."""
    added = await application.database.write(
        partial(endpoints.add, author=author_at(application), keyring=application.keyring, party=PLATFORM, url=url)
    )
    return added.endpoint


async def refused(settings: Settings) -> str:
    """What both kinds of service say, which do not start."""
    with pytest.raises(KeyringError) as by_serve:
        await serve(settings)
    with pytest.raises(KeyringError) as by_worker:
        await work(settings)
    assert str(by_serve.value) == str(by_worker.value)
    return str(by_serve.value)


@pytest.mark.parametrize("make", [plaza_key, webhook])
async def test_a_service_whose_key_file_is_lost_does_not_start_and_makes_no_other(
    settings: Settings, make: object
) -> None:
    async with opened(settings) as application:
        await make(application)  # type: ignore[operator]
    kept = settings.keys.read_bytes()
    settings.keys.unlink()
    answer = await refused(settings)
    assert answer.startswith(f"The key file {settings.keys} is missing, ")
    assert "Restore it" in answer
    assert not settings.keys.exists()
    settings.keys.write_bytes(kept)
    async with opened(settings) as application:
        await application.check_keys()


async def test_another_key_file_is_told_whether_it_closed_a_newer_secret_or_not(settings: Settings) -> None:
    async with opened(settings) as application:
        await plaza_key(application)
    old = settings.keys.read_bytes()
    settings.keys.write_bytes(Fernet.generate_key())
    assert f"The keys in {settings.keys} do not open the secrets in the database" in await refused(settings)
    async with opened(settings) as application:
        await plaza_key(application, "Another")
    assert "another file" in await refused(settings)
    settings.keys.write_bytes(settings.keys.read_bytes() + b"\n" + old)
    async with opened(settings) as application:
        await application.check_keys()


async def test_without_what_the_lost_file_closed_a_new_one_is_made(settings: Settings) -> None:
    async with opened(settings) as application:
        public, endpoint = await plaza_key(application), await webhook(application)
        await webhook(application, "mailto:hall@shop.example")
    settings.keys.unlink()
    async with opened(settings) as application:
        author = Author(name="operator", door="test", at=application.clock(), ids=application.ids)
        await application.database.write(partial(revoke_plaza_key, author=author, public=public))
        with pytest.raises(KeyringError, match="is missing"):
            await application.check_keys()
        await application.database.write(partial(endpoints.remove, author=author, endpoint=endpoint.id))
        await application.check_keys()
        await plaza_key(application, "Another")
    assert settings.keys.exists()
