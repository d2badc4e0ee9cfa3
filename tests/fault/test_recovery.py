"""From the disk alone: a copy of the state directory is what a kill leaves, and it must be enough."""

import shutil
from datetime import timedelta

import msgspec
import pytest

from sidecar.core.account.position_tracker import PositionTracker
from sidecar.core.context.settings import Settings
from sidecar.core.risk_manager import RiskManager
from sidecar.core.saved import save_manager, save_tracker
from sidecar.core.vocabulary import actions as ac
from sidecar.core.vocabulary import events as ev
from sidecar.core.vocabulary.errors import Misuse
from sidecar.core.vocabulary.limits import Limits
from sidecar.daemon.recovery import rebuild, recover
from sidecar.storage.codec import StateFileError
from sidecar.storage.directory import StateDirectory
from sidecar.storage.journal_files import JournalError, journal_paths
from tests.disk import as_killed
from tests.fault.paper_client import trading
from tests.recorded import LIFE, Recorded
from tests.running_sidecar import beside
from tests.scenario import START, limit_order

BALANCES = {"USD": "100000", "BTC": "1"}


@pytest.fixture
async def trader(tmp_path):
    async with trading(tmp_path, balances=BALANCES) as made:
        yield made


def memory(manager):
    """Everything that the core knows."""
    known = (save_tracker(manager.tracker), save_manager(manager))
    return msgspec.json.format(msgspec.json.encode(known, order="deterministic"))


def builder(manager):
    """How the daemon would build the same manager anew."""

    def build(limits):
        return RiskManager(
            limits, PositionTracker(), clock=manager.clock, settings=manager.settings
        )

    return build


async def busy(trader, made):
    """Some of everything: fills, a resting order, an edit, a cancel, a refusal, a reservation."""
    for side, size in (("BUY", "0.02"), ("SELL", "0.005"), ("BUY", "0.011")):
        body = trader.market(side, size)
        assert await made.bot.validate_order(body, strategy_id="momentum")
        held = made.held("BTC")
        await trader.place(body)
        await made.until(lambda held=held: made.held("BTC") != held, "the fill")
    resting = trader.limit("BUY", "0.01", "30000")
    assert await made.bot.validate_order(resting)
    order_id = await trader.place(resting)
    working = made.manager.tracker.ledger.working
    await made.until(lambda: order_id in working, "the resting order")
    assert not await made.bot.validate_order(trader.limit("BUY", "5", "60000"))
    assert await made.bot.validate_order(trader.limit("BUY", "0.01", "31000"))


def copied(made, directory):
    """What a kill at this moment would leave on disk, once all is synced."""
    made.engine.journal.sync()
    as_killed(made.config.state.dir, directory)
    return directory


async def test_what_the_disk_holds_is_what_the_process_knew(trader, tmp_path):
    """Replay = live, to the last byte of the core's memory."""
    async with beside(trader, state={"snapshot_s": 3600}) as made:
        await busy(trader, made)
        place = copied(made, tmp_path / "copy")
        knew, build, limits = memory(made.manager), builder(made.manager), made.config.limits
    with StateDirectory(place) as directory:
        recovered = recover(directory, limits, build)
    assert recovered.lines > 10
    assert not recovered.was_stopped
    assert memory(recovered.manager) == knew


async def test_with_a_snapshot_on_the_way_it_is_the_same(trader, tmp_path):
    async with beside(trader) as made:
        await made.until((made.config.state.dir / "state.json").exists, "a snapshot")
        await busy(trader, made)
        place = copied(made, tmp_path / "copy")
        knew, build, limits = memory(made.manager), builder(made.manager), made.config.limits
    with StateDirectory(place) as directory:
        assert memory(recover(directory, limits, build).manager) == knew


async def test_a_whole_journal_alone_is_enough(trader, tmp_path):
    """Without the snapshot, the state beside the newest file."""
    async with beside(trader) as made:
        await busy(trader, made)
        place = copied(made, tmp_path / "copy")
        knew, build, limits = memory(made.manager), builder(made.manager), made.config.limits
    (place / "state.json").unlink(missing_ok=True)
    with StateDirectory(place) as directory:
        assert memory(recover(directory, limits, build).manager) == knew


