"""Deadlines: nobody answers in time, so the policy decides."""

import asyncio
from datetime import datetime

from countermand.cli.stories.story import Story

ORDER = 9
TRIES = 100


class DeadlineStory(Story):
    """The ask was made before the demo began, so that its deadline passes while one looks on."""

    async def _play(self) -> None:
        order, line = self._line(ORDER, 0)
        supplier = line["supplier"]
        self._title(f"{supplier} has had 48 hours to answer for {line['sku']} of {order['reference']}, and does not")
        path = f"/v1/cancellations?line={line['line']}"
        found = (await self._step("Fine Shoes looks at its ask", "GET", path, "Fine Shoes", 200))["cancellations"][0]
        due = datetime.fromisoformat(found["due_at"])
        print(f"       the answer is due by {due:%H:%M:%S} UTC", flush=True)
        state = await self._state_once_ended(path, found["state"])
        self._check("once the deadline has passed, the ask has lapsed", state, "lapsed")
        confirm = f"/timp/orders/items/cancel/{line['line']}/confirm/"
        await self._step(f"{supplier} confirms now: too late", "PATCH", confirm, supplier, 422)
        await self._show_timeline("Its audit trail", line["line"])

    async def _state_once_ended(self, path: str, state: str) -> str:
        headers = {"Authorization": f"Bearer {self._cast.tokens['Fine Shoes']}"}
        for _ in range(TRIES):
            if state != "asked":
                break
            await asyncio.sleep(0.2)
            answer = await self._http.get(path, headers=headers)
            state = answer.json()["cancellations"][0]["state"]
        return state
