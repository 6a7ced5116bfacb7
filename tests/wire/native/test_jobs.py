"""Jobs: files of asks and answers, a result for each row, on both engines."""

import asyncio
import csv
import io
import json
from collections.abc import AsyncIterator, Sequence
from datetime import timedelta
from functools import partial
from typing import Any
from uuid import UUID, uuid4

import httpx2
import pytest
from sqlalchemy import Connection, Update, select, update

from countermand.admin.callers import PLATFORM, Permission
from countermand.domain.jobs import PART_MAX
from countermand.store import recovery
from countermand.store import tables as t
from countermand.wire.native.door import UPLOADS_AT_ONCE
from tests.wire.native.calling import Native

pytestmark = pytest.mark.anyio

JOBS = "/v1/jobs"
TYPES = {"csv": "text/csv", "jsonl": "application/jsonl"}


async def job_of(native: Native, who: UUID | str, *, kind: str = "ask", form: str = "csv", **more: Any) -> str:
    made = await native.call("POST", JOBS, who, {"kind": kind, "format": form, **more})
    assert made.status_code == 201, made.text
    assert made.headers["location"] == f"{JOBS}/{made.json()['id']}"
    job: str = made.json()["id"]
    return job


async def upload(
    native: Native, who: UUID | str, job: str, content: bytes | str, *, part: int = 1, media_type: str = "text/csv"
) -> httpx2.Response:
    data = content.encode() if isinstance(content, str) else content
    path = f"{JOBS}/{job}/input?part={part}"
    return await native.call("PUT", path, who, content=data, headers={"Content-Type": media_type})


async def started(native: Native, who: UUID | str, parts: Sequence[str | bytes], **terms: Any) -> str:
    """A job with this file, which is queued."""
    job = await job_of(native, who, **terms)
    for number, part in enumerate(parts, start=1):
        sent = await upload(native, who, job, part, part=number, media_type=TYPES[terms.get("form", "csv")])
        assert sent.status_code == 200, sent.text
    begun = await native.call("POST", f"{JOBS}/{job}/start", who, {"parts": len(parts)})
    assert (begun.status_code, begun.json()["state"]) == (202, "queued"), begun.text
    return job


async def done(native: Native, who: UUID | str, *parts: str | bytes, **terms: Any) -> tuple[dict[str, Any], list[Any]]:
    """A job that has ended, and what became of its rows."""
    job = await started(native, who, parts, **terms)
    await native.world.application.worker.do_jobs()
    return await told(native, who, job)


async def told(native: Native, who: UUID | str, job: str, query: str = "") -> tuple[dict[str, Any], list[Any]]:
    seen = (await native.call("GET", f"{JOBS}/{job}", who)).json()
    rows: list[Any] = []
    after = ""
    while True:
        page = (await native.call("GET", f"{JOBS}/{job}/results?limit=200{query}{after}", who)).json()
        rows += page["results"]
        if page["next"] is None:
            return seen, rows
        after = f"&after={page['next']}"


async def test_500_rows_of_which_three_are_bad(native: Native) -> None:
    """Story 4 of the contract."""
    who = native.retailer
    orders = [await native.order(2) for _ in range(10)]
    lines = [order.lines[0].id for order in orders]
    rows = [f"{lines[number % 9]},,customer," for number in range(9)]
    # What follows asks for the same units again, with units of its own.
    big = (await native.order(1_000)).lines[0].id
    rows += [f"{big},1,customer," for _ in range(488)]
    rows.insert(16, f"{big},two,customer,")
    rows.insert(300, f"{big},1,nobody,")
    rows.insert(400, f"{lines[0]},1,customer,")
    assert len(rows) == 500
    job = await started(native, who, ["line,units,asker,key\r\n", "".join(f"{row}\r\n" for row in rows)])
    assert (await told(native, who, job))[0]["rows"]["total"] == 500
    await native.world.application.worker.do_jobs()
    seen, all_rows = await told(native, who, job)
    assert seen["state"] == "done"
    assert seen["rows"] == {"total": 500, "done": 500, "ok": 497, "refused": 1, "invalid": 2, "cancelled": 0}
    assert [row["row"] for row in all_rows] == list(range(1, 501))
    _, bad = await told(native, who, job, "&result=invalid&result=refused")
    assert [(row["row"], row["result"], row["code"]) for row in bad] == [
        (17, "invalid", "invalid"),
        (301, "invalid", "invalid"),
        (401, "refused", "already_asked"),
    ]
    assert bad[0] == {
        "row": 17,
        "result": "invalid",
        "id": None,
        "code": "invalid",
        "detail": "units: 'two' must be a whole number, in digits.",
        "errors": [
            {"in": "body", "pointer": "/units", "code": "integer", "detail": "'two' must be a whole number, in digits"}
        ],
        "input": {"line": str(big), "units": "two", "asker": "customer", "key": ""},
    }
    good = [row for row in all_rows if row["result"] == "ok"]
    assert len({row["id"] for row in good}) == 497
    assert all(row["id"].startswith("can_") for row in good)
    assert (await native.world.buckets(big))[1] == 488


