"""Commands that call a service with ``--server``: they print what they print on its database."""

import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import select

from countermand.admin.callers import PLATFORM
from countermand.cli import following
from countermand.cli.arguments import CALLS, LOCAL, Arguments
from countermand.cli.ask_results import RESULT_COLUMNS
from countermand.cli.commands import app
from countermand.store import tables as t
from countermand_client import Client, blocking, flows, webhooks
from tests.cli.conftest import Cli, Result
from tests.docs.test_docs import commands
from tests.support.listening import Listening, listening


@dataclass(frozen=True)
class Both:
    """A service, and the commands on its database and at its address."""

    service: Listening
    database: str
    cli: Cli

    def here(self, *arguments: str, **environment: str) -> Result:
        return self.cli(*arguments, "--database", self.database, **environment)

    def there(self, *arguments: str, who: UUID = PLATFORM, **environment: str) -> Result:
        return self.cli(
            *arguments, "--server", self.service.url, COUNTERMAND_TOKEN=self.service.tokens[who], **environment
        )

    @property
    def platform(self) -> dict[str, str]:
        return {"COUNTERMAND_TOKEN": self.service.tokens[PLATFORM]}

    def line(self, units: int = 1) -> str:
        return str(self.service.do(self.service.world.order(units)).lines[0].id)

    def asked(self, units: int = 1) -> str:
        return self.there("ask", "--line", self.line(units)).out.strip()


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Listening, str]]:
    database = f"sqlite:///{tmp_path_factory.mktemp('server')}/test.sqlite3"
    loopback: dict[str, Any] = {"webhook_inner_addresses": ["127.0.0.0/8"], "webhook_ports": []}
    with listening(database, **loopback) as service:
        yield service, database


@pytest.fixture
def both(running: tuple[Listening, str], cli: Cli) -> Both:
    return Both(*running, cli)


def order(reference: str) -> dict[str, Any]:
    return {
        "retailer": "retailer",
        "reference": reference,
        "payments": [{"id": "card", "captured": "20.00"}],
        "lines": [{"sku": "boot-42", "units": 2, "unit_price": "10.00", "supplier": "supplier"}],
    }


@pytest.fixture
def paid(both: Both) -> tuple[str, str]:
    """An order that was paid, and its line."""
    said = both.here("order", "add", "-", stdin=json.dumps(order("PO-PAID")))
    found = said.out.split()
    return found[0], found[1]


LISTS = [
    ("cancellations",),
    ("cancellations", "--state", "asked", "--limit", "2"),
    ("cancellations", "--sort", "due"),
    ("cancellations", "--late"),
    ("refunds",),
    ("refunds", "--state", "by_hand"),
]


@pytest.mark.parametrize(
    ("what", "form"),
    [
        *((what, form) for what in LISTS for form in ((), ("--json",), ("--csv",))),
        *((("endpoint", "list"), form) for form in ((), ("--json",))),
    ],
)
def test_a_list_is_the_same_here_and_there(both: Both, what: tuple[str, ...], form: tuple[str, ...]) -> None:
    if not both.here("cancellations", "--json").json:
        for _ in range(3):
            both.asked()
        said = both.here("order", "add", "-", stdin=json.dumps(order("PO-1")))
        made = both.here("ask", "--line", said.out.split()[1], "--by", "retailer", "--json").json
        both.here("accept", made["id"], "--step", "1")
        both.there("endpoint", "add", "http://127.0.0.1:9/", "--party", "supplier", who=both.service.world.supplier)
    who, more = (both.service.world.supplier, ("--party", "supplier")) if what[0] == "endpoint" else (PLATFORM, ())
    here, there = both.here(*what, *more, *form), both.there(*what, *form, who=who)
    assert there == here
    assert here.code == 0
    assert here.out or "--late" in what


def test_who_wants_a_party_s_view_uses_its_token(both: Both) -> None:
    both.asked()
    seen = both.there("cancellations", "--json", who=both.service.world.supplier)
    assert seen.json == both.here("cancellations", "--json", "--party", "supplier").json
    refused = both.there("cancellations", "--party", "supplier")
    assert (refused.code, "token says" in refused.err) == (2, True)


