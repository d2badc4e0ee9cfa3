"""Whether both websockets can be had: connected, subscribed, and a first price or snapshot read, within a time."""

import asyncio
from collections.abc import Mapping
from typing import Final

from sidecar.coinbase.auth import ApiKey
from sidecar.coinbase.feed import Feed
from sidecar.coinbase.frames import (
    MARKET_CHANNELS,
    OPTIONAL_CHANNELS,
    USER_CHANNELS,
    Tickers,
)
from sidecar.coinbase.session import Live, Parsed, Session, Step
from sidecar.config.tables import Coinbase
from sidecar.core.vocabulary.products import Product
from sidecar.daemon.preflight import Finding

WITHIN_S: Final = 10.0  # a subscription is live within one
USUAL: Final = ("BTC-USD", "ETH-USD")  # one of them to listen to, where none is followed


async def try_feeds(
    coinbase: Coinbase, key: ApiKey, listed: Mapping[str, Product], within_s: float = WITHIN_S
) -> list[Finding]:
    """A finding for each feed that cannot be had."""
    named = [listed[name] for name in coinbase.follow or USUAL if name in listed]
    followed = [product.book for product in named if not product.is_disabled]
    market = _Try(
        Session(MARKET_CHANNELS, followed, optional=OPTIONAL_CHANNELS), needs_price=bool(followed)
    )
    user = _Try(Session(USER_CHANNELS, optional=OPTIONAL_CHANNELS), needs_price=False)
    async with asyncio.TaskGroup() as group:
        tried = {
            "ws_url": group.create_task(market.reason(coinbase.ws_url, key, within_s)),
            "ws_user_url": group.create_task(user.reason(coinbase.ws_user_url, key, within_s)),
        }
    return [
        Finding(
            "critical",
            "WEBSOCKET",
            f"{getattr(coinbase, name)}: {task.result()}; see coinbase.{name}, the network and its firewall",
        )
        for name, task in tried.items()
        if task.result()
    ]


class _Try:
    """One session, until it has brought what a start needs."""

    def __init__(self, session: Session, *, needs_price: bool) -> None:
        self._session = session
        self._is_live = False
        self._has_price = not needs_price
        self._done = asyncio.Event()

    async def reason(self, url: str, key: ApiKey, within_s: float) -> str:
        """Why it did not come about; empty where it did."""
        feed = Feed(self._session, (url,), key, self._take)
        loop = asyncio.get_running_loop()
        once, done = loop.create_task(feed.once()), loop.create_task(self._done.wait())
        try:
            await asyncio.wait({once, done}, timeout=within_s, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (once, done):
                task.cancel()
            await asyncio.wait({once, done})
        if self._done.is_set():
            return ""
        if not once.cancelled():
            once.result()
        if self._is_live:
            return f"subscribed, but no price came within {within_s:g} s"
        return feed.reason or f"no whole subscription within {within_s:g} s"

    def _take(self, steps: list[Step]) -> None:
        for step in steps:
            match step:
                case Live():
                    self._is_live = True
                case Parsed(said=Tickers()):
                    self._has_price = True
                case _:
                    continue
        if self._is_live and self._has_price:
            self._done.set()
