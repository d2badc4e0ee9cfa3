"""The recorded histories, by name: random walks through one side of an account's life each, and tales told in order."""

from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from random import Random
from typing import Any, Final, get_args

from sidecar.core.context.settings import Settings
from sidecar.core.value_at_risk.settings import (
    ModelName,
    ModelSettings,
    ReturnsPolicy,
    RiskSettings,
    ShortHistory,
)
from sidecar.core.vocabulary import events as ev
from tests.account_steps import act
from tests.decisions import FOREVER, funded, pictured
from tests.histories import tell as tell_closes
from tests.histories import wave
from tests.retold.walk import LISTED, PERPETUAL, QUOTED, Walk, other_process
from tests.scenario import FUTURE, D, World
from tests.telling import Coinbase, Habits
from tests.unit.core.test_every_attribute_is_saved import EDGES, LOSSES, WORLDS, edge, traded

COINS: Final = ("BTC-USD", "BTC-USD", "BTC-USDC", "ETH-USD")
MIXED: Final = ("BTC-USD", "BTC-EUR", "ETH-USD", "ETH-BTC", "SOL-USD", "USDC-EUR", "ETH-USDC")
FUTURES: Final = (FUTURE, FUTURE, PERPETUAL, "BTC-USD")
NAMES: Final = (None, None, "grid", "momo")
# Orders, and their life at Coinbase, in a connected world or not.
ASKED: Final = {
    "ask": 20,
    "again": 3,
    "twin": 3,
    "edit": 4,
    "release": 2,
    "arrive": 8,
    "fill": 8,
    "cancel": 4,
    "late": 2,
    "fill_row": 3,
}
PRICED: Final = {"tick": 12, "quote": 10, "home": 3, "jump": 1, "wide": 1}
LIVE: Final = {
    "answer": 12,
    "feed": 1,
    "mend": 3,
    "picture": 1,
    "confirm": 1,
    "unconfirmed": 1,
    "listing": 1,
    "moment": 4,
}


def library(
    *, cash: object = "100000", keep: Any = None, settings: Settings = FOREVER, **limits: Any
) -> World:
    """A manager of the plain library with all products, and a price of each."""
    world = World(products=LISTED, cash=cash, keep=keep, settings=settings, **limits)
    for book, price in (
        ("EUR-USD", "1.25"),
        ("ETH-BTC", "0.03125"),
        ("SOL-USD", 100),
        (PERPETUAL, 2000),
    ):
        world.quote(book, price)
    return world


def connected(
    *, settings: Settings | None = None, keep: Any = None, also: Any = None, **limits: Any
) -> World:
    """A connected manager with its first picture."""
    chosen = settings or Settings(connected=True)
    world = World(products=(), settings=chosen, keep=keep, **limits)
    world.send(ev.ProductsListed, products=LISTED)
    pictured(world, held=1, also={"ETH": 8, "USDC": 1000, "EUR": 500} | (also or {}))
    for book in QUOTED:
        world.quote(
            book,
            {
                "EUR-USD": "1.25",
                "ETH-BTC": "0.03125",
                "USDC-EUR": "0.8",
                "SOL-USD": 100,
                "BTC-USD": 64_000,
                FUTURE: 64_000,
            }.get(book, 2_000),
        )
    return world


# --- Orders and limits, in the plain library ------------------------------------------------------------

ORDER_LIMITS: Final[dict[str, Any]] = {
    "min_order_size": "0.001", "max_order_size": 8, "max_order_notional": 64_000, "price_collar": "0.05",
    "max_order_rate": {"count": 5, "window_s": 10}, "duplicate_order": {"count": 2, "window_s": 10},
    "max_notional_in": {"usd": 96_000, "window_s": 30}, "max_open_orders": 8, "max_quote_age_s": 30,
    "product": {"BTC-USD": {"max_order_size": "0.5", "max_open_orders": 5, "max_order_rate": {"count": 3, "window_s": 5}}},
    "strategy": {"grid": {"max_order_notional": 6400, "max_open_orders": 3, "price_collar": "0.01", "no_adding": True}},
    "shadow": {"max_order_notional": 6400, "max_order_rate": {"count": 2, "window_s": 5}, "max_daily_loss": "0.01"},
}  # fmt: skip


def orders_one_by_one() -> None:
    """Sizes, notional, collars, rates, repeats."""
    world = library(**ORDER_LIMITS)
    Walk(world, 11, products=COINS, strategies=NAMES).run(420, **ASKED | PRICED, reload=1, fees=1)


