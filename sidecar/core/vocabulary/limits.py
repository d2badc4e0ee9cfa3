"""Limits: typed, frozen, scoped. A limit that is not set does not apply. No I/O.

Three scopes: the whole account (`[limits]`), one product (`[limits.product."BTC-USD"]`, meaning
every product of its exposure key) and one strategy (`[limits.strategy.NAME]`). A narrower scope
adds to the wider one and never loosens it: each is checked by itself. `[limits.shadow]` holds
limits that are evaluated and shown as warnings but not enforced.
"""

from decimal import Decimal
from typing import Annotated, Literal, Self

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    model_validator,
)

from sidecar.core.vocabulary.brakes import limit_that_may_be_left_out
from sidecar.core.vocabulary.limit_settings import (
    LOSSES_IN_MAX,
    Amount,
    Duration,
    Frozen,
    LosingStreak,
    Loss,
    LossIn,
    MarketShock,
    Multiple,
    Name,
    Orders,
    PriceShock,
    Quota,
    Rate,
    Ratio,
    Seconds,
    TradingHours,
    exact_decimal,
    one_of_each_window,
)


def _limit_name(value: str) -> str:
    defaults = {name: field.default for name, field in Limits.model_fields.items()}
    return limit_that_may_be_left_out(value, defaults)


class OrderLimits(Frozen):
    """The limits of every scope: the whole account, one product, one strategy."""

    min_order_size: Amount | None = Field(None, description="smallest order, base units")
    max_order_size: Amount | None = Field(None, description="largest order, base units")
    max_order_notional: Amount | None = Field(None, description="largest order, USD")
    max_position_size: Amount | None = Field(
        None, description="largest worst-case position of an exposure key, base units"
    )
    max_position_notional: Amount | None = Field(
        None, description="largest worst-case position of an exposure key, USD"
    )
    max_open_orders: Orders | None = Field(
        None, description="open orders and reservations, counted within the scope"
    )
    max_order_rate: Rate | None = Field(
        None, description="approved orders per window, within the scope"
    )
    duplicate_order: Rate | None = Field(
        None, description="identical approved orders allowed per window"
    )
    max_notional_in: Quota | None = Field(
        None, description="notional approved per window, within the scope"
    )
    price_collar: Ratio | None = Field(
        None,
        description="how far a buy limit may lie above the ask, or a sell limit below the bid, as a ratio",
    )
    max_order_slippage: Ratio | None = Field(
        None,
        description="how much worse than the mid the average price of what trades at once may be, by the depth of the "
        "book, as a ratio",
    )
    no_adding: bool = Field(False, description="refuse orders in the direction of an open position")
    trading_hours: TradingHours | None = Field(
        None, description="outside these windows no order that adds risk passes"
    )
    losing_streak: LosingStreak | None = Field(
        None, description="trades in a row that were lost, within the scope, and a cool-down"
    )
    max_daily_loss: Loss | None = Field(
        None, description='loss since 08:00 New York: a time-weighted ratio, or "500 USD"'
    )
    max_weekly_loss: Loss | None = Field(None, description="the same since Monday's 08:00 New York")
    max_monthly_loss: Loss | None = Field(
        None, description="the same since 08:00 New York of the month's first day"
    )


class ProductLimits(OrderLimits):
    """Limits of one product's exposure key."""

    max_exit_cost: Loss | None = Field(
        None,
        description="cost of selling all of it that could be held, by the depth of its book: a ratio of equity, or "
        '"500 USD"',
    )
    price_shock: PriceShock | None = Field(None, description="fast-move lockout of this product")


class PortfolioLimits(OrderLimits):
    """Limits of several positions together: of the whole account, or of a strategy."""

    max_gross_exposure: Amount | None = Field(None, description="sum of worst-case positions, USD")
    max_net_exposure: Amount | None = Field(None, description="net worst-case exposure, USD")
    max_strategy_share: Ratio | None = Field(
        None,
        description="gross exposure of one strategy ÷ that of the account; in the account's table, of each strategy",
    )


class StrategyLimits(PortfolioLimits):
    """Limits of a strategy's own orders and positions."""

    budget: Amount | None = Field(
        None,
        description="its own money, USD: its positions at cost and its open orders may come to so much, plus its "
        "realised PnL less fees",
    )
    own_positions_only: bool = Field(
        False,
        description="the strategy may sell no more of a coin than it bought itself, and nobody else what it bought",
    )


