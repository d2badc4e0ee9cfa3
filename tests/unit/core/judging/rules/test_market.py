"""Is the picture good enough to judge by, does the state allow it, and is the price sane?"""

from datetime import timedelta

import pytest

from sidecar.core.judging.rules.market import CLOCK_TOLERANCE
from sidecar.core.vocabulary import events as ev
from tests.decisions import CONNECTED, breaks, connected, funded, future_order, sell_order, the
from tests.scenario import FUTURE, START, D, World, limit_order, market_order, order

# --- NOT_READY ------------------------------------------------------------------------------------


def test_nothing_passes_before_balances_and_open_orders_are_read():
    """Not even a reducing order: what would it reduce?"""
    decision = World(settings=CONNECTED).ask(sell_order())
    assert decision.codes.count("NOT_READY") == 1
    assert decision.state == "STARTING"
    assert decision.max_base_size == 0


def starting(held=1):
    """Balances and open orders are read; the feeds are not live yet."""
    world = World(settings=CONNECTED)
    world.send(ev.BalancesRead, balances=(ev.Balance("BTC", D(held)),), fills_until=world.now)
    world.send(ev.OpenOrdersListed, order_ids=(), began_at=world.now)
    return world


def test_reducing_orders_pass_while_starting_once_the_account_is_known():
    """NOT_READY binds as section 3 of the contract says, and stale data does not bind exits."""
    decision = starting().ask(sell_order(1))
    assert decision
    assert (decision.state, decision.reducing) == ("STARTING", True)


def test_nothing_else_passes_while_starting():
    found = the(starting().ask(limit_order()), "NOT_READY")
    assert (
        found.message
        == "the account is not wholly read yet; ask again shortly (status names what is missing)"
    )


# --- STALE_MARKET_DATA ----------------------------------------------------------------------------


@pytest.mark.parametrize(("age_s", "ok"), [(9.999, True), (10, True), (10.001, False)])
def test_the_quote_that_values_an_order_must_not_be_older_than_the_limit(age_s, ok):
    """An age equal to `max_quote_age_s` passes."""
    world = World(max_quote_age_s=10)
    world.wait(age_s)
    decision = world.ask(limit_order())
    assert breaks(decision, "STALE_MARKET_DATA") != ok
    if not ok:
        found = the(decision, "STALE_MARKET_DATA")
        assert (found.limit, found.observed, found.scope) == ("10", "10.001", "product:BTC-USD")
        assert found.message == "the last good quote of BTC-USD is 10.001 s old"


@pytest.mark.parametrize(("ahead_s", "ok"), [(0, True), (0.001, False)])
def test_a_quote_may_lie_in_the_future_by_as_much_as_clocks_differ(ahead_s, ok):
    world = World(max_position_size="0.001")  # so that no glance suffices
    world.now -= CLOCK_TOLERANCE + timedelta(seconds=ahead_s)
    assert breaks(world.ask(limit_order()), "STALE_MARKET_DATA") != ok


def test_a_quote_that_converts_to_dollars_must_be_fresh_too():
    """BTC-EUR needs its own book and the euro's."""
    world = World(max_quote_age_s=10)
    world.balance("EUR", "10000")
    world.wait(11)
    world.quote("BTC-USD", 64000)
    world.quote("BTC-EUR", 51200)
    body = limit_order("0.01", "51200", product_id="BTC-EUR")
    assert "EUR" in the(world.ask(body), "STALE_MARKET_DATA").message
    world.quote("USDC-EUR", "0.8")
    assert world.ask(body)


def test_the_mark_of_the_key_must_be_fresh_whatever_the_product():
    """Positions are valued by BTC-USD, orders on BTC-EUR too."""
    world = World(max_quote_age_s=10)
    world.balance("EUR", "10000")
    world.wait(11)
    world.quote("BTC-EUR", 51200)
    world.quote("USDC-EUR", "0.8")
    body = limit_order("0.01", "51200", product_id="BTC-EUR")
    found = the(world.ask(body), "STALE_MARKET_DATA")
    assert found.message == "the last good quote of BTC is 11.000 s old"


def test_a_product_without_any_quote_is_not_approved():
    found = the(World().ask(limit_order("1", "0.03", product_id="ETH-BTC")), "STALE_MARKET_DATA")
    assert found.observed == "none"
    assert found.message == "no good quote values ETH-BTC in USD yet"


