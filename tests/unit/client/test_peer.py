"""Who listens, and why the sidecar cannot be asked."""

import os
import socket

import pytest

from risk_sidecar_client import peer as module
from risk_sidecar_client.blocking_connection import Connection
from risk_sidecar_client.failures import AskFailed
from risk_sidecar_client.peer import Peer
from tests.order_desk import Foreign


@pytest.mark.parametrize("server_uid", [None, os.getuid()])
def test_a_process_of_this_user_is_believed(server_uid):
    ours, theirs = socket.socketpair()
    with ours, theirs:
        Peer("o.sock", 1.0, server_uid).check(ours)


def test_a_process_of_another_user_is_believed_where_that_user_is_named(monkeypatch):
    monkeypatch.setattr(module, "CREDENTIALS", Foreign())
    ours, theirs = socket.socketpair()
    with ours, theirs:
        Peer("o.sock", 1.0, 54321).check(ours)
        with pytest.raises(AskFailed, match="say server_uid=54321"):
            Peer("o.sock", 1.0, None).check(ours)


@pytest.mark.parametrize(
    ("error", "says"),
    [
        (FileNotFoundError(2, "none"), "no sidecar listens on o.sock; start it"),
        (ConnectionRefusedError(111, "refused"), "no sidecar listens on o.sock; start it"),
        (TimeoutError(), "no answer on o.sock in time; nothing may be sent"),
        (PermissionError(13, "Permission denied"), "o.sock: Permission denied"),
        (ConnectionResetError("closed"), "o.sock: closed"),
        (
            BrokenPipeError(32, "Broken pipe"),
            f"see that user {os.getuid()} is in server.allowed_uids",
        ),
    ],
)
def test_an_error_of_the_system_is_told_with_its_mend(error, says):
    assert says in Peer("o.sock", 1.0, None).fault(error)


def test_the_last_words_of_a_sidecar_that_closed_before_it_was_asked_are_heard():
    ours, theirs = socket.socketpair()
    with ours:
        theirs.sendall(b"user 1 may not ask here\n")
        theirs.close()
        assert Connection(ours).exchange(b"asked\n") == b"user 1 may not ask here"
        with pytest.raises(ConnectionResetError):
            Connection(ours).exchange(b"asked again\n")
