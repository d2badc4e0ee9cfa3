"""Does a strategy keep to its own part of the account? No I/O."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Final

from msgspec.structs import replace

from sidecar.core.account.exposure import Portfolio
from sidecar.core.account.working import Leg
from sidecar.core.judging.candidate import Candidate, OnKey
from sidecar.core.judging.ownership import Holding, holding
from sidecar.core.judging.rules.exposure import gross_of
from sidecar.core.judging.rules.rule import (
    NO_EQUITY,
    Doc,
    FigureBySize,
    Gate,
    Measured,
    Row,
    ScopedLimit,
)
from sidecar.core.judging.rules.share import Share, share_of
from sidecar.core.judging.rules.waiting import in_the_way
from sidecar.core.vocabulary.decision import Violation
from sidecar.core.vocabulary.money import ONE, ZERO, readable
from sidecar.core.vocabulary.orders import SELL


def strategy_share(candidate: OnKey, _bound: ScopedLimit) -> FigureBySize:
    """Selling spot raises no exposure, but that in the coin that a coin pair buys. An account's spot that was sold
    before its purchase is told (`fold`) makes the whole no larger.
    """
    own, account = candidate.strategy, candidate.account
    if candidate.is_buy or candidate.is_future:
        whole = replace(gross_of(candidate, account), fold=-NO_EQUITY)
        return Share(gross_of(candidate, own), whole)
    return Row(base=share_of(own.gross, account.gross) if own.joined > ZERO else ZERO)


def own_positions(candidate: Candidate) -> Violation | None:
    leg, may = _sale(candidate)
    if leg is None or may is None or leg.quantity <= may.free:
        return None
    waits = in_the_way(candidate, leg.quantity - may.free, may.binds)
    return Violation(
        "OWN_POSITIONS_ONLY",
        scope=f"strategy:{may.owner or may.others[0]}",
        limit=readable(max(ZERO, may.free)),
        observed=readable(leg.quantity),
        message=may.text if waits is None else may.text + waits.text,
        clears_at=None if waits is None else waits.clears_at,
    )


def own_positions_room(candidate: Candidate) -> Decimal | None:
    leg, may = _sale(candidate)
    if leg is None or may is None:
        return None
    if leg is candidate.legs[0]:
        return candidate.order_units(may.free)
    price = candidate.worth.valued_at  # coins paid for a unit of the coin that is bought
    return candidate.order_units(may.free / price) if price else None


def _sale(candidate: Candidate) -> tuple[Leg | None, Holding | None]:
    """The coin that an order sells, and how much of it may be sold."""
    leg = next((one for one in candidate.legs if one.side == SELL), None)
    if leg is None:
        return None, None
    replaced, replaces = candidate.replaced, ZERO
    if replaced is not None:
        gone = (one for one in replaced.legs if (one.key, one.side) == (leg.key, SELL))
        replaces = sum((one.quantity for one in gone), ZERO)
    return leg, holding(candidate.desk, leg.key, candidate.strategy_id, replaces)


def money_used(candidate: OnKey, _bound: ScopedLimit) -> Row:
    """The strategy's positions at cost, its open orders and this one, less what it has earned. A sale of spot binds no
    money, but the coin that a coin pair buys; contracts that would be added count at the mark.
    """
    own, book = candidate.strategy, candidate.tracker.strategies.get(candidate.strategy_id or "")
    if book is None:
        book = Portfolio()
    used = book.at_cost + _usd(candidate, book.bound) - book.pnl.settled - candidate.frees
    if candidate.is_future:
        line, mark = book.lines.get(candidate.key), candidate.mark or ZERO
        if line is not None:
            used += abs(line.position.cost) - abs(line.position.quantity) * mark - line.at_cost
        return Row(base=used + own.held * mark, slope=mark, floor=used + own.other * mark)
    if candidate.is_buy:
        return Row(base=used, slope=ONE, of="money")
    return Row(base=used + candidate.brings if candidate.brings else ZERO)


def _usd(candidate: OnKey, bound: Mapping[str, Decimal]) -> Decimal:
    """The worth of these amounts by currency, USD."""
    usd = candidate.tracker.marks.usd
    return sum((amount * (usd(currency) or ZERO) for currency, amount in bound.items()), ZERO)


RULES: Final = (
    Gate(
        code="OWN_POSITIONS_ONLY",
        judge=own_positions,
        room=own_positions_room,
        applies=lambda limits, product: (
            not product.is_future
            and any(own.own_positions_only for own in limits.strategy.values())
        ),
        exempt_if_reducing=False,
        doc=Doc(
            "spot: a strategy would sell more of a coin than it bought itself and does not offer already; or another "
            "would sell of that. A flattening, the operator's or the sidecar's own, sells all",
            "exactly what is its own passes",
            key="own_positions_only",
        ),
    ),
    Measured(
        code="BUDGET",
        of_strategy=True,
        limit="budget",
        unit="usd",
        reads="side",
        row=money_used,
        text="the strategy's positions at cost and its open orders could come to {observed} beyond what it has "
        "earned; its budget is {limit}",
        doc=Doc(
            "the strategy's positions at cost, its open and reserved purchases at their price with the fee on top, and "
            "contracts that would be added at the mark, less its own net PnL (realised − fees + funding; unrealised "
            "gains are no money yet) > limit",
            "the limit passes",
        ),
    ),
    Measured(
        code="MAX_STRATEGY_SHARE",
        of_strategy=True,
        limit="max_strategy_share",
        unit="share",
        whole="gross exposure",
        reads="side",
        row=strategy_share,
        text="the strategy could reach {observed} of all gross exposure; {limit} is allowed",
        doc=Doc(
            "gross exposure of the order's strategy ÷ that of the account > limit, and the order raises the "
            "strategy's. In `[limits]` it binds each strategy by itself. Where the account holds nothing else, a "
            "strategy is all of it",
            "the limit passes; not raising passes",
        ),
    ),
)
