"""Which sidecar a command means, on real files and sockets."""

import os
import socket
import tempfile
from contextlib import ExitStack
from pathlib import Path

import pytest

from sidecar.console import locating
from sidecar.core.vocabulary.errors import Misuse


@pytest.fixture
def place(monkeypatch):
    """A machine of its own: no configuration in the usual places, no demo. The path of a socket must be short."""
    with tempfile.TemporaryDirectory() as own:
        root = Path(own)
        for name in ("home", "tmp", "here"):
            (root / name).mkdir()
        with monkeypatch.context() as patched:
            patched.delenv(locating.VARIABLE, raising=False)
            patched.setenv("HOME", str(root / "home"))
            patched.setattr(tempfile, "tempdir", str(root / "tmp"))
            patched.chdir(root / "here")
            yield root


@pytest.fixture
def demo(place):
    """Has a demo run: its own directory, and a socket that is listened on."""
    with ExitStack() as stack:

        def begin(name, *, listens=True):
            directory = place / "tmp" / f"risk-sidecar-run-{name}"
            directory.mkdir()
            reached = {
                one: str(directory / f"{one[:5]}.sock")
                for one in ("control_socket", "order_socket", "state_dir")
            }
            if listens:
                server = stack.enter_context(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM))
                server.bind(reached["control_socket"])
                server.listen()
            locating.register(directory, reached)
            return reached

        yield begin


def written(path, name):
    """A configuration whose control socket has this name."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f'[server]\ncontrol_socket = "/run/{name}.sock"\n')
    return path


def found(config=None):
    return Path(locating.place(config).control_socket).stem


def test_the_option_comes_before_the_environment_and_that_before_the_usual_places(
    place, monkeypatch
):
    home = place / "home" / ".config" / "risk-sidecar" / "config.toml"
    assert found() == "control"  # the default, where nothing is
    written(home, "home")
    assert found() == "home"
    written(place / "here" / "risk.toml", "here")
    assert found() == "here"
    monkeypatch.setenv(locating.VARIABLE, str(written(place / "env.toml", "env")))
    assert found() == "env"
    assert found(written(place / "own.toml", "own")) == "own"


def test_a_named_file_that_is_not_there_is_not_passed_over(place, monkeypatch):
    written(place / "here" / "risk.toml", "here")
    monkeypatch.setenv(locating.VARIABLE, "/no/such.toml")
    with pytest.raises(Misuse, match="no such file"):
        found()


def test_the_only_demo_that_runs_is_found(demo):
    demo("killed", listens=False)
    reached = demo("runs")
    told = locating.place(None)
    assert [str(path) for path in told[:3]] == list(reached.values())


def test_of_several_none_is_taken_and_each_is_named(place, demo):
    one, other = demo("one"), demo("other")
    with pytest.raises(Misuse) as refused:
        locating.place(None)
    for reached in (one, other):
        assert reached["control_socket"] in str(refused.value)
    assert "--config or --control-socket" in str(refused.value)


def test_beside_a_configuration_a_demo_is_not_meant_by_itself(place, demo):
    """Whoever wrote risk.toml may mean that sidecar, running or not."""
    written(place / "here" / "risk.toml", "here")
    demo("one")
    with pytest.raises(Misuse, match=r"risk\.toml: /run/here\.sock"):
        locating.place(None)
    assert found(Path("risk.toml")) == "here"


def test_another_users_word_and_half_a_word_are_passed_over(place, demo, monkeypatch):
    demo("whole")
    path = place / "tmp" / "risk-sidecar-run-half" / locating.PLACES_FILE
    path.parent.mkdir()
    for text in ("", "[]", "{}", '{"control_socket": 1, "order_socket": "a", "state_dir": "b"}'):
        path.write_text(text)
        assert "whole" in str(locating.place(None).control_socket)
    monkeypatch.setattr(os, "getuid", lambda: os.geteuid() + 1)
    assert found() == "control"


def test_a_command_that_needs_a_file_says_where_it_looked(place):
    with pytest.raises(Misuse) as refused:
        locating.needed_file(None, "run")
    for where in ("--config FILE", locating.VARIABLE, "risk.toml", "/etc/risk-sidecar/config.toml"):
        assert where in str(refused.value)


def test_a_file_that_another_user_may_have_written_is_not_taken_by_itself(place, monkeypatch):
    """It would name programs that alerts run, and sockets of that user's."""
    file = written(place / "here" / "risk.toml", "here")
    file.chmod(0o666)
    with pytest.raises(Misuse, match="other users may write"):
        found()
    file.chmod(0o600)
    monkeypatch.setattr(os, "geteuid", lambda: os.getuid() + 1)
    if os.getuid():  # root's are everybody's
        with pytest.raises(Misuse, match="is not taken unless it is named"):
            found()
    else:
        os.chown(file, 65_534, -1)
        with pytest.raises(Misuse, match="is user 65534's, and is not taken unless it is named"):
            found()
    assert found(file) == "here"


def test_a_sidecar_of_another_usual_file_that_runs_may_be_meant_too(place):
    """A halt in the wrong directory must not reach the play money."""
    written(place / "here" / "risk.toml", "here")
    other = place / "home" / ".config" / "risk-sidecar" / "config.toml"
    written(other, "home")
    assert found() == "here"
    path = place / "real.sock"
    other.write_text(f'[server]\ncontrol_socket = "{path}"\n')
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as server:
        server.bind(str(path))
        server.listen()
        with pytest.raises(Misuse) as refused:
            found()
    assert str(path) in str(refused.value)
