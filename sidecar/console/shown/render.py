"""The status of a sidecar as a person reads it. Pure: a dict in, a rich renderable out."""

from collections.abc import Iterable, Mapping
from typing import Any, Final

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from sidecar.console.shown import words
from sidecar.console.shown.layout import NARROW, section, table
from sidecar.console.shown.render_books import queued
from sidecar.console.shown.render_liquidation import liquidations

View = Mapping[str, Any]

WITH_BARS: Final = 92  # columns from which a bar has room beside the figures
SEVERITIES: Final = {"info": "default", "warning": "yellow", "critical": "red"}
IN_PER_CENT: Final = ("LOSS", "DRAWDOWN", "VAR", "SHORTFALL", "STRESS", "SHARE", "EXIT_COST")
IN_USD: Final = ("NOTIONAL", "EXPOSURE", "BUDGET")
RISKS: Final = {
    "var": "value at risk",
    "expected_shortfall": "expected shortfall",
    "stress_loss": "stress loss",
}
MULTIPLES: Final = ("MAX_LEVERAGE", "MAX_CONCENTRATION")


def status(view: View, width: int) -> Group:
    """State and causes, money, losses, usage of every limit, feeds, bots, findings."""
    parts: list[RenderableType] = [head(view)]
    parts += warnings(view)
    if view["causes"]:
        parts.append(
            section("Restrictions", *(_cause(cause, view["at"]) for cause in view["causes"]))
        )
    if view.get("queued_limits"):
        parts.append(section("Queued limits", queued(view["queued_limits"])))
    if view.get("liquidations"):
        parts.append(liquidations(view["liquidations"]))
    parts.append(section("Money", _money(view)))
    if view["losses"] is not None:
        parts.append(section("Losses", _losses(view, width)))
    if view["usage"]:
        parts.append(section("Limits by use", usage(view["usage"], width)))
    if unset := view.get("brakes_not_set"):
        parts.append(words.brakes(" or ".join(one["limits"]) for one in unset))
    if view.get("risk"):
        parts.append(section("Portfolio risk", risk(view["risk"], view["equity"])))
    outside = view.get("sidecar") or {}
    parts.append(section("Feeds", *feeds(view, outside)))
    if view.get("bots"):
        parts.append(section("Bots", *(_bot(bot, view["at"]) for bot in view["bots"])))
    findings = outside.get("preflight") or []
    if findings:
        parts.append(section("Checked at the start", *(finding(one) for one in findings)))
    return Group(*parts)


def head(view: View) -> Text:
    """State, what a bot would be told, and when this was so."""
    orders, reserved = view["open_orders"], view["reservations"]
    may = view.get("bots_may")
    return Text.assemble(
        words.state(view["state"]),
        *([] if may is None else [("  ", ""), _told(may)]),
        f"\n{words.when(view['at'])}",
        f"  {orders} open order{'s' * (orders != 1)}, {reserved} reservation{'s' * (reserved != 1)}",
    )


def _told(may: View) -> tuple[str, str]:
    """What a bot would be told now, and its colour."""
    why = f": {may['why']}" if may["why"] else ""
    if may["add"]:
        return "orders pass, within the limits", "green"
    if may["reduce"]:
        return f"only orders that reduce risk pass{why}", "yellow"
    return f"no order passes{why}", "red"


def warnings(view: View) -> list[Text]:
    """What is waited for, in doubt, without a price or not counted, a line each."""
    lines = [("waiting for", text) for text in view["missing"]]
    lines += [("in doubt", text) for text in view["doubts"]]
    if view["unvalued"]:
        lines.append(("without a price in USD", ", ".join(view["unvalued"])))
    elsewhere = view.get("elsewhere") or {}
    lines += [
        ("not counted here", f"{venue}: {what}")
        for venue, what in elsewhere.get("venues", {}).items()
        if what
    ]
    if products := elsewhere.get("products"):
        lines.append(("not counted here", ", ".join(products)))
    fault = (view.get("sidecar") or {}).get("reconciliation_fault")
    if fault:
        lines.append(("the account could not be read", fault))
    return [Text(f"{what}: {text}", style="yellow") for what, text in lines]


def _cause(cause: View, now: Any) -> Text:
    level = str(cause["level"])
    text = Text.assemble(
        (f"{cause['code']}", f"bold {words.STATES.get(level, 'default')}"),
        f" ({cause['scope']}) {level} since {words.when(cause['since'])}, by {cause['by']}\n",
        f"  {cause['reason']}\n",
        ("  fix: ", "bold"),
        str(cause["mend"]),
    )
    if not cause["confirmed"]:
        text.append("\n  not confirmed yet: it ends by itself unless the loss stands")
    if cause["clears_at"] is not None:
        until = f"{words.when(cause['clears_at'])} ({words.away(cause['clears_at'], now)})"
        text.append(f"\n  clears by itself: {until}")
    return text


