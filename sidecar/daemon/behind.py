"""Behind: facts whose consequences wait for the disk, beside the loop, so that nobody else waits for it.

    fact that moves the mode ─→ waits ─(thread: reserve, journal, fsync)→ carried out, told
    fact behind it           ─→ waits, so that what follows leaves in order

Bots are answered meanwhile, by the state that the fact has put in force. A disk that takes no more is not
waited for: what could not be kept is acted upon all the same.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from typing import NamedTuple

import aiofiles.os

from sidecar.core import actions as ac
from sidecar.core import events as ev
from sidecar.daemon.witness import Prepared, Witness
from sidecar.storage.journal import Journal

Release = Callable[[ev.Event, list[ac.Action]], None]


class _Waiting(NamedTuple):
    event: ev.Event
    actions: list[ac.Action]
    prepared: Prepared | None


class Behind:
    """What waits. It is on while `run` runs; else nothing may be added, and the disk is waited for at once."""

    def __init__(self) -> None:
        self.is_on = False
        self._waiting: deque[_Waiting] = deque()
        self._wake = asyncio.Event()
        self._asked: list[asyncio.Future[None]] = []

    @property
    def is_empty(self) -> bool:
        """Whether nothing waits."""
        return not self._waiting

    def add(
        self, event: ev.Event, actions: list[ac.Action], prepared: Prepared | None = None
    ) -> None:
        """What follows a fact leaves once the disk has all that is committed by now, and `prepared`."""
        self._waiting.append(_Waiting(event, actions, prepared))
        self._wake.set()

    def settled(self) -> asyncio.Future[None] | None:
        """Done when nothing waits any more; None: nothing does."""
        if self.is_empty:
            return None
        self._asked.append(asyncio.get_running_loop().create_future())
        return self._asked[-1]

    async def run(self, journal: Journal, witness: Witness | None, release: Release) -> None:
        """Until cancelled. What waits then is the next start's."""
        self.is_on = True
        try:
            while True:
                await self._wake.wait()
                self._wake.clear()
                while self._waiting:
                    await self._pass(journal, witness, release)
                self._tell_settled()
        finally:
            self.is_on = False
            self._waiting.clear()
            self._tell_settled()

    async def _pass(self, journal: Journal, witness: Witness | None, release: Release) -> None:
        """All that waits by now, in one go."""
        count = len(self._waiting)
        prepared = next((one.prepared for one in reversed(self._waiting) if one.prepared), None)
        if witness is not None and prepared is not None:
            await aiofiles.os.wrap(witness.write)(prepared)
        await journal.flush()
        for _ in range(count):
            done = self._waiting[0]
            release(done.event, done.actions)
            self._waiting.popleft()

    def _tell_settled(self) -> None:
        asked, self._asked = self._asked, []
        for future in asked:
            if not future.done():
                future.set_result(None)
