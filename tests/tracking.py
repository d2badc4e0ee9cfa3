"""What tests of the tracker's side share: a tracker by itself on virtual time, and its books worked
out again from nothing.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from itertools import count
from typing import Any

import msgspec

from sidecar.core.account.exposure import Exposure, Portfolio
from sidecar.core.account.position_tracker import PositionTracker
from sidecar.core.saved import SavedState, restore_tracker, save_tracker
from sidecar.core.vocabulary import events as ev
from sidecar.core.vocabulary.actions import Action
from sidecar.core.vocabulary.money import ZERO, with_money
from sidecar.core.vocabulary.products import Product
from sidecar.storage.codec import decode_state, encode_state
from tests.scenario import FUTURE, PRODUCTS, START, D

QUOTES = {"BTC-USD": "64000", "ETH-USD": "2000", "USDC-EUR": "0.8", FUTURE: "64000"}
NUMBERS = ("filled", "average_price", "fees", "leaves", "base_size", "limit_price", "stop_price")


class Desk:
    """A tracker, open, with products and quotes but empty wallets; and verbs for what may happen."""

    def __init__(
        self,
        *,
        keep: dict[str, Decimal | None] | None = None,
        products: Sequence[Product] = PRODUCTS,
        quotes: dict[str, str] = QUOTES,
        start: datetime = START,
        is_open: bool = True,
        tracker: PositionTracker | None = None,
    ) -> None:
        self.now = start
        self.names = count(1)
        self.tracker = PositionTracker(keep=keep) if tracker is None else tracker
        if tracker is None:
            self.send(ev.ProductsListed, products=tuple(products))
            for product_id, price in quotes.items():
                self.quote(product_id, price)
            if is_open:
                self.tracker.start(start)

    def send(self, kind: type[ev.Event], **fields: Any) -> list[Action]:
        return self.tracker.apply(kind(at=self.now, **fields))

    def wait(self, seconds: float) -> "Desk":
        self.now += timedelta(seconds=seconds)
        return self

    def quote(self, product_id: str, bid: object, ask: object | None = None) -> None:
        low, high = D(bid), D(bid if ask is None else ask)
        self.send(ev.Quotes, quotes=(ev.Quote(product_id, low, high, self.now),))

    def stand(self, product_id: str, price: object) -> None:
        """Quote a price until it is confirmed: three times within two seconds."""
        self.quote(product_id, price)
        for _ in range(2):
            self.wait(1).quote(product_id, price)

    def balance(
        self, currency: str, total: object, hold: object = 0, **fields: Any
    ) -> list[Action]:
        balance = ev.Balance(currency, D(total) - D(hold), D(hold), **fields)
        return self.send(ev.BalancesRead, balances=(balance,), fills_until=self.now)

    def report(self, order_id: str = "o1", status: str = "OPEN", **fields: Any) -> None:
        known: dict[str, Any] = {"product_id": "BTC-USD", "side": "BUY"} | fields
        known |= {name: D(known[name]) for name in NUMBERS if known.get(name) is not None}
        self.send(ev.OrderReported, order_id=order_id, status=status, **known)

    def fill(self, side: str, size: object, price: object, fee: object = 0, **fields: Any) -> None:
        number = next(self.names)
        known = {"product_id": "BTC-USD", "order_id": f"fill-{number}", "entry_id": f"e{number}"}
        numbers = {"size": D(size), "price": D(price), "commission": D(fee)}
        self.send(ev.FillReported, side=side, **numbers, **known | fields)

    def line(self, key: str = "BTC", strategy: str | None = None) -> Exposure:
        """The key's line; an empty one if the books have none."""
        book = self.tracker.account if strategy is None else self.tracker.strategies[strategy]
        return book.lines.get(key) or Exposure(key, is_future=key == FUTURE, mark=None)

    def held(self, key: str = "BTC", strategy: str | None = None) -> Decimal:
        return self.line(key, strategy).position.quantity

    def wallet(self, currency: str) -> Decimal:
        return self.tracker.wallets.get(currency).total

    def restarted(self, **configured: Any) -> "Desk":
        """A desk whose tracker was saved to bytes and restored from them."""
        other = Desk(start=self.now, tracker=restored(self.tracker, **configured))
        other.names = self.names
        return other


