"""StaleMarks: what is held and has had no good quote for a minute, and the loss that its mark hides."""

from datetime import timedelta
from typing import Any

import pytest

from sidecar.core.guards.confirmation import CUMULATIVE
from sidecar.core.guards.stale_marks import LOOK_AGAIN, StaleMark
from sidecar.core.vocabulary import events as ev
from sidecar.core.vocabulary.actions import Alert, CauseCleared, CauseRaised, Liquidate
from tests.decisions import connected, of_kind, reloaded, restarted
from tests.scenario import FUTURE, PRODUCTS, D, World, future, limit_order, product

LIMIT: dict[str, Any] = {"max_cumulative_loss": "0.1"}


def wide(world, bid, ask=None, *, last=None, book="ETH-USD"):
    """A quote beyond the spread cap; by itself with its far side at 1.08 times the near one."""
    quote = ev.Quote(
        book,
        D(bid),
        D(ask or D(bid) * D("1.08")),
        world.now,
        last=None if last is None else D(last),
    )
    return world.send(ev.Quotes, quotes=(quote,))


def holding(*, side="BUY", size=20, **limits):
    """20 ETH for 2,000 each of 100,000 USD; a second later."""
    world = connected(**limits)
    world.fill(side, size, 2000, product_id="ETH-USD")
    world.quote("ETH-USD", 2000)
    return world


def fallen(bid=800, *, seconds=61, last=None, **limits):
    """Its book falls apart, and shows this for so long."""
    world = holding(**(LIMIT | limits))
    for _ in range(seconds):
        world.wait(1)
        world.quote("BTC-USD", 64000)
        wide(world, bid, last=last)
    return world


def codes(world):
    return {cause.code for cause in world.manager.state.causes.values()}


def hidden(world, *, printed=False):
    return world.manager.watch.stale_marks.hidden(printed=printed)


# --- What is stale --------------------------------------------------------------------------------


def test_what_is_held_is_stale_after_a_minute_without_a_good_quote():
    world = holding()
    assert world.manager.watch.next_look(world.now) == world.now + timedelta(seconds=60)
    world.wait(59)
    assert codes(world) == set()
    world.wait(1)
    (alert,) = of_kind(world.actions, Alert)
    assert (alert.code, alert.severity) == ("STALE_MARK", "critical")
    assert alert.text == "ETH has had no good quote for 60 s: its mark is old"
    assert not of_kind(world.wait(30), Alert)


def test_several_become_stale_in_the_order_of_their_names():
    """In every process the same, as the same facts give the same actions."""
    names = [f"C{number}" for number in range(8)]
    world = connected(products=(*PRODUCTS, *(product(f"{name}-USD") for name in names)))
    for name in reversed(names):
        world.quote(f"{name}-USD", 100)
        world.hold(1, 100, f"{name}-USD")
    actions = world.wait(61)
    causes = [one.scope for one in of_kind(actions, CauseRaised)]
    assert causes == [f"key:{name}" for name in names]


def test_only_its_key_is_restricted():
    world = holding()
    world.fill("BUY", "0.1", 64000)
    world.wait(59)
    world.quote("BTC-USD", 64000)
    world.wait(1)
    assert codes(world) == {"STALE_MARK"}
    order = limit_order(1, 2000, product_id="ETH-USD")
    assert "STATE_REDUCE_ONLY" in world.ask(order).codes
    assert world.ask(limit_order("0.1", 64000))


def test_a_good_quote_ends_it():
    world = holding()
    world.wait(60)
    (cleared,) = of_kind(world.quote("ETH-USD", 2000), CauseCleared)
    assert (cleared.code, cleared.scope, codes(world)) == ("STALE_MARK", "key:ETH", set())


def test_what_is_sold_is_stale_no_more():
    world = holding()
    world.wait(60)
    wide(world, 1900)
    assert world.manager.watch.stale_marks.stale == {"ETH": StaleMark(since=world.now)}
    world.fill("SELL", 20, 1950, product_id="ETH-USD")
    assert (codes(world), hidden(world)) == (set(), {})


def test_how_old_a_mark_may_be_is_configured():
    world = holding(max_mark_age_s=5)
    world.wait(5)
    assert codes(world) == {"STALE_MARK"}


def test_what_is_not_held_may_be_as_old_as_it_likes():
    world = connected()
    world.report("o", product_id="ETH-USD", leaves=1, limit_price=1000)
    assert not of_kind(world.wait(600), Alert)


