"""The findings of a backtest of value at risk, as a person reads them. Pure: a dict in, a rich
renderable out.
"""

from collections.abc import Iterable, Mapping
from typing import Any, Final

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from sidecar.console.shown import words
from sidecar.console.shown.layout import section
from sidecar.core.value_at_risk.backtest import LEVEL

View = Mapping[str, Any]

FULL: Final = 80  # columns from which days and expected exceptions have room in every row
WARM: Final = 0.10
COLUMNS: Final = (
    "model", "days", "exc.", "exp.", "%", "rate\np", "runs\np", "both\np", "light", "ES\nZ2", "ES\np", "",
)  # fmt: skip
TEXTS: Final = {"model", "light", ""}
NARROW_LACKS: Final = {"days", "exp."}
LEGEND: Final = (
    "A p below 0.05 speaks against a model; a good one has that once in 20. rate: Kupiec; runs:"
    " Christoffersen's independence; both: his conditional coverage; light: Basel's; ES:"
    " Acerbi and Székely's second test, 0 is expected, negative is too small an ES."
)


def backtested(view: View, width: int) -> Group:
    """A table a confidence, the findings against each model, and notes."""
    parts: list[RenderableType] = [_head(view)]
    for level in dict.fromkeys(row["confidence"] for row in view["tests"]):
        rows = [row for row in view["tests"] if row["confidence"] == level]
        parts += [Text(""), _heading(rows), _table(rows, width)]
    parts += [Text(""), Text(LEGEND, style="dim")]
    against = [_against(row) for row in view["tests"] if row["reasons"]]
    if against:
        parts.append(section("What speaks against them", *against))
    lacking = [_lacking(row) for row in view["tests"] if row["unavailable"]]
    if lacking:
        parts.append(section("Days without a figure", *lacking))
    parts += [Text(note, style="yellow") for note in view["notes"]]
    return Group(*parts)


def p_value(test: View | None) -> str:
    """Three digits: as many as a simulated one has."""
    if test is None:
        return words.NONE
    return "<.001" if test["p"] < 0.001 else f"{test['p']:.3f}"


def statistic(test: View | None) -> str:
    """Two digits, fewer where it is large."""
    if test is None:
        return words.NONE
    return f"{test['value']:.2f}" if abs(test["value"]) < 9.995 else f"{test['value']:.1f}"


def level_of(row: View) -> str:
    """The confidence in per cent."""
    return f"{words.exactly(row['confidence'] * 100)} %"


def _head(view: View) -> Text:
    held = ", ".join(f"{name} {words.money(usd)}" for name, usd in view["positions"].items())
    return Text.assemble(
        ("Backtest of value at risk", "bold"),
        f"  {view['from']} to {view['to']}\nfitted to the {view['window']} days before each; USD: {held}",
    )


def _heading(rows: list[View]) -> Text:
    most = max(rows, key=lambda row: int(row["days"]))
    told = f": {most['expected']:,.1f} exceptions are expected in {most['days']:,} days"
    return Text.assemble((level_of(rows[0]), "bold"), told)


def _table(rows: Iterable[View], width: int) -> Table:
    lacks = NARROW_LACKS if width < FULL else set[str]()
    made = Table(
        box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False, header_style="bold", padding=0
    )
    for name in COLUMNS:
        if name not in lacks:
            made.add_column(name, justify="left" if name in TEXTS else "right", overflow="fold")
    for row in rows:
        cells = zip(COLUMNS, _cells(row), strict=True)
        made.add_row(*(cell for name, cell in cells if name not in lacks))
    return made


def _cells(row: View) -> tuple[Text, ...]:
    light, z2 = row["traffic_light"], row["z2"]
    zone = words.NONE if light is None else light["zone"]
    return (
        Text(row["model"]),
        Text(f"{row['days']}"),
        Text(f"{row['exceptions']}"),
        Text(f"{row['expected']:.1f}"),
        Text(words.NONE if row["rate"] is None else f"{row['rate'] * 100:.1f}"),
        *(_judged(row[name]) for name in ("kupiec", "independence", "conditional")),
        Text(zone, style="dim" if light is None else zone),
        Text(statistic(z2)),
        _judged(z2),
        Text(row["verdict"], style="bold red" if row["reasons"] else "bold green"),
    )


def _judged(test: View | None) -> Text:
    """A p-value in its colour."""
    if test is None:
        return Text(words.NONE, style="dim")
    style = "red" if test["p"] < LEVEL else "yellow" if test["p"] < WARM else "green"
    return Text(p_value(test), style=style)


def _against(row: View) -> Text:
    return Text(f"{row['model']} at {level_of(row)}: {'; '.join(row['reasons'])}")


def _lacking(row: View) -> Text:
    told = "; ".join(f"{count:,} days: {reason}" for reason, count in row["unavailable"].items())
    return Text(f"{row['model']} at {level_of(row)}: {told}", style="yellow")
