"""Every Coinbase order_configuration becomes one `Order` with its worst-case size and price."""

import json
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import msgspec
import pytest

from sidecar.core.vocabulary import events as ev
from sidecar.core.vocabulary.order_body import KINDS, SCALED_ORDERS_MAX, OrderBody
from sidecar.core.vocabulary.order_reading import READERS, checked_order, parse_order
from sidecar.core.vocabulary.orders import InvalidOrder, Order
from tests.scenario import D, World, limit_order, order

END = "2026-12-01T00:00:00Z"
START = "2026-11-30T00:00:00Z"

# One body of each kind: its fields for a BUY, and what is read from them.
BODIES: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "market_market_ioc": ({"base_size": "2"}, {"base_size": 2}),
    "market_market_fok": ({"quote_size": "100"}, {"quote_size": 100}),
    "sor_limit_ioc": ({"base_size": "2", "limit_price": "10"}, {"limit_price": 10}),
    "limit_limit_gtc": (
        {"base_size": "2", "limit_price": "10", "post_only": True},
        {"base_size": 2, "limit_price": 10, "ceiling_price": 10, "post_only": True},
    ),
    "limit_limit_gtd": (
        {"quote_size": "20", "limit_price": "10", "end_time": END, "post_only": False},
        {"quote_size": 20, "limit_price": 10, "end_time": datetime(2026, 12, 1, tzinfo=UTC)},
    ),
    "limit_limit_fok": ({"base_size": "2", "limit_price": "10"}, {"limit_price": 10}),
    "twap_limit_gtd": (
        {
            "base_size": "2", "limit_price": "10", "start_time": START, "end_time": END,
            "number_buckets": "5", "bucket_size": "0.4", "bucket_duration": "300s",
        },
        {"base_size": 2, "limit_price": 10, "end_time": datetime(2026, 12, 1, tzinfo=UTC)},
    ),
    "stop_limit_stop_limit_gtc": (
        {"base_size": "2", "limit_price": "11", "stop_price": "10", "stop_direction": "STOP_DIRECTION_STOP_UP"},
        {"base_size": 2, "limit_price": 11, "ceiling_price": 11, "stop_price": 10},
    ),
    "stop_limit_stop_limit_gtd": (
        {"base_size": "2", "limit_price": "11", "stop_price": "10", "end_time": END},
        {"stop_price": 10, "end_time": datetime(2026, 12, 1, tzinfo=UTC)},
    ),
    "trigger_bracket_gtc": (
        {"base_size": "2", "limit_price": "8", "stop_trigger_price": "10"},
        {"base_size": 2, "limit_price": D("10.5"), "ceiling_price": D("10.5"), "stop_price": 10},
    ),
    "trigger_bracket_gtd": (
        {"base_size": "2", "limit_price": "8", "stop_trigger_price": "10", "end_time": END},
        {"prices": (D(8), D(10)), "end_time": datetime(2026, 12, 1, tzinfo=UTC)},
    ),
    "scaled_limit_gtc": (
        {
            "base_size": "2", "min_price": "9", "max_price": "10", "num_orders": "4",
            "price_distribution": "FLAT", "size_distribution": "EVEN", "size_diff": "0", "size_ratio": "1",
        },
        {"base_size": 2, "limit_price": 10, "ceiling_price": 10, "prices": (D(9), D(10))},
    ),
}  # fmt: skip


def faults(body):
    with pytest.raises(InvalidOrder) as caught:
        parse_order(body)
    return [code for code, _ in caught.value.faults], str(caught.value)


def test_every_kind_of_the_body_has_a_reader_and_a_row_here():
    assert set(KINDS) == {kind for kind, _ in READERS.values()} == set(BODIES)


@pytest.mark.parametrize("kind", BODIES)
def test_each_kind_is_read_to_its_worst_case(kind):
    fields, expected = BODIES[kind]
    read = parse_order(order(kind, name="one", **fields))
    assert (read.kind, read.client_order_id, read.product_id, read.side) == (
        kind,
        "one",
        "BTC-USD",
        "BUY",
    )
    assert {name: getattr(read, name) for name in expected} == expected
    assert (read.base_size is None) != (read.quote_size is None)


