"""DepthStream: the books that the core wants followed, over a connection of their own, as facts for the engine.

The connection is there while any book is wanted. Levels come in bursts: a snapshot is read a part at a time, and
between two parts the loop is free for a decision. A feed of depth that is down is no feed that is down: no price is
older by it, and the core's copies grow old by themselves.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime
from typing import Any, Final, assert_never

from sidecar import clock
from sidecar.coinbase.depth_books import CHANGED_EVERY_S, Clocks, DepthBooks
from sidecar.coinbase.feed import Feed
from sidecar.coinbase.frames import LevelNews
from sidecar.coinbase.levels import book_parts
from sidecar.coinbase.session import (
    Close,
    Complaint,
    Fault,
    Gap,
    Live,
    Lost,
    Parsed,
    Step,
    Subscribe,
)
from sidecar.core.vocabulary import actions as ac
from sidecar.core.vocabulary import events as ev
from sidecar.core.vocabulary.errors import Untrusted
from sidecar.daemon.engine import Engine

FEED: Final = "depth"  # its name in the log
LOOK_S: Final = 0.25  # how often is looked for books to be asked for, and to be told
# Frames that wait to be read: more than the snapshots on their way at once are ever. A loop that has fallen so far
# behind tells depths that are long past.
WAITING_BYTES_MAX: Final = 64 << 20


class DepthStream:
    """Carries out FollowDepth, and answers ReadDepth as far as books are known."""

    def __init__(
        self,
        engine: Engine,
        make_feed: Callable[[Callable[[list[Step]], None]], Feed],
        read_over_rest: Callable[[ac.ReadDepth], None],
    ) -> None:
        """`make_feed`: a new feed of level2, which hands its steps to a function."""
        self._engine = engine
        self._make_feed = make_feed
        self._read_over_rest = read_over_rest
        self._feed: Feed | None = None  # while any book is wanted
        self._wanted: tuple[str, ...] = ()
        self.books = DepthBooks()
        self._waiting: deque[LevelNews] = deque()
        self._waiting_bytes = 0
        self._is_reading = False  # a frame, some parts of which may be in the books
        self._read_at: datetime | None = None  # the moment of the last frame that was read
        self._looked_at: datetime | None = None
        self._has_frames, self._is_due = asyncio.Event(), asyncio.Event()
        self._is_wanted, self._is_unwanted = asyncio.Event(), asyncio.Event()

    # -------------------------------------------------------------------------- wishes of the core

    def follow(self, action: ac.FollowDepth) -> None:
        """These books from now on, and no others."""
        self._wanted = action.product_ids
        self._follow_open_books()
        if self._feed is not None:
            self._ask(self._feed)  # at once: a book that is left and wanted again begins anew
        if action.product_ids:
            self._is_unwanted.clear()
            self._is_wanted.set()
        else:
            self._is_wanted.clear()
            self._is_unwanted.set()

    def _follow_open_books(self) -> None:
        """Coinbase refuses books that it has disabled, and others with them."""
        listed = self._engine.manager.tracker.products
        books = [
            name for name in self._wanted if name not in listed or not listed[name].is_disabled
        ]
        if tuple(books) != self.books.wanted:
            self.books.follow(books)

    def read(self, action: ac.ReadDepth) -> None:
        """Tell these books once: those that are known at once, the others over REST."""
        whole = {*self.books.whole}
        for name in action.product_ids:
            if name in whole:
                self.books.tell_anew(name)
        self._is_due.set()
        others = tuple(name for name in action.product_ids if name not in whole)
        if others:
            self._read_over_rest(ac.ReadDepth(product_ids=others))

    def answered(self, depth: ev.Depth) -> None:
        """REST has answered. A book that has become known meanwhile is told as it is known."""
        self.books.tell_anew(depth.product_id)
        if depth.product_id not in self.books.whole:
            self._engine.handle(ev.DepthSeen(at=self._engine.now(), books=(depth,)))

    def shown(self, wall: float) -> dict[str, Any]:
        """For `status`: the books followed, those of them that are known, those that Coinbase refuses, and the seconds
        since their connection was heard, null while there is none.
        """
        session = None if self._feed is None else self._feed.session
        is_live = session is not None and session.state == "live"
        return {
            "followed": list(self._wanted),
            "whole": list(self.books.whole),
            "left_out": [] if session is None else sorted(session.left_out),
            "heard_s_ago": round(wall - session.heard, 3) if session and is_live else None,
        }

    # -------------------------------------------------------------------------------- steps come in

    def _hand_over(self, steps: list[Step]) -> None:
        for step in steps:
            self._step(step)

    def _step(self, step: Step) -> None:
        log = self._engine.log
        match step:
            case Parsed(LevelNews() as news):
                self._wait_for_reading(news)
            case Complaint(text):
                log.warning("Coinbase complains", feed=FEED, words=text)
            case Live():
                log.info("feed", feed=FEED, signal="live")
            case Gap(expected, got):
                log.info("feed", feed=FEED, signal="gap", expected=expected, got=got)
                self._lose()
            case Fault(text):
                log.warning("frame not understood", feed=FEED, fault=text)
                self._lose()
            case Lost(reason):
                log.info("feed", feed=FEED, signal="lost", reason=reason)
                self._disconnect()
            case Parsed() | Subscribe() | Close():
                pass  # of a channel that is not asked for; carried out by the feed itself
            case _:
                assert_never(step)

    def _wait_for_reading(self, news: LevelNews) -> None:
        self._waiting.append(news)
        self._waiting_bytes += len(news.events)
        if self._waiting_bytes > WAITING_BYTES_MAX:
            self._engine.log.warning("more levels wait than can be read", feed=FEED)
            self._lose()
        self._has_frames.set()

    def _lose(self) -> None:
        """Frames were lost, or those that wait cannot be believed."""
        self.books.lose()
        self._forget_waiting()

    def _disconnect(self) -> None:
        self.books.disconnect()
        self._forget_waiting()
        if self._feed is not None:
            # The next connection begins without any: books are asked for a few at a time.
            self._feed.follow(())

    def _forget_waiting(self) -> None:
        self._waiting.clear()
        self._waiting_bytes = 0
        self._read_at = None

    # ---------------------------------------------------------------------------------------- tasks

    async def run(self) -> None:
        """Until cancelled: a connection, while any book is wanted."""
        while True:
            await self._is_wanted.wait()
            self._feed = self._make_feed(self._hand_over)
            async with asyncio.TaskGroup() as group:
                tasks = (
                    group.create_task(self._feed.run(), name="depth feed"),
                    group.create_task(self._read(), name="depth reads"),
                    group.create_task(self._look(self._feed), name="depth looks"),
                )
                await self._is_unwanted.wait()
                for task in tasks:
                    task.cancel()
            self._feed, self._is_reading = None, False
            self._disconnect()

    async def _read(self) -> None:
        while True:
            await self._has_frames.wait()
            self._has_frames.clear()
            while self._waiting:
                news = self._waiting.popleft()
                self._waiting_bytes -= len(news.events)
                self._is_reading = True
                await self._read_frame(news)
                self._is_reading = False

    async def _read_frame(self, news: LevelNews) -> None:
        """Other tasks run between two parts. Where one of them finds that all of it is void, the books know no snapshot
        that the rest could belong to.
        """
        try:
            for part in book_parts(news.events):
                fault = self.books.take(part, clock.wall())
                if fault:
                    self._engine.log.warning("depth lost", product=part.product_id, fault=fault)
                await asyncio.sleep(0)
        except Untrusted as fault:
            self._engine.log.warning("frame not understood", feed=FEED, fault=str(fault))
            self._lose()
            return
        self._read_at = news.at
        looked = self._looked_at
        if looked is None or (news.at - looked).total_seconds() >= CHANGED_EVERY_S:
            self._is_due.set()

    async def _look(self, feed: Feed) -> None:
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(LOOK_S):
                    await self._is_due.wait()
            self._is_due.clear()
            self._ask(feed)
            await self._tell(feed)

    def _ask(self, feed: Feed) -> None:
        if feed.session.state != "live":
            return
        self._follow_open_books()
        self.books.acknowledged(feed.session.products_on)
        asking = self.books.ask(clock.wall(), feed.session.left_out)
        if asking.subscribed != feed.session.products:
            feed.follow(asking.subscribed)
        if asking.anew:
            feed.renew(asking.anew)

    async def _tell(self, feed: Feed) -> None:
        """Tell what is due, a book at a time: to gather one takes a millisecond."""
        now = Clocks(clock.wall(), self._engine.now())
        self._looked_at = now.market
        held, held_at = list[str](), now.market
        for name in self.books.due(now):
            at = self._known_at(feed)
            if at is None:
                return
            word = self.books.word_on(name, now, at)
            if isinstance(word, ev.Depth):
                self._engine.handle(ev.DepthSeen(at=self._engine.now(), books=(word,)))
                await asyncio.sleep(0)
            elif word:
                held.append(name)
                held_at = min(held_at, at)
        if held:
            self._engine.handle(ev.DepthHolds(at=held_at, product_ids=tuple(held)))

    def _known_at(self, feed: Feed) -> datetime | None:
        """The moment up to which all is read that Coinbase has told; None where nothing is."""
        if feed.session.state != "live":
            return None
        return self._read_at if self._waiting or self._is_reading else feed.session.told_at
