"""Calls about money that moves by itself, and accounts as switched-on faults tell them."""

from decimal import Decimal

import pytest

from sidecar.config.paper import Paper
from sidecar.core.vocabulary.errors import Misuse
from sidecar.paper.service.keys import Scope
from sidecar.paper.service.paper import PaperExchange
from sidecar.paper.service.routes import PREFIX, ROUTES
from sidecar.paper.wire.errors import Failed
from tests.paper_world import made
from tests.unit.paper.service.test_calls import BIP, ask, refused


@pytest.fixture
def stage():
    stage = made()
    stage.quote("BTC-USD", "64000", "64001", size="10")
    stage.quote("ETH-USD", "3000", "3001", size="10")
    return stage


def accounts(stage, **query):
    return ask(stage, "GET /accounts", **query)["accounts"]


def total(rows, currency):
    return sum(
        Decimal(row["available_balance"]["value"]) + Decimal(row["hold"]["value"])
        for row in rows
        if row["currency"] == currency
    )


def only(frames, channel):
    return [frame for frame in frames if frame["channel"] == channel]


# ------------------------------------------------------------------------------------- transfers


def test_a_transfer_answers_what_the_wallet_has_then_and_accounts_show_it(stage):
    answer = ask(
        stage, "POST /paper/transfer", {"kind": "deposit", "currency": "BTC", "amount": "0.5"}
    )
    assert answer == {
        "kind": "deposit", "currency": "BTC", "amount": "0.5", "available": "2.5", "held": "0",
    }  # fmt: skip
    assert total(accounts(stage), "BTC") == Decimal("2.5")
    ask(stage, "POST /paper/transfer", {"kind": "airdrop", "currency": "PEPE", "amount": "7"})
    assert total(accounts(stage), "PEPE") == 7
    positions = ask(
        stage,
        "GET /portfolios/{portfolio_uuid}",
        path={"portfolio_uuid": ask(stage, "GET /portfolios")["portfolios"][0]["uuid"]},
    )["breakdown"]["spot_positions"]
    basis = {row["asset"]: row["cost_basis"]["value"] for row in positions}
    assert (basis["BTC"], basis["PEPE"]) == ("160001.25", "0")


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({"kind": "withdrawal", "currency": "BTC", "amount": "3"}, "2 BTC, and 0 on hold"),
        ({"kind": "deposit", "currency": "PEPE", "amount": "3"}, "no product trades PEPE"),
        ({"kind": "deposit", "currency": "btc", "amount": "3"}, "in capitals"),
        ({"kind": "deposit", "currency": "BTC", "amount": "0"}, "amount must be above 0"),
        ({"kind": "deposit", "currency": "BTC", "amount": "-1"}, "amount must be above 0"),
        ({"kind": "deposit", "currency": "BTC", "amount": "NaN"}, "'NaN' is not a number"),
        ({"kind": "theft", "currency": "BTC", "amount": "1"}, "Invalid enum value 'theft'"),
        ({"kind": "deposit", "currency": "BTC", "amount": "1", "fee": "1"}, "unknown field `fee`"),
    ],
)
def test_a_transfer_that_cannot_be_says_why(stage, body, message):
    before = accounts(stage)
    assert message in refused(stage, "POST /paper/transfer", body)
    assert accounts(stage) == before


# ---------------------------------------------------------------------------------------- sweeps


def summary(stage):
    return ask(stage, "GET /cfm/balance_summary")["balance_summary"]


def dollars(stage):
    row = summary(stage)
    names = ("cbi_usd_balance", "cfm_usd_balance", "total_usd_balance")
    cbi, cfm, whole = (Decimal(row[name]["value"]) for name in names)
    assert cbi + cfm == whole
    return cbi, cfm


def test_a_sweep_is_told_whole_in_one_frame_and_changes_no_total(stage):
    stage.limit("BUY", "1", "50000")  # what it holds is of the USD wallet too
    client = stage.client()
    client.subscribes("futures_balance_summary")
    answer = ask(stage, "POST /paper/sweep", {"to": "futures", "amount": "33161"})
    assert answer == {
        "to": "futures", "amount": "33161", "cbi_usd_balance": "66839",
        "cfm_usd_balance": "33161", "funding_pnl": "0",
    }  # fmt: skip
    (frame,) = only(client.hears(), "futures_balance_summary")
    told = frame["events"][0]["fcm_balance_summary"]
    assert (told["cbi_usd_balance"], told["cfm_usd_balance"]) == ("66839", "33161")
    assert told["total_usd_balance"] == "100000"
    assert Decimal(told["total_open_orders_hold_amount"]) == Decimal(50600)
    assert total(accounts(stage), "USD") == 66_839
    assert ask(stage, "POST /paper/sweep", {"to": "spot"})["amount"] == "33161"
    assert dollars(stage) == (100_000, 0)


