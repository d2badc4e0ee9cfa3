"""How large is the order, and how large could positions become? Sizes break when observed > limit."""

import pytest

from sidecar.core.vocabulary import events as ev
from tests.decisions import breaks, funded, future_order, only, sell_order, the, warned
from tests.scenario import FUTURE, D, World, limit_order, market_order, order

RICH = 10_000_000


def buys(world, size, **fields):
    """Ask for a buy of this many BTC at the mark, without keeping an approval."""
    return world.ask(limit_order(size, **fields), dry_run=True)


# --- One order ------------------------------------------------------------------------------------


@pytest.mark.parametrize(("size", "ok"), [("0.49", True), ("0.5", True), ("0.50000001", False)])
def test_an_order_may_be_as_large_as_its_size_limit(size, ok):
    decision = buys(World(max_order_size="0.5"), size)
    assert breaks(decision, "MAX_ORDER_SIZE") != ok
    assert decision.max_base_size == D("0.5")
    if not ok:
        assert (
            the(decision, "MAX_ORDER_SIZE").message == "order size 0.50000001 BTC exceeds 0.5 BTC"
        )


def test_an_order_size_limit_counts_base_units_of_a_future():
    world = funded(World(max_order_size="0.05"))
    assert world.ask(future_order(5))
    assert the(world.ask(future_order(6)), "MAX_ORDER_SIZE").observed == "0.06"


@pytest.mark.parametrize(
    ("size", "ok"), [("0.078", True), ("0.078125", True), ("0.07812501", False)]
)
def test_an_order_may_be_worth_as_much_as_its_notional_limit(size, ok):
    decision = buys(World(max_order_notional=5000), size)
    assert breaks(decision, "MAX_ORDER_NOTIONAL") != ok
    assert decision.max_base_size == D("0.078125")
    if not ok:
        message = the(decision, "MAX_ORDER_NOTIONAL").message
        assert message == "order notional 5000.001 USD exceeds 5000 USD"


def test_a_buy_is_worth_its_limit_price_and_a_sell_the_larger_of_limit_and_mark():
    world = World(cash=RICH)
    world.hold(1)
    assert buys(world, 1, price=60000).notional == 60000
    assert world.ask(sell_order(1, 60000), dry_run=True).notional == 64000
    assert world.ask(sell_order(1, 70000), dry_run=True).notional == 70000


def test_a_market_order_is_worth_the_far_touch_plus_slippage():
    world = World(market_order_slippage="0.02")
    world.quote("BTC-USD", 63990, 64010)
    assert world.ask(market_order("0.1"), dry_run=True).notional == D("6529.02")


def test_a_notional_in_euros_is_judged_in_dollars():
    world = World(max_order_notional=5000)
    world.balance("EUR", 100_000)
    world.quote("BTC-EUR", 51200)  # at 1.25 dollars a euro
    assert world.ask(limit_order("0.078125", "51200", product_id="BTC-EUR"), dry_run=True)
    decision = world.ask(limit_order("0.07812501", "51200", product_id="BTC-EUR"))
    assert decision.codes == ("MAX_ORDER_NOTIONAL",)


@pytest.mark.parametrize("limits", [{"max_order_size": "0.5"}, {"max_order_notional": 5000}])
def test_an_exit_may_be_larger_than_an_order(limits):
    """Both are marked R: a cap must not lock a position in."""
    world = World(**limits)
    world.hold(1)
    assert world.ask(sell_order(1))


# --- One key: 1 BTC is held -----------------------------------------------------------------------


def holding(**limits):
    world = World(cash=RICH, **limits)
    world.hold(1)
    return world