def orders_of_every_kind() -> None:
    """No limit but Coinbase's: funds, increments, flags, own orders in the way; lapses after 10 s."""
    world = library(
        settings=Settings(), block_products=["SOL-USD"], market_order_slippage="0.05", cash=20_000
    )
    world.balance("EUR", 5_000)
    world.balance("ETH", 8)
    walk = Walk(world, 12, products=MIXED, strategies=NAMES)
    walk.run(
        400,
        **ASKED | PRICED,
        relist=3,
        relisted=4,
        fees=1,
        reading=1,
        old_quote=1,
        moment=2,
        strange=14,
        disk=1,
    )


def edits() -> None:
    """Orders that are edited again and again, filled in part, until not a dollar is free; only some may reduce."""
    world = library(cash=64_000, max_position_size=4, max_open_orders=8, max_quote_age_s=600)
    world.balance("ETH", 8)
    kinds = ("limit_limit_gtc", "limit_limit_gtc", "stop_limit_stop_limit_gtc", "market_quote")
    walk = Walk(
        world, 14, products=("BTC-USD", "BTC-USD", "ETH-BTC"), kinds=kinds, near=(-1, 0, 0, 0), steps=(0,), waits=(0, 1)
    )  # fmt: skip
    verbs: dict[str, int] = {
        "ask": 10,
        "edit": 24,
        "arrive": 14,
        "fill": 6,
        "cancel": 4,
        "operate": 1,
        "resume": 5,
        "quote": 2,
    }
    walk.run(360, **verbs, tick=4, again=2, trade=1, reading=1, release=1)


def exposure() -> None:
    """Positions, gross, net, leverage, concentration; coin pairs, euros, a coin that is kept."""
    limits: dict[str, Any] = {
        "max_position_size": "1.5", "max_position_notional": 96_000, "max_gross_exposure": 128_000, "max_net_exposure": 112_000,
        "max_leverage": "1.28", "max_concentration": "0.96", "max_quote_age_s": 90, "no_adding": False,
        "product": {"ETH-USD": {"max_position_size": 32, "max_position_notional": 32_000}},
        "strategy": {"grid": {"max_position_size": "0.5", "max_gross_exposure": 32_000, "max_net_exposure": 16_000}},
        "shadow": {"max_leverage": "0.64", "max_concentration": "0.32", "max_net_exposure": 64_000},
    }  # fmt: skip
    world = library(keep={"ETH": D(2)}, **limits)
    world.balance("EUR", 8_000)
    world.balance("BTC", "0.5")
    world.balance("ETH", 8)
    walk = Walk(
        world,
        13,
        products=(*MIXED, *COINS),
        strategies=NAMES,
        limits=[limits, limits | {"no_adding": True}],
    )
    walk.run(
        420, **ASKED | PRICED, trade=2, reading=2, transfer=1, other_limits=1, reload=1, pardon=1
    )


# --- Losses ------------------------------------------------------------------------------------------------

FALLS: Final = {"quote": 16, "tick": 8, "stand": 6, "jump": 2, "home": 2, "trade": 6, "ask": 6, "arrive": 3, "fill": 3, "transfer": 1, "reading": 2,
                "reset": 1, "long_wait": 1, "resume": 2, "pardon": 3, "check": 2, "reload": 1, "wide": 1, "moment": 2}  # fmt: skip
LOSS_LIMITS: Final[dict[str, Any]] = {
    "max_daily_loss": "0.02", "max_drawdown": "0.05", "max_cumulative_loss": "0.25", "max_quote_age_s": 600,
    "product": {"BTC-USD": {"max_daily_loss": "640 USD"}, "ETH-USD": {"max_daily_loss": "0.01"}},
    "strategy": {"grid": {"max_daily_loss": "0.01"}}, "shadow": {"max_daily_loss": "0.01", "max_drawdown": "1280 USD"},
}  # fmt: skip


def losses_as_ratios() -> None:
    """A day's loss, a drawdown, and what products and strategies may lose."""
    walk = Walk(library(**LOSS_LIMITS), 21, products=COINS, strategies=NAMES)
    walk.run(330, **FALLS)


