"""How the service logs: one line per event on standard error, as JSON or for people to read.

Lines of a turn of the event loop are written together, at its end: a busy service would otherwise spend more on writing
them than on making them. Warnings, and what is logged without a loop, are written at once.
"""

import asyncio
import atexit
import logging
import sys
import threading
from collections.abc import MutableMapping
from datetime import UTC, datetime
from typing import Any, BinaryIO, Final, Literal

from countermand.observability.calls import current_call

Format = Literal["json", "console"]
Event = MutableMapping[str, Any]

LINE_MAX: Final = 16_384
"""A longer traceback is cut: a line that a collector breaks in two is of no use to it."""


def configure_logging(level: str, form: Format = "json") -> None:
    """One line per event on standard error, from this level on. Values of locals are never logged."""
    import structlog

    from countermand.observability.metrics import LOG_LINES

    def counted(_logger: object, _name: str, event: Event) -> Event:
        LOG_LINES.add(event["level"])
        return event

    sink = LineSink(sys.stderr.buffer)
    atexit.register(sink.flush)
    structlog.configure(
        processors=[
            named_after_call,
            structlog.processors.add_log_level,
            counted,
            with_time,
            structlog.processors.format_exc_info,
            cut,
            as_json if form == "json" else _for_people(),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level.upper()]),
        logger_factory=lambda *_: sink,
        cache_logger_on_first_use=True,
    )


def named_after_call(_logger: object, _name: str, event: Event) -> Event:
    """With the id of the call that is being answered, so that all lines about it are found together."""
    call = current_call.get()
    if call is not None and "request_id" not in event:
        event["request_id"] = call.request_id
    return event


def with_time(_logger: object, _name: str, event: Event) -> Event:
    """With the time in UTC. orjson writes it, so it costs no text of its own."""
    event["timestamp"] = datetime.now(UTC)
    return event


def cut(_logger: object, _name: str, event: Event) -> Event:
    """With the end of a traceback that is too long: what went wrong stands there."""
    trace = event.get("exception")
    if trace is not None and len(trace) > LINE_MAX:
        event["exception"] = f"… {trace[-LINE_MAX:]}"
    return event


def as_json(_logger: object, _name: str, event: Event) -> bytes:
    """The line as JSON; what JSON has no word for, in the words of Python."""
    import orjson

    return orjson.dumps(event, default=str, option=orjson.OPT_NON_STR_KEYS | orjson.OPT_UTC_Z)


def _for_people() -> Any:
    import structlog

    console = structlog.dev.ConsoleRenderer(
        colors=sys.stderr.isatty(), exception_formatter=structlog.dev.plain_traceback
    )

    def render(logger: Any, name: str, event: Event) -> bytes:
        event["timestamp"] = f"{event['timestamp']:%H:%M:%S.%f}"[:-3]
        return str(console(logger, name, event)).encode(errors="backslashreplace")

    return render


class LineSink:
    """Writes lines to a stream: those of one turn of the event loop together, all others at once."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self._lines: list[bytes] = []
        self._is_due = False
        self._lock = threading.Lock()

    def debug(self, line: bytes) -> None:
        """Write a line by the end of this turn."""
        self._lines.append(line)
        if self._is_due:
            return
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            self.flush()
            return
        self._is_due = True
        loop.call_soon(self.flush)

    info = debug

    def warning(self, line: bytes) -> None:
        """Write a line now."""
        self._lines.append(line)
        self.flush()

    msg = warn = error = exception = fatal = critical = warning

    def flush(self) -> None:
        """Write what waits. A stream that is closed or full is no reason to answer nobody."""
        with self._lock:
            self._is_due = False
            lines, self._lines = self._lines, []
            if not lines:
                return
            try:
                self._stream.write(b"\n".join([*lines, b""]))
                self._stream.flush()
            except (OSError, ValueError):
                return
