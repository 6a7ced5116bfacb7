"""Orders placed at a service."""

from collections.abc import Iterable, Sequence

from countermand.cli.orders import Given, Placed, Problem, check_all
from countermand.cli.remote.calling import as_command_error, calling
from countermand_client import ApiError, Client, Conflict, Invalid, NotFound, RuleRefused


class RemotePlacing:
    """Orders of the token's party, or of any retailer for the platform."""

    def place(self, given: Sequence[Given], file: str, *, skip_bad: bool, dry_run: bool) -> Sequence[Placed]:
        """Place them: each whole or not at all, and none if one is bad, unless those are skipped."""
        with calling() as client:
            if skip_bad and not dry_run:
                return [_placed(client, each, dry_run=False) for each in given]
            tried = [_placed(client, each, dry_run=True) for each in given]
            if not skip_bad:
                check_all(list(_bad(tried)), len(tried), file)
            return tried if dry_run else [_placed(client, each, dry_run=False) for each in given]


def _bad(tried: Iterable[Placed]) -> Iterable[tuple[Given, Problem]]:
    return ((each.given, each.problem) for each in tried if each.problem)


def _placed(client: Client, given: Given, *, dry_run: bool) -> Placed:
    if isinstance(given.order, Problem):
        return Placed(given=given, problem=given.order)
    said = given.order.model_dump(mode="json", exclude_unset=True, exclude_none=True)
    try:
        order = client.orders.create(**said, dry_run=dry_run or None)
    except (Conflict, Invalid, NotFound, RuleRefused) as error:
        return Placed(given=given, problem=_problem(error))
    return Placed(given=given, id=order.id or "", lines=[each.id for each in order.lines or ()])


def _problem(error: ApiError) -> Problem:
    ended = as_command_error(error)
    return Problem(exit_code=ended.exit_code, code=ended.code, message=ended.message)
