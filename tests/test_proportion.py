"""What holds costs in proportion finds those that are not, and no others."""

import pytest

from tests.support.proportion import Work, Yard, out_of_proportion

pytestmark = pytest.mark.anyio

STEPS = 8_000


def steps(count: int) -> Work:
    async def work() -> None:
        for _ in range(count):
            pass

    return work


@pytest.mark.parametrize("times", [1, 4], ids=["as the yard", "four yards"])
async def test_work_in_proportion_is_found_to_be_so(times: int) -> None:
    assert await out_of_proportion(steps(STEPS * times), Yard(steps(STEPS)), steps(STEPS * times // 4)) == ""


async def test_quadratic_work_is_found() -> None:
    fault = await out_of_proportion(steps(STEPS * 8), Yard(steps(STEPS)), steps(STEPS * 8 // 16))
    assert fault.endswith(" times as much for four times the size")


async def test_dear_work_is_found_however_it_grows() -> None:
    fault = await out_of_proportion(steps(STEPS * 80), Yard(steps(STEPS)), steps(STEPS * 20))
    assert fault.endswith(" times the yard")


async def test_work_no_dearer_than_the_yard_may_grow_as_it_likes() -> None:
    assert await out_of_proportion(steps(STEPS // 4), Yard(steps(STEPS)), steps(STEPS // 4 // 16)) == ""
