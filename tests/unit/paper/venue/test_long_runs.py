"""A run of any length stays small, the same calls give the same run, and time keeps its order."""

import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest

from sidecar.paper.venue import register as registers
from sidecar.paper.venue.agenda import Agenda
from sidecar.paper.venue.exchange import Exchange
from sidecar.paper.venue.register import Register
from tests.papers import BALANCES, BTC, LISTINGS, OPENING, D, Paper

ROOT = Path(__file__).parents[4]


def test_things_due_at_one_moment_keep_their_order():
    agenda = Agenda()
    for number in range(5):
        agenda.put(OPENING, "x", str(number))
    agenda.put(OPENING - timedelta(seconds=1), "x", "first")
    popped = [entry.about for _ in range(6) if (entry := agenda.pop(OPENING))]
    assert popped == ["first", "0", "1", "2", "3", "4"]
    assert agenda.pop(OPENING) is None
    assert agenda.next_at() is None


def test_what_is_struck_out_never_comes_due():
    agenda = Agenda()
    numbers = [agenda.put(OPENING + timedelta(seconds=n), "x", str(n)) for n in range(300)]
    for number in numbers[::2]:
        agenda.drop(number)
    assert agenda.next_at() == OPENING + timedelta(seconds=1)
    left = []
    while entry := agenda.pop(OPENING + timedelta(days=1)):
        left.append(int(entry.about))
    assert left == list(range(1, 300, 2))
    assert len(agenda) == 0


def test_expiries_of_ended_orders_do_not_pile_up():
    paper = Paper().opened()
    for _ in range(1_000):
        paper.cancel(paper.limit("BUY", "0.01", 63000, until=OPENING + timedelta(days=300)))
    assert len(paper.exchange._agenda) < 70
    assert len(paper.exchange._expiries) == 0
    assert paper.exchange.due() == OPENING.replace(hour=14, minute=0)


def test_ended_orders_and_fills_are_kept_up_to_a_number(monkeypatch):
    monkeypatch.setattr(registers, "ENDED_KEPT", 20)
    paper = Paper().opened()
    standing = paper.limit("BUY", "0.01", 60000)
    orders = [
        paper.market("BUY" if n % 2 else "SELL", "0.001", client_order_id=f"c{n}")
        for n in range(50)
    ]
    register = paper.exchange.register
    assert len(list(register.newest_first())) == 21
    assert [row.order_id for row in register.newest_first()][:3] == [
        o.order_id for o in orders[:-4:-1]
    ]
    assert register.get(orders[0].order_id) is None
    assert register.by_client_id("c0") is None
    assert register.by_client_id("c49") is orders[49]
    assert register.get(standing.order_id) is standing
    assert register.open_of(BTC) == 1
    assert paper.cancel(orders[0]) == "UNKNOWN_CANCEL_ORDER"


def test_a_fee_told_late_of_an_order_already_dropped_is_let_go(monkeypatch):
    monkeypatch.setattr(registers, "ENDED_KEPT", 2)
    paper = Paper(late_fees=timedelta(seconds=1)).opened()
    for _ in range(10):
        paper.market("BUY", "0.001")
    paper.wait(seconds=2)
    assert not paper.exchange.engine.receipts._untold


def test_fills_have_a_bound():
    assert Register().fills.maxlen == registers.FILLS_KEPT


def test_a_busy_run_leaves_nothing_behind_but_its_record():
    """Stops, books, agenda and followers are empty once every order has ended."""
    paper = Paper(balances={"USD": "10000000", "BTC": "100"}).opened()
    for n in range(150):
        paper.wait(seconds=1)
        rows = [
            paper.limit("BUY", "0.01", 63900 - n),
            paper.stop("SELL", "0.01", 60000, 63000),
            paper.bracket("SELL", "0.01", 65000, 62000),
            paper.limit("SELL", "0.01", 64100, until=paper.now + timedelta(hours=1)),
        ]
        paper.quote(BTC, 64000 + n % 7, 64010)
        for order in rows:
            paper.cancel(order)
    engine = paper.exchange.engine
    assert not paper.exchange.register.open
    assert all(
        not book.resting(side) for book in paper.exchange.books.values() for side in ("BUY", "SELL")
    )
    assert not any(engine._stops._rising.values())
    assert not any(engine._stops._falling.values())
    assert not engine.ended
    assert not engine.receipts.untold
    assert not engine.traded
    paper.audit()


