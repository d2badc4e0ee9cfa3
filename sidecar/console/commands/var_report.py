"""`risk-sidecar var report`: the portfolio's risk now, by position and by scenario."""

from typing import Any

import msgspec
import typer

from sidecar.console.asking import AsJson, AskConfig, AskControl, AskOrder
from sidecar.console.commands.views import ask_view
from sidecar.console.shown import page


def report(
    config: AskConfig = None,
    control_socket: AskControl = None,
    order_socket: AskOrder = None,
    as_json: AsJson = False,
) -> None:
    """Show value at risk, expected shortfall and stress loss of the portfolio now.

    Each asset's contribution, and the loss in each stress scenario.
    """
    status: dict[str, Any] = msgspec.json.decode(
        ask_view("status", config, control_socket, order_socket)
    )
    view = {"at": status["at"], "equity": status["equity"], **(status["risk"] or {})}
    if as_json:
        typer.echo(msgspec.json.encode(view))
        return
    from sidecar.console.shown.render_risk import report as rendered  # noqa: PLC0415 - not needed with --json

    page.show(view, rendered)
