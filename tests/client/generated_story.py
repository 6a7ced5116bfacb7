"""A story told by a client that openapi-python-client generated: ``python generated_story.py``, with it on the path.

It reads the address, the tokens and what is there already as JSON, and prints the calls that it made.
"""

import json
import sys
import typing
from importlib import import_module
from io import BytesIO
from typing import Any

MADE: list[str] = []


def client_of(world: dict[str, Any], who: str) -> Any:
    made = import_module("generated.client")
    return made.AuthenticatedClient(base_url=world["url"], token=world["tokens"][who], raise_on_unexpected_status=True)


def call(client: Any, operation: str, *places: str, body: Any = None, status: int = 200, **more: Any) -> Any:
    """One call. The body becomes the generated class for it; the answer must be the generated one, with this status."""
    noun, _, verb = operation.partition(".")
    module = import_module(f"generated.api.{noun}.{noun}_{verb}")
    send = module.sync_detailed
    if isinstance(body, dict):
        wanted = typing.get_type_hints(send)["body"]
        kinds = [each for each in typing.get_args(wanted) if hasattr(each, "from_dict")] or [wanted]
        more["body"] = kinds[0].from_dict(body)
    elif body is not None:
        more["body"] = import_module("generated.types").File(payload=BytesIO(body))
    answer = send(*places, client=client, **more)
    assert answer.status_code == status, (operation, answer.status_code, answer.content)
    MADE.append(operation)
    if status != 204:
        assert answer.parsed is not None, (operation, answer.content)
        assert names(answer.parsed.to_dict()) == names(json.loads(answer.content)), operation
    return answer.parsed


def names(document: Any) -> Any:
    """The names in a document: nothing of an answer is lost, however times are written."""
    if isinstance(document, dict):
        return {name: names(value) for name, value in document.items()}
    return [names(each) for each in document] if isinstance(document, list) else document is None


def play(world: dict[str, Any]) -> None:
    retailer, supplier, platform = (client_of(world, who) for who in ("retailer", "supplier", "platform"))
    me = call(retailer, "me.get")
    assert me.kind == "retailer"
    order, line = _placed(retailer, world)

    quote = call(retailer, "quotes.create", body={"lines": [{"line": line, "units": 2}]})
    assert quote.refund == "20.00"
    asking = {"lines": [{"line": line, "units": 2}], "asker": "retailer", "note": "wrong size"}
    asked = call(retailer, "cancellations.create", body=asking, status=202, idempotency_key="story-1")
    again = call(retailer, "cancellations.create", body=asking, status=202, idempotency_key="story-1")
    (made,) = asked.cancellations
    assert [each.id for each in again.cancellations] == [made.id]
    problem = call(
        retailer,
        "cancellations.create",
        body={**asking, "note": "other"},
        status=422,
        idempotency_key="story-1",
    )
    assert problem.code == "key_reused"

    waiting = call(supplier, "cancellations.list", awaiting_me=True)
    assert made.id in [each.id for each in waiting.cancellations]
    answered = call(supplier, "cancellations.accept", made.id, body={"note": "in time"})
    assert (answered.state, answered.accepted_units) == ("accepted", 2)
    problem = call(supplier, "cancellations.decline", made.id, body={"reason": "other"}, status=409)
    assert problem.code == "already_answered"
    call(retailer, "cancellations.note", made.id, body={"note": "label not voided"})

    listed = call(platform, "refunds.list", line=line)
    (refund,) = listed.refunds
    assert (refund.state, refund.amount) == ("by_hand", "20.00")
    done = call(platform, "refunds.mark_paid", refund.id, body={"step": refund.step, "note": "by bank"})
    assert done.state == "confirmed"
    assert call(retailer, "payments.list", order).payments[0].refunded == "20.00"

    events = call(retailer, "events.list", line=line)
    assert [each.type_.split(".")[2] for each in events.events][:2] == ["placed", "asked"]
    one = call(retailer, "events.get", events.events[0].id)
    assert one.id == events.events[0].id

    endpoint = call(supplier, "endpoints.create", body={"url": "https://hooks.alpine.example/in"}, status=201)
    assert endpoint.secret.startswith("whsec_")
    assert call(supplier, "endpoints.pause", endpoint.id, body={"reason": "move"}).state == "paused"
    assert call(supplier, "endpoints.resume", endpoint.id).state == "active"
    call(supplier, "endpoints.delete", endpoint.id, status=204)
    problem = call(supplier, "endpoints.get", endpoint.id, status=404)
    assert (problem.code, problem.status) == ("unknown_endpoint", 404)

    job = call(retailer, "jobs.create", body={"kind": "ask", "format": "csv"}, status=201)
    rows = f"line,units\r\n{line},1\r\n".encode()
    call(retailer, "jobs.upload", job.id, body=rows, part=1)
    assert call(retailer, "jobs.start", job.id, body={"parts": 1}, status=202).state in ("queued", "running")
    call(retailer, "jobs.cancel", job.id, status=202)
    assert job.id in [each.id for each in call(retailer, "jobs.list").jobs]

    card = call(retailer, "scorecards.get", me.party.id)
    assert card.weeks
    assert call(retailer, "lines.get", line).units.cancelled == 2


def _placed(retailer: Any, world: dict[str, Any]) -> tuple[str, str]:
    """An order that was paid: placed by the story itself."""
    placed = call(retailer, "orders.create", body=world["order"], status=201)
    return str(placed.id), str(placed.lines[0].id)


if __name__ == "__main__":
    play(json.load(sys.stdin))
    print(*MADE)
