"""The journal on a real disk: appended, torn, damaged, rotated, compressed, forgotten."""

import stat
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.core.vocabulary import events as ev
from sidecar.storage.journal_codec import FIRST_SUM, Chain, Line
from sidecar.storage.journal_files import JournalError, JournalFiles, journal_paths
from tests.disk import files_no_larger_than

AT = datetime(2026, 11, 2, 10, tzinfo=UTC)


class Writer:
    """A journal of ticking seconds."""

    def __init__(self, directory, **options):
        self.files = JournalFiles(directory, **options)
        self.chain, self.tail = self.files.recover(_passed_over)

    def write(self, count, at=AT):
        for _ in range(count):
            seq = self.chain.seq
            event = ev.ClockAdvanced(at=at + timedelta(seconds=seq))
            if self.files.is_due(at):
                self.files.begin(seq, at, b"{}")
            self.files.append(self.chain.write(event, at))
        self.files.close()
        return self


def _passed_over(_line):
    pass


def seqs(directory, seq=1, total="0" * 16):
    read = []
    JournalFiles(directory).recover(lambda line: read.append(line.header.seq), seq, total)
    return read


def test_what_was_written_is_read_and_goes_on_where_it_ended(tmp_path):
    Writer(tmp_path).write(3)
    Writer(tmp_path).write(2)
    assert seqs(tmp_path) == [1, 2, 3, 4, 5]
    assert len(journal_paths(tmp_path)) == 2  # each start has a file of its own


def test_it_is_its_owners_alone(tmp_path):
    Writer(tmp_path / "journal").write(1)
    (path,) = journal_paths(tmp_path / "journal")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


def test_after_a_snapshot_only_what_follows_is_read(tmp_path):
    writer = Writer(tmp_path).write(3)
    place = writer.chain.seq, writer.chain.sum
    writer.write(2)
    assert seqs(tmp_path, *place) == [4, 5]


def test_an_unfinished_write_is_cut_off_at_every_byte_it_may_end_at(tmp_path):
    """Law: whatever byte the power went at, all whole lines are read and the rest is reported."""
    Writer(tmp_path).write(3)
    (path,) = journal_paths(tmp_path)
    content = path.read_bytes()
    last = content[: content.rindex(b"\n", 0, len(content) - 1) + 1]
    for size in range(len(last) + 1, len(content)):
        path.write_bytes(content[:size])
        lines: list[Line] = []
        chain, tail = JournalFiles(tmp_path).recover(lines.append)
        assert [line.header.seq for line in lines] == [1, 2]
        assert tail is not None
        assert tail.bytes_cut == size - len(last)
        assert (path.read_bytes(), chain.seq) == (last, 3)


@pytest.mark.parametrize("zeros", [1, 511, 4096])
def test_zeros_at_the_end_are_an_unfinished_write(tmp_path, zeros):
    Writer(tmp_path).write(3)
    (path,) = journal_paths(tmp_path)
    with path.open("ab") as file:
        file.write(b"\0" * zeros)
    lines: list[Line] = []
    _, tail = JournalFiles(tmp_path).recover(lines.append)
    assert len(lines) == 3
    assert tail is not None
    assert tail.bytes_cut == zeros
    assert Writer(tmp_path).write(1).chain.seq == 5


@given(st.data())
def test_damage_in_the_middle_stops_the_start_and_says_where(tmp_path_factory, data):
    directory = tmp_path_factory.mktemp("journal")
    Writer(directory).write(6)
    (path,) = journal_paths(directory)
    content = bytearray(path.read_bytes())
    ends = [place for place, byte in enumerate(content) if byte == 10]
    place = data.draw(st.integers(0, ends[3] - 1))
    content[place] ^= 1 << data.draw(st.integers(0, 6))
    path.write_bytes(content)
    with pytest.raises(JournalError, match=r"000000000001\.jsonl: line \d: .*--rebuild"):
        JournalFiles(directory).recover(_passed_over)
    assert path.read_bytes() == bytes(content)


@pytest.mark.parametrize("seq", [1, 3])
def test_a_line_told_twice_is_damage_though_a_snapshot_holds_those_before_it(tmp_path, seq):
    writer = Writer(tmp_path).write(2)
    total = writer.chain.sum if seq == 3 else FIRST_SUM
    (path,) = journal_paths(tmp_path)
    line = writer.chain.write(ev.ClockAdvanced(at=AT), AT)
    path.write_bytes(path.read_bytes() + line * 2)
    with pytest.raises(JournalError, match="line 4: has number 3"):
        seqs(tmp_path, seq, total)


