"""`[paper.faults]`: faults that the paper exchange commits, for tests of clients. No I/O.

Each is a fault that production has been seen to commit (section H of the API reference). A count is
how often it still happens; the exchange counts down. All are off unless set.
"""

import re
from decimal import Decimal
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from sidecar.config.kinds import Asset, Number, Table, Whole

Count = Annotated[Whole, Field(ge=0, le=1_000_000)]
Seconds = Annotated[Number, Field(ge=0, le=3600)]
Share = Annotated[Number, Field(ge=0, le=1)]


def _asset_or_none(value: str) -> str:
    if not re.fullmatch(r"[A-Z0-9]{0,20}", value, re.ASCII):
        raise ValueError("is not a currency code; write it as Coinbase does, in capitals: BTC")
    return value


def _product_or_none(value: str) -> str:
    if not re.fullmatch(r"[A-Z0-9-]{0,40}", value, re.ASCII):
        raise ValueError("is not a product; write it as Coinbase does: BTC-USD")
    return value


ProductOrNone = Annotated[str, AfterValidator(_product_or_none)]
AssetOrNone = Annotated[str, AfterValidator(_asset_or_none)]
Channel = Literal[
    "",
    "candles",
    "futures_balance_summary",
    "heartbeats",
    "level2",
    "market_trades",
    "status",
    "ticker",
    "ticker_batch",
    "user",
]


