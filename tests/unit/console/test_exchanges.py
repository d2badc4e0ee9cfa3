"""Which paper exchange `init --paper` means, on real files and sockets."""

import json
import os
import socket
import tempfile
from contextlib import ExitStack
from pathlib import Path

import pytest

from sidecar.console import exchanges
from sidecar.console.exchanges import register_exchange, running_exchange
from sidecar.core.vocabulary.errors import Misuse


@pytest.fixture
def begin(tmp_path, monkeypatch):
    """Has an exchange write down where it is; one that `listens` can be reached there."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    with ExitStack() as stack:

        def begin(name, *, listens=True):
            server = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
            url = f"http://127.0.0.1:{server.getsockname()[1]}"
            if not listens:
                server.close()
            directory = tmp_path / f"risk-sidecar-exchange-{name}"
            directory.mkdir()
            urls = {
                "rest_url": url,
                "ws_url": url.replace("http", "ws"),
                "key_file": "/k",
                "ca_file": "/c",
            }
            register_exchange(directory, urls)
            return urls

        yield begin


def test_the_only_one_that_runs_is_found_among_those_that_were_killed(begin):
    for number in range(3):
        begin(f"killed-{number}", listens=False)
    urls = begin("running")
    assert running_exchange() == {name: urls[name] for name in ("rest_url", "ws_url", "key_file")}


def test_the_newest_are_looked_at_however_many_were_killed(begin, monkeypatch, tmp_path):
    monkeypatch.setattr(exchanges, "EXCHANGES_MAX", 2)
    urls = begin("z-running")
    for number in range(3):
        begin(f"killed-{number}", listens=False)
        old = tmp_path / f"risk-sidecar-exchange-killed-{number}" / "urls.json"
        os.utime(old, (1, 1))
    assert running_exchange()["rest_url"] == urls["rest_url"]


def test_none_and_several_are_told_with_the_fix(begin):
    with pytest.raises(Misuse, match=r"start one in another terminal: risk-sidecar paper"):
        running_exchange()
    one, other = begin("a"), begin("b")
    with pytest.raises(Misuse, match="name one with --rest-url, --ws-url and --key-file") as caught:
        running_exchange()
    assert one["rest_url"] in str(caught.value)
    assert other["rest_url"] in str(caught.value)


@pytest.mark.parametrize("text", ["", "[]", "{}", json.dumps({"rest_url": 5})])
def test_a_file_that_is_not_whole_is_passed_over(begin, tmp_path, text):
    urls = begin("a")
    directory = Path(tmp_path, "risk-sidecar-exchange-broken")
    directory.mkdir()
    (directory / "urls.json").write_text(text)
    assert running_exchange()["rest_url"] == urls["rest_url"]
