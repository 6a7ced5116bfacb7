"""How the service logs: one line per event on standard error, as JSON or for people to read.

Lines of a turn of the event loop are written together, at its end: a busy service would otherwise spend more on writing
them than on making them. Warnings, and what is logged without a loop, are written at once.
"""

import asyncio
import atexit
import logging
import sys
import threading
from collections.abc import Callable, MutableMapping
from datetime import UTC, datetime
from typing import Any, BinaryIO, Final, Literal

import orjson

from countermand.observability.calls import current_call

Format = Literal["json", "console"]
Event = MutableMapping[str, Any]
Render = Callable[[Event], bytes]

LINE_MAX: Final = 16_384
"""A longer traceback is cut: a line that a collector breaks in two is of no use to it."""


def configure_logging(
    level: str, form: Format = "json", sink: "LineSink | None" = None, *, process: int | None = None
) -> None:
    """One line per event on standard error, from this level on. Values of locals are never logged.

    With a ``sink`` lines go there, until logging is configured again. ``process`` is the number of this process among
    several of one service, which stands in every line.
    """
    import structlog

    if sink is None:
        sink = LineSink(sys.stderr.buffer)
        atexit.register(sink.flush)
        lasts = True
    else:
        lasts = False
    lowest = logging.getLevelNamesMapping()[level.upper()]
    structlog.configure(
        processors=[],
        wrapper_class=_logger_class(lowest, sink, _of_process(process, _as_json if form == "json" else _for_people())),
        logger_factory=lambda *_: None,
        cache_logger_on_first_use=lasts,
    )


def _logger_class(lowest: int, sink: "LineSink", render: Render) -> type:
    """A class for structlog's loggers that makes each line in one step.

    structlog's own calls a chain of processors for each line, which costs more than all that they do here.
    """
    methods: dict[str, Any] = {"__init__": lambda self, logger, processors, context: None}
    for name in ("debug", "info", "warning", "error", "critical"):
        number = getattr(logging, name.upper())
        keep = sink.later if number < logging.WARNING else sink.now
        methods[name] = _method(name, keep, render) if number >= lowest else _say_nothing
    error = methods["error"]
    methods["exception"] = lambda self, event, **more: error(self, event, exc_info=True, **more)
    return type("Logger", (), methods)


def _method(level: str, keep: Callable[[bytes], None], render: Render) -> Callable[..., None]:
    from countermand.observability.metrics import LOG_LINES

    def method(_self: object, event: str, **more: Any) -> None:
        LOG_LINES.add(level)
        more["event"] = event
        if "request_id" not in more:
            call = current_call.get()
            if call is not None:
                # So that all lines about a call are found together.
                more["request_id"] = call.request_id
        more["level"] = level
        more["timestamp"] = datetime.now(UTC)
        if "exc_info" in more:
            _write_traceback(more)
        keep(render(more))

    return method


def _of_process(number: int | None, render: Render) -> Render:
    return render if number is None else lambda event: render({"process": number, **event})


def _say_nothing(_self: object, event: str, **more: Any) -> None:
    """Below the level that is asked for."""


def _write_traceback(event: Event) -> None:
    """As text, and the end of it if it is too long: what went wrong stands there."""
    from structlog.processors import format_exc_info

    format_exc_info(None, "", event)
    trace = event.get("exception", "")
    if len(trace) > LINE_MAX:
        event["exception"] = f"… {trace[-LINE_MAX:]}"


def _as_json(event: Event) -> bytes:
    """The line as JSON; what JSON has no word for, in the words of Python."""
    return orjson.dumps(event, default=str, option=_JSON_OPTIONS)


_JSON_OPTIONS: Final = orjson.OPT_NON_STR_KEYS | orjson.OPT_UTC_Z


def _for_people() -> Render:
    from structlog.dev import ConsoleRenderer, plain_traceback

    console = ConsoleRenderer(colors=sys.stderr.isatty(), exception_formatter=plain_traceback)

    def render(event: Event) -> bytes:
        event["timestamp"] = f"{event['timestamp']:%H:%M:%S.%f}"[:-3]
        return str(console(None, "", event)).encode(errors="backslashreplace")

    return render


class LineSink:
    """Writes lines to a stream: those of one turn of the event loop together, all others at once."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self._lines: list[bytes] = []
        self._is_due = False
        self._lock = threading.Lock()

    def later(self, line: bytes) -> None:
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

    def now(self, line: bytes) -> None:
        """Write a line now."""
        self._lines.append(line)
        self.flush()

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