ROWS: list[tuple[dict[str, Any], str, list[tuple[str, str]]]] = [
    ({"line": "{line}", "units": 1}, "ok", []),
    ({"number": "{number}"}, "ok", []),
    ({"reference": "{reference}", "sku": "SKU-0", "reason": "other", "note": "a\nb", "asker": "retailer"}, "ok", []),
    ({"line": "{line}", "units": "1"}, "invalid", [("/units", "integer")]),
    ({"line": "{line}", "units": True}, "invalid", [("/units", "integer")]),
    ({"line": "{line}", "units": 2.0}, "invalid", [("/units", "integer")]),
    ({"line": "{line}", "units": None}, "invalid", [("/units", "null")]),
    ({"line": "{line}", "units": 0}, "invalid", [("/units", "out_of_range")]),
    ({"line": "{line}", "units": 10**9}, "invalid", [("/units", "out_of_range")]),
    ({"line": "{line}", "asker": "nobody"}, "invalid", [("/asker", "not_listed")]),
    ({"line": "{line}", "asker": 1}, "invalid", [("/asker", "bad_text")]),
    ({"line": "{line}", "asker": "platform"}, "wrong_party", []),
    ({"line": "{line}", "note": "\x00"}, "invalid", [("/note", "bad_text")]),
    ({"line": "{line}", "note": "n" * 1001}, "invalid", [("/note", "too_long")]),
    ({"line": "{line}", "colour": "red"}, "invalid", [("/colour", "unknown_member")]),
    ({"line": "{line}", "sku": "SKU-0"}, "invalid", [("/sku", "unknown_member")]),
    ({"line": "x"}, "invalid", [("/line", "bad_id")]),
    ({"line": 7}, "invalid", [("/line", "bad_text")]),
    ({"number": "7"}, "invalid", [("/number", "integer")]),
    ({}, "invalid", [("/line", "required")]),
    ({"reference": "{reference}"}, "invalid", [("/sku", "required")]),
    ({"line": str(UUID(int=7))}, "unknown_line", []),
    ({"number": 7}, "unknown_line", []),
    ({"reference": "none", "sku": "x"}, "unknown_order", []),
    ({"reference": "{reference}", "sku": "none"}, "unknown_line", []),
    ({"line": "{line}", "units": 900_000}, "too_many_units", []),
]


async def test_each_row_of_json_is_told_what_is_wrong_with_it(native: Native) -> None:
    order = await native.order(500)
    line = order.lines[0].id
    number = (await native.world.line(line)).number
    texts = {"{line}": str(line), "{reference}": order.reference}

    def filled(value: Any) -> Any:
        return number if value == "{number}" else texts.get(value, value) if isinstance(value, str) else value

    given = [{name: filled(value) for name, value in row.items()} for row, _, _ in ROWS]
    file = "\n\n".join(json.dumps(row) for row in given)
    # All that is open is asked by the second row, so the third one has units to ask only if it comes before.
    given[1]["units"] = given[2]["units"] = 1
    file = "\n\n".join(json.dumps(row) for row in given)
    seen, rows = await done(native, native.retailer, file[:100], file[100:], form="jsonl")
    assert seen["rows"]["total"] == len(ROWS)
    for row, (_, result, errors), said in zip(rows, ROWS, given, strict=True):
        kind, code = (row["result"], row["code"])
        assert (kind if kind in ("ok", "invalid") else code) == result, row
        assert [(each["pointer"], each["code"]) for each in row["errors"]] == errors, row
        assert row["input"].keys() == said.keys()
        assert (row["id"] is not None) == (result == "ok")


async def test_the_platform_asks_for_itself(native: Native) -> None:
    line = await native.line(2)
    _, rows = await done(native, await native.token(PLATFORM), f"line,units,asker\n{line},1,platform\n")
    found = (await native.call("GET", f"/v1/cancellations/{rows[0]['id']}", native.retailer)).json()
    assert found["asker"] == "platform"


