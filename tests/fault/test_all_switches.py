"""Any of the paper exchange's switches, drawn at random at random moments, while a bot asks and trades.

Never an approval that adds risk in doubt, by what the sidecar knows and by the exchange's own truth; once the
switches are off the books are the exchange's again, to the last digit; and flat when told to be, with switches on
too. A run follows from its number: `SIDECAR_SWITCHES_FROM=17 SIDECAR_SWITCHES=1` replays one, and a failure says what
was set. `make soak` takes 200 of them: `SIDECAR_SWITCHES` from `SIDECAR_SWITCHES_FROM` on.
"""

import asyncio
import os
import random
import sys
from contextlib import suppress
from datetime import timedelta
from decimal import Decimal
from typing import Any

import httpx
import msgspec
import pytest

from risk_sidecar_client import AskFailed
from sidecar.coinbase import budget
from sidecar.core.judging.verdict import Verdict
from sidecar.core.vocabulary import actions as ac
from sidecar.core.vocabulary import events as ev
from sidecar.core.vocabulary.decision import Decision
from sidecar.core.vocabulary.money import readable
from tests.fault.paper_client import Trader, trading
from tests.fault.test_kill import Charged, freeze, mid
from tests.running_sidecar import Beside, beside

FIRST = int(os.environ.get("SIDECAR_SWITCHES_FROM", "0"))
RUNS = range(FIRST, FIRST + int(os.environ.get("SIDECAR_SWITCHES", "3")))
TURNS = 30
PAUSE_S = 0.1  # at most, from turn to turn: a fact ends it
ANSWER_WITHIN_S = 0.5
PATIENCE_S = 4.0  # with an order that nobody knows: longer than the exchange hides any
# A fill that is told by its value has a size to so many decimals: below the asset's unit is agreement.
FINE = Decimal("1e-9")
HEALED_WITHIN_S = FLAT_WITHIN_S = 120.0  # some eight, but with two in five calls refused
BIP = "BIP-20DEC30-CDE"
BALANCES = {"USD": "200000", "USDC": "5000", "BTC": "1", "ETH": "5"}
COINS = ("BTC", "ETH")
MOST = {"BTC-USD": Decimal("1.15"), "ETH-USD": Decimal(6), BIP: Decimal(20)}
# Judged by the depth of a book too, which is not always known.
LIMITS = {
    "product": {name: {"max_position_size": str(most)} for name, most in MOST.items()},
    "max_order_slippage": "0.5",
}
# The bot's own calls meet the switches too.
FAILURES = (AssertionError, httpx.HTTPError, ValueError, KeyError)

CHANNELS = ["", "user", "ticker", "heartbeats", "futures_balance_summary", "level2"]
COUNTS = [1, 2, 5]
SWITCHES: dict[str, list[Any]] = {
    "drop_frames": [1, 5, 40],
    "duplicate_frames": [5, 50],
    "reorder_frames": COUNTS,
    "sequence_gaps": COUNTS,
    "future_frames": COUNTS,
    "delay_frames_s": ["0.05", "0.3"],
    "frames_fall_behind": ["0.3"],
    "restart_sequence": COUNTS,
    "frames_channel": CHANNELS,
    "refused_product": ["BTC-USD", "ETH-USD"],
    "refused_channel": ["ticker", "user", "heartbeats", "futures_balance_summary", "level2"],
    "end_subscription": ["BTC-USD", "ETH-USD"],
    "crossed_depth": COUNTS,
    "deep_books": [500],
    "nagging_errors": [True],
    "close_code": [1000, 1001, 1006, 1011, 1013],
    "stall_heartbeats": [True],
    "refuse_connections": [True],
    "expire_tokens": COUNTS,
    "unauthorized_share": ["0.2", "0.4"],
    "late_cancelled_s": ["0.5", "2"],
    "fill_after_cancel": COUNTS,
    "stuck_cancels": ["CANCEL_QUEUED", "UNKNOWN_CANCEL_ORDER"],
    "hide_new_orders_s": ["0.5", "2"],
    "accept_without_answer": [1, 2],
    "answer_without_accept": [1, 2],
    "balance_lag_s": ["0.5", "2"],
    "balance_lag_by_currency": [{"USD": 2}, {"BTC": 1}],
    "futures_balance_lag_s": ["1"],
    "stuck_holds_s": ["2"],
    "bare_futures_figures": [True],
    "missing_wallets": COUNTS,
    "split_wallets": COUNTS,
    "split_as_inactive": [True],
    "negative_balances": COUNTS,
    "huge_balances": COUNTS,
    "text_balances": COUNTS,
    "no_balances": COUNTS,
    "wallets_currency": ["", "BTC", "USD"],
    "foreign_rows": [True],
    "no_wallet_of": ["USDC"],
    "wallet_after_fill": [True],
    "fine_quote_fills": [True],
    "list_empty_books": [True],
    "quotes_of_spot_only": [True],
    "aliases_as_books": [True],
    "late_fees_s": ["0.5", "2"],
    "long_ids": COUNTS,
    "huge_fees": COUNTS,
    "huge_prices": COUNTS,
    "long_cursors": COUNTS,
    "sparse_user_frames": [True],
    "too_many_requests": COUNTS,
    "server_errors": COUNTS,
    "forbidden_futures": [1, 5, 1_000],
    "bad_gateway": ["/portfolios", "/transaction_summary", "/cfm", "/accounts", "/orders/historical/fills"],
    "another_portfolio": [True],
    "slow_bodies_s": ["0.05"],
    "dribbled_bodies": COUNTS,
    "endless_pages": ["cursor", "rows", "empty"],
    "null_optionals": [True],
}  # fmt: skip
# While these stand nobody can be flat, or know it.
HINDER = {
    "stuck_cancels": "",
    "refuse_connections": False,
    "bad_gateway": "",
    "forbidden_futures": 0,
    "split_wallets": 0,
}


