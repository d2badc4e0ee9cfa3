"""The journal judged again: nothing but the facts decides, and other limits show what they would do."""

from datetime import timedelta
from typing import Any

import pytest
from msgspec.structs import replace

from sidecar.config import parse_config
from sidecar.core.vocabulary import actions as ac
from sidecar.core.vocabulary import events as ev
from sidecar.core.vocabulary.limits import Limits
from sidecar.daemon.replays import Differs, Moves, Replay, recorded_life
from sidecar.storage.journal_files import JournalError, base_path, first_seq
from sidecar.storage.journal_reading import files_of, whole_lines
from tests.fault.paper_client import trading
from tests.histories import DAY_S, closes, wave
from tests.recorded import CONFIG, LIFE, Recorded
from tests.running_sidecar import beside
from tests.scenario import START, D, limit_order, market_order


@pytest.fixture
def desk(tmp_path):
    made = Recorded(tmp_path, max_order_notional=5000, max_daily_loss="0.10").begin()
    yield made
    made.close()


def replayed(desk, paths=None, **options):
    desk.journal.sync()
    replay = Replay(CONFIG, paths or files_of(desk.directory), **options)
    return list(replay.run(lambda _count: None)), replay.totals


def busy(desk):
    """Approvals, a repeated one, refusals, a fill, a lapse, a halt, a fact that cannot be."""
    body = limit_order("0.01")
    desk.ask(body)
    desk.ask(body)
    desk.ask(limit_order("5"), strategy_id="trend")
    desk.ask({"client_order_id": "odd"})
    desk.send(
        ev.FillReported, entry_id="e1", order_id="o1", product_id="BTC-USD", side="BUY",
        price=D(64000), size=D("0.01"), commission=D(3), client_order_id=body["client_order_id"],
    )  # fmt: skip
    desk.send(ev.OrderReported, order_id="o2", product_id="NO-USD", side="BUY", status="OPEN")
    desk.wait(20)
    desk.send(ev.HaltRequested, reason="lunch")
    desk.ask(market_order("0.01"))
    desk.send(ev.ResumeRequested, reason="back")
    desk.ask(market_order("0.02"), dry_run=True)


def test_value_at_risk_is_computed_as_it_was_then(tmp_path):
    desk = Recorded(tmp_path, max_var="0.01").begin()
    end = int(desk.now.timestamp()) // DAY_S
    prices = enumerate(closes(64_000, wave(250)), end - 251)
    told = tuple((period * DAY_S, D(f"{price:.2f}")) for period, price in prices)
    span = {"since": (end - 251) * DAY_S, "until": end * DAY_S}
    desk.send(ev.ClosesRead, book="BTC-USD", period_s=DAY_S, closes=told, **span)
    desk.rotate()
    desk.ask(limit_order("1"))
    desk.ask(limit_order("0.01"))
    desk.close()
    today = parse_config('[var]\nmodel = "normal"\nconfidence = 0.95\n', ())
    replay = Replay(today, files_of(tmp_path)[1:])
    assert list(replay.run(lambda _count: None)) == []
    assert (replay.totals.decisions, replay.totals.approved_then) == (2, 1)


def test_the_same_facts_give_the_same_decisions(desk):
    """Law: replay = live, over files and what lies between."""
    busy(desk)
    desk.rotate()
    desk.wait(1)
    busy(desk)
    found, totals = replayed(desk)
    assert found == []
    assert totals.decisions == 12
    assert totals.approved_then == totals.approved_now > 0
    assert totals.moves_then == totals.moves_now >= 4
    assert totals.files == 2


def test_the_newest_file_is_enough(desk):
    busy(desk)
    desk.rotate()
    busy(desk)
    found, totals = replayed(desk, files_of(desk.directory)[-1:])
    assert (found, totals.decisions) == ([], 6)


def test_after_a_hole_it_goes_on_from_the_state_behind_it(desk):
    busy(desk)
    desk.lose(9)
    desk.send(ev.DiskChanged, full=False)
    busy(desk)
    found, totals = replayed(desk)
    assert (found, totals.holes) == ([], 1)


def test_a_second_process_is_replayed_from_what_it_began_with(desk):
    busy(desk)
    desk.close()
    second = Recorded(desk.directory, start=desk.now + timedelta(minutes=1), max_order_notional=100)
    second.begin()
    busy(second)
    found, totals = replayed(second)
    second.close()
    assert (found, totals.files) == ([], 2)


