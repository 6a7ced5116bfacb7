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


ORDERS: Final = Subject(type="order", path="/v1/orders")
PAYMENTS: Final = Subject(type="payment", path="/v1/orders/{order}/payments", kinds=SELLING)
SUBJECTS: Final = (
    Subject(type="party", path="/v1/parties"),
    Subject(type="user", path="/v1/users"),
    Subject(type="credential", path="/v1/credentials"),
    Subject(type="endpoint", path="/v1/endpoints"),
    Subject(type="policy", path="/v1/policies"),
    ORDERS,
    Subject(type="line", path="/v1/lines"),
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
"""What is exported, in this order, and the payments of an order behind it. A search, scorecards and timelines show the
same again."""


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
    progress, kind = Progress(), PartyKind(party.kind)
    with _target(file, to_output=to_output) as target:
        for subject in SUBJECTS:
            if kind not in subject.kinds:
                continue
            async for type_, row in _objects(http, subject, kind):
                line = json_module.dumps({"type": type_, "data": row}, ensure_ascii=False, separators=(",", ":"))
                print(line, file=target)
                written[type_] += 1
                progress(f"{written[subject.type]:,} {subject.path.rpartition('/')[2]}", written[subject.type])
    return written


async def _objects(
    http: httpx2.AsyncClient, subject: Subject, kind: PartyKind
) -> AsyncIterator[tuple[str, dict[str, Any]]]:
    async for row in _rows(http, subject.path):
        yield subject.type, row
        if subject is ORDERS and kind in PAYMENTS.kinds:
            for payment in await _payments(http, row["id"]):
                yield PAYMENTS.type, payment


async def _payments(http: httpx2.AsyncClient, order: str) -> list[dict[str, Any]]:
    """Those of an order; one without prices has none."""
    answer = await http.get(PAYMENTS.path.format(order=order), headers=_AS_PARTY)
    if answer.status_code != httpx2.codes.OK:
        return []
    return [{"order": order, **payment} for payment in answer.json()["payments"]]


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
