"""Judging one candidate: all rules run, all broken ones are listed, and the largest size that would
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

from sidecar.core.context.risk_context import RiskContext
from sidecar.core.judging.candidate import UNLIMITED, Candidate, CoinLeg, OnKey
from sidecar.core.judging.rules import RULES
from sidecar.core.judging.rules.custom import custom_gate
from sidecar.core.judging.rules.rule import (
    Gate,
    Measured,
    ScopedLimit,
    ScopeKind,
    SizeUnit,
    level_of,
    part_of,
    settings_of,
    size_of,
)
from sidecar.core.judging.table import BoundRule, Entry, Finding, Group, Table, Tables
from sidecar.core.vocabulary.decision import Violation
from sidecar.core.vocabulary.limit_settings import WARN_AT
from sidecar.core.vocabulary.limits import OrderLimits
from sidecar.core.vocabulary.money import ONE, TWO, ZERO, floor_to
from sidecar.core.vocabulary.products import Product
from sidecar.core.vocabulary.wording import Setting, text_of, words_of

BISECTIONS: Final = 12  # 1/4096 of the order: finer than any risk figure is known
EXACT: Final = 128  # halvings that take any size down to any increment
TOO_SMALL: Final = frozenset({"MIN_ORDER_SIZE", "SIZE_OUT_OF_RANGE"})


class Plan(Struct, frozen=True):
    """The rules for one product and strategy, limits bound to the measured ones.

    `state_gates` are asked only while a cause tightens. `tables` have the rows that hold while the books
    stand still, `per_order` are the rules whose row is asked for of every order. `coin` are the rules on
    the position in the quote coin of a coin-quoted product, `minima` the least sizes in force and `least`
    the largest of them in order units, `counting` the rules that count approvals.
    """

    product: Product
    strategy_id: str | None
    listed: int
    state_gates: tuple[Gate, ...]
    gates: tuple[Gate, ...]
    tables: Tables
    per_order: tuple[BoundRule, ...]
    coin: tuple[tuple[Measured, ScopedLimit], ...]
    minima: tuple[tuple[Measured, ScopedLimit], ...]
    least: Decimal
    counting: tuple[tuple[Measured, ScopedLimit], ...]
    shadow: tuple[tuple[Measured, ScopedLimit], ...]

    @property
    def measured(self) -> tuple[BoundRule, ...]:
        """The rules that an order's figures are compared with, minima and those of the books alone left out."""
        return self.tables.rules + self.per_order


class Findings(Struct, frozen=True):
    """The findings of all rules on a candidate. `max_base_size` in order units, floored to the product's
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
    rules = [
        rule
        for rule in RULES
        if isinstance(rule, Measured)
        and (strategy_id is not None or not rule.of_strategy)
        and (product.is_future or not rule.of_futures)
    ]
    share = limits.max_share_of_limits
    measured = _bind(rules, _scopes(desk, product.key, strategy_id), share)
    coin = [] if product.is_future else _bind(rules, _scopes(desk, product.quote, strategy_id))
    shadow = _bind(rules, [("shadow", "all", limits.shadow)] if limits.shadow else [])
    minima = [(rule, bound) for rule, bound in measured if rule.lowest]
    ruled = [
        BoundRule(place, rule, bound)
        for place, (rule, bound) in enumerate(measured)
        if not rule.lowest
    ]
    return Plan(
        product=product,
        strategy_id=strategy_id,
        listed=len(desk.tracker.products),
        state_gates=tuple(gate for gate in gates if gate.reads_state),
        gates=tuple(gate for gate in gates if not gate.reads_state),
        tables=Tables(
            desk,
            tuple(one for one in ruled if one.rule.reads not in {"order", "books"}),
            tuple(one for one in ruled if one.rule.reads == "books"),
        ),
        per_order=tuple(one for one in ruled if one.rule.reads == "order"),
        coin=tuple((rule, bound) for rule, bound in coin if _binds_coin(rule, bound)),
        minima=tuple(minima),
        least=max([product.base_min_size, *(b.level / product.contract_size for _, b in minima)]),
        counting=tuple((rule, bound) for rule, bound in (*measured, *shadow) if rule.window),
        shadow=tuple(shadow),
    )


def _binds_coin(rule: Measured, bound: ScopedLimit) -> bool:
    """Rules on one key's position or losses; the losses of the whole account are judged already."""
    if rule.by_scope:
        return bound.kind == "product"
    return rule.per_key and (bound.kind == "product" or rule.reads != "books")


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
    rules: Iterable[Measured],
    scopes: Iterable[tuple[str, ScopeKind, OrderLimits]],
    share: Decimal | None = None,
) -> list[tuple[Measured, ScopedLimit]]:
    """`share`: the part of limits that one bot may use; without it the rules on a bot's own figure do not bind."""
    bound: list[tuple[Measured, ScopedLimit]] = []
    for rule in rules:
        for scope, kind, limits in scopes:
            for setting in settings_of(limits, rule.limit):
                if not rule.of_bot:
                    bound.append((rule, _bound(rule, rule.code, scope, kind, setting)))
                elif share is not None:
                    name, part = f"{rule.code}|{rule.limit}", part_of(setting, share)
                    bound.append((rule, _bound(rule, name, scope, kind, part)))
    return bound


