"""Reading some lines of a journal: the right ones, and no more files than that needs."""

import pytest

from sidecar.core.vocabulary.errors import Misuse
from sidecar.storage.journal_files import JournalError, JournalFiles, first_seq
from sidecar.storage.journal_reading import (
    Wanted,
    file_of,
    files_of,
    header_of,
    last_lines,
    last_seq,
    lines_between,
    lines_of,
)
from tests.recorded import Recorded
from tests.scenario import START, limit_order

HOUR_S = 3600


@pytest.fixture
def desk(tmp_path):
    """Three files, an hour apart, with a decision in each."""
    made = Recorded(tmp_path).begin()
    made.ask(limit_order())
    for _ in range(2):
        made.rotate()
        made.wait(HOUR_S)
        made.ask(limit_order())
    made.journal.sync()
    yield made
    made.close()


def header(raw):
    found = header_of(raw)
    assert found is not None
    return found


def seqs(lines):
    return [header(raw).seq for raw in lines]


def hours(lines):
    return {at.hour for raw in lines if (at := header(raw).at) is not None}


def test_the_last_lines_are_in_order_across_files(desk):
    paths = files_of(desk.directory)
    last = desk.journal.place.seq - 1
    assert seqs(last_lines(paths, 6, Wanted())) == list(range(last - 5, last + 1))
    assert seqs(last_lines(paths, 10_000, Wanted())) == list(range(1, last + 1))
    assert last_seq(paths[-1]) == last


def test_types_and_times_choose(desk):
    paths = files_of(desk.directory)
    decided = Wanted(frozenset({"Decided"}))
    assert len(last_lines(paths, 2, decided)) == 2
    assert len(list(lines_between(paths, decided))) == 3
    later = Wanted(since=START.replace(hour=14))
    assert hours(lines_between(paths, later)) == {14, 15}
    early = Wanted(until=START.replace(minute=59))
    assert hours(last_lines(paths, 5, early)) == {13}


def test_only_the_files_that_are_needed_are_opened(desk):
    """A file that is not looked at may be anything."""
    first, second, third = files_of(desk.directory)
    first.unlink()
    assert len(last_lines([first, second, third], 3, Wanted())) == 3
    desk_paths = [first.parent / "000000000001.jsonl", second, third]
    since = Wanted(since=START.replace(hour=15))
    assert list(lines_between(desk_paths, since))


def test_a_file_that_is_packed_after_it_was_listed_is_read(desk):
    paths = files_of(desk.directory)
    JournalFiles(desk.directory / "journal").compress_old()
    assert not paths[0].exists()
    assert seqs(lines_of(paths[0]))[0] == 1


def test_a_file_that_is_gone_is_said_to_be(desk):
    path = files_of(desk.directory)[0]
    path.unlink()
    with pytest.raises(JournalError, match=path.name):
        list(lines_of(path))


def test_what_is_being_written_is_not_there_yet(desk):
    newest = files_of(desk.directory)[-1]
    last = desk.journal.place.seq - 1
    with newest.open("ab") as file:
        file.write(b'{"seq":')
    assert seqs(last_lines([newest], 1, Wanted())) == [last]


def test_a_damaged_line_is_shown_rather_than_hidden(desk):
    newest = files_of(desk.directory)[-1]
    newest.write_bytes(b"garbage\n" + newest.read_bytes())
    assert b"garbage\n" in last_lines([newest], 99, Wanted(frozenset({"Decided"})))


def test_a_line_or_a_time_falls_in_a_file(desk):
    first, second, third = paths = files_of(desk.directory)
    assert file_of(paths, None) == third
    assert file_of(paths, first_seq(second) - 1) == first
    assert file_of(paths, first_seq(second)) == second
    assert file_of(paths, START.replace(hour=14, minute=30)) == second
    for early in (0, START.replace(hour=1)):
        with pytest.raises(Misuse, match="the journal begins only at"):
            file_of(paths, early)
