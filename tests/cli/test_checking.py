"""`check`, `doctor` and `config show`, as they are called."""

from pathlib import Path

import pytest

from countermand.domain.commands import AskCancellation
from tests.cli.conftest import Cli
from tests.support.listening import listening

FINE = 0
FAILED = 78


def test_check_ends_with_78_where_something_is_wrong(cli: Cli) -> None:
    well = cli("check", "--json")
    assert (well.code, well.json["ok"]) == (FINE, True)
    assert {each["level"] for each in well.json["findings"]} <= {"fine", "warning"}
    bad = cli("check", "--json", COUNTERMAND_TRUSTED_PROXIES='["0.0.0.0/0"]')
    assert (bad.code, bad.json["ok"]) == (FAILED, False)
    [found] = [each for each in bad.json["findings"] if each["level"] == "wrong"]
    assert found["name"] == "trusted_proxies"
    assert bad.err == "1 thing is wrong.\n"
    table = cli("check", COUNTERMAND_TRUSTED_PROXIES='["0.0.0.0/0"]')
    assert ["wrong", "trusted_proxies", found["sentence"], found["remedy"]] in table.lines


def test_doctor_tells_what_waits(cli: Cli, database_url: str) -> None:
    with listening(database_url) as service:
        given = {
            "COUNTERMAND_DATABASE": database_url,
            "COUNTERMAND_PUBLIC_URL": service.url,
            "COUNTERMAND_ALLOW_LOSING_ACKNOWLEDGED_CALLS": "true",
        }
        idle = cli("doctor", "--json", **given).json
        assert idle["ok"] == database_url.startswith("sqlite"), "nobody works on a PostgreSQL yet"
        service.do(service.world.application.worker.renew_leases())
        well = cli("doctor", "--json", **given)
        assert (well.code, {each["level"] for each in well.json["findings"]}) == (FINE, {"fine"}), well.out
        world = service.world
        line = service.do(world.order()).lines[0].id
        ask = AskCancellation(line=line, actor=world.actor(world.retailer), units=1)
        service.do(world.submit(ask, retailer=world.retailer))
        assert cli("party", "deactivate", str(world.supplier), **given).code == FINE
        told = cli("doctor", **given)
        assert told.code == FINE
        assert (
            "warning\tescalated\t1 ask waits for an operator.\tcountermand cancellations --state escalated" in told.out
        )
    gone = cli("doctor", **given)
    assert gone.code == FAILED
    assert gone.lines[0][:2] == ["wrong", "service"]


def test_a_stranger_at_the_address(cli: Cli) -> None:
    gone = cli("doctor", "--json", COUNTERMAND_PUBLIC_URL="http://127.0.0.1:1")
    assert gone.code == FAILED
    assert {each["name"] for each in gone.json["findings"] if each["level"] == "wrong"} == {"service"}


def test_config_show_says_what_decided(cli: Cli, tmp_path: Path) -> None:
    file = tmp_path / "other.toml"
    file.write_text('lanes = 3\nport = 1\nsmtp_password = "very secret"\n')
    given = {"COUNTERMAND_PORT": "2", "COUNTERMAND_STRIPE_API_KEY": "sk_secret"}
    shown = cli("config", "show", "--origin", "--json", "--config", str(file), **given)
    assert (shown.code, shown.err) == (FINE, "")
    settings = shown.json
    assert settings["lanes"] == {"value": 3, "origin": str(file)}
    assert settings["port"] == {"value": 2, "origin": "COUNTERMAND_PORT"}
    assert settings["host"] == {"value": "127.0.0.1", "origin": "default"}
    assert settings["smtp_password"] == {"value": "set", "origin": str(file)}
    assert settings["stripe_api_key"] == {"value": "set", "origin": "COUNTERMAND_STRIPE_API_KEY"}
    assert settings["mollie_api_key"] == {"value": None, "origin": "default"}
    flagged = cli("config", "show", "--origin", "--database", "postgresql://me:secret@db.example/x")
    assert not [each for each in ("very secret", "sk_secret", "me:secret") if each in shown.out + flagged.out]
    assert ["database", "postgresql://me:***@db.example/x", "--database"] in flagged.lines
    assert cli("config", "show").lines[0][0] == "database"


@pytest.mark.parametrize(
    "words",
    [
        ("--config", "FILE", "config", "show", "--json"),
        ("--config=FILE", "config", "show", "--json"),
        ("config", "show", "--config", "FILE", "--json"),
        ("config", "--config=FILE", "show", "--json"),
        ("config", "show", "--config", "none.toml", "--json", "--config", "FILE"),
    ],
)
def test_the_file_is_named_anywhere(cli: Cli, tmp_path: Path, words: tuple[str, ...]) -> None:
    file = tmp_path / "other.toml"
    file.write_text("lanes = 3\n")
    shown = cli(*(each.replace("FILE", str(file)) for each in words))
    assert (shown.code, shown.json["lanes"]) == (FINE, 3)


def test_a_named_file_that_is_not_there_is_told(cli: Cli) -> None:
    for words in (("check", "--config", "none.toml"), ("serve", "--config=none.toml"), ("orders", "--config", "")):
        done = cli(*words)
        assert done.code == FAILED
        assert "cannot be read" in done.err
