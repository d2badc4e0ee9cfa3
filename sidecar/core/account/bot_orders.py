"""BotOrders: how many orders of each bot work or are reserved. No I/O."""

from collections.abc import Sequence

from sidecar.core.account.working import Leg

# A bot, "all", "product" or "strategy", and the name of the latter: an exposure key, a strategy.
Place = tuple[str, str, str]


class BotOrders:
    """Counts for each bot: of all its orders, of those on one key, of those of one strategy. As in the account's own
    count, an order counts once, on the key that it is first of.
    """

    def __init__(self) -> None:
        self.counts: dict[Place, int] = {}

    def work(self, bot: str, legs: Sequence[Leg], strategy_id: str | None, orders: int) -> None:
        """So many orders of the bot more, or fewer where negative."""
        if not (bot and legs and orders):
            return
        self._count((bot, "all", ""), orders)
        self._count((bot, "product", legs[0].key), orders)
        if strategy_id is not None:
            self._count((bot, "strategy", strategy_id), orders)

    def _count(self, place: Place, orders: int) -> None:
        left = self.counts.get(place, 0) + orders
        assert left >= 0, "more orders of a bot have ended than were open"
        if left:
            self.counts[place] = left
        else:
            del self.counts[place]

    def of(self, bot: str, kind: str, name: str) -> int:
        """How many orders work or are reserved: of all (`name` empty), on a key, of a strategy."""
        return self.counts.get((bot, kind, name), 0)
