"""Coinbase's own RESTClient, unmodified: everything it can read, as its typed answers have it."""

import time
from decimal import Decimal

import pytest
from requests.exceptions import HTTPError

from tests.e2e.paper.clients import rest_client

BIP = "BIP-20DEC30-CDE"
DAY_S = 86_400


def ids(answer):
    return [row.product_id for row in answer.products]


# ------------------------------------------------------------------------------------- keys


@pytest.mark.parametrize("filename", ["key.json", "key-ed25519.json"])
def test_either_kind_of_key_file_opens_the_account(paper, trust, filename):
    with rest_client(paper, key_file=paper.key_file(filename)) as client:
        permissions = client.get_api_key_permissions()
    assert (permissions.can_view, permissions.can_trade, permissions.can_transfer) == (
        True,
        True,
        False,
    )
    assert permissions.portfolio_type == "DEFAULT"


@pytest.mark.parametrize("filename", ["key.json", "key-ed25519.json"])
def test_a_key_may_be_given_as_text_with_its_line_ends_escaped(paper, trust, filename):
    name, pem = paper.key(filename)
    with rest_client(paper, api_key=name, api_secret=pem.replace("\n", "\\n")) as client:
        assert client.get_api_key_permissions().can_view is True


def test_without_a_key_the_public_calls_are_served(paper, trust):
    with rest_client(paper) as client:
        assert client.get_public_product("BTC-USD").product_id == "BTC-USD"
        assert abs(int(client.get_unix_time().epoch_seconds) - time.time()) < 5


# ---------------------------------------------------------------------------------- account


def test_accounts_are_typed_and_paged(client):
    whole = client.get_accounts(limit=250)
    assert [row.currency for row in whole.accounts] == ["USD", "USDC", "BTC", "ETH"]
    btc = whole.accounts[2]
    assert (btc.available_balance["value"], btc.hold["value"], btc.type) == (
        "10",
        "0",
        "ACCOUNT_TYPE_CRYPTO",
    )
    seen, cursor = [], None
    while True:
        page = client.get_accounts(limit=3, cursor=cursor)
        assert page.size == len(page.accounts)
        seen += [row.uuid for row in page.accounts]
        cursor = page.cursor
        if not page.has_next:
            break
    assert seen == [row.uuid for row in whole.accounts]
    assert client.get_account(btc.uuid).account.currency == "BTC"


def test_the_only_portfolio_is_the_key_s_and_breaks_down(client):
    (portfolio,) = client.get_portfolios().portfolios
    assert portfolio.uuid == client.get_api_key_permissions().portfolio_uuid
    assert client.get_portfolios(portfolio_type="INTX").portfolios == []
    breakdown = client.get_portfolio_breakdown(portfolio.uuid, currency="USD").breakdown
    assert breakdown.portfolio.name == portfolio.name
    positions = {row.asset: row for row in breakdown.spot_positions}
    assert positions["BTC"].total_balance_crypto == 10.0
    assert positions["BTC"].total_balance_fiat == pytest.approx(640_000, rel=1e-6)
    assert sum(row.allocation for row in breakdown.spot_positions) == pytest.approx(1)
    total = Decimal(breakdown.portfolio_balances["total_balance"]["value"])
    assert float(total) == pytest.approx(sum(row.total_balance_fiat for row in positions.values()))


def test_the_fee_tier_is_told(client):
    summary = client.get_transaction_summary(
        product_type="SPOT",
        contract_expiry_type="UNKNOWN_CONTRACT_EXPIRY_TYPE",
        product_venue="CBE",
    )
    assert summary.fee_tier["taker_fee_rate"] == "0.012"
    assert summary.fee_tier["maker_fee_rate"] == "0.006"
    assert isinstance(summary.total_volume, (int, float))


# --------------------------------------------------------------------------------- products