def test_a_sweep_of_more_than_is_free_names_what_is(stage):
    message = refused(stage, "POST /paper/sweep", {"to": "spot", "amount": "1"})
    assert message == "a sweep of 1 USD to spot is more than is free: 0 USD"
    assert "amount must be above 0" in refused(
        stage, "POST /paper/sweep", {"to": "spot", "amount": "0"}
    )
    assert "Invalid enum value 'vault'" in refused(stage, "POST /paper/sweep", {"to": "vault"})


def test_coinbases_own_calls_schedule_list_and_cancel_a_sweep(stage):
    ask(stage, "POST /paper/sweep", {"to": "futures", "amount": "1000"})
    assert ask(stage, "GET /cfm/sweeps") == {"sweeps": []}
    assert ask(stage, "POST /cfm/sweeps/schedule", {"usd_amount": "400"}) == {"success": True}
    (row,) = ask(stage, "GET /cfm/sweeps")["sweeps"]
    assert row["requested_amount"] == {"value": "400", "currency": "USD"}
    assert (row["should_sweep_all"], row["status"]) == (False, "PENDING")
    assert row["schedule_time"] == row["scheduled_time"] == "2026-11-03T00:00:00.000000Z"
    assert "pending already" in refused(stage, "POST /cfm/sweeps/schedule", {"usd_amount": "1"})
    assert ask(stage, "DELETE /cfm/sweeps") == {"success": True}
    assert ask(stage, "DELETE /cfm/sweeps") == {"success": False}
    ask(stage, "POST /cfm/sweeps/schedule")
    assert ask(stage, "GET /cfm/sweeps")["sweeps"][0]["should_sweep_all"] is True
    stage.wait(14 * 3600)
    assert dollars(stage) == (100_000, 0)
    assert ask(stage, "GET /cfm/sweeps") == {"sweeps": []}


@pytest.mark.parametrize("amount", ["-1", "a lot", "1e99"])
def test_a_sweep_of_no_amount_of_money_is_refused(stage, amount):
    assert "usd_amount" in refused(stage, "POST /cfm/sweeps/schedule", {"usd_amount": amount})


def test_sweeps_are_of_the_transfer_scope_and_the_hand_on_money_needs_no_key():
    scopes = {f"{row.method} {row.path.removeprefix(PREFIX)}": row.scope for row in ROUTES}
    assert scopes["POST /cfm/sweeps/schedule"] == scopes["DELETE /cfm/sweeps"] == Scope.TRANSFER
    assert scopes["GET /cfm/sweeps"] == Scope.VIEW
    for name in ("transfer", "sweep", "funding"):
        assert scopes[f"POST /paper/{name}"] is None


def test_without_futures_there_is_nothing_to_sweep():
    stage = made(futures=False)
    for route, body in (
        ("POST /paper/sweep", {"to": "spot"}),
        ("GET /cfm/sweeps", None),
        ("POST /cfm/sweeps/schedule", {"usd_amount": "1"}),
        ("DELETE /cfm/sweeps", None),
    ):
        with pytest.raises(Failed) as failed:
            ask(stage, route, body)
        assert failed.value.failure.status == 404


# --------------------------------------------------------------------------------------- funding


def test_funding_shows_in_the_summary_and_in_the_wallet(stage):
    answer = ask(stage, "POST /paper/funding", {"product_id": BIP, "amount": "-4.52"})
    assert (answer["amount"], answer["funding_pnl"]) == ("-4.52", "-4.52")
    assert summary(stage)["funding_pnl"] == {"value": "-4.52", "currency": "USD"}
    assert dollars(stage)[0] + dollars(stage)[1] == Decimal("99995.48")


