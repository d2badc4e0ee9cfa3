"""What the manager knows goes through a restart: attribute by attribute, and limit by limit.

The manager is walked through (tests/everything.py), so that a new attribute is seen here by itself: it is
saved, or it is on the list below with its reason.
"""

from collections.abc import Callable
from datetime import timedelta
from typing import Any, get_args

import pytest
from msgspec.structs import replace

from sidecar.core.account.account_window import AccountWindow
from sidecar.core.account.futures_cash import FuturesCash
from sidecar.core.account.loss_windows import LossWindows
from sidecar.core.account.periods import LongPeriod, ScopedWindow
from sidecar.core.account.reconciliation import Doubt, Reconciliation
from sidecar.core.account.rolling import Rolling
from sidecar.core.account.streaks import Streak
from sidecar.core.account.wallets import Wallet
from sidecar.core.context.settings import Settings
from sidecar.core.context.start_terms import QueuedTerms, StartTerms
from sidecar.core.guards.pending_breach import PendingBreach
from sidecar.core.guards.stale_marks import StaleMark
from sidecar.core.vocabulary import events as ev
from sidecar.core.vocabulary.actions import Decided
from sidecar.core.vocabulary.events import Venue
from sidecar.core.vocabulary.limits import Limits
from tests.decisions import CONNECTED, connected, funded, pictured, reloaded
from tests.everything import attributes, defaults
from tests.histories import tell
from tests.scenario import FUTURE, PRODUCTS, D, World, limit_order, market_order, product

COUNTER = "counts changes within a process, so that what was worked out of them is known to be old"
CACHE = "worked out again from what is saved, the first time that it is asked for"

NOT_SAVED: dict[str, str] = {
    "Approvals._day": CACHE, "Approvals._day_name": CACHE, "Approvals._next": CACHE,
    "Approvals._plans": CACHE, "Portfolio.changed": COUNTER, "Portfolio.members": COUNTER, "Portfolio.serial": COUNTER,
    "Exposure.serial": COUNTER, "Books.listings": COUNTER, "History.version": COUNTER,
    "ReportWatch.withheld": "of the fact that is taken in now",
    "DoubtWatch.apart": "the first listing of a new process tells it",
    "Depths._ladders": CACHE, "Depths._first": CACHE, "Depths._last": CACHE, "Depths.version": COUNTER, "Depths.changes": COUNTER,
    "ExitCosts._costs": CACHE, "ExitCosts._unknown": CACHE, "ExitCosts._keys_of": CACHE, "ExitCosts._total": CACHE,
    "ExitCosts._serial": COUNTER, "ExitCosts._version": COUNTER, "ExitCosts._routes": CACHE,
    "DepthWatch._wanted": CACHE, "DepthWatch._chosen_of": CACHE, "DepthWatch._asked_changes": COUNTER,
    "DepthWatch._read_of": CACHE, "DepthWatch._read_at": CACHE,
    "DepthWatch._looked_at": CACHE, "DepthWatch._needed": CACHE, "DepthWatch._needed_of": CACHE, "DepthWatch._noted": CACHE,
    "BalanceFlow.complete": "the first listing of a new process is its own",
    "Wallet.waits_since": "a wait of minutes for a price begins anew",
    "Books.remarked": "marks that shocks have not looked at yet: they look at each fact, and all begin anew",
    "StrategyBooks.lined": "noted as each line begins; of lines that have ended until their key's next price",
    "LiveRisk.since": CACHE, "LiveRisk.due": CACHE, "LiveRisk._bare": CACHE, "LiveRisk._bare_of": CACHE,
    "LiveRisk._cash": CACHE, "LiveRisk._cash_of": CACHE, "LiveRisk._foreign": CACHE, "LiveRisk._found": CACHE,
    "LiveRisk._made_of": CACHE, "LiveRisk._routes": CACHE, "LiveRisk._told": CACHE, "LiveRisk._views": CACHE,
    "RiskManager._unmarking": CACHE, "StaleMarks.looked_at": "a new process looks at once",
    "LossWatch._quiet_above": CACHE, "LossWatch._quiet_at": CACHE, "Marks.good_quotes": COUNTER,
    "OrderIndex._lapses": "a heap of what is reserved: built again, without what was released since",
    "TransferDoubts._moves": CACHE, "TransferDoubts._moves_of": CACHE, "TransferDoubts._shares": CACHE,
    "TransferDoubts._shares_of": CACHE, "LossAccounting._high": CACHE, "LossAccounting._calm": CACHE, "LossAccounting.version": COUNTER, "Books.version": COUNTER,
    "PricePath.known": "moments within a minute",
    "Readings.prices": "those of the last readings are the wallets' own",
    "RiskHistory.changed": "every series is looked at anew", "RiskHistory.period": CACHE,
    "RiskManager._prepared_at": CACHE, "Streaks._judged": CACHE,
    "RiskManager._undelivered": "what a refused fact left to say; the causes behind it are saved",
    "Notional._begins": CACHE, "Notional._ends": CACHE, "Notional._window": CACHE,
    "RiskManager.judged": "a version of the tracker; saved as whether all was judged",
    "Routes._assets": CACHE, "Routes._by_base": CACHE, "Routes._late": CACHE, "Routes.avoids_usdc": CACHE,
    "Routes.listed": CACHE, "Routes.products": CACHE,
    "Scope._routes": CACHE, "UsdcPegWatch._listings": CACHE, "UsdcPegWatch._pairs": CACHE,
}  # fmt: skip
CONFIGURED = "configuration: a new process has its own"
ALWAYS = "is the same in every manager"
NEVER_SET: dict[str, str] = {
    "BalanceFlow.believes_first": CONFIGURED, "CashPot.lag": CONFIGURED, "Books.cash": CONFIGURED,
    "Books.confirm_for": CONFIGURED, "Books.confirm_quotes": CONFIGURED, "RiskContext.custom": CONFIGURED,
    "RiskContext.max_mark_age": CONFIGURED, "RiskContext.binds_each_strategy": CONFIGURED, "RiskContext.owners": CONFIGURED,
    "RiskContext.max_quote_age": CONFIGURED, "History.length": CONFIGURED, "History.period_s": CONFIGURED,
    "LiveRisk.settings": CONFIGURED, "Marks.fresh_for": CONFIGURED, "Marks.max_spread": CONFIGURED,
    "FillBooking.lag": CONFIGURED, "LossAccounting.min_equity": CONFIGURED, "LossAccounting.rolling": CONFIGURED, "Streaks.scopes": CONFIGURED, "RiskHistory.settings": CONFIGURED,
    "Sessions.grace": CONFIGURED, "PositionTracker._handlers": ALWAYS, "Approvals._judges": ALWAYS,
    "RiskManager._handlers": ALWAYS, "RiskManager.looks_ahead": "is True but while a record is judged again",
    "Books.waits_for_settled": CONFIGURED,
    "Depths.is_read": CONFIGURED, "RiskContext.max_depth_age": CONFIGURED, "RiskContext.reads_depth": CONFIGURED,
    "PendingBreach.sure_since": "where a stale book showed a breach first: test_stale_marks.py",
    "Books.losses_unexplained": "is empty between two facts: the windows have taken it in",
    "Books.moves": "is empty between two facts: the windows have taken it in",
    "PendingBreach.confirmed_by_rest": "then the episode has begun",
    "PendingBreach.rest_failed": "then it is confirmed within seconds: test_loss_watch.py",
}  # fmt: skip

