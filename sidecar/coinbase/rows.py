"""Rows of Coinbase's REST answers as facts. Pure.

REST tells the same order in another dialect than the user channel: side, created_time,
average_filled_price, filled_size; its size is only inside order_configuration. Source: Coinbase
Advanced Trade API, Orders, Accounts, Futures.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Final, NamedTuple

from msgspec import Struct

from sidecar.coinbase.frames import (
    INSTANT,
    NOT_A_BOTS,
    STOP_LIMIT,
    TRIGGERED,
    filled_part,
    offered,
    order_type_of,
    side,
)
from sidecar.coinbase.reading import (
    TEXT_MAX,
    flag,
    is_true,
    moment,
    moment_if_any,
    number,
    price,
    quantity,
    required,
    table,
    tables,
    text,
)
from sidecar.core.vocabulary import events as ev
from sidecar.core.vocabulary.errors import Untrusted
from sidecar.core.vocabulary.events import Venue, WalletApart
from sidecar.core.vocabulary.money import ZERO, is_bounded, is_sane, readable

WORDS_MAX: Final = 200  # of Coinbase's reasons
CURRENCY_MAX: Final = 40  # characters; the longest name of an asset at Coinbase has some ten

MILLIS_MAX: Final = 10**13  # the year 2286: beyond is no time

CONSUMER: Final = frozenset({"", "ACCOUNT_PLATFORM_CONSUMER", "ACCOUNT_PLATFORM_UNSPECIFIED"})
VAULT: Final = "ACCOUNT_TYPE_VAULT"
# A wallet of another type, or with such a flag, is not sold from, as far as is known.
ORDINARY: Final = frozenset(
    {"", "ACCOUNT_TYPE_UNSPECIFIED", "ACCOUNT_TYPE_CRYPTO", "ACCOUNT_TYPE_FIAT", "CRYPTO", "FIAT"}
)
PREDICTIONS: Final = "prediction_markets_positions"
UNFIT: Final = {"active": "not active", "ready": "not ready"}
NAME_MAX: Final = 60
SIDES: Final = {"LONG": 1, "SHORT": -1}  # of a position: LONG, Long, FUTURES_POSITION_SIDE_LONG
TRADE_TYPES: Final[dict[str, ev.TradeType]] = {
    "REVERSAL": "REVERSAL",
    "CORRECTION": "CORRECTION",
    "SYNTHETIC": "SYNTHETIC",
}
FUNDING: Final = "FUNDING"

Row = Mapping[str, Any]


class Wallet(NamedTuple):
    """One row of `GET /accounts`. `unfit`: why it may not be there for trading; empty where it is."""

    balance: ev.Balance
    name: str
    unfit: str

    @property
    def total(self) -> Decimal:
        return self.balance.available + self.balance.hold


class KeyPermissions(Struct, frozen=True):
    """The key's permissions, and whose it is."""

    view: bool
    trade: bool
    transfer: bool
    portfolio: str


def key_permissions(row: Row) -> KeyPermissions:
    """`GET /key_permissions`."""
    return KeyPermissions(
        view=is_true(row.get("can_view")),
        trade=is_true(row.get("can_trade")),
        transfer=is_true(row.get("can_transfer")),
        portfolio=text(row.get("portfolio_uuid"), "portfolio_uuid"),
    )


def server_time(row: Row) -> datetime:
    """`GET /time`, to the millisecond where that is told: `iso` may be of the whole second. Raises
    Untrusted.
    """
    millis = number(row.get("epochMillis"), "epochMillis")
    if millis is not None and ZERO < millis < MILLIS_MAX:
        return datetime.fromtimestamp(float(millis / 1000), UTC)
    at = moment(row.get("iso"), "iso")
    if at is None:
        raise Untrusted("GET /time: no iso")
    return at


