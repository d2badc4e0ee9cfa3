"""Outlet: a standard stream of the process, written by a thread of its own.

    write ─→ queue, at most 256 KiB ─(thread)→ file descriptor

A writer never waits and never fails. Lines that the stream does not take are lost and counted; once
it takes one again, `notice` says there how much it lacks.
"""

import io
import os
import select
import threading
from collections import deque
from collections.abc import Callable
from typing import Any, Final

QUEUE_BYTES_MAX: Final = (
    256 * 1024
)  # some 1,500 lines: more than a person who stops a terminal misses
END_WITHIN_S: Final = 1.0  # the time given to a reader at the end; it may read no more
UNREAD: Final = "nobody reads it"
WHOLE: Final[dict[str, Any]] = {"lost": 0, "fault": ""}  # the state of a stream that takes all


class Outlet(io.BufferedIOBase):
    """Takes bytes for a file descriptor; `text` takes text. A write is a line, or several that belong
    together: it is kept, or lost, as a whole.
    """

    def __init__(self, descriptor: int, encoding: str) -> None:
        self.name = f"<outlet of {descriptor}>"
        self.text = io.TextIOWrapper(
            self, encoding, errors="backslashreplace", newline="\n", write_through=True
        )
        self.notice: Callable[[int], str] = lambda lost: f"{lost} lines were lost here"
        self._descriptor = descriptor
        self._encoding = encoding
        self._changed = threading.Condition()
        # How many were lost just before it, and a write; the first is under way.
        self._waiting: deque[tuple[int, bytes]] = deque()
        self._bytes = 0  # of them
        self._gap = 0  # how many were lost after the last of them
        self._lost = 0
        self._fault = ""  # why the last write was lost; empty where it was not
        self._is_cut = False  # a line was begun and not ended
        self._ends = False
        self._thread = threading.Thread(target=self._run, name="outlet", daemon=True)
        self._thread.start()

    def state(self) -> dict[str, Any]:
        """How many writes were lost since the start, and why the last one was, if it was."""
        with self._changed:
            return {"lost": self._lost, "fault": self._fault}

    def end(self) -> None:
        """Let the thread write the waiting lines and end; not for long, for it may never be read."""
        with self._changed:
            self._ends = True
            self._changed.notify_all()
        self._thread.join(END_WITHIN_S)

    # ----------------------------------------------------------------------- a stream's own methods

    def writable(self) -> bool:
        """It is for writing."""
        return True

    def fileno(self) -> int:
        """The descriptor behind it."""
        return self._descriptor

    def isatty(self) -> bool:
        """Whether a terminal is behind it."""
        return os.isatty(self._descriptor)

    def write(self, data: Any) -> int:
        """Queue it; where there is no room it is lost."""
        line = bytes(data)
        with self._changed:
            if self._bytes + len(line) > QUEUE_BYTES_MAX:
                self._fault = UNREAD
                self._lost += 1
                self._gap += 1
            else:
                self._queue(line)
        return len(line)

    # ---------------------------------------------------------------------------------- the thread

    def _run(self) -> None:
        untold = 0
        while (found := self._next()) is not None:
            lost, line = found
            untold += lost
            fault = self._put(self._told(untold)) if untold else ""
            if not fault:
                untold, fault = 0, self._put(line)
            with self._changed:
                self._bytes -= len(line)
                self._waiting.popleft()
                self._fault = fault
                if fault and line:
                    self._lost += 1
                    untold += 1
                self._changed.notify_all()

    def _next(self) -> tuple[int, bytes] | None:
        """How much was lost, and the bytes to write behind it; None at the end."""
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or self._gap or self._ends)
            if self._gap and not self._waiting:
                self._queue(b"")
            return self._waiting[0] if self._waiting else None

    def _queue(self, line: bytes) -> None:
        self._waiting.append((self._gap, line))
        self._gap = 0
        self._bytes += len(line)
        self._changed.notify_all()

    def _told(self, lost: int) -> bytes:
        return f"{self.notice(lost)}\n".encode(self._encoding, "backslashreplace")

    def _put(self, line: bytes) -> str:
        """Write it whole, however long that takes; else why it cannot be written."""
        left = memoryview(b"\n" + line if self._is_cut else line)
        whole = len(left)
        try:
            while left:
                left = left[self._write_some(left) :]
        except OSError as error:
            self._is_cut = self._is_cut or len(left) < whole
            return error.strerror or str(error)
        self._is_cut = False
        return ""

    def _write_some(self, data: memoryview) -> int:
        try:
            return os.write(self._descriptor, data)
        except BlockingIOError:  # another owner of the stream may have made it so
            ready = select.poll()
            ready.register(self._descriptor, select.POLLOUT)
            ready.poll()
            return 0
