"""The fixed words of the Plaza dialect alone: versions, namespaces, codes and limits."""

from datetime import UTC, datetime
from enum import Enum, StrEnum
from typing import Final

PLAZA_NAMESPACE: Final = "https://plazaapi.bol.com/services/xsd/v2/plazaapi.xsd"
ERROR_NAMESPACE: Final = "http://config.services.bol.com/schemas/serviceerror-1.5.xsd"

# Inside these years every moment has an offset of whole minutes in Amsterdam and survives any change of zone,
# so what was read can be stored and written again without a surprise at the edge of the calendar.
EARLIEST: Final = datetime(1970, 1, 1, tzinfo=UTC)
LATEST: Final = datetime(2200, 1, 1, tzinfo=UTC)

# Nine nines and one more: the largest id of the v1 schema, the only one that was ever published.
ID_MAX: Final = 9_999_999_999
TRANSPORTER_CODE_CHARS_MAX: Final = 20
TRACK_AND_TRACE_CHARS_MAX: Final = 50
SHIPMENT_REFERENCE_CHARS_MAX: Final = 100
# The sheet gives no limit for a label code; a code nobody can type is not one.
SHIPPING_LABEL_CODE_CHARS_MAX: Final = 100
TITLE_CHARS_MAX: Final = 500
EAN_CHARS_MAX: Final = 13
ERROR_CHARS_MAX: Final = 256


class Version(Enum):
    """Which representation of the same URL the `Accept` header chose."""

    V2_0 = "2.0"
    V2_1 = "2.1"


class ErrorCode(Enum):
    """The error codes of documents; those of authentication are in `signature.Denial`."""

    SCHEMA = 41100
    MISSING_TAG = 41201
    TOO_LARGE = 41202


class OfferCondition(StrEnum):
    """The state of the article that was offered."""

    NEW = "NEW"
    AS_NEW = "AS_NEW"
    GOOD = "GOOD"
    REASONABLE = "REASONABLE"
    MODERATE = "MODERATE"
    BAD = "BAD"
    UNKNOWN = "UNKNOWN"


class Salutation(StrEnum):
    """How to address a customer."""

    MALE = "01"
    FEMALE = "02"
    UNKNOWN = "03"
