"""The calls of bol's Plaza API v2 and v2.1: XML over HMAC (docs/plaza.md). Writes answer with a process status."""

import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import partial
from importlib.resources import files
from typing import Final, TypeVar
from urllib.parse import parse_qs, urlsplit

import structlog
from starlette.routing import Route

from countermand import reads
from countermand.admin.accounts import Caller
from countermand.domain.commands import ChangeParcel, ChangeTransport, Command, Parcel, RetailerCancel, Ship, ShipOrder
from countermand.domain.parties import PartyKind
from countermand.domain.reasons import BOL_REASONS
from countermand.domain.refusals import RefusalKind
from countermand.service.calls import NO_LINE, Call, Failed, ProcessRequest, Refused
from countermand.store.engines.protocol import TooBroadError, UnavailableError
from countermand.wire import limits
from countermand.wire.bol.xml import CHARSETS, Unreadable, in_utf8
from countermand.wire.bol_plaza import messages, views, writing
from countermand.wire.bol_plaza.auth import PlazaKeys
from countermand.wire.bol_plaza.once import Signatures
from countermand.wire.bol_plaza.signature import Denial
from countermand.wire.bol_plaza.vocabulary import EventType, Status, Version
from countermand.wire.callers import address_of
from countermand.wire.http import asked_method, charset_of, unsupported_charset, unsupported_coding
from countermand.wire.rates import Rates
from countermand.wire.replies import REPLIES, Problem
from countermand.wire.response import Reply, Scope, Send, header, header_values, leaves_bytes_unframed, send_reply
from countermand.wire.services import Services
from countermand.wire.throttle import ThrottledError

T = TypeVar("T")

log = structlog.get_logger()

DOOR: Final = "bol_plaza"
ROOT: Final = "/services/rest"
XML: Final = b"application/xml"
ORDERS_PER_PAGE: Final = 25
SHIPMENTS_PER_PAGE: Final = 10
ORDERS_UNPAGED_MAX: Final = 5_000
"""v2.0 has no pages: its list is the whole of it, up to a number that no shop leaves open."""

