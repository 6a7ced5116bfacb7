"""bol's Plaza API v2: its documents, its signature, and the calls that use them."""

from countermand.wire.bol_plaza.auth import PlazaKeys
from countermand.wire.bol_plaza.door import PlazaDoor

__all__ = ["PlazaDoor", "PlazaKeys"]
