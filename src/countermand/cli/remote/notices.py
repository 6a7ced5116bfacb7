"""Notices at a service."""

import time
from collections.abc import Callable, Sequence
from datetime import datetime
from functools import cache
from typing import Final

from countermand.cli.nouns import Document, SentAgain, WantedNotices
from countermand.cli.output import Exit, fail
from countermand.cli.remote.calling import calling, document, not_tried, page_size, read_list
from countermand.cli.remote.finding import named

POLL_S: Final = 0.5
POLLS_MAX: Final = 120


class RemoteNotices:
    """Notices to endpoints of the token's party."""

    def read(self, wanted: WantedNotices, take: Callable[[Sequence[Document]], None], most: int | None) -> bool:
        """Hand ``take`` so many of them, newest first. Returns whether there are more."""
        with calling() as client:
            urls = cache(lambda endpoint: client.endpoints.get(endpoint).url)
            found = client.notices.list(
                state=[wanted.state] if wanted.state else None,
                endpoint=wanted.endpoint,
                since=wanted.since,
                expand=["attempts"] if wanted.attempts else None,
                limit=page_size(most),
            )
            return read_list(found, lambda each: {**document(each), "url": urls(each.endpoint)}, take, most)

    def replay(self, notice: str) -> SentAgain:
        """Send one again."""
        not_tried()
        with calling() as client:
            found = client.notices.resend(named("ntc", notice))
            state = client.endpoints.get(found.endpoint).state
        return SentAgain(notice=found.id, endpoint_state=state)

    def recover(self, endpoint: str, since: datetime) -> SentAgain:
        """Send all dead ones of an endpoint again: a job of the service, which is waited for."""
        not_tried()
        with calling() as client:
            state = client.endpoints.get(named("ept", endpoint)).state
            job = client.endpoints.recover(named("ept", endpoint), since=since)
            for _ in range(POLLS_MAX):
                if job.ended:
                    break
                time.sleep(POLL_S)
                job = client.jobs.get(job.id)
        if not job.ended:
            fail(Exit.PENDING, "pending", f"The job {job.id} goes on; the service has not ended it yet.")
        return SentAgain(count=job.rows.ok, endpoint_state=state)
