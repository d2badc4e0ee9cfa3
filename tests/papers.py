"""The scenario language of the paper exchange's tests: an exchange at a fixed time, verbs with
boring defaults, and an auditor that recounts everything from the fills alone.

paper = Paper(balances={"USD": "100000"})
paper.quote("BTC-USD", "64000", "64001")
order = paper.limit("BUY", "0.1", "63990")
paper.audit()

The auditor shares no arithmetic with the exchange: it counts in fractions, from fills and terms.
"""

from collections import defaultdict
from collections.abc import Mapping
from copy import copy
from datetime import UTC, datetime, timedelta
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from fractions import Fraction
from typing import Any

import msgspec

from sidecar.core.vocabulary.money import plain, with_money
from sidecar.paper.venue.behaviour import Behaviour
from sidecar.paper.venue.event import Event, OrderChanged, Traded
from sidecar.paper.venue.exchange import Exchange
from sidecar.paper.venue.listing import Flags, Listing, catalogue
from sidecar.paper.venue.order import TERMINAL, Edit, Fill, Order
from sidecar.paper.venue.quote import Quote
from sidecar.paper.venue.request import Close, NewOrder
from sidecar.paper.venue.tape import Trade
from sidecar.paper.venue.terms import Refused

OPENING = datetime(2026, 11, 22, 13, 20, tzinfo=UTC)
BTC, ETH, CROSS, ALIAS = "BTC-USD", "ETH-USD", "ETH-BTC", "BTC-USDC"
BIP, ETP = "BIP-20DEC30-CDE", "ETP-20DEC30-CDE"
BALANCES = {"USD": "100000", "USDC": "50000", "BTC": "2", "ETH": "20"}
LISTINGS = {
    name: row
    for name, row in catalogue().items()
    if name in {BTC, ETH, CROSS, ALIAS, "ETH-USDC", BIP, ETP, "DOGE-USD"}
}

# D.4 of the API notes, with PENDING → EXPIRED passing through OPEN, and OPEN → OPEN as progress.
STATUSES = {
    "": {"PENDING"},
    "PENDING": {"QUEUED", "OPEN", "CANCEL_QUEUED", "FAILED", "FILLED", "CANCELLED"},
    "QUEUED": {"OPEN", "CANCEL_QUEUED", "FAILED", "FILLED", "CANCELLED"},
    "OPEN": {"OPEN", "EDIT_QUEUED", "CANCEL_QUEUED", "FILLED", "EXPIRED", "CANCELLED"},
    "EDIT_QUEUED": {"EDIT_QUEUED", "OPEN", "FILLED", "EXPIRED", "CANCELLED"},
    "CANCEL_QUEUED": {"CANCEL_QUEUED", "CANCELLED", "FILLED", "EXPIRED", "FAILED"},
    **{status: {status} for status in TERMINAL},  # only with a fee told late
}


def D(value: object) -> Decimal:  # noqa: N802 - a literal, written a thousand times
    return Decimal(str(value))


def kind(name: str, **fields: Any) -> dict[str, Any]:
    """An order_configuration."""
    return {name: fields}


