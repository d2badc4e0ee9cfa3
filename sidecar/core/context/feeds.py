"""Whether Coinbase's streams can be believed. No I/O.

A user feed that connected or lost frames may have missed orders: it is believed again once the
account has been reconciled over REST, by a reading that began afterwards: one that was under way
already had listed the orders before. A market feed heals by itself: every quote is whole, so
quotes from after the break are good.
"""

from datetime import datetime, timedelta
from typing import Final, Literal

from msgspec import Struct

from sidecar.core.account.reconciliation import SETTLE
from sidecar.core.vocabulary.events import Feed, FeedSignal

FeedState = Literal["down", "suspect", "live"]

# (state, signal) → state. Every pair is here: a feed cannot surprise.
USER_FEED: Final[dict[tuple[FeedState, FeedSignal | Literal["reconciled"]], FeedState]] = {
    ("down", "connected"): "suspect",
    ("down", "gap"): "down",
    ("down", "lost"): "down",
    ("down", "reconciled"): "down",
    ("suspect", "connected"): "suspect",
    ("suspect", "gap"): "suspect",
    ("suspect", "lost"): "down",
    ("suspect", "reconciled"): "live",
    ("live", "connected"): "suspect",
    ("live", "gap"): "suspect",
    ("live", "lost"): "down",
    ("live", "reconciled"): "live",
}


class UnreadFutures(Struct):
    """Futures that Coinbase did not tell: why not (empty: they are known), when it is asked again,
    and the pause that led there. `unlisted`: contracts that are held and of a product that no list
    has, and since when that is known; `unknown` those whose product cannot be had, and why.
    """

    fault: str = ""
    ask_at: datetime | None = None
    pause: timedelta = SETTLE
    unlisted: dict[str, datetime] = {}
    unknown: dict[str, str] = {}


class Feeds:
    """Both feeds' states. Without a connection (library use) the caller's word counts as live."""

    def __init__(self, *, connected: bool) -> None:
        self.user: FeedState = "down" if connected else "live"
        self.market: FeedState = "down" if connected else "live"
        self.user_doubted_at: datetime | None = None  # when it last connected or lost frames
        # Quotes from before may have been overtaken unseen.
        self.market_whole_since: datetime | None = None

    @property
    def market_fault(self) -> str:
        """Why no order that adds risk can be valued now; empty where quotes tell."""
        return "the market feed is silent" if self.market == "down" else ""

    @property
    def user_fault(self) -> str:
        """Why the account's orders and fills are not known for certain; empty where they are."""
        match self.user:
            case "down":
                return "the user feed is silent"
            case "suspect":
                return "orders, fills and balances are being read again"
        return ""

    def signal(self, feed: Feed, signal: FeedSignal, at: datetime) -> None:
        if feed == "user":
            self.user = USER_FEED[self.user, signal]
            if signal != "lost":
                self.user_doubted_at = at
        elif signal == "lost":
            self.market = "down"
        elif signal == "connected" or self.market == "live":
            self.market, self.market_whole_since = "live", at

    def down(self) -> None:
        """No feed is connected any more: a new process has begun."""
        self.user = self.market = "down"

    def reconciled(self, began_at: datetime | None, at: datetime) -> None:
        """The account was read, beginning at `began_at`: the user feed is live if that was after
        it was last doubted. None: as good as now.
        """
        doubted_at = self.user_doubted_at
        if began_at is not None and doubted_at is not None and began_at < doubted_at:
            # Should the clock have been set back, the next reading is later than this one at least.
            self.user_doubted_at = min(doubted_at, at)
            return
        self.user = USER_FEED[self.user, "reconciled"]
