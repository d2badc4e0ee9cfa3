"""Lines of the order socket, as the client writes and reads them."""

import json

import msgspec
import pytest

from risk_sidecar_client.decision import NO_ANSWER, Decision, Violation, no_answer
from risk_sidecar_client.failures import AskFailed, NotServed, Refused
from risk_sidecar_client.messages import (
    decode_decision,
    facts_of,
    named,
    order_params,
    request_line,
    result_of,
)


def test_a_question_is_one_line_of_json_rpc():
    line = request_line(7, "ping", {"note": "a\nb"})
    assert line.count(b"\n") == 1
    assert json.loads(line) == {
        "jsonrpc": "2.0", "id": 7, "method": "ping", "params": {"note": "a\nb"},
    }  # fmt: skip


def test_an_order_goes_out_as_it_was_given():
    """Numbers too: the sidecar judges the text that Coinbase will read."""
    asked = order_params('{\n "size": 0.10 }', None, dry_run=True)
    assert asked == {"order": msgspec.Raw(b'{"size":0.10}'), "strategy_id": None, "dry_run": True}
    assert order_params({"size": "1"}, "s", dry_run=False)["order"] == {"size": "1"}


@pytest.mark.parametrize("order", ["", "{", '{}}\n{"id":9}', b"nonsense"])
def test_text_that_is_not_one_json_value_is_no_order(order):
    with pytest.raises(msgspec.DecodeError):
        order_params(order, None, dry_run=False)


def test_parameters_that_were_left_out_are_not_named():
    assert named(price="1", size=None) == {"price": "1"}


@pytest.mark.parametrize(
    ("line", "kind", "message"),
    [
        (b'{"id":7,"error":{"message":"no method"}}', Refused, "no method"),
        (b'{"id":null,"error":{"message":"no room"}}', NotServed, "no room"),
        (b'{"id":8,"error":{}}', AskFailed, "the sidecar refused to answer"),
        (b'{"id":8,"result":1}', AskFailed, "the answer is to another question"),
        (b"nonsense", AskFailed, "is the socket its own?"),
        (b'{"id":"\xff"}', AskFailed, "is the socket its own?"),
    ],
)
def test_an_answer_that_is_none_says_why(line, kind, message):
    with pytest.raises(AskFailed) as caught:
        result_of(line, 7)
    assert type(caught.value) is kind
    assert message in str(caught.value)


def test_the_answer_to_this_question_is_its_result():
    assert facts_of(result_of(b'{"id":7,"result":{"grace_s":30}}', 7)) == {"grace_s": 30}


def test_a_decision_is_its_approval_and_names_every_broken_rule():
    told = (
        b'{"approved":false,"violations":[{"code":"A","message":"a"},{"code":"B","message":"b"}]}'
    )
    decision = decode_decision(told)
    assert (bool(decision), decision.codes) == (False, ("A", "B"))
    assert decode_decision(b'{"approved":true,"of_a_later_version":1}')


@pytest.mark.parametrize(
    ("asked", "client_order_id"),
    [({"client_order_id": "a"}, "a"), ({"client_order_id": 5}, None), ({}, None), (b"{}", None)],
)
def test_no_answer_is_a_refusal_of_that_very_order(asked, client_order_id):
    assert no_answer(asked, "why") == Decision(
        approved=False,
        client_order_id=client_order_id,
        violations=(Violation(code=NO_ANSWER, message="why"),),
    )