class Paper:
    """An exchange at one moment, and what it has told so far."""

    def __init__(
        self,
        *,
        balances: Mapping[str, str] | None = None,
        fees: tuple[str, str] = ("0.012", "0.006"),
        futures_fees: tuple[str, str] | None = None,
        listings: Mapping[str, Listing] = LISTINGS,
        opening: datetime = OPENING,
        **behaviour: Any,
    ) -> None:
        self.balances = {k: D(v) for k, v in (BALANCES if balances is None else balances).items()}
        self.exchange = Exchange(
            listings,
            opening,
            balances=self.balances,
            fees=(D(fees[0]), D(fees[1])),
            futures_fees=futures_fees and (D(futures_fees[0]), D(futures_fees[1])),
            behaviour=Behaviour(**behaviour),
        )
        self.now = opening
        self.events: list[Event] = []
        self.auditor = Auditor(self)
        self._ids = 0

    # ----------------------------------------------------------------------------- time and market

    def wait(self, **duration: float) -> None:
        self.now += timedelta(**duration)
        self.exchange.advance(self.now)
        self.take_events()

    def quote(
        self,
        product_id: str,
        bid: object,
        ask: object,
        bid_size: object = 10,
        ask_size: object = 10,
    ) -> None:
        self.exchange.quote(Quote(self.now, product_id, D(bid), D(bid_size), D(ask), D(ask_size)))
        self.take_events()

    def opened(self) -> "Paper":
        """Every book with a first quote."""
        self.quote(BTC, 64000, 64001)
        self.quote(ETH, 3200, "3200.5", 100, 100)
        self.quote(CROSS, "0.05000", "0.05001", 100, 100)
        return self

    def flags(self, product_id: str, **flags: bool) -> None:
        self.exchange.set_flags(product_id, Flags(**flags), self.now)
        self.take_events()

    # ---------------------------------------------------------------------- what a client may ask

    def order(
        self,
        side: str,
        configuration: Any,
        product_id: str = BTC,
        client_order_id: str = "",
        **more: Any,
    ) -> Order:
        """Raises Refused."""
        order = self.exchange.create(
            self.request(side, configuration, product_id, client_order_id, **more), self.now
        )
        self.take_events()
        return order

    def request(
        self,
        side: str,
        configuration: Any,
        product_id: str = BTC,
        client_order_id: str = "",
        **more: Any,
    ) -> NewOrder:
        self._ids += 1
        return NewOrder(
            client_order_id=client_order_id or f"bot-{self._ids}",
            product_id=product_id,
            side=side,
            order_configuration=configuration,
            **more,
        )

    def limit(
        self, side: str, size: object, price: object, product_id: str = BTC, **more: Any
    ) -> Order:
        fields = {"base_size": str(size), "limit_price": str(price)}
        if more.pop("post_only", False):
            fields |= {"post_only": True}  # type: ignore[dict-item]
        if end := more.pop("until", None):
            return self.order(
                side,
                kind("limit_limit_gtd", **fields, end_time=end.isoformat()),
                product_id,
                **more,
            )
        return self.order(side, kind("limit_limit_gtc", **fields), product_id, **more)

    def market(self, side: str, size: object, product_id: str = BTC, **more: Any) -> Order:
        return self.order(side, kind("market_market_ioc", base_size=str(size)), product_id, **more)

    def spend(self, quote_size: object, product_id: str = BTC, **more: Any) -> Order:
        return self.order(
            "BUY", kind("market_market_ioc", quote_size=str(quote_size)), product_id, **more
        )

    def stop(
        self,
        side: str,
        size: object,
        price: object,
        stop: object,
        product_id: str = BTC,
        **more: Any,
    ) -> Order:
        up = more.pop("up", side == "BUY")
        fields = {
            "base_size": str(size), "limit_price": str(price), "stop_price": str(stop),
            "stop_direction": f"STOP_DIRECTION_STOP_{'UP' if up else 'DOWN'}",
        }  # fmt: skip
        if end := more.pop("until", None):
            return self.order(
                side,
                kind("stop_limit_stop_limit_gtd", **fields, end_time=end.isoformat()),
                product_id,
                **more,
            )
        return self.order(side, kind("stop_limit_stop_limit_gtc", **fields), product_id, **more)

    def bracket(
        self,
        side: str,
        size: object,
        price: object,
        stop: object,
        product_id: str = BTC,
        **more: Any,
    ) -> Order:
        fields = {
            "base_size": str(size), "limit_price": str(price), "stop_trigger_price": str(stop)
        }  # fmt: skip
        return self.order(side, kind("trigger_bracket_gtc", **fields), product_id, **more)

    def close(self, product_id: str = BIP, size: str | None = None) -> Order:
        self._ids += 1
        order = self.exchange.close(
            Close(client_order_id=f"close-{self._ids}", product_id=product_id, size=size), self.now
        )
        self.take_events()
        return order

    def cancel(self, order: Order | str) -> str:
        order_id = order if isinstance(order, str) else order.order_id
        why = self.exchange.cancel(order_id, self.now)
        self.take_events()
        return why

    def edit(self, order: Order | str, price: object, size: object, stop: object = 0) -> str:
        order_id = order if isinstance(order, str) else order.order_id
        edit = Edit(D(price), D(size), self.now, D(stop))
        why = self.exchange.edit(order_id, edit, self.now)
        self.take_events()
        return why

    def refusal(self, side: str, configuration: Any, product_id: str = BTC, **more: Any) -> Any:
        """The refusal of an order that must be refused, and must leave everything as it was."""
        before = fingerprint(self.exchange)
        try:
            order = self.order(side, configuration, product_id, **more)
        except Refused as refused:
            assert fingerprint(self.exchange) == before
            return refused.refusal
        raise AssertionError(f"taken: {order}")

    # --------------------------------------------------------------------------------- what there is

    def take_events(self) -> None:
        for event in self.exchange.drain():
            self.events.append(event)
            self.auditor.see(event)

    def stages(self, order: Order) -> list[str]:
        """The statuses that were told of an order, in order."""
        return [row.status for row in self.told(order)]

    def told(self, order: Order) -> list[Order]:
        return [
            event.order
            for event in self.events
            if isinstance(event, OrderChanged) and event.order.order_id == order.order_id
        ]

    def fills(self, order: Order) -> list[Fill]:
        return [row for row in self.exchange.register.fills if row.order_id == order.order_id]

    def trades(self, product_id: str = BTC) -> list[Trade]:
        return [
            event.trade
            for event in self.events
            if isinstance(event, Traded) and event.trade.book == product_id
        ]

    def children(self, order: Order) -> list[Order]:
        """The brackets that guard what this order filled."""
        rows = self.exchange.register.newest_first()
        return [row for row in rows if row.originating_order_id == order.order_id]

    def balance(self, currency: str) -> tuple[Decimal, Decimal]:
        """Available, held."""
        wallet = self.exchange.accounts.wallet(currency)
        return wallet.available, wallet.held

    def audit(self) -> None:
        self.auditor.check()


