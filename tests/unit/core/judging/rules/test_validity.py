"""Is the order one at all, for a product that trades, on the exchange's grid?"""

from datetime import timedelta

import pytest

from tests.decisions import breaks, funded, future_order, sell_order, the
from tests.scenario import START, D, World, future, limit_order, market_order, order, product


def gtd(end, **fields):
    return order(
        "limit_limit_gtd",
        base_size="0.01",
        limit_price="64000",
        end_time=end.isoformat(),
        **fields,
    )


# --- INVALID_ORDER: end time ----------------------------------------------------------------------


def test_an_end_time_in_the_future_passes():
    assert World().ask(gtd(START + timedelta(seconds=1)))


@pytest.mark.parametrize("late_s", [0, 1])
def test_an_end_time_that_has_come_or_passed_is_invalid(late_s):
    """An order good till now is good for nothing."""
    found = the(World().ask(gtd(START - timedelta(seconds=late_s))), "INVALID_ORDER")
    assert "end_time" in found.message
    assert found.clears_at is None


def test_a_reducing_order_must_not_have_ended_either():
    """INVALID_ORDER has no R: what the exchange refuses reduces nothing."""
    world = World()
    world.hold(1)
    assert breaks(world.ask(gtd(START, side="SELL")), "INVALID_ORDER")


# --- PRODUCT_NOT_ALLOWED --------------------------------------------------------------------------


def test_only_products_on_the_allow_list_may_be_traded():
    world = World(allow_products=("ETH-USD",))
    assert world.ask(limit_order("0.1", "2000", product_id="ETH-USD"))
    found = the(world.ask(limit_order()), "PRODUCT_NOT_ALLOWED")
    assert found.observed == "BTC-USD"
    assert found.message == "BTC-USD is not on allow_products; add it to trade it"


def test_products_on_the_block_list_may_not_be_traded():
    world = World(block_products=("BTC-USD",))
    assert world.ask(limit_order("0.1", "2000", product_id="ETH-USD"))
    decision = world.ask(limit_order())
    assert (
        the(decision, "PRODUCT_NOT_ALLOWED").message
        == "BTC-USD is on block_products; take it off to trade it"
    )
    assert decision.max_base_size == 0


@pytest.mark.parametrize(
    "limits", [{"allow_products": ("ETH-USD",)}, {"block_products": ("BTC-USD",)}]
)
def test_a_forbidden_product_may_still_be_sold_off(limits):
    """PRODUCT_NOT_ALLOWED is marked R."""
    world = World(**limits)
    world.hold(1)
    decision = world.ask(sell_order(1))
    assert decision
    assert world.ask(sell_order("0.5"), dry_run=True).codes == (
        "PRODUCT_NOT_ALLOWED",
        "INSUFFICIENT_FUNDS",
    )


# --- PRODUCT_UNTRADABLE ---------------------------------------------------------------------------


def listing(**flags):
    return World(products=(product("BTC-USD", **flags), future()))


@pytest.mark.parametrize("flag", ["is_disabled", "trading_disabled", "view_only", "cancel_only"])
def test_a_product_that_takes_no_orders_takes_none(flag):
    """Not even reducing ones: the exchange would refuse them."""
    world = listing(**{flag: True})
    world.hold(1)
    for body in (limit_order(), sell_order()):
        found = the(world.ask(body), "PRODUCT_UNTRADABLE")
        assert found.observed == flag
        assert flag in found.message


@pytest.mark.parametrize("flag", ["limit_only", "auction_mode"])
def test_a_limit_only_product_takes_limit_orders_only(flag):
    world = listing(**{flag: True})
    assert world.ask(limit_order())
    assert the(world.ask(market_order()), "PRODUCT_UNTRADABLE").observed == flag


def test_a_post_only_product_takes_post_only_orders_only():
    world = listing(post_only=True)
    assert world.ask(limit_order(post_only=True))
    assert the(world.ask(limit_order()), "PRODUCT_UNTRADABLE").observed == "post_only"


def test_a_closed_futures_session_takes_nothing_until_it_opens():
    """`clears_at` is the session's opening."""
    opens = START + timedelta(hours=3)
    world = World(products=(product("BTC-USD"), future(session_open=False, opens_at=opens)))
    found = the(funded(world).ask(future_order()), "PRODUCT_UNTRADABLE")
    assert found.clears_at == opens
    assert "session is closed" in found.message


@pytest.mark.parametrize("session_open", [True, None])
def test_an_open_or_unstated_futures_session_takes_orders(session_open):
    world = World(products=(product("BTC-USD"), future(session_open=session_open)))
    assert funded(world).ask(future_order())


# --- SIZE_INCREMENT, PRICE_INCREMENT --------------------------------------------------------------

COARSE = product(
    "BTC-USD", base_increment=D("0.01"), quote_increment=D("0.5"), price_increment=D("0.25")
)


@pytest.mark.parametrize(("size", "ok"), [("0.02", True), ("0.030", True), ("0.025", False)])
def test_a_size_must_be_a_multiple_of_the_base_increment(size, ok):
    decision = World(products=(COARSE,)).ask(limit_order(size))
    assert breaks(decision, "SIZE_INCREMENT") != ok