async def test_a_second_life_goes_on_with_positions_and_baselines(trader, tmp_path):
    async with beside(trader, directory=tmp_path) as made:
        await busy(trader, made)
        first = await made.ask("status")
    async with beside(trader, directory=tmp_path) as made:
        await made.until_state("ACTIVE")
        second = await made.ask("status")
        positions = await made.ask("positions")
    for window in ("daily", "cumulative"):
        for field in ("base", "since"):
            assert second["losses"][window][field] == first["losses"][window][field]
    assert second["pnl"]["fees"] == first["pnl"]["fees"]
    assert [row["client_order_id"] for row in positions["open_orders"]] == ["mine-4"]


async def test_an_orderly_stop_is_told_from_a_kill(trader, tmp_path):
    async with beside(trader, directory=tmp_path) as made:
        copied(made, tmp_path / "killed")
        build, limits = builder(made.manager), made.config.limits
    with StateDirectory(tmp_path / "state") as directory:
        stopped = recover(directory, limits, build)
    with StateDirectory(tmp_path / "killed") as directory:
        killed = recover(directory, limits, build)
    at = START + timedelta(days=400)
    assert stopped.started(at) == ev.Started(at=at)
    assert killed.started(at).unclean_since is not None


async def test_a_halt_and_its_reason_survive(trader, tmp_path):
    async with beside(trader, directory=tmp_path) as made:
        await made.ask("halt", reason="lunch")
        copied(made, tmp_path / "copy")
    (tmp_path / "copy").rename(tmp_path / "other")
    async with beside(trader, state={"dir": str(tmp_path / "other")}) as made:
        assert made.state == "HALTED"
        status = await made.ask("status")
        assert [cause["reason"] for cause in status["causes"]] == ["lunch"]
        assert (await made.ask("resume", reason="back"))["done"]
        await made.until_state("ACTIVE")


# ------------------------------------------------------------------------------------ damage


def plain(limits):
    return RiskManager(
        limits, PositionTracker(), clock=lambda: START, settings=Settings(connected=True)
    )


@pytest.fixture
async def left(trader, tmp_path):
    """The directory of a sidecar that was halted and then killed."""
    async with beside(trader) as made:
        await busy(trader, made)
        await made.ask("halt", reason="lunch")
        await made.until((made.config.state.dir / "state.json").exists, "a snapshot")
        return copied(made, tmp_path / "left")


def flip(path, place):
    content = bytearray(path.read_bytes())
    content[place] ^= 1
    path.write_bytes(content)


async def test_a_torn_last_line_is_cut_off_and_told(left):
    (left / "state.json").unlink()
    path = journal_paths(left / "journal")[-1]
    path.write_bytes(path.read_bytes()[:-7])
    with StateDirectory(left) as directory:
        recovered = recover(directory, Limits(), plain)
    assert recovered.tail is not None
    assert recovered.manager.state.account == "HALTED"


@pytest.mark.parametrize("loss", ["deleted", "emptied", "cut", "zeroed"])
def test_a_journal_that_ends_before_the_snapshot_is_damage_and_a_rebuild_keeps_the_halt(
    tmp_path, loss
):
    desk = Recorded(tmp_path).begin()
    desk.send(ev.HaltRequested, reason="lunch")
    desk.quote("BTC-USD", 64001)
    desk.journal.sync()
    desk.snapshot()
    desk.close()
    (path,) = journal_paths(tmp_path / "journal")
    lines = path.read_bytes().splitlines(keepends=True)
    if loss == "deleted":
        shutil.rmtree(tmp_path / "journal")
    elif loss == "zeroed":
        path.write_bytes(b"".join(lines[:3]) + b"\0" * 500)
    else:
        path.write_bytes(b"".join(lines[:-1] if loss == "cut" else []))
    before = {one: one.read_bytes() for one in tmp_path.rglob("*") if one.is_file()}
    with StateDirectory(tmp_path) as directory:
        with pytest.raises(
            JournalError, match=r"lines are missing; restore .* or start with run --reb"
        ):
            recover(directory, Limits(), plain)
        assert {one: one.read_bytes() for one in before} == before
        recovered, first = rebuild(directory, Limits(), plain, START)
    assert [type(event) for event in first] == [ev.ReduceOnlyRequested, ev.HaltRequested]
    assert not recovered.recalled