NUMBER_MAX: Final = 2**31 - 1
GENERIC: Final = 41000
UNKNOWN_PROCESS: Final = 41301


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One authenticated call."""

    caller: Caller
    target: str
    version: Version
    query: dict[str, list[str]]
    body: bytes
    authorization: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """One call of the API, and the quota it draws on."""

    method: str
    path: str
    quota: str
    answer: Callable[[Request], Awaitable[Reply]]


class CallError(Exception):
    """The call ends here, with a status, a code and a sentence."""

    def __init__(self, status: int, code: int, text: str, *headers: tuple[bytes, bytes]) -> None:
        super().__init__(text)
        self.status = status
        self.code = code
        self.text = text
        self.headers = headers


class PlazaDoor:
    """Every call, over the same store and the same rules as the other doors."""

    def __init__(self, behind: Services) -> None:
        self._database, self._lanes = behind.database, behind.lanes
        self._ids, self._clock, self._settings = behind.ids, behind.clock, behind.settings
        settings = behind.settings
        self._keys = PlazaKeys(
            behind.database,
            behind.keyring,
            behind.clock,
            behind.throttle,
            remember_s=settings.credential_cache_s,
            window=timedelta(seconds=settings.plaza_window_s),
        )
        self._throttle = behind.throttle
        self._rates = Rates(settings.plaza_limits)
        self._signatures = Signatures()
        self._prefix = urlsplit(settings.base_url).path

    def routes(self) -> list[Route]:
        """Each call, and the schema that describes them."""
        operations = (
            Operation(
                method="PUT",
                path="/order-items/v2/{target}/cancellation",
                quota="PUT cancellation",
                answer=self.cancel_item,
            ),
            Operation(
                method="GET",
                path="/process-status/v2/{target}",
                quota="GET process-status",
                answer=self.process_status,
            ),
            # As one public client polls (docs/plaza.md).
            Operation(
                method="GET",
                path="/orders/v2/process/{target}",
                quota="GET process-status",
                answer=self.process_status,
            ),
            Operation(method="GET", path="/orders/v2", quota="GET orders", answer=self.open_orders),
            Operation(method="GET", path="/orders/v2/{target}", quota="GET orders", answer=self.one_order),
            Operation(method="GET", path="/shipments/v2", quota="GET shipments", answer=self.shipments),
            Operation(method="POST", path="/shipments/v2", quota="POST shipments", answer=self.ship),
            Operation(
                method="PUT", path="/transports/v2/{target}", quota="PUT transports", answer=self.change_transport
            ),
        )
        by_path: dict[str, dict[str, Operation]] = {}
        for operation in operations:
            by_path.setdefault(operation.path, {})[operation.method] = operation
        routes = [Route(ROOT + path, _Endpoint(self, methods)) for path, methods in by_path.items()]
        for folder, name in (("v2/", "plazaapi.xsd"), ("", "serviceerror-1.5.xsd")):
            routes.append(Route(f"/services/xsd/{folder}{name}", _Schema(name)))
        rest = Route("/services/{rest:path}", _NoCall())
        # A path may hold line breaks, which Starlette's pattern does not match.
        rest.path_regex = re.compile(rest.path_regex.pattern, re.DOTALL)
        return [*routes, rest]

    # Writing

    async def cancel_item(self, request: Request) -> Reply:
        """PUT: confirm what the customer asked, or cancel what cannot be fulfilled."""
        number = _number(request.target, "OrderItemId")
        wanted = _readable(messages.read_cancellation(request.body))
        command = RetailerCancel(line=NO_LINE, actor=request.caller.actor, reason=BOL_REASONS[wanted.reason.value])
        claimed = wanted.cancelled_at.isoformat()
        return await self._queued(
            request,
            command,
            EventType.CANCEL_ORDER,
            str(int(request.target)),
            line_number=number,
            claimed_at=claimed,
            # A client that tries again in the same second claims another time, and means the same.
            said=wanted.reason.value.encode(),
        )

    async def ship(self, request: Request) -> Reply:
        """POST: all that is left of an order item has left the house; an ask on it is thereby declined."""
        wanted = _readable(messages.read_shipment_request(request.body, request.version))
        number = wanted.order_item_id
        line = await self._read(
            partial(reads.line_of_number, retailer=request.caller.party, number=min(number, NUMBER_MAX))
        )
        transport = wanted.transport
        parcel = Parcel(
            id=self._ids.new(),
            tracking_number=(transport and transport.track_and_trace) or "",
            carrier=(transport and transport.transporter_code) or "",
            reference=wanted.shipment_reference or "",
            shipped_on=wanted.shipped_at.date() if wanted.shipped_at else None,
        )
        shipped = Ship(line=line.id if line else NO_LINE, actor=request.caller.actor, override=True)
        command = ShipOrder(
            order=line.order_id if line else NO_LINE, actor=request.caller.actor, lines=(shipped,), parcel=parcel
        )
        claimed = wanted.shipped_at.isoformat() if wanted.shipped_at else ""
        return await self._queued(request, command, EventType.CONFIRM_SHIPMENT, str(number), claimed_at=claimed)

    async def change_transport(self, request: Request) -> Reply:
        """PUT: a parcel travels otherwise than was said."""
        number = _number(request.target, "TransportId")
        wanted = _readable(messages.read_change_transport_request(request.body))
        found = await self._read(partial(reads.shipments, retailer=request.caller.party, number=number, count=1))
        lines = [line.id for line, _ in found[0].contents] if found else [NO_LINE]
        command = ChangeParcel(
            order=found[0].row.order_id if found else NO_LINE,
            actor=request.caller.actor,
            parcel=found[0].row.id if found else NO_LINE,
            carrier=wanted.transporter_code,
            tracking_number=wanted.track_and_trace,
            lines=tuple(
                ChangeTransport(
                    line=line,
                    actor=request.caller.actor,
                    carrier=wanted.transporter_code,
                    tracking_number=wanted.track_and_trace,
                )
                for line in lines
            ),
        )
        return await self._queued(request, command, EventType.CHANGE_TRANSPORT, str(int(request.target)))

    # Reading

    async def open_orders(self, request: Request) -> Reply:
        """GET: what is left to ship, newest first; pages of 25 in v2.1, all of it in v2.0."""
        start, count = 0, ORDERS_UNPAGED_MAX
        if request.version is Version.V2_1:
            start, count = (_page(request) - 1) * ORDERS_PER_PAGE, ORDERS_PER_PAGE
        orders = []
        if request.version is Version.V2_0 or _by_retailer(request, "fulfilment-method"):
            orders = await self._read(
                partial(reads.open_orders, retailer=request.caller.party, start=start, count=count)
            )
        return _xml(200, writing.write_orders(map(views.order, orders), request.version))

    async def one_order(self, request: Request) -> Reply:
        """GET: one open order as a list of one; without it, an empty list."""
        orders = []
        if _NUMBER.fullmatch(request.target) and int(request.target) <= NUMBER_MAX:
            number = int(request.target)
            orders = await self._read(
                partial(reads.open_orders, retailer=request.caller.party, start=0, count=1, number=number)
            )
        return _xml(200, writing.write_orders(map(views.order, orders), request.version))

    async def shipments(self, request: Request) -> Reply:
        """GET: what was sent, newest first, ten to a page."""
        name = "fulfilmentmethod" if request.version is Version.V2_0 else "fulfilment-method"
        order = request.query.get("order-id", [""])[0]
        order_number = _number(order, "order-id") if order and request.version is Version.V2_1 else None
        found = []
        if _by_retailer(request, name):
            found = await self._read(
                partial(
                    reads.shipments,
                    retailer=request.caller.party,
                    start=(_page(request) - 1) * SHIPMENTS_PER_PAGE,
                    count=SHIPMENTS_PER_PAGE,
                    order_number=order_number,
                )
            )
        return _xml(200, writing.write_shipments(map(views.shipment, found), request.version))

    async def process_status(self, request: Request) -> Reply:
        """GET: how an earlier call ended, or that it has not yet."""
        row = None
        if _NUMBER.fullmatch(request.target) and int(request.target) <= NUMBER_MAX:
            number = int(request.target)
            row = await self._read(partial(reads.process_status, retailer=request.caller.party, number=number))
        if row is None:
            raise CallError(404, UNKNOWN_PROCESS, "Request contains an invalid process order id")
        status = writing.ProcessStatus(
            id=row.number,
            seller_id=request.caller.party_number,
            entity_id=row.entity_id,
            event_type=EventType(row.event_type),
            status=Status(row.status),
            error_message=row.error_message,
            created_at=row.created_at,
            self_url=self._status_url(row.number),
        )
        return _xml(200, writing.write_process_status(status))

    # How

    async def authenticate(self, scope: Scope) -> Caller:
        """The caller that signed this call.

        Raises:
            CallError: nobody did, or nobody who may.
        """
        raw: bytes = scope.get("raw_path") or scope["path"].encode()
        path = raw.partition(b"?")[0].decode("latin-1")
        if not path.startswith(f"{self._prefix}/"):
            # A proxy took the prefix off again, that some clients sign.
            path = self._prefix + path
        given = await self._keys.caller(
            content_type=header(scope, b"content-type"),
            date=header(scope, b"x-bol-date"),
            authorization=header(scope, b"x-bol-authorization"),
            method=asked_method(scope),
            path=path,
            address=address_of(scope),
        )
        if isinstance(given, Denial):
            raise CallError(401, given.code, given.text)
        if given.kind is not PartyKind.RETAILER:
            raise _problem(Problem.WRONG_PARTY, "Only a retailer can make this call")
        return given

    def check_quota(self, caller: Caller, quota: str) -> None:
        """Count the call.

        Raises:
            CallError: the key has no call left.
        """
        self._throttle.check_call(caller)
        if not self._rates.allows(caller.credential, quota, self._clock()):
            raise _problem(Problem.RATE_LIMITED, "Too many requests")

    async def read_body(self, scope: Scope, receive: limits.Receive) -> bytes:
        """What the call carries, in an encoding that the document itself tells or in UTF-8.

        Raises:
            CallError: it is too large or too slow, or nobody here understands how it is written.
        """
        most = self._settings.body_max_bytes
        try:
            body = await limits.read_body(receive, max_bytes=most, timeout_s=self._settings.body_timeout_s)
            return _understood(scope, body)
        except limits.BodyTooLargeError:
            text = f"Body is larger than allowed, but may not have a value larger than {most} bytes"
            raise _problem(Problem.TOO_LARGE, text) from None
        except limits.BodyTooSlowError:
            raise _problem(Problem.TOO_SLOW, "The body did not arrive in time") from None

    async def _queued(
        self,
        request: Request,
        command: Command,
        event_type: EventType,
        entity_id: str,
        *,
        line_number: int | None = None,
        claimed_at: str = "",
        said: bytes | None = None,
    ) -> Reply:
        """Have the command decided and answer as Plaza does: PENDING, whatever the outcome, with a number to poll."""
        wish = ProcessRequest(
            event_type=event_type.value,
            entity_id=entity_id,
            claimed_at=claimed_at,
        )
        said = request.body if said is None else said
        once = self._signatures.once(request.authorization, said, entity_id, self._clock())
        if once is None:
            raise _used()
        outcome = await self._lanes.submit(
            Call(
                command=command,
                door=DOOR,
                retailer=request.caller.party,
                line_number=line_number,
                process=wish,
                once=once,
            )
        )
        if isinstance(outcome, Refused) and outcome.refusal.kind is RefusalKind.KEY_REUSED:
            raise _used()
        if isinstance(outcome, Failed) or outcome.process is None:
            raise _problem(Problem.UNAVAILABLE, "The database did not answer; nothing is lost, repeat the call")
        status = writing.ProcessStatus(
            id=outcome.process,
            seller_id=request.caller.party_number,
            entity_id=entity_id,
            event_type=event_type,
            status=Status.PENDING,
            created_at=outcome.at,
            self_url=self._status_url(outcome.process),
        )
        return _xml(200, writing.write_process_status(status))

    async def _read(self, question: Callable[..., T]) -> T:
        return await self._database.read(question)

    def _status_url(self, number: int) -> str:
        return f"{self._settings.base_url}{ROOT}/process-status/v2/{number}"


class _Endpoint:
    """The calls of one path as ASGI: who, the verb, the quota, the body."""

    def __init__(self, door: PlazaDoor, operations: dict[str, Operation]) -> None:
        self._door = door
        self._operations = operations
        heads = ("HEAD",) if "GET" in operations else ()
        self._allow = ", ".join(sorted((*operations, *heads))).encode()

    async def __call__(self, scope: Scope, receive: limits.Receive, send: Send) -> None:
        try:
            reply = await self._reply(scope, receive)
        except CallError as error:
            extra = {405: ((b"allow", self._allow),), 503: ((b"retry-after", b"1"),)}.get(error.status, ())
            reply = _error(error, *extra, *error.headers)
        except ThrottledError:
            reply = _error(_problem(Problem.RATE_LIMITED, "Too many requests"))
        except TooBroadError as error:
            reply = _error(_problem(Problem.TOO_BROAD, f"{error} Ask for a page nearer to the first."))
        except UnavailableError:
            away = _problem(Problem.UNAVAILABLE, "The database did not answer; nothing is lost, repeat the call")
            reply = _error(away, (b"retry-after", b"1"))
        except Exception:
            # Like any error of ours it is logged in full; but here even a 500 must be XML, or clients trip over it.
            log.exception("unexpected_error", method=scope["method"], path=scope["path"])
            reply = _error(CallError(500, GENERIC, "Something went wrong here and was logged; try again later"))
        await _send(scope, send, reply)

    async def _reply(self, scope: Scope, receive: limits.Receive) -> Reply:
        caller = await self._door.authenticate(scope)
        operation = self._operations.get(scope["method"])
        if operation is None:
            raise _problem(Problem.METHOD_NOT_ALLOWED, f"Method {scope['method']} is not allowed here")
        self._door.check_quota(caller, operation.quota)
        request = Request(
            caller=caller,
            target=str(scope["path_params"].get("target", "")),
            version=_version(scope),
            query=parse_qs(scope["query_string"].decode("latin-1"), keep_blank_values=True, max_num_fields=None),
            body=await self._door.read_body(scope, receive),
            authorization=header(scope, b"x-bol-authorization") or "",
        )
        return await operation.answer(request)


class _Schema:
    """A schema of the package, for anybody who asks."""

    def __init__(self, name: str) -> None:
        self._reply = _xml(200, files("countermand.wire.bol_plaza").joinpath(name).read_bytes())

    async def __call__(self, scope: Scope, receive: limits.Receive, send: Send) -> None:
        reply = self._reply
        if scope["method"] != "GET":
            problem = _problem(Problem.METHOD_NOT_ALLOWED, f"Method {scope['method']} is not allowed here")
            reply = _error(problem, (b"allow", b"GET, HEAD"))
        await _send(scope, send, reply)


class _NoCall:
    """Whatever else Plaza may have had under its root."""

    async def __call__(self, scope: Scope, receive: limits.Receive, send: Send) -> None:
        await _send(scope, send, _error(_problem(Problem.NOT_FOUND, "There is no such call")))


_NUMBER: Final = re.compile("[0-9]{1,18}")


def _number(text: str, name: str) -> int:
    """A number of bol's; one that is too large to be ours is read as one that nobody has."""
    if not _NUMBER.fullmatch(text):
        raise _problem(Problem.MALFORMED, f"{name} is not a number")
    return min(int(text), NUMBER_MAX)


