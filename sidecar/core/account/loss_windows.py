"""Loss windows: where the day, the week, the month, the cumulative figure and the drawdown are counted
from. No I/O.

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

from collections.abc import Iterator, Sequence
from datetime import timedelta
from decimal import Decimal

from msgspec import Struct, field
from msgspec.structs import replace

from sidecar.core.account.account_window import AccountWindow
from sidecar.core.account.datings import LEFT_OF_A_UNIT
from sidecar.core.account.moved import Moved
from sidecar.core.account.periods import LongPeriod, Period
from sidecar.core.account.rolling import Rolling
from sidecar.core.vocabulary.money import ZERO
from sidecar.core.vocabulary.trading_day import LONG_PERIODS, PeriodName, next_start


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


class LossWindows(Period, kw_only=True):
    """All windows of an account; itself the period of the day, `longer` those of the week and the month.

    `peak`: the highest net PnL since the drawdown window began, USD; its `base` is that of the highest `E`.
    `latched`: the account's windows with a confirmed breach. `is_ambiguous`: a transfer came of which it is not known
    when, in any of the windows.
    """

    span: Span
    day: AccountWindow
    longer: dict[PeriodName, LongPeriod] = field(default_factory=dict)
    cumulative: AccountWindow
    drawdown: AccountWindow
    peak: Decimal
    rolling: list[Rolling] = field(default_factory=list)
    latched: list[str] = field(default_factory=list)
    is_ambiguous: bool = False

    @property
    def windows(self) -> Iterator[AccountWindow]:
        """The windows of the whole account, every high of a rolling window among them."""
        yield from self.fixed
        for one in self.rolling:
            yield from one.highs

    @property
    def fixed(self) -> Iterator[AccountWindow]:
        """Those of the account that begin anew at a reset only."""
        yield from (self.day, self.cumulative, self.drawdown)
        yield from (period.account for period in self.longer.values())

    @property
    def periods(self) -> tuple[Period, ...]:
        """The day, the week and the month."""
        return (self, *self.longer.values())

    def period(self, name: PeriodName) -> Period:
        """The period of this name."""
        return self if name == "daily" else self.longer[name]

    def of_period(self, name: PeriodName) -> AccountWindow:
        """Where the account's loss within it counts from."""
        return self.day if name == "daily" else self.longer[name].account

    def begin_period(self, name: PeriodName, account: AccountWindow) -> Period:
        """The account's loss within it counts from there."""
        if name == "daily":
            self.day = account
        else:
            self.longer[name].account = account
        return self.period(name)

    def rolling_of(self, window: timedelta) -> Rolling | None:
        """The rolling window of this length; None before its first fact."""
        return next((one for one in self.rolling if one.window == window), None)

    def begin_longer(self) -> None:
        """A week and a month that no version before has kept began, as far as is known, with the day."""
        for name in LONG_PERIODS:
            if name not in self.longer:
                self.longer[name] = LongPeriod(
                    account=replace(self.day),
                    # The day ends at a boundary, and the week and the month at one of its boundaries.
                    next_reset=next_start(name, self.next_reset - timedelta.resolution),
                    scoped_base=self.scoped_base,
                    last_whole=self.last_whole,
                    last_whole_until=self.last_whole_until,
                    by_key={key: replace(one) for key, one in self.by_key.items()},
                    by_strategy={key: replace(one) for key, one in self.by_strategy.items()},
                )

    def look_for_ambiguity(self) -> None:
        """A window has begun anew: doubts of the old window count no more."""
        account = any(window.least or window.most for window in self.windows)
        scoped = any(
            window.least_usd or window.most_usd for one in self.periods for window in one.scoped
        )
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
            for period in self.periods:
                if moved.key in period.by_key:
                    period.by_key[moved.key].doubt(moved)
        self.look_for_ambiguity()
