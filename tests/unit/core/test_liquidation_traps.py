"""Ways in which a flattening could sell what it must not, stop too early, or hang: one named test each."""

from datetime import timedelta
from typing import Any

import msgspec
import pytest

from sidecar.core.context.settings import Settings
from sidecar.core.liquidation.liquidator_memory import LiquidatorMemory
from sidecar.core.vocabulary import events as ev
from sidecar.core.vocabulary.actions import (
    Alert,
    CancelOrders,
    FindAttempt,
    FlattenProduct,
    Liquidate,
    LiquidationReported,
    PlaceOrder,
    ReadAccount,
    RefreshQuotes,
)
from sidecar.core.vocabulary.products import product_from_coinbase
from tests.decisions import connected, names, of_kind, pictured, restarted
from tests.flattening import Flattening
from tests.scenario import FUTURE, D, World, limit_order, product

CONNECTED = Settings(connected=True)
MAY = Settings(connected=True, may_flatten=frozenset({"maker"}))
OPEN: dict[str, Any] = {"side": "BUY", "leaves": "0.1", "base_size": "0.1", "limit_price": 60000}
SHOCK: dict[str, Any] = {"price_shock": {"max_move": "0.01", "action": "flatten"}}


def size_of(placed: PlaceOrder) -> str:
    (configuration,) = placed.body["order_configuration"].values()
    return str(configuration["base_size"])


def keeping(kept: object, held: object) -> Flattening:
    """A flattening of an account that keeps some, about to sell the rest."""
    world = pictured(World(settings=CONNECTED, keep={"BTC": D(kept)}), held=held)
    flat = Flattening(world)
    flat.begin()
    flat.read({"BTC": held})
    return flat


def missing(flat: Flattening, sale: PlaceOrder) -> list[PlaceOrder]:
    name = sale.client_order_id
    return of_kind(flat.take(flat.world.send(ev.AttemptMissing, client_order_id=name)), PlaceOrder)


# --- Never twice, never what is kept --------------------------------------------------------------


def test_what_an_aborted_flattening_sent_is_never_sent_again() -> None:
    flat = Flattening()
    flat.begin()
    flat.read({"BTC": 1})
    (sale,) = flat.placed
    flat.answer(sale.client_order_id, "unknown")
    flat.world.send(ev.HaltRequested, reason="stop", abort_liquidation=True)
    flat.begin()
    assert of_kind(flat.actions, FindAttempt)
    assert not missing(flat, sale)
    flat.read({"BTC": 1})
    assert [one.client_order_id for one in flat.placed] != [sale.client_order_id]


def test_it_is_not_even_looked_for_by_the_flattening_of_another_key() -> None:
    world = connected(held=1, also={"ETH": 2}, settings=CONNECTED, **SHOCK)
    flat = Flattening(world)
    flat.begin()
    flat.read({"BTC": 1, "ETH": 2})
    flat.answer(flat.placed[0].client_order_id, "unknown")
    world.send(ev.HaltRequested, reason="stop", abort_liquidation=True)
    world.send(ev.ResumeRequested, reason="go on")
    world.now += timedelta(seconds=1)
    actions = world.quote("ETH-USD", 1500)
    assert of_kind(actions, FlattenProduct)
    assert [one.product_id for one in of_kind(actions, FindAttempt)] == ["ETH-USD"]


def test_what_was_sold_elsewhere_meanwhile_is_not_sent_again() -> None:
    """The identical body would sell what is kept."""
    flat = keeping(2, held=3)
    (sale,) = flat.placed
    assert size_of(sale) == "1"
    flat.answer(sale.client_order_id, "unknown")
    flat.world.fill("SELL", "0.7", 64000, order_id="by hand")
    assert not missing(flat, sale)
    flat.wait(5)
    flat.read({"BTC": "2.3"})
    assert [size_of(one) for one in flat.placed] == ["0.3"]


def test_pieces_are_sent_again_only_while_all_of_them_fit() -> None:
    flat = Flattening(connected(held=25, settings=CONNECTED))
    flat.world.send(ev.ProductsListed, products=(product("BTC-USD", base_max_size=D(10)),))
    flat.begin()
    flat.read({"BTC": 25})
    first, *_ = flat.placed
    flat.answer(first.client_order_id, "unknown")
    assert missing(flat, first) == [first]
    flat.answer(first.client_order_id, "unknown")
    flat.world.fill("SELL", 1, 64000, order_id="by hand")
    assert not missing(flat, first)


