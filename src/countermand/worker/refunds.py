"""Refunds on their way: write down the intent, call the provider, settle what it said.

The intent is committed before the call, with the key that the provider recognises a repeated request by. Whatever ends
the process between the steps leaves the refund to be taken up again, with the same key: money moves once.
"""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial
from itertools import groupby
from typing import Final
from uuid import UUID

import structlog

from countermand.admin.accounts import PLATFORM
from countermand.domain.money.amounts import write_minor
from countermand.domain.money.commands import (
    Fellow,
    Movement,
    RefundCommand,
    RetryRefund,
    SendRefund,
    SettleRefund,
    WaitingFor,
)
from countermand.domain.money.provider_results import must_ask_first
from countermand.domain.money.refunds import Refund, RefundKind, RefundState
from countermand.domain.money.shared_calls import Recent, after_intent, fellows_of, is_whole, wait_for_equal
from countermand.domain.parties import Actor, PartyKind
from countermand.ids import Clock, read, show
from countermand.payments.provider import ListedRefund, Notified, Provider, ProviderResult, RefundRequest
from countermand.service.calls import Call, Done
from countermand.service.lanes import Lanes
from countermand.store import refunds
from countermand.store.codecs import refund_of
from countermand.store.columns import Record
from countermand.store.engines.protocol import Database
from countermand.store.refunds import At, Mark
from countermand.worker.leases import Partitions
from countermand.worker.merging import Merging
from countermand.worker.pace import Rests, StalledError, Streak

DOOR: Final = "worker"
ACTOR: Final = Actor(party=PLATFORM, kind=PartyKind.PLATFORM, name="refund worker")
BATCH_MAX: Final = 500
CHECKS_MAX: Final = 200
AT_ONCE: Final = 32
"""So many refunds of one provider are seen to at once."""
JOINED_MAX: Final = 500
"""So many refunds share one call at most."""
FOLLOWED_MAX: Final = 32
"""So many webhooks of one provider are looked into at once; others have to come again."""
FOLLOW_S: Final = 10.0
"""How long a webhook may take. Providers wait for 15 seconds or so."""

_STANDING: Final = frozenset({Movement.CONFIRMED, Movement.ACCEPTED})
_WORDS: Final = frozenset({Movement.CONFIRMED, Movement.REFUSED, Movement.ACCEPTED})

log = structlog.get_logger()

Question = Callable[..., Sequence[Record]]
Act = Callable[[Record], Awaitable[bool]]
"""What is done about one refund. Whether it got on: the road took what became of it."""


