"""The operators' verbs: what they may be given is what the core takes."""

import json
import socket
import tempfile
from pathlib import Path
from threading import Thread
from typing import get_args

import pytest

from sidecar.console.commands.operate import WINDOWS, halt
from sidecar.core.vocabulary.events import LossWindow


def test_a_loss_may_be_reset_in_each_window_of_the_core():
    """Written again, so that a verb need not import the core's facts."""
    assert get_args(LossWindow) == WINDOWS


@pytest.fixture
def sidecar():
    """A control socket that answers each method as it is told; and the methods that were asked."""
    with tempfile.TemporaryDirectory() as own:
        path, asked = Path(own, "c.sock"), list[str]()
        server = socket.create_server(str(path), family=socket.AF_UNIX)

        def serve(answers):
            def answer_all():
                while True:
                    try:
                        peer, _ = server.accept()
                    except OSError:
                        return
                    with peer:
                        method = json.loads(peer.recv(1 << 16))["method"]
                        asked.append(method)
                        peer.sendall(
                            json.dumps({"jsonrpc": "2.0", "id": 1} | answers[method]).encode()
                            + b"\n"
                        )

            Thread(target=answer_all, daemon=True).start()
            return path, asked

        yield serve
        server.shutdown(socket.SHUT_RDWR)
        server.close()


@pytest.mark.parametrize(
    "status",
    [
        {"error": {"code": -32603, "message": "the view cannot be made"}},
        {"result": {"state": "ACTIVE"}},  # of an older sidecar
    ],
)
def test_a_halt_is_sent_though_the_sidecar_does_not_say_whose_account_it_is(sidecar, status):
    halted = {"result": {"done": True, "text": "HALTED: x", "state": "HALTED"}}
    path, asked = sidecar({"status": status, "halt": halted})
    halt(control_socket=path, as_json=True)
    assert asked == ["status", "halt"]
