"""A random walk through the life of an account: by a seed, verbs with weights, and values near each other's edges.

Prices move by whole percents, sizes and waits are few and round: limits are met exactly, again and again. What
the manager asks for waits in an inbox; the verb `answer` carries one wish out, well or badly.
"""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from random import Random
from typing import Any, Final

import msgspec
from msgspec.structs import replace

from sidecar.core.saved import (
    SavedManager,
    restore_manager,
    restore_tracker,
    save_manager,
    save_tracker,
)
from sidecar.core.saved_tracker import SavedTracker
from sidecar.core.vocabulary import actions as ac
from sidecar.core.vocabulary import events as ev
from sidecar.core.vocabulary.errors import SidecarError
from sidecar.core.vocabulary.limits import Limits
from sidecar.core.vocabulary.order_body import Side
from tests.histories import tell as tell_closes
from tests.histories import tell_nothing, wave
from tests.scenario import FUTURE, PRODUCTS, D, World, future, order, product

PERPETUAL: Final = "ETP-20DEC30-CDE"
LISTED: Final = (
    *PRODUCTS, product("EUR-USD", price_increment=D("0.0001")), product("ETH-USDC", alias="ETH-USD"),
    product("SOL-USD", base_increment=D("0.01"), base_min_size=D("0.1"), base_max_size=D(50), quote_min_size=D(10)),
    product("USDT-USD", price_increment=D("0.0001")), product("USDT-USDC", price_increment=D("0.0001")),
    future(PERPETUAL, base="ETH", contract_size=D("0.1"), price_increment=D("0.5"), margin_rate=D("0.1")),
)  # fmt: skip
BASE: Final = {
    "BTC-USD": D(64_000), "BTC-USDC": D(64_000), "BTC-EUR": D(80_000), "ETH-USD": D(2_000), "ETH-USDC": D(2_000),
    "ETH-BTC": D("0.03125"), "USDC-EUR": D("0.8"), "EUR-USD": D("1.25"), "SOL-USD": D(100), "USDT-USD": D(1),
    "USDT-USDC": D(1), FUTURE: D(64_000), PERPETUAL: D(2_000),
}  # fmt: skip
QUOTED: Final = (
    "BTC-USD",
    "ETH-USD",
    "EUR-USD",
    "USDC-EUR",
    "ETH-BTC",
    "SOL-USD",
    FUTURE,
    PERPETUAL,
)
SIZES: Final = {
    "BTC": ("0.01", "0.1", "0.1", "0.25", "0.5", "1", "0.00001", "0.000001"),
    "ETH": ("0.1", "1", "1", "2.5", "8", "32"), "SOL": ("0.05", "0.1", "1", "1.005", "10", "50", "51"),
    "USDC": ("100", "1000"), "EUR": ("100", "1000"), "USDT": ("100", "1000"),
}  # fmt: skip
CONTRACTS: Final = ("1", "1", "5", "10", "25", "100", "0.5")
NEAR: Final = (-20, -5, -5, -2, -1, -1, 0, 0, 0, 0, 1, 1, 2, 5, 5, 20)
KINDS: Final = (
    *["limit_limit_gtc"] * 8, *["market_market_ioc"] * 3, "market_quote", "market_quote", "limit_quote",
    "market_market_fok", "sor_limit_ioc", "limit_limit_fok", "limit_limit_gtd", "stop_limit_stop_limit_gtc",
    "stop_limit_stop_limit_gtd", "trigger_bracket_gtc", "trigger_bracket_gtd", "twap_limit_gtd", "scaled_limit_gtc",
    "scaled_rungs", "post_only", "attached", "odd",
)  # fmt: skip
WAITS: Final = (0, 0.5, 1, 1, 2, 3, 5, 9, 10, 11, 20, 30, 60)


@dataclass
class Order:
    """An order at Coinbase, as the walk knows it."""

    order_id: str
    name: str
    product_id: str
    side: Side
    size: Decimal
    price: Decimal
    stop: Decimal | None = None
    filled: Decimal = D(0)
    paid: Decimal = D(0)
    status: str = "OPEN"

    def row(self) -> dict[str, Any]:
        """A report's fields."""
        average = self.paid / self.filled if self.filled else D(0)
        return {
            "order_id": self.order_id, "client_order_id": self.name, "product_id": self.product_id, "side": self.side,
            "status": self.status, "base_size": self.size, "filled": self.filled, "leaves": self.size - self.filled,
            "average_price": average, "limit_price": self.price, "stop_price": self.stop,
            "fees": self.paid / 1000,
        }  # fmt: skip


def other_process(world: World) -> World:
    """The world as it was saved, in a process that goes on where it was."""
    new = World(
        products=(),
        settings=world.manager.settings,
        keep=world.tracker.wallets.keep,
        start=world.now,
    )
    new.manager.desk.use(world.manager.limits)
    saved = msgspec.json.encode((save_tracker(world.tracker), save_manager(world.manager)))
    tracker, manager = msgspec.json.decode(saved, type=tuple[SavedTracker, SavedManager])
    restore_tracker(tracker, new.tracker)
    restore_manager(manager, new.manager)
    return new


