"""One websocket's numbering and queue, and the faults that befall its frames."""

import json

import pytest

from sidecar.config.paper_faults import Faults
from sidecar.paper.service.faults import FaultSwitches
from sidecar.paper.service.session import ABNORMAL, FRAMES_WAITING_MAX, Session
from sidecar.paper.wire.frames import error, frame
from tests.paper_world import START


def session(**faults):
    return Session("127.0.0.1", 0.0, FaultSwitches(Faults(**faults)))


def send(it, count, channel="ticker", wall=0.0):
    for place in range(count):
        it.send(frame(channel, START, [{"place": place}]), wall)


def numbers(it):
    return [json.loads(data)["sequence_num"] for _, data in it.outgoing]


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
    assert [json.loads(data).get("sequence_num") for _, data in it.outgoing] == [0, None, 1]


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
    assert [moment for moment, _ in it.outgoing] == [13.0, 13.0]


def test_a_reader_that_does_not_read_is_cut_off_and_forgotten():
    it = session()
    reasons = []
    for count in (FRAMES_WAITING_MAX, 1):
        send(it, count)
        reasons.append(it.closing)
    assert reasons == [None, ABNORMAL]
    assert not it.outgoing
    send(it, 10)
    assert not it.outgoing


def test_the_first_reason_to_close_stands():
    it = session()
    it.close(1001)
    it.close(ABNORMAL)
    assert it.closing == 1001
