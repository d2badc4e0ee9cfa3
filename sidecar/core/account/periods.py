"""Periods of the calendar, which losses count from anew: days, weeks and months. No I/O.

Of the account, of keys and of strategies. The loss of a key or a strategy is the sum, over the spans that the period
has seen, of its loss in each as a share of the account at the span's start; transfers end a span (loss_windows.py), and
the beginning of one period ends none of another.
"""

from collections.abc import Iterable
from datetime import datetime
from decimal import Decimal

from msgspec import Struct

from sidecar.core.account.account_window import AccountWindow
from sidecar.core.account.moved import Moved
from sidecar.core.vocabulary.money import ZERO


class ScopedWindow(Struct):
    """Where the loss of a key, or of a strategy, counts from, USD.

    `carried`: its ratio over the spans that are over; `span_pnl`: its net PnL when the present span began.
    """

    net_pnl: Decimal = ZERO
    settled: Decimal = ZERO
    carried: Decimal = ZERO
    span_pnl: Decimal = ZERO
    least_usd: Decimal = ZERO
    most_usd: Decimal = ZERO

    def doubt(self, moved: Moved) -> None:
        """A transfer came of which it is not known when."""
        less, more = moved.range
        self.least_usd -= less
        self.most_usd -= more
        assert self.least_usd <= ZERO <= self.most_usd, "the least loss is above the most"


class Figure(Struct, frozen=True):
    """A scope's net PnL and the settled part of it, USD."""

    net_pnl: Decimal
    settled: Decimal

    def less(self, usd: Decimal) -> "Figure":
        """The figure without this part of its net PnL."""
        return Figure(self.net_pnl - usd, self.settled)


Figures = dict[str, Figure]


class Period(Struct, kw_only=True):
    """One period, until `next_reset`. `scoped_base`: the whole of which PnL of keys and strategies is a share, USD;
    `last_whole`: the one before, until the last transfer.
    """

    next_reset: datetime
    scoped_base: Decimal
    last_whole: Decimal | None = None
    last_whole_until: datetime | None = None
    by_key: dict[str, ScopedWindow] = {}
    by_strategy: dict[str, ScopedWindow] = {}

    @property
    def scoped(self) -> Iterable[ScopedWindow]:
        """The windows of keys and strategies."""
        yield from self.by_key.values()
        yield from self.by_strategy.values()

    def begin(self, keys: Figures, strategies: Figures) -> None:
        """Losses of keys and strategies count from these figures."""
        self.by_key, self.by_strategy = scoped_windows(keys), scoped_windows(strategies)

    def whole_before(self, at: datetime | None) -> Decimal | None:
        """The whole that PnL of keys and strategies was a share of before the transfer of then, where that was the
        last one.
        """
        return self.last_whole if at is not None and at == self.last_whole_until else None

    def next_whole(self, whole: Decimal, at: datetime) -> None:
        """A span begins: PnL of keys and strategies is a share of this from now on."""
        self.last_whole, self.last_whole_until = self.scoped_base, at
        self.scoped_base = whole

    def carry(self, keys: Figures, strategies: Figures, *, lacks_equity: bool) -> None:
        """A span is over: the losses of keys and strategies in it are shares of its own equity."""
        for windows, figures in ((self.by_key, keys), (self.by_strategy, strategies)):
            for name, figure in figures.items():
                window = windows.setdefault(name, ScopedWindow())
                lost = window.span_pnl - figure.net_pnl
                if lost and self.scoped_base > ZERO and not lacks_equity:
                    window.carried += lost / self.scoped_base
                window.span_pnl = figure.net_pnl


class LongPeriod(Period, kw_only=True):
    """A week or a month. `account`: where the loss of the whole account counts from."""

    account: AccountWindow


def scoped_windows(figures: Figures) -> dict[str, ScopedWindow]:
    """Windows of keys or strategies that begin now."""
    return {
        name: ScopedWindow(net_pnl=now.net_pnl, settled=now.settled, span_pnl=now.net_pnl)
        for name, now in figures.items()
    }
