"""Judging one check: all rules run, all broken ones are listed, and the largest size that would
pass is found. No I/O.

A `Plan` is the rules that apply to one product and strategy with the limits bound to them; it is
compiled once per set of limits. Gates run always, measured rules only where a limit is set.

The largest passing size has two regimes. Up to what is reducible only the rules without exemption
count (`hard`); beyond it all of them (`soft`). Limits are linear in size, so each rule states its
room in closed form; rules that cannot (VaR) are searched by bisection, and only when they refuse.
"""

from collections.abc import Iterable
from decimal import Decimal
from typing import Final

from msgspec import Struct

from sidecar.core.check import UNLIMITED, Check, Desk
from sidecar.core.decision import Violation
from sidecar.core.limits import AccountLimits, LossLimit, OrderLimits, Rate
from sidecar.core.money import TWO, ZERO, floor_to
from sidecar.core.products import Product
from sidecar.core.rules import RULES
from sidecar.core.rules.custom import custom_gate
from sidecar.core.rules.rule import WARN_AT, Bound, Gate, Measured, ScopeKind

BISECTIONS: Final = 12  # 1/4096 of the room: finer than any risk figure is known


class Plan(Struct, frozen=True):
    """The rules for one product and strategy, limits bound to the measured ones."""

    gates: tuple[Gate, ...]
    measured: tuple[tuple[Measured, Bound], ...]
    shadow: tuple[tuple[Measured, Bound], ...]


class Verdict(Struct, frozen=True):
    """What the rules say of a check. `max_base_size` in order units, floored to the product's
    increment.
    """

    violations: tuple[Violation, ...]
    warnings: tuple[Violation, ...]
    max_base_size: Decimal


def compile_plan(desk: Desk, product: Product, strategy_id: str | None) -> Plan:
    """Bind every limit in whose scope the product and the strategy lie."""
    limits = desk.limits
    scopes: list[tuple[str, ScopeKind, OrderLimits]] = [("all", "all", limits)]
    for name, own in limits.product.items():
        listed = desk.tracker.products.get(name)
        if name == product.product_id or (listed is not None and listed.key == product.key):
            scopes.append((f"product:{name}", "product", own))
    if strategy_id is not None and strategy_id in limits.strategy:
        scopes.append((f"strategy:{strategy_id}", "strategy", limits.strategy[strategy_id]))
    measured = [rule for rule in RULES if isinstance(rule, Measured)]
    gates = [rule for rule in RULES if isinstance(rule, Gate)]
    gates += [custom_gate(rule) for rule in desk.custom]
    shadow: list[tuple[str, ScopeKind, AccountLimits]] = (
        [("shadow", "all", limits.shadow)] if limits.shadow else []
    )
    return Plan(tuple(gates), _bind(measured, scopes), _bind(measured, shadow))


def _bind(
    rules: Iterable[Measured], scopes: Iterable[tuple[str, ScopeKind, OrderLimits]]
) -> tuple[tuple[Measured, Bound], ...]:
    return tuple(
        (rule, _bound(scope, kind, setting))
        for rule in rules
        for scope, kind, limits in scopes
        if (setting := getattr(limits, rule.limit, None)) is not None and setting is not False
    )


def _bound(scope: str, kind: ScopeKind, setting: Decimal | int | LossLimit | Rate) -> Bound:
    match setting:
        case LossLimit():
            level = setting.ratio if setting.ratio is not None else setting.usd
            assert level is not None
        case Rate():
            level = Decimal(setting.count)
        case True:
            level = ZERO
        case _:
            level = Decimal(setting)
    return Bound(scope, kind, level, level * WARN_AT, setting)


def judge(check: Check, plan: Plan) -> Verdict:
    """Run every rule of the plan."""
    tally = _Tally()
    _run_gates(check, plan.gates, tally)
    _run_measured(check, plan.measured, tally)
    if plan.shadow:
        tally.warnings += _shadow(check, plan)
    largest = _largest(check, plan, tally)
    return Verdict(tuple(tally.violations), tuple(tally.warnings), largest)


