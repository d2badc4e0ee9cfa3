"""Counting: the windows that a plain order counts in when it is approved, at a glance. No I/O."""

from collections.abc import Callable
from datetime import datetime, timedelta
from decimal import Decimal
from math import ceil
from typing import Any, Final

from msgspec import Struct

from sidecar.core.account.bot_orders import Place
from sidecar.core.context.activity import ONE_OF_MANY, Counted
from sidecar.core.context.risk_context import RiskContext
from sidecar.core.judging.judge import Plan
from sidecar.core.judging.rules import activity
from sidecar.core.judging.rules.rule import ScopedLimit
from sidecar.core.judging.table import NO_LIMIT
from sidecar.core.vocabulary.events import Asker
from sidecar.core.vocabulary.limit_settings import Quota, Rate
from sidecar.core.vocabulary.money import ZERO
from sidecar.core.vocabulary.orders import Order, fingerprint

ASKERS_MAX: Final = 1_000  # whose bots are remembered


class RateWindow(Struct, frozen=True):
    """A window of all orders. Up to `silent` approvals in it neither the limit nor the bot's share of it warns,
    up to `near` the limit does not. `own`: the bot's window; empty where it has no share.
    """

    name: str
    rate: Rate
    silent: int
    near: int
    own: str


class LikeWindow(Struct, frozen=True):
    """A window of identical orders, by the beginning of its name; `part` is the bot's share of it."""

    begins: str
    rate: Rate
    part: Rate | None
    own: str


class QuotaWindow(Struct, frozen=True):
    """A window of notional, of all orders or of the bot alone: the limit, and from where on it warns, USD."""

    name: str
    quota: Quota
    window: timedelta
    level: Decimal
    near: Decimal


class OfBot(Struct, frozen=True):
    """The windows that the orders of a bot count in, and its share of open orders: the number from which on a rule
    warns. `counted`: the windows of rates, as an approval counts there; `own`: the
    bot's own of them.
    """

    rates: tuple[RateWindow, ...]
    likes: tuple[LikeWindow, ...]
    quotas: tuple[QuotaWindow, ...]
    open: tuple[tuple[Place, int], ...]
    counted: tuple[Counted, ...]
    own: tuple[Counted, ...]


class Counting:
    """The windows of one plan. `most_alive`: how many approvals of one bot may be alive."""

    def __init__(self, desk: RiskContext, plan: Plan) -> None:
        self._activity, self._orders = desk.activity, desk.tracker.orders
        self._open_now = desk.tracker.books.bot_orders.counts
        self._place = {"all": "", "product": plan.product.key, "strategy": plan.strategy_id or ""}
        rows = [(one.rule.order_row, one.bound) for one in plan.per_order]

        def bounds(rule: Callable[..., Any]) -> list[ScopedLimit]:
            return [bound for row, bound in rows if row is rule]

        self._rates, self._rate_parts = bounds(activity.rate), bounds(activity.rate_of_bot)
        self._likes, self._like_parts = (
            bounds(activity.identical),
            bounds(activity.identical_of_bot),
        )
        self._open = bounds(activity.open_orders_of_bot)
        self._quotas, self._quota_parts = (
            bounds(activity.notional_in),
            bounds(activity.notional_in_of_bot),
        )
        parts = (self._rate_parts, self._like_parts, self._quota_parts, self._open)
        self._has_shares = any(parts)
        self._known: dict[str, OfBot] = {}
        self._askers: dict[Asker | None, tuple[str, OfBot]] = {}
        self.most_alive = activity.most_alive(desk.limits.max_share_of_limits)

    def windows(
        self, order: Order, now: datetime, asker: Asker | None
    ) -> tuple[tuple[Counted, ...], tuple[QuotaWindow, ...]] | None:
        """Where its approval counts by its number, and where by its notional; None where a window of a number, or a
        bot's share, is nearly full.
        """
        bot, of_bot = self._askers.get(asker) or self._bot_of(asker)
        reaches = self._activity.reaches
        for place, near in of_bot.open:
            if self._open_now.get(place, 0) >= near:
                return None
        for one in of_bot.rates:
            name, rate, silent = one.name, one.rate, one.silent
            if reaches(silent, name, rate, now) and (
                reaches(one.near, name, rate, now) or reaches(silent, one.own, rate, now)
            ):
                return None
        if not of_bot.likes:
            return of_bot.counted + of_bot.own, of_bot.quotas
        counted, own = of_bot.counted, of_bot.own
        likeness = fingerprint(order)
        for like in of_bot.likes:  # the last first
            name, rate, part = like.begins + likeness, like.rate, like.part
            if part is None:
                if reaches(rate.count, name, rate, now):
                    return None
            else:
                its = f"{like.own}{likeness}|{bot}"
                if reaches(part.count, name, rate, now) and (
                    reaches(rate.count, name, rate, now) or reaches(part.count, its, rate, now)
                ):
                    return None
                own = ((its, part, ZERO), *own)
            counted = ((name, rate, ZERO), *counted)
        return counted + own, of_bot.quotas

    def room(
        self, quotas: tuple[QuotaWindow, ...], notional: Decimal, now: datetime
    ) -> Decimal | None:
        """How much may be approved within these windows, USD; None where this much makes a limit warn."""
        room, approved = NO_LIMIT, self._activity.notional
        for one in quotas:
            known = approved.get(one.name)
            used = ZERO if known is None else known.within(one.window, now)
            if used + notional >= one.near:
                return None
            left = one.level - used
            room = min(room, left)
        return room

    def _bot_of(self, asker: Asker | None) -> tuple[str, OfBot]:
        bot = self._orders.bot_of(asker) if self._has_shares else ""
        if len(self._askers) >= ASKERS_MAX:  # names may be made up anew with every connection
            self._askers.clear()
        found = self._askers[asker] = (bot, self._known.get(bot) or self._of(bot))
        return found

    def _of(self, bot: str) -> OfBot:
        """The windows of this bot's orders: there are few bots, for names that may be made up count for none."""
        rate_parts = self._rate_parts if bot else []
        like_parts = self._like_parts if bot else []
        opens = self._open if bot else []
        rates = []
        for place, bound in enumerate(self._rates):
            near = ceil(bound.warn_level) - 1
            part = rate_parts[place] if rate_parts else None
            silent, own = (
                (near, "") if part is None else (ceil(part.warn_level) - 1, f"{part.window}|{bot}")
            )
            rates.append(RateWindow(bound.window, bound.rate, silent, near, own))
        likes = []
        for place, bound in enumerate(self._likes):
            part = like_parts[place] if like_parts else None
            share, own = (None, "") if part is None else (part.rate, f"{ONE_OF_MANY}{part.window}|")
            likes.append(LikeWindow(f"{bound.window}|", bound.rate, share, own))
        quotas = [(bound.window, bound) for bound in self._quotas]
        if bot:
            quotas += [(f"{bound.window}|{bot}", bound) for bound in self._quota_parts]
        found = self._known[bot] = OfBot(
            rates=tuple(rates),
            likes=tuple(reversed(likes)),
            quotas=tuple(
                QuotaWindow(name, one.quota, one.quota.window, one.level, one.warn_level)
                for name, one in quotas
            ),
            open=tuple(
                ((bot, one.kind, self._place[one.kind]), ceil(one.warn_level) - 1) for one in opens
            ),
            counted=tuple((one.window, one.rate, ZERO) for one in self._rates),
            own=tuple((f"{one.window}|{bot}", one.rate, ZERO) for one in rate_parts),
        )
        return found
