"""How much, how deep and how slowly: bounds that hold before anything is understood."""

import contextlib
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any, Final

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st

from countermand.json_input import MalformedJsonError, parse_json
from countermand.wire import limits
from tests.support.proportion import Yard, out_of_proportion
from tests.support.waiting import HANGS_S
from tests.support.world import Clock, World, populate, running

pytestmark = pytest.mark.anyio

MAX = 256 * 1024
Receive = Callable[[], Awaitable[Any]]


def arriving(*parts: bytes, then: str = "end") -> Receive:
    """A caller that sends these parts and then ends the body, goes away, or says nothing more."""
    waiting = list(parts)

    async def receive() -> Any:
        if len(waiting) > 1 or (waiting and then != "end"):
            return {"type": "http.request", "body": waiting.pop(0), "more_body": True}
        if then == "end":
            return {"type": "http.request", "body": waiting.pop(0) if waiting else b"", "more_body": False}
        if then == "silence":
            await anyio.sleep_forever()
        return {"type": "http.disconnect"}

    return receive


# The body


@pytest.mark.parametrize("parts", [(), (b"",), (b"ab",), (b"a", b"b"), (b"a", b"", b"b", b"")])
@pytest.mark.parametrize("timeout_s", [0, 10])
async def test_a_body_is_read_whole_however_it_is_framed(parts: tuple[bytes, ...], timeout_s: float) -> None:
    body = await limits.read_body({}, arriving(*parts), max_bytes=10, timeout_s=timeout_s)
    assert body == b"".join(parts)


@pytest.mark.parametrize(
    ("parts", "fits"),
    [
        ((b"x" * 10,), True),
        ((b"x" * 11,), False),
        ((b"x",) * 10, True),
        ((b"x",) * 11, False),
        ((b"x" * 11, b""), False),
    ],
)
async def test_one_byte_too_many_is_too_large(parts: tuple[bytes, ...], fits: bool) -> None:
    if fits:
        assert len(await limits.read_body({}, arriving(*parts), max_bytes=10, timeout_s=1)) == 10
        return
    with pytest.raises(limits.BodyTooLargeError):
        await limits.read_body({}, arriving(*parts), max_bytes=10, timeout_s=1)


async def test_what_follows_a_body_that_is_too_large_is_not_read() -> None:
    receive = arriving(b"x" * 11, b"more", b"and more")
    with pytest.raises(limits.BodyTooLargeError):
        await limits.read_body({}, receive, max_bytes=10, timeout_s=1)
    assert (await receive())["body"] == b"more"


@pytest.mark.parametrize("parts", [(), (b"{",), (b"{", b" ", b" ")], ids=["nothing", "one byte", "three bytes"])
async def test_a_body_that_stops_arriving_is_too_slow(parts: tuple[bytes, ...]) -> None:
    with anyio.fail_after(HANGS_S), pytest.raises(limits.BodyTooSlowError):
        await limits.read_body({}, arriving(*parts, then="silence"), max_bytes=10, timeout_s=0.02)


async def test_a_body_that_drips_is_cut_at_the_deadline_of_the_whole() -> None:
    """Each part comes in time; it is the whole that does not."""

    async def drip() -> Any:
        await anyio.lowlevel.checkpoint()
        return {"type": "http.request", "body": b"", "more_body": True}

    with anyio.fail_after(HANGS_S), pytest.raises(limits.BodyTooSlowError):
        await limits.read_body({}, drip, max_bytes=10, timeout_s=0.05)


@pytest.mark.parametrize("parts", [(), (b"{",)])
@pytest.mark.parametrize("timeout_s", [0, 10])
async def test_a_caller_that_goes_away_is_no_empty_body(parts: tuple[bytes, ...], timeout_s: float) -> None:
    with pytest.raises(limits.BodyTooSlowError):
        await limits.read_body({}, arriving(*parts, then="gone"), max_bytes=10, timeout_s=timeout_s)


async def test_a_body_that_has_arrived_is_not_waited_for() -> None:
    async def never() -> Any:
        raise AssertionError

    for whole in (b"", b"x" * 10):
        scope = {limits.ARRIVED: partial(bytes, whole)}
        assert await limits.read_body(scope, never, max_bytes=10, timeout_s=1) == whole
    with pytest.raises(limits.BodyTooLargeError):
        await limits.read_body({limits.ARRIVED: partial(bytes, 11)}, never, max_bytes=10, timeout_s=1)
    on_its_way = {limits.ARRIVED: lambda: None}
    assert await limits.read_body(on_its_way, arriving(b"a", b"b"), max_bytes=10, timeout_s=1) == b"ab"


# JSON


@pytest.mark.parametrize("body", [b"", b"{}", b" {} "])
def test_nothing_counts_as_an_empty_object(body: bytes) -> None:
    assert parse_json(body) == {}


@pytest.mark.parametrize("body", [b" ", b"\r\n\t"])
def test_blanks_are_no_json(body: bytes) -> None:
    with pytest.raises(MalformedJsonError):
        parse_json(body)


def nested(depth: int) -> bytes:
    return b"[" * depth + b"]" * depth


