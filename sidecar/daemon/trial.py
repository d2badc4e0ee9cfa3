"""A manager of the account as it is now, that nobody asks and that acts on nothing: for `check` and `init`.

products, account, quotes → the books, equity and use of limits that a sidecar would begin with
"""

from collections.abc import Iterable
from datetime import timedelta

from sidecar import clock
from sidecar.coinbase.lookups import Lookups
from sidecar.coinbase.quote_calls import quote_calls
from sidecar.config.tables import Config
from sidecar.core.context.custom_rule import CustomRule
from sidecar.core.risk_manager import RiskManager
from sidecar.core.vocabulary import events as ev
from sidecar.daemon.recovery import new_manager
from sidecar.daemon.survey import Account


async def trial_manager(
    lookups: Lookups,
    config: Config,
    listed: ev.ProductsListed,
    account: Account,
    custom: tuple[CustomRule, ...] = (),
) -> RiskManager:
    """The manager, told all that was read of the account, and the quotes of what is held or followed. Raises
    CallFailed, and Untrusted.
    """
    life = timedelta(seconds=float(config.server.reservation_s))
    manager = new_manager(config, config.limits, custom, life, clock.now)
    manager.looks_ahead = False
    for event in (listed, *account.facts):
        manager.handle(event)
    quotes = await _quotes(lookups, manager, config.coinbase.follow)
    manager.handle(ev.Quotes(at=clock.now(), quotes=quotes))
    return manager


async def _quotes(
    lookups: Lookups, manager: RiskManager, follow: Iterable[str]
) -> tuple[ev.Quote, ...]:
    """Of the followed books, and of those that value the account."""
    tracker = manager.tracker
    listed, routes = tracker.products, tracker.marks.routes
    keys = [name for name, wallet in tracker.wallets.by_currency.items() if wallet.total]
    keys += [key for key, line in tracker.account.lines.items() if line.position.quantity]
    keys += [listed[name].key for name in follow if name in listed]
    books = [step.book for key in keys for step in routes.get(key, ())]
    books += [listed[name].book for name in follow if name in listed]
    found = [
        quote
        for call in quote_calls(tuple(dict.fromkeys(books)), listed)
        for quote in await lookups.quotes(call)
    ]
    return tuple(found)
