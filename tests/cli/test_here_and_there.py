"""Every command that takes ``--server``, on the database of a service and at its address: it says and does the same."""

import itertools
import json
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any
from uuid import UUID

import pytest

from countermand.admin.callers import PLATFORM
from countermand.cli import help_pages
from countermand.cli.arguments import CALLS
from countermand.cli.remote import calling
from countermand_client import Client, flows
from tests.cli.conftest import Cli, Result
from tests.support.listening import Listening, listening

NOBODY = "0" * 32
COUNT = itertools.count(1)
PASSWORD = "correct horse battery"
MAIL: dict[str, Any] = {
    "smtp_host": "127.0.0.1",
    "mail_from": "mail@shop.example",
    "public_url": "https://cancel.shop.example",
}
FOLLOWS = {("events", "tail"), ("listen",), ("trigger",), ("open",)}
"""They need ``--server``: on a database there is nothing to compare with."""


@dataclass
class Place:
    """One side: commands on the database, or at the service."""

    cli: Cli
    flags: tuple[str, ...]
    environment: dict[str, str]

    def __call__(self, *arguments: str, stdin: str = "", **environment: str) -> Result:
        given = {"COUNTERMAND_PASSWORD": PASSWORD, **self.environment, **environment}
        return self.cli(*arguments, *self.flags, stdin=stdin, **given)


@dataclass
class Both:
    """A service, and each side of it. The methods make what a command changes, anew for each side."""

    service: Listening
    here: Place
    there: Place

    def order(self, **payment: str) -> tuple[str, str]:
        """An order of one line, and the line."""
        line = {"sku": "boot-42", "units": 3, "supplier": "supplier", "unit_price": "10.00"}
        given = {"retailer": "retailer", "reference": f"HT-{UUID(int=next(COUNT)).hex[-4:]}", "lines": [line]}
        if payment:
            given["payments"] = [{"id": "card", **payment}]
        added = self.here("order", "add", "-", stdin=json.dumps(given))
        assert added.code == 0, added.err
        order, line_id = added.out.split()
        return order, line_id

    def half_paid(self) -> str:
        return self.order(captured="10.00", authorised="10.00")[0]

    def asked(self) -> str:
        return self.here("ask", "--line", self.order()[1], "--units", "2", "--by", "retailer").out.strip()

    def refund(self) -> str:
        line = self.order(captured="30.00")[1]
        made = self.here("ask", "--line", line, "--units", "1", "--by", "retailer").out.strip()
        self.here("accept", made, "--step", "1")
        found = self.here("refunds", "--json").json
        return str(next(each["id"] for each in found if each["cancellation"] == made))

    def endpoint(self, url: str = "http://127.0.0.1:9/in") -> str:
        return self.here("endpoint", "add", url, "--party", "supplier").out.split()[0]

    def user(self) -> str:
        name = f"u{next(COUNT)}@example.com"
        assert self.here("user", "add", name, "--party", "retailer").code == 0
        return name

    def token(self, *names: str) -> str:
        made = self.here("token", "create", "--party", "supplier", "--json").json
        return str(made[names[0] if names else "id"])

    def plaza_key(self) -> str:
        name = f"Shop {next(COUNT)}"
        self.here("party", "add", "retailer", name)
        return str(self.here("plaza-key", "create", "--party", name, "--json").json["public"])

    def client(self) -> str:
        made = self.here("client-credentials", "create", "--party", "retailer", "--json").json
        return str(made["client_id"])

    def party(self) -> str:
        name = f"Party {next(COUNT)}"
        self.here("party", "add", "supplier", name)
        return name


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Listening, str]]:
    database = f"sqlite:///{tmp_path_factory.mktemp('both')}/test.sqlite3"
    with listening(database, webhook_inner_addresses=["127.0.0.0/8"], webhook_ports=[], **MAIL) as service:
        yield service, database


@pytest.fixture
def both(running: tuple[Listening, str], cli: Cli) -> Both:
    service, database = running
    mail = {f"COUNTERMAND_{name.upper()}": value for name, value in MAIL.items()}
    loopback = {"COUNTERMAND_WEBHOOK_INNER_ADDRESSES": '["127.0.0.0/8"]', "COUNTERMAND_WEBHOOK_PORTS": "[]"}
    here = Place(cli, ("--database", database), {**loopback, **mail})
    there = Place(cli, ("--server", service.url), {"COUNTERMAND_TOKEN": service.tokens[PLATFORM]})
    return Both(service, here, there)


