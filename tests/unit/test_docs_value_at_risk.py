"""docs/value-at-risk.md shows what a backtest says.

After a change of a model: `python -m tests.unit.test_docs_value_at_risk` writes its table anew.
"""

import csv
import os
import re
from datetime import date
from decimal import Decimal
from pathlib import Path

import numpy as np
import pytest

from sidecar.core.value_at_risk.backtest import Backtest, Plan, backtest, verdict
from sidecar.core.value_at_risk.models import MODELS, fit
from sidecar.core.value_at_risk.settings import CRASH_DAYS, ModelSettings

ROOT = Path(__file__).parents[2]
PAGE_FILE = ROOT / "docs" / "value-at-risk.md"
PAGE = PAGE_FILE.read_text(encoding="utf-8")
DATA = ROOT.parent / "shared" / "data" / "btc-usd-daily-2015-2018.csv"
BEGIN, END = "<!-- backtest -->\n", "<!-- /backtest -->"
WINDOW = 250
LEVELS = ("0.95", "0.99")
HEAD = (
    "| model | confidence | exceptions | expected | rate p | runs p | both p | light | ES Z2 | ES p | verdict |\n"
    "|---|---|---|---|---|---|---|---|---|---|---|\n"
)
needs_data = pytest.mark.skipif(not DATA.exists(), reason=f"no real closes at {DATA.name}")


takes_long = pytest.mark.skipif(
    os.environ.get("HYPOTHESIS_PROFILE") == "ci", reason="six seconds each: make soak"
)


def closes() -> tuple[list[date], np.ndarray]:
    with DATA.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    days = [date.fromisoformat(row["date"]) for row in rows]
    return days, np.array([float(row["close"]) for row in rows])


def backtested(model: str, level: str) -> Backtest:
    returns = np.diff(np.log(closes()[1]))[:, None]
    settings = ModelSettings(model=model, confidence=Decimal(level))  # type: ignore[arg-type]
    rare = 5 if model == "monte_carlo" else 1
    plan = Plan(window=WINDOW, refit_every=rare)
    return backtest(returns, np.array([1.0]), settings, plan, fit, lambda _: None)


def row(test: Backtest) -> str:
    outcome = test.outcome
    assert outcome is not None
    told = (outcome.unconditional, outcome.independence, outcome.conditional)
    cells = [
        f"`{test.settings.model}`",
        f"{test.settings.confidence * 100:.0f} %",
        f"{test.exceptions}",
        f"{test.expected:.1f}",
        *(f"{one.p:.3f}" for one in told),
        outcome.light.zone,
        f"{outcome.shortfall.z2.value:.2f}",
        f"{outcome.shortfall.z2.p:.3f}",
        "fails" if verdict(test) else "**good**",
    ]
    return f"| {' | '.join(cells)} |\n"


def written() -> dict[tuple[str, str], str]:
    """The page's rows, by model and confidence."""
    table = PAGE[PAGE.index(BEGIN) : PAGE.index(END)]
    found = re.findall(r"^\| `(\w+)` \| (\d+) % \|.*$", table, re.MULTILINE)
    lines = re.findall(r"^\| `\w+` .*$", table, re.MULTILINE)
    return dict(zip(found, (line + "\n" for line in lines), strict=True))


def test_every_model_is_in_every_table():
    assert {model for model, _ in written()} == set(MODELS)
    assert len(written()) == len(MODELS) * len(LEVELS)
    for name in MODELS:
        assert f"`{name}`" in PAGE or f"`{name.partition('_')[0]}_shrunk`" in PAGE


@needs_data
@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize(
    "model",
    [pytest.param(name, marks=takes_long) if name == "monte_carlo" else name for name in MODELS],
)
def test_the_table_is_what_a_backtest_says(model, level):
    """If this fails: `python -m tests.unit.test_docs_value_at_risk`, and read what the page says of it."""
    shown = written()[model, str(int(Decimal(level) * 100))]
    assert shown == row(backtested(model, level))


@needs_data
def test_the_models_that_pass_all_coverage_tests_at_both_confidences_are_named():
    """Kupiec, independence and conditional coverage, at 5 %, as the page says."""
    passed = {
        key for key, line in written().items() if min(map(float, line.split(" | ")[4:7])) >= 0.05
    }
    both = {model for model, _ in passed if {(model, "95"), (model, "99")} <= passed}
    assert both == {"filtered", "cornish_fisher"}
    for name in sorted(both):
        assert f"`{name}`" in PAGE[PAGE.index("**At 95 and at 99 %") :].partition("\n")[0]


def test_the_crash_days_are_those_of_the_page():
    for day in CRASH_DAYS:
        fall = [f"−{-move * 100:.1f} %" for move in (day.moves["BTC"], day.others)]
        assert f"| {day.name.rpartition(' ')[2]} | {fall[0]} | {fall[1]} |" in PAGE


if __name__ == "__main__":
    table = HEAD + "".join(row(backtested(model, level)) for level in LEVELS for model in MODELS)
    start, end = PAGE.index(BEGIN) + len(BEGIN), PAGE.index(END)
    PAGE_FILE.write_text(PAGE[:start] + table + PAGE[end:], encoding="utf-8")
