"""PositionTracker: the account's holdings, working orders, earnings and worst case. No I/O, no
clock.

It is fed facts (`events`) and answers with the figures the rules need. Its parts each hold one
idea: `books` positions and value, `orders` working orders and reservations, `balances` the holdings
as Coinbase states them, `windows` where losses count from. A fact that cannot be applied raises
before any figure has moved.
"""

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, Final

from msgspec.structs import replace

from sidecar.core.account.balance_flow import BalanceFlow
from sidecar.core.account.books import Books
from sidecar.core.account.datings import Better, Overlapping, Present
from sidecar.core.account.futures_flow import FuturesFlow
from sidecar.core.account.loss_windows import (
    Figure,
    LossWindows,
    Span,
    Window,
    scoped_windows,
)
from sidecar.core.account.marks import CALLERS_WORD, FRESH_FOR
from sidecar.core.account.moved import Moved, by_moment
from sidecar.core.account.order_flow import OrderFlow
from sidecar.core.account.other_marks import note_moment, point, unconfirmed, unconfirmed_of
from sidecar.core.vocabulary import events as ev
from sidecar.core.vocabulary.actions import Action
from sidecar.core.vocabulary.errors import Untrusted
from sidecar.core.vocabulary.money import ONE, ZERO, is_sane, with_money
from sidecar.core.vocabulary.products import CASH
from sidecar.core.vocabulary.trading_day import next_reset

DEFAULT_SPREAD_MAX: Final = Decimal("0.05")
# USD. An account of less is dust, and a ratio of dust has no meaning.
DEFAULT_MIN_EQUITY: Final = Decimal(50)

