"""Which names of strategies may be used, by whom, and which of them are forgotten."""

import pytest

from sidecar.core.account import strategy_books
from sidecar.core.account.position_tracker import PositionTracker
from sidecar.core.context import strategy_names as module
from sidecar.core.context.settings import Settings
from sidecar.core.context.strategy_names import StrategyNames
from sidecar.core.judging.rules import activity
from sidecar.core.vocabulary import events as ev
from sidecar.core.vocabulary.actions import Decided
from sidecar.core.vocabulary.limits import Limits
from tests.decisions import reloaded, sell_order, the
from tests.scenario import World, limit_order

GRID = {"strategy_uids": {"grid": frozenset({7})}, "named_strategies": frozenset({"grid"})}


def world_of(limits=None, **settings):
    made = World(settings=Settings(**settings), **(limits or {}))
    made.balance("BTC", 1)
    return made


def ask(world, body=None, *, uid=7, bot="", strategy="s", name="a"):
    """A decision on an order that a bot asks about."""
    body = body or limit_order("0.001", 63000, name=name)
    asker = None if uid is None else ev.Asker(uid, bot)
    actions = world.send(ev.OrderProposed, body=body, strategy_id=strategy, asker=asker)
    (decision,) = [action.decision for action in actions if isinstance(action, Decided)]
    return decision


def names(world):
    return set(world.tracker.strategies)


# --- Whose they are -------------------------------------------------------------------------------


def test_a_strategy_is_for_its_users_and_others_spend_nothing_of_it():
    world = world_of(**GRID)
    refused = ask(world, uid=8, strategy="grid")
    assert "grid' is for the users" in the(refused, "INVALID_ORDER").message
    assert not ask(world, sell_order("0.1", name="b"), uid=8, strategy="grid")
    assert ask(world, uid=7, strategy="grid")
    assert ask(world, uid=None, strategy="grid", name="c")  # a program's own word
    assert ask(world, uid=8, strategy="other", name="d")


def test_an_order_of_a_strategy_is_for_its_users_to_edit():
    world = world_of(**GRID)
    ask(world, strategy="grid")
    world.report("o", client_order_id="a", base_size="0.001", limit_price=63000)
    edit = {"order_id": "o", "size": "0.002"}
    for uid, approved in ((8, False), (7, True)):
        actions = world.send(ev.EditProposed, asker=ev.Asker(uid), **edit)
        (decision,) = [action.decision for action in actions if isinstance(action, Decided)]
        assert decision.approved == approved


# --- Which are listed -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("wanted", "limited", "unlisted"),
    [("any", True, False), ("any", False, False), ("listed", False, True), ("auto", False, False), ("auto", True, True)],
)  # fmt: skip
def test_under_a_name_that_is_not_listed_orders_may_only_reduce(wanted, limited, unlisted):
    limits = {"strategy": {"momo": {"max_order_size": 5}}} if limited else {}
    world = world_of(limits, strategies=wanted, **GRID)
    adding = ask(world, strategy="new", name="a")
    assert bool(adding) is not unlisted
    if unlisted:
        assert "not listed" in the(adding, "INVALID_ORDER").message
    assert ask(world, sell_order("0.1", name="b"), strategy="new")
    assert ask(world, strategy=None, name="c")
    assert ask(world, strategy="grid", name="d")
    if limited:
        assert ask(world, strategy="momo", name="e")


def test_names_are_listed_from_the_limits_that_are_in_force():
    world = world_of(strategies="auto")
    assert ask(world, strategy="new", name="a")
    world.send(ev.LimitsReplaced, limits=Limits(strategy={"momo": {"max_order_size": 5}}))
    assert not ask(world, strategy="new", name="b")


# --- How many there may be ------------------------------------------------------------------------


@pytest.fixture
def few(monkeypatch):
    """Room for five names."""
    monkeypatch.setattr(module, "STRATEGIES_MAX", 5)
    monkeypatch.setattr(strategy_books, "STRATEGIES_MAX", 5)


def test_names_in_use_stay_and_those_of_which_none_is_open_make_room(few):
    world = world_of()
    for number in range(5):
        assert ask(world, strategy=f"s{number}", name=f"a{number}")
    refused = ask(world, strategy="new", name="b")
    assert "use few and lasting ones" in the(refused, "INVALID_ORDER").message
    assert ask(world, strategy="s3", name="c")
    world.send(ev.ReservationReleased, client_order_id="a0")
    assert ask(world, strategy="new", name="b")
    assert names(world) == {"s1", "s2", "s3", "s4", "new"}


def hold(world):
    world.fill("BUY", "0.1", 64000, strategy_id="s0", order_id="f1")
    world.report("f1", status="FILLED", filled="0.1", average_price=64000)


def work(world):
    world.report("o", client_order_id="a0", base_size="0.001", limit_price=63000)


def bind(world):
    world.send(ev.ReduceOnlyRequested, reason="odd", strategy_id="s0")


def limit(world):
    world.send(ev.LimitsReplaced, limits=Limits(strategy={"s0": {"max_order_size": 5}}))


@pytest.mark.parametrize("tie", [hold, work, bind, limit])
def test_a_name_that_is_held_worked_bound_or_limited_is_not_forgotten(few, tie):
    world = world_of()
    for number in range(5):
        ask(world, strategy=f"s{number}", name=f"a{number}")
    tie(world)
    world.send(ev.ReservationReleased, client_order_id="a0")
    assert not ask(world, strategy="new", name="b")
    assert "s0" in names(world)


