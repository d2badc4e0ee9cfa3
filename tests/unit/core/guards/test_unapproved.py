"""Orders nobody asked about: what an approval covers, who need not ask, and what follows."""

from datetime import timedelta

import pytest

from sidecar.core.context.settings import Settings
from sidecar.core.guards.unapproved import ALERTS_A_MINUTE, RELEASED_MAX
from sidecar.core.liquidation.attempts import Attempt
from sidecar.core.vocabulary import events as ev
from sidecar.core.vocabulary.actions import (
    Action,
    Alert,
    CancelOrders,
    CauseRaised,
    FindOrder,
    OrderUnapproved,
    WakeAt,
)
from sidecar.core.vocabulary.orders import OWN_PREFIX
from tests.decisions import CONNECTED, connected, future_order, of_kind, pictured, restarted
from tests.scenario import FUTURE, D, World, limit_order, market_order, order

CANCELLING = Settings(connected=True, unapproved="cancel")
REDUCING = Settings(connected=True, unapproved="reduce_only")
LATER = timedelta(seconds=1)


def asked(settings=CONNECTED, held=0, body=None):
    """A world in which order `one` was approved: by default to buy 0.1 at 64000."""
    world = connected(settings=settings, held=held)
    assert world.ask(body or limit_order("0.1", 64000, name="one"))
    return world


def sell(size="0.1", price=64000):
    return limit_order(size, price, name="one", side="SELL")


def seen(world, order_id="o1", name="one", **fields):
    """What a frame of the order as it was approved says, but for `fields`; the reasons told."""
    known = {"leaves": "0.1", "limit_price": 64000, "created_at": world.now} | fields
    return told(world.report(order_id, client_order_id=name, **known))


def told(actions):
    return [action.reason for action in of_kind(actions, OrderUnapproved)]


def alerts(actions, code="UNAPPROVED_ORDER"):
    return [alert for alert in of_kind(actions, Alert) if alert.code == code]


def cancelled(actions):
    return [order_id for cancel in of_kind(actions, CancelOrders) for order_id in cancel.order_ids]


# --- What an approval covers ----------------------------------------------------------------------


def test_an_order_as_it_was_approved_is_nobodys_news():
    world = asked()
    assert seen(world) == []
    assert seen(world, status="FILLED", filled="0.1", average_price=63990, leaves=0) == []


@pytest.mark.parametrize("fields", [{"leaves": "0.05"}, {"limit_price": 63000}, {"limit_price": None}, {"leaves": None}, {"base_size": "0.1", "leaves": None}])  # fmt: skip
def test_a_smaller_better_or_sparsely_told_order_is_covered(fields):
    assert seen(asked(), **fields) == []


def test_an_order_larger_than_approved_is_told_and_binds_what_it_is():
    world = asked()
    assert seen(world, leaves="0.2") == ["larger than approved 0.1"]
    assert world.tracker.ledger.reservations == {}
    assert world.tracker.account.lines["BTC"].open_buy == D("0.2")


def test_the_size_a_listing_states_counts_like_what_a_frame_shows():
    assert seen(asked(), base_size="0.2", leaves=None) == ["larger than approved 0.1"]


@pytest.mark.parametrize(("body", "price"), [(None, 64001), (sell(), 63999)])
def test_an_order_at_a_worse_price_than_approved_is_told(body, price):
    world = asked(body=body, held=1)
    side = "BUY" if body is None else "SELL"
    assert seen(world, side=side, limit_price=price) == ["price worse than approved 64000"]


def test_a_sell_at_a_better_price_is_covered():
    assert seen(asked(body=sell(), held=1), side="SELL", limit_price=65000) == []


def test_a_market_order_under_a_limit_approval_is_told():
    (why,) = seen(asked(), limit_price=None, is_market=True, rests=False)
    assert why == "a market order where a limit of 64000 was approved"


def test_an_approved_market_order_may_come_at_any_price():
    world = asked(body=market_order("0.1", name="one"))
    assert seen(world, limit_price=None, is_market=True, rests=False) == []


def test_a_bracket_with_a_worse_stop_is_told():
    body = order("trigger_bracket_gtc", "SELL", name="one", base_size="0.1", limit_price="70000", stop_trigger_price="60000")  # fmt: skip
    bracket = {"side": "SELL", "limit_price": 70000}
    assert seen(asked(held=1, body=body), **bracket, stop_price=60000) == []
    (why,) = seen(asked(held=1, body=body), **bracket, stop_price=59000)
    assert why == "stop price worse than approved 60000"


def test_a_triggered_bracket_sells_below_its_stop_as_it_was_approved_to():
    body = order("trigger_bracket_gtc", "SELL", name="one", base_size="0.1", limit_price="70000", stop_trigger_price="60000")  # fmt: skip
    assert seen(asked(held=1, body=body), side="SELL", limit_price=57000, stop_price=60000) == []


def spend(size):
    return order("market_market_ioc", quote_size=str(size), name="one")


def test_of_an_order_sized_in_quote_only_what_it_paid_is_compared():
    """What remains of it is Coinbase's estimate, and its average price is rounded."""
    world = asked(body=spend(6400))
    market = {"limit_price": None, "is_market": True, "rests": False}
    assert seen(world, leaves="0.2", **market) == []
    paid = {"filled": "0.1", "average_price": 64006, "leaves": 0}
    assert seen(world, **paid, **market) == []