@pytest.mark.parametrize("kind", BODIES)
@pytest.mark.parametrize("name", ["reduce_only", "rfq_enabled", "rfq_disabled"])
def test_keys_that_change_no_worst_case_are_taken(kind, name):
    fields, expected = BODIES[kind]
    read = parse_order(order(kind, **fields | {name: False}))
    assert {field: getattr(read, field) for field in expected} == expected


@pytest.mark.parametrize("kind", BODIES)
def test_a_key_that_is_not_known_refuses_by_name(kind):
    """It could change what the order means."""
    codes, text = faults(order(kind, **BODIES[kind][0], surprise="1"))
    assert codes == ["INVALID_ORDER"]
    assert "surprise" in text
    assert "remove it" in text


@pytest.mark.parametrize("kind", BODIES)
def test_a_missing_field_is_named(kind):
    needed = {
        "limit_price",
        "stop_price",
        "stop_trigger_price",
        "end_time",
        "start_time",
        "min_price",
        "max_price",
    }
    given = BODIES[kind][0]
    for name in needed & given.keys():
        codes, text = faults(order(kind, **{k: v for k, v in given.items() if k != name}))
        assert set(codes) == {"INVALID_ORDER"}
        assert name in text


@pytest.mark.parametrize("name", ["stop_limit_stop_limit", "market", "limit_limit_gtx", ""])
def test_a_kind_that_cannot_be_valued_is_unsupported(name):
    codes, text = faults(order(name, base_size="1"))
    assert codes == ["UNSUPPORTED_ORDER_TYPE"]
    assert "limit_limit_gtc" in text


# --- Sizes ----------------------------------------------------------------------------------------

TWO_SIZED = ["market_market_ioc", "limit_limit_gtc", "limit_limit_gtd", "sor_limit_ioc", "twap_limit_gtd", "scaled_limit_gtc"]  # fmt: skip


@pytest.mark.parametrize("kind", TWO_SIZED)
def test_both_sizes_are_one_too_many(kind):
    codes, text = faults(order(kind, **BODIES[kind][0] | {"base_size": "1", "quote_size": "1"}))
    assert codes == ["INVALID_ORDER"]
    assert "send one" in text


@pytest.mark.parametrize("kind", TWO_SIZED)
def test_no_size_is_one_too_few_and_an_empty_one_is_none(kind):
    fields = {k: v for k, v in BODIES[kind][0].items() if k not in {"base_size", "quote_size"}}
    for sizes in ({}, {"base_size": ""}, {"base_size": None, "quote_size": ""}):
        assert "base_size or quote_size is missing" in faults(order(kind, **fields, **sizes))[1]


@pytest.mark.parametrize("kind", ["market_market_ioc", "market_market_fok"])
def test_a_market_sell_is_sized_in_base(kind):
    assert "market buys only" in faults(order(kind, "SELL", quote_size="100"))[1]
    assert parse_order(order(kind, "SELL", base_size="1")).base_size == 1


@pytest.mark.parametrize("kind", BODIES)
@pytest.mark.parametrize(
    "size", ["0", "-1", "NaN", "Infinity", "-Infinity", "sNaN", "1e999", "1e-999", "0x10", "1_000", " 1", "١", "9" * 10_000, "1e21", ""]
)  # fmt: skip
def test_a_size_is_a_number_above_zero(kind, size):
    fields = BODIES[kind][0]
    name = "quote_size" if "quote_size" in fields else "base_size"
    codes, text = faults(order(kind, **fields | {name: size}))
    assert set(codes) == {"INVALID_ORDER"}
    assert len(text) < 400


@pytest.mark.parametrize("size", [1, 0.5, True, [], {"a": 1}])
def test_a_number_is_written_as_a_string(size):
    assert faults(order("market_market_ioc", base_size=size))[0] == ["INVALID_ORDER"]
    if isinstance(size, int | float) and size is not True:
        assert "write it as a string" in faults(order("market_market_ioc", base_size=size))[1]


