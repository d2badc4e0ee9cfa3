"""Terms: up to which size and price an order is approved, and the terms that an order shows. No
I/O.

An approval covers an order no larger and no worse in price. Terms that a fact does not tell are not
judged: a frame without a limit price, or a fill, says less than a whole report.
"""

from decimal import Decimal
from typing import Final

from msgspec import Struct

from sidecar.core.vocabulary.events import FillReported, OrderReported
from sidecar.core.vocabulary.money import ZERO, readable
from sidecar.core.vocabulary.order_body import Side
from sidecar.core.vocabulary.order_status import is_terminal
from sidecar.core.vocabulary.orders import BRACKETS, BUY, Order

# The value paid is an average price, which Coinbase rounds, times a quantity.
ROUNDING: Final = Decimal("1.001")
# An order edited again and again is remembered under its latest terms: a late frame, which shows
# older ones, is at most a few edits late.
TERMS_MAX: Final = 8


class Shown(Struct, frozen=True):
    """The terms of an order as a fact shows them. None: not told.

    `size` in order units; `is_whole` says that it is the whole size and not only the filled part,
    `is_stated` that the order names it: the rest of an order sized in quote currency is Coinbase's
    estimate. `paid` is the value filled, in quote currency.
    """

    side: Side
    size: Decimal | None = None
    price: Decimal | None = None
    stop: Decimal | None = None
    paid: Decimal = ZERO
    is_whole: bool = False
    is_stated: bool = False
    is_market: bool = False


class Terms(Struct, frozen=True, omit_defaults=True):
    """Up to which size (order units) and price (quote currency) an order needs no alert: it was
    approved so, or it was not `approved` and the operator has been told.

    `price` is the highest of a buy, the lowest of a sell. None leaves size or price open. A
    bracket's `stop` decides where it trades as its limit price does. With `quote_size` the order
    was to be sized in quote currency, and `size` is the most that can bring.
    """

    size: Decimal | None = None
    price: Decimal | None = None
    stop: Decimal | None = None
    quote_size: Decimal | None = None
    approved: bool = True

    def excess(self, shown: Shown) -> str:
        """The excess over these terms, in words; empty where they cover all that is shown."""
        size = shown.size
        if self.quote_size is not None:
            if shown.paid > self.quote_size * ROUNDING:
                return f"larger than approved: {readable(self.quote_size)} in quote currency"
            size = size if shown.is_stated else None
        if size is not None and self.size is not None and size > self.size:
            return f"larger than approved {readable(self.size)}"
        if self.price is not None and shown.is_market:
            return f"a market order where a limit of {readable(self.price)} was approved"
        if _is_worse(shown.side, shown.price, self.price):
            return f"price worse than approved {readable(self.price or ZERO)}"
        if _is_worse(shown.side, shown.stop, self.stop):
            return f"stop price worse than approved {readable(self.stop or ZERO)}"
        return ""


def _is_worse(side: Side, price: Decimal | None, approved: Decimal | None) -> bool:
    if price is None or approved is None:
        return False
    return price > approved if side == BUY else price < approved


def approved_terms(order: Order, most: Decimal) -> Terms:
    """The terms that the approval of this order covers; `most` is the size, in order units, that
    was judged.
    """
    return Terms(
        size=most,
        price=order.limit_price,
        stop=order.stop_price if order.kind in BRACKETS else None,
        quote_size=order.quote_size,
    )


def told_terms(shown: Shown) -> Terms:
    """Terms that need not be told again: the order as it was shown, open where the fact is silent.

    A market order cannot be edited; of one sized in quote currency the size is a moving estimate.
    """
    size = shown.size if shown.is_whole and not shown.is_market else None
    return Terms(size=size, price=shown.price, stop=shown.stop, approved=False)


def with_terms(known: tuple[Terms, ...], new: Terms) -> tuple[Terms, ...]:
    """Terms and the new ones last. The told and the approved do not crowd each other out."""
    same = [terms for terms in known if terms.approved == new.approved and terms != new]
    others = [terms for terms in known if terms.approved != new.approved]
    return (*others, *same[1 - TERMS_MAX :], new)


def shown_by(fact: OrderReported | FillReported, listed: Decimal, paid: Decimal) -> Shown:
    """The terms that a fact shows; `listed` and `paid` are quantity and value of the order's fills
    so far.
    """
    if isinstance(fact, FillReported):
        return Shown(side=fact.side, size=listed, paid=paid)
    size, is_whole = fact.base_size, True
    if size is None and fact.leaves is not None and not is_terminal(fact.status):
        size = fact.filled + fact.leaves
    if size is None:
        size, is_whole = fact.filled, False
    return Shown(
        side=fact.side,
        size=max(size, fact.filled),
        price=fact.limit_price or None,
        stop=fact.stop_price or None,
        paid=fact.filled * fact.average_price,
        is_whole=is_whole,
        is_stated=fact.base_size is not None,
        is_market=fact.is_market,
    )
