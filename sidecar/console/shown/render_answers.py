"""Decisions and operators' answers as a person reads them. Pure."""

from collections.abc import Mapping
from typing import Any

from rich.console import Group, RenderableType
from rich.text import Text

from sidecar.console.shown import words

View = Mapping[str, Any]


def decision(view: View, *, dry_run: bool, product_id: str = "") -> Group:
    """Approved or refused, why, and the size that would pass, in the product's unit."""
    head = Text("APPROVED", "bold green") if view["approved"] else Text("REFUSED", "bold red")
    notes = [view["client_order_id"]] if view["client_order_id"] else []
    notes += [f"state {view['state']}"]
    notes += ["reducing"] if view["reducing"] else []
    notes += ["the same approval as before"] if view["replayed"] else []
    notes += ["dry run: nothing is reserved"] if dry_run else []
    parts: list[RenderableType] = [head.append(f"  {', '.join(notes)}", "not bold default")]
    parts += [_violation(one, "red", view["as_of"]) for one in view["violations"]]
    parts += [_violation(one, "yellow", view["as_of"]) for one in view["warnings"]]
    if figures := _figures(view, product_id):
        parts.append(Text(f"  {figures}"))
    if view["reserved_until"] is not None:
        until = words.away(view["reserved_until"], view["as_of"])
        parts.append(Text(f"  its room is reserved, and given up {until} if it is not sent"))
    return Group(*parts)


def _figures(view: View, product_id: str) -> str:
    """The order's worth and the size that would pass, each as far as there is one."""
    told = []
    if view["notional"] is not None:
        price = "" if view["price"] is None else f" at {words.short(view['price'])}"
        told.append(f"notional {words.money(view['notional'])} USD{price}")
    if words.decimal(view["max_base_size"]):
        told.append(f"up to {words.sized(view['max_base_size'], product_id)} would pass now")
    return "; ".join(told)


def _violation(one: View, style: str, now: Any) -> Text:
    scope = "" if one["scope"] == "all" else f" ({one['scope']})"
    text = Text.assemble("  ", (f"{one['code']}", style), f"{scope} {one['message']}")
    if one["clears_at"] is not None:
        text.append(f"; clears {words.away(one['clears_at'], now)}, {words.when(one['clears_at'])}")
    return text


def answer(view: View, state: str) -> Group:
    """The outcome of an operator's verb, the remaining causes with their mends, and the state now."""
    done = bool(view["done"])
    mark = Text("done", "bold green") if done else Text("not done", "bold red")
    text = view.get("text") or _cancelled(view)
    remaining = view.get("remaining") or ()
    return Group(
        mark.append(f"  {text}", "not bold default"),
        *(Text(f"  remains: {one}") for one in remaining),
        Text.assemble("state  ", words.state(state)),
    )


def _cancelled(view: View) -> str:
    count = view["cancelled"]
    text = f"{count} order{'s were' if count != 1 else ' was'} cancelled"
    if view["done"]:
        return f"{text}; none is open"
    if not view["remaining"]:
        return (
            f"{text}; Coinbase's listing ends too early to say whether others are open: ask again"
        )
    return f"{text}; {len(view['remaining'])} could not be yet: ask again"
