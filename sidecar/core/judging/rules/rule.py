"""Rules, and how limits bind them. No I/O.

`Gate`: a function from a candidate to a violation or None. It may bound the order's size too (`room`).
`Measured`: a function that gives a `Row`, the figure that limits of one name bound as a line in the order's
size, at every scope where such a limit is set. Comparison, warning at 70 %, message and the largest size that
keeps the limit follow from the row, the same for all.

`exempt_if_reducing` marks the rules that reducing orders need not keep (column R of the contract).
"""

from collections.abc import Callable
from datetime import datetime
from decimal import Decimal
from typing import Any, Final, Literal, Protocol

from msgspec import Struct

from sidecar.core.account.position_tracker import PositionTracker
from sidecar.core.judging.candidate import Candidate, OnKey, PostTradeExposure
from sidecar.core.vocabulary.decision import Violation
from sidecar.core.vocabulary.limit_settings import (
    LosingStreak,
    LossIn,
    LossLimit,
    Quota,
    Rate,
    TradingHours,
)
from sidecar.core.vocabulary.limits import Limits, OrderLimits
from sidecar.core.vocabulary.money import ONE, ZERO, ratio, readable
from sidecar.core.vocabulary.products import Product
from sidecar.core.vocabulary.trading_hours import Hours
from sidecar.core.vocabulary.wording import Setting, Unit, in_words

NO_EQUITY: Final = Decimal("Infinity")  # any share of no equity

# The size that a row is linear in: base units that would be open, base units of the whole order, its notional, USD, the
# money that a purchase binds, USD, or the orders that it adds to those that work.
SizeUnit = Literal["open", "whole", "worth", "money", "orders"]
# The source of a row; a rule that reads less is asked less often. The order; the books and the order's side, as a line
# in open size, in money or in orders; the books alone; the limit alone, as a line in the order's own size or worth.
Reads = Literal["order", "side", "books", "limit"]
ScopeKind = Literal["all", "product", "strategy"]


class FigureBySize(Protocol):
    """A figure by the size of an order, all else as the books stand: a `Row`, or a `Share` of two of them."""

    @property
    def slope(self) -> Decimal:
        """By how much it grows with a unit of size; zero where size does not matter."""

    @property
    def of(self) -> SizeUnit:
        """The size that it is a figure of."""

    def figure(self, size: Decimal) -> Decimal:
        """The figure with an order of this size in the books."""

    def ends(self, near: Decimal, level: Decimal) -> tuple[Decimal, Decimal]:
        """The least size at which it may be at `near` or beyond, and the largest at which it is not beyond `level`."""


class Row(Struct, frozen=True, gc=False):
    """A figure by the size of an order, all else as the books stand: max(floor, min(cap, line), fold - line), where
    line = base + slope × size. With a slope of zero size does not matter. `fold`: a side that lies beyond flat (spot
    that was sold before its purchase is told) counts by its size too, so the line counts from below as well.
    """

    base: Decimal
    slope: Decimal = ZERO
    floor: Decimal = -NO_EQUITY
    cap: Decimal = NO_EQUITY
    of: SizeUnit = "open"
    fold: Decimal = -NO_EQUITY

    def figure(self, size: Decimal) -> Decimal:
        """The figure with an order of this size in the books."""
        line = self.base + self.slope * size if self.slope else self.base
        return max(self.floor, min(self.cap, line), self.fold - line)

    def ends(self, near: Decimal, level: Decimal) -> tuple[Decimal, Decimal]:
        """The least size at which it may be at `near` or beyond, and the largest at which it is not beyond `level`.

        Of a row with a slope.
        """
        base, slope, floor, cap = self.base, self.slope, self.floor, self.cap
        reaches = keeps = NO_EQUITY
        if floor >= near or self.fold - base >= near:
            reaches = ZERO
        elif cap >= near:
            reaches = near - base if slope is ONE else (near - base) / slope
        if floor > level:
            keeps = ZERO
        elif cap > level:
            keeps = level - base if slope is ONE else (level - base) / slope
        return reaches, keeps


