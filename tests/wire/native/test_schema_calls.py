"""Calls that are made of the description find no fault, and get no answer but those that it names."""

from pathlib import Path

import pytest

from tests.wire.native.schema_calls import ROLES, play


@pytest.mark.parametrize("role", ROLES)
def test_calls_made_of_the_description_are_answered_as_it_says(tmp_path: Path, role: str) -> None:
    """A few calls; ``make schemathesis`` makes as many as one likes."""
    few = ("--phases", "examples,fuzzing", "--max-examples", "1", "--max-time", "30", "--seed", "1")
    (run,) = play(tmp_path, [role], few)
    assert not run.code, run.output[-20_000:]
    assert not run.faults
    assert run.calls > 20