@pytest.mark.parametrize("body", [nested(64), b'{"a":' * 64 + b"1" + b"}" * 64, b"[[[],[[]]],{}]"])
def test_sixty_four_levels_are_fine(body: bytes) -> None:
    assert parse_json(body) == json.loads(body)


@pytest.mark.parametrize(
    ("body", "complaint"),
    [
        pytest.param(nested(65), "nested deeper than 64 levels", id="65 arrays"),
        pytest.param(b'{"a":' * 65 + b"1" + b"}" * 65, "nested deeper than 64 levels", id="65 objects"),
        pytest.param(b"[" * 200_000, "nested deeper than 64 levels", id="200,000 brackets that never close"),
        pytest.param(b'["\\"' + b"[" * 70, "Unterminated string", id="brackets in a string that never closes"),
        pytest.param(b"[" + b"1," * 9_999 + b"1]", "more than 10000 values", id="10,001 values"),
        pytest.param(
            b"{" + b",".join(b'"%d":1' % n for n in range(5_000)) + b"}", "more than 10000", id="5,000 members"
        ),
        pytest.param(b'"\xff"', ".", id="invalid UTF-8"),
        pytest.param(b'"\xed\xa0\x80"', ".", id="a surrogate in UTF-8"),
        pytest.param(b'"\xc0\xaf"', ".", id="an overlong character"),
        pytest.param(b"\xef\xbb\xbf{}", ".", id="a byte order mark"),
        pytest.param('{"a": 1}'.encode("utf-16"), ".", id="UTF-16"),
        pytest.param(b"NaN", ".", id="NaN"),
        pytest.param(b"[Infinity]", ".", id="Infinity"),
        pytest.param(b"[1e999]", ".", id="a number beyond floats"),
        pytest.param(b'"\\ud800"', ".", id="a lone surrogate"),
        pytest.param(b'"\\udc00\\ud800"', ".", id="surrogates the wrong way round"),
        pytest.param(b'"a\\u0000"', "null characters", id="NUL, escaped"),
        pytest.param(b'{"a\\u0000": 1}', "null characters", id="NUL in a name"),
        pytest.param(b'"\x00"', ".", id="NUL as it is"),
        pytest.param(b"{}{}", ".", id="two documents"),
        pytest.param(b"{'a': 1}", ".", id="single quotes"),
        pytest.param(b'{"a": 1,}', ".", id="a trailing comma"),
        pytest.param(b"// comment\n{}", ".", id="a comment"),
        pytest.param(b"01", ".", id="a leading zero"),
        pytest.param(b"]" * 100, ".", id="brackets that were never opened"),
    ],
)
def test_what_is_not_json_or_beyond_the_limits_is_malformed(body: bytes, complaint: str) -> None:
    with pytest.raises(MalformedJsonError, match=complaint):
        parse_json(body)


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"[" + b"1," * 9_998 + b"1]", id="10,000 values"),
        pytest.param(b'["' + b"[" * 1_000 + b'"]', id="brackets in a string"),
        pytest.param(b'["\\"' + b"[{" * 100 + b'"]', id="brackets after an escaped quote"),
        pytest.param(b'["\\\\", ' + nested(63) + b"]", id="an escaped backslash before the quote"),
        pytest.param(b"[" + b"[],{}," * 100 + b"1]", id="many brackets side by side"),
        pytest.param(b'"\\ud83d\\ude00"', id="a pair of surrogates"),
    ],
)
def test_what_is_within_the_limits_is_read(body: bytes) -> None:
    assert parse_json(body) == json.loads(body)


@pytest.mark.parametrize("digits", [20, 100, 101, 400, 100_000])
def test_a_huge_integer_is_a_number_or_malformed(digits: int) -> None:
    try:
        assert parse_json(b"9" * digits) == 10**digits - 1
    except MalformedJsonError:
        assert digits > 100


async def test_a_huge_integer_costs_no_more_than_its_size() -> None:
    """To make one of text is quadratic."""

    async def refused(digits: int) -> None:
        with pytest.raises(MalformedJsonError):
            parse_json(b"9" * digits)

    async def read() -> None:
        parse_json(PLAIN)

    fault = await out_of_proportion(partial(refused, 1_000_000), Yard(read), partial(refused, 250_000))
    assert fault == ""


PLAIN: Final = b"[" + b",".join([b"9" * 100] * 9_900) + b"]"
"""A million bytes of numbers, too."""


_texts = st.text(st.characters(codec="utf-8", exclude_categories=["Cc"]) | st.sampled_from("\n\t"))
_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**60), 2**60) | _texts,
    lambda inner: st.lists(inner) | st.dictionaries(_texts, inner),
)


@given(value=_values)
def test_any_json_within_the_limits_is_read_as_it_is_meant(value: Any) -> None:
    assert parse_json(json.dumps(value).encode()) == value
    assert parse_json(json.dumps(value, ensure_ascii=False, indent=1).encode()) == value


