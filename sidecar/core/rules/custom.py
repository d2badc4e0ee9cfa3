"""A user's own rules as gates. No I/O."""

from sidecar.core.check import Check
from sidecar.core.custom_rule import CustomRule
from sidecar.core.decision import Violation
from sidecar.core.rules.rule import Doc, Gate

DOC = Doc(
    "one of your own rules returns why not, or raises; its name is in `scope`. Reducing orders are exempt where the "
    "rule says so",
    key="custom",
)


def custom_gate(rule: CustomRule) -> Gate:
    """The gate that asks one user's rule."""

    def judge(check: Check) -> Violation | None:
        try:
            why = rule.function(check.order, check.tracker, check.now)
        except Exception as fault:  # noqa: BLE001 - foreign code: whatever it raises must refuse, never approve
            why = f"the rule raised {type(fault).__name__}: {fault}"
        return None if why is None else Violation("CUSTOM", scope=rule.name, message=str(why))

    return Gate(code="CUSTOM", judge=judge, exempt=rule.exempt, doc=DOC)
