"""Why an order is not taken: a case for every reason, in Coinbase's words."""

import contextlib
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sidecar.paper.venue import refusal
from sidecar.paper.venue.refusal import Refusal
from sidecar.paper.venue.request import Close, NewOrder
from sidecar.paper.venue.terms import KINDS, Refused, read_bracket, read_terms
from tests.papers import BIP, BTC, CROSS, OPENING, D, Paper, fingerprint, kind

SHARE = settings(max_examples=settings().max_examples // 2)  # soak runs the long form


def market(**fields):
    return kind("market_market_ioc", **fields)


def gtc(size="0.1", price="63000", **more):
    return kind("limit_limit_gtc", base_size=size, limit_price=price, **more)


def gtd(end):
    return kind("limit_limit_gtd", base_size="0.1", limit_price="63000", end_time=end)


def stop(price, direction):
    return kind(
        "stop_limit_stop_limit_gtc",
        base_size="0.1",
        limit_price="64000",
        stop_price=price,
        stop_direction=direction,
    )


def bracket(price, trigger, size="0.1"):
    return kind(
        "trigger_bracket_gtc", base_size=size, limit_price=price, stop_trigger_price=trigger
    )


def attached(price, trigger, **more):
    fields = {"limit_price": price, "stop_trigger_price": trigger, **more}
    return {"attached_order_configuration": {"trigger_bracket_gtc": fields}}


UP, DOWN = "STOP_DIRECTION_STOP_UP", "STOP_DIRECTION_STOP_DOWN"


@dataclass
class Case:
    why: Refusal
    configuration: Any
    side: str = "BUY"
    product: str = BTC
    more: dict[str, Any] = field(default_factory=dict)
    flags: dict[str, bool] = field(default_factory=dict)


CASES = [
    Case(refusal.INVALID_PRODUCT, gtc(), product="NONE-USD"),
    Case(refusal.INVALID_SIDE, gtc(), side="buy"),
    Case(refusal.INVALID_CONFIGURATION, {}),
    Case(refusal.INVALID_CONFIGURATION, {**gtc(), **market(base_size="1")}),
    Case(refusal.INVALID_CONFIGURATION, {"limit_limit_gtc": "1"}),
    Case(refusal.INVALID_CONFIGURATION, gtc(post_only="true")),
    Case(refusal.INVALID_CONFIGURATION, gtc(post_only=1)),
    Case(refusal.INVALID_CONFIGURATION, {"limit_limit_gtc": None}),
    Case(refusal.INVALID_CONFIGURATION, market()),
    Case(refusal.INVALID_CONFIGURATION, market(base_size="1", quote_size="1")),
    Case(refusal.UNSUPPORTED, kind("market_market_fok", base_size="1")),
    Case(refusal.UNSUPPORTED, kind("market_market_fok", quote_size="10")),
    Case(refusal.UNSUPPORTED, kind("market_market_fok", quote_size="10"), product=BIP),
    Case(refusal.UNSUPPORTED, kind("twap_limit_gtd", base_size="1")),
    Case(refusal.UNSUPPORTED, market(quote_size="10"), side="SELL"),
    Case(refusal.UNSUPPORTED, market(quote_size="10"), product=BIP),
    Case(refusal.BASE_TOO_SMALL, kind("limit_limit_gtc", quote_size="1", limit_price="150000000"), side="SELL"),
    Case(refusal.NOT_A_NUMBER, market(base_size="NaN")),
    Case(refusal.NOT_A_NUMBER, market(base_size=1)),
    Case(refusal.NOT_A_NUMBER, market(base_size=True)),
    Case(refusal.NOT_A_NUMBER, gtc(price="1_000")),
    Case(refusal.SIZE_PRECISION, market(base_size="0.123456789")),
    Case(refusal.SIZE_PRECISION, market(base_size="1.5"), product=BIP),
    Case(refusal.QUOTE_SIZE_PRECISION, market(quote_size="10.001")),
    Case(refusal.PRICE_PRECISION, gtc(price="63000.001")),
    Case(refusal.PRICE_PRECISION, stop("64500.001", UP)),
    Case(refusal.PRICE_PRECISION, gtc("1", "64001"), product=BIP),
    Case(refusal.PRICE_PRECISION, gtc(), more=attached("66000.001", "60000")),
    Case(refusal.LIMIT_PRICE, gtc(price="0")),
    Case(refusal.LIMIT_PRICE, gtc(price="-1")),
    Case(refusal.LIMIT_PRICE, kind("limit_limit_gtc", base_size="1")),
    Case(refusal.STOP_PRICE, stop("0", UP)),
    Case(refusal.STOP_DIRECTION, stop("64500", "UP")),
    Case(refusal.STOP_DIRECTION, stop("64500", ["STOP_DIRECTION_STOP_UP"])),
    Case(refusal.BASE_TOO_SMALL, market(base_size="0")),
    Case(refusal.BASE_TOO_SMALL, market(base_size="-1")),
    Case(refusal.BASE_TOO_SMALL, market(base_size="0"), product=BIP),
    Case(refusal.BASE_TOO_LARGE, market(base_size="3401")),
    Case(refusal.BASE_TOO_LARGE, market(base_size="99999999999999999999"), side="SELL"),
    Case(refusal.QUOTE_TOO_SMALL, market(quote_size="0.99")),
    Case(refusal.QUOTE_TOO_SMALL, market(quote_size="0")),
    Case(refusal.QUOTE_TOO_SMALL, market(quote_size="-5")),
    Case(refusal.QUOTE_TOO_SMALL, gtc("0.00001", "63000")),
    Case(refusal.QUOTE_TOO_SMALL, gtc("0.0001", "0.05"), product=CROSS),
    Case(refusal.QUOTE_TOO_LARGE, market(quote_size="150000000.01")),
    Case(refusal.QUOTE_TOO_LARGE, gtc("3000", "63000")),
    Case(refusal.POST_ONLY_CROSSES, gtc(price="64001", post_only=True)),
    Case(refusal.POST_ONLY_CROSSES, gtc(price="64000", post_only=True), side="SELL"),
    Case(refusal.NO_LIQUIDITY, market(quote_size="10"), product="DOGE-USD"),
    Case(refusal.NO_LIQUIDITY, bracket("0.1", "0.2", "100"), product="DOGE-USD"),
    Case(refusal.STOP_ABOVE_LAST, stop("65000", DOWN), side="SELL"),
    Case(refusal.STOP_BELOW_LAST, stop("63000", UP)),
    Case(refusal.BRACKET_PRICES, bracket("63000", "62000"), side="SELL"),
    Case(refusal.BRACKET_PRICES, bracket("65000", "66000")),
    Case(refusal.ATTACHED, gtc(), more=attached("62000", "60000")),
    Case(refusal.ATTACHED, gtc(), more=attached("66000", "63000")),
    Case(refusal.ATTACHED, gtc(), side="SELL", more=attached("66000", "60000")),
    Case(refusal.ATTACHED, gtc(), more=attached("66000", None)),
    Case(refusal.ATTACHED, gtc(), more={"attached_order_configuration": {"limit_limit_gtc": {}}}),
    Case(refusal.ATTACHED, bracket("65000", "63000"), side="SELL", more=attached("60000", "66000")),
    Case(refusal.ATTACHED_SIZE, gtc(), more=attached("66000", "60000", base_size="0.1")),
    Case(refusal.END_TIME_MISSING, gtd(None)),
    Case(refusal.END_TIME_MISSING, gtd("tomorrow")),
    Case(refusal.END_TIME_MISSING, gtd("0001-01-01T00:00:00+05:00")),
    Case(refusal.END_TIME_MISSING, gtd("9999-12-31T23:59:59-05:00")),
    Case(refusal.END_TIME_PAST, gtd(OPENING.isoformat())),
    Case(refusal.END_TIME_PAST, gtd("0001-01-01T00:00:00Z")),
    Case(refusal.HALTED, gtc(), flags={"is_disabled": True}),
    Case(refusal.TRADING_DISABLED, gtc(), flags={"trading_disabled": True}),
    Case(refusal.ENTRY_DISABLED, gtc(), flags={"view_only": True}),
    Case(refusal.ENTRY_DISABLED, gtc(), flags={"cancel_only": True}),
    Case(refusal.MARKET_STATE, market(base_size="1"), flags={"limit_only": True}),
    Case(refusal.MARKET_STATE, market(base_size="1"), flags={"auction_mode": True}),
    Case(refusal.MARKET_STATE, gtc(), flags={"post_only": True}),
    Case(refusal.SESSION_CLOSED, gtc("1", "63000"), product=BIP, flags={"session_open": False}),
    Case(refusal.INSUFFICIENT, market(base_size="3")),
    Case(refusal.INSUFFICIENT, market(base_size="2.00000001"), side="SELL"),
    Case(refusal.INSUFFICIENT, market(quote_size="100000.01")),
    Case(refusal.INSUFFICIENT_MARGIN, market(base_size="2000"), product=BIP),
]  # fmt: skip


@pytest.mark.parametrize(
    "case", CASES, ids=lambda case: f"{case.why.code}-{case.configuration}"[:90]
)
def test_an_order_is_refused_with_its_reason_and_nothing_changes(case):
    paper = Paper().opened()
    if case.flags:
        paper.flags(case.product, **case.flags)
    assert paper.refusal(case.side, case.configuration, case.product, **case.more) == case.why
    request = paper.request(case.side, case.configuration, case.product, **case.more)
    before = fingerprint(paper.exchange)
    with pytest.raises(Refused) as refused:
        paper.exchange.preview(request, paper.now)
    assert refused.value.refusal == case.why
    assert fingerprint(paper.exchange) == before


def test_null_members_say_nothing_and_are_not_kept():
    paper = Paper().opened()
    order = paper.order("BUY", {**gtc(post_only=None), "market_market_ioc": None})
    assert order.configuration == gtc()
    assert order.terms.post_only is False


ELSEWHERE = {
    refusal.TOO_MANY_OPEN, refusal.DUPLICATE_CLIENT_ORDER_ID, refusal.ZERO_POSITION, refusal.CLOSE_TOO_LARGE,
}  # fmt: skip


def test_every_reason_is_reached():
    reasons = {value for value in vars(refusal).values() if isinstance(value, Refusal)}
    assert reasons == {case.why for case in CASES} | ELSEWHERE


def test_five_hundred_open_orders_a_product_are_enough():
    paper = Paper().opened()
    orders = [paper.limit("BUY", "0.0001", 60000) for _ in range(500)]
    assert paper.refusal("BUY", gtc()) == refusal.TOO_MANY_OPEN
    assert paper.limit("BUY", "0.1", 3000, "ETH-USD").is_open
    paper.cancel(orders[7])
    assert paper.limit("BUY", "0.0001", 60000).is_open


def test_a_position_that_is_not_there_cannot_be_closed():
    paper = Paper().opened()
    for product, why in (
        (BIP, refusal.ZERO_POSITION),
        (BTC, refusal.INVALID_PRODUCT),
        ("NONE", refusal.INVALID_PRODUCT),
    ):
        with pytest.raises(Refused) as refused:
            paper.close(product)
        assert refused.value.refusal == why


@pytest.mark.parametrize(
    ("size", "why"),
    [("4", refusal.CLOSE_TOO_LARGE), ("0", refusal.BASE_TOO_SMALL), ("-1", refusal.BASE_TOO_SMALL), ("x", refusal.NOT_A_NUMBER), ("0.5", refusal.SIZE_PRECISION)],
)  # fmt: skip
def test_a_position_is_closed_by_no_other_size(size, why):
    paper = Paper().opened()
    paper.market("BUY", 3, BIP)
    before = fingerprint(paper.exchange)
    with pytest.raises(Refused) as refused:
        paper.close(BIP, size)
    assert refused.value.refusal == why
    assert fingerprint(paper.exchange) == before


def test_dust_stays_and_cannot_be_sold():
    paper = Paper(balances={"USD": "0.005", "DOGE": "0.05", "BTC": "0.000000005"}).opened()
    paper.quote("DOGE-USD", "0.12", "0.13")
    fields = market(base_size="0.05")
    assert paper.refusal("SELL", fields, "DOGE-USD") == refusal.SIZE_PRECISION
    assert paper.refusal("SELL", market(base_size="0"), "DOGE-USD") == refusal.BASE_TOO_SMALL
    assert paper.refusal("SELL", market(base_size="0.00000001")) == refusal.INSUFFICIENT
    assert paper.balance("DOGE") == (D("0.05"), 0)
    paper.audit()


def test_a_preview_takes_nothing_and_changes_no_later_id():
    plain, previewed = Paper().opened(), Paper().opened()
    order = previewed.exchange.preview(previewed.request("BUY", market(base_size="1")), OPENING)
    assert order.status == "PENDING"
    assert not previewed.exchange.register.open
    assert previewed.exchange.drain() == []
    assert plain.market("BUY", 1).order_id == previewed.market("BUY", 1).order_id


def test_a_market_halted_while_an_order_is_on_its_way_fails_it():
    paper = Paper(order_delay=timedelta(milliseconds=5)).opened()
    order = paper.limit("BUY", 1, 64001)
    paper.flags(BTC, trading_disabled=True)
    paper.wait(milliseconds=5)
    assert paper.stages(order) == ["PENDING", "FAILED"]
    assert order.reject_message == refusal.TRADING_DISABLED.message
    paper.audit()


# ------------------------------------------------------------------------------- hostile values

numbers = st.sampled_from(
    ("1", "0.1", "63000", "64500", "-1", "0", "", "NaN", "Infinity", "-Infinity", "1e5", "1E99", "1e-30", "9" * 20, "9" * 400,
     "0." + "1" * 30, " 1", "1 ", "+1", "0x1", "١", "²", "1,5", "true", "1.", ".5", "\x00")
)  # fmt: skip
junk: st.SearchStrategy[Any] = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=4), numbers),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=3), inner, max_size=3)),
    max_leaves=4,
)  # fmt: skip
times = st.sampled_from(
    (
        "2026-11-22T14:00:00Z",
        "9999-12-31T23:59:59-12:00",
        "0001-01-01T00:00:00+12:00",
        "2026-W01",
        "x",
    )
)
fields = st.fixed_dictionaries(
    {},
    optional={
        name: st.one_of(numbers, numbers, junk)
        for name in ("base_size", "quote_size", "limit_price", "stop_price", "stop_trigger_price", "post_only")
    }
    | {"stop_direction": st.one_of(st.sampled_from((UP, DOWN)), junk), "end_time": st.one_of(times, junk)},
)  # fmt: skip
configurations = st.dictionaries(
    st.one_of(st.sampled_from((*KINDS, "twap_limit_gtd")), st.text(max_size=3)), st.one_of(fields, fields, junk), max_size=2
)  # fmt: skip


