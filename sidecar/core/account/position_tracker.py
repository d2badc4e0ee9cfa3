"""PositionTracker: the account's holdings, working orders, earnings and worst case. No I/O, no
clock.

It is fed facts (`events`) and answers with the figures the rules need. Its parts each hold one
idea: `books` positions and value, `orders` working orders and reservations, `balances` the holdings
as Coinbase states them, `loss_accounting` where losses count from. A fact that cannot be applied
raises before any figure has moved.
"""

from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, Final

from sidecar.core.account.balance_flow import BalanceFlow
from sidecar.core.account.books import Books
from sidecar.core.account.depths import Depths
from sidecar.core.account.exit_costs import ExitCosts
from sidecar.core.account.futures_flow import FuturesFlow
from sidecar.core.account.loss_accounting import LossAccounting
from sidecar.core.account.loss_windows import LossWindows
from sidecar.core.account.marks import CALLERS_WORD, FRESH_FOR
from sidecar.core.account.order_flow import OrderFlow
from sidecar.core.account.other_marks import note_moment, point
from sidecar.core.account.streaks import Streaks
from sidecar.core.vocabulary import events as ev
from sidecar.core.vocabulary.actions import Action
from sidecar.core.vocabulary.errors import Untrusted
from sidecar.core.vocabulary.money import ONE, ZERO, is_sane, with_money
from sidecar.core.vocabulary.products import CASH
from sidecar.core.vocabulary.trading_day import PeriodName

DEFAULT_SPREAD_MAX: Final = Decimal("0.05")
TRADES: Final = (ev.OrderReported, ev.FillReported, ev.FundingPaid)


