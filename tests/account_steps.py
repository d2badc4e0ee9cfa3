"""What may happen to an account, drawn by Hypothesis and done to tests/telling.py: prices, trades, money that
moves, and what keeps Coinbase from telling it.
"""

from datetime import timedelta
from decimal import Decimal
from fractions import Fraction
from itertools import product
from math import prod
from typing import Any

from hypothesis import assume
from hypothesis import strategies as st

from sidecar.core.account import losses
from sidecar.core.account.losses import Loss
from sidecar.core.context.state import LOSSES
from sidecar.core.vocabulary.trading_day import LONG_PERIODS, PERIODS
from tests.fund import Flow
from tests.scenario import FUTURE, D
from tests.telling import FUT, POLL_S, STEP_S, Coinbase, Habits, Seen

Step = tuple[Any, ...]
Dates = dict[int, float | None]
SETTLES_S = 3 * POLL_S + STEP_S  # polled quotes that settle a price
FIRST_SETTLES_S = 3  # a price of what was not held is confirmed
DATINGS_MAX = 2_000
UNSETTLED_S = 45  # from its first reading on; with lags

LEFT = D(1_000)  # USD that stay in an account, far above what ratios need
HOLDINGS = {"USD": D(50_000), "USDC": D(5_000), "BTC": D(1), "ETH": D(10), FUT: D(20_000)}
WALLETS = ("USD", "USDC", "BTC", "ETH", FUT, FUTURE)
ROLLING = timedelta(hours=4)  # longer than any history
LATCHES = {*LOSSES, "NO_EQUITY", "LIQUIDATION"}

KEYS = ("BTC", "ETH", FUTURE)
keys = st.sampled_from(KEYS)
lags = st.fixed_dictionaries({name: st.sampled_from([0, 1, 4, 20]) for name in WALLETS}).map(
    lambda lags: lags | {"USDC": lags["USD"]}  # one system: neither row lags the other
)
habits = st.builds(
    Habits,
    lags=lags, fill_frame_s=st.sampled_from([0, 0.5, 2]), wallet_frame_s=st.sampled_from([0, 0.5, 2, None]),
    cadence_s=st.sampled_from([0.5, 1]), prints=st.booleans(), confirms=st.booleans(),
    funding_fills=st.booleans(),
)  # fmt: skip
falls = st.tuples(
    st.just("lose"), st.sampled_from(["BTC", "ETH", "BTC", "ETH", FUTURE]),
    st.sampled_from(["0.08", "0.15", "0.24", "0.26", "0.35", "0.6"]),
)  # fmt: skip
moves = st.tuples(st.just("price"), keys, st.sampled_from(["0.8", "0.93", "0.98", "1.03", "1.3"]))
trades = st.tuples(
    st.just("trade"), keys, st.sampled_from(["-0.5", "-0.1", "0.1", "0.4"]), st.sampled_from([None, "grid"])
)  # fmt: skip
flows = st.tuples(
    st.just("flow"), st.sampled_from(["USD", "USDC", "BTC", "ETH"]),
    st.sampled_from(["-0.95", "-0.3", "0.07", "0.5", "3"]),
)  # fmt: skip
late = st.tuples(st.sampled_from([None, 0, 3, 28, 60]), st.sampled_from([None, 0, 3, 30, 60]))
sums = st.sampled_from(["-8000", "-1234.56", "150.5", "3000"])
sweeps = st.tuples(st.just("sweep"), st.just(FUT), sums, late)
converted = st.sampled_from(["-7000", "-1234.56", "150.5", "2500"])
conversions = st.tuples(st.just("sweep"), st.just("USDC"), converted, st.just((None, None)))
fundings = st.tuples(st.just("funding"), st.sampled_from(["-40.12", "25.5"]))


def grid(amount: Decimal, unit: str) -> Decimal:
    """Whole units of it."""
    return amount // D(unit) * D(unit)


