"""What a fill costs: the schedule by thirty days' volume, found hourly, capped by what was held."""

import itertools
from datetime import timedelta

import pytest

from sidecar.paper.venue.fees import TIERS, Fees
from tests.papers import BIP, BTC, CROSS, OPENING, D, Paper


@pytest.fixture
def fees():
    return Fees(D("0.012"), D("0.006"), OPENING)


def test_the_schedule_rises_in_volume_and_falls_in_price():
    assert TIERS[0].usd_from == 0
    for lower, upper in itertools.pairwise(TIERS):
        assert lower.usd_from < upper.usd_from
        assert lower.taker > upper.taker
        assert lower.maker > upper.maker


@pytest.mark.parametrize("tier", TIERS, ids=lambda tier: tier.name)
def test_each_tier_begins_at_its_volume(fees, tier):
    fees.count(tier.usd_from, D(0))
    fees.review(OPENING + timedelta(hours=1))
    assert fees.tier == tier
    assert (fees.taker, fees.maker) == (D("0.012") * tier.taker, D("0.006") * tier.maker)
    assert fees.cap == fees.taker


def test_a_tier_is_found_at_the_full_hour():
    paper = Paper().opened()
    paper.market("BUY", "0.5")
    paper.market("BUY", "0.5")
    assert paper.exchange.fees.tier.name == "Advanced 1"
    paper.wait(minutes=40)
    assert paper.exchange.fees.tier.name == "Advanced 3"
    paper.wait(days=29)
    assert paper.exchange.fees.tier.name == "Advanced 3"
    paper.wait(days=1)
    assert paper.exchange.fees.tier.name == "Advanced 1"
    assert (paper.exchange.fees.total_volume, paper.exchange.fees.total_fees) == (0, 0)


def test_volume_is_counted_in_dollars(fees):
    paper = Paper().opened()
    spent = paper.market("BUY", 1, CROSS).value * D("64000.5")
    assert paper.exchange.fees.total_volume == spent
    assert paper.exchange.fees.total_fees == spent * D("0.012")


def test_futures_have_a_tier_and_rates_of_their_own():
    paper = Paper(futures_fees=("0.0003", "0.0002")).opened()
    bought = [paper.market("BUY", 100, BIP) for _ in range(2)]
    spent = sum(order.value for order in bought)
    assert bought[0].fees == bought[0].value * D("0.0003")
    schedule = paper.exchange.futures_fees
    assert (schedule.total_volume, schedule.total_fees) == (spent, spent * D("0.0003"))
    assert paper.exchange.fees.total_volume == 0
    paper.audit()
    paper.wait(hours=1)
    assert (schedule.tier.name, paper.exchange.fees.tier.name) == ("Advanced 4", "Advanced 1")


def test_volume_leaves_hour_by_hour(fees):
    for day in range(40):
        at = OPENING + timedelta(days=day)
        fees.review(at)
        fees.count(D(500), D(5))
        fees.count(D(500), D(5))
    fees.review(OPENING + timedelta(days=39, hours=23))
    assert fees.total_volume == 30 * 1000
    assert fees.total_fees == 30 * 10
    assert len(fees._hours) == 30


def test_an_open_order_pays_no_more_than_it_held_for():
    """Held at the better tier; the volume has gone by the time it fills."""
    paper = Paper(balances={"USD": "1000000", "BTC": "2"}).opened()
    paper.market("BUY", 1)
    paper.wait(hours=1)
    cap = paper.exchange.fees.cap
    assert cap == D("0.012") * D("0.4")
    order = paper.limit("BUY", 1, 60000)
    paper.wait(days=32)
    assert paper.exchange.fees.cap == D("0.012")
    assert paper.exchange.fees.maker > cap
    paper.quote(BTC, 59000, 59001)
    assert order.fees == 60000 * cap
    paper.audit()


def test_an_order_that_fills_in_a_better_tier_pays_the_better_rate():
    paper = Paper(balances={"USD": "1000000", "BTC": "2"}).opened()
    order = paper.limit("BUY", 1, 60000)
    paper.market("BUY", 1)
    paper.wait(hours=1)
    paper.quote(BTC, 59000, 59001)
    assert order.fees == 60000 * D("0.006") * D("0.4")
    paper.audit()


def test_a_venue_without_fees_takes_none():
    paper = Paper(fees=("0", "0")).opened()
    assert paper.market("BUY", 1).fees == 0
    paper.audit()