SCRIPT = """
from tests.papers import *
paper = Paper().opened()
for n in range(12):
    paper.stop("SELL", "0.01", 50000, 63500 - n)
    paper.stop("SELL", 1, 50000, 63450 - 5 * n, BIP)
    paper.limit("BUY", "0.001", 63999 - n)
paper.wait(minutes=50)
paper.quote(BTC, 63000, 63001)
paper.close(BIP)
import hashlib
print(hashlib.sha256(state_bytes(paper)).hexdigest())
"""


def test_another_process_comes_to_the_same_bytes():
    """No set or hash decides an order of events: it would differ from process to process."""
    seen = set()
    for seed in ("1", "2", "3"):
        done = subprocess.run(
            [sys.executable, "-c", SCRIPT], cwd=ROOT, env={"PYTHONHASHSEED": seed, "PYTHONPATH": "."},
            capture_output=True, text=True, check=True,
        )  # fmt: skip
        seen.add(done.stdout)
    assert len(seen) == 1


def test_another_name_gives_other_ids():
    ids = set()
    for name in ("one", "two"):
        balances = {currency: D(value) for currency, value in BALANCES.items()}
        ids.add(Exchange(LISTINGS, OPENING, balances=balances, name=name).run)
    assert len(ids) == 2


def test_time_never_goes_back():
    paper = Paper().opened()
    paper.wait(hours=3)
    paper.exchange.advance(OPENING)
    assert paper.exchange.now == OPENING + timedelta(hours=3)
    paper.now = OPENING
    order = paper.limit("BUY", 1, 63000)
    assert order.created_at == OPENING + timedelta(hours=3)


def test_what_is_due_on_the_way_happens_at_its_own_time():
    paper = Paper().opened()
    order = paper.limit("BUY", 1, 63000, until=OPENING + timedelta(seconds=90))
    paper.wait(hours=30)
    assert order.updated_at == OPENING + timedelta(seconds=90)
    assert paper.exchange.now == OPENING + timedelta(hours=30)


@pytest.mark.parametrize("first", [True, False])
def test_coins_held_from_the_start_cost_the_first_price_seen(first):
    paper = Paper()
    paper.quote(BTC, 64000, 64002)
    if not first:
        paper.quote(BTC, 70000, 70002)
    wallet = paper.exchange.accounts.wallet("BTC")
    assert wallet.cost == 2 * 64001


def test_the_cost_of_coins_follows_buys_and_sells():
    paper = Paper().opened()
    paper.market("BUY", 1)
    wallet = paper.exchange.accounts.wallet("BTC")
    assert wallet.cost == 2 * D("64000.5") + 64001
    paper.market("SELL", "1.5")
    assert wallet.cost == (2 * D("64000.5") + 64001) / 2
    paper.market("SELL", "1.5")
    assert wallet.cost == 0


def test_what_is_read_outside_is_right_under_the_default_context():
    """Clients of the core read balances, orders and margin under twenty-eight digits."""
    paper = Paper(balances={"USD": "98765432109.87654321", "BTC": "1000"}).opened()
    paper.limit("BUY", "1234.56789012", "63999.99")
    paper.spend("123456.78")
    paper.market("BUY", 1111, "BIP-20DEC30-CDE")
    wallet = paper.exchange.accounts.wallet("USD")
    assert wallet.total - wallet.held == wallet.available
    margin = paper.exchange.engine.margin()
    assert margin.total - margin.futures_cash == margin.spot_total == wallet.total
    paper.audit()