KEY_LIMITS = [
    ("max_position_size", "1.5", "1.50000001", "position could reach 1.50000001 BTC; 1.5 BTC is allowed"),
    ("max_position_notional", "96000", "96000.00064", "position could reach 96000.001 USD; 96000 USD is allowed"),
    ("max_gross_exposure", "96000", "96000.00064", "gross exposure could reach 96000.001 USD; 96000 USD is allowed"),
    ("max_net_exposure", "96000", "96000.00064", "net exposure could reach 96000.001 USD; 96000 USD is allowed"),
    ("max_concentration", "0.0096", "0.009600000064", "position could reach 0.96000001 % of equity; 0.96 % is allowed"),
    ("max_leverage", "0.0096", "0.009600000064", "gross exposure could reach 0.01 times equity; 0.0096 times is allowed"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "limit", "beyond", "message"), KEY_LIMITS)
def test_a_position_may_grow_up_to_its_limit_and_no_further(name, limit, beyond, message):
    """Below and at the limit passes, one increment more breaks; the largest size is told."""
    world = holding(**only(name, limit))
    assert buys(world, "0.49")
    assert buys(world, "0.5")
    decision = buys(world, "0.50000001")
    found = the(decision, name.upper())
    assert (found.limit, found.observed, found.message) == (limit, beyond, message)
    assert found.clears_at is None
    assert decision.max_base_size == D("0.5")


@pytest.mark.parametrize(("name", "limit"), [(row[0], row[1]) for row in KEY_LIMITS])
def test_open_orders_and_approvals_count_as_filled(name, limit):
    """The worst case: everything on that side fills."""
    world = holding(**only(name, limit))
    world.report("o1", base_size="0.2", limit_price=64000)
    assert world.ask(limit_order("0.2"))
    decision = world.ask(limit_order("0.2"))
    assert decision.codes == (name.upper(),)
    assert decision.max_base_size == D("0.1")


@pytest.mark.parametrize(("name", "limit"), [(row[0], row[1]) for row in KEY_LIMITS])
def test_an_exit_passes_however_far_beyond_the_limit_the_position_is(name, limit):
    """All are marked R."""
    world = holding(**only(name, limit))
    world.fill("BUY", 9, 64000)
    assert world.ask(sell_order(10))


@pytest.mark.parametrize(("name", "limit"), [(row[0], row[1]) for row in KEY_LIMITS])
def test_seventy_percent_of_an_exposure_limit_warns(name, limit):
    decision = buys(holding(**only(name, limit)), "0.05")
    assert decision
    assert warned(decision) == (name.upper(),)
    assert decision.warnings[0].message.endswith(": 70 % used")


def test_below_seventy_percent_nothing_is_said():
    assert buys(holding(max_position_size="1.5"), "0.04999999").warnings == ()


@pytest.mark.parametrize("name", ["max_position_size", "max_position_notional"])
def test_a_products_limit_binds_all_products_of_its_key(name):
    """BTC-USD, BTC-USDC and BTC-EUR are one position; ETH is another."""
    limit = "1.5" if name == "max_position_size" else "96000"
    world = holding(product={"BTC-USD": {name: limit}})
    world.balance("USDC", RICH)
    decision = world.ask(limit_order("0.50000001", product_id="BTC-USDC"))
    assert the(decision, name.upper()).scope == "product:BTC-USD"
    assert world.ask(limit_order("100", "2000", product_id="ETH-USD"))


@pytest.mark.parametrize(
    ("wide", "narrow", "scope"), [("1.4", "1.5", "all"), ("1.5", "1.4", "product:BTC-USD")]
)
def test_the_narrower_limit_adds_and_never_loosens(wide, narrow, scope):
    world = holding(max_position_size=wide, product={"BTC-USD": {"max_position_size": narrow}})
    decision = buys(world, "0.45")
    assert the(decision, "MAX_POSITION_SIZE").scope == scope
    assert decision.max_base_size == D("0.4")


@pytest.mark.parametrize("name", ["max_position_size", "max_gross_exposure", "max_net_exposure"])
def test_a_strategys_limit_counts_its_own_position_and_orders(name):
    limit = "0.5" if name == "max_position_size" else "32000"
    world = holding(strategy={"momo": {name: limit}})
    assert world.ask(limit_order("0.3"), strategy_id="momo")
    decision = world.ask(limit_order("0.3"), strategy_id="momo")
    assert the(decision, name.upper()).scope == "strategy:momo"
    assert decision.max_base_size == D("0.2")
    assert world.ask(limit_order("3"), strategy_id="carry")


