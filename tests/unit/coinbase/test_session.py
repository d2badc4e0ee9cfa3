"""One websocket's conversation, on virtual time, against the paper exchange's own frames."""

import json
from datetime import timedelta

import pytest

from sidecar.coinbase import session
from sidecar.coinbase.frames import LevelNews, quotes_of
from sidecar.coinbase.lag import CoinbaseTime, Lag
from sidecar.coinbase.levels import book_parts
from sidecar.coinbase.session import (
    SILENCE_S,
    Close,
    Complaint,
    Fault,
    Gap,
    Live,
    Lost,
    Parsed,
    Session,
    Subscribe,
)
from tests.paper_world import START, made, token
from tests.papers import BIP, ETP
from tests.scenario import D

AT, LATER = START, START + timedelta(seconds=1)

USER = ("heartbeats", "user")
MARKET = ("heartbeats", "ticker")
DEPTH = ("heartbeats", "level2")


def heartbeat(line):
    """The next frame of a feed that has nothing to tell."""
    number = (line.session._sequence or 0) + 1
    return json.dumps({"channel": "heartbeats", "sequence_num": number, "events": []})


class Line:
    """A session and the paper exchange at the two ends of a perfect wire."""

    def __init__(self, channels, products=(), stage=None, optional=()):
        self.stage = stage or made()
        self.session = Session(channels, products, optional=optional)
        self.peer = self.stage.client()

    @property
    def wall(self):
        return self.stage.now_wall

    def open(self):
        self.peer = self.stage.client()
        return self.carry(self.session.opened(self.wall))

    def carry(self, steps):
        """Say what the session wants said, and hear what comes of it, until both are silent."""
        seen = []
        while steps:
            seen += steps
            for step in steps:
                if isinstance(step, Subscribe):
                    kind = "unsubscribe" if step.leave else "subscribe"
                    self.peer.says(
                        type=kind,
                        channel=step.channel,
                        product_ids=list(step.products),
                        jwt=token(),
                    )
            steps = self.hear()
        return seen

    def hear(self):
        frames = self.peer.receives()
        return [step for data in frames for step in self.session.received(data, START, self.wall)]

    def wait(self, seconds):
        self.stage.wait(seconds)
        return [*self.hear(), *self.session.tick(self.wall)]


def only(steps, kind):
    return [step for step in steps if isinstance(step, kind)]


def told(steps):
    return [step.said for step in only(steps, Parsed)]


def frame(sequence, channel="heartbeats", events=()):
    return json.dumps({"channel": channel, "sequence_num": sequence, "events": list(events)})


# ------------------------------------------------------------------------------------- coming up


def test_heartbeats_first_then_the_rest_and_live_when_all_is_acknowledged():
    line = Line(USER)
    steps = line.open()
    assert [step.channel for step in only(steps, Subscribe)] == list(USER)
    assert len(only(steps, Live)) == 1
    assert steps.index(only(steps, Parsed)[0]) < steps.index(only(steps, Live)[0])
    assert line.session.state == "live"


@pytest.mark.parametrize("count", [0, 1, 49, 51, 99])
def test_the_user_feed_is_live_only_after_its_snapshot(count):
    stage = made()
    stage.quote("BTC-USD", "100", "101")
    for _ in range(count):
        stage.limit("BUY", "0.1", "50")
    line = Line(USER, stage=stage)
    steps = line.open()
    place = steps.index(only(steps, Live)[0])
    reports = [report for said in told(steps[:place]) for report in said.reports]
    assert len(reports) == count
    assert {report.status for report in reports} <= {"OPEN"}


def test_a_snapshot_of_exactly_fifty_may_have_no_empty_end():
    line = Line(USER)
    line.session.opened(0.0)
    row = {"order_id": "a", "product_id": "BTC-USD", "order_side": "BUY", "status": "OPEN"}
    batch = {"type": "snapshot", "orders": [row] * 50}
    line.session.received(frame(0, "user", [batch]), START, 0.0)
    ack = {"subscriptions": {"heartbeats": ["heartbeats"], "user": ["me"]}}
    assert not only(line.session.received(frame(1, "subscriptions", [ack]), START, 0.0), Live)
    assert not only(line.session.tick(1.9), Live)
    assert only(line.session.tick(2.0), Live)


