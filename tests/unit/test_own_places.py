"""Directories that others may write are refused with the mend; a lock is nobody else's to take."""

import errno
import os
import re
import stat
import subprocess
import tempfile
from pathlib import Path

import pytest

from sidecar.core.vocabulary.errors import Misuse
from sidecar.own_places import owners_of, see_own, take_lock
from sidecar.server.listener import Listener, SocketInUse
from sidecar.storage.directory import StateDirectory


@pytest.fixture
def place(tmp_path):
    """A directory of our own in a directory of our own."""
    made = tmp_path / "parent" / "own"
    made.mkdir(parents=True)
    made.parent.chmod(0o755)
    made.chmod(0o750)
    return made


async def listen(place):
    listener = Listener(place / "order.sock", lambda *_: None, mode=0o660, uids=frozenset())
    await listener.start()
    await listener.stop()


def keep_state(place):
    with StateDirectory(place):
        pass


async def test_a_directory_that_others_only_read_will_do(place):
    see_own(place)
    keep_state(place)
    await listen(place)


@pytest.mark.parametrize("mode", [0o770, 0o707, 0o1777], ids=oct)
@pytest.mark.parametrize("whose", ["own", "parent"])
async def test_where_others_may_write_nothing_is_kept_and_nobody_is_listened_to(place, whose, mode):
    open_one = place if whose == "own" else place.parent
    open_one.chmod(mode)
    if whose == "parent" and mode & stat.S_ISVTX:
        keep_state(place)  # in /tmp each owns what is its own
        await listen(place)
        return
    refused = re.escape(
        f"other users may write {open_one} (mode {mode:04o}); chmod go-w {open_one}"
    )
    with pytest.raises(Misuse, match=refused):
        keep_state(place)
    with pytest.raises(SocketInUse, match=refused):
        await listen(place)
    assert not list(place.iterdir())


def test_a_journal_directory_that_others_may_write_is_refused(place):
    keep_state(place)
    (place / "journal").chmod(0o777)
    with pytest.raises(Misuse, match="chmod go-w"):
        keep_state(place)
    (place / "journal").chmod(0o700)
    keep_state(place)  # the lock was given back


def test_anothers_directory_is_refused(place, monkeypatch):
    monkeypatch.setattr(os, "geteuid", lambda: 54321)
    with pytest.raises(Misuse, match="chown it to user 54321"):
        see_own(place)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives directories away")
def test_a_directory_of_ours_in_anothers_is_refused(place):
    """Who owns the one above may put another in its place."""
    os.chown(place.parent, 65534, 65534)
    with pytest.raises(Misuse, match=re.escape(f"{place.parent} is user 65534's")):
        see_own(place)
    os.chown(place.parent, 0, 0)
    see_own(place)


@pytest.mark.parametrize(
    ("number", "mend"),
    [
        (errno.ENOSPC, "make room there, or name another directory"),
        (errno.EROFS, "name a directory that this user may write"),
    ],
)
def test_a_disk_that_takes_not_even_a_lock_is_refused_with_the_mend(
    place, monkeypatch, number, mend
):
    def refuses(*_arguments):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr("sidecar.own_places.os.open", refuses)
    with pytest.raises(Misuse, match=f"{os.strerror(number)}; {mend}"):
        keep_state(place)


# ------------------------------------------------------------------------------------------- locks


@pytest.mark.parametrize("what", ["state", "socket"])
async def test_a_link_in_the_locks_place_is_not_followed(place, tmp_path, what):
    precious = tmp_path / "precious"
    precious.write_text("money")
    lock = place / {"state": "lock", "socket": "order.sock.lock"}[what]
    lock.symlink_to(precious)
    with pytest.raises(
        Misuse, match=re.escape(f"{lock} is a link, not the sidecar's lock; remove")
    ):
        keep_state(place) if what == "state" else await listen(place)
    assert precious.read_text() == "money"
    assert stat.S_IMODE(precious.stat().st_mode) != 0o600


def test_nobody_else_can_open_a_lock_and_so_lock_it(place):
    """An older version's was readable for the socket's group, and who can read a file can lock it."""
    old = place / "lock"
    old.touch(mode=0o664)
    old.chmod(0o664)
    take_lock(old).close()
    assert stat.S_IMODE(old.stat().st_mode) == 0o600
    take_lock(place / "new").close()
    assert stat.S_IMODE((place / "new").stat().st_mode) == 0o600


def test_a_locked_lock_is_not_taken_twice(place):
    first = take_lock(place / "lock")
    with pytest.raises(BlockingIOError):
        take_lock(place / "lock")
    first.close()
    take_lock(place / "lock").close()


def test_what_is_no_lock_of_ours_is_not_used(place, monkeypatch):
    os.mkfifo(place / "fifo")
    with pytest.raises(Misuse, match="is not the sidecar's own lock"):
        take_lock(place / "fifo")
    take_lock(place / "lock").close()
    monkeypatch.setattr(os, "geteuid", lambda: 54321)
    with pytest.raises(Misuse, match="is not the sidecar's own lock"):
        take_lock(place / "lock")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can be somebody else")
def test_a_member_of_the_directorys_group_cannot_take_a_lock():
    nobody = 65534
    with tempfile.TemporaryDirectory() as directory:
        os.chown(directory, 0, nobody)
        Path(directory).chmod(0o750)
        lock = Path(directory, "order.sock.lock")
        take_lock(lock).close()
        words = ["flock", "--nonblock", "--shared", str(lock), "true"]
        tried = subprocess.run(
            words, user=nobody, group=nobody, extra_groups=[], capture_output=True, check=False
        )
    assert (tried.returncode != 0, b"Permission denied" in tried.stderr) == (True, True)


def test_a_file_is_its_owners_and_that_of_whoever_owns_a_link_to_it(tmp_path, monkeypatch):
    file, link = tmp_path / "risk.toml", tmp_path / "link.toml"
    file.touch()
    link.symlink_to(file)
    assert owners_of(file) == (os.getuid(),)
    lstat = Path.lstat
    monkeypatch.setattr(
        Path, "lstat", lambda path: os.stat_result([*lstat(path)[:4], 77, *[0] * 5])
    )
    assert owners_of(link) == tuple(sorted({os.getuid(), 77}))
    monkeypatch.undo()
    assert owners_of(tmp_path / "none.toml") == ()
    assert owners_of(None) == ()
