"""A bot that asks for nothing all day is alive, and says so."""

import threading
import weakref
from collections.abc import Callable
from typing import Final

# A bot that is not heard of for 30 s after its connection dropped is taken for gone.
EVERY_S: Final = 5.0


class KeepAlive:
    """Calls `ping` every few seconds from a thread of its own, until it is stopped or nobody has the
    object whose method `ping` is any more.
    """

    def __init__(self, ping: Callable[[], None]) -> None:
        self._over = threading.Event()
        told = (weakref.WeakMethod(ping), self._over)
        threading.Thread(target=_keep_alive, args=told, name="hello", daemon=True).start()

    def stop(self) -> None:
        """A ping that has begun may still end afterwards."""
        self._over.set()


def _keep_alive(weak: weakref.WeakMethod[Callable[[], None]], over: threading.Event) -> None:
    while not over.wait(EVERY_S):
        ping = weak()
        if ping is None:
            return
        ping()
        del ping  # it holds the client, which may be let go of meanwhile