def test_a_rate_is_of_the_position(stage):
    order = stage.order("BUY", BIP, market_market_ioc={"base_size": "10"})
    answer = ask(stage, "POST /paper/funding", {"product_id": BIP, "rate": "0.001"})
    assert Decimal(answer["amount"]) == Decimal("-6.40275")  # 0.1 BTC at 64,027.50
    assert order.status == "FILLED"


def test_a_funding_fill_has_no_order_no_size_and_the_payment_as_its_commission(stage):
    stage.world.exchange.behaviour.funding_told = "fills"
    stage.order("BUY", BIP, market_market_ioc={"base_size": "10"})
    ask(stage, "POST /paper/funding", {"product_id": BIP, "amount": "-4.52"})
    first, second = ask(stage, "GET /orders/historical/fills")["fills"]
    assert first["trade_type"] == "FUNDING"
    assert (first["order_id"], first["size"], first["commission"]) == ("", "0", "4.52")
    assert (first["product_id"], first["side"], first["price"]) == (BIP, "BUY", "64027.5")
    assert first["liquidity_indicator"] == "UNKNOWN_LIQUIDITY_INDICATOR"
    assert (second["trade_type"], second["liquidity_indicator"]) == ("FILL", "TAKER")
    assert summary(stage)["funding_pnl"]["value"] == "0"
    pages = ask(stage, "GET /orders/historical/fills", limit="1")
    rest = ask(stage, "GET /orders/historical/fills", cursor=pages["cursor"])["fills"]
    assert [*pages["fills"], *rest] == [first, second]
    of_limits = ask(stage, "GET /orders/historical/fills", order_types=["MARKET"])["fills"]
    assert of_limits == [second], "a payment is of no order's type"


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({"product_id": BIP}, "amount and rate exclude each other; give one"),
        ({"product_id": BIP, "amount": "1", "rate": "0.1"}, "exclude each other"),
        ({"product_id": BIP, "rate": "0.1"}, f"no position in {BIP} to take a rate of"),
        ({"product_id": BIP, "rate": "2"}, "rate is a ratio"),
        ({"product_id": BIP, "amount": "inf"}, "'inf' is not a number"),
    ],
)
def test_funding_that_cannot_be_says_why(stage, body, message):
    assert message in refused(stage, "POST /paper/funding", body)


@pytest.mark.parametrize("product_id", ["BTC-USD", "BIP", ""])
def test_only_futures_have_funding(stage, product_id):
    with pytest.raises(Failed) as failed:
        ask(stage, "POST /paper/funding", {"product_id": product_id, "amount": "1"})
    assert failed.value.failure.status == 404


# -------------------------------------------------------------------------- accounts and their faults


def switch(stage, **changes):
    return ask(stage, "POST /paper/faults", changes)


def test_one_currency_can_lag_over_rest(stage):
    switch(stage, balance_lag_by_currency={"USD": 60})
    stage.wait(1)
    stage.order("BUY", market_market_ioc={"base_size": "1"})
    rows = accounts(stage)
    assert (total(rows, "BTC"), total(rows, "USD")) == (3, 100_000)
    stage.wait(60)
    assert total(accounts(stage), "USD") < 40_000
    assert "balance_lag_by_currency" in refused(
        stage, "POST /paper/faults", {"balance_lag_by_currency": {"USD": -1}}
    )


def test_the_futures_summary_can_lag_over_rest_and_not_in_its_frames(stage):
    switch(stage, futures_balance_lag_s=30)
    stage.wait(60)
    client = stage.client()
    client.subscribes("futures_balance_summary")
    ask(stage, "POST /paper/sweep", {"to": "futures", "amount": "1000"})
    (frame,) = only(client.hears(), "futures_balance_summary")
    assert frame["events"][0]["fcm_balance_summary"]["cfm_usd_balance"] == "1000"
    assert dollars(stage) == (100_000, 0)
    assert total(accounts(stage), "USD") == 99_000
    stage.wait(30)
    assert dollars(stage) == (99_000, 1_000)


def test_a_stuck_hold_shows_over_rest_and_the_total_is_right(stage):
    switch(stage, stuck_holds_s=5)
    order = stage.limit("SELL", "1.5", "70000")
    stage.world.exchange.cancel(order.order_id, stage.now)
    (row,) = [row for row in accounts(stage) if row["currency"] == "BTC"]
    assert (row["available_balance"]["value"], row["hold"]["value"]) == ("0.5", "1.5")
    alone = ask(stage, "GET /accounts/{account_uuid}", path={"account_uuid": row["uuid"]})
    assert alone["account"] == row
    stage.wait(5)
    (row,) = [row for row in accounts(stage) if row["currency"] == "BTC"]
    assert (row["available_balance"]["value"], row["hold"]["value"]) == ("2", "0")