@pytest.fixture
async def trader(tmp_path, monkeypatch):
    monkeypatch.setattr("sidecar.core.liquidation.rounds.STUCK_AFTER", timedelta(seconds=2))
    monkeypatch.setattr("sidecar.coinbase.rest.CALL_WITHIN_S", 1.0)
    monkeypatch.setattr("sidecar.coinbase.patience.FOR_S", PATIENCE_S)
    for limit in ("URGENT_AT_ONCE", "URGENT_PER_SECOND"):  # this exchange limits nobody
        monkeypatch.setattr(budget, limit, 1000)
    async with trading(tmp_path, balances=BALANCES) as made:
        yield made


def say(text: str) -> None:
    """Shown with a failure."""
    sys.stdout.write(f"{text}\n")


def agree(truth: Any, told: Any, within: Decimal) -> bool:
    if isinstance(truth, str):
        return abs(Decimal(truth) - Decimal(told)) <= within
    return bool(truth == told)


class Truth:
    """What the exchange has, whatever it says."""

    def __init__(self, trader: Trader) -> None:
        self.trader = trader
        self.exchange = trader.paper.world.exchange
        self.charged = Charged(self.exchange.register.fills)

    def held(self, product_id: str) -> Decimal:
        if product_id == BIP:
            return self.exchange.futures.contracts(BIP)
        return self.exchange.accounts.wallet(product_id.partition("-")[0]).total

    def at_most(self, product_id: str) -> Decimal:
        """What would be held if every open buy was filled."""
        orders = self.exchange.register.open.values()
        buys = [one for one in orders if one.product_id == product_id and one.side == "BUY"]
        return self.held(product_id) + sum((one.remaining for one in buys), Decimal(0))

    def is_flat(self) -> bool:
        """But for what is too little to be sold."""
        listings = self.exchange.listings
        few = {f"{name}-USD": listings[f"{name}-USD"].base_min_size for name in COINS} | {BIP: 1}
        held = all(abs(self.held(name)) < least for name, least in few.items())
        return held and not self.exchange.register.open

    def equity(self) -> Decimal:
        accounts, futures = self.exchange.accounts, self.exchange.futures
        cash = accounts.wallet("USD").total + accounts.wallet("USDC").total + futures.cash
        coins = sum(self.held(f"{name}-USD") * mid(self.trader, f"{name}-USD") for name in COINS)
        contracts = sum(
            row.contracts * row.listing.multiplier * mid(self.trader, row.listing.product_id)
            - row.cost
            for row in futures.open_holdings()
        )
        return cash + coins + contracts

    async def differences(self, made: Beside, within: Decimal) -> dict[str, Any]:
        """Where the books are not the exchange's, in everything."""
        status, told = await made.ask("status"), await made.ask("positions")
        wallets = {row["currency"]: row["total"] for row in told["wallets"]}
        held = {row["key"]: row["quantity"] for row in told["positions"]}
        names = ("USD", "USDC", *COINS)
        accounts = self.exchange.accounts
        pairs: dict[str, tuple[Any, Any]] = {
            name: (readable(accounts.wallet(name).total), wallets.get(name, "0")) for name in names
        }
        multiplier = self.exchange.listings[BIP].multiplier
        pairs[BIP] = (readable(self.held(BIP) * multiplier), held.get(BIP, "0"))
        pairs["futures cash"] = (
            readable(self.exchange.futures.cash),
            (told["futures_wallet"] or {"booked": "0"})["booked"],
        )
        orders = sorted(row["order_id"] for row in told["open_orders"])
        pairs["orders"] = (sorted(self.exchange.register.open), orders)
        pairs["fees"] = (readable(self.charged.total()), status["pnl"]["fees"])
        pairs["equity"] = (readable(self.equity()), status["equity"])
        pairs["transfers"] = ("0", status["transfers"])
        pairs["doubts"], pairs["reservations"] = ([], status["doubts"]), ([], told["reservations"])
        return {name: pair for name, pair in pairs.items() if not agree(*pair, within)}


