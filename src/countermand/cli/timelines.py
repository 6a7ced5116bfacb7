"""`countermand timeline`: the stories of lines."""

from collections.abc import Mapping
from itertools import groupby
from typing import Annotated, Any, Final

from cyclopts import Parameter

from countermand.cli import nouns
from countermand.cli.nouns import Document
from countermand.cli.output import Exit, fail, plain, print_csv, print_json
from countermand.cli.running import CsvFlag, DatabaseFlag, JsonFlag

TOLD_MAX: Final = 20
"""How many orders are told at once."""
CUT: Final = f"These are the newest {TOLD_MAX} orders; `countermand orders` lists more."
SECONDS: Final = 19
"""So much of a time is its day and its time to the second."""


def timeline(
    sought: Annotated[
        str,
        Parameter(
            help="Id of a cancellation, a line or an order, or what `orders` finds orders by",
        ),
    ],
    *,
    csv: CsvFlag = False,
    database: DatabaseFlag = None,
    json: JsonFlag = False,
) -> None:
    """Print the whole history of a line, in order."""
    told = nouns.timelines(database).of(sought)
    if not told["entries"]:
        fail(Exit.NOT_FOUND, "unknown_id", f"Nothing is known of {sought}.")
    if json:
        print_json(told)
        return
    if csv:
        print_csv(_COLUMNS, [*map(_cells, told["entries"]), *told["judgements"]])
        return
    lines = list(dict.fromkeys(each["line"] for each in told["entries"]))
    for line, entries in groupby(
        sorted(told["entries"], key=lambda each: lines.index(each["line"])), key=lambda each: str(each["line"])
    ):
        _print_line(line, list(entries), [each for each in told["judgements"] if each["line"] == line])


def _print_line(line: str, entries: list[Document], judgements: list[Document]) -> None:
    first = entries[0]
    print(f"{first['state']['ordered']} x {plain(first['sku'])}, line {line}")
    for each in sorted([*entries, *judgements], key=lambda each: str(each["at"])):
        at = each["at"][:SECONDS].replace("T", " ")
        print(f"  {at}  {plain(each['sentence'])}  [{plain(_where(each))}]")


def _where(told: Document) -> str:
    """What is left of the line, if it is an event of it, and through which API it was done."""
    if "state" not in told:
        return str(told["door"])
    units = ", ".join(f"{name} {told['state'][name]}" for name in _BUCKETS)
    return f"{units}; {told['door']}"


def _cells(entry: Mapping[str, Any]) -> Mapping[str, object]:
    return {**entry, **entry["state"]}


_BUCKETS: Final = ("open", "asked", "cancelled", "shipped")
_COLUMNS: Final = (
    "event",
    "judgement",
    "line",
    "sku",
    "kind",
    "at",
    "by",
    "door",
    "cancellation",
    "sentence",
    *_BUCKETS,
)
