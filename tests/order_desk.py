"""A RiskManager behind a real order socket, for the clients to ask."""

import asyncio
import threading
from contextlib import contextmanager
from datetime import UTC, datetime

from sidecar import Limits, PositionTracker, RiskManager
from sidecar.core.guards.sessions import Sessions
from sidecar.server.answers import Answers
from sidecar.server.listener import Listener, own_uids
from sidecar.server.subscriptions import Publisher
from tests.answering import deciding, joined
from tests.scenario import PRODUCTS

NOW = datetime(2026, 11, 2, 10, tzinfo=UTC)


def desk():
    tracker = PositionTracker(clock=lambda: NOW)
    manager = RiskManager(Limits(max_order_notional=5000), tracker, clock=lambda: NOW)
    tracker.list_products(PRODUCTS)
    tracker.balance("USD", "1000000")
    tracker.mark("BTC-USD", "64000", "64001")
    return manager


def order(name="a", size="0.05"):
    return {
        "client_order_id": name, "product_id": "BTC-USD", "side": "BUY",
        "order_configuration": {"limit_limit_gtc": {"base_size": size, "limit_price": "64000"}},
    }  # fmt: skip


def listener(path, manager, answer=None, sessions=None, on_fact=lambda: None):
    sessions, publisher = sessions or Sessions(), Publisher(manager)
    inner = joined(manager, sessions, publisher)

    def handle(event, take=None):
        actions = inner(event, take)
        on_fact()
        return actions

    answers = Answers(
        manager,
        handle,
        lambda: NOW,
        decide=deciding(manager, handle),
        sessions=sessions,
        publisher=publisher,
    )
    return Listener(path, answer or answers, mode=0o600, uids=own_uids(), on_lost=answers.lost)


@contextmanager
def served(path, manager=None, answer=None, made=None):
    """In a thread with a loop of its own, for clients that block."""
    loop, made = asyncio.new_event_loop(), made or listener(path, manager or desk(), answer)
    loop.run_until_complete(made.start())
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    try:
        yield made
    finally:
        asyncio.run_coroutine_threadsafe(made.stop(), loop).result(10)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(60)
        loop.close()


class Foreign:
    """Credentials of somebody else: a test may not have two users."""

    size = 12

    def unpack(self, raw):
        return (1, 54321, 1)


class Known:
    """A listener's bots, and when what is waited for has become of them."""

    def __init__(self, path):
        self.sessions, self.changed = Sessions(), threading.Event()
        self.listener = listener(path, desk(), sessions=self.sessions, on_fact=self.changed.set)

    def until(self, look):
        while not look(self.sessions.saved()):
            assert self.changed.wait(10)
            self.changed.clear()

    async def until_so(self, look):
        await asyncio.to_thread(self.until, look)


def is_there(bots):
    return [(bot.name, bot.on_disconnect, bot.connections) for bot in bots] == [
        ("grid", "cancel_orders", 1)
    ]


def is_gone(bots):
    return [bot.connections for bot in bots] == [0]


GRID = {"name": "grid", "strategy_id": "g", "on_disconnect": "cancel_orders"}
