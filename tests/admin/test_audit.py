"""Whatever a person changes is in the audit trail, or an event of an order: no door and no action is left out."""

import ast
import asyncio
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, Final
from uuid import UUID

import pytest
from sqlalchemy import Connection, Row, func, select

import countermand
from countermand.admin.audit import Action
from countermand.documents.audit import PREFIXES, told
from countermand.store import tables as t
from countermand.wire.native.operations import OPERATIONS
from tests.docs.played import Player, story

PACKAGE: Final = Path(countermand.__file__).parent

CHANGES_NOTHING: Final = {
    "quotes.create": "A question.",
    "policies.preview": "A question.",
    "jobs.upload": "A part of the file of a draft: who makes it and who starts it is kept.",
    "endpoints.test": "Something is sent, and the attempt is kept.",
}
"""Operations that are sent as changes and are none."""


@dataclass(kw_only=True)
class Watcher(Player):
    """Sees what each operation leaves behind: entries of the audit trail, and how many events."""

    entries: dict[str, list[Row[Any]]] = field(default_factory=dict)
    events: dict[str, int] = field(default_factory=dict)

    async def __call__(self, operation: str, who: UUID, *ids: str, **more: Any) -> Any:
        before = await self.world.application.database.read(_left)
        answer = await super().__call__(operation, who, *ids, **more)
        entries, events = await self.world.application.database.read(_left)
        self.entries.setdefault(operation, []).extend(entries[len(before[0]) :])
        self.events[operation] = self.events.get(operation, 0) + events - before[1]
        return answer


def _left(connection: Connection) -> tuple[list[Row[Any]], int]:
    entries = connection.execute(select(t.audit).order_by(t.audit.c.at, t.audit.c.id)).all()
    return list(entries), connection.execute(select(func.count()).select_from(t.events)).scalar_one()


@pytest.fixture(scope="module")
def watcher(tmp_path_factory: pytest.TempPathFactory) -> Watcher:
    """Whoever saw a call of each operation."""
    return asyncio.run(_watched(tmp_path_factory.mktemp("audit")))


async def _watched(folder: Path) -> Watcher:
    async with story(f"sqlite:///{folder}/audit.sqlite3", folder / "keys", Watcher) as player:
        assert isinstance(player, Watcher)
        return player


def test_every_operation_that_changes_something_leaves_an_entry_or_an_event(watcher: Watcher) -> None:
    unsafe = {name for name, (method, _) in watcher.paths.items() if method != "GET"}
    assert unsafe <= OPERATIONS.keys()
    traceless = {name for name in unsafe if not (watcher.entries.get(name) or watcher.events.get(name))}
    assert traceless == CHANGES_NOTHING.keys()


def test_what_is_only_read_leaves_nothing(watcher: Watcher) -> None:
    safe = {name for name, (method, _) in watcher.paths.items() if method == "GET"}
    assert {name for name in safe if watcher.entries.get(name) or watcher.events.get(name)} == set()


def test_an_entry_says_who_did_it_through_which_door_in_which_call(watcher: Watcher) -> None:
    entries = [entry for found in watcher.entries.values() for entry in found]
    assert {entry.door for entry in entries} == {"native"}
    assert all(entry.by for entry in entries)
    unnamed = {entry.action for entry in entries if not entry.detail.get("request_id")}
    assert unnamed == {Action.REFUND_RETRIED.value}, "a command does not know the call that it came with"


def test_a_change_says_what_it_was_and_what_it_is(watcher: Watcher) -> None:
    changed = ("policies.create", "endpoints.update", "users.update", "parties.update")
    for operation in changed:
        details = [entry.detail for entry in watcher.entries[operation]]
        texts = [value for detail in details for _, value in told(detail)]
        assert any("→" in value for value in texts) or {"from", "to"} <= details[0].keys(), (operation, details)


def test_no_entry_has_a_secret_or_the_path_of_an_address(watcher: Watcher) -> None:
    kept = str([entry.detail for found in watcher.entries.values() for entry in found])
    answers = [call["answer"] for call in watcher.played.values() if isinstance(call["answer"], dict)]
    secrets = [str(answer["secret"]) for answer in answers if answer.get("secret")]
    assert secrets
    assert not [each for each in secrets if each in kept]
    assert "http" not in kept
    assert "whsec_" not in kept


def test_every_kind_of_entry_has_a_noun_with_ids() -> None:
    assert {action.value.partition(".")[0] for action in Action} == PREFIXES.keys()


# No function of the code goes past it


UNRECORDED: Final = {
    "admin.signature_keys.add_first": "The service makes its first key by itself, for whoever subscribes first.",
    "admin.credentials.issue_client": "What a system begins with; create_client records.",
    "admin.credentials.issue_plaza_key": "What a system begins with; create_plaza_key records.",
    "admin.credentials.issue_token": "What a system begins with, and log-ins; create_token records.",
    "admin.idempotency.once": "The change that it surrounds has its own author.",
    "admin.jobs.upload": CHANGES_NOTHING["jobs.upload"],
    "admin.parties.enter": "What a system begins with; add records.",
    "admin.parties.switch": "Part of set_active, which records.",
    "admin.policies.put_in_force": "What a system begins with; change_terms records.",
    "admin.saved_views.add": "How somebody likes to look at a list, and nobody else sees it.",
    "admin.saved_views.remove": "The same.",
    "admin.sessions.log_in": "A log-in changes nothing of anybody's.",
    "admin.users.enter": "What a system begins with; add records.",
    "admin.web_sessions.issue_link": "A way to log in, printed on the terminal of the service.",
    "admin.web_sessions.open_session": "A log-in changes nothing of anybody's.",
    "admin.web_sessions.use_link": "A log-in; whom it makes is recorded.",
}
"""Functions of ``admin/`` that write and have no author, and why."""