def state_bytes(tracker: PositionTracker) -> bytes:
    """The books as they would be saved, the same bytes for the same books."""
    return msgspec.json.encode(save_tracker(tracker), order="deterministic")


def restored(tracker: PositionTracker, **configured: Any) -> PositionTracker:
    saved = SavedState(saved_at=START, manager=None, tracker=save_tracker(tracker))
    keep = configured.pop("keep", tracker.wallets.keep)
    other = PositionTracker(keep=keep, **configured)
    restore_tracker(decode_state(encode_state(saved), "state").tracker, other)
    return other


@with_money
def figures(tracker: PositionTracker) -> dict[str, Any]:
    """Every figure a rule may read, by name."""
    books = {"account": tracker.account} | {f"s:{n}": b for n, b in tracker.strategies.items()}
    shown: dict[str, Any] = {
        name: {
            "sums": _sums(book),
            "pnl": (book.pnl.realised, book.pnl.fees, book.pnl.funding),
            "lines": {key: _line(line) for key, line in book.lines.items()},
        }
        for name, book in books.items()
    }
    for currency, wallet in tracker.wallets.by_currency.items():
        shown[currency] = (
            wallet.total,
            wallet.held,
            wallet.reserved,
            wallet.foreign_hold,
            wallet.value,
            wallet.unpriced,
            wallet.doubted,
        )
    shown["equity"], shown["transfers"] = tracker.equity, tracker.transfers
    shown["kept"], shown["futures"] = tracker.kept, tracker.balances.futures_equity
    shown["margin"], shown["doubt"] = tracker.orders.margin_reserved, tracker.wallets.in_doubt
    return shown


@with_money
def check_books(tracker: PositionTracker) -> None:
    """Every running sum is what adding up from nothing gives; raises AssertionError if not."""
    for name, book in (None, tracker.account), *tracker.strategies.items():
        _check_orders(tracker, book, name)
        _check_lines(tracker, book)
        _check_pnl(book)
    _check_wallets(tracker)
    _check_who_hears(tracker)
    open_orders = [order for order in tracker.ledger.working.values() if order.remaining]
    rests = [o for o in open_orders if o.rests and (o.limit_price is not None or o.waits)]
    places = (*tracker.ledger.resting.values(), *tracker.ledger.waiting.values())
    resting = sum(len(place.prices) for place in places)
    reserved = [r for r in tracker.ledger.reservations.values() if r.order.rests]
    assert resting == len(rests) + len(reserved)


def _sums(book: Portfolio) -> tuple[Any, ...]:
    return (
        book.gross, book.long_usd, book.short_usd, book.unrealised, book.futures_profit,
        book.futures_pnl, book.orders,
    )  # fmt: skip


def _line(line: Exposure) -> tuple[Any, ...]:
    p = line.position
    return (
        p.quantity, p.cost, p.entry_cost, p.unpriced, line.open_buy, line.open_sell, line.orders,
        line.long, line.short, line.size, line.notional, line.unrealised, line.mark, line.doubted,
    )  # fmt: skip


def _check_orders(tracker: PositionTracker, book: Portfolio, strategy: str | None) -> None:
    """Open and reserved quantities are the sum of what each order and reservation binds."""
    buys: dict[str, Decimal] = {}
    sells: dict[str, Decimal] = {}
    orders = 0
    bound = [(o.legs, o.bound_to, 1 if o.legs else 0) for o in tracker.ledger.working.values()]
    bound += [
        (r.legs, r.strategy_id, 0 if r.order_id else 1)
        for r in tracker.ledger.reservations.values()
    ]
    for legs, owner, number in bound:
        if strategy in (None, owner):
            orders += number
            for leg in legs:
                side = buys if leg.side == "BUY" else sells
                side[leg.key] = side.get(leg.key, ZERO) + leg.quantity
    assert book.orders == orders == sum(line.orders for line in book.lines.values())
    for key in buys.keys() | sells.keys() | book.lines.keys():
        line = book.lines.get(key)
        open_buy, open_sell = (ZERO, ZERO) if line is None else (line.open_buy, line.open_sell)
        assert (open_buy, open_sell) == (buys.get(key, ZERO), sells.get(key, ZERO)), key


