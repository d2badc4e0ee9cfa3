"""`GET /accounts`, row by row: wallets of one currency are summed as far as they may be traded."""

from datetime import UTC, datetime
from typing import Any

import pytest

from sidecar.coinbase import wallet_rows
from sidecar.core.vocabulary.events import BalancesRead
from tests.scenario import D

AT = datetime(2026, 11, 29, tzinfo=UTC)


def wallet(total: str, **fields: Any) -> dict[str, Any]:
    return {
        "uuid": f"u{total}", "name": "BTC Wallet", "currency": "BTC",
        "available_balance": {"value": total, "currency": "BTC"}, "hold": {"value": "0", "currency": "BTC"},
        "type": "ACCOUNT_TYPE_CRYPTO", "active": True, "ready": True, "deleted_at": None,
        "platform": "ACCOUNT_PLATFORM_CONSUMER", "default": True,
    } | fields  # fmt: skip


def read(*accounts: dict[str, Any]) -> BalancesRead:
    left_out: list[str] = []
    told = wallet_rows.balances(accounts, AT, AT, {"BTC": D(9)}, left_out)
    assert left_out == []
    return told


def total(told: BalancesRead) -> object:
    (balance,) = told.balances
    return balance.available + balance.hold


def test_wallets_that_may_be_traded_are_summed() -> None:
    second = wallet("10", hold={"value": "2", "currency": "BTC"}, name="Second", default=False)
    told = read(wallet("3"), second)
    assert (total(told), told.apart) == (15, ())
    assert told.balances[0].average_entry_price == 9


UNFIT = {
    "of an unknown type": ({"type": "ACCOUNT_TYPE_STAKED"}, "ACCOUNT_TYPE_STAKED"),
    "not active": ({"active": False}, "not active"),
    "not ready": ({"ready": False}, "not ready"),
    "deleted": ({"deleted_at": "2026-01-01T00:00:00Z"}, "deleted"),
}


@pytest.mark.parametrize(("fields", "why"), UNFIT.values(), ids=UNFIT)
@pytest.mark.parametrize("turned", [False, True])
def test_another_that_may_not_be_is_named_and_not_counted(
    fields: dict[str, Any], why: str, turned: bool
) -> None:
    both = [wallet("3"), wallet("10", name="Second", **fields)]
    told = read(*(reversed(both) if turned else both))
    assert total(told) == 3
    (apart,) = told.apart
    assert apart.currency == "BTC"
    assert apart.words == f"3 in 'BTC Wallet'; not counted: 10 in 'Second' ({why})"


@pytest.mark.parametrize(("fields", "_why"), UNFIT.values(), ids=UNFIT)
def test_the_only_wallet_of_a_currency_counts_whatever_it_is_called(
    fields: dict[str, Any], _why: str
) -> None:
    told = read(wallet("10", **fields))
    assert (total(told), told.apart) == (10, ())


def test_where_none_is_said_to_be_for_trading_all_count_and_are_named() -> None:
    told = read(wallet("3", active=False), wallet("10", name="", ready=False))
    assert total(told) == 13
    assert [apart.words for apart in told.apart] == ["3 in 'BTC Wallet'; 10 in 'u10'"]


def test_an_empty_one_is_not_worth_a_word() -> None:
    told = read(wallet("3"), wallet("0", active=False))
    assert (total(told), told.apart) == (3, ())


def test_vaults_and_other_platforms_are_left_alone() -> None:
    vault = wallet("7", type="ACCOUNT_TYPE_VAULT")
    told = read(wallet("3"), vault, wallet("8", platform="ACCOUNT_PLATFORM_INTX"))
    assert (total(told), told.apart) == (3, ())
