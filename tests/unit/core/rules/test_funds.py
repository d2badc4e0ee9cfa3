"""Are the funds there?"""

from typing import Any

import pytest

from sidecar.core import events as ev
from tests.decisions import breaks, funded, future_order, sell_order, the
from tests.scenario import FUTURE, D, World, limit_order, order

# 1.2 % is the taker fee until the account's own is known: 0.5 BTC at 64,000 needs 32,384 USD.


@pytest.mark.parametrize(("cash", "ok"), [("32384.01", True), ("32384", True), ("32383.99", False)])
def test_a_buy_needs_size_times_price_and_the_fee(cash, ok):
    """Exactly what is free passes."""
    decision = World(cash=cash).ask(limit_order("0.5"))
    assert breaks(decision, "INSUFFICIENT_FUNDS") != ok
    if not ok:
        found = the(decision, "INSUFFICIENT_FUNDS")
        assert (found.limit, found.observed) == ("32383.99", "32384")
        assert found.message.startswith("32384 USD needed, 32383.99 free after holds")


def test_the_accounts_own_fee_counts_once_it_is_known():
    world = World(cash="32032")
    assert not world.ask(limit_order("0.5"))
    world.send(ev.FeesRead, taker_rate=D("0.001"), maker_rate=D(0))
    assert world.ask(limit_order("0.5"))


@pytest.mark.parametrize(("size", "ok"), [("100000", True), ("100000.01", False)])
def test_a_quote_sized_buy_needs_its_quote_size(size, ok):
    """Coinbase takes the fee of a market buy out of it."""
    decision = World().ask(order("market_market_ioc", quote_size=size))
    assert breaks(decision, "INSUFFICIENT_FUNDS") != ok


LIMITS_BY_QUOTE: dict[str, dict[str, Any]] = {
    "limit_limit_gtc": {},
    "limit_limit_gtd": {"end_time": "2026-11-23T00:00:00Z"},
    "limit_limit_fok": {},
    "sor_limit_ioc": {},
    "twap_limit_gtd": {"start_time": "2026-11-22T14:00:00Z", "end_time": "2026-11-23T00:00:00Z"},
}


@pytest.mark.parametrize("kind", LIMITS_BY_QUOTE)
@pytest.mark.parametrize(("size", "ok"), [("98814.22", True), ("98814.23", False)])
def test_a_limit_buy_sized_by_all_of_the_cash_needs_the_fee_on_top(kind, size, ok):
    """100,000 ÷ 1.012: Coinbase takes the quote size at the limit price, and the fee beside it."""
    body = order(kind, quote_size=size, limit_price="64000", **LIMITS_BY_QUOTE[kind])
    decision = World().ask(body)
    assert breaks(decision, "INSUFFICIENT_FUNDS") != ok
    if not ok:
        assert the(decision, "INSUFFICIENT_FUNDS").observed == "100000.00076"


def test_a_ladder_sized_in_quote_currency_needs_the_fee_on_top():
    fields = {"quote_size": "100000", "min_price": "60000", "max_price": "64000"}
    assert breaks(World().ask(order("scaled_limit_gtc", **fields)), "INSUFFICIENT_FUNDS")


def test_the_fee_of_a_quote_sized_limit_order_is_bound_until_the_order_is_seen_and_after():
    world = World()
    body = order(quote_size="64000", limit_price="64000", name="q")
    assert world.ask(body)
    assert world.tracker.wallets.free("USD") == 100_000 - D("64768")
    world.report("o1", client_order_id="q", base_size=1, limit_price=64000)
    assert world.tracker.wallets.free("USD") == 100_000 - D("64768")


@pytest.mark.parametrize("odd", ["1.37", "99999.99", "12345.67", "777.77"])
def test_a_quote_sized_buy_may_use_every_last_cent(odd):
    """No rounding on the way to a base size and back may eat a cent, or add one."""
    decision = World(cash=odd, max_order_notional=odd).ask(
        order("market_market_ioc", quote_size=odd)
    )
    assert decision, decision.violations
    assert decision.notional == D(odd)


@pytest.mark.parametrize(("size", "ok"), [("1", True), ("1.00000001", False)])
def test_a_sell_needs_the_coin_not_the_cash(size, ok):
    world = World(cash=0)
    world.balance("BTC", 1)
    assert breaks(world.ask(sell_order(size)), "INSUFFICIENT_FUNDS") != ok


def test_what_is_kept_is_never_available():
    """Neither to sell nor to count."""
    world = World(keep={"BTC": D("0.4")})
    world.balance("BTC", 1)
    assert world.ask(sell_order("0.6"), dry_run=True)
    assert the(world.ask(sell_order("0.60000001")), "INSUFFICIENT_FUNDS").limit == "0.6"


def test_a_currency_kept_whole_has_nothing_free():
    world = World(keep={"USD": None})
    decision = world.ask(limit_order())
    assert the(decision, "INSUFFICIENT_FUNDS").limit == "0"
    assert decision.max_base_size == 0


def test_open_orders_and_approvals_bind_funds():
    world = World(cash=64768)  # one BTC at 64,000 with the fee
    world.report("o1", base_size="0.5", limit_price=64000)
    assert world.ask(limit_order("0.25"))
    assert world.ask(limit_order("0.25"))
    assert breaks(world.ask(limit_order("0.00002")), "INSUFFICIENT_FUNDS")


