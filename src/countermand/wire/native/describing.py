"""The description of the native API (OpenAPI 3.1), where FastAPI would say less or something else."""

from collections.abc import Iterator
from typing import Any, Final

from countermand.documents import samples
from countermand.documents.events import TEST_KIND, TestEnvelope
from countermand.documents.samples import write_sample
from countermand.domain.events import MEANINGS, EventKind
from countermand.ids import show
from countermand.wire.native.examples import (
    SERVICE,
    add_examples,
    examples,
    problem_answers,
    problem_examples,
    problems_by_form,
    problems_of,
)
from countermand.wire.native.links import add_links
from countermand.wire.native.members import meaning_of
from countermand.wire.native.operations import OPERATIONS

_METHODS: Final = frozenset({"get", "post", "put", "patch", "delete"})


def described(description: dict[str, Any], address: str) -> dict[str, Any]:
    """The description with tags, permissions, meanings, examples, webhooks, and problems in their media type.

    ``address`` is where the service is.
    """
    found = examples()
    description["info"] |= {"description": _ABOUT, "license": {"name": "Apache 2.0", "identifier": "Apache-2.0"}}
    description["servers"] = [{"url": address, "description": "this service"}]
    description["components"]["securitySchemes"] = {"bearer": _BEARER}
    shared = SharedAnswers()
    for path, method, call in _calls(description):
        _describe(call)
        own = problems_of(call["operationId"], path)
        call["x-problems"] = list(own)
        wrong = problem_answers(dict.fromkeys((*own, *problems_by_form(call, method))))
        good = {status: answer for status, answer in call["responses"].items() if int(status) < 400}
        call["responses"] = good | {status: shared.named(status, answer) for status, answer in wrong}
        add_examples(call, found)
    description["components"]["responses"] = shared.answers
    description["components"]["links"] = add_links([*_calls(description)], description["components"]["schemas"])
    description["components"]["examples"] = problem_examples()
    test = TestEnvelope.model_json_schema(ref_template="#/components/schemas/{model}")
    description["components"]["schemas"] |= {**test.pop("$defs"), "TestEnvelope": test}
    _describe_objects(description)
    tags = {call["tags"][0] for _, _, call in _calls(description)}
    told = [{"name": name, "description": TAGS.get(name, f"Calls about {name}.")} for name in sorted(tags)]
    description["tags"] = [*told, {"name": "webhooks", "description": TAGS["webhooks"]}]
    description["webhooks"] = dict(webhooks())
    return description


_ABOUT: Final = (
    "Countermand carries the cancellation of an order item to the party that holds the goods, and the answer back.\n\n"
    "Every call has a bearer token. What an operation needs of it stands in its `security`; `x-parties` says which"
    " kinds of party may call it. A problem is a document of RFC 9457: compare"
    " its `code`; `type` opens a page about it."
)
_BEARER: Final = {
    "type": "http",
    "scheme": "bearer",
    "description": "A token of a party. The names in `security` are permissions that the token must have.",
}
TAGS: Final[dict[str, str]] = {
    "attempts": "What was sent to endpoints, and what came back.",
    "audit": "Changes that are no event.",
    "cancellations": "Asks to cancel units of lines, and the answers.",
    "credentials": "Tokens and keys of a party.",
    "endpoints": "Where a party is notified: webhooks and mailboxes.",
    "events": "What happened, as a list that can be followed and as a stream.",
    "jobs": "Files of many asks, answers or orders, done row by row.",
    "judgements": "Decisions of operators about the score.",
    "lines": "Lines of orders: units of one article.",
    "me": "The caller.",
    "notices": "Events on their way to endpoints.",
    "orders": "Orders: placed, shown, found, released, erased.",
    "parties": "Platform, retailers and suppliers.",
    "payments": "How an order is paid.",
    "policies": "The terms between a retailer and a supplier.",
    "quotes": "What would go back to the customer.",
    "refunds": "What goes back to the customer.",
    "scorecards": "The score of a party.",
    "search": "Finding anything by what is at hand.",
    "shipments": "Parcels.",
    "timeline": "The events of an order, a line or a cancellation, as sentences.",
    "users": "People who log in.",
    "webhooks": "What is sent to endpoints, signed by the convention Standard Webhooks.",
}
"""What the operations of each noun are about."""


def webhooks() -> Iterator[tuple[str, dict[str, Any]]]:
    """What is sent to endpoints: one for each kind of event, and the test."""
    for kind in EventKind:
        yield kind.value, _webhook(kind.value, MEANINGS[kind].when, "Envelope", kind)
    yield TEST_KIND, _webhook(TEST_KIND, "A test that somebody asked for. It is no event.", "TestEnvelope", None)


