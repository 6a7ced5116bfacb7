"""What docs/ takes from the code: docs/reference, the drawings and openapi.json.

``python -m tests.docs.reference`` writes them.
"""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

from countermand.cli.help_pages import page as help_page
from countermand.domain.cancellation import MOVES
from countermand.domain.endpoint import EndpointState
from countermand.domain.line import State
from countermand.domain.money.refunds import RefundState
from countermand.domain.reasons import CANCEL_MEANINGS, DECLINE_MEANINGS
from countermand.domain.refusals import RefusalKind
from countermand.observability.instruments import Histogram, Instrument, Label
from countermand.observability.metrics import METRICS
from countermand.wire.bol.vocabulary import REASONS
from countermand.wire.native.problem_pages import MEANINGS, advice
from countermand.wire.replies import REPLIES, Problem
from tests.docs import help_texts, licences
from tests.docs.api_pages import api_pages, description
from tests.docs.drawings import drawings
from tests.docs.markdown import table
from tests.docs.reading import DOCS

REFERENCE: Final = DOCS / "reference"
PICTURES: Final = DOCS / "pictures"
DESCRIPTION: Final = DOCS / "openapi.json"


def made() -> Iterator[tuple[Path, str]]:
    """Every file, and what it says."""
    yield DESCRIPTION, json.dumps(description(), indent=1, ensure_ascii=False) + "\n"
    for name, svg in drawings():
        yield PICTURES / name, svg
    for name, text in (*api_pages(), *_pages()):
        yield REFERENCE / name, text


def _pages() -> Iterator[tuple[str, str]]:
    yield "problems.md", _problems()
    yield "commands.md", _commands()
    yield "reasons.md", _reasons()
    yield "states.md", _states()
    yield "metrics.md", _metrics()
    yield "licences.md", licences.page()


def _metrics() -> str:
    head = (
        "# Metrics, one by one\n\n"
        "What `/metrics` shows on the port of the setting `metrics_port`. [How to watch it](../how-to/watch.md) says"
        " which of them to look at.\n\n"
        "Each label has a bounded number of values, none of which a caller can choose. Beside these are the numbers of"
        " the process, by Prometheus' own library: `process_resident_memory_bytes`, `process_open_fds`,"
        " `process_cpu_seconds_total` and others.\n"
    )
    return "\n".join((head, *map(_metric, METRICS)))


def _metric(metric: Instrument) -> str:
    rows = [(f"`{each.name}`", each.meaning, _values(each)) for each in metric.labels]
    labels = f"\n{table(('Label', 'Meaning', 'Values'), rows)}\n" if rows else ""
    bounds = ", ".join(f"{bound:g}" for bound in metric.bounds) if isinstance(metric, Histogram) else ""
    return f"## `{metric.name}`\n\n{metric.kind.capitalize()}. {metric.meaning}\n{labels}" + (
        f"\nBounds: {bounds}.\n" if bounds else ""
    )


def _values(each: Label) -> str:
    if each.values is None:
        return "of the code"
    if len(each.values) > 100:
        return "100 to 599"
    return ", ".join(f"`{value}`" for value in sorted(each.values))


_WHERE_THE_NAME_IS: Final = (
    (
        "native API",
        "`code` of a problem document (RFC 9457); `type` opens a page with what stands here: `/problems/<code>`",
    ),
    ("CRUX", '`code`, and at the beginning of `detail`: `{"detail": "already_shipped: …", "code": "already_shipped"}`'),
    (
        "Plaza",
        "A refusal is taken in, with 200 and `PENDING`; its process status ends as `FAILURE`, with the sentence in"
        " `errorMessage`. A problem has a status and the number after `PAI-`. [Plaza](../plaza.md#codes) has more.",
    ),
    ("bol Retailer", "A refusal ends as in Plaza. A problem is [bol's document](../retailer.md#problems)."),
    ("command line", "exit code 3 and the sentence"),
)
_ABOUT_PROBLEMS: Final = """# Refusals and problems

A **refusal** comes from the rules: it says why a command changed nothing. A **problem** is found by an API before any
rule is asked. Each has a name. What belongs to another party looks exactly like something that does not exist.

"""
_ABOUT_REFUSALS: Final = """
## Refusals

If several apply, the first of this table is given. A refusal moves no unit. Two of them save an event all the same: a
late answer (`cancellation.late_answer`), and a report that cancelled units were shipped
(`line.shipped_though_cancelled`).

A repeat is not refused. It succeeds again to ask again while the ask waits, to give the same answer again by its id, or
to report a parcel again with the same order, tracking number, reference and lines. An answer without an id, as in CRUX,
cannot be distinguished from a new one. If nothing waits any more, it is refused, and the sentence says what the answer
was and when. So a caller that lost the first reply knows.

CRUX has three statuses. The seed is `DELETE /orders/items/cancel/<uuid>/`, which answers only with the codes of its
page; v1 is the rest of `/orders/…`, and timp is `/timp/orders/…`.

"""
_ABOUT_OTHERS: Final = """
## Problems

`Retry-After` says when to call again; [limits](../settings.md#limits) has the quotas.

"""
_STATUSES: Final = ("Name", "Native", "CRUX: seed", "v1", "timp")