def test_a_spread_beyond_the_cap_marks_nothing_and_the_last_good_quote_ages():
    world = World(max_spread="0.01", max_quote_age_s=10)
    world.wait(11)
    world.quote("BTC-USD", 60000, 68000)
    assert breaks(world.ask(limit_order()), "STALE_MARKET_DATA")


@pytest.mark.parametrize(("ahead_s", "ok"), [(2, True), (2.001, False)])
def test_a_quote_from_the_future_means_the_clock_is_wrong(ahead_s, ok):
    world = World()
    world.now = START - timedelta(seconds=ahead_s)
    decision = world.ask(limit_order())
    assert breaks(decision, "STALE_MARKET_DATA") != ok
    if not ok:
        assert "check the clock" in the(decision, "STALE_MARKET_DATA").message


def test_a_silent_market_feed_values_nothing():
    world = connected()
    world.send(ev.FeedChanged, feed="market", signal="lost")
    found = the(world.ask(limit_order()), "STALE_MARKET_DATA")
    assert (found.observed, found.message) == ("no feed", "the market feed is silent")


def test_quotes_from_before_a_gap_value_nothing():
    """They may have been overtaken unseen; the first quote after it heals."""
    world = connected()
    world.wait(1)
    world.send(ev.FeedChanged, feed="market", signal="gap")
    assert the(world.ask(limit_order()), "STALE_MARKET_DATA").observed == "gap"
    world.quote("BTC-USD", 64000)
    assert world.ask(limit_order())


def test_a_reducing_order_needs_no_fresh_quote():
    """STALE_MARKET_DATA is marked R: exits stay open when the market is dark."""
    world = World()
    world.hold(1)
    world.wait(3600)
    assert world.ask(sell_order(1, "60000"))
    assert breaks(world.ask(sell_order(1), dry_run=True), "STALE_MARKET_DATA")


# --- STALE_ACCOUNT_DATA ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("signal", "observed"), [("lost", "down"), ("gap", "suspect"), ("connected", "suspect")]
)
def test_a_user_feed_that_may_have_missed_orders_is_not_believed(signal, observed):
    world = connected()
    world.send(ev.FeedChanged, feed="user", signal=signal)
    assert the(world.ask(limit_order()), "STALE_ACCOUNT_DATA").observed == observed


def test_the_user_feed_is_believed_again_once_the_account_was_reconciled():
    world = connected()
    world.send(ev.FeedChanged, feed="user", signal="gap")
    world.send(ev.AccountReconciled)
    assert world.ask(limit_order())


def test_a_doubt_by_itself_refuses_nothing_and_leaves_the_smaller_figure():
    """Fifteen seconds later it is BALANCE_UNEXPLAINED, and only reducing orders pass."""
    world = World()
    world.balance("USD", "600")
    assert world.ask(limit_order("0.005"))
    assert world.ask(limit_order("0.005")).codes == ("INSUFFICIENT_FUNDS",)
    world.now += timedelta(seconds=15)
    world.quote("BTC-USD", 64000)
    assert world.ask(limit_order("0.001")).codes == ("STATE_REDUCE_ONLY",)


def test_a_fact_about_an_unlisted_product_is_an_open_question():
    world = World()
    world.fill("BUY", 1, 1, product_id="NEW-USD")
    assert "NEW-USD" in the(world.ask(limit_order()), "STALE_ACCOUNT_DATA").message


@pytest.mark.parametrize("signal", ["lost", "gap"])
def test_a_reducing_order_needs_no_live_user_feed(signal):
    """STALE_ACCOUNT_DATA is marked R."""
    world = connected(held=1)
    world.send(ev.FeedChanged, feed="user", signal=signal)
    assert world.ask(sell_order(1))


# --- States ---------------------------------------------------------------------------------------


def test_a_halt_lets_nothing_pass_not_even_exits():
    world = World()
    world.hold(1)
    world.send(ev.HaltRequested, reason="maintenance")
    for body in (limit_order(), sell_order()):
        decision = world.ask(body)
        found = the(decision, "STATE_HALTED")
        assert (decision.state, decision.max_base_size) == ("HALTED", 0)
        assert (found.scope, found.observed, found.clears_at) == ("all", "OPERATOR_HALT", None)
        assert found.message == "maintenance (fix: resume)"


