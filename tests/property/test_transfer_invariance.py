"""Money that comes or goes is no PnL: it moves no loss ratio, no latch and no episode. What moves within the
pot of cash moves nothing at all. A fund's own bookkeeping of the same history (tests/fund.py) says what every
ratio must be.
"""

from fractions import Fraction
from typing import Any

from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests.account_steps import (
    HOLDINGS,
    act,
    close,
    conversions,
    figures,
    flows,
    fundings,
    habits,
    latches,
    moves,
    of_the_fund,
    ratios,
    sweeps,
    trades,
)  # fmt: skip
from tests.scenario import FUTURE
from tests.telling import FUT, RECONCILE_S, Coinbase, Habits

LIMITS: dict[str, Any] = {
    "max_daily_loss": "0.10", "max_weekly_loss": "0.10", "max_monthly_loss": "0.15", "max_loss_in": [{"window": "4h", "limit": "0.11"}],
    "max_drawdown": "0.12", "max_cumulative_loss": "0.25",
    "product": {"BTC-USD": {"max_daily_loss": "0.05"}}, "strategy": {"grid": {"max_daily_loss": "0.04", "max_weekly_loss": "0.05"}},
}  # fmt: skip
EXACT = Fraction(1, 10**25)  # of a ratio: bases are rounded at 64 digits
SPAN_EXACT = Fraction(1, 10**12)
SETTLED_S = 2 * RECONCILE_S + 40  # wallets that lag have been read, and read again


@settings(max_examples=settings().max_examples // 2)  # dear; soak runs the long form
# A sweep was a transfer for a while: what BTC lost later is a share of the account as at the last real one.
@example(
    Habits(lags={"ETH": 20, FUTURE: 4, "USD": 1, "USDC": 1, "BTC": 1}, wallet_frame_s=None),
    [
        ("price", "ETH", "1.3"), ("trade", "BTC", "0.1", None), ("sweep", FUT, "-1234.56", (28, 0)),
        ("price", "BTC", "0.93"),
    ],
)  # fmt: skip
@given(habits, st.lists(moves | trades | flows | sweeps | conversions | fundings, max_size=10))
def test_a_transfer_at_a_standing_price_moves_no_ratio_latch_or_episode(habits, steps):
    """From the moment before it, over its first reading, to after it is confirmed; whatever was lost,
    traded, swept and transferred before. And each ratio is that of a fund.
    """
    coinbase = Coinbase(habits, HOLDINGS, **LIMITS)
    for step in steps:
        before, held, told = ratios(coinbase), latches(coinbase), figures(coinbase)
        did = act(coinbase, step)
        if step[0] in ("flow", "sweep"):
            for _ in range(SETTLED_S if did else 0):
                coinbase.run(1)
                if told != (told := figures(coinbase)):
                    assert close(ratios(coinbase), before, EXACT), step
                assert latches(coinbase) == held
                assert coinbase.sold_at is None
            assert not coinbase.world.tracker.wallets.in_doubt
        elif did:
            coinbase.run(SETTLED_S)
        if coinbase.sold_at is not None:
            return
        assert close(ratios(coinbase), of_the_fund(coinbase), SPAN_EXACT), step
