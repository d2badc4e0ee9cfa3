"""A user's own rules."""

from decimal import getcontext

import pytest

from sidecar.core.context.custom_rule import CustomRule
from tests.decisions import sell_order, the
from tests.scenario import D, World, limit_order


def ruled(function, *, exempt=False):
    world = World()
    world.manager.desk.custom = (CustomRule("my.rules:mine", function, exempt),)
    return world


def test_a_rule_that_returns_none_lets_the_order_pass():
    assert ruled(lambda order, tracker, now: None).ask(limit_order())


def test_a_rule_sees_the_order_the_tracker_and_the_time():
    seen = []
    world = ruled(lambda *given: seen.append(given))
    world.ask(limit_order("0.02"))
    ((order, tracker, now),) = seen
    assert (str(order.base_size), tracker, now) == ("0.02", world.tracker, world.now)


def test_a_rule_that_says_why_not_refuses_under_its_name():
    """Its name is in `scope`, its word in `message`."""
    decision = ruled(lambda order, tracker, now: "not on Sundays").ask(limit_order())
    found = the(decision, "CUSTOM")
    assert (found.scope, found.message) == ("my.rules:mine", "not on Sundays")
    assert decision.max_base_size == 0


@pytest.mark.parametrize(
    "fault", [ValueError("what?", 2), KeyError("x"), ZeroDivisionError(), RecursionError()]
)
def test_a_rule_that_raises_refuses(fault):
    """What cannot be judged is not approved."""

    def broken(order, tracker, now):
        raise fault

    found = the(ruled(broken).ask(limit_order()), "CUSTOM")
    said = fault.args[0] if fault.args else "no reason"
    assert found.message == f"the rule raised {type(fault).__name__}: {said}"


class Unspeakable:
    def __str__(self):
        raise ValueError("no words")


def test_a_rule_whose_answer_cannot_be_said_refuses():
    found = the(ruled(lambda order, tracker, now: Unspeakable()).ask(limit_order()), "CUSTOM")
    assert found.message == "the rule raised ValueError: no words"


def test_a_rule_s_own_precision_stays_its_own():
    """A rule that lowers the decimal precision must not round the books."""

    def careless(order, tracker, now):
        getcontext().prec = 3

    world = ruled(careless)
    world.ask(limit_order())
    world.fill("BUY", "0.12345678", "64001.23")
    assert world.tracker.account.lines["BTC"].position.cost == D("0.12345678") * D("64001.23")


@pytest.mark.parametrize("word", ["", 0, False])
def test_anything_but_none_refuses(word):
    """A rule that returns False by mistake must not pass for one that said nothing."""
    assert not ruled(lambda order, tracker, now: word).ask(limit_order())


@pytest.mark.parametrize("exempt", [True, False])
def test_reducing_orders_are_exempt_where_the_rule_says_so(exempt):
    world = ruled(lambda order, tracker, now: "never", exempt=exempt)
    world.hold(1)
    decision = world.ask(sell_order(1))
    assert decision.approved == exempt
    assert decision.max_base_size == (1 if exempt else 0)


def test_whoever_wants_to_is_told_of_each_exception_and_the_order_is_refused_all_the_same():
    def broken(order, account, now):
        raise KeyError("x")

    told = []
    world = World()
    rule = CustomRule("mine", broken, on_raise=lambda rule, fault: told.append((rule.name, fault)))
    world.manager.desk.custom = (rule,)
    assert world.ask(limit_order()).codes == ("CUSTOM",)
    ((name, fault),) = told
    assert (name, type(fault)) == ("mine", KeyError)


def test_a_rule_may_count_on_the_figures_of_the_account():
    seen: list[tuple[object, ...]] = []

    def looks(order, account, now):
        seen.append(
            (account.held("BTC"), account.held("XRP"), account.price("BTC"), account.price("XRP"))
        )
        seen.append((account.equity, account.net_pnl))

    world = ruled(looks)
    world.hold(2)
    world.ask(limit_order())
    assert seen == [(2, 0, 64000, None), (world.tracker.equity, world.tracker.net_pnl)]
