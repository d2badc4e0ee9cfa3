"""Coinbase's own websocket clients, with their frames in a queue for the test to wait on."""

import json
import time
from contextlib import contextmanager
from queue import Empty, Queue
from typing import Any

from coinbase.websocket import WebsocketResponse, WSClient

WITHIN_S = 60.0


class Feed:
    """One client and all it was told."""

    def __init__(self, kind, **options):
        self.frames: Queue[str] = Queue()
        self.opened = 0
        self.seen: list[WebsocketResponse] = []
        self.client = kind(on_message=self.frames.put, on_open=self._open, timeout=30, **options)

    def _open(self):
        self.opened += 1

    def subscribe(self, channels, products=()):
        self.client.subscribe(list(products), channels)

    def unsubscribe(self, channels, products=()):
        self.client.unsubscribe(list(products), channels)

    def next(self, channel=None, wanted=lambda frame: True):
        """The next frame of this channel that is wanted, parsed by the SDK itself."""
        end = time.monotonic() + WITHIN_S  # heartbeats alone would keep it waiting for ever
        while True:
            raw = self.frames.get(timeout=max(0, end - time.monotonic()))
            frame = WebsocketResponse(json.loads(raw))
            self.seen.append(frame)
            if channel in {None, frame.channel} and wanted(frame):
                return frame

    def raw(self):
        """The next frame as it came; for errors, which the SDK cannot parse."""
        return json.loads(self.frames.get(timeout=WITHIN_S))

    def snapshot(self, channel):
        return self.next(channel, lambda frame: frame.events[0].type == "snapshot").events[0]

    def update(self, channel):
        return self.next(channel, lambda frame: frame.events[0].type == "update").events[0]

    def updates(self, channels):
        """The first update of each of these channels, in whatever order they come."""
        found: dict[str, Any] = {}
        while found.keys() != set(channels):
            frame = self.next(
                wanted=lambda f: f.channel in channels and f.events[0].type == "update"
            )
            found.setdefault(frame.channel, frame.events[0])
        return found

    def acknowledged(self):
        """The set of subscriptions that the next acknowledgement tells."""
        return self.next("subscriptions").events[0].subscriptions

    def life(self, order_id, until_status):
        """What the user channel tells of one order, up to this status."""
        stages: list[Any] = []
        while not stages or stages[-1].status != until_status:
            event = self.update("user")
            stages += [row for row in event.orders if row.order_id == order_id]
        return stages

    def drain(self):
        """Take what has come so far."""
        while True:
            try:
                self.seen.append(WebsocketResponse(json.loads(self.frames.get_nowait())))
            except Empty:
                return


@contextmanager
def feed(paper, kind=WSClient, *, url="ws_url", key="key.json", **options):
    """An open client, closed at the end whatever became of it."""
    if key:
        options["key_file"] = paper.key_file(key)
    made = Feed(kind, base_url=paper.urls[url], **options)
    client = made.client
    client.open()
    try:
        yield made
    finally:
        if client.websocket is not None and client.websocket.open:
            client.close()
        else:  # the SDK's `close` refuses, and leaves its thread behind
            client.loop.call_soon_threadsafe(client.loop.stop)
            client.thread.join()
            client.loop.close()
