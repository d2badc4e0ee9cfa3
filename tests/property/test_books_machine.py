"""A stateful search: a bot that asks, an exchange that fills, a clock that runs; the sums must hold."""

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from sidecar.core.vocabulary import events as ev
from tests.scenario import FUTURE, D, World, limit_order
from tests.tracking import check_books, figures, restored

MARKETS = {"BTC-USD": "64000", "BTC-EUR": "51200", "ETH-BTC": "0.03", FUTURE: "64000"}
sizes = st.sampled_from(["0.01", "0.5", "1", "3"])
sides = st.sampled_from(["BUY", "SELL"])
moves = st.sampled_from([D("0.9"), D("0.999"), D(1), D("1.001"), D("1.1")])


class BooksMachine(RuleBasedStateMachine):
    """Approvals become orders, or lapse; orders fill by either source, or are cancelled."""

    def __init__(self):
        super().__init__()
        self.world = World()
        for currency, total in (("BTC", 20), ("ETH", 200), ("EUR", 100_000)):
            self.world.balance(currency, total)
        self.summary()
        self.approved, self.sent = [], 0
        self.orders = {}
        for product in MARKETS:
            for side in ("BUY", "SELL"):
                self.ask(
                    product=product, side=side, size="0.5", move=D("0.999"), owner="grid",
                    sent=side == "BUY",
                )  # fmt: skip

    def summary(self):
        self.world.send(
            ev.FuturesSummaryRead, wallet=D(50_000), buying_power=D(50_000),
            liquidation_buffer_percentage=D(90),
        )  # fmt: skip

    @rule(product=st.sampled_from(sorted(MARKETS)), side=sides, size=sizes, move=moves,
          owner=st.sampled_from([None, "trend", "grid"]), sent=st.booleans())  # fmt: skip
    def ask(self, *, product, side, size, move, owner, sent):
        size = "1" if product == FUTURE else size
        tick = D("0.00001") if product == "ETH-BTC" else D(5)
        price = (D(MARKETS[product]) * move / tick).to_integral_value() * tick
        body = limit_order(size, price, product_id=product, side=side)
        if self.world.ask(body, strategy_id=owner):
            self.approved.append((body, D(size), price))
            if sent:
                self.send(-1)

    @precondition(lambda self: self.approved)
    @rule(index=st.integers(0, 9))
    def release(self, index):
        body, _, _ = self.approved.pop(index % len(self.approved))
        self.world.manager.release_order(body["client_order_id"])

    @precondition(lambda self: self.approved)
    @rule(index=st.integers(0, 9))
    def send(self, index):
        body, size, price = self.approved.pop(index % len(self.approved))
        self.sent += 1
        name = f"order {self.sent}"
        self.orders[name] = {
            "product_id": body["product_id"], "side": body["side"], "leaves": size,
            "limit_price": price, "client_order_id": body["client_order_id"],
        }  # fmt: skip
        self.world.report(name, **self.orders[name])

    @precondition(lambda self: self.orders)
    @rule(index=st.integers(0, 9), percent=st.sampled_from([10, 50, 100]), by_rest=st.booleans())
    def trade(self, index, percent, by_rest):
        name = sorted(self.orders)[index % len(self.orders)]
        order = self.orders[name]
        size = order["leaves"] if order["product_id"] == FUTURE else order["leaves"] * percent / 100
        known = {key: order[key] for key in ("product_id", "side")}
        if by_rest and size:
            self.world.fill(
                order["side"], size, order["limit_price"], fee="0.5", order_id=name,
                product_id=order["product_id"],
            )  # fmt: skip
        elif size:
            working = self.known(name)
            filled = min(working.size, working.reported.quantity + size)
            average = {"filled": filled, "average_price": order["limit_price"], "fees": filled / 10}
            self.world.report(name, **known, **average, leaves=working.size - filled)

    @precondition(lambda self: self.orders)
    @rule(index=st.integers(0, 9), status=st.sampled_from(["CANCELLED", "FILLED", "EXPIRED"]))
    def end(self, index, status):
        name = sorted(self.orders)[index % len(self.orders)]
        order = self.orders.pop(name)
        filled = self.known(name).reported.quantity
        known = {key: order[key] for key in ("product_id", "side", "limit_price")}
        self.world.report(name, status=status, **known, filled=filled, leaves=0)

    @rule(product=st.sampled_from(["BTC-USD", "ETH-USD", FUTURE]), move=moves)
    def tick(self, product, move):
        self.world.quote(product, D(2000 if product == "ETH-USD" else 64000) * move)

    @rule(
        currency=st.sampled_from(["USD", "EUR", "BTC", "ETH"]), change=st.sampled_from([-1, 0, 2])
    )
    def transfer(self, currency, change):
        total = self.world.tracker.wallets.get(currency).total + change
        for _ in range(2):
            self.world.wait(3)
            self.world.balance(currency, total)

    @rule(seconds=st.sampled_from([1, 11, 90_000]))
    def wait(self, seconds):
        self.world.wait(seconds)
        lapsed = self.world.tracker.ledger.reservations
        self.approved = [one for one in self.approved if one[0]["client_order_id"] in lapsed]

    @rule()
    def read_the_futures_wallet(self):
        self.summary()

    def known(self, name):
        order = self.world.tracker.ledger.find(name)
        assert order is not None
        return order

    @invariant()
    def every_sum_holds(self):
        check_books(self.world.tracker)

    @rule()
    def a_restart_changes_nothing(self):
        assert figures(restored(self.world.tracker)) == figures(self.world.tracker)

    def teardown(self):
        while self.approved:
            self.release(0)
        for name in list(self.orders):
            self.end(sorted(self.orders).index(name), "CANCELLED")
        tracker = self.world.tracker
        assert (tracker.account.orders, tracker.orders.margin_reserved) == (0, 0)
        wallets = tracker.wallets.by_currency.values()
        assert not any(wallet.held or wallet.reserved for wallet in wallets)
        assert not any(line.open_buy or line.open_sell for line in tracker.account.lines.values())


BooksMachine.TestCase.settings = settings(
    max_examples=80 if settings().max_examples <= 200 else settings().max_examples // 10
)
TestBooks = BooksMachine.TestCase
