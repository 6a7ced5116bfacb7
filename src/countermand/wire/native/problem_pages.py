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
        "The cancellation or refund is not at the step that the caller named, or another version of the policy holds. "
        "The sentence says which."
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
    "key_reused": (
        "This idempotency key was used for another call; `differs` names the places where it says something else."
    ),
    "not_found": "There is no such call.",
    "unauthenticated": "The credential is missing, unknown, revoked or expired.",
    "forbidden": "The credential lacks the permission.",
    "wrong_party": "The call is for another kind of party.",
    "method_not_allowed": "The path has no such method.",
    "unsupported_media_type": "The body has a type, charset or content encoding that the call does not accept.",
    "malformed": "The body or a parameter cannot be parsed.",
    "invalid": "A field is missing or malformed.",
    "too_large": "The body is larger than `body_max_bytes`, or a file has too many bytes or rows.",
    "too_slow": "The body took longer than `body_timeout_s`.",
    "rate_limited": "The credential has used up its quota, or too many wrong tokens or log-ins came from the address.",
    "too_broad": "The read took longer than `read_timeout_s` and was stopped. The sentence says which filter helps.",
    "unknown_endpoint": "There is no such endpoint of the caller's party.",
    "unknown_event": "There is no such event that the caller sees.",
    "unknown_notice": "There is no such notice for an endpoint of the caller's party.",
    "unknown_attempt": "There is no such attempt at an endpoint of the caller's party.",
    "unknown_party": "There is no party with this id or name, or more than one.",
    "unknown_shipment": "There is no such parcel that the party can act on.",
    "unknown_user": "There is no such user of a party that the caller manages.",
    "unknown_credential": "There is no such credential of a party that the caller manages.",
    "unknown_policy": "There is no such version of a policy that the caller sees.",
    "name_taken": "Another party has this name, or another user this e-mail address.",
    "if_match_needed": "The call needs the header `If-Match`.",
    "limit_reached": (
        "There can be no more endpoints or unfinished jobs of this party, valid secrets of this endpoint, "
        "confirmations within a day, or streams of events of this token."
    ),
    "key_in_use": "The first call with this idempotency key is not answered yet. Repeat the call.",
    "nothing_to_confirm": "The endpoint is a webhook, or its mailbox is confirmed.",
    "not_signed": "The endpoint is a mailbox, which has no secret to replace.",
    "unknown_job": "There is no such job of the caller's party.",
    "job_not_open": "The job was started already, or it has ended. The sentence says what it is.",
    "part_differs": "The job has this part of its file already, with another content.",
    "endpoint_removed": "The endpoint of the notice was removed. Nothing is sent there any more.",
    "unavailable": "The database did not answer. Repeat the call.",
    "internal": "Something went wrong in the service. Its log has more, under the `request_id`.",
}
"""What each refusal and problem means. Here, so that the pages and docs/reference/problems.md say the same."""

