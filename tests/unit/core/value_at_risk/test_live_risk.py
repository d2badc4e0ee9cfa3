"""Value at risk of the account as it moves: the three books, orders in them, and when there is none."""

import math
from datetime import timedelta
from decimal import Decimal

import msgspec
import numpy as np
import pytest

from sidecar.core.account.working import Leg
from sidecar.core.context.settings import Settings
from sidecar.core.judging.candidate import Candidate
from sidecar.core.saved import restore_manager, save_manager
from sidecar.core.value_at_risk.live_risk import ROOM_MAX, LiveRisk
from sidecar.core.value_at_risk.models import MODELS
from sidecar.core.value_at_risk.portfolio_risk import (
    MEASURES,
    Added,
    GuardedRisk,
    NoFigure,
    RiskFigure,
)
from sidecar.core.value_at_risk.risk_report import risk_report
from sidecar.core.value_at_risk.settings import ModelSettings, ReturnsPolicy, RiskSettings, Scenario
from sidecar.core.vocabulary import events as ev
from sidecar.core.vocabulary.order_reading import parse_order
from sidecar.core.vocabulary.products import CASH
from tests.decisions import breaks, funded, future_order, reloaded, sell_order, the
from tests.histories import DAY_S, tell, tell_nothing, wave
from tests.scenario import FUTURE, PRODUCTS, D, World, limit_order, product
from tests.unit.core.value_at_risk.samples import sample

HISTORICAL = RiskSettings(model=ModelSettings(model="historical"), scenarios=(), stress_window=0)


def risky(settings=HISTORICAL, *, told=("BTC-USD", "ETH-USD"), **limits):
    """100,000 USD, BTC at 64,000 and ETH at 2,000, a year of prices of both."""
    world = World(settings=Settings(risk=settings), **limits)
    for number, book in enumerate(told):
        tell(world, book, wave(250, phase=number))
    return world


def figure(world, measure="max_var", *added):
    return world.manager.risk.figure(measure, world.tracker, tuple(added))


def figures(world, *added):
    return {name: figure(world, name, *added) for name in MEASURES}


def buy(key, quantity, replaces=0):
    return Added(Leg(key, "BUY", D(quantity)), D(replaces))


def sell(key, quantity, replaces=0):
    return Added(Leg(key, "SELL", D(quantity)), D(replaces))


def third_worst(*positions):
    """The VaR of 250 days at 99 %, ⌈2.5⌉ = the third worst, over the waves themselves."""
    pnl = sum(usd * np.expm1(wave(250, phase=phase)) for usd, phase in positions)
    return -np.sort(pnl)[2]


# --- The figure -----------------------------------------------------------------------------------


def test_var_is_the_third_worst_of_a_year_in_the_position_s_dollars():
    world = risky()
    world.fill("BUY", "0.5", 64000)
    assert float(figure(world).before) == pytest.approx(third_worst((32_000, 0)), abs=0.01)


def test_an_account_without_positions_risks_nothing_and_needs_no_history():
    world = World()
    assert figures(world) == dict.fromkeys(MEASURES, RiskFigure(D(0), D(0)))


def test_an_order_is_in_all_three_books_and_the_worst_counts():
    """Held 0.5, buys of 0.25 open, sells of 0.5 open: the worst is held and buys and the order."""
    world = risky()
    world.fill("BUY", "0.5", 64000)
    world.report("b", base_size="0.25", leaves="0.25", limit_price=64000)
    world.report("s", side="SELL", base_size="0.5", leaves="0.5", limit_price=65000)
    seen = figure(world, "max_var", buy("BTC", "0.1"))
    assert float(seen.before) == pytest.approx(third_worst((48_000, 0)), abs=0.01)
    assert float(seen.after) == pytest.approx(third_worst((54_400, 0)), abs=0.01)


@pytest.mark.parametrize("measure", ["max_var", "max_stress_loss"])
def test_a_book_that_is_not_the_worst_may_become_it(measure):
    """1 BTC is held and 1.7 are offered as contracts: with 0.2 more, 0.9 may be short in the end."""
    half, more = Scenario("half", {"BTC": -0.5}), Scenario("half as much again", {"BTC": 0.5})
    settings = msgspec.structs.replace(HISTORICAL, scenarios=(half, more), stress_window=0)
    worlds = [risky(settings, told=("BTC-USD", FUTURE)) for _ in range(2)]
    for world in worlds:
        tell(world, FUTURE, wave(250), last=64000)
        world.fill("BUY", 1, 64000)
    worlds[0].report("s", product_id=FUTURE, side="SELL", leaves=170, limit_price=64000)
    worlds[1].fill("SELL", 190, 64000, product_id=FUTURE)
    seen = figure(worlds[0], measure, sell(FUTURE, "0.2"))
    assert seen.after == figure(worlds[1], measure).before < seen.before


def test_a_hedge_that_sells_the_other_leg_lowers_the_figure_and_passes():
    """Long spot, short future: to sell more of the future lowers the risk of what is held."""
    world = funded(risky(max_var="0.0001", told=("BTC-USD", FUTURE)))
    tell(world, FUTURE, wave(250), last=64000)
    world.fill("BUY", 1, 64000)
    assert world.ask(future_order(50, "SELL"), dry_run=True).approved
    assert breaks(world.ask(future_order(50, "BUY"), dry_run=True), "MAX_VAR")


def test_no_spot_is_sold_short():
    world = risky()
    world.fill("BUY", "0.5", 64000)
    assert figure(world, "max_var", sell("BTC", 5)).after == 0
    view = world.manager.risk.view()
    moves = world.manager.risk._moves(view, (sell("BTC", 5),))
    assert [own[0][1] for own in moves] == [-32_000, -32_000, -32_000]


def test_an_edit_takes_the_place_of_the_order_that_it_edits():
    world = risky()
    world.report("b", base_size="0.5", leaves="0.5", limit_price=64000)
    seen = figure(world, "max_var", buy("BTC", "0.6", "0.5"))
    assert float(seen.after) == pytest.approx(third_worst((38_400, 0)), abs=0.01)


def test_all_legs_of_a_coin_quoted_order_count():
    world = risky()
    world.fill("BUY", 1, 64000)
    seen = figure(world, "max_var", buy("ETH", 10), sell("BTC", "0.3125"))
    held = third_worst((44_000, 0), (20_000, 1))
    assert float(seen.after) == pytest.approx(max(held, 0), abs=0.01)


