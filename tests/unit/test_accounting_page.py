"""The worked numbers of docs/accounting.md are the code's own."""

from pathlib import Path
from typing import Any

from sidecar.coinbase.depth_books import CHANGED_EVERY_S, HOLDS_EVERY_S
from sidecar.coinbase.gathering import EXACT, FARTHEST, NEWS_PRICE, NEWS_SIZE
from sidecar.coinbase.local_book import KEPT_MAX
from sidecar.coinbase.lookups import DEPTH_LEVELS
from sidecar.core.account.losses import daily
from sidecar.core.judging.usage import usage
from sidecar.core.vocabulary import events as ev
from sidecar.core.vocabulary.actions import ReduceOnly
from tests.decisions import connected
from tests.scenario import FUTURE, D, World, limit_order, market_order

PAGE = (Path(__file__).parents[2] / "docs" / "accounting.md").read_text(encoding="utf-8")


def pnl(world):
    return world.tracker.account.pnl_by_key["BTC"]


def test_average_cost_realises_on_every_closing_fill():
    world = World(cash="200000")
    world.fill("BUY", 1, 60000, fee=36)
    world.fill("BUY", 1, 62000, fee="37.2")
    world.fill("SELL", "0.5", 64000, fee="19.2")
    world.quote("BTC-USD", 63000)
    line = world.tracker.account.lines["BTC"]
    assert (line.position.quantity, line.position.cost) == (D("1.5"), 91500)
    assert (pnl(world).realised, pnl(world).fees, line.unrealised) == (1500, D("92.4"), 3000)
    assert world.tracker.net_pnl == D("4407.6")
    assert world.tracker.equity == 200000 + D("4407.6")


def test_a_flip_closes_all_of_the_old_and_opens_the_rest():
    world = World()
    world.fill("BUY", 10, 64000, product_id=FUTURE)
    world.fill("SELL", 15, 65000, product_id=FUTURE)
    position = world.tracker.account.lines[FUTURE].position
    assert world.tracker.account.pnl_by_key[FUTURE].realised == 100
    assert (position.quantity, position.cost) == (D("-0.05"), D("-0.05") * 65000)


def test_a_coin_quoted_fill_is_two_legs_at_the_marks():
    world = World()
    world.hold(1)
    world.fill("BUY", 10, "0.03", product_id="ETH-BTC")
    lines = world.tracker.account.lines
    assert lines["ETH"].position.cost == 19200
    assert lines["BTC"].position.quantity == D("0.7")


def test_overlapping_sources_are_counted_once():
    world = World()
    counted = []
    frame: dict[str, Any] = {
        "status": "OPEN",
        "leaves": "0.7",
        "filled": "0.3",
        "average_price": 64000,
    }
    later = frame | {"filled": "0.5", "average_price": "64000.4", "leaves": "0.5"}
    rest = {"order_id": "o", "product_id": "BTC-USD"}
    for tell in (
        lambda: world.report("o", **frame),
        lambda: world.report("o", **frame),
        lambda: world.fill("BUY", "0.2", 63999, entry_id="a", **rest),
        lambda: world.report("o", **later),
        lambda: world.fill("BUY", "0.3", 64001, entry_id="b", **rest),
        lambda: world.fill("BUY", "0.3", 64001, entry_id="b", **rest),
    ):
        tell()
        position = world.tracker.account.lines["BTC"].position
        counted.append((position.quantity, position.cost))
    assert counted[:3] == [(D("0.3"), 19200)] * 3
    assert counted[3] == (D("0.5"), D("32000.2"))
    assert counted[4:] == [(D("0.5"), D("32000.1"))] * 2


def test_the_worst_case_counts_all_that_may_fill():
    world = World()
    world.hold("0.5")
    world.report("b", side="BUY", leaves="0.3", limit_price=63000)
    world.report("s", side="SELL", leaves="0.2", limit_price=65000)
    assert world.ask(limit_order("0.1", 63500))
    line = world.tracker.account.lines["BTC"]
    assert (line.long, line.short, line.size) == (D("0.9"), D("0.3"), D("0.9"))
    assert (line.long_usd, line.short_usd, line.notional) == (57600, 19200, 57600)


def test_costs_are_those_of_the_walks_in_the_table():
    bids, asks = ((63_990, "0.1"), (63_900, 10)), ((64_010, "0.1"), (64_100, 10))
    world = World(max_order_slippage="0.00000001", max_exit_cost="0.01 USD", max_quote_age_s=60)
    world.depth(bids=bids, asks=asks)
    ladder = world.tracker.depths.ladder("BTC-USD", "BUY")
    assert ladder is not None
    for size, price, cost, share in (
        ("0.1", None, 1, "0.00015625"),
        ("0.25", None, 16, "0.001"),
        ("0.4", None, 31, "0.0012109375"),
        ("0.4", 64_050, 1, "0.00015625"),
    ):
        body = market_order(size) if price is None else limit_order(size, price)
        refused = {one.code: one.observed for one in world.ask(body).violations}
        assert refused["MAX_ORDER_SLIPPAGE"] == share
        walked = ladder if price is None else ladder.up_to(D(price), "BUY")
        assert walked.cost(D(size)) == cost
    assert "MAX_ORDER_SLIPPAGE" not in world.ask(limit_order("0.4", 64_000)).codes
    world.hold("0.25")
    (used,) = [
        row for row in usage(world.manager.desk, {}, world.now) if row["code"] == "MAX_EXIT_COST"
    ]
    assert used["observed"] == 16


