"""Price shock: a product moves too fast, or a position loses too much from its entry. No I/O.

The seed system sampled marks once a second and summed absolute returns over 20 s; a sum of 1 %
locked the product for 900 s. A sample is the first mark seen in a new second.

A mark stands until the next one, but for no longer than it is good (`max_mark_age_s`): a move across a silence that is
longer than this and the window is none within the window, for it may have taken hours.

A shock that went against the position (the price stands worse than at the window's start, or the position
has lost from its entry) also has the open orders of that key cancelled that add risk, as a loss does.
"""

from collections import deque
from collections.abc import Collection
from datetime import datetime, timedelta
from decimal import Decimal
from math import ceil

from msgspec.structs import replace

from sidecar.core.context.risk_context import RiskContext
from sidecar.core.context.state import Cause
from sidecar.core.guards.loss_watch import LossWatch
from sidecar.core.guards.market_shock import MarketShockWatch
from sidecar.core.vocabulary.actions import Action, FlattenProduct
from sidecar.core.vocabulary.limit_settings import PriceShock
from sidecar.core.vocabulary.money import ONE, ZERO, ratio, readable


class Sampler:
    """Absolute returns over a second of a key within a sliding window, the mark before each, and their
    sum.
    """

    __slots__ = ("before", "last", "moves", "second", "total")

    def __init__(self) -> None:
        self.second = -1
        self.last: Decimal | None = None
        self.moves: deque[tuple[int, Decimal]] = deque()
        self.before: deque[Decimal] = deque()
        self.total = ZERO

    def sample(self, mark: Decimal, now: datetime, window_s: int, stands: timedelta) -> Decimal:
        """Take the mark if this is a new second; the sum of moves within the window. `stands`: for how long a mark does
        without the next.
        """
        second = int(now.timestamp())
        if second != self.second:
            if self.last is not None and second - self.second <= window_s + stands.total_seconds():
                move = abs(ratio(mark, self.last) - ONE)
                self.moves.append((second, move))
                self.before.append(self.last)
                self.total += move
            self.second, self.last = second, mark
        while self.moves and self.moves[0][0] <= second - window_s:
            self.total -= self.moves.popleft()[1]
            self.before.popleft()
        return self.total

    def change(self, mark: Decimal) -> Decimal:
        """The mark's move since the window's start, USD per unit."""
        return mark - self.before[0] if self.before else ZERO


class PriceShockWatch:
    """Locks a product after a shock, and lifts the lock when its time is over."""

    def __init__(self, desk: RiskContext, watch: LossWatch) -> None:
        self.desk = desk
        self.watch = watch
        self.samplers: dict[tuple[str, Decimal], Sampler] = {}
        self.market = MarketShockWatch(desk, watch)

    @property
    def is_on(self) -> bool:
        return self.desk.watches_shocks

    def look(self, now: datetime) -> list[Action]:
        """Judge every key that was re-marked since the last look."""
        actions: list[Action] = []
        books = self.desk.tracker.books
        self.market.look(books.remarked, now, actions)
        for key in sorted(books.remarked):
            for scope, shock in self._settings(key):
                if mark := self.desk.tracker.marks.usd(key):
                    self._judge(key, mark, scope, shock, now, actions)
        books.remarked.clear()
        return actions

    def begin_again(self, keys: Collection[str]) -> None:
        """The rate of USDC has jumped, and these keys' marks with it: that is no move of theirs."""
        self.market.begin_again(keys)
        kept = {name: one for name, one in self.samplers.items() if name[0] not in keys}
        self.samplers = kept

    def unsold(self) -> list[FlattenProduct]:
        """The positions that a shock in force wants sold and that are still held."""
        lines = self.desk.tracker.account.lines
        return [
            FlattenProduct(key=cause.key, reason=cause.reason)
            for cause in self.desk.state.causes.values()
            if cause.code == "PRICE_SHOCK" and cause.key is not None
            for scope, shock in self._settings(cause.key)
            if scope == cause.scope and shock.action == "flatten"
            if (line := lines.get(cause.key)) is not None and line.position.quantity
        ]

    def _settings(self, key: str) -> list[tuple[str, PriceShock]]:
        limits, products = self.desk.limits, self.desk.tracker.products
        found = [] if limits.price_shock is None else [(f"product:{key}", limits.price_shock)]
        for name, own in limits.product.items():
            product = products.get(name)
            if own.price_shock is not None and product is not None and product.key == key:
                found.append((f"product:{name}", own.price_shock))
        return found

    def _judge(  # noqa: PLR0913, PLR0917 - a shock is all of these
        self,
        key: str,
        mark: Decimal,
        scope: str,
        shock: PriceShock,
        now: datetime,
        actions: list[Action],
    ) -> None:
        moved, lost = self._moved(key, mark, shock, now), self._lost(key, shock)
        reason = moved or lost
        if reason is None:
            return
        is_against = lost is not None or self._went_against(key, mark, shock)
        if not self.desk.state.has("PRICE_SHOCK", scope):
            cause = Cause(
                code="PRICE_SHOCK",
                scope=scope,
                level="REDUCE_ONLY",
                since=now,
                reason=reason,
                key=key,
                clears_at=now + timedelta(seconds=float(shock.lockout_s)),
            )
            self.watch.tighten(cause, actions)
            if shock.action == "flatten" and self.watch.liquidator.would_sell(key):
                self.watch.flatten(key, reason, now, actions)
        if is_against and key not in self.watch.liquidator.memory.episodes:
            self._stop_adding(scope, now, actions)

    def _stop_adding(self, scope: str, now: datetime, actions: list[Action]) -> None:
        """A shock went against the position, at once or while it locks: orders that would add to it are stopped.

        A flattening needs none of this: it cancels every order of its key by itself.
        """
        causes, name = self.desk.state.causes, ("PRICE_SHOCK", scope)
        if not causes[name].stops_adding:
            causes[name] = replace(causes[name], stops_adding=True)
            self.watch.adding.stop(causes[name], now, actions)

    def _went_against(self, key: str, mark: Decimal, shock: PriceShock) -> bool:
        """Whether the key's position has lost by the window's move."""
        line = self.desk.tracker.account.lines.get(key)
        sampler = self.samplers.get((key, shock.window_s))
        if line is None or sampler is None:
            return False
        return line.position.quantity * sampler.change(mark) < ZERO

    def _moved(self, key: str, mark: Decimal, shock: PriceShock, now: datetime) -> str | None:
        if shock.max_move is None:
            return None
        sampler = self.samplers.setdefault((key, shock.window_s), Sampler())
        total = sampler.sample(mark, now, ceil(shock.window_s), self.desk.max_mark_age)
        if total < shock.max_move:
            return None
        within, allowed = readable(shock.window_s), readable(shock.max_move)
        return f"{key} moved {readable(total)} within {within} s; {allowed} is allowed"

    def _lost(self, key: str, shock: PriceShock) -> str | None:
        line = self.desk.tracker.account.lines.get(key)
        if shock.max_loss_from_entry is None or line is None or not line.position.cost:
            return None
        loss = ratio(-line.unrealised, abs(line.position.cost))
        if loss < shock.max_loss_from_entry:
            return None
        return f"{key} lost {readable(loss)} from its entry; {readable(shock.max_loss_from_entry)} is allowed"
