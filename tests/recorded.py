"""A journal as the daemon's own engine writes it, on virtual time, without a network.

desk = Recorded(tmp_path, max_order_notional=5000).begin()
desk.ask(limit_order())
desk.close()
"""

from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from msgspec.structs import replace

from sidecar.config.loader import parse_config
from sidecar.core.vocabulary import actions as ac
from sidecar.core.vocabulary import events as ev
from sidecar.core.vocabulary.decision import Decision
from sidecar.core.vocabulary.limits import Limits
from sidecar.daemon.engine import Engine
from sidecar.daemon.recovery import new_manager, recover, state_of
from sidecar.daemon.witness import Witness
from sidecar.storage.codec import encode_state
from sidecar.storage.directory import StateDirectory
from sidecar.storage.halt_file import HaltFile
from sidecar.storage.journal import Journal
from sidecar.storage.snapshot import write_state
from tests.running_sidecar import quiet_log
from tests.scenario import PRODUCTS, START, D

CONFIG = parse_config("", ())
LIFE = timedelta(seconds=7)  # not the default: a replay must find it out


class Recorded:
    """One process: engine and journal in a state directory. `close` is its orderly end."""

    def __init__(
        self,
        directory: Path,
        *,
        start: datetime = START,
        unapproved: str = "alert",
        **limits: Any,
    ) -> None:
        self.now = start
        server = CONFIG.server.model_copy(update={"unapproved_orders": unapproved})
        self._config = CONFIG.model_copy(update={"server": server})
        self.directory = directory
        with StateDirectory(directory) as state:
            recovered = recover(state, Limits(**limits), self._build)
        self.manager, self.files = recovered.manager, recovered.files
        self.journal = Journal(self.files, recovered.chain, self._state, lambda _full: None)
        self.witness = Witness(self.manager, lambda: HaltFile(directory / "reserve"), quiet_log())
        self.engine = Engine(
            self.manager, self.journal, lambda: self.now, quiet_log(), self.witness
        )
        for event in recovered.first(self.now):
            self.engine.handle(event)

    def _build(self, limits: Limits) -> Any:
        return new_manager(self._config, limits, (), LIFE, lambda: self.now)

    def _state(self) -> bytes:
        return encode_state(state_of(self.manager, self.journal.place, self.now))

    def begin(self) -> "Recorded":
        """The first complete picture: ACTIVE, 100,000 USD."""
        self.send(ev.ProductsListed, products=PRODUCTS)
        for feed in ("market", "user"):
            self.send(ev.FeedChanged, feed=feed, signal="connected")
        self.quote("BTC-USD", 64000)
        self.quote("ETH-USD", 2000)
        self.send(ev.BalancesRead, balances=(ev.Balance("USD", D(100_000)),), fills_until=self.now)
        self.send(ev.OpenOrdersListed, order_ids=(), began_at=self.now)
        for action in self.send(ev.AccountReconciled):
            if isinstance(action, ac.ConfirmQuotes):  # REST has the same prices
                known = self.manager.tracker.marks.quotes
                quotes = (replace(known[book], at=self.now) for book in action.product_ids)
                self.send(ev.QuotesConfirmed, quotes=tuple(quotes))
        assert self.manager.state.account == "ACTIVE"
        return self

    def send(self, kind: type[ev.Event], **fields: Any) -> list[ac.Action]:
        return self.engine.handle(kind(at=self.now, **fields))

    def quote(self, product_id: str, bid: object) -> None:
        quote = ev.Quote(product_id, D(bid), D(bid), self.now)
        self.send(ev.Quotes, quotes=(quote,))

    def wait(self, seconds: float) -> None:
        """Let time pass, with fresh quotes at its end."""
        self.now += timedelta(seconds=seconds)
        self.quote("BTC-USD", 64000)

    def ask(self, body: Any, **fields: Any) -> Decision:
        actions = self.send(ev.OrderProposed, body=body, **fields)
        return next(a.decision for a in actions if isinstance(a, ac.Decided))

    def rotate(self) -> None:
        """The next line begins a file."""
        self.journal.sync()
        self.files.close()

    def lose(self, lines: int) -> None:
        """What a disk that stays full does: lines are given up, and a new file begins behind them."""
        self.send(ev.DiskChanged, full=True)
        self.rotate()
        self.journal.place.seq += lines

    def snapshot(self) -> None:
        write_state(
            self.directory / "state.json", state_of(self.manager, self.journal.place, self.now)
        )

    def close(self) -> None:
        self.journal.close()
