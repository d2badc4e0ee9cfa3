"""Every real loss is seen: a loss beyond its limit that stands is answered at its first sight with REDUCE_ONLY,
and confirmed, latched and (the cumulative one) sold within the time that its kind of news takes.

    feed live       3 s of quotes, and what REST takes to answer, or is waited for
    feed down       20 s: prices are polled every 5 s
    stale mark      60 s, and a print near the bid or `stale_confirm_s`
    balances        a reconciliation period and 5 s, where money that came or left is not settled yet; after a
                    sweep of which readings show one side alone, until none lacks the other any more
    funding         a reconciliation period and 5 s, and what REST takes; told late or only in `funding_pnl`

What stands is what a fund's own bookkeeping (tests/fund.py) shows by every dating of flows that nobody can date.
"""

from dataclasses import replace
from fractions import Fraction
from typing import Any

from hypothesis import assume, event, example, given
from hypothesis import strategies as st

from tests.account_steps import (
    Step,
    act,
    conversions,
    datings,
    fundings,
    grid,
    habits,
    is_unsettled,
    lose,
    sweeps,
    trades,
    uniform_datings,
)
from tests.fund import Income, Trade
from tests.scenario import FUTURE, D
from tests.telling import (
    CONFIRM_WITHIN_S,
    FUT,
    POLL_S,
    READING_S,
    RECONCILE_S,
    STEP_S,
    Coinbase,
    Habits,
)

LIMIT_OF = {
    "DAILY_LOSS": Fraction("0.10"),
    "WEEKLY_LOSS": Fraction("0.10"),
    "MONTHLY_LOSS": Fraction("0.15"),
    "LOSS_IN": Fraction("0.12"),
    "DRAWDOWN": Fraction("0.10"),
    "CUMULATIVE_LOSS": Fraction("0.25"),
}
STALE_CONFIRM_S = 40
LIMITS: dict[str, Any] = {
    "max_daily_loss": "0.10", "max_weekly_loss": "0.10", "max_monthly_loss": "0.15",
    "max_loss_in": [{"window": "4h", "limit": "0.12"}, {"window": "31d", "limit": "0.30"}], "max_drawdown": "0.10", "max_cumulative_loss": "0.25",
    "stale_confirm_s": STALE_CONFIRM_S,
}  # fmt: skip
MARGIN = Fraction("0.005")  # prices are rounded
LIVE_S = 3.5  # three quotes over two seconds; REST has answered meanwhile
DOWN_S = 20
STALE_S = 61
FRAMES_S = 2.5  # fills have been told
ALONE_S = 1  # what REST leaves out is asked for alone
SWEEP_S = 155  # both sides of one are told within 120 s; what is in doubt is read every 30 s
BALANCES_S = FUNDING_S = RECONCILE_S + 5
ACCOUNTS = (
    {"USD": D(5_000), "BTC": D("0.2")},
    {"USD": D(20_000), "USDC": D(5_000), "BTC": D(1), "ETH": D(20), FUT: D(20_000)},
    {"USD": D(1_000), "ETH": D(8)},
)

WITH_FUTURES = {"USD": D(20_000), "BTC": D(1), "ETH": D(10), FUT: D(60_000)}
SETTLED_S = RECONCILE_S + 70

gaps = st.sampled_from([0, 0.5, 1, 2, 5, 12, 30, 70])
flows = st.tuples(
    st.just("flow"), st.sampled_from(["USD", "USDC", "BTC", "ETH"]), st.sampled_from(["-0.95", "-0.5", "0.5", "3"])
)  # fmt: skip
small = st.tuples(
    st.just("lose"),
    st.sampled_from(["BTC", "ETH", FUTURE]),
    st.sampled_from(["-0.05", "0.02", "0.07"]),
)
histories = st.lists(
    st.tuples(small | trades | sweeps | conversions | fundings | flows, gaps), max_size=6
)
blows = st.tuples(
    st.sampled_from(["BTC", "ETH", FUTURE]), st.sampled_from(["0.11", "0.15", "0.26", "0.3", "0.5"])
)
accounts = st.sampled_from(ACCOUNTS)


