"""SnapshotWriter: the journal's writer, the snapshot now and then, the reserve while the disk takes no more, old
files compressed and forgotten.
"""

import asyncio
from collections.abc import Coroutine
from contextlib import suppress
from datetime import timedelta
from errno import ENOSPC
from functools import partial
from typing import Any, Final

from sidecar import clock
from sidecar.config.tables import State
from sidecar.core.vocabulary import events as ev
from sidecar.daemon.engine import Engine
from sidecar.daemon.recovery import state_of
from sidecar.storage.directory import StateDirectory
from sidecar.storage.disk_thread import DiskHangs, DiskThread
from sidecar.storage.journal_files import JournalFiles
from sidecar.storage.snapshot import write_state, write_state_async

RESERVE_EVERY_S: Final = (
    1.0  # how often it is tried again, and kept true while the journal is behind
)


def tell_of_disk(engine: Engine) -> None:
    """Let the core know where the disk began to take no more, or takes it again."""
    full = engine.cannot_keep
    if not engine.is_half_way and full != engine.manager.state.has("DISK_FULL"):
        hangs = engine.journal.disk.hangs
        engine.handle(ev.DiskChanged(at=engine.now(), full=full, hangs=full and hangs))


def shout_of_hanging(engine: Engine) -> None:
    """The disk does not answer, and actions that were to be on it first are carried out all the
    same.
    """
    text = (
        "the disk does not answer: what is decided is carried out, and is in memory only; see to the disk"
        " before this process ends"
    )
    engine.log.critical(text)
    engine.wake("DISK_HANGS", text)


class SnapshotWriter:
    """The files kept on disk, and for how long."""

    def __init__(self, engine: Engine, directory: StateDirectory, config: State) -> None:
        self._engine = engine
        self.directory = directory
        self._every_s = float(config.snapshot_s)
        self._keep_for = timedelta(days=config.journal_days)
        self._saved_at_seq = 0
        # Slow work must not keep the journal waiting, nor work of minutes the snapshot.
        self._aside, self._tidying = DiskThread(), DiskThread()

    def work(self) -> dict[str, Coroutine[Any, Any, None]]:
        """Its tasks, by name."""
        return {
            "journal": self._engine.journal.run(),
            "snapshot": self._snapshots(),
            "reserve": self._reserve(),
            "behind the disk": self._engine.carry_out_behind(),
        }

    async def _reserve(self) -> None:
        """While the journal is behind, the state that would be lost with the process is no older
        than this.
        """
        while True:
            await asyncio.sleep(RESERVE_EVERY_S)
            engine = self._engine
            if engine.witness is not None and engine.cannot_keep:
                prepared = engine.witness.prepare(engine.journal.beyond, engine.now())
                with suppress(DiskHangs):
                    await engine.journal.disk.do(partial(engine.witness.write, prepared))
            tell_of_disk(engine)

    async def _snapshots(self) -> None:
        while True:
            await asyncio.sleep(self._every_s)
            await self.write()
            with suppress(DiskHangs):  # old files can wait
                await self._tidying.do(self._tidy)

    async def write(self) -> None:
        """Write the snapshot, if a fact came since the last. A disk that refuses is told."""
        seq = self._engine.journal.place.seq
        if seq == self._saved_at_seq:
            return
        try:
            was_full = self._engine.manager.state.has("DISK_FULL")
            await write_state_async(
                self.directory.state,
                self._state(),
                before=lambda: self._reached(was_full=was_full),
                do=self._aside.do,
            )
        except OSError as error:
            self._engine.log.warning("the snapshot was not written", fault=error.strerror)
            return
        self._saved_at_seq = seq

    async def _reached(self, *, was_full: bool) -> None:
        """A snapshot must not stand beyond the journal's end, unless it says why."""
        await self._engine.journal.flush()
        if self._engine.journal.is_full and not was_full:
            raise OSError(ENOSPC, "the journal's end, which it would stand on, was not")

    def write_last(self) -> None:
        """The end in order: all facts are on disk. The line after the snapshot says so."""
        engine = self._engine
        engine.end()
        engine.journal.sync()
        tell_of_disk(engine)
        if engine.witness is not None and engine.cannot_keep:
            prepared = engine.witness.prepare(engine.journal.beyond, engine.now())
            engine.journal.sync(partial(engine.witness.write, prepared))
        state = self._state()
        try:
            self._aside.wait(lambda: write_state(self.directory.state, state))
        except OSError as error:
            engine.log.warning("the snapshot was not written", fault=error.strerror)
        engine.handle(ev.Stopped(at=engine.now()))

    def _state(self) -> Any:
        return state_of(self._engine.manager, self._engine.journal.place, self._engine.now())

    def _tidy(self) -> None:
        """Compress finished files, delete old ones. In a thread: touches no open file."""
        try:
            files = JournalFiles(self.directory.journal)
            files.compress_old()
            files.forget(clock.now() - self._keep_for, self._saved_at_seq)
        except OSError as error:
            self._engine.log.warning("journal not tidied", fault=error.strerror)
