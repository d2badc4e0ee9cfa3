"""`risk-sidecar alert test`: sends a test alert, as `[alerts]` says. Needs no running sidecar."""

import asyncio
from typing import TYPE_CHECKING, Final

import msgspec
import typer

from sidecar import clock
from sidecar.console.locating import needed_file
from sidecar.console.options import ConfigFile, Overrides, configuration
from sidecar.console.process import interruptible
from sidecar.core.vocabulary.errors import Misuse

if TYPE_CHECKING:
    from sidecar.config.tables import Alerts

EXIT_FAILED: Final = 1


def try_alerts(config: ConfigFile = None, overrides: Overrides = None) -> None:
    """Send one test alert: run the command with it, and call the heartbeat's address.

    Exit 0: both went well; 1: not so; 2: a faulty configuration, or none to test.
    """
    alerts = configuration(needed_file(config, "alert test"), overrides).alerts
    if not alerts.command and alerts.heartbeat_url is None:
        raise Misuse("nobody is woken: alerts.command is not set; name a program")
    with interruptible():
        faults = asyncio.run(_try(alerts))
    for what, fault in faults.items():
        typer.echo(f"{what}: {fault or 'done'}")
    if any(faults.values()):
        raise typer.Exit(EXIT_FAILED)


async def _try(alerts: "Alerts") -> dict[str, str]:
    """Why each failed; empty where it did not."""
    from sidecar.daemon.heartbeat import call  # noqa: PLC0415 - half a second to import
    from sidecar.daemon.waking import Message, give  # noqa: PLC0415

    faults = {}
    if alerts.command:
        text = "a test alert: nothing happened"
        message = Message("test", clock.now(), "warning", "TEST", text, "")
        data = msgspec.json.encode(message) + b"\n"
        faults["command"] = await give(alerts.command, data, float(alerts.command_within_s))
    if alerts.heartbeat_url is not None:
        faults["heartbeat"] = await call(alerts.heartbeat_url)
    return faults
