"""Every row that the sidecar reads, as recorded: the fact it tells, and what one strange field costs.

With any field missing, null, empty or of another kind, a row is a fact, or is left out and told, or is Untrusted
by its name: never another exception, and never a fact with a number that the row does not state.
"""

import copy
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, NamedTuple

import msgspec
import pytest

from sidecar.coinbase import frames, key_rows, market_rows, order_rows, position_rows, wallet_rows
from sidecar.coinbase.session import Fault, Parsed, Session
from sidecar.core.vocabulary import events as ev
from sidecar.core.vocabulary.errors import Untrusted
from sidecar.core.vocabulary.events import Venue
from sidecar.core.vocabulary.products import Product, product_from_coinbase
from tests import recorded_shapes as rec
from tests.scenario import D

AT = datetime(2026, 11, 22, 15, tzinfo=UTC)
GONE: Any = object()
WRONG: tuple[Any, ...] = (GONE, None, "", "x", 7, True, [], ["x"], {}, {"x": 1})
ZERO = D(0)


def at(text: str) -> datetime:
    return datetime.fromisoformat(text)


# ------------------------------------------------------------------------------------ how each is read

Read = Callable[[rec.Row], Any]


def order(row: rec.Row) -> Any:
    return order_rows.order_report(row, AT)


def fill(row: rec.Row) -> Any:
    return order_rows.fill_report(row, AT)


def wallet(row: rec.Row) -> Any:
    """A wallet, beside another that must not be touched by it."""
    left_out: list[str] = []
    dollars = rec.ACCOUNT | {"uuid": "u2", "currency": "USD"}
    told = wallet_rows.balances([row, dollars], AT, AT, {}, left_out)
    assert wallet_rows.wallet_ids([row, dollars]) >= {"u2"}
    others = [one for one in told.balances if one.currency != "USD"]
    assert len(told.balances) == len(others) + 1
    if left_out:
        assert not others
        assert not told.is_complete or told.unread
        raise Untrusted(left_out[0])
    return others


def position(row: rec.Row) -> Any:
    return position_rows.futures_positions([row], AT, AT).positions


def pricebook(row: rec.Row) -> Any:
    """A book, beside another that must not be touched by it."""
    left_out: list[str] = []
    other = rec.PRICEBOOK | {"product_id": "ETH-USD"}
    *told, last = market_rows.quotes([row, other], AT, left_out)
    assert last.product_id == "ETH-USD"
    if left_out:
        assert not told
        raise Untrusted(left_out[0])
    return told


def summary(row: rec.Row) -> Any:
    return frames.futures_summary(row, AT, AT)


def breakdown(row: rec.Row) -> Any:
    return (position_rows.elsewhere(row, AT), position_rows.entry_prices(row))


def fees(row: rec.Row) -> Any:
    return key_rows.fees(row, AT)


def frame(row: rec.Row) -> Any:
    """What a live session makes of it too: it says so where it cannot be read, and goes on."""
    data = msgspec.json.encode(row)
    session = Session(("heartbeats", "user", "ticker"))
    session.opened(0.0)
    steps = session.received(data, AT, 1.0)
    faults = [step.text for step in steps if isinstance(step, Fault)]
    if faults:
        raise Untrusted(faults[0])
    said = frames.said(frames.open_envelope(data), AT)
    heard = [step.said for step in steps if isinstance(step, Parsed)]
    assert heard == [one for one in said if not isinstance(one, frames.Subscribed | frames.Refused)]
    return [as_fact(one) for one in said]


def as_fact(said: frames.FrameContent) -> Any:
    """The rows of a ticker frame are read when they go on to the core."""
    if not isinstance(said, frames.Tickers):
        return said
    return ev.Quotes(at=said.at, quotes=frames.quotes_of(said.rows))


class Shape(NamedTuple):
    """`name`: how a complaint names the row. `unsaid`: figures for which zero is Coinbase's "none", or stands for
    not being told and is safe, by the field of the fact. `fallbacks`: other figures that stand in, as documented.
    """

    row: rec.Row
    read: Read
    name: str
    unsaid: tuple[str, ...] = ()
    fallbacks: Mapping[str, tuple[Decimal, ...]] = {}


