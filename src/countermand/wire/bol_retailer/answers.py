"""What this API answers, as JSON Schema. The views make it; calls that are made of the description hold both to it."""

from collections.abc import Mapping
from typing import Any, Final

from countermand.domain.subscriptions import Resource
from countermand.wire.bol.vocabulary import FulfilmentMethod, Status
from countermand.wire.bol_retailer.vocabulary import Indicator, ProcessEvent, SubscriptionType

Schema = dict[str, Any]

TEXT: Final[Schema] = {"type": "string"}
WHOLE: Final[Schema] = {"type": "integer", "minimum": 0}
AMOUNT: Final[Schema] = {"type": "number"}
YES_OR_NO: Final[Schema] = {"type": "boolean"}
MOMENT: Final[Schema] = {"type": "string", "format": "date-time"}
DAY: Final[Schema] = {"type": "string", "format": "date"}
URL: Final[Schema] = {"type": "string", "format": "uri"}
ID: Final[Schema] = {"type": "string", "minLength": 1}


def named(name: str) -> Schema:
    """The schema of this name."""
    return {"$ref": f"#/components/schemas/{name}"}


def listed(item: Schema) -> Schema:
    """A list of these."""
    return {"type": "array", "items": item}


def one_of(*words: str) -> Schema:
    """One of these words."""
    return {"type": "string", "enum": [str(word) for word in words]}


def with_members(needed: Mapping[str, Schema], more: Mapping[str, Schema] | None = None) -> Schema:
    """An object with these members, and with no others than ``more``."""
    return {
        "type": "object",
        "required": [*needed],
        "properties": {**needed, **(more or {})},
        "additionalProperties": False,
    }


_PERSON: Final = {
    **dict.fromkeys(("firstName", "surname", "streetName", "houseNumber", "zipCode", "city", "countryCode"), TEXT),
    "salutation": one_of("MALE", "FEMALE", "UNKNOWN"),
}
_OF_PERSON: Final = dict.fromkeys(("houseNumberExtension", "extraAddressInformation", "email", "company"), TEXT)
_ARTICLE: Final = {
    "fulfilment": with_members(
        {
            "method": one_of(FulfilmentMethod.FBR),
            "distributionParty": one_of("RETAILER"),
            "timeFrameType": one_of("REGULAR"),
        },
        {"latestDeliveryDate": DAY, "expiryDate": DAY},
    ),
    "offer": with_members({"offerId": ID, "reference": TEXT}),
    "product": with_members({"ean": TEXT, "title": TEXT}),
}
_REDUCED_SHIPMENT: Final = {
    "shipmentId": ID,
    "shipmentDateTime": MOMENT,
    "shipmentReference": {"type": ["string", "null"]},
    "order": with_members({"orderId": ID, "orderPlacedDateTime": MOMENT}),
}

