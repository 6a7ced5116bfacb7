"""Commands that look whether all is well: check, doctor, and config show."""

import os
import sys
from collections.abc import Sequence
from typing import Annotated, Any

from cyclopts import Parameter
from pydantic import SecretStr

from countermand.checks.configuration import check as check_configuration
from countermand.checks.finding import Finding, Level
from countermand.checks.service import examine
from countermand.cli.output import Exit, print_json, print_table, say
from countermand.cli.running import DatabaseFlag, JsonFlag, read_settings, run
from countermand.observability.logs import configure_logging
from countermand.road import opened_database
from countermand.settings import Settings, origins, secret_names
from countermand.store.engines.opening import shown


def check(*, database: DatabaseFlag = None, json: JsonFlag = False) -> None:
    """Look whether a service could start and work as it is configured. Changes nothing.

    It looks at the settings, files with secrets, the database, the clock, the mail server and the payment providers.
    """
    settings = read_settings(database=database)
    configure_logging("critical")
    _report(run(check_configuration(settings, os.environ)), json=json)


def doctor(*, database: DatabaseFlag = None, json: JsonFlag = False) -> None:
    """Look whether a running service is well, and what waits for a person. Changes nothing."""
    settings = read_settings(database=database)
    configure_logging("critical")

    async def job() -> list[Finding]:
        async with opened_database(settings, creates=False) as opened:
            return await examine(settings, opened)

    _report(run(job()), json=json)


def config_show(
    *,
    origin: Annotated[bool, Parameter(negative=(), help="Show too where each value comes from")] = False,
    database: DatabaseFlag = None,
    json: JsonFlag = False,
) -> None:
    """List all settings and their values. Secrets are shown as set, or not."""
    settings = read_settings(database=database)
    decided = origins({"database"} if database else ())
    values = {name: _shown(settings, name) for name in Settings.model_fields}
    if json:
        with_origin = {name: {"value": value, "origin": decided[name]} for name, value in values.items()}
        print_json(with_origin if origin else values)
        return
    rows = [(name, _written(value), *([decided[name]] if origin else [])) for name, value in values.items()]
    print_table(("Setting", "Value", *(["Origin"] if origin else [])), rows, empty="There are no settings.")


def _shown(settings: Settings, name: str) -> Any:
    value = getattr(settings, name)
    if name in secret_names():
        return "set" if isinstance(value, SecretStr) else None
    if name == "database":
        return shown(value)
    return str(value) if name == "key_file" and value is not None else value


def _written(value: Any) -> str:
    match value:
        case None | "" | [] | {}:
            return "-"
        case bool():
            return str(value).lower()
        case list():
            return ", ".join(map(str, value))
        case dict():
            return ", ".join(f"{key}: {each or '-'}" for key, each in value.items())
        case _:
            return str(value)


def _report(found: Sequence[Finding], *, json: bool) -> None:
    worst = [each for each in found if each.level is Level.WRONG]
    if json:
        keys = ("name", "level", "sentence", "remedy")
        print_json({"ok": not worst, "findings": [{key: getattr(each, key) for key in keys} for each in found]})
    else:
        rows = [(each.level.value, each.name, each.sentence, each.remedy) for each in found]
        print_table(("", "What", "How it is", "What to do"), rows, empty="Nothing was looked at.")
    if worst:
        say("1 thing is wrong." if len(worst) == 1 else f"{len(worst)} things are wrong.")
        sys.exit(Exit.BAD_CONFIGURATION)
    say("All is well." if all(each.level is Level.FINE for each in found) else "It works. See the warnings.")
