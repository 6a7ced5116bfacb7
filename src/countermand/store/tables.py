"""The schema. Every key leads with ``retailer_id``, so that it can be spread by retailer (docs/decisions/0002).

The exceptions are parties and what belongs to one, the maps from a bare id or a payment to its retailer, and what the
service keeps for itself. ``WITHOUT_RETAILER`` names them, and says where each stands; a test holds it.
"""

from typing import Any, Final

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    ColumnElement,
    Computed,
    Date,
    Float,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    Integer,
    Label,
    LargeBinary,
    MetaData,
    PrimaryKeyConstraint,
    Table,
    Text,
    UniqueConstraint,
    and_,
    select,
    text,
)

from countermand.domain.search import FOLDED_CHARS_MAX
from countermand.store.columns import Bytewise, Document, Id, Instant

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)

PARTITIONS: Final = 32
"""Into how many shares the retailers are divided for the workers. Never changed once there is data."""

AGREEMENTS: Final = "agreements"
"""The revision that grows with every change of a policy or an endpoint, so that a lane can keep what it read."""

WHOLE_EVERYWHERE: Final = frozenset({"parties", "endpoints", "partitions", "revisions", "score_cards"})
"""Tables without a retailer that statements join with those of one: where tables are spread over several servers, every
server has all of their rows. They are small, and seldom written."""

BY_OWN_KEY: Final = {"id_directory": "id", "line_numbers": "number", "payment_directory": "reference"}
"""Maps that grow with the orders. Where tables are spread, each is spread by what it is asked for."""

AT_ONE_PLACE: Final = frozenset(
    {
        "users",
        "credentials",
        "signature_keys",
        "audit",
        "owner_mails",
        "number_blocks",
        "feed",
        "event_streams",
        "quota_counts",
        "workers",
        "restores",
        "schema_window",
        "jobs",
        "job_parts",
        "job_rows",
        "saved_views",
    }
)
"""Tables without a retailer that no statement joins with those of one. They stay where they are when others are spread:
a position in the feed, for one, is counted by one server."""

WITHOUT_RETAILER: Final = WHOLE_EVERYWHERE | BY_OWN_KEY.keys() | AT_ONE_PLACE


ENCRYPTED_KEY: Final = "kind = 'plaza_key' AND secret IS NOT NULL AND revoked_at IS NULL"
ENCRYPTED_ENDPOINT: Final = "secrets IS NOT NULL AND state <> 'removed'"
"""What holds a secret that still counts. A question that these indexes are to serve says it in the same words."""


UNFINISHED_HELD: Final = "unfinished AND with_fulfiller AND fulfiller_id <> retailer_id"
SHIPPED_ANYWHERE: Final = "shipped + 0 > 0"
"""In other words than those of the other indexes: of a party that PostgreSQL takes for one of many it would go through
this one for its order, and find nothing."""

SHIPPED_HELD: Final = "shipped > 0 AND with_fulfiller AND fulfiller_id <> retailer_id"
HELD_BY_ANOTHER: Final = "fulfiller_id <> retailer_id"
KNOWN_TO_HOLDER: Final = f"with_fulfiller AND {HELD_BY_ANOTHER}"
WAITS: Final = "state = 'asked'"
UNFINISHED_JOB: Final = "state IN ('draft', 'queued', 'running')"
STOPPED: Final = "state IN ('paused', 'disabled')"
FAILING: Final = "failing_since IS NOT NULL"
OPEN_JOB: Final = "state IN ('queued', 'running')"
WAITS_HELD: Final = f"{WAITS} AND {HELD_BY_ANOTHER}"
ESCALATED: Final = f"{WAITS} AND awaiting IS NULL AND NOT agreed"


def spread_by(table: str) -> str | None:
    """The column that a table is spread by over several servers; ``None`` where it is not spread."""
    return BY_OWN_KEY.get(table) if table in WITHOUT_RETAILER else "retailer_id"


def _refers(column: str, table: Table) -> ForeignKeyConstraint:
    """The row of the same retailer that this column names."""
    return ForeignKeyConstraint(["retailer_id", column], [table.c.retailer_id, table.c.id])


def named_by(column: Column[Any], table: Table) -> ColumnElement[bool]:
    """The same in a query: the row of ``table`` that this column names."""
    return and_(table.c.retailer_id == column.table.c.retailer_id, table.c.id == column)


def looked_up(column: Column[Any], by: Column[Any]) -> Label[Any]:
    """A column of the row that another column names, found by the whole of its key for each row by itself.

    In a join of three tables PostgreSQL may find one of them by the retailer alone, whose rows it takes for few: what
    it estimates is the average retailer. It does not look so into a subquery of one row.
    """
    row = select(column).where(named_by(by, column.table)).correlate(by.table)
    return row.scalar_subquery().label(column.name)


def _index_where(name: str, *columns: str, where: str) -> Index:
    """An index of only those rows that are searched for. Each engine needs the condition separately."""
    return Index(name, *columns, postgresql_where=text(where), sqlite_where=text(where))


