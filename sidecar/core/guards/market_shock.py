"""Market shock: many coins fall together. No I/O.

Marks are sampled as for the price shock: the first mark of each second. A coin has fallen while its last sample
stands so far below its highest within the window: the highest at which it has stood for `confirm_for`, over
`confirm_quotes` samples, so that a single tick upwards makes no fall of the next price. Once so many coins have
fallen, the account is reduce-only for the lockout, even if prices recover; where all is to be sold, each of so many
must have stood that low for as long, over as many samples.

A price stands until the next one, but for no longer than a mark is good (`max_mark_age_s`). So a fall across a silence
(no feed, no process) is one within the window as long as the silence is no longer than both together. Of a longer one
nobody knows whether the coin fell at once or in hours, which is no shock.
"""

from collections.abc import Collection, Iterable
from datetime import datetime, timedelta
from decimal import Decimal
from math import ceil
from typing import Final

from msgspec import Struct, field

from sidecar.core.context.risk_context import RiskContext
from sidecar.core.context.settings import Settings
from sidecar.core.context.state import Cause
from sidecar.core.guards.loss_watch import LossWatch
from sidecar.core.vocabulary.actions import Action
from sidecar.core.vocabulary.durations import written
from sidecar.core.vocabulary.limit_settings import MarketShock
from sidecar.core.vocabulary.money import ONE, ZERO, readable
from sidecar.core.vocabulary.products import is_contract

CODE: Final = "MARKET_SHOCK"
NAMED_MAX: Final = 5  # coins in a reason; the rest is counted


class Coin(Struct):
    """The samples of a coin by their second: `recent` are the last samples, which show the price that stands, `highs`
    the prices that stood within the window and that no later price has reached. `fallen_since`: since when the coin
    has stood below its limit, by how many `samples`.
    """

    second: int = -1
    recent: list[tuple[int, Decimal]] = []
    highs: list[tuple[int, Decimal]] = []
    fallen_since: datetime | None = None
    samples: int = 0

    def sample(
        self,
        mark: Decimal,
        shock: MarketShock,
        settings: Settings,
        now: datetime,
        stands: timedelta,
    ) -> None:
        """Take the mark of a new second. `stands`: for how long a price does without the next one."""
        second = int(now.timestamp())
        if second < self.second:  # the clock was set back
            self.recent, self.highs = [], []
        if self.highs and self.highs[-1][0] == self.second:  # it stood at the last sample
            until = min(second, self.second + int(stands.total_seconds()))
            self.highs[-1] = (until, self.highs[-1][1])
        self.second = second
        self.recent.append((second, mark))
        self._stand(second, settings)
        since = second - ceil(shock.window.total_seconds())
        while self.highs and self.highs[0][0] < since:
            self.highs.pop(0)
        if self.highs and mark <= self.highs[0][1] * (ONE - shock.fall):
            self.fallen_since, self.samples = self.fallen_since or now, self.samples + 1
        else:
            self.fallen_since, self.samples = None, 0

    def stood_within(self, shock: MarketShock, now: datetime, stands: timedelta) -> bool:
        """Whether a price of it stood within the window: it counts, though it has not been quoted since a restart."""
        since = int(now.timestamp()) - (shock.window + stands).total_seconds()
        return bool(self.highs) and self.highs[-1][0] >= since

    def _stand(self, second: int, settings: Settings) -> None:
        """The lowest of so many samples, over so long, is a price at which it has stood."""
        count, lasts = settings.confirm_quotes, settings.confirm_for.total_seconds()
        while len(self.recent) > count and second - self.recent[1][0] >= lasts:
            self.recent.pop(0)
        if len(self.recent) < count or second - self.recent[0][0] < lasts:
            return
        stood = min(mark for _, mark in self.recent)
        while self.highs and self.highs[-1][1] <= stood:
            self.highs.pop()
        self.highs.append((second, stood))


class MarketShockMemory(Struct):
    """The coins by their key; whether the shock in force was answered by a sale."""

    coins: dict[str, Coin] = field(default_factory=dict)
    is_answered: bool = False


