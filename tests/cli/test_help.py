"""Help comes at once, is that of the commands, and flags are told from values."""

import re
import subprocess
import sys
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any, Final, get_args
from uuid import UUID

import pytest

from countermand.cli.arguments import Arguments
from countermand.cli.help_pages import FOLDER, command_in, file_of, flags, flags_with_a_value, is_group, needed, page
from countermand.domain.reasons import AskReason, StatedReason
from tests.cli.conftest import Cli
from tests.docs import help_texts
from tests.seeds.serving import clean_environment
from tests.support import templates
from tests.support.waiting import HANGS_S

COMMANDS: Final = tuple(help_texts.commands())


def test_the_pages_are_those_of_the_commands() -> None:
    assert {file.name for file in FOLDER.iterdir()} == {file_of(command).name for command in COMMANDS}
    for command in COMMANDS:
        page = help_texts.page_of(command)
        assert file_of(command).read_text(encoding="utf-8") == page, f"{command}: run `make docs`"


@pytest.mark.parametrize("command", [each for each in COMMANDS if len(each) == 2], ids=" ".join)
def test_a_nouns_page_says_what_each_verb_does(cli: Cli, command: tuple[str, ...]) -> None:
    noun, verb = command
    shown = cli(noun, "--help").out
    reported = next(line for line in shown.splitlines() if line.startswith(f"│ {verb} "))
    assert len(reported.strip("│ ").split()) > 3, reported
    assert cli(noun).out == cli("help", noun).out == cli(noun, "-h").out == shown


HELPED = [
    (),
    ("--help",),
    ("--version",),
    ("party",),
    ("help", "order"),
    *((*command, "--help") for command in COMMANDS),
]


