"""The laws of the paper exchange, over random markets, orders and faults: money and coins are
neither made nor lost, holds are exactly what open orders need, and no order does what its terms
forbid. The recount is `tests.papers.Auditor`, in fractions, from the fills alone.
"""

from datetime import timedelta
from fractions import Fraction
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from sidecar.core.vocabulary.money import with_money
from sidecar.paper.venue.hand import empty, print_trade, set_quote
from sidecar.paper.venue.listing import Flags
from sidecar.paper.venue.order import Order
from sidecar.paper.venue.quote import Quote
from sidecar.paper.venue.terms import Refused
from sidecar.paper.venue.treasury import Declined
from tests.papers import (
    ALIAS,
    BIP,
    BTC,
    CROSS,
    ETH,
    ETP,
    OPENING,
    D,
    Paper,
    fingerprint,
    kind,
    mark_of,
    snap,
    state_bytes,
)

SPOT = (BTC, ETH, CROSS, ALIAS, "ETH-USDC")
PRODUCTS = (*SPOT, BIP, ETP)
MARKETS = {BTC: 64000.0, ETH: 3200.0, CROSS: 0.05}
TENTH = timedelta(microseconds=500)  # nothing of ours falls on a full hour: funding does
KINDS = (
    "market", "market_fok", "spend", "ioc", "fok", "gtc", "gtc", "gtc", "post_only", "gtd", "quote_sized",
    "stop", "stop_gtd", "bracket", "bracket_gtd", "attached",
)  # fmt: skip
SIZES = {
    BTC: "0.02",
    ETH: "0.4",
    CROSS: "0.4",
    ALIAS: "0.02",
    "ETH-USDC": "0.4",
    BIP: "2",
    ETP: "3",
}

moves = st.sampled_from((0, 0, 0, 1, -1, 3, -3, 12, -12, 40, -40, 150, -150, 700, -700))
orders = st.tuples(
    st.just("order"),
    st.sampled_from(PRODUCTS),
    st.sampled_from(("BUY", "SELL")),
    st.sampled_from(KINDS),
    st.integers(-60, 60),  # basis points from the market
    st.sampled_from((1, 2, 5, 30)),  # times the usual size
)
quotes = st.tuples(
    st.just("quote"),
    st.sampled_from((BTC, BTC, ETH, CROSS)),
    moves,
    st.integers(1, 8),
    st.sampled_from(("0.00000001", "0.007", "0.2", "9", "0")),
    st.sampled_from(("0.007", "0.00000001", "0.2", "9", "0")),
)
behaviours = st.sampled_from(
    (
        ("order_delay", timedelta(milliseconds=30)), ("order_delay", timedelta(0)), ("cancel_delay", timedelta(milliseconds=60)),
        ("late_cancelled", timedelta(milliseconds=20)), ("fill_after_cancel", 1), ("late_fees", timedelta(milliseconds=40)),
        ("late_fees", timedelta(0)), ("balance_lag", timedelta(milliseconds=90)), ("balance_lag", timedelta(0)),
        ("balance_lag_of", {"USD": timedelta(milliseconds=60)}), ("balance_lag_of", {}), ("futures_lag", timedelta(milliseconds=50)),
        ("stuck_holds", timedelta(milliseconds=80)), ("wallet_after_fill", True), ("wallet_after_fill", False),
        ("queued_statuses", True), ("queued_statuses", False), ("strict_client_order_id", True),
    )
)  # fmt: skip
edits = st.tuples(
    st.just("edit"), st.integers(0, 4), st.integers(-60, 60), st.sampled_from(("0.5", "1", "2"))
)
cancels = st.tuples(st.just("cancel"), st.integers(0, 4))
waits = st.tuples(st.just("wait"), st.sampled_from((7, 1, 50, 400, 5_000, 3_600_000, 90_000_000)))
money_moves = st.one_of(
    st.tuples(
        st.just("transfer"),
        st.sampled_from(("deposit", "withdrawal", "airdrop", "staking_out")),
        st.sampled_from(("USD", "USD", "BTC", "ETH", "USDC", "PEPE")),
        st.sampled_from(("0.1", "3.3333", "20000")),
    ),
    st.tuples(st.just("sweep"), st.sampled_from(("spot", "futures")), st.sampled_from((None, "0.01", "777.77", "30000"))),
    st.tuples(st.just("fund"), st.sampled_from((BIP, ETP)), st.sampled_from(("-4.52", "3", "-900"))),
)  # fmt: skip
hands = st.tuples(
    st.just("hand"),
    st.sampled_from((BTC, ETH, CROSS, BIP)),
    st.sampled_from(("quote", "empty", "trade")),
    moves,
)
meddling = st.one_of(
    cancels,
    money_moves,
    hands,
    edits,
    waits,
    st.tuples(st.just("close"), st.sampled_from((BIP, ETP)), st.sampled_from((None, "1", "0", "999"))),
    st.tuples(st.just("freeze"), st.sampled_from((BTC, BIP))),
    st.tuples(st.just("flags"), st.sampled_from(PRODUCTS), st.sampled_from(("", "cancel_only", "post_only", "session_open"))),
    st.tuples(st.just("behave"), behaviours),
)  # fmt: skip
rounds = st.tuples(orders, quotes, orders, meddling, edits, quotes, cancels, waits)
scripts = st.lists(rounds, min_size=3, max_size=8).map(
    lambda rows: [s for row in rows for s in row]
)


