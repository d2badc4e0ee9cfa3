"""A page: a sidecar's answer, safe for a person to read. Names, ids and reasons in it come from
outside.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from sidecar.escaping import escaped

if TYPE_CHECKING:
    from rich.console import Console, RenderableType


def show(view: Any, render: "Callable[[Any, int], RenderableType]") -> None:
    """Print the view on standard output as `render` lays it out for so many columns."""
    made = console()
    made.print(render(readable(view), made.width))


def console(*, stderr: bool = False) -> "Console":
    """Prints text as it is: brackets and colons in a name are no markup."""
    from rich.console import Console  # noqa: PLC0415 - a tenth of a second, and not with --json

    return Console(highlight=False, markup=False, emoji=False, stderr=stderr)


def readable(value: Any) -> Any:
    """The same, of JSON's kinds, with every text in it escaped."""
    match value:
        case str():
            return escaped(value)
        case dict():
            return {readable(name): readable(inner) for name, inner in value.items()}
        case list():
            return [readable(inner) for inner in value]
    return value
