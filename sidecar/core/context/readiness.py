"""Readiness: whether the picture of account and market is complete, and when it begins anew. No I/O.

A start ends with the first complete picture: products, balances and open orders read, marks of keys with
a quote, both feeds live. Each new process begins without a picture, however much was known before.

Positions are valued by the feed and, once, by REST: where both agree within the spread cap, the mark
is no passing tick and losses may be counted from it. A key without a quote of REST's either is named and
does not count until its first good mark; it does not delay the start.
"""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Final

from sidecar.core.context.risk_context import RiskContext
from sidecar.core.context.settings import Settings
from sidecar.core.vocabulary import events as ev
from sidecar.core.vocabulary.actions import Action, Alert, ConfirmQuotes, Reconcile, RefreshQuotes
from sidecar.core.vocabulary.events import Quote

AT_ONCE: Final = datetime.min.replace(tzinfo=UTC)
EVERYTHING: Final = frozenset({"products", "balances", "orders", "reconciled"})
ACCOUNT: Final = frozenset({"balances", "orders"})
# REST and feed disagreed on a price: as often as marks are polled without a feed.
ASK_AGAIN: Final = timedelta(seconds=5)
# Bad ticks do not last so long; then the feed's word stands, as it does without an answer.
AGREE_WITHIN: Final = timedelta(seconds=30)