def act(coinbase: Coinbase, step: Step) -> bool:
    """Let one thing happen, if the account allows it."""
    match step:
        case ("price", key, factor):
            price = grid(coinbase.prices[key] * D(factor), "5")
            coinbase.price(key, max(price, D(5)))
        case ("lose", key, target):
            return lose(coinbase, key, Fraction(target))
        case ("trade", key, share, strategy):
            return trade(coinbase, key, D(share), strategy)
        case ("flow", asset, share):
            return flow(coinbase, asset, D(share)) is not None
        case ("sweep", source, dollars, lags):
            return sweep(coinbase, source, D(dollars), lags)
        case ("funding", dollars):
            if not coinbase.wallets[FUTURE].total:
                return False
            coinbase.pay_funding(D(dollars))
        case _:
            return hinder(coinbase, step)
    return True


def lose(coinbase: Coinbase, key: str, target: Fraction) -> bool:
    """Let a price move until so much of the account is lost, if one price can do that."""
    fund = coinbase.fund()
    if not fund.held[key] or fund.loss >= 1:
        return False
    change = fund.worth * (target - fund.loss) / (fund.loss - 1) / fund.held[key]
    price = fund.prices[key] + change
    if not fund.prices[key] / 20 < price < fund.prices[key] * 20:
        return False
    coinbase.price(key, grid(D(float(price)), "0.01"))
    return True


def is_unsettled(coinbase: Coinbase) -> bool:
    """Whether a flow may still be unread, in doubt, or waiting for its second reading."""
    flows = coinbase.flows.values()
    return any(one.first is None or coinbase.t < one.first + UNSETTLED_S for one in flows)


def datings(coinbase: Coinbase, since: float) -> list[Dates]:
    """Every way to date the flows that nobody can date: at their own time, at any fact from the last reading that
    lacked them to the first that has them, or once a price has settled where these are polled; one that no
    reading had shown by `since` may also count for nothing. Flows of one wallet that came before the first of them was booked are
    one to the books.
    """
    choices: dict[int, list[float | None]] = {}
    facts = [fact.at for fact in coinbase.history if not isinstance(fact, Flow)]
    known = {fact.serial: fact.at for fact in coinbase.history if isinstance(fact, Flow)}
    for serial, at in known.items():
        seen = coinbase.flows[serial]
        firsts = [_shown(one) for one in coinbase.flows.values() if _may_be_one(seen, one)]
        unread = seen.first is None or seen.first > since
        last = max((one for one in firsts if one is not None), default=coinbase.t)
        if seen.polled:
            last += SETTLES_S
        elif not coinbase.opening[1].get(seen.wallet) and seen.wallet in ("BTC", "ETH"):
            last += FIRST_SETTLES_S  # a coin that nobody held has no price of before that would be surer
        # A reading that lags may have lacked it for a while.
        before = seen.before if seen.earliest is None else seen.earliest
        meanwhile = [one for one in facts if min(at, before) <= one <= last]
        if unread or meanwhile:
            told = (one - STEP_S / 4 for one in (before, *meanwhile))  # just before each
            choices[serial] = list({at, *told, *firsts, last, *([None] if unread else [])})
    assume(prod(len(dates) for dates in choices.values()) <= DATINGS_MAX)
    return [dict(zip(choices, dates, strict=True)) for dates in product(*choices.values())]


def _may_be_one(seen: Seen, other: Seen) -> bool:
    """Whether a flow is another one, or came to its wallet while that was not booked yet."""
    is_near = seen.first is not None and other.before <= seen.first + UNSETTLED_S
    return other is seen or (other.wallet == seen.wallet and is_near)


def _shown(seen: Seen) -> float | None:
    """Just before the facts that were told with the first reading that shows it: these came after that."""
    return None if seen.first is None else seen.first - STEP_S / 4


def uniform_datings(coinbase: Coinbase) -> tuple[Dates, Dates]:
    """All flows that were read, at the readings before them, and at their first; others count for nothing. A
    coin that was not held had no price at the reading before: that is its first, too.
    """
    seen = coinbase.flows
    late = {number: _shown(one) for number, one in seen.items()}
    held = {"USD", "USDC", *(asset for asset, units in coinbase.opening[1].items() if units)}
    early = {
        number: one.before - STEP_S / 4 if late[number] and one.wallet in held else late[number]
        for number, one in seen.items()
    }
    return early, late


def hinder(coinbase: Coinbase, step: Step) -> bool:
    """Let something keep Coinbase from telling the account as it is."""
    match step:
        case ("book", key, state):
            coinbase.books[key] = state
        case ("tick", key, factor, seconds):
            return coinbase.bad_tick(key, grid(coinbase.prices[key] * D(factor), "5"), seconds)
        case ("feed", up):
            coinbase.feed(up=up)
        case ("rest", up):
            coinbase.rest(up=up)
        case _:
            raise AssertionError(step)
    return True


