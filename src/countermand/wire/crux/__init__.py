"""The CRUX dropship API, first generation under ``/`` (the seed) and second under ``/timp/``."""

from countermand.wire.crux.door import crux_door as crux_door
