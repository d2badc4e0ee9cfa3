"""`make bench`, first half: every figure as a ratio to something measured in the same run."""

import argparse
from decimal import Decimal
from itertools import cycle
from statistics import median

from benchmarks import brakes, peer
from benchmarks import desk as bench_desk
from benchmarks.measure import each_ns, machine, summary
from sidecar.core.judging.judge import compile_plan
from sidecar.core.risk_manager import RiskManager


def validate_order(manager: RiskManager, rounds: int) -> list[int]:
    """From JSON bytes to an approved and reserved Decision; the release in between is not counted."""

    def after(decision: object) -> None:
        assert decision, decision
        manager.release_order(decision.client_order_id)  # type: ignore[attr-defined]

    return each_ns(manager.validate_order, bench_desk.body, after, rounds=rounds)  # type: ignore[arg-type]


def ticks(manager: RiskManager, rounds: int) -> list[int]:
    """A new quote of a held coin: marks, PnL, exposure and loss limits."""
    prices = cycle([Decimal("64000.00"), Decimal("64000.50"), Decimal("63999.50")])
    return each_ns(
        lambda price: bench_desk.tick(manager, "BTC-USD", price),  # type: ignore[arg-type]
        lambda _: next(prices),
        lambda _: None,
        rounds=rounds,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=20_000, help="calls measured of each kind")
    rounds = parser.parse_args().rounds
    print(machine())
    manager = bench_desk.desk(50)
    plan = compile_plan(manager.desk, manager.tracker.products["BTC-USD"], None)
    rules = {gate.code for gate in (*plan.gates, *plan.state_gates)}
    rules |= {rule.code for *_, rule, _ in plan.measured}
    rules |= {
        rule.code
        for rule, _ in (*plan.minima, *((one.rule, one.bound) for one in plan.tables.books_alone))
    }
    print(
        f"\nvalidate_order, JSON bytes → Decision, reserved: {len(rules)} rules, 20 positions, 50 open orders"
    )
    call, prepare, clean = peer.build_and_check()
    yardstick = each_ns(call, prepare, clean, rounds=rounds)
    ours = validate_order(manager, rounds)
    print(f"  openpit, build order and check, 4 policies   {summary(yardstick)}")
    print(f"  sidecar                                      {summary(ours)}")
    ratio = median(ours) / median(yardstick)
    print(f"  ratio of medians                             {ratio:.2f}  (target ≤ 3, stretch 2)")
    print("\ngrowth with open orders (median against 10)")
    base = median(validate_order(bench_desk.desk(10), rounds // 4))
    for count in (100, 1_000, 10_000):
        print(
            f"  {count:6,d}   {median(validate_order(bench_desk.desk(count), rounds // 4)) / base:.2f}"
        )
    print("\ntick: quote → marks, PnL, exposure, loss limits")
    print(f"  20 positions, 50 open orders                 {summary(ticks(manager, rounds))}")
    brakes.show(rounds)


if __name__ == "__main__":
    main()
