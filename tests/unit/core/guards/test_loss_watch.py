"""What crossing a loss limit sets in motion: first sight, confirmation, the episode's beginning and end.

One BTC is bought at 64,000 with equity 100,000, and a quarter of the equity may be lost: at 39,000
the limit is reached.
"""

from datetime import timedelta
from decimal import localcontext
from typing import Any

import pytest

from sidecar.core.account.losses import Loss, daily, drawdown
from sidecar.core.guards.confirmation import CUMULATIVE
from sidecar.core.guards.pending_breach import PendingBreach
from sidecar.core.vocabulary import events as ev
from sidecar.core.vocabulary.actions import (
    Alert,
    CauseCleared,
    CauseRaised,
    ConfirmQuotes,
    Liquidate,
    Reconcile,
    ReduceOnly,
    StateChanged,
    WakeAt,
)
from sidecar.core.vocabulary.errors import Untrusted
from sidecar.core.vocabulary.limit_settings import LossLimit
from sidecar.core.vocabulary.limits import Limits
from tests.decisions import connected, names, of_kind, rest_agrees, restarted, sell_order
from tests.scenario import FUTURE, START, D, World, limit_order, product

LIMIT: dict[str, Any] = {"max_cumulative_loss": "0.25"}


def holding(**limits):
    world = World(**(limits or LIMIT))
    world.hold(1)
    return world


def fall(world, *prices, every_s=1):
    """Quote these prices, one each second; all actions."""
    actions = []
    for price in prices:
        actions += world.wait(every_s)
        actions += world.quote("BTC-USD", price)
    return actions


def state(world):
    return world.manager.state.account


# --- First sight ----------------------------------------------------------------------------------


def test_nothing_happens_below_the_limit():
    world = holding()
    assert not of_kind(fall(world, "39000.01"), CauseRaised, Liquidate)
    assert state(world) == "ACTIVE"


def test_the_first_sight_of_a_breach_allows_reducing_orders_only_at_once():
    world = holding()
    actions = fall(world, 39000)
    (cause,) = of_kind(actions, CauseRaised)
    assert (cause.code, cause.level, cause.scope) == ("CUMULATIVE_LOSS", "REDUCE_ONLY", "all")
    assert cause.reason == "cumulative loss of 25000 USD, 25 % has reached 25 %"
    assert state(world) == "REDUCE_ONLY"
    assert not of_kind(actions, Liquidate)


def test_a_single_bad_tick_triggers_nothing():
    """The breach is gone with the next quote, and with it the cause."""
    world = holding()
    fall(world, 1)
    actions = fall(world, 64000)
    (cleared,) = of_kind(actions, CauseCleared)
    assert cleared.code == "CUMULATIVE_LOSS"
    assert state(world) == "ACTIVE"
    assert not of_kind(fall(world, 64001, 64000, 64001, 64000), Liquidate)


def test_a_single_bad_tick_told_again_and_again_triggers_nothing():
    """It is one quote however often it arrives: it held at one time."""
    world = holding()
    fall(world, 1)
    tick = world.tracker.marks.quotes["BTC-USD"]
    for _ in range(10):
        world.wait(1)
        assert not of_kind(world.send(ev.Quotes, quotes=(tick,)), Liquidate)
    assert state(world) == "REDUCE_ONLY"


def test_a_bad_tick_that_nothing_follows_triggers_nothing():
    """Time alone confirms no price."""
    world = holding()
    fall(world, 1)
    world.wait(3600)
    assert state(world) == "REDUCE_ONLY"


# --- Confirmation ---------------------------------------------------------------------------------


def test_a_breach_held_for_two_seconds_over_three_quotes_liquidates():
    world = holding()
    assert not of_kind(fall(world, 39000, 38999), Liquidate)
    (order,) = of_kind(fall(world, 38998), Liquidate)
    assert state(world) == "LIQUIDATING"
    assert (order.loss, order.ratio, order.limit) == (D(25002), D("0.25002"), "0.25")
    assert (order.equity_base, order.triggered_at) == (D(100_000), world.now)


def test_the_cause_is_raised_before_the_order_to_liquidate():
    """The mode is on disk before anything it causes leaves the process."""
    world = holding()
    actions = names(fall(world, 39000, 38999, 38998))
    assert actions.index("Liquidate") > len(actions) - 1 - actions[::-1].index("CauseRaised")


def test_three_quotes_within_two_seconds_wait_for_the_time():
    world = holding()
    assert not of_kind(fall(world, 39000, 38999, 38998, 38997, every_s=0.5), Liquidate)
    assert of_kind(world.wait(0.5), Liquidate)


def test_a_price_that_stands_still_is_confirmed_by_quotes_of_other_times():
    """A market that has halted at the bottom says so with every quote."""
    world = holding()
    assert not of_kind(fall(world, 39000, 39000), Liquidate)
    assert of_kind(fall(world, 39000), Liquidate)


def test_quotes_beyond_the_spread_cap_do_not_count():
    """They mark nothing, so they confirm nothing."""
    world = holding()
    fall(world, 39000)
    for ask in range(60000, 60010):
        world.wait(1)
        assert not of_kind(world.quote("BTC-USD", 30000, ask), Liquidate)


