"""Limits: typed, frozen, scoped. A limit that is not set does not apply. No I/O.

Three scopes: the whole account (`[limits]`), one product (`[limits.product."BTC-USD"]`, meaning
every product of its exposure key) and one strategy (`[limits.strategy.NAME]`). A narrower scope
adds to the wider one and never loosens it: each is checked by itself. `[limits.shadow]` holds
limits that are evaluated and shown as warnings but not enforced.
"""

import re
from datetime import timedelta
from decimal import Decimal
from functools import cached_property
from typing import Annotated, Any, Final, Literal, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    WithJsonSchema,
    model_validator,
)
from pydantic.types import StringConstraints

from sidecar.core.vocabulary.money import ZERO, amount, plain
from sidecar.core.vocabulary.products import PRODUCT_ID

MONEY_TEXT = re.compile(r"\s*([0-9.eE+-]+)\s*USD\s*")
DURATION_TEXT = re.compile(r"\s*(\d{1,9}(?:\.\d{1,6})?)\s*([smhd]?)\s*", re.ASCII)
SECONDS: Final = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86_400}
SHOCK_WINDOW_MAX: Final = timedelta(hours=1)  # a slower fall is for the limits on losses
WINDOW_S_MAX = 86_400  # a rate window longer than a day belongs to the daily limits
COUNT_MAX = 10_000  # keeps a window's memory bounded
NAME_MAX = 64
WARN_AT: Final = Decimal("0.7")  # of a limit: from there on decisions warn


def _decimal(value: Any) -> Any:
    """Exact decimals only: a binary float is taken by its shortest text, as it was typed."""
    if isinstance(value, bool):
        raise ValueError(f"{value} is not a number")
    return Decimal(repr(value)) if isinstance(value, float) else value


Amount = Annotated[
    Decimal, BeforeValidator(_decimal), Field(gt=0, max_digits=40, allow_inf_nan=False)
]
Ratio = Annotated[Decimal, BeforeValidator(_decimal), Field(gt=0, le=1, allow_inf_nan=False)]


class LossLimit(BaseModel):
    """A loss, as a ratio of equity at its window's start (`0.10`) or in money (`"500 USD"`).
    Exactly one is set.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    ratio: Ratio | None = None
    usd: Amount | None = None

    @model_validator(mode="after")
    def _exactly_one(self) -> Self:
        if (self.ratio is None) == (self.usd is None):
            raise ValueError('write a ratio such as 0.10, or money such as "500 USD"')
        return self

    def __str__(self) -> str:
        return plain(self.ratio) if self.ratio is not None else f"{plain(self.usd or ZERO)} USD"


def _loss(value: Any) -> Any:
    if isinstance(value, LossLimit | dict):
        return value
    if isinstance(value, str) and (money := MONEY_TEXT.fullmatch(value)):
        return {"usd": _positive(money[1])}
    ratio = _positive(_decimal(value))
    if ratio > 1:
        raise ValueError(f'a ratio above 1 would never fire; for money write "{plain(ratio)} USD"')
    return {"ratio": ratio}


def _positive(value: object) -> Decimal:
    try:
        number = amount(str(value))
    except ValueError:
        number = ZERO
    if number <= ZERO:
        raise ValueError(f'{value!r} is not a positive ratio or amount; write 0.10, or "500 USD"')
    return number


def _duration(value: Any) -> Any:
    if isinstance(value, timedelta):
        return value
    known = None if isinstance(value, bool) else DURATION_TEXT.fullmatch(str(value))
    if known is None:
        raise ValueError('is not a duration; write "90s", "5m", "2h" or "1d", or seconds')
    length = timedelta(seconds=float(Decimal(known[1]) * SECONDS[known[2]]))
    if not length:
        raise ValueError('is no time at all; write a duration such as "5m"')
    if length > timedelta(days=1):
        raise ValueError('is longer than a day; write "1d" or less')
    return length


def duration_text(length: timedelta) -> str:
    """A duration as a configuration has it, in the largest unit that goes into it."""
    seconds = Decimal(str(length.total_seconds()))
    unit = next((name for name in "dhm" if not seconds % SECONDS[name]), "s")
    return f"{plain(seconds / SECONDS[unit])}{unit}"


def _no_longer_than_an_hour(length: timedelta) -> timedelta:
    if length > SHOCK_WINDOW_MAX:
        raise ValueError('is longer than an hour; write "1h" or less')
    return length


def _some(names: tuple[str, ...] | None) -> tuple[str, ...] | None:
    if names == ():
        raise ValueError("is empty; name some products, or leave it out for all coins")
    return names


def _product_name(value: str) -> str:
    if not PRODUCT_ID.fullmatch(value):
        raise ValueError("is not a product; write it as Coinbase does, in capitals: BTC-USD")
    return value


def _whole_name(value: str) -> str:
    if not value.strip():
        raise ValueError("a name must not be blank")
    return value


Multiple = Annotated[Decimal, BeforeValidator(_decimal), Field(gt=0, le=1000, allow_inf_nan=False)]
Seconds = Annotated[
    Decimal, BeforeValidator(_decimal), Field(gt=0, le=WINDOW_S_MAX, allow_inf_nan=False)
]
Orders = Annotated[int, Field(ge=0, le=1_000_000, strict=True)]
Loss = Annotated[LossLimit, BeforeValidator(_loss), PlainSerializer(str, when_used="json")]
Duration = Annotated[
    timedelta,
    BeforeValidator(_duration),
    PlainSerializer(duration_text, when_used="json"),
    WithJsonSchema({"type": "string", "x-kind": 'duration such as "5m", or seconds'}),
]
Name = Annotated[
    str, StringConstraints(min_length=1, max_length=NAME_MAX), AfterValidator(_whole_name)
]

ProductName = Annotated[Name, AfterValidator(_product_name)]


class Frozen(BaseModel):
    """A piece of configuration: immutable, and a key it does not know is a fault."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Rate(Frozen):
    """At most `count` within any `window_s` seconds."""

    count: Annotated[int, Field(ge=1, le=COUNT_MAX, strict=True, description="how many")]
    window_s: Seconds = Field(description="length of the sliding window, seconds")

    @cached_property
    def window(self) -> timedelta:
        """The window's length."""
        return timedelta(seconds=float(self.window_s))


