"""Hanging up on a peer without a farewell."""

import asyncio
from contextlib import suppress


def hang_up(transport: asyncio.BaseTransport | None) -> None:
    """Close a connection at once; a connection that is lost already stays as it is.

    Of a TLS connection that was lost, asyncio's `abort` raises AttributeError in Python 3.11.2, that of Debian 12;
    in 3.11.7 it has no effect.
    """
    if isinstance(transport, asyncio.WriteTransport):
        with suppress(AttributeError):
            transport.abort()
