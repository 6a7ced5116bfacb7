"""Writes the two clients from one definition: the table of operations, and ``asynchronous.py``.

    python clients/python/tools/write_clients.py

A test holds that the files are as this script writes them.
"""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterable, Iterator
from itertools import groupby
from pathlib import Path
from typing import Final

from countermand_client.operations import OPERATIONS, Member, Operation

PACKAGE: Final = Path(__file__).parents[1] / "src" / "countermand_client"

TYPES: Final = {
    "text": "str",
    "id": "Id",
    "int": "int",
    "bool": "bool",
    "time": "Time",
    "day": "Day",
    "amount": "Amount",
    "texts": "Texts",
    "units_of_lines": "Sequence[LineUnits]",
    "new_lines": "Sequence[NewLine]",
    "discounts": "Sequence[NewDiscount]",
    "shipping": "Sequence[NewShipping]",
    "new_payments": "Sequence[NewPayment]",
    "address": "Address",
}

_HEAD: Final = '''"""{what}

Written by ``tools/write_clients.py`` from ``operations.py``. Do not edit it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING

from countermand_client import flows
from countermand_client.{module} import {prefix}Caller, {prefix}EventStream, {prefix}Noun, {prefix}Pages

if TYPE_CHECKING:
    from countermand_client.inputs import {inputs}
    from countermand_client.models import {models}
'''

_JOBS: Final = '''
    {async_}def run(
        self,
        kind: str,
        content: bytes,
        *,
        format: str = "csv",
        dry_run: bool | None = None,
        label: str | None = None,
        progress: Callable[[Job], None] | None = None,
        poll_s: float = flows.POLL_S,
    ) -> Job:
        """Do a whole job: create it, upload its rows, start it, and wait until it has ended.

        ``content`` has the rows as CSV with a header, or as JSON lines. ``progress`` is told how far it is, each time
        that it is asked for.
        """
        return {await_}self._caller.run(
            flows.run_job(
                self._caller._retrying,
                kind,
                content,
                format=format,
                dry_run=dry_run,
                label=label,
                progress=progress,
                poll_s=poll_s,
            )
        )

    {async_}def download(self, job: Id, *, format: str = "csv") -> bytes:
        """All results of a job as a file: ``csv`` or ``jsonl``."""
        return {await_}self._caller.run(flows.download(self._caller._retrying, str(job), format=format))
'''
"""What a job takes is several calls."""

_CLIENT: Final = """The client: a member for each noun, with a method for each call about it.

    ``url`` and ``token`` come from ``COUNTERMAND_URL`` and ``COUNTERMAND_TOKEN`` or ``COUNTERMAND_TOKEN_FILE`` if they
    are not given.
    """

_UNASYNC: Final = {
    "async def": "def",
    "await ": "",
    "async for": "for",
    "async with": "with",
    "an ``async with``": "a ``with``",
    "import asyncio": "import time",
    "asyncio.sleep": "time.sleep",
    "Awaitable[None]": "None",
    "Awaitable[T]": "T",
    "Awaitable, ": "",
    "aiter(answer.aiter_lines())": "answer.iter_lines()",
    "AsyncIterator": "Iterator",
    "AsyncExitStack": "ExitStack",
    "enter_async_context": "enter_context",
    "__aenter__": "__enter__",
    "__aexit__": "__exit__",
    "__aiter__": "__iter__",
    "aclose": "close",
    "anext": "next",
    "aread": "read",
    "httpx2.AsyncClient": "httpx2.Client",
    "AsyncCaller": "Caller",
    "AsyncPages": "Pages",
    "AsyncEventStream": "EventStream",
    "AsyncNoun": "Noun",
}
_SAID: Final = (
    "``tools/write_clients.py`` makes ``blocking.py`` of this file, without ``async`` and ``await``.",
    "Written by ``tools/write_clients.py`` from ``asynchronous.py``. Do not edit it.",
)


def written() -> dict[str, str]:
    """The files, by name, as they should be."""
    return {
        name: _formatted(text)
        for name, text in {
            "blocking.py": _blocking((PACKAGE / "asynchronous.py").read_text(encoding="utf-8")),
            "blocking_client.py": _client(""),
            "asynchronous_client.py": _client("Async"),
        }.items()
    }


def _blocking(text: str) -> str:
    text = text.replace(*_SAID)
    for word, plain in sorted(_UNASYNC.items(), key=lambda each: -len(each[0])):
        text = text.replace(word, plain)
    return text


def _client(prefix: str) -> str:
    body = "\n".join(_noun(noun, list(operations), prefix) for noun, operations in _by_noun())
    body += _whole(prefix)
    head = _HEAD.format(
        what="The client that waits for each answer." if not prefix else "The client for an event loop.",
        module="asynchronous" if prefix else "blocking",
        prefix=prefix,
        inputs=", ".join(_used(body, _INPUTS)),
        models=", ".join(_used(body, sorted({each.result for each in OPERATIONS.values()} - {"None"}))),
    )
    return head + "\n" + body