def test_quotes_of_what_is_not_held_do_not_count():
    world = holding()
    fall(world, 39000)
    for price in range(2000, 2010):
        world.wait(1)
        assert not of_kind(world.quote("ETH-USD", price), Liquidate)


def test_a_bad_tick_is_not_confirmed_by_the_quotes_of_other_products():
    """Busy books say nothing of a quiet one: it must show the price three times itself."""
    world = holding()
    world.fill("BUY", 1, 2000, product_id="ETH-USD")
    fall(world, 1)
    for price in range(2000, 2010):
        world.wait(1)
        assert not of_kind(world.quote("ETH-USD", price), Liquidate)
    assert state(world) == "REDUCE_ONLY"
    assert of_kind(fall(world, 2, 3), Liquidate)


def test_a_bad_tick_of_a_hedge_is_not_confirmed_by_what_it_hedges():
    """The loss lies in the coins, but it is the future's gain that a tick took away."""
    world = holding()
    world.fill("SELL", 100, 64000, product_id=FUTURE)
    for _ in range(3):  # until both are confirmed
        world.wait(1)
        world.quote(FUTURE, 38000)
        world.quote("BTC-USD", 38000)
    assert state(world) == "ACTIVE"
    world.wait(1)
    world.quote(FUTURE, 64000)
    assert state(world) == "REDUCE_ONLY"
    assert not of_kind(fall(world, 38001, 38002, 38003, 38004), Liquidate)
    world.quote(FUTURE, 38000)
    assert state(world) == "ACTIVE"


def two_books(**limits):
    """One BTC at 64,000 and 20 ETH at 2,000, equity 140,000: each bad tick alone takes more than a tenth."""
    world = World(**limits)
    world.quote("ETH-USD", 2_000)
    world.fill("BUY", 20, 2_000, product_id="ETH-USD")
    world.hold(1)
    return world


def test_bad_ticks_of_two_books_one_after_the_other_latch_nothing():
    """The breach stands for three seconds, over three quotes of BTC; none of its prices stood for two."""
    world = two_books(max_drawdown="0.1")
    world.quote("ETH-USD", 600)
    for btc in (64_000, 20_000, 20_001):
        world.wait(0.5)
        world.quote("BTC-USD", btc)
    world.quote("ETH-USD", 2_000)
    for btc in (20_002, 20_003):
        world.wait(0.5)
        assert not of_kind(world.quote("BTC-USD", btc), Alert)
    world.wait(0.4)
    world.quote("BTC-USD", 64_000)
    assert state(world) == "ACTIVE"


def test_a_loss_of_one_product_does_not_wait_for_the_marks_of_others():
    """BTC stands 50 USD beyond its own limit, while ETH falls all the time by more than one part in a hundred."""
    world = World(cash="300000", product={"BTC-USD": {"max_daily_loss": "1000 USD"}})
    world.quote("ETH-USD", 2_000)
    world.fill("BUY", 20, 2_000, product_id="ETH-USD")
    world.hold(1)
    alerts = []
    for second in range(4):
        world.wait(1)
        alerts += of_kind(world.quote("BTC-USD", 62_950 + second % 2), Alert)
        world.quote("ETH-USD", 1_900 - 100 * second)
    assert [one.code for one in alerts if "confirmed" in one.text] == ["DAILY_LOSS"]


def test_a_loss_of_one_strategy_does_not_wait_for_the_marks_of_others():
    world = World(cash="300000", strategy={"grid": {"max_daily_loss": "1000 USD"}})
    world.quote("ETH-USD", 2_000)
    world.fill("BUY", 20, 2_000, product_id="ETH-USD")
    world.fill("BUY", 1, 64_000, strategy_id="grid")
    alerts = []
    for second in range(4):
        world.wait(1)
        alerts += of_kind(world.quote("BTC-USD", 62_950 + second % 2), Alert)
        world.quote("ETH-USD", 1_900 - 100 * second)
    assert [one.code for one in alerts if "confirmed" in one.text] == ["DAILY_LOSS"]


def test_a_hedge_that_moves_with_what_it_hedges_delays_nothing():
    """The best marks of a position and of its hedge are of different moments: together they were never there."""
    world = World(max_cumulative_loss="0.25")
    world.hold(4)
    world.fill("SELL", 400, 64_000, product_id=FUTURE)
    world.fill("BUY", 20, 2_000, product_id="ETH-USD")
    for _ in range(3):
        world.wait(1)
        for book, price in (("BTC-USD", 64_000), (FUTURE, 64_000), ("ETH-USD", 2_000)):
            world.quote(book, price)
    actions = []
    for half in range(10):
        actions += world.wait(0.5)
        actions += world.quote("ETH-USD", 745)  # 100 USD beyond the limit
        pair = D(64_000 + 300 * (half % 2))
        quotes = tuple(ev.Quote(book, pair, pair, world.now) for book in ("BTC-USD", FUTURE))
        actions += world.send(ev.Quotes, quotes=quotes)
    assert of_kind(actions, Liquidate)


