"""What is wrong with input, as ``errors`` of a problem or of a row tell it: where, a name of ours, and a sentence."""

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

from countermand.domain.texts import writable


def error_at(where: Sequence[str | int], code: str, detail: str) -> dict[str, Any]:
    """One of the ``errors`` of a problem. ``where`` begins with the part of the call."""
    part, *way = where
    if part == "body":
        return {"in": part, "pointer": "".join(f"/{_escaped(each)}" for each in way), "code": code, "detail": detail}
    # Of a parameter that is repeated, its name says which it is.
    return {"in": part, "name": str(way[0]) if way else "", "code": code, "detail": detail}


def _escaped(step: str | int) -> str:
    # A name may hold half a surrogate pair, which UTF-8 cannot write.
    return str(step) if isinstance(step, int) else writable(step).replace("~", "~0").replace("/", "~1")


def error_named(error: Mapping[str, Any]) -> dict[str, Any]:
    """What pydantic found wrong, in our own names."""
    kind, where, detail = error["type"], list(error["loc"]), error["msg"].removeprefix("Value error, ")
    code = _CODES.get(kind, kind if kind in _OWN_CODES else "not_listed")
    if kind == "literal_error":
        # Of members of an enumeration pydantic shows what Python calls them.
        detail = re.sub(r"<[^:<>]+: ('[^']*')>", r"\1", detail)
    elif kind in _LENGTHS and isinstance(error["input"], str):
        code, detail = _length(error["ctx"])
    return error_at(where, code, detail)


def _length(bounds: Mapping[str, Any]) -> tuple[str, str]:
    """How a text with the wrong number of characters is told."""
    if least := bounds.get("min_length"):
        return ("blank", "may not be blank") if least == 1 else ("out_of_range", f"has less than {least} characters")
    return "too_long", f"has more than {bounds['max_length']} characters"


_LENGTHS: Final = frozenset({"string_too_short", "string_too_long", "too_short", "too_long"})


_CODES: Final = {
    "missing": "required",
    "extra_forbidden": "unknown_member",
    "greater_than": "out_of_range",
    "greater_than_equal": "out_of_range",
    "less_than": "out_of_range",
    "less_than_equal": "out_of_range",
    "too_short": "out_of_range",
    "too_long": "out_of_range",
    "int_type": "integer",
    "int_parsing": "integer",
    "int_parsing_size": "integer",
    "int_from_float": "integer",
    "string_type": "bad_text",
    "string_pattern_mismatch": "bad_text",
    "string_unicode": "bad_text",
    "decimal_max_digits": "bad_amount",
    "decimal_type": "bad_amount",
    "decimal_parsing": "bad_amount",
    "finite_number": "bad_amount",
}
_OWN_CODES: Final = frozenset(
    {
        *("bad_id", "bad_text", "bad_time", "bad_amount", "bad_currency", "bad_duration", "bad_working_hours"),
        *("blank", "integer", "twice", "null", "required"),
    }
)
"""What the types of ``fields.py`` say by themselves."""
