"""Directories of state and sockets: whether this user may write there, and others may reach the bots' socket."""

import os
import tempfile
from pathlib import Path

import pytest

from sidecar.config.tables import Config
from sidecar.daemon import places
from sidecar.daemon.places import shut_out_of, unusable_places

STRANGER = 54_321


@pytest.fixture
def place():
    """All may enter what is above it."""
    with tempfile.TemporaryDirectory(dir="/tmp") as own:
        Path(own).chmod(0o755)
        yield Path(own)


def config(place, **server):
    table = {"order_socket": place / "run" / "o", "control_socket": place / "run" / "c", **server}
    return Config.model_validate({"server": table, "state": {"dir": place / "state"}})


def test_places_that_can_be_made_are_usable(place):
    assert unusable_places(config(place)) == []


def test_a_file_in_the_way_is_named(place):
    (place / "state").write_text("")
    assert unusable_places(config(place)) == [f"{place}/state is a file; name a directory instead"]


def test_a_directory_that_this_user_may_not_write_is_named_with_the_mend(place, monkeypatch):
    """Root may write anywhere, so the system's word is replaced."""
    (place / "state").mkdir(mode=0o500)
    monkeypatch.setattr(os, "access", lambda path, _mode: Path(path) != place / "state")
    assert any(
        "may not be written by user" in one and "chown or chmod it" in one
        for one in unusable_places(config(place))
    )


@pytest.mark.parametrize(
    "server", [{"allowed_uids": [0, STRANGER]}, {"bots": {"grid": {"uids": [STRANGER]}}}]
)
def test_a_user_that_may_ask_and_cannot_enter_is_told_with_the_directory(place, server):
    shut = shut_out_of(config(place, **server).server)
    assert shut == ({STRANGER}, place / "run")  # would be made 0700
    (place / "run").mkdir(mode=0o700)
    assert shut_out_of(config(place, **server).server) == shut
    (place / "run").chmod(0o711)
    assert shut_out_of(config(place, **server).server) == (set(), None)
    place.chmod(0o700)
    assert shut_out_of(config(place, **server).server) == ({STRANGER}, place)


def test_a_member_of_the_directorys_group_may_enter_by_its_mode(place, monkeypatch):
    (place / "run").mkdir()
    (place / "run").chmod(0o750)
    server = config(place, allowed_uids=[STRANGER]).server
    assert shut_out_of(server) == ({STRANGER}, place / "run")
    monkeypatch.setattr(places, "_groups", lambda _uid: {(place / "run").stat().st_gid})
    assert shut_out_of(server) == (set(), None)


def test_behind_a_directory_that_is_shut_to_the_sidecar_nothing_is_said_of_others(
    place, monkeypatch
):
    """Root is shut out nowhere, so the system's word is replaced; `unusable_places` tells of the directory."""

    def shut(_uid, _place):
        raise PermissionError

    monkeypatch.setattr(places, "_may_enter", shut)
    assert shut_out_of(config(place, allowed_uids=[STRANGER]).server) == (set(), None)


def test_where_nobody_else_is_named_nobody_is_shut_out(place):
    assert shut_out_of(config(place).server) == (set(), None)
    assert shut_out_of(config(place, allowed_uids=[0, os.getuid()]).server) == (set(), None)
