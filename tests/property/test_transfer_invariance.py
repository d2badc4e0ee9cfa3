"""Money that comes or goes is no PnL: it moves no loss ratio, no latch and no episode. What moves within the
pot of cash moves nothing at all. A fund's own bookkeeping of the same history (tests/fund.py) says what every
ratio must be.
"""

from decimal import Decimal
from fractions import Fraction
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from sidecar.core import losses
from sidecar.core.losses import Loss
from tests.scenario import FUTURE, D
from tests.telling import RECONCILE_S, Coinbase, Habits

LIMITS: dict[str, Any] = {
    "max_daily_loss": "0.10", "max_drawdown": "0.12", "max_cumulative_loss": "0.25",
    "product": {"BTC-USD": {"max_daily_loss": "0.05"}}, "strategy": {"grid": {"max_daily_loss": "0.04"}},
}  # fmt: skip
EXACT = Fraction(1, 10**25)  # of a ratio: bases are rounded at 64 digits
SPAN_EXACT = Fraction(1, 10**12)
SETTLED_S = 8  # prices are confirmed, frames have come
LEFT = D(1_000)  # USD that stay in an account, far above what ratios need
HOLDINGS = {"USD": D(50_000), "USDC": D(5_000), "BTC": D(1), "ETH": D(10), "futures wallet": D(20_000)}  # fmt: skip
LATCHES = {"DAILY_LOSS", "DRAWDOWN", "CUMULATIVE_LOSS", "NO_EQUITY", "LIQUIDATION"}

keys = st.sampled_from(["BTC", "ETH", FUTURE])
habits = st.builds(
    Habits,
    lags=st.fixed_dictionaries(
        {name: st.sampled_from([0, 1, 4, 20]) for name in ("USD", "USDC", "BTC", "ETH", "futures wallet", FUTURE)}
    ),
    fill_frame_s=st.sampled_from([0, 0.5, 2]), wallet_frame_s=st.sampled_from([0, 0.5, 2]),
    cadence_s=st.sampled_from([0.5, 1]), funding_fills=st.booleans(),
)  # fmt: skip
moves = st.tuples(st.just("price"), keys, st.sampled_from(["0.8", "0.93", "0.98", "1.03", "1.3"]))
trades = st.tuples(
    st.just("trade"), keys, st.sampled_from(["-0.5", "-0.1", "0.1", "0.4"]), st.sampled_from([None, "grid"])
)  # fmt: skip
flows = st.tuples(
    st.just("flow"), st.sampled_from(["USD", "USDC", "BTC", "ETH"]),
    st.sampled_from(["-0.95", "-0.3", "0.07", "0.5", "3"]),
)  # fmt: skip
sweeps = st.tuples(
    st.just("sweep"), st.sampled_from(["USD", "USDC"]), st.sampled_from(["-8000", "-1234.56", "150.5", "3000"])
)  # fmt: skip
fundings = st.tuples(st.just("funding"), st.sampled_from(["-40.12", "25.5"]))


def grid(amount: Decimal, unit: str) -> Decimal:
    """Whole units of it."""
    return amount // D(unit) * D(unit)


def act(coinbase: Coinbase, step: tuple[Any, ...]) -> bool:
    """Let one thing happen, if the account allows it."""
    match step:
        case ("price", key, factor):
            price = grid(coinbase.prices[key] * D(factor), "5")
            coinbase.price(key, max(price, D(5)))
        case ("trade", key, share, strategy):
            return trade(coinbase, key, D(share), strategy)
        case ("sweep", to, dollars):
            amount = D(dollars)
            source = "futures wallet" if to == "USD" else "USDC"
            if (
                min(coinbase.wallets[source].total - amount, coinbase.wallets["USD"].total + amount)
                < 0
            ):
                return False
            coinbase.sweep(amount, to=to)
        case ("funding", dollars):
            if not coinbase.wallets[FUTURE].total:
                return False
            coinbase.pay_funding(D(dollars))
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
    size = grid(room * abs(share), "0.001") * (1 if share > 0 else -1)
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


def share_lost(loss: Loss) -> Fraction | None:
    if loss.base <= 0:
        return None
    lost = loss.usd if loss.weighted is None else loss.weighted
    return Fraction(lost) / Fraction(loss.base)


def ratios(coinbase: Coinbase) -> dict[str, Fraction | None]:
    """Every loss ratio that the manager tells."""
    tracker = coinbase.world.tracker
    told = {
        "daily": losses.daily(tracker),
        "cumulative": losses.cumulative(tracker),
        "drawdown": losses.drawdown(tracker),
    }
    told |= {key: losses.daily(tracker, key=key) for key in ("BTC", "ETH", FUTURE)}
    told["grid"] = losses.daily(tracker, strategy_id="grid")
    return {name: share_lost(loss) for name, loss in told.items()}


def of_the_fund(coinbase: Coinbase) -> dict[str, Fraction]:
    """The same by the independent bookkeeping."""
    fund = coinbase.fund()
    found = {"daily": fund.loss, "cumulative": fund.loss, "drawdown": fund.drawdown}
    found |= {key: fund.loss_of(fund.keys[key]) for key in ("BTC", "ETH", FUTURE)}
    found["grid"] = fund.loss_of(fund.strategies["grid"])
    return found


def latches(coinbase: Coinbase) -> list[Any]:
    manager = coinbase.world.manager
    causes = [
        (cause.code, cause.scope, cause.is_confirmed)
        for cause in manager.state.causes.values()
        if cause.code in LATCHES
    ]
    assert manager.tracker.windows is not None
    return [sorted(causes), manager.tracker.windows.latched, coinbase.sold_at]


def close(one: dict[str, Any], other: dict[str, Any], within: Fraction) -> bool:
    return one.keys() == other.keys() and all(
        a is not None and b is not None and abs(a - b) <= within
        for a, b in ((one[name], other[name]) for name in one)
    )


@given(habits, st.lists(moves | trades | flows | sweeps | fundings, max_size=10))
def test_a_transfer_at_a_standing_price_moves_no_ratio_latch_or_episode(habits, steps):
    """From the moment before it, over its first reading, to after it is confirmed; whatever was lost,
    traded, swept and transferred before. And each ratio is that of a fund.
    """
    coinbase = Coinbase(habits, HOLDINGS, **LIMITS)
    for step in steps:
        before, held = ratios(coinbase), latches(coinbase)
        if step[0] == "flow":
            serial = flow(coinbase, step[1], D(step[2]))
            left = RECONCILE_S + 50 if serial is not None else 0
            while left and coinbase.sold_at is None:
                left -= 1
                coinbase.run(1)
                assert close(ratios(coinbase), before, EXACT), step
                assert latches(coinbase) == held
            assert not coinbase.world.tracker.wallets.in_doubt
        elif act(coinbase, step):
            coinbase.run(RECONCILE_S + 50)
        if coinbase.sold_at is not None:
            return
        assert close(ratios(coinbase), of_the_fund(coinbase), SPAN_EXACT), step