def wait_for_its_turn(flat: Flattening) -> None:
    """Until it asks for the next reading."""
    if flat.episode.phase != "reading":
        assert flat.episode.due is not None
        flat.wait((flat.episode.due - flat.world.now).total_seconds())
    flat.world.now += timedelta(milliseconds=100)  # a reading takes its time


@pytest.mark.parametrize("lag_s", [3, 12, 40])
def test_a_balance_from_before_the_sale_is_no_deposit(lag_s: int) -> None:
    """Two readings agree on it, and both are old: believed, it would be sold again, out of `keep`."""
    flat = keeping(2, held=3)
    flat.fills(flat.placed[0])
    sold_at = flat.world.now
    for _ in range(20):
        if flat.world.now >= sold_at + timedelta(seconds=lag_s):
            break
        flat.read({"BTC": 3})
        assert not flat.placed
        assert flat.world.tracker.wallets.by_currency["BTC"].total == 2
        wait_for_its_turn(flat)
    flat.read({"BTC": 2})
    assert flat.is_done


def test_what_comes_in_long_after_the_sale_is_a_deposit_and_sold() -> None:
    """Twice read, two seconds apart: it is no passing state."""
    flat = keeping(2, held=3)
    flat.fills(flat.placed[0])
    flat.world.now += timedelta(seconds=61)
    for _ in range(3):
        flat.read({"BTC": 3})
        if flat.placed:
            break
        flat.world.now += timedelta(seconds=1)
        wait_for_its_turn(flat)
    assert [size_of(one) for one in flat.placed] == ["1"]


def test_nothing_is_sold_for_a_coin_that_is_kept_whole() -> None:
    world = pictured(World(settings=CONNECTED, keep={"BTC": None}))
    world.send(ev.ProductsListed, products=(product("XYZ-BTC", price_increment=D("0.00001")),))
    flat = Flattening(world)
    flat.begin()
    flat.read({"XYZ": 5})
    assert not flat.placed
    assert flat.is_done


# --- Not flat before it is ------------------------------------------------------------------------


def test_an_order_that_cannot_be_read_is_cancelled_and_waited_for() -> None:
    flat = Flattening(connected(held=0, settings=CONNECTED))
    flat.begin()
    flat.read(orders=["unreadable"])
    assert not flat.is_done
    assert of_kind(flat.actions, CancelOrders)[0].order_ids == ("unreadable",)
    shouts = []
    for _ in range(4):
        flat.wait(60)
        shouts += of_kind(flat.read(orders=["unreadable"]), Alert)
    assert "unreadable is not cancelled" in shouts[0].text
    flat.wait(60)
    flat.read()
    assert flat.is_done


def test_open_orders_that_a_listing_cut_short_may_lack_are_waited_for() -> None:
    flat = Flattening(connected(held=0, settings=CONNECTED))
    flat.begin()
    flat.read(lists_all=False)
    shouts = []
    for _ in range(5):
        flat.wait(60)
        shouts += of_kind(flat.read(lists_all=False), Alert)
    assert not flat.is_done
    assert "the listing of open orders ends too early" in shouts[0].text
    flat.wait(60)
    flat.read()
    assert flat.is_done


def test_a_future_that_no_listing_names_is_not_called_flat() -> None:
    flat = Flattening(connected(held=0, settings=CONNECTED))
    flat.begin()
    positions = (ev.FuturesPosition("NEW-CDE", D(5)),)
    flat.world.send(ev.FuturesRead, positions=positions, fills_until=flat.world.now)
    flat.read()
    assert not flat.is_done
    assert flat.episode.rows["NEW-CDE"].note == "not in Coinbase's list of products"


def test_an_order_of_unknown_size_is_cancelled_with_its_key() -> None:
    world = connected(held=1, settings=CONNECTED, **SHOCK)
    world.report("bare", side="BUY")
    world.now += timedelta(seconds=1)
    actions = world.quote("BTC-USD", 60000)
    assert of_kind(actions, CancelOrders)[0].order_ids == ("bare",)


