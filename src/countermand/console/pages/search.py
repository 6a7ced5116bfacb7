"""The search box: any id, number, reference, e-mail address, customer or SKU."""

from urllib.parse import urlencode

from countermand.console.rendering import redirect
from countermand.console.visit import Visit
from countermand.domain.parties import PartyKind
from countermand.ids import read
from countermand.reads.cancellations import cancellation_by_id
from countermand.reads.refunds import refund_by_id
from countermand.wire.response import Reply


async def look(visit: Visit) -> Reply:
    """Lead to the one thing that is named, or to the list of what fits."""
    text = visit.query.get("q", "").strip()
    if await _is_cancellation(visit, text):
        return redirect(f"/console/cancellations/{text}")
    if await _is_refund(visit, text):
        return redirect(f"/console/refunds/{text}")
    return redirect(f"/console/orders?{urlencode({'q': text})}")


async def _is_cancellation(visit: Visit, text: str) -> bool:
    found = read("can", text) if text.startswith("can_") else None
    return found is not None and await visit.read(cancellation_by_id, visit.scope, found) is not None


async def _is_refund(visit: Visit, text: str) -> bool:
    sees = visit.caller.kind is not PartyKind.SUPPLIER
    found = read("rfd", text) if sees and text.startswith("rfd_") else None
    return found is not None and await visit.read(refund_by_id, visit.scope, found) is not None
