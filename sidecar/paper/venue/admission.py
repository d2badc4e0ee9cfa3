"""Whether an order may enter: Coinbase's checks, each with Coinbase's reason. No I/O.

The checks run in one order and the first that fails is the answer, as on Coinbase.
"""

from datetime import datetime
from decimal import Decimal
from typing import Final

from msgspec.structs import replace

from sidecar.core.vocabulary.money import ZERO, ceil_to, floor_to
from sidecar.paper.venue import refusal
from sidecar.paper.venue.book import Book
from sidecar.paper.venue.listing import Listing
from sidecar.paper.venue.order import Bracket, Side, Terms
from sidecar.paper.venue.refusal import Refusal
from sidecar.paper.venue.terms import Refused

# How far beyond the best price a market order may trade. Coinbase protects market orders by a band
# whose width it does not publish.
PROTECTION: Final = Decimal("0.05")

# Source: Coinbase, "Advanced API Order Management": "market_market_fok (Perpetuals only)".
CONTRACTS_ONLY: Final = frozenset({"market_market_fok"})


def check_product(listing: Listing, terms: Terms) -> None:
    """Raises Refused when the market's state does not take such an order."""
    flags = listing.flags
    is_market = terms.order_type == "MARKET"
    refusals: list[tuple[bool, Refusal]] = [
        (flags.is_disabled, refusal.HALTED),
        (flags.trading_disabled, refusal.TRADING_DISABLED),
        (flags.view_only or flags.cancel_only, refusal.ENTRY_DISABLED),
        ((flags.limit_only or flags.auction_mode) and is_market, refusal.MARKET_STATE),
        (flags.post_only and not terms.post_only, refusal.MARKET_STATE),
        (listing.contract is not None and not flags.session_open, refusal.SESSION_CLOSED),
    ]
    _first(refusals)


def check_numbers(listing: Listing, side: Side, terms: Terms) -> None:
    """Raises Refused when a size or price is off its increment or out of bounds."""
    quote_sized = terms.quote_size > 0
    value = terms.size * terms.limit_price * listing.multiplier
    prices = (terms.limit_price, terms.stop_price)
    _first(
        [
            (terms.kind in CONTRACTS_ONLY and listing.contract is None, refusal.UNSUPPORTED),
            (quote_sized and not _may_be_quote_sized(listing, side, terms), refusal.UNSUPPORTED),
            (terms.size % listing.base_increment != 0, refusal.SIZE_PRECISION),
            (terms.quote_size % listing.quote_increment != 0, refusal.QUOTE_SIZE_PRECISION),
            (any(price % listing.price_increment for price in prices), refusal.PRICE_PRECISION),
            (not quote_sized and terms.size < listing.base_min_size, refusal.BASE_TOO_SMALL),
            (terms.size > listing.base_max_size, refusal.BASE_TOO_LARGE),
            (quote_sized and terms.quote_size < listing.quote_min_size, refusal.QUOTE_TOO_SMALL),
            (max(terms.quote_size, value) > listing.quote_max_size, refusal.QUOTE_TOO_LARGE),
            (
                terms.order_type in {"LIMIT", "STOP_LIMIT"}
                and not quote_sized
                and value < listing.quote_min_size,
                refusal.QUOTE_TOO_SMALL,
            ),
        ]
    )


def _may_be_quote_sized(listing: Listing, side: Side, terms: Terms) -> bool:
    by_limit = terms.order_type == "LIMIT"
    by_money = terms.order_type == "MARKET" and side == "BUY"
    return (by_limit or by_money) and listing.contract is None


def in_base(listing: Listing, terms: Terms) -> Terms:
    """A limit order sized in quote currency is for the units that this buys at its limit price,
    before fees.

    Raises Refused when that is less than the product's minimum.
    """
    if terms.order_type != "LIMIT" or not terms.quote_size:
        return terms
    size = floor_to(terms.quote_size / terms.limit_price, listing.base_increment)
    if size < listing.base_min_size:
        raise Refused(refusal.BASE_TOO_SMALL)
    return replace(terms, size=size, quote_size=ZERO)


def check_market(book: Book, side: Side, terms: Terms, now: datetime) -> None:
    """Raises Refused when the order makes no sense against the market as it stands."""
    best = book.top("SELL" if side == "BUY" else "BUY")
    last = book.tape.last
    waits = terms.order_type == "STOP_LIMIT"
    triggered = (
        last is not None and waits and (last >= terms.stop_price) == terms.stop_up and last != terms.stop_price
    )  # fmt: skip
    _first(
        [
            (best is None and not terms.rests, refusal.NO_LIQUIDITY),
            (last is None and bool(terms.stop_price), refusal.NO_LIQUIDITY),
            (terms.end_at is not None and terms.end_at <= now, refusal.END_TIME_PAST),
            (
                terms.post_only and not waits and book.crosses(side, terms.limit_price),
                refusal.POST_ONLY_CROSSES,
            ),
            (triggered and terms.stop_up, refusal.STOP_BELOW_LAST),
            (triggered and not terms.stop_up, refusal.STOP_ABOVE_LAST),
        ]
    )


def check_bracket(book: Book, side: Side, terms: Terms) -> None:
    """Raises Refused when a bracket's prices are not either side of the last trade."""
    last = book.tape.last
    if terms.order_type != "BRACKET" or last is None:
        return
    if not _around(last, side, Bracket(terms.limit_price, terms.stop_price)):
        raise Refused(refusal.BRACKET_PRICES)


def check_attached(bracket: Bracket, entry_side: Side, entry: Decimal, listing: Listing) -> None:
    """Raises Refused when the bracket would not guard an entry at this price."""
    side: Side = "SELL" if entry_side == "BUY" else "BUY"
    prices = (bracket.limit_price, bracket.stop_price)
    _first(
        [
            (any(price % listing.price_increment for price in prices), refusal.PRICE_PRECISION),
            (not _around(entry, side, bracket), refusal.ATTACHED),
        ]
    )


def _around(price: Decimal, side: Side, bracket: Bracket) -> bool:
    """Whether a bracket that closes on `side` has its profit and its stop on the right sides."""
    if side == "SELL":
        return bracket.stop_price < price < bracket.limit_price
    return bracket.limit_price < price < bracket.stop_price


def protection(side: Side, best: Decimal, step: Decimal) -> Decimal:
    """The worst price that a market order on `side` may trade at."""
    if side == "BUY":
        return ceil_to(best * (1 + PROTECTION), step)
    return max(step, floor_to(best * (1 - PROTECTION), step))


def _first(refusals: list[tuple[bool, Refusal]]) -> None:
    for applies, why in refusals:
        if applies:
            raise Refused(why)