def test_an_order_that_paid_more_quote_than_approved_is_told_once():
    """By REST: a frame of it waits for that."""
    world = asked(body=spend(6400))
    market = {
        "limit_price": None,
        "is_market": True,
        "rests": False,
        "leaves": "0.1",
        "by_rest": True,
    }
    assert seen(world, filled="0.11", average_price=64000, **market) == [
        "larger than approved: 6400 in quote currency"
    ]
    assert seen(world, filled="0.12", average_price=64000, **market) == []


def test_a_base_size_under_a_quote_sized_approval_is_held_against_the_most_that_would_bring():
    (why,) = seen(asked(body=spend(6400)), base_size="0.2", leaves=None)
    assert why == "larger than approved 0.1"


def test_contracts_are_compared_as_contracts():
    world = connected()
    world.quote(FUTURE, 64000)
    world.send(ev.FuturesSummaryRead, wallet=D(10**6), buying_power=D(10**6), liquidation_buffer_percentage=D(1000))  # fmt: skip
    body = future_order(10) | {"client_order_id": "one"}
    assert world.ask(body)
    assert seen(world, product_id=FUTURE, leaves=10) == []
    assert seen(world, product_id=FUTURE, leaves=11) == [
        "edited without asking: larger than approved 10"
    ]


@pytest.mark.parametrize("other", [{"side": "SELL"}, {"product_id": "ETH-USD"}])
def test_an_order_of_another_product_or_side_under_an_approved_id_is_told_and_leaves_the_approval(
    other,
):
    world = asked(held=1)
    assert seen(world, **other) == ["approved was a BUY of BTC-USD under this id"]
    assert list(world.tracker.ledger.reservations) == ["one"]
    assert seen(world, "o2") == []


def test_another_name_of_the_same_book_is_the_same_product():
    """Coinbase may report an order on BTC-USDC as one on BTC-USD."""
    world = connected()
    for _ in range(2):  # a wallet never seen before is a doubt first
        world.send(
            ev.BalancesRead, balances=(ev.Balance("USDC", D(100_000)),), fills_until=world.now
        )
        world.wait(3)
    world.quote("BTC-USD", 64000)
    assert world.ask(limit_order("0.1", 64000, name="one", product_id="BTC-USDC"))
    assert seen(world, product_id="BTC-USD") == []


# --- Orders never asked about ---------------------------------------------------------------------


def test_an_order_never_asked_about_is_told_in_words():
    world = connected()
    actions = world.report(
        "o1", client_order_id="x", leaves="0.1", limit_price=64000, created_at=world.now
    )
    (written,) = of_kind(actions, OrderUnapproved)
    assert (written.order_id, written.client_order_id, written.product_id, written.side) == (
        "o1", "x", "BTC-USD", "BUY",
    )  # fmt: skip
    assert (written.size, written.price) == (D("0.1"), 64000)
    (alert,) = alerts(actions)
    assert alert.severity == "warning"
    assert alert.text == (
        "order o1 (client_order_id x): BUY 0.1 BTC-USD at 64000 was not approved: never asked about"
    )


def test_an_order_without_a_client_order_id_or_price_is_told_in_words():
    world = connected()
    (alert,) = alerts(world.report("o1", leaves="0.1", is_market=True))
    assert alert.text == (
        "order o1 (client_order_id none): BUY 0.1 BTC-USD was not approved: never asked about"
    )


def test_each_order_is_told_once():
    world = connected()
    assert seen(world, name="x") == ["never asked about"]
    assert seen(world, name="x", filled="0.05", average_price=64000, leaves="0.05") == []
    assert seen(world, name="x", status="CANCELLED", filled="0.05", average_price=64000) == []


def test_an_unasked_order_that_grows_without_asking_is_told_again():
    world = connected()
    seen(world, name="x")
    assert seen(world, name="x", leaves="0.2") == ["edited without asking"]
    assert seen(world, name="x", leaves="0.2") == []


def test_an_unasked_order_first_told_sparsely_is_not_told_again_when_more_is_known():
    world = connected()
    assert seen(world, name="x", leaves=None, limit_price=None) == ["never asked about"]
    assert seen(world, name="x", leaves="0.2") == []


def test_an_unasked_market_order_s_size_may_be_an_estimate_that_moves():
    world = connected()
    market = {"name": "x", "limit_price": None, "is_market": True, "rests": False}
    assert len(seen(world, leaves="0.1", **market)) == 1
    assert seen(world, leaves="0.11", **market) == []


def test_an_order_after_its_approval_was_released_is_told():
    world = asked()
    world.manager.release_order("one")
    assert seen(world) == ["its approval was released"]


def test_an_order_after_its_approval_lapsed_is_told():
    world = asked()
    never_arrived(world)
    assert seen(world) == ["its approval had lapsed"]


def test_an_order_found_by_the_look_up_is_approved():
    world = asked()
    world.wait(11)
    assert seen(world) == []


def test_asked_again_after_its_release_an_order_is_approved():
    world = asked()
    world.manager.release_order("one")
    world.wait(1)
    world.quote("BTC-USD", 64000)
    assert world.ask(limit_order("0.1", 64000, name="one"))
    assert seen(world) == []


