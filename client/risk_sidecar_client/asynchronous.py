"""The client for asyncio programs."""

import asyncio
import itertools
from collections.abc import AsyncGenerator, Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any

import msgspec

from risk_sidecar_client.asynchronous_connection import connected
from risk_sidecar_client.decision import Decision, no_answer
from risk_sidecar_client.events import events
from risk_sidecar_client.failures import AskFailed
from risk_sidecar_client.messages import (
    Order,
    decode_answer,
    decode_decision,
    facts_of,
    named,
    order_params,
    request_line,
    result_of,
)
from risk_sidecar_client.peer import GONE, RETURN_EVERY_S, TIMEOUT_S, Peer


class AsyncClient:
    """The asyncio client; many tasks may ask at once over its one connection. Reconnects by itself."""

    def __init__(
        self, path: Path | str, *, timeout_s: float = TIMEOUT_S, server_uid: int | None = None
    ) -> None:
        """`server_uid`: whom to believe beside root, where the sidecar is not this user's."""
        self._peer = Peer(str(path), timeout_s, server_uid)
        self._numbers = itertools.count(1)
        self._opening = asyncio.Lock()
        self._writer: asyncio.StreamWriter | None = None
        self._reading: asyncio.Task[None] | None = None
        self._returning: asyncio.Task[None] | None = None
        self._waiting: dict[int, asyncio.Future[bytes]] = {}
        self._hello: dict[str, Any] | None = None

    async def hello(
        self, name: str, *, strategy_id: str | None = None, on_disconnect: str = "nothing"
    ) -> dict[str, Any]:
        """Say who this bot is, now and on every later connection, until `bye`. Returns what the sidecar
        says to it. `on_disconnect` is done when the bot is gone without `bye`. Raises AskFailed: unless the
        sidecar refused, it may have been taken all the same; say it again, even if only `bye` follows.
        """
        hello = {"name": name, "strategy_id": strategy_id, "on_disconnect": on_disconnect}
        facts = facts_of(await self.ask("hello", **hello))
        self._hello = hello
        return facts

    async def bye(self) -> None:
        """The bot ends in order, and nothing is done for it. Raises AskFailed: then say it again."""
        await self.ask("bye")
        self._hello = None

    async def validate_order(
        self, order: Order, *, strategy_id: str | None = None, dry_run: bool = False
    ) -> Decision:
        """Whether this order may be sent now. Never raises for what happens on the way: it refuses."""
        try:
            asked = order_params(order, strategy_id, dry_run=dry_run)
            return decode_decision(await self.ask("validate_order", **asked))
        except (AskFailed, msgspec.DecodeError, TypeError, ValueError, RecursionError) as error:
            return no_answer(order, str(error))

    async def validate_edit(
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
        return await self._decided("validate_edit", asked | {"dry_run": dry_run})

    async def validate_close(
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
        return await self._decided("validate_close", asked)

    async def _decided(self, method: str, asked: dict[str, Any]) -> Decision:
        try:
            return decode_decision(await self.ask(method, **asked))
        except (AskFailed, msgspec.DecodeError, TypeError, ValueError, RecursionError) as error:
            return no_answer(asked, str(error))

    async def release_order(self, client_order_id: str) -> None:
        """Drop an approval that will not be used. Raises AskFailed; it lapses by itself anyway."""
        await self.ask("release_order", client_order_id=client_order_id)

    async def ask(self, method: str, **params: Any) -> msgspec.Raw:
        """The result of any method, as JSON. Raises AskFailed."""
        number = next(self._numbers)
        request = request_line(number, method, params)
        try:
            async with asyncio.timeout(self._peer.timeout_s):
                writer = await self._connected()
                if writer.is_closing():  # not every loop takes what is written to it then
                    raise ConnectionResetError(GONE)
                answer = self._waiting[number] = asyncio.get_running_loop().create_future()
                writer.write(request)
                await writer.drain()
                return result_of(await answer, number)
        except (OSError, TimeoutError) as error:
            raise AskFailed(self._peer.fault(error)) from None
        finally:
            waiting = self._waiting.pop(number, None)
            if waiting is not None and waiting.done() and not waiting.cancelled():
                waiting.exception()  # told to us already, or we were cancelled meanwhile

    def events(self, topics: Iterable[str]) -> AsyncGenerator[dict[str, Any], None]:
        """How it stands, and what happens from then on, as it happens, over connections of its own.

        `topics`: any of state, decisions, positions, limits. Each event is a dict with `topic`, `at`
        and what the topic tells; those that say how it stands have `snapshot`. When the connection
        ends, that is an event too (`topic` is connection), and it begins again with how it stands as
        soon as a sidecar listens there: decisions of the time between are in its journal.

        Raises AskFailed when the sidecar cannot be asked at first, does not know a topic, or is not the
        sidecar. Close it (`contextlib.aclosing`) to stop listening.
        """
        return events(self._peer, topics)

    async def close(self) -> None:
        """Let go of the connection; who still waits is refused. A bot that said hello and not bye is
        gone, unless it asks again.
        """
        tasks = [task for task in (self._reading, self._returning) if task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._forget(ConnectionResetError("closed"))

    async def _connected(self) -> asyncio.StreamWriter:
        async with self._opening:
            if self._writer is None:
                reader, writer = await connected(self._peer, self._hello)
                self._writer = writer
                loop = asyncio.get_running_loop()
                self._reading = loop.create_task(self._read(reader))
            return self._writer

    async def _read(self, reader: asyncio.StreamReader) -> None:
        """Hand each answer to who asked, until the connection ends."""
        error: OSError = ConnectionResetError(GONE)
        try:
            while line := await reader.readline():
                with suppress(msgspec.DecodeError):
                    answer = decode_answer(line)
                    waiting = self._waiting.get(answer.id or 0)
                    if waiting is not None and not waiting.done():
                        waiting.set_result(line)
        except (OSError, ValueError) as fault:  # a line without end is a ValueError of the reader's
            error = ConnectionResetError(str(fault))
        self._forget(error)
        if self._hello is not None:
            self._returning = asyncio.get_running_loop().create_task(self._return())

    async def _return(self) -> None:
        """Be back, and known: who has nothing to ask is alive all the same."""
        while self._hello is not None and self._writer is None:
            with suppress(AskFailed):
                await self.ask("ping")
                return
            await asyncio.sleep(RETURN_EVERY_S)

    def _forget(self, error: OSError) -> None:
        if self._writer is not None:
            self._writer.transport.abort()
            self._writer = None
        for waiting in self._waiting.values():
            if not waiting.done():
                waiting.set_exception(error)
