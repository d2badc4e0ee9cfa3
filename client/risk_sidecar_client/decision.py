"""The answer to "may I send this?": a decision, and each rule that is broken."""

from collections.abc import Mapping
from typing import Any, Final

from msgspec import Struct

NO_ANSWER: Final = "NO_ANSWER"


class Violation(Struct, frozen=True):
    """A broken rule. `code`, `scope`, `limit`, `observed` are for programs, `message` for people."""

    code: str
    message: str
    scope: str = "all"
    limit: str | None = None
    observed: str | None = None
    clears_at: str | None = None


class Decision(Struct, frozen=True):
    """The sidecar's answer; true when approved. Decimals and times are text, as they came."""

    approved: bool
    client_order_id: str | None = None
    decision_id: str = ""
    state: str = ""
    notional: str | None = None
    price: str | None = None
    reducing: bool = False
    max_base_size: str = "0"
    reserved_until: str | None = None
    replayed: bool = False
    as_of: str = ""
    violations: tuple[Violation, ...] = ()
    warnings: tuple[Violation, ...] = ()

    def __bool__(self) -> bool:
        return self.approved

    @property
    def codes(self) -> tuple[str, ...]:
        """The codes of every broken rule."""
        return tuple(violation.code for violation in self.violations)


def no_answer(asked: Mapping[str, Any] | bytes | str, why: str) -> Decision:
    """The refusal of what could not be asked about: an order, or what names one."""
    client_order_id = asked.get("client_order_id") if isinstance(asked, Mapping) else None
    return Decision(
        approved=False,
        client_order_id=client_order_id if isinstance(client_order_id, str) else None,
        violations=(Violation(code=NO_ANSWER, message=why),),
    )
