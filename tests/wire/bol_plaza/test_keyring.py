import os
import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from cryptography.fernet import Fernet

from countermand.keyring import Keyring, KeyringError
from countermand.serving import serve
from tests.support.world import settings_for


def test_the_key_is_made_once_and_for_its_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / "new" / "keys"
    closed = Keyring(path).encrypt(b"secret")
    assert b"secret" not in closed
    assert Keyring(path).decrypt(closed) == b"secret"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert os.listdir(path.parent) == ["keys"]


def test_two_that_begin_at_once_use_one_key(tmp_path: Path) -> None:
    path = tmp_path / "keys"
    rings = [Keyring(path) for _ in range(16)]
    with ThreadPoolExecutor(16) as threads:
        closed = list(threads.map(lambda ring: ring.encrypt(b"secret"), rings))
    assert {each.decrypt(text) for each in rings for text in closed} == {b"secret"}


def test_a_new_key_in_front_closes_and_the_old_one_still_opens(tmp_path: Path) -> None:
    path = tmp_path / "keys"
    closed = Keyring(path).encrypt(b"secret")
    old = path.read_bytes()
    path.write_bytes(Fernet.generate_key() + b"\n" + old)
    assert Keyring(path).decrypt(closed) == b"secret"
    again = Keyring(path).encrypt(b"secret")
    path.write_bytes(old)
    with pytest.raises(KeyringError, match=str(path)):
        Keyring(path).decrypt(again)


@pytest.mark.parametrize("content", [b"", b"\n", b"not a key"])
def test_a_file_that_holds_no_keys_is_named(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "keys"
    path.write_bytes(content)
    with pytest.raises(KeyringError, match=str(path)):
        Keyring(path).encrypt(b"secret")
    assert path.read_bytes() == content


@pytest.mark.anyio
async def test_a_service_with_a_file_that_holds_no_keys_does_not_start(tmp_path: Path) -> None:
    path = tmp_path / "keys"
    path.write_text("nonsense")
    with pytest.raises(KeyringError, match="does not hold keys"):
        await serve(settings_for(f"sqlite:///{tmp_path}/a.sqlite3", port=0, key_file=path))


def test_a_file_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(KeyringError, match=r"The key file .*/file/keys cannot be used: "):
        Keyring(tmp_path / "file" / "keys").encrypt(b"secret")
