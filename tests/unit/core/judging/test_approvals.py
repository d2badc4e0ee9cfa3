"""From a proposed order to a decision, and the life of the reservation it makes."""

import json
from datetime import timedelta

import msgspec
import pytest

from sidecar.core.vocabulary import events as ev
from sidecar.core.vocabulary.actions import Decided, FindOrder
from sidecar.core.vocabulary.limits import Limits
from sidecar.core.vocabulary.order_reading import parse_order
from tests.decisions import (
    NoRoom,
    StandInRisk,
    breaks,
    connected,
    funded,
    memory,
    of_kind,
    restarted,
    the,
)
from tests.scenario import (
    FUTURE,
    PRODUCTS,
    START,
    D,
    World,
    limit_order,
    order,
    product,
)

LIFE = timedelta(seconds=10)


def reserved(world):
    return sorted(world.tracker.ledger.reservations)


def bound(world, currency="USD"):
    return world.tracker.wallets.by_currency[currency].reserved


# --- What a decision says -------------------------------------------------------------------------


def test_an_approval_says_what_it_covers_and_for_how_long():
    decision = World().ask(limit_order("0.1", "64000", name="one"))
    assert decision.approved
    assert (decision.client_order_id, decision.state) == ("one", "ACTIVE")
    assert (decision.notional, decision.price, decision.reducing) == (D(6400), D(64000), False)
    assert (decision.as_of, decision.reserved_until) == (START, START + LIFE)
    assert (decision.replayed, decision.violations, decision.warnings) == (False, (), ())


def test_every_decision_has_an_id_of_its_own():
    world = World()
    answers = [world.ask(body) for body in (limit_order(), limit_order(), "nonsense", {"x": 1})]
    answers.append(world.manager.validate_edit(order_id="none"))
    assert len({decision.decision_id for decision in answers}) == 5


def test_all_broken_rules_are_listed_with_a_message_each():
    world = World(
        max_order_notional=1, max_order_size="0.001", max_open_orders=0, block_products=("BTC-USD",)
    )
    decision = world.ask(limit_order("100.123456789", "64000.001"))
    assert sorted(decision.codes) == [
        "INSUFFICIENT_FUNDS", "MAX_OPEN_ORDERS", "MAX_ORDER_NOTIONAL", "MAX_ORDER_SIZE",
        "PRICE_INCREMENT", "PRODUCT_NOT_ALLOWED", "SIZE_INCREMENT",
    ]  # fmt: skip
    assert all(violation.message for violation in decision.violations)


def test_one_limit_broken_in_two_scopes_is_listed_twice():
    world = World(max_order_size="0.1", product={"BTC-USD": {"max_order_size": "0.05"}})
    decision = world.ask(limit_order(1))
    scopes = [v.scope for v in decision.violations if v.code == "MAX_ORDER_SIZE"]
    assert scopes == ["all", "product:BTC-USD"]
    assert decision.max_base_size == D("0.05")


def test_to_judge_an_approved_order_afresh_leaves_the_books_as_they_were():
    """It is lifted out of them meanwhile, and put back."""
    world = World()
    assert world.ask(limit_order("0.001", 60000, name="one"))
    world.manager.handle(ev.FeedChanged(at=world.now, feed="market", signal="lost"))
    version = world.tracker.version
    proposed = ev.OrderProposed(at=world.now, body=limit_order("0.001", 60000, name="one"))
    verdicts = [world.manager.decide(proposed) for _ in range(2)]
    assert [verdict is None or verdict.decision.replayed for verdict in verdicts] == [False, False]
    assert world.tracker.version == version


def test_a_refusal_reserves_nothing():
    world = World(max_order_size="0.01")
    before = memory(world)
    decision = world.ask(limit_order(1))
    assert decision.reserved_until is None
    assert memory(world) == before


# --- What cannot be read --------------------------------------------------------------------------


@pytest.mark.parametrize(
    "body", [b"{", "not json", b"\xff\xfe", "[]", "null", 7, None, [], {}, True]
)
def test_what_is_no_order_is_refused(body):
    decision = World().ask(body)
    assert (decision.approved, decision.codes) == (False, ("INVALID_ORDER",))
    assert decision.max_base_size == 0


def test_an_unreadable_order_is_refused_under_its_own_id():
    """The bot must find the answer to its question."""
    for body in (limit_order("NaN", name="one"), json.dumps(limit_order("NaN", name="one"))):
        assert World().ask(body).client_order_id == "one"
    assert World().ask({"client_order_id": 5}).client_order_id == ""


