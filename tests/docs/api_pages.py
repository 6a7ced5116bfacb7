"""The pages about the operations of the native API, made of its description: a list, and a page for each noun."""

import asyncio
import json
import re
import tempfile
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any, Final

import httpx2

from countermand.serving import doors
from countermand.wire.native.examples import examples
from tests.docs.markdown import as_markdown, cell, table
from tests.support.world import Clock, running

Schema = Mapping[str, Any]

_METHODS: Final = ("get", "post", "put", "patch", "delete")


@cache
def description() -> dict[str, Any]:
    """What the service says of itself at ``/openapi.json``."""
    return asyncio.run(_asked())


async def _asked() -> dict[str, Any]:
    with tempfile.TemporaryDirectory(prefix="description_") as folder:
        url, keys = f"sqlite:///{folder}/description.sqlite3", Path(folder, "keys")
        async with running(url, Clock(), key_file=keys) as application:
            transport = httpx2.ASGITransport(app=doors(application))
            async with httpx2.AsyncClient(transport=transport, base_url="http://test") as http:
                answer: dict[str, Any] = (await http.get("/openapi.json")).raise_for_status().json()
                return answer


def operations() -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Method, path and description of every operation."""
    for path, methods in description()["paths"].items():
        for method in _METHODS:
            if method in methods:
                yield method.upper(), path, methods[method]


def api_pages() -> Iterator[tuple[str, str]]:
    """The path of each page below docs/reference, and its text."""
    nouns: dict[str, list[tuple[str, str, dict[str, Any]]]] = {}
    for each in operations():
        nouns.setdefault(each[2]["operationId"].partition(".")[0], []).append(each)
    yield "api.md", _list(nouns)
    for noun, found in sorted(nouns.items()):
        yield f"api/{noun}.md", _page(noun, found)


def _list(nouns: Mapping[str, list[tuple[str, str, dict[str, Any]]]]) -> str:
    rows = [
        (
            f"[`{name}`](api/{noun}.md#{name.replace('.', '')})",
            f"`{method} {path}`",
            _purpose(call),
            _needed(call),
            _who(call),
        )
        for noun, found in sorted(nouns.items())
        for method, path, call in found
        for name in (call["operationId"],)
    ]
    return (
        "# All operations\n\n"
        "Every operation of the [native API](../native.md), made of the description that a running service gives at\n"
        "`/openapi.json`. The page of a noun has the parameters, the body and the answer of each, and a call that was\n"
        "made and answered: `$URL` is the address of the service, and `$TOKEN` a token with the permission.\n\n"
        f"{table(('Operation', 'Call', 'What it does', 'Permission', 'Who'), rows)}"
    )


def _page(noun: str, found: list[tuple[str, str, dict[str, Any]]]) -> str:
    used: dict[str, None] = {}
    parts = [f"# API: {noun}\n", *(_operation(*each, used) for each in found)]
    shown: set[str] = set()
    objects = []
    # Showing one object may name others.
    while missing := [name for name in used if name not in shown]:
        for name in missing:
            shown.add(name)
            objects.append((name, _object(name, used)))
    if objects:
        parts += ["## Objects\n", *(text for _, text in sorted(objects))]
    return "\n".join(parts)


def _operation(method: str, path: str, call: dict[str, Any], used: dict[str, None]) -> str:
    parts = [
        f"## `{call['operationId']}`\n",
        f"`{method} {path}`\n",
        f"{as_markdown(call['description'])}\n",
        f"- Permission: {_needed(call)}. For: {_who(call)}.",
        f"- Answer: {_answer(call, used)}.",
    ]
    if problems := call["x-problems"]:
        named = ", ".join(f"[`{code}`](../problems.md#{code})" for code in problems)
        parts.append(f"- Problems of its own: {named}.")
    parts.append("")
    if call.get("parameters"):
        rows = [
            (f"`{each['name']}`", each["in"], _type(each["schema"], used), _meaning(each, each.get("required", False)))
            for each in call["parameters"]
        ]
        parts.append(table(("Parameter", "In", "Type", "Meaning"), rows))
    if "requestBody" in call:
        parts.append(f"The body: {_content(call['requestBody'], used)}.\n")
    if example := examples().get(call["operationId"]):
        parts.append(_example(example))
    return "\n".join(parts)


def _example(example: dict[str, Any]) -> str:
    """A call as one can paste it, and its answer."""
    method, _, path = example["call"].partition(" ")
    usual = "GET" if example["body"] is None else "POST"
    words = ["curl -s", *([f"-X {method}"] if method != usual else [])]
    words += [f'"$URL{path}"', '-H "Authorization: Bearer $TOKEN"']
    words += [f"-H '{name}: {value}'" for name, value in example["headers"].items()]
    text = " ".join(words)
    if isinstance(example["body"], str):
        text += f" \\\n  --data-binary '{example['body']}'"
    elif example["body"] is not None:
        text += f" \\\n  -H \"Content-Type: application/json\" -d '{_json(example['body'])}'"
    return f"```sh\n{text}\n```\n{_shown(example['answer'])}"


def _shown(answer: Any) -> str:
    if not answer:
        return ""
    kind, text = ("text", answer.strip()) if isinstance(answer, str) else ("json", _json(answer))
    return f"\n```{kind}\n{text}\n```\n"


def _json(value: Any) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False)


def _purpose(call: Schema) -> str:
    """The first sentence about it."""
    return cell(re.split(r"(?<=[.:;])\s", call["description"], maxsplit=1)[0].rstrip(".:;") + ".")


def _needed(call: Schema) -> str:
    return f"`{call['x-permission']}`" if call["x-permission"] else "any token"


def _who(call: Schema) -> str:
    return ", ".join(call["x-parties"]) if len(call["x-parties"]) < 3 else "all parties"


def _answer(call: Schema, used: dict[str, None]) -> str:
    fine = [(status, answer) for status, answer in call["responses"].items() if int(status) < 400]
    told = [f"{status}{_with(_content(answer, used))}" for status, answer in fine]
    return ", or ".join(told)


def _with(content: str) -> str:
    return f" with {content}" if content else ""


def _content(part: Schema, used: dict[str, None]) -> str:
    kinds = []
    for media, each in part.get("content", {}).items():
        kind = _type(each.get("schema", {}), used)
        kinds.append(kind if media == "application/json" else f"`{media}`")
    return " or ".join(dict.fromkeys(kinds))


def _object(name: str, used: dict[str, None]) -> str:
    schema = _schemas()[name]
    text = f"### {name}\n\n"
    if "enum" in schema:
        told = " [Reasons](../reasons.md) explains them." if name in ("CancelReason", "DeclineReason") else ""
        return f"{text}One of {', '.join(f'`{each}`' for each in schema['enum'])}.{told}\n"
    if schema.get("description"):
        text += f"{as_markdown(schema['description'])}\n\n"
    needed = schema.get("required", ()) if schema.get("additionalProperties") is False else ()
    rows = [
        (f"`{member}`", _type(each, used), _meaning({"schema": each}, member in needed))
        for member, each in schema.get("properties", {}).items()
    ]
    return text + (table(("Member", "Type", "Meaning"), rows) if rows else "")


def _schemas() -> dict[str, Any]:
    schemas: dict[str, Any] = description()["components"]["schemas"]
    return schemas


def _meaning(part: Schema, required: bool) -> str:
    schema = part["schema"]
    told = [part.get("description") or schema.get("description", "")]
    if required:
        told.insert(0, "required")
    elif schema.get("default") not in (None, "", []):
        told.append(f"by default `{_literal(schema['default'])}`")
    return cell("; ".join(each.rstrip(".") for each in told if each))


def _literal(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _type(schema: Schema, used: dict[str, None]) -> str:
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        used.setdefault(name)
        return f"[{name}](#{name.lower()})"
    if "anyOf" in schema:
        return " or ".join(_type(each, used) for each in schema["anyOf"])
    if "allOf" in schema:
        return " and ".join(_type(each, used) for each in schema["allOf"])
    if "enum" in schema:
        return ", ".join(f"`{each}`" for each in schema["enum"])
    if "const" in schema:
        return f"`{_literal(schema['const'])}`"
    return _plain(schema, used)


def _plain(schema: Schema, used: dict[str, None]) -> str:
    match schema.get("type"):
        case "array":
            return f"list of {_type(schema.get('items', {}), used)}{_bounds(schema, 'minItems', 'maxItems')}"
        case "object" if isinstance(schema.get("additionalProperties"), dict):
            return f"object of {_type(schema['additionalProperties'], used)}"
        case "string":
            kind = {"uuid": "id", "date-time": "time", "date": "day"}.get(schema.get("format", ""), "text")
            return kind + _bounds(schema, "minLength", "maxLength")
        case "integer":
            return "integer" + _bounds(schema, "minimum", "maximum", "ge", "le")
        case str() as kind:
            return kind
        case _:
            return "any value"


def _bounds(schema: Schema, least: str, most: str, *others: str) -> str:
    low, high = (_bound(schema, *names) for names in zip((least, most), others or (least, most), strict=True))
    if high is not None:
        return f", {low or 0} to {high}"
    return f", from {low}" if low else ""


def _bound(schema: Schema, *names: str) -> int | None:
    """Pydantic writes some of these bounds as floating-point numbers."""
    return next((int(schema[name]) for name in names if name in schema), None)
