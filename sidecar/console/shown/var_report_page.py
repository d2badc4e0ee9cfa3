"""A backtest of value at risk as one HTML file: a table, and plots as SVG within it. No I/O.

It loads no other file. matplotlib is in the extra `report`.
"""

import io
import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from html import escape
from typing import Any, Final

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray
from scipy.special import ndtri

from sidecar.console.shown import words
from sidecar.console.shown.render_var import LEGEND, level_of, p_value, statistic
from sidecar.core.value_at_risk.backtest import LEVEL, Backtest, rolling_rate

View = Mapping[str, Any]
Dates = NDArray[np.datetime64]

ROLLING_DAYS: Final = 250
COLOURS: Final = ("#0072b2", "#d55e00", "#009e73", "#cc79a7")  # told apart by the colour-blind too
GREY: Final = "#8a8a8a"
RC: Final[dict[Any, Any]] = {
    "svg.fonttype": "none",  # text stays text: small, and found by the browser's search
    "svg.hashsalt": "backtest",  # the same backtest gives the same file
    "font.family": "sans-serif",
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.titlesize": 10,
    "axes.titlelocation": "left",
    "legend.frameon": False,
    "date.converter": "concise",
}
STYLE: Final = """
body { font: 15px/1.5 system-ui, sans-serif; color: #1a1a1a; background: #fff; max-width: 76rem;
  margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.6rem; } h2 { font-size: 1.2rem; margin-top: 2.5rem; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; font-size: 0.8rem; font-variant-numeric: tabular-nums; }
td { white-space: nowrap; } th, td { padding: 0.2rem 0.35rem; text-align: right; border-bottom: 1px solid #e3e3e3; }
th { vertical-align: bottom; border-bottom: 2px solid #999; }
.text { text-align: left; } .reasons { min-width: 9rem; white-space: normal; }
.bad { color: #b00020; font-weight: 600; } .good { color: #1b6e3c; font-weight: 600; }
.zone::before { content: ""; display: inline-block; width: 0.7em; height: 0.7em; border-radius: 50%;
  margin-right: 0.4em; border: 1px solid #666; background: var(--zone); }
.note { color: #555; } figure { margin: 0.5rem 0; } figure svg { width: 100%; height: auto; }
figcaption { color: #555; font-size: 0.85rem; }
"""
MOSAIC: Final[list[Any]] = [["pnl"] * 7, ["rate"] * 3 + ["qq"] * 2 + ["parts"] * 2]
HEADS: Final = (
    "model", "verdict", "confidence", "days", "exceptions", "expected", "rate", "Kupiec p", "independence p",
    "conditional coverage p", "traffic light", "ES Z1", "ES Z1 p", "ES Z2", "ES Z2 p", "what speaks against it",
)  # fmt: skip
TEXTS: Final = {"model", "verdict", "traffic light", "what speaks against it"}
CAPTION: Final = (
    "Above: each day's profit and loss, what the model said could be lost (lines), and the days that"
    " lost more (marks). Below, left: the share of such days among the last 250, dashed as it should be."
    " Middle: profit and loss against the model; on the line the model is right, below it on the left"
    " losses are larger than it says, and ±5 is beyond all that it holds possible."
    " Right: what each product contributes to the last day's risk."
)


def page(view: View, tests: Sequence[Backtest], dates: Sequence[date]) -> str:
    """The whole page. `dates` are those of the returns' rows."""
    held = ", ".join(f"{name} {words.money(usd)}" for name, usd in view["positions"].items())
    span = f"{view['from']} to {view['to']}, each day judged by models fitted to the {view['window']} days"
    body = [
        "<h1>Backtest of value at risk</h1>",
        f"<p>{span} before it. Held every day, USD: {escape(held)}.</p>",
        _table(view["tests"]),
        f'<p class="note">{escape(LEGEND)} Red: below {LEVEL}.</p>',
        *(f'<p class="note">{escape(note)}.</p>' for note in view["notes"]),
    ]
    names, days = list(view["positions"]), np.array(dates, dtype="datetime64[D]")
    for model in dict.fromkeys(test.settings.model for test in tests):
        own = [test for test in tests if test.settings.model == model]
        body += [f"<h2>{escape(model)}</h2>", *_lacking(own), _figure(own, days, names)]
    title = "<title>Backtest of value at risk</title>"
    head = f'<meta charset="utf-8"><meta name="viewport" content="width=device-width">{title}'
    return (
        f'<!doctype html>\n<html lang="en"><head>{head}<style>{STYLE}</style></head>\n<body>\n'
        + "\n".join(body)
        + "\n</body></html>\n"
    )


# ------------------------------------------------------------------------------------------- table


def _table(rows: Iterable[View]) -> str:
    heads = "".join(_cell(name, "th", name in TEXTS) for name in HEADS)
    lines = "".join(f"<tr>{''.join(_cells(row))}</tr>\n" for row in rows)
    return f'<div class="wide"><table><thead><tr>{heads}</tr></thead><tbody>\n{lines}</tbody></table></div>'


def _cells(row: View) -> list[str]:
    light = row["traffic_light"]
    zone = words.NONE
    if light is not None:
        plus = f" (+{light['plus_factor']:.2f})" if light["plus_factor"] else ""
        zone = f'<span class="zone" style="--zone: {light["zone"]}">{light["zone"]}{plus}</span>'
    judged = "; ".join(row["reasons"])
    return [
        _cell(row["model"], is_text=True),
        f'<td class="text {"bad" if judged else "good"}">{escape(row["verdict"])}</td>',
        _cell(level_of(row)),
        _cell(f"{row['days']:,}"),
        _cell(f"{row['exceptions']:,}"),
        _cell(f"{row['expected']:,.1f}"),
        _cell(words.share(row["rate"])),
        *(_judged(row[name]) for name in ("kupiec", "independence", "conditional")),
        f'<td class="text">{zone}</td>',
        _cell(statistic(row["z1"])),
        _judged(row["z1"]),
        _cell(statistic(row["z2"])),
        _judged(row["z2"]),
        f'<td class="text reasons">{escape(judged or "nothing")}</td>',
    ]