def test_a_fall_after_the_bad_tick_of_another_book_is_confirmed_by_the_time_it_has_stood():
    world = two_books(**LIMIT)
    world.quote("ETH-USD", 200)
    world.wait(1)
    world.quote("ETH-USD", 2_000)
    for btc in (20_002, 20_001, 20_000):
        world.wait(0.5)
        world.quote("BTC-USD", btc)
    assert not of_kind(world.wait(0.5), Liquidate)
    wakes = of_kind(world.wait(0.25), WakeAt, Liquidate)
    assert not wakes
    assert of_kind(world.wait(0.25), Liquidate)


def test_what_was_sold_during_a_breach_is_not_waited_for():
    world = two_books(**LIMIT)
    fall(world, 20_000)
    world.fill("SELL", 20, 2_000, product_id="ETH-USD")
    assert of_kind(fall(world, 19_999, 19_998), Liquidate)


def test_a_loss_that_was_there_before_needs_no_new_quotes_of_its_own():
    """A quiet product's old loss counts; what took the account over the limit confirms it."""
    world = World(max_cumulative_loss="0.25")
    world.fill("BUY", 10, 2000, product_id="ETH-USD")
    world.hold(1)
    world.stand("ETH-USD", 1000)
    assert of_kind(fall(world, 49000, 48900, 48800), Liquidate)


def test_a_breach_that_ends_in_between_starts_its_wait_anew():
    world = holding()
    fall(world, 39000, 38999, 39001, 39000)
    assert not of_kind(fall(world, 38999), Liquidate)
    assert of_kind(fall(world, 38998), Liquidate)


def test_losses_that_are_settled_need_no_confirmation():
    """No price takes back what fills and fees have cost."""
    world = holding()
    world.now += timedelta(seconds=1)
    assert of_kind(world.fill("SELL", 1, 39000), Liquidate)


def test_a_settled_loss_that_a_profit_outweighs_is_no_breach():
    world = holding()
    world.fill("SELL", "0.5", 64000 - 52000)  # 26,000 are settled
    assert state(world) == "LIQUIDATING"
    rich = holding()
    rich.quote("BTC-USD", 80000)
    rich.fill("SELL", "0.5", 12000)  # 26,000 are settled, 8,000 not
    assert state(rich) == "ACTIVE"


def test_the_core_asks_to_be_woken_when_the_time_may_confirm():
    world = holding()
    wakes = of_kind(fall(world, 39000), WakeAt)
    assert wakes[-1].at == world.now + timedelta(seconds=2)


def test_a_wait_for_quotes_does_not_hide_later_wakes():
    """What is due in the past is not asked for again; the next reset still is."""
    world = holding()
    fall(world, 39000)
    actions = world.wait(5)
    assert [wake.at for wake in of_kind(actions, WakeAt)] == [START + timedelta(days=1)]


def test_a_loss_in_money_is_judged_alike():
    world = holding(max_cumulative_loss="25000 USD")
    (order,) = of_kind(fall(world, 39000, 38999, 38998), Liquidate)
    assert order.limit == "25000 USD"


def test_a_futures_position_confirms_by_its_own_quotes():
    world = World(**LIMIT)
    world.fill("BUY", 100, 64000, product_id=FUTURE)
    actions = []
    for price in (39000, 38995, 38990):
        world.wait(1)
        actions += world.quote(FUTURE, price)
    assert of_kind(actions, Liquidate)


# --- REST's word ----------------------------------------------------------------------------------


def at_rest(world, price):
    quote = ev.Quote("BTC-USD", D(price), D(price), world.now)
    return world.send(ev.QuotesConfirmed, quotes=(quote,))


def balances(world):
    """A reading of the balances that agrees with the books."""
    wallets = world.tracker.wallets.by_currency.items()
    stated = tuple(ev.Balance(currency, wallet.total) for currency, wallet in wallets)
    return world.send(ev.BalancesRead, balances=stated, fills_until=world.now)


def test_connected_rest_is_asked_at_first_sight():
    world = connected(held=1, **LIMIT)
    (asked,) = of_kind(fall(world, 20000), ConfirmQuotes)
    assert asked.product_ids == ("BTC-USD",)


BEYOND = (20000, 19999, 19998, 19997)


def test_connected_a_breach_waits_for_rests_word():
    world = connected(held=1, **LIMIT)
    assert not of_kind(fall(world, *BEYOND), Liquidate)
    assert not of_kind(balances(world), Liquidate)
    assert of_kind(at_rest(world, 20000), Liquidate)


def test_connected_a_breach_waits_for_a_reading_of_the_balances():
    """Money that has left is no loss."""
    world = connected(held=1, **LIMIT)
    (asked,) = of_kind(fall(world, 20000), Reconcile)
    assert asked.reason == "a loss is to be confirmed: has anything been moved?"
    assert not of_kind(fall(world, 19999, 19998, 19997), Reconcile)
    assert not of_kind(at_rest(world, 20000), Liquidate)
    assert of_kind(balances(world), Liquidate)


def test_a_reading_of_the_balances_is_waited_for_five_seconds():
    world = connected(held=1, **LIMIT)
    fall(world, *BEYOND)
    at_rest(world, 20000)
    waited = world.wait(1)
    assert of_kind(waited, WakeAt)[-1].at == world.now + timedelta(seconds=1)
    assert not of_kind(waited, Liquidate)
    assert of_kind(world.wait(1), Liquidate)


