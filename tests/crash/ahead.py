"""``countermand serve`` whose clock is ahead by so many seconds: ``python -m tests.crash.ahead 3600 --port 8765``.

The rest is the service as it is, with its settings from the environment. The clock only jumps between two starts, as
no call can be under way then.
"""

import asyncio
import sys
from datetime import UTC, datetime, timedelta
from functools import partial

from countermand import serving
from countermand.app import opened
from countermand.observability.logs import configure_logging
from countermand.settings import Settings


def main() -> None:
    ahead = timedelta(seconds=float(sys.argv[1]))
    settings = Settings()
    configure_logging(settings.log_level)
    serving.opened = partial(opened, clock=lambda: datetime.now(UTC) + ahead)  # type: ignore[attr-defined]
    asyncio.run(serving.serve(settings))


if __name__ == "__main__":
    main()