def test_what_became_of_approvals_is_remembered_of_the_latest():
    world = connected()
    released = world.manager.unapproved.memory.released
    for number in range(RELEASED_MAX + 1):
        world.ask(limit_order("0.001", 60000, name=f"n{number}"))
        world.manager.release_order(f"n{number}")
    assert len(released) == RELEASED_MAX
    assert "n0" not in released
    assert seen(world, name="n0") == ["never asked about"]


def test_an_approval_that_ends_anew_is_one_of_the_latest():
    world = connected()
    remember = world.manager.unapproved._remember
    for name in ("n0", *(f"n{number}" for number in range(1, RELEASED_MAX)), "n0", "another"):
        remember(name, "was released")
    released = world.manager.unapproved.memory.released
    assert ("n0" in released, "n1" in released) == (True, False)


def test_in_library_use_nothing_is_unapproved():
    """The caller's verbs are its own word."""
    world = World(settings=Settings(unapproved="cancel"))
    assert of_kind(world.report("o1", leaves=1, limit_price=64000), Alert, OrderUnapproved) == []
    assert [order.standing for order in world.tracker.ledger.working.values()] == ["new"]
    world.ask(limit_order("0.1", name="one"))
    world.manager.release_order("one")
    assert world.manager.unapproved.memory.released == {}


# --- Edits ----------------------------------------------------------------------------------------


def working(**kwargs):
    world = asked(**kwargs)
    assert seen(world) == []
    return world


def test_an_edit_asked_for_is_covered():
    world = working()
    assert world.manager.validate_edit(order_id="o1", price="64100", size="0.2")
    assert seen(world, leaves="0.2", limit_price=64100) == []
    assert seen(world, leaves="0.2", limit_price=64100) == []


def test_a_late_frame_of_the_order_before_its_edit_is_covered():
    world = working()
    assert world.manager.validate_edit(order_id="o1", price="63000", size="0.2")
    assert seen(world, leaves="0.2", limit_price=63000) == []
    assert seen(world) == []
    assert seen(world, leaves="0.2", limit_price=64000) == [
        "edited without asking: price worse than approved 63000"
    ]


def test_an_edit_asked_for_and_made_smaller_is_covered_after_its_approval_is_gone():
    world = working()
    assert world.manager.validate_edit(order_id="o1", size="0.2")
    assert seen(world, leaves="0.15") == []
    world.manager.release_order("one")
    assert seen(world, leaves="0.15") == []


def test_an_edit_made_smaller_and_first_shown_after_the_life_of_its_approval_is_covered():
    world = working()
    assert world.manager.validate_edit(order_id="o1", size="0.2")
    world.wait(11)
    assert seen(world, leaves="0.15") == []
    assert world.tracker.ledger.reservations == {}
    assert seen(world, leaves="0.15") == []


def test_of_two_edits_asked_for_in_a_row_the_first_one_may_show_late():
    world = working()
    assert world.manager.validate_edit(order_id="o1", price="64100")
    assert world.manager.validate_edit(order_id="o1", price="63900")
    assert seen(world, limit_price=64100) == []
    assert seen(world, limit_price=63900) == []


def test_an_edit_whose_fill_is_first_to_show_it_is_covered():
    world = working()
    assert world.manager.validate_edit(order_id="o1", size="0.2")
    assert fill(world, "0.15") == []


def test_an_edit_that_never_happened_covers_nothing_later():
    world = working()
    assert world.manager.validate_edit(order_id="o1", size="0.2")
    world.wait(11)
    assert seen(world) == []
    assert seen(world, leaves="0.2") == ["edited without asking: larger than approved 0.1"]


def test_an_edit_beyond_what_was_asked_is_told():
    world = working()
    assert world.manager.validate_edit(order_id="o1", size="0.2")
    assert seen(world, leaves="0.3") == ["edited without asking: larger than approved 0.1"]


def test_an_edit_that_filled_at_once_is_covered():
    world = working()
    assert world.manager.validate_edit(order_id="o1", size="0.2")
    assert seen(world, status="FILLED", filled="0.2", average_price=64000, leaves=0) == []


def test_an_edit_after_its_approval_was_released_is_told():
    world = working()
    assert world.manager.validate_edit(order_id="o1", size="0.2")
    world.manager.release_order("one")
    assert seen(world, leaves="0.2") == ["edited without asking: larger than approved 0.1"]


def test_an_unasked_edit_is_told_once_per_change():
    world = working()
    assert seen(world, leaves="0.2") == ["edited without asking: larger than approved 0.1"]
    assert seen(world, leaves="0.2") == []
    assert seen(world, leaves="0.2", limit_price=64500) == [
        "edited without asking: larger than approved 0.1"
    ]
    assert seen(world, leaves="0.1", limit_price=64600) == [
        "edited without asking: price worse than approved 64000"
    ]


def test_many_unasked_edits_do_not_crowd_out_what_was_approved():
    world = working()
    for number in range(20):
        assert len(seen(world, limit_price=64001 + number)) == 1
    assert seen(world) == []
    assert len(world.tracker.ledger.find("o1").terms) == 9


def test_a_partial_fill_is_no_edit():
    world = working()
    assert seen(world, filled="0.04", average_price=64000, leaves="0.06") == []


def test_a_late_frame_after_a_fill_is_not_judged():
    world = working()
    seen(world, filled="0.04", average_price=64000, leaves="0.06")
    assert seen(world, filled="0.01", average_price=64000, leaves="0.5") == []