def _bound(rule: Measured, code: str, scope: str, kind: ScopeKind, setting: Setting) -> ScopedLimit:
    level = level_of(setting)
    return ScopedLimit(
        scope,
        kind,
        level,
        level * WARN_AT,
        setting,
        is_strategy=kind == "strategy",
        window=f"{code}|{scope}",
        text=text_of(setting),
        words=words_of(setting, rule.unit),
    )


def judge(candidate: Candidate, plan: Plan, *, sized: bool = True) -> Findings:
    """Run every rule of the plan; find the largest size too, unless only a yes or no is asked."""
    tally = _Tally()
    if candidate.causes or not candidate.desk.state.ready:
        _run_gates(candidate, plan.state_gates, tally)
    _run_gates(candidate, plan.gates, tally)
    table = plan.tables.of(candidate)
    _run_limits(candidate, plan, table, tally)
    _run_minima(candidate, plan.minima, tally)
    for found in table.near_books:
        _weigh(candidate, found, tally)
    if candidate.coin is not None:
        _run_coin(candidate, candidate.coin, plan.coin, tally)
    if plan.shadow:
        tally.warnings += _shadow(candidate, plan)
    largest = _largest(candidate, plan, tally) if sized else ZERO
    return Findings(tuple(tally.violations), tuple(tally.warnings), largest)


class _Tally:
    """The findings so far.

    `hard` and `soft` are the rooms of the rules without and with exemption, in order units: the
    least of each counts.
    """

    __slots__ = ("hard", "searched", "soft", "violations", "warnings")

    def __init__(self) -> None:
        self.violations: list[Violation] = []
        self.warnings: list[Violation] = []
        self.hard, self.soft = [UNLIMITED], [UNLIMITED]
        self.searched: list[tuple[Measured, ScopedLimit]] = []

    def limit(self, room: Decimal, *, exempt_if_reducing: bool) -> None:
        """No more than this many order units."""
        (self.soft if exempt_if_reducing else self.hard).append(room)


def _room(candidate: Candidate, of: SizeUnit, size: Decimal) -> Decimal:
    """The order, in order units, of this size."""
    if of == "open":
        return candidate.order_units(size)
    if of == "whole":
        return size / candidate.product.contract_size
    if of == "money":
        unit = candidate.unit_money
        return candidate.order_units(size / unit) if unit else UNLIMITED
    unit = candidate.worth.unit_notional
    return size / unit if unit else UNLIMITED


def _run_gates(candidate: Candidate, gates: Iterable[Gate], tally: _Tally) -> None:
    for gate in gates:
        found, room_of = gate.judge(candidate), gate.room
        if found is None and room_of is None:
            continue
        if room_of is not None and (room := room_of(candidate)) is not None:
            (tally.soft if gate.exempt_if_reducing else tally.hard).append(room)
        elif found is not None:
            tally.limit(ZERO, exempt_if_reducing=gate.exempt_if_reducing)
        if found is None:
            continue
        if not (gate.exempt_if_reducing and candidate.reducing):
            tally.violations.append(found)
        elif gate.warns:
            tally.warnings.append(found)


def _run_limits(candidate: Candidate, plan: Plan, table: Table, tally: _Tally) -> None:
    """The room that the rows leave, and a closer look at limits that are nearly used.

    Every rule whose figure grows with the order's size is one that reducing orders are exempt from.
    """
    for group in table.groups.values():
        if group.of != "orders":
            tally.soft.append(_room(candidate, group.of, group.room - group.absorbed))
    found = table.findings(candidate)
    for ruled in plan.per_order:
        found += _of_order(candidate, ruled, tally)
    if len(found) > 1:
        found.sort(key=lambda one: one.place)
    for one in found:
        _weigh(candidate, one, tally)


def _of_order(candidate: Candidate, ruled: BoundRule, tally: _Tally) -> Iterable[Finding]:
    """A row that is worked out for this order alone: the room that it leaves, and whether it speaks."""
    _, rule, bound = ruled
    assert rule.order_row is not None
    row = rule.order_row(candidate, bound)
    if row is None:
        return ()
    level, near = bound.level, bound.warn_level
    if rule.of_equity:
        level, near = level * candidate.equity, near * candidate.equity
    if not row.slope:
        found = Entry(ruled, row, near).finding(ZERO)
        return () if found is None else (found,)
    group = Group(row.of)
    group.add(ruled, row, level, near)
    tally.soft.append(_room(candidate, group.of, group.room))
    size = size_of(candidate, row.of)
    return () if size is None else group.findings(size)


