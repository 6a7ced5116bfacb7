"""The sentences of the pages, as they stand in code and templates; ``python -m tests.support.sentences`` lists them.

It also brings the catalogues up to date: new sentences are added without a translation, and those that are gone leave.
"""

from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import Final

from babel.messages.catalog import Catalog
from babel.messages.extract import extract_from_file
from babel.messages.pofile import read_po, write_po

import countermand

SOURCE: Final = Path(countermand.__file__).parent
CATALOGUES: Final = SOURCE / "documents" / "languages"
KEYWORDS: Final = {"say": None, "say_many": (1, 2), "later": None}
_PLACES: Final = (
    "documents/languages/*.py",
    "documents/to_customer.py",
    "wire/answer/*.py",
    "wire/answer/templates/*.html",
)


def sentences() -> Catalog:
    """All of them, in the order of the files."""
    found = Catalog(project="Countermand")
    for place, text in _found():
        found.add(text, locations=[(place, 0)])
    return found


def _found() -> Iterator[tuple[str, str | tuple[str, ...]]]:
    for pattern in _PLACES:
        for path in sorted(SOURCE.glob(pattern)):
            method = "jinja2.ext:babel_extract" if path.suffix == ".html" else "python"
            for _, text, _, _ in extract_from_file(method, path, keywords=KEYWORDS):
                yield path.relative_to(SOURCE).as_posix(), text


def catalogue(code: str) -> Catalog:
    """What a language has."""
    with (CATALOGUES / f"{code}.po").open("rb") as file:
        return read_po(file, locale=code)


def main() -> None:
    """Bring each catalogue up to date."""
    for path in CATALOGUES.glob("*.po"):
        known = catalogue(path.stem)
        known.update(sentences(), no_fuzzy_matching=True)
        written = BytesIO()
        write_po(
            written, known, width=120, omit_header=True, sort_by_file=True, ignore_obsolete=True, include_lineno=False
        )
        path.write_bytes(written.getvalue())


if __name__ == "__main__":
    main()
