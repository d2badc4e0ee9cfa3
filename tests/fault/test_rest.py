"""REST over real sockets against the paper exchange, and every way it can go wrong."""

import asyncio
import ssl
from contextlib import asynccontextmanager

import httpx
import pytest

from sidecar import clock
from sidecar.coinbase import key_rows, market_rows, order_rows, position_rows, wallet_rows
from sidecar.coinbase.auth import load_key
from sidecar.coinbase.budget import Budget
from sidecar.coinbase.rest import (
    NO_AUTHORITY,
    TRIES,
    Refused,
    Rest,
    Unavailable,
    Unknown,
    Withdrawn,
)
from sidecar.core.vocabulary import events as ev
from sidecar.core.vocabulary.errors import Misuse
from tests.fault.paper_client import trading


@pytest.fixture
async def trader(tmp_path):
    async with trading(tmp_path, balances={"USD": "100000", "BTC": "5"}) as made:
        for book in made.paper.world.exchange.books.values():
            book.silent = True
        yield made


@asynccontextmanager
async def client(trader, **options):
    rest = Rest(trader.paper.urls["rest_url"], load_key(trader.paper.key_file), **options)
    try:
        yield rest
    finally:
        await rest.close()


async def test_what_it_reads_becomes_the_same_facts_as_the_exchange_holds(trader):
    resting = await trader.place(trader.limit("SELL", "0.5", "99000"))
    await trader.place(trader.market("BUY", "0.25"))
    exchange = trader.paper.world.exchange
    now = clock.now()
    async with client(trader) as rest:
        orders = {
            row["order_id"]: order_rows.order_report(row, now)
            async for row in rest.pages("/orders/historical/batch", "orders", {"limit": 1})
        }
        fills = [
            order_rows.fill_report(row, now)
            async for row in rest.pages("/orders/historical/fills", "fills", {"limit": 1})
        ]
        accounts = [row async for row in rest.pages("/accounts", "accounts", {"limit": 1})]
        permissions = key_rows.key_permissions(await rest.get("/key_permissions"))
        quotes = market_rows.quotes((await rest.get("/best_bid_ask"))["pricebooks"], now, [])
        fees = key_rows.fees(await rest.get("/transaction_summary"), now)
    assert orders.keys() == {order.order_id for order in exchange.register.newest_first()}
    for order in exchange.register.newest_first():
        report = orders[order.order_id]
        assert (report.side, report.status, report.filled, report.fees) == (
            order.side, order.status, order.filled, order.fees,
        )  # fmt: skip
    assert (orders[resting].base_size, orders[resting].leaves, orders[resting].limit_price) == (
        exchange.register.get(resting).terms.size, exchange.register.get(resting).remaining, 99000,
    )  # fmt: skip
    traded = [fill for fill in fills if isinstance(fill, ev.FillReported)]
    assert {(f.entry_id, f.price, f.size, f.commission) for f in traded} == {
        (f.entry_id, f.price, f.size, f.commission) for f in exchange.register.fills
    }
    read = wallet_rows.balances(accounts, now, None, {}, [])
    assert {(b.currency, b.available, b.hold) for b in read.balances} == {
        (b.currency, b.available, b.held) for b in exchange.accounts.balances()
    }
    assert (permissions.view, permissions.trade, permissions.transfer) == (True, True, False)
    assert {q.product_id for q in quotes} >= {"BTC-USD", "ETH-USD"}
    assert (fees.taker_rate, fees.maker_rate) == (exchange.fees.taker, exchange.fees.maker)


async def test_futures_are_signed_contracts(trader):
    await trader.place(trader.market("SELL", "3", "BIP-20DEC30-CDE"))
    async with client(trader) as rest:
        answer = await rest.get("/cfm/positions")
    (position,) = position_rows.futures_positions(answer["positions"], clock.now(), None).positions
    assert (position.product_id, position.contracts) == ("BIP-20DEC30-CDE", -3)