@SHARE
@given(
    configurations,
    st.sampled_from((BTC, BIP, CROSS, "DOGE-USD", "")),
    st.sampled_from(("BUY", "SELL", "")),
    st.one_of(st.none(), st.dictionaries(st.just("trigger_bracket_gtc"), st.one_of(fields, junk))),
)
def test_whatever_is_sent_is_taken_or_refused(configuration, product, side, more):
    """No value raises anything but Refused, and a refused order changes nothing."""
    paper = Paper().opened()
    before = fingerprint(paper.exchange)
    request = NewOrder(
        client_order_id="x", product_id=product, side=side, order_configuration=configuration, attached_order_configuration=more
    )  # fmt: skip
    try:
        paper.exchange.create(request, paper.now)
    except Refused:
        assert fingerprint(paper.exchange) == before
    paper.take_events()
    paper.audit()


@SHARE
@given(st.one_of(numbers, st.none(), st.text(max_size=5)))
def test_whatever_size_is_closed_is_taken_or_refused(size):
    paper = Paper().opened()
    paper.market("BUY", 3, BIP)
    with contextlib.suppress(Refused):
        paper.exchange.close(Close(client_order_id="x", product_id=BIP, size=size), paper.now)
    paper.take_events()
    paper.audit()


@SHARE
@given(configurations)
def test_terms_are_read_or_refused(configuration):
    for read in (read_terms, read_bracket):
        with contextlib.suppress(Refused):
            read(configuration)