def test_coinbases_holds_for_what_we_do_not_know_bind_funds():
    world = World(cash=0)
    world.balance("EUR", "100", hold="100")
    assert (
        the(
            world.ask(limit_order("0.01", "50000", product_id="BTC-EUR")), "INSUFFICIENT_FUNDS"
        ).limit
        == "100"
    )


def test_an_account_without_the_wallet_is_refused_and_told():
    """Fail closed: an unknown balance is not an empty rule."""
    decision = World().ask(limit_order("0.01", "64000", product_id="BTC-USDC"))
    found = the(decision, "INSUFFICIENT_FUNDS")
    assert (found.limit, found.observed) == (None, "647.68")
    assert found.message == "no USDC balance is known; read or set it first"
    assert decision.max_base_size == 0


def test_a_reducing_order_needs_the_funds_too():
    """No R: what is on hold elsewhere cannot be sold."""
    world = World()
    world.hold(1)
    world.balance("EUR", 0)
    world.tracker.wallets.get("BTC").foreign_hold = D("0.5")
    decision = world.ask(sell_order("0.6"))
    assert decision.reducing
    assert the(decision, "INSUFFICIENT_FUNDS").limit == "0.5"
    assert decision.max_base_size == D("0.5")


def test_an_order_without_any_price_is_refused_as_stale_not_as_unfunded():
    decision = World().ask(order("market_market_ioc", product_id="ETH-BTC", quote_size="1"))
    assert "STALE_MARKET_DATA" in decision.codes
    assert "INSUFFICIENT_FUNDS" not in decision.codes


# --- Futures: a contract of 0.01 BTC is 640 USD, its margin a quarter ---------------------------------


@pytest.mark.parametrize(("power", "ok"), [("1600", True), ("1599.99", False)])
def test_a_future_needs_its_margin_of_buying_power(power, ok):
    decision = funded(World(), buying_power=power).ask(future_order(10))
    assert breaks(decision, "INSUFFICIENT_FUNDS") != ok
    assert decision.max_base_size == (10 if ok else 9)


def test_approved_margin_is_reserved_until_it_is_released():
    world = funded(World(), buying_power=1600)
    assert world.ask(future_order(6) | {"client_order_id": "six"})
    assert world.ask(future_order(5), dry_run=True).max_base_size == 4
    world.manager.release_order("six")
    assert world.ask(future_order(10))


def test_without_a_futures_wallet_nothing_may_be_opened():
    found = the(World().ask(future_order()), "INSUFFICIENT_FUNDS")
    assert found.message == "no USD margin balance is known; read or set it first"


def test_a_product_without_a_margin_rate_needs_the_whole_notional():
    from tests.scenario import future, product  # noqa: PLC0415

    world = World(products=(product("BTC-USD"), future(margin_rate=None)))
    assert funded(world, buying_power=640).ask(future_order(1))
    assert breaks(world.ask(future_order(1)), "INSUFFICIENT_FUNDS")


@pytest.mark.parametrize("size", [2, 5, 6])
def test_closing_a_future_needs_no_margin_and_what_goes_beyond_does(size):
    """Five contracts may be closed with no buying power at all, a sixth may not be opened."""
    world = funded(World(), buying_power=0)
    world.fill("BUY", 5, 64000, product_id=FUTURE)
    decision = world.ask(future_order(size, "SELL"))
    assert decision.approved == (size <= 5)
    assert decision.max_base_size == 5


def test_closing_a_future_needs_no_known_futures_wallet():
    world = World()
    world.fill("BUY", 5, 64000, product_id=FUTURE)
    assert world.ask(future_order(5, "SELL"))


# --- Edits ----------------------------------------------------------------------------------------


def test_an_edit_may_use_what_the_order_binds_already():
    """The present order gives its funds to the edited one."""
    world = World(cash=64768)
    world.report("o1", base_size=1, limit_price=64000)
    assert world.manager.validate_edit(order_id="o1", price="63000", dry_run=True)
    refused = world.manager.validate_edit(order_id="o1", size="1.00000001", dry_run=True)
    assert breaks(refused, "INSUFFICIENT_FUNDS")
    assert refused.max_base_size == 1


def test_what_an_edited_order_has_filled_needs_no_funds_again():
    world = World(cash=64768)
    world.report(
        "o1", base_size="0.8", limit_price=64000, filled="0.5", average_price=64000, fees=384
    )
    largest = world.manager.validate_edit(order_id="o1", size="2", dry_run=True).max_base_size
    assert largest == 1
    assert world.manager.validate_edit(order_id="o1", size="1", dry_run=True)


def test_margin_of_an_order_seen_binds_until_coinbase_states_the_buying_power_again():
    """Two orders of 80 % each: the first one's arrival must not free what Coinbase has not counted yet."""
    world = World()
    summary = {"wallet": D(1000), "liquidation_buffer_percentage": D(500)}
    world.send(ev.FuturesSummaryRead, buying_power=D(1000), **summary)
    body = order(product_id=FUTURE, base_size="5", limit_price="64000", name="first")
    assert world.ask(body)  # 5 × 640 USD × 25 % = 800 USD
    world.report("f", client_order_id="first", product_id=FUTURE, leaves=5, limit_price=64000)
    again = order(product_id=FUTURE, base_size="5", limit_price="64000")
    assert "INSUFFICIENT_FUNDS" in world.ask(again).codes
    world.send(ev.FuturesSummaryRead, buying_power=D(1000), **summary)
    assert world.ask(again)