def test_every_fault_of_a_configuration_is_listed():
    body = order("limit_limit_gtd", base_size="-1", limit_price="x", end_time="tomorrow")
    assert faults(body)[0] == ["INVALID_ORDER"] * 3


# --- Prices and times -----------------------------------------------------------------------------


@pytest.mark.parametrize("price", ["0", "-5", "NaN", "1e999"])
@pytest.mark.parametrize(("kind", "name"), [("limit_limit_gtc", "limit_price"), ("stop_limit_stop_limit_gtc", "stop_price"), ("trigger_bracket_gtc", "stop_trigger_price"), ("scaled_limit_gtc", "max_price")])  # fmt: skip
def test_a_price_is_a_number_above_zero(kind, name, price):
    assert set(faults(order(kind, **BODIES[kind][0] | {name: price}))[0]) == {"INVALID_ORDER"}


@pytest.mark.parametrize(
    "time",
    [
        "tomorrow",
        "",
        "2026-13-01T00:00:00Z",
        "9999-12-31T23:59:59-12:00",
        "0001-01-01T00:00:00+12:00",
    ],
)
def test_a_time_is_written_as_coinbase_writes_it(time):
    """The last two lie beyond the calendar once they are in UTC."""
    codes, text = faults(order("limit_limit_gtd", base_size="1", limit_price="1", end_time=time))
    assert codes == ["INVALID_ORDER"]
    assert "end_time" in text


@pytest.mark.parametrize(
    "time", ["2026-12-01T00:00:00Z", "2026-12-01T00:00:00", "2026-11-30T19:00:00-05:00"]
)
def test_a_time_without_a_zone_is_utc(time):
    read = parse_order(order("limit_limit_gtd", base_size="1", limit_price="1", end_time=time))
    assert read.end_time == datetime(2026, 12, 1, tzinfo=UTC)


def test_a_twap_starts_before_it_ends():
    fields = BODIES["twap_limit_gtd"][0] | {"start_time": END}
    assert "start_time is not before end_time" in faults(order("twap_limit_gtd", **fields))[1]


def test_a_stop_direction_is_one_of_two():
    fields = BODIES["stop_limit_stop_limit_gtc"][0] | {"stop_direction": "UP"}
    assert "stop_direction" in faults(order("stop_limit_stop_limit_gtc", **fields))[1]


# --- Brackets -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("side", "limit", "stop", "aggressive", "ceiling"),
    [
        ("BUY", "8", "10", "10.5", "10.5"), ("BUY", "12", "10", "12", "12"),
        ("SELL", "12", "10", "9.5", "12"), ("SELL", "8", "10", "8", "9.5"),
    ],
)  # fmt: skip
def test_a_bracket_may_trade_five_percent_beyond_its_trigger(
    side, limit, stop, aggressive, ceiling
):
    body = order(
        "trigger_bracket_gtc", side, base_size="1", limit_price=limit, stop_trigger_price=stop
    )
    read = parse_order(body)
    assert (read.limit_price, read.ceiling_price) == (D(aggressive), D(ceiling))


# --- Ladders --------------------------------------------------------------------------------------


def rungs(*pairs, **more):
    return [{"base_size": size, "limit_price": price} | more for size, price in pairs]


@pytest.mark.parametrize(("side", "worst"), [("BUY", 12), ("SELL", 10)])
def test_a_ladder_adds_up_at_its_most_aggressive_rung(side, worst):
    read = parse_order(order("scaled_limit_gtc", side, orders=rungs(("1", "10"), ("2", "12"))))
    assert (read.base_size, read.limit_price, read.ceiling_price) == (3, worst, 12)
    assert (read.sizes, read.prices) == ((1, 2), (10, 12))


