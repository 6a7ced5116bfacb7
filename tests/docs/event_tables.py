"""What docs/events.md says of the code, made of the code: ``python -m tests.docs.event_tables`` writes it."""

import json
import re
from typing import Any

from countermand.documents import events
from countermand.domain.events import MEANINGS, MONEY, EventKind
from tests.docs.markdown import filled, table
from tests.docs.reading import DOCS

PAGE = DOCS / "events.md"
SCHEMA = DOCS / "events.schema.json"


def page() -> str:
    """The page as it should be: the text that is there, around tables of today."""
    text = PAGE.read_text(encoding="utf-8")
    return re.sub(r"(<!-- (\w+): .*? -->\n).*?(<!-- end -->)", lambda m: m[1] + _table(m[2]) + m[3], text, flags=re.S)


def schema() -> str:
    """The JSON Schema of what is sent. It is open: readers must not mind members that come later."""
    described = events.Envelope.model_json_schema()
    for part in described["$defs"].values():
        if "enum" in part:
            # What a list of names says of itself is for those who read the code.
            part.pop("description", None)
    return json.dumps({"$schema": "https://json-schema.org/draft/2020-12/schema", **_open(described)}, indent=2) + "\n"


def _open(part: Any) -> Any:
    if isinstance(part, list):
        return [_open(each) for each in part]
    if not isinstance(part, dict):
        return part
    unsaid = {"additionalProperties"} | ({"title"} if isinstance(part.get("title"), str) else set())
    return {name: _open(value) for name, value in part.items() if name not in unsaid}


def _table(name: str) -> str:
    if name == "kinds":
        return "\n" + "\n".join(_kind(kind) for kind in EventKind) + "\n"
    model = getattr(events, name)
    members = [(f"`{member}`", field.description or "") for member, field in model.model_fields.items()]
    return f"{model.__doc__}\n\n" + table(("Member", "Meaning"), members)


def _kind(kind: EventKind) -> str:
    meaning = MEANINGS[kind]
    about = f" `units`: {meaning.units}." if meaning.units != "0" else ""
    whom = " To the retailer and the platform." if kind in MONEY else ""
    return f"### `{kind}`\n\n{filled(meaning.when + about + whom)}\n"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
    SCHEMA.write_text(schema(), encoding="utf-8")