# What is read is the same to the last character.

READS: Sequence[tuple[str, ...]] = [
    ("party", "list"),
    ("user", "list"),
    ("user", "list", "--party", "retailer", "--limit", "1"),
    ("token", "list"),
    ("token", "list", "--party", "supplier", "--limit", "1"),
    ("plaza-key", "list", "--party", "retailer"),
    ("client-credentials", "list", "--party", "retailer"),
    ("audit",),
    ("audit", "--action", "user.added", "--party", "retailer"),
    ("policy", "show", "--retailer", "retailer"),
    ("policy", "show", "--retailer", "retailer", "--supplier", "supplier"),
    ("endpoint", "list", "--party", "supplier"),
    ("notices",),
    ("notices", "--state", "due", "--attempts", "--limit", "2"),
    ("orders",),
    ("orders", "--reference", "HT-A"),
    ("cancellations",),
    ("cancellations", "--sort", "due", "--awaiting", "retailer"),
    ("timeline", "HT-A"),
    ("timeline", "{line}"),
    ("timeline", "{cancellation}"),
    ("timeline", "{order}"),
    ("refunds",),
    ("quote", "--line", "{line}"),
    ("payment", "list", "{order}"),
    ("score", "retailer", "--weeks", "2"),
    ("score", "retailer", "--weeks", "2", "--evidence"),
]


@pytest.fixture
def filled(both: Both) -> dict[str, str]:
    """Some of everything, once; the ids of what stands in the arguments."""
    found = both.here("orders", "--reference", "HT-A", "--json").json
    if not found:
        _fill(both)
        found = both.here("orders", "--reference", "HT-A", "--json").json
    made = both.here("cancellations", "HT-A", "--json").json[0]
    return {"order": found[0]["id"], "line": found[0]["lines"][0]["id"], "cancellation": made["id"]}


def _fill(both: Both) -> None:
    both.here("policy", "set", "--retailer", "retailer", "--working-hours", "mon-fri 09:00-17:00 Europe/Amsterdam")
    both.here("policy", "set", "--retailer", "retailer", "--supplier", "supplier", "--answer-within", "36h")
    both.endpoint()
    for _ in range(2):
        both.user()
        both.token()
    for _ in range(2):
        both.here("plaza-key", "create", "--party", "retailer", "--label", "shop")
    both.here("plaza-key", "revoke", both.here("plaza-key", "list", "--party", "retailer", "--json").json[0]["public"])
    both.client()
    lines = [{"sku": "boot-42", "units": 3, "unit_price": "10.00", "supplier": "supplier"}]
    order = {"retailer": "retailer", "reference": "HT-A", "lines": lines, "payments": [{"captured": "30.00"}]}
    line = both.here("order", "add", "-", stdin=json.dumps(order)).out.split()[1]
    first = both.here("ask", "--line", line, "--units", "1", "--by", "retailer", "--note", "sold out").out.strip()
    both.here("accept", first, "--step", "1")
    both.here("score-exclude", first, "--reason", "The mail is on file.")
    both.here("ask", "--line", line, "--units", "1")
    assert both.here("timeline", "HT-A", "--json").json["judgements"]


def _forms() -> Iterator[Any]:
    for what in READS:
        command = help_pages.command_in(what)
        for form in ("", "--json", "--csv"):
            if not form or form in help_pages.flags(command):
                yield pytest.param((*what, *filter(None, [form])), id=" ".join((*what, form)).strip())


@pytest.mark.parametrize("what", list(_forms()))
def test_what_is_read_is_the_same_here_and_there(both: Both, filled: dict[str, str], what: tuple[str, ...]) -> None:
    arguments = [each.format(**filled) for each in what]
    here, there = both.here(*arguments), both.there(*arguments)
    assert (here.code, there.code) == (0, 0), there.err
    assert here.out
    if what[0] == "score" and "--json" in what:
        assert {**there.json, "at": ""} == {**here.json, "at": ""}
        return
    assert there.out == here.out
    assert there.err == here.err


# What is written is the same but for ids, secrets and times.