def losses_in_dollars() -> None:
    """The same in money; orders that add are left as they are; equity is small for a while."""
    limits: dict[str, Any] = {
        "max_daily_loss": "1280 USD", "max_drawdown": "3200 USD", "max_cumulative_loss": "16000 USD", "min_equity": 20_000,
        "on_loss": "nothing", "max_quote_age_s": 600,
    }  # fmt: skip
    walk = Walk(
        library(cash=50_000, **limits),
        22,
        products=COINS,
        strategies=NAMES,
        limits=[limits, LOSS_LIMITS],
    )
    walk.run(300, **FALLS | {"other_limits": 1, "transfer": 2})


def losses_live() -> None:
    """Connected: losses are confirmed over REST, late or never; books go stale."""
    limits = LOSS_LIMITS | {
        "max_mark_age_s": 20,
        "stale_confirm_s": 30,
        "max_cumulative_loss": "0.2",
        "max_quote_age_s": 60,
    }
    world = connected(**limits)
    walk = Walk(world, 23, products=COINS, strategies=NAMES, steps=(-2, -1, 0, 1, 1))
    walk.run(460, **FALLS | LIVE | {"wide": 6, "stranger": 2, "all_prices": 6, "start": 1})


def shocks() -> None:
    """Prices that move too fast; one product is sold off."""
    shock = {"max_move": "0.1", "window_s": 10, "lockout_s": 60, "max_loss_from_entry": "0.2"}
    limits: dict[str, Any] = {
        "price_shock": shock,
        "product": {"ETH-USD": {"price_shock": shock | {"action": "flatten", "max_move": "0.2"}}},
    }
    world = connected(**limits)
    walk = Walk(
        world,
        24,
        products=("BTC-USD", "ETH-USD", "ETH-USD"),
        strategies=NAMES,
        steps=(-5, -2, -1, 0, 1, 2, 5),
        waits=(0.5, 1, 1, 1, 2, 9, 10),
    )
    walk.run(
        420,
        **LIVE
        | {
            "quote": 24,
            "tick": 14,
            "jump": 4,
            "home": 2,
            "ask": 6,
            "arrive": 4,
            "trade": 3,
            "resume": 2,
            "start": 1,
            "wide": 2,
            "pardon": 2,
        },
    )


def shocks_sold() -> None:
    """Every product that moves too fast is sold off, several at a time."""
    shock = {"max_move": "0.1", "window_s": 10, "lockout_s": 60, "action": "flatten"}
    world = connected(price_shock=shock, also={"SOL": 20})
    products = ("BTC-USD", "ETH-USD", "SOL-USD")
    walk = Walk(
        world, 25, products=products, steps=(-10, -1, 0, 1, 10), waits=(0.5, 1, 1, 5, 10, 30, 61)
    )
    walk.run(
        300,
        answer=40,
        quote=16,
        jump=6,
        tick=12,
        moment=10,
        trade=4,
        mend=3,
        pardon=1,
        ask=2,
        start=1,
        resume=1,
    )


# --- Value at risk -----------------------------------------------------------------------------------------


def risk_of(seed: int, model: ModelSettings, steps: int, **fields: Any) -> Walk:
    settings = Settings(
        reservation_life=timedelta(days=1), risk=RiskSettings(model=model, **fields)
    )
    limits: dict[str, Any] = {
        "max_var": "0.03", "max_expected_shortfall": "0.04", "max_stress_loss": "0.3", "max_quote_age_s": 90,
        "shadow": {"max_var": "0.01", "max_stress_loss": "0.1"},
    }  # fmt: skip
    world = library(settings=settings, **limits)
    world.balance("EUR", 5_000)
    for book in ("BTC-USD", "ETH-USD", "EUR-USD"):
        tell_closes(
            world,
            book,
            phase_of(book),
            last=float({"BTC-USD": 64_000, "ETH-USD": 2_000, "EUR-USD": 1}[book]),
        )
    walk = Walk(
        world,
        seed,
        products=("BTC-USD", "ETH-USD", "ETH-BTC", FUTURE, "BTC-EUR", "SOL-USD"),
        strategies=NAMES,
    )
    walk.run(steps, **ASKED | PRICED, trade=5, closes=7, long_wait=1, reload=1, fees=1)
    return walk


def phase_of(book: str) -> list[float]:
    """A year's moves of a book, not those of another."""
    return wave(250, phase=float(len(book) + ord(book[0]) % 7))


def risk() -> None:
    """By the default model."""
    risk_of(31, ModelSettings(), 150)


def risk_by_other_models() -> None:
    """Each model for a while, and other policies where the history is short."""
    for number, name in enumerate(get_args(ModelName)):
        model = ModelSettings(model=name, confidence=Decimal("0.975"), simulations=200)
        short: ShortHistory = ("refuse", "proxy", "floor")[number % 3]
        policy = ReturnsPolicy(length=200, minimum=60, short_history=short)
        risk_of(
            32 + number, model, 26, policy=policy, proxies={"SOL": "ETH"}, stress_window=number % 4
        )