def modules_of(calls: Sequence[tuple[int, Sequence[str]]], **environment: str) -> set[str]:
    """What a process has imported once it ran these, each of which must end with the code before it."""
    program = (
        "import sys\n"
        "bare = set(sys.modules)\n"
        "from countermand.cli import main\n"
        f"for wanted, arguments in {calls!r}:\n"
        "    try:\n"
        "        main(list(arguments))\n"
        "    except SystemExit as ended:\n"
        "        assert (ended.code or 0) == wanted, (arguments, ended.code)\n"
        "print('IMPORTED', *(set(sys.modules) - bare), file=sys.stderr)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        timeout=HANGS_S,
        env=clean_environment(**environment),
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return set(done.stderr.rpartition("IMPORTED")[2].split())


def packages(modules: Collection[str]) -> set[str]:
    return {each.partition(".")[0] for each in modules}


def test_help_and_version_import_next_to_nothing() -> None:
    """Counted and not timed: what it imports is what it takes. All of them in one process."""
    imported = packages(modules_of([(0, each) for each in HELPED]))
    assert imported - sys.stdlib_module_names == {"countermand"}
    assert not {"asyncio", "concurrent"} & imported


def test_wrong_usage_that_the_page_shows_imports_next_to_nothing() -> None:
    unknown = [(*command, "--no-such") for command in COMMANDS if not is_group(command)]
    lacking = [command for command in COMMANDS if not is_group(command) and needed(command)]
    imported = packages(modules_of([(2, each) for each in (*unknown, *lacking)]))
    assert len(unknown) + len(lacking) > 60
    assert imported - sys.stdlib_module_names == {"countermand"}
    assert not {"asyncio", "concurrent"} & imported


SERVES: Final = {
    *("aiosmtplib", "alembic", "argon2", "asyncpg", "fastapi", "uvicorn", "h11", "holidays", "httpx2", "jinja2"),
    *("standardwebhooks", "starlette"),
}
"""What only serving, sending, giving money back, logging in and PostgreSQL take."""


def test_commands_that_read_load_what_reading_takes(tmp_path: Path) -> None:
    database = templates.filled_file(tmp_path / "read.sqlite3")
    calls = [(0, ("orders",)), (0, ("cancellations",)), (5, ("timeline", str(UUID(int=7))))]
    imported = modules_of(calls, COUNTERMAND_DATABASE=database)
    assert not (SERVES | {"structlog"}) & packages(imported)
    above = {"app", "worker", "outlets", "payments", "serving", "wire"}
    assert not {f"countermand.{each}" for each in above} & imported
    assert not {"sqlalchemy.orm", "sqlalchemy.ext.asyncio"} & imported
    assert len(imported) < 700


def test_commands_that_write_load_the_write_road_and_nothing_that_serves(tmp_path: Path) -> None:
    database = templates.filled_file(tmp_path / "written.sqlite3")
    calls = [(0, ("party", "add", "retailer", "Fine Shoes")), (5, ("ask", "--line", "1"))]
    imported = modules_of(calls, COUNTERMAND_DATABASE=database)
    assert not SERVES & packages(imported)
    assert (
        not {f"countermand.{each}" for each in ("app", "worker", "outlets", "payments", "serving", "wire")} & imported
    )
    assert len(imported) < 850


@pytest.mark.parametrize(
    ("given", "hint"),
    [
        (("orders", "--no-such"), "countermand orders --help"),
        (("orders", "--limt", "5"), "countermand orders --help"),
        (("orders", "--limit", "many"), "countermand orders --help"),
        (("order", "add", "--no-such"), "countermand order add --help"),
        (("timeline", "--json"), "countermand timeline --help"),
        (("order", "add"), "countermand order add --help"),
        (("party", "--quiet", "add", "x"), "countermand party add --help"),
        (("party", "nonsense"), "countermand party --help"),
        (("nonsense",), "countermand --help"),
        (("help", "nonsense"), "countermand --help"),
    ],
)
def test_a_hint_names_the_help_of_what_was_tried(cli: Cli, given: tuple[str, ...], hint: str) -> None:
    refused = cli(*given)
    assert refused.code == 2
    assert refused.err.endswith(f"\nSee `{hint}`.\n")


@pytest.mark.parametrize(
    ("given", "rest", "found"),
    [
        ("orders --quiet", "orders", {"--quiet"}),
        ("--quiet orders", "orders", {"--quiet"}),
        ("--no-color party --dry-run add retailer x", "party add retailer x", {"--no-color", "--dry-run"}),
        ("ask --note --quiet --line 1", "ask --note --quiet --line 1", {"--note", "--line"}),
        ("ask --note --json", "ask --note --json", {"--note"}),
        ("ask --note=--dry-run", "ask --note=--dry-run", {"--note=--dry-run"}),
        ("ask --json --dry-run --note a", "ask --json --note a", {"--json", "--dry-run", "--note"}),
        ("party add retailer -- --quiet", "party add retailer -- --quiet", set()),
        ("party add --name --dry-run", "party add --name --dry-run", {"--name"}),
        ("order add f --dry-run", "order add f --dry-run", {"--dry-run"}),
        ("serve --dry-run", "serve --dry-run", {"--dry-run"}),
        ("order add -", "order add -", set()),
        ("orders --limit -5", "orders --limit -5", {"--limit"}),
        ("--dry-run", "", {"--dry-run"}),
    ],
)
def test_a_value_that_is_called_like_a_flag_is_a_value(given: str, rest: str, found: set[str]) -> None:
    arguments = Arguments.of(given.split())
    assert (" ".join(arguments.rest), set(arguments.flags)) == (rest, found)


def test_a_value_that_is_called_like_a_flag_arrives(cli: Cli) -> None:
    cli("party", "add", "retailer", "--", "--quiet")
    cli("party", "add", "retailer", "--name=--dry-run")
    assert {"--quiet", "--dry-run"} <= {each["name"] for each in cli("party", "list", "--json").json}


def test_a_flag_without_its_value_is_told_and_does_nothing(cli: Cli) -> None:
    refused = cli("party", "add", "retailer", "--name", "--dry-run")
    assert (refused.code, refused.out) == (2, "")
    assert "--name requires an argument" in refused.err
    assert [each["name"] for each in cli("party", "list", "--json").json] == ["Platform"]


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_flags_that_take_a_value_are_known_by_the_page(command: tuple[str, ...]) -> None:
    from countermand.cli.commands import app

    found = app
    for word in command:
        found = found[word]
    if [name for name in found if not name.startswith("-")]:
        assert flags_with_a_value(command) == frozenset()
        return
    arguments = list(found.assemble_argument_collection())
    assert {name for each in arguments for name in each.names if name.startswith("--")} <= flags(command)
    places = {each.name: each.index is not None for each in arguments if each.required}
    assert dict(needed(command)) == places
    taking = {
        name
        for each in found.assemble_argument_collection()
        for name in each.names
        if name.startswith("--") and bool not in (each.hint, *get_args(each.hint))
    }
    assert flags_with_a_value(command) == taking
    assert command_in([*command, "something"]) == command


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_shells_can_complete_commands_and_flags(cli: Cli, shell: str) -> None:
    script = cli("completion", shell)
    assert (script.code, script.err) == (0, "")
    assert "plaza-key" in script.out
    assert "password-stdin" in script.out


def test_bash_completes_a_verb_and_a_flag(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "completion").write_text(cli("completion", "bash").out)
    for words, wanted in (("party a", "activate add"), ("orders --lim", "--limit")):
        program = (
            "source completion; words=(countermand GIVEN)\n"
            'COMP_WORDS=("${words[@]}"); COMP_CWORD=$((${#words[@]} - 1)); COMP_LINE="${words[*]}"\n'
            'COMP_POINT=${#COMP_LINE}; _countermand countermand "${words[-1]}" ""; echo "${COMPREPLY[@]}"\n'
        ).replace("GIVEN", words)
        done = subprocess.run(["bash", "-c", program], capture_output=True, text=True, cwd=tmp_path, check=True)
        assert " ".join(sorted(done.stdout.split())) == wanted


@pytest.mark.parametrize(
    ("command", "flag", "reasons"),
    [("ask", "--reason", AskReason), ("decline", "--reason", StatedReason), ("accept", "--rest-reason", StatedReason)],
)
def test_a_flag_offers_the_reasons_that_may_be_given(command: str, flag: str, reasons: Any) -> None:
    shown = " ".join(re.sub("[│─╭╮╰╯]", " ", page((command,))).split())
    [offered] = re.findall(rf"{flag} CHOICE .*?\[choices: ([^\]]*)\]", shown)
    assert offered.split(", ") == [each.value.replace("_", "-") for each in get_args(reasons)]
