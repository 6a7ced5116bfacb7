"""What is encrypted, to know a wrong key file by."""

from sqlalchemy import (
    Connection,
    select,
)

from countermand.reads.scope import (
    as_indexed,
)
from countermand.store import tables as t


def closed_secrets(connection: Connection) -> list[bytes]:
    """The oldest and the newest encrypted secret of each kind that still counts: enough to know a wrong key file by."""
    keys = select(t.credentials.c.secret).where(as_indexed(t.ENCRYPTED_KEY))
    webhooks = select(t.endpoints.c.secrets).where(as_indexed(t.ENCRYPTED_ENDPOINT))
    ordered = [
        query.order_by(order).limit(1)
        for query, column in ((keys, t.credentials.c.created_at), (webhooks, t.endpoints.c.created_at))
        for order in (column, column.desc())
    ]
    signing = select(t.signature_keys.c.private).where(t.signature_keys.c.private.is_not(None)).limit(1)
    return [secret for query in (*ordered, signing) for secret in connection.execute(query).scalars()]
