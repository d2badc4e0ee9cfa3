"""ConfirmedMark: a mark that a passing tick cannot move. No I/O.

Theory of operation. A new price is believed once it has stood for `confirm_for`, over `quotes` quotes of
different times. Prices seldom stand still, so a bound must stand: while the mark stays above the
confirmed mark for so long, its lowest in that time is confirmed; while it stays below, the
highest. A tick up or down that is taken back leaves no trace.

Its readers: baselines of loss windows, the highest equity of the drawdown, the price of a transfer.
"""

from datetime import datetime, timedelta
from decimal import Decimal
from typing import Final

from msgspec import Struct

from sidecar.core.vocabulary.money import ZERO

# As long as two confirmations: the first quotes after a fill may be from before it.
BARGAIN_TAKES: Final = 2
BARGAINS_MAX: Final = 32  # further ones are counted with the last


class Run(Struct):
    """The mark has been on the same side of the confirmed mark since `since`, in `quotes` quotes. `bound` is
    the nearest to it that it came.
    """

    bound: Decimal
    since: datetime
    last_at: datetime
    quotes: int = 1


class Bargain(Struct):
    """Units that were added at a better price than the confirmed mark, signed: a gain that is not confirmed until
    `quotes` of different times have come since `since`, the first of them.
    """

    quantity: Decimal
    price: Decimal
    since: datetime | None = None
    last_at: datetime | None = None
    quotes: int = 0


class ConfirmedMark(Struct):
    """USD per unit; until a mark has been confirmed, the first mark seen. `last` and `previous`:
    the last two marks seen. `is_settled`: it is more than a first sight: it has been confirmed, or
    prices have been on both sides of it, or it stood still for as long. `bargains`: units of which
    this mark shows a gain that is not confirmed.
    """

    value: Decimal
    last: Decimal
    previous: Decimal
    run: Run | None = None
    is_settled: bool = False
    still: Run | None = None
    bargains: list[Bargain] = []

    def add(self, quantity: Decimal, price: Decimal) -> None:
        """So many units were added to a position at a price: the quote that shows that price may come later."""
        if quantity * (self.value - price) <= ZERO:
            return
        last = self.bargains[-1] if self.bargains else None
        if last is None or last.quantity * quantity < ZERO:  # of a position that is none any more
            self.bargains = [Bargain(quantity, price)]
        elif last.quotes and len(self.bargains) < BARGAINS_MAX:
            self.bargains = [*self.bargains, Bargain(quantity, price)]
        else:
            whole = last.quantity + quantity
            assert whole * quantity > ZERO, "units bought and units sold are one bargain"
            last.price = (last.quantity * last.price + quantity * price) / whole
            last.quantity = whole

    def unconfirmed_gain(self, held: Decimal) -> Decimal:
        """USD that the units added of late have gained by this mark, of those still held."""
        gain, left = ZERO, abs(held)
        for bargain in reversed(self.bargains):
            if held * bargain.quantity <= ZERO:
                return ZERO
            units = min(left, abs(bargain.quantity))
            better = self.value - bargain.price if held > ZERO else bargain.price - self.value
            gain, left = gain + units * max(ZERO, better), left - units
        assert gain >= ZERO <= left, "more units are a bargain than are held"
        return gain

    def see(self, mark: Decimal, at: datetime, confirm_for: timedelta, quotes: int) -> None:
        """Take in a mark of a quote from `at`."""
        self._see(mark, at, confirm_for, quotes)
        if self.bargains:
            for bargain in self.bargains:
                _count(bargain, at)
            least, lasts = BARGAIN_TAKES * quotes, BARGAIN_TAKES * confirm_for
            self.bargains = [
                one
                for one in self.bargains
                if one.since is None or one.quotes < least or at - one.since < lasts
            ]

    def _see(self, mark: Decimal, at: datetime, confirm_for: timedelta, quotes: int) -> None:
        run = self.run
        self.previous, self.last = self.last, mark
        if mark == self.value:
            self.run = None
            self._stand_still(mark, at, confirm_for, quotes)
            return
        above, self.still = mark > self.value, None
        turned = run is not None and (run.bound > self.value) != above
        if run is None or turned or at < run.since:
            self.is_settled = self.is_settled or turned
            self.run = Run(mark, at, at)
            return
        run.bound = min(run.bound, mark) if above else max(run.bound, mark)
        if at != run.last_at:
            run.last_at, run.quotes = at, run.quotes + 1
        if run.quotes >= quotes and at - run.since >= confirm_for:
            self.value, self.is_settled = run.bound, True
            self.run = Run(mark, at, at) if mark != run.bound else None

    def _stand_still(
        self, mark: Decimal, at: datetime, confirm_for: timedelta, quotes: int
    ) -> None:
        if self.is_settled:
            return
        still = self.still
        if still is None or at < still.since:
            self.still = Run(mark, at, at)
        elif at != still.last_at:
            still.last_at, still.quotes = at, still.quotes + 1
            self.is_settled = still.quotes >= quotes and at - still.since >= confirm_for


def _count(bargain: Bargain, at: datetime) -> None:
    if bargain.since is None or at < bargain.since:
        bargain.since, bargain.last_at, bargain.quotes = at, at, 1
    elif at != bargain.last_at:
        bargain.last_at, bargain.quotes = at, bargain.quotes + 1
