"""The client of Countermand's API.

    from countermand_client import Client

    with Client() as client:
        for each in client.cancellations.list(awaiting_me=True):
            client.cancellations.accept(each.id)

Importing this is quick: what a name needs is loaded when it is used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from countermand_client.errors import (
    ApiError,
    Conflict,
    ConnectionFailed,
    CountermandError,
    FieldError,
    Forbidden,
    Invalid,
    NotFound,
    RateLimited,
    RuleRefused,
    ServerError,
    TimedOut,
    Unauthenticated,
    WebhookError,
)

if TYPE_CHECKING:
    from countermand_client import models, webhooks
    from countermand_client.asynchronous_client import AsyncClient
    from countermand_client.blocking_client import Client
    from countermand_client.configuration import NotConfigured
    from countermand_client.flows import Page, RawResponse

__all__ = [
    "ApiError",
    "AsyncClient",
    "Client",
    "Conflict",
    "ConnectionFailed",
    "CountermandError",
    "FieldError",
    "Forbidden",
    "Invalid",
    "NotConfigured",
    "NotFound",
    "Page",
    "RateLimited",
    "RawResponse",
    "RuleRefused",
    "ServerError",
    "TimedOut",
    "Unauthenticated",
    "WebhookError",
    "models",
    "webhooks",
]

_PLACES = {
    "AsyncClient": "asynchronous_client",
    "Client": "blocking_client",
    "NotConfigured": "configuration",
    "Page": "flows",
    "RawResponse": "flows",
}


def __getattr__(name: str) -> Any:
    from importlib import import_module

    if name in ("models", "webhooks"):
        return import_module(f"countermand_client.{name}")
    if name in _PLACES:
        return getattr(import_module(f"countermand_client.{_PLACES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
