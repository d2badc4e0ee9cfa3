"""Working orders: merged from every source, each fill counted once. No I/O.

Theory of operation. Three sources speak of one order's fills: the user channel (cumulative, no
trade ids, a rounded average), REST listings (the same figures later) and REST fills (exact, one id
each). For every order a `Tally` is kept of the cumulative sources' report, of the distinct fills
listed, and of the fills that the books have `counted`. The tally owed to the books is the larger of
the first two (the listed fills when equal: they are exact), plus corrections, less the counted one.
So a source may repeat, lag or overlap another and no fill is counted twice.
"""

from datetime import datetime, timedelta
from decimal import Decimal
from typing import Final, Literal

from msgspec import Struct

from sidecar.core.account.terms import Terms
from sidecar.core.vocabulary.events import FillReported, OrderReported
from sidecar.core.vocabulary.money import ONE, ZERO
from sidecar.core.vocabulary.order_body import Side
from sidecar.core.vocabulary.order_status import VANISHED, is_terminal, later_status
from sidecar.core.vocabulary.orders import BUY
from sidecar.core.vocabulary.products import Product

# A listing may tell an order as it was before an edit that a frame told since. It is no older than a
# reading of the account takes; beyond that, the clock was set back.
OVERTAKEN_WITHIN: Final = timedelta(minutes=1)
# A size worked out from a value that was rounded is off by less, and no fill of an order is as small a part.
NEAR: Final = Decimal("1e-9")


class Tally(Struct):
    """Cumulative quantity (order units), value (quote currency) and fees (by the currency
    charged).
    """

    quantity: Decimal = ZERO
    value: Decimal = ZERO
    fees: dict[str, Decimal] = {}

    def plus(self, other: "Tally", sign: Decimal = ONE) -> "Tally":
        fees = dict(self.fees)
        for currency, fee in other.fees.items():
            fees[currency] = fees.get(currency, ZERO) + sign * fee
        return Tally(self.quantity + sign * other.quantity, self.value + sign * other.value, fees)

    def moves(self, currency: str, side: Side, product: Product) -> Decimal:
        """By how much it moves a wallet: by what was bought or sold, what that cost, and the fees."""
        size = product.contract_size if side == BUY else -product.contract_size
        moved = -self.fees.get(currency, ZERO)
        moved += size * self.quantity if currency == product.key else ZERO
        return moved - size * self.value if currency == product.quote else moved


class Leg(Struct, frozen=True):
    """An order's possible change of one exposure key: base units on one side."""

    key: str
    side: Side
    quantity: Decimal