def test_the_books_follow_every_change_of_price_order_and_position():
    """Whatever happened one by one comes to what is summed anew."""
    world = risky()
    world.fill("BUY", 1, 64000)
    for number in range(30):
        figures(world)  # so that what follows is moved, and not summed
        world.quote("BTC-USD", 64000 + 100 * number)
        world.quote("ETH-USD", 2000 + number)
        world.fill("BUY", "0.5", 2000, product_id="ETH-USD")
        world.report(f"o{number}", base_size="0.01", leaves="0.01", limit_price=60000)
        if number % 3 == 0:
            world.fill("SELL", "0.2", 64000)
    moved = figures(world, buy("BTC", 1))
    world.wait(2)
    assert figures(world, buy("BTC", 1)) == moved
    assert figures(reloaded(world), buy("BTC", 1)) == moved


def test_only_what_moved_is_moved():
    world = risky()
    world.fill("BUY", 1, 64000)
    world.fill("BUY", 1, 2000, product_id="ETH-USD")
    figures(world)
    world.quote("ETH-USD", 3000)
    held = third_worst((64_000, 0), (3_000, 1))
    assert float(figure(world).before) == pytest.approx(held, abs=0.01)


def test_where_no_stress_is_asked_for_the_figure_follows_all_the_same():
    world = risky()
    world.fill("BUY", 1, 64000)
    figure(world)
    world.quote("BTC-USD", 32000)
    assert float(figure(world).before) == pytest.approx(third_worst((32_000, 0)), abs=0.01)


def test_looking_changes_nothing():
    world = risky(max_var="0.5")
    world.fill("BUY", 1, 64000)
    before = figures(world)
    figures(world, buy("ETH", 3))
    world.ask(limit_order("0.1"), dry_run=True)
    assert figures(world) == before


def test_what_bots_ask_about_in_turn_is_fitted_a_few_times_only(monkeypatch):
    """More assets than are kept: the oldest is forgotten, and fitted again when it is asked about."""
    monkeypatch.setattr("sidecar.core.value_at_risk.live_risk.VIEWS_MAX", 2)
    world = risky()
    world.fill("BUY", 1, 64000)
    first = figure(world, "max_var", buy("ETH", 1))
    for key in ("BTC", "EUR", "ETH", "BTC"):
        figure(world, "max_var", buy(key, 1))
    assert len(world.manager.risk._views) == 2
    assert figure(world, "max_var", buy("ETH", 1)) == first


def test_foreign_cash_is_a_risk_of_its_own_currency():
    """A wallet in euro, and what an order in euro would pay or bring."""
    world = risky(told=("BTC-USD", "ETH-USD", "USDC-EUR"))
    world.balance("EUR", 8_000)  # 10,000 USD
    world.wait(2)
    euro = [-one for one in wave(250, phase=2)]  # the book is of dollars in euro
    held = -np.sort(10_000 * np.expm1(euro))[2]
    assert float(figure(world).before) == pytest.approx(held, abs=0.01)
    assert figure(world, "max_var", sell("EUR", 8_000)).after == 0


def test_foreign_cash_counts_from_the_fact_that_brought_it():
    world = risky(told=("BTC-USD", "USDC-EUR"))
    assert figure(world).before == 0
    world.balance("EUR", 8_000)
    assert figure(world).before > 100


@pytest.mark.parametrize(
    ("name", "kept"),
    [("JUNK", {}), ("JPY", {}), ("JPY", {"JPY": None})],
    ids=["coin", "cash", "kept"],
)
def test_what_no_product_can_price_counts_for_nothing_as_in_equity(name, kept):
    """Nor is it in the way of what can be priced."""
    world = World(settings=Settings(risk=HISTORICAL), keep=kept)
    tell(world, "BTC-USD")
    world.fill("BUY", 1, 64000)
    before = figure(world)
    assert isinstance(before, RiskFigure)
    world.balance(name, 50)
    world.wait(2)
    assert figure(world) == before


def test_a_clock_that_leapt_ahead_and_came_back_keeps_no_figure_from_following():
    world = risky(told=("BTC-USD",))
    world.fill("BUY", 1, 64000)
    today = world.now
    world.wait(3 * 86_400)
    world.wait(to=today + timedelta(seconds=1))
    assert world.manager.risk.due - world.now <= timedelta(seconds=1)
    assert world.manager.risk.past.period == int(world.now.timestamp()) // DAY_S


def test_an_order_in_euro_moves_the_euro_too():
    world = risky()
    product = msgspec.structs.replace(
        world.tracker.products["BTC-USD"],
        product_id="BTC-EUR",
        quote="EUR",
        book="",
        key="",
        alias="",
    )
    world.send(ev.ProductsListed, products=(product,))
    world.quote("BTC-EUR", 51200)
    order = parse_order(limit_order("0.1", 51200, product_id="BTC-EUR"))
    check = Candidate(world.manager.desk, order, product, world.now, None)
    legs = [(one.leg.key, one.leg.side, one.leg.quantity) for one in check._added()]
    assert legs == [("BTC", "BUY", D("0.1")), ("EUR", "SELL", D("5120.0"))]


# --- No figure ------------------------------------------------------------------------------------


def test_without_a_history_an_order_is_refused_and_told_why():
    world = World(max_var="0.15")
    found = the(world.ask(limit_order("0.01")), "VAR_UNAVAILABLE")
    assert found.message == (
        "max_var is set and there is no figure: BTC has 0 returns that move, 100 are needed; trade it"
        ' when it has them, or set [var] short_history = "proxy"'
    )


def test_an_exit_needs_no_history():
    world = World(max_var="0.15")
    world.hold(1)
    assert world.ask(sell_order(1))


def test_one_asset_without_a_history_leaves_the_account_without_a_figure():
    world = risky(told=("BTC-USD",))
    world.fill("BUY", 1, 64000)
    world.fill("BUY", 1, 2000, product_id="ETH-USD")
    assert "ETH has 0 returns" in figure(world).reason


def test_a_key_without_a_price_has_no_figure():
    world = risky()
    world.balance("SHIB", 5)
    seen = figure(world, "max_var", buy("SHIB", 5))
    assert isinstance(seen, NoFigure)


