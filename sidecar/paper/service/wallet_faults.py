"""Accounts as switched-on faults tell them: wallets missing, told as two, or with absurd balances.
No I/O.

A listing's content stays for its further pages, and for a wallet that is asked for by its id
until the next listing begins.
"""

from collections.abc import Iterable, Iterator
from decimal import Decimal
from typing import Final, NamedTuple

from sidecar.core.vocabulary.money import TWO, floor_to
from sidecar.paper.service.faults import FaultSwitches
from sidecar.paper.venue.accounts import Balance
from sidecar.paper.wire.text import Row

SECOND: Final = "2"  # the suffix of name and id of a currency's second wallet
SPLIT_TO: Final = Decimal("0.00000001")  # the second wallet has half, to the smallest unit of BTC
ABSURD: Final = {
    "negative_balances": "-1",
    "huge_balances": "1" + "0" * 30,
    "text_balances": "a lot",
    "no_balances": None,
}


class Told(NamedTuple):
    """A wallet as it is told, and which of its currency's wallets it is."""

    balance: Balance
    part: str = ""


class WalletFaults:
    """The faults of the accounts that are being told."""

    def __init__(self, switches: FaultSwitches) -> None:
        self._switches = switches
        self._missing = False
        self._split = False
        self._absurd = ""

    def begin(self) -> None:
        """A listing begins: its faults are counted off."""
        self._missing = self._switches.count_off("missing_wallets")
        self._split = self._switches.count_off("split_wallets")
        self._absurd = self._take_absurd()

    def listed(self, balances: Iterable[Balance]) -> list[Told]:
        """The wallets of the listing under way."""
        seen = [row for row in balances if not (self._missing and self._is_about(row.currency))]
        return list(self.told(seen))

    def told(self, balances: Iterable[Balance]) -> Iterator[Told]:
        """Each wallet, or the two that are told of it."""
        for row in balances:
            if row.currency == self._switches.now.no_wallet_of:
                continue
            if not self._split or not self._is_about(row.currency):
                yield Told(row)
                continue
            half = floor_to(row.available / TWO, SPLIT_TO)
            yield Told(row._replace(available=row.available - half))
            yield Told(Balance(row.currency, half, row.held - row.held), SECOND)

    def in_listing(self, row: Row) -> Row:
        """A row of the listing under way, with the balance that it tells."""
        return _spoiled(self._flagged(row), self._absurd if self._is_about(row["currency"]) else "")

    def alone(self, row: Row) -> Row:
        """A wallet asked for by its id: a reading of its own."""
        how = self._take_absurd() if self._is_about(row["currency"]) else ""
        return _spoiled(self._flagged(row), how)

    def _flagged(self, row: Row) -> Row:
        is_inactive = self._switches.now.split_as_inactive and not row["default"]
        return row | {"active": False} if is_inactive else row

    def _take_absurd(self) -> str:
        return next((name for name in ABSURD if self._switches.count_off(name)), "")

    def _is_about(self, currency: str) -> bool:
        return self._switches.now.wallets_currency in ("", currency)


def _spoiled(row: Row, how: str) -> Row:
    if not how:
        return row
    value = ABSURD[how]
    if value is None:
        return {name: field for name, field in row.items() if name != "available_balance"}
    return row | {"available_balance": {**row["available_balance"], "value": value}}