def test_a_reading_from_before_the_breach_says_nothing_of_it():
    world = connected(held=1, **LIMIT)
    before = world.now
    fall(world, *BEYOND)
    at_rest(world, 20000)
    old = ev.BalancesRead(at=before, balances=(ev.Balance("USD", D(100_000)),))
    assert not of_kind(world.handle(old), Liquidate)
    assert of_kind(balances(world), Liquidate)


def test_rest_may_agree_before_the_time_is_over():
    world = connected(held=1, **LIMIT)
    fall(world, 20000)
    assert not of_kind(at_rest(world, 20000), Liquidate)
    balances(world)
    assert of_kind(fall(world, 19999, 19998), Liquidate)


def test_where_rest_cannot_be_had_the_feeds_word_stands():
    world = connected(held=1, **LIMIT)
    fall(world, *BEYOND)
    balances(world)
    assert of_kind(world.send(ev.ConfirmationUnavailable), Liquidate)


def test_where_rest_cannot_be_had_the_silence_of_a_book_confirms_nothing_for_ten_seconds():
    """Three quotes within a second, and none since: a passing tick may have been its last word."""
    world = connected(held=1, **LIMIT)
    assert not of_kind(fall(world, *BEYOND[:3], every_s=0.5), Liquidate)
    balances(world)
    world.wait(4)
    told = world.send(ev.ConfirmationUnavailable)
    assert not of_kind(told, Liquidate)
    assert of_kind(told, WakeAt)[-1].at == world.now + timedelta(seconds=6)
    assert not of_kind(world.wait(5), Liquidate)
    assert of_kind(world.wait(1), Liquidate)


def bad_ticks_of_eth(answer):
    """Three within a second, then silence, while BTC goes on at its price; seconds until it is sold, of 20. `answer`
    says what REST answers to a question, if anything.
    """
    world = connected(held=1, also={"ETH": 40}, max_cumulative_loss="0.25")
    for _ in range(3):
        world.wait(1)
        world.quote("BTC-USD", 64_000)
        world.quote("ETH-USD", 2_000)
    told = []
    for price in (1, 2, 1):
        world.wait(0.25)
        told += world.quote("ETH-USD", price)
    silent_since = world.now
    while world.now < silent_since + timedelta(seconds=20) and not of_kind(told, Liquidate):
        for asked in of_kind(told, ConfirmQuotes):
            told += answer(world, asked.product_ids)
        if of_kind(told, Reconcile):
            told += balances(world)
        told = world.wait(0.5) + world.quote("BTC-USD", 64_000 + world.now.second % 2)
        if world.now == silent_since + timedelta(seconds=4):
            told += answer(world, None)
    return (world.now - silent_since).total_seconds()


def cannot_be_had(world, asked):
    return [] if asked else world.send(ev.ConfirmationUnavailable)


def answers_for_btc_alone(world, asked):
    if asked is None:
        return []
    quotes = (ev.Quote("BTC-USD", D(64_000), D(64_000), world.now),) if "BTC-USD" in asked else ()
    return world.send(ev.QuotesConfirmed, quotes=quotes, unanswered=("ETH-USD",))


@pytest.mark.parametrize("answer", [cannot_be_had, answers_for_btc_alone])
def test_the_quotes_of_a_busy_book_do_not_stand_in_for_a_silent_one(answer):
    assert bad_ticks_of_eth(answer) == 10


def test_where_rest_cannot_be_had_a_later_quote_confirms():
    world = connected(held=1, **LIMIT)
    fall(world, *BEYOND[:3], every_s=0.5)
    balances(world)
    world.wait(4)
    world.send(ev.ConfirmationUnavailable)
    assert of_kind(fall(world, BEYOND[3]), Liquidate)


def test_rest_that_disagrees_starts_the_wait_anew_and_is_told():
    world = connected(held=1, **LIMIT)
    fall(world, *BEYOND)
    (alert,) = of_kind(at_rest(world, 64000), Alert)
    assert alert.code == "MARKS_DISAGREE"
    assert alert.text.startswith("the feed shows a cumulative loss of 44003 USD")
    assert "REST one of 0 USD" in alert.text
    assert not of_kind(fall(world, 19996), Liquidate)
    assert state(world) == "REDUCE_ONLY"


def test_after_a_disagreement_rest_is_asked_again_in_five_seconds():
    world = connected(held=1, **LIMIT)
    fall(world, 20000)
    at_rest(world, 64000)
    assert not of_kind(fall(world, 19999, 19998, 19997, 19996), ConfirmQuotes)
    assert of_kind(fall(world, 19995), ConfirmQuotes)
    assert of_kind(at_rest(world, 20000), Liquidate)


def test_the_core_asks_to_be_woken_to_ask_rest_again():
    world = connected(held=1, **LIMIT)
    fall(world, 20000)
    first = world.now
    wakes = of_kind(world.wait(2), WakeAt)
    assert wakes[-1].at == first + timedelta(seconds=5)
    assert of_kind(world.wait(3), ConfirmQuotes)


