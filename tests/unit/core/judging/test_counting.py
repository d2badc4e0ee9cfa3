"""The share of the limits on orders that one bot may use up: exact, for exits nothing, for nobody's orders nothing."""

from datetime import timedelta
from typing import Any

import pytest

from sidecar.core.context.settings import Settings
from sidecar.core.judging.rules import activity
from sidecar.core.judging.rules.rule import part_of
from sidecar.core.vocabulary import events as ev
from sidecar.core.vocabulary.actions import Decided
from sidecar.core.vocabulary.limit_settings import Quota, Rate
from sidecar.core.vocabulary.limits import Limits
from tests.decisions import memory, reloaded, sell_order, the
from tests.scenario import D, World, limit_order, order

ONE, OTHER = ev.Asker(1001), ev.Asker(1002)
CODE = "MAX_SHARE_OF_LIMITS"
SETTINGS = Settings(named_bots=frozenset({"grid", "momo"}), reservation_life=timedelta(hours=1))


def world_of(share: Any = "0.5", **limits: Any) -> World:
    return World(max_share_of_limits=share, max_quote_age_s=3600, settings=SETTINGS, **limits)


def ask(world, asker, size="0.01", price="60000", **fields):
    body = fields.pop("body", None) or limit_order(size, price=price)
    return of(world, ev.OrderProposed, body=body, asker=asker, **fields)


def of(world, kind, **fields):
    actions = world.send(kind, **fields)
    return next(action.decision for action in actions if isinstance(action, Decided))


def fill_up(world, asker, count, **fields):
    for number in range(count):
        assert ask(world, asker, price=str(60_000 + number), **fields)


# --- Open orders ----------------------------------------------------------------------------------


def test_one_bot_has_its_share_of_open_orders_and_the_other_the_rest():
    world = world_of(max_open_orders=5)  # half of five is two
    fill_up(world, ONE, 2)
    refused = the(ask(world, ONE), CODE)
    assert (refused.scope, refused.limit, refused.observed) == ("all", "2", "3")
    assert "share of max_open_orders" in refused.message
    fill_up(world, OTHER, 2)
    assert ask(world, OTHER).codes == (CODE,)
    assert ask(world, ev.Asker(1003))
    assert ask(world, ev.Asker(1004)).codes == ("MAX_OPEN_ORDERS",)


def test_an_order_counts_for_its_bot_from_its_approval_to_its_end_over_a_restart():
    world = world_of(max_open_orders=5)
    fill_up(world, ONE, 2)
    name = next(iter(world.tracker.ledger.reservations))
    world.report("o-1", client_order_id=name, base_size="0.01", limit_price=60_000)
    again = reloaded(world)
    for each in (world, again):
        assert ask(each, ONE).codes == (CODE,)
        each.report(
            "o-1", status="CANCELLED", client_order_id=name, base_size="0.01", limit_price=60_000
        )
        assert ask(each, ONE)


def test_an_order_whose_id_is_told_late_counts_for_its_bot_too():
    """Its reservation gives way when the id is known."""
    world = world_of(max_open_orders=5)
    fill_up(world, ONE, 2)
    (first, _) = world.tracker.ledger.reservations
    terms: dict[str, Any] = {"base_size": "0.01", "limit_price": 60_000}
    world.report("o-1", client_order_id="", **terms)
    assert world.tracker.books.bot_orders.of("user 1001", "all", "") == 2
    world.report("o-1", client_order_id=first, **terms)
    assert world.tracker.books.bot_orders.of("user 1001", "all", "") == 2
    assert ask(world, ONE).codes == (CODE,)
    world.report("o-1", client_order_id=first, status="CANCELLED", **terms)
    assert world.tracker.books.bot_orders.of("user 1001", "all", "") == 1


def test_an_edit_is_no_order_more_whoever_asks_for_it():
    world = world_of(max_open_orders=4)
    fill_up(world, ONE, 2)
    (first, _) = world.tracker.ledger.reservations
    world.report("o-1", client_order_id=first, base_size="0.01", limit_price=60_000)
    for asker in (ONE, OTHER, None):
        edit = {"order_id": "o-1", "size": "0.02", "asker": asker, "dry_run": True}
        assert of(world, ev.EditProposed, **edit)
    assert of(world, ev.EditProposed, order_id="o-1", size="0.02", asker=OTHER)
    world.report("o-1", client_order_id=first, base_size="0.02", limit_price=60_000)
    assert world.tracker.ledger.working["o-1"].bot == "user 1001"
    assert world.tracker.books.bot_orders.of("user 1002", "all", "") == 0


