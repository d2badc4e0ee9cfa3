"""`make run`: the library at work, told as it happens. Virtual time, no network, nothing kept."""

import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from rich.console import Console

from sidecar import Limits, PositionTracker, RiskManager
from sidecar.core.decision import Decision
from sidecar.core.money import cents, plain
from sidecar.core.order_body import Side

PRODUCTS = [
    {
        "product_id": f"{coin}-USD",
        "product_type": "SPOT",
        "base_currency_id": coin,
        "quote_currency_id": "USD",
        "base_increment": "0.00000001",
        "quote_increment": "0.01",
        "price_increment": "0.01",
        "base_min_size": "0.00001",
        "base_max_size": "3400",
    }
    for coin in ("BTC", "ETH")
]
LIMITS = Limits(
    max_order_notional=5000,
    max_position_notional=20000,
    max_open_orders=20,
    max_leverage=5,
    max_daily_loss="0.10",
    max_cumulative_loss="0.25",
)


class Story:
    """A small account on virtual time, and a console to tell what happens to it."""

    def __init__(self, console: Console) -> None:
        self.console = console
        self.now = datetime(2026, 11, 23, 13, 0, tzinfo=UTC)
        self.tracker = PositionTracker(clock=lambda: self.now)
        self.risk = RiskManager(LIMITS, self.tracker, clock=lambda: self.now)
        self.orders = 0

    def say(self, text: str) -> None:
        self.console.print(f"\n[bold]{text}[/bold]")

    def ask(self, side: Side, size: str, price: str) -> Decision:
        """Ask for a limit order on BTC-USD and tell the answer."""
        self.orders += 1
        body: dict[str, Any] = {
            "client_order_id": f"bot-{self.orders}",
            "product_id": "BTC-USD",
            "side": side,
            "order_configuration": {"limit_limit_gtc": {"base_size": size, "limit_price": price}},
        }
        decision = self.risk.validate_order(json.dumps(body))
        verdict = "[green]approved[/green]" if decision else "[red]refused[/red]"
        self.console.print(
            f"  {side} {size} BTC at {price}: {verdict}, state {decision.state}, "
            f"at most {plain(decision.max_base_size)} would pass"
        )
        for violation in decision.violations:
            until = f", until {violation.clears_at:%H:%M} UTC" if violation.clears_at else ""
            self.console.print(
                f"    {violation.code} ({violation.scope}): {violation.message}{until}"
            )
        for warning in decision.warnings:
            self.console.print(f"    [yellow]{warning.code}: {warning.message}[/yellow]")
        return decision

    def fill(self, decision: Decision, side: Side, size: str, price: str) -> None:
        """The exchange fills an approved order whole."""
        name = f"order-{decision.client_order_id}"
        self.tracker.order_placed(
            name, "BTC-USD", side, size, price, client_order_id=decision.client_order_id
        )
        fee = Decimal(size) * Decimal(price) * Decimal("0.006")
        self.tracker.fill(f"fill-{name}", "BTC-USD", side, size, price, fee, order_id=name)

    def tick(self, price: int) -> None:
        """A second passes and BTC-USD is quoted anew."""
        self.now += timedelta(seconds=1)
        self.tracker.mark("BTC-USD", price, price + 1)

    def books(self) -> None:
        equity, pnl = cents(self.tracker.equity), self.tracker.net_pnl
        self.console.print(f"  equity {plain(equity)} USD, net PnL {cents(pnl)} USD")


def main() -> None:
    """Tell the story."""
    console = Console(highlight=False, soft_wrap=True)
    story = Story(console)
    story.tracker.list_products(PRODUCTS)
    story.tracker.balance("USD", "20000")
    story.tracker.mark("BTC-USD", 64000, 64001)
    console.print(
        "A bot with 20,000 USD asks before every order. Nothing here leaves this process."
    )

    story.say("An order above the limit is refused, with the size that would pass")
    refused = story.ask("BUY", "0.1", "64001")
    story.say("The bot takes the hint, and the exchange fills it")
    size = plain(refused.max_base_size)
    story.fill(story.ask("BUY", size, "64001"), "BUY", size, "64001")
    for _ in range(2):
        story.fill(story.ask("BUY", size, "64001"), "BUY", size, "64001")
    story.books()

    story.say("BTC falls by a sixth: the daily loss limit allows only reducing orders")
    story.tick(53000)
    story.books()
    for action in story.risk.check_and_liquidate_on_loss():
        console.print(f"  [red]{type(action).__name__}[/red]: {action.reason}")  # type: ignore[attr-defined]
    story.ask("BUY", "0.01", "53001")
    story.ask("SELL", "0.05", "53000")

    story.say(
        "It falls on: the cumulative limit must hold for 2 s over 3 quotes before all is sold"
    )
    for price in (41000, 40900, 40800, 40700):
        story.tick(price)
        demanded = story.risk.check_and_liquidate_on_loss()
        names = ", ".join(type(action).__name__ for action in demanded)
        console.print(
            f"  {story.now:%H:%M:%S}  BTC-USD {price}  {story.risk.state.account}: {names}"
        )
    console.print(
        "\nThe daemon that carries this out is the next step. The exchange to try it on is here: risk-sidecar paper"
    )


if __name__ == "__main__":
    main()
