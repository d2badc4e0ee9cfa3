"""Rows of positions as facts: futures; and, of a portfolio's breakdown, entry prices and other venues. Pure.

Source: Coinbase Advanced Trade API, Futures, Portfolios.
"""

from collections.abc import Iterable
from datetime import datetime
from decimal import Decimal
from typing import Final

from sidecar.coinbase.reading import NAME_MAX, Row, number_of, required, table, tables, text
from sidecar.core.vocabulary import events as ev
from sidecar.core.vocabulary.errors import Untrusted
from sidecar.core.vocabulary.money import ZERO

PREDICTIONS: Final = "prediction_markets_positions"
SIDES: Final = {"LONG": 1, "SHORT": -1}  # of a position: LONG, Long, FUTURES_POSITION_SIDE_LONG


def futures_positions(
    rows: Iterable[Row], at: datetime, fills_until: datetime | None
) -> ev.FuturesRead:
    """`GET /cfm/positions`: contracts are unsigned there, the side has the sign. Raises Untrusted,
    naming the position: without one of them the holdings are not known.
    """
    positions = tuple(_position(row) for row in rows)
    return ev.FuturesRead(at=at, positions=positions, fills_until=fills_until)


def _position(row: Row) -> ev.FuturesPosition:
    try:
        return ev.FuturesPosition(
            required(row, "product_id"), _contracts(row), number_of(row, "avg_entry_price") or None
        )
    except Untrusted as fault:
        raise Untrusted(f"position {str(row.get('product_id'))[:NAME_MAX]}: {fault}") from None


def _contracts(row: Row) -> Decimal:
    contracts = number_of(row, "number_of_contracts")
    sign = SIDES.get(text(row.get("side"), "side").upper().rpartition("_")[2])
    if contracts is None:
        raise Untrusted("number_of_contracts is missing")
    if contracts and (sign is None or contracts < ZERO):
        raise Untrusted("it is neither LONG nor SHORT by so many contracts")
    return (sign or 1) * contracts


def entry_prices(breakdown: Row) -> dict[str, Decimal]:
    """Average entry prices by asset from `GET /portfolios/{uuid}`; rows that cannot be read are
    left out.
    """
    prices: dict[str, Decimal] = {}
    for row in tables(breakdown.get("spot_positions"), "spot_positions"):
        try:
            entry = number_of(row, "average_entry_price")
        except Untrusted:
            continue  # for display only
        if (
            entry is not None
            and entry > ZERO
            and isinstance(asset := row.get("asset"), str)
            and asset
        ):
            prices[asset] = entry
    return prices


def elsewhere(breakdown: Row, at: datetime) -> ev.ElsewhereRead:
    """The holdings in venues that are not counted here, from `GET /portfolios/{uuid}`."""
    balances = table(breakdown.get("portfolio_balances"), "portfolio_balances")
    worth = number_of(balances, "total_equities_balance") or ZERO
    counts = {
        "stocks": len(tables(breakdown.get("equity_positions"), "equity_positions")),
        "prediction markets": len(tables(breakdown.get(PREDICTIONS), PREDICTIONS)),
        "Global Derivatives": len(tables(breakdown.get("perp_positions"), "perp_positions")),
    }
    venues = [
        ev.Venue(name, worth if name == "stocks" else ZERO, positions=count)
        for name, count in counts.items()
    ]
    return ev.ElsewhereRead(at=at, venues=tuple(venues))