def test_nothing_passes_while_the_account_is_being_sold_off():
    world = World()
    world.hold(1)
    world.send(ev.FlattenRequested, reason="enough")
    for body in (limit_order(), sell_order()):
        decision = world.ask(body)
        assert breaks(decision, "STATE_LIQUIDATING")
        assert (decision.state, decision.max_base_size) == ("LIQUIDATING", 0)


def test_reduce_only_lets_exits_pass_and_nothing_else():
    world = World()
    world.hold(1)
    world.send(ev.ReduceOnlyRequested, reason="careful")
    decision = world.ask(limit_order())
    assert decision.codes == ("STATE_REDUCE_ONLY",)
    assert decision.state == "REDUCE_ONLY"
    assert world.ask(sell_order(1))


def reduced(world: World) -> World:
    world.send(ev.ReduceOnlyRequested, reason="careful")
    return world


def test_an_approval_that_makes_an_exit_none_is_named_with_the_moment_it_lapses():
    """Once it has lapsed, the same order reduces."""
    world = World()
    world.hold(1)
    assert world.ask(sell_order("0.6", 64100, name="exit-1"))
    found = the(reduced(world).ask(sell_order(1, 64100)), "STATE_REDUCE_ONLY")
    assert found.clears_at == START + timedelta(seconds=10)
    assert found.message == (
        "careful (fix: resume); approved and not seen yet, in the way until "
        "2026-11-22T13:00:10.000Z: exit-1 (release_order frees it)"
    )
    world.wait(to=found.clears_at)
    world.quote("BTC-USD", 64000)
    assert world.ask(sell_order(1, 64100))


def test_an_approved_exit_of_a_future_is_named_too():
    world = funded(World())
    world.fill("SELL", 5, 64000, product_id=FUTURE)
    assert world.ask(future_order(3) | {"client_order_id": "three"})
    found = the(reduced(world).ask(future_order(5)), "STATE_REDUCE_ONLY")
    assert found.clears_at == START + timedelta(seconds=10)


@pytest.mark.parametrize(
    "body",
    [
        sell_order("1.5", 64100),  # more than is held
        limit_order("0.1"),  # adds
        sell_order("0.7", 64100) | {"attached_order_configuration": {"trigger_bracket_gtc": {}}},
    ],
)
def test_what_would_be_no_exit_without_the_approval_either_waits_for_nothing(body):
    world = World()
    world.hold(1)
    assert world.ask(sell_order("0.6", 64100, name="exit-1"))
    found = the(reduced(world).ask(body), "STATE_REDUCE_ONLY")
    assert (found.clears_at, "exit-1" in found.message) == (None, False)


def test_a_swap_is_no_exit_whatever_was_approved_before_it():
    world = World()
    world.quote("ETH-BTC", "0.03125")
    world.hold(10, 2_000, "ETH-USD")
    assert world.ask(sell_order(6, 2_000, product_id="ETH-USD", name="exit-1"))
    swap = sell_order(10, "0.03125", product_id="ETH-BTC")
    found = the(reduced(world).ask(swap), "STATE_REDUCE_ONLY")
    assert (found.clears_at, "exit-1" in found.message) == (None, False)


def test_a_cause_that_ends_before_the_approval_lapses_is_what_is_waited_for():
    world = World(price_shock={"max_move": "0.01", "window_s": 20, "lockout_s": 5})
    world.hold(1)
    world.wait(1)
    assert world.ask(sell_order("0.6", 64100, name="exit-1"))
    world.quote("BTC-USD", 63360)
    found = the(world.ask(sell_order(1, 64100)), "STATE_REDUCE_ONLY")
    assert found.clears_at == START + timedelta(seconds=6)
    assert "exit-1" in found.message


def test_a_cause_binds_its_product_only():
    world = World()
    world.send(ev.ReduceOnlyRequested, reason="careful", product_id="BTC-USD")
    found = the(world.ask(limit_order("0.01", "64000", product_id="BTC-USDC")), "STATE_REDUCE_ONLY")
    assert found.scope == "product:BTC-USD"
    ether = world.ask(limit_order("0.1", "2000", product_id="ETH-USD"))
    assert (ether.approved, ether.state) == (True, "ACTIVE")


