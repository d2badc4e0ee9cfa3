"""Histories that a manager was told once are answered again as they were, to the last letter.

The records are written anew by `python -m tests.retold`: see tests/retold/retelling.py.
"""

import pytest

from tests.retold.histories import HISTORIES
from tests.retold.retelling import RECORDS, Differs, Record, retell, written
from tests.scenario import World, limit_order


@pytest.mark.parametrize("name", HISTORIES)
def test_a_recorded_history_is_answered_as_it_was(name):
    retell(name, HISTORIES[name])


def test_every_record_has_its_history():
    assert sorted(path.stem for path in RECORDS.glob("*.txt")) == sorted(HISTORIES)


def test_the_first_step_that_differs_is_told_with_both_answers():
    first = written(lambda: World().ask(limit_order(size="1000"))).splitlines()
    (line,) = [one for one in first if "Decided" in one]
    record = Record([line, "8 +0 Quotes → other"])
    record.add(line)
    with pytest.raises(Differs, match=r"line 2\nrecorded: 8 \+0 Quotes → other\nnow: +7 \+0 Order"):
        record.add(line)


def test_a_history_that_ends_early_differs():
    with pytest.raises(Differs, match="the record goes on: one more"):
        Record(["one more"]).finish()