LIMITS: dict[str, Any] = {
    "max_daily_loss": "0.02", "max_weekly_loss": "0.02", "max_loss_in": [{"window": "2m", "limit": "0.05"}], "max_drawdown": "0.08", "max_cumulative_loss": "0.3", "max_var": "0.15",
    "max_order_rate": {"count": 30, "window_s": 60}, "max_position_notional": "500000",
    "max_notional_in": {"usd": 10_000_000, "window_s": 60},
    "price_shock": {"max_move": "0.5", "window_s": 20, "lockout_s": 900},
    "product": {"BTC-USD": {"max_daily_loss": "0.5"}, "GONE-USD": {"max_order_size": "1"}},
}  # fmt: skip
PEG = (product("USDT-USD"), product("USDT-USDC"))


def read(world: World, *rows: tuple[str, object, object], **fields: Any) -> None:
    balances = tuple(ev.Balance(name, D(total), D(hold)) for name, total, hold in rows)
    world.send(ev.BalancesRead, balances=balances, fills_until=world.now, **fields)


def summary(world: World, wallet: object, spot: object, funding: object, **fields: Any) -> None:
    world.send(
        ev.FuturesSummaryRead, wallet=D(wallet), spot_cash=D(spot), buying_power=D(9000),
        liquidation_buffer_percentage=D(900), funding_pnl=D(funding), **fields,
    )  # fmt: skip


def wide(world: World, book: str, bid: object, ask: object, last: object) -> None:
    quote = ev.Quote(book, D(bid), D(ask), world.now, last=D(last))
    world.send(ev.Quotes, quotes=(quote,))