def test_an_order_that_nobody_asked_about_is_no_bots_after_its_edit_either():
    world = world_of(max_open_orders=4)
    world.report("o-1", client_order_id="unasked", base_size="0.01", limit_price=60_000)
    assert of(world, ev.EditProposed, order_id="o-1", size="0.02", asker=ONE)
    world.report("o-1", client_order_id="unasked", base_size="0.02", limit_price=60_000)
    assert not world.tracker.ledger.reservations
    assert world.tracker.books.bot_orders.counts == {}


def test_the_same_order_asked_again_does_not_stand_in_its_own_way():
    world = world_of(max_open_orders=4)
    fill_up(world, ONE, 1)
    body = limit_order(price="59000", name="again")
    assert ask(world, ONE, body=body)
    world.manager.state.tightened()  # so it is judged afresh
    assert ask(world, ONE, body=body)
    assert ask(world, ONE).codes == (CODE,)


def test_a_products_and_a_strategys_limit_are_shared_too():
    own = {"max_open_orders": 2}
    world = world_of(product={"BTC-USD": own}, strategy={"grid": own})
    assert ask(world, ONE, strategy_id="grid")
    eth = order(product_id="ETH-USD", base_size="0.1", limit_price="1900")
    assert the(ask(world, ONE, body=eth, strategy_id="grid"), CODE).scope == "strategy:grid"
    assert ask(world, ONE, body=eth)
    assert the(ask(world, ONE), CODE).scope == "product:BTC-USD"
    assert ask(world, OTHER, strategy_id="grid")


def test_seven_tenths_of_a_share_is_warned_of():
    world = world_of(max_open_orders=20)
    fill_up(world, ONE, 6)
    warnings = ask(world, ONE).warnings
    assert [(w.code, w.observed, w.limit) for w in warnings] == [(CODE, "7", "10")]
    assert ask(world, OTHER).warnings == ()


# --- Rates ----------------------------------------------------------------------------------------


def test_one_bot_has_its_share_of_the_order_rate_and_is_told_when_it_clears():
    world = world_of(max_order_rate={"count": 4, "window_s": 60})
    began = world.now
    fill_up(world, ONE, 2)
    world.wait(20)
    refused = the(ask(reloaded(world), ONE), CODE)
    assert refused == the(ask(world, ONE), CODE)
    assert (refused.limit, refused.observed) == ("2 in 60 s", "3")
    assert refused.clears_at == began + timedelta(seconds=60)
    fill_up(world, OTHER, 2)
    world.wait(40)
    assert ask(world, ONE)


def test_a_small_share_of_a_wide_rate_is_used_up_long_before_the_rate():
    world = world_of("0.2", max_order_rate={"count": 10, "window_s": 60})
    fill_up(world, ONE, 2)
    assert ask(world, ONE).codes == (CODE,)
    assert ask(world, OTHER)


def test_one_bot_has_its_share_of_identical_orders_at_least_one():
    world = world_of("0.34", duplicate_order={"count": 3, "window_s": 60})
    assert ask(world, ONE)
    refused = the(ask(world, ONE), CODE)
    assert (refused.limit, refused.observed) == ("1 in 60 s", "2")
    assert ask(world, ONE, price="60001")
    assert ask(world, OTHER)
    assert ask(world, ev.Asker(1003))
    assert ask(world, ev.Asker(1004)).codes == ("DUPLICATE_ORDER",)


def test_one_bot_has_its_share_of_the_notional_and_is_told_the_largest_size_that_is_left():
    world = world_of(max_notional_in={"usd": 12_000, "window_s": 60})
    began = world.now
    assert ask(world, ONE, "0.05")
    again = reloaded(world)
    for each in (world, again):
        decision = ask(each, ONE, "0.06")
        refused = the(decision, CODE)
        assert (refused.limit, refused.observed) == ("6000 USD in 60 s", "6600")
        assert decision.max_base_size == D("0.05")
        assert refused.clears_at == began + timedelta(seconds=60)
        assert ask(each, ONE, "0.05")
        assert ask(each, OTHER, "0.1")


# --- Approvals alive ------------------------------------------------------------------------------