def test_without_products_the_market_feed_lives_on_heartbeats():
    line = Line(MARKET)
    steps = line.open()
    assert [step.channel for step in only(steps, Subscribe)] == ["heartbeats"]
    assert only(steps, Live)


def test_what_does_not_come_up_in_time_is_closed_with_what_is_missing():
    line = Line(USER)
    line.session.opened(0.0)
    for second in range(6):
        line.session.received(frame(second), START, float(second))
    (close,) = line.session.tick(5.5)
    assert isinstance(close, Close)
    assert "heartbeats, user did not come within 5 s" in close.reason


def error(words):
    return json.dumps({"type": "error", "message": words})


def test_an_error_while_running_is_said_once_and_loses_nothing():
    line = Line(USER)
    line.open()
    heard = [line.session.received(error("rate limit exceeded"), START, line.wall) for _ in "123"]
    assert heard == [[Complaint("Coinbase answered: rate limit exceeded")], [], []]


def test_an_error_before_any_acknowledgement_ends_nothing():
    """It may be about an optional channel, or about none: what is missing is asked for once more."""
    line = Line(USER)
    line.session.opened(0.0)
    assert line.session.received(error("failure to subscribe"), START, 0.1) == [
        Complaint("Coinbase answered: failure to subscribe")
    ]
    acks = {"subscriptions": {"heartbeats": ["heartbeats"]}}
    line.session.received(frame(0, "subscriptions", [acks]), START, 0.2)
    assert line.session.tick(0.5) == []
    assert line.session.tick(0.7) == [Subscribe("user")]
    assert line.session.tick(1.3) == []


def test_an_error_that_stays_is_in_the_reason_for_a_new_connection():
    line = Line(USER)
    line.session.opened(0.0)
    line.session.received(error("authentication failure"), START, 0.1)
    line.session.tick(1.0)
    line.session.received(error("authentication failure"), START, 1.1)
    (close,) = line.session.tick(5.05)
    assert close == Close(
        "heartbeats, user did not come within 5 s; Coinbase answered: authentication failure"
    )


def settled(line, seconds=10):
    """What comes of an opening, until the feed is live."""
    steps = line.open()
    for _ in range(seconds):
        if line.session.state == "live":
            return steps
        line.stage.wait(1)
        steps += [*line.hear(), *line.carry(line.session.tick(line.wall))]
    raise AssertionError(steps)


PRODUCTS = ("BTC-USD", "BTC-USDC", "ETH-USD", "ETH-USDC", BIP, ETP)


@pytest.mark.parametrize("refused", PRODUCTS)
def test_a_product_that_is_refused_is_left_out_and_the_others_live(refused):
    line = Line(MARKET, PRODUCTS)
    line.stage.world.set_faults(refused_product=refused)
    steps = settled(line)
    assert line.session.left_out == {refused}
    assert not only(steps, Close)
    assert {*line.peer.session.channels["ticker"]} == {*PRODUCTS} - {refused}
    assert len(only(steps, Subscribe)) <= 9  # two, and twice the depth of seven halved


@pytest.mark.parametrize("optional", [(), ("level2",)], ids=["needed", "optional"])
def test_a_product_that_is_refused_spoils_no_channel_of_products(monkeypatch, optional):
    """Though an error does not say of which channel it is."""
    monkeypatch.setattr(session, "PRODUCT_CHANNELS", frozenset({"ticker", "level2"}))
    line = Line((*MARKET, "level2"), PRODUCTS, optional=optional)
    line.stage.world.set_faults(refused_product="ETH-USD")
    assert not only(settled(line), Close)
    assert line.session.left_out == {"ETH-USD"}
    for channel in ("ticker", "level2"):
        assert {*line.peer.session.channels[channel]} == {*PRODUCTS} - {"ETH-USD"}


def test_a_product_that_is_taken_up_after_all_is_left_out_no_longer():
    line = Line(MARKET, PRODUCTS)
    line.stage.world.set_faults(refused_product="ETH-USD")
    settled(line)
    line.stage.world.clear_faults()
    for _ in range(32):
        line.stage.wait(1)
        line.hear()
        line.carry(line.session.tick(line.wall))
    assert not line.session.left_out
    assert "ETH-USD" in line.peer.session.channels["ticker"]


