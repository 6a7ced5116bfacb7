"""Every sentence of the pages is said in every language, with the same values in it."""

import re
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Final

import pytest

from countermand.documents.languages import NAMES, chosen, language
from tests.support.sentences import catalogue, sentences

TRANSLATED: Final = sorted(set(NAMES) - {"en"})
LATER: Final = datetime(2026, 11, 26, 10, 30, tzinfo=UTC)


def texts(said: object) -> tuple[str, ...]:
    return tuple(said) if isinstance(said, list | tuple) else (str(said),)


@pytest.mark.parametrize("code", TRANSLATED)
def test_a_catalogue_has_every_sentence_and_no_other(code: str) -> None:
    wanted = {texts(each.id) for each in sentences() if each.id}
    assert len(wanted) > 100
    assert {texts(each.id) for each in catalogue(code) if each.id} == wanted


@pytest.mark.parametrize("code", TRANSLATED)
def test_a_translation_is_whole_and_has_the_same_values(code: str) -> None:
    for each in catalogue(code):
        if each.id:
            said = texts(each.string)
            assert all(said), each.id
            assert len(said) == len(texts(each.id))
            for text in said:
                assert set(re.findall(r"{\w+}", text)) == set(re.findall(r"{\w+}", texts(each.id)[-1])), each.id
                assert text[-1:] == texts(each.id)[-1][-1:] or text[-1:] not in ".?:" or "{time}" in text, each.id


@pytest.mark.parametrize(
    ("asked_for", "accepted", "code"),
    [
        ("", "", "en"),
        ("nl", "de", "nl"),
        ("fr", "de", "de"),
        ("", "de-CH, en;q=0.5", "de"),
        ("", "fr, nl;q=0.3, de;q=0.8", "de"),
        ("", "fr-FR,fr", "en"),
        ("", "DE", "de"),
        ("", "nl;q=0, de;q=0.1", "de"),
        ("", "nl;q=x, *;q=0.1", "en"),
        ("", "nl;q=9", "en"),
        ("../nl", ";;;,,,", "en"),
        ("", ",".join(["fr"] * 30 + ["nl"]), "en"),
    ],
)
def test_the_address_names_the_language_or_the_browser_does(asked_for: str, accepted: str, code: str) -> None:
    assert chosen(asked_for, accepted).code == code


@pytest.mark.parametrize(
    ("code", "zone", "moment"),
    [
        ("en", "UTC", "Thursday 26 November 2026, 10:30 UTC"),
        ("en", "America/New_York", "Thursday 26 November 2026, 05:30 in New York (10:30 UTC)"),
        ("nl", "Europe/Amsterdam", "donderdag 26 november 2026, 11:30 uur in Amsterdam (10:30 UTC)"),
        ("de", "Europe/Zurich", "Donnerstag, 26. November 2026, 11:30 Uhr in Zurich (10:30 UTC)"),
        ("en", "Europe/London", "Thursday 26 November 2026, 10:30 UTC"),
    ],
)
def test_a_time_is_local_with_utc_beside_it(code: str, zone: str, moment: str) -> None:
    assert language(code).moment(LATER, zone) == moment


@pytest.mark.parametrize(
    ("code", "away", "words"),
    [
        ("en", timedelta(days=2, hours=3, minutes=4), "in 2 days and 3 hours"),
        ("en", -timedelta(minutes=1), "1 minute ago"),
        ("en", timedelta(days=1, minutes=5), "in 1 day"),
        ("en", timedelta(seconds=59), "now"),
        ("nl", timedelta(hours=1, minutes=2), "over 1 uur en 2 minuten"),
        ("de", timedelta(days=1, hours=1), "noch 1 Tag und 1 Stunde"),
        ("de", -timedelta(days=3), "3 Tage her"),
    ],
)
def test_a_distance_has_its_two_largest_parts(code: str, away: timedelta, words: str) -> None:
    assert language(code).from_now(LATER + away, LATER) == words


@pytest.mark.parametrize(
    ("code", "amount", "currency", "words"),
    [
        ("en", "4800", "JPY", "4,800 JPY"),
        ("nl", "47.90", "EUR", "47,90 EUR"),
        ("de", "1234.50", "EUR", "1.234,50 EUR"),
        ("en", "12.345", "KWD", "12.345 KWD"),
    ],
)
def test_an_amount_has_the_decimals_of_its_currency(code: str, amount: str, currency: str, words: str) -> None:
    assert language(code).amount(Decimal(amount), currency) == words


@pytest.mark.parametrize(
    ("code", "away", "words"),
    [
        ("en", timedelta(hours=1), "12:30 today"),
        ("en", timedelta(hours=13), "00:30 tomorrow"),
        ("en", timedelta(days=3), "11:30 on Sunday 29 November"),
        ("nl", timedelta(hours=1), "vandaag om 12:30 uur"),
        ("nl", timedelta(days=3), "zondag 29 november om 11:30 uur"),
        ("de", timedelta(hours=13), "morgen um 00:30 Uhr"),
        ("de", timedelta(days=3), "Sonntag, 29. November um 11:30 Uhr"),
    ],
)
def test_a_time_is_said_as_people_say_it(code: str, away: timedelta, words: str) -> None:
    assert language(code).spoken(LATER + away, LATER, "Europe/Amsterdam") == words