def order_report(row: Row, at: datetime) -> ev.OrderReported:
    """One order of a listing or a look-up. Raises Untrusted, naming order and field."""
    order_id = text(row.get("order_id"), "order_id")
    if not order_id:
        raise Untrusted("an order without order_id")
    try:
        return _order_report(row, order_id, at)
    except Untrusted as fault:
        raise Untrusted(f"order {order_id[:40]}: {fault}") from None


def _order_report(row: Row, order_id: str, at: datetime) -> ev.OrderReported:
    terms = _terms(row.get("order_configuration"))
    size = number(terms.get("base_size"), "base_size")
    status = required(row, "status")
    average = quantity(row.get("average_filled_price"), "average_filled_price")
    filled = filled_part(row, "filled_size", status, average)
    order_type = order_type_of(row)
    stop = terms.get("stop_price") or terms.get("stop_trigger_price")
    return ev.OrderReported(
        at=at,
        order_id=order_id,
        client_order_id=text(row.get("client_order_id"), "client_order_id"),
        product_id=required(row, "product_id"),
        side=side(row.get("side"), "side"),
        status=status,
        filled=filled,
        average_price=average,
        fees=quantity(row.get("total_fees"), "total_fees"),
        leaves=max(ZERO, size - filled) if size is not None else None,
        base_size=size,
        limit_price=price(terms.get("limit_price"), "limit_price"),
        stop_price=price(stop, "stop_price"),
        rests=text(row.get("time_in_force"), "time_in_force") not in INSTANT,
        created_at=moment_if_any(row.get("created_time")),
        parent_id=text(row.get("originating_order_id"), "originating_order_id"),
        child_id=text(row.get("attached_order_id"), "attached_order_id"),
        attached=bool(row.get("attached_order_configuration")),
        is_market=order_type == "MARKET",
        by_coinbase=order_type in NOT_A_BOTS or is_true(row.get("is_liquidation")),
        triggered=row.get("trigger_status") == TRIGGERED,
        is_stop=order_type == STOP_LIMIT,
        by_rest=True,
    )


def _terms(configuration: object) -> Row:
    """The fields of the one kind that is configured."""
    if not isinstance(configuration, Mapping):
        return {}
    kinds = [fields for fields in configuration.values() if isinstance(fields, Mapping)]
    return kinds[0] if len(kinds) == 1 else {}


def fill_report(row: Row, at: datetime) -> ev.FillReported | ev.FundingPaid:
    """A fill, or a payment of funding that is told as a fill. A size in quote currency becomes a size in
    base. Raises Untrusted, naming fill and field.
    """
    try:
        if row.get("trade_type") == FUNDING:
            return _funding(row, at)
        return _fill_report(row, at)
    except Untrusted as fault:
        raise Untrusted(f"fill {str(row.get('entry_id'))[:40]}: {fault}") from None


def _fill_report(row: Row, at: datetime) -> ev.FillReported:
    told, paid = number(row.get("size"), "size"), quantity(row.get("price"), "price")
    if told is None:
        raise Untrusted("size is missing")
    if told and not paid:
        raise Untrusted("it has a size and no price")
    by_value = flag(row.get("size_in_quote"), "size_in_quote")
    size = told / paid if by_value and told else told
    kind = row.get("trade_type")
    return ev.FillReported(
        at=at,
        entry_id=required(row, "entry_id"),
        order_id=required(row, "order_id"),
        product_id=required(row, "product_id"),
        side=side(row.get("side"), "side"),
        price=paid,
        size=size,
        commission=quantity(row.get("commission"), "commission"),
        trade_type=TRADE_TYPES.get(kind, "FILL") if isinstance(kind, str) else "FILL",
        traded_at=moment_if_any(row.get("trade_time")),
        by_value=by_value,
        by_rest=True,
    )


def is_empty(fill: ev.FillReported | ev.FundingPaid) -> bool:
    """Whether it traded and paid zero."""
    return isinstance(fill, ev.FillReported) and not (fill.size or fill.commission)