def _money(view: View) -> Table:
    rows = Table.grid(padding=(0, 2))
    rows.add_column()
    rows.add_column(justify="right")
    rows.add_column(overflow="fold")
    pnl = view["pnl"]
    parts = ", ".join(
        f"{name} {words.money(pnl[name], signed=True)}" for name in ("realised", "unrealised")
    )
    parts += (
        f", fees {words.money(pnl['fees'])}, funding {words.money(pnl['funding'], signed=True)}"
    )
    transfers = f"transfers {words.money(view['transfers'], signed=True)}"
    rows.add_row("Equity", words.money(view["equity"]), f"USD, {transfers}")
    if shown := _exit(view.get("exit")):
        rows.add_row("Exit", *shown)
    rows.add_row("Net PnL", words.money(pnl["net"], signed=True), parts)
    return rows


def _exit(view: View | None) -> tuple[str, str] | None:
    """What selling all of it would cost and take; None where nothing is held."""
    if view is None:
        return None
    if unknown := view["unknown"]:
        key, why = next(iter(unknown.items()))
        more = f", and of {len(unknown) - 1} more" if len(unknown) > 1 else ""
        return words.money(None), f"the price of selling {key} is not known{more}: {why}"
    now, thinned = view["now"], view["thinned"]
    if not words.decimal(now["seconds"]):
        return None
    took, takes = (words.span(float(words.decimal(one["seconds"]) or 0)) for one in (now, thinned))
    percent = words.share(view["factor"])
    text = f"USD by the depth of the books, in {took}; {words.money(thinned['cost'])} at {percent} of it, in {takes}"
    return words.money(now["cost"]), text


def _losses(view: View, width: int) -> RenderableType:
    """A loss is positive; a profit stands there with its sign."""
    narrow = width < NARROW
    columns = ["window", "loss USD", "limit", "used", *([] if narrow else ["", ""])]
    made = table(*columns, numbers=("loss USD", "limit", "used"))
    for name, loss in view["losses"].items():
        of = _used(view["usage"], name, loss["limit"])
        limit = "none" if loss["limit"] is None else _limit("LOSS", loss["limit"])
        used = Text(words.share(of), style=words.style_of(of))
        row = (name, words.money(loss["usd"]), limit, used)
        bar, since = words.bar(of), f"since {words.away(loss['since'], view['at'])}"
        made.add_row(*row, *(() if narrow else (bar, since)))
    ends = [(name, loss["until"]) for name, loss in view["losses"].items() if loss["until"]]
    notes = [
        f"the next {name} reset is {words.away(end, view['at'])}, {words.when(end)}"
        for name, end in ends
    ]
    return Group(made, *_may_be(view["losses"]), *(Text(note, style="dim") for note in notes))


def _used(usage: Iterable[View], name: str, limit: str | None) -> Any:
    """The share of the account's limit on this loss that is used; None without a limit."""
    code = f"MAX_{name.upper()}{'' if name == 'drawdown' else '_LOSS'}"
    if name.startswith("in "):
        code, limit = "MAX_LOSS_IN", f"{limit} {name}"
    rows = (
        row for row in usage if (row["code"], row["scope"], row["limit"]) == (code, "all", limit)
    )
    return next((row["used"] for row in rows), None)


def _may_be(losses: View) -> list[RenderableType]:
    """The losses that may be larger than the books tell: money moved unseen, or a mark is old."""
    return [
        Text(
            f"{name}: told as {words.share(loss['ratio'])}, may be {words.share(loss['most_ratio'])}",
            style="yellow",
        )
        for name, loss in losses.items()
        if words.share(loss["ratio"]) != words.share(loss["most_ratio"])
    ]


def usage(rows: Iterable[View], width: int, count: int | None = None) -> Table:
    """Every limit that can be measured, or so many, the most used first. With little room, two lines each."""
    narrow, bars = width < NARROW, width >= WITH_BARS
    columns = ["limit", "now"] if narrow else ["limit", "scope", "now", "of"]
    made = table(*columns, "used", *([""] if bars else []), numbers=("now", "of", "used"))

    def most(row: View) -> Any:
        used = words.decimal(row["used"])
        return (used is None, -(used or 0), row["code"])

    for row in sorted(rows, key=most)[:count]:
        scope = row["scope"]
        if row["key"] is not None and not scope.startswith("product:"):
            scope += f" {row['key']}"
        now = _figure(row["code"], row["observed"], row["limit"])
        limit = _limit(row["code"], row["limit"])
        cells = [row["code"], scope, now, limit]
        if narrow:
            cells = [f"{row['code']}\n  {scope}", f"{now}\nof {limit}"]
        used = Text(words.share(row["used"]), style=words.style_of(row["used"]))
        made.add_row(*cells, used, *([words.bar(row["used"])] if bars else []))
    return made