def trading() -> World:
    """Positions, orders, approvals, a bot, funding."""
    settings = Settings(connected=True, reservation_life=timedelta(days=1), unapproved="cancel")
    world = World(settings=settings, keep={"ETH": D(1)}, **LIMITS)
    world.send(ev.ProductsListed, products=(*PRODUCTS, *PEG))
    summary(world, 5_000, 100_000, 0, fills_until=world.now)
    pictured(world, held=1, also={"ETH": 3, "USDC": 500, "EUR": 40})
    world.send(ev.AccountReconciled, fills_until=world.now)
    for book, price in ((FUTURE, 64_000), ("USDC-EUR", "0.8")):
        world.quote(book, price)
    for book in ("BTC-USD", "ETH-USD", "USDC-EUR"):
        tell(world, book)
    world.send(ev.FeesRead, taker_rate=D("0.006"), maker_rate=D("0.004"))
    assert world.ask(limit_order("0.1", 61_000, name="r1"), strategy_id="grid")
    world.send(
        ev.OrderProposed,
        body=limit_order("0.1", 61_000, name="r3"),
        strategy_id="own",
        asker=ev.Asker(7, "maker"),
    )
    for name in ("f1", "f2"):
        assert world.ask(limit_order(1, 61_000, name=name, product_id=FUTURE))
    world.report("o1", client_order_id="c1", leaves=1, limit_price=50_000, rests=True)
    world.report("o2", side="SELL", leaves="0.5", limit_price=50_000, stop_price=51_000, rests=True)
    world.report(
        "o3", status="CANCELLED", client_order_id="c3", filled="0.1", average_price=64_000, fees=3, strategy_id="grid"
    )  # fmt: skip
    world.wait(1)
    world.fill("BUY", 200, 64_000, product_id=FUTURE)
    world.wait(31)
    for funding in (-7, -9):
        summary(
            world, 5_000, world.tracker.wallets.get("USD").total, funding, fills_until=world.now
        )
    world.depth()
    for window in get_args(ev.LossWindow):
        world.send(ev.LossReset, window=window, reason="a new quarter")
    return world


def troubled() -> World:
    """Dollars left, coins left while their price moved, more is in doubt, the futures wallet lost a bit."""
    world = trading()
    world.wait(60)
    usd = world.tracker.wallets.get("USD").total
    world.stand("BTC-USD", 64_000)
    for seconds in (0, 16):
        world.wait(seconds)
        read(world, ("USD", usd - 5_000, 0))
    summary(world, 4_700, usd - 5_000, -9)
    world.send(ev.OpenOrdersListed, order_ids=(), began_at=world.now)
    world.stand("BTC-USD", 60_000)
    world.stand("ETH-USD", 1_900)
    for _ in range(2):
        read(world, ("BTC", "0.6", 0), ("ETH", 4, 0))
        world.wait(3)
    world.quote("BTC-USD", 60_000)
    read(world, ("BTC", "0.7", "0.1"), unread=("XRP",))
    world.fill("SELL", "0.05", 60_000)
    world.send(ev.FuturesRead, positions=(), fills_until=world.now)
    world.send(ev.FundingPaid, product_id=FUTURE, amount=D(-7), entry_id="p1")
    return world


def fallen() -> World:
    """A day's loss is confirmed, a drawdown is not, a mark is stale, an order is not approved."""
    world = troubled()
    for _ in range(61):
        world.wait(1)
        wide(world, "ETH-USD", 1_700, 1_900, 1_700)
        world.quote("BTC-USD", 60_000)
        world.quote(FUTURE, 62_000)
    world.report("f1", client_order_id="f1", product_id=FUTURE, leaves=1, limit_price=61_000)
    world.report("adds", leaves="0.1", limit_price=50_000, created_at=world.now)
    world.quote(FUTURE, 58_000)
    world.wait(0.5)
    wide(world, "ETH-USD", 1_700, 1_900, 1_700)
    world.send(ev.BotConnected, name="maker", uid=7, strategy_id="grid")
    world.send(ev.BotDropped, name="maker", uid=7)
    world.send(ev.FeedChanged, feed="user", signal="gap")
    world.tracker.ledger.closed.horizon = world.now
    world.tracker.ledger.closed.restore_unfilled(bytes(range(32)))  # as two that are left
    return world


def depegged() -> World:
    """USDC counts at 0.96, and part of it has left."""
    world = connected(products=(*PRODUCTS, *PEG), also={"USDC": 1000}, max_daily_loss="0.5")
    for rate in ("0.96",) * 62:
        world.wait(1)
        world.quote("USDT-USD", rate)
        world.quote("USDT-USDC", 1)
    assert world.tracker.marks.usdc_rate == D("0.96")
    return world


def back() -> World:
    """And is a dollar again, for some seconds."""
    world = depegged()
    for _ in range(3):
        world.wait(1)
        world.quote("USDT-USD", 1)
        world.quote("USDT-USDC", 1)
    return world