def _funding(row: Row, at: datetime) -> ev.FundingPaid:
    """A payment of funding as a fill of no size: its commission is the payment (unverified)."""
    paid = number(row.get("commission"), "commission")
    if not paid:
        raise Untrusted("it is a payment of funding without an amount")
    return ev.FundingPaid(
        at=at,
        product_id=required(row, "product_id"),
        amount=-paid,
        entry_id=text(row.get("entry_id"), "entry_id"),
        paid_at=moment_if_any(row.get("trade_time")),
    )


def balances(
    rows: Iterable[Row],
    at: datetime,
    fills_until: datetime | None,
    entries: Row,
    left_out: list[str],
) -> ev.BalancesRead:
    """All pages of `GET /accounts` as a single fact. Vaults and other platforms are left alone; several
    wallets of the same currency are summed as far as they may be traded.

    `entries`: average entry prices by asset, USD, where the portfolio breakdown gave any. Futures
    cash (ACCOUNT_PLATFORM_CFM_CONSUMER) comes with the futures summary and must not count twice.
    `left_out` is told of rows that cannot be: their currency stays as it was.
    """
    read, unread, is_complete = dict[str, list[Wallet]](), set[str](), True
    for row in rows:
        if _is_elsewhere(row):
            continue
        currency = row.get("currency")
        if not isinstance(currency, str) or not 0 < len(currency) <= CURRENCY_MAX:
            left_out.append("a wallet without a currency")
            is_complete = False
            continue
        try:
            balance = _balance(row, currency, entries)
        except Untrusted as fault:
            left_out.append(f"wallet of {currency}: {fault}")
            unread.add(currency)
            continue
        read.setdefault(currency, []).append(_wallet(row, balance))
    known = {name: wallets for name, wallets in read.items() if name not in unread}
    apart = (_apart(name, wallets) for name, wallets in sorted(known.items()))
    return ev.BalancesRead(
        at=at,
        balances=tuple(_summed(wallets) for wallets in known.values()),
        fills_until=fills_until,
        is_complete=is_complete,
        unread=tuple(sorted(unread)),
        apart=tuple(one for one in apart if one is not None),
    )


def _is_elsewhere(row: Row) -> bool:
    """Whether it is a vault, or of another platform, as far as it says."""
    platform = row.get("platform") or ""
    return row.get("type") == VAULT or (isinstance(platform, str) and platform not in CONSUMER)


def _wallet(row: Row, balance: ev.Balance) -> Wallet:
    kind = row.get("type") or ""
    why = "" if isinstance(kind, str) and kind in ORDINARY else str(kind)[:NAME_MAX]
    why = why or next((words for name, words in UNFIT.items() if row.get(name) is False), "")
    why = why or ("deleted" if row.get("deleted_at") else "")
    return Wallet(balance, str(row.get("name") or row.get("uuid"))[:NAME_MAX], why)


def _counted(wallets: Sequence[Wallet]) -> list[Wallet]:
    """Those that may be traded; where none of them is said to be, all."""
    return [one for one in wallets if not one.unfit] or list(wallets)


def _summed(wallets: Sequence[Wallet]) -> ev.Balance:
    counted = [one.balance for one in _counted(wallets)]
    return ev.Balance(
        currency=counted[0].currency,
        available=sum((one.available for one in counted), ZERO),
        hold=sum((one.hold for one in counted), ZERO),
        average_entry_price=counted[0].average_entry_price,
    )


def _apart(currency: str, wallets: Sequence[Wallet]) -> WalletApart | None:
    """The balance of a currency's other wallets, which is not counted or not there for trading."""
    others = [one for one in wallets if one.unfit and one.total]
    if len(wallets) == 1 or not others:
        return None
    counted = _counted(wallets)
    rest = [one for one in others if one not in counted]
    both = [f"{readable(one.total)} in {one.name!r}" for one in counted]
    both += [f"not counted: {readable(one.total)} in {one.name!r} ({one.unfit})" for one in rest]
    return WalletApart(currency, "; ".join(both))