def fingerprint(exchange: Exchange) -> Any:
    """All that a refused call must not change."""
    engine = exchange.engine
    return (
        exchange.accounts.balances(),
        [copy(order) for order in exchange.register.newest_first()],
        len(exchange.register.fills),
        exchange.futures.cash,
        [copy(row) for row in exchange.futures.holdings.values()],
        engine.margin(),
        [
            (name, book.bid, book.ask, book.shown("BUY", 3), book.shown("SELL", 3))
            for name, book in exchange.books.items()
        ],
        engine.outbox[:],
        exchange.intake._number,
        exchange.due(),
        len(exchange._agenda),
    )


def state_bytes(paper: Paper) -> bytes:
    """Everything a run told and came to, byte for byte."""
    exchange = paper.exchange
    return msgspec.json.encode(
        [
            [[type(event).__name__, event] for event in paper.events],
            exchange.accounts.balances(),
            list(exchange.register.newest_first()),
            list(exchange.register.fills),
        ]
    )


# ------------------------------------------------------------------------------------------ audit


class Auditor:
    """Recounts the account and its orders with exact fractions, from fills and terms alone."""

    def __init__(self, paper: Paper) -> None:
        self._paper = paper
        self.funding = Fraction(0)  # what whoever lets time pass has counted
        self._expected = defaultdict(Fraction, {k: Fraction(v) for k, v in paper.balances.items()})
        self._contracts: dict[str, Decimal] = defaultdict(Decimal)
        self._futures_paid = Fraction(0)
        self._fills: list[Fill] = []
        self._fills_of: dict[str, list[Fill]] = defaultdict(list)
        self._changed: set[str] = set()
        self._stage: dict[str, Order] = {}
        self._limits: dict[str, set[Decimal]] = defaultdict(set)

    def moved(self, currency: str, amount: Decimal) -> None:
        """Whoever moved money without an order has counted it: in, or out if negative."""
        self._expected[currency] += Fraction(amount)

    # --------------------------------------------------------------------- as things are told

    def see(self, event: Event) -> None:
        if not isinstance(event, OrderChanged):
            return
        row = event.order
        before = self._stage.get(row.order_id)
        was = before.status if before is not None else ""
        assert row.status in STATUSES[was], f"{was} → {row.status}"
        if before is not None:
            assert row.filled >= before.filled
            assert row.fees >= before.fees
            assert row.fees_told >= before.fees_told
            assert row.updated_at >= before.updated_at
            if was in TERMINAL:
                assert ended(row) == ended(before), "an ended order changed"
        self._stage[row.order_id] = row
        self._changed.add(row.order_id)
        self._limits[row.order_id].add(row.terms.limit_price)

    # ------------------------------------------------------------------------------ at any moment

    @with_money
    def check(self, *, every_order: bool = True) -> None:
        """Recount the account; of the orders, all or those that changed since the last time."""
        exchange = self._paper.exchange
        while len(self._fills) < len(exchange.register.fills):
            fill = exchange.register.fills[len(self._fills)]
            self._fills.append(fill)
            self._fills_of[fill.order_id].append(fill)
            self._changed.add(fill.order_id)
            self._count(fill)
        if every_order:
            self._changed = {order.order_id for order in exchange.register.newest_first()}
        for order_id in self._changed:
            order = exchange.register.get(order_id)
            assert order is not None
            self._check_order(order, self._fills_of[order_id])
        self._changed.clear()
        self._check_money()
        self._check_holds()
        self._check_margin()

    def _count(self, fill: Fill) -> None:
        """What one fill brings and costs."""
        listing = self._paper.exchange.listings[fill.product_id]
        sign = 1 if fill.side == "BUY" else -1
        value, fee = Fraction(fill.price) * Fraction(fill.size), Fraction(fill.commission)
        if listing.contract is not None:
            self._contracts[fill.product_id] += sign * fill.size
            self._futures_paid += sign * value * Fraction(listing.contract.contract_size) + fee
            return
        base, _, quote = fill.product_id.partition("-")
        self._expected[base] += sign * Fraction(fill.size)
        self._expected[quote] -= sign * value + fee

    def _check_order(self, order: Order, fills: list[Fill]) -> None:
        told = self._stage[order.order_id]
        assert ended(told) == ended(order), "an order changed and nothing was told"
        assert order.is_open == (order.order_id in self._paper.exchange.register.open)
        terms, value = order.terms, Fraction(0)
        for fill in fills:
            assert fill.size > 0
            assert fill.price > 0
            assert fill.commission >= 0
            assert fill.side == order.side
            value += Fraction(fill.price) * Fraction(fill.size) * Fraction(order.multiplier)
            self._check_price(order, fill)
            assert not terms.post_only or fill.is_maker, "a post-only order took"
            cost = Fraction(fill.price) * Fraction(fill.size) * Fraction(order.multiplier)
            assert Fraction(fill.commission) <= cost * Fraction(order.fee_cap)
        assert sum(Fraction(fill.size) for fill in fills) == Fraction(order.filled)
        assert value == Fraction(order.value)
        assert sum(Fraction(fill.commission) for fill in fills) == Fraction(order.fees)
        assert len(fills) == order.fills
        if terms.size:
            assert order.filled <= terms.size
            assert (order.status == "FILLED") == (order.filled == terms.size)
        else:
            assert value + Fraction(order.fees) <= Fraction(terms.quote_size)
        if terms.time_in_force == "FILL_OR_KILL":
            assert order.filled in {0, terms.size}
        if order.status == "FAILED":
            assert not fills

    def _check_price(self, order: Order, fill: Fill) -> None:
        """No fill beyond any limit the order has had; brackets' stops are limits 5 % beyond."""
        limits = set(self._limits[order.order_id]) | {order.terms.limit_price}
        if order.side == "BUY":
            assert fill.price <= max(limits)
        else:
            assert fill.price >= min(limits)

    def _check_money(self) -> None:
        """Every wallet is what it was at first, and what the fills brought and cost."""
        exchange = self._paper.exchange
        expected = dict(self._expected)
        futures = self.funding - self._futures_paid
        for product_id, held in self._contracts.items():
            row = exchange.futures.holdings[product_id]
            assert row.contracts == held
            assert held or not row.cost
            futures += Fraction(row.cost)
        wallets = {row.currency: row for row in exchange.accounts}
        for wallet in wallets.values():
            assert wallet.available >= 0
            assert wallet.held >= 0
        totals = {name: Fraction(row.total) for name, row in wallets.items()}
        # Only dollars go to and fro between the spot and the futures account.
        totals["USD"] = totals.get("USD", Fraction(0)) + Fraction(exchange.futures.cash)
        expected["USD"] = expected.get("USD", Fraction(0)) + futures
        for name in {*totals, *expected}:
            assert totals.get(name, 0) == expected.get(name, 0), name

    def _check_holds(self) -> None:
        exchange = self._paper.exchange
        needed: dict[str, Fraction] = defaultdict(Fraction)
        for order in exchange.register.open.values():
            if order.is_future:
                assert order.held == 0
                continue
            base, _, quote = order.product_id.partition("-")
            name, need = (quote, need_to_buy(order)) if order.side == "BUY" else (base, left(order))
            needed[name] += need
            assert Fraction(order.held) == need
        for wallet in exchange.accounts:
            assert Fraction(wallet.held) == needed[wallet.currency], wallet.currency

    def _check_margin(self) -> None:
        exchange = self._paper.exchange
        margin = exchange.engine.margin()
        initial = orders_hold = Fraction(0)
        for product_id, listing in exchange.listings.items():
            if listing.contract is None:
                continue
            held = Fraction(exchange.futures.contracts(product_id))
            sizes = {"BUY": Fraction(0), "SELL": Fraction(0)}
            for order in exchange.register.open.values():
                if order.product_id == product_id:
                    sizes[order.side] += left(order)
            worst = max(abs(held + sizes["BUY"]), abs(held - sizes["SELL"]), abs(held))
            unit = (
                mark_of(exchange, product_id)
                * Fraction(listing.contract.contract_size)
                * Fraction(listing.contract.intraday_margin_rate)
            )
            initial += abs(held) * unit
            orders_hold += (worst - abs(held)) * unit
        assert Fraction(margin.initial) == initial
        assert Fraction(margin.orders_hold) == orders_hold