HALF = settings(max_examples=max(20, settings().max_examples // 2))  # soak runs the long form
FEW = settings(max_examples=max(20, settings().max_examples // 4))  # what one run in four shows


class Play:
    """Carries out the steps of a script on an exchange."""

    def __init__(self) -> None:
        self.paper = Paper(
            balances={
                "USD": "50000",
                "USDC": "9000.000001",
                "BTC": "0.5",
                "ETH": "8.0000000000123",
            },
            opening=OPENING + TENTH,
        ).opened()
        self.prices = dict(MARKETS)

    @property
    def recent(self) -> list[Order]:
        return list(self.paper.exchange.register.newest_first())

    def step(self, step: tuple[Any, ...]) -> None:
        getattr(self, step[0])(*step[1:])

    def quote(self, product: str, move: int, spread: int, bid_size: str, ask_size: str) -> None:
        self.prices[product] *= 1 + move / 10_000
        increment = self.paper.exchange.listings[product].price_increment
        bid = D(snap(self.prices[product], increment))
        self.paper.quote(product, bid, bid + spread * increment, bid_size, ask_size)

    def price(self, product: str, basis_points: int) -> str:
        listing = self.paper.exchange.listings[product]
        market = listing.contract.underlying if listing.contract else listing.book
        return snap(self.prices[market] * (1 + basis_points / 10_000), listing.price_increment)

    def configuration(self, product: str, side: str, what: str, away: int, size: str) -> Any:
        price, sign = self.price(product, away), 1 if side == "BUY" else -1
        fields = {"base_size": size, "limit_price": price}
        end = (self.paper.now + timedelta(milliseconds=10 * abs(away) + 1)).isoformat()
        stop = {
            "base_size": size, "limit_price": self.price(product, away + 20 * sign),
            "stop_price": price, "stop_direction": f"STOP_DIRECTION_STOP_{'UP' if away >= 0 else 'DOWN'}",
        }  # fmt: skip
        bracket = {
            "base_size": size, "limit_price": self.price(product, -sign * (1 + abs(away))),
            "stop_trigger_price": self.price(product, sign * (1 + abs(away))),
        }  # fmt: skip
        worth = snap(D(self.price(product, 0)) * D(size), D("0.01"))
        money = snap(
            D(price) * D(size) + 1 / D(3), self.paper.exchange.listings[product].quote_increment
        )
        return {
            "market": kind("market_market_ioc", base_size=size),
            "market_fok": kind("market_market_fok", base_size=size),
            "spend": kind("market_market_ioc", quote_size=worth),
            "ioc": kind("sor_limit_ioc", **fields),
            "fok": kind("limit_limit_fok", **fields),
            "gtc": kind("limit_limit_gtc", **fields),
            "post_only": kind("limit_limit_gtc", **fields, post_only=True),
            "gtd": kind("limit_limit_gtd", **fields, end_time=end),
            "quote_sized": kind("limit_limit_gtc", quote_size=money, limit_price=price),
            "stop": kind("stop_limit_stop_limit_gtc", **stop),
            "stop_gtd": kind("stop_limit_stop_limit_gtd", **stop, end_time=end),
            "bracket": kind("trigger_bracket_gtc", **bracket),
            "bracket_gtd": kind("trigger_bracket_gtd", **bracket, end_time=end),
            "attached": kind("limit_limit_gtc", **fields),
        }[what]

    def order(self, product: str, side: str, what: str, away: int, times: int) -> None:
        size = str(D(SIZES[product]) * times)
        configuration = self.configuration(product, side, what, away, size)
        more: dict[str, Any] = {}
        if what == "attached":
            sign = 1 if side == "BUY" else -1
            more["attached_order_configuration"] = kind(
                "trigger_bracket_gtc",
                limit_price=self.price(product, away + sign * 30),
                stop_trigger_price=self.price(product, away - sign * 30),
            )
        request = self.paper.request(side, configuration, product, **more)
        before = fingerprint(self.paper.exchange)
        try:
            order = self.paper.exchange.create(request, self.paper.now)
        except Refused:
            assert fingerprint(self.paper.exchange) == before
        else:
            if what == "quote_sized":
                self.check_size(order)
        self.paper.take_events()

    def check_size(self, order: Order) -> None:
        """An order sized in quote currency is for all that this buys at its limit, and no more."""
        money = Fraction(order.configuration["limit_limit_gtc"]["quote_size"])
        size, price = Fraction(order.terms.size), Fraction(order.terms.limit_price)
        step = Fraction(self.paper.exchange.listings[order.product_id].base_increment)
        assert size % step == 0
        assert size * price <= money < (size + step) * price

    def cancel(self, place: int) -> None:
        if len(self.recent) > place:
            self.paper.cancel(self.recent[place])

    def edit(self, place: int, away: int, factor: str) -> None:
        if len(self.recent) <= place:
            return
        order = self.recent[place]
        size = D(factor) * (order.terms.size or 1)
        step = self.paper.exchange.listings[order.product_id].base_increment
        before = fingerprint(self.paper.exchange)
        if self.paper.edit(order, self.price(order.product_id, away), snap(size, step)):
            assert fingerprint(self.paper.exchange) == before

    def close(self, product: str, size: str | None) -> None:
        before = fingerprint(self.paper.exchange)
        try:
            self.paper.close(product, size)
        except Refused:
            assert fingerprint(self.paper.exchange) == before

    @with_money
    def wait(self, milliseconds: int) -> None:
        """Let time pass, counting each hour's funding on the way."""
        paper = self.paper
        until = paper.now + timedelta(milliseconds=milliseconds)
        while (
            hour := paper.now.replace(minute=0, second=0, microsecond=0) + timedelta(hours=1)
        ) < until:
            paper.wait(seconds=(hour - TENTH / 2 - paper.now).total_seconds())
            for row in paper.exchange.futures.open_holdings():
                contract = row.listing.contract
                assert contract is not None
                mark = mark_of(paper.exchange, row.listing.product_id)
                units = Fraction(row.contracts) * Fraction(contract.contract_size)
                paper.auditor.funding -= units * mark * Fraction(contract.funding_rate or 0)
            paper.wait(seconds=TENTH.total_seconds())
        paper.now = until
        paper.exchange.advance(until)
        paper.take_events()

    def freeze(self, product: str) -> None:
        book = self.paper.exchange.books[product]
        book.silent = not book.silent

    def flags(self, product: str, name: str) -> None:
        flags = {name: name != "session_open"} if name else {}
        self.paper.exchange.set_flags(product, Flags(**flags), self.paper.now)
        self.paper.take_events()

    def act(self, verb: str, *args: Any, **more: Any) -> Any:
        """Move money, if it moves; what is declined changes nothing, and None says so."""
        exchange = self.paper.exchange
        before = fingerprint(exchange)
        try:
            result = exchange.act(
                lambda: getattr(exchange.treasury, verb)(*args, **more) or D(0), self.paper.now
            )
        except Declined:
            assert fingerprint(exchange) == before
            return None
        self.paper.take_events()
        return result

    def transfer(self, way: str, currency: str, amount: str) -> None:
        if self.act("transfer", way, currency, D(amount)) is not None:
            outward = way in {"withdrawal", "staking_out"}
            self.paper.auditor.moved(currency, -D(amount) if outward else D(amount))

    def sweep(self, to: str, amount: str | None) -> None:
        self.act("sweep", to, None if amount is None else D(amount))

    def fund(self, product: str, amount: str) -> None:
        self.act("fund", product, self.paper.now, amount=D(amount), rate=None)
        self.paper.auditor.funding += Fraction(amount)

    def hand(self, product: str, what: str, move: int) -> None:
        exchange, now = self.paper.exchange, self.paper.now
        price = D(self.price(product, move))
        if what == "quote":
            wide = 40 * exchange.listings[product].price_increment
            set_quote(exchange, Quote(now, product, price, D(2), price + wide, D(2)))
        elif what == "empty":
            empty(exchange, product, now)
        else:
            print_trade(exchange, product, price, now)
            assert exchange.books[product].tape.last is not None
        self.paper.take_events()

    def behave(self, change: tuple[str, Any]) -> None:
        setattr(self.paper.exchange.behaviour, *change)


@HALF
@given(scripts)
def test_nothing_is_made_or_lost_and_no_order_breaks_its_terms(script):
    """After every step the account is what its fills make it, to the last increment; every open
    order holds exactly what it needs; every order keeps to its terms and its states.
    """
    play = Play()
    for step in script:
        play.step(step)
        play.paper.auditor.check(every_order=False)
    play.paper.audit()


@FEW
@given(scripts)
def test_what_a_reader_sees_has_the_right_totals_whatever_holds_are_stuck(script):
    """Without a lag each wallet's total is true after every step, and no figure is below zero."""
    play = Play()
    for step in script:
        if step[0] == "behave" and step[1][0].startswith("balance_lag"):
            continue
        play.step(step)
        exchange = play.paper.exchange
        for row, wallet in zip(
            exchange.accounts.seen(exchange.now, exchange.behaviour.lag),
            exchange.accounts,
            strict=True,
        ):
            assert row.available + row.held == wallet.total
            assert 0 <= row.available <= wallet.available


@FEW
@given(scripts)
def test_without_open_orders_nothing_is_held(script):
    """When every order has ended, every hold is gone, whatever happened before."""
    play = Play()
    for step in script:
        play.step(step)
    exchange = play.paper.exchange
    for product in PRODUCTS:
        play.flags(product, "")
    for _ in range(3):  # cancels may lose to fills, whose brackets are then cancelled too
        exchange.behaviour.fill_after_cancel = 0
        play.wait(100)
        for order in tuple(exchange.register.open.values()):
            play.paper.cancel(order)
        play.wait(100)
    assert not exchange.register.open
    assert all(wallet.held == 0 for wallet in exchange.accounts)
    assert exchange.engine.margin().orders_hold == 0
    assert all(
        not book.resting(side) for book in exchange.books.values() for side in ("BUY", "SELL")
    )
    play.wait(2_000)
    assert len(exchange._agenda) < 70  # the hour, and fewer struck-out entries than are swept
    for order in exchange.register.newest_first():
        assert order.fees_told == order.fees
    play.paper.audit()


@FEW
@given(scripts)
def test_the_same_calls_give_the_same_run(script):
    """Nothing is drawn by chance: ids, times, fills and events agree byte for byte."""
    runs = []
    for _ in range(2):
        play = Play()
        for step in script[:16]:
            play.step(step)
        runs.append(state_bytes(play.paper))
    assert runs[0] == runs[1]
