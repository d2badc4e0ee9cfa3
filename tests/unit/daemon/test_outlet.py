"""A standard stream by a thread of its own: whole lines in their order, what is lost counted and told
where it lacks. Real pipes and devices.
"""

import fcntl
import os
import select
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from sidecar.daemon import outlet as module
from sidecar.daemon.outlet import QUEUE_BYTES_MAX, UNREAD, WHOLE, Outlet

PIPE_BYTES = 4096


@pytest.fixture
def ends() -> Iterator[tuple[int, int]]:
    reader, writer = os.pipe()
    fcntl.fcntl(writer, fcntl.F_SETPIPE_SZ, PIPE_BYTES)
    with os.fdopen(reader, "rb"), os.fdopen(writer, "wb"):
        yield reader, writer


@contextmanager
def outlet(descriptor: int) -> Iterator[Outlet]:
    made = Outlet(descriptor, "utf-8")
    try:
        yield made
    finally:
        made.end()
        assert not made._thread.is_alive()


def until_written(made: Outlet) -> None:
    with made._changed:
        assert made._changed.wait_for(lambda: not made._waiting, timeout=60)


def fill(writer: int) -> None:
    os.write(writer, b" " * PIPE_BYTES)


def empty(reader: int) -> None:
    assert os.read(reader, PIPE_BYTES) == b" " * PIPE_BYTES


def read(reader: int, size: int) -> bytes:
    found = b""
    while len(found) < size:
        found += os.read(reader, size - len(found))
    return found


def test_lines_come_in_their_order(ends):
    reader, writer = ends
    with outlet(writer) as made:
        for number in range(100):
            print(f"line {number}", file=made.text)
    written = b"".join(b"line %d\n" % number for number in range(100))
    assert read(reader, len(written)) == written
    assert made.state() == WHOLE


def test_text_that_cannot_be_encoded_is_told_all_the_same(ends):
    reader, writer = ends
    with outlet(writer) as made:
        made.text.write("\ud800\n")
    assert os.read(reader, 100) == b"\\ud800\n"


def test_it_is_the_stream_that_it_stands_for(ends):
    _, writer = ends
    with outlet(writer) as made:
        assert made.text.fileno() == writer
        assert not made.text.isatty()
        assert made.text.writable()


def test_where_nobody_reads_nobody_waits_and_the_rest_is_told_later(ends):
    reader, writer = ends
    fill(writer)
    line = b"x" * 1023 + b"\n"
    with outlet(writer) as made:
        made.notice = lambda lost: f"{lost} lost"
        kept = QUEUE_BYTES_MAX // len(line)
        for _ in range(kept + 7):
            made.write(line)
        assert made.state() == {"lost": 7, "fault": UNREAD}
        empty(reader)
        written = line * kept + b"7 lost\n"
        assert read(reader, len(written)) == written
        until_written(made)
        assert made.state() == {"lost": 7, "fault": ""}


def test_the_notice_stands_where_lines_are_lacking(ends):
    reader, writer = ends
    fill(writer)
    large = b"x" * (QUEUE_BYTES_MAX - 10) + b"\n"
    with outlet(writer) as made:
        made.notice = lambda lost: f"{lost} lost"
        for line in (large, large, b"small\n"):
            made.write(line)
        empty(reader)
        written = large + b"1 lost\nsmall\n"
        assert read(reader, len(written)) == written


def test_what_cannot_be_written_is_told_once_something_can_be(tmp_path):
    """A full disk that has room again, in the middle of a line."""
    file = tmp_path / "log"
    descriptor = os.open("/dev/full", os.O_WRONLY)
    with outlet(descriptor) as made:
        made.notice = lambda lost: f"{lost} lost"
        for number in range(3):
            made.write(b"line %d\n" % number)
            until_written(made)
        assert made.state() == {"lost": 3, "fault": "No space left on device"}
        with file.open("wb") as mended:
            os.dup2(mended.fileno(), descriptor)
        made.write(b"line 3\n")
        until_written(made)
        assert made.state() == {"lost": 3, "fault": ""}
    os.close(descriptor)
    assert file.read_bytes() == b"3 lost\nline 3\n"


def test_a_line_that_was_cut_off_ends_before_the_next(tmp_path, monkeypatch):
    file = tmp_path / "log"
    room = [4]

    def write(descriptor: int, data: bytes) -> int:
        written = os_write(descriptor, data[: room[0]])
        room[0] -= written
        if not written:
            raise OSError(28, "No space left on device")
        return written

    os_write = os.write
    monkeypatch.setattr(os, "write", write)
    with file.open("wb") as target, outlet(target.fileno()) as made:
        made.notice = lambda lost: f"{lost} lost"
        made.write(b"line 1\n")
        until_written(made)
        room[0] = 1000
        made.write(b"line 2\n")
    assert file.read_bytes() == b"line\n1 lost\nline 2\n"


def test_a_stream_that_somebody_made_unblocking_is_waited_for(ends):
    reader, writer = ends
    fill(writer)
    os.set_blocking(writer, False)
    with outlet(writer) as made:
        made.write(b"line\n")
        assert not select.select([], [writer], [], 0)[1]
        empty(reader)
        assert read(reader, 5) == b"line\n"
    assert made.state() == WHOLE


def test_an_end_does_not_wait_for_who_never_reads(ends, monkeypatch):
    reader, writer = ends
    monkeypatch.setattr(module, "END_WITHIN_S", 0.01)
    fill(writer)
    made = Outlet(writer, "utf-8")
    made.write(b"line\n")
    made.end()
    assert made._thread.is_alive()
    empty(reader)
    made._thread.join(60)
    assert not made._thread.is_alive()
    assert Path(f"/proc/self/fd/{writer}").exists()  # it is not the outlet's to close