def test_a_cause_binds_its_strategy_only():
    world = World()
    world.send(ev.ReduceOnlyRequested, reason="careful", strategy_id="momo")
    assert breaks(world.ask(limit_order(), strategy_id="momo"), "STATE_REDUCE_ONLY")
    assert world.ask(limit_order(), strategy_id="carry")
    assert world.ask(limit_order())


def test_the_tightest_cause_that_applies_is_an_orders_state():
    world = World()
    world.send(ev.ReduceOnlyRequested, reason="careful", product_id="BTC-USD")
    world.send(ev.HaltRequested, reason="stop")
    decision = world.ask(limit_order())
    assert decision.state == "HALTED"
    assert set(decision.codes) == {"STATE_HALTED", "STATE_REDUCE_ONLY"}


def test_causes_that_all_end_by_themselves_say_when_the_last_does():
    """The daily loss ends at the reset, the lockout after 900 s: waiting clears both at the later."""
    world = World(max_daily_loss="100 USD", price_shock={"max_move": "0.01"})
    world.hold(1)
    world.wait(1)
    world.stand("BTC-USD", 63000)
    found = the(world.ask(limit_order()), "STATE_REDUCE_ONLY")
    assert set((found.observed or "").split(", ")) == {"DAILY_LOSS", "PRICE_SHOCK"}
    assert found.clears_at == START + timedelta(days=1)


def test_one_cause_that_never_ends_by_itself_leaves_no_time_to_wait_for():
    world = World(max_daily_loss="100 USD")
    world.hold(1)
    world.quote("BTC-USD", 63000)
    world.send(ev.ReduceOnlyRequested, reason="careful")
    assert the(world.ask(limit_order()), "STATE_REDUCE_ONLY").clears_at is None


# --- PRICE_SHOCK ----------------------------------------------------------------------------------


def shocked():
    world = World(price_shock={"max_move": "0.01", "window_s": 20, "lockout_s": 900})
    world.hold(1)
    world.wait(1)
    world.quote("BTC-USD", 63360)  # exactly 1 % below 64,000
    return world


def test_a_shock_locks_its_product_until_the_lockout_ends():
    world = shocked()
    decision = world.ask(limit_order())
    assert decision.codes == ("STATE_REDUCE_ONLY", "PRICE_SHOCK")
    found = the(decision, "PRICE_SHOCK")
    assert found.clears_at == START + timedelta(seconds=901)
    assert found.message == "BTC moved 1 % within 20 s; 1 % is allowed"


def test_a_shock_leaves_exits_and_other_products_alone():
    """PRICE_SHOCK is marked R, and binds that product only."""
    world = shocked()
    assert world.ask(sell_order(1, "63360"))
    assert world.ask(limit_order("0.1", "2000", product_id="ETH-USD"))


# --- SELF_CROSS -----------------------------------------------------------------------------------


# An order that another follows is no exit: so sells are judged as any order is.
ATTACHED = {"trigger_bracket_gtc": {"limit_price": "90000", "stop_trigger_price": "80000"}}


def resting(side="SELL", price=64100):
    world = World()
    world.hold(1)
    world.report("o1", side=side, base_size="0.1", limit_price=price, leaves="0.1")
    return world


@pytest.mark.parametrize(
    ("price", "ok"), [("64099.99", True), ("64100", False), ("64100.01", False)]
)
def test_a_buy_must_stay_below_the_own_best_offer(price, ok):
    """An equal price would trade."""
    decision = resting().ask(limit_order("0.01", price))
    assert breaks(decision, "SELF_CROSS") != ok
    if not ok:
        assert the(decision, "SELF_CROSS").observed == "64100"


@pytest.mark.parametrize(
    ("price", "ok"), [("63900.01", True), ("63900", False), ("63899.99", False)]
)
def test_a_sell_must_stay_above_the_own_best_bid(price, ok):
    world = resting("BUY", 63900)
    world.fill("SELL", "0.5", 64000)  # so that selling more than 0.5 is not reducing
    assert breaks(world.ask(sell_order("0.6", price)), "SELF_CROSS") != ok


def test_a_market_order_is_taken_to_reach_its_slippage():
    world = resting("SELL", 64640)  # the far touch plus 1 %
    assert breaks(world.ask(market_order()), "SELF_CROSS")
    assert not breaks(resting("SELL", "64640.01").ask(market_order()), "SELF_CROSS")


