"""Positions and limits as a person reads them. Pure: a dict in, a rich renderable out."""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from sidecar.console.shown import words
from sidecar.console.shown.layout import NARROW, section, table
from sidecar.console.shown.limit_words import changed, told
from sidecar.core.vocabulary.brakes import brakes_not_set

View = Mapping[str, Any]
INNER: Final = ("product", "strategy", "shadow")  # tables within the limits


def positions(view: View, width: int) -> Group:
    """Positions, wallets, open orders and reservations, each a table."""
    narrow = width < NARROW
    parts: list[RenderableType] = [Text(f"as of {words.when(view['at'])}")]
    held = view["positions"]
    parts.append(section("Positions", _positions(held, narrow) if held else _none("no positions")))
    if exits := [row for row in held if row.get("exit")]:
        parts.append(section("Cost of selling", *_exits(exits, view, narrow)))
    parts.append(section("Wallets", _wallets(view["wallets"], narrow)))
    if view["futures_wallet"] is not None:
        parts.append(section("Futures wallet", _futures(view["futures_wallet"])))
    orders = view["open_orders"]
    parts.append(
        section("Open orders", _orders(orders, narrow) if orders else _none("no open orders"))
    )
    if view["reservations"]:
        parts.append(
            section("Reservations", _reservations(view["reservations"], view["at"], narrow))
        )
    return Group(*parts)


def _none(text: str) -> Text:
    return Text(text, style="dim")


def _positions(rows: list[View], narrow: bool) -> Table:
    columns = ["asset", "quantity", "mark", "unrealised"]
    columns[2:2] = [] if narrow else ["average cost"]
    columns += [] if narrow else ["worst case", "realised"]
    made = table(*columns, numbers=columns[1:])
    for row in rows:
        cells = [row["key"], words.short(row["quantity"])]
        cells += [] if narrow else [words.short(row["average_cost"])]
        cells += [words.short(row["mark"]), words.money(row["unrealised"], signed=True)]
        if not narrow:
            cells += [words.money(row["worst_notional"]), words.money(row["realised"], signed=True)]
        made.add_row(*cells, style="dim" if words.decimal(row["quantity"]) == 0 else None)
    return made


def _exits(rows: list[View], view: View, narrow: bool) -> Iterator[RenderableType]:
    """What selling each position would bring and take, by the depth of its book, and by a part of it."""
    percent = words.share(view["exit_depth_factor"])
    columns = ["asset", "price", "cost USD", "share", "takes"]
    columns += [] if narrow else [f"at {percent}", "share ", "takes "]
    known = [row for row in rows if row["exit"]["now"] is not None]
    if known:
        made = table(*columns, numbers=columns[1:])
        for row in known:
            one, other = row["exit"]["now"], row["exit"]["thinned"]
            cells = [row["key"], words.short(one["price"]), *_cost(one)]
            made.add_row(*cells, *([] if narrow else _cost(other)))
        yield made
    for row in rows:
        if row["exit"]["now"] is None:
            yield _none(f"{row['key']}: {row['exit']['why_not']}")


def _cost(found: View) -> list[str]:
    seconds = words.decimal(found["seconds"]) or 0
    share = (words.decimal(found["share"]) or 0) * 100  # most are small parts of a per cent
    return [words.money(found["cost"]), f"{share:.2f} %", words.span(float(seconds))]


def _wallets(rows: list[View], narrow: bool) -> Table:
    columns = ["currency", "total", "free", "value USD"]
    columns += [] if narrow else ["held", "reserved", "keep"]
    made = table(*columns, numbers=columns[1:])
    for row in rows:
        cells = [row["currency"], words.short(row["total"]), words.short(row["free"])]
        cells.append(words.money(row["value"]))
        if not narrow:
            held = sum(words.decimal(row[name]) or 0 for name in ("held", "held_elsewhere"))
            cells += [words.short(held), words.short(row["reserved"]), words.short(row["keep"])]
        made.add_row(*cells)
    return made


def _futures(wallet: View) -> Text:
    return Text(
        f"{words.money(wallet['total'])} USD, buying power {words.money(wallet['buying_power'])} USD,"
        f" liquidation buffer {words.short(wallet['liquidation_buffer_percentage'])} %"
    )


def _orders(rows: list[View], narrow: bool) -> Table:
    """Where there is little room, an order takes two lines: its id is under it."""
    columns = ["order"] if narrow else ["product", "side", "client order id", "status"]
    made = table(*columns, "open", "of", "price", numbers=("open", "of", "price"))
    for row in rows:
        price = row["limit_price"] if row["limit_price"] is not None else row["stop_price"]
        name = row["client_order_id"] or row["order_id"]
        figures = [words.short(one) for one in (row["remaining"], row["size"], price)]
        if narrow:
            made.add_row(f"{row['side']} {row['product_id']}\n  {name}", *figures)
        else:
            made.add_row(row["product_id"], _side(row["side"]), name, row["status"], *figures)
    return made


def _reservations(rows: list[View], now: Any, narrow: bool) -> Table:
    columns = ["order"] if narrow else ["product", "side", "client order id"]
    made = table(*columns, "size", "lapses", numbers=("size",))
    for row in rows:
        size = words.short(row["base_size"])
        if row["base_size"] is None:
            size = f"{words.short(row['quote_size'])} quote"
        tail = (size, words.away(row["expires_at"], now))
        if narrow:
            head = f"{row['side']} {row['product_id']}\n  {row['client_order_id']}"
            made.add_row(head, *tail)
        else:
            made.add_row(row["product_id"], _side(row["side"]), row["client_order_id"], *tail)
    return made


def _side(side: str) -> Text:
    return Text(side, style="green" if side == "BUY" else "magenta")


def limits(view: View) -> RenderableType:
    """Every limit that is set, by scope, and those that are queued; and the brakes that are not set."""
    view = dict(view)
    waiting = view.pop("queued", None)
    known = _in_force(view)
    return known if waiting is None else Group(known, section("Queued", queued(waiting)))


def queued(view: View) -> Text:
    """Looser limits that wait: which, until when, by whom and why."""
    waiting = Text.assemble(
        (f"binding from {words.when(view['binds_at'])}", "bold"),
        f", by {view['by']}, since {words.when(view['since'])}: {view['reason']}",
    )
    for one in view["changes"]:
        before, after = (changed(one["path"], one[when]) for when in ("before", "after"))
        waiting.append(f"\n  {one['path']} {before} → {after} ({one['way']})")
    return waiting


def _in_force(view: View) -> RenderableType:
    rows = list(_rows(view))
    if not rows:
        return _none(
            "no limits are set: write some into [limits] of the configuration, then reload"
        )
    made = table("scope", "limit", "value", numbers=("value",))
    last = ""
    for scope, name, value in rows:
        made.add_row("" if scope == last else scope, name, value)
        last = scope
    unset = [brake.name for brake in brakes_not_set(view.items())]
    return Group(made, words.brakes(unset)) if unset else made


def _rows(view: View) -> Iterator[tuple[str, str, str]]:
    for name, value in view.items():
        if name not in INNER:
            yield "all", name, told(name, value)
    for kind in ("product", "strategy"):
        for scope, own in (view.get(kind) or {}).items():
            for name, value in own.items():
                yield f"{kind}:{scope}", name, told(name, value, f"{kind}:{scope}")
    for name, value in (view.get("shadow") or {}).items():
        yield "shadow", name, told(name, value)
