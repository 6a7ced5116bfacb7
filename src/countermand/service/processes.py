"""Process statuses, which a caller of bol's API polls until they have an end."""

from collections.abc import Sequence
from uuid import UUID

from countermand.domain.line import Cancellation, State
from countermand.domain.refusals import Refusal
from countermand.service.calls import ProcessWish
from countermand.service.rows import Rows


def open_process(
    rows: Rows, wish: ProcessWish, retailer: UUID, refusal: Refusal | None, changed: Sequence[Cancellation]
) -> int:
    """Write down how a call went; it is pending while a cancellation of it waits for its answer. Returns its number."""
    number = rows.numbers.take()
    # Of several, the last: the caller's own ask comes after those of others that it passed on.
    waiting = next((each for each in reversed(changed) if each.state is State.ASKED), None)
    status = "FAILURE" if refusal else "PENDING" if waiting else "SUCCESS"
    rows.add(
        "process_statuses",
        retailer_id=retailer,
        number=number,
        event_type=wish.event_type,
        entity_id=wish.entity_id,
        status=status,
        error_message=refusal.detail if refusal else None,
        cancellation_id=waiting.id if waiting else None,
        claimed_at=wish.claimed_at,
        created_at=rows.now,
        settled_at=None if waiting else rows.now,
    )
    return number


def settle_process(rows: Rows, retailer: UUID, cancellation: Cancellation) -> None:
    """End the process status that waits for this cancellation, if there is one and the cancellation has its answer."""
    outcome = _process_outcome(cancellation)
    if outcome:
        status, error = outcome
        rows.settled.append(
            {
                "of_retailer": retailer,
                "of_cancellation": cancellation.id,
                "new_status": status,
                "new_error": error,
                "new_settled_at": rows.now,
            }
        )


def _process_outcome(cancellation: Cancellation) -> tuple[str, str | None] | None:
    """How a process status that waits for this cancellation ends (spec/bol-plaza.md 3)."""
    match cancellation.state:
        case State.ASKED:
            return None
        case State.ACCEPTED if cancellation.accepted_units < cancellation.units:
            return "SUCCESS", _in_part(cancellation)
        case State.ACCEPTED:
            return "SUCCESS", None
        case State.LAPSED:
            return "TIMEOUT", "The party that holds the goods did not answer in time."
        case State.WITHDRAWN if cancellation.by_policy:
            return "FAILURE", f"The cancellation has ended. {cancellation.answer_note}"
        case State.WITHDRAWN:
            return "FAILURE", "The cancellation was withdrawn."
        case State.DECLINED:
            return "FAILURE", f"The cancellation was declined: {cancellation.decline_reason}."


def _in_part(cancellation: Cancellation) -> str:
    """Both numbers, for the asker (EC-15)."""
    units, accepted = cancellation.units, cancellation.accepted_units
    why = f": {cancellation.decline_reason}" if cancellation.decline_reason else ""
    return f"{accepted} of {units} units were cancelled; {units - accepted} will be sent{why}."
