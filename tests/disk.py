"""A disk that is full, for this process alone; and what a kill would leave of a state directory."""

import resource
import shutil
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from sidecar.storage import halt_file

# A snapshot being written may be in place, or gone, while its directory is copied.
HALF_WRITTEN = shutil.ignore_patterns(".*.new")


def as_killed(state: Path, copy: Path) -> None:
    """Copy the state directory of a running sidecar, as it would be found were it killed now."""
    shutil.copytree(state, copy, ignore=HALF_WRITTEN)


SLOT_BYTES = 64 << 10
RESERVE_BYTES = halt_file.NOTE_BYTES + halt_file.SLOTS * SLOT_BYTES  # with `small_reserve`


async def outgrow_the_reserve(trader: Any, made: Any) -> None:
    """Until the journal is larger than a small reserve: on a full disk this one may be written, and that not."""
    body = trader.limit("BUY", "0.01", "60000") | {"client_order_id": "x" * 100}
    while made.engine.journal._files._size < RESERVE_BYTES:
        await made.bot.validate_order(body, dry_run=True)
        await made.engine.journal.flush()


@contextmanager
def files_no_larger_than(size: int) -> Iterator[None]:
    """No file may grow beyond so many bytes; what lies within them may be written over."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, handler)


@contextmanager
def mounted_read_only(directory: Path) -> Iterator[None]:
    """A file system that nobody may write, root least of all. Skips where this process may mount none."""
    directory.mkdir(mode=0o700, exist_ok=True)
    mount = ["mount", "-t", "tmpfs", "-o", "ro,size=64k,mode=0700", "tmpfs", str(directory)]
    if (
        shutil.which("mount") is None
        or subprocess.run(mount, check=False, capture_output=True).returncode
    ):
        pytest.skip("this process may mount nothing")
    try:
        yield
    finally:
        subprocess.run(["umount", str(directory)], check=True)
