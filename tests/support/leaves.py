"""Examples of what a description describes, and each place in them: a new member is found by itself."""

import copy
from collections.abc import Iterator, Mapping
from typing import Any

Place = tuple[str | int, ...]

NASTY = {
    "NUL": "a\0b",
    "half a pair": "\ud800",
    "the other half": "a\udfffb",
    "escape": "\x1b[31m",
    "delete": "\x7f",
    "next line": "\x85",
    "carriage return": "a\rb",
}
"""What no text can hold, by name."""

ODD = "x \t\n\u2028\ufffe\u200b\U0001f4a9 & <b> '\"\\ %00 é"
"""What any text can hold."""


def example(schema: Mapping[str, Any], definitions: Mapping[str, Any], known: Mapping[str, Any], name: str = "") -> Any:
    """A value that the schema describes, with every member; ``known`` are members that have to be what they are."""
    if name in known:
        return known[name]
    if "$ref" in schema:
        return example(definitions[schema["$ref"].rpartition("/")[2]], definitions, known, name)
    if choices := schema.get("anyOf") or schema.get("oneOf"):
        if {"type": "number"}.items() <= choices[0].items():
            return "1.00"
        return example(choices[0], definitions, known, name)
    if "enum" in schema or "const" in schema:
        return schema.get("const", schema.get("enum", [None])[0])
    match schema.get("type"):
        case "object":
            properties = schema.get("properties", {})
            return {each: example(inner, definitions, known, each) for each, inner in properties.items()}
        case "array":
            return [example(schema["items"], definitions, known, name)]
        case "integer" | "number":
            return max(1, schema.get("minimum", 1))
        case "boolean":
            return False
        case _:
            return _text(schema.get("format", ""))


def _text(kind: str) -> str:
    return {"date": "2026-11-02", "date-time": "2026-11-02T09:00:00Z", "uuid": "0" * 32}.get(kind, "x")


def leaves(value: Any, *way: str | int) -> Iterator[Place]:
    """Where the values are that hold no others."""
    if isinstance(value, dict) and value:
        for name, inner in value.items():
            yield from leaves(inner, *way, name)
    elif isinstance(value, list) and value:
        for place, inner in enumerate(value):
            yield from leaves(inner, *way, place)
    else:
        yield way


def with_at(value: Any, place: Place, leaf: Any) -> Any:
    """The value with another leaf at this place."""
    if not place:
        return leaf
    changed = copy.deepcopy(value)
    holder = changed
    for part in place[:-1]:
        holder = holder[part]
    holder[place[-1]] = leaf
    return changed
