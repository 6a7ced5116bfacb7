"""`--csv`: whole lists as files for a spreadsheet, in which nothing runs."""

import csv
import io
import json
import os
import subprocess
import sys
from itertools import product
from pathlib import Path

import pytest

from countermand.cli import running
from countermand.domain.spreadsheets import tame, untamed
from tests.cli.conftest import Cli, order
from tests.seeds.serving import clean_environment

PROGRAM = str(Path(sys.executable).with_name("countermand"))
LISTS = ("orders", "cancellations", "refunds", "notices")
PEOPLE = ("party list", "user list", "token list", "audit")


def rows_of(text: str) -> list[dict[str, str]]:
    assert text.endswith("\r\n")
    return list(csv.DictReader(io.StringIO(text, newline=""), strict=True))


@pytest.fixture
def seven(cli: Cli, parties: dict[str, str]) -> list[str]:
    """Seven lines of seven orders, four of them placed at the same time, each asked for."""
    same = [order(f"PO-{n}", 1, placed_at="2026-11-02T09:00:00Z") for n in range(4)]
    others = [order(f"PO-{n}", 1) for n in range(4, 7)]
    lines = [row[1] for row in cli("order", "add", "-", stdin=json.dumps(same + others)).lines]
    for line in lines:
        cli("ask", "--line", line)
    return lines


@pytest.mark.parametrize("command", [("orders",), ("cancellations",), ("cancellations", "--sort", "due")], ids=str)
def test_every_row_is_there_once_whatever_a_page_holds(
    cli: Cli, seven: list[str], monkeypatch: pytest.MonkeyPatch, command: tuple[str, ...]
) -> None:
    for flags, page in product(((), ("--party", "Fine Shoes"), ("--party", "Alpine Supply")), (1, 2, 3, 6, 7, 200)):
        monkeypatch.setattr(running, "PAGE_ROWS", page)
        rows = rows_of(cli(*command, *flags, "--csv").out)
        assert sorted(row["line"] for row in rows) == sorted(seven), (flags, page)
        listed = cli(*command, *flags, "--json", "--limit", "100").json
        id_ = "order" if command == ("orders",) else "id"
        assert [row[id_] for row in rows] == [each["id"] for each in listed]
        result = cli(*command, *flags, "--csv", "--limit", "5")
        assert rows_of(result.out) == rows[:5]
        assert "--limit shows more" in result.err
        assert cli(*command, *flags, "--csv", "--limit", "7").err == ""


@pytest.mark.parametrize("page", [1, 2, 3, 5, 6, 200])
def test_a_look_up_goes_on_in_pages(
    cli: Cli, parties: dict[str, str], monkeypatch: pytest.MonkeyPatch, page: int
) -> None:
    same = [order("PO-1", 1, placed_at="2026-11-02T09:00:00Z") for _ in range(3)]
    given = [*same, order("PO-1", 2), order("PO-1", 1), order("PO-2", 1)]
    placed = [row[0] for row in cli("order", "add", "-", stdin=json.dumps(given)).lines]
    listed = [each["id"] for each in cli("orders", "PO-1", "--json", "--limit", "100").json]
    assert sorted(listed) == sorted(placed[:5])
    monkeypatch.setattr(running, "PAGE_ROWS", page)
    for flags in ((), ("--reference", "PO-1"), ("--party", "Fine Shoes")):
        assert [row["order"] for row in rows_of(cli("orders", "PO-1", *flags, "--csv").out)] == listed
    result = cli("orders", "PO-1", "--csv", "--limit", "2")
    assert [row["order"] for row in rows_of(result.out)] == listed[:2]
    assert "--limit shows more" in result.err


@pytest.mark.parametrize("command", [*PEOPLE, "notices", "notices --state due"])
@pytest.mark.parametrize("page", [1, 2, 200])
def test_the_other_lists_are_files_too(
    cli: Cli, parties: dict[str, str], monkeypatch: pytest.MonkeyPatch, command: str, page: int
) -> None:
    for name in ("a", "b", "c"):
        cli("user", "add", f"{name}@fine.example", "--party", "Fine Shoes", COUNTERMAND_PASSWORD="long enough it is")
        cli("token", "create", "--party", "Alpine Supply", "--label", f"=1+{name}")
    cli("endpoint", "add", "https://alpine.example/", "--party", "Alpine Supply")
    for row in cli("order", "add", "-", stdin=json.dumps([order(f"PO-{n}", 1) for n in range(10, 13)])).lines:
        cli("ask", "--line", row[1])
    monkeypatch.setattr(running, "PAGE_ROWS", page)
    listed = cli(*command.split(), "--json", *(() if command == "party list" else ("--limit", "1000"))).json
    rows = rows_of(cli(*command.split(), "--csv").out)
    assert [row["id"] for row in rows] == [each["id"] for each in listed]
    assert set(rows[0]) <= set(listed[0])
    assert len(rows) >= 3
    if command == "token list":
        assert {row["label"] for row in rows} == {"'=1+a", "'=1+b", "'=1+c"}
    if command != "party list":
        result = cli(*command.split(), "--csv", "--limit", "2")
        assert rows_of(result.out) == rows[:2]
        assert "--limit shows more" in result.err