# --- Facts out of order ---------------------------------------------------------------------------


def fill(world, size="0.1", **fields):
    return told(world.fill("BUY", size, 64000, order_id="o1", **fields))


def test_a_fill_before_the_first_report_says_nothing_and_the_report_does():
    world = asked()
    assert fill(world) == []
    assert seen(world, status="FILLED", filled="0.1", average_price=64000) == []
    other = connected()
    assert fill(other) == []
    assert seen(other, name="x", filled="0.1", average_price=64000) == ["never asked about"]


def test_a_fill_that_names_its_order_is_judged_like_a_report():
    assert fill(asked(), client_order_id="one") == []
    assert fill(connected(), client_order_id="x") == ["never asked about"]
    assert fill(asked(), "0.2", client_order_id="one") == ["larger than approved 0.1"]


def test_an_order_told_of_by_a_fill_is_not_told_again_by_its_report():
    world = connected()
    fill(world, "0.05", client_order_id="x")
    assert seen(world, name="x", filled="0.05", average_price=64000) == []


def test_fills_beyond_what_was_approved_are_told():
    world = working()
    assert fill(world, "0.2") == ["edited without asking: larger than approved 0.1"]


def test_a_corrected_fill_is_no_larger_order():
    world = working()
    assert fill(world, "0.1") == []
    assert fill(world, "0.1", trade_type="CORRECTION") == []
    assert fill(world, "0.1", trade_type="REVERSAL") == []


def test_an_order_first_seen_at_its_end_is_judged_by_what_it_filled():
    ended = {"status": "FILLED", "average_price": 64000, "leaves": 0}
    assert seen(asked(), filled="0.1", **ended) == []
    world = asked()
    assert seen(world, filled="0.2", **ended) == []  # until REST says so, too
    assert seen(world, filled="0.2", base_size="0.2", by_rest=True, **ended) == [
        "larger than approved 0.1"
    ]
    world = asked()
    seen(world, filled="0.1", **ended)
    assert seen(world, leaves="0.1") == []


def test_a_listings_row_after_the_frame_changes_nothing():
    world = asked()
    assert seen(world) == []
    assert seen(world, base_size="0.1", leaves="0.1", limit_price="64000.00") == []


def test_a_row_of_an_order_forgotten_long_ago_is_not_judged():
    world = connected()
    world.tracker.ledger.closed.horizon = world.now
    old = world.now - LATER
    assert seen(world, name="x", status="FILLED", created_at=old, filled=1, average_price=1) == []


# --- Restarts -------------------------------------------------------------------------------------


def test_what_was_approved_is_known_after_a_restart():
    world = pictured(restarted(working()))
    assert seen(world) == []
    assert seen(world, leaves="0.2") == ["edited without asking: larger than approved 0.1"]


def test_an_approval_alive_at_the_restart_covers_its_order_and_no_more():
    world = pictured(restarted(asked()))
    world.wait(3)
    assert seen(world, leaves="0.2") == ["larger than approved 0.1"]


def test_what_was_told_before_a_restart_is_not_told_again():
    world = connected()
    seen(world, name="x")
    world = pictured(restarted(world))
    assert seen(world, name="x") == []


def test_what_became_of_an_approval_is_known_after_a_restart():
    world = asked()
    world.manager.release_order("one")
    world = pictured(restarted(world))
    world.wait(60)
    assert seen(world) == ["its approval was released"]


# --- Who need not ask: open at the start ----------------------------------------------------------


def started(settings=CONNECTED):
    """A new process that has read nothing yet, started in order."""
    world = World(settings=settings)
    world.send(ev.Started)
    return world


@pytest.mark.parametrize("age_s", [0, 3600])
def test_an_order_open_at_the_start_is_excused_for_good(age_s):
    world = started()
    born = world.now - timedelta(seconds=age_s)
    world.wait(1)
    assert seen(world, name="x", created_at=born) == []
    pictured(world)
    assert seen(world, name="x", leaves="0.2", created_at=born) == []


def test_an_order_of_unknown_age_is_excused_until_the_first_picture():
    world = started()
    assert seen(world, name="x", created_at=None) == []
    pictured(world)
    assert seen(world, "o2", name="y", created_at=None) == ["never asked about"]


def test_before_any_process_has_said_it_began_everything_was_open_at_the_start():
    world = World(settings=CONNECTED)
    assert seen(world, name="x") == []


def test_an_order_sent_while_starting_is_told():
    world = started()
    world.wait(1)
    assert seen(world, name="x") == ["never asked about"]


@pytest.mark.parametrize("status", ["FILLED", "CANCELLED", "OPEN"])
def test_an_order_from_before_the_start_that_a_later_listing_shows_is_excused(status):
    world = pictured(started())
    before = world.now - LATER
    world.wait(60)
    assert seen(world, name="x", status=status, created_at=before) == []


def test_a_fill_from_before_the_start_is_excused():
    world = pictured(started())
    assert fill(world, client_order_id="x", traded_at=world.now - LATER) == []


