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
from typing import Final, cast

from msgspec import Struct

from sidecar.core.context.risk_context import RiskContext
from sidecar.core.judging.check import UNLIMITED, Check, CoinLeg
from sidecar.core.judging.rules import RULES
from sidecar.core.judging.rules.custom import custom_gate
from sidecar.core.judging.rules.rule import Bound, Gate, Measured, ScopeKind, SizeUnit
from sidecar.core.judging.table import BoundRule, Finding, Tables
from sidecar.core.vocabulary.decision import Violation
from sidecar.core.vocabulary.limits import WARN_AT, LossLimit, OrderLimits, Rate
from sidecar.core.vocabulary.money import TWO, ZERO, floor_to
from sidecar.core.vocabulary.products import Product

BISECTIONS: Final = 12  # 1/4096 of the order: finer than any risk figure is known
EXACT: Final = 128  # halvings that take any size down to any increment
TOO_SMALL: Final = frozenset({"MIN_ORDER_SIZE", "SIZE_OUT_OF_RANGE"})


class Standing(Struct):
    """Rules that measure the books alone, and which of their limits were near or broken at a
    version of the books.
    """

    rules: tuple[tuple[Measured, Bound], ...]
    version: int = -1
    near: list[tuple[Measured, Bound, Decimal]] = []


class Plan(Struct, frozen=True):
    """The rules for one product and strategy, limits bound to the measured ones.

    `state_gates` speak only while something tightens. `tables` have the rows that read the books alone,
    `per_order` are the rules whose row is asked for of every order. `coin` are the rules on the position in the
    quote coin of a coin-quoted product, `minima` the least sizes in force and `least` the largest
    of them in order units, `counting` the rules that count approvals.
    """

    product: Product
    strategy_id: str | None
    listed: int
    state_gates: tuple[Gate, ...]
    gates: tuple[Gate, ...]
    tables: Tables
    per_order: tuple[BoundRule, ...]
    standing: Standing
    coin: tuple[tuple[Measured, Bound], ...]
    minima: tuple[tuple[Measured, Bound], ...]
    least: Decimal
    counting: tuple[tuple[Measured, Bound], ...]
    shadow: tuple[tuple[Measured, Bound], ...]

    @property
    def measured(self) -> tuple[BoundRule, ...]:
        """Those that an order's figures are compared with, minima and standing rules left out."""
        return self.tables.rules + self.per_order


class Findings(Struct, frozen=True):
    """What the rules say of a check. `max_base_size` in order units, floored to the product's
    increment.
    """

    violations: tuple[Violation, ...]
    warnings: tuple[Violation, ...]
    max_base_size: Decimal


def compile_plan(desk: RiskContext, product: Product, strategy_id: str | None) -> Plan:
    """Bind every limit in whose scope the product and the strategy lie."""
    limits = desk.limits
    gates = [rule for rule in RULES if isinstance(rule, Gate) and rule.applies(limits, product)]
    gates += [custom_gate(rule) for rule in desk.custom]
    measured = _bind(_scopes(desk, product.key, strategy_id))
    coin = [] if product.is_future else _bind(_scopes(desk, product.quote, strategy_id))
    shadow = _bind([("shadow", "all", limits.shadow)] if limits.shadow else [])
    minima = [(rule, bound) for rule, bound in measured if rule.lowest]
    ruled = [
        BoundRule(place, rule, bound)
        for place, (rule, bound) in enumerate(measured)
        if not (rule.standing or rule.lowest)
    ]
    return Plan(
        product=product,
        strategy_id=strategy_id,
        listed=len(desk.tracker.products),
        state_gates=tuple(gate for gate in gates if gate.reads_state),
        gates=tuple(gate for gate in gates if not gate.reads_state),
        tables=Tables(desk.tracker, tuple(one for one in ruled if one.rule.of_books)),
        per_order=tuple(one for one in ruled if not one.rule.of_books),
        standing=Standing(tuple((rule, bound) for rule, bound in measured if rule.standing)),
        coin=tuple((rule, bound) for rule, bound in coin if _binds_coin(rule, bound)),
        minima=tuple(minima),
        least=max([product.base_min_size, *(b.level / product.contract_size for _, b in minima)]),
        counting=tuple((rule, bound) for rule, bound in (*measured, *shadow) if rule.window),
        shadow=tuple(shadow),
    )


def _binds_coin(rule: Measured, bound: Bound) -> bool:
    """Rules on one key's position or losses; what the whole account lost is asked already."""
    return rule.per_key and (bound.kind == "product" or not rule.standing)