def _problems() -> str:
    problems = [(*_statuses(kind), ", ".join(map(str, REPLIES[kind].plaza or ()))) for kind in Problem]
    return "".join(
        (
            _ABOUT_PROBLEMS,
            table(("API", "Where the name is"), _WHERE_THE_NAME_IS),
            _ABOUT_REFUSALS,
            table(_STATUSES, [_statuses(kind) for kind in RefusalKind]),
            _ABOUT_OTHERS,
            table((*_STATUSES, "Plaza"), problems),
            *(_problem(kind.value) for kind in (*RefusalKind, *Problem)),
        )
    )


def _statuses(kind: RefusalKind | Problem) -> tuple[str, ...]:
    code, row = kind.value, REPLIES[kind]
    statuses = (row.native, row.crux_seed, row.crux_v1, row.crux_timp)
    return f"[`{code}`](#{code})", *map(str, statuses)


def _problem(code: str) -> str:
    return f"\n## `{code}`\n\n{MEANINGS[code]}\n\n**What to do.** {advice(code)}\n"


def _commands() -> str:
    head = (
        "# Commands, one by one\n\n"
        "What `--help` shows of each. [The command line](../cli.md) explains names, output and exit codes.\n"
    )
    return "\n".join((head, *(_command(" ".join(words), help_page(words)) for words in help_texts.commands())))


def _command(name: str, page: str) -> str:
    return f"## `countermand {name}`\n\n```text\n{page.rstrip()}\n```\n"


def _reasons() -> str:
    plaza = {reason: f"`{name}`" for name, reason in REASONS.items()}
    asks = [(f"`{each}`", CANCEL_MEANINGS[each], plaza.get(each, "")) for each in CANCEL_MEANINGS]
    declines = [(f"`{each}`", DECLINE_MEANINGS[each]) for each in DECLINE_MEANINGS]
    return (
        "# Reasons\n\n"
        "One catalogue for all APIs. Each dialect has its own names for some of them.\n\n"
        "## Why units are cancelled\n\n"
        f"{table(('Reason', 'Meaning', 'In Plaza'), asks)}\n"
        "## Why a cancellation is declined\n\n"
        f"{table(('Reason', 'Meaning'), declines)}"
    )


_OF_CANCELLATIONS: Final = {
    State.ASKED: "An answer is due.",
    State.ACCEPTED: "Units are cancelled, all or as many as were accepted.",
    State.DECLINED: "The units stay on order.",
    State.WITHDRAWN: "The asker took the ask back.",
    State.LAPSED: "The deadline passed without an answer, and by the policy the ask ended.",
}
_OF_REFUNDS: Final = {
    RefundState.BY_HAND: "A person has to pay it.",
    RefundState.DUE: "A worker has to send it.",
    RefundState.SENT: "A call to the provider is under way.",
    RefundState.ACCEPTED: "The provider has it and carries it out.",
    RefundState.UNKNOWN: "No answer came. The same request is sent again under the same key.",
    RefundState.CONFIRMED: "The money is back with the customer.",
    RefundState.PARKED: "A person has to look at it.",
    RefundState.CLOSED: "A person closed it. Nothing is paid.",
}
_OF_ENDPOINTS: Final = {
    EndpointState.UNCONFIRMED: "A mailbox that nobody has confirmed.",
    EndpointState.ACTIVE: "Notices are sent.",
    EndpointState.PAUSED: "Notices wait until it is resumed.",
    EndpointState.DISABLED: "The receiver answered 410 Gone. Notices wait until it is resumed.",
    EndpointState.REMOVED: "Nothing is sent any more.",
}


def _states() -> str:
    following = [
        (f"`{state}`", _OF_CANCELLATIONS[state], ", ".join(f"`{each}`" for each in State if each in MOVES[state]))
        for state in State
    ]
    return (
        "# States\n\n"
        "## Units of a line\n\n"
        "Each unit is in exactly one bucket, and `ordered = open + asked + cancelled + shipped` holds always.\n\n"
        "![The four buckets of a line, and what moves a unit from one to the next.](../pictures/units.svg)\n\n"
        "## Cancellations\n\n"
        "A cancellation waits at `asked`. It ends once, and an end is final.\n\n"
        "![The states of a cancellation, and the events between them.](../pictures/states.svg)\n\n"
        f"{table(('State', 'Meaning', 'Next'), following)}\n"
        "Its `step` counts the decisions: 1 at first, and one more with each event in the drawing.\n\n"
        "## Refunds\n\n"
        f"{_meanings(_OF_REFUNDS)}\n"
        "[Refunds](../refunds.md#how-it-goes-back) says what happens next in each.\n\n"
        "## Endpoints\n\n"
        f"{_meanings(_OF_ENDPOINTS)}\n"
        "[Endpoints](../endpoints.md#states) says how each comes about.\n"
    )


def _meanings(meanings: Mapping[RefundState, str] | Mapping[EndpointState, str]) -> str:
    return table(("State", "Meaning"), [(f"`{state}`", meaning) for state, meaning in meanings.items()])


def write() -> None:
    """Write all of them, and remove those of what is no more."""
    files = dict(made())
    for page in {*REFERENCE.rglob("*.md")} - files.keys():
        page.unlink()
    for file, text in files.items():
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    write()
