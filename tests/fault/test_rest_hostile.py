"""Answers that no Coinbase should give, over real sockets: each costs its call, and no more."""

import asyncio
import gzip
import re
import ssl
from contextlib import asynccontextmanager

import pytest
from aiohttp import web

from sidecar.coinbase.auth import load_key
from sidecar.coinbase.rest import Rest, Unavailable, Unknown
from sidecar.core.vocabulary import actions as ac
from tests.fault.meddling import bomb, meddling, tunnel
from tests.fault.paper_client import WITHIN_S, trading
from tests.running_sidecar import beside

BALANCES = {"USD": "100000", "BTC": "1"}


@pytest.fixture
async def trader(tmp_path):
    async with trading(tmp_path, balances=BALANCES) as made:
        yield made


@asynccontextmanager
async def client(trader, url, **options):
    rest = Rest(url, load_key(trader.paper.key_file), **options)
    try:
        yield rest
    finally:
        await rest.close()


async def flattened(trader, made):
    """Sold, and halted on purpose: by the exchange's own word."""
    assert (await made.ask("flatten", reason="enough"))["done"]
    await made.until(lambda: made.state == "HALTED" and not made.manager.liquidator.is_busy)
    assert trader.paper.world.exchange.accounts.wallet("BTC").total == 0
    assert "FAULT" not in {code for code, _ in made.manager.state.causes}


async def until_said(made, words):
    """The next readings of the account fail, and say why."""
    made.engine.carry[ac.Reconcile](ac.Reconcile(reason="test"))
    fault = ""
    async with asyncio.timeout(WITHIN_S):
        while not re.search(words, fault):
            made.changed.clear()
            await made.changed.wait()
            fault = (await made.ask("status"))["sidecar"]["reconciliation_fault"]


# ------------------------------------------------------------------------------------------- TLS


async def test_a_spoiled_record_is_a_call_that_failed(trader):
    context = ssl.create_default_context(cafile=str(trader.paper.ca_file))
    async with tunnel(trader) as way, client(trader, way.url, verify=context) as rest:
        for _ in range(4):
            assert (await rest.get("/key_permissions"))["can_view"]
        way.spoils = 1
        with pytest.raises(Unknown, match="SSLError"):
            await rest.post("/orders", trader.limit("BUY", "0.1", "100"))
        assert way.spoils == 0
        for _ in range(4):
            assert (await rest.get("/key_permissions"))["can_view"]
        way.spoils = 1
        assert (await rest.get("/key_permissions"))["can_view"], "a read is tried again"
        assert way.spoils == 0
    assert len(list(trader.paper.world.exchange.register.newest_first())) == 1


async def test_spoiled_records_end_neither_the_sidecar_nor_a_flattening(trader, monkeypatch):
    monkeypatch.setenv("SSL_CERT_FILE", str(trader.paper.ca_file))
    async with (
        tunnel(trader) as way,
        beside(trader, coinbase={"rest_url": way.url}) as made,
    ):
        way.spoils = 4
        made.engine.carry[ac.Reconcile](ac.Reconcile(reason="test"))
        await made.until(lambda: way.spoils < 4, "a spoiled answer")
        await flattened(trader, made)


# ---------------------------------------------------------------------------- no address to ask


async def test_an_address_that_cannot_be_built_is_a_call_that_failed(trader):
    async with client(trader, trader.paper.urls["rest_url"]) as rest:
        for path in ("/portfolios/a\nb", f"/products/{'B' * 70_000}"):
            with pytest.raises(Unavailable, match="InvalidURL"):
                await rest.post(path, {})


@pytest.mark.parametrize("cursor", ["c" * 70_000, "\x00\n\u2028 / ?#"])
async def test_no_cursor_ends_the_sidecar(trader, cursor):
    """Where the next page cannot be asked for, or there is none: nothing is reconciled."""
    async with (
        meddling(trader) as meddler,
        beside(trader, coinbase={"rest_url": meddler.url}) as made,
    ):

        async def first_page(request):
            if "cursor" in request.query:
                return web.json_response({"error": "INVALID_ARGUMENT"}, status=400)
            wallet = {"uuid": "a", "currency": "SHIB"}
            return web.json_response({"accounts": [wallet], "has_next": True, "cursor": cursor})

        meddler.answers["/accounts"] = first_page
        await until_said(made, "GET /accounts")
        assert made.state == "ACTIVE"
        meddler.answers.clear()
        await flattened(trader, made)


async def test_a_portfolio_whose_id_is_no_path_holds_up_no_start(trader):
    async with meddling(trader) as meddler:

        async def permissions(_request):
            may = {"can_view": True, "can_trade": True, "can_transfer": False}
            return web.json_response({**may, "portfolio_uuid": "a\nb/../c"})

        meddler.answers["/key_permissions"] = permissions
        async with beside(trader, coinbase={"rest_url": meddler.url}) as made:
            await made.until_state("ACTIVE")
            assert made.held("BTC") == 1
    assert "/portfolios/a\nb/../c" in meddler.asked


# ----------------------------------------------------------------------------------- large bodies

MEGABYTE = 1024 * 1024
DEEP = b"[" * 100_000 + b"]" * 100_000
DEEPLY = b"[" + b",".join([b"[" * 900 + b"]" * 900] * 8_000) + b"]"  # 700 MB of lists
ANSWERS = {
    "nested 100,000 deep": (b'{"accounts": %b}' % DEEP, {}, "nested deeper than 64"),
    "nested 900 deep": (b'{"accounts": %b}' % DEEPLY[:-1] + b"]", {}, "more than 500000 values"),
    "another encoding": (b"{}", {"Content-Encoding": "br"}, "encoded as 'br'"),
    "half a gzip": (gzip.compress(b"{}")[:-4], {"Content-Encoding": "gzip"}, "before its end"),
}


async def stays_up(trader, answer, words):
    """While the accounts are told so: said, what reduces passes; healed at the end."""
    async with (
        meddling(trader) as meddler,
        beside(trader, coinbase={"rest_url": meddler.url}) as made,
    ):
        meddler.answers["/accounts"] = answer
        await until_said(made, words)
        assert await made.bot.validate_order(trader.market("SELL", "0.01"), dry_run=True)
        meddler.answers.clear()
        await flattened(trader, made)


@pytest.mark.parametrize(("body", "headers", "words"), ANSWERS.values(), ids=ANSWERS)
async def test_an_answer_beyond_bounds_is_refused_and_said(
    trader, monkeypatch, body, headers, words
):
    monkeypatch.setattr("sidecar.coinbase.rest.wait_s", lambda *_: 0)  # between its tries

    async def answer(_request):
        return web.Response(body=body, headers=headers)

    await stays_up(trader, answer, f"GET /accounts: the answer .*{words}")


@pytest.mark.parametrize("encoding", ["identity", "gzip"])
async def test_an_answer_that_is_too_large_is_not_read_to_its_end(trader, monkeypatch, encoding):
    """200 MB as they are; or a megabyte of gzip, which is a gigabyte."""
    monkeypatch.setattr("sidecar.coinbase.rest.TRIES", 1)
    piece = bytes(MEGABYTE) if encoding == "identity" else bomb(1024)
    pieces, sent = 200 if encoding == "identity" else 1, 0

    async def answer(request):
        nonlocal sent
        sent = 0
        response = web.StreamResponse(headers={"Content-Encoding": encoding})
        await response.prepare(request)
        for _ in range(pieces):
            await response.write(piece)
            sent += len(piece)
        return response

    await stays_up(trader, answer, "larger than 16777216 bytes")
    assert sent < 40 * MEGABYTE, "what lies between is the sockets' buffers"