def test_a_size_off_the_grid_is_named_with_its_increment():
    found = the(World(products=(COARSE,)).ask(limit_order("0.025")), "SIZE_INCREMENT")
    assert (found.limit, found.observed) == ("0.01", "0.025")
    assert found.message == "size 0.025 is not a multiple of 0.01; round it to one"


def test_a_size_off_the_grid_still_says_the_largest_size_that_would_pass():
    """`max_base_size` is about the size; only this one lies off the grid."""
    decision = World(products=(COARSE,), max_order_size="0.5").ask(limit_order("0.025"))
    assert decision.codes == ("SIZE_INCREMENT",)
    assert decision.max_base_size == D("0.5")


@pytest.mark.parametrize(("size", "ok"), [("100.5", True), ("100.25", False)])
def test_a_quote_size_must_be_a_multiple_of_the_quote_increment(size, ok):
    decision = World(products=(COARSE,)).ask(order("market_market_ioc", quote_size=size))
    assert breaks(decision, "SIZE_INCREMENT") != ok


@pytest.mark.parametrize(("price", "ok"), [("64000.25", True), ("64000.3", False)])
def test_a_price_must_be_a_multiple_of_the_price_increment(price, ok):
    decision = World(products=(COARSE,)).ask(limit_order("0.01", price))
    assert breaks(decision, "PRICE_INCREMENT") != ok


def test_a_stop_price_must_lie_on_the_grid_too():
    body = order(
        "stop_limit_stop_limit_gtc", base_size="0.01", limit_price="64000", stop_price="63999.9"
    )
    found = the(World(products=(COARSE,)).ask(body), "PRICE_INCREMENT")
    assert found.observed == "63999.9"


def test_a_brackets_own_prices_are_judged_not_the_slippage_derived_from_them():
    """5 % beyond the trigger need not lie on the grid: nobody sends that price."""
    body = order(
        "trigger_bracket_gtc",
        "SELL",
        base_size="0.01",
        limit_price="70000.25",
        stop_trigger_price="60001.25",
    )
    world = World(products=(COARSE,))
    world.hold(1)
    assert not breaks(world.ask(body), "PRICE_INCREMENT")


def test_every_rung_of_a_ladder_must_lie_on_the_grid():
    rungs = [
        {"base_size": "0.01", "limit_price": "64000"},
        {"base_size": "0.015", "limit_price": "63999.9"},
    ]
    decision = World(products=(COARSE,)).ask(order("scaled_limit_gtc", orders=rungs))
    assert decision.codes == ("SIZE_INCREMENT", "PRICE_INCREMENT")


@pytest.mark.parametrize(
    ("body", "code"),
    [(sell_order("0.025"), "SIZE_INCREMENT"), (sell_order("0.02", "64000.1"), "PRICE_INCREMENT")],
)
def test_reducing_orders_must_lie_on_the_grid_too(body, code):
    """No R: the exchange would refuse them."""
    world = World(products=(COARSE,))
    world.hold(1)
    assert world.ask(body).codes == (code,)


# --- SIZE_OUT_OF_RANGE ----------------------------------------------------------------------------

NARROW = product(
    "BTC-USD",
    base_min_size=D("0.01"),
    base_max_size=D("0.5"),
    quote_min_size=D("100"),
    quote_max_size=D("50000"),
)


@pytest.mark.parametrize(
    ("size", "bound"),
    [("0.00999999", "0.01"), ("0.01", None), ("0.5", None), ("0.50000001", "0.5")],
)
def test_a_base_size_must_be_within_coinbases_minimum_and_maximum(size, bound):
    """Both ends pass."""
    decision = World(products=(NARROW,)).ask(limit_order(size))
    assert [v.limit for v in decision.violations] == ([] if bound is None else [bound])
    assert decision.max_base_size == D("0.5")


@pytest.mark.parametrize(
    ("size", "bound"), [("99.99", "100"), ("100", None), ("50000", None), ("50000.01", "50000")]
)
def test_a_quote_size_must_be_within_coinbases_minimum_and_maximum(size, bound):
    decision = World(products=(NARROW,)).ask(order("market_market_ioc", quote_size=size))
    assert [v.limit for v in decision.violations] == ([] if bound is None else [bound])


def test_a_product_without_maxima_bounds_from_below_only():
    free = product("BTC-USD", base_max_size=None, quote_max_size=None)
    world = World(products=(free,), cash="1e12")
    assert world.ask(limit_order("100000"))
    assert world.ask(order("market_market_ioc", quote_size="1000000000"))


def test_every_rung_of_a_ladder_must_be_within_range():
    rungs = [
        {"base_size": "0.02", "limit_price": "64000"},
        {"base_size": "0.001", "limit_price": "63000"},
    ]
    decision = World(products=(NARROW,)).ask(order("scaled_limit_gtc", orders=rungs))
    assert the(decision, "SIZE_OUT_OF_RANGE").observed == "0.001"