def test_tighter_limits_show_exactly_the_decisions_that_differ(desk):
    sizes = ["0.01", "0.02", "0.03", "0.04", "5"]  # 640 to 2,560 USD, and one refused in any case
    bodies = [limit_order(size) for size in sizes]
    for body in bodies:
        desk.ask(body)
    found, totals = replayed(desk, limits=Limits(max_order_notional=1300))
    differing = [one for one in found if isinstance(one, Differs)]
    asked = [
        one.event.body["client_order_id"]
        for one in differing
        if isinstance(one.event, ev.OrderProposed)
    ]
    assert asked == [body["client_order_id"] for body in bodies[2:4]]
    assert len(found) == len(differing) == totals.differing == 2
    assert all(one.then and not one.now for one in differing)
    assert {one.now.codes for one in differing if one.now is not None} == {("MAX_ORDER_NOTIONAL",)}
    assert (totals.approved_then, totals.approved_now, totals.refused_now) == (4, 2, 2)


def test_looser_limits_let_through_what_was_refused(desk):
    desk.ask(limit_order("0.1"))  # 6,400 USD
    found, totals = replayed(desk, limits=Limits())
    assert len(found) == totals.let_through_now == 1


def test_recorded_limits_do_not_come_back(desk):
    desk.send(ev.LimitsReplaced, limits=Limits(max_order_notional=5000))
    desk.ask(limit_order("0.05"))
    _, totals = replayed(desk, limits=Limits(max_order_notional=100))
    assert totals.refused_now == 1


def test_looser_limits_that_waited_bind_in_a_replay_when_they_did_and_never_under_others(desk):
    first = Limits(max_order_notional=1000, loosen_after="1h")
    desk.send(ev.LimitsReplaced, limits=first, uid=7)
    looser = first.model_copy(update={"max_order_notional": D(5000)})
    for bind in (
        lambda: desk.wait(3601),
        lambda: desk.send(ev.LooseningConfirmed, uid=8, reason="x"),
    ):
        desk.wait(3601)
        desk.send(ev.LimitsReplaced, limits=first, uid=7)
        desk.wait(3601)
        desk.send(ev.LimitsReplaced, limits=looser, uid=7)
        desk.quote("BTC-USD", 64_000)
        assert not desk.ask(limit_order("0.05")).approved
        bind()
        desk.quote("BTC-USD", 64_000)
        assert desk.ask(limit_order("0.05")).approved
    assert replayed(desk)[0] == []
    _, totals = replayed(desk, limits=Limits(max_order_notional=100))
    assert (totals.approved_then, totals.approved_now) == (2, 0)


def test_other_limits_move_the_state_otherwise(desk):
    desk.send(
        ev.FillReported, entry_id="e1", order_id="o1", product_id="BTC-USD", side="BUY",
        price=D(64000), size=D(1), commission=D(500),
    )  # fmt: skip
    found, totals = replayed(desk, limits=Limits(max_daily_loss="100 USD"))
    (moved,) = (one for one in found if isinstance(one, Moves))
    assert (moved.then, moved.now) == ((), (("ACTIVE", "REDUCE_ONLY"),))
    assert (totals.moves_then, totals.moves_now) == (1, 2)


def test_a_loss_that_only_other_limits_ask_rest_about_is_confirmed_by_the_feed(desk):
    """The record has no answer of REST: nobody asked."""
    desk.send(
        ev.FillReported, entry_id="e1", order_id="o1", product_id="BTC-USD", side="BUY",
        price=D(64000), size=D("0.5"), commission=D(0),
    )  # fmt: skip
    for _ in range(4):
        desk.now += timedelta(seconds=2)
        desk.quote("BTC-USD", 60_000)
    balances = (ev.Balance("USD", D(68_000)), ev.Balance("BTC", D("0.5")))
    desk.send(ev.BalancesRead, balances=balances, fills_until=desk.now)
    desk.quote("BTC-USD", 60_000)
    found, _ = replayed(desk, limits=Limits(max_cumulative_loss="1000 USD"))
    assert [(one.then, one.now) for one in found] == [
        ((), (("ACTIVE", "REDUCE_ONLY"),)),
        ((), (("REDUCE_ONLY", "LIQUIDATING"),)),
    ]


def test_only_what_comes_after_a_place_counts(desk):
    desk.ask(limit_order("0.05"))
    desk.wait(60)
    seq = desk.journal.place.seq
    desk.ask(limit_order("0.05"))
    for since in (seq, START + timedelta(seconds=30)):
        found, totals = replayed(desk, limits=Limits(max_order_notional=100), since=since)
        assert (len(found), totals.decisions) == (1, 1)


