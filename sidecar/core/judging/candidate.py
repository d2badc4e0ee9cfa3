"""Check: one order under judgement, with every figure that the rules share, computed once. No I/O.

`PostTradeExposure` holds a book's figures with the order in it. Rules read; they compute little and change
nothing.
"""

from datetime import datetime
from decimal import Decimal
from typing import Final, Protocol

from msgspec.structs import asdict

from sidecar.core.account.exposure import Portfolio
from sidecar.core.account.position_tracker import PositionTracker
from sidecar.core.account.valuation import legs_of, listed_price, money_of, worth_of
from sidecar.core.account.working import Leg, WorkingOrder
from sidecar.core.context.risk_context import RiskContext
from sidecar.core.context.state import Cause
from sidecar.core.value_at_risk.portfolio_risk import (
    Added,
    Measure,
    NoFigure,
    RiskFigure,
)
from sidecar.core.vocabulary.events import Asker, Quote
from sidecar.core.vocabulary.money import ZERO
from sidecar.core.vocabulary.order_body import Side
from sidecar.core.vocabulary.orders import BUY, OPPOSITE, Order, fingerprint
from sidecar.core.vocabulary.products import DOLLARS, Product

UNLIMITED: Final = Decimal(10) ** 19  # larger than any order that can be written (money.py)


# An order's need in all and by unit, the funds free for it, the part of the rest that no known order explains.
Funds = tuple[Decimal | None, Decimal | None, Decimal | None, Decimal]


class OnKey(Protocol):
    """An order on one key as the rows of limits read it: a candidate, the coin leg of one, or an order of no size.

    `quantity` (base units) would be open, in place of `replaces`; `is_new`: one more order would work, or none;
    `account` and `strategy` are the figures of the account and of the strategy with it. `frees`: the money bound by the
    order that it replaces, `brings` the worth of coins that the sale of a coin pair brings, both USD; `coin`: its leg.
    """

    @property
    def tracker(self) -> PositionTracker: ...
    @property
    def key(self) -> str: ...
    @property
    def strategy_id(self) -> str | None: ...
    @property
    def is_buy(self) -> bool: ...
    @property
    def is_future(self) -> bool: ...
    @property
    def is_new(self) -> int: ...
    @property
    def mark(self) -> Decimal | None: ...
    @property
    def quantity(self) -> Decimal: ...
    @property
    def replaces(self) -> Decimal: ...
    @property
    def equity(self) -> Decimal: ...
    @property
    def frees(self) -> Decimal: ...
    @property
    def brings(self) -> Decimal: ...
    @property
    def coin(self) -> "OnKey | None": ...
    @property
    def account(self) -> "PostTradeExposure": ...
    @property
    def strategy(self) -> "PostTradeExposure": ...


class PostTradeExposure:
    """A book's figures with one leg of an order in it, at worst. USD but for sizes, which are in
    base units.

    `held` is the worst case on the leg's own side without it, `other` the size of the other side:
    while `other` keeps a limit, the leg may take its own side from `held` up to that limit. `sold_from`: the short side
    without it, `net_short_of_others` that of all other keys, USD; `joined`: by how much the gross grows by the coin
    that a coin pair buys.
    """

    __slots__ = (
        "gross", "held", "joined", "net_long", "net_short", "net_short_of_others", "orders", "orders_on_key",
        "other", "others_gross", "sold_from",
    )  # fmt: skip

    def __init__(self, book: Portfolio, leg: OnKey) -> None:
        line = book.lines.get(leg.key)
        if line is None:
            long = short = notional = long_usd = short_usd = ZERO
            on_key = 0
        else:
            quantity = line.position.quantity
            long, short = quantity + line.open_buy, quantity - line.open_sell
            if line.doubted:
                long, short = max(long, long + line.doubted), min(short, short + line.doubted)
            notional, long_usd, short_usd = line.notional, line.long_usd, line.short_usd
            on_key = line.orders
        quantity, mark, is_buy = leg.quantity, leg.mark or ZERO, leg.is_buy
        self.orders, self.orders_on_key = book.orders + leg.is_new, on_key + leg.is_new
        if leg.replaces:
            long, short = (long - leg.replaces, short) if is_buy else (long, short + leg.replaces)
        self.sold_from = short  # the size that a sale of spot reduces
        if is_buy:
            self.held = long
            long += quantity
        else:
            self.held = -short
            short -= quantity
        if short < ZERO and not leg.is_future:
            short = ZERO  # spot cannot be sold short
        long_size, short_size = abs(long), abs(short)
        self.other = short_size if is_buy else long_size
        self.others_gross = book.gross - notional
        self.gross = self.others_gross + max(short_size, long_size) * mark
        self.net_long = book.long_usd - long_usd + long * mark
        self.net_short_of_others = book.short_usd - short_usd
        self.net_short = self.net_short_of_others + short * mark
        self.joined = ZERO

    def join(self, book: Portfolio, coin: "PostTradeExposure") -> None:
        """Let the quote coin's worst case count beside the base's."""
        grown = self.joined = coin.gross - book.gross
        self.gross += grown
        self.others_gross += grown
        self.net_long += coin.net_long - book.long_usd