class Faults(Table):
    """Faults that the exchange commits on purpose; a count is the next so many."""

    drop_frames: Count = Field(0, description="websocket: data frames that are never sent, count")
    duplicate_frames: Count = Field(0, description="websocket: data frames sent twice, count")
    reorder_frames: Count = Field(
        0, description="websocket: data frames sent after the one that follows them, count"
    )
    sequence_gaps: Count = Field(
        0, description="websocket: data frames that skip a sequence number, count"
    )
    future_frames: Count = Field(
        0, description="websocket: data frames whose timestamp is a year ahead, count"
    )
    delay_frames_s: Seconds = Field(
        Decimal(0), description="websocket: every data frame is this late, seconds of wall clock"
    )
    frames_fall_behind: Seconds = Field(
        Decimal(0),
        description="websocket: data frames of a connection come ever later, by so many seconds a second",
    )
    restart_sequence: Count = Field(
        0,
        description="websocket: data frames from which on a connection counts its frames from 0 again, count",
    )
    frames_channel: Channel = Field(
        "", description="the channel whose frames the eight above are about; empty: all channels"
    )
    refused_product: ProductOrNone = Field(
        "",
        description="websocket: a subscription that names this product is refused whole; empty: none is",
    )
    refused_channel: Channel = Field(
        "", description="websocket: subscriptions to this channel are refused; empty: none is"
    )
    end_subscription: ProductOrNone = Field(
        "",
        description="websocket: the market's channels tell no more of this product, once, and acknowledge what is "
        "left; empty: of each they do",
    )
    crossed_depth: Count = Field(
        0, description="websocket: updates of level2 that also tell a bid at the best ask, count"
    )
    deep_books: Annotated[Whole, Field(ge=0, le=15_000)] = Field(
        0,
        description="websocket: snapshots of level2 have so many levels more on each side, a price step apart, "
        "as production's have",
    )
    nagging_errors: bool = Field(
        default=False,
        description="websocket: every connection begins with an error frame, and has another each second",
    )
    close_code: Literal[0, 1000, 1001, 1006, 1011, 1013] = Field(
        0, description="every websocket is closed with this code, once; 0: none is"
    )
    stall_heartbeats: bool = Field(default=False, description="no heartbeat is sent")
    refuse_connections: bool = Field(
        default=False, description="new connections, REST and websocket, are dropped"
    )
    expire_tokens: Count = Field(
        0, description="requests and subscriptions whose token is said to have expired, count"
    )
    unauthorized_share: Share = Field(
        Decimal(0),
        description="REST: the share of requests, drawn at random, that are answered with status 401 "
        "though their token is valid; 0.2 is one in five",
    )
    late_cancelled_s: Seconds = Field(
        Decimal(0),
        description="a cancel takes this much longer, market seconds; the order stands, and may fill, meanwhile",
    )
    fill_after_cancel: Count = Field(
        0, description="accepted cancels that lose against a fill, count"
    )
    stuck_cancels: Literal["", "CANCEL_QUEUED", "UNKNOWN_CANCEL_ORDER"] = Field(
        "",
        description="no open order is cancelled: each stays CANCEL_QUEUED, and may fill, or its cancel is refused as "
        "UNKNOWN_CANCEL_ORDER; empty: cancels work",
    )
    hide_new_orders_s: Seconds = Field(
        Decimal(0), description="a new order is not found for this long, market seconds"
    )
    accept_without_answer: Count = Field(
        0, description="orders that are taken and never answered, count"
    )
    answer_without_accept: Count = Field(
        0, description="orders that are answered with success and do not exist, count"
    )
    balance_lag_s: Seconds = Field(
        Decimal(0), description="accounts show what was true this long ago, market seconds"
    )
    balance_lag_by_currency: dict[Asset, Seconds] = Field(
        {},
        description="the same for single currencies, instead of balance_lag_s, market seconds: "
        "balance_lag_by_currency.USD = 60",
    )
    futures_balance_lag_s: Seconds = Field(
        Decimal(0),
        description="GET /cfm/balance_summary shows the dollars of both wallets as they were this "
        "long ago, market seconds; its frames do not lag",
    )
    stuck_holds_s: Seconds = Field(
        Decimal(0),
        description="accounts still show the hold of an order that was cancelled, expired or failed "
        "for this long, market seconds; the total (available + hold) stays right",
    )
    bare_futures_figures: bool = Field(
        default=False,
        description="GET /cfm/balance_summary and /cfm/positions tell margin measures and prices as text, "
        "with liquidation_buffer, as Coinbase's specification does; else as Amounts, as captured",
    )
    missing_wallets: Count = Field(
        0, description="listings of accounts that lack wallets (by its id each is there), count"
    )
    split_wallets: Count = Field(
        0, description="listings of accounts that tell a wallet as two of one currency, count"
    )
    split_as_inactive: bool = Field(
        default=False, description="the second of two such wallets is told as not active"
    )
    negative_balances: Count = Field(
        0, description="readings of accounts whose available balance is below zero, count"
    )
    huge_balances: Count = Field(
        0, description="readings of accounts whose available balance is 10^30, count"
    )
    text_balances: Count = Field(
        0, description="readings of accounts whose available balance is no number, count"
    )
    no_balances: Count = Field(
        0, description="readings of accounts without the field available_balance, count"
    )
    wallets_currency: AssetOrNone = Field(
        "", description="the currency whose wallet the seven above are about; empty: all wallets"
    )
    foreign_rows: bool = Field(
        default=False,
        description="the account holds a stock: its order, its fill and its worth are told; fills of a delisted coin "
        "and of no size too; and times over REST have ten digits of a second's fraction",
    )
    no_wallet_of: AssetOrNone = Field(
        "",
        description="the currency that the account has no wallet of: orders and previews of what is quoted in it "
        "are answered with status 400, `account is not available`; empty: none",
    )
    wallet_after_fill: bool = Field(
        default=False,
        description="a future's fill goes out over `user` before `futures_balance_summary` tells "
        "what it did to the wallet; else after it",
    )
    fine_quote_fills: bool = Field(
        default=False,
        description="market buys sized in quote currency fill to the 16th decimal of the coin, whatever its "
        "increment, and their fills tell the value instead of the size (size_in_quote), as production's do",
    )
    list_empty_books: bool = Field(
        default=False,
        description="best_bid_ask answers for an empty book with empty lists; else leaves it out",
    )
    quotes_of_spot_only: bool = Field(
        default=False,
        description="best_bid_ask that is asked for spot books and futures answers for the spot books",
    )
    aliases_as_books: bool = Field(
        default=False,
        description="user frames name the product whose book an order is in: BTC-USD for BTC-USDC",
    )
    late_fees_s: Seconds = Field(
        Decimal(0), description="the fees of a fill are told this much later, market seconds"
    )
    long_ids: Count = Field(
        0, description="frames of orders whose order_id is repeated 10,000 times, count"
    )
    huge_fees: Count = Field(
        0, description="frames of orders that have filled whose fees are 10^19, count"
    )
    huge_prices: Count = Field(
        0, description="frames of orders that have filled at ten times the price, count"
    )
    long_cursors: Count = Field(
        0, description="REST: listings that go on with a cursor of 70,000 characters, count"
    )
    sparse_user_frames: bool = Field(
        default=False, description="user frames have the few fields of old, and reject_Reason"
    )
    too_many_requests: Count = Field(
        0, description="REST requests that are answered with status 429, count"
    )
    server_errors: Count = Field(
        0, description="REST requests that are answered with status 503 and HTML, count"
    )
    forbidden_futures: Count = Field(
        0, description="REST calls below /cfm that are answered with status 403 and HTML, count"
    )
    bad_gateway: Annotated[str, Field(max_length=100)] = Field(
        "",
        description="REST: calls whose path below /api/v3/brokerage begins like this are answered with status 502 "
        "and HTML: /portfolios; empty: none are",
    )
    another_portfolio: bool = Field(
        default=False,
        description="portfolios are listed with another one before the key's own, in which everything cost 1 USD",
    )
    slow_bodies_s: Seconds = Field(
        Decimal(0), description="REST: a response body takes this long, seconds of wall clock"
    )
    dribbled_bodies: Count = Field(
        0, description="REST: answers whose body comes a byte every two seconds, count"
    )
    endless_pages: Literal["", "cursor", "rows", "empty"] = Field(
        "",
        description="REST: listings with a cursor never end: after their last page the same cursor comes "
        "again, or the same rows under new ones, or empty pages; empty text: they do end",
    )
    null_optionals: bool = Field(
        default=False, description="optional fields are null, over REST and in user frames"
    )
