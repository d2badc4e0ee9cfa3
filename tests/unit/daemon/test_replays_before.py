"""A journal of the version before the time-weighted ratios: it is whole, and what the words of now change is named."""

import json
import shutil
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from sidecar.core.account.losses import cumulative, daily, drawdown
from sidecar.core.account.position_tracker import PositionTracker
from sidecar.core.vocabulary import events as ev
from sidecar.core.vocabulary.decision import Decision
from sidecar.core.vocabulary.limits import Limits
from sidecar.daemon.recovery import new_manager, recover, restored
from sidecar.daemon.replays import Differs, Moves, Replay
from sidecar.storage.directory import StateDirectory
from sidecar.storage.journal_files import base_path, first_seq, read_base
from sidecar.storage.journal_reading import files_of
from sidecar.storage.journal_verify import verify
from tests.recorded import CONFIG, LIFE, Recorded
from tests.scenario import START, D, limit_order

BEFORE = Path(__file__).parents[2] / "journal_before"
FIRST, SECOND = files_of(BEFORE)

# Each decision that the words of now change, in order: then and now.
CHANGED = {
    "worth-0.64-usd": ("approved", "SIZE_OUT_OF_RANGE"),
    "market-worth-0.64-usd": ("approved", "SIZE_OUT_OF_RANGE"),
    "market-buy-approved-stop": ("approved", "SELF_CROSS"),
    "market-buy-open-stop": ("approved", "SELF_CROSS"),
    "after-the-tick": ("STATE_REDUCE_ONLY", "approved"),
    "in-doubt": ("STALE_ACCOUNT_DATA", "approved"),
    "profit-withdrawn": ("STATE_REDUCE_ONLY", "approved"),
    "exit-profit-withdrawn": ("approved", "approved"),
}
SAME = [
    "sell-eth", "buy", "too-large", "quote-sized-0.5-usd", "resting-sell", "market-buy-below-own", "limit-buy-across-own",
    "own-stop", "while-latched", "exit-while-latched", "won-back-but-latched", "after-reset", "at-the-tick",
    "last-of-the-first", "first-of-the-second", "later", "sell", "after-the-resets",
]  # fmt: skip

# What the version before told, when the first process ended and when the second did: all reset.
TOLD_FIRST = {
    "daily": "0.004215007445", "cumulative": "0.064366316832", "drawdown": "0.064366316832",
    "BTC": "0.004215007445", "trend": "0.004215007445",
}  # fmt: skip
TOLD_SECOND = {
    "daily": "0.018116270058", "cumulative": "0.018116270058", "drawdown": "0.018116270058",
    "BTC": "0.018116270058", "trend": "0.072465080233",
}  # fmt: skip


def ratios(tracker: PositionTracker) -> dict[str, Decimal | None]:
    losses = {
        "daily": daily(tracker), "cumulative": cumulative(tracker), "drawdown": drawdown(tracker),
        "BTC": daily(tracker, key="BTC"), "trend": daily(tracker, strategy_id="trend"),
    }  # fmt: skip
    return {name: loss.ratio for name, loss in losses.items()}


def as_told(texts: dict[str, str]) -> dict[str, Decimal]:
    return {name: D(text) for name, text in texts.items()}


def copied(directory: Path, *paths: Path) -> Path:
    """A state directory with these files and the states that they begin from, and nothing else."""
    (directory / "journal").mkdir(parents=True)
    for path in paths:
        for one in (path, base_path(path.parent, first_seq(path))):
            shutil.copy(one, directory / "journal")
    return directory


def built(limits):
    return new_manager(CONFIG, limits, (), LIFE, lambda: START)


def recovered(directory):
    with StateDirectory(directory) as state:
        found = recover(state, Limits(), built)
        found.files.close()
    return found


def answers(replay: Replay) -> list[tuple[Decision, Decision]]:
    """Each decision that differs: then and now."""
    found = [one for one in replay.run(lambda _count: None) if isinstance(one, Differs)]
    return [(one.then, one.now) for one in found if one.then is not None and one.now is not None]


def answer(decision):
    return "approved" if decision.approved else ", ".join(decision.codes)


# --- Replay ---------------------------------------------------------------------------------------


def test_it_is_whole():
    verdict = verify(BEFORE, lambda _count: None)
    assert verdict.is_whole
    assert (verdict.files, verdict.lines) == (2, 177)


def test_exactly_the_decisions_that_the_words_of_now_change_differ():
    """And nothing that follows from one of these alone: an approval of now holds no money of what came after."""
    replay = Replay(CONFIG, [FIRST, SECOND])
    assert {
        then.client_order_id: (answer(then), answer(now)) for then, now in answers(replay)
    } == CHANGED
    totals = replay.totals
    assert (totals.decisions, totals.differing) == (len(CHANGED) + len(SAME), len(CHANGED))
    assert (totals.refused_now, totals.let_through_now, totals.other_codes) == (4, 3, 0)


def test_a_daily_loss_of_a_single_tick_and_a_base_below_zero_move_the_state_no_more():
    """The first sight of the loss ends with its tick; what is confirmed stays, though REST was not asked then."""
    found = Replay(CONFIG, [FIRST, SECOND]).run(lambda _count: None)
    moves = [one for one in found if isinstance(one, Moves)]
    back, out = ("REDUCE_ONLY", "ACTIVE"), ("ACTIVE", "REDUCE_ONLY")
    assert [(one.then, one.now) for one in moves] == [
        ((), (back,)), ((back,), ()),  # the tick; of old until resumed
        ((out,), ()), ((back,), ()),  # NO_EQUITY, until the windows were reset
    ]  # fmt: skip


