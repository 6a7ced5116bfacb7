"""Sends refunds: save the intent, call the provider, save the result.

The intent is committed before the call, with the key by which the provider recognises a repeated request. If the
process ends between these steps, the refund is taken up again with the same key. So money moves once.
"""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial
from itertools import groupby
from typing import Any, Final
from uuid import UUID

import structlog

from countermand.admin.callers import PLATFORM
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
from countermand.observability import metrics, tracing
from countermand.payments.provider import ListedRefund, Notified, Provider, ProviderResult, RefundRequest
from countermand.service.calls import Call, Done
from countermand.service.lanes import Lanes
from countermand.store import refunds
from countermand.store.codecs import refund_of
from countermand.store.engines.protocol import Database
from countermand.store.refunds import Mark, ProviderGroup, RefundAt
from countermand.store.restored import oldest_restore
from countermand.store.views import RefundRow
from countermand.worker.after_restore import for_a_person, reference, seen_of
from countermand.worker.leases import Partitions
from countermand.worker.merging import Merging
from countermand.worker.pace import Rests, StalledError, Streak

DOOR: Final = "worker"
ACTOR: Final = Actor(party=PLATFORM, kind=PartyKind.PLATFORM, name="refund worker")
BATCH_MAX: Final = 500
CHECKS_MAX: Final = 200
AT_ONCE: Final = 32
"""How many refunds of one provider are worked on at once."""
JOINED_MAX: Final = 500
"""How many refunds share one call at most."""
NEWS_MAX: Final = 32
"""How many webhooks of one provider are worked on at once. The provider has to send the others again."""
NEWS_S: Final = 10.0
"""How long a webhook may take. Providers wait for 15 seconds or so."""

_VALID: Final = frozenset({Movement.CONFIRMED, Movement.ACCEPTED})
_RESULTS: Final = frozenset({Movement.CONFIRMED, Movement.REFUSED, Movement.ACCEPTED})

log = structlog.get_logger()

Query = Callable[..., Sequence[RefundAt]]
Act = Callable[[RefundRow], Awaitable[bool]]
"""Acts on one refund. Returns whether the result was saved."""