WRITTEN_BY_DOORS: Final = {
    "store.attempts.record": "The attempt of a test.",
    "store.credential_uses.save_uses": "When a credential was last used.",
    "store.quotas.settle": "How many calls of a quota are left.",
    "store.quotas.drop_full": "The same, where it says nothing any more.",
}
"""What doors write past ``admin/`` and the write road."""

FOLDERS: Final = ("admin", "reads", "store", "wire", "console", "cli/local")
MAKERS: Final = ("insert", "update", "delete", "engine.insert_unless_there", "engine.write", "engine.update_rows")

Function = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """A function of the package: which others it names, whether it writes itself, and whether it takes an author."""

    names: frozenset[str]
    writes: bool
    has_author: bool


@cache
def functions() -> Mapping[str, Known]:
    paths = (path for folder in FOLDERS for path in sorted(PACKAGE.joinpath(folder).rglob("*.py")))
    return {name: known for path in paths if "migrations" not in path.parts for name, known in _functions_of(path)}


def _functions_of(path: Path) -> Iterator[tuple[str, Known]]:
    module = ".".join(path.relative_to(PACKAGE).with_suffix("").parts).removesuffix(".__init__")
    tree = ast.parse(path.read_text())
    imported = {
        alias.asname or alias.name: f"{node.module}.{alias.name}".removeprefix("countermand.")
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("countermand")
        for alias in node.names
    }
    own = {node.name: f"{module}.{node.name}" for node in tree.body if isinstance(node, Function)}
    for node in ast.walk(tree):
        if isinstance(node, Function):
            name = own.get(node.name, f"{module}.<locals>.{node.name}.{node.lineno}")
            yield name, _known(node, imported | own)


def _known(function: Function, scope: Mapping[str, str]) -> Known:
    names: set[str] = set()
    for node in ast.walk(function):
        match node:
            case ast.Attribute(value=ast.Name(id=module), attr=attribute) if module in scope:
                names.add(f"{scope[module]}.{attribute}")
            case ast.Name(id=name) if name in scope:
                names.add(scope[name])
    arguments = [*function.args.posonlyargs, *function.args.args, *function.args.kwonlyargs]
    makes = any(_called(node) in MAKERS for node in ast.walk(function))
    return Known(
        names=frozenset(names),
        writes=makes or any(name.startswith("store.changes.change_") for name in names),
        has_author=any(isinstance(each.annotation, ast.Name) and each.annotation.id == "Author" for each in arguments),
    )


def _called(node: ast.AST) -> str:
    match node:
        case ast.Call(func=ast.Name(id=name)):
            return name
        case ast.Call(func=ast.Attribute(value=ast.Call(func=ast.Name(id="engine_of")), attr=name)):
            return f"engine.{name}"
    return ""


def reaches(name: str, wanted: frozenset[str], seen: set[str] | None = None) -> bool:
    """Whether a function names one of these, or names one that does."""
    seen = set() if seen is None else seen
    if name in wanted:
        return True
    if name in seen or name not in functions():
        return False
    seen.add(name)
    return any(reaches(each, wanted, seen) for each in functions()[name].names)


@cache
def writers() -> frozenset[str]:
    return frozenset(name for name, known in functions().items() if known.writes)


def actions() -> Iterator[str]:
    for name in functions():
        if name.startswith("admin.") and "<locals>" not in name and not name.rpartition(".")[2].startswith("_"):
            yield name


def test_every_action_that_writes_has_an_author() -> None:
    unsigned = {name for name in actions() if not functions()[name].has_author and reaches(name, writers())}
    assert unsigned - {"admin.audit.record", "admin.backups.back_up"} == UNRECORDED.keys()


def test_every_action_with_an_author_records_it() -> None:
    trail = frozenset({"admin.audit.record"})
    signed = {name for name in actions() if functions()[name].has_author}
    assert len(signed) > 30
    assert {name for name in signed if not reaches(name, trail)} == set()


def test_doors_write_by_actions_and_by_the_write_road_alone() -> None:
    doors = [name for name in functions() if name.startswith(("wire.", "console.", "cli.local."))]
    named = {each for door in doors for each in functions()[door].names if each.startswith("store.")}
    written = {each for each in named if reaches(each, writers())}
    assert written == WRITTEN_BY_DOORS.keys()


def test_doors_use_no_action_without_an_author_but_log_ins_and_keys() -> None:
    doors = [name for name in functions() if name.startswith(("wire.", "console.", "cli.local."))]
    named = {each for door in doors for each in functions()[door].names}
    assert named & UNRECORDED.keys() == {
        "admin.idempotency.once",
        "admin.jobs.upload",
        "admin.saved_views.add",
        "admin.saved_views.remove",
        "admin.sessions.log_in",
        "admin.signature_keys.add_first",
        "admin.web_sessions.open_session",
        "admin.web_sessions.use_link",
    }
