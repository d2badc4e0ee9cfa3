"""The demo's bot: a plain trader that asks the sidecar before every order. Play money only.

It buys coins that have fallen and sells those that have risen, asks for more than it may now and
then, and takes the size that would pass. It talks to the exchange as any bot would: over REST. It trades for so little
that its fees of a whole day cross no limit; before a crash it buys all that it may.
"""

import asyncio
import random  # noqa: TID251 - a bot's whims; the same seed has the same ones
from collections import deque
from collections.abc import Callable, Mapping
from decimal import ROUND_DOWN, Decimal
from typing import Any, Final

import msgspec

from risk_sidecar_client import AskFailed, AsyncClient, Decision
from sidecar.coinbase.rest import CallFailed, Rest

PRODUCTS: Final = ("BTC-USD", "ETH-USD", "SOL-USD")
EVERY_S: Final = 5.0  # wall seconds between two looks at the market
EAGER_EVERY_S: Final = 1.0  # the same while it buys all that it may
SIZES_USD: Final = (50, 100, 150, 250)
EAGER_SIZES_USD: Final = (2000, 3000, 4500)
GREEDY: Final = 0.02  # how often it asks for more than an order may be worth
GREEDY_USD: Final = 8000
HELD_USD_MAX: Final = 5000  # of one coin; then it sells some
RESTING: Final = 0.4  # how often it would rather rest in the book than take
RESTING_MAX: Final = 4  # then it cancels the oldest
SIZE_QUANTUM: Final = Decimal("0.0001")
PRICE_QUANTUM: Final = Decimal("0.01")

Say = Callable[[str], None]


class DemoBot:
    """`say` is told, in a line each, its questions and their outcomes. `is_eager`: it buys all that it may."""

    def __init__(self, sidecar: AsyncClient, rest: Rest, say: Say, seed: int) -> None:
        self._sidecar = sidecar
        self._rest = rest
        self._say = say
        self._chance = random.Random(seed)  # noqa: S311
        self._last: dict[str, Decimal] = {}
        self._resting: deque[str] = deque()
        self._number = 0
        self.is_eager = False

    async def run(self) -> None:
        """Until cancelled: look, ask, send."""
        await self._sidecar.hello("demo-bot", strategy_id="demo")
        while True:
            try:
                await self._turn()
            except (AskFailed, CallFailed) as error:
                self._say(f"waits: {error}")
            await asyncio.sleep(EAGER_EVERY_S if self.is_eager else EVERY_S)

    async def _turn(self) -> None:
        product_id = self._chance.choice(PRODUCTS)
        bid, ask = await self._quote(product_id)
        mid = (bid + ask) / 2
        before, self._last[product_id] = self._last.get(product_id, mid), mid
        held = Decimal(0) if self.is_eager else await self._free(product_id)
        wants_out = mid > before or self._chance.random() < 0.2 or held * mid > HELD_USD_MAX
        body = self._order(product_id, bid, ask, held if wants_out else Decimal(0))
        decision = await self._sidecar.validate_order(body, strategy_id="demo")
        if not decision:
            self._say(f"{_words(body)}  [red]refused[/red] {_why(body, decision)}")
            smaller = self._smaller(body, decision)
            if smaller is None:
                return
            body, decision = (
                smaller,
                await self._sidecar.validate_order(smaller, strategy_id="demo"),
            )
        if decision:
            await self._send(body, decision)

    async def _send(self, body: dict[str, Any], decision: Decision) -> None:
        """Send an approved order; one that Coinbase refuses is released."""
        answer = await self._rest.post("/orders", body)
        if not answer.get("success"):
            await self._sidecar.release_order(body["client_order_id"])
            reason = (answer.get("error_response") or {}).get("error", "refused by the exchange")
            self._say(f"{_words(body)}  approved, but [red]{reason}[/red]")
            return
        self._say(f"{_words(body)}  [green]approved[/green] {decision.notional} USD, sent")
        order_id = answer["success_response"]["order_id"]
        if "limit_limit_gtc" in body["order_configuration"]:
            self._resting.append(order_id)
            if len(self._resting) > RESTING_MAX:
                await self._rest.post(
                    "/orders/batch_cancel", {"order_ids": [self._resting.popleft()]}
                )

    async def _free(self, product_id: str) -> Decimal:
        """The units of its coin that may be sold."""
        rows = msgspec.json.decode(await self._sidecar.ask("positions"))["wallets"]
        coin = product_id.partition("-")[0]
        found = next((row for row in rows if row["currency"] == coin), None)
        free = Decimal(found["free"] or 0) if found else Decimal(0)
        return free.quantize(SIZE_QUANTUM, ROUND_DOWN)

    async def _quote(self, product_id: str) -> tuple[Decimal, Decimal]:
        answer = await self._rest.get("/best_bid_ask", {"product_ids": [product_id]})
        book = answer["pricebooks"][0]
        return Decimal(book["bids"][0]["price"]), Decimal(book["asks"][0]["price"])

    def _order(
        self, product_id: str, bid: Decimal, ask: Decimal, to_sell: Decimal
    ) -> dict[str, Any]:
        """The very body that is POSTed: a purchase, where there is nothing to sell."""
        self._number += 1
        sells = to_sell > 0
        greedy = not sells and self._chance.random() < GREEDY
        worth = self._chance.choice(EAGER_SIZES_USD if self.is_eager else SIZES_USD)
        worth = GREEDY_USD if greedy else worth
        size = (worth / ask).quantize(SIZE_QUANTUM, ROUND_DOWN)
        if sells:
            size = min(size, to_sell)
        terms = {"base_size": str(max(size, SIZE_QUANTUM))}
        kind = "market_market_ioc"
        if not (sells or self.is_eager) and self._chance.random() < RESTING:
            kind = "limit_limit_gtc"
            price = (bid * Decimal("0.998")).quantize(PRICE_QUANTUM, ROUND_DOWN)
            terms["limit_price"] = str(price)
        return {
            "client_order_id": f"demo-{self._number}",
            "product_id": product_id,
            "side": "SELL" if sells else "BUY",
            "order_configuration": {kind: terms},
        }

    def _smaller(self, body: dict[str, Any], decision: Decision) -> dict[str, Any] | None:
        """The same order at the size that would pass, if there is one worth sending."""
        size = Decimal(decision.max_base_size).quantize(SIZE_QUANTUM, ROUND_DOWN)
        if size <= 0:
            return None
        kind, terms = next(iter(body["order_configuration"].items()))
        smaller = {**terms, "base_size": str(size)}
        name = f"{body['client_order_id']}-smaller"
        return {**body, "client_order_id": name, "order_configuration": {kind: smaller}}


def _words(body: Mapping[str, Any]) -> str:
    terms = next(iter(body["order_configuration"].values()))
    price = f"at {terms['limit_price']}" if "limit_price" in terms else "at market"
    return f"{body['side']:<4} {terms['base_size']:>10} {body['product_id']:<8} {price:<14}"


def _why(body: Mapping[str, Any], decision: Decision) -> str:
    first = decision.violations[0]
    asset = body["product_id"].partition("-")[0]
    room = f"; {decision.max_base_size} {asset} would pass" if decision.max_base_size != "0" else ""
    return f"{first.code}: {first.message}{room}"