class ScopedLimit(Struct, frozen=True):
    """One configured limit in force. `level` is the figure to compare with; `setting` the limit as it
    was configured.
    """

    scope: str
    kind: ScopeKind
    level: Decimal
    warn_level: Decimal
    setting: Setting
    is_strategy: bool  # bounds the strategy's own books, not the account's
    window: str  # the name under which approvals are counted
    text: str  # the limit as configured
    words: str  # the same as people read it; of a size without its asset

    @property
    def rate(self) -> Rate:
        """The setting of a limit on approvals within a window."""
        assert isinstance(self.setting, Rate), f"{self.window} is no rate"
        return self.setting

    @property
    def quota(self) -> Quota:
        """The setting of a limit on notional within a window."""
        assert isinstance(self.setting, Quota), f"{self.window} is no quota"
        return self.setting

    @property
    def is_loss_ratio(self) -> bool:
        """Whether it bounds a loss as a share of equity."""
        return isinstance(self.setting, LossLimit | LossIn) and self.loss.ratio is not None

    @property
    def loss(self) -> LossLimit:
        """The setting of a limit on a loss."""
        if isinstance(self.setting, LossIn):
            return self.setting.loss
        assert isinstance(self.setting, LossLimit), f"{self.window} is no loss"
        return self.setting

    @property
    def loss_in(self) -> LossIn:
        """The setting of a limit on a loss within a rolling window."""
        assert isinstance(self.setting, LossIn), f"{self.window} is no rolling window"
        return self.setting

    @property
    def hours(self) -> Hours:
        """The setting of a limit on the time of day."""
        assert isinstance(self.setting, TradingHours), f"{self.window} is no time of day"
        return self.setting.hours

    def after(self, candidate: OnKey) -> PostTradeExposure:
        """The figures with the order in them, of the books that this scope bounds."""
        return candidate.strategy if self.is_strategy else candidate.account


def level_of(setting: Setting) -> Decimal:
    """The figure that a limit compares with."""
    match setting:
        case LossLimit():
            level = setting.usd if setting.ratio is None else setting.ratio
            assert level is not None
            return level
        case LossIn():
            return setting.limit
        case Quota():
            return setting.usd
        case Rate():
            return Decimal(setting.count)
        case LosingStreak():
            return Decimal(setting.trades)
        case True | TradingHours():  # any figure at all is beyond it
            return ZERO
    return Decimal(setting)


def settings_of(limits: OrderLimits, name: str) -> tuple[Setting, ...]:
    """All limits of a name in a table."""
    setting = getattr(limits, name, None)
    if setting is None or setting is False:
        return ()
    return setting if isinstance(setting, tuple) else (setting,)


def part_of(setting: Setting, share: Decimal) -> Setting:
    """The part of a limit on orders that one bot may use up: at least one order."""
    match setting:
        case Rate():
            return Rate(count=max(1, int(setting.count * share)), window_s=setting.window_s)
        case Quota():
            return Quota(usd=setting.usd * share, window_s=setting.window_s)
        case int():
            return max(1, int(setting * share))
    raise AssertionError(f"no limit on orders: {setting}")


def as_set(bound: ScopedLimit) -> Rate | Quota:
    """How much passes within which window, where the limit itself says both."""
    return bound.quota if isinstance(bound.setting, Quota) else bound.rate


class Doc(Struct, frozen=True):
    """How docs/rules.md explains the rule. `key` names the limit that a gate reads by itself."""

    breaks_when: str
    boundary: str = "–"
    key: str = ""


def always(_limits: Limits, _product: Product) -> bool:
    """Most gates stand open to every order."""
    return True


