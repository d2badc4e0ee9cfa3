"""Whether this user may write where the state, the journal and the sockets are to be, and others may reach the bots'
socket. Blocking.
"""

import os
import pwd
import stat
from pathlib import Path

from sidecar.config.tables import Config, Server
from sidecar.core.vocabulary.errors import Misuse
from sidecar.own_places import see_own
from sidecar.storage.directory import JOURNAL


def unusable_places(config: Config) -> list[str]:
    """Why `run` could not write in the directories of state, journal and sockets, or not listen there: each reason
    once.
    """
    state, server = Path(config.state.dir), config.server
    places = (state, state / JOURNAL, server.order_socket.parent, server.control_socket.parent)
    refusals: dict[str, None] = {}  # of several places often the same
    for place in places:
        try:
            _see_place(place)
        except Misuse as refusal:
            refusals[str(refusal)] = None
        except OSError as error:
            text = f"{place}: {error.strerror}; name a directory that this user may write"
            refusals[text] = None
    return list(refusals)


def _see_place(place: Path) -> None:
    """Raises as `see_own` does. A missing directory is made below one that exists."""
    wanted = found = Path(os.path.realpath(place))
    while not found.exists():
        found = found.parent
    if not found.is_dir():
        raise Misuse(f"{found} is a file; name a directory instead")
    if not os.access(found, os.W_OK | os.X_OK):
        mode = stat.S_IMODE(found.stat().st_mode)
        raise Misuse(
            f"{found} may not be written by user {os.geteuid()} (mode {mode:04o}); chown or chmod it, or choose"
            " another place"
        )
    is_users = found.stat().st_uid == os.geteuid()
    if found == wanted:
        if is_users or os.geteuid() != 0:  # root looks for the sidecar's user, whose own it may be
            see_own(found)
    elif (
        is_users and not found.stat().st_mode & stat.S_ISVTX
    ):  # below others' and /tmp a start tells
        see_own(found)


def shut_out_of(server: Server) -> tuple[set[int], Path | None]:
    """The users that may ask, and cannot reach the bots' socket: the directory on its way that is closed to them."""
    named = {
        *(server.allowed_uids or ()),
        *(uid for bot in server.bots.values() for uid in bot.uids or ()),
    }
    others = named - {os.geteuid(), 0}
    directory = Path(os.path.realpath(server.order_socket.parent))
    for place in (*reversed(directory.parents), directory):
        try:
            shut = {uid for uid in others if not _may_enter(uid, place)}
        except FileNotFoundError:  # would be made for its owner alone
            shut = others
        except OSError:  # shut to this user too, of which `unusable_places` tells
            return set(), None
        if shut:
            return shut, place
    return set(), None


def _may_enter(uid: int, place: Path) -> bool:
    """By the directory's mode. Raises OSError where it is missing, or this user cannot look."""
    found = place.stat()
    if found.st_uid == uid:
        return bool(found.st_mode & stat.S_IXUSR)
    if found.st_gid in _groups(uid):
        return bool(found.st_mode & stat.S_IXGRP)
    return bool(found.st_mode & stat.S_IXOTH)


def _groups(uid: int) -> set[int]:
    """None for a user that this machine does not know, as one of a container's."""
    try:
        user = pwd.getpwuid(uid)
    except KeyError:
        return set()
    return {*os.getgrouplist(user.pw_name, user.pw_gid)}
