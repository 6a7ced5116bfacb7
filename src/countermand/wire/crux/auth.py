"""Who calls, by the token in DRF's header, and whether they may make the call (docs/crux.md)."""

from countermand.admin.callers import PERMISSIONS, Caller
from countermand.wire.crux.meaning import Request
from countermand.wire.pipeline import Operation
from countermand.wire.replies import CallError, Problem
from countermand.wire.response import Scope, header
from countermand.wire.services import Services


class CruxAuth:
    """Who calls, may they, how often."""

    def __init__(self, services: Services) -> None:
        self._authenticator = services.authenticator
        self._throttle = services.throttle

    async def who(self, scope: Scope) -> Caller:
        """The caller that the Authorization header names.

        Raises:
            CallError: there is no such header, or it names nobody, in DRF's words for each case.
            ThrottledError: too many wrong tokens came from this address.
        """
        given = header(scope, b"authorization") or ""
        scheme, _, token = given.strip().partition(" ")
        if scheme.lower() != "token":
            raise CallError(Problem.UNAUTHENTICATED, "Authentication credentials were not provided.")
        token = token.strip()
        if not token:
            raise CallError(Problem.UNAUTHENTICATED, "Invalid token header. No credentials provided.")
        if " " in token:
            raise CallError(Problem.UNAUTHENTICATED, "Invalid token header. Token string should not contain spaces.")
        caller = await self._authenticator.caller(token, scope)
        if caller is None:
            raise CallError(Problem.UNAUTHENTICATED, "Invalid token.")
        return caller

    def forbidden(self, caller: Caller, operation: Operation[Request]) -> CallError:
        """Its credential lacks the permission, or it is of another side."""
        wrong_party = caller.kind not in operation.kinds
        # Where no party of its kind can have the permission, its kind is what is wrong, and not its credential.
        beyond = wrong_party and operation.permission not in PERMISSIONS[caller.kind]
        if operation.permission not in caller.permissions and not beyond:
            return CallError(Problem.FORBIDDEN, "You do not have permission to perform this action.")
        side = " or a ".join(sorted(kind.value for kind in operation.kinds))
        return CallError(Problem.WRONG_PARTY, f"Only a {side} can make this call.")

    async def count(self, caller: Caller, operation: Operation[Request] | None) -> None:
        """Count the call, whatever its verb."""
        await self._throttle.check_call(caller)
