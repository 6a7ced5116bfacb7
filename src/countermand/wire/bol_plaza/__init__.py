"""bol's Plaza API v2: its documents, its signature, and the calls that use them."""

from countermand.wire.bol_plaza.door import PlazaDoor
from countermand.wire.bol_plaza.keys import PlazaKeys

__all__ = ["PlazaDoor", "PlazaKeys"]
