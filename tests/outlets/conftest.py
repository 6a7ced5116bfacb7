import socket
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any

import pytest

from countermand.outlets.http.client import Outbound, Webhooks
from tests.support.certificates import Authority
from tests.support.waiting import ANSWER_S
from tests.support.world import Clock

LOOPBACK = ("127.0.0.0/8", "::1/128")

pytestmark = pytest.mark.anyio


class Names:
    """A resolver that knows what it is told, answers in turn, and counts how often it is asked."""

    def __init__(self, **known: Sequence[str] | Sequence[Sequence[str]]) -> None:
        self._known = {name.replace("_", "."): _in_turn(value) for name, value in known.items()}
        self.asked: list[str] = []

    async def __call__(self, host: str, port: int) -> Sequence[str]:
        self.asked.append(host)
        answers = self._known.get(host)
        if answers is None:
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return answers.pop(0) if len(answers) > 1 else answers[0]


def _in_turn(value: Sequence[str] | Sequence[Sequence[str]]) -> list[Sequence[str]]:
    return [[str(each) for each in value]] if isinstance(value[0], str) else list(value)


@pytest.fixture
async def webhooks_with() -> AsyncIterator[Callable[..., Webhooks]]:
    """Make webhooks that may call loopback. They wait for the rest of an answer for a moment only."""
    made = []

    def make(**more: Any) -> Webhooks:
        given = {"inner": LOOPBACK, "ports": (), "total_s": ANSWER_S, "connect_s": ANSWER_S, "body_wait_s": 0.1, **more}
        made.append(Webhooks(Outbound(**given), Clock()))
        return made[-1]

    yield make
    for each in made:
        await each.close()


@pytest.fixture
def webhooks(webhooks_with: Callable[..., Webhooks]) -> Webhooks:
    return webhooks_with()


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("certificates"))
