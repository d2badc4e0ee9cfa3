"""Money that comes or goes is no PnL: it moves no loss ratio, no latch and no episode. What moves within the
pot of cash moves nothing at all. A fund's own bookkeeping of the same history (tests/fund.py) says what every
ratio must be.
"""

from fractions import Fraction
from typing import Any

from hypothesis import given
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
from tests.telling import RECONCILE_S, Coinbase

LIMITS: dict[str, Any] = {
    "max_daily_loss": "0.10", "max_drawdown": "0.12", "max_cumulative_loss": "0.25",
    "product": {"BTC-USD": {"max_daily_loss": "0.05"}}, "strategy": {"grid": {"max_daily_loss": "0.04"}},
}  # fmt: skip
EXACT = Fraction(1, 10**25)  # of a ratio: bases are rounded at 64 digits
SPAN_EXACT = Fraction(1, 10**12)
# A sweep whose sides are read far apart is a transfer until it is taken back: losses of keys and strategies before
# and after it are shares of the account as it was at its own time, not at the last transfer.
SPLIT_EXACT = Fraction(1, 1000)
SETTLED_S = 2 * RECONCILE_S + 40  # wallets that lag have been read, and read again


@given(habits, st.lists(moves | trades | flows | sweeps | conversions | fundings, max_size=10))
def test_a_transfer_at_a_standing_price_moves_no_ratio_latch_or_episode(habits, steps):
    """From the moment before it, over its first reading, to after it is confirmed; whatever was lost,
    traded, swept and transferred before. And each ratio is that of a fund.
    """
    coinbase, was_split = Coinbase(habits, HOLDINGS, **LIMITS), False
    for step in steps:
        transfers = coinbase.world.tracker.transfers
        before, held, told = ratios(coinbase), latches(coinbase), figures(coinbase)
        did = act(coinbase, step)
        if step[0] in ("flow", "sweep"):
            for _ in range(SETTLED_S if did else 0):
                coinbase.run(1)
                was_split |= step[0] == "sweep" and coinbase.world.tracker.transfers != transfers
                if told != (told := figures(coinbase)):
                    assert close(ratios(coinbase), before, EXACT), step
                assert latches(coinbase) == held
                assert coinbase.sold_at is None
            assert not coinbase.world.tracker.wallets.in_doubt
        elif did:
            coinbase.run(SETTLED_S)
        if coinbase.sold_at is not None:
            return
        assert close(*of_the_account(coinbase), SPAN_EXACT), step
        exact = SPLIT_EXACT if was_split else SPAN_EXACT
        assert close(ratios(coinbase), of_the_fund(coinbase), exact), step


def of_the_account(coinbase: Coinbase) -> tuple[dict[str, Any], dict[str, Any]]:
    """Ratios of the whole account, as told and by the fund."""
    told, fund = ratios(coinbase), of_the_fund(coinbase)
    names = ("daily", "cumulative", "drawdown")
    return {name: told[name] for name in names}, {name: fund[name] for name in names}
