"""Readiness: a start ends with the first complete picture, and REST's word on the prices of what is held."""

import pytest
from msgspec.structs import replace

from sidecar.core.context.readiness import AGREE_WITHIN, ASK_AGAIN
from sidecar.core.vocabulary import events as ev
from sidecar.core.vocabulary.actions import (
    Alert,
    ConfirmQuotes,
    Reconcile,
    StateChanged,
    WakeAt,
)
from sidecar.core.vocabulary.limits import Limits
from tests.decisions import (
    CONNECTED,
    breaks,
    connected,
    of_kind,
    rest_agrees,
    restarted,
    sell_order,
    the,
)
from tests.scenario import FUTURE, PRODUCTS, D, World, limit_order


def state(world):
    return world.manager.state.account


def told(world):
    return [alert.text for alert in of_kind(world.actions, Alert)]


def listed():
    """Products are known; nothing else."""
    return World(settings=CONNECTED)


STEPS = {
    "balances": lambda w: w.balance("USD", 1000),
    "orders": lambda w: w.send(ev.OpenOrdersListed, order_ids=(), began_at=w.now),
    "market": lambda w: w.send(ev.FeedChanged, feed="market", signal="connected"),
    "user": lambda w: w.send(ev.FeedChanged, feed="user", signal="connected"),
    "reconciled": lambda w: w.send(ev.AccountReconciled),
}


@pytest.mark.parametrize("missing", [None, *STEPS])
def test_the_account_is_active_with_the_first_complete_picture_and_not_before(missing):
    """Products, balances, open orders, fills, and both feeds live."""
    world = listed()
    for name, step in STEPS.items():
        if name != missing:
            assert state(world) == "STARTING"
            step(world)
    assert state(world) == ("ACTIVE" if missing is None else "STARTING")


def test_without_products_nothing_is_complete():
    world = World(settings=CONNECTED, products=())
    for step in STEPS.values():
        step(world)
    assert state(world) == "STARTING"


def test_a_reconciliation_before_everything_was_read_completes_nothing():
    world = listed()
    STEPS["reconciled"](world)
    for name in ("balances", "orders", "market", "user"):
        STEPS[name](world)
    assert state(world) == "STARTING"
    STEPS["reconciled"](world)
    assert state(world) == "ACTIVE"


def test_what_no_product_can_value_does_not_hold_up_the_start():
    """A token that fell out of the list, or an airdrop."""
    world = listed()
    world.balance("JUNK", 1)
    for step in STEPS.values():
        step(world)
    assert state(world) == "ACTIVE"
    assert told(world) == ["no quote of JUNK: it counts for nothing until a good one has stood"]


def opened():
    """Everything is read and live but the last word, that the account is reconciled."""
    world = listed()
    world.send(ev.BalancesRead, balances=(ev.Balance("USD", D(200_000)), ev.Balance("BTC", D(0))))
    world.quote("BTC-USD", 64000)
    for name in ("orders", "market", "user"):
        STEPS[name](world)
    return world


def buy_before_the_picture(world):
    world.wait(1)
    world.fill("BUY", 1, 64000)


def sell_a_contract_before_the_picture(world):
    world.quote(FUTURE, 64000)
    world.wait(1)
    world.fill("SELL", 1, 64000, product_id=FUTURE)


@pytest.mark.parametrize("trade", [buy_before_the_picture, sell_a_contract_before_the_picture])
def test_a_fill_after_the_balances_were_read_is_not_swallowed_by_the_start(trade):
    """The books open with what was read, so it is read again: once, and then waited for."""
    world = opened()
    trade(world)
    (wish,) = of_kind(STEPS["reconciled"](world), Reconcile)
    assert wish.reason == "orders moved after the balances were read"
    assert state(world) == "STARTING"
    assert not of_kind(world.wait(1), Reconcile)
    world.send(ev.BalancesRead, balances=(ev.Balance("BTC", D(1)),))
    assert state(world) == "STARTING"
    rest_agrees(world, STEPS["reconciled"](world))
    assert state(world) == "ACTIVE"


