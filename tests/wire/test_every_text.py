"""Every text of every door is kept or refused alike on both engines. The fields come from the descriptions."""

import json
import os
from collections.abc import AsyncIterator
from dataclasses import dataclass
from itertools import cycle, islice
from types import SimpleNamespace
from typing import Any, Final
from urllib.parse import quote_from_bytes, urlencode
from uuid import UUID

import httpx2
import pytest
from pydantic import BaseModel

from countermand.domain.commands import AskCancellation
from countermand.domain.parties import Actor, PartyKind
from countermand.service.calls import Done
from countermand.wire.answer import messages as forms
from countermand.wire.answer.meaning import command_of
from countermand.wire.bol_plaza import messages as plaza_messages
from countermand.wire.crux import messages
from tests.support import templates
from tests.support.leaves import NASTY, ODD, Place, example, leaves, with_at
from tests.support.pgnode import Node
from tests.support.world import Clock, World, populate, running
from tests.wire.bol_plaza.calling import Seller, new_seller
from tests.wire.native.calling import places

pytestmark = pytest.mark.anyio

TEXTS: Final = {**NASTY, "odd": ODD}
TURNS: Final = cycle(TEXTS.items())


def texts() -> dict[str, str]:
    """Three texts for one of many places that share their reader, in turn, so that each stands at many; or all."""
    return TEXTS if os.environ.get("COUNTERMAND_LONG") == "1" else dict(islice(TURNS, 3))


@dataclass(frozen=True, kw_only=True)
class Engine:
    """A world on one engine, and what calls need of it."""

    world: World
    http: httpx2.AsyncClient
    seller: Seller
    names: dict[str, Any]

    async def send(self, method: str, path: str, who: UUID, scheme: str, **more: Any) -> httpx2.Response:
        headers = {"Authorization": f"{scheme} {self.world.tokens[who]}", **more.pop("headers", {})}
        return await self.http.request(method, path, headers=headers, **more)

    async def send_json(self, method: str, path: str, who: UUID, scheme: str, body: Any) -> httpx2.Response:
        content, headers = json.dumps(body).encode(), {"Content-Type": "application/json"}
        return await self.send(method, path, who, scheme, content=content, headers=headers)