async def test_lines_that_are_no_json_are_rows_of_their_own(native: Native) -> None:
    line = await native.line(3)
    good = json.dumps({"line": str(line), "units": 1})
    lines = [b"\xef\xbb\xbf" + good.encode(), b"{", b"[1]", b"\xff", good.encode(), b'{"a":1,"a":2}', b"NaN"]
    seen, rows = await done(native, native.retailer, b"\r\n".join(lines), form="jsonl")
    assert [row["result"] for row in rows] == ["ok", *["invalid"] * 3, "ok", "invalid", "invalid"]
    assert [row["input"] for row in rows][1:4] == [None] * 3
    assert seen["rows"]["ok"] == 2


async def test_csv_that_is_broken_in_one_row_is_read_on(native: Native) -> None:
    line = await native.line(9)
    lines = [
        "line;units;note",
        f"{line};1;fine",
        f'{line};1;"a"b',
        f"{line};1",
        "",
        f'{line};1;"two\nlines"',
        f"{line};1;\u0000",
        f'{line};1;"never closed',
    ]
    content = "\n".join(lines).encode() + b"\n" + f"{line};1;".encode() + b"caf\xe9\n"
    _, rows = await done(native, native.retailer, content)
    # The open quote takes what follows with it.
    assert [row["result"] for row in rows] == ["ok", "invalid", "invalid", "ok", "invalid", "invalid"]
    assert "no CSV" in rows[1]["detail"]
    assert "2 cells" in rows[2]["detail"]
    _, rows = await done(native, native.retailer, b"line,note\n" + f"{line},".encode() + b"caf\xe9\n")
    assert [each["code"] for each in rows[0]["errors"]] == ["bad_text"]


NO_FILES = {
    "": "it is empty",
    "\n\n": "it is empty",
    "units\n1\n": "the column line is missing",
    "line,colour\n": "column 'colour' is unknown",
    "line,number\n": "column 'number' is there twice",
    "reference\nx\n": "the column sku is missing",
}


@pytest.mark.parametrize("file", NO_FILES, ids=repr)
async def test_a_file_of_other_columns_is_refused_whole_and_stays_a_draft(sqlite_native: Native, file: str) -> None:
    native, who = sqlite_native, sqlite_native.retailer
    job = await job_of(native, who)
    if file:
        assert (await upload(native, who, job, file)).status_code == 200
    else:
        assert (await upload(native, who, job, file)).status_code == 422
        assert (await upload(native, who, job, " ")).status_code == 200
    refused = await native.call("POST", f"{JOBS}/{job}/start", who, {"parts": 1})
    assert (refused.status_code, refused.json()["code"]) == (422, "invalid")
    assert NO_FILES[file] in refused.json()["detail"]
    assert (await native.call("GET", f"{JOBS}/{job}", who)).json()["state"] == "draft"


async def test_parts_come_in_any_order_and_a_part_is_there_once(native: Native) -> None:
    who, line = native.retailer, await native.line(5)
    file = f"line,units\n{line},1\n{line},2\n".encode()
    job = await job_of(native, who)
    for number in (3, 1, 2, 1):
        piece = file[(number - 1) * 20 : number * 20 if number < 3 else None]
        assert (await upload(native, who, job, piece, part=number)).status_code == 200
    differs = await upload(native, who, job, b"other", part=1)
    assert (differs.status_code, differs.json()["code"]) == (409, "part_differs")
    for parts in (2, 4):
        short = await native.call("POST", f"{JOBS}/{job}/start", who, {"parts": parts})
        assert (short.status_code, short.json()["code"]) == (422, "invalid")
        assert short.json()["errors"][0]["pointer"] == "/parts"
    assert (await native.call("POST", f"{JOBS}/{job}/start", who, {"parts": 3})).status_code == 202
    for again in (
        await native.call("POST", f"{JOBS}/{job}/start", who, {"parts": 3}),
        await upload(native, who, job, b"more", part=4),
    ):
        assert (again.status_code, again.json()["code"]) == (409, "job_not_open")
    await native.world.application.worker.do_jobs()
    seen, rows = await told(native, who, job)
    assert (seen["state"], [row["result"] for row in rows]) == ("done", ["ok", "ok"])
    assert await native.world.buckets(line) == (2, 3, 0, 0)
    ended = await native.call("POST", f"{JOBS}/{job}/cancel", who)
    assert (ended.status_code, ended.json()["code"]) == (409, "job_not_open")


