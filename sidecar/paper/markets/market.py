"""A market by its short description: `random[:SEED]` or `replay:FILE[,FILE…]`."""

from collections.abc import Iterator, Sequence, Set
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Final, NamedTuple

from msgspec.structs import replace

from sidecar.core.vocabulary.errors import Misuse
from sidecar.core.vocabulary.money import floor_to, with_money
from sidecar.paper.markets.random_walk import random_market
from sidecar.paper.markets.replay import Seen, preview, read_quotes
from sidecar.paper.venue.listing import BOOKS, Listing, unlisted
from sidecar.paper.venue.quote import Quote

SEED_DIGITS_MAX: Final = 18
REPLAY_SEED: Final = 0  # of a replay's made-up past: always the same, as its quotes are
FINEST: Final = Decimal("1E-10")  # beyond it, digits are a float's noise, not an increment


class RandomMarket(NamedTuple):
    """Made-up quotes of every book in the catalogue, without end."""

    seed: int | None  # None: any


class ReplayMarket(NamedTuple):
    """The quotes of these files."""

    paths: tuple[Path, ...]


class Market(NamedTuple):
    """A market about to open."""

    books: tuple[Listing, ...]  # `price` is what each starts at
    start: datetime  # market time of the first quote
    quotes: Iterator[Quote]  # in time order, of these books only
    seed: int  # of all chance; the same again gives the same market and the same past


def parse_market(spec: str) -> RandomMarket | ReplayMarket:
    """The market that `spec` names. Raises Misuse, naming the mend."""
    kind, colon, rest = spec.partition(":")
    if kind == "random" and not colon:
        return RandomMarket(None)
    if kind == "random" and rest.isascii() and rest.isdigit() and len(rest) <= SEED_DIGITS_MAX:
        return RandomMarket(int(rest))
    names = rest.split(",")
    if kind == "replay" and all(names) and "\0" not in rest:
        return ReplayMarket(tuple(map(Path, names)))
    raise Misuse(f"{spec[:80]!r} is not a market; write random, random:SEED or replay:FILE[,FILE…]")


def open_market(
    spec: str, now: datetime, entropy: int, catalogue: Sequence[Listing] = BOOKS
) -> Market:
    """The market that `spec` describes.

    A random one holds all books of `catalogue`, and starts `now`; without a seed in `spec` it takes
    `entropy` (0 or more). A replay starts with its first quote and holds the products of its first
    rows, each as the catalogue lists it, or with usual bounds; its increments are made finer where
    the file's are. Raises Misuse, and ReplayError for files that cannot be replayed.
    """
    match parse_market(spec):
        case RandomMarket(seed):
            chosen = entropy if seed is None else seed
            start = now.astimezone(UTC)
            return Market(tuple(catalogue), start, random_market(catalogue, chosen, start), chosen)
        case ReplayMarket(paths):
            return _replay(paths, {listing.product_id: listing for listing in catalogue})


@with_money
def _replay(paths: tuple[Path, ...], catalogue: dict[str, Listing]) -> Market:
    seen = preview(paths)
    books = tuple(
        _listed(product_id, book, catalogue.get(product_id), seen.books.keys())
        for product_id, book in seen.books.items()
    )
    return Market(books, seen.start, read_quotes(paths, seen.books.keys()), REPLAY_SEED)


def _listed(product_id: str, book: Seen, known: Listing | None, all_ids: Set[str]) -> Listing:
    listing = known or unlisted(product_id, book.mid)
    step = min(listing.price_increment, max(book.price_step, FINEST))
    return replace(
        listing,
        price=max(floor_to(book.mid, step), step),
        price_increment=step,
        base_increment=min(listing.base_increment, max(book.size_step, FINEST)),
        # A product that the file quotes has a book of its own.
        alias_to=tuple(alias for alias in listing.alias_to if alias not in all_ids),
    )
