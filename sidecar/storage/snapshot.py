"""State files on disk: written to a temporary file, fsynced, renamed over the old one, the
directory fsynced.

A reader sees the old file or the new one, whole, whatever happens in between. A file that cannot be
read is refused and left untouched.
"""

import asyncio
import os
from collections.abc import Awaitable, Callable
from contextlib import suppress
from copy import copy
from errno import ENOENT
from pathlib import Path
from tempfile import mkstemp
from typing import Final

import aiofiles.os

from sidecar import clock
from sidecar.core.saved import SavedState
from sidecar.storage.codec import (
    StateFileError,
    assemble,
    decode_state,
    encode_head,
    encode_orders,
    encode_state,
)

# A hundred times the largest state seen; anything larger is not one.
SIZE_BYTES_MAX: Final = 256 * 1024 * 1024
ORDERS_A_TURN: Final = 200  # two milliseconds of encoding, then others have their turn
# No write takes this long: a temporary file this old was left by a killed writer.
STALE_AFTER_S: Final = 3600


def write_state(path: Path, state: SavedState) -> None:
    """Replace the state file at `path`. Raises OSError, leaving the old file as it was."""
    _replace(path, encode_state(state))


async def write_state_async(
    path: Path, state: SavedState, *, before: Callable[[], Awaitable[None]] | None = None
) -> None:
    """The same without holding up the loop for long. What may change is encoded before the first
    wait, and of the ended orders copies are taken, so it is one moment's.

    `before` is waited for before the file is replaced: what the state stands on must be there.
    """
    head, closed = encode_head(state), [copy(order) for order in state.tracker.closed]
    orders: list[bytes] = []
    for first in range(0, len(closed), ORDERS_A_TURN):
        orders += encode_orders(closed[first : first + ORDERS_A_TURN])
        await asyncio.sleep(0)
    if before is not None:
        await before()
    await aiofiles.os.wrap(_write_parts)(path, head, orders)


def _write_parts(path: Path, head: bytes, orders: list[bytes]) -> None:
    _replace(path, assemble(head, orders))


def _replace(path: Path, data: bytes) -> None:
    """Every write has a temporary file of its own, so that two at once do not meet in one.

    It is its owner's alone (mkstemp): positions and balances are nobody else's business.
    """
    directory = path.parent
    if not directory.is_dir():
        raise FileNotFoundError(ENOENT, "there is no such directory; make it first", str(directory))
    prefix, suffix = f".{path.name}.", ".new"
    _remove_stale(directory, prefix, suffix)
    descriptor, name = mkstemp(suffix, prefix, directory)
    temporary = Path(name)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
    _sync_directory(directory)


def _remove_stale(directory: Path, prefix: str, suffix: str) -> None:
    for left in directory.iterdir():
        if left.name.startswith(prefix) and left.name.endswith(suffix):
            with suppress(FileNotFoundError):  # another writer was first
                if clock.now().timestamp() - left.lstat().st_mtime > STALE_AFTER_S:
                    left.unlink()


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
            f"{path} cannot be read ({fault.strerror}); mend that and start again"
        ) from None
    return decode_state(data, str(path))


async def read_state_async(path: Path) -> SavedState | None:
    """The same without blocking the loop."""
    return await aiofiles.os.wrap(read_state)(path)


def _sync_directory(directory: Path) -> None:
    """Make the rename itself survive a power cut."""
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
