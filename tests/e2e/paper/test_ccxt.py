"""ccxt, unmodified but for its URL options: the same calls blocking and asynchronous, with either
kind of key.
"""

from decimal import Decimal

import ccxt
import pytest

from tests.e2e.paper.clients import BIP, asynchronous, blocking, ed25519, es256, urls
from tests.papers_service import running, until

FUTURE = "BTC/USD:USD"


CLIENTS = {"sync, ES256": (blocking, es256), "async, Ed25519": (asynchronous, ed25519)}
SWAPPED = {"sync, Ed25519": (blocking, ed25519), "async, ES256": (asynchronous, es256)}


@pytest.fixture(scope="module", params=CLIENTS)
def exchange(request, paper):
    opened, credentials = CLIENTS[request.param]
    with opened({**urls(paper), **credentials(paper), "enableRateLimit": False}) as made:
        made.load_markets()
        yield made


@pytest.mark.parametrize("client", SWAPPED)
def test_either_kind_of_key_works_either_way(paper, client):
    opened, credentials = SWAPPED[client]
    with opened({**urls(paper), **credentials(paper)}) as exchange:
        order = exchange.create_order("BTC/USD", "limit", "buy", 0.001, 60000)
        reaches(exchange, order, "open")
        exchange.cancel_order(order["id"])
        reaches(exchange, order, "canceled")


def reaches(exchange, order, status):
    """The order as soon as it has this status, in ccxt's words, for which PENDING is open too."""

    def look():
        row = exchange.fetch_order(order["id"])
        return row["status"] == status and row["info"]["status"] != "PENDING" and row

    return until(look)


# -------------------------------------------------------------------------------- the market


def test_markets_are_loaded_with_their_increments_fees_and_futures(exchange):
    btc, bip = exchange.market("BTC/USD"), exchange.market(FUTURE)
    assert (btc["id"], btc["active"], btc["taker"], btc["maker"]) == ("BTC-USD", True, 0.012, 0.006)
    assert btc["precision"] == {"amount": 1e-8, "price": 0.01}
    assert (btc["limits"]["amount"]["max"], btc["limits"]["cost"]["min"]) == (3400, 1)
    assert (bip["id"], bip["contract"], bip["contractSize"], bip["settle"]) == (
        BIP,
        True,
        0.01,
        "USD",
    )
    assert "BTC/USDC" in exchange.symbols
    assert {"BTC", "ETH", "USD"} <= exchange.currencies.keys()


def test_the_time_is_told_by_either_version(exchange):
    assert abs(exchange.fetch_time() - exchange.milliseconds()) < 5_000
    assert (
        abs(exchange.fetch_time({"method": "v3PublicGetBrokerageTime"}) - exchange.milliseconds())
        < 5_000
    )


def test_tickers_books_trades_and_candles_are_read(exchange):
    one = exchange.fetch_ticker("BTC/USD")
    assert (one["bid"], one["ask"]) == (63999.99, 64000)
    some = exchange.fetch_tickers(["BTC/USD", "ETH/USD"])
    assert some.keys() == {"BTC/USD", "ETH/USD"}
    assert some["ETH/USD"]["last"] == pytest.approx(3200, abs=1)
    sides = exchange.fetch_bids_asks(["BTC/USD"])
    assert (sides["BTC/USD"]["bid"], sides["BTC/USD"]["ask"]) == (63999.99, 64000)
    for params in ({}, {"usePrivate": True}):
        book = exchange.fetch_order_book("BTC/USD", 3, params)
        assert (len(book["bids"]), len(book["asks"])) == (3, 3)
        assert (book["bids"][0][0], book["asks"][0][0]) == (63999.99, 64000)
    trades = exchange.fetch_trades("BTC/USD", limit=5)
    assert [row["timestamp"] for row in trades] == sorted(row["timestamp"] for row in trades)
    candles = exchange.fetch_ohlcv("BTC/USD", "1h", limit=5)
    assert len(candles) == 5
    assert all(low <= opened <= high for _, opened, high, low, _, _ in candles)
    assert exchange.fetch_ohlcv("BTC/USD", "1d")


# ------------------------------------------------------------------------------- the account


def test_balances_are_read_from_v2_from_v3_and_of_the_futures_account(exchange):
    order = exchange.create_order("ETH/USD", "limit", "sell", 1, 9000)
    reaches(exchange, order, "open")
    whole, split = exchange.fetch_balance(), exchange.fetch_balance({"v3": True})
    assert whole["ETH"]["total"] == split["ETH"]["total"]
    assert (whole["ETH"]["used"], split["ETH"]["used"]) == (0, 1), "v2 tells no holds"
    futures = exchange.fetch_balance({"type": "future"})
    assert futures["USD"]["total"] > 0
    exchange.cancel_order(order["id"])
    reaches(exchange, order, "canceled")


