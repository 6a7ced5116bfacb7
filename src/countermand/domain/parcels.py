"""Whether a report of a parcel is one that was made before, whoever repeats it."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from uuid import UUID

from countermand.domain.commands import ChangeParcel, Parcel, Ship, ShipOrder
from countermand.domain.line import Line


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportedParcel:
    """A parcel of an order, with how many units of each line are in it.

    ``reported_number`` is the tracking number that it was reported with, before any correction.
    """

    id: UUID
    carrier: str
    tracking_number: str
    reported_number: str
    reference: str
    contents: Mapping[UUID, int]


def reported(parcel: Parcel, contents: Mapping[UUID, int]) -> ReportedParcel:
    """A parcel as it is reported."""
    return ReportedParcel(
        id=parcel.id,
        carrier=parcel.carrier,
        tracking_number=parcel.tracking_number,
        reported_number=parcel.tracking_number,
        reference=parcel.reference,
        contents=contents,
    )


def reported_before(
    command: ShipOrder, lines: Sequence[Line], parcels: Iterable[ReportedParcel]
) -> ReportedParcel | None:
    """The parcel that this report repeats, if it does: one of the same number, reference and contents.

    No number is a number too: a second parcel without one needs a reference. An answer to an ask is no mere report.
    """
    if any(each.cancellation or _ships_more(each, lines) for each in command.lines):
        return None
    number, reference = plain(command.parcel.tracking_number), plain(command.parcel.reference)
    for each in parcels:
        numbers = (plain(each.reported_number), plain(each.tracking_number))
        if number in numbers and plain(each.reference) == reference and _holds_as_much(each, command):
            return each
    return None


def travels_so(command: ChangeParcel, parcels: Iterable[ReportedParcel]) -> bool:
    """Whether the parcel travels as this correction says already."""
    wanted = (command.carrier, plain(command.tracking_number))
    return any(each.id == command.parcel and (each.carrier, plain(each.tracking_number)) == wanted for each in parcels)


def changed(parcel: ReportedParcel, command: ChangeParcel) -> ReportedParcel:
    """The parcel after this correction, if it is about it."""
    if parcel.id != command.parcel:
        return parcel
    return replace(parcel, carrier=command.carrier, tracking_number=command.tracking_number)


def plain(text: str) -> str:
    """A tracking number or a reference without what people type differently: blanks, and the case of letters."""
    return "".join(text.split()).casefold()


def _holds_as_much(parcel: ReportedParcel, command: ShipOrder) -> bool:
    said: dict[UUID, int] = {}
    for each in command.lines:
        units = parcel.contents.get(each.line, 0) if each.units is None else each.units
        said[each.line] = said.get(each.line, 0) + units
    return said == parcel.contents


def _ships_more(command: Ship, lines: Sequence[Line]) -> bool:
    """Whether a report of all that is left finds something left: then it says more than the one before."""
    line = next((each for each in lines if each.id == command.line), None)
    if line is None or command.units is not None:
        return False
    return bool(line.open or (command.override and line.asked))