async def test_how_much_may_be_sent(sqlite_native: Native) -> None:
    native, who = sqlite_native, sqlite_native.retailer
    job = await job_of(native, who)
    large = await upload(native, who, job, b"x" * (PART_MAX + 1))
    assert (large.status_code, large.json()["code"]) == (413, "too_large")
    assert str(PART_MAX) in large.json()["detail"]
    for number in range(1, 9):
        assert (await upload(native, who, job, b"\n" * PART_MAX, part=number)).status_code == 200
    ninth = await upload(native, who, job, b"x", part=9)
    assert (ninth.status_code, ninth.json()["code"]) == (413, "too_large")
    rows = await job_of(native, who)
    assert (await upload(native, who, rows, "line\n" + "x\n" * 100_001)).status_code == 200
    many = await native.call("POST", f"{JOBS}/{rows}/start", who, {"parts": 1})
    assert (many.status_code, many.json()["code"]) == (413, "too_large")
    for wrong in ({"Content-Type": "application/json"}, {"Content-Type": "application/jsonl"}, {}):
        sent = await native.http.put(
            f"{JOBS}/{rows}/input?part=2",
            content=b"x",
            headers={"Authorization": f"Bearer {native.world.tokens[who]}", **wrong},
        )
        assert (sent.status_code, sent.json()["code"]) == (415, "unsupported_media_type")


async def test_a_job_without_a_file_takes_none(native: Native) -> None:
    who = native.retailer
    hook = await native.call("POST", "/v1/endpoints", who, {"url": "https://hooks.example.com/all"})
    path = f"/v1/endpoints/{hook.json()['id']}/recover"
    job = (await native.call("POST", path, who, {"since": "2026-11-01"})).json()["id"]
    for media_type in TYPES.values():
        sent = await upload(native, who, job, "x", media_type=media_type)
        assert (sent.status_code, sent.json()["code"]) == (409, "job_not_open")


async def test_few_parts_are_in_memory_at_once(sqlite_native: Native) -> None:
    """The fifth one is not read before one of the first four is stored."""
    native, who = sqlite_native, sqlite_native.retailer
    job = await job_of(native, who)
    gate, full, begun = asyncio.Event(), asyncio.Event(), 0

    async def body(number: int) -> AsyncIterator[bytes]:
        nonlocal begun
        begun += 1
        if begun == UPLOADS_AT_ONCE:
            full.set()
        yield f"{number}".encode()
        await gate.wait()

    async def send(number: int) -> int:
        path, headers = f"{JOBS}/{job}/input?part={number}", {"Content-Type": "text/csv"}
        return (await native.call("PUT", path, who, content=body(number), headers=headers)).status_code

    sending = [asyncio.create_task(send(number)) for number in range(1, 7)]
    await full.wait()
    await native.call("GET", f"{JOBS}/{job}", who)
    assert begun == UPLOADS_AT_ONCE
    gate.set()
    assert await asyncio.gather(*sending) == [200] * 6


async def test_the_same_call_with_the_same_key_has_its_effect_once(native: Native) -> None:
    who, line = native.retailer, await native.line(3)
    body = {"kind": "ask", "format": "csv"}
    keys = {"Idempotency-Key": f"make-{line}"}
    first, again = [await native.call("POST", JOBS, who, body, headers=keys) for _ in range(2)]
    assert (again.status_code, again.json(), again.headers["idempotent-replayed"]) == (201, first.json(), "true")
    job = first.json()["id"]
    await upload(native, who, job, f"line\n{line}\n")
    keys = {"Idempotency-Key": f"start-{line}"}
    path = f"{JOBS}/{job}/start"
    first, again = [await native.call("POST", path, who, {"parts": 1}, headers=keys) for _ in range(2)]
    assert (first.status_code, again.status_code, again.json()) == (202, 202, first.json())
    other = await native.call("POST", path, who, {"parts": 2}, headers=keys)
    assert (other.status_code, other.json()["code"]) == (422, "key_reused")


async def test_a_party_has_five_unfinished_jobs(native: Native) -> None:
    who = native.retailer
    made = [await job_of(native, who) for _ in range(5)]
    sixth = await native.call("POST", JOBS, who, {"kind": "ask", "format": "csv"})
    assert (sixth.status_code, sixth.json()["code"]) == (409, "limit_reached")
    ended = await native.call("POST", f"{JOBS}/{made[0]}/cancel", who)
    assert (ended.status_code, ended.json()["state"]) == (202, "cancelled")
    await job_of(native, who)