def test_a_forgotten_name_begins_anew_and_its_loss_stays_in_the_accounts(few):
    world = world_of()
    world.fill("BUY", "0.1", 64000, strategy_id="s0", order_id="f1", entry_id="f1")
    world.fill("SELL", "0.1", 60000, strategy_id="s0", order_id="f2", entry_id="f2")
    for name, side, price in (("f1", "BUY", 64000), ("f2", "SELL", 60000)):
        told = {"filled": "0.1", "average_price": price}
        world.report(name, side=side, status="FILLED", **told)
    lost = world.tracker.account.net_pnl
    for number in range(1, 6):
        assert ask(world, strategy=f"s{number}", name=f"a{number}")
    assert "s0" not in names(world)
    assert world.tracker.account.net_pnl == lost < 0
    assert world.manager.tracker.windows.by_strategy.keys() <= names(world)


def test_a_programs_own_names_make_room_too(few):
    world = world_of()
    for number in range(5):
        assert ask(world, uid=None, strategy=f"s{number}", name=f"a{number}")
    assert not ask(world, uid=None, strategy="new", name="b")
    world.send(ev.ReservationReleased, client_order_id="a0")
    assert ask(world, uid=None, strategy="new", name="b")


def test_a_name_is_forgotten_before_any_window_has_begun():
    tracker = PositionTracker()
    tracker.books.strategy_books.of("s")
    tracker.forget_strategy("s")
    assert (tracker.windows, tracker.strategies) == (None, {})


def test_one_user_has_so_many_names_in_use_and_another_has_room(monkeypatch):
    monkeypatch.setattr(module, "INVENTED_BY_ONE_MAX", 2)
    world = world_of(**GRID)
    assert ask(world, strategy="grid", name="g")  # configured: nobody's invention
    for number in range(2):
        assert ask(world, strategy=f"s{number}", name=f"a{number}")
    refused = ask(world, strategy="new", name="b")
    assert "user 7 has 2 strategy names in use" in the(refused, "INVALID_ORDER").message
    assert ask(world, uid=8, strategy="new", name="b")
    assert ask(world, uid=None, strategy="own", name="c")
    world = reloaded(world)
    assert not ask(world, strategy="newer", name="d")
    world.send(ev.ReservationReleased, client_order_id="a1")
    assert ask(world, strategy="newer", name="d")
    assert names(world) == {"grid", "s0", "new", "own", "newer"}


def test_what_is_refused_takes_no_name():
    world = world_of({"max_order_size": "0.0001"})
    assert not ask(world)
    assert names(world) == set()
    assert StrategyNames(world.manager.desk, world.manager.settings).inventors == {}


# --- Whose an approval is -------------------------------------------------------------------------


def test_an_approval_is_its_makers_to_have_again_and_to_release():
    world = world_of()
    approved = ask(world, bot="maker")
    for uid, bot in ((7, ""), (7, "taker"), (8, "maker")):
        other = ask(world, uid=uid, bot=bot)
        assert other.codes == ("DUPLICATE_CLIENT_ORDER_ID",)
        (answer,) = world.send(
            ev.ReservationReleased, client_order_id="a", asker=ev.Asker(uid, bot)
        )
        assert (answer.done, "another bot" in answer.text) == (False, True)
    again = ask(world, bot="maker")
    assert (again.replayed, again.decision_id) == (True, approved.decision_id)
    world.send(ev.ReservationReleased, client_order_id="a", asker=ev.Asker(7, "maker"))
    assert not world.tracker.ledger.reservations


def test_an_approved_edit_is_its_makers():
    world = world_of()
    world.report("o", client_order_id="a", base_size="0.001", limit_price=63000)
    for bot, approved in (("maker", True), ("taker", False), ("maker", True)):
        asker = ev.Asker(7, bot)
        actions = world.send(ev.EditProposed, order_id="o", size="0.002", asker=asker)
        (decision,) = [action.decision for action in actions if isinstance(action, Decided)]
        assert decision.approved == approved
    assert "another bot has an edit" in world_text(world)


def world_text(world):
    actions = world.send(ev.EditProposed, order_id="o", size="0.002", asker=ev.Asker(9))
    return the(actions[0].decision, "INVALID_ORDER").message


def test_no_user_binds_all_reservations(monkeypatch):
    monkeypatch.setattr(activity, "RESERVATIONS_OF_A_USER_MAX", 3)
    monkeypatch.setattr("sidecar.core.judging.glance.RESERVATIONS_OF_A_USER_MAX", 3)
    monkeypatch.setattr(activity, "RESERVATIONS_MAX", 5)
    world = world_of()
    for number in range(3):
        assert ask(world, name=f"a{number}")
    assert "of this user are alive" in the(ask(world, name="b"), "MAX_OPEN_ORDERS").message
    assert ask(world, sell_order("0.1", name="exit"), uid=8)
    assert ask(world, uid=8, name="c")
    assert "5 approvals are alive" in the(ask(world, uid=8, name="d"), "MAX_OPEN_ORDERS").message
    assert not ask(world, uid=None, name="e")