@given(body=st.binary(max_size=200) | st.text(alphabet='[]{}",:\\1 a', max_size=200).map(str.encode))
def test_any_bytes_are_read_or_malformed(body: bytes) -> None:
    with contextlib.suppress(MalformedJsonError):
        read = parse_json(body)
        assert read == json.loads(body.strip().decode() or "{}", parse_float=Decimal)


# The same at the doors


@pytest.fixture
async def narrow(tmp_path: Path) -> AsyncIterator[World]:
    """A service that is quick to lose patience."""
    clock = Clock()
    async with running(f"sqlite:///{tmp_path}/test.sqlite3", clock, body_timeout_s=0.05) as application:
        yield await populate(application, clock)


async def answered(world: World, path: str, method: str, receive: Receive, **headers: str) -> tuple[int, Any]:
    """Status and body for a call whose body arrives by ``receive``, straight into the application."""
    given = world.token(world.retailer) | {"host": "test", "content-type": "application/json"} | headers
    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "root_path": "",
        "headers": [(name.lower().encode(), value.encode()) for name, value in given.items()],
        "client": ("127.0.0.1", 1),
        "server": ("127.0.0.1", 80),
    }
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    with anyio.fail_after(HANGS_S):
        await world.asgi(scope, receive, send)
    body = b"".join(message.get("body", b"") for message in sent)
    return sent[0]["status"], json.loads(body) if body else None


CALLS = [
    pytest.param("/orders/", "POST", 413, 408, id="v1"),
    pytest.param("/timp/orders/", "POST", 413, 408, id="timp"),
    pytest.param(
        "/orders/items/cancel/9d6f9b7c-5a0e-4f57-8f5a-2f1b0c7d1e11/", "DELETE", 400, 400, id="the seed's path"
    ),
]
"""The limits of a body; the seed's path knows neither 413 nor 408."""


@pytest.mark.parametrize("parts", [(b"x" * (MAX + 1),), (b"x" * 1024,) * 257], ids=["at once", "in parts"])
@pytest.mark.parametrize(("path", "method", "too_large", "too_slow"), CALLS)
async def test_a_body_over_256_kilobytes_is_refused_by_name(
    sqlite_world: World, path: str, method: str, too_large: int, too_slow: int, parts: tuple[bytes, ...]
) -> None:
    status, body = await answered(sqlite_world, path, method, arriving(*parts))
    assert (status, body) == (too_large, {"detail": f"The body is larger than {MAX} bytes."})


LOGIN = pytest.param("/organizations/user-login/", "POST", 413, 408, id="login")
"""Its body is a stranger's and has its own, lower limit."""


@pytest.mark.parametrize("then", ["silence", "gone"])
@pytest.mark.parametrize(("path", "method", "too_large", "too_slow"), [*CALLS, LOGIN])
async def test_a_body_that_does_not_arrive_is_refused_by_name(
    narrow: World, path: str, method: str, too_large: int, too_slow: int, then: str
) -> None:
    status, body = await answered(narrow, path, method, arriving(b"{", then=then))
    assert (status, body) == (too_slow, {"detail": "The body did not arrive in time."})


@pytest.mark.parametrize(("path", "method", "too_large", "too_slow"), CALLS)
async def test_a_body_of_just_256_kilobytes_is_read(
    sqlite_world: World, path: str, method: str, too_large: int, too_slow: int
) -> None:
    status, body = await answered(sqlite_world, path, method, arriving(b"{}" + b" " * (MAX - 2)))
    assert status not in (too_large, too_slow) or "detail" not in body


@pytest.mark.parametrize(
    "body",
    [nested(65), b"[" + b"1," * 9_999 + b"1]", b'"\xff"', b"\xef\xbb\xbf{}", b"NaN", b'"\\ud800"', b'{"start": 1e999}'],
    ids=["depth", "values", "UTF-8", "BOM", "NaN", "surrogate", "1e999"],
)
@pytest.mark.parametrize(("path", "method", "too_large", "too_slow"), CALLS)
async def test_json_beyond_the_limits_is_400_with_the_reason(
    sqlite_world: World, path: str, method: str, too_large: int, too_slow: int, body: bytes
) -> None:
    status, answer = await answered(sqlite_world, path, method, arriving(body))
    assert status == 400
    assert answer["detail"].startswith("JSON parse error - ")
    assert len(answer["detail"]) > len("JSON parse error - ")


@pytest.mark.parametrize("size", [16 * 1024, 16 * 1024 + 1])
async def test_who_logs_in_sends_16_kilobytes_at_most(sqlite_world: World, size: int) -> None:
    status, _ = await answered(sqlite_world, "/organizations/user-login/", "POST", arriving(b"{}" + b" " * (size - 2)))
    assert (status == 413) == (size > 16 * 1024)


@pytest.mark.parametrize("number", [b"9" * 30, b"-" + b"9" * 400, b"1e300", b"0.1", b"18446744073709551616"])
async def test_a_huge_number_where_a_small_one_belongs_is_400_at_its_field(sqlite_world: World, number: bytes) -> None:
    status, answer = await answered(sqlite_world, "/orders/", "POST", arriving(b'{"start": ' + number + b"}"))
    assert (status, set(answer)) in ((400, {"start"}), (400, {"detail"}))
