"""Calls that are made of the description find no fault, and get no answer but those that it names."""

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.wire.native.schema_calls import NATIVE, ROLES, call_as, service

pytestmark = pytest.mark.xdist_group("schema_calls")

FEW = ("--phases", "examples,fuzzing,stateful", "--max-examples", "1", "--seed", "1")


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, dict[str, dict[str, str]], Path]]:
    with ExitStack() as stack:
        yield stack.enter_context(service(tmp_path_factory.mktemp("calls")))


@pytest.mark.parametrize("role", ROLES)
def test_calls_made_of_the_description_are_answered_as_it_says(
    served: tuple[str, dict[str, dict[str, str]], Path], role: str
) -> None:
    """A few calls of each role; ``make schemathesis`` makes as many as one likes."""
    address, known, log = served
    run = call_as(role, address, known[role], log, FEW)
    assert not run.code, run.output[-20_000:]
    assert not run.faults
    assert run.calls > (80 if ROLES[role].api is NATIVE else 30)
    assert any(each.get("200") for each in run.statuses.values())
