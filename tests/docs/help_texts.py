"""The pages that ``--help`` shows, made of the commands: ``python -m tests.docs.help_texts`` writes them."""

import io
from collections.abc import Iterator

from cyclopts import App
from rich.console import Console

from countermand.cli.arguments import CALLS
from countermand.cli.commands import app
from countermand.cli.help_pages import FOLDER, file_of

WIDTH = 100
SERVER_TOO = (
    "\nInstead of opening a database, it calls a service if you give --server URL (token: COUNTERMAND_TOKEN).\n"
)


def commands(group: App = app, *path: str) -> Iterator[tuple[str, ...]]:
    """Every command and group of commands, by the words it is called with."""
    for name in sorted(each for each in group if not each.startswith("-")):
        yield from commands(group[name], *path, name)
        yield (*path, name)


def page_of(command: tuple[str, ...]) -> str:
    written = io.StringIO()
    console = Console(file=written, width=WIDTH, no_color=True, force_terminal=False, color_system=None)
    app.help_print(command, console=console)
    page = "".join(f"{line.rstrip()}\n" for line in written.getvalue().strip().splitlines())
    return page + (SERVER_TOO if command in CALLS else "")


def write() -> None:
    """Write all pages, and remove those of commands that are no more."""
    FOLDER.mkdir(exist_ok=True)
    made = {file_of(command): page_of(command) for command in commands()}
    for file in {*FOLDER.glob("*.txt")} - made.keys():
        file.unlink()
    for file, page in made.items():
        file.write_text(page, encoding="utf-8")


if __name__ == "__main__":
    write()