class Walk:
    """One walk: a world, its random numbers, and what is under way at Coinbase."""

    def __init__(
        self,
        world: World,
        seed: int,
        *,
        products: Sequence[str] = ("BTC-USD",),
        strategies: Sequence[str | None] = (None,),
        waits: Sequence[float] = WAITS,
        limits: Sequence[Mapping[str, Any]] = (),
        steps: Sequence[int] = (-1, -1, 0, 1, 1),
        kinds: Sequence[str] = KINDS,
        near: Sequence[int] = NEAR,
    ) -> None:
        self.world, self.random = world, Random(seed)
        self.products, self.strategies, self.waits, self.limits = (
            products,
            strategies,
            waits,
            limits,
        )
        self.price_steps, self.kinds, self.near = steps, kinds, near
        self.level = dict.fromkeys(BASE, 0)
        self.number = 0
        self.bodies: list[tuple[dict[str, Any], str | None]] = []
        self.orders: list[Order] = []
        self.old_rows: list[dict[str, Any]] = []
        self.old_fills: list[ev.FillReported] = []
        self.inbox: list[ac.Action] = []
        self.funding = D(0)

    def run(self, steps: int, **weights: int) -> "Walk":
        """So many verbs, chosen by their weights."""
        names = list(weights)
        for _ in range(steps):
            verb = self.random.choices(names, list(weights.values()))[0]
            with suppress(SidecarError):
                getattr(self, verb)()
        return self

    # --- Words --------------------------------------------------------------------------------------

    def pick(self, *among: Any) -> Any:
        return among[self.random.randrange(len(among))]

    def chance(self, one_in: int) -> bool:
        return self.random.randrange(one_in) == 0

    def next_name(self, kind: str) -> str:
        self.number += 1
        return f"{kind}{self.number}"

    def send(self, kind: type[ev.Event], **fields: Any) -> None:
        self.hear(self.world.send(kind, **fields))

    def hear(self, actions: Sequence[ac.Action]) -> None:
        told = (ac.WakeAt, ac.Decided, ac.Alert, ac.Answered, ac.CauseRaised, ac.CauseCleared)
        not_walked = (ac.FollowDepth, ac.ReadDepth)  # the depth of books has histories of its own
        self.inbox += [one for one in actions if not isinstance(one, (*told, *not_walked))]
        del self.inbox[:-12]

    def price(self, product_id: str, percent: int = 0) -> Decimal:
        """The price of now, so many percent away, on the product's grid."""
        book = self.world.tracker.products[product_id].book
        level = self.level.get(book, 0)
        exact = BASE[product_id] * (100 + level) * (100 + percent) / 10_000
        step = self.world.tracker.products[product_id].price_increment
        return max(exact // step * step, step)

    # --- Orders that bots ask for ---------------------------------------------------------------------

    def ask(self) -> None:
        product_id = self.pick(*self.products)
        if not self.chance(4):
            self.all_prices()
        body = self._body(product_id, self.pick(*self.kinds), self.pick("BUY", "SELL"))
        strategy = self.pick(*self.strategies)
        self.bodies.append((body, strategy))
        self._propose(body, strategy, dry_run=self.chance(8))

    def _propose(self, body: Any, strategy: str | None, *, dry_run: bool = False) -> None:
        asker = ev.Asker(7, self.pick("", "maker", "grid")) if self.chance(4) else None
        sent = msgspec.json.encode(body) if self.chance(3) else body
        proposed = ev.OrderProposed(
            at=self.world.now, body=sent, strategy_id=strategy, dry_run=dry_run, asker=asker
        )
        manager = self.world.manager
        verdict = manager.decide(proposed) if self.chance(3) else None
        self.hear(self.world.handle(proposed) if verdict is None else manager.commit(verdict))

    def strange(self) -> None:
        """A body that is no order, or one of rare fields."""
        product_id = self.pick(*self.products)
        body = self._body(product_id, "limit_limit_gtc", self.pick("BUY", "SELL"))
        price, start = str(self.price(product_id)), self.world.now
        hour = (start + timedelta(hours=1)).isoformat()
        size = {"base_size": "0.1"}
        configuration: dict[str, Any] = self.pick(
            {}, {"odd_kind": size}, {"limit_limit_gtc": size}, {"limit_limit_gtc": {"limit_price": price}},
            {"market_market_ioc": {"base_size": "0.1", "quote_size": "100"}}, {"market_market_ioc": {}},
            {"limit_limit_gtd": size | {"limit_price": price, "end_time": self.pick("soon", start.isoformat(), "2026-11-22T14:00:00")}},
            {"twap_limit_gtd": size | {"limit_price": price, "start_time": hour, "end_time": hour}},
            {"stop_limit_stop_limit_gtc": size | {"limit_price": price, "stop_price": price}},
            {"scaled_limit_gtc": size | {"min_price": price, "max_price": "1"}}, {"scaled_limit_gtc": size},
            {"scaled_limit_gtc": size | {"orders": [size | {"limit_price": price}] * 2}},
            {"scaled_limit_gtc": {"orders": [size | {"limit_price": price, "quote_size": "5"}]}},
            {"limit_limit_gtc": size | {"limit_price": price}, "market_market_ioc": size},
        )  # fmt: skip
        changed = self.pick(
            {"order_configuration": configuration}, {"order_configuration": configuration}, {"leverage": self.pick("0", "2")},
            {"client_order_id": self.pick("", 5, "risk-sidecar-1", "a\n")}, {"product_id": "NONE-USD"}, {"extra": 1},
            {"cost_basis_method": {"a": 1}}, {"sor_preference": "SOR_DISABLED"},
        )  # fmt: skip
        self._propose(
            self.pick(body | changed, body | changed, body | changed, "no order", 5), None
        )

    def _body(self, product_id: str, kind: str, side: str) -> dict[str, Any]:
        listed = self.world.tracker.products[product_id]
        held = self.world.tracker.wallets.get(listed.base).total
        sizes: Sequence[str] = CONTRACTS if listed.is_future else SIZES[listed.base]
        if side == "SELL" and not listed.is_future and not self.chance(5):
            sizes = [one for one in sizes if D(one) <= held]
            side = "SELL" if sizes else "BUY"
        size = self.pick(*(sizes or SIZES[listed.base]))
        price, far = (
            self.price(product_id, self.pick(*self.near)),
            self.price(product_id, self.pick(*self.near)),
        )
        end = (self.world.now + timedelta(hours=1)).isoformat()
        worth = str(self.pick(1, 100, 1000, 6400, 10_000))
        name, plain = self.next_name("c"), {"base_size": size, "limit_price": str(price)}
        stop = {
            "stop_price": str(far),
            "stop_direction": f"STOP_DIRECTION_STOP_{self.pick('UP', 'DOWN')}",
        }
        bracket = {"stop_trigger_price": str(far)}
        terms: dict[str, Any] = {
            "market_market_ioc": {"base_size": size}, "market_market_fok": {"base_size": size},
            "market_quote": {"quote_size": worth}, "limit_quote": {"quote_size": worth, "limit_price": str(price)},
            "limit_limit_gtd": plain | {"end_time": end}, "stop_limit_stop_limit_gtc": plain | stop,
            "stop_limit_stop_limit_gtd": plain | stop | {"end_time": end},
            "trigger_bracket_gtc": plain | bracket, "trigger_bracket_gtd": plain | bracket | {"end_time": end},
            "twap_limit_gtd": plain | {"start_time": self.world.now.isoformat(), "end_time": end},
            "scaled_limit_gtc": {"base_size": size, "min_price": str(min(price, far)), "max_price": str(max(price, far))},
            "scaled_rungs": {"orders": [plain, plain | {"limit_price": str(far)}]}, "post_only": plain | {"post_only": True},
            "odd": plain | {"base_size": self.pick("0", "-1", "x", "1e30")},
        }.get(kind, plain)  # fmt: skip
        real = {
            "market_quote": "market_market_ioc", "limit_quote": "limit_limit_gtc", "scaled_rungs": "scaled_limit_gtc",
            "post_only": "limit_limit_gtc", "attached": "limit_limit_gtc", "odd": "limit_limit_gtc",
        }.get(kind, kind)  # fmt: skip
        body = order(real, side, product_id, name, **terms)
        if kind == "attached":
            exits = {
                "limit_price": str(self.price(product_id, 10)),
                "stop_trigger_price": str(self.price(product_id, -10)),
            }
            body["attached_order_configuration"] = {"trigger_bracket_gtc": exits}
        return body

    def again(self) -> None:
        """The same order, or another one under the same id."""
        if not self.bodies:
            return
        body, strategy = self.pick(*self.bodies[-4:])
        if self.chance(4):
            body = body | {"side": self.pick("BUY", "SELL")}
        self._propose(body, strategy)

    def twin(self) -> None:
        """The same order under another id."""
        if self.bodies:
            body, strategy = self.pick(*self.bodies[-3:])
            self._propose(body | {"client_order_id": self.next_name("c")}, strategy)

    def edit(self) -> None:
        open_orders = [one for one in self.orders if one.status == "OPEN"]
        if not open_orders:
            return
        one = self.pick(*open_orders[-4:])
        price = (
            str(self.price(one.product_id, self.pick(*self.near))) if not self.chance(3) else None
        )
        size = str(one.size * self.pick(1, 1, 2, D("0.5"))) if not self.chance(3) else None
        asker = ev.Asker(7, self.pick("", "maker")) if self.chance(4) else None
        self.send(
            ev.EditProposed, order_id=one.order_id, price=price, size=size, dry_run=self.chance(6), asker=asker
        )  # fmt: skip
        if self.chance(2):  # it is edited, asked or not
            one.price = one.price if price is None else D(price)
            one.size = one.size if size is None else max(D(size), one.filled)
            self._report(one)

    def close(self) -> None:
        size = self.pick(None, "1", "5", "100", "0", "x")
        self.send(
            ev.CloseProposed, product_id=self.pick(FUTURE, FUTURE, PERPETUAL, "BTC-USD", "NONE"),
            client_order_id=self.next_name("k"), size=size, strategy_id=self.pick(*self.strategies),
        )  # fmt: skip

    def release(self) -> None:
        if self.bodies:
            name = self.pick(*self.bodies[-4:])[0]["client_order_id"]
            why = self.pick("released", "released", "never_arrived")
            self.send(ev.ReservationReleased, client_order_id=name, reason=why)

    # --- Orders at Coinbase -----------------------------------------------------------------------------

    def arrive(self) -> None:
        """An approved order comes to Coinbase."""
        live = list(self.world.tracker.ledger.reservations.values())
        waiting = [one.order for one in live if not one.order_id]
        if not waiting:
            return
        asked = self.pick(*waiting[-3:])
        price = asked.given_limit or self.price(asked.product_id)
        size = asked.base_size or (asked.quote_size or D(100)) / price
        new = Order(
            self.next_name("o"), asked.client_order_id, asked.product_id, asked.side, round(size, 8), price,
            asked.stop_price, status=self.pick("OPEN", "OPEN", "OPEN", "PENDING", "QUEUED", "FAILED"),
        )  # fmt: skip
        self.orders.append(new)
        self._report(new, attached=asked.attached, is_market=asked.is_market)

    def stranger(self) -> None:
        """An order that nobody asked about."""
        product_id = self.pick(*self.products)
        listed = self.world.tracker.products[product_id]
        size = D(self.pick(*(CONTRACTS if listed.is_future else SIZES[listed.base])))
        price = self.price(product_id, self.pick(*self.near))
        new = Order(
            self.next_name("s"), self.pick("", "", "mine", "risk-sidecar-x-1"), product_id, self.pick("BUY", "SELL"), size,
            price, self.pick(None, None, price),
        )  # fmt: skip
        self.orders.append(new)
        born = self.world.now - timedelta(seconds=self.pick(0, 0, 5, 3600))
        self._report(
            new, created_at=self.pick(None, born), strategy_id=self.pick(*self.strategies),
            by_coinbase=self.chance(10), parent_id="o1" if self.chance(10) else "",
        )  # fmt: skip

    def _report(self, one: Order, **fields: Any) -> None:
        row = one.row()
        listed = self.world.tracker.products.get(one.product_id)
        if listed is not None and listed.alias and self.chance(2):
            row["product_id"] = listed.alias  # a frame may name the product whose book it shares
        self.old_rows.append(row)
        self.hear(self.world.report(**row | {"by_rest": self.chance(5)} | fields))

    def _open(self) -> Order | None:
        among = [one for one in self.orders[-12:] if one.status in ("OPEN", "PENDING", "QUEUED")]
        return self.pick(*among) if among else None

    def fill(self) -> None:
        """A part of an order fills, or all of it; its row of the fills may come too."""
        one = self._open()
        if one is None:
            return
        size = (one.size - one.filled) * self.pick(1, 1, D("0.5"), D("0.25"))
        price = one.price if self.chance(6) else self.price(one.product_id)
        one.filled += size
        one.paid += size * price
        one.status = "FILLED" if one.filled == one.size else "OPEN"
        row = ev.FillReported(
            at=self.world.now, entry_id=self.next_name("e"), order_id=one.order_id, product_id=one.product_id,
            side=one.side, price=price, size=size, commission=size * price / 1000,
            client_order_id=self.pick("", one.name), traded_at=self.pick(None, self.world.now), by_value=self.chance(8),
        )  # fmt: skip
        self.old_fills.append(row)
        if not self.chance(4):
            self._report(one)
        if self.chance(2):
            self._fill_row(row)

    def _fill_row(self, row: ev.FillReported) -> None:
        self.hear(self.world.handle(replace(row, at=self.world.now)))

    def fill_row(self) -> None:
        """A row of the fills comes late, or again, or is corrected."""
        if self.old_fills:
            row = self.pick(*self.old_fills[-6:])
            if self.chance(8):
                row = replace(
                    row,
                    entry_id=self.next_name("e"),
                    trade_type=self.pick("REVERSAL", "CORRECTION", "SYNTHETIC"),
                )
            self._fill_row(row)

    def late(self) -> None:
        """A report comes again, or out of its order."""
        if self.old_rows:
            self.hear(self.world.report(**self.pick(*self.old_rows[-8:])))

    def cancel(self) -> None:
        one = self._open()
        if one is not None:
            one.status = self.pick("CANCELLED", "CANCELLED", "EXPIRED", "FAILED", "CANCEL_QUEUED")
            self._report(one)

    def trade(self) -> None:
        """By hand: a fill of an order that nobody told of."""
        product_id = self.pick(*self.products)
        listed = self.world.tracker.products[product_id]
        size = self.pick(*(CONTRACTS if listed.is_future else SIZES[listed.base]))
        name = self.next_name("h")
        fee_in = self.pick("", "", "", "USD", "EUR", "BTC")
        self.hear(self.world.fill(
            self.pick("BUY", "BUY", "SELL"), D(size), self.price(product_id), fee=self.pick(0, 1, "12.5"),
            product_id=product_id, order_id=name, entry_id=name, strategy_id=self.pick(*self.strategies),
            commission_currency=fee_in, traded_at=self.pick(None, self.world.now),
        ))  # fmt: skip

    def implausible(self) -> None:
        """A frame that can hardly be so."""
        product_id = self.pick(*self.products)
        size, price = (
            D(self.pick("0.1", "1", "50")),
            self.price(product_id) * self.pick(10, 1, D("0.1")),
        )
        one = Order(
            self.next_name("i"),
            "",
            product_id,
            self.pick("BUY", "SELL"),
            size,
            price,
            None,
            size,
            size * price,
            "FILLED",
        )
        self.orders.append(one)
        self._report(one, fees=size * price * self.pick(0, D("0.001"), D("0.5")), by_rest=False)
        if self.chance(2):
            self.tick()
            one.paid, one.price = size * self.price(product_id), self.price(product_id)
            self._report(one, by_rest=self.chance(2))

    def vanish(self) -> None:
        one = self._open()
        if one is not None:
            self.send(ev.OrderVanished, order_id=one.order_id)

    def listing(self) -> None:
        """Open orders as REST lists them; some may be missing."""
        names = [one for one in self.world.tracker.ledger.working if not self.chance(5)]
        began = self.world.now - timedelta(seconds=self.pick(0, 0, 1, 30))
        self.send(
            ev.OpenOrdersListed,
            order_ids=tuple(names),
            began_at=began,
            is_complete=not self.chance(6),
        )

    # --- The market -------------------------------------------------------------------------------------

    def tick(self) -> None:
        self.hear(self.world.wait(self.pick(*self.waits)))

    def long_wait(self) -> None:
        self.hear(self.world.wait(self.pick(120, 301, 3600, 43_200, 86_400, -1, -90)))

    def moment(self) -> None:
        """Just when the manager wants to be woken."""
        due = self.world.manager.due
        if self.world.now < due < self.world.now + timedelta(days=2):
            early = timedelta(microseconds=self.pick(0, 0, 1))
            self.hear(self.world.wait(to=due - early))

    def _quote(self, product_id: str, bid: Decimal, ask: Decimal, **fields: Any) -> None:
        quote = ev.Quote(product_id, bid, ask, self.world.now, **fields)
        self.send(ev.Quotes, quotes=(quote,))

    def quote(self) -> None:
        """The price moves by a percent, or stays; the book is one tick wide, or has none."""
        book = self.pick("BTC-USD", "BTC-USD", *self._books())
        self.level[book] = max(-90, self.level[book] + self.pick(*self.price_steps))
        self._tell_price(book)

    def _books(self) -> list[str]:
        books = [self.world.tracker.products[one].book for one in self.products]
        return [one for one in dict.fromkeys(books) if one in QUOTED] or ["BTC-USD"]

    def _tell_price(self, book: str) -> None:
        bid = self.price(book)
        ask = bid + self.pick(0, self.world.tracker.products[book].price_increment)
        size = self.pick(None, None, D("0.1"), D(100))
        self._quote(book, bid, ask, bid_size=size, ask_size=size, last=self.pick(None, bid))

    def stand(self) -> None:
        """A price is told until it is sure."""
        book = self.pick(*self._books())
        for _ in range(3):
            self._tell_price(book)
            self.hear(self.world.wait(1))
        self._tell_price(book)

    def jump(self) -> None:
        """The price moves by much."""
        book = self.pick(*self._books())
        self.level[book] = max(-90, self.level[book] + self.pick(-30, -20, -10, -5, 5, 10, 20))
        self._tell_price(book)

    def home(self) -> None:
        """The price is as it was at first."""
        book = self.pick(*self._books())
        self.level[book] = 0
        self._tell_price(book)

    def wide(self) -> None:
        """A book falls apart."""
        book = self.pick(*self._books())
        bid, low = self.price(book), self.pick(D("0.8"), D("0.94"), D("0.951"), D("0.96"))
        last = self.pick(None, bid, bid * low)
        self._quote(book, bid * low, bid, last=last)

    def all_prices(self) -> None:
        """Every book, at once."""
        quotes = [
            ev.Quote(book, self.price(book), self.price(book), self.world.now)
            for book in self._books()
        ]
        self.send(ev.Quotes, quotes=tuple(quotes))

    def old_quote(self) -> None:
        """A quote of some seconds ago, or one that cannot be."""
        book = self.pick(*self._books())
        age = timedelta(seconds=self.pick(1, 10, 61, -5))
        bid = self.price(book) * self.pick(1, 1, 0, -1)
        quote = ev.Quote(book, bid, self.price(book), self.world.now - age)
        self.send(ev.Quotes, quotes=(quote,))

    def confirm(self) -> None:
        """REST tells prices, with some left out or other."""
        books = [one for one in self._books() if not self.chance(5)]
        quotes = tuple(
            ev.Quote(one, self.price(one, percent), self.price(one, percent), self.world.now)
            for one in books
            for percent in (self.pick(0, 0, 0, 0, 3),)
        )
        self.send(
            ev.QuotesConfirmed, quotes=quotes, unanswered=("SOL-USD",) if self.chance(6) else ()
        )

    def unconfirmed(self) -> None:
        self.send(ev.ConfirmationUnavailable)

    def relist(self) -> None:
        """A product's flags or sizes change, and change back."""
        name = self.pick(*self.products)
        listed = next(one for one in LISTED if one.product_id == name)
        hours = timedelta(seconds=self.pick(5, 60, 600))
        changes = self.pick(
            {}, {}, {"limit_only": True}, {"post_only": True}, {"cancel_only": True}, {"view_only": True},
            {"trading_disabled": True}, {"auction_mode": True}, {"base_max_size": D("0.25")}, {"is_disabled": True},
            {"quote_min_size": D(700), "quote_max_size": D(6400)},
            {"session_open": False, "opens_at": self.world.now + hours},
            {"session_open": True, "closes_at": self.world.now + hours},
        )  # fmt: skip
        self.send(ev.ProductsListed, products=(replace(listed, **changes),))

    def relisted(self) -> None:
        """Every product is as it was at first."""
        self.send(ev.ProductsListed, products=LISTED)

    def closes(self) -> None:
        """Closing prices of a book, or that there are none; sometimes those of one more day."""
        book = self.pick(*self._books())
        if self.chance(6):
            tell_nothing(self.world, book)
        elif self.chance(4):
            tell_closes(self.world, book, wave(20), last=float(self.price(book)))
        else:
            moves = wave(self.pick(60, 120, 250), phase=float(self.pick(0, 1, 2)))
            if self.chance(2):  # one close is wrong by far
                wrong = self.pick(1, 1, 2, len(moves) - 1, len(moves) // 2)
                moves[wrong - 1] += 1.5
                moves[wrong] -= 1.5
            tell_closes(self.world, book, moves, last=float(self.price(book)))

    # --- The account ------------------------------------------------------------------------------------

    def reading(self) -> None:
        """Balances as the books have them, but for one that differs."""
        wallets = self.world.tracker.wallets
        names = sorted({*wallets.by_currency, "USD", "USDC", "EUR", "BTC", "ETH"})
        other = self.pick(*names, *[None] * 24)
        rows = []
        for name in names:
            total = wallets.get(name).total
            if name == other:
                total += D(
                    self.pick(
                        *(
                            {"BTC": ("0.1", "-0.1", "0.5"), "ETH": ("1", "-1")}.get(
                                name, ("1000", "-1000", "10000", "-0.01")
                            )
                        )
                    )
                )
            if total < 0 or (not total and self.chance(2)):
                continue
            hold = min(total, D(self.pick(0, 0, 0, "0.1")))
            rows.append(
                ev.Balance(
                    name,
                    total - hold,
                    hold,
                    self.pick(None, None, D(1000)) if name == other else None,
                )
            )
        complete, unread = not self.chance(4), ("XRP",) if self.chance(12) else ()
        until = self.pick(self.world.now, self.world.now, None)
        apart = (ev.WalletApart("USD", "two wallets"),) if self.chance(15) else ()
        self.send(
            ev.BalancesRead,
            balances=tuple(rows),
            fills_until=until,
            is_complete=complete,
            unread=unread,
            apart=apart,
        )

    def transfer(self) -> None:
        """Money comes or goes: one reading tells it, and the next ones say so too, or not."""
        name, share = (
            self.pick("USD", "USD", "BTC", "ETH", "EUR", "USDC"),
            D(self.pick("-0.5", "-0.1", "0.1", "1")),
        )
        total = self.world.tracker.wallets.get(name).total
        change = (total or D(1_000)) * share if total > 0 else D(1_000)
        for _ in range(self.pick(1, 2, 3)):
            if total + change >= 0:
                self.send(
                    ev.BalancesRead,
                    balances=(ev.Balance(name, total + change),),
                    fills_until=self.world.now,
                )
            self.hear(self.world.wait(self.pick(1, 3, 3, 16)))
        if self.chance(3):
            self.send(
                ev.BalancesRead,
                balances=(ev.Balance(name, max(total, D(0))),),
                fills_until=self.world.now,
            )

    def reconciled(self) -> None:
        began = self.world.now - timedelta(seconds=self.pick(0, 0, 1))
        self.send(
            ev.AccountReconciled,
            fills_until=self.pick(None, self.world.now),
            began_at=self.pick(None, began),
        )

    def picture(self) -> None:
        """Orders, balances, futures, and that it is all."""
        self.send(
            ev.OpenOrdersListed,
            order_ids=tuple(self.world.tracker.ledger.working),
            began_at=self.world.now,
        )
        self.reading()
        self.contracts()
        self.send(ev.AccountReconciled, fills_until=self.world.now, began_at=self.world.now)

    def contracts(self) -> None:
        """Futures as the books have them, or with one contract more; or unread, or none."""
        lines, rows = self.world.tracker.account.lines, []
        for name in (FUTURE, PERPETUAL):
            listed = self.world.tracker.products.get(name)
            if listed is None:
                continue
            held = lines[name].position.quantity / listed.contract_size if name in lines else D(0)
            held += self.pick(0, 0, 0, 0, 0, 1, -1)
            if held:
                rows.append(ev.FuturesPosition(name, held, self.pick(None, self.price(name))))
        if self.chance(12):
            self.send(ev.FuturesUnread, reason="HTTP 403")
        elif self.chance(15):
            self.send(ev.FuturesAbsent)
        else:
            self.send(
                ev.FuturesRead,
                positions=tuple(rows),
                fills_until=self.pick(None, self.world.now, self.world.now),
            )

    def wallet(self) -> None:
        """The futures wallet, in a frame or a reading; dollars may move out of it or into it."""
        known = self.world.tracker.books.futures_cash.total
        moved, usd = (
            D(self.pick(0, 0, 0, 500, -500, "-12.5")),
            self.world.tracker.wallets.get("USD").total,
        )
        self.funding += self.pick(0, 0, D("-2.5"), D("1.25"))
        live = self.chance(2)
        self.send(
            ev.FuturesSummaryRead, wallet=known + moved, buying_power=D(self.pick(100, 9_000, 1_000_000)),
            liquidation_buffer_percentage=D(self.pick(99, 100, 101, 1000)), funding_pnl=self.pick(None, self.funding),
            fills_until=None if live else self.world.now, spot_cash=self.pick(None, usd, usd - moved),
            told_at=self.pick(None, self.world.now) if live else None,
        )  # fmt: skip

    def paid_funding(self) -> None:
        amount, name = D(self.pick("-7", "2.5")), self.next_name("p")
        self.send(
            ev.FundingPaid, product_id=self.pick(FUTURE, PERPETUAL), amount=amount, entry_id=self.pick(name, "p0"),
            paid_at=self.pick(None, self.world.now),
        )  # fmt: skip

    def fees(self) -> None:
        taker, maker = self.pick(("0.006", "0.004"), ("0.012", "0.006"), ("0.001", "0"))
        self.send(ev.FeesRead, taker_rate=D(taker), maker_rate=D(maker))

    def elsewhere(self) -> None:
        if self.chance(2):
            self.send(
                ev.ElsewhereRead,
                venues=(ev.Venue("stocks", D(self.pick(0, 5, 5000)), self.pick(0, 2)),),
            )
        else:
            self.send(
                ev.ProductElsewhere,
                product_id=self.pick("AAPL-USD", "NEW-20DEC30-CDE"),
                why="it is a stock",
            )

    # --- The process, its feeds, operators, bots ------------------------------------------------------------

    def feed(self) -> None:
        self.send(
            ev.FeedChanged,
            feed=self.pick("market", "user"),
            signal=self.pick("connected", "connected", "gap", "lost"),
        )

    def feeds_up(self) -> None:
        for name in ("market", "user"):
            self.send(ev.FeedChanged, feed=name, signal="connected")

    def fail(self) -> None:
        self.send(ev.ReconciliationFailed, reason="HTTP 500")

    def start(self) -> None:
        """A new process."""
        self.world = other_process(self.world)
        self.send(
            ev.Started,
            unclean_since=self.pick(None, self.world.now),
            ahead=timedelta(seconds=self.pick(0, 0, 3)),
        )
        self.inbox.clear()

    def reload(self) -> None:
        self.world = other_process(self.world)

    def clocks(self) -> None:
        self.send(ev.ClocksCompared, ahead=timedelta(seconds=self.pick(0, 0, 2, -2, 5, 3600)))

    def disk(self) -> None:
        self.send(ev.DiskChanged, full=self.chance(2), hangs=self.chance(3))

    def stop(self) -> None:
        self.send(ev.Stopped)

    def operate(self) -> None:
        """An operator's verb."""
        kind = self.pick(
            ev.HaltRequested,
            ev.ReduceOnlyRequested,
            ev.ResumeRequested,
            ev.ResumeRequested,
            ev.ResumeRequested,
        )
        fields: dict[str, Any] = {"reason": "because"}
        if kind is ev.HaltRequested:
            fields |= {
                "cancel_adding": self.chance(3),
                "fault": self.chance(4),
                "abort_liquidation": self.chance(4),
            }
        if kind is ev.ReduceOnlyRequested:
            fields |= self.pick(
                {}, {"product_id": "BTC-USD"}, {"product_id": "NONE"}, {"strategy_id": "grid"}
            )
            fields |= {"cancel_adding": self.chance(3)}
        self.send(kind, **fields)

    def resume(self) -> None:
        self.send(ev.ResumeRequested, reason="because")

    def reset(self) -> None:
        self.send(
            ev.LossReset, window=self.pick("daily", "cumulative", "drawdown"), reason="because"
        )

    def pardon(self) -> None:
        """The account is at peace again: prices as at first, losses count from now, nothing is in force."""
        self.level = dict.fromkeys(BASE, 0)
        self.send(ev.LiquidationEnded, flat=self.chance(2))
        for _ in range(3):
            self.all_prices()
            self.hear(self.world.wait(1))
        self.all_prices()
        for window in ("daily", "cumulative", "drawdown"):
            self.send(ev.LossReset, window=window, reason="because")
        self.resume()

    def mend(self) -> None:
        """Feeds, readings and prices are there again."""
        self.feeds_up()
        self.relisted()
        known = [ev.Quote(one, self.price(one), self.price(one), self.world.now) for one in QUOTED]
        self.send(ev.Quotes, quotes=tuple(known))
        self.send(
            ev.OpenOrdersListed,
            order_ids=tuple(self.world.tracker.ledger.working),
            began_at=self.world.now,
        )
        self._true_reading()
        self.send(ev.AccountReconciled, fills_until=self.world.now, began_at=self.world.now)
        self.send(ev.QuotesConfirmed, quotes=tuple(known))
        for name in list(self.world.manager.reports.memory.held):
            self.send(ev.OrderVanished, order_id=name)

    def flatten(self) -> None:
        self.send(ev.FlattenRequested, reason="because")

    def other_limits(self) -> None:
        if self.limits:
            self.send(ev.LimitsReplaced, limits=Limits(**self.pick(*self.limits)))

    def bot(self) -> None:
        """A bot comes, drops, or says bye."""
        name, uid = self.pick("maker", "grid"), self.pick(7, 7, 8)
        kind = self.pick(ev.BotConnected, ev.BotConnected, ev.BotDropped, ev.BotDropped, ev.BotLeft)
        fields: dict[str, Any] = {}
        if kind is ev.BotConnected:
            will = self.pick("nothing", "cancel_orders", "cancel_orders", "flatten")
            fields = {"strategy_id": self.pick(*self.strategies), "on_disconnect": will}
        self.send(kind, name=name, uid=uid, **fields)

    def check(self) -> None:
        self.hear(self.world.manager.check_and_liquidate_on_loss())

    # --- Wishes ----------------------------------------------------------------------------------------

    def answer(self) -> None:
        """Carry out the oldest wish, well or badly."""
        if not self.inbox:
            return
        wish = self.inbox.pop(0)
        if self.chance(8):
            return  # it is lost
        match wish:
            case ac.ConfirmQuotes():
                self.confirm() if not self.chance(5) else self.unconfirmed()
            case ac.RefreshQuotes():
                self.all_prices()
            case ac.Reconcile():
                self.picture()
            case ac.ReadAccount(reading=number):
                self._read_account(number)
            case _:
                self._answer_of_orders(wish)

    def _answer_of_orders(self, wish: ac.Action) -> None:
        match wish:
            case ac.FindOrder(client_order_id=name, decision_id=decision):
                found = {"client_order_id": name, "decision_id": decision}
                self.send(ev.ReservationReleased, **found, reason="never_arrived")
            case ac.CancelOrders(order_ids=ids):
                self._cancel(ids)
            case ac.ReadOrders(order_ids=ids):
                for one in [one for one in self.orders if one.order_id in ids]:
                    self._report(one, by_rest=True)
            case ac.PlaceOrder():
                self._place(wish)
            case ac.FindAttempt(client_order_id=name):
                self.send(ev.AttemptMissing, client_order_id=name)
            case _:
                pass

    def _cancel(self, ids: Sequence[str]) -> None:
        for one in [one for one in self.orders if one.order_id in ids]:
            if one.status not in ("FILLED", "CANCELLED") and not self.chance(5):
                one.status = "CANCELLED"
                self._report(one)

    def _place(self, wish: ac.PlaceOrder) -> None:
        """An order of a flattening: refused, in doubt, filled in part or whole."""
        name, body = wish.client_order_id, wish.body
        outcome = self.pick(*["accepted"] * 5, "refused", "not_sent", "unknown", "unknown")
        why = (
            self.pick("", "", "INSUFFICIENT_FUND", "DUPLICATE_CLIENT_ORDER_ID")
            if outcome == "refused"
            else ""
        )
        order_id = f"id-{name}" if outcome == "accepted" else ""
        self.send(
            ev.AttemptAnswered, client_order_id=name, outcome=outcome, order_id=order_id, reason=why
        )
        if outcome not in ("accepted", "unknown") or self.chance(5):
            return
        configuration = next(iter(body.get("order_configuration", {"close": body}).values()))
        size = D(configuration.get("base_size", configuration.get("size", "1")))
        side, filled = body.get("side", "SELL"), size * self.pick(1, 1, 1, 0, D("0.5"))
        price = self.price(body["product_id"])
        status = "FILLED" if filled == size else self.pick("CANCELLED", "OPEN")
        sold = Order(
            f"id-{name}",
            name,
            body["product_id"],
            side,
            size,
            price,
            None,
            filled,
            filled * price,
            status,
        )
        self.orders.append(sold)
        self._report(sold, created_at=self.world.now, rests=status == "OPEN")

    def _read_account(self, number: int) -> None:
        self.send(
            ev.OpenOrdersListed,
            order_ids=tuple(self.world.tracker.ledger.working),
            began_at=self.world.now,
        )
        self._true_reading()
        self.send(ev.AccountRead, reading=number, began_at=self.world.now)

    def _true_reading(self) -> None:
        """Balances and contracts as the books have them."""
        wallets = self.world.tracker.wallets.by_currency
        rows = tuple(
            ev.Balance(name, max(one.total, D(0))) for name, one in sorted(wallets.items())
        )
        self.send(ev.BalancesRead, balances=rows, fills_until=self.world.now, is_complete=True)
        lines, held = self.world.tracker.account.lines, []
        for name in (FUTURE, PERPETUAL):
            if name in lines and lines[name].position.quantity:
                size = self.world.tracker.products[name].contract_size
                held.append(ev.FuturesPosition(name, lines[name].position.quantity / size))
        self.send(ev.FuturesRead, positions=tuple(held), fills_until=self.world.now)
