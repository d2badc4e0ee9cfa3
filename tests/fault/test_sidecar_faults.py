"""Each fault the exchange can commit, met by a running sidecar: while the picture is in doubt what
adds risk is refused and what reduces it passes; the picture heals by itself; and at the end it is the
exchange's own, to the last digit.
"""

import asyncio
from contextlib import asynccontextmanager
from datetime import timedelta
from decimal import Decimal

import httpx
import pytest

from sidecar import clock
from sidecar.coinbase import frames, lag, order_rows, patience
from sidecar.coinbase.account_reader import AccountReader
from sidecar.coinbase.rest import Refused, Rest
from sidecar.core.account.order_flow import DEFAULT_TAKER_RATE
from sidecar.core.vocabulary import actions as ac
from sidecar.core.vocabulary import events as ev
from sidecar.core.vocabulary.errors import Untrusted
from sidecar.daemon import reconciler
from sidecar.daemon.reconciler import Reconciler
from sidecar.daemon.rest_tasks import RestTasks
from sidecar.paper.venue.listing import Flags
from tests.disk import as_killed
from tests.fault.paper_client import trading
from tests.running_sidecar import beside

BALANCES = {"USD": "100000", "BTC": "1", "ETH": "5"}
IN_DOUBT = {"STALE_ACCOUNT_DATA", "STALE_MARKET_DATA", "NOT_READY"}


@pytest.fixture
async def trader(tmp_path):
    async with trading(tmp_path, balances=BALANCES) as made:
        yield made


class Desk:
    """A bot beside its sidecar, and what both should say."""

    def __init__(self, trader, made):
        self.trader, self.made = trader, made
        self.orders = 0

    def body(self, side, size="0.01", product_id="BTC-USD", price=None):
        if price is None:
            return self.trader.market(side, size, product_id)
        return self.trader.limit(side, size, price, product_id)

    async def buys(self):
        """Whether more risk may be taken now."""
        return await self.made.bot.validate_order(self.body("BUY"), dry_run=True)

    async def sells(self):
        return await self.made.bot.validate_order(self.body("SELL"), dry_run=True)

    async def trade(self, side, size="0.01", *, fills=True, **order):
        """Ask and send, as a good bot does; done when a market order's fill is in the books."""
        body = self.body(side, size, **order)
        decision = await self.made.bot.validate_order(body)
        assert decision, decision
        held = self.made.held("BTC")
        order_id = await self.trader.place(body)
        if "price" not in order and fills:
            await self.made.until(lambda: self.made.held("BTC") != held, "the fill")
        return order_id

    async def until_in_doubt(self):
        await self.made.until(lambda: not self.looks_whole(), "doubt")

    def looks_whole(self):
        feeds = self.made.manager.feeds
        return feeds.user == "live" and feeds.market == "live"

    async def until_whole(self):
        await self.made.until(self.looks_whole, "both feeds live again")
        while not (decision := await self.buys()):  # a quote of after the break is on its way
            assert set(decision.codes) <= IN_DOUBT, decision
            self.made.changed.clear()
            async with asyncio.timeout(60):
                await self.made.changed.wait()

    async def until_true(self):
        """Positions and open orders are the exchange's own."""
        world, tracker = self.trader.paper.world, self.made.manager.tracker

        def same():
            held = {
                name: world.exchange.accounts.wallet(name).total for name in ("USD", "BTC", "ETH")
            }
            books = {name: tracker.wallets.by_currency[name].total for name in held}
            return books == held and set(tracker.ledger.working) == set(
                world.exchange.register.open
            )

        await self.made.until(same, "the exchange's own figures")
        await self.made.until(lambda: not tracker.ledger.reservations, "no reservation left")


@pytest.fixture
def wire(request):
    """The address of the websockets, by name."""
    return getattr(request, "param", "ws_url")


# Coinbase speaks TLS alone, and its endings are of their own kind.
OVER_BOTH = pytest.mark.parametrize("wire", ["ws_url", "tls_ws_url"], indirect=True)


@pytest.fixture
async def desk(trader, wire, monkeypatch):
    monkeypatch.setenv("SSL_CERT_FILE", str(trader.paper.ca_file))
    url = trader.paper.urls[wire]
    coinbase = {"reconcile_s": 5, "ws_url": url, "ws_user_url": url}
    async with beside(trader, server={"reservation_s": 3}, coinbase=coinbase) as made:
        yield Desk(trader, made)


