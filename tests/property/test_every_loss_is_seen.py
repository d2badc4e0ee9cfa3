"""Every real loss is seen: a loss beyond its limit that stands is answered at its first sight with REDUCE_ONLY,
and confirmed, latched and (the cumulative one) sold within the time that its kind of news takes.

    feed live       3 s of quotes, and what REST takes to answer, or is waited for
    feed down       20 s: prices are polled every 5 s
    stale mark      60 s, and a print near the bid or `stale_confirm_s`
    funding         a reconciliation period and 5 s, told late or only in `funding_pnl`

What stands is what a fund's own bookkeeping (tests/fund.py) shows by every dating of flows that nobody can date.
"""

from fractions import Fraction
from typing import Any

from hypothesis import assume
from hypothesis import strategies as st

from tests.account_steps import (
    Step,
    act,
    conversions,
    datings,
    fundings,
    sweeps,
    trades,
)
from tests.scenario import FUTURE, D
from tests.telling import CONFIRM_WITHIN_S, FUT, RECONCILE_S, Coinbase, Habits

LIMIT, DAILY = Fraction("0.25"), Fraction("0.10")
STALE_CONFIRM_S = 40
LIMITS: dict[str, Any] = {
    "max_daily_loss": "0.10", "max_drawdown": "0.10", "max_cumulative_loss": "0.25",
    "stale_confirm_s": STALE_CONFIRM_S,
}  # fmt: skip
MARGIN = Fraction("0.005")  # prices are rounded
LIVE_S = 3.5  # three quotes over two seconds; REST has answered meanwhile
DOWN_S = 20
STALE_S = 60
FUNDING_S = RECONCILE_S + 5
REST_S = 0 - 0  # see `rest_s`
ACCOUNTS = (
    {"USD": D(5_000), "BTC": D("0.2")},
    {"USD": D(20_000), "USDC": D(5_000), "BTC": D(1), "ETH": D(20), FUT: D(20_000)},
    {"USD": D(1_000), "ETH": D(8)},
)

gaps = st.sampled_from([0, 0.5, 1, 2, 5, 12, 30, 70])
flows = st.tuples(
    st.just("flow"), st.sampled_from(["USD", "USDC", "BTC", "ETH"]), st.sampled_from(["-0.95", "-0.5", "0.5", "3"])
)  # fmt: skip
small = st.tuples(
    st.just("lose"),
    st.sampled_from(["BTC", "ETH", FUTURE]),
    st.sampled_from(["-0.05", "0.02", "0.07"]),
)
before = st.lists(
    st.tuples(small | trades | sweeps | conversions | fundings | flows, gaps), max_size=6
)
blows = st.tuples(
    st.sampled_from(["BTC", "ETH", FUTURE]), st.sampled_from(["0.11", "0.15", "0.26", "0.3", "0.5"])
)
ACCOUNT = st.sampled_from(ACCOUNTS)


def begun(habits: Habits, account: dict[str, Any], history: list[tuple[Step, float]]) -> Coinbase:
    """The account after a history that ends with its last gap."""
    coinbase = Coinbase(habits, account, **LIMITS)
    for step, gap in history:
        act(coinbase, step)
        coinbase.run(gap)
    assume(coinbase.sold_at is None)
    return coinbase


def stand(coinbase: Coinbase, until: float) -> dict[str, Fraction]:
    """The smallest and the largest loss from now on, by any way to date the flows."""
    losses = [coinbase.losses(dates) for dates in datings(coinbase)]
    return {
        "least": min(one.least(until, coinbase.t) for one in losses),
        "most": max(one.most(until, until) for one in losses),
    }


def is_tight(coinbase: Coinbase, code: str) -> bool:
    """Whether reducing orders alone pass for this cause."""
    return coinbase.world.manager.state.has(code)


def is_latched(coinbase: Coinbase, code: str) -> bool:
    cause = coinbase.world.manager.state.causes.get((code, "all"))
    return cause is not None and cause.is_confirmed


def rest_s(coinbase: Coinbase) -> float:
    """How much longer than the quotes REST may take: unheard, it is waited for."""
    return 0 if coinbase.habits.confirms else CONFIRM_WITHIN_S - 2