def flattening() -> World:
    """An episode has read the account, and one order is on its way."""
    world = connected(held=1, max_var="0.9", max_cumulative_loss="0.1")
    world.wait(61)
    world.quote("BTC-USD", 64_000)
    world.send(ev.FlattenRequested, reason="enough")
    for _ in range(3):
        world.wait(5)
        read(world, ("USD", 100_000, 0), ("BTC", 1, 0), is_complete=True)
        world.send(ev.FuturesRead, positions=(), fills_until=world.now)
        world.send(ev.OpenOrdersListed, order_ids=(), began_at=world.now)
        reading = world.manager.liquidator.memory.readings
        world.send(ev.AccountRead, reading=reading, began_at=world.now)
    return world


def aborted() -> World:
    """It was, with an order that Coinbase lists and that could not be read; it ends its list too early."""
    world = flattening()
    (episode,) = world.manager.liquidator.memory.episodes.values()
    (name,) = episode.attempts
    world.send(ev.OpenOrdersListed, order_ids=("o9",), began_at=world.now, is_complete=False)
    world.report(
        "own", client_order_id=name, side="SELL", leaves="0.9", base_size=1, filled="0.1", average_price=64_000, limit_price=64_000
    )  # fmt: skip
    over = replace(episode.attempts[name], client_order_id=f"{name}0", stage="over")
    episode.attempts[over.client_order_id] = over
    world.send(ev.HaltRequested, reason="enough", abort_liquidation=True)
    return world


def confirming() -> World:
    """What has come without a price waits for one; dollars that left wait for the futures wallet; VaR is told."""
    world = connected(products=(*PRODUCTS, product("NEW-USD")), held=1, max_var="0.001")
    tell(world)
    summary(world, 5_000, 100_000, 0)
    for seconds in (10, 3):
        world.wait(seconds)
        world.quote("BTC-USD", 64_000)
        read(world, ("USD", 90_000, 0), ("NEW", 1, 0), ("BTC", 1, "0.4"))
    return world


def overtaken() -> World:
    """A frame told of dollars that the books do not have, a wide book of other prices, and the trades went on."""
    world = connected(held=1, also={"USD": 100_000})
    summary(world, 5_000, 100_000, 0)
    wide = ev.Quote("BTC-USD", D(50_000), D(66_000), world.now)
    world.send(ev.Quotes, quotes=(wide,))
    summary(world, 5_000, 99_000, 0, told_at=world.now)
    world.wait(1)
    world.fill("BUY", "0.01", 64_000, traded_at=world.now)
    return world


def cooled() -> World:
    """A trade was lost, and the next one has begun."""
    world = connected(held=1, losing_streak={"trades": 1, "cool_down": "1m"})
    for side, price in (("BUY", 2_000), ("SELL", 1_900), ("BUY", 2_000)):
        world.fill(side, 1, price, product_id="ETH-USD", fee=1)
    return world


def visited() -> World:
    """A reading showed 50,000 USD more, and the next one does not; prices moved just before the last."""
    world = connected(held=1, also={"USD": 100_000})
    world.quote("BTC-USD", 63_000)
    for seconds, usd in ((1, 100_000), (5, 150_000), (1, 100_000)):
        world.wait(seconds)
        read(world, ("USD", usd, 0), ("BTC", 1, 0))
    return world


def strangers() -> World:
    """Approvals that never appeared, and more orders of nobody than alerts are given for."""
    settings = Settings(connected=True, unapproved="cancel")
    world = connected(settings=settings)
    world.wait(61)
    world.quote("BTC-USD", 64_000)
    for name in ("a1", "a2"):
        assert world.ask(limit_order("0.1", 61_000, name=name))
    world.send(ev.ReservationReleased, client_order_id="a1")
    world.wait(40)
    world.send(ev.ReservationReleased, client_order_id="a2", reason="never_arrived")
    for number in range(40):
        world.report(f"x{number}", leaves="0.1", limit_price=50_000, created_at=world.now)
    return world


def starting() -> World:
    """A new process after a kill: REST was asked for prices, and has agreed on one of two."""
    world = connected(held=1, also={"ETH": 1})
    world.send(ev.Started, unclean_since=world.now)
    world.wait(1)
    for feed in ("market", "user"):
        world.send(ev.FeedChanged, feed=feed, signal="connected")
    world.send(ev.ProductsListed, products=tuple(world.tracker.products.values()))
    for book, price in (("BTC-USD", 64_000), ("ETH-USD", 2_000)):
        world.quote(book, price)
    read(world, ("USD", 100_000, 0), ("BTC", 1, 0), ("ETH", 1, 0))
    world.send(ev.OpenOrdersListed, order_ids=(), began_at=world.now)
    world.send(ev.AccountReconciled, fills_until=world.now)
    quotes = (ev.Quote("BTC-USD", D(64_000), D(64_000), world.now), ev.Quote("ETH-USD", D(9), D(9), world.now))  # fmt: skip
    world.send(ev.QuotesConfirmed, quotes=quotes)
    for _ in range(2):
        world.send(ev.FuturesUnread, reason="HTTP 403")
        world.wait(2)
    held = (ev.FuturesPosition("NEW-20DEC30-CDE", D(1)),)
    world.send(ev.FuturesRead, positions=held, fills_until=world.now)
    world.send(ev.ProductElsewhere, product_id="NEW-20DEC30-CDE", why="Coinbase lists none")
    world.send(ev.ProductElsewhere, product_id="AAPL-USD", why="it is a stock")
    world.send(ev.ElsewhereRead, venues=(Venue("stocks", D(5)),))
    world.manager.unapproved.memory.uncancelled["x"] = "nobody approved it"
    assert not world.manager.state.ready
    return world