def _scopes(
    desk: RiskContext, key: str, strategy_id: str | None
) -> list[tuple[str, ScopeKind, OrderLimits]]:
    limits, products = desk.limits, desk.tracker.products
    scopes: list[tuple[str, ScopeKind, OrderLimits]] = [("all", "all", limits)]
    for name, own in limits.product.items():
        if name in products and products[name].key == key:
            scopes.append((f"product:{name}", "product", own))
    if strategy_id is not None and strategy_id in limits.strategy:
        scopes.append((f"strategy:{strategy_id}", "strategy", limits.strategy[strategy_id]))
    return scopes


def _bind(
    scopes: Iterable[tuple[str, ScopeKind, OrderLimits]],
) -> list[tuple[Measured, Bound]]:
    return [
        (rule, _bound(rule.code, scope, kind, setting))
        for rule in RULES
        if isinstance(rule, Measured)
        for scope, kind, limits in scopes
        if (setting := getattr(limits, rule.limit, None)) is not None and setting is not False
    ]


def _bound(
    code: str, scope: str, kind: ScopeKind, setting: Decimal | int | LossLimit | Rate
) -> Bound:
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
    return Bound(
        scope,
        kind,
        level,
        level * WARN_AT,
        setting,
        own=kind == "strategy",
        window=f"{code}|{scope}",
    )


def judge(check: Check, plan: Plan, *, sized: bool = True) -> Findings:
    """Run every rule of the plan; find the largest size too, unless only a yes or no is asked."""
    tally = _Tally()
    if check.causes or not check.desk.state.ready:
        _run_gates(check, plan.state_gates, tally)
    _run_gates(check, plan.gates, tally)
    _run_limits(check, plan, tally)
    _run_minima(check, plan.minima, tally)
    for rule, bound, observed in near_limits(check, plan.standing):
        _weigh(check, Finding(0, rule, bound, observed), tally)
    if check.coin is not None:
        _run_coin(check, check.coin, plan.coin, tally)
    if plan.shadow:
        tally.warnings += _shadow(check, plan)
    largest = _largest(check, plan, tally) if sized else ZERO
    return Findings(tuple(tally.violations), tuple(tally.warnings), largest)


class _Tally:
    """What has been found so far.

    `hard` and `soft` are the rooms of the rules without and with exemption, in order units: the
    least of each counts.
    """

    __slots__ = ("hard", "searched", "soft", "violations", "warnings")

    def __init__(self) -> None:
        self.violations: list[Violation] = []
        self.warnings: list[Violation] = []
        self.hard, self.soft = [UNLIMITED], [UNLIMITED]
        self.searched: list[tuple[Measured, Bound]] = []

    def limit(self, room: Decimal, *, exempt: bool) -> None:
        """No more than this many order units."""
        (self.soft if exempt else self.hard).append(room)


def _room(check: Check, of: SizeUnit, size: Decimal) -> Decimal:
    """The order, in order units, of this size."""
    if of == "open":
        return check.order_units(size)
    if of == "whole":
        return size / check.product.contract_size
    unit = check.worth.unit_notional
    return size / unit if unit else UNLIMITED


def _run_gates(check: Check, gates: Iterable[Gate], tally: _Tally) -> None:
    for gate in gates:
        found, room_of = gate.judge(check), gate.room
        if found is None and room_of is None:
            continue
        if room_of is not None and (room := room_of(check)) is not None:
            (tally.soft if gate.exempt else tally.hard).append(room)
        elif found is not None:
            tally.limit(ZERO, exempt=gate.exempt)
        if found is None:
            continue
        if not (gate.exempt and check.reducing):
            tally.violations.append(found)
        elif gate.warns:
            tally.warnings.append(found)


def _run_limits(check: Check, plan: Plan, tally: _Tally) -> None:
    """The room that the rows leave, and a closer look at limits that are nearly used.

    Every rule whose figure grows with the order's size is one that reducing orders are exempt from.
    """
    table, equity = plan.tables.of(check), check.equity
    for group in table.groups:
        if group.of != "orders":
            tally.soft.append(_room(check, group.of, group.room - group.absorbed))
    found = table.findings(check)
    for place, rule, bound in plan.per_order:
        observed = rule.observed(check, bound)
        near = bound.warn_level * equity if rule.of_equity else bound.warn_level
        if observed is not None and observed >= near:
            found.append(Finding(place, rule, bound, observed))
    if len(found) > 1:
        found.sort(key=lambda one: one.place)
    for one in found:
        _weigh(check, one, tally)