@pytest.mark.parametrize(
    "answer",
    [(), [("NEW-USD", 1, 1)], [("BTC-USD", 64001, 64000)], [("BTC-USD", 0, 20000)], [("BTC-USD", 10000, 30000)]],
    ids=["nothing", "another book", "crossed", "empty", "too wide"],
)  # fmt: skip
def test_rest_that_says_nothing_of_what_is_held_is_asked_for_that_alone(answer):
    """A failed read must not sell an account; what is left out twice cannot be had."""
    for again in (20000, None):
        world = connected(held=1, **LIMIT)
        fall(world, *BEYOND)
        balances(world)
        quotes = tuple(ev.Quote(name, D(bid), D(ask), world.now) for name, bid, ask in answer)
        (asked,) = world.send(ev.QuotesConfirmed, quotes=quotes)
        assert asked == ConfirmQuotes(product_ids=("BTC-USD",))
        if again is not None:
            assert of_kind(at_rest(world, again), Liquidate)
        else:
            assert of_kind(world.send(ev.QuotesConfirmed, quotes=quotes), Liquidate)


def both_at_rest(world, btc, eth):
    quotes = (("BTC-USD", btc), ("ETH-USD", eth))
    read = tuple(ev.Quote(name, D(price), D(price), world.now) for name, price in quotes)
    return world.send(ev.QuotesConfirmed, quotes=read)


def test_rest_must_answer_for_the_book_that_showed_the_loss():
    world = connected(held=1, **LIMIT)
    world.fill("BUY", 1, 2000, product_id="ETH-USD")
    (asked,) = of_kind(fall(world, *BEYOND), ConfirmQuotes)
    assert asked.product_ids == ("BTC-USD", "ETH-USD")
    balances(world)
    quiet = ev.Quote("ETH-USD", D(2000), D(2000), world.now)
    assert not of_kind(world.send(ev.QuotesConfirmed, quotes=(quiet,)), Liquidate, Alert)
    assert of_kind(both_at_rest(world, 20000, 2000), Liquidate)


@pytest.mark.parametrize("listed", ["ETH-USD", "NEW-USD"])
def test_a_quiet_coin_does_not_hold_up_rests_word(listed):
    """An airdrop with an empty book, never marked perhaps, must not keep an account unsold."""
    world = connected(held=1, **LIMIT)
    world.send(ev.ProductsListed, products=(product(listed),))
    world.fill("BUY", 1, 2000, product_id=listed)
    fall(world, *BEYOND)
    balances(world)
    assert of_kind(at_rest(world, 20000), Liquidate)


def test_what_was_never_marked_makes_no_difference_at_rest():
    world = connected(held=1, **LIMIT)
    world.send(ev.ProductsListed, products=(product("NEW-USD"),))
    world.fill("BUY", 1, 2000, product_id="NEW-USD")
    fall(world, *BEYOND)
    balances(world)
    quotes = tuple(
        ev.Quote(n, D(p), D(p), world.now) for n, p in (("BTC-USD", 20000), ("NEW-USD", 1))
    )
    assert of_kind(world.send(ev.QuotesConfirmed, quotes=quotes), Liquidate)


def test_a_late_answer_to_an_earlier_question_is_ignored():
    """The price it tells of is not the price that is asked about."""
    world = connected(held=1, **LIMIT)
    fall(world, *BEYOND)
    late = ev.Quote("BTC-USD", D(20000), D(20000), world.now)
    assert of_kind(world.wait(5), ConfirmQuotes)
    assert not of_kind(world.send(ev.QuotesConfirmed, quotes=(late,)), Liquidate)
    assert of_kind(at_rest(world, 20000), Liquidate)


@pytest.mark.parametrize("nonsense", ["NaN", "Infinity", "-1"])
def test_nonsense_from_rest_is_not_taken_in(nonsense):
    world = connected(held=1, **LIMIT)
    fall(world, 20000)
    with pytest.raises(Untrusted):
        at_rest(world, nonsense)
    assert state(world) == "REDUCE_ONLY"


def test_rests_answer_without_a_question_changes_nothing():
    world = connected(held=1, **LIMIT)
    world.wait()
    assert at_rest(world, 1) == []


def test_inverse_routes_are_confirmed_too():
    """The euro is marked by the inverse of USDC-EUR; as a coin it is a position like any other."""
    from sidecar.core.account.position_tracker import PositionTracker  # noqa: PLC0415
    from sidecar.core.risk_manager import RiskManager  # noqa: PLC0415

    world = World(products=())
    world.tracker = PositionTracker(cash=("USD", "USDC"))
    limits = Limits(max_cumulative_loss="1000 USD")
    settings = connected().manager.settings
    world.manager = RiskManager(limits, world.tracker, clock=lambda: world.now, settings=settings)
    world.send(ev.ProductsListed, products=(product("USDC-EUR"),))
    world.balance("EUR", 8000)
    world.send(ev.OpenOrdersListed, order_ids=(), began_at=world.now)
    for feed in ("market", "user"):
        world.send(ev.FeedChanged, feed=feed, signal="connected")
    world.quote("USDC-EUR", "0.8")
    rest_agrees(world, world.send(ev.AccountReconciled))
    world.wait(1)
    (asked,) = of_kind(world.quote("USDC-EUR", 1), ConfirmQuotes)
    assert asked.product_ids == ("USDC-EUR",)
    quote = ev.Quote("USDC-EUR", D("0.8"), D("0.8"), world.now)
    (alert,) = of_kind(world.send(ev.QuotesConfirmed, quotes=(quote,)), Alert)
    assert alert.text.endswith("REST one of 0 USD, 0 %; waiting")