def test_a_wallet_is_missing_from_so_many_listings_and_its_id_still_finds_it(stage):
    (btc,) = [row for row in accounts(stage) if row["currency"] == "BTC"]
    switch(stage, missing_wallets=2, wallets_currency="BTC")
    for _ in range(2):
        assert [row["currency"] for row in accounts(stage)] == ["USD"]
        alone = ask(stage, "GET /accounts/{account_uuid}", path={"account_uuid": btc["uuid"]})
        assert alone["account"]["available_balance"]["value"] == "2"
    assert [row["currency"] for row in accounts(stage)] == ["USD", "BTC"]


def test_every_wallet_can_be_missing(stage):
    switch(stage, missing_wallets=1)
    assert ask(stage, "GET /accounts") == {
        "accounts": [], "has_next": False, "cursor": "", "size": 0
    }  # fmt: skip
    assert len(accounts(stage)) == 2


def test_a_wallet_told_as_two_has_the_same_total_and_both_are_found_by_id(stage):
    stage.limit("SELL", "0.5", "70000")
    (whole,) = [row for row in accounts(stage) if row["currency"] == "BTC"]
    switch(stage, split_wallets=1, wallets_currency="BTC")
    rows = [row for row in accounts(stage) if row["currency"] == "BTC"]
    assert total(rows, "BTC") == 2
    assert [row["available_balance"]["value"] for row in rows] == ["0.75", "0.75"]
    assert [row["hold"]["value"] for row in rows] == ["0.5", "0"]
    assert [row["default"] for row in rows] == [True, False]
    assert rows[0]["uuid"] == whole["uuid"] != rows[1]["uuid"]
    path = {"account_uuid": rows[1]["uuid"]}
    assert ask(stage, "GET /accounts/{account_uuid}", path=path)["account"] == rows[1]
    assert [row for row in accounts(stage) if row["currency"] == "BTC"] == [whole]
    with pytest.raises(Failed) as failed:
        ask(stage, "GET /accounts/{account_uuid}", path=path)
    assert failed.value.failure.status == 404


def test_what_one_listing_tells_stays_for_its_further_pages(stage):
    switch(stage, split_wallets=1, missing_wallets=0, huge_balances=1)
    first = ask(stage, "GET /accounts", limit="3")
    second = ask(stage, "GET /accounts", limit="3", cursor=first["cursor"])
    rows = first["accounts"] + second["accounts"]
    assert [row["currency"] for row in rows] == ["USD", "USD", "BTC", "BTC"]
    assert {row["available_balance"]["value"] for row in rows} == {"1" + "0" * 30}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("negative_balances", "-1"), ("huge_balances", "1" + "0" * 30), ("text_balances", "a lot"),
        ("no_balances", None),
    ],
)  # fmt: skip
def test_absurd_balances_are_told_so_often_in_a_listing_and_by_id(stage, name, value):
    rows = {row["currency"]: row for row in accounts(stage)}
    switch(stage, **{name: 2}, wallets_currency="USD")

    def shown(row):
        balance = row.get("available_balance")
        return balance["value"] if balance is not None else None

    told = {row["currency"]: row for row in accounts(stage)}
    assert shown(told["USD"]) == value
    assert told["BTC"] == rows["BTC"]
    for currency, expected in (("BTC", "2"), ("USD", value), ("USD", "100000")):
        path = {"account_uuid": rows[currency]["uuid"]}
        assert shown(ask(stage, "GET /accounts/{account_uuid}", path=path)["account"]) == expected
    assert {row["currency"]: row for row in accounts(stage)} == rows


def test_a_currency_code_is_written_in_capitals(stage):
    assert "wallets_currency" in refused(stage, "POST /paper/faults", {"wallets_currency": "btc"})