# --- Two sides of a future: one contract is 0.01 BTC ------------------------------------------------


def short(contracts=10, **limits):
    world = funded(World(**limits))
    world.fill("SELL", contracts, 64000, product_id=FUTURE)
    return world


@pytest.mark.parametrize(("size", "ok"), [(5, True), (6, False)])
def test_a_short_position_is_as_large_as_a_long_one(size, ok):
    decision = short(max_position_size="0.15").ask(future_order(size, "SELL"))
    assert decision.approved == ok
    assert decision.max_base_size == 5


@pytest.mark.parametrize(("size", "ok"), [(25, True), (26, False)])
def test_a_flip_is_judged_by_where_it_ends(size, ok):
    """Ten short and 25 bought are 15 long."""
    decision = short(max_position_size="0.15").ask(future_order(size))
    assert decision.approved == ok
    assert decision.max_base_size == 25


def test_a_flip_from_beyond_the_limit_may_only_close():
    """While the other side is beyond its limit, nothing but reducing orders pass."""
    world = short(20, max_position_size="0.15")
    decision = world.ask(future_order(21), dry_run=True)
    assert decision.codes == ("MAX_POSITION_SIZE",)
    assert decision.max_base_size == 20
    assert world.ask(future_order(20))


def test_open_orders_of_the_other_side_do_not_make_room():
    """Worst case: only one side fills."""
    world = short(max_position_size="0.15")
    assert world.ask(future_order(10, price=63000))
    assert not world.ask(future_order(6, "SELL"))
    assert world.ask(future_order(5, "SELL"))


# --- Gross and net over keys -----------------------------------------------------------------------


def hedged(**limits):
    """1 BTC long in coins, 0.4 BTC short in futures: gross 89,600, net 38,400."""
    world = funded(World(cash=RICH, **limits))
    world.hold(1)
    world.fill("SELL", 40, 64000, product_id=FUTURE)
    return world


def test_gross_adds_what_net_sets_off():
    assert the(buys(hedged(max_gross_exposure=90000), 1), "MAX_GROSS_EXPOSURE").observed == "153600"
    assert the(buys(hedged(max_net_exposure=90000), 1), "MAX_NET_EXPOSURE").observed == "102400"


def test_net_exposure_counts_each_side_at_its_worst():
    """Sells open elsewhere do not give buys more room."""
    world = hedged(max_net_exposure=64000)
    assert world.ask(future_order(20, "SELL"))
    decision = buys(world, "0.5")
    assert decision.codes == ("MAX_NET_EXPOSURE",)
    assert decision.max_base_size == D("0.4")


def test_a_book_that_is_net_short_beyond_the_limit_gets_no_buy_elsewhere():
    world = funded(World(cash=RICH, max_net_exposure=64000))
    world.fill("SELL", 200, 64000, product_id=FUTURE)
    decision = buys(world, "0.1")
    assert breaks(decision, "MAX_NET_EXPOSURE")
    assert decision.max_base_size == 0


def test_selling_coins_that_are_not_held_cannot_go_short():
    """Spot has no shorts: nothing is added to any exposure, the funds refuse it."""
    world = World(max_net_exposure=64000, max_gross_exposure=64000, max_position_size=1)
    assert world.ask(sell_order(5)).codes == ("INSUFFICIENT_FUNDS",)


def test_a_spot_sale_against_a_net_short_book_is_judged_by_what_remains():
    world = hedged(max_net_exposure=20000)
    world.report("o1", side="SELL", base_size="0.9", limit_price=65000)
    decision = world.ask(sell_order("0.5"), dry_run=True)
    assert "MAX_NET_EXPOSURE" in decision.codes


# --- Equity ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["max_leverage", "max_concentration"])
def test_without_equity_any_exposure_is_infinite(name):
    world = World(cash=0, **only(name, 1))
    decision = world.ask(limit_order())
    assert the(decision, name.upper()).observed == "Infinity"
    assert decision.max_base_size == 0