class Refunds:
    """Settles the refunds of this worker's partitions.

    Owning a partition only avoids double work. If two workers take up the same refund, the rules decide who calls: the
    first intent is saved, and the second is refused.
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
            *(ProviderGroup(provider=name) for name in sorted(providers)),
            ProviderGroup(provider=None, others=tuple(sorted(providers))),
        )
        """The refunds of each provider, and those of providers that are not set up. No group waits for another."""
        self._slots = {at: asyncio.Semaphore(at_once) for at in self.groups}
        self._news_open: Counter[str] = Counter()
        self._merging = Merging()
        self._rests = Rests(clock)

    async def settle(self) -> int:
        """Settle at most 500 due refunds of each provider. Returns how many there were."""
        return sum(await asyncio.gather(*(self._settle(at) for at in self.groups)))

    async def _settle(self, at: ProviderGroup) -> int:
        due = await self._ours(refunds.due_refunds, at, BATCH_MAX, self._clock())
        # A refund that fails stays as it is and is taken up again. The others go on.
        await self._each(due, at, self._settle_one, "refund_failed", Streak())
        return len(due)

    async def settle_all(self, at: ProviderGroup) -> None:
        """Settle each due refund of this group once.

        Raises:
            StalledError: one after the other failed.
        """
        await self._through(refunds.due_refunds, at, BATCH_MAX, self._settle_one, "refund_failed")

    async def follow(self, provider: str, notified: Sequence[Notified]) -> bool:
        """Ask the provider about what a webhook names. Returns whether all results are saved.

        If not, the provider has to send the webhook again. Without it, a refund that failed after it was confirmed
        would be checked only once a day, and only for some weeks.
        """
        if self._news_open[provider] >= NEWS_MAX:
            return False
        self._news_open[provider] += 1
        try:
            async with asyncio.timeout(NEWS_S):
                return all([await self._follow(provider, each) for each in notified])
        except TimeoutError:
            return False
        finally:
            self._news_open[provider] -= 1

    async def _follow(self, provider: str, notified: Notified) -> bool:
        rows = await self._database.read(
            partial(
                refunds.refunds_notified,
                provider=provider,
                refund=read("rfd", notified.reference.partition("-")[0]),
                payment=notified.payment,
            )
        )
        # A shared call is asked about once, and its result is saved for all of its refunds.
        calls = {refund_of(row).key: row for row in reversed(rows) if not row.moved_minor}
        some = [row for row in rows if row.moved_minor or calls[refund_of(row).key] is row]
        return all([await self._merging.do(row.id, partial(self.apply_news, row)) for row in some])

    async def apply_news(self, row: RefundRow) -> bool:
        """Ask the provider about a refund that a webhook names, and save the result."""
        provider = self._providers.get(row.provider)
        if provider is None:
            return True
        refund = refund_of(row)
        result = await provider.find(request_for(refund))
        earlier = await self._earlier(refund, provider)
        fellows = await self._sharing(row.retailer_id, refund)
        # A webhook may overtake the answer to its own call, which is then saved as well.
        if result.movement not in _RESULTS and earlier is None:
            return result.movement is not Movement.UNKNOWN
        # The rules refuse this result if another call was started meanwhile: its result may be older than this one.
        return await self._save_result(row.retailer_id, refund, result, fellows=fellows, earlier_minor=earlier)

    async def check(self) -> int:
        """Ask again about at most 200 refunds of each provider that are done or parked. Returns how many were saved.

        A webhook may never arrive. The check finds refunds that failed days later, and those made by hand.
        """
        return sum(await asyncio.gather(*(self._check(at) for at in self.groups)))

    async def _check(self, at: ProviderGroup) -> int:
        rows = await self._ours(refunds.refunds_to_check, at, CHECKS_MAX, self._clock())
        return await self._each(rows, at, self._check_one, "refund_not_checked", Streak())

    async def check_all(self, at: ProviderGroup) -> None:
        """Check each refund of this group whose check is due, once.

        Raises:
            StalledError: one after the other failed.
        """
        await self._through(refunds.refunds_to_check, at, CHECKS_MAX, self._check_one, "refund_not_checked")

    async def _ours(
        self, query: Query, at: ProviderGroup, limit: int, now: datetime, after: Mark | None = None
    ) -> Sequence[RefundAt]:
        """The rows that a query finds in this worker's partitions."""
        owned = self._partitions.owned
        if not owned:
            return ()
        return await self._database.read(partial(query, now=now, limit=limit, partitions=owned, at=at, after=after))

    async def _through(self, query: Query, at: ProviderGroup, limit: int, act: Act, failed: str) -> None:
        """Act once on each refund that a query finds. What falls due meanwhile is left for the next pass."""
        now, after, streak = self._clock(), None, Streak()
        while not streak.broken and (rows := await self._ours(query, at, limit, now, after)):
            await self._each(rows, at, act, failed, streak)
            after = rows[-1].at, rows[-1].id
            if len(rows) < limit:
                break
        if streak.broken or streak.in_vain:
            raise StalledError(f"The results of refunds cannot be saved ({failed}).")

    async def _each(self, rows: Sequence[RefundRow], at: ProviderGroup, act: Act, failed: str, streak: Streak) -> int:
        """Act on all refunds that do not rest. Returns how many were saved; errors are logged as ``failed``.

        Refunds of one payment follow one after the other, since each counts what was refunded by hand, less what
        was counted before.
        """

        async def act_on(refunds: Sequence[RefundRow]) -> int:
            done = 0
            for row in refunds:
                async with self._slots[at]:
                    if not streak.broken:
                        done += await self._try(row, act, failed, streak)
            return done

        awake = self._rests.awake(rows, _id_of)
        by_payment = groupby(sorted(awake, key=_payment_of), key=_payment_of)
        return sum(await asyncio.gather(*(act_on(list(each)) for _, each in by_payment)))

    async def _try(self, row: RefundRow, act: Act, failed: str, streak: Streak) -> bool:
        progressed = False
        try:
            with tracing.span("refund", refund=show("rfd", row.id), provider=row.provider):
                progressed = await act(row)
        except Exception:
            log.exception(failed, refund=show("rfd", row.id))
        streak.note(got_on=progressed)
        (self._rests.went_on if progressed else self._rests.failed)(row.id)
        return progressed

    async def _check_one(self, row: RefundRow) -> bool:
        refund, provider = refund_of(row), self._providers.get(row.provider)
        if provider is None:
            return await self._save_result(row.retailer_id, refund, _not_set_up(refund))
        if refund.no_provider:
            again = RetryRefund(line=refund.line, refund=refund.id, actor=ACTOR, note="")
            return await self._submit(row.retailer_id, again)
        result = await provider.find(request_for(refund))
        earlier = await self._earlier(refund, provider)
        found = await self._uncounted(row.retailer_id, refund, provider)
        if result.movement is Movement.CONFIRMED and found:
            besides = f"{write_minor(found, refund.currency)} {refund.currency}"
            result = replace(result, result=f"{result.result} Besides, {besides} was refunded there by hand.")
        return await self._save_result(
            row.retailer_id, refund, result, elsewhere_minor=found or 0, earlier_minor=earlier
        )

    async def _settle_one(self, row: RefundRow) -> bool:
        provider = self._providers.get(row.provider)
        if provider is None:
            refund = refund_of(row)
            return await self._save_result(row.retailer_id, refund, _not_set_up(refund))
        group = await self._group(row, provider)
        if not group:
            return True
        refund, *fellows = group
        if refund.shared and not is_whole(group):
            return await self._leave_call(row.retailer_id, group, provider)
        if must_ask_first(refund, self._clock(), provider.key_lifetime):
            result = await provider.find(request_for(refund))
            return await self._save_result(row.retailer_id, refund, result, fellows=fellows)
        if not refund.attempts and (reason := await self._not_this_retailers(row.retailer_id, refund, provider)):
            return await self._save_result(row.retailer_id, refund, reason)
        if refund.kind is RefundKind.RELEASE:
            return await self._send(row.retailer_id, group, provider)
        allowed, reason = await self._since_restore(row.retailer_id, group, provider)
        if reason:
            return await self._save_result(row.retailer_id, refund, reason)
        if not allowed:
            return await self._leave_call(row.retailer_id, group, provider)
        if not refund.unsent:
            return await self._send(row.retailer_id, allowed, provider)
        return await self._send_first(row.retailer_id, allowed, provider)

    async def _leave_call(self, retailer: UUID, group: Sequence[Refund], provider: Provider) -> bool:
        """Ask what became of a call that is not repeated. If it is not there, each gets a call of its own."""
        refund, *fellows = group
        result = await provider.find(request_for(refund))
        return await self._save_result(retailer, refund, result, fellows=fellows, incomplete=True)

    async def _group(self, row: RefundRow, provider: Provider) -> Sequence[Refund]:
        """A refund, then those that share its call or may do so; empty if it was already settled with another one."""
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
        """The refunds that share its call now."""
        return fellows_of(refund, await self._beside(retailer, refund)) if refund.shared else ()

    async def _beside(self, retailer: UUID, refund: Refund) -> Sequence[Refund]:
        rows = await self._database.read(partial(refunds.refunds_sharing, retailer=retailer, refund=refund))
        return [refund_of(row) for row in rows]

    async def _send_first(self, retailer: UUID, group: Sequence[Refund], provider: Provider) -> bool:
        """Send refunds that were not sent under their present key, unless there is a reason not to."""
        refund = group[0]
        held = await provider.list_refunds(refund.payment_reference)
        if held is None:
            return await self._save_result(retailer, refund, _no_answer(provider, "what was refunded before"))
        result = await self._why_not(group, held, provider)
        if result and len(group) > 1:
            # Their sum is more than what is left, so this one is tried alone.
            group = group[:1]
            result = await self._why_not(group, held, provider)
        result = result or self._wait(group, held, provider)
        if result:
            return await self._save_result(retailer, refund, result, fellows=group[1:])
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

    async def _not_this_retailers(self, retailer: UUID, refund: Refund, provider: Provider) -> ProviderResult | None:
        """Why nothing is sent: the payment is another retailer's, has another currency, or cannot be read yet."""
        seen = await provider.find_payment(refund.payment_reference)
        if isinstance(seen, ProviderResult):
            return replace(seen, movement=Movement.LATER)
        names = {refund.payment_reference, *seen.names}
        home = await self._database.read(partial(refunds.retailer_of_payment, provider=refund.provider, names=names))
        if home not in (None, retailer) or (seen.retailer and read("pty", seen.retailer) != retailer):
            sentence = f"The payment {refund.payment_reference} belongs to another retailer. Nothing was sent."
            return ProviderResult(movement=Movement.REFUSED, result=sentence)
        if seen.currency not in ("", refund.currency):
            sentence = f"The payment is in {seen.currency} and the refund in {refund.currency}. Nothing was sent."
            return ProviderResult(movement=Movement.REFUSED, result=sentence)
        return None

    async def _since_restore(
        self, retailer: UUID, group: Sequence[Refund], provider: Provider
    ) -> tuple[Sequence[Refund], ProviderResult | None]:
        """Those that may be sent after a restore, and why the first is not: the provider has it, or a call we miss.

        The call that is missing here may have been for any of them, so a person must have read of it at each. None may
        be sent if they share a call: one of them may have been paid by another since.
        """
        refund, *fellows = group
        restore = await self._database.read(oldest_restore)
        if restore is None:
            return group, None
        held = await provider.list_refunds(refund.payment_reference)
        if held is None:
            return group, _no_answer(provider, "what was refunded since the backup")
        here = await self._database.read(partial(refunds.refunds_of_payment, retailer=retailer, refund=refund))
        seen = seen_of(restore, refund, held, map(refund_of, here))
        if seen.call:
            return group, await provider.find(replace(request_for(refund), reference=seen.call))
        if not seen.lost:
            return group, None
        reason = for_a_person(seen.lost)
        if not await self._was_told(retailer, refund, reason):
            return group, reason
        if refund.shared:
            return (), None
        return [refund, *[each for each in fellows if await self._was_told(retailer, each, reason)]], None

    async def _was_told(self, retailer: UUID, refund: Refund, reason: ProviderResult) -> bool:
        """Whether a refund was parked for this: since it is due again, a person has had it tried."""
        return await self._database.read(
            partial(refunds.was_parked_for, retailer=retailer, refund=refund, why=reason.result)
        )

    async def _why_not(
        self, group: Sequence[Refund], held: Sequence[ListedRefund], provider: Provider
    ) -> ProviderResult | None:
        """Why refunds are not sent, if there is a reason: too little of their payment is left (EC-60).

        A refund made by hand at the provider may have been for anything. Only if too little is left, a part of it must
        have been for what is owed here. Then a person says how much.
        """
        refund, wanted = group[0], sum(each.rest_minor for each in group)
        valid = [each for each in held if each.movement in _VALID and each.currency == refund.currency]
        outside = sum(each.amount_minor for each in valid if not each.reference)
        if not outside:
            return None
        captured = await provider.captured(refund.payment_reference)
        if captured is None:
            return _no_answer(provider, "what was captured")
        left = max(0, captured - sum(each.amount_minor for each in valid))
        return _too_little_left(refund, outside, left) if left < wanted else None

    async def _send(self, retailer: UUID, group: Sequence[Refund], provider: Provider) -> bool:
        refund, *fellows = group
        intent = SendRefund(
            line=refund.line,
            refund=refund.id,
            actor=ACTOR,
            attempts=refund.attempts,
            step=refund.step,
            fellows=_named(fellows),
        )
        if not await self._submit(retailer, intent):
            return False
        sent = after_intent(group)
        request = request_for(sent[0])
        if refund.kind is RefundKind.RELEASE:
            before = await self._database.read(partial(refunds.released_before, retailer=retailer, refund=refund))
            result = await provider.release(replace(request, before_minor=before))
        else:
            result = await provider.refund(request)
        return await self._save_result(retailer, sent[0], result, fellows=sent[1:])

    async def _earlier(self, refund: Refund, provider: Provider) -> int | None:
        """What earlier calls of this refund moved; ``None`` if there are none, or the provider does not answer."""
        held = await provider.list_refunds(refund.payment_reference) if refund.moved_minor else None
        if held is None:
            return None
        shared = refund.joined
        rounds = [number for number in range(1, refund.round) if not shared or number != shared.round]
        worth: dict[str, int | None] = {reference(refund.id, number): None for number in rounds}
        if shared and not refund.shared:
            worth[reference(shared.lead, shared.number)] = shared.share_minor
        valid = [each for each in held if each.reference in worth and each.movement is not Movement.REFUSED]
        shares = [(each.amount_minor, worth[each.reference]) for each in valid]
        return sum(amount if share is None else share for amount, share in shares)

    async def _uncounted(self, retailer: UUID, refund: Refund, provider: Provider) -> int | None:
        """How much was refunded by hand at the provider and is not counted; ``None`` if the provider does not answer.

        For a parked refund, only what can be meant for it counts: made since it was parked, and no more than is owed.
        """
        held = await provider.list_refunds(refund.payment_reference)
        if held is None:
            return None
        others = [each for each in held if not each.reference and each.movement in _VALID]
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

    async def _save_result(
        self,
        retailer: UUID,
        refund: Refund,
        result: ProviderResult,
        *,
        fellows: Sequence[Refund] = (),
        incomplete: bool = False,
        elsewhere_minor: int = 0,
        earlier_minor: int | None = None,
    ) -> bool:
        """Save a result of the provider, with the number of calls that had been started when it was asked."""
        command = SettleRefund(
            line=refund.line,
            refund=refund.id,
            actor=ACTOR,
            attempts=refund.attempts,
            step=refund.step,
            key=refund.key,
            movement=result.movement,
            result=result.result,
            provider_reference=result.provider_id,
            amount_minor=result.amount_minor,
            currency=result.currency,
            retry_after_s=result.retry_after_s,
            spent=result.spent,
            needs_person=result.needs_person,
            no_provider=refund.provider not in self._providers,
            captured_minor=result.captured_minor,
            waiting_for=result.waiting_for,
            elsewhere_minor=elsewhere_minor,
            earlier_minor=earlier_minor,
            watch_for=self._watch_for,
            fellows=_named(fellows),
            incomplete=incomplete,
        )
        saved = await self._submit(retailer, command)
        _report(refund, result, saved=saved)
        return saved

    async def _submit(self, retailer: UUID, command: RefundCommand) -> bool:
        """Decide and save a command. Returns whether it was accepted; if not, the refund is taken up again when due."""
        return isinstance(await self._lanes.submit(Call(command=command, door=DOOR, retailer=retailer)), Done)