def _readable(document: T | Unreadable) -> T:
    if isinstance(document, Unreadable):
        raise CallError(400, document.code.value, document.sentence)
    return document


def _understood(scope: Scope, body: bytes) -> bytes:
    if not body:
        return body
    unsupported = unsupported_coding(scope) or unsupported_charset(scope, CHARSETS, "application/xml")
    if unsupported:
        raise _problem(Problem.UNSUPPORTED_MEDIA_TYPE, unsupported.sentence, unsupported.header)
    charset = charset_of(scope)
    return in_utf8(body, charset) if charset else body


def _version(scope: Scope) -> Version:
    accepted = ", ".join(header_values(scope, b"accept")).lower()
    return Version.V2_1 if "-v2.1+xml" in accepted else Version.V2_0


def _page(request: Request) -> int:
    text = request.query.get("page", ["1"])[0] or "1"
    if not re.fullmatch("[0-9]{1,7}", text) or int(text) < 1:
        raise _problem(Problem.MALFORMED, "page is not a number from 1 on")
    return int(text)


def _by_retailer(request: Request, name: str) -> bool:
    """Everything here is fulfilled by the retailer; bol's own warehouse holds nothing."""
    wanted = request.query.get(name, ["FBR"])[0].upper()
    if wanted not in ("FBR", "FBB", "ALL", ""):
        raise _problem(Problem.MALFORMED, f"{name} must be FBR or FBB")
    return wanted != "FBB"