def test_accounts_portfolios_and_fees_are_read(exchange):
    assert {row["code"] for row in exchange.fetch_accounts()} >= {"USD", "BTC", "ETH"}
    (portfolio,) = exchange.fetch_portfolios()
    details = exchange.fetch_portfolio_details(portfolio["id"])
    assert {row["currency"] for row in details} >= {"USD", "BTC"}
    assert exchange.fetch_trading_fees()["BTC/USD"]["taker"] == 0.012


# ---------------------------------------------------------------------------------- orders


def test_a_limit_order_is_placed_read_edited_and_cancelled(exchange):
    order = exchange.create_order(
        "BTC/USD",
        "limit",
        "buy",
        0.01,
        60000,
        {"postOnly": True, "client_order_id": f"mine-{exchange.uuid()}"},
    )
    assert order["clientOrderId"].startswith("mine-")
    row = reaches(exchange, order, "open")
    assert (row["side"], row["type"], row["price"], row["amount"], row["filled"]) == (
        "buy",
        "limit",
        60000,
        0.01,
        0,
    )
    assert (row["postOnly"], row["timeInForce"]) == (True, "GTC")
    exchange.edit_order(order["id"], "BTC/USD", "limit", "buy", 0.02, 61000)
    row = until(lambda: (row := exchange.fetch_order(order["id"]))["price"] == 61000 and row)
    assert (row["amount"], row["remaining"]) == (0.02, 0.02)
    for find in (exchange.fetch_open_orders, exchange.fetch_orders):
        assert order["id"] in {found["id"] for found in find("BTC/USD")}
        assert order["id"] not in {found["id"] for found in find("ETH/USD")}
    assert exchange.cancel_order(order["id"])["id"] == order["id"]
    reaches(exchange, order, "canceled")
    assert order["id"] in {found["id"] for found in exchange.fetch_canceled_orders("BTC/USD")}
    assert exchange.fetch_open_orders("BTC/USD") == []


def test_several_orders_are_cancelled_at_once(exchange):
    orders = [exchange.create_order("BTC/USD", "limit", "buy", 0.001, 59000) for _ in range(3)]
    until(lambda: len(exchange.fetch_open_orders("BTC/USD")) == 3)
    exchange.cancel_orders([row["id"] for row in orders])
    for order in orders:
        reaches(exchange, order, "canceled")
    with pytest.raises(ccxt.BadRequest, match="cancelOrders"):
        exchange.cancel_orders([orders[0]["id"]])


def test_a_market_buy_by_cost_or_by_amount_fills_and_shows_in_my_trades(exchange):
    orders = [
        exchange.create_market_buy_order_with_cost("BTC/USD", 640),
        exchange.create_order("BTC/USD", "market", "buy", 0.01, 64000),
        exchange.create_order("BTC/USD", "market", "sell", 0.005),
        exchange.create_order("BTC/USD", "limit", "buy", 0.001, 64100, {"timeInForce": "IOC"}),
        exchange.create_order("BTC/USD", "limit", "sell", 0.001, 63900, {"timeInForce": "FOK"}),
    ]
    rows = [reaches(exchange, order, "closed") for order in orders]
    assert [row["filled"] for row in rows[2:]] == [0.005, 0.001, 0.001]
    assert 639 < rows[0]["cost"] + float(rows[0]["fee"]["cost"]) <= 640
    assert rows[1]["average"] == pytest.approx(64000, rel=0.001)
    assert {row["id"] for row in rows} <= {
        row["id"] for row in exchange.fetch_closed_orders("BTC/USD")
    }
    trades = {row["order"]: row for row in exchange.fetch_my_trades("BTC/USD")}
    sold = trades[orders[2]["id"]]
    assert (sold["side"], sold["amount"], sold["takerOrMaker"]) == ("sell", 0.005, "taker")
    assert Decimal(str(sold["fee"]["cost"])) == Decimal(str(sold["price"])) * Decimal("0.00006")


def test_a_trigger_price_makes_a_stop_order(exchange):
    """Ccxt's own default direction is the take-profit's, so the stop-loss names its direction."""
    stop = exchange.create_order(
        "BTC/USD", "limit", "sell", 0.001, 61900,
        {"triggerPrice": 62000, "stop_direction": "STOP_DIRECTION_STOP_DOWN"},
    )  # fmt: skip
    loss = exchange.create_order("BTC/USD", "limit", "sell", 0.001, 61900, {"stopLossPrice": 62000})
    profit = exchange.create_order(
        "BTC/USD", "limit", "sell", 0.001, 66000, {"takeProfitPrice": 66000}
    )
    for order, price in ((stop, 62000), (loss, 62000), (profit, 66000)):
        assert reaches(exchange, order, "open")["triggerPrice"] == price
    exchange.cancel_orders([stop["id"], loss["id"], profit["id"]])
    reaches(exchange, profit, "canceled")
    with pytest.raises(ccxt.ExchangeError, match="PREVIEW_STOP_PRICE_BELOW_LAST_TRADE_PRICE"):
        exchange.create_order("BTC/USD", "limit", "sell", 0.001, 61900, {"triggerPrice": 62000})


