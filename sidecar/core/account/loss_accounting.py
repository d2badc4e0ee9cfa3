"""LossAccounting: the loss windows of an account, kept as time and transfers pass. No I/O.

The windows themselves, and how a transfer moves them: loss_windows.py. Here is when each begins, from which figures
of the books, and when a span ends; losses.py reads losses off them.
"""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Final, get_args

from msgspec.structs import replace

from sidecar.core.account.account_window import AccountWindow
from sidecar.core.account.balance_flow import BalanceFlow
from sidecar.core.account.books import Books
from sidecar.core.account.loss_windows import LossWindows, Span
from sidecar.core.account.moved import Moved, by_moment
from sidecar.core.account.other_marks import unconfirmed, unconfirmed_of
from sidecar.core.account.periods import Figure, Figures
from sidecar.core.account.rolling import Rolling
from sidecar.core.account.transfer_doubts import TransferDoubts
from sidecar.core.vocabulary import events as ev
from sidecar.core.vocabulary.money import ZERO
from sidecar.core.vocabulary.trading_day import PERIODS, PeriodName, next_start

# USD. An account of less is dust, and a ratio of dust has no meaning.
DEFAULT_MIN_EQUITY: Final = Decimal(50)
# A reset further ahead than this was set by a fact from the future. A day has 25 hours at most, a month 31 days and
# an hour, and a clock may be set back by a day.
RESET_AHEAD_MAX: Final[Mapping[PeriodName, timedelta]] = {
    "daily": timedelta(days=2),
    "weekly": timedelta(days=9),
    "monthly": timedelta(days=33),
}
NOTHING: Final = timedelta()
NEVER: Final = datetime.max.replace(tzinfo=UTC)
NO_KEYS: Final[Mapping[str, Decimal]] = {}