def test_an_order_in_what_has_no_price_has_no_figure():
    world = risky()
    world.fill("BUY", 1, 64000)
    del world.tracker.marks.by_key["ETH"]
    assert "ETH has no price" in figure(world, "max_var", buy("ETH", 1)).reason


def test_a_model_that_gives_no_finite_figure_gives_none():
    world = risky()
    world.fill("BUY", 1, 64000)
    view = world.manager.risk.view()
    view.book("held").pnl[:] = math.inf
    view._known.clear()
    assert "no finite figure" in figure(world).reason


def test_one_day_of_80_per_cent_up_is_no_licence_under_cornish_fisher():
    """Its expansion would tell a gain as the VaR, shown as 0, and all of the account could be spent."""
    settings = msgspec.structs.replace(HISTORICAL, model=ModelSettings(model="cornish_fisher"))
    unbound = {"max_order_notional": "1000000", "max_position_notional": "1000000"}
    world = risky(settings, told=(), max_var="0.05", **unbound)
    wild = (3 * sample(250, 1)[:, 0]).tolist()
    wild[125] = math.log(1.8)
    tell(world, "BTC-USD", wild)
    found = world.ask(limit_order("1.48"))  # 95 % of equity
    assert [one.code for one in found.violations] == ["VAR_UNAVAILABLE"]
    assert "does not rise all the way to the median; choose another [var] model" in (
        found.violations[0].message
    )


def test_a_history_that_ended_long_ago_gives_none_until_it_is_read_again():
    world = risky()
    world.fill("BUY", 1, 64000)
    world.wait(DAY_S * 9)
    world.quote("BTC-USD", 64000)
    assert "ends 9 periods ago" in figure(world).reason
    tell(world, "BTC-USD")
    assert isinstance(figure(world), RiskFigure)


# --- What has no mark -----------------------------------------------------------------------------


def unquoted(**flags):
    """A coin that nothing quotes: disabled, in an auction, or dropped from the sky."""
    known = World().tracker.products["ETH-USD"]
    return msgspec.structs.replace(
        known, product_id="AIR-USD", base="AIR", key="", book="", **flags
    )


def with_airdrop(amount="0.001", keep=None, **flags):
    """A bitcoin, and a little of such a coin."""
    world = World(
        settings=Settings(risk=RiskSettings()),
        keep={} if keep is None else {"AIR": None},
        max_var="0.15",
        max_expected_shortfall="0.5",
        max_stress_loss="0.9",
    )
    tell(world, "BTC-USD", wave(250))
    world.send(ev.ProductsListed, products=(*world.tracker.products.values(), unquoted(**flags)))
    world.fill("BUY", 1, 64000)
    for _ in range(2):
        world.balance("AIR", amount)
        world.wait(3)
    return world


@pytest.mark.parametrize("keep", [None, "all"])
@pytest.mark.parametrize("flags", [{}, {"is_disabled": True}, {"auction_mode": True}])
def test_what_never_had_a_mark_counts_for_nothing_and_refuses_no_order_in_anything_else(
    flags, keep
):
    """Nobody has told its closes either, and Coinbase has not been asked about them."""
    bitcoin = figures(with_airdrop(0))
    world = with_airdrop("0.001", keep, **flags)
    assert figures(world) == bitcoin
    assert not breaks(world.ask(limit_order("0.01"), dry_run=True), "VAR_UNAVAILABLE")
    assert world.manager.risk.uncounted() == ([] if keep else ["AIR"])
    own = world.ask(limit_order(1, 5, product_id="AIR-USD"), dry_run=True)
    assert breaks(own, "VAR_UNAVAILABLE")
    assert room(world, key="AIR") == 0


def test_from_its_first_mark_on_it_counts_like_any_other():
    """Its history is waited for then; where Coinbase has none it is lost whole."""
    world = with_airdrop(100)
    bitcoin = figure(world).before
    world.quote("AIR-USD", 5)
    assert world.manager.risk.uncounted() == []
    assert "AIR has 0 returns" in figure(world).reason
    tell_nothing(world, "AIR-USD")
    assert figure(world).before == bitcoin + 500
    assert anew(world, buy("BTC", 1)) == figure(world, "max_var", buy("BTC", 1))


def test_what_is_worked_and_never_had_a_mark_counts_for_nothing_too():
    world = with_airdrop(0)
    bitcoin = figures(world)
    world.report("o", product_id="AIR-USD", base_size=10, leaves=10, limit_price=5)
    assert figures(world) == bitcoin
    assert world.manager.risk.uncounted() == ["AIR"]
    world.report("p", base_size="0.1", leaves="0.1", limit_price=60000)  # another line moves
    assert figure(world).before > bitcoin["max_var"].before
    tell(world, "AIR-USD", wave(250, phase=3), last=5)
    world.quote("AIR-USD", 5)
    marked = figure(world, "max_stress_loss").before
    world.report("o", product_id="AIR-USD", status="CANCELLED", base_size=10)
    assert figure(world, "max_stress_loss").before < marked


def test_a_line_without_a_mark_moves_none_of_the_books():
    """Also one that loses it while the books are kept up."""
    world = risky()
    world.fill("BUY", 1, 64000)
    world.fill("BUY", 1, 2000, product_id="ETH-USD")
    figures(world)
    world.tracker.account.lines["ETH"].mark = None
    world.wait(2)
    assert float(figure(world).before) == pytest.approx(third_worst((64_000, 0)), abs=0.01)


def test_an_order_in_what_has_a_line_and_no_mark_has_no_figure():
    world = risky()
    world.fill("BUY", 1, 64000)
    world.fill("BUY", 1, 2000, product_id="ETH-USD")
    del world.tracker.marks.by_key["ETH"]
    for order in (buy("ETH", 1), sell("ETH", 1)):
        assert "ETH has no price" in figure(world, "max_var", order).reason


def test_foreign_cash_counts_from_its_first_mark_on():
    """The euro's only book has not been quoted yet."""
    world = risky(told=("BTC-USD", "USDC-EUR"))
    del world.tracker.marks.by_key["EUR"], world.tracker.marks.mids["USDC-EUR"]
    world.balance("EUR", 8_000)
    world.wait(2)
    assert figure(world) == RiskFigure(D(0), D(0))
    assert world.manager.risk.uncounted() == ["EUR"]
    world.quote("USDC-EUR", "0.8")
    assert figure(world).before > 100
    assert world.manager.risk.uncounted() == []


