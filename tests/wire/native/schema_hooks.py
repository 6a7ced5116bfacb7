"""What schemathesis does besides calling: it counts the answers, and gets a new token when its own has ended.

A run may revoke the token that it calls with, or deactivate its party. Then it would find nothing more but 401.
"""

import atexit
import json
import os
import re
import subprocess
import sys
from collections import defaultdict
from pathlib import Path
from typing import Any, Final

import httpx2
import schemathesis

_COUNTED: defaultdict[str, defaultdict[str, int]] = defaultdict(lambda: defaultdict(int))


@schemathesis.hook
def after_call(context: Any, case: Any, response: Any) -> None:
    """Count the answer."""
    operation = case.operation.definition.raw.get("operationId", case.operation.label)
    _COUNTED[operation][str(response.status_code)] += 1


@schemathesis.hook
def filter_body(context: Any, body: Any) -> bool:
    """No control characters to bol's API: it refuses them also in members that nobody knows, of whatever depth.

    No description says that of such members.
    """
    return "CALLS_CLIENT" not in os.environ or not _UNFIT.search(json.dumps(body, default=repr))


_UNFIT: Final = re.compile(r"\\u00([01789][0-9a-f])|\\[bfr]", re.IGNORECASE)
"""As JSON writes them."""


def _write() -> None:
    Path(os.environ["CALLS_COUNTED"]).write_text(json.dumps(_COUNTED))


atexit.register(_write)


GOOD_FOR_S: Final = 240 if "CALLS_CLIENT" in os.environ else 10**9
"""An access token of bol's API ends after 299 s; other tokens are good until they are revoked."""


@schemathesis.auth(refresh_interval=GOOD_FOR_S)
class Token:
    """The token of the role, or a new one of the same kind where the last has ended or was answered with 401."""

    _first = True

    def get(self, case: Any, context: Any) -> str:
        """The token."""
        if "CALLS_CLIENT" in os.environ:
            return _access_token()
        if self._first:
            self._first = False
            return os.environ["CALLS_TOKEN"]
        party = os.environ["CALLS_PARTY"]
        if "platform" not in os.environ["CALLS_ROLE"]:
            _command("party", "activate", party)
        permissions = (each.replace("_", "-") for each in os.environ["CALLS_PERMISSIONS"].split())
        return _command("token", "create", "--party", party, *(f"--permission={each}" for each in permissions))

    def set(self, case: Any, data: str, context: Any) -> None:
        """Put it into the call."""
        case.headers = {**(case.headers or {}), "Authorization": f"Bearer {data}"}


def _access_token() -> str:
    """One of bol's API."""
    given = {"grant_type": "client_credentials"}
    client = (os.environ["CALLS_CLIENT"], os.environ["CALLS_SECRET"])
    answer = httpx2.post(f"{os.environ['CALLS_ADDRESS']}/token", data=given, auth=client, trust_env=False)
    return str(answer.raise_for_status().json()["access_token"])


def _command(*words: str) -> str:
    command = [str(Path(sys.executable).with_name("countermand")), *words]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{words}: {done.stderr}"
    return done.stdout.strip()
