"""State files on disk, replaced whole or not at all; one that cannot be read is refused and left
untouched.
"""

import asyncio
from collections.abc import Awaitable, Callable
from copy import copy
from pathlib import Path
from typing import Final

import aiofiles.os

from sidecar.core.saved import SavedState
from sidecar.storage.codec import (
    StateFileError,
    assemble,
    decode_state,
    encode_head,
    encode_orders,
    encode_state,
)
from sidecar.storage.files import replace_file

# A hundred times the largest state seen; a larger file is not one.
SIZE_BYTES_MAX: Final = 256 * 1024 * 1024
ORDERS_A_TURN: Final = 200  # two milliseconds of encoding, then others have their turn


def write_state(path: Path, state: SavedState) -> None:
    """Replace the state file at `path`. Raises OSError, leaving the old file as it was."""
    replace_file(path, encode_state(state))


async def write_state_async(
    path: Path,
    state: SavedState,
    *,
    before: Callable[[], Awaitable[None]] | None = None,
    do: Callable[[Callable[[], None]], Awaitable[None]] = asyncio.to_thread,
) -> None:
    """The same without holding up the loop for long. Parts that may change are encoded before the
    first wait, and of the ended orders copies are taken, so it is one moment's.

    `before` is waited for before the file is replaced: the lines that the state stands on must be
    there. `do` has the writing done beside the loop.
    """
    head, closed = encode_head(state), [copy(order) for order in state.tracker.closed]
    orders: list[bytes] = []
    for first in range(0, len(closed), ORDERS_A_TURN):
        orders += encode_orders(closed[first : first + ORDERS_A_TURN])
        await asyncio.sleep(0)
    if before is not None:
        await before()
    await do(lambda: _write_parts(path, head, orders))


def _write_parts(path: Path, head: bytes, orders: list[bytes]) -> None:
    replace_file(path, assemble(head, orders))


def read_state(path: Path) -> SavedState | None:
    """The state at `path`, or None where there is no file. Raises StateFileError for a file that
    cannot be used.
    """
    try:
        if path.stat().st_size > SIZE_BYTES_MAX:
            raise StateFileError(f"{path} is too large to be a state file; name the right one")
        data = path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as fault:
        raise StateFileError(
            f"{path} cannot be read ({fault.strerror}); fix that and start again"
        ) from None
    return decode_state(data, str(path))


async def read_state_async(path: Path) -> SavedState | None:
    """The same without blocking the loop."""
    return await aiofiles.os.wrap(read_state)(path)