class Refunds:
    """Settles refunds of this worker's partitions.

    Who owns a partition only spares work. Two workers that took up the same refund have the rules decide who calls:
    the intent of one of them comes first, and the other's is refused.
    """

    def __init__(
        self,
        database: Database,
        lanes: Lanes,
        providers: Mapping[str, Provider],
        clock: Clock,
        partitions: Partitions,
        *,
        at_once: int = AT_ONCE,
        watch_for: timedelta = timedelta(0),
    ) -> None:
        self._database = database
        self._lanes = lanes
        self._providers = providers
        self._clock = clock
        self._partitions = partitions
        self._watch_for = watch_for
        self.groups = (
            *(At(provider=name) for name in sorted(providers)),
            At(provider=None, others=tuple(sorted(providers))),
        )
        """The refunds of each provider, and those of none that is set up: no group waits for another."""
        self._places = {at: asyncio.Semaphore(at_once) for at in self.groups}
        self._following: Counter[str] = Counter()
        self._hearing = Merging()
        self._rests = Rests(clock)

    async def settle(self) -> int:
        """Do what is to be done about at most 500 refunds of each provider that are due. Returns how many."""
        return sum(await asyncio.gather(*(self._settle(at) for at in self.groups)))

    async def _settle(self, at: At) -> int:
        due = await self._ours(refunds.due_refunds, at, BATCH_MAX, self._clock())
        # What fails stays as it is and is taken up again; the others go on.
        await self._each(due, at, self._settle_one, "refund_failed", Streak())
        return len(due)

    async def settle_all(self, at: At) -> None:
        """Each of this group that is due by now, once.

        Raises:
            StalledError: they fail one after the other.
        """
        await self._through(refunds.due_refunds, at, BATCH_MAX, self._settle_one, "refund_failed")

    async def follow(self, provider: str, notified: Sequence[Notified]) -> bool:
        """News, says a webhook: ask what it is. Whether the provider's word on all of it is written down by now.

        If it is not, the news has to come again: a refund that failed after it was confirmed is asked about only once a
        day, and not for ever.
        """
        if self._following[provider] >= FOLLOWED_MAX:
            return False
        self._following[provider] += 1
        try:
            async with asyncio.timeout(FOLLOW_S):
                return all([await self._follow(provider, each) for each in notified])
        except TimeoutError:
            return False
        finally:
            self._following[provider] -= 1

    async def _follow(self, provider: str, notified: Notified) -> bool:
        rows = await self._database.read(
            partial(
                refunds.refunds_hinted_at,
                provider=provider,
                refund=read("rfd", notified.reference.partition("-")[0]),
                payment=notified.payment,
            )
        )
        # What several share is asked about once, and all of them hear it.
        calls = {refund_of(row).key: row for row in reversed(rows) if not row.moved_minor}
        some = [row for row in rows if row.moved_minor or calls[refund_of(row).key] is row]
        return all([await self._hearing.do(row.id, partial(self.hear, row)) for row in some])

    async def hear(self, row: Record) -> bool:
        """Something happened to this refund, says its provider: ask what, believe that, and write it down if it can."""
        provider = self._providers.get(row.provider)
        if provider is None:
            return True
        refund = refund_of(row)
        told = await provider.find(request_for(refund))
        earlier = await self._earlier(refund, provider)
        fellows = await self._sharing(row.retailer_id, refund)
        # A webhook may overtake the answer to the call that it is about, which then counts as well.
        if told.movement not in _WORDS and earlier is None:
            return told.movement is not Movement.UNKNOWN
        # The rules refuse it if another call was begun meanwhile; what that one brings may be older than this word.
        return await self._heard(row.retailer_id, refund, told, fellows=fellows, earlier_minor=earlier)

    async def check(self) -> int:
        """Ask again about at most 200 refunds of each provider that are done or parked.

        Returns about how many it wrote down an answer. A webhook may never arrive: what failed days later, and what
        somebody refunded by hand, is found here.
        """
        return sum(await asyncio.gather(*(self._check(at) for at in self.groups)))

    async def _check(self, at: At) -> int:
        rows = await self._ours(refunds.refunds_to_check, at, CHECKS_MAX, self._clock())
        return await self._each(rows, at, self._check_one, "refund_not_checked", Streak())

    async def check_all(self, at: At) -> None:
        """Each of this group that is to be asked about by now, once.

        Raises:
            StalledError: they fail one after the other.
        """
        await self._through(refunds.refunds_to_check, at, CHECKS_MAX, self._check_one, "refund_not_checked")

    async def _ours(
        self, question: Question, at: At, limit: int, now: datetime, after: Mark | None = None
    ) -> Sequence[Record]:
        """What a question finds in this worker's partitions."""
        owned = self._partitions.owned
        if not owned:
            return ()
        return await self._database.read(partial(question, now=now, limit=limit, partitions=owned, at=at, after=after))

    async def _through(self, question: Question, at: At, limit: int, act: Act, failed: str) -> None:
        """Act once on each refund that a question finds, however many; what becomes due meanwhile is left."""
        now, after, streak = self._clock(), None, Streak()
        while not streak.broken and (rows := await self._ours(question, at, limit, now, after)):
            await self._each(rows, at, act, failed, streak)
            after = rows[-1].at, rows[-1].id
            if len(rows) < limit:
                break
        if streak.broken or streak.in_vain:
            raise StalledError(f"What becomes of refunds cannot be written down ({failed}).")

    async def _each(self, rows: Sequence[Record], at: At, act: Act, failed: str, streak: Streak) -> int:
        """Act on every refund that does not rest. Returns on how many; what ``act`` raises is logged as ``failed``.

        Those of one payment come one after the other: each counts what others refunded, less what was counted before.
        """

        async def act_on(refunds: Sequence[Record]) -> int:
            done = 0
            for row in refunds:
                async with self._places[at]:
                    if not streak.broken:
                        done += await self._try(row, act, failed, streak)
            return done

        awake = self._rests.awake(rows, _id_of)
        by_payment = groupby(sorted(awake, key=_payment_of), key=_payment_of)
        return sum(await asyncio.gather(*(act_on(list(each)) for _, each in by_payment)))

    async def _try(self, row: Record, act: Act, failed: str, streak: Streak) -> bool:
        got_on = False
        try:
            got_on = await act(row)
        except Exception:
            log.exception(failed, refund=show("rfd", row.id))
        streak.note(got_on=got_on)
        (self._rests.went_on if got_on else self._rests.failed)(row.id)
        return got_on

    async def _check_one(self, row: Record) -> bool:
        refund, provider = refund_of(row), self._providers.get(row.provider)
        if provider is None:
            return await self._heard(row.retailer_id, refund, _not_set_up(refund))
        if refund.no_provider:
            again = RetryRefund(line=refund.line, refund=refund.id, actor=ACTOR, note="")
            return await self._submit(row.retailer_id, again)
        told = await provider.find(request_for(refund))
        earlier = await self._earlier(refund, provider)
        found = await self._uncounted(row.retailer_id, refund, provider)
        if told.movement is Movement.CONFIRMED and found:
            besides = f"{write_minor(found, refund.currency)} {refund.currency}"
            told = replace(told, result=f"{told.result} Besides, {besides} was refunded there by hand.")
        return await self._heard(row.retailer_id, refund, told, elsewhere_minor=found or 0, earlier_minor=earlier)

    async def _settle_one(self, row: Record) -> bool:
        provider = self._providers.get(row.provider)
        if provider is None:
            refund = refund_of(row)
            return await self._heard(row.retailer_id, refund, _not_set_up(refund))
        group = await self._group(row, provider)
        if not group:
            return True
        refund, *fellows = group
        whole = not refund.shared or is_whole(group)
        if not whole or must_ask_first(refund, self._clock(), provider.key_lifetime):
            told = await provider.find(request_for(refund))
            return await self._heard(row.retailer_id, refund, told, fellows=fellows, incomplete=not whole)
        if not refund.attempts and (foreign := await self._foreign(row.retailer_id, refund, provider)):
            return await self._heard(row.retailer_id, refund, foreign)
        if not refund.unsent or refund.kind is RefundKind.RELEASE:
            return await self._send(row.retailer_id, group, provider)
        return await self._send_first(row.retailer_id, group, provider)

    async def _group(self, row: Record, provider: Provider) -> Sequence[Refund]:
        """A refund, then those that share its call or may do so; nothing if it has been seen to with another one."""
        refund = refund_of(row)
        if provider.equal_refunds_apart is None and not refund.shared:
            return [refund]
        beside = await self._beside(row.retailer_id, refund)
        [now] = [each for each in beside if each.id == refund.id] or [refund]
        if now.due_at is None or now.due_at > self._clock():
            return []
        fellows = fellows_of(now, beside)
        return [now, *(fellows if now.shared else fellows[: JOINED_MAX - 1])]

    async def _sharing(self, retailer: UUID, refund: Refund) -> Sequence[Refund]:
        """Those that share its call now."""
        return fellows_of(refund, await self._beside(retailer, refund)) if refund.shared else ()

    async def _beside(self, retailer: UUID, refund: Refund) -> Sequence[Refund]:
        rows = await self._database.read(partial(refunds.refunds_beside, retailer=retailer, refund=refund))
        return [refund_of(row) for row in rows]

    async def _send_first(self, retailer: UUID, group: Sequence[Refund], provider: Provider) -> bool:
        """Send what was not sent under its present key, unless the payment or the provider is a reason not to."""
        refund = group[0]
        held = await provider.list_refunds(refund.payment_reference)
        if held is None:
            return await self._heard(retailer, refund, _silent(provider, "what was refunded before"))
        told = await self._why_not(group, held, provider)
        if told and len(group) > 1:
            # Together they are too much for what is left, so each is looked at for itself.
            group = group[:1]
            told = await self._why_not(group, held, provider)
        told = told or self._wait(group, held, provider)
        if told:
            return await self._heard(retailer, refund, told, fellows=group[1:])
        return await self._send(retailer, group, provider)

    def _wait(self, group: Sequence[Refund], held: Sequence[ListedRefund], provider: Provider) -> ProviderResult | None:
        if provider.equal_refunds_apart is None:
            return None
        recent = [
            Recent(amount_minor=each.amount_minor, made_at=each.made_at)
            for each in held
            if each.made_at and each.movement is not Movement.REFUSED and each.currency == group[0].currency
        ]
        wait = wait_for_equal(group, recent, provider.equal_refunds_apart, self._clock())
        if not wait:
            return None
        sentence = f"Waiting: {provider.name} takes no second refund of the same amount within an hour."
        return ProviderResult(
            movement=Movement.LATER,
            result=sentence,
            retry_after_s=wait.total_seconds(),
            waiting_for=WaitingFor.EQUAL_REFUND,
        )

    async def _foreign(self, retailer: UUID, refund: Refund, provider: Provider) -> ProviderResult | None:
        """Why a payment is not one that this retailer gives back, or why nobody can tell yet. Nothing is sent then."""
        seen = await provider.find_payment(refund.payment_reference)
        if isinstance(seen, ProviderResult):
            return replace(seen, movement=Movement.LATER)
        names = {refund.payment_reference, *seen.names}
        home = await self._database.read(partial(refunds.whose, provider=refund.provider, names=names))
        if home not in (None, retailer) or (seen.retailer and read("pty", seen.retailer) != retailer):
            sentence = f"The payment {refund.payment_reference} belongs to another retailer. Nothing was sent."
            return ProviderResult(movement=Movement.REFUSED, result=sentence)
        if seen.currency not in ("", refund.currency):
            sentence = f"The payment is in {seen.currency} and the refund in {refund.currency}. Nothing was sent."
            return ProviderResult(movement=Movement.REFUSED, result=sentence)
        return None

    async def _why_not(
        self, group: Sequence[Refund], held: Sequence[ListedRefund], provider: Provider
    ) -> ProviderResult | None:
        """Why refunds are not sent now, if there is a reason: of their payment, so much is not left (EC-60).

        What somebody refunded there by hand may have been for anything. Only where too little is left, a part of it
        must have been for what is owed here, and a person says how much.
        """
        refund, wanted = group[0], sum(each.rest_minor for each in group)
        standing = [each for each in held if each.movement in _STANDING and each.currency == refund.currency]
        outside = sum(each.amount_minor for each in standing if not each.reference)
        if not outside:
            return None
        captured = await provider.captured(refund.payment_reference)
        if captured is None:
            return _silent(provider, "what was captured")
        left = max(0, captured - sum(each.amount_minor for each in standing))
        return _conflict(refund, outside, left) if left < wanted else None

    async def _send(self, retailer: UUID, group: Sequence[Refund], provider: Provider) -> bool:
        refund, *fellows = group
        intent = SendRefund(
            line=refund.line, refund=refund.id, actor=ACTOR, attempts=refund.attempts, fellows=_named(fellows)
        )
        if not await self._submit(retailer, intent):
            return False
        sent = after_intent(group)
        request = request_for(sent[0])
        if refund.kind is RefundKind.RELEASE:
            before = await self._database.read(partial(refunds.released_before, retailer=retailer, refund=refund))
            told = await provider.release(replace(request, before_minor=before))
        else:
            told = await provider.refund(request)
        return await self._heard(retailer, sent[0], told, fellows=sent[1:])

    async def _earlier(self, refund: Refund, provider: Provider) -> int | None:
        """What stands at the provider of calls before the present key; ``None`` if that need not be known."""
        held = await provider.list_refunds(refund.payment_reference) if refund.moved_minor else None
        if held is None:
            return None
        shared = refund.joined
        rounds = [number for number in range(1, refund.round) if not shared or number != shared.round]
        worth: dict[str, int | None] = {_reference(refund.id, number): None for number in rounds}
        if shared and not refund.shared:
            worth[_reference(shared.lead, shared.number)] = shared.share_minor
        standing = [each for each in held if each.reference in worth and each.movement is not Movement.REFUSED]
        shares = [(each.amount_minor, worth[each.reference]) for each in standing]
        return sum(amount if share is None else share for amount, share in shares)

    async def _uncounted(self, retailer: UUID, refund: Refund, provider: Provider) -> int | None:
        """How much others refunded of its payment that no refund of ours counted; ``None``: the provider is silent.

        Of a parked refund only what it can be is told: made since it is parked, and no more than is owed.
        """
        held = await provider.list_refunds(refund.payment_reference)
        if held is None:
            return None
        others = [each for each in held if not each.reference and each.movement in _STANDING]
        others = [each for each in others if each.currency == refund.currency]
        if not others:
            return 0
        counted = await self._database.read(
            partial(
                refunds.counted_elsewhere,
                retailer=retailer,
                provider=refund.provider,
                payment=refund.payment_reference,
            )
        )
        uncounted = max(0, sum(each.amount_minor for each in others) - counted)
        if refund.state is RefundState.PARKED:
            return min(uncounted, _meant_for(refund, others))
        return uncounted

    async def _heard(
        self,
        retailer: UUID,
        refund: Refund,
        told: ProviderResult,
        *,
        fellows: Sequence[Refund] = (),
        incomplete: bool = False,
        elsewhere_minor: int = 0,
        earlier_minor: int | None = None,
    ) -> bool:
        """Write down what the provider said when so many calls had been begun."""
        command = SettleRefund(
            line=refund.line,
            refund=refund.id,
            actor=ACTOR,
            attempts=refund.attempts,
            movement=told.movement,
            result=told.result,
            provider_reference=told.provider_id,
            amount_minor=told.amount_minor,
            currency=told.currency,
            retry_after_s=told.retry_after_s,
            spent=told.spent,
            needs_person=told.needs_person,
            no_provider=refund.provider not in self._providers,
            captured_minor=told.captured_minor,
            waiting_for=told.waiting_for,
            elsewhere_minor=elsewhere_minor,
            earlier_minor=earlier_minor,
            watch_for=self._watch_for,
            fellows=_named(fellows),
            incomplete=incomplete,
        )
        return await self._submit(retailer, command)

    async def _submit(self, retailer: UUID, command: RefundCommand) -> bool:
        """Whether the road took it. What it did not take is taken up again when it is due."""
        return isinstance(await self._lanes.submit(Call(command=command, door=DOOR, retailer=retailer)), Done)


