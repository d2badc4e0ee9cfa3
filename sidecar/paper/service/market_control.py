"""`/paper/market`: a hand on the market: its pace, products' flags, prices, books and trades. No I/O.

Needs no key: the service listens on loopback only, and the calls here move play money.
"""

from datetime import datetime
from decimal import Decimal
from typing import Annotated, Final

from msgspec import Meta, Struct
from msgspec.structs import replace

from sidecar.core.vocabulary.money import ONE, TWO, ceil_to, floor_to, plain
from sidecar.paper.service.call import Call, decimal_of
from sidecar.paper.service.world import World
from sidecar.paper.venue import hand
from sidecar.paper.venue.book import Book, Level
from sidecar.paper.venue.listing import Flags
from sidecar.paper.venue.quote import Quote
from sidecar.paper.wire.errors import invalid, not_found
from sidecar.paper.wire.text import Row, time_text

SPEED_MAX: Final = 10_000
SHIFT_MIN: Final = Decimal("-0.99")


class MarketOrder(Struct, kw_only=True, forbid_unknown_fields=True):
    """The body of `POST /paper/market`. Fields left out stay as they are.

    `price`: the new middle; `shift`: a ratio to move it by (-0.1: ten per cent down); `bid` and
    `ask`: both sides, `size` of each, `quiet`: without a ticker; `empty`: no side; `trade`: the
    price of a single trade. From a `price` or a `shift` the market goes on as it would have from its own price; bid and
    ask stand until its next quote. `freeze`: it goes on quoting the prices that stand; `silent`: it does not quote.
    """

    product_id: str | None = None
    price: str | None = None
    shift: str | None = None
    bid: str | None = None
    ask: str | None = None
    size: str | None = None
    quiet: bool = False
    empty: bool = False
    trade: str | None = None
    freeze: bool | None = None
    silent: bool | None = None
    flags: dict[str, bool] | None = None
    pause: bool | None = None
    speed: Annotated[str, Meta(max_length=20)] | None = None


def get_market(world: World, call: Call) -> Row:
    """`GET /paper/market`: the market clock, and every book's best prices and last trade."""
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
                "last": plain(book.tape.last) if book.tape.last is not None else "",
                "frozen": book.held,
                "silent": book.silent,
            }
            for name, book in world.exchange.books.items()
        ],
    }


def set_market(world: World, call: Call) -> Row:
    """`POST /paper/market`: set prices, print a trade, freeze a product, change flags or the pace."""
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


def shift(world: World, product_id: str, by: Decimal) -> None:
    """Move a price by this ratio; it stays there while the market moves on."""
    book = _book(world, product_id)
    if book.mid is not None:
        _move(world, book, book.mid * (ONE + by), world.now())


# --------------------------------------------------------------------------------------- refusals


def _check(world: World, order: MarketOrder) -> None:
    """Refuse a request that cannot be carried out whole, before any of it is."""
    if order.speed is not None:
        _speed(order.speed)
    if order.product_id is None:
        _check_no_product(order)
        return
    if order.product_id not in world.exchange.listings:
        raise not_found(f"product {order.product_id[:40]} not found")
    unknown = set(order.flags or ()) - set(Flags.__struct_fields__)
    if unknown:
        raise invalid(f"unknown flags {sorted(unknown)}; known are {list(Flags.__struct_fields__)}")
    _check_prices(world, order, order.product_id)


def _check_no_product(order: MarketOrder) -> None:
    of_pace = {"product_id", "pause", "speed"}
    for name in MarketOrder.__struct_fields__:
        if name not in of_pace and getattr(order, name) not in (None, False):
            raise invalid(f"product_id is required for {name}")


def _check_prices(world: World, order: MarketOrder, product_id: str) -> None:
    book = _book(world, product_id)
    if order.price is not None and order.shift is not None:
        raise invalid("price and shift exclude each other; give one")
    moved = order.price is not None or order.shift is not None
    sided = order.bid is not None or order.ask is not None
    if moved + sided + order.empty > 1:
        raise invalid("price or shift, bid and ask, and empty exclude each other; give one")
    if moved:
        _new_middle(book, order)
    if sided:
        _sides(book, order)
    elif order.size is not None or order.quiet:
        raise invalid("size and quiet are of bid and ask; give both")
    if order.trade is not None:
        _stepped("trade", order.trade, book.step)


