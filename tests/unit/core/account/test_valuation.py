"""What an order is worth at worst: size, price, USD notional, and the funds it binds."""

import pytest

from tests.decisions import breaks, funded, sell_order
from tests.scenario import FUTURE, D, World, limit_order, market_order, order, product


def worth(world, body):
    """Notional and price that a decision states."""
    decision = world.ask(body, dry_run=True)
    return decision.notional, decision.price


def quoted(bid=63990, ask=64010, **limits):
    world = World(cash=10_000_000, **limits)
    world.hold(10)
    world.quote("BTC-USD", bid, ask)
    return world


# --- Price ----------------------------------------------------------------------------------------


def test_a_market_buy_is_taken_at_the_ask_and_one_percent():
    assert worth(quoted(), market_order(1)) == (D("64650.1"), D("64650.1"))


def test_a_market_sell_is_taken_at_the_bid_less_one_percent_but_worth_the_mark():
    assert worth(quoted(), market_order(1, side="SELL")) == (64000, D("63350.1"))


def test_without_slippage_a_market_order_is_taken_at_the_touch():
    assert worth(quoted(market_order_slippage=0), market_order(1)) == (64010, 64010)


def test_a_slippage_of_everything_leaves_a_sell_no_price_but_its_mark():
    assert worth(quoted(market_order_slippage=1), market_order(1, side="SELL")) == (64000, None)


def test_a_limit_buy_is_worth_its_limit_wherever_the_market_is():
    assert worth(quoted(), limit_order(1, 50000)) == (50000, 50000)
    assert worth(quoted(), limit_order(1, 90000)) == (90000, 90000)


def test_a_limit_sell_is_worth_the_larger_of_limit_and_mark():
    assert worth(quoted(), sell_order(1, 50000)) == (64000, 50000)
    assert worth(quoted(), sell_order(1, 90000)) == (90000, 90000)


def test_a_bracket_is_worth_its_highest_price():
    fields = {"base_size": "1", "limit_price": "70000", "stop_trigger_price": "60000"}
    assert worth(quoted(), order("trigger_bracket_gtc", "SELL", **fields)) == (70000, 70000)
    assert worth(quoted(), order("trigger_bracket_gtc", **fields)) == (70000, 70000)


def test_without_any_quote_a_market_order_is_worth_nothing_known():
    """Which is not zero: it is refused."""
    world = World(products=(product("NEW-USD"),), max_order_notional=1)
    decision = world.ask(market_order(1, product_id="NEW-USD"))
    assert (decision.notional, decision.price) == (None, None)
    assert not decision


@pytest.mark.parametrize(("bid", "ask"), [(1, 2), (3, 2), (0, 1), (1, 10_000_000)])
def test_a_wild_quote_does_not_make_a_market_buy_cheap(bid, ask):
    """A book beyond the spread cap marks nothing, so it must not value an order below the mark."""
    world = quoted()
    world.quote("BTC-USD", bid, ask)
    decision = world.ask(market_order(1), dry_run=True)
    assert not decision or decision.notional >= 64000


@pytest.mark.parametrize("ask", [128000, 10_000_000])
def test_a_wild_ask_does_not_open_the_collar(ask):
    world = quoted(price_collar="0.02")
    world.quote("BTC-USD", 64000, ask)
    assert breaks(world.ask(limit_order("0.1", 100_000)), "PRICE_COLLAR")


@pytest.mark.parametrize("bid", [0, 1, 30000])
def test_a_wild_bid_does_not_open_the_collar(bid):
    world = quoted(price_collar="0.02")
    world.quote("BTC-USD", bid, 64000)
    assert breaks(world.ask(sell_order("0.1", 40000)), "PRICE_COLLAR")


# --- Quote-sized orders ---------------------------------------------------------------------------


def spend(size, **fields):
    return order("market_market_ioc", quote_size=str(size), **fields)


@pytest.mark.parametrize("size", ["6400", "1.37", "99.99", "1234.56", "8000000.01"])
def test_a_quote_sized_buy_is_worth_its_quote_size_to_the_cent(size):
    notional, _ = worth(quoted(), spend(size))
    assert (notional, str(notional)) == (D(size), str(D(size)))


def test_a_quote_sized_buy_brings_at_most_what_the_mid_gives():
    """Rounded up to the increment: at worst a little more than can be."""
    world = quoted(product={"BTC-USD": {"max_order_size": "0.1"}})
    assert world.ask(spend(6400), dry_run=True)
    assert not world.ask(spend("6400.01"), dry_run=True)


def test_a_quote_sized_limit_buy_brings_what_the_lower_of_limit_and_mid_gives():
    def sized(price):
        return order("limit_limit_gtc", quote_size="6400", limit_price=str(price))

    for price, most in ((32000, "0.2"), (128000, "0.1")):
        world = quoted()
        before = world.tracker.account.lines["BTC"].open_buy
        assert world.ask(sized(price))
        assert world.tracker.account.lines["BTC"].open_buy - before == D(most)


def test_a_quote_sized_limit_sell_moves_at_most_what_its_limit_gives():
    world = quoted()
    assert world.ask(order("limit_limit_gtc", "SELL", quote_size="6400", limit_price="70000"))
    assert world.tracker.account.lines["BTC"].open_sell == D("0.09142858")


def test_a_quote_sized_order_in_euros_is_worth_dollars():
    world = quoted()
    world.balance("EUR", 10_000)
    world.quote("BTC-EUR", 51200)
    assert worth(world, spend(1000, product_id="BTC-EUR"))[0] == 1250


def test_a_quote_sized_order_for_contracts_is_worth_its_quote_size():
    """6,400 USD buy ten contracts of 0.01 BTC at the mid."""
    world = funded(World())
    assert worth(world, spend(6400, product_id=FUTURE))[0] == 6400
    world.ask(spend(6400, product_id=FUTURE))
    assert world.tracker.account.lines[FUTURE].open_buy == D("0.1")


# --- Other products -------------------------------------------------------------------------------


def test_a_contract_is_worth_its_share_of_the_underlying():
    assert worth(World(), limit_order(10, 64000, product_id=FUTURE)) == (6400, 64000)


def test_an_alias_is_valued_by_the_book_it_trades_in():
    world = quoted()
    world.balance("USDC", 100_000)
    assert worth(world, market_order(1, product_id="BTC-USDC"))[0] == D("64650.1")


def test_a_swap_is_worth_its_price_in_coins_at_their_mark():
    world = quoted()
    world.quote("ETH-BTC", "0.03125")
    body = order("limit_limit_gtc", "BUY", "ETH-BTC", base_size="10", limit_price="0.03")
    assert worth(world, body) == (19200, D("0.03"))
