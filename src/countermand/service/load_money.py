"""Loads the money that deciding a batch needs: refunds, payments, and the accounts of orders, under their locks."""

from collections.abc import Sequence
from typing import Final
from uuid import UUID

from sqlalchemy import Connection

from countermand.domain.commands import (
    AskCancellation,
    AskLines,
    CancelOrder,
    ChangeParcel,
    Command,
    DeclineCancellation,
    NoteCancellation,
    Ship,
    ShipOrder,
    WithdrawCancellation,
)
from countermand.domain.line import Line
from countermand.domain.money.commands import (
    AddPayment,
    CapturePayment,
    Fellow,
    RefundCommand,
    SendRefund,
    SettleRefund,
)
from countermand.domain.money.payments import names_of
from countermand.domain.money.pricing import Payment
from countermand.domain.money.refunds import RefundKind
from countermand.domain.orders import PlaceOrder
from countermand.service.calls import Call
from countermand.service.workspace import Workspace
from countermand.store import statements as sql
from countermand.store.codecs import refund_of
from countermand.store.money import account_of

SharesCall = SendRefund | SettleRefund
"""Commands about a refund, and about those that share its call."""


def load_money(connection: Connection, calls: Sequence[Call], work: Workspace) -> None:
    """Read the refunds and the payments that these calls name."""
    _load_refunds(connection, calls, work)
    _load_homes(connection, calls, work)


def _load_refunds(connection: Connection, calls: Sequence[Call], work: Workspace) -> None:
    commands = [call.command for call in calls if isinstance(call.command, RefundCommand)]
    named = {(each.line, each.refund) for command in commands for each in (command, *_fellows_of(command))}
    wanted = sorted({(work.lines[line].retailer, refund) for line, refund in named if line in work.lines})
    if wanted:
        for row in connection.execute(sql.REFUNDS, {"refunds": wanted}):
            work.refunds[row.id] = refund_of(row)


def _load_homes(connection: Connection, calls: Sequence[Call], work: Workspace) -> None:
    payments = [payment for call in calls for payment in _payments_named(call.command)]
    if payments and (named := names_of(payments)):
        providers, references = (sorted(set(each)) for each in zip(*named, strict=True))
        for row in connection.execute(sql.RETAILERS_OF_PAYMENTS, {"providers": providers, "references": references}):
            work.homes[row.provider, row.reference] = row.retailer_id


def _payments_named(command: Command | PlaceOrder) -> Sequence[Payment]:
    if isinstance(command, AddPayment):
        return (command.payment,)
    return command.money.payments if isinstance(command, PlaceOrder) and command.money else ()


def load_accounts(connection: Connection, work: Workspace) -> None:
    """Lock the accounts of orders that may change. If another one has to change, the batch starts again with it."""
    orders, captured = set(work.more.money), set[tuple[UUID, UUID]]()
    for call in work.calls:
        for line in (work.lines[each] for each in work.lines_of(call.command)):
            if line.id in work.priced and _may_move_money(work, line, call.command):
                orders.add((line.retailer, line.order))
                if isinstance(call.command, CapturePayment):
                    captured.add((line.retailer, line.order))
    if orders:
        # Cancellations of other lines of the order wait here, since a discount or a payment is shared by all.
        for row in connection.execute(sql.LOCK_MONEY, {"orders": sorted(orders)}):
            work.accounts[row.id] = account_of(dict(row._mapping))
    if captured:
        for row in connection.execute(sql.RELEASES, {"orders": sorted(captured)}):
            work.refunds.setdefault(row.id, refund_of(row))
            work.releases.setdefault(row.order_id, []).append(row.id)


_MoveNoMoney: Final = DeclineCancellation | WithdrawCancellation | NoteCancellation | Ship | ShipOrder | ChangeParcel


def _may_move_money(work: Workspace, line: Line, command: Command | PlaceOrder) -> bool:
    """Whether a command may cancel units, or change a payment or a release. A deadline may pass before it."""
    if any(ask.is_overdue(work.now) for ask in line.asks):
        return True
    if isinstance(command, AskCancellation | AskLines | CancelOrder):
        return line.retailer_decides or work.lane.agreements.policy(line).free_window_s > 0
    if isinstance(command, RefundCommand):
        named = [work.refunds.get(each.refund) for each in (command, *_fellows_of(command))]
        return any(refund and refund.kind is RefundKind.RELEASE for refund in named)
    return not isinstance(command, _MoveNoMoney)


def _fellows_of(command: Command | PlaceOrder) -> Sequence[Fellow]:
    return command.fellows if isinstance(command, SharesCall) else ()
