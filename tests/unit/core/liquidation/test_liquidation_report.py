"""What a flattening brought and cost, in exact numbers, and what cannot be told."""

from decimal import Decimal
from typing import Any

from sidecar.core.liquidation.liquidation_report import report_of, report_view
from sidecar.core.vocabulary import events as ev
from sidecar.core.vocabulary.actions import LiquidationReported
from sidecar.core.vocabulary.reports import LiquidationReport
from tests.decisions import of_kind
from tests.flattening import Flattening
from tests.scenario import FUTURE, D, product


def begun(btc: object = 1) -> Flattening:
    flat = Flattening(BTC=btc)
    flat.begin()
    return flat


def over(flat: Flattening) -> LiquidationReport:
    (told,) = of_kind(flat.actions, LiquidationReported)
    report: LiquidationReport = told.report
    return report


def test_proceeds_fees_and_slippage_are_exact_and_add_up() -> None:
    flat = Flattening(BTC=1, ETH=2)
    flat.begin()
    flat.read({"BTC": 1, "ETH": 2})
    for sale, price, fee in zip(flat.placed, (63990, 1999), ("1.5", "0.25"), strict=True):
        flat.fills(sale, price=price, fees=fee)
    flat.read()
    report = over(flat)
    assert (report.proceeds, report.fees, report.slippage) == (67988, D("1.75"), 12)
    assert {row.key: row.slippage for row in report.rows} == {"BTC": 10, "ETH": 2}
    view = report_view(report)
    assert (view["proceeds"], view["slippage_ratio"]) == (D("67988.00"), D("0.000176470588"))
    assert [row["key"] for row in view["rows"]] == ["BTC", "ETH"]


def test_nothing_sold_has_no_share() -> None:
    flat = begun(0)
    flat.read()
    view = report_view(over(flat))
    assert (view["proceeds"], view["slippage_ratio"], view["rows"]) == (0, None, [])


def test_a_bought_back_short_costs_what_it_costs() -> None:
    flat = begun(0)
    flat.world.quote(FUTURE, 64000)
    flat.world.fill("SELL", 3, 64000, product_id=FUTURE)
    held = (ev.FuturesPosition(FUTURE, D(-3)),)
    flat.world.send(ev.FuturesRead, positions=held, fills_until=flat.world.now)
    flat.read()
    (close,) = flat.placed
    flat.report(
        "o", status="FILLED", side="BUY", product_id=FUTURE, client_order_id=close.client_order_id,
        filled=3, average_price=64010,
    )  # fmt: skip
    flat.world.send(ev.FuturesRead, positions=(), fills_until=flat.world.now)
    flat.read()
    (row,) = over(flat).rows
    assert (row.held, row.sold, row.left) == (D("-0.03"), D("0.03"), 0)
    assert (row.proceeds, row.slippage) == (D("-1920.30"), D("0.30"))


def test_what_has_no_mark_is_not_told() -> None:
    """Sold for a coin that nothing values, or never marked at all."""
    flat = Flattening(BTC=0, LTC=3, XYZ=5)
    flat.world.send(ev.ProductsListed, products=(product("LTC-GBP"), product("XYZ-USD")))
    flat.begin()
    flat.read({"LTC": 3, "XYZ": 5})
    for sale in flat.placed:
        flat.fills(sale, price=10, fees="0.1")
    flat.read()
    rows = {row.key: row for row in over(flat).rows}
    assert (rows["LTC"].proceeds, rows["LTC"].fees, rows["LTC"].slippage) == (None, None, None)
    assert (rows["XYZ"].proceeds, rows["XYZ"].fees, rows["XYZ"].slippage) == (50, D("0.1"), None)
    assert [row["proceeds"] for row in report_view(over(flat))["rows"]] == [None, D("50.00")]


def test_while_it_lasts_what_is_left_is_what_the_books_say() -> None:
    flat = begun()
    flat.read({"BTC": 1})
    flat.fills(flat.placed[0], filled="0.4", status="CANCELLED")
    (report,) = flat.world.manager.liquidator.reports()
    (row,) = report.rows
    assert (report.outcome, row.sold, row.left) == ("under way", D("0.4"), D("0.6"))


def test_an_order_forgotten_since_counts_for_nothing() -> None:
    flat = begun()
    flat.read({"BTC": 1})
    name = flat.placed[0].client_order_id
    flat.answer(name, "accepted", order_id="nobody")
    tracker: Any = flat.world.tracker
    (row,) = report_of(flat.episode, tracker, "aborted", flat.world.now).rows
    assert (row.sold, row.proceeds, row.fees) == (Decimal(0), Decimal(0), Decimal(0))
