"""The command line. Commands are imported when they are called, so that help comes at once."""

import os
import sys

from countermand.cli.output import CommandError, Exit, manners, print_error
from countermand.cli.streams import write_whole

HELP = """\
countermand carries a cancellation from whoever ordered to whoever holds the goods, and back.

  countermand demo                                   see it work, with sample data
  countermand serve                                  run the service on http://127.0.0.1:8765
  countermand party add retailer "Fine Shoes"        add a retailer, or a supplier
  countermand token create --party "Fine Shoes"      make a token for its calls
  countermand order add orders.json                  hand in orders (- reads standard input)
  countermand orders                                 list orders
  countermand ask --line 1000017 --by customer       a customer wants a line cancelled
  countermand quote --line 1000017 --units 2         what would go back to the customer
  countermand refunds --state parked                 refunds that a person has to see to
  countermand cancellations --state asked            what waits for an answer
  countermand timeline can_0190...                   the whole story of a line

Run the service:   serve  worker  migrate  demo
Who takes part:    party add|list|deactivate|activate   user add|list|disable|enable|password|log-out
                   token create|list|rename|revoke   plaza-key create|list|revoke   audit
Who is told:       endpoint add|list|pause|resume|rotate|remove|test   notices   replay   recover
What holds:        policy show|set
What happens:      order add|erase   quote   ask   accept   decline   withdraw   orders   cancellations   timeline
                   plaza
Money:             refunds   refund paid|close|retry   payment add|capture|list
How they do:       score   score-exclude   score-restore

Every list takes --json, every command --quiet and --no-color, every one that writes --dry-run.
`countermand COMMAND --help` tells the flags of a command.
Settings: flag, then COUNTERMAND_* variable, then ./countermand.toml, then default.
Exit codes: 0 fine, 1 failed, 2 usage, 3 refused by the rules, 5 not found, 6 partly done,
            75 try again later, 78 bad configuration, 130 interrupted.
"""


def main(arguments: list[str] | None = None) -> None:
    """Run one command and exit with its code."""
    if arguments is None:
        write_whole()
    given = sys.argv[1:] if arguments is None else arguments
    if not given or given in (["--help"], ["-h"], ["help"]):
        sys.stdout.write(HELP)
        sys.exit(Exit.FINE)
    sys.exit(_run(_mannered(given)))


def _mannered(given: list[str]) -> list[str]:
    """What is left of the arguments when those that every command knows are heeded."""
    manners.quiet = "--quiet" in given
    # Checking orders is more than adding and forgetting them, and what serves cannot pretend to.
    own = given[:2] == ["order", "add"] or given[0] in ("serve", "worker", "demo", "plaza")
    manners.dry_run = "--dry-run" in given and not own
    if "--no-color" in given:
        os.environ["NO_COLOR"] = "1"
    heeded = {"--quiet", "--no-color"} | (set() if own else {"--dry-run"})
    return [each for each in given if each not in heeded]


def _run(given: list[str]) -> int:
    from cyclopts import CycloptsError

    from countermand.cli.commands import app

    try:
        app(given, exit_on_error=False, print_error=False)
        sys.stdout.flush()
    except CycloptsError as error:
        usage = CommandError(Exit.USAGE, "usage", str(error), "See `countermand --help`.")
        print_error(usage, as_json="--json" in given)
        return usage.exit_code
    except CommandError as error:
        print_error(error, as_json="--json" in given)
        return error.exit_code
    except KeyboardInterrupt:
        return Exit.INTERRUPTED
    except BrokenPipeError:
        sys.stderr.close()
        return Exit.FAILED
    return Exit.FINE
