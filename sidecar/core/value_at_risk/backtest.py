"""A model against history: fitted to the past of each day, judged by that day. No I/O.

    for each day ≥ window:  fit(returns of the window before it) ─► book ─► VaR, ES, distribution
                            exposures · (e^return − 1) = the day's P&L ─► an exception, or none

No data of a day, or after it, go into the forecast for it. The exposures, USD, are the same every
day: the model is judged, not the trading. A day that the model has no figure for is counted
with its reason and is not tested; its neighbours then stand next to each other.
"""

from collections import Counter
from collections.abc import Callable
from typing import Final

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray
from scipy.special import ndtr

from sidecar.core.value_at_risk.coverage import (
    Hits,
    Losses,
    Shortfall,
    Statistic,
    TrafficLight,
    beyond,
    conditional,
    exceptions,
    independence,
    shortfall,
    traffic_light,
    unconditional,
)
from sidecar.core.value_at_risk.model import Array, Components, RiskBook, RiskModel, Unavailable
from sidecar.core.value_at_risk.settings import ModelSettings
from sidecar.core.vocabulary.errors import Misuse

Fit = Callable[[Array, ModelSettings], RiskModel]
Done = Callable[[int], None]  # told how many more days are done

LEVEL: Final = 0.05  # a p-value below it speaks against the model
STREAM: Final = 0xE5  # beside the seed: not the numbers that Monte Carlo draws its scenarios from
SCORE_MAX: Final = 5.0  # standard deviations of a normal; the PIT goes no further out
SCORES: Final = np.linspace(-SCORE_MAX, SCORE_MAX, 1001)
GRID: Final = ndtr(SCORES)  # where the distribution is read for the PIT: dense in both tails
NO_LOSS: Final = "the model sees no loss in its tail; give exposures that can lose"


class Plan(Struct, frozen=True, kw_only=True):
    """How a backtest is run.

    `window`: returns that a model is fitted to, in days. `refit_every`: days that a fit serves for;
    between them the model is as old as its last fit. `draws`: simulated histories behind the p-value
    of the expected shortfall, with `seed`.
    """

    window: int = 500
    refit_every: int = 1
    draws: int = 1000
    seed: int = 1


class Days(Struct, frozen=True):
    """The tested days, oldest first: which row of the returns, the forecast and the outcome.

    `pnl`, `var`, `es` in USD. `pit`: the probability that the model gave to a P&L as low as the
    day's or lower (Rosenblatt 1952); evenly spread over 0 to 1 where the model is right.
    """

    rows: NDArray[np.int64]
    pnl: Array
    var: Array
    es: Array
    hits: Hits
    pit: Array


class Outcome(Struct, frozen=True):
    """Every test of one backtest: rate, independence and both of the exceptions, Basel's zone, ES."""

    unconditional: Statistic
    independence: Statistic
    conditional: Statistic
    light: TrafficLight
    shortfall: Shortfall


class Backtest(Struct, frozen=True):
    """One model at one confidence.

    `unavailable`: days without a figure, by reason. `outcome` is None where no day could be tested.
    `components`: each key's contribution on the last day with a figure, where the model can say.
    """

    settings: ModelSettings
    plan: Plan
    days: Days
    unavailable: dict[str, int]
    outcome: Outcome | None
    components: Components | None

    @property
    def tested(self) -> int:
        """Days that the model had figures for."""
        return self.days.hits.size

    @property
    def exceptions(self) -> int:
        """Days that lost more than their VaR."""
        return int(self.days.hits.sum())

    @property
    def expected(self) -> float:
        """As many as there should be."""
        return self.tested * self.settings.alpha


class _Day(Struct, frozen=True):
    row: int
    pnl: float
    var: float
    es: float
    pit: float
    beyond: float
    simulated: Losses


def backtest(  # noqa: PLR0913, PLR0917 - the data, the model, the plan, and two callables
    returns: Array,
    exposures: Array,
    settings: ModelSettings,
    plan: Plan,
    fit: Fit,
    done: Done = lambda _count: None,
) -> Backtest:
    """Test a model over log returns (days × keys, oldest first) and constant exposures (keys, USD).

    Raises Misuse where the history is not longer than the window, or the horizon is not a day.
    """
    if len(returns) <= plan.window:
        raise Misuse(
            f"{len(returns)} returns are no more than the window of {plan.window}; give a longer"
            " history or a shorter window"
        )
    if settings.horizon != 1:
        raise Misuse("a backtest looks one day ahead; set the horizon to 1")
    generator = np.random.default_rng([plan.seed, STREAM])
    book: RiskBook | None = None
    last: RiskBook | None = None
    days, missing, age = list[_Day](), Counter[str](), 0
    for row in range(plan.window, len(returns)):
        try:
            if book is None or age >= plan.refit_every:
                book = None  # the old one does not stand in where this fails
                book, age = fit(returns[row - plan.window : row], settings).book(exposures), 0
            days.append(_day(row, book, float(exposures @ np.expm1(returns[row])), generator, plan))
            last = book
        except Unavailable as error:
            missing[str(error)] += 1
        age += 1
        done(1)
    return _result(settings, plan, days, dict(missing), _components(last))