@pytest.mark.parametrize("command", LISTS)
def test_an_empty_list_is_a_header(cli: Cli, command: str) -> None:
    result = cli(command, "--csv")
    assert (result.code, result.out.count("\r\n"), result.err) == (0, 1, "")
    assert result.out.split(",")[0] in ("id", "order")


def test_columns_are_called_as_in_json(cli: Cli, seven: list[str]) -> None:
    [listed, *_] = cli("cancellations", "--json").json
    assert set(rows_of(cli("cancellations", "--csv").out)[0]) <= set(listed)
    reported = cli("timeline", seven[0], "--json").json
    rows = rows_of(cli("timeline", seven[0], "--csv").out)
    assert [row["event"] for row in rows] == [each["event"] for each in reported["entries"]]
    names = {*reported["entries"][0], "judgement", "open", "asked", "cancelled", "shipped"}
    assert set(rows[0]) <= names
    assert all(row["sentence"] for row in rows)


@pytest.mark.parametrize("command", [*LISTS, *PEOPLE, "timeline PO-1"])
def test_csv_with_json_is_refused(cli: Cli, command: str) -> None:
    result = cli(*command.split(), "--csv", "--json")
    assert (result.code, result.json["error"]["code"]) == (2, "usage")
    assert "--csv and --json" in result.err


HOSTILE = {
    "=1+1": "'=1+1",
    "+1": "'+1",
    "-1": "'-1",
    "@SUM(A1)": "'@SUM(A1)",
    "\t=1": "'\t=1",
    "\n=1": "'\n=1",
    " =1": "' =1",
    "\uff1d1": "'\uff1d1",
    'a "quoted", text;': 'a "quoted", text;',
    "two\nlines": "two\nlines",
    "left \u202eto right\u2069": "left \N{REPLACEMENT CHARACTER}to right\N{REPLACEMENT CHARACTER}",
    "Zoë 靴 👞": "Zoë 靴 👞",
}


@pytest.mark.parametrize(("given", "cell"), HOSTILE.items(), ids=map(repr, HOSTILE))
def test_a_strangers_text_is_a_text_in_a_spreadsheet(cli: Cli, parties: dict[str, str], given: str, cell: str) -> None:
    line = cli("order", "add", "-", stdin=json.dumps(order(given))).lines[0][1]
    cli("ask", "--line", line)
    for command in ("orders", "cancellations"):
        [row] = rows_of(cli(command, "--csv").out)
        assert row["reference"] == cell


@pytest.mark.parametrize("text", ["=1", "-5", "\t", "'=1", "'plain", "", "plain", "'"])
def test_what_was_made_a_text_is_read_as_it_was(text: str) -> None:
    cell = tame(text)
    assert (untamed(cell) if cell != text else text) == text


@pytest.mark.parametrize("command", LISTS)
def test_a_file_that_cannot_be_written_is_a_sentence_and_a_closed_pipe_is_quiet(seven: list[str], command: str) -> None:
    environment = clean_environment(COUNTERMAND_DATABASE=os.environ["COUNTERMAND_DATABASE"])
    command_line = [PROGRAM, command, "--csv"]
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            command_line, stdout=full, stderr=subprocess.PIPE, env=environment, check=False, text=True
        )
    assert (done.returncode, done.stderr.count("\n")) == (1, 1), done.stderr
    assert done.stderr.startswith("countermand: Standard output cannot be written")
    reading, writing = os.pipe()
    os.close(reading)
    done = subprocess.run(command_line, stdout=writing, stderr=subprocess.PIPE, env=environment, check=False, text=True)
    os.close(writing)
    assert (done.returncode, done.stderr) == (1, "")


def test_it_is_utf_8_whatever_the_locale_is(seven: list[str]) -> None:
    environment = clean_environment(COUNTERMAND_DATABASE=os.environ["COUNTERMAND_DATABASE"], PYTHONIOENCODING="latin-1")
    command_line = [PROGRAM, "orders", "--csv"]
    assert (
        subprocess.run(command_line, capture_output=True, env=environment, check=True)
        .stdout.decode()
        .startswith("order")
    )
