"""The fake as a process of its own: ``python -m tests.support.payments --port 8901 --seed 7 --rate 0.3``.

Tests steer it under ``/_``: ``pay`` takes payments, ``time`` sets how far its clock is ahead and lets the banks work,
``calm`` ends the faults, ``ledger`` shows the books. With ``--webhooks`` it tells of every change, to URLs such as
``http://127.0.0.1:8765/v1/providers/stripe/webhook``: some twice, some late, some after later ones, and now and then
somebody else sends a forged one.
"""

import argparse
import asyncio
import json
import signal
from collections import Counter, deque
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from random import Random
from typing import Any

from countermand.outlets.http.client import NoAnswerError, Outbound
from tests.support.payments.ledger import Ledger
from tests.support.payments.script import Fault, Script
from tests.support.payments.server import WEBHOOK_SECRET, Fake
from tests.support.receiver import Received

TRIES_MAX = 400
FORGED = 0.05
TWICE = 0.2
LATEST_S = 2.0


@dataclass(kw_only=True)
class Operator:
    """Steers a fake from outside, and sends its webhooks."""

    seed: int
    rate: float
    file: Path | None
    webhooks: str
    ahead: timedelta = timedelta(0)
    sent: Counter[str] = field(default_factory=Counter)
    met: Counter[Fault] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        self.ledger = Ledger(clock=self.now, file=self.file)
        self.fake = Fake(
            ledger=self.ledger,
            script=Script(seed=self.seed, rate=self.rate),
            requests=deque(maxlen=100),
            control=self.control,
        )
        self._chance = Random(self.seed)
        self._sending: set[asyncio.Task[None]] = set()
        self._outbound = Outbound(inner=("127.0.0.0/8",), ports=())

    def now(self) -> datetime:
        return datetime.now(UTC) + self.ahead

    def control(self, request: Received) -> Any:
        """What tests ask for."""
        given = json.loads(request.body or b"{}")
        match request.target:
            case "/_/pay":
                for each in given["payments"]:
                    self.ledger.pay(each["id"], each["amount"], each["currency"], captured=each["captured"])
                    if each.get("by_hand"):
                        self.ledger.refund(each["id"], Decimal(each["by_hand"]), {})
            case "/_/time":
                self.ahead = timedelta(seconds=given["ahead_s"])
                self.ledger.days_pass()
            case "/_/calm":
                self.met += self.fake.script.met
                self.fake.script = Script()
            case "/_/ledger":
                return {**self.ledger.document(), "met": self.met, "sent": self.sent, "waiting": len(self._sending)}
        return {}

    async def tell(self) -> None:
        """Send news of what changes, each a little later than it happened."""
        reported = 0
        while True:
            for refund in self.ledger.news[reported:]:
                times = 2 if self._chance.random() < TWICE else 1
                # Somebody else's come besides: the provider's own arrive in the end, or nobody would ever know.
                forged = [True] if self._chance.random() < FORGED else []
                for each in (*forged, *[False] * times):
                    task = asyncio.create_task(self._tell(refund, self._chance.uniform(0, LATEST_S), forged=each))
                    self._sending.add(task)
                    task.add_done_callback(self._sending.discard)
            reported = len(self.ledger.news)
            await asyncio.sleep(0.05)

    async def _tell(self, refund: str, after_s: float, *, forged: bool) -> None:
        await asyncio.sleep(after_s)
        subject = self.ledger.refunds[refund]
        name = "stripe" if subject.payment.startswith("pi_") else "mollie"
        for _ in range(TRIES_MAX):
            headers, body = self.fake.webhook(subject, self.now(), "whsec_of_somebody" if forged else WEBHOOK_SECRET)
            try:
                answer = await self._outbound.call("POST", f"{self.webhooks}/{name}/webhook", headers, body)
            except NoAnswerError:
                await asyncio.sleep(0.5)
                continue
            self.sent[f"{'forged ' if forged else ''}{answer.status}"] += 1
            if forged or answer.status < 300:
                return
            await asyncio.sleep(0.5)


async def serve(operator: Operator, port: int) -> None:
    """Until SIGTERM."""
    operator.fake.port = port
    ended = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, ended.set)
    async with operator.fake:
        telling = asyncio.create_task(operator.tell()) if operator.webhooks else None
        await ended.wait()
        if telling:
            telling.cancel()


def main() -> None:
    parser = argparse.ArgumentParser(prog="tests.support.payments")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--rate", type=float, default=0.0, help="how many calls meet a fault")
    parser.add_argument("--ledger", type=Path, help="a file to which every change is added")
    parser.add_argument("--webhooks", default="", help="where news go: http://127.0.0.1:8765/v1/providers")
    options = parser.parse_args()
    operator = Operator(seed=options.seed, rate=options.rate, file=options.ledger, webhooks=options.webhooks)
    asyncio.run(serve(operator, options.port))


if __name__ == "__main__":
    main()
