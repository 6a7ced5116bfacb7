"""What only the native API shows: the ``ETag`` of a line as it is now."""

import hashlib
import re

from countermand.documents.expanded import ExpandedLine
from countermand.reads.lines import LineDetail
from countermand.wire.native.etags import etag_of


def etag(row: LineDetail, shown: ExpandedLine | None = None) -> str:
    """Changes with every event of the line, and with what is ``shown`` inside it."""
    of_line = hashlib.sha256(f"{row.id} {row.seq}".encode()).hexdigest()[:16]
    return f'"{of_line}"' if shown is None else f'"{of_line}.{etag_of(shown)[1:17]}"'


def without_inside(tag: str) -> str:
    """The tag of the same line by itself."""
    return re.sub(r"\..*", '"', tag)