# Fees are a running maximum, told late at times; without an average price the limit's counts.
ORDER_UNSAID = ("fees", "average_price")
# No bound is known: Coinbase refuses what is too small.
PRODUCT_UNSAID = ("base_min_size", "quote_min_size")
PRODUCT_FALLBACKS = {"price_increment": (D("0.01"),), "margin_rate": (D("0.24"), D("0.12"))}
# No margin is free, and none is left before a liquidation, as far as is known: what adds is refused.
SUMMARY_UNSAID = ("buying_power", "liquidation_buffer_percentage")

SHAPES = {
    "spot product": Shape(rec.SPOT, product_from_coinbase, "BTC-USD", PRODUCT_UNSAID),
    "perpetual-style future": Shape(
        rec.PERPETUAL, product_from_coinbase, "BIP-20DEC30-CDE", PRODUCT_UNSAID, PRODUCT_FALLBACKS
    ),
    "dated future": Shape(
        rec.DATED, product_from_coinbase, "BIT-24DEC26-CDE", PRODUCT_UNSAID, PRODUCT_FALLBACKS
    ),
    "account": Shape(rec.ACCOUNT, wallet, "BTC"),
    "account as captured": Shape(rec.CAPTURED_ACCOUNT, wallet, "BTC"),
    "order": Shape(rec.ORDER, order, "0000-000000-000001", ORDER_UNSAID),
    "filled order": Shape(rec.FILLED_ORDER, order, "0000-000000-000002", ORDER_UNSAID),
    "stop order of a future": Shape(rec.STOP_ORDER, order, "0000-000000-000003", ORDER_UNSAID),
    "fill": Shape(rec.FILL, fill, "22222-1", ("commission",)),
    "fill by value": Shape(rec.FILL_BY_VALUE, fill, "22222-2", ("commission",)),
    "futures wallet": Shape(rec.SUMMARY, summary, "futures summary", SUMMARY_UNSAID),
    "futures wallet, bare": Shape(
        rec.bare(rec.SUMMARY), summary, "futures summary", SUMMARY_UNSAID
    ),
    "futures position": Shape(rec.POSITION, position, "BIP-20DEC30-CDE"),
    "futures position, bare": Shape(rec.bare(rec.POSITION), position, "BIP-20DEC30-CDE"),
    "portfolio breakdown": Shape(rec.BREAKDOWN, breakdown, "", ("worth",)),
    "pricebook": Shape(rec.PRICEBOOK, pricebook, "BTC-USD"),
    "fee tier": Shape(rec.FEES, fees, ""),
    "user frame": Shape(rec.USER_FRAME, frame, "", ORDER_UNSAID),
    "ticker frame": Shape(rec.TICKER_FRAME, frame, ""),
    "futures frame": Shape(rec.SUMMARY_FRAME, frame, "", SUMMARY_UNSAID),
    "heartbeat": Shape(rec.HEARTBEAT, frame, ""),
    "acknowledgement": Shape(rec.SUBSCRIPTIONS, frame, ""),
    "error frame": Shape(rec.ERROR, frame, ""),
}


# ------------------------------------------------------------------------------------- as they are

PERPETUAL = Product(
    product_id="BIP-20DEC30-CDE", base="BTC", quote="USD", base_increment=D(1), quote_increment=D("0.01"),
    price_increment=D(5), base_min_size=D(1), base_max_size=D(5000), quote_max_size=D(100_000_000),
    is_future=True, contract_size=D("0.01"), margin_rate=D("0.31"), session_open=True,
    opens_at=at("2026-11-22T23:00:00Z"), closes_at=at("2026-11-23T22:00:00Z"),
)  # fmt: skip
ORDER = ev.OrderReported(
    at=AT, order_id="0000-000000-000001", client_order_id="bot-1", product_id="BTC-USD", side="BUY",
    status="OPEN", filled=D("0.04"), average_price=D("44999.5"), fees=D("1.5"), leaves=D("0.06"),
    base_size=D("0.1"), limit_price=D(45000), rests=True, created_at=at("2026-11-22T10:00:00Z"),
    by_rest=True,
)  # fmt: skip
FILL = ev.FillReported(
    at=AT, entry_id="22222-1", order_id="0000-000000-000001", product_id="BTC-USD", side="BUY",
    price=D("45123.45"), size=D("0.005"), commission=D("1.14"), traded_at=at("2026-11-22T10:30:00Z"),
    by_rest=True,
)  # fmt: skip
SUMMARY = ev.FuturesSummaryRead(
    at=AT, wallet=D("8000.75"), buying_power=D("5000.5"), liquidation_buffer_percentage=D(2400),
    funding_pnl=D("-1.5"), spot_cash=D("2000.25"), fills_until=AT,
    initial_margin=D(1000),
)  # fmt: skip
TOLD_ORDER = ev.OrderReported(
    at=AT, order_id="a1b2c3d4", client_order_id="bot-1", product_id="BTC-USD", side="BUY",
    status="OPEN", filled=D("0.04"), average_price=D("44999.5"), fees=D("1.5"), leaves=D("0.06"),
    limit_price=D(45000), rests=True, created_at=at("2026-11-22T14:29:55.123456Z"),
)  # fmt: skip
WALLET = [ev.Balance("BTC", D("1.25"), D("0.05"))]
SHORT = (ev.FuturesPosition("BIP-20DEC30-CDE", D(-2), D("49000.5")),)
QUOTE = ev.Quote("BTC-USD", D("63999.5"), D("64000.5"), AT, bid_size=D("0.5"), ask_size=D("0.25"))
CHANNELS = {"heartbeats": ["heartbeats"], "ticker": ["BTC-USD"], "user": ["5f0c"]}
replace = msgspec.structs.replace