def test_products_are_listed_by_type_by_id_and_by_page(client):
    everything = client.get_products(get_all_products=True)
    assert everything.num_products == len(everything.products)
    spot = client.get_products(product_type="SPOT")
    futures = client.get_products(
        product_type="FUTURE", expiring_contract_status="STATUS_UNEXPIRED"
    )
    assert ids(spot) + ids(futures) == ids(everything)
    assert ids(futures) == [BIP, "ETP-20DEC30-CDE"]
    assert ids(client.get_products(product_type="FUTURE", contract_expiry_type="EXPIRING")) == ids(
        futures
    )
    assert ids(client.get_products(product_type="FUTURE", contract_expiry_type="PERPETUAL")) == []
    assert (
        ids(client.get_products(product_type="FUTURE", expiring_contract_status="STATUS_EXPIRED"))
        == []
    )
    assert ids(client.get_products(product_ids=["ETH-USD", "BTC-USD"])) == ["BTC-USD", "ETH-USD"]
    assert ids(client.get_products(limit=3, offset=2)) == ids(everything)[2:5]


def test_products_can_be_walked_by_cursor(client):
    seen, cursor = [], None
    while True:
        page = client.get_products(limit=5, cursor=cursor)
        seen += ids(page)
        if not page.pagination["has_next"]:
            break
        cursor = page.pagination["next_cursor"]
        assert len(seen) < 100
    assert seen == ids(client.get_products())


def test_a_product_is_bare_and_complete(client):
    btc = client.get_product("BTC-USD", get_tradability_status=True)
    assert (btc.price_increment, btc.base_increment, btc.quote_min_size) == (
        "0.01",
        "0.00000001",
        "1",
    )
    assert (btc.status, btc.trading_disabled, btc.view_only) == ("online", False, False)
    assert (btc.alias_to, btc.alias) == (["BTC-USDC"], "")
    assert btc.product_type == "SPOT"
    assert client.get_product("BTC-USDC").alias == "BTC-USD"
    bip = client.get_product(BIP)
    assert (bip.product_type, bip.status) == ("FUTURE", "")
    assert bip.future_product_details["contract_size"] == "0.01"
    assert bip.future_product_details["contract_expiry_type"] == "EXPIRING"
    assert bip.fcm_trading_session_details["is_session_open"] is True


def test_public_products_are_the_same_without_a_key(client):
    assert ids(client.get_public_products(product_ids=["BTC-USD"])) == ["BTC-USD"]
    assert ids(client.get_public_products(limit=2, offset=1)) == ids(
        client.get_products(limit=2, offset=1)
    )
    public = client.get_public_products(
        product_type="FUTURE", expiring_contract_status="STATUS_ALL"
    )
    assert ids(public) == [BIP, "ETP-20DEC30-CDE"]
    assert client.get_public_product("BTC-USD").to_dict() | {
        "volume_24h": ""
    } == client.get_product("BTC-USD").to_dict() | {"volume_24h": ""}


# ------------------------------------------------------------------------------ market data


@pytest.mark.parametrize("method", ["get_product_book", "get_public_product_book"])
def test_the_book_has_its_levels_best_first(client, method):
    answer = getattr(client, method)("BTC-USD", limit=5)
    book = answer.pricebook
    assert (book.product_id, book.bids[0].price, book.asks[0].price) == (
        "BTC-USD",
        "63999.99",
        "64000",
    )
    assert (len(book.bids), len(book.asks)) == (5, 5)
    assert [Decimal(row.price) for row in book.bids] == sorted(
        (Decimal(row.price) for row in book.bids), reverse=True
    )
    assert [Decimal(row.price) for row in book.asks] == sorted(
        Decimal(row.price) for row in book.asks
    )
    assert (answer.mid_market, answer.spread_absolute) == ("63999.995", "0.01")


