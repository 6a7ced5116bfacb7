"""bol's Plaza API v2: its documents, its signature, and the calls that use them."""

from countermand.wire.bol_plaza.door import plaza_door as plaza_door
