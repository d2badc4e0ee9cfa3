"""Decision, violation and the codes: the answer to a bot. No I/O."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Final

import msgspec
from msgspec import Struct
from msgspec.structs import asdict

from sidecar.core.vocabulary.money import readable, readable_at_most

_encode: Final = msgspec.json.Encoder().encode


class Violation(Struct, frozen=True):
    """One broken rule, or one warning.

    `code`, `scope`, `limit` and `observed` are for programs and never change meaning; `message` is
    for people. `scope` is where the limit was set: "all", "product:BTC-USD", "strategy:NAME", or a
    custom rule's name. `clears_at` says when waiting alone would clear it.
    """

    code: str
    scope: str = "all"
    limit: str | None = None
    observed: str | None = None
    message: str = ""
    clears_at: datetime | None = None


class Decision(Struct, frozen=True, kw_only=True):
    """The answer to "may I send this order?"; true when approved.

    `notional` in USD, `price` in quote currency and `max_base_size` in base units (contracts for
    futures) are None or zero where they cannot be known. An approval reserves the order's worst
    case until `reserved_until`.
    """

    approved: bool
    client_order_id: str
    decision_id: str
    state: str
    as_of: datetime
    notional: Decimal | None = None
    price: Decimal | None = None
    reducing: bool = False
    max_base_size: Decimal
    reserved_until: datetime | None = None
    replayed: bool = False
    violations: tuple[Violation, ...] = ()
    warnings: tuple[Violation, ...] = ()

    def __bool__(self) -> bool:
        return self.approved

    @property
    def codes(self) -> tuple[str, ...]:
        """The codes of every broken rule, in the order of the rules."""
        return tuple(violation.code for violation in self.violations)

    def as_dict(self) -> dict[str, Any]:
        """JSON-ready: decimals as plain strings, times as RFC 3339 UTC."""
        return asdict(self._wire())

    def as_json(self) -> bytes:
        """The same as JSON."""
        return _encode(self._wire())

    def _wire(self) -> "_Wire":
        lapses = self.reserved_until
        return _Wire(
            self.approved,
            self.client_order_id,
            self.decision_id,
            self.state,
            None if self.notional is None else readable(self.notional),
            None if self.price is None else readable(self.price),
            self.reducing,
            readable_at_most(self.max_base_size),
            None if lapses is None else rfc3339(lapses),
            self.replayed,
            rfc3339(self.as_of),
            [_as_dict(violation) for violation in self.violations] if self.violations else [],
            [_as_dict(warning) for warning in self.warnings] if self.warnings else [],
        )


class _Wire(Struct):
    """A decision as the contract lists it, in its order."""

    approved: bool
    client_order_id: str
    decision_id: str
    state: str
    notional: str | None
    price: str | None
    reducing: bool
    max_base_size: str
    reserved_until: str | None
    replayed: bool
    as_of: str
    violations: list[dict[str, Any]]
    warnings: list[dict[str, Any]]


def _as_dict(violation: Violation) -> dict[str, Any]:
    ends = violation.clears_at
    return {
        "code": violation.code,
        "scope": violation.scope,
        "limit": violation.limit,
        "observed": violation.observed,
        "message": violation.message,
        "clears_at": None if ends is None else rfc3339(ends),
    }


def rfc3339(at: datetime) -> str:
    """Milliseconds, and Z for UTC."""
    if at.tzinfo is not UTC:
        return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    text = _encode(at)  # in a tenth of the time; with six digits of a second or with none
    return text[1:24].decode() + "Z" if at.microsecond else text[1:20].decode() + ".000Z"