def _sides(book: Book, order: MarketOrder) -> tuple[Level, Level]:
    """Bid and ask as they are asked for; without a size each side keeps its own, or has a single unit."""
    if order.bid is None or order.ask is None:
        raise invalid("bid and ask go together; give both")
    bid, ask = _stepped("bid", order.bid, book.step), _stepped("ask", order.ask, book.step)
    if bid >= ask:
        raise invalid("bid must be below ask")
    if order.size is not None:
        size = _stepped("size", order.size, book.size_step)
        return Level(bid, size), Level(ask, size)
    return _kept(book.bid, bid), _kept(book.ask, ask)


def _kept(side: Level | None, price: Decimal) -> Level:
    return Level(price, side.size if side is not None else ONE)


def _stepped(name: str, text: str, step: Decimal) -> Decimal:
    """A positive multiple of a step. Raises Failed with status 400."""
    value = decimal_of(name, text)
    if value <= 0 or value % step:
        raise invalid(f"{name} must be a positive multiple of {plain(step)}")
    return value


def _new_middle(book: Book, order: MarketOrder) -> Decimal:
    product_id = book.product_id
    if order.price is not None:
        middle = decimal_of("price", order.price)
    elif book.mid is None:
        raise invalid(f"{product_id} has no price to shift; set one")
    else:
        shift = decimal_of("shift", order.shift or "")
        if shift < SHIFT_MIN:
            raise invalid(
                f"shift is below {SHIFT_MIN}; it is a ratio, and -0.1 is ten per cent down"
            )
        middle = book.mid * (ONE + shift)
    if middle < book.step:
        raise invalid(f"the price would be below {plain(book.step)}, the smallest of {product_id}")
    return middle


def _speed(text: str) -> Decimal | None:
    if text == "max":
        return None
    speed = decimal_of("speed", text)
    if not 0 < speed <= SPEED_MAX:
        raise invalid(f'speed is above 0 and at most {SPEED_MAX}, or "max"')
    return speed


# ---------------------------------------------------------------------------------------- effects


def _book(world: World, product_id: str) -> Book:
    return world.exchange.books[world.exchange.listings[product_id].book]


def _change_product(world: World, order: MarketOrder, product_id: str, call: Call) -> None:
    """Flags first, then quote, then trade, then whether it goes on."""
    exchange, book = world.exchange, _book(world, product_id)
    if order.flags:
        flags = replace(exchange.listings[product_id].flags, **order.flags)
        exchange.set_flags(product_id, flags, call.now)
    if order.price is not None or order.shift is not None:
        _move(world, book, _new_middle(book, order), call.now)
    elif order.bid is not None:
        bid, ask = _sides(book, order)
        quote = Quote(call.now, book.product_id, *bid, *ask)
        hand.set_quote(exchange, quote, quiet=order.quiet)
    elif order.empty:
        hand.empty(exchange, book.product_id, call.now)
    if order.trade is not None:
        price = decimal_of("trade", order.trade)
        hand.print_trade(exchange, book.product_id, price, call.now)
    if order.freeze is not None:
        book.held = order.freeze
    if order.silent is not None:
        book.silent = order.silent


def _move(world: World, book: Book, middle: Decimal, now: datetime) -> None:
    """A quote of the market's own around a new middle; it comes with a trade, as all of them do. The quotes after it
    keep the same distance from where the market would be.
    """
    before = book.mid
    bid = max(book.step, floor_to(middle - book.step / TWO, book.step))
    ask = max(bid + book.step, ceil_to(middle, book.step))
    sides = (*_kept(book.bid, bid), *_kept(book.ask, ask))
    silent, held, scale = book.silent, book.held, book.scale
    book.silent, book.held, book.scale = False, False, ONE
    world.exchange.quote(Quote(now, book.product_id, *sides))
    book.silent, book.held = silent, held
    book.scale = scale if before is None else scale * middle / before
