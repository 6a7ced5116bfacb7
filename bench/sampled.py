"""The service, looked at now and then while it uses CPU: ``python -m bench.sampled FILE serve …``.

SIGUSR1 begins to count anew, SIGUSR2 writes to FILE what was counted. Each look counts for the innermost frame of a
package that has a layer. What Python's own library does counts for whoever called it.
"""

import json
import signal
import sys
from collections import Counter
from pathlib import Path
from types import CodeType, FrameType
from typing import Final

from countermand.cli import main

EVERY_S: Final = 0.001
"""Of CPU, between two looks. Most systems count in steps of 4 ms."""
LOOP: Final = "event loop"

LAYERS: Final = {
    "/countermand/wire/": "door",
    "/countermand/documents/": "door",
    "/countermand/service/": "road",
    "/countermand/domain/": "decision",
    "/countermand/store/": "store",
    "/countermand/reads/": "reads",
    "/countermand/observability/": "logs, metrics, traces",
    "/countermand/observed.py": "logs, metrics, traces",
    "/structlog/": "logs, metrics, traces",
    "/prometheus_client/": "logs, metrics, traces",
    "/countermand/http_server.py": "HTTP server",
    "/uvicorn/": "HTTP server",
    "/httptools/": "HTTP server",
    "/sqlalchemy/": "SQLAlchemy",
    "/asyncpg/": "driver",
    "/fastapi/": "FastAPI, Starlette, Pydantic",
    "/starlette/": "FastAPI, Starlette, Pydantic",
    "/pydantic/": "FastAPI, Starlette, Pydantic",
    "/countermand/": LOOP,
}
"""The layer of a file: that of the first part which its path has."""


class Looks:
    """How often each layer was at work when somebody looked."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._counted: Counter[str] = Counter()
        self._known: dict[CodeType, str] = {}

    def begin(self, *_: object) -> None:
        """Count anew."""
        self._counted.clear()
        signal.setitimer(signal.ITIMER_PROF, EVERY_S, EVERY_S)

    def look(self, _: int, frame: FrameType | None) -> None:
        """Count once for the innermost frame that has a layer."""
        layer = ""
        while frame is not None and not (layer := self._layer(frame.f_code)):
            frame = frame.f_back
        self._counted[layer or LOOP] += 1

    def write(self, *_: object) -> None:
        """Stop, and write what was counted."""
        signal.setitimer(signal.ITIMER_PROF, 0)
        new = self._file.with_suffix(".new")
        new.write_text(json.dumps(self._counted))
        new.rename(self._file)

    def _layer(self, code: CodeType) -> str:
        if code not in self._known:
            self._known[code] = next((name for part, name in LAYERS.items() if part in code.co_filename), "")
        return self._known[code]


if __name__ == "__main__":
    looks = Looks(Path(sys.argv[1]))
    signal.signal(signal.SIGPROF, looks.look)
    signal.signal(signal.SIGUSR1, looks.begin)
    signal.signal(signal.SIGUSR2, looks.write)
    main(sys.argv[2:])