FACTS: dict[str, Any] = {
    "spot product": Product(
        product_id="BTC-USD", base="BTC", quote="USD", base_increment=D("0.00000001"),
        quote_increment=D("0.01"), price_increment=D("0.01"), base_min_size=D("0.00000002"),
        base_max_size=D(3400), quote_min_size=D(1), quote_max_size=D(150_000_000),
    ),
    "perpetual-style future": PERPETUAL,
    "dated future": replace(
        PERPETUAL, product_id="BIT-24DEC26-CDE", contract_size=D("0.1")
    ),
    "account": WALLET,
    "account as captured": WALLET,
    "order": ORDER,
    "filled order": replace(
        ORDER, order_id="0000-000000-000002", product_id="ETH-USD", side="SELL", status="FILLED",
        filled=D("0.0325"), average_price=D("3076.92"), fees=D("0.5"), leaves=None, base_size=None,
        limit_price=None, rests=False, is_market=True,
    ),
    "stop order of a future": replace(
        ORDER, order_id="0000-000000-000003", product_id="BIP-20DEC30-CDE", side="SELL", filled=ZERO,
        average_price=ZERO, fees=ZERO, leaves=D(2), base_size=D(2), limit_price=D(40000),
        stop_price=D(41000), is_stop=True,
    ),
    "fill": FILL,
    "fill by value": replace(
        FILL, entry_id="22222-2", product_id="ETH-USD", price=D(2000), size=D("0.05"), by_value=True
    ),
    "futures wallet": SUMMARY,
    "futures wallet, bare": SUMMARY,
    "futures position": SHORT,
    "futures position, bare": SHORT,
    "portfolio breakdown": (
        ev.ElsewhereRead(
            at=AT,
            venues=(
                Venue("stocks", D(1500), positions=1),
                Venue("prediction markets", ZERO, positions=0),
                Venue("Global Derivatives", ZERO, positions=0),
            ),
        ),
        {"BTC": D(60000)},
    ),
    "pricebook": [QUOTE],
    "fee tier": ev.FeesRead(at=AT, taker_rate=D("0.012"), maker_rate=D("0.006")),
    "user frame": [frames.Orders("snapshot", (TOLD_ORDER,), rows=1)],
    "ticker frame": [
        ev.Quotes(
            at=AT, quotes=(replace(QUOTE, last=D(64000), bid_size=D("1.5"), ask_size=D("0.5")),)
        )
    ],
    "futures frame": [
        replace(SUMMARY, fills_until=None, told_at=at("2026-11-22T14:30:06Z"))
    ],
    "heartbeat": [],
    "acknowledgement": [frames.Subscribed(CHANNELS)],
    "error frame": [frames.Refused("subscribe or unsubscribe required")],
}  # fmt: skip


@pytest.mark.parametrize("shape", SHAPES)
def test_as_recorded_it_is_this_fact(shape: str) -> None:
    assert SHAPES[shape].read(SHAPES[shape].row) == FACTS[shape]


# -------------------------------------------------------------------------------- one strange field

Path = tuple[str | int, ...]


