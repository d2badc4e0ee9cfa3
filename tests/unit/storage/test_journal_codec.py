"""One line of the journal, and the chain that holds the lines together."""

import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.core.vocabulary import actions as ac
from sidecar.core.vocabulary import events as ev
from sidecar.core.vocabulary.events import Venue
from sidecar.core.vocabulary.limits import Limits
from sidecar.storage.journal_codec import EVENTS, FIRST_SUM, Chain, LineFault, _chained
from tests.scenario import PRODUCTS

D = Decimal

AT = datetime(2026, 11, 2, 10, 0, 0, 123456, tzinfo=UTC)
BODY = '{"client_order_id":"a","side":"BUY"}'
LIMITS = Limits.model_validate(
    {
        "max_order_notional": 5000,
        "max_daily_loss": "500 USD",
        "max_cumulative_loss": "0.25",
        "product": {"BTC-USD": {"max_position_size": "0.5"}},
    }
)

# One of each fact that may enter: a new one is missing here until it is shown to survive.
FACTS = [
    ev.Quotes(at=AT, quotes=(ev.Quote("BTC-USD", D("64000.10"), D("64000.2"), AT),)),
    ev.QuotesConfirmed(at=AT, quotes=(ev.Quote("BTC-USD", D(1), D(2), AT, D("0.1"), D("0.20")),)),
    ev.ConfirmationUnavailable(at=AT),
    ev.DepthSeen(at=AT, books=(ev.Depth("BTC-USD", ((D("63999.50"), D("0.10")),), ((D(64000), D(2)), (D(64001), D(3))), AT),)),
    ev.DepthHolds(at=AT, product_ids=("BTC-USD",)),
    ev.ProductsListed(at=AT, products=PRODUCTS),
    ev.FeedChanged(at=AT, feed="user", signal="gap"),
    ev.OrderReported(at=AT, order_id="o", product_id="BTC-USD", side="BUY", status="OPEN", filled=D("1E-8"), leaves=D(0), parent_id="p", child_id="c", attached=True, is_market=True, by_coinbase=True, triggered=True),
    ev.FillReported(at=AT, entry_id="e", order_id="o", product_id="BTC-USD", side="SELL", price=D("1.50"), size=D(2), traded_at=AT),
    ev.BalancesRead(at=AT, balances=(ev.Balance("USD", D("1.10"), D(0)),), fills_until=AT),
    ev.FuturesRead(at=AT, positions=(ev.FuturesPosition("BIP-20DEC30-CDE", D(-3)),)),
    ev.FuturesAbsent(at=AT), ev.FuturesUnread(at=AT, reason="HTTP 403"),
    ev.FuturesSummaryRead(at=AT, wallet=D(1), buying_power=D(2), liquidation_buffer_percentage=D(3)),
    ev.ClosesRead(at=AT, book="BTC-USD", period_s=86_400, since=0, until=172_800, closes=((0, D("1.10")), (86_400, D(2)))),
    ev.FundingPaid(at=AT, product_id="BIP-20DEC30-CDE", amount=D("-0.1")),
    ev.FeesRead(at=AT, taker_rate=D("0.012"), maker_rate=D("0.006")),
    ev.OpenOrdersListed(at=AT, order_ids=("a", "b"), began_at=AT),
    ev.ProductElsewhere(at=AT, product_id="AAPL-USD", why="it is a stock"),
    ev.ElsewhereRead(at=AT, venues=(Venue("stocks", D("1.50"), 2),)),
    ev.FillPassedOver(at=AT, words="fill e: price is not a number"),
    ev.OrderVanished(at=AT, order_id="a"),
    ev.AccountReconciled(at=AT, fills_until=AT, began_at=AT),
    ev.ReconciliationFailed(at=AT, reason="HTTP 401"),
    ev.OrderProposed(at=AT, body=BODY, strategy_id="s", dry_run=True),
    ev.EditProposed(at=AT, order_id="o", price="1", size="2", asker=ev.Asker(7)),
    ev.CloseProposed(at=AT, product_id="BIP-20DEC30-CDE", client_order_id="c", size="2", asker=ev.Asker(7, "maker")),
    ev.ReservationReleased(at=AT, client_order_id="a", decision_id="d", reason="never_arrived"),
    ev.BotConnected(at=AT, name="maker", uid=1000, strategy_id="s"),
    ev.BotDropped(at=AT, name="maker", uid=1000),
    ev.BotLeft(at=AT, name="maker", uid=1000),
    ev.ClockAdvanced(at=AT), ev.ClocksCompared(at=AT, ahead=timedelta(hours=-5)),
    ev.HaltRequested(at=AT, reason="I said so", by="me"),
    ev.ReduceOnlyRequested(at=AT, reason="careful", product_id="BTC-USD"),
    ev.ResumeRequested(at=AT, reason="fine"),
    ev.FlattenRequested(at=AT, reason="out"),
    ev.LossReset(at=AT, window="daily", reason="new day"),
    ev.LooseningConfirmed(at=AT, uid=0, reason="seen", by="uid 0"),
    ev.LimitsReplaced(at=AT, limits=LIMITS),
    ev.LimitsRefused(at=AT, reason="no max_drawdown"),
    ev.DiskChanged(at=AT, full=True),
    ev.Started(at=AT, unclean_since=AT), ev.Stopped(at=AT),
    ev.LiquidationEnded(at=AT, flat=True, reason="done"),
    ev.AttemptAnswered(at=AT, client_order_id="risk-sidecar-1", outcome="accepted", order_id="o"),
    ev.AttemptMissing(at=AT, client_order_id="risk-sidecar-1"),
    ev.AccountRead(at=AT, reading=3, began_at=AT, missing=("o",)),
]  # fmt: skip


