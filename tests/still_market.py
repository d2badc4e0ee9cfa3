"""A running sidecar beside a paper exchange whose market time is in the test's hand, over real sockets.

    async with desk(tmp_path, balances={"USD": "100000"}) as made:
        await made.quote("BTC-USD", "60000")     # a second later; done when the sidecar has heard it
        await made.wait(60)                      # a minute of the market, at once
        await made.reading()                     # the account, read over REST

Sockets, signatures, heartbeats and time-outs are real. What waits for the market's time (lags, doubts,
confirmation, stale marks, the life of an approval) waits for the test, so no test hangs on how fast the
machine is.
"""

from collections.abc import Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from risk_sidecar_client import Decision
from sidecar.coinbase.budget import Budget
from sidecar.coinbase.exchange_clock import ExchangeClock
from sidecar.core.account import losses
from sidecar.core.account.losses import Loss
from sidecar.core.account.position_tracker import PositionTracker
from sidecar.core.vocabulary import actions as ac
from sidecar.core.vocabulary import events as ev
from sidecar.daemon import reconciler, streams
from sidecar.daemon import sidecar as process
from sidecar.paper.service.world import World
from tests.fault.paper_client import Trader, trading
from tests.running_sidecar import Beside, beside

FEES = ("taker_fee", "maker_fee")  # of futures too
OPENING = datetime(
    2026, 11, 23, 15, tzinfo=UTC
)  # a Monday, 10:00 in New York; no funding for an hour
BIP = "BIP-20DEC30-CDE"  # a contract is 0.01 BTC
PLENTY = "100000"  # at each side of every book that is set: nothing slips
WIDE_OPEN = {
    "max_order_notional": 10_000_000,
    "max_quote_age_s": 86_400,  # a quiet book is not read over REST behind the test's back
}
UNCOUNTED = 1_000_000
SOON_S = 0.05
INSTANT = timedelta(milliseconds=1)
D = Decimal


class MarketTime(ExchangeClock):
    """The exchange's own clock, whatever its frames are stamped with."""

    def __init__(self, world: World) -> None:
        super().__init__(world.now())
        self.world = world

    def __call__(self) -> datetime:
        return self.world.now()


class Desk:
    """The market, the account and what the sidecar makes of both."""

    def __init__(self, trader: Trader, made: Beside) -> None:
        self.trader, self.made = trader, made
        self.equities: list[Decimal] = []
        self.ratios: list[Decimal] = []  # of the cumulative loss, as it may at most be told
        self.heard: list[ev.Event] = []
        self._handle = made.manager.handle
        made.manager.handle = self._noted  # type: ignore[method-assign]

    def _noted(self, event: ev.Event) -> list[ac.Action]:
        """What is known right after a fact: listeners hear of some later, behind the disk."""
        actions = self._handle(event)
        self._note(event)
        return actions

    def _note(self, event: ev.Event) -> None:
        self.heard.append(event)
        self.equities.append(self.tracker.equity)
        self.ratios.append(self.loss().ratio or D(0))

    # ------------------------------------------------------------------------ what the sidecar says

    @property
    def tracker(self) -> PositionTracker:
        return self.made.manager.tracker

    @property
    def causes(self) -> set[str]:
        return {cause.code for cause in self.made.manager.state.causes.values()}

    @property
    def alerts(self) -> list[str]:
        return self.made.codes(ac.Alert)

    @property
    def sold(self) -> bool:
        """Whether an episode has begun."""
        return any(isinstance(action, ac.Liquidate) for _, action in self.made.actions)

    def loss(self, window: Callable[..., Loss] = losses.cumulative) -> Loss:
        return window(self.tracker)

    def watch(self) -> None:
        """From here on `equities` and `ratios` count."""
        self.equities, self.ratios = [self.tracker.equity], [self.loss().ratio or D(0)]

    async def status(self) -> Any:
        return await self.made.ask("status")

    # -------------------------------------------------------------------------------------- the market

    @property
    def world(self) -> World:
        return self.trader.paper.world

    async def control(self, path: str, **body: Any) -> Any:
        """A call below /paper."""
        return await control(self.trader, path, **body)

    async def wait(self, seconds: float) -> None:
        """Market time passes, all at once. What hangs on it happens at the next fact."""
        let_pass(self.world, timedelta(seconds=seconds))

    async def quote(self, product_id: str, price: object, after: float = 1) -> None:
        """A quote of one tick around a price, so many seconds later, heard by the sidecar."""
        await self.book(product_id, **sides(self.trader, product_id, price), after=after)

    async def book(self, product_id: str, *, after: float = 1, **body: Any) -> None:
        """Any quote or trade that a ticker tells of."""
        await self.wait(after)
        at = self.world.now()
        await self.control("market", product_id=product_id, **body)
        await self.made.until(lambda: self._has_heard(product_id, at), f"a quote of {product_id}")

    def _has_heard(self, product_id: str, at: datetime) -> bool:
        return any(
            isinstance(event, ev.Quotes)
            and any(one.product_id == product_id and one.at >= at for one in event.quotes)
            for event in reversed(self.heard)
        )

    async def steady(self, product_id: str, price: object, quotes: int = 4) -> None:
        """A price that stands: so many quotes, a second apart."""
        for _ in range(quotes):
            await self.quote(product_id, price)

    # ------------------------------------------------------------------------------------- the account

    async def reading(self) -> None:
        """The account is read over REST, from now on."""
        let_pass(self.world, INSTANT)
        since = self.world.now()
        self.made.engine.carry[ac.Reconcile](ac.Reconcile(reason="the test wants to know"))
        await self.made.until(lambda: self._was_read(since), "a reading")

    def _was_read(self, since: datetime) -> bool:
        return any(
            isinstance(event, ev.AccountReconciled) and (event.began_at or event.at) >= since
            for event in reversed(self.heard)
        )

    async def transfer(self, kind: str, currency: str, amount: object) -> None:
        await self.control("transfer", kind=kind, currency=currency, amount=str(amount))

    async def buys(self, size: object, product_id: str = "BTC-USD") -> None:
        """A market order past the sidecar; done when its fill is in the books."""
        await self._trades("BUY", size, product_id)

    async def sells(self, size: object, product_id: str = "BTC-USD") -> None:
        await self._trades("SELL", size, product_id)

    async def _trades(self, side: str, size: object, product_id: str) -> None:
        key = product_id if product_id.endswith("CDE") else product_id.partition("-")[0]
        held = self.made.held(key)
        await self.trader.place(self.trader.market(side, str(size), product_id))
        await self.made.until(lambda: self.made.held(key) != held, f"the fill of {product_id}")

    async def ask(self, body: dict[str, Any], *, dry_run: bool = True) -> Decision:
        return await self.made.bot.validate_order(body, dry_run=dry_run)


