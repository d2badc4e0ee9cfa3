"""How an asyncio connection to the sidecar begins: who listens, and the first words."""

import asyncio
from collections.abc import Mapping
from typing import Any

from risk_sidecar_client.failures import AskFailed, Refused
from risk_sidecar_client.messages import request_line, result_of
from risk_sidecar_client.peer import ANSWER_BYTES_MAX, GONE, Peer

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


async def connected(peer: Peer, hello: Mapping[str, Any] | None = None) -> Streams:
    """A new connection, on which `hello` was said if there is one. Raises OSError where nobody listens,
    AskFailed where it is not the sidecar or the hello is not taken.
    """
    reader, writer = await asyncio.open_unix_connection(peer.path, limit=ANSWER_BYTES_MAX)
    is_open = False
    try:
        peer.check(writer.get_extra_info("socket"))
        if hello is not None:
            await say(reader, writer, "hello", hello)
        is_open = True
    except Refused as refusal:
        raise AskFailed(f"hello was refused on the way back: {refusal}") from None
    finally:
        if not is_open:
            writer.transport.abort()
    return reader, writer


async def say(
    reader: asyncio.StreamReader,
    writer: asyncio.StreamWriter,
    method: str,
    params: Mapping[str, Any],
) -> None:
    """The first words on a connection. Raises AskFailed where they are not taken, OSError where it ends."""
    writer.write(request_line(0, method, params))
    line = await reader.readline()
    if not line:
        raise ConnectionResetError(GONE)
    result_of(line, 0)
