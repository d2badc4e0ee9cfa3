"""How far Coinbase is heard: its two feeds, and the readings over REST that make up for their gaps. No I/O."""

from datetime import datetime
from typing import Literal

from sidecar.core.vocabulary.events.event import Event

Feed = Literal["market", "user"]
FeedSignal = Literal["connected", "gap", "lost"]


class FeedChanged(Event, frozen=True, kw_only=True, tag=True):
    """A feed came up, lost frames, or was lost. `reason`: why, where it is known."""

    feed: Feed
    signal: FeedSignal
    reason: str = ""


class AccountReconciled(Event, frozen=True, kw_only=True, tag=True):
    """Orders, fills and balances since the last known moment have all been read and applied.

    `fills_until`: every fill up to then has been. `began_at` is when the listing of orders began:
    frames lost after it may have told of orders that it does not hold. None: now (library use).
    """

    fills_until: datetime | None = None
    began_at: datetime | None = None


class ReconciliationFailed(Event, frozen=True, kw_only=True, tag=True):
    """No reading has succeeded for so long that only the user feed vouches for the books. `reason`:
    why not.
    """

    reason: str
