"""Every metric of the service. ``make docs`` writes docs/reference/metrics.md from them."""

from typing import Final

from countermand.domain.events import EventKind
from countermand.domain.line import State
from countermand.observability.instruments import Counter, Gauge, Histogram, Instrument, label

_SHORT_S: Final = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
"""For what a caller waits for."""
_LONG_S: Final = (1.0, 10.0, 60.0, 300.0, 1800.0, 3600.0, 14_400.0, 43_200.0, 86_400.0, 259_200.0, 604_800.0)
"""For what people and providers take: a second to a week."""

_DOOR: Final = label(
    "door", "the API or page: `crux`, `bol_plaza`, `bol_retailer`, `native`, `answer`, `console`, `payments`"
)
_STATUS: Final = label("status", "the status of the answer", [str(each) for each in range(100, 600)])
_ENDED: Final = ("delivered", "failed", "gone")
_CHANNEL: Final = label("channel", "the kind of endpoint: `webhook` or `mailbox`")
_RESULT: Final = label("result", "what became of it", ("ok", "failed"))

# Calls

HTTP_REQUESTS: Final = Counter(
    "countermand_http_requests_total",
    "Calls that were answered.",
    (_DOOR, label("operation", "the operation, as the log names it; empty if the call was none"), _STATUS),
)
HTTP_REQUEST_SECONDS: Final = Histogram(
    "countermand_http_request_seconds",
    "How long calls took, from the first byte of their headers being read to the last of the answer being written."
    " Streams of events are not counted.",
    (_DOOR,),
    bounds=_SHORT_S,
)
REFUSALS: Final = Counter(
    "countermand_refusals_total",
    "Calls that ended with a refusal or a problem.",
    (_DOOR, label("code", "the refusal or the problem, see [refusals and problems](problems.md)")),
)
CALLS_IN_PROGRESS: Final = Gauge(
    "countermand_calls_in_progress", "Calls that came whole and are not answered yet, without streams of events."
)
SHED_CALLS: Final = Counter(
    "countermand_shed_calls_total",
    "Calls that were turned away because there was too much to do. Nothing of them was done.",
    (label("reason", "what was full", ("calls", "lane", "reads")),),
)
# Connections

CONNECTIONS: Final = Gauge("countermand_connections", "Connections of callers that are open.")
CONNECTIONS_MAX: Final = Gauge("countermand_connections_max", "How many connections there may be.")
CONNECTIONS_REFUSED: Final = Counter(
    "countermand_connections_refused_total", "Connections that were refused because there were too many."
)

# The write road

LANE_DEPTH: Final = Gauge("countermand_lane_depth", "Calls that wait for a transaction, in all lanes.")
LANE_DEPTH_MAX: Final = Gauge("countermand_lane_depth_max", "How many calls may wait; the next one is turned away.")
BATCH_CALLS: Final = Histogram(
    "countermand_batch_calls",
    "How many calls shared a transaction.",
    bounds=(1, 2, 4, 8, 16, 32, 64),
)
BATCHES: Final = Counter(
    "countermand_batches_total",
    "Transactions of lanes.",
    (label("result", "`unknown`: the commit had no answer", ("ok", "failed", "unknown")),),
)
DB_COMMIT_SECONDS: Final = Histogram(
    "countermand_db_commit_seconds",
    "How long transactions that write took, from their beginning to the end of the commit.",
    bounds=_SHORT_S,
)
DB_READ_SECONDS: Final = Histogram(
    "countermand_db_read_seconds", "How long reads took, without the wait for their turn.", bounds=_SHORT_S
)
READERS: Final = Gauge("countermand_readers_in_use", "Connections that are reading from the database.")
READERS_MAX: Final = Gauge("countermand_readers_max", "How many connections can read.")
READS_WAITING: Final = Gauge("countermand_reads_waiting", "Reads that wait for their turn.")
DB_UNAVAILABLE: Final = Counter(
    "countermand_db_unavailable_total",
    "Reads and seldom changes that failed because the database did not answer. Those of lanes are"
    " `countermand_batches_total`.",
)
STANDBY_READS: Final = Counter(
    "countermand_standby_reads_total",
    "Reads of lists, where there is a standby for them.",
    (label("result", "`read` there, or `unfit`: too far behind or away, so the primary was asked", ("read", "unfit")),),
)

# What the service is for

CANCELLATIONS: Final = Counter(
    "countermand_cancellations_total",
    "Cancellations that came into a state.",
    (
        label("door", "where the call came in that did it; `policy` if a rule did"),
        label("state", "the state", [*(each.value for each in State), "escalated"]),
    ),
)
DECISION_SECONDS: Final = Histogram(
    "countermand_decision_seconds",
    "How long cancellations waited, from the ask to the end.",
    (label("state", "how they ended", [each.value for each in State]),),
    bounds=_LONG_S,
)
DEADLINE_MISSED: Final = Counter(
    "countermand_deadline_missed_total",
    "Deadlines that passed without an answer.",
    (label("outcome", "what the policy made of it", ("accepted", "lapsed", "escalated")),),
)
EVENTS: Final = Counter(
    "countermand_events_total",
    "Changes of state.",
    (label("kind", "the kind of [event](../events.md)", [each.value for each in EventKind]),),
)

# Notices and e-mails