class _Tally:
    """What has been found so far. `hard` and `soft` are the rooms of the rules without and with
    exemption.
    """

    __slots__ = ("hard", "searched", "soft", "violations", "warnings")

    def __init__(self) -> None:
        self.violations: list[Violation] = []
        self.warnings: list[Violation] = []
        self.hard = self.soft = UNLIMITED
        self.searched: list[tuple[Measured, Bound]] = []

    def limit(self, room: Decimal, *, exempt: bool) -> None:
        if exempt:
            self.soft = min(self.soft, room)
        elif room < self.hard:
            self.hard = room


def _run_gates(check: Check, gates: Iterable[Gate], tally: _Tally) -> None:
    for gate in gates:
        found = gate.judge(check)
        if gate.room is not None and (room := gate.room(check)) is not None:
            tally.limit(room, exempt=gate.exempt)
        if found is None:
            continue
        if gate.room is None:
            tally.limit(ZERO, exempt=gate.exempt)
        if not (gate.exempt and check.reducing):
            tally.violations.append(found)


def _run_measured(
    check: Check, bound_rules: Iterable[tuple[Measured, Bound]], tally: _Tally
) -> None:
    for rule, bound in bound_rules:
        observed = rule.measure(check, bound)
        if observed is None:
            continue
        if rule.room is not None:
            tally.limit(rule.room(check, bound), exempt=rule.exempt)
        if observed < bound.warn_level and not rule.lowest:
            continue
        if not rule.is_broken(observed, bound.level):
            if rule.warns:
                tally.warnings.append(rule.warning(check, bound, observed))
            continue
        if rule.searches:
            tally.searched.append((rule, bound))
        elif rule.room is None and not rule.lowest:
            tally.limit(ZERO, exempt=rule.exempt)
        if not (rule.exempt and check.reducing):
            tally.violations.append(rule.violation(check, bound, observed))


def _shadow(check: Check, plan: Plan) -> list[Violation]:
    """What the shadow limits would refuse, as warnings under the scope "shadow"."""
    return [
        rule.violation(check, bound, observed)
        for rule, bound in plan.shadow
        if (observed := rule.measure(check, bound)) is not None
        and rule.is_broken(observed, bound.level)
        and not (rule.exempt and check.reducing)
    ]


def _largest(check: Check, plan: Plan, tally: _Tally) -> Decimal:
    """The largest size that would pass: under all rules, or as a reducing order."""
    reducible, hard, soft = check.reducible, tally.hard, tally.soft
    best = min(hard, soft)
    if tally.searched and best > reducible:
        best = _search(check, tally.searched, reducible, min(best, check.open_size))
    if best <= reducible:
        best = min(hard, reducible)
    product = check.product
    best = floor_to(best, product.base_increment)
    least = product.base_min_size
    for rule, bound in plan.measured:
        if rule.lowest and not (rule.exempt and best <= reducible):
            least = max(least, bound.level / product.contract_size)
    return best if best >= least and best > ZERO else ZERO


def _search(
    check: Check, searched: list[tuple[Measured, Bound]], low: Decimal, high: Decimal
) -> Decimal:
    """Bisect for the largest size at which the searched rules hold; `low` is known to pass."""
    step = check.product.base_increment

    def passes(size: Decimal) -> bool:
        resized = check.resized(size)
        figures = ((rule, bound, rule.measure(resized, bound)) for rule, bound in searched)
        return all(
            seen is None or not rule.is_broken(seen, bound.level) for rule, bound, seen in figures
        )

    for _ in range(BISECTIONS):
        middle = floor_to((low + high) / TWO, step)
        if middle <= low:
            break
        low, high = (middle, high) if passes(middle) else (low, middle)
    return low
