"""Are the funds there?"""

from datetime import timedelta
from typing import Any

import pytest

from sidecar.core.vocabulary import events as ev
from sidecar.core.vocabulary.actions import Decided, Reconcile
from tests.decisions import breaks, connected, funded, future_order, of_kind, sell_order, the
from tests.scenario import FUTURE, START, D, World, future, limit_order, market_order, order

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


# --- Holds that no known order explains -----------------------------------------------------------


def lagging(world: World | None = None) -> World:
    """1 BTC with a stop of 0.8; it is cancelled, and the next reading still shows its hold."""
    world = world or World()
    world.hold(1)
    stop: dict[str, Any] = {
        "side": "SELL",
        "base_size": "0.8",
        "limit_price": 59000,
        "stop_price": 60000,
    }
    world.report("stop", **stop)
    world.report("stop", status="CANCELLED", **stop)
    world.wait(3)
    world.quote("BTC-USD", 64000)
    world.balance("BTC", "0.2", hold="0.8")
    return world


@pytest.mark.parametrize("body", [market_order(1, side="SELL"), sell_order(1, 64100)])
def test_a_stop_that_is_cancelled_and_still_shown_as_held_is_in_no_exits_way(body):
    """It passes with a warning, and the wallet is read at once; Coinbase refuses what is not there."""
    world = lagging()
    decision = world.ask(body)
    assert (decision.codes, decision.reducing, decision.max_base_size) == ((), True, 1)
    (warning,) = decision.warnings
    assert (warning.code, warning.limit, warning.observed) == ("INSUFFICIENT_FUNDS", "0.2", "1")
    assert warning.message.endswith("; Coinbase holds 0.8 BTC for no order that is known")
    (reading,) = of_kind(world.handle(ev.OrderProposed(at=world.now, body=body)), Decided)
    assert reading.decision.replayed


def proposed(world: World, body: Any, **fields: Any) -> list[Any]:
    """The readings that are asked for beside the decision."""
    event = ev.OrderProposed(at=world.now, body=body, **fields)
    return of_kind(world.handle(event), Reconcile)


def test_the_wallet_is_read_at_once_and_once_for_each_such_approval():
    world, exit_order = lagging(), market_order(1, side="SELL")
    (reading,) = proposed(world, exit_order)
    assert "Coinbase holds 0.8 BTC for no order that is known" in reading.reason
    assert proposed(world, exit_order) == []  # the same approval again
    assert proposed(lagging(), exit_order, dry_run=True) == []
    assert (
        proposed(lagging(), market_order("0.2", side="SELL")) == []
    )  # it needs nothing of the hold


def test_a_warning_of_another_kind_reads_nothing():
    assert proposed(World(max_order_notional=6400), limit_order("0.1")) == []


def test_an_order_that_adds_still_counts_what_coinbase_holds():
    """100,000 USDC of which 40,000 are held for an order that is not known."""
    world = World(cash=0)
    world.balance("USDC", 60_000, hold=40_000)
    body = {"price": "50000", "product_id": "BTC-USDC"}
    decision = world.ask(limit_order("1.5", **body), dry_run=True)
    found = the(decision, "INSUFFICIENT_FUNDS")
    assert (found.limit, found.observed) == ("60000", "75900")
    assert found.message.endswith("; Coinbase holds 40000 USDC for no order that is known")
    assert decision.max_base_size == D("1.18577075")  # 60,000 ÷ 50,600
    assert the(world.ask(limit_order("2", **body)), "INSUFFICIENT_FUNDS").limit == "60000"


def test_where_all_is_held_for_no_known_order_there_is_room_for_none_that_adds():
    world = World(cash=0)
    world.balance("USD", 0, hold=1000)
    refused = world.ask(limit_order("0.1"))
    assert (refused.codes, refused.max_base_size) == (("INSUFFICIENT_FUNDS",), 0)


def test_a_reducing_order_needs_what_is_there_all_the_same():
    """No R: what own orders and `keep` bind cannot be sold, whoever holds the rest."""
    world = lagging(World(keep={"BTC": D("0.3")}))
    decision = world.ask(sell_order("0.8", 64100))
    assert (the(decision, "INSUFFICIENT_FUNDS").limit, decision.max_base_size) == ("0.7", D("0.7"))
    assert world.ask(sell_order("0.7", 64100))


def test_a_hold_on_what_is_kept_whole_frees_nothing():
    world = lagging(World(keep={"BTC": None}))
    assert the(world.ask(sell_order("0.5", 64100)), "INSUFFICIENT_FUNDS").limit == "0"


# --- Approvals in the way -------------------------------------------------------------------------


