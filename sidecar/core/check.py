"""Check: one order under judgement, with every figure that the rules share, computed once. No I/O.

`After` holds a book's figures with the order in it. Rules read; they compute little and change
nothing.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Final

from msgspec import Struct, field

from sidecar.core.activity import Activity
from sidecar.core.custom_rule import CustomRule
from sidecar.core.events import Quote
from sidecar.core.exposure import Book
from sidecar.core.feeds import Feeds
from sidecar.core.limits import Limits
from sidecar.core.money import ZERO, plain
from sidecar.core.orders import BUY, Order
from sidecar.core.portfolio_risk import Measure, PortfolioRisk, RiskFigure
from sidecar.core.position_tracker import PositionTracker
from sidecar.core.products import Product
from sidecar.core.state import Cause, TradingState
from sidecar.core.valuation import legs_of, worth_of
from sidecar.core.working import Leg, WorkingOrder

UNLIMITED: Final = Decimal(10) ** 19  # larger than any order that can be written (money.py)


class Desk(Struct, kw_only=True):
    """What every check is made against. `orders_known`: balances and open orders have been read.

    `loss_measures` remembers losses in their limits' measure until the books change.
    """

    tracker: PositionTracker
    limits: Limits
    state: TradingState
    feeds: Feeds
    portfolio_risk: PortfolioRisk | None = None
    custom: tuple[CustomRule, ...] = ()
    activity: Activity = field(default_factory=Activity)
    orders_known: bool = False
    loss_measures: dict[tuple[str, str], Decimal] = {}
    max_quote_age: timedelta = timedelta()

    def __post_init__(self) -> None:
        self.use(self.limits)

    def use(self, limits: Limits) -> None:
        """Judge by these limits from now on."""
        self.limits = limits
        self.max_quote_age = timedelta(seconds=float(limits.max_quote_age_s))
        self.tracker.marks.max_spread = limits.max_spread


class After:
    """A book's figures with the order in it, at worst. USD but for sizes, which are in base units.

    `held` is the worst case on the order's own side without it, `other` the size of the other side:
    while `other` keeps a limit, the order may take its own side from `held` up to that limit.
    """

    __slots__ = (
        "gross", "held", "net_long", "net_short", "notional", "orders", "orders_on_key", "other", "others_gross", "size",
    )  # fmt: skip

    def __init__(self, check: "Check", book: Book) -> None:
        line = book.lines.get(check.key)
        if line is None:
            quantity = open_buy = open_sell = notional = long_usd = short_usd = ZERO
            on_key = 0
        else:
            quantity, open_buy, open_sell = line.position.quantity, line.open_buy, line.open_sell
            notional, long_usd, short_usd = line.notional, line.long_usd, line.short_usd
            on_key = line.orders
        if check.replaced is not None:
            old = check.replaced.remaining * check.product.contract_size
            open_buy, open_sell = (
                (open_buy - old, open_sell) if check.is_buy else (open_buy, open_sell - old)
            )
        added = 0 if check.replaced is not None else 1
        self.orders, self.orders_on_key = book.orders + added, on_key + added
        long, short = quantity + open_buy, quantity - open_sell
        if check.is_buy:
            self.held = long
            long += check.quantity
        else:
            self.held = -short
            short -= check.quantity
        if short < ZERO and not check.product.is_future:
            short = ZERO  # spot cannot be sold short
        long_size, short_size = abs(long), abs(short)
        self.other = short_size if check.is_buy else long_size
        self.size = max(short_size, long_size)
        mark = check.mark if check.mark is not None else ZERO
        self.notional = self.size * mark
        self.others_gross = book.gross - notional
        self.gross = self.others_gross + self.notional
        self.net_long = book.long_usd - long_usd + long * mark
        self.net_short = book.short_usd - short_usd + short * mark
        for leg in check.legs[1:]:
            self._second_leg(check, leg, book)

    def _second_leg(self, check: "Check", leg: Leg, book: Book) -> None:
        """The quote coin of a coin-quoted product (ETH-BTC): bought coins add to that key's worst
        case.
        """
        line = book.lines.get(leg.key)
        if leg.side != BUY:
            return  # at worst the coin is not sold: its exposure stays
        mark = check.tracker.marks.usd(leg.key) or ZERO
        long, short_usd, before = leg.quantity, ZERO, ZERO
        if line is not None:
            long, short_usd, before = line.long + leg.quantity, line.short_usd, line.notional
        self.net_long += leg.quantity * mark
        grown = max(abs(long * mark), abs(short_usd)) - before
        self.gross += grown
        self.others_gross += grown

    @property
    def net(self) -> Decimal:
        long, short = abs(self.net_long), abs(self.net_short)
        return max(short, long)


class Check:
    """One order under judgement.

    `open_size` (order units) and `quantity` (base units) are what would be open if it were sent, in
    place of `replaced` for an edit. `reducible` (order units) is the largest size that would still
    be reducing.
    """

    __slots__ = (
        "_figures",
        "_fingerprint", "_own", "account", "causes", "desk", "equity", "is_buy", "key", "legs", "limits", "mark", "now",
        "open_size", "order", "product", "quantity", "quote", "reducible", "reducing", "replaced", "strategy_id",
        "tracker", "worth",
    )  # fmt: skip

    def __init__(  # noqa: PLR0913, PLR0917 - what an order is judged by is just these
        self,
        desk: Desk,
        order: Order,
        product: Product,
        now: datetime,
        strategy_id: str | None,
        replaced: WorkingOrder | None = None,
    ) -> None:
        tracker = self.tracker = desk.tracker
        self.desk = desk
        self.limits = limits = desk.limits
        self.order = order
        self.product = product
        self.now = now
        self.strategy_id = strategy_id
        self.replaced = replaced
        self.key = key = product.key
        self.is_buy = order.side == BUY
        marks = tracker.marks
        self.quote: Quote | None = marks.quotes.get(product.book)
        self.mark = marks.usd(key)
        self.equity = tracker.equity
        self.causes: tuple[Cause, ...] = (
            tuple(desk.state.binding(key, strategy_id)) if desk.state.causes else ()
        )
        self.worth = worth = worth_of(
            order, product, marks, limits.market_order_slippage, tracker.orders.taker_rate
        )
        size = ZERO if worth.base_size is None else worth.base_size
        self.open_size = size if replaced is None else size - replaced.filled
        self.legs = legs_of(product, order.side, self.open_size, worth.price, tracker.books.cash)
        self.quantity = self.legs[0].quantity
        self.reducible = self._reducible()
        self.reducing = ZERO < self.open_size <= self.reducible or self._only_shrinks()
        self.account = After(self, tracker.account)
        self._own: After | None = None
        self._figures: Mapping[Measure, RiskFigure] | None = None
        self._fingerprint = ""

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
    def fingerprint(self) -> str:
        """What makes two orders identical: everything but their id."""
        if not self._fingerprint:
            order = self.order
            parts = (order.base_size, order.quote_size, order.limit_price, order.stop_price)
            numbers = "|".join(["" if part is None else plain(part) for part in parts])
            self._fingerprint = f"{order.product_id}|{order.side}|{order.kind}|{numbers}"
        return self._fingerprint

    @property
    def figures(self) -> Mapping[Measure, RiskFigure] | None:
        """The portfolio's risk with and without the order, computed once; None when it cannot
        be.
        """
        if self._figures is None and self.desk.portfolio_risk is not None:
            self._figures = self.desk.portfolio_risk.figures(self.tracker, self.legs)
        return self._figures

    def order_units(self, quantity: Decimal) -> Decimal:
        """Base units still open as the size an order would state, what is filled of an edited one
        included.
        """
        if quantity <= ZERO:
            return ZERO
        if self.product.is_future:
            quantity /= self.product.contract_size
        return quantity if self.replaced is None else quantity + self.replaced.filled

    def resized(self, base_size: Decimal) -> "Check":
        """The same order at another size."""
        order = self.order
        fields = {name: getattr(order, name) for name in order.__struct_fields__}
        fields.update(base_size=base_size, quote_size=None, sizes=())
        return Check(
            self.desk, Order(**fields), self.product, self.now, self.strategy_id, self.replaced
        )

    def _reducible(self) -> Decimal:
        """Order units that oppose the position and that nothing open offers already.

        None for coin-quoted products, which raise one position by what they lower another.
        """
        line = self.tracker.account.lines.get(self.key)
        if line is None or len(self.legs) > 1:
            return ZERO
        held = line.position.quantity
        units = -held - line.open_buy if self.is_buy else held - line.open_sell
        if self.replaced is not None:
            units += self.replaced.remaining * self.product.contract_size
        if units <= ZERO or (held > ZERO) == self.is_buy:
            return ZERO
        return units / self.product.contract_size if self.product.is_future else units

    def _only_shrinks(self) -> bool:
        """An edit that leaves less open at no worse a price can only lower the risk."""
        old = self.replaced
        if old is None or self.open_size > old.remaining:
            return False
        if old.limit_price is None or self.order.limit_price is None:
            return False
        if self.is_buy:
            return self.order.limit_price <= old.limit_price
        return self.order.limit_price >= old.limit_price