def switch(desk, **faults):
    desk.trader.paper.world.set_faults(faults)


# ------------------------------------------------------------------------ the picture is in doubt


@asynccontextmanager
async def doubt(desk):
    """Refused what adds, let through what reduces, then whole again and true."""
    await desk.until_in_doubt()
    yield
    await desk.until_whole()
    await desk.until_true()


@OVER_BOTH
async def test_without_faults_all_is_well(desk):
    assert await desk.buys()
    await desk.trade("BUY", "0.02")
    await desk.until_true()


@OVER_BOTH
@pytest.mark.parametrize("code", [1000, 1001, 1006, 1011, 1013])
async def test_a_closed_feed_is_doubted_and_heals(desk, code):
    switch(desk, close_code=code)
    async with doubt(desk):
        decision = await desk.buys()
        assert not decision
        assert set(decision.codes) <= IN_DOUBT
        assert await desk.sells()


@OVER_BOTH
@pytest.mark.parametrize("fault", ["drop_frames", "sequence_gaps", "reorder_frames"])
@pytest.mark.parametrize("channel", ["user", "ticker"])
async def test_a_gap_is_doubted_and_heals(desk, fault, channel):
    """What was in the lost frame is in the picture at the end."""
    gaps = []
    desk.made.on_fact = lambda event: (
        gaps.append(event) if getattr(event, "signal", "") == "gap" else None
    )
    switch(desk, frames_channel=channel, **{fault: 1})
    for size in ("0.02", "0.03"):  # unasked: it may be in doubt already
        await desk.trader.place(desk.body("BUY", size))
    await desk.made.until(lambda: gaps, "a gap")
    assert gaps[0].feed == ("user" if channel == "user" else "market")
    await desk.until_whole()
    await desk.until_true()


@OVER_BOTH
async def test_no_heartbeats_no_trust(desk):
    """The user feed says nothing without them, so silence is all there is to go by."""
    switch(desk, stall_heartbeats=True)
    async with doubt(desk):
        assert "STALE_ACCOUNT_DATA" in (await desk.buys()).codes
        assert await desk.sells()
        switch(desk, stall_heartbeats=False)


@OVER_BOTH
async def test_refused_connections_are_tried_again(desk):
    switch(desk, refuse_connections=True, close_code=1006)
    async with doubt(desk):
        assert set((await desk.buys()).codes) <= IN_DOUBT
        assert await desk.sells()
        switch(desk, refuse_connections=False)


@OVER_BOTH
async def test_an_expired_token_is_followed_by_a_fresh_one(desk):
    switch(desk, expire_tokens=4, close_code=1006)
    async with doubt(desk):
        assert await desk.sells()


# --------------------------------------------------------------------------- the books stay true


async def test_buys_sized_in_quote_currency_are_counted_as_production_fills_them(desk):
    """To the 16th decimal, by the order's own size: no transfer, no doubt, no refusal."""
    switch(desk, fine_quote_fills=True)
    doubts = list[object]()
    tracker, world = desk.made.manager.tracker, desk.trader.paper.world
    desk.made.on_fact = lambda _event: doubts.extend(tracker.books.doubts)
    for spent in ("333.33", "1000", "77.77"):
        held = desk.made.held("BTC")
        terms = {"market_market_ioc": {"quote_size": spent}}
        await desk.trader.place(desk.trader.body("BUY", terms, "BTC-USD"))
        await desk.made.until(lambda held=held: desk.made.held("BTC") != held, "the fill")
        before = desk.made.manager.readiness.balances_at
        desk.made.engine.carry[ac.Reconcile](ac.Reconcile(reason="test"))
        await desk.made.until(
            lambda before=before: desk.made.manager.readiness.balances_at > before, "a reading"
        )
    wallet = world.exchange.accounts.wallet
    assert desk.made.held("BTC") == wallet("BTC").total
    assert abs(tracker.wallets.by_currency["USD"].total - wallet("USD").total) < Decimal("0.01")
    assert -desk.made.held("BTC").as_tuple().exponent >= 16
    assert not doubts
    assert tracker.transfers == 0


@OVER_BOTH
async def test_frames_told_twice_count_once(desk):
    switch(desk, duplicate_frames=20)
    await desk.trade("BUY", "0.02")
    await desk.until_true()
    assert await desk.buys()