async def test_tls_needs_the_right_authority(trader):
    context = ssl.create_default_context(cafile=str(trader.paper.ca_file))
    key = load_key(trader.paper.key_file)
    for verify, works in ((context, True), (True, False)):
        rest = Rest(trader.paper.urls["tls_rest_url"], key, verify=verify)
        if works:
            assert (await rest.get("/key_permissions"))["can_view"]
        else:
            with pytest.raises(Unavailable):
                await rest.post("/orders/preview", {})
        await rest.close()


async def test_without_tls_no_authority_is_read(trader, monkeypatch):
    def read(**_):
        raise OSError("authorities")

    monkeypatch.setattr(ssl, "create_default_context", read)
    for name in ("SSL_CERT_FILE", "SSL_CERT_DIR"):  # else what they name is at fault
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(Misuse, match="authorities"):
        Rest(trader.paper.urls["tls_rest_url"], None)
    async with client(trader) as rest:
        assert (await rest.get("/key_permissions"))["can_view"]
    assert not NO_AUTHORITY.get_ca_certs()
    assert NO_AUTHORITY.verify_mode == ssl.CERT_REQUIRED


@pytest.mark.parametrize(
    "faults",
    [{"too_many_requests": 2}, {"server_errors": 2}, {"expire_tokens": 2}],
    ids=lambda fault: next(iter(fault)),
)
async def test_a_read_is_tried_again_while_it_may_help(trader, faults):
    trader.paper.world.set_faults(faults)
    async with client(trader) as rest:
        assert await rest.get("/key_permissions")


async def test_a_read_that_never_succeeds_says_why(trader, monkeypatch):
    monkeypatch.setattr("sidecar.coinbase.rest.wait_s", lambda *_: 0)
    trader.paper.world.set_faults(server_errors=TRIES)
    async with client(trader) as rest:
        with pytest.raises(Unknown, match="GET /key_permissions: HTTP 503"):
            await rest.get("/key_permissions")


@pytest.mark.parametrize(
    ("faults", "kind"),
    [
        ({"too_many_requests": 1}, Unavailable),
        ({"server_errors": 1}, Unknown),
        ({"refuse_connections": True}, Unknown),
        ({"expire_tokens": TRIES}, Refused),
    ],
)
async def test_a_change_is_done_once_and_its_failure_says_what_is_known(
    trader, monkeypatch, faults, kind
):
    monkeypatch.setattr("sidecar.coinbase.rest.wait_s", lambda *_: 0)
    trader.paper.world.set_faults(faults)
    async with client(trader) as rest:
        with pytest.raises(kind):
            await rest.post("/orders", trader.limit("BUY", "0.1", "100"))
    assert not list(trader.paper.world.exchange.register.newest_first())


@pytest.mark.parametrize("method", ["get", "post"])
async def test_the_key_is_refused_only_when_every_fresh_token_was(trader, monkeypatch, method):
    monkeypatch.setattr("sidecar.coinbase.rest.wait_s", lambda *_: 0)
    async with client(trader) as rest:
        sent = heard(rest)

        async def ask():
            if method == "get":
                return await rest.get("/key_permissions")
            return await rest.post("/orders", trader.limit("BUY", "0.1", "100"))

        trader.paper.world.set_faults(expire_tokens=TRIES - 1)
        assert await ask()
        trader.paper.world.set_faults(expire_tokens=TRIES)
        with pytest.raises(Refused, match="HTTP 401: Unauthorized") as caught:
            await ask()
        assert caught.value.status == 401
    tokens = [headers["Authorization"] for headers in sent]
    assert len(tokens) == len(set(tokens)) == 2 * TRIES


async def test_a_server_in_trouble_beside_refused_tokens_is_no_refusal(trader, monkeypatch):
    monkeypatch.setattr("sidecar.coinbase.rest.wait_s", lambda *_: 0)
    trader.paper.world.set_faults(server_errors=1, expire_tokens=TRIES - 1)
    async with client(trader) as rest:
        with pytest.raises(Unknown, match="HTTP 503"):
            await rest.get("/key_permissions")


async def test_a_change_whose_token_was_refused_is_not_made_once_nobody_wants_it(trader):
    trader.paper.world.set_faults(expire_tokens=1)
    faults = trader.paper.world.faults
    async with client(trader) as rest:
        with pytest.raises(Withdrawn):
            await rest.post(
                "/orders",
                trader.limit("BUY", "0.1", "100"),
                is_wanted=lambda: bool(faults.now.expire_tokens),
            )
    assert not list(trader.paper.world.exchange.register.newest_first())


