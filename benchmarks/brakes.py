"""What the brakes cost: one desk with all of them, the same desk without any, asked in turn in one run.

The orders are a strategy's and a bot's: limits of strategies and shares of bots cost nothing where neither is named.
"""

from collections.abc import Callable
from decimal import Decimal
from itertools import cycle
from statistics import median
from typing import Any, Final

from benchmarks import desk as bench_desk
from benchmarks.measure import each_ns, summary
from sidecar.core.risk_manager import RiskManager
from sidecar.core.vocabulary import events as ev
from sidecar.core.vocabulary.decision import Decision
from sidecar.core.vocabulary.limits import Limits

STRATEGY: Final = "grid"
ASKER: Final = ev.Asker(uid=1000)
TARGET: Final = 1.1
TURNS: Final = 20  # so that a machine that slows down does so for both
SHARE: Final = "max_share_of_limits"  # counts each order a second time, for its bot
KINDS: Final = ("none", "rules", "and the bots' share")
# Limits of the desk that are brakes, and those that it has not: wide enough to pass without a warning.
OF_THE_DESK: Final = (
    "trading_hours",
    "max_weekly_loss",
    "max_monthly_loss",
    "losing_streak",
    "max_loss_in",
    "max_order_slippage",
    "max_exit_cost",
    SHARE,
)
MORE: Final[dict[str, Any]] = {
    "max_notional_in": {"usd": 1_000_000_000, "window_s": 60},
    "market_shock": {"fall": "0.2", "window": "5m", "share": "0.5"},
    "max_margin_drawdown": "0.5",
    "max_strategy_share": 1,
}
OF_THE_STRATEGY: Final[dict[str, Any]] = {
    "budget": 50_000_000,
    "own_positions_only": True,
    "max_strategy_share": 1,
}


def limits(kind: str) -> Limits:
    """Those of the desk, without a brake, with every rule, or with the share of limits that one bot may use as well."""
    known = bench_desk.LIMITS.model_dump(mode="json", exclude_defaults=True)
    plain = {name: value for name, value in known.items() if name not in OF_THE_DESK}
    if kind == "none":
        return Limits.model_validate(plain | {"strategy": {STRATEGY: {}}})
    if kind == "rules":
        known.pop(SHARE)
    return Limits.model_validate(known | MORE | {"strategy": {STRATEGY: OF_THE_STRATEGY}})


def desk(kind: str) -> RiskManager:
    """The strategy holds a part of the bitcoin that it has bought itself."""
    manager = bench_desk.desk(50, limits=limits(kind))
    manager.handle(
        ev.FillReported(
            at=bench_desk.NOW,
            order_id="bought",
            entry_id="bought",
            product_id="BTC-USD",
            side="BUY",
            size=Decimal(5),
            price=Decimal("64000.00"),
            commission=Decimal(1),
            strategy_id=STRATEGY,
        )
    )
    return manager


def decisions(manager: RiskManager, side: str, first: int, rounds: int) -> list[int]:
    """From JSON bytes to an approved and reserved Decision, as `validate_order`, of a bot that is known."""

    def prepare(number: int) -> ev.OrderProposed:
        body = bench_desk.body(first + number).replace(b"BUY", side.encode())
        now = manager.clock()
        return ev.OrderProposed(at=now, body=body, strategy_id=STRATEGY, asker=ASKER)

    def after(decision: object) -> None:
        assert isinstance(decision, Decision)
        assert decision, decision
        assert not decision.warnings, decision
        manager.release_order(decision.client_order_id)

    return each_ns(manager._decision, prepare, after, rounds=rounds)  # type: ignore[arg-type]  # noqa: SLF001


def ticks(manager: RiskManager, rounds: int) -> list[int]:
    """A new quote of a held coin."""
    prices = cycle([Decimal("64000.00"), Decimal("64000.50"), Decimal("63999.50")])
    return each_ns(
        lambda price: bench_desk.tick(manager, "BTC-USD", price),  # type: ignore[arg-type]
        lambda _: next(prices),
        lambda _: None,
        rounds=rounds,
    )


def in_turn(measure: Callable[[RiskManager, int, int], list[int]], rounds: int) -> list[list[int]]:
    """The same measurement of each desk, a bit of each in turn."""
    desks, spent = [desk(kind) for kind in KINDS], [list[int]() for _ in KINDS]
    for turn in range(TURNS):
        for manager, samples in zip(desks, spent, strict=True):
            samples.extend(measure(manager, turn * rounds, rounds // TURNS))
    return spent


def show(rounds: int) -> None:
    """Print what each costs, and the ratio."""
    print("\nall brakes of the account and of a strategy, against the same desk without")
    measured: dict[str, Callable[[RiskManager, int, int], list[int]]] = {
        "a purchase": lambda manager, first, count: decisions(manager, "BUY", first, count),
        "a sale": lambda manager, first, count: decisions(manager, "SELL", first, count),
        "a tick": lambda manager, _first, count: ticks(manager, count),
    }
    for name, measure in measured.items():
        without, *others = in_turn(measure, rounds)
        print(f"  {name:10}   without  {summary(without)}")
        for kind, samples in zip(KINDS[1:], others, strict=True):
            ratio = median(samples) / median(without)
            print(
                f"  {'':10}   {kind}  {summary(samples)}   ratio {ratio:.2f}  (target ≤ {TARGET})"
            )
