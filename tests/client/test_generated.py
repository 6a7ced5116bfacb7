"""A client generated from the description by another's tool plays a whole story over a socket."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx2

from countermand.admin.callers import PLATFORM
from tests.client import generated_story
from tests.support.listening import Listening
from tests.support.waiting import HANGS_S

CONFIGURATION = """
content_type_overrides:
  text/csv: application/octet-stream
post_hooks: []
"""
"""The tool knows no CSV, and is told that such a body is a file."""

ORDER: dict[str, Any] = {
    "retailer": "retailer",
    "reference": "PO-GENERATED",
    "payments": [{"id": "card", "captured": "50.00"}],
    "lines": [{"sku": "boot-42", "units": 5, "unit_price": "10.00", "supplier": "supplier"}],
}


def test_a_generated_client_plays_the_whole_story(service: Listening, tmp_path: Path) -> None:
    (tmp_path / "generator.yaml").write_text(CONFIGURATION)
    (tmp_path / "openapi.json").write_text(json.dumps(_described(service)))
    generator = Path(sys.executable).with_name("openapi-python-client")
    generated = run(
        [
            *(generator, "generate", "--path", tmp_path / "openapi.json", "--meta", "none"),
            *("--output-path", tmp_path / "generated", "--config", tmp_path / "generator.yaml"),
        ]
    )
    assert "WARNING" not in generated, generated
    world = service.world
    told = {
        "url": service.url,
        "tokens": {
            "retailer": service.tokens[world.retailer],
            "supplier": service.tokens[world.supplier],
            "platform": service.tokens[PLATFORM],
        },
        "order": ORDER,
    }
    made = run([sys.executable, generated_story.__file__], json.dumps(told), PYTHONPATH=str(tmp_path)).split()
    assert len(set(made)) >= 20
    assert {"orders.create", "cancellations.create", "refunds.mark_paid", "jobs.start"} <= set(made)


def _described(service: Listening) -> dict[str, Any]:
    """The description as it is served, with one kind of file for a job: of two, the tool writes code that fails."""
    description: dict[str, Any] = httpx2.get(f"{service.url}/openapi.json", timeout=HANGS_S).json()
    del description["paths"]["/v1/jobs/{job}/input"]["put"]["requestBody"]["content"]["application/jsonl"]
    return description


def run(command: list[Any], given: str = "", **environment: str) -> str:
    done = subprocess.run(
        command, input=given, capture_output=True, text=True, check=False, env={**os.environ, **environment}
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr
