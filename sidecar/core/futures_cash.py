"""FuturesCash: the futures wallet as the books have it, and the funding that moves it. No I/O.

Closed contracts, fees, funding and sweeps move the wallet, and nothing else does. So the books always
know what it should hold, and a reading is explained like any other (reconciliation.py).

Coinbase tells funding in two ways: as fills of their own, or only in `funding_pnl`, a running figure
that grows with what accrues, is paid out some time later, and falls back towards zero when a new period
begins. One source is booked. What has accrued and is not paid yet counts in equity and PnL at once;
the wallet follows by one or more of the accruals at a time.

A sweep is booked as soon as one side of it is sure. Where the wallet of dollars never shows the other
side, it was none: nothing but trading and sweeps reaches the futures wallet, so it was funding that no
reading of `funding_pnl` caught.
"""

from datetime import datetime, timedelta
from decimal import Decimal
from typing import Final, Literal

from msgspec import Struct, field

from sidecar.core.money import ZERO
from sidecar.core.reconciliation import Reconciliation

# Fills are read again for a minute; funding is hourly, and an account has some dozens of contracts.
PAID_FILLS_MAX: Final = 500
# Accruals that fills may still tell: two days of hourly ones.
TOLD_MAX: Final = 50
FundingSource = Literal["unknown", "funding_pnl", "fills"]


class FuturesCash(Struct):
    """The futures wallet, USD.

    `is_known`: it has been read. `total`: as booked, without the `unpaid` accruals of funding, oldest
    first. `funding_pnl`: Coinbase's running figure as last told. `paid_fills`: the last funding fills
    counted; `told`: accruals that no fill has told yet. `one_sided`: sweeps whose other side has not been
    read yet. `frame_at`, `frame_wallet`: what the last frame said, and when.
    """

    is_known: bool = False
    total: Decimal = ZERO
    unpaid: tuple[Decimal, ...] = ()
    funding_pnl: Decimal | None = None
    source: FundingSource = "unknown"
    paid_fills: tuple[str, ...] = ()
    told: tuple[Decimal, ...] = ()
    one_sided: tuple[Decimal, ...] = ()
    frame_at: datetime | None = None
    frame_wallet: Decimal = ZERO
    agreement: Reconciliation = field(default_factory=Reconciliation)

    @property
    def worth(self) -> Decimal:
        """What the wallet holds and is owed, USD."""
        return self.total + sum(self.unpaid, ZERO)

    @property
    def doubted(self) -> Decimal:
        """What Coinbase's last reading has more than the books, without an explanation, USD."""
        doubt = self.agreement.doubt
        return ZERO if doubt is None else doubt.difference

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

    def accrued(self, funding_pnl: Decimal, wallet: Decimal) -> Decimal:
        """Take in the running figure beside the wallet as read; the funding that it adds, USD.

        A change towards zero that no movement of the wallet matches begins a new period.
        """
        before, self.funding_pnl = self.funding_pnl, funding_pnl
        if before is None or self.source == "fills":
            return ZERO
        change = funding_pnl - before
        falls_back = abs(funding_pnl) < abs(before) and funding_pnl * before >= ZERO
        if not change or (falls_back and wallet - self.total != change):
            return ZERO
        self.source = "funding_pnl"
        self.unpaid = (*self.unpaid, change)
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
        self.told = _without(self.told, amount)
        return True

    def takes_back(self, change: Decimal) -> bool:
        """Whether dollars lack just what the futures wallet was said to have been swept by."""
        if change not in self.one_sided:
            return False
        self.one_sided = _without(self.one_sided, change)
        return True

    def settle(self, wallet: Decimal) -> None:
        """The wallet was read: the oldest accruals that make up its difference have been paid."""
        paid = ZERO
        for number, accrual in enumerate(self.unpaid, start=1):
            paid += accrual
            if self.total + paid == wallet:
                self.total, self.unpaid = wallet, self.unpaid[number:]
                return


def _without(figures: tuple[Decimal, ...], one: Decimal) -> tuple[Decimal, ...]:
    """The figures but for the first that is `one`."""
    at = figures.index(one)
    return figures[:at] + figures[at + 1 :]
