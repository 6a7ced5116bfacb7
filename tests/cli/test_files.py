"""What commands do with databases that are not there, files that cannot be read, and output that goes nowhere."""

import json
import os
import pty
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.conftest import Cli, order
from tests.seeds.serving import PROGRAM, clean_environment
from tests.support.waiting import HANGS_S

CAN = "can_" + "0" * 32
READS = [
    ("orders",),
    ("cancellations",),
    ("refunds",),
    ("notices",),
    ("timeline", CAN),
    ("party", "list"),
    ("plaza-key", "list", "--party", "x"),
    ("client-credentials", "list", "--party", "x"),
    ("endpoint", "list"),
    ("policy", "show", "--retailer", "x"),
    ("payment", "list", "ord_" + "0" * 32),
    ("quote", "--line", "1"),
    ("score", "x"),
    ("user", "list"),
    ("token", "list"),
    ("audit",),
]


@pytest.mark.parametrize("command", [*READS, ("party", "add", "retailer", "x", "--dry-run")], ids=" ".join)
def test_what_only_reads_makes_no_database(cli: Cli, tmp_path: Path, command: tuple[str, ...]) -> None:
    refused = cli(*command, COUNTERMAND_DATABASE=f"sqlite:///{tmp_path}/new/none.sqlite3")
    assert (refused.code, refused.out) == (78, "")
    assert f"There is no database {tmp_path}/new/none.sqlite3 yet. `countermand migrate` makes it." in refused.err
    assert not (tmp_path / "new").exists()


def test_migrating_is_tried_without_making_a_database(cli: Cli, tmp_path: Path) -> None:
    tried = cli("migrate", "--dry-run", "--json", COUNTERMAND_DATABASE=f"sqlite:///{tmp_path}/new/none.sqlite3")
    assert (tried.code, tried.json["before"], tried.json["written"]) == (0, None, False)
    assert not (tmp_path / "new").exists()


UNREADABLE = {
    "a folder of orders": (("order", "add", "folder"), {}, 2, "folder cannot be read: Is a directory."),
    "no orders": (("order", "add", "none.json"), {}, 2, "none.json cannot be read: No such file or directory."),
    "orders below a file": (("order", "add", "file/x"), {}, 2, "file/x cannot be read: Not a directory."),
    "orders of a name too long": (("order", "add", "x" * 300), {}, 2, "cannot be read: File name too long."),
    "orders that are no text": (("order", "add", "binary"), {}, 2, "binary cannot be read as JSON: "),
    "a folder as a body": (
        ("plaza", "PUT", "/x", "--data", "folder"),
        {"COUNTERMAND_PLAZA_PUBLIC_KEY": "x", "COUNTERMAND_PLAZA_PRIVATE_KEY": "x"},
        2,
        "folder cannot be read: Is a directory.",
    ),
    "a folder as a body of the Retailer API": (
        ("bol", "PUT", "/x", "--data", "folder"),
        {"COUNTERMAND_BOL_CLIENT_ID": "x", "COUNTERMAND_BOL_CLIENT_SECRET": "x"},
        2,
        "folder cannot be read: Is a directory.",
    ),
    "a folder as a database": (("orders", "--database", "sqlite:///folder"), {}, 75, "unable to open database file"),
    "a file as a database": (("orders", "--database", "sqlite:///binary"), {}, 75, "file is not a database"),
    "a database below a file": (("migrate", "--database", "sqlite:///file/x"), {}, 75, "The database cannot be used"),
    "a folder as a key file": (
        ("plaza-key", "create", "--party", "Fine Shoes"),
        {"COUNTERMAND_KEY_FILE": "folder"},
        78,
        "The key file folder cannot be used: Is a directory.",
    ),
}


@pytest.mark.parametrize(("command", "environment", "code", "sentence"), UNREADABLE.values(), ids=UNREADABLE)
def test_a_file_that_cannot_be_used_is_told_in_a_sentence(
    cli: Cli, tmp_path: Path, command: tuple[str, ...], environment: dict[str, str], code: int, sentence: str
) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").write_text("")
    (tmp_path / "binary").write_bytes(b"\xff\xfe" * 600)
    cli("party", "add", "retailer", "Fine Shoes")
    refused = cli(*command, **environment)
    assert (refused.code, refused.out) == (code, "")
    assert sentence in refused.err
    assert refused.err.startswith("countermand: ")
    assert "Traceback" not in refused.err


def shell(line: str) -> subprocess.CompletedProcess[str]:
    """Run a line of shell in which ``countermand`` is the program."""
    line = re.sub(r"\bcountermand\b", str(PROGRAM), line)
    return subprocess.run(
        ["bash", "-c", line], capture_output=True, text=True, timeout=HANGS_S, env=clean_environment(), check=False
    )


NO_ROOM = "countermand: Standard output cannot be written: No space left on device.\n"


@pytest.mark.parametrize(
    ("line", "code", "result"),
    [
        ("countermand --help > /dev/full", 1, NO_ROOM),
        ("countermand orders --help > /dev/full", 1, NO_ROOM),
        ("countermand --version > /dev/full", 1, NO_ROOM),
        ("countermand nonsense --json > /dev/full", 1, NO_ROOM),
        ("countermand --help > /dev/full 2>&1", 1, ""),
        ("countermand nonsense 2> /dev/full", 1, ""),
        ("countermand --help >&-", 0, ""),
        ("countermand nonsense >&- 2>&-", 2, ""),
        ("set -o pipefail; countermand --help | true; exit ${PIPESTATUS[0]}", None, ""),
    ],
)
def test_output_that_goes_nowhere_ends_in_a_sentence_or_in_silence(line: str, code: int | None, result: str) -> None:
    done = shell(line)
    assert done.stderr.endswith(result)
    assert "Traceback" not in done.stderr
    assert "Exception ignored" not in done.stderr
    # Whether the reader is gone by the time of the first word is for the system to say.
    assert done.returncode == code or (code is None and done.returncode in (0, 1))


def test_who_reads_from_a_closed_standard_input_reads_nothing() -> None:
    done = shell("countermand order add - <&-")
    assert (done.returncode, done.stdout) == (2, "")
    assert "cannot be read as JSON" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("columns", [20, 40, 80, 200])
def test_an_id_is_never_cut_in_a_table(cli: Cli, columns: int, parties: dict[str, str]) -> None:
    cli("order", "add", "-", stdin=json.dumps(order("A-REFERENCE-OF-SOME-LENGTH", 1, 2)))
    ids = [each["id"] for each in cli("orders", "--json").json]
    assert len(ids) == 1
    program = f"import sys; from countermand.cli import main; main({['orders']!r})"
    reading, writing = pty.openpty()
    environment = {**os.environ, "COLUMNS": str(columns), "NO_COLOR": "1", "TERM": "xterm"}
    with subprocess.Popen([sys.executable, "-c", program], stdout=writing, stderr=writing, env=environment) as done:
        os.close(writing)
        shown = _all_of(reading)
    os.close(reading)
    assert done.returncode == 0, shown
    for each in (*ids, "A-REFERENCE-OF-SOME-LENGTH"):
        assert each in shown
    assert "…" not in shown


def _all_of(reading: int) -> str:
    """What is written to a terminal, which ends with an error when nobody writes any more."""
    shown = b""
    while True:
        try:
            shown += os.read(reading, 1 << 16)
        except OSError:
            return shown.decode()
