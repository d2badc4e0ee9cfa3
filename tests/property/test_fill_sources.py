"""One order's fills, told by the user channel and by REST: any order, any overlap, the same books."""

from decimal import Decimal
from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st

from sidecar.core.vocabulary.money import with_money
from tests.bookkeeping import Ledger
from tests.scenario import D
from tests.tracking import Desk, check_books, figures

KINDS = {  # product, fee currency of REST fills
    "dollars": ("BTC-USD", "USD"), "base coin": ("BTC-USD", "BTC"), "euros": ("BTC-EUR", "EUR"),
    "coins": ("ETH-BTC", "BTC"),
}  # fmt: skip

parts = st.lists(
    st.tuples(st.integers(1, 400), st.integers(1, 9_999_999), st.sampled_from(["0", "0.013", "7"])),
    min_size=1,
    max_size=4,
)
orders = st.lists(
    st.tuples(st.sampled_from(sorted(KINDS)), st.sampled_from(["BUY", "SELL"]), parts),
    min_size=1,
    max_size=3,
)


class Execution:
    """What truly happened to one order, and every way in which it is told."""

    def __init__(self, number, kind, side, parts):
        self.product, self.currency = KINDS[kind]
        self.known = {"product_id": self.product, "side": side, "order_id": f"o{number}"}
        self.fills = [(D(size) / 100, D(price) / 100, D(fee)) for size, price, fee in parts]
        self.size = sum(size for size, _, _ in self.fills)

    def frame(self, count):
        """The user channel after `count` fills: cumulative, rounded, fees in the quote currency."""
        done = self.fills[:count]
        filled = sum((size for size, _, _ in done), D(0))
        value = sum((size * price for size, price, _ in done), D(0))
        average = (value / filled).quantize(D("0.001")) if done else D(0)
        fields = {
            "filled": filled,
            "average_price": average,
            "fees": sum(fee for *_, fee in done) if done else 0,
        }
        ended = count == len(self.fills)
        leaves = 0 if ended else self.size - filled
        status = "FILLED" if ended else "OPEN"
        return "report", self.known | fields | {
            "status": status,
            "leaves": leaves,
            "limit_price": average or D(1),
        }

    def row(self, number):
        size, price, fee = self.fills[number]
        fields = {"entry_id": f"e{number}", "size": size, "price": price, "fee": fee}
        return "fill", self.known | fields | {"commission_currency": self.currency}

    def rows(self):
        return [self.row(number) for number in range(len(self.fills))]

    def frames(self):
        return [self.frame(count) for count in range(len(self.fills) + 1)]


def told(facts):
    desk = Desk()
    for currency in ("BTC", "ETH", "USD", "EUR"):
        desk.balance(currency, 10**9)
    for verb, fields in facts:
        getattr(desk, verb)(**fields)
    check_books(desk.tracker)
    return desk


@with_money
def money(desk):
    """What no order of facts may change: quantities, wallets, fees, and net cash."""
    account = desk.tracker.account
    net_cash = {
        key: account.pnl_by_key[key].realised - desk.line(key).position.cost
        for key in account.pnl_by_key
    }
    totals = {name: wallet.total for name, wallet in desk.tracker.wallets.by_currency.items()}
    return (
        totals,
        {key: pnl.fees for key, pnl in account.pnl_by_key.items()},
        net_cash,
        account.net_pnl,
    )


@st.composite
def stories(draw):
    """Executions, and all that is told of them: every row once at least, frames as they come."""
    executions = [Execution(number, *one) for number, one in enumerate(draw(orders))]
    rows = [row for execution in executions for row in execution.rows()]
    frames = [frame for execution in executions for frame in execution.frames()]
    extra = draw(st.lists(st.sampled_from(rows + frames), max_size=12))
    return executions, draw(st.permutations(rows + extra))


@given(stories())
@with_money
def test_fills_from_both_sources_in_any_order_give_the_same_books(story):
    """Overlapping, repeated, late and reordered: once all rows are seen the books are exact."""
    executions, facts = story
    straight = told([row for execution in executions for row in execution.rows()])
    assert money(told(facts)) == money(straight)


@given(orders)
@with_money
def test_rows_alone_agree_with_the_second_bookkeeping(orders):
    rates = {"USD": "1", "EUR": "1.25", "BTC": "64000", "ETH": "2000"}
    ledger = Ledger({name: Fraction(rate) for name, rate in rates.items()})
    executions = [Execution(number, *one) for number, one in enumerate(orders)]
    for execution in executions:
        for size, price, fee in execution.fills:
            sign = 1 if execution.known["side"] == "BUY" else -1
            ledger.spot(execution.product, sign * Fraction(size), Fraction(price))
            ledger.fee(execution.product, execution.currency, Fraction(fee))
    desk = told([row for execution in executions for row in execution.rows()])
    for currency, total in ledger.wallets.items():
        assert Fraction(desk.wallet(currency) - 10**9) == total


@given(stories())
@with_money
def test_frames_alone_count_what_the_last_one_says(story):
    """Whatever came late or again: quantity, value and fees are the last frame's."""
    executions, _ = story
    frames = [frame for execution in executions for frame in execution.frames()]
    last = told([execution.frame(len(execution.fills)) for execution in executions])
    assert money(told(frames + frames[::-1])) == money(last)


@given(orders, st.data())
@with_money
def test_every_fill_may_be_told_three_times(orders, data):
    executions = [Execution(number, *one) for number, one in enumerate(orders)]
    rows = [row for execution in executions for row in execution.rows()]
    thrice = data.draw(st.permutations(rows * 3))
    assert money(told(thrice)) == money(told(rows))


@given(stories(), st.data())
@with_money
def test_a_reversal_undoes_and_a_correction_replaces(story, data):
    """Whenever they come, the money is as if only the corrected fill had ever been."""
    executions, facts = story
    wrong = data.draw(st.sampled_from(executions))
    verb, fields = wrong.row(data.draw(st.integers(0, len(wrong.fills) - 1)))
    price = data.draw(st.integers(1, 9_999_999).map(lambda cents: Decimal(cents) / 100))
    undo = (verb, fields | {"entry_id": "undo", "trade_type": "REVERSAL"})
    redo = (verb, fields | {"entry_id": "redo", "trade_type": "CORRECTION", "price": price})
    mended = told(data.draw(st.permutations([*facts, undo, redo])))
    right = [
        f | {"price": price} if f is fields or f == fields else f for v, f in facts if v == "fill"
    ]
    assert money(mended) == money(told([("fill", f) for f in right]))


@given(stories())
@with_money
def test_when_all_has_been_told_nothing_is_open(story):
    executions, facts = story
    desk = told(facts + [execution.frame(len(execution.fills)) for execution in executions])
    assert not desk.tracker.ledger.working
    assert figures(desk.tracker)["account"]["sums"][-1] == 0
    assert not any(wallet.held for wallet in desk.tracker.wallets.by_currency.values())
