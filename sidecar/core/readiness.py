"""Readiness: whether the picture of account and market is complete, and when it begins anew. No I/O.

A start ends with the first complete picture: products, balances and open orders read, everything
held marked, both feeds live. Each new process begins without one, whatever was known before.
"""

from datetime import UTC, datetime
from typing import Final

from sidecar.core import events as ev
from sidecar.core.actions import Action, Alert, Reconcile, RefreshQuotes
from sidecar.core.check import Desk

AT_ONCE: Final = datetime.min.replace(tzinfo=UTC)
EVERYTHING: Final = frozenset({"products", "balances", "orders", "reconciled"})
ACCOUNT: Final = frozenset({"balances", "orders"})


class Readiness:
    """What has been read since the process began, and what is missing still."""

    def __init__(self, desk: Desk, *, connected: bool) -> None:
        self.desk = desk
        self.missing: set[str] = set(EVERYTHING) if connected else set()
        self.balances_at = AT_ONCE  # when balances were last read
        # Every fill up to then is in the books: where the next look at the fills begins.
        self.fills_until: datetime | None = None

    def begin(self) -> None:
        """A new process: nothing is live, nothing is read; what was approved is judged afresh."""
        self.missing = set(EVERYTHING)
        self.desk.feeds.down()
        self.desk.state.ready = False
        self.desk.state.tightenings += 1
        self.desk.orders_known = False
        self.desk.tracker.ledger.look_again()

    def note(self, event: ev.Event) -> list[Action]:
        """A fact was taken in: what must be read because of it."""
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
        """What is believed of a feed may have changed: what must be read because of it."""
        if isinstance(event, ev.FeedChanged):
            return self._feed_changed(event)
        return self._not_reconciled(event)

    def _not_reconciled(self, event: ev.ReconciliationFailed) -> list[Action]:
        """Nothing has confirmed the books for long: the user feed alone is not believed any more
        until something does. No reading is asked for: it is being tried all the time.
        """
        was_live = self.desk.feeds.user == "live"
        self.desk.feeds.signal("user", "gap", event.at)
        if not was_live:
            return []
        self.desk.state.tightenings += 1
        text = f"the account cannot be read over REST: {event.reason}"
        return [Alert(severity="critical", code="NOT_RECONCILED", text=text)]

    def _feed_changed(self, event: ev.FeedChanged) -> list[Action]:
        """A feed came up, lost frames or fell silent: what must be read because of it."""
        self.desk.feeds.signal(event.feed, event.signal, event.at)
        if event.signal == "lost":
            self.desk.state.tightenings += 1
            text = f"the {event.feed} feed is silent"
            return [Alert(severity="warning", code="FEED_LOST", text=text)]
        if event.feed == "user":
            self.desk.state.tightenings += 1
            what = "lost frames" if event.signal == "gap" else "connected"
            return [Reconcile(reason=f"the user feed {what}")]
        books = self.valuing_books()
        return [RefreshQuotes(product_ids=books)] if books else []

    def valuing_books(self) -> tuple[str, ...]:
        """The books whose quotes value what is or was held, sorted."""
        tracker = self.desk.tracker
        routes = (tracker.marks.routes.get(key, ()) for key in tracker.account.lines)
        return tuple(sorted({step.book for steps in routes for step in steps}))

    def complete(self, now: datetime, actions: list[Action]) -> bool:
        """Whether the start ends now: then the books open, and limits bind what changes."""
        desk = self.desk
        if desk.state.ready or self.missing or desk.tracker.unmarked():
            return False
        if desk.feeds.user != "live" or desk.feeds.market != "live":
            return False
        if self._traded_since_balances():
            self.missing.add("reconciled")
            actions.append(Reconcile(reason="orders moved after the balances were read"))
            return False
        desk.tracker.start(now)
        desk.state.ready = True
        return True

    def _traded_since_balances(self) -> bool:
        """Whether a wallet or contract has moved since: opening the books now would lose it."""
        if self.desk.tracker.windows is not None:
            return False  # open since an earlier process: fills are counted one by one
        wallets = self.desk.tracker.wallets.by_currency.values()
        agreements = [wallet.agreement for wallet in wallets]
        agreements += self.desk.tracker.balances.futures_agreement.values()
        return any(known.active_at and known.active_at > self.balances_at for known in agreements)
