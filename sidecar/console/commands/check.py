"""`risk-sidecar check`: the configuration, the key, the account, before any trading. Sends no order."""

import asyncio
from decimal import Decimal
from typing import Any, Final

import msgspec
import typer

from sidecar.console.asking import AsJson
from sidecar.console.locating import needed_file
from sidecar.console.options import ConfigFile, Overrides, configuration
from sidecar.console.process import forbid_core_dumps, interruptible
from sidecar.console.shown import page

EXIT_CRITICAL: Final = 1


def check(config: ConfigFile = None, overrides: Overrides = None, as_json: AsJson = False) -> None:
    """Look before trading: configuration, key, clock, account.

    Also the sales of a liquidation today, and the holdings it could not sell. Sends no order.

    Exit 0: fine; 1: a critical finding; 2: a faulty configuration, or no connection.
    """
    settings = configuration(needed_file(config, "check"), overrides)
    from rich.console import Console  # noqa: PLC0415 - half a second to import, all in all

    from sidecar.daemon.checks import look  # noqa: PLC0415
    from sidecar.server.protocol import plainly  # noqa: PLC0415

    with interruptible(), Console(stderr=True).status("asking Coinbase"):
        forbid_core_dumps()
        report = asyncio.run(look(settings))
    view: dict[str, Any] = plainly(msgspec.to_builtins(report, builtin_types=(Decimal,)))
    view["findings"] = [finding._asdict() for finding in report.findings]
    if as_json:
        typer.echo(msgspec.json.encode(view))
    else:
        from sidecar.console.shown.render_check import checked  # noqa: PLC0415

        page.show(view, checked)
    if any(finding.severity == "critical" for finding in report.findings):
        raise typer.Exit(EXIT_CRITICAL)