def wallet_ids(rows: Iterable[Row]) -> frozenset[str]:
    """The ids of wallets with a balance, vaults and other platforms aside."""
    found = set[str]()
    for row in rows:
        wallet_id = row.get("uuid")
        if _is_elsewhere(row) or not isinstance(wallet_id, str) or len(wallet_id) > TEXT_MAX:
            continue
        try:
            held = (_told(row, "available_balance") or ZERO) + (_told(row, "hold") or ZERO)
        except Untrusted:
            continue  # it is unknown
        if held:
            found.add(wallet_id)
    return frozenset(found)


def _balance(row: Row, currency: str, entries: Row) -> ev.Balance:
    """A wallet. No figure is not zero, and no wallet of coins or money can be below it."""
    text(row.get("platform"), "platform")
    available, hold = _told(row, "available_balance"), _told(row, "hold")
    if available is None or hold is None:
        raise Untrusted(f"it has no {'available_balance' if available is None else 'hold'}")
    if not (is_bounded(available) and is_sane(hold) and is_sane(available + hold)):
        raise Untrusted("its amounts cannot be")
    entry = entries.get(currency)
    return ev.Balance(currency, available, hold, average_entry_price=entry)


def _told(row: Row, name: str) -> Decimal | None:
    value = row.get(name)
    return number(value.get("value") if isinstance(value, Mapping) else value, name)


def _amount(row: Row, name: str) -> Any:
    value = row.get(name)
    return quantity(value.get("value") if isinstance(value, Mapping) else value, name)


def entry_prices(breakdown: Row) -> dict[str, Any]:
    """Average entry prices by asset from `GET /portfolios/{uuid}`; rows that cannot be read are
    left out.
    """
    prices: dict[str, Any] = {}
    for row in tables(breakdown.get("spot_positions"), "spot_positions"):
        try:
            entry = _amount(row, "average_entry_price")
        except Untrusted:
            continue  # for display only
        if entry > 0 and isinstance(asset := row.get("asset"), str) and asset:
            prices[asset] = entry
    return prices


def elsewhere(breakdown: Row, at: datetime) -> ev.ElsewhereRead:
    """The holdings in venues that are not counted here, from `GET /portfolios/{uuid}`."""
    balances = table(breakdown.get("portfolio_balances"), "portfolio_balances")
    worth = _told(balances, "total_equities_balance") or ZERO
    counts = {
        "stocks": len(tables(breakdown.get("equity_positions"), "equity_positions")),
        "prediction markets": len(tables(breakdown.get(PREDICTIONS), PREDICTIONS)),
        "Global Derivatives": len(tables(breakdown.get("perp_positions"), "perp_positions")),
    }
    venues = [
        Venue(name, worth if name == "stocks" else ZERO, positions=count)
        for name, count in counts.items()
    ]
    return ev.ElsewhereRead(at=at, venues=tuple(venues))


def futures_positions(
    rows: Iterable[Row], at: datetime, fills_until: datetime | None
) -> ev.FuturesRead:
    """`GET /cfm/positions`: contracts are unsigned there, the side has the sign. Raises Untrusted,
    naming the position: without one of them the holdings are not known.
    """
    positions = tuple(_position(row) for row in rows)
    return ev.FuturesRead(at=at, positions=positions, fills_until=fills_until)


def _position(row: Row) -> ev.FuturesPosition:
    try:
        return ev.FuturesPosition(
            required(row, "product_id"), _contracts(row), _amount(row, "avg_entry_price") or None
        )
    except Untrusted as fault:
        raise Untrusted(f"position {str(row.get('product_id'))[:NAME_MAX]}: {fault}") from None


def _contracts(row: Row) -> Decimal:
    contracts = _told(row, "number_of_contracts")
    sign = SIDES.get(text(row.get("side"), "side").upper().rpartition("_")[2])
    if contracts is None:
        raise Untrusted("number_of_contracts is missing")
    if contracts and (sign is None or contracts < ZERO):
        raise Untrusted("it is neither LONG nor SHORT by so many contracts")
    return (sign or 1) * contracts


