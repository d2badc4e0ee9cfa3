"""The findings of `check`, as a person reads them. Pure: a dict in, a rich renderable out."""

from collections.abc import Mapping
from typing import Any

from rich.console import Group, RenderableType
from rich.text import Text

from sidecar.console.shown import words
from sidecar.console.shown.layout import NARROW, section, table
from sidecar.console.shown.render import finding

View = Mapping[str, Any]


def checked(view: View, width: int) -> Group:
    """Findings, the limits in dollars, and the sales of a liquidation today."""
    findings = view["findings"]
    parts: list[RenderableType] = [Text(f"Coinbase at {view['host']}")]
    if view["places"]:
        parts.append(Text(f"state and sockets may be written: {', '.join(view['places'])}"))
    parts.append(section("Findings", *(finding(one) for one in findings)))
    if view["limits"]:
        equity = f"Limits, at today's equity of {words.money(view['equity'])} USD"
        parts.append(section(equity, _limits(view["limits"], width)))
    if view["products"] is not None:
        counted = f"{view['products']:,} products are listed"
        if view["open_orders"] is not None:
            counted += f"; {view['open_orders']:,} orders are open, and would be cancelled first"
        parts.append(section("Account", Text(counted), *_holdings(view["holdings"], width)))
    worst = {one["severity"] for one in findings}
    parts.append(Text(""))
    parts.append(_verdict(worst))
    return Group(*parts)


def _limits(rows: list[View], width: int) -> RenderableType:
    """Each as it was set, as it will bind, and how far it is used before any order."""
    narrow = width < NARROW
    columns = ["limit", "USD today", *([] if narrow else ["of equity"]), "used"]
    made = table(*columns, numbers=("USD today", "of equity", "used"))
    for row in rows:
        unit = f" {row['of']}" if row["of"] else ""
        part = [] if narrow else [words.multiple(row["share"])]
        used = Text(words.share(row["used"]), style=words.style_of(row["used"]))
        made.add_row(f"{row['key']} = {row['text']}{unit}", words.money(row["usd"]), *part, used)
    return made


def _verdict(severities: set[str]) -> Text:
    if "critical" in severities:
        return Text("not ready: fix what is critical", style="bold red")
    if "warning" in severities:
        return Text("ready, with warnings", style="bold yellow")
    return Text("ready", style="bold green")


def _holdings(rows: list[View], width: int) -> list[RenderableType]:
    if not rows:
        return [Text("a liquidation would have nothing to sell", style="dim")]
    narrow = width < NARROW
    columns = ["asset", "amount", "value USD", *([] if narrow else ["through"]), "a liquidation …"]
    made = table(*columns, numbers=("amount", "value USD"))
    for row in rows:
        if row["obstacle"]:
            fate = Text(f"not sold: {row['obstacle']}", style="yellow")
        else:
            fate = Text("would sell it" + (f": {row['note']}" if row["note"] else ""))
        through = [] if narrow else [row["product_id"] or words.NONE]
        made.add_row(
            row["asset"], words.short(row["amount"]), words.money(row["value"]), *through, fate
        )
    return [made]
