"""Hanging up on a peer, over real TLS connections."""

import asyncio
import ssl
from datetime import UTC, datetime

import pytest

from sidecar.hanging_up import hang_up
from sidecar.paper.service.certificates import make_authority

WITHIN_S = 60


@pytest.fixture
async def connected(tmp_path):
    """A client's streams to a server, and the server's writer of that connection."""
    authority = make_authority(datetime.now(UTC))
    accepted: asyncio.Queue[asyncio.StreamWriter] = asyncio.Queue()

    async def accept(_reader, writer):
        await accepted.put(writer)

    context = authority.server_context()
    server = await asyncio.start_server(accept, "127.0.0.1", 0, ssl=context)
    trusting = ssl.create_default_context()
    trusting.check_hostname, trusting.verify_mode = False, ssl.CERT_NONE
    port = server.sockets[0].getsockname()[1]
    reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=trusting)
    async with asyncio.timeout(WITHIN_S):
        theirs = await accepted.get()
    yield reader, writer, theirs
    server.close()


async def ended(reader):
    """What comes of a connection to read: its end, or its fault."""
    async with asyncio.timeout(WITHIN_S):
        try:
            return await reader.read()
        except ConnectionError:
            return b""


async def test_the_peer_is_gone_at_once(connected):
    reader, _, theirs = connected
    hang_up(theirs.transport)
    assert await ended(reader) == b""


async def test_of_a_connection_that_is_lost_nothing_is_left_to_do(connected):
    reader, writer, theirs = connected
    hang_up(theirs.transport)
    assert await ended(reader) == b""
    for _ in range(2):
        hang_up(writer.transport)


def test_where_there_is_no_connection_nothing_is_done():
    hang_up(None)
