"""2018-04-04 on Coinbase, a real down day, lived through over real sockets at full speed.

What the sidecar says is held against arithmetic of the test's own: exact fractions over the file's
rows and the exchange's fills, nothing of the sidecar's.
"""

import asyncio
import csv
import gzip
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from sidecar.coinbase.exchange_clock import ExchangeClock
from sidecar.core.vocabulary import actions as ac
from sidecar.core.vocabulary import events as ev
from tests.fault.paper_client import Trader, trading
from tests.running_sidecar import Beside, beside

DATA = Path(__file__).parents[3] / "shared" / "data" / "coinbase-quotes-2018-04-04.csv.gz"
pytestmark = pytest.mark.skipif(not DATA.exists(), reason=f"no real quotes at {DATA.name}")

RESET = datetime(2018, 4, 4, 12, tzinfo=UTC)  # 08:00 in New York
LIMIT = Fraction(3, 100)
CASH = "20000"
BUYS = {"BTC-USD": "1.0", "ETH-USD": "16", "LTC-USD": "35"}  # some 18,800 USD


class Row(NamedTuple):
    at: datetime
    product_id: str
    mid: Fraction


def rows() -> Iterator[Row]:
    with gzip.open(DATA, "rt") as file:
        for row in csv.DictReader(file):
            mid = (Fraction(row["bid"]) + Fraction(row["ask"])) / 2
            yield Row(datetime.fromisoformat(row["time"]), row["product_id"], mid)


class Account:
    """Cash and coins by the exchange's own fills."""

    def __init__(self) -> None:
        self.cash = Fraction(CASH)
        self.coins: dict[str, Fraction] = {}

    def trade(self, fill: dict[str, Any]) -> None:
        size, price = Fraction(fill["size"]), Fraction(fill["price"])
        sign = 1 if fill["side"] == "BUY" else -1
        self.coins[fill["product_id"]] = (
            self.coins.get(fill["product_id"], Fraction(0)) + sign * size
        )
        self.cash -= sign * size * price + Fraction(fill["commission"])

    def worth(self, mids: dict[str, Fraction]) -> Fraction:
        return self.cash + sum(size * mids[name] for name, size in self.coins.items())


class Day(NamedTuple):
    """What the test's own arithmetic says of the day."""

    crossings: list[Row]
    pnl: Fraction


def reckoned(fills: list[dict[str, Any]]) -> Day:
    """Walk the file: before which row each fill happened is told by its time."""
    account, mids, crossings = Account(), dict[str, Fraction](), list[Row]()
    base = start = Fraction(CASH)
    waiting = sorted(fills, key=lambda fill: str(fill["trade_time"]))
    crossed, rolled = False, False
    for row in rows():
        while waiting and datetime.fromisoformat(waiting[0]["trade_time"]) < row.at:
            account.trade(waiting.pop(0))
        if row.at >= RESET and not rolled:
            base, crossed, rolled = account.worth(mids), False, True
        mids[row.product_id] = row.mid
        loss = base - account.worth(mids) if account.coins else Fraction(0)
        if not crossed and loss >= LIMIT * base:
            crossings.append(row)
            crossed = True
    assert not waiting
    return Day(crossings, account.worth(mids) - start)


