"""Settings of limits: the kinds of value that a limit is written as, with their bounds. No I/O."""

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
    ValidationError,
    WithJsonSchema,
    model_validator,
)
from pydantic.types import StringConstraints

from sidecar.core.vocabulary.durations import duration, written
from sidecar.core.vocabulary.money import ZERO, amount, plain
from sidecar.core.vocabulary.products import PRODUCT_ID
from sidecar.core.vocabulary.trading_hours import Hours, Span, overlap, spans_of, zone_of

MONEY_TEXT = re.compile(r"\s*([0-9.eE+-]+)\s*USD\s*")
SHOCK_WINDOW_MAX: Final = timedelta(hours=1)  # a slower fall is for the limits on losses
WINDOW_S_MAX = 86_400  # a rate window longer than a day belongs to the daily limits
COUNT_MAX = 10_000  # keeps a window's memory bounded
NAME_MAX = 64
TRADES_MAX = 100  # of a losing streak: as many are remembered
LOSSES_IN_MAX = 10  # rolling windows, each with up to a hundred highs in memory
WINDOWS_MAX = 50  # of trading hours: several for each day of a week
PER_CENT: Final = Decimal(100)
WARN_AT: Final = Decimal("0.7")  # of a limit: from there on decisions warn


def exact_decimal(value: Any) -> Any:
    """Exact decimals only: a binary float is taken by its shortest text, as it was typed."""
    if isinstance(value, bool):
        raise ValueError(f"{value} is not a number")
    return Decimal(repr(value)) if isinstance(value, float) else value


Amount = Annotated[
    Decimal, BeforeValidator(exact_decimal), Field(gt=0, max_digits=40, allow_inf_nan=False)
]
Ratio = Annotated[Decimal, BeforeValidator(exact_decimal), Field(gt=0, le=1, allow_inf_nan=False)]


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

    @property
    def words(self) -> str:
        """As people read it: a share in per cent, or USD."""
        return f"{plain(100 * self.ratio)} %" if self.ratio is not None else str(self)

    def __str__(self) -> str:
        return plain(self.ratio) if self.ratio is not None else f"{plain(self.usd or ZERO)} USD"


def _loss(value: Any) -> Any:
    if isinstance(value, LossLimit | dict):
        return value
    if isinstance(value, str) and (money := MONEY_TEXT.fullmatch(value)):
        return {"usd": _positive(money[1])}
    ratio = _positive(exact_decimal(value))
    if ratio > 1:
        mend = f'for money write "{plain(ratio)} USD"'
        if ratio <= PER_CENT:
            mend = f"for {plain(ratio)} % write {plain(ratio / PER_CENT)}, {mend}"
        raise ValueError(f"a ratio above 1 would never fire; {mend}")
    return {"ratio": ratio}


def _positive(value: object) -> Decimal:
    try:
        number = amount(str(value))
    except ValueError:
        number = ZERO
    if number <= ZERO:
        raise ValueError(f'{value!r} is not a positive ratio or amount; write 0.10, or "500 USD"')
    return number


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
        raise ValueError("is blank; write a name")
    return value