def request_for(refund: Refund) -> RefundRequest:
    """What to ask the provider for. Each round has its own reference, so that an old failure is not found again."""
    return RefundRequest(
        key=refund.key,
        reference=_reference(*refund.call),
        payment=refund.payment_reference,
        amount_minor=refund.requested_minor,
        currency=refund.currency,
    )


def _named(fellows: Sequence[Refund]) -> tuple[Fellow, ...]:
    return tuple(Fellow(line=each.line, refund=each.id, attempts=each.attempts) for each in fellows)


def _reference(refund: UUID, number: int) -> str:
    reference = show("rfd", refund)
    return reference if number == 1 else f"{reference}-{number}"


def _not_set_up(refund: Refund) -> ProviderResult:
    """Nobody was asked, so nobody refused: whatever was sent before may have moved."""
    result = f"No provider {refund.provider} is set up here."
    return ProviderResult(movement=Movement.UNKNOWN, result=result, needs_person=True)


def _silent(provider: Provider, of: str) -> ProviderResult:
    return ProviderResult(movement=Movement.LATER, result=f"{provider.name} does not say {of}.")


def _conflict(refund: Refund, outside: int, left: int) -> ProviderResult:
    def amount(minor: int) -> str:
        return f"{write_minor(minor, refund.currency)} {refund.currency}"

    result = (
        f"{amount(outside)} of the payment was refunded at {refund.provider} by hand, and {amount(left)} of it is left,"
        f" which is less than {amount(refund.rest_minor)}. Say how much of that was for this refund: correct it."
    )
    return ProviderResult(movement=Movement.LATER, result=result, needs_person=True)


def _meant_for(refund: Refund, others: Sequence[ListedRefund]) -> int:
    """How much more of what others refunded can be this parked refund: made since it is parked, and not above it."""
    meant, most = 0, refund.elsewhere_minor + refund.rest_minor
    for each in others:
        since = each.made_at and refund.parked_at and each.made_at >= refund.parked_at
        if since and meant + each.amount_minor <= most:
            meant += each.amount_minor
    return max(0, meant - refund.elsewhere_minor)


def _payment_of(row: Record) -> tuple[str, str, str]:
    return str(row.retailer_id), row.provider, row.payment_reference


def _id_of(row: Record) -> UUID:
    id: UUID = row.id  # noqa: A001 - a refund's id is its id
    return id