# --- Stress ---------------------------------------------------------------------------------------


def test_a_stress_loss_of_named_scenarios_needs_no_history():
    settings = RiskSettings(scenarios=(Scenario("half", {"BTC": -0.5}, -0.1),), stress_window=0)
    world = World(settings=Settings(risk=settings))
    world.fill("BUY", 1, 64000)
    assert figure(world, "max_stress_loss", buy("ETH", 1)) == RiskFigure(D(32_000), D(32_200))
    world.quote("BTC-USD", 60000)
    assert figure(world, "max_stress_loss", buy("ETH", 1)) == RiskFigure(D(30_000), D(30_200))
    assert isinstance(figure(world), NoFigure)


def test_one_that_counts_the_own_history_needs_it():
    world = World()
    world.fill("BUY", 1, 64000)
    assert isinstance(figure(world, "max_stress_loss"), NoFigure)


def test_the_worst_five_days_of_the_own_history_are_a_scenario():
    settings = RiskSettings(scenarios=(), stress_window=5)
    world = risky(settings)
    world.fill("BUY", 1, 64000)
    runs = np.convolve(wave(250), np.ones(5), "valid")
    expected = -64_000 * math.expm1(min(runs))
    assert float(figure(world, "max_stress_loss").before) == pytest.approx(expected, abs=0.5)


def test_a_future_falls_with_its_underlying():
    settings = RiskSettings(scenarios=(Scenario("half", {"BTC": -0.5}),), stress_window=0)
    world = funded(World(settings=Settings(risk=settings)))
    world.fill("BUY", 5, 64000, product_id=FUTURE)
    size = world.tracker.products[FUTURE].contract_size
    assert figure(world, "max_stress_loss").before == 5 * size * 32_000


# --- Histories ------------------------------------------------------------------------------------


def test_our_own_last_mark_closes_a_day_until_coinbase_says_better():
    world = risky(told=("BTC-USD",))
    series = world.manager.risk.past.history.series["BTC-USD"]
    known, day = len(series.closes), timedelta(days=1)
    midnight = (world.now + day).replace(hour=0, minute=0)
    world.now = midnight - timedelta(seconds=1)
    world.quote("BTC-USD", 60000)
    world.now = midnight + timedelta(seconds=1)
    world.quote("BTC-USD", 70000)
    assert series.closes[-1] == 60000
    assert len(series.closes) == min(known + 1, 251)
    spans = world.manager.risk.past.spans(["BTC-USD"], world.now + timedelta(seconds=30))
    assert [span.book for span in spans] == ["BTC-USD"]  # Coinbase's own close is still asked for


def test_a_mark_from_before_the_day_closes_nothing():
    world = risky(told=("BTC-USD",))
    end = world.manager.risk.past.history.series["BTC-USD"].end
    world.wait(3 * DAY_S)
    world.quote("BTC-USD", 70000)
    assert world.manager.risk.past.history.series["BTC-USD"].end == end


def test_the_newest_periods_are_asked_for_first_and_then_nothing():
    world = World()
    risk = world.manager.risk
    (span,) = risk.past.spans(["BTC-USD"], world.now)
    assert (span.until - span.since) // DAY_S == 251
    tell(world, "BTC-USD", wave(250))
    assert risk.past.spans(["BTC-USD"], world.now) == []


def test_closes_of_another_period_are_not_ours():
    world = World()
    tell(world, "BTC-USD", period_s=3_600)
    assert world.manager.risk.past.history.series == {}


def test_a_proxy_stands_in_and_its_history_is_asked_for():
    policy = ReturnsPolicy(short_history="proxy")
    settings = RiskSettings(policy=policy, proxies={"ETH": "BTC"}, scenarios=(), stress_window=0)
    world = risky(settings, told=("BTC-USD",))
    world.fill("BUY", 1, 2000, product_id="ETH-USD")
    asked = World(settings=Settings(risk=settings)).manager.risk.past.spans(["ETH-USD"], world.now)
    assert {span.book for span in asked} == {"ETH-USD", "BTC-USD"}
    spans = world.manager.risk.past.spans(["ETH-USD"], world.now)
    assert {span.book for span in spans} == {"ETH-USD"}  # the proxy's is known
    assert isinstance(figure(world), RiskFigure)


def test_the_proxy_itself_has_none():
    world = risky(RiskSettings(policy=ReturnsPolicy(short_history="proxy")), told=())
    world.fill("BUY", 1, 64000)
    assert "BTC has 0 returns" in figure(world).reason
    assert {span.book for span in world.manager.risk.past.spans((), world.now)} == {"BTC-USD"}


def test_a_future_takes_what_it_lacks_from_its_underlying():
    world = funded(risky(told=("BTC-USD",)))
    world.fill("BUY", 5, 64000, product_id=FUTURE)
    size = world.tracker.products[FUTURE].contract_size
    expected = third_worst((float(5 * size * 64_000), 0))
    assert float(figure(world).before) == pytest.approx(expected, abs=0.01)
    fresh = funded(World())
    fresh.fill("BUY", 5, 64000, product_id=FUTURE)
    assert {span.book for span in fresh.manager.risk.past.spans((), fresh.now)} == {"BTC-USD"}


def test_a_history_survives_a_restart_and_one_of_another_period_does_not():
    world = risky()
    world.fill("BUY", 1, 64000)
    assert figures(reloaded(world)) == figures(world)
    saved = world.manager.risk.saved()
    other = World(settings=Settings(risk=RiskSettings(period_s=3_600)))
    other.manager.risk.restore(saved)
    assert other.manager.risk.past.history.series == {}


def test_what_the_figures_are_of_is_told():
    about = risky().manager.risk.about()
    assert about == {
        "model": "historical",
        "confidence": D("0.99"),
        "horizon_s": DAY_S,
        "history": {"BTC-USD": 250, "ETH-USD": 250},
    }
    assert isinstance(about["confidence"], Decimal)


# --- Decisions ------------------------------------------------------------------------------------


