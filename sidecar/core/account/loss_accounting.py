"""LossAccounting: the loss windows of an account, kept as time and transfers pass. No I/O.

The windows themselves, and how a transfer moves them: loss_windows.py. Here is when each begins, from which figures
of the books, and when a span ends; losses.py reads losses off them.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Final

from msgspec.structs import replace

from sidecar.core.account.balance_flow import BalanceFlow
from sidecar.core.account.books import Books
from sidecar.core.account.loss_windows import (
    AccountWindow,
    Figure,
    LossWindows,
    Span,
    scoped_windows,
)
from sidecar.core.account.moved import Moved, by_moment
from sidecar.core.account.other_marks import unconfirmed, unconfirmed_of
from sidecar.core.account.transfer_doubts import TransferDoubts
from sidecar.core.vocabulary import events as ev
from sidecar.core.vocabulary.money import ZERO
from sidecar.core.vocabulary.trading_day import next_reset

# USD. An account of less is dust, and a ratio of dust has no meaning.
DEFAULT_MIN_EQUITY: Final = Decimal(50)
# A reset further ahead than this was set by a fact from the future. A day has 25 hours at most, and a clock
# may be set back by one.
RESET_AHEAD_MAX: Final = timedelta(days=2)
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
        self.version = 0
        self._transfers_seen = ZERO  # the transfers that the windows know of
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
            next_reset=self._next_reset(at),
            cumulative=self._window(at, ZERO, equity),
            drawdown=self._window(at, ZERO, equity),
            peak=net,
            scoped_base=max(equity, self.min_equity),
        )
        self._begin_scopes()

    def take_over(self, windows: LossWindows | None, *, moved: bool) -> None:
        """Go on with the loss windows of before a restart, once the rest is restored. `moved`:
        another configuration of `keep` or `cash` has let units in or out.
        """
        self.windows = windows
        self._changed()
        self._transfers_seen = self.books.transfers
        assert not self.books.moves, "a restart booked a transfer"
        if windows is not None and moved:
            self._end_span(self.balances.equity, windows.day.started_at)

    def compare_clocks(self, ahead: timedelta) -> None:
        """The clock that facts are told by is so far ahead of Coinbase's: a boundary that only one
        of the two has passed ends no window.
        """
        self.clock_ahead = max(ahead, timedelta())

    def roll_day(self, at: datetime) -> bool:
        """Begin a new day if both clocks have passed a boundary, from the figures known before it; True if so.

        A boundary passed while no process ran rolls once. A clock that jumps back does not un-roll it, and
        a day that a fact from far ahead has begun ends at the next boundary all the same.
        """
        windows, passed = self.windows, at - self.clock_ahead
        if windows is None:
            return False
        if passed < windows.next_reset:
            if windows.next_reset - passed > RESET_AHEAD_MAX:
                windows.next_reset = self._next_reset(at)
            return False
        self.reset_window("daily", at)
        return True

    def reset_window(self, window: ev.LossWindow, at: datetime) -> None:
        """Begin a loss window anew, from the present figures at confirmed marks."""
        windows = self.windows
        assert windows is not None
        self.books.changed()
        self._end_span(self.balances.equity, at)
        self._begin_window(window, at)
        if window == "daily":
            windows.next_reset = self._next_reset(at)

    def _next_reset(self, at: datetime) -> datetime:
        """The next boundary by both clocks. Where they are days apart, by the later: a boundary of years ago, after
        one absurd answer on the time, would end the day as soon as a right answer came.
        """
        return next_reset(at if self.clock_ahead > RESET_AHEAD_MAX else at - self.clock_ahead)

    def _begin_window(self, window: str, at: datetime) -> None:
        windows = self.windows
        assert windows is not None
        gap = unconfirmed(self.books, self.books.account)
        equity = self.balances.equity - gap
        begun = self._window(at, gap, equity)
        match window:
            case "daily":
                windows.day = begun
                self._begin_scopes()
                windows.next_whole(max(equity, self.min_equity), at)
            case "cumulative":
                windows.cumulative = begun
            case _:  # drawdown
                windows.drawdown, windows.peak = begun, begun.net_pnl
        windows.look_for_ambiguity()

    def _window(self, at: datetime, gap: Decimal, equity: Decimal) -> AccountWindow:
        account = self.books.account
        return AccountWindow(at, account.net_pnl - gap, equity, account.pnl.settled)

    def _begin_scopes(self) -> None:
        """Daily windows of keys and strategies, at confirmed marks."""
        assert self.windows is not None
        account = self.books.account
        self.windows.by_key = scoped_windows(
            (key, figure.less(unconfirmed_of(self.books, account, key)))
            for key, figure in self._key_figures().items()
        )
        self.windows.by_strategy = scoped_windows(
            (name, figure.less(unconfirmed(self.books, self.books.strategies[name])))
            for name, figure in self._strategy_figures().items()
        )

    # --- Changes of the books ---------------------------------------------------------------------

    def follow(self, at: datetime) -> None:
        """The books have taken in a fact."""
        if self.balances.visits.known:
            self.balances.visits.forget(at)
        if self.books.transfers != self._transfers_seen:
            self.note_transfers(at)
        if self.doubts.overlapping.known and at == self.balances.read_at and not self.books.moves:
            self.doubts.forget_booked()
        self._note_peak()

    def _note_peak(self) -> None:
        """Raise the drawdown's highest where equity and net PnL stand above it at confirmed marks."""
        windows, account = self.windows, self.books.account
        if windows is None:
            return
        net = account.net_pnl
        version, high = self._high
        if version != self.version:
            span = windows.span
            high = min(windows.peak, windows.drawdown.base - span.equity + span.net_pnl)
            self._high = (self.version, high)
        if net <= high or windows.span.lacks_equity:
            return
        confirmed = net - unconfirmed(self.books, account)
        if confirmed > high:
            self._changed()
            windows.peak = max(windows.peak, confirmed)
            highest = windows.span.moved(confirmed)
            windows.drawdown.raise_to(highest, account.pnl.settled)
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

    def _end_span(
        self,
        equity: Decimal,
        at: datetime,
        since: Decimal = ZERO,
        by_key: Mapping[str, Decimal] = NO_KEYS,
        *,
        undoes: datetime | None = None,
    ) -> None:
        """After any transfer the ratios stay; an account that is lifted above `min_equity` has none
        yet, and begins anew where no latch is set. `since`: the PnL since the transfer, USD, and of
        it `by_key`: that is of the next span. `undoes`: the transfer of then was none, so no window
        begins anew, and losses of keys and strategies stay shares of the account as it was before.
        """
        windows = self.windows
        assert windows is not None
        self._changed()
        lacked = windows.span.lacks_equity
        keys = self._key_figures()
        keys |= {key: keys[key].less(usd) for key, usd in by_key.items() if key in keys}
        whole = windows.whole_before(undoes)
        if whole is not None:
            windows.scoped_base = whole
        windows.carry(keys, self._strategy_figures())
        windows.begin_span(equity - since, self.books.account.net_pnl - since, self.min_equity)
        windows.next_whole(max(equity - since, self.min_equity) if whole is None else whole, at)
        if lacked and not (undoes or windows.span.lacks_equity):
            for name in {"daily", "cumulative", "drawdown"}.difference(windows.latched):
                self._begin_window(name, at)

    def forget_strategy(self, strategy_id: str) -> None:
        """No loss of the strategy's own is counted any more."""
        if self.windows is not None:
            self.windows.by_strategy.pop(strategy_id, None)

    def _key_figures(self) -> dict[str, Figure]:
        account = self.books.account
        return {
            key: Figure(account.net_pnl_of(key), account.settled_of(key))
            for key in sorted(account.pnl_by_key.keys() | account.lines.keys())
        }

    def _strategy_figures(self) -> dict[str, Figure]:
        return {
            name: Figure(book.net_pnl, book.pnl.settled)
            for name, book in self.books.strategies.items()
        }


def _told(moved: Moved, at: datetime) -> Moved:
    """A transfer with the time at which it was booked; one that is booked as of no reading came then."""
    booked = moved.booked if moved.booked.at is not None else replace(moved.booked, at=at)
    return replace(moved, booked=booked, told_at=at)
