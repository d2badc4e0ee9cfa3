"""FuturesCash: the futures wallet as the books have it, and the funding that moves it. No I/O.

Closed contracts, fees, funding and sweeps alone move the wallet. Coinbase tells it
together with the wallet of USD, as of the same moment: so money that moves between the two is seen whole.

Coinbase tells funding in two ways: as fills of their own, or only in `funding_pnl`, a running figure
that grows with the accruals, is paid out some time later, and falls back towards zero when a new period
begins. A single source is booked. Accruals that are not paid yet count in equity and PnL at once;
the wallets follow by one accrual or more at a time.
"""

from datetime import datetime, timedelta
from decimal import Decimal
from typing import Final, Literal

from msgspec import Struct

from sidecar.core.vocabulary.money import CENT, ZERO

# Fills are read again for a minute; funding is hourly, and an account has some dozens of contracts.
PAID_FILLS_MAX: Final = 500
# Accruals that fills may still tell: two days of hourly accruals.
TOLD_MAX: Final = 50
FundingSource = Literal["unknown", "funding_pnl", "fills"]


class FuturesCash(Struct):
    """The futures wallet, USD.

    `is_known`: it has been read. `total`: as booked, without the `unpaid` accruals of funding, oldest
    first. `funding_pnl`: Coinbase's running figure as last told. `paid_fills`: the last funding fills
    counted; `told`: accruals that no fill has told yet. `frame_at`, `frame_wallet`: the last frame's
    time and figure. `lost`: the wallet's own loss, told by the last reading and not explained.
    """

    is_known: bool = False
    total: Decimal = ZERO
    unpaid: tuple[Decimal, ...] = ()
    funding_pnl: Decimal | None = None
    source: FundingSource = "unknown"
    paid_fills: tuple[str, ...] = ()
    told: tuple[Decimal, ...] = ()
    frame_at: datetime | None = None
    frame_wallet: Decimal = ZERO
    lost: Decimal = ZERO

    @property
    def worth(self) -> Decimal:
        """The wallet's money and the money it is owed, USD."""
        return self.total + sum(self.unpaid, ZERO) if self.unpaid else self.total

    def is_overtaken(
        self, wallet: Decimal, at: datetime, *, is_frame: bool, lag: timedelta
    ) -> bool:
        """Whether a reading over REST may be from before the last frame, which said otherwise: frames tell
        of every change at once, and REST lags.
        """
        if is_frame:
            self.frame_at, self.frame_wallet = at, wallet
            return False
        if self.frame_at is None or wallet == self.frame_wallet:
            return False
        return at < self.frame_at + lag

    def accrued(self, funding_pnl: Decimal, difference: Decimal) -> Decimal:
        """Take in the running figure beside the wallets' excess over the books; the funding that it
        adds, USD.

        A change towards zero that no movement of the wallets matches begins a new period.
        """
        before, self.funding_pnl = self.funding_pnl, funding_pnl
        if before is None or self.source == "fills":
            return ZERO
        change = funding_pnl - before
        falls_back = abs(funding_pnl) < abs(before) and funding_pnl * before >= ZERO
        if not change or (falls_back and difference != change):
            return ZERO
        self.source = "funding_pnl"
        self.unpaid = (*self.unpaid, change)
        if len(self.unpaid) > TOLD_MAX:  # the oldest have been paid in a way that was not seen
            self.total, self.unpaid = self.total + self.unpaid[0], self.unpaid[1:]
        self.told = (*self.told, change)[-TOLD_MAX:]
        return change

    def is_told_twice(self, entry_id: str, amount: Decimal) -> bool:
        """Whether a funding fill was counted before, or is an accrual that `funding_pnl` told; fills are the
        source from now on.
        """
        if entry_id and entry_id in self.paid_fills:
            return True
        self.source = "fills"
        self.paid_fills = (*self.paid_fills, entry_id)[-PAID_FILLS_MAX:]
        if amount not in self.told:
            return False
        at = self.told.index(amount)
        self.told = self.told[:at] + self.told[at + 1 :]
        return True

    def note_loss(self, change: Decimal, left: Decimal) -> None:
        """The wallet moved by `change`, and dollars differ by `left` now that it was set right: where both
        are the same, no dollars moved with it.
        """
        if left == change < ZERO:
            self.lost = change
        elif left != self.lost:
            self.lost = ZERO
        assert self.lost <= ZERO, "a gain was noted as a loss"

    def settle(self, *differences: Decimal) -> None:
        """The wallets together, or this wallet alone, have so much more than the books: the oldest accruals that
        make it up were paid, and this wallet had not moved by them.
        """
        self.total += next((paid for one in differences if (paid := self.pay(one))), ZERO)

    def pay(self, difference: Decimal) -> Decimal:
        """The oldest accruals that make up a difference are paid; their sum, zero where none do. Payments are
        in cents, and accruals are not.
        """
        paid = ZERO
        for number, accrual in enumerate(self.unpaid, start=1):
            paid += accrual
            if difference and abs(paid - difference) < number * CENT:
                self.unpaid = self.unpaid[number:]
                return paid
        return ZERO
