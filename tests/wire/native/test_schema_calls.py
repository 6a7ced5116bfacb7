"""Calls that are made of the description find no fault, and get no answer but those that it names."""

from pathlib import Path

from tests.wire.native.schema_calls import play


def test_calls_made_of_the_description_are_answered_as_it_says(tmp_path: Path) -> None:
    """A few calls of the platform; ``make schemathesis`` makes as many as one likes, as every role."""
    few = ("--phases", "examples,fuzzing", "--max-examples", "1", "--max-time", "30", "--seed", "1")
    (run,) = play(tmp_path, ["Platform"], few)
    assert not run.code, run.output[-20_000:]
    assert not run.faults
    assert run.calls > 20
