"""Rows of every kind that the sidecar reads, with the fields that Coinbase sends; the values are our own.

Sources of the field sets: Coinbase's API reference (its OpenAPI specification and the pages of the websocket
channels), and what public clients have captured from production in 2026: nautilus_trader's test data of April
(products, accounts, orders, fills, cfm, frames) and a user frame of September (`prediction_market_positions`).
Where two of them disagree on the spelling, both are here.
"""

from typing import Any, Final

Row = dict[str, Any]


def usd(value: str) -> Row:
    """An Amount."""
    return {"value": value, "currency": "USD"}


# ------------------------------------------------------------------------------------------ products

_LISTED: Final[Row] = {
    "price": "64000.5", "price_percentage_change_24h": "-0.18101513286511", "volume_24h": "678476",
    "volume_percentage_change_24h": "129.7", "watched": False, "is_disabled": False, "new": False,
    "cancel_only": False, "limit_only": False, "post_only": False, "trading_disabled": False,
    "auction_mode": False, "view_only": False, "mid_market_price": "", "alias": "", "market_cap": "",
    "base_cbrn": "", "quote_cbrn": "", "product_cbrn": "", "icon_color": "", "icon_url": "",
    "display_name_overwrite": "", "is_alpha_testing": False, "about_description": "",
    "best_bid_price": "", "best_ask_price": "", "approximate_quote_24h_volume": "758506771.41",
    "quote_name": "US Dollar", "quote_currency_id": "USD", "quote_display_symbol": "USD",
}  # fmt: skip

SPOT: Final[Row] = _LISTED | {
    "product_id": "BTC-USD", "product_type": "SPOT", "product_venue": "CBE", "status": "online",
    "display_name": "BTC-USD", "base_name": "Bitcoin", "base_currency_id": "BTC",
    "base_display_symbol": "BTC", "base_increment": "0.00000001", "quote_increment": "0.01",
    "price_increment": "0.01", "base_min_size": "0.00000002", "base_max_size": "3400",
    "quote_min_size": "1", "quote_max_size": "150000000", "alias_to": ["BTC-USDC"],
    "new_at": "2023-01-01T00:00:00Z", "fcm_trading_session_details": None,
}  # fmt: skip

_SESSION: Final[Row] = {
    "is_session_open": True, "open_time": "2026-11-22T23:00:00Z", "close_time": "2026-11-23T22:00:00Z",
    "session_state": "FCM_TRADING_SESSION_STATE_OPEN", "after_hours_order_entry_disabled": False,
    "closed_reason": "FCM_TRADING_SESSION_CLOSED_REASON_EXCHANGE_MAINTENANCE",
    "maintenance": {"start_time": "2026-12-18T14:00:00Z", "end_time": "2026-12-18T17:00:00Z"},
}  # fmt: skip

_PERPETUAL: Final[Row] = {
    "venue": "cde", "contract_code": "BIP", "contract_expiry": "2030-12-20T16:00:00Z",
    "contract_size": "0.01", "contract_root_unit": "BTC", "group_description": "nano BTC Perp Futures",
    "contract_expiry_timezone": "Europe/London", "group_short_description": "nano BTC Perp",
    "risk_managed_by": "MANAGED_BY_FCM", "contract_expiry_type": "EXPIRING",
    "perpetual_details": {
        "open_interest": "183283", "funding_rate": "", "funding_time": None, "max_leverage": "",
        "base_asset_uuid": "", "underlying_type": "",
    },
    "contract_display_name": "BTC PERP", "time_to_expiry_ms": "148491060811", "non_crypto": False,
    "contract_expiry_name": "2030-12", "twenty_four_by_seven": True, "funding_interval": "3600s",
    "open_interest": "183283", "funding_rate": "0.000013", "funding_time": "2026-11-23T00:00:00Z",
    "display_name": "BTC Perpetual", "region_enabled": {},
    "intraday_margin_rate": {"long_margin_rate": "0.11", "short_margin_rate": "0.12"},
    "overnight_margin_rate": {"long_margin_rate": "0.24", "short_margin_rate": "0.31"},
    "settlement_price": "69735", "futures_asset_type": "FUTURES_ASSET_TYPE_CRYPTO",
    "index_price": "68899.882564", "contract_code_display_name": "", "product_group_cbrn": "",
}  # fmt: skip

PERPETUAL: Final[Row] = _LISTED | {
    "product_id": "BIP-20DEC30-CDE", "product_type": "FUTURE", "product_venue": "FCM", "status": "",
    "display_name": "BTC PERP", "base_name": "", "base_currency_id": "", "base_display_symbol": "",
    "base_increment": "1", "quote_increment": "0.01", "price_increment": "5", "base_min_size": "1",
    "base_max_size": "5000", "quote_min_size": "0", "quote_max_size": "100000000", "alias_to": [],
    "new_at": None, "mid_market_price": "68925", "fcm_trading_session_details": _SESSION,
    "future_product_details": _PERPETUAL,
}  # fmt: skip

