"""`ask --file`: each row of a file is an ask of its own, which is asked once however often the file is taken."""

import csv
import io
import json
import os
import signal
import subprocess
from collections import Counter
from pathlib import Path
from random import Random
from typing import Any

import pytest

from countermand.service import lanes
from countermand.service.batch import run_batch
from tests.cli.conftest import Cli, asked, order
from tests.cli.test_csv import PROGRAM
from tests.seeds.serving import clean_environment
from tests.support.waiting import HANGS_S


@pytest.fixture
def cli(cli: Cli, database_url: str, monkeypatch: pytest.MonkeyPatch) -> Cli:
    """As ever, on both engines."""
    monkeypatch.setenv("COUNTERMAND_DATABASE", database_url)
    monkeypatch.setenv("COUNTERMAND_ALLOW_LOSING_ACKNOWLEDGED_CALLS", "true")
    return cli


def results(ran: Any) -> list[tuple[str, str]]:
    """The result and the code of each row."""
    rows = [json.loads(line) for line in ran.out.splitlines()]
    return [(row["result"], row["code"]) for row in rows]


def test_each_row_is_an_ask_and_a_second_time_nothing_is(cli: Cli, lines: list[str], tmp_path: Path) -> None:
    file = tmp_path / "lines.csv"
    file.write_text(f"line,units,note\n{lines[0]},1,\n{lines[0]},1,\n{lines[1]},,\n{lines[2]},2,\nx,1,\n")
    tried = cli("ask", "--file", str(file), "--dry-run", "--json")
    assert results(tried) == [("asked", "")] * 3 + [("refused", "too_many_units"), ("bad", "unknown_line")]
    assert (tried.code, asked(cli)) == (6, {})
    assert "nothing was written" in tried.err
    done = cli("ask", "--file", str(file), "--json")
    assert (done.code, results(done)) == (6, results(tried))
    assert asked(cli) == {lines[0]: 2, lines[1]: 2}
    for flags in ((), ("--dry-run",)):
        again = cli("ask", "--file", str(file), *flags)
        assert [row[1:] for row in again.lines][3:] == [row[1:] for row in cli("ask", "--file", str(file)).lines][3:]
        assert [row[-1] for row in again.lines][:3] == ["done before"] * 3
        assert [row[2] for row in again.lines][:3] == [
            json.loads(row)["cancellation"] for row in done.out.splitlines()
        ][:3]
        assert "5 rows: 1 bad, 3 done before, 1 refused." in again.err
    assert asked(cli) == {lines[0]: 2, lines[1]: 2}
    assert cli("ask", "--file", str(file), "--key", "again", "--json").code == 6
    assert asked(cli)[lines[0]] == 3


def test_a_mended_file_asks_what_was_not_asked(cli: Cli, lines: list[str]) -> None:
    """Rows were mended, moved and added: those that were asked are known by what they say."""
    first = f"line,units\n{lines[0]},1\n{lines[0]},1\nnone,1\n"
    assert cli("ask", "--file", "-", stdin=first).code == 6
    mended = f"units,line\n2,{lines[1]}\n1,{lines[0]}\n\n1,{lines[0]}\n1,{lines[0]}\n"
    ran = cli("ask", "--file", "-", "--json", stdin=mended)
    rows = [json.loads(line) for line in ran.out.splitlines()]
    assert (ran.code, [row["repeated"] for row in rows]) == (0, [False, True, True, False])
    assert [row["row"] for row in rows] == [2, 3, 5, 6]
    assert asked(cli) == {lines[0]: 3, lines[1]: 2}


def test_a_refusal_is_decided_anew(cli: Cli, lines: list[str]) -> None:
    file = f"line,units\n{lines[2]},1\n"
    taken = cli("ask", "--line", lines[2]).out.strip()
    ran = cli("ask", "--file", "-", "--json", stdin=file)
    assert (ran.code, [result for result, _ in results(ran)]) == (3, ["refused"])
    cli("withdraw", taken)
    assert cli("ask", "--file", "-", stdin=file).code == 0


def test_a_row_is_the_ask_of_its_key(cli: Cli, lines: list[str]) -> None:
    one = cli("ask", "--line", lines[0], "--units", "1", "--key", "k").out.strip()
    ran = cli("ask", "--file", "-", "--json", stdin=f"key,line,units\nk,{lines[0]},1\nk,{lines[1]},1\nl,{lines[0]},1\n")
    rows = [json.loads(line) for line in ran.out.splitlines()]
    assert [(row["cancellation"] == one, row["repeated"], row["code"]) for row in rows] == [
        (True, True, ""),
        (False, False, "bad_row"),
        (False, False, ""),
    ]
    assert "key: k is that of row 2 as well" in rows[1]["message"]
    other = cli("ask", "--file", "-", "--json", stdin=f"key,line,units\nl,{lines[0]},2\n")
    assert results(other) == [("refused", "key_reused")]


def test_rows_of_one_order_find_what_those_before_left(cli: Cli, lines: list[str]) -> None:
    """Also where others stand between them, and more than a batch of them."""
    rows = [f"{line},1\n" for line in (lines[0], lines[1], lines[2]) for _ in range(70)]
    Random(11).shuffle(rows)
    shuffled = "line,units\n" + "".join(rows)
    tried, done = (cli("ask", "--file", "-", "--json", *flags, stdin=shuffled) for flags in (("--dry-run",), ()))
    assert Counter(results(tried)) == Counter(results(done))
    assert Counter(result for result, _ in results(done))["asked"] == 6
    assert results(tried) == results(done)


