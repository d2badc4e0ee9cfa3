"""What the portfolio risks, shown: books, contributions, scenarios; None where there is no figure."""

import math
from decimal import Decimal

from sidecar.core.context.settings import Settings
from sidecar.core.value_at_risk.risk_report import risk_report
from sidecar.core.value_at_risk.settings import RiskSettings, Scenario
from sidecar.core.views import status
from tests.histories import tell, tell_nothing, wave
from tests.scenario import D, World


def held():
    world = World()
    tell(world, "BTC-USD")
    tell(world, "ETH-USD", wave(250, phase=1))
    world.fill("BUY", 1, 64000)
    world.fill("BUY", 10, 2000, product_id="ETH-USD")
    world.report("b", base_size="0.5", leaves="0.5", limit_price=60000)
    world.wait(1)
    return world


def test_the_contributions_add_up_to_what_is_held():
    report = risk_report(held().manager.risk)
    parts, books = report["components"], report["books"]
    for name in ("var", "expected_shortfall"):
        assert abs(sum(row[name] for row in parts) - books["held"][name]) <= D("0.02")
    assert books["buys"]["var"] > books["held"]["var"] == books["sells"]["var"]
    assert {row["key"] for row in parts} == {"BTC", "ETH"}


def test_the_marginal_figure_is_that_of_one_more_dollar():
    for row in risk_report(held().manager.risk)["components"]:
        assert abs(row["marginal_var"] - row["var"] / row["exposure"]) < D("0.0002")


def test_scenarios_come_worst_first_and_of_the_own_history_the_worst_alone():
    rows = risk_report(held().manager.risk)["stress"]
    losses = [row["loss"] for row in rows]
    assert losses == sorted(losses, reverse=True)
    assert sum(row["scenario"].startswith("own history") for row in rows) == 1
    assert {row["scenario"] for row in rows} >= {"crash of 2020-03-12", "crash of 2022-11-09"}
    assert rows[0]["loss"] >= D("0.372") * 64_000


def test_what_is_only_worked_has_no_marginal_figure():
    world = World()
    tell(world, "BTC-USD")
    world.report("b", base_size="0.5", leaves="0.5", limit_price=60000)
    (row,) = risk_report(world.manager.risk)["components"]
    assert (row["exposure"], row["marginal_var"]) == (0, None)


def test_nothing_held_is_no_risk():
    assert risk_report(World().manager.risk) == {
        "books": None,
        "components": [],
        "stress": [],
        "worst_scenario": None,
        "uncounted": [],
    }


def test_without_a_history_only_the_named_scenarios_are_shown():
    settings = RiskSettings(scenarios=(Scenario("half", {}, -0.5),), stress_window=0)
    world = World(settings=Settings(risk=settings))
    world.fill("BUY", 1, 64000)
    report = risk_report(world.manager.risk)
    assert report == {
        "books": None,
        "components": None,
        "stress": [{"scenario": "half", "loss": Decimal("32000.00")}],
        "worst_scenario": "half",
        "uncounted": [],
    }


def test_what_has_no_price_is_named_and_is_in_no_book():
    """A bitcoin and some of a coin that nothing quotes; then that coin alone."""
    world = held()
    before = risk_report(world.manager.risk)
    for _ in range(2):
        world.balance("JUNK", 5)
        world.wait(3)
    assert risk_report(world.manager.risk) == before | {"uncounted": ["JUNK"]}
    assert status(world.manager, world.now)["risk"]["uncounted"] == ["JUNK"]
    alone = World()
    alone.fill("BUY", 1, 64000)
    alone.tracker.account.lines["BTC"].mark = None
    assert risk_report(alone.manager.risk) == {
        "books": None,
        "components": [],
        "stress": [],
        "worst_scenario": None,
        "uncounted": ["BTC"],
    }


def test_what_is_no_number_is_not_shown():
    world = held()
    world.manager.risk.view().book("held").pnl[:] = math.nan
    assert risk_report(world.manager.risk)["books"]["held"]["var"] is None


def test_status_shows_why_there_is_none():
    world = World()
    world.fill("BUY", 1, 64000)
    risk = status(world.manager, world.now)["risk"]
    assert risk["var"] is None
    assert "BTC has 0 returns" in risk["unavailable"]


def test_what_has_no_history_is_shown_as_lost_whole():
    world = World()
    tell(world, "BTC-USD")
    world.fill("BUY", 1, 64000)
    world.fill("BUY", "0.5", 2000, product_id="ETH-USD")
    before = risk_report(world.manager.risk)["components"]
    assert before is None  # Coinbase has not been asked about it yet
    tell_nothing(world, "ETH-USD")
    report = risk_report(world.manager.risk)
    (lost,) = [row for row in report["components"] if row["key"] == "ETH"]
    assert (lost["exposure"], lost["var"], lost["marginal_var"]) == (1000, 1000, 1)
    whole = report["books"]["held"]["var"]
    assert abs(sum(row["var"] for row in report["components"]) - whole) <= D("0.02")


def test_where_all_of_it_is_lost_whole_the_cause_is_shown():
    world = World()
    world.fill("BUY", 5, 2000, product_id="ETH-USD")
    tell_nothing(world, "ETH-USD")
    report = risk_report(world.manager.risk)
    (row,) = report["components"]
    assert (row["key"], row["exposure"], row["var"]) == ("ETH", D(10_000), D(10_000))
    assert {figures["var"] for figures in report["books"].values()} == {D(10_000)}


def test_contributions_come_with_the_largest_first():
    world = held()
    world.fill("SELL", "0.9", 64000)
    assert [row["key"] for row in risk_report(world.manager.risk)["components"]] == ["ETH", "BTC"]


def test_scenarios_that_cost_the_same_come_by_name():
    """In whatever order they are configured."""
    falls = tuple(Scenario(name, {}, -0.5) for name in ("b", "c", "a"))
    world = World(settings=Settings(risk=RiskSettings(scenarios=falls, stress_window=0)))
    world.fill("BUY", 1, 64000)
    assert [row["scenario"] for row in risk_report(world.manager.risk)["stress"]] == ["a", "b", "c"]
