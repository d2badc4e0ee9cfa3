"""ccxt.pro, unmodified but for its URL options: what it watches over the one websocket it knows."""

import asyncio

import ccxt.pro
import pytest

from tests.e2e.paper.clients import ed25519, es256, urls

WITHIN_S = 60.0


@pytest.fixture(autouse=True)
def still(paper):
    """Every test finds the books at the same prices."""
    paper.hold("BTC-USD", "64000")
    paper.hold("ETH-USD", "3200")


@pytest.fixture
async def exchange(paper):
    async with ccxt.pro.coinbase({**urls(paper), **es256(paper), "enableRateLimit": False}) as made:
        await made.load_markets()
        yield made


async def within(awaitable):
    async with asyncio.timeout(WITHIN_S):
        return await awaitable


async def until_seen(watch, wanted):
    """Watch until there is what is wanted: ccxt answers with whatever came last."""
    async with asyncio.timeout(WITHIN_S):
        while True:
            if found := wanted(await watch()):
                return found


async def seen_after(call, watch, wanted):
    """What is seen after a call: watched from before it, for what comes while nobody watches is told to
    nobody.
    """
    async with asyncio.TaskGroup() as group:
        seen = group.create_task(until_seen(watch, wanted))
        answer = await call
    return answer, seen.result()


async def test_a_ticker_is_watched_as_it_changes(paper, exchange):
    first = await within(exchange.watch_ticker("BTC/USD"))
    assert (first["symbol"], first["bid"], first["ask"]) == ("BTC/USD", 63999.99, 64000)
    paper.hold("BTC-USD", "64100")
    seen = await until_seen(
        lambda: exchange.watch_ticker("BTC/USD"), lambda row: row["ask"] == 64100 and row
    )
    assert seen["bid"] == 64099.99


async def test_several_tickers_are_watched_in_batches(paper, exchange):
    symbols, seen = ["BTC/USD", "ETH/USD"], {}

    def both(rows):
        seen.update(rows)
        return seen.keys() == set(symbols)

    await until_seen(lambda: exchange.watch_tickers(symbols), both)
    assert seen["ETH/USD"]["last"] == pytest.approx(3200, abs=1)


async def test_trades_are_watched_oldest_first(paper, exchange):
    first = await within(exchange.watch_trades("BTC/USD"))
    assert [row["timestamp"] for row in first] == sorted(row["timestamp"] for row in first)
    _, mine = await seen_after(
        exchange.create_order("BTC/USD", "market", "sell", 0.00123),
        lambda: exchange.watch_trades("BTC/USD"),
        lambda rows: next((row for row in rows if row["amount"] == 0.00123), None),
    )
    assert (mine["price"], mine["side"]) == (63999.99, "buy"), "the maker's side"


async def test_an_order_book_is_watched_and_is_the_one_of_rest(paper, exchange):
    first = await within(exchange.watch_order_book("BTC/USD"))
    assert (first["bids"][0][0], first["asks"][0][0]) == (63999.99, 64000)
    paper.hold("BTC-USD", "64050")
    rest, seen = await seen_after(
        exchange.fetch_order_book("BTC/USD"),
        lambda: exchange.watch_order_book("BTC/USD"),
        lambda book: book["asks"][0][0] == 64050 and book,
    )
    assert [list(row[:2]) for row in seen["bids"]] == rest["bids"]
    assert [list(row[:2]) for row in seen["asks"]] == rest["asks"]


async def test_a_book_watched_by_its_alias_is_the_canonical_one(paper, exchange):
    book = await within(exchange.watch_order_book("BTC/USDC"))
    assert (book["bids"][0][0], book["asks"][0][0]) == (63999.99, 64000)


async def test_orders_are_watched_from_open_to_their_end(paper, exchange):
    """Ccxt takes what is filled for the amount, so only `filled` and `remaining` are looked at."""
    await within(exchange.watch_orders())

    def at(price, status):
        return lambda rows: next(
            (row for row in rows if row["price"] == price and row["info"]["status"] == status), None
        )

    _, opened = await seen_after(
        exchange.create_order("ETH/USD", "limit", "buy", 0.2, 3190),
        exchange.watch_orders,
        at(3190, "OPEN"),
    )
    assert (opened["symbol"], opened["side"], opened["filled"], opened["remaining"]) == (
        "ETH/USD",
        "buy",
        0,
        0.2,
    )
    paper.hold("ETH-USD", "3189")
    filled = await until_seen(exchange.watch_orders, at(3190, "FILLED"))
    assert (filled["status"], filled["filled"], filled["remaining"], filled["average"]) == (
        "closed",
        0.2,
        0,
        3190,
    )
    order, _ = await seen_after(
        exchange.create_order("ETH/USD", "limit", "buy", 0.2, 3000),
        exchange.watch_orders,
        at(3000, "OPEN"),
    )
    _, cancelled = await seen_after(
        exchange.cancel_order(order["id"]), exchange.watch_orders, at(3000, "CANCELLED")
    )
    assert cancelled["status"] == "canceled"


async def test_orders_of_one_market_are_watched_by_its_symbol(paper, exchange):
    watching = asyncio.ensure_future(exchange.watch_orders("BTC/USD"))
    order = await exchange.create_order("BTC/USD", "limit", "buy", 0.001, 60000)
    rows = await within(watching)
    assert {row["symbol"] for row in rows} == {"BTC/USD"}
    await exchange.cancel_order(order["id"])


async def test_watching_ends_with_the_last_subscription(paper, exchange):
    await within(exchange.watch_ticker("BTC/USD"))
    await within(exchange.un_watch_ticker("BTC/USD"))
    assert "BTC/USD" not in exchange.tickers


async def test_an_ed25519_key_does_all_but_the_user_channel(paper):
    """Ccxt's own limit: its websocket token is ES256 only."""
    async with ccxt.pro.coinbase({**urls(paper), **ed25519(paper)}) as exchange:
        assert (await within(exchange.watch_ticker("BTC/USD")))["ask"] == 64000
        assert (await exchange.fetch_balance())["BTC"]["total"] > 0
