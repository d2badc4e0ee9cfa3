"""Held: the larger of what the books and Coinbase say; free: the smaller."""

from datetime import timedelta

import pytest

from sidecar.core.account.reconciliation import SETTLE
from sidecar.core.account.wallets import OWN_SALE_SHOWS_WITHIN
from sidecar.core.liquidation.held import held
from sidecar.core.liquidation.liquidator_memory import LiquidatorMemory
from sidecar.core.vocabulary import events as ev
from tests.scenario import FUTURE, D
from tests.tracking import Desk


def of(key, desk, memory):
    (found,) = [one for one in held(desk.tracker, memory) if one.key == key]
    return found.quantity, found.free


@pytest.mark.parametrize(
    ("booked", "stated", "quantity", "free"),
    [
        (2, 2, "0.02", "0.02"),
        (2, 3, "0.03", "0.02"),
        (3, 2, "0.03", "0.02"),
        (-2, -3, "-0.03", "-0.02"),
        (2, 0, "0.02", 0),
        (0, 2, "0.02", 0),
        (2, -2, "-0.02", 0),
        (-2, 2, "0.02", 0),
    ],
)
def test_of_a_contract_the_larger_is_held_and_the_smaller_is_free(booked, stated, quantity, free):
    """Where they are as large on opposite sides, Coinbase's word is taken, and nothing is free."""
    desk, memory = Desk(), LiquidatorMemory(contracts={FUTURE: D(stated)})
    if booked:
        desk.fill("BUY" if booked > 0 else "SELL", abs(booked), 64_000, product_id=FUTURE)
    assert of(FUTURE, desk, memory) == (D(quantity), D(free))


@pytest.mark.parametrize(("early_s", "free"), [(0, 1), (0.001, 0)])
def test_before_the_books_are_open_a_reading_is_believed_that_settled_after_the_last_trade(
    early_s, free
):
    desk, memory = Desk(is_open=False), LiquidatorMemory()
    desk.balance("BTC", 1)
    desk.fill("BUY", 1, 64_000)
    memory.balances = {"BTC": ev.Balance("BTC", D(1), D(0))}
    memory.balances_at = desk.now + SETTLE - timedelta(seconds=early_s)
    assert of("BTC", desk, memory) == (1, free)


@pytest.mark.parametrize(("early_s", "free"), [(0, 1), (0.001, 0)])
def test_an_own_sale_is_waited_for_longer(early_s, free):
    desk, memory = Desk(is_open=False), LiquidatorMemory()
    desk.balance("BTC", 1)
    desk.fill("SELL", 1, 64_000)
    desk.tracker.wallets.get("BTC").own_sale_at = desk.now
    memory.balances = {"BTC": ev.Balance("BTC", D(1), D(0))}
    memory.balances_at = desk.now + OWN_SALE_SHOWS_WITHIN - timedelta(seconds=early_s)
    assert of("BTC", desk, memory) == (1, free)


def test_before_a_balance_is_read_only_what_no_hold_binds_is_free():
    desk = Desk()
    desk.balance("BTC", 1, hold="0.4")
    desk.balance("BTC", 1, hold="0.4")
    assert of("BTC", desk, LiquidatorMemory()) == (1, D("0.6"))