class MarketShockWatch:
    """Locks the account after a shock, and has it sold where that is wanted."""

    def __init__(self, desk: RiskContext, watch: LossWatch) -> None:
        self.desk = desk
        self.watch = watch
        self.memory = MarketShockMemory()

    def look(self, keys: Iterable[str], now: datetime, actions: list[Action]) -> None:
        """Judge the market by these keys, which were re-marked since the last look."""
        shock, coins = self.desk.limits.market_shock, self.memory.coins
        if shock is None:
            coins.clear()
            return
        usd, is_news = self.desk.tracker.marks.usd, False
        named = None if shock.products is None else self._followed(shock, now)
        second = int(now.timestamp())
        for key in keys:
            if key in coins and coins[key].second == second:  # it has its sample, as at most ticks
                continue
            if (self._is_coin(key) if named is None else key in named) and (mark := usd(key)):
                coin = coins.setdefault(key, Coin())
                coin.sample(mark, shock, self.watch.settings, now, self.desk.max_mark_age)
                is_news |= coin.fallen_since is not None
        if is_news:
            self._judge(shock, now, actions)

    def begin(self) -> None:
        """A new process: the feeds must show anew that coins have fallen."""
        for coin in self.memory.coins.values():
            coin.fallen_since, coin.samples = None, 0

    def begin_again(self, keys: Collection[str]) -> None:
        """These keys' marks have jumped with the rate of USDC: that is no move of theirs."""
        for key in keys:
            self.memory.coins.pop(key, None)

    def _followed(self, shock: MarketShock, now: datetime) -> set[str]:
        """The keys of the coins that count."""
        products = self.desk.tracker.products
        if shock.products is not None:
            return {products[name].key for name in shock.products if name in products}
        coins, stands = self.memory.coins.items(), self.desk.max_mark_age
        return {
            key
            for key, coin in coins
            if self._is_live(key, now) or coin.stood_within(shock, now, stands)
        }

    def _is_coin(self, key: str) -> bool:
        return not is_contract(key) and key not in self.desk.tracker.books.cash

    def _is_live(self, key: str, now: datetime) -> bool:
        mark = self.desk.tracker.marks.by_key.get(key)
        return mark is not None and mark.at is not None and now - mark.at <= self.desk.max_mark_age

    def _judge(self, shock: MarketShock, now: datetime, actions: list[Action]) -> None:
        followed, coins = self._followed(shock, now), self.memory.coins
        fallen = [
            key
            for key in sorted(followed & coins.keys())
            if coins[key].fallen_since is not None and self._is_live(key, now)
        ]
        if not self._are_enough(fallen, followed, shock):
            return
        reason = _reason(fallen, followed, shock)
        if not self.desk.state.has(CODE):
            self._lock(fallen, reason, shock, now, actions)
        confirmed = [key for key in fallen if self._is_confirmed(coins[key], now)]
        if shock.action == "flatten" and self._are_enough(confirmed, followed, shock):
            self._sell(reason, now, actions)

    @staticmethod
    def _are_enough(fallen: Collection[str], followed: Collection[str], shock: MarketShock) -> bool:
        return bool(fallen) and len(fallen) >= shock.share * len(followed)

    def _is_confirmed(self, coin: Coin, now: datetime) -> bool:
        settings, since = self.watch.settings, coin.fallen_since
        assert since is not None, "a coin that has not fallen is confirmed to have"
        return coin.samples >= settings.confirm_quotes and now - since >= settings.confirm_for

    def _lock(
        self,
        fallen: Iterable[str],
        reason: str,
        shock: MarketShock,
        now: datetime,
        actions: list[Action],
    ) -> None:
        """Only reducing orders pass; orders that add are cancelled where a coin fell that is held."""
        lines = self.desk.tracker.account.lines
        cause = Cause(
            code=CODE,
            scope="all",
            level="REDUCE_ONLY",
            since=now,
            reason=reason,
            clears_at=now + shock.lockout,
            stops_adding=any(
                key in lines and lines[key].position.quantity > ZERO for key in fallen
            ),
        )
        self.memory.is_answered = False
        self.watch.tighten(cause, actions)
        if cause.stops_adding:
            self.watch.adding.stop(cause, now, actions)

    def _sell(self, reason: str, now: datetime, actions: list[Action]) -> None:
        """Once for each shock; not while an operator's halt or abort forbids sales."""
        if self.memory.is_answered:
            return
        self.memory.is_answered = True
        if not (self.watch.may_begin() and self.watch.liquidator.would_sell()):
            return
        if not self.watch.held_back(f"the account was to be sold: {reason}", actions):
            self.watch.liquidate(reason, now, actions)


def _reason(fallen: Collection[str], followed: Collection[str], shock: MarketShock) -> str:
    names = ", ".join(list(fallen)[:NAMED_MAX])
    if len(fallen) > NAMED_MAX:
        names += f" and {len(fallen) - NAMED_MAX} more"
    fell = (
        f"stand {readable(shock.fall)} or more below their highest within {written(shock.window)}"
    )
    limit = f"the limit is a share of {readable(shock.share)}"
    return f"{len(fallen)} of {len(followed)} coins ({names}) {fell}; {limit}"
