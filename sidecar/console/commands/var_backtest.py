"""`risk-sidecar var backtest`: which model of value at risk would have been right about a portfolio.

Daily closes from files, or those that the sidecar has cached. Coinbase is not asked.
"""

from collections.abc import Mapping
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, NamedTuple, get_args

import msgspec
import typer
from msgspec.structs import replace

from sidecar.console.asking import AsJson, ask
from sidecar.console.commands.closes import Closes, cached, number, read_files
from sidecar.console.locating import config_file, place
from sidecar.console.options import config_of_state, configuration, state_directory
from sidecar.console.process import interruptible
from sidecar.console.shown import page as pages
from sidecar.console.shown.progress import progress
from sidecar.core.value_at_risk.settings import ModelName, ModelSettings
from sidecar.core.vocabulary.errors import Misuse
from sidecar.escaping import escaped

if TYPE_CHECKING:  # numpy and scipy: half a second, and every command imports this module
    from sidecar.core.value_at_risk.backtest import Backtest

CONFIDENCES: Final = ("0.95", "0.99")
EACH_USD: Final = Decimal(10_000)
FEW: Final = 250  # tested days below which even a bad model often passes
REFIT_EVERY: Final = {"monte_carlo": 5}  # days; the others are quick, and fitted every day
REPORT: Final = "pip install 'coinbase-risk-sidecar[report]'"
PANEL: Final = "Whose \\[var] table, and without --csv whose history"

Files = Annotated[
    list[str] | None,
    typer.Option(
        "--csv",
        metavar="[PRODUCT=]FILE",
        help="Daily closes: columns date,close; the file's stem names the product unless given.",
    ),
]
Positions = Annotated[
    list[str] | None,
    typer.Option(
        "--position",
        metavar="PRODUCT=USD",
        help=f"Exposure, short negative; may be repeated. Default: {EACH_USD:,} in each.",
    ),
]
Held = Annotated[
    bool,
    typer.Option(
        "--held", help="The positions that the running sidecar knows now, at their marks."
    ),
]
Models = Annotated[
    list[str] | None,
    typer.Option("--model", metavar="NAME", help="May be repeated. Default: all of them."),
]
Confidences = Annotated[
    list[str] | None,
    typer.Option(
        "--confidence",
        metavar="RATIO",
        help="May be repeated. Default: 0.95, 0.99 and that of \\[var].",
    ),
]
Window = Annotated[
    int | None,
    typer.Option(
        "--window",
        metavar="DAYS",
        min=2,
        help="Days that a model is fitted to. Default: \\[var] history, of a shorter one half.",
    ),
]
Html = Annotated[
    Path | None, typer.Option("--html", metavar="FILE", help="Write a report with plots.")
]
OfConfig = Annotated[Path | None, config_of_state(PANEL)]
OfState = Annotated[Path | None, state_directory(PANEL)]


class ConstantExposures(NamedTuple):
    """Constant exposures, USD, and the dates on which every product has a close."""

    exposures: dict[str, Decimal]
    dates: list[date]
    closes: dict[str, Closes]