def _run_coin(
    candidate: Candidate,
    coin: CoinLeg,
    bound_rules: Iterable[tuple[Measured, ScopedLimit]],
    tally: _Tally,
) -> None:
    """The limits on the position in the coin that a swap buys."""
    for rule, bound in bound_rules:
        observed = rule.on_key(coin, bound)
        near = bound.warn_level * candidate.equity if rule.of_equity else bound.warn_level
        if observed >= near:
            _weigh(candidate, Finding(0, rule, bound, observed), tally)


def _run_minima(
    candidate: Candidate, minima: Iterable[tuple[Measured, ScopedLimit]], tally: _Tally
) -> None:
    for rule, bound in minima:
        observed = rule.observed(candidate, bound)
        if (
            observed is not None
            and rule.is_broken(observed, bound.level)
            and not (rule.exempt_if_reducing and candidate.reducing)
        ):
            tally.violations.append(rule.violation(candidate, bound, observed))


def is_broken(candidate: OnKey, rule: Measured, bound: ScopedLimit, observed: Decimal) -> bool:
    """Whether a figure breaks a limit."""
    whole = max(ZERO, candidate.equity) if rule.of_equity else ONE
    return rule.is_broken(observed, bound.level * whole)


def _weigh(candidate: Candidate, found: Finding, tally: _Tally) -> None:
    """A limit that is nearly or wholly used: a warning, or a violation."""
    rule, bound, observed = found.rule, found.bound, found.observed
    if not is_broken(candidate, rule, bound, observed):
        if found.is_told:
            tally.warnings.append(rule.warning(candidate, bound, observed))
        return
    if rule.searches:
        tally.searched.append((rule, bound))
    elif not found.has_room:
        tally.limit(ZERO, exempt_if_reducing=rule.exempt_if_reducing)
    if not (rule.exempt_if_reducing and candidate.reducing):
        tally.violations.append(rule.violation(candidate, bound, observed))


def _shadow(candidate: Candidate, plan: Plan) -> list[Violation]:
    """The refusals of the shadow limits, as warnings under the scope "shadow"."""
    return [
        rule.violation(candidate, bound, observed)
        for rule, bound in plan.shadow
        if (observed := rule.observed(candidate, bound)) is not None
        and is_broken(candidate, rule, bound, observed)
        and not (rule.exempt_if_reducing and candidate.reducing)
    ]


def _largest(candidate: Candidate, plan: Plan, tally: _Tally) -> Decimal:
    """The largest size that would pass: under all rules, or else as a reducing order."""
    step = candidate.product.base_increment
    hard = min(tally.hard)
    best = floor_to(min(hard, *tally.soft), step)
    if candidate.coin is not None:  # two keys move at once: no closed form
        best = _search(candidate, plan, floor_to(hard, step), EXACT)
    if best > candidate.reducible:
        if tally.searched and candidate.coin is None:
            asked = candidate.order_units(candidate.quantity)  # of an edit with its filled part
            best = _search(candidate, plan, min(best, asked), BISECTIONS)
        if best > candidate.reducible and best >= plan.least and _is_worth_enough(candidate, best):
            return ZERO if _leaves_more_open(candidate, plan, best) else best
    best = floor_to(min(hard, candidate.reducible), step)
    enough = best >= candidate.product.base_min_size and _is_worth_enough(candidate, best)
    return best if enough and best > ZERO else ZERO


def _is_worth_enough(candidate: Candidate, size: Decimal) -> bool:
    """Whether so many order units reach Coinbase's least worth of an order."""
    unit = candidate.unit_worth
    return unit is None or size * unit >= candidate.product.quote_min_size


def _leaves_more_open(candidate: Candidate, plan: Plan, size: Decimal) -> bool:
    """Whether this many order units of spot, sold before its purchase is told, break a limit that a few more would
    keep: a smaller purchase leaves more exposure there than a larger one, and the grid lies between.
    """
    line = candidate.tracker.account.lines.get(candidate.key)
    if candidate.is_future or line is None or line.position.quantity >= ZERO:
        return False
    rows = plan.tables.of(candidate).open
    if rows is None:
        return False
    filled = ZERO if candidate.replaced is None else candidate.replaced.filled
    found = rows.findings(size - filled)
    return any(is_broken(candidate, one.rule, one.bound, one.observed) for one in found)


def _passes(candidate: Candidate, plan: Plan, size: Decimal) -> bool:
    """Whether the order would pass at this size, but for being too small."""
    violations = judge(candidate.resized(size), plan, sized=False).violations
    return all(violation.code in TOO_SMALL for violation in violations)


def _search(candidate: Candidate, plan: Plan, high: Decimal, steps: int) -> Decimal:
    """Bisect for the largest size that passes, up to `high`; a size that is only too small counts as
    passing.
    """
    low, increment = ZERO, candidate.product.base_increment
    if _passes(candidate, plan, high):
        return high
    for _ in range(steps):
        middle = floor_to((low + high) / TWO, increment)
        if middle <= low:
            break
        low, high = (middle, high) if _passes(candidate, plan, middle) else (low, middle)
    return low
