"""Two APIs under calls made of their own descriptions: ``make schemathesis ARGS="--max-examples 100"``.

They are the native one, and that of bol's retailers.

A service of its own is started, after a story that left something of everything. Schemathesis calls it as each role:
with the examples, at the edges of every schema, at random, and along the links from answer to call. No answer may be a
fault of ours, or another one than the description says.

``--role`` chooses a role and may be repeated; all other arguments are schemathesis' own. ``--seed`` makes other calls.
"""

import argparse
import asyncio
import json
import logging
import os
import re
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final
from urllib.request import urlopen
from uuid import UUID

import structlog

from countermand.admin import credentials
from countermand.admin.callers import PLATFORM, Permission
from countermand.reads.parties import find_party
from tests.docs.played import story
from tests.support.waiting import HANGS_S
from tests.support.world import World
from tests.wire.bol_retailer.calling import UNLIMITED, new_client

HERE: Final = Path(__file__).parent


@dataclass(frozen=True, kw_only=True)
class Api:
    """An API: where its description is, how it is checked, and which of its operations are left out."""

    description: str
    config: Path
    left_out: tuple[str, ...]


NATIVE: Final = Api(
    description="/openapi.json",
    config=HERE / "schemathesis.toml",
    # A stream has no end, and a test calls whatever host it is given. Both have tests of their own.
    left_out=("events.stream", "endpoints.test"),
)
BOL: Final = Api(
    description="/retailer/openapi.json",
    config=HERE.parent / "bol_retailer" / "schemathesis.toml",
    left_out=("test_subscription",),
)


@dataclass(frozen=True, kw_only=True)
class Role:
    """Who calls which API: a party, and what its token may do if that is not all."""

    party: str
    permissions: tuple[Permission, ...] = ()
    api: Api = NATIVE


ROLES: Final[dict[str, Role]] = {
    "platform": Role(party="Countermand"),
    "retailer": Role(party="Fine Shoes"),
    "supplier": Role(party="Alpine Supply"),
    "viewer": Role(party="Fine Shoes", permissions=(Permission.VIEW_ORDER,)),
    "manager": Role(party="Alpine Supply", permissions=(Permission.MANAGE_ACCESS, Permission.MANAGE_ENDPOINTS)),
    "seller": Role(party="Fine Shoes", api=BOL),
}

COMMAND: Final = str(Path(sys.executable).with_name("countermand"))


@dataclass(frozen=True, kw_only=True)
class Run:
    """What came of one role's calls."""

    role: str
    code: int
    statuses: Mapping[str, Mapping[str, int]]
    """How often each operation was answered with each status."""
    output: str
    faults: str

    @property
    def calls(self) -> int:
        """How many calls there were."""
        return sum(sum(each.values()) for each in self.statuses.values())

    @property
    def failed(self) -> bool:
        """Whether anything was found."""
        return bool(self.code or self.faults)

    def __str__(self) -> str:
        """A line about it."""
        total: Counter[str] = Counter()
        for each in self.statuses.values():
            total.update(each)
        done = sum(any(status.startswith("2") for status in each) for each in self.statuses.values())
        told = " ".join(f"{status}:{times}" for status, times in sorted(total.items()))
        found = "FAILURES" if self.failed else "no failure"
        return f"{self.role}: {self.calls} calls, {found}; {done} operations succeeded; {told}"


@contextmanager
def service(folder: Path) -> Iterator[tuple[str, dict[str, dict[str, str]], Path]]:
    """A service after the story: its address, what the calls of each role need to know, and its log."""
    url, keys = f"sqlite:///{folder}/calls.sqlite3", folder / "keys"
    environment = {
        "COUNTERMAND_DATABASE": url,
        "COUNTERMAND_KEY_FILE": str(keys),
        "COUNTERMAND_CALL_LIMIT": "",
        "COUNTERMAND_WRONG_TOKEN_LIMIT": "",
        "COUNTERMAND_RETAILER_LIMITS": json.dumps(UNLIMITED),
        "COUNTERMAND_LOG_LEVEL": "warning",
        # Nothing is sent to the hosts of endpoints that were made up.
        "COUNTERMAND_WORKER": "false",
    }
    known = {role: {**environment, **more} for role, more in asyncio.run(_roles(url, keys)).items()}
    log = folder / "serve.log"
    with log.open("w") as out:
        command = [COMMAND, "serve", "--port", "0"]
        process = subprocess.Popen(command, env=os.environ | environment, stdout=out, stderr=out)
    try:
        yield _address(log), known, log
    finally:
        process.terminate()
        process.wait(HANGS_S)


