"""What support says to the customer, in each state and each language."""

from dataclasses import fields
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest

from countermand.documents.languages import language
from countermand.documents.to_customer import ToCustomer, to_customer
from countermand.reads.cancellations import CancellationView

NOW = datetime(2026, 11, 26, 9, 0, tzinfo=UTC)
DUE = datetime(2026, 11, 26, 10, 30, tzinfo=UTC)
NOBODY = UUID(int=1)


def known(*, worth: bool = False, owed: bool = False, **changes: Any) -> ToCustomer:
    given: dict[str, Any] = {each.name: None for each in fields(CancellationView)}
    given |= {"units": 2, "ordered": 3, "accepted_units": 0, "state": "asked", "awaiting": NOBODY, **changes}
    money = [(4790, "EUR"), (4800, "JPY")]
    return ToCustomer(
        row=CancellationView(**given), title="Trail boot", worth=money[:1] if worth else [], owed=money if owed else []
    )


CASES = [
    (
        {"due_at": DUE, "worth": True},
        "We have asked the warehouse to stop 2 of your 3 × Trail boot. They answer by 11:30 today."
        " If they can stop it, you get 47.90 EUR back.",
        "We hebben het magazijn gevraagd om 2 van uw 3 × Trail boot tegen te houden. Het antwoord komt uiterlijk"
        " vandaag om 11:30 uur. Als dat lukt, krijgt u 47,90 EUR terug.",
        "Wir haben das Lager gebeten, 2 von 3 × „Trail boot“ aufzuhalten. Die Antwort kommt spätestens heute um 11:30"
        " Uhr. Wenn das gelingt, erhalten Sie 47,90 EUR zurück.",
    ),
    (
        {"units": 1, "ordered": 1},
        "We have asked the warehouse to stop your Trail boot.",
        "We hebben het magazijn gevraagd om uw Trail boot tegen te houden.",
        "Wir haben das Lager gebeten, „Trail boot“ aufzuhalten.",
    ),
    (
        {"state": "accepted", "accepted_units": 1, "owed": True},
        "1 of your 3 × Trail boot is cancelled and will not be sent. You get 47.90 EUR and 4,800 JPY back.",
        "1 van uw 3 × Trail boot is geannuleerd en wordt niet verzonden. U krijgt 47,90 EUR en 4.800 JPY terug.",
        "1 von 3 × „Trail boot“ wurde storniert und wird nicht verschickt."
        " Sie erhalten 47,90 EUR und 4.800 JPY zurück.",
    ),
    (
        {"state": "accepted", "accepted_units": 1, "units": 1, "ordered": 1},
        "Your Trail boot is cancelled and will not be sent.",
        "Uw Trail boot is geannuleerd en wordt niet verzonden.",
        "„Trail boot“ wurde storniert und wird nicht verschickt.",
    ),
    (
        {"state": "declined", "decline_reason": "already_shipped"},
        "We could not stop 2 of your 3 × Trail boot. It has been sent already."
        " You can send it back when it has arrived.",
        "We konden 2 van uw 3 × Trail boot niet meer tegenhouden. Het is al verzonden. U kunt het terugsturen wanneer"
        " het is aangekomen.",
        "Wir konnten 2 von 3 × „Trail boot“ nicht mehr aufhalten. Es ist bereits versandt. Sie können die Ware"
        " zurücksenden, wenn sie angekommen ist.",
    ),
    (
        {"state": "declined", "decline_reason": "other", "units": 1, "ordered": 1},
        "We could not stop your Trail boot. You can send it back when it has arrived.",
        "We konden uw Trail boot niet meer tegenhouden. U kunt het terugsturen wanneer het is aangekomen.",
        "Wir konnten „Trail boot“ nicht mehr aufhalten. Sie können die Ware zurücksenden, wenn sie angekommen ist.",
    ),
    (
        {"state": "withdrawn"},
        "Your cancellation of 2 of your 3 × Trail boot was taken back. It is sent as ordered.",
        "Uw annulering van 2 van uw 3 × Trail boot is ingetrokken. Het wordt verzonden zoals besteld.",
        "Ihre Stornierung von 2 von 3 × „Trail boot“ wurde zurückgenommen. Die Ware wird wie bestellt verschickt.",
    ),
    (
        {"state": "lapsed", "units": 1, "ordered": 1},
        "The warehouse did not answer in time, so we could not stop your Trail boot. It is sent as ordered.",
        "Het magazijn heeft niet op tijd geantwoord, dus konden we uw Trail boot niet tegenhouden. Het wordt verzonden"
        " zoals besteld.",
        "Das Lager hat nicht rechtzeitig geantwortet, daher konnten wir „Trail boot“ nicht aufhalten. Die Ware wird wie"
        " bestellt verschickt.",
    ),
]


@pytest.mark.parametrize(("given", "english", "dutch", "german"), CASES)
def test_each_state_is_told_in_each_language(given: dict[str, Any], english: str, dutch: str, german: str) -> None:
    for code, sentence in (("en", english), ("nl", dutch), ("de", german)):
        assert to_customer(known(**given), language(code), now=NOW, zone="Europe/Amsterdam") == sentence
