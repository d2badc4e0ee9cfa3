"""The messages of a websocket client, and their answers. No I/O.

One channel a message; after each accepted one comes the whole set of subscriptions. Data may come
before its acknowledgement, as it does on Coinbase. Source: Coinbase Advanced Trade API, "WebSocket
Overview"; error texts as observed.
"""

from collections.abc import Iterable
from datetime import datetime
from typing import Final

import msgspec
from msgspec import Struct

from sidecar.paper.service.channels import (
    ACCOUNT_CHANNELS,
    CHANNELS,
    MARKET_CHANNELS,
    acknowledged,
    futures_snapshot,
    market_snapshots,
    user_snapshot,
)
from sidecar.paper.service.keys import Scope
from sidecar.paper.service.session import Session
from sidecar.paper.service.tokens import Unauthorized, verify_websocket
from sidecar.paper.service.world import World
from sidecar.paper.wire import frames
from sidecar.paper.wire.frames import Frame

PRODUCTS_MAX: Final = 1_000  # a message; Coinbase documents no bound and lists fewer pairs
SAY_WHICH: Final = "subscribe or unsubscribe required"  # an unreadable message, or neither
NOT_AUTHENTICATED: Final = "authentication failure"  # also the answer to an unknown channel

NOT_SUBSCRIBED: Final = "failure to subscribe"


class Message(Struct):
    """A client's message. `product_ids` may be left out where products do not matter."""

    type: str = ""
    channel: str = ""
    product_ids: list[str] | None = None
    jwt: str | None = None


class Rejected(Exception):
    """A message is answered with an error frame; the connection stays."""


DECODE: Final = msgspec.json.Decoder(Message).decode


def receive(world: World, session: Session, data: bytes | str) -> None:
    """Take one message and queue its answers."""
    wall = world.wall()
    try:
        message = _read(world, session, data)
        _authenticate(world, message)
        topics = _topics(world, message)
    except Rejected as why:
        session.send_error(frames.error(str(why)), wall)
        return
    at = world.now()  # of all that is answered: an acknowledgement is not older than its data
    if message.type == "subscribe":
        _subscribe(world, session, message, topics, at)
    else:
        _unsubscribe(world, session, message, topics)
    session.bare_since = None if session.channels else wall
    session.send(frames.subscriptions(at, acknowledged(world.exchange, session.channels)), wall)


def _read(world: World, session: Session, data: bytes | str) -> Message:
    try:
        message = DECODE(data)
    except (
        msgspec.DecodeError,
        UnicodeDecodeError,
        RecursionError,
    ):  # a wrong type is of the first
        raise Rejected(SAY_WHICH) from None
    if message.jwt is None and not world.limits.message(session.address, world.wall()):
        raise Rejected("rate limit exceeded")
    if message.type not in {"subscribe", "unsubscribe"}:
        raise Rejected(SAY_WHICH)
    if message.channel not in CHANNELS:
        raise Rejected(NOT_AUTHENTICATED)
    if message.type == "subscribe" and message.channel == world.faults.now.refused_channel:
        raise Rejected(NOT_SUBSCRIBED)
    return message


def _authenticate(world: World, message: Message) -> None:
    """The account's channels need a token; a token on any other must be good as well."""
    if message.jwt is None:
        if message.channel in ACCOUNT_CHANNELS and message.type == "subscribe":
            raise Rejected(NOT_AUTHENTICATED)
        return
    if world.faults.count_off("expire_tokens"):
        raise Rejected(NOT_AUTHENTICATED)
    try:
        key = verify_websocket(message.jwt, world.keys, world.unix())
    except Unauthorized:
        raise Rejected(NOT_AUTHENTICATED) from None
    if message.channel in ACCOUNT_CHANNELS and Scope.VIEW not in key.scopes:
        raise Rejected(NOT_AUTHENTICATED)


def _topics(world: World, message: Message) -> list[str]:
    """The products a message is about: as named for `user`, else the books that stand for them."""
    products = list(dict.fromkeys(message.product_ids or ()))
    if message.channel not in MARKET_CHANNELS | {"user"}:
        return []
    if len(products) > PRODUCTS_MAX:
        raise Rejected(f"too many product_ids: at most {PRODUCTS_MAX}")
    for product_id in products:
        refused = message.type == "subscribe" and product_id == world.faults.now.refused_product
        if refused or product_id not in world.exchange.listings:
            raise Rejected(f"{product_id[:40]} is not a valid product")
    if not products and message.channel != "user" and message.type == "subscribe":
        raise Rejected(f"channel {message.channel} requires product_ids")
    return products


def _book(world: World, product_id: str) -> str:
    """The topic of a product: all channels but `user` speak of the book it shares."""
    return world.exchange.listings[product_id].book


def _subscribe(
    world: World, session: Session, message: Message, products: list[str], at: datetime
) -> None:
    channel, wall = message.channel, world.wall()
    before = list(session.channels[channel]) if channel in session.channels else None
    known = session.channels.setdefault(channel, {})
    new = [product_id for product_id in products if product_id not in known]
    known.update(dict.fromkeys(products))
    if channel == "user" and before is not None and not (before and products):
        known.clear()  # no product means all, and all with some more is all
    if channel not in MARKET_CHANNELS:
        world.hub.listen(session, channel, channel)
        for frame in _account_snapshot(world, channel, known, at):
            session.send(frame, wall)
        return
    books = list(dict.fromkeys(_book(world, product_id) for product_id in new))
    for book in books:
        if channel == "level2":
            world.hub.show_depth(book, at)
    for frame in market_snapshots(world.exchange, world.faults.now, channel, books, at):
        session.send(frame, wall)
    for book in books:
        world.hub.listen(session, channel, book)
    world.changed()


def _account_snapshot(
    world: World, channel: str, products: Iterable[str], at: datetime
) -> list[Frame]:
    if channel == "user":
        return user_snapshot(world.exchange, world.faults.now, products, at)
    if channel == "futures_balance_summary":
        return [futures_snapshot(world.exchange, at)]
    return []


def _unsubscribe(world: World, session: Session, message: Message, products: list[str]) -> None:
    """End the subscription to these products, or to the whole channel when none is named."""
    channel = message.channel
    known = session.channels.get(channel, {})
    if products and not known:
        return  # all orders are told, and all but some is no subscription; or none was
    for product_id in products or tuple(known):
        known.pop(product_id, None)
    if channel in MARKET_CHANNELS:
        wanted = {_book(world, product_id) for product_id in known}
        for book in world.exchange.books:
            if book not in wanted:
                world.hub.unlisten(session, channel, book)
    elif not known:
        world.hub.unlisten(session, channel, channel)
    if not known:
        session.channels.pop(channel, None)