@pytest.mark.parametrize("after", [False, True])
def test_the_order_of_the_wallets_frame_and_the_fills_is_a_switch(stage, after):
    switch(stage, wallet_after_fill=after)
    client = stage.client()
    client.subscribes("user")
    client.subscribes("futures_balance_summary")
    client.hears()
    stage.order("BUY", BIP, market_market_ioc={"base_size": "2"})
    channels = []
    for frame in client.hears():
        if frame["channel"] == "futures_balance_summary":
            channels.append("wallet")
        elif frame["events"][0]["orders"][0]["cumulative_quantity"] == "2":
            channels.append("fill")
    assert channels[:2] == (["fill", "wallet"] if after else ["wallet", "fill"])
    assert channels.count("wallet") == 1


# ---------------------------------------------------------------------- books, wide, empty, disabled


def market(stage, **body):
    return ask(stage, "POST /paper/market", {"product_id": "ETH-USD", **body})


def best(stage, *ids):
    return {
        row["product_id"]: row
        for row in ask(stage, "GET /best_bid_ask", product_ids=list(ids))["pricebooks"]
    }


def test_a_wide_quote_is_told_by_a_ticker_whose_price_is_the_last_trade(stage):
    last = ask(stage, "GET /products/{product_id}", path={"product_id": "ETH-USD"})["price"]
    client = stage.client()
    client.subscribes("ticker", "ETH-USD")
    market(stage, bid="80", ask="86", size="40", silent=True)
    (frame,) = only(client.hears(), "ticker")
    (row,) = frame["events"][0]["tickers"]
    assert (row["best_bid"], row["best_ask"], row["best_bid_quantity"]) == ("80", "86", "40")
    assert row["price"] == last
    stage.quote("ETH-USD", "3000", "3001")
    assert best(stage, "ETH-USD")["ETH-USD"]["bids"] == [{"price": "80", "size": "40"}]
    market(stage, trade="80.5")
    (frame,) = only(client.hears(), "ticker")
    (row,) = frame["events"][0]["tickers"]
    assert (row["price"], row["best_bid"], row["best_ask"]) == ("80.5", "80", "86")


def test_without_a_size_the_sides_keep_theirs(stage):
    market(stage, bid="80", ask="86")
    assert best(stage, "ETH-USD")["ETH-USD"]["asks"] == [{"price": "86", "size": "10"}]
    market(stage, empty=True)
    market(stage, bid="81", ask="86")
    assert best(stage, "ETH-USD")["ETH-USD"]["bids"] == [{"price": "81", "size": "1"}]


def test_quote_and_trade_of_one_call_are_one_ticker(stage):
    client = stage.client()
    client.subscribes("ticker", "ETH-USD")
    answer = market(stage, bid="80", ask="86", trade="80.5")
    (frame,) = only(client.hears(), "ticker")
    assert frame["events"][0]["tickers"][0]["price"] == "80.5"
    (row,) = [row for row in answer["books"] if row["product_id"] == "ETH-USD"]
    assert row == {
        "product_id": "ETH-USD", "bid": "80", "ask": "86", "last": "80.5", "frozen": False, "silent": False,
    }  # fmt: skip


def test_a_quiet_quote_is_told_by_no_ticker_and_is_there_over_rest(stage):
    """As on Coinbase, whose ticker tells of trades: a product that does not trade is quiet."""
    client = stage.client()
    client.subscribes("ticker", "ETH-USD")
    market(stage, bid="80", ask="80.01", quiet=True, silent=True)
    assert not only(client.hears(), "ticker")
    assert best(stage, "ETH-USD")["ETH-USD"]["bids"] == [{"price": "80", "size": "10"}]
    stage.order("BUY", "ETH-USD", market_market_ioc={"base_size": "1"})
    (frame,) = only(client.hears(), "ticker")
    assert frame["events"][0]["tickers"][0]["price"] == "80.01"


@pytest.mark.parametrize("order", [{"shift": "-0.1"}, {"price": "3600"}])
def test_a_price_that_a_hand_has_moved_stays_while_the_market_moves_on(stage, order):
    stage.quote("ETH-USD", "3999.99", "4000.01")
    market(stage, **order)
    stage.quote("ETH-USD", "4099.99", "4100.01")
    row = best(stage, "ETH-USD")["ETH-USD"]
    assert (row["bids"][0]["price"], row["asks"][0]["price"]) == ("3689.99", "3690.01")
    market(stage, shift="-0.5")
    stage.quote("ETH-USD", "3999.99", "4000.01")
    assert best(stage, "ETH-USD")["ETH-USD"]["bids"][0]["price"] == "1799.99"


