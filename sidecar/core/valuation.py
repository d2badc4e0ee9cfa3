"""What an order is worth at worst: size, price, USD notional, and the funds it binds. No I/O.

A market order is taken as a limit order at the far touch plus slippage. A buy is worth its limit
price; a sell the larger of limit and mark. A quote-sized order buys at most its quote size at the
better of limit and mid.
"""

from decimal import Decimal

from msgspec import Struct

from sidecar.core.events import Quote
from sidecar.core.marks import Marks
from sidecar.core.money import ONE, ZERO, ceil_to
from sidecar.core.order_body import Side
from sidecar.core.orders import BUY, OPPOSITE, Order
from sidecar.core.products import Product
from sidecar.core.working import Leg


class Worth(Struct, frozen=True):
    """An order's worst case. Sizes in order units, `quantity` in base units, prices in quote
    currency, the rest USD.

    `unit_notional` is the notional of one order unit and `unit_hold` the funds it binds, in
    `hold_currency` ("" for futures, whose margin is Coinbase's): both are linear in size. None
    stands for what no quote can tell.
    """

    base_size: Decimal | None
    price: Decimal | None
    unit_notional: Decimal | None
    hold_currency: str
    unit_hold: Decimal | None

    @property
    def notional(self) -> Decimal | None:
        if self.unit_notional is None or self.base_size is None:
            return None
        return self.unit_notional * self.base_size

    @property
    def hold(self) -> Decimal | None:
        return (
            None
            if self.unit_hold is None or self.base_size is None
            else self.unit_hold * self.base_size
        )


def worth_of(
    order: Order, product: Product, marks: Marks, slippage: Decimal, fee_rate: Decimal
) -> Worth:
    """Value an order not yet sent. Needs no quote where the order itself says enough."""
    quote = marks.quotes.get(product.book)
    mid = marks.mids.get(product.book)
    mid_price = None if mid is None else mid.value
    price = (
        order.ceiling_price
        if order.ceiling_price is not None
        else _far_touch(order.side, quote, slippage)
    )
    valued_at = price
    if order.side != BUY and mid_price is not None and (price is None or price < mid_price):
        valued_at = mid_price
    base_size = order.base_size
    if base_size is None:
        base_size = _base_for_quote(order, product, mid_price)
    to_usd = marks.usd(product.quote)
    unit_notional = None
    if valued_at is not None and to_usd is not None:
        unit_notional = valued_at * to_usd * product.contract_size
        if order.quote_size is not None and base_size:
            unit_notional = order.quote_size * to_usd / base_size
    if product.is_future:
        return Worth(base_size, price, unit_notional, "", None)
    if order.side != BUY:
        return Worth(base_size, price, unit_notional, product.base, ONE)
    if order.quote_size is not None:  # Coinbase takes the fee out of the quote size
        unit_hold = order.quote_size / base_size if base_size else None
    else:
        unit_hold = None if price is None else price * (ONE + fee_rate)
    return Worth(base_size, price, unit_notional, product.quote, unit_hold)


def _far_touch(side: Side, quote: Quote | None, slippage: Decimal) -> Decimal | None:
    if quote is None:
        return None
    touch = quote.ask * (ONE + slippage) if side == BUY else quote.bid * (ONE - slippage)
    return touch if touch > ZERO else None


def _base_for_quote(order: Order, product: Product, mid: Decimal | None) -> Decimal | None:
    """The most base that quote_size can move: at the lowest price that can be met."""
    assert order.quote_size is not None
    prices = [price for price in (order.limit_price, mid) if price is not None]
    lowest = min(prices, default=None) if order.side == BUY else order.limit_price
    return None if lowest is None else ceil_to(order.quote_size / lowest, product.base_increment)


def legs_of(
    product: Product, side: Side, size: Decimal, price: Decimal | None, cash: frozenset[str]
) -> tuple[Leg, ...]:
    """What `size` order units do to exposure keys.

    One leg, or two when the quote currency is a coin (ETH-BTC).
    """
    if product.is_future:
        return (Leg(product.key, side, size * product.contract_size),)
    leg = Leg(product.base, side, size)
    if product.quote in cash:
        return (leg,)
    coins = size * (price or ZERO)
    return (leg, Leg(product.quote, OPPOSITE[side], coins))
