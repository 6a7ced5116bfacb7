"""The payment providers that the settings name, ready to be called."""

from countermand.ids import Clock, system_clock
from countermand.outlets.http.client import Outbound
from countermand.payments.mollie.adapter import Mollie
from countermand.payments.provider import Provider
from countermand.payments.stripe.adapter import Stripe
from countermand.settings import Settings

BODY_WAIT_S = 10.0
"""How long to wait for the rest of an answer. Lists of refunds can be long."""


def open_providers(settings: Settings, clock: Clock = system_clock) -> dict[str, Provider]:
    """An adapter for each provider. The settings have checked that no secret is blank."""
    making = {"stripe": _stripe, "mollie": _mollie}
    return {name: making[name](settings, clock) for name in settings.payment_providers}


def _stripe(settings: Settings, clock: Clock) -> Provider:
    assert settings.stripe_api_key is not None
    assert settings.stripe_webhook_secret is not None
    return Stripe(
        _outbound(settings),
        api_key=settings.stripe_api_key.get_secret_value(),
        webhook_secret=settings.stripe_webhook_secret.get_secret_value(),
        base_url=settings.stripe_url,
        clock=clock,
    )


def _mollie(settings: Settings, clock: Clock) -> Provider:
    assert settings.mollie_api_key is not None
    secret = settings.mollie_webhook_secret
    return Mollie(
        _outbound(settings),
        api_key=settings.mollie_api_key.get_secret_value(),
        webhook_secret=secret.get_secret_value() if secret else "",
        base_url=settings.mollie_url,
        clock=clock,
    )


def _outbound(settings: Settings) -> Outbound:
    """Calls under the same rules as webhooks, to any port: the URL is the operator's own."""
    inner, http = settings.webhook_inner_addresses, settings.webhook_http
    return Outbound(inner=inner, http=http, ports=(), body_wait_s=BODY_WAIT_S)
