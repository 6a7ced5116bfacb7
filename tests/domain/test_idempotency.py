"""When two calls with one key are the same, and which places are named when they are not."""

from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest

from countermand.domain.idempotency import DIFFERENCES_MAX, Content, IdempotencyKey, KeptAnswer, content_of, reused
from countermand.domain.refusals import RefusalKind

NOW = datetime(2026, 11, 2, 9, 0, tzinfo=UTC)
PARTY = UUID(int=7)
A, B, C = UUID(int=1), UUID(int=2), UUID(int=3)


def differences(before: Content, now: Content) -> list[str] | None:
    kept = KeptAnswer(fingerprint=before.fingerprint, answer={}, at=NOW, parts=before.parts)
    refusal = reused(kept, IdempotencyKey.of_party(PARTY, "k", now))
    if refusal is None:
        return None
    assert (refusal.kind, refusal.first_used_at) == (RefusalKind.KEY_REUSED, NOW)
    return list(refusal.differs)


def said(value: Any) -> Content:
    return content_of("op", value if isinstance(value, dict) else {"x": value})


SAME: list[tuple[Any, Any]] = [
    ({}, {}),
    ({"a": 1, "b": 2}, {"b": 2, "a": 1}),
    (Decimal("12.5"), Decimal("12.50")),
    (Decimal("100"), Decimal("1E+2")),
    (NOW, NOW.astimezone(timezone(timedelta(hours=2)))),
    ({"lines": [{"line": A, "units": 1}, {"line": B}]}, {"lines": [{"line": B}, {"line": A, "units": 1}]}),
    (["a"], ("a",)),
    (frozenset({"a", "b"}), {"b", "a"}),
]


@pytest.mark.parametrize(("one", "other"), SAME)
def test_calls_that_mean_the_same(one: Any, other: Any) -> None:
    assert differences(said(one), said(other)) is None


TWO = {"lines": [{"line": A, "units": 1}, {"line": B, "units": 2}]}
MANY = {"lines": [{"line": UUID(int=at), "units": 1} for at in range(1, 1001)]}
OTHER: list[tuple[Any, Any, list[str]]] = [
    ({"units": 1}, {"units": 2}, ["/units"]),
    ({"units": 1}, {}, ["/units"]),
    ({}, {"units": 1}, ["/units"]),
    ({"units": 1}, {"units": "1"}, ["/units"]),
    ({"units": 1}, {"units": True}, ["/units"]),
    ({"x": None}, {"x": "None"}, ["/x"]),
    ({"x": []}, {"x": {}}, ["/x"]),
    ({"x": ["a", "b"]}, {"x": ["b", "a"]}, ["/x/0", "/x/1"]),
    ({"x": ["a"]}, {"x": ["a", "b"]}, ["/x/1"]),
    ({"x": []}, {"x": ["a"]}, ["/x"]),
    ({"a/b": 1, "c~d": 1}, {"a/b": 2, "c~d": 2}, ["/a~1b", "/c~0d"]),
    (TWO, {"lines": [{"line": B, "units": 2}, {"line": A, "units": 3}]}, ["/lines/1/units"]),
    (TWO, {"lines": [{"line": A, "units": 1}]}, ["/lines"]),
    (TWO, {"lines": [*TWO["lines"], {"line": C}]}, ["/lines/2/line"]),
    (TWO, {"lines": [{"line": A, "units": 1}, {"line": C, "units": 2}]}, ["/lines"]),
    (MANY, {"lines": MANY["lines"][:-1]}, ["/lines"]),
    (MANY, {**MANY, "note": "x"}, ["/note"]),
    (MANY, TWO, ["/lines"]),
    (TWO, MANY, ["/lines"]),
    ({"a": {"b": 1, "c": 2}}, {"a": {"b": 1, "c": 3}}, ["/a/c"]),
]


@pytest.mark.parametrize(("before", "now", "differs"), OTHER)
def test_the_places_that_differ(before: Any, now: Any, differs: list[str]) -> None:
    assert differences(said(before), said(now)) == differs


def test_another_operation_is_all_that_is_said() -> None:
    assert differences(content_of("accept 1", {"units": 1}), content_of("accept 2", {"units": 2})) == ["operation"]


def test_of_a_call_by_an_earlier_version_the_whole_differs() -> None:
    now = IdempotencyKey.of_party(PARTY, "k", said({"units": 1}), former=lambda: "as it was")
    assert reused(KeptAnswer(fingerprint="as it was", answer={}, at=NOW), now) is None
    refusal = reused(KeptAnswer(fingerprint="another", answer={}, at=NOW), now)
    assert refusal
    assert refusal.differs == ("",)


def test_what_is_kept_of_a_call_is_bounded_and_has_no_value_in_it() -> None:
    big = {f"m{at}": [{"line": UUID(int=each), "note": "a secret"} for each in range(1, 101)] for at in range(10)}
    content = said({**big, **MANY})
    assert len(content.parts) <= 10 * 200 + 2
    assert "secret" not in str(content.parts)
    assert len(said(MANY).parts) == 2
    other = differences(
        said(big), said({name: [{**each, "note": "x"} for each in lines] for name, lines in big.items()})
    )
    assert other
    assert len(other) == DIFFERENCES_MAX
