"""DoubtWatch: differences between Coinbase and the books, until they are explained. No I/O.

A difference is read again after `SETTLE`, then with growing pauses, since most of them are a lag. A difference
without an explanation for `UNEXPLAINED_AFTER` is told, and only reducing orders pass: on its key, or
everywhere where it is cash.
"""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Final

from sidecar.core.account.elsewhere import Elsewhere, passed_over
from sidecar.core.account.reconciliation import SETTLE, Doubt
from sidecar.core.context.risk_context import RiskContext
from sidecar.core.context.settings import Settings
from sidecar.core.context.state import Cause
from sidecar.core.context.tightening import loosen, tighten
from sidecar.core.guards.futures_watch import FuturesWatch
from sidecar.core.vocabulary import events as ev
from sidecar.core.vocabulary.actions import Action, Alert, Reconcile
from sidecar.core.vocabulary.events import WalletApart
from sidecar.core.vocabulary.money import readable

UNEXPLAINED_AFTER: Final = timedelta(
    seconds=15
)  # two readings, and a lag of seconds, explain most of them
# A reading of the account takes some twenty calls, and Coinbase allows 10,000 an hour: pauses double, up
# to this.
PAUSE_MAX: Final = timedelta(seconds=30)
CODE: Final = "BALANCE_UNEXPLAINED"


class DoubtWatch:
    """Asks for readings while there are doubts, and tightens where they last."""

    def __init__(self, desk: RiskContext, settings: Settings) -> None:
        self.desk = desk
        self.settings = settings
        self.ask_at: datetime | None = None
        self.pause = SETTLE
        self.known: set[str] = set()  # names in doubt at the last look
        self.futures = FuturesWatch(desk, settings)
        self.elsewhere = Elsewhere()
        self.apart: dict[str, str] = {}  # currencies with wallets that are not counted, in words

    def hear(self, event: ev.Event, actions: list[Action]) -> None:
        """Facts about holdings that are not counted, or could not be read."""
        match event:
            case ev.BalancesRead():
                actions += self._note_apart(event.apart)
            case ev.FuturesRead() | ev.FuturesAbsent() | ev.FuturesUnread():
                actions += self.futures.heard(event)
            case ev.ProductsListed():
                actions += self.elsewhere.listed(one.product_id for one in event.products)
            case ev.ProductElsewhere() if event.product_id in self.desk.unread.unlisted:
                actions += self.futures.cannot_be_had(event.product_id, event.why, event.at)
            case ev.ProductElsewhere():
                self.desk.tracker.books.doubts.pop(event.product_id, None)
                actions += self.elsewhere.product(event)
            case ev.ElsewhereRead():
                actions += self.elsewhere.venues(event)
            case ev.FillPassedOver():
                actions += passed_over(event)
            case _:
                return

    def listed_only(self, event: ev.FuturesRead, actions: list[Action]) -> ev.FuturesRead:
        """The positions whose products are known; of the others none is elsewhere, even if noted so
        before.
        """
        known = self.futures.listed_only(event, actions)
        for product_id in self.desk.unread.unlisted:
            self.elsewhere.products.pop(product_id, None)
        return known

    def passes_over(self, product_id: str) -> bool:
        """Whether the rows of a product that no list has are left alone."""
        return product_id in self.elsewhere.products or product_id in self.desk.unread.unknown

    def look(self, now: datetime, actions: list[Action]) -> None:
        """Ask again where it is time, tighten for doubts that last, lift explained doubts."""
        self.futures.look(now, actions)
        doubts = self.doubts()
        self._ask(doubts, now, actions)
        for name, doubt in doubts.items():
            if now - doubt.since >= self._patience(doubt):
                self._tighten(name, doubt, now, actions)
        named = {_scope(self.desk, name) for name in doubts}
        for cause in list(self.desk.state.causes.values()):
            if cause.code == CODE and cause.scope not in named:
                text = "Coinbase and the books agree"
                loosen(self.desk.state, CODE, cause.scope, text, actions)

    def _note_apart(self, apart: Iterable[WalletApart]) -> list[Action]:
        """Wallets of one currency, of which it is not told that all may be traded: said once."""
        before, self.apart = self.apart, {one.currency: one.words for one in apart}
        return [
            Alert(
                severity="warning",
                code="WALLET_NOT_COUNTED",
                text=f"Coinbase has several wallets of {currency}, and not all may be traded: {words}",
            )
            for currency, words in self.apart.items()
            if currency not in before
        ]

    def doubts(self) -> dict[str, Doubt]:
        """Every quantity in doubt, by its name: a currency or a contract."""
        tracker, found = self.desk.tracker, dict[str, Doubt]()
        for name in sorted(tracker.wallets.in_doubt):
            wallet = tracker.wallets.by_currency.get(name)
            agreement = tracker.futures.agreement.get(name)
            if wallet is not None and wallet.agreement.doubt is not None:
                agreement = wallet.agreement
            assert agreement is not None
            assert agreement.doubt is not None
            found[name] = agreement.doubt
        return found

    def next_look(self, now: datetime) -> datetime | None:
        """When time alone has a doubt read again, or tightens."""
        asked = (self.ask_at, self.futures.ask_at)
        times = [time for time in asked if time is not None]
        if self.desk.tracker.wallets.in_doubt:
            times += [doubt.since + self._patience(doubt) for doubt in self.doubts().values()]
        return min((time for time in times if time > now), default=None) if times else None

    def _patience(self, doubt: Doubt) -> timedelta:
        """How long a doubt may last: readings that agree with each other may wait for a lag to be over."""
        waits = (doubt.repeated and doubt.first_at == doubt.since) or doubt.confirmed
        lag = self.settings.balance_lag if waits else timedelta()
        return (UNEXPLAINED_AFTER + lag) * self.settings.time_scale

    def _ask(self, doubts: dict[str, Doubt], now: datetime, actions: list[Action]) -> None:
        news = set(doubts) - self.known
        self.known = set(doubts)
        if not doubts:
            self.ask_at, self.pause = None, SETTLE
        elif self.ask_at is None or news:
            self.pause = SETTLE
            self.ask_at = now + self.pause * self.settings.time_scale
        elif now >= self.ask_at:
            self.pause = min(2 * self.pause, PAUSE_MAX)
            self.ask_at = now + self.pause * self.settings.time_scale
            actions.append(Reconcile(reason=f"in doubt: {', '.join(doubts)}"))

    def _tighten(self, name: str, doubt: Doubt, now: datetime, actions: list[Action]) -> None:
        scope = _scope(self.desk, name)
        if self.desk.state.has(CODE, scope):
            return
        more = "more" if doubt.difference > 0 else "less"
        reason = f"Coinbase shows {readable(abs(doubt.difference))} {more} of {name} than fills and transfers explain"
        cause = Cause(
            code=CODE,
            scope=scope,
            level="REDUCE_ONLY",
            since=now,
            reason=reason,
            key=None if scope == "all" else name,
        )
        tighten(self.desk.state, cause, actions)
        actions.append(Alert(severity="warning", code=CODE, text=reason))


def _scope(desk: RiskContext, name: str) -> str:
    is_cash = name in desk.tracker.books.cash
    return "all" if is_cash else f"key:{name}"