def test_an_ask_and_its_answer(both: Both) -> None:
    line = both.line(3)
    made = both.there("ask", "--line", line, "--units", "2", "--json").json
    assert (made["units"], made["state"], made["repeated"]) == (2, "asked", False)
    again = both.there("ask", "--line", line, "--units", "2")
    assert again.out.strip() == made["id"]
    assert "equal ask waits already" in again.err
    other = both.there("ask", "--line", line, "--units", "1", "--key", "k1").out
    assert both.there("ask", "--line", line, "--units", "1", "--key", "k1").out == other
    unnamed = both.there("accept", made["id"])
    assert (unnamed.code, "step_needed" in unnamed.err or "step" in unnamed.err) == (3, True)
    accepted = both.there("accept", made["id"], "--step", "1", "--json")
    assert accepted.json["cancellation"] == made["id"]
    answered = both.there("accept", made["id"], "--json", who=both.service.world.supplier).json
    assert (answered["state"], answered["accepted_units"], answered["repeated"]) == ("accepted", 2, False)
    repeat = both.there("accept", made["id"], who=both.service.world.supplier)
    assert "This was answered so before" in repeat.err


@pytest.mark.parametrize("form", [(), ("--json",)])
def test_an_ask_is_tried(both: Both, form: tuple[str, ...]) -> None:
    line = both.line(3)
    for more in ((), ("--units", "2"), ("--by", "retailer")):
        what = ("ask", "--line", line, *more, "--dry-run", *form)
        here, there = both.here(*what), both.there(*what)
        assert (there.code, there.out) == (0, here.out)
        assert there.err.splitlines()[:1] == [each for each in here.err.splitlines() if "would" in each]
    refused = both.there("ask", "--line", line, "--units", "4", "--dry-run")
    assert (refused.code, refused.out) == (3, "")
    assert refused.err == both.here("ask", "--line", line, "--units", "4", "--dry-run").err


def test_declines_and_withdrawals(both: Both) -> None:
    first, second = both.asked(2), both.asked(2)
    declined = both.there("decline", first, "--step", "1", "--reason", "other", "--note", "no", "--json").json
    assert (declined["state"], declined["message"]) == (
        "declined",
        "The cancellation is declined; its units are open again.",
    )
    assert both.there("withdraw", second, "--json").json["state"] == "withdrawn"
    late = both.there("withdraw", first)
    assert (late.code, late.out) == (3, "")


def test_money(both: Both, paid: tuple[str, str]) -> None:
    order_id, line = paid
    assert both.there("quote", "--line", line) == both.here("quote", "--line", line)
    assert both.there("quote", "--line", line, "--units", "1", "--json") == both.here(
        "quote", "--line", line, "--units", "1", "--json"
    )
    assert both.there("payment", "list", order_id) == both.here("payment", "list", order_id)
    assert both.there("payment", "list", order_id, "--json") == both.here("payment", "list", order_id, "--json")
    made = both.here("ask", "--line", line, "--units", "1", "--by", "retailer", "--json").json
    both.here("accept", made["id"], "--step", "1")
    refund = next(each for each in both.there("refunds", "--json").json if each["cancellation"] == made["id"])
    assert (refund["state"], refund["amount"]) == ("by_hand", "10.00")
    corrected = both.there("refund", "correct", refund["id"], "--elsewhere", "4.00", "--note", "cash")
    assert corrected.code == 0
    assert both.there("refund", "paid", refund["id"], "--note", "done", "--json").json["refund"] == refund["id"]
    again = both.there("refund", "close", refund["id"], "--note", "late")
    assert (again.code, again.out) == (3, "")
    over = both.there("payment", "capture", order_id, "--id", "card", "--captured", "99.00")
    assert over.code in (2, 3)


@pytest.mark.parametrize("form", [(), ("--json",), ("--weeks", "2"), ("--as", "fulfiller"), ("--week", "2026-W44")])
def test_the_score_of_a_party(both: Both, form: tuple[str, ...]) -> None:
    retailer = both.service.world.retailer
    here, there = both.here("score", str(retailer), *form), both.there("score", str(retailer), *form)
    assert (here.code, there.code, there.err) == (0, 0, here.err)
    if "--json" in form:
        assert {**there.json, "at": ""} == {**here.json, "at": ""}
    else:
        assert there.out == here.out
    assert both.there("score", "retailer", *form, who=retailer).code == 0
    assert both.there("score", str(retailer), "--week", "x").code == 2