@OVER_BOTH
async def test_late_frames_are_waited_for(desk):
    switch(desk, delay_frames_s="0.5", frames_channel="user")
    await desk.trade("BUY", "0.02", fills=False)
    assert desk.made.manager.tracker.ledger.reservations  # bound until it is seen
    await desk.until_true()


@pytest.mark.parametrize("fault", [{"late_cancelled_s": "1"}, {"fill_after_cancel": 1}])
async def test_a_cancel_that_is_late_or_loses_is_seen_as_it_was(desk, fault):
    switch(desk, **fault)
    order_id = await desk.trade("BUY", "0.02", price="30000")
    await desk.made.until(lambda: order_id in desk.made.manager.tracker.ledger.working)
    await desk.trader.call("POST", "/orders/batch_cancel", json={"order_ids": [order_id]})
    await desk.made.until(lambda: order_id not in desk.made.manager.tracker.ledger.working)
    await desk.until_true()
    ended = desk.made.manager.tracker.ledger.find(order_id)
    filled = "fill_after_cancel" in fault
    assert (ended.status, ended.filled > 0) == (("FILLED" if filled else "CANCELLED"), filled)


async def test_an_order_that_is_hidden_at_first_is_not_given_up(desk):
    switch(desk, hide_new_orders_s="2")
    order_id = await desk.trade("BUY", "0.02", price="30000")
    await desk.until_true()
    assert list(desk.made.manager.tracker.ledger.working) == [order_id]


async def test_an_order_that_was_never_answered_is_seen_all_the_same(desk):
    switch(desk, accept_without_answer=1)
    body = desk.body("BUY", "0.02")
    assert await desk.made.bot.validate_order(body)
    with pytest.raises(httpx.TimeoutException):
        await desk.trader.call("POST", "/orders", json=body, timeout=0.5)
    await desk.until_true()
    assert desk.made.held("BTC") == Decimal("1.02")


async def test_an_order_that_was_answered_and_does_not_exist_is_given_up(desk):
    switch(desk, answer_without_accept=1)
    await desk.trade("BUY", "0.02", fills=False)
    assert desk.made.manager.tracker.ledger.reservations
    await desk.made.until(lambda: not desk.made.manager.tracker.ledger.reservations, "given up")
    await desk.until_true()
    assert desk.made.held("BTC") == 1


async def test_balances_that_lag_are_no_transfer(desk):
    switch(desk, balance_lag_s="3")
    await desk.trade("BUY", "0.02")
    reads = desk.made.actions
    before = desk.made.manager.readiness.balances_at
    await desk.made.until(lambda: desk.made.manager.readiness.balances_at > before)
    await desk.made.until(lambda: desk.made.manager.readiness.balances_at > before)
    assert not [a for _, a in reads if isinstance(a, ac.Alert) and a.code == "TRANSFER"]
    switch(desk, balance_lag_s="0")
    await desk.until_true()
    assert desk.made.manager.tracker.transfers == 0


async def test_fees_that_come_late_are_counted(desk):
    switch(desk, late_fees_s="2")
    await desk.trade("BUY", "0.02")
    await desk.until_true()
    assert desk.made.manager.tracker.account.pnl.fees > 0


@pytest.mark.parametrize("fault", [{"sparse_user_frames": True}, {"null_optionals": True}])
async def test_frames_with_few_fields_are_enough(desk, fault):
    switch(desk, **fault)
    await desk.trade("BUY", "0.02")
    await desk.until_true()
    await desk.until_whole()  # a fill without a price is read again before it is believed
    assert desk.made.held("BTC") == Decimal("1.02")


@pytest.mark.parametrize("fault", ["too_many_requests", "server_errors"])
async def test_a_rest_host_in_trouble_holds_up_healing_not_the_exits(desk, fault):
    """Reads are tried again; meanwhile nothing more is believed."""
    switch(desk, **{fault: 12}, close_code=1006)
    async with doubt(desk):
        assert await desk.sells()


async def test_slow_bodies_are_waited_for(desk):
    switch(desk, slow_bodies_s="0.3", close_code=1006)
    async with doubt(desk):
        assert await desk.sells()


async def test_valid_tokens_that_are_refused_fail_no_reading(trader, monkeypatch):
    """One in five: of some thirty calls that a first picture takes, all must succeed."""
    failures = list[Exception]()
    monkeypatch.setattr(Reconciler, "_failed", lambda _, error: failures.append(error))
    trader.paper.world.set_faults(unauthorized_share="0.2")
    async with beside(trader, coinbase={"reconcile_s": 5}) as made:
        await made.until_state("ACTIVE")
        desk = Desk(trader, made)
        await desk.until_whole()
    assert not failures