def test_the_largest_size_is_what_the_figure_allows():
    """1 % of 100,000; the order's own VaR alone."""
    world = risky(max_var="0.01")
    decision = world.ask(limit_order(1), dry_run=True)
    assert breaks(decision, "MAX_VAR")
    largest = decision.max_base_size
    exact = 1_000 / third_worst((64_000, 0))
    assert exact * 0.999 < float(largest) < exact
    assert world.ask(limit_order(largest), dry_run=True)


def test_the_largest_size_of_an_edit_has_what_is_filled_of_it():
    """1 BTC was ordered and 0.6 are filled; the figure allows 1.45 in all."""
    limit = D(third_worst((64_000 * 1.45, 0)) / 1_000_000)
    unbound = {"max_order_notional": "1000000", "max_position_notional": "1000000"}
    world = risky(max_var=limit, cash="1000000", **unbound)
    world.report("o1", base_size=1, leaves=1, limit_price=64000)
    world.fill("BUY", "0.6", 64000, order_id="o1")
    world.report(
        "o1", base_size=1, leaves="0.4", filled="0.6", limit_price=64000, average_price=64000
    )
    decision = world.manager.validate_edit(order_id="o1", size="1.5", dry_run=True)
    assert breaks(decision, "MAX_VAR")
    assert D("1.44") < decision.max_base_size < D("1.45")
    assert world.manager.validate_edit(
        order_id="o1", size=str(decision.max_base_size), dry_run=True
    )


def test_every_model_judges_an_order():
    for name in MODELS:
        settings = RiskSettings(model=ModelSettings(model=name, simulations=1_000))
        world = risky(settings, max_var="0.15", max_expected_shortfall="0.9", max_stress_loss="0.9")
        if name == "cornish_fisher":  # these waves are more than its expansion bears
            assert "choose another [var] model" in figure(world, "max_var", buy("BTC", 1)).reason
            continue
        assert world.ask(limit_order("0.01")), name
        assert breaks(world.ask(limit_order(20), dry_run=True), "MAX_VAR"), name


def test_the_books_that_lead_to_dollars_are_asked_for_too():
    """A bot that trades in euro only: bitcoin is marked through dollars, and the euro is paid with."""
    world = World()
    product = world.tracker.products["BTC-USD"]
    in_euro = msgspec.structs.replace(product, product_id="BTC-EUR", quote="EUR", alias="")
    world.send(ev.ProductsListed, products=(in_euro,))
    asked = {span.book for span in world.manager.risk.past.spans(["BTC-EUR"], world.now)}
    assert asked == {"BTC-EUR", "BTC-USD", "USDC-EUR"}


def test_many_changes_of_one_line_leave_the_others_alone():
    world = risky()
    world.fill("BUY", 1, 64000)
    world.fill("BUY", 1, 2000, product_id="ETH-USD")
    figures(world)
    for price in range(64_000, 64_100):
        world.quote("BTC-USD", price)
    held = third_worst((64_099, 0), (2_000, 1))
    assert float(figure(world).before) == pytest.approx(held, abs=0.01)


def test_an_order_that_comes_and_goes_leaves_the_books_as_they_were():
    world = risky()
    world.fill("BUY", 1, 64000)
    before = figures(world)
    order = {"base_size": "0.5", "limit_price": 60000}
    world.report("b", leaves="0.5", **order)
    assert figure(world).before > before["max_var"].before
    world.report("b", leaves="0", status="CANCELLED", **order)
    assert figures(world) == before
    world.report("c", leaves="0.5", **order)
    world.report("c", leaves="0", status="CANCELLED", **order)
    assert figures(world) == before


def test_a_state_from_before_there_was_a_history_is_taken_up():
    world = risky()
    saved = save_manager(world.manager)
    saved.risk = None
    new = World()
    restore_manager(saved, new.manager)
    assert new.manager.risk.past.history.series == {}


# --- Figures that nobody looks at -----------------------------------------------------------------


@pytest.mark.parametrize("measure", MEASURES)
@pytest.mark.parametrize("order", [buy("BTC", "0.3"), sell("ETH", 5), buy("ETH", 40)])
def test_below_what_anybody_looks_at_a_bound_will_do_and_above_it_is_exact(measure, order):
    """Law: never below the exact figure; exact from `warn_usd` on."""
    world = risky(RiskSettings())
    world.fill("BUY", 1, 64000)
    world.fill("BUY", 10, 2000, product_id="ETH-USD")
    world.report("b", base_size="0.5", leaves="0.5", limit_price=60000)
    exact = figure(world, measure, order)
    risk = world.manager.risk
    warn_usd = risk.figure(measure, world.tracker, (order,), D(10**9))
    assert warn_usd.before == exact.before
    assert warn_usd.after >= exact.after - D("0.01")
    assert risk.figure(measure, world.tracker, (order,), exact.after) == exact


def test_what_may_break_or_warn_is_exact_in_the_decision():
    """From 70 % of the limit on, and of a shadow limit's."""
    for limits in ({"max_var": "0.03"}, {"max_var": "1", "shadow": {"max_var": "0.02"}}):
        world = risky(**limits)
        world.fill("BUY", "1.2", 64000)
        decision = world.ask(limit_order("0.01"), dry_run=True)
        exact = third_worst((77_440, 0)) / float(world.tracker.equity)
        shown = [one for one in (*decision.violations, *decision.warnings) if one.code == "MAX_VAR"]
        assert shown
        assert float(shown[0].observed) == pytest.approx(exact, abs=1e-6)


# --- What has no history --------------------------------------------------------------------------


def test_a_coin_that_is_held_and_has_no_history_counts_as_lost_whole():
    """Dust of it does not keep the account from having a figure, and much of it is no small risk."""
    world = risky(RiskSettings(), told=("BTC-USD",))
    world.fill("BUY", 1, 64000)
    exact = figures(world)
    world.fill("BUY", "0.5", 2000, product_id="ETH-USD")
    assert isinstance(figure(world), NoFigure)  # Coinbase has not been asked yet
    tell_nothing(world, "ETH-USD")
    for name, known in figures(world).items():
        assert known.before == exact[name].before + 1000
    world.quote("ETH-USD", 4000)
    assert figure(world).before == exact["max_var"].before + 2000
    assert figure(world, "max_var", buy("BTC", 1)).after > figure(world).before