async def _roles(url: str, keys: Path) -> dict[str, dict[str, str]]:
    async with story(url, keys) as player:
        world = player.world
        parties = {"Countermand": PLATFORM, "Fine Shoes": world.retailer, "Alpine Supply": world.supplier}
        return {name: await _known(world, name, role, parties[role.party]) for name, role in ROLES.items()}


async def _known(world: World, name: str, role: Role, party: UUID) -> dict[str, str]:
    known = {
        "CALLS_ROLE": name,
        "CALLS_PARTY": str(party),
        "CALLS_PERMISSIONS": " ".join(role.permissions),
        "CALLS_TOKEN": await _token(world, party, role.permissions),
    }
    if role.api is BOL:
        client = await new_client(world, party)
        known |= {"CALLS_CLIENT": str(client.id), "CALLS_SECRET": client.secret}
    return known


async def _token(world: World, party: UUID, permissions: Sequence[Permission]) -> str:
    def issue(connection: Any) -> str:
        application, found = world.application, find_party(connection, str(party))
        issued = partial(credentials.issue_token, connection, application.ids, world.clock(), party=found)
        return issued(permissions=permissions) if permissions else issued()

    return await world.application.database.write(issue)


def _address(log: Path) -> str:
    until = time.monotonic() + HANGS_S
    while time.monotonic() < until:
        found = re.search(r"ready on (http://\S+)", log.read_text())
        if found:
            with urlopen(f"{found[1]}/healthz"):
                return found[1]
        time.sleep(0.05)
    raise TimeoutError(log.read_text())


def play(folder: Path, roles: Sequence[str] = tuple(ROLES), arguments: Sequence[str] = ()) -> Iterator[Run]:
    """Call the service as each of these roles."""
    with service(folder) as (address, known, log):
        for role in roles:
            yield call_as(role, address, known[role], log, arguments)


def call_as(role: str, address: str, known: Mapping[str, str], log: Path, arguments: Sequence[str]) -> Run:
    """Call the service at this address as one role."""
    counted, before = log.with_name(f"{role}.json"), len(log.read_text())
    api = ROLES[role].api
    command = [
        *(sys.executable, "-m", "schemathesis.cli", "--config-file", str(api.config)),
        *("run", f"{address}{api.description}", "--continue-on-failure", "--no-color", "--no-shrink"),
        *(word for each in api.left_out for word in ("--exclude-operation-id", each)),
        *arguments,
    ]
    hooks = {
        "SCHEMATHESIS_HOOKS": "tests.wire.native.schema_hooks",
        "CALLS_COUNTED": str(counted),
        "CALLS_ADDRESS": address,
    }
    done = subprocess.run(command, env={**os.environ, **known, **hooks}, capture_output=True, text=True, check=False)
    return Run(
        role=role,
        code=done.returncode,
        statuses=json.loads(counted.read_text()) if counted.exists() else {},
        output=done.stdout + done.stderr,
        faults="\n".join(line for line in log.read_text()[before:].splitlines() if "unexpected_error" in line),
    )


def main(arguments: Sequence[str]) -> int:
    """Call as every role, and say how many calls there were."""
    parser = argparse.ArgumentParser(prog="schemathesis", add_help=False)
    parser.add_argument("--role", choices=ROLES, action="append")
    given, rest = parser.parse_known_args(arguments)
    logging.disable()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    failed = 0
    with tempfile.TemporaryDirectory(prefix="calls_") as folder:
        for run in play(Path(folder), given.role or tuple(ROLES), rest):
            failed |= run.failed
            print(run.output if run.code else "", run.faults)
            print(run, flush=True)
    return failed


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
