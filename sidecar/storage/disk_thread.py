"""A thread for writes to a disk, and how long the disk is waited for.

    do, wait ─→ pieces of work ─(thread, one after the other)→ done
                       └─ not done within `WITHIN_S`: the disk hangs, and no caller waits for it

Work that was given up is not taken back: a disk that answers again does it, and until then it gets
no more work. So no more threads hang than there are of these, and none keeps the process from its
end.
"""

import asyncio
import sys
import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from errno import ETIMEDOUT
from functools import partial
from typing import Any, Final, TypeVar

# A disk that is shared and busy may take two seconds; a flattening, or the operator who asked for
# it, waits no longer than this.
WITHIN_S: Final = 5.0
IDLE_S: Final = 1.0  # a thread without work ends; a journal's has some every 50 ms

T = TypeVar("T")


class DiskHangs(OSError):
    """The disk was waited for in vain, or is known not to answer."""

    def __init__(self) -> None:
        super().__init__(ETIMEDOUT, "the disk does not answer")


class DiskThread:
    """`on_hang` is called, by the caller that waited, when the disk begins to hang."""

    def __init__(self) -> None:
        self.on_hang: Callable[[], object] = lambda: None
        self._changed = threading.Condition()
        # The pieces of work and their outcomes; the first is under way.
        self._pieces: deque[tuple[Callable[[], Any], Future[Any]]] = deque()
        self._thread: threading.Thread | None = None
        self._is_given_up = False
        self._waits: set[asyncio.Future[None]] = set()  # resolved when the disk is given up

    @property
    def hangs(self) -> bool:
        """Whether the disk was waited for in vain, and has not done its work yet."""
        return self._is_given_up and bool(self._pieces)

    async def do(self, work: Callable[[], T]) -> T:
        """The result of the work, beside the loop. Raises DiskHangs, and the errors of the work."""
        future = self._put(work)
        done = asyncio.wrap_future(future)
        given_up = asyncio.get_running_loop().create_future()
        self._waits.add(given_up)
        try:
            await asyncio.wait({done, given_up}, timeout=WITHIN_S, return_when="FIRST_COMPLETED")
        finally:
            self._waits.discard(given_up)
            if not done.done():
                done.add_done_callback(_met)
        if not done.done():
            self.give_up()
            raise DiskHangs
        return done.result()

    def wait(self, work: Callable[[], T]) -> T:
        """The same at once: the caller waits."""
        future = self._put(work)
        try:
            return future.result(WITHIN_S)
        except TimeoutError:
            if future.done():  # in the very last moment, or with such an error of its own
                return future.result()
            self.give_up()
            raise DiskHangs from None

    def give_up(self) -> None:
        """Wait no longer for the work asked by now: the disk hangs until it has done it."""
        if self.hangs or not self._pieces:
            return
        self._is_given_up = True
        for given_up in self._waits:
            if not given_up.done():
                given_up.set_result(None)
        self.on_hang()

    def _put(self, work: Callable[[], T]) -> "Future[T]":
        if self.hangs:
            raise DiskHangs
        future: Future[T] = Future()
        with self._changed:
            if self._thread is None:
                self._begin()
            self._is_given_up = False
            self._pieces.append((work, future))
            self._changed.notify_all()
        return future

    def _begin(self) -> None:
        """Raises DiskHangs where the system gives no thread: the disk gets no work then."""
        thread = threading.Thread(target=self._run, name="disk", daemon=True)
        try:
            thread.start()
        except RuntimeError:
            raise DiskHangs from None
        self._thread = thread

    def _run(self) -> None:
        while True:
            with self._changed:
                if not self._changed.wait_for(lambda: self._pieces, IDLE_S):
                    self._thread = None
                    return
                work, future = self._pieces[0]
            try:
                tell = partial(future.set_result, work())
            except OSError as error:
                tell = partial(future.set_exception, error)
            finally:
                self._pieces.popleft()  # before it is told: the listener finds no hanging disk
                if (fault := sys.exc_info()[1]) is not None:  # of our own: it ends this thread, too
                    tell = partial(future.set_exception, fault)
                    with self._changed, suppress(DiskHangs):  # then with the next piece
                        self._thread = None
                        self._begin()
                tell()


def _met(done: "asyncio.Future[Any]") -> None:
    """A disk's failure that no caller waits for any more is met by the next write; a fault of our
    own is none.
    """
    if not done.cancelled() and (error := done.exception()) and not isinstance(error, OSError):
        raise error
