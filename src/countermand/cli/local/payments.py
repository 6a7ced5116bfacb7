"""Payments of the orders of a database."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Never
from uuid import UUID

from pydantic import ValidationError

from countermand.admin.finding import EVERYTHING
from countermand.cli.inputs import amount
from countermand.cli.nouns import Document
from countermand.cli.orders import DOOR, operator
from countermand.cli.outcomes import accepted
from countermand.cli.output import Exit, fail
from countermand.cli.parties import find_id
from countermand.cli.running import ask_database, read_settings, what_is_wrong, with_database
from countermand.documents.orders import PaymentIn, payment_of
from countermand.documents.refunds import payments_document
from countermand.domain.money.account import OrderAccount
from countermand.domain.money.amounts import to_minor
from countermand.domain.money.commands import AddPayment, CapturePayment, PaymentCommand
from countermand.domain.refusals import Refusal, RefusalKind
from countermand.ids import show
from countermand.reads import refunds
from countermand.road import Application
from countermand.service.calls import Call, Outcome, Refused


class LocalPayments:
    """Payments, read from the database and put to its rules."""

    def __init__(self, database: str | None) -> None:
        self._settings = read_settings(database=database)

    def of(self, order: str) -> Document:
        """All of an order."""
        question = partial(refunds.account_by_order, scope=EVERYTHING, order=find_id("ord", order))
        found = ask_database(self._settings, question)
        if isinstance(found, Refusal):
            _refuse(found)
        return payments_document(found)

    def add(self, order: str, payment: Mapping[str, Any]) -> str:
        """Add one."""
        amounts = {name: amount(payment[name]) for name in ("captured", "authorised")}
        try:
            given = PaymentIn.model_validate({**payment, **amounts})
        except ValidationError as error:
            fail(Exit.USAGE, "bad_payment", "; ".join(what_is_wrong(error)))

        def command(id: UUID, account: OrderAccount) -> PaymentCommand:  # noqa: A002
            added = payment_of(given, account.money.currency, payment["id"])
            return AddPayment(order=id, actor=operator(), payment=added)

        return self._do(order, command)

    def capture(self, order: str, payment: str, captured: str) -> str:
        """Record how much of one was captured."""
        given = amount(captured)

        def command(id: UUID, account: OrderAccount) -> PaymentCommand:  # noqa: A002
            minor = to_minor(given, account.money.currency)
            return CapturePayment(order=id, actor=operator(), payment=payment, captured_minor=minor)

        return self._do(order, command)

    def _do(self, text: str, make: Callable[[UUID, OrderAccount], PaymentCommand]) -> str:
        order = find_id("ord", text)

        async def work(application: Application) -> Outcome:
            account = await application.database.read(partial(refunds.account_by_order, scope=EVERYTHING, order=order))
            if isinstance(account, Refusal):
                _refuse(account)
            try:
                command = make(order, account)
            except ValueError as error:
                fail(Exit.USAGE, "bad_payment", f"{error}.")
            return await application.lanes.submit(Call(command=command, door=DOOR, retailer=account.retailer))

        outcome = with_database(self._settings, work)
        if isinstance(outcome, Refused):
            _refuse(outcome.refusal)
        accepted(outcome)
        return show("ord", order)


def _refuse(refusal: Refusal) -> Never:
    unknown = refusal.kind in (RefusalKind.UNKNOWN_ORDER, RefusalKind.UNKNOWN_PAYMENT)
    fail(Exit.NOT_FOUND if unknown else Exit.REFUSED, refusal.kind.value, refusal.detail)
