"""Money: what would go back is quoted, goes back once, and is booked."""

from typing import Any

from countermand.cli.stories.story import Story

ORDER = 4


class MoneyStory(Story):
    """A customer has paid by bank transfer, so a person pays the refund and marks it as paid."""

    async def _play(self) -> None:
        order, line = self._line(ORDER, 0)
        supplier, key = line["supplier"], {"Idempotency-Key": "demo-money"}
        self._title(
            f"A customer cancels 1 of {line['units']} {line['sku']} of {order['reference']}; the money goes back once"
        )
        wanted = {"lines": [{"line": line["line"], "units": 1}]}
        quote = await self._step("the shop asks what would go back", "POST", "/v1/quotes", "Platform", 200, wanted)
        self._check(f"{quote['refund']} {quote['currency']} would go back", quote["refund"], "89.95")
        asked = wanted | {"asker": "customer"}
        first = await self._step("the shop asks", "POST", "/v1/cancellations", "Platform", 202, asked, **key)
        again = await self._step(
            "its program lost the answer and asks again with the same key",
            "POST",
            "/v1/cancellations",
            "Platform",
            202,
            asked,
            **key,
        )
        cancellation = first["cancellations"][0]["id"]
        self._check("it is the same cancellation", again["cancellations"][0]["id"], cancellation)
        accept = f"/v1/cancellations/{cancellation}/accept"
        await self._step("Fine Shoes passes it on", "POST", accept, "Fine Shoes", 200, {})
        self._check("no refund is due while the supplier has not answered", await self._refunds(line), [])
        await self._step(f"{supplier} accepts", "POST", accept, supplier, 200, {})
        due = await self._refunds(line)
        self._check("one refund is due, of the quoted amount", [each["amount"] for each in due], [quote["refund"]])
        paid = f"/v1/refunds/{due[0]['id']}/paid"
        done = await self._step(
            "a person pays it and marks it as paid", "POST", paid, "Platform", 200, {"note": "bank"}
        )
        self._check("it is done", done["state"], "confirmed")
        await self._step("a colleague marks it as paid, too: refused", "POST", paid, "Platform", 409, {"note": "cash"})

    async def _refunds(self, line: dict[str, Any]) -> list[dict[str, Any]]:
        answer = await self._http.get(
            "/v1/refunds",
            params={"line": line["line"]},
            headers={"Authorization": f"Bearer {self._cast.tokens['Platform']}"},
        )
        found: list[dict[str, Any]] = answer.json()["refunds"]
        return found
