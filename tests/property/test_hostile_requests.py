"""No input of a bot, or of an operator, ends the process: every field of every method, by depth, by
size and by kind of value.

A request is read, answered, written into a journal and read back from it, as in the process; the desk
goes on as if it had not been there, and what it keeps can be saved.
"""

import asyncio
import gc
import json
from typing import Any, Final, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.core.saved import SavedState, save_manager, save_tracker
from sidecar.core.vocabulary import events as ev
from sidecar.core.vocabulary import order_body
from sidecar.core.vocabulary.actions import Decided
from sidecar.daemon.streams import _product_of
from sidecar.server.control import Control
from sidecar.server.protocol import (
    CONTROL_METHODS,
    LINE_BYTES_MAX,
    Early,
    ProtocolError,
    RequestError,
    answered,
    failed,
    read,
)
from sidecar.storage.codec import decode_state, encode_state
from sidecar.storage.journal_codec import Chain
from tests.answering import Desk, Listening, deciding
from tests.scenario import World, limit_order

HERE: Final = "(here)"  # where in a request the hostile value goes
BODY: Final[dict[str, Any]] = {**limit_order("0.01", 63000), "client_order_id": "bot-1"}
FULL: Final[dict[str, dict[str, Any]]] = {
    "validate_order": {"order": BODY, "strategy_id": "s", "dry_run": True},
    "validate_edit": {"order_id": "o", "client_order_id": "b", "price": "1", "size": "1", "dry_run": True},
    "release_order": {"client_order_id": "b"},
    "hello": {"name": "n", "strategy_id": "s", "on_disconnect": "nothing"},
    "subscribe": {"topics": ["limits"], "snapshot": True},
    "halt": {"reason": "r", "abort_liquidation": False, "cancel_adding": False},
    "reduce_only": {"reason": "r", "product_id": "BTC-USD", "strategy_id": "s", "cancel_adding": False},
    "reset_loss": {"reason": "r", "window": "daily"},
}  # fmt: skip
KINDS: Final = {
    name: {"base_size": "1", "limit_price": "63000", "stop_price": "64000", "stop_trigger_price": "62000",
           "end_time": "2026-11-23T00:00:00Z", "start_time": "2026-11-22T14:00:00Z"}
    for name in order_body.KINDS
}  # fmt: skip
PASSED_ON: Final = dict.fromkeys(("leverage", "prediction_metadata"), "2")
LOOKING: Final = {"status", "positions", "limits"}  # whose answers are as long as the account is
ANSWER_BYTES_MAX: Final = 8_192
JOURNAL_BYTES_MAX: Final = 16_384  # what is refused is written down no longer than this


