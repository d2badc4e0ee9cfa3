"""Confirmation: what must have shown a loss before anything lasting follows from it.

1 BTC at 64,000 and 10 ETH at 2,000, in an account of 100,000; a tenth of it may be lost.
"""

from datetime import timedelta
from typing import Any

import pytest

from sidecar.core.guards.confirmation import CUMULATIVE
from sidecar.core.vocabulary import events as ev
from sidecar.core.vocabulary.actions import Alert, ConfirmQuotes, Liquidate, Reconcile
from tests.decisions import connected, of_kind
from tests.scenario import FUTURE, D, World

LIMIT: dict[str, Any] = {"max_cumulative_loss": "0.1"}
OLD: dict[str, Any] = {"max_mark_age_s": 3600}


def holding(world: World) -> World:
    world.hold(1)
    world.hold(10, 2_000, product_id="ETH-USD")
    for book, price in (("BTC-USD", 64_000), ("ETH-USD", 2_000)):
        world.stand(book, price)
    return world


def library(**limits):
    return holding(World(**LIMIT | OLD | limits))


def live(**limits):
    return holding(connected(**LIMIT | OLD | limits))


def confirmation(world):
    return world.manager.watch.confirmation


def quoted(world, book, *prices):
    """These, a second after each other."""
    actions = []
    for price in prices:
        actions += world.wait(1)
        actions += world.quote(book, price)
    return actions


def balances(world):
    wallets = world.tracker.wallets.by_currency.items()
    rows = tuple(ev.Balance(name, wallet.total) for name, wallet in wallets)
    return world.send(ev.BalancesRead, balances=rows, fills_until=world.now)


def rest(world, **prices):
    """REST's answer: by base currency, what its dollar book shows."""
    quotes = tuple(
        ev.Quote(f"{name}-USD", D(price), D(price), world.now) for name, price in prices.items()
    )
    return world.send(ev.QuotesConfirmed, quotes=quotes)


def asked(actions):
    return [one.product_ids for one in of_kind(actions, ConfirmQuotes)]


# --- The books that show it -----------------------------------------------------------------------


def test_a_loss_is_confirmed_by_quotes_of_the_book_that_shows_it():
    world = library()
    assert not of_kind(quoted(world, "BTC-USD", 50_000), Liquidate)
    assert not of_kind(quoted(world, "ETH-USD", 2_000, 2_001, 2_002, 2_003), Liquidate)
    assert of_kind(quoted(world, "BTC-USD", 50_001, 50_000), Liquidate)


def test_what_each_book_took_away_counts_once_it_has_quoted_so_often():
    """9,000 by BTC, which quotes on; 2,000 by one quote of ETH."""
    world = library()
    quoted(world, "BTC-USD", 55_000)
    assert not of_kind(quoted(world, "ETH-USD", 1_800), Liquidate)
    assert not of_kind(quoted(world, "BTC-USD", 55_001, 55_000, 55_001), Liquidate)
    assert of_kind(quoted(world, "ETH-USD", 1_799, 1_798), Liquidate)


def test_what_a_book_took_away_before_the_breach_is_confirmed_already():
    """ETH has stood at 1,800 for a while; what BTC adds is what is to be confirmed."""
    world = library()
    world.stand("ETH-USD", 1_800)
    assert of_kind(quoted(world, "BTC-USD", 55_500, 55_501, 55_500), Liquidate)


def test_a_first_quote_that_shows_it_is_compared_with_the_one_before():
    """The confirmed mark lags a fall that goes on: what was seen before the breach needs no more."""
    world = library()
    quoted(world, "BTC-USD", 54_400)
    quoted(world, "ETH-USD", 1_960)
    suspicion = confirmation(world).pending[CUMULATIVE]
    assert suspicion.before == {"BTC": 64_000, "ETH": 2_000}


def test_a_short_that_rises_loses():
    world = World(**LIMIT | OLD)
    world.fill("SELL", 100, 64_000, product_id=FUTURE)
    world.stand(FUTURE, 64_000)
    assert not of_kind(quoted(world, FUTURE, 75_000), Liquidate)
    assert confirmation(world).pending[CUMULATIVE].before == {FUTURE: 64_000}
    assert of_kind(quoted(world, FUTURE, 75_001, 75_000), Liquidate)


@pytest.mark.parametrize("poll", [50_000, 64_000])
def test_the_silence_of_a_lost_feed_confirms_nothing(poll):
    """Three quotes within a second, and the feed is lost: they may have been a passing tick."""
    world = live(max_daily_loss="0.05")
    for _ in range(3):
        world.wait(0.4)
        world.quote("BTC-USD", 50_000)
    world.send(ev.FeedChanged, feed="market", signal="lost")
    balances(world)
    actions = world.wait(4.5) + world.send(ev.ConfirmationUnavailable) + world.wait(0.1)
    assert not of_kind(actions, Liquidate)
    assert not any(one.is_confirmed for one in world.manager.state.causes.values())
    world.quote("BTC-USD", poll)
    assert world.manager.state.has("LIQUIDATION") is (poll == 50_000)