def suspected() -> World:
    """A cumulative loss waits for REST, which has left out the book that decides."""
    world = connected(held=1, max_cumulative_loss="0.1")
    world.fill("BUY", 1, 2_000, product_id="ETH-USD")
    for price in (46_000, 46_001):
        world.wait(1)
        world.quote("BTC-USD", price)
    quote = ev.Quote("ETH-USD", D(2_000), D(2_000), world.now)
    world.send(ev.QuotesConfirmed, quotes=(quote,))
    world.send(ev.ClocksCompared, ahead=timedelta(hours=5))
    return world


def misled() -> World:
    """A frame that can hardly be so waits for REST, for long; a purchase came before the quote of its price; an exit
    came before the order that it follows.
    """
    world = connected(held=1)
    exits = {"trigger_bracket_gtc": {"limit_price": "70000", "stop_trigger_price": "50000"}}
    assert world.ask(
        limit_order("0.1", 59_000, name="bracket") | {"attached_order_configuration": exits}
    )
    world.report(
        "held",
        client_order_id="bracket",
        status="FILLED",
        filled="0.1",
        average_price=59_000,
        fees=4_000,
    )
    world.report("exit", side="SELL", leaves="0.1", limit_price=70_000, created_at=world.now)
    world.report("waits", status="FILLED", filled="0.1", average_price=640_000)
    for _ in range(16):
        world.wait(1)
        world.quote("BTC-USD", 64_000)
    world.fill("BUY", "0.1", 60_000)
    world.quote("BTC-USD", 60_000)
    return world


def crashed() -> World:
    """Every coin fell at once, which was to be sold while an operator had halted everything."""
    shock = {"fall": "0.05", "action": "flatten"}
    world = connected(held=1, market_shock=shock)
    world.send(ev.HaltRequested, reason="enough")
    world.stand("BTC-USD", 64_000)
    for price in (60_000, 59_000, 58_000):
        world.wait(1)
        world.quote("BTC-USD", price)
    return world


def bound() -> World:
    """A file was tightened, and another is queued, while the clock is behind."""
    world = connected(loosen_after="24h", max_order_notional=5_000)
    world.send(ev.ClocksCompared, ahead=-timedelta(hours=1))
    for file in ({"max_order_notional": 4_000}, {"max_order_notional": 6_000}):
        limits = Limits(loosen_after="24h", **file)
        world.send(ev.LimitsReplaced, limits=limits, reason="a test", by="uid 7", uid=7)
    memory, day = world.manager.loosening.memory, timedelta(days=1)
    memory.terms = StartTerms()
    memory.queued_terms = QueuedTerms(terms=StartTerms(keep={"BTC": "1"}), wait=day, uid=7)
    return world


def deep() -> World:
    """The depth of one book is known, another bot has asked about a second, and its depth is missing."""
    world = connected(held=1, max_order_slippage="0.01", max_exit_cost="0.05")
    world.depth()
    world.wait(1)
    assert not world.ask(market_order("0.1", name="deep", product_id="ETH-USD"))
    return world


WORLDS: tuple[Callable[[], World], ...] = (
    trading, troubled, fallen, depegged, back, flattening, aborted, confirming, strangers, starting, suspected,
    overtaken, cooled, visited, misled, crashed, bound,
    deep,
)  # fmt: skip


@pytest.mark.parametrize("lived", WORLDS)
def test_every_attribute_goes_through_a_restart_or_has_its_reason(lived):
    world = lived()
    before = attributes(world.manager, NOT_SAVED.keys())
    after = attributes(reloaded(world).manager, NOT_SAVED.keys())
    lost = {name for name in before.keys() | after.keys() if before.get(name) != after.get(name)}
    assert lost - NOT_SAVED.keys() == set()


FRESH = attributes(World(settings=CONNECTED, products=()).manager)
UNTOUCHED = defaults(
    AccountWindow,
    ScopedWindow,
    LossWindows,
    LongPeriod,
    Rolling,
    Streak,
    Doubt,
    Reconciliation,
    PendingBreach,
    StaleMark,
    FuturesCash,
    Wallet,
)