def _check_who_hears(tracker: PositionTracker) -> None:
    """Every line hears of its key's prices, and every gain that is not confirmed is known of."""
    books, marks = tracker.books, tracker.marks
    heard = {
        (key, id(book))
        for key, some in books.strategy_books.lined.items()
        for book in some.values()
    }
    assert {(key, id(book)) for book in tracker.strategies.values() for key in book.lines} <= heard
    assert {number for _, number in heard} <= set(map(id, tracker.strategies.values()))
    gains = {key for key, known in marks.confirmations.items() if known.bargains}
    assert marks.bargains == gains


def _check_lines(tracker: PositionTracker, book: Portfolio) -> None:
    gross = long_usd = short_usd = unrealised = profit = futures = ZERO
    for line in book.lines.values():
        assert not line.is_idle
        assert line.mark == tracker.marks.usd(line.key)
        position, mark = line.position, line.mark
        long = position.quantity + line.open_buy
        short = position.quantity - line.open_sell
        if book is tracker.account:
            assert line.doubted == _doubted(tracker, line.key)
        long, short = max(long, long + line.doubted), min(short, short + line.doubted)
        short = short if line.is_future else max(ZERO, short)
        if mark is not None:
            gross += max(abs(long), abs(short)) * mark
            long_usd, short_usd = long_usd + long * mark, short_usd + short * mark
            open_pnl = (position.quantity - position.unpriced) * mark - position.cost
            unrealised += open_pnl
            if line.is_future:
                profit += position.quantity * mark - position.entry_cost
                futures += open_pnl
    futures += sum(
        (p.settled for key, p in book.pnl_by_key.items() if tracker.books.is_future(key)), ZERO
    )
    assert _sums(book)[:-1] == (gross, long_usd, short_usd, unrealised, profit, futures)


def _doubted(tracker: PositionTracker, key: str) -> Decimal:
    """What the last reading of a coin or contract has more than the books."""
    agreement = tracker.futures.agreement.get(key)
    wallet = tracker.wallets.by_currency.get(key)
    if wallet is not None:
        agreement = None if wallet.keep is None else wallet.agreement
    doubt = None if agreement is None else agreement.doubt
    return ZERO if doubt is None else doubt.difference


def _check_pnl(book: Portfolio) -> None:
    for name in ("realised", "fees", "funding"):
        total = sum((getattr(pnl, name) for pnl in book.pnl_by_key.values()), ZERO)
        assert getattr(book.pnl, name) == total, name
    by_key = book.pnl_by_key.keys() | book.lines.keys()
    assert book.net_pnl == sum((book.net_pnl_of(key) for key in by_key), ZERO)


def _check_wallets(tracker: PositionTracker) -> None:
    held: dict[str, Decimal] = {}
    reserved: dict[str, Decimal] = {}
    for order in tracker.ledger.working.values():
        held[order.hold_currency] = held.get(order.hold_currency, ZERO) + order.hold
    for reservation in tracker.ledger.reservations.values():
        currency = reservation.hold_currency
        reserved[currency] = reserved.get(currency, ZERO) + reservation.hold
    value = ZERO
    for currency, wallet in tracker.wallets.by_currency.items():
        assert wallet.held == held.get(currency, ZERO), currency
        assert wallet.reserved == reserved.get(currency, ZERO), currency
        value += (wallet.position - wallet.unpriced) * (tracker.marks.usd(currency) or ZERO)
        if currency not in tracker.books.cash:
            line = tracker.account.lines.get(currency)
            assert wallet.position == (ZERO if line is None else line.position.quantity), currency
    assert tracker.wallets.value == value
    assert tracker.orders.margin_reserved == reserved.get("", ZERO)


def stocked(**settings):
    """A desk with coins, dollars and euros, so that nothing is short of anything."""
    desk = Desk(**settings)
    for currency in ("BTC", "ETH", "USD", "EUR"):
        desk.balance(currency, 1_000_000)
    return desk.wait(10)