# --- Futures -------------------------------------------------------------------------------------------------

WALLET: Final = {"contracts": 4, "wallet": 5, "paid_funding": 3, "reading": 2, "close": 4}


def futures() -> None:
    """Contracts, margin, sessions, funding, in the plain library."""
    limits: dict[str, Any] = {
        "min_liquidation_buffer": 100, "max_position_size": 1, "max_leverage": "1.5", "max_daily_loss": "0.03", "max_quote_age_s": 90,
        "product": {FUTURE: {"max_order_size": 25, "max_position_notional": 32_000}},
    }  # fmt: skip
    world = funded(library(**limits), 10_000)
    walk = Walk(world, 41, products=FUTURES, strategies=NAMES)
    walk.run(
        420,
        **ASKED | PRICED | WALLET,
        relist=2,
        relisted=3,
        pardon=2,
        trade=5,
        reload=1,
        resume=1,
        long_wait=1,
    )


def futures_live() -> None:
    """The same connected: frames, readings, what cannot be read."""
    world = connected(max_daily_loss="0.05", min_liquidation_buffer=100)
    walk = Walk(world, 42, products=FUTURES, strategies=NAMES)
    walk.run(
        420,
        **ASKED | PRICED | WALLET | LIVE,
        trade=5,
        relist=1,
        relisted=2,
        pardon=3,
        elsewhere=1,
        stranger=2,
        start=1,
        resume=1,
    )


# --- What Coinbase tells of orders ----------------------------------------------------------------------------

TOLD: Final = {
    "pardon": 2,
    "stranger": 4,
    "vanish": 1,
    "implausible": 2,
    "trade": 2,
    "start": 1,
    "operate": 1,
    "resume": 2,
    "reading": 2,
}


def orders_live() -> None:
    """Approved orders as they come, late, twice, edited; approvals that lapse."""
    walk = Walk(
        connected(max_open_orders=8, max_daily_loss="0.05"), 51, products=COINS, strategies=NAMES
    )
    walk.run(460, **ASKED | PRICED | LIVE | TOLD)


def unapproved_cancelled() -> None:
    """Orders of nobody are cancelled, but for those that reduce."""
    world = connected(settings=Settings(connected=True, unapproved="cancel"))
    walk = Walk(world, 52, products=(*COINS, FUTURE), strategies=NAMES, waits=(0, 1, 5, 30))
    walk.run(380, **ASKED | PRICED | LIVE | TOLD | {"stranger": 24, "ask": 8})


def unapproved_reduce_only() -> None:
    """Orders of nobody stop all that add."""
    settings = Settings(
        connected=True,
        unapproved="reduce_only",
        strategies="listed",
        named_strategies=frozenset({"grid"}),
    )
    walk = Walk(connected(settings=settings), 53, products=COINS, strategies=NAMES)
    walk.run(360, **ASKED | PRICED | LIVE | TOLD | {"implausible": 6})


def hardly_so() -> None:
    """Frames that can hardly be so, beside quotes of just that age."""
    walk = Walk(
        connected(), 54, products=COINS, strategies=NAMES, waits=(0, 1, 2, 15, 30, 59, 60, 60, 60)
    )
    walk.run(
        180,
        implausible=16,
        tick=12,
        all_prices=8,
        answer=8,
        mend=4,
        moment=3,
        ask=2,
        vanish=1,
        fill=2,
        stranger=2,
    )


# --- Flattening ------------------------------------------------------------------------------------------------

SOLD: Final = {"answer": 40, "tick": 8, "moment": 8, "all_prices": 8, "ask": 4, "arrive": 3, "stranger": 2, "fill": 2, "relist": 3, "pardon": 1, "relisted": 2, "resume": 2, "trade": 3,
               "start": 1, "operate": 1, "flatten": 4, "reset": 1, "listing": 1, "check": 1}  # fmt: skip


def flattened() -> None:
    """The account is sold, with refusals, doubts and parts, over and over."""
    walk = Walk(
        connected(),
        61,
        products=(*COINS, FUTURE),
        strategies=(None,),
        waits=(0, 0.5, 1, 2, 5, 10, 30, 61),
    )
    walk.run(480, **SOLD)


