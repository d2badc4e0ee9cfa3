"""Tokens, the one of a call that will be in a hurry signed ahead of it. No I/O.

Signing takes longer than all the rest of a call's way to the socket. A token is for one method and
path, and Coinbase takes it for two minutes; each is sent once.
"""

from collections.abc import Callable
from typing import Final, NamedTuple

from sidecar import clock
from sidecar.coinbase.auth import ApiKey

SPARE_LIVES_S: Final = 60.0  # half of Coinbase's bound: clocks differ, calls take their time


class Spare(NamedTuple):
    """A token that waits for its call, and when it was signed, UNIX seconds."""

    token: str
    signed_at: float


class Tokens:
    """Signs with one key."""

    def __init__(self, key: ApiKey, unix: Callable[[], float] = clock.unix) -> None:
        self._key = key
        self._unix = unix
        self._spares: dict[tuple[str, str], Spare] = {}

    def sign_ahead(self, method: str, url: str) -> None:
        """Have a fresh token ready for the next such call."""
        spare = Spare(self._key.rest_token(method, url), self._unix())
        self._spares[method, url] = spare

    def token(self, method: str, url: str) -> str:
        """The token of one call: the one that was signed ahead, if it is there and young."""
        spare = self._spares.pop((method, url), None)
        if spare is not None and 0 <= self._unix() - spare.signed_at <= SPARE_LIVES_S:
            return spare.token
        return self._key.rest_token(method, url)
