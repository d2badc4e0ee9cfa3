"""Behind: facts whose consequences wait for the disk, beside the loop, so that no other task waits
for it.

    fact that moves the mode ─→ waits ─(thread: reserve, journal, fsync)→ carried out, told
    fact behind it           ─→ waits, so that its actions leave in order, and no longer
    who wants to know        ─→ waits, in its place, for the facts before

Bots are answered meanwhile, by the state that the fact has put in force. A disk that takes no more,
or does not answer, is not waited for: facts that could not be kept are acted upon all the same.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from functools import partial
from itertools import takewhile
from typing import Final, NamedTuple

from sidecar.core.vocabulary import actions as ac
from sidecar.core.vocabulary import events as ev
from sidecar.daemon.witness import Prepared, Witness
from sidecar.storage.journal import Journal

Release = Callable[[ev.Event, list[ac.Action]], None]
Asked = asyncio.Future[None]

# More than a busy account tells while a disk is waited for. Beyond it the disk counts as one that
# hangs: the waiting facts leave, and no order that adds risk passes until the disk has done the
# requested writes.
WAITING_MAX: Final = 10_000


class _Waiting(NamedTuple):
    event: ev.Event
    actions: list[ac.Action]
    prepared: Prepared | None
    moved: bool  # so the disk is waited for


class Behind:
    """The facts that wait. It is on while `run` runs; else none may be added, and the disk is
    waited for at once.
    """

    def __init__(self) -> None:
        self.is_on = False
        self._waiting: deque[_Waiting | Asked] = deque()
        self._wake = asyncio.Event()
        self._give_up: Callable[[], None] = lambda: None  # waiting for the disk

    @property
    def is_empty(self) -> bool:
        """Whether no fact waits."""
        return not self._waiting

    def add(
        self,
        event: ev.Event,
        actions: list[ac.Action],
        prepared: Prepared | None = None,
        *,
        moved: bool,
    ) -> None:
        """The actions of a fact leave once the disk has all that waits before it; where it `moved`
        the mode, all that is committed by now too, and `prepared`.
        """
        self._waiting.append(_Waiting(event, actions, prepared, moved))
        self._wake.set()
        if len(self._waiting) > WAITING_MAX:
            self._give_up()

    def settled(self) -> Asked | None:
        """Done when the facts that wait now have left, regardless of those behind; None: no fact
        waits.
        """
        if self.is_empty:
            return None
        asked: Asked = asyncio.get_running_loop().create_future()
        self._waiting.append(asked)
        return asked

    async def run(self, journal: Journal, witness: Witness | None, release: Release) -> None:
        """Until cancelled. Facts that wait then are the next start's."""
        self.is_on, self._give_up = True, journal.disk.give_up
        try:
            while True:
                await self._wake.wait()
                self._wake.clear()
                while self._waiting:
                    count = await self._kept(journal, witness)
                    self._let_go(count, release)
        finally:
            self.is_on = False
            waiting, self._waiting = self._waiting, deque()
            for one in waiting:
                if isinstance(one, asyncio.Future):
                    _tell(one)

    async def _kept(self, journal: Journal, witness: Witness | None) -> int:
        """How many of the waiting facts the disk has, in one go, or do not need it."""
        free = sum(1 for _ in takewhile(lambda one: not _needs_disk(one), self._waiting))
        if free:
            return free
        count = len(self._waiting)
        told = [one for one in self._waiting if isinstance(one, _Waiting)]
        prepared = next((one.prepared for one in reversed(told) if one.prepared), None)
        if witness is None or prepared is None:
            await journal.flush()
        else:
            await journal.flush(partial(witness.write, prepared))
        return count

    def _let_go(self, count: int, release: Release) -> None:
        """In order; a fact let go stays in its place meanwhile, so that its consequences come
        behind it.
        """
        for _ in range(count):
            first = self._waiting[0]
            if isinstance(first, _Waiting):
                release(first.event, first.actions)
            else:
                _tell(first)
            self._waiting.popleft()


def _needs_disk(one: _Waiting | Asked) -> bool:
    return isinstance(one, _Waiting) and one.moved


def _tell(asked: Asked) -> None:
    if not asked.done():
        asked.set_result(None)
