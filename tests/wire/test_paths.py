"""Which call a path belongs to."""

from collections.abc import Mapping
from typing import Any

import pytest

from countermand.wire.limits import Asgi
from countermand.wire.router import Paths

pytestmark = pytest.mark.anyio

TEMPLATES = (
    "/orders",
    "/orders/",
    "/orders/{order}",
    "/orders/{order}/",
    "/orders/create/",
    "/orders/cancel/{line}/confirm/",
    "/orders/{order}/parcels/{parcel}",
    "/orders/new/parcels",
    "/orders/po/{reference:path}",
)


@pytest.mark.parametrize(
    ("path", "template", "named"),
    [
        ("/orders", "/orders", {}),
        ("/orders/", "/orders/", {}),
        ("/orders/7", "/orders/{order}", {"order": "7"}),
        ("/orders/7/", "/orders/{order}/", {"order": "7"}),
        ("/orders/create/", "/orders/create/", {}),
        # What is spelled out leads nowhere here, so it is a name after all.
        ("/orders/create", "/orders/{order}", {"order": "create"}),
        ("/orders/cancel/", "/orders/{order}/", {"order": "cancel"}),
        ("/orders/new/parcels", "/orders/new/parcels", {}),
        ("/orders/new/parcels/3", "/orders/{order}/parcels/{parcel}", {"order": "new", "parcel": "3"}),
        ("/orders/cancel/9/confirm/", "/orders/cancel/{line}/confirm/", {"line": "9"}),
        ("/orders/po", "/orders/{order}", {"order": "po"}),
        ("/orders/po/", "/orders/po/{reference:path}", {"reference": ""}),
        ("/orders/po/a/b/", "/orders/po/{reference:path}", {"reference": "a/b/"}),
        ("/orders/po//", "/orders/po/{reference:path}", {"reference": "/"}),
        ("/orders/po/a\nb", "/orders/po/{reference:path}", {"reference": "a\nb"}),
        ("/orders/a\nb", "/orders/{order}", {"order": "a\nb"}),
        ("/orders/{order}", "/orders/{order}", {"order": "{order}"}),
        ("/orders//", None, {}),
        ("//orders", None, {}),
        ("/orders/7//", None, {}),
        ("/orders\n", None, {}),
        ("/orders/create/\n", None, {}),
        ("/orders/7/\n", None, {}),
        ("/orders/cancel//confirm/", None, {}),
        ("/orders/cancel/9/confirm/x", None, {}),
        ("/orders/7/parcels/", None, {}),
        ("/ORDERS", None, {}),
        ("/", None, {}),
        ("", None, {}),
        ("*", None, {}),
        ("orders", None, {}),
    ],
)
@pytest.mark.parametrize("prefix", ["", "/below"])
async def test_a_path_leads_to_the_call_that_is_spelled_most_like_it(
    path: str, template: str | None, named: Mapping[str, str], prefix: str
) -> None:
    reached: list[tuple[str | None, Mapping[str, str] | None]] = []

    def telling(name: str | None) -> Asgi:
        async def app(scope: Any, receive: Any, send: Any) -> None:
            reached.append((name, scope.get("path_params")))

        return app

    paths = Paths({each: telling(each) for each in TEMPLATES}, otherwise=telling(None))

    async def unused(message: Any = None) -> None:
        raise AssertionError(message)

    await paths({"path": prefix + path, "root_path": prefix}, unused, unused)
    assert reached == [(template, named if template else None)]