def test_lines_of_after_the_last_change_of_mode_may_be_lost_with_the_snapshot(tmp_path):
    """Then the state in the reserve is older than what is left of the journal, or goes on from there."""
    desk = Recorded(tmp_path).begin()
    desk.send(ev.HaltRequested, reason="lunch")
    at_halt = desk.journal.place.seq
    second = desk.now + timedelta(seconds=1)
    desk.now = second
    desk.quote("BTC-USD", 64001)
    desk.close()
    (path,) = journal_paths(tmp_path / "journal")
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(lines[: at_halt - 3]))
    with StateDirectory(tmp_path) as directory:
        recovered = recover(directory, Limits(), builder(desk.manager))
    assert (recovered.recalled, recovered.chain.seq) == (True, at_halt)
    assert recovered.manager.state.account == "HALTED"
    assert recovered.started(second).unclean_since == START


def test_a_flattening_that_was_over_when_the_journal_ended_is_not_begun_again(tmp_path):
    desk = Recorded(tmp_path).begin()
    desk.send(ev.FlattenRequested, reason="enough")
    selling = desk.journal.place.seq
    desk.send(ev.LiquidationEnded, flat=True, reason="flat")
    desk.send(ev.ResumeRequested, reason="back")
    assert desk.manager.state.account == "ACTIVE"
    desk.close()
    (path,) = journal_paths(tmp_path / "journal")
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(lines[: selling - 1]))
    again = Recorded(tmp_path)
    assert [cause.code for cause in again.manager.state.causes.values()] == ["ABORTED"]
    assert not again.manager.liquidator.is_busy
    again.close()


@pytest.mark.parametrize("what", ["state", "journal"])
async def test_damage_stops_the_start_and_rebuild_goes_on_halted(left, what):
    if what == "state":
        flip(left / "state.json", 300)
    else:
        (left / "state.json").unlink()
        flip(journal_paths(left / "journal")[-1], 500)
    with StateDirectory(left) as directory:
        with pytest.raises((StateFileError, JournalError)):
            recover(directory, Limits(), plain)
        recovered, first = rebuild(directory, Limits(), plain, START)
    assert [type(event) for event in first] == [ev.ReduceOnlyRequested, ev.HaltRequested]
    assert recovered.last_at is None
    assert list(left.glob("damaged-*/journal/*.jsonl"))


async def test_rebuilt_without_a_halt_it_is_reduce_only(trader, tmp_path):
    async with beside(trader, directory=tmp_path):
        pass
    flip(tmp_path / "state" / "state.json", 300)
    with pytest.raises(StateFileError, match="restore it from a backup"):
        async with beside(trader, directory=tmp_path):
            pass
    async with beside(trader, directory=tmp_path, rebuild=True) as made:
        assert made.state == "REDUCE_ONLY"
        assert (await made.ask("resume", reason="looked"))["done"]
        await made.until_state("ACTIVE")


async def test_only_one_sidecar_may_have_a_directory(trader, tmp_path):
    async with beside(trader, directory=tmp_path):
        with pytest.raises(Misuse, match="another sidecar keeps its state here"):
            async with beside(trader, directory=tmp_path):
                pass


def test_a_state_behind_a_hole_is_begun_from_though_the_snapshot_is_older(tmp_path):
    """Lines that a full disk never took are in no file; the state behind them has what they said."""
    desk = Recorded(tmp_path).begin()
    desk.journal.sync()
    desk.snapshot()
    desk.send(ev.HaltRequested, reason="lunch")
    desk.lose(5)
    desk.quote("BTC-USD", 64001)
    desk.close()
    with StateDirectory(tmp_path) as directory:
        recovered = recover(directory, Limits(), builder(desk.manager))
    assert memory(recovered.manager) == memory(desk.manager)
    assert recovered.manager.state.account == "HALTED"