async def test_a_job_that_is_cancelled_says_of_each_row_that_it_was_not_done(native: Native) -> None:
    who, line = native.retailer, await native.line(5)
    job = await started(native, who, [f"line,units\n{line},1\n{line},1\n"])
    cancelled = await native.call("POST", f"{JOBS}/{job}/cancel", who)
    assert (cancelled.status_code, cancelled.json()["state"]) == (202, "queued")
    assert (await native.call("POST", f"{JOBS}/{job}/cancel", who)).status_code == 202
    await native.world.application.worker.do_jobs()
    seen, rows = await told(native, who, job)
    assert (seen["state"], seen["rows"]["cancelled"]) == ("cancelled", 2)
    assert [(row["row"], row["result"]) for row in rows] == [(1, "cancelled"), (2, "cancelled")]
    assert await native.world.buckets(line) == (5, 0, 0, 0)


async def test_who_may_hand_in_what(native: Native) -> None:
    world = native.world
    supplier = world.supplier
    for kind in ("ask", "order"):
        refused = await native.call("POST", JOBS, supplier, {"kind": kind, "format": "csv"})
        assert (refused.status_code, refused.json()["code"]) == (403, "wrong_party")
    bare = await native.token(native.retailer, permissions=[Permission.VIEW_ORDER])
    for kind in ("ask", "answer", "order"):
        refused = await native.call("POST", JOBS, bare, {"kind": kind, "format": "csv"})
        assert (refused.status_code, refused.json()["code"]) == (403, "forbidden")
    job = await job_of(native, native.retailer)
    assert (await upload(native, native.retailer, job, "line\nx\n")).status_code == 200
    refused = await native.call("POST", f"{JOBS}/{job}/start", bare, {"parts": 1})
    assert (refused.status_code, refused.json()["code"]) == (403, "forbidden")
    assert (await native.call("POST", JOBS, bare, {"kind": "recover", "format": "csv"})).status_code == 422


async def test_a_job_is_its_partys_alone_and_asks_for_no_more_than_that_party_may(native: Native) -> None:
    world, line = native.world, await native.line(2)
    other = world.other_retailer
    _, rows = await done(native, other, f"line,units\n{line},1\n")
    assert [(row["result"], row["code"]) for row in rows] == [("refused", "unknown_line")]
    job = await job_of(native, native.retailer)
    for path, method, body in (
        (f"{JOBS}/{job}", "GET", None),
        (f"{JOBS}/{job}/results", "GET", None),
        (f"{JOBS}/{job}/start", "POST", {"parts": 1}),
        (f"{JOBS}/{job}/cancel", "POST", None),
    ):
        for who in (other, await native.token(PLATFORM)):
            foreign = await native.call(method, path, who, body)
            absent = await native.call(method, path.replace(job, f"job_{uuid4().hex}"), who, body)
            assert (foreign.status_code, foreign.json()["code"]) == (404, "unknown_job")
            assert foreign.content == absent.content
    listed = (await native.call("GET", JOBS, other)).json()["jobs"]
    assert job not in [each["id"] for each in listed]


async def test_jobs_are_listed_newest_first(native: Native) -> None:
    who = native.retailer
    made = []
    begun = native.world.clock()
    for kind in ("ask", "answer", "order"):
        native.world.clock.advance(hours=1)
        made.append(await job_of(native, who, kind=kind, label=f"{kind} of today"))
    await native.call("POST", f"{JOBS}/{made[0]}/cancel", who)
    first = (await native.call("GET", f"{JOBS}?limit=2", who)).json()
    assert [each["id"] for each in first["jobs"]] == [made[2], made[1]]
    second = (await native.call("GET", f"{JOBS}?limit=2&after={first['next']}", who)).json()
    assert ([each["id"] for each in second["jobs"]], second["next"]) == ([made[0]], None)
    for query, wanted in (
        ("kind=answer", [made[1]]),
        ("state=cancelled", [made[0]]),
        ("state=cancelled&state=draft", made[::-1]),
        (f"since={begun + timedelta(hours=2):%Y-%m-%dT%H:%M:%SZ}", [made[2], made[1]]),
        (f"until={begun + timedelta(hours=2):%Y-%m-%dT%H:%M:%SZ}", [made[0]]),
        ("until=2020-01-01&zone=Asia/Tokyo", []),
        ("state=done", []),
    ):
        found = (await native.call("GET", f"{JOBS}?{query}", who)).json()["jobs"]
        assert [each["id"] for each in found] == wanted, query
    assert found == []
    assert (await native.call("GET", f"{JOBS}?after=x", who)).status_code == 422