class Quota(Frozen):
    """At most so much notional approved within any `window_s` seconds."""

    usd: Amount = Field(description="how much, USD")
    window_s: Seconds = Field(description="length of the sliding window, seconds")

    @cached_property
    def window(self) -> timedelta:
        """The window's length."""
        return timedelta(seconds=float(self.window_s))


class PriceShock(Frozen):
    """When a product moves too fast, or a position loses too much from its entry.

    It locks that product only.
    """

    max_move: Ratio | None = Field(
        None,
        description="sum of absolute one-second returns within the window that counts as a shock",
    )
    window_s: Seconds = Field(Decimal(20), description="length of the window, seconds")
    lockout_s: Seconds = Field(
        Decimal(900), description="how long the product stays locked, seconds"
    )
    max_loss_from_entry: Ratio | None = Field(
        None, description="loss of the position from its average entry price that counts as a shock"
    )
    action: Literal["reduce_only", "flatten"] = Field(
        "reduce_only", description="lock the product to reducing orders, or sell it off as well"
    )

    @model_validator(mode="after")
    def _something_to_watch(self) -> Self:
        if self.max_move is None and self.max_loss_from_entry is None:
            raise ValueError("set max_move or max_loss_from_entry, or remove the table")
        return self


class MarketShock(Frozen):
    """When at least a share of the coins fall together: only reducing orders pass, or all is sold as well."""

    fall: Ratio = Field(
        description="fall of a coin from its highest price within the window, as a ratio"
    )
    window: Annotated[Duration, AfterValidator(_no_longer_than_an_hour)] = Field(
        timedelta(minutes=5), description="length of the window, an hour at most"
    )
    share: Ratio = Field(
        Decimal("0.5"), description="part of the coins that must have fallen so far, as a ratio"
    )
    products: Annotated[tuple[ProductName, ...] | None, AfterValidator(_some)] = Field(
        None,
        description="the coins that count, by a product of each; unset: all coins with a live quote",
    )
    # Falls that feed on forced sales go on for tens of minutes: a shorter lock would end in the middle of one.
    lockout: Duration = Field(
        timedelta(hours=1), description="how long only reducing orders pass, from the shock on"
    )
    action: Literal["reduce_only", "flatten"] = Field(
        "reduce_only",
        description="lock the account to reducing orders, or sell it off as well once the shock is confirmed",
    )


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
    no_adding: bool = Field(False, description="refuse orders in the direction of an open position")
    max_daily_loss: Loss | None = Field(
        None, description='loss since 08:00 New York: a time-weighted ratio, or "500 USD"'
    )


class ProductLimits(OrderLimits):
    """Limits of one product's exposure key."""

    price_shock: PriceShock | None = Field(None, description="fast-move lockout of this product")


class PortfolioLimits(OrderLimits):
    """Limits of several positions together: of the whole account, or of one strategy."""

    max_gross_exposure: Amount | None = Field(None, description="sum of worst-case positions, USD")
    max_net_exposure: Amount | None = Field(None, description="net worst-case exposure, USD")
    max_strategy_share: Ratio | None = Field(
        None,
        description="gross exposure of one strategy ÷ that of the account; in the account's table, of each strategy",
    )


class StrategyLimits(PortfolioLimits):
    """Limits of one strategy's own orders and positions."""

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
    min_equity: Amount = Field(
        Decimal(50), description="equity below which no loss ratio is taken, USD"
    )
    on_loss: Literal["cancel_adding", "nothing"] = Field(
        "cancel_adding",
        description="what a confirmed loss, or a price shock against the position, does to open orders in its "
        "scope that add risk: cancel them, or leave them and say how many",
    )
    market_order_slippage: Annotated[
        Decimal, BeforeValidator(_decimal), Field(ge=0, le=1, allow_inf_nan=False)
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

    @model_validator(mode="after")
    def _not_both_ways(self) -> Self:
        both = set(self.allow_products or ()) & set(self.block_products)
        if both:
            raise ValueError(
                f"{min(both)} is both in allow_products and in block_products; remove it from one"
            )
        return self
