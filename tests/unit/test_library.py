"""The library's face: plain verbs, exact numbers, the real clock by default, and files."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from sidecar import Limits, PositionTracker, RiskManager, ValueAtRisk, clock
from sidecar.core.account.losses import daily
from sidecar.core.context.custom_rule import CustomRule
from sidecar.core.vocabulary.actions import CancelOrders, ReduceOnly
from sidecar.core.vocabulary.errors import Misuse, UnknownProduct, Untrusted
from sidecar.storage.codec import StateFileError
from tests.scenario import PRODUCTS, START, D, limit_order
from tests.tracking import check_books, state_bytes

ROW = {
    "product_id": "ABC-USD", "product_type": "SPOT", "base_currency_id": "ABC", "quote_currency_id": "USD",
    "base_increment": "0.01", "quote_increment": "0.01", "price_increment": "0.01",
}  # fmt: skip


class Watch:
    """A clock that is set by hand."""

    def __init__(self):
        self.now = START

    def __call__(self):
        return self.now

    def wait(self, **time):
        self.now += timedelta(**time)


@pytest.fixture
def watch():
    return Watch()


@pytest.fixture
def tracker(watch):
    made = PositionTracker(clock=watch)
    made.list_products(PRODUCTS)
    made.balance("USD", 100_000)
    made.mark("BTC-USD", 64000)
    return made


def held(tracker, key="BTC"):
    line = tracker.account.lines.get(key)
    return D(0) if line is None else line.position.quantity


# --- The verbs ------------------------------------------------------------------------------------


def test_products_are_given_as_coinbase_lists_them_or_as_products(tracker):
    tracker.list_products([ROW, PRODUCTS[0]])
    tracker.mark("ABC-USD", "5")
    assert tracker.marks.usd("ABC") == 5


def test_a_mark_is_one_price_or_bid_and_ask_of_the_book_that_the_product_trades_in(tracker):
    tracker.mark("BTC-USDC", "63000", "63002")
    assert tracker.marks.usd("BTC") == 63001


def test_a_mark_may_say_what_is_offered(tracker):
    tracker.mark("BTC-USD", "63000", "63002", bid_size="0.5", ask_size="0.25")
    quote = tracker.marks.quotes["BTC-USD"]
    assert (quote.bid_size, quote.ask_size) == (D("0.5"), D("0.25"))


def test_the_depth_of_a_book_bounds_what_an_order_may_cost(tracker, watch):
    """Told in text, by any product of the book; good for half a minute."""
    manager = RiskManager(
        Limits(max_order_slippage="0.001", max_quote_age_s=90), tracker, clock=watch
    )
    tracker.balance("USD", "100000")
    tracker.mark("BTC-USD", "64000")
    body = {
        "client_order_id": "bot-1", "product_id": "BTC-USD", "side": "BUY",
        "order_configuration": {"market_market_ioc": {"base_size": "0.4"}},
    }  # fmt: skip
    (refusal,) = manager.validate_order(body).violations
    assert refusal.message == "no depth of BTC-USD is known that is young enough; tell it"
    tracker.depth(
        "BTC-USD",
        bids=[("63990", "0.1"), ("63900", 10)],
        asks=[("64010", "0.1"), ("64100", 10)],
    )
    assert manager.validate_order(body).max_base_size == D("0.25")
    with pytest.raises(Misuse, match="price"):
        tracker.depth("BTC-USD", bids=[(63990.5, 1)], asks=[])
    with pytest.raises(Untrusted, match="cannot be"):
        tracker.depth("BTC-USD", bids=[(1, 1), (2, 1)], asks=[(3, 1)])


def test_the_day_in_the_life_of_an_order(tracker):
    """Placed, partly filled, filled: position, funds and fees follow."""
    tracker.order_placed(
        "o1", "BTC-USD", "BUY", "1", "60000", client_order_id="c1", strategy_id="trend"
    )
    assert (tracker.wallets.get("USD").held, tracker.account.orders) == (D(60000) * D("1.012"), 1)
    tracker.order_updated("o1", filled="0.4", average_price="60000", fees="10")
    tracker.order_updated("o1", status="FILLED", filled="1", average_price="59990", fees="25")
    assert (held(tracker), tracker.account.orders, tracker.account.pnl.fees) == (1, 0, 25)
    assert tracker.wallets.get("USD").total == 100_000 - 59990 - 25
    assert tracker.strategies["trend"].net_pnl == tracker.net_pnl == 64000 - 59990 - 25


def test_a_cancel_keeps_the_fills_and_their_prices(tracker):
    """CANCELLED repeats the filled quantity but not its price."""
    tracker.order_placed("o1", "BTC-USD", "BUY", "1", "60000")
    tracker.order_updated("o1", filled="0.5", average_price="59000")
    tracker.order_cancelled("o1")
    tracker.order_cancelled("o1")
    assert (held(tracker), tracker.account.lines["BTC"].position.cost) == (D("0.5"), 29500)
    assert tracker.wallets.get("USD").held == 0


def test_a_market_order_has_no_price_and_does_not_rest(tracker):
    tracker.order_placed("o1", "BTC-USD", "SELL", "1")
    order = tracker.ledger.working["o1"]
    assert (order.limit_price, order.rests, order.remaining) == (None, False, 1)


def test_fills_by_id_and_updates_of_the_same_order_count_once(tracker):
    tracker.order_placed("o1", "BTC-USD", "BUY", "1", "60000")
    tracker.fill("f1", "BTC-USD", "BUY", "0.4", "60000", "1", order_id="o1")
    assert "o1" in tracker.ledger.working
    tracker.order_updated("o1", filled="0.4", average_price="60000", fees="1")
    tracker.fill("f2", "BTC-USD", "BUY", "0.6", "60000", "2", order_id="o1")
    tracker.fill("f2", "BTC-USD", "BUY", "0.6", "60000", "2", order_id="o1")
    assert (held(tracker), tracker.account.pnl.fees, tracker.ledger.working) == (1, 3, {})


def test_a_fill_of_no_known_order_is_an_order_of_its_own(tracker):
    for _ in range(2):
        tracker.fill(
            "f1", "BTC-USD", "BUY", "1", "60000", "0.001", fee_currency="BTC", strategy_id="trend"
        )
    assert (held(tracker), tracker.ledger.working) == (D("0.999"), {})
    assert tracker.strategies["trend"].pnl.fees == 64


def test_a_fill_that_names_an_order_does_not_say_its_size(tracker, watch):
    """The first fill overtakes the order: what is left of it still works."""
    manager = RiskManager(tracker=tracker, clock=watch)
    assert manager.validate_order(limit_order(1, 60000, name="c1"))
    for number in (1, 2):
        tracker.fill(f"f{number}", "BTC-USD", "BUY", "0.15", "60000", order_id="o1")
    tracker.order_placed("o1", "BTC-USD", "BUY", "1", "60000", client_order_id="c1")
    assert (held(tracker), tracker.account.lines["BTC"].open_buy) == (D("0.3"), D("0.7"))
    tracker.fill("f3", "BTC-USD", "BUY", "0.7", "60000", order_id="o1")
    assert (held(tracker), tracker.ledger.working) == (1, {})


def test_a_balance_may_name_the_price_that_was_paid(tracker):
    tracker.balance("BTC", "2", hold="0.5", average_entry_price="50000")
    assert tracker.account.lines["BTC"].position.average_price() == 50000
    assert (tracker.wallets.get("BTC").foreign_hold, tracker.net_pnl) == (D("0.5"), 0)


def test_a_later_balance_is_believed_when_it_is_given_twice(tracker, watch):
    for seconds in (3, 3):
        watch.wait(seconds=seconds)
        tracker.balance("USD", "90000")
    assert (tracker.wallets.get("USD").total, tracker.net_pnl) == (90_000, 0)


def test_keep_and_cash_are_configured_by_name():
    tracker = PositionTracker(keep={"BTC": "0.5", "ETH": "all", "SOL": 3}, cash=["USD"])
    assert tracker.wallets.keep == {"BTC": D("0.5"), "ETH": None, "SOL": 3}
    assert tracker.books.cash == {"USD"}


def test_the_day_rolls_by_itself_with_the_first_fact_after_the_boundary(tracker, watch):
    tracker.fill("f1", "BTC-USD", "BUY", "1", "64000")
    for _ in range(3):
        tracker.mark("BTC-USD", "63000")
        watch.wait(seconds=1)
    watch.wait(days=1)
    tracker.mark("BTC-USD", "62000")
    assert daily(tracker).usd == 1000


# --- What is refused ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "value", [0.1, True, None, "1,5", "NaN", "", Decimal("Infinity"), b"1", "9" * 99]
)
def test_a_number_that_is_not_exact_is_refused_by_name(tracker, value):
    before = state_bytes(tracker)
    with pytest.raises(Misuse, match=r"^size: "):
        tracker.fill("f1", "BTC-USD", "BUY", value, "64000")
    assert state_bytes(tracker) == before


def test_a_float_is_answered_with_what_to_write(tracker):
    with pytest.raises(
        Misuse, match=r'0\.1 is not exact; give text, an int or a Decimal, for example "0\.1"'
    ):
        tracker.mark("BTC-USD", 0.1)


@pytest.mark.parametrize("side", ["buy", "SHORT", "", None])
def test_a_side_that_is_neither_is_no_sell(tracker, side):
    before = state_bytes(tracker)
    with pytest.raises(Misuse, match='is neither "BUY" nor "SELL"'):
        tracker.fill("f1", "BTC-USD", side, 1, 64000)
    with pytest.raises(Misuse, match='is neither "BUY" nor "SELL"'):
        tracker.order_placed("o1", "BTC-USD", side, 1, 64000)
    assert state_bytes(tracker) == before


def test_a_status_that_coinbase_does_not_have_is_refused(tracker):
    tracker.order_placed("o1", "BTC-USD", "BUY", 1, 64000)
    with pytest.raises(Misuse, match="status 'cancelled' is none of UNKNOWN_ORDER_STATUS, PENDING"):
        tracker.order_updated("o1", status="cancelled")


def test_an_order_that_was_never_placed_cannot_be_updated(tracker):
    with pytest.raises(Misuse, match="order 'o1' is not known; call order_placed first"):
        tracker.order_cancelled("o1")


def test_a_fill_at_no_price_is_refused(tracker):
    tracker.order_placed("o1", "BTC-USD", "BUY", 1)
    with pytest.raises(Untrusted, match="filled, but at no price"):
        tracker.order_updated("o1", filled=1)


def test_an_unknown_product_is_refused_by_name(tracker):
    with pytest.raises(UnknownProduct, match="'XYZ-USD' is not listed"):
        tracker.mark("XYZ-USD", 1)


def test_a_moment_without_a_time_zone_is_refused(tracker):
    naive = datetime(2026, 1, 1)  # noqa: DTZ001
    with pytest.raises(Misuse, match="has no time zone; give an aware datetime"):
        tracker.mark("BTC-USD", 1, at=naive)


def test_one_clock_serves_both_wherever_it_was_given(watch):
    for manager in (
        RiskManager(tracker=PositionTracker(clock=watch)),
        RiskManager(tracker=PositionTracker(), clock=watch),
        RiskManager(clock=watch),
    ):
        tracker = manager.tracker
        assert isinstance(tracker, PositionTracker)
        assert (manager.clock, tracker.clock) == (watch, watch)
    assert RiskManager().clock is clock.now


def test_a_clock_without_a_time_zone_is_refused():
    for made in (PositionTracker, RiskManager):
        with pytest.raises(Misuse, match="has no time zone; give an aware datetime"):
            made(clock=lambda: datetime(2026, 1, 1))  # noqa: DTZ001
    with pytest.raises(Misuse, match="has no time zone"):
        RiskManager(tracker=PositionTracker(), clock=lambda: datetime(2026, 1, 1))  # noqa: DTZ001


def test_a_keep_below_zero_is_refused():
    with pytest.raises(Misuse, match="keep: '-1' is below zero; give an amount"):
        PositionTracker(keep={"BTC": "-1"})


def test_a_manager_of_something_else_is_refused_with_the_mend(tracker):
    wrong: Any = {"max_leverage": 2}
    with pytest.raises(Misuse, match=r"limits: .* give Limits\("):
        RiskManager(wrong)
    with pytest.raises(Misuse, match=r"limits: .* give Limits\("):
        RiskManager(tracker=tracker).reload(wrong)
    with pytest.raises(Misuse, match=r"tracker: .* give a PositionTracker"):
        RiskManager(Limits(), wrong)


def test_the_callers_moment_wins_over_the_clock(tracker):
    later = START + timedelta(hours=1)
    tracker.mark("BTC-USD", 65000, at=later)
    assert tracker.marks.by_key["BTC"].at == later


# --- Files ----------------------------------------------------------------------------------------


def test_a_tracker_saved_and_loaded_is_the_same(tracker, tmp_path, watch):
    tracker.order_placed("o1", "BTC-USD", "BUY", "1", "60000")
    tracker.fill("f1", "BTC-USD", "BUY", "0.4", "60000", "1", order_id="o1")
    tracker.save(tmp_path / "state.json")
    again = PositionTracker(clock=watch).load(str(tmp_path / "state.json"))
    assert state_bytes(again) == state_bytes(tracker)
    check_books(again)


def test_where_there_is_no_file_both_stay_empty(tmp_path):
    assert PositionTracker().load(tmp_path / "none").wallets.by_currency == {}
    assert RiskManager().load(tmp_path / "none").tracker.wallets.by_currency == {}


def test_loading_into_books_in_use_is_refused(tracker, tmp_path):
    tracker.save(tmp_path / "state.json")
    with pytest.raises(Misuse, match="load the state into a new one"):
        tracker.load(tmp_path / "state.json")


def test_a_managers_file_is_not_taken_up_without_the_manager(tracker, tmp_path, watch):
    """Its HALT would be lost."""
    RiskManager(tracker=tracker, clock=watch).save(tmp_path / "state.json")
    with pytest.raises(Misuse, match=r"take it up with RiskManager\.load"):
        PositionTracker(clock=watch).load(tmp_path / "state.json")


def test_a_missing_directory_is_named(tracker, tmp_path):
    with pytest.raises(FileNotFoundError, match=f"make it first: '{tmp_path}/missing'"):
        tracker.save(tmp_path / "missing" / "state.json")


def test_a_damaged_file_is_refused(tmp_path):
    (tmp_path / "state.json").write_text("{")
    with pytest.raises(StateFileError):
        RiskManager().load(tmp_path / "state.json")


def test_a_manager_saved_and_loaded_is_as_tight_as_before(tracker, watch, tmp_path):
    """A restart never loosens."""
    manager = RiskManager(Limits(max_daily_loss="500 USD"), tracker, clock=watch)
    tracker.fill("f1", "BTC-USD", "BUY", "1", "64000")
    tracker.mark("BTC-USD", "63000")
    (found,) = manager.check_and_liquidate_on_loss()
    assert isinstance(found, ReduceOnly)
    manager.save(tmp_path / "state.json")
    again = RiskManager(Limits(max_daily_loss="500 USD"), clock=watch).load(tmp_path / "state.json")
    assert again.state.account == "REDUCE_ONLY"
    assert "STATE_REDUCE_ONLY" in again.validate_order(limit_order("0.01", 63000)).codes
    assert state_bytes(again.tracker) == state_bytes(tracker)


def test_a_manager_can_begin_with_a_trackers_file(tracker, watch, tmp_path):
    tracker.save(tmp_path / "state.json")
    manager = RiskManager(clock=watch).load(tmp_path / "state.json")
    assert manager.tracker.wallets.get("USD").total == 100_000
    assert manager.validate_order(limit_order("0.01", 64000))


# --- The manager ----------------------------------------------------------------------------------


def test_without_limits_a_manager_judges_funds_and_validity_alone(tracker, watch):
    manager = RiskManager(tracker=tracker, clock=watch)
    assert manager.validate_order(limit_order("0.01", 64000))
    assert "INSUFFICIENT_FUNDS" in manager.validate_order(limit_order("3", 64000)).codes


def test_a_users_own_rules_are_asked(tracker, watch):
    rule = CustomRule("no-sundays", lambda *_: "closed on Sundays")
    manager = RiskManager(tracker=tracker, clock=watch, custom=[rule])
    assert manager.validate_order(limit_order("0.01", 64000)).codes == ("CUSTOM",)


def test_an_operators_words_are_plain_verbs(tracker, watch):
    manager = RiskManager(tracker=tracker, clock=watch)
    assert manager.halt("look first")
    assert "STATE_HALTED" in manager.validate_order(limit_order("0.01", 64000)).codes
    assert manager.resume("looked")
    assert manager.validate_order(limit_order("0.01", 64000))
    tracker.order_placed("o1", "BTC-USD", "BUY", "0.1", "60000")
    asked = manager.reduce_only("careful", product_id="BTC-USD", cancel_adding=True)
    assert [one.order_ids for one in asked if isinstance(one, CancelOrders)] == [("o1",)]
    assert "STATE_REDUCE_ONLY" in manager.validate_order(limit_order("0.01", 64000)).codes
    assert manager.resume("enough")
    assert manager.reset_loss("daily", "a new day")
    assert manager.reload(Limits(max_order_notional=100))
    assert "MAX_ORDER_NOTIONAL" in manager.validate_order(limit_order("0.01", 64000)).codes


def test_a_flattening_is_asked_for_and_reported_done(tracker, watch):
    manager = RiskManager(tracker=tracker, clock=watch)
    tracker.fill("f1", "BTC-USD", "BUY", "1", "64000")
    manager.flatten("holiday")
    assert manager.state.account == "LIQUIDATING"
    manager.liquidation_ended(flat=True)
    assert manager.state.account == "HALTED"


def test_a_loss_window_that_there_is_not_is_refused(tracker, watch):
    wrong: Any = "yearly"
    with pytest.raises(Misuse, match="window: 'yearly' is none of daily, weekly, monthly, "):
        RiskManager(tracker=tracker, clock=watch).reset_loss(wrong, "why not")


def test_by_default_the_clock_is_the_real_one():
    """Aware, UTC, and moving on."""
    before = datetime.now(UTC)
    tracker, manager = PositionTracker(), RiskManager()
    assert before <= clock.now() <= datetime.now(UTC)
    assert clock.now().tzinfo is UTC
    assert tracker.windows is not None
    assert before <= tracker.windows.day.started_at <= datetime.now(UTC)
    assert manager.clock is clock.now


# --- Value at risk --------------------------------------------------------------------------------


def closes_of(watch, count=120):
    """A saw of 3 % a day up to today, which is not over."""
    today = watch().date()
    return {today - timedelta(days=i): str(64000 + (i % 2) * 2000) for i in range(count)}


def test_a_history_that_is_told_makes_value_at_risk_known(tracker, watch):
    manager = RiskManager(
        Limits(max_var="0.15"), tracker, clock=watch, var=ValueAtRisk(model="historical")
    )
    order = limit_order("0.01", 64000)
    assert "VAR_UNAVAILABLE" in manager.validate_order(order, dry_run=True).codes
    manager.learn_closes("BTC-USD", closes_of(watch))
    assert manager.validate_order(order, dry_run=True)
    tracker.fill("f1", "BTC-USD", "BUY", "1", "64000")
    seen = manager.value_at_risk()
    assert seen["history"] == {"BTC-USD": 118}
    assert abs(seen["var"] - Decimal(64000) * 2 / 66) < 1
    assert seen["components"][0]["key"] == "BTC"


def test_a_history_by_the_hour_and_in_any_order(tracker, watch):
    var = ValueAtRisk(period="1h", model="historical")
    manager = RiskManager(tracker=tracker, clock=watch, var=var)
    hours = [watch() - timedelta(hours=i) for i in range(1, 130)]
    manager.learn_closes("BTC-USD", {at: "64000" if at.hour % 2 else "63000" for at in hours})
    assert manager.value_at_risk()["history"]["BTC-USD"] > 100
    assert manager.learn_closes("BTC-USD", {}) == []


@pytest.mark.parametrize("count", [4, 0])
def test_a_coin_of_which_little_or_nothing_is_told_is_lost_whole_and_keeps_nothing_else_back(
    tracker, watch, count
):
    """Three closes are too few. Nobody reads the rest in the background: it is not waited for."""
    manager = RiskManager(
        Limits(max_var="0.15"), tracker, clock=watch, var=ValueAtRisk(model="historical")
    )
    manager.learn_closes("BTC-USD", closes_of(watch))
    tracker.fill("f1", "BTC-USD", "BUY", "0.1", "64000")
    alone = manager.value_at_risk()["var"]
    tracker.mark("ETH-USD", 2000)
    tracker.fill("f2", "ETH-USD", "BUY", "0.5", "2000")
    assert manager.value_at_risk()["var"] is None  # nobody has told of it yet
    manager.learn_closes("ETH-USD", closes_of(watch, count))
    assert manager.value_at_risk()["var"] == alone + 1000
    assert manager.validate_order(limit_order("0.01", 64000), dry_run=True)
    more = limit_order("0.5", 2000, product_id="ETH-USD")
    assert manager.validate_order(more, dry_run=True).codes == ("VAR_UNAVAILABLE",)


def test_what_is_told_bit_by_bit_adds_up(tracker, watch):
    """First the newest days, then those before, then each day that is over."""
    var = ValueAtRisk(model="historical")
    manager = RiskManager(tracker=tracker, clock=watch, var=var)
    tracker.fill("f1", "BTC-USD", "BUY", "1", "64000")
    days = closes_of(watch)
    manager.learn_closes("BTC-USD", dict(list(days.items())[:4]))
    assert manager.value_at_risk()["var"] == 64000
    manager.learn_closes("BTC-USD", dict(list(days.items())[4:]))
    known = manager.value_at_risk()
    assert (known["history"], known["var"] < 3000) == ({"BTC-USD": 118}, True)
    watch.wait(days=1)
    manager.learn_closes("BTC-USD", {watch().date() - timedelta(days=1): "65000"})
    assert manager.value_at_risk()["history"] == {"BTC-USD": 119}


@pytest.mark.parametrize(
    ("closes", "wrong"),
    [
        ({date(2026, 11, 1): 64000.5}, "close: 64000.5 is not exact"),
        ({date(2026, 11, 1): "many"}, "close: 'many' is not a number"),
        ({date(2026, 11, 1): "0"}, "close: '0' is no price"),
        ({date(2030, 11, 1): "64000"}, "2030-11-01 is yet to come"),
        ({"2026-11-01": "64000"}, "'2026-11-01' is no time"),
        ({datetime(2026, 11, 1): "64000"}, "has no time zone"),  # noqa: DTZ001 - the very point
    ],
)
def test_a_history_that_is_none_is_refused(tracker, watch, closes, wrong):
    with pytest.raises(Misuse, match=wrong):
        RiskManager(tracker=tracker, clock=watch).learn_closes("BTC-USD", closes)


def test_looser_limits_of_a_new_program_wait_where_they_bind_their_owner(tmp_path):
    watch, path = Watch(), tmp_path / "state.json"
    bound, looser = Limits(loosen_after="1h", max_open_orders=5), Limits(max_open_orders=9)
    RiskManager(bound, clock=watch).save(path)
    again = RiskManager(looser, clock=watch).load(path)
    assert again.limits == bound
    again.save(path)
    assert RiskManager(looser, clock=watch).load(path).limits == bound
    watch.now += timedelta(hours=1)
    again.check_and_liquidate_on_loss()
    assert again.limits == looser
    again.save(path)
    tighter = Limits(max_open_orders=1)
    assert RiskManager(tighter, clock=watch).load(path).limits == tighter


def test_limits_that_lack_one_that_they_require_make_no_manager():
    with pytest.raises(Misuse, match=r"limits\.require names max_drawdown, not set"):
        RiskManager(Limits(require=("max_drawdown",)))
    RiskManager(Limits(require=("max_drawdown",), max_drawdown="0.1"))
