"""Orders placed at a service."""

import hashlib
import json
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Any

from countermand.cli.orders import Given, Placed, Problem, check_all
from countermand.cli.remote.calling import as_command_error, calling
from countermand_client import ApiError, Client, Conflict, Invalid, NotFound, RuleRefused
from countermand_client.models import Order


class RemotePlacing:
    """Orders of the token's party, or of any retailer for the platform."""

    def place(self, given: Sequence[Given], file: str, *, skip_bad: bool, dry_run: bool) -> Sequence[Placed]:
        """Place them: each whole or not at all, and none if one is bad, unless those are skipped."""
        with calling() as client:
            if skip_bad and not dry_run:
                return _place_all(client, given)
            tried = [_placed(each, partial(client.orders.create, dry_run=True)) for each in given]
            if not skip_bad:
                check_all(list(_bad(tried)), len(tried), file)
            return tried if dry_run else _place_all(client, given)


def _bad(tried: Iterable[Placed]) -> Iterable[tuple[Given, Problem]]:
    return ((each.given, each.problem) for each in tried if each.problem)


def _place_all(client: Client, given: Sequence[Given]) -> list[Placed]:
    """Place each under a key that is made of what it says, and of how many before it in the file say the same.

    So a file that is taken again gets what it got before, whatever it was interrupted by.
    """
    seen: Counter[str] = Counter()

    def create(**said: Any) -> Order:
        content = hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()[:32]
        seen[content] += 1
        return client.orders.create(**said, idempotency_key=f"order:{content}:{seen[content]}")

    return [_placed(each, create) for each in given]


def _placed(given: Given, create: Callable[..., Order]) -> Placed:
    if isinstance(given.order, Problem):
        return Placed(given=given, problem=given.order)
    said = given.order.model_dump(mode="json", exclude_unset=True, exclude_none=True)
    try:
        order = create(**said)
    except (Conflict, Invalid, NotFound, RuleRefused) as error:
        return Placed(given=given, problem=_problem(error))
    return Placed(given=given, id=order.id or "", lines=[each.id for each in order.lines or ()])


def _problem(error: ApiError) -> Problem:
    ended = as_command_error(error)
    return Problem(exit_code=ended.exit_code, code=ended.code, message=ended.message)