def test_what_is_read_in_part_is_awaited_and_not_lost():
    """A long history takes several calls; the first brings the newest days."""
    settings = msgspec.structs.replace(HISTORICAL, policy=ReturnsPolicy(length=600, minimum=400))
    world = risky(settings, told=())
    world.fill("BUY", 1, 64000)
    tell(world, "BTC-USD", wave(299))
    assert "BTC has 299 returns" in figure(world).reason
    begin = int(world.now.timestamp()) // DAY_S * DAY_S - 601 * DAY_S
    told = world.manager.risk.past.history.series["BTC-USD"].first * DAY_S
    world.send(ev.ClosesRead, book="BTC-USD", period_s=DAY_S, since=begin, until=told, closes=())
    assert figure(world).before == 64_000  # now Coinbase has said that there is no more


def test_a_future_on_what_has_no_spot_market_takes_the_proxy_that_is_named_for_it():
    gold = msgspec.structs.replace(
        World().tracker.products[FUTURE], product_id="GOL-27JAN27-CDE", base="GOL", book="", key=""
    )
    for proxies, has_figure in (({}, False), ({"GOL": "BTC"}, True)):
        world = funded(risky(msgspec.structs.replace(HISTORICAL, proxies=proxies)))
        world.send(ev.ProductsListed, products=(gold,))
        world.quote(gold.product_id, 2_000)
        tell(world, gold.product_id, wave(20), last=2_000)
        world.fill("BUY", 1, 2_000, product_id=gold.product_id)
        found = figure(world)
        assert isinstance(found, RiskFigure) is has_figure
        if not has_figure:
            assert "proxies.GOL" in found.reason


def test_to_buy_more_of_it_has_no_figure_and_to_sell_it_needs_none():
    world = risky(told=("BTC-USD",), max_var="0.5")
    world.fill("BUY", "0.5", 2000, product_id="ETH-USD")
    tell_nothing(world, "ETH-USD")
    assert "ETH has 0 returns" in figure(world, "max_var", buy("ETH", 1)).reason
    assert isinstance(figure(world), RiskFigure)
    assert world.ask(sell_order("0.5", product_id="ETH-USD"))


def test_nothing_but_what_has_no_history_is_lost_whole_too():
    world = World()
    world.fill("BUY", "0.5", 2000, product_id="ETH-USD")
    tell_nothing(world, "ETH-USD")
    assert set(figures(world).values()) == {RiskFigure(D(1000), D(1000))}
    assert set(figures(world, buy("USDC", 5)).values()) == {RiskFigure(D(1000), D(1000))}


def test_a_future_without_a_history_leaves_no_figure():
    world = funded(World())
    world.fill("BUY", 5, 64000, product_id=FUTURE)
    for book in (FUTURE, "BTC-USD"):
        tell_nothing(world, book)
    assert isinstance(figure(world), NoFigure)


def test_a_little_of_a_young_coin_does_not_cut_the_history_of_the_others():
    world = risky(told=("BTC-USD",))
    tell(world, "ETH-USD", wave(105, phase=1))
    world.fill("BUY", 1, 64000)
    before = figure(world).before
    world.fill("BUY", "0.0001", 2000, product_id="ETH-USD")
    assert abs(figure(world).before - before) < 1


# --- Stablecoins ----------------------------------------------------------------------------------


def tether():
    """USDT, which closes at 1.0000 every day."""
    return msgspec.structs.replace(
        World().tracker.products["ETH-USD"], product_id="USDT-USD", base="USDT", key="", book=""
    )


def with_tether(amount, cash=CASH, **limits):
    """So much of it beside a bitcoin; its closes are told by whoever asks."""
    world = risky(
        RiskSettings(model=ModelSettings(model="historical")), told=("BTC-USD",), **limits
    )
    world.tracker.books.cash = frozenset(cash)
    world.send(ev.ProductsListed, products=(*world.tracker.products.values(), tether()))
    world.quote("USDT-USD", 1)
    world.fill("BUY", 1, 64000)
    world.balance("USDT", amount)
    world.wait(3)
    world.balance("USDT", amount)
    return world


@pytest.mark.parametrize("cash", [CASH, (*CASH, "USDT")], ids=["position", "cash"])
def test_a_stablecoin_whose_closes_never_move_is_no_risk(cash):
    """It was counted as lost whole; and an order in it is no risk either."""
    bitcoin = figures(with_tether(0, cash))
    world = with_tether(50_000, cash)
    tell(world, "USDT-USD", [0.0] * 250)
    seen = figures(world)
    assert seen["max_var"] == bitcoin["max_var"]
    assert seen["max_expected_shortfall"] == bitcoin["max_expected_shortfall"]
    more = figure(world, "max_var", buy("USDT", 10_000))
    assert more == RiskFigure(seen["max_var"].before, seen["max_var"].before)
    (row,) = [one for one in risk_report(world.manager.risk)["components"] if one["key"] == "USDT"]
    assert (row["exposure"], row["var"], row["expected_shortfall"]) == (50_000, 0, 0)


def test_a_stablecoin_that_is_a_position_falls_in_the_stress_scenarios_and_cash_where_it_is_named():
    """A crash day moves all other coins; what is listed as cash moves by its own name only."""
    both = []
    for cash in (CASH, (*CASH, "USDT")):
        world = with_tether(50_000, cash)
        tell(world, "USDT-USD", [0.0] * 250)
        both.append(figure(world, "max_stress_loss").before)
    assert both[0] - both[1] == D("0.424") * 50_000


@pytest.mark.parametrize(
    "told", [[], [0.0] * 3, [0.001, -0.001, 0.001]], ids=["none", "still", "few"]
)
def test_what_is_listed_as_cash_is_cash_however_little_is_known_of_its_price(told):
    """As a position it is lost whole. As cash it is waited for until it was read, and then moves as its
    own few days did.
    """
    listed, held = with_tether(50_000, (*CASH, "USDT")), with_tether(50_000)
    assert "USDT has 0 returns" in figure(listed).reason
    for world in (listed, held):
        tell_nothing(world, "USDT-USD") if not told else tell(world, "USDT-USD", told, since=0)
    bitcoin = figure(with_tether(0)).before
    assert abs(figure(listed).before - bitcoin) < 100
    assert figure(held).before == bitcoin + 50_000


