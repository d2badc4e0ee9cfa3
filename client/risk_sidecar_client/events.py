"""How it stands and what happens from then on, over connections that are made for that alone."""

import asyncio
from collections.abc import AsyncGenerator, Iterable, Mapping
from contextlib import aclosing
from typing import Any

import msgspec

from risk_sidecar_client.asynchronous_connection import connected, say
from risk_sidecar_client.failures import AskFailed, NotServed, Refused
from risk_sidecar_client.messages import decode_event
from risk_sidecar_client.peer import GONE, RETURN_EVERY_S, Peer


async def events(peer: Peer, topics: Iterable[str]) -> AsyncGenerator[dict[str, Any], None]:
    """Each event as a dict, for as long as it is listened to; a lost connection is an event, and is made
    again. Raises AskFailed when the sidecar cannot be asked at first, does not know a topic, or is not
    the sidecar.
    """
    asked, heard, tells = {"topics": list(topics), "snapshot": True}, False, True
    while True:
        why = GONE
        try:
            async with aclosing(_listen(peer, asked)) as lines:
                async for line in lines:
                    if line:
                        yield decode_event(line).params
                    heard = tells = True
        except OSError as error:  # a time-out is one
            why = peer.fault(error)
            if not heard:
                raise AskFailed(why) from None
        except (Refused, NotServed):  # it stops, or has no room yet
            if not heard:
                raise
        except (ValueError, msgspec.DecodeError) as error:  # a line without end is a ValueError
            raise AskFailed(f"{peer.path}: {error}") from None
        if tells:
            tells = False
            yield {"topic": "connection", "type": "Lost", "at": None, "text": why}
        await asyncio.sleep(RETURN_EVERY_S)


async def _listen(peer: Peer, asked: Mapping[str, Any]) -> AsyncGenerator[bytes, None]:
    """Over one connection: an empty line once the topics are taken, then each event's line."""
    writer = None
    try:
        async with asyncio.timeout(peer.timeout_s):
            reader, writer = await connected(peer)
            await say(reader, writer, "subscribe", asked)
        yield b""
        while line := await reader.readline():
            yield line
    finally:
        if writer is not None:
            writer.transport.abort()
