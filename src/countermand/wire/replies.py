"""THE table: which status each outcome has in each dialect. Nothing else in the doors picks a status for a failure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final, Self

from countermand.domain.refusals import Refusal, RefusalKind

Header = tuple[bytes, bytes]

NOT_ANSWERED: Final = "The database did not answer. Nothing is lost; repeat the call."

BUSY: Final = "There is too much to do at the moment. Nothing was done; repeat the call."


SORRY: Final = "Something went wrong here. It was logged."


class Problem(StrEnum):
    """What can be wrong with a call before any rule is asked."""

    NOT_FOUND = "not_found"
    UNAUTHENTICATED = "unauthenticated"
    FORBIDDEN = "forbidden"
    WRONG_PARTY = "wrong_party"
    METHOD_NOT_ALLOWED = "method_not_allowed"
    UNSUPPORTED_MEDIA_TYPE = "unsupported_media_type"
    MALFORMED = "malformed"
    INVALID = "invalid"
    TOO_LARGE = "too_large"
    TOO_SLOW = "too_slow"
    RATE_LIMITED = "rate_limited"
    TOO_BROAD = "too_broad"
    UNKNOWN_ENDPOINT = "unknown_endpoint"
    UNKNOWN_EVENT = "unknown_event"
    UNKNOWN_NOTICE = "unknown_notice"
    UNKNOWN_ATTEMPT = "unknown_attempt"
    UNKNOWN_PARTY = "unknown_party"
    UNKNOWN_SHIPMENT = "unknown_shipment"
    UNKNOWN_USER = "unknown_user"
    UNKNOWN_CREDENTIAL = "unknown_credential"
    UNKNOWN_POLICY = "unknown_policy"
    NAME_TAKEN = "name_taken"
    IF_MATCH_NEEDED = "if_match_needed"
    KEY_IN_USE = "key_in_use"
    LIMIT_REACHED = "limit_reached"
    NOT_SIGNED = "not_signed"
    ENDPOINT_REMOVED = "endpoint_removed"
    NOTHING_TO_CONFIRM = "nothing_to_confirm"
    UNKNOWN_JOB = "unknown_job"
    JOB_NOT_OPEN = "job_not_open"
    PART_DIFFERS = "part_differs"
    UNAVAILABLE = "unavailable"
    INTERNAL = "internal"


class CallError(Exception):
    """The call ends here, with a problem or a refusal and a sentence about it. Each door writes it in its own form."""

    def __init__(
        self,
        kind: Problem | RefusalKind,
        detail: str,
        *headers: Header,
        refusal: Refusal | None = None,
        errors: Sequence[Mapping[str, Any]] | None = None,
        differs: Sequence[str] | None = None,
    ) -> None:
        super().__init__(detail)
        self.kind = kind
        self.detail = detail
        self.headers = headers
        self.refusal = refusal
        self.errors = errors
        self.differs = differs

    @classmethod
    def of(cls, refusal: Refusal, *, replayed: bool = False) -> Self:
        """The rules did not accept the call; ``replayed``, or its first twin."""
        headers = [(b"idempotent-replayed", b"true")] if replayed else []
        return cls(refusal.kind, refusal.detail, *headers, refusal=refusal)


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One outcome's status in each dialect.

    ``plaza`` is a status and the number after ``PAI-``, ``retailer`` the status of bol's later API; a refusal has none
    there, as it ends in a process status (docs/plaza.md, docs/retailer.md).
    ``crux_seed`` is DELETE on the seed's own path, which answers with the seed's seven codes and no other;
    ``crux_v1`` the rest of CRUX's first generation and ``crux_timp`` its second, where 409 means a wrong party.
    """

    crux_seed: int
    crux_v1: int
    crux_timp: int
    native: int
    plaza: tuple[int, int] | None = None
    retailer: int | None = None


def _crux(
    status: int,
    *,
    native: int,
    seed: int | None = None,
    timp: int | None = None,
    plaza: tuple[int, int] | None = None,
    retailer: int | None = None,
) -> Row:
    return Row(
        crux_seed=seed or status,
        crux_v1=status,
        crux_timp=timp or status,
        native=native,
        plaza=plaza,
        retailer=retailer or (plaza and plaza[0]),
    )