def test_a_position_bought_during_the_start_is_limited_after_it():
    world = opened()
    world.manager.desk.use(Limits(max_position_size="1.5"))
    buy_before_the_picture(world)
    STEPS["reconciled"](world)
    world.send(ev.BalancesRead, balances=(ev.Balance("BTC", D(1)),))
    rest_agrees(world, STEPS["reconciled"](world))
    assert world.position == 1
    assert world.ask(limit_order(1)).codes == ("MAX_POSITION_SIZE",)


def test_a_reconciliation_without_balances_asks_once_more():
    world = opened()
    buy_before_the_picture(world)
    STEPS["reconciled"](world)
    assert of_kind(STEPS["reconciled"](world), Reconcile)
    assert state(world) == "STARTING"


def test_loss_windows_begin_with_the_complete_picture():
    world = connected(held=1)
    assert world.tracker.windows is not None
    assert world.tracker.windows.cumulative.base == 164_000
    assert world.tracker.net_pnl == 0


def test_a_loss_limit_that_is_broken_at_the_start_binds_at_once():
    """Against no equity: the first complete picture already says so."""
    world = World(settings=CONNECTED, max_daily_loss="0.1")
    for name, step in STEPS.items():
        if name != "balances":
            step(world)
    world.balance("USD", 0)
    STEPS["reconciled"](world)
    assert state(world) == "REDUCE_ONLY"


def test_once_active_a_lost_feed_is_no_new_start():
    world = connected(held=1)
    world.send(ev.FeedChanged, feed="user", signal="lost")
    assert state(world) == "ACTIVE"
    assert not world.ask(limit_order())


# --- The prices of what is held -------------------------------------------------------------------


def asking(*, settings=CONNECTED, **held):
    """Everything is read and live; what is held, REST has not priced yet."""
    world = World(settings=settings)
    wallets = {"USD": 1000, **(held or {"BTC": 1})}
    balances = tuple(ev.Balance(name, D(total)) for name, total in wallets.items())
    for name, step in STEPS.items():
        if name == "balances":
            world.send(ev.BalancesRead, balances=balances)
        else:
            step(world)
    return world


def rest(world, *quotes):
    """REST's answer: (book, bid, ask)."""
    stated = tuple(ev.Quote(book, D(bid), D(ask), world.now) for book, bid, ask in quotes)
    return world.send(ev.QuotesConfirmed, quotes=stated)


def test_rest_is_asked_for_the_prices_of_what_is_held():
    world = asking()
    assert of_kind(world.actions, ConfirmQuotes) == [ConfirmQuotes(product_ids=("BTC-USD",))]
    assert state(world) == "STARTING"


def test_what_the_feed_has_said_nothing_of_is_marked_by_rest():
    world = asking()
    (change,) = of_kind(rest(world, ("BTC-USD", 64000, 64000)), StateChanged)
    assert (change.before, change.after) == ("STARTING", "ACTIVE")
    assert world.tracker.equity == 65_000
    assert world.tracker.windows is not None
    assert world.tracker.windows.day.base == 65_000


def test_what_neither_has_a_quote_of_is_named_and_holds_nothing_up():
    """A disabled product, an auction, an airdrop: it counts for nothing, and all the rest is watched. It came
    in at its first price that has settled: a first quote may be a bad tick.
    """
    world = asking(BTC=1, ETH=5)
    rest(world, ("BTC-USD", 64000, 64000), ("ETH-USD", 0, 0))
    assert state(world) == "ACTIVE"
    assert told(world) == ["no quote of ETH: it counts for nothing until a good one has stood"]
    assert world.tracker.equity == 65_000
    world.quote("ETH-USD", 2000)
    assert (world.tracker.equity, world.tracker.transfers, world.tracker.net_pnl) == (65_000, 0, 0)
    world.wait(1)
    world.stand("ETH-USD", 2000)
    assert world.tracker.equity == 75_000
    assert (world.tracker.transfers, world.tracker.net_pnl) == (10_000, 0)


