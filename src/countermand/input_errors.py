"""What is wrong with input, as ``errors`` of a problem or of a row tell it: where, a name of ours, and a sentence."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from countermand.domain.texts import writable


def error_at(where: Sequence[str | int], code: str, detail: str) -> dict[str, Any]:
    """One of the ``errors`` of a problem. ``where`` begins with the part of the call."""
    part, *way = where
    if part == "body":
        return {"in": part, "pointer": "".join(f"/{_escaped(each)}" for each in way), "code": code, "detail": detail}
    return {"in": part, "name": ".".join(str(each) for each in way), "code": code, "detail": detail}


def _escaped(step: str | int) -> str:
    # A name may hold half a surrogate pair, which UTF-8 cannot write.
    return str(step) if isinstance(step, int) else writable(step).replace("~", "~0").replace("/", "~1")


def error_named(error: Mapping[str, Any]) -> dict[str, Any]:
    """What pydantic found wrong, in our own names."""
    kind, where, detail = error["type"], list(error["loc"]), error["msg"].removeprefix("Value error, ")
    return error_at(where, _CODES.get(kind, kind if kind in _OWN_CODES else "not_listed"), detail)


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
    "string_too_long": "too_long",
    "string_too_short": "blank",
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
        *("bad_id", "bad_text", "bad_time", "bad_amount", "blank", "integer", "twice", "null", "required"),
        *("bad_duration", "bad_working_hours"),
    }
)
"""What the types of ``fields.py`` say by themselves."""