def offering(size, theirs, side="BUY"):
    """64,000 at 64,000.01, so much offered at either; an own order lies at `theirs`."""
    world = World()
    world.hold(1)
    world.quote("BTC-USD", 64000, "64000.01", size=size)
    world.report("o1", side="SELL" if side == "BUY" else "BUY", base_size="0.1", limit_price=theirs)
    world.fill("SELL", "0.99", 64000)  # so that selling is not reducing
    return world


@pytest.mark.parametrize(
    ("side", "theirs"), [("BUY", "64051.2"), ("BUY", "64000.02"), ("SELL", "63948.8")]
)
@pytest.mark.parametrize(("size", "ok"), [("0.001", True), ("0.5", True), ("0.50000001", False)])
def test_a_market_order_is_compared_with_what_its_size_reaches_in_the_quote(side, theirs, size, ok):
    """An own order 0.08 % beyond the touch; beyond the quoted 0.5 the slippage of 1 % counts."""
    body = market_order(size, side=side)
    decision = offering("0.5", theirs, side).ask(body | {"attached_order_configuration": ATTACHED})
    assert breaks(decision, "SELF_CROSS") != ok
    if side == "BUY":
        assert decision.max_base_size == D("0.5")


def test_a_market_order_meets_an_own_order_at_the_touch_however_small():
    decision = offering("0.5", "64000.01").ask(market_order("0.001"))
    assert breaks(decision, "SELF_CROSS")
    assert decision.max_base_size == 0


def test_a_quote_whose_size_is_not_told_is_taken_to_hold_nothing():
    """As in journals from before sizes were told."""
    assert breaks(offering(None, "64051.2").ask(market_order("0.001")), "SELF_CROSS")


@pytest.mark.parametrize(("quote_size", "ok"), [("32000", True), ("32000.01", False)])
def test_a_quote_sized_market_order_reaches_what_it_pays_for(quote_size, ok):
    """0.5 at 64,000.01 are 32,000.005 USD."""
    decision = offering("0.5", "64051.2").ask(order("market_market_ioc", quote_size=quote_size))
    assert breaks(decision, "SELF_CROSS") != ok
    assert decision.max_base_size == D("0.5")


def test_a_limit_order_reaches_its_price_whatever_is_quoted():
    assert breaks(offering(5, "64051.2").ask(limit_order("0.001", "64060")), "SELF_CROSS")


# --- Stops of one's own -------------------------------------------------------------------------------


def guarded(side, stop_price, limit_price, *, approved, kind="stop_limit_stop_limit_gtc", **fields):
    """An own stop that waits, asked about before or not. The market stands at 64,000."""
    world = World()
    world.hold(1)
    name = ""
    if approved:
        name = "guard"
        trigger = "stop_price" if kind.startswith("stop") else "stop_trigger_price"
        prices = {"limit_price": str(limit_price), trigger: str(stop_price)}
        assert world.ask(order(kind, side, name=name, base_size="0.1", **prices))
    if approved != "reserved":
        known = {"base_size": "0.1", "limit_price": limit_price, "stop_price": stop_price} | fields
        world.report("guard", side=side, client_order_id=name, **known)
    return world


EITHER_WAY = pytest.mark.parametrize("approved", [False, True, "reserved"])


@EITHER_WAY
@pytest.mark.parametrize(
    "body", [market_order("0.01"), limit_order("0.01", 59500), limit_order("0.01", 64100)]
)
def test_a_stop_loss_below_the_market_is_in_no_buys_way(body, approved):
    """Nothing that a buy does triggers it: it waits for the price to fall."""
    world = guarded("SELL", 60000, 59000, approved=approved)
    assert world.ask(body)


@EITHER_WAY
@pytest.mark.parametrize(("price", "ok"), [("64299.99", True), ("64300", False)])
def test_a_stop_above_the_market_is_met_at_its_stop_by_a_buy_that_goes_there(price, ok, approved):
    """The buy would trigger it, and then trade against it; its limit price is not where it waits."""
    decision = guarded("SELL", 64300, 64050, approved=approved).ask(limit_order("0.01", price))
    assert breaks(decision, "SELF_CROSS") != ok
    if not ok:
        assert the(decision, "SELF_CROSS").observed == "64300"