@pytest.fixture(scope="module")
async def engines(postgres: Node, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[list[Engine]]:
    sqlite = f"sqlite:///{tmp_path_factory.mktemp('every')}/test.sqlite3"
    settings = {"login_limit": "", "plaza_limits": {}}
    clock = Clock()
    async with (
        running(sqlite, clock, **settings) as one,
        running(templates.new_database(postgres), clock, **settings) as other,
    ):
        yield [await prepared(await populate(each, clock)) for each in (one, other)]


async def prepared(world: World) -> Engine:
    http = world.client()
    order = await world.order(1_000_000)
    ask = AskCancellation(line=order.lines[0].id, actor=world.actor(world.retailer), units=1)
    outcome = await world.submit(ask, retailer=world.retailer)
    assert isinstance(outcome, Done)
    names = {
        "order": str(order.id),
        "order_uuid": str(order.id),
        "line": str(order.lines[0].id),
        "line_item_uuid": str(order.lines[0].id),
        "cancellation": str(outcome.cancellations[0]),
        "supplier_uuid": str(world.supplier),
        "party": str(world.retailer),
    }
    return Engine(world=world, http=http, seller=await new_seller(world, http), names=names)


def check_alike(answers: list[httpx2.Response], what: str, *, nasty: bool) -> None:
    first, second = answers
    assert first.status_code == second.status_code < 500, f"{what}: {first.text} and {second.text}"
    if nasty:
        assert first.status_code >= 400, f"{what} was taken: {first.text}"


# CRUX

CRUX: Final[dict[type[BaseModel], tuple[str, str]]] = {
    messages.Login: ("POST", "/organizations/user-login/"),
    messages.CreateOrder: ("POST", "/orders/create/"),
    messages.ListOrders: ("POST", "/orders/"),
    messages.CancelOrder: ("PATCH", "/orders/cancel/"),
    messages.Allocate: ("PUT", "/orders/allocation/{order}/"),
    messages.Track: ("POST", "/orders/tracking/{order}/"),
}
CRUX_KNOWN: Final = {"sort": {"key": "date"}, "start": 0, "quantity_backordered": 0, "quantity_rejected": 0}


def crux_example(model: type[BaseModel], names: dict[str, Any]) -> Any:
    schema = model.model_json_schema(by_alias=True)
    return example(schema, schema.get("$defs", {}), {**names, **CRUX_KNOWN})


CRUX_PLACES: Final = [(model, place) for model in CRUX for place in leaves(crux_example(model, {}))]


def test_every_message_of_crux_is_covered() -> None:
    found = {each for each in vars(messages).values() if isinstance(each, type)}
    found = {each for each in found if issubclass(each, messages.Message)} - {messages.Message}
    described = {name for model in CRUX for name in model.model_json_schema().get("$defs", {})}
    assert {each.__name__ for each in found} == {each.__name__ for each in CRUX} | described


@pytest.mark.parametrize(("model", "place"), CRUX_PLACES, ids=lambda each: getattr(each, "__name__", str(each)))
async def test_every_text_of_crux(engines: list[Engine], model: type[BaseModel], place: Place) -> None:
    method, path = CRUX[model]
    for name, text in TEXTS.items():
        answers = []
        for engine in engines:
            world = engine.world
            who = world.supplier if model in (messages.Allocate, messages.Track) else world.retailer
            body = with_at(crux_example(model, engine.names), place, text)
            answers.append(await engine.send_json(method, path.format(**engine.names), who, "Token", body))
        check_alike(answers, f"{name} at {place}", nasty=name != "odd")


async def test_the_examples_of_crux_are_good_ones(engines: list[Engine]) -> None:
    for engine in engines:
        for model in (messages.CreateOrder, messages.ListOrders, messages.Allocate, messages.Track):
            method, path = CRUX[model]
            who = engine.world.supplier if model in (messages.Allocate, messages.Track) else engine.world.retailer
            body = crux_example(model, engine.names)
            answer = await engine.send_json(method, path.format(**engine.names), who, "Token", body)
            assert answer.status_code < 300, (model, answer.text)


async def test_an_odd_text_comes_back_as_it_was_sent_on_both(engines: list[Engine]) -> None:
    for engine in engines:
        body = {**crux_example(messages.CreateOrder, engine.names), "purchase_order_id": ODD, "notes": ODD}
        made = await engine.send_json("POST", "/orders/create/", engine.world.retailer, "Token", body)
        assert (made.json()["purchase_order_id"], made.json()["notes"]) == (ODD, ODD)


@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS)
@pytest.mark.parametrize("path", ["/orders/po/{}/", "/timp/orders/po/{}/", "/orders/{}/", "/orders/items/cancel/{}/"])
async def test_every_path_of_crux(engines: list[Engine], path: str, text: str) -> None:
    method = "DELETE" if "cancel" in path else "GET"
    target = path.format(quote_from_bytes(text.encode(errors="surrogatepass"), safe=""))
    answers = [await each.send(method, target, each.world.retailer, "Token") for each in engines]
    check_alike(answers, path, nasty="/po/" not in path)


# The native API


async def described(engine: Engine) -> dict[str, Any]:
    description: dict[str, Any] = (await engine.http.get("/openapi.json")).json()
    return description


NATIVE_KNOWN: Final = {"url": "https://hooks.example.com/in", "events": ["cancellation.asked"], "asker": "retailer"}


async def test_every_text_of_every_native_body(engines: list[Engine]) -> None:
    description = await described(engines[0])
    seen = 0
    for path, calls in description["paths"].items():
        for method, call in calls.items():
            schema = call.get("requestBody", {}).get("content", {}).get("application/json", {}).get("schema")
            if schema is None:
                continue
            definitions = description["components"]["schemas"]
            known = [{**each.names, **NATIVE_KNOWN} for each in engines]
            examples = [example(schema, definitions, each) for each in known]
            for place in leaves(examples[0]):
                seen += 1
                for name, text in texts().items():
                    answers = [
                        await each.send_json(
                            method.upper(),
                            _filled(path, each.names),
                            each.world.retailer,
                            "Bearer",
                            with_at(body, place, text),
                        )
                        for each, body in zip(engines, examples, strict=True)
                    ]
                    check_alike(answers, f"{method} {path}: {name} at {place}", nasty=name != "odd")
                    if name != "odd" and answers[0].status_code == 422:
                        where = places(answers[0])[0]
                        assert where == ["body", *place], where
    assert seen > 20


