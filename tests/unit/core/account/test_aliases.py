"""An order on BTC-USDC that is told as of BTC-USD: whose wallet pays."""

from typing import Any

import pytest

from tests.scenario import PRODUCTS, D, World, product
from tests.tracking import Desk

FILLED: dict[str, Any] = {"status": "FILLED", "filled": "0.5", "average_price": 60_000, "fees": 30}
PAID = D(30_030)


def wallets(tracker):
    known = tracker.wallets.by_currency
    return {name: known[name].total if name in known else 0 for name in ("USD", "USDC", "BTC")}


@pytest.fixture
def desk():
    made = Desk(is_open=False)
    made.balance("USD", 100_000)
    made.balance("USDC", 100_000)
    made.tracker.start(made.now)
    made.wait(1)
    return made


def moved(desk):
    left = wallets(desk.tracker)
    return left["USD"] - 100_000, left["USDC"] - 100_000


def test_the_row_of_rest_names_the_wallet(desk):
    desk.report("o1", **FILLED)
    assert moved(desk) == (-PAID, 0)
    desk.wait(1).report("o1", product_id="BTC-USDC", by_rest=True, **FILLED)
    assert moved(desk) == (0, -PAID)
    assert wallets(desk.tracker)["BTC"] == D("0.5")
    desk.wait(1).report("o1", **FILLED)  # the frame again
    assert moved(desk) == (0, -PAID)


def test_a_fill_names_it_too_and_what_it_charges_is_charged_once(desk):
    desk.report("o1", **FILLED)
    desk.fill("BUY", "0.5", 60_000, 30, order_id="o1", product_id="BTC-USDC", by_rest=True)
    assert moved(desk) == (0, -PAID)
    order = desk.tracker.ledger.find("o1")
    assert (order.product_id, order.counted.fees) == ("BTC-USDC", {"USDC": 30})


def test_a_row_that_names_no_alias_names_it_once_and_a_fill_never(desk):
    desk.report("o1", product_id="BTC-USDC", **FILLED)
    desk.fill("BUY", "0.5", 60_000, 30, order_id="o1", by_rest=True)
    assert moved(desk) == (0, -PAID)
    desk.report("o1", product_id="BTC-USD", by_rest=True, **FILLED)
    assert moved(desk) == (-PAID, 0)
    desk.report("o1", product_id="BTC-USDC", by_rest=True, **FILLED)  # an alias is no slip
    desk.report("o1", product_id="BTC-USD", by_rest=True, **FILLED)
    assert moved(desk) == (0, -PAID)


def test_an_order_that_rest_tells_first_is_what_rest_says(desk):
    desk.report("o1", by_rest=True, product_id="BTC-USDC", **FILLED)
    desk.report("o1", **FILLED)
    assert moved(desk) == (0, -PAID)


def test_of_an_order_without_fills_its_hold_moves(desk):
    desk.report("o1", limit_price=50_000, leaves="0.5")
    assert desk.tracker.wallets.by_currency["USD"].held
    desk.report("o1", product_id="BTC-USDC", by_rest=True, limit_price=50_000, base_size="0.5")
    assert not desk.tracker.wallets.by_currency["USD"].held
    assert desk.tracker.wallets.by_currency["USDC"].held


def test_a_sale_is_paid_into_the_other_wallet(desk):
    desk.balance("BTC", 1)
    desk.wait(31)
    desk.report("o1", side="SELL", **FILLED)
    assert moved(desk) == (29_970, 0)
    desk.report("o1", side="SELL", product_id="BTC-USDC", by_rest=True, **FILLED)
    assert moved(desk) == (0, 29_970)


def test_a_usdc_that_is_no_dollar_is_what_was_paid(desk):
    """The position cost what USDC is worth, for the account and for the strategy."""
    desk.report("o1", strategy_id="s", **FILLED)
    desk.tracker.marks.rate_usdc(D("0.9"))
    desk.report("o1", product_id="BTC-USDC", by_rest=True, **FILLED)
    books = (desk.tracker.account, desk.tracker.strategies["s"])
    assert [book.lines["BTC"].position.entry_cost for book in books] == [27_000, 27_000]


def test_money_that_has_no_price_pays_too():
    """Only the number of it is known, so the cost of the position stays what it was."""
    products = (*PRODUCTS, product("BTC-EURC", alias="BTC-EUR"))
    desk = Desk(products=products)
    desk.tracker.books.cash |= {"EURC"}
    desk.report("o1", product_id="BTC-EUR", **FILLED)
    before = desk.line().position.entry_cost
    del desk.tracker.marks.by_key["EURC"]
    desk.report("o1", product_id="BTC-EURC", by_rest=True, **FILLED)
    assert (desk.wallet("EUR"), desk.wallet("EURC")) == (0, -PAID)
    assert desk.line().position.entry_cost == before


def test_what_the_opening_balances_hold_already_is_moved_by_nobody():
    desk = Desk(is_open=False)
    desk.balance("USD", 100_000)
    desk.balance("USDC", 100_000)
    desk.report("o1", **FILLED)
    desk.wait(1).tracker.start(desk.now)
    desk.wait(1).report("o1", product_id="BTC-USDC", by_rest=True, **FILLED)
    assert moved(desk) == (0, 0)


def test_an_order_under_an_approval_is_of_the_product_that_was_asked_about():
    world = World()
    world.balance("USDC", 50_000)
    body = {
        "client_order_id": "mine",
        "product_id": "BTC-USDC",
        "side": "BUY",
        "order_configuration": {"market_market_ioc": {"base_size": "0.01"}},
    }
    assert world.ask(body)
    world.report("o1", client_order_id="mine", product_id="BTC-USD", filled="0.01",
                 average_price=64_000, status="FILLED")  # fmt: skip
    order = world.tracker.ledger.find("o1")
    assert order is not None
    assert (order.product_id, order.counted.quantity) == ("BTC-USDC", D("0.01"))
    assert world.tracker.wallets.by_currency["USDC"].total == 50_000 - 640
