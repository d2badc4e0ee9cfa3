"""Whether this user may write where the state, the journal and the sockets are to be. Blocking."""

import os
import stat
from pathlib import Path

from sidecar.config.tables import Config
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