@pytest.mark.parametrize(("after_s", "excused"), [(10, True), (11, False)])
def test_after_an_unclean_stop_orders_of_one_reservation_life_are_excused(after_s, excused):
    """Their approvals may have been lost."""
    world = connected()
    killed = world.now
    world = restarted(world)  # at the same moment
    pictured(world)
    world.wait(60)
    born = killed + timedelta(seconds=after_s)
    assert (seen(world, name="x", created_at=born) == []) == excused


def test_after_an_orderly_stop_they_are_not():
    world = pictured(started())
    world.wait(5)
    assert seen(world, name="x") == ["never asked about"]


# --- Who need not ask: children, our own, Coinbase's ----------------------------------------------


def test_an_order_that_names_its_parent_is_excused():
    world = working()
    child = {"side": "SELL", "parent_id": "o1"}
    assert seen(world, "o2", name="c", **child) == []
    assert seen(world, "o2", name="c", side="SELL", leaves="0.2") == []


def test_an_order_that_its_parent_named_is_excused():
    world = connected()
    seen(world, name="x", child_id="o2")
    assert seen(world, "o2", name="c", side="SELL") == []


def test_an_ended_parent_names_its_child_still():
    world = connected()
    seen(world, name="x", status="FILLED", filled="0.1", average_price=64000, child_id="o2")
    assert seen(world, "o2", name="c", side="SELL") == []


def test_a_child_seen_before_its_parent_names_it_is_excused_from_then_on():
    world = working()
    assert seen(world, "o2", name="c", side="SELL") == ["never asked about"]
    assert seen(world, child_id="o2") == []
    assert seen(world, "o2", name="c", side="SELL", leaves="0.2") == []


EXIT = {"trigger_bracket_gtc": {"limit_price": "70000", "stop_trigger_price": "60000"}}


def guarded():
    """An approved order with an attached exit, open."""
    world = asked(
        body=limit_order("0.1", 64000, name="one") | {"attached_order_configuration": EXIT}
    )
    assert seen(world) == []
    return world


def test_the_exit_attached_to_an_approved_order_is_excused_though_no_frame_names_its_parent():
    world = guarded()
    assert seen(world, "o2", name="c", side="SELL", limit_price=70000) == []
    assert world.tracker.ledger.find("o1").child_id == "o2"


def test_one_exit_follows_and_not_two():
    world = guarded()
    seen(world, "o2", name="c", side="SELL")
    assert seen(world, "o3", name="d", side="SELL") == ["never asked about"]


@pytest.mark.parametrize("other", [{"side": "BUY"}, {"side": "SELL", "leaves": "0.2"}, {"side": "SELL", "product_id": "ETH-USD"}])  # fmt: skip
def test_what_cannot_be_the_exit_is_told(other):
    assert seen(guarded(), "o2", name="c", **other) == ["never asked about"]


def test_a_listing_says_that_an_exit_will_follow():
    world = started()
    seen(world, name="x", created_at=world.now, attached=True)
    pictured(world)
    world.wait(60)
    assert seen(world, "o2", name="c", side="SELL") == []


def test_the_named_child_is_believed_more_than_the_likely_one():
    world = guarded()
    seen(world, child_id="o9")
    assert seen(world, "o2", name="c", side="SELL") == ["never asked about"]
    assert seen(world, "o9", name="d", side="SELL") == []


def test_of_two_orders_with_exits_each_has_its_own():
    world = guarded()
    body = limit_order("0.1", 64000, name="two") | {"attached_order_configuration": EXIT}
    assert world.ask(body)
    seen(world, "o2", name="two")
    for name in ("c1", "c2"):
        assert seen(world, name, name=name, side="SELL") == []


SENT = f"{OWN_PREFIX}20261122T120000-1-BTC-USD-1"
SALE = {"side": "SELL", "base_size": "0.1", "leaves": None, "limit_price": None, "is_market": True}


def that_sent(way="market", size="0.1", settings=CONNECTED, ended=True):
    """A world in which a flattening that is over, or was aborted, has sold 0.1 BTC."""
    world = connected(settings=settings, held=1)
    sent = Attempt(
        client_order_id=SENT, product_id="BTC-USD", key="BTC", side="SELL", way=way,
        size=None if size is None else D(size), first_sent=world.now,
    )  # fmt: skip
    memory = world.manager.liquidator.memory
    (memory.ended if ended else memory.dropped)[SENT] = sent
    return world


@pytest.mark.parametrize("ended", [True, False])
@pytest.mark.parametrize(
    "fields",
    [{}, {"product_id": "BTC-USDC"}, {"base_size": None, "leaves": "0.06", "filled": "0.04", "average_price": 64000}, {"base_size": None}],
)  # fmt: skip
def test_what_the_sidecar_sent_is_its_own(fields, ended):
    assert seen(that_sent(ended=ended), name=SENT, **SALE | fields) == []


def test_a_position_that_was_closed_by_a_call_is_its_own_whatever_side_that_took():
    world = that_sent(way="close", size=None)
    assert seen(world, name=SENT, **SALE | {"side": "BUY", "base_size": 5}) == []


@pytest.mark.parametrize(
    "fields",
    [{"product_id": "ETH-USD"}, {"side": "BUY"}, {"base_size": "0.2"}, {"base_size": "0.05"},
     {"base_size": None, "leaves": "0.2"}],
)  # fmt: skip
def test_another_order_under_the_id_of_one_that_was_sent_is_nobodys(fields):
    world = that_sent()
    assert seen(world, name=SENT, **SALE | fields) == ["never asked about"]
    assert alerts(world.actions, "OWN_ORDER_DIFFERS")


