"""Commands about the payments of an order: list them, add one, record a capture."""

from collections.abc import Callable
from functools import partial
from typing import Annotated, Never
from uuid import UUID

from cyclopts import Parameter
from pydantic import ValidationError

from countermand.admin.finding import EVERYTHING
from countermand.cli.inputs import amount
from countermand.cli.orders import DOOR, operator
from countermand.cli.outcomes import accepted
from countermand.cli.output import Exit, fail, print_json, print_table, report, say
from countermand.cli.parties import find_id
from countermand.cli.running import DatabaseFlag, JsonFlag, ask_database, read_settings, what_is_wrong, with_database
from countermand.documents.orders import PaymentIn, payment_of
from countermand.documents.refunds import payments_document
from countermand.domain.money.account import OrderAccount
from countermand.domain.money.amounts import to_minor
from countermand.domain.money.commands import AddPayment, CapturePayment, PaymentCommand
from countermand.domain.money.pricing import Method
from countermand.domain.refusals import Refusal, RefusalKind
from countermand.ids import show
from countermand.reads import refunds
from countermand.road import Application
from countermand.service.calls import Call, Outcome, Refused

OrderId = Annotated[str, Parameter(help="Id of the order")]
Called = Annotated[str, Parameter(name="--id", help="Id of the payment in the order")]


def payment_list(order: OrderId, *, database: DatabaseFlag = None, json: JsonFlag = False) -> None:
    """List the payments of an order, and what is left to pay."""
    question = partial(refunds.account_by_order, scope=EVERYTHING, order=find_id("ord", order))
    found = ask_database(read_settings(database=database), question)
    if isinstance(found, Refusal):
        _refuse(found)
    document = payments_document(found)
    if json:
        print_json(document)
        return
    columns = ("id", "provider", "reference", "captured", "authorised", "refunded", "released")
    rows = [tuple(each[name] for name in columns) for each in document["payments"]]
    print_table(tuple(name.capitalize() for name in columns), rows, empty="There are no payments.")
    say(f"Of {document['total']} {document['currency']}, {document['left_to_pay']} is left to pay.")


def payment_add(
    order: OrderId,
    *,
    called: Called,
    captured: Annotated[str, Parameter(help="Amount that was captured")] = "0",
    authorised: Annotated[str, Parameter(help="Amount that is reserved and not captured")] = "0",
    provider: Annotated[str, Parameter(help="The payment provider")] = "manual",
    reference: Annotated[str, Parameter(help="The provider's id of the payment")] = "",
    method: Annotated[Method, Parameter(help="What the customer paid with")] = Method.CARD,
    database: DatabaseFlag = None,
    json: JsonFlag = False,
) -> None:
    """Add a payment to an order that was placed before."""
    given = {
        "id": called,
        "captured": amount(captured),
        "authorised": amount(authorised),
        "provider": provider,
        "reference": reference,
        "method": method,
    }
    try:
        payment = PaymentIn.model_validate(given)
    except ValidationError as error:
        fail(Exit.USAGE, "bad_payment", "; ".join(what_is_wrong(error)))

    def command(id: UUID, account: OrderAccount) -> PaymentCommand:  # noqa: A002
        return AddPayment(order=id, actor=operator(), payment=payment_of(payment, account.money.currency, called))

    _do(order, database, command, "The payment is added.", json=json)


def payment_capture(
    order: OrderId,
    *,
    called: Called,
    captured: Annotated[str, Parameter(help="Amount that has been captured in all")],
    database: DatabaseFlag = None,
    json: JsonFlag = False,
) -> None:
    """Record how much of a payment has been captured in all."""
    given = amount(captured)

    def command(id: UUID, account: OrderAccount) -> PaymentCommand:  # noqa: A002
        minor = to_minor(given, account.money.currency)
        return CapturePayment(order=id, actor=operator(), payment=called, captured_minor=minor)

    _do(order, database, command, "The capture is recorded.", json=json)


def _do(
    text: str, database: str | None, make: Callable[[UUID, OrderAccount], PaymentCommand], done: str, *, json: bool
) -> None:
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

    outcome = with_database(read_settings(database=database), work)
    if isinstance(outcome, Refused):
        _refuse(outcome.refusal)
    accepted(outcome)
    report(done, json=json, order=show("ord", order))


def _refuse(refusal: Refusal) -> Never:
    unknown = refusal.kind in (RefusalKind.UNKNOWN_ORDER, RefusalKind.UNKNOWN_PAYMENT)
    fail(Exit.NOT_FOUND if unknown else Exit.REFUSED, refusal.kind.value, refusal.detail)
