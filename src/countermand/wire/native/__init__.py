"""The native API under ``/v1``: JSON, bearer tokens, OpenAPI. Shops and platforms call it; every party can."""

from countermand.wire.native.door import native_door as native_door
