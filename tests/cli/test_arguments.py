"""Arguments: numbers, times and texts mean what they mean everywhere."""

import pytest

from countermand.domain.spreadsheets import tame
from tests.cli.conftest import Cli
from tests.docs.test_docs import COMMANDS, flags
from tests.support.leaves import NASTY

USAGE = 2


@pytest.mark.parametrize("command", COMMANDS)
def test_no_argument_of_any_command_takes_what_no_text_can_hold(cli: Cli, command: str) -> None:
    for flag in [None, *sorted(flags(COMMANDS[command]) - {"--json"})]:
        for text in NASTY.values():
            refused = cli(*command.split(), *([flag] if flag else []), text)
            assert (refused.code, refused.out) == (USAGE, "")
            assert "cannot be read" in refused.err
            assert refused.err.isascii()


@pytest.mark.parametrize("given", ["2.5", "1_000", "0x10", "1e3", "+1", " 1", "\u0661", "\uff11", "true", ""])
@pytest.mark.parametrize(
    "command",
    [
        ("ask", "--line", "1", "--units"),
        ("accept", "can_1", "--units"),
        ("quote", "--line", "1", "--units"),
        ("orders", "--limit"),
        ("score", "Fine Shoes", "--weeks"),
        ("token", "create", "--party", "Fine Shoes", "--days"),
        ("serve", "--port"),
        ("demo", "--port"),
    ],
    ids=" ".join,
)
def test_what_is_no_whole_number_is_no_argument(cli: Cli, command: tuple[str, ...], given: str) -> None:
    refused = cli(*command, given)
    assert (refused.code, refused.out) == (USAGE, "")


@pytest.mark.parametrize("given", ["1_0", "1e3", "NaN", "Infinity", "-1", "\u0661", " 1", "+1", "", "5."])
def test_what_is_no_amount_is_no_argument(cli: Cli, given: str) -> None:
    refused = cli("payment", "capture", "0" * 32, "--id", "card", f"--captured={given}")
    assert (refused.code, "is no amount" in refused.err) == (USAGE, True)


@pytest.mark.parametrize("given", ["20261332", "0", "1764288000", "2026", "2026-02-30", "yesterday", "2026-W48-6"])
def test_what_is_no_time_is_no_argument(cli: Cli, parties: dict[str, str], given: str) -> None:
    for command in (
        ("score", "Fine Shoes", "--as-of"),
        ("notices", "--since"),
        ("recover", "--endpoint", "0" * 32, "--since"),
    ):
        refused = cli(*command, given)
        assert (refused.code, "is no time" in refused.err) == (USAGE, True)


@pytest.mark.parametrize(
    "command",
    [
        ("ask", "--line", "1", "--note", "x" * 1001),
        ("accept", "0" * 32, "--note", "x" * 1001),
        ("decline", "0" * 32, "--reason", "other", "--tracking", "x" * 256),
        ("refund", "close", "0" * 32, "--note", " "),
        ("refund", "paid", "0" * 32, "--note", "x" * 1001),
        ("endpoint", "pause", "0" * 32, "--reason", "x" * 256),
        ("token", "create", "--party", "x", "--label", "x" * 256),
        ("user", "add", " ", "--party", "x"),
    ],
    ids=lambda command: " ".join(command)[:40],
)
def test_texts_have_the_bounds_that_they_have_in_the_apis(cli: Cli, command: tuple[str, ...]) -> None:
    refused = cli(*command, COUNTERMAND_PASSWORD="x")
    assert (refused.code, refused.out) == (USAGE, "")


@pytest.mark.parametrize(
    "cell",
    [
        *("=1+1", "+1", "-1", "@SUM(A1)", "|calc", "%0"),
        *("\t=1", "\r=1", "\n=1", "\n", "\t", " =1", "\u00a0=1", "\u3000\uff1d1"),
        *("\uff1d1", "\uff0b1", "\uff0d1", "\uff201", "\ufe621", "\u207a1"),
    ],
    ids=ascii,
)
def test_no_spreadsheet_takes_a_cell_for_a_formula(cell: str) -> None:
    assert tame(cell) == f"'{cell}"


@pytest.mark.parametrize("cell", ["", "a", "12.50", "a=b", "'x", "Ünïcode", "2026-11-02T09:00:00+00:00"])
def test_any_other_cell_is_as_it_is(cell: str) -> None:
    assert tame(cell) == cell