def backtest(  # noqa: PLR0913, PLR0917 - the options of the command, one each
    files: Files = None,
    positions: Positions = None,
    is_held: Held = False,
    models: Models = None,
    confidences: Confidences = None,
    window: Window = None,
    html: Html = None,
    config: OfConfig = None,
    state_dir: OfState = None,
    as_json: AsJson = False,
) -> None:
    """Test the models of value at risk against past days.

    Each day is judged by the forecast of the model, fitted to the days before it.

    Without --csv: the history that the sidecar has cached in its state directory.
    """
    settings = configuration(config_file(config), None)
    var = settings.var.settings()
    named, levels = _models(models or []), _confidences(confidences or [], var.model.confidence)
    if html is not None:
        _check_report(html)
    closes = read_files(files) if files else cached(state_dir or place(config).state_dir)
    if is_held:
        if positions:
            raise Misuse("--held and --position exclude each other; give one")
        positions = _held(closes, config)
    portfolio = _portfolio(closes, positions or [])
    days = len(portfolio.dates) - 1
    usual = var.policy.length
    fitted_to = window or (usual if days > 2 * usual else max(2, days // 2))
    _check_length(days, fitted_to)
    with interruptible():
        chosen = [
            replace(var.model, model=model, confidence=level, horizon=1.0)
            for level in levels
            for model in named
        ]
        tests = _tests(portfolio, chosen, fitted_to)
        view = _view(portfolio, tests, fitted_to)
        if html is not None:
            with progress("drawing", 1):
                from sidecar.console.shown.var_report_page import page  # noqa: PLC0415 - matplotlib

                _write(html, page(view, tests, portfolio.dates[1:]))
    if as_json:
        typer.echo(msgspec.json.encode(view))
        return
    from sidecar.console.shown.render_var import backtested  # noqa: PLC0415 - not needed with --json

    pages.show(view, backtested)
    if html is not None:
        typer.echo(f"\nthe report with its plots: {escaped(str(html))}")


# ----------------------------------------------------------------------------------- what was asked


def _models(given: list[str]) -> "tuple[ModelName, ...]":
    """Raises Misuse."""
    known: dict[str, ModelName] = {name: name for name in get_args(ModelName)}
    for name in given:
        if name not in known:
            raise Misuse(f"--model {name[:40]}: there are {', '.join(known)}")
    return tuple(known[name] for name in dict.fromkeys(given or known))


def _confidences(given: list[str], configured: Decimal) -> tuple[Decimal, ...]:
    levels = dict[Decimal, None]()
    for text in given or (*CONFIDENCES, str(configured)):
        level = number(text)
        if level is None or not Decimal("0.5") <= level < 1:
            raise Misuse(
                f"--confidence {text[:40]}: write a ratio from 0.5 up to, not with, 1, such as 0.99"
            )
        levels[level] = None
    return tuple(sorted(levels))


def _portfolio(closes: Mapping[str, Closes], positions: list[str]) -> ConstantExposures:
    """The portfolio, on the dates that all of its assets have. Raises Misuse."""
    exposures = dict[str, Decimal]()
    for text in positions:
        name, _, amount = text.partition("=")
        usd = number(amount)
        if usd is None or not usd:
            raise Misuse(f"--position {text[:60]}: write PRODUCT=USD, such as BTC-USD=10000")
        if name not in closes:
            known = ", ".join(sorted(closes))
            raise Misuse(
                f"--position {name[:40]}: no history; give --csv {name[:40]}=FILE; have {known}"
            )
        if name in exposures:
            raise Misuse(f"--position {name} is given twice; add them up")
        exposures[name] = usd
    held = {name: closes[name] for name in exposures or closes}
    shared = set[date].intersection(*(set(one) for one in held.values()))
    return ConstantExposures(exposures or dict.fromkeys(closes, EACH_USD), sorted(shared), held)


def _held(closes: Mapping[str, Closes], config: Path | None) -> list[str]:
    """The positions of the sidecar that is meant, as `--position` writes them. Raises Misuse."""
    rows = msgspec.json.decode(ask(place(config).control_socket, "positions"))["positions"]
    found = []
    for row in rows:
        usd = number(row["quantity"]) and number(row["mark"] or "0")
        if not usd:
            continue
        name = next((one for one in row["product_ids"] if one in closes), None)
        if name is None:
            raise Misuse(
                f"--held: there is no history of {row['key']}; give --csv of one of its products:"
                f" {', '.join(row['product_ids'])}"
            )
        found.append(f"{name}={Decimal(row['quantity']) * Decimal(row['mark']):f}")
    if not found:
        raise Misuse("--held: nothing with a price is held; give --position PRODUCT=USD")
    return found


def _check_length(returns: int, window: int) -> None:
    """Raises Misuse where no day is left to test."""
    if returns > window:
        return
    mend = f", or --window {returns // 2}" if returns >= 4 else ""
    raise Misuse(
        f"the history has {max(0, returns)} daily returns on dates that all products have, and"
        f" --window {window} leaves none to test; give a longer history{mend}"
    )


def _check_report(path: Path) -> None:
    """Before the work, not after it. Raises Misuse."""
    try:
        import matplotlib  # noqa: F401, ICN001, PLC0415 - of the extra, and a second to import
    except ImportError:
        raise Misuse(f"--html needs matplotlib; install it: {REPORT}") from None
    if path.is_dir() or not path.parent.is_dir():
        raise Misuse(f"--html {path}: name a file in a directory that is there")


# ------------------------------------------------------------------------------------------ testing


def _tests(
    portfolio: ConstantExposures, chosen: list[ModelSettings], window: int
) -> "list[Backtest]":
    """A backtest of each, one day ahead."""
    import numpy as np  # noqa: PLC0415 - a tenth of a second, and scipy four more

    from sidecar.core.value_at_risk import backtest as core  # noqa: PLC0415
    from sidecar.core.value_at_risk.models import fit  # noqa: PLC0415

    exposures = np.array([float(usd) for usd in portfolio.exposures.values()])
    columns = [
        [portfolio.closes[name][day] for day in portfolio.dates] for name in portfolio.exposures
    ]
    returns = np.diff(np.log(np.array(columns, dtype=np.float64).T), axis=0)
    with progress("backtesting", len(chosen) * (len(returns) - window)) as more:
        return [
            core.backtest(
                returns,
                exposures,
                one,
                core.Plan(window=window, refit_every=REFIT_EVERY.get(one.model, 1)),
                fit,
                more,
            )
            for one in chosen
        ]


def _view(portfolio: ConstantExposures, tests: "list[Backtest]", window: int) -> dict[str, Any]:
    """All of it as JSON's kinds."""
    return {
        "positions": portfolio.exposures,
        "from": portfolio.dates[window + 1],
        "to": portfolio.dates[-1],
        "window": window,
        "tests": [_row(test) for test in tests],
        "notes": _notes(portfolio, tests, window),
    }


def _row(test: "Backtest") -> dict[str, Any]:
    """A backtest as JSON's kinds."""
    from sidecar.core.value_at_risk.backtest import verdict  # noqa: PLC0415 - numpy, scipy

    reasons = verdict(test)
    row = {
        "model": test.settings.model,
        "confidence": test.settings.confidence,
        "refit_every": test.plan.refit_every,
        "days": test.tested,
        "exceptions": test.exceptions,
        "expected": test.expected,
        "rate": test.exceptions / test.tested if test.tested else None,
        "unavailable": test.unavailable,
        "verdict": "fails" if reasons else "good",
        "reasons": reasons,
    }
    names = ("kupiec", "independence", "conditional", "traffic_light", "z1", "z2")
    if test.outcome is None:
        return row | dict.fromkeys(names)
    told = msgspec.to_builtins(test.outcome)
    parts = [told[name] for name in ("unconditional", "independence", "conditional", "light")]
    both = told["shortfall"]
    return row | dict(zip(names, (*parts, both["z1"], both["z2"]), strict=True))


def _notes(portfolio: ConstantExposures, tests: "list[Backtest]", window: int) -> list[str]:
    """Notes that a reader of the figures needs."""
    dates, tested = portfolio.dates, len(portfolio.dates) - 1 - window
    holes = (dates[-1] - dates[0]).days + 1 - len(dates)
    notes = []
    if tested < FEW:
        notes.append(
            f"only {tested} days are tested: with fewer than {FEW} a bad model often passes"
        )
    if holes:
        notes.append(
            f"on {holes} days not every product has a close: the move over them counts as one day's"
        )
    rare = {one.settings.model: one.plan.refit_every for one in tests if one.plan.refit_every > 1}
    notes += [f"{model} is fitted every {days} days, not every day" for model, days in rare.items()]
    return notes


def _write(path: Path, text: str) -> None:
    """Raises Misuse."""
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise Misuse(
            f"--html {path}: {error.strerror}; name a file that this user may write"
        ) from None