def begun(habits: Habits, account: dict[str, Any], history: list[tuple[Step, float]]) -> Coinbase:
    """The account after a history."""
    coinbase = Coinbase(habits, account, **LIMITS)
    for step, gap in history:
        act(coinbase, step)
        coinbase.run(gap)
    paid = [fact.at for fact in coinbase.history if isinstance(fact, Income)]
    if paid and not habits.funding_fills:  # no frame tells of funding: the next reading does
        coinbase.run(max(0, paid[-1] + RECONCILE_S + READING_S - coinbase.t))
    assume(coinbase.sold_at is None)
    return coinbase


def fall(coinbase: Coinbase, blow: tuple[str, str]) -> str:
    """Let a price take what is to be lost, that of the named key if it can; the key."""
    first, target = blow
    traded = [fact.at for fact in coinbase.history if isinstance(fact, Trade)]
    coinbase.run(max(0, max(traded, default=0) + FRAMES_S - coinbase.t))
    assume(coinbase.sold_at is None)
    for key in (first, "BTC", "ETH", FUTURE):
        if lose(coinbase, key, Fraction(target) + MARGIN):
            return key
    assume(condition=False)
    raise AssertionError


def must_be_tight(coinbase: Coinbase) -> None:
    """Reducing orders only, for each limit that either dating of what was read shows crossed now."""
    now = coinbase.t
    most = max(coinbase.losses(dates).most(now, now) for dates in uniform_datings(coinbase))
    for code, limit in LIMIT_OF.items():
        if most >= limit:
            event(f"first sight of {code}")
            assert coinbase.world.manager.state.has(code) or coinbase.sold_at is not None


def must_be_answered(coinbase: Coinbase, since: float) -> None:
    """What stands by every dating is latched, and the cumulative loss sold; where money is in doubt, once it can
    have been read and judged.
    """
    told_s = RECONCILE_S if coinbase.habits.wallet_frame_s is None else 0  # by the next reading
    swept_s = coinbase.swept_at + told_s + SWEEP_S - coinbase.t
    moved = coinbase.flows or coinbase.is_lacking()  # or seems to have
    if is_unsettled(coinbase) or (moved and swept_s > 0):
        event("money in doubt")
        coinbase.run(max(BALANCES_S, swept_s))
    least = min(
        coinbase.losses(dates).least(since, coinbase.t) for dates in datings(coinbase, since)
    )
    if coinbase.sold_at is not None:
        return
    causes = coinbase.world.manager.state.causes
    for code in LIMIT_OF.keys() - {"CUMULATIVE_LOSS"}:
        if least >= LIMIT_OF[code]:
            event(f"{code} is latched")
            assert causes[code, "all"].is_confirmed
    assert least < LIMIT_OF["CUMULATIVE_LOSS"]


def rest_s(coinbase: Coinbase) -> float:
    """How much longer than the quotes REST may take: it is waited for where it does not answer."""
    return 0 if coinbase.habits.confirms else CONFIRM_WITHIN_S - 2


