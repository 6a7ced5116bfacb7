"""The neighbours as targets.

They run in a virtual environment of their own, made when it is first asked for: the project needs none of it.
"""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import psycopg
from tests.support.pgnode import Node

from bench.calls import http, write
from bench.client import Client
from bench.processes import ROOT, ServerProcess, environment
from bench.targets import HttpTarget, cancellations_in_postgres

HERE = Path(__file__).parent
ENVIRONMENT = HERE / ".venv"
PACKAGES = (
    *("fastapi>=0.160", "sqlalchemy[asyncio]>=2.1", "asyncpg>=0.31", "uvicorn[standard]>=0.50"),
    *("django>=6.0,<7; python_version >= '3.12'", "django>=5.2,<6; python_version < '3.12'"),
    *("djangorestframework>=3.16", "psycopg[binary]>=3.2", "gunicorn>=23"),
)
WORKERS = 2
USERS = 50
LINES_MAX = 60_000
"""They answer a few hundred calls a second; more lines would only take time to make."""


def neighbours(node: Node, stack: ExitStack, directory: Path, client: Client, lines: int) -> Iterator[HttpTarget]:
    """Both, each on a database of its own on the same server."""
    programs = _environment()
    if programs is None:
        return
    for name, module, scheme, command in (
        (
            "fastapi",
            "bench.neighbours.fastapi_app",
            "Bearer",
            ["uvicorn", "bench.neighbours.fastapi_app:app", "--port", "{port}", "--no-access-log"],
        ),
        (
            "drf",
            "bench.neighbours.drf.seed",
            "Token",
            ["gunicorn", "bench.neighbours.drf.wsgi:application", "--bind", "127.0.0.1:{port}", "--threads", "16"],
        ),
    ):
        with psycopg.connect(node.url(), autocommit=True) as connection:
            connection.execute(f'CREATE DATABASE "neighbour_{name}"')
        url = node.url(f"neighbour_{name}")
        env = {"NEIGHBOUR_DATABASE": url, "DJANGO_SETTINGS_MODULE": "bench.neighbours.drf.settings"}
        seed: list[str | Path] = [programs / "python", "-m", module, str(min(lines, LINES_MAX)), str(USERS)]
        planted = subprocess.run(seed, env=environment(**env), cwd=ROOT, capture_output=True, text=True)
        if planted.returncode != 0:
            print(f"{name} is left out:\n{planted.stderr[-1000:]}", file=sys.stderr)
            continue
        path = directory / f"{name}.calls"
        pairs = (line.split() for line in planted.stdout.splitlines())
        count = write(path, (_call(item, token, scheme) for item, token in pairs))
        process = ServerProcess(
            name, [programs / command[0], *command[1:], "--workers", str(WORKERS)], directory / f"{name}.log", env
        )
        table = "cancellations" if name == "fastapi" else "orders_cancellation"
        yield HttpTarget(name, stack.enter_context(process), client, path, count, cancellations_in_postgres(url, table))


def _call(item: str, token: str, scheme: str) -> bytes:
    path = f"/orders/items/cancel/{item}/"
    return http("DELETE", path, b"{}", Authorization=f"{scheme} {token}", Content_Type="application/json")


def _environment() -> Path | None:
    """Where the programs are; ``None``, with a word about it, when the packages cannot be had."""
    programs = ENVIRONMENT / "bin"
    done = ENVIRONMENT / ".ready"
    if done.exists():
        return programs
    print("making an environment for the neighbours", file=sys.stderr)
    try:
        subprocess.run([sys.executable, "-m", "venv", ENVIRONMENT], check=True, capture_output=True)
        pip: list[str | Path] = [
            programs / "python",
            "-m",
            "pip",
            "install",
            "--quiet",
            "--disable-pip-version-check",
            *PACKAGES,
        ]
        subprocess.run(pip, check=True, capture_output=True, text=True)
    except (OSError, subprocess.CalledProcessError) as error:
        reason = getattr(error, "stderr", "") or error
        print(f"The neighbours are left out, their packages cannot be had: {reason}", file=sys.stderr)
        return None
    done.touch()
    return programs
