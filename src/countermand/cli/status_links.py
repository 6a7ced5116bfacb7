"""`countermand status-link`: the link by which a customer sees what became of a cancellation."""

from functools import partial

from countermand.admin.finding import EVERYTHING
from countermand.cli.answers import Which
from countermand.cli.output import Exit, fail, print_json
from countermand.cli.parties import find_id
from countermand.cli.running import DatabaseFlag, JsonFlag, read_settings, with_database
from countermand.reads import cancellations as cancellation_reads
from countermand.road import Application


def status_link(cancellation: Which, *, database: DatabaseFlag = None, json: JsonFlag = False) -> None:
    """Print the link by which the customer sees what became of a cancellation. Nothing can be changed by it."""
    question = partial(
        cancellation_reads.cancellation_by_id, scope=EVERYTHING, cancellation=find_id("can", cancellation)
    )
    settings = read_settings(database=database)

    async def work(application: Application) -> str:
        from countermand.outlets.links import Links

        row = await application.database.read(question)
        if row is None:
            fail(Exit.NOT_FOUND, "unknown_cancellation", f"There is no cancellation {cancellation}.")
        links = Links(application.keyring, settings.base_url, days=settings.answer_link_days)
        return links.status(retailer=row.retailer_id, cancellation=row.id, at=application.clock())

    link = with_database(settings, work, uses_keys=True)
    if json:
        print_json({"link": link})
    else:
        print(link)
