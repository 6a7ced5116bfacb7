"""The command line. Commands are imported when they are called, so that help comes at once."""

import os
import sys
from collections.abc import Sequence
from contextlib import suppress
from importlib.metadata import version

from countermand.cli import help_pages, usage
from countermand.cli.arguments import Arguments
from countermand.cli.output import CommandError, Exit, forget_output, manners, print_error, what_failed
from countermand.cli.streams import write_whole

HELP = """\
countermand carries a cancellation from the one who ordered to the one who holds the goods, and the answer back.

  countermand demo                                   see it work, with sample data
  countermand serve                                  run the service on http://127.0.0.1:8765
  countermand party add retailer "Fine Shoes"        add a retailer, or a supplier
  countermand token create --party "Fine Shoes"      make a token for its calls
  countermand order add orders.json                  place orders (- reads standard input)
  countermand orders                                 list orders
  countermand ask --line 1000017 --by customer       a customer wants a line cancelled
  countermand ask --file lines.csv --dry-run         what would come of each row of a file
  countermand quote --line 1000017 --units 2         what would go back to the customer
  countermand refunds --state parked                 refunds that a person has to look at
  countermand cancellations --sort due               what waits for an answer, the longest due first
  countermand timeline can_0190...                   the whole story of a line

Run the service:   check   serve   worker   doctor   config show   migrate   backup   restore
                   export   db status|distribute|rebalance   demo   completion
Who takes part:    party add|list|deactivate|activate   user add|list|disable|enable|password|log-out
                   token create|list|rename|revoke   plaza-key create|list|revoke
                   client-credentials create|list|revoke   audit
Notifications:     endpoint add|list|pause|resume|confirm|rotate|remove|test   notices   replay   recover
                   signature-keys list|rotate
What holds:        policy show|set
At a service:      events tail   listen   trigger   open
What happens:      order add|erase   quote   ask   accept   decline   withdraw   reassign   orders   cancellations
                   timeline   status-link   plaza   bol
Money:             refunds   refund paid|close|retry|correct   payment add|capture|list
How they do:       score   score-exclude   score-restore

`--server URL` has nearly every command call a service instead of opening a database.
The token is in COUNTERMAND_TOKEN or COUNTERMAND_TOKEN_FILE.
Every list takes --json, every command --quiet and --no-color, every one that writes --dry-run.
`countermand COMMAND --help` shows the flags of a command, `countermand NOUN --help` its verbs.
Settings: flag, then COUNTERMAND_* variable, then ./countermand.toml or --config FILE, then default.
Exit codes: 0 fine, 1 failed, 2 usage, 3 refused by the rules, 4 not signed in, 5 not found, 6 partly done,
            7 no answer in time, 75 try again later, 78 bad configuration, 130 interrupted.
"""


def main(arguments: list[str] | None = None) -> None:
    """Run one command and exit with its code."""
    if arguments is None:
        write_whole()
    if sys.stdin is None:
        # The parent process closed it: there is nothing to read.
        sys.stdin = open(os.devnull, encoding="utf-8")  # noqa: SIM115 - it stays open
    given = Arguments.of(sys.argv[1:] if arguments is None else arguments)
    manners.quiet, manners.dry_run, manners.server = "--quiet" in given.flags, given.is_tried, given.server
    if "--no-color" in given.flags:
        os.environ["NO_COLOR"] = "1"
    if given.config is not None:
        os.environ["COUNTERMAND_CONFIG"] = given.config
    sys.exit(_ended(given))


def _ended(given: Arguments) -> int:
    """Run it. An output that cannot be written is reported now, not by the interpreter at exit."""
    try:
        code = _code(given)
        for stream in filter(None, (sys.stdout, sys.stderr)):
            stream.flush()
    except BrokenPipeError:
        # The reader has closed the pipe.
        forget_output()
        return Exit.FAILED
    except OSError as error:
        forget_output()
        with suppress(OSError):
            print_error(CommandError(Exit.FAILED, "unusable_file", what_failed(error)), as_json=False)
        forget_output()
        return Exit.FAILED
    return code


def _code(given: Arguments) -> int:
    try:
        _run(given)
    except CommandError as error:
        print_error(error, as_json="--json" in given.flags)
        return error.exit_code
    except KeyboardInterrupt:
        return Exit.INTERRUPTED
    return Exit.FINE


def _run(given: Arguments) -> None:
    if given.asks_for_help and (page := _page(given)):
        print(page, end="")
        return
    if given.rest == ("--version",):
        print(version("countermand"))
        return
    _check_texts(given.rest)
    usage.check(given)
    from cyclopts import CycloptsError

    from countermand.cli.commands import app

    try:
        app(_words(given), exit_on_error=False, print_error=False)
    except CycloptsError as error:
        raise usage.wrong(given, str(error)) from error


def _page(given: Arguments) -> str:
    """The help that was asked for, by the command itself or by ``help``."""
    words = _words(given)
    command = help_pages.command_in(words)
    if command:
        return help_pages.page(command)
    return "" if words and not words[0].startswith("-") else HELP


def _words(given: Arguments) -> tuple[str, ...]:
    return given.rest[1:] if given.rest[:1] == ("help",) else given.rest


def _check_texts(given: Sequence[str]) -> None:
    """Ends the command when an argument holds what no text can hold, such as a byte that is not UTF-8."""
    from countermand.domain.texts import why_unfit

    for argument in given:
        if problem := why_unfit(argument):
            raise CommandError(Exit.USAGE, "bad_text", f"The argument {argument!r} cannot be read: {problem}.")