def test_where_every_product_is_refused_the_feed_lives_on_heartbeats():
    line = Line(MARKET, ("ETH-USD",))
    line.stage.world.set_faults(refused_product="ETH-USD")
    settled(line)
    assert line.session.left_out == {"ETH-USD"}
    assert [*line.peer.session.channels] == ["heartbeats"]


def test_a_part_without_an_answer_is_not_waited_for():
    line = Line(MARKET, ("BTC-USD", "ETH-USD"))
    line.session.opened(0.0)
    acks = {"subscriptions": {"heartbeats": ["heartbeats"]}}
    line.session.received(frame(0, "subscriptions", [acks]), START, 0.1)
    line.session.received(error("no"), START, 0.2)
    asked = only(line.session.tick(1.0), Subscribe)
    assert [step.products for step in asked] == [("BTC-USD", "ETH-USD")]
    line.session.received(frame(1), START, 5.9)
    assert only(line.session.tick(6.1), Live)
    line.session.received(frame(2), START, 36.0)
    again = only(line.session.tick(36.2), Subscribe)
    assert [step.products for step in again] == [("BTC-USD",), ("ETH-USD",)]


def waited(line, seconds):
    """Every step while time goes by on a running feed."""
    steps = []
    for _ in range(seconds):
        line.stage.wait(1)
        line.hear()
        steps += line.carry(line.session.tick(line.wall))
    return steps


def test_a_product_that_is_refused_when_it_is_followed_later_is_left_out_and_said_once():
    line = Line(MARKET, ("BTC-USD",))
    settled(line)
    line.stage.world.set_faults(refused_product="ETH-USD")
    line.carry(line.session.follow(("BTC-USD", "ETH-USD"), line.wall))
    told = [one.text for one in only(waited(line, 120), Complaint) if "left out" in one.text]
    assert (line.session.left_out, len(told)) == ({"ETH-USD"}, 1)
    line.stage.world.clear_faults()
    waited(line, 32)
    assert not line.session.left_out
    line.stage.world.set_faults(refused_product="ETP-20DEC30-CDE")
    line.carry(line.session.follow(("BTC-USD", ETP), line.wall))
    waited(line, 60)
    assert line.session.left_out == {ETP}
    line.carry(line.session.follow(("BTC-USD",), line.wall))
    assert not line.session.left_out


def test_of_many_that_are_not_on_each_has_its_turn():
    """A good one among them comes up, however many are refused for good."""
    line = Line(MARKET, ("BTC-USD",))
    settled(line)
    names = tuple(f"BAD{number}-USD" for number in range(45))
    line.session.follow(("BTC-USD", *names), line.wall)
    asked = []
    for _ in range(4):
        line.stage.wait(31)
        line.session.heard = line.wall
        steps = line.session.tick(line.wall)
        asked.append([name for step in only(steps, Subscribe) for name in step.products])
    assert [len(turn) for turn in asked] == [20, 20, 20, 20]
    assert {*asked[0], *asked[1], *asked[2]} == {*names}
    assert line.session.left_out == {*names}


# ------------------------------------------------------------------------------------ running


def test_quotes_and_orders_come_through_as_facts():
    stage = made()
    stage.quote("BTC-USD", "100", "101")
    market, user = Line(MARKET, ("BTC-USD",), stage), Line(USER, stage=stage)
    market.open()
    user.open()
    stage.quote("BTC-USD", "102", "103")
    (quotes,) = told(market.hear())
    assert [(q.product_id, q.bid, q.ask) for q in quotes_of(quotes.rows)] == [("BTC-USD", 102, 103)]
    order = stage.order("BUY", market_market_ioc={"base_size": "0.5"})
    reports = [report for said in told(user.hear()) for report in said.reports]
    assert [report.status for report in reports] == ["PENDING", "OPEN", "FILLED"]
    last = reports[-1]
    assert (last.order_id, last.client_order_id) == (order.order_id, order.client_order_id)
    assert (last.filled, last.average_price, last.fees) == (order.filled, 103, order.fees)
    assert (last.leaves, last.rests, last.limit_price) == (0, False, None)


