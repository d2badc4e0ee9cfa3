"""`risk-sidecar status`, `positions`, `limits`: views of a running sidecar. They change no state."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
import typer

from sidecar.console.asking import AsJson, AskConfig, AskControl, AskOrder, ask, control_path
from sidecar.console.shown import page
from sidecar.core.vocabulary.errors import Misuse

if TYPE_CHECKING:
    from rich.console import RenderableType

Render = Callable[[Any, int], "RenderableType"]


def status(
    is_whole: Annotated[
        bool, typer.Option("-v", "--verbose", help="All of it, however many lines.")
    ] = False,
    config: AskConfig = None,
    control_socket: AskControl = None,
    order_socket: AskOrder = None,
    as_json: AsJson = False,
) -> None:
    """Show whether orders pass, and why not; money, and the limits used most."""
    answer = ask_view("status", config, control_socket, order_socket)
    from sidecar.console.shown import (  # noqa: PLC0415 - not needed with --json
        render,
        render_brief,
    )

    _show(answer, render.status if is_whole else render_brief.brief, as_json=as_json)


def positions(
    config: AskConfig = None,
    control_socket: AskControl = None,
    order_socket: AskOrder = None,
    as_json: AsJson = False,
) -> None:
    """Show positions, wallets, open orders and reservations."""
    answer = ask_view("positions", config, control_socket, order_socket)
    from sidecar.console.shown import render_books  # noqa: PLC0415

    _show(answer, render_books.positions, as_json=as_json)


def limits(
    config: AskConfig = None,
    control_socket: AskControl = None,
    order_socket: AskOrder = None,
    as_json: AsJson = False,
) -> None:
    """Show the limits in force, by scope."""
    answer = ask_view("limits", config, control_socket, order_socket)
    from sidecar.console.shown import render_books  # noqa: PLC0415

    _show(answer, lambda view, _width: render_books.limits(view), as_json=as_json)


def ask_view(view: str, config: Path | None, control: Path | None, order: Path | None) -> bytes:
    """One view's answer as it came. Raises Misuse."""
    if control is not None and order is not None:
        raise Misuse("both sockets tell the same; give --control-socket or --order-socket")
    return ask(order or control_path(config, control), view)


def _show(answer: bytes, render: Render, *, as_json: bool) -> None:
    if as_json:
        typer.echo(answer)
        return
    page.show(msgspec.json.decode(answer), render)
