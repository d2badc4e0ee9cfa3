"""A file replaced whole or not at all: a temporary one, fsynced, renamed over it, the directory fsynced.

A reader sees the old file or the new one, even across a crash in between. Blocking.
"""

import os
from contextlib import suppress
from errno import ENOENT
from pathlib import Path
from tempfile import mkstemp
from typing import Final

from sidecar import clock

# No write takes this long: a temporary file this old was left by a killed writer.
STALE_AFTER_S: Final = 3600


def replace_file(path: Path, data: bytes) -> None:
    """Put this content at `path`; on disk when this returns. Raises OSError, leaving the old file.

    Every write has a temporary file of its own, so that two at once do not meet in one. It is its
    owner's alone (mkstemp): positions and balances are private.
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
    sync_directory(directory)


def sync_directory(directory: Path) -> None:
    """Make renamed files in it survive a power cut."""
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _remove_stale(directory: Path, prefix: str, suffix: str) -> None:
    for left in directory.iterdir():
        if left.name.startswith(prefix) and left.name.endswith(suffix):
            with suppress(FileNotFoundError):  # another writer was first
                if clock.now().timestamp() - left.lstat().st_mtime > STALE_AFTER_S:
                    left.unlink()
