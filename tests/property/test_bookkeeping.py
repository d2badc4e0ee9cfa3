"""The books agree, to the last digit, with a second bookkeeping that shares nothing with them."""

from decimal import Decimal
from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st

from sidecar.core.vocabulary.money import with_money
from tests.bookkeeping import Ledger, exact
from tests.scenario import FUTURE, D
from tests.tracking import Desk, check_books

SPOT = ("BTC-USD", "BTC-USDC", "BTC-EUR", "ETH-USD", "ETH-BTC")
CONTRACT = Fraction(1, 100)
RATES = {
    name: Fraction(rate)
    for name, rate in {
        "USD": "1",
        "USDC": "1",
        "EUR": "1.25",
        "BTC": "64000",
        "ETH": "2000",
        FUTURE: "64000",
    }.items()
}
QUOTED = {"BTC": "BTC-USD", "ETH": "ETH-USD", FUTURE: FUTURE}

sizes = st.decimals("0.00000001", "50", places=8)
contracts = st.integers(1, 40).map(Decimal)
prices = st.decimals("0.01", "99999.99", places=2)
ratios = st.decimals("0.00001", "1", places=5)
fees = st.sampled_from(["0", "0", "0.0001", "0.37", "12.345678", "-0.05"]).map(Decimal)
sides = st.sampled_from(["BUY", "SELL"])
owners = st.sampled_from([None, None, "trend", "grid"])


@st.composite
def spot_fills(draw):
    product = draw(st.sampled_from(SPOT))
    currencies = [None, *product.split("-"), "USD", "EUR"]
    price = draw(ratios if product == "ETH-BTC" else prices)
    return (
        product,
        draw(sides),
        draw(sizes),
        price,
        draw(fees),
        draw(st.sampled_from(currencies)),
        draw(owners),
    )


future_fills = st.tuples(st.just(FUTURE), sides, contracts, prices, fees, st.just(None), owners)
quotes = st.tuples(st.sampled_from(sorted(QUOTED)), st.decimals("1", "99999", places=2))
steps = st.lists(spot_fills() | future_fills | quotes, max_size=25)
keeps = st.sampled_from([{}, {"BTC": D("0.5")}, {"BTC": None}, {"ETH": D(10), "BTC": D(1)}])


class Twins:
    """The sidecar's books and the test's own, told the same."""

    def __init__(self, keep):
        self.desk = Desk(keep=dict(keep))
        exact_keep = {name: None if kept is None else exact(kept) for name, kept in keep.items()}
        self.ledger = Ledger(dict(RATES), exact_keep)

    def quote(self, key, price):
        self.desk.quote(QUOTED[key], price)
        self.ledger.rates[key] = exact(price)

    def fill(self, *known):
        product, side, size, price, fee, currency, owner = known
        quote = "USD" if product == FUTURE else product.split("-")[1]
        fields = {
            "product_id": product,
            "strategy_id": owner,
            "commission_currency": currency or "",
        }
        self.desk.fill(side, size, price, fee, **fields)
        units, value = exact(size if side == "BUY" else -size), exact(price)
        if product == FUTURE:
            self.ledger.future(FUTURE, units * CONTRACT, value, owner)
            self.ledger.charge(FUTURE, exact(fee), owner)
            return
        self.ledger.spot(product, units, value, owner)
        self.ledger.fee(product, currency or quote, exact(fee), owner)

    def run(self, steps):
        for step in steps:
            (self.quote if len(step) == 2 else self.fill)(*step)
        return self

    def agree(self):
        for scope, flows in self.ledger.scopes.items():
            book = (
                self.desk.tracker.account if scope is None else self.desk.tracker.strategies[scope]
            )
            for key, flow in flows.items():
                position, pnl = self.desk.line(key, scope).position, book.pnl_by_key.get(key)
                ours = (
                    position.quantity,
                    position.cost,
                    pnl.realised if pnl else 0,
                    pnl.fees if pnl else 0,
                )
                assert tuple(map(Fraction, ours)) == (
                    flow.units,
                    flow.cost,
                    flow.realised,
                    flow.fees,
                )
            assert exact(book.net_pnl) == self.ledger.net(scope)
        for currency, total in self.ledger.wallets.items():
            assert exact(self.desk.wallet(currency)) == total, currency


@given(keeps, steps)
@with_money
def test_positions_cost_realised_pnl_and_fees_agree_to_the_last_digit(keep, steps):
    """Over spot, coin-quoted and euro-quoted products and futures with flips, in all and per
    strategy, fees in any currency, whatever is kept.
    """
    twins = Twins(keep).run(steps)
    twins.agree()
    check_books(twins.desk.tracker)


@given(st.lists(future_fills, min_size=2, max_size=30))
@with_money
def test_flips_of_a_future_agree_after_every_single_fill(fills):
    """`agree` asserts position, cost, realised PnL and fees, to the last digit."""
    twins = Twins({})
    for fill in fills:
        twins.fill(*fill)
        twins.agree()
    assert twins.desk.tracker.account.pnl_by_key


@given(keeps, steps)
@with_money
def test_net_pnl_is_value_less_net_cash(keep, steps):
    """Realised + unrealised − fees = value − net cash: the figures cannot drift from the money."""
    twins = Twins(keep).run(steps)
    account = twins.desk.tracker.account
    net = account.pnl.realised + account.unrealised - account.pnl.fees
    assert exact(net) == twins.ledger.net()


@given(keeps, st.lists(spot_fills(), max_size=20))
@with_money
def test_a_spot_position_is_the_sum_of_its_signed_fills_beyond_keep(keep, fills):
    """Position = Σ signed fills less what of `keep` they cover, and nothing while all of it is
    kept.
    """
    desk, held = Twins(keep).run(fills).desk, dict.fromkeys(("BTC", "ETH"), Decimal(0))
    for product, side, size, price, fee, currency, _ in fills:
        base, quote = product.split("-")
        signed = size if side == "BUY" else -size
        moves = [(base, signed), (quote, -signed * price), (currency or quote, -fee)]
        for coin, quantity in moves:
            held[coin] = held.get(coin, Decimal(0)) + quantity
    for coin in ("BTC", "ETH"):
        kept = keep.get(coin, D(0))
        below = min(D(0), held[coin])
        assert desk.held(coin) == (0 if kept is None else max(below, held[coin] - kept))


@given(
    st.lists(spot_fills(), max_size=12).flatmap(lambda f: st.tuples(st.just(f), st.permutations(f)))
)
@with_money
def test_any_order_of_the_same_fills_gives_the_same_net_pnl(told):
    """From empty wallets and without `keep`: a sale may be told before its purchase."""
    one, other = (Twins({}).run(fills).desk.tracker for fills in told)
    assert one.net_pnl == other.net_pnl
    assert one.equity == other.equity
