"""What a text may hold."""

import pytest

from countermand.domain.texts import is_blank, needed_text, read_text, why_unfit


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("a\0", "null characters"),
        ("\ud800", "surrogate"),
        ("a\udfffb", "surrogate"),
        ("\udc00\ud800", "surrogate"),
        ("\x01", "control"),
        ("\x1b[31m", "control"),
        ("\x7f", "control"),
        ("\x85", "control"),
        ("a\rb", "control"),
        ("a\r", "control"),
    ],
)
def test_what_no_text_can_hold_is_named(text: str, why: str) -> None:
    assert why in why_unfit(text)
    with pytest.raises(ValueError, match=why):
        read_text(text)


@pytest.mark.parametrize("text", ["", "ÅÇé", "\U0001f4a9", "a\nb\tc", "\u2028", "\ufffe", "\u200b", "﷽", "a" * 10_000])
def test_any_other_text_is_kept_as_it_was_sent(text: str) -> None:
    assert read_text(text) == text


def test_a_line_break_is_one_character() -> None:
    assert read_text("a\r\nb\r\n") == "a\nb\n"


@pytest.mark.parametrize("text", ["", " ", "\t\n", "\u00a0", "\u200b", "\ufeff", "\u3000 \u2028"])
def test_what_shows_nothing_is_blank(text: str) -> None:
    assert is_blank(text)
    with pytest.raises(ValueError, match="blank"):
        needed_text(text)


@pytest.mark.parametrize("text", ["a", " a ", "0", ".", "　x"])
def test_what_shows_something_is_not(text: str) -> None:
    assert needed_text(text) == text
