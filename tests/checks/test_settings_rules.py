"""What the settings alone give away before a start."""

from typing import Any

import pytest

from countermand.checks.finding import Level
from countermand.checks.settings_rules import judge_settings
from countermand.settings import Settings

PUBLIC = {"public_url": "https://cancel.shop.example"}
STRIPE = {"payment_providers": ["stripe"], "stripe_api_key": "sk_live_x", "stripe_webhook_secret": "whsec_eA=="}
MAIL = {"smtp_host": "mail.shop.example", "mail_from": "a@shop.example"}
FOUND: dict[str, tuple[dict[str, Any], str, Level]] = {
    "nobody else calls": ({}, "public_url", Level.FINE),
    "https": (PUBLIC, "public_url", Level.FINE),
    "http on this machine": ({"public_url": "http://127.0.0.1:8765"}, "public_url", Level.FINE),
    "plain http": ({"public_url": "http://cancel.shop.example"}, "public_url", Level.WRONG),
    "others call": ({"host": "0.0.0.0"}, "public_url", Level.WRONG),
    "e-mails have links": (MAIL, "public_url", Level.WRONG),
    "providers call back": (STRIPE, "public_url", Level.WRONG),
    "weak durability": ({"allow_losing_acknowledged_calls": True}, "allow_losing_acknowledged_calls", Level.WRONG),
    "durability": ({}, "allow_losing_acknowledged_calls", Level.FINE),
    "nobody works on a file": ({"database": "sqlite:///x.sqlite3", "worker": False}, "worker", Level.WRONG),
    "another process works": ({"database": "postgresql://h/d", "worker": False}, "worker", Level.WARNING),
    "it works itself": ({}, "worker", Level.FINE),
    "everybody is a proxy": ({"trusted_proxies": ["10.0.0.0/8", "0.0.0.0/0"]}, "trusted_proxies", Level.WRONG),
    "everybody is a proxy, by IPv6": ({"trusted_proxies": ["::/0"]}, "trusted_proxies", Level.WRONG),
    "webhooks in the clear": ({"webhook_http": True}, "webhook_http", Level.WARNING),
    "webhooks inside": ({"webhook_inner_addresses": ["10.0.0.0/8"]}, "webhook_inner_addresses", Level.WARNING),
    "limits": ({}, "limits", Level.FINE),
    "no limit": ({"login_limit": ""}, "limits", Level.WARNING),
    "e-mails in the clear": ({**MAIL, **PUBLIC, "smtp_tls": "none"}, "smtp_tls", Level.WRONG),
    "a key for tests": ({**PUBLIC, **STRIPE, "stripe_api_key": "sk_test_x"}, "stripe_api_key", Level.WARNING),
    "metrics for all": ({"metrics_port": 9464, "metrics_host": "0.0.0.0"}, "metrics_host", Level.WARNING),
    "debugging": ({"log_level": "DEBUG"}, "log_level", Level.WARNING),
}
SILENT: dict[str, tuple[dict[str, Any], str]] = {
    "proxies of one's own": ({"trusted_proxies": ["10.0.0.0/8"]}, "trusted_proxies"),
    "a mail server on this machine": ({**MAIL, "smtp_host": "127.0.0.1", "smtp_tls": "none"}, "smtp_tls"),
    "e-mails with TLS": (MAIL, "smtp_tls"),
    "a live key": ({**PUBLIC, **STRIPE}, "stripe_api_key"),
    "a key for tests at home": ({**STRIPE, "stripe_api_key": "sk_test_x"}, "stripe_api_key"),
    "metrics for this machine": ({"metrics_port": 9464}, "metrics_host"),
    "no metrics": ({"metrics_host": "0.0.0.0"}, "metrics_host"),
    "few words": ({}, "log_level"),
}


@pytest.mark.parametrize(("given", "name", "level"), FOUND.values(), ids=FOUND)
def test_what_settings_give_away(given: dict[str, Any], name: str, level: Level) -> None:
    found = {each.name: each for each in judge_settings(Settings(**given))}
    assert found[name].level is level, found[name].sentence
    assert bool(found[name].remedy) == (level is not Level.FINE)


@pytest.mark.parametrize(("given", "name"), SILENT.values(), ids=SILENT)
def test_what_is_nobodys_business(given: dict[str, Any], name: str) -> None:
    assert name not in {each.name for each in judge_settings(Settings(**given))}
