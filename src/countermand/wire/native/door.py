"""The application for ``/v1``: its calls, what they need, and how errors are answered."""

import asyncio
import re
from dataclasses import asdict
from functools import partial
from typing import Any, Final

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException
from starlette.responses import Response

from countermand.domain.jobs import PART_MAX
from countermand.json_input import ORDER_NODES_MAX
from countermand.observability.calls import note_operation
from countermand.store.engines.protocol import TooBroadError, UnavailableError
from countermand.wire import limits
from countermand.wire.body_types import unsupported_body
from countermand.wire.native import (
    attempts,
    audit,
    cancellations,
    credentials,
    endpoints,
    errors,
    events,
    jobs,
    judgements,
    lines,
    me,
    notices,
    orders,
    parties,
    payments,
    policies,
    reader,
    recoveries,
    refunds,
    scorecards,
    search,
    shipments,
    timeline,
    users,
)
from countermand.wire.native.auth import UNSUPPORTED, Inside, admitted
from countermand.wire.native.browsers import cached, shared
from countermand.wire.native.describing import described
from countermand.wire.native.identifying import identified
from countermand.wire.native.meaning import DOOR
from countermand.wire.native.messages import PLAIN_PATHS
from countermand.wire.native.once import ReplayedError, on_replayed
from countermand.wire.native.operations import check_operations
from countermand.wire.native.problem_pages import problem_page
from countermand.wire.replies import CallError, Problem
from countermand.wire.router import Door
from countermand.wire.services import Services


class _Described(FastAPI):
    """The description, in the words of ``operations.py``."""

    def openapi(self) -> dict[str, Any]:
        """The description, made once."""
        if not self.openapi_schema:
            services: Services = self.state.services
            self.openapi_schema = described(super().openapi(), services.settings.base_url)
        return self.openapi_schema


def native_door(services: Services) -> Door:
    """The door. It gets the paths that are no other door's, too, as it says best what is not there."""
    pages, origins = services.settings.base_url, services.settings.cors_origins
    return Door(
        name=DOOR,
        prefixes=("/v1/",),
        app=shared(identified(_api(services), pages), origins),
        refuse_host=identified(errors.refuse_host, pages),
        busy=partial(errors.busy, pages=pages),
        failed=partial(errors.failed, pages=pages),
    )


_RESOURCES: Final = (
    orders,
    cancellations,
    lines,
    shipments,
    timeline,
    search,
    payments,
    refunds,
    scorecards,
    judgements,
    policies,
    events,
    endpoints,
    recoveries,
    jobs,
    notices,
    attempts,
    parties,
    users,
    credentials,
    audit,
    me,
)


_PLACE_ORDER: Final = ("POST", "/v1/orders")
"""A thousand lines need more room than other calls."""


def _api(services: Services) -> limits.Asgi:
    """The application for ``/v1``, its description at ``/openapi.json``, and ``/healthz``."""
    api = _Described(title="Countermand", version="1", docs_url=None, redoc_url=None, redirect_slashes=False)
    api.state.services = services
    api.add_exception_handler(CallError, errors.on_call_error)
    api.add_exception_handler(ReplayedError, on_replayed)
    api.add_exception_handler(UnavailableError, errors.on_unavailable)
    api.add_exception_handler(TooBroadError, errors.on_too_broad)
    api.add_exception_handler(RequestValidationError, errors.on_invalid)
    api.add_exception_handler(HTTPException, errors.on_http_error)
    check_operations(route for resource in _RESOURCES for route in resource.router.routes)
    for resource in _RESOURCES:
        api.include_router(resource.router)
    for path, answer in (
        ("/", about),
        ("/healthz", healthz),
        ("/readyz", readyz),
        ("/problems/{code}", problem),
        ("/docs", reader.page),
        ("/docs/{name}", reader.asset),
    ):
        api.add_api_route(path, answer, include_in_schema=False, response_model=None)
    paths = (route.path for resource in _RESOURCES for route in resource.router.routes if isinstance(route, APIRoute))
    setattr(api.state, PLAIN_PATHS, frozenset(path for path in paths if "{" not in path))
    settings = services.settings
    usual, of_part = (
        limits.Bounds(settings.body_max_bytes),
        limits.Bounds(PART_MAX, None, asyncio.Semaphore(UPLOADS_AT_ONCE)),
    )
    of_order = limits.Bounds(settings.order_max_bytes, ORDER_NODES_MAX)

    def bounds(scope: Any) -> limits.Bounds:
        if _is_upload(scope):
            return of_part
        return of_order if (scope["method"], scope["path"].rstrip("/")) == _PLACE_ORDER else usual

    bounded = limits.bounded(api, errors.refuse_body, bounds=bounds, timeout_s=settings.body_timeout_s)
    return _reached(cached(admitted(services, bounded, api)))


UPLOADS_AT_ONCE: Final = 4
"""So many parts of files are in memory at once. The others wait, and are not read meanwhile."""


_UPLOAD: Final = re.compile("/v1/jobs/[^/]+/input/?")


def _is_upload(scope: Any) -> bool:
    """Whether the body is a part of a file, which is no JSON."""
    return scope["method"] == "PUT" and _UPLOAD.fullmatch(scope["path"]) is not None


def _reached(app: limits.Asgi) -> limits.Asgi:
    """``app`` at its paths with a final slash as well, and spared bodies that it would misread.

    A malformed body is answered only after the caller is authenticated; until then it is not parsed.
    """

    async def reached(scope: Any, receive: Any, send: Any) -> None:
        path = scope["path"]
        accepted = jobs.MEDIA_TYPES.values() if _is_upload(scope) else ("application/json",)
        wrong = unsupported_body(scope, *accepted)
        if path.strip("/") and path.endswith("/"):
            scope = {**scope, "path": path[:-1]}
        if wrong:
            headers = [each for each in scope["headers"] if each[0] != b"content-type"]
            scope = {**scope, "headers": headers, UNSUPPORTED: wrong}
        await app(scope, receive, send)

    return reached


async def healthz() -> dict[str, str]:
    """Whether the process is alive; asks no database."""
    note_operation("healthz")
    return {"status": "ok"}


async def readyz(services: Inside, response: Response) -> dict[str, Any]:
    """Whether calls can be served, and if not, what is wrong."""
    note_operation("readyz")
    checks = await services.health.checks()
    ready = all(check.ok for check in checks)
    response.status_code = 200 if ready else 503
    return {"status": "ok" if ready else "unavailable", "checks": [asdict(check) for check in checks]}


async def about() -> dict[str, str]:
    """A description of the service, at its address."""
    return {
        "service": "Countermand",
        "what": "Carries the cancellation of an order item to the party that holds the goods, and the answer back.",
        "description": "/openapi.json",
        "docs": "/docs",
        "health": "/readyz",
    }


async def problem(code: str) -> Response:
    """The page that the ``type`` of a problem names."""
    page = problem_page(code)
    if page is None:
        raise CallError(Problem.NOT_FOUND, "There is no problem of this name.")
    return page
