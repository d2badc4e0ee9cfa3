"""The books as plain data, and back. No I/O.

Only facts are kept; every sum is worked out again from them: a saved state cannot contradict itself.
"""

from datetime import datetime, timedelta
from decimal import Decimal

from msgspec import Struct

from sidecar.core.account.cash_pot import DollarsMoved
from sidecar.core.account.confirmed_mark import ConfirmedMark
from sidecar.core.account.depths import UNSEEN
from sidecar.core.account.exposure import Pnl, Portfolio, Position
from sidecar.core.account.futures_cash import FuturesCash
from sidecar.core.account.loss_windows import LossWindows
from sidecar.core.account.marks import NEVER, Mark
from sidecar.core.account.moved import Moved, Point
from sidecar.core.account.position_tracker import PositionTracker
from sidecar.core.account.price_path import Noted
from sidecar.core.account.readings import Reading
from sidecar.core.account.reconciliation import Reconciliation
from sidecar.core.account.reservation import Reservation
from sidecar.core.account.streaks import Streak
from sidecar.core.account.valuation import money_of
from sidecar.core.account.visits import Visit
from sidecar.core.account.wallets import Wallet
from sidecar.core.account.working import WorkingOrder
from sidecar.core.saved_before import OldWindows, taken_over
from sidecar.core.vocabulary.errors import Misuse
from sidecar.core.vocabulary.events import Depth, FuturesSummaryRead, Quote
from sidecar.core.vocabulary.money import ONE, ZERO, with_money
from sidecar.core.vocabulary.products import Product


class SavedBook(Struct, kw_only=True):
    """A scope's positions and settled PnL, by exposure key."""

    positions: dict[str, Position]
    pnl: dict[str, Pnl]


class SavedWallet(Struct, kw_only=True):
    """A wallet's facts; the part that orders bind and its worth are worked out again."""

    total: Decimal
    keep: Decimal | None
    foreign_hold: Decimal
    unpriced: Decimal
    agreement: Reconciliation
    read_point: Point | None = None
    own_sale_at: datetime | None = None


class SavedTracker(Struct, kw_only=True):
    """A PositionTracker's facts."""

    account: SavedBook
    strategies: dict[str, SavedBook]
    wallets: dict[str, SavedWallet]
    working: list[WorkingOrder]
    reservations: list[Reservation]
    loss_windows: LossWindows | None = None
    transfers: Decimal
    booked: int = 0
    taker_rate: Decimal
    futures: FuturesSummaryRead | None
    futures_cash: FuturesCash | None = None
    margin_seen: Decimal
    quotes_valuing_account: int
    futures_agreement: dict[str, Reconciliation]
    doubts: dict[str, str]
    quotes: list[Quote]
    closed: list[WorkingOrder]
    horizon: datetime | None
    opening_at: datetime | None = None
    products: list[Product]
    confirmations: dict[str, ConfirmedMark] = {}
    newest: list[Quote] = []
    prints: dict[str, tuple[Decimal, datetime]] = {}
    priced_by_fills: dict[str, Mark] = {}
    fresh_since: datetime = NEVER
    balances_read_at: datetime | None = None
    usdc_rate: Decimal = ONE
    unread: list[str] = []
    dollars_moved: list[DollarsMoved] = []
    visits: list[Visit] = []
    overlapping: list[Moved] = []
    readings: list[Reading] = []
    prices_noted: Noted = Noted()
    streaks: dict[str, Streak] = {}
    clock_ahead: timedelta = timedelta()
    ended_unfilled: bytes = b""
    depths: list[Depth] = []
    depths_since: datetime = UNSEEN
    # As versions before the time-weighted ratios wrote them.
    windows: OldWindows | None = None
    futures_base: Decimal = ZERO


