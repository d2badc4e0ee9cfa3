"""Journal: facts and wishes noted at once, on disk within 50 ms, at once where an action hangs on
it.

    note → staged ─(commit)→ records ─(encode)→ open ─(seal)→ batches ─(50 ms, thread)→ file, fsynced
                                                                      ─(`sync`, at once)→

A record is staged until the fact behind it was taken in whole: one that went wrong half way must
not be met again by the next start. It is encoded after the bot that asked has been answered.

A disk that takes no more is told to the daemon, and every line is kept until it does again. Beyond
a bound the waiting lines are given up, and the journal goes on from a new state: all causes in
force are in that state, only the history has a hole. A disk that takes them, but not as fast as
they come, is waited for beside the loop, and far beyond the bound in it. One that hangs counts as
full until it answers.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from datetime import datetime
from typing import Final, NamedTuple

from sidecar.core.vocabulary.actions import Action
from sidecar.core.vocabulary.events import Event
from sidecar.storage.disk_thread import DiskHangs, DiskThread
from sidecar.storage.journal_codec import Chain
from sidecar.storage.journal_files import JournalFiles

FLUSH_WITHIN_S: Final = 0.05  # a crash may lose so much of lines that no action hung on
RETRY_S: Final = 1.0  # how often a full disk is tried again
WAITING_BYTES_MAX: Final = 16 << 20  # some ten minutes of a busy account
WITHOUT_WAITING: Final = 1.5  # times as much, while the thread is at it: until the loop waits
RECORDS_MAX: Final = (
    256  # not encoded yet, and so not counted: of the largest requests as much again
)


Record = tuple[Event | Action, datetime]
Before = Callable[[], object]


class Opening(NamedTuple):
    """A file that begins: its first line's number, when, and the state it begins from."""

    seq: int
    at: datetime
    state: bytes


class Batch(NamedTuple):
    """Lines that are written together."""

    opening: Opening | None
    lines: bytes