def test_an_id_that_looks_like_the_sidecars_makes_no_order_its_own():
    """Such an order of 30,000 USD used to pass without a trace."""
    world = connected(settings=CANCELLING)
    assert seen(world, name=f"{OWN_PREFIX}1") == ["never asked about"]
    (alert,) = alerts(world.actions, "OWN_ORDER_DIFFERS")
    assert (alert.severity, "did not send it" in alert.text) == ("critical", True)
    assert alerts(world.actions) == []
    assert cancelled(world.actions) == ["o1"]


def test_of_many_such_ids_some_are_told_each_minute():
    world, found = connected(), []
    for number in range(50):
        seen(world, f"o{number}", name=f"{OWN_PREFIX}{number}")
        found += alerts(world.actions, "OWN_ORDER_DIFFERS")
    assert len(found) == ALERTS_A_MINUTE


def test_a_stop_of_trading_cancels_them_with_the_rest():
    world = connected()
    seen(world, name=f"{OWN_PREFIX}1")
    world.send(ev.HaltRequested, reason="x", cancel_adding=True)
    assert cancelled(world.actions) == ["o1"]


def test_no_order_is_approved_under_such_an_id():
    decision = connected().ask(limit_order("0.1", 64000, name=f"{OWN_PREFIX}1"))
    assert decision.codes == ("INVALID_ORDER",)
    assert "the sidecar's own" in decision.violations[0].message


def test_what_coinbase_sends_is_excused():
    world = connected()
    assert seen(world, name="x", by_coinbase=True) == []
    assert seen(world, name="x", leaves=5) == []


# --- What follows: alert, cancel, REDUCE_ONLY -----------------------------------------------------


def test_by_default_nothing_follows_but_the_alert():
    world = connected()
    seen(world, name="x")
    assert cancelled(world.actions) == []
    assert len(alerts(world.actions)) == 1
    assert world.manager.state.account == "ACTIVE"


def test_configured_so_it_is_cancelled():
    world = connected(settings=CANCELLING)
    seen(world, name="x")
    (cancel,) = of_kind(world.actions, CancelOrders)
    assert cancel.order_ids == ("o1",)
    assert "never asked about" in cancel.reason
    assert len(alerts(world.actions)) == 1


def test_an_order_larger_than_approved_is_cancelled_whole():
    world = asked(settings=CANCELLING)
    seen(world, leaves="0.2")
    assert cancelled(world.actions) == ["o1"]


@pytest.mark.parametrize(("size", "goes"), [("1", False), ("1.1", True)])
def test_a_reducing_order_is_never_cancelled_but_alerted(size, goes):
    world = connected(settings=CANCELLING, held=1)
    seen(world, name="x", side="SELL", leaves=size)
    assert (cancelled(world.actions) == ["o1"]) == goes
    assert len(alerts(world.actions)) == 1


def test_what_is_offered_already_leaves_less_to_reduce():
    world = connected(settings=CANCELLING, held=1)
    seen(world, name="x", side="SELL", leaves="0.7")
    assert cancelled(world.actions) == []
    seen(world, "o2", name="y", side="SELL", leaves="0.7")
    assert cancelled(world.actions) == ["o2"]


def test_what_is_reserved_leaves_less_to_reduce():
    world = asked(settings=CANCELLING, held=1, body=sell("0.7"))
    seen(world, name="x", side="SELL", leaves="0.5")
    assert cancelled(world.actions) == ["o1"]


def test_a_future_is_reduced_on_either_side():
    world = connected(settings=CANCELLING)
    world.quote(FUTURE, 64000)
    world.fill("SELL", 3, 64000, product_id=FUTURE)
    seen(world, name="x", product_id=FUTURE, leaves=3)
    assert cancelled(world.actions) == []
    seen(world, "o2", name="y", product_id=FUTURE, leaves=1)
    assert cancelled(world.actions) == ["o2"]


@pytest.mark.parametrize("fields", [{"leaves": None}, {"attached": True}])
def test_a_sell_of_unknown_size_or_with_a_follower_is_no_exit(fields):
    world = connected(settings=CANCELLING, held=1)
    seen(world, name="x", side="SELL", **fields)
    assert cancelled(world.actions) == ["o1"]


def test_a_sell_on_two_coins_is_no_exit():
    world = connected(settings=CANCELLING, held=1)
    world.quote("ETH-BTC", "0.03")
    world.hold(1, 2000, "ETH-USD")
    seen(world, name="x", side="SELL", product_id="ETH-BTC", leaves="0.5", limit_price="0.03")
    assert cancelled(world.actions) == ["o1"]


def test_an_order_that_has_ended_is_not_cancelled():
    world = connected(settings=CANCELLING)
    seen(world, name="x", status="FILLED", filled="0.1", average_price=64000)
    assert cancelled(world.actions) == []
    assert len(alerts(world.actions)) == 1