def test_a_missing_file_is_damage(tmp_path):
    Writer(tmp_path, file_bytes_max=1).write(3)
    journal_paths(tmp_path)[1].unlink()
    with pytest.raises(JournalError, match="line 2"):
        JournalFiles(tmp_path).recover(_passed_over)


def test_files_are_rotated_by_size_and_by_day(tmp_path):
    writer = Writer(tmp_path, file_bytes_max=300)
    writer.write(10)
    assert len(journal_paths(tmp_path)) > 2
    before = len(journal_paths(tmp_path))
    writer.write(1, at=AT + timedelta(days=1))
    assert len(journal_paths(tmp_path)) == before + 1
    assert seqs(tmp_path) == list(range(1, 12))


def test_old_files_are_compressed_and_read_all_the_same(tmp_path):
    writer = Writer(tmp_path, file_bytes_max=300)
    writer.write(10)
    writer.files.compress_old()
    suffixes = [path.suffix for path in journal_paths(tmp_path)]
    assert suffixes == [".gz"] * (len(suffixes) - 1) + [".jsonl"]
    writer.write(1)
    assert seqs(tmp_path) == list(range(1, 12))


def test_a_crash_while_compressing_loses_nothing(tmp_path):
    writer = Writer(tmp_path, file_bytes_max=300)
    writer.write(10)
    first = journal_paths(tmp_path)[0]
    content = first.read_bytes()
    (tmp_path / f"{first.name}.new").write_bytes(b"half")
    assert seqs(tmp_path) == list(range(1, 11))
    writer.files.compress_old()
    first.write_bytes(content)  # the packed one is there, the other not yet gone
    assert seqs(tmp_path) == list(range(1, 11))


def test_old_files_go_only_when_a_snapshot_holds_what_is_in_them(tmp_path):
    writer = Writer(tmp_path, file_bytes_max=300)
    writer.write(10)
    paths = journal_paths(tmp_path)
    far = datetime(2100, 1, 1, tzinfo=UTC)
    assert writer.files.forget(AT - timedelta(days=9_999), 11) == []
    assert writer.files.forget(far, 1) == []
    gone = writer.files.forget(far, 11)
    assert gone == paths[:-1]
    place = Chain(11, writer.chain.sum)
    writer.write(1)
    assert seqs(tmp_path, place.seq, place.sum) == [11]


def test_foreign_files_are_left_alone(tmp_path):
    (tmp_path / "notes.txt").write_text("mine")
    Writer(tmp_path).write(1)
    assert seqs(tmp_path) == [1]
    assert (tmp_path / "notes.txt").read_text() == "mine"


@pytest.mark.parametrize("damage", ["cut", "junk", "flip"])
def test_a_damaged_packed_file_stops_the_start_by_name(tmp_path, damage):
    writer = Writer(tmp_path, file_bytes_max=300).write(10)
    writer.files.compress_old()
    path = journal_paths(tmp_path)[0]
    content = bytearray(path.read_bytes())
    if damage == "flip":
        content[len(content) // 2] ^= 0xFF
    path.write_bytes({"cut": bytes(content[:-9]), "junk": b"junk", "flip": bytes(content)}[damage])
    with pytest.raises(JournalError, match=r"000000000001\.jsonl\.gz.*--rebuild"):
        JournalFiles(tmp_path).recover(_passed_over)


def test_a_disk_that_fills_in_the_middle_of_a_write_loses_nothing(tmp_path):
    """A limit on file size stands in for a full disk: the write is cut short, then refused."""
    writer = Writer(tmp_path)
    lines = [writer.chain.write(ev.ClockAdvanced(at=AT), AT) for _ in range(3)]
    writer.files.begin(1, AT, b"{}")
    writer.files.append(lines[0])
    with (
        files_no_larger_than(len(lines[0]) + 20),
        pytest.raises(OSError, match="File too large"),
    ):
        writer.files.append(lines[1])
    writer.files.append(lines[1] + lines[2])
    writer.files.close()
    assert seqs(tmp_path) == [1, 2, 3]


def test_a_packed_file_beside_its_plain_one_takes_its_place(tmp_path):
    writer = Writer(tmp_path, file_bytes_max=300).write(10)
    first = journal_paths(tmp_path)[0]
    content = first.read_bytes()
    writer.files.compress_old()
    first.write_bytes(content)
    writer.files.compress_old()
    assert not first.exists()
    assert seqs(tmp_path) == list(range(1, 11))