class Readiness:
    """The readings since the process began, and those still missing."""

    def __init__(self, desk: RiskContext, settings: Settings) -> None:
        self.desk = desk
        self.settings = settings
        self.missing: set[str] = set(EVERYTHING) if settings.connected else set()
        self.asked_at: datetime | None = None  # REST's prices, the last time
        self.asked_first_at: datetime | None = None
        self.agreed: set[str] = (
            set()
        )  # books on which REST and feed agreed, or REST has no quote of
        self.balances_at = AT_ONCE  # when balances were last read
        # Every fill up to then is in the books: where the next look at the fills begins.
        self.fills_until: datetime | None = None

    def begin(self) -> None:
        """A new process: no feed is live, no reading done; earlier approvals are judged afresh."""
        self.missing = set(EVERYTHING)
        self.asked_at = self.asked_first_at = None
        self.agreed.clear()
        self.desk.feeds.down()
        self.desk.state.ready = False
        self.desk.state.tightened()
        self.desk.orders_known = False
        self.desk.tracker.ledger.look_again()

    def note(self, event: ev.Event) -> list[Action]:
        """A fact was taken in: ask for the readings that it makes necessary."""
        actions: list[Action] = []
        match event:
            case ev.ProductsListed():
                self.missing.discard("products")
            case ev.BalancesRead():
                self.balances_at = event.at
                self.missing.discard("balances")
            case ev.OpenOrdersListed():
                self.missing.discard("orders")
            case ev.AccountReconciled():
                self.desk.feeds.reconciled(event.began_at, event.at)
                if self.desk.feeds.user == "suspect":
                    why = "the user feed was doubted after the last reading had begun"
                    actions.append(Reconcile(reason=why))
                self.fills_until = event.fills_until or self.fills_until
                if not self.missing & {"products", *ACCOUNT}:
                    self.missing.discard("reconciled")
        self.desk.orders_known = not self.missing & ACCOUNT
        return actions

    def doubted(self, event: ev.FeedChanged | ev.ReconciliationFailed) -> list[Action]:
        """The trust in a feed may have changed: ask for the readings that this makes necessary."""
        if isinstance(event, ev.FeedChanged):
            return self._feed_changed(event)
        return self._not_reconciled(event)

    def _not_reconciled(self, event: ev.ReconciliationFailed) -> list[Action]:
        """No reading has confirmed the books for long: the user feed alone is not believed any more
        until one does. None is asked for: it is being tried all the time.
        """
        was_live = self.desk.feeds.user == "live"
        self.desk.feeds.signal("user", "gap", event.at)
        if not was_live:
            return []
        self.desk.state.tightened()
        text = f"the account cannot be read over REST: {event.reason}"
        return [Alert(severity="critical", code="NOT_RECONCILED", text=text)]

    def _feed_changed(self, event: ev.FeedChanged) -> list[Action]:
        """A feed came up, lost frames or fell silent: ask for the readings that this makes
        necessary.
        """
        self.desk.feeds.signal(event.feed, event.signal, event.at)
        if event.signal == "lost":
            self.desk.state.tightened()
            why = f"lost: {event.reason}" if event.reason else "silent"
            text = f"the {event.feed} feed is {why}"
            return [Alert(severity="warning", code="FEED_LOST", text=text)]
        if event.feed == "user":
            self.desk.state.tightened()
            what = "lost frames" if event.signal == "gap" else "connected"
            return [Reconcile(reason=f"the user feed {what}")]
        books = self.valuing_books()
        return [RefreshQuotes(product_ids=books)] if books else []

    def valuing_books(self) -> tuple[str, ...]:
        """The books whose quotes value present and past holdings, sorted."""
        tracker = self.desk.tracker
        routes = (tracker.marks.routes.get(key, ()) for key in tracker.account.lines)
        return tuple(sorted({step.book for steps in routes for step in steps}))

    def complete(self, now: datetime, actions: list[Action]) -> bool:
        """Whether the start ends now: then the books open, and limits bind every change."""
        desk = self.desk
        if desk.state.ready or self.missing:
            return False
        if desk.feeds.user != "live" or desk.feeds.market != "live":
            return False
        if not self._prices_agree(now, actions):
            return False
        if self._traded_since_balances():
            self.missing.add("reconciled")
            actions.append(Reconcile(reason="orders moved after the balances were read"))
            return False
        desk.tracker.start(now)
        desk.state.ready = True
        self._name_unmarked(actions)
        return True

    def _prices_agree(self, now: datetime, actions: list[Action]) -> bool:
        """Whether REST has been asked for the prices of all that is held, and the feed's are the same."""
        open_books = set(self._held_books()) - self.agreed
        first = self.asked_first_at
        if not open_books or (
            first is not None and now - first >= AGREE_WITHIN * self.settings.time_scale
        ):
            return True
        wait = ASK_AGAIN * self.settings.time_scale
        if self.asked_at is None or not timedelta() <= now - self.asked_at < wait:
            self.asked_at, self.asked_first_at = now, first or now
            actions.append(ConfirmQuotes(product_ids=tuple(sorted(open_books))))
        return False

    def _held_books(self) -> Iterable[str]:
        """The books that value the counting positions: a wallet kept whole does not count."""
        tracker = self.desk.tracker
        held = [name for name, wallet in tracker.wallets.by_currency.items() if wallet.position]
        held += [key for key, line in tracker.account.lines.items() if line.position.quantity]
        return (step.book for key in held for step in tracker.marks.routes.get(key, ()))

    def confirmed(self, quotes: tuple[Quote, ...] | None) -> list[Quote]:
        """REST's prices; None when they could not be had in time: the feed's word stands then. Prices that
        the feed has not told yet are to be taken in.
        """
        if self.desk.state.ready or self.asked_at is None:
            return []
        marks, news = self.desk.tracker.marks, list[Quote]()
        stated = {quote.product_id: quote for quote in quotes or ()}
        for book in set(self._held_books()):
            quote, mid = stated.get(book), marks.mids.get(book)
            if quote is None or not marks.is_good(quote):
                self.agreed.add(book)
            elif mid is None or mid.at is None or mid.at < marks.fresh_since:
                self.agreed.add(book)
                news.append(quote)
            elif abs(mid.value - marks.mid(quote)) <= marks.max_spread * mid.value:
                self.agreed.add(book)
        return news

    def waits_for(self) -> list[str]:
        """The books on which REST is asked for prices, and has not agreed."""
        if self.desk.state.ready or self.asked_at is None:
            return []
        return sorted(set(self._held_books()) - self.agreed)

    def next_look(self, now: datetime) -> datetime | None:
        """When REST is asked for prices again, or is waited for no longer."""
        if self.desk.state.ready or self.asked_at is None or self.asked_first_at is None:
            return None
        again = self.asked_at + ASK_AGAIN * self.settings.time_scale
        times = (again, self.asked_first_at + AGREE_WITHIN * self.settings.time_scale)
        return min((time for time in times if time > now), default=None)

    def _name_unmarked(self, actions: list[Action]) -> None:
        """A position without a quote does not count: the operator should know."""
        tracker = self.desk.tracker
        names = sorted({*tracker.unmarked(), *tracker.unvalued()})
        if names:
            text = (
                f"no quote of {', '.join(names)}: it counts for nothing until a good one has stood"
            )
            actions.append(Alert(severity="warning", code="NO_QUOTE", text=text))

    def _traded_since_balances(self) -> bool:
        """Whether a wallet or contract has moved since: opening the books now would lose it."""
        if self.desk.tracker.windows is not None:
            return False  # open since an earlier process: fills are counted one by one
        wallets = self.desk.tracker.wallets.by_currency.values()
        agreements = [wallet.agreement for wallet in wallets]
        agreements += self.desk.tracker.futures.agreement.values()
        return any(known.active_at and known.active_at > self.balances_at for known in agreements)