DATED: Final[Row] = PERPETUAL | {
    "product_id": "BIT-24DEC26-CDE", "display_name": "BTC 24 DEC 26",
    "future_product_details": _PERPETUAL | {
        "contract_code": "BIT", "contract_expiry": "2026-12-24T15:00:00Z", "contract_size": "0.1",
        "funding_interval": None, "funding_rate": "", "funding_time": None, "index_price": "",
        "contract_display_name": "BTC 24 DEC 26",
    },
}  # fmt: skip

# Of kinds that are not counted here. A group of contracts is no contract; PREDICTION_MARKET is a guess at
# a name that is in no reference yet.
NOT_OURS: Final = ("EQUITY", "OPTION_GROUP", "FUTURE_GROUP", "PREDICTION_MARKET", "WHAT_IS_NEW")

# ------------------------------------------------------------------------------------------- account

ACCOUNT: Final[Row] = {
    "uuid": "8bfc20d7-f7c6-4422-bf07-8243ca416900", "name": "BTC Wallet", "currency": "BTC",
    "available_balance": {"value": "1.25", "currency": "BTC"}, "default": True, "active": True,
    "created_at": "2021-05-31T09:59:59Z", "updated_at": "2026-01-15T10:30:00Z", "deleted_at": None,
    "type": "ACCOUNT_TYPE_CRYPTO", "ready": True, "hold": {"value": "0.05", "currency": "BTC"},
    "retail_portfolio_id": "portfolio-1", "platform": "ACCOUNT_PLATFORM_CONSUMER",
}  # fmt: skip

# As captured: without a platform, the type without its prefix.
CAPTURED_ACCOUNT: Final[Row] = {
    name: value for name, value in ACCOUNT.items() if name != "platform"
} | {"type": "CRYPTO"}

BREAKDOWN: Final[Row] = {
    "portfolio": {"name": "Default", "uuid": "portfolio-1", "type": "DEFAULT", "deleted": False},
    "portfolio_balances": {
        "total_balance": usd("100000"), "total_futures_balance": usd("0"),
        "total_cash_equivalent_balance": usd("20000"), "total_crypto_balance": usd("80000"),
        "futures_unrealized_pnl": usd("0"), "perp_unrealized_pnl": usd("0"),
        "total_equities_balance": usd("1500"),
    },
    "spot_positions": [
        {
            "asset": "BTC", "account_uuid": "a1", "asset_uuid": "a2", "total_balance_fiat": 80000.12,
            "total_balance_crypto": 1.25, "available_to_trade_fiat": 80000.12,
            "available_to_trade_crypto": 1.25, "allocation": 0.8, "unrealized_pnl": 12.5,
            "available_to_transfer_fiat": 80000.12, "available_to_transfer_crypto": 1.25,
            "available_to_send_fiat": 80000.12, "available_to_send_crypto": 1.25, "funding_pnl": 0,
            "cost_basis": usd("75000"), "average_entry_price": usd("60000"), "is_cash": False,
            "asset_img_url": "", "asset_color": "", "account_type": "ACCOUNT_TYPE_WALLET",
        }
    ],
    "perp_positions": [],
    "futures_positions": [
        {
            "product_id": "BIP-20DEC30-CDE", "contract_size": "0.01", "side": "FUTURES_POSITION_SIDE_LONG",
            "amount": "2", "avg_entry_price": "49000", "current_price": "50000",
            "unrealized_pnl": "20", "expiry": "2030-12-20T16:00:00Z", "underlying_asset": "BTC",
            "product_name": "BTC PERP", "venue": "cde", "notional_value": "1000",
        }
    ],
    "prediction_markets_positions": [],
    "equity_positions": [{"asset": "AAPL"}],
}  # fmt: skip

# --------------------------------------------------------------------------------- orders and fills