class AccountLimits(PortfolioLimits):
    """Limits of the whole account."""

    max_leverage: Multiple | None = Field(None, description="gross exposure ÷ equity")
    max_concentration: Multiple | None = Field(
        None, description="worst-case position of one key ÷ equity"
    )
    max_exit_cost: Loss | None = Field(
        None,
        description="cost of selling all that could be held, by the depth of the books: a ratio of equity, or "
        '"500 USD"',
    )
    max_loss_in: Annotated[
        tuple[LossIn, ...] | None,
        Field(max_length=LOSSES_IN_MAX),
        AfterValidator(one_of_each_window),
    ] = Field(None, description="losses from the highest within rolling windows")
    max_drawdown: Loss | None = Field(
        None, description='fall from the highest so far: a time-weighted ratio, or "500 USD"'
    )
    max_cumulative_loss: Loss | None = Field(
        None,
        description='loss since the first start: a time-weighted ratio, or "500 USD"; crossing it sells everything',
    )
    max_var: Ratio | None = Field(None, description="value at risk ÷ equity")
    max_expected_shortfall: Ratio | None = Field(None, description="expected shortfall ÷ equity")
    max_stress_loss: Ratio | None = Field(None, description="worst stress scenario's loss ÷ equity")
    max_margin_drawdown: Ratio | None = Field(
        None,
        description="futures: unrealised loss ÷ margin posted, at which only orders that reduce contracts pass",
    )
    min_liquidation_buffer: Amount | None = Field(
        None,
        description="futures: Coinbase's liquidation buffer, percent, below which nothing may be added",
    )
    price_shock: PriceShock | None = Field(None, description="fast-move lockout of every product")


class Limits(AccountLimits):
    """All limits of an account, as the `[limits]` table of the configuration holds them.

    `Limits(max_order_notional="5000", product={"BTC-USD": {"max_position_size": "0.5"}})`. Raises
    `pydantic.ValidationError` naming every fault at once.
    """

    loosen_after: Duration | None = Field(
        None,
        description="looser limits bind only when their file has stood for so long, or a second operator has "
        "confirmed it; unset: at once",
    )
    resume_after: Duration | None = Field(
        None, description="so long after the end of a liquidation resume does not lift its halt"
    )
    allow_products: tuple[Name, ...] | None = Field(
        None, description="only these products may be traded"
    )
    block_products: tuple[Name, ...] = Field((), description="these products may not be traded")
    max_quote_age_s: Seconds = Field(
        Decimal(10), description="older quotes value no order, seconds"
    )
    max_spread: Ratio = Field(
        Decimal("0.05"), description="a quote with a wider spread (ratio of its mid) marks nothing"
    )
    max_mark_age_s: Seconds = Field(
        Decimal(60),
        description="so long without a good quote of what is held on a live feed: its mark is stale, seconds",
    )
    stale_confirm_s: Seconds = Field(
        Decimal(300),
        description="so long a loss that only the near side of a stale book shows must stand, without a trade "
        "printed there, before anything is sold, seconds",
    )
    max_depth_age_s: Seconds = Field(
        Decimal(30), description="an older depth of a book tells no cost, seconds"
    )
    min_equity: Amount = Field(
        Decimal(50), description="equity below which no loss ratio is taken, USD"
    )
    on_loss: Literal["cancel_adding", "nothing"] = Field(
        "cancel_adding",
        description="what a confirmed loss, or a price shock against the position, does to open orders in its "
        "scope that add risk: cancel them, or leave them and say how many",
    )
    market_order_slippage: Annotated[
        Decimal, BeforeValidator(exact_decimal), Field(ge=0, le=1, allow_inf_nan=False)
    ] = Field(
        Decimal("0.01"),
        description="how far beyond the far touch a market order is valued, as a ratio",
    )
    market_shock: MarketShock | None = Field(
        None, description="lockout of the account when many coins fall together"
    )
    custom: tuple[Name, ...] = Field(
        (), description="your own rules, as dotted paths: package.module:function"
    )
    product: dict[Name, ProductLimits] = Field(
        default_factory=dict, description="limits of single products"
    )
    strategy: dict[Name, StrategyLimits] = Field(
        default_factory=dict, description="limits of single strategies"
    )
    shadow: AccountLimits | None = Field(
        None, description="account limits that are evaluated and shown, not enforced"
    )
    max_share_of_limits: Ratio | None = Field(
        None,
        description="part of max_open_orders, max_order_rate, duplicate_order and max_notional_in, and of all "
        "approvals alive at once, that one bot may use up",
    )
    require: tuple[Annotated[str, AfterValidator(_limit_name)], ...] = Field(
        (), description="limits of the whole account without which the sidecar does not start"
    )

    @model_validator(mode="after")
    def _not_both_ways(self) -> Self:
        both = set(self.allow_products or ()) & set(self.block_products)
        if both:
            raise ValueError(
                f"{min(both)} is both in allow_products and in block_products; remove it from one"
            )
        return self