DELIVERY_ATTEMPTS: Final = Counter(
    "countermand_delivery_attempts_total",
    "Attempts to send a notice.",
    (_CHANNEL, label("result", "`gone`: the receiver wants no more", _ENDED)),
)
DELIVERY_SECONDS: Final = Histogram(
    "countermand_delivery_seconds", "How long attempts to send a notice took.", (_CHANNEL,), bounds=_SHORT_S
)
NOTICES_DEAD: Final = Counter("countermand_notices_dead_total", "Notices that were given up after their last attempt.")
MAIL_ATTEMPTS: Final = Counter(
    "countermand_mail_attempts_total",
    "Attempts to send an e-mail to the owner of an endpoint or to a mailbox that is to be confirmed.",
    (label("kind", "which e-mail", ("owner", "confirmation")), label("result", "what became of it", _ENDED)),
)
OUTBOX_OLDEST_SECONDS: Final = Gauge(
    "countermand_outbox_oldest_seconds",
    "For how long the notice has been due that has been due longest, of endpoints that answer. 0: none is due.",
)
ENDPOINT_PAUSED: Final = Gauge(
    "countermand_endpoint_paused", "Endpoints that are paused or disabled, by their owner or by the service."
)

# The stream of a broker

STREAM_EVENTS: Final = Counter(
    "countermand_stream_events_total",
    "Events that were published to the stream.",
    (label("result", "`repeated`: the stream had it already and dropped it", ("stored", "repeated")),),
)
STREAM_REFILLS: Final = Counter(
    "countermand_stream_refills_total",
    "How often publishing went back to an earlier place.",
    (
        label(
            "why",
            "`begun`: there was no stream before; `lost`: it is another one; `cut`: its end was missing",
            ("begun", "lost", "cut"),
        ),
    ),
)
STREAM_OLDEST_SECONDS: Final = Gauge(
    "countermand_stream_oldest_seconds",
    "How long ago the event was saved that has waited longest to be published. 0: none waits, or no stream is set.",
)

# Refunds

REFUND_ATTEMPTS: Final = Counter(
    "countermand_refund_attempts_total",
    "Refunds that were worked on: sent, asked about, or found to wait.",
    (
        label("provider", "the payment provider", ("stripe", "mollie", "manual")),
        label("result", "whether it was saved", ("saved", "not_saved")),
    ),
)
REFUND_SECONDS: Final = Histogram(
    "countermand_refund_seconds",
    "How long refunds took, from the decision to the confirmation.",
    (label("provider", "the payment provider", ("stripe", "mollie", "manual")),),
    bounds=_LONG_S,
)
PROVIDER_CALLS: Final = Counter(
    "countermand_provider_calls_total",
    "Calls to payment providers.",
    (
        label("provider", "the payment provider", ("stripe", "mollie")),
        label("answer", "the first digit of the status, or `none`", ("2xx", "3xx", "4xx", "5xx", "none")),
    ),
)
PROVIDER_SECONDS: Final = Histogram(
    "countermand_provider_seconds",
    "How long calls to payment providers took.",
    (label("provider", "the payment provider", ("stripe", "mollie")),),
    bounds=_SHORT_S,
)
REFUND_IN_DOUBT: Final = Gauge(
    "countermand_refund_in_doubt", "Refunds of which nobody knows whether the provider has made them."
)
REFUND_PARKED: Final = Gauge("countermand_refund_parked", "Refunds that a person has to look at.")

# The worker

DEADLINE_OLDEST_SECONDS: Final = Gauge(
    "countermand_deadline_oldest_seconds",
    "For how long the deadline has passed that is overdue longest and has not fired yet. 0: none is overdue.",
)
ESCALATED: Final = Gauge("countermand_cancellations_escalated", "Cancellations that wait for an operator's answer.")
JOBS_OPEN: Final = Gauge("countermand_jobs_open", "Jobs that are to be done.")
BACKLOG_READ: Final = Gauge(
    "countermand_backlog_read_timestamp_seconds", "When the numbers of what waits were read, as Unix time."
)
WORKER_PASSES: Final = Counter(
    "countermand_worker_passes_total",
    "Passes of the worker's loops.",
    (label("loop", "what the loop does"), _RESULT),
)
WORKER_LAG_SECONDS: Final = Gauge(
    "countermand_worker_lag_seconds",
    "How long ago each loop of the worker ended a pass that did not fail.",
    (label("loop", "what the loop does"),),
)
PARTITIONS_OWNED: Final = Gauge(
    "countermand_partitions_owned",
    "Partitions of retailers whose lease this process has, of 32 in all.",
)
LEASE_CHANGES: Final = Counter(
    "countermand_lease_changes_total",
    "Partitions that this process took or lost.",
    (label("change", "which of the two", ("taken", "lost")),),
)
RETENTION_ROWS: Final = Counter(
    "countermand_retention_rows_total",
    "Rows that retention deleted, and orders whose customer it erased.",
    (label("table", "where; `orders` are erased customers"),),
)

# The process

READY: Final = Gauge(
    "countermand_ready",
    "Whether a check of `/readyz` found all well the last time that it was asked: 1 or 0.",
    (label("check", "the check", ("database", "schema", "worker", "disk", "keys")),),
)
DISK_FREE_BYTES: Final = Gauge(
    "countermand_disk_free_bytes", "Free bytes where the SQLite file is; absent on PostgreSQL."
)
LOG_LINES: Final = Counter(
    "countermand_log_lines_total",
    "Lines of the log.",
    (label("level", "the level", ("debug", "info", "warning", "error", "critical")),),
)
BUILD_INFO: Final = Gauge(
    "countermand_build_info",
    "Always 1; its labels say what runs.",
    (label("version", "the version of Countermand"), label("engine", "the database")),
)
STARTED: Final = Gauge("countermand_start_time_seconds", "When the process became ready, as Unix time.")

METRICS: Final[tuple[Instrument, ...]] = tuple(each for each in list(vars().values()) if isinstance(each, Instrument))
"""All of them, in the order of the page."""
