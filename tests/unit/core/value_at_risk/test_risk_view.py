"""RiskView: three books under one model. Whatever it saves itself, it tells what books summed anew would."""

from math import inf

import pytest

from sidecar.core.value_at_risk.model import Unavailable
from sidecar.core.value_at_risk.models import fit
from sidecar.core.value_at_risk.portfolio_risk import MEASURES
from sidecar.core.value_at_risk.risk_view import BOOKS, NO_MOVES, RiskView
from sidecar.core.value_at_risk.settings import ModelSettings, Scenario
from sidecar.core.value_at_risk.stress import Subject, stress_model
from tests.unit.core.value_at_risk.samples import sample

KEYS = ("BTC", "ETH", "SOL")
SCENARIOS = (
    Scenario("fall", {"BTC": -0.3, "ETH": -0.4}, -0.5),
    Scenario("rise", {"BTC": 0.2}, 0.3),
)
RETURNS = sample(300)
HELD_ALONE = [(1000.0,) * 3, (500.0,) * 3, (0.0,) * 3]
BUYS_WORST = [(1000.0, 4000.0, 900.0), (500.0,) * 3, (0.0,) * 3]
SELLS_WORST = [(1000.0, 1200.0, -5000.0), (500.0,) * 3, (0.0, 0.0, -100.0)]
CASES = {"held": HELD_ALONE, "buys": BUYS_WORST, "sells": SELLS_WORST}
MOVES = {
    "none": NO_MOVES,
    "a purchase": (((0, 800.0),),) * 3,
    "a sale": (((0, -800.0),),) * 3,
    "of the purchases alone": ((), ((0, 9000.0),), ()),
    "of the sales alone": ((), (), ((0, -9000.0), (2, -50.0))),
    "apart": (((1, 100.0),), ((1, 2500.0),), ((1, -2500.0),)),
}


def view_of(rows, *, lost=(), scenarios=SCENARIOS, why=None, needs_returns=False):
    """The keys of these rows, and those that are lost, in their order."""
    keys = KEYS[: len(rows) - len(lost)]
    returns = RETURNS[:, : len(keys)]
    model = fit(returns, ModelSettings(model="historical")) if keys and why is None else None
    stress = stress_model([Subject(key) for key in keys], scenarios, None, 0)
    view = RiskView(
        keys, model, stress, why, lost=lost, books=frozenset(), stress_needs_returns=needs_returns
    )
    view.rebuild(rows)
    return view


def moved(rows, moves):
    """The rows with each book's moves in them."""
    found = [list(row) for row in rows]
    for number, of_book in enumerate(moves):
        for index, usd in of_book:
            found[index][number] += usd
    return [tuple(row) for row in found]


def figures(view):
    return {measure: pytest.approx(view.before(measure)) for measure in MEASURES}


def each_book(rows, measure):
    """A measure of each book by itself."""
    return [view_of([(row[n],) * 3 for row in rows]).before(measure) for n in range(len(BOOKS))]


@pytest.mark.parametrize("measure", MEASURES)
@pytest.mark.parametrize("rows", CASES.values(), ids=CASES)
def test_a_figure_is_that_of_the_worst_book(rows, measure):
    known = each_book(rows, measure)
    assert view_of(rows).before(measure) == pytest.approx(max(known))
    assert (max(known) > known[0]) == (rows is not HELD_ALONE)


@pytest.mark.parametrize("measure", MEASURES)
@pytest.mark.parametrize("moves", MOVES.values(), ids=MOVES)
@pytest.mark.parametrize("rows", [BUYS_WORST, SELLS_WORST], ids=("buys", "sells"))
def test_a_figure_with_moves_is_that_of_books_summed_anew_with_them(rows, moves, measure):
    view = view_of(rows)
    before, after = view.before(measure), view.after(measure, moves)
    assert after == pytest.approx(view_of(moved(rows, moves)).before(measure))
    assert after <= before + view.most_added(measure, moves) + 1e-6
    assert view.before(measure) == before  # nothing was moved


@pytest.mark.parametrize("after", [*CASES.values(), [(7.0, 9.0, -9.0)] * 3])
@pytest.mark.parametrize("before", CASES.values(), ids=CASES)
def test_exposures_put_one_by_one_are_those_summed_anew(before, after):
    view = view_of(before)
    figures(view)  # known, and overtaken by what is put
    for key, row in zip(KEYS, after, strict=True):
        view.put(key, row)
        view.put(key, row)
        figures(view)
    assert view.rows == list(after)
    assert {measure: view.before(measure) for measure in MEASURES} == figures(view_of(after))
    known, anew = dict(view.stressed(1).losses()), dict(view_of(after).stressed(1).losses())
    assert known == pytest.approx(anew)


@pytest.mark.parametrize("measure", MEASURES)
def test_a_drift_bounds_the_rise_of_each_book_that_other_exposures_bring(measure):
    for row in (
        (1000.0,) * 3,
        (1000.0, 3000.0, 1000.0),
        (2500.0, 1000.0, 1000.0),
        (1000.0, 1000.0, -9000.0),
    ):
        view = view_of(HELD_ALONE)
        known, drift = view.before(measure), view.drift(measure, "BTC", row)
        view.put("BTC", row)
        assert view.before(measure) <= known + drift + 1e-6
        assert (drift == 0) == (row == (1000.0,) * 3)


def test_what_is_lost_counts_whole_in_each_book():
    known, lost = (
        view_of(HELD_ALONE[:2]),
        view_of([*HELD_ALONE[:2], (10.0, 30.0, 5.0)], lost=("NEW",)),
    )
    for measure in MEASURES:
        assert lost.before(measure) == pytest.approx(known.before(measure) + 30)
        assert lost.drift(measure, "NEW", (10.0, 30.0, 5.0)) == 0
        assert lost.drift(measure, "NEW", (10.0, 31.0, 5.0)) == inf
    assert [lost.lost_in(name) for name in BOOKS] == [{"NEW": 10.0}, {"NEW": 30.0}, {"NEW": 5.0}]
    lost.put("NEW", (40.0, 0.0, 5.0))
    for measure in MEASURES:
        assert lost.before(measure) == pytest.approx(known.before(measure) + 40)


def test_where_all_is_lost_that_is_the_figure():
    view = view_of([(10.0, 30.0, 5.0)], lost=("NEW",), scenarios=())
    assert [view.before(measure) for measure in MEASURES] == [30.0] * len(MEASURES)


def test_without_returns_only_a_stress_loss_that_needs_none_is_told():
    view = view_of(HELD_ALONE, why="too few")
    for measure in MEASURES[:2]:
        with pytest.raises(Unavailable, match="too few"):
            view.before(measure)
    assert view.before("max_stress_loss") == pytest.approx(1000 * 0.3 + 500 * 0.4)
    with pytest.raises(Unavailable, match="too few"):
        view_of(HELD_ALONE, why="too few", needs_returns=True).before("max_stress_loss")
    with pytest.raises(Unavailable, match="too few"):
        view.book("held")


def test_without_a_scenario_no_stress_loss_is_told():
    with pytest.raises(Unavailable, match="no stress scenario"):
        view_of(HELD_ALONE, scenarios=()).before("max_stress_loss")