def is_set(name: str, values: dict[str, Any], parts: set[str]) -> bool:
    """Whether any instance's is other than in a new one; a part is set by what is in it."""
    if all(isinstance(one, str) and one in parts for one in values.values()):
        return True
    if name in UNTOUCHED:
        return any(one != UNTOUCHED[name] for one in values.values())
    return any(FRESH.get(name, {}).get(path, NEVER_SET) != one for path, one in values.items())


@pytest.fixture(scope="module")
def managers():
    """Of all these worlds, to be read only."""
    return [lived().manager for lived in WORLDS]


def test_in_these_managers_every_attribute_is_set(managers):
    """Else that nothing is lost says nothing."""
    found = [attributes(manager, NOT_SAVED.keys()) for manager in managers]
    names = {name for one in found for name in one}
    parts = {name.split(".")[0] for name in names}
    done = {name for one in found for name, values in one.items() if is_set(name, values, parts)}
    assert names - done - NOT_SAVED.keys() - NEVER_SET.keys() == set()


def test_no_reason_is_given_for_what_is_not_there(managers):
    found = {name for manager in managers for name in attributes(manager)}
    assert (NOT_SAVED.keys() | NEVER_SET.keys()) - found == set()


# --- Limits near their edges ----------------------------------------------------------------------

Act = Callable[[World], Any]


def ask(
    size: object,
    price: object = 64_000,
    *,
    strategy: str | None = None,
    user: int | None = None,
    **fields: Any,
) -> Act:
    """Under the next name: the same in a world and in its copy."""
    asker = None if user is None else ev.Asker(user)

    def act(world: World) -> Any:
        name = f"b{world.manager.approvals.decisions}"
        body = limit_order(size, price, name=name, **fields)
        actions = world.send(ev.OrderProposed, body=body, strategy_id=strategy, asker=asker)
        return next(action.decision for action in actions if isinstance(action, Decided))

    return act


def held(world: World) -> None:
    """1 BTC, and 0.3 more in the book."""
    world.hold(1)
    world.report("o1", leaves="0.3", limit_price=60_000)


def of_grid(world: World) -> None:
    """0.3 BTC of others; 0.2 of the strategy "grid", and 0.2 more in the book."""
    world.hold("0.3")
    world.fill("BUY", "0.2", 64_000, strategy_id="grid")
    world.report("o1", leaves="0.2", limit_price=60_000, strategy_id="grid")


def with_history(world: World) -> None:
    tell(world)
    world.hold("0.1")


def later(seconds: float, then: Act) -> Act:
    def act(world: World) -> Any:
        world.wait(seconds)
        return then(world)

    return act


def with_buffer(world: World) -> None:
    funded(world, buffer=100)
    world.hold("0.1")


def shallow(world: World) -> None:
    """A tenth of a coin is bid for and offered 10 dollars from the mid, ten coins 100 dollars from it."""
    world.depth(
        bids=((63_990, "0.1"), (63_900, 10)),
        asks=((64_010, "0.1"), (64_100, 10)),
    )


def at_market(size: object) -> Act:
    """At the market, under the next name."""

    def act(world: World) -> Any:
        name = f"b{world.manager.approvals.decisions}"
        return world.ask(market_order(size, name=name))

    return act


def margined(world: World) -> None:
    """100 contracts that have lost nearly half of the margin posted."""
    world.fill("BUY", 100, 64_000, product_id=FUTURE)
    funded(world, margin=16_000)
    world.quote(FUTURE, 56_005)


def nothing(_world: World) -> None:
    pass


