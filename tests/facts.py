"""Any facts that Coinbase may state, in any order, for the laws of the tracker's side.

A fact is what a `Desk` is told: the name of its verb and the arguments. Four orders on three products
give every interleaving its chance; a few facts cannot be true, and those must change nothing.
"""

from typing import Any

from hypothesis import strategies as st

from sidecar.core.vocabulary import events as ev
from sidecar.core.vocabulary.errors import SidecarError
from tests.scenario import FUTURE, D
from tests.tracking import Desk

ORDERS: dict[str, dict[str, Any]] = {
    "buy": {"product_id": "BTC-USD", "side": "BUY", "strategy_id": "trend"},
    "sell": {"product_id": "BTC-EUR", "side": "SELL"},
    "swap": {"product_id": "ETH-BTC", "side": "BUY", "strategy_id": "grid"},
    "short": {"product_id": FUTURE, "side": "SELL", "strategy_id": "trend"},
}
STATUSES = (
    "PENDING",
    "QUEUED",
    "OPEN",
    "EDIT_QUEUED",
    "CANCEL_QUEUED",
    "FILLED",
    "CANCELLED",
    "ODD",
)
Fact = tuple[str, dict[str, Any]]

names = st.sampled_from(sorted(ORDERS))
amounts = st.sampled_from(["0", "0.25", "1", "3", "7.5"])
prices = st.sampled_from(["0.03", "1900", "63000.5", "64000"])


def verb(name: str, **fields: Any) -> st.SearchStrategy[Fact]:
    return st.tuples(st.just(name), st.fixed_dictionaries(fields))


reports = verb(
    "report", order_id=names, status=st.sampled_from(STATUSES), filled=amounts, average_price=prices,
    fees=st.sampled_from(["0", "0.5", "2"]), leaves=st.none() | amounts, base_size=st.none() | amounts,
    limit_price=st.none() | prices, rests=st.booleans(),
)  # fmt: skip
fills = verb(
    "fill", order_id=names, entry_id=st.sampled_from("abcdefgh"), size=amounts, price=prices,
    fee=st.sampled_from(["0", "0.01", "2"]), commission_currency=st.sampled_from(["", "USD", "BTC", "EUR"]),
    trade_type=st.sampled_from(["FILL", "FILL", "FILL", "REVERSAL", "CORRECTION"]),
)  # fmt: skip
quotes = verb(
    "quote", product_id=st.sampled_from(["BTC-USD", "ETH-USD", "USDC-EUR", FUTURE]),
    bid=st.sampled_from(["0", "0.8", "1900", "64000", "70000.01", "NaN"]),
)  # fmt: skip
balances = verb(
    "balance", currency=st.sampled_from(["USD", "EUR", "BTC", "ETH", "XYZ"]),
    total=st.sampled_from(["0", "1", "2.5", "100000", "Infinity"]), hold=st.sampled_from(["0", "0.5"]),
)  # fmt: skip
waits = verb("wait", seconds=st.sampled_from([0, 1, 3, 60, 90_000, -7_200]))
SENT: list[tuple[type[ev.Event], dict[str, Any]]] = [
        (ev.FundingPaid, {"product_id": FUTURE, "amount": D("1.5")}),
        (ev.FundingPaid, {"product_id": FUTURE, "amount": D("NaN")}),
        (ev.FeesRead, {"taker_rate": D("0.006"), "maker_rate": D("0.004")}),
        (ev.FuturesRead, {"positions": (ev.FuturesPosition(FUTURE, D(-2), D(60000)),)}),
        (ev.FuturesRead, {"positions": ()}),
        (ev.FuturesAbsent, {}),
        (ev.OrderVanished, {"order_id": "o1"}),
        (ev.FuturesUnread, {"reason": "HTTP 403"}),
        (ev.FuturesSummaryRead, {
            "wallet": D(5000), "buying_power": D(4000), "liquidation_buffer_percentage": D(90),
        }),
        (ev.OpenOrdersListed, {"order_ids": ()}),
        (ev.AccountReconciled, {}),
        (ev.ReconciliationFailed, {"reason": "HTTP 401"}),
]  # fmt: skip
sent = st.sampled_from(SENT).map(lambda known: ("send", {"kind": known[0], **known[1]}))

facts = st.lists(reports | fills | quotes | balances | waits | sent, max_size=20)


def tell(desk: Desk, fact: Fact) -> bool:
    """Tell the desk; False when the fact cannot be true and was refused."""
    name, fields = fact
    if name in ("report", "fill"):
        fields = fields | ORDERS[fields["order_id"]]
    if fields.get("kind") is ev.OpenOrdersListed:
        fields = fields | {"began_at": desk.now}
    elif fields.get("kind") is ev.FuturesRead:
        fields = fields | {"fills_until": desk.now}
    try:
        getattr(desk, name)(**fields)
    except SidecarError:
        return False
    return True


def tell_all(desk: Desk, told: list[Fact]) -> Desk:
    for fact in told:
        tell(desk, fact)
    return desk
