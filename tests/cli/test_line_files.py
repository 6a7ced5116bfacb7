"""Files of asks as programs and spreadsheets write them: what is read, what is told, what is refused."""

from pathlib import Path

import pytest

from tests.cli.conftest import Cli, asked

BAD_ROWS = {
    "{line},2.5,,,": "units: '2.5' must be a whole number",
    "{line},two,,,": "units: 'two' must be",
    "{line},1_0,,,": "units: '1_0'",
    "{line},1,nobody,,": "by: 'nobody' is none of customer, retailer",
    "{line},1,,dislike,": "reason: 'dislike' is none of",
    "{line},1,,,a\0b": "note: null characters",
    "{line},1,,," + "n" * 1001: "note: is longer than 1000",
    ",1,,,": "line: is empty",
    "{line},1": "It has 2 cells, and there are 5 columns.",
    "{line},1,,,,more": "It has 6 cells",
    "{line},x,y,,": "units: 'x' must be a whole number, in digits; by: 'y'",
    "line with a \u202etrick,1,,,": "There is no line line with a \N{REPLACEMENT CHARACTER}trick",
}


@pytest.mark.parametrize("row", BAD_ROWS)
def test_a_bad_row_is_told_with_its_line_and_the_others_are_asked(cli: Cli, lines: list[str], row: str) -> None:
    file = f'line,units,by,reason,note\n{lines[1]},1,,,"two\nlines"\n{row.format(line=lines[0])}\n{lines[2]},1,,,\n'
    result = cli("ask", "--file", "-", stdin=file)
    assert result.code == 6
    assert [cells[:2] for cells in result.lines] == [["2", "asked"], ["4", "bad"], ["5", "asked"]]
    assert BAD_ROWS[row] in result.lines[1][3]
    assert asked(cli) == {lines[1]: 1, lines[2]: 1}


def test_what_a_spreadsheet_writes_is_read(cli: Cli, lines: list[str], tmp_path: Path) -> None:
    """Each in its own way, and all are the same ask."""
    text = f"line;units;note\r\n{lines[0]};1;é\r\n"
    ways = [
        text.encode("utf-8-sig"),
        text.encode("utf-16"),
        text.replace(";", "\t").encode(),
        text.replace(";", ",").encode(),
        text.replace("\r\n", "\r").encode(),
        text.replace("\r\n", "\n").rstrip().encode(),
        ("sep=;\r\n" + text).encode(),
        ("\ufeffsep=;\r\n" + text.replace("units;note", "units;note;;").replace("é", "é;;")).encode(),
        text.replace("line", '"line"').replace(";1;", ';"1";').encode(),
    ]
    file = tmp_path / "lines.csv"
    for place, way in enumerate(ways):
        file.write_bytes(way)
        result = cli("ask", "--file", str(file))
        assert (result.code, result.lines[0][-1] == "done before") == (0, place > 0), (way, result)
        assert result.lines[0][0] == ("3" if b"sep=" in way else "2")
    assert asked(cli) == {lines[0]: 1}


NO_TABLES = {
    b"": "it is empty",
    b"\n\n": "it is empty",
    b"units\n1\n": "the column line is missing, or order and sku instead of it",
    b"order\nPO-1\n": "the column sku is missing",
    b"sku\nPO-1\n": "the column order is missing",
    b"line,unit,colour\n": "column 'unit' is unknown (did you mean units?); column 'colour' is unknown",
    b"line,units,Units\n": "column 'units' is there twice",
    b"line,,units\n": "column 2, which has no name, is unknown",
    b"line,order,sku\n": "leave one of them out",
    b"1000017,2\n": "Its first row names the columns, of line, order",
    b"line,note\nx,caf\xe9\n": "line 2 is not UTF-8",
    b"\xff\xfel": "begins as UTF-16",
    b'line,note\nx,"open\n': "line 2 is no CSV",
    b'line,note\nx,"a"b\n': "line 2 is no CSV",
    b"line,note\nx," + b"y" * 200_000: "line 2 is no CSV: field larger than field limit",
    b"PK\x03\x04\0\0": "is unknown",
}


@pytest.mark.parametrize("content", NO_TABLES, ids=lambda each: repr(each[:20]))
def test_what_is_no_table_of_asks_is_refused_whole(cli: Cli, tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "lines.csv"
    file.write_bytes(content)
    result = cli("ask", "--file", str(file), "--json")
    assert (result.code, result.json["error"]["code"]) == (2, "unreadable")
    assert NO_TABLES[content] in result.err
    assert "nothing was asked" in result.err
    assert len(result.err) < 700


@pytest.mark.parametrize(
    "flags",
    [
        (),
        ("--line", "1", "--file", "-"),
        ("--file", "-", "--units", "1"),
        ("--file", "-", "--csv", "--json"),
        ("--file", "-", "--key", "k" * 250),
        ("--line", "1", "--csv"),
        ("--file", "missing.csv"),
        ("--file", "."),
    ],
    ids=str,
)
def test_wrong_usage_asks_nothing(cli: Cli, flags: tuple[str, ...]) -> None:
    assert cli("ask", *flags, stdin="line\n1\n").code == 2
