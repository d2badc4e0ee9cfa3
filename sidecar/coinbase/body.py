"""The body of an answer over REST, bounded in memory and in the time that it holds up the loop. No
I/O.

No document bounds the answers of Coinbase, or of a proxy before it: 200 MB, a megabyte of gzip that
is a gigabyte, or sixteen megabytes of brackets, which are a gigabyte once they are lists.
"""

import zlib
from typing import Any, Final

import msgspec

from sidecar.core.vocabulary.errors import Untrusted

BYTES_MAX: Final = 16 * 1024 * 1024  # decoded; a listing of all products is two megabytes
NESTED_MAX: Final = 64  # an order has six
VALUES_MAX: Final = (
    500_000  # all products have a tenth of it; so many take 100 MB and half a second at most
)
ENCODINGS: Final = "gzip"  # the encodings asked for
GZIP: Final = zlib.MAX_WBITS | 16


class Body:
    """Takes pieces as they arrive. Each method raises Untrusted, in words."""

    def __init__(self, encoding: str) -> None:
        """`encoding`: the header's value; empty where there is none."""
        if encoding.lower() not in {"", "identity", ENCODINGS}:
            raise Untrusted(f"the answer is encoded as {encoding[:20]!r}, not as it was asked for")
        self._inflater = zlib.decompressobj(GZIP) if encoding.lower() == ENCODINGS else None
        self._taken = bytearray()

    def add(self, piece: bytes) -> None:
        """Decode a piece, and of that no more than may be kept."""
        room = BYTES_MAX - len(self._taken) + 1
        self._taken += piece[:room] if self._inflater is None else self._inflated(piece, room)
        if len(self._taken) > BYTES_MAX:
            raise Untrusted(f"the answer is larger than {BYTES_MAX} bytes")

    def _inflated(self, piece: bytes, room: int) -> bytes:
        assert self._inflater is not None
        if self._inflater.eof:
            raise Untrusted("the answer goes on after its end")
        try:
            return self._inflater.decompress(piece, room)
        except zlib.error:
            raise Untrusted("the answer is no gzip") from None

    def whole(self) -> bytes:
        """All of it, when there is no more."""
        if self._inflater is not None and not self._inflater.eof:
            raise Untrusted("the answer ends before its end")
        return bytes(self._taken)


def json_of(body: bytes) -> Any:
    """A body as JSON. Raises Untrusted where it is none, or not of bounded size."""
    # Before it is decoded: each value but the first follows one of these.
    if sum(map(body.count, (b",", b"[", b"{"))) > VALUES_MAX:
        raise Untrusted(f"the answer has more than {VALUES_MAX} values")
    try:
        told = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise Untrusted("the answer is not JSON") from None
    except RecursionError:
        raise _too_deep() from None
    if _is_deeper(told, NESTED_MAX):
        raise _too_deep()
    return told


def _too_deep() -> Untrusted:
    return Untrusted(f"the answer is nested deeper than {NESTED_MAX}")


def _is_deeper(told: object, levels: int) -> bool:
    """Whether there are more than so many containers one within the other."""
    level = [told] if isinstance(told, dict | list) else []
    for _ in range(levels):
        level = [
            inner
            for one in level
            for inner in (one.values() if isinstance(one, dict) else one)
            if isinstance(inner, dict | list)
        ]
    return bool(level)