def test_what_is_kept_whole_holds_up_nothing_and_is_not_asked_for():
    world = World(settings=CONNECTED, keep={"BTC": None})
    world.balance("BTC", 1)
    for step in STEPS.values():
        step(world)
    assert not of_kind(world.actions, ConfirmQuotes)
    assert state(world) == "ACTIVE"


@pytest.mark.parametrize(("price", "after"), [(66_000, "ACTIVE"), (68_000, "STARTING")])
def test_where_feed_and_rest_agree_within_the_spread_cap_the_mark_is_believed(price, after):
    world = asking()
    world.quote("BTC-USD", 64000)
    rest(world, ("BTC-USD", price, price))
    assert state(world) == after
    assert world.tracker.marks.usd("BTC") == 64000


def test_a_disagreement_is_asked_about_again_in_five_seconds():
    world = asking()
    assert of_kind(world.actions, WakeAt)[-1].at == world.now + ASK_AGAIN
    world.quote("BTC-USD", 1)
    rest(world, ("BTC-USD", 64000, 64000))
    world.wait(1)
    world.quote("BTC-USD", 64000)
    assert state(world) == "STARTING"
    actions = world.wait(4)
    assert of_kind(actions, ConfirmQuotes)
    rest_agrees(world, actions)
    assert state(world) == "ACTIVE"


def test_only_the_books_that_rest_has_not_agreed_on_are_asked_about_again():
    world = asking(BTC=1, ETH=5)
    world.quote("ETH-USD", 1)
    rest(world, ("BTC-USD", 64000, 64000), ("ETH-USD", 2000, 2000))
    (asked,) = of_kind(world.wait(5), ConfirmQuotes)
    assert asked.product_ids == ("ETH-USD",)


def test_bad_ticks_do_not_last_half_a_minute():
    """Then the feed's word stands."""
    world = asking()
    world.quote("BTC-USD", 1)
    first = world.now
    while world.now < first + AGREE_WITHIN:
        assert state(world) == "STARTING"
        rest(world, ("BTC-USD", 64000, 64000))
        world.wait(1)
    assert state(world) == "ACTIVE"


def test_where_rest_cannot_be_had_the_feeds_word_stands():
    world = asking()
    world.quote("BTC-USD", 64000)
    world.send(ev.ConfirmationUnavailable)
    assert state(world) == "ACTIVE"


def test_rest_is_waited_for_in_wall_time():
    """A replay at ten times the speed waits ten times as long by its own clock."""
    world = asking(settings=replace(CONNECTED, time_scale=10.0))
    world.quote("BTC-USD", 1)
    rest(world, ("BTC-USD", 64000, 64000))
    assert not of_kind(world.wait(49), ConfirmQuotes)
    assert of_kind(world.wait(1), ConfirmQuotes)


def test_a_clock_set_back_has_rest_asked_again_at_once():
    world = asking()
    world.quote("BTC-USD", 1)
    assert of_kind(world.wait(-60), ConfirmQuotes)


def test_an_answer_without_a_question_changes_nothing():
    world = World(settings=CONNECTED)
    rest(world, ("BTC-USD", 64000, 64000))
    assert world.tracker.marks.quotes == {}
    world = connected(held=1)
    rest(world, ("BTC-USD", 1, 1))
    assert world.tracker.marks.usd("BTC") == 64000


def test_an_answer_that_comes_after_the_start_marks_nothing():
    """It was waited for during half a minute; from then on the feed's word stands."""
    world = asking()
    world.wait(30)
    assert state(world) == "ACTIVE"
    rest(world, ("BTC-USD", 1, 1))
    assert world.tracker.marks.quotes == {}


# --- A new process --------------------------------------------------------------------------------


