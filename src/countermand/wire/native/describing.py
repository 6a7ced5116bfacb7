"""The description of the native API (OpenAPI 3.1), where FastAPI would say less or something else."""

from collections.abc import Iterator
from typing import Any, Final

from countermand.wire.native.errors import MEDIA_TYPE
from countermand.wire.native.operations import OPERATIONS

_METHODS: Final = frozenset({"get", "post", "put", "patch", "delete"})


def described(description: dict[str, Any]) -> dict[str, Any]:
    """The description with tags, permissions, problems in their media type, and members that cannot be null."""
    for call in _calls(description):
        operation = OPERATIONS[call["operationId"]]
        call["tags"] = [call["operationId"].partition(".")[0]]
        call["x-permission"] = operation.permission.value if operation.permission else None
        call["x-parties"] = sorted(kind.value for kind in operation.kinds)
        for status, answer in call["responses"].items():
            content = answer.get("content", {})
            if int(status) >= 400 and "application/json" in content:
                content[MEDIA_TYPE] = content.pop("application/json")
        for sent in (*call.get("parameters", ()), *call.get("requestBody", {}).get("content", {}).values()):
            sent["schema"] = _never_null(sent["schema"])
    for schema in description["components"]["schemas"].values():
        # What is sent names its unknown members; answers may gain some.
        if schema.get("additionalProperties") is False:
            schema["properties"] = {name: _never_null(each) for name, each in schema["properties"].items()}
    description["tags"] = [{"name": name} for name in sorted({call["tags"][0] for call in _calls(description)})]
    return description


def _calls(description: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for path in description["paths"].values():
        yield from (call for method, call in path.items() if method in _METHODS)


def _never_null(schema: dict[str, Any]) -> dict[str, Any]:
    """The same for a value that is left out where it is not said, and never null."""
    kinds = schema.get("anyOf", ())
    left = [each for each in kinds if each != {"type": "null"}]
    if len(left) == len(kinds):
        return schema
    rest = {name: value for name, value in schema.items() if name != "anyOf" and (name, value) != ("default", None)}
    return {**left[0], **rest} if len(left) == 1 else {"anyOf": left, **rest}