async def test_an_order_that_is_never_answered_is_unknown_and_was_taken(trader, monkeypatch):
    trader.paper.world.set_faults(accept_without_answer=1)
    short = {"timeout": httpx.Timeout(0.3).as_dict()}
    monkeypatch.setattr("sidecar.coinbase.rest.EXTENSIONS", short)
    async with client(trader) as rest:
        with pytest.raises(Unknown, match="ReadTimeout"):
            await rest.post("/orders", trader.limit("BUY", "0.1", "100"))
    assert len(list(trader.paper.world.exchange.register.newest_first())) == 1


async def test_an_answer_that_dribbles_ends_with_its_call(trader, monkeypatch):
    """Each byte ends the silence that httpx counts, and there are more than 30 of them."""
    monkeypatch.setattr("sidecar.coinbase.rest.CALL_WITHIN_S", 0.2)
    trader.paper.world.set_faults(dribbled_bodies=2)
    async with client(trader) as rest, asyncio.timeout(60):
        with pytest.raises(Unknown, match=r"no whole answer within 0\.2 s"):
            await rest.post("/orders", trader.limit("BUY", "0.1", "100"))
        assert (await rest.get("/key_permissions"))["can_view"], "a read is tried again"
    assert trader.paper.world.faults.now.dribbled_bodies == 0
    assert len(list(trader.paper.world.exchange.register.newest_first())) == 1


async def test_a_refusal_has_coinbases_words_and_no_token(trader):
    async with client(trader) as rest:
        with pytest.raises(Refused, match="order with this orderID was not found") as caught:
            await rest.get("/orders/historical/no-such")
    assert caught.value.status == 404
    assert "Bearer" not in str(caught.value)


CANCELS = "/orders/batch_cancel"


def heard(rest):
    """The headers of every request that is sent from now on."""
    sent = list[httpx.Headers]()

    async def note(request):
        sent.append(request.headers)

    rest._http.event_hooks["request"] = [note]
    return sent


async def test_a_call_that_was_signed_ahead_is_taken_by_the_exchange(trader):
    order_id = await trader.place(trader.limit("SELL", "0.5", "99000"))
    async with client(trader) as rest, asyncio.TaskGroup() as group:
        keeping = group.create_task(rest.keep_ready("POST", CANCELS))
        await asyncio.sleep(0)  # it has begun
        (spare,) = rest._tokens._spares.values()
        sent = heard(rest)
        for _ in range(2):
            await rest.post(CANCELS, {"order_ids": [order_id]})
        keeping.cancel()
    first, second = (headers["Authorization"] for headers in sent)
    assert first == f"Bearer {spare.token}"
    assert second != first
    assert trader.paper.world.exchange.register.get(order_id).status == "CANCELLED"


async def test_without_a_key_there_is_nothing_to_keep_ready_and_calls_are_not_signed():
    rest = Rest("http://127.0.0.1:9", None)
    sent = heard(rest)
    async with asyncio.timeout(60):
        await rest.keep_ready("POST", CANCELS)  # it ends
    with pytest.raises(Unavailable):
        await rest.post(CANCELS, {})
    (headers,) = sent
    assert "Authorization" not in headers
    await rest.close()


async def test_nobody_there_is_unavailable(tmp_path):
    rest = Rest("http://127.0.0.1:9", None)
    with pytest.raises(Unavailable):
        await rest.post("/orders", {})
    await rest.close()


async def test_a_change_is_not_made_that_nobody_wants_any_more_when_its_turn_comes():
    wanted = [True]

    class Turns(Budget):
        def spend(self, wall, *, urgent=False):
            asyncio.get_running_loop().call_soon(wanted.clear)  # while it waits
            return 0.0

    rest = Rest("http://127.0.0.1:9", None, budget=Turns())
    with pytest.raises(Withdrawn):
        await rest.post("/orders", {}, is_wanted=lambda: bool(wanted))
    await rest.close()
