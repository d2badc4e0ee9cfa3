"""More words of the scenario language, for the side that decides: orders, answers, feeds, state."""

from collections.abc import Iterable, Mapping
from datetime import timedelta
from decimal import Decimal
from typing import Any

import msgspec
from msgspec.structs import replace

from sidecar.core.account.position_tracker import PositionTracker
from sidecar.core.account.working import Leg
from sidecar.core.context.settings import Settings
from sidecar.core.saved import restore_manager, restore_tracker, save_manager, save_tracker
from sidecar.core.value_at_risk.portfolio_risk import Added, Measure, NoFigure, RiskFigure
from sidecar.core.vocabulary import events as ev
from sidecar.core.vocabulary.actions import Action, ConfirmQuotes
from sidecar.core.vocabulary.decision import Decision, Violation
from sidecar.core.vocabulary.limits import Limits
from tests.scenario import FUTURE, D, World, limit_order

CONNECTED = Settings(connected=True)
FOREVER = Settings(reservation_life=timedelta(days=1))  # no approval lapses while a test waits


def sell_order(size: object = "0.01", price: object = "64000", **fields: Any) -> dict[str, Any]:
    return limit_order(size, price, side="SELL", **fields)


def future_order(size: object = 1, side: str = "BUY", price: object = 64000) -> dict[str, Any]:
    return limit_order(size, price, side=side, product_id=FUTURE)


def funded(
    world: World,
    buying_power: object = 1_000_000,
    buffer: object = 1000,
    margin: object | None = None,
) -> World:
    """Give the world a futures wallet. `margin`: what is posted for its contracts; None: not told."""
    world.send(
        ev.FuturesSummaryRead,
        wallet=D(0),
        buying_power=D(buying_power),
        liquidation_buffer_percentage=D(buffer),
        initial_margin=None if margin is None else D(margin),
    )
    return world


def connected(
    *,
    held: object = 0,
    also: Mapping[str, object] | None = None,
    settings: Settings = CONNECTED,
    **limits: Any,
) -> World:
    """A connected world with its first complete picture: ACTIVE. `held` bitcoin, and `also` others."""
    return pictured(World(settings=settings, **limits), held=held, also=also)


def pictured(world: World, *, held: object = 0, also: Mapping[str, object] | None = None) -> World:
    """The world with its first complete picture read: a start is over."""
    if "products" in world.manager.readiness.missing:
        world.send(ev.ProductsListed, products=tuple(world.tracker.products.values()))
    for feed in ("market", "user"):
        world.send(ev.FeedChanged, feed=feed, signal="connected")
    world.quote("BTC-USD", 64000)
    world.quote("ETH-USD", 2000)
    wallets = {"USD": 100_000, "BTC": held, **(also or {})}
    balances = tuple(ev.Balance(name, D(total)) for name, total in wallets.items())
    world.send(ev.BalancesRead, balances=balances, fills_until=world.now)
    world.send(ev.OpenOrdersListed, order_ids=(), began_at=world.now)
    rest_agrees(world, world.send(ev.AccountReconciled))
    assert world.manager.state.ready
    return world


def rest_agrees(world: World, actions: list[Action]) -> list[Action]:
    """Let REST answer for prices that were asked for, if they were, with the feed's own."""
    asked = [book for one in actions if isinstance(one, ConfirmQuotes) for book in one.product_ids]
    if not asked:
        return actions
    quotes = world.tracker.marks.quotes
    return world.send(
        ev.QuotesConfirmed,
        quotes=tuple(replace(quotes[book], at=world.now) for book in asked if book in quotes),
    )


def only(name: str, value: Any) -> dict[str, Any]:
    """One limit, by a name that is known at run time only."""
    return {name: value}


def the(decision: Decision, code: str) -> Violation:
    """The one violation of this code."""
    (found,) = [violation for violation in decision.violations if violation.code == code]
    return found


def breaks(decision: Decision, code: str) -> bool:
    return code in decision.codes


def warned(decision: Decision) -> tuple[str, ...]:
    return tuple(warning.code for warning in decision.warnings)


def of_kind(actions: Iterable[Action], *kinds: type[Action]) -> list[Any]:
    return [action for action in actions if isinstance(action, kinds)]


def names(actions: Iterable[Action]) -> list[str]:
    return [type(action).__name__ for action in actions]


def memory(world: World) -> bytes:
    """Everything that would survive a restart, but for counts that a refused fact may move."""
    manager = save_manager(world.manager)
    manager.decisions, manager.readiness.has_judged = 0, True
    return msgspec.json.encode((save_tracker(world.tracker), manager))


def restarted(world: World, **limits: Any) -> World:
    """The world after its process died and came back from its saved state.

    Connected, the new process then says that it has begun.
    """
    new = reloaded(world, **limits)
    if new.manager.settings.connected:
        new.send(ev.Started, unclean_since=world.now)
    return new


def reloaded(world: World, **limits: Any) -> World:
    """The world as it was saved, in another process that goes on where it was: a replay's start."""
    tracker, manager = save_tracker(world.tracker), save_manager(world.manager)
    saved = msgspec.json.encode((tracker, manager))
    keep = world.tracker.wallets.keep
    new = World(settings=world.manager.settings, keep=keep, products=(), start=world.now)
    new.manager.desk.use(Limits(**limits) if limits else world.manager.limits)
    restore_tracker(
        msgspec.json.decode(msgspec.json.encode(tracker), type=type(tracker)), new.tracker
    )
    restore_manager(
        msgspec.json.decode(msgspec.json.encode(manager), type=type(manager)), new.manager
    )
    if not new.manager.settings.connected:
        manager.pending = {}  # in library use, what is not confirmed is to be seen anew
        saved = msgspec.json.encode((tracker, manager))
    if not limits:  # other limits are part of the memory, and make everything due
        assert msgspec.json.encode((save_tracker(new.tracker), save_manager(new.manager))) == saved
    return new


class NoRoom:
    """Of a stand-in's figures nothing is known before it is asked."""

    def room(
        self, measure: Measure, tracker: PositionTracker, leg: Leg, warn_usd: Decimal
    ) -> Decimal:
        return Decimal(0)


class StandInRisk(NoRoom):
    """A PortfolioRisk whose figure is `held` dollars, plus `per_unit` for each unit an order buys."""

    def __init__(self, held: object = 0, per_unit: object = 0, *, known: bool = True) -> None:
        self.held, self.per_unit, self.known = D(held), D(per_unit), known

    def figure(
        self,
        measure: Measure,
        tracker: PositionTracker,
        added: tuple[Added, ...],
        warn_usd: Decimal,
    ) -> RiskFigure | NoFigure:
        if not self.known:
            return NoFigure("nobody knows")
        bought = sum(
            (one.leg.quantity if one.leg.side == "BUY" else -one.leg.quantity for one in added),
            Decimal(0),
        )
        return RiskFigure(self.held, self.held + bought * self.per_unit)