Make = Callable[[Both], Sequence[str]]
WRITES: dict[tuple[str, ...], list[Make]] = {
    ("party", "add"): [lambda on: ("supplier", f"New {on.party()}")],
    ("party", "deactivate"): [lambda on: (on.party(),)],
    ("party", "activate"): [lambda on: (on.party(),)],
    ("user", "add"): [lambda on: (f"new-{on.user()}", "--party", "retailer")],
    ("user", "disable"): [lambda on: (on.user(),)],
    ("user", "enable"): [lambda on: (on.user(),)],
    ("user", "password"): [lambda on: (on.user(),)],
    ("user", "log-out"): [lambda on: (on.user(),)],
    ("token", "create"): [
        lambda on: ("--party", "supplier", "--label", "shop", "--days", "3", "--permission", "view_order"),
        lambda on: ("--party", "retailer"),
    ],
    ("token", "revoke"): [lambda on: (on.token(),)],
    ("plaza-key", "create"): [lambda on: ("--party", _shop(on), "--label", "shop")],
    ("plaza-key", "revoke"): [lambda on: (on.plaza_key(),)],
    ("client-credentials", "create"): [lambda on: ("--party", _shop(on), "--label", "till")],
    ("client-credentials", "revoke"): [lambda on: (on.client(),)],
    ("policy", "set"): [lambda on: ("--retailer", _shop(on), "--silence", "accept", "--answer-within", "12h")],
    ("endpoint", "add"): [lambda on: ("http://127.0.0.1:9/x", "--party", "supplier", "--event", "cancellation.asked")],
    ("endpoint", "pause"): [lambda on: (on.endpoint(), "--reason", "move")],
    ("endpoint", "resume"): [lambda on: (on.endpoint(),)],
    ("endpoint", "confirm"): [lambda on: (on.endpoint(f"mailto:m{next(COUNT)}@example.com"), "--again")],
    ("endpoint", "rotate"): [lambda on: (on.endpoint(), "--overlap", "2h")],
    ("endpoint", "remove"): [lambda on: (on.endpoint(),)],
    ("endpoint", "test"): [lambda on: (on.endpoint(), "--event", "cancellation.asked")],
    ("order", "erase"): [lambda on: (on.order()[0],)],
    ("ask",): [lambda on: ("--line", on.order()[1], "--units", "2", "--by", "retailer", "--reason", "item_faulty")],
    ("accept",): [lambda on: (on.asked(), "--step", "1")],
    ("decline",): [lambda on: (on.asked(), "--step", "1", "--reason", "other", "--note", "no")],
    ("withdraw",): [lambda on: (on.asked(),)],
    ("reassign",): [lambda on: (on.order()[1], "--to", "other_supplier", "--note", "fire")],
    ("refund", "paid"): [lambda on: (on.refund(), "--note", "cash")],
    ("refund", "close"): [lambda on: (on.refund(), "--note", "goodwill")],
    ("refund", "retry"): [lambda on: (on.refund(),)],
    ("refund", "correct"): [lambda on: (on.refund(), "--elsewhere", "4.00", "--note", "cash")],
    ("payment", "add"): [lambda on: (on.half_paid(), "--id", "voucher", "--captured", "1.00")],
    ("payment", "capture"): [lambda on: (on.half_paid(), "--id", "card", "--captured", "20.00")],
    ("replay",): [lambda on: (_notice(on),)],
    ("score-exclude",): [lambda on: (_counted(on), "--reason", "appeal")],
    ("score-restore",): [lambda on: (_counted(on, excluded=True), "--reason", "appeal")],
}


def _shop(on: Both) -> str:
    name = f"Shop {next(COUNT)}"
    on.here("party", "add", "retailer", name)
    return name


def _notice(on: Both) -> str:
    endpoint = on.endpoint()
    on.order()
    return str(on.here("notices", "--endpoint", endpoint, "--json").json[0]["id"])


def _counted(on: Both, *, excluded: bool = False) -> str:
    made = on.asked()
    on.here("accept", made, "--step", "1")
    if excluded:
        on.here("score-exclude", made, "--reason", "appeal")
    return made


SAME_FOR_ALL = re.compile(
    r"cmps?_\w+|cm[ct]_\w+|whsec_\S+?(?=[\"\s]|$)|[a-z]{3}_[0-9a-f]{32}|[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f-]{21}"
    r"|\d{4}-\d\d-\d\dT[\d:.]+Z|\"number\": \d+|HT-[0-9a-f]{4}|(Shop|Party) \d+|u\d+@"
)


MORE = re.compile(r"\n?https?://[\w.:]+/problems/\w+ \(req_\w+\)")
"""A service says besides where a problem is explained, and under which id the call was logged."""


def _alike(text: str) -> str:
    return SAME_FOR_ALL.sub("~", MORE.sub("", text))


