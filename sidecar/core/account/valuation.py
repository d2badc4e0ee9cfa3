"""An order's worst case: size, price, USD notional, and the funds it binds. No I/O.

A market order is taken as a limit order at the far touch plus slippage. A buy is worth its limit
price; a sell the larger of limit and mark. A quote-sized order buys at most its quote size at the
better of limit and mid.
"""

from decimal import Decimal

from msgspec import Struct

from sidecar.core.account.marks import DOLLAR, Marks
from sidecar.core.account.working import Leg
from sidecar.core.vocabulary.events import Quote
from sidecar.core.vocabulary.money import ONE, ZERO, ceil_to
from sidecar.core.vocabulary.order_body import Side
from sidecar.core.vocabulary.orders import BUY, OPPOSITE, Order
from sidecar.core.vocabulary.products import Product


class Worth(Struct, frozen=True):
    """An order's worst case. Sizes in order units, prices in quote currency, notional in USD.

    `valued_at` is the price that the notional is taken at. The unit figures are those of one order
    unit: the whole is linear in size. `hold` is the amount that Coinbase binds, in `hold_currency`
    ("" for futures, whose margin is Coinbase's own). None stands for a figure that needs a missing
    quote.
    """

    base_size: Decimal | None
    price: Decimal | None
    valued_at: Decimal | None
    unit_notional: Decimal | None
    notional: Decimal | None
    hold_currency: str
    unit_hold: Decimal | None
    hold: Decimal | None


def worth_of(
    order: Order, product: Product, marks: Marks, slippage: Decimal, fee_rate: Decimal
) -> Worth:
    """Value an order not yet sent. Needs no quote where the order itself says enough."""
    if order.quote_size is not None:
        return _quote_sized(order, product, marks, slippage, fee_rate)
    mid = marks.mids.get(product.book)
    price, size = order.ceiling_price, order.base_size
    assert size is not None
    if price is None:
        price = _far_touch(order.side, marks.quotes.get(product.book), slippage)
    valued_at = price
    if order.side != BUY and mid is not None and (price is None or price < mid.value):
        valued_at = mid.value
    to_usd = marks.by_key.get(product.quote)
    unit_notional = notional = None
    if valued_at is not None and to_usd is not None:
        unit_notional = valued_at if to_usd is DOLLAR else valued_at * to_usd.value
        if product.is_future:
            unit_notional *= product.contract_size
        notional = unit_notional * size
    if product.is_future:
        return Worth(size, price, valued_at, unit_notional, notional, "", None, None)
    if order.side != BUY:
        return Worth(size, price, valued_at, unit_notional, notional, product.base, ONE, size)
    if price is None:
        return Worth(size, price, valued_at, unit_notional, notional, product.quote, None, None)
    unit_hold = price * (ONE + fee_rate)
    return Worth(
        size, price, valued_at, unit_notional, notional, product.quote, unit_hold, unit_hold * size
    )


def _quote_sized(
    order: Order, product: Product, marks: Marks, slippage: Decimal, fee_rate: Decimal
) -> Worth:
    """The most base that the quote size can move: at the lowest price that can be met.

    Coinbase takes the fee of a market buy out of the quote size (`size_inclusive_of_fees`), so that is
    all it binds. A limit order is for the base that its quote size buys at its limit price; the fee comes
    on top, as for any limit order.
    """
    quote_size = order.quote_size
    assert quote_size is not None
    mid, to_usd = marks.mids.get(product.book), marks.usd(product.quote)
    prices = [] if order.limit_price is None else [order.limit_price]
    if order.side == BUY and mid is not None:
        prices.append(mid.value)
    if not prices:
        return Worth(None, None, None, None, None, "", None, None)
    lowest = min(prices)
    size = ceil_to(quote_size / (lowest * product.contract_size), product.base_increment)
    rate = None if to_usd is None else to_usd * product.contract_size
    unit_notional = None if rate is None else lowest * rate
    notional = None if to_usd is None else quote_size * to_usd
    price = order.ceiling_price
    if price is None:
        price = _far_touch(order.side, marks.quotes.get(product.book), slippage)
    if product.is_future:
        return Worth(size, price, lowest, unit_notional, notional, "", None, None)
    if order.side != BUY:
        return Worth(size, price, lowest, unit_notional, notional, product.base, ONE, size)
    with_fee = ONE if order.is_market else ONE + fee_rate
    unit_hold, hold = lowest * with_fee, quote_size * with_fee
    return Worth(size, price, lowest, unit_notional, notional, product.quote, unit_hold, hold)


def listed_price(order: Order, quote: Quote | None) -> Decimal | None:
    """The price, in quote currency, at which Coinbase takes an order's worth for its bounds on that: its
    limit price (of a bracket, its target), of a market order the price on the other side as it stands.
    """
    price = order.limit_price
    if price is not None or quote is None:
        return order.given_limit if order.prices else price
    return quote.ask if order.side == BUY else quote.bid


def _far_touch(side: Side, quote: Quote | None, slippage: Decimal) -> Decimal | None:
    if quote is None:
        return None
    touch = quote.ask * (ONE + slippage) if side == BUY else quote.bid * (ONE - slippage)
    return touch if touch > ZERO else None


def money_of(
    side: Side, legs: tuple[Leg, ...], hold_currency: str, hold: Decimal
) -> tuple[str, Decimal]:
    """The money that an order is to turn into a position, by its currency: the hold of a purchase, and the coins that
    the sale of a coin pair brings; none of a future.
    """
    if side == BUY:
        return hold_currency, hold if hold_currency else ZERO
    return (legs[1].key, legs[1].quantity) if len(legs) > 1 else ("", ZERO)


def legs_of(
    product: Product, side: Side, size: Decimal, price: Decimal | None, cash: frozenset[str]
) -> tuple[Leg, ...]:
    """The changes of exposure keys by `size` order units.

    One leg, or two when the quote currency is a coin (ETH-BTC).
    """
    if product.is_future:
        return (Leg(product.key, side, size * product.contract_size),)
    leg = Leg(product.base, side, size)
    if product.quote in cash:
        return (leg,)
    coins = size * (price or ZERO)
    return (leg, Leg(product.quote, OPPOSITE[side], coins))