class Crash:
    """The market stops whenever the daily loss tightens or loosens, so that the bot can act in it."""

    def __init__(self, trader: Trader, made: Beside) -> None:
        self.trader = trader
        self.made = made
        self.happened: asyncio.Queue[tuple[ev.Event, ac.Action]] = asyncio.Queue()
        self.look: Callable[[ev.Event], None] = lambda _event: None
        handle = made.manager.handle

        def noted(event: ev.Event) -> list[ac.Action]:
            """In the very moment of the decision: whoever listens hears of it once it is on disk."""
            actions = handle(event)
            self.look(event)
            for action in actions:
                self._note(event, action)
            return actions

        made.manager.handle = noted  # type: ignore[method-assign]

    def _note(self, event: ev.Event, action: ac.Action) -> None:
        if isinstance(action, ac.CauseRaised | ac.CauseCleared) and action.code == "DAILY_LOSS":
            self.pause()
            self.happened.put_nowait((event, action))

    def pause(self) -> None:
        self.trader.paper.world.clock.pause(self.trader.paper.world.wall())

    async def go_on(self) -> None:
        await self.trader.http.post("/paper/market", json={"pause": False})

    async def first_prices(self) -> None:
        """Let the market begin, and stop it when every product has quoted."""
        seen: set[str] = set()

        def look(event: ev.Event) -> None:
            is_begun = not self.trader.paper.world.clock.paused
            if isinstance(event, ev.Quotes) and is_begun:  # REST tells quotes before, too
                seen.update(quote.product_id for quote in event.quotes)
                if seen >= BUYS.keys():
                    self.pause()
                    self.look = lambda _event: None

        self.look = look
        await self.go_on()
        await self.made.until(lambda: seen >= BUYS.keys(), "first prices")

    async def next(self, kind: type[ac.Action]) -> tuple[ev.Event, Any]:
        """What the daily loss does next; the market stands still from then on."""
        async with asyncio.timeout(120):
            event, action = await self.happened.get()
        assert isinstance(action, kind)
        return event, action

    async def trade(self, side: str, size: str, product_id: str) -> Any:
        """Ask, and send what is approved; done when the sidecar has seen the fill."""
        body = self.trader.market(side, size, product_id)
        decision = await self.made.bot.validate_order(body)
        if decision:
            key = product_id.partition("-")[0]
            wanted = self.made.held(key) + Decimal(size) * (1 if side == "BUY" else -1)
            await self.trader.place(body)
            await self.made.until(lambda: self.made.held(key) == wanted, f"{side} {size} {key}")
        return decision


def refusal(decision: Any) -> tuple[str, str | None]:
    """The code that forbids adding, and when waiting alone would clear it."""
    found = {v.code: v.clears_at for v in decision.violations}
    return ("STATE_REDUCE_ONLY", found["STATE_REDUCE_ONLY"])


async def test_the_day_is_told_to_the_cent(tmp_path):
    settings: dict[str, Any] = {
        "market": f"replay:{DATA}",
        "speed": "max",
        "balances": {"USD": CASH},
        "taker_fee": "0.002",
    }
    limits = {"max_daily_loss": 0.03, "max_quote_age_s": 3600, "max_order_notional": 10_000}
    async with trading(tmp_path, **settings) as trader:
        world = trader.paper.world
        world.clock.pause(world.wall())
        clock = ExchangeClock(world.now())
        follow = {"follow": list(BUYS)}
        async with beside(trader, clock=clock, coinbase=follow, limits=limits) as made:
            crash = Crash(trader, made)
            await crash.first_prices()
            for product_id, size in BUYS.items():
                assert await crash.trade("BUY", size, product_id)
            await crash.go_on()

            first, raised = await crash.next(ac.CauseRaised)
            assert made.state == "REDUCE_ONLY"
            assert raised.clears_at == RESET
            refused = await crash.trade("BUY", "0.01", "BTC-USD")
            assert refusal(refused) == ("STATE_REDUCE_ONLY", "2018-04-04T12:00:00.000Z")
            assert await crash.trade("SELL", "0.1", "BTC-USD")
            await crash.go_on()

            await crash.next(ac.CauseCleared)
            assert made.state == "ACTIVE"
            assert await crash.trade("BUY", "0.1", "BTC-USD")
            await crash.go_on()

            second, raised = await crash.next(ac.CauseRaised)
            assert raised.clears_at == RESET + timedelta(days=1)
            refused = await crash.trade("BUY", "0.01", "BTC-USD")
            assert refusal(refused) == ("STATE_REDUCE_ONLY", "2018-04-05T12:00:00.000Z")
            await crash.go_on()

            last = list(rows())[-1]
            await made.until(lambda: world.market_over and clock() >= last.at, "the day's end")
            status = await made.ask("status")
            fills = (await trader.get("/orders/historical/fills", limit=100))["fills"]

    day = reckoned(fills)
    assert isinstance(first, ev.Quotes)
    assert isinstance(second, ev.Quotes)
    told = [(event.quotes[0].product_id, event.at) for event in (first, second)]
    assert told == [(row.product_id, row.at) for row in day.crossings]
    assert len(fills) >= 5
    cents = Decimal(day.pnl.numerator) / Decimal(day.pnl.denominator)
    assert round(Decimal(status["pnl"]["net"]), 2) == round(cents, 2)
