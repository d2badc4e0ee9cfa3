"""How figures are laid out: tables and sections. Pure."""

from collections.abc import Iterable
from typing import Final

from rich import box
from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

NARROW: Final = 72  # columns below which a row stands in two lines


def table(*columns: str, numbers: Iterable[str] = ()) -> Table:
    """A plain table; the columns named in `numbers` stand to the right."""
    made = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False, header_style="bold")
    for name in columns:
        made.add_column(name, justify="right" if name in set(numbers) else "left", overflow="fold")
    return made


def section(title: str, *content: RenderableType) -> Group:
    """A heading with its content."""
    return Group(Text(""), Text(title, style="bold"), *(Padding(c, (0, 0, 0, 2)) for c in content))
