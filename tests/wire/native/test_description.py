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


async def test_every_problem_has_an_example_where_it_can_occur(described: dict[str, Any]) -> None:
    known = described["components"]["examples"]
    for _, path, call in calls(described):
        for status, answer in call["responses"].items():
            for media_type, content in answer.get("content", {}).items():
                if int(status) < 400:
                    continue
                assert media_type == "application/problem+json", path
                for code, example in content.get("examples", {}).items():
                    assert known[code]["value"]["status"] == int(status)
                    assert example == {"$ref": f"#/components/examples/{code}"}


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
