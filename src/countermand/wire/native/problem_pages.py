"""A page about each problem, at the address that its ``type`` names."""

from html import escape
from typing import Final

from starlette.responses import HTMLResponse, Response

from countermand.domain.refusals import RefusalKind
from countermand.wire.replies import REPLIES, Problem

MEANINGS: Final[dict[str, str]] = {
    "unknown_line": "There is no such line that the caller can act on.",
    "unknown_order": "There is no such order that the caller can act on.",
    "unknown_cancellation": "There is no such cancellation that the caller can act on.",
    "unknown_refund": "There is no such refund that the caller can act on.",
    "unknown_payment": "The order has no such payment.",
    "step_needed": (
        "The platform can answer for all parties, and a correction of a refund undoes a decision: such a call"
        " must name the step."
    ),
    "etag_mismatch": "The line has changed since the caller read it. The answer has the present `ETag`.",
    "reassigned": (
        "The line was given to another fulfiller. The sentence says to whom and when; the caller's answer "
        "does not count."
    ),
    "state_changed": (
        "The cancellation or refund is not at the step that the caller named. The sentence says at which step it is."
    ),
    "units_invalid": "A number of units is below one, or more than an order may have.",
    "reason_required": "The call needs a reason or a note: a decline, or closing or correcting a refund.",
    "already_answered": "This cancellation has ended, or has its answer. The sentence says how, by whom and when.",
    "already_shipped": "Nothing is open, and some units have shipped.",
    "already_asked": "Nothing is open, and an ask waits for its answer.",
    "rejected_by_fulfiller": "Nothing is open, and the supplier rejected the line at allocation.",
    "already_cancelled": "Nothing is open, and the line was cancelled.",
    "not_accepted_by_fulfiller": "The policy says that the supplier accepts no cancellation at this point.",
    "nothing_asked": (
        "No cancellation of this line waits for this party's answer. If one waits for another party, the "
        "sentence names it."
    ),
    "units_asked": "These units cannot ship while an ask for them waits.",
    "too_many_units": "More units were named than there are.",
    "all_or_nothing": (
        "The units were asked for together with other lines of the order. All of them can be accepted, or none."
    ),
    "party_inactive": "The new fulfiller is not active.",
    "no_price": "The order came without prices, so nothing can go back.",
    "refund_not_open": "The state of the refund does not allow this. The sentence says what it is.",
    "payment_exists": "The order has another payment with this id.",
    "payment_differs": (
        "The payment is of more than is left to pay or to capture, or of less than was captured. The sentence"
        " says how much that is."
    ),
    "payment_taken": (
        "The payment, by its provider and reference, belongs to another retailer. The other retailer is not named."
    ),
    "order_exists": "An order or a line with this id already exists.",
    "key_reused": "This idempotency key was used for another call.",
    "not_found": "There is no such call.",
    "unauthenticated": "The credential is missing, unknown, revoked or expired.",
    "forbidden": "The credential lacks the permission.",
    "wrong_party": "The call is for another kind of party.",
    "method_not_allowed": "The path has no such method.",
    "unsupported_media_type": "The body has a type, charset or content encoding that the call does not accept.",
    "malformed": "The body or a parameter cannot be parsed.",
    "invalid": "A field is missing or malformed.",
    "too_large": "The body is larger than `body_max_bytes`.",
    "too_slow": "The body took longer than `body_timeout_s`.",
    "rate_limited": "The credential has used up its quota, or too many wrong tokens or log-ins came from the address.",
    "too_broad": "The read took longer than `read_timeout_s` and was stopped. The sentence says which filter helps.",
    "unknown_endpoint": "There is no such endpoint of the caller's party.",
    "unknown_party": "There is no party with this id or name, or more than one.",
    "if_match_needed": "The call needs the header `If-Match`.",
    "limit_reached": (
        "There can be no more endpoints of this party, valid secrets of this endpoint, or confirmations within a day."
    ),
    "nothing_to_confirm": "The endpoint is a webhook, or its mailbox is confirmed.",
    "not_signed": "The endpoint is a mailbox, which has no secret to replace.",
    "unavailable": "The database did not answer. Repeat the call.",
}
"""What each refusal and problem means, as docs/refusals.md has it."""

_PAGE: Final = """<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>{title}</title></head>
<body>
<h1>{title}</h1>
<p><code>{code}</code>, status {status}</p>
<p>{meaning}</p>
</body>
</html>
"""


def problem_page(code: str) -> Response | None:
    """The page about a problem; ``None`` where there is no such problem."""
    kind = _KINDS.get(code)
    if kind is None:
        return None
    title = code.replace("_", " ").capitalize()
    page = _PAGE.format(title=title, code=code, status=REPLIES[kind].native, meaning=_html(MEANINGS[code]))
    return HTMLResponse(page, headers={"Content-Security-Policy": "default-src 'none'"})


_KINDS: Final[dict[str, Problem | RefusalKind]] = {kind.value: kind for kind in REPLIES}


def _html(sentence: str) -> str:
    parts = escape(sentence).split("`")
    return "".join(f"<code>{part}</code>" if place % 2 else part for place, part in enumerate(parts))