# Money that is swept within the pot makes what has left it no later difference.
@example(
    Habits(lags={"BIT-26FEB27-CDE": 1, "BTC": 1, "USDC": 4, FUT: 4, "USD": 4}, fill_frame_s=2,
           wallet_frame_s=None, prints=True, confirms=False, funding_fills=False),
    ACCOUNTS[1],
    [(("flow", "USD", "-0.5"), 5), (("sweep", FUT, "-1234.56", (0, 3)), 12),
     (("trade", FUTURE, "-0.1", "grid"), 5), (("sweep", "USDC", "-7000", (None, None)), 30),
     (("sweep", "USDC", "-7000", (None, None)), 30), (("sweep", "USDC", "150.5", (None, None)), 0)],
    ("BTC", "0.26"),
)  # fmt: skip
# Money that a frame after the fall showed beside a sweep had left before it.
@example(
    Habits(lags={"ETH": 4, FUT: 1}, fill_frame_s=2, wallet_frame_s=2, cadence_s=0.5, prints=True, funding_fills=False),
    ACCOUNTS[1],
    [(("sweep", FUT, "3000", (28, 0)), 0.5), (("trade", FUTURE, "0.4", "grid"), 5), (("flow", "USD", "-0.95"), 30),
     (("sweep", FUT, "150.5", (28, None)), 0)],
    ("BTC", "0.11"),
)  # fmt: skip
# The reading before the fall lacked a sweep beside it, and the next one a conversion less.
@example(
    Habits(lags={"BTC": 1, "ETH": 1, "USD": 20, "USDC": 20}, fill_frame_s=0.5, wallet_frame_s=None, cadence_s=0.5,
           confirms=False, funding_fills=False),
    ACCOUNTS[1],
    [(("sweep", "USDC", "150.5", (None, None)), 30), (("flow", "USD", "-0.95"), 5), (("trade", "BTC", "-0.1", None), 12),
     (("sweep", FUT, "3000", (None, None)), 5), (("sweep", "USDC", "2500", (None, None)), 6)],
    ("BTC", "0.26"),
)  # fmt: skip
# Two readings had shown what had left, and not to a thousandth how much: funding may have been in them, or not.
@example(
    Habits(lags={"ETH": 4, "USD": 1, "USDC": 1, FUT: 1}, fill_frame_s=0.5, wallet_frame_s=0.5, prints=True),
    ACCOUNTS[1],
    [(("funding", "-40.12"), 70), (("trade", FUTURE, "0.1", None), 2), (("flow", "USD", "-0.95"), 0.5),
     (("trade", FUTURE, "0.1", None), 2), (("funding", "-40.12"), 2)],
    (FUTURE, "0.26"),
)  # fmt: skip
# A reading lacked a sweep to the futures wallet, which had shown it: half of what was withdrawn passed for that.
@example(
    Habits(lags={"USD": 1, "USDC": 1, "BTC": 1, FUT: 4, FUTURE: 20}, fill_frame_s=0.5, wallet_frame_s=None,
           cadence_s=0.5, prints=True, funding_fills=False),
    ACCOUNTS[0],
    [(("funding", "-40.12"), 105), (("flow", "USD", "-0.5"), 12), (("sweep", FUT, "-1234.56", (None, 60)), 12)],
    ("BTC", "0.26"),
)  # fmt: skip
@given(habits, accounts, histories, blows)
def test_with_a_live_feed_a_loss_is_answered_within_three_seconds_of_quotes(
    habits: Habits,
    account: dict[str, Any],
    history: list[tuple[Step, float]],
    blow: tuple[str, str],
) -> None:
    """Whatever was traded, swept, paid and transferred before, and may be in doubt still."""
    coinbase = begun(habits, account, history)
    fall(coinbase, blow)
    coinbase.run(1)
    seen_at = coinbase.t
    must_be_tight(coinbase)
    coinbase.run(LIVE_S + rest_s(coinbase))
    must_be_answered(coinbase, seen_at)


# One deposit that two wallets show was dated as two.
@example(
    Habits(lags={"USD": 20, "USDC": 20, FUTURE: 20}, fill_frame_s=2, wallet_frame_s=2, confirms=False),
    ACCOUNTS[0],
    [(("flow", "USD", "3"), 7), (("sweep", "USDC", "-7000", (None, None)), 30), (("lose", "BTC", "0.07"), 13)],
    ("ETH", "0.26"),
    30,
)  # fmt: skip
# Readings may lack a conversion for two minutes after it was read, so it is open how much was withdrawn.
@example(
    Habits(lags={"USDC": 4, "USD": 4, "BTC": 1, "ETH": 20, FUTURE: 20, FUT: 20}, fill_frame_s=0.5, wallet_frame_s=0.5,
           prints=True, confirms=False, funding_fills=False),
    ACCOUNTS[0],
    [(("sweep", "USDC", "-1234.56", (None, None)), 75), (("sweep", "USDC", "-1234.56", (None, None)), 70),
     (("flow", "USD", "-0.95"), 70.5)],
    ("ETH", "0.11"),
    0,
)  # fmt: skip
# A reading lacked two purchases, and the fee that a contract had cost between them was never in its wallet.
@example(
    Habits(lags={"USD": 20, "USDC": 20, "ETH": 1, "BTC": 1, FUT: 1, FUTURE: 4}, wallet_frame_s=0, confirms=False),
    ACCOUNTS[0],
    [(("sweep", "USDC", "150.5", (None, None)), 7), (("trade", "BTC", "0.1", None), 0.5),
     (("trade", FUTURE, "0.4", "grid"), 3), (("trade", "BTC", "0.4", "grid"), 1)],
    ("ETH", "0.26"),
    2,
)  # fmt: skip
# It is open how many coins came, while readings may lack a sale.
@example(
    Habits(lags={"USD": 1, "USDC": 1, "BTC": 1, "ETH": 20, FUTURE: 4}, wallet_frame_s=0.5, prints=True, confirms=False),
    ACCOUNTS[1],
    [(("sweep", "USDC", "150.5", (None, None)), 0.5), (("sweep", FUT, "3000", (28, None)), 5),
     (("sweep", "USDC", "150.5", (None, None)), 12), (("flow", "BTC", "3"), 30), (("trade", "BTC", "-0.1", "grid"), 1)],
    ("ETH", "0.11"),
    30,
)  # fmt: skip
@given(habits, accounts, histories, blows, st.sampled_from([0, 2, 30]))
def test_with_the_feed_down_a_loss_is_answered_within_twenty_seconds(
    habits: Habits,
    account: dict[str, Any],
    history: list[tuple[Step, float]],
    blow: tuple[str, str],
    down_s: float,
) -> None:
    """Prices are polled; the feed is lost some time before the fall, or with it."""
    coinbase = begun(habits, account, history)
    coinbase.feed(up=False)
    coinbase.run(down_s)
    fell_at = coinbase.t
    fall(coinbase, blow)
    coinbase.run(POLL_S + STEP_S)
    must_be_tight(coinbase)
    seen_at = coinbase.t
    coinbase.run(fell_at + DOWN_S - coinbase.t)
    must_be_answered(coinbase, seen_at)


