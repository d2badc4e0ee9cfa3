"""Every REST call that is served: method, path, scope, handler. A new call takes a line here.

Paths of Advanced Trade stand below `/api/v3/brokerage`. Of two paths that fit, the first is taken.
"""

from collections.abc import Callable
from typing import Final, NamedTuple

from sidecar.paper.service import (
    account_api,
    control_api,
    history_api,
    market_api,
    market_control,
    order_api,
)
from sidecar.paper.service.call import Call
from sidecar.paper.service.keys import Scope
from sidecar.paper.service.world import World
from sidecar.paper.wire.text import Row

PREFIX: Final = "/api/v3/brokerage"


class Route(NamedTuple):
    """One call. `scope` None: it needs no key."""

    method: str
    path: str
    scope: Scope | None
    handler: Callable[[World, Call], Row]


VIEW, TRADE, TRANSFER, PUBLIC = Scope.VIEW, Scope.TRADE, Scope.TRANSFER, None

BROKERAGE: Final = (
    Route("GET", "/time", PUBLIC, market_api.server_time),
    Route("GET", "/market/products", PUBLIC, market_api.list_market_products),
    Route("GET", "/market/products/{product_id}", PUBLIC, market_api.get_product),
    Route("GET", "/market/products/{product_id}/ticker", PUBLIC, market_api.market_trades),
    Route("GET", "/market/products/{product_id}/candles", PUBLIC, market_api.candles),
    Route("GET", "/market/product_book", PUBLIC, market_api.product_book),
    Route("GET", "/products", VIEW, market_api.list_products),
    Route("GET", "/products/{product_id}", VIEW, market_api.get_product),
    Route("GET", "/products/{product_id}/ticker", VIEW, market_api.market_trades),
    Route("GET", "/products/{product_id}/candles", VIEW, market_api.candles),
    Route("GET", "/product_book", VIEW, market_api.product_book),
    Route("GET", "/best_bid_ask", VIEW, market_api.best_bid_ask),
    Route("GET", "/accounts", VIEW, account_api.list_accounts),
    Route("GET", "/accounts/{account_uuid}", VIEW, account_api.get_account),
    Route("GET", "/key_permissions", VIEW, account_api.key_permissions),
    Route("GET", "/portfolios", VIEW, account_api.list_portfolios),
    Route("GET", "/portfolios/{portfolio_uuid}", VIEW, account_api.get_portfolio),
    Route("GET", "/transaction_summary", VIEW, account_api.transaction_summary),
    Route("POST", "/orders", TRADE, order_api.create),
    Route("POST", "/orders/preview", VIEW, order_api.preview),
    Route("POST", "/orders/edit", TRADE, order_api.edit),
    Route("POST", "/orders/edit_preview", VIEW, order_api.edit_preview),
    Route("POST", "/orders/batch_cancel", TRADE, order_api.batch_cancel),
    Route("POST", "/orders/close_position", TRADE, order_api.close_position),
    Route("GET", "/orders/historical/batch", VIEW, history_api.list_orders),
    Route("GET", "/orders/historical/fills", VIEW, history_api.fills),
    Route("GET", "/orders/historical/{order_id}", VIEW, history_api.get_order),
    Route("GET", "/cfm/balance_summary", VIEW, account_api.futures_balance),
    Route("GET", "/cfm/positions", VIEW, account_api.futures_positions),
    Route("GET", "/cfm/positions/{product_id}", VIEW, account_api.futures_position),
    Route("GET", "/cfm/sweeps", VIEW, account_api.sweeps),
    Route("POST", "/cfm/sweeps/schedule", TRANSFER, account_api.schedule_sweep),
    Route("DELETE", "/cfm/sweeps", TRANSFER, account_api.cancel_sweep),
    Route("GET", "/cfm/intraday/margin_setting", VIEW, account_api.margin_setting),
    Route("POST", "/cfm/intraday/margin_setting", TRADE, account_api.set_margin_setting),
    Route("GET", "/cfm/intraday/current_margin_window", VIEW, account_api.margin_window),
)

OTHERS: Final = (
    Route("GET", "/v2/currencies", PUBLIC, account_api.v2_currencies),
    Route("GET", "/v2/currencies/crypto", PUBLIC, account_api.v2_coins),
    Route("GET", "/v2/exchange-rates", PUBLIC, account_api.v2_rates),
    Route("GET", "/v2/time", PUBLIC, account_api.v2_time),
    Route("GET", "/v2/accounts", VIEW, account_api.v2_accounts),
    Route("GET", "/paper/faults", PUBLIC, control_api.get_faults),
    Route("POST", "/paper/faults", PUBLIC, control_api.set_faults),
    Route("DELETE", "/paper/faults", PUBLIC, control_api.clear_faults),
    Route("GET", "/paper/market", PUBLIC, market_control.get_market),
    Route("POST", "/paper/market", PUBLIC, market_control.set_market),
    Route("POST", "/paper/transfer", PUBLIC, control_api.transfer),
    Route("POST", "/paper/sweep", PUBLIC, control_api.sweep),
    Route("POST", "/paper/funding", PUBLIC, control_api.funding),
)

ROUTES: Final = tuple(route._replace(path=PREFIX + route.path) for route in BROKERAGE) + OTHERS