def test_a_jump_is_a_gap_and_what_came_with_it_still_counts():
    line = Line(MARKET, ("BTC-USD",))
    line.stage.quote("BTC-USD", "100", "101")
    line.open()
    line.stage.world.set_faults(drop_frames=2, frames_channel="ticker")
    for bid in ("102", "104", "106"):
        line.stage.quote("BTC-USD", bid, "107")
    steps = line.hear()
    (gap,) = only(steps, Gap)
    assert gap.got - gap.expected == 2
    assert [quotes_of(said.rows)[0].bid for said in told(steps)] == [106]


def test_late_and_repeated_frames_are_passed_over():
    line = Line(MARKET, ("BTC-USD",))
    line.stage.quote("BTC-USD", "100", "101")
    line.open()
    line.stage.world.set_faults(duplicate_frames=1, frames_channel="ticker")
    line.stage.quote("BTC-USD", "102", "103")
    assert len(line.hear()) == 1
    line.stage.world.set_faults(reorder_frames=1, frames_channel="ticker")
    line.stage.quote("BTC-USD", "104", "105")
    line.stage.quote("BTC-USD", "106", "107")
    steps = line.hear()
    assert len(only(steps, Gap)) == 1
    assert [quotes_of(said.rows)[0].bid for said in told(steps)] == [106]


def test_a_count_that_begins_again_is_a_gap_and_is_followed():
    line = Line(MARKET, ("BTC-USD",))
    line.stage.quote("BTC-USD", "100", "101")
    line.open()
    line.stage.world.set_faults(restart_sequence=1, frames_channel="ticker")
    for bid in ("102", "104", "106"):
        line.stage.quote("BTC-USD", bid, "109")
    steps = line.hear()
    assert (only(steps, Gap), steps[0]) == ([steps[0]], steps[0])
    assert [quotes_of(said.rows)[0].bid for said in told(steps)] == [102, 104, 106]


def test_a_count_that_begins_again_where_its_first_frames_are_lost_is_followed_too():
    line = Line(USER)
    line.open()
    line.session.received(frame(50), START, line.wall)  # a gap
    heard = [line.session.received(frame(number), START, line.wall) for number in (7, 8, 9)]
    assert heard == [[], [Gap(51, 8)], []]


def test_the_first_frame_repeated_is_no_beginning():
    line = Line(USER)
    line.session.opened(0.0)
    assert [line.session.received(frame(0), START, 0.1) for _ in "12"] == [[], []]
    assert line.session.received(frame(1), START, 0.1) == []


def test_silence_is_death_and_heartbeats_are_life():
    line = Line(USER)
    line.open()
    for _ in range(30):
        assert not only(line.wait(1), Close)
    line.stage.world.set_faults(stall_heartbeats=True)
    for _ in range(int(SILENCE_S)):
        assert not only(line.wait(1), Close)
    assert only(line.wait(1), Close)


def test_a_new_connection_begins_again_from_nothing():
    line = Line(USER)
    line.open()
    assert line.session.lost("the wire was cut") == [Lost("the wire was cut")]
    assert line.session.lost("nobody there") == []
    assert line.session.state == "connecting"
    assert line.session.tick(1_000.0) == []
    assert only(line.open(), Live)


def test_products_can_be_followed_and_left_while_it_runs():
    stage = made()
    for product in ("BTC-USD", "ETH-USD"):
        stage.quote(product, "100", "101")
    line = Line(MARKET, ("BTC-USD",), stage)
    line.open()
    steps = line.carry(line.session.follow(["ETH-USD"], line.wall))
    assert [(s.channel, s.products, s.leave) for s in only(steps, Subscribe)] == [
        ("ticker", ("ETH-USD",), False), ("ticker", ("BTC-USD",), True),
    ]  # fmt: skip
    for product in ("BTC-USD", "ETH-USD"):
        stage.quote(product, "102", "103")
    assert [said.rows[0].product_id for said in told(line.hear())] == ["ETH-USD"]
    assert line.session.follow(["ETH-USD"], line.wall) == []