Multiple = Annotated[
    Decimal, BeforeValidator(exact_decimal), Field(gt=0, le=1000, allow_inf_nan=False)
]
Seconds = Annotated[
    Decimal, BeforeValidator(exact_decimal), Field(gt=0, le=WINDOW_S_MAX, allow_inf_nan=False)
]
Orders = Annotated[int, Field(ge=0, le=1_000_000, strict=True)]
Loss = Annotated[LossLimit, BeforeValidator(_loss), PlainSerializer(str, when_used="json")]
Duration = Annotated[
    timedelta,
    BeforeValidator(duration),
    PlainSerializer(written, when_used="json"),
    WithJsonSchema({"type": "string", "x-kind": 'duration such as "5m" or "4h"'}),
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


class LossIn(Frozen):
    """A loss from the highest within a rolling window."""

    model_config = ConfigDict(json_schema_extra={"x-kind": '{ window = "4h", limit = 0.03 }'})
    window: Duration = Field(description="length of the rolling window")
    limit: Ratio = Field(description="loss from the highest within it, as a time-weighted ratio")

    @cached_property
    def loss(self) -> LossLimit:
        """The limit as one on a loss."""
        return LossLimit(ratio=self.limit)

    @property
    def words(self) -> str:
        """As people read it: a share in per cent, and the window."""
        return f"{self.loss.words} in {written(self.window)}"

    def __str__(self) -> str:
        return f"{plain(self.limit)} in {written(self.window)}"


def one_of_each_window(value: tuple[LossIn, ...] | None) -> tuple[LossIn, ...] | None:
    """Losses within rolling windows, each of another length. Raises ValueError otherwise."""
    if value is None:
        return None
    if not value:
        raise ValueError('has no window; write one as { window = "4h", limit = 0.03 }')
    lengths = [written(one.window) for one in value]
    for length in lengths:
        if lengths.count(length) > 1:
            raise ValueError(f"has the window {length} twice; keep one of them")
    return value


class LosingStreak(Frozen):
    """So many trades in a row that were closed at a loss."""

    trades: Annotated[int, Field(ge=1, le=TRADES_MAX, strict=True)] = Field(
        description="how many in a row, each closed at a loss net of its fees"
    )
    cool_down: Duration = Field(description='so long only reducing orders pass then, as "2h"')

    @property
    def words(self) -> str:
        """As people read it."""
        return f"{self.trades}, with a cool-down of {written(self.cool_down)}"

    def __str__(self) -> str:
        return f"{self.trades}, then {written(self.cool_down)}"


class Quota(Frozen):
    """At most so much notional approved within any `window_s` seconds."""

    usd: Amount = Field(description="how much, USD")
    window_s: Seconds = Field(description="length of the sliding window, seconds")

    @cached_property
    def window(self) -> timedelta:
        """The window's length."""
        return timedelta(seconds=float(self.window_s))


def _windows(value: Any) -> Any:
    """Every window that cannot be read, and every two that overlap, are told at once."""
    if not isinstance(value, list | tuple) or not all(isinstance(text, str) for text in value):
        return value  # as pydantic says it
    if not value:
        raise ValueError('has no window; write one such as "Mon-Fri 09:30-16:00"')
    read: dict[str, tuple[Span, ...]] = {}
    faults: list[Any] = []  # pydantic's details of errors
    for place, text in enumerate(value):
        try:
            read[text] = _window(text, read)
        except ValueError as fault:
            why = {"type": "value_error", "ctx": {"error": fault}}
            faults.append({**why, "loc": (place,), "input": text})
    if faults:
        raise ValidationError.from_exception_data("windows", faults)
    return value


def _window(text: str, others: dict[str, tuple[Span, ...]]) -> tuple[Span, ...]:
    spans = spans_of(text)
    for other, known in others.items():
        if overlap(spans, known):
            raise ValueError(f'has hours of "{other}" in it; let only one of them have these')
    return spans


def _zone(value: str) -> str:
    zone_of(value)
    return value


class TradingHours(Frozen):
    """When orders that add risk may be sent: within any of the windows, by the clock of the zone."""

    zone: Annotated[str, StringConstraints(max_length=NAME_MAX), AfterValidator(_zone)] = Field(
        description='time zone, such as "America/New_York"'
    )
    windows: Annotated[
        tuple[str, ...], Field(max_length=WINDOWS_MAX), BeforeValidator(_windows)
    ] = Field(
        description='days and times, such as "Mon-Fri 09:30-16:00" or, over midnight, "Sun 18:00-02:00"'
    )

    @cached_property
    def hours(self) -> Hours:
        """The hours that these windows are."""
        return Hours(zone_of(self.zone), [span for text in self.windows for span in spans_of(text)])

    @cached_property
    def minutes(self) -> frozenset[int]:
        """The minutes of the week that are within, by the clock of the zone."""
        spans = (span for text in self.windows for span in spans_of(text))
        return frozenset(minute for span in spans for minute in range(*span))

    def __str__(self) -> str:
        return f"{', '.join(self.windows)} {self.zone}"


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
        description="the coins that count, by a product of each; unset: all coins with a quote now, or one within the "
        "window",
    )
    # Falls that feed on forced sales go on for tens of minutes: a shorter lock would end in the middle of such a fall.
    lockout: Duration = Field(
        timedelta(hours=1), description="how long only reducing orders pass, from the shock on"
    )
    action: Literal["reduce_only", "flatten"] = Field(
        "reduce_only",
        description="lock the account to reducing orders, or sell it off as well once the shock is confirmed",
    )