@pytest.mark.parametrize("method", ["get_product_book", "get_public_product_book"])
def test_the_book_can_be_gathered_to_coarser_prices(client, method):
    fine = getattr(client, method)("BTC-USD").pricebook
    coarse = getattr(client, method)("BTC-USD", aggregation_price_increment="100").pricebook
    for side, rounded in (("bids", -1), ("asks", 1)):
        rows = getattr(coarse, side)
        assert all(Decimal(row.price) % 100 == 0 for row in rows)
        assert sum(Decimal(row.size) for row in rows) == sum(
            Decimal(row.size) for row in getattr(fine, side)
        )
        best, real = Decimal(rows[0].price), Decimal(getattr(fine, side)[0].price)
        assert 0 <= (best - real) * rounded < 100


def test_best_prices_are_told_of_some_products_or_of_all(client):
    btc, eth = client.get_best_bid_ask(["BTC-USD", "ETH-USD"]).pricebooks
    assert (btc.product_id, btc.bids[0].price, btc.asks[0].price) == (
        "BTC-USD",
        "63999.99",
        "64000",
    )
    assert eth.product_id == "ETH-USD"
    everything = client.get_best_bid_ask().pricebooks
    assert [row.product_id for row in everything] == ids(client.get_products())


@pytest.mark.parametrize("method", ["get_market_trades", "get_public_market_trades"])
def test_trades_come_newest_first_and_within_their_times(client, method):
    answer = getattr(client, method)("BTC-USD", 2)
    assert (answer.best_bid, answer.best_ask) == ("63999.99", "64000")
    numbers = [int(row.trade_id) for row in answer.trades]
    assert numbers == sorted(numbers, reverse=True)
    assert {row.side for row in answer.trades} <= {"BUY", "SELL"}
    now = int(time.time())
    assert (
        getattr(client, method)("BTC-USD", 2, start=str(now + 60), end=str(now + 120)).trades == []
    )
    assert getattr(client, method)("BTC-USD", 2, start=str(now - 600), end=str(now + 60)).trades


@pytest.mark.parametrize("method", ["get_candles", "get_public_candles"])
@pytest.mark.parametrize(
    ("granularity", "seconds"),
    [
        ("ONE_MINUTE", 60), ("FIVE_MINUTE", 300), ("FIFTEEN_MINUTE", 900), ("THIRTY_MINUTE", 1800),
        ("ONE_HOUR", 3600), ("TWO_HOUR", 7200), ("FOUR_HOUR", 14_400), ("SIX_HOUR", 21_600), ("ONE_DAY", DAY_S),
    ],
)  # fmt: skip
def test_candles_of_every_granularity_come_newest_first(client, method, granularity, seconds):
    now = int(time.time())
    rows = getattr(client, method)(
        "BTC-USD", str(now - 20 * seconds), str(now), granularity, limit=10
    ).candles
    starts = [int(row.start) for row in rows]
    assert len(rows) == 10
    assert starts == sorted(starts, reverse=True)
    assert all(start % seconds == 0 for start in starts)
    assert all(Decimal(row.low) <= Decimal(row.open) <= Decimal(row.high) for row in rows)


def test_more_candles_than_a_page_holds_are_refused_in_coinbase_s_words(client):
    now = int(time.time())
    with pytest.raises(HTTPError, match="number of candles requested should be less than 350"):
        client.get_candles("BTC-USD", str(now - 60 * 400), str(now), "ONE_MINUTE")


# ---------------------------------------------------------------------------------- futures


def test_the_futures_account_is_told_in_amounts(client):
    summary = client.get_futures_balance_summary().balance_summary
    assert summary.total_usd_balance == {"value": "1000000", "currency": "USD"}
    assert summary.liquidation_buffer_percentage == "1000"
    assert client.list_futures_positions().positions == []


def test_the_margin_window_and_setting_are_told(client):
    window = client.get_current_margin_window("MARGIN_PROFILE_TYPE_RETAIL_REGULAR")
    assert window.margin_window["margin_window_type"] == "MARGIN_WINDOW_TYPE_INTRADAY"
    assert client.get_intraday_margin_setting().setting == "INTRADAY_MARGIN_SETTING_INTRADAY"
    assert client.list_futures_sweeps().sweeps == []
