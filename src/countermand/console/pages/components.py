"""Every part of the console in every state, on one page."""

from countermand.console.markup import WORDS
from countermand.console.rendering import Note, show_page
from countermand.console.visit import Visit
from countermand.wire.response import Reply


async def look(visit: Visit) -> Reply:
    """The page of components."""
    notes = (
        Note(title="You accepted 2 units of PO-1004.", text="47.90 EUR goes back.", mood="good"),
        Note(title="Alpine Supply was faster.", text="It declined this at 10:41:58 as already shipped.", mood="warn"),
        Note(title="The amount was not saved.", text="JPY has no decimals. Write 4,800 or 4,801.", mood="bad"),
        Note(title="You were logged out after 12 hours.", text="Log in, and this form comes back filled."),
    )
    return show_page(visit, "components.html", title="Components", words=WORDS, notes=notes)
