"""One design system: the console and the public pages take their colours and measures from the same names."""

import re
from importlib.resources import files
from typing import Final

import pytest

from countermand.console import rendering

TOKENS: Final = files("countermand.wire").joinpath("tokens.css").read_text()
SHEETS: Final = {
    "console": files("countermand.console").joinpath("static", "console.css").read_text(),
    "public pages": files("countermand.wire.answer").joinpath("style.css").read_text(),
}
SCRIPT_MAX: Final = 60_000


@pytest.mark.parametrize("sheet", SHEETS.values(), ids=list(SHEETS))
def test_sheets_use_tokens_that_there_are(sheet: str) -> None:
    named = set(re.findall(r"(--[\w-]+)\s*:", TOKENS))
    own = set(re.findall(r"(--[\w-]+)\s*:", sheet))
    assert set(re.findall(r"var\((--[\w-]+)", sheet)) <= named | own
    assert len(named) > 30


@pytest.mark.parametrize("sheet", SHEETS.values(), ids=list(SHEETS))
def test_no_sheet_has_a_colour_of_its_own(sheet: str) -> None:
    """But for what is see-through: shadows, and what lies behind a dialog."""
    colours = re.findall(r"#[0-9a-fA-F]{3,8}\b", sheet)
    assert [each for each in colours if len(each) not in (5, 9)] == []
    assert not re.findall(r"\b(?:rgb|hsl|oklch)a?\(", sheet)


def test_the_script_stays_small() -> None:
    scripts = [name for name in rendering.STATIC if name.endswith(".js")]
    assert sum(len(rendering.static(name)) for name in scripts) < SCRIPT_MAX