def test_products_that_are_not_taken_up_are_asked_for_again_one_by_one():
    line = Line(MARKET, ("BTC-USD",))
    line.open()
    line.session.follow(["BTC-USD", "ETH-USD", "SOL-USD"], line.wall)  # and the message is lost
    for after, again in ((4.0, False), (5.1, True), (20.0, False), (35.3, True)):
        line.session.received(heartbeat(line), AT, line.wall + after)
        asked = [s.products for s in only(line.session.tick(line.wall + after), Subscribe)]
        assert asked == ([("ETH-USD",), ("SOL-USD",)] if again else [])


def test_a_subscription_that_ends_by_itself_is_asked_for_again():
    line = Line(MARKET, ("BTC-USD", "ETH-USD"))
    settled(line)
    line.stage.world.set_faults(end_subscription="ETH-USD")
    line.hear()
    assert line.session.products_on >= {"BTC-USD"}
    assert "ETH-USD" not in line.session.products_on
    waited(line, 7)
    assert line.session.products_on >= {"BTC-USD", "ETH-USD"}


# ------------------------------------------------------------------------------------------ depth


def levels(steps):
    """Every row of level2 that came with these steps, by its event."""
    parts = [part for news in told(steps) for part in book_parts(news.events)]
    return [(part.product_id, part.begins, len(part.rows)) for part in parts]


def test_a_feed_of_depth_is_live_without_books_and_tells_those_that_are_followed():
    stage = made()
    stage.quote("BTC-USD", "100", "101")
    line = Line(DEPTH, stage=stage)
    assert len(only(line.open(), Live)) == 1
    steps = line.carry(line.session.follow(("BTC-USD",), line.wall))
    assert [(s.channel, s.products) for s in only(steps, Subscribe)] == [("level2", ("BTC-USD",))]
    assert levels(steps) == [("BTC-USD", True, 100)]
    assert line.session.products_on >= {"BTC-USD"}
    stage.quote("BTC-USD", "100", "102")
    ((name, begins, _),) = levels(line.wait(0.05))
    assert (name, begins) == ("BTC-USD", False)


def test_a_book_is_begun_anew_by_leaving_it_and_asking_again():
    stage = made()
    stage.quote("BTC-USD", "100", "101")
    stage.quote("ETH-USD", "10", "11")
    line = Line(DEPTH, ("BTC-USD", "ETH-USD"), stage)
    line.open()
    steps = line.carry(line.session.renew(("ETH-USD", "GONE-USD"), line.wall))
    assert [(s.products, s.leave) for s in only(steps, Subscribe)] == [
        (("ETH-USD",), True),
        (("ETH-USD",), False),
    ]
    assert levels(steps) == [("ETH-USD", True, 100)]
    assert line.session.products_on >= {"BTC-USD", "ETH-USD"}
    assert line.session.renew((), line.wall) == []


def test_a_book_that_is_left_is_off_before_that_is_acknowledged():
    """Wanted again at once, it is not taken for one that is on."""
    line = Line(DEPTH, ("BTC-USD",))
    line.open()
    assert "BTC-USD" in line.session.products_on
    line.session.follow((), line.wall)
    assert "BTC-USD" not in line.session.products_on


def test_without_a_connection_no_book_is_begun_anew():
    """The connection will begin with all of them."""
    assert Session(DEPTH, ("BTC-USD",)).renew(("BTC-USD",), 0.0) == []


def test_a_book_that_coinbase_refuses_is_left_out_in_words_of_its_own():
    line = Line(DEPTH)
    settled(line)
    line.stage.world.set_faults(refused_product="ETH-USD")
    line.carry(line.session.follow(("BTC-USD", "ETH-USD"), line.wall))
    (told_once,) = [s.text for s in only(waited(line, 120), Complaint) if "left out" in s.text]
    assert told_once == "ETH-USD is left out: its depth is read over REST"
    assert line.session.products_on >= {"BTC-USD"}


def test_levels_of_a_late_frame_are_of_the_time_when_coinbase_told_them():
    time = CoinbaseTime()
    time.heard(START, 0.0, 0.0)
    session = Session(DEPTH, lag=Lag(time, lambda: 10.0))
    session.opened(0.0)
    data = {"channel": "l2_data", "sequence_num": 0, "events": [], "timestamp": START.isoformat()}
    (step,) = session.received(json.dumps(data), LATER, 4.0)
    assert isinstance(step, Parsed)
    assert isinstance(step.said, LevelNews)
    assert step.said == LevelNews(LATER - timedelta(seconds=4), step.said.events)
    assert session.told_at == LATER - timedelta(seconds=4)


