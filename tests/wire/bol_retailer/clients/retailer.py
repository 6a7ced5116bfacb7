"""A day of a seller with PyPI's python-bol-retailer-api 1.1.1 as it is: its own program, as its package is called bol.

It gets the address, a client and the numbers of order items, and prints what it saw.
"""

import json
import sys
from typing import Any

import bol.config

url, name, secret, asked, lacking, sent, suppliers = sys.argv[1:]
bol.config.BASE_URL = f"{url}/retailer"
bol.config.SHARED_URL = f"{url}/shared"
bol.config.AUTH_URL = f"{url}/token?grant_type=client_credentials"

from bol.api import BolAPI  # noqa: E402 - it reads its settings when it is made

api = BolAPI(name, secret)
seen: dict[str, Any] = {}
orders = api.orders.list(status="OPEN").orders
items = {item.orderItemId: item for order in orders for item in order.orderItems}
seen["requests"] = sorted(number for number, item in items.items() if item.cancellationRequest)
whole = api.orders.get(orders[0].orderId)
seen["titles"] = [item.title for item in whole.orderItems][:1]
seen["missing"] = api.orders.get("1").error.detail


def outcome(process: Any) -> Any:
    return api.processes.get(process.processStatusId).status


seen["confirmed"] = outcome(api.orders.cancelItem(items[asked], "REQUESTED_BY_CUSTOMER"))
seen["lacking"] = outcome(api.orders.cancelItem(items[lacking], "OUT_OF_STOCK"))
seen["suppliers"] = outcome(api.orders.cancelItem(items[suppliers], "OUT_OF_STOCK"))
seen["refused"] = api.orders.cancelItem(items[lacking], "Unknown").error.title
seen["parcel"] = outcome(api.orders.shipItem(items[sent], "REF-1", transporterCode="TNT", trackAndTrace="3S1"))
left = [item for order in api.orders.list(status="OPEN").orders for item in order.orderItems]
seen["left"] = len(left)
print(json.dumps(seen))