SCHEMAS: Final[dict[str, Schema]] = {
    "Problem": with_members(
        {"type": URL, "title": TEXT, "status": WHOLE, "detail": TEXT, "instance": TEXT},
        {"violations": listed(with_members({"reason": TEXT}, {"name": TEXT}))},
    ),
    "ReducedOrders": with_members({"orders": listed(named("ReducedOrder"))}),
    "ReducedOrder": with_members(
        {"orderId": ID, "orderPlacedDateTime": MOMENT, "orderItems": listed(named("ReducedOrderItem"))}
    ),
    "ReducedOrderItem": with_members(
        {
            "orderItemId": ID,
            "ean": TEXT,
            "fulfilmentMethod": one_of(FulfilmentMethod.FBR),
            "fulfilmentStatus": one_of("OPEN", "HANDLED"),
            "quantity": WHOLE,
            "quantityShipped": WHOLE,
            "quantityCancelled": WHOLE,
            "cancellationRequest": YES_OR_NO,
            "latestChangedDateTime": MOMENT,
        }
    ),
    "Order": with_members(
        {
            "orderId": ID,
            "pickupPoint": YES_OR_NO,
            "orderPlacedDateTime": MOMENT,
            "shipmentDetails": named("ShipmentDetails"),
            "billingDetails": named("BillingDetails"),
            "orderItems": listed(named("OrderItem")),
        }
    ),
    "OrderItem": with_members(
        {
            "orderItemId": ID,
            "cancellationRequest": YES_OR_NO,
            **_ARTICLE,
            "quantity": WHOLE,
            "quantityShipped": WHOLE,
            "quantityCancelled": WHOLE,
            "unitPrice": AMOUNT,
            "totalPrice": AMOUNT,
            "discounts": listed(with_members({"title": TEXT, "amount": AMOUNT})),
            "commission": AMOUNT,
            "additionalServices": listed(with_members({"serviceType": TEXT})),
            "latestChangedDateTime": MOMENT,
        }
    ),
    "ShipmentDetails": with_members(_PERSON, {**_OF_PERSON, "deliveryPhoneNumber": TEXT}),
    "BillingDetails": with_members(
        {**_PERSON, "email": TEXT}, {**_OF_PERSON, "vatNumber": TEXT, "orderReference": TEXT}
    ),
    "Shipments": with_members({"shipments": listed(named("ReducedShipment"))}),
    "ReducedShipment": with_members(
        {
            **_REDUCED_SHIPMENT,
            "shipmentItems": listed(with_members({"orderItemId": ID, "ean": TEXT})),
            "transport": with_members({"transportId": ID}),
        }
    ),
    "Shipment": with_members(
        {
            **_REDUCED_SHIPMENT,
            "pickupPoint": YES_OR_NO,
            "shipmentItems": listed(
                with_members(
                    {
                        "orderItemId": ID,
                        **_ARTICLE,
                        "quantity": WHOLE,
                        "quantityShipped": WHOLE,
                        "unitPrice": AMOUNT,
                        "commission": AMOUNT,
                    }
                )
            ),
            "transport": with_members(
                {"transportId": ID, "transportEvents": listed({"type": "object"})},
                {"transporterCode": TEXT, "trackAndTrace": TEXT},
            ),
            "shipmentDetails": named("ShipmentDetails"),
            "billingDetails": named("BillingDetails"),
        }
    ),
    "ProcessStatuses": with_members({"processStatuses": listed(named("ProcessStatus"))}),
    "ProcessStatus": with_members(
        {
            "processStatusId": ID,
            "eventType": one_of(*ProcessEvent),
            "description": TEXT,
            "status": one_of(*Status),
            "createTimestamp": MOMENT,
            "links": listed(with_members({"rel": one_of("self"), "href": URL, "method": one_of("GET")})),
        },
        {"entityId": TEXT, "errorMessage": TEXT},
    ),
    "PerformanceIndicators": with_members({"performanceIndicators": listed(named("PerformanceIndicator"))}),
    "PerformanceIndicator": with_members(
        {
            "name": one_of(*Indicator),
            "type": one_of("PERCENTAGE", "AVERAGE"),
            "details": with_members(
                {
                    "period": with_members({"week": TEXT, "year": TEXT}),
                    "norm": with_members({"condition": one_of("<=", ">="), "value": AMOUNT}),
                },
                {
                    "score": with_members(
                        {
                            "conforms": YES_OR_NO,
                            "numerator": WHOLE,
                            "denominator": WHOLE,
                            "value": AMOUNT,
                            "distanceToNorm": AMOUNT,
                        }
                    )
                },
            ),
        }
    ),
    "Retailer": with_members({"retailerId": ID, "displayName": TEXT, "registrationDate": DAY}),
    "Subscriptions": with_members({"subscriptions": listed(named("SubscriptionResponse"))}),
    "SubscriptionResponse": with_members(
        {
            "id": ID,
            "resources": listed(one_of(*Resource)),
            "url": URL,
            "subscriptionType": one_of(*SubscriptionType),
            "enabled": YES_OR_NO,
        }
    ),
    "SignatureKeys": with_members(
        {"signatureKeys": listed(with_members({"id": ID, "type": one_of("RSA"), "publicKey": TEXT}))}
    ),
    "AccessToken": with_members(
        {
            "access_token": ID,
            "token_type": one_of("Bearer"),
            "expires_in": {"type": "integer", "minimum": 1},
            "scope": one_of("RETAILER"),
        }
    ),
    "TokenError": with_members({"error": TEXT, "error_description": TEXT}),
}