@pytest.mark.parametrize(("side", "worst"), [("BUY", 12), ("SELL", 10)])
def test_a_ladder_by_its_ends_is_worth_its_worst_end(side, worst):
    body = order("scaled_limit_gtc", side, quote_size="100", min_price="10", max_price="12")
    assert parse_order(body).limit_price == worst


def test_a_ladder_may_state_its_size_if_it_adds_up():
    both = rungs(("1", "10"), ("2", "12"))
    assert parse_order(order("scaled_limit_gtc", orders=both, base_size="3")).base_size == 3
    assert "add up to 3" in faults(order("scaled_limit_gtc", orders=both, base_size="4"))[1]


@pytest.mark.parametrize("more", [{"quote_size": "5"}, {}])
def test_rungs_are_sized_in_base(more):
    outer = {} if more else {"quote_size": "5"}
    assert (
        "quote_size"
        in faults(order("scaled_limit_gtc", orders=rungs(("1", "10"), **more), **outer))[1]
    )


def test_a_ladder_stands_the_right_way_up():
    body = order("scaled_limit_gtc", base_size="1", min_price="12", max_price="10")
    assert "min_price is above max_price" in faults(body)[1]


@pytest.mark.parametrize(
    "orders", ["x", {"a": 1}, [1], [[]], [{}], [{"base_size": "1"}], rungs(("1", "10"), extra="x")]
)
def test_rungs_that_are_none_refuse(orders):
    assert faults(order("scaled_limit_gtc", orders=orders))[0] == ["INVALID_ORDER"]


def test_every_fault_of_every_rung_is_listed():
    assert (
        faults(order("scaled_limit_gtc", orders=rungs(("0", "10"), ("1", "-1"))))[0]
        == ["INVALID_ORDER"] * 2
    )


def test_a_ladder_has_a_thousand_rungs_at_most():
    most = parse_order(order("scaled_limit_gtc", orders=rungs(*[("1", "10")] * SCALED_ORDERS_MAX)))
    assert len(most.sizes) == SCALED_ORDERS_MAX
    more = order("scaled_limit_gtc", orders=rungs(*[("1", "10")] * (SCALED_ORDERS_MAX + 1)))
    assert faults(more)[0] == ["INVALID_ORDER"]


# --- The body around it ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    "change",
    [
        {"side": "HOLD"}, {"side": None}, {"side": "buy"}, {"side": ["BUY"]}, {"client_order_id": ""},
        {"client_order_id": 5}, {"client_order_id": "x" * 129}, {"product_id": ""}, {"product_id": None},
        {"order_configuration": {}}, {"order_configuration": None}, {"order_configuration": "market"},
        {"order_configuration": {"limit_limit_gtc": None}}, {"order_configuration": {"limit_limit_gtc": "x"}},
        {"leverage": "0"}, {"leverage": "NaN"}, {"leverage": 3}, {"surprise": 1},
    ],
)  # fmt: skip
def test_a_body_that_is_wrong_anywhere_is_refused(change):
    assert faults(limit_order() | change)[0] == ["INVALID_ORDER"]


@pytest.mark.parametrize("name", ["client_order_id", "product_id", "side", "order_configuration"])
def test_a_body_that_lacks_anything_is_refused(name):
    body = limit_order()
    del body[name]
    codes, text = faults(body)
    assert codes == ["INVALID_ORDER"]
    assert name in text


def test_two_configurations_are_one_too_many():
    body = limit_order()
    body["order_configuration"]["market_market_ioc"] = {"base_size": "1"}
    assert "exactly one kind" in faults(body)[1]


def test_what_no_worst_case_depends_on_is_taken_as_it_comes():
    extra = {
        "leverage": "2.0", "margin_type": "CROSS", "preview_id": "p", "retail_portfolio_id": "r",
        "self_trade_prevention_id": "s", "sor_preference": "x", "prediction_metadata": {"a": 1},
    }  # fmt: skip
    body = limit_order(name="one")
    read = parse_order(body | extra)
    assert msgspec.structs.replace(read, extras="") == parse_order(body)


