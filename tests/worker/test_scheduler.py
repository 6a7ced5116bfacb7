"""Whose turn it is: those that answer one after the other, those that failed in places of their own (P12)."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

from hypothesis import given
from hypothesis import strategies as st

from countermand.domain.endpoint import Endpoint, EndpointState
from countermand.domain.parties import PartyKind
from countermand.reads.scope import Scope
from countermand.worker.scheduler import Queue, QueuedNotice, SendScheduler

LETTER: Any = QueuedNotice(notice=None, event=None)  # type: ignore[arg-type]


def queue(waiting: int = 1, failures: int = 0, state: EndpointState = EndpointState.ACTIVE) -> Queue:
    endpoint = Endpoint(
        id=uuid4(),
        party=UUID(int=1),
        url="https://shop.example/",
        label="",
        event_kinds=(),
        state=state,
        state_reason="",
        created_at=datetime(2026, 11, 2, tzinfo=UTC),
        failing_since=None,
        secrets=None,
    )
    made = Queue(endpoint=endpoint, reader=Scope(party=UUID(int=1), kind=PartyKind.RETAILER), failures=failures)
    made.waiting.extend([LETTER] * waiting)
    return made


def begun(turns: SendScheduler) -> list[Queue]:
    found = []
    while (each := turns.next()) is not None:
        each.waiting.popleft()
        found.append(each)
    return found


def offered(places: int, queues: Sequence[Queue]) -> SendScheduler:
    turns = SendScheduler(places)
    for each in queues:
        turns.offer(each)
    return turns


def test_endpoints_that_answer_take_turns() -> None:
    queues = [queue(2) for _ in range(3)]
    turns = offered(1, queues)
    order = []
    for _ in range(6):
        [each] = begun(turns)
        order.append(each)
        turns.done(each)
        turns.offer(each)
    assert order == queues * 2
    assert begun(turns) == []


def test_an_endpoint_is_not_sent_to_twice_at_once() -> None:
    one = queue(5)
    turns = offered(4, [one, one])
    assert begun(turns) == [one]
    turns.offer(one)
    assert begun(turns) == []


def test_endpoints_that_failed_take_no_place_of_the_others_and_fewest_failures_come_first() -> None:
    failed = [queue(failures=number) for number in (7, 1, 3)]
    fine = [queue() for _ in range(2)]
    turns = offered(2, [*failed, *fine])
    assert begun(turns) == [*fine, failed[1], failed[2]]
    turns.done(failed[2])
    assert begun(turns) == [failed[0]]


def test_a_send_that_takes_long_gives_its_place_away_once() -> None:
    slow, other, third = queue(), queue(), queue()
    turns = offered(1, [slow, other, third])
    assert begun(turns) == [slow]
    assert turns.overstays(slow)
    assert not turns.overstays(slow)
    assert begun(turns) == [other]
    turns.done(slow)
    assert begun(turns) == [], "its place was given away already"
    turns.done(other)
    assert begun(turns) == [third]


@given(st.integers(1, 5), st.lists(st.tuples(st.integers(1, 4), st.integers(0, 3)), max_size=12))
def test_everything_is_sent_and_never_more_at_once_than_there_are_places(
    places: int, wanted: list[tuple[int, int]]
) -> None:
    queues = [queue(waiting, failures) for waiting, failures in wanted]
    turns = offered(places, queues)
    sent, under_way = 0, begun(turns)
    while under_way:
        assert len(under_way) <= 2 * places
        assert sum(bool(each.failures) for each in under_way) <= places
        each = under_way.pop(0)
        sent += 1
        turns.done(each)
        turns.offer(each)
        under_way += begun(turns)
    assert sent == sum(waiting for waiting, _ in wanted)


def test_an_endpoint_that_failed_is_remembered_while_it_is_active() -> None:
    assert queue(0).is_idle
    assert not queue(0, failures=1).is_idle
    assert queue(0, failures=1, state=EndpointState.PAUSED).is_idle
