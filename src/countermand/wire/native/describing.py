"""The description of the native API (OpenAPI 3.1), where FastAPI would say less or something else."""

from collections.abc import Iterator
from typing import Any, Final

from countermand.wire.native.errors import MEDIA_TYPE
from countermand.wire.native.examples import add_examples, examples, problem_examples
from countermand.wire.native.members import meaning_of
from countermand.wire.native.operations import OPERATIONS

_METHODS: Final = frozenset({"get", "post", "put", "patch", "delete"})


def described(description: dict[str, Any]) -> dict[str, Any]:
    """The description with tags, permissions, meanings, examples, and problems in their media type."""
    found = examples()
    for path, call in _calls(description):
        _describe(call)
        add_examples(call, path, found)
    description["components"]["examples"] = problem_examples()
    _describe_objects(description)
    tags = {call["tags"][0] for _, call in _calls(description)}
    description["tags"] = [{"name": name} for name in sorted(tags)]
    return description


def _calls(description: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for path, methods in description["paths"].items():
        yield from ((path, call) for method, call in methods.items() if method in _METHODS)


def _describe(call: dict[str, Any]) -> None:
    operation = OPERATIONS[call["operationId"]]
    call["tags"] = [call["operationId"].partition(".")[0]]
    if operation.ends:
        call["deprecated"] = True
    call["x-permission"] = operation.permission.value if operation.permission else None
    call["x-parties"] = sorted(kind.value for kind in operation.kinds)
    for status, answer in call["responses"].items():
        content = answer.get("content", {})
        if int(status) >= 400 and "application/json" in content:
            content[MEDIA_TYPE] = content.pop("application/json")
    for sent in (*call.get("parameters", ()), *call.get("requestBody", {}).get("content", {}).values()):
        sent["schema"] = _never_null(sent["schema"])
    for parameter in call.get("parameters", ()):
        _explain(parameter, call["operationId"], parameter["name"])


def _describe_objects(description: dict[str, Any]) -> None:
    schemas = description["components"]["schemas"]
    received = _named([call.get("requestBody", {}) for _, call in _calls(description)], schemas)
    for called, schema in schemas.items():
        if called not in received:
            # Answers may gain members.
            schema.pop("additionalProperties", None)
        members = schema.get("properties", {})
        for name in members:
            if called in received:
                members[name] = _never_null(members[name])
            _explain(members[name], called, name)


def _named(part: Any, schemas: dict[str, Any]) -> set[str]:
    """The objects that a part of the description names, with those that they name."""
    found: set[str] = set()
    waiting = [part]
    while waiting:
        match waiting.pop():
            case {"$ref": str(reference)} if (name := reference.rpartition("/")[2]) not in found:
                found.add(name)
                waiting.append(schemas[name])
            case dict() as members:
                waiting.extend(members.values())
            case list() as items:
                waiting.extend(items)
    return found


def _explain(part: dict[str, Any], place: str, name: str) -> None:
    """Say what a parameter or a member means, unless its model does."""
    told = part.get("description") or part.get("schema", {}).get("description")
    if meaning := told or meaning_of(place, name):
        part["description"] = meaning


def _never_null(schema: dict[str, Any]) -> dict[str, Any]:
    """The same for a value that is left out where it is not said, and never null."""
    kinds = schema.get("anyOf", ())
    left = [each for each in kinds if each != {"type": "null"}]
    if len(left) == len(kinds):
        return schema
    rest = {name: value for name, value in schema.items() if name != "anyOf" and (name, value) != ("default", None)}
    return {**left[0], **rest} if len(left) == 1 else {"anyOf": left, **rest}
