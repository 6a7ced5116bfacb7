"""Users and tokens: listed, named, ended; and the audit trail of all of it."""

import pytest

from tests.cli.conftest import Cli

PASSWORD = "correct horse battery"


@pytest.fixture
def shop(cli: Cli) -> Cli:
    """A retailer with a user."""
    cli("party", "add", "retailer", "Fine Shoes")
    cli("user", "add", "ann@example.com", "--party", "Fine Shoes", COUNTERMAND_PASSWORD=PASSWORD)
    return cli


def _actions(cli: Cli, *flags: str) -> list[str]:
    return [entry["action"] for entry in cli("audit", "--json", *flags).json]


def test_a_token_is_listed_renamed_and_revoked_by_its_id_and_its_secret_is_never_shown(shop: Cli) -> None:
    made = shop("token", "create", "--party", "Fine Shoes", "--label", "warehouse", "--json").json
    listed = shop("token", "list", "--party", "Fine Shoes", "--json")
    assert [(each["id"], each["label"], each["revoked_at"]) for each in listed.json] == [
        (made["id"], "warehouse", None)
    ]
    assert shop("token", "rename", made["id"], "old warehouse").code == 0
    assert shop("token", "list", "--json").json[0]["label"] == "old warehouse"
    assert shop("token", "revoke", made["id"]).code == 0
    assert shop("token", "list", "--json").json[0]["revoked_at"] is not None
    entries = shop("audit", "--object", made["id"], "--json")
    assert [entry["action"] for entry in entries.json] == [
        "credential.revoked",
        "credential.renamed",
        "credential.created",
    ]
    assert entries.json[1]["detail"] == {"from": "warehouse", "to": "old warehouse"}
    assert all(made["token"] not in result.out for result in (listed, entries, shop("token", "list"), shop("audit")))


def test_a_token_is_still_revoked_by_standard_input(shop: Cli) -> None:
    token = shop("token", "create", "--party", "Fine Shoes").out
    assert shop("token", "revoke", stdin=token).code == 0
    assert shop("token", "revoke", stdin=token).code == 5


@pytest.mark.parametrize("verb", [("revoke",), ("rename", "LABEL")])
def test_a_token_that_is_not_there_or_has_ended_is_said_so(shop: Cli, verb: tuple[str, ...]) -> None:
    made = shop("token", "create", "--party", "Fine Shoes", "--json").json
    shop("token", "revoke", made["id"])
    ended = shop("token", verb[0], made["id"], *verb[1:])
    assert (ended.code, "was revoked on" in ended.err) == (5, True)
    unknown = shop("token", verb[0], "crd_" + "0" * 32, *verb[1:])
    assert (unknown.code, "There is no credential with this id." in unknown.err) == (5, True)
    assert shop("token", verb[0], "no-id", *verb[1:]).code == 2


def test_a_disabled_user_is_listed_as_such_and_can_be_enabled(shop: Cli) -> None:
    assert shop("user", "disable", "Ann@example.com").code == 0
    assert [(each["email"], each["status"]) for each in shop("user", "list", "--json").json] == [
        ("ann@example.com", "disabled")
    ]
    assert shop("user", "enable", "ann@example.com").code == 0
    assert shop("user", "list", "--party", "Fine Shoes", "--json").json[0]["status"] == "active"
    assert _actions(shop)[:2] == ["user.enabled", "user.disabled"]


def test_a_new_password_comes_from_standard_input_and_is_in_no_trail(shop: Cli) -> None:
    result = shop("user", "password", "ann@example.com", "--password-stdin", "--json", stdin="another secret\n")
    assert (result.code, result.json["user"][:4], result.json["written"]) == (0, "usr_", True)
    trail = shop("audit", "--json")
    assert trail.json[0]["action"] == "user.password_changed"
    assert "another secret" not in trail.out


def test_a_user_is_found_by_id_too_and_an_unknown_one_is_named(shop: Cli) -> None:
    user = shop("user", "list", "--json").json[0]["id"]
    assert shop("user", "log-out", user).code == 0
    assert _actions(shop, "--object", user) == ["user.logged_out", "user.added"]
    for verb in ("disable", "enable", "log-out"):
        result = shop("user", verb, "nobody@example.com")
        assert (result.code, "nobody@example.com" in result.err) == (5, True)


def test_the_trail_says_who_what_and_when_for_one_party_or_kind_of_change(shop: Cli) -> None:
    shop("party", "add", "supplier", "Alpine Supply")
    shop("party", "deactivate", "Alpine Supply")
    shop("party", "activate", "Alpine Supply")
    assert _actions(shop, "--party", "Alpine Supply") == ["party.activated", "party.deactivated", "party.added"]
    assert _actions(shop, "--action", "party.added") == ["party.added", "party.added"]
    assert shop("audit", "--action", "user.flown").code == 2
    entry = shop("audit", "--action", "user.added", "--json").json[0]
    assert entry["by"].startswith("operator ")
    assert (entry["door"], entry["detail"]) == ("cli", {"email": "ann@example.com"})
    assert shop("audit", "--action", "user.added").lines[0][3] == "Fine Shoes"
    assert len(shop("audit", "--limit", "1").lines) == 1