def test_objects_that_nobody_reads_are_the_bytes_that_came():
    """Two that differ there are two bodies; one that says none says nothing."""
    body = json.dumps(limit_order(name="one"))[:-1]
    one, other, none = (
        parse_order(f'{body}, "prediction_metadata": {text}}}')
        for text in ('{"a": 1}', "[]", "null")
    )
    assert one != other
    assert none == parse_order(body + "}")
    assert one == parse_order(f'{body}, "prediction_metadata": {{"a": 1}}}}'.encode())
    assert parse_order(limit_order(name="one") | {"prediction_metadata": {"a": 1}}) != none


@pytest.mark.parametrize("field", ["prediction_metadata", "cost_basis_method", "preview_id"])
def test_what_is_only_passed_on_is_not_endless(field):
    codes, text = faults(limit_order() | {field: "x" * 5_000})
    assert (codes, "4096 characters" in text) == (["INVALID_ORDER"], True)


def test_of_very_many_faults_the_first_are_named():
    rungs = [{"base_size": "-1", "limit_price": "1"}] * 500
    codes, text = faults(order("scaled_limit_gtc", orders=rungs))
    assert (len(codes), text.endswith("and 480 faults more")) == (21, True)


@pytest.mark.parametrize("value", [object(), float])
def test_what_is_no_json_in_a_body_is_refused(value):
    assert faults(limit_order() | {"prediction_metadata": value})[0] == ["INVALID_ORDER"]


def test_attached_orders_are_noted_and_add_nothing():
    """Take-profit and stop-loss are children that only reduce."""
    attached = {"trigger_bracket_gtc": {"limit_price": "70000", "stop_trigger_price": "60000"}}
    plain = parse_order(limit_order(name="one"))
    read = parse_order(limit_order(name="one") | {"attached_order_configuration": attached})
    assert (read.attached, plain.attached) == (True, False)
    assert msgspec.structs.replace(read, attached=False, extras="") == plain


@pytest.mark.parametrize(
    "attached",
    [
        {}, {"vwap": {}}, {"market_market_ioc": {"quote_size": "1e999"}},
        {"trigger_bracket_gtc": {"limit_price": "70000", "base_size": "5"}},
    ],
)  # fmt: skip
def test_an_attachment_that_is_no_plain_bracket_is_refused(attached):
    with pytest.raises(InvalidOrder):
        parse_order(limit_order() | {"attached_order_configuration": attached})


def test_an_exit_that_would_open_again_is_no_exit():
    """Under REDUCE_ONLY a sell with an attached bracket brings its child to life: a buy."""
    world = World()
    world.hold(1)
    world.send(ev.ReduceOnlyRequested, reason="test")
    attached = {"trigger_bracket_gtc": {"limit_price": "60000", "stop_trigger_price": "70000"}}
    body = limit_order("1", 64000, side="SELL")
    assert not world.ask(body | {"attached_order_configuration": attached})
    assert world.ask(body)


def test_a_body_may_come_as_text_bytes_dict_or_typed():
    body = limit_order(name="one")
    text = json.dumps(body)
    typed = msgspec.convert(body, OrderBody)
    assert (
        parse_order(text) == parse_order(text.encode()) == parse_order(body) == parse_order(typed)
    )


@pytest.mark.parametrize("body", ["", "{", b"\xff", "[" * 100_000, '{"a":' * 100_000, "\ud800", b"", 5, None, [], (), object()])  # fmt: skip
def test_what_is_no_json_object_is_refused(body):
    assert faults(body)[0] == ["INVALID_ORDER"]


def test_a_deep_tree_in_a_dict_is_refused():
    deep: dict[str, Any] = {}
    for _ in range(100_000):
        deep = {"order_configuration": deep}
    assert len(faults(deep)[0]) == 1


# --- Orders built by hand -------------------------------------------------------------------------


def built(**fields):
    known = {
        "client_order_id": "one",
        "product_id": "BTC-USD",
        "side": "BUY",
        "kind": "limit_limit_gtc",
    }
    return Order(**known | fields)


