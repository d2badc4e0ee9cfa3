"""Telling systemd: ready, alive, stopping. No effect without a service manager.

Source: sd_notify(3); one datagram of KEY=VALUE lines to the socket that NOTIFY_SOCKET names.
"""

import asyncio
import os
import socket
from contextlib import suppress
from typing import Final

SHARE: Final = (
    0.5  # of the watchdog's time between two signs of life, as sd_watchdog_enabled(3) asks
)


def notify(state: str) -> None:
    """Tell the service manager, if there is one; a message that it does not take is lost."""
    path = os.environ.get("NOTIFY_SOCKET", "")
    if not path:
        return
    with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
        sender.settimeout(0)
        sender.sendto(state.encode(), "\0" + path[1:] if path.startswith("@") else path)


def watchdog_s() -> float | None:
    """How often a sign of life is due, seconds; None where none is asked for."""
    with suppress(ValueError):
        if os.environ.get("WATCHDOG_PID", str(os.getpid())) == str(os.getpid()):
            microseconds = int(os.environ.get("WATCHDOG_USEC", "0"))
            return microseconds / 1e6 * SHARE if microseconds > 0 else None
    return None


async def keep_alive() -> None:
    """Until cancelled: a sign of life, from the loop that must be alive."""
    every_s = watchdog_s()
    while every_s is not None:
        notify("WATCHDOG=1")
        await asyncio.sleep(every_s)
