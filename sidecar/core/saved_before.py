"""Loss windows as versions before the time-weighted ratios saved them, and their present form. No I/O.

A ratio was taken of the equity at its window's start + net transfers since. The new windows are begun so
that each ratio told after the upgrade equals the ratio before; where none could be told (a base of zero or
less), the window begins anew.
"""

from datetime import datetime
from decimal import Decimal

from msgspec import Struct

from sidecar.core.account.account_window import AccountWindow
from sidecar.core.account.datings import LEFT_OF_A_UNIT
from sidecar.core.account.loss_windows import LossWindows, Span
from sidecar.core.account.periods import ScopedWindow
from sidecar.core.account.position_tracker import PositionTracker
from sidecar.core.vocabulary.money import ONE, ZERO


class OldWindow(Struct, frozen=True):
    """A starting line of old. Money in USD; `transfers` is the running total when it was drawn."""

    started_at: datetime
    net_pnl: Decimal
    equity: Decimal
    transfers: Decimal


class OldWindows(Struct):
    """All windows of an account, as they were saved."""

    day: OldWindow
    next_reset: datetime
    cumulative: OldWindow
    drawdown: OldWindow
    peak: Decimal
    settled_at_cumulative: Decimal = ZERO
    day_by_key: dict[str, Decimal] = {}
    day_by_strategy: dict[str, Decimal] = {}


def taken_over(old: OldWindows, tracker: PositionTracker, transfers: Decimal) -> LossWindows:
    """The windows of now, at the figures of a tracker that is restored but for them."""
    net, equity = tracker.account.net_pnl, tracker.booked_equity
    lacks_equity = equity < tracker.min_equity
    equity = max(equity, tracker.min_equity) if lacks_equity else equity

    def window(was: OldWindow, since: Decimal, settled: Decimal) -> AccountWindow:
        base, lost = was.equity + transfers - was.transfers, since - net
        left = ONE if base <= ZERO else max(ONE - lost / base, LEFT_OF_A_UNIT)
        return AccountWindow(was.started_at, was.net_pnl, equity / left, settled)

    base = old.day.equity + transfers - old.day.transfers

    def scoped(was: Decimal, now: Decimal, settled: Decimal) -> ScopedWindow:
        carried = (was - now) / base if base > ZERO else ZERO
        return ScopedWindow(net_pnl=was, settled=settled, carried=carried, span_pnl=now)

    account, strategies = tracker.account, tracker.strategies
    by_key = {key: old.day_by_key.get(key, ZERO) for key in (*old.day_by_key, *account.lines)}
    return LossWindows(
        span=Span(equity, net, lacks_equity=lacks_equity),
        day=window(old.day, old.day.net_pnl, account.pnl.settled),
        next_reset=old.next_reset,
        cumulative=window(old.cumulative, old.cumulative.net_pnl, old.settled_at_cumulative),
        drawdown=window(old.drawdown, old.peak, account.pnl.settled),
        peak=old.peak,
        scoped_base=equity,
        by_key={
            key: scoped(was, account.net_pnl_of(key), account.settled_of(key))
            for key, was in by_key.items()
        },
        by_strategy={
            name: scoped(was, strategies[name].net_pnl, strategies[name].pnl.settled)
            for name, was in old.day_by_strategy.items()
            if name in strategies
        },
    )