FINE = product("BTC-USD", base_min_size=D("0.00000001"), quote_max_size=D("50000"))


@pytest.mark.parametrize(
    ("size", "price", "bound"),
    [
        ("0.00000001", "60000", "1"),  # 0.0006 USD
        ("0.00002", "49999.5", "1"),
        ("0.00002", "50000", None),
        ("1", "50000", None),
        ("1", "50000.01", "50000"),
    ],
)
def test_a_base_sized_order_must_be_worth_what_coinbase_takes(size, price, bound):
    """Both ends of quote_min_size and quote_max_size pass."""
    decision = World(products=(FINE,)).ask(limit_order(size, price))
    assert [v.limit for v in decision.violations] == ([] if bound is None else [bound])


def test_the_worth_of_a_base_sized_order_is_named():
    decision = World(products=(FINE,)).ask(limit_order("0.00000001", "60000"))
    found = the(decision, "SIZE_OUT_OF_RANGE")
    assert (found.limit, found.observed) == ("1", "0.0006")
    assert found.message == "order value 0.0006 is below Coinbase's minimum 1; send a larger one"


@pytest.mark.parametrize(("side", "bid", "ask", "ok"), [
    ("BUY", 49000, 50000, True), ("BUY", 49000, 49999, False),
    ("SELL", 50000, 51000, True), ("SELL", 49999, 51000, False),
])  # fmt: skip
def test_a_market_order_is_worth_the_price_on_the_other_side(side, bid, ask, ok):
    world = World(products=(FINE,))
    world.hold(1)
    world.quote("BTC-USD", bid, ask)
    assert breaks(world.ask(market_order("0.00002", side=side)), "SIZE_OUT_OF_RANGE") != ok


def test_a_bracket_is_worth_its_target():
    world = World(products=(FINE,))
    world.hold(1)
    fields = {"base_size": "0.00002", "limit_price": "50000", "stop_trigger_price": "40000"}
    assert world.ask(order("trigger_bracket_gtc", "SELL", **fields))


@pytest.mark.parametrize(("price", "ok"), [("50000", True), ("49999", False)])
def test_every_rung_of_a_ladder_must_be_worth_enough(price, ok):
    rungs = [
        {"base_size": "0.1", "limit_price": "64000"},
        {"base_size": "0.00002", "limit_price": price},
    ]
    decision = World(products=(FINE,)).ask(order("scaled_limit_gtc", orders=rungs))
    assert breaks(decision, "SIZE_OUT_OF_RANGE") != ok


def test_the_largest_size_is_worth_what_coinbase_takes():
    """No more than the most it takes; none where the room that is left is worth too little."""
    assert World(products=(FINE,)).ask(limit_order("0.1", "60000")).max_base_size == D("0.83333333")
    world = World(products=(FINE,))
    world.hold("0.00001")
    decision = world.ask(sell_order("0.00001"))
    assert (decision.reducing, decision.max_base_size) == (True, 0)


def test_what_no_quote_values_is_not_called_too_small():
    world = World(products=(product("XYZ-USD"),))
    decision = world.ask(market_order("0.00001", product_id="XYZ-USD"))
    assert decision.codes == ("STALE_MARKET_DATA",)


def test_a_reducing_order_must_be_within_range_too():
    world = World(products=(NARROW,))
    world.hold(1)
    assert breaks(world.ask(sell_order("0.001")), "SIZE_OUT_OF_RANGE")


# --- MIN_ORDER_SIZE -------------------------------------------------------------------------------


@pytest.mark.parametrize(("size", "ok"), [("0.00099999", False), ("0.001", True), ("0.002", True)])
def test_an_order_below_the_own_minimum_is_refused(size, ok):
    """The limit itself passes."""
    decision = World(min_order_size="0.001").ask(limit_order(size))
    assert decision.approved == ok
    if not ok:
        assert (
            the(decision, "MIN_ORDER_SIZE").message
            == "order size 0.00099999 BTC is below 0.001 BTC"
        )
    assert decision.warnings == ()


def test_the_own_minimum_counts_base_units_of_a_future():
    """One contract of 0.01 BTC is 0.01."""
    world = funded(World(min_order_size="0.02"))
    assert breaks(world.ask(future_order(1)), "MIN_ORDER_SIZE")
    assert world.ask(future_order(2))


def test_the_remains_of_a_position_may_be_sold_below_the_own_minimum():
    """MIN_ORDER_SIZE is marked R."""
    world = World(min_order_size="0.001")
    world.hold("0.0005")
    assert world.ask(sell_order("0.0005"))


def test_an_order_that_no_quote_can_size_is_not_called_too_small():
    """A quote-sized order without a mark is refused for the quote that is missing."""
    world = World(min_order_size="0.001", products=(product("XYZ-USD"),))
    decision = world.ask(order("market_market_ioc", product_id="XYZ-USD", quote_size="100"))
    assert decision.codes == ("STALE_MARKET_DATA",)


def test_a_product_on_the_allow_list_passes_in_any_kind_of_order():
    world = World(allow_products=["BTC-USD"])
    assert world.ask(order("market_market_ioc", quote_size="100"))