def quotes(rows: Iterable[Row], at: datetime, left_out: list[str]) -> tuple[ev.Quote, ...]:
    """Pricebooks of `GET /best_bid_ask`; a book with one side only has no mark. `left_out` is told of rows that
    cannot be read: their books are not priced.
    """
    found = []
    for row in rows:
        try:
            quote = _pricebook(row, at)
        except Untrusted as fault:
            left_out.append(f"quotes of {str(row.get('product_id'))[:NAME_MAX]}: {fault}")
        else:
            found += [] if quote is None else [quote]
    return tuple(found)


def _pricebook(row: Row, at: datetime) -> ev.Quote | None:
    bid, ask = (_best(tables(row.get(name), name)) for name in ("bids", "asks"))
    if bid is None or ask is None:
        return None
    return ev.Quote(required(row, "product_id"), bid[0], ask[0], at, bid[1], ask[1])


def _best(levels: Sequence[Row]) -> tuple[Decimal, Decimal | None] | None:
    """The best price of a side and the size offered at it; None of an empty side."""
    best = price(levels[0].get("price"), "price") if levels else None
    if best is not None and not is_sane(best):
        raise Untrusted("price cannot be")
    return None if best is None else (best, offered(levels[0].get("size")))


def closes(rows: Iterable[Row], left_out: list[str]) -> tuple[tuple[int, Decimal], ...]:
    """Candles of `GET /products/{id}/candles` as (start, close), start in UNIX seconds: told newest
    first, handed over oldest first. Of a start that is told twice the last word counts. `left_out`
    is told of rows that cannot be read.
    """
    found: dict[int, Decimal] = {}
    for row in rows:
        try:
            start, close = _close(row)
        except Untrusted as fault:
            left_out.append(str(fault))
        else:
            found[start] = close
    return tuple(sorted(found.items()))


def _close(row: Row) -> tuple[int, Decimal]:
    start, close = number(row.get("start"), "start"), number(row.get("close"), "close")
    if start is None or start < ZERO or start != int(start):
        raise Untrusted("start is not a number of seconds")
    if close is None or close <= ZERO:
        raise Untrusted("close is not a price")
    return int(start), close


def fees(row: Row, at: datetime) -> ev.FeesRead:
    """`GET /transaction_summary`: the account's tier. Raises Untrusted: no rate is not a rate of zero."""
    tier = table(row.get("fee_tier"), "fee_tier")
    taker = number(tier.get("taker_fee_rate"), "taker_fee_rate")
    maker = number(tier.get("maker_fee_rate"), "maker_fee_rate")
    if taker is None or maker is None:
        raise Untrusted("the fee tier has no rates")
    return ev.FeesRead(at=at, taker_rate=taker, maker_rate=maker)


def order_answer(row: Row) -> tuple[str, str]:
    """The answer to an order: its order_id where Coinbase took it, else "" and the reason why not.

    The reason is the first that is not empty; several fields hold it, some of them deprecated.
    Raises Untrusted where it says neither.
    """
    if row.get("success") is True:
        taken = table(row.get("success_response"), "success_response")
        order_id = text(taken.get("order_id") or row.get("order_id"), "order_id")
        if not order_id:
            raise Untrusted("an order was taken without an order_id")
        return order_id, ""
    if row.get("success") is not False:
        raise Untrusted("the answer to an order does not say whether it was taken")
    why = table(row.get("error_response"), "error_response")
    names = ("new_order_failure_reason", "preview_failure_reason", "error")
    said = [str(why.get(name) or "") for name in names]
    code = next((one for one in said if one and not one.startswith("UNKNOWN_")), "refused")
    return "", f"{code} {why.get('message') or ''}".strip()[:WORDS_MAX]