ORDER: Final[Row] = {
    "order_id": "0000-000000-000001", "product_id": "BTC-USD", "user_id": "2222", "side": "BUY",
    "order_configuration": {
        "limit_limit_gtc": {"base_size": "0.1", "limit_price": "45000.00", "post_only": False}
    },
    "client_order_id": "bot-1", "status": "OPEN", "time_in_force": "GOOD_UNTIL_CANCELLED",
    "created_time": "2026-11-22T10:00:00Z", "completion_percentage": "40", "filled_size": "0.04",
    "average_filled_price": "44999.5", "fee": "", "number_of_fills": "1", "filled_value": "1799.98",
    "pending_cancel": False, "size_in_quote": False, "total_fees": "1.5",
    "size_inclusive_of_fees": False, "total_value_after_fees": "1801.48",
    "trigger_status": "INVALID_ORDER_TYPE", "order_type": "LIMIT",
    "reject_reason": "REJECT_REASON_UNSPECIFIED", "settled": False, "product_type": "SPOT",
    "reject_message": "", "cancel_message": "", "order_placement_source": "RETAIL_ADVANCED",
    "outstanding_hold_amount": "2700.00", "is_liquidation": False,
    "last_fill_time": "2026-11-22T10:00:01Z", "leverage": "", "margin_type": "",
    "retail_portfolio_id": "portfolio-1", "originating_order_id": "", "attached_order_id": "",
    "edit_history": [], "attached_order_configuration": None, "current_pending_replace": None,
    "commission_detail_total": {"total_commission": "1.5"}, "workable_size": "0.06",
    "displayed_order_config": "INSTANT_GFD",
}  # fmt: skip

# A sale sized in quote currency, as captured: its base is only in what is filled.
FILLED_ORDER: Final[Row] = ORDER | {
    "order_id": "0000-000000-000002", "product_id": "ETH-USD", "side": "SELL", "status": "FILLED",
    "order_configuration": {"market_market_ioc": {"quote_size": "100"}}, "order_type": "MARKET",
    "time_in_force": "IMMEDIATE_OR_CANCEL", "filled_size": "0.0325", "average_filled_price": "3076.92",
    "total_fees": "0.50", "size_in_quote": True, "settled": True, "filled_value": "100",
}  # fmt: skip

STOP_ORDER: Final[Row] = ORDER | {
    "order_id": "0000-000000-000003", "side": "SELL", "product_id": "BIP-20DEC30-CDE",
    "product_type": "FUTURE", "order_type": "STOP_LIMIT", "trigger_status": "STOP_PENDING",
    "filled_size": "0", "average_filled_price": "0", "total_fees": "0",
    "order_configuration": {
        "stop_limit_stop_limit_gtc": {
            "base_size": "2", "limit_price": "40000", "stop_price": "41000",
            "stop_direction": "STOP_DIRECTION_STOP_DOWN",
        }
    },
}  # fmt: skip

FILL: Final[Row] = {
    "entry_id": "22222-1", "trade_id": "1111-1", "order_id": "0000-000000-000001",
    "trade_time": "2026-11-22T10:30:00Z", "trade_type": "FILL", "price": "45123.45",
    "size": "0.005", "commission": "1.14", "product_id": "BTC-USD",
    "sequence_timestamp": "2026-11-22T10:30:00.123456Z", "liquidity_indicator": "MAKER",
    "size_in_quote": False, "user_id": "3333", "side": "BUY", "retail_portfolio_id": "",
    "fillSource": "FILL_SOURCE_CLOB",
}  # fmt: skip

FILL_BY_VALUE: Final[Row] = FILL | {
    "entry_id": "22222-2", "price": "2000", "size": "100", "size_in_quote": True,
    "product_id": "ETH-USD",
}  # fmt: skip

# ----------------------------------------------------------------------------------------------- cfm

_MEASURE: Final[Row] = {
    "margin_window_type": "MARGIN_WINDOW_TYPE_INTRADAY", "margin_level": "MARGIN_LEVEL_TYPE_BASE",
    "initial_margin": usd("500"), "maintenance_margin": usd("250"),
    "liquidation_buffer_percentage": "1000", "total_hold": usd("100"),
    "futures_buying_power": usd("5000"),
}  # fmt: skip

SUMMARY: Final[Row] = {
    "futures_buying_power": usd("5000.5"), "total_usd_balance": usd("10000"),
    "cbi_usd_balance": usd("2000.25"), "cfm_usd_balance": usd("8000.75"),
    "total_open_orders_hold_amount": usd("500"), "unrealized_pnl": usd("150"),
    "daily_realized_pnl": usd("25"), "initial_margin": usd("1000"), "available_margin": usd("7500"),
    "liquidation_threshold": usd("300"), "liquidation_buffer_amount": usd("7200"),
    "liquidation_buffer_percentage": "2400", "total_pending_transfers_amount": usd("0"),
    "funding_pnl": usd("-1.5"), "intraday_margin_window_measure": _MEASURE,
    "overnight_margin_window_measure": _MEASURE
    | {"margin_window_type": "MARGIN_WINDOW_TYPE_OVERNIGHT"},
}  # fmt: skip


def bare(row: Row) -> Row:
    """The other spelling: texts in place of Amounts, and `liquidation_buffer` in the measures."""
    return {
        name: bare(value) | {"liquidation_buffer": "1000"}
        if name.endswith("_measure")
        else value["value"]
        if isinstance(value, dict)
        else value
        for name, value in row.items()
    }