class LossAccounting:
    """Where the losses of the account, its keys and its strategies count from; None until the books open.

    `min_equity`: with less after a transfer, USD, the account has no ratios. `version` grows with every change of the
    windows: figures worked out of them hold until then.
    """

    def __init__(self, books: Books, balances: BalanceFlow) -> None:
        self.books, self.balances = books, balances
        self.windows: LossWindows | None = None
        self.doubts = TransferDoubts(books, balances)
        self.min_equity = DEFAULT_MIN_EQUITY
        # Of Coinbase's; a clock that is behind passes last by itself.
        self.clock_ahead = timedelta()
        self.rolling: tuple[timedelta, ...] = ()  # the lengths of rolling windows
        self.version = 0
        self._transfers_seen = ZERO  # the transfers that the windows know of
        # The version and the lengths, and from when until when neither a period nor a part ends.
        self._calm: tuple[int, tuple[timedelta, ...], datetime, datetime] = (-1, (), NEVER, NEVER)
        # The version, and the net PnL above which a high may rise.
        self._high: tuple[int | None, Decimal] = (None, ZERO)

    @property
    def is_ambiguous(self) -> bool:
        """Whether a loss may be more, or less, than the books tell."""
        if self.books.wallets.is_unsure or self.balances.visits.known:
            return True
        return self.windows is not None and self.windows.is_ambiguous

    @property
    def least_with_ratio(self) -> Decimal:
        """The value above which the account has ratios, USD."""
        windows = self.windows
        return self.min_equity if windows is not None and windows.span.lacks_equity else ZERO

    def _changed(self) -> None:
        self.version += 1

    # --- Beginnings -------------------------------------------------------------------------------

    def begin(self, at: datetime) -> None:
        """Every window begins."""
        assert self.windows is None, "the windows have begun already"
        net, equity = self.books.account.net_pnl, self.balances.equity
        lacks = equity < self.min_equity
        self.windows = LossWindows(
            span=Span(equity, net, lacks_equity=lacks),
            day=self._window(at, ZERO, equity),
            next_reset=self._next_start("daily", at),
            cumulative=self._window(at, ZERO, equity),
            drawdown=self._window(at, ZERO, equity),
            peak=net,
            scoped_base=max(equity, self.min_equity),
        )
        self.windows.begin(*self._scopes())
        self.windows.begin_longer()
        self._turn(self.windows, self.by_both(at))

    def take_over(self, windows: LossWindows | None, *, moved: bool) -> None:
        """Go on with the loss windows of before a restart, once the rest is restored. `moved`:
        another configuration of `keep` or `cash` has let units in or out.
        """
        self.windows = windows
        self._changed()
        self._transfers_seen = self.books.transfers
        assert not self.books.moves, "a restart booked a transfer"
        if windows is None:
            return
        windows.begin_longer()
        if moved:
            self._end_span(self.balances.equity, windows.day.started_at)

    def compare_clocks(self, ahead: timedelta) -> None:
        """The clock that facts are told by is so far ahead of Coinbase's: a boundary that only one
        of the two has passed ends no window.
        """
        self.clock_ahead = max(ahead, timedelta())

    def next_turns(self) -> list[datetime]:
        """When time alone changes a loss next: the ends of periods, and of highs that a loss counts from."""
        windows = self.windows
        if windows is None:
            return []
        ends = [period.next_reset for period in windows.periods]
        if windows.rolling:
            stands = windows.span.moved(self.books.account.net_pnl)
            highest = [(one, one.highs[0]) for one in windows.rolling]
            ends += [one.leaves_at(high) for one, high in highest if high.base > stands]
        return ends

    def clears_at(self, window: timedelta, ratio: Decimal) -> datetime | None:
        """When the loss within a rolling window is below this share at the earliest, without further profit; None where
        it is already.
        """
        windows = self.windows
        rolling = None if windows is None else windows.rolling_of(window)
        if windows is None or rolling is None:
            return None
        return rolling.clears_at(windows.span.moved(self.books.account.net_pnl), ratio)

    def by_both(self, at: datetime) -> datetime:
        """The time that both clocks have passed."""
        return at - self.clock_ahead

    def roll_day(self, at: datetime) -> bool:
        """Begin a new day, week or month if both clocks have passed a boundary, from the figures known before it; True
        if so.

        A boundary passed while no process ran rolls once. A clock that jumps back does not un-roll it, and
        a period that a fact from far ahead has begun ends at the next boundary all the same.
        """
        windows, passed = self.windows, self.by_both(at)
        if windows is None or self._is_calm(passed):
            return False
        if self.rolling or windows.rolling:
            self._turn(windows, passed)
        over = False
        for name in PERIODS:
            period = windows.period(name)
            left = period.next_reset - passed
            if left <= NOTHING:
                self.reset_window(name, at)
                over = True
            elif left > RESET_AHEAD_MAX[name]:
                period.next_reset = self._next_start(name, at)
        until = [period.next_reset for period in windows.periods]
        until += [one.next_part for one in windows.rolling]
        self._calm = (self.version, self.rolling, passed, min(until))
        return over

    def _is_calm(self, passed: datetime) -> bool:
        """Whether no period ends and no part of a rolling window, as at nearly every fact."""
        version, rolling, since, until = self._calm
        if version != self.version or rolling is not self.rolling:
            return False
        return since <= passed < until

    def _turn(self, windows: LossWindows, passed: datetime) -> None:
        """Rolling windows move on, from the figures before the fact."""
        if tuple(one.window for one in windows.rolling) != self.rolling:
            self._changed()
            windows.rolling = [
                windows.rolling_of(length) or Rolling(length, []) for length in self.rolling
            ]
        self._high = (None, ZERO)  # the high of a new part is lower
        for one in windows.rolling:
            if one.turn(passed, self._standing):
                self._changed()
                self.books.changed()

    def _standing(self) -> AccountWindow:
        """Where the account stands at confirmed marks."""
        assert self.windows is not None
        account = self.books.account
        net = account.net_pnl - unconfirmed(self.books, account)
        return AccountWindow(NEVER, net, self.windows.span.moved(net), account.pnl.settled)

    def reset_window(self, window: ev.LossWindow, at: datetime) -> None:
        """Begin a loss window anew, from the present figures at confirmed marks."""
        assert self.windows is not None
        self.books.changed()
        self._end_span(self.balances.equity, at, moves=False)
        self._begin_window(window, at)

    def _next_start(self, name: PeriodName, at: datetime) -> datetime:
        """The next boundary by both clocks. Where they are days apart, by the later: a boundary of years ago, after
        one absurd answer on the time, would end the day as soon as a right answer came.
        """
        is_absurd = self.clock_ahead > RESET_AHEAD_MAX["daily"]
        return next_start(name, at if is_absurd else at - self.clock_ahead)

    def _begin_window(self, window: ev.LossWindow, at: datetime) -> None:
        windows = self.windows
        assert windows is not None
        gap = unconfirmed(self.books, self.books.account)
        equity = self.balances.equity - gap
        begun = self._window(at, gap, equity)
        match window:
            case "cumulative":
                windows.cumulative = begun
            case "drawdown":
                windows.drawdown, windows.peak = begun, begun.net_pnl
            case "rolling":
                windows.rolling.clear()
                self._turn(windows, self.by_both(at))
            case _:
                period = windows.begin_period(window, begun)
                period.begin(*self._scopes())
                period.next_whole(max(equity, self.min_equity), at)
                period.next_reset = self._next_start(window, at)
        windows.look_for_ambiguity()

    def _window(self, at: datetime, gap: Decimal, equity: Decimal) -> AccountWindow:
        account = self.books.account
        return AccountWindow(at, account.net_pnl - gap, equity, account.pnl.settled)

    def _scopes(self) -> tuple[Figures, Figures]:
        """The figures of keys and of strategies, at confirmed marks."""
        account = self.books.account
        keys = {
            key: figure.less(unconfirmed_of(self.books, account, key))
            for key, figure in self._key_figures().items()
        }
        strategies = {
            name: figure.less(unconfirmed(self.books, self.books.strategies[name]))
            for name, figure in self._strategy_figures().items()
        }
        return keys, strategies

    # --- Changes of the books ---------------------------------------------------------------------

    def follow(self, at: datetime) -> None:
        """The books have taken in a fact."""
        if self.balances.visits.known:
            self.balances.visits.forget(at)
        if self.books.transfers != self._transfers_seen:
            self.note_transfers(at)
        self._note_peak()

    def _note_peak(self) -> None:
        """Raise the highest, of the drawdown and of rolling windows, where equity and net PnL stand above it at
        confirmed marks.
        """
        windows, account = self.windows, self.books.account
        if windows is None:
            return
        net = account.net_pnl
        if self._high[0] != self.version:
            self._high = (self.version, self._least_high(windows))
        high = self._high[1]
        if net <= high or windows.span.lacks_equity:
            return
        confirmed = net - unconfirmed(self.books, account)
        if confirmed > high:
            self._raise(windows, confirmed)
            self._high = (self.version, self._least_high(windows))

    def _least_high(self, windows: LossWindows) -> Decimal:
        """The net PnL above which a high rises, USD."""
        span = windows.span
        bases = [windows.drawdown.base, *(one.highs[-1].base for one in windows.rolling)]
        return min(windows.peak, min(bases) - span.equity + span.net_pnl)

    def _raise(self, windows: LossWindows, net: Decimal) -> None:
        highest, settled = windows.span.moved(net), self.books.account.pnl.settled
        for one in windows.rolling:
            if one.raise_to(highest, net, settled):
                self._changed()
        if net > windows.peak or highest > windows.drawdown.base:
            self._changed()
            windows.peak = max(windows.peak, net)
            windows.drawdown.raise_to(highest, settled)
        assert windows.drawdown.base >= highest

    def note_transfers(self, at: datetime) -> None:
        """A transfer moves no ratio: the windows' units take it in."""
        windows, books = self.windows, self.books
        self._transfers_seen = books.transfers
        assert windows is not None  # before, there are no transfers
        moves = [_told(moved, at) for moved in books.moves]
        dated = self.doubts.overlapping.at_their_moments(moves, books.account.net_pnl)
        if moves:
            best, worst = self.doubts.booked_shares(moves, self.least_with_ratio)
            windows.doubt(moves, best, worst)
        for lost in books.losses_unexplained:
            windows.doubt_loss(lost, self.books.account.net_pnl)
        books.losses_unexplained.clear()
        groups = by_moment(dated, self.balances.equity, self.min_equity)
        books.moves.clear()
        for group in groups:
            undone = {moved.undoes for moved in group.moves}
            self._end_span(
                self.balances.equity - group.later,
                at,
                group.since,
                {moved.key: moved.key_since for moved in group.moves},
                undoes=undone.pop() if len(undone) == 1 else None,
            )

    def restate(self, at: datetime) -> None:
        """Equity has moved by other than PnL, and no money came or left: no ratio moves."""
        if self.windows is not None:
            self._end_span(self.balances.equity, at)

    def _end_span(  # noqa: PLR0913 - a transfer's part in it is named
        self,
        equity: Decimal,
        at: datetime,
        since: Decimal = ZERO,
        by_key: Mapping[str, Decimal] = NO_KEYS,
        *,
        undoes: datetime | None = None,
        moves: bool = True,
    ) -> None:
        """After any transfer the ratios stay; an account that is lifted above `min_equity` has none
        yet, and begins anew where no latch is set. `since`: the PnL since the transfer, USD, and of
        it `by_key`: that is of the next span. `undoes`: the transfer of then was none, so no window
        begins anew, and losses of keys and strategies stay shares of the account as it was before. `moves`: money has
        moved; a window that begins by itself ends no span of keys and strategies in another.
        """
        windows = self.windows
        assert windows is not None
        self._changed()
        lacked = windows.span.lacks_equity
        keys = self._key_figures()
        keys |= {key: keys[key].less(usd) for key, usd in by_key.items() if key in keys}
        strategies, whole = self._strategy_figures(), equity - since
        lacks = whole < self.min_equity
        periods = windows.periods if moves or lacks != lacked else ()
        for period in periods:
            before = period.whole_before(undoes)
            if before is not None:
                period.scoped_base = before
            period.carry(keys, strategies, lacks_equity=lacked)
            period.next_whole(max(whole, self.min_equity) if before is None else before, at)
        windows.begin_span(whole, self.books.account.net_pnl - since, self.min_equity)
        if lacked and not (undoes or lacks):
            for name in get_args(ev.LossWindow):
                if name not in windows.latched:
                    self._begin_window(name, at)

    def forget_strategy(self, strategy_id: str) -> None:
        """No loss of the strategy's own is counted any more."""
        if self.windows is not None:
            self._changed()
            for period in self.windows.periods:
                period.by_strategy.pop(strategy_id, None)

    def _key_figures(self) -> Figures:
        account = self.books.account
        return {
            key: Figure(account.net_pnl_of(key), account.settled_of(key))
            for key in sorted(account.pnl_by_key.keys() | account.lines.keys())
        }

    def _strategy_figures(self) -> Figures:
        return {
            name: Figure(book.net_pnl, book.pnl.settled)
            for name, book in self.books.strategies.items()
        }


def _told(moved: Moved, at: datetime) -> Moved:
    """A transfer with the time at which it was booked; one that is booked as of no reading came then."""
    booked = moved.booked if moved.booked.at is not None else replace(moved.booked, at=at)
    return replace(moved, booked=booked, told_at=at)