def paths(value: Any, above: Path = ()) -> Iterator[Path]:
    """Every field of a row, and of the rows within it."""
    named = value.items() if isinstance(value, dict) else enumerate(value)
    for name, inner in named:
        yield (*above, name)
        if isinstance(inner, dict | list):
            yield from paths(inner, (*above, name))


def spoilt(row: rec.Row, path: Path, wrong: Any) -> rec.Row:
    made: Any = copy.deepcopy(row)
    inner = made
    for name in path[:-1]:
        inner = inner[name]
    if wrong is GONE:
        del inner[path[-1]]
    else:
        inner[path[-1]] = wrong
    return made  # type: ignore[no-any-return]


def figures(fact: Any, name: str = "") -> Iterator[tuple[str, Decimal]]:
    """Every number of a fact, by the name of its field."""
    match fact:
        case Decimal():
            yield name, fact
        case msgspec.Struct() | tuple() | list() if hasattr(fact, "__struct_fields__"):
            for field in fact.__struct_fields__:
                yield from figures(getattr(fact, field), field)
        case tuple() | list():
            for one in fact:
                yield from figures(one, name)
        case dict():
            for one in fact.values():
                yield from figures(one, name)


def invented(shape: Shape, fact: Any, was: Any) -> list[tuple[str, Decimal]]:
    """Figures of the fact that the recorded row does not have there."""
    known = set(figures(was))
    return [
        (field, number)
        for field, number in figures(fact)
        if (field, number) not in known
        and not (number == 0 and field in shape.unsaid)
        and number not in shape.fallbacks.get(field, ())
    ]


NAMES = {"product_id", "order_id", "entry_id", "currency"}  # without it, a row is named by its kind


@contextmanager
def untrusted(complaints: list[str]) -> Iterator[list[str]]:
    """What may be raised, and its words."""
    words: list[str] = []
    try:
        yield words
    except Untrusted as fault:
        words.append(str(fault))
        complaints.append(str(fault))


def may_be_told(path: Path, wrong: Any) -> bool:
    """Seven is a number where one may stand, and a size may be in either currency: then that is what is told."""
    return type(wrong) is int or (path[-1] == "size_in_quote" and wrong is True)


@pytest.mark.parametrize("shape", SHAPES)
def test_one_strange_field_stops_nothing_and_invents_no_number(shape: str) -> None:
    made, was = SHAPES[shape], FACTS[shape]
    complaints = list[str]()
    for path in paths(made.row):
        for wrong in WRONG:
            where = f"{shape}: {path} = {'gone' if wrong is GONE else repr(wrong)}"
            with untrusted(complaints) as words:
                fact = made.read(spoilt(made.row, path, wrong))
                assert may_be_told(path, wrong) or invented(made, fact, was) == [], where
            named = path[-1] in NAMES or all(made.name in one for one in words)
            assert named, f"{where}: {words}"
    assert complaints


# ------------------------------------------------------------------------- where zero would be a lie


@pytest.mark.parametrize("wrong", [GONE, None, "", [], "x"])
@pytest.mark.parametrize(
    ("shape", "path"),
    [
        ("spot product", ("product_id",)),
        ("spot product", ("base_currency_id",)),
        ("spot product", ("base_increment",)),
        ("perpetual-style future", ("future_product_details", "contract_size")),
        ("account", ("available_balance", "value")),
        ("account", ("hold", "value")),
        ("account", ("hold",)),
        ("filled order", ("filled_size",)),
        ("order", ("filled_size",)),
        ("order", ("side",)),
        ("fill", ("size",)),
        ("fill", ("price",)),
        ("fill by value", ("size_in_quote",)),
        ("fill", ("side",)),
        ("futures wallet", ("cfm_usd_balance", "value")),
        ("futures position", ("number_of_contracts",)),
        ("futures position", ("side",)),
        ("fee tier", ("fee_tier", "taker_fee_rate")),
    ],
)
def test_what_cannot_be_done_without_is_not_made_up(shape: str, path: Path, wrong: Any) -> None:
    if wrong == "x" and path[-1] in {"product_id", "base_currency_id"}:
        wrong = 7  # any text is a name
    with pytest.raises(Untrusted):
        SHAPES[shape].read(spoilt(SHAPES[shape].row, path, wrong))


