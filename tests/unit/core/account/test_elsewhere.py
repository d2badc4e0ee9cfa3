"""What is neither a coin nor a US future: named once, shown, and in nobody's way."""

from sidecar.core import views
from sidecar.core.account.elsewhere import PRODUCTS_MAX
from sidecar.core.vocabulary import events as ev
from sidecar.core.vocabulary.actions import Action, Alert, ReadProduct, Reconcile
from sidecar.core.vocabulary.events import Venue
from tests.decisions import connected, of_kind, reloaded
from tests.scenario import D, World, limit_order, product

STOCK = "AAPL-USD"


def told(actions: list[Action]) -> list[str]:
    return [alert.text for alert in of_kind(actions, Alert) if alert.code == "ELSEWHERE"]


def named(world: World) -> World:
    assert told(world.send(ev.ProductElsewhere, product_id=STOCK, why="it is a stock"))
    return world


def test_a_row_of_an_unknown_product_is_in_doubt_until_it_is_known_to_be_elsewhere() -> None:
    world = connected()
    asked = world.report("s1", product_id=STOCK, leaves=1, limit_price=200)
    assert of_kind(asked, ReadProduct)
    assert not world.ask(limit_order("0.01", 64_000))
    assert STOCK in world.tracker.books.doubts
    named(world)
    assert world.ask(limit_order("0.01", 64_000))
    world.wait()
    assert world.report("s1", product_id=STOCK, leaves=1, limit_price=200) == []
    assert world.fill("BUY", 1, 200, product_id=STOCK) == []
    assert world.ask(limit_order("0.01", 64_000))


def test_it_is_told_once_and_after_a_restart_it_is_known() -> None:
    world = named(connected())
    assert told(world.send(ev.ProductElsewhere, product_id=STOCK, why="it is a stock")) == []
    world = reloaded(world)
    assert world.report("s1", product_id=STOCK, leaves=1, limit_price=200) == []
    shown = views.status(world.manager, world.now)["elsewhere"]
    assert shown["products"] == {STOCK: "it is a stock"}


def test_a_position_of_contracts_is_never_elsewhere() -> None:
    """A contract that is in no list, and that a slip of Coinbase's said not to exist, is asked for again."""
    world = named(connected())
    positions = (ev.FuturesPosition(STOCK, D(1)),)
    asked = world.send(ev.FuturesRead, positions=positions, fills_until=world.now)
    assert [one.product_id for one in of_kind(asked, ReadProduct)] == [STOCK]


def test_what_is_listed_after_all_is_ours_and_its_rows_are_read_again() -> None:
    world = named(connected())
    asked = of_kind(world.send(ev.ProductsListed, products=(product(STOCK),)), Reconcile)
    assert [one.reason for one in asked] == [f"{STOCK}: listed now"]
    assert views.status(world.manager, world.now)["elsewhere"]["products"] == {}
    assert of_kind(world.send(ev.ProductsListed, products=(product(STOCK),)), Reconcile) == []


def test_no_number_of_products_grows_for_ever() -> None:
    world = connected()
    for number in range(PRODUCTS_MAX + 1):
        world.send(ev.ProductElsewhere, product_id=f"S{number}-USD", why="it is a stock")
    products = world.manager.doubts.elsewhere.products
    assert (len(products), "S0-USD" in products) == (PRODUCTS_MAX, False)


def test_money_in_another_venue_is_told_when_it_comes_and_shown() -> None:
    world = connected()

    def read(usd: object, positions: int = 0) -> list[str]:
        venues = (Venue("stocks", D(usd), positions), Venue("Global Derivatives", D(0)))
        return told(world.send(ev.ElsewhereRead, venues=venues))

    assert read(0) == []
    assert read("1500.5", 2) == ["stocks: 1500.5 USD, 2 positions, neither counted nor sold here"]
    assert read("1600", 2) == []
    shown = views.status(world.manager, world.now)["elsewhere"]["venues"]
    assert shown == {
        "stocks": "1600 USD, 2 positions",
        "prediction markets": None,
        "perpetuals and options at drb.coinbase.com": None,
    }
    assert read(0) == []
    assert len(read(0, 1)) == 1


def test_a_fill_that_is_passed_over_is_told() -> None:
    world = connected()
    actions = world.send(ev.FillPassedOver, words="fill e1: price is not a number")
    (alert,) = of_kind(actions, Alert)
    assert (alert.code, "fill e1" in alert.text) == ("FILL_PASSED_OVER", True)
