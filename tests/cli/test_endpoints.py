"""`countermand endpoint`: who is told, the secrets that are shown once, and a test sent for real."""

import asyncio
import base64
import json
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from countermand.outlets.signature import verify
from tests.cli.conftest import Cli
from tests.support.mailbox import Mailbox
from tests.support.receiver import Receiver, answer

URL = "https://hooks.alpine.example/in"
NOBODYS = f"ept_{UUID(int=9).hex}"
MAIL = {
    "COUNTERMAND_SMTP_HOST": "127.0.0.1",
    "COUNTERMAND_MAIL_FROM": "mail@shop.example",
    "COUNTERMAND_PUBLIC_URL": "https://cancel.shop.example",
}
MAILBOX = "mailto:orders@alpine.example"
LOOPBACK = {"COUNTERMAND_WEBHOOK_INNER_ADDRESSES": '["127.0.0.0/8"]', "COUNTERMAND_WEBHOOK_PORTS": "[]"}

pytestmark = pytest.mark.usefixtures("parties")


def added(cli: Cli, url: str = URL, *more: str, **environment: str) -> dict[str, Any]:
    result = cli("endpoint", "add", url, "--party", "Alpine Supply", "--json", *more, **environment)
    assert result.code == 0, result.err
    made: dict[str, Any] = result.json
    return made


