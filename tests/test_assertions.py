"""Every test asserts something, itself or by a helper whose body does."""

import ast
import builtins
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Final

FOLDER: Final = Path(__file__).parent
ASSERTING: Final = ("pytest.raises", "pytest.warns", "pytest.fail")
COMMON: Final = (str, bytes, list, dict, set, Path)

Function = ast.FunctionDef | ast.AsyncFunctionDef


def functions() -> Iterator[tuple[Path, Function]]:
    """Every function and method below this folder."""
    for path in sorted(FOLDER.rglob("*.py")):
        if any(part.startswith(".") for part in path.relative_to(FOLDER).parts):
            # What a test has installed beside itself.
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, Function):
                yield path.relative_to(FOLDER), node


def asserts(function: Function) -> bool:
    """Whether the body itself can fail."""
    for node in ast.walk(function):
        match node:
            case ast.Assert() | ast.Raise(exc=ast.Call(func=ast.Name(id="AssertionError"))):
                return True
            case ast.Call(func=ast.Attribute() as called) if ast.unparse(called) in ASSERTING:
                return True
            case _:
                pass
    return False


def called(function: Function) -> set[str]:
    """The names of what is called in the body, whoever has it, except what any text, list or mapping has."""
    found = set()
    for node in ast.walk(function):
        match node:
            case ast.Call(func=ast.Name(id=name)) if not hasattr(builtins, name):
                found.add(name)
            case ast.Call(func=ast.Attribute(attr=name)) if not any(hasattr(kind, name) for kind in COMMON):
                found.add(name)
            case _:
                pass
    return found


class Helpers:
    """Which functions here assert, themselves or by another that does."""

    def __init__(self) -> None:
        self._bodies: dict[str, list[tuple[Path, Function]]] = defaultdict(list)
        for path, function in functions():
            if not function.name.startswith("test_"):
                self._bodies[function.name].append((path, function))
        self._asserting = {id(each) for bodies in self._bodies.values() for _, each in bodies if asserts(each)}
        while more := {
            id(each)
            for bodies in self._bodies.values()
            for path, each in bodies
            if id(each) not in self._asserting and self.serve(path, each)
        }:
            self._asserting |= more

    def serve(self, path: Path, function: Function) -> bool:
        """Whether a function calls one that asserts: the one of its module, else each of that name there is."""
        return any(self._assert(path, name) for name in called(function))

    def _assert(self, path: Path, name: str) -> bool:
        bodies = [each for where, each in self._bodies.get(name, ()) if where == path] or [
            each for _, each in self._bodies.get(name, ())
        ]
        return bool(bodies) and all(id(each) in self._asserting for each in bodies)


def test_every_test_asserts() -> None:
    helpers = Helpers()
    silent = [
        f"{path}:{each.lineno} {each.name}"
        for path, each in functions()
        if each.name.startswith("test_") and not asserts(each) and not helpers.serve(path, each)
    ]
    assert silent == []


def test_a_test_that_only_calls_is_found() -> None:
    [call, both] = ast.parse("def test_a():\n    close(1)\ndef test_b():\n    close(1)\n    assert done").body
    assert isinstance(call, ast.FunctionDef)
    assert isinstance(both, ast.FunctionDef)
    assert (asserts(call), asserts(both)) == (False, True)
    assert called(call) == {"close"}
