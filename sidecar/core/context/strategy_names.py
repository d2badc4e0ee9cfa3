"""Names of strategies: which may be used, by whom, and which of them are forgotten. No I/O.

A name has books of its own, so their number is bounded, and of one user's inventions too. A name
that the configuration knows stays. One that a bot invented is forgotten, when room is needed, once
it has no position, order, approval or cause: its profit and loss stay in the account's.
"""

from collections.abc import Iterator
from typing import Final

from sidecar.core.account.strategy_books import STRATEGIES_MAX
from sidecar.core.context.risk_context import RiskContext
from sidecar.core.context.settings import Settings
from sidecar.core.vocabulary.events import Asker
from sidecar.core.vocabulary.limit_settings import NAME_MAX
from sidecar.core.vocabulary.money import ZERO
from sidecar.core.vocabulary.orders import is_identifier

# A desk has tens of strategies; a user that makes up a name for each order may not use up all of
# the room.
INVENTED_BY_ONE_MAX: Final = 200
TOO_MANY: Final = "use few and lasting ones"


class StrategyNames:
    """Judges names before their orders are judged. `inventors`: the users that first used a name."""

    def __init__(self, desk: RiskContext, settings: Settings) -> None:
        self.desk = desk
        self.settings = settings
        self.inventors: dict[str, int] = {}

    def fault(self, name: object, asker: Asker | None) -> str:
        """Why no order at all may have this name; empty when one may."""
        if not isinstance(name, str) or not is_identifier(name, NAME_MAX):
            return f"strategy_id: 1 to {NAME_MAX} printable characters are needed"
        uids = self.settings.strategy_uids.get(name)
        if uids is not None and asker is not None and asker.uid not in uids:
            return f"strategy_id: {name!r} is for the users that [server.bots] names for it"
        if name in self.desk.tracker.strategies or self._is_configured(name):
            return ""
        return self._lacks_room(asker)

    def is_unlisted(self, name: str | None) -> bool:
        """Whether orders under this name may only reduce."""
        if name is None:
            return False
        wanted = self.settings.strategies
        listed = wanted == "listed" or (wanted == "auto" and bool(self.desk.limits.strategy))
        return listed and not self._is_configured(name)

    def is_listed(self, name: str) -> bool:
        """Whether orders under this name may add."""
        return not self.is_unlisted(name)

    def note(self, name: str | None, asker: Asker | None) -> None:
        """An order under this name is approved: it has books from now on."""
        known = self.desk.tracker.strategies
        if name is None or name in known:
            return
        if len(known) >= STRATEGIES_MAX or self._invented_by(asker) >= INVENTED_BY_ONE_MAX:
            for idle in list(self._idle()):
                self.desk.tracker.forget_strategy(idle)
                self.inventors.pop(idle, None)
        if asker is not None and not self._is_configured(name):
            self.inventors[name] = asker.uid

    def _lacks_room(self, asker: Asker | None) -> str:
        known = self.desk.tracker.strategies
        is_full = len(known) >= STRATEGIES_MAX
        own = self._invented_by(asker)
        if not is_full and own < INVENTED_BY_ONE_MAX:
            return ""
        idle = list(self._idle())
        if len(known) - len(idle) >= STRATEGIES_MAX:
            return f"more than {STRATEGIES_MAX} strategy names; {TOO_MANY}"
        if asker is not None:
            own -= sum(self.inventors.get(one) == asker.uid for one in idle)
            if own >= INVENTED_BY_ONE_MAX:
                return f"user {asker.uid} has {own} strategy names in use; {TOO_MANY}"
        return ""

    def _invented_by(self, asker: Asker | None) -> int:
        if asker is None:
            return 0
        return sum(uid == asker.uid for uid in self.inventors.values())

    def _is_configured(self, name: str) -> bool:
        return name in self.desk.limits.strategy or name in self.settings.named_strategies

    def _idle(self) -> Iterator[str]:
        """The names that can be forgotten."""
        tracker = self.desk.tracker
        bound = {cause.strategy_id for cause in self.desk.state.causes.values()}
        bound.update(one.strategy_id for one in tracker.ledger.reservations.values())
        bound.update(one.strategy_id for one in tracker.ledger.working.values())
        for name, book in tracker.strategies.items():
            if name in bound or self._is_configured(name):
                continue
            if all(line.position.quantity == ZERO for line in book.lines.values()):
                yield name
