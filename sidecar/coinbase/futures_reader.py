"""The futures wallet and positions, read over REST; or that there are none; or that they cannot be read."""

from collections.abc import Callable
from datetime import datetime
from typing import Final

from sidecar import clock
from sidecar.coinbase import position_rows, refusals
from sidecar.coinbase.frames import futures_summary
from sidecar.coinbase.reading import table, tables
from sidecar.coinbase.rest import CallFailed, Rest
from sidecar.core.vocabulary import events as ev
from sidecar.core.vocabulary.errors import Untrusted

AGAIN_AFTER_S: Final = 600.0  # where there are none: an account may get some


class FuturesReader:
    """Remembers when Coinbase last said that the account has no futures."""

    def __init__(
        self,
        rest: Rest,
        now: Callable[[], datetime],
        *,
        asks: bool,
        shows: Callable[[], bool],
    ) -> None:
        """`now`: the market clock. `asks`: else there are no futures, by the configuration.
        `shows`: whether the books know of some; then no reading is whole without them.
        """
        self._rest = rest
        self._now = now
        self._asks = asks
        self._shows = shows
        self._none_at = float("-inf")  # when Coinbase last said that there are none

    async def read(self, fills_until: datetime | None) -> tuple[list[ev.Event], Exception | None]:
        """Facts, and the failure that makes the reading of the account incomplete, where there is
        one: futures that cannot be read, though the books know of some.
        """
        at = self._now()
        if self._are_absent():
            return [ev.FuturesAbsent(at=at)], None
        facts: list[ev.Event] = []
        try:
            facts += await self._ask(at, fills_until)
        except (CallFailed, Untrusted) as error:
            if self._shows() or not refusals.is_of_no_futures(error):
                unread = ev.FuturesUnread(at=at, reason=str(error))
                return [unread], error if self._shows() else None
        if not facts:
            self._none_at = clock.wall()
            return [ev.FuturesAbsent(at=at)], None
        return facts, None

    def _are_absent(self) -> bool:
        """Whether there are no futures, by the last word on it."""
        if self._shows():
            return False
        return not self._asks or clock.wall() - self._none_at < AGAIN_AFTER_S

    async def _ask(
        self, at: datetime, fills_until: datetime | None
    ) -> list[ev.FuturesSummaryRead | ev.FuturesRead]:
        """Wallet and positions as told; empty where there are none. Raises CallFailed, and
        Untrusted.
        """
        summary = await self._rest.get("/cfm/balance_summary")
        positions = await self._rest.get("/cfm/positions")
        if not ("balance_summary" in summary and "positions" in positions):
            raise Untrusted("GET /cfm/…: the answers have no balance_summary, or no positions")
        stated = table(summary["balance_summary"], "balance_summary")
        held = tables(positions["positions"], "positions")
        if not (stated or held or self._shows()):
            return []
        if not stated:
            raise Untrusted("GET /cfm/balance_summary: the futures wallet is empty of figures")
        return [
            futures_summary(stated, at, fills_until),
            position_rows.futures_positions(held, at, fills_until),
        ]
