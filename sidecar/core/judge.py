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

from sidecar.core.check import UNLIMITED, After, Check, Desk
from sidecar.core.decision import Violation
from sidecar.core.limits import LossLimit, OrderLimits, Rate
from sidecar.core.money import TWO, ZERO, floor_to
from sidecar.core.products import Product
from sidecar.core.rules import RULES
from sidecar.core.rules.custom import custom_gate
from sidecar.core.rules.rule import WARN_AT, Bound, Gate, Measured, ScopeKind

BISECTIONS: Final = 12  # 1/4096 of the room: finer than any risk figure is known


class Plan(Struct, frozen=True):
    """The rules for one product and strategy, limits bound to the measured ones.

    `minima` are the least sizes in force, which bound the largest passing size from below.
    """

    gates: tuple[Gate, ...]
    measured: tuple[tuple[Measured, Bound], ...]
    minima: tuple[tuple[Measured, Bound], ...]
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
    gates = [rule for rule in RULES if isinstance(rule, Gate) and rule.applies(limits, product)]
    gates += [custom_gate(rule) for rule in desk.custom]
    measured = _bind(scopes)
    return Plan(
        gates=tuple(gates),
        measured=measured,
        minima=tuple((rule, bound) for rule, bound in measured if rule.lowest),
        shadow=_bind([("shadow", "all", limits.shadow)] if limits.shadow else []),
    )


def _bind(
    scopes: Iterable[tuple[str, ScopeKind, OrderLimits]],
) -> tuple[tuple[Measured, Bound], ...]:
    return tuple(
        (rule, _bound(scope, kind, setting))
        for rule in RULES
        if isinstance(rule, Measured)
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
    return Bound(scope, kind, level, level * WARN_AT, setting, own=kind == "strategy")


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
    """What has been found so far.

    `hard` and `soft` are the rooms of the rules without and with exemption, in order units.
    """

    __slots__ = ("hard", "searched", "soft", "violations", "warnings")

    def __init__(self) -> None:
        self.violations: list[Violation] = []
        self.warnings: list[Violation] = []
        self.hard = self.soft = UNLIMITED
        self.searched: list[tuple[Measured, Bound]] = []

    def limit(self, room: Decimal, *, exempt: bool) -> None:
        """No more than this many order units."""
        if exempt:
            self.soft = min(self.soft, room)
        elif room < self.hard:
            self.hard = room


def _size_worth(check: Check, notional: Decimal) -> Decimal:
    return notional / check.mark if check.mark else UNLIMITED


def _room_for(check: Check, after: After, limit: Decimal) -> Decimal:
    """Order units until the key's worst case reaches `limit` base units."""
    if after.other > limit:
        return ZERO
    if not (check.is_buy or check.product.is_future):
        return UNLIMITED  # selling spot only lowers what could be held
    return check.order_units(limit - after.held)


def _run_gates(check: Check, gates: Iterable[Gate], tally: _Tally) -> None:
    for gate in gates:
        found = gate.judge(check)
        if gate.room is not None:
            if (room := gate.room(check)) is not None:
                tally.limit(room, exempt=gate.exempt)
        elif found is not None:
            tally.limit(ZERO, exempt=gate.exempt)
        if found is not None and not (gate.exempt and check.reducing):
            tally.violations.append(found)


def _run_measured(
    check: Check, bound_rules: Iterable[tuple[Measured, Bound]], tally: _Tally
) -> None:
    size = notional = UNLIMITED
    for rule, bound in bound_rules:
        observed = rule.measure(check, bound)
        if observed is None:
            continue
        if rule.room is not None:
            room = rule.room(check, bound)
            unit = rule.room_in
            if unit == "order" or bound.own:
                tally.limit(_in_order_units(check, rule, bound, room), exempt=rule.exempt)
            elif unit == "size":
                size = min(size, room)
            elif room < notional:
                notional = room
        if observed >= bound.warn_level or rule.lowest:
            _weigh(check, rule, bound, observed, tally)
    if notional is not UNLIMITED:
        size = min(size, _size_worth(check, notional))
    if size is not UNLIMITED:
        tally.limit(_room_for(check, check.account, size), exempt=True)


def _in_order_units(check: Check, rule: Measured, bound: Bound, room: Decimal) -> Decimal:
    if rule.room_in == "order":
        return room
    size = room if rule.room_in == "size" else _size_worth(check, room)
    return _room_for(check, bound.after(check), size)


def _weigh(check: Check, rule: Measured, bound: Bound, observed: Decimal, tally: _Tally) -> None:
    """A limit that is nearly or wholly used: a warning, or a violation."""
    if not rule.is_broken(observed, bound.level):
        if rule.warns:
            tally.warnings.append(rule.warning(check, bound, observed))
        return
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
    for rule, bound in plan.minima:
        if not (rule.exempt and best <= reducible):
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