def test_while_starting_a_cancel_waits_until_it_is_known_what_reduces():
    world = started(CANCELLING)
    world.wait(1)
    seen(world, name="x", side="SELL")
    seen(world, "o2", name="y")
    seen(world, "o3", name="z")
    assert cancelled(world.actions) == []
    world = restarted(world)
    world.quote("BTC-USD", 64000)
    seen(world, "o3", name="z", status="CANCELLED")
    balances = (ev.Balance("USD", D(100_000)), ev.Balance("BTC", D(1)))
    world.send(ev.BalancesRead, balances=balances, fills_until=world.now)
    assert cancelled(world.actions) == []
    world.send(ev.OpenOrdersListed, order_ids=("o1", "o2"), began_at=world.now)
    assert cancelled(world.actions) == ["o2"]
    world.send(ev.OpenOrdersListed, order_ids=("o1", "o2"), began_at=world.now)
    assert cancelled(world.actions) == []


def test_a_cancel_that_a_killed_process_may_not_have_sent_is_asked_for_again():
    world = connected(settings=CANCELLING)
    world.wait(1)
    for number in (1, 2, 3):
        seen(world, f"o{number}", name=f"x{number}")
    seen(world, "o3", name="x3", status="CANCELLED")
    world = restarted(world)
    seen(world, "o2", name="x2", status="CANCELLED")
    world.send(ev.OpenOrdersListed, order_ids=("o1",), began_at=world.now)
    assert cancelled(world.actions) == []  # what reduces is not known yet
    balances = (ev.Balance("USD", D(100_000)),)
    world.send(ev.BalancesRead, balances=balances, fills_until=world.now)
    assert cancelled(world.actions) == ["o1"]
    world.send(ev.BalancesRead, balances=balances, fills_until=world.now)
    assert cancelled(world.actions) == []
    world = restarted(restarted(world))
    pictured(world)
    assert list(world.manager.unapproved.memory.cancelling) == ["o1"]


def test_a_cancel_is_forgotten_once_its_order_has_ended():
    world = connected(settings=CANCELLING)
    seen(world, name="x")
    seen(world, name="x", status="CANCELLED")
    world.send(ev.OpenOrdersListed, order_ids=(), began_at=world.now)
    assert world.manager.unapproved.memory.cancelling == {}


def test_configured_so_only_reducing_orders_pass_until_resumed():
    world = connected(settings=REDUCING)
    seen(world, name="x")
    (raised,) = of_kind(world.actions, CauseRaised)
    assert (raised.code, raised.scope, raised.level) == ("UNAPPROVED_ORDER", "all", "REDUCE_ONLY")
    assert world.ask(limit_order("0.01")).codes == ("STATE_REDUCE_ONLY",)
    assert "resume" in world.ask(limit_order("0.01")).violations[0].message
    seen(world, "o2", name="y")
    assert of_kind(world.actions, CauseRaised) == []
    world.send(ev.ResumeRequested, reason="found him")
    assert world.manager.state.account == "ACTIVE"
    seen(world, "o3", name="z")
    assert world.manager.state.account == "REDUCE_ONLY"


def test_the_cause_survives_a_restart():
    world = connected(settings=REDUCING)
    seen(world, name="x")
    assert pictured(restarted(world)).manager.state.account == "REDUCE_ONLY"


# --- A flood does not flood -----------------------------------------------------------------------


def flood(world, count, first=0):
    actions = []
    for number in range(first, first + count):
        seen(world, f"f{number}", name=f"f{number}", leaves="0.001")
        actions += world.actions
    return actions


def test_alerts_are_bounded_and_the_rest_counted_when_the_minute_is_over():
    world = connected(settings=CANCELLING)
    actions = flood(world, ALERTS_A_MINUTE + 7)
    assert len(alerts(actions)) == ALERTS_A_MINUTE
    assert len(cancelled(actions)) == len(told(actions)) == ALERTS_A_MINUTE + 7
    assert world.now + timedelta(minutes=1) in [wake.at for wake in of_kind(actions, WakeAt)]
    assert alerts(world.wait(59)) == []
    (alert,) = alerts(world.wait(1))
    assert alert.text.startswith("7 more orders that nobody approved")
    assert alerts(world.wait(60)) == []


def test_the_count_survives_a_restart():
    world = connected()
    flood(world, ALERTS_A_MINUTE + 2)
    world = restarted(world)
    (alert,) = alerts(world.wait(60))
    assert alert.text.startswith("2 more orders")


def test_the_next_minute_tells_anew():
    world = connected()
    flood(world, ALERTS_A_MINUTE)
    world.wait(60)
    assert len(alerts(flood(world, 1, first=100))) == 1


def test_a_clock_set_back_does_not_silence_alerts():
    world = connected()
    flood(world, ALERTS_A_MINUTE + 3)
    world.now -= timedelta(days=1)
    counted, fresh = alerts(flood(world, 1, first=100))
    assert counted.text.startswith("3 more")
    assert "f100" in fresh.text


# --- Approvals whose orders never appear ----------------------------------------------------------


def never_arrived(world, name="one"):
    """The approval lapses and a look-up finds nothing."""
    (sought,) = of_kind(world.wait(10), FindOrder)
    return world.send(
        ev.ReservationReleased,
        client_order_id=name,
        decision_id=sought.decision_id,
        reason="never_arrived",
    )


def miss(world, name):
    world.quote("BTC-USD", 64000)
    assert world.ask(limit_order("0.1", 64000, name=name))
    return alerts(never_arrived(world, name), "KEY_OF_ANOTHER_PORTFOLIO")


