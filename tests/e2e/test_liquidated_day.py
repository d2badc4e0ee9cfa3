"""2018-04-04 on Coinbase with all three coins held: the account is sold at the quote that arithmetic of
the test's own names, over real sockets; how long it took is printed.
"""

import asyncio
import gzip
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from time import perf_counter
from typing import Any

import pytest

from sidecar.coinbase.exchange_clock import ExchangeClock
from sidecar.core.vocabulary import actions as ac
from sidecar.core.vocabulary import events as ev
from sidecar.core.vocabulary.orders import OWN_PREFIX
from tests.e2e.test_replayed_day import BUYS, CASH, DATA, Account, Crash, Row, rows
from tests.fault.paper_client import trading
from tests.running_sidecar import beside

pytestmark = pytest.mark.skipif(not DATA.exists(), reason=f"no real quotes at {DATA.name}")

BEGIN = "2018-04-04T06:00"  # what is held is bought then
SPEED = "600"  # a quote every 8 ms: each is handed over before the next one happens, on a busy machine too
LIMIT = Fraction(4, 100)
HELD_FOR = timedelta(seconds=2)
QUOTES = 3


def morning(directory: Path) -> Path:
    """The day's file from `BEGIN` on."""
    with gzip.open(DATA, "rt") as file:
        head, *lines = file
    sliced = directory / "quotes.csv"
    sliced.write_text("".join([head, *(line for line in lines if line >= BEGIN)]))
    return sliced


def trigger(fills: list[dict[str, Any]]) -> tuple[Row, Row]:
    """The rows at which the breach is first seen, and at which it is confirmed: seen for 2 s, over 3
    quotes of every book without whose fall there would be none.
    """
    account, mids = Account(), dict[str, Fraction]()
    waiting = sorted(fills, key=lambda fill: str(fill["trade_time"]))
    base, calm, first = Fraction(CASH), dict[str, Fraction](), None
    counts = dict.fromkeys(BUYS, 0)
    begin = datetime.fromisoformat(BEGIN).replace(tzinfo=UTC)
    for row in (row for row in rows() if row.at >= begin):
        while waiting and datetime.fromisoformat(waiting[0]["trade_time"]) < row.at:
            account.trade(waiting.pop(0))
        mids[row.product_id] = row.mid
        loss = base - account.worth(mids) if account.coins else Fraction(0)
        if loss < LIMIT * base:
            calm, first, counts = dict(mids), None, dict.fromkeys(BUYS, 0)
            continue
        if first is None:  # the quotes that stand are the first that show it
            first, counts = row, dict.fromkeys(BUYS, 1)
        else:
            counts[row.product_id] += 1
        unshown = sum(
            max(Fraction(0), account.coins[name] * (calm[name] - mids[name]))
            for name, count in counts.items()
            if count < QUOTES
        )
        if row.at - first.at >= HELD_FOR and loss - unshown >= LIMIT * base:
            return first, row
    raise AssertionError("the day does not fall that far")


class Fall(Crash):
    """The market stops while REST is asked about the breach, for prices and for balances, and when it is
    confirmed.
    """

    def _note(self, event: ev.Event, action: ac.Action) -> None:
        if isinstance(action, ac.CauseRaised) and action.code == "CUMULATIVE_LOSS":
            self.first = event
            self.pause()
            self.asked_for = {ev.QuotesConfirmed, ev.AccountReconciled}
            self.made.on_fact = self._go_on_once_answered
        if isinstance(action, ac.Liquidate):
            self.confirmed, self.began = event, perf_counter()
            self.pause()
            self.happened.put_nowait((event, action))

    def _go_on_once_answered(self, event: ev.Event) -> None:
        self.asked_for.discard(type(event))
        if not self.asked_for:
            self.made.on_fact = lambda _event: None
            self.task = asyncio.get_running_loop().create_task(self.go_on())


async def test_the_day_ends_flat_at_the_quote_that_arithmetic_names(tmp_path, monkeypatch, capsys):
    settings: dict[str, Any] = {
        "market": f"replay:{morning(tmp_path)}", "speed": SPEED, "balances": {"USD": CASH}, "taker_fee": "0.002",
    }  # fmt: skip
    limits = {
        "max_cumulative_loss": 0.04,
        "max_quote_age_s": 86_400,  # else what is slow here is read over REST, beside the feed
        "max_order_notional": 10_000,
    }
    async with trading(tmp_path, **settings) as trader:
        world, cancelled = trader.paper.world, list[float]()
        cancel = world.exchange.cancel

        def timed(*given: Any, **named: Any) -> Any:
            cancelled.append(perf_counter())
            return cancel(*given, **named)

        monkeypatch.setattr(world.exchange, "cancel", timed)
        world.clock.pause(world.wall())
        clock = ExchangeClock(world.now())
        tables: dict[str, Any] = {
            "coinbase": {"follow": list(BUYS)},
            "limits": limits,
            "paper": {"speed": SPEED},
        }
        async with beside(trader, clock=clock, **tables) as made:
            fall = Fall(trader, made)
            await fall.first_prices()
            for product_id, size in BUYS.items():
                assert await fall.trade("BUY", size, product_id)
                price = {"BTC-USD": "20000", "ETH-USD": "2000", "LTC-USD": "900"}[product_id]
                await trader.place(trader.limit("SELL", "0.5", price, product_id))
            working = made.manager.tracker.ledger.working
            await made.until(lambda: len(working) == len(BUYS), "the resting orders")
            await fall.go_on()
            await fall.next(ac.Liquidate)
            await made.until_state("HALTED")
            to_flat_s = perf_counter() - fall.began
            (report,) = made.manager.liquidator.reports()
            fills = (await trader.get("/orders/historical/fills", limit=100))["fills"]
            orders = (await trader.get("/orders/historical/batch", limit=100))["orders"]

    own = {row["order_id"] for row in orders if row["client_order_id"].startswith(OWN_PREFIX)}
    bought = [fill for fill in fills if fill["order_id"] not in own]
    first, confirmed = trigger(bought)
    for row, event in ((first, fall.first), (confirmed, fall.confirmed)):
        assert isinstance(event, ev.Quotes)
        assert (event.quotes[0].product_id, event.at) == (row.product_id, row.at)
    sold = [fill for fill in fills if fill["order_id"] in own]
    value = sum(Decimal(fill["size"]) * Decimal(fill["price"]) for fill in sold)
    assert (report.outcome, report.proceeds, report.cancelled) == ("flat", value, len(BUYS))
    assert {row.key: row.left for row in report.rows} == dict.fromkeys(("BTC", "ETH", "LTC"), 0)
    with capsys.disabled():
        to_cancel_ms = (cancelled[0] - fall.began) * 1000
        print(  # noqa: T201 - figures to be read, not judged
            f"\n2018-04-04: from the confirming tick to the first cancel at the exchange "
            f"{to_cancel_ms:.1f} ms, to flat {to_flat_s:.2f} s"
        )
