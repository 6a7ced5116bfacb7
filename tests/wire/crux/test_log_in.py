"""POST /organizations/user-login/ in both generations: a token for a right password (docs/crux.md)."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import update

from countermand.domain.parties import PartyKind
from countermand.store import tables as t
from tests.wire.crux.calling import PREFIXES, Crux, cancel_path, opened_crux

pytestmark = pytest.mark.anyio

EMAIL, PASSWORD = "some.one@example.com", "correct horse battery staple"
both_generations = pytest.mark.parametrize("prefix", PREFIXES, ids=["v1", "timp"])


@pytest.fixture(scope="module")
async def people(sqlite_crux: Crux) -> Crux:
    """A person on each side: the retailer's has the e-mail address, the supplier's has an s before it."""
    await sqlite_crux.user(sqlite_crux.world.retailer, EMAIL, PASSWORD)
    await sqlite_crux.user(sqlite_crux.world.supplier, "s" + EMAIL, PASSWORD)
    return sqlite_crux


async def log_in(crux: Crux, username: str = EMAIL, password: str = PASSWORD, prefix: str = "", **more: Any) -> Any:
    body = {"username": username, "password": password}
    return await crux.call("POST", f"{prefix}/organizations/user-login/", body=body, **more)


@both_generations
async def test_the_right_password_gives_a_token_that_works(people: Crux, prefix: str) -> None:
    answer = await log_in(people, prefix=prefix)
    assert answer.status_code == 200
    line = await people.new_line()
    assert (await people.call("DELETE", cancel_path(line, prefix), answer.json()["auth_token"])).status_code == 204


@both_generations
async def test_the_answer_names_the_organisation_on_its_own_side(people: Crux, prefix: str) -> None:
    retailer, supplier = (str(party) for party in (people.world.retailer, people.world.supplier))
    as_retailer = (await log_in(people, prefix=prefix)).json()
    as_supplier = (await log_in(people, "s" + EMAIL, prefix=prefix)).json()
    shown = ("org_uuid", "retailer_uuid", "supplier_uuid", "org_type")
    assert [as_retailer[name] for name in shown] == [retailer, retailer, "", "RETAILER"]
    assert [as_supplier[name] for name in shown] == [supplier, "", supplier, "SUPPLIER"]
    UUID(as_retailer["user_uuid"])
    assert as_retailer["permission_assignments"]["org_user"] == {"uuid": as_retailer["user_uuid"]}


async def test_the_permissions_are_those_of_the_person(people: Crux) -> None:
    supplier = people.world.supplier
    await people.user(supplier, "viewer@example.com", PASSWORD, permissions=["view_order"])
    shown = (await log_in(people, "viewer@example.com")).json()["permission_assignments"]["permissions"]
    assigned = {each["permission"]["name"]: each["assigned"] for each in shown}
    assert assigned == {
        "add_order_tracking": False,
        "allocate_order": False,
        "cancel_order": False,
        "view_order": True,
    }
    visible = {each["permission"]["name"]: each["permission"]["visibility"] for each in shown}
    assert visible == {
        "add_order_tracking": "SUPPLIER",
        "allocate_order": "SUPPLIER",
        "cancel_order": "BOTH",
        "view_order": "BOTH",
    }
    for each in shown:
        assert set(each["permission"]) == {"uuid", "name", "display_name", "description", "visibility", "grouping"}


async def test_a_person_without_the_permission_cannot_cancel(people: Crux) -> None:
    await people.user(people.world.retailer, "reader@example.com", PASSWORD, permissions=["view_order"])
    token = (await log_in(people, "reader@example.com")).json()["auth_token"]
    assert (await people.cancel(await people.new_line(), token)).status_code == 403


@pytest.mark.parametrize("authorization", ["Basic Og==", "", "Token wrong", "Bearer x", "Token a b"])
@both_generations
async def test_the_authorization_header_is_ignored(people: Crux, prefix: str, authorization: str) -> None:
    answer = await log_in(people, prefix=prefix, headers={"Authorization": authorization})
    assert answer.status_code == 200


@pytest.mark.parametrize(
    ("username", "password"),
    [
        (EMAIL, PASSWORD + " "),
        (EMAIL, ""),
        (EMAIL, PASSWORD.upper()),
        ("nobody@example.com", PASSWORD),
        ("", ""),
        ("' OR 1=1 --", "' OR 1=1 --"),
    ],
)
@both_generations
async def test_a_wrong_password_and_an_unknown_person_look_alike(
    people: Crux, prefix: str, username: str, password: str
) -> None:
    answer = await log_in(people, username, password, prefix)
    assert (answer.status_code, answer.json()) == (401, {"detail": "Unable to log in with provided credentials."})
    assert answer.headers["www-authenticate"] == "Token"


async def test_the_address_may_be_written_in_any_letters(people: Crux) -> None:
    assert (await log_in(people, f" {EMAIL.upper()} ")).status_code == 200


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({}, {"username": ["This field is required."], "password": ["This field is required."]}),
        ({"username": None, "password": "x"}, {"username": ["This field may not be null."]}),
        ({"username": ["x"], "password": "x"}, {"username": ["Not a valid string."]}),
        (
            {"username": "x" * 256, "password": "x"},
            {"username": ["Ensure this field has no more than 255 characters."]},
        ),
        ([], {"non_field_errors": ["Invalid data. Expected a dictionary, but got list."]}),
    ],
)
@both_generations
async def test_what_is_missing_or_misshapen_is_400_by_field(
    people: Crux, prefix: str, body: Any, expected: dict[str, Any]
) -> None:
    answer = await people.call("POST", f"{prefix}/organizations/user-login/", body=body)
    assert (answer.status_code, answer.json()) == (400, expected)


@both_generations
async def test_other_verbs_are_405_and_other_types_415(people: Crux, prefix: str) -> None:
    path = f"{prefix}/organizations/user-login/"
    wrong = await people.call("GET", path)
    assert (wrong.status_code, wrong.headers["allow"]) == (405, "POST, OPTIONS")
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    answer = await people.call("POST", path, content=b"username=x&password=y", headers=form)
    assert answer.status_code == 415


async def test_an_address_with_a_nul_is_refused_before_a_database_sees_it(people: Crux) -> None:
    answer = await log_in(people, "a\0b")
    assert answer.status_code == 400
    assert "null characters" in answer.json()["detail"]


@pytest.mark.parametrize("table", [t.users, t.parties], ids=["user", "party"])
async def test_who_is_deactivated_cannot_log_in_and_the_token_of_before_ends(sqlite_crux: Crux, table: Any) -> None:
    party = await sqlite_crux.party(PartyKind.RETAILER, f"gone {table.name}")
    email = f"{table.name}@example.com"
    user = await sqlite_crux.user(party, email, PASSWORD)
    line = await sqlite_crux.new_line(retailer=party)
    token = (await log_in(sqlite_crux, email)).json()["auth_token"]
    gone = user if table is t.users else party
    await sqlite_crux.world.application.database.write(
        lambda connection: connection.execute(update(table).where(table.c.id == gone).values(status="deactivated"))
    )
    assert (await log_in(sqlite_crux, email)).status_code == 401
    assert (await sqlite_crux.cancel(line, token)).status_code == 401


@pytest.mark.parametrize(("prefix", "status"), [("", 403), ("/timp", 409)])
async def test_the_platform_has_no_business_here(sqlite_crux: Crux, prefix: str, status: int) -> None:
    email = f"operator{status}@example.com"
    await sqlite_crux.user(UUID(int=1), email, PASSWORD)
    assert (await log_in(sqlite_crux, email, prefix=prefix)).status_code == status


# Guessing


async def test_who_guesses_a_password_has_to_wait_and_others_have_not(tmp_path: Path) -> None:
    async with opened_crux(f"sqlite:///{tmp_path}/test.sqlite3", login_limit="5/minute") as crux:
        await crux.user(crux.world.retailer, EMAIL, PASSWORD)
        await crux.user(crux.world.retailer, "other@example.com", PASSWORD)
        for spelled in (EMAIL, EMAIL.upper(), f" {EMAIL}", EMAIL, EMAIL):
            assert (await log_in(crux, spelled, "guess")).status_code == 401
        refused = await log_in(crux)
        assert (refused.status_code, refused.headers["retry-after"]) == (429, "12")
        assert (await log_in(crux, prefix="/timp")).status_code == 429
        assert (await log_in(crux, "other@example.com")).status_code == 200
        crux.world.clock.advance(seconds=61)
        assert (await log_in(crux)).status_code == 200


async def test_a_right_password_forgets_the_wrong_ones(tmp_path: Path) -> None:
    async with opened_crux(f"sqlite:///{tmp_path}/test.sqlite3", login_limit="2/minute") as crux:
        await crux.user(crux.world.retailer, EMAIL, PASSWORD)
        for _ in range(3):
            assert (await log_in(crux, EMAIL, "slip")).status_code == 401
            assert (await log_in(crux)).status_code == 200


# How long a token lasts


@pytest.fixture
async def lasting(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Crux]:
    """A service with this token lifetime, or the default one."""
    settings = {} if request.param is None else {"token_lifetime_s": request.param}
    async with opened_crux(f"sqlite:///{tmp_path}/test.sqlite3", **settings) as crux:
        await crux.user(crux.world.retailer, EMAIL, PASSWORD)
        yield crux


@pytest.mark.parametrize(("lasting", "seconds"), [(None, 7200), (60, 60)], indirect=["lasting"])
async def test_a_token_ends_by_the_clock_counted_from_its_issue(lasting: Crux, seconds: int) -> None:
    token = (await log_in(lasting)).json()["auth_token"]
    path = f"/orders/{(await lasting.world.order()).id}/"
    lasting.world.clock.advance(seconds=seconds - 1)
    assert (await lasting.call("GET", path, token)).status_code == 200
    lasting.world.clock.advance(seconds=1)
    answer = await lasting.call("GET", path, token)
    assert (answer.status_code, answer.json()) == (401, {"detail": "Invalid token."})
    assert (await lasting.call("GET", path, (await log_in(lasting)).json()["auth_token"])).status_code == 200


@pytest.mark.parametrize("lasting", [0], indirect=True)
async def test_a_lifetime_of_zero_means_for_ever(lasting: Crux) -> None:
    token = (await log_in(lasting)).json()["auth_token"]
    lasting.world.clock.advance(days=3650)
    assert (await lasting.call("POST", "/orders/", token)).status_code == 200