# Limits; what brings the account near; an order that just passes; one that then does not. What goes through a restart
# of the other rules: test_examples.py, and LOSSES below.
ROOM = ask("0.2"), ask("0.00001")
EDGES: dict[str, tuple[dict[str, Any], Act, Act, Act]] = {
    "MIN_ORDER_SIZE": ({"min_order_size": "0.001"}, nothing, ask("0.001"), ask("0.0009")),
    "MAX_ORDER_SIZE": ({"max_order_size": "0.1"}, nothing, ask("0.1"), ask("0.10001")),
    "MAX_ORDER_NOTIONAL": ({"max_order_notional": 6400}, nothing, ask("0.1"), ask("0.10001")),
    "MAX_POSITION_SIZE": ({"max_position_size": "1.5"}, held, *ROOM),
    "MAX_POSITION_NOTIONAL": ({"max_position_notional": 96_000}, held, *ROOM),
    "MAX_GROSS_EXPOSURE": ({"max_gross_exposure": 96_000}, held, *ROOM),
    "MAX_NET_EXPOSURE": ({"max_net_exposure": 96_000}, held, *ROOM),
    "MAX_CONCENTRATION": ({"max_concentration": "0.96"}, held, *ROOM),
    "MAX_LEVERAGE": ({"max_leverage": "0.96"}, held, *ROOM),
    "MAX_OPEN_ORDERS": ({"max_open_orders": 2}, held, *ROOM),
    "MAX_ORDER_RATE": (
        {"max_order_rate": {"count": 2, "window_s": 60}, "max_quote_age_s": 90}, ask("0.1"), later(59, ask("0.1")), later(0.9, ask("0.1")),
    ),
    "DUPLICATE_ORDER": (
        {"duplicate_order": {"count": 1, "window_s": 60}, "max_quote_age_s": 90}, ask("0.1"), later(59, ask("0.2")), later(0.9, ask("0.1")),
    ),
    "MAX_NOTIONAL_IN": (
        {"max_notional_in": {"usd": 10_000, "window_s": 60}, "max_quote_age_s": 90}, ask("0.1"), later(59, ask("0.05")), later(0.5, ask("0.1")),
    ),
    "PRICE_COLLAR": ({"price_collar": "0.01"}, nothing, ask("0.1", 64_640), ask("0.1", "64640.01")),
    "TRADING_HOURS": (
        {"trading_hours": {"zone": "UTC", "windows": ["Sun 13:00-13:01"]}, "max_quote_age_s": 90}, nothing, later(59.999, ask("0.1")), later(0.001, ask("0.1")),
    ),
    "NO_ADDING": ({"no_adding": True}, held, ask("0.1", side="SELL"), ask("0.1")),
    "PRODUCT_NOT_ALLOWED": ({"allow_products": ["BTC-USD"]}, held, ask("0.1"), ask(1, 2_000, product_id="ETH-USD")),
    "INSUFFICIENT_FUNDS": ({}, held, ask("0.27"), ask("0.05")),
    "STALE_MARKET_DATA": ({"max_quote_age_s": 5}, held, later(5, ask("0.1")), later(0.001, ask("0.1"))),
    "MIN_LIQUIDATION_BUFFER": (
        {"min_liquidation_buffer": 100}, with_buffer, ask(1, product_id=FUTURE),
        lambda world: ask(1, product_id=FUTURE)(funded(world, buffer=99)),
    ),
    "MAX_VAR": ({"max_var": "0.01"}, with_history, ask("0.05"), ask("0.9")),
    "MAX_EXPECTED_SHORTFALL": ({"max_expected_shortfall": "0.01"}, with_history, ask("0.05"), ask("0.9")),
    "MAX_STRESS_LOSS": ({"max_stress_loss": "0.1"}, with_history, ask("0.05"), ask("0.9")),
    "MAX_STRATEGY_SHARE": ({"max_strategy_share": "0.625"}, of_grid, ask("0.1", strategy="grid"), ask("0.00001", strategy="grid")),
    "BUDGET": (
        {"strategy": {"grid": {"budget": "31420.8"}}}, of_grid, ask("0.1", strategy="grid"), ask("0.00001", strategy="grid"),
    ),
    "MAX_MARGIN_DRAWDOWN": (
        {"max_margin_drawdown": "0.5"}, margined, ask(1, 56_005, product_id=FUTURE),
        lambda world: (world.quote(FUTURE, 56_000), ask(1, 56_000, product_id=FUTURE)(world))[1],
    ),
    "OWN_POSITIONS_ONLY": (
        {"strategy": {"grid": {"own_positions_only": True}}}, of_grid, ask("0.2", side="SELL", strategy="grid"),
        ask("0.00001", side="SELL", strategy="grid"),
    ),
    "MAX_SHARE_OF_LIMITS": (
        {"max_order_rate": {"count": 4, "window_s": 60}, "max_share_of_limits": "0.5", "max_quote_age_s": 90},
        ask("0.1", user=7), later(59, ask("0.1", user=7)), later(0.9, ask("0.1", user=7)),
    ),
    "MAX_ORDER_SLIPPAGE": ({"max_order_slippage": "0.001"}, shallow, at_market("0.25"), at_market("0.25000001")),
    "MAX_EXIT_COST": ({"max_exit_cost": "10 USD"}, shallow, ask("0.19"), ask("0.00002")),
}  # fmt: skip


@pytest.mark.parametrize("code", EDGES)
def test_a_limit_near_its_edge_judges_the_same_after_a_restart(code):
    limits, near, inside, beyond = EDGES[code]
    world = World(**limits)
    near(world)
    again = reloaded(world)
    for each, passes in ((inside, True), (beyond, False)):
        one, other = each(world), each(again)
        assert bool(one) == passes, one.violations
        assert (code in one.codes) != passes
        assert (one.violations, one.warnings, one.max_base_size) == (
            other.violations,
            other.warnings,
            other.max_base_size,
        )


