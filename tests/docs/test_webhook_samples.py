"""The samples that verify a webhook say yes to what the service signs, and no to anything else, in each language."""

import base64
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from countermand.outlets.signature import new_secret, sign
from tests.docs.snippets import the_snippet
from tests.support.waiting import HANGS_S

PAGE = "docs/how-to/verify-webhooks.md"
SECRET, FORMER, FOREIGN = new_secret(), new_secret(), new_secret()
BODY = '{"id": "evt_1", "title": "Schöne Schuhe 👟"}\n'.encode()


@dataclass(frozen=True, kw_only=True)
class Case:
    """What arrives, and whether it is to be believed."""

    good: bool
    headers: Mapping[str, str]
    body: bytes = BODY


def signed(*secrets: str, ago: timedelta = timedelta(), body: bytes = BODY) -> dict[str, str]:
    return sign(secrets, "msg_1", datetime.now(UTC) - ago, body)


def cases() -> dict[str, Case]:
    fine = signed(SECRET)
    stamp = fine["webhook-timestamp"]
    return {
        "as it is sent": Case(good=True, headers=fine),
        "while secrets overlap": Case(good=True, headers=signed(SECRET, FORMER)),
        "the newer secret first": Case(good=True, headers=signed(FOREIGN, SECRET)),
        "an empty body": Case(good=True, headers=signed(SECRET, body=b""), body=b""),
        "bytes that are no text": Case(good=False, headers=fine, body=b"\xff\x00"),
        "four minutes old": Case(good=True, headers=signed(SECRET, ago=timedelta(minutes=4))),
        "another secret": Case(good=False, headers=signed(FOREIGN)),
        "another body": Case(good=False, headers=fine, body=BODY + b" "),
        "another id": Case(good=False, headers=fine | {"webhook-id": "msg_2"}),
        "another time": Case(good=False, headers=fine | {"webhook-timestamp": str(int(stamp) + 1)}),
        "too old": Case(good=False, headers=signed(SECRET, ago=timedelta(minutes=6))),
        "from the future": Case(good=False, headers=signed(SECRET, ago=timedelta(minutes=-6))),
        "a time that is no number": Case(good=False, headers=fine | {"webhook-timestamp": "soon"}),
        "a time with a line break": Case(good=False, headers=fine | {"webhook-timestamp": f"{stamp}\n"}),
        "a negative time": Case(good=False, headers=fine | {"webhook-timestamp": f"-{stamp}"}),
        "a time beyond all numbers": Case(good=False, headers=fine | {"webhook-timestamp": "9" * 40}),
        "another version": Case(
            good=False, headers=fine | {"webhook-signature": fine["webhook-signature"].replace("v1,", "v2,")}
        ),
        "no version": Case(good=False, headers=fine | {"webhook-signature": fine["webhook-signature"][3:]}),
        "an empty signature": Case(good=False, headers=fine | {"webhook-signature": ""}),
        "a signature that is no base64": Case(good=False, headers=fine | {"webhook-signature": "v1,%%% é"}),
        "no headers": Case(good=False, headers={}),
    }


ENDS = {
    "python": """
import json, sys
for each in json.load(sys.stdin):
    print(verified(each["secret"], each["headers"], base64.b64decode(each["body"])))
""",
    "js": """
for (const each of JSON.parse(require("node:fs").readFileSync(0))) {
  console.log(verified(each.secret, each.headers, Buffer.from(each.body, "base64")));
}
""",
    "php": """
foreach (json_decode(stream_get_contents(STDIN), true) as $each) {
    echo verified($each['secret'], $each['headers'], base64_decode($each['body'])) ? 'true' : 'false', "\\n";
}
""",
    "ruby": """
require "json"
JSON.parse(STDIN.read).each { |each| puts verified?(each["secret"], each["headers"], each["body"].unpack1("m")) }
""",
    "go": """
type arrived struct {
	Secret  string
	Headers map[string]string
	Body    []byte
}

func main() {
	var all []arrived
	if err := json.NewDecoder(os.Stdin).Decode(&all); err != nil {
		panic(err)
	}
	for _, each := range all {
		headers := http.Header{}
		for name, value := range each.Headers {
			headers.Set(name, value)
		}
		fmt.Println(Verified(each.Secret, headers, each.Body))
	}
}
""",
}
"""What calls the function of the page, once for each case."""

RUN = {
    "python": ("check.py", [sys.executable]),
    "js": ("check.js", ["node"]),
    "php": ("check.php", ["php"]),
    "ruby": ("check.rb", ["ruby"]),
    "go": ("check.go", ["go", "run"]),
}
"""The file, and what runs it: Debian's nodejs, php-cli, ruby and golang-go."""


def program(language: str) -> str:
    sample = the_snippet(PAGE, language)
    if language == "go":
        sample = sample.replace("import (", 'import (\n\t"encoding/json"\n\t"fmt"\n\t"os"', 1)
    return sample + ENDS[language]


@pytest.mark.parametrize("language", RUN)
def test_a_sample_believes_what_the_service_signs_and_nothing_else(language: str, tmp_path: Path) -> None:
    name, command = RUN[language]
    if shutil.which(command[0]) is None:
        assert not os.environ.get("COUNTERMAND_TEST_SKIP_NOTHING"), f"{command[0]} is not installed"
        pytest.skip(f"{command[0]} is not installed")
    (tmp_path / name).write_text(program(language), encoding="utf-8")
    given = cases()
    calls = [
        {"secret": SECRET, "headers": dict(each.headers), "body": base64.b64encode(each.body).decode()}
        for each in given.values()
    ]
    done = subprocess.run(
        [*command, name],
        cwd=tmp_path,
        input=json.dumps(calls),
        capture_output=True,
        text=True,
        timeout=HANGS_S,
        check=False,
        env={**os.environ, "GO111MODULE": "off", "GOCACHE": str(tmp_path / "cache")},
    )
    assert done.returncode == 0, done.stderr
    said = dict(zip(given, (line == "true" for line in done.stdout.lower().splitlines()), strict=True))
    assert said == {case: each.good for case, each in given.items()}