@pytest.mark.parametrize("name", ["entry_id", "order_id", "product_id"])
@pytest.mark.parametrize("wrong", [GONE, None, "", 7])
def test_a_fill_without_one_of_its_names_is_none(name: str, wrong: Any) -> None:
    """By its entry_id it counts once; fills of no order would all be of one."""
    with pytest.raises(Untrusted, match="fill .*" + name):
        fill(spoilt(rec.FILL, (name,), wrong))


@pytest.mark.parametrize(
    ("side", "signed"),
    [("LONG", 2), ("Long", 2), ("SHORT", -2), ("Short", -2), ("FUTURES_POSITION_SIDE_SHORT", -2)],
)
def test_a_position_s_side_in_each_spelling(side: str, signed: int) -> None:
    (told,) = position(rec.POSITION | {"side": side})
    assert told.contracts == signed


@pytest.mark.parametrize(
    "odd",
    [{"side": "UNKNOWN"}, {"side": "UNKNOWN_POSITION_SIDE"}, {"number_of_contracts": "-2"}],
)
def test_a_position_whose_sign_is_not_told_is_no_long_one(odd: rec.Row) -> None:
    with pytest.raises(Untrusted, match="position BIP-20DEC30-CDE: it is neither LONG nor SHORT"):
        position(rec.POSITION | odd)


def test_a_position_of_nothing_needs_no_side() -> None:
    (told,) = position(rec.POSITION | {"side": "UNKNOWN", "number_of_contracts": "0"})
    assert told.contracts == 0


@pytest.mark.parametrize("status", ["CANCELLED", "EXPIRED", "FAILED", "FILLED"])
@pytest.mark.parametrize(
    ("row", "read", "name", "average"),
    [
        (rec.ORDER, order, "filled_size", "average_filled_price"),
        (
            rec.USER_ORDER,
            lambda row: frames.order_report(row, AT),
            "cumulative_quantity",
            "avg_price",
        ),
    ],
)
def test_an_order_that_ended_says_how_much_it_filled(
    row: rec.Row, read: Read, name: str, average: str, status: str
) -> None:
    """An open one may be silent about it: what was known of it stands."""
    silent = row | {average: "0"}
    del silent[name]
    assert read(silent).filled == 0
    with pytest.raises(Untrusted, match=name):
        read(silent | {"status": status})


# ---------------------------------------------------------------------------------- of every kind


@pytest.mark.parametrize("kind", rec.NOT_OURS)
def test_what_is_no_coin_and_no_future_is_nobody_s_fault(kind: str) -> None:
    with pytest.raises(Untrusted, match=f"product BTC-USD: product_type '{kind}' is not supported"):
        product_from_coinbase(rec.SPOT | {"product_type": kind})
    odd = {"product_type": kind}
    assert not frames.is_ours(rec.ORDER | odd)
    event = {"type": "update", "orders": [rec.USER_ORDER | odd, rec.USER_ORDER]}
    assert frame(rec.frame("user", event)) == [frames.Orders("update", (TOLD_ORDER,), rows=2)]


def test_a_full_batch_of_a_snapshot_is_not_the_last_though_some_of_it_is_not_ours() -> None:
    """The feed is live when the snapshot has ended: after a batch of less than fifty."""
    stocks = [rec.USER_ORDER | {"product_type": "EQUITY", "order_id": "stock"}]
    first = [rec.USER_ORDER | {"order_id": f"o{number}"} for number in range(49)]
    session = Session(("user",))
    session.opened(0.0)
    acks = rec.frame("subscriptions", {"subscriptions": {"user": ["5f0c"]}})

    def hears(number: int, row: rec.Row) -> str:
        session.received(msgspec.json.encode(row | {"sequence_num": number}), AT, 1.0)
        return session.state

    assert hears(0, rec.frame("user", {"type": "snapshot", "orders": first + stocks})) != "live"
    assert hears(1, acks) != "live"
    assert hears(2, rec.frame("user", {"type": "snapshot", "orders": stocks})) == "live"


def test_positions_of_a_user_frame_are_not_read() -> None:
    """They are beta, and null or of new kinds at times."""
    odd: list[Any] = [None, [], 7, {"prediction_market_positions": [{"product_id": 5}]}]
    for positions in odd:
        event = rec.USER_FRAME["events"][0] | {"positions": positions}
        assert frame(rec.frame("user", event)) == FACTS["user frame"]