def _limit(code: str, text: str) -> str:
    if code == "MAX_LOSS_IN":
        ratio, _, length = text.partition(" in ")
        return f"{words.share(ratio)} in {length}"
    return words.exactly(text) if "USD" in text else _figure(code, text, text)


def _figure(code: str, value: Any, limit: str) -> str:
    """A figure in its limit's unit."""
    if "USD" in limit or any(word in code for word in IN_USD):
        return words.money(value)
    if any(word in code for word in IN_PER_CENT):
        return words.share(value)
    if code in MULTIPLES:
        number = words.decimal(value)
        return (
            words.NONE
            if number is None
            else "no equity"
            if not number.is_finite()
            else f"{number:,.2f}×"
        )
    return words.short(value)


def risk(figures: View, equity: Any) -> Table:
    """Each figure in money and as a share of equity, with its model and history; or why there is
    none.
    """
    rows = Table.grid(padding=(0, 2))
    rows.add_column()
    rows.add_column(justify="right")
    rows.add_column(overflow="fold")
    whole = words.decimal(equity)
    notes = {"var": _model(figures), "stress_loss": _worst(figures)}
    for name in ("var", "expected_shortfall", "stress_loss"):
        usd = words.decimal(figures[name])
        share = usd / whole if usd is not None and whole is not None and whole > 0 else None
        told = [words.share(share) + " of equity"] if share is not None else []
        told += [notes[name]] if notes.get(name) else []
        rows.add_row(RISKS[name], words.money(usd), ", ".join(told))
    if figures.get("unavailable"):
        rows.add_row("", "", Text(f"no figure: {figures['unavailable']}", style="yellow"))
    if figures.get("uncounted"):
        names = ", ".join(figures["uncounted"])
        rows.add_row("", "", Text(f"not counted, without a price: {names}", style="yellow"))
    return rows


def _model(figures: View) -> str:
    if not figures.get("model"):
        return ""
    level = words.share(words.decimal(figures["confidence"]))
    return f"{figures['model']}, {level}, {words.span(figures['horizon_s'])}"


def _worst(figures: View) -> str:
    return str(figures.get("worst_scenario") or "")


def feeds(view: View, outside: View) -> list[Text]:
    """The feeds and what is followed; the order books, journal and log where something is to be said of them."""
    heard = outside.get("feeds_heard_s_ago") or {}
    lines = []
    for name in ("user", "market"):
        feed = str(view["feeds"][name])
        ago = f", last news {words.span(heard[name])} ago" if name in heard else ""
        style = "green" if feed == "live" else "yellow"
        lines.append(Text.assemble(f"{name:<7}", (feed, style), ago))
    if outside.get("followed"):
        lines.append(Text(f"follows {', '.join(outside['followed'])}"))
    lines += _depth(outside.get("depth") or {})
    if (outside.get("journal") or {}).get("disk_full"):
        lines.append(Text("the disk is full: nothing can be journalled", style="red"))
    lines += _log(outside.get("log") or {})
    return lines


def _depth(depth: View) -> list[Text]:
    """The order books that are followed, and which of them are not known; none where none is wanted."""
    if not depth.get("followed"):
        return []
    lines = [Text(f"order books of {', '.join(depth['followed'])}")]
    unknown = [name for name in depth["followed"] if name not in depth["whole"]]
    if unknown:
        lines.append(Text(f"order books not known: {', '.join(unknown)}", style="yellow"))
    return lines


def _log(log: View) -> list[Text]:
    """Lines on a faulty log; none while it is whole."""
    told = []
    if log.get("fault"):
        told.append(Text(f"the log cannot be written: {log['fault']}", style="red"))
    if log.get("lost"):
        told.append(Text(f"lines of the log that were lost: {log['lost']:,}", style="yellow"))
    return told


def _bot(bot: View, now: Any) -> Text:
    gone = bot["dropped_at"]
    there = (
        f"{bot['connections']} connection{'s' * (bot['connections'] != 1)}"
        if gone is None
        else f"gone {words.away(gone, now)}"
    )
    strategy = f", strategy {bot['strategy_id']}" if bot["strategy_id"] else ""
    text = f"{bot['name']} (user {bot['uid']}{strategy}): {there}, since {words.when(bot['since'])}"
    return Text(text, style="" if gone is None else "yellow")


def finding(one: View) -> Text:
    """One thing that was looked at before the start, or by `check`."""
    severity = str(one["severity"])
    return Text.assemble(
        (f"{one['code']}", f"bold {SEVERITIES[severity]}"),
        f" {'' if severity == 'info' else f'{severity}: '}{one['text']}",
    )