def test_a_preview_places_nothing(exchange):
    before = len(exchange.fetch_open_orders("BTC/USD"))
    seen = exchange.create_order("BTC/USD", "limit", "buy", 0.01, 60000, {"preview": True})
    assert seen["id"] is None
    assert len(exchange.fetch_open_orders("BTC/USD")) == before


def test_too_little_money_is_ccxt_s_own_insufficient_funds(exchange):
    with pytest.raises(ccxt.InsufficientFunds):
        exchange.create_order("BTC/USD", "limit", "buy", 100, 60000)
    with pytest.raises(ccxt.InsufficientFunds):
        exchange.create_order("SOL/USD", "market", "sell", 5)


def test_production_s_words_for_an_unknown_order_are_kept_though_ccxt_misses_them(exchange):
    """Ccxt's Python looks for "order with self orderID", so it knows no OrderNotFound here."""
    with pytest.raises(ccxt.ExchangeError, match="order with this orderID was not found") as failed:
        exchange.fetch_order("none")
    assert not isinstance(failed.value, ccxt.OrderNotFound)


# --------------------------------------------------------------------------------- futures


def test_a_futures_position_is_opened_and_closed_by_reduce_only(paper, exchange):
    """Ccxt reads prices of positions only as text, as Coinbase's specification has them. It sends a reduce-only order's amount under a name that Coinbase does not know: all of the
    position is closed unless `size` says how much.
    """
    opened = exchange.create_order(FUTURE, "market", "buy", 3)
    entry = reaches(exchange, opened, "closed")
    assert entry["filled"] == 3
    with paper.faults(bare_futures_figures=True):
        (position,) = exchange.fetch_positions([FUTURE])
    assert (position["side"], position["contracts"], position["contractSize"]) == ("long", 3, 0.01)
    assert position["entryPrice"] == entry["average"]
    assert exchange.fetch_position(FUTURE, {"product_id": BIP})["contracts"] == 3
    reduced = exchange.create_order(
        FUTURE,
        "market",
        "sell",
        1,
        None,
        {"reduceOnly": True, "size": "1", "clientOrderId": exchange.uuid()},
    )
    assert reduced["side"] == "sell"
    reaches(exchange, reduced, "closed")
    assert exchange.fetch_positions([FUTURE])[0]["contracts"] == 2
    closed = exchange.create_order(
        FUTURE, "market", "sell", 1, None, {"reduceOnly": True, "clientOrderId": exchange.uuid()}
    )
    assert reaches(exchange, closed, "closed")["filled"] == 2
    assert exchange.fetch_positions() == []
    with pytest.raises(ccxt.ExchangeError, match="CANNOT_CLOSE_ZERO_POSITION"):
        exchange.close_position(FUTURE, "sell", {"clientOrderId": exchange.uuid()})


# ------------------------------------------------------------------------- failures, TLS


def test_missing_scopes_and_bad_keys_are_ccxt_s_own_errors(paper):
    name, pem = paper.key("key-view.json")
    with blocking({**urls(paper), "apiKey": name, "secret": pem}) as viewer:
        with pytest.raises(ccxt.PermissionDenied):
            viewer.create_order("BTC/USD", "limit", "buy", 0.01, 60000)
        assert viewer.fetch_balance()["USD"]["total"] > 0
    other, _ = paper.key("key-transfer.json")
    with (
        blocking({**urls(paper), "apiKey": other, "secret": pem}) as forger,
        pytest.raises(ccxt.AuthenticationError),
    ):
        forger.fetch_balance()


def test_limits_are_ccxt_s_own_error(tmp_path_factory):
    with (
        running(tmp_path_factory.mktemp("limited"), public_requests_per_s=2) as paper,
        blocking({**urls(paper), "enableRateLimit": False}) as hasty,
        pytest.raises(ccxt.RateLimitExceeded, match="Too many requests"),
    ):
        until(lambda: hasty.fetch_time() == 0)


@pytest.mark.parametrize("opened", [blocking, asynchronous])
def test_tls_works_with_the_options_ccxt_has_for_it(paper, trust, opened):
    addresses = {"urls": {"api": {"rest": paper.urls["tls_rest_url"]}}}
    trusted = (
        {"requests_trust_env": True} if opened is blocking else {"cafile": paper.urls["ca_file"]}
    )
    with opened({**addresses, **es256(paper), **trusted}) as exchange:
        assert exchange.fetch_balance()["USD"]["total"] > 0
