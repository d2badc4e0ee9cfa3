"""Loss windows: where the day, the cumulative figure and the drawdown are counted from. No I/O.

Theory of operation. Loss ratios are time-weighted, as a fund's are: the account is counted in units,
and a deposit buys units at the moment's unit value. Equity that PnL alone moves is called `E` here. A
window keeps its `base`: the value, at its start, of the units that there are now. So its ratio is
1 − E ÷ base, a transfer that takes `E` from 10 to 15 takes every base from 10 to 15 as well, and no
ratio moves. Between two transfers lies a *span*: within it, `E` is the equity at its start and the net
PnL since. The drawdown's base is the highest `E`, in units of now.

Whether a transfer came before or after prices fell is sometimes not known. A window then has two more
bases: `least` for the way that lost least, `most` for the way that lost most.

Source: Global Investment Performance Standards, time-weighted return.
"""

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from decimal import Decimal

from msgspec import Struct

from sidecar.core.account.datings import LEFT_OF_A_UNIT
from sidecar.core.account.moved import Moved
from sidecar.core.vocabulary.money import ZERO


class Span(Struct, frozen=True):
    """The time since the last transfer: equity and net PnL at its start, USD.

    `lacks_equity`: the account was left with less than `min_equity`, so no ratio is taken; `equity` is
    then that of before, at which the ratios stood still.
    """

    equity: Decimal
    net_pnl: Decimal
    lacks_equity: bool = False

    def moved(self, net_pnl: Decimal) -> Decimal:
        """`E`: the equity at the start, moved by PnL alone, USD."""
        return self.equity if self.lacks_equity else self.equity + net_pnl - self.net_pnl


class AccountWindow(Struct):
    """Where a loss of the whole account counts from. Money in USD.

    `base`: see above. `settled`: the settled part of the net PnL at the start. `least`, `most`: the
    base if every transfer of unknown order had come the way that lost least, or most; `least_usd` (≤ 0)
    and `most_usd` (≥ 0) are its additions to the loss.
    """

    started_at: datetime
    net_pnl: Decimal
    base: Decimal
    settled: Decimal = ZERO
    least: Decimal | None = None
    most: Decimal | None = None
    least_usd: Decimal = ZERO
    most_usd: Decimal = ZERO

    @property
    def least_equity(self) -> Decimal:
        """The least equity of the window, USD: an account that has lost all still has a ratio."""
        return max(self.base, ZERO) * LEFT_OF_A_UNIT or LEFT_OF_A_UNIT

    def scale(self, before: Decimal, after: Decimal) -> None:
        """Units were bought or redeemed: they were worth `before` together, and are worth `after`."""
        before = max(before, self.base * LEFT_OF_A_UNIT)
        if before > ZERO:
            self.base = self.base * after / before
            self.least = None if self.least is None else self.least * after / before
            self.most = None if self.most is None else self.most * after / before

    def raise_to(self, equity: Decimal, settled: Decimal) -> None:
        """The account stands at its highest: losses from before that count no more."""
        if equity > self.base:
            self.base, self.least, self.most = equity, None, None
            self.settled, self.least_usd, self.most_usd = settled, ZERO, ZERO

    def doubt(self, moves: Sequence[Moved], best: Decimal, worst: Decimal) -> None:
        """Transfers came of which it is not known when: they change a unit's worth by these shares at the best of
        all moments, and at the worst.
        """
        for moved in moves:
            less, more = moved.range
            self.least_usd -= less
            self.most_usd -= more
        assert self.least_usd <= ZERO <= self.most_usd, "the least loss is above the most"
        least = (self.least or self.base) / best
        most = (self.most or self.base) / worst
        self.least = least if least < self.base else None
        self.most = most if most > self.base else None


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


