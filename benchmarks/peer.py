"""The yardstick: openpit 0.10 (a Rust pre-trade SDK) building an order and checking it with four policies."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import openpit
from openpit import param
from openpit.pretrade import policies


def build_and_check() -> tuple[Callable[[Any], Any], Callable[[int], Any], Callable[[Any], Any]]:
    """(call, prepare, after) for `measure.each_ns`: from the numbers as text to a reservation."""
    engine = (
        openpit.Engine.builder()
        .no_sync()
        .builtin(policies.build_order_validation())
        .builtin(
            policies.build_rate_limit().broker_barrier(
                policies.RateLimitBrokerBarrier(
                    limit=policies.RateLimit(10**9, timedelta(seconds=1))
                )
            )
        )
        .builtin(
            policies.build_order_size_limit().broker_barrier(
                policies.OrderSizeBrokerBarrier(
                    limit=policies.OrderSizeLimit(
                        max_quantity=param.Quantity("500"), max_notional=param.Volume("1000000")
                    )
                )
            )
        )
        .builtin(
            policies.build_pnl_bounds_killswitch().broker_barriers(
                policies.PnlBoundsBrokerBarrier(
                    settlement_asset=param.Asset("USD"), lower_bound=param.Pnl("-10000")
                )
            )
        )
        .build()
    )
    account = param.AccountId.from_int(1)

    def call(_: Any) -> Any:
        order = openpit.Order(
            operation=openpit.OrderOperation(
                instrument=openpit.Instrument("BTC", "USD"),
                account_id=account,
                side=param.Side.BUY,
                trade_amount=param.TradeAmount.quantity("0.01"),
                price=param.Price("64000.01"),
            ),
        )
        return engine.execute_pre_trade(order=order)

    def after(result: Any) -> None:
        assert result.ok, result.rejects
        result.reservation.rollback()

    return call, lambda number: number, after
