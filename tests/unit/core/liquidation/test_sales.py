"""What a flattening could sell now, through which product and how; and what it could not."""

from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from sidecar.core.account.sale_routes import Routes, is_dust
from sidecar.core.liquidation.sales import Held, Holding, Prices, holdings, pieces
from sidecar.core.vocabulary.products import CASH, Product
from tests.scenario import D, future, product

OPENS = datetime(2026, 11, 22, 23, 0, tzinfo=UTC)
PRICES = {"BTC-USD": D(60000), "ETH-BTC": D("0.05"), "BTC-EUR": D(50000)}
USD = {"BTC": D(60000), "ETH": D(3000), "BIT-26FEB27-CDE": D(600)}


def sold(
    products: list[Product],
    held: dict[str, object],
    *,
    free: object | None = None,
    assets: frozenset[str] | None = None,
    avoids_usdc: bool = False,
    refusals: Mapping[str, int] | None = None,
) -> list[Holding]:
    listed = {one.product_id: one for one in products}
    routes = Routes(listed, frozenset(CASH), assets, avoids_usdc=avoids_usdc)
    known = [
        Held(key=key, quantity=D(size), free=D(size if free is None else free))
        for key, size in held.items()
    ]
    return holdings(known, routes, Prices(PRICES.get, USD.get), refusals or {})


def one(products: list[Product], size: object = 1, **changes: Any) -> Holding:
    (holding,) = sold(products, {changes.pop("key", "BTC"): size}, **changes)
    return holding


def test_an_asset_is_sold_for_dollars_at_the_market() -> None:
    holding = one([product("BTC-EUR"), product("BTC-USDC"), product("BTC-USD")])
    assert holding.product is not None
    assert (holding.product.product_id, holding.way, holding.size) == ("BTC-USD", "market", 1)
    assert holding.notional == 60000


@pytest.mark.parametrize(
    ("offered", "chosen"),
    [
        (["BTC-EUR", "BTC-USDC"], "BTC-USDC"),
        (["BTC-EUR", "BTC-DAI"], "BTC-EUR"),
        (["BTC-GBP", "BTC-EUR"], "BTC-EUR"),
    ],
)
def test_the_dollar_comes_first_then_other_cash(offered: list[str], chosen: str) -> None:
    found = one([product(name) for name in offered]).product
    assert found is not None
    assert found.product_id == chosen


@pytest.mark.parametrize(
    ("offered", "chosen"),
    [
        (["NEW-USDC", "NEW-USD"], "NEW-USD"),
        (["NEW-USDC", "NEW-EUR"], "NEW-EUR"),
        (["NEW-USDC", "NEW-BTC", "BTC-USD"], "NEW-BTC"),
        (["NEW-USDC", "NEW-ABC", "ABC-USDC"], "NEW-USDC"),
        (["NEW-ABC", "ABC-USDC"], "NEW-ABC"),
        (["NEW-USDC"], "NEW-USDC"),
    ],
)
def test_while_usdc_has_lost_its_peg_what_leads_to_it_comes_last(
    offered: list[str], chosen: str
) -> None:
    found = one([product(name) for name in offered], key="NEW", avoids_usdc=True).product
    assert found is not None
    assert found.product_id == chosen


@pytest.mark.parametrize(
    ("refusals", "chosen"),
    [
        ({}, "ETH-USD"),
        ({"ETH-USD": 1}, "ETH-USDC"),
        ({"ETH-USD": 1, "ETH-USDC": 1}, "ETH-EUR"),
        ({"ETH-USD": 1, "ETH-USDC": 1, "ETH-EUR": 1}, "ETH-BTC"),
        ({"ETH-USD": 1, "ETH-USDC": 1, "ETH-EUR": 1, "ETH-BTC": 1}, "ETH-USD"),
        ({"ETH-USD": 2, "ETH-USDC": 1, "ETH-EUR": 1, "ETH-BTC": 1}, "ETH-USDC"),
    ],
)
def test_what_a_product_has_refused_goes_the_next_way(
    refusals: dict[str, int], chosen: str
) -> None:
    offered = ["ETH-EUR", "ETH-BTC", "ETH-USD", "ETH-USDC", "BTC-USD"]
    found = one([product(name) for name in offered], key="ETH", refusals=refusals).product
    assert found is not None
    assert found.product_id == chosen


@pytest.mark.parametrize(("refused", "chosen"), [(1, "BTC-EUR"), (3, "BTC-EUR"), (5, "BTC-USDC")])
def test_usdc_that_has_lost_its_peg_is_taken_once_every_other_way_has_refused_thrice(
    refused: int, chosen: str
) -> None:
    offered = [product(name) for name in ("BTC-USDC", "BTC-EUR", "BTC-USD")]
    refusals = {"BTC-USD": refused, "BTC-EUR": refused - 1}
    found = one(offered, avoids_usdc=True, refusals=refusals).product
    assert found is not None
    assert found.product_id == chosen


def test_what_usdc_alone_buys_now_is_sold_for_it_though_it_has_lost_its_peg() -> None:
    """A way to USD that takes no orders is none: the loss of waiting has no bound."""
    shut_now = product("NEW-USD", trading_disabled=True)
    found = one([shut_now, product("NEW-USDC")], key="NEW", avoids_usdc=True).product
    assert found is not None
    assert found.product_id == "NEW-USDC"


def test_a_coin_without_a_product_for_cash_is_sold_for_one_that_has_it() -> None:
    found = one([product("ETH-BTC"), product("BTC-USD")], key="ETH").product
    assert found is not None
    assert found.product_id == "ETH-BTC"


