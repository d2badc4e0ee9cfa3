"""The reserve: a halt kept where nothing else can be."""

import stat

import pytest

from sidecar.storage.reserve import SIZE_BYTES, Halted, Reserve


def test_what_is_kept_is_there_at_the_next_start_until_it_is_cleared(tmp_path):
    path = tmp_path / "reserve"
    reserve = Reserve(path)
    assert reserve.kept() is None
    reserve.keep(Halted("HALTED", "lunch " * 1000))
    assert Reserve(path).kept() == Halted("HALTED", ("lunch " * 1000)[:500])
    reserve.keep(Halted("LIQUIDATING", "short"))
    assert Reserve(path).kept() == Halted("LIQUIDATING", "short")
    reserve.clear()
    assert Reserve(path).kept() is None


def test_it_takes_its_room_beforehand_and_is_its_owners_alone(tmp_path):
    path = tmp_path / "reserve"
    reserve = Reserve(path)
    assert (path.stat().st_size, stat.S_IMODE(path.stat().st_mode)) == (SIZE_BYTES, 0o600)
    reserve.keep(Halted("HALTED", "x" * 9_999))
    assert path.stat().st_size == SIZE_BYTES


@pytest.mark.parametrize("content", [b"", b"junk", b"\xff" * SIZE_BYTES])
def test_what_cannot_be_read_keeps_nothing_and_is_no_fault(tmp_path, content):
    path = tmp_path / "reserve"
    path.write_bytes(content)
    assert Reserve(path).kept() is None
