"""Policies at a service."""

from collections.abc import Mapping
from typing import Any

from countermand.cli.nouns import Document
from countermand.cli.remote.calling import calling, document, not_tried


class RemotePolicies:
    """Policies that the token's party sees; the platform changes them."""

    def in_force(self, retailer: str, supplier: str | None) -> Document:
        """What holds between the two."""
        with calling() as client:
            return document(client.policies.in_force(retailer=retailer, supplier=supplier))

    def change(self, retailer: str, supplier: str | None, terms: Mapping[str, Any]) -> Document:
        """Save a new version of what holds now."""
        not_tried()
        with calling() as client:
            seen = client.policies.in_force(retailer=retailer, supplier=supplier).version
            return document(client.policies.create(retailer=retailer, supplier=supplier, based_on=seen, **terms))

    def preview(self, retailer: str, supplier: str | None, terms: Mapping[str, Any]) -> Document:
        """What a new version would change, in sentences."""
        with calling() as client:
            seen = client.policies.in_force(retailer=retailer, supplier=supplier).version
            return document(client.policies.preview(retailer=retailer, supplier=supplier, based_on=seen, **terms))