def test_a_line_is_reassigned_as_it_is_now(both: Both) -> None:
    line = both.line(2)
    said = both.there("reassign", line, "--to", "other_supplier", "--note", "fire", "--json").json
    assert said["line"] == line
    assert said["message"] == "other_supplier holds what is left of the line."


def test_an_endpoint_through_its_life(both: Both) -> None:
    who = both.service.world.supplier
    added = both.there("endpoint", "add", "http://127.0.0.1:9/in", "--party", "supplier", "--json", who=who).json
    assert (added["url"], added["state"], added["secret"][:6]) == ("http://127.0.0.1:9/in", "active", "whsec_")
    name = added["id"]
    paused = both.there("endpoint", "pause", name, "--reason", "move", "--json", who=who).json
    assert (paused["id"], paused["state"]) == (name, "paused")
    assert both.there("endpoint", "resume", name, "--json", who=who).json["state"] == "active"
    rotated = both.there("endpoint", "rotate", name, who=who).out.strip()
    assert rotated.startswith("whsec_")
    assert rotated != added["secret"]
    assert both.there("endpoint", "remove", name, "--json", who=who).json["state"] == "removed"
    assert both.there("endpoint", "pause", name, who=who).code == 5
    by_hand = both.there("endpoint", "confirm", name, who=who)
    assert (by_hand.code, "only a mailbox's owner" in by_hand.err) == (2, True)


@pytest.mark.parametrize(
    ("who", "arguments", "code", "said"),
    [
        ("", ("cancellations",), 4, "COUNTERMAND_TOKEN"),
        ("cmt_nobody", ("cancellations",), 4, "valid bearer token"),
        ("platform", ("accept", "can_" + "0" * 32, "--step", "1"), 5, "There is no such cancellation"),
        ("supplier", ("refunds",), 3, "supplier"),
        ("platform", ("cancellations", "--awaiting", "nobody at all"), 5, "There is no party"),
        ("platform", ("withdraw", "can_1", "--dry-run"), 2, "--dry-run"),
    ],
)
def test_what_the_service_says_ends_the_command(
    both: Both, who: str, arguments: tuple[str, ...], code: int, said: str
) -> None:
    tokens = {"platform": PLATFORM, "supplier": both.service.world.supplier}
    token = both.service.tokens[tokens[who]] if who in tokens else who
    ended = both.cli(*arguments, "--server", both.service.url, COUNTERMAND_TOKEN=token)
    assert ended.code == code, ended.err
    assert said in ended.err
    assert ended.out == ""


def test_a_failure_is_an_object_with_json(both: Both) -> None:
    ended = both.there("withdraw", "can_" + "0" * 32, "--json")
    assert (ended.code, ended.json["error"]["code"]) == (5, "unknown_cancellation")
    assert "/problems/unknown_cancellation" in ended.json["error"]["hint"]


def test_a_service_that_is_not_there(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "token").write_text("cmt_x\n")
    for address, code in (("http://127.0.0.1:1", 75), ("127.0.0.1:1", 2), ("", 2)):
        environment = {"COUNTERMAND_TOKEN_FILE": str(tmp_path / "token")}
        assert cli("refunds", "--server", address, **environment).code == code, address


def test_only_commands_that_can_take_a_server() -> None:
    names = {tuple(name.split()) for name, _ in commands(app)}
    assert names == CALLS | LOCAL.keys()
    assert not CALLS & LOCAL.keys()


@pytest.mark.parametrize("command", LOCAL, ids=" ".join)
def test_a_command_that_is_about_this_machine_says_why_it_has_no_server(cli: Cli, command: tuple[str, ...]) -> None:
    refused = cli(*command, "--server", "http://127.0.0.1:1")
    assert (refused.code, f"`countermand {' '.join(command)}` has no --server. {LOCAL[command]}" in refused.err) == (
        2,
        True,
    )


def test_where_the_flag_is_and_how_it_is_written() -> None:
    for given in (
        ("refunds", "--server", "http://a", "--json"),
        ("refunds", "--json", "--server=http://a"),
        ("refunds", "--server", "http://b", "--json", "--server", "http://a"),
    ):
        found = Arguments.of(given)
        assert (found.server, found.rest) == ("http://a", ("refunds", "--json")), given
    kept = Arguments.of(("refund", "close", "r", "--note", "--server"))
    assert (kept.server, kept.rest[-1]) == (None, "--server")
    assert Arguments.of(("serve", "--server", "x")).server is None