def test_one_bot_has_its_share_of_all_approvals_alive(monkeypatch):
    monkeypatch.setattr(activity, "RESERVATIONS_MAX", 6)
    world = world_of()
    began = world.now
    fill_up(world, ONE, 3)
    refused = the(ask(world, ONE), CODE)
    assert (refused.limit, refused.observed) == ("3", "4")
    assert refused.message.startswith("3 approvals of user 1001 are alive already")
    assert refused.clears_at == began + timedelta(hours=1)
    assert ask(world, OTHER)
    assert ask(world, None)
    body = limit_order(price="60000", name=next(iter(world.tracker.ledger.reservations)))
    world.manager.state.tightened()
    assert ask(world, ONE, body=body)  # it is alive already


# --- Whom it binds --------------------------------------------------------------------------------


TIGHT: dict[str, Any] = {
    "max_open_orders": 2,
    "max_order_rate": {"count": 2, "window_s": 60},
    "duplicate_order": {"count": 2, "window_s": 60},
    "max_notional_in": {"usd": 1300, "window_s": 60},
}


@pytest.mark.parametrize("name", TIGHT)
def test_exits_pass_and_orders_that_nobody_is_known_to_ask_about(name):
    world = world_of(**{name: TIGHT[name]})
    world.hold(1)
    assert ask(world, ONE)
    assert ask(world, ONE).codes == (CODE,)
    assert ask(world, ONE, body=sell_order("0.01", price="70000"))
    assert ask(world_of(**{name: TIGHT[name]}), None)
    library = world_of(**{name: TIGHT[name]})
    assert library.ask(limit_order("0.01", price="60000"))
    assert library.ask(limit_order("0.01", price="60000"))


def test_what_nobody_is_known_to_ask_about_counts_in_no_bots_window():
    """Approved at a glance, or nearly at its limit and so judged rule by rule."""
    world = world_of(
        **TIGHT | {"max_open_orders": 9, "max_notional_in": {"usd": 9_999, "window_s": 60}}
    )
    assert ask(world, None)
    assert ask(world, None)
    names = [*world.manager.desk.activity.windows, *world.manager.desk.activity.notional]
    assert [name for name in names if CODE in name] == []


@pytest.mark.parametrize("name", TIGHT)
def test_without_a_share_one_bot_may_use_all_of_it(name):
    world = world_of(None, **{name: TIGHT[name]})
    assert ask(world, ONE)
    assert ask(world, ONE)
    assert CODE not in ask(world, ONE).codes


def test_a_bot_is_its_name_where_the_configuration_has_it():
    world = world_of(max_open_orders=2)
    assert ask(world, ev.Asker(1001, "grid"))
    assert ask(world, ev.Asker(1002, "grid")).codes == (CODE,)
    assert ask(world, ev.Asker(1001, "momo"))


def test_a_name_that_nobody_configured_is_no_other_bot():
    world = world_of(max_open_orders=2)
    assert ask(world, ev.Asker(1001, "one"))
    assert ask(world, ev.Asker(1001, "two")).codes == (CODE,)


def test_orders_from_before_a_share_was_set_count_when_it_is():
    world = world_of(None, max_open_orders=4)
    fill_up(world, ONE, 3)
    limits = Limits(max_share_of_limits="0.5", max_open_orders=4, max_quote_age_s=3600)
    world.send(ev.LimitsReplaced, limits=limits)
    assert the(ask(world, ONE), CODE).observed == "4"


def test_refused_attempts_and_dry_runs_use_up_nothing():
    world = world_of(max_order_rate={"count": 4, "window_s": 60})
    before = memory(world)
    assert ask(world, ONE, dry_run=True)
    assert memory(world).replace(b'"decisions":1', b'"decisions":0') == before
    fill_up(world, ONE, 2)


@pytest.mark.parametrize(
    ("setting", "share", "part"),
    [
        (Rate(count=5, window_s="9"), "0.5", Rate(count=2, window_s="9")),
        (Rate(count=1, window_s="9"), "0.1", Rate(count=1, window_s="9")),
        (Quota(usd="5", window_s="9"), "0.5", Quota(usd="2.5", window_s="9")),
        (20, "0.5", 10),
        (10, "0.3", 3),
        (3, "0.1", 1),
        (7, "1", 7),
    ],
)
def test_a_share_is_rounded_down_to_whole_orders_but_lets_one_through(setting, share, part):
    assert part_of(setting, D(share)) == part


def test_only_limits_on_orders_are_shared():
    with pytest.raises(AssertionError, match="no limit on orders"):
        part_of(D(5), D("0.5"))
