"""Standard output that is always written whole, to any kind of file or pipe."""

import io
import os
import select
import sys
from typing import Any, Final, TextIO

_NAMES: Final = ("stdout", "stderr")


def write_whole() -> None:
    """Replace the standard streams by ones that write all they are given.

    Python's own lose the end of a text where ``PYTHONUNBUFFERED`` is set and the system takes only a part of it: a
    pipe does so when a signal arrives, or when another process that shares it made it non-blocking. Without the
    variable, a non-blocking pipe ends the program instead.
    """
    for name in _NAMES:
        stream = getattr(sys, name)
        if isinstance(stream, io.TextIOWrapper) and not isinstance(_raw(stream), _Whole):
            setattr(sys, name, _whole(stream))


def _whole(stream: io.TextIOWrapper) -> TextIO:
    stream.flush()
    return io.TextIOWrapper(
        io.BufferedWriter(_Whole(stream.fileno())),
        encoding=stream.encoding,
        errors=stream.errors,
        newline="\n",
        line_buffering=stream.line_buffering or stream.write_through,
    )


def _raw(stream: io.TextIOWrapper) -> object:
    return getattr(stream.buffer, "raw", stream.buffer)


class _Whole(io.RawIOBase):
    """A file descriptor whose ``write`` returns once everything is written."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def fileno(self) -> int:
        return self._descriptor

    def writable(self) -> bool:
        return True

    def isatty(self) -> bool:
        return os.isatty(self._descriptor)

    def write(self, data: Any, /) -> int:
        left = memoryview(data).cast("B")
        size = len(left)
        while left:
            left = left[self._write_some(left) :]
        return size

    def _write_some(self, data: memoryview) -> int:
        try:
            return os.write(self._descriptor, data)
        except BlockingIOError:
            waiting = select.poll()
            waiting.register(self._descriptor, select.POLLOUT)
            waiting.poll()
            return 0