_INPUTS: Final = sorted({word for each in TYPES.values() for word in re.findall("[A-Z]\\w+", each)} - {"Sequence"})


def _used(body: str, names: Iterable[str]) -> list[str]:
    return [name for name in names if re.search(rf"(?<![\w.]){name}(?![\w(])", body)]


def _by_noun() -> Iterator[tuple[str, Iterable[Operation]]]:
    return groupby(sorted(OPERATIONS.values(), key=lambda each: each.noun), key=lambda each: each.noun)


def _class(noun: str, prefix: str) -> str:
    return f"{prefix}{noun.capitalize()}Calls"


def _noun(noun: str, operations: Iterable[Operation], prefix: str) -> str:
    head = f'\n\nclass {_class(noun, prefix)}({prefix}Noun):\n    """Calls about {noun}."""\n'
    text = head + "".join(_method(each, prefix) for each in operations)
    if noun == "jobs":
        text += _JOBS.format(async_="async " if prefix else "", await_="await " if prefix else "")
    return text


def _whole(prefix: str) -> str:
    word = "AsyncClient" if prefix else "Client"
    lines = [f"\n\nclass {word}({prefix}Caller):", f'    """{_CLIENT}"""', ""]
    for noun, _ in _by_noun():
        lines += [
            "    @cached_property",
            f"    def {noun}(self) -> {_class(noun, prefix)}:",
            f'        """Calls about {noun}."""',
            f"        return {_class(noun, prefix)}(self)",
            "",
        ]
    return "\n".join(lines)


def _method(operation: Operation, prefix: str) -> str:
    members = [*operation.query, *operation.body]
    needed = [f"{_argument(each)}: {TYPES[each.type]}" for each in members if each.needed]
    optional = [f"{_argument(each)}: {TYPES[each.type]} | None = None" for each in members if not each.needed]
    options = list(_options(operation))
    keywords = [*needed, *optional, *(declared for _, declared in options)]
    places = [f"{place}: {'str' if place == 'name' else 'Id'}" for place in operation.places]
    signature = ", ".join(["self", *places, "*", *keywords])
    given = ", ".join(
        [f'"{place}": {place}' for place in operation.places]
        + [f'"{each.name}": {_argument(each)}' for each in members]
    )
    said = ", ".join(f"{name}={name}" for name, _ in options)
    shared = f"{{{given}}}, flows.Options({said})"
    waits, awaits = ("async ", "await ") if prefix and operation.kind not in ("list", "stream") else ("", "")
    match operation.kind:
        case "list":
            result, call = f"{prefix}Pages[{operation.result}]", f'self._list("{operation.id}", {shared})'
        case "stream":
            result, call = f"{prefix}EventStream", f"self._stream({shared})"
        case _:
            result, call = operation.result, f'self._call("{operation.id}", {shared})'
    doc = f'"""{operation.doc}"""'
    if result == "None":
        return f"\n    {waits}def {operation.verb}({signature}) -> None:\n        {doc}\n        {awaits}{call}\n"
    kept = f"        found: {result} = {awaits}{call}\n        return found\n"
    return f"\n    {waits}def {operation.verb}({signature}) -> {result}:\n        {doc}\n{kept}"


def _argument(member: Member) -> str:
    return f"{member.name}_" if member.name == "as" else member.name


def _options(operation: Operation) -> Iterator[tuple[str, str]]:
    if operation.kind in ("upload", "raw"):
        yield "content", "content: bytes"
    if operation.kind == "upload":
        yield "media_type", "media_type: flows.MediaType"
    if operation.kind == "raw":
        yield "headers", "headers: Mapping[str, str]"
    if operation.keyed:
        yield "idempotency_key", "idempotency_key: str | None = None"
    if operation.guarded:
        yield "if_match", "if_match: str | None = None"
    yield "request_id", "request_id: str | None = None"
    yield "timeout", "timeout: float | None = None"


def _formatted(text: str) -> str:
    """As ``ruff`` formats it: imports and lines."""
    ruff = Path(sys.executable).with_name("ruff")
    for command in (["check", "--fix", "--quiet", "--exit-zero", "--select", "I,F401"], ["format", "--quiet"]):
        run = subprocess.run(  # noqa: S603 - a fixed command
            [ruff, *command, "--stdin-filename", str(PACKAGE / "written.py"), "-"],
            input=text,
            capture_output=True,
            text=True,
            check=True,
        )
        text = run.stdout
    return text


def main() -> None:
    """Write the files."""
    for name, text in written().items():
        (PACKAGE / name).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
