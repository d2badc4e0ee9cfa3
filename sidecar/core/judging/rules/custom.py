"""A user's own rules as gates. No I/O."""

from decimal import localcontext

from sidecar.core.context.custom_rule import CustomRule
from sidecar.core.judging.candidate import Candidate
from sidecar.core.judging.rules.rule import Doc, Gate
from sidecar.core.vocabulary.decision import Violation
from sidecar.core.vocabulary.money import MONEY

DOC = Doc(
    "one of your own rules returns why not, or raises; its name is in `scope`. Reducing orders are exempt where the "
    "rule says so (docs/library.md)",
    key="custom",
)


def custom_gate(rule: CustomRule) -> Gate:
    """The gate that asks one user's rule."""

    def refusal(why: str) -> Violation:
        return Violation("CUSTOM", scope=rule.name, message=why)

    def judge(candidate: Candidate) -> Violation | None:
        try:
            with localcontext(MONEY):  # a rule's own precision stays its own
                why = rule.function(candidate.order, candidate.tracker, candidate.now)
                return None if why is None else refusal(str(why))
        except Exception as fault:  # noqa: BLE001 - foreign code: whatever it raises must refuse, never approve
            rule.on_raise(rule, fault)
            said = fault.args[0] if fault.args and isinstance(fault.args[0], str) else "no reason"
            return refusal(f"the rule raised {type(fault).__name__}: {said}")

    return Gate(code="CUSTOM", judge=judge, exempt_if_reducing=rule.exempt, doc=DOC)