def flattened_in_part() -> None:
    """A coin is kept, another may not be sold; an account that lost too much; contracts."""
    settings = Settings(
        connected=True,
        liquidation_assets=frozenset({"BTC", FUTURE, "ETH"}),
        may_flatten=frozenset({"maker"}),
    )
    world = connected(
        settings=settings,
        keep={"ETH": D(4), "EUR": None},
        also={"SOL": 20},
        max_cumulative_loss="0.1",
    )
    walk = Walk(
        world,
        62,
        products=(*MIXED, FUTURE, FUTURE),
        strategies=(None, "grid"),
        waits=(0, 1, 2, 5, 10, 31),
    )
    walk.run(480, **SOLD | {"jump": 3, "home": 3, "bot": 3, "contracts": 2})


def flattened_by_hand() -> None:
    """In the plain library: the caller's facts are the readings."""
    world = library(max_cumulative_loss="0.1", cash=50_000)
    walk = Walk(world, 63, products=(*COINS, FUTURE), strategies=(None, "grid"))
    walk.run(
        360,
        **{name: each for name, each in SOLD.items() if name != "start"}
        | {"jump": 4, "home": 2, "check": 8, "trade": 8, "reload": 1, "pardon": 6},
    )


# --- Feeds, bots, operators, currencies --------------------------------------------------------------------------


def feeds() -> None:
    """Feeds are lost and come back, readings fail, clocks differ, processes die."""
    world = connected(max_daily_loss="0.1", max_mark_age_s=30)
    walk = Walk(world, 71, products=COINS, strategies=NAMES)
    verbs = {
        "feed": 8,
        "fail": 2,
        "start": 3,
        "clocks": 3,
        "disk": 2,
        "reconciled": 4,
        "reading": 4,
        "old_quote": 2,
        "stop": 1,
        "long_wait": 1,
        "pardon": 2,
    }
    walk.run(
        460,
        **LIVE
        | {
            "ask": 8,
            "arrive": 4,
            "fill": 3,
            "tick": 12,
            "all_prices": 8,
            "quote": 4,
            "stranger": 1,
            "contracts": 2,
        }
        | verbs,
    )


def bots_and_operators() -> None:
    """Bots come and go, with their wills; operators halt, resume, flatten."""
    settings = Settings(
        connected=True, may_flatten=frozenset({"maker"}), bot_uids={"grid": frozenset({7})}, strategy_uids={"momo": frozenset({8})}
    )  # fmt: skip
    world = connected(settings=settings, max_order_rate={"count": 5, "window_s": 10})
    walk = Walk(world, 72, products=COINS, strategies=NAMES, waits=(0, 1, 5, 10, 29, 30, 35, 36))
    walk.run(
        440,
        **LIVE
        | {
            "bot": 20,
            "pardon": 4,
            "ask": 14,
            "arrive": 8,
            "tick": 14,
            "operate": 6,
            "resume": 3,
            "all_prices": 10,
            "stranger": 2,
            "release": 3,
            "edit": 3,
        },
    )


def currencies() -> None:
    """USDC and its peg, euros, coins of unknown price, transfers in doubt."""
    world = connected(also={"USDT": 100, "NEW": 5}, max_daily_loss="0.05", keep={"USDC": D(100)})
    products = ("USDT-USD", "USDT-USDC", "BTC-USDC", "USDC-EUR", "BTC-EUR", "EUR-USD")
    walk = Walk(
        world,
        73,
        products=products,
        strategies=(None,),
        steps=(-1, 0, 0, 1),
        waits=(1, 1, 3, 10, 20),
    )
    walk.run(
        200,
        **LIVE
        | {
            "quote": 30,
            "all_prices": 14,
            "tick": 20,
            "reading": 4,
            "transfer": 3,
            "ask": 8,
            "arrive": 3,
            "fill": 3,
            "elsewhere": 1,
            "wide": 3,
            "pardon": 2,
        },
    )
    for percent in (-4, -4, -1, 0):
        walk.level["USDT-USD"] = percent
        for _ in range(22):
            walk.world.wait(1)
            walk._tell_price("USDT-USD")
            walk._tell_price("USDT-USDC")
        walk.run(12, ask=3, reading=2, transfer=1, answer=3)


# --- An account that Coinbase tells of, late ---------------------------------------------------------------------