# A reset further ahead than this was set by a fact from the future. A day has 25 hours at most, and a clock
# may be set back by one.
RESET_AHEAD_MAX: Final = timedelta(days=2)
NO_KEYS: Final[Mapping[str, Decimal]] = {}


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
        self.windows: LossWindows | None = None
        self.overlapping = Overlapping()
        # Worked out once a version, while balances are in doubt.
        self._doubtful_of = self._shares_of = -1
        self._doubtful: list[Moved] = []
        self._shares: dict[tuple[bool, Decimal, tuple[Decimal, ...]], Decimal] = {}
        self.clock_ahead = (
            timedelta()
        )  # of Coinbase's; a clock that is behind passes last by itself
        self.min_equity = DEFAULT_MIN_EQUITY
        self.quoteless: set[str] = set()  # keys with a stale mark and no quote at all
        self._transfers_seen = ZERO  # the transfers that the loss windows know of
        # Grows with every change of the windows: figures worked out of them hold until then.
        self.windows_version = 0
        self._high: tuple[int, Decimal] = (
            -1,
            ZERO,
        )  # version; the net PnL above which a high may rise
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
        self.books.version += 1

    # --- Facts ------------------------------------------------------------------------------------

    @with_money
    def apply(self, event: ev.Event) -> list[Action]:
        """Take in one fact. Raises Untrusted, with every figure unchanged, when the fact cannot be
        true.
        """
        if type(event) is not ev.ReservationReleased:
            self.books.version += 1
        self.roll_day(event.at)
        take = self._takes.get(type(event))
        actions = None if take is None else take(event)
        if self.balances.visits.known:
            self.balances.visits.forget(event.at)
        if self.books.transfers != self._transfers_seen:
            self._note_transfers(event.at)
        self.note_peak()
        return actions or []

    def _quotes(self, event: ev.Quotes) -> None:
        for quote in event.quotes:
            self.marks.check(quote)
        for quote in event.quotes:
            self.books.quote(quote, event.at)
            if self.books.moves:  # coins took their first price: before the prices that follow it
                self._note_transfers(event.at)
        if self.books.path.has_left(self.account.net_pnl) and self.windows is not None:
            note_moment(self.books, event.at)
            self.books.path.stand(self.account.net_pnl, self.booked_equity)

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

    def note_peak(self) -> None:
        """Raise the drawdown's highest where equity and net PnL stand above it at confirmed marks."""
        windows, net = self.windows, self.account.net_pnl
        if windows is None:
            return
        version, high = self._high
        if version != self.windows_version:
            span = windows.span
            high = min(windows.peak, windows.drawdown.base - span.equity + span.net_pnl)
            self._high = (self.windows_version, high)
        if net <= high or windows.span.lacks_equity:
            return
        confirmed = net - unconfirmed(self.books, self.account)
        if confirmed > high:
            self.windows_version += 1
            windows.peak = max(windows.peak, confirmed)
            highest = windows.span.moved(confirmed)
            windows.drawdown.raise_to(highest, self.account.pnl.settled)
            assert windows.drawdown.base >= highest

    @with_money
    def rate_usdc(self, rate: Decimal, at: datetime) -> None:
        """Let a USDC count so many USD. The rate of cash moves equity and no loss ratio."""
        self.books.version += 1
        self.books.rate_usdc(rate)
        if self.windows is not None:
            self._end_span(self.booked_equity, at)

    # --- Loss windows ----------------------------------------------------------------------

    @with_money
    def start(self, at: datetime) -> None:
        """Open the books: from here on facts are changes, and every loss window begins. No effect
        when they are open.
        """
        if self.windows is None:
            self.books.version += 1
            net, equity = self.account.net_pnl, self.booked_equity
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
            self.books.path.stand(net, equity)
            self.books.is_open = True
            for currency, wallet in self.wallets.by_currency.items():
                wallet.read_point = point(self.books, currency, read_at=at)

    def take_over(self, windows: LossWindows | None, *, moved: bool) -> None:
        """Go on with the loss windows of before a restart, once the rest is restored. `moved`:
        another configuration of `keep` or `cash` has let units in or out.
        """
        self.windows, self.books.is_open = windows, windows is not None
        self.windows_version += 1
        self._transfers_seen = self.books.transfers
        self.books.moves.clear()
        if windows is not None and moved:
            self._end_span(self.booked_equity, windows.day.started_at)

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
        self.books.version += 1
        self._end_span(self.booked_equity, at)
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
        self.windows_version += 1
        gap = unconfirmed(self.books, self.account)
        equity = self.booked_equity - gap
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

    def _window(self, at: datetime, unconfirmed: Decimal, equity: Decimal) -> Window:
        net = self.account.net_pnl - unconfirmed
        return Window(at, net, equity, self.account.pnl.settled)

    def _note_transfers(self, at: datetime) -> None:
        """A transfer moves no ratio: the windows' units take it in."""
        windows, books = self.windows, self.books
        self._transfers_seen = books.transfers
        assert windows is not None  # before, there are no transfers
        self.windows_version += 1
        moves = [_told(moved, at) for moved in books.moves]
        dated = self.overlapping.at_their_moments(moves, self.account.net_pnl)
        if moves:
            best, worst = self.overlapping.add(moves, self._present(), self._least_with_ratio)
            windows.doubt(moves, best, worst)
        for lost in books.losses_unexplained:
            windows.doubt_loss(lost, self.account.net_pnl)
        books.losses_unexplained.clear()
        groups = by_moment(dated, self.booked_equity, self.min_equity)
        books.moves.clear()
        for group in groups:
            undone = {moved.undoes for moved in group.moves}
            self._end_span(
                self.booked_equity - group.later,
                at,
                group.since,
                {moved.key: moved.key_since for moved in group.moves},
                undoes=undone.pop() if len(undone) == 1 else None,
            )

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
        self.windows_version += 1
        lacked = windows.span.lacks_equity
        keys = self._key_figures()
        keys |= {key: keys[key].less(usd) for key, usd in by_key.items() if key in keys}
        whole = windows.whole_before(undoes)
        if whole is not None:
            windows.scoped_base = whole
        windows.carry(keys, self._strategy_figures())
        windows.begin_span(equity - since, self.account.net_pnl - since, self.min_equity)
        windows.next_whole(max(equity - since, self.min_equity) if whole is None else whole, at)
        if lacked and not (undoes or windows.span.lacks_equity):
            for name in {"daily", "cumulative", "drawdown"}.difference(windows.latched):
                self._begin_window(name, at)

    def _begin_scopes(self) -> None:
        """Daily windows of keys and strategies, at confirmed marks."""
        assert self.windows is not None
        account = self.account
        self.windows.by_key = scoped_windows(
            (key, figure.less(unconfirmed_of(self.books, account, key)))
            for key, figure in self._key_figures().items()
        )
        self.windows.by_strategy = scoped_windows(
            (name, figure.less(unconfirmed(self.books, self.strategies[name])))
            for name, figure in self._strategy_figures().items()
        )

    def _key_figures(self) -> dict[str, Figure]:
        account = self.account
        return {
            key: Figure(account.net_pnl_of(key), account.settled_of(key))
            for key in sorted(account.pnl_by_key.keys() | account.lines.keys())
        }

    def forget_strategy(self, strategy_id: str) -> None:
        """The strategy has no position or order left: its PnL stays in the account's books alone."""
        self.books.forget_strategy(strategy_id)
        if self.windows is not None:
            self.windows.by_strategy.pop(strategy_id, None)

    def _strategy_figures(self) -> dict[str, Figure]:
        return {
            name: Figure(book.net_pnl, book.pnl.settled) for name, book in self.strategies.items()
        }

    @property
    def is_ambiguous(self) -> bool:
        """Whether a loss may be more, or less, than the books tell."""
        if self.wallets.is_unsure or self.balances.visits.known:
            return True
        return self.windows is not None and self.windows.is_ambiguous

    def _present(self, gain: Decimal = ZERO) -> Present:
        """The account now, were it worth so much more than at its marks, USD."""
        net = self.account.net_pnl + gain
        return Present(self.booked_equity + gain, net, self.books.transfers)

    @property
    def _least_with_ratio(self) -> Decimal:
        """The value above which the account has ratios, USD."""
        windows = self.windows
        return self.min_equity if windows is not None and windows.span.lacks_equity else ZERO

    def visited_share(self) -> Decimal:
        """A unit's worth had money that came and went shared the losses, as a share of its actual worth."""
        if not self.balances.visits.known:
            return ONE
        return self.balances.visits.share(self._present(), self._least_with_ratio)

    def doubtful_share(self, moves: list[Moved], better: Better, gain: Decimal) -> Decimal:
        """A unit's worth had the transfers in doubt come at the better moments, as a share of its actual worth.
        `gain`: by how much the account is worth more than at its marks, USD.
        """
        if not moves:
            return ONE
        asked = (better is max, gain, tuple(moved.now.price for moved in moves))
        if self._shares_of != self.version:
            self._shares_of, self._shares = self.version, {}
        if asked not in self._shares:  # each window asks for the same
            present, least = self._present(gain), self._least_with_ratio
            self._shares[asked] = self.overlapping.share(moves, present, least, better)
        return self._shares[asked]

    def doubtful_moves(self) -> list[Moved]:
        """Open doubts of coins: they may have moved before their price did."""
        if self._doubtful_of != self.version:
            moves = self.balances.open_moves() if self.wallets.is_unsure else ()
            self._doubtful_of, self._doubtful = self.version, list(moves)
        return self._doubtful


def _told(moved: Moved, at: datetime) -> Moved:
    """A transfer with the time at which it was booked; one that is booked as of no reading came then."""
    booked = moved.booked if moved.booked.at is not None else replace(moved.booked, at=at)
    return replace(moved, booked=booked, told_at=at)