class PositionTracker:
    """Positions, open orders, reservations, balances, marks, PnL and loss windows of one account.

    `keep` names the quantities that are never counted and never sold: {"BTC": Decimal("0.5")}, or
    None for all of a currency. `cash` names the currencies that are cash: valued, but never
    positions.
    """

    def __init__(
        self,
        *,
        keep: dict[str, Decimal | None] | None = None,
        cash: Iterable[str] = CASH,
        max_spread: Decimal = DEFAULT_SPREAD_MAX,
    ) -> None:
        self.books = Books(dict(keep or {}), cash, max_spread)
        self.orders = OrderFlow(self.books)
        self.balances = BalanceFlow(self.books)
        self.futures = FuturesFlow(self.books, self.balances, self.orders.booking.contracts)
        self.loss_accounting = LossAccounting(self.books, self.balances)
        self.streaks = Streaks(self.books)
        self.depths = Depths()
        self.exits = ExitCosts(self.books, self.depths)
        self.quoteless: set[str] = set()  # keys with a stale mark and no quote at all
        # The parts' parts that rules read on every order, without a detour.
        self.marks, self.account, self.strategies = (
            self.books.marks,
            self.books.account,
            self.books.strategies,
        )
        self.wallets, self.products, self.ledger = (
            self.books.wallets,
            self.books.products,
            self.orders.ledger,
        )
        self._handlers: Final[dict[type[ev.Event], Callable[[Any], list[Action] | None]]] = {
            ev.Quotes: self._quotes,
            ev.DepthSeen: self.depths.see,
            ev.DepthHolds: self.depths.hold,
            ev.OrderReported: self.orders.report,
            ev.FillReported: self.orders.fill,
            ev.OpenOrdersListed: self.orders.listed,
            ev.OrderVanished: self.orders.vanished,
            ev.ReservationReleased: self._released,
            ev.BalancesRead: self.balances.balances,
            ev.FuturesRead: self.futures.positions,
            ev.FuturesSummaryRead: self._futures_summary,
            ev.FundingPaid: self.futures.funding,
            ev.FeesRead: self._fees,
            ev.ProductsListed: self._products,
            ev.AccountReconciled: self._reconciled,
        }

    def use(
        self, confirm_for: timedelta, confirm_quotes: int, lag: timedelta, *, connected: bool
    ) -> None:
        """How marks are confirmed, how long readings may lag, and whether Coinbase stands behind the facts."""
        self.books.confirm_for, self.books.confirm_quotes = confirm_for, confirm_quotes
        self.orders.booking.lag = self.balances.pot.lag = lag
        self.balances.believes_first = not connected
        self.books.waits_for_settled = connected
        self.depths.is_read = connected
        self.marks.fresh_for = FRESH_FOR if connected else CALLERS_WORD

    # --- Figures ----------------------------------------------------------------------------------

    @property
    def equity(self) -> Decimal:
        """Cash, spot and futures equity at the marks, without `keep`, USD.

        While a balance is in doubt, by the smaller of books and reading. A key that no quote can value, or has
        lost its quote, counts as zero.
        """
        if self.wallets.in_doubt or self.quoteless:
            return self.booked_equity + self.balances.shortfall() - self._quoteless_value()
        return self.wallets.value + self.balances.futures_equity

    def _quoteless_value(self) -> Decimal:
        """The worth of keys that have lost their quote: it does not count where equity gives room, USD."""
        known = (self.wallets.by_currency.get(key) for key in self.quoteless)
        return sum((max(ZERO, wallet.value) for wallet in known if wallet is not None), ZERO)

    @property
    def booked_equity(self) -> Decimal:
        """Equity as the books alone have it, USD."""
        return self.balances.equity

    @property
    def kept(self) -> Decimal:
        """The worth of `keep` at the marks, USD: shown beside equity, and in no figure."""
        return sum(
            (
                (wallet.total - wallet.position) * mark
                for currency, wallet in self.wallets.by_currency.items()
                if wallet.keep != ZERO and (mark := self.marks.usd(currency)) is not None
            ),
            ZERO,
        )

    @property
    def net_pnl(self) -> Decimal:
        """Realised + unrealised − fees + funding since the books began, USD."""
        return self.account.net_pnl

    def held(self, key: str) -> Decimal:
        """The position in base units without `keep`: negative for a short, zero where there is none."""
        line = self.account.lines.get(key)
        return ZERO if line is None else line.position.quantity

    def price(self, key: str) -> Decimal | None:
        """USD for a base unit at the newest good quote; None where no quote tells."""
        return self.marks.usd(key)

    @property
    def transfers(self) -> Decimal:
        """Net value that came in from outside since the books began, USD."""
        return self.books.transfers

    @property
    def shows_futures(self) -> bool:
        """Whether the books know of contracts, of money behind them, or of an open order for some."""
        if self.books.futures_cash.worth:
            return True
        lines = self.account.lines.values()
        if any(line.is_future and line.position.quantity for line in lines):
            return True
        named = (self.products.get(order.product_id) for order in self.ledger.working.values())
        return any(product is not None and product.is_future for product in named)

    def unvalued(self) -> list[str]:
        """Currencies held that no quote can value: they count as zero in equity."""
        return [
            currency
            for currency, wallet in self.wallets.by_currency.items()
            if wallet.total and self.marks.usd(currency) is None
        ]

    def unmarked(self) -> list[str]:
        """Keys that count, can be valued by some product, and have no fresh mark yet."""
        held = [name for name, wallet in self.wallets.by_currency.items() if wallet.position]
        held += [key for key, line in self.account.lines.items() if line.position.quantity]
        return sorted({k for k in held if k in self.marks.routes and not self.marks.is_current(k)})

    @property
    def version(self) -> int:
        """Moves with every fact, approval and release: a figure worked out at one version holds until the next."""
        return self.books.version

    def moved(self) -> None:
        """A fact that figures are worked out from has changed outside the tracker."""
        self.books.changed()

    # --- Facts ------------------------------------------------------------------------------------

    @with_money
    def apply(self, event: ev.Event) -> list[Action]:
        """Take in one fact. Raises Untrusted, with every figure unchanged, when the fact cannot be
        true.
        """
        if type(event) is not ev.ReservationReleased:
            self.books.changed()
        self.loss_accounting.roll_day(event.at)
        handler = self._handlers.get(type(event))
        if handler is None:
            actions = None
        elif self.streaks.scopes and isinstance(event, TRADES):
            seen = self.streaks.look(event.product_id)
            actions = handler(event)
            self.streaks.follow(seen, self.loss_accounting.by_both(event.at))
        else:
            actions = handler(event)
        self.loss_accounting.follow(event.at)
        if type(event) is ev.BalancesRead:
            self.loss_accounting.doubts.forget_booked()
        return actions or []

    def _quotes(self, event: ev.Quotes) -> None:
        for quote in event.quotes:
            self.marks.check(quote)
        for quote in event.quotes:
            self.books.quote(quote, event.at)
            if self.books.moves:  # coins took their first price: before the prices that follow it
                self.loss_accounting.note_transfers(event.at)
        if self.books.path.has_left(self.account.net_pnl) and self.books.is_open:
            note_moment(self.books, event.at, self.booked_equity)

    def _futures_summary(self, event: ev.FuturesSummaryRead) -> list[Action]:
        actions = self.futures.summary(event)
        self.orders.margin_seen = ZERO  # Coinbase's buying power knows of them now
        return actions

    def _released(self, event: ev.ReservationReleased) -> None:
        self.orders.release(event.client_order_id, event.decision_id)

    def _fees(self, event: ev.FeesRead) -> None:
        if not (is_sane(event.taker_rate) and event.taker_rate < ONE):
            raise Untrusted(f"a taker fee of {event.taker_rate} cannot be; it was left out")
        self.orders.taker_rate = event.taker_rate

    def _products(self, event: ev.ProductsListed) -> None:
        self.books.list_products(event.products)

    def _reconciled(self, _event: ev.AccountReconciled) -> None:
        self.books.doubts.clear()

    @with_money
    def rate_usdc(self, rate: Decimal, at: datetime) -> None:
        """Let a USDC count so many USD. The rate of cash moves equity and no loss ratio."""
        self.books.changed()
        self.books.rate_usdc(rate)
        self.loss_accounting.restate(at)

    def forget_strategy(self, strategy_id: str) -> None:
        """The strategy has no position or order left: its PnL stays in the account's books alone."""
        self.books.strategy_books.forget(strategy_id)
        self.loss_accounting.forget_strategy(strategy_id)

    # --- Loss windows -----------------------------------------------------------------------------

    @with_money
    def start(self, at: datetime) -> None:
        """Open the books: from here on facts are changes, and every loss window begins. No effect
        when they are open.
        """
        if self.windows is None:
            self.books.changed()
            self.loss_accounting.begin(at)
            self.books.path.stand(at, self.account.net_pnl, self.booked_equity)
            self.books.is_open = True
            for currency, wallet in self.wallets.by_currency.items():
                wallet.read_point = point(self.books, currency, read_at=at)

    def take_over(self, windows: LossWindows | None, *, moved: bool) -> None:
        """Go on with the loss windows of before a restart, once the rest is restored: the books are
        open where there are some. `moved`: see `LossAccounting.take_over`.
        """
        self.books.is_open = windows is not None
        self.loss_accounting.take_over(windows, moved=moved)

    @property
    def windows(self) -> LossWindows | None:
        """Where losses count from; None until the books open."""
        return self.loss_accounting.windows

    @property
    def is_ambiguous(self) -> bool:
        """Whether a loss may be more, or less, than the books tell."""
        return self.loss_accounting.is_ambiguous

    @property
    def min_equity(self) -> Decimal:
        """With less after a transfer, USD, the account has no loss ratios."""
        return self.loss_accounting.min_equity

    @min_equity.setter
    def min_equity(self, usd: Decimal) -> None:
        self.loss_accounting.min_equity = usd

    def roll_day(self, at: datetime) -> bool:
        """Begin a new day if a boundary has passed; True if so."""
        return self.loss_accounting.roll_day(at)

    def reset_window(self, window: ev.LossWindow, at: datetime) -> None:
        """Begin a loss window anew, from the present figures at confirmed marks."""
        self.loss_accounting.reset_window(window, at)

    def reset_scope(
        self, period: PeriodName, *, key: str | None = None, strategy_id: str | None = None
    ) -> None:
        """Begin the period's loss of one key, or of one strategy, anew, from its present figure at confirmed marks."""
        self.loss_accounting.reset_scope(period, key=key, strategy_id=strategy_id)