def test_what_has_no_price_is_sold_and_its_price_asked_for() -> None:
    flat = Flattening(BTC=0, LTC="0.00002")
    flat.world.send(ev.ProductsListed, products=(product("LTC-USD"),))
    flat.begin()
    flat.read({"LTC": "0.00002"})
    assert len(flat.placed) == 1
    assert of_kind(flat.actions, RefreshQuotes)[0].product_ids == ("LTC-USD",)


@pytest.mark.parametrize(("largest", "sizes"), [("0", ["2"]), ("0.3333333333", None)])
def test_a_largest_size_that_is_none_or_off_the_grid(largest: str, sizes: list[str] | None) -> None:
    row = {
        "product_id": "BTC-USD", "product_type": "SPOT", "base_currency_id": "BTC", "quote_currency_id": "USD",
        "base_increment": "0.01", "quote_increment": "0.01", "base_max_size": largest,
    }  # fmt: skip
    flat = Flattening(connected(held=2, settings=CONNECTED))
    flat.world.send(ev.ProductsListed, products=(product_from_coinbase(row),))
    flat.begin()
    flat.read({"BTC": 2})
    found = [size_of(one) for one in flat.placed]
    assert found == (sizes or ["0.33"] * 6 + ["0.02"])


# --- Never silent ---------------------------------------------------------------------------------


def test_a_reading_that_does_not_come_is_asked_for_again_and_said() -> None:
    flat = Flattening()
    flat.begin()
    first = flat.reading
    assert not of_kind(flat.wait(59), ReadAccount)
    (alert,) = [one for one in of_kind(flat.wait(1), Alert) if one.code == "LIQUIDATION_STUCK"]
    assert "cannot read the account" in alert.text
    assert flat.reading == first + 1


def test_a_clock_that_is_set_back_silences_nothing() -> None:
    flat = Flattening()
    flat.begin()
    flat.read({"BTC": 1})
    flat.world.now -= timedelta(hours=6)
    assert of_kind(flat.wait(0), ReadAccount)


@pytest.mark.parametrize("earlier_s", [0.1, 1, 60])
def test_a_fact_of_a_reading_that_began_before_it_was_asked_for_is_no_clock_set_back(
    earlier_s: float,
) -> None:
    flat = Flattening()
    assert of_kind(flat.begin(), ReadAccount)
    flat.world.now -= timedelta(seconds=earlier_s)
    balances = (ev.Balance("USD", D(100_000)), ev.Balance("BTC", D(1)))
    told = flat.world.send(ev.BalancesRead, balances=balances, fills_until=flat.world.now)
    assert not of_kind(told, Alert, ReadAccount)


def test_an_episode_of_which_nothing_but_its_cause_is_known_is_begun_again() -> None:
    """A state of an older version, or one that was mended by hand."""
    flat = Flattening()
    flat.begin()
    world = flat.world
    world.manager.liquidator.memory = LiquidatorMemory()
    world = restarted(world)
    assert of_kind(world.actions, ReadAccount)
    world.manager.liquidator.memory, world.manager.watch.trigger = LiquidatorMemory(), None
    world = restarted(world)
    assert world.manager.liquidator.is_busy


# --- Who may begin one ----------------------------------------------------------------------------


def with_will(**limits: Any) -> World:
    world = connected(held=1, settings=MAY, **limits)
    world.send(ev.BotConnected, name="maker", uid=1, strategy_id="s", on_disconnect="flatten")
    return world


def test_our_own_downtime_uses_up_no_bots_grace() -> None:
    world = with_will()
    world.send(ev.BotDropped, name="maker", uid=1)
    world.now += timedelta(seconds=60)
    world = restarted(world)
    assert not of_kind(world.actions, Liquidate)
    assert not of_kind(world.wait(29), Liquidate)
    assert of_kind(world.wait(1), Liquidate)


@pytest.mark.parametrize("verb", [ev.HaltRequested, ev.FlattenRequested])
def test_what_an_operator_halted_or_aborted_stays_as_it_is(verb: type[ev.Event]) -> None:
    world = with_will(**SHOCK)
    world.send(verb, reason="mine")
    world.send(ev.HaltRequested, reason="mine", abort_liquidation=True)
    world.send(ev.BotDropped, name="maker", uid=1)
    told = world.wait(30)
    assert not of_kind(told, Liquidate)
    assert "NOT_SOLD" in [alert.code for alert in of_kind(told, Alert)]
    told = world.quote("BTC-USD", 50000)
    assert not of_kind(told, FlattenProduct, PlaceOrder)
    assert "NOT_SOLD" in [alert.code for alert in of_kind(told, Alert)]