class WorkingOrder(Struct, kw_only=True, omit_defaults=True):
    """An order known to the exchange. Sizes in order units, prices in quote currency.

    `terms` are those it was approved under, and those it was told of as unapproved. `standing`:
    `new` until a report has been judged, `excused` when the order needed no approval.
    """

    order_id: str
    product_id: str
    side: Side
    client_order_id: str = ""
    strategy_id: str | None = None
    status: str = "PENDING"
    size: Decimal = ZERO
    limit_price: Decimal | None = None
    stop_price: Decimal | None = None
    rests: bool | None = None  # None until a report says
    triggered: bool = False  # a stop that has been told to be
    is_stop: bool = False  # a stop-limit order, whether its stop has been told or not
    attached: bool = False  # an order follows when this one fills: `child_id`, once known
    child_id: str = ""
    is_own: bool = False  # a flattening sent this very order; the id alone is no proof
    terms: tuple[Terms, ...] = ()
    standing: Literal["new", "excused", "judged"] = "new"
    created_at: datetime | None = None
    updated_at: datetime | None = None
    traded_at: datetime | None = None  # of the latest fill listed
    reported: Tally
    listed: Tally
    adjusted: Tally
    counted: Tally
    commissions: dict[str, Decimal]  # of each fill listed, by its entry_id
    is_named: bool = False  # by its row of REST: a frame may name a product whose book it shares
    by_value: bool = (
        False  # fills were listed by value: the sizes are near, and their sum is reported
    )
    bot: str = ""  # who asked for it, as the share of limits counts (context/one_bot.py)
    bound_to: str | None = None  # the strategy whose books hold `legs` beside the account's
    legs: tuple[Leg, ...] = ()
    hold_currency: str = ""
    hold: Decimal = ZERO

    @classmethod
    def begin(cls, order_id: str, product_id: str, side: Side) -> "WorkingOrder":
        return cls(
            order_id=order_id,
            product_id=product_id,
            side=side,
            reported=Tally(),
            listed=Tally(),
            adjusted=Tally(),
            counted=Tally(),
            commissions={},
        )

    @property
    def is_open(self) -> bool:
        return not is_terminal(self.status)

    @property
    def filled(self) -> Decimal:
        """The quantity known to be filled, order units."""
        return self._filled + self.adjusted.quantity

    @property
    def _filled(self) -> Decimal:
        """The larger of the reported and the listed quantity; of fills listed by value the reported
        one, where that is near.
        """
        told, listed = self.reported.quantity, self.listed.quantity
        if self.by_value and abs(listed - told) <= told * NEAR:
            return told
        return max(told, listed)

    @property
    def remaining(self) -> Decimal:
        """The quantity that may still fill, order units."""
        return max(ZERO, self.size - self.filled) if self.is_open else ZERO

    @property
    def has_left_traces(self) -> bool:
        """Whether news may come of it though it ended: of its fills, or of orders that follow; our
        own orders are asked for.
        """
        filled = self.filled or self.commissions or any(self.reported.fees.values())
        expected = self.attached or self.child_id or self.is_own or self.status == VANISHED
        return bool(filled or expected)

    @property
    def waits(self) -> bool:
        """Whether it lies in no book yet: a stop without a sign that it is triggered."""
        is_stop = self.is_stop or self.stop_price is not None
        return is_stop and not (self.triggered or self.filled)

    def merge(self, report: OrderReported, currency: str) -> None:
        """Take in a report: states only move forward, filled quantity never falls, a late frame
        changes no figure, and one overtaken by another tells fills and the end only. `currency` is
        the product's quote, in which reports state fees.
        """
        is_overtaken = self._is_overtaken(report)
        known = self.reported
        if report.filled >= known.quantity:
            value = report.filled * report.average_price
            if not value:  # a sparse frame: the new units cost no more than the limit
                price = report.limit_price or self.limit_price or ZERO
                value = known.value + (report.filled - known.quantity) * price
            fees = max(known.fees.get(currency, ZERO), report.fees, key=abs)  # rebates are below 0
            self.reported = Tally(report.filled, value, {currency: fees})
            if not is_overtaken:
                self._take_terms(report)
        self.size = max(self.size, self.reported.quantity)
        assert self.reported.quantity >= known.quantity, "a filled quantity fell"
        if not is_overtaken or is_terminal(report.status):
            self.status = later_status(self.status, report.status)
        self.client_order_id = self.client_order_id or report.client_order_id
        self.strategy_id = self.strategy_id or report.strategy_id
        self.created_at = self.created_at or report.created_at
        self.attached = self.attached or report.attached
        self.triggered = self.triggered or report.triggered
        self.is_stop = self.is_stop or report.is_stop
        self.child_id = report.child_id or self.child_id
        self._note_time(report.at)

    def _is_overtaken(self, report: OrderReported) -> bool:
        """Whether a later report was taken in already: an edit that it showed stays. Where no rest
        of an open order is known, older terms are better than none.
        """
        if self.rests is None or (self.is_open and not self.remaining):
            return False
        return self._is_before_the_last(report.at)

    def _is_before_the_last(self, at: datetime) -> bool:
        known = self.updated_at
        return known is not None and timedelta() < known - at <= OVERTAKEN_WITHIN

    def _note_time(self, at: datetime) -> None:
        if not self._is_before_the_last(at):
            self.updated_at = at

    def _take_terms(self, report: OrderReported) -> None:
        """Size and prices as the report has them, where it does."""
        if report.base_size is not None:
            self.size = report.base_size
        elif report.leaves is not None and not is_terminal(report.status):
            self.size = report.filled + report.leaves
        self.limit_price = report.limit_price or self.limit_price
        self.stop_price = report.stop_price or self.stop_price
        self.rests = report.rests and self.rests is not False

    def list_fill(self, fill: FillReported, currency: str) -> None:
        """Take in one REST fill, or its fee where that has grown since the fill was seen. A
        reversal undoes, a correction replaces. `currency` is the product's quote, in which a fee is
        charged unless the fill names another.
        """
        sign = -ONE if fill.trade_type == "REVERSAL" else ONE
        known = self.commissions.get(fill.entry_id)
        # Replaced, as every part is, never changed: a copy of the order stays as it was.
        self.commissions = {**self.commissions, fill.entry_id: fill.commission}
        fees = {fill.commission_currency or currency: sign * (fill.commission - (known or ZERO))}
        size = fill.size if known is None else ZERO
        tally = Tally(sign * size, sign * size * fill.price, fees)
        if fill.trade_type in ("REVERSAL", "CORRECTION"):
            self.adjusted = self.adjusted.plus(tally)
        else:
            self.listed = self.listed.plus(tally)
        self.by_value = self.by_value or fill.by_value
        self.size = max(self.size, self.filled)
        self.strategy_id = self.strategy_id or fill.strategy_id
        self.client_order_id = self.client_order_id or fill.client_order_id
        self._note_time(fill.at)
        if fill.traded_at is not None:
            self.traded_at = max(fill.traded_at, self.traded_at or fill.traded_at)

    def is_news(self, fill: FillReported) -> bool:
        """Whether a fill was not listed before, or its fee is told only now: a row that lags behind
        takes no fee back.
        """
        known = self.commissions.get(fill.entry_id)
        return known is None or abs(fill.commission) > abs(known)

    def owed(self) -> Tally:
        """The tally that the books have not counted yet. Marks it as counted."""
        total = self.reported
        missing = self.reported.quantity - self.listed.quantity
        if missing <= (self.reported.quantity * NEAR if self.by_value else ZERO):
            # Exact, but for fees not told yet.
            fees = self.listed.fees if any(self.listed.fees.values()) else self.reported.fees
            total = Tally(self._filled, self.listed.value, fees)
        total = total.plus(self.adjusted)
        owed = total.plus(self.counted, -ONE)
        self.counted = total
        assert total.quantity == self.filled, "another quantity was counted than has filled"
        return owed