def test_an_order_and_a_sku_name_a_line(cli: Cli, lines: list[str]) -> None:
    twice = order("PO-3", 1, 1)
    twice["lines"][1]["sku"] = "SKU-0"
    cli("order", "add", "-", stdin=json.dumps([twice, order("=PO", 1), order("PO-4", 1), order("PO-4", 1)]))
    [first] = cli("orders", "PO-1", "--json").json
    given = [
        ("PO-1", "SKU-0", "asked", ""),
        (first["number"], "SKU-1", "asked", ""),
        (first["id"], "SKU-0", "asked", ""),
        ("'=PO", "SKU-0", "asked", ""),
        ("PO-1", "SKU-7", "bad", "unknown_line"),
        ("PO-9", "SKU-0", "bad", "unknown_order"),
        ("Fine", "SKU-0", "bad", "unknown_order"),
        ("PO-3", "SKU-0", "bad", "ambiguous"),
        ("PO-4", "SKU-0", "bad", "ambiguous"),
        ("", "SKU-0", "bad", "bad_row"),
    ]
    file = "order;sku;units\r\n" + "".join(f"{each[0]};{each[1]};1\r\n" for each in given)
    ran = cli("ask", "--file", "-", "--json", stdin=file)
    assert results(ran) == [each[2:] for each in given]


def test_what_a_row_says_is_what_is_asked(cli: Cli, lines: list[str]) -> None:
    file = f'Line ,BY,Reason,note\n{lines[0]},Retailer,Ordered-twice,Zoë: "=1"\n{lines[1]},,,\n,,,\n'
    ran = cli("ask", "--file", "-", "--note", "usual", "--by", "customer", "--reason", "other", "--csv", stdin=file)
    rows = list(csv.DictReader(io.StringIO(ran.out, newline="")))
    assert [(row["row"], row["result"], row["units"], row["repeated"]) for row in rows] == [
        ("2", "asked", "3", "false"),
        ("3", "asked", "2", "false"),
    ]
    assert {each["line"]: each["asker"] for each in cli("cancellations", "--json").json} == {
        lines[0]: "retailer",
        lines[1]: "customer",
    }
    assert "Zoë" in cli("timeline", lines[0]).out
    assert "usual" in cli("timeline", lines[1]).out


def test_rows_alone_end_as_they_came_to(cli: Cli, lines: list[str]) -> None:
    assert cli("ask", "--file", "-", stdin="line,units\n").code == 0
    assert cli("ask", "--file", "-", stdin="line,units\nx,1\n").code == 2
    assert cli("ask", "--file", "-", stdin=f"line,units\n{lines[0]},9\n").code == 3
    quiet = cli("ask", "--file", "-", "--quiet", "--progress", stdin=f"line,units\n{lines[0]},1\n")
    assert (quiet.code, quiet.err) == (0, "")
    reported = cli("ask", "--file", "-", "--progress", stdin=f"line,units\n{lines[0]},1\n")
    assert "1 of 1 rows\n" in reported.err


def test_one_ask_is_tried_too(cli: Cli, lines: list[str]) -> None:
    ran = cli("ask", "--line", lines[0], "--units", "2", "--dry-run")
    assert (ran.code, ran.out) == (0, "")
    assert "The cancellation of 2 units would wait for an answer." in ran.err
    assert cli("ask", "--line", lines[0], "--dry-run", "--json").json["written"] is False
    assert asked(cli) == {}


@pytest.fixture
def many(cli: Cli, parties: dict[str, str], tmp_path: Path) -> Path:
    """A file of 600 rows: six hundred lines of one unit."""
    orders = [order(f"PO-{n}", *[1] * 20) for n in range(30)]
    added = cli("order", "add", "-", stdin=json.dumps(orders)).lines
    file = tmp_path / "many.csv"
    file.write_text("line,units\n" + "".join(f"{line},1\n" for row in added for line in row[1:]))
    return file


@pytest.mark.parametrize("signal_", [signal.SIGKILL, signal.SIGINT])
def test_a_file_broken_off_in_the_middle_goes_on_where_it_ended(cli: Cli, many: Path, signal_: int) -> None:
    """Nobody reads the results, so that it stands still in the middle of the file."""
    environment = clean_environment(
        **{name: os.environ[name] for name in os.environ if name.startswith("COUNTERMAND_")}
    )
    command = [PROGRAM, "ask", "--file", str(many), "--json"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment) as process:
        assert process.stdout is not None
        first = json.loads(process.stdout.readline())
        process.send_signal(signal_)
        process.stdout.close()
        process.wait(HANGS_S)
    before = asked(cli)
    assert 0 < len(before) < 600
    assert first["line"] in before
    ran = cli("ask", "--file", str(many), "--json")
    rows = [json.loads(line) for line in ran.out.splitlines()]
    assert {row["line"] for row in rows if row["repeated"]} == set(before)
    assert (len(rows), ran.code, f"{len(before)} done before" in ran.err) == (600, 0, True)
    after = asked(cli)
    assert (len(after), set(after.values())) == (600, {1})


def test_rows_share_transactions(cli: Cli, many: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """So a file takes one process, and about as long as its batches: counted, as a machine may be slow."""
    batches: list[int] = []

    def counted(connection: Any, calls: Any, *rest: Any, **more: Any) -> Any:
        batches.append(len(calls))
        return run_batch(connection, calls, *rest, **more)

    monkeypatch.setattr(lanes, "run_batch", counted)
    for flags in (("--dry-run",), ()):
        batches.clear()
        assert cli("ask", "--file", str(many), *flags).code == 0
        assert sum(batches) == 600
        assert max(batches) >= lanes.BESIDE_MIN
        assert len(batches) <= 600 / max(batches) + 6
