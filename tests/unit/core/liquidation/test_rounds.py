"""A round of a flattening: never more is sold than is held, and obstacles hold up no other sale."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import msgspec
import pytest

from sidecar.core.context.settings import Settings
from sidecar.core.vocabulary import events as ev
from sidecar.core.vocabulary.actions import (
    Alert,
    CancelOrders,
    LiquidationReported,
    PlaceOrder,
    ReadAccount,
    RefreshQuotes,
)
from tests.decisions import connected, of_kind
from tests.flattening import OPEN, Flattening, begun, idle, selling, size_of
from tests.scenario import FUTURE, D, World, future, product

# --- Never more than is held ----------------------------------------------------------------------


def test_no_more_is_sold_than_books_and_balance_both_say() -> None:
    flat = begun(BTC=1)
    flat.read({"BTC": "0.25"})
    assert size_of(flat.placed[0]) == "0.25"
    flat = begun(BTC=1)
    flat.read({"BTC": 3})
    assert size_of(flat.placed[0]) == "1"


def test_a_balance_that_lags_behind_the_sale_is_waited_for_and_not_sold_twice() -> None:
    flat, sale = selling()
    flat.fills(sale)
    waits = idle(flat, 3, {"BTC": 1})
    assert waits == [0, 1, 2]
    assert not flat.placed
    flat.read({"BTC": 0})
    assert flat.is_done


def test_what_a_hold_binds_is_not_offered() -> None:
    flat = begun(BTC=1)
    flat.read({"BTC": "0.3"}, hold={"BTC": "0.7"})
    assert size_of(flat.placed[0]) == "0.3"


def test_keep_is_never_sold() -> None:
    world = World(settings=Settings(connected=True), keep={"BTC": D("0.4"), "ETH": None})
    flat = Flattening(world)
    flat.begin()
    flat.read({"BTC": 1, "ETH": 7})
    (sale,) = flat.placed
    assert size_of(sale) == "0.6"


def test_fiat_is_never_sold() -> None:
    flat = begun(BTC=0)
    flat.read({"EUR": 500, "USDC": 70})
    assert flat.is_done


def test_only_the_assets_that_may_be_are_sold_and_the_rest_is_told() -> None:
    settings = Settings(connected=True, liquidation_assets=frozenset({"ETH"}))
    flat = Flattening(connected(held=1, settings=settings))
    flat.begin()
    flat.read({"BTC": 1})
    (told,) = of_kind(flat.actions, LiquidationReported)
    (row,) = told.report.rows
    assert (row.left, row.note) == (1, "not in [liquidation] assets")
    assert "left: BTC (not in [liquidation] assets)" in flat.world.manager.state.causes["LIQUIDATED", "all"].reason  # fmt: skip


def test_before_the_books_are_open_a_balance_must_be_younger_than_the_last_trade() -> None:
    """The books then only repeat what was read."""
    flat = Flattening(World(settings=Settings(connected=True)))
    flat.begin()
    flat.read({"BTC": 1})
    (sale,) = flat.placed
    flat.fills(sale)
    flat.read({"BTC": 1})
    assert not flat.placed
    flat.wait(60)
    flat.read({"BTC": 1})
    assert size_of(flat.placed[0]) == "1"


def test_dust_is_left() -> None:
    flat = begun(BTC="0.000009")
    flat.read({"BTC": "0.000009"})
    assert flat.is_done


def test_no_key_is_sold_while_its_sale_is_not_over() -> None:
    flat, sale = selling()
    flat.wait(5)
    flat.read({"BTC": 1})
    assert not flat.placed
    flat.answer(sale.client_order_id, "unknown")
    flat.wait(60)
    flat.read({"BTC": 1})
    assert not flat.placed
    assert not flat.is_done


# --- What stands in the way -----------------------------------------------------------------------


def test_a_sale_that_is_refused_each_time_is_tried_ever_slower_and_shouted_about() -> None:
    flat, sale = selling()
    waits, shouts = [], []
    for _ in range(9):
        flat.answer(sale.client_order_id, "refused", reason="TRADING_DISABLED now")
        if not of_kind(flat.actions, ReadAccount):
            assert flat.episode.due is not None
            waits.append((flat.episode.due - flat.world.now).total_seconds())
            flat.wait(waits[-1])
        flat.read({"BTC": 1})
        shouts += [a.text for a in of_kind(flat.actions, Alert) if a.code == "LIQUIDATION_STUCK"]
        (sale,) = flat.placed
    assert waits == [5, 5, 5, 8, 16, 32, 60, 60]
    assert len(shouts) == 4
    assert "BTC: TRADING_DISABLED now" in shouts[0]


def refuse(flat: Flattening, sale: PlaceOrder, reason: str) -> None:
    flat.answer(sale.client_order_id, "refused", reason=reason)


def accept_and_fail(flat: Flattening, sale: PlaceOrder, _reason: str) -> None:
    flat.fills(sale, filled=0, status="FAILED", average_price=0)


def turn_away(flat: Flattening, sale: PlaceOrder, reason: str) -> None:
    flat.answer(sale.client_order_id, "not_sent", reason=reason)


ROUND_ABOUT = ["BTC-USD", "BTC-USDC", "BTC-EUR", "BTC-USD"]


@pytest.mark.parametrize(
    ("how", "reason", "ways"),
    [
        (refuse, "HTTP 400: account is not available", ROUND_ABOUT),
        (accept_and_fail, "", ROUND_ABOUT),
        (refuse, "PREVIEW_INSUFFICIENT_FUND", ["BTC-USD"] * 4),
        (turn_away, "too many requests", ["BTC-USD"] * 4),
    ],
)
def test_what_a_product_refuses_to_this_account_is_sold_through_the_next(
    how: Callable[[Flattening, PlaceOrder, str], None], reason: str, ways: list[str]
) -> None:
    """Not what no other would take either."""
    flat, sale = selling()
    tried = []
    for _ in ways:
        tried.append(sale.body["product_id"])
        how(flat, sale, reason)
        if not of_kind(flat.actions, ReadAccount):
            flat.wait(60)
        flat.read({"BTC": 1})
        (sale,) = flat.placed
    assert tried == ways


def test_a_sale_that_lacks_funds_again_and_again_is_halved_until_it_is_taken() -> None:
    """One balance may be several wallets, and an order takes from one; the first time it may be a lag."""
    flat, sale = selling(8)
    sizes = []
    for _ in range(5):
        sizes.append(size_of(sale))
        flat.world.now += timedelta(seconds=1)
        flat.answer(sale.client_order_id, "refused", reason="PREVIEW_INSUFFICIENT_FUND")
        if not of_kind(flat.actions, ReadAccount):
            flat.wait(60)
        flat.read({"BTC": 8})
        (sale,) = flat.placed
    assert [*sizes, size_of(sale)] == ["8", "8", "4", "2", "1", "0.5"]
    flat.fills(sale)
    flat.wait(60)
    flat.read({"BTC": "7.5"})
    (sale,) = flat.placed
    assert size_of(sale) == "7.5"


def test_a_sale_is_never_halved_below_the_least_that_coinbase_takes() -> None:
    flat = Flattening(BTC=1)
    flat.world.send(ev.ProductsListed, products=(product("BTC-USD", base_min_size=D("0.3")),))
    flat.begin()
    flat.read({"BTC": 1})
    for _ in range(4):
        (sale,) = flat.placed
        flat.world.now += timedelta(seconds=1)
        flat.answer(sale.client_order_id, "refused", reason="INSUFFICIENT_FUND")
        if not of_kind(flat.actions, ReadAccount):
            flat.wait(60)
        flat.read({"BTC": 1})
    (sale,) = flat.placed
    assert size_of(sale) == "0.3"


def standing(seconds: float, *, hold: object = 0, **order: Any) -> Flattening:
    """A flattening of 1 BTC beside an order that is not cancelled, so many seconds later."""
    flat = Flattening()
    flat.report("b", **OPEN | order)
    flat.begin()
    end = flat.world.now + timedelta(seconds=seconds)
    while not flat.placed:
        if not of_kind(flat.actions, ReadAccount):
            assert flat.episode.due is not None
            flat.take(flat.world.wait(to=min(flat.episode.due, end)))
        if flat.world.now == end and not of_kind(flat.actions, ReadAccount):
            break
        flat.read({"BTC": D(1) - D(hold)}, orders=["b"], hold={"BTC": hold})
    return flat


def test_what_an_order_that_is_not_cancelled_does_not_hold_is_sold_after_30_seconds() -> None:
    assert standing(29).placed == []
    flat = standing(30)
    (sale,) = flat.placed
    assert size_of(sale) == "1"
    flat = standing(30, side="SELL", hold="0.1")
    (sale,) = flat.placed
    assert size_of(sale) == "0.9"


def test_the_report_says_that_it_stands_and_nothing_is_flat_meanwhile() -> None:
    flat = standing(30)
    flat.fills(flat.placed[0])
    shouts = []
    for _ in range(5):
        flat.wait(60)
        flat.read({}, orders=["b"])
        shouts += [one.text for one in of_kind(flat.actions, Alert)]
    (report,) = flat.world.manager.liquidator.reports()
    assert (report.outcome, report.still_open, report.cancelled) == ("under way", ("b",), 0)
    assert any("b is not cancelled" in text for text in shouts)
    flat.report("b", status="CANCELLED", side="BUY")
    flat.read({})
    (report,) = of_kind(flat.actions, LiquidationReported)
    assert (report.report.cancelled, report.report.still_open) == (1, ())


@pytest.mark.parametrize("told_by", ["report", "fill"])
def test_what_it_fills_is_sold_at_once(told_by: str) -> None:
    """The next round is up to a minute away by then."""
    flat = standing(30)
    flat.fills(flat.placed[0])
    for _ in range(7):
        flat.wait(60)
        flat.read({}, orders=["b"])
    flat.report("b", **OPEN)
    assert not of_kind(flat.actions, ReadAccount)
    fill = {"side": "BUY", "filled": "0.1", "average_price": 60_000, "status": "FILLED"}
    if told_by == "report":
        flat.report("b", **fill)
    else:
        flat.take(
            flat.world.send(
                ev.FillReported, entry_id="e", order_id="b", product_id="BTC-USD", side="BUY",
                price=D(60_000), size=D("0.05"), traded_at=flat.world.now,
            )
        )  # fmt: skip
    assert of_kind(flat.actions, ReadAccount)
    assert flat.episode.idle_rounds == 0  # nor is the round after it
    again = flat.world.tracker.account.lines["BTC"].position.quantity
    flat.read({"BTC": again}, orders=[] if told_by == "report" else ["b"])
    (sale,) = flat.placed
    assert size_of(sale) == str(again)
    flat.fills(sale)
    if told_by == "report":
        flat.read({})
        (ended,) = of_kind(flat.actions, LiquidationReported)
        assert (ended.report.cancelled, ended.report.still_open) == (0, ())


def test_an_own_order_that_is_not_cancelled_holds_up_no_other_for_longer() -> None:
    """A sale that may only rest: what it does not hold is priced anew."""
    flat = Flattening()
    flat.world.send(ev.ProductsListed, products=(product("BTC-USD", post_only=True),))
    for name in ("BTC-USDC", "BTC-EUR"):
        shut = product(name, trading_disabled=True)
        flat.world.send(ev.ProductsListed, products=(shut,))
    flat.begin()
    flat.read({"BTC": 1})
    (sale,) = flat.placed
    own: dict[str, Any] = {
        "side": "SELL",
        "base_size": "1",
        "client_order_id": sale.client_order_id,
    }
    own |= {"created_at": flat.world.now, "limit_price": 64_001}
    flat.answer(sale.client_order_id, "accepted", order_id="own")
    flat.report("own", leaves="0.4", filled="0.6", average_price=64_001, **own)
    for _ in range(40):
        if not of_kind(flat.actions, ReadAccount):
            flat.wait(60)
        flat.read({"BTC": "0.1"}, orders=["own"], hold={"BTC": "0.3"})
        if flat.placed:
            break
    (again,) = flat.placed
    assert size_of(again) == "0.1"


def test_a_sale_that_does_not_fill_is_shouted_about() -> None:
    flat, sale = selling()
    for _ in range(4):
        flat.fills(sale, filled=0, status="CANCELLED", average_price=0)
        if not of_kind(flat.actions, ReadAccount):
            flat.wait(60)
        flat.read({"BTC": 1})
        (sale,) = flat.placed
    (alert,) = of_kind(flat.actions, Alert)
    assert "BTC: its orders do not fill" in alert.text


def test_an_order_that_is_not_cancelled_is_shouted_about() -> None:
    flat = begun()
    flat.world.report("x", **OPEN)
    assert idle(flat, 3, {"BTC": 1}, orders=["x"]) == [0.5, 1, 2]
    flat.read({"BTC": 1}, orders=["x"])
    (alert,) = of_kind(flat.actions, Alert)
    assert alert.code == "LIQUIDATION_STUCK"
    assert "x is not cancelled" in alert.text


def test_a_product_that_takes_no_orders_is_looked_at_again() -> None:
    flat = begun()
    shut = product("BTC-USD", trading_disabled=True)
    others = [product(name, trading_disabled=True) for name in ("BTC-USDC", "BTC-EUR")]
    flat.world.send(ev.ProductsListed, products=(shut, *others))
    idle(flat, 3, {"BTC": 1})
    assert of_kind(flat.actions, ReadAccount)[0].with_products
    flat.world.send(ev.ProductsListed, products=(product("BTC-USD"),))
    flat.read({"BTC": 1})
    assert size_of(flat.placed[0]) == "1"


def test_the_largest_size_splits_a_sale() -> None:
    flat = begun(BTC=25)
    flat.world.send(ev.ProductsListed, products=(product("BTC-USD", base_max_size=D(10)),))
    flat.read({"BTC": 25})
    assert [size_of(sale) for sale in flat.placed] == ["10", "10", "5"]
    for sale in flat.placed[:2]:
        flat.fills(sale)
        assert not of_kind(flat.actions, ReadAccount)


def test_limit_only_is_sold_through_the_bid_and_further_each_time() -> None:
    flat = begun()
    flat.world.send(ev.ProductsListed, products=(product("BTC-USD", limit_only=True),))
    flat.read({"BTC": 1})
    (sale,) = flat.placed
    assert sale.body["order_configuration"] == {
        "sor_limit_ioc": {"base_size": "1", "limit_price": "63360"}
    }
    flat.fills(sale, filled=0, status="CANCELLED", average_price=0)
    flat.read({"BTC": 1})
    assert flat.placed[0].body["order_configuration"]["sor_limit_ioc"]["limit_price"] == "62720"


def test_pieces_of_one_round_concede_the_same() -> None:
    flat = begun(BTC=5)
    pieces = product("BTC-USD", limit_only=True, base_max_size=D(2))
    flat.world.send(ev.ProductsListed, products=(pieces,))
    flat.read({"BTC": 5})
    bodies = [sale.body["order_configuration"]["sor_limit_ioc"] for sale in flat.placed]
    assert [body["limit_price"] for body in bodies] == ["63360"] * 3


def test_without_a_price_a_limit_is_asked_for_first() -> None:
    flat = begun(BTC=1, LTC=3)
    flat.world.send(ev.ProductsListed, products=(product("LTC-USD", limit_only=True),))
    flat.read({"BTC": 1, "LTC": 3})
    assert of_kind(flat.actions, RefreshQuotes)[0].product_ids == ("LTC-USD",)
    assert flat.episode.rows["LTC"].note == "no price of LTC-USD is known"


@pytest.mark.parametrize(
    ("mode", "price", "post_only"),
    [("post_only", "64000", True), ("auction_mode", "63360", False)],
)
def test_what_must_rest_rests_and_is_priced_anew(mode: str, price: str, *, post_only: bool) -> None:
    flat = begun()
    flat.world.send(ev.ProductsListed, products=(product("BTC-USD", **{mode: True}),))
    flat.read({"BTC": 1})
    (sale,) = flat.placed
    assert sale.body["order_configuration"] == {
        "limit_limit_gtc": {"base_size": "1", "limit_price": price, "post_only": post_only}
    }
    resting = {
        "side": "SELL", "client_order_id": sale.client_order_id, "base_size": 1, "leaves": 1,
        "limit_price": price,
    }  # fmt: skip
    flat.report("mine", **resting)
    assert not of_kind(flat.actions, ReadAccount)
    flat.world.quote("BTC-USD", 63000)
    flat.wait(5)
    flat.read({"BTC": 0}, hold={"BTC": 1}, orders=["mine"])
    assert of_kind(flat.actions, CancelOrders)[0].order_ids == ("mine",)
    flat.report("mine", **(resting | {"status": "CANCELLED"}))
    flat.read({"BTC": 1})
    assert len(flat.placed) == 1


def test_a_future_is_closed_by_coinbase() -> None:
    flat = begun(BTC=0)
    held = (ev.FuturesPosition(FUTURE, D(-3)),)
    flat.world.fill("SELL", 3, 64000, product_id=FUTURE)
    flat.world.send(ev.FuturesRead, positions=held, fills_until=flat.world.now)
    flat.read()
    (close,) = flat.placed
    assert close.closes
    assert close.body == {"client_order_id": close.client_order_id, "product_id": FUTURE}
    assert flat.episode.attempts[close.client_order_id].side == "BUY"


def test_a_position_that_only_one_side_knows_is_read_again_not_closed() -> None:
    flat = begun(BTC=0)
    flat.world.fill("BUY", 3, 64000, product_id=FUTURE)
    flat.world.send(
        ev.FuturesRead, positions=(ev.FuturesPosition("OTHER", D(1)),), fills_until=None
    )
    flat.read()
    assert not flat.placed
    assert not flat.is_done


def test_a_closed_session_is_tried_when_it_opens() -> None:
    flat = begun(BTC=0)
    opens = flat.world.now + timedelta(seconds=40)
    listed = msgspec.structs.replace(
        flat.world.tracker.products[FUTURE], session_open=False, opens_at=opens
    )
    flat.world.send(ev.ProductsListed, products=(listed,))
    flat.world.fill("BUY", 3, 64000, product_id=FUTURE)
    idle(flat, 7, {})
    flat.read()
    assert flat.episode.due is not None
    assert flat.world.now < flat.episode.due <= max(opens, flat.world.now + timedelta(seconds=60))


def test_without_a_list_of_products_nothing_is_called_flat() -> None:
    flat = Flattening(World(settings=Settings(connected=True), products=()))
    (reading,) = of_kind(flat.begin(), ReadAccount)
    assert reading.with_products
    flat.read({"BTC": 1})
    assert not flat.is_done


def test_an_order_that_was_cancelled_counts_for_what_it_trades_not_for_what_it_pays_with() -> None:
    flat = Flattening()
    flat.report("a", **OPEN | {"product_id": "ETH-BTC", "limit_price": "0.03"})
    flat.begin()
    assert flat.episode.cancelled == {"a": "ETH"}


@pytest.mark.parametrize(("held", "sizes"), [(3, [None]), (4, ["3", "1"])])
def test_a_position_of_the_largest_size_is_closed_whole(held: int, sizes: list[str | None]) -> None:
    flat = begun(BTC=0)
    flat.world.send(ev.ProductsListed, products=(future(FUTURE, base_max_size=D(3)),))
    flat.world.fill("BUY", held, 64000, product_id=FUTURE)
    position = ev.FuturesPosition(FUTURE, D(held))
    flat.world.send(ev.FuturesRead, positions=(position,), fills_until=flat.world.now)
    flat.read()
    assert [one.body.get("size") for one in flat.placed] == sizes
    assert all(one.closes for one in flat.placed)
