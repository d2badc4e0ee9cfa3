"""One websocket's numbering and queue, and the faults that befall its frames."""

import json

import pytest

from sidecar.config.paper_faults import Faults
from sidecar.paper.service.faults import FaultSwitches
from sidecar.paper.service.session import (
    ABNORMAL,
    BYTES_WAITING_MAX,
    FRAMES_WAITING_MAX,
    ROOM,
    Session,
)
from sidecar.paper.wire.frames import error, frame
from tests.paper_world import START


def session(**faults):
    return Session("127.0.0.1", 0.0, FaultSwitches(Faults(**faults)))


def send(it, count, channel="ticker", wall=0.0):
    for place in range(count):
        it.send(frame(channel, START, [{"place": place}]), wall)


def numbers(it):
    return [row.get("sequence_num") for row in taken(it)]


def taken(it, wall=0.0):
    rows = []
    while it.due_in(wall) is not None:
        rows.append(json.loads(it.next_frame(wall)))
    return rows


def test_one_sequence_from_zero_over_all_channels():
    it = session()
    for channel in ("user", "subscriptions", "ticker", "heartbeats"):
        send(it, 1, channel)
    assert numbers(it) == [0, 1, 2, 3]


def test_an_error_has_no_number_and_takes_none():
    it = session()
    send(it, 1)
    it.send_error(error("authentication failure"), 0.0)
    send(it, 1)
    assert numbers(it) == [0, None, 1]


@pytest.mark.parametrize(
    ("fault", "seen"),
    [
        ({"drop_frames": 2}, [2, 3]),  # what is dropped has taken its number
        ({"sequence_gaps": 1}, [1, 2, 3, 4]),
        ({"duplicate_frames": 1}, [0, 0, 1, 2, 3]),
        ({"reorder_frames": 1}, [1, 0, 2, 3]),
        ({"reorder_frames": 2}, [1, 0, 3, 2]),
    ],
)
def test_each_fault_does_what_it_says_so_often_and_no_more(fault, seen):
    it = session(**fault)
    send(it, 4)
    assert numbers(it) == seen


def test_faults_of_one_channel_leave_the_others_alone():
    it = session(drop_frames=5, frames_channel="level2")
    send(it, 2, "ticker")
    send(it, 2, "l2_data")
    assert numbers(it) == [0, 1]


def test_acknowledgements_are_never_lost():
    it = session(drop_frames=5)
    send(it, 1, "subscriptions")
    assert numbers(it) == [0]


def test_late_frames_wait_their_time_in_order():
    it = session(delay_frames_s=3)
    send(it, 2, wall=10.0)
    assert it.due_in(10.0) == 3.0
    it.next_frame(13.0)
    assert it.due_in(13.0) == 0.0


def test_a_reader_that_does_not_read_is_cut_off_and_forgotten():
    it = session()
    reasons = []
    for count in (FRAMES_WAITING_MAX, 1):
        send(it, count)
        reasons.append(it.closing)
    assert reasons == [None, ABNORMAL]
    send(it, 10)
    assert it.due_in(0.0) is None
    assert it.bytes_waiting == 0


def test_bytes_are_bounded_as_well_as_frames():
    it = session()
    large = frame("l2_data", START, ["x" * 100_000])
    while it.closing is None:
        it.send(large, 0.0)
        assert it.bytes_waiting <= BYTES_WAITING_MAX + 200_000
    assert it.closing == ABNORMAL
    assert it.bytes_waiting == 0


def test_a_market_in_no_hurry_waits_for_a_reader_but_not_for_one_that_takes_nothing():
    it = session()
    send(it, ROOM + 1, wall=100.0)
    assert it.is_congested
    assert [it.is_stuck(wall) for wall in (104.0, 106.0)] == [False, True]
    it.next_frame(105.0)
    send(it, 1, wall=105.0)
    assert [it.is_stuck(wall) for wall in (109.0, 111.0)] == [False, True]
    for _ in range(2):
        it.next_frame(111.0)
    assert not it.is_stuck(1_000.0)


def test_the_first_reason_to_close_stands():
    it = session()
    it.close(1001)
    it.close(ABNORMAL)
    assert it.closing == 1001


@pytest.mark.parametrize(
    ("at", "told"),
    [
        (START, "2027-11-02T10:00:00.000000000Z"),
        (START.replace(year=2028, month=2, day=29), "2029-02-28T10:00:00.000000000Z"),
    ],
)
def test_a_frame_can_be_stamped_a_year_ahead_and_the_next_one_is_not(at, told):
    it = session(future_frames=1)
    for _ in range(2):
        it.send(frame("ticker", at, [{"time": at.isoformat()}]), 0.0)
    first, second = taken(it)
    assert first["timestamp"] == told
    assert second["timestamp"] == at.strftime("%Y-%m-%dT%H:%M:%S.000000000Z")
    assert first["events"] == second["events"]
