"""Resting: the prices of the account's own orders in one book, so that the nearest is found at once. No I/O."""

from bisect import bisect_left, bisect_right, insort
from decimal import Decimal

from sidecar.core.vocabulary.order_body import Side
from sidecar.core.vocabulary.orders import SELL


class Resting:
    """Prices of own orders on one side of one book, best first found in O(log n)."""

    __slots__ = ("prices",)

    def __init__(self) -> None:
        self.prices: list[Decimal] = []

    def add(self, price: Decimal) -> None:
        insort(self.prices, price)

    def remove(self, price: Decimal) -> None:
        place = bisect_left(self.prices, price)
        assert self.prices[place] == price, "no order rests at this price"
        del self.prices[place]

    def beyond(self, side: Side, touch: Decimal) -> Decimal | None:
        """The lowest sell at this price or above, or the highest buy at it or below."""
        if side == SELL:
            index = bisect_left(self.prices, touch)
            return self.prices[index] if index < len(self.prices) else None
        index = bisect_right(self.prices, touch)
        return self.prices[index - 1] if index else None

    def best(self, side: Side) -> Decimal | None:
        """The lowest sell, or the highest buy."""
        if not self.prices:
            return None
        return self.prices[0] if side == SELL else self.prices[-1]