@pytest.mark.parametrize("signal", ["lost", "gap"])
def test_while_the_feed_is_not_live_nothing_becomes_stale_or_good(signal):
    """That is said by the feed's own cause; silence makes no mark good."""
    world = holding()
    world.send(ev.FeedChanged, feed="market", signal=signal)
    world.wait(60)
    assert ("STALE_MARK" in codes(world)) == (signal == "gap" and world.manager.feeds.market == "live")  # fmt: skip
    world = holding()
    world.wait(60)
    world.send(ev.FeedChanged, feed="market", signal="lost")
    world.wait(60)
    assert "STALE_MARK" in codes(world)


@pytest.mark.parametrize(
    "closed", [{"session_open": False}, {"closes_at": "then"}], ids=["closed", "since its hour"]
)
def test_the_mark_of_a_closed_session_is_not_stale(closed):
    world = connected()
    world.quote(FUTURE, 64000)
    world.fill("BUY", 1, 64000, product_id=FUTURE)
    later = world.now + timedelta(seconds=600)
    closed = {name: later if value == "then" else value for name, value in closed.items()}
    world.send(ev.ProductsListed, products=(future(**closed),))
    world.wait(600)
    assert codes(world) == set()


def test_the_mark_of_an_open_session_may_be():
    world = connected()
    world.quote(FUTURE, 64000)
    world.fill("BUY", 1, 64000, product_id=FUTURE)
    world.wait(61)
    assert codes(world) == {"STALE_MARK"}


def test_a_dollar_is_a_dollar():
    """USDC that is no cash is held like a coin, and never stale."""
    world = connected()
    world.tracker.books.cash = frozenset({"USD"})
    for _ in range(2):
        world.wait(3)
        world.balance("USDC", 1000)
    assert world.tracker.account.lines["USDC"].position.quantity == 1000
    world.wait(90_000)
    assert codes(world) == set()


def test_in_library_use_a_quiet_product_is_the_callers_own_affair():
    """Beside a newer quote that marks nothing it is stale."""
    world = World()
    world.fill("BUY", 20, 2000, product_id="ETH-USD")
    world.wait(600)
    assert codes(world) == set()
    world.quote("ETH-USD", 2000)
    world.wait(1)
    wide(world, 1900)
    world.wait(58)
    assert codes(world) == set()
    world.wait(1)
    assert codes(world) == {"STALE_MARK"}


def test_in_library_use_a_mark_that_is_old_already_is_stale_with_a_quote_that_marks_nothing():
    """It is looked at again `LOOK_AGAIN` after the next fact."""
    world = World()
    world.fill("BUY", 20, 2000, product_id="ETH-USD")
    world.wait(600)
    wide(world, 800)
    world.wait(1)
    world.wait(LOOK_AGAIN.total_seconds())
    assert codes(world) == {"STALE_MARK"}


def back(seconds, *, clock):
    """Its book fell apart while the feed was down; then so many seconds on the feed, with other facts
    of every second or without.
    """
    world = holding(**LIMIT)
    world.send(ev.FeedChanged, feed="market", signal="lost")
    world.wait(100)
    world.send(ev.FeedChanged, feed="market", signal="connected")
    for _ in range(seconds):
        world.now += timedelta(seconds=1)
        if clock:
            world.send(ev.ClockAdvanced)
        world.quote("BTC-USD", 64000)
        wide(world, 800)
    return world


def test_a_book_that_fell_apart_while_the_feed_was_down_is_stale_once_it_is_back():
    """The mark grew old meanwhile: it is looked at again, and the loss at the bid is seen."""
    assert codes(back(4, clock=False)) == set()
    assert codes(back(6, clock=False)) == {"STALE_MARK", "CUMULATIVE_LOSS"}


def test_facts_of_every_second_do_not_put_off_the_look_at_it():
    assert codes(back(30, clock=True)) == {"STALE_MARK", "CUMULATIVE_LOSS"}


def test_a_restart_does_not_make_it_good():
    world = fallen(1900)
    again = restarted(world)
    assert again.manager.watch.stale_marks.stale.keys() == {"ETH"}
    assert "STALE_MARK" in codes(again)


# --- What it hides --------------------------------------------------------------------------------


@pytest.mark.parametrize(("bid", "loss"), [(1900, 2_000), (800, 24_000)])
def test_a_loss_is_reckoned_at_the_bid(bid, loss):
    assert hidden(fallen(bid)) == {"ETH": loss}


def test_a_short_is_reckoned_at_the_ask():
    world = connected()
    world.quote(FUTURE, 64000)
    world.fill("SELL", 10, 64000, product_id=FUTURE)
    for _ in range(61):
        world.wait(1)
        wide(world, 60_000, 66_000, book=FUTURE)
    assert hidden(world) == {FUTURE: 200}


def test_where_the_near_side_is_not_worse_nothing_is_hidden():
    assert hidden(fallen(2000)) == {}


