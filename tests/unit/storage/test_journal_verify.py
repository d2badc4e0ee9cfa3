"""`journal verify` on journals of the daemon's own: whole, torn, damaged, with a hole."""

import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.core.vocabulary.errors import Misuse
from sidecar.storage.journal_files import JournalFiles, base_path, first_seq, journal_paths
from sidecar.storage.journal_verify import verify
from tests.recorded import Recorded
from tests.scenario import limit_order


@pytest.fixture
def desk(tmp_path):
    made = Recorded(tmp_path).begin()
    yield made
    made.close()


def several_files(desk, count=3):
    for _ in range(count - 1):
        desk.ask(limit_order())
        desk.rotate()
    desk.ask(limit_order())
    desk.journal.sync()
    return journal_paths(desk.directory / "journal")


def found(desk):
    return verify(desk.directory, lambda _count: None)


def the_damage(desk):
    (remark,) = found(desk).remarks
    assert remark.kind == "damage"
    return remark


def test_a_running_sidecars_journal_is_whole(desk):
    paths = several_files(desk)
    verdict = found(desk)
    assert (verdict.is_whole, verdict.remarks, verdict.files) == (True, [], len(paths))
    assert verdict.last == desk.journal.place.seq - 1 == verdict.lines


def test_packed_files_are_walked_too(desk):
    several_files(desk)
    JournalFiles(desk.directory / "journal").compress_old()
    assert found(desk).is_whole


def test_looking_changes_nothing(desk):
    several_files(desk)
    newest = journal_paths(desk.directory / "journal")[-1]
    with newest.open("ab") as file:
        file.write(b'{"seq":')
    before = {path: path.read_bytes() for path in newest.parent.iterdir()}
    found(desk)
    assert {path: path.read_bytes() for path in newest.parent.iterdir()} == before


@pytest.mark.parametrize("tail", [b'{"seq":99,"su', b"\0" * 512])
def test_an_unfinished_end_is_told_and_is_no_damage(desk, tail):
    newest = several_files(desk)[-1]
    with newest.open("ab") as file:
        file.write(tail)
    verdict = found(desk)
    assert verdict.is_whole
    assert [remark.kind for remark in verdict.remarks] == ["unfinished"]


@given(share=st.floats(0, 1, exclude_max=True), bit=st.integers(0, 6))
def test_a_flipped_bit_is_found_wherever_it_is(tmp_path_factory, share, bit):
    desk = Recorded(tmp_path_factory.mktemp("state")).begin()
    path = several_files(desk, 2)[0]
    desk.close()
    content = bytearray(path.read_bytes())
    place = int(share * len(content))
    content[place] ^= 1 << bit
    path.write_bytes(content)
    verdict = found(desk)
    assert not verdict.is_whole
    remark = verdict.remarks[0]
    line = bytes(content[:place]).count(b"\n") + 1
    assert remark.file == path.name
    assert remark.line in {line, line + 1}  # a lost end of line shows in the next one
    assert "restore" in remark.mend


def test_a_damaged_file_does_not_hide_what_comes_after(desk):
    first, second, _ = several_files(desk)
    for path in (first, second):
        path.write_bytes(path.read_bytes().replace(b"BTC-USD", b"BTC-EUR", 1))
    files = [remark.file for remark in found(desk).remarks]
    assert files == [first.name, second.name]


def test_a_missing_file_is_damage_and_names_its_lines(desk):
    _, second, third = several_files(desk)
    second.unlink()
    base_path(second.parent, first_seq(second)).unlink()
    remark = the_damage(desk)
    assert remark.file == third.name
    assert f"lines {first_seq(second)} to {first_seq(third) - 1} are missing" in remark.text


def test_lines_given_up_on_a_full_disk_are_a_hole_and_no_damage(desk):
    several_files(desk, 1)
    desk.lose(5)
    desk.ask(limit_order())
    desk.journal.sync()
    verdict = found(desk)
    (hole,) = verdict.remarks
    assert (verdict.is_whole, hole.kind) == (True, "hole")
    assert f"to {first_seq(journal_paths(desk.directory / 'journal')[-1]) - 1} were" in hole.text


def test_a_missing_state_is_damage_but_its_file_is_walked(desk):
    first, second, _ = several_files(desk)
    base_path(second.parent, first_seq(second)).unlink()
    remark = the_damage(desk)
    assert remark.file.endswith(".state.json.gz")
    assert found(desk).lines == found(desk).last
    base_path(first.parent, 1).write_bytes(b"no gzip")
    assert "cannot be read" in found(desk).remarks[0].text


def test_a_state_in_another_files_place_is_damage(desk):
    first, second, _ = several_files(desk)
    bases = [base_path(path.parent, first_seq(path)) for path in (first, second)]
    bases[1].write_bytes(bases[0].read_bytes())
    assert "stands at line 1" in the_damage(desk).text


def test_a_truncated_archive_is_damage(desk):
    several_files(desk)
    JournalFiles(desk.directory / "journal").compress_old()
    packed = journal_paths(desk.directory / "journal")[0]
    packed.write_bytes(packed.read_bytes()[:-20])
    assert found(desk).remarks[0].file == packed.name


def test_what_a_start_needs_is_told_from_history(desk):
    first, *_, last = several_files(desk)
    content = first.read_bytes()
    desk.snapshot()
    first.write_bytes(content.replace(b"BTC-USD", b"BTC-EUR", 1))
    assert "history" in the_damage(desk).mend
    first.write_bytes(content)
    (desk.directory / "state.json").unlink()
    last.write_bytes(last.read_bytes().replace(b"bot-", b"bat-", 1))
    assert "next start stops here" in the_damage(desk).mend


def test_a_snapshot_beyond_the_journals_end_tells_of_a_missing_file(desk):
    *_, last = several_files(desk)
    desk.snapshot()
    base_path(last.parent, first_seq(last)).unlink()
    last.unlink()
    assert found(desk).is_whole  # a moment ago it may have been on its way
    os.utime(desk.directory / "state.json", (0, 0))
    assert "the snapshot stands at line" in the_damage(desk).text


def test_a_damaged_snapshot_is_told(desk):
    several_files(desk, 1)
    (desk.directory / "state.json").write_bytes(b"{}")
    assert the_damage(desk).file == "state.json"


def test_no_journal_is_one_line_with_the_mend(tmp_path):
    with pytest.raises(Misuse, match="holds no journal; name the sidecar's state directory"):
        verify(tmp_path, lambda _count: None)
