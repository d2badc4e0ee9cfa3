"""A desk to measure on: 20 positions, any number of open orders, and a limit for every rule."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Final

import numpy as np

from sidecar.core.account.position_tracker import PositionTracker
from sidecar.core.account.working import Leg
from sidecar.core.context.settings import Settings
from sidecar.core.risk_manager import RiskManager
from sidecar.core.value_at_risk.portfolio_risk import Added, Measure, RiskFigure
from sidecar.core.vocabulary import events as ev
from sidecar.core.vocabulary.limits import Limits
from sidecar.core.vocabulary.products import Product

NOW = datetime(2026, 11, 22, 13, 0, tzinfo=UTC)
POSITIONS = 20
STEP = timedelta(milliseconds=1)  # virtual time between two questions: 1,000 orders a second


class Clock:
    """Virtual time that moves on with every question."""

    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> datetime:
        self.now += STEP
        return self.now


class FixedRisk:
    """A stand-in that costs nothing: the figures' own cost is measured where they are computed."""

    def __init__(self) -> None:
        self.known = RiskFigure(Decimal(1000), Decimal(1001))

    def figure(
        self,
        _measure: Measure,
        _tracker: PositionTracker,
        _added: tuple[Added, ...],
        _calm: Decimal,
    ) -> RiskFigure:
        return self.known

    def room(
        self, _measure: Measure, _tracker: PositionTracker, _leg: Leg, _calm: Decimal
    ) -> Decimal:
        return Decimal(10**12)


def names() -> list[str]:
    return ["BTC", "ETH", *(f"C{number:02d}" for number in range(POSITIONS - 2))]


def product(base: str) -> Product:
    return Product(
        product_id=f"{base}-USD",
        base=base,
        quote="USD",
        base_increment=Decimal("0.00000001"),
        quote_increment=Decimal("0.01"),
        price_increment=Decimal("0.01"),
        base_min_size=Decimal("0.00001"),
        base_max_size=Decimal(3400),
        quote_min_size=Decimal(1),
        quote_max_size=Decimal(150000000),
    )


# Every kind of limit that binds an order, wide enough to pass without a warning.
LIMITS: Final = Limits.model_validate(
    {
        "min_order_size": "0.00001",
        "max_order_size": 100,
        "max_order_notional": 1_000_000,
        "max_position_size": 1000,
        "max_position_notional": 10_000_000,
        "max_gross_exposure": 100_000_000,
        "max_net_exposure": 100_000_000,
        "max_leverage": 5,
        "max_concentration": 1,
        "max_open_orders": 1_000_000,
        "max_order_rate": {"count": 10_000, "window_s": 1},
        "duplicate_order": {"count": 10_000, "window_s": 1},
        "max_share_of_limits": "0.5",
        "price_collar": "0.05",
        "trading_hours": {"zone": "America/New_York", "windows": ["Mon-Sun 00:00-24:00"]},
        "max_daily_loss": "0.1",
        "max_weekly_loss": "0.15",
        "max_monthly_loss": "0.2",
        "losing_streak": {"trades": 4, "cool_down": "2h"},
        "max_loss_in": [{"window": "4h", "limit": "0.1"}, {"window": "24h", "limit": "0.15"}],
        "max_drawdown": "0.5",
        "max_cumulative_loss": "0.25",
        "max_var": "0.15",
        "max_quote_age_s": 86_400,
    }
)


def desk(open_orders: int, *, with_var: bool = True, limits: Limits = LIMITS) -> RiskManager:
    """A manager with positions in 20 coins and this many resting orders spread over them; value at risk
    is computed, from a year of daily prices, or given by a stand-in.
    """
    tracker = PositionTracker()
    manager = RiskManager(limits, tracker, clock=Clock())
    if not with_var:
        manager.desk.portfolio_risk = FixedRisk()
    products = tuple(product(base) for base in names())
    tracker.apply(ev.ProductsListed(at=NOW, products=products))
    coins = [ev.Balance(base, Decimal(10)) for base in names()]
    balances = (ev.Balance("USD", Decimal(100_000_000)), *coins)
    tracker.apply(ev.BalancesRead(at=NOW, balances=balances))
    for each in products:
        tick(manager, each.product_id, Decimal("64000.00"))
    manager.handle(ev.ClockAdvanced(at=NOW))
    for number, base in enumerate(names()):
        manager.handle(history(f"{base}-USD", number))
    for number in range(open_orders):
        manager.handle(
            ev.OrderReported(
                at=NOW,
                order_id=f"o{number}",
                client_order_id=f"open-{number}",
                side="BUY",
                status="OPEN",
                product_id=products[number % POSITIONS].product_id,
                leaves=Decimal("0.01"),
                limit_price=Decimal(60000) - number % 100,
            )
        )
    return manager


def history(book: str, seed: int, days: int = 251) -> ev.ClosesRead:
    """A year of daily closes, of 4 % a day."""
    day, moves = 86_400, np.random.default_rng(seed).standard_normal(days) * 0.04
    end = int(NOW.timestamp()) // day
    closes = 64_000 * np.exp(np.cumsum(moves) - moves.sum())
    told = tuple(
        ((end - days + i) * day, Decimal(f"{close:.2f}")) for i, close in enumerate(closes)
    )
    return ev.ClosesRead(
        at=NOW, book=book, period_s=day, since=(end - days) * day, until=end * day, closes=told
    )


def tick(manager: RiskManager, product_id: str, price: Decimal) -> None:
    """A new best bid and ask."""
    quote = ev.Quote(product_id, price, price + Decimal("0.01"), NOW)
    manager.handle(ev.Quotes(at=NOW, quotes=(quote,)))


SMALL: Final = b"0.01"
# 11.5 BTC are worth more than 70 % of what an order may be: approved with a warning.
NEAR_A_LIMIT: Final = b"11.5"


def body(number: int, size: bytes = SMALL) -> bytes:
    return (
        b'{"client_order_id":"bot-%d","product_id":"BTC-USD","side":"BUY","order_configuration":'
        b'{"limit_limit_gtc":{"base_size":"%b","limit_price":"64000.01","post_only":false}}}'
        % (number, size)
    )


def empty(settings: Settings) -> RiskManager:
    """A manager that knows nothing yet."""
    return RiskManager(LIMITS, PositionTracker(), clock=Clock(), settings=settings)