def test_a_long_body_that_is_no_order_is_refused_by_what_is_kept_of_it():
    """The server keeps its faults and the id that it states, and not the body."""
    kept = ev.Unreadable((("UNKNOWN_FIELD", "no such field"),), "one", '{"x": "', 70_000)
    (told,) = of_kind(World().send(ev.OrderProposed, body=b"", unreadable=kept), Decided)
    assert (told.decision.client_order_id, told.decision.codes) == ("one", ("UNKNOWN_FIELD",))


@pytest.mark.parametrize("as_text", [True, False])
def test_json_text_and_bytes_are_read_like_a_dict(as_text):
    text = json.dumps(limit_order("0.1", name="one"))
    decision = World().ask(text if as_text else text.encode())
    assert (decision.approved, decision.notional) == (True, D(6400))


def test_an_order_already_parsed_is_judged_like_its_body():
    body = limit_order("0.1", name="one")
    assert World().ask(parse_order(body)) == World().ask(body)


def test_an_unknown_product_is_refused_by_name():
    decision = World().ask(limit_order(product_id="NOPE-USD", name="one"))
    found = the(decision, "UNKNOWN_PRODUCT")
    assert (found.observed, decision.client_order_id) == ("NOPE-USD", "one")
    assert (
        found.message
        == "NOPE-USD is not in Coinbase's list of products; write it as Coinbase does: BTC-USD"
    )


@pytest.mark.parametrize("strategy", ["", "x" * 65, 5, ["momo"], b"momo", "\ud800", "a\nb"])
def test_a_strategy_has_a_short_name(strategy):
    found = the(World().ask(limit_order(), strategy_id=strategy), "INVALID_ORDER")
    assert found.message == "strategy_id: 1 to 64 printable characters are needed"


def test_a_strategy_of_64_characters_is_taken():
    assert World().ask(limit_order(), strategy_id="x" * 64)


# --- Replays --------------------------------------------------------------------------------------


def test_asking_again_gives_the_same_approval_and_reserves_nothing_twice():
    world = World(max_order_rate={"count": 1, "window_s": 60})
    first = world.ask(limit_order("0.5", name="one"))
    before = memory(world)
    world.now += timedelta(seconds=9.999)
    again = world.ask(limit_order("0.5", name="one"))
    assert again.replayed
    assert (again.decision_id, again.as_of, again.reserved_until) == (
        first.decision_id,
        first.as_of,
        first.reserved_until,
    )
    assert memory(world) == before


def test_a_replay_takes_the_meaning_of_a_body_not_its_spelling():
    world = World()
    world.ask(limit_order("0.50", "64000.00", name="one"))
    assert world.ask(limit_order("0.5", "64000", name="one")).replayed


def test_a_dry_run_of_a_live_approval_is_its_replay():
    world = World()
    world.ask(limit_order("0.5", name="one"))
    before = memory(world)
    assert world.ask(limit_order("0.5", name="one"), dry_run=True).replayed
    assert memory(world) == before


def tighten(world, how):
    match how:
        case "a cause":
            world.send(ev.ReduceOnlyRequested, reason="x", product_id="ETH-USD")
        case "limits":
            world.send(ev.LimitsReplaced, limits=Limits(max_order_size=10))
        case "a feed":
            world.send(ev.FeedChanged, feed="market", signal="lost")
            world.send(ev.FeedChanged, feed="market", signal="connected")
            world.quote("BTC-USD", 64000)


@pytest.mark.parametrize("how", ["a cause", "limits", "a feed"])
def test_after_anything_tightened_an_approval_is_judged_afresh(how):
    """It may pass again; then it lives anew, and is bound once."""
    world = World()
    world.ask(limit_order("0.5", name="one"))
    world.wait(5)
    tighten(world, how)
    again = world.ask(limit_order("0.5", name="one"))
    assert (again.approved, again.replayed) == (True, False)
    assert again.reserved_until == world.now + LIFE
    assert (bound(world), world.tracker.account.orders) == (D(32384), 1)


def test_judged_afresh_an_approval_may_be_refused_and_stays_bound():
    """It may have been sent already: until it is seen, released or lapsed, its worst case counts."""
    world = World()
    world.ask(limit_order("0.5", name="one"))
    world.send(ev.LimitsReplaced, limits=Limits(max_order_size="0.1"))
    again = world.ask(limit_order("0.5", name="one"))
    assert again.codes == ("MAX_ORDER_SIZE",)
    assert bound(world) == D(32384)
    assert reserved(world) == ["one"]