# --- The base of the ratio ------------------------------------------------------------------------


def test_an_equity_base_of_zero_never_liquidates():
    world = World(cash=0, **LIMIT)
    assert state(world) == "REDUCE_ONLY"
    world.fill("BUY", 1, 64000)
    actions = fall(world, 30000, 20000, 10000, 1000)
    assert not of_kind(actions, Liquidate)
    assert state(world) == "REDUCE_ONLY"


def test_no_equity_is_an_answer_to_the_check():
    """Reduce-only is in force: an engine that asks must hear so, and once for all its limits."""
    world = World(cash=0, max_daily_loss="0.1", **LIMIT)
    (answer,) = check(world)
    assert isinstance(answer, ReduceOnly)
    assert (answer.code, answer.scope, answer.ratio, answer.limit) == (
        "NO_EQUITY",
        "all",
        None,
        "0.1",
    )
    assert answer.reason == (
        "the equity that loss ratios are taken of is below 50 USD, through a transfer or for want of quotes"
    )


# --- Limits that change ---------------------------------------------------------------------------


def replace_limits(world, **limits):
    return world.send(ev.LimitsReplaced, limits=Limits(**limits))


@pytest.mark.parametrize("limits", [{}, {"max_cumulative_loss": "0.5"}])
def test_a_breach_ends_with_the_limit_it_broke(limits):
    """A cause that nothing bounds any more must not stay for ever."""
    world = holding()
    fall(world, 39000)
    replace_limits(world, **limits)
    assert state(world) == "ACTIVE"
    assert not of_kind(fall(world, 38999, 38998, 38997), Liquidate)


@pytest.mark.parametrize(
    "after",
    [
        {"max_cumulative_loss": "0.2"},
        {"max_cumulative_loss": "0.25", "max_order_notional": 1},
        {"max_cumulative_loss": "0.25", "max_daily_loss": "0.9"},
        {"max_cumulative_loss": "0.252"},  # each look has shown more than that
        {"max_cumulative_loss": "25100 USD"},
    ],
)
def test_no_other_file_begins_the_time_of_a_breach_anew_that_stands_under_it_too(after):
    """However often one is read within the time that a loss takes to be confirmed."""
    world = holding()
    fall(world, 38_500)
    replace_limits(world, **after)
    fall(world, 38_501)
    replace_limits(world, **LIMIT)
    replace_limits(world, **after)
    assert of_kind(fall(world, 38_500), Liquidate)


@pytest.mark.parametrize(
    "after",
    [
        {"max_cumulative_loss": "0.26"},  # the first look showed less
        {"max_cumulative_loss": "26000 USD"},
    ],
)
def test_a_breach_of_a_looser_limit_is_confirmed_anew(after):
    world = holding()
    fall(world, 38_500, 37_500)
    replace_limits(world, **after)
    assert not of_kind(fall(world, 37_499), Liquidate)
    assert of_kind(fall(world, 37_500, 37_499), Liquidate)


def test_a_breach_whose_limit_is_gone_is_none():
    world = holding()
    fall(world, 38_500, 38_501)
    replace_limits(world, max_daily_loss="0.9")
    assert world.manager.watch.pending == {}
    replace_limits(world, **LIMIT)
    assert not of_kind(fall(world, 38_500), Liquidate)
    assert of_kind(fall(world, 38_501, 38_500), Liquidate)


def test_under_a_looser_limit_rest_is_asked_anew():
    """Its word was on a smaller loss."""
    world = connected(held=1, **LIMIT)
    asked = fall(world, 20_000)
    assert of_kind(asked, ConfirmQuotes)
    rest_agrees(world, asked)
    pending = world.manager.watch.pending[CUMULATIVE]
    known = [pending.confirmed_by_rest]
    actions = replace_limits(world, max_cumulative_loss="0.26")
    known.append(pending.confirmed_by_rest)
    assert known == [True, False]
    assert of_kind(actions, ConfirmQuotes)


def test_a_breach_of_another_rolling_window_is_seen_anew():
    hour, day = ({"window": w, "limit": "0.1"} for w in ("1h", "12h"))
    world = holding(max_loss_in=[hour])
    fall(world, 50_000)
    assert world.manager.watch.pending
    replace_limits(world, max_loss_in=[day])  # in which no loss has been so far
    assert world.manager.watch.pending == {}


def test_a_loss_that_is_not_sure_yet_is_seen_anew_under_a_looser_limit():
    breach = PendingBreach(START, 0)
    old, new = LossLimit(ratio=D("0.1")), LossLimit(ratio=D("0.2"))
    assert breach.stands_under(new, old)
    assert not breach.stands_under(old, new)
    breach.shows(Loss(D(30), D(100)))
    assert not breach.stands_under(old, new)
    breach.is_sure = True
    assert breach.stands_under(old, new)
    breach.shows(Loss(D(15), D(100)))
    assert not breach.stands_under(old, new)


