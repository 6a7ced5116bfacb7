"""What the pages take from the code is what the code says today, and everything that can be named has its heading."""

import os
import re
import subprocess
import sys
from email.message import Message
from importlib.util import find_spec
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

from countermand.domain.reasons import CANCEL_MEANINGS, DECLINE_MEANINGS, CancelReason, DeclineReason
from countermand.domain.refusals import RefusalKind
from countermand.observability.metrics import METRICS
from countermand.wire.native.examples import FILE, OWN_PROBLEMS, examples
from countermand.wire.native.operations import OPERATIONS
from countermand.wire.native.problem_pages import ADVICE, MEANINGS
from countermand.wire.replies import Problem
from tests.docs import help_texts, licences
from tests.docs.api_pages import description, operations
from tests.docs.played import played
from tests.docs.reading import DOCS, ROOT, text_of
from tests.docs.reference import DESCRIPTION, PICTURES, REFERENCE, made
from tests.support.waiting import HANGS_S


def headings(page: str) -> list[str]:
    return re.findall("^## `(.+)`$", text_of(page), re.MULTILINE)


def test_what_is_made_of_the_code_is_current() -> None:
    files = dict(made())
    stale = [file.name for file, text in files.items() if not file.exists() or file.read_text(encoding="utf-8") != text]
    assert not stale, "run make docs"
    assert {DESCRIPTION, *REFERENCE.rglob("*.md"), *PICTURES.glob("*.svg")} == files.keys()


def test_every_package_has_a_licence_that_is_accepted() -> None:
    wrong = {name: bad for name, licence in licences.licences().items() if (bad := licences.unaccepted(licence))}
    assert not wrong


@pytest.mark.parametrize(
    ("metadata", "licence", "bad"),
    [
        ({"License-Expression": "MIT"}, "MIT", ()),
        ({"License": "MIT", "License-Expression": "Apache-2.0 OR MIT"}, "Apache-2.0 OR MIT", ()),
        ({"License": "GPL-3.0-only"}, "GPL-3.0-only", ("GPL-3.0-only",)),
        ({"License-Expression": "MIT AND (GPL-2.0-only OR SSPL-1.0)"}, None, ("GPL-2.0-only", "SSPL-1.0")),
        ({"License": "3-Clause BSD License"}, "BSD-3-Clause", ()),
        ({"License": "Dual License", "Classifier": "License :: OSI Approved :: MIT License"}, "MIT", ()),
        ({"License": "MIT License, with an exception"}, "", ()),
        ({"Classifier": "License :: OSI Approved :: BSD License"}, "", ()),
        ({}, "", ()),
    ],
)
def test_a_licence_is_what_the_metadata_say_for_sure(
    metadata: dict[str, str], licence: str | None, bad: tuple[str, ...]
) -> None:
    said = Message()
    for name, value in metadata.items():
        said[name] = value
    if licence == "":
        with pytest.raises(LookupError, match="Read its file"):
            licences.licence_of("it", said)
    else:
        found = licences.licence_of("it", said)
        assert found == (licence or metadata["License-Expression"])
        assert licences.unaccepted(found) == set(bad)


def test_the_examples_are_what_the_service_answers() -> None:
    assert FILE.read_text(encoding="utf-8") == played(), "run make docs"


def test_every_operation_has_an_example() -> None:
    """``tests/docs/played.py`` makes a call of each."""
    assert sorted(examples()) == sorted(OPERATIONS)


@pytest.mark.parametrize("name", sorted(examples()))
def test_an_example_fits_the_description(name: str) -> None:
    [call] = [each for _, _, each in operations() if each["operationId"] == name]
    example, components = examples()[name], {"components": description()["components"]}
    answer = call["responses"][str(example["status"])].get("content", {}).get("application/json", {})
    body = call.get("requestBody", {}).get("content", {}).get("application/json", {})
    for part, value in ((answer, example["answer"]), (body, example["body"])):
        if "schema" in part:
            assert Draft202012Validator({**components, **part["schema"]}).is_valid(value), value


def test_every_operation_has_its_heading() -> None:
    told = [name for page in (REFERENCE / "api").glob("*.md") for name in headings(f"reference/api/{page.name}")]
    assert sorted(told) == sorted(OPERATIONS)


def test_every_refusal_and_problem_has_its_heading() -> None:
    assert headings("reference/problems.md") == [kind.value for kind in (*RefusalKind, *Problem)]


def test_every_metric_has_its_heading() -> None:
    assert headings("reference/metrics.md") == [each.name for each in METRICS]


def test_every_command_has_its_heading() -> None:
    assert headings("reference/commands.md") == [f"countermand {' '.join(words)}" for words in help_texts.commands()]


def test_every_reason_has_its_meaning() -> None:
    assert list(CANCEL_MEANINGS) == list(CancelReason)
    assert list(DECLINE_MEANINGS) == list(DeclineReason)


def test_every_piece_of_advice_is_about_a_problem() -> None:
    assert ADVICE.keys() <= MEANINGS.keys()
    assert all(sentence.endswith(".") for sentence in ADVICE.values())


def test_own_problems_are_problems() -> None:
    named = {code for operation, codes in OWN_PROBLEMS.items() if operation in OPERATIONS for code in codes}
    assert named <= MEANINGS.keys()


def test_every_parameter_and_member_of_the_api_has_its_meaning() -> None:
    """Those of names that are new get theirs in ``wire/native/members.py``."""
    silent = [
        f"{call['operationId']}.{parameter['name']}"
        for _, _, call in operations()
        for parameter in call.get("parameters", ())
        if not parameter.get("description")
    ]
    silent += [
        f"{name}.{member}"
        for name, schema in description()["components"]["schemas"].items()
        for member, told in schema.get("properties", {}).items()
        if not told.get("description")
    ]
    assert not silent


def test_the_site_is_built_without_a_warning_and_fetches_nothing(tmp_path: Path) -> None:
    if find_spec("sphinx") is None:
        assert not os.environ.get("COUNTERMAND_TEST_SKIP_NOTHING"), "Sphinx is not installed"
        pytest.skip("Sphinx is not installed: make site installs it")
    command = [sys.executable, "-m", "sphinx", "-W", "-q", "-b", "dirhtml", "-d", str(tmp_path / "trees"), str(DOCS)]
    done = subprocess.run(
        [*command, str(tmp_path / "site")], cwd=ROOT, capture_output=True, text=True, timeout=HANGS_S, check=False
    )
    assert done.returncode == 0, done.stderr
    for page in (tmp_path / "site").rglob("*.html"):
        fetched = re.findall(r'<(?:link|script|img)[^>]+(?:href|src)="(?:https?:)?//[^"]+', page.read_text("utf-8"))
        assert not fetched, page