async def test_answers_by_the_party_that_holds_the_goods(native: Native) -> None:
    supplier = native.world.supplier
    asked = [(await native.asked(await native.line(3)))[0] for _ in range(5)]
    ids = [each["id"] for each in asked]
    for each in asked:
        if each["awaiting"] == str(native.retailer):
            await native.call("POST", f"/v1/cancellations/{each['id']}/accept", native.retailer)
    file = "\n".join(
        (
            "cancellation,answer,step,units,reason,rest_reason,note,tracking",
            f"{ids[0]},accept,,,,,fine,",
            f"{ids[1]},accept,,2,,already_picked,,",
            f"{ids[2]},decline,,,already_shipped,,,PARCEL-1",
            f"{ids[3]},decline,,,,,,",
            f"{ids[3]},decline,,2,other,,,",
            f"{ids[4]},withdraw,,,,,,",
            f"can_{uuid4().hex},accept,,,,,,",
            "x,accept,,,,,,",
            f"{ids[4]},maybe,,,,,,",
        )
    )
    _, rows = await done(native, supplier, file, kind="answer")
    assert [row["code"] or row["result"] for row in rows] == [
        *("ok", "ok", "ok", "reason_required", "invalid", "wrong_party"),
        *("unknown_cancellation", "invalid", "invalid"),
    ]
    assert [row["id"] for row in rows[:3]] == ids[:3]
    states = [(await native.call("GET", f"/v1/cancellations/{each}", supplier)).json()["state"] for each in ids]
    assert states == ["accepted", "accepted", "declined", "asked", "asked"]
    lines = [{"cancellation": ids[4], "answer": "withdraw", "note": "we found it"}]
    _, rows = await done(native, native.retailer, json.dumps(lines[0]), kind="answer", form="jsonl")
    assert [row["result"] for row in rows] == ["ok"]


async def test_results_come_as_a_file(native: Native) -> None:
    who, line = native.retailer, await native.line(5)
    job = await started(native, who, [f"line,units,note\n{line},1,\n{line},x,=1+1\n{line},1,\n"])
    await native.world.application.worker.do_jobs()
    _, rows = await told(native, who, job)
    sent = await native.call("GET", f"{JOBS}/{job}/results", who, headers={"Accept": "application/jsonl"})
    assert sent.headers["content-type"].startswith("application/jsonl")
    assert [json.loads(each) for each in sent.text.splitlines()] == rows
    sent = await native.call("GET", f"{JOBS}/{job}/results?result=invalid", who, headers={"Accept": "text/csv"})
    assert sent.headers["content-disposition"] == f'attachment; filename="{job}.csv"'
    found = list(csv.DictReader(io.StringIO(sent.text)))
    assert [(each["row"], each["result"], each["code"]) for each in found] == [("2", "invalid", "invalid")]
    assert json.loads(found[0]["input"]) == {"line": str(line), "units": "x", "note": "=1+1"}


async def test_a_row_with_a_key_of_its_own_is_asked_once_whatever_job_it_is_in(native: Native) -> None:
    who, line = native.retailer, await native.line(5)
    first = await done(native, who, f"line,units,key\n{line},1,mine\n{line},1,\n")
    again = await done(native, who, f"line,units,key\n{line},1,\n{line},1,mine\n{line},2,mine\n")
    assert [row["code"] or row["result"] for row in again[1]] == ["ok", "ok", "key_reused"]
    assert again[1][1]["id"] == first[1][0]["id"]
    assert await native.world.buckets(line) == (2, 3, 0, 0)


async def test_a_dry_run_decides_each_row_by_itself_and_changes_nothing(native: Native) -> None:
    who, line = native.retailer, await native.line(3)
    file = f"line,units,key\n{line},2,mine\n{line},2,\n{line},4,\n{line},x,\n"
    seen, rows = await done(native, who, file, dry_run=True)
    assert [row["code"] or row["result"] for row in rows] == ["ok", "ok", "too_many_units", "invalid"]
    assert [row["id"] for row in rows] == [None] * 4
    assert (seen["dry_run"], seen["rows"]["ok"]) == (True, 2)
    assert await native.world.buckets(line) == (3, 0, 0, 0)
    assert await native.listed(f"?line={line}") == []
    _, rows = await done(native, who, file)
    assert [row["code"] or row["result"] for row in rows] == ["ok", "too_many_units", "too_many_units", "invalid"]


