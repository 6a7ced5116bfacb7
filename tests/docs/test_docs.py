import itertools
import json
import re
import shlex
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
from cyclopts import App, CycloptsError

from countermand.admin.callers import PERMISSIONS, Permission
from countermand.cli import HELP
from countermand.cli.arguments import Arguments
from countermand.cli.commands import app
from countermand.cli.help_pages import command_in, flags_with_a_value
from countermand.cli.help_pages import page as help_page
from countermand.cli.output import Exit
from countermand.domain.events import MEANINGS, EventKind
from countermand.settings import PLAZA_LIMITS, Settings
from countermand.store.tables import WITHOUT_RETAILER
from countermand.wire.bol.vocabulary import REASONS
from tests.docs import event_tables
from tests.docs.reading import DOCS, ROOT, anchors, links, pages, rows, rows_by_name, section, text_of

EVERYWHERE = {"--database", "--json"}
"""Flags that docs/cli.md tells of once, or in a column of their own."""


def commands(app: App, *path: str) -> Iterator[tuple[str, App]]:
    """Every command, by the words it is called with."""
    for name in app:
        if name.startswith("-"):
            continue
        below = list(commands(app[name], *path, name))
        if below:
            yield from below
        else:
            yield " ".join((*path, name)), app[name]


COMMANDS = dict(commands(app))


def row_of(command: str) -> list[str]:
    """The row of docs/cli.md about this command; what it is called with may follow its name."""
    found = [cells for cells in rows(text_of("cli.md")) if re.match(rf"`{command}[ `]", cells[0])]
    assert len(found) == 1, f"{command} has {len(found)} rows in docs/cli.md"
    return found[0]


def flags(command: App) -> set[str]:
    """What can be named; arguments that have a place are not."""
    named = set()
    for argument in command.assemble_argument_collection():
        if argument.index is None:
            named.add(argument.names[0])
    return named


# Settings


SETTINGS = {
    each[1]: each[2]
    for each in re.finditer(r"^### `(\w+)`\n\n(.*?)(?=^##|\Z)", text_of("settings.md"), re.MULTILINE | re.DOTALL)
}
"""What stands below the heading of each setting."""


@pytest.mark.parametrize("name", Settings.model_fields)
def test_every_setting_has_its_heading(name: str) -> None:
    first, _, meaning = SETTINGS[name].strip().partition("\n\n")
    variable, _, default = " ".join(first.split()).partition(", by default ")
    assert variable == f"`COUNTERMAND_{name.upper()}`"
    assert meaning.endswith(".")
    field = Settings.model_fields[name]
    if field.default_factory is None and field.default not in ("", None):
        shown = field.default if isinstance(field.default, str) else json.dumps(field.default)
        assert default == f"`{shown}`."


def test_every_heading_of_a_setting_is_one() -> None:
    assert set(SETTINGS) == set(Settings.model_fields)


def test_the_quotas_are_those_of_the_code() -> None:
    told = rows_by_name(section(text_of("settings.md"), "Plaza limits"))
    assert {name: cells[0].strip("`") for name, cells in told.items()} == PLAZA_LIMITS


# The command line


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_its_row_with_its_flags(command: str) -> None:
    cells = row_of(command)
    known = flags(COMMANDS[command])
    told = set(re.findall(r"--[a-z][a-z-]*", cells[2]))
    assert told == known - EVERYWHERE if command != "demo" else told == known
    assert (cells[3] == "yes") == ("--json" in known and command != "demo")


def test_every_row_of_a_command_is_one() -> None:
    told = [cells[0].strip("`") for cells in rows(text_of("cli.md")) if len(cells) == 4 and cells[0].startswith("`")]
    for call in told:
        assert any(call == command or call.startswith(f"{command} ") for command in COMMANDS), call


def test_only_some_commands_have_no_database_flag() -> None:
    without = {name for name, command in COMMANDS.items() if "--database" not in flags(command)}
    assert without == {"demo", "plaza", "bol", "completion", "events tail", "listen", "trigger", "open"}


def test_every_exit_code_has_its_row() -> None:
    told = {cells[0]: cells[1] for cells in rows(section(text_of("cli.md"), "Exit codes")) if cells[0].isdigit()}
    assert set(told) == {str(code.value) for code in Exit}


@pytest.mark.parametrize("command", COMMANDS)
def test_the_help_names_every_command(command: str) -> None:
    """The overview gathers verbs: ``party add|list``."""
    *nouns, verb = command.split()
    words = rf"{nouns[0]} (\w+\|)*{verb}\b" if nouns else rf"\b{verb}\b"
    assert re.search(words, HELP), command