def test_books_open_since_before_a_restart_count_what_trades_while_it_starts():
    """Nothing is swallowed, so a busy account does not hold up the start."""
    world = restarted(connected(held=1))
    for feed in ("market", "user"):
        world.send(ev.FeedChanged, feed=feed, signal="connected")
    world.send(ev.ProductsListed, products=PRODUCTS)
    world.send(ev.BalancesRead, balances=(ev.Balance("BTC", D(1)),))
    world.send(ev.OpenOrdersListed, order_ids=(), began_at=world.now)
    world.wait(1)
    world.fill("BUY", 1, 64000)
    assert state(world) == "STARTING"
    rest_agrees(world, world.send(ev.AccountReconciled))
    assert state(world) == "ACTIVE"
    assert world.tracker.account.lines["BTC"].position.quantity == 2


def test_quotes_of_before_a_restart_may_have_been_overtaken():
    """They agree with nothing: REST's are taken in."""
    world = connected(held=1)
    world.wait(1)
    world = restarted(world)
    world.send(ev.ProductsListed, products=PRODUCTS)
    for name, step in STEPS.items():
        if name == "balances":
            read = (ev.Balance("USD", D(100_000)), ev.Balance("BTC", D(1)))
            world.send(ev.BalancesRead, balances=read)
        else:
            step(world)
    assert of_kind(world.actions, ConfirmQuotes)
    assert state(world) == "STARTING"
    rest(world, ("BTC-USD", 50_000, 50_000))
    assert (state(world), world.tracker.marks.usd("BTC")) == ("ACTIVE", 50_000)


def test_the_last_wait_for_rests_prices_ends_when_they_are_waited_for_no_longer():
    world = World(settings=CONNECTED)
    readiness = world.manager.readiness
    readiness.asked_at = world.now
    readiness.asked_first_at = world.now + ASK_AGAIN / 2 - AGREE_WITHIN
    assert readiness.next_look(world.now) == world.now + ASK_AGAIN / 2


def test_a_new_process_lets_no_exit_pass_before_it_has_read_what_is_held():
    world = restarted(connected(held=1))
    decision = world.ask(sell_order("0.1"))
    assert breaks(decision, "NOT_READY")
    assert "have not been read yet" in the(decision, "NOT_READY").message


def test_it_looks_again_when_rest_is_to_be_asked_again_and_when_it_is_waited_for_no_longer():
    world = restarted(connected(held=1))
    asked_at = world.now
    readiness = world.manager.readiness
    readiness.asked_at = readiness.asked_first_at = asked_at
    again, over = asked_at + ASK_AGAIN, asked_at + AGREE_WITHIN
    assert readiness.next_look(asked_at) == min(again, over)
    assert readiness.next_look(min(again, over)) == max(again, over)
    assert readiness.next_look(max(again, over)) is None


def test_a_journal_that_tells_of_a_start_in_its_middle_believes_no_feed_of_before():
    world = connected()
    world.send(ev.Started, unclean_since=world.now)
    feeds = world.manager.desk.feeds
    assert "live" not in (feeds.market, feeds.user)
    assert state(world) == "STARTING"


def test_an_approval_of_before_lost_frames_is_judged_afresh():
    world = connected()
    body = limit_order()
    assert world.ask(body)
    assert world.ask(body).replayed
    world.send(ev.FeedChanged, feed="user", signal="gap")
    assert not world.ask(body).replayed


def test_rest_is_asked_once_at_one_moment_however_many_facts_are_told_in_it():
    world = restarted(connected(held=1))
    for feed in ("market", "user"):
        world.send(ev.FeedChanged, feed=feed, signal="connected")
    world.send(ev.ProductsListed, products=PRODUCTS)
    world.send(ev.BalancesRead, balances=(ev.Balance("BTC", D(1)),))
    world.send(ev.OpenOrdersListed, order_ids=(), began_at=world.now)
    asked = [of_kind(world.send(ev.AccountReconciled), ConfirmQuotes) for _ in range(2)]
    assert [len(one) for one in asked] == [1, 0]
