"""Records of CSV are the same however their bytes arrive, and what is wrong with one is told with it."""

from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from countermand.domain.csv_records import LINE_MAX, Record, records


def pieces(content: bytes, size: int) -> Iterator[bytes]:
    return (content[at : at + size] for at in range(0, len(content), size))


def cells(content: bytes, size: int = 1 << 20) -> list[list[str]]:
    return [list(record.cells) for record in records(pieces(content, size))]


WAYS = {
    "plain": "a,b\n1,2\n",
    "quoted": 'a,b\n"1\n""x""","2,3"\n',
    "windows": "a;b\r\n1;é\r\n\r\n\r\n2;\r\n",
    "mac": "a,b\r1,2\r",
    "excel": "sep=;\na;b\n1,5;2\n",
    "tabs": "sep=\t\na\tb\n1\t2",
    "blank lines before": "\n\r\n a , b \n1,2\n",
    "no end": "a,b\n1,2",
    "emoji": "a,b\n😀,\u2028x\n",
}


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
@pytest.mark.parametrize("way", WAYS)
def test_records_do_not_depend_on_how_the_bytes_arrive(way: str, encoding: str) -> None:
    content = WAYS[way].encode(encoding)
    whole = cells(content)
    assert len(whole) >= 2
    for size in (1, 2, 3, 5, 7):
        assert cells(content, size) == whole


@given(st.lists(st.lists(st.text(st.characters(codec="utf-8", exclude_characters="\0")), min_size=2, max_size=3)))
def test_what_a_program_writes_is_read_again(rows: list[list[str]]) -> None:
    quoted = ["".join(f'"{cell.replace(chr(34), chr(34) * 2)}",' for cell in row)[:-1] for row in rows]
    content = "\r\n".join(["a,b,c", *quoted]).encode()
    wanted = [row for row in rows if any(cell.strip() for cell in row)]
    assert cells(content, 3) == [["a", "b", "c"], *wanted]


def test_what_is_wrong_with_one_record_is_told_with_it_and_the_next_is_read() -> None:
    long = "x" * (LINE_MAX + 5)
    content = f'a,b\n1,"x"y\n2,2\n{long}\n3,"{"z" * 140_000}"\n4,\udcff\n5,"open\n6,6'.encode(errors="surrogateescape")
    found = list(records(pieces(content, 4_096)))
    assert [(record.place, list(record.cells) if not record.problem else None) for record in found] == [
        (1, ["a", "b"]),
        (2, None),
        (3, ["2", "2"]),
        (4, None),
        (5, None),
        (6, ["4", "\udcff"]),
        (7, None),
    ]
    problems = [record.problem for record in found if record.problem]
    assert "more than 1,048,576 characters" in problems[1]
    assert all(problems)


def test_what_begins_as_utf_16_and_is_none_is_no_file() -> None:
    with pytest.raises(ValueError, match="UTF-16"):
        list(records([b"\xff\xfea"]))


def test_nothing_is_no_record() -> None:
    assert list(records([])) == []
    assert list(records([b"", b"\n", b" "])) == []
    assert list(records([b"a"])) == [Record(place=1, cells=["a"], end=1)]