def test_a_session_knows_of_which_moment_its_last_frame_is():
    line = Line(DEPTH)
    assert line.session.told_at is None
    line.open()
    line.session.received(heartbeat(line), AT, line.wall)
    assert line.session.told_at == AT
    line.session.received(heartbeat(line), LATER, line.wall)
    assert line.session.told_at == LATER


def test_an_account_without_futures_has_a_feed_all_the_same():
    """The channel that is refused is told of once; the others come in."""
    session = Session(("heartbeats", "user", "futures"), optional=("futures",))
    session.opened(0.0)
    acks = {"heartbeats": ["heartbeats"], "user": ["me"]}
    frames = [
        {"channel": "subscriptions", "sequence_num": 0, "events": [{"subscriptions": acks}]},
        {"type": "error", "message": "failure to subscribe"},
        {"channel": "user", "sequence_num": 1, "events": [{"type": "snapshot", "orders": []}]},
    ]
    steps = [step for frame in frames for step in session.received(json.dumps(frame), AT, 0.1)]
    assert [type(step) for step in steps] == [Complaint, Parsed, Live]


def test_a_frame_is_of_the_time_it_is_stamped_with_where_the_exchange_has_the_clock():
    stamps = []

    def stamped(text):
        stamps.append(text)
        return AT

    session = Session(("heartbeats",), stamped=stamped)
    session.opened(0.0)
    session.received(
        '{"channel":"heartbeats","timestamp":"2018-04-04T12:00:00Z","events":[]}', LATER, 0.1
    )
    assert stamps == ["2018-04-04T12:00:00Z"]


@pytest.mark.parametrize(
    ("stamp", "told_at"), [(START.isoformat(), START), ("", None), ("noon", None)]
)
def test_a_frame_of_the_futures_wallet_says_when_coinbase_told_it(stamp, told_at):
    """Trades are compared with that, by Coinbase's clock alone; a stamp without sense spoils no balance."""
    session = Session(("futures_balance_summary",))
    session.opened(0.0)
    event = {"fcm_balance_summary": {"cfm_usd_balance": "5000", "cbi_usd_balance": "6000"}}
    frame = {"channel": "futures_balance_summary", "timestamp": stamp, "events": [event]}
    (said,) = told(session.received(json.dumps(frame), LATER, 0.1))
    assert (said.at, said.told_at, said.spot_cash) == (LATER, told_at, 6_000)


# ------------------------------------------------------------------------------------ nonsense


@pytest.mark.parametrize(
    "data",
    [b"", b"{", b"\xff", b"[]", b"5", b'{"channel":5}', b"[" * 100_000,
     b'{"channel":"ticker","sequence_num":9,"events":{}}',
     b'{"channel":"user","sequence_num":9,"events":[{"orders":[5]}]}'],
)  # fmt: skip
def test_a_frame_that_cannot_be_read_is_left_out_and_said(data):
    line = Line(USER)
    line.open()
    steps = line.session.received(data, START, line.wall)
    assert only(steps, Fault)
    assert line.session.state == "live"


def test_one_order_that_cannot_be_read_does_not_hide_the_others():
    line = Line(USER)
    line.open()
    good = {"order_id": "a", "product_id": "BTC-USD", "order_side": "BUY", "status": "OPEN"}
    bad = good | {"order_id": "b", "avg_price": "NaN"}
    event = {"type": "update", "orders": [bad, good]}
    steps = line.session.received(frame(99, "user", [event]), START, line.wall)
    (fault,) = only(steps, Fault)
    assert fault.text == "order b: avg_price is not a number"
    assert [report.order_id for said in told(steps) for report in said.reports] == ["a"]


@pytest.mark.parametrize(
    "odd", [{"time_in_force": []}, {"order_type": 5}, {"status": None}, {"order_side": None}]
)
def test_an_odd_field_is_a_fault_and_never_an_end(odd):
    line = Line(USER)
    line.open()
    row = {"order_id": "a", "product_id": "BTC-USD", "order_side": "BUY", "status": "OPEN"} | odd
    steps = line.session.received(frame(99, "user", [{"orders": [row]}]), START, line.wall)
    assert only(steps, Fault)