parties = Table(
    "parties",
    metadata,
    Column("id", Id, primary_key=True),
    Column("number", Integer, nullable=False, unique=True, comment="bol's sellerId"),
    Column("kind", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("status", Text, nullable=False, server_default="active"),
    Column("created_at", Instant, nullable=False),
    Column("name_folded", Bytewise, Computed("lower(name)")),
    CheckConstraint("kind IN ('platform', 'retailer', 'supplier')", name="kind"),
    CheckConstraint("status IN ('active', 'deactivated')", name="status"),
    Index(None, "name"),
    Index(None, "name_folded"),
    Index(None, "kind", "id"),
    _index_where("ix_parties_deactivated", "id", where="status = 'deactivated'"),
)

users = Table(
    "users",
    metadata,
    Column("id", Id, primary_key=True),
    Column("party_id", Id, ForeignKey("parties.id"), nullable=False),
    Column("email", Text, nullable=False, unique=True),
    Column("name", Text, nullable=False),
    Column("password_hash", Text, nullable=False),
    Column("permissions", Document, nullable=False),
    Column("status", Text, nullable=False, server_default="active"),
    Column("created_at", Instant, nullable=False),
    Index(None, "party_id"),
)

credentials = Table(
    "credentials",
    metadata,
    Column("id", Id, primary_key=True),
    Column("party_id", Id, ForeignKey("parties.id"), nullable=False),
    Column("user_id", Id, ForeignKey("users.id")),
    Column("kind", Text, nullable=False, comment="token | plaza_key | oauth_client"),
    Column("lookup", Text, nullable=False, unique=True, comment="SHA-256 of a token, or the public half of a key"),
    Column("secret", LargeBinary, comment="encrypted; null where the secret need not be known"),
    Column("label", Text, nullable=False, server_default=""),
    Column("permissions", Document, nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("expires_at", Instant),
    Column("revoked_at", Instant),
    Column("last_used_at", Instant, comment="to the minute"),
    Index(None, "party_id", "kind", "id"),
    Index(None, "kind", "id"),
    Index(None, "user_id"),
    _index_where("ix_credentials_encrypted", "created_at", where=ENCRYPTED_KEY),
)

audit = Table(
    "audit",
    metadata,
    Column("id", Id, primary_key=True, comment="sorts by the time of the change"),
    Column("party_id", Id, ForeignKey("parties.id"), nullable=False, comment="whose is what was changed"),
    Column("object_id", Id, nullable=False, comment="what was changed: a party, a user, an endpoint, ..."),
    Column("action", Text, nullable=False),
    Column("by", Text, nullable=False),
    Column("door", Text, nullable=False),
    Column("at", Instant, nullable=False),
    Column("detail", Document, nullable=False, comment="what changed, without any secret"),
    Index(None, "party_id", "id"),
    Index(None, "object_id", "id"),
    Index(None, "action", "id"),
    Index(None, "by", "id"),
)

endpoints = Table(
    "endpoints",
    metadata,
    Column("id", Id, primary_key=True),
    Column("party_id", Id, ForeignKey("parties.id"), nullable=False),
    Column("url", Text, nullable=False, comment="https://… for a webhook, mailto:… for e-mail"),
    Column("label", Text, nullable=False, server_default=""),
    Column("event_kinds", Document, nullable=False, comment="empty: every kind; a mailbox: what asks for its answer"),
    Column("secrets", LargeBinary, comment="encrypted; null for e-mail"),
    Column("state", Text, nullable=False, server_default="active"),
    Column("state_reason", Text, nullable=False, server_default="", comment="why it is not active, in words"),
    Column("created_at", Instant, nullable=False),
    Column("failing_since", Instant, comment="when the first of an unbroken row of failures was"),
    Column("unconfirmed_since", Instant, comment="of a mailbox that nobody has confirmed yet: when it was added"),
    Column("subscription", Document, comment="of bol's Retailer API: what it reports, and its retailer's number"),
    CheckConstraint("state IN ('active', 'paused', 'disabled', 'removed')", name="state"),
    Index(None, "party_id"),
    _index_where("ix_endpoints_encrypted", "created_at", where=ENCRYPTED_ENDPOINT),
    _index_where("ix_endpoints_unconfirmed", "id", where="unconfirmed_since IS NOT NULL"),
    _index_where("ix_endpoints_stopped", "id", where=STOPPED),
    _index_where("ix_endpoints_failing", "failing_since", where=FAILING),
)

signature_keys = Table(
    "signature_keys",
    metadata,
    Column("id", Id, primary_key=True),
    Column("public", LargeBinary, nullable=False, comment="DER, as SubjectPublicKeyInfo"),
    Column("private", LargeBinary, comment="encrypted; null once it was replaced"),
    Column("created_at", Instant, nullable=False),
    Column("replaced_at", Instant, comment="when another one took its place"),
)
"""What signs the messages to subscriptions. Those that were replaced are kept as long as they are published."""

owner_mails = Table(
    "owner_mails",
    metadata,
    Column("endpoint_id", Id, ForeignKey("endpoints.id"), nullable=False, comment="the one it is about"),
    Column("created_at", Instant, nullable=False, comment="when that was stopped, or was to be confirmed"),
    Column("address", Text, nullable=False, comment="of somebody of the party that owns it"),
    Column("partition", Integer, nullable=False, comment="which share of the parties: whose worker sends it"),
    Column("why", Text, nullable=False, comment="it was stopped; empty where it is to be confirmed"),
    Column("recipient", Text, comment="of a confirmation: the mailbox, in one spelling for all of its own"),
    Column("state", Text, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("due_at", Instant, comment="null once it is sent or dead"),
    Column("last_result", Text, nullable=False, comment="the last attempt, in words"),
    Column("attempted_at", Instant),
    PrimaryKeyConstraint("endpoint_id", "created_at", "address"),
    CheckConstraint("state IN ('due', 'sent', 'dead') AND (state = 'due') = (due_at IS NOT NULL)", name="state"),
    _index_where("ix_owner_mails_due", "partition", "due_at", where="state = 'due'"),
    _index_where("ix_owner_mails_confirmations", "recipient", "created_at", where="recipient IS NOT NULL"),
)

id_directory = Table(
    "id_directory",
    metadata,
    Column("id", Id, primary_key=True, comment="an order or a line"),
    Column("retailer_id", Id, nullable=False),
)

line_numbers = Table(
    "line_numbers",
    metadata,
    Column("number", Integer, primary_key=True, autoincrement=False, comment="bol's orderItemId: fits in 31 bits"),
    Column("retailer_id", Id, nullable=False),
    Column("line_id", Id, nullable=False),
)

payment_directory = Table(
    "payment_directory",
    metadata,
    Column("provider", Text, nullable=False),
    Column("reference", Text, nullable=False, comment="the provider's name of the payment"),
    Column("retailer_id", Id, nullable=False, comment="whose payment it is: the first one that named it"),
    Column("since", Instant, nullable=False),
    PrimaryKeyConstraint("provider", "reference"),
)

number_blocks = Table(
    "number_blocks",
    metadata,
    Column("name", Text, primary_key=True),
    Column("next_number", Integer, nullable=False),
)

partitions = Table(
    "partitions",
    metadata,
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("owner", Text),
    Column("lease_until", Instant),
    Column("fence", BigInteger, nullable=False, server_default="0"),
)

workers = Table(
    "workers",
    metadata,
    Column("id", Text, primary_key=True),
    Column(
        "beat", BigInteger, nullable=False, comment="grows while the worker lives; others watch it by their own clock"
    ),
    Column("seen_at", Instant, nullable=False, comment="for people; nothing is decided by it"),
)

event_streams = Table(
    "event_streams",
    metadata,
    Column("stream", Text, primary_key=True, comment="its name at the broker"),
    Column("made_at", Instant, nullable=False, comment="when the broker made it: one that was lost had another time"),
    Column("sequence", BigInteger, nullable=False, comment="the broker's number of the last message of ours"),
    Column("position", BigInteger, nullable=False, comment="with event_id: the place in the feed up to which it is"),
    Column("event_id", Id, nullable=False),
    Column("moved_at", Instant, nullable=False, comment="for people; nothing is decided by it"),
)
"""How far the journal was published to each stream of a broker (docs/how-to/nats.md)."""

revisions = Table(
    "revisions",
    metadata,
    Column("name", Text, primary_key=True),
    Column("number", BigInteger, nullable=False, comment="one more with every change of what it counts"),
)

connections = Table(
    "connections",
    metadata,
    Column("retailer_id", Id, nullable=False),
    Column("supplier_id", Id, nullable=False),
    Column("since", Instant, nullable=False),
    PrimaryKeyConstraint("retailer_id", "supplier_id"),
    Index(None, "supplier_id", "retailer_id"),
)

policies = Table(
    "policies",
    metadata,
    Column("retailer_id", Id, nullable=False),
    Column("fulfiller_id", Id, nullable=False),
    Column("version", Integer, nullable=False),
    Column("terms", Document, nullable=False),
    Column("since", Instant, nullable=False),
    Column("set_by", Text, nullable=False),
    Column("id", Id, comment="made of the time; every row has one"),
    PrimaryKeyConstraint("retailer_id", "fulfiller_id", "version"),
    Index(None, "id"),
    Index(None, "fulfiller_id", "id"),
)

orders = Table(
    "orders",
    metadata,
    Column("retailer_id", Id, nullable=False),
    Column("id", Id, nullable=False),
    Column("number", Integer, nullable=False),
    Column("reference", Text, nullable=False, comment="the retailer's purchase order number"),
    Column("placed_at", Instant, nullable=False),
    Column("sent_to_fulfiller", Boolean, nullable=False),
    Column("currency", Text, nullable=False),
    Column("details", Document, nullable=False, comment="address, notes, wishes: kept, never decided on"),
    Column("customer_erased_at", Instant, comment="when the customer's data were erased from the details"),
    PrimaryKeyConstraint("retailer_id", "id"),
    UniqueConstraint("retailer_id", "number"),
    Index(None, "reference", "retailer_id"),
    Index(None, "retailer_id", "placed_at", "id"),
    _index_where("ix_orders_with_customer", "retailer_id", "placed_at", where="customer_erased_at IS NULL"),
    Index(None, "placed_at", "id"),
    _index_where("ix_orders_unsent", "retailer_id", "placed_at", "id", where="NOT sent_to_fulfiller"),
    _index_where("ix_orders_unsent_anywhere", "placed_at", "id", where="NOT sent_to_fulfiller"),
    Index(None, "number"),
)

order_parts = Table(
    "order_parts",
    metadata,
    Column("retailer_id", Id, nullable=False),
    Column("order_id", Id, nullable=False),
    Column("fulfiller_id", Id, nullable=False),
    Column("placed_at", Instant, nullable=False),
    Column("held", Boolean, nullable=False, comment="another party than the retailer holds it, and knows of it"),
    Column("terms", Text, nullable=False, comment="what it is found by: see domain/search.py"),
    Column("reference_folded", Bytewise, comment="the order's reference in small letters"),
    PrimaryKeyConstraint("retailer_id", "order_id", "fulfiller_id"),
    _refers("order_id", orders),
    Index(None, "reference_folded"),
    Index(None, "retailer_id", "reference_folded"),
    _index_where("ix_order_parts_reference_held", "fulfiller_id", "reference_folded", where=HELD_BY_ANOTHER),
    _index_where("ix_order_parts_held", "fulfiller_id", "placed_at", "order_id", where=HELD_BY_ANOTHER),
    _index_where(
        "ix_order_parts_between", "retailer_id", "fulfiller_id", "placed_at", "order_id", where=HELD_BY_ANOTHER
    ),
)
"""The lines of one order that one party holds: by whom it is listed, and by which words it is found. Never changed.

PostgreSQL finds the terms by an index on an expression, SQLite in the full-text table ``order_search``; the migration
makes both (docs/decisions/0020)."""

order_keys = Table(
    "order_keys",
    metadata,
    Column("retailer_id", Id, nullable=False),
    Column("key", Bytewise, nullable=False, comment="of a customer or a payment: see domain/search.py"),
    Column("placed_at", Instant, nullable=False),
    Column("order_id", Id, nullable=False),
    PrimaryKeyConstraint("retailer_id", "key", "placed_at", "order_id"),
    _refers("order_id", orders),
    Index(None, "key", "placed_at", "order_id"),
)
"""What an order is looked up by, of a customer or a payment. The keys of a customer go when the customer is erased."""

lines = Table(
    "lines",
    metadata,
    Column("retailer_id", Id, nullable=False),
    Column("id", Id, nullable=False),
    Column("order_id", Id, nullable=False),
    Column("fulfiller_id", Id, nullable=False),
    Column("number", Integer, nullable=False),
    Column("position", Integer, nullable=False),
    Column("placed_at", Instant, nullable=False),
    Column("with_fulfiller", Boolean, nullable=False),
    Column("sku", Text, nullable=False),
    Column("title", Text, nullable=False),
    Column("ordered", Integer, nullable=False),
    Column("open", Integer, nullable=False),
    Column("asked", Integer, nullable=False),
    Column("cancelled", Integer, nullable=False),
    Column("shipped", Integer, nullable=False),
    Column("allocated", Boolean, nullable=False),
    Column("accepted", Integer, nullable=False),
    Column("backordered", Integer, nullable=False),
    Column("rejected", Integer, nullable=False),
    Column("backorder_on", Date),
    Column("unit_price_minor", BigInteger),
    Column("priced", Boolean, nullable=False, comment="whether what is cancelled of it is refunded: see order_money"),
    Column("promised_on", Date),
    Column("seq", Integer, nullable=False, comment="how many events this line has"),
    Column("changed_at", Instant, nullable=False),
    Column("details", Document, nullable=False),
    # A column of its own, which seldom changes: an index on the buckets would be written with every ask and answer.
    Column("unfinished", Boolean, Computed("open + asked > 0")),
    Column("sku_folded", Bytewise, Computed(f"lower(substr(sku, 1, {FOLDED_CHARS_MAX}))")),
    PrimaryKeyConstraint("retailer_id", "id"),
    UniqueConstraint("retailer_id", "number"),
    _refers("order_id", orders),
    CheckConstraint("ordered = open + asked + cancelled + shipped", name="units_sum"),
    CheckConstraint("open >= 0 AND asked >= 0 AND cancelled >= 0 AND shipped >= 0", name="units_not_negative"),
    CheckConstraint("ordered > 0", name="ordered_positive"),
    Index(None, "retailer_id", "order_id"),
    _index_where("ix_lines_unfinished", "retailer_id", "placed_at", "order_id", where="unfinished"),
    _index_where("ix_lines_unfinished_anywhere", "placed_at", "order_id", where="unfinished"),
    _index_where("ix_lines_unfinished_held", "fulfiller_id", "placed_at", "order_id", where=UNFINISHED_HELD),
    _index_where("ix_lines_shipped", "retailer_id", "placed_at", "order_id", where="shipped > 0"),
    _index_where("ix_lines_shipped_anywhere", "placed_at", "order_id", where=SHIPPED_ANYWHERE),
    _index_where("ix_lines_shipped_held", "fulfiller_id", "placed_at", "order_id", where=SHIPPED_HELD),
    Index(None, "sku_folded", "placed_at", "order_id"),
    Index(None, "retailer_id", "sku_folded", "placed_at", "order_id"),
    _index_where("ix_lines_sku_held", "fulfiller_id", "sku_folded", "placed_at", "order_id", where=KNOWN_TO_HOLDER),
)

cancellations = Table(
    "cancellations",
    metadata,
    Column("retailer_id", Id, nullable=False),
    Column("id", Id, nullable=False),
    Column("line_id", Id, nullable=False),
    Column("order_id", Id, nullable=False),
    Column("fulfiller_id", Id, nullable=False),
    Column("units", Integer, nullable=False),
    Column("state", Text, nullable=False),
    Column("asker", Text, nullable=False),
    Column("asked_by", Id, nullable=False),
    Column("asked_at", Instant, nullable=False),
    Column("awaiting", Id),
    Column("due_at", Instant),
    Column("policy_version", Integer, nullable=False),
    Column("reason", Text, nullable=False),
    Column("note", Text, nullable=False),
    Column("ask_key", Text, nullable=False),
    Column("accepted_units", Integer, nullable=False),
    Column("answered_at", Instant),
    Column("answered_by", Id),
    Column("decline_reason", Text),
    Column("answer_note", Text, nullable=False),
    Column("by_policy", Boolean, nullable=False),
    Column("unasked", Boolean, nullable=False),
    Column("group_id", Id, comment="asks that are accepted together or not at all"),
    Column("agreed", Boolean, nullable=False, comment="accepted, and waiting for the others of its group"),
    Column("door", Text, nullable=False),
    Column(
        "rest_units",
        Integer,
        nullable=False,
        server_default="0",
        comment="open again, as the retailer accepted a part and passed that on",
    ),
    Column("rest_reason", Text, comment="why it did not accept them"),
    Column("step", Integer, nullable=False, server_default="1", comment="one more with each decision on it"),
    Column("moved_at", Instant, comment="since when the terms of another fulfiller hold for it"),
    PrimaryKeyConstraint("retailer_id", "id"),
    _refers("line_id", lines),
    CheckConstraint("units > 0 AND accepted_units BETWEEN 0 AND units", name="units"),
    CheckConstraint("rest_units >= 0 AND rest_units < units AND accepted_units <= units - rest_units", name="rest"),
    CheckConstraint("step > 0", name="step"),
    CheckConstraint(
        "state IN ('asked', 'accepted', 'declined', 'withdrawn', 'lapsed')"
        " AND (state = 'accepted') = (accepted_units > 0)"
        " AND (state = 'asked') = (answered_at IS NULL)",
        name="state",
    ),
    Index(None, "retailer_id", "line_id"),
    Index(None, "state", "id"),
    Index(None, "retailer_id", "state", "id"),
    _index_where("ix_cancellations_held", "fulfiller_id", "state", "id", where=HELD_BY_ANOTHER),
    _index_where("ix_cancellations_awaiting", "awaiting", "id", where="awaiting IS NOT NULL"),
    _index_where("ix_cancellations_due", "due_at", "id", where=WAITS),
    _index_where("ix_cancellations_due_of_retailer", "retailer_id", "due_at", "id", where=WAITS),
    _index_where("ix_cancellations_due_held", "fulfiller_id", "due_at", "id", where=WAITS_HELD),
    _index_where("ix_cancellations_escalated", "id", where=ESCALATED),
)

reassignments = Table(
    "reassignments",
    metadata,
    Column("retailer_id", Id, nullable=False),
    Column("line_id", Id, nullable=False),
    Column("seq", Integer, nullable=False, comment="which event of the line it is"),
    Column("at", Instant, nullable=False),
    Column("former_id", Id, nullable=False, comment="who held the goods until then"),
    Column("fulfiller_id", Id, nullable=False, comment="who holds them from then on"),
    PrimaryKeyConstraint("retailer_id", "line_id", "seq"),
    _refers("line_id", lines),
    Index(None, "retailer_id", "former_id"),
)
"""Lines that were given to another fulfiller. Rows are added, and never changed."""

shipments = Table(
    "shipments",
    metadata,
    Column("retailer_id", Id, nullable=False),
    Column("id", Id, nullable=False),
    Column("order_id", Id, nullable=False),
    Column("fulfiller_id", Id, nullable=False),
    Column("number", Integer, nullable=False),
    Column("reported_at", Instant, nullable=False),
    Column("carrier", Text, nullable=False),
    Column("tracking_number", Text, nullable=False),
    Column("details", Document, nullable=False, comment="method, weight, cost, reference"),
    Column("tracking_folded", Bytewise, Computed(f"lower(substr(tracking_number, 1, {FOLDED_CHARS_MAX}))")),
    PrimaryKeyConstraint("retailer_id", "id"),
    UniqueConstraint("retailer_id", "number"),
    _refers("order_id", orders),
    Index(None, "retailer_id", "order_id"),
    Index(None, "tracking_number"),
    Index(None, "tracking_folded"),
    Index(None, "retailer_id", "tracking_folded"),
    _index_where("ix_shipments_tracking_held", "fulfiller_id", "tracking_folded", where=HELD_BY_ANOTHER),
    Index(None, "id"),
    _index_where("ix_shipments_held", "fulfiller_id", "id", where=HELD_BY_ANOTHER),
)

shipment_lines = Table(
    "shipment_lines",
    metadata,
    Column("retailer_id", Id, nullable=False),
    Column("shipment_id", Id, nullable=False),
    Column("line_id", Id, nullable=False),
    Column("units", Integer, nullable=False),
    PrimaryKeyConstraint("retailer_id", "shipment_id", "line_id"),
    _refers("shipment_id", shipments),
    _refers("line_id", lines),
    CheckConstraint("units > 0", name="units"),
    Index(None, "retailer_id", "line_id"),
)

events = Table(
    "events",
    metadata,
    Column("retailer_id", Id, nullable=False),
    Column("line_id", Id, nullable=False),
    Column("seq", Integer, nullable=False),
    Column("id", Id, nullable=False),
    Column("order_id", Id, nullable=False),
    Column("cancellation_id", Id),
    Column("kind", Text, nullable=False),
    Column("at", Instant, nullable=False),
    Column("actor_id", Id, comment="null when a rule spoke"),
    Column("actor", Text, nullable=False, comment="the person or credential, in words"),
    Column("door", Text, nullable=False),
    Column("facts", Document, nullable=False),
    Column("recorded_at", Instant, comment="when it was written down, where that was later"),
    Column("position", BigInteger, nullable=False, server_default="0", comment="in the feed: see store/feed.py"),
    Column("fulfiller_id", Id, comment="who held the goods just after it"),
    PrimaryKeyConstraint("retailer_id", "line_id", "seq"),
    _refers("line_id", lines),
    Index(None, "id"),
    Index(None, "retailer_id", "position", "id"),
    _index_where("ix_events_held", "fulfiller_id", "position", "id", where=HELD_BY_ANOTHER),
)

handover_events = Table(
    "handover_events",
    metadata,
    Column("retailer_id", Id, nullable=False),
    Column("line_id", Id, nullable=False),
    Column("seq", Integer, nullable=False, comment="with line_id: which event"),
    Column("party_id", Id, nullable=False, comment="who sees it too"),
    Column("position", BigInteger, nullable=False, comment="the event's"),
    Column("id", Id, nullable=False, comment="the event's"),
    PrimaryKeyConstraint("retailer_id", "line_id", "seq", "party_id"),
    _refers("line_id", lines),
    Index(None, "party_id", "position", "id"),
)
"""Events of a line that was given to another fulfiller which a party sees though it did not hold the goods just after
them: to whom it came those before, who left that it did. Rows are added, and never changed."""

feed = Table(
    "feed",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("position", BigInteger, nullable=False),
    CheckConstraint("id = 1", name="one_row"),
)

restores = Table(
    "restores",
    metadata,
    Column("taken_at", Instant, nullable=False, comment="the moment that the backup shows"),
    Column("restored_at", Instant, primary_key=True),
)

schema_window = Table(
    "schema_window",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("serves_from", Text, nullable=False, comment="programs that need this revision or a later one"),
    CheckConstraint("id = 1", name="one_row"),
)

judgements = Table(
    "judgements",
    metadata,
    Column("retailer_id", Id, nullable=False),
    Column("cancellation_id", Id, nullable=False),
    Column("party_id", Id, nullable=False, comment="whose score it is about"),
    Column("version", Integer, nullable=False),
    Column("line_id", Id, nullable=False),
    Column("excluded", Boolean, nullable=False, comment="false: it counts after all"),
    Column("reason", Text, nullable=False),
    Column("judged_by", Text, nullable=False, comment="the operator, in words"),
    Column("door", Text, nullable=False),
    Column("at", Instant, nullable=False),
    Column("id", Id, comment="made of the time; every row has one"),
    PrimaryKeyConstraint("retailer_id", "cancellation_id", "party_id", "version"),
    _refers("cancellation_id", cancellations),
    CheckConstraint("reason <> ''", name="reason"),
    Index(None, "retailer_id", "line_id"),
    Index(None, "id"),
    Index(None, "party_id", "id"),
    Index(None, "cancellation_id"),
)

score_cards = Table(
    "score_cards",
    metadata,
    Column("party_id", Id, nullable=False),
    Column("role", Text, nullable=False),
    Column("zone", Text, nullable=False, comment="by whose clocks the week begins"),
    Column("rules", Integer, nullable=False, comment="the version of what counts"),
    Column("week", Text, nullable=False, comment="such as 2026-W47"),
    Column("starts_at", Instant, nullable=False),
    Column("ends_at", Instant, nullable=False),
    Column("partition", Integer, nullable=False, comment="which share of the parties: whose worker counts it"),
    Column("state", Text, nullable=False),
    Column("turn", Integer, nullable=False, comment="one more whenever a worker sets out to count it"),
    Column("figures", Document, nullable=False, comment="they hold while the state is counted"),
    PrimaryKeyConstraint("party_id", "role", "zone", "rules", "week"),
    CheckConstraint("state IN ('stale', 'armed', 'counted')", name="state"),
    _index_where("ix_score_cards_fresh", "party_id", "starts_at", where="state <> 'stale'"),
    _index_where("ix_score_cards_open", "partition", "state", "starts_at", where="state <> 'counted'"),
)
"""The stored figures of scorecards. See docs/decisions/0022."""

notices = Table(
    "notices",
    metadata,
    Column("retailer_id", Id, nullable=False),
    Column("id", Id, nullable=False),
    Column("partition", Integer, nullable=False, comment="which share of the retailers: whose worker sends it"),
    Column("endpoint_id", Id, nullable=False),
    Column("event_id", Id, nullable=False),
    Column("line_id", Id, nullable=False, comment="all zeros where the notice is about a process status"),
    Column("seq", Integer, nullable=False, comment="with line_id: which event; or the number of the process status"),
    Column("kind", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("due_at", Instant, comment="null once it is sent or dead"),
    Column("last_result", Text, nullable=False, comment="the last attempt, in words"),
    Column("attempted_at", Instant),
    Column("created_at", Instant, nullable=False),
    PrimaryKeyConstraint("retailer_id", "id"),
    CheckConstraint("state IN ('due', 'sent', 'dead') AND (state = 'due') = (due_at IS NOT NULL)", name="state"),
    _index_where("ix_notices_due", "partition", "endpoint_id", "due_at", where="state = 'due'"),
    _index_where("ix_notices_dead", "partition", "endpoint_id", "created_at", where="state = 'dead'"),
)

attempts = Table(
    "attempts",
    metadata,
    Column("retailer_id", Id, nullable=False, comment="of its notice; of a test, the party that owns the endpoint"),
    Column("id", Id, nullable=False),
    Column("notice_id", Id, comment="null for a test"),
    Column("endpoint_id", Id, nullable=False),
    Column("event_id", Id, nullable=False, comment="of a test, the id that it was sent under"),
    Column("line_id", Id, comment="with seq: which event; null for a test"),
    Column("seq", Integer),
    Column("kind", Text, nullable=False),
    Column("url", Text, nullable=False, comment="where the endpoint was then"),
    Column("at", Instant, nullable=False),
    Column("ok", Boolean, nullable=False),
    Column("duration_ms", Integer, nullable=False),
    Column("status", Integer, comment="of the answer, if there was one"),
    Column("answer", Text, nullable=False, comment="its first 1 kB"),
    Column("error", Text, nullable=False, comment="why there was none, in words"),
    PrimaryKeyConstraint("retailer_id", "id"),
    Index(None, "endpoint_id", "id"),
    Index(None, "notice_id", "id"),
)

order_money = Table(
    "order_money",
    metadata,
    Column("retailer_id", Id, nullable=False),
    Column("id", Id, nullable=False, comment="the order's"),
    Column(
        "terms",
        Document,
        nullable=False,
        comment="prices, discounts, charges; payments as they are now",
    ),
    Column("cancelled", Document, nullable=False, comment="how many units of each line"),
    Column("given_back", Document, nullable=False, comment="refunded and released of each payment"),
    PrimaryKeyConstraint("retailer_id", "id"),
    _refers("id", orders),
)

refunds = Table(
    "refunds",
    metadata,
    Column("retailer_id", Id, nullable=False),
    Column("id", Id, nullable=False),
    Column("partition", Integer, nullable=False, comment="which share of the retailers: whose worker settles it"),
    Column("order_id", Id, nullable=False),
    Column("line_id", Id, nullable=False),
    Column("cancellation_id", Id, nullable=False),
    Column("payment_id", Text, nullable=False, comment="which of the order's payments gives back"),
    Column("provider", Text, nullable=False),
    Column("payment_reference", Text, nullable=False, comment="the provider's name of the payment"),
    Column("method", Text, nullable=False),
    Column("kind", Text, nullable=False, comment="refund, or release of what was only authorised"),
    Column("amount_minor", BigInteger, nullable=False),
    Column("elsewhere_minor", BigInteger, nullable=False, comment="what was found refunded at the provider already"),
    Column("currency", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("round", Integer, nullable=False, comment="one more after every definite failure: the n of its key"),
    Column("attempts", Integer, nullable=False),
    Column("due_at", Instant, comment="null when nothing is left for a worker to do"),
    Column("sent_at", Instant, comment="when this round was first sent: how old its key is"),
    Column("provider_reference", Text, nullable=False, comment="the provider's name of the refund"),
    Column("movement", Text, comment="the provider's last word"),
    Column("last_result", Text, nullable=False, comment="the last attempt, in words"),
    Column("created_at", Instant, nullable=False),
    Column("settled_at", Instant),
    Column("note", Text, nullable=False, comment="of the person that closed it"),
    Column("check_at", Instant, comment="when the provider is asked again about what is done or parked"),
    Column("paid_minor", BigInteger, nullable=False, comment="had gone back besides when an operator corrected it"),
    Column("moved_minor", BigInteger, nullable=False, comment="so much of this by earlier calls to the provider"),
    Column("step", Integer, nullable=False, comment="decisions on it: 1 at first"),
    Column("corrected_step", Integer, comment="the step that the last correction answered"),
    Column("parked_at", Instant, comment="since when a person has to see to it"),
    Column("no_provider", Boolean, nullable=False, comment="parked only because its provider is not set up"),
    Column("waiting_for", Text, comment="what it waits for that only time brings: funds, for one"),
    Column("joined_lead", Id, comment="the refund whose key the call has that it shares, or shared before"),
    Column("joined_number", Integer, comment="the round of that one: the n of the key"),
    Column("joined_round", Integer, comment="in which round of its own: now, if that is its present one"),
    Column("joined_share_minor", BigInteger, comment="so much of that call is for this"),
    Column("joined_total_minor", BigInteger, comment="what that call is of"),
    PrimaryKeyConstraint("retailer_id", "id"),
    _refers("cancellation_id", cancellations),
    CheckConstraint(
        "amount_minor > 0 AND elsewhere_minor BETWEEN 0 AND amount_minor AND paid_minor BETWEEN 0 AND amount_minor"
        " AND moved_minor BETWEEN 0 AND paid_minor",
        name="amount",
    ),
    CheckConstraint(
        "state IN ('by_hand', 'due', 'sent', 'accepted', 'unknown', 'confirmed', 'parked', 'closed')"
        " AND (state IN ('due', 'sent', 'accepted', 'unknown')) = (due_at IS NOT NULL)"
        " AND kind IN ('refund', 'release') AND (check_at IS NULL OR state IN ('confirmed', 'parked'))"
        " AND (state = 'parked' OR NOT no_provider)",
        name="state",
    ),
    Index(None, "retailer_id", "order_id"),
    Index(None, "retailer_id", "cancellation_id"),
    Index(None, "payment_reference"),
    Index(None, "id"),
    _index_where("ix_refunds_due", "partition", "due_at", where="due_at IS NOT NULL"),
    _index_where("ix_refunds_checked", "partition", "check_at", where="check_at IS NOT NULL"),
    _index_where("ix_refunds_joined", "joined_lead", where="joined_lead IS NOT NULL"),
    Index(None, "state", "id"),
    Index(None, "retailer_id", "state", "id"),
)

journal = Table(
    "journal",
    metadata,
    Column("retailer_id", Id, nullable=False),
    Column("id", Id, nullable=False),
    Column("order_id", Id, nullable=False),
    Column("line_id", Id, nullable=False),
    Column("refund_id", Id, comment="null for commission"),
    Column("at", Instant, nullable=False),
    Column("kind", Text, nullable=False, comment="refund.due, refund.done, ...: what it was written for"),
    Column("debit", Text, nullable=False, comment="the account that gives"),
    Column("credit", Text, nullable=False, comment="the account that receives"),
    Column("amount_minor", BigInteger, nullable=False),
    Column("currency", Text, nullable=False),
    PrimaryKeyConstraint("retailer_id", "id"),
    _refers("line_id", lines),
    CheckConstraint("amount_minor > 0", name="amount"),
    CheckConstraint("debit <> credit", name="accounts"),
    Index(None, "retailer_id", "order_id"),
    Index(None, "id"),
)
"""Double entry: a row is a debit and a credit of one amount, so the sum over all accounts is zero, whatever is in it.
Rows are added and never changed."""

process_statuses = Table(
    "process_statuses",
    metadata,
    Column("retailer_id", Id, nullable=False),
    Column("number", Integer, nullable=False),
    Column("event_type", Text, nullable=False),
    Column("entity_id", Text, nullable=False),
    Column("status", Text, nullable=False),
    Column("error_message", Text),
    Column("cancellation_id", Id, comment="whose answer a PENDING one waits for"),
    Column("claimed_at", Text, comment="the DateTime the caller gave, as data"),
    Column("created_at", Instant, nullable=False),
    Column("settled_at", Instant),
    PrimaryKeyConstraint("retailer_id", "number"),
    CheckConstraint("status IN ('PENDING', 'SUCCESS', 'FAILURE', 'TIMEOUT')", name="status"),
    Index("ix_process_statuses_about", "retailer_id", "entity_id", "event_type", "created_at", "number"),
    _index_where("ix_process_statuses_pending", "cancellation_id", where="status = 'PENDING'"),
)

idempotency_records = Table(
    "idempotency_records",
    metadata,
    Column("retailer_id", Id, nullable=False),
    Column("caller", Text, nullable=False),
    Column("key", Text, nullable=False),
    Column("fingerprint", Text, nullable=False),
    Column("answer", Document, nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("parts", Document, comment="digests of what the call said, by place; null where only the whole is known"),
    Column("reply", LargeBinary, comment="what the caller got, compressed; null where it is made anew"),
    Column("order_id", Id, comment="the order that the reply shows"),
    PrimaryKeyConstraint("retailer_id", "caller", "key"),
    _index_where("ix_idempotency_records_order_id", "order_id", where="order_id IS NOT NULL"),
)

jobs = Table(
    "jobs",
    metadata,
    Column("id", Id, primary_key=True),
    Column("party_id", Id, ForeignKey("parties.id"), nullable=False),
    Column("partition", Integer, nullable=False, comment="which share of the parties: whose worker does it"),
    Column("kind", Text, nullable=False),
    Column("format", Text, comment="of its file, if it has one"),
    Column("dry_run", Boolean, nullable=False),
    Column("label", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("by", Text, nullable=False, comment="who started it, or made it while it is a draft"),
    Column("parts", Integer, nullable=False, comment="how many parts of its file are there"),
    Column("terms", Document, nullable=False, comment="of a job without a file: what it does, and how far it is"),
    Column("total", Integer, comment="how many rows; null until the file was read"),
    Column("done", Integer, nullable=False, comment="rows with a result: the first so many of the file"),
    Column("ok", Integer, nullable=False),
    Column("refused", Integer, nullable=False),
    Column("invalid", Integer, nullable=False),
    Column("cancelled", Integer, nullable=False),
    Column("cancelled_at", Instant, comment="since when no more of its rows are to be done"),
    Column("created_at", Instant, nullable=False),
    Column("started_at", Instant),
    Column("finished_at", Instant),
    CheckConstraint(
        "state IN ('draft', 'queued', 'running', 'done', 'cancelled')"
        " AND (state IN ('done', 'cancelled')) = (finished_at IS NOT NULL)",
        name="state",
    ),
    CheckConstraint("kind IN ('ask', 'answer', 'order', 'recover') AND format IN ('csv', 'jsonl')", name="kind"),
    CheckConstraint("done = ok + refused + invalid + cancelled", name="counts"),
    Index(None, "party_id", "id"),
    _index_where("ix_jobs_unfinished", "party_id", where=UNFINISHED_JOB),
    _index_where("ix_jobs_open", "partition", "id", where=OPEN_JOB),
)

job_parts = Table(
    "job_parts",
    metadata,
    Column("job_id", Id, ForeignKey("jobs.id"), nullable=False),
    Column("number", Integer, nullable=False, autoincrement=False),
    Column("party_id", Id, nullable=False),
    Column("size", Integer, nullable=False),
    Column("digest", Text, nullable=False),
    Column("content", LargeBinary, nullable=False),
    PrimaryKeyConstraint("job_id", "number"),
)
"""The file of a job, cut into parts. They go when the job ends."""

job_rows = Table(
    "job_rows",
    metadata,
    Column("job_id", Id, ForeignKey("jobs.id"), nullable=False),
    Column("row", Integer, nullable=False, autoincrement=False),
    Column("party_id", Id, nullable=False),
    Column("result", Text, nullable=False),
    Column("subject_id", Id, comment="the cancellation or the order that it led to"),
    Column("code", Text, nullable=False),
    Column("detail", Text, nullable=False),
    Column("errors", Document, nullable=False),
    Column("input", Document, comment="the row, as far as it could be read"),
    PrimaryKeyConstraint("job_id", "row"),
    CheckConstraint("result IN ('ok', 'refused', 'invalid', 'cancelled')", name="result"),
    Index(None, "job_id", "result", "row"),
)
"""What became of each row of a job: one by one, in the order of its file."""

saved_views = Table(
    "saved_views",
    metadata,
    Column("id", Id, primary_key=True),
    Column("party_id", Id, ForeignKey("parties.id"), nullable=False),
    Column("user_id", Id, ForeignKey("users.id"), nullable=False),
    Column("list", Text, nullable=False, comment="which list of the console"),
    Column("name", Text, nullable=False),
    Column("query", Text, nullable=False, comment="its filters as in the address; nothing of customers"),
    Column("created_at", Instant, nullable=False),
    UniqueConstraint("user_id", "list", "name"),
)
"""Filters of lists that a user of the console has kept under a name."""

quota_counts = Table(
    "quota_counts",
    metadata,
    Column("key", Text, primary_key=True, comment="a digest of whose quota it is, and of what"),
    Column("calls_left", Float, nullable=False, comment="at that moment; below 0 it was exceeded"),
    Column("at", Instant, nullable=False),
    Column("full_at", Instant, nullable=False, comment="from then on the row says nothing"),
    Index(None, "full_at"),
)
"""What is left of quotas that several processes count together. PostgreSQL does not log it: a crash empties it."""

order_search = Table(
    "order_search",
    MetaData(),
    Column("terms", Text, nullable=False),
    Column("retailer_id", Id, nullable=False),
    Column("order_id", Id, nullable=False),
    Column("fulfiller_id", Id, nullable=False),
    Column("placed_at", Instant, nullable=False),
)
"""SQLite's full-text index of ``order_parts``. PostgreSQL has none, so it is no part of the schema that both share."""