def traded(world: World) -> None:
    """1 BTC of the strategy "grid", which has stood at 70,000; dollars came and went in between."""
    world.fill("BUY", 1, 64_000, strategy_id="grid")
    world.stand("BTC-USD", 70_000)
    for total in (136_000, 36_000):
        for _ in range(2):
            world.wait(3)
            world.balance("USD", total)
    world.stand("BTC-USD", 66_000)


LOSSES: dict[str, tuple[str, dict[str, Any]]] = {
    "day": ("DAILY_LOSS", {"max_daily_loss": "0.1"}),
    "day, USD": ("DAILY_LOSS", {"max_daily_loss": "9000 USD"}),
    "week": ("WEEKLY_LOSS", {"max_weekly_loss": "0.1"}),
    "month, USD": ("MONTHLY_LOSS", {"max_monthly_loss": "9000 USD"}),
    "rolling": ("LOSS_IN", {"max_loss_in": [{"window": "7d", "limit": "0.2"}, {"window": "4h", "limit": "0.1"}]}),
    "drawdown": ("DRAWDOWN", {"max_drawdown": "0.1"}),
    "drawdown, USD": ("DRAWDOWN", {"max_drawdown": "9000 USD"}),
    "cumulative": ("CUMULATIVE_LOSS", {"max_cumulative_loss": "0.1"}),
    "cumulative, USD": ("CUMULATIVE_LOSS", {"max_cumulative_loss": "9000 USD"}),
    "product": ("DAILY_LOSS", {"product": {"BTC-USD": {"max_daily_loss": "0.1"}}}),
    "strategy": ("DAILY_LOSS", {"strategy": {"grid": {"max_daily_loss": "0.1"}}}),
    "product, week": ("WEEKLY_LOSS", {"product": {"BTC-USD": {"max_weekly_loss": "0.1"}}}),
    "strategy, month": ("MONTHLY_LOSS", {"strategy": {"grid": {"max_monthly_loss": "0.1"}}}),
    "price shock, from entry": ("PRICE_SHOCK", {"price_shock": {"max_loss_from_entry": "0.1", "lockout_s": 60}}),
}  # fmt: skip


def edge(world: World, code: str, step: object) -> Any:
    """The first price, down by steps, at which the cause comes into force; the last one before it stands."""
    price = world.tracker.marks.usd("BTC")
    assert price is not None
    while True:
        price -= D(step)
        world.stand("BTC-USD", price)
        if any(cause.code == code for cause in world.manager.state.causes.values()):
            return price


@pytest.mark.parametrize("name", LOSSES)
def test_a_loss_near_its_limit_is_judged_the_same_after_a_restart(name):
    """Down to the next five dollars; and what is in force then is the same too."""
    code, limits = LOSSES[name]
    roughly = World(**limits)
    traded(roughly)
    before = edge(roughly, code, 500) + 500
    world, near = World(**limits), World(**limits)
    for one in (world, near):
        traded(one)
        one.stand("BTC-USD", before)
        assert not one.manager.state.causes
    limit = edge(world, code, 5)
    for price in range(int(before) - 5, int(limit), -5):
        near.stand("BTC-USD", price)
    again = reloaded(near)
    for one in (near, again):
        one.quote("BTC-USD", limit + 5)
        assert not one.manager.state.causes
        one.stand("BTC-USD", limit)
        assert code in {cause.code for cause in one.manager.state.causes.values()}
    assert near.manager.state.causes == again.manager.state.causes


@pytest.mark.parametrize("name", LOSSES)
def test_a_cause_in_force_is_the_same_after_a_restart(name):
    code, limits = LOSSES[name]
    world = World(**limits)
    traded(world)
    edge(world, code, 500)
    again = reloaded(world)
    for one in (world, again):
        one.stand("BTC-USD", 70_000)
        one.wait(61)
    assert world.manager.state.causes == again.manager.state.causes


@pytest.mark.parametrize(("price", "crossed"), [(57_703, False), (57_702, True)])
def test_a_shock_near_its_limit_is_judged_the_same_after_a_restart(price, crossed):
    """8 % in one second, and 2 % in the next."""
    world = World(price_shock={"max_move": "0.1", "window_s": 20, "lockout_s": 60})
    world.hold(1)
    for stood in (64_000, 58_880):
        world.wait(1)
        world.quote("BTC-USD", stood)
    again = reloaded(world)
    for one in (world, again):
        one.wait(1)
        one.quote("BTC-USD", price)
        assert one.manager.state.has("PRICE_SHOCK", "product:BTC") == crossed
    assert world.manager.state.causes == again.manager.state.causes