async def test_an_answer_that_dribbles_is_given_up_and_asked_for_again(desk, monkeypatch):
    monkeypatch.setattr("sidecar.coinbase.rest.CALL_WITHIN_S", 1.0)
    switch(desk, dribbled_bodies=3, close_code=1006)
    async with doubt(desk):
        assert await desk.sells()
    assert desk.trader.paper.world.faults.now.dribbled_bodies == 0


@pytest.mark.parametrize("asks", [True, False])
async def test_an_order_told_by_the_name_of_its_book_is_paid_by_its_own_wallet(tmp_path, asks):
    """The approval knows which; where there was none, the next reading says."""
    async with (
        trading(tmp_path, balances={**BALANCES, "USDC": "50000"}) as trader,
        beside(trader, coinbase={"reconcile_s": 5}) as made,
    ):
        desk, wallets = Desk(trader, made), made.manager.tracker.wallets.by_currency
        switch(desk, aliases_as_books=True)
        await desk.until_whole()
        body = desk.body("BUY", "0.02", product_id="BTC-USDC")
        assert not asks or await made.bot.validate_order(body)
        await trader.place(body)
        await made.until(lambda: made.held("BTC") > 1, "the fill")
        assert (wallets["USDC"].total < 50_000) == asks
        made.engine.carry[ac.Reconcile](ac.Reconcile(reason="test"))
        paid = trader.paper.world.exchange.accounts.wallet("USDC").total
        await made.until(lambda: wallets["USDC"].total == paid, "the other wallet")
        await desk.until_true()
        assert made.manager.tracker.transfers == 0
        assert "TRANSFER" not in made.codes()


# ------------------------------------------------------------------------ stops nobody asked about


STOP_LOSS = {"base_size": "0.2", "limit_price": "29000", "stop_price": "30000",
             "stop_direction": "STOP_DIRECTION_STOP_DOWN"}  # fmt: skip


@pytest.mark.parametrize("switches", [{}, {"sparse_user_frames": True}, {"null_optionals": True}])
async def test_a_dormant_stop_that_nobody_asked_about_stands_in_no_buy_s_way(
    trader, tmp_path, switches
):
    """From before the start, from while it runs, and after a restart: it lies at its stop."""
    trader.paper.world.set_faults(**switches)
    stop = {"stop_limit_stop_limit_gtc": STOP_LOSS}
    await trader.place(trader.body("SELL", stop, "BTC-USD"))
    for running in (1, 2):
        async with beside(trader, directory=tmp_path) as made:
            desk = Desk(trader, made)
            await desk.until_whole()
            assert len(made.manager.tracker.ledger.working) == running
            assert await desk.buys()
            order_id = await trader.place(trader.body("SELL", stop, "BTC-USD"))
            await made.until(lambda name=order_id: name in made.manager.tracker.ledger.working)
            await desk.until_whole()
            assert await desk.buys()


# ------------------------------------------------------------------ what Coinbase refuses, or repeats


@OVER_BOTH
@pytest.mark.parametrize("channel", ["user", "ticker"])
async def test_a_count_of_frames_that_begins_again_is_doubted_and_heals(desk, channel):
    gaps = list[ev.Event]()
    desk.made.on_fact = lambda event: (
        gaps.append(event) if getattr(event, "signal", "") == "gap" else None
    )
    switch(desk, frames_channel=channel, restart_sequence=1)
    await desk.trader.place(desk.body("BUY", "0.02"))
    await desk.made.until(lambda: gaps, "a gap")
    await desk.until_whole()
    await desk.until_true()


async def test_one_product_that_the_feed_refuses_is_left_out_alone(trader):
    """Its quotes are read over REST; the others are live, before and after a reconnection."""
    trader.paper.world.set_faults(refused_product="ETH-USD")
    follow = ["BTC-USD", "ETH-USD", "SOL-USD"]
    async with beside(trader, coinbase={"follow": follow}) as made:
        desk = Desk(trader, made)
        await desk.until_whole()
        switch(desk, close_code=1006)
        await desk.until_in_doubt()
        await desk.until_whole()
        assert (await made.ask("status"))["sidecar"]["left_out"] == ["ETH-USD"]
        decision = await made.bot.validate_order(desk.body("BUY", "0.1", "ETH-USD"), dry_run=True)
        assert decision, decision