def test_cash_moves_like_another_asset_only_where_the_configuration_says_so():
    policy = ReturnsPolicy(short_history="proxy")
    for proxies, is_more in (({}, False), ({"USDT": "BTC"}, True)):
        world = with_tether(50_000, (*CASH, "USDT"))
        risk = world.manager.risk
        risk.settings = risk.past.settings = msgspec.structs.replace(
            risk.settings, policy=policy, proxies=proxies
        )
        tell_nothing(world, "USDT-USD")
        assert (figure(world).before > figure(with_tether(0)).before) is is_more


# --- Dollars and cash -----------------------------------------------------------------------------


def test_usdc_is_a_dollar_and_no_risk():
    world = risky(told=("BTC-USD", "USDC-EUR"))
    world.fill("BUY", 1, 64000)
    before = figure(world).before
    assert figure(world, "max_var", buy("USDC", 1000)) == RiskFigure(before, before)
    world.report("u", product_id="USDC-EUR", base_size=1000, leaves=1000, limit_price="0.8")
    assert figure(world).before == before


def test_foreign_cash_counts_beside_an_order_in_it():
    """A currency may be cash, and be worked too."""
    world = risky(told=("BTC-USD", "ETH-USD", "USDC-EUR"))
    world.balance("EUR", 8_000)
    world.wait(2)
    before = figure(world).before
    line = world.tracker.books.line(world.tracker.account, "EUR")
    world.tracker.account.work(line, "BUY", D(100), 1)
    assert figure(world).before > before


@pytest.mark.parametrize("kept", [D(8_000), None])
def test_what_is_kept_of_foreign_cash_is_not_counted(kept):
    world = World(settings=Settings(risk=HISTORICAL), keep={"EUR": kept})
    tell(world, "USDC-EUR", wave(250))
    world.balance("EUR", 8_000)
    world.wait(2)
    assert figure(world).before == 0


def test_a_view_that_was_forgotten_is_never_used_again(monkeypatch):
    """Many assets asked about in turn, then foreign cash comes in: every figure has it."""
    monkeypatch.setattr("sidecar.core.value_at_risk.live_risk.VIEWS_MAX", 2)
    world = risky(told=("BTC-USD", "ETH-USD", "USDC-EUR"))
    world.balance("EUR", 8)
    world.wait(2)
    asked = [buy("BTC", 1), buy("ETH", 1), buy("EUR", 1), buy("BTC", 1)]
    for order in asked:
        figure(world, "max_var", order)
    for _ in range(2):
        world.balance("EUR", 800_008)
        world.wait(2)
    for order in asked:
        assert figure(world, "max_var", order) == anew(world, order)


def test_what_is_asked_about_in_turn_is_fitted_once(monkeypatch):
    """The one that was asked about longest ago is forgotten first, and never what is held."""
    fitted: list[list[str]] = []
    real = LiveRisk._fitted

    def noted(risk, keys):
        fitted.append(keys)
        return real(risk, keys)

    monkeypatch.setattr(LiveRisk, "_fitted", noted)
    monkeypatch.setattr("sidecar.core.value_at_risk.live_risk.VIEWS_MAX", 2)
    world = risky()
    world.fill("BUY", 1, 64000)
    for _ in range(3):
        figure(world)
        figure(world, "max_var", buy("ETH", 1))
    assert fitted == [["BTC"], ["BTC", "ETH"]]
    figure(world, "max_var", buy("USDC", 1), buy("EUR", 1))  # a third; the books of BTC go
    figure(world, "max_var", buy("ETH", 1))
    assert fitted[2:] == [["BTC", "EUR"]]


def test_a_sale_told_before_its_purchase_offsets_nothing():
    world = risky()
    world.fill("BUY", 10, 2000, product_id="ETH-USD")
    world.fill("SELL", "0.5", 64000)
    before = figure(world).before
    world.report("b", base_size="0.2", leaves="0.2", limit_price=64000)
    assert figure(world).before == before


def anew(world, order):
    """The same in a new process."""
    new = reloaded(world)
    new.manager.risk.tick(world.now)
    return figure(new, "max_var", order)


# --- Time and scenarios ---------------------------------------------------------------------------


def test_a_history_that_is_never_read_again_grows_too_old_while_we_run():
    world = risky()
    world.fill("BUY", 1, 64000)
    assert isinstance(figure(world), RiskFigure)
    for _ in range(10):
        world.wait(DAY_S)
    assert "ends 9 periods ago" in figure(world).reason


def test_a_busy_book_is_closed_by_the_last_price_of_its_day():
    """A quote of the new day comes within the second."""
    world = risky(told=("BTC-USD",))
    midnight = (world.now + timedelta(days=1)).replace(hour=0, minute=0)
    world.now = midnight - timedelta(milliseconds=200)
    world.quote("BTC-USD", 60000)
    world.now = midnight + timedelta(milliseconds=200)
    world.quote("BTC-USD", 70000)
    assert world.manager.risk.past.history.series["BTC-USD"].closes[-1] == 60000


def test_without_any_scenario_there_is_no_stress_loss():
    world = risky()  # none is configured there
    world.fill("BUY", 1, 64000)
    assert "there is no stress scenario; set [var]" in figure(world, "max_stress_loss").reason


def test_only_what_is_made_of_a_book_is_fitted_anew_when_it_is_read():
    world = risky()
    world.fill("BUY", 1, 64000)
    view = world.manager.risk.view()
    tell(world, "ETH-USD", wave(250, phase=5))
    assert world.manager.risk.view() is view
    tell(world, "BTC-USD", wave(250, phase=5))
    assert world.manager.risk.view() is not view


def test_a_listing_that_changes_no_route_fits_nothing_anew():
    world = risky()
    world.fill("BUY", 1, 64000)
    view = world.manager.risk.view()
    products = tuple(world.tracker.products.values())
    world.send(ev.ProductsListed, products=products)
    assert world.manager.risk.view() is view
    in_euro = msgspec.structs.replace(
        products[0], product_id="XYZ-EUR", base="XYZ", quote="EUR", alias=""
    )
    world.send(ev.ProductsListed, products=(in_euro,))
    assert world.manager.risk.view() is not view


def test_a_currency_that_is_bought_counts_with_what_is_held_of_it():
    world = risky()
    world.send(ev.ProductsListed, products=(*PRODUCTS, product("EUR-USD")))
    world.quote("EUR-USD", "1.25")
    tell(world, "EUR-USD", wave(250))
    world.balance("EUR", 1000)
    world.report("o", product_id="EUR-USD", base_size=400, limit_price=1)
    world.report("p", product_id="EUR-USD", side="SELL", base_size=300, limit_price=2)
    view = world.manager.risk.view()
    assert view is not None
    assert view.rows[view.index["EUR"]] == (1250, 1750, 1250)


