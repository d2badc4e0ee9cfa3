"""Money that moves without an order: transfers, sweeps, funding, and how late a reader sees it."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.paper.venue.event import FuturesChanged, OrderChanged
from sidecar.paper.venue.treasury import Declined
from tests.papers import BIP, BTC, D, Paper, fingerprint

MID = D("64027.5")  # of the contract, BTC at 64,000 / 64,001


@pytest.fixture
def paper():
    return Paper(balances={"USD": "100000", "BTC": "2"}).opened()


def act(paper, verb, *args, **more):
    result = paper.exchange.act(
        lambda: getattr(paper.exchange.treasury, verb)(*args, **more), paper.now
    )
    paper.take_events()
    return result


def transfer(paper, kind, currency, amount):
    act(paper, "transfer", kind, currency, D(amount))


def wallet(paper, currency):
    return paper.exchange.accounts.wallet(currency)


def told(paper):
    """How often the futures account was told, since the last look."""
    count = sum(isinstance(event, FuturesChanged) for event in paper.events)
    paper.events.clear()
    return count


def pot(paper):
    """All dollars of the account, wherever they are."""
    return wallet(paper, "USD").total + paper.exchange.futures.cash


# ------------------------------------------------------------------------------------ in and out


def test_a_deposit_adds_to_what_is_available_at_the_present_price(paper):
    cost = wallet(paper, "BTC").cost
    transfer(paper, "deposit", "BTC", "0.5")
    assert wallet(paper, "BTC").total == D("2.5")
    assert wallet(paper, "BTC").cost == cost + D("0.5") * D("64000.5")
    transfer(paper, "deposit", "USD", "1000")
    assert (wallet(paper, "USD").total, wallet(paper, "USD").cost) == (101_000, 0)
    assert not told(paper), "no order, and no futures account, has to do with it"


@pytest.mark.parametrize("kind", ["withdrawal", "staking_out"])
def test_what_leaves_takes_its_part_of_the_cost_with_it(paper, kind):
    cost = wallet(paper, "BTC").cost
    transfer(paper, kind, "BTC", "0.5")
    assert wallet(paper, "BTC").total == D("1.5")
    assert wallet(paper, "BTC").cost == cost * 3 / 4
    transfer(paper, kind, "BTC", "1.5")
    assert (wallet(paper, "BTC").total, wallet(paper, "BTC").cost) == (0, 0)


def test_more_than_is_available_does_not_leave_and_the_text_says_what_is_there(paper):
    paper.limit("SELL", "0.5", 70000)
    before = fingerprint(paper.exchange)
    with pytest.raises(Declined, match=r"withdrawal of 1\.6 BTC .* 1\.5 BTC, and 0\.5 on hold"):
        transfer(paper, "withdrawal", "BTC", "1.6")
    with pytest.raises(Declined, match="0 DOGE, and 0 on hold"):
        transfer(paper, "staking_out", "DOGE", "1")
    assert fingerprint(paper.exchange) == before


def test_only_an_airdrop_brings_a_coin_that_nothing_trades(paper):
    with pytest.raises(Declined, match="no product trades PEPE; only an airdrop"):
        transfer(paper, "deposit", "PEPE", "1")
    transfer(paper, "airdrop", "PEPE", "1000000")
    assert (wallet(paper, "PEPE").total, wallet(paper, "PEPE").cost) == (1_000_000, 0)


def test_a_coin_without_a_price_counts_as_bought_at_its_first_one(paper):
    transfer(paper, "airdrop", "DOGE", "1000")
    assert wallet(paper, "DOGE").cost == 0
    paper.quote("DOGE-USD", "0.11", "0.13")
    assert wallet(paper, "DOGE").cost == 120


# ---------------------------------------------------------------------------------------- sweeps


def test_a_sweep_moves_dollars_between_the_wallets_and_changes_no_total(paper):
    assert act(paper, "sweep", "futures", D(40_000)) == 40_000
    margin = paper.exchange.engine.margin()
    assert (margin.spot_cash, margin.futures_cash, margin.total) == (60_000, 40_000, 100_000)
    assert told(paper) == 1
    assert act(paper, "sweep", "spot", D(33_161)) == 33_161
    assert told(paper) == 1
    assert act(paper, "sweep", "spot", None) == 40_000 - 33_161
    assert paper.exchange.futures.cash == 0
    told(paper)
    assert act(paper, "sweep", "spot", None) == 0
    assert not told(paper), "nothing moved"
    paper.audit()


def test_what_positions_need_stays_in_the_futures_wallet(paper):
    paper.market("BUY", 100, BIP)
    act(paper, "sweep", "futures", D(10_000))
    moved = act(paper, "sweep", "spot", None)
    margin = paper.exchange.engine.margin()
    assert 9_999 < moved <= 10_000
    assert 0 <= margin.equity - margin.initial < D("0.01")
    with pytest.raises(Declined, match="a sweep of 1 USD to spot is more than is free: 0"):
        act(paper, "sweep", "spot", D(1))
    paper.audit()


def test_unrealised_profit_is_margin_but_no_cash_that_could_leave(paper):
    paper.market("BUY", 100, BIP)
    paper.quote(BTC, 80000, 80001)
    cash = paper.exchange.futures.cash
    assert act(paper, "sweep", "spot", None) == cash
    assert paper.exchange.futures.cash == 0
    paper.audit()


def test_what_orders_hold_is_not_swept_and_counts_to_the_spot_account(paper):
    paper.limit("BUY", 1, 50000)
    available, held = paper.balance("USD")
    margin = paper.exchange.engine.margin()
    assert (margin.spot_total, margin.total) == (100_000, 100_000)
    with pytest.raises(Declined, match="to futures is more than is free"):
        act(paper, "sweep", "futures", available + 1)
    assert act(paper, "sweep", "futures", None) == available
    assert paper.balance("USD") == (0, held)
    paper.audit()


@given(
    st.lists(st.tuples(st.sampled_from(["spot", "futures"]), st.integers(1, 99_999)), max_size=9)
)
def test_no_sequence_of_sweeps_changes_what_there_is(sweeps):
    paper = Paper(balances={"USD": "100000"}).opened()
    paper.market("BUY", 50, BIP)
    before = pot(paper)
    for to, amount in sweeps:
        try:
            act(paper, "sweep", to, D(amount))
        except Declined:
            act(paper, "sweep", to, None)
    margin = paper.exchange.engine.margin()
    assert pot(paper) == before == margin.total == margin.spot_total + margin.futures_cash
    assert margin.equity >= margin.initial
    paper.audit()


def test_free_cash_is_swept_at_each_time_for_it_counted_from_midnight():
    paper = Paper(balances={"USD": "100000"}, sweep_every=timedelta(hours=12)).opened()
    for day in range(2):
        act(paper, "sweep", "futures", D(1_000))
        paper.wait(hours=10, minutes=39)
        assert paper.exchange.futures.cash == 1_000, day
        told(paper)
        paper.wait(minutes=1)
        assert (paper.exchange.futures.cash, told(paper)) == (0, 1)
        paper.wait(hours=13, minutes=20)
    assert paper.exchange.treasury.pending is None


def test_without_a_schedule_nothing_is_swept(paper):
    act(paper, "sweep", "futures", D(1_000))
    paper.wait(days=3)
    assert paper.exchange.futures.cash == 1_000


@pytest.mark.parametrize(("asked", "left"), [("400", 600), (None, 0), ("5000", 0)])
def test_a_sweep_that_was_asked_for_moves_what_is_free_then_at_the_next_midnight(
    paper, asked, left
):
    act(paper, "sweep", "futures", D(1_000))
    sweep = act(paper, "schedule", D(asked) if asked else None, paper.now)
    assert (sweep.at.hour, sweep.at.date()) == (0, paper.now.date() + timedelta(days=1))
    with pytest.raises(Declined, match="pending already"):
        act(paper, "schedule", None, paper.now)
    paper.wait(hours=10, minutes=39)
    assert paper.exchange.futures.cash == 1_000
    paper.wait(minutes=1)
    assert paper.exchange.futures.cash == left
    assert paper.exchange.treasury.pending is None
    paper.audit()


def test_a_cancelled_sweep_is_not_made_and_another_may_be_asked_for(paper):
    act(paper, "sweep", "futures", D(1_000))
    first = act(paper, "schedule", D(400), paper.now)
    assert act(paper, "cancel")
    assert not act(paper, "cancel")
    second = act(paper, "schedule", D(300), paper.now)
    assert second.sweep_id != first.sweep_id
    paper.wait(days=2)
    assert paper.exchange.futures.cash == 700


def test_a_schedule_that_is_switched_off_ends():
    paper = Paper(balances={"USD": "100000"}, sweep_every=timedelta(hours=1)).opened()
    paper.exchange.behaviour.sweep_every = timedelta(0)
    act(paper, "sweep", "futures", D(1_000))
    paper.wait(days=2)
    assert paper.exchange.futures.cash == 1_000


# --------------------------------------------------------------------------------------- funding


def fund(paper, amount=None, rate=None):
    return act(
        paper, "fund", BIP, paper.now,
        amount=None if amount is None else D(amount), rate=None if rate is None else D(rate),
    )  # fmt: skip


def test_funding_on_demand_is_an_amount_or_a_rate_of_the_position(paper):
    assert fund(paper, amount="-4.52") == D("-4.52")
    with pytest.raises(Declined, match="no position in BIP-20DEC30-CDE"):
        fund(paper, rate="0.001")
    paper.market("BUY", 10, BIP)
    before = pot(paper)
    paid = 10 * D("0.01") * MID * D("0.001")
    assert fund(paper, rate="0.001") == -paid
    assert pot(paper) == before - paid
    assert paper.exchange.engine.margin().funding == D("-4.52") - paid
    paper.close()
    paper.market("SELL", 10, BIP)
    assert fund(paper, rate="0.001") == paid, "a short receives what longs pay"
    paper.close()
    with pytest.raises(Declined, match="no position"):
        fund(paper, rate="0.001")


def test_funding_accrues_first_and_is_paid_later():
    paper = Paper(
        balances={"USD": "100000"}, funding_delay=timedelta(hours=2), funding_resets="on_payment"
    ).opened()
    paper.market("BUY", 10, BIP)
    before, futures = pot(paper), paper.exchange.futures
    told(paper)
    fund(paper, amount="-5")
    assert (pot(paper), futures.funding_pnl, told(paper)) == (before, -5, 0)
    paper.wait(minutes=30)
    fund(paper, amount="-1")
    accrued = futures.funding_pnl
    assert pot(paper) == before
    paper.wait(minutes=90)
    assert pot(paper) == before - 5
    assert told(paper) == 1
    hourly = -10 * D("0.01") * MID * D("0.00001")  # at 14:00 and 15:00, neither paid yet
    assert futures.funding_pnl == accrued + 5 + 2 * hourly


def test_what_was_paid_is_told_until_midnight_and_what_was_not_paid_beyond():
    """A fall of `funding_pnl` at midnight matches no movement of any wallet: it is a reset."""
    paper = Paper(balances={"USD": "100000"}, funding_delay=timedelta(hours=1)).opened()
    futures = paper.exchange.futures
    fund(paper, amount="-5")
    paper.wait(hours=10, minutes=30)
    fund(paper, amount="-3")
    assert (futures.funding_pnl, pot(paper)) == (-8, 99_995)
    paper.wait(minutes=15)
    assert (futures.funding_pnl, pot(paper)) == (-3, 99_995)
    paper.wait(hours=1)
    assert (futures.funding_pnl, pot(paper)) == (-3, 99_992)


@pytest.mark.parametrize("side", ["BUY", "SELL"])
def test_funding_can_be_told_as_fills(side):
    paper = Paper(balances={"USD": "100000"}, funding_told="fills").opened()
    paper.market(side, 10, BIP)
    before, contracts = pot(paper), paper.exchange.futures.contracts(BIP)
    fund(paper, amount="-4.52")
    fill = paper.exchange.register.fills[-1]
    assert (fill.trade_type, fill.order_id, fill.side) == ("FUNDING", "", side)
    assert (fill.price, fill.size, fill.commission) == (MID, 0, D("4.52"))
    assert pot(paper) == before - D("4.52")
    assert paper.exchange.futures.funding_pnl == 0
    assert paper.exchange.futures.contracts(BIP) == contracts
    numbers = [row.number for row in paper.exchange.register.fills]
    assert numbers == sorted(set(numbers))


def test_funding_told_as_fills_reaches_the_wallet_after_the_delay_too():
    paper = Paper(
        balances={"USD": "100000"}, funding_told="fills", funding_delay=timedelta(minutes=1)
    ).opened()
    fund(paper, amount="7")
    assert paper.exchange.register.fills[-1].commission == -7
    assert pot(paper) == 100_000
    paper.wait(minutes=1)
    assert (pot(paper), paper.exchange.futures.funding_pnl) == (100_007, 0)


def test_every_cent_of_funding_is_paid_once_whatever_the_switches():
    """Hourly funding of a day, over every way to tell it, comes to one amount in the wallets."""
    totals = set()
    for how in ("funding_pnl", "fills"):
        for resets in ("daily", "on_payment"):
            for hours in (0, 3):
                paper = Paper(
                    balances={"USD": "100000"}, funding_told=how, funding_resets=resets,
                    funding_delay=timedelta(hours=hours),
                ).opened()  # fmt: skip
                paper.market("BUY", 10, BIP)
                before = pot(paper)
                paper.wait(hours=24)
                fills = [f for f in paper.exchange.register.fills if f.trade_type == "FUNDING"]
                assert len(fills) == (24 if how == "fills" else 0)
                totals.add((hours, pot(paper) - before))
    rate = -10 * D("0.01") * MID * D("0.00001")
    assert totals == {(0, 24 * rate), (3, 21 * rate)}


# ------------------------------------------------------------------- order of frames, lags, holds


@pytest.mark.parametrize("after", [False, True])
def test_the_wallet_is_told_before_a_futures_fill_or_after_it(paper, after):
    paper.exchange.behaviour.wallet_after_fill = after
    paper.events.clear()
    order = paper.market("BUY", 3, BIP)
    kinds = [type(e) for e in paper.events if isinstance(e, (OrderChanged, FuturesChanged))]
    filled = next(
        place
        for place, event in enumerate(
            e for e in paper.events if isinstance(e, (OrderChanged, FuturesChanged))
        )
        if isinstance(event, OrderChanged) and event.order.order_id == order.order_id
        and event.order.filled
    )  # fmt: skip
    assert kinds.count(FuturesChanged) == 1
    assert kinds[filled + 1 if after else filled - 1] is FuturesChanged
    paper.audit()


def seen(paper, currency):
    exchange = paper.exchange
    rows = {row.currency: row for row in exchange.accounts.seen(paper.now, exchange.behaviour.lag)}
    return (rows[currency].available, rows[currency].held) if currency in rows else None


def test_one_currency_may_lag_while_the_others_do_not(paper):
    """A buy of contracts: the futures wallet is right at once, the USD wallet a minute later."""
    paper.exchange.behaviour.balance_lag_of = {"USD": timedelta(seconds=60)}
    paper.wait(seconds=1)
    paper.market("BUY", "0.5")
    paper.market("BUY", 100, BIP)
    assert seen(paper, "USD") == (100_000, 0)
    assert seen(paper, "BTC") == (D("2.5"), 0)
    assert paper.exchange.engine.margin().futures_cash > 0
    paper.wait(seconds=59)
    assert seen(paper, "USD") == (100_000, 0)
    paper.wait(seconds=1)
    assert seen(paper, "USD") == paper.balance("USD")


def test_a_currency_may_be_up_to_date_while_all_others_lag(paper):
    paper.exchange.behaviour.balance_lag = timedelta(seconds=60)
    paper.exchange.behaviour.balance_lag_of = {"BTC": timedelta(0)}
    paper.wait(seconds=1)
    transfer(paper, "deposit", "BTC", "1")
    transfer(paper, "deposit", "USD", "1")
    assert (seen(paper, "BTC"), seen(paper, "USD")) == ((3, 0), (100_000, 0))


def test_a_new_wallet_is_not_there_before_its_lag_is_over(paper):
    paper.exchange.behaviour.balance_lag = timedelta(seconds=5)
    paper.wait(seconds=10)
    transfer(paper, "airdrop", "PEPE", "1")
    assert seen(paper, "PEPE") is None
    paper.wait(seconds=5)
    assert seen(paper, "PEPE") == (1, 0)


@pytest.mark.parametrize("ending", ["cancelled", "expired"])
def test_a_stuck_hold_is_still_shown_and_the_total_is_right(paper, ending):
    paper.exchange.behaviour.stuck_holds = timedelta(seconds=5)
    order = paper.limit("SELL", "1.5", 70000, until=paper.now + timedelta(seconds=1))
    if ending == "cancelled":
        assert paper.cancel(order) == ""
    else:
        paper.wait(seconds=1)
    assert paper.balance("BTC") == (2, 0)
    assert seen(paper, "BTC") == (D("0.5"), D("1.5"))
    paper.wait(seconds=4)
    transfer(paper, "withdrawal", "BTC", "1")
    assert seen(paper, "BTC") == (0, 1), "never more than is there"
    paper.wait(seconds=1)
    assert seen(paper, "BTC") == (1, 0)
    second = paper.limit("BUY", 1, 50000)
    paper.cancel(second)
    assert len(paper.exchange.accounts._stuck) == 1, "what is over is forgotten"


def test_a_stuck_hold_of_a_lagging_wallet_begins_when_its_end_is_seen(paper):
    paper.exchange.behaviour.stuck_holds = timedelta(seconds=10)
    paper.exchange.behaviour.balance_lag = timedelta(seconds=4)
    paper.wait(seconds=5)
    order = paper.limit("SELL", 1, 70000)
    paper.wait(seconds=5)
    paper.cancel(order)
    for _ in range(10):
        assert seen(paper, "BTC") == (1, 1)
        paper.wait(seconds=1)
    assert seen(paper, "BTC") == (2, 0)


def test_the_futures_summary_may_show_both_wallets_as_they_were(paper):
    """A sweep is in the USD wallet at once, and the summary that is read still has the old dollars."""
    paper.exchange.behaviour.futures_lag = timedelta(seconds=10)

    def shown():
        margin = paper.exchange.margin_seen(paper.now)
        assert margin.spot_total + margin.futures_cash == margin.total
        return margin.spot_total, margin.futures_cash

    act(paper, "sweep", "futures", D(500))
    paper.wait(seconds=20)
    act(paper, "sweep", "spot", D(200))
    assert seen(paper, "USD") == (99_700, 0)
    assert shown() == (99_500, 500)
    fund(paper, amount="-7")
    paper.wait(seconds=9)
    assert shown() == (99_500, 500)
    paper.wait(seconds=1)
    assert shown() == (99_700, 293)
    paper.exchange.behaviour.futures_lag = timedelta(0)
    assert shown() == (99_700, 293)
