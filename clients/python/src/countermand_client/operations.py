"""Every operation of the API: the one definition that both clients are made from.

``tools/write_clients.py`` writes the classes of ``blocking.py`` and ``asynchronous.py`` from this table, with types and
documentation. The same table says at run time how each call is sent.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

Kind = Literal["one", "list", "none", "stream", "upload", "raw"]


@dataclass(frozen=True)
class Member:
    """A parameter or a member of a body. ``type`` is a word of ``TYPES`` in ``tools/write_clients.py``."""

    name: str
    type: str = "text"
    needed: bool = False


@dataclass(frozen=True)
class Operation:
    """How one operation is called, and what comes back."""

    id: str
    method: str
    path: str
    result: str
    doc: str
    kind: Kind = "one"
    query: tuple[Member, ...] = ()
    body: tuple[Member, ...] = ()
    keyed: bool = False
    """Whether it takes an idempotency key."""
    guarded: bool = False
    """Whether it takes ``if_match``."""
    answers: tuple[int, ...] = ()
    """Statuses of 400 and above that bring a document and no problem."""

    @property
    def noun(self) -> str:
        """What it is about, such as ``cancellations``."""
        return self.id.partition(".")[0]

    @property
    def verb(self) -> str:
        """What is done, such as ``create``."""
        return self.id.partition(".")[2]

    @property
    def places(self) -> tuple[str, ...]:
        """The names of the ids in the path."""
        return tuple(part[1:-1] for part in self.path.split("/") if part.startswith("{"))

    @property
    def listed_as(self) -> str:
        """The member of a page that holds its items."""
        return self.path.rpartition("/")[2]


def _members(written: str) -> tuple[Member, ...]:
    """``name``, ``name*`` where it is needed, and ``name:type`` where it is not a text."""
    members = []
    for word in written.split():
        name, _, type_ = word.partition(":")
        members.append(Member(name.rstrip("*"), type_ or "text", name.endswith("*")))
    return tuple(members)


_PAGED: Final = " since:time until:time zone after limit:int"


def _get(id: str, path: str, result: str, doc: str, query: str = "") -> Operation:  # noqa: A002
    return Operation(id, "GET", path, result, doc, query=_members(query))


def _list(id: str, path: str, result: str, doc: str, query: str = "") -> Operation:  # noqa: A002
    return Operation(id, "GET", path, result, doc, kind="list", query=_members(query + _PAGED))


def _post(id: str, path: str, result: str, doc: str, body: str = "", *, guarded: bool = False) -> Operation:  # noqa: A002
    return Operation(id, "POST", path, result, doc, body=_members(body), keyed=True, guarded=guarded)


def _ask(id: str, path: str, result: str, doc: str, body: str) -> Operation:  # noqa: A002
    """A question that is too long for a query; it changes nothing and takes no key."""
    return Operation(id, "POST", path, result, doc, body=_members(body))


def _patch(id: str, path: str, result: str, doc: str, body: str, *, guarded: bool = True) -> Operation:  # noqa: A002
    return Operation(id, "PATCH", path, result, doc, body=_members(body), keyed=True, guarded=guarded)


_TERMS: Final = (
    " answer_within silence whole_order free_window accepts_until accepts_for customer_asks_retailer_first:bool"
    " proof_within working_hours holidays"
)
_ORDER: Final = (
    "retailer* reference* lines*:new_lines id:id placed_at:time currency held:bool shipping_address:address"
    " billing_address:address tax discounts:discounts shipping:shipping payments:new_payments"
    " commission_returned:bool allow_same_reference:bool dry_run:bool"
)

OPERATIONS: Final = {
    each.id: each
    for each in (
        _post("orders.create", "/v1/orders", "Order", "Place an order.", _ORDER),
        _list(
            "orders.list",
            "/v1/orders",
            "Order",
            "Orders, newest first.",
            "reference retailer supplier sku email payment_reference tracking_number number:int q expand:texts",
        ),
        _get("orders.get", "/v1/orders/{order}", "Order", "One order with its lines.", "expand:texts"),
        _post("orders.release", "/v1/orders/{order}/release", "Order", "Release a held order to its fulfillers."),
        _post("orders.erase", "/v1/orders/{order}/erase", "Order", "Erase the customer of an order.", "note*"),
        _get("timeline.get", "/v1/timeline/{id}", "Timeline", "The story of an order, a line or a cancellation."),
        _get("lines.get", "/v1/lines/{line}", "Line", "One line as it is now.", "expand:texts"),
        _list(
            "lines.list",
            "/v1/lines",
            "Line",
            "Lines, newest first.",
            "order:id retailer fulfiller sku number:int bucket expand:texts",
        ),
        _post(
            "lines.allocate",
            "/v1/lines/{line}/allocate",
            "Line",
            "Report how many units the fulfiller has.",
            "accepted*:int backordered:int rejected:int backorder_on:day reason",
        ),
        _post(
            "lines.reassign",
            "/v1/lines/{line}/reassign",
            "Line",
            "Give what is left of a line to another fulfiller. Open cancellations go with it.",
            "fulfiller* note*",
            guarded=True,
        ),
        _post(
            "cancellations.create",
            "/v1/cancellations",
            "Asked",
            "Ask to cancel units of lines of one order: all of it, or nothing.",
            "lines:units_of_lines order:id asker reason note dry_run:bool",
        ),
        _list(
            "cancellations.list",
            "/v1/cancellations",
            "Cancellation",
            "Cancellations, newest first; with ``sort='due_at'`` the longest due first.",
            "state:texts awaiting awaiting_me:bool late:bool due_before:time order:id line:id reference number:int"
            " retailer fulfiller asker reason:texts sku email payment_reference tracking_number q sort expand:texts",
        ),
        _get(
            "cancellations.get",
            "/v1/cancellations/{cancellation}",
            "Cancellation",
            "One cancellation.",
            "expand:texts",
        ),
        _post(
            "cancellations.accept",
            "/v1/cancellations/{cancellation}/accept",
            "Cancellation",
            "Accept all asked units, or so many of them.",
            "step:int units:int rest_reason note",
        ),
        _post(
            "cancellations.decline",
            "/v1/cancellations/{cancellation}/decline",
            "Cancellation",
            "Decline the asked units, which stay on order.",
            "step:int reason* note tracking",
        ),
        _post(
            "cancellations.withdraw",
            "/v1/cancellations/{cancellation}/withdraw",
            "Cancellation",
            "Take an ask back while nobody has answered it.",
            "step:int note",
        ),
        _post(
            "cancellations.note",
            "/v1/cancellations/{cancellation}/notes",
            "Cancellation",
            "Put a note to a cancellation. It changes nothing.",
            "note* tracking",
        ),
        _post(
            "shipments.create",
            "/v1/shipments",
            "Shipment",
            "Report that units were shipped.",
            "order*:id lines*:units_of_lines carrier tracking_number method shipped_on:day reference override:bool",
        ),
        _list(
            "shipments.list",
            "/v1/shipments",
            "Shipment",
            "Shipments, newest first.",
            "order:id line:id tracking_number",
        ),
        _get("shipments.get", "/v1/shipments/{shipment}", "Shipment", "One shipment."),
        _patch(
            "shipments.update",
            "/v1/shipments/{shipment}",
            "Shipment",
            "Correct the carrier or the number of a parcel.",
            "carrier tracking_number",
            guarded=False,
        ),
        _get("payments.list", "/v1/orders/{order}/payments", "Payments", "The payments of an order."),
        _post(
            "payments.create",
            "/v1/orders/{order}/payments",
            "Payments",
            "Add a payment to an order.",
            "id* captured:amount authorised:amount provider reference method",
        ),
        _post(
            "payments.capture",
            "/v1/orders/{order}/payments/{payment}/capture",
            "Payments",
            "Record how much of a payment has been captured in all by now.",
            "captured*:amount",
        ),
        _ask(
            "quotes.create",
            "/v1/quotes",
            "Quote",
            "What would go back to the customer. Changes nothing.",
            "lines:units_of_lines order:id",
        ),
        _list(
            "refunds.list",
            "/v1/refunds",
            "Refund",
            "Refunds, oldest first.",
            "state:texts provider order:id line:id cancellation:id retailer payment_reference reference email"
            " tracking_number number:int q expand:texts",
        ),
        _get("refunds.get", "/v1/refunds/{refund}", "Refund", "One refund.", "expand:texts"),
        _post(
            "refunds.mark_paid",
            "/v1/refunds/{refund}/paid",
            "Refund",
            "Mark a refund as paid by hand.",
            "step:int note",
        ),
        _post(
            "refunds.close",
            "/v1/refunds/{refund}/close",
            "Refund",
            "Close a refund that is not going to be paid.",
            "step:int note*",
        ),
        _post("refunds.retry", "/v1/refunds/{refund}/retry", "Refund", "Try a parked refund again.", "step:int note"),
        _post(
            "refunds.correct",
            "/v1/refunds/{refund}/correct",
            "Refund",
            "Correct how much of a refund was paid outside this service. The rest is then paid.",
            "step*:int refunded_elsewhere*:amount note*",
        ),
        _list("parties.list", "/v1/parties", "Party", "Parties, newest first.", "kind status q"),
        _get("parties.get", "/v1/parties/{party}", "Party", "One party."),
        _post("parties.create", "/v1/parties", "Party", "Add a party.", "kind* name*"),
        _patch("parties.update", "/v1/parties/{party}", "Party", "Rename a party.", "name"),
        _post("parties.deactivate", "/v1/parties/{party}/deactivate", "Party", "Deactivate a party.", "note*"),
        _post("parties.activate", "/v1/parties/{party}/activate", "Party", "Activate a party again."),
        _list("users.list", "/v1/users", "User", "People who can log in, newest first.", "party status q"),
        _get("users.get", "/v1/users/{user}", "User", "One user."),
        _post(
            "users.create",
            "/v1/users",
            "User",
            "Add a person who can log in.",
            "email* name party permissions:texts password",
        ),
        _patch(
            "users.update",
            "/v1/users/{user}",
            "User",
            "Change a user. A new password, or ``disabled``, ends the log-ins and tokens.",
            "name permissions:texts password status",
        ),
        _post("users.end_sessions", "/v1/users/{user}/end_sessions", "User", "End the log-ins and tokens of a user."),
        _list(
            "credentials.list",
            "/v1/credentials",
            "Credential",
            "Tokens and keys, newest first; never a secret.",
            "party kind status",
        ),
        _get("credentials.get", "/v1/credentials/{credential}", "Credential", "One credential, without its secret."),
        _post(
            "credentials.create",
            "/v1/credentials",
            "Credential",
            "Make a token or a key. Its ``secret`` is shown once.",
            "kind* party label permissions:texts expires_at:time",
        ),
        _post(
            "credentials.revoke",
            "/v1/credentials/{credential}/revoke",
            "Credential",
            "End a credential.",
            "note",
        ),
        _list("audit.list", "/v1/audit", "AuditEntry", "Changes that are no event of a line.", "party object action"),
        _list(
            "policies.list",
            "/v1/policies",
            "Policy",
            "The newest policy of each pair of retailer and supplier, or all versions.",
            "retailer supplier history:bool",
        ),
        _get("policies.get", "/v1/policies/{policy}", "Policy", "One version of a policy."),
        _get(
            "policies.in_force",
            "/v1/policies/in_force",
            "Policy",
            "What holds between a retailer and a supplier now.",
            "retailer* supplier",
        ),
        _post(
            "policies.create",
            "/v1/policies",
            "Policy",
            "Save a new version of a policy. Terms that are not named stay.",
            "retailer* based_on*:int supplier" + _TERMS,
        ),
        _ask(
            "policies.preview",
            "/v1/policies/preview",
            "PolicyPreview",
            "What a new version would change, in sentences. Changes nothing.",
            "retailer* based_on*:int supplier" + _TERMS,
        ),
        _list("endpoints.list", "/v1/endpoints", "Endpoint", "Endpoints, oldest first.", "party"),
        _get("endpoints.get", "/v1/endpoints/{endpoint}", "Endpoint", "One endpoint, without its secret."),
        _post(
            "endpoints.create",
            "/v1/endpoints",
            "Endpoint",
            "Register a webhook or a mailbox. Its ``secret`` is shown once.",
            "url* events:texts label party",
        ),
        _patch(
            "endpoints.update",
            "/v1/endpoints/{endpoint}",
            "Endpoint",
            "Change where an endpoint is, what it gets, or its label.",
            "url events:texts label",
        ),
        Operation(
            "endpoints.delete",
            "DELETE",
            "/v1/endpoints/{endpoint}",
            "None",
            "Remove an endpoint for good.",
            "none",
            keyed=True,
        ),
        _post(
            "endpoints.confirm",
            "/v1/endpoints/{endpoint}/confirmation",
            "Endpoint",
            "Ask a mailbox again to confirm itself.",
        ),
        _post("endpoints.resume", "/v1/endpoints/{endpoint}/resume", "Endpoint", "Resume an endpoint."),
        _post("endpoints.pause", "/v1/endpoints/{endpoint}/pause", "Endpoint", "Pause an endpoint.", "reason"),
        _post(
            "endpoints.rotate",
            "/v1/endpoints/{endpoint}/rotate",
            "Endpoint",
            "Give an endpoint a new ``secret``. The old one holds for ``overlap_s`` seconds more.",
            "overlap_s:int",
        ),
        _post(
            "endpoints.test",
            "/v1/endpoints/{endpoint}/test",
            "Attempt",
            "Send a signed test, or a sample event, to an endpoint now.",
            "event",
        ),
        _post(
            "endpoints.recover",
            "/v1/endpoints/{endpoint}/recover",
            "Job",
            "Send the notices of an endpoint again, as a job.",
            "since*:time until:time which",
        ),
        _list(
            "notices.list",
            "/v1/notices",
            "Notice",
            "Notices, newest first.",
            "state:texts endpoint:id event:id type:texts expand:texts",
        ),
        _get("notices.get", "/v1/notices/{notice}", "Notice", "One notice.", "expand:texts"),
        _post("notices.resend", "/v1/notices/{notice}/resend", "Notice", "Send a notice again, under the same id."),
        _list("attempts.list", "/v1/attempts", "Attempt", "Attempts to send notices.", "notice:id endpoint:id ok:bool"),
        _get("attempts.get", "/v1/attempts/{attempt}", "Attempt", "One attempt: what was sent, and the answer."),
        _list(
            "events.list",
            "/v1/events",
            "Event",
            "Events, oldest first, from 30 days back unless told otherwise.",
            "type:texts order:id line:id cancellation:id",
        ),
        _get("events.get", "/v1/events/{event}", "Event", "One event."),
        Operation(
            "events.stream",
            "GET",
            "/v1/events/stream",
            "Event",
            "Events as they happen. The stream reconnects, and goes on after the last event that it gave.",
            "stream",
            query=_members("after type:texts order:id line:id cancellation:id since:time until:time zone"),
        ),
        _get(
            "scorecards.get",
            "/v1/scorecards/{party}",
            "Scorecards",
            "How a party does, by weeks.",
            "week weeks:int as as_of:time evidence:bool",
        ),
        _list(
            "judgements.list",
            "/v1/judgements",
            "Judgement",
            "What operators decided about scores.",
            "cancellation:id party",
        ),
        _post(
            "judgements.create",
            "/v1/judgements",
            "Judgement",
            "Exclude a cancellation from a score, or restore it.",
            "cancellation*:id verdict* reason* party",
        ),
        _post(
            "jobs.create",
            "/v1/jobs",
            "Job",
            "Begin a job for many rows; ``jobs.run`` does all of it.",
            "kind* format* dry_run:bool label",
        ),
        Operation(
            "jobs.upload",
            "PUT",
            "/v1/jobs/{job}/input",
            "Job",
            "Upload a part of the rows of a job, from part 1.",
            "upload",
            query=_members("part*:int"),
        ),
        _post("jobs.start", "/v1/jobs/{job}/start", "Job", "Start a job whose parts are uploaded.", "parts*:int"),
        _list("jobs.list", "/v1/jobs", "Job", "Jobs of the own party, newest first.", "kind state:texts"),
        _get("jobs.get", "/v1/jobs/{job}", "Job", "One job and how far it is."),
        Operation(
            "jobs.results",
            "GET",
            "/v1/jobs/{job}/results",
            "JobResult",
            "What came of each row, in the order of the file.",
            kind="list",
            query=_members("result:texts after limit:int"),
        ),
        _post("jobs.cancel", "/v1/jobs/{job}/cancel", "Job", "End a job. Rows that are done stay."),
        _get(
            "search.find",
            "/v1/search",
            "Found",
            "Find orders, lines, refunds and more by any text.",
            "q* types:texts limit:int",
        ),
        _get("me.get", "/v1/me", "Me", "Whose token this is, and what it may do."),
        Operation(
            "providers.receive",
            "POST",
            "/v1/providers/{name}/webhook",
            "None",
            "What a payment provider calls, signed by it.",
            "raw",
        ),
        _get("health.live", "/healthz", "Health", "Whether the process is alive."),
        Operation("health.ready", "GET", "/readyz", "Readiness", "Whether calls can be served.", answers=(503,)),
    )
}
