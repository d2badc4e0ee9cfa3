"""`make bench`: value at risk, against plain numpy and, where they are installed, skfolio and
riskfolio-lib on the same arrays.
"""

import argparse
import importlib
import warnings
from collections.abc import Callable, Iterator
from decimal import Decimal
from functools import partial
from statistics import median

import numpy as np

from benchmarks import desk as bench_desk
from benchmarks.__main__ import ticks, validate_order
from benchmarks.measure import each_ns, machine, quantile, summary
from sidecar.core.account.working import Leg
from sidecar.core.value_at_risk.model import RiskModel
from sidecar.core.value_at_risk.models import MODELS, fit
from sidecar.core.value_at_risk.portfolio_risk import Added
from sidecar.core.value_at_risk.settings import ModelSettings

TURNS = 100
QUICKEST_OF = 20
SETTINGS = ModelSettings(model="historical", confidence=Decimal("0.99"))


def returns(keys: int, days: int) -> np.ndarray:
    """Log returns with one common part, 4 % a day."""
    chance = np.random.default_rng(1)
    common = chance.standard_t(4, (days, 1))
    return (common * 0.6 + chance.standard_t(4, (days, keys)) * 0.4) * 0.03


def timed(call: Callable[[], object], rounds: int) -> list[int]:
    """The quickest of some turns, by its median: what is slower is the machine's other work."""
    turns = [
        each_ns(
            lambda _: call(), lambda _: None, lambda _: None, rounds=max(5, rounds // QUICKEST_OF)
        )
        for _ in range(QUICKEST_OF)
    ]
    return min(turns, key=median)


def libraries(
    simple: np.ndarray, exposures: np.ndarray
) -> Iterator[tuple[str, Callable[[], object]]]:
    """Others' historical VaR of the same book, those that are installed."""
    weights = exposures / exposures.sum()
    try:
        measures = importlib.import_module("skfolio.measures")
        yield "skfolio", lambda: measures.value_at_risk(simple @ weights, beta=0.99)
    except ImportError:
        print("  skfolio is not installed")
    try:
        riskfolio = importlib.import_module("riskfolio.src.RiskFunctions")
        yield "riskfolio-lib", lambda: riskfolio.VaR_Hist(simple @ weights, alpha=0.01)
    except ImportError:
        print("  riskfolio-lib is not installed")


def whole_book(rounds: int) -> None:
    """Historical VaR and ES of 50 keys over 500 days, from exposures to figures."""
    logs = returns(50, 500)
    simple, exposures = np.expm1(logs), np.full(50, 10_000.0)
    model = fit(logs, SETTINGS)
    plain = timed(lambda: -np.quantile(simple @ exposures, 0.01, method="inverted_cdf"), rounds)
    ours = timed(lambda: model.book(exposures).tail(), rounds)
    print("\nhistorical VaR, 50 assets × 500 days, whole")
    print(f"  plain numpy, VaR alone       {summary(plain)}")
    print(f"  sidecar, VaR and ES          {summary(ours)}   {ratio(ours, plain)} of numpy")
    for name, call in libraries(simple, exposures):
        others = timed(call, rounds // 10)
        print(f"  {name:<27}  {summary(others)}   {ratio(others, ours)} of the sidecar")


def one_order(rounds: int) -> None:
    """The VaR with one order in it: of a book, by model; and of the account's three books."""
    logs = returns(50, 500)
    print("\nincremental VaR of an order, 50 assets × 500 days (target ≤ 10 µs)")
    for name in MODELS:
        book = fit(logs, ModelSettings(model=name)).book(np.full(50, 10_000.0))
        spent = timed(partial(book.var_with, ((7, 640.0),)), rounds // 4)
        print(f"  {name:<18}  {summary(spent)}")
    manager = bench_desk.desk(50, with_var=True)
    added = (Added(Leg("BTC", "BUY", Decimal("0.01"))),)
    spent = timed(lambda: manager.risk.figure("max_var", manager.tracker, added), rounds)
    print(f"  the account's worst of three books, 20 positions   {summary(spent)}")


def decision(rounds: int) -> None:
    """What VaR adds to an approved `validate_order`, desks taking turns so that the machine's mood is
    the same for all; what is added is the median of the turns' differences.
    """
    without, with_var, near = (bench_desk.desk(50, with_var=one) for one in (False, True, True))
    near.desk.warn_usd = dict.fromkeys(
        near.desk.warn_usd, Decimal(0)
    )  # as above 70 %: no bound will do
    desks = {"given by a stand-in": without, "below 70 % of its limit": with_var, "above": near}
    spent: dict[str, list[int]] = {name: [] for name in desks}
    added: dict[str, list[float]] = {name: [] for name in desks}
    for _ in range(TURNS):
        turn = {name: validate_order(desk, rounds // TURNS) for name, desk in desks.items()}
        least = median(turn["given by a stand-in"])
        for name, times in turn.items():
            spent[name] += times
            added[name].append((median(times) - least) / 1000)
    print("\nvalidate_order, 20 positions, 50 open orders (target: VaR adds ≤ 15 µs)")
    for name, times in spent.items():
        print(f"  VaR {name:<24} {summary(times)}   adds {median(added[name]):.1f} µs")
    print(f"  a tick with VaR on           {summary(ticks(with_var, rounds))}")


def large(rounds: int) -> None:
    """300 assets over 1,000 days: everything from closes to figures, and from exposures to figures."""
    logs, exposures = returns(300, 1_000), np.full(300, 10_000.0)
    print("\n300 assets × 1,000 days, recomputed (target ≤ 5 ms)")
    for name in ("historical", "filtered"):
        settings = ModelSettings(model=name)
        model = fit(logs, settings)
        fitted = timed(partial(fit, logs, settings), max(5, rounds // 1_000))
        told = timed(partial(figures, model, exposures), max(50, rounds // 100))
        print(f"  {name:<11} figures {millis(told)}   model fitted anew {millis(fitted)}")
    manager = bench_desk.desk(50)
    closes = bench_desk.history("BTC-USD", 3)
    read = timed(lambda: manager.handle(closes), max(50, rounds // 100))
    print(f"  a day's closes of a book are read: {millis(read)}")


def figures(model: RiskModel, exposures: np.ndarray) -> object:
    return model.book(exposures).tail()


def ratio(ours: list[int], yardstick: list[int]) -> str:
    return f"{median(ours) / median(yardstick):.2f} ×"


def millis(spent: list[int]) -> str:
    return f"median {median(spent) / 1e6:6.2f} ms   p99 {quantile(spent, 0.99) / 1e6:6.2f} ms"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=20_000, help="calls measured of each kind")
    rounds = parser.parse_args().rounds
    warnings.simplefilter("ignore")
    print(machine())
    whole_book(rounds)
    one_order(rounds)
    decision(rounds)
    large(rounds)


if __name__ == "__main__":
    main()