def _judged(test: View | None) -> str:
    bad = ' class="bad"' if test is not None and test["p"] < LEVEL else ""
    return f"<td{bad}>{escape(p_value(test))}</td>"


def _cell(text: str, kind: str = "td", is_text: bool = False) -> str:
    attribute = ' class="text"' if is_text else ""
    return f"<{kind}{attribute}>{escape(text)}</{kind}>"


def _lacking(tests: Iterable[Backtest]) -> Iterable[str]:
    for test in tests:
        for reason, count in test.unavailable.items():
            level = words.exactly(test.settings.confidence * 100)
            yield f'<p class="note">{count:,} days without a figure at {level} %: {escape(reason)}</p>'


# ------------------------------------------------------------------------------------------- plots


def _figure(tests: Sequence[Backtest], dates: Dates, names: Sequence[str]) -> str:
    """Every plot of a model, in one SVG."""
    tested = [test for test in tests if test.tested]
    if not tested:
        return "<p>There is nothing to plot: no day could be tested.</p>"
    with mpl.rc_context(RC):
        figure = Figure(figsize=(11, 6.2), layout="constrained")
        axes = figure.subplot_mosaic(MOSAIC)
        _pnl(axes["pnl"], tested, dates)
        _rates(axes["rate"], tested, dates)
        _qq(axes["qq"], tested[-1])
        _parts(axes["parts"], tested, names)
        written = io.StringIO()
        figure.savefig(
            written, format="svg", metadata=dict.fromkeys(("Creator", "Date", "Format", "Type"))
        )
    svg = written.getvalue()
    svg = re.sub(r'<g id="[^"]*">', "<g>", svg[svg.index("<svg") :])  # once a page, if at all
    model = escape(tests[0].settings.model)
    svg = svg.replace("<svg ", f'<svg role="img" aria-label="{model}: the backtest in plots" ', 1)
    return f"<figure>{svg}<figcaption>{CAPTION}</figcaption></figure>"


def _pnl(axes: Axes, tests: Sequence[Backtest], dates: Dates) -> None:
    first = tests[0].days
    axes.plot(dates[first.rows], first.pnl, ".", color=GREY, markersize=2)
    for test, colour in zip(tests, _colours(tests), strict=True):
        days, at = test.days, dates[test.days.rows]
        axes.plot(at, -days.var, color=colour, linewidth=1, label=f"−VaR {_level(test)}")
        label = f"{test.exceptions} exceptions, {test.expected:.1f} expected"
        axes.plot(at[days.hits], days.pnl[days.hits], "x", color=colour, markersize=5, label=label)
    axes.set_title("Profit and loss of a day, USD")
    axes.legend(ncols=2 * len(tests), loc="lower left", bbox_to_anchor=(0.3, 1), borderaxespad=0.2)


def _rates(axes: Axes, tests: Sequence[Backtest], dates: Dates) -> None:
    axes.set_title(f"Exceptions in {ROLLING_DAYS} days, %")
    for test, colour in zip(tests, _colours(tests), strict=True):
        rates = rolling_rate(test.days.hits, ROLLING_DAYS) * 100
        if rates.size:
            axes.plot(dates[test.days.rows[-rates.size :]], rates, color=colour)
            axes.axhline(test.settings.alpha * 100, color=colour, linestyle="--", linewidth=0.8)
    if not axes.lines:
        _instead(axes, f"fewer than {ROLLING_DAYS} days")
    else:
        axes.set_ylim(bottom=0)


def _qq(axes: Axes, test: Backtest) -> None:
    """The probabilities that the model gave to the outcomes, as standard normal quantiles."""
    count = test.tested
    should = ndtri((np.arange(count) + 0.5) / count)
    axes.axline((0, 0), slope=1, color=GREY, linewidth=0.8)
    axes.plot(should, np.sort(ndtri(test.days.pit)), ".", color=COLOURS[0], markersize=3)
    axes.set_title("QQ against the model")
    axes.set_xlabel("expected, standard deviations")
    axes.set_ylabel("observed")


def _parts(axes: Axes, tests: Sequence[Backtest], names: Sequence[str]) -> None:
    told = tests[-1].components
    axes.set_title(f"Contributions at {_level(tests[-1])}, USD")
    if told is None:
        _instead(axes, "the model has none")
        return
    places = np.arange(len(names))
    axes.barh(places - 0.2, told.var, 0.38, color=COLOURS[0], label="VaR")
    axes.barh(places + 0.2, told.es, 0.38, color=COLOURS[1], label="ES")
    axes.set_yticks(places, names)
    axes.invert_yaxis()
    axes.axvline(0, color=GREY, linewidth=0.8)
    axes.margins(x=0.05, y=0.35 / len(names))
    axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.08), ncols=2)


def _instead(axes: Axes, text: str) -> None:
    axes.text(0.5, 0.5, text, ha="center", va="center", color=GREY, transform=axes.transAxes)
    axes.set_axis_off()


def _colours(tests: Sequence[Backtest]) -> list[str]:
    return [COLOURS[i % len(COLOURS)] for i in range(len(tests))]


def _level(test: Backtest) -> str:
    return f"{words.exactly(test.settings.confidence * 100)} %"