class Journal:
    """One directory's journal.

    `state` gives the bytes of the state at this moment, which names its place in the chain.
    `on_disk` is told, in the loop, True when the disk takes no more, False when it does again.
    """

    def __init__(
        self,
        files: JournalFiles,
        chain: Chain,
        state: Callable[[], bytes],
        on_disk: Callable[[bool], None],
        *,
        was_full: bool = False,
    ) -> None:
        """`was_full`: the disk took no more when the last process ended; the first success is told."""
        self._chain = chain
        self.is_full = was_full
        self.has_hole = False  # lines were given up; none is noted until a new state is on disk
        self._files = files
        self._state = state
        self._on_disk = on_disk
        self._staged: list[Record] = []
        self._records: list[Record] = []
        self._open: list[bytes] = []
        self._sealed: deque[Batch] = deque()  # appended by the loop, taken by the one who writes
        self._opening: Opening | None = None
        self._waiting_bytes = 0
        self._at: datetime | None = None
        self.disk = DiskThread()  # all writes that go before or after a line are done there
        self._wake = asyncio.Event()

    def note(self, record: Event | Action, at: datetime) -> None:
        """Write this down once it is committed. `at`: when it happened."""
        if self.has_hole:
            return
        waits = self._staged or self._records or self._open or self._sealed
        if not waits and self._files.is_due(at):
            self._opening = Opening(self._chain.seq, at, self._state())
        self._staged.append((record, at))

    def commit(self, at: datetime) -> None:
        """The staged records are to be written, soon."""
        self._at = at
        self._wake.set()
        self._records += self._staged
        self._staged.clear()
        if len(self._records) > RECORDS_MAX:
            self._encode()

    def discard(self) -> None:
        """Drop the records noted and not committed."""
        self._staged.clear()

    @property
    def place(self) -> Chain:
        """Where the chain stands, all committed records in it."""
        self._encode()
        return self._chain

    @property
    def beyond(self) -> Chain:
        """The place of a state of this moment that is kept outside: while lines are given up, it lies
        beyond every line there is.
        """
        place = self.place
        return Chain(place.seq + self.has_hole, place.sum)

    def sync(self, before: Before | None = None) -> None:
        """All records noted are on disk when this returns; while the disk is full, or hangs, it is
        kept instead. `before` is done right before, by the one who writes.
        """
        self._seal()
        self._report(took_all=self._drained_now(before) and not self.has_hole)

    async def run(self) -> None:
        """Until cancelled: write the waiting lines."""
        while True:
            await self._wake.wait()
            await asyncio.sleep(RETRY_S if self.is_full else FLUSH_WITHIN_S)
            self._wake.clear()
            await self.flush()

    async def flush(self, before: Before | None = None) -> None:
        """All committed records are on disk when this returns, unless the disk is full or hangs;
        `before` as in `sync`.
        """
        if self.has_hole and self._at is not None and not self.disk.hangs:
            self._encode()
            self._open.clear()  # the state has it
            self._opening = Opening(self._chain.seq, self._at, self._state())
            self.has_hole = False
        self._seal()
        try:
            took_all = await self.disk.do(lambda: self._drain(before))
        except DiskHangs:
            took_all = False
        self._report(took_all=took_all and not self.has_hole)

    def close(self) -> None:
        """Write the waiting lines and close the file, unless the disk hangs: then the system does."""
        self.sync()
        if not self.disk.hangs:
            self._files.close()

    # ---------------------------------------------------------------------------------------------

    def _encode(self) -> None:
        for record, at in self._records:
            line = self._chain.write(record, at)
            self._open.append(line)
            self._waiting_bytes += len(line)
        self._records.clear()
        if self._waiting_bytes > WAITING_BYTES_MAX and not self._make_room():
            self._give_up()

    def _make_room(self) -> bool:
        """Have the waiting lines written; returns whether the disk takes them. `run` is at it, and
        only where that does not suffice the loop waits too.
        """
        if self.is_full:
            return False
        self._seal_open()
        if self._waiting_bytes <= WAITING_BYTES_MAX * WITHOUT_WAITING:
            return True
        took_all = self._drained_now()
        self._waiting_bytes = 0
        return took_all

    def _seal(self) -> None:
        self._encode()
        self._seal_open()

    def _seal_open(self) -> None:
        if self._open or self._opening:
            self._sealed.append(Batch(self._opening, b"".join(self._open)))
            self._opening = None
            self._open.clear()

    def _drained_now(self, before: Before | None = None) -> bool:
        """Whether the disk took all lines, before this returns."""
        try:
            return self.disk.wait(lambda: self._drain(before))
        except DiskHangs:
            return False

    def _drain(self, before: Before | None) -> bool:
        """Write every sealed batch; whether the disk took them all. In the disk's thread."""
        if before is not None:
            before()
        sealed = self._sealed
        try:
            while sealed and sealed is self._sealed:  # else they were given up meanwhile
                opening, lines = sealed[0]
                if opening is not None:
                    self._files.begin(*opening)
                self._files.append(lines)
                sealed.popleft()
        except OSError:
            return False
        try:
            self._files.sync()
        except OSError:
            self.has_hole = True  # the kernel has given up the lines that it could not write
            return False
        return True

    def _report(self, *, took_all: bool) -> None:
        if took_all:
            if self._sealed:
                return  # more was sealed meanwhile: its writer has the last word
            self._waiting_bytes = sum(map(len, self._open))
        else:
            self._wake.set()
        if self.is_full == took_all:
            self.is_full = not took_all
            self._on_disk(self.is_full)

    def _give_up(self) -> None:
        """More waits than memory should hold: from here on the journal has a hole."""
        self._sealed = deque()  # and not cleared: the thread may be at it
        self._open.clear()
        self._opening = None
        self._waiting_bytes = 0
        self.has_hole = True
