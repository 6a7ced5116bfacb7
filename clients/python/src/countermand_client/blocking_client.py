"""The client that waits for each answer.

Written by ``tools/write_clients.py`` from ``operations.py``. Do not edit it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING

from countermand_client import flows
from countermand_client.blocking import Caller, EventStream, Noun, Pages

if TYPE_CHECKING:
    from countermand_client.inputs import (
        Address,
        Amount,
        Day,
        Id,
        LineUnits,
        NewDiscount,
        NewLine,
        NewPayment,
        NewShipping,
        Texts,
        Time,
    )
    from countermand_client.models import (
        Asked,
        Attempt,
        AuditEntry,
        Cancellation,
        Credential,
        Endpoint,
        Event,
        Found,
        Health,
        Job,
        JobResult,
        Judgement,
        Line,
        Me,
        Notice,
        Order,
        Party,
        Payments,
        Policy,
        PolicyPreview,
        Quote,
        Readiness,
        Refund,
        Scorecards,
        Shipment,
        Timeline,
        User,
    )


class AttemptsCalls(Noun):
    """Calls about attempts."""

    def list(
        self,
        *,
        notice: Id | None = None,
        endpoint: Id | None = None,
        ok: bool | None = None,
        since: Time | None = None,
        until: Time | None = None,
        zone: str | None = None,
        after: str | None = None,
        limit: int | None = None,
        request_id: str | None = None,
        timeout: float | None = None,
    ) -> Pages[Attempt]:
        """Attempts to send notices."""
        found: Pages[Attempt] = self._list(
            "attempts.list",
            {
                "notice": notice,
                "endpoint": endpoint,
                "ok": ok,
                "since": since,
                "until": until,
                "zone": zone,
                "after": after,
                "limit": limit,
            },
            flows.Options(request_id=request_id, timeout=timeout),
        )
        return found

    def get(self, attempt: Id, *, request_id: str | None = None, timeout: float | None = None) -> Attempt:
        """One attempt: what was sent, and the answer."""
        found: Attempt = self._call(
            "attempts.get", {"attempt": attempt}, flows.Options(request_id=request_id, timeout=timeout)
        )
        return found


class AuditCalls(Noun):
    """Calls about audit."""

    def list(
        self,
        *,
        party: str | None = None,
        object: str | None = None,
        action: str | None = None,
        since: Time | None = None,
        until: Time | None = None,
        zone: str | None = None,
        after: str | None = None,
        limit: int | None = None,
        request_id: str | None = None,
        timeout: float | None = None,
    ) -> Pages[AuditEntry]:
        """Changes that are no event of a line."""
        found: Pages[AuditEntry] = self._list(
            "audit.list",
            {
                "party": party,
                "object": object,
                "action": action,
                "since": since,
                "until": until,
                "zone": zone,
                "after": after,
                "limit": limit,
            },
            flows.Options(request_id=request_id, timeout=timeout),
        )
        return found


class CancellationsCalls(Noun):
    """Calls about cancellations."""

    def create(
        self,
        *,
        lines: Sequence[LineUnits] | None = None,
        order: Id | None = None,
        asker: str | None = None,
        reason: str | None = None,
        note: str | None = None,
        dry_run: bool | None = None,
        idempotency_key: str | None = None,
        request_id: str | None = None,
        timeout: float | None = None,
    ) -> Asked:
        """Ask to cancel units of lines of one order: all of it, or nothing."""
        found: Asked = self._call(
            "cancellations.create",
            {"lines": lines, "order": order, "asker": asker, "reason": reason, "note": note, "dry_run": dry_run},
            flows.Options(idempotency_key=idempotency_key, request_id=request_id, timeout=timeout),
        )
        return found

    def list(
        self,
        *,
        state: Texts | None = None,
        awaiting: str | None = None,
        awaiting_me: bool | None = None,
        late: bool | None = None,
        due_before: Time | None = None,
        order: Id | None = None,
        line: Id | None = None,
        reference: str | None = None,
        number: int | None = None,
        retailer: str | None = None,
        fulfiller: str | None = None,
        asker: str | None = None,
        reason: Texts | None = None,
        sku: str | None = None,
        email: str | None = None,
        payment_reference: str | None = None,
        tracking_number: str | None = None,
        q: str | None = None,
        sort: str | None = None,
        expand: Texts | None = None,
        since: Time | None = None,
        until: Time | None = None,
        zone: str | None = None,
        after: str | None = None,
        limit: int | None = None,
        request_id: str | None = None,
        timeout: float | None = None,
    ) -> Pages[Cancellation]:
        """Cancellations, newest first; with ``sort='due_at'`` the longest due first."""
        found: Pages[Cancellation] = self._list(
            "cancellations.list",
            {
                "state": state,
                "awaiting": awaiting,
                "awaiting_me": awaiting_me,
                "late": late,
                "due_before": due_before,
                "order": order,
                "line": line,
                "reference": reference,
                "number": number,
                "retailer": retailer,
                "fulfiller": fulfiller,
                "asker": asker,
                "reason": reason,
                "sku": sku,
                "email": email,
                "payment_reference": payment_reference,
                "tracking_number": tracking_number,
                "q": q,
                "sort": sort,
                "expand": expand,
                "since": since,
                "until": until,
                "zone": zone,
                "after": after,
                "limit": limit,
            },
            flows.Options(request_id=request_id, timeout=timeout),
        )
        return found

    def get(
        self,
        cancellation: Id,
        *,
        expand: Texts | None = None,
        request_id: str | None = None,
        timeout: float | None = None,
    ) -> Cancellation:
        """One cancellation."""
        found: Cancellation = self._call(
            "cancellations.get",
            {"cancellation": cancellation, "expand": expand},
            flows.Options(request_id=request_id, timeout=timeout),
        )
        return found

    def accept(
        self,
        cancellation: Id,
        *,
        step: int | None = None,
        units: int | None = None,
        rest_reason: str | None = None,
        note: str | None = None,
        idempotency_key: str | None = None,
        request_id: str | None = None,
        timeout: float | None = None,
    ) -> Cancellation:
        """Accept all asked units, or so many of them."""
        found: Cancellation = self._call(
            "cancellations.accept",
            {"cancellation": cancellation, "step": step, "units": units, "rest_reason": rest_reason, "note": note},
            flows.Options(idempotency_key=idempotency_key, request_id=request_id, timeout=timeout),
        )
        return found

    def decline(
        self,
        cancellation: Id,
        *,
        reason: str,
        step: int | None = None,
        note: str | None = None,
        tracking: str | None = None,
        idempotency_key: str | None = None,
        request_id: str | None = None,
        timeout: float | None = None,
    ) -> Cancellation:
        """Decline the asked units, which stay on order."""
        found: Cancellation = self._call(
            "cancellations.decline",
            {"cancellation": cancellation, "step": step, "reason": reason, "note": note, "tracking": tracking},
            flows.Options(idempotency_key=idempotency_key, request_id=request_id, timeout=timeout),
        )
        return found

    def withdraw(
        self,
        cancellation: Id,
        *,
        step: int | None = None,
        note: str | None = None,
        idempotency_key: str | None = None,
        request_id: str | None = None,
        timeout: float | None = None,
    ) -> Cancellation:
        """Take an ask back while nobody has answered it."""
        found: Cancellation = self._call(
            "cancellations.withdraw",
            {"cancellation": cancellation, "step": step, "note": note},
            flows.Options(idempotency_key=idempotency_key, request_id=request_id, timeout=timeout),
        )
        return found

    def note(
        self,
        cancellation: Id,
        *,
        note: str,
        tracking: str | None = None,
        idempotency_key: str | None = None,
        request_id: str | None = None,
        timeout: float | None = None,
    ) -> Cancellation:
        """Put a note to a cancellation. It changes nothing."""
        found: Cancellation = self._call(
            "cancellations.note",
            {"cancellation": cancellation, "note": note, "tracking": tracking},
            flows.Options(idempotency_key=idempotency_key, request_id=request_id, timeout=timeout),
        )
        return found


class CredentialsCalls(Noun):
    """Calls about credentials."""

    def list(
        self,
        *,
        party: str | None = None,
        kind: str | None = None,
        status: str | None = None,
        since: Time | None = None,
        until: Time | None = None,
        zone: str | None = None,
        after: str | None = None,
        limit: int | None = None,
        request_id: str | None = None,
        timeout: float | None = None,
    ) -> Pages[Credential]:
        """Tokens and keys, newest first; never a secret."""
        found: Pages[Credential] = self._list(
            "credentials.list",
            {
                "party": party,
                "kind": kind,
                "status": status,
                "since": since,
                "until": until,
                "zone": zone,
                "after": after,
                "limit": limit,
            },
            flows.Options(request_id=request_id, timeout=timeout),
        )
        return found

    def get(self, credential: Id, *, request_id: str | None = None, timeout: float | None = None) -> Credential:
        """One credential, without its secret."""
        found: Credential = self._call(
            "credentials.get", {"credential": credential}, flows.Options(request_id=request_id, timeout=timeout)
        )
        return found

    def create(
        self,
        *,
        kind: str,
        party: str | None = None,
        label: str | None = None,
        permissions: Texts | None = None,
        expires_at: Time | None = None,
        idempotency_key: str | None = None,
        request_id: str | None = None,
        timeout: float | None = None,
    ) -> Credential:
        """Make a token or a key. Its ``secret`` is shown once."""
        found: Credential = self._call(
            "credentials.create",
            {"kind": kind, "party": party, "label": label, "permissions": permissions, "expires_at": expires_at},
            flows.Options(idempotency_key=idempotency_key, request_id=request_id, timeout=timeout),
        )
        return found

    def revoke(
        self,
        credential: Id,
        *,
        note: str | None = None,
        idempotency_key: str | None = None,
        request_id: str | None = None,
        timeout: float | None = None,
    ) -> Credential:
        """End a credential."""
        found: Credential = self._call(
            "credentials.revoke",
            {"credential": credential, "note": note},
            flows.Options(idempotency_key=idempotency_key, request_id=request_id, timeout=timeout),
        )
        return found


class EndpointsCalls(Noun):
    """Calls about endpoints."""

    def list(
        self,
        *,
        party: str | None = None,
        since: Time | None = None,
        until: Time | None = None,
        zone: str | None = None,
        after: str | None = None,
        limit: int | None = None,
        request_id: str | None = None,
        timeout: float | None = None,
    ) -> Pages[Endpoint]:
        """Endpoints, oldest first."""
        found: Pages[Endpoint] = self._list(
            "endpoints.list",
            {"party": party, "since": since, "until": until, "zone": zone, "after": after, "limit": limit},
            flows.Options(request_id=request_id, timeout=timeout),
        )
        return found

    def get(self, endpoint: Id, *, request_id: str | None = None, timeout: float | None = None) -> Endpoint:
        """One endpoint, without its secret."""
        found: Endpoint = self._call(
            "endpoints.get", {"endpoint": endpoint}, flows.Options(request_id=request_id, timeout=timeout)
        )
        return found

    def create(
        self,
        *,
        url: str,
        events: Texts | None = None,
        label: str | None = None,
        party: str | None = None,
        idempotency_key: str | None = None,
        request_id: str | None = None,
        timeout: float | None = None,
    ) -> Endpoint:
        """Register a webhook or a mailbox. Its ``secret`` is shown once."""
        found: Endpoint = self._call(
            "endpoints.create",
            {"url": url, "events": events, "label": label, "party": party},
            flows.Options(idempotency_key=idempotency_key, request_id=request_id, timeout=timeout),
        )
        return found

    def update(
        self,
        endpoint: Id,
        *,
        url: str | None = None,
        events: Texts | None = None,
        label: str | None = None,
        idempotency_key: str | None = None,
        if_match: str | None = None,
        request_id: str | None = None,
        timeout: float | None = None,
    ) -> Endpoint:
        """Change where an endpoint is, what it gets, or its label."""
        found: Endpoint = self._call(
            "endpoints.update",
            {"endpoint": endpoint, "url": url, "events": events, "label": label},
            flows.Options(idempotency_key=idempotency_key, if_match=if_match, request_id=request_id, timeout=timeout),
        )
        return found

    def delete(
        self,
        endpoint: Id,
        *,
        idempotency_key: str | None = None,
        request_id: str | None = None,
        timeout: float | None = None,
    ) -> None:
        """Remove an endpoint for good."""
        self._call(
            "endpoints.delete",
            {"endpoint": endpoint},
            flows.Options(idempotency_key=idempotency_key, request_id=request_id, timeout=timeout),
        )

    def confirm(
        self,
        endpoint: Id,
        *,
        idempotency_key: str | None = None,
        request_id: str | None = None,
        timeout: float | None = None,
    ) -> Endpoint:
        """Ask a mailbox again to confirm itself."""
        found: Endpoint = self._call(
            "endpoints.confirm",
            {"endpoint": endpoint},
            flows.Options(idempotency_key=idempotency_key, request_id=request_id, timeout=timeout),
        )
        return found

    def resume(
        self,
        endpoint: Id,
        *,
        idempotency_key: str | None = None,
        request_id: str | None = None,
        timeout: float | None = None,
    ) -> Endpoint:
        """Resume an endpoint."""
        found: Endpoint = self._call(
            "endpoints.resume",
            {"endpoint": endpoint},
            flows.Options(idempotency_key=idempotency_key, request_id=request_id, timeout=timeout),
        )
        return found

    def pause(
        self,
        endpoint: Id,
        *,
        reason: str | None = None,
        idempotency_key: str | None = None,
        request_id: str | None = None,
        timeout: float | None = None,
    ) -> Endpoint:
        """Pause an endpoint."""
        found: Endpoint = self._call(
            "endpoints.pause",
            {"endpoint": endpoint, "reason": reason},
            flows.Options(idempotency_key=idempotency_key, request_id=request_id, timeout=timeout),
        )
        return found

    def rotate(
        self,
        endpoint: Id,
        *,
        overlap_s: int | None = None,
        idempotency_key: str | None = None,
        request_id: str | None = None,
        timeout: float | None = None,
    ) -> Endpoint:
        """Give an endpoint a new ``secret``. The old one holds for ``overlap_s`` seconds more."""
        found: Endpoint = self._call(
            "endpoints.rotate",
            {"endpoint": endpoint, "overlap_s": overlap_s},
            flows.Options(idempotency_key=idempotency_key, request_id=request_id, timeout=timeout),
        )
        return found

    def test(
        self,
        endpoint: Id,
        *,
        event: str | None = None,
        idempotency_key: str | None = None,
        request_id: str | None = None,
        timeout: float | None = None,
    ) -> Attempt:
        """Send a signed test, or a sample event, to an endpoint now."""
        found: Attempt = self._call(
            "endpoints.test",
            {"endpoint": endpoint, "event": event},
            flows.Options(idempotency_key=idempotency_key, request_id=request_id, timeout=timeout),
        )
        return found

    def recover(
        self,
        endpoint: Id,
        *,
        since: Time,
        until: Time | None = None,
        which: str | None = None,
        idempotency_key: str | None = None,
        request_id: str | None = None,
        timeout: float | None = None,
    ) -> Job:
        """Send the notices of an endpoint again, as a job."""
        found: Job = self._call(
            "endpoints.recover",
            {"endpoint": endpoint, "since": since, "until": until, "which": which},
            flows.Options(idempotency_key=idempotency_key, request_id=request_id, timeout=timeout),
        )
        return found


class EventsCalls(Noun):
    """Calls about events."""

    def list(
        self,
        *,
        type: Texts | None = None,
        order: Id | None = None,
        line: Id | None = None,
        cancellation: Id | None = None,
        since: Time | None = None,
        until: Time | None = None,
        zone: str | None = None,
        after: str | None = None,
        limit: int | None = None,
        request_id: str | None = None,
        timeout: float | None = None,
    ) -> Pages[Event]:
        """Events, oldest first, from 30 days back unless told otherwise."""
        found: Pages[Event] = self._list(
            "events.list",
            {
                "type": type,
                "order": order,
                "line": line,
                "cancellation": cancellation,
                "since": since,
                "until": until,
                "zone": zone,
                "after": after,
                "limit": limit,
            },
            flows.Options(request_id=request_id, timeout=timeout),
        )
        return found

    def get(self, event: Id, *, request_id: str | None = None, timeout: float | None = None) -> Event:
        """One event."""
        found: Event = self._call("events.get", {"event": event}, flows.Options(request_id=request_id, timeout=timeout))
        return found

    def stream(
        self,
        *,
        after: str | None = None,
        type: Texts | None = None,
        order: Id | None = None,
        line: Id | None = None,
        cancellation: Id | None = None,
        since: Time | None = None,
        until: Time | None = None,
        zone: str | None = None,
        request_id: str | None = None,
        timeout: float | None = None,
    ) -> EventStream:
        """Events as they happen. The stream reconnects, and goes on after the last event that it gave."""
        found: EventStream = self._stream(
            {
                "after": after,
                "type": type,
                "order": order,
                "line": line,
                "cancellation": cancellation,
                "since": since,
                "until": until,
                "zone": zone,
            },
            flows.Options(request_id=request_id, timeout=timeout),
        )
        return found


class HealthCalls(Noun):
    """Calls about health."""

    def live(self, *, request_id: str | None = None, timeout: float | None = None) -> Health:
        """Whether the process is alive."""
        found: Health = self._call("health.live", {}, flows.Options(request_id=request_id, timeout=timeout))
        return found

    def ready(self, *, request_id: str | None = None, timeout: float | None = None) -> Readiness:
        """Whether calls can be served."""
        found: Readiness = self._call("health.ready", {}, flows.Options(request_id=request_id, timeout=timeout))
        return found


class JobsCalls(Noun):
    """Calls about jobs."""

    def create(
        self,
        *,
        kind: str,
        format: str,
        dry_run: bool | None = None,
        label: str | None = None,
        idempotency_key: str | None = None,
        request_id: str | None = None,
        timeout: float | None = None,
    ) -> Job:
        """Begin a job for many rows; ``jobs.run`` does all of it."""
        found: Job = self._call(
            "jobs.create",
            {"kind": kind, "format": format, "dry_run": dry_run, "label": label},
            flows.Options(idempotency_key=idempotency_key, request_id=request_id, timeout=timeout),
        )
        return found

    def upload(
        self,
        job: Id,
        *,
        part: int,
        content: bytes,
        media_type: flows.MediaType,
        request_id: str | None = None,
        timeout: float | None = None,
    ) -> Job:
        """Upload a part of the rows of a job, from part 1."""
        found: Job = self._call(
            "jobs.upload",
            {"job": job, "part": part},
            flows.Options(content=content, media_type=media_type, request_id=request_id, timeout=timeout),
        )
        return found

    def start(
        self,
        job: Id,
        *,
        parts: int,
        idempotency_key: str | None = None,
        request_id: str | None = None,
        timeout: float | None = None,
    ) -> Job:
        """Start a job whose parts are uploaded."""
        found: Job = self._call(
            "jobs.start",
            {"job": job, "parts": parts},
            flows.Options(idempotency_key=idempotency_key, request_id=request_id, timeout=timeout),
        )
        return found

    def list(
        self,
        *,
        kind: str | None = None,
        state: Texts | None = None,
        since: Time | None = None,
        until: Time | None = None,
        zone: str | None = None,
        after: str | None = None,
        limit: int | None = None,
        request_id: str | None = None,
        timeout: float | None = None,
    ) -> Pages[Job]:
        """Jobs of the own party, newest first."""
        found: Pages[Job] = self._list(
            "jobs.list",
            {
                "kind": kind,
                "state": state,
                "since": since,
                "until": until,
                "zone": zone,
                "after": after,
                "limit": limit,
            },
            flows.Options(request_id=request_id, timeout=timeout),
        )
        return found

    def get(self, job: Id, *, request_id: str | None = None, timeout: float | None = None) -> Job:
        """One job and how far it is."""
        found: Job = self._call("jobs.get", {"job": job}, flows.Options(request_id=request_id, timeout=timeout))
        return found

    def results(
        self,
        job: Id,
        *,
        result: Texts | None = None,
        after: str | None = None,
        limit: int | None = None,
        request_id: str | None = None,
        timeout: float | None = None,
    ) -> Pages[JobResult]:
        """What came of each row, in the order of the file."""
        found: Pages[JobResult] = self._list(
            "jobs.results",
            {"job": job, "result": result, "after": after, "limit": limit},
            flows.Options(request_id=request_id, timeout=timeout),
        )
        return found

    def cancel(
        self,
        job: Id,
        *,
        idempotency_key: str | None = None,
        request_id: str | None = None,
        timeout: float | None = None,
    ) -> Job:
        """End a job. Rows that are done stay."""
        found: Job = self._call(
            "jobs.cancel",
            {"job": job},
            flows.Options(idempotency_key=idempotency_key, request_id=request_id, timeout=timeout),
        )
        return found

    def run(
        self,
        kind: str,
        content: bytes,
        *,
        format: str = "csv",
        dry_run: bool | None = None,
        label: str | None = None,
        progress: Callable[[Job], None] | None = None,
        poll_s: float = flows.POLL_S,
    ) -> Job:
        """Do a whole job: create it, upload its rows, start it, and wait until it has ended.

        ``content`` has the rows as CSV with a header, or as JSON lines. ``progress`` is told how far it is, each time
        that it is asked for.
        """
        return self._caller.run(
            flows.run_job(
                self._caller._retrying,
                kind,
                content,
                format=format,
                dry_run=dry_run,
                label=label,
                progress=progress,
                poll_s=poll_s,
            )
        )

    def download(self, job: Id, *, format: str = "csv") -> bytes:
        """All results of a job as a file: ``csv`` or ``jsonl``."""
        return self._caller.run(flows.download(self._caller._retrying, str(job), format=format))


class JudgementsCalls(Noun):
    """Calls about judgements."""

    def list(
        self,
        *,
        cancellation: Id | None = None,
        party: str | None = None,
        since: Time | None = None,
        until: Time | None = None,
        zone: str | None = None,
        after: str | None = None,
        limit: int | None = None,
        request_id: str | None = None,
        timeout: float | None = None,
    ) -> Pages[Judgement]:
        """What operators decided about scores."""
        found: Pages[Judgement] = self._list(
            "judgements.list",
            {
                "cancellation": cancellation,
                "party": party,
                "since": since,
                "until": until,
                "zone": zone,
                "after": after,
                "limit": limit,
            },
            flows.Options(request_id=request_id, timeout=timeout),
        )
        return found

    def create(
        self,
        *,
        cancellation: Id,
        verdict: str,
        reason: str,
        party: str | None = None,
        idempotency_key: str | None = None,
        request_id: str | None = None,
        timeout: float | None = None,
    ) -> Judgement:
        """Exclude a cancellation from a score, or restore it."""
        found: Judgement = self._call(
            "judgements.create",
            {"cancellation": cancellation, "verdict": verdict, "reason": reason, "party": party},
            flows.Options(idempotency_key=idempotency_key, request_id=request_id, timeout=timeout),
        )
        return found


class LinesCalls(Noun):
    """Calls about lines."""

    def get(
        self, line: Id, *, expand: Texts | None = None, request_id: str | None = None, timeout: float | None = None
    ) -> Line:
        """One line as it is now."""
        found: Line = self._call(
            "lines.get", {"line": line, "expand": expand}, flows.Options(request_id=request_id, timeout=timeout)
        )
        return found

    def list(
        self,
        *,
        order: Id | None = None,
        retailer: str | None = None,
        fulfiller: str | None = None,
        sku: str | None = None,
        number: int | None = None,
        bucket: str | None = None,
        expand: Texts | None = None,
        since: Time | None = None,
        until: Time | None = None,
        zone: str | None = None,
        after: str | None = None,
        limit: int | None = None,
        request_id: str | None = None,
        timeout: float | None = None,
    ) -> Pages[Line]:
        """Lines, newest first."""
        found: Pages[Line] = self._list(
            "lines.list",
            {
                "order": order,
                "retailer": retailer,
                "fulfiller": fulfiller,
                "sku": sku,
                "number": number,
                "bucket": bucket,
                "expand": expand,
                "since": since,
                "until": until,
                "zone": zone,
                "after": after,
                "limit": limit,
            },
            flows.Options(request_id=request_id, timeout=timeout),
        )
        return found

    def allocate(
        self,
        line: Id,
        *,
        accepted: int,
        backordered: int | None = None,
        rejected: int | None = None,
        backorder_on: Day | None = None,
        reason: str | None = None,
        idempotency_key: str | None = None,
        request_id: str | None = None,
        timeout: float | None = None,
    ) -> Line:
        """Report how many units the fulfiller has."""
        found: Line = self._call(
            "lines.allocate",
            {
                "line": line,
                "accepted": accepted,
                "backordered": backordered,
                "rejected": rejected,
                "backorder_on": backorder_on,
                "reason": reason,
            },
            flows.Options(idempotency_key=idempotency_key, request_id=request_id, timeout=timeout),
        )
        return found

    def reassign(
        self,
        line: Id,
        *,
        fulfiller: str,
        note: str,
        idempotency_key: str | None = None,
        if_match: str | None = None,
        request_id: str | None = None,
        timeout: float | None = None,
    ) -> Line:
        """Give what is left of a line to another fulfiller. Open cancellations go with it."""
        found: Line = self._call(
            "lines.reassign",
            {"line": line, "fulfiller": fulfiller, "note": note},
            flows.Options(idempotency_key=idempotency_key, if_match=if_match, request_id=request_id, timeout=timeout),
        )
        return found


class MeCalls(Noun):
    """Calls about me."""

    def get(self, *, request_id: str | None = None, timeout: float | None = None) -> Me:
        """Whose token this is, and what it may do."""
        found: Me = self._call("me.get", {}, flows.Options(request_id=request_id, timeout=timeout))
        return found


class NoticesCalls(Noun):
    """Calls about notices."""

    def list(
        self,
        *,
        state: Texts | None = None,
        endpoint: Id | None = None,
        event: Id | None = None,
        type: Texts | None = None,
        expand: Texts | None = None,
        since: Time | None = None,
        until: Time | None = None,
        zone: str | None = None,
        after: str | None = None,
        limit: int | None = None,
        request_id: str | None = None,
        timeout: float | None = None,
    ) -> Pages[Notice]:
        """Notices, newest first."""
        found: Pages[Notice] = self._list(
            "notices.list",
            {
                "state": state,
                "endpoint": endpoint,
                "event": event,
                "type": type,
                "expand": expand,
                "since": since,
                "until": until,
                "zone": zone,
                "after": after,
                "limit": limit,
            },
            flows.Options(request_id=request_id, timeout=timeout),
        )
        return found

    def get(
        self, notice: Id, *, expand: Texts | None = None, request_id: str | None = None, timeout: float | None = None
    ) -> Notice:
        """One notice."""
        found: Notice = self._call(
            "notices.get", {"notice": notice, "expand": expand}, flows.Options(request_id=request_id, timeout=timeout)
        )
        return found

    def resend(
        self,
        notice: Id,
        *,
        idempotency_key: str | None = None,
        request_id: str | None = None,
        timeout: float | None = None,
    ) -> Notice:
        """Send a notice again, under the same id."""
        found: Notice = self._call(
            "notices.resend",
            {"notice": notice},
            flows.Options(idempotency_key=idempotency_key, request_id=request_id, timeout=timeout),
        )
        return found


class OrdersCalls(Noun):
    """Calls about orders."""

    def create(
        self,
        *,
        retailer: str,
        reference: str,
        lines: Sequence[NewLine],
        id: Id | None = None,
        placed_at: Time | None = None,
        currency: str | None = None,
        held: bool | None = None,
        shipping_address: Address | None = None,
        billing_address: Address | None = None,
        tax: str | None = None,
        discounts: Sequence[NewDiscount] | None = None,
        shipping: Sequence[NewShipping] | None = None,
        payments: Sequence[NewPayment] | None = None,
        commission_returned: bool | None = None,
        allow_same_reference: bool | None = None,
        dry_run: bool | None = None,
        idempotency_key: str | None = None,
        request_id: str | None = None,
        timeout: float | None = None,
    ) -> Order:
        """Place an order."""
        found: Order = self._call(
            "orders.create",
            {
                "retailer": retailer,
                "reference": reference,
                "lines": lines,
                "id": id,
                "placed_at": placed_at,
                "currency": currency,
                "held": held,
                "shipping_address": shipping_address,
                "billing_address": billing_address,
                "tax": tax,
                "discounts": discounts,
                "shipping": shipping,
                "payments": payments,
                "commission_returned": commission_returned,
                "allow_same_reference": allow_same_reference,
                "dry_run": dry_run,
            },
            flows.Options(idempotency_key=idempotency_key, request_id=request_id, timeout=timeout),
        )
        return found

    def list(
        self,
        *,
        reference: str | None = None,
        retailer: str | None = None,
        supplier: str | None = None,
        sku: str | None = None,
        email: str | None = None,
        payment_reference: str | None = None,
        tracking_number: str | None = None,
        number: int | None = None,
        q: str | None = None,
        expand: Texts | None = None,
        since: Time | None = None,
        until: Time | None = None,
        zone: str | None = None,
        after: str | None = None,
        limit: int | None = None,
        request_id: str | None = None,
        timeout: float | None = None,
    ) -> Pages[Order]:
        """Orders, newest first."""
        found: Pages[Order] = self._list(
            "orders.list",
            {
                "reference": reference,
                "retailer": retailer,
                "supplier": supplier,
                "sku": sku,
                "email": email,
                "payment_reference": payment_reference,
                "tracking_number": tracking_number,
                "number": number,
                "q": q,
                "expand": expand,
                "since": since,
                "until": until,
                "zone": zone,
                "after": after,
                "limit": limit,
            },
            flows.Options(request_id=request_id, timeout=timeout),
        )
        return found

    def get(
        self, order: Id, *, expand: Texts | None = None, request_id: str | None = None, timeout: float | None = None
    ) -> Order:
        """One order with its lines."""
        found: Order = self._call(
            "orders.get", {"order": order, "expand": expand}, flows.Options(request_id=request_id, timeout=timeout)
        )
        return found

    def release(
        self,
        order: Id,
        *,
        idempotency_key: str | None = None,
        request_id: str | None = None,
        timeout: float | None = None,
    ) -> Order:
        """Release a held order to its fulfillers."""
        found: Order = self._call(
            "orders.release",
            {"order": order},
            flows.Options(idempotency_key=idempotency_key, request_id=request_id, timeout=timeout),
        )
        return found

    def erase(
        self,
        order: Id,
        *,
        note: str,
        idempotency_key: str | None = None,
        request_id: str | None = None,
        timeout: float | None = None,
    ) -> Order:
        """Erase the customer of an order."""
        found: Order = self._call(
            "orders.erase",
            {"order": order, "note": note},
            flows.Options(idempotency_key=idempotency_key, request_id=request_id, timeout=timeout),
        )
        return found


class PartiesCalls(Noun):
    """Calls about parties."""

    def list(
        self,
        *,
        kind: str | None = None,
        status: str | None = None,
        q: str | None = None,
        since: Time | None = None,
        until: Time | None = None,
        zone: str | None = None,
        after: str | None = None,
        limit: int | None = None,
        request_id: str | None = None,
        timeout: float | None = None,
    ) -> Pages[Party]:
        """Parties, newest first."""
        found: Pages[Party] = self._list(
            "parties.list",
            {
                "kind": kind,
                "status": status,
                "q": q,
                "since": since,
                "until": until,
                "zone": zone,
                "after": after,
                "limit": limit,
            },
            flows.Options(request_id=request_id, timeout=timeout),
        )
        return found

    def get(self, party: Id, *, request_id: str | None = None, timeout: float | None = None) -> Party:
        """One party."""
        found: Party = self._call(
            "parties.get", {"party": party}, flows.Options(request_id=request_id, timeout=timeout)
        )
        return found

    def create(
        self,
        *,
        kind: str,
        name: str,
        idempotency_key: str | None = None,
        request_id: str | None = None,
        timeout: float | None = None,
    ) -> Party:
        """Add a party."""
        found: Party = self._call(
            "parties.create",
            {"kind": kind, "name": name},
            flows.Options(idempotency_key=idempotency_key, request_id=request_id, timeout=timeout),
        )
        return found

    def update(
        self,
        party: Id,
        *,
        name: str | None = None,
        idempotency_key: str | None = None,
        if_match: str | None = None,
        request_id: str | None = None,
        timeout: float | None = None,
    ) -> Party:
        """Rename a party."""
        found: Party = self._call(
            "parties.update",
            {"party": party, "name": name},
            flows.Options(idempotency_key=idempotency_key, if_match=if_match, request_id=request_id, timeout=timeout),
        )
        return found

    def deactivate(
        self,
        party: Id,
        *,
        note: str,
        idempotency_key: str | None = None,
        request_id: str | None = None,
        timeout: float | None = None,
    ) -> Party:
        """Deactivate a party."""
        found: Party = self._call(
            "parties.deactivate",
            {"party": party, "note": note},
            flows.Options(idempotency_key=idempotency_key, request_id=request_id, timeout=timeout),
        )
        return found

    def activate(
        self,
        party: Id,
        *,
        idempotency_key: str | None = None,
        request_id: str | None = None,
        timeout: float | None = None,
    ) -> Party:
        """Activate a party again."""
        found: Party = self._call(
            "parties.activate",
            {"party": party},
            flows.Options(idempotency_key=idempotency_key, request_id=request_id, timeout=timeout),
        )
        return found


class PaymentsCalls(Noun):
    """Calls about payments."""

    def list(self, order: Id, *, request_id: str | None = None, timeout: float | None = None) -> Payments:
        """The payments of an order."""
        found: Payments = self._call(
            "payments.list", {"order": order}, flows.Options(request_id=request_id, timeout=timeout)
        )
        return found

    def create(
        self,
        order: Id,
        *,
        id: str,
        captured: Amount | None = None,
        authorised: Amount | None = None,
        provider: str | None = None,
        reference: str | None = None,
        method: str | None = None,
        idempotency_key: str | None = None,
        request_id: str | None = None,
        timeout: float | None = None,
    ) -> Payments:
        """Add a payment to an order."""
        found: Payments = self._call(
            "payments.create",
            {
                "order": order,
                "id": id,
                "captured": captured,
                "authorised": authorised,
                "provider": provider,
                "reference": reference,
                "method": method,
            },
            flows.Options(idempotency_key=idempotency_key, request_id=request_id, timeout=timeout),
        )
        return found

    def capture(
        self,
        order: Id,
        payment: Id,
        *,
        captured: Amount,
        idempotency_key: str | None = None,
        request_id: str | None = None,
        timeout: float | None = None,
    ) -> Payments:
        """Record how much of a payment has been captured in all by now."""
        found: Payments = self._call(
            "payments.capture",
            {"order": order, "payment": payment, "captured": captured},
            flows.Options(idempotency_key=idempotency_key, request_id=request_id, timeout=timeout),
        )
        return found


class PoliciesCalls(Noun):
    """Calls about policies."""

    def list(
        self,
        *,
        retailer: str | None = None,
        supplier: str | None = None,
        history: bool | None = None,
        since: Time | None = None,
        until: Time | None = None,
        zone: str | None = None,
        after: str | None = None,
        limit: int | None = None,
        request_id: str | None = None,
        timeout: float | None = None,
    ) -> Pages[Policy]:
        """The newest policy of each pair of retailer and supplier, or all versions."""
        found: Pages[Policy] = self._list(
            "policies.list",
            {
                "retailer": retailer,
                "supplier": supplier,
                "history": history,
                "since": since,
                "until": until,
                "zone": zone,
                "after": after,
                "limit": limit,
            },
            flows.Options(request_id=request_id, timeout=timeout),
        )
        return found

    def get(self, policy: Id, *, request_id: str | None = None, timeout: float | None = None) -> Policy:
        """One version of a policy."""
        found: Policy = self._call(
            "policies.get", {"policy": policy}, flows.Options(request_id=request_id, timeout=timeout)
        )
        return found

    def in_force(
        self, *, retailer: str, supplier: str | None = None, request_id: str | None = None, timeout: float | None = None
    ) -> Policy:
        """What holds between a retailer and a supplier now."""
        found: Policy = self._call(
            "policies.in_force",
            {"retailer": retailer, "supplier": supplier},
            flows.Options(request_id=request_id, timeout=timeout),
        )
        return found

    def create(
        self,
        *,
        retailer: str,
        based_on: int,
        supplier: str | None = None,
        answer_within: str | None = None,
        silence: str | None = None,
        whole_order: str | None = None,
        free_window: str | None = None,
        accepts_until: str | None = None,
        accepts_for: str | None = None,
        customer_asks_retailer_first: bool | None = None,
        proof_within: str | None = None,
        working_hours: str | None = None,
        holidays: str | None = None,
        idempotency_key: str | None = None,
        request_id: str | None = None,
        timeout: float | None = None,
    ) -> Policy:
        """Save a new version of a policy. Terms that are not named stay."""
        found: Policy = self._call(
            "policies.create",
            {
                "retailer": retailer,
                "based_on": based_on,
                "supplier": supplier,
                "answer_within": answer_within,
                "silence": silence,
                "whole_order": whole_order,
                "free_window": free_window,
                "accepts_until": accepts_until,
                "accepts_for": accepts_for,
                "customer_asks_retailer_first": customer_asks_retailer_first,
                "proof_within": proof_within,
                "working_hours": working_hours,
                "holidays": holidays,
            },
            flows.Options(idempotency_key=idempotency_key, request_id=request_id, timeout=timeout),
        )
        return found

    def preview(
        self,
        *,
        retailer: str,
        based_on: int,
        supplier: str | None = None,
        answer_within: str | None = None,
        silence: str | None = None,
        whole_order: str | None = None,
        free_window: str | None = None,
        accepts_until: str | None = None,
        accepts_for: str | None = None,
        customer_asks_retailer_first: bool | None = None,
        proof_within: str | None = None,
        working_hours: str | None = None,
        holidays: str | None = None,
        request_id: str | None = None,
        timeout: float | None = None,
    ) -> PolicyPreview:
        """What a new version would change, in sentences. Changes nothing."""
        found: PolicyPreview = self._call(
            "policies.preview",
            {
                "retailer": retailer,
                "based_on": based_on,
                "supplier": supplier,
                "answer_within": answer_within,
                "silence": silence,
                "whole_order": whole_order,
                "free_window": free_window,
                "accepts_until": accepts_until,
                "accepts_for": accepts_for,
                "customer_asks_retailer_first": customer_asks_retailer_first,
                "proof_within": proof_within,
                "working_hours": working_hours,
                "holidays": holidays,
            },
            flows.Options(request_id=request_id, timeout=timeout),
        )
        return found


class ProvidersCalls(Noun):
    """Calls about providers."""

    def receive(
        self,
        name: str,
        *,
        content: bytes,
        headers: Mapping[str, str],
        request_id: str | None = None,
        timeout: float | None = None,
    ) -> None:
        """What a payment provider calls, signed by it."""
        self._call(
            "providers.receive",
            {"name": name},
            flows.Options(content=content, headers=headers, request_id=request_id, timeout=timeout),
        )


class QuotesCalls(Noun):
    """Calls about quotes."""

    def create(
        self,
        *,
        lines: Sequence[LineUnits] | None = None,
        order: Id | None = None,
        request_id: str | None = None,
        timeout: float | None = None,
    ) -> Quote:
        """What would go back to the customer. Changes nothing."""
        found: Quote = self._call(
            "quotes.create", {"lines": lines, "order": order}, flows.Options(request_id=request_id, timeout=timeout)
        )
        return found


class RefundsCalls(Noun):
    """Calls about refunds."""

    def list(
        self,
        *,
        state: Texts | None = None,
        provider: str | None = None,
        order: Id | None = None,
        line: Id | None = None,
        cancellation: Id | None = None,
        retailer: str | None = None,
        payment_reference: str | None = None,
        reference: str | None = None,
        email: str | None = None,
        tracking_number: str | None = None,
        number: int | None = None,
        q: str | None = None,
        expand: Texts | None = None,
        since: Time | None = None,
        until: Time | None = None,
        zone: str | None = None,
        after: str | None = None,
        limit: int | None = None,
        request_id: str | None = None,
        timeout: float | None = None,
    ) -> Pages[Refund]:
        """Refunds, oldest first."""
        found: Pages[Refund] = self._list(
            "refunds.list",
            {
                "state": state,
                "provider": provider,
                "order": order,
                "line": line,
                "cancellation": cancellation,
                "retailer": retailer,
                "payment_reference": payment_reference,
                "reference": reference,
                "email": email,
                "tracking_number": tracking_number,
                "number": number,
                "q": q,
                "expand": expand,
                "since": since,
                "until": until,
                "zone": zone,
                "after": after,
                "limit": limit,
            },
            flows.Options(request_id=request_id, timeout=timeout),
        )
        return found

    def get(
        self, refund: Id, *, expand: Texts | None = None, request_id: str | None = None, timeout: float | None = None
    ) -> Refund:
        """One refund."""
        found: Refund = self._call(
            "refunds.get", {"refund": refund, "expand": expand}, flows.Options(request_id=request_id, timeout=timeout)
        )
        return found

    def mark_paid(
        self,
        refund: Id,
        *,
        step: int | None = None,
        note: str | None = None,
        idempotency_key: str | None = None,
        request_id: str | None = None,
        timeout: float | None = None,
    ) -> Refund:
        """Mark a refund as paid by hand."""
        found: Refund = self._call(
            "refunds.mark_paid",
            {"refund": refund, "step": step, "note": note},
            flows.Options(idempotency_key=idempotency_key, request_id=request_id, timeout=timeout),
        )
        return found

    def close(
        self,
        refund: Id,
        *,
        note: str,
        step: int | None = None,
        idempotency_key: str | None = None,
        request_id: str | None = None,
        timeout: float | None = None,
    ) -> Refund:
        """Close a refund that is not going to be paid."""
        found: Refund = self._call(
            "refunds.close",
            {"refund": refund, "step": step, "note": note},
            flows.Options(idempotency_key=idempotency_key, request_id=request_id, timeout=timeout),
        )
        return found

    def retry(
        self,
        refund: Id,
        *,
        step: int | None = None,
        note: str | None = None,
        idempotency_key: str | None = None,
        request_id: str | None = None,
        timeout: float | None = None,
    ) -> Refund:
        """Try a parked refund again."""
        found: Refund = self._call(
            "refunds.retry",
            {"refund": refund, "step": step, "note": note},
            flows.Options(idempotency_key=idempotency_key, request_id=request_id, timeout=timeout),
        )
        return found

    def correct(
        self,
        refund: Id,
        *,
        step: int,
        refunded_elsewhere: Amount,
        note: str,
        idempotency_key: str | None = None,
        request_id: str | None = None,
        timeout: float | None = None,
    ) -> Refund:
        """Correct how much of a refund was paid outside this service. The rest is then paid."""
        found: Refund = self._call(
            "refunds.correct",
            {"refund": refund, "step": step, "refunded_elsewhere": refunded_elsewhere, "note": note},
            flows.Options(idempotency_key=idempotency_key, request_id=request_id, timeout=timeout),
        )
        return found


class ScorecardsCalls(Noun):
    """Calls about scorecards."""

    def get(
        self,
        party: Id,
        *,
        week: str | None = None,
        weeks: int | None = None,
        as_: str | None = None,
        as_of: Time | None = None,
        evidence: bool | None = None,
        request_id: str | None = None,
        timeout: float | None = None,
    ) -> Scorecards:
        """How a party does, by weeks."""
        found: Scorecards = self._call(
            "scorecards.get",
            {"party": party, "week": week, "weeks": weeks, "as": as_, "as_of": as_of, "evidence": evidence},
            flows.Options(request_id=request_id, timeout=timeout),
        )
        return found


class SearchCalls(Noun):
    """Calls about search."""

    def find(
        self,
        *,
        q: str,
        types: Texts | None = None,
        limit: int | None = None,
        request_id: str | None = None,
        timeout: float | None = None,
    ) -> Found:
        """Find orders, lines, refunds and more by any text."""
        found: Found = self._call(
            "search.find",
            {"q": q, "types": types, "limit": limit},
            flows.Options(request_id=request_id, timeout=timeout),
        )
        return found


class ShipmentsCalls(Noun):
    """Calls about shipments."""

    def create(
        self,
        *,
        order: Id,
        lines: Sequence[LineUnits],
        carrier: str | None = None,
        tracking_number: str | None = None,
        method: str | None = None,
        shipped_on: Day | None = None,
        reference: str | None = None,
        override: bool | None = None,
        idempotency_key: str | None = None,
        request_id: str | None = None,
        timeout: float | None = None,
    ) -> Shipment:
        """Report that units were shipped."""
        found: Shipment = self._call(
            "shipments.create",
            {
                "order": order,
                "lines": lines,
                "carrier": carrier,
                "tracking_number": tracking_number,
                "method": method,
                "shipped_on": shipped_on,
                "reference": reference,
                "override": override,
            },
            flows.Options(idempotency_key=idempotency_key, request_id=request_id, timeout=timeout),
        )
        return found

    def list(
        self,
        *,
        order: Id | None = None,
        line: Id | None = None,
        tracking_number: str | None = None,
        since: Time | None = None,
        until: Time | None = None,
        zone: str | None = None,
        after: str | None = None,
        limit: int | None = None,
        request_id: str | None = None,
        timeout: float | None = None,
    ) -> Pages[Shipment]:
        """Shipments, newest first."""
        found: Pages[Shipment] = self._list(
            "shipments.list",
            {
                "order": order,
                "line": line,
                "tracking_number": tracking_number,
                "since": since,
                "until": until,
                "zone": zone,
                "after": after,
                "limit": limit,
            },
            flows.Options(request_id=request_id, timeout=timeout),
        )
        return found

    def get(self, shipment: Id, *, request_id: str | None = None, timeout: float | None = None) -> Shipment:
        """One shipment."""
        found: Shipment = self._call(
            "shipments.get", {"shipment": shipment}, flows.Options(request_id=request_id, timeout=timeout)
        )
        return found

    def update(
        self,
        shipment: Id,
        *,
        carrier: str | None = None,
        tracking_number: str | None = None,
        idempotency_key: str | None = None,
        request_id: str | None = None,
        timeout: float | None = None,
    ) -> Shipment:
        """Correct the carrier or the number of a parcel."""
        found: Shipment = self._call(
            "shipments.update",
            {"shipment": shipment, "carrier": carrier, "tracking_number": tracking_number},
            flows.Options(idempotency_key=idempotency_key, request_id=request_id, timeout=timeout),
        )
        return found


class TimelineCalls(Noun):
    """Calls about timeline."""

    def get(self, id: Id, *, request_id: str | None = None, timeout: float | None = None) -> Timeline:
        """The story of an order, a line or a cancellation."""
        found: Timeline = self._call("timeline.get", {"id": id}, flows.Options(request_id=request_id, timeout=timeout))
        return found


class UsersCalls(Noun):
    """Calls about users."""

    def list(
        self,
        *,
        party: str | None = None,
        status: str | None = None,
        q: str | None = None,
        since: Time | None = None,
        until: Time | None = None,
        zone: str | None = None,
        after: str | None = None,
        limit: int | None = None,
        request_id: str | None = None,
        timeout: float | None = None,
    ) -> Pages[User]:
        """People who can log in, newest first."""
        found: Pages[User] = self._list(
            "users.list",
            {
                "party": party,
                "status": status,
                "q": q,
                "since": since,
                "until": until,
                "zone": zone,
                "after": after,
                "limit": limit,
            },
            flows.Options(request_id=request_id, timeout=timeout),
        )
        return found

    def get(self, user: Id, *, request_id: str | None = None, timeout: float | None = None) -> User:
        """One user."""
        found: User = self._call("users.get", {"user": user}, flows.Options(request_id=request_id, timeout=timeout))
        return found

    def create(
        self,
        *,
        email: str,
        name: str | None = None,
        party: str | None = None,
        permissions: Texts | None = None,
        password: str | None = None,
        idempotency_key: str | None = None,
        request_id: str | None = None,
        timeout: float | None = None,
    ) -> User:
        """Add a person who can log in."""
        found: User = self._call(
            "users.create",
            {"email": email, "name": name, "party": party, "permissions": permissions, "password": password},
            flows.Options(idempotency_key=idempotency_key, request_id=request_id, timeout=timeout),
        )
        return found

    def update(
        self,
        user: Id,
        *,
        name: str | None = None,
        permissions: Texts | None = None,
        password: str | None = None,
        status: str | None = None,
        idempotency_key: str | None = None,
        if_match: str | None = None,
        request_id: str | None = None,
        timeout: float | None = None,
    ) -> User:
        """Change a user. A new password, or ``disabled``, ends the log-ins and tokens."""
        found: User = self._call(
            "users.update",
            {"user": user, "name": name, "permissions": permissions, "password": password, "status": status},
            flows.Options(idempotency_key=idempotency_key, if_match=if_match, request_id=request_id, timeout=timeout),
        )
        return found

    def end_sessions(
        self,
        user: Id,
        *,
        idempotency_key: str | None = None,
        request_id: str | None = None,
        timeout: float | None = None,
    ) -> User:
        """End the log-ins and tokens of a user."""
        found: User = self._call(
            "users.end_sessions",
            {"user": user},
            flows.Options(idempotency_key=idempotency_key, request_id=request_id, timeout=timeout),
        )
        return found


class Client(Caller):
    """The client: a member for each noun, with a method for each call about it.

    ``url`` and ``token`` come from ``COUNTERMAND_URL`` and ``COUNTERMAND_TOKEN`` or ``COUNTERMAND_TOKEN_FILE`` if they
    are not given.
    """

    @cached_property
    def attempts(self) -> AttemptsCalls:
        """Calls about attempts."""
        return AttemptsCalls(self)

    @cached_property
    def audit(self) -> AuditCalls:
        """Calls about audit."""
        return AuditCalls(self)

    @cached_property
    def cancellations(self) -> CancellationsCalls:
        """Calls about cancellations."""
        return CancellationsCalls(self)

    @cached_property
    def credentials(self) -> CredentialsCalls:
        """Calls about credentials."""
        return CredentialsCalls(self)

    @cached_property
    def endpoints(self) -> EndpointsCalls:
        """Calls about endpoints."""
        return EndpointsCalls(self)

    @cached_property
    def events(self) -> EventsCalls:
        """Calls about events."""
        return EventsCalls(self)

    @cached_property
    def health(self) -> HealthCalls:
        """Calls about health."""
        return HealthCalls(self)

    @cached_property
    def jobs(self) -> JobsCalls:
        """Calls about jobs."""
        return JobsCalls(self)

    @cached_property
    def judgements(self) -> JudgementsCalls:
        """Calls about judgements."""
        return JudgementsCalls(self)

    @cached_property
    def lines(self) -> LinesCalls:
        """Calls about lines."""
        return LinesCalls(self)

    @cached_property
    def me(self) -> MeCalls:
        """Calls about me."""
        return MeCalls(self)

    @cached_property
    def notices(self) -> NoticesCalls:
        """Calls about notices."""
        return NoticesCalls(self)

    @cached_property
    def orders(self) -> OrdersCalls:
        """Calls about orders."""
        return OrdersCalls(self)

    @cached_property
    def parties(self) -> PartiesCalls:
        """Calls about parties."""
        return PartiesCalls(self)

    @cached_property
    def payments(self) -> PaymentsCalls:
        """Calls about payments."""
        return PaymentsCalls(self)

    @cached_property
    def policies(self) -> PoliciesCalls:
        """Calls about policies."""
        return PoliciesCalls(self)

    @cached_property
    def providers(self) -> ProvidersCalls:
        """Calls about providers."""
        return ProvidersCalls(self)

    @cached_property
    def quotes(self) -> QuotesCalls:
        """Calls about quotes."""
        return QuotesCalls(self)

    @cached_property
    def refunds(self) -> RefundsCalls:
        """Calls about refunds."""
        return RefundsCalls(self)

    @cached_property
    def scorecards(self) -> ScorecardsCalls:
        """Calls about scorecards."""
        return ScorecardsCalls(self)

    @cached_property
    def search(self) -> SearchCalls:
        """Calls about search."""
        return SearchCalls(self)

    @cached_property
    def shipments(self) -> ShipmentsCalls:
        """Calls about shipments."""
        return ShipmentsCalls(self)

    @cached_property
    def timeline(self) -> TimelineCalls:
        """Calls about timeline."""
        return TimelineCalls(self)

    @cached_property
    def users(self) -> UsersCalls:
        """Calls about users."""
        return UsersCalls(self)
