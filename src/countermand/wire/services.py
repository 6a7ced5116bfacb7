"""What all APIs use."""

from dataclasses import dataclass, field

from countermand.health import Health
from countermand.ids import Clock, Ids
from countermand.keyring import Keyring
from countermand.outlets.outlet import Outlets
from countermand.reads.arrivals import Arrivals
from countermand.service.lanes import Lanes
from countermand.settings import Settings
from countermand.store.engines.protocol import Database
from countermand.wire.auth import Authenticator, CredentialUses
from countermand.wire.in_flight import InFlight
from countermand.wire.passwords import Passwords
from countermand.wire.rates import SharedQuotas
from countermand.wire.throttle import Throttle


@dataclass(frozen=True, slots=True, kw_only=True)
class Services:
    """The store, the write road, who calls with a token, and what all doors need besides."""

    database: Database
    lanes: Lanes
    authenticator: Authenticator
    uses: CredentialUses
    throttle: Throttle
    passwords: Passwords
    ids: Ids
    clock: Clock
    keyring: Keyring
    settings: Settings
    arrivals: Arrivals
    outlets: Outlets
    health: Health
    shared_quotas: SharedQuotas | None = None
    """Where other processes count as well."""
    in_flight: InFlight = field(default_factory=InFlight)
