"""Rows of `GET /accounts` as facts: the wallets of each currency, as far as they may be traded. Pure.

Source: Coinbase Advanced Trade API, Accounts.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Final, NamedTuple

from sidecar.coinbase.reading import NAME_MAX, TEXT_MAX, Row, number_of, text
from sidecar.core.vocabulary import events as ev
from sidecar.core.vocabulary.errors import Untrusted
from sidecar.core.vocabulary.money import ZERO, is_bounded, is_sane, readable

CURRENCY_MAX: Final = 40  # characters; the longest name of an asset at Coinbase has some ten
CONSUMER: Final = frozenset({"", "ACCOUNT_PLATFORM_CONSUMER", "ACCOUNT_PLATFORM_UNSPECIFIED"})
VAULT: Final = "ACCOUNT_TYPE_VAULT"
# A wallet of another type, or with such a flag, is not sold from, as far as is known.
ORDINARY: Final = frozenset(
    {"", "ACCOUNT_TYPE_UNSPECIFIED", "ACCOUNT_TYPE_CRYPTO", "ACCOUNT_TYPE_FIAT", "CRYPTO", "FIAT"}
)
UNFIT: Final = {"active": "not active", "ready": "not ready"}


class Wallet(NamedTuple):
    """One row of `GET /accounts`. `unfit`: why it may not be there for trading; empty where it is."""

    balance: ev.Balance
    name: str
    unfit: str

    @property
    def total(self) -> Decimal:
        return self.balance.available + self.balance.hold


def balances(
    rows: Iterable[Row],
    at: datetime,
    fills_until: datetime | None,
    entries: Row,
    left_out: list[str],
) -> ev.BalancesRead:
    """All pages of `GET /accounts` as a single fact. Vaults and other platforms are left alone; several
    wallets of the same currency are summed as far as they may be traded.

    `entries`: average entry prices by asset, USD, where the portfolio breakdown gave any. Futures
    cash (ACCOUNT_PLATFORM_CFM_CONSUMER) comes with the futures summary and must not count twice.
    `left_out` is told of rows that cannot be: their currency stays as it was.
    """
    read, unread, is_complete = dict[str, list[Wallet]](), set[str](), True
    for row in rows:
        if _is_elsewhere(row):
            continue
        currency = row.get("currency")
        if not isinstance(currency, str) or not 0 < len(currency) <= CURRENCY_MAX:
            left_out.append("a wallet without a currency")
            is_complete = False
            continue
        try:
            balance = _balance(row, currency, entries)
        except Untrusted as fault:
            left_out.append(f"wallet of {currency}: {fault}")
            unread.add(currency)
            continue
        read.setdefault(currency, []).append(_wallet(row, balance))
    known = {name: wallets for name, wallets in read.items() if name not in unread}
    apart = (_apart(name, wallets) for name, wallets in sorted(known.items()))
    return ev.BalancesRead(
        at=at,
        balances=tuple(_summed(wallets) for wallets in known.values()),
        fills_until=fills_until,
        is_complete=is_complete,
        unread=tuple(sorted(unread)),
        apart=tuple(one for one in apart if one is not None),
    )


def _is_elsewhere(row: Row) -> bool:
    """Whether it is a vault, or of another platform, as far as it says."""
    platform = row.get("platform") or ""
    return row.get("type") == VAULT or (isinstance(platform, str) and platform not in CONSUMER)


def _wallet(row: Row, balance: ev.Balance) -> Wallet:
    kind = row.get("type") or ""
    why = "" if isinstance(kind, str) and kind in ORDINARY else str(kind)[:NAME_MAX]
    why = why or next((words for name, words in UNFIT.items() if row.get(name) is False), "")
    why = why or ("deleted" if row.get("deleted_at") else "")
    return Wallet(balance, str(row.get("name") or row.get("uuid"))[:NAME_MAX], why)


def _counted(wallets: Sequence[Wallet]) -> list[Wallet]:
    """Those that may be traded; where none of them is said to be, all."""
    return [one for one in wallets if not one.unfit] or list(wallets)


def _summed(wallets: Sequence[Wallet]) -> ev.Balance:
    counted = [one.balance for one in _counted(wallets)]
    return ev.Balance(
        currency=counted[0].currency,
        available=sum((one.available for one in counted), ZERO),
        hold=sum((one.hold for one in counted), ZERO),
        average_entry_price=counted[0].average_entry_price,
    )


def _apart(currency: str, wallets: Sequence[Wallet]) -> ev.WalletApart | None:
    """The balance of a currency's other wallets, which is not counted or not there for trading."""
    others = [one for one in wallets if one.unfit and one.total]
    if len(wallets) == 1 or not others:
        return None
    counted = _counted(wallets)
    rest = [one for one in others if one not in counted]
    both = [f"{readable(one.total)} in {one.name!r}" for one in counted]
    both += [f"not counted: {readable(one.total)} in {one.name!r} ({one.unfit})" for one in rest]
    return ev.WalletApart(currency, "; ".join(both))


def wallet_ids(rows: Iterable[Row]) -> frozenset[str]:
    """The ids of wallets with a balance, vaults and other platforms aside."""
    found = set[str]()
    for row in rows:
        wallet_id = row.get("uuid")
        if _is_elsewhere(row) or not isinstance(wallet_id, str) or len(wallet_id) > TEXT_MAX:
            continue
        try:
            held = (number_of(row, "available_balance") or ZERO) + (number_of(row, "hold") or ZERO)
        except Untrusted:
            continue  # it is unknown
        if held:
            found.add(wallet_id)
    return frozenset(found)


def _balance(row: Row, currency: str, entries: Row) -> ev.Balance:
    """A wallet. No figure is not zero, and no wallet of coins or money can be below it."""
    text(row.get("platform"), "platform")
    available, hold = number_of(row, "available_balance"), number_of(row, "hold")
    if available is None or hold is None:
        raise Untrusted(f"it has no {'available_balance' if available is None else 'hold'}")
    if not (is_bounded(available) and is_sane(hold) and is_sane(available + hold)):
        raise Untrusted("its amounts cannot be")
    entry = entries.get(currency)
    return ev.Balance(currency, available, hold, average_entry_price=entry)
