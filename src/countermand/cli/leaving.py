"""Commands for a party that leaves, or comes back."""

import asyncio
from functools import partial
from uuid import UUID

from countermand.admin import parties as admin
from countermand.admin.callers import PLATFORM
from countermand.admin.finding import EVERYTHING, find_party
from countermand.cli.orders import DOOR, operator
from countermand.cli.outcomes import not_answered
from countermand.cli.output import Exit, fail, report
from countermand.cli.parties import author
from countermand.cli.running import DatabaseFlag, JsonFlag, ask_database, read_settings, with_database
from countermand.domain.commands import EscalateCancellation
from countermand.domain.line import State
from countermand.reads import cancellations as cancellation_reads
from countermand.reads.cancellations import PAGE_MAX, CancellationFilter
from countermand.road import Application
from countermand.service.calls import Call, Failed


def party_deactivate(name: str, *, database: DatabaseFlag = None, json: JsonFlag = False) -> None:
    """Deactivate a party. An operator answers what waits for it, and deadlines go on.

    Its credentials are refused from then on. Orders that it holds stay as they are.

    Parameters
    ----------
    name
        Name or id of the party.
    """
    party, handed_over = _set_active(name, database, active=False)
    sentence = f"{handed_over} of the cancellations that waited for it went to an operator."
    report(f"{name} takes no part any more. {sentence}", json=json, id=str(party), handed_over=handed_over)


def party_activate(name: str, *, database: DatabaseFlag = None, json: JsonFlag = False) -> None:
    """Activate a party again. What an operator has to answer stays with the operator.

    Parameters
    ----------
    name
        Name or id of the party.
    """
    party, _ = _set_active(name, database, active=True)
    report(f"{name} takes part again.", json=json, id=str(party))


def _set_active(name: str, database: str | None, *, active: bool) -> tuple[UUID, int]:
    settings = read_settings(database=database)
    party: UUID = ask_database(settings, partial(find_party, text=name)).id
    if party == PLATFORM:
        fail(Exit.REFUSED, "platform_stays", "The platform cannot leave.")

    async def work(application: Application) -> int:
        await application.database.write(
            partial(admin.set_active, author=author(application), party=party, active=active)
        )
        return 0 if active else await _hand_over(application, party)

    return party, with_database(settings, work)


async def _hand_over(application: Application, party: UUID) -> int:
    handed_over, after = 0, None
    while True:
        wanted = CancellationFilter(state=State.ASKED.value, awaiting=party, after=after, limit=PAGE_MAX)
        rows = await application.database.read(
            partial(cancellation_reads.list_cancellations, scope=EVERYTHING, wanted=wanted)
        )
        outcomes = await asyncio.gather(
            *(
                application.lanes.submit(
                    Call(
                        command=EscalateCancellation(line=row.line_id, actor=operator(), cancellation=row.id),
                        door=DOOR,
                        retailer=row.retailer_id,
                    )
                )
                for row in rows
            )
        )
        if any(isinstance(each, Failed) for each in outcomes):
            not_answered()
        handed_over += len(rows)
        if len(rows) < PAGE_MAX:
            return handed_over
        after = rows[-1].id
