"""What the settings alone give away: rules without I/O, each with what to do."""

from collections.abc import Callable, Iterator
from ipaddress import ip_network
from typing import Final
from urllib.parse import urlsplit

from countermand.checks.finding import Finding, fine, warning, wrong
from countermand.settings import Settings, is_loopback


def judge_settings(settings: Settings) -> Iterator[Finding]:
    """A finding for each rule, a fine one where it is kept."""
    for rule in _RULES:
        yield from rule(settings)


def _public_url(settings: Settings) -> Iterator[Finding]:
    url = urlsplit(settings.public_url)
    if not settings.public_url:
        needs = [name for name in ("smtp_host", "payment_providers", "oidc_issuer") if getattr(settings, name)]
        if needs or not is_loopback(settings.host):
            why = f", though {' and '.join(needs)} need it" if needs else ", though others than this machine call"
            yield wrong(
                "public_url", f"It is not set{why}.", "Set public_url to the https address under which clients come."
            )
        else:
            yield fine("public_url", f"It is not set. Only this machine calls, at {settings.base_url}.")
    elif url.scheme != "https" and not is_loopback(url.hostname or ""):
        yield wrong(
            "public_url",
            f"{settings.public_url} is plain http: tokens and passwords can be read on the way.",
            "Put a proxy with a certificate before the service, and set public_url to its https address.",
        )
    else:
        yield fine("public_url", settings.public_url)


def _durability(settings: Settings) -> Iterator[Finding]:
    if settings.allow_losing_acknowledged_calls:
        yield wrong(
            "allow_losing_acknowledged_calls",
            "It is on: what was answered with success may be lost when the machine fails.",
            "Turn it off, and fsync and synchronous_commit of PostgreSQL on.",
        )
    else:
        yield fine("allow_losing_acknowledged_calls", "What is acknowledged is on disk.")


def _worker(settings: Settings) -> Iterator[Finding]:
    if settings.sqlite_path and not settings.worker:
        yield wrong(
            "worker",
            "It is off, and no other process may work on a SQLite file: no notice is sent and no deadline fires.",
            "Leave the setting worker on, or use PostgreSQL and `countermand worker`.",
        )
    elif settings.worker:
        yield fine("worker", "`serve` sends notices and fires deadlines.")
    else:
        yield warning(
            "worker", "`serve` does not send notices and fires no deadlines.", "Run `countermand worker` too."
        )


def _proxies(settings: Settings) -> Iterator[Finding]:
    believed = [each for each in settings.trusted_proxies if ip_network(each).prefixlen == 0]
    if believed:
        yield wrong(
            "trusted_proxies",
            f"{', '.join(believed)} is everybody: anybody can name any address as their own, so no limit holds.",
            "Name the networks of your own proxies only.",
        )


def _webhooks(settings: Settings) -> Iterator[Finding]:
    if settings.webhook_http:
        yield warning(
            "webhook_http", "Webhooks may be plain http, so they can be read on the way.", "Turn webhook_http off."
        )
    if settings.webhook_inner_addresses:
        yield warning(
            "webhook_inner_addresses",
            f"Whoever registers an endpoint can have {', '.join(settings.webhook_inner_addresses)} called.",
            "Leave only networks in it where every service may be called by anybody.",
        )


def _limits(settings: Settings) -> Iterator[Finding]:
    lifted = [
        name
        for name in ("login_limit", "login_address_limit", "login_person_limit", "wrong_token_limit", "call_limit")
        if not getattr(settings, name)
    ]
    if lifted:
        yield warning(
            "limits", f"{', '.join(lifted)}: lifted, so guesses cost nothing.", "Leave them out to have the defaults."
        )
    else:
        yield fine("limits", "Wrong passwords, tokens and links are limited.")


def _mail(settings: Settings) -> Iterator[Finding]:
    if settings.smtp_host and settings.smtp_tls == "none" and not is_loopback(settings.smtp_host):
        yield wrong(
            "smtp_tls",
            f"E-mails go to {settings.smtp_host} in the clear, with the links that answer asks.",
            "Set smtp_tls to starttls or tls.",
        )


def _nats(settings: Settings) -> Iterator[Finding]:
    plain = [
        url for url in settings.nats_urls if url.startswith("nats:") and not is_loopback(urlsplit(url).hostname or "")
    ]
    if plain:
        yield wrong(
            "nats_urls",
            f"Events go to {', '.join(plain)} in the clear.",
            "Give the servers certificates, and write tls:// in place of nats://.",
        )


def _providers(settings: Settings) -> Iterator[Finding]:
    keys = {"stripe": settings.stripe_api_key, "mollie": settings.mollie_api_key}
    tests = {"stripe": ("sk_test_", "rk_test_"), "mollie": ("test_",)}
    for provider in settings.payment_providers:
        key = keys[provider]
        if key and key.get_secret_value().startswith(tests[provider]) and settings.public_url.startswith("https://"):
            yield warning(
                f"{provider}_api_key",
                "It is a key for tests: no real money moves.",
                "Set the live key for real orders.",
            )


def _metrics(settings: Settings) -> Iterator[Finding]:
    if settings.metrics_port and not is_loopback(settings.metrics_host):
        yield warning(
            "metrics_host",
            f"Everybody who reaches {settings.metrics_host} can read the metrics, without a token.",
            "Let a firewall admit Prometheus alone, or listen on 127.0.0.1.",
        )


def _logs(settings: Settings) -> Iterator[Finding]:
    if settings.log_level.lower() == "debug":
        yield warning("log_level", "debug writes much, and slows the service down.", "Set log_level to info.")


_RULES: Final[tuple[Callable[[Settings], Iterator[Finding]], ...]] = (
    *(_public_url, _durability, _worker, _proxies, _webhooks),
    *(_limits, _mail, _nats, _providers, _metrics, _logs),
)