def test_a_decision_that_the_facts_do_not_give_is_found(desk):
    """The engine wrote down another answer than the core gave: a fault that a replay must see."""
    real = desk.engine.journal.note

    def other(record, at):
        if isinstance(record, ac.Decided):
            record = replace(record, decision=replace(record.decision, max_base_size=D(1)))
        real(record, at)

    desk.journal.note = other
    desk.ask(limit_order())
    (one,), totals = replayed(desk)
    assert (one.then.max_base_size, totals.differing) == (D(1), 1)
    assert one.then.approved is one.now.approved


def reworded(decision, **changes):
    """The same decision, each of its violations and warnings with something else in it."""
    return replace(
        decision,
        violations=tuple(replace(one, **changes) for one in decision.violations),
        warnings=tuple(replace(one, **changes) for one in decision.warnings),
    )


@pytest.mark.parametrize(
    ("changes", "differ"),
    [
        ({"message": "as another version says it"}, 0),
        ({"observed": "1"}, 2),
        ({"scope": "product:X"}, 2),
    ],
)
def test_the_words_of_a_decision_do_not_count_its_figures_do(desk, changes, differ):
    """A refusal and an approval with a warning, as they were written down."""
    real = desk.engine.journal.note

    def other(record, at):
        if isinstance(record, ac.Decided):
            record = replace(record, decision=reworded(record.decision, **changes))
        real(record, at)

    desk.journal.note = other
    assert not desk.ask(limit_order("5"))
    assert desk.ask(limit_order("0.07")).warnings
    found, totals = replayed(desk)
    assert (len(found), totals.differing, totals.decisions) == (differ, differ, 2)


def test_what_a_crash_left_unanswered_is_not_a_difference(desk):
    """A crash can end the file between a fact and its answer."""
    desk.ask(limit_order())
    desk.journal.sync()
    (path,) = files_of(desk.directory)
    lines = list(whole_lines(path))
    at = next(n for n in reversed(range(len(lines))) if b'"Decided"' in lines[n])
    path.write_bytes(b"".join(lines[:at]))
    found, totals = replayed(desk)
    assert (found, totals.decisions) == ([], 0)


def test_how_long_approvals_lived_is_read_from_the_record(desk):
    assert recorded_life(files_of_synced(desk)) is None
    desk.ask(limit_order())
    assert recorded_life(files_of_synced(desk)) == LIFE


def files_of_synced(desk):
    desk.journal.sync()
    return files_of(desk.directory)


def test_damage_names_the_file_and_the_mend(desk):
    desk.ask(limit_order())
    desk.journal.sync()
    (path,) = files_of(desk.directory)
    path.write_bytes(path.read_bytes().replace(b"64000", b"64001", 1))
    with pytest.raises(JournalError, match=rf"{path.name}: line \d+: .*journal verify"):
        replayed(desk)


def test_without_its_state_a_file_cannot_be_replayed(desk):
    (path,) = files_of_synced(desk)
    base_path(path.parent, first_seq(path)).unlink()
    with pytest.raises(JournalError, match="is missing"):
        replayed(desk)


async def test_a_running_sidecars_own_journal_is_the_same(tmp_path):
    """Two processes on a real exchange, with what is kept, and other lives of approvals."""
    async with trading(tmp_path, balances={"USD": "100000", "BTC": "1"}) as trader:
        tables: dict[str, Any] = {"keep": {"BTC": "0.5"}}
        for count in range(2):
            async with beside(
                trader, directory=tmp_path, positions=tables, server={"reservation_s": 3}
            ) as made:
                body = trader.market("BUY", "0.01")
                assert await made.bot.validate_order(body, strategy_id="momentum")
                held = made.held("BTC")
                await trader.place(body)
                await made.until(lambda made=made, held=held: made.held("BTC") != held, "the fill")
                assert not await made.bot.validate_order(trader.market("BUY", "3"))
                assert (await made.ask("halt", reason=f"lunch {count}"))["done"]
                assert not await made.bot.validate_order(trader.market("BUY", "0.01"))
                assert (await made.ask("resume", reason="back"))["done"]
    replay = Replay(CONFIG, files_of(tmp_path / "state"))
    assert list(replay.run(lambda _count: None)) == []
    assert (replay.totals.decisions, replay.totals.files) == (6, 2)