def test_a_breach_that_a_new_process_sees_again_has_not_stood_before_it():
    world = connected(held=1, max_daily_loss="0.1")
    fall(world, 39_000)
    (before,) = world.manager.watch.pending.values()
    world.wait(1)
    assert before not in restarted(world).manager.watch.pending.values()


def test_no_breach_is_pending_once_the_account_is_being_sold():
    world = holding()
    fall(world, 39_000, 38_999, 38_998)
    assert state(world) == "LIQUIDATING"
    assert world.manager.watch.pending == {}


def test_no_breach_is_pending_once_an_operator_has_all_of_it_sold():
    """What is left after it is to be seen anew for as long."""
    world = holding()
    fall(world, 39_000, 38_999)
    assert world.manager.watch.pending
    world.send(ev.FlattenRequested, reason="enough")
    assert world.manager.watch.pending == {}


# --- What must happen now -------------------------------------------------------------------------


def check(world):
    return world.manager.check_and_liquidate_on_loss()


def test_without_losses_nothing_must_happen():
    assert check(holding()) == []


def test_reduce_only_is_the_answer_until_it_is_over():
    world = holding(max_daily_loss="0.1", max_drawdown="0.2", **LIMIT)
    fall(world, 39000)
    first = check(world)
    assert [action.code for action in first] == [
        "MAX_DAILY_LOSS",
        "MAX_DRAWDOWN",
        "MAX_CUMULATIVE_LOSS",
    ]
    assert check(world) == first
    assert (first[0].loss, first[0].ratio, first[0].limit, first[0].scope) == (
        D(25000),
        D("0.25"),
        "0.1",
        "all",
    )


def test_a_narrower_loss_is_answered_with_its_scope():
    world = World(
        product={"BTC-USD": {"max_daily_loss": "0.1"}}, strategy={"momo": {"max_daily_loss": "0.2"}}
    )
    world.fill("BUY", 1, 64000, strategy_id="momo")
    fall(world, 39000)
    assert [(a.code, a.scope) for a in of_kind(check(world), ReduceOnly)] == [
        ("MAX_DAILY_LOSS", "product:BTC-USD"), ("MAX_DAILY_LOSS", "strategy:momo"),
    ]  # fmt: skip


def test_liquidate_is_the_answer_until_it_is_done():
    world = holding()
    fall(world, 39000, 38999, 38998)
    order, sale = check(world)
    assert names([order, sale]) == ["Liquidate", "PlaceOrder"]
    world.wait(60)
    assert check(world) == [order, sale]
    world.send(ev.LiquidationEnded, flat=True)
    assert not of_kind(check(world), Liquidate)


def test_the_check_itself_confirms_what_the_engine_only_marked():
    """Library use: the engine tells the tracker, and asks."""
    world, answers = holding(), []
    for price in (39000, 38999, 38998):
        world.now += timedelta(seconds=1)
        quote = ev.Quote("BTC-USD", D(price), D(price), world.now)
        world.tracker.apply(ev.Quotes(at=world.now, quotes=(quote,)))
        answers += check(world)
    assert of_kind(answers, Liquidate)


def test_the_answer_does_not_depend_on_the_callers_decimal_context():
    world = holding(max_daily_loss="0.1")
    fall(world, 39000)
    expected = check(world)
    with localcontext() as context:
        context.prec = 3
        assert check(world) == expected


def test_a_shocks_flatten_is_answered_until_it_is_sold():
    world = World(price_shock={"max_move": "0.01", "action": "flatten"})
    world.hold(1)
    fall(world, 63000)
    assert names(check(world)) == names(check(world)) == ["FlattenProduct", "PlaceOrder"]
    world.fill("SELL", 1, 63000)
    assert check(world) == []
    assert state(world) == "ACTIVE"


# --- The end of an episode ------------------------------------------------------------------------


def liquidated(flat=True):
    world = holding()
    fall(world, 39000, 38999, 38998)
    if flat:
        world.fill("SELL", 1, 38998)
    else:
        world.send(ev.LiquidationEnded, flat=False)
    return world


def test_when_flat_the_account_is_halted():
    world = liquidated()
    assert state(world) == "HALTED"
    (change,) = of_kind(world.actions, StateChanged)
    assert (change.before, change.after) == ("LIQUIDATING", "HALTED")
    assert change.reason.startswith("the account was flattened: cumulative loss of 25002 USD")
    (alert,) = of_kind(world.actions, Alert)
    assert (alert.severity, alert.code) == ("critical", "LIQUIDATED")
    assert not world.ask(sell_order())


@pytest.mark.parametrize("dust", ["0.000009", "0.00000001", "0.00002"])
def test_after_the_halt_dust_never_starts_an_episode(dust):
    """The least that Coinbase takes is 0.00001 BTC, and 1 USD."""
    world = liquidated()
    world.fill("BUY", dust, 38998)
    assert not of_kind(fall(world, 38000, 37999, 37998, 37997), Liquidate)
    assert state(world) == "HALTED"


