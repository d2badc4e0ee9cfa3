"""A user's own rules: plain functions that see the order, figures of the account, and the time. No I/O.

    def no_weekends(order: Order, account: AccountFigures, now: datetime) -> str | None:
        return "not on weekends" if now.weekday() >= 5 else None

A rule returns why the order may not go, or None. A rule that raises refuses: an order that cannot
be judged is not approved.
"""

from collections.abc import Callable
from datetime import datetime
from decimal import Decimal
from typing import Protocol

from msgspec import Struct

from sidecar.core.vocabulary.orders import Order


class AccountFigures(Protocol):
    """The figures of the account that a rule may count on; keys are currencies, or ids of contracts."""

    @property
    def equity(self) -> Decimal:
        """Cash, spot and futures equity at the marks, without `keep`, USD."""

    @property
    def net_pnl(self) -> Decimal:
        """Realised + unrealised - fees + funding since the books began, USD."""

    def held(self, key: str) -> Decimal:
        """The position in base units without `keep`: negative for a short, zero where there is none."""

    def price(self, key: str) -> Decimal | None:
        """USD for a base unit at the newest good quote; None where no quote tells."""


class OwnRule(Protocol):
    """A rule: why the order may not go, or None. `now` is aware. A true attribute `exempts_reducing` of the function
    spares orders that reduce a position.
    """

    def __call__(self, order: Order, account: AccountFigures, now: datetime, /) -> str | None:
        """Called for every order; may not wait for anything, nor change what it is given."""


class CustomRule(Struct, frozen=True):
    """A user's rule under its name; `exempt` where reducing orders need not keep it. `on_raise` is told of each
    exception of the rule's; the order is refused all the same.
    """

    name: str
    function: OwnRule
    exempt: bool = False
    on_raise: "Callable[[CustomRule, Exception], None]" = lambda _rule, _fault: None