# Orders


def order_row(native: Native, reference: str, **more: Any) -> dict[str, Any]:
    line = {"sku": "boot", "units": 2, "supplier": str(native.world.supplier), "unit_price": "12.50"}
    return {"retailer": str(native.retailer), "reference": reference, "lines": [line], **more}


async def test_orders_of_json_are_placed_once(native: Native) -> None:
    who = native.retailer
    address = {
        "last_name": "Jansen",
        "street": "Weg",
        "house_number": "1",
        "postcode": "1",
        "city": "A",
        "country": "NL",
    }
    fine = order_row(native, "PO-A", shipping_address=address)
    given = [
        fine,
        order_row(native, "PO-B", currency="XXX"),
        order_row(native, "PO-C", lines=[{"sku": "boot", "units": "2"}]),
        order_row(native, "PO-D", colour="red"),
        order_row(native, "PO-E", retailer=str(native.world.other_retailer)),
        order_row(native, "PO-F", retailer="nobody"),
        order_row(native, "PO-G", placed_at="2030-01-01T00:00:00Z"),
        order_row(native, "PO-A", held=True),
        fine,
        order_row(native, "PO-H", lines=[]),
        order_row(native, "PO-I", held=None),
    ]
    _, rows = await done(native, who, "\n".join(map(json.dumps, given)), kind="order", form="jsonl")
    assert [row["code"] or row["result"] for row in rows] == [
        *("ok", "invalid", "invalid", "invalid", "wrong_party", "unknown_party", "invalid"),
        *("order_exists", "ok", "invalid", "invalid"),
    ]
    assert [[(each["pointer"], each["code"]) for each in row["errors"]] for row in rows] == [
        *(
            [],
            [("/currency", "bad_currency")],
            [("/lines/0/units", "integer")],
            [("/colour", "unknown_member")],
            [],
            [],
        ),
        *([("/placed_at", "in_future")], [], [], [("/lines", "out_of_range")], [("/held", "null")]),
    ]
    assert rows[0]["id"] == rows[7]["id"] == rows[8]["id"]
    assert "Jansen" not in json.dumps(rows)
    shown = (await native.call("GET", f"/v1/orders/{rows[0]['id']}", who)).json()
    assert (shown["reference"], shown["total"]) == ("PO-A", "25.00")
    tried, rows = await done(
        native, who, json.dumps(order_row(native, "PO-X")), kind="order", form="jsonl", dry_run=True
    )
    assert (tried["rows"]["ok"], rows[0]["id"]) == (1, None)
    assert (await native.call("GET", "/v1/orders?reference=PO-X", who)).json()["orders"] == []


async def test_lines_of_csv_with_one_reference_are_an_order(native: Native) -> None:
    who, supplier = native.retailer, native.world.supplier
    file = "\n".join(
        (
            "retailer,reference,placed_at,currency,sku,units,supplier,title,unit_price,promised_on",
            f"{who},PO-1,2026-11-01,USD,boot,2,{supplier},Boots,12.50,2026-11-20",
            f"{who},PO-1,,,lace,1,,,1.00,",
            f"{who},PO-2,,,boot,x,,,,",
            f"{who},PO-3,2026-11-01,,boot,1,,,,",
            f"{who},PO-3,2026-11-02,,boot,1,,,,",
            f"{who},PO-4,,,boot,1",
            f"{who},PO-5,,,boot,1,,,,",
        )
    )
    seen, rows = await done(native, who, file, kind="order")
    assert [(row["row"], row["code"] or row["result"]) for row in rows] == [
        *((1, "ok"), (3, "invalid"), (4, "invalid"), (6, "invalid"), (7, "ok")),
    ]
    assert seen["rows"]["total"] == 5
    assert [each["pointer"] for row in rows for each in row["errors"]] == ["/lines/0/units", "/placed_at"]
    order = (await native.call("GET", f"/v1/orders/{rows[0]['id']}", who)).json()
    assert (order["currency"], order["total"]) == ("USD", "26.00")
    assert [(line["sku"], line["units"]["ordered"]) for line in order["lines"]] == [("boot", 2), ("lace", 1)]
    job = await job_of(native, who, kind="order")
    await upload(native, who, job, "reference,sku,units\nx,y,1\n")
    refused = await native.call("POST", f"{JOBS}/{job}/start", who, {"parts": 1})
    assert "the column retailer is missing" in refused.json()["detail"]


# Notices sent again


