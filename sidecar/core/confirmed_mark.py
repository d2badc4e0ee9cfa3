"""ConfirmedMark: a mark that a passing tick cannot move. No I/O.

Theory of operation. A new price is believed once it has stood for `confirm_for`, over `quotes` quotes of
different times. Prices seldom stand still, so what must stand is a bound: while the mark stays above the
confirmed one for so long, the lowest that it was in that time is confirmed; while it stays below, the
highest. A tick up or down that is taken back leaves nothing behind.

What reads it: baselines of loss windows, the highest equity of the drawdown, the price of a transfer.
"""

from datetime import datetime, timedelta
from decimal import Decimal

from msgspec import Struct


class Run(Struct):
    """The mark has been on one side of the confirmed one since `since`, in `quotes` quotes. `bound` is
    the nearest to it that it came.
    """

    bound: Decimal
    since: datetime
    last_at: datetime
    quotes: int = 1


class ConfirmedMark(Struct):
    """USD per unit; until one has been confirmed, the first mark seen. `last` and `previous`: the last two
    marks seen.
    """

    value: Decimal
    last: Decimal
    previous: Decimal
    run: Run | None = None

    def see(self, mark: Decimal, at: datetime, confirm_for: timedelta, quotes: int) -> None:
        """Take in a mark of a quote from `at`."""
        run = self.run
        self.previous, self.last = self.last, mark
        if mark == self.value:
            if run is not None:
                self.run = None
            return
        above = mark > self.value
        if run is None or (run.bound > self.value) != above or at < run.since:
            self.run = Run(mark, at, at)
            return
        run.bound = min(run.bound, mark) if above else max(run.bound, mark)
        if at != run.last_at:
            run.last_at, run.quotes = at, run.quotes + 1
        if run.quotes >= quotes and at - run.since >= confirm_for:
            self.value = run.bound
            self.run = Run(mark, at, at) if mark != run.bound else None
