"""The client as a package of its own: built, installed where nothing else is, and imported there."""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
UV = ROOT / ".uv" / "bin" / "uv"


def run(*command: str | Path, **environment: str) -> str:
    done = subprocess.run(
        command, cwd=ROOT, env={**os.environ, **environment}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_its_wheel_is_installed_and_imported_without_the_service(tmp_path: Path) -> None:
    environment = tmp_path / "environment"
    package = ("--package", "countermand-client", "--no-default-groups", "--no-editable")
    run(UV, "sync", "--frozen", *package, "--python", sys.executable, UV_PROJECT_ENVIRONMENT=str(environment))
    listed = """
import importlib.metadata as metadata
names = {each.name for each in metadata.distributions()}
assert {"countermand-client", "httpx2", "pydantic"} <= names and "countermand" not in names, names
own = metadata.distribution("countermand-client")
print(*sorted(each.partition(">")[0] for each in own.requires))
assert any(each.name == "py.typed" for each in own.files)
from countermand_client import Client, AsyncClient, models, webhooks
with Client("http://127.0.0.1:1", "t") as client:
    print(client.cancellations.create.__name__)
"""
    said = run(environment / "bin" / "python", "-I", "-c", listed)
    assert said.split() == ["httpx2", "pydantic", "create"]


def test_types_are_seen_by_a_strict_checker(tmp_path: Path) -> None:
    program = tmp_path / "program.py"
    program.write_text(
        """
from countermand_client import AsyncClient, Client

def shop(client: Client) -> None:
    reveal_type(client.cancellations.get("can_1"))
    reveal_type(client.cancellations.list().page())
    for each in client.refunds.list(state="parked"):
        reveal_type(each.amount)
    reveal_type(client.with_raw_response(client.orders.get, "o").parsed)
    client.cancellations.create(lines=[{"line": 1}])
    client.refunds.correct("r", step="2", refunded_elsewhere="0.00", note="n")
    client.lines.get("l").no_such_method()

async def other(client: AsyncClient) -> None:
    reveal_type(await client.cancellations.accept("can_1"))
    async for event in client.events.stream():
        reveal_type(event.data.seq)
"""
    )
    config = tmp_path / "mypy.ini"
    config.write_text(f"[mypy]\nstrict = true\nmypy_path = {ROOT}/clients/python/src\nplugins = pydantic.mypy\n")
    done = subprocess.run(
        [sys.executable, "-m", "mypy", "--config-file", config, "--cache-dir", tmp_path / "cache", program],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    told = [line.partition(": ")[2] for line in done.stdout.splitlines() if "program.py" in line]
    notes = [line.removeprefix("note: ") for line in told if line.startswith("note: Revealed")]
    assert [each.partition(" is ")[2].strip('"') for each in notes] == [
        "countermand_client.models.Cancellation",
        "countermand_client.flows.Page[countermand_client.models.Cancellation]",
        "decimal.Decimal",
        "countermand_client.models.Order",
        "countermand_client.models.Cancellation",
        "int",
    ], done.stdout
    errors = [line for line in told if line.startswith("error: ")]
    assert len(errors) == 3, done.stdout