def test_a_departed_bots_cancels_are_asked_for_again_after_a_restart() -> None:
    world = connected(settings=MAY)
    world.send(ev.BotConnected, name="m", uid=1, strategy_id="s", on_disconnect="cancel_orders")
    world.report("mine", **OPEN, strategy_id="s")
    world.send(ev.BotDropped, name="m", uid=1)
    assert of_kind(world.wait(30), CancelOrders)
    world = restarted(world)
    world.send(ev.BalancesRead, balances=(), fills_until=world.now)
    told = world.send(ev.OpenOrdersListed, order_ids=("mine",), began_at=world.now)
    assert of_kind(told, CancelOrders)[0].order_ids == ("mine",)


def test_a_product_stays_locked_while_it_is_being_sold() -> None:
    world = connected(held=1, settings=CONNECTED, **SHOCK)
    world.now += timedelta(seconds=1)
    world.quote("BTC-USD", 60000)
    world.wait(901)
    assert world.manager.state.has("PRICE_SHOCK", "product:BTC")
    assert "PRICE_SHOCK" in world.ask(limit_order()).codes


def test_dust_is_not_sold_for_a_shock() -> None:
    world = connected(held="0.000001", settings=CONNECTED, **SHOCK)
    world.now += timedelta(seconds=1)
    told = world.quote("BTC-USD", 60000)
    assert "CauseRaised" in names(told)
    assert not of_kind(told, FlattenProduct)


def test_what_an_aborted_flattening_read_is_not_what_is_held_later() -> None:
    flat = Flattening(connected(held=1, settings=CONNECTED, **SHOCK))
    flat.begin()
    flat.read({"BTC": 1})
    world = flat.world
    world.send(ev.HaltRequested, reason="stop", abort_liquidation=True)
    world.fill("SELL", 1, 64000, order_id="by hand")
    world.send(ev.ResumeRequested, reason="go on")
    world.now += timedelta(seconds=1)
    told = world.quote("BTC-USD", 60000)
    assert "CauseRaised" in names(told)
    assert not of_kind(told, FlattenProduct)


def test_a_future_is_sold_whole_again_while_it_is_held() -> None:
    flat = Flattening(connected(held=0, settings=CONNECTED))
    flat.world.fill("BUY", 3, 64000, product_id=FUTURE)
    flat.begin()
    positions = (ev.FuturesPosition(FUTURE, D(3)),)
    flat.world.send(ev.FuturesRead, positions=positions, fills_until=flat.world.now)
    flat.read()
    (close,) = flat.placed
    flat.answer(close.client_order_id, "unknown")
    assert missing(flat, close) == [close]
    flat.answer(close.client_order_id, "unknown")
    flat.world.fill("SELL", 3, 64000, product_id=FUTURE, order_id="by hand")
    assert not missing(flat, close)
    flat.world.send(ev.FuturesRead, positions=(), fills_until=flat.world.now)
    flat.wait(5)
    flat.read()
    assert flat.is_done
    assert of_kind(flat.actions, LiquidationReported)
    assert msgspec.json.encode(flat.world.manager.liquidator.memory)


def test_two_products_are_sold_beside_each_other() -> None:
    world = connected(held=1, also={"ETH": 5}, settings=CONNECTED, **SHOCK)
    world.now += timedelta(seconds=1)
    world.quote("BTC-USD", 60000)
    world.quote("ETH-USD", 1500)
    assert list(world.manager.liquidator.memory.episodes) == ["BTC", "ETH"]


def test_what_coinbase_took_is_known_until_it_is_over() -> None:
    flat = Flattening()
    flat.begin()
    flat.read({"BTC": 1})
    (sale,) = flat.placed
    liquidator = flat.world.manager.liquidator
    assert liquidator.placed() == set()
    flat.answer(sale.client_order_id, "accepted", order_id="o1")
    assert liquidator.placed() == {"o1"}
    assert not missing(flat, sale)  # a look-up that came late
    flat.fills(sale)
    assert liquidator.placed() == set()