@pytest.fixture
def receiver() -> Iterator[tuple[str, list[tuple[bytes, dict[str, str]]]]]:
    got: list[tuple[bytes, dict[str, str]]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            got.append((self.rfile.read(int(self.headers["content-length"])), dict(self.headers)))
            self.send_response(204)
            self.end_headers()

        def log_message(self, format: str, *arguments: Any) -> None:  # noqa: A002
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/", got
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def ended_after(monkeypatch: pytest.MonkeyPatch, count: int) -> None:
    """As if it were interrupted after so many events."""
    true = following._events

    def some(*arguments: Any) -> Iterator[Any]:
        for place, each in enumerate(true(*arguments), start=1):
            yield each
            if place == count:
                raise KeyboardInterrupt

    monkeypatch.setattr(following, "_events", some)


def test_a_file_of_orders_that_is_taken_again_places_nothing_twice(both: Both) -> None:
    file = json.dumps([order("PO-AGAIN-1"), order("PO-AGAIN-2")])
    take = partial(both.cli, "order", "add", "-", "--server", both.service.url, stdin=file, **both.platform)
    keys = select(t.idempotency_records.c.key).where(t.idempotency_records.c.key.startswith("order:"))
    read = partial(both.service.world.application.database.read, lambda c: set(c.execute(keys).scalars()))
    before = both.service.do(read())
    first = take()
    assert (first.code, len(first.lines)) == (0, 2), first.err
    kept = both.service.do(read())
    assert len(kept - before) == 2
    assert (take().out, both.service.do(read())) == (first.out, kept)


def test_orders_are_placed_and_erased(both: Both) -> None:
    text = json.dumps([order("PO-THERE"), order("PO-THERE-2")])
    tried = both.cli("order", "add", "-", "--dry-run", "--server", both.service.url, stdin=text, **both.platform)
    assert (tried.code, "2 orders are fine" in tried.err, tried.out) == (0, True, "")
    said = both.cli("order", "add", "-", "--server", both.service.url, stdin=text, **both.platform)
    assert said.code == 0, said.err
    (first, line), _ = (row for row in said.lines)
    assert both.there("orders", "--reference", "PO-THERE", "--json").json[0]["lines"][0]["id"] == line
    for form in ((), ("--json",), ("--csv",)):
        what = ("orders", "--reference", "PO-THERE", *form)
        assert both.there(*what) == both.here(*what)
    bad = json.dumps([order("PO-THERE-3"), {**order("PO-THERE-4"), "retailer": "nobody"}])
    refused = both.cli("order", "add", "-", "--server", both.service.url, stdin=bad, **both.platform)
    assert (refused.code, refused.out) != (0, "")
    assert "order 2 (PO-THERE-4)" in refused.err
    assert both.there("orders", "--reference", "PO-THERE-3", "--json").json == []
    erased = both.there("order", "erase", first, "--json").json
    assert (erased["erased"], both.there("order", "erase", first, "--json").json["erased"]) == (True, False)


def test_events_are_printed_as_they_happen(both: Both, monkeypatch: pytest.MonkeyPatch) -> None:
    line = both.line(2)
    both.there("ask", "--line", line)
    ended_after(monkeypatch, 2)
    start = "0-" + "0" * 32
    tail = both.there("events", "tail", "--line", line, "--after", start)
    assert tail.code == 130
    assert [row[1] for row in tail.lines] == ["line.placed", "cancellation.asked"]
    ended_after(monkeypatch, 1)
    told = both.there("events", "tail", "--line", line, "--after", start, "--type", "cancellation.*", "--json")
    (found,) = map(json.loads, told.out.splitlines())
    assert (found["type"], found["data"]["line"]) == ("countermand.cancellation.asked.v1", line)
    assert found["cursor"]


def test_events_are_sent_on_and_signed(
    both: Both, receiver: tuple[str, list[tuple[bytes, dict[str, str]]]], monkeypatch: pytest.MonkeyPatch
) -> None:
    url, got = receiver
    secret = following._new_secret()
    ended_after(monkeypatch, 1)
    said = both.there("listen", url, "--after", "0-" + "0" * 32, COUNTERMAND_LISTEN_SECRET=secret)
    assert (said.code, said.lines[0][-1]) == (130, "204")
    ((body, headers),) = got
    assert webhooks.verify(body, headers, secret).kind == said.lines[0][1]
    ended_after(monkeypatch, 1)
    told = json.loads(both.there("listen", url, "--after", "0-" + "0" * 32, "--json").out.splitlines()[0])
    assert (told["answered"], told["type"]) == ("204", f"countermand.{said.lines[0][1]}.v1")
    nobody = both.there("listen", "http://127.0.0.1:1/", "--after", "0-" + "0" * 32)
    assert "no answer" in nobody.lines[0][-1]
    assert both.there("listen", "mailto:x@example.com").code == 2


def test_a_sample_is_sent_to_an_endpoint(both: Both, receiver: tuple[str, list[tuple[bytes, dict[str, str]]]]) -> None:
    url, got = receiver
    added = both.there("endpoint", "add", url, "--party", "supplier", "--json").json
    sent = both.there("trigger", added["id"], "--event", "cancellation.asked")
    assert (sent.code, sent.out) == (0, "The receiver answered 204.\n")
    tested = both.there("endpoint", "test", added["id"], "--json").json
    assert (tested["ok"], tested["status"]) == (True, 204)
    kinds = [webhooks.verify(body, headers, added["secret"]).kind for body, headers in got]
    assert kinds == ["cancellation.asked", "endpoint.test"]
    both.there("endpoint", "pause", added["id"])
    assert both.there("trigger", "ept_" + "0" * 32).code == 5


def test_a_notice_that_is_unknown_is_not_sent_again(both: Both) -> None:
    assert both.there("replay", "ntc_" + "0" * 32).code == 5
    assert both.there("recover", "--endpoint", "ept_" + "0" * 32, "--since", "1h").code == 5


def test_the_page_of_an_object(both: Both) -> None:
    shown = both.there("open", "can_" + "1" * 32)
    assert shown.out.strip() == f"{both.service.url}/console/cancellations/can_{'1' * 32}"
    assert both.there("open", "rfd_1", "--json").json["url"].endswith("/console/refunds/rfd_1")
    assert both.cli("open", "can_1").code == 2
    assert both.there("open", "../x").code == 2


def test_parties_come_and_go(both: Both) -> None:
    added = both.there("party", "add", "supplier", "Harbour Goods", "--json").json
    assert (added["kind"], added["name"]) == ("supplier", "Harbour Goods")
    for form in ((), ("--json",), ("--csv",)):
        assert both.there("party", "list", *form) == both.here("party", "list", *form)
    left = both.there("party", "deactivate", "Harbour Goods", "--json").json
    assert left["id"] == added["id"]
    assert both.there("party", "activate", added["id"], "--json").json["message"] == f"{added['id']} takes part again."
    assert both.there("party", "add", "supplier", "Harbour Goods", who=both.service.world.supplier).code == 3


# A file of asks


@pytest.fixture
def jobs_go_on(both: Both, monkeypatch: pytest.MonkeyPatch) -> None:
    """The service does its jobs while a command waits for them."""
    caller, world = blocking.Caller, both.service.world

    def wait(self: Any, step: Any, stream: Any) -> Any:
        if isinstance(step, flows.Wait):
            return both.service.do(world.application.worker.do_jobs())
        return do(self, step, stream)

    do = caller._do
    monkeypatch.setattr(caller, "_do", wait)


def _results(ran: Result) -> list[dict[str, Any]]:
    return [json.loads(line) for line in ran.out.splitlines()]


@pytest.mark.usefixtures("jobs_go_on")
def test_a_file_of_asks_is_told_alike_here_and_there_and_asked_once(both: Both, tmp_path: Path) -> None:
    told = []
    for side in (both.here, both.there):
        first, second = both.line(3), both.line(1)
        file = tmp_path / f"{first}.csv"
        rows = (
            f"{first},1,,",
            f"{first},1,,",
            f"{first},1,retailer,late",
            f"{second},7,,",
            f"{UUID(int=7)},1,,",
            f"{first},none,,",
        )
        file.write_text("line,units,by,note\n" + "\n".join(rows) + "\n")
        usual = ("ask", "--file", str(file), "--by", "retailer", "--reason", "other", "--note", "so", "--key", "k-")
        done = side(*usual, "--json")
        both.service.world.clock.advance(minutes=1)
        again = side(*usual, "--json")
        found = _results(done)
        assert [list(row) for row in found] == [[*RESULT_COLUMNS]] * 6
        assert [(row["result"], row["code"]) for row in found] == [
            *[("asked", "")] * 3,
            ("refused", "too_many_units"),
            ("bad", "unknown_line"),
            ("bad", "bad_row"),
        ]
        assert [row["cancellation"] for row in _results(again)] == [row["cancellation"] for row in found]
        assert [row["repeated"] for row in _results(again)] == [True] * 3 + [False] * 3
        assert len({row["cancellation"] for row in found[:3]}) == 3
        with Client(both.service.url, both.service.tokens[PLATFORM]) as client:
            waiting = list(client.cancellations.list(line=first))
        assert {(each.reason, each.asker) for each in waiting} == {("other", "retailer")}
        assert sorted(each.note for each in waiting) == ["late", "so", "so"]
        assert "6 rows: 3 asked, 2 bad, 1 refused." in done.err
        assert "6 rows: 2 bad, 3 done before, 1 refused." in again.err
        csv = side(*usual, "--csv")
        assert csv.out.splitlines()[0] == ",".join(RESULT_COLUMNS)
        varying = {"line", "cancellation", "due_at"}
        told.append((done.code, again.code, [{k: v for k, v in row.items() if k not in varying} for row in found]))
        assert [row["line"] for row in found[:4]] == [first, first, first, second]
        assert all(row["due_at"] is None or row["due_at"].endswith("Z") for row in found)
    assert told[0] == told[1]


@pytest.mark.usefixtures("jobs_go_on")
def test_a_file_of_many_rows_is_asked_once_and_each_row_is_told(both: Both, tmp_path: Path) -> None:
    line = both.line(250)
    file = tmp_path / "many.csv"
    file.write_text("line,units\n" + f"{line},1\n" * 230)
    first = _results(both.there("ask", "--file", str(file), "--json"))
    both.service.world.clock.advance(minutes=1)
    second = _results(both.there("ask", "--file", str(file), "--json"))
    assert [row["row"] for row in first] == list(range(2, 232))
    assert len({row["cancellation"] for row in first}) == 230
    assert [row["cancellation"] for row in second] == [row["cancellation"] for row in first]
    assert ({row["repeated"] for row in first}, {row["repeated"] for row in second}) == ({False}, {True})


@pytest.mark.usefixtures("jobs_go_on")
def test_what_was_refused_is_decided_again_when_the_file_is_taken_again(both: Both, tmp_path: Path) -> None:
    line = both.line(2)
    file = tmp_path / "again.csv"
    file.write_text(f"line,units,key\n{line},2,\n")
    taken = both.there("ask", "--line", line, "--units", "2").out.strip()
    assert [row["result"] for row in _results(both.there("ask", "--file", str(file), "--json"))] == ["refused"]
    assert both.there("withdraw", taken).code == 0
    assert [row["result"] for row in _results(both.there("ask", "--file", str(file), "--json"))] == ["asked"]


@pytest.mark.parametrize("begun", [True, False])
@pytest.mark.usefixtures("jobs_go_on")
def test_who_interrupts_a_file_is_told_how_to_go_on(
    both: Both, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, begun: bool
) -> None:
    file = tmp_path / "cut.csv"
    file.write_text(f"line,units\n{both.line(1)},1\n")

    def run(retrying: Any, *arguments: Any, progress: Any, **named: Any) -> Any:
        if begun:
            job = yield from flows.call(retrying, "jobs.create", {"kind": "ask", "format": "jsonl"}, flows.Options())
            progress(job)
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(flows, "run_job", run)
        cut = both.there("ask", "--file", str(file))
    assert "Interrupted." in cut.err
    assert ("The job job_" in cut.err, "nothing was asked" in cut.err) == (begun, not begun)
    assert "ake the same file again: what was asked is not asked twice." in cut.err
    assert [row["result"] for row in _results(both.there("ask", "--file", str(file), "--json"))] == ["asked"]