def _report(refund: Refund, result: ProviderResult, *, saved: bool) -> None:
    """One attempt, or one question, in the log and the metrics. The provider's own words stand at the refund."""
    metrics.REFUND_ATTEMPTS.add(refund.provider, "saved" if saved else "not_saved")
    about: dict[str, Any] = {
        "refund": show("rfd", refund.id),
        "provider": refund.provider,
        "attempt": refund.attempts,
        "movement": result.movement.value,
    }
    log.info("refund_attempted", **about, saved=saved)
    if result.movement not in _RESULTS:
        log.debug(
            "refund_waits",
            **about,
            waiting_for=result.waiting_for.value if result.waiting_for else None,
            retry_after_s=result.retry_after_s,
            needs_person=result.needs_person,
        )


def request_for(refund: Refund) -> RefundRequest:
    """The request for a refund. Each round has its own reference, so that an old failure is not found again."""
    return RefundRequest(
        key=refund.key,
        reference=reference(*refund.call),
        payment=refund.payment_reference,
        amount_minor=refund.requested_minor,
        currency=refund.currency,
    )


def _named(fellows: Sequence[Refund]) -> tuple[Fellow, ...]:
    return tuple(Fellow(line=each.line, refund=each.id, attempts=each.attempts, step=each.step) for each in fellows)


