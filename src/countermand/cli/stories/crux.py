"""CRUX: a retailer cancels, suppliers answer."""

from countermand.cli.stories.story import Story


class CruxStory(Story):
    """A retailer cancels through CRUX, suppliers answer."""

    async def _play(self) -> None:
        await self._retailer_cancels_supplier_confirms()
        await self._supplier_rejects()
        await self._shipped_cannot_be_cancelled()
        await self._show_timeline("The audit trail of the first item", self._line(0, 0)[1]["line"])

    async def _retailer_cancels_supplier_confirms(self) -> None:
        order, line = self._line(0, 0)
        supplier = line["supplier"]
        self._title(f"Fine Shoes cancels {line['sku']} of {order['reference']}; {supplier} confirms")
        path = f"/orders/items/cancel/{line['line']}/"
        await self._step("the retailer asks to cancel the item", "DELETE", path, "Fine Shoes", 204)
        await self._step("a client that lost the answer asks again: the same ask", "DELETE", path, "Fine Shoes", 204)
        shown = await self._step(
            "order detail: CRUX has no status for an ask", "GET", f"/orders/{order['order']}/", "Fine Shoes", 200
        )
        self._check("the item is shown as before", shown["line_items"][0]["status"], "Unallocated")
        asked = await self._step(
            f"{supplier} looks for what awaits its answer", "GET", "/v1/cancellations?awaiting_me=true", supplier, 200
        )
        self._check("it finds one ask, about this item", [c["line"] for c in asked["cancellations"]], [line["line"]])
        confirm = f"/timp/orders/items/cancel/{line['line']}/confirm/"
        await self._step(f"{supplier} confirms", "PATCH", confirm, supplier, 204)
        shown = await self._step("order detail again", "GET", f"/orders/{order['order']}/", "Fine Shoes", 200)
        self._check("now the item is cancelled", shown["line_items"][0]["status"], "Cancelled")
        await self._step("the retailer cancels it once more: refused", "DELETE", path, "Fine Shoes", 422)

    async def _supplier_rejects(self) -> None:
        order, line = self._line(1, 1)
        supplier = line["supplier"]
        self._title(f"Fine Shoes cancels {line['sku']} of {order['reference']}; {supplier} rejects")
        path = f"/orders/items/cancel/{line['line']}/"
        await self._step("the retailer asks to cancel the item", "DELETE", path, "Fine Shoes", 204)
        reject = f"/timp/orders/items/cancel/{line['line']}/reject/"
        await self._step(f"{supplier} rejects: the item stays on order", "PATCH", reject, supplier, 204)

    async def _shipped_cannot_be_cancelled(self) -> None:
        order, line = self._line(2, 0)
        supplier = line["supplier"]
        self._title(f"{supplier} ships {line['sku']} of {order['reference']}; Fine Shoes is too late")
        parcel = {
            "tracking_number": "3SABCD0001",
            "supplier_provided_carrier": "Parcel Post",
            "line_items": [{"line_item_uuid": line["line"], "quantity_shipped": line["units"]}],
        }
        path = f"/timp/orders/tracking/{order['order']}/"
        await self._step(f"{supplier} reports the parcel", "POST", path, supplier, 201, parcel)
        refused = await self._step(
            "the retailer asks to cancel: refused, it has shipped",
            "DELETE",
            f"/orders/items/cancel/{line['line']}/",
            "Fine Shoes",
            422,
        )
        self._check("the refusal has a name", refused["code"], "already_shipped")
