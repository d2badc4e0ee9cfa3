"""Selling: from what is held of a key to the orders that would sell it. No I/O."""

from collections.abc import Iterator
from datetime import datetime
from decimal import Decimal
from typing import Final

from sidecar.core.attempts import Attempt
from sidecar.core.episode import Episode
from sidecar.core.events import Quote
from sidecar.core.money import ONE, TWO, ZERO, ceil_to, floor_to
from sidecar.core.orders import BUY, OWN_PREFIX, SELL
from sidecar.core.sales import Holding, pieces

PIECES_A_ROUND: Final = 10  # of one key; the rest follows when these are over
CONCEDED_MAX: Final = ONE / TWO  # of the bid: a limit further through it says nothing any more
PRICED: Final = frozenset({"limit", "post_only", "auction"})


def attempts_for(
    episode: Episode, holding: Holding, quote: Quote | None, slippage: Decimal, now: datetime
) -> Iterator[Attempt]:
    """One order, or several where one would be too large for Coinbase; none while it takes a limit
    price and no quote is known. Their ids follow from episode, product and number.
    """
    product, row = holding.product, episode.rows[holding.key]
    assert product is not None
    price = _price(holding, quote, slippage * (row.priced + 1))
    if price is None and holding.way in PRICED:
        return
    row.priced += price is not None
    largest = floor_to(product.base_max_size or ZERO, product.base_increment)  # 0: no bound
    is_whole = holding.way == "close" and not (largest and holding.size > largest)
    for size in pieces(holding.size, largest, PIECES_A_ROUND):
        row.attempts += 1
        yield Attempt(
            client_order_id=(
                f"{OWN_PREFIX}{episode.trigger.episode}-{product.product_id}-{row.attempts}"
            ),
            product_id=product.product_id,
            key=holding.key,
            side=SELL if holding.quantity > ZERO else BUY,
            way=holding.way,
            size=None if is_whole else size,
            price=price,
            first_sent=now,
        )


def _price(holding: Holding, quote: Quote | None, conceded: Decimal) -> Decimal | None:
    """The limit of what is not sold at any price: through the bid, further each time; where
    only makers may sell, the ask.
    """
    product = holding.product
    if quote is None or product is None or holding.way not in PRICED:
        return None
    increment = product.price_increment
    if holding.way == "post_only":
        return ceil_to(quote.ask, increment)
    return floor_to(quote.bid * (ONE - min(conceded, CONCEDED_MAX)), increment) or increment