def test_judged_afresh_an_approval_is_not_in_its_own_way():
    """The open-order limit, the funds and the own price count it once."""
    world = World(max_open_orders=1, max_position_size="0.5", cash=32384)
    world.ask(limit_order("0.5", name="one"))
    tighten(world, "a cause")
    assert world.ask(limit_order("0.5", name="one"))


def test_a_dry_run_after_tightening_changes_nothing():
    world = World()
    world.ask(limit_order("0.5", name="one"))
    world.ask(limit_order("0.1", name="two"))
    tighten(world, "a cause")
    before = memory(world)
    decision = world.ask(limit_order("0.5", name="one"), dry_run=True)
    assert (decision.approved, decision.replayed, decision.reserved_until) == (True, False, None)
    assert (reserved(world), bound(world)) == (["one", "two"], D(32384) + D("6476.8"))
    assert sorted(memory(world)) == sorted(before)


def test_a_refusal_is_judged_afresh():
    """What was wrong may have been mended."""
    world = World(max_order_size="0.1")
    assert not world.ask(limit_order("0.5", name="one"))
    world.send(ev.LimitsReplaced, limits=Limits())
    decision = world.ask(limit_order("0.5", name="one"))
    assert (decision.approved, decision.replayed) == (True, False)


def test_an_approval_of_an_order_that_arrived_cannot_be_replayed():
    world = World()
    world.ask(limit_order("0.5", name="one"))
    world.report("o1", client_order_id="one", base_size="0.5", limit_price=64000)
    assert world.ask(limit_order("0.5", name="one")).codes == ("DUPLICATE_CLIENT_ORDER_ID",)


def test_a_live_approval_survives_a_restart_and_is_replayed():
    world = World()
    first = world.ask(limit_order("0.5", name="one"))
    world = restarted(world)
    again = world.ask(limit_order("0.5", name="one"))
    assert (again.replayed, again.decision_id) == (True, first.decision_id)
    assert bound(world) == D(32384)


# --- Edits ----------------------------------------------------------------------------------------


def working(size=1, price=60000, side="BUY", **limits):
    """An open order o1, known to the bot as `one`."""
    world = World(**limits)
    if side == "SELL":
        world.hold(1)
    world.report("o1", client_order_id="one", side=side, base_size=size, limit_price=price)
    return world


def edit(world, **fields):
    return world.manager.validate_edit(order_id="o1", **fields)


def test_an_edit_is_judged_as_the_order_it_would_become():
    decision = edit(working(), price="61000", size="1.5")
    assert decision
    assert (decision.client_order_id, decision.notional, decision.price) == (
        "one",
        D(91500),
        D(61000),
    )
    assert decision.reserved_until == START + LIFE


@pytest.mark.parametrize("fields", [{"order_id": "o1"}, {"client_order_id": "one"}])
def test_an_order_may_be_named_by_either_id(fields):
    assert working().manager.validate_edit(price="61000", **fields)


def test_what_is_not_edited_stays_as_it_was():
    world = working(price=60000)
    assert edit(world, size="0.5", dry_run=True).price == 60000
    assert edit(world, price="61000", dry_run=True).notional == 61000


def test_an_edit_reserves_only_what_it_adds():
    world = working(price=60000)
    edit(world, price="61000", size="1.5")
    line = world.tracker.account.lines["BTC"]
    assert (line.open_buy, line.orders) == (D("1.5"), 1)
    assert bound(world) == (D("1.5") * 61000 - 60000) * D("1.012")


def test_an_edit_that_takes_away_reserves_nothing():
    world = working()
    edit(world, size="0.5")
    assert (bound(world), world.tracker.account.lines["BTC"].open_buy) == (0, 1)


def test_a_growing_edit_breaks_what_the_order_would_break():
    decision = edit(working(max_position_size="1.2"), size="1.5")
    assert decision.codes == ("MAX_POSITION_SIZE",)
    assert decision.max_base_size == D("1.2")


def test_the_order_itself_is_not_in_its_edits_way():
    """It gives up its place among the open orders, its size and its funds."""
    world = working(max_open_orders=1, max_position_size=1, cash=60720)
    assert edit(world, price="59999")


