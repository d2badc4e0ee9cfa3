"""The clients that these tests drive, opened and closed as their users do it."""

import asyncio
import inspect
from base64 import b64encode
from contextlib import contextmanager

import ccxt
import ccxt.async_support
from coinbase.rest import RESTClient
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)

from tests.papers_service import until

BIP = "BIP-20DEC30-CDE"

# --------------------------------------------------------------------------------- Coinbase's SDK


@contextmanager
def rest_client(paper, **options):
    """The SDK's client; it has no `close` of its own."""
    made = RESTClient(base_url=paper.tls_host, timeout=60, **options)
    try:
        yield made
    finally:
        made.session.close()


def placed(answer):
    """The id of an order that must have been taken."""
    assert answer.success is True, answer.to_dict()
    return answer.success_response["order_id"]


def reaches(client, order_id, *statuses):
    """The order as soon as its status is one of these."""

    def look():
        order = client.get_order(order_id).order
        return order if order.status in statuses else None

    return until(look)


def cancel_all(client):
    """Leave no order behind."""
    while rows := client.list_orders(order_status=["OPEN", "PENDING"], limit=100).orders:
        client.cancel_orders([row.order_id for row in rows])


# -------------------------------------------------------------------------------------------- ccxt


def es256(paper):
    name, pem = paper.key()
    return {"apiKey": name, "secret": pem}


def ed25519(paper):
    """The same key as Coinbase hands it out for ccxt: seed and public half, in base64."""
    name, pem = paper.key("key-ed25519.json")
    private = load_pem_private_key(pem.encode(), None)
    seed = private.private_bytes(Encoding.Raw, PrivateFormat.Raw, NoEncryption())
    public = private.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
    return {"apiKey": name, "secret": b64encode(seed + public).decode()}


def urls(paper):
    return {"urls": {"api": {"rest": paper.urls["rest_url"], "ws": paper.urls["ws_url"]}}}


class Blocking:
    """An asynchronous exchange with its calls made one after the other."""

    def __init__(self, runner, exchange):
        self._runner, self._exchange = runner, exchange

    def __getattr__(self, name):
        found = getattr(self._exchange, name)
        if not inspect.iscoroutinefunction(found):
            return found
        return lambda *args, **named: self._runner.run(found(*args, **named))


@contextmanager
def asynchronous(options):
    with asyncio.Runner() as runner:

        async def make():
            return ccxt.async_support.coinbase(options)

        exchange = Blocking(runner, runner.run(make()))
        try:
            yield exchange
        finally:
            exchange.close()


@contextmanager
def blocking(options):
    exchange = ccxt.coinbase(options)
    try:
        yield exchange
    finally:
        exchange.session.close()