def near_limits(check: Check, standing: Standing) -> list[tuple[Measured, Bound, Decimal]]:
    """The standing rules whose limits are near or broken, asked once for each version of the
    books.
    """
    version = check.tracker.version
    if standing.version != version:
        standing.near = [
            (rule, bound, observed)
            for rule, bound in standing.rules
            if (observed := rule.observed(check, bound)) is not None
            and observed >= bound.warn_level
        ]
        standing.version = version
    return standing.near


def _run_coin(
    check: Check, coin: CoinLeg, bound_rules: Iterable[tuple[Measured, Bound]], tally: _Tally
) -> None:
    """The limits on the position in the coin that a swap buys."""
    leg = cast("Check", coin)  # a leg has all that the rules on one key read
    for rule, bound in bound_rules:
        observed = rule.observed(leg, bound)
        assert observed is not None  # a position and a loss can always be told
        near = bound.warn_level * check.equity if rule.of_equity else bound.warn_level
        if observed >= near:
            _weigh(check, Finding(0, rule, bound, observed), tally)


def _run_minima(check: Check, minima: Iterable[tuple[Measured, Bound]], tally: _Tally) -> None:
    for rule, bound in minima:
        observed = rule.observed(check, bound)
        if (
            observed is not None
            and rule.is_broken(observed, bound.level)
            and not (rule.exempt and check.reducing)
        ):
            tally.violations.append(rule.violation(check, bound, observed))


def _broken(check: Check, rule: Measured, bound: Bound, observed: Decimal) -> bool:
    if not rule.of_equity:
        return rule.is_broken(observed, bound.level)
    if check.equity <= ZERO:
        return observed > ZERO  # nothing is a share of nothing
    return rule.is_broken(observed, bound.level * check.equity)


def _weigh(check: Check, found: Finding, tally: _Tally) -> None:
    """A limit that is nearly or wholly used: a warning, or a violation."""
    rule, bound, observed = found.rule, found.bound, found.observed
    if not _broken(check, rule, bound, observed):
        if rule.warns and observed:
            tally.warnings.append(rule.warning(check, bound, observed))
        return
    if rule.searches:
        tally.searched.append((rule, bound))
    elif not found.has_room:
        tally.limit(ZERO, exempt=rule.exempt)
    if not (rule.exempt and check.reducing):
        tally.violations.append(rule.violation(check, bound, observed))


def _shadow(check: Check, plan: Plan) -> list[Violation]:
    """What the shadow limits would refuse, as warnings under the scope "shadow"."""
    return [
        rule.violation(check, bound, observed)
        for rule, bound in plan.shadow
        if (observed := rule.observed(check, bound)) is not None
        and _broken(check, rule, bound, observed)
        and not (rule.exempt and check.reducing)
    ]


def _largest(check: Check, plan: Plan, tally: _Tally) -> Decimal:
    """The largest size that would pass: under all rules, or else as a reducing order."""
    step = check.product.base_increment
    hard = min(tally.hard)
    best = floor_to(min(hard, *tally.soft), step)
    if check.coin is not None:  # two keys move at once: no closed form
        best = _search(check, plan, floor_to(hard, step), EXACT)
    if best > check.reducible:
        if tally.searched and check.coin is None:
            asked = check.order_units(check.quantity)  # of an edit with what is filled of it
            best = _search(check, plan, min(best, asked), BISECTIONS)
        if best > check.reducible and best >= plan.least and _is_worth_enough(check, best):
            return best
    best = floor_to(min(hard, check.reducible), step)
    enough = best >= check.product.base_min_size and _is_worth_enough(check, best)
    return best if enough and best > ZERO else ZERO


def _is_worth_enough(check: Check, size: Decimal) -> bool:
    """Whether so many order units reach Coinbase's least worth of an order."""
    unit = check.unit_worth
    return unit is None or size * unit >= check.product.quote_min_size


def _search(check: Check, plan: Plan, high: Decimal, steps: int) -> Decimal:
    """Bisect for the largest size that passes, up to `high`; what is too small is not what is
    sought.
    """

    def passes(size: Decimal) -> bool:
        violations = judge(check.resized(size), plan, sized=False).violations
        return all(violation.code in TOO_SMALL for violation in violations)

    low, increment = ZERO, check.product.base_increment
    if passes(high):
        return high
    for _ in range(steps):
        middle = floor_to((low + high) / TWO, increment)
        if middle <= low:
            break
        low, high = (middle, high) if passes(middle) else (low, middle)
    return low
