"""PositionTracker: what the account holds, works, has earned and could lose. No I/O, no clock.

It is fed facts (`events`) and answers with the figures the rules need. Its parts each hold one
idea: `books` positions and value, `orders` working orders and reservations, `balances` what
Coinbase says is held, `windows` where losses count from. A fact that cannot be applied raises
before anything moved.
"""

from collections.abc import Callable, Iterable
from datetime import datetime
from decimal import Decimal
from typing import Any, Final

from sidecar.core import events as ev
from sidecar.core.actions import Action
from sidecar.core.balance_flow import BalanceFlow
from sidecar.core.books import Books
from sidecar.core.errors import Untrusted
from sidecar.core.loss_windows import LossWindows, Window
from sidecar.core.money import ONE, ZERO, is_bounded, is_sane, with_money
from sidecar.core.order_flow import OrderFlow
from sidecar.core.products import CASH
from sidecar.core.trading_day import next_reset

DEFAULT_SPREAD_MAX: Final = Decimal("0.05")


class PositionTracker:
    """Positions, open orders, reservations, balances, marks, PnL and loss windows of one account.

    `keep` names what is never counted and never sold: {"BTC": Decimal("0.5")}, or None for all of a
    currency. `cash` names the currencies that are cash: valued, but never positions.
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
        self.balances = BalanceFlow(self.books, self.orders.futures_agreement)
        self.windows: LossWindows | None = None
        # Grows with every fact but releases: losses worked out at one version hold until the next.
        self.version = 0
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
        self._takes: Final[dict[type[ev.Event], Callable[[Any], list[Action] | None]]] = {
            ev.Quotes: self._quotes,
            ev.OrderReported: self.orders.report,
            ev.FillReported: self.orders.fill,
            ev.OpenOrdersListed: self.orders.listed,
            ev.ReservationReleased: self._released,
            ev.BalancesRead: self.balances.balances,
            ev.FuturesRead: self.balances.positions,
            ev.FuturesSummaryRead: self._futures_summary,
            ev.FundingPaid: self._funding,
            ev.FeesRead: self._fees,
            ev.ProductsListed: self._products,
            ev.AccountReconciled: self._reconciled,
        }

    # --- Figures ----------------------------------------------------------------------------------

    @property
    def equity(self) -> Decimal:
        """Cash, spot (with `keep`) at mark and futures equity, USD.

        What no quote can value counts as zero.
        """
        return self.wallets.value + self.balances.futures_equity

    @property
    def net_pnl(self) -> Decimal:
        """Realised + unrealised − fees + funding since the books began, USD."""
        return self.account.net_pnl

    @property
    def transfers(self) -> Decimal:
        """Net value that came in from outside since the books began, USD."""
        return self.books.transfers

    def unvalued(self) -> list[str]:
        """Currencies held that no quote can value: they count as zero in equity."""
        return [
            currency
            for currency, wallet in self.wallets.by_currency.items()
            if wallet.total and self.marks.usd(currency) is None
        ]

    def unmarked(self) -> list[str]:
        """What is held, can be valued by some product, and has no mark yet."""
        held = [name for name, wallet in self.wallets.by_currency.items() if wallet.total]
        held += [key for key, line in self.account.lines.items() if line.position.quantity]
        return sorted({k for k in held if k in self.marks.routes and self.marks.usd(k) is None})

    # --- Facts ------------------------------------------------------------------------------------

    @with_money
    def apply(self, event: ev.Event) -> list[Action]:
        """Take in one fact. Raises Untrusted, and changes nothing, when it cannot be true."""
        if type(event) is not ev.ReservationReleased:
            self.version += 1
        self.roll_day(event.at)
        take = self._takes.get(type(event))
        actions = None if take is None else take(event)
        self.note_peak()
        return actions or []

    def _quotes(self, event: ev.Quotes) -> None:
        for quote in event.quotes:
            self.marks.check(quote)
        for quote in event.quotes:
            self.books.quote(quote, event.at)

    def _futures_summary(self, event: ev.FuturesSummaryRead) -> None:
        self.balances.summary(event)
        self.orders.margin_seen = ZERO  # Coinbase's buying power knows of them now

    def _released(self, event: ev.ReservationReleased) -> None:
        self.orders.release(event.client_order_id, event.decision_id)

    def _funding(self, event: ev.FundingPaid) -> None:
        if not is_bounded(event.amount):
            raise Untrusted(f"funding of {event.product_id} is beyond all bounds; it was left out")
        product = self.books.product(event.product_id)
        self.books.charge(self.account, product.key, ZERO, event.amount)

    def _fees(self, event: ev.FeesRead) -> None:
        if not (is_sane(event.taker_rate) and event.taker_rate < ONE):
            raise Untrusted(f"a taker fee of {event.taker_rate} cannot be; it was left out")
        self.orders.taker_rate = event.taker_rate

    def _products(self, event: ev.ProductsListed) -> None:
        self.books.list_products(event.products)

    def _reconciled(self, _event: ev.AccountReconciled) -> None:
        self.books.doubts.clear()

    def note_peak(self) -> None:
        """Raise the drawdown's high-water mark when the net PnL stands above it."""
        if self.windows is not None and (net := self.account.net_pnl) > self.windows.peak:
            self.windows.peak = net

    # --- Loss windows ----------------------------------------------------------------------

    @with_money
    def start(self, at: datetime) -> None:
        """Open the books: from here on facts are changes, and every loss window begins. Does
        nothing when open.
        """
        if self.windows is None:
            self.version += 1
            self.balances.rebase()
            window = self._window(at)
            self.windows = LossWindows(
                day=window,
                next_reset=next_reset(at),
                cumulative=window,
                drawdown=window,
                peak=window.net_pnl,
                settled_at_cumulative=self.account.pnl.settled,
                **self._day_marks(),
            )
            self.books.is_open = True

    def roll_day(self, at: datetime) -> bool:
        """Begin a new day if a boundary has passed, from the figures known before it; True if so.

        A boundary passed while nothing ran rolls once. A clock that jumps back does not un-roll it.
        """
        windows = self.windows
        if windows is None or at < windows.next_reset:
            return False
        self.reset_window("daily", at)
        return True

    def reset_window(self, window: ev.LossWindow, at: datetime) -> None:
        """Begin a loss window anew from the present figures."""
        assert self.windows is not None
        self.version += 1
        match window:
            case "daily":
                self.windows.day = self._window(at)
                self.windows.next_reset = next_reset(at)
                self.windows.day_by_key, self.windows.day_by_strategy = self._day_marks().values()
            case "cumulative":
                self.windows.cumulative = self._window(at)
                self.windows.settled_at_cumulative = self.account.pnl.settled
            case _:  # drawdown
                self.windows.drawdown = self._window(at)
                self.windows.peak = self.account.net_pnl

    def _window(self, at: datetime) -> Window:
        return Window(at, self.account.net_pnl, self.equity, self.transfers)

    def _day_marks(self) -> dict[str, dict[str, Decimal]]:
        keys = self.account.pnl_by_key.keys() | self.account.lines.keys()
        return {
            "day_by_key": {key: self.account.net_pnl_of(key) for key in sorted(keys)},
            "day_by_strategy": {name: book.net_pnl for name, book in self.strategies.items()},
        }