def test_a_breach_that_is_over_is_forgotten():
    world = library()
    quoted(world, "BTC-USD", 50_000)
    assert confirmation(world).suspicion is not None
    quoted(world, "BTC-USD", 64_000)
    assert (confirmation(world).pending, world.manager.state.account) == ({}, "ACTIVE")


# --- What no price takes back ---------------------------------------------------------------------


def test_a_loss_by_fees_alone_is_settled():
    world = library()
    assert of_kind(world.fill("BUY", "0.0001", 64_000, fee=10_000), Liquidate)


def test_settled_and_unsettled_together_wait_for_quotes():
    world = library()
    world.fill("BUY", "0.0001", 64_000, fee=5_000)
    assert not of_kind(quoted(world, "BTC-USD", 58_000), Liquidate)
    assert of_kind(quoted(world, "BTC-USD", 58_001, 58_000), Liquidate)


def test_a_settled_loss_that_what_is_held_has_won_back_is_none():
    world = library()
    world.stand("BTC-USD", 70_000)
    assert not of_kind(world.fill("BUY", "0.0001", 70_000, fee=12_000), Liquidate)


def read(world, btc, usd):
    rows = (ev.Balance("USD", D(usd)), ev.Balance("BTC", D(btc)))
    return world.send(ev.BalancesRead, balances=rows, fills_until=world.now)


def test_what_coins_may_have_lost_that_are_gone_settles_nothing():
    """356 USD of 17,800 were lost, and most of it left, nobody knows in which order: 338 of them may be the loss of
    what has left. A tick takes 218 of the 890 that stay, which is unsettled all the same.
    """
    world = connected(
        **{"max_cumulative_loss": "0.25", "max_daily_loss": "0.1"} | OLD,
        held="0.2",
        also={"USD": 5_000},
    )
    read(world, "0.2", 5_000)
    world.stand("BTC-USD", 62_220)
    for _ in range(2):
        world.wait(3)
        read(world, "0.01", 250)
    quoted(world, "BTC-USD", 62_220, 62_220, 62_220)
    assert not world.manager.state.causes
    assert not of_kind(quoted(world, "BTC-USD", 40_415), Liquidate)
    causes = world.manager.state.causes.values()
    assert [(one.code, one.is_confirmed) for one in causes] == [
        ("DAILY_LOSS", False), ("CUMULATIVE_LOSS", False),
    ]  # fmt: skip


def test_what_has_no_price_waits_for_no_quote():
    """All that is left are dollars: nothing can confirm the loss, and nothing can take it back."""
    world = World(**LIMIT)
    world.hold(1)
    world.fill("SELL", 1, 50_000)
    assert {one.code for one in world.manager.state.causes.values()} == {
        "CUMULATIVE_LOSS",
        "LIQUIDATED",
    }


# --- REST's word ----------------------------------------------------------------------------------


def fallen(**limits):
    """A breach that the feed has shown for long enough, the balances read since."""
    world = live(**limits)
    quoted(world, "BTC-USD", 50_000, 50_001, 50_000, 50_001)
    balances(world)
    return world


def test_rest_is_asked_for_every_book_that_values_what_is_held():
    world = live()
    actions = quoted(world, "BTC-USD", 50_000)
    assert asked(actions) == [("BTC-USD", "ETH-USD")]
    assert len(of_kind(actions, Reconcile)) == 1


def test_a_book_left_out_that_decides_nothing_holds_nothing_up():
    assert of_kind(rest(fallen(), BTC=50_000), Liquidate)


def test_a_book_left_out_that_decides_is_asked_for_alone_once():
    world = fallen()
    assert asked(rest(world, ETH=2_000)) == [("BTC-USD",)]
    world.wait(1)
    assert of_kind(rest(world, BTC=50_000), Liquidate)


@pytest.mark.parametrize(
    ("bid", "ask", "age"), [(45_000, 55_000, 0), (0, 50_000, 0), (51_000, 50_000, 0), (50_000, 50_000, 60)]
)  # fmt: skip
def test_a_quote_that_marks_nothing_or_is_of_before_the_question_is_no_answer(bid, ask, age):
    world = fallen()
    quote = ev.Quote("BTC-USD", D(bid), D(ask), world.now - timedelta(seconds=age))
    actions = world.send(ev.QuotesConfirmed, quotes=(quote,))
    assert asked(actions) == [("BTC-USD", "ETH-USD")]
    assert not of_kind(actions, Liquidate)


def test_a_quote_as_wide_as_the_cap_is_an_answer():
    world = fallen()
    quotes = (
        ev.Quote("BTC-USD", D(48_750), D(51_250), world.now),
        ev.Quote("ETH-USD", D(1_950), D(2_050), world.now),
    )
    assert of_kind(world.send(ev.QuotesConfirmed, quotes=quotes), Liquidate)


def test_a_book_that_is_left_out_twice_cannot_be_had():
    world = fallen()
    rest(world, ETH=2_000)
    world.wait(1)
    assert of_kind(rest(world), Liquidate)


def test_another_book_left_out_meanwhile_has_not_been_asked_for():
    """A contract was bought since, and its first quote was far below."""
    world = fallen()
    rest(world, ETH=2_000)
    world.wait(1)
    world.fill("BUY", 1000, 64, product_id=FUTURE)
    world.quote(FUTURE, 40)
    assert not of_kind(rest(world), Liquidate)


