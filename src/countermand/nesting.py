"""How deep a JSON text nests, and how much there is in it, found without parsing it."""

import re
from array import array
from itertools import accumulate
from typing import Final

_STRING: Final = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*(?:"|\\?\Z)', re.DOTALL)
_STEPS: Final = bytes.maketrans(b"[{]}", b"\x01\x01\xff\xff")
_NO_BRACKETS: Final = bytes(set(range(256)) - set(b"[{]}"))


def nests_at_most(body: bytes, depth_max: int) -> bool:
    """Whether brackets outside of strings nest at most so deep. It reads only bytes, so no parser is at risk."""
    if body.count(b"[") + body.count(b"{") <= depth_max:
        return True
    # A step up or down for each bracket; their sums are the depths.
    steps = array("b", _STRING.sub(b"", body).translate(_STEPS, _NO_BRACKETS))
    return max(accumulate(steps), default=0) <= depth_max


def holds_at_most(body: bytes, values_max: int) -> bool:
    """Whether there seem to be so many: there are no more values than commas, colons and opening brackets."""
    if _count(body) <= values_max:
        return True
    return _count(_STRING.sub(b"", body)) <= values_max


def _count(text: bytes) -> int:
    return sum(map(text.count, (b",", b":", b"[", b"{")))