POSITION: Final[Row] = {
    "product_id": "BIP-20DEC30-CDE", "expiration_time": "", "side": "SHORT",
    "number_of_contracts": "2", "current_price": usd("50000"), "avg_entry_price": usd("49000.5"),
    "unrealized_pnl": usd("20"), "daily_realized_pnl": usd("0"), "total_fees": usd("0.25"),
    "contract_size": "0.01", "entry_vwap": usd("49000"), "liquidation_price": usd("40000"),
    "leverage": "5", "im_contribution": usd("100"), "mm_contribution": usd("50"),
    "position_notional": usd("1000"),
}  # fmt: skip

PRICEBOOK: Final[Row] = {
    "product_id": "BTC-USD", "time": "2026-11-22T10:30:00.123456Z",
    "bids": [{"price": "63999.5", "size": "0.5"}], "asks": [{"price": "64000.5", "size": "0.25"}],
}  # fmt: skip

FEES: Final[Row] = {
    "total_volume": 1000.5, "total_fees": 6, "advanced_trade_only_volume": 1000.5,
    "advanced_trade_only_fees": 6, "coinbase_pro_volume": 0, "coinbase_pro_fees": 0,
    "total_balance": "100000", "margin_rate": None, "goods_and_services_tax": None,
    "volume_breakdown": [], "has_cost_plus_commission": False,
    "fee_tier": {
        "pricing_tier": "Advanced 1", "taker_fee_rate": "0.012", "maker_fee_rate": "0.006",
        "usd_from": "0", "usd_to": "1000", "aop_from": "", "aop_to": "", "volume_types_and_range": [],
    },
}  # fmt: skip

# -------------------------------------------------------------------------------------------- frames

USER_ORDER: Final[Row] = {
    "order_id": "a1b2c3d4", "client_order_id": "bot-1", "cumulative_quantity": "0.04",
    "leaves_quantity": "0.06", "avg_price": "44999.5", "total_fees": "1.5", "status": "OPEN",
    "product_id": "BTC-USD", "creation_time": "2026-11-22T14:29:55.123456Z", "order_side": "BUY",
    "order_type": "Limit", "cancel_reason": "", "reject_reason": "",
    "total_value_after_fees": "1801.48", "contract_expiry_type": "UNKNOWN_CONTRACT_EXPIRY_TYPE",
    "product_type": "SPOT", "risk_managed_by": "UNKNOWN_RISK_MANAGEMENT_TYPE",
    "time_in_force": "GOOD_UNTIL_CANCELLED", "trigger_status": "INVALID_ORDER_TYPE",
    "limit_price": "45000", "stop_price": "0", "filled_value": "1799.98", "number_of_fills": "1",
    "completion_percentage": "40.00", "outstanding_hold_amount": "2700", "post_only": "false",
    "retail_portfolio_id": "portfolio-1", "start_time": "0001-01-01T00:00:00Z",
    "end_time": "0001-01-01T00:00:00Z",
}  # fmt: skip

TICKER: Final[Row] = {
    "type": "ticker", "product_id": "BTC-USD", "price": "64000", "volume_24_h": "15328.12345678",
    "low_24_h": "62500", "high_24_h": "69200", "low_52_w": "25000", "high_52_w": "110000",
    "price_percent_chg_24_h": "1.85", "best_bid": "63999.5", "best_bid_quantity": "1.5",
    "best_ask": "64000.5", "best_ask_quantity": "0.5",
}  # fmt: skip


def frame(channel: str, *events: Row) -> Row:
    """An envelope, as captured, around these."""
    return {
        "channel": channel, "client_id": "", "timestamp": "2026-11-22T14:30:06.000000123Z",
        "sequence_num": 1, "events": list(events),
    }  # fmt: skip


USER_FRAME: Final = frame(
    "user",
    {
        "type": "snapshot", "orders": [USER_ORDER],
        "positions": {
            "perpetual_futures_positions": [], "expiring_futures_positions": [],
            "prediction_market_positions": [],
        },
    },
)  # fmt: skip
TICKER_FRAME: Final = frame("ticker", {"type": "snapshot", "tickers": [TICKER]})
SUMMARY_FRAME: Final = frame(
    "futures_balance_summary", {"type": "snapshot", "fcm_balance_summary": bare(SUMMARY)}
)
HEARTBEAT: Final = frame(
    "heartbeats",
    {"current_time": "2026-11-22 14:30:06.000000123 +0000 UTC m=+86400.0", "heartbeat_counter": 42},
)
SUBSCRIPTIONS: Final = frame(
    "subscriptions",
    {"subscriptions": {"heartbeats": ["heartbeats"], "ticker": ["BTC-USD"], "user": ["5f0c"]}},
)
ERROR: Final[Row] = {"type": "error", "message": "subscribe or unsubscribe required"}
