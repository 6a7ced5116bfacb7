"""All outlets, as the settings say. A new one is added here."""

from countermand.ids import Clock
from countermand.keyring import Keyring
from countermand.outlets.email import EmailOutlet
from countermand.outlets.event_stream import EventStream
from countermand.outlets.http.client import Outbound, Webhooks
from countermand.outlets.links import Links
from countermand.outlets.outlet import Outlets
from countermand.outlets.smtp import Mail
from countermand.outlets.subscription import SubscriptionOutlet
from countermand.outlets.webhook import WebhookOutlet
from countermand.settings import Settings
from countermand.store.engines.protocol import Database


def open_outlets(
    settings: Settings, *, keyring: Keyring, links: Links, clock: Clock, database: Database
) -> tuple[Outlets, EmailOutlet]:
    """All outlets; and the one for mailboxes by itself, as owners of endpoints are written to, too."""
    source = settings.base_url
    email = EmailOutlet(Mail.from_settings(settings, clock), links=links, source=source)
    webhooks = Webhooks(Outbound.from_settings(settings), clock)
    subscriptions = SubscriptionOutlet(webhooks, keyring=keyring, database=database)
    outlet = WebhookOutlet(webhooks, keyring=keyring, links=links, source=source)
    return Outlets(outlet, email, subscriptions=subscriptions), email


def open_event_stream(settings: Settings) -> EventStream | None:
    """The stream of a broker to which every event goes, if there is one. It connects when it is used."""
    if not settings.nats_urls:
        return None
    # An optional package.
    from countermand.outlets.nats import JetStream

    return JetStream(settings)