def told_late(seed: int, steps: int, habits: Habits) -> None:
    """Trades, transfers, sweeps and funding, and readings that lag behind them."""
    random = Random(seed)
    held = {
        "USD": D(50_000),
        "USDC": D(5_000),
        "BTC": D(1),
        "ETH": D(10),
        "futures wallet": D(20_000),
    }
    coinbase = Coinbase(
        habits, held, max_daily_loss="0.25", max_drawdown="0.3", max_cumulative_loss="0.6"
    )
    choices: list[list[tuple[Any, ...]]] = [
        [("price", key, f) for key in ("BTC", "ETH", FUTURE) for f in ("0.8", "0.93", "0.98", "1.03", "1.3")],
        [("trade", key, share, name) for key in ("BTC", "ETH", FUTURE) for share in ("-0.5", "0.1", "0.4") for name in (None, "grid")],
        [("flow", asset, share) for asset in ("USD", "USDC", "BTC", "ETH") for share in ("-0.95", "-0.3", "0.07", "0.5")],
        [("sweep", "futures wallet", usd, lags) for usd in ("-8000", "150.5", "3000") for lags in ((None, None), (3, 30), (60, 0))],
        [("sweep", "USDC", usd, (None, None)) for usd in ("-7000", "2500")],
        [("funding", "-40.12"), ("funding", "25.5")],
        [("lose", "BTC", "0.08"), ("lose", "ETH", "0.15")],
        [("book", key, state) for key in ("BTC", "ETH", FUTURE) for state in ("good", "good", "wide", "quiet", "gone")],
        [("feed", False), ("feed", True), ("feed", True), ("rest", False), ("rest", True), ("rest", True)],
        [("tick", "BTC", "0.5", 1)],
    ]  # fmt: skip
    for _ in range(steps):
        among = random.choice(choices)
        act(coinbase, random.choice(among))
        coinbase.run(random.choice((0, 0.5, 1, 2, 5, 12)))


def late_account() -> None:
    told_late(
        81,
        40,
        Habits(
            lags={"USD": 4, "USDC": 4, "BTC": 1, "futures wallet": 20, FUTURE: 1},
            fill_frame_s=0.5,
            prints=True,
        ),
    )


def later_account() -> None:
    """All wallets lag; REST confirms no price, and funding is a running figure."""
    habits = Habits(
        lags={"USD": 20, "USDC": 20, "ETH": 4, FUTURE: 4}, wallet_frame_s=2, confirms=False, funding_fills=False
    )  # fmt: skip
    told_late(82, 40, habits)


def prompt_account() -> None:
    """No wallet lags; the futures wallet has no frames."""
    told_late(83, 46, Habits(wallet_frame_s=None, prints=True))


def moved_dollars() -> None:
    """Readings show each side of a sweep at another time; funding is told late."""
    lags: dict[str, float] = {"USD": 1, "USDC": 1, "futures wallet": 20}
    told_late(84, 32, Habits(lags=lags, fill_frame_s=2, cadence_s=0.5, funding_told_s=90))


# --- Worlds of other tests, and limits near their edges -------------------------------------------------------------


def worlds() -> None:
    """States of an account, reached in order, then each in another process; some are on the way to others."""
    for lived in WORLDS:
        if lived.__name__ in {"trading", "troubled", "depegged", "flattening"}:
            continue
        world = other_process(lived())
        walk = Walk(world, 91)
        walk.run(16, tick=3, quote=3, ask=2, picture=2, feeds_up=1, answer=2, moment=2)


def edges() -> None:
    """Losses to the next five dollars; an order that just passes, and one that just does not: last, so a new one adds lines."""
    for code, limits in LOSSES.values():
        world = World(**limits)
        traded(world)
        price = edge(world, code, 1000)
        for change in (5, 0, -5, 4_000):
            world.stand("BTC-USD", price + change)
        world.wait(61)
        world.send(ev.ResumeRequested, reason="because")
    for limits, near, inside, beyond in EDGES.values():
        world = World(**limits)
        near(world)
        for each in (inside, beyond, inside, beyond):
            each(world)


HISTORIES: Final[dict[str, Callable[[], None]]] = {
    one.__name__: one
    for one in (
        orders_one_by_one, orders_of_every_kind, edits, exposure, losses_as_ratios, losses_in_dollars, losses_live, shocks, shocks_sold, risk, risk_by_other_models, futures,
        futures_live, orders_live, unapproved_cancelled, unapproved_reduce_only, hardly_so, flattened, flattened_in_part, flattened_by_hand, feeds,
        bots_and_operators, currencies, late_account, later_account, prompt_account, moved_dollars, worlds, edges,
    )
}  # fmt: skip
