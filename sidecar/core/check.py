"""Check: one order under judgement, with every figure that the rules share, computed once. No I/O.

`After` holds a book's figures with the order in it. Rules read; they compute little and change
nothing.
"""

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Final

from msgspec import Struct, field

from sidecar.core.activity import Activity
from sidecar.core.custom_rule import CustomRule
from sidecar.core.events import Quote
from sidecar.core.exposure import Book
from sidecar.core.feeds import Feeds
from sidecar.core.limits import Limits
from sidecar.core.money import ZERO
from sidecar.core.orders import BUY, Order
from sidecar.core.portfolio_risk import Measure, PortfolioRisk, RiskFigure
from sidecar.core.position_tracker import PositionTracker
from sidecar.core.products import Product
from sidecar.core.state import TradingState
from sidecar.core.valuation import Worth, legs_of, worth_of
from sidecar.core.working import Leg, WorkingOrder

UNLIMITED: Final = Decimal(10) ** 19  # larger than any order that can be written (money.py)


class Desk(Struct, kw_only=True):
    """What every check is made against. `orders_known`: balances and open orders have been read."""

    tracker: PositionTracker
    limits: Limits
    state: TradingState
    feeds: Feeds
    portfolio_risk: PortfolioRisk | None = None
    custom: tuple[CustomRule, ...] = ()
    activity: Activity = field(default_factory=Activity)
    orders_known: bool = False


class After:
    """A book's figures with the order in it, at worst. USD but for `size`, which is in base
    units.
    """

    __slots__ = (
        "gross",
        "long",
        "net_long",
        "net_short",
        "notional",
        "orders",
        "orders_on_key",
        "short",
        "size",
    )

    def __init__(self, check: "Check", book: Book) -> None:
        key = check.key
        line = book.lines.get(key)
        if line is None:
            quantity = open_buy = open_sell = notional = long_usd = short_usd = ZERO
            self.orders_on_key = 0
        else:
            quantity, open_buy, open_sell = line.position.quantity, line.open_buy, line.open_sell
            notional, long_usd, short_usd = line.notional, line.long_usd, line.short_usd
            self.orders_on_key = line.orders
        if check.is_buy:
            open_buy += check.added
        else:
            open_sell += check.added
        long, short = quantity + open_buy, quantity - open_sell
        if short < ZERO and not check.product.is_future:
            short = ZERO
        self.long, self.short = long, short
        long_size, short_size = abs(long), abs(short)
        self.size = max(short_size, long_size)
        mark = check.mark
        if mark is None:
            mark = ZERO
        self.notional = self.size * mark
        self.gross = book.gross - notional + self.notional
        self.net_long = book.long_usd - long_usd + long * mark
        self.net_short = book.short_usd - short_usd + short * mark
        self.orders = book.orders
        if check.replaced is None:
            self.orders += 1
            self.orders_on_key += 1
        for leg in check.legs[1:]:
            self._second_leg(leg, book)

    def _second_leg(self, leg: Leg, book: Book) -> None:
        """The quote coin of a coin-quoted product (ETH-BTC): bought coins add to that key's worst
        case.
        """
        line = book.lines.get(leg.key)
        if line is None or leg.side != BUY:
            return  # selling a coin at worst does not happen: its exposure stays
        mark = line.mark or ZERO
        long_usd = line.long_usd + leg.quantity * mark
        self.net_long += leg.quantity * mark
        self.gross += max(abs(long_usd), abs(line.short_usd)) - line.notional

    @property
    def net(self) -> Decimal:
        return max(abs(self.net_long), abs(self.net_short))


class Check:
    """One order under judgement.

    `open_size` (order units) and `quantity` (base units) are what would be open if it were sent;
    `added` is how much of that is new (less than `quantity` for an edit of `replaced`). `reducible`
    (order units) is the largest size that would still be reducing.
    """

    __slots__ = (
        "_figures",
        "_own",
        "account",
        "added",
        "desk",
        "is_buy",
        "key",
        "legs",
        "limits",
        "mark",
        "now",
        "open_size",
        "order",
        "product",
        "quantity",
        "quote",
        "reducible",
        "reducing",
        "replaced",
        "strategy_id",
        "tracker",
        "worth",
    )

    def __init__(  # noqa: PLR0913, PLR0917 - what an order is judged by is just these
        self,
        desk: Desk,
        order: Order,
        product: Product,
        now: datetime,
        strategy_id: str | None,
        replaced: WorkingOrder | None = None,
    ) -> None:
        tracker = desk.tracker
        self.desk, self.tracker, self.limits = desk, tracker, desk.limits
        self.order, self.product, self.now, self.strategy_id, self.replaced = (
            order,
            product,
            now,
            strategy_id,
            replaced,
        )
        self.key = key = product.key
        self.is_buy = order.side == BUY
        self.quote: Quote | None = tracker.marks.quotes.get(product.book)
        self.mark = tracker.marks.usd(key)
        self.worth: Worth = worth_of(
            order,
            product,
            tracker.marks,
            desk.limits.market_order_slippage,
            tracker.orders.taker_rate,
        )
        size = self.worth.base_size or ZERO
        self.open_size = size if replaced is None else size - replaced.filled
        self.legs = legs_of(
            product, order.side, self.open_size, self.worth.price, tracker.books.cash
        )
        self.quantity = self.added = self.legs[0].quantity
        if replaced is not None:
            self.added -= replaced.remaining * product.contract_size
        self.reducible = self._reducible()
        self.reducing = ZERO < self.open_size <= self.reducible or self._only_shrinks()
        self.account = After(self, tracker.account)
        self._own: After | None = None
        self._figures: Mapping[Measure, RiskFigure] | None = None

    @property
    def own(self) -> After:
        """The figures of the order's strategy alone."""
        if self._own is None:
            book = self.tracker.strategies.get(self.strategy_id or "")
            self._own = After(self, book if book is not None else Book())
        return self._own

    @property
    def notional(self) -> Decimal | None:
        return self.worth.notional

    @property
    def figures(self) -> Mapping[Measure, RiskFigure] | None:
        """The portfolio's risk with and without the order, computed once; None when it cannot
        be.
        """
        if self._figures is None and self.desk.portfolio_risk is not None:
            self._figures = self.desk.portfolio_risk.figures(self.tracker, self.legs)
        return self._figures

    def resized(self, base_size: Decimal) -> "Check":
        """The same order at another size."""
        order = self.order
        fields = {name: getattr(order, name) for name in order.__struct_fields__}
        fields.update(base_size=base_size, quote_size=None, sizes=())
        return Check(
            self.desk, Order(**fields), self.product, self.now, self.strategy_id, self.replaced
        )

    def _reducible(self) -> Decimal:
        """Order units that oppose the position and that nothing open offers already; none for
        coin-quoted products, which raise one position by what they lower another.
        """
        if len(self.legs) > 1:
            return ZERO
        line = self.tracker.account.lines.get(self.key)
        if line is None:
            return ZERO
        units = line.reducible_by_buy if self.is_buy else line.reducible_by_sell
        if not units:
            return ZERO
        if self.replaced is not None and self.replaced.side == self.order.side:
            units += self.replaced.remaining * self.product.contract_size
        return units / self.product.contract_size

    def _only_shrinks(self) -> bool:
        """An edit that leaves less open at no worse a price can only lower the risk."""
        old = self.replaced
        if (
            old is None
            or self.added > ZERO
            or old.limit_price is None
            or self.order.limit_price is None
        ):
            return False
        return (
            self.order.limit_price <= old.limit_price
            if self.is_buy
            else self.order.limit_price >= old.limit_price
        )
