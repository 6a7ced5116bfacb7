"""What only the native API shows: the ``ETag`` of a line as it is now."""

import hashlib

from countermand.reads.lines import LineDetail


def etag(row: LineDetail) -> str:
    """Changes with every event of the line."""
    return f'"{hashlib.sha256(f"{row.id} {row.seq}".encode()).hexdigest()[:16]}"'