@pytest.mark.parametrize("name", ["max_leverage", "max_concentration"])
def test_without_equity_and_without_exposure_nothing_is_broken(name):
    """Selling what is not there leaves no exposure to divide."""
    decision = World(cash=0, **only(name, 1)).ask(sell_order())
    assert decision.codes == ("INSUFFICIENT_FUNDS",)


@pytest.mark.parametrize("name", ["max_leverage", "max_concentration"])
def test_a_ratio_to_equity_is_judged_unrounded(name):
    """A breach smaller than what is shown of it is still a breach."""
    world = World(cash="640000000000", **only(name, "0.5"))
    world.hold(3_000_000)
    world.fill("BUY", 2_000_000, 64000)
    assert not world.ask(limit_order("0.00001"), dry_run=True)


# --- What cannot be valued ------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["max_order_notional", "max_position_notional", "max_gross_exposure", "max_net_exposure", "max_concentration", "max_leverage"])  # fmt: skip
def test_what_no_quote_values_is_refused_as_stale_not_measured_as_zero(name):
    from tests.scenario import product  # noqa: PLC0415

    world = World(products=(product("NEW-USD"),), **only(name, 1))
    decision = world.ask(market_order(1, product_id="NEW-USD"))
    assert decision.codes == ("STALE_MARKET_DATA",)


# --- Coins as money: ETH-BTC is two legs ----------------------------------------------------------


def swap(side, size, price="0.03125"):
    return order("limit_limit_gtc", side, "ETH-BTC", base_size=str(size), limit_price=price)


def swapping(**limits):
    """100 ETH and 1 BTC are held; one ETH is 0.03125 BTC."""
    world = World(cash=RICH, **limits)
    world.quote("ETH-BTC", "0.03125")
    world.fill("BUY", 100, 2000, product_id="ETH-USD")
    world.hold(1)
    return world


def test_buying_with_a_coin_adds_to_the_coin_that_is_bought():
    world = swapping(product={"ETH-USD": {"max_position_size": 110}})
    assert world.ask(swap("BUY", 10), dry_run=True)
    assert breaks(world.ask(swap("BUY", "10.00000001")), "MAX_POSITION_SIZE")


@pytest.mark.parametrize(("size", "ok"), [(16, True), ("16.00000032", False)])
def test_selling_for_a_coin_adds_to_the_coin_that_comes_in(size, ok):
    """A limit on BTC binds an order that buys BTC with ETH."""
    world = swapping(product={"BTC-USD": {"max_position_size": "1.5"}})
    decision = world.ask(swap("SELL", size))
    assert decision.approved == ok
    if not ok:
        assert the(decision, "MAX_POSITION_SIZE").scope == "product:BTC-USD"
        assert decision.max_base_size == 16


@pytest.mark.parametrize("kind", ["limit_limit_gtc", "market_market_ioc"])
def test_coins_that_come_in_are_counted_at_the_market_where_that_is_more(kind):
    """A sell below the market fills at the market: its limit says only what is the least."""
    world = swapping(product={"BTC-USD": {"max_position_size": "1.5"}})
    price = {"limit_price": "0.01"} if kind == "limit_limit_gtc" else {}
    assert world.ask(order(kind, "SELL", "ETH-BTC", base_size="16", **price), dry_run=True)
    assert not world.ask(order(kind, "SELL", "ETH-BTC", base_size="16.001", **price))


@pytest.mark.parametrize(("size", "ok"), [(16, True), ("16.001", False)])
def test_a_swap_adds_to_gross_exposure_whether_the_coin_is_held_or_not(size, ok):
    """At worst the sale of ETH does not lower anything, and the BTC still come in."""
    world = World(cash=RICH, max_gross_exposure=232_000)
    world.quote("ETH-BTC", "0.03125")
    world.fill("BUY", 100, 2000, product_id="ETH-USD")
    decision = world.ask(swap("SELL", size))
    assert decision.approved == ok
    if not ok:
        assert decision.max_base_size == 16