class CoinLeg:
    """The coin that a sell of a coin-quoted product buys (ETH-BTC), judged by the limits on that
    coin's position.

    A buy sells the coin, which at worst does not happen, so it has no such leg.
    """

    frees = brings = ZERO  # told of the order as a whole
    coin = None
    __slots__ = (
        "account",
        "equity",
        "is_buy",
        "is_future",
        "is_new",
        "key",
        "mark",
        "quantity",
        "replaces",
        "strategy",
        "strategy_id",
        "tracker",
    )

    def __init__(self, candidate: "Candidate", leg: Leg) -> None:
        tracker, replaced = candidate.tracker, candidate.replaced
        self.tracker, self.strategy_id = tracker, candidate.strategy_id
        self.key, self.quantity, self.mark = leg.key, leg.quantity, tracker.marks.usd(leg.key)
        self.is_buy, self.is_future, self.is_new = True, False, 0
        self.replaces = (
            ZERO if replaced is None or len(replaced.legs) < 2 else replaced.legs[1].quantity
        )
        self.equity = candidate.equity
        self.account = PostTradeExposure(tracker.account, self)
        self.strategy = PostTradeExposure(candidate.strategy_book, self)


class Candidate:
    """One order under judgement.

    `open_size` (order units) and `quantity` (base units) would be open if it were sent, in
    place of the `replaced` order for an edit, of which `replaces` base units are open now.
    `opposed` is the rest of a position on the other side beside all orders that offer it already (base
    units, below zero when more is offered than held; None without one), `reducible` the largest size
    (order units) that would be reducing. `unit_worth` is Coinbase's value of one order unit
    in quote currency, for its bounds on that; None where no quote tells. `is_rejudged` marks an order that was
    approved before and is judged afresh; `asker` who asks, where that is known, and `bot` the bot behind it.
    """

    __slots__ = (
        "_account", "_figures", "_fingerprint", "_strategy", "asker", "bot", "causes", "coin", "desk", "equity",
        "funds", "is_buy", "is_future", "is_new", "is_rejudged", "key", "legs", "limits", "mark", "now",
        "open_size", "opposed", "order", "product", "quantity", "quote", "reducible", "reducing", "replaced",
        "replaces", "strategy_id", "tracker", "unit_worth", "worth",
    )  # fmt: skip

    def __init__(  # noqa: PLR0913, PLR0917 - the facts that an order is judged by, one each
        self,
        desk: RiskContext,
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
        self.is_future = product.is_future
        self.is_new = 1 if replaced is None else 0
        self.is_rejudged = False
        self.asker: Asker | None = None
        self.bot = ""
        marks = tracker.marks
        self.quote: Quote | None = marks.quotes.get(product.book)
        mark = marks.by_key.get(key)
        self.mark = None if mark is None else mark.value
        self.equity = tracker.equity
        self.worth = worth = worth_of(
            order, product, marks, limits.market_order_slippage, tracker.orders.taker_rate
        )
        price = listed_price(order, self.quote)
        if price is not None and self.is_future:
            price *= product.contract_size
        self.unit_worth = price
        size = ZERO if worth.base_size is None else worth.base_size
        self.open_size = size if replaced is None else size - replaced.filled
        self.legs = legs_of(
            product, order.side, self.open_size, worth.valued_at, tracker.books.cash
        )
        self.quantity = self.legs[0].quantity
        self.replaces = ZERO if replaced is None else replaced.remaining * product.contract_size
        self.opposed = self._opposed()
        self.reducible = self._reducible()
        # An exit whose attached order would open a position again is none.
        self.reducing = ZERO < size <= self.reducible and not order.attached
        self.coin: CoinLeg | None = None
        if len(self.legs) > 1 and not self.is_buy:
            self.coin = CoinLeg(self, self.legs[1])
        self.causes: tuple[Cause, ...] = self._binding() if desk.state.causes else ()
        self._account: PostTradeExposure | None = None
        self._strategy: PostTradeExposure | None = None
        self._figures: dict[Measure, RiskFigure | NoFigure] = {}
        self.funds: Funds = (None, None, None, ZERO)
        self._fingerprint = ""

    def _binding(self) -> tuple[Cause, ...]:
        """The causes that bind the order: its key's, and those of a coin that it buys."""
        state = self.desk.state
        found: list[Cause] = []
        for key in (self.key,) if self.coin is None else (self.key, self.coin.key):
            causes = state.binding(key, self.strategy_id)
            found += [cause for cause in causes if cause not in found]
        return tuple(found)

    @property
    def strategy_book(self) -> Portfolio:
        """The books of the order's strategy; empty ones for none."""
        book = self.tracker.strategies.get(self.strategy_id or "")
        return book if book is not None else Portfolio()

    @property
    def account(self) -> PostTradeExposure:
        """The figures of the whole account."""
        if self._account is None:
            book = self.tracker.account
            self._account = PostTradeExposure(book, self)
            if self.coin is not None:
                self._account.join(book, self.coin.account)
        return self._account

    @property
    def strategy(self) -> PostTradeExposure:
        """The figures of the order's strategy alone."""
        if self._strategy is None:
            book = self.strategy_book
            self._strategy = PostTradeExposure(book, self)
            if self.coin is not None:
                self._strategy.join(book, self.coin.strategy)
        return self._strategy

    @property
    def frees(self) -> Decimal:
        """The money bound by the order that is replaced, USD."""
        old = self.replaced
        if old is None:
            return ZERO
        currency, bound = money_of(old.side, old.legs, old.hold_currency, old.hold)
        return bound * (self.tracker.marks.usd(currency) or ZERO)

    @property
    def brings(self) -> Decimal:
        """The worth of the coins that the sale of a coin pair brings, USD."""
        return ZERO if self.coin is None else self.coin.quantity * (self.coin.mark or ZERO)

    @property
    def money(self) -> Decimal | None:
        """The money that a purchase binds, its fee among it, USD; None where no price tells."""
        worth = self.worth
        hold = worth.hold
        if self.replaced is not None and worth.unit_hold is not None:
            hold = worth.unit_hold * self.open_size
        rate = self.tracker.marks.usd(worth.hold_currency)
        return None if hold is None or rate is None else hold * rate

    @property
    def unit_money(self) -> Decimal | None:
        """The same of one order unit."""
        unit, rate = self.worth.unit_hold, self.tracker.marks.usd(self.worth.hold_currency)
        return None if unit is None or rate is None else unit * rate

    @property
    def fingerprint(self) -> str:
        """The terms by which two orders are identical: all but their id."""
        if not self._fingerprint:
            self._fingerprint = fingerprint(self.order)
        return self._fingerprint

    def figure(self, measure: Measure) -> RiskFigure | NoFigure:
        """The portfolio's risk with and without the order, computed once."""
        figure = self._figures.get(measure)
        if figure is None:
            risk = self.desk.portfolio_risk
            figure = (
                NoFigure("nobody computes it; give RiskManager a portfolio_risk")
                if risk is None
                else risk.figure(measure, self.tracker, self._added(), self._warn_usd(measure))
            )
            self._figures[measure] = figure
        return figure

    def _warn_usd(self, measure: Measure) -> Decimal:
        """USD below which a figure neither breaks a limit nor warns; none is below zero."""
        return self.desk.warn_usd.get(measure, ZERO) * self.equity

    def _added(self) -> tuple[Added, ...]:
        """The change that the order makes to each key, and to the currency that it is paid in."""
        if self.replaced is None and self.product.quote in DOLLARS:
            return tuple([Added(leg) for leg in self.legs])
        replaced = () if self.replaced is None else self.replaced.legs
        olds = [leg.quantity for leg in replaced] if len(replaced) == len(self.legs) else []
        olds = olds or [ZERO] * len(self.legs)
        added = [Added(leg, old) for leg, old in zip(self.legs, olds, strict=True)]
        quote, price = self.product.quote, self.worth.valued_at
        if quote in self.tracker.books.cash and quote not in DOLLARS and not self.is_future:
            paid = self.open_size * (price or ZERO)
            added.append(Added(Leg(quote, OPPOSITE[self.order.side], paid)))
        return tuple(added)

    def order_units(self, quantity: Decimal) -> Decimal:
        """Base units still open as the size an order would state, the filled part of an edited one
        included.
        """
        if quantity <= ZERO:
            return ZERO
        if self.is_future:
            quantity /= self.product.contract_size
        return quantity if self.replaced is None else quantity + self.replaced.filled

    def resized(self, base_size: Decimal) -> "Candidate":
        """The same order at another size."""
        fields = asdict(self.order) | {"base_size": base_size, "quote_size": None, "sizes": ()}
        resized = Candidate(
            self.desk, Order(**fields), self.product, self.now, self.strategy_id, self.replaced
        )
        resized.is_rejudged, resized.bot = self.is_rejudged, self.bot
        return resized

    def _opposed(self) -> Decimal | None:
        """None for coin-quoted products, which raise a position by as much as they lower another."""
        line = self.tracker.account.lines.get(self.key)
        if line is None or len(self.legs) > 1:
            return None
        held = line.position.quantity
        if line.doubted:  # Coinbase itself refuses more than there is
            held = max(held, held + line.doubted, key=abs)
        if held > ZERO and not self.is_buy:
            return held - line.open_sell + self.replaces
        # Spot below zero is a sale told before its purchase: buying it back is no exit.
        if held < ZERO and self.is_buy and self.is_future:
            return -held - line.open_buy + self.replaces
        return None

    def _reducible(self) -> Decimal:
        """The largest size that opposes the position beside all orders that offer it already.

        An edit that leaves no more open, at no worse a price, can only lower the risk of any
        position.
        """
        if len(self.legs) > 1:
            return ZERO
        units = ZERO if self.opposed is None else self.order_units(self.opposed)
        if self.replaced is not None and self._price_is_no_worse(self.replaced.limit_price):
            units = max(units, self.replaced.size)
        return units

    def _price_is_no_worse(self, before: Decimal | None) -> bool:
        price = self.order.limit_price
        if before is None or price is None:
            return False
        return price <= before if self.is_buy else price >= before


class NoOrder:
    """The part of a candidate that rows read, for an order of no size on one key. `is_new`: it would work beside the
    orders that do.
    """

    quantity = replaces = frees = brings = ZERO
    coin = None

    def __init__(
        self,
        tracker: PositionTracker,
        key: str,
        strategy_id: str | None,
        side: Side = BUY,
        *,
        is_new: bool = False,
    ) -> None:
        self.tracker, self.key, self.strategy_id = tracker, key, strategy_id
        self.is_buy, self.is_new = side == BUY, int(is_new)
        self.mark = tracker.marks.usd(key)
        self.is_future = tracker.books.is_future(key)
        self.equity = tracker.equity
        self._strategies = tracker.strategies
        self.account = PostTradeExposure(tracker.account, self)

    @property
    def strategy(self) -> PostTradeExposure:
        """The figures of the strategy alone."""
        book = self._strategies.get(self.strategy_id or "") or Portfolio()
        return PostTradeExposure(book, self)