def judged(**fields):
    from tests.scenario import World  # noqa: PLC0415

    return World().ask(built(**fields))


def test_an_order_built_by_hand_is_judged():
    decision = judged(base_size=D("0.01"), limit_price=D(64000))
    assert (decision.approved, decision.notional) == (True, 640)


def test_an_order_built_by_hand_is_worth_its_limit_price():
    assert judged(base_size=D("0.01"), limit_price=D(100_000)).notional == 1000


@pytest.mark.parametrize(
    "fields",
    [
        {}, {"base_size": D(1), "quote_size": D(1)}, {"base_size": D(0)}, {"base_size": D(-1)},
        {"base_size": Decimal("NaN")}, {"base_size": Decimal("Infinity")}, {"quote_size": Decimal("NaN")},
        {"base_size": 0.5}, {"base_size": "1"}, {"base_size": D(1), "limit_price": Decimal("NaN")},
        {"base_size": D(1), "limit_price": D(-5)}, {"base_size": D(1), "stop_price": D(0)},
        {"base_size": D(1), "side": "HOLD"}, {"base_size": D(1), "client_order_id": ""},
        {"base_size": D(1), "kind": "unheard of"},
    ],
)  # fmt: skip
def test_nonsense_built_by_hand_is_refused_and_never_raises(fields):
    decision = judged(**fields)
    assert not decision.approved
    assert decision.codes


@pytest.mark.parametrize(
    "fields",
    [
        {"client_order_id": 5}, {"product_id": None}, {"prices": None}, {"side": ["BUY"]},
        {"end_time": datetime(2027, 1, 1, tzinfo=UTC).replace(tzinfo=None)}, {"base_size": Decimal("1E-999999")}, {"prices": (Decimal(-1),)},
        {"sizes": (Decimal(0),)}, {"client_order_id": "a\nb"}, {"side": {1}},
    ],
)  # fmt: skip
def test_an_order_of_wrong_types_is_refused_and_never_raises(fields):
    built = Order(**{"client_order_id": "one", "product_id": "BTC-USD", "side": "BUY", "kind": "limit_limit_gtc",
                     "base_size": D(1), "limit_price": D(64000)} | fields)  # fmt: skip
    decision = World().ask(built)
    assert decision.codes == ("INVALID_ORDER",)
    assert len(str(decision.as_dict())) < 2000


def test_an_order_s_ceiling_is_worked_out_not_believed():
    """A hand-built ceiling below the limit price would hide the notional."""
    built = Order(
        "one",
        "BTC-USD",
        "BUY",
        "limit_limit_gtc",
        base_size=D(1),
        limit_price=D(64000),
        ceiling_price=D("0.01"),
    )
    assert World(max_order_notional=100).ask(built).notional == 64000


@pytest.mark.parametrize("text", ["\ud800", "a\u0000b"])
def test_an_id_that_cannot_be_written_down_is_refused(text):
    assert World().ask(limit_order(name=text)).codes == ("INVALID_ORDER",)


def test_a_bracket_that_a_program_built_has_its_two_prices():
    bare = Order("x", "BTC-USD", "BUY", "trigger_bracket_gtc", base_size=D(1), limit_price=D(64000))
    decision = World(price_collar="0.01").ask(bare)
    assert decision.codes == ("INVALID_ORDER",)
    assert "its limit price and its trigger" in decision.violations[0].message


def test_a_bracket_that_a_program_makes_needs_both_of_its_prices():
    fields: dict[str, Any] = {
        "client_order_id": "a",
        "product_id": "BTC-USD",
        "side": "SELL",
        "kind": "trigger_bracket_gtc",
    }
    whole = Order(**fields, base_size=D(1), limit_price=D(90), prices=(D(110), D(90)))
    assert checked_order(whole).prices == (D(110), D(90))
    assert checked_order(whole).ceiling_price == 110
    with pytest.raises(InvalidOrder, match="a bracket needs its limit price and its trigger"):
        checked_order(Order(**fields, base_size=D(1), limit_price=D(90), prices=(D(110),)))
