"""bol's Retailer API v10: JSON over OAuth2, with the answers of a queue (docs/retailer.md)."""

from countermand.wire.bol_retailer.door import retailer_door as retailer_door