def written(records):
    chain = Chain()
    return [chain.write(record, AT) for record in records]


def test_every_fact_survives_and_is_readable():
    assert {type(fact) for fact in FACTS} == set(EVENTS)
    chain = Chain()
    for line, fact in zip(written(FACTS), FACTS, strict=True):
        row = json.loads(line)
        assert (row["type"], row["at"]) == (type(fact).__name__, "2026-11-02T10:00:00.123456Z")
        assert chain.read(line).event == fact


def test_an_order_given_as_bytes_is_kept_as_text():
    (line,) = written([ev.OrderProposed(at=AT, body=BODY.encode())])
    read = Chain().read(line).event
    assert isinstance(read, ev.OrderProposed)
    assert read.body == BODY


@pytest.mark.parametrize(
    "action",
    [
        ac.Alert(severity="warning", code="FEED_LOST", text="the user feed is silent"),
        ac.FindOrder(client_order_id="a", product_id="BTC-USD", decision_id="d"),
        ac.CancelOrders(order_ids=("o1", "o2"), reason="nobody asked"),
        ac.OrderUnapproved(order_id="o", client_order_id="a", product_id="BTC-USD", side="BUY", size=D("0.10"), price=None, reason="never asked about"),
    ],
)  # fmt: skip
def test_actions_are_kept_for_people_and_passed_over(action):
    (line,) = written([action])
    row = json.loads(line)
    assert (row["type"], row["at"][:10]) == (type(action).__name__, "2026-11-02")
    told = json.loads(msgspec.json.encode(action))
    assert {name: row[name] for name in told} == told
    assert Chain().read(line).event is None


@given(st.data())
def test_no_line_can_be_changed_lost_doubled_or_moved(data):
    """Law: a journal reads whole only as it was written."""
    lines = written(FACTS[:6])
    broken = list(lines)
    place = data.draw(st.integers(0, len(lines) - 1))
    match data.draw(st.sampled_from(["flip", "drop", "double", "swap"])):
        case "flip":
            at = data.draw(st.integers(0, len(lines[place]) - 2))
            bit = 1 << data.draw(st.integers(0, 6))
            broken[place] = (
                lines[place][:at] + bytes([lines[place][at] ^ bit]) + lines[place][at + 1 :]
            )
        case "drop":
            del broken[place]
        case "double":
            broken.insert(place, lines[place])
        case _:
            other = data.draw(st.integers(0, len(lines) - 1).filter(lambda n: n != place))
            broken[place], broken[other] = broken[other], broken[place]
    whole, fault = read_while_whole(broken)
    assert broken[:whole] == lines[:whole]
    if fault is None:  # only the end is missing: the chain cannot know of it
        assert broken == lines[:whole] != lines
    else:
        assert fault.seq == whole + 1


def read_while_whole(lines):
    """How many lines read, and what stopped it."""
    chain = Chain()
    for count, line in enumerate(lines):
        try:
            chain.read(line)
        except LineFault as fault:
            return count, fault
    return len(lines), None


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"\n",
        b"{}",
        b"{}\n",
        b"\x00" * 100,
        b"[" * 10_000,
        b'{"seq":1,"sum":"x","type":"Quotes"}\n',
    ],
)
def test_what_is_no_line_is_refused_with_its_place(line):
    with pytest.raises(LineFault, match="line 7: "):
        Chain(7).read(line)


def test_a_fact_of_a_later_version_is_said_to_be_one():
    chain = Chain()
    (line,) = written([ev.ClockAdvanced(at=AT)])
    strange = line.replace(b"ClockAdvanced", b"ClockReversed")
    body = b"{" + strange.rstrip(b"\n").split(b",", 2)[2]
    strange = b'{"seq":1,"sum":"%b",%b\n' % (_chained(FIRST_SUM, body).encode(), body[1:])
    with pytest.raises(LineFault, match="this version cannot read"):
        chain.read(strange)
    assert chain.seq == 1