@pytest.mark.parametrize("odd", [{"creation_time": {}}, {"creation_time": "yesterday"}])
def test_a_time_that_cannot_be_read_costs_no_order(odd):
    line = Line(USER)
    line.open()
    row = {"order_id": "a", "product_id": "BTC-USD", "order_side": "BUY", "status": "OPEN"} | odd
    steps = line.session.received(frame(99, "user", [{"orders": [row]}]), START, line.wall)
    assert not only(steps, Fault)
    assert [report.created_at for said in told(steps) for report in said.reports] == [None]


@pytest.mark.parametrize(
    ("kind", "ours"),
    [("EQUITY", False), ("OPTION", False), ([], True), (None, True), ("", True), ("SPOT", True)],
)
def test_an_order_of_another_kind_is_nobody_s_fault(kind, ours):
    line = Line(USER)
    line.open()
    row = {
        "order_id": "a",
        "product_id": "X-USD",
        "order_side": "BUY",
        "status": "OPEN",
        "product_type": kind,
    }
    steps = line.session.received(frame(99, "user", [{"orders": [row]}]), START, line.wall)
    assert not only(steps, Fault)
    assert [report.order_id for said in told(steps) for report in said.reports] == ["a"] * ours


def test_one_quote_that_makes_no_sense_does_not_hide_the_others():
    line = Line(MARKET, ("BTC-USD",))
    line.open()
    rows = [{"product_id": "A-USD", "best_bid": "-5", "best_ask": "1"}, {"product_id": "B-USD", "best_bid": "x", "best_ask": "1"},
            {"product_id": "C-USD", "best_bid": "1", "best_ask": "2"}]  # fmt: skip
    steps = line.session.received(frame(99, "ticker", [{"tickers": rows}]), START, line.wall)
    assert [quote.product_id for said in told(steps) for quote in quotes_of(said.rows)] == ["C-USD"]


@pytest.mark.parametrize("none", [None, "", "0"])
def test_a_book_without_one_side_has_no_row_that_takes_the_place_of_another(none):
    line = Line(MARKET, ("BTC-USD",))
    line.open()
    rows = [{"product_id": "A-USD", "best_bid": none, "best_ask": "1"}, {"product_id": "A-USD", "best_bid": "1", "best_ask": none}]  # fmt: skip
    steps = line.session.received(frame(99, "ticker", [{"tickers": rows}]), START, line.wall)
    assert not told(steps)


@pytest.mark.parametrize(
    ("told_size", "size"),
    [
        ("0.5", D("0.5")),
        (0.5, D("0.5")),
        ("", None),
        ("0", None),
        ("-1", None),
        ("x", None),
        ([], None),
    ],
)
def test_what_is_offered_at_a_price_is_read_and_never_hides_the_price(told_size, size):
    line = Line(MARKET, ("BTC-USD",))
    line.open()
    row = {"product_id": "A-USD", "best_bid": "1", "best_ask": "2", "best_bid_quantity": told_size}
    steps = line.session.received(frame(99, "ticker", [{"tickers": [row]}]), START, line.wall)
    (quote,) = [quote for said in told(steps) for quote in quotes_of(said.rows)]
    assert (quote.bid, quote.bid_size, quote.ask_size) == (1, size, None)


def test_sparse_frames_and_nulls_are_enough():
    stage = made()
    stage.quote("BTC-USD", "100", "101")
    line = Line(USER, stage=stage)
    line.open()
    for fault in ({"sparse_user_frames": True}, {"null_optionals": True}):
        stage.world.clear_faults()
        stage.world.set_faults(fault)
        stage.limit("BUY", "0.1", "50")
        steps = line.hear()
        assert not only(steps, Fault)
        assert len(told(steps)) == 2


def test_an_unknown_channel_is_passed_over():
    line = Line(USER)
    line.open()
    line.stage.wait(1)
    (beat,) = line.peer.receives()
    line.session.received(beat, START, line.wall)
    following = json.loads(beat)["sequence_num"] + 1
    assert line.session.received(frame(following, "novelties"), START, line.wall) == []
