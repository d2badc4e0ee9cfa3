"""Lets the market move: quotes and due events at their time, and the second's tick."""

import asyncio
from collections.abc import Iterator
from itertools import chain
from math import inf
from typing import Final

from sidecar.core.vocabulary.money import with_money
from sidecar.paper.service.world import World
from sidecar.paper.venue.quote import Quote

TICK_S: Final = 1.0
DEPTH_S: Final = 0.05
TRADES_S: Final = 0.25
BURST: Final = 32  # quotes before others get their turn: some milliseconds of work
CONGESTED_S: Final = (
    0.002  # a market in no hurry looks this often whether its readers have caught up
)
LONGEST_WAIT_S: Final = 60.0  # of one sleep; time is looked at again after it


class Pump:
    """Drives one world. `run` and `tick` are two tasks of the same loop."""

    def __init__(self, world: World, quotes: Iterator[Quote]) -> None:
        self._world = world
        self._quotes = quotes
        self._next: Quote | None = None
        self._goes = True
        self._wake = asyncio.Event()
        world.changed = self._wake.set

    @with_money
    def open(self) -> None:
        """Take the quotes of the first moment, so that there are prices before the first request."""
        world = self._world
        self._next = next(self._quotes, None)
        while self._next is not None and self._next.at <= world.exchange.started_at:
            self._take(self._next)

    async def run(self) -> None:
        """Until cancelled: the next quote or event, when it is time."""
        while True:
            self._goes = self._may_go()
            for _ in range(BURST):
                if not self._step():
                    break
            else:
                await asyncio.sleep(0)
                continue
            await self._wait()

    @with_money
    def _step(self) -> bool:
        """Do the next thing that is due; false when there is none yet."""
        world, wall = self._world, self._world.wall()
        quote, due = self._next, world.exchange.due()
        if quote is not None and self._goes and (due is None or quote.at <= due):
            if world.clock.speed is None or world.clock.wall_until(quote.at, wall) == 0:
                self._take(quote)
                return True
            return False
        if due is not None and world.clock.wall_until(due, wall) == 0:
            world.exchange.advance(due)
            world.hub.publish(world.exchange.drain(), world.exchange.now, wall)
            return True
        return False

    def _take(self, quote: Quote) -> None:
        world, wall = self._world, self._world.wall()
        world.exchange.quote(quote)
        world.hub.publish(world.exchange.drain(), world.exchange.now, wall)
        self._next = next(self._quotes, None)
        world.market_over = self._next is None
        # As fast as possible, time between two quotes must not run past the second.
        world.clock.step(quote.at, self._next.at if self._next else None, wall)

    def _may_go(self) -> bool:
        """A market as fast as possible waits for its first reader or order, and for who lags."""
        world = self._world
        if world.clock.paused:
            return False
        if world.clock.speed is not None:
            world.started = True
            return True
        if not world.started:
            world.started = world.hub.hears_market or bool(world.exchange.register.open)
        return world.started and not world.hub.is_congested

    async def _wait(self) -> None:
        """Sleep until an event is due or a change has come."""
        world, wall = self._world, self._world.wall()
        moments = [self._next.at if self._next and self._goes else None, world.exchange.due()]
        waits = [world.clock.wall_until(at, wall) for at in moments if at is not None]
        if world.clock.speed is None and world.started and world.hub.is_congested:
            waits.append(CONGESTED_S)
        wait = min(chain(waits, (inf,)))
        self._wake.clear()
        try:
            async with asyncio.timeout(min(wait, LONGEST_WAIT_S)):
                await self._wake.wait()
        except TimeoutError:
            pass

    async def tick(self) -> None:
        """Until cancelled: heartbeats and batches, by the wall."""
        world = self._world
        seconds = trades = world.wall()
        while True:
            await asyncio.sleep(DEPTH_S)
            wall = world.wall()
            self._flush(
                wall, with_trades=wall - trades >= TRADES_S, with_second=wall - seconds >= TICK_S
            )
            if wall - trades >= TRADES_S:
                trades = wall
            if (
                wall - seconds >= TICK_S
            ):  # a tick that comes late by more than one is not made up for
                seconds = seconds + TICK_S if wall - seconds < 2 * TICK_S else wall

    @with_money
    def _flush(self, wall: float, *, with_trades: bool, with_second: bool) -> None:
        world = self._world
        world.hub.flush_depth(world.now(), wall)
        if with_trades:
            world.hub.flush_trades(world.now(), wall)
        if with_second:
            world.act_on_faults()
            world.hub.tick(world.now(), wall)
