"""`risk-sidecar flatten`: sell all holdings, and see it done.

The sidecar does it; here it is asked for and watched. The sale goes on when the watching ends.
"""

import sys
import time
from pathlib import Path
from typing import Annotated, Any, Final

import msgspec
import typer

from sidecar.console.asking import (
    NO_REASON,
    AsJson,
    AskConfig,
    AskControl,
    Declined,
    Reason,
    account_of,
    ask,
    control_path,
    tell_reached,
)
from sidecar.console.process import EXIT_INTERRUPTED
from sidecar.console.shown import page
from sidecar.core.vocabulary.errors import Misuse
from sidecar.escaping import escaped

LOOK_EVERY_S: Final = 0.25
EXIT_NOT_FLAT: Final = 1
NAMELESS: Final = "flatten"  # typed where Coinbase has not told the portfolio


def flatten(
    reason: Reason = NO_REASON,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask whether it is meant.")] = False,
    config: AskConfig = None,
    control_socket: AskControl = None,
    as_json: AsJson = False,
) -> None:
    """Cancel all orders, sell all that is held, halt, and report.

    Shows how far it is until the account is flat. No order passes afterwards until resume.
    """
    if yes and config is None and control_socket is None:
        raise Misuse(
            "flatten --yes sells everything unasked; name the sidecar with --config or --control-socket"
        )
    if not yes and not sys.stdin.isatty():
        raise Misuse("flatten sells everything and asks first; write --yes where nobody can answer")
    where = control_path(config, control_socket)
    tell_reached(where)
    if not yes:
        _confirm(where)
    try:
        ask(where, "flatten", reason=reason)
    except Declined as declined:
        raise Misuse(str(declined)) from None
    report = _watched(where, shows=not as_json)
    if as_json:
        typer.echo(msgspec.json.encode(report))
    if report is None or report["outcome"] != "flat":
        raise typer.Exit(EXIT_NOT_FLAT)


def _confirm(where: Path) -> None:
    """Show the holdings at stake, and take only the portfolio's name, or its id where it has none."""
    view = page.readable(msgspec.json.decode(ask(where, "positions")))
    held = [f"{one['quantity']} {one['key']}" for one in view["positions"] if one["quantity"]]
    orders = len(view["open_orders"])
    typer.echo(f"held: {', '.join(held) or 'nothing'}; open orders: {orders}")
    try:
        account = account_of(where)
    except Misuse:  # it can be flattened all the same
        account = {}
    name = account.get("portfolio_name") or account.get("portfolio") or NAMELESS
    question = "To cancel all orders and sell all of it now, type the portfolio's name"
    try:
        typed = typer.prompt(f"{question}, {escaped(name)}")
    except typer.Abort:
        typer.echo("\nnot answered: nothing was sold")
        raise typer.Exit(EXIT_INTERRUPTED) from None
    if typed.strip() != name.strip():
        typer.echo("that is not its name: nothing was sold")
        raise typer.Exit(EXIT_NOT_FLAT)


def _watched(where: Path, *, shows: bool) -> dict[str, Any] | None:
    """The report at the end; shown on the way on a terminal."""
    from rich.live import Live  # noqa: PLC0415 - a tenth of a second

    from sidecar.console.shown.render_liquidation import liquidation  # noqa: PLC0415

    console = page.console(stderr=not shows)
    try:
        if not (shows and console.is_terminal):
            report = _until_over(where, lambda _view: None)
        else:
            with Live(console=console, auto_refresh=False) as live:
                report = _until_over(
                    where, lambda view: live.update(liquidation(page.readable(view)), refresh=True)
                )
                live.update("")
    except KeyboardInterrupt:
        raise Misuse(
            "the flattening goes on in the sidecar; status shows it, halt --abort-liquidation ends it"
        ) from None
    if shows and report is not None:
        console.print(liquidation(page.readable(report)))
    return report


def _until_over(where: Path, show: Any) -> dict[str, Any] | None:
    while True:
        found = msgspec.json.decode(ask(where, "status"))["liquidations"]
        under_way = [one for one in found if one["outcome"] == "under way" and one["key"] is None]
        if not under_way:
            return next((one for one in found if one["key"] is None), None)
        show(under_way[0])
        time.sleep(LOOK_EVERY_S)  # noqa: TID251 - a person watches, and any moment will do
