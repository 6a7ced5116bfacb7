"""The contract that all commands keep: where they write, how they end, what they never take (docs/cli.md)."""

import re
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from cyclopts import App

from countermand.cli.commands import app
from tests.cli.conftest import Cli
from tests.support.waiting import HANGS_S

SECRET_FLAGS = re.compile(r"--(password|secret|token|private|key|private-key)\b(?!-)")

NO_SECRETS: dict[tuple[str, ...], set[str]] = {("ask",): {"--key"}}
"""An ask's key tells equal asks apart; whoever sees it can do nothing with it."""


def _commands(group: App, *path: str) -> Iterator[tuple[str, ...]]:
    for name in group:
        if name.startswith("-"):
            continue
        inner = group[name]
        nested = [each for each in inner if not each.startswith("-")]
        yield from _commands(inner, *path, name) if nested else [(*path, name)]


COMMANDS = sorted(_commands(app))


def test_there_are_commands() -> None:
    assert {("serve",), ("party", "add"), ("token", "create"), ("order", "add"), ("timeline",)} <= set(COMMANDS)


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_every_command_explains_itself_on_standard_output(cli: Cli, command: tuple[str, ...]) -> None:
    helped = cli(*command, "--help")
    assert (helped.code, helped.err) == (0, "")
    assert "Usage: countermand " + " ".join(command) in helped.out


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_no_command_takes_a_secret_as_a_flag(cli: Cli, command: tuple[str, ...]) -> None:
    named = {found[0] for found in SECRET_FLAGS.finditer(cli(*command, "--help").out)}
    assert named <= NO_SECRETS.get(command, set())


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_every_command_is_named_in_the_help(cli: Cli, command: tuple[str, ...]) -> None:
    result = cli("--help").out
    assert command[0] in result
    assert command[-1] in result


@pytest.mark.parametrize("asking", [(), ("--help",), ("-h",), ("help",)])
def test_help_is_data(cli: Cli, asking: tuple[str, ...]) -> None:
    helped = cli(*asking)
    assert (helped.code, helped.err) == (0, "")
    assert "Exit codes: 0 fine" in helped.out


def test_the_version_is_data(cli: Cli) -> None:
    result = cli("--version")
    assert (result.code, result.err) == (0, "")
    assert re.fullmatch(r"\d+\.\d+\.\d+\n", result.out)