def test_an_exit_that_was_approved_and_never_sent_is_named_with_the_moment_it_lapses():
    """What is in the way is the approval, not a hold; waiting alone clears it."""
    world = World()
    world.hold(1)
    assert world.ask(sell_order(1, 64100, name="exit-1"))
    world.wait(4)
    decision = world.ask(sell_order(1, 64100, name="exit-2"))
    found = the(decision, "INSUFFICIENT_FUNDS")
    assert found.clears_at == START + timedelta(seconds=10)
    assert found.message == (
        "1 BTC needed, 0 free after holds, reservations and keep; approved and not seen yet, in the "
        "way until 2026-11-22T13:00:10.000Z: exit-1 (release_order frees it)"
    )
    world.wait(to=found.clears_at)
    world.quote("BTC-USD", 64000)
    assert world.ask(sell_order(1, 64100, name="exit-2"))


def test_enough_approvals_must_lapse_those_first_that_lapse_first():
    world = World(cash=64768)  # one BTC at 64,000 with the fee
    for name in ("a", "b", "c"):
        assert world.ask(limit_order("0.3", name=name))
        world.wait(1)
    found = the(world.ask(limit_order("0.5")), "INSUFFICIENT_FUNDS")
    assert found.clears_at == START + timedelta(seconds=11)
    assert ": a, b (" in found.message
    assert the(world.ask(limit_order("0.2")), "INSUFFICIENT_FUNDS").clears_at == START + timedelta(
        seconds=10
    )


def test_where_all_approvals_together_bind_too_little_waiting_clears_nothing():
    world = World(cash=64768)
    for name in "abcde":
        assert world.ask(limit_order("0.1", name=name))
    found = the(world.ask(limit_order("1.1")), "INSUFFICIENT_FUNDS")
    assert found.clears_at is None
    assert "in the way: a, b, c and 2 more (" in found.message


def test_three_approvals_are_named_without_a_rest():
    world = World(cash=64768)
    for name in "abc":
        assert world.ask(limit_order("0.1", name=name))
    found = the(world.ask(limit_order("1.1")), "INSUFFICIENT_FUNDS")
    assert "in the way: a, b, c (" in found.message


def test_approvals_in_other_currencies_are_in_nobodys_way():
    world = World()
    world.hold(1)
    assert world.ask(sell_order(1, 64100))
    found = the(world.ask(limit_order(2)), "INSUFFICIENT_FUNDS")
    assert (found.clears_at, "approved" in found.message) == (None, False)


def test_an_approval_judged_afresh_is_not_in_its_own_way():
    world = World(cash=64768)
    assert world.ask(limit_order(1, name="a"))
    world.send(ev.ReduceOnlyRequested, reason="careful")
    world.send(ev.ResumeRequested, reason="done")
    world.send(ev.FeesRead, taker_rate=D("0.02"), maker_rate=D(0))
    found = the(world.ask(limit_order(1, name="a")), "INSUFFICIENT_FUNDS")
    assert (found.limit, found.clears_at) == ("64768", None)


def test_an_approval_past_its_life_is_in_the_way_until_its_look_up_answers():
    world = connected(held=1)
    assert world.ask(sell_order(1, 64100, name="exit-1"))
    world.wait(10)
    world.quote("BTC-USD", 64000)
    found = the(world.ask(sell_order(1, 64100, name="exit-2")), "INSUFFICIENT_FUNDS")
    assert found.clears_at == world.now


def test_margin_that_an_approval_binds_is_named():
    world = funded(World(), buying_power=1600)
    assert world.ask(future_order(6) | {"client_order_id": "six"})
    found = the(world.ask(future_order(5)), "INSUFFICIENT_FUNDS")
    assert found.clears_at == START + timedelta(seconds=10)
    assert ": six (" in found.message


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


def test_a_future_without_any_price_is_refused_as_stale_not_as_unfunded():
    unquoted = "NEW-26FEB27-CDE"
    world = funded(World(products=(future(unquoted),)), buying_power=0)
    decision = world.ask(market_order(1, product_id=unquoted))
    assert breaks(decision, "STALE_MARKET_DATA")
    assert not breaks(decision, "INSUFFICIENT_FUNDS")


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


def test_an_edit_has_no_size_where_nothing_is_free():
    """Of 5 contracts 2 are filled; the buying power is used up to the last cent."""
    world = funded(World(), buying_power=0)
    world.report(
        "o1", product_id=FUTURE, base_size=5, limit_price=64000, filled=2, average_price=64000
    )
    funded(world, buying_power=0)  # Coinbase knows of the order
    refused = world.manager.validate_edit(order_id="o1", price="64005", size="6")
    assert (refused.codes, refused.max_base_size) == (("INSUFFICIENT_FUNDS",), 0)


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
