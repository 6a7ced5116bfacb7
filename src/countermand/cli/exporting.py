"""`export`: everything that a party may see, as the native API shows it, in one file."""

import json as json_module
import os
import sys
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Annotated, Any, Final
from urllib.parse import quote

import httpx2
from cyclopts import Parameter

from countermand.admin.callers import caller_as
from countermand.app import opened
from countermand.cli.keeping import Progress
from countermand.cli.output import CommandError, Exit, fail, manners, report, what_failed
from countermand.cli.running import DatabaseFlag, JsonFlag, read_settings, run
from countermand.domain.parties import PartyKind
from countermand.observability.logs import configure_logging
from countermand.private_files import in_the_making
from countermand.reads.parties import find_party
from countermand.reads.views import PartyView
from countermand.serving import doors
from countermand.wire.auth import AlwaysThis

ALL: Final = frozenset(PartyKind)
SELLING: Final = frozenset({PartyKind.PLATFORM, PartyKind.RETAILER})
PLATFORM: Final = frozenset({PartyKind.PLATFORM})
PAGE: Final = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """A list of the native API: what one of its rows is called, where it is, and who has one."""

    type: str
    path: str
    kinds: frozenset[PartyKind] = ALL
    of_each_order: bool = False


SUBJECTS: Final = (
    Subject(type="party", path="/v1/parties"),
    Subject(type="user", path="/v1/users"),
    Subject(type="credential", path="/v1/credentials"),
    Subject(type="endpoint", path="/v1/endpoints"),
    Subject(type="policy", path="/v1/policies"),
    Subject(type="order", path="/v1/orders"),
    Subject(type="line", path="/v1/lines"),
    Subject(type="payment", path="/v1/orders/{order}/payments", kinds=SELLING, of_each_order=True),
    Subject(type="shipment", path="/v1/shipments"),
    Subject(type="cancellation", path="/v1/cancellations"),
    Subject(type="refund", path="/v1/refunds", kinds=SELLING),
    Subject(type="judgement", path="/v1/judgements"),
    Subject(type="event", path="/v1/events"),
    Subject(type="notice", path="/v1/notices"),
    Subject(type="attempt", path="/v1/attempts"),
    Subject(type="job", path="/v1/jobs"),
    Subject(type="audit", path="/v1/audit", kinds=PLATFORM),
)
"""What is exported, in this order. A search, scorecards and timelines show the same again."""


def export(
    party: str,
    file: Annotated[
        Path, Parameter(name="FILE", allow_leading_hyphen=True, help="The new file; - writes to standard output")
    ],
    /,
    *,
    database: DatabaseFlag = None,
    json: JsonFlag = False,
) -> None:
    """Write everything that a party may see into a new file, one JSON object a line, while the service runs.

    Each line has a type and the object as the native API shows it. No secret is in it.

    Parameters
    ----------
    party
        The party, by name or id.
    """
    # An operator's own reads have no quota.
    settings = read_settings(database=database).model_copy(update={"call_limit": "", "worker": False})
    configure_logging("error")
    to_output = str(file) == "-"
    if not to_output and file.exists():
        fail(Exit.USAGE, "file_exists", f"{file} is there already.", "Name a new file.")

    async def job() -> tuple[PartyView, Counter[str]]:
        async with opened(settings, creates=False) as application:
            found = await application.database.read(lambda connection: find_party(connection, party))
            asgi = doors(application, AlwaysThis(caller_as(found)))
            transport = httpx2.ASGITransport(app=asgi)
            async with httpx2.AsyncClient(transport=transport, base_url=settings.base_url) as http:
                return found, await _write_all(http, found, file, to_output=to_output)

    found, written = run(job())
    place = "standard output" if to_output else str(file)
    done = "would be" if manners.dry_run else "are"
    sentence = f"{sum(written.values()):,} objects that {found.name} may see {done} in {place}."
    if not (json and to_output):
        report(sentence, json=json, party=str(found.id), file=place, objects=dict(written))


async def _write_all(http: httpx2.AsyncClient, party: PartyView, file: Path, *, to_output: bool) -> Counter[str]:
    written: Counter[str] = Counter()
    progress = Progress()
    with _target(file, to_output=to_output) as target:
        for subject in SUBJECTS:
            if PartyKind(party.kind) not in subject.kinds:
                continue
            async for row in _objects(http, subject):
                line = json_module.dumps({"type": subject.type, "data": row}, ensure_ascii=False, separators=(",", ":"))
                print(line, file=target)
                written[subject.type] += 1
                progress(f"{written[subject.type]:,} {subject.path.rpartition('/')[2]}", written[subject.type])
    return written


async def _objects(http: httpx2.AsyncClient, subject: Subject) -> AsyncIterator[dict[str, Any]]:
    if not subject.of_each_order:
        async for row in _rows(http, subject.path):
            yield row
        return
    async for order in _rows(http, "/v1/orders"):
        path = subject.path.format(order=order["id"])
        answer = await http.get(path, headers=_AS_PARTY)
        # An order without prices has no payments.
        if answer.status_code == httpx2.codes.OK:
            for payment in answer.json()["payments"]:
                yield {"order": order["id"], **payment}


_AS_PARTY: Final = {"Authorization": "Bearer this-process"}


async def _rows(http: httpx2.AsyncClient, path: str) -> AsyncIterator[dict[str, Any]]:
    after: str | None = None
    while True:
        query = f"?limit={PAGE}" + (f"&after={quote(after)}" if after else "")
        answer = await http.get(path + query, headers=_AS_PARTY)
        page = answer.json()
        if answer.is_error:
            raise CommandError(Exit.FAILED, page["code"], f"{path}: {page['detail']}")
        [rows] = [each for each in page.values() if isinstance(each, list)]
        for row in rows:
            yield row
        after = page.get("next")
        if not rows or after is None:
            return


@contextmanager
def _target(file: Path, *, to_output: bool) -> Iterator[IO[str]]:
    """What is written to. A file is there only once it is whole, and only its owner may read it."""
    if manners.dry_run:
        with open(os.devnull, "w", encoding="utf-8") as nowhere:
            yield nowhere
        return
    if to_output:
        yield sys.stdout
        return
    try:
        with in_the_making(file) as made:
            with made.path.open("w", encoding="utf-8") as target:
                yield target
            made.put_in_place()
    except OSError as error:
        raise CommandError(Exit.FAILED, "unusable_file", what_failed(error)) from error
