"""The state file's format: what is written reads back, and what cannot be used is refused by name."""

import hashlib
import json
from contextlib import suppress

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.core.saved import SavedState, save_tracker
from sidecar.core.vocabulary.errors import Misuse
from sidecar.storage.codec import StateFileError, decode_state, encode_state
from tests.scenario import START
from tests.tracking import Desk


def state():
    desk = Desk()
    desk.balance("BTC", "1.123456789012345678")
    desk.report(leaves=1, limit_price=60000, strategy_id="trend")
    desk.fill("BUY", "0.5", 60000, order_id="o1", strategy_id="trend")
    return SavedState(saved_at=START, manager=None, tracker=save_tracker(desk.tracker))


def refused(data):
    with pytest.raises(StateFileError) as caught:
        decode_state(data, "/var/state.json")
    assert "/var/state.json" in str(caught.value)
    return str(caught.value)


def edited(change):
    """The file with its envelope changed by hand."""
    envelope = json.loads(encode_state(state()))
    change(envelope)
    return json.dumps(envelope).encode()


def test_what_is_written_reads_back():
    assert decode_state(encode_state(state()), "f") == state()


def test_the_same_state_is_the_same_bytes():
    assert encode_state(state()) == encode_state(state())


def test_a_person_can_read_it():
    """Indented, decimals as text, times as RFC 3339."""
    text = encode_state(state()).decode()
    assert '"total": "1.623456789012345678"' in text
    assert '"saved_at": "2026-11-22T13:00:00Z"' in text
    assert text.endswith("}\n")


def test_reformatting_by_a_person_does_no_harm():
    reformatted = json.dumps(
        json.loads(encode_state(state())), ensure_ascii=False, indent=7
    ).encode()
    assert decode_state(reformatted, "f") == state()


@pytest.mark.parametrize("length", [0, 1, 10, 1000, -2])
def test_a_truncated_file_is_refused_with_the_mend(length):
    message = refused(encode_state(state())[:length])
    assert "restore it from a backup, or move it away to start anew" in message
    assert "run --rebuild" in message


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"null",
        b"[]",
        b"{}",
        b"\xff\xfe",
        b'{"format":"\xff"}',
        b"not json",
        b"\0" * 4096,
        b"[" * 100_000,
    ],
)
def test_what_is_no_state_file_is_refused(data):
    assert "is not a whole state file" in refused(data)


def test_a_file_nested_beyond_all_reason_is_refused():
    deep = (
        b'{"format":"x","version":1,"checksum":"","state":' + b"[" * 100_000 + b"]" * 100_000 + b"}"
    )
    assert "is not a whole state file" in refused(deep)


def test_a_file_of_another_program_is_refused_by_name():
    message = refused(edited(lambda envelope: envelope.update(format="something else")))
    assert "is a 'something else' file" in message
    assert "name the right one" in message


@pytest.mark.parametrize("version", [0, 2, 99])
def test_another_version_is_refused_with_the_mend(version):
    message = refused(edited(lambda envelope: envelope.update(version=version)))
    assert (
        f"has version {version}, this sidecar reads 1; start the sidecar that wrote it" in message
    )


def test_an_edited_number_is_refused():
    data = encode_state(state()).replace(b"1.623456789012345678", b"9.623456789012345678")
    assert "does not match its checksum: it was damaged or edited" in refused(data)


@given(st.data())
def test_no_single_changed_byte_is_read_as_another_state(data):
    """Either the state is the same (white space, a repeated digit), or the file is refused."""
    whole = encode_state(state())
    place = data.draw(st.integers(0, len(whole) - 1))
    changed = whole[:place] + bytes([data.draw(st.integers(0, 255))]) + whole[place + 1 :]
    with suppress(StateFileError):
        assert decode_state(changed, "f") == state()


def test_a_state_that_no_sidecar_can_hold_is_refused():
    """Right checksum, wrong content: written by a faulty program."""
    body = msgspec.json.encode({"saved_at": "2026-11-22T13:00:00Z", "manager": None, "tracker": {}})
    checksum = "sha256:" + hashlib.sha256(body).hexdigest()
    envelope = {"format": "coinbase-risk-sidecar state", "version": 1, "checksum": checksum}
    data = msgspec.json.encode(envelope | {"state": msgspec.Raw(body)})
    assert "holds what no state can hold" in refused(data)


def test_a_refusal_is_the_callers_fault_and_says_so():
    assert issubclass(StateFileError, Misuse)
