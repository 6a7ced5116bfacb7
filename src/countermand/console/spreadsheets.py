"""Lists as files for a spreadsheet."""

import csv
import io
from collections.abc import Iterable, Sequence

from countermand import turns
from countermand.console.rendering import HEADERS
from countermand.domain.spreadsheets import tame
from countermand.wire.response import Reply


async def as_spreadsheet(name: str, columns: Sequence[str], rows: Iterable[Iterable[str]]) -> Reply:
    """A CSV file of this name. Thousands of ``rows`` are made of their values aside, as others make calls meanwhile."""
    body = await turns.compute(_written, columns, rows)
    headers = (*HEADERS, (b"content-disposition", f'attachment; filename="{name}.csv"'.encode()))
    return Reply(status=200, body=body, media_type=b"text/csv; charset=utf-8", headers=headers)


def _written(columns: Sequence[str], rows: Iterable[Iterable[str]]) -> bytes:
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(columns)
    writer.writerows([tame(cell) for cell in row] for row in rows)
    return text.getvalue().encode()
