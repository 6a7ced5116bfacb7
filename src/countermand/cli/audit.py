"""`countermand audit`: who changed what that is no event of an order."""

from collections.abc import Mapping
from functools import partial
from typing import Annotated, Any, Final

from cyclopts import Parameter

from countermand.admin.audit import Action
from countermand.cli import nouns
from countermand.cli.credentials import PartyFlag
from countermand.cli.listing import export, minute, newest_of
from countermand.cli.nouns import ListedEntry, WantedEntries
from countermand.cli.orders import LimitFlag
from countermand.cli.output import Exit, fail, print_json, print_table
from countermand.cli.parties import find_id
from countermand.cli.running import CsvFlag, DatabaseFlag, JsonFlag
from countermand.documents import audit as documents


def audit(
    *,
    party: PartyFlag = None,
    object: Annotated[str | None, Parameter(help="About this: the id of a party, user, endpoint, ...")] = None,  # noqa: A002
    action: Annotated[str | None, Parameter(help="Only this kind of change, such as credential.revoked")] = None,
    limit: LimitFlag | None = None,
    csv: CsvFlag = False,
    database: DatabaseFlag = None,
    json: JsonFlag = False,
) -> None:
    """List who changed what, when and through which door, newest first: 50 unless --limit says otherwise.

    It has parties, users, credentials, endpoints, policies, judgements and jobs, what was sent or tried again, and who
    erased a customer. What happened to orders is in `timeline`.
    """
    if action is not None and action not in set(Action):
        fail(Exit.USAGE, "bad_action", f"{action!r} is no kind of change. There are {', '.join(Action)}.")
    if object is not None:
        find_id(object.partition("_")[0], object)
    read = partial(nouns.audit(database).read, WantedEntries(party=party, object=object, action=action))
    if csv:
        return export(read, _COLUMNS, lambda row: [_cells(row)], limit)
    rows = newest_of(read, limit)
    if json:
        print_json([row.document for row in rows])
        return None
    print_table(
        ("At (UTC)", "By", "Action", "Party", "Object", "Detail"),
        [_row(each) for each in rows],
        empty="Nothing was changed yet.",
    )
    return None


_COLUMNS: Final = ("id", "at", "by", "door", "action", "party", "object", "detail")


def _row(row: ListedEntry) -> tuple[object, ...]:
    told = row.document
    return minute(told["at"]), told["by"], told["action"], row.party, told["object"], _in_words(told["detail"])


def _cells(row: ListedEntry) -> Mapping[str, object]:
    return {**row.document, "party": row.party, "detail": _in_words(row.document["detail"])}


def _in_words(detail: Mapping[str, Any]) -> str:
    return ", ".join(f"{name} {value}" for name, value in documents.told(detail))
