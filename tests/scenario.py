"""The scenario language of the core's tests: boring defaults, virtual time, given events → expect actions.

world = World(max_order_notional=5000)
world.quote("BTC-USD", 64000)
assert world.ask(limit_order(size="0.1", price="64000")).codes == ("MAX_ORDER_NOTIONAL",)
"""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import count
from typing import Any

from sidecar.core.account.position_tracker import PositionTracker
from sidecar.core.context.settings import Settings
from sidecar.core.risk_manager import DEFAULT_SETTINGS, RiskManager
from sidecar.core.vocabulary import events as ev
from sidecar.core.vocabulary.actions import Action
from sidecar.core.vocabulary.decision import Decision
from sidecar.core.vocabulary.limits import Limits
from sidecar.core.vocabulary.products import Product

START = datetime(2026, 11, 22, 13, 0, tzinfo=UTC)  # a Sunday, 08:00 in New York: a day begins
FUTURE = "BIT-26FEB27-CDE"
NUMBERS = count(1)


def D(value: object) -> Decimal:  # noqa: N802 - a literal, written a thousand times
    return Decimal(str(value))


def product(product_id: str, **changes: Any) -> Product:
    """A product like Coinbase's: fine increments, wide bounds."""
    base, _, quote = product_id.partition("-")
    fields: dict[str, Any] = {
        "product_id": product_id, "base": base, "quote": quote, "base_increment": D("0.00000001"),
        "quote_increment": D("0.01"), "price_increment": D("0.01"), "base_min_size": D("0.00001"),
        "base_max_size": D("3400"), "quote_min_size": D("1"), "quote_max_size": D("150000000"),
    }  # fmt: skip
    return Product(**fields | changes)


def future(product_id: str = FUTURE, **changes: Any) -> Product:
    """A contract on 0.01 BTC."""
    fields: dict[str, Any] = {
        "base": "BTC", "quote": "USD", "is_future": True, "contract_size": D("0.01"), "base_increment": D(1),
        "base_min_size": D(1), "base_max_size": D(10000), "price_increment": D(5), "margin_rate": D("0.25"),
        "session_open": True,
    }  # fmt: skip
    return product(product_id, **fields | changes)


PRODUCTS = (
    product("BTC-USD"), product("BTC-USDC", alias="BTC-USD"), product("BTC-EUR"), product("ETH-USD"),
    product("ETH-BTC", price_increment=D("0.00001"), quote_min_size=D("0.00001")), product("USDC-EUR", price_increment=D("0.0001")), future(),
)  # fmt: skip


def order(
    kind: str = "limit_limit_gtc",
    side: str = "BUY",
    product_id: str = "BTC-USD",
    name: str | None = None,
    **fields: Any,
) -> dict[str, Any]:
    """A create-order body."""
    return {
        "client_order_id": name or f"bot-{next(NUMBERS)}", "product_id": product_id, "side": side,
        "order_configuration": {kind: fields},
    }  # fmt: skip


def limit_order(size: object = "0.01", price: object = "64000", **fields: Any) -> dict[str, Any]:
    return order(base_size=str(size), limit_price=str(price), **fields)


def market_order(size: object = "0.01", **fields: Any) -> dict[str, Any]:
    return order("market_market_ioc", base_size=str(size), **fields)


class World:
    """A RiskManager on virtual time, with products, 100,000 USD and quotes, and verbs for what may happen."""

    def __init__(
        self,
        *,
        keep: dict[str, Decimal | None] | None = None,
        settings: Settings = DEFAULT_SETTINGS,
        products: Sequence[Product] = PRODUCTS,
        cash: object = "100000",
        start: datetime = START,
        **limits: Any,
    ) -> None:
        self.now = start
        self.tracker = PositionTracker(keep=keep)
        self.manager = RiskManager(
            Limits(**limits), self.tracker, clock=lambda: self.now, settings=settings
        )
        self.actions: list[Action] = []
        if products:
            self.send(ev.ProductsListed, products=tuple(products))
            if not settings.connected:
                self.balance("USD", cash)
                self.quote("BTC-USD", 64000)
                self.quote("ETH-USD", 2000)
                self.quote("USDC-EUR", "0.8")
                self.quote(FUTURE, 64000)

    def handle(self, event: ev.Event) -> list[Action]:
        self.actions = self.manager.handle(event)
        return self.actions

    def send(self, kind: type[ev.Event], **fields: Any) -> list[Action]:
        return self.handle(kind(at=self.now, **fields))

    def wait(self, seconds: float = 0, *, to: datetime | None = None) -> list[Action]:
        self.now = to or self.now + timedelta(seconds=seconds)
        return self.send(ev.ClockAdvanced)

    def quote(
        self, product_id: str, bid: object, ask: object | None = None, size: object | None = None
    ) -> list[Action]:
        """`size` is what is offered on either side; None: not told."""
        low, high = D(bid), D(bid if ask is None else ask)
        offered = None if size is None else D(size)
        quote = ev.Quote(product_id, low, high, self.now, offered, offered)
        return self.send(ev.Quotes, quotes=(quote,))

    def depth(
        self,
        product_id: str = "BTC-USD",
        *,
        bids: Iterable[tuple[object, object]] = ((63_990, 1), (63_900, 10)),
        asks: Iterable[tuple[object, object]] = ((64_010, 1), (64_100, 10)),
    ) -> list[Action]:
        """Both sides of a book, as (price, size), best first."""
        below, above = (tuple((D(price), D(size)) for price, size in side) for side in (bids, asks))
        return self.send(ev.DepthSeen, books=(ev.Depth(product_id, below, above, self.now),))

    def stand(self, product_id: str, price: object) -> list[Action]:
        """Quote a price until it is confirmed: three times within two seconds; all actions."""
        actions = self.quote(product_id, price)
        for _ in range(2):
            actions = actions + self.wait(1) + self.quote(product_id, price)
        return actions

    def balance(
        self, currency: str, available: object, hold: object = 0, **fields: Any
    ) -> list[Action]:
        balance = ev.Balance(currency, D(available), D(hold), **fields)
        return self.send(ev.BalancesRead, balances=(balance,), fills_until=self.now)

    def fill(
        self, side: str, size: object, price: object, *, fee: object = 0, **fields: Any
    ) -> list[Action]:
        number = next(NUMBERS)
        known = {
            "product_id": "BTC-USD",
            "order_id": f"fill-{number}",
            "entry_id": f"e{number}",
        } | fields
        return self.send(
            ev.FillReported, side=side, size=D(size), price=D(price), commission=D(fee), **known
        )

    def report(self, order_id: str, *, status: str = "OPEN", **fields: Any) -> list[Action]:
        """A frame of the user channel. Numbers may be plain; they become Decimals."""
        known: dict[str, Any] = {"product_id": "BTC-USD", "side": "BUY"} | fields
        numbers = (
            "filled",
            "average_price",
            "fees",
            "leaves",
            "base_size",
            "limit_price",
            "stop_price",
        )
        known |= {name: D(known[name]) for name in numbers if known.get(name) is not None}
        return self.send(ev.OrderReported, order_id=order_id, status=status, **known)

    def ask(self, body: Any, **fields: Any) -> Decision:
        return self.manager.validate_order(body, **fields)

    def hold(self, size: object = 1, price: object = 64000, product_id: str = "BTC-USD") -> None:
        """Buy without a fee, at the mark."""
        self.fill("BUY", size, price, product_id=product_id)

    @property
    def position(self) -> Decimal:
        line = self.tracker.account.lines.get("BTC")
        return D(0) if line is None else line.position.quantity
