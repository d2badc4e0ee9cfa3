"""Laws of the books under any facts in any order: sums, failed facts, restarts, transfers."""

import re

from hypothesis import given
from hypothesis import strategies as st

from sidecar.core.vocabulary import events as ev
from sidecar.core.vocabulary.money import with_money
from tests.facts import ORDERS, facts, tell, tell_all
from tests.scenario import D
from tests.tracking import Desk, check_books, figures, restored, state_bytes

keeps = st.sampled_from([{}, {"BTC": D("0.5")}, {"BTC": None}])


@given(keeps, facts)
@with_money
def test_every_running_sum_is_what_adding_up_from_nothing_gives(keep, told):
    desk = Desk(keep=keep)
    for fact in told:
        tell(desk, fact)
        check_books(desk.tracker)


@given(facts)
@with_money
def test_a_failed_fact_leaves_the_books_as_they_were(told):
    """To the byte, as they would be saved, and in every figure."""
    desk = Desk()
    for fact in told:
        desk.tracker.roll_day(desk.now)  # time passes, whether the fact is true or not
        before = state_bytes(desk.tracker), figures(desk.tracker)
        if not tell(desk, fact):
            assert (state_bytes(desk.tracker), figures(desk.tracker)) == before


@given(keeps, facts)
@with_money
def test_to_save_and_load_is_to_change_nothing(keep, told):
    tracker = tell_all(Desk(keep=keep), told).tracker
    again = restored(tracker)
    assert state_bytes(again) == state_bytes(tracker)
    assert figures(again) == figures(tracker)
    check_books(again)


def plain(desk):
    """The state, without how exact its figures are: that is of how they were added up."""
    zeros = re.sub(rb'"-?0E[+-]?\d+"', b'"0"', state_bytes(desk.tracker))
    return re.sub(rb'"(-?\d+(?:\.\d*[1-9])?)\.?0*"', _without_zeros, zeros)


def _without_zeros(figure):
    whole = figure[0].strip(b'"')
    return b'"%b"' % (whole.rstrip(b"0").rstrip(b".") if b"." in whole else whole)


@given(facts, facts)
@with_money
def test_to_go_on_after_a_restart_is_never_to_have_stopped(before, after):
    lived = tell_all(Desk(), before)
    restarted = tell_all(lived.restarted(), after)
    tell_all(lived, after)
    assert plain(restarted) == plain(lived)
    assert figures(restarted.tracker) == figures(lived.tracker)


@given(facts)
@with_money
def test_nothing_is_held_when_every_order_has_ended(told):
    desk = tell_all(Desk(), told)
    for name in desk.tracker.ledger.working.copy():
        desk.report(name, "CANCELLED", **ORDERS[name])
    assert not desk.tracker.ledger.working
    assert desk.tracker.account.orders == 0
    assert not any(line.open_buy or line.open_sell for line in desk.tracker.account.lines.values())
    assert not any(wallet.held for wallet in desk.tracker.wallets.by_currency.values())


@given(facts)
@with_money
def test_told_everything_twice_the_books_count_it_once(told):
    """Reports and fills, repeated at once or in a second pass, move nothing."""
    told = [fact for fact in told if fact[0] in ("report", "fill")]
    once, twice = tell_all(Desk(), told), Desk()
    for fact in told:
        tell_all(twice, [fact, fact])
    assert figures(twice.tracker) == figures(once.tracker)
    tell_all(twice, [fact for fact in told if fact[0] == "fill"])
    assert figures(twice.tracker) == figures(once.tracker)


@given(facts, st.sampled_from(["BTC", "ETH", "USD", "EUR"]), st.sampled_from(["0", "0.7", "5000"]))
@with_money
def test_a_transfer_changes_no_pnl(told, currency, total):
    """Once it is accepted, equity and net transfers move by the same, and net PnL by nothing, where prices
    stood still.
    """
    desk = tell_all(Desk(), told).wait(100_000)
    for book, price in 2 * (("BTC-USD", 64000), ("ETH-USD", 2000), ("USDC-EUR", "0.8")):
        desk.stand(book, price)  # the first quote after a fill of another price confirms nothing
    desk.balance(currency, desk.wallet(currency))
    desk.tracker.roll_day(desk.now)
    tracker = desk.tracker
    net, unexplained = tracker.net_pnl, tracker.booked_equity - tracker.transfers
    desk.wait(3).balance(currency, total)
    desk.wait(15).balance(currency, total)  # so long the futures wallet is waited for
    assert abs(desk.wallet(currency) - D(total)) < D("0.01")  # what is less than a unit agrees
    assert tracker.net_pnl == net
    assert tracker.booked_equity - tracker.transfers == unexplained


@given(facts)
@with_money
def test_equity_is_what_it_was_plus_pnl_and_transfers(told):
    """While the euro stands still, and coins are never sold short; futures positions by fills."""
    desk = Desk()
    for currency in ("BTC", "ETH"):
        desk.balance(currency, 10_000_000)
    for name, fields in told:
        if fields.get("kind") is ev.FuturesRead or fields.get("currency") in ("BTC", "ETH", "XYZ"):
            continue
        if fields.get("product_id") != "USDC-EUR":
            tell(desk, (name, fields))
            tracker = desk.tracker
            assert tracker.booked_equity == tracker.net_pnl + tracker.transfers
            assert tracker.equity <= tracker.booked_equity  # in doubt, the smaller figure
