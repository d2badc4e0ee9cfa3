"""The world that every handler works on: the exchange, its clocks, its switches, its listeners. No
I/O.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sidecar.config.paper import Paper
from sidecar.paper.markets.clock import MarketClock
from sidecar.paper.service.faults import FaultSwitches, apply_to
from sidecar.paper.service.hub import Hub
from sidecar.paper.service.keys import KeyRing
from sidecar.paper.service.rate_limit import RateLimits
from sidecar.paper.service.wallet_faults import WalletFaults
from sidecar.paper.venue.exchange import Exchange


@dataclass(slots=True)
class World:
    """The parts of one running paper exchange, introduced to each other."""

    config: Paper
    exchange: Exchange
    clock: MarketClock
    hub: Hub
    faults: FaultSwitches
    keys: KeyRing
    limits: RateLimits
    wall: Callable[[], float]  # monotonic seconds: rates, waits
    unix: Callable[[], float]  # UNIX seconds: tokens
    market_over: bool = False  # a replay has told its last quote
    started: bool = False  # the market moves
    margin_setting: str = "INTRADAY_MARGIN_SETTING_INTRADAY"
    wallets: WalletFaults = field(init=False)
    changed: Callable[[], None] = field(default=lambda: None)  # wakes the pump: due events

    def __post_init__(self) -> None:
        self.wallets = WalletFaults(self.faults)

    def now(self) -> datetime:
        """The present moment on the market clock."""
        return max(self.exchange.now, self.clock.now(self.wall()))

    def tell(self) -> None:
        """Publish what the exchange has to tell, and let time know that an event may be due."""
        self.hub.publish(self.exchange.drain(), self.exchange.now, self.wall())
        self.changed()

    def set_faults(self, changes: Mapping[str, Any] | None = None, /, **more: Any) -> None:
        """Change fault switches while running. Raises ValueError for a name that is no switch."""
        behaviour = self.exchange.behaviour
        still = {"fill_after_cancel": behaviour.fill_after_cancel}  # the exchange counts this one
        apply_to(behaviour, self.faults.set({**still, **(changes or {}), **more}))
        self.act_on_faults()

    def clear_faults(self) -> None:
        """End all faults."""
        self.faults.clear()
        apply_to(self.exchange.behaviour, self.faults.now)

    def act_on_faults(self) -> None:
        """Close the websockets when that is switched on, or end a subscription, as soon as there are any."""
        code = self.faults.now.close_code
        if code and self.hub.sessions:
            self.faults.reset("close_code")
            self.hub.close_all(code)
        product_id = self.faults.now.end_subscription
        if product_id in self.exchange.listings and self.hub.sessions:
            self.faults.reset("end_subscription")
            self.hub.end_subscription(product_id, self.now(), self.wall())
