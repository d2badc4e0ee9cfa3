"""What moves within the pot of cash is no event: a history with sweeps and conversions gives, once settled, the
same figures as the history without them. Either side of a sweep may be told at once, or a minute later.
"""

from collections.abc import Iterable
from datetime import timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Any

from hypothesis import event, example, given, settings
from hypothesis import strategies as st

from tests.account_steps import Step, close, conversions, habits, latches, ratios, sweep, sweeps
from tests.property.test_transfer_invariance import EXACT, LIMITS
from tests.scenario import FUTURE, D
from tests.telling import FUT, RECONCILE_S, Coinbase, Habits

NOW = (None, None)
# Both sides of a sweep are read, and confirmed: it is read a minute late, in a reading that is up to a minute later;
# from then on readings may lack it for two minutes; the first one after that is up to a minute later, and is confirmed.
SETTLED_S = 5 * RECONCILE_S + 20
HOLDINGS = {"USD": D(50_000), "USDC": D(10_000), "BTC": D(2), "ETH": D(10), FUT: D(20_000)}
SIZES = {"BTC": D("0.05"), "ETH": D(1), FUTURE: D(4)}
LIMIT = Fraction(LIMITS["max_cumulative_loss"])

gaps = st.sampled_from([0, 0.5, 1, 2, 5, 12, 30, 70])
prices = st.tuples(
    st.just("price"), st.sampled_from([("BTC", "28000"), ("BTC", "45000"), ("BTC", "61000"), ("ETH", "1500"), ("ETH", "2500"), (FUTURE, "60000")])
)  # fmt: skip
trades = st.tuples(st.just("trade"), st.sampled_from(sorted(SIZES)), st.sampled_from([-1, 1]))
fundings = st.tuples(st.just("funding"), st.sampled_from(["-40.12", "25.5"]))
flows = st.tuples(
    st.just("flow"), st.sampled_from(["USD", "USDC", "BTC", "ETH"]), st.sampled_from(["-0.8", "0.5", "2"])
)  # fmt: skip


def room(coinbase: Coinbase) -> dict[str, Decimal]:
    return {name: wallet.total for name, wallet in coinbase.wallets.items()}


def act(coinbase: Coinbase, step: Step, least: dict[str, Decimal]) -> None:
    """Let one thing happen in one of the two; `least`: what both have of everything."""
    match step:
        case ("price", (key, price)):
            coinbase.price(key, D(price))
        case ("trade", key, sign):
            size, price = SIZES[key] * sign, coinbase.prices[key]
            if key == FUTURE or (least[key] + size >= 0 and least["USD"] - size * price >= 0):
                coinbase.trade(key, size, fee=D(0))
        case ("funding", dollars):
            if coinbase.wallets[FUTURE].total and _is_told(coinbase):
                coinbase.pay_funding(D(dollars))
        case ("flow", asset, share):
            amount = (abs(least[asset] * D(share)) + 100).quantize(D("0.01"))
            if share[0] != "-":
                coinbase.flow(asset, amount)
            elif least[asset] >= amount:
                coinbase.flow(asset, -amount)


def _is_told(coinbase: Coinbase) -> bool:
    """Whether the fills so far are known to both: funding of a contract that the books do not hold is a transfer."""
    since = timedelta(seconds=coinbase.habits.fill_frame_s + 1)
    told = (one.traded_at for one in coinbase.fills if one.product_id == FUTURE)
    return all(at is not None and at + since <= coinbase.world.now for at in told)


def run(both: tuple[Coinbase, Coinbase], history: Iterable[tuple[Step, float]]) -> None:
    """The same history to both; sweeps to the first alone."""
    for step, gap in history:
        rooms = [room(one) for one in both]
        least = {name: min(one[name] for one in rooms) for name in rooms[0]}
        if step[0] == "sweep":
            sweep(both[0], step[1], D(step[2]), step[3])
        else:
            for one in both:
                act(one, step, least)
        for one in both:
            one.run(gap)


def is_sold(both: tuple[Coinbase, Coinbase]) -> bool:
    """Whether either is sold; both are where the loss stands, and never only the one with sweeps."""
    with_sweeps, without = both
    if without.sold_at is None:
        assert with_sweeps.sold_at is None
        return False
    if (
        with_sweeps.sold_at is None
    ):  # what is not read yet delays a sale, and the loss has not lasted
        assert with_sweeps.fund().loss < LIMIT
    return True