@pytest.mark.parametrize(("fields", "ok"), [({"size": "0.5"}, True), ({"price": "59999"}, True), ({}, True), ({"size": "1.1"}, False), ({"price": "60001"}, False)])  # fmt: skip
def test_under_reduce_only_an_order_may_shrink_but_not_grow(fields, ok):
    """Less open at no worse a price can only lower the risk."""
    world = working()
    world.send(ev.ReduceOnlyRequested, reason="x")
    decision = edit(world, **fields)
    assert decision.approved == ok
    if not ok:
        assert decision.codes == ("STATE_REDUCE_ONLY",)


def test_under_reduce_only_the_largest_edit_is_the_order_as_it_is():
    world = working()
    world.send(ev.ReduceOnlyRequested, reason="x")
    assert edit(world, size="0.5", dry_run=True).max_base_size == 1
    assert edit(world, size="1.1", dry_run=True).max_base_size == 1


def test_an_order_whose_price_is_not_known_cannot_be_known_to_shrink():
    """A resting price that nobody told us may have been better."""
    world = World()
    world.report("o1", base_size=1)
    world.send(ev.ReduceOnlyRequested, reason="x")
    assert edit(world, size="0.5", price="60000").codes == ("STATE_REDUCE_ONLY",)


def test_a_sell_shrinks_only_at_no_lower_a_price():
    """An open sell beyond the position is no exit: making it cheaper adds risk."""
    world = working(side="SELL", price=70000)
    world.fill("SELL", 1, 64000)
    world.send(ev.ReduceOnlyRequested, reason="x")
    assert edit(world, size="0.5", price="70001", dry_run=True).reducing
    assert not edit(world, size="0.5", price="69999", dry_run=True).reducing


def test_an_exit_may_be_repriced_under_reduce_only():
    """The whole position is offered; offering it cheaper is still an exit."""
    world = working(side="SELL", price=70000)
    world.send(ev.ReduceOnlyRequested, reason="x")
    assert edit(world, price="63000")


def test_an_exit_may_not_grow_beyond_the_position_by_an_edit():
    world = working(side="SELL", size="0.5", price=70000)
    world.send(ev.ReduceOnlyRequested, reason="x")
    assert edit(world, size="1", dry_run=True)
    assert not edit(world, size="1.00000001", dry_run=True)


def test_nothing_is_edited_while_halted():
    world = working()
    world.send(ev.HaltRequested, reason="x")
    assert edit(world, size="0.5").codes == ("STATE_HALTED",)


def test_a_partly_filled_order_counts_what_is_left():
    world = World(max_order_size=2)
    world.report(
        "o1",
        client_order_id="one",
        base_size=1,
        limit_price=60000,
        filled="0.4",
        average_price=60000,
    )
    edit(world, size="1.5")
    assert world.tracker.account.lines["BTC"].open_buy == D("1.1")


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"size": "0.4"}, "size 0.4 is not above what is filled already, 0.4"),
        ({"size": "NaN"}, "size: 'NaN' is not a number of at most 20 digits before and 30 behind the point"),
        ({"size": "0"}, 'size: a number above zero, as a string such as "0.1", is needed'),
        ({"price": "-1"}, 'price: a number above zero, as a string such as "0.1", is needed'),
        ({"price": 61000}, 'price: a number above zero, as a string such as "0.1", is needed'),
    ],
)  # fmt: skip
def test_a_nonsense_edit_is_refused_with_a_reason(fields, message):
    world = World()
    world.report(
        "o1",
        client_order_id="one",
        base_size=1,
        limit_price=60000,
        filled="0.4",
        average_price=60000,
    )
    before = memory(world)
    decision = edit(world, **fields)
    assert decision.codes[0] == "INVALID_ORDER"
    assert decision.violations[0].message == message
    assert memory(world) == before


def test_several_faults_of_an_edit_are_all_listed():
    assert edit(working(), price="x", size="y").codes == ("INVALID_ORDER", "INVALID_ORDER")


def test_an_order_without_a_limit_price_has_none_to_edit():
    world = World()
    world.report("o1", base_size=1)
    assert (
        the(edit(world, size="0.5"), "INVALID_ORDER").message
        == "the order has no limit price to edit"
    )


@pytest.mark.parametrize("status", ["CANCELLED", "FILLED"])
def test_an_order_that_has_ended_or_never_was_cannot_be_edited(status):
    world = working()
    world.report("o1", client_order_id="one", base_size=1, limit_price=60000, status=status)
    decision = edit(world, size="0.5")
    assert (
        the(decision, "INVALID_ORDER").message
        == "no open order has this order_id or client_order_id"
    )
    assert decision.client_order_id == "o1"
    assert World().manager.validate_edit().client_order_id == ""


