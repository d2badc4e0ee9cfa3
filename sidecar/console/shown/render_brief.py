"""The status on a terminal of 24 lines: the headline must not scroll away. Pure."""

from collections.abc import Iterable, Mapping
from io import StringIO
from typing import Any, Final

from rich.console import Console, Group, RenderableType
from rich.text import Text

from sidecar.console.shown import words
from sidecar.console.shown.layout import section
from sidecar.console.shown.render import feeds, head, usage, warnings
from sidecar.console.shown.render_liquidation import how_it_went

View = Mapping[str, Any]

LINES_BRIEF: Final = 23  # the prompt takes one
# The most lines of each part, those first that are given room first; the limits used most take what is left.
CAUSES_MOST: Final = 8
SALES_MOST: Final = 2
WARNINGS_MOST: Final = 4
FEEDS_MOST: Final = 2  # the user feed and the market feed
BRAKES_MOST: Final = 2
ITEM_MOST: Final = 3  # of one cause or warning
HEAD_MOST: Final = 3
TABLE_LEAST: Final = 5  # a blank line, its heading, its columns, their rule, a row


def brief(view: View, width: int) -> Group:
    """What a bot would be told, why, the money, the limits used most: as much of each as has room."""
    top = _cut(head(view), width, HEAD_MOST)
    money = _cut(_money(view), width, ITEM_MOST)
    last = Text("status -v shows all of it", style="dim")
    room = _Room(width, LINES_BRIEF - lines(Group(top, Text(""), money, last), width))
    why = room.take((_cause(one, view["at"]) for one in view["causes"]), CAUSES_MOST)
    sales = room.take(_sales(view), SALES_MOST)
    doubts = room.take(warnings(view), WARNINGS_MOST)
    heard = room.take(feeds(view, view.get("sidecar") or {})[:FEEDS_MOST], FEEDS_MOST)
    unset = view.get("brakes_not_set")
    named = [words.brakes(" or ".join(one["limits"]) for one in unset)] if unset else []
    brakes = room.take(named, BRAKES_MOST)
    used = _used_most(view, width, room.left)
    return Group(top, *doubts, *why, *sales, Text(""), money, *used, *brakes, *heard, last)


def lines(content: RenderableType, width: int) -> int:
    """How many lines it takes."""
    with StringIO() as nowhere:
        console = Console(file=nowhere, width=width, highlight=False, markup=False, emoji=False)
        return len(console.render_lines(content, pad=False))


class _Room:
    """The lines that are left, and what takes them."""

    def __init__(self, width: int, left: int) -> None:
        self._width = width
        self.left = left

    def take(self, items: Iterable[Text], most: int) -> list[Text]:
        """As many of these as `most` lines hold, and how many there are beside them."""
        wanted, taken, free = list(items), list[Text](), min(most, self.left)
        for place, item in enumerate(wanted):
            last = 0 if place == len(wanted) - 1 else 1  # for the line that counts the others
            if free <= last:
                break
            taken.append(_cut(item, self._width, min(ITEM_MOST, free - last)))
            free -= lines(taken[-1], self._width)
        if (others := len(wanted) - len(taken)) and free > 0:
            taken.append(Text(f"and {others} more", style="dim"))
        self.left -= lines(Group(*taken), self._width)
        return taken


def _cut(text: Text, width: int, most: int) -> Text:
    """The text, shortened to so many lines."""
    text = text.copy()
    while lines(text, width) > most:
        text.truncate(len(text) - 1, overflow="ellipsis")
    return text


def _cause(cause: View, now: Any) -> Text:
    """A cause in a line or two."""
    ends = "" if cause["clears_at"] is None else f", ends {words.away(cause['clears_at'], now)}"
    return Text.assemble(
        (f"{cause['code']}", f"bold {words.STATES.get(str(cause['level']), 'default')}"),
        f" ({cause['scope']}){ends}: {cause['reason']}; ",
        ("fix: ", "bold"),
        str(cause["mend"]),
    )


def _sales(view: View) -> Iterable[Text]:
    """Those under way, and those that are over with their time; once bots may add again they are history."""
    for one in view.get("liquidations") or ():
        over = one["ended_at"]
        if over is None:
            yield Text(f"{how_it_went(one)} ({one['reason']})")
        elif not view["bots_may"]["add"]:
            yield Text(f"{how_it_went(one)} ({one['reason']}; {words.when(over)})")


def _money(view: View) -> Text:
    net = words.money(view["pnl"]["net"], signed=True)
    return Text(f"Equity {words.money(view['equity'])} USD, net PnL {net} USD")


def _used_most(view: View, width: int, room: int) -> list[RenderableType]:
    known = sum(words.decimal(row["used"]) is not None for row in view["usage"])
    for count in range(min(known, room - TABLE_LEAST + 1), 0, -1):
        limits = section("Limits used most", usage(view["usage"], width, count))
        if lines(limits, width) <= room:
            return [limits]
    return []
