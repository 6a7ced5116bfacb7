"""What all adapters have in common: no method raises, and where money may have moved, the provider is asked."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Coroutine, Sequence
from datetime import timedelta
from typing import Any, ClassVar

from countermand.outlets.http.client import NoAnswerError
from countermand.payments.answers import Document, UnreadableError
from countermand.payments.client import (
    Api,
    ProviderRefund,
    Reply,
    answer_or_none,
    listed_or_none,
    result_from_list,
    result_of,
    unknown,
    unsent,
)
from countermand.payments.provider import ListedRefund, Movement, ProviderPayment, ProviderResult, RefundRequest


class Adapter(ABC):
    """A provider's API behind ``Provider``. Closing one closes the connections of its ``api``."""

    called: ClassVar[str]
    """What people call the provider."""
    equal_refunds_apart: timedelta | None = None
    """For how long it takes no second refund of the same amount on one payment; ``None`` if it always does."""

    def __init__(self, api: Api) -> None:
        self._api = api

    async def refund(self, request: RefundRequest) -> ProviderResult:
        """Send captured money back."""
        return await result_of(self._refund(request))

    async def release(self, request: RefundRequest) -> ProviderResult:
        """Release money that was authorised and not captured: all that is left of it, or nothing."""
        return await result_of(self._release(request))

    async def find(self, request: RefundRequest) -> ProviderResult:
        """The result of an earlier request, found by its reference.

        A release leaves no trace except the state of its payment. It counts as absent and can safely be sent again.
        """
        return await result_of(self._find(request))

    async def find_payment(self, payment: str) -> ProviderPayment | ProviderResult:
        """The payment as the provider shows it; or why the provider could not be asked."""
        return await result_of(self._find_payment(payment))

    async def list_refunds(self, payment: str) -> Sequence[ListedRefund] | None:
        """All refunds of a payment, newest first."""
        return await listed_or_none(self._held(payment))

    async def captured(self, payment: str) -> int | None:
        """How much of a payment was captured, in minor units of its currency."""
        return await answer_or_none(self._captured(payment))

    async def close(self) -> None:
        """Close the connections."""
        await self._api.close()

    @abstractmethod
    async def _refund(self, request: RefundRequest) -> ProviderResult: ...

    @abstractmethod
    async def _release(self, request: RefundRequest) -> ProviderResult: ...

    @abstractmethod
    async def _find_payment(self, payment: str) -> ProviderPayment | ProviderResult:
        """The payment.

        Raises:
            NoAnswerError: no answer came.
            UnreadableError: what came is no payment.
        """

    @abstractmethod
    async def _held(self, payment: str) -> list[ProviderRefund]:
        """The refunds of a payment.

        Raises:
            NoAnswerError: no answer came.
            UnreadableError: the provider does not say, or says too much.
        """

    @abstractmethod
    async def _payment(self, payment: str) -> Reply:
        """The payment as the provider shows it, or why it does not."""

    @abstractmethod
    async def _captured(self, payment: str) -> int:
        """How much of a payment was captured.

        Raises:
            NoAnswerError: no answer came.
            UnreadableError: the provider does not say.
        """

    @abstractmethod
    async def _not_sent(self, request: RefundRequest, reply: Reply) -> ProviderResult:
        """The result if the provider answers with something else than a refund."""

    async def _sent(
        self, request: RefundRequest, call: Coroutine[Any, Any, Reply], read: Callable[[Document, str], ProviderRefund]
    ) -> ProviderResult:
        """The result of the call that sends a refund; ``read`` reads the refund in the answer."""
        try:
            reply = await call
            if reply.done:
                result = read(reply.document, request.payment).result_for(request.payment)
                # A replayed answer is as old as the key: the refund may have failed since.
                return await self._or_found(request, result) if reply.replayed else result
        except NoAnswerError as error:
            return unsent(error)
        except UnreadableError as error:
            return await self._or_found(request, unknown(error))
        return await self._not_sent(request, reply)

    async def _find(self, request: RefundRequest) -> ProviderResult:
        found = result_from_list(self.called, await self._held(request.payment), request)
        if found.movement is not Movement.ABSENT:
            return found
        # The account may not have the payment at all, for example with the API key of another account.
        reply = await self._payment(request.payment)
        return found if reply.done else unknown(f"{self.called} does not show the payment {request.payment}.")

    async def _or_found(self, request: RefundRequest, otherwise: ProviderResult) -> ProviderResult:
        """The refund with this reference, if the provider has it; it may have it though the answer says otherwise."""
        found = await self.find(request)
        return found if found.provider_id or found.movement is Movement.UNKNOWN else otherwise