def test_what_nobody_quotes_counts_for_nothing_where_equity_gives_room():
    """Until a newer quote shows what it could be sold at."""
    world = holding()
    equity = world.tracker.equity
    world.wait(60)
    assert (world.tracker.quoteless, world.tracker.equity) == ({"ETH"}, equity - 40_000)
    assert reloaded(world).tracker.equity == equity - 40_000
    wide(world, 1900)
    world.wait(1)
    assert (world.tracker.quoteless, world.tracker.equity) == (set(), equity)


def test_without_a_newer_quote_nothing_is_known_to_be_hidden():
    world = holding()
    world.wait(60)
    assert hidden(world) == {}


def test_a_near_side_above_the_mark_makes_the_least_loss_less_at_once():
    """4,000 USD are lost in BTC; 20 ETH, at 2,000 by the last mark, can be sold for 2,300."""
    world = holding(**LIMIT)
    world.hold(1)
    world.quote("BTC-USD", 60_000)
    wide(world, 2_300)
    bounds = world.manager.watch.bounds
    limit = world.manager.limits.max_cumulative_loss
    assert limit is not None
    bound = bounds.of("CUMULATIVE_LOSS", limit, world.now)
    assert (bound.loss.usd, bound.most.usd, bound.least.usd) == (4_000, 4_000, -2_000)
    assert world.manager.watch.stale_marks.better() == {"ETH": 300}


def test_a_quote_that_is_older_than_a_mark_may_be_shows_no_gain():
    """Nor does one that another process heard."""
    world = fallen(2_100)
    stale = world.manager.watch.stale_marks
    world.wait(60)
    assert stale.better() == {"ETH": 100}
    world.tracker.marks.fresh_since = world.now
    assert stale.better() == {}
    wide(world, 2_100)
    assert stale.better() == {"ETH": 100}
    world.wait(61)
    assert stale.better() == {}


def test_a_near_side_that_is_worse_is_no_gain():
    world = holding()
    wide(world, 1_900)
    assert world.manager.watch.stale_marks.better() == {}


def test_it_is_no_loss_before_the_mark_is_stale():
    world = fallen(800, seconds=59)
    assert codes(world) == set()
    assert hidden(world) == {}


def test_a_breach_by_it_alone_restricts_and_sells_nothing():
    world = fallen(800)
    assert codes(world) == {"STALE_MARK", "CUMULATIVE_LOSS"}
    assert world.manager.state.account == "REDUCE_ONLY"
    assert hidden(world, printed=True) == {}


def stood(world, seconds, bid=800):
    """For so long the bid stands, without a trade; REST cannot be had. All actions."""
    actions = []
    for _ in range(seconds):
        actions += world.wait(1) + wide(world, bid) + world.send(ev.ConfirmationUnavailable)
    return actions


def test_after_five_minutes_a_loss_without_a_trade_is_believed():
    """The breach has stood for so long, by time alone: `stale_confirm_s`."""
    world = fallen(800)
    since = world.manager.watch.pending[CUMULATIVE].since
    assert not of_kind(stood(world, 298), Liquidate)
    assert not of_kind(world.wait(to=since + timedelta(seconds=299)), Liquidate)
    assert world.manager.due == since + timedelta(seconds=300)
    assert of_kind(world.wait(to=since + timedelta(seconds=300)), Liquidate)
    assert hidden(world, printed=True) == {}


def test_how_long_it_must_stand_is_configured():
    world = fallen(800, stale_confirm_s=20)
    assert not of_kind(stood(world, 18), Liquidate)
    assert of_kind(stood(world, 2), Liquidate)


def test_a_bid_that_was_good_for_a_moment_begins_the_wait_anew():
    """The breach was over for that moment."""
    world = fallen(800)
    assert not of_kind(stood(world, 200), Liquidate)
    wide(world, 2000)
    assert world.manager.watch.pending == {}
    wide(world, 800)
    assert not of_kind(stood(world, 299), Liquidate)
    assert of_kind(stood(world, 1), Liquidate)


@pytest.mark.parametrize(
    ("last", "believed"), [(800, True), (839, True), (761, True), (850, False), (750, False), (None, False)]
)  # fmt: skip
def test_a_trade_near_the_bid_has_it_believed(last, believed):
    """Within the spread cap of 5 %."""
    world = fallen(800)
    world.wait(1)
    wide(world, 800, last=last)
    assert bool(hidden(world, printed=True)) == believed


