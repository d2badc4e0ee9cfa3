"""TransferDoubts: transfers of which it is not known when they came, or whether. No I/O.

The account's loss would be another, as a share of it, had they come at other moments. Three kinds: a discrepancy
that is open still, money that one reading showed and the next did not (visits.py), and transfers that were booked,
whose moments overlap (datings.py).
"""

from collections.abc import Sequence
from decimal import Decimal

from sidecar.core.account.balance_flow import BalanceFlow
from sidecar.core.account.books import Books
from sidecar.core.account.cash_pot import SWEEP_LAG
from sidecar.core.account.datings import Better, Overlapping, Present
from sidecar.core.account.moved import Moved
from sidecar.core.vocabulary.money import ONE, ZERO


class TransferDoubts:
    """By how much they may change a unit's worth. `least`, here: the value above which the account has ratios, USD."""

    def __init__(self, books: Books, balances: BalanceFlow) -> None:
        self.books, self.balances = books, balances
        self.overlapping = Overlapping()
        # Worked out once a version, while balances are in doubt.
        self._moves_of: int | None = None
        self._shares_of: int | None = None
        self._moves: list[Moved] = []
        self._shares: dict[tuple[bool, Decimal, tuple[Decimal, ...]], Decimal] = {}

    def open_moves(self) -> list[Moved]:
        """Open doubts of coins: they may have moved before their price did."""
        if self._moves_of != self.books.version:
            moves = self.balances.open_moves() if self.books.wallets.is_unsure else ()
            self._moves_of, self._moves = self.books.version, list(moves)
        return self._moves

    def open_share(
        self, moves: list[Moved], better: Better, gain: Decimal, least: Decimal
    ) -> Decimal:
        """A unit's worth had the transfers in doubt come at the better moments, as a share of its actual worth.
        `gain`: by how much the account is worth more than at its marks, USD.
        """
        if not moves:
            return ONE
        asked = (better is max, gain, tuple(moved.now.price for moved in moves))
        if self._shares_of != self.books.version:
            self._shares_of, self._shares = self.books.version, {}
        if asked not in self._shares:  # each window asks for the same
            present = self._present(gain)
            self._shares[asked] = self.overlapping.share(moves, present, least, better)
        return self._shares[asked]

    def visited_share(self, least: Decimal) -> Decimal:
        """A unit's worth had money that came and went shared the losses, as a share of its actual worth."""
        visits = self.balances.visits
        return visits.share(self._present(), least) if visits.known else ONE

    def booked_shares(self, moves: Sequence[Moved], least: Decimal) -> tuple[Decimal, Decimal]:
        """Transfers were booked of which it is not known when they came. By how much they change a unit's worth at
        the best of all moments, and at the worst.
        """
        return self.overlapping.add(moves, self._present(), least)

    def forget_booked(self) -> None:
        """The balances have been read: transfers that overlap with none to come need not be known any more."""
        if self.overlapping.known and not self.books.moves:
            self.overlapping.forget(self.balances.open_moments(), SWEEP_LAG)

    def _present(self, gain: Decimal = ZERO) -> Present:
        """The account now, were it worth so much more than at its marks, USD."""
        net = self.books.account.net_pnl + gain
        return Present(self.balances.equity + gain, net, self.books.transfers)