def test_every_command_that_calls_a_service_is_compared() -> None:
    elsewhere = {("order", "add"), ("recover",)}
    read = {help_pages.command_in(what) for what in READS}
    assert read | WRITES.keys() | FOLLOWS | elsewhere == CALLS


@pytest.mark.parametrize("form", ["", "--json"])
@pytest.mark.parametrize(
    ("command", "make"),
    [pytest.param(name, make, id=" ".join(name)) for name, makes in WRITES.items() for make in makes],
)
def test_what_is_written_is_told_the_same_here_and_there(
    both: Both, command: tuple[str, ...], make: Make, form: str
) -> None:
    more = tuple(filter(None, [form]))
    here, there = (side(*command, *make(both), *more) for side in (both.here, both.there))
    assert (there.code, _alike(there.out), _alike(there.err)) == (here.code, _alike(here.out), _alike(here.err))
    assert "+00:00" not in here.out + there.out
    assert "written" not in here.out or here.json["written"]


# Problems

BAD_ID = [
    *((command, ("x",)) for command in (("token", "revoke"), ("order", "erase"), ("withdraw",), ("replay",))),
    *((("endpoint", verb), ("x",)) for verb in ("pause", "resume", "rotate", "remove", "test")),
    *((("refund", verb), ("x", "--note", "n")) for verb in ("paid", "close", "retry")),
    (("refund", "correct"), ("x", "--note", "n", "--elsewhere", "1.00")),
    (("accept",), ("x", "--step", "1")),
    (("decline",), ("x", "--step", "1", "--reason", "other")),
    (("payment", "list"), ("x",)),
    (("payment", "capture"), ("x", "--id", "card", "--captured", "1.00")),
    (("score-exclude",), ("x", "--reason", "r")),
    (("score-restore",), ("x", "--reason", "r")),
    (("ask",), ("--line", "x")),
    (("quote",), ("--line", "x")),
    (("reassign",), ("x", "--to", "supplier", "--note", "n")),
    (("recover",), ("--endpoint", "x", "--since", "1h")),
    (("notices",), ("--endpoint", "x")),
    (("audit",), ("--object", "x")),
]
UNKNOWN = [
    *(
        (command, tuple(NOBODY if each == "x" else each for each in given))
        for command, given in BAD_ID
        if command not in (("notices",), ("audit",))
    ),
    *((("user", verb), ("nobody@example.com",)) for verb in ("disable", "enable", "password", "log-out")),
    *((("party", verb), ("Nobody",)) for verb in ("deactivate", "activate")),
    (("plaza-key", "revoke"), ("cmp_nobody",)),
    (("client-credentials", "revoke"), (NOBODY,)),
    (("timeline",), ("nothing at all",)),
    (("timeline",), (f"can_{NOBODY}",)),
    (("score",), ("Nobody",)),
    (("cancellations",), ("--awaiting", "Nobody")),
    (("token", "create"), ("--party", "Nobody")),
    (("user", "add"), ("z@example.com", "--party", "Nobody")),
    (("plaza-key", "create"), ("--party", "Nobody")),
    (("client-credentials", "create"), ("--party", "Nobody")),
    (("policy", "show"), ("--retailer", "Nobody")),
    (("policy", "set"), ("--retailer", "Nobody", "--silence", "accept")),
    (("endpoint", "add"), ("http://127.0.0.1:9/", "--party", "Nobody")),
]


@pytest.mark.parametrize(
    ("command", "given"), [pytest.param(*each, id=" ".join((*each[0], *each[1]))) for each in (*BAD_ID, *UNKNOWN)]
)
def test_what_is_no_id_or_unknown_ends_the_same_here_and_there(
    both: Both, command: tuple[str, ...], given: tuple[str, ...]
) -> None:
    json_flag = ("--json",) if "--json" in help_pages.flags(command) else ()
    here, there = (side(*command, *given, *json_flag) for side in (both.here, both.there))
    assert here.code in (2, 5), here.err
    assert (there.code, there.json["error"]["code"]) == (here.code, here.json["error"]["code"]), there.err


def test_a_token_that_ended_before_is_told_so_here_and_there(both: Both) -> None:
    ended = both.token()
    both.here("token", "revoke", ended)
    assert both.there("token", "revoke", ended) == both.here("token", "revoke", ended)
    for side in (both.here, both.there):
        secret = both.token("token")
        assert side("token", "revoke", stdin=f"{secret}\n").code == 0
        again = side("token", "revoke", stdin=f"{secret}\n")
        assert (again.code, "revoked before" in again.err) == (5, True)