@EITHER_WAY
@pytest.mark.parametrize(("price", "ok"), [("63700.01", True), ("63700", False)])
def test_a_buy_stop_below_the_market_is_met_at_its_stop_by_a_sell_that_goes_there(
    price, ok, approved
):
    world = guarded("BUY", 63700, 63950, approved=approved)
    body = sell_order("0.01", price) | {"attached_order_configuration": ATTACHED}
    assert breaks(world.ask(body), "SELF_CROSS") != ok


@EITHER_WAY
@pytest.mark.parametrize("side", ["BUY", "SELL"])
def test_a_buy_stop_above_the_market_is_in_no_sells_way(side, approved):
    world = guarded("BUY", 70000, 70100, approved=approved)
    body = limit_order("0.01", 64000, side=side) | {"attached_order_configuration": ATTACHED}
    assert not breaks(world.ask(body), "SELF_CROSS")


@EITHER_WAY
@pytest.mark.parametrize(("price", "ok"), [("64499.99", True), ("64500", False)])
def test_a_bracket_lies_in_the_book_at_its_target(price, ok, approved):
    world = guarded("SELL", 60000, 64500, approved=approved, kind="trigger_bracket_gtc")
    assert breaks(world.ask(limit_order("0.01", price)), "SELF_CROSS") != ok


@pytest.mark.parametrize("told", [{"triggered": True}, {"filled": "0.01", "average_price": 59000}])
@pytest.mark.parametrize("approved", [False, True])
def test_a_stop_that_was_triggered_lies_in_the_book_at_its_limit(told, approved):
    world = guarded("SELL", 64300, 64050, approved=approved, **told)
    assert not breaks(world.ask(limit_order("0.01", "64049.99")), "SELF_CROSS")
    found = the(world.ask(limit_order("0.01", "64050")), "SELF_CROSS")
    assert found.observed == "64050"


def test_a_stop_limit_whose_stop_was_not_told_lies_nowhere_until_it_is_triggered():
    """Its limit price is not where it waits; where it does, the next reading says."""
    world = guarded("SELL", None, 64050, approved=False, is_stop=True)
    assert world.ask(limit_order("0.01", 64100))
    world.report("guard", side="SELL", limit_price=64050, is_stop=True, stop_price=64300)
    assert the(world.ask(limit_order("0.01", "64300")), "SELF_CROSS").observed == "64300"
    world.report("guard", side="SELL", limit_price=64050, is_stop=True, triggered=True)
    assert the(world.ask(limit_order("0.01", "64300")), "SELF_CROSS").observed == "64050"


def test_the_nearest_of_resting_orders_and_stops_is_met_first():
    world = guarded("SELL", 64300, 64050, approved=False)
    world.report("limit", side="SELL", base_size="0.1", limit_price=64200)
    assert the(world.ask(limit_order("0.01", 64500)), "SELF_CROSS").observed == "64200"
    world.report("limit", side="SELL", status="CANCELLED", base_size="0.1", limit_price=64200)
    assert the(world.ask(limit_order("0.01", 64500)), "SELF_CROSS").observed == "64300"
    world.report("guard", side="SELL", status="CANCELLED", stop_price=64300, limit_price=64050)
    assert world.ask(limit_order("0.01", 64500))


def test_without_a_quote_no_stop_is_known_to_be_on_an_orders_way():
    world = World()
    fields = {"base_size": "1", "limit_price": "0.05", "stop_price": "0.06"}
    world.report("guard", side="SELL", product_id="ETH-BTC", **fields)
    decision = world.ask(limit_order("1", "0.07", product_id="ETH-BTC"))
    assert breaks(decision, "STALE_MARKET_DATA")
    assert not breaks(decision, "SELF_CROSS")


def test_reserved_orders_and_aliases_share_one_book():
    """BTC-USDC trades in the book of BTC-USD."""
    world = World()
    world.hold(1)
    world.balance("USDC", "10000")
    world.ask(sell_order("0.1", "64100"))
    assert breaks(world.ask(limit_order("0.1", "64100", product_id="BTC-USDC")), "SELF_CROSS")


def test_an_own_order_elsewhere_or_cancelled_is_not_met():
    world = resting()
    world.report("o1", side="SELL", status="CANCELLED", base_size="0.1", limit_price=64100)
    assert world.ask(limit_order("0.01", "64100"))