def test_a_fault_half_way_is_halted_after_a_rebuild_too(tmp_path):
    """Its halt stands alone: what it interrupted was left out."""
    desk = Recorded(tmp_path).begin()
    desk.engine.is_half_way = True
    desk.engine.give_up("KeyError: half way")
    desk.close()
    with StateDirectory(tmp_path) as directory:
        _, first = rebuild(directory, Limits(), plain, START)
    assert ev.HaltRequested in map(type, first)


def rebuilt(directory):
    """What a rebuild begins with."""
    with StateDirectory(directory) as kept:
        return [type(event) for event in rebuild(kept, Limits(), plain, START)[1]]


@pytest.mark.parametrize("halt", ["plain", "fault"])
def test_a_halt_that_aborted_no_flattening_ends_none_in_a_rebuild(tmp_path, halt):
    desk = Recorded(tmp_path).begin()
    desk.send(ev.FlattenRequested, reason="enough")
    if halt == "plain":
        desk.send(ev.HaltRequested, reason="wait")
    else:
        desk.engine.is_half_way = True
        desk.engine.give_up("KeyError: half way")
    desk.close()
    assert rebuilt(tmp_path) == [ev.ReduceOnlyRequested, ev.FlattenRequested]


def test_a_flattening_that_only_the_snapshot_tells_is_ended_by_no_plain_halt(tmp_path):
    desk = Recorded(tmp_path).begin()
    desk.send(ev.FlattenRequested, reason="enough")
    desk.send(ev.HaltRequested, reason="wait")
    desk.snapshot()
    desk.close()
    for path in journal_paths(tmp_path / "journal"):
        lines = path.read_bytes().splitlines(keepends=True)
        path.write_bytes(b"".join(line for line in lines if b"StateChanged" not in line))
    assert rebuilt(tmp_path) == [ev.ReduceOnlyRequested, ev.FlattenRequested]


def test_an_aborted_flattening_is_not_begun_again_by_a_rebuild(tmp_path):
    """Though the line that says how the state changed is lost."""
    desk = Recorded(tmp_path).begin()
    desk.send(ev.FlattenRequested, reason="enough")
    desk.snapshot()
    desk.send(ev.HaltRequested, reason="stop", abort_liquidation=True)
    desk.close()
    for path in journal_paths(tmp_path / "journal"):
        lines = path.read_bytes().splitlines(keepends=True)
        path.write_bytes(b"".join(line for line in lines if b'"after":"HALTED"' not in line))
    assert rebuilt(tmp_path) == [ev.ReduceOnlyRequested, ev.HaltRequested]


def test_where_nothing_can_be_read_a_rebuild_halts(tmp_path):
    Recorded(tmp_path).begin().close()
    files = (*(tmp_path / "journal").iterdir(), tmp_path / "state.json", tmp_path / "reserve")
    for path in files:
        path.write_bytes(b"\0" * 100)
    with StateDirectory(tmp_path) as directory:
        _, first = rebuild(directory, Limits(), plain, START)
        _, again = rebuild(directory, Limits(), plain, START)  # within the same second
    assert ev.HaltRequested in map(type, first)
    assert ev.HaltRequested not in map(
        type, again
    )  # there was nothing to be read, and nothing to read


def test_what_asked_for_something_after_the_end_leaves_it_an_end_in_order(tmp_path):
    desk = Recorded(tmp_path).begin()
    desk.ask(limit_order())
    desk.now += LIFE
    desk.engine.end()
    desk.send(ev.Stopped)  # and with it the approval's time is over
    desk.close()
    with StateDirectory(tmp_path) as directory:
        recovered = recover(directory, Limits(), builder(desk.manager))
        assert recovered.was_stopped
        looked_for = [
            action
            for event in (recovered.started(desk.now), ev.ClockAdvanced(at=desk.now))
            for action in recovered.manager.handle(event)
            if isinstance(action, ac.FindOrder)
        ]
    assert len(looked_for) == 1  # again, for whoever looked before is gone