def test_help_imports_nothing_heavy() -> None:
    """That keeps it quick on every machine, which a clock would not show on this one."""
    heavy = {
        "sqlalchemy",
        "pydantic",
        "cyclopts",
        "rich",
        "fastapi",
        "starlette",
        "uvicorn",
        "asyncio",
        "httpx2",
        "lxml",
    }
    program = (
        "import sys\n"
        "from countermand.cli import main\n"
        "try:\n"
        "    main(['--help'])\n"
        "finally:\n"
        "    print(*sys.modules, sep='\\n', file=sys.stderr)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=HANGS_S, check=True)
    assert not heavy & {name.partition(".")[0] for name in done.stderr.splitlines()}


@pytest.mark.parametrize(
    ("arguments", "environment", "code", "name"),
    [
        pytest.param(("no-such-command",), {}, 2, "usage", id="2: unknown command"),
        pytest.param(("orders", "--no-such-flag"), {}, 2, "usage", id="2: unknown flag"),
        pytest.param(("party", "add", "customer", "x"), {}, 2, "usage", id="2: unknown kind"),
        pytest.param(("party", "add", "retailer"), {}, 2, "usage", id="2: no name"),
        pytest.param(("cancellations", "--state", "open"), {}, 2, "usage", id="2: unknown state"),
        pytest.param(("order", "add", "missing.json"), {}, 2, "unreadable", id="2: no such file"),
        pytest.param(("withdraw", "x"), {}, 2, "bad_id", id="2: no id"),
        pytest.param(("token", "create", "--party", "Nobody"), {}, 5, "unknown_party", id="5: unknown party"),
        pytest.param(("orders", "--party", "Nobody"), {}, 5, "unknown_party", id="5: unknown party in a list"),
        pytest.param(("cancellations", "--awaiting", "Nobody"), {}, 5, "unknown_party", id="5: awaiting nobody"),
        pytest.param(("timeline", "can_" + "0" * 32), {}, 5, "unknown_id", id="5: unknown id"),
        pytest.param(("ask", "--line", "0" * 32), {}, 5, "unknown_line", id="5: unknown line"),
        pytest.param(("orders", "--database", "nonsense"), {}, 78, "bad_database_url", id="78: no URL"),
        pytest.param(("orders",), {"COUNTERMAND_DATABASE": "x"}, 78, "bad_database_url", id="78: no URL from outside"),
        pytest.param(("orders",), {"COUNTERMAND_PORT": "x"}, 78, "bad_configuration", id="78: no port"),
        pytest.param(("orders",), {"COUNTERMAND_PORT": "-1"}, 78, "bad_configuration", id="78: negative port"),
        pytest.param(("orders",), {"COUNTERMAND_LOG_LEVEL": "x"}, 78, "bad_configuration", id="78: no level"),
        pytest.param(("serve", "--port", "99999"), {}, 78, "bad_configuration", id="78: port out of range"),
    ],
)
def test_a_command_that_cannot_do_it_says_so_in_one_sentence_a_code_and_an_exit(
    cli: Cli, arguments: tuple[str, ...], environment: dict[str, str], code: int, name: str
) -> None:
    refused = cli(*arguments, **environment)
    assert refused.code == code
    assert refused.out == ""
    assert refused.err.startswith("countermand: ")
    assert "Traceback" not in refused.err
    assert "canary" not in refused.err
    if arguments[0] in ("serve",):
        return
    as_json = cli(*arguments, "--json", **environment)
    if as_json.code == code and as_json.out:
        assert as_json.json["error"]["code"] == name
        assert as_json.json["error"]["message"] in as_json.err


@pytest.mark.parametrize("text", ["port = 'x'", "no_such_setting = 1", "port = ", "\xff"])
def test_a_settings_file_that_makes_no_sense_is_exit_78(cli: Cli, tmp_path: Path, text: str) -> None:
    (tmp_path / "countermand.toml").write_bytes(text.encode("latin-1"))
    refused = cli("orders")
    assert (refused.code, refused.out) == (78, "")
    assert refused.err.startswith("countermand: ")
    assert "Traceback" not in refused.err


def test_a_flag_beats_the_environment_and_that_the_file(cli: Cli, tmp_path: Path) -> None:
    def url(name: str) -> str:
        return f"sqlite:///{tmp_path}/{name}.sqlite3"

    (tmp_path / "countermand.toml").write_text(f'database = "{url("file")}"\n')
    cli("migrate", "--database", url("file"))
    cli("party", "add", "retailer", "by environment", COUNTERMAND_DATABASE=url("environment"))
    cli("party", "add", "retailer", "by flag", "--database", url("flag"), COUNTERMAND_DATABASE=url("environment"))
    seen = {
        name: [each["name"] for each in cli("party", "list", "--json", "--database", url(name)).json]
        for name in ("environment", "flag", "file")
    }
    assert seen == {
        "environment": ["Platform", "by environment"],
        "flag": ["Platform", "by flag"],
        "file": ["Platform"],
    }


def test_a_database_in_a_folder_that_is_not_there_yet_is_made(cli: Cli, tmp_path: Path) -> None:
    made = cli("party", "add", "retailer", "x", "--database", f"sqlite:///{tmp_path}/new/folder/x.sqlite3")
    assert made.code == 0


def test_a_database_of_another_version_is_refused(cli: Cli, tmp_path: Path) -> None:
    from sqlalchemy import create_engine, text

    cli("migrate")
    engine = create_engine(f"sqlite:///{tmp_path}/cli.sqlite3")
    with engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
        connection.execute(text("UPDATE schema_window SET serves_from = '9999'"))
    engine.dispose()
    for command in ("orders", "migrate"):
        refused = cli(command)
        assert (refused.code, refused.out) == (78, "")
        assert "a newer version has changed it" in refused.err


def test_migrating_is_told_on_standard_error_and_can_be_repeated(cli: Cli, tmp_path: Path) -> None:
    empty = {"COUNTERMAND_DATABASE": f"sqlite:///{tmp_path}/empty.sqlite3"}
    first, second = cli("migrate", **empty), cli("migrate", **empty)
    assert (first.code, first.out, second.code, second.out) == (0, "", 0, "")
    assert "was at nothing" in first.err
    assert "was at nothing" not in second.err


@pytest.fixture
def taken() -> Iterator[int]:
    """A port where somebody listens, in the way that two servers could share it."""
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        yield listener.getsockname()[1]


@pytest.mark.parametrize("command", [("serve",), ("demo", "--once")])
def test_a_port_that_is_taken_is_exit_75_and_not_shared(cli: Cli, taken: int, command: tuple[str, ...]) -> None:
    refused = cli(*command, "--port", str(taken))
    assert (refused.code, refused.out) == (75, "")
    assert refused.err.startswith(f"countermand: Port {taken} of 127.0.0.1 cannot be used: Address already in use.")