async def test_books_that_are_disabled_are_not_followed(trader):
    exchange = trader.paper.world.exchange
    exchange.set_flags("ETH-USD", Flags(is_disabled=True), exchange.now)
    trader.paper.world.set_faults(refused_product="ETH-USD")
    follow = ["BTC-USD", "ETH-USD", "SOL-USD"]
    async with beside(trader, coinbase={"follow": follow}) as made:
        await made.until_state("ACTIVE")
        shown = (await made.ask("status"))["sidecar"]
        assert (shown["followed"], shown["left_out"]) == (["BTC-USD", "SOL-USD"], [])


async def test_error_frames_lose_nothing(trader):
    """Not those before any acknowledgement, nor a channel that not every account has."""
    trader.paper.world.set_faults(nagging_errors=True, refused_channel="futures_balance_summary")
    async with beside(trader) as made:
        desk, hub = Desk(trader, made), trader.paper.world.hub
        await desk.until_whole()
        signals, until = list[str](), hub._ticks + 3
        made.on_fact = lambda event: signals.append(getattr(event, "signal", ""))
        await made.until(lambda: hub._ticks >= until, "three errors more")
        assert await desk.buys()
        assert not any(signals)
        await desk.trade("BUY", "0.02")
        await desk.until_true()


@pytest.mark.parametrize("kind", ["cursor", "rows", "empty"])
async def test_listings_that_never_end_have_an_end(trader, kind, monkeypatch):
    """Once what they may lack has been waited for."""
    monkeypatch.setattr(patience, "FOR_S", 0.0)
    await trader.place(trader.limit("BUY", "0.02", "30000"))
    trader.paper.world.set_faults(endless_pages=kind)
    async with beside(trader) as made:
        desk = Desk(trader, made)
        await made.until_state("ACTIVE")
        await desk.trade("BUY", "0.02")
        await desk.until_true()


# ------------------------------------------------------------------------- what can be done without


@pytest.mark.parametrize("path", ["/portfolios", "/transaction_summary"])
async def test_what_is_for_display_or_has_a_default_holds_up_no_start(tmp_path, path, monkeypatch):
    """It is asked for again later."""
    monkeypatch.setattr(reconciler, "FEES_AGAIN_S", 0.0)
    async with trading(tmp_path, balances=BALANCES, taker_fee="0.004") as trader:
        trader.paper.world.set_faults(bad_gateway=path)
        async with beside(trader) as made:
            await made.until_state("ACTIVE")
            assert await Desk(trader, made).buys()
            orders, known = made.manager.tracker.orders, Decimal("0.004")
            rate = DEFAULT_TAKER_RATE if path == "/transaction_summary" else known
            assert orders.taker_rate == rate
            trader.paper.world.clear_faults()
            made.engine.carry[ac.Reconcile](ac.Reconcile(reason="test"))
            await made.until(lambda: orders.taker_rate == known, "the fee tier")
            await Desk(trader, made).until_true()


async def test_entry_prices_are_those_of_the_keys_own_portfolio(trader):
    trader.paper.world.set_faults(another_portfolio=True)
    async with beside(trader) as made:
        await made.until_state("ACTIVE")
        shown = (await made.ask("positions"))["positions"]
        (btc,) = (row for row in shown if row["key"] == "BTC")
        assert Decimal(btc["average_cost"]) > 1000  # in the other it cost 1 USD


# ---------------------------------------------------------------------------- frames that come late


@asynccontextmanager
async def strict(trader):
    """A sidecar that wants quotes of two seconds at most."""
    async with beside(trader, limits={"max_quote_age_s": 2}) as made:
        desk = Desk(trader, made)
        await desk.until_whole()
        yield desk


async def test_a_feed_that_falls_behind_is_told_and_begun_anew(trader, monkeypatch):
    monkeypatch.setattr(lag, "BEHIND_FOR_S", 1.0)
    async with strict(trader) as desk:
        switch(desk, frames_fall_behind="2")
        await desk.made.until(lambda: "FEED_LOST" in desk.made.codes(), "a word of it")
        alerts = [a for _, a in desk.made.actions if isinstance(a, ac.Alert)]
        (first, *_) = (alert.text for alert in alerts if alert.code == "FEED_LOST")
        assert "behind Coinbase's time" in first
        switch(desk, frames_fall_behind="0")
        await desk.until_whole()
        await desk.until_true()


