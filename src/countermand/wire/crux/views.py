"""What CRUX clients are shown. The two generations name and nest the same facts differently (docs/crux.md)."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final
from uuid import UUID, uuid5

from countermand.admin.callers import CRUX_PERMISSIONS, PERMISSIONS, Permission
from countermand.admin.sessions import Login
from countermand.domain.line import Decision
from countermand.domain.line_status import Allocation, LineStatus, allocation_of, status_of
from countermand.domain.parties import PartyKind
from countermand.domain.refusals import Refusal, RefusalKind
from countermand.reads.orders import LineView, OrderView

CATALOG: Final = UUID("6f0d5c1e-6f5e-5a53-9f0a-4a5e2f0f7c11")
"""Names the catalogue from which item and SKU ids are derived: CRUX shows them, and we keep no catalogue."""

NOTES_MAX: Final = 250


def login(given: Login) -> dict[str, Any]:
    """The answer to a right password."""
    org = str(given.party)
    retailer = given.kind is PartyKind.RETAILER
    return {
        "auth_token": given.token,
        "org_uuid": org,
        "user_uuid": str(given.user),
        "retailer_uuid": org if retailer else "",
        "supplier_uuid": "" if retailer else org,
        "org_type": given.kind.value.upper(),
        "permission_assignments": {
            "permissions": [
                {"assigned": permission.value in given.permissions, "permission": _permission(permission)}
                for permission in sorted(PERMISSIONS[given.kind] & CRUX_PERMISSIONS)
            ],
            "org_user": {"uuid": str(given.user)},
        },
    }


def catalog_item(supplier: UUID, sku: str) -> UUID:
    """The id that stands for a catalogue item. It never is the id of a line (docs/crux.md)."""
    return uuid5(CATALOG, f"item {supplier} {sku}")


def order_v1(order: OrderView) -> dict[str, Any]:
    """An order as ``/orders/`` shows it, in lists, in detail and when it is created."""
    row, details = order.row, order.row.details
    return {
        "uuid": str(row.id),
        "status": _order_status(order),
        "is_allocated": any(line.row.allocated for line in order.lines),
        "purchase_order_id": row.reference,
        "created_date": _moment(row.placed_at),
        "notes": (details.get("notes") or "")[:NOTES_MAX],
        "fees": {
            "estimated_shipping_cost": details.get("shipping_cost") or 0,
            "drop_ship_fee": details.get("dropship_fee") or 0,
            "order_fee": details.get("order_fee") or 0,
        },
        "retailer": _retailer_with_user(order),
        "address": _address(details),
        "requested_shipping": _requested_shipping(order),
        "line_items": [_line_v1(line) for line in order.lines],
    }


def order_timp_in_list(order: OrderView) -> dict[str, Any]:
    """An order as the list of ``/timp/orders/`` shows it: a hybrid of both generations (docs/crux.md)."""
    shown = order_v1(order)
    detail = order_timp(order)
    same = ("retailer_provided_order_notes", "supplier_provided_order_notes", "retailer_provided_order_attributes")
    return {
        "uuid": shown["uuid"],
        "purchase_order_id": shown["purchase_order_id"],
        "is_allocated": shown["is_allocated"],
        "created_date": shown["created_date"],
        "fees": shown["fees"],
        "retailer": shown["retailer"],
        "address": shown["address"],
        "requested_shipping": shown["requested_shipping"],
        "sent_to_supplier": order.row.sent_to_fulfiller,
        **{name: detail[name] for name in (*same, "supplier_provided_order_attributes", "invoices", "line_items")},
    }


def order_timp(order: OrderView) -> dict[str, Any]:
    """An order as ``/timp/orders/<uuid>/`` and ``/timp/orders/po/<number>/`` show it."""
    row, details = order.row, order.row.details
    return {
        "order_uuid": str(row.id),
        "po_number": row.reference,
        "created_date": _moment(row.placed_at),
        "retailer_provided_order_notes": details.get("notes"),
        "supplier_provided_order_notes": None,
        "retailer_provided_order_attributes": details.get("attributes"),
        "supplier_provided_order_attributes": None,
        "retailer_provided_fees": {
            "order_fee": details.get("order_fee"),
            "order_tax": details.get("tax"),
            "shipping_cost": details.get("shipping_cost"),
            "dropship_fee": details.get("dropship_fee"),
        },
        "retailer": {
            "uuid": str(row.retailer_id),
            "organization_name": order.retailer_name,
            "order_submitted_by": details.get("submitted_by", {}).get("name"),
        },
        "address": _address(details),
        "is_allocated": any(line.row.allocated for line in order.lines),
        "sent_to_supplier": row.sent_to_fulfiller,
        "invoices": [],
        "line_items": [_line_timp(line) for line in order.lines],
    }


def _address(details: Mapping[str, Any]) -> dict[str, Any] | None:
    """Where the goods go. Orders from elsewhere have street and number apart, CRUX has them on one line."""
    full = details.get("shipping_address")
    if details.get("address") or not full:
        return details.get("address")
    return {
        "name": f"{full['first_name']} {full['last_name']}".strip(),
        "business_name": full["company"] or None,
        "address1": f"{full['street']} {full['house_number']}{full['house_number_extension']}",
        "address2": full["supplement"] or None,
        "city": full["city"],
        "state": "",
        "postal_code": full["postcode"],
        "country": full["country"],
        "phone_number": full["phone"] or None,
    }


STATUSES: Final[Mapping[LineStatus, str]] = {
    LineStatus.SHIPPED: "HasTracking",
    LineStatus.REJECTED: "Rejected",
    LineStatus.CANCELLED: "Cancelled",
    LineStatus.BACKORDERED: "Backordered",
    LineStatus.ALLOCATED: "Allocated",
    LineStatus.UNALLOCATED: "Unallocated",
}
"""One word for a line, as ``/orders/`` has it (docs/crux.md)."""

ALLOCATIONS: Final[Mapping[Allocation, str]] = {
    Allocation.NOTHING: "Unallocated",
    Allocation.PART: "Partial",
    Allocation.ALL: "Allocated",
}
"""How far allocation is, as ``/timp/orders/`` has it."""

DESIGNATIONS: Final[Mapping[LineStatus, str]] = {
    LineStatus.SHIPPED: "HasTracking",
    LineStatus.REJECTED: "Rejected",
    LineStatus.CANCELLED: "Cancelled",
    LineStatus.BACKORDERED: "Backordered",
    LineStatus.ALLOCATED: "NeedsTracking",
}
"""Where else a line stands, as ``/timp/orders/`` has it; nowhere, while it is not allocated."""


def allocation_word(outcome: Decision | Refusal) -> str:
    """The word that the answer to an allocation has for a line (docs/crux.md)."""
    if isinstance(outcome, Refusal):
        return _ALLOCATION_WORDS[outcome.kind]
    status = status_of(outcome.line)
    shown_as_allocated = status in (LineStatus.SHIPPED, LineStatus.UNALLOCATED)
    return STATUSES[LineStatus.ALLOCATED if shown_as_allocated else status]


_ALLOCATION_WORDS: Final[Mapping[RefusalKind, str]] = {
    RefusalKind.UNKNOWN_LINE: "Item Not Found",
    RefusalKind.REASSIGNED: "Item Not Found",
    RefusalKind.ALREADY_CANCELLED: "Cancelled",
    RefusalKind.REJECTED_BY_FULFILLER: "Rejected",
    RefusalKind.ALREADY_SHIPPED: "Allocated",
}


_ONE_SIDED: Final = {
    Permission.CREATE_ORDER: "RETAILER",
    Permission.ALLOCATE_ORDER: "SUPPLIER",
    Permission.ADD_ORDER_TRACKING: "SUPPLIER",
}
"""Permissions that CRUX shows to one side only (docs/crux.md)."""


def _permission(permission: Permission) -> dict[str, Any]:
    return {
        "uuid": str(uuid5(CATALOG, f"permission {permission}")),
        "name": permission.value,
        "display_name": permission.value.replace("_", " ").capitalize(),
        "description": permission.value.replace("_", " ").capitalize(),
        "visibility": _ONE_SIDED.get(permission, "BOTH"),
        "grouping": "ORDERS",
    }


def _order_status(order: OrderView) -> str:
    lines = [line.row for line in order.lines]
    if all(line.cancelled == line.ordered for line in lines):
        return "Cancelled"
    if all(line.cancelled + line.shipped == line.ordered for line in lines):
        return "Complete"
    return "Pending" if any(line.allocated or line.shipped or line.cancelled for line in lines) else "New"


def _retailer_with_user(order: OrderView) -> dict[str, Any]:
    user = order.row.details.get("submitted_by", {})
    return {
        "name": order.retailer_name,
        "uuid": str(order.row.retailer_id),
        "user": {"name": user.get("name", ""), "email": user.get("email", "")},
    }


def _requested_shipping(order: OrderView) -> dict[str, Any]:
    details = order.row.details
    return {"shipping_carrier": details.get("carrier"), "shipping_method": details.get("method")}


def _line_v1(line: LineView) -> dict[str, Any]:
    row, details = line.row, line.row.details
    return {
        "uuid": str(row.id),
        "status": STATUSES[status_of(row)],
        **_article(line),
        "line_item_special_instructions": details.get("instructions"),
        "cost": details.get("cost"),
        "supplier_uuid": str(row.fulfiller_id),
        "supplier_name": line.supplier_name,
        "tracking_numbers": [
            {
                "tracking_number": parcel.tracking_number,
                "shipping_carrier": parcel.carrier,
                "shipping_method": parcel.details["method"],
                "shipping_weight": parcel.details["weight"],
                "shipping_cost": _number(parcel.details["cost"]),
                "shipping_date": parcel.details["shipped_on"],
                "quantity": parcel.units,
            }
            for parcel in line.parcels
        ],
        "allocation": {
            "quantity_ordered": row.ordered,
            "quantity_allocated": row.accepted,
            "quantity_backordered": row.backordered,
            "quantity_rejected": row.rejected,
            "backorder_date": _day(row.backorder_on),
        },
    }


def _line_timp(line: LineView) -> dict[str, Any]:
    row, details = line.row, line.row.details
    return {
        "line_item_uuid": str(row.id),
        "status": ALLOCATIONS[allocation_of(row)],
        "line_item_designation": DESIGNATIONS.get(status_of(row)),
        **_article(line),
        "product_codes": dict.fromkeys(("upca", "ean13", "isbn", "gtin14", "asin", "mpn")),
        "supplier_item_notes": None,
        "retailer_item_notes": details.get("instructions"),
        "retailer_provided_sku_cost": details.get("cost"),
        "supplier": {
            "uuid": str(row.fulfiller_id),
            "organization_name": line.supplier_name,
            "order_submitted_by": None,
        },
        "supplier_provided_item_attributes": None,
        "retailer_provided_item_attributes": details.get("attributes"),
        "tracking": [
            {
                "tracking_number": parcel.tracking_number,
                "shipping_carrier": parcel.carrier or None,
                "shipping_method": parcel.details["method"] or None,
                "shipping_weight": parcel.details["weight"] or None,
                "shipping_cost": _number(parcel.details["cost"]),
                "shipping_date": parcel.details["shipped_on"],
                "created_date": _moment(parcel.reported_at),
                "quantity": parcel.units,
                "package_attributes": [
                    {"attribute_name": name, "attribute_value": value} for name, value in parcel.details["attributes"]
                ],
            }
            for parcel in line.parcels
        ],
        "allocation": {
            "quantity_ordered": row.ordered,
            "quantity_accepted": row.accepted,
            "quantity_backordered": row.backordered,
            "quantity_rejected": row.rejected,
            "backorder_date": _day(row.backorder_on),
        }
        if row.allocated
        else None,
    }


def _article(line: LineView) -> dict[str, Any]:
    row = line.row
    return {
        "item_uuid": str(catalog_item(row.fulfiller_id, row.sku)),
        "item_name": row.title or None,
        "sku_uuid": str(uuid5(CATALOG, f"sku {row.fulfiller_id} {row.sku}")),
        "sku_id": row.sku,
        "sku_name": row.title or None,
        "sku_title_variants": row.title or None,
    }


def _moment(value: datetime) -> str:
    return value.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def _day(value: Any) -> str | None:
    return value.isoformat() if value else None


def _number(text: str) -> float | None:
    return float(text) if text else None