ADVICE: Final[dict[str, str]] = {
    "step_needed": "Read the object, and name its `step` in the call.",
    "etag_mismatch": "Read the object again, decide again, and send its present `ETag` in `If-Match`.",
    "reassigned": "Stop work on the line. What you shipped before stays shipped.",
    "state_changed": "Read `current` in the answer, or the policy in force. Decide again, and name what holds now.",
    "units_invalid": "Name a number of units from 1 to 1,000,000.",
    "reason_required": "Add the reason or the note.",
    "already_answered": "Nothing more can be answered. Compare the sentence with what you wanted.",
    "already_shipped": "Let the customer send the goods back. Countermand handles no returns.",
    "already_asked": "Wait for the answer, or withdraw the ask that waits.",
    "rejected_by_fulfiller": "Nothing is left to cancel. The units count as cancelled.",
    "already_cancelled": "Nothing is left to cancel. The money is on its way if the order was paid.",
    "not_accepted_by_fulfiller": "Let the customer send the goods back, or change the policy for later orders.",
    "nothing_asked": "Read the cancellation: `awaiting` names the party whose answer is due.",
    "units_asked": "Answer the ask first: decline it, then ship the units.",
    "too_many_units": "Read the line, and name no more units than it has in that state.",
    "all_or_nothing": "Accept all units, or decline all.",
    "party_inactive": "Name another party, or activate this one.",
    "no_price": "Place orders with prices and payments if money is to go back.",
    "refund_not_open": "Read the refund. Its `state` says what can still be done.",
    "payment_exists": "Use another `id`, or repeat the first call unchanged.",
    "payment_differs": "Read the payments of the order, and name no more than is left.",
    "payment_taken": "Check the provider's id of the payment. Each payment belongs to one retailer.",
    "order_exists": "Read the order that exists. Repeat the first call unchanged if you only lost its answer.",
    "key_reused": "Use a new key for a new call. Use the old key only to repeat the old call.",
    "not_found": "Check the path against the list of operations.",
    "unauthenticated": "Send `Authorization: Bearer` with a token that is valid. An operator can make a new one.",
    "forbidden": "Ask an operator for a token with this permission.",
    "wrong_party": "Use a token of the kind of party that the operation is for.",
    "method_not_allowed": "Use one of the methods that `Allow` names.",
    "unsupported_media_type": "Send what `Accept` and `Accept-Encoding` of the answer name.",
    "malformed": "Send JSON in UTF-8, with each member once.",
    "invalid": "Read `errors`: it names each place and what is wrong there.",
    "too_large": "Split the call into several.",
    "too_slow": "Send the call again, over a connection that keeps up.",
    "rate_limited": "Wait as long as `Retry-After` says, then send the same call again.",
    "too_broad": "Add the filter that the sentence names.",
    "name_taken": "Choose another name or address, or use what exists.",
    "if_match_needed": "Read the object, and send its `ETag` in `If-Match`, or `*` for any state.",
    "key_in_use": "Wait as long as `Retry-After` says, then send the same call with the same key again.",
    "limit_reached": "Remove what you no longer need, or wait as the sentence says.",
    "nothing_to_confirm": "Nothing has to be done.",
    "not_signed": "Nothing has to be done: e-mails carry no signature.",
    "job_not_open": "Make another job for what is left. The results say which rows were done.",
    "part_differs": "Cancel the job and make another one, if the first content was wrong.",
    "endpoint_removed": "Add an endpoint. Events of the past are in the feed.",
    "unavailable": "Wait as long as `Retry-After` says, then send the same call again. Nothing is half-done.",
    "internal": "Send the same call again, with the same key. If that fails too, tell an operator the `request_id`.",
}
"""What a caller can do about each."""

_UNKNOWN: Final = "Check the id. What belongs to another party looks like something that does not exist."
_IN_GENERAL: Final = "The sentence in `detail` says what is in the way."


def advice(code: str) -> str:
    """What a caller can do about a problem."""
    return ADVICE.get(code) or (_UNKNOWN if code.startswith("unknown_") else _IN_GENERAL)


_PAGE: Final = """<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>{title}</title></head>
<body>
<h1>{title}</h1>
<p><code>{code}</code>, status {status}</p>
<p>{meaning}</p>
<p>{advice}</p>
</body>
</html>
"""


def problem_page(code: str) -> Response | None:
    """The page about a problem; ``None`` where there is no such problem."""
    kind = _KINDS.get(code)
    if kind is None:
        return None
    title = code.replace("_", " ").capitalize()
    told = {"meaning": _html(MEANINGS[code]), "advice": _html(advice(code))}
    page = _PAGE.format(title=title, code=code, status=REPLIES[kind].native, **told)
    return HTMLResponse(page, headers={"Content-Security-Policy": "default-src 'none'"})


_KINDS: Final[dict[str, Problem | RefusalKind]] = {kind.value: kind for kind in REPLIES}


def _html(sentence: str) -> str:
    parts = escape(sentence).split("`")
    return "".join(f"<code>{part}</code>" if place % 2 else part for place, part in enumerate(parts))