async def test_a_late_frame_is_as_old_as_coinbase_stamped_it(trader, monkeypatch):
    """The feed lives, and no order is valued by its quotes; what reduces passes."""
    monkeypatch.setattr(lag, "BEHIND_FOR_S", 60.0)  # it is left as it is
    monkeypatch.setattr(RestTasks, "_refresh", never_answered)
    async with strict(trader) as desk:
        ages = list[timedelta]()
        desk.made.on_fact = lambda event: ages.extend(
            event.at - quote.at for quote in getattr(event, "quotes", ())
        )
        switch(desk, delay_frames_s="3")
        await desk.made.until(lambda: any(age > timedelta(seconds=2) for age in ages), "late")
        assert desk.made.manager.feeds.market == "live"
        assert (await desk.buys()).codes == ("STALE_MARKET_DATA",)
        assert await desk.sells()


@pytest.mark.parametrize("skew_s", [-30, 30])
async def test_a_clock_that_is_wrong_makes_no_frame_late(trader, monkeypatch, skew_s):
    """How late a frame is, is told by Coinbase's time, and not by this machine's."""
    real, skew = clock.now, timedelta(seconds=skew_s)
    monkeypatch.setattr(clock, "now", lambda: real() + skew)
    ages = list[timedelta]()
    async with strict(trader) as desk:
        desk.made.on_fact = lambda event: ages.extend(
            event.at - quote.at for quote in getattr(event, "quotes", ())
        )
        hub = trader.paper.world.hub
        until = hub._ticks + 2
        await desk.made.until(lambda: hub._ticks >= until and ages, "some quotes")
        assert await desk.buys()
    assert max(ages) < timedelta(seconds=1)
    assert "FEED_LOST" not in desk.made.codes()


async def test_a_feed_that_is_behind_is_read_over_rest_meanwhile(trader, monkeypatch):
    monkeypatch.setattr(lag, "BEHIND_FOR_S", 60.0)
    async with strict(trader) as desk:
        told = list[timedelta]()
        desk.made.on_fact = lambda event: told.extend(
            event.at - quote.at for quote in getattr(event, "quotes", ())
        )
        switch(desk, delay_frames_s="3")
        await desk.made.until(lambda: any(age > timedelta(seconds=2) for age in told), "late")
        await desk.until_whole()


async def never_answered(_errands, _books):
    """A reading of prices that does not come about."""


async def test_an_id_that_is_none_leaves_out_its_row_and_is_told(desk, monkeypatch):
    told = list[str]()
    monkeypatch.setattr(
        desk.made.engine.log, "warning", lambda *_, **facts: told.append(str(facts))
    )
    switch(desk, long_ids=1)
    order_id = await desk.trade("BUY", price="30000")
    working = desk.made.manager.tracker.ledger.working
    await desk.made.until(lambda: order_id in working, "the order, by its next frame or over REST")
    await desk.until_whole()
    await desk.until_true()
    assert any("order_id has 360000 characters" in line for line in told)
    assert max(map(len, told)) < 1_000
    assert max(map(len, working)) == 36


async def test_a_cursor_that_is_none_ends_its_listing_and_the_next_one_is_whole(desk):
    switch(desk, long_cursors=2, close_code=1006)
    async with doubt(desk):
        assert await desk.sells()
    assert desk.trader.paper.world.faults.now.long_cursors == 0


@pytest.mark.parametrize("fault", ["huge_fees", "huge_prices"])
async def test_frames_that_can_hardly_be_so_sell_nothing(trader, fault):
    """Fees of 10^19, or ten times the price, in all of them: REST says what it was."""
    limits = {"max_cumulative_loss": "0.2", "max_daily_loss": "0.1", "max_drawdown": "0.1"}
    codes: list[str] = []
    async with beside(trader, limits=limits) as made:
        desk, causes = Desk(trader, made), made.manager.state.causes
        made.on_fact = lambda _event: codes.extend(code for code, _ in causes)
        switch(desk, **{fault: 1_000})
        await desk.trade("BUY", fills=False)
        await made.until(lambda: "IMPLAUSIBLE_REPORT" in codes and not causes, "REST's word")
        await desk.until_true()
        trader.paper.world.clear_faults()
        assert await desk.trade("BUY")
        tracker = made.manager.tracker
        assert abs(tracker.net_pnl) < 1_000
        assert tracker.windows.peak < 1_000
    assert set(codes) == {"IMPLAUSIBLE_REPORT"}