def _webhook(name: str, summary: str, envelope: str, kind: EventKind | None) -> dict[str, Any]:
    named = {"type": "object", "properties": {"type": {"const": f"countermand.{name}.v1"}}}
    sample = write_sample(kind, endpoint=show("ept", samples.ENDPOINT), id=samples.EVENT, at=samples.AT, source=SERVICE)
    schema = {"allOf": [{"$ref": f"#/components/schemas/{envelope}"}, named]}
    body = {"schema": schema, "example": sample}
    return {
        "post": {
            "operationId": f"webhooks.{name}",
            "tags": ["webhooks"],
            "summary": summary,
            "security": [],
            "parameters": [*_SENT],
            "requestBody": {"required": True, "content": {"application/json": body}},
            "responses": {
                "2XX": {"description": "It arrived. Any answer of 2xx within 20 seconds will do."},
                "410": {"description": "Nothing more shall be sent there: the endpoint is disabled."},
                "default": {"description": "It is sent again, ten times in 75 hours; `Retry-After` counts."},
            },
        }
    }


_SENT: Final = tuple(
    {"name": name, "in": "header", "required": True, "description": told, "schema": {"type": "string"}}
    for name, told in (
        ("webhook-id", "the id of the event: the same at every attempt"),
        ("webhook-timestamp", "when it was sent, in seconds; off by more than 300 s, it is to be refused"),
        ("webhook-signature", "`v1,` and the Base64 of an HMAC-SHA256 of `id.timestamp.body`; several in an overlap"),
    )
)


def _calls(description: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, methods in description["paths"].items():
        yield from ((path, method, call) for method, call in methods.items() if method in _METHODS)


def _describe(call: dict[str, Any]) -> None:
    operation = OPERATIONS[call["operationId"]]
    call["tags"] = [call["operationId"].partition(".")[0]]
    if operation.ends:
        call["deprecated"] = True
    call["security"] = [{"bearer": [operation.permission.value] if operation.permission else []}]
    call["x-permission"] = operation.permission.value if operation.permission else None
    call["x-parties"] = sorted(kind.value for kind in operation.kinds)
    for sent in (*call.get("parameters", ()), *call.get("requestBody", {}).get("content", {}).values()):
        sent["schema"] = _bounded(_never_null(sent["schema"]))
    for parameter in call.get("parameters", ()):
        _explain(parameter, call["operationId"], parameter["name"])


class SharedAnswers:
    """Answers that many calls have in common: each is described once, by the problems that it can be."""

    def __init__(self) -> None:
        self.answers: dict[str, dict[str, Any]] = {}

    def named(self, status: str, answer: dict[str, Any]) -> dict[str, Any]:
        """The reference to an answer with this status."""
        ((_, content),) = answer["content"].items()
        name = ".".join((status, *content["examples"]))
        self.answers[name] = answer
        return {"$ref": f"#/components/responses/{name}"}


def _describe_objects(description: dict[str, Any]) -> None:
    schemas = description["components"]["schemas"]
    received = _named([call.get("requestBody", {}) for _, _, call in _calls(description)], schemas)
    for called, schema in schemas.items():
        if called not in received:
            # Answers may gain members.
            schema.pop("additionalProperties", None)
        members = schema.get("properties", {})
        for name in members:
            if called in received:
                members[name] = _bounded(_never_null(members[name]))
            _explain(members[name], called, name)


def _named(part: Any, schemas: dict[str, Any]) -> set[str]:
    """The objects that a part of the description names, with those that they name."""
    found: set[str] = set()
    waiting = [part]
    while waiting:
        match waiting.pop():
            case {"$ref": str(reference)} if (name := reference.rpartition("/")[2]) not in found:
                found.add(name)
                waiting.append(schemas[name])
            case dict() as members:
                waiting.extend(members.values())
            case list() as items:
                waiting.extend(items)
    return found


def _explain(part: dict[str, Any], place: str, name: str) -> None:
    """Say what a parameter or a member means, unless its model does."""
    told = part.get("description") or part.get("schema", {}).get("description")
    if meaning := told or meaning_of(place, name):
        part["description"] = meaning


def _never_null(schema: dict[str, Any]) -> dict[str, Any]:
    """The same for a value that is left out where it is not said, and never null."""
    kinds = schema.get("anyOf", ())
    left = [each for each in kinds if each != {"type": "null"}]
    if len(left) == len(kinds):
        return schema
    rest = {name: value for name, value in schema.items() if name != "anyOf" and (name, value) != ("default", None)}
    return {**left[0], **rest} if len(left) == 1 else {"anyOf": left, **rest}


_BOUNDS: Final = {"ge": "minimum", "le": "maximum"}
"""What pydantic calls the bounds of a number that it reads in our way, and what JSON Schema calls them."""


def _bounded(schema: dict[str, Any]) -> dict[str, Any]:
    """The same with its bounds under the names of JSON Schema."""
    return {_BOUNDS.get(name, name): value for name, value in schema.items() if name != "max_digits"}