def trade(coinbase: Coinbase, key: str, share: Decimal, strategy: str | None) -> bool:
    """Buy for a share of the cash, or sell a share of what is held; contracts may be short."""
    if key == FUTURE:
        coinbase.trade(key, D(int(share * 40)), strategy=strategy)
        return True
    room = (
        coinbase.wallets["USD"].total / coinbase.prices[key]
        if share > 0
        else coinbase.wallets[key].total
    )
    size = grid(max(room, D(0)) * abs(share), "0.001") * (1 if share > 0 else -1)
    if not size:
        return False
    coinbase.trade(key, size, strategy=strategy)
    return True


def flow(coinbase: Coinbase, asset: str, share: Decimal) -> int | None:
    """Deposit or withdraw a share of what is there; None where too little would be left."""
    total = coinbase.wallets[asset].total
    unit = "0.01" if asset in ("USD", "USDC") else "0.00000001"
    amount = grid(abs(total * share) or D(1_000), unit) * (1 if share > 0 else -1)
    worth = amount * coinbase.prices.get(asset, D(1))
    if total + amount < 0 or coinbase.world.tracker.equity + worth < LEFT:
        return None
    return coinbase.flow(asset, amount)


def sweep(
    coinbase: Coinbase, source: str, dollars: Decimal, lags: tuple[float | None, float | None]
) -> bool:
    """Move dollars within the pot, where both wallets have them."""
    wallets = coinbase.wallets
    if min(wallets[source].total - dollars, wallets["USD"].total + dollars) < 0:
        return False
    coinbase.sweep(dollars, source=source, lags=lags)
    return True


# --- What the manager tells -----------------------------------------------------------------------


def figures(coinbase: Coinbase) -> dict[str, Loss]:
    """Every loss that the manager tells."""
    tracker = coinbase.world.tracker
    told = {
        "daily": losses.daily(tracker),
        "cumulative": losses.cumulative(tracker),
        "drawdown": losses.drawdown(tracker),
    }
    told["in 4h"] = losses.rolling(tracker, ROLLING)
    for name in LONG_PERIODS:
        told[name] = losses.within(tracker, name)
    for name in PERIODS:
        told |= {f"{name} {key}": losses.within(tracker, name, key=key) for key in KEYS}
        told[f"{name} grid"] = losses.within(tracker, name, strategy_id="grid")
    return told


def share_lost(loss: Loss) -> Fraction | None:
    if loss.base <= 0:
        return None
    lost = loss.usd if loss.weighted is None else loss.weighted
    return Fraction(lost) / Fraction(loss.base)


def ratios(coinbase: Coinbase) -> dict[str, Fraction | None]:
    """The same as shares."""
    return {name: share_lost(loss) for name, loss in figures(coinbase).items()}


def of_the_fund(coinbase: Coinbase) -> dict[str, Fraction]:
    """The same by the independent bookkeeping."""
    fund = coinbase.fund()
    found = {"cumulative": fund.loss, "drawdown": fund.drawdown}
    assert coinbase.t < ROLLING.total_seconds()
    found["in 4h"] = fund.drawdown
    for name in PERIODS:
        found[name] = fund.loss
        found |= {f"{name} {key}": fund.loss_of(fund.keys[key]) for key in KEYS}
        found[f"{name} grid"] = fund.loss_of(fund.strategies["grid"])
    return found


def latches(coinbase: Coinbase) -> list[Any]:
    """Causes of losses that are in force, and the windows that are latched."""
    manager = coinbase.world.manager
    causes = [
        (cause.code, cause.scope, cause.is_confirmed)
        for cause in manager.state.causes.values()
        if cause.code in LATCHES
    ]
    assert manager.tracker.windows is not None
    return [sorted(causes), sorted(manager.tracker.windows.latched)]


def close(one: dict[str, Any], other: dict[str, Any], within: Fraction) -> bool:
    return one.keys() == other.keys() and all(
        a is not None and b is not None and abs(a - b) <= within
        for a, b in ((one[name], other[name]) for name in one)
    )
