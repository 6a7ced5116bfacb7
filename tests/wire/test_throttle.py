"""How often who may call, at every door: in the door's own words, and without work for strangers."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

import anyio
import pytest

from countermand.settings import Settings
from countermand.wire import passwords, rates
from countermand.wire.passwords import CrowdedError, Passwords
from countermand.wire.throttle import SUSPECTS_MAX, Throttle, ThrottledError
from tests.support.waiting import HANGS_S
from tests.support.world import Clock, World, populate, running
from tests.wire.bol_plaza.calling import ORDERS, new_seller

pytestmark = pytest.mark.anyio

Opened = Callable[..., AbstractAsyncContextManager[World]]

HOME, ELSEWHERE = "192.0.2.1", "198.51.100.1"


@pytest.fixture
def opened(tmp_path: Path) -> Opened:
    @asynccontextmanager
    async def open_world(**settings: Any) -> AsyncIterator[World]:
        clock = Clock()
        async with running(f"sqlite:///{tmp_path}/test.sqlite3", clock, **settings) as application:
            yield await populate(application, clock)

    return open_world


class Answer:
    def __init__(self, sent: list[Any], unread: int) -> None:
        self.status: int = sent[0]["status"]
        self.headers = {name.decode().lower(): value.decode() for name, value in sent[0]["headers"]}
        self.body = b"".join(each.get("body", b"") for each in sent)
        self.unread = unread


async def call(world: World, method: str, path: str, *parts: bytes, address: str = HOME, **headers: str) -> Answer:
    """A call from an address, and how many parts of its body nobody read."""
    waiting, sent = list(parts or (b"",)), list[Any]()
    given = {"host": "test", "content-type": "application/json", **headers}

    async def receive() -> Any:
        body = waiting.pop(0) if waiting else b""
        return {"type": "http.request", "body": body, "more_body": bool(waiting)}

    async def send(message: Any) -> None:
        sent.append(message)

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
        "headers": [(name.lower().replace("_", "-").encode(), value.encode()) for name, value in given.items()],
        "client": (address, 1),
        "server": ("127.0.0.1", 80),
    }
    with anyio.fail_after(HANGS_S):
        await world.asgi(scope, receive, send)
    return Answer(sent, len(waiting))


# Nothing is read of strangers

BODIES = [
    pytest.param("POST", "/v1/cancellations", 401, id="native"),
    pytest.param("POST", "/v1/cancellations/can_1/accept", 401, id="native, an act"),
    pytest.param("POST", "/v1/quotes", 401, id="quotes"),
    pytest.param("POST", "/v1/endpoints", 401, id="endpoints"),
    pytest.param("GET", "/v1/events", 401, id="native, a read with a body"),
    pytest.param("POST", "/v1/nothing", 404, id="no call"),
    pytest.param("PUT", "/v1/cancellations", 405, id="no such verb"),
    pytest.param("POST", "/orders/", 401, id="CRUX"),
    pytest.param("DELETE", f"/orders/items/cancel/{uuid4()}/", 401, id="the seed"),
    pytest.param("POST", "/timp/orders/create/", 401, id="timp"),
    pytest.param("PUT", "/services/rest/order-items/v2/1/cancellation", 401, id="Plaza"),
    pytest.param("POST", "/services/rest/shipments/v2", 401, id="Plaza, shipping"),
    pytest.param("POST", "/answer/AAAA", 404, id="a link"),
]


@pytest.mark.parametrize("credential", ["", "Bearer wrong", "Token wrong"])
@pytest.mark.parametrize(("method", "path", "status"), BODIES)
async def test_no_body_of_a_stranger_is_read(
    sqlite_world: World, method: str, path: str, status: int, credential: str
) -> None:
    headers = {"authorization": credential} if credential else {}
    answer = await call(sqlite_world, method, path, *(b"[],",) * 5, **headers)
    assert (answer.status, answer.unread) == (status, 5)


async def test_little_is_read_of_who_logs_in(sqlite_world: World) -> None:
    answer = await call(sqlite_world, "POST", "/organizations/user-login/", *(b"x" * 8192,) * 9)
    assert (answer.status, answer.unread) == (413, 6)


# A credential has its quota


def bearer(world: World, party: str = "retailer") -> dict[str, str]:
    return {"authorization": f"Bearer {world.tokens[getattr(world, party)]}"}


async def test_the_native_door_tells_what_is_left(opened: Opened) -> None:
    async with opened(call_limit="3/minute") as world:
        first = await call(world, "GET", "/v1/events", **bearer(world))
        reported = ("ratelimit-policy", "ratelimit")
        assert [first.headers[name] for name in reported] == ['"calls";q=3;w=60', '"calls";r=2;t=20']
        missing = await call(world, "GET", "/v1/cancellations/can_1", **bearer(world))
        assert (missing.status, missing.headers["ratelimit"]) == (404, '"calls";r=1;t=40')
        await call(world, "GET", "/v1/events", **bearer(world))
        refused = await call(world, "POST", "/v1/cancellations", b"{", b"}", **bearer(world))
        assert (refused.status, refused.headers["retry-after"], refused.unread) == (429, "20", 2)
        assert refused.headers["ratelimit"] == '"calls";r=0;t=60'
        assert b'"code":"rate_limited"' in refused.body
        assert (await call(world, "GET", "/v1/events", **bearer(world, "supplier"))).status == 200
        world.clock.advance(seconds=20)
        assert (await call(world, "GET", "/v1/events", **bearer(world))).status == 200


async def test_no_limit_is_told_where_there_is_none(opened: Opened) -> None:
    async with opened(call_limit="") as world:
        assert "ratelimit" not in (await call(world, "GET", "/v1/events", **bearer(world))).headers


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/orders/{order}/", 429),
        ("POST", "/timp/orders/", 429),
        # The seed's own path knows seven codes, and 429 is none of them.
        ("DELETE", "/orders/items/cancel/{line}/", 503),
    ],
)
async def test_crux_says_so_as_drf_does(opened: Opened, method: str, path: str, status: int) -> None:
    async with opened(call_limit="1/minute") as world:
        order = await world.order()
        path = path.format(order=order.id, line=order.lines[0].id)
        token = {"authorization": f"Token {world.tokens[world.retailer]}"}
        assert (await call(world, "GET", f"/orders/{order.id}/", **token)).status == 200
        refused = await call(world, method, path, b"{", b"}", **token)
        assert (refused.status, refused.unread) == (status, 2)
        assert refused.headers["retry-after"] == "60"
        assert refused.body == b'{"detail":"Request was throttled. Expected available in 60 seconds."}'


async def test_doors_share_the_quota_of_a_token(opened: Opened) -> None:
    async with opened(call_limit="1/minute") as world:
        assert (await call(world, "GET", "/v1/events", **bearer(world))).status == 200
        token = {"authorization": f"Token {world.tokens[world.retailer]}"}
        assert (await call(world, "POST", "/orders/", b"{}", **token)).status == 429


# Strangers have theirs by their address

WRONG = [
    pytest.param("GET", "/v1/events", {"authorization": "Bearer wrong"}, (401, 429), id="native"),
    pytest.param("POST", "/orders/", {"authorization": "Token wrong"}, (401, 429), id="CRUX"),
    pytest.param(
        "GET",
        "/services/rest/orders/v2",
        {
            "content-type": "application/xml",
            "x_bol_date": "Mon, 02 Nov 2026 09:00:00 GMT",
            "x_bol_authorization": "wrong:wrong",
        },
        (401, 409),
        id="Plaza",
    ),
    pytest.param("GET", "/answer/" + "A" * 120, {}, (404, 429), id="a link"),
]


@pytest.mark.parametrize(("method", "path", "headers", "statuses"), WRONG)
async def test_wrong_tokens_of_an_address_run_out_and_right_ones_do_not(
    opened: Opened, method: str, path: str, headers: dict[str, str], statuses: tuple[int, int]
) -> None:
    async with opened(wrong_token_limit="2/minute") as world:
        wrong, refused = statuses
        for status in (wrong, wrong, refused, refused):
            assert (await call(world, method, path, **headers)).status == status
        assert (await call(world, method, path, address=ELSEWHERE, **headers)).status == wrong
        assert (await call(world, "GET", "/v1/events", **bearer(world))).status == 200
        world.clock.advance(seconds=30)
        assert (await call(world, method, path, **headers)).status == wrong


async def test_no_credential_is_no_wrong_one(opened: Opened) -> None:
    async with opened(wrong_token_limit="1/minute") as world:
        for _ in range(3):
            assert (await call(world, "GET", "/v1/events")).status == 401


async def test_whether_the_process_lives_is_told_without_the_database(
    sqlite_world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr(type(sqlite_world.application.database), "read")
    answer = await call(sqlite_world, "GET", "/healthz", authorization="Bearer wrong")
    assert answer.status == 200


async def test_a_trusted_proxy_is_not_taken_for_its_clients(opened: Opened) -> None:
    async with opened(wrong_token_limit="1/minute", trusted_proxies=["192.0.2.0/24"]) as world:
        for client in ("198.51.100.1", "198.51.100.2"):
            for status in (401, 429):
                answer = await call(world, "GET", "/v1/events", authorization="Bearer wrong", x_forwarded_for=client)
                assert answer.status == status


async def test_look_ups_of_suspects_are_made_one_at_a_time_and_few_wait() -> None:
    throttle = Throttle(Settings(wrong_token_limit="1/minute"), Clock())
    await throttle.wrong({"client": (HOME, 0)})
    inside, most, refused = 0, 0, 0
    leave = anyio.Event()

    async def look_up(address: str) -> None:
        nonlocal inside, most, refused
        try:
            async with throttle.looking_up({"client": (address, 0)}):
                inside += 1
                most = max(most, inside)
                await leave.wait()
                inside -= 1
        except ThrottledError:
            refused += 1

    with anyio.fail_after(HANGS_S):
        async with anyio.create_task_group() as group:
            for _ in range(SUSPECTS_MAX + 10):
                group.start_soon(look_up, HOME)
            await anyio.wait_all_tasks_blocked()
            assert (inside, refused) == (1, 10)
            group.start_soon(look_up, ELSEWHERE)
            await anyio.wait_all_tasks_blocked()
            assert inside == 2
            leave.set()
    assert most == 2


async def test_what_is_kept_of_strangers_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rates, "KEYS_MAX", 10)
    counted = rates.Rates({"x": "1/day"})
    for number in range(100):
        await counted.take(number, "x", Clock()())
    assert len(counted._counts) == 10


# Links


async def test_a_link_is_used_so_often_and_no_more() -> None:
    throttle = Throttle(Settings(link_limit="2/minute"), Clock())
    for _ in range(2):
        await throttle.check_link("a")
    with pytest.raises(ThrottledError):
        await throttle.check_link("a")
    await throttle.check_link("b")


# Logging in


def checks(clock: Clock, **limits: Any) -> Passwords:
    return Passwords(Settings(**limits), clock)


async def fails(checked: Passwords, person: str, address: str) -> bool:
    """Whether an attempt may be made, which then fails."""
    try:
        async with checked.attempt(person, address):
            return True
    except ThrottledError:
        return False


async def succeeds(checked: Passwords, person: str, address: str) -> bool:
    try:
        async with checked.attempt(person, address) as attempt:
            attempt.succeeded()
            return True
    except ThrottledError:
        return False


async def test_an_address_tries_so_many_persons() -> None:
    checked = checks(Clock(), login_address_limit="3/minute")
    assert [await fails(checked, f"p{n}", HOME) for n in range(4)] == [True, True, True, False]
    assert await fails(checked, "p0", ELSEWHERE)


async def test_right_passwords_do_not_count_against_an_address() -> None:
    checked = checks(Clock(), login_address_limit="2/minute", login_person_limit="2/hour")
    assert all([await succeeds(checked, "p", HOME) for _ in range(9)])


async def test_a_stranger_does_not_lock_a_person_out() -> None:
    """Neither from one address nor from a thousand; and all of them together guess once a minute each."""
    clock = Clock()
    checked = checks(clock)
    for number in range(1000):
        await fails(checked, "victim", f"198.51.{number // 250}.{number % 250}")
    assert await succeeds(checked, "victim", HOME)
    stranger = "203.0.113.1"
    assert [await fails(checked, "victim", stranger) for _ in range(3)] == [True, False, False]
    clock.advance(seconds=60)
    for number in range(5):
        await fails(checked, "victim", f"203.0.113.{number + 2}")
    assert [await fails(checked, "victim", stranger) for _ in range(2)] == [True, False]
    assert await succeeds(checked, "Victim ", HOME)


async def test_few_passwords_are_checked_at_once_and_few_wait() -> None:
    checked = checks(Clock(), login_limit="", login_address_limit="", login_person_limit="")
    inside, most, refused = 0, 0, 0
    leave = anyio.Event()

    async def attempt(address: str) -> None:
        nonlocal inside, most, refused
        try:
            async with checked.attempt("p", address):
                inside += 1
                most = max(most, inside)
                await leave.wait()
                inside -= 1
        except CrowdedError:
            refused += 1

    with anyio.fail_after(HANGS_S):
        async with anyio.create_task_group() as group:
            for _ in range(10):
                group.start_soon(attempt, HOME)
            await anyio.wait_all_tasks_blocked()
            assert refused == 10 - passwords.WAITING_OF_ADDRESS_MAX
            for number in range(passwords.WAITING_MAX):
                group.start_soon(attempt, f"198.51.100.{number}")
            await anyio.wait_all_tasks_blocked()
            assert refused == 10
            leave.set()
    assert most == passwords.AT_ONCE
    assert await fails(checked, "p", HOME)


async def test_who_waits_in_vain_is_told_to_try_again(opened: Opened, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(passwords, "WAITING_MAX", 0)
    async with opened() as world:
        body = b'{"username": "a@b.example", "password": "x"}'
        answer = await call(world, "POST", "/organizations/user-login/", body)
        assert (answer.status, answer.headers["retry-after"]) == (503, "1")


async def test_plaza_has_the_quota_of_all_doors_too(opened: Opened) -> None:
    async with opened(call_limit="1/minute") as world, world.client() as http:
        seller = await new_seller(world, http)
        assert (await seller.orders()).status == 200
        assert (await seller.call("GET", ORDERS)).error == (409, 41501)
