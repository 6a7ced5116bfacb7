"""A day of a seller with PyPI's python-bol-api-latest 1.5.0 as it is: its own program, as its package is called bol.

It gets the address, a client and the numbers of order items, and prints what it saw.
"""

import json
import sys
from typing import Any

from bol.retailer.api import RetailerAPI

url, name, secret, asked, lacking, sent, suppliers = sys.argv[1:]
api = RetailerAPI(api_url=url, login_url=url)
api.login(name, secret)
seen: dict[str, Any] = {}


def outcome(process: Any) -> Any:
    polled = api.process_status.getById(process.processStatusId)
    many = api.process_status.getByIds([process.processStatusId])
    assert [each.processStatusId for each in many] == [process.processStatusId]
    return polled.status


orders = api.orders.list()
items = {item.orderItemId: item for order in orders for item in order.orderItems}
seen["requests"] = sorted(number for number, item in items.items() if item.cancellationRequest)
whole = api.orders.get(orders[0].orderId)
seen["prices"] = [str(item.unitPrice) for item in whole.orderItems][:1]
confirmed = api.orders.cancel_order_item(asked, "REQUESTED_BY_CUSTOMER")
seen["queued"] = [confirmed.status, confirmed.eventType, confirmed.entityId == asked]
seen["confirmed"] = outcome(confirmed)
seen["lacking"] = outcome(api.orders.cancel_order_item(lacking, "OUT_OF_STOCK"))
seen["suppliers"] = outcome(api.orders.cancel_order_item(suppliers, "OUT_OF_STOCK"))
seen["about"] = [each.status for each in api.process_status.get(lacking, "CANCEL_ORDER")]
parcel = api.orders.ship_order_item(sent, "REF-1", transporter_code="TNT", track_and_trace="3S1", quantity=2)
seen["parcel"] = outcome(parcel)
number = api.process_status.getById(parcel.processStatusId).entityId
shipment = api.shipments.get(number)
seen["transport"] = [shipment.transport.transporterCode, shipment.transport.trackAndTrace]
seen["listed"] = [each.shipmentId == number for each in api.shipments.list()]
seen["left"] = len([item for order in api.orders.list() for item in order.orderItems])
week = api.insights.getPerformanceIndicators(["CANCELLATIONS", "REVIEWS"], "2026", "45")
seen["indicators"] = [each.name for each in week]
print(json.dumps(seen))
