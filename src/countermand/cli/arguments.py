"""Arguments, as far as every command understands them: which command it is, and the flags that all have."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Self

from countermand.cli import help_pages

OF_ALL: Final = frozenset({"--quiet", "--no-color", "--dry-run"})
NEVER_TRIED: Final = frozenset({("serve",), ("worker",), ("demo",), ("plaza",), ("bol",), ("completion",)})
"""Commands that cannot be tried: what serves, or what others do."""
CONFIG: Final = "--config"
"""The flag of all commands that names the file of settings."""
SERVER: Final = "--server"
"""The flag of all commands that can call a service instead of opening a database."""
CALLS: Final = frozenset(
    {
        *((name,) for name in ("cancellations", "ask", "accept", "decline", "withdraw", "reassign")),
        *((name,) for name in ("orders", "timeline", "quote", "refunds", "notices", "replay", "recover", "audit")),
        *((name,) for name in ("score", "score-exclude", "score-restore", "listen", "trigger", "open")),
        *(("party", verb) for verb in ("add", "list", "deactivate", "activate")),
        *(("user", verb) for verb in ("add", "list", "disable", "enable", "password", "log-out")),
        *(("token", verb) for verb in ("create", "list", "revoke")),
        *(("plaza-key", verb) for verb in ("create", "list", "revoke")),
        *(("client-credentials", verb) for verb in ("create", "list", "revoke")),
        *(("policy", verb) for verb in ("show", "set")),
        *(("refund", verb) for verb in ("paid", "close", "retry", "correct")),
        *(("payment", verb) for verb in ("add", "capture", "list")),
        *(("endpoint", verb) for verb in ("add", "list", "pause", "resume", "confirm", "rotate", "remove", "test")),
        *(("events", "tail"), ("order", "add"), ("order", "erase")),
    }
)
"""Commands that take ``--server``."""
LOCAL: Final[Mapping[tuple[str, ...], str]] = {
    ("serve",): "It runs a service.",
    ("worker",): "It works on the database of a service.",
    ("migrate",): "It changes the schema of a database.",
    ("check",): "It looks at the settings of this machine.",
    ("doctor",): "It looks at the database of a service, and asks the service itself.",
    ("config", "show"): "It shows the settings of this machine.",
    ("db", "status"): "It looks at the servers of a database.",
    ("db", "distribute"): "It changes where the tables of a database are.",
    ("db", "rebalance"): "It moves parts of a database from server to server.",
    ("backup",): "It reads a database, whole.",
    ("restore",): "It writes a database, whole.",
    ("export",): "It reads a database in the place of a party, which gets the same from the API page by page.",
    ("demo",): "It runs a service of its own.",
    ("completion",): "It is about the shell on this machine.",
    ("plaza",): "It calls the Plaza API of any service; --url names it.",
    ("bol",): "It calls the Retailer API of any service; --url names it.",
    ("signature-keys", "list"): "Clients get the keys of a service from GET /retailer/subscriptions/signature-keys.",
    ("signature-keys", "rotate"): "The keys are the installation's; only who runs the service replaces one.",
    ("token", "rename"): "The API of a service has no call for it.",
    ("status-link",): "Whoever has the link sees the cancellation; only who runs the service makes one.",
}
"""Commands that have no ``--server``, and why."""
TRIES_BY_ITSELF: Final = ("order", "add")
"""Checking orders is more than adding and forgetting them."""


@dataclass(frozen=True, kw_only=True)
class Arguments:
    """The arguments after ``countermand``. A value that looks like a flag is a value."""

    command: tuple[str, ...]
    flags: frozenset[str] = field(default_factory=frozenset)
    names: tuple[str, ...] = ()
    """The flags in the order in which they were given, without values."""
    rest: tuple[str, ...] = ()
    """All but the flags that every command has."""
    has_values: bool = False
    """Whether any argument is given by its position."""
    server: str | None = None
    """The address of the service that is called, if one is named."""
    config: str | None = None
    """The file of settings, if one is named."""

    @classmethod
    def of(cls, given: Sequence[str]) -> Self:
        """Distinguish flags from values by the help page of the command."""
        given, config = _without_config(given)
        command = help_pages.command_in([each for each in given if each not in OF_ALL])
        with_a_value = help_pages.flags_with_a_value(command)
        given, server = _without(SERVER, given, with_a_value) if command in CALLS else (given, None)
        flags = [place for place, _ in _flags(given, with_a_value)]
        taken = sum(given[place] in with_a_value for place in flags) + len(flags) + len(command)
        own = command in NEVER_TRIED or command == TRIES_BY_ITSELF
        own_flags = OF_ALL - {"--dry-run"} if own else OF_ALL
        return cls(
            command=command,
            flags=frozenset(given[place] for place in flags),
            names=tuple(given[place].partition("=")[0] for place in flags),
            rest=tuple(each for place, each in enumerate(given) if place not in flags or each not in own_flags),
            has_values=len(given) > taken,
            server=server,
            config=config,
        )

    @property
    def asks_for_help(self) -> bool:
        """Whether somebody wants to read a page."""
        alone = self.rest == self.command and help_pages.is_group(self.command)
        return alone or bool(self.flags & {"--help", "-h"}) or self.rest[:1] == ("help",)

    @property
    def is_tried(self) -> bool:
        """Whether what is written shall be taken back."""
        return "--dry-run" in self.flags and "--dry-run" not in self.rest


def _without_config(given: Sequence[str]) -> tuple[Sequence[str], str | None]:
    """The same for ``--config``, which may stand before the command."""
    command = help_pages.command_in([each for each in _without(CONFIG, given, frozenset())[0] if each not in OF_ALL])
    return _without(CONFIG, given, help_pages.flags_with_a_value(command))


def _without(flag: str, given: Sequence[str], with_a_value: frozenset[str]) -> tuple[Sequence[str], str | None]:
    """The rest of the arguments, and what follows this flag; the last one counts."""
    found = None
    for place, each in reversed(list(_flags(given, with_a_value | {flag}))):
        name, equals, value = each.partition("=")
        if name == flag:
            own = value if equals else "".join(given[place + 1 : place + 2])
            found = own if found is None else found
            given = [*given[:place], *given[place + (1 if equals else 2) :]]
    return given, found


def _flags(given: Sequence[str], with_a_value: frozenset[str]) -> Iterator[tuple[int, str]]:
    value_follows = False
    for place, each in enumerate(given):
        if each == "--":
            return
        if not value_follows and re.match("--?[a-z]", each):
            yield place, each
            value_follows = each in with_a_value
        else:
            value_follows = False