@pytest.mark.parametrize(("path", "first"), [(FIRST, 24), (SECOND, 148)])
def test_a_start_that_asked_rest_for_no_prices_is_complete_when_it_was(path, first):
    """The first waited for the first quote of ETH, the second knew the mark of BTC. Lines before differ in nothing."""
    replay = Replay(CONFIG, [path])
    found = list(replay.run(lambda _count: None))
    assert min(one.seq for one in found) == first
    assert replay.totals.moves_then >= 4


def test_other_limits_are_tried_on_it():
    replay = Replay(CONFIG, [FIRST, SECOND], limits=Limits(max_order_notional=400))
    refused = {
        then.client_order_id for then, now in answers(replay) if "MAX_ORDER_NOTIONAL" in now.codes
    }
    assert {"buy", "later"} <= refused


# --- The command ----------------------------------------------------------------------------------


def test_the_command_names_them_with_the_codes_of_then_and_now(run):
    code, output, _ = run("journal", "replay", "--from", "1", "--state-dir", str(BEFORE))
    assert code == 1
    for line in (
        "line 24: worth-0.64-usd BUY 0.00001 BTC-USD: then approved; now refused (SIZE_OUT_OF_RANGE)",
        "line 96: after-the-tick BUY 0.01 BTC-USD: then refused (STATE_REDUCE_ONLY); now approved",
        "exit-profit-withdrawn SELL 0.01 BTC-USD: then approved with other figures; now approved",
        "8 decisions differ: 4 approved ones refused, 3 refused ones approved, 0 refused for other reasons, 1 with other figures",
        "where an older version wrote the journal, these are what the words of now change",
    ):
        assert line in output
    assert not [name for name in SAME if f": {name} " in output]


def test_the_command_says_the_same_as_json(run):
    words = ("journal", "replay", "--json", "--from", "1", "--state-dir", str(BEFORE))
    row = json.loads(run(*words)[1])
    decisions = [one for one in row["differences"] if one["kind"] == "decision"]
    assert {
        one["client_order_id"]: tuple(
            "approved" if told["approved"] else ", ".join(told["codes"])
            for told in (one["then"], one["now"])
        )
        for one in decisions
    } == CHANGED
    assert all(one["then"]["decision_id"] == one["now"]["decision_id"] for one in decisions)


# --- What is recovered from it --------------------------------------------------------------------


def test_facts_of_before_give_the_ratios_that_were_told(tmp_path):
    """Nothing came or went: gains, losses, a latch and its reset."""
    found = recovered(copied(tmp_path / "state", FIRST))
    assert ratios(found.manager.tracker) == as_told(TOLD_FIRST)
    assert found.was_stopped


def test_a_state_of_before_has_the_ratios_that_were_told():
    saved = read_base(base_path(SECOND.parent, first_seq(SECOND)))
    manager = restored(saved, Limits(), built)
    assert ratios(manager.tracker) == as_told(TOLD_FIRST)


@pytest.mark.parametrize("paths", [(FIRST, SECOND), (SECOND,)])
def test_after_a_withdrawal_and_resets_the_ratios_are_those_that_were_told(tmp_path, paths):
    found = recovered(copied(tmp_path / "state", *paths))
    tracker = found.manager.tracker
    assert ratios(tracker) == as_told(TOLD_SECOND)
    assert (tracker.equity, tracker.transfers) == (D("54199.0005"), -140_000)


def test_a_process_of_now_goes_on_from_it(tmp_path):
    """Under the limits of then; its own part of the journal is the same, to the last letter."""
    directory = copied(tmp_path / "state", FIRST, SECOND)
    desk = Recorded(directory, start=START + timedelta(minutes=8))
    tracker = desk.manager.tracker
    desk.send(ev.ProductsListed, products=tuple(tracker.products.values()))
    for feed in ("market", "user"):
        desk.send(ev.FeedChanged, feed=feed, signal="connected")
    desk.send(ev.OpenOrdersListed, order_ids=(), began_at=desk.now)
    balances = (ev.Balance("USD", D(25_199)), ev.Balance("BTC", D("0.1")))
    desk.send(ev.BalancesRead, balances=balances, fills_until=desk.now)
    desk.send(ev.AccountReconciled, began_at=desk.now, fills_until=desk.now)
    quote = ev.Quote("BTC-USD", D(290_000), D("290000.01"), desk.now)
    desk.send(ev.Quotes, quotes=(quote,))
    desk.send(ev.QuotesConfirmed, quotes=(quote,))
    assert desk.manager.state.account == "ACTIVE"
    assert desk.ask(limit_order("0.01", 290_000))
    assert desk.ask(limit_order("1", 290_000)).codes == ("INSUFFICIENT_FUNDS", "MAX_ORDER_NOTIONAL")
    assert ratios(tracker) == as_told(TOLD_SECOND)
    desk.close()
    assert verify(directory, lambda _count: None).is_whole
    replay = Replay(CONFIG, files_of(directory)[2:])
    assert list(replay.run(lambda _count: None)) == []
    assert replay.totals.decisions == 2
