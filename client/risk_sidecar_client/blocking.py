"""The client for programs that wait: threads, scripts, Coinbase's own SDK."""

import itertools
import threading
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import msgspec

from risk_sidecar_client.blocking_connection import Connection
from risk_sidecar_client.decision import Decision, no_answer
from risk_sidecar_client.failures import AskFailed, Refused
from risk_sidecar_client.keep_alive import KeepAlive
from risk_sidecar_client.messages import (
    Order,
    decode_decision,
    facts_of,
    named,
    order_params,
    request_line,
    result_of,
)
from risk_sidecar_client.peer import TIMEOUT_S, Peer


class Client:
    """The blocking client; one at a time asks, the others wait. Reconnects by itself."""

    def __init__(
        self, path: Path | str, *, timeout_s: float = TIMEOUT_S, server_uid: int | None = None
    ) -> None:
        """`server_uid`: whom to believe beside root, where the sidecar is not this user's."""
        self._peer = Peer(str(path), timeout_s, server_uid)
        self._lock = threading.Lock()
        self._numbers = itertools.count(1)
        self._connection: Connection | None = None
        self._hello: dict[str, Any] | None = None
        self._keep_alive: KeepAlive | None = None

    def hello(
        self, name: str, *, strategy_id: str | None = None, on_disconnect: str = "nothing"
    ) -> dict[str, Any]:
        """Say who this bot is, now and on every later connection, until `bye`. Returns what the sidecar
        says to it. `on_disconnect` is done when the bot is gone without `bye`. Raises AskFailed: unless the
        sidecar refused, it may have been taken all the same; say it again, even if only `bye` follows.
        """
        hello = {"name": name, "strategy_id": strategy_id, "on_disconnect": on_disconnect}
        with self._lock:
            facts = facts_of(self._ask("hello", hello))
            self._hello = hello
            self._show_life()
        return facts

    def bye(self) -> None:
        """The bot ends in order, and nothing is done for it. Raises AskFailed: then say it again."""
        with self._lock:
            self._ask("bye", {})
            self._hello = None
            self._show_life_no_more()

    def validate_order(
        self, order: Order, *, strategy_id: str | None = None, dry_run: bool = False
    ) -> Decision:
        """Whether this order may be sent now. Never raises for what happens on the way: it refuses."""
        try:
            asked = order_params(order, strategy_id, dry_run=dry_run)
            return decode_decision(self.ask("validate_order", **asked))
        except (AskFailed, msgspec.DecodeError, TypeError, ValueError, RecursionError) as error:
            return no_answer(order, str(error))

    def validate_edit(
        self,
        *,
        order_id: str | None = None,
        client_order_id: str | None = None,
        price: str | None = None,
        size: str | None = None,
        dry_run: bool = False,
    ) -> Decision:
        """Whether this open order may be edited so now; price and total size as they will be sent."""
        asked = named(order_id=order_id, client_order_id=client_order_id, price=price, size=size)
        return self._decided("validate_edit", asked | {"dry_run": dry_run})

    def validate_close(
        self,
        product_id: str,
        client_order_id: str,
        *,
        size: str | None = None,
        strategy_id: str | None = None,
        dry_run: bool = False,
    ) -> Decision:
        """Whether Coinbase's close_position may close all of this position now, or `size` contracts of it."""
        asked = named(size=size, strategy_id=strategy_id, client_order_id=client_order_id)
        asked |= {"product_id": product_id, "dry_run": dry_run}
        return self._decided("validate_close", asked)

    def _decided(self, method: str, asked: dict[str, Any]) -> Decision:
        try:
            return decode_decision(self.ask(method, **asked))
        except (AskFailed, msgspec.DecodeError, TypeError, ValueError, RecursionError) as error:
            return no_answer(asked, str(error))

    def release_order(self, client_order_id: str) -> None:
        """Drop an approval that will not be used. Raises AskFailed; it lapses by itself anyway."""
        self.ask("release_order", client_order_id=client_order_id)

    def ask(self, method: str, **params: Any) -> msgspec.Raw:
        """The result of any method, as JSON. Raises AskFailed."""
        with self._lock:
            return self._ask(method, params)

    def close(self) -> None:
        """Let go of the connection. A bot that said hello and not bye is gone, unless it asks again."""
        with self._lock:
            self._show_life_no_more()
            self._drop()

    # ------------------------------------------------------------- what follows holds the lock

    def _ask(self, method: str, params: Mapping[str, Any]) -> msgspec.Raw:
        number = next(self._numbers)
        try:
            return result_of(self._exchange(request_line(number, method, params)), number)
        except Refused:
            raise
        except (OSError, AskFailed) as error:
            self._drop()  # what comes later on this connection would answer another question
            if isinstance(error, AskFailed):
                raise
            raise AskFailed(self._peer.fault(error)) from None

    def _drop(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _exchange(self, request: bytes) -> bytes:
        """One line out, one line in; once more when the sidecar was restarted meanwhile."""
        if self._connection is not None:
            with suppress(ConnectionError):
                return self._connection.exchange(request)
            self._drop()
        self._connection = Connection.to(self._peer)
        if self._hello is not None:
            self._greet(self._connection, self._hello)
        return self._connection.exchange(request)

    def _greet(self, connection: Connection, hello: Mapping[str, Any]) -> None:
        """A bot whose hello is not taken any more must not believe that it is watched over."""
        try:
            result_of(connection.exchange(request_line(0, "hello", hello)), 0)
        except Refused as refusal:
            raise AskFailed(f"hello was refused on the way back: {refusal}") from None
        self._show_life()

    def _show_life(self) -> None:
        if self._keep_alive is None:
            self._keep_alive = KeepAlive(self._ping)

    def _show_life_no_more(self) -> None:
        if self._keep_alive is not None:
            self._keep_alive.stop()
            self._keep_alive = None

    def _ping(self) -> None:
        """From the thread that shows life. A client that was closed meanwhile must not connect again."""
        with self._lock, suppress(AskFailed):
            if self._keep_alive is not None:
                self._ask("ping", {})