def ended(order: Order) -> Order:
    """An order without what may still change once it has ended."""
    row = copy(order)
    row.fees_told, row.updated_at, row.attached_order_id = Decimal(0), OPENING, ""
    row.queue_ahead, row.pending_cancel, row.replacing = Decimal(0), False, None
    row.entered = True
    return row


def left(order: Order) -> Fraction:
    return Fraction(order.terms.size) - Fraction(order.filled)


def mark_of(exchange: Exchange, product_id: str) -> Fraction:
    """Middle of what a contract's book shows; else its last trade, or where it began."""
    book = exchange.books[product_id]
    bids, asks = book.shown("BUY", 1), book.shown("SELL", 1)
    if bids and asks:
        return (Fraction(bids[0].price) + Fraction(asks[0].price)) / 2
    return Fraction(book.tape.last or exchange.listings[product_id].price)


def need_to_buy(order: Order) -> Fraction:
    """What a buy may still cost, from its terms."""
    terms = order.terms
    if terms.quote_size:
        return Fraction(terms.quote_size) - Fraction(order.value) - Fraction(order.fees)
    price = Fraction(terms.limit_price)
    if terms.order_type == "BRACKET" and not order.triggered:
        price = max(price, Fraction(terms.stop_price) * Fraction(105, 100))
    return left(order) * price * (1 + Fraction(order.fee_cap))


def snap(value: float | Decimal, step: Decimal, *, up: bool = False) -> str:
    """A price or size on its increment, as text."""
    steps = (D(value) / step).to_integral_value(ROUND_CEILING if up else ROUND_FLOOR)
    return plain(max(steps, Decimal(1)) * step)