async def _endpoint_with_notices(native: Native, states: Sequence[str]) -> str:
    """An endpoint of this retailer with a notice in each of these states, made an hour apart."""
    made = await native.call(
        "POST",
        "/v1/endpoints",
        native.retailer,
        {"url": "https://hooks.example.com/in", "events": ["cancellation.asked"]},
    )
    endpoint: str = made.json()["id"]
    # So that no worker sends what is due.
    await native.call("POST", f"/v1/endpoints/{endpoint}/pause", native.retailer)
    for state in states:
        native.world.clock.advance(hours=1)
        await native.asked(await native.line(1))
        due_at = native.world.clock() if state == "due" else None
        change = update(t.notices).where(t.notices.c.endpoint_id == UUID(endpoint.removeprefix("ept_")))
        newest = change.where(t.notices.c.created_at == native.world.clock()).values(
            state=state, due_at=due_at, attempts=9
        )
        await native.world.application.database.write(partial(_execute, newest))
    return endpoint


def _execute(change: Update, connection: Connection) -> None:
    connection.execute(change)


async def _states(native: Native, endpoint: str) -> list[tuple[str, int]]:
    query = select(t.notices.c.state, t.notices.c.attempts).order_by(t.notices.c.created_at)
    mine = query.where(t.notices.c.endpoint_id == UUID(endpoint.removeprefix("ept_")))
    rows = await native.world.application.database.read(lambda connection: connection.execute(mine).all())
    return [(row.state, row.attempts) for row in rows]


RECOVERED: dict[str, tuple[dict[str, Any], str, int]] = {
    "dead": ({}, "due due sent due due", 2),
    "all": ({"which": "all"}, "due due due due due", 3),
    "since": ({"since": 2}, "dead due sent due due", 1),
    "until": ({"until": 4}, "due due sent dead due", 1),
    "between": ({"since": 1, "until": 4, "which": "all"}, "due due due dead due", 2),
}


@pytest.mark.parametrize("case", RECOVERED)
async def test_notices_of_a_time_are_sent_again(native: Native, case: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recovery, "PAGE", 2)
    body, states, count = RECOVERED[case]
    begun = native.world.clock()
    endpoint = await _endpoint_with_notices(native, ["dead", "due", "sent", "dead", "due"])
    hours = {
        name: (begun + timedelta(hours=at, minutes=-30)).isoformat() for name, at in body.items() if name != "which"
    }
    given = {"since": begun.isoformat(), **body, **hours}
    made = await native.call("POST", f"/v1/endpoints/{endpoint}/recover", native.retailer, given)
    assert made.status_code == 202, made.text
    job = made.json()
    assert made.headers["location"] == f"{JOBS}/{job['id']}"
    assert (job["kind"], job["format"], job["state"], job["rows"]["total"]) == ("recover", None, "queued", None)
    await native.world.application.worker.do_jobs()
    seen, rows = await told(native, native.retailer, job["id"])
    assert (seen["state"], seen["rows"]["ok"], seen["rows"]["total"], rows) == ("done", count, count, [])
    found = await _states(native, endpoint)
    assert " ".join(state for state, _ in found) == states
    assert sum(attempts == 0 for _, attempts in found) == count


async def test_what_cannot_be_sent_again(native: Native) -> None:
    endpoint = await _endpoint_with_notices(native, ["dead"])
    path = f"/v1/endpoints/{endpoint}/recover"
    for wrong, code in (
        ({}, "required"),
        ({"since": "yesterday"}, "bad_time"),
        ({"since": "2026-11-02", "until": "2026-11-01"}, "out_of_range"),
        ({"since": "2026-11-02", "which": "some"}, "not_listed"),
    ):
        refused = await native.call("POST", path, native.retailer, wrong)
        assert (refused.status_code, refused.json()["errors"][0]["code"]) == (422, code)
    foreign = await native.call("POST", path, native.world.other_retailer, {"since": "2026-11-01"})
    assert (foreign.status_code, foreign.json()["code"]) == (404, "unknown_endpoint")
    jobs = [await native.call("POST", path, native.retailer, {"since": "2026-11-01"}) for _ in range(6)]
    assert [each.status_code for each in jobs] == [202] * 5 + [409]
    cancelled = await native.call("POST", f"{JOBS}/{jobs[0].json()['id']}/cancel", native.retailer)
    assert cancelled.status_code == 202
    await native.world.application.worker.do_jobs()
    seen, _ = await told(native, native.retailer, jobs[0].json()["id"])
    assert (seen["state"], seen["rows"]["done"]) == ("cancelled", 0)