class Gate(Struct, frozen=True, kw_only=True):
    """A rule that names the fault of a candidate, or None. `room`: the largest size (order units)
    it lets through, None where size does not matter. `warns`: a reducing order that is exempt is warned
    of the fault.
    """

    code: str
    judge: Callable[[Candidate], Violation | None]
    exempt_if_reducing: bool
    doc: Doc
    room: Callable[[Candidate], Decimal | None] | None = None
    applies: Callable[[Limits, Product], bool] = always
    reads_state: bool = False
    warns: bool = False


def asset_of(asked: OnKey) -> str:
    """The asset that sizes of this key are of, in base units: of a contract, that behind it."""
    return asked.tracker.products[asked.key].base if asked.is_future else asked.key


def size_of(candidate: Candidate, of: SizeUnit) -> Decimal | None:
    """The size of the order in this unit; None where no price tells its worth."""
    match of:
        case "open":
            return candidate.quantity
        case "orders":
            return Decimal(candidate.is_new)
        case "worth":
            return candidate.worth.notional
        case "money":
            return candidate.money
    size = candidate.worth.base_size
    return None if size is None else size * candidate.product.contract_size


class Measured(Struct, frozen=True, kw_only=True):
    """A rule that compares a figure with the limits of one name.

    `row` gives the figure by the order's size, of rules that read no more of an order than its key and side; the
    others have `order_row`, which may give None when the figure cannot be told (another rule refuses then).
    Where `searches` is set, the figure is not linear: the row is of the order as it is, and the largest size is
    found by bisection. `breaks_at` tells whether the limit itself breaks (losses, VaR) or only a figure
    beyond it; `lowest` turns a limit into a minimum. With `of_order` there is no figure without an order, and no use
    of the limit is shown. `unit` is that which people read the figure in, `whole` what a share of it is taken of. With
    `of_equity` the limit is a share of equity and the figure in USD. `reads` says what the
    row is worked out from; with `of_strategy` it is of the order's strategy at every scope, and of orders
    without one there is none; with `of_futures` only of orders for contracts. With `of_bot` the
    limit is the part of it that one bot may use, and the figure the bot's own; of orders that no bot is known to ask
    about there is none. With `by_scope` a product's table bounds the figure of its key, any other that of all keys.
    `is_known`: whether the books have the figure; `why_unknown`: why it is infinite, where knowledge is wanting. A rule
    with a `window` counts approvals under the name it gives, or their `notional` (USD) where `counted` gives a quota:
    that is the limit's own window, or the rule's where the limit is a plain number.
    """

    code: str
    limit: str
    text: str
    doc: Doc
    unit: Unit = "number"
    whole: str = "equity"
    exempt_if_reducing: bool = True
    breaks_at: bool = False
    lowest: bool = False
    warns: bool = True
    searches: bool = False
    of_order: bool = False
    of_equity: bool = False
    per_key: bool = False
    by_scope: bool = False
    of_strategy: bool = False
    of_futures: bool = False
    of_bot: bool = False
    reads: Reads = "order"
    row: Callable[[OnKey, ScopedLimit], FigureBySize] | None = None
    order_row: Callable[[Candidate, ScopedLimit], FigureBySize | None] | None = None
    why_unknown: Callable[[Any, ScopedLimit], str] | None = None
    window: Callable[[Candidate, ScopedLimit], str] | None = None
    notional: Callable[[Candidate], Decimal] = lambda _: ZERO
    counted: Callable[[ScopedLimit], Rate | Quota] = as_set
    clears_at: Callable[[OnKey, ScopedLimit], datetime | None] | None = None
    order_clears_at: Callable[[Candidate, ScopedLimit], datetime | None] | None = None
    is_known: Callable[[PositionTracker], bool] = lambda _: True

    def __post_init__(self) -> None:
        assert (self.row is None) == (self.order_row is not None) == (self.reads == "order"), (
            self.code
        )

    def line(self, asked: OnKey, bound: ScopedLimit) -> FigureBySize:
        """The row of any order on this key and side."""
        assert self.row is not None, f"{self.code} reads the order itself"
        return self.row(asked, bound)

    def on_key(self, asked: OnKey, bound: ScopedLimit) -> Decimal:
        """The figure with this order on one key in it."""
        row = self.line(asked, bound)
        return row.figure(Decimal(asked.is_new) if row.of == "orders" else asked.quantity)

    def observed(self, candidate: Candidate, bound: ScopedLimit) -> Decimal | None:
        """The figure with the order in it; None where it cannot be told."""
        row: FigureBySize | None = (
            self.line(candidate, bound)
            if self.order_row is None
            else self.order_row(candidate, bound)
        )
        if row is None:
            return None
        size = size_of(candidate, row.of) if row.slope else ZERO
        return None if size is None else row.figure(size)

    def is_broken(self, observed: Decimal, level: Decimal) -> bool:
        """Whether this measure breaks this level, both in the measure's unit."""
        if self.lowest:
            return observed < level
        return observed >= level if self.breaks_at else observed > level

    def shown(self, candidate: OnKey, observed: Decimal) -> Decimal:
        """The measure in the limit's unit."""
        if not self.of_equity:
            return observed
        return ratio(observed, candidate.equity) if candidate.equity > ZERO else NO_EQUITY

    def violation(self, candidate: Candidate, bound: ScopedLimit, observed: Decimal) -> Violation:
        """The broken limit in words and numbers."""
        value, limit = self.shown(candidate, observed), bound.text
        shown = readable(value)
        clears_at = None if self.clears_at is None else self.clears_at(candidate, bound)
        if self.order_clears_at is not None:
            clears_at = self.order_clears_at(candidate, bound)
        if self.window is not None:
            clears_at = candidate.desk.activity.clears_at(
                self.window(candidate, bound),
                self.counted(bound),
                candidate.now,
                self.notional(candidate),
            )
        if not observed.is_finite() and (why := self.unknown(candidate, bound)):
            return Violation(self.code, bound.scope, limit, "none", why, clears_at)
        observed_words, limit_words = self._words(candidate, bound, value)
        if value.is_finite():
            message = self.text.format(observed=observed_words, limit=limit_words)
        else:
            message = f"there is no {self.whole}, and {limit_words} of it is allowed"
        return Violation(self.code, bound.scope, limit, shown, message, clears_at)

    def unit_of(self, bound: ScopedLimit) -> Unit:
        """The unit that people read the figure in: of a loss, that of its limit."""
        setting = bound.setting
        if isinstance(setting, LossLimit):
            return "usd" if setting.ratio is None else "share"
        return "share" if isinstance(setting, LossIn) else self.unit

    def _words(self, asked: OnKey, bound: ScopedLimit, value: Decimal) -> tuple[str, str]:
        """The figure and its limit as people read them."""
        words, limit = in_words(value, self.unit_of(bound), bound.level), bound.words
        if self.unit != "size":
            return words, limit
        asset = asset_of(asked)
        return f"{words} {asset}", f"{limit} {asset}"

    def unknown(self, asked: OnKey, bound: ScopedLimit) -> str:
        """Why an infinite figure is one; empty where it is known to be."""
        return "" if self.why_unknown is None else self.why_unknown(asked, bound)

    def warning(self, candidate: OnKey, bound: ScopedLimit, observed: Decimal) -> Violation:
        """A limit that is kept, but used to 70 % or more."""
        value, limit = self.shown(candidate, observed), bound.text
        shown = readable(value)
        clears_at = None if self.clears_at is None else self.clears_at(candidate, bound)
        percent = value * 100 // bound.level if bound.level else ZERO
        observed_words, limit_words = self._words(candidate, bound, value)
        # `format` of a Decimal takes longer
        text = f"{observed_words}, limit {limit_words}: {percent!s} % used"
        return Violation(self.code, bound.scope, limit, shown, text, clears_at)