def test_a_trade_from_before_the_last_good_quote_says_nothing():
    """Tickers repeat the last trade: it counts from when it was first told."""
    world = holding(**LIMIT)
    wide(world, 800, last=800)
    world.wait(1)
    world.quote("ETH-USD", 2000)
    for _ in range(61):
        world.wait(1)
        world.quote("BTC-USD", 64000)
        wide(world, 800, last=800)
    assert codes(world) == {"STALE_MARK", "CUMULATIVE_LOSS"}
    assert hidden(world, printed=True) == {}
    wide(world, 800, last=801)
    assert hidden(world, printed=True) == {"ETH": 24_000}


def test_a_trade_told_with_the_last_good_quote_says_nothing():
    world = holding(**LIMIT)
    wide(world, 800, last=800)  # at the time of the good one
    for _ in range(61):
        world.wait(1)
        world.quote("BTC-USD", 64000)
    assert codes(world) == {"STALE_MARK", "CUMULATIVE_LOSS"}
    assert hidden(world, printed=True) == {}


def test_a_trade_since_the_last_good_quote_counts_before_the_mark_is_stale():
    world = fallen(800, seconds=59, last=800)
    world.wait(2)
    assert hidden(world, printed=True) == {"ETH": 24_000}


def test_a_loss_that_is_believed_is_sold():
    world = fallen(800)
    actions = []
    for _ in range(6):
        actions += world.wait(1)
        actions += wide(world, 800, last=800)
        actions += world.send(ev.ConfirmationUnavailable)
    assert of_kind(actions, Liquidate)


# --- Routes over several books --------------------------------------------------------------------


def euro_coin():
    """A coin that is quoted in euro alone: 100 at 400 EUR, the euro at 1.25 USD."""
    world = connected()
    world.send(ev.ProductsListed, products=(*PRODUCTS, product("NEW-EUR")))
    world.quote("USDC-EUR", "0.8")
    world.quote("NEW-EUR", 400)
    world.fill("BUY", 100, 400, product_id="NEW-EUR")
    return world


def test_each_book_of_a_route_is_taken_at_its_near_side_or_at_its_mark():
    """The coin's book is wide and the euro's good; then the euro's is wide too, and sold at the ask."""
    world = euro_coin()
    for _ in range(61):
        world.wait(1)
        wide(world, 320, book="NEW-EUR", last=320)
        world.quote("USDC-EUR", "0.8")
    assert hidden(world, printed=True) == {"NEW": 10_000}
    world.wait(1)
    wide(world, "0.8", "1", book="USDC-EUR")
    assert hidden(world) == {"NEW": 18_000}


def test_every_book_must_have_printed():
    world = euro_coin()
    for _ in range(61):
        world.wait(1)
        wide(world, 320, book="NEW-EUR", last=320)
        wide(world, "0.8", "1", book="USDC-EUR")
    assert hidden(world, printed=True) == {}


def test_a_route_with_a_book_that_never_quoted_hides_nothing_that_can_be_told():
    """The list of products has chosen another one since."""
    world = fallen(800)
    world.send(ev.ProductsListed, products=(product("ETH-USD", base="OTHER"), product("ETH-EUR")))
    assert hidden(world) == {}


def test_what_left_since_the_last_look_hides_nothing():
    world = fallen(800)
    line = world.tracker.account.lines.pop("ETH")
    assert hidden(world) == {}
    world.tracker.account.lines["ETH"] = line
    assert hidden(world) == {"ETH": 24_000}


def test_a_bad_tick_beside_it_is_confirmed_by_nothing_that_came_before():
    """1 BTC beside it; for 100 s only the bid of ETH shows the breach. BTC is told at 40,000 for a moment."""
    world = holding(**LIMIT)
    world.fill("BUY", 1, 64000)
    for _ in range(160):
        world.wait(1)
        world.quote("BTC-USD", 64000)
        wide(world, 800)
    assert CUMULATIVE in world.manager.watch.pending
    assert not of_kind(world.quote("BTC-USD", 40_000), Liquidate)
    world.wait(1)
    assert not of_kind(world.quote("BTC-USD", 64_000), Liquidate)
    assert "CUMULATIVE_LOSS" in codes(world)


def test_before_a_new_process_knows_the_account_no_mark_of_it_is_stale():
    """Its prices are read as well: an old one is no trouble of the market's."""
    world = holding()
    world.wait(30)
    new = restarted(world)
    new.wait(61)
    assert not new.manager.state.ready
    assert "STALE_MARK" not in codes(new)


def test_of_an_old_mark_and_one_that_becomes_old_the_first_is_looked_at_first():
    world = holding()
    world.hold(1)
    world.quote("BTC-USD", 64000)
    for _ in range(30):
        world.wait(1)
    world.quote("BTC-USD", 64000)
    world.wait(29)
    marks = world.manager.watch.stale_marks
    later = world.now + timedelta(seconds=2)  # nobody has looked since
    assert marks.next_look(later) == later