def verdict(test: Backtest) -> tuple[str, ...]:
    """The findings against the model, in words; empty where there are none."""
    outcome = test.outcome
    if outcome is None:
        return ("no day could be tested",)
    found = []
    if outcome.unconditional.p < LEVEL or outcome.light.zone == "red":
        found.append(f"too {'many' if test.exceptions > test.expected else 'few'} exceptions")
    if outcome.independence.p < LEVEL:
        found.append("exceptions follow each other")
    if not found and outcome.conditional.p < LEVEL:
        found.append("number and order of exceptions, taken together")
    if outcome.shortfall.z2.p < LEVEL:
        found.append("too much is lost beyond the VaR")
    return tuple(found)


def rolling_rate(hits: Hits, days: int) -> Array:
    """The share of exceptions among the last `days` days, from the day on that has as many."""
    sums = np.concatenate([[0], np.cumsum(hits)])
    return np.asarray((sums[days:] - sums[:-days]) / days, dtype=np.float64)


def _day(row: int, book: RiskBook, pnl: float, generator: np.random.Generator, plan: Plan) -> _Day:
    """The model's forecast for a day, and the outcome. Raises Unavailable."""
    tail = book.tail()
    if not (np.isfinite(tail.var) and np.isfinite(tail.es) and tail.es > 0):
        raise Unavailable(NO_LOSS)
    # Never 0 or 1, where the P&L may have no bound.
    draws = (generator.integers(1 << 32, size=plan.draws) + 0.5) / (1 << 32)
    told = book.quantile(np.concatenate([GRID, draws]))
    drawn = told[GRID.size :]
    counted = beyond(np.append(drawn, pnl), tail.var, book.edge())
    return _Day(
        row=row,
        pnl=pnl,
        var=tail.var,
        es=tail.es,
        pit=_pit(told[: GRID.size], pnl),
        beyond=float(counted[-1]),
        simulated=Losses(drawn, counted[:-1]),
    )


def _pit(quantiles: Array, pnl: float) -> float:
    """The middle of the grid's steps that fit, or the grid's end."""
    ordered = np.sort(quantiles)
    below = np.searchsorted(ordered, pnl, "left") + np.searchsorted(ordered, pnl, "right")
    score = float(SCORES[0] + (below / 2 - 0.5) * (SCORES[1] - SCORES[0]))
    return float(ndtr(min(max(score, -SCORE_MAX), SCORE_MAX)))


def _components(book: RiskBook | None) -> Components | None:
    if book is None:
        return None
    try:
        return book.components()
    except Unavailable:
        return None


def _result(
    settings: ModelSettings,
    plan: Plan,
    days: list[_Day],
    missing: dict[str, int],
    components: Components | None,
) -> Backtest:
    pnl, var, es = (
        np.array([getattr(day, name) for day in days], dtype=np.float64)
        for name in ("pnl", "var", "es")
    )
    hits = exceptions(pnl, var)
    told = Days(
        rows=np.array([day.row for day in days], dtype=np.int64),
        pnl=pnl,
        var=var,
        es=es,
        hits=hits,
        pit=np.array([day.pit for day in days], dtype=np.float64),
    )
    outcome = None
    if days:
        own = Losses(pnl, np.array([day.beyond for day in days], dtype=np.float64))
        simulated = Losses(
            np.stack([day.simulated.pnl for day in days], axis=1),
            np.stack([day.simulated.beyond for day in days], axis=1),
        )
        outcome = Outcome(
            unconditional=unconditional(hits, settings.alpha),
            independence=independence(hits),
            conditional=conditional(hits, settings.alpha),
            light=traffic_light(hits, settings.alpha),
            shortfall=shortfall(own, es, settings.alpha, simulated),
        )
    return Backtest(settings, plan, told, missing, outcome, components)
