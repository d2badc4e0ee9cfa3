"""A thread that shows life, for as long as there is one to show."""

import gc
import threading

import pytest

from risk_sidecar_client import keep_alive
from risk_sidecar_client.keep_alive import KeepAlive


class Bot:
    """Tells that it was pinged."""

    def __init__(self):
        self.pinged = threading.Event()

    def ping(self):
        self.pinged.set()


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(keep_alive, "EVERY_S", 0.005)


def ended(before):
    """Waits for every thread that was not there before."""
    for thread in set(threading.enumerate()) - before:
        thread.join(60)
        assert not thread.is_alive()


def test_it_pings_until_it_is_stopped():
    before, bot = set(threading.enumerate()), Bot()
    alive = KeepAlive(bot.ping)
    assert bot.pinged.wait(60)
    bot.pinged.clear()
    assert bot.pinged.wait(60)
    alive.stop()
    ended(before)


def test_it_ends_with_the_object_that_it_pings():
    before, bot = set(threading.enumerate()), Bot()
    alive, pinged = KeepAlive(bot.ping), bot.pinged
    assert pinged.wait(60)
    del bot
    gc.collect()
    ended(before)
    alive.stop()