def test_after_the_halt_a_new_position_above_dust_does():
    world = liquidated()
    first = world.manager.watch.episodes
    world.now += timedelta(seconds=1)
    (order,) = of_kind(world.fill("BUY", "0.0001", 38998), Liquidate)
    assert world.manager.watch.episodes == first + 1
    assert order.episode.endswith("-2")
    assert state(world) == "LIQUIDATING"


def test_after_the_halt_a_breach_that_is_over_starts_nothing():
    world = liquidated()
    world.send(ev.LossReset, window="cumulative", reason="accepted")
    world.fill("BUY", 1, 38998)
    assert state(world) == "HALTED"


def test_an_aborted_episode_does_not_begin_again_by_itself():
    """`halt --abort-liquidation` stops an episode: the operator's word stands while he sorts it out."""
    world = liquidated(flat=False)
    assert state(world) == "HALTED"
    assert not of_kind(fall(world, 38000, 37999, 37998, 37997), Liquidate)
    assert not of_kind(world.fill("BUY", 1, 37997), Liquidate)
    assert state(world) == "HALTED"


def test_after_an_abort_the_operator_may_flatten_again():
    world = liquidated(flat=False)
    assert of_kind(world.send(ev.FlattenRequested, reason="now"), Liquidate)
    world.fill("SELL", 1, 38998)
    world.send(ev.LiquidationEnded, flat=True)
    assert [code for code, _ in world.manager.state.causes] == ["CUMULATIVE_LOSS", "LIQUIDATED"]


def test_the_end_of_an_episode_that_never_began_changes_nothing():
    world = holding()
    (answer,) = world.send(ev.LiquidationEnded, flat=True)
    assert (answer.done, answer.text) == (False, "nothing is being flattened")
    assert state(world) == "ACTIVE"


# --- Restarts -------------------------------------------------------------------------------------


def test_a_first_sight_survives_a_restart_and_is_confirmed_anew():
    world = holding()
    fall(world, 39000, 38999)
    world = restarted(world, **LIMIT)
    assert state(world) == "REDUCE_ONLY"
    assert not of_kind(fall(world, 38998), Liquidate)
    assert of_kind(fall(world, 38997, 38996), Liquidate)


@pytest.mark.parametrize("ended", [False, True])
def test_an_episode_and_its_halt_survive_a_restart(ended):
    world = holding()
    fall(world, 39000, 38999, 38998)
    order = check(world)
    if ended:
        world.send(ev.LiquidationEnded, flat=False)
    world = restarted(world, **LIMIT)
    assert state(world) == ("HALTED" if ended else "LIQUIDATING")
    assert (check(world) == order) != ended
    assert not world.ask(limit_order())


# --- What fills have settled ----------------------------------------------------------------------


def test_a_bad_tick_after_a_new_high_latches_nothing():
    """18,000 were settled before the high: they are no part of the fall from it."""
    world = World(max_drawdown="0.1")
    world.hold(1)
    for price in (83_000, 103_000):  # two highs, and 9,000 settled before each
        world.fill("BUY", "0.001", world.tracker.marks.usd("BTC"), fee=9_000)
        world.stand("BTC-USD", price)
    assert drawdown(world.tracker).usd == 0
    world.wait(1)
    world.quote("BTC-USD", 90_000)  # some 13,000 of 121,000, by one quote
    assert drawdown(world.tracker).usd > 13_000
    assert not [one for one in world.manager.state.causes.values() if one.is_confirmed]


# --- A key that was flat --------------------------------------------------------------------------


def bought_again():
    """BTC, sold at 64,000 and bought again at 90,000, beside a busy ETH."""
    world = World(cash=200_000, max_cumulative_loss="0.1", max_daily_loss="0.1")
    world.fill("BUY", 1, 64000)
    world.fill("SELL", 1, 64000)
    world.stand("BTC-USD", 90_000)
    world.wait(3600)
    world.quote("BTC-USD", 90_000)
    world.quote("ETH-USD", 2000)
    world.fill("BUY", 10, 2000, product_id="ETH-USD")
    world.wait(1)
    world.fill("BUY", 1, 90_000)
    return world


def test_a_bad_tick_of_what_was_bought_again_sells_nothing():
    """Its confirmed mark is what was paid, not that of its last position."""
    world = bought_again()
    world.wait(1)
    world.quote("BTC-USD", 50_000)
    for number in range(6):
        world.wait(1)
        world.quote("ETH-USD", 2000 + number)
    assert state(world) == "REDUCE_ONLY"
    world.quote("BTC-USD", 90_000)
    assert state(world) == "ACTIVE"


def test_a_baseline_of_what_was_bought_again_is_the_price_that_was_paid():
    world = bought_again()
    world.tracker.reset_window("daily", world.now)
    world.stand("BTC-USD", 80_000)
    assert daily(world.tracker).usd == 10_000


def test_a_sight_that_was_not_confirmed_ends_with_its_limit():
    """Each: of the account, and of a product."""
    limits = {"max_daily_loss": "0.1", "product": {"BTC-USD": {"max_daily_loss": "0.1"}}}
    world = holding(**limits)
    fall(world, 50_000)
    assert {one.scope for one in world.manager.state.causes.values()} == {"all", "product:BTC-USD"}
    world.send(ev.LimitsReplaced, limits=Limits())
    assert (world.manager.state.causes, world.manager.watch.pending) == ({}, {})
