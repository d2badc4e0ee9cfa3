"""Selling: from the holding of a key to the orders that would sell it. No I/O."""

from collections.abc import Iterator
from datetime import datetime
from decimal import Decimal
from typing import Final

from sidecar.core.liquidation.attempts import Attempt
from sidecar.core.liquidation.episode import Episode
from sidecar.core.liquidation.sales import Holding, pieces
from sidecar.core.vocabulary.events import Quote
from sidecar.core.vocabulary.money import ONE, TWO, ZERO, ceil_to, floor_to
from sidecar.core.vocabulary.orders import BUY, OWN_PREFIX, SELL

PIECES_A_ROUND: Final = 10  # of one key; the rest follows when these are over
CONCEDED_MAX: Final = ONE / TWO  # of the bid: a limit further through it is none any more
HALVED_AFTER: Final = 2  # rounds that lacked funds: a balance may lag for one
HALVED_MAX: Final = 20  # times; then it is Coinbase's minimum
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
    for size in pieces(_funded(episode, holding), largest, PIECES_A_ROUND):
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


def _funded(episode: Episode, holding: Holding) -> Decimal:
    """The quantity to be tried: all of it; half as much each time after two rounds in a row that
    lacked funds. One balance as told may lie in several wallets, of which an order takes from one.
    """
    product, rounds = holding.product, set[datetime]()
    assert product is not None
    mine = [one for one in episode.attempts.values() if one.key == holding.key]
    for attempt in reversed(mine):
        if not attempt.lacked_funds:
            break
        rounds.add(attempt.first_sent)
    if len(rounds) < HALVED_AFTER or holding.way == "close":
        return holding.size
    share = TWO ** min(len(rounds) - HALVED_AFTER + 1, HALVED_MAX)
    part = floor_to(holding.size / share, product.base_increment)
    return max(part, min(product.base_min_size, holding.size))


def _price(holding: Holding, quote: Quote | None, conceded: Decimal) -> Decimal | None:
    """The limit of a sale that is not at market: through the bid, further each time; where
    only makers may sell, the ask.
    """
    product = holding.product
    if quote is None or product is None or holding.way not in PRICED:
        return None
    increment = product.price_increment
    if holding.way == "post_only":
        return ceil_to(quote.ask, increment)
    return floor_to(quote.bid * (ONE - min(conceded, CONCEDED_MAX)), increment) or increment
