"""The portfolio's risk now, as a person reads it. Pure: a dict in, a rich renderable out."""

from collections.abc import Mapping
from typing import Any, Final

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from sidecar.console.shown import words
from sidecar.console.shown.layout import NARROW, section, table
from sidecar.console.shown.render import risk

View = Mapping[str, Any]

BOOKS: Final = {
    "held": "as held",
    "buys": "all open buys filled",
    "sells": "all open sells filled",
}


def report(view: View, width: int) -> Group:
    """The figures, the three books, each key's contribution, the scenarios."""
    head = Text.assemble(("Portfolio risk", "bold"), f"  {words.when(view['at'])}")
    parts: list[RenderableType] = [head, risk(view, view["equity"])]
    if view.get("books"):
        parts.append(section("The three books, USD", _books(view["books"])))
    if view.get("components"):
        parts.append(section("What is held, USD", _components(view["components"], width)))
    if view.get("stress"):
        parts.append(section("Stress scenarios, as held, USD", _scenarios(view["stress"])))
    if view.get("history"):
        returns = ", ".join(f"{book} {count}" for book, count in view["history"].items())
        parts.append(section("Returns of the history", Text(returns)))
    return Group(*parts)


def _books(books: View) -> Table:
    made = table("book", "value at risk", "shortfall", numbers=("value at risk", "shortfall"))
    for name, tail in books.items():
        made.add_row(BOOKS[name], words.money(tail["var"]), words.money(tail["expected_shortfall"]))
    return made


def _components(rows: list[View], width: int) -> Table:
    """The contributions add up to the figures of the held book."""
    narrow = width < NARROW
    numbers = ["exposure", "VaR", "shortfall", *([] if narrow else ["VaR per USD"])]
    made = table("asset", *numbers, numbers=numbers)
    for row in rows:
        figures = [words.money(row[n]) for n in ("exposure", "var", "expected_shortfall")]
        marginal = [] if narrow else [words.short(row["marginal_var"])]
        made.add_row(row["key"], *figures, *marginal)
    return made


def _scenarios(rows: list[View]) -> Table:
    made = table("scenario", "loss", numbers=("loss",))
    for row in rows:
        made.add_row(row["scenario"], words.money(row["loss"]))
    return made