def test_the_examples_are_commands() -> None:
    for page in pages():
        for line in re.findall(r"^countermand (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE):
            words = line.split()
            if words[0] == "COMMAND":
                continue
            given = itertools.takewhile(
                lambda word: not re.fullmatch("[0-9]?[<>]|[&|]", word), shlex.split(line, comments=True)
            )
            try:
                app.parse_args(list(Arguments.of(list(given)).rest), exit_on_error=False, print_error=False)
            except CycloptsError as error:
                pytest.fail(f"{page.name}: countermand {line}: {error}")


@pytest.mark.parametrize("page", pages(), ids=lambda page: page.name)
def test_commands_within_sentences_exist(page: Path) -> None:
    """Blocks are run, see test_snippets.py; within a sentence a command need not have all its arguments."""
    for told in re.findall(r"`countermand ([a-z][^`]*)`", page.read_text(encoding="utf-8")):
        words = told.split()
        assert command_in(words) or words[0] == "help", told
        known = {*flags_with_a_value(command_in(words)), *EVERYWHERE}
        page_of = help_page(command_in(words)) if command_in(words) else ""
        for flag in re.findall(r"(?<= )--[a-z][a-z-]*", told.partition(" -- ")[0]):
            assert flag in known or f"{flag} " in page_of, told


# Events, words


def test_every_kind_of_event_is_told_and_no_other() -> None:
    told = re.findall("^### `(.+)`$", section(text_of("events.md"), "Kinds"), re.MULTILINE)
    assert told == [kind.value for kind in EventKind]


def test_every_kind_of_event_has_its_meaning() -> None:
    assert list(MEANINGS) == list(EventKind)
    assert all(meaning.when.endswith(".") and meaning.units for meaning in MEANINGS.values())


def test_the_page_of_events_is_made_of_the_code() -> None:
    assert text_of("events.md") == event_tables.page(), "run make docs"
    assert text_of("events.schema.json") == event_tables.schema(), "run make docs"


def test_every_reason_of_bol_has_our_name_beside_it() -> None:
    told = rows_by_name(section(text_of("plaza.md"), "Cancelling an item"))
    assert {name: cells[0].strip("`") for name, cells in told.items()} == {
        name: reason.value for name, reason in REASONS.items()
    }


def test_permissions_are_those_of_the_code() -> None:
    told = rows_by_name(section(text_of("crux.md"), "Permissions"))
    for permission in Permission:
        for cell, kind in zip(told[permission.value], ("retailer", "supplier"), strict=False):
            may = any(permission in permissions for party, permissions in PERMISSIONS.items() if party.value == kind)
            assert (cell == "yes") == may, f"{permission} of a {kind}"


def test_the_reference_tables_are_named() -> None:
    decision = text_of("decisions/0002-keys-led-by-retailer.md")
    for table in WITHOUT_RETAILER:
        assert f"`{table}`" in decision


# Pages


@pytest.mark.parametrize("page", pages(), ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    for link in links(page):
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.is_file(), link
        if anchor:
            assert anchor in anchors(target), link


@pytest.mark.parametrize("page", pages(), ids=lambda page: page.name)
def test_paths_of_the_code_exist(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    for path in re.findall(r"`((?:domain|store|wire|cli)/[\w/]+?(?:\.py)?)(?:\.[A-Z]\w*|\.operator)?`", text):
        place = ROOT / "src/countermand" / path
        assert place.exists() or place.with_suffix(".py").exists(), path


def test_edge_cases_name_tests_that_exist() -> None:
    named = re.findall(r"`(tests/[\w/]+\.py)::(test_\w+)`", text_of("edge-cases.md"))
    assert len(named) > 20
    for path, test in named:
        assert re.search(rf"^(async )?def {test}\(", (ROOT / path).read_text(encoding="utf-8"), re.MULTILINE), test


def test_every_edge_case_has_its_row_and_each_names_a_test() -> None:
    told = [cells for cells in rows(text_of("edge-cases.md")) if cells[0].startswith("EC-")]
    assert [cells[0] for cells in told] == sorted({cells[0] for cells in told})
    assert all(len(cells) == 3 and "::test_" in cells[2] for cells in told)


def test_commands_of_make_exist() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    for page in pages():
        told = re.findall(r"(?:^|`)make ([a-z][a-z-]*)", page.read_text(encoding="utf-8"), re.MULTILINE)
        assert set(told) <= targets, f"{page.name}: {set(told) - targets}"


def test_every_page_can_be_reached_from_the_readme() -> None:
    found: set[Path] = set()
    waiting = [ROOT / "README.md"]
    while waiting:
        page = waiting.pop()
        for link in links(page):
            target = (page.parent / link.partition("#")[0]).resolve()
            if target.suffix == ".md" and target not in found:
                found.add(target)
                waiting.append(target)
    assert set(DOCS.rglob("*.md")) <= found


def test_decisions_are_numbered_without_a_gap_and_told_apart() -> None:
    decisions = sorted((DOCS / "decisions").glob("*.md"))
    assert [int(page.name[:4]) for page in decisions] == list(range(1, len(decisions) + 1))
    for page in decisions:
        text = page.read_text(encoding="utf-8")
        assert text.startswith(f"# {page.name[:4]}: ")
        assert re.findall("^## (.+)$", text, re.MULTILINE) == ["Context", "Decision", "Consequences"]


def test_every_dependency_of_the_service_has_its_reason() -> None:
    described = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    listed = [*described["dependencies"], *itertools.chain(*described["optional-dependencies"].values())]
    named = [re.split(r"[^a-z0-9-]", each)[0] for each in listed]
    assert set(rows_by_name(text_of("decisions/0011-dependencies.md"))) == set(named)


@pytest.mark.parametrize("page", pages(), ids=lambda page: page.name)
def test_words_are_spelt_one_way(page: Path) -> None:
    assert not re.search(r"cancelation|\bcanceled\b|\bcanceling\b", page.read_text(encoding="utf-8"), re.IGNORECASE)
