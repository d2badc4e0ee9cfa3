"""The report of a flattening: quantities held, cancelled, sold and left, and the cost of the sales.
No I/O.
"""

from datetime import datetime
from decimal import Decimal
from typing import Any

from msgspec.structs import asdict

from sidecar.core.account.position_tracker import PositionTracker
from sidecar.core.liquidation.attempts import Attempt
from sidecar.core.liquidation.episode import Episode, Row
from sidecar.core.vocabulary.money import ZERO, cents, ratio
from sidecar.core.vocabulary.orders import SELL
from sidecar.core.vocabulary.reports import LiquidationReport, Outcome, RowReport


def report_of(
    episode: Episode,
    tracker: PositionTracker,
    outcome: Outcome,
    ended_at: datetime | None = None,
) -> LiquidationReport:
    """The episode as the books know it now."""
    is_over = outcome != "under way"
    gone, standing = _cancelled(episode, tracker)
    rows = tuple(
        _row(row, episode, tracker, gone, is_over=is_over) for row in episode.rows.values()
    )
    return LiquidationReport(
        episode=episode.trigger.episode,
        key=episode.key,
        reason=episode.trigger.reason,
        outcome=outcome,
        phase=episode.phase,
        began_at=episode.began_at,
        ended_at=ended_at,
        rounds=episode.rounds,
        cancelled=len(gone),
        proceeds=sum((row.proceeds or ZERO for row in rows), ZERO),
        fees=sum((row.fees or ZERO for row in rows), ZERO),
        slippage=sum((row.slippage or ZERO for row in rows), ZERO),
        rows=rows,
        still_open=standing,
    )


def _cancelled(
    episode: Episode, tracker: PositionTracker
) -> tuple[frozenset[str], tuple[str, ...]]:
    """Of the orders that were to be cancelled: those cancelled, and those still open. The others
    have filled.
    """
    gone, standing = set[str](), list[str]()
    for order_id in episode.cancelled:
        order = tracker.ledger.find(order_id)
        if order is not None and order.is_open:
            standing.append(order_id)
        elif order is None or order.status != "FILLED":
            gone.add(order_id)
    return frozenset(gone), tuple(standing)


def _row(
    row: Row,
    episode: Episode,
    tracker: PositionTracker,
    gone: frozenset[str],
    *,
    is_over: bool,
) -> RowReport:
    """The quantity left is the last reading's; while the flattening lasts, the books' present one."""
    line = tracker.account.lines.get(row.key)
    booked = ZERO if line is None else line.position.quantity
    sold = proceeds = slippage = ZERO
    fees: Decimal | None = ZERO
    is_valued = True
    for attempt in episode.attempts.values():
        if attempt.key != row.key or not attempt.order_id:
            continue
        quantity, value, fee = _traded(attempt, tracker)
        sold += quantity
        fees = None if fees is None or fee is None else fees + fee
        if value is None:
            is_valued = False
            continue
        is_sale = attempt.side == SELL
        proceeds += value if is_sale else -value
        if row.mark is not None:
            at_mark = row.mark * quantity
            slippage += at_mark - value if is_sale else value - at_mark
    return RowReport(
        key=row.key,
        held=row.held,
        cancelled=sum(episode.cancelled[order_id] == row.key for order_id in gone),
        sold=sold,
        left=row.left if is_over else booked,
        attempts=row.attempts,
        proceeds=proceeds if is_valued else None,
        fees=fees,
        slippage=slippage if is_valued and row.mark is not None else None,
        note=row.note,
    )


def _traded(
    attempt: Attempt, tracker: PositionTracker
) -> tuple[Decimal, Decimal | None, Decimal | None]:
    """Base units traded, their proceeds and their fees, USD; None without a mark."""
    order = tracker.ledger.find(attempt.order_id)
    product = tracker.products.get(attempt.product_id)
    if order is None or product is None:
        return ZERO, ZERO, ZERO
    rate = tracker.marks.usd(product.quote)
    counted = order.counted
    value = None if rate is None else counted.value * product.contract_size * rate
    fees: Decimal | None = ZERO
    for currency, fee in counted.fees.items():
        mark = tracker.marks.usd(currency)
        fees = None if fees is None or (fee and mark is None) else fees + fee * (mark or ZERO)
    return order.filled * product.contract_size, value, fees


def report_view(report: LiquidationReport) -> dict[str, Any]:
    """The report as people and programs are shown it: money to the cent."""
    return asdict(report) | {
        "proceeds": cents(report.proceeds),
        "fees": cents(report.fees),
        "slippage": cents(report.slippage),
        "slippage_ratio": _share(report),
        "rows": [
            asdict(row)
            | {
                "proceeds": _money(row.proceeds),
                "fees": _money(row.fees),
                "slippage": _money(row.slippage),
            }
            for row in report.rows
        ],
    }


def _money(value: Decimal | None) -> Decimal | None:
    return None if value is None else cents(value)


def _share(report: LiquidationReport) -> Decimal | None:
    """Slippage as a share of the sales' worth at the marks of the start."""
    at_marks = abs(report.proceeds + report.slippage)
    return ratio(report.slippage, at_marks) if at_marks else None
