"""StaleMarks: what is held and has had no good quote for a minute, and the loss that its mark hides."""

from datetime import timedelta
from typing import Any

import pytest

from sidecar.core import events as ev
from sidecar.core.actions import Alert, CauseCleared, Liquidate
from tests.decisions import connected, of_kind, restarted
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
    "closed", [{"session_open": False}, {"closes_at": "now"}], ids=["closed", "since its hour"]
)
def test_the_mark_of_a_closed_session_is_not_stale(closed):
    world = connected()
    world.quote(FUTURE, 64000)
    world.fill("BUY", 1, 64000, product_id=FUTURE)
    closed = {name: world.now if value == "now" else value for name, value in closed.items()}
    world.send(ev.ProductsListed, products=(future(**closed),))
    world.wait(600)
    assert codes(world) == set()


def test_the_mark_of_an_open_session_may_be():
    world = connected()
    world.quote(FUTURE, 64000)
    world.fill("BUY", 1, 64000, product_id=FUTURE)
    world.wait(61)
    assert codes(world) == {"STALE_MARK"}


def test_dust_wakes_nobody():
    world = connected()
    world.fill("BUY", "0.0004", 2000, product_id="ETH-USD")
    world.wait(90)
    assert codes(world) == set()


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


LATE = "every fact puts off the look at a mark that was old before it was watched: it never comes"


@pytest.mark.xfail(strict=True, reason=LATE)
def test_in_library_use_a_mark_that_is_old_already_is_stale_with_a_quote_that_marks_nothing():
    world = World()
    world.fill("BUY", 20, 2000, product_id="ETH-USD")
    world.wait(600)
    wide(world, 800)
    for _ in range(10):
        world.wait(1)
    assert codes(world) == {"STALE_MARK"}


@pytest.mark.xfail(strict=True, reason=LATE)
def test_a_book_that_fell_apart_while_the_feed_was_down_is_stale_once_it_is_back():
    """The mark grew old meanwhile, and the loss at the bid is not seen."""
    world = holding(**LIMIT)
    world.send(ev.FeedChanged, feed="market", signal="lost")
    world.wait(100)
    world.send(ev.FeedChanged, feed="market", signal="connected")
    for _ in range(10):
        world.quote("BTC-USD", 64000)
        wide(world, 800)
        world.wait(1)
    assert codes(world) == {"STALE_MARK", "CUMULATIVE_LOSS"}


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


def test_without_a_newer_quote_nothing_is_known_to_be_hidden():
    world = holding()
    world.wait(60)
    assert hidden(world) == {}


def test_it_is_no_loss_before_the_mark_is_stale():
    world = fallen(800, seconds=59)
    assert codes(world) == set()
    assert hidden(world) == {}


def test_a_breach_by_it_alone_restricts_and_sells_nothing():
    world = fallen(800)
    assert codes(world) == {"STALE_MARK", "CUMULATIVE_LOSS"}
    assert world.manager.state.account == "REDUCE_ONLY"
    assert hidden(world, printed=True) == {}


def minutes(world, seconds, bid=800):
    """Let this bid stand; REST cannot be had. Whether the account is sold."""
    actions = []
    for _ in range(seconds):
        actions += world.wait(1)
        actions += wide(world, bid)
        actions += world.send(ev.ConfirmationUnavailable)
    return bool(of_kind(actions, Liquidate))


def test_a_breach_by_it_that_stood_for_five_minutes_is_believed():
    """Since it was first seen, a second ago."""
    world = fallen(800)
    assert not minutes(world, 298)
    assert minutes(world, 2)


def test_a_bid_that_was_good_for_a_moment_begins_the_wait_anew():
    world = fallen(800)
    assert not minutes(world, 200)
    assert not minutes(world, 1, bid=2000)
    assert not minutes(world, 299)
    assert minutes(world, 2)


@pytest.mark.parametrize(
    ("last", "printed"), [(800, True), (839, True), (761, True), (850, False), (750, False), (None, False)]
)  # fmt: skip
def test_a_trade_near_the_bid_has_it_believed(last, printed):
    """Within the spread cap of 5 %."""
    world = fallen(800)
    world.wait(1)
    wide(world, 800, last=last)
    assert bool(hidden(world, printed=True)) == printed


def test_a_trade_from_before_the_last_good_quote_says_nothing():
    """Tickers repeat the price of the last trade: it is as old as when it was first told."""
    world = holding(**LIMIT)
    for _ in range(61):
        wide(world, 800, last=800)
        world.wait(1)
        world.quote("BTC-USD", 64000)
    assert codes(world) == {"STALE_MARK", "CUMULATIVE_LOSS"}
    assert hidden(world, printed=True) == {}


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