def test_a_reducing_order_may_cross_own_orders():
    """SELF_CROSS is marked R."""
    assert resting("BUY", 63900).ask(sell_order(1, "63900"))


# --- PRICE_COLLAR ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("price", "ok"), [("65279.99", True), ("65280", True), ("65280.01", False)]
)
def test_a_buy_limit_may_lie_above_the_ask_by_the_ratio_at_most(price, ok):
    decision = World(price_collar="0.02").ask(limit_order("0.01", price))
    assert breaks(decision, "PRICE_COLLAR") != ok
    if not ok:
        found = the(decision, "PRICE_COLLAR")
        assert found.limit == "0.02"
        assert found.message.startswith("the limit price goes 2.00002 % through")


@pytest.mark.parametrize(
    ("price", "ok"), [("62720.01", True), ("62720", True), ("62719.99", False)]
)
def test_a_sell_limit_may_lie_below_the_bid_by_the_ratio_at_most(price, ok):
    """Reducing or not: PRICE_COLLAR has no R."""
    world = World(price_collar="0.02")
    world.hold(1)
    assert breaks(world.ask(sell_order("0.1", price)), "PRICE_COLLAR") != ok


def test_limits_on_the_near_side_are_never_too_far():
    world = World(price_collar="0.02")
    world.hold(1)
    assert world.ask(limit_order("1", "1"))
    assert world.ask(sell_order("0.1", "200000"))


def stop(limit_price, stop_price="70000"):
    return order(
        "stop_limit_stop_limit_gtc",
        base_size="0.01",
        limit_price=limit_price,
        stop_price=stop_price,
    )


@pytest.mark.parametrize(("price", "ok"), [("71400", True), ("71400.01", False)])
def test_a_stop_order_is_measured_from_its_stop_price(price, ok):
    """A buy stop above the market must not be refused for being above the market."""
    assert breaks(World(price_collar="0.02").ask(stop(price)), "PRICE_COLLAR") != ok


def test_a_market_order_has_no_limit_price_to_collar():
    assert World(price_collar="0.02").ask(market_order())


def test_the_narrower_collar_adds_to_the_wider():
    world = World(price_collar="0.02", product={"BTC-USD": {"price_collar": "0.01"}})
    assert the(world.ask(limit_order("0.01", "65000")), "PRICE_COLLAR").scope == "product:BTC-USD"
    loose = World(price_collar="0.01", product={"BTC-USD": {"price_collar": "0.02"}})
    assert the(loose.ask(limit_order("0.01", "65000")), "PRICE_COLLAR").scope == "all"


def test_a_limit_order_with_no_quote_is_refused_as_stale_not_collared():
    decision = World(price_collar="0.02").ask(limit_order("1", "0.03", product_id="ETH-BTC"))
    assert breaks(decision, "STALE_MARKET_DATA")
    assert not breaks(decision, "PRICE_COLLAR")


def test_an_empty_side_of_the_book_measures_nothing():
    """A bid of zero is no price to measure from; the last good mid still marks."""
    world = World(price_collar="0.02")
    world.hold(1)
    world.quote("BTC-USD", 0, 0)
    assert world.ask(sell_order("0.1"))


def test_a_bracket_is_not_blamed_for_what_coinbase_adds_to_its_trigger():
    """Its sell goes up to 5 % below the trigger by Coinbase's rule: a tighter collar must not stop an exit."""
    world = World(price_collar="0.01")
    world.hold(1)
    fields = {"base_size": "1", "limit_price": "70000", "stop_trigger_price": "60000"}
    assert world.ask(order("trigger_bracket_gtc", "SELL", **fields))


def test_an_order_without_a_price_goes_through_no_collar():
    decision = World(price_collar="0.01").ask(order("market_market_ioc", quote_size="100"))
    assert decision, decision.violations


@pytest.mark.parametrize(("age_s", "is_stale"), [(10, False), (10.001, True)])
def test_a_quote_of_the_greatest_age_values_an_order_of_any_kind(age_s, is_stale):
    world = World()
    world.wait(age_s)
    stop = {"base_size": "0.01", "limit_price": "65000", "stop_price": "64500"}
    body = order("stop_limit_stop_limit_gtc", stop_direction="STOP_DIRECTION_STOP_UP", **stop)
    assert breaks(world.ask(body), "STALE_MARKET_DATA") == is_stale