@settings(max_examples=settings().max_examples // 2)  # dear; soak runs the long form
# A conversion was booked as a deposit, and taken back after a fall: its ratio was left behind.
@example(
    Habits(lags={FUT: 1, FUTURE: 1, "BTC": 1}, cadence_s=0.5, prints=True, confirms=False, funding_fills=False),
    [
        (("trade", "BTC", 1), 2), (("sweep", "USDC", "-1234.56", NOW), 0.5), (("sweep", "USDC", "150.5", NOW), 0),
        (("funding", "25.5"), 5), (("sweep", FUT, "-1234.56", (0, 60)), 0), (("sweep", FUT, "3000", (3, 30)), 2),
        (("trade", "ETH", -1), 12), (("price", ("ETH", "1500")), 12),
    ],
    [
        (("sweep", "USDC", "-7000", NOW), 2), (("flow", "USDC", "2"), 0), (("trade", "ETH", 1), 12),
        (("flow", "USD", "-0.8"), 30), (("sweep", "USDC", "150.5", NOW), 0.5),
    ],
)  # fmt: skip
@example(
    Habits(lags={FUT: 1, FUTURE: 20, "BTC": 20, "USD": 4, "USDC": 4}, fill_frame_s=2, prints=True, confirms=False),
    [
        (("price", ("ETH", "1500")), 70), (("sweep", "USDC", "150.5", NOW), 0), (("sweep", FUT, "150.5", (60, 60)), 12),
        (("price", ("BTC", "45000")), 1), (("sweep", FUT, "-1234.56", (None, 60)), 30), (("trade", "ETH", -1), 70),
        (("sweep", "USDC", "150.5", NOW), 1), (("sweep", "USDC", "150.5", NOW), 30),
    ],
    [(("sweep", FUT, "150.5", (3, None)), 0.5)],
)  # fmt: skip
# A reading that lacked a sweep for a minute was believed, and part of it booked as a deposit.
@example(
    Habits(lags={FUT: 20, FUTURE: 4, "ETH": 1, "BTC": 1}, fill_frame_s=0.5, wallet_frame_s=0.5),
    [
        (("sweep", "USDC", "-1234.56", NOW), 30), (("sweep", "USDC", "2500", NOW), 70), (("funding", "25.5"), 35),
        (("trade", "BTC", 1), 12), (("sweep", FUT, "-8000", (28, 3)), 2), (("trade", "BTC", 1), 2),
    ],
    [
        (("sweep", FUT, "-8000", NOW), 70), (("trade", "BTC", 1), 12), (("trade", FUTURE, -1), 5),
        (("flow", "USD", "-0.8"), 5), (("flow", "ETH", "0.5"), 5), (("sweep", FUT, "150.5", (60, None)), 0.5),
    ],
)  # fmt: skip
# A contract was bought before the quote of its price was told, and what the mark of before showed was a peak.
@example(
    Habits(lags=dict.fromkeys(("USD", "USDC", FUT, FUTURE, "BTC"), 1), fill_frame_s=2, prints=True, confirms=False),
    [
        (("trade", FUTURE, 1), 1), (("sweep", "USDC", "150.5", NOW), 12), (("price", (FUTURE, "60000")), 0),
        (("trade", FUTURE, 1), 12),
    ],
    [],
)  # fmt: skip
# A reading lacked two sweeps, and not the funding that was booked between them.
@example(
    Habits(fill_frame_s=0.5, wallet_frame_s=0.5, cadence_s=0.5, confirms=False),
    [
        (("trade", FUTURE, -1), 2), (("funding", "-40.12"), 0), (("funding", "-40.12"), 1),
        (("sweep", "USDC", "-7000", NOW), 0), (("sweep", FUT, "-8000", (None, 3)), 0), (("funding", "-40.12"), 0),
    ],
    [],
)  # fmt: skip
@given(
    habits,
    st.lists(
        st.tuples(prices | trades | fundings | sweeps | sweeps | conversions, gaps), max_size=8
    ),
    st.lists(st.tuples(flows | trades | sweeps | conversions, gaps), max_size=6),
)
def test_a_history_with_sweeps_gives_the_figures_of_the_history_without(
    habits: Habits, moving: list[tuple[Step, float]], standing: list[tuple[Step, float]]
) -> None:
    """Equity, ratios, transfers, latches, episode: while prices move; then while they stand, and money comes
    and goes.
    """
    both = (Coinbase(habits, HOLDINGS, **LIMITS), Coinbase(habits, HOLDINGS, **LIMITS))
    for history in (moving, standing):
        run(both, [*history, (("wait",), SETTLED_S)])
        if is_sold(both):
            event("sold")
            return
        event("not sold")
        one, other = (figures(coinbase) for coinbase in both)
        assert one == other
        assert close(ratios(both[0]), ratios(both[1]), EXACT)


def figures(coinbase: Coinbase) -> dict[str, Any]:
    tracker = coinbase.world.tracker
    causes = sorted(cause for cause in coinbase.world.manager.state.causes)
    return {
        "equity": tracker.equity, "transfers": tracker.transfers, "latches": latches(coinbase),
        "causes": causes, "doubts": tracker.wallets.in_doubt,
    }  # fmt: skip
