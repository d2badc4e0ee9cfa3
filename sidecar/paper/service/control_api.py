"""`/paper/…`: what no real exchange has: faults, and a hand on the market. No I/O.

Needs no key: the service listens on loopback only, and what is here moves play money.
"""

from decimal import Decimal
from typing import Annotated, Any, Final

from msgspec import Meta, Struct
from msgspec.structs import replace

from sidecar.core.money import ONE, TWO, amount, ceil_to, floor_to, plain
from sidecar.paper.service.call import Call
from sidecar.paper.service.faults import remaining
from sidecar.paper.service.world import World
from sidecar.paper.venue.book import Level
from sidecar.paper.venue.listing import Flags
from sidecar.paper.venue.quote import Quote
from sidecar.paper.wire.errors import invalid, not_found
from sidecar.paper.wire.text import Row, time_text

SPEED_MAX: Final = 10_000
SHIFT_MIN: Final = Decimal("-0.99")


class MarketOrder(Struct, kw_only=True, forbid_unknown_fields=True):
    """The body of `POST /paper/market`. What is left out stays as it is.

    `price`: the new middle; `shift`: a ratio to move it by (-0.1: ten per cent down). The market's
    own next quote moves on from where it was, unless `freeze` holds the product.
    """

    product_id: str | None = None
    price: str | None = None
    shift: str | None = None
    freeze: bool | None = None
    flags: dict[str, bool] | None = None
    pause: bool | None = None
    speed: Annotated[str, Meta(max_length=20)] | None = None


def get_faults(world: World, _call: Call) -> Row:
    """`GET /paper/faults`: what is still to go wrong."""
    return dict(remaining(world.exchange.behaviour, world.faults.now))


def set_faults(world: World, call: Call) -> Row:
    """`POST /paper/faults`: change some switches."""
    call.read(dict[str, Any])
    try:
        world.set_faults(call.row())
    except ValueError as error:
        raise invalid(str(error)) from None
    return get_faults(world, call)


def clear_faults(world: World, call: Call) -> Row:
    """`DELETE /paper/faults`: everything works again."""
    world.clear_faults()
    return get_faults(world, call)


def get_market(world: World, call: Call) -> Row:
    """`GET /paper/market`: the market clock, and every book's best prices."""
    return {
        "market": world.config.market,
        "time": time_text(call.now),
        "speed": plain(world.clock.speed) if world.clock.speed is not None else "max",
        "paused": world.clock.paused,
        "started": world.started,
        "over": world.market_over,
        "books": [
            {
                "product_id": name,
                "bid": plain(book.bid.price) if book.bid else "",
                "ask": plain(book.ask.price) if book.ask else "",
                "frozen": book.frozen,
            }
            for name, book in world.exchange.books.items()
        ],
    }


def set_market(world: World, call: Call) -> Row:
    """`POST /paper/market`: set or shift a price, freeze a product, change flags or the pace."""
    order = call.read(MarketOrder)
    _check(world, order)
    if order.pause is not None:
        (world.clock.pause if order.pause else world.clock.resume)(world.wall())
        world.started = world.started or not order.pause
    if order.speed is not None:
        world.clock.set_speed(_speed(order.speed), world.wall())
    if order.product_id is not None:
        _change_product(world, order, order.product_id, call)
    return get_market(world, call)


def _check(world: World, order: MarketOrder) -> None:
    """Refuse a request that cannot be carried out whole, before any of it is."""
    if order.speed is not None:
        _speed(order.speed)
    about_product = (order.price, order.shift, order.freeze, order.flags)
    if order.product_id is None:
        if any(value is not None for value in about_product):
            raise invalid("product_id is required for price, shift, freeze and flags")
        return
    if order.product_id not in world.exchange.listings:
        raise not_found(f"product {order.product_id[:40]} not found")
    if order.price is not None and order.shift is not None:
        raise invalid("price and shift exclude each other; give one")
    unknown = set(order.flags or ()) - set(Flags.__struct_fields__)
    if unknown:
        raise invalid(f"unknown flags {sorted(unknown)}; known are {list(Flags.__struct_fields__)}")
    if order.shift is not None or order.price is not None:
        _new_middle(world, order, order.product_id)


def _change_product(world: World, order: MarketOrder, product_id: str, call: Call) -> None:
    exchange = world.exchange
    listing = exchange.listings[product_id]
    book = exchange.books[listing.book]
    if order.flags:
        exchange.set_flags(product_id, replace(listing.flags, **order.flags), call.now)
    if order.price is not None or order.shift is not None:
        middle = _new_middle(world, order, product_id)
        bid = max(book.step, floor_to(middle - book.step / TWO, book.step))
        ask = max(bid + book.step, ceil_to(middle, book.step))
        sizes = (book.bid or Level(bid, ONE), book.ask or Level(ask, ONE))
        frozen, book.frozen = book.frozen, False
        exchange.quote(Quote(call.now, listing.book, bid, sizes[0].size, ask, sizes[1].size))
        book.frozen = frozen
    if order.freeze is not None:
        book.frozen = order.freeze


def _new_middle(world: World, order: MarketOrder, product_id: str) -> Decimal:
    book = world.exchange.books[world.exchange.listings[product_id].book]
    if order.price is not None:
        middle = _number("price", order.price)
    elif book.mid is None:
        raise invalid(f"{product_id} has no price to shift; set one")
    else:
        shift = _number("shift", order.shift or "")
        if shift < SHIFT_MIN:
            raise invalid(
                f"shift is below {SHIFT_MIN}; it is a ratio, and -0.1 is ten per cent down"
            )
        middle = book.mid * (ONE + shift)
    if middle < book.step:
        raise invalid(f"the price would be below {plain(book.step)}, the smallest of {product_id}")
    return middle


def _number(name: str, text: str) -> Decimal:
    try:
        return amount(text)
    except ValueError as error:
        raise invalid(f"{name}: {error}") from None


def _speed(text: str) -> Decimal | None:
    if text == "max":
        return None
    speed = _number("speed", text)
    if not 0 < speed <= SPEED_MAX:
        raise invalid(f'speed is above 0 and at most {SPEED_MAX}, or "max"')
    return speed