def _not_set_up(refund: Refund) -> ProviderResult:
    """No provider was asked, so nothing was refused: earlier calls may have moved money."""
    result = f"The provider {refund.provider} is not set up here. Add it to payment_providers, or pay by hand."
    return ProviderResult(movement=Movement.UNKNOWN, result=result, needs_person=True)


def _no_answer(provider: Provider, of: str) -> ProviderResult:
    return ProviderResult(movement=Movement.LATER, result=f"{provider.name} does not say {of}.")


def _too_little_left(refund: Refund, outside: int, left: int) -> ProviderResult:
    def amount(minor: int) -> str:
        return f"{write_minor(minor, refund.currency)} {refund.currency}"

    result = (
        f"{amount(outside)} of the payment was refunded at {refund.provider} by hand, and {amount(left)} of it is left,"
        f" which is less than {amount(refund.rest_minor)}. Correct this refund: say how much of that was for it."
    )
    return ProviderResult(movement=Movement.LATER, result=result, needs_person=True)


def _meant_for(refund: Refund, others: Sequence[ListedRefund]) -> int:
    """How much of what was refunded by hand since this refund was parked can be meant for it: at most what is owed."""
    meant, most = 0, refund.elsewhere_minor + refund.rest_minor
    for each in others:
        since = each.made_at and refund.parked_at and each.made_at >= refund.parked_at
        if since and meant + each.amount_minor <= most:
            meant += each.amount_minor
    return max(0, meant - refund.elsewhere_minor)


def _payment_of(row: RefundRow) -> tuple[str, str, str]:
    return str(row.retailer_id), row.provider, row.payment_reference


def _id_of(row: RefundRow) -> UUID:
    return row.id