def test_a_deposit_before_a_loss_makes_it_a_smaller_share():
    world = World(cash="10000", max_daily_loss="0.075")
    world.wait(3)
    world.balance("USD", "20000")
    world.wait(2)
    world.balance("USD", "20000")
    world.send(ev.FundingPaid, product_id=FUTURE, amount=D(-1500))
    (loss,) = world.manager.check_and_liquidate_on_loss()
    assert isinstance(loss, ReduceOnly)
    assert (loss.loss, loss.ratio) == (1500, D("0.075"))


def test_a_unit_keeps_its_worth_whatever_comes_or_goes():
    """The table of units: what is lost, withdrawn, lost and deposited."""
    world = connected(held=1)
    told(world, ev.Balance("USD", D(0)), ev.Balance("BTC", D("0.15625")))
    world.send(ev.LossReset, window="daily", reason="a day of 10,000 begins")
    steps = [(57600, D("0.15625")), (57600, D("0.0546875")), (51840, D("0.0546875"))]
    shown = []
    for price, coins in steps:
        stand(world, price)
        told(world, ev.Balance("BTC", coins))
        shown.append((world.tracker.equity, daily(world.tracker).ratio))
    told(world, ev.Balance("USD", D(10_000)))
    shown.append((world.tracker.equity, daily(world.tracker).ratio))
    assert shown == [
        (9_000, D("0.1")),
        (3_150, D("0.1")),
        (2_835, D("0.19")),
        (12_835, D("0.19")),
    ]


def test_a_withdrawal_that_nobody_tells_is_a_doubt_and_then_a_transfer():
    """The table of readings."""
    world = connected()
    world.report("o", leaves=1, limit_price=100)
    world.report("o", status="CANCELLED", limit_price=100)
    shown = []
    for _ in range(2):
        world.balance("USD", 20_000)
        wallet = world.tracker.wallets.get("USD")
        shown.append((wallet.total, wallet.doubted, world.tracker.equity))
        world.wait(2)
    assert shown == [(100_000, -80_000, 20_000), (20_000, 0, 20_000)]
    assert world.tracker.transfers == -80_000


def test_margin_that_moves_within_the_pot_is_no_transfer():
    """The table of the pot."""
    world = connected()
    futures_wallet(world, 0)
    world.quote(FUTURE, 64000)
    world.fill("BUY", 250, 64000, product_id=FUTURE)
    futures_wallet(world, 24_000, usd=76_000)
    shown = [pot(world)]
    for seconds, usd in ((2, 100_000), (60, 76_000)):
        world.wait(seconds)
        world.balance("USD", usd)
        shown.append(pot(world))
    assert shown == [(76_000, 24_000, 100_000, 0)] * 3


def pot(world: World) -> Any:
    tracker = world.tracker
    booked = (tracker.wallets.get("USD").total, tracker.books.futures_cash.total)
    return (*booked, tracker.equity, tracker.transfers)


def told(world: World, *balances: ev.Balance) -> None:
    """Two readings that agree, with all fills looked at."""
    for _ in range(2):
        world.send(ev.BalancesRead, balances=balances, fills_until=world.now)
        world.wait(2)


def stand(world: World, price: object) -> None:
    """A price that stands until it is confirmed."""
    for _ in range(4):
        world.wait(1)
        world.quote("BTC-USD", price)


def futures_wallet(world: World, total: object, usd: object = 100_000) -> None:
    world.send(
        ev.FuturesSummaryRead,
        wallet=D(total),
        buying_power=D(1_000_000),
        liquidation_buffer_percentage=D(1000),
        spot_cash=D(usd),
    )


def test_a_strategys_money_is_used_and_earned_as_the_table_says():
    world = World(strategy={"grid": {"budget": 10_000}})
    world.send(ev.FeesRead, taker_rate=D("0.01"), maker_rate=D("0.01"))

    def used():
        (row,) = usage(world.manager.desk, {}, world.now)
        return row["observed"]

    world.fill("BUY", "0.1", 60_000, fee=60, strategy_id="grid")
    assert used() == 6_060
    world.report("o1", leaves="0.05", limit_price=50_000, strategy_id="grid")
    world.quote("BTC-USD", 64_000)
    assert used() == 8_585
    world.fill("SELL", "0.05", 64_000, fee=32, strategy_id="grid")
    assert used() == 5_417


def test_how_far_and_how_soon_a_book_is_known_is_as_the_code_has_it():
    said = " ".join(PAGE.split())
    assert f"Of each side {EXACT} levels are known as they stand" in said
    assert D("0.1") == FARTHEST
    assert "up to a tenth from the touch" in said
    assert f"Of each side the {KEPT_MAX:,} levels next to the touch" in said
    assert f"read over REST, {DEPTH_LEVELS} levels a side" in said
    assert (1, D("0.0001"), D("0.05")) == (CHANGED_EVERY_S, NEWS_PRICE, NEWS_SIZE)
    assert (
        "within a second of a change by which some average price moves by more than a basis point"
        in said
    )
    assert "the size on one side by more than a twentieth" in said
    assert f"within {HOLDS_EVERY_S:g} s of any other" in said