# Coins left before a fall, and dollars came; both were read after it, and booked one after the other.
@example(
    Habits(lags={"USDC": 1, "USD": 1, FUT: 1}, fill_frame_s=0.5, wallet_frame_s=2, confirms=False),
    ACCOUNTS[1],
    [(("flow", "ETH", "-0.5"), 5), (("flow", "ETH", "-0.5"), 30), (("flow", "USD", "3"), 5),
     (("flow", "USD", "0.5"), 3), (("lose", "ETH", "0.02"), 5)],
    (FUTURE, "0.26"),
)  # fmt: skip
@given(habits, accounts, histories, blows)
def test_a_loss_that_a_stale_mark_hides_is_answered(
    habits: Habits,
    account: dict[str, Any],
    history: list[tuple[Step, float]],
    blow: tuple[str, str],
) -> None:
    """The book falls apart with the fall: its near side shows the loss, and trades print there or do not."""
    coinbase = begun(habits, account, [*history, (("feed", True), SETTLED_S)])
    coinbase.books[fall(coinbase, blow)] = "wide"
    coinbase.run(STALE_S)
    seen_at = coinbase.t
    must_be_tight(coinbase)
    assert coinbase.sold_at is None
    wait = 0 if habits.prints else STALE_CONFIRM_S
    coinbase.run(wait + LIVE_S + ALONE_S + rest_s(coinbase))
    must_be_answered(coinbase, seen_at)


@given(
    habits,
    histories,
    st.sampled_from(["0.05", "0.2"]),
    st.sampled_from([0, 20, 45]),
    st.sampled_from(["0.12", "0.3"]),
)
def test_funding_is_answered_within_a_period(
    habits: Habits, history: list[tuple[Step, float]], lost: str, late_s: float, target: str
) -> None:
    """Told in fills, late, or in `funding_pnl` alone; with frames of the wallet and without."""
    habits = replace(habits, funding_told_s=late_s)
    bought: tuple[Step, float] = (("trade", FUTURE, "0.4", None), 5)
    coinbase = begun(habits, WITH_FUTURES, [bought, *history, (("feed", True), SETTLED_S)])
    lose(coinbase, "BTC", Fraction(lost))
    coinbase.run(5)
    fund = coinbase.fund()
    dollars = grid(D(float((fund.loss - Fraction(target) - MARGIN) * fund.units)), "0.01")
    assume(coinbase.wallets[FUTURE].total and dollars < 0 and coinbase.sold_at is None)
    coinbase.pay_funding(dollars)
    paid_at = coinbase.t
    coinbase.run(late_s + FUNDING_S + rest_s(coinbase))
    must_be_tight(coinbase)
    must_be_answered(coinbase, paid_at)
