"""docs/input.md tells the limits that the code has."""

import re

import pytest

from countermand.domain import numbers, texts
from countermand.domain.addresses.address import URL_MAX
from countermand.domain.dates import SKEW_MAX
from countermand.domain.orders import LINES_MAX, UNITS_MAX
from countermand.json_input import DEPTH_MAX, NODES_MAX, ORDER_NODES_MAX
from countermand.reads.cancellations import PAGE_MAX
from countermand.settings import Settings
from countermand.wire.answer import messages
from countermand.wire.bol_plaza import xml
from tests.docs.reading import rows, section, text_of

PAGE = text_of("input.md")
LIMITS = {cells[0]: cells for cells in rows(section(PAGE, "Limits"))}
TEXTS = {cells[0]: cells[1] for cells in rows(section(PAGE, "Texts"))}


def said(row: str) -> list[int]:
    return [int(each) for each in re.findall(r"[0-9]+", LIMITS[row][1])]


@pytest.mark.parametrize(
    ("row", "values"),
    [
        ("Body of a call", [Settings.model_fields["body_max_bytes"].default]),
        (
            "Body of `POST /v1/orders`, and of CRUX calls with lines: create, allocate, track",
            [Settings.model_fields["order_max_bytes"].default],
        ),
        ("Values in a JSON body, with the names of members", [NODES_MAX, ORDER_NODES_MAX]),
        ("Depth of a JSON body", [DEPTH_MAX]),
        ("Time for a body", [int(Settings.model_fields["body_timeout_s"].default)]),
        ("Lines of an order, an allocation, a parcel, or an ask or quote in the native API", [LINES_MAX]),
        ("Units of a line", [UNITS_MAX]),
        ("Entries of a page", [PAGE_MAX]),
        (
            "Plaza's XML",
            [
                xml.BODY_BYTES_MAX,
                xml.ELEMENTS_MAX,
                xml.DEPTH_MAX,
                xml.ATTRIBUTES_MAX,
                xml.TEXT_CHARS_MAX,
            ],
        ),
        ("Fields of the page behind a link", [messages.FIELDS_MAX]),
    ],
)
def test_every_limit_stands_in_the_docs(row: str, values: list[int]) -> None:
    assert said(row) == values


def test_the_lengths_of_texts_are_those_of_the_code() -> None:
    assert TEXTS["any other"] == str(texts.TEXT_MAX)
    assert TEXTS["`note` of a cancellation or refund"] == str(texts.NOTE_MAX)
    assert TEXTS["address of an endpoint"] == str(URL_MAX)
    assert f"at most {numbers.DIGITS_MAX} digits" in PAGE
    assert f"At most {SKEW_MAX.total_seconds():.0f} seconds ahead" in PAGE
