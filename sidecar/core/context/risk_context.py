"""RiskContext: the facts and limits that every order is judged against, and every guard watches. No
I/O.
"""

from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal

from msgspec import Struct, field

from sidecar.core.account.position_tracker import PositionTracker
from sidecar.core.account.streaks import StreakScope
from sidecar.core.context.activity import Activity
from sidecar.core.context.custom_rule import CustomRule
from sidecar.core.context.feeds import Feeds, UnreadFutures
from sidecar.core.context.state import TradingState
from sidecar.core.value_at_risk.portfolio_risk import MEASURES, Measure, RoomyRisk
from sidecar.core.vocabulary.limit_settings import WARN_AT
from sidecar.core.vocabulary.limits import AccountLimits, Limits


class RiskContext(Struct, kw_only=True):
    """The facts and limits that every check is made against. `orders_known`: balances and open
    orders have been read.

    `max_quote_age`, `max_mark_age` and all that follows them are taken from the limits once. `warn_usd` are the shares
    of equity below which a risk figure neither breaks a limit nor warns; `binds_each_strategy`: a limit of the account
    binds every strategy by itself; `reads_depth`: a limit is on costs by the depth of books; `owners`: the strategies
    whose coins are their own.
    """

    tracker: PositionTracker
    limits: Limits
    state: TradingState
    feeds: Feeds
    portfolio_risk: RoomyRisk | None = None
    custom: tuple[CustomRule, ...] = ()
    activity: Activity = field(default_factory=Activity)
    orders_known: bool = False
    unread: UnreadFutures = field(default_factory=UnreadFutures)
    max_quote_age: timedelta = timedelta()
    max_mark_age: timedelta = timedelta()
    max_depth_age: timedelta = timedelta()
    reads_depth: bool = False
    watches_shocks: bool = False
    binds_each_strategy: bool = False
    owners: tuple[str, ...] = ()
    warn_usd: dict[Measure, Decimal] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.use(self.limits)

    def use(self, limits: Limits) -> None:
        """Judge by these limits from now on."""
        self.limits = limits
        self.max_quote_age = timedelta(seconds=float(limits.max_quote_age_s))
        self.max_mark_age = timedelta(seconds=float(limits.max_mark_age_s))
        self.max_depth_age = timedelta(seconds=float(limits.max_depth_age_s))
        self.reads_depth = any(
            getattr(table, name, None) is not None
            for table in (
                limits,
                limits.shadow,
                *limits.product.values(),
                *limits.strategy.values(),
            )
            for name in ("max_order_slippage", "max_exit_cost")
        )
        self.tracker.marks.max_spread = limits.max_spread
        self.tracker.min_equity = limits.min_equity
        shocks = (
            limits.market_shock,
            limits.price_shock,
            *(own.price_shock for own in limits.product.values()),
        )
        self.watches_shocks = any(shock is not None for shock in shocks)
        tables: list[AccountLimits] = [limits, *([limits.shadow] if limits.shadow else [])]
        rolling = {one.window for table in tables for one in table.max_loss_in or ()}
        self.tracker.loss_accounting.rolling = tuple(sorted(rolling))
        self.tracker.streaks.use(tuple(_streaks(limits)))
        self.binds_each_strategy = any(one.max_strategy_share is not None for one in tables)
        own = limits.strategy.items()
        self.owners = tuple(name for name, table in own if table.own_positions_only)
        self.warn_usd = {
            name: min(bounds) * WARN_AT
            for name in MEASURES
            if (bounds := [own for table in tables if (own := getattr(table, name)) is not None])
        }


def _streaks(limits: Limits) -> Iterator[StreakScope]:
    """The scopes with a limit on lost trades."""
    for scope, table in (("all", limits), ("shadow", limits.shadow)):
        if table is not None and (own := table.losing_streak) is not None:
            yield StreakScope(scope, own.trades, own.cool_down)
    for name, product in limits.product.items():
        if (own := product.losing_streak) is not None:
            yield StreakScope(f"product:{name}", own.trades, own.cool_down, product_id=name)
    for name, strategy in limits.strategy.items():
        if (own := strategy.losing_streak) is not None:
            yield StreakScope(f"strategy:{name}", own.trades, own.cool_down, strategy_id=name)
