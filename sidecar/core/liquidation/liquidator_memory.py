"""LiquidatorMemory: all flattenings under way, the orders of theirs and of those before, and the last readings.

No I/O.
"""

from datetime import datetime
from decimal import Decimal
from itertools import islice
from typing import Final

from msgspec import Struct

from sidecar.core.liquidation.attempts import Attempt
from sidecar.core.liquidation.episode import Episode
from sidecar.core.vocabulary.events import Balance
from sidecar.core.vocabulary.reports import LiquidationReport

ENDED_MAX: Final = 200  # orders of past flattenings: more than one takes


class LiquidatorMemory(Struct, kw_only=True):
    """The memory of the liquidator that survives a restart. Episodes by their key, "" for the
    account's.

    `balances` and `contracts` are as Coinbase last stated them, and when; `contracts` None: not
    stated yet. `readings` counts those asked for.
    """

    readings: int = 0
    unread: tuple[str, ...] = ()  # orders that Coinbase lists as open and that could not be read
    lists_all: bool = True  # whether its last listing of them was complete
    dropped: dict[str, Attempt] = {}  # orders of an aborted flattening that may still trade
    ended: dict[str, Attempt] = {}  # the last orders of flattenings that are over
    episodes: dict[str, Episode] = {}
    balances: dict[str, Balance] = {}
    balances_at: datetime | None = None
    contracts: dict[str, Decimal] | None = None
    last: LiquidationReport | None = None

    def covering(self, key: str | None) -> Episode | None:
        """The flattening under way that one of this key would be a part of."""
        return self.episodes.get("") or (self.episodes.get(key) if key is not None else None)

    def attempt(self, client_order_id: str) -> Attempt | None:
        """The order of a flattening under way that was sent under this id."""
        for episode in self.episodes.values():
            if (attempt := episode.attempts.get(client_order_id)) is not None:
                return attempt
        return None

    def sent(self, client_order_id: str) -> Attempt | None:
        """The order that was sent under this id, by a flattening under way or one before it."""
        attempt = self.attempt(client_order_id)
        return attempt or self.dropped.get(client_order_id) or self.ended.get(client_order_id)

    def keep_in_mind(self, episode: Episode) -> None:
        """Keep the orders of a flattening that is over, for reports that come late: they are ours."""
        over = {name: one for name, one in episode.attempts.items() if name not in self.dropped}
        ended = self.ended | over
        self.ended = dict(islice(ended.items(), max(0, len(ended) - ENDED_MAX), None))
