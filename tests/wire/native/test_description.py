"""/openapi.json is a description by OpenAPI 3.1 with all that is sent, and /docs shows it without any other server."""

import re
from typing import Any

import jsonschema
import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator

from countermand.admin.callers import Permission
from countermand.documents.events import TEST_KIND
from countermand.domain.events import EventKind
from tests.wire.native.calling import Native
from tests.wire.native.test_operations import calls, description

pytestmark = pytest.mark.anyio


@pytest.fixture
async def described(sqlite_native: Native) -> dict[str, Any]:
    return await description(sqlite_native)


async def test_it_is_one_by_the_book(described: dict[str, Any]) -> None:
    assert described["openapi"].startswith("3.1.")
    OpenAPIV31SpecValidator(described).validate()


async def test_it_says_where_the_service_is_and_what_a_token_must_have(described: dict[str, Any]) -> None:
    assert described["servers"] == [{"url": "http://127.0.0.1:8765", "description": "this service"}]
    assert set(described["components"]["securitySchemes"]) == {"bearer"}
    for _, path, call in calls(described):
        ((scheme, permissions),) = call["security"][0].items()
        assert scheme == "bearer", path
        assert {*permissions} <= {each.value for each in Permission}, path
    assert all(tag["description"].endswith(".") for tag in described["tags"])
    assert {call["tags"][0] for _, _, call in calls(described)} < {tag["name"] for tag in described["tags"]}


async def test_every_kind_of_event_is_a_webhook_with_its_schema_and_a_sample(described: dict[str, Any]) -> None:
    kinds = {*(kind.value for kind in EventKind), TEST_KIND}
    assert set(described["webhooks"]) == kinds
    for kind, methods in described["webhooks"].items():
        call = methods["post"]
        assert call["operationId"] == f"webhooks.{kind}"
        body = call["requestBody"]["content"]["application/json"]
        schema = {**body["schema"], "components": described["components"]}
        jsonschema.Draft202012Validator(schema).validate(body["example"])
        other = {**body["example"], "type": "countermand.nothing.v1"}
        assert not jsonschema.Draft202012Validator(schema).is_valid(other), kind
        assert {"webhook-id", "webhook-timestamp", "webhook-signature"} == {each["name"] for each in call["parameters"]}


def shared(described: dict[str, Any], part: dict[str, Any]) -> dict[str, Any]:
    """A part of the description, followed to where it stands."""
    while "$ref" in part:
        _, *way = part["$ref"].split("/")
        part = described
        for step in way:
            part = part[step]
    return part


def validator(described: dict[str, Any], schema: dict[str, Any]) -> jsonschema.Draft202012Validator:
    return jsonschema.Draft202012Validator({**schema, "components": described["components"]})


async def test_every_problem_has_a_valid_example_where_it_can_occur(described: dict[str, Any]) -> None:
    known = described["components"]["examples"]
    met = set()
    for _, path, call in calls(described):
        for status, named in call["responses"].items():
            if int(status) < 400:
                continue
            ((media_type, content),) = shared(described, named)["content"].items()
            assert media_type == "application/problem+json", path
            assert content["examples"], (path, status)
            for code, example in content["examples"].items():
                met.add(code)
                assert known[code]["value"]["status"] == int(status)
                assert example == {"$ref": f"#/components/examples/{code}"}
                validator(described, content["schema"]).validate(known[code]["value"])
    # Where there is no such path or verb there is no operation to describe; the last two are of other doors.
    assert known.keys() - met == {"not_found", "method_not_allowed", "units_invalid"}


async def test_every_operation_has_an_example_that_is_valid(described: dict[str, Any]) -> None:
    for _, path, call in calls(described):
        bodies = call.get("requestBody", {}).get("content", {})
        assert not bodies or any("example" in each for each in bodies.values()), path
        good = {status: answer for status, answer in call["responses"].items() if int(status) < 400}
        answers = [each for answer in good.values() for each in answer.get("content", {}).values()]
        assert not answers or any("example" in each for each in answers), path
        for content in (*bodies.values(), *answers):
            if "example" in content:
                validator(described, content["schema"]).validate(content["example"])


async def test_every_parameter_and_member_is_told_and_has_bounds_that_json_schema_knows(
    described: dict[str, Any],
) -> None:
    schemas = [each["schema"] for _, _, call in calls(described) for each in call.get("parameters", ())]
    for _, path, call in calls(described):
        assert all(each.get("description") for each in call.get("parameters", ())), path
    for name, schema in described["components"]["schemas"].items():
        members = schema.get("properties", {})
        assert all("$ref" in each or each.get("description") for each in members.values()), name
        schemas += members.values()
    for schema in schemas:
        jsonschema.Draft202012Validator.check_schema(schema)
        assert not schema.keys() & {"ge", "le", "gt", "lt", "max_digits", "decimal_places"}, schema


async def test_what_is_an_amount_is_text(described: dict[str, Any]) -> None:
    """A share in percent is a number as well: nobody's floats hurt it."""
    for name, schema in described["components"]["schemas"].items():
        for member, each in schema.get("properties", {}).items():
            kinds = {each.get("type"), *(option.get("type") for option in each.get("anyOf", ()))}
            assert not {"number", "string"} <= kinds or member == "tax_percent", (name, member)
    captured = described["components"]["schemas"]["Captured"]["properties"]["captured"]
    amount = validator(described, captured)
    assert all(amount.is_valid(each) for each in ("12.50", "0", ".5", "9999999999999999"))
    assert not any(amount.is_valid(each) for each in (12.5, 12, "-1", "1e3", "NaN", "", "5.", "+1", " 1"))


async def test_a_link_leads_to_an_operation_that_takes_what_it_hands_on(described: dict[str, Any]) -> None:
    by_id = {call["operationId"]: (path, call) for _, path, call in calls(described)}
    linked = set()
    for _, path, call in calls(described):
        for answer in call["responses"].values():
            for name, named in answer.get("links", {}).items():
                link = shared(described, named)
                assert link["operationId"] == name
                target, taken = by_id[name]
                known = {f"{each['in']}.{each['name']}" for each in taken.get("parameters", ())}
                assert link.get("parameters", {}).keys() <= known, (path, name)
                needed = {f"path.{each}" for each in re.findall(r"\{(\w+)\}", target)}
                assert needed <= link.get("parameters", {}).keys(), (path, name)
                linked.add(name)
    by_ids = {name for name, (path, _) in by_id.items() if "{" in path}
    assert by_ids <= linked


async def test_the_page_loads_nothing_from_elsewhere(sqlite_native: Native) -> None:
    page = await sqlite_native.http.get("/docs")
    assert page.status_code == 200
    policy = page.headers["content-security-policy"]
    assert policy.startswith("default-src 'none'; script-src 'self'; style-src 'self';")
    assert "unsafe" not in policy
    assert "http" not in policy
    named = re.findall('(?:src|href)="([^"]+)"', page.text)
    assert len(named) == 4
    assert not any("//" in each for each in named)
    assert "<script>" not in page.text
    for each in named:
        asset = await sqlite_native.http.get(f"/{each}")
        assert asset.status_code == 200, each
        assert asset.headers["content-type"].partition(";")[0] in ("text/css", "text/javascript", "application/json")
    absent = await sqlite_native.http.get("/docs/../settings.py")
    assert absent.status_code == 404
    assert (await sqlite_native.http.get("/docs/redoc.standalone.js")).status_code == 404
