"""``/docs``: the description of the API, to read and to try, without any other server.

Its script and its style are files of a package. Nothing may be loaded from elsewhere, and nothing runs but those files.
"""

from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Final

from starlette.responses import HTMLResponse, Response

from countermand.wire.replies import CallError, Problem

_POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self';"
    " base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_PAGE: Final = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>Countermand: the API</title>
<link rel="stylesheet" href="docs/swagger-ui.css">
</head>
<body>
<main id="reader"></main>
<noscript>This page needs JavaScript. The description itself is at <a href="openapi.json">openapi.json</a>.</noscript>
<script src="docs/swagger-ui-bundle.js"></script>
<script src="docs/start.js"></script>
</body>
</html>
"""
_START: Final = """SwaggerUIBundle({
  url: "openapi.json",
  dom_id: "#reader",
  deepLinking: true,
  defaultModelsExpandDepth: 0,
  docExpansion: "none",
  persistAuthorization: false,
  presets: [SwaggerUIBundle.presets.apis],
  layout: "BaseLayout",
  validatorUrl: null,
});
"""
_TYPES: Final = {"swagger-ui.css": "text/css", "swagger-ui-bundle.js": "text/javascript"}
_HEADERS: Final = {
    "Content-Security-Policy": _POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "public, max-age=3600",
}


async def page() -> Response:
    """The page."""
    return HTMLResponse(_PAGE, headers=_HEADERS)


async def asset(name: str) -> Response:
    """What the page loads."""
    if name == "start.js":
        return Response(_START, headers=_HEADERS, media_type="text/javascript")
    if name not in _TYPES:
        raise CallError(Problem.NOT_FOUND, "There is no such file.")
    return Response(_file(name), headers=_HEADERS, media_type=_TYPES[name])


@cache
def _file(name: str) -> bytes:
    """Read when somebody wants it first. The package is not imported: only its files are used."""
    package = find_spec("fastapi_offline")
    assert package is not None
    assert package.origin is not None
    return Path(package.origin).with_name("static").joinpath(name).read_bytes()