def test_a_new_policy_can_be_tried_here_and_there(both: Both) -> None:
    for form in ((), ("--json",)):
        what = ("policy", "set", "--retailer", "other_retailer", "--silence", "accept", "--dry-run", *form)
        here, there = both.here(*what), both.there(*what)
        assert there.out == here.out
        assert here.out
    assert both.there("policy", "show", "--retailer", "other_retailer", "--json").json["version"] == 0


def test_recovered_notices_are_counted_here_and_there(both: Both, monkeypatch: pytest.MonkeyPatch) -> None:
    worker = both.service.world.application.worker
    monkeypatch.setattr("time.sleep", lambda seconds: both.service.do(worker.do_jobs()))
    for side in (both.here, both.there):
        said = side("recover", "--endpoint", both.endpoint(), "--since", "1h")
        # The job's log is written in this process too.
        assert (said.code, said.out.splitlines()[-1], said.err) == (0, "0", "")


FIRST: dict[tuple[str, ...], tuple[str, ...]] = {
    **{help_pages.command_in(what): what for what in reversed(READS)},
    **{command: (*command, *given) for command, given in UNKNOWN},
    **{command: (*command, *given) for command, given in BAD_ID},
}


def _calls() -> Iterator[Any]:
    """Each command once, with what it needs."""
    others = {
        ("party", "add"): ("supplier", "New"),
        ("endpoint", "confirm"): (f"ept_{NOBODY}", "--again"),
        ("payment", "add"): (NOBODY, "--id", "card"),
        ("order", "add"): ("-",),
        ("events", "tail"): (),
        ("listen",): ("http://127.0.0.1:9/",),
        ("trigger",): (f"ept_{NOBODY}",),
    }
    for command in sorted(CALLS - {("open",)}):
        what = (*command, *others[command]) if command in others else FIRST[command]
        yield pytest.param(
            tuple(NOBODY if each in ("x",) or "{" in each else each for each in what), id=" ".join(command)
        )


ORDER = json.dumps({"retailer": "retailer", "reference": "A", "lines": [{"sku": "s", "units": 1}]})


@pytest.mark.parametrize("what", [*_calls()])
def test_a_wrong_token_an_absent_service_and_a_silent_one_end_every_command_alike(
    both: Both, silent: str, monkeypatch: pytest.MonkeyPatch, what: tuple[str, ...]
) -> None:
    monkeypatch.setattr(calling, "Client", partial(Client, max_retries=0))
    given = {"COUNTERMAND_PASSWORD": PASSWORD, "stdin": ORDER}
    wrong = both.there.cli(*what, "--server", both.service.url, COUNTERMAND_TOKEN="cmt_nobody", **given)
    assert (wrong.code, "bearer token" in wrong.err, "COUNTERMAND_TOKEN" in wrong.err) == (4, True, True), wrong.err
    none = both.there.cli(*what, "--server", both.service.url, **given)
    assert (none.code, "COUNTERMAND_TOKEN" in none.err) == (4, True), none.err
    absent = both.there.cli(*what, "--server", "http://127.0.0.1:1", COUNTERMAND_TOKEN="cmt_x", **given)
    assert (absent.code, "http://127.0.0.1:1 cannot be reached" in absent.err) == (75, True), absent.err
    monkeypatch.setattr(calling, "Client", partial(Client, max_retries=0, timeout=0.1))
    monkeypatch.setattr(flows, "STREAM_QUIET_S", 0.1)
    late = both.there.cli(*what, "--server", silent, COUNTERMAND_TOKEN="cmt_x", **given)
    assert (late.code, "did not answer in time" in late.err) == (7, True), late.err
    assert {each.out for each in (wrong, none, absent, late)} == {""}


@pytest.fixture(scope="module")
def silent() -> Iterator[str]:
    """The address of a service that takes calls and never answers."""
    import socket

    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"http://127.0.0.1:{server.getsockname()[1]}"


def test_who_may_not_is_told_which_permission_it_lacks(both: Both) -> None:
    few = both.here("token", "create", "--party", "retailer", "--permission", "view_order").out.strip()
    for what in (
        ("user", "list"),
        ("audit",),
        ("policy", "set", "--retailer", "retailer"),
        ("party", "add", "supplier", "X"),
    ):
        refused = both.there(*what, COUNTERMAND_TOKEN=few)
        assert (refused.code, refused.out) == (3, ""), refused.err
        assert refused.err.startswith("countermand: ")
