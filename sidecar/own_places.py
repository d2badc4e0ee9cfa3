"""Places that only the sidecar's own user may write: directories that others may write are refused,
and locks lie where no other user can take or replace them. And whose a file is. Blocking.
"""

import errno
import fcntl
import os
import stat
from io import FileIO
from pathlib import Path
from typing import Final

from sidecar.core.vocabulary.errors import Misuse

OTHERS_WRITE: Final = stat.S_IWGRP | stat.S_IWOTH


def see_own(directory: Path) -> None:
    """Raises Misuse, naming the mend, where another user may put other files into a directory, or
    another directory in its place: the owner of a directory may do so with its content.
    """
    place = directory.resolve()
    found = place.stat()
    if found.st_uid != os.geteuid():
        raise Misuse(
            f"{place} is user {found.st_uid}'s; chown it to user {os.geteuid()}, or choose another place"
        )
    if found.st_mode & OTHERS_WRITE:
        raise Misuse(_mend(place, found.st_mode))
    for parent in place.parents:
        mode, owner = parent.stat().st_mode, parent.stat().st_uid
        if owner not in {0, os.geteuid()}:
            raise Misuse(
                f"{parent} is user {owner}'s, who may put another {place} in its place; choose a place below"
                " root's directories or your own"
            )
        if mode & OTHERS_WRITE and not mode & stat.S_ISVTX:  # in /tmp each user owns its own files
            raise Misuse(_mend(parent, mode))


def see_own_file(path: Path) -> None:
    """Raises Misuse for a file that another user than this one or root may write."""
    found = path.stat()
    if found.st_uid not in {0, os.geteuid()}:
        raise Misuse(f"{path} is user {found.st_uid}'s, and is not taken unless it is named")
    if found.st_mode & OTHERS_WRITE:
        raise Misuse(_mend(path, found.st_mode))


def owners_of(path: Path | None) -> tuple[int, ...]:
    """The users whose file this is, the owner of a link to it among them; none where there is no file."""
    if path is None:
        return ()
    try:
        return tuple(sorted({path.lstat().st_uid, path.stat().st_uid}))
    except OSError:
        return ()


def _mend(place: Path, mode: int) -> str:
    mode = stat.S_IMODE(mode)
    return f"other users may write {place} (mode {mode:04o}); chmod go-w {place}, or choose another place"


def take_lock(path: Path) -> FileIO:
    """The lock's file, locked until it is closed; readable for its owner only, or every user could
    lock it.

    Raises BlockingIOError where another process has it, OSError where it cannot be made, and Misuse
    where the file there is not ours. A link in its place is not followed.
    """
    flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK
    try:
        lock = FileIO(os.open(path, flags, 0o600), "r+b")
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise Misuse(f"{path} is a link, not the sidecar's lock; remove it") from None
        raise
    found = os.fstat(lock.fileno())
    if not stat.S_ISREG(found.st_mode) or found.st_uid != os.geteuid():
        lock.close()
        raise Misuse(f"{path} is not the sidecar's own lock; remove it")
    try:
        os.fchmod(lock.fileno(), 0o600)
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        lock.close()
        raise
    return lock
