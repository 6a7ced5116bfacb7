"""`countermand signature-keys`: what signs messages to subscriptions, listed and replaced."""

from uuid import UUID

import pytest

from tests.cli.conftest import Cli

pytestmark = pytest.mark.usefixtures("parties")


def test_keys_are_replaced_and_listed(cli: Cli) -> None:
    assert cli("signature-keys", "list", "--json").json == []
    assert "There is no key yet" in cli("signature-keys", "list").err
    tried = cli("signature-keys", "rotate", "--dry-run")
    assert (tried.code, cli("signature-keys", "list", "--json").json) == (0, [])
    made = cli("signature-keys", "rotate", "--json")
    assert made.code == 0, made.err
    first = made.json
    assert cli("signature-keys", "rotate").out == ""
    now, before = cli("signature-keys", "list", "--json").json
    assert (before["id"], before["public_key"]) == (first["id"], first["public_key"])
    assert (now["replaced_at"], before["replaced_at"] is None) == (None, False)
    assert UUID(now["id"]) != UUID(first["id"])
    listed = cli("signature-keys", "list").out.splitlines()
    assert [line.split("\t")[0] for line in listed] == [now["id"], before["id"]]
    for _ in range(3):
        cli("signature-keys", "rotate")
    refused = cli("signature-keys", "rotate")
    assert (refused.code, "5 keys are published" in refused.err) == (3, True)
    assert cli("signature-keys", "list", "--server", "http://127.0.0.1:1").code == 2