def listed(cli: Cli, *more: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = cli("endpoint", "list", "--json", *more).json
    return found


def test_an_endpoint_is_added_and_its_id_and_secret_are_printed(cli: Cli) -> None:
    result = cli("endpoint", "add", URL, "--party", "Alpine Supply", "--event", "line.shipped", "--label", "the hall")
    assert (result.code, result.err) == (0, "")
    endpoint, secret = result.out.splitlines()
    assert re.fullmatch("ept_[0-9a-f]{32}", endpoint)
    assert len(base64.b64decode(secret.removeprefix("whsec_"), validate=True)) == 32
    [shown] = listed(cli)
    assert (shown["id"], shown["url"], shown["events"], shown["label"], shown["state"]) == (
        endpoint,
        URL,
        ["line.shipped"],
        "the hall",
        "active",
    )
    assert "secret" not in str(shown)


def test_a_mailbox_has_no_secret(cli: Cli) -> None:
    result = cli("endpoint", "add", MAILBOX, "--party", "Alpine Supply", **MAIL)
    assert len(result.out.splitlines()) == 1
    made = added(cli, MAILBOX, "--event", "line.shipped", "--event", "line.placed", **MAIL)
    assert made["secret"] is None
    assert made["events"] == ["line.placed", "line.shipped"]
    assert cli("endpoint", "rotate", made["id"]).code == 3


def test_an_operator_confirms_a_mailbox_or_has_it_asked_again(cli: Cli) -> None:
    made = added(cli, MAILBOX, **MAIL)
    assert made["state"] == "unconfirmed"
    [row] = cli("endpoint", "list").lines
    assert (row[3], row[4]) == ("unconfirmed", "asks to answer")
    assert "Until it is, notices wait." in row[6]
    assert cli("endpoint", "pause", made["id"]).code == 0
    resumed = cli("endpoint", "resume", made["id"], "--json")
    assert resumed.json["state"] == "unconfirmed"
    again = cli("endpoint", "confirm", made["id"], "--again", "--json", **MAIL)
    assert (again.code, again.json["state"]) == (0, "unconfirmed")
    assert cli("endpoint", "confirm", made["id"], "--again", **MAIL).code == 0
    refused = cli("endpoint", "confirm", made["id"], "--again", "--json", **MAIL)
    assert (refused.code, refused.json["error"]["code"]) == (3, "too_many_confirmations")
    tried = cli("endpoint", "confirm", made["id"], "--dry-run")
    assert "nothing was written" in tried.err
    assert [each["state"] for each in listed(cli)] == ["unconfirmed"]
    confirmed = cli("endpoint", "confirm", made["id"], "--json")
    assert (confirmed.code, confirmed.json["state"]) == (0, "active")
    assert cli("endpoint", "confirm", made["id"], "--json").json["state"] == "active"
    ended = cli("endpoint", "confirm", made["id"], "--again", "--json", **MAIL)
    assert (ended.code, ended.json["error"]["code"]) == (3, "nothing_to_confirm")
    webhook = cli("endpoint", "confirm", added(cli)["id"], "--json")
    assert (webhook.code, webhook.json["error"]["code"]) == (3, "nothing_to_confirm")


@pytest.mark.parametrize(
    ("lacks", "names"),
    [
        (("SMTP_HOST",), "setting smtp_host is"),
        (("SMTP_HOST", "MAIL_FROM"), "settings smtp_host and mail_from are"),
        (("PUBLIC_URL",), "setting public_url is"),
        (("SMTP_HOST", "MAIL_FROM", "PUBLIC_URL"), "settings smtp_host, mail_from and public_url are"),
    ],
)
def test_a_mailbox_is_taken_only_where_mail_can_be_sent(cli: Cli, lacks: tuple[str, ...], names: str) -> None:
    environment = {name: value for name, value in MAIL.items() if name.removeprefix("COUNTERMAND_") not in lacks}
    result = cli("endpoint", "add", MAILBOX, "--party", "Alpine Supply", "--json", **environment)
    assert (result.code, result.json["error"]["code"]) == (78, "no_mail")
    assert names in result.json["error"]["message"]
    assert listed(cli) == []
    made = added(cli, MAILBOX, **MAIL)
    again = cli("endpoint", "confirm", made["id"], "--again", "--json", **environment)
    assert (again.code, again.json["error"]["code"]) == (78, "no_mail")
    assert cli("endpoint", "confirm", made["id"], **environment).code == 0


def test_they_are_listed_by_party(cli: Cli) -> None:
    made = added(cli)
    assert [each["id"] for each in listed(cli, "--party", "Alpine Supply")] == [made["id"]]
    assert listed(cli, "--party", "Fine Shoes") == []
    [row] = cli("endpoint", "list").lines
    assert row == [made["id"], "Alpine Supply", URL, "active", "all", "", ""]


def test_one_is_paused_resumed_and_removed(cli: Cli) -> None:
    endpoint = added(cli)["id"]
    assert cli("endpoint", "pause", endpoint, "--reason", "a fire").code == 0
    [shown] = listed(cli)
    assert shown["state"] == "paused"
    assert re.fullmatch("Paused by operator .+: a fire", shown["state_reason"])
    assert cli("endpoint", "resume", endpoint).code == 0
    assert [(each["state"], each["state_reason"]) for each in listed(cli)] == [("active", "")]
    removed = cli("endpoint", "remove", endpoint)
    assert (removed.code, removed.out) == (0, "")
    assert listed(cli) == []
    assert cli("endpoint", "resume", endpoint).code == 5


def test_a_new_secret_is_printed_alone(cli: Cli) -> None:
    made = added(cli)
    rotated = cli("endpoint", "rotate", made["id"], "--overlap", "2d")
    assert (rotated.code, rotated.err) == (0, "")
    assert re.fullmatch(r"whsec_[A-Za-z0-9+/]{43}=\n", rotated.out)
    assert rotated.out.strip() != made["secret"]
    assert cli("endpoint", "rotate", made["id"], "--json").json["secret"].startswith("whsec_")
    full = cli("endpoint", "rotate", made["id"], "--json")
    assert (full.code, full.json["error"]["code"]) == (3, "no_rotation")
    assert cli("endpoint", "rotate", made["id"], "--overlap", "0s").code == 0


@pytest.mark.parametrize(
    ("arguments", "code", "name"),
    [
        (("add", "http://hooks.alpine.example/", "--party", "Alpine Supply"), 2, "bad_address"),
        (("add", "https://user:canary@alpine.example/", "--party", "Alpine Supply"), 2, "bad_address"),
        (("add", URL, "--party", "Alpine Supply", "--event", "no.such"), 2, "unknown_kind"),
        (("add", URL, "--party", "Alpine Supply", "--label", "x" * 256), 2, "bad_label"),
        (("add", URL, "--party", "Nobody"), 5, "unknown_party"),
        (("list", "--party", "Nobody"), 5, "unknown_party"),
        (("rotate", NOBODYS), 5, "unknown_endpoint"),
        (("rotate", NOBODYS, "--overlap", "soon"), 2, "bad_duration"),
        (("rotate", NOBODYS, "--overlap", "31d"), 2, "bad_overlap"),
        (("rotate", NOBODYS, "--overlap", "999999999d"), 2, "bad_overlap"),
        (("test", NOBODYS), 5, "unknown_endpoint"),
        (("pause", NOBODYS), 5, "unknown_endpoint"),
        (("remove", "nonsense"), 2, "bad_id"),
    ],
)
def test_what_cannot_be_ends_with_a_sentence_and_a_code(
    cli: Cli, arguments: tuple[str, ...], code: int, name: str
) -> None:
    with_json = arguments[0] not in ("pause", "remove")
    result = cli("endpoint", *arguments, *(["--json"] if with_json else []))
    assert result.code == code
    assert result.err.startswith("countermand: ")
    assert "canary" not in result.err + result.out
    if with_json:
        assert result.json["error"]["code"] == name
    assert listed(cli) == []


def test_the_settings_say_what_may_be_registered(cli: Cli) -> None:
    named, inner = "http://alpine.example:8080/", "http://127.0.0.1:9000/"
    added(cli, named, COUNTERMAND_WEBHOOK_HTTP="true", COUNTERMAND_WEBHOOK_PORTS="[8080]")
    added(cli, inner, COUNTERMAND_WEBHOOK_PORTS="[]")
    assert {each["url"] for each in listed(cli)} == {named, inner}


@pytest.mark.parametrize("change", ["add", "pause", "resume", "rotate", "remove", "test"])
def test_every_change_can_be_tried(cli: Cli, change: str) -> None:
    made = added(cli)
    before = listed(cli)
    arguments = (URL, "--party", "Alpine Supply") if change == "add" else (made["id"],)
    tried = cli("endpoint", change, *arguments, "--dry-run")
    assert tried.code == 0, tried.err
    assert "nothing was written" in tried.err
    assert listed(cli) == before


# A test


def test_a_test_is_signed_and_its_answer_printed(cli: Cli) -> None:
    async def story() -> None:
        async with Receiver(script=[answer(204), answer(500, b"out of paper")]) as receiver:
            made = await asyncio.to_thread(added, cli, receiver.url, **LOOPBACK)
            taken = await asyncio.to_thread(cli, "endpoint", "test", made["id"], **LOOPBACK)
            refused = await asyncio.to_thread(cli, "endpoint", "test", made["id"], "--json", **LOOPBACK)
        assert (taken.code, taken.out) == (0, "The receiver answered 204.\n")
        assert refused.code == 1
        assert refused.json["ok"] is False
        assert "out of paper" in refused.json["answer"]
        first, second = receiver.requests
        verify([made["secret"]], first.headers, first.body, now=datetime.now(UTC))
        body = json.loads(first.body)
        assert body["type"] == "countermand.endpoint.test.v1"
        assert (body["id"], body["data"]["endpoint"]) == (first.headers["webhook-id"], made["id"])
        assert first.headers["webhook-id"] != second.headers["webhook-id"]

    asyncio.run(story())


def test_where_it_must_not_go_it_does_not(cli: Cli) -> None:
    async def story() -> None:
        async with Receiver() as receiver:
            made = await asyncio.to_thread(added, cli, receiver.url, **LOOPBACK)
            result = await asyncio.to_thread(cli, "endpoint", "test", made["id"], COUNTERMAND_WEBHOOK_PORTS="[]")
        assert result.code == 1
        assert "not public" in result.out
        assert receiver.connections == 0

    asyncio.run(story())


def test_a_mailbox_gets_a_letter(cli: Cli) -> None:
    async def story() -> None:
        async with Mailbox() as mailbox:
            environment = {
                **MAIL,
                "COUNTERMAND_SMTP_PORT": str(mailbox.port),
                "COUNTERMAND_SMTP_TLS": "none",
            }
            made = await asyncio.to_thread(added, cli, MAILBOX, **environment)
            early = await asyncio.to_thread(cli, "endpoint", "test", made["id"], "--json", **environment)
            assert (early.code, early.json["error"]["code"]) == (3, "unconfirmed")
            assert mailbox.letters == []
            assert (await asyncio.to_thread(cli, "endpoint", "confirm", made["id"])).code == 0
            sent = await asyncio.to_thread(cli, "endpoint", "test", made["id"], **environment)
            unsent = await asyncio.to_thread(cli, "endpoint", "test", made["id"])
        assert sent.code == 0, sent.out
        [letter] = mailbox.letters
        assert letter.to == ["orders@alpine.example"]
        assert "Nothing happened" in letter.body("plain")
        assert unsent.code == 1
        assert "smtp_host" in unsent.out

    asyncio.run(story())


def test_a_lost_key_file_is_not_replaced_by_a_command_and_what_it_closed_can_be_ended(cli: Cli, tmp_path: Path) -> None:
    made, public = added(cli)["id"], cli("plaza-key", "create", "--party", "Fine Shoes").out.splitlines()[0]
    keys = tmp_path / "cli.keys"
    keys.unlink()
    for command in (
        ("plaza-key", "create", "--party", "Fine Shoes"),
        ("endpoint", "add", URL, "--party", "Fine Shoes"),
        ("endpoint", "rotate", made),
        ("endpoint", "test", made),
    ):
        result = cli(*command)
        assert (result.code, result.out) == (78, ""), command
        assert result.err.startswith(f"countermand: The key file {keys} is missing, ")
        assert not keys.exists()
    assert cli("plaza-key", "revoke", public).code == 0
    assert cli("endpoint", "remove", made).code == 0
    assert added(cli)["secret"]
    assert keys.exists()