# --- Room -------------------------------------------------------------------------------------------


def room(world, key="BTC", side="BUY", measure="max_var", warn_usd=50_000):
    return world.manager.risk.room(measure, world.tracker, Leg(key, side, D(0)), D(warn_usd))


@pytest.mark.parametrize("measure", ["max_var", "max_expected_shortfall", "max_stress_loss"])
@pytest.mark.parametrize("side", ["BUY", "SELL"])
def test_what_there_is_room_for_stays_calm_whatever_it_is(measure, side):
    """And as much again as there is does not, where the worst day of the coin is the book's too."""
    world = risky(msgspec.structs.replace(HISTORICAL, stress_window=5))
    world.balance("BTC", 1)
    warn_usd = figure(world, measure).before + 1000
    usd = room(world, side=side, measure=measure, warn_usd=warn_usd)
    assert usd > 1000
    leg = Leg("BTC", side, usd / 64000)
    assert world.manager.risk.figure(measure, world.tracker, (Added(leg),)).after < warn_usd


def test_room_follows_orders_and_prices():
    """A few lines that moved are bounded, not followed; the bound is on the safe side."""
    world = risky()
    world.balance("BTC", 1)
    before = room(world)
    world.report("o", base_size="0.1", limit_price=60000)  # 6,400 USD more may be held
    after = room(world)
    assert before - 6500 < after <= before - 6399
    view = world.manager.risk.view()
    assert view is not None  # kept up now, exactly
    assert after <= room(world) < before


def test_what_has_drifted_far_is_followed():
    """A bound that uses up much of what is left is no use: the books are brought up to date."""
    world = risky()
    world.balance("BTC", 1)
    room(world)
    world.report("o", base_size=5, limit_price=60000)
    room(world)
    (view,) = set(world.manager.risk._views.values())
    assert view.serial == world.tracker.account.serial


def test_a_loss_that_is_certain_already_is_followed_too():
    world = risky(told=("BTC-USD",))
    world.balance("BTC", 1)
    tell_nothing(world, "ETH-USD")
    world.balance("ETH", 1)
    before = room(world)
    world.report("o", product_id="ETH-USD", base_size="0.1", limit_price=2000)
    assert room(world) < before


NO_ROOM = {
    "nothing is left": {"warn_usd": 1},
    "no history": {"key": "ETH"},
    "no price": {"key": "SOL"},
    "dollars are no risk": {"key": "USDC"},
}


@pytest.mark.parametrize("asked", NO_ROOM.values(), ids=NO_ROOM)
def test_where_nothing_is_certain_there_is_no_room(asked):
    world = risky(told=("BTC-USD",))
    world.balance("BTC", 1)
    assert room(world, **asked) == 0


def test_a_coin_that_never_moved_has_all_room_until_a_dollar_is_left():
    world = World(settings=Settings(risk=HISTORICAL))
    tell(world, "BTC-USD", [0.0] * 250)
    assert [room(world, warn_usd=usd) for usd in (1, "1.01")] == [0, ROOM_MAX]


def test_a_model_without_a_bound_leaves_no_room():
    world = risky(RiskSettings(model=ModelSettings(model="cornish_fisher")))
    world.balance("BTC", 1)
    assert room(world) == 0


def test_a_user_s_own_risk_is_asked_each_time():
    assert GuardedRisk.room("max_var", World().tracker, Leg("BTC", "BUY", D(0)), D(1)) == 0


def test_a_sale_that_no_scenario_makes_worse_has_all_the_room_there_is():
    fall = Scenario("fall", {"BTC": -0.5}, 0.0)
    world = risky(msgspec.structs.replace(HISTORICAL, scenarios=(fall,)))
    world.balance("BTC", 1)
    assert room(world, side="SELL", measure="max_stress_loss") == Decimal(10**15)
    assert 0 < room(world, side="BUY", measure="max_stress_loss") < 50_000


def test_a_model_that_gives_no_number_leaves_no_room(monkeypatch):
    world = risky()
    world.balance("BTC", 1)
    room(world)
    (view,) = set(world.manager.risk._views.values())
    monkeypatch.setattr(view, "before", lambda _measure: math.nan)
    assert room(world) == 0


def test_what_came_and_went_has_drifted_nowhere():
    world = risky()
    world.balance("BTC", 1)
    before = room(world)
    world.report("o", base_size="0.1", limit_price=60000)
    world.report("o", status="CANCELLED")
    assert room(world) == before


def test_of_a_book_that_nobody_lists_its_own_closes_are_asked_for_alone():
    world = World()
    spans = world.manager.risk.past.spans(["NO-SUCH"], world.now)
    assert {span.book for span in spans} == {"NO-SUCH", "BTC-USD"}  # and of what stands in


def test_an_edit_of_a_purchase_counts_beside_the_other_purchases():
    """Two of 1 BTC are open, and one of them is to be 2; as if there were 1 open, and 2 were asked for."""
    edited, asked = risky(), risky()
    for world, names in ((edited, ("a", "b")), (asked, ("a",))):
        for name in names:
            world.report(name, base_size=1, leaves=1, limit_price=64_000)
    new, fresh = (
        figure(edited, "max_var", buy("BTC", 2, 1)),
        figure(asked, "max_var", buy("BTC", 2)),
    )
    assert float(new.after) == pytest.approx(float(fresh.after))


@pytest.mark.parametrize(("bought", "left"), [(5, 7), (0, 2)])
def test_an_edit_of_a_sale_takes_as_much_from_what_purchases_would_leave(bought, left):
    """5 BTC are held, so many are to be bought and 2 to be sold; with 3 sold, what is left is the most there may be."""
    edited, held = risky(), risky()
    edited.hold(5)
    held.hold(left)
    if bought:
        edited.report("a", base_size=bought, leaves=bought, limit_price=64_000)
    edited.report("b", side="SELL", base_size=2, leaves=2, limit_price=64_000)
    new = figure(edited, "max_var", sell("BTC", 3, 2))
    assert float(new.after) == pytest.approx(float(figure(held).before))