def test_what_rest_has_answered_already_is_not_forgotten():
    """ETH in its first answer, BTC in its second."""
    world = fallen()
    rest(world, ETH=1_500)  # 5,000 less than the feed
    world.wait(1)
    assert of_kind(rest(world, BTC=58_000), Liquidate)  # and 6,000 less than before


def test_rest_that_disagrees_is_asked_anew_for_all():
    world = fallen()
    rest(world, ETH=2_000)
    world.wait(1)
    rest(world, BTC=64_000)
    suspicion = confirmation(world).suspicion
    assert suspicion is not None
    assert (suspicion.since, suspicion.counts, suspicion.at_rest, suspicion.left_out) == (
        world.now, {}, {}, (),
    )  # fmt: skip
    assert asked(quoted(world, "BTC-USD", *[50_000 + n for n in range(6)])) == [("BTC-USD", "ETH-USD")]  # fmt: skip


def test_an_answer_that_nobody_asked_for_changes_nothing():
    world = live()
    assert rest(world, BTC=50_000) == []
    world = live(max_cumulative_loss=None)
    assert rest(world, BTC=50_000) == []


def test_rest_can_deny_what_a_stale_mark_was_said_to_hide():
    """The feed's bid of ETH is 1,000, REST's book stands at 2,000."""
    world = holding(connected(**LIMIT))
    for _ in range(70):
        world.wait(1)
        world.quote("BTC-USD", 64_000)
        world.send(
            ev.Quotes, quotes=(ev.Quote("ETH-USD", D(900), D(1_900), world.now, last=D(900)),)
        )
    assert confirmation(world).suspicion is not None
    balances(world)
    assert not of_kind(rest(world, BTC=64_000, ETH=2_000), Liquidate)
    assert world.manager.state.account == "REDUCE_ONLY"


def test_quotes_of_a_stale_book_confirm_the_loss_that_they_show():
    """It gives no other quotes; a trade at the bid made it sure."""
    world = holding(connected(**LIMIT))
    sold = []
    for _ in range(70):
        actions = world.wait(1) + world.quote("BTC-USD", 64_000)
        wide = ev.Quote("ETH-USD", D(900), D(1_900), world.now, last=D(900))
        actions += world.send(ev.Quotes, quotes=(wide,))
        if of_kind(actions, Reconcile):
            actions += balances(world) + world.send(ev.ConfirmationUnavailable)
        sold += of_kind(actions, Liquidate)
    assert len(sold) == 1


# --- When time alone takes it further -------------------------------------------------------------


@pytest.mark.parametrize(("seconds", "due"), [(0, 2), (2, 5), (5, 10)])
def test_it_is_looked_at_again_when_time_alone_may_confirm_it(seconds, due):
    """After `confirm_for`; when REST is asked again, and the balances are waited for no longer."""
    world = live()
    quoted(world, "BTC-USD", 50_000)
    since = world.now
    for second in range(seconds):
        world.wait(to=since + timedelta(seconds=second + 1))
    assert confirmation(world).next_look(world.now) == since + timedelta(seconds=due)


def test_without_a_breach_there_is_nothing_to_look_at():
    assert confirmation(library()).next_look(library().now) is None


def test_where_rest_agrees_at_once_the_balances_alone_are_waited_for():
    world = live()
    quoted(world, "BTC-USD", 50_000)
    since = world.now
    rest(world, BTC=50_000, ETH=2_000)
    for _ in range(2):
        quoted(world, "BTC-USD", 50_000)
    assert confirmation(world).next_look(world.now) == since + timedelta(seconds=5)


@pytest.mark.parametrize("limit", ["max_daily_loss", "max_drawdown"])
def test_of_a_loss_that_is_confirmed_no_pending_breach_is_kept(limit):
    world = holding(World(**OLD | {limit: "0.1"}))
    quoted(world, "BTC-USD", 50_000)
    assert confirmation(world).pending
    quoted(world, "BTC-USD", 50_000, 50_000, 50_000)
    assert confirmation(world).pending == {}
    quoted(world, "BTC-USD", 64_000)
    assert world.manager.state.causes


@pytest.mark.parametrize("limit", ["max_daily_loss", "max_drawdown"])
def test_a_loss_that_passes_is_forgotten_so_that_the_next_one_waits_anew(limit):
    world = holding(World(**OLD | {limit: "0.1"}))
    quoted(world, "BTC-USD", 50_000, 64_000)
    assert (confirmation(world).pending, world.manager.state.causes) == ({}, {})


def test_a_cumulative_loss_that_is_confirmed_is_said_and_its_cause_stays():
    world = library()
    actions = quoted(world, "BTC-USD", 50_000, 50_000, 50_000, 50_000)
    told = [one.text for one in of_kind(actions, Alert) if one.code == "CUMULATIVE_LOSS"]
    assert told[-1].endswith("it is confirmed")
    assert world.manager.state.causes["CUMULATIVE_LOSS", "all"].is_confirmed
