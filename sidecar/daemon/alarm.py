"""Alarm: lets the core know when only time has passed."""

import asyncio
from datetime import datetime

from sidecar.core.vocabulary import actions as ac
from sidecar.core.vocabulary import events as ev
from sidecar.daemon.engine import Engine

LOOK_S = 1.0  # a market clock may run faster than the wall's, or jump: look at least so often


class Alarm:
    """The one moment the core asked to be woken at; a later wish replaces an earlier one."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._due: datetime | None = None
        self._changed = asyncio.Event()

    def set(self, action: ac.WakeAt) -> None:
        """Carry out the core's wish."""
        self._due = action.at
        self._changed.set()

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            wait_s = LOOK_S
            if self._due is not None:
                now = self._engine.now()
                if now >= self._due:
                    self._due = None
                    self._engine.handle(ev.ClockAdvanced(at=now))
                    await asyncio.sleep(0)  # other tasks have their turn, however often this is due
                    continue
                wait_s = min(LOOK_S, (self._due - now).total_seconds())
            self._changed.clear()
            try:
                async with asyncio.timeout(wait_s):
                    await self._changed.wait()
            except TimeoutError:
                continue
