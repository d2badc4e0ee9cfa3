"""State files on disk: written to a temporary file, fsynced, renamed over the old one, the
directory fsynced.

A reader sees the old file or the new one, whole, whatever happens in between. A file that cannot be
read is refused and left untouched.
"""

import os
from pathlib import Path
from typing import Final

import aiofiles
import aiofiles.os

from sidecar.core.saved import SavedState
from sidecar.storage.codec import StateFileError, decode_state, encode_state

MODE: Final = 0o600  # positions and balances are nobody else's business
SIZE_BYTES_MAX: Final = (
    256 * 1024 * 1024
)  # a hundred times the largest state seen; anything larger is not one


def write_state(path: Path, state: SavedState) -> None:
    """Replace the state file at `path`. Raises OSError, leaving the old file as it was."""
    data = encode_state(state)
    temporary = _temporary(path)
    try:
        descriptor = _private(str(temporary), os.O_WRONLY | os.O_CREAT)
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except OSError:
        temporary.unlink(missing_ok=True)
        raise
    _sync_directory(path.parent)


async def write_state_async(path: Path, state: SavedState) -> None:
    """The same without blocking the loop. The state is encoded before the first wait, so it is one
    moment's.
    """
    data = encode_state(state)
    temporary = _temporary(path)
    try:
        async with aiofiles.open(temporary, "wb", opener=_private) as file:
            await file.write(data)
            await file.flush()
            await aiofiles.os.wrap(os.fsync)(file.fileno())
        await aiofiles.os.replace(temporary, path)
    except OSError:
        temporary.unlink(missing_ok=True)
        raise
    await aiofiles.os.wrap(_sync_directory)(path.parent)


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


def _temporary(path: Path) -> Path:
    return path.with_name(f".{path.name}.new")


def _private(path: str, flags: int) -> int:
    """Open a file of our own: what a killed writer left, or somebody else put there, is not
    reused.
    """
    Path(path).unlink(missing_ok=True)
    return os.open(path, flags | os.O_EXCL, MODE)


def _sync_directory(directory: Path) -> None:
    """Make the rename itself survive a power cut."""
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
