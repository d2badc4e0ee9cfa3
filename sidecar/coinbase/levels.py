"""The levels of order books as level2 tells them, in parts that a loop can take. Pure.

A snapshot of a large book has tens of thousands of rows: to read them takes some hundredth of a second, to keep them a
tenth. So a frame is read a part at a time, and its reader may let others go before between two.
"""

from collections.abc import Iterator
from decimal import Decimal
from typing import Final, Literal

import msgspec
from msgspec import Struct

from sidecar.coinbase.reading import TEXT_MAX
from sidecar.core.vocabulary.errors import Untrusted
from sidecar.core.vocabulary.money import ZERO, amount

PART_BYTES: Final = 32 << 10  # some 300 rows: less than a millisecond to read and to keep
SIDES: Final = ("bid", "offer")


class LevelRow(Struct, gc=False):
    """The new size at one price; "0" takes the level away."""

    side: Literal["bid", "offer"]
    price_level: str
    new_quantity: str

    def level(self) -> tuple[Decimal, Decimal]:
        """Price and size. Raises Untrusted for figures that cannot be."""
        try:
            price, size = amount(self.price_level), amount(self.new_quantity)
        except ValueError as fault:
            raise Untrusted(f"a level: {fault}") from None
        if price <= ZERO or size < ZERO:
            raise Untrusted("a level whose price is not above zero, or whose size is below")
        return price, size


class BookPart(Struct, frozen=True):
    """Rows of one event about one book; `begins`: the first of a snapshot, `ends`: the last of the event."""

    product_id: str
    rows: list[LevelRow]
    begins: bool
    ends: bool


class _BookEvent(Struct):
    type: Literal["snapshot", "update"]
    product_id: str
    updates: msgspec.Raw = msgspec.Raw(b"[]")


_events: Final = msgspec.json.Decoder(list[_BookEvent]).decode
_rows: Final = msgspec.json.Decoder(list[LevelRow]).decode
UNREADABLE: Final = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)


def book_parts(events: msgspec.Raw) -> Iterator[BookPart]:
    """The events of a frame of l2_data, in order, each in one part or more. Raises Untrusted, where the reader has come
    to, for a shape that is not that channel's.
    """
    try:
        for event in _events(events):
            if not 0 < len(event.product_id) <= TEXT_MAX:
                raise Untrusted("a frame of l2_data names no product")
            begins = event.type == "snapshot"
            for rows, ends in _row_parts(bytes(event.updates)):
                yield BookPart(event.product_id, rows, begins, ends)
                begins = False
    except UNREADABLE:
        raise Untrusted("a frame of l2_data is not of that channel's shape") from None


def _row_parts(updates: bytes) -> Iterator[tuple[list[LevelRow], bool]]:
    """The rows of a list, some at a time, and whether these are the last. A row is a flat object, so that one ends
    where a brace does: a part that was cut elsewhere is no JSON.
    """
    if updates == b"null":
        yield [], True
        return
    start, end = 0, len(updates)
    while end - start > PART_BYTES:
        brace = updates.find(b"}", start + PART_BYTES)
        following = updates.find(b"{", brace)
        if min(brace, following) < 0:
            break
        opened = updates.find(b"{", start)
        yield _rows(b"[" + updates[opened : brace + 1] + b"]"), False
        start = following
    yield _rows(updates if start == 0 else b"[" + updates[start:]), True