def save_tracker(tracker: PositionTracker) -> SavedTracker:
    """The tracker's facts. Parts are shared with it: encode them before it takes in more."""
    return SavedTracker(
        account=_save_book(tracker.account),
        strategies={name: _save_book(book) for name, book in tracker.strategies.items()},
        wallets={
            currency: SavedWallet(
                total=wallet.total,
                keep=wallet.keep,
                foreign_hold=wallet.foreign_hold,
                unpriced=wallet.unpriced,
                agreement=wallet.agreement,
                read_point=wallet.read_point,
                own_sale_at=wallet.own_sale_at,
            )
            for currency, wallet in tracker.wallets.by_currency.items()
        },
        working=list(tracker.ledger.working.values()),
        reservations=list(tracker.ledger.reservations.values()),
        loss_windows=tracker.windows,
        transfers=tracker.books.transfers,
        booked=tracker.books.booked,
        taker_rate=tracker.orders.taker_rate,
        futures=tracker.balances.futures,
        futures_cash=tracker.books.futures_cash,
        margin_seen=tracker.orders.margin_seen,
        quotes_valuing_account=tracker.books.quotes_valuing_account,
        futures_agreement=tracker.futures.agreement,
        doubts=tracker.books.doubts,
        quotes=list(tracker.marks.quotes.values()),
        closed=list(tracker.ledger.closed.by_id.values()),
        horizon=tracker.ledger.closed.horizon,
        opening_at=tracker.books.opening_at,
        products=list(tracker.products.values()),
        confirmations=tracker.marks.confirmations,
        newest=list(tracker.marks.newest.values()),
        prints=tracker.marks.prints,
        priced_by_fills=tracker.marks.priced_by_fills(),
        fresh_since=tracker.marks.fresh_since,
        balances_read_at=tracker.balances.read_at,
        usdc_rate=tracker.marks.usdc_rate,
        unread=sorted(tracker.balances.unread),
        dollars_moved=tracker.balances.pot.dollars_moved,
        visits=tracker.balances.visits.known,
        overlapping=tracker.loss_accounting.doubts.overlapping.known,
        readings=tracker.books.readings.known,
        prices_noted=tracker.books.path.last,
        streaks=tracker.streaks.known,
        clock_ahead=tracker.loss_accounting.clock_ahead,
        ended_unfilled=tracker.ledger.closed.saved_unfilled(),
        depths=list(tracker.depths.known.values()),
        depths_since=tracker.depths.oldest,
    )


@with_money
def restore_tracker(saved: SavedTracker, tracker: PositionTracker) -> None:
    """Fill an empty tracker. Where `keep` or `cash` was configured anew since, a balance that enters or
    leaves the position does so at the mark, as a transfer. Raises Misuse for a tracker in use.
    """
    if tracker.wallets.by_currency or tracker.account.pnl_by_key or tracker.ledger.working:
        raise Misuse("this tracker has books already; load the state into a new one")
    tracker.moved()  # figures of the empty books hold no more
    tracker.books.list_products(saved.products)
    tracker.marks.rate_usdc(saved.usdc_rate)
    tracker.marks.restore(saved.quotes, saved.priced_by_fills)
    tracker.marks.newest = {quote.product_id: quote for quote in saved.newest}
    tracker.marks.prints = saved.prints
    tracker.marks.fresh_since = saved.fresh_since
    tracker.depths.restore(saved.depths, saved.depths_since)
    tracker.orders.taker_rate = saved.taker_rate
    tracker.books.transfers = saved.transfers
    tracker.books.booked = saved.booked
    tracker.balances.read_at = saved.balances_read_at
    tracker.balances.unread = set(saved.unread)
    tracker.balances.pot.dollars_moved = saved.dollars_moved
    tracker.balances.visits.known = saved.visits
    tracker.loss_accounting.doubts.overlapping.known = saved.overlapping
    tracker.books.readings.known = saved.readings
    tracker.books.path.last = saved.prices_noted
    tracker.streaks.known = saved.streaks
    tracker.loss_accounting.clock_ahead = saved.clock_ahead
    tracker.books.doubts = saved.doubts
    tracker.books.opening_at = saved.opening_at
    tracker.balances.futures = saved.futures
    if saved.futures_cash is not None:
        tracker.books.futures_cash = saved.futures_cash
    tracker.orders.margin_seen = saved.margin_seen
    tracker.books.quotes_valuing_account = saved.quotes_valuing_account
    tracker.futures.agreement.update(saved.futures_agreement)
    for key, agreement in saved.futures_agreement.items():
        tracker.wallets.note_doubt(key, agreement)
    _restore_book(tracker, tracker.account, saved.account)
    for name, book in saved.strategies.items():
        _restore_book(tracker, tracker.books.strategy_books.of(name), book)
    _restore_wallets(tracker, saved.wallets)
    _restore_orders(tracker, saved)
    for name in sorted(tracker.wallets.in_doubt):
        _restore_doubt(tracker, name)
    # Lines that began above follow their keys anew: the saved marks are the confirmed.
    tracker.marks.confirmations = saved.confirmations
    marks, confirmed = tracker.marks, saved.confirmations
    marks.unconfirmed = {key for key, one in confirmed.items() if marks.usd(key) != one.value}
    marks.bargains = {key for key, one in confirmed.items() if one.bargains}
    _restore_windows(tracker, saved)


