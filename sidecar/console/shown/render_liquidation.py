"""A flattening as a person reads it, while it lasts and when it is over. Pure."""

from collections.abc import Mapping
from typing import Any

from rich.console import Group, RenderableType
from rich.text import Text

from sidecar.console.shown import words
from sidecar.console.shown.layout import section, table

View = Mapping[str, Any]
OUTCOMES = {"under way": "yellow", "flat": "green", "aborted": "red"}
SENTENCES = {
    "under way": "{} is being sold",
    "flat": "{} is flat",
    "aborted": "the sale of {} was aborted",
}


def liquidation(view: View) -> Group:
    """Quantities held, cancelled, sold and left, and why; its sums once it is over."""
    outcome = view["outcome"]
    head = Text.assemble(
        (how_it_went(view), f"bold {OUTCOMES.get(outcome, 'default')}"), f" ({view['reason']})"
    )
    parts: list[RenderableType] = [head]
    if view["rows"]:
        parts.append(_rows(view["rows"]))
    if open_orders := view.get("still_open"):
        parts.append(Text(f"not cancelled: {', '.join(open_orders)}", "yellow"))
    parts += [Text(f"  {line}") for line in _course(view)]
    return Group(*parts)


def how_it_went(view: View) -> str:
    """What was or is sold, and how far that came, as a sentence."""
    sentence = SENTENCES.get(view["outcome"], f"{{}}: {view['outcome']}")
    return sentence.format(view["key"] or "the account")


def _rows(rows: list[View]) -> RenderableType:
    made = table(
        "asset", "held", "cancelled", "sold", "left", "attempts",
        numbers=("held", "cancelled", "sold", "left", "attempts"),
    )  # fmt: skip
    for row in rows:
        made.add_row(
            row["key"],
            words.short(row["held"]),
            str(row["cancelled"]),
            words.short(row["sold"]),
            words.short(row["left"]),
            str(row["attempts"]),
        )
    notes = [Text(f"{row['key']}: {row['note']}", "yellow") for row in rows if row["note"]]
    return Group(made, *notes)


def _course(view: View) -> list[str]:
    began = f"began {words.when(view['began_at'])}"
    if view["ended_at"] is None:
        return [f"{began}, round {view['rounds']}, {view['phase']}"]
    rounds = f"{view['rounds']} round{'' if view['rounds'] == 1 else 's'}"
    share = view["slippage_ratio"]
    cost = "" if share is None else f", {words.share(share)}"
    slippage = f"slippage against the marks at the start {words.money(view['slippage'])} USD{cost}"
    return [
        f"{began}, ended {words.when(view['ended_at'])}, {rounds}",
        f"proceeds {words.money(view['proceeds'])} USD, fees {words.money(view['fees'])} USD",
        slippage,
    ]


def liquidations(views: list[View]) -> Group:
    """Each of them under one heading."""
    return section("Flattening", *(liquidation(view) for view in views))