def test_a_look_up_in_vain_says_that_the_approval_lapsed():
    world = asked()
    (alert,) = alerts(never_arrived(world), "APPROVAL_LAPSED")
    assert alert.severity == "info"
    assert alert.text == ("the approved order one was not seen within 10 s, nor found by a look-up")
    assert world.tracker.ledger.reservations == {}


def test_a_bots_own_release_is_no_news():
    world = asked()
    assert of_kind(world.send(ev.ReservationReleased, client_order_id="one"), Alert) == []


def test_a_look_up_answers_only_the_approval_it_was_asked_for():
    world = asked()
    (sought,) = of_kind(world.wait(10), FindOrder)
    world.quote("BTC-USD", 64000)
    again = world.ask(limit_order("0.1", 64000, name="one"))
    assert again.decision_id != sought.decision_id
    answer = {"client_order_id": "one", "reason": "never_arrived"}
    assert world.send(ev.ReservationReleased, decision_id=sought.decision_id, **answer) == []
    assert list(world.tracker.ledger.reservations) == ["one"]
    world.send(ev.ReservationReleased, decision_id=again.decision_id, **answer)
    assert world.tracker.ledger.reservations == {}


def test_a_release_of_nothing_says_nothing():
    world = connected()
    gone = {"client_order_id": "x", "decision_id": "d", "reason": "never_arrived"}
    assert world.send(ev.ReservationReleased, **gone) == []


def test_three_in_a_row_point_to_the_key_once():
    world = connected()
    said = [len(miss(world, f"m{number}")) for number in range(5)]
    assert said == [0, 0, 1, 0, 0]


def test_the_warning_names_what_may_be_wrong():
    world = connected()
    for number in range(2):
        miss(world, f"m{number}")
    world = pictured(restarted(world))
    (alert,) = miss(world, "m2")
    assert alert.severity == "warning"
    assert "may belong to another portfolio than the bot's" in alert.text


def test_an_order_that_appears_begins_the_count_anew():
    world = connected()
    said: list[Alert] = []
    for number in range(4):
        said += miss(world, f"m{number}")
        if number == 1:
            world.quote("BTC-USD", 64000)
            assert world.ask(limit_order("0.1", 64000, name="one"))
            seen(world)
    assert said == []


def test_approvals_that_coinbase_rejects_between_orders_that_appear_are_not_in_a_row():
    """They lapse 10 s later, one behind the other; what counts is that orders appeared since."""
    world, rejected = connected(), ("m0", "m1", "m2")
    for number, name in enumerate((*"ab", "m0", *"cd", "m1", *"ef", "m2", "g")):
        assert world.ask(limit_order("0.001", 64000, name=name))
        if name not in rejected:
            seen(world, f"o{number}", name=name, leaves="0.001")
        world.wait(1)
    said: list[Action] = []
    for name in rejected:
        said += world.send(ev.ReservationReleased, client_order_id=name, reason="never_arrived")
    assert len(alerts(said, "APPROVAL_LAPSED")) == 3
    assert alerts(said, "KEY_OF_ANOTHER_PORTFOLIO") == []


def test_an_order_that_appears_as_another_is_approved_speaks_for_that_one_too():
    world = connected()
    for name in ("one", "m0", "m1", "m2"):
        assert world.ask(limit_order("0.001", 64000, name=name))
    seen(world, leaves="0.001")
    said: list[Action] = []
    for name in ("m0", "m1", "m2"):
        said += world.send(ev.ReservationReleased, client_order_id=name, reason="never_arrived")
    assert alerts(said, "KEY_OF_ANOTHER_PORTFOLIO") == []


def test_the_row_goes_on_behind_the_last_order_that_appeared():
    world = connected()
    assert world.ask(limit_order("0.1", 64000, name="one"))
    seen(world)
    world.wait(1)
    said = [len(miss(world, f"m{number}")) for number in range(3)]
    assert said == [0, 0, 1]


def test_an_order_nobody_asked_about_does_not_prove_the_key():
    world = connected()
    said: list[Alert] = []
    for number in range(3):
        seen(world, f"o{number}", name=f"x{number}", leaves="0.001")
        said += miss(world, f"m{number}")
    assert len(said) == 1


def test_what_the_bot_releases_does_not_count():
    world = connected()
    said: list[Alert] = []
    for number in range(3):
        said += miss(world, f"m{number}") if number else []
        assert world.ask(limit_order("0.1", 64000, name=f"r{number}"))
        world.manager.release_order(f"r{number}")
    assert said == []


def test_an_edit_that_never_happened_lapses_but_does_not_count():
    world = working()
    for number in range(3):
        world.quote("BTC-USD", 64000)
        assert world.manager.validate_edit(order_id="o1", size=f"0.{number + 2}")
        actions = never_arrived(world)
        (alert,) = alerts(actions, "APPROVAL_LAPSED")
        assert alert.text.startswith("the approved edit of one")
        assert alerts(actions, "KEY_OF_ANOTHER_PORTFOLIO") == []
    assert world.manager.unapproved.memory.released == {}


def test_where_every_alert_was_told_no_count_of_more_is_waited_for():
    world = connected(settings=CANCELLING)
    flood(world, ALERTS_A_MINUTE)
    assert world.manager.unapproved.next_due() is None
    flood(world, 1, first=ALERTS_A_MINUTE)
    assert world.manager.unapproved.next_due() == world.now + timedelta(minutes=1)
