"""docs/liquidation.md says what the code does."""

import io
import re
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import get_args

import pytest
from msgspec import to_builtins
from rich.console import Console

from sidecar.console.pages.liquidation_page import PHASES, SIGNAL_WORDS, STAGES, STEP_WORDS, filled
from sidecar.console.shown.render_liquidation import liquidation
from sidecar.core.liquidation.attempts import MOVES, Signal, Stage
from sidecar.core.liquidation.episode import STEPS, Step
from sidecar.core.liquidation.liquidation_report import report_view
from sidecar.core.vocabulary.reports import LiquidationReport, Outcome, Phase, RowReport
from tests.scenario import D

ROOT = Path(__file__).parents[4]
PAGE = (ROOT / "docs" / "liquidation.md").read_text(encoding="utf-8")


def cells(head):
    """The rows of the table under this head."""
    table = PAGE[PAGE.index(head) :].partition("\n\n")[0].partition("\n<!--")[0]
    return [
        [cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]]
        for line in table.splitlines()[2:]
    ]


# --- The tables of states -------------------------------------------------------------------------


def test_its_generated_parts_are_the_codes_own():
    """If this fails: `make docs`, and commit the page with the change."""
    assert filled(PAGE) == PAGE


def test_a_part_that_was_changed_by_hand_is_written_anew():
    assert (
        filled(PAGE.replace("| sent | accepted | placed |", "| sent | accepted | sold |")) == PAGE
    )


@pytest.mark.parametrize(
    ("kind", "words"),
    [(Phase, PHASES), (Step, STEP_WORDS), (Stage, STAGES), (Signal, SIGNAL_WORDS)],
)
def test_every_word_of_the_tables_is_explained(kind, words):
    assert set(get_args(kind)) == set(words)
    assert all(words.values())


@pytest.mark.parametrize(("name", "table"), [("steps", STEPS), ("moves", MOVES)])
def test_diagram_and_table_are_the_same(name, table):
    """Each way on is in both, and of more there are only the beginning and the end."""
    region = PAGE[PAGE.index(f"<!-- {name}: generated -->") : PAGE.index(f"<!-- /{name} -->")]
    drawn = re.findall(r"^    (\S+) --> (\S+) : (.+)$", region, re.MULTILINE)
    listed = re.findall(r"^\| (\w+) \| ([^|`]+) \| (\w+) \|", region, re.MULTILINE)
    listed = [row for row in listed if row[1] != "when"]
    ends = [row for row in listed if row[2] == "done"]
    assert [(*row,) for row in listed if row not in ends] == [
        (b, w, a) for (b, w), a in table.items()
    ]
    assert [(b, w) for b, _, w in drawn if b != "[*]"] == [
        (b, w.replace(":", ",")) for b, w, _ in listed
    ]
    assert [b for b, *_ in drawn].count("[*]") == 1
    assert not [label for *_, label in drawn if ":" in label], "a label may have no colon"


# --- The report -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("head", "kind"),
    [("| field | is |", LiquidationReport), ("| field of a row | is |", RowReport)],
)
def test_every_field_of_the_report_is_explained(head, kind):
    shown = [name for row in cells(head) for name in re.findall(r"`(\w+)`", row[0])]
    assert set(shown) == set(kind.__struct_fields__)
    assert len(shown) == len(set(shown))


def test_every_outcome_is_named():
    assert all(f"`{outcome}`" in PAGE for outcome in get_args(Outcome))


def test_the_report_is_shown_as_the_page_has_it():
    def row(key, held, cancelled):
        return RowReport(
            key=key, held=D(held), cancelled=cancelled, sold=D(held), left=D(0), attempts=1,
            proceeds=D(0), fees=D(0), slippage=D(0),
        )  # fmt: skip

    report = LiquidationReport(
        episode="20261122T172743-1", key=None, reason="flatten by root: moving house",
        outcome="flat", phase="reading",
        began_at=datetime(2026, 11, 22, 17, 27, 43, tzinfo=UTC),
        ended_at=datetime(2026, 11, 22, 17, 27, 48, tzinfo=UTC),
        rounds=1, cancelled=1, proceeds=D("38396.65"), fees=D("460.76"), slippage=D("3.59"),
        rows=(row("BTC", "0.5", 1), row("ETH", "2", 0)),
    )  # fmt: skip
    out = io.StringIO()
    Console(file=out, width=100, highlight=False).print(
        liquidation(to_builtins(report_view(report)))
    )
    for line in out.getvalue().splitlines():
        assert f"{line.rstrip()}\n" in PAGE, line


# --- What it names, and what it shows -------------------------------------------------------------


def test_every_code_that_it_names_is_the_codes_own():
    source = "".join(
        path.read_text(encoding="utf-8") for path in (ROOT / "sidecar" / "core").rglob("*.py")
    ) + (ROOT / "sidecar" / "daemon" / "preflight.py").read_text(encoding="utf-8")
    named = set(re.findall(r"\b[A-Z]+_[A-Z_]+[A-Z]\b", PAGE))
    assert {"LIQUIDATION_STUCK", "OWN_ORDER_DIFFERS"} <= named
    assert not {code for code in named if f'"{code}"' not in source}


def test_every_command_shown_is_one(run):
    shown = re.findall(r"^\$ risk-sidecar (.*)$", PAGE, re.MULTILINE)
    assert len(shown) >= 4
    for line in shown:
        words = [word.strip('"') for word in re.findall(r'"[^"]*"|\S+', line)]
        code, _, errors = run(*words, "-h")
        assert code == 0, f"{line}: {errors}"


def test_the_example_prints_what_it_says():
    """The comment lines at its end are its output."""
    (example,) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    done = subprocess.run(
        [sys.executable, "-c", example], capture_output=True, text=True, timeout=60, check=True
    )
    promised = [line[2:] for line in example.splitlines() if line.startswith("# ")]
    assert done.stdout.splitlines() == promised


def test_the_readme_links_it():
    assert "(docs/liquidation.md)" in (ROOT / "README.md").read_text(encoding="utf-8")
