"""Laws of value at risk: what every model promises of any history and any book."""

from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import Decimal

import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from sidecar.core.value_at_risk.coverage import beyond
from sidecar.core.value_at_risk.history import History
from sidecar.core.value_at_risk.model import Array, RiskBook, RiskModel, Tail, Unavailable
from sidecar.core.value_at_risk.models import MODELS, fit
from sidecar.core.value_at_risk.returns import align
from sidecar.core.value_at_risk.settings import ModelName, ModelSettings, ReturnsPolicy

SCENARIOS: tuple[ModelName, ...] = ("historical", "filtered", "monte_carlo")
ELLIPTICAL: tuple[ModelName, ...] = ("normal", "student_t", "normal_shrunk", "student_t_shrunk")
NEAR = 1e-9  # relative to what the legs would lose one by one
KEYS_MAX = 4
SHARE = settings(max_examples=max(40, settings().max_examples // 5))  # each example fits a model
# Of the first, simplest examples most are no books: nothing held, or a history with no moments.
CHOOSY = settings(SHARE, suppress_health_check=list(HealthCheck))

moved = st.integers(-250, 250).map(lambda one: one / 1000)  # log returns; many are alike
dollars = st.one_of(st.just(0.0), st.floats(-1e6, 1e6).filter(lambda one: abs(one) > 1e-3))


@st.composite
def histories(draw: st.DrawFn) -> Array:
    """Returns of up to four keys in 20 to 40 periods; one of them may never move."""
    keys, count = draw(st.integers(1, KEYS_MAX)), draw(st.integers(20, 40))
    flat = draw(st.lists(moved, min_size=keys * count, max_size=keys * count))
    returns = np.array(flat).reshape(count, keys)
    if draw(st.sampled_from([False, False, False, True])):
        returns[:, 0] = 0
    return returns


def chosen(names: Sequence[ModelName] = tuple(MODELS)) -> st.SearchStrategy[ModelSettings]:
    return st.builds(
        ModelSettings,
        model=st.sampled_from(names),
        confidence=st.sampled_from(["0.9", "0.93", "0.95"]).map(Decimal),
        horizon=st.sampled_from([1.0, 1.0, 10.0]),
        simulations=st.sampled_from([100, 201]),
        seed=st.integers(1, 3),
    )


vectors = st.lists(dollars, min_size=KEYS_MAX, max_size=KEYS_MAX).map(np.array)
orders = st.lists(st.tuples(st.integers(0, KEYS_MAX - 1), dollars), max_size=4)


def modelled(returns: Array, how: ModelSettings) -> tuple[RiskModel, int]:
    """A fitted model, and of how many keys."""
    return fit(returns, how), returns.shape[1]


def of_keys(moves: Sequence[tuple[int, float]], keys: int) -> list[tuple[int, float]]:
    return [(index % keys, usd) for index, usd in moves]


def gross(model: RiskModel, exposures: Array, moves: Sequence[tuple[int, float]] = ()) -> float:
    """What the legs would lose one by one, and the moves."""
    units = np.eye(len(exposures))
    each = [abs(tail_or_skip(model.book(unit)).es) + 1e-3 for unit in units]
    legs = np.abs(exposures) @ np.array(each) + sum(abs(usd) * each[index] for index, usd in moves)
    return float(legs) + 1e-9


def tail_or_skip(book: RiskBook, moves: Sequence[tuple[int, float]] = ()) -> Tail:
    """The tail with these moves; without one there is no law."""
    try:
        return book.tail_with(moves)
    except Unavailable:
        assume(False)
        raise


def alike(one: Tail, other: Tail, size: float, *, squares: bool = False) -> bool:
    """The same but for rounding, which in a formula falls on the variance and not on its root."""
    pairs = ((one.var, other.var), (one.es, other.es))
    if squares:
        return all(abs(a * a - b * b) <= NEAR * size * size for a, b in pairs)
    return all(abs(a - b) <= NEAR * size for a, b in pairs)


# --- Models ---------------------------------------------------------------------------------------


@SHARE
@given(histories(), chosen(), vectors)
def test_components_sum_to_the_whole(returns, how, exposures):
    """Euler: risk is homogeneous."""
    model, keys = modelled(returns, how)
    book = model.book(exposures[:keys])
    tail, found = tail_or_skip(book), book.components()
    size = gross(model, exposures[:keys])
    assert found.var.sum() == pytest.approx(tail.var, rel=NEAR, abs=NEAR * size)
    assert found.es.sum() == pytest.approx(tail.es, rel=NEAR, abs=NEAR * size)
    assert not found.var[exposures[:keys] == 0].any()
    assert not found.es[exposures[:keys] == 0].any()


@SHARE
@given(histories(), chosen(), vectors, st.floats(1e-3, 1e3))
def test_a_book_so_many_times_as_large_has_so_many_times_the_risk(returns, how, exposures, times):
    model, keys = modelled(returns, how)
    one = tail_or_skip(model.book(exposures[:keys]))
    many = tail_or_skip(model.book(times * exposures[:keys]))
    size = times * gross(model, exposures[:keys])
    squares = how.model not in SCENARIOS
    assert alike(many, Tail(times * one.var, times * one.es), size, squares=squares)


@SHARE
@given(histories(), chosen((*SCENARIOS, *ELLIPTICAL)), vectors, vectors)
def test_two_books_together_have_no_more_es_than_apart(returns, how, one, other):
    model, keys = modelled(returns, how)
    one, other = one[:keys], other[:keys]
    apart = model.book(one).tail().es + model.book(other).tail().es
    size = gross(model, one) + gross(model, other)
    slack = NEAR * size if how.model in SCENARIOS else 1e-7 * size  # a root of rounding
    assert model.book(one + other).tail().es <= apart + slack


@SHARE
@given(histories(), chosen(), vectors)
def test_es_is_no_less_than_var(returns, how, exposures):
    model, keys = modelled(returns, how)
    tail = tail_or_skip(model.book(exposures[:keys]))
    assert tail.es >= tail.var - NEAR * gross(model, exposures[:keys])


@SHARE
@given(histories(), chosen(SCENARIOS), vectors)
def test_drawn_from_its_own_scenarios_a_model_passes_the_tests_of_expected_shortfall(
    returns, how, exposures
):
    """The share α lies beyond the VaR, and their mean loss is the ES, whatever is equal to what: both
    statistics of Acerbi and Székely are 0 in the mean.
    """
    model, keys = modelled(returns, how)
    book = model.book(exposures[:keys])
    tail, size = book.tail(), gross(model, exposures[:keys])
    count = len(returns) if how.model != "monte_carlo" else how.simulations
    drawn = book.quantile((np.arange(count) + 0.5) / count)  # each scenario once
    counted = beyond(drawn, tail.var, book.edge())
    alpha = float(1 - how.confidence)
    assert counted.mean() == pytest.approx(alpha)
    assert -(counted * drawn).mean() == pytest.approx(alpha * tail.es, abs=NEAR * size)
    assert ((counted >= 0) & (counted <= 1)).all()
    ordered = np.argsort(drawn)
    assert (np.diff(counted[ordered]) <= NEAR).all()  # worse is never less


@SHARE
@given(histories(), chosen((*SCENARIOS, *ELLIPTICAL)), vectors, orders)
def test_a_tail_with_moves_is_that_of_the_book_after_them_however_it_came_about(
    returns, how, exposures, moves
):
    model, keys = modelled(returns, how)
    exposures, moves = exposures[:keys], of_keys(moves, keys)
    book = model.book(exposures)
    before, told, var = book.tail(), book.tail_with(moves), book.var_with(moves)
    assert var == told.var
    assert book.tail() == before
    after = exposures.copy()
    for index, usd in moves:
        after[index] += usd
        book.move(index, usd)
    size, squares = gross(model, exposures, moves), how.model not in SCENARIOS
    assert alike(told, model.book(after).tail(), size, squares=squares)
    assert alike(told, book.tail(), size, squares=squares)


@CHOOSY
@given(histories(), chosen(("cornish_fisher",)), vectors, orders)
def test_so_it_is_with_moments_unless_the_moves_hedge_all(returns, how, exposures, moves):
    """Then what is left of the P&L is rounding, and its higher moments are anything."""
    model, keys = modelled(returns, how)
    exposures, moves = exposures[:keys], of_keys(moves, keys)
    book, after = model.book(exposures), exposures.copy()
    for index, usd in moves:
        after[index] += usd
    told, real = tail_or_skip(book, moves), tail_or_skip(model.book(after))
    size = gross(model, exposures, moves)
    assume(real.es > 1e-3 * size)
    for index, usd in moves:
        book.move(index, usd)
    assert alike(told, real, size)
    assert alike(told, book.tail(), size)


@SHARE
@given(histories(), chosen(), vectors, orders)
def test_most_added_is_a_bound_of_what_moves_add_to_var_and_to_es(returns, how, exposures, moves):
    model, keys = modelled(returns, how)
    exposures, moves = exposures[:keys], of_keys(moves, keys)
    book = model.book(exposures)
    most = book.most_added(moves)
    before, after = tail_or_skip(book), tail_or_skip(book, moves)
    slack = NEAR * gross(model, exposures, moves) * (1 if how.model in SCENARIOS else 100)
    assert most >= 0
    assert after.es <= before.es + most + slack
    # A VaR by a formula is a multiple of the deviation, which is sub-additive too.
    assert after.var <= before.var + most + slack


@SHARE
@given(histories(), chosen(), vectors, st.lists(st.floats(1e-6, 1 - 1e-6), min_size=2))
def test_quantiles_rise_and_the_one_at_alpha_is_the_var(returns, how, exposures, probability):
    """Those of an expansion are promised in the tail only, down to a probability of 10⁻⁹."""
    model, keys = modelled(returns, how)
    book = model.book(exposures[:keys])
    tail, size = tail_or_skip(book), gross(model, exposures[:keys])
    points = np.sort(np.array(probability))
    if how.model == "cornish_fisher":
        points *= how.alpha
    assert (np.diff(book.quantile(points)) >= -NEAR * size).all()
    assert book.quantile(np.array([how.alpha]))[0] == pytest.approx(
        -tail.var, rel=NEAR, abs=NEAR * size
    )


@SHARE
@given(histories(), chosen(tuple(set(MODELS) - {"monte_carlo"})), vectors, st.randoms())
def test_the_order_of_the_keys_changes_nothing(returns, how, exposures, random):
    """Monte Carlo draws its numbers key by key, so there it changes the draws."""
    keys = returns.shape[1]
    order = list(range(keys))
    random.shuffle(order)
    exposures = exposures[:keys]
    one, other = fit(returns, how), fit(returns[:, order], how)
    books = one.book(exposures), other.book(exposures[order])
    tails = [tail_or_skip(book) for book in books]
    size, squares = gross(one, exposures), how.model not in SCENARIOS
    assert alike(tails[0], tails[1], size, squares=squares)
    if how.model not in SCENARIOS and tails[0].es > 1e-3 * size:  # equal P&Ls may change places
        found = [book.components() for book in books]
        assert found[0].var[order] == pytest.approx(found[1].var, rel=1e-6, abs=NEAR * size)
        assert found[0].es[order] == pytest.approx(found[1].es, rel=1e-6, abs=NEAR * size)


@SHARE
@given(histories(), chosen(), vectors)
def test_no_long_book_loses_more_than_it_has_where_prices_are_simulated(returns, how, exposures):
    """And no model tells anything but numbers."""
    model, keys = modelled(returns, how)
    long = np.abs(exposures[:keys])
    tail = tail_or_skip(model.book(long))
    assert np.isfinite([tail.var, tail.es]).all()
    if how.model in SCENARIOS:
        assert max(tail.var, tail.es) <= long.sum() * (1 + NEAR)


# --- History --------------------------------------------------------------------------------------

DAY = 86_400
FIRST = 20_000  # a number of a day
LENGTH = 60

Truth = dict[int, float]  # close by day; a day without a trade is not there


@st.composite
def truths(draw: st.DrawFn) -> Truth:
    """What Coinbase would tell of 61 days: short and long holes, and bad ticks that stand alone."""
    told: Truth = {}
    day, price = FIRST + draw(st.integers(0, 12)), 100.0
    while day <= FIRST + LENGTH:
        price *= draw(st.sampled_from([0.95, 1.0, 1.1, 0.4]))
        told[day] = price
        day += 1 + draw(st.sampled_from([0, 0, 0, 0, 1, 3, 7, 8, 15]))
    last = FIRST - 10
    for day in sorted(told):
        calm = all(told.get(day + step) == told[day] for step in (-1, 1))
        if calm and day - last > 3 and draw(st.booleans()):
            told[day] *= draw(st.sampled_from([0.01, 10]))
            last = day
    return told


def read(history: History, truth: Truth, since: int, until: int, *, newest_first: bool) -> None:
    """One answer: all that lies between, and a candle that is still forming."""
    closes = [(day * DAY, Decimal(truth[day])) for day in truth if since <= day < until]
    closes.append((until * DAY, Decimal(999)))
    history.read("B", closes[::-1] if newest_first else closes, since * DAY, until * DAY)


def known(history: History) -> tuple[int, list[float], list[int]]:
    series = history.series["B"]
    return series.first, series.closes, series.made_up


def at_once(truth: Truth) -> History:
    history = History(DAY, LENGTH)
    read(history, truth, FIRST, FIRST + LENGTH + 1, newest_first=True)
    return history


places = st.integers(FIRST, FIRST + LENGTH)
spans = st.tuples(places, places).map(lambda pair: (min(pair), max(pair) + 1))


@given(truths(), st.sets(places, max_size=6), st.data())
def test_parts_read_towards_either_side_and_repeated_make_the_series_of_one_reading(
    truth, cuts, data
):
    """Whichever part comes first, and however often what is known is read again."""
    history, end = History(DAY, LENGTH), FIRST + LENGTH + 1
    borders = sorted({FIRST, *cuts, end})
    low = high = data.draw(st.integers(0, len(borders) - 2))
    high += 1
    newest_first = data.draw(st.booleans())
    read(history, truth, borders[low], borders[high], newest_first=newest_first)
    while low > 0 or high < len(borders) - 1:
        older = high == len(borders) - 1 or (low > 0 and data.draw(st.booleans()))
        low, high = (low - 1, high) if older else (low, high + 1)
        place = low if older else high - 1
        read(history, truth, borders[place], borders[place + 1], newest_first=newest_first)
        again = data.draw(st.tuples(*[st.integers(borders[low], borders[high])] * 2))
        read(history, truth, min(again), max(again), newest_first=newest_first)
    assert known(history) == known(at_once(truth))


@given(truths(), st.lists(spans, max_size=5), st.booleans())
def test_whatever_was_read_asking_for_what_is_lacking_leads_to_the_series_of_one_reading(
    truth, parts, newest_first
):
    history = History(DAY, LENGTH)
    for since, until in parts:
        read(history, truth, since, until, newest_first=newest_first)
    now, asked = datetime.fromtimestamp((FIRST + LENGTH + 1) * DAY, UTC), 0
    while (span := history.lacks("B", now)) is not None:
        read(history, truth, span.since // DAY, span.until // DAY, newest_first=newest_first)
        asked += 1
        assert asked <= 3
    assert known(history) == known(at_once(truth))


@given(truths())
def test_a_history_read_day_by_day_is_that_of_one_reading(truth):
    history = History(DAY, LENGTH)
    for day in range(FIRST, FIRST + LENGTH + 1):
        read(history, truth, max(FIRST, day - 1), day + 1, newest_first=True)
    assert known(history) == known(at_once(truth))


@given(truths())
def test_a_series_has_a_price_for_each_of_its_days_and_no_leap_up_and_back(truth):
    first, closes, made_up = known(at_once(truth))
    assert all(close > 0 for close in closes)
    assert {first + i for i in range(len(closes))} >= set(made_up)
    assert len(closes) <= LENGTH + 1
    for before, here, after in zip(closes, closes[1:], closes[2:], strict=False):
        assert not (max(before, after) < here / 3 and after < 1.5 * before < 2.25 * after)


# --- Aligned returns ------------------------------------------------------------------------------


@st.composite
def some_logs(draw: st.DrawFn) -> tuple[int, Array] | None:
    """Logarithms of closes that end near the present period, or long ago; or none."""
    if draw(st.integers(0, 9)) == 0:
        return None
    steps = draw(st.lists(moved, max_size=30))
    end = LENGTH - draw(st.sampled_from([0, 0, 0, 1, 2, 6, 7, 8, 40]))
    values = np.concatenate([[4.0], 4.0 + np.cumsum(steps)])
    return end - len(values), values


policies = st.builds(
    ReturnsPolicy,
    length=st.sampled_from([5, 20]),
    minimum=st.sampled_from([1, 5]),
    short_history=st.sampled_from(["refuse", "proxy", "floor"]),
)


@given(st.lists(some_logs(), min_size=1, max_size=4), st.data(), policies)
def test_aligned_returns_are_numbers_of_every_key_or_there_is_a_reason(all_logs, data, policy):
    logs = {f"K{i}": one for i, one in enumerate(all_logs)}
    proxied = data.draw(st.sets(st.sampled_from(sorted(logs))))
    proxies = {name: data.draw(some_logs()) for name in sorted(proxied)}
    why, found = "", np.empty((0, 0))
    try:
        found = align(logs, proxies, policy, LENGTH)
    except Unavailable as fault:
        why = str(fault)
    if why:
        assert any(name in why for name in (*logs, "a proxy"))
        return
    assert np.isfinite(found).all()
    assert policy.minimum <= len(found) <= policy.length
    assert found.shape[1] == len(logs)
    assert found.any(axis=0).all() or len(found) < policy.length


@given(st.lists(some_logs(), min_size=1, max_size=3), policies, st.integers(0, 9))
def test_a_key_that_is_known_whole_is_aligned_as_it_is(all_logs, policy, more):
    """Whatever the others are like; and one more key never makes the history longer."""
    own = LENGTH - 26, np.cumsum(0.01 * (1 + np.arange(26.0) % (2 + more)))
    logs = {"OWN": own} | {f"K{i}": one for i, one in enumerate(all_logs)}
    alone = align({"OWN": own}, {}, policy, LENGTH)
    assert alone[:, 0] == pytest.approx(np.diff(own[1])[-policy.length :])
    try:
        found = align(logs, {}, replace(policy, short_history="refuse"), LENGTH)
    except Unavailable:
        return
    end = min(one[0] + len(one[1]) for one in logs.values() if one is not None)
    returns = np.diff(own[1])[: end - own[0] - 1]
    assert found[:, 0] == pytest.approx(returns[-len(found) :])
    assert len(found) <= len(alone)