class LossWindows(Struct):
    """All windows of an account. `peak`: the highest net PnL since the drawdown window began, USD;
    its `base` is that of the highest `E`. `scoped_base`: the whole of which PnL of keys and strategies is a share;
    `last_whole`: the one before, until the last transfer. `latched`: the account's windows with a confirmed breach.
    `is_ambiguous`: a transfer came of which it is not known when, in any of the windows.
    """

    span: Span
    day: AccountWindow
    next_reset: datetime
    cumulative: AccountWindow
    drawdown: AccountWindow
    peak: Decimal
    scoped_base: Decimal
    last_whole: Decimal | None = None
    last_whole_until: datetime | None = None
    by_key: dict[str, ScopedWindow] = {}
    by_strategy: dict[str, ScopedWindow] = {}
    latched: list[str] = []
    is_ambiguous: bool = False

    @property
    def windows(self) -> Iterator[AccountWindow]:
        """The account's own."""
        return iter((self.day, self.cumulative, self.drawdown))

    @property
    def scoped(self) -> Iterator[ScopedWindow]:
        """The windows of keys and strategies."""
        yield from self.by_key.values()
        yield from self.by_strategy.values()

    def look_for_ambiguity(self) -> None:
        """A window has begun anew: doubts of the old window count no more."""
        account = any(window.least or window.most for window in self.windows)
        scoped = any(window.least_usd or window.most_usd for window in self.scoped)
        self.is_ambiguous = account or scoped

    def begin_span(self, equity: Decimal, net_pnl: Decimal, min_equity: Decimal) -> None:
        """The account has `equity` now, after any transfer: ratios stay as they are, USD."""
        before = self.span.moved(net_pnl)
        assert equity.is_finite(), "equity is no number"
        assert before.is_finite(), "what losses count from is no number"
        if equity < min_equity:
            self.span = Span(before, net_pnl, lacks_equity=True)
            return
        if equity != before:
            for window in self.windows:
                window.scale(before, equity)
        self.span = Span(equity, net_pnl)

    def doubt_loss(self, usd: Decimal, net_pnl: Decimal) -> None:
        """A booked transfer may have been a loss of so much, USD."""
        equity = self.span.moved(net_pnl)
        for window in self.windows:
            left = max(equity - usd, window.base * LEFT_OF_A_UNIT)
            window.most_usd += usd
            if equity > ZERO and left > ZERO:
                window.most = (window.most or window.base) * equity / left
        self.look_for_ambiguity()

    def doubt(self, moves: Sequence[Moved], best: Decimal, worst: Decimal) -> None:
        """Transfers came of which it is not known when: see AccountWindow.doubt."""
        for window in self.windows:
            window.doubt(moves, best, worst)
        for moved in moves:
            if moved.key in self.by_key:
                self.by_key[moved.key].doubt(moved)
        self.look_for_ambiguity()

    def whole_before(self, at: datetime | None) -> Decimal | None:
        """The whole that PnL of keys and strategies was a share of before the transfer of then, where that was the
        last one.
        """
        return self.last_whole if at is not None and at == self.last_whole_until else None

    def next_whole(self, whole: Decimal, at: datetime) -> None:
        """A span begins: PnL of keys and strategies is a share of this from now on."""
        self.last_whole, self.last_whole_until = self.scoped_base, at
        self.scoped_base = whole

    def carry(self, keys: dict[str, Figure], strategies: dict[str, Figure]) -> None:
        """A span is over: the losses of keys and strategies in it are shares of its own equity."""
        for windows, figures in ((self.by_key, keys), (self.by_strategy, strategies)):
            for name, figure in figures.items():
                window = windows.setdefault(name, ScopedWindow())
                lost = window.span_pnl - figure.net_pnl
                if lost and self.scoped_base > ZERO and not self.span.lacks_equity:
                    window.carried += lost / self.scoped_base
                window.span_pnl = figure.net_pnl


def scoped_windows(figures: Iterable[tuple[str, Figure]]) -> dict[str, ScopedWindow]:
    """Windows of keys or strategies that begin now."""
    return {
        name: ScopedWindow(net_pnl=now.net_pnl, settled=now.settled, span_pnl=now.net_pnl)
        for name, now in figures
    }
