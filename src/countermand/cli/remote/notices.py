"""Notices at a service."""

import time
from datetime import datetime
from typing import Final

from countermand.cli.nouns import SentAgain
from countermand.cli.output import Exit, fail
from countermand.cli.remote.calling import calling, not_tried

POLL_S: Final = 0.5
POLLS_MAX: Final = 120


class RemoteNotices:
    """Notices to endpoints of the token's party."""

    def replay(self, notice: str) -> SentAgain:
        """Send one again."""
        not_tried()
        with calling() as client:
            found = client.notices.resend(notice)
            state = client.endpoints.get(found.endpoint).state
        return SentAgain(notice=found.id, endpoint_state=state)

    def recover(self, endpoint: str, since: datetime) -> SentAgain:
        """Send all dead ones of an endpoint again: a job of the service, which is waited for."""
        not_tried()
        with calling() as client:
            state = client.endpoints.get(endpoint).state
            job = client.endpoints.recover(endpoint, since=since)
            for _ in range(POLLS_MAX):
                if job.ended:
                    break
                time.sleep(POLL_S)
                job = client.jobs.get(job.id)
        if not job.ended:
            fail(Exit.PENDING, "pending", f"The job {job.id} goes on; the service has not ended it yet.")
        return SentAgain(count=job.rows.ok, endpoint_state=state)
