"""Whether a report of a parcel repeats an earlier one, from any party."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from uuid import UUID

from countermand.domain.commands import ChangeParcel, Parcel, Ship, ShipOrder
from countermand.domain.line import Line


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportedParcel:
    """A parcel of an order, with how many units of each line are in it.

    ``number`` is its own. ``reported_number`` is the tracking number that it was reported with, before any correction.
    """

    id: UUID
    number: int
    carrier: str
    tracking_number: str
    reported_number: str
    reference: str
    contents: Mapping[UUID, int]


def reported(parcel: Parcel, number: int, contents: Mapping[UUID, int]) -> ReportedParcel:
    """The parcel of a report, which got this number."""
    return ReportedParcel(
        id=parcel.id,
        number=number,
        carrier=parcel.carrier,
        tracking_number=parcel.tracking_number,
        reported_number=parcel.tracking_number,
        reference=parcel.reference,
        contents=contents,
    )


def reported_before(
    command: ShipOrder, lines: Sequence[Line], parcels: Iterable[ReportedParcel]
) -> ReportedParcel | None:
    """The parcel that this report repeats, if it does: one with the same number, reference and contents.

    Parcels without a number count as equal, so a second one needs a reference. A report that answers an ask is never a
    repeat.
    """
    if any(each.cancellation or _ships_more(each, lines) for each in command.lines):
        return None
    number, reference = plain(command.parcel.tracking_number), plain(command.parcel.reference)
    for each in parcels:
        numbers = (plain(each.reported_number), plain(each.tracking_number))
        if number in numbers and plain(each.reference) == reference and _holds_as_much(each, command):
            return each
    return None


def corrected(command: ChangeParcel, parcels: Iterable[ReportedParcel]) -> ReportedParcel | None:
    """The parcel as it is after this correction, if it is one of these."""
    parcel = _parcel_of(command, parcels)
    return _changed(parcel, command) if parcel else None


def travels_so(command: ChangeParcel, parcels: Iterable[ReportedParcel]) -> bool:
    """Whether the parcel already has the carrier and number of this correction."""
    parcel = _parcel_of(command, parcels)
    return parcel is not None and _transport(parcel) == _transport(_changed(parcel, command))


def plain(text: str) -> str:
    """A tracking number or a reference without blanks and in small letters, since people type these differently."""
    return "".join(text.split()).casefold()


def _parcel_of(command: ChangeParcel, parcels: Iterable[ReportedParcel]) -> ReportedParcel | None:
    return next((each for each in parcels if each.id == command.parcel), None)


def _changed(parcel: ReportedParcel, command: ChangeParcel) -> ReportedParcel:
    carrier = parcel.carrier if command.carrier is None else command.carrier
    number = parcel.tracking_number if command.tracking_number is None else command.tracking_number
    return replace(parcel, carrier=carrier, tracking_number=number)


def _transport(parcel: ReportedParcel) -> tuple[str, str]:
    return parcel.carrier, plain(parcel.tracking_number)


def _holds_as_much(parcel: ReportedParcel, command: ShipOrder) -> bool:
    contents: dict[UUID, int] = {}
    for each in command.lines:
        units = parcel.contents.get(each.line, 0) if each.units is None else each.units
        contents[each.line] = contents.get(each.line, 0) + units
    return contents == parcel.contents


def _ships_more(command: Ship, lines: Sequence[Line]) -> bool:
    """Whether a report of all units that are left finds some: then it is no repeat."""
    line = next((each for each in lines if each.id == command.line), None)
    if line is None or command.units is not None:
        return False
    return bool(line.open or (command.override and line.asked))