REPLIES: Final[dict[Problem | RefusalKind, Row]] = {
    Problem.NOT_FOUND: _crux(404, native=404, plaza=(404, 41000)),
    Problem.UNAUTHENTICATED: _crux(401, native=401, plaza=(401, 41102)),
    Problem.FORBIDDEN: _crux(403, native=403, plaza=(403, 41000)),
    Problem.WRONG_PARTY: _crux(403, timp=409, native=403, plaza=(403, 41000)),
    Problem.METHOD_NOT_ALLOWED: _crux(405, native=405, plaza=(405, 41000)),
    Problem.UNSUPPORTED_MEDIA_TYPE: _crux(415, native=415, plaza=(415, 41000)),
    Problem.MALFORMED: _crux(400, native=400, plaza=(400, 41100)),
    Problem.INVALID: _crux(400, native=422, plaza=(400, 41100)),
    Problem.TOO_LARGE: _crux(413, seed=400, native=413, plaza=(413, 41202)),
    Problem.TOO_SLOW: _crux(408, seed=400, native=408, plaza=(408, 41000)),
    Problem.RATE_LIMITED: _crux(429, seed=503, native=429, plaza=(409, 41501), retailer=429),
    Problem.TOO_BROAD: _crux(422, native=422, plaza=(400, 41100)),
    Problem.UNKNOWN_ENDPOINT: _crux(404, native=404, plaza=(404, 41000)),
    Problem.UNKNOWN_EVENT: _crux(404, native=404, plaza=(404, 41000)),
    Problem.UNKNOWN_NOTICE: _crux(404, native=404, plaza=(404, 41000)),
    Problem.UNKNOWN_ATTEMPT: _crux(404, native=404, plaza=(404, 41000)),
    Problem.UNKNOWN_PARTY: _crux(404, native=404, plaza=(404, 41000)),
    Problem.UNKNOWN_SHIPMENT: _crux(404, native=404, plaza=(404, 41000)),
    Problem.UNKNOWN_USER: _crux(404, native=404, plaza=(404, 41000)),
    Problem.UNKNOWN_CREDENTIAL: _crux(404, native=404, plaza=(404, 41000)),
    Problem.UNKNOWN_POLICY: _crux(404, native=404, plaza=(404, 41000)),
    Problem.NAME_TAKEN: _crux(409, native=409, plaza=(409, 41000)),
    Problem.IF_MATCH_NEEDED: _crux(428, native=428, plaza=(428, 41000)),
    Problem.KEY_IN_USE: _crux(409, native=409, plaza=(409, 41000)),
    Problem.LIMIT_REACHED: _crux(409, native=409, plaza=(409, 41000)),
    Problem.NOT_SIGNED: _crux(409, native=409, plaza=(409, 41000)),
    Problem.ENDPOINT_REMOVED: _crux(409, native=409, plaza=(409, 41000)),
    Problem.NOTHING_TO_CONFIRM: _crux(409, native=409, plaza=(409, 41000)),
    Problem.UNKNOWN_JOB: _crux(404, native=404, plaza=(404, 41000)),
    Problem.JOB_NOT_OPEN: _crux(409, native=409, plaza=(409, 41000)),
    Problem.PART_DIFFERS: _crux(409, native=409, plaza=(409, 41000)),
    Problem.UNAVAILABLE: _crux(503, native=503, plaza=(503, 41000)),
    Problem.INTERNAL: _crux(500, native=500, plaza=(500, 41000)),
    RefusalKind.UNKNOWN_LINE: _crux(422, native=404),
    RefusalKind.UNKNOWN_ORDER: _crux(404, native=404),
    RefusalKind.UNKNOWN_CANCELLATION: _crux(422, native=404),
    RefusalKind.UNKNOWN_REFUND: _crux(422, native=404),
    RefusalKind.UNKNOWN_PAYMENT: _crux(422, native=404),
    RefusalKind.STEP_NEEDED: _crux(422, native=428),
    RefusalKind.ETAG_MISMATCH: _crux(422, native=412),
    RefusalKind.REASSIGNED: _crux(422, native=409),
    RefusalKind.STATE_CHANGED: _crux(422, native=409),
    RefusalKind.UNITS_INVALID: _crux(400, seed=422, native=422),
    RefusalKind.REASON_REQUIRED: _crux(400, seed=422, native=422),
    RefusalKind.ALREADY_ANSWERED: _crux(422, native=409),
    RefusalKind.ALREADY_SHIPPED: _crux(422, native=409),
    RefusalKind.REJECTED_BY_FULFILLER: _crux(422, native=409),
    RefusalKind.ALREADY_CANCELLED: _crux(422, native=409),
    RefusalKind.ALREADY_ASKED: _crux(422, native=409),
    RefusalKind.NOT_ACCEPTED_BY_FULFILLER: _crux(422, native=409),
    RefusalKind.NOTHING_ASKED: _crux(422, native=409),
    RefusalKind.UNITS_ASKED: _crux(422, native=409),
    RefusalKind.TOO_MANY_UNITS: _crux(422, native=409),
    RefusalKind.ALL_OR_NOTHING: _crux(422, native=409),
    RefusalKind.PARTY_INACTIVE: _crux(422, native=409),
    RefusalKind.NO_PRICE: _crux(422, native=409),
    RefusalKind.REFUND_NOT_OPEN: _crux(422, native=409),
    RefusalKind.PAYMENT_EXISTS: _crux(422, native=409),
    RefusalKind.PAYMENT_DIFFERS: _crux(422, native=409),
    RefusalKind.PAYMENT_TAKEN: _crux(422, native=409),
    RefusalKind.ORDER_EXISTS: _crux(422, native=409),
    RefusalKind.KEY_REUSED: _crux(422, native=422),
}
