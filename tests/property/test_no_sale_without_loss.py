"""No sale without loss: whatever Coinbase tells late, wrong or not at all, in any order and overlap, the account
is sold only where a fund's own bookkeeping of the true history (tests/fund.py) shows the loss.

Nobody can say on which side of a fall a flow came that lies between two readings. Then the loss counts where
both datings of the flows show it: at the last reading that lacked them, and at the first that has them.
"""

from fractions import Fraction
from typing import Any

from hypothesis import event, example, given
from hypothesis import strategies as st

from sidecar.core.guards.report_watch import CODE as IMPLAUSIBLE
from sidecar.core.vocabulary.actions import Alert
from tests.account_steps import (
    Step,
    act,
    conversions,
    falls,
    fundings,
    habits,
    keys,
    sweeps,
    trades,
    uniform_datings,
)
from tests.scenario import FUTURE, D
from tests.telling import FUT, Coinbase, Habits

LIMIT, FALL = Fraction("0.25"), Fraction("0.12")
LIMITS: dict[str, Any] = {
    "max_daily_loss": "0.10",
    "max_weekly_loss": "0.11",
    "max_monthly_loss": "0.12",
    "losing_streak": {"trades": 2, "cool_down": "1m"},
    "max_loss_in": [{"window": "4h", "limit": "0.12"}],
    "max_drawdown": "0.12",
    "max_cumulative_loss": "0.25",
    "stale_confirm_s": 60,
}
SEEN_S = 60  # the loss was there at some moment of so long before the sale
EXACT = Fraction(1, 10**20)
ACCOUNTS = (
    {"USD": D(5_000), "BTC": D("0.2")},
    {"USD": D(20_000), "USDC": D(5_000), "BTC": D(1), "ETH": D(20), FUT: D(20_000)},
    {"USD": D(1_000), "ETH": D(8)},
)

gaps = st.sampled_from([0, 0.5, 1, 2, 3, 5, 12, 30, 70])
moves = st.tuples(
    st.just("price"), keys, st.sampled_from(["0.5", "0.72", "0.8", "0.9", "1.12", "1.4", "2"])
)
flows = st.tuples(
    st.just("flow"), st.sampled_from(["USD", "USDC", "BTC", "ETH"]),
    st.sampled_from(["-0.95", "-0.5", "0.5", "3", "10"]),
)  # fmt: skip
books = st.tuples(st.just("book"), keys, st.sampled_from(["good", "good", "wide", "quiet", "gone"]))
ticks = st.tuples(
    st.just("tick"), keys, st.sampled_from(["0.3", "0.7", "1.5", "3"]), st.sampled_from([0.5, 1, 1.5])
)  # fmt: skip
outages = st.tuples(st.sampled_from(["feed", "rest"]), st.booleans())
histories = st.lists(
    st.tuples(
        falls
        | falls
        | flows
        | moves
        | flows
        | ticks
        | books
        | outages
        | trades
        | sweeps
        | conversions
        | fundings,
        gaps,
    ),
    min_size=3,
    max_size=14,
)


def is_shown(coinbase: Coinbase, sold_at: float) -> bool:
    """Whether the fund has lost so much shortly before, by every way of dating its flows or by the true one; or
    as one has that readings show half of a sweep of.
    """
    swept = coinbase.in_flight(sold_at)
    true, early, late = (
        max(coinbase.losses(dates, also).most(sold_at - SEEN_S, sold_at) for also in ((), swept))
        for dates in ({}, *uniform_datings(coinbase))
    )
    return max(true, min(early, late)) >= LIMIT - EXACT


# ETH leaves while nobody quotes it: what falls then is more of the rest.
LEFT_UNPRICED: list[tuple[Step, float]] = [
    (("book", "ETH", "gone"), 60),
    (("flow", "ETH", "-0.95"), 5),
    (("flow", "BTC", "-0.5"), 3),
    (("lose", "BTC", "0.24"), 30),
]

# Half of the BTC leaves before they fall; REST tells the lower price before a second reading shows that they left.
LEFT_BEFORE_A_FALL: list[tuple[Step, float]] = [
    (("price", "ETH", "0.8"), 30),
    (("price", "ETH", "0.8"), 0.5),
    (("flow", "BTC", "-0.5"), 1),
    (("feed", False), 3),
    (("lose", "BTC", "0.08"), 0),
    (("lose", "BTC", "0.24"), 0),
    (("trade", "BIT-26FEB27-CDE", "0.1", None), 70),
]


# 2,000,000 USD of ETH take their first price in the answer that tells of a fall of the contracts.
CAME_WITH_ONE_ANSWER: list[tuple[Step, float]] = [
    (("flow", "ETH", "3"), 12),
    (("trade", FUTURE, "0.1", "grid"), 0.5),
    (("price", FUTURE, "0.72"), 4),
    (("trade", FUTURE, "0.4", None), 0),
    (("feed", False), 12),
    (("price", FUTURE, "0.5"), 2),
]


@example(Habits(fill_frame_s=2, wallet_frame_s=None), ACCOUNTS[0], CAME_WITH_ONE_ANSWER)
@example(Habits(lags={"BTC": 1}, fill_frame_s=2), ACCOUNTS[1], LEFT_BEFORE_A_FALL)
@example(Habits(lags={"ETH": 1, "BTC": 4}, confirms=False), ACCOUNTS[1], LEFT_UNPRICED)
@given(habits, st.sampled_from(ACCOUNTS), histories)
def test_the_account_is_sold_only_where_the_fund_has_lost(
    habits: Habits, account: dict[str, Any], history: list[tuple[Step, float]]
) -> None:
    """After every step, and a minute and a half after the last one, when all is told again. And a drawdown
    is latched only where it was one: a bad tick raises no peak.
    """
    coinbase = Coinbase(habits, account, **LIMITS)
    calm: list[tuple[Step, float]] = [(("feed", True), 0), (("rest", True), 90)]
    for step, gap in [*history, *calm]:
        act(coinbase, step)
        coinbase.run(gap)
        if coinbase.sold_at is not None:
            event(f"sold, {'flows' if coinbase.flows else 'no flows'}")
            assert is_shown(coinbase, coinbase.sold_at), step
            return
    event("not sold")
    if any(isinstance(one, Alert) and one.code == IMPLAUSIBLE for _, one in coinbase.told):
        event("a fill waited for REST, while it did not answer")
        return
    latched = coinbase.world.manager.state.causes.get(("DRAWDOWN", "all"))
    if latched is not None and latched.is_confirmed and not coinbase.flows:
        event("DRAWDOWN is latched")
        assert coinbase.losses().most_fallen >= FALL - EXACT