async def test_a_report_that_waits_for_rest_waits_on_after_a_kill(trader, tmp_path):
    """REST does not tell of orders at the time; afterwards it does, and the books are the exchange's."""
    killed = tmp_path / "killed"
    async with beside(trader, directory=tmp_path) as made:
        desk = Desk(trader, made)
        switch(desk, huge_fees=1_000, bad_gateway="/orders/historical")
        await desk.trade("BUY", fills=False)
        await made.until(lambda: made.manager.reports.asked, "a report that is held")
        as_killed(tmp_path / "state", killed / "state")
    async with beside(trader, directory=killed, wait=False) as made:
        assert made.manager.reports.asked
        assert made.manager.state.has("IMPLAUSIBLE_REPORT")
        trader.paper.world.clear_faults()
        await made.until_state("ACTIVE")
        await Desk(trader, made).until_true()
        assert not made.manager.reports.asked


# ------------------------------------------------------------------------ readings that do not help


async def test_a_reading_under_way_when_frames_are_lost_does_not_heal_them(desk, monkeypatch):
    """The order that the lost frames told of is in the next one's listing."""
    real, inside, go_on = AccountReader._balances, asyncio.Event(), asyncio.Event()
    healed = []

    async def slow(self, until):
        inside.set()
        await go_on.wait()
        return await real(self, until)

    monkeypatch.setattr(AccountReader, "_balances", slow)
    desk.made.engine.carry[ac.Reconcile](ac.Reconcile(reason="test"))
    await inside.wait()
    switch(desk, drop_frames=1, frames_channel="user")
    order_id = await desk.trader.place(desk.body("BUY", "0.1", price="31000"))
    desk.made.engine.handle(ev.FeedChanged(at=desk.made.engine.now(), feed="user", signal="gap"))
    working = desk.made.manager.tracker.ledger.working
    desk.made.on_fact = lambda _event: (
        healed.append(order_id in working) if desk.made.manager.feeds.user == "live" else None
    )
    go_on.set()
    await desk.until_whole()
    assert all(healed)
    await desk.until_true()


async def test_orders_that_cannot_be_read_are_no_picture_and_it_heals_once_they_can(
    desk, monkeypatch
):
    def unreadable(row, at):
        raise Untrusted(f"order {row['order_id']}: side is neither BUY nor SELL")

    with monkeypatch.context() as broken:
        broken.setattr(order_rows, "order_report", unreadable)
        broken.setattr(frames, "order_report", unreadable)
        order_id = await desk.trader.place(desk.body("BUY", "0.1", price="31000"))
        await desk.until_in_doubt()
        passes = desk.made.manager.readiness.fills_until
        fault = ""
        while order_id not in fault:
            desk.made.changed.clear()
            await desk.made.changed.wait()
            fault = (await desk.made.ask("status"))["sidecar"]["reconciliation_fault"]
        assert (await desk.buys()).codes == ("STALE_ACCOUNT_DATA",)
        assert await desk.sells()
        assert desk.made.manager.readiness.fills_until == passes
    await desk.until_whole()
    await desk.until_true()


async def test_a_revoked_key_is_doubted_though_the_feed_lives_on(desk, monkeypatch):
    async def revoked(self, *_arguments, **_options):
        raise Refused("GET /accounts", 401, "revoked")

    with monkeypatch.context() as broken:
        broken.setattr("sidecar.daemon.reconciler.wait_s", lambda *_: 0.25)  # from try to try
        broken.setattr(Rest, "_call", revoked)
        await desk.until_in_doubt()
        assert desk.made.manager.feeds.user == "suspect"
        assert "STALE_ACCOUNT_DATA" in (await desk.buys()).codes
        assert await desk.sells()
        assert "NOT_RECONCILED" in desk.made.codes()
    await desk.until_whole()


async def test_another_order_under_an_approved_id_frees_what_was_reserved(desk):
    body = desk.body("BUY", "0.01", price="31000")
    assert await desk.made.bot.validate_order(body)
    other = desk.body("SELL", "0.1", product_id="ETH-USD", price="4000")
    await desk.trader.place(other | {"client_order_id": body["client_order_id"]})
    await desk.until_true()
