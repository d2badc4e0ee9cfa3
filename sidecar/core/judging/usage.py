"""How far each configured limit is used as things stand, without an order. No I/O.

The measures are the rules' own. They are asked about `NoOrder`, an order of no size: the open sizes
with it are those without it. Looking leaves all as it is.
"""

from collections.abc import Iterator, Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any, cast

from sidecar.core.account.exposure import Portfolio
from sidecar.core.account.position_tracker import PositionTracker
from sidecar.core.context.risk_context import RiskContext
from sidecar.core.judging.candidate import NoOrder
from sidecar.core.judging.rules import RULES
from sidecar.core.judging.rules.rule import (
    NO_EQUITY,
    Measured,
    ScopedLimit,
    ScopeKind,
    level_of,
    settings_of,
)
from sidecar.core.value_at_risk.portfolio_risk import Measure, NoFigure, RiskFigure
from sidecar.core.vocabulary.limits import OrderLimits
from sidecar.core.vocabulary.money import ZERO, ratio, with_money
from sidecar.core.vocabulary.wording import text_of

Figures = Mapping[Measure, RiskFigure | NoFigure]
Row = dict[str, Any]


@with_money
def usage(desk: RiskContext, figures: Figures, now: datetime) -> list[Row]:
    """A row for each limit that can be measured without an order; for limits on positions, one for
    each key that is held or worked.

    `figures` are the portfolio's. `observed` is in the limit's
    unit and `used` its share of the limit; both None where they cannot be told. A share of no
    equity is infinite.
    """
    rows: list[Row] = []
    for scope, kind, limits, asked in _scopes(desk):
        for rule, bound in _bounds(scope, kind, limits):
            if rule.searches:
                figure = figures.get(cast("Measure", rule.limit))
                observed = figure.before if isinstance(figure, RiskFigure) else None
                rows.append(_row(rule, bound, asked, observed))
            elif rule.window:
                used = desk.activity.used(bound.window, rule.counted(bound), now)
                rows.append(_row(rule, bound, asked, used))
            elif rule.reads == "books":
                rows.append(_row(rule, bound, asked, _loss(rule, bound, asked)))
            elif rule.of_strategy and kind == "all":
                rows.append(_row(rule, bound, asked, _most_used(desk.tracker, rule, bound)))
            else:
                each = rule.per_key and kind != "product"
                orders = _each_key(desk.tracker, asked.strategy_id) if each else [asked]
                rows += [_row(rule, bound, one, _measure(rule, bound, one)) for one in orders]
    return rows


def _own_book(tracker: PositionTracker, strategy_id: str | None) -> Portfolio:
    return tracker.strategies.get(strategy_id or "") or Portfolio()


def _scopes(desk: RiskContext) -> Iterator[tuple[str, ScopeKind, OrderLimits, NoOrder]]:
    """Every table of limits, and an order of no size that lies in its scope."""
    limits, tracker = desk.limits, desk.tracker
    anywhere = NoOrder(tracker, "", None)
    yield "all", "all", limits, anywhere
    for name, own in limits.product.items():
        product = tracker.products.get(name)
        if product is not None:  # a limit on an unlisted product binds no order
            yield f"product:{name}", "product", own, NoOrder(tracker, product.key, None)
    for name, strategy in limits.strategy.items():
        yield f"strategy:{name}", "strategy", strategy, NoOrder(tracker, "", name)
    if limits.shadow is not None:
        yield "shadow", "all", limits.shadow, anywhere


def _each_key(tracker: PositionTracker, strategy_id: str | None) -> list[NoOrder]:
    book = tracker.account if strategy_id is None else _own_book(tracker, strategy_id)
    return [NoOrder(tracker, key, strategy_id) for key in sorted(book.lines)]


def _bounds(
    scope: str, kind: ScopeKind, limits: OrderLimits
) -> Iterator[tuple[Measured, ScopedLimit]]:
    for rule in RULES:
        if not isinstance(rule, Measured) or rule.of_order:
            continue
        for setting in settings_of(limits, rule.limit):
            level = level_of(setting)
            window = f"{rule.code}|{scope}"
            is_strategy = kind == "strategy"
            text = text_of(setting)
            yield (
                rule,
                ScopedLimit(scope, kind, level, level, setting, is_strategy, window, text, text),
            )


def _measure(rule: Measured, bound: ScopedLimit, asked: NoOrder) -> Decimal | None:
    observed = rule.on_key(asked, bound)
    return None if not observed.is_finite() and rule.unknown(asked, bound) else observed


def _most_used(tracker: PositionTracker, rule: Measured, bound: ScopedLimit) -> Decimal:
    """The figure of the strategy that uses the limit most."""
    asked = (NoOrder(tracker, "", name) for name in tracker.strategies)
    return max((rule.on_key(one, bound) for one in asked), default=ZERO)


def _loss(rule: Measured, bound: ScopedLimit, asked: NoOrder) -> Decimal | None:
    """None before the books are open, for a ratio of no equity, and where it is not known."""
    windows = asked.tracker.windows
    if windows is None or not rule.is_known(asked.tracker):
        return None
    if bound.is_loss_ratio and windows.span.lacks_equity:
        return None
    return _measure(rule, bound, asked)


def _row(rule: Measured, bound: ScopedLimit, asked: NoOrder, observed: Decimal | None) -> Row:
    shown = used = None
    if observed is not None:
        shown = rule.shown(asked, observed) if observed else ZERO
        used = _share(shown, bound.level)
    return {
        "code": rule.code,
        "scope": bound.scope,
        "key": asked.key or None,
        "limit": bound.text,
        "observed": shown,
        "used": used,
    }


def _share(shown: Decimal, level: Decimal) -> Decimal:
    if shown <= ZERO:  # a profit uses no part of a limit on losses
        return ZERO
    return ratio(shown, level) if level and shown.is_finite() else NO_EQUITY