def test_a_coin_is_not_sold_for_one_that_stays() -> None:
    both = [product("ETH-BTC"), product("BTC-USD")]
    holding = one(both, key="ETH", assets=frozenset({"ETH"}))
    assert (holding.obstacle, holding.is_final) == ("no product sells it for cash", True)


def test_a_product_that_takes_no_orders_gives_way_to_one_that_does() -> None:
    shut = product("BTC-USD", trading_disabled=True)
    found = one([shut, product("BTC-EUR")]).product
    assert found is not None
    assert found.product_id == "BTC-EUR"


@pytest.mark.parametrize("flag", ["is_disabled", "trading_disabled", "view_only", "cancel_only"])
def test_what_takes_no_orders_is_waited_for(flag: str) -> None:
    holding = one([product("BTC-USD", **{flag: True})])
    assert (holding.size, holding.is_final) == (0, False)
    assert holding.obstacle == f"BTC-USD takes no orders now ({flag})"


@pytest.mark.parametrize(
    ("flag", "way"),
    [("limit_only", "limit"), ("post_only", "post_only"), ("auction_mode", "auction")],
)
def test_each_mode_has_its_way(flag: str, way: str) -> None:
    assert one([product("BTC-USD", **{flag: True})]).way == way


def test_a_future_is_closed_in_contracts_long_or_short() -> None:
    for quantity in ("0.05", "-0.05"):
        holding = one([future()], quantity, key=future().key)
        assert (holding.way, holding.size) == ("close", 5)


def test_a_closed_session_is_waited_for_until_it_opens() -> None:
    shut = future(session_open=False, opens_at=OPENS)
    holding = one([shut], "0.05", key=shut.key)
    assert (holding.size, holding.opens_at, holding.is_final) == (0, OPENS, False)
    assert "is closed, and opens 2026-11-22 23:00 UTC" in holding.obstacle
    assert one([future(session_open=False)], "0.05", key=shut.key).obstacle.endswith("is closed")


@pytest.mark.parametrize("size", ["0.000009", "0.00001"])
def test_dust_is_below_coinbases_least_size_or_value(size: str) -> None:
    holding = one([product("BTC-USD", quote_min_size=D(1))], size)
    assert holding.is_final
    assert holding.obstacle == "dust: Coinbase sells no less than 0.00001"


def test_without_a_price_only_the_least_size_tells_dust() -> None:
    holding = one([product("LTC-USD")], "0.00001", key="LTC")
    assert (holding.size, holding.notional) == (D("0.00001"), None)


def test_only_the_listed_assets_are_sold() -> None:
    holding = one([product("BTC-USD")], assets=frozenset({"ETH"}))
    assert (holding.obstacle, holding.is_final) == ("not in [liquidation] assets", True)
    contract = one([future()], "0.05", key=future().key, assets=frozenset({"BTC"}))
    assert contract.size == 5


def test_no_product_is_final() -> None:
    holding = one([], key="XYZ")
    assert (holding.obstacle, holding.is_final) == ("no product sells it for cash", True)


def test_what_orders_bind_is_waited_for() -> None:
    holding = one([product("BTC-USD")], free="0.000001")
    assert (holding.obstacle, holding.is_final) == ("bound by orders or holds", False)
    assert one([product("BTC-USD")], free="0.4").size == D("0.4")


def test_a_sale_told_before_its_purchase_is_no_short_to_buy_back() -> None:
    holding = one([product("BTC-USD")], "-1")
    assert (holding.obstacle, holding.size) == ("sold before its purchase was told", 0)


def test_the_size_is_floored_to_the_increment() -> None:
    assert one([product("BTC-USD", base_increment=D("0.01"))], "1.239").size == D("1.23")


def test_the_largest_exposure_stands_first_and_the_unpriced_last() -> None:
    products = [product("BTC-USD"), product("ETH-USD"), product("LTC-USD")]
    found = sold(products, {"LTC": 9, "ETH": 1, "BTC": 1, "XRP": 0})
    assert [holding.key for holding in found] == ["BTC", "ETH", "LTC"]


@pytest.mark.parametrize(
    ("size", "largest", "most", "expected"),
    [
        ("5", None, 3, ["5"]),
        ("5", "5", 3, ["5"]),
        ("5", "2", 3, ["2", "2", "1"]),
        ("4", "2", 3, ["2", "2"]),
        ("9", "2", 3, ["2", "2", "2"]),
    ],
)
def test_pieces_are_no_larger_than_coinbase_takes(
    size: str, largest: str | None, most: int, expected: list[str]
) -> None:
    parts = pieces(D(size), None if largest is None else D(largest), most)
    assert parts == [Decimal(part) for part in expected]


@pytest.mark.parametrize(("price", "dust"), [("999.99", True), (1000, False)])
def test_what_is_worth_coinbases_minimum_to_the_cent_can_be_sold(price, dust):
    assert is_dust(product("BTC-USD", quote_min_size=D(1)), D("0.001"), D(price)) == dust


@pytest.mark.parametrize(
    ("quantity", "least", "dust"),
    [("0.001", "0.001", False), ("0.0009", "0.001", True), (0, 0, True), ("0.000000001", 0, True)],
)
def test_what_is_smaller_than_coinbases_least_size_or_increment_is_dust(quantity, least, dust):
    """Also where no price is known."""
    assert is_dust(product("BTC-USD", base_min_size=D(least)), D(quantity), None) == dust