def _restore_doubt(tracker: PositionTracker, name: str) -> None:
    """Doubted units count as exposure again."""
    wallet = tracker.wallets.by_currency.get(name)
    agreement = tracker.futures.agreement.get(name)
    if wallet is not None:
        counts = name not in tracker.books.cash and wallet.keep is not None
        tracker.books.note_doubt(name, wallet.agreement, counts=counts)
    else:
        assert agreement is not None
        tracker.books.note_doubt(name, agreement)


def _restore_windows(tracker: PositionTracker, saved: SavedTracker) -> None:
    """The loss windows, or the windows of an older version so that each ratio stays as it was told. Where
    `keep` or `cash` was configured anew since, the difference is a transfer.
    """
    books = tracker.books
    if saved.loss_windows is None and saved.windows is not None:
        # Of old the futures wallet was booked as the part that the PnL of futures did not explain.
        account = tracker.account
        settled = sum(
            (account.settled_of(key) for key in account.pnl_by_key if books.is_future(key)), ZERO
        )
        unrealised = sum(
            (line.unrealised for line in account.lines.values() if line.is_future), ZERO
        )
        futures = books.futures_cash
        futures.is_known = saved.futures is not None
        futures.total = saved.futures_base + settled + unrealised - account.futures_profit
        tracker.take_over(taken_over(saved.windows, tracker, saved.transfers), moved=False)
        return
    keep = tracker.wallets.keep
    moved = books.transfers != saved.transfers or any(
        wallet.keep != keep.get(currency, ZERO) for currency, wallet in saved.wallets.items()
    )
    tracker.take_over(saved.loss_windows, moved=moved)


def _save_book(book: Portfolio) -> SavedBook:
    return SavedBook(
        positions={
            key: line.position
            for key, line in book.lines.items()
            if line.position.quantity or line.position.unpriced
        },
        pnl=book.pnl_by_key,
    )


def _restore_book(tracker: PositionTracker, book: Portfolio, saved: SavedBook) -> None:
    for key, pnl in saved.pnl.items():
        line = tracker.books.line(book, key)
        book.charge(line, pnl.realised, pnl.fees, pnl.funding)
        book.restate(line)
    for key, position in saved.positions.items():
        line = tracker.books.line(book, key)
        line.position = position
        book.restate(line)


def _restore_wallets(tracker: PositionTracker, saved: dict[str, SavedWallet]) -> None:
    for currency, facts in saved.items():
        wallet = Wallet(
            total=facts.total,
            keep=tracker.wallets.keep.get(currency, ZERO),
            foreign_hold=facts.foreign_hold,
            agreement=facts.agreement,
            read_point=facts.read_point,
            own_sale_at=facts.own_sale_at,
        )
        tracker.wallets.by_currency[currency] = wallet
        known = facts.read_point
        if known is not None and known.at is not None and currency not in tracker.books.cash:
            tracker.books.readings.price(known.at, currency, known.price)
        tracker.wallets.set_unpriced(currency, wallet, facts.unpriced)
        tracker.wallets.revalue(wallet, tracker.marks.usd(currency))
        tracker.wallets.note_doubt(currency, wallet.agreement)
        tracker.books.match_wallet(currency)


def _restore_orders(tracker: PositionTracker, saved: SavedTracker) -> None:
    for order in saved.working:
        tracker.books.work(order.legs, order.bound_to, 1, bot=order.bot)
        money = money_of(order.side, order.legs, order.hold_currency, order.hold)
        tracker.books.bind(order.bound_to, money, 1)
        if order.hold_currency:
            tracker.wallets.get(order.hold_currency).held += order.hold
        tracker.ledger.file(order, tracker.books.product(order.product_id).book)
    tracker.ledger.closed.restore_unfilled(saved.ended_unfilled)
    for order in saved.closed:
        tracker.ledger.closed.add(order)
    tracker.ledger.closed.horizon = saved.horizon
    for reservation in saved.reservations:
        tracker.orders.reserve(reservation)