def paths(value: Any, before: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Every place in a value where another could stand, itself too."""
    inner: list[tuple[Any, Any]] = []
    if isinstance(value, dict):
        inner = list(value.items())
    elif isinstance(value, list):
        inner = list(enumerate(value))
    return [before, *(path for name, part in inner for path in paths(part, (*before, name)))]


def laid(value: Any, path: tuple[Any, ...], other: Any) -> Any:
    """The same with another value at the place."""
    if not path:
        return other
    copy = dict(value) if isinstance(value, dict) else list(value)
    copy[path[0]] = laid(copy[path[0]], path[1:], other)
    return copy


def bodies() -> list[dict[str, Any]]:
    """Orders of which every field is somewhere given."""
    extras = {name: "x" for name in order_body.OrderBody.__struct_fields__ if name not in BODY}
    attached = {"trigger_bracket_gtc": {"limit_price": "1", "stop_trigger_price": "1"}}
    made = [
        BODY | {"an_unknown_one": 1},
        BODY | extras | PASSED_ON | {"attached_order_configuration": attached},
    ]
    for name in order_body.KINDS:
        shape = order_body.Configuration.__annotations__[name].__args__[0]
        terms = {field: KINDS[name].get(field, "1") for field in shape.__struct_fields__}
        made.append(BODY | {"order_configuration": {name: terms}})
    return made


def requests() -> list[bytes]:
    """Every method with every field, one place at a time left for what is hostile."""
    whole: list[dict[str, Any]] = []
    for method in CONTROL_METHODS:
        given = FULL.get(method, {"reason": "r"} if method in {"flatten", "resume"} else {})
        call = {"jsonrpc": "2.0", "id": 1, "method": method, "params": given}
        whole += [laid(call, path, HERE) for path in paths(call)]
    call = {"jsonrpc": "2.0", "id": 1, "method": "validate_order"}
    for body in bodies():
        params = {"order": body, "dry_run": True}
        whole += [call | {"params": laid(params, path, HERE)} for path in paths(params)]
    return sorted({json.dumps(one).encode() for one in whole})


REQUESTS: Final = requests()
PASSING: Final = [
    line for line in REQUESTS if b"self_trade_prevention_id" in line or b"order" not in line
]
PLAIN: Final = [
    b"null", b"true", b"0", b"-1", b"1.5", b"1e400", b"-1e400", b"9" * 400, b'""', b'"NaN"', b'"-Infinity"',
    b'"1e999999"', b'"\\ud800"', b'"\\u0000"', b'"a\\nb\\u001b[31m"', '"\u0663\u202e"'.encode(), b"[]", b"{}", b"[[]]",
    b'{"a":1,"a":2}', b'"0.000000000000000000000000000000000000001"', b'"9999-12-31T23:59:59-23:59"', b"NaN", b"'",
]  # fmt: skip
DEEP: Final = (15, 64, 400, 900, 950, 5_000, 30_000)
# What an interpreter can nest is counted from the bottom of its stack: what could be read may be too deep for the
# next one who looks at it. Each depth by itself.
EDGE: Final = range(850, 1_001)


def nested(depth: int, way: int) -> bytes:
    return (b"[" * depth + b"]" * depth, b'{"a":' * depth + b"1" + b"}" * depth)[way]


class Process:
    """What a request goes through, without sockets and disk."""

    def __init__(self) -> None:
        self.longest = 0  # of the journal's lines
        self.desk, self.peer = Desk(World(max_order_notional=5000)), Listening()
        inner: Any = self.desk.answers.handle
        written, again = Chain(), Chain()

        def handle(event: Any, take: Any = None) -> Any:
            if isinstance(event, ev.OrderProposed | ev.EditProposed):
                _product_of(event, cast("Any", self.desk.world))
            actions = inner(event, take)
            for record in (event, *actions):
                line = written.write(record, event.at)
                again.read(line)
                self.longest = max(self.longest, len(line))
            return actions

        self.desk.answers.handle = handle
        self.desk.answers.decide = self.deciding(handle)
        self.control = Control(self.desk.answers, reload=done, cancel_all=never, spawn=forget)

    def deciding(self, handle: Any) -> Any:
        """As in the process: the decision that left is the one that is booked."""
        decide = deciding(self.desk.world.manager, handle)

        def decided(event: Any) -> Any:
            decision, finish = decide(event)

            def settle() -> None:
                assert [act.decision for act in finish() if type(act) is Decided] == [decision]

            return decision, settle

        return decided

    def ask(self, line: bytes) -> bytes:
        """The line that answers."""
        try:
            request = read(line)
        except ProtocolError as broken:
            return broken.answer
        try:
            result = self.control(self.peer, request)
        except RequestError as wrong:
            return failed(request.id, wrong.code, wrong.message)
        if isinstance(result, Early):
            result.finish()
            result = result.result
        return b"" if request.method == "cancel_all" else answered(request.id, result)

    def goes_on(self) -> None:
        self.peer.context = None
        body = {**BODY, "client_order_id": "another"}
        asked = {"order": body, "dry_run": True}
        call = {"jsonrpc": "2.0", "id": 7, "method": "validate_order", "params": asked}
        assert json.loads(self.ask(json.dumps(call).encode()))["result"]["decision_id"]
        manager, tracker = self.desk.world.manager, self.desk.world.tracker
        state = SavedState(
            saved_at=self.desk.world.now,
            manager=save_manager(manager),
            tracker=save_tracker(tracker),
        )
        assert decode_state(encode_state(state), "state.json").tracker == state.tracker


def done(reason: str, by: str, uid: int) -> dict[str, Any]:
    return {"done": True}


async def never(reason: str, by: str) -> dict[str, Any]:
    raise AssertionError


def forget(work: Any) -> None:
    work.close()


def asked(process: Process, line: bytes) -> None:
    answer = process.ask(line)
    if len(line) > LINE_BYTES_MAX:
        return  # no listener hands it over
    looks = any(b'"method": "%b"' % name.encode() in line for name in (*LOOKING, "subscribe"))
    looks = looks or b'"id": 1,' not in line  # which is given back as it came
    assert looks or len(answer) <= ANSWER_BYTES_MAX, line[:200]


@pytest.fixture(autouse=True)
def loop():
    """`cancel_all` is answered by a future, which needs one."""
    made = asyncio.new_event_loop()
    asyncio.set_event_loop(made)
    yield
    asyncio.set_event_loop(None)
    made.close()


@pytest.mark.parametrize("way", [0, 1], ids=["lists", "objects"])
def test_no_depth_of_any_field_ends_it(way):
    process = Process()
    for depth in DEEP:
        hostile = nested(depth, way)
        for line in REQUESTS:
            asked(process, line.replace(b'"%b"' % HERE.encode(), hostile))
    for depth in EDGE:
        hostile = nested(depth, way)
        for line in PASSING:
            asked(process, line.replace(b'"%b"' % HERE.encode(), hostile))
    process.goes_on()


def test_no_kind_of_value_ends_it():
    process = Process()
    for hostile in PLAIN:
        for line in REQUESTS:
            asked(process, line.replace(b'"%b"' % HERE.encode(), hostile))
    process.goes_on()


@pytest.mark.parametrize("size", [200, 5_000, 60_000])
def test_no_size_of_any_field_ends_it(size):
    process = Process()
    for hostile in (b'"%b"' % (b"x" * size), b"9" * size, b"[%b0]" % (b"0," * (size // 2)), b'"%b"' % (b"\\n" * (size // 2))):  # fmt: skip
        for line in REQUESTS:
            asked(process, line.replace(b'"%b"' % HERE.encode(), hostile))
    process.goes_on()
    assert process.longest <= JOURNAL_BYTES_MAX


def test_none_of_them_is_kept():
    """What a refused request leaves behind would be kept for ever, once for each."""
    process = Process()
    lines = [line.replace(b'"%b"' % HERE.encode(), b'"1"') for line in REQUESTS]
    orders = [line for line in lines if b"validate_" in line] + [b"{"]

    def objects() -> int:
        for line in orders:
            process.ask(line)
        process.desk.facts.clear()  # the test's own
        gc.collect()
        return len(gc.get_objects())

    objects()
    before = objects()
    assert objects() < before + len(orders) // 4


@given(
    st.sampled_from(REQUESTS),
    st.recursive(
        st.sampled_from(PLAIN),
        lambda inner: (
            st.lists(inner, max_size=3).map(lambda parts: b"[%b]" % b",".join(parts))
            | st.lists(inner, max_size=3).map(
                lambda parts: b"{%b}" % b",".join(b'"base_size":' + part for part in parts)
            )
        ),
        max_leaves=6,
    ),
    st.binary(max_size=40),
)
def test_no_mixture_of_them_ends_it(line, hostile, rubbish):
    process = Process()
    whole = line.replace(b'"%b"' % HERE.encode(), hostile)
    asked(process, whole)
    place = sum(rubbish) % len(whole)
    asked(process, whole[:place] + rubbish.replace(b"\n", b" ") + whole[place:])
    process.goes_on()