def let_pass(world: World, time: timedelta) -> None:
    world.clock.advance_to(world.now() + time, world.wall())
    world.changed()


def sides(trader: Trader, product_id: str, price: object) -> dict[str, str]:
    """Bid and ask one tick around a price."""
    step = trader.paper.world.exchange.listings[product_id].price_increment
    middle = D(str(price))
    return {"bid": str(middle - step), "ask": str(middle + step), "size": PLENTY}


async def control(trader: Trader, path: str, **body: Any) -> Any:
    answer = await trader.http.post(f"/paper/{path}", json=body)
    assert answer.status_code == 200, answer.text
    return answer.json()


@asynccontextmanager
async def still(directory: Path, *, prices: dict[str, object] | None = None, **settings: Any):
    """An exchange whose time stands still, without fees, and with these prices."""
    async with trading(
        directory, now=lambda: OPENING, **{**dict.fromkeys(FEES, 0), **settings}
    ) as trader:
        world = trader.paper.world
        world.clock.pause(world.wall())
        for product_id, price in (prices or {}).items():
            await control(
                trader,
                "market",
                product_id=product_id,
                silent=True,
                **sides(trader, product_id, price),
            )
        yield trader


async def until_tickers_are_told(trader: Trader, made: Beside) -> None:
    """REST alone may make it ready: a quote of before it subscribes is told with its first frame only."""
    listened, books = trader.paper.world.hub.has_listener, made.config.coinbase.follow
    await made.until(lambda: all(listened("ticker", book) for book in books), "the tickers")


@asynccontextmanager
async def attended(trader: Trader, **tables: Any):
    """The sidecar beside it, and its desk. It follows the books that were set before."""
    follow = [name for name, book in trader.paper.world.exchange.books.items() if book.silent]
    tables = {
        **tables,
        "limits": {**WIDE_OPEN, **tables.get("limits", {})},
        "coinbase": {"follow": follow, "reconcile_s": 3600, **tables.get("coinbase", {})},
    }
    with pytest.MonkeyPatch.context() as patch:
        # This exchange counts no requests: a reading need not wait for the one before it.
        patch.setattr(process, "Budget", lambda per_second: Budget(UNCOUNTED, UNCOUNTED))
        patch.setattr(reconciler, "BETWEEN_S", 0.0)
        patch.setattr(streams, "LOOK_S", SOON_S)  # a book is followed as soon as it is wanted
        async with beside(trader, clock=MarketTime(trader.paper.world), **tables) as made:
            await until_tickers_are_told(trader, made)
            yield Desk(trader, made)


@asynccontextmanager
async def desk(
    directory: Path,
    *,
    balances: dict[str, object],
    prices: dict[str, object],
    tables: dict[str, Any] | None = None,
    **limits: Any,
):
    """Both, for most tests: an account, prices and limits; `tables` beside the limits."""
    async with (
        still(directory, balances=balances, prices=prices) as trader,
        attended(trader, limits=limits, **(tables or {})) as made,
    ):
        yield made


async def sweep_and_buy(made: Desk) -> None:
    """50,000 USD go to the futures wallet, and 100 contracts are bought."""
    await made.control("sweep", to="futures", amount="50000")
    await made.reading()
    await made.buys(100, BIP)
