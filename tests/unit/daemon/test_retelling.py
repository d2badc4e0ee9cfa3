"""Facts told again where REST was asked for prices now and not then: there is no answer in the record."""

from datetime import timedelta

import pytest

from sidecar.core.vocabulary import actions as ac
from sidecar.core.vocabulary import events as ev
from sidecar.core.vocabulary.limits import Limits
from sidecar.daemon.recovery import new_manager, recover
from sidecar.daemon.replays import Moves, Replay
from sidecar.storage.directory import StateDirectory
from sidecar.storage.journal_reading import files_of
from tests.recorded import CONFIG, LIFE, Recorded
from tests.scenario import START, D


@pytest.fixture
def desk(tmp_path, monkeypatch):
    """As of a version that does not ask: the record lacks the question, and its answer."""
    made = Recorded(tmp_path, max_cumulative_loss="1000 USD").begin()
    note = made.journal.note

    def unasked(record, at):
        if not isinstance(record, ac.ConfirmQuotes):
            note(record, at)

    monkeypatch.setattr(made.journal, "note", unasked)
    made.send(
        ev.FillReported, entry_id="e1", order_id="o1", product_id="BTC-USD", side="BUY",
        price=D(64000), size=D("0.5"), commission=D(0),
    )  # fmt: skip
    balances = (ev.Balance("USD", D(68_000)), ev.Balance("BTC", D("0.5")))
    for _ in range(4):
        made.now += timedelta(seconds=2)
        made.quote("BTC-USD", 60_000)
        made.send(ev.BalancesRead, balances=balances, fills_until=made.now)
    made.close()
    return made


def test_a_replay_takes_the_feeds_word(desk):
    assert desk.manager.state.account == "REDUCE_ONLY"
    (moved,) = Replay(CONFIG, files_of(desk.directory)).run(lambda _count: None)
    assert isinstance(moved, Moves)
    assert (moved.then, moved.now) == ((), (("REDUCE_ONLY", "LIQUIDATING"),))


def test_a_restart_confirms_no_loss_that_was_not(desk):
    with StateDirectory(desk.directory) as state:
        found = recover(
            state, Limits(), lambda given: new_manager(CONFIG, given, (), LIFE, lambda: START)
        )
        found.files.close()
    assert found.lines > 0
    assert found.manager.state.account == "REDUCE_ONLY"
    assert found.manager.watch.confirmation.pending