class Run:
    """One: its chance, the bot, and what the sidecar is caught at."""

    def __init__(self, trader: Trader, made: Beside, seed: int) -> None:
        self.chance = random.Random(seed)
        self.trader, self.made, self.truth = trader, made, Truth(trader)
        self.caught: list[str] = []
        self.within = Decimal(0)  # the books and the exchange agree
        self.approved = self.refused = 0
        self.reconciler: Any = made.engine.carry[ac.Reconcile].__self__  # type: ignore[attr-defined]
        self._handle = made.manager.handle
        made.manager.handle = self._watched  # type: ignore[method-assign]
        self._commit = made.manager.commit
        made.manager.commit = self._watched_commit  # type: ignore[method-assign]

    # ----------------------------------------------------------------------- what may not be approved

    def _watched(self, event: ev.Event) -> list[ac.Action]:
        actions = self._handle(event)
        for action in actions:
            if isinstance(action, ac.Decided):
                self._watch(event, action.decision)
        return actions

    def _watched_commit(self, verdict: Verdict) -> list[ac.Action]:
        """Most decisions come this way: they are given first, and booked then."""
        self._watch(verdict.event, verdict.decision)
        return self._commit(verdict)

    def _watch(self, event: ev.Event, decision: Decision) -> None:
        if isinstance(event, ev.OrderProposed):
            if decision.approved:
                self.approved += 1
                self.caught += self._lies(event)
            else:
                self.refused += 1

    def _lies(self, event: ev.OrderProposed) -> list[str]:
        """Why this approval should not have been given."""
        body = msgspec.json.decode(event.body)
        product_id, manager = body["product_id"], self.made.manager
        if body["side"] != "BUY":
            return []
        doubts = [*manager.tracker.books.doubts.values()]
        doubts += [f"it is {manager.state.account}"] if manager.state.account != "ACTIVE" else []
        for feed in ("user", "market"):
            if getattr(manager.feeds, feed) != "live":
                doubts.append(f"the {feed} feed is {getattr(manager.feeds, feed)}")
        if product_id == BIP and manager.desk.unread.fault:
            doubts.append("futures are unknown")
        (terms,) = body["order_configuration"].values()
        most = self.truth.at_most(product_id) + Decimal(terms.get("base_size", 0))
        if most > MOST[product_id]:
            doubts.append(f"{most} of {product_id} would be held")
        return [f"{body} was approved: {doubt}" for doubt in doubts]

    # -------------------------------------------------------------------------------------- the bot

    async def trade(self, turns: int, *, switching: bool = True) -> None:
        for turn in range(turns):
            if switching and self.chance.random() < 0.3:
                self.switch(turn)
            with suppress(*FAILURES):
                await self._turn()
            self.made.changed.clear()
            with suppress(TimeoutError):
                async with asyncio.timeout(PAUSE_S):
                    await self.made.changed.wait()

    def switch(self, turn: int) -> None:
        """Some go on, sometimes all; now and then some go off."""
        if self.chance.random() < 0.15:
            say(f"turn {turn}: all off")
            self.trader.paper.world.clear_faults()
            return
        many = len(SWITCHES) if self.chance.random() < 0.05 else self.chance.randint(1, 6)
        names = self.chance.sample(sorted(SWITCHES), many)
        self.set(turn, **{name: self.chance.choice(SWITCHES[name]) for name in names})

    def set(self, when: object, **switches: Any) -> None:
        say(f"turn {when}: {switches}")
        if "fine_quote_fills" in switches:
            self.within = FINE
        self.trader.paper.world.set_faults(switches)

    async def _turn(self) -> None:
        if self.truth.exchange.register.open and self.chance.random() < 0.25:
            order_id = self.chance.choice(sorted(self.truth.exchange.register.open))
            await self._call("/orders/batch_cancel", {"order_ids": [order_id]})
            return
        body = self._order()
        if await self.ask(body) and self.chance.random() < 0.95:
            await self._call("/orders", body)

    async def ask(self, body: dict[str, Any]) -> bool:
        try:
            return bool(await self.made.bot.validate_order(body))
        except AskFailed:
            return False

    async def _call(self, path: str, body: dict[str, Any]) -> None:
        await self.trader.call("POST", path, json=body, timeout=ANSWER_WITHIN_S)

    def _order(self) -> dict[str, Any]:
        chance, make = self.chance, self.trader
        kind = chance.choice(["market", "market", "value", "limit", "sell", "contracts", "close"])
        name = chance.choice(COINS)
        product_id = f"{name}-USD"
        size = str(Decimal(chance.randint(1, 10)) / (100 if name == "BTC" else 10))
        match kind:
            case "value":
                terms = {"market_market_ioc": {"quote_size": str(chance.randint(20, 500))}}
                return make.body("BUY", terms, product_id)
            case "limit":
                side = chance.choice(["BUY", "SELL"])
                factor = Decimal("0.8" if side == "BUY" else "1.2")
                price = (mid(make, product_id) * factor).quantize(Decimal(1))
                return make.limit(side, size, str(price), product_id)
            case "sell":
                return make.market("SELL", size, product_id)
            case "contracts":
                return make.market("BUY", str(chance.randint(1, 10)), BIP)
            case "close" if (held := int(self.truth.held(BIP))) > 0:
                return make.market("SELL", str(chance.randint(1, held)), BIP)
        return make.market("BUY", size, product_id)

    # ---------------------------------------------------------------------------------- what must come

    async def until_healed(self) -> None:
        """ACTIVE, and the books are the exchange's."""
        self.trader.paper.world.clear_faults()
        freeze(self.trader, frozen=True)
        differences: Any = None
        try:
            async with asyncio.timeout(HEALED_WITHIN_S):
                while True:
                    self.made.changed.clear()
                    differences = await self.truth.differences(self.made, self.within)
                    if not differences and self.made.state == "ACTIVE":
                        break
                    await self.made.changed.wait()
        except TimeoutError:
            state, fault = self.made.state, self.reconciler.fault
            raise AssertionError(f"not healed: {state}, {differences}, {fault}") from None
        freeze(self.trader, frozen=False)

    async def until_flat(self) -> None:
        made = self.made
        assert (await made.ask("flatten", reason="enough"))["done"]
        try:
            async with asyncio.timeout(FLAT_WITHIN_S):
                while made.manager.liquidator.is_busy or made.state != "HALTED":
                    made.changed.clear()
                    await made.changed.wait()
                await made.settled()
        except TimeoutError:
            liquidations = (await made.ask("status"))["liquidations"]
            raise AssertionError(f"not flat: {made.state}, {liquidations}") from None
        assert self.truth.is_flat(), self.truth.exchange.register.open


@pytest.mark.parametrize("seed", RUNS)
async def test_all_switches_at_random(trader, seed):
    say(f"seed {seed}")
    tables: dict[str, Any] = {
        "coinbase": {"follow": ["BTC-USD", "ETH-USD", BIP], "reconcile_s": 5},
        "limits": LIMITS,
        "server": {"reservation_s": 5},
    }
    async with beside(trader, **tables) as made:
        run = Run(trader, made, seed)
        run.reconciler._period_s = 1.0  # least in a configuration: 5
        await made.until_state("ACTIVE")
        assert await run.ask(trader.limit("BUY", "0.01", "30000"))
        await run.trade(TURNS)
        if run.chance.random() < 0.5:
            run.set("of the flattening", **HINDER)
            await run.until_flat()
            trader.paper.world.clear_faults()
            say(f"resumed: {await made.ask('resume', reason='go on')}")
        await run.until_healed()
        await run.trade(5, switching=False)
        await run.until_flat()
        say(f"{run.approved} approved, {run.refused} refused")
        assert run.caught == []
        assert run.approved