def test_an_order_known_only_by_its_order_id_is_edited_under_it():
    world = World()
    world.report("o1", base_size=1, limit_price=60000)
    assert edit(world, size="0.5").client_order_id == "o1"
    assert reserved(world) == ["o1"]


def test_asking_again_for_the_same_edit_is_its_replay():
    world = working()
    first = edit(world, size="1.5")
    before = memory(world)
    again = edit(world, size="1.5")
    assert (again.replayed, again.decision_id) == (True, first.decision_id)
    assert memory(world) == before


def test_another_edit_takes_the_place_of_the_approved_one():
    world = working()
    edit(world, size="1.5")
    assert edit(world, size="1.2")
    assert world.tracker.account.lines["BTC"].open_buy == D("1.2")


def test_a_refused_edit_leaves_the_approved_one_bound():
    """It may have been sent already."""
    world = working(max_position_size=2)
    edit(world, size="1.5")
    assert not edit(world, size="5")
    assert world.tracker.account.lines["BTC"].open_buy == D("1.5")


@pytest.mark.parametrize("how", ["a cause", "limits"])
def test_after_anything_tightened_an_edit_is_judged_afresh(how):
    world = working()
    edit(world, size="1.5")
    tighten(world, how)
    again = edit(world, size="1.5")
    assert (again.approved, again.replayed) == (True, False)
    assert world.tracker.account.lines["BTC"].open_buy == D("1.5")


def test_an_edit_seen_on_the_exchange_ends_its_reservation():
    world = working()
    edit(world, size="1.5")
    world.report("o1", client_order_id="one", base_size="1.5", limit_price=60000)
    assert reserved(world) == []
    assert world.tracker.account.lines["BTC"].open_buy == D("1.5")


def test_a_frame_of_the_order_as_it_was_does_not_end_an_edits_reservation():
    world = working()
    edit(world, size="1.5")
    world.report("o1", client_order_id="one", base_size=1, limit_price=60000)
    assert reserved(world) == ["one"]


def test_an_edits_approval_may_be_released():
    world = working()
    edit(world, size="1.5")
    world.manager.release_order("one")
    assert world.tracker.account.lines["BTC"].open_buy == 1


def test_an_edit_of_a_short_binds_only_the_margin_it_adds():
    world = funded(World())
    world.report("o1", product_id=FUTURE, side="SELL", base_size=10, limit_price=64000)
    assert edit(world, size="14")
    assert world.tracker.orders.margin_reserved == 640


def test_a_new_order_may_not_hide_under_the_id_of_an_edit():
    world = working()
    edit(world, size="1.5")
    assert breaks(world.ask(limit_order("0.1", "60000", name="one")), "DUPLICATE_CLIENT_ORDER_ID")


# --- Quote-sized orders and coins as money ----------------------------------------------------------


def spend(size, **fields):
    return order("market_market_ioc", quote_size=str(size), **fields)


def test_a_quote_sized_buy_binds_its_quote_and_the_most_base_it_may_bring():
    world = World()
    world.quote("BTC-USD", 63990, 64010)
    world.ask(spend(6400))
    assert bound(world) == 6400
    assert world.tracker.account.lines["BTC"].open_buy == D("0.1")


@pytest.mark.parametrize("size", ["6400.01", "1.37", "100"])
def test_the_largest_size_of_a_quote_sized_buy_does_not_depend_on_what_was_asked(size):
    world = World(max_order_notional=6400)
    assert world.ask(spend(size), dry_run=True).max_base_size == D("0.1")


def test_a_swap_binds_both_coins():
    """Buying ETH with BTC: the ETH may come, the BTC are on hold."""
    swaps = product("ETH-BTC", quote_min_size=D("0.00001"))
    world = World(products=(product("BTC-USD"), product("ETH-USD"), swaps))
    world.quote("ETH-BTC", "0.03125")
    world.hold(1)
    decision = world.ask(
        order("limit_limit_gtc", "BUY", "ETH-BTC", base_size="10", limit_price="0.03")
    )
    assert decision
    assert world.tracker.account.lines["ETH"].open_buy == 10
    assert world.tracker.account.lines["BTC"].open_sell == D("0.3")
    assert bound(world, "BTC") == D("0.3") * D("1.012")


# --- What a review found --------------------------------------------------------------------------


