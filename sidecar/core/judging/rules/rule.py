"""What a rule is, and how limits bind it. No I/O.

`Gate`: a function from a check to a violation or None. It may bound the order's size too (`room`).
`Measured`: a function that measures what limits of one name bound, at every scope where such a
limit is set; the comparison, the warning at 70 %, and the message are the same for all.

`exempt` marks the rules that reducing orders need not keep (column R of the contract).
"""

from collections.abc import Callable
from decimal import ROUND_FLOOR, Decimal
from typing import Any, Final, Literal

from msgspec import Struct

from sidecar.core.judging.check import After, Check
from sidecar.core.vocabulary.decision import Violation
from sidecar.core.vocabulary.limits import Limits, Rate
from sidecar.core.vocabulary.money import ONE, ZERO, ratio, readable
from sidecar.core.vocabulary.products import Product

NO_EQUITY: Final = Decimal("Infinity")  # any share of nothing

# What a rule's room is stated in: order units, or the worst case E of the key in base units or in
# USD.
RoomUnit = Literal["order", "size", "notional"]
ScopeKind = Literal["all", "product", "strategy"]


class Bound(Struct, frozen=True):
    """One configured limit in force. `level` is what is compared with; `setting` the limit as it
    was configured.
    """

    scope: str
    kind: ScopeKind
    level: Decimal
    warn_level: Decimal
    setting: Any
    own: bool  # bounds the strategy's own books, not the account's
    window: str  # the name under which approvals are counted

    @property
    def text(self) -> str:
        """The limit as configured."""
        match self.setting:
            case Decimal():
                return readable(self.setting)
            case Rate():
                return f"{self.setting.count} in {readable(self.setting.window_s)} s"
        return str(self.setting)

    def after(self, check: Check) -> After:
        """The figures with the order in them, of the books that this scope bounds."""
        return check.own if self.own else check.account


class Doc(Struct, frozen=True):
    """How docs/rules.md explains the rule. `key` names the limit that a gate reads by itself."""

    breaks_when: str
    boundary: str = "–"
    key: str = ""


def always(_limits: Limits, _product: Product) -> bool:
    """Most gates stand open to every order."""
    return True


class Gate(Struct, frozen=True, kw_only=True):
    """A rule that says what is wrong with a check, or None. `room`: the largest size (order units)
    it lets through, None where size does not matter. `warns`: a reducing order that is exempt is warned
    of the fault.
    """

    code: str
    judge: Callable[[Check], Violation | None]
    exempt: bool
    doc: Doc
    room: Callable[[Check], Decimal | None] | None = None
    applies: Callable[[Limits, Product], bool] = always
    reads_state: bool = False
    warns: bool = False


class Measured(Struct, frozen=True, kw_only=True):
    """A rule that compares a measure with the limits of one name.

    `measure` gives what is observed with the order in, or None when it cannot be told (another rule
    refuses then). `room` is the largest size that keeps the limit, in the unit that `room_in`
    names; without it size does not matter, or, where `searches` is set, the size is found by
    bisection. `breaks_at` tells whether the limit itself breaks (losses, VaR) or only what is
    beyond it; `lowest` turns a limit into a minimum. With `of_equity` the
    limit is a share of equity and the measure in USD. A `standing` rule measures the
    books alone, whatever the order. A rule with a `window` counts approvals under the name it
    gives.
    """

    code: str
    limit: str
    measure: Callable[[Check, Bound], Decimal | None]
    text: str
    doc: Doc
    exempt: bool = True
    breaks_at: bool = False
    lowest: bool = False
    warns: bool = True
    searches: bool = False
    of_equity: bool = False
    per_key: bool = False
    window: Callable[[Check, Bound], str] | None = None
    standing: bool = False
    room: Callable[[Check, Bound], Decimal] | None = None
    room_in: RoomUnit = "order"
    clears_at: Callable[[Check, Bound], Any] | None = None

    def is_broken(self, observed: Decimal, level: Decimal) -> bool:
        """Whether this measure breaks this level, both in the measure's unit."""
        if self.lowest:
            return observed < level
        return observed >= level if self.breaks_at else observed > level

    def shown(self, check: Check, observed: Decimal) -> Decimal:
        """The measure in the limit's unit."""
        if not self.of_equity:
            return observed
        return ratio(observed, check.equity) if check.equity > ZERO else NO_EQUITY

    def violation(self, check: Check, bound: Bound, observed: Decimal) -> Violation:
        """The broken limit in words and numbers."""
        shown, limit = readable(self.shown(check, observed)), bound.text
        clears_at = None if self.clears_at is None else self.clears_at(check, bound)
        message = self.text.format(observed=shown, limit=limit)
        return Violation(self.code, bound.scope, limit, shown, message, clears_at)

    def warning(self, check: Check, bound: Bound, observed: Decimal) -> Violation:
        """A limit that is kept, but used to 70 % or more."""
        value, limit = self.shown(check, observed), bound.text
        shown = readable(value)
        clears_at = None if self.clears_at is None else self.clears_at(check, bound)
        percent = (
            readable((value / bound.level * 100).quantize(ONE, ROUND_FLOOR)) if bound.level else "0"
        )
        text = f"{shown} of {limit} ({percent} % used)"
        return Violation(self.code, bound.scope, limit, shown, text, clears_at)