def test_a_swap_far_below_the_limit_of_the_coin_that_comes_in_is_warned_of_nothing():
    world = swapping(product={"BTC-USD": {"max_position_size": 100}})
    decision = world.ask(swap("SELL", 1))
    assert decision.approved
    assert not decision.warnings


def test_a_swap_is_never_a_reducing_order():
    """It raises one position by what it lowers another."""
    assert not swapping().ask(swap("SELL", 1)).reducing


# --- A swap buys a coin: whatever binds that coin binds it ----------------------------------------


def test_a_swap_cannot_buy_a_coin_under_reduce_only():
    world = swapping()
    world.send(ev.ReduceOnlyRequested, reason="test", product_id="BTC-USD")
    assert (
        "STATE_REDUCE_ONLY"
        in world.ask(
            order(side="SELL", product_id="ETH-BTC", base_size="5", limit_price="0.03125")
        ).codes
    )
    assert world.ask(order(side="BUY", product_id="ETH-BTC", base_size="5", limit_price="0.03125"))


def test_a_swap_cannot_add_where_adding_is_forbidden():
    world = swapping(product={"BTC-USD": {"no_adding": True}})
    assert (
        "NO_ADDING"
        in world.ask(
            order(side="SELL", product_id="ETH-BTC", base_size="5", limit_price="0.03125")
        ).codes
    )


def test_a_swap_cannot_buy_a_coin_that_lost_its_day():
    world = swapping(product={"BTC-USD": {"max_daily_loss": "1000 USD"}})
    world.quote("BTC-USD", 62000)
    decision = world.ask(
        order(side="SELL", product_id="ETH-BTC", base_size="5", limit_price="0.03125")
    )
    assert {"MAX_DAILY_LOSS", "STATE_REDUCE_ONLY"} <= set(decision.codes)


def test_a_swap_counts_against_its_strategy_s_gross_exposure():
    world = swapping(strategy={"momo": {"max_gross_exposure": "9000"}})
    body = order(side="SELL", product_id="ETH-BTC", base_size="5", limit_price="0.03125")
    assert "MAX_GROSS_EXPOSURE" in world.ask(body, strategy_id="momo").codes


def test_sales_beyond_the_coin_held_do_not_count_against_a_swap_into_it():
    """Spot cannot be sold short: at worst 1 BTC is held, 10 ETH, and what the swap brings."""
    world = World(max_gross_exposure=104_000)
    world.hold(1)
    world.hold(10, 2000, product_id="ETH-USD")
    world.quote("ETH-BTC", "0.03125")
    world.report("o1", side="SELL", base_size="5", limit_price=65_000)
    assert world.ask(swap("SELL", 10, "0.03125"))


def test_a_limit_on_the_account_is_told_once_of_a_swap():
    world = World(max_daily_loss="0.1")
    world.hold(1)
    world.hold(10, 2000, product_id="ETH-USD")
    world.quote("ETH-BTC", "0.03125")
    world.stand("BTC-USD", 56_000)
    world.quote("ETH-BTC", "0.03571")
    warnings = warned(world.ask(swap("SELL", 10, "0.03571")))
    assert warnings
    assert len(set(warnings)) == len(warnings)


def test_a_contract_sold_counts_in_the_net_exposure_once():
    world = funded(World(max_net_exposure=1280))
    assert world.ask(future_order(2, "SELL"), dry_run=True)
    found = the(world.ask(future_order(3, "SELL"), dry_run=True), "MAX_NET_EXPOSURE")
    assert found.observed == "1920"


@pytest.mark.parametrize(("side", "stated"), [("BUY", 2), ("SELL", -2)])
def test_contracts_that_a_first_reading_shows_count_with_an_order_on_their_side(side, stated):
    world = funded(World(max_position_size="0.02"))
    position = ev.FuturesPosition(FUTURE, D(stated))
    world.send(ev.FuturesRead, positions=(position,), fills_until=world.now)
    assert the(world.ask(future_order(1, side)), "MAX_POSITION_SIZE").observed == "0.03"