def test_a_frozen_book_goes_on_quoting_the_prices_that_stand(stage):
    client = stage.client()
    client.subscribes("ticker", "ETH-USD")
    market(stage, bid="80", ask="86", size="40", freeze=True)
    for price in ("3000", "4000"):
        client.hears()
        stage.quote("ETH-USD", price, str(int(price) + 1))
        (frame,) = only(client.hears(), "ticker")
        (row,) = frame["events"][0]["tickers"]
        assert (row["best_bid"], row["best_ask"], row["best_bid_quantity"]) == ("80", "86", "40")
    market(stage, empty=True)
    stage.quote("ETH-USD", "3000", "3001")
    assert set(best(stage, "ETH-USD")) == set()
    market(stage, freeze=False)
    stage.quote("ETH-USD", "3000", "3001")
    assert best(stage, "ETH-USD")["ETH-USD"]["bids"][0]["price"] == "3000"


def test_an_empty_book_is_left_out_or_has_empty_lists(stage):
    client = stage.client()
    client.subscribes("ticker", "ETH-USD")
    market(stage, empty=True, silent=True)
    stage.quote("ETH-USD", "3000", "3001")
    assert not only(client.hears(), "ticker")
    assert set(best(stage, "BTC-USD", "ETH-USD")) == {"BTC-USD"}
    assert "ETH-USD" not in best(stage)
    switch(stage, list_empty_books=True)
    row = best(stage, "BTC-USD", "ETH-USD")["ETH-USD"]
    assert (row["bids"], row["asks"]) == ([], [])
    assert not only(stage.client().subscribes("ticker", "ETH-USD"), "ticker")


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({"bid": "80"}, "bid and ask go together"),
        ({"bid": "86", "ask": "86"}, "bid must be below ask"),
        ({"bid": "80.001", "ask": "86"}, "bid must be a positive multiple of 0.01"),
        ({"bid": "0", "ask": "86"}, "bid must be a positive multiple"),
        ({"bid": "80", "ask": "86", "size": "0"}, "size must be a positive multiple"),
        ({"size": "1"}, "size and quiet are of bid and ask"),
        ({"quiet": True}, "size and quiet are of bid and ask"),
        ({"price": "3000", "size": "1"}, "size and quiet are of bid and ask"),
        ({"bid": "80", "ask": "86", "price": "83"}, "exclude each other"),
        ({"bid": "80", "ask": "86", "empty": True}, "exclude each other"),
        ({"shift": "0.1", "empty": True}, "exclude each other"),
        ({"price": "1", "shift": "0.1"}, "price and shift exclude each other"),
        ({"trade": "-1"}, "trade must be a positive multiple"),
        ({"trade": "x"}, "'x' is not a number"),
        ({"product_id": None, "trade": "1"}, "product_id is required for trade"),
        ({"product_id": None, "empty": True}, "product_id is required for empty"),
    ],
)
def test_a_market_that_cannot_be_set_so_says_why(stage, body, message):
    before = best(stage)
    assert message in refused(stage, "POST /paper/market", {"product_id": "ETH-USD", **body})
    assert best(stage) == before


async def test_a_disabled_product_is_listed_so_and_never_quoted_and_its_coin_may_be_held(tmp_path):
    tmp_path.chmod(0o700)
    config = Paper(
        market="random:7",
        balances={"USD": 1, "DOGE": 100, "PEPE": 5},
        disabled_products=("DOGE-USD",),
    )
    async with PaperExchange(config, tmp_path) as paper:
        exchange = paper.world.exchange
        assert exchange.listings["DOGE-USD"].flags.is_disabled
        assert exchange.books["DOGE-USD"].bid is None
        assert exchange.books["BTC-USD"].bid is not None
        totals = {row.currency: row.total for row in exchange.accounts}
        assert totals == {"USD": 1, "DOGE": 100, "PEPE": 5}


def test_a_disabled_product_must_be_one(tmp_path):
    tmp_path.chmod(0o700)
    with pytest.raises(Misuse, match=r"PEPE-USD of paper\.disabled_products is no product"):
        PaperExchange(Paper(market="random:7", disabled_products=("PEPE-USD",)), tmp_path)