async def test_every_text_of_every_native_query_and_path(engines: list[Engine]) -> None:
    description = await described(engines[0])
    for path, calls in description["paths"].items():
        for method, call in calls.items():
            for parameter in call.get("parameters", []):
                for name, text in texts().items():
                    written = text.encode(errors="surrogatepass")
                    answers = []
                    for each in engines:
                        target = _filled(path, each.names)
                        match parameter["in"]:
                            case "query":
                                target += "?" + urlencode({parameter["name"]: written})
                            case "path":
                                named = {**each.names, parameter["name"]: quote_from_bytes(written, safe="")}
                                target = _filled(path, named)
                            case _:
                                continue
                        answers.append(await each.send_json(method.upper(), target, each.world.retailer, "Bearer", {}))
                    if answers:
                        check_alike(answers, f"{method} {path}: {name} as {parameter['name']}", nasty=False)


def _filled(path: str, names: dict[str, Any]) -> str:
    for name in ("cancellation", "order", "refund", "payment", "party", "endpoint"):
        path = path.replace(f"{{{name}}}", str(names.get(name, "0" * 32)))
    return path


# Plaza

PLAZA: Final = {
    "Cancellation": ("PUT", "/services/rest/order-items/v2/1000001/cancellation", plaza_messages._CANCELLATION),
    "ShipmentRequest": ("POST", "/services/rest/shipments/v2", plaza_messages._SHIPMENT_REQUEST),
    "ChangeTransportRequest": ("PUT", "/services/rest/transports/v2/1", plaza_messages._CHANGE_TRANSPORT_REQUEST),
}
PLAZA_KNOWN: Final = {"DateTime": "2026-11-02T10:00:00", "ExpectedDeliveryDate": "2026-11-03", "OrderItemId": "1000001"}


def document(root: str, texts: dict[str, bytes]) -> bytes:
    """Elements in containers, as their paths say."""
    content = b""
    for path, text in texts.items():
        *containers, name = path.split("/")
        element = b"<%s>%s</%s>" % (name.encode(), text, name.encode())
        for each in reversed(containers):
            element = b"<%s>%s</%s>" % (each.encode(), element, each.encode())
        content += element
    if content.count(b"<Transport>") > 1:
        content = content.replace(b"</Transport><Transport>", b"")
    return b"<%s>%s</%s>" % (root.encode(), content, root.encode())


@pytest.mark.parametrize("root", PLAZA)
async def test_every_text_of_plaza(engines: list[Engine], root: str) -> None:
    method, path, shape = PLAZA[root]
    fine = {leaf: PLAZA_KNOWN.get(leaf, "OTHER").encode() for leaf in sorted(shape.leaves)}
    for leaf in shape.leaves:
        for name, text in texts().items():
            raw = text.encode(errors="surrogatepass").replace(b"&", b"&amp;").replace(b"<", b"&lt;")
            referred = "".join(f"&#{ord(each)};" for each in text).encode()
            for written in (raw, referred):
                content = document(root, {**fine, leaf: written})
                answers = [await each.seller.call(method, path, content) for each in engines]
                assert answers[0].status == answers[1].status < 500, (leaf, name)


# The page behind a link


@pytest.mark.parametrize("field", [*forms.LENGTHS, "answer"])
def test_every_text_of_the_form(field: str) -> None:
    """What the reader of the form lets through is kept on both engines, as the tests above show."""
    for text in NASTY.values():
        body = {"answer": b"decline", "reason": b"other", field: text.encode(errors="surrogatepass")}
        with pytest.raises((forms.MalformedFormError, forms.FieldError)):
            command_of(forms.read_form(urlencode(body).encode()), *_about())
    odd = forms.read_form(urlencode({"answer": "decline", "note": ODD}).encode())
    assert odd.fields["note"] == ODD


def _about() -> tuple[Any, Actor, Any, int]:
    row = SimpleNamespace(line_id=UUID(int=1), id=UUID(int=2), order_id=UUID(int=3))
    return row, Actor(party=UUID(int=4), kind=PartyKind.SUPPLIER), lambda: UUID(int=5), 1