def test_a_product_s_new_flags_bind_at_once_however_they_were_listed():
    """A tracker told directly, without its manager: the rules compiled before are no longer right."""
    world = World()
    assert world.ask(limit_order())
    stopped = msgspec.structs.replace(world.tracker.products["BTC-USD"], cancel_only=True)
    world.tracker.apply(ev.ProductsListed(at=world.now, products=(stopped,)))
    assert "PRODUCT_UNTRADABLE" in world.ask(limit_order()).codes


def test_a_product_listed_later_brings_its_limits():
    world = World(products=PRODUCTS[:1], product={"BTC-USDC": {"max_order_size": "0.1"}})
    assert world.ask(limit_order("0.2"))
    world.tracker.apply(ev.ProductsListed(at=world.now, products=PRODUCTS))
    assert "MAX_ORDER_SIZE" in world.ask(limit_order("0.2")).codes


def test_asking_again_and_again_leaves_one_reservation_to_look_for():
    world = connected()
    body = limit_order(name="again")
    assert world.ask(body)
    world.send(ev.HaltRequested, reason="pause")
    for _ in range(50):
        assert not world.ask(body)
    world.wait(11)
    assert len(of_kind(world.actions, FindOrder)) == 1


class Broken(NoRoom):
    def figure(self, measure, tracker, added, warn_usd):
        raise SystemError("a bug")


def test_a_judge_that_fails_keeps_what_is_reserved():
    """The order may have been sent: an error on asking again must not free what it binds."""
    world = World(max_var="0.5")
    world.manager.desk.portfolio_risk = StandInRisk()
    body = limit_order(name="kept")
    assert world.ask(body)
    world.send(ev.HaltRequested, reason="pause")
    world.manager.desk.portfolio_risk = Broken()
    with pytest.raises(SystemError):
        world.ask(body)
    assert world.tracker.account.lines["BTC"].open_buy == D("0.01")


def test_another_body_in_what_no_worst_case_depends_on_is_another_body():
    world = World()
    body = limit_order(name="one")
    assert world.ask(body)
    assert "DUPLICATE_CLIENT_ORDER_ID" in world.ask(body | {"leverage": "2"}).codes


def test_an_edited_stop_rests_nowhere():
    world = World()
    world.report(
        "s",
        client_order_id="s",
        side="BUY",
        leaves="0.1",
        limit_price=66000,
        stop_price=65900,
        rests=False,
    )
    assert world.manager.validate_edit(order_id="s", price="65000")
    world.hold(1)
    assert "SELF_CROSS" not in world.ask(limit_order("0.1", 64500, side="SELL")).codes


def test_a_clock_set_back_does_not_lock_the_rate():
    """Approvals stamped in what is now the future count for one window, not until it comes."""
    world = World(max_order_rate={"count": 1, "window_s": 10})
    world.now += timedelta(days=365)
    world.quote("BTC-USD", 64000)
    assert world.ask(limit_order())
    world.now -= timedelta(days=365)
    world.quote("BTC-USD", 64000)
    assert world.ask(limit_order()).codes == ("MAX_ORDER_RATE",)
    world.now += timedelta(seconds=10)
    world.quote("BTC-USD", 64000)
    assert world.ask(limit_order())


def test_a_decision_is_named_by_its_day_and_its_number():
    world = World()
    names = [world.ask(limit_order()).decision_id for _ in range(2)]
    world.wait(24 * 60 * 60)
    names.append(world.ask(limit_order()).decision_id)
    assert names == ["20261122-1", "20261122-2", "20261123-3"]


def test_an_approval_that_is_given_again_takes_no_number_of_its_own():
    world = World()
    body = limit_order()
    first, again = world.ask(body), world.ask(body)
    assert (again.replayed, again.decision_id) == (True, first.decision_id)
    assert world.ask(limit_order()).decision_id == "20261122-2"


def test_under_other_limits_an_approval_is_not_given_again_unjudged():
    """It was given under the old ones: asked again, the order is judged by those in force now."""
    world = World(max_order_size=5)
    body = limit_order("0.1", 60000, name="one")
    assert world.ask(body)
    assert world.ask(body).replayed
    world.send(ev.ReduceOnlyRequested, reason="a test")
    world.send(ev.ResumeRequested, reason="a test")
    world.send(ev.LimitsReplaced, limits=Limits(max_order_size="0.05"))
    again = world.ask(body)
    assert (bool(again), again.replayed, again.codes) == (False, False, ("MAX_ORDER_SIZE",))