async def refuse_host(scope: Scope, _receive: limits.Receive, send: Send) -> None:
    """Say what is wrong with the Host header."""
    await _send(scope, send, _error(_problem(Problem.MALFORMED, scope["error"])))


def _used() -> CallError:
    denial = Denial.WRONG_SIGNATURE
    return CallError(401, denial.code, f"{denial.text}: it was used for another message; sign again with a new date")


def _problem(problem: Problem, text: str, *headers: tuple[bytes, bytes]) -> CallError:
    status, code = REPLIES[problem].plaza or (500, GENERIC)
    return CallError(status, code, text, *headers)


def _error(error: CallError, *headers: tuple[bytes, bytes]) -> Reply:
    return _xml(error.status, writing.write_service_error(error.code, error.text), *headers)


def _xml(status: int, body: bytes, *headers: tuple[bytes, bytes]) -> Reply:
    return Reply(status=status, body=body, media_type=XML, headers=headers)


async def _send(scope: Scope, send: Send, reply: Reply) -> None:
    # Every GET of Plaza's has a Content-Type and no body; only what nobody sends by design is distrusted.
    if leaves_bytes_unframed(scope) and scope["method"] != "GET":
        reply = replace(reply, headers=(*reply.headers, (b"connection", b"close")))
    await send_reply(send, reply)
