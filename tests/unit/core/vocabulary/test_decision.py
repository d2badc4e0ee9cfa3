"""Decision and violation: what a bot gets for an answer."""

import json
from datetime import timedelta
from zoneinfo import ZoneInfo

from sidecar.core.vocabulary.decision import Decision, Violation, rfc3339
from tests.decisions import sell_order
from tests.scenario import START, D, World, limit_order

# The contract's example, key for key.
KEYS = [
    "approved", "client_order_id", "decision_id", "state", "notional", "price", "reducing",
    "max_base_size", "reserved_until", "replayed", "as_of", "violations", "warnings",
]  # fmt: skip
VIOLATION_KEYS = ["code", "scope", "limit", "observed", "message", "clears_at"]


def test_a_decision_is_true_when_approved():
    world = World(max_order_size="0.1")
    assert world.ask(limit_order("0.1"))
    assert not world.ask(limit_order("0.2"))


def test_a_decision_becomes_the_contracts_json():
    """Decimals travel as strings without exponent, times as RFC 3339 UTC."""
    world = World(max_order_notional=5000)
    found = world.ask(limit_order("0.1", name="bot-42")).as_dict()
    assert list(found) == KEYS
    assert json.loads(json.dumps(found)) == found
    assert (found["notional"], found["price"], found["max_base_size"]) == (
        "6400",
        "64000",
        "0.078125",
    )
    assert (found["as_of"], found["reserved_until"]) == ("2026-11-22T13:00:00.000Z", None)
    (violation,) = found["violations"]
    assert violation == {
        "code": "MAX_ORDER_NOTIONAL", "scope": "all", "limit": "5000", "observed": "6400",
        "message": "order notional 6400 USD exceeds 5000 USD", "clears_at": None,
    }  # fmt: skip
    assert list(violation) == VIOLATION_KEYS


def test_an_approval_says_until_when_it_holds():
    found = World().ask(limit_order()).as_dict()
    assert (found["approved"], found["reserved_until"]) == (True, "2026-11-22T13:00:10.000Z")


def test_what_cannot_be_known_is_null_and_nothing_that_passes_is_zero():
    found = World().ask("nonsense").as_dict()
    assert (found["notional"], found["price"], found["max_base_size"]) == (None, None, "0")


def test_every_field_of_a_decision_travels():
    assert set(World().ask(limit_order()).as_dict()) == set(Decision.__struct_fields__)
    assert list(Violation.__struct_fields__) == VIOLATION_KEYS


def test_a_time_to_clear_travels_too():
    world = World(max_daily_loss="100 USD")
    world.hold(1)
    world.stand("BTC-USD", 60000)
    (state, loss) = world.ask(limit_order("0.01", 60000)).as_dict()["violations"]
    assert state["clears_at"] == loss["clears_at"] == "2026-11-23T13:00:00.000Z"


def test_times_have_milliseconds():
    at = START + timedelta(microseconds=123_456)
    assert rfc3339(at) == "2026-11-22T13:00:00.123Z"
    assert rfc3339(at.astimezone(ZoneInfo("UTC"))) == "2026-11-22T13:00:00.123Z"
    assert rfc3339(at.astimezone(ZoneInfo("Asia/Tokyo"))) == "2026-11-22T22:00:00.123+09:00"


def test_small_and_large_numbers_have_no_exponent():
    world = World(cash="1e15")
    world.balance("BTC", "1e15")
    found = world.ask(sell_order("0.00001000", "1E+5")).as_dict()
    assert (found["notional"], found["price"]) == ("1", "100000")


def test_codes_are_those_of_the_violations():
    decision = World(max_order_size="0.1", max_order_notional=2).ask(limit_order(1))
    assert decision.codes == tuple(violation.code for violation in decision.violations)
    assert D(decision.max_base_size) == D("0.00003125")


def test_as_json_it_is_the_same():
    found = World().ask(limit_order("0.1", name="bot-42"))
    assert json.loads(found.as_json()) == json.loads(json.dumps(found.as_dict()))
