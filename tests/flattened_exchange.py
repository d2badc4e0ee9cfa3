"""A flattening against the paper exchange, in virtual time: the core, what carries its actions out,
and the exchange's own account of it.

What the daemon does in tasks is done here in generators that stop wherever a task waits: at a call
on its way to Coinbase, at its answer on the way back, and in a pause. Whoever drives them says which
goes on, when, and what becomes of a call. The laws that hold at every moment are checked on the way;
they know nothing but the exchange's truth.
"""

from collections.abc import Callable, Generator, Iterator
from contextlib import suppress
from datetime import datetime, timedelta
from decimal import Decimal
from functools import partial
from inspect import GEN_CREATED, getgeneratorstate
from typing import Any, Literal, TypeVar

import msgspec
from msgspec.structs import replace

from sidecar.coinbase import frames, order_rows, wallet_rows
from sidecar.core.account.position_tracker import PositionTracker
from sidecar.core.context.settings import Settings
from sidecar.core.risk_manager import RiskManager
from sidecar.core.saved import restore_manager, restore_tracker, save_manager, save_tracker
from sidecar.core.vocabulary import actions as ac
from sidecar.core.vocabulary import events as ev
from sidecar.core.vocabulary.limits import Limits
from sidecar.core.vocabulary.money import floor_to
from sidecar.core.vocabulary.orders import OWN_PREFIX
from sidecar.core.vocabulary.products import CASH, product_from_coinbase
from sidecar.core.vocabulary.reports import LiquidationReport
from sidecar.paper.venue.behaviour import Behaviour
from sidecar.paper.venue.event import OrderChanged
from sidecar.paper.venue.exchange import Exchange
from sidecar.paper.venue.listing import Flags, catalogue
from sidecar.paper.venue.order import Order
from sidecar.paper.venue.quote import Quote
from sidecar.paper.venue.request import Close, NewOrder
from sidecar.paper.venue.terms import Refused
from sidecar.paper.wire.accounts import account_row
from sidecar.paper.wire.orders import created, fill_row, order_row, refused, user_row
from sidecar.paper.wire.products import product_row
from tests.scenario import D

OPENING = datetime.fromisoformat("2026-11-23T13:20:00+00:00")
BTC, ALIAS, ETH, DOGE, BIP = "BTC-USD", "BTC-USDC", "ETH-USD", "DOGE-USD", "BIP-20DEC30-CDE"
PRODUCTS = (BTC, ALIAS, ETH, DOGE, BIP)
BOOKS = {BTC: D(64000), ETH: D(3200), DOGE: D("0.12")}
DEEP = D(10_000_000)
WORKING = ("PENDING", "QUEUED", "OPEN", "EDIT_QUEUED", "CANCEL_QUEUED", "OPEN")
OVERLAP = timedelta(minutes=1)
ARRIVES_LATE = timedelta(seconds=2)  # at most: before the last of the looks for it
TRIES, LOOKS, LOOK_EVERY = 5, 3, timedelta(seconds=2.5)
BACK_TRIES, BACK_EVERY = 4, timedelta(seconds=0.25)
CANCEL_WITHIN, CANCEL_EVERY = timedelta(seconds=30), timedelta(seconds=0.5)
AGAIN = timedelta(seconds=0.5)  # after a failure
BETWEEN = timedelta(seconds=0.25)  # two readings
A_CALL_TAKES_S = 0.02  # in a fair world

# What becomes of a call: on its way there it may be lost, arrive too late for an answer, or be
# turned away by the gateway (429); on its way back the answer may be lost.
Fate = Literal["well", "lost", "late", "busy"]
FATES: tuple[Fate, ...] = ("well", "lost", "late", "busy")
T = TypeVar("T")
Work = Generator[datetime | None, Fate, T]  # yields when it goes on, None: at any time


class CallFailed(Exception):
    """Whether the call did its work is not known."""


class TurnedAway(CallFailed):
    """It certainly did not."""


class FlattenedExchange:
    """The exchange, the core, and everything that is on its way between them."""

    def __init__(
        self,
        *,
        balances: dict[str, str],
        keep: dict[str, Decimal | None] | None = None,
        contracts: int = 0,
        largest: str = "3400",
        **limits: Any,
    ) -> None:
        listings = {name: row for name, row in catalogue().items() if name in PRODUCTS}
        for name in (BTC, ALIAS):
            listings[name] = replace(listings[name], base_max_size=D(largest))
        self.now = OPENING
        self.keep, self.limits = dict(keep or {}), Limits(**limits)
        self.exchange = Exchange(
            listings,
            self.now,
            balances={name: D(text) for name, text in balances.items()},
            behaviour=Behaviour(),
        )
        for book, price in BOOKS.items():
            self.exchange.quote(Quote(self.now, book, price, DEEP, price + self.step(book), DEEP))
        self.bot_orders = 0
        if contracts:
            self.bot("BUY" if contracts > 0 else "SELL", abs(contracts), BIP)
        self.now += timedelta(minutes=10)  # long before the sidecar's time
        self.exchange.advance(self.now)
        self.exchange.drain()
        self.frames: list[Order] = []  # on their way, the oldest first
        self.shown: list[Order] = []  # frames that arrived
        self.later: list[tuple[datetime, Callable[[], object]]] = []  # calls that arrive late
        self.user_feed = self.market_feed = False
        # What was sent, by client_order_id: its body, and when the reading behind it began.
        self.bodies: dict[str, dict[str, Any]] = {}
        self.as_of: dict[str, datetime] = {}
        self.abandoned: set[str] = set()  # attempts of a flattening that was aborted
        self.reports: list[LiquidationReport] = []
        self.shouted: list[datetime] = []
        self.is_broken = False  # a law was; what follows says nothing
        self.manager = self._fresh()
        self._live()

    # ------------------------------------------------------------------------------- the process

    def _fresh(self) -> RiskManager:
        return RiskManager(
            self.limits,
            PositionTracker(keep=self.keep),
            clock=lambda: self.now,
            settings=Settings(connected=True),
        )

    def _saved(self) -> bytes:
        return msgspec.json.encode((save_tracker(self.manager.tracker), save_manager(self.manager)))

    def _restored(self, saved: bytes) -> RiskManager:
        manager = self._fresh()
        tracker_type = type(save_tracker(manager.tracker))
        manager_type = type(save_manager(manager))
        tracker, rest = msgspec.json.decode(saved, type=tuple[tracker_type, manager_type])  # type: ignore[valid-type]
        restore_tracker(tracker, manager.tracker)
        restore_manager(rest, manager)
        return manager

    def _live(self) -> None:
        """A process begins: nothing is under way, no feed is up."""
        self.work: dict[str, tuple[Work[None], datetime | None]] = {}
        self.flying: dict[int, Callable[[], object]] = {}  # orders on their way to the exchange
        self.unwanted: dict[str, datetime] = {}
        self.wanted: ac.ReadAccount | None = None
        self.reconciles = True
        self.alarm: datetime | None = None
        self.began = self._saved()
        self.told: list[tuple[ev.Event, list[ac.Action]]] = []
        self.frames.clear()
        self.user_feed = self.market_feed = False
        self.handle(ev.Started(at=self.now, unclean_since=self.now))
        self._start("read", self._read())

    def restart(self, *, arrives: bool) -> None:
        """The process dies and another one begins; what was on its way arrives late, or never."""
        if arrives:
            self.later += [(self.now + ARRIVES_LATE, ask) for ask in self.flying.values()]
        self.manager = self._restored(self._saved())
        self._live()

    def check_determinism(self) -> None:
        """The same events give the same actions."""
        twin = self._restored(self.began)
        for event, actions in self.told:
            assert twin.handle(event) == actions

    # ----------------------------------------------------------------------------- facts, actions

    def handle(self, event: ev.Event) -> None:
        episodes = self.manager.liquidator.memory.episodes
        names = {name: tuple(one.attempts) for name, one in episodes.items()}
        actions = self.manager.handle(event)
        self.told.append((event, actions))
        for action in actions:
            self._carry(action, event)
            if isinstance(action, ac.LiquidationReported):
                self._reported(action.report, names[action.report.key or ""], event)
            if isinstance(action, ac.Alert) and action.code == "LIQUIDATION_STUCK":
                self.shouted.append(self.now)

    def _carry(self, action: ac.Action, event: ev.Event) -> None:
        match action:
            case ac.WakeAt():
                self.alarm = action.at
            case ac.Reconcile():
                self.reconciles = True
                self._start("read", self._read())
            case ac.ReadAccount():
                self.wanted = self._with_wanted(action)
                self._start("read", self._read())
            case ac.CancelOrders():
                until = self.now + CANCEL_WITHIN
                self.unwanted = dict.fromkeys(action.order_ids, until) | self.unwanted
                self._start("cancel", self._cancel())
            case ac.PlaceOrder(client_order_id=name):
                if isinstance(event, ev.AccountRead):
                    self.as_of.setdefault(name, event.began_at)
                self._start(f"place {name}", self._place(action))
            case ac.FindAttempt(client_order_id=name):
                self._start(f"find {name}", self._find(action))
            case ac.ReadOrders(order_ids=ids):
                self._start(f"back {' '.join(ids)}", self._read_back(ids))
            case ac.RefreshQuotes() | ac.ConfirmQuotes():
                self._start("quotes", self._quotes(action))

    def _with_wanted(self, action: ac.ReadAccount) -> ac.ReadAccount:
        """This reading, and whatever else was asked of one that has not begun."""
        wanted = self.wanted or action
        return ac.ReadAccount(
            reading=action.reading,
            order_ids=tuple(dict.fromkeys((*wanted.order_ids, *action.order_ids))),
            with_products=action.with_products or wanted.with_products,
        )

    def _start(self, name: str, work: Work[None]) -> None:
        """Begin, unless the same is under way."""
        if name not in self.work:
            self.work[name] = work, None

    def ready(self) -> list[str]:
        """Work that may go on now."""
        return [name for name, (_, at) in self.work.items() if at is None or at <= self.now]

    def go_on(self, name: str, fate: Fate = "well") -> None:
        """Let this work go on until it waits again."""
        work, _ = self.work.pop(name)
        self.work[name] = work, datetime.max.replace(tzinfo=OPENING.tzinfo)  # it is under way
        try:
            at = next(work) if getgeneratorstate(work) == GEN_CREATED else None
            if at is None:
                at = work.send(fate)
        except StopIteration:
            del self.work[name]
        except BaseException:
            self.is_broken = True
            raise
        else:
            self.work[name] = work, at

    def wait(self, seconds: float) -> None:
        """Time passes; the core is woken if it asked for it."""
        self.now += timedelta(seconds=seconds)
        due, self.later = (
            [one for one in self.later if one[0] <= self.now],
            [one for one in self.later if one[0] > self.now],
        )
        for at, ask in sorted(due, key=lambda one: one[0]):
            self.exchange.advance(at)
            with suppress(Refused):
                ask()
        self.exchange.advance(self.now)
        self.hear()
        if self.alarm is not None and self.alarm <= self.now:
            self.alarm = None
            self.handle(ev.ClockAdvanced(at=self.now))

    def hear(self) -> None:
        """What the exchange has told goes on its way."""
        told = [event.order for event in self.exchange.drain() if isinstance(event, OrderChanged)]
        if self.user_feed:
            self.frames += told

    # ---------------------------------------------------------------------------------- the feeds

    def feed(self, name: Literal["user", "market"], signal: ev.FeedSignal) -> None:
        """A feed comes up, or what it had on its way is lost."""
        is_up = signal == "connected"
        self.hear()
        if name == "user":
            self.user_feed = is_up
            self.frames = [*self.exchange.register.open.values()] if is_up else []
        else:
            self.market_feed = is_up
        self.handle(ev.FeedChanged(at=self.now, feed=name, signal=signal))
        if is_up and name == "market":
            self.tell_quotes()

    def frame(self, order: Order) -> None:
        row = user_row(order, self.exchange.run)
        self.shown = [*self.shown[-20:], order]
        self.handle(frames.order_report(row, self.now))

    def tell_quotes(self) -> None:
        if self.market_feed:
            self.handle(ev.Quotes(at=self.now, quotes=tuple(self._tops())))

    def _tops(self) -> Iterator[ev.Quote]:
        for name, book in self.exchange.books.items():
            bid, ask = book.top("BUY"), book.top("SELL")
            if bid is not None and ask is not None:
                yield ev.Quote(name, bid.price, ask.price, self.now)

    # ------------------------------------------------------------------------- market, bot, faults

    def step(self, product: str) -> Decimal:
        return self.exchange.listings[product].price_increment

    def quote(self, book: str, bid: Decimal, size: Decimal = DEEP) -> None:
        step = self.step(book)
        bid = max(step, floor_to(bid, step))
        self.exchange.quote(Quote(self.now, book, bid, size, bid + step, size))
        self.hear()

    def bot(self, side: str, size: object, product: str, price: Decimal | None = None) -> None:
        """A bot sends an order past the sidecar; at the market without a price."""
        self.bot_orders += 1
        fields = {"base_size": str(size)}
        kind = {"market_market_ioc": fields}
        if price is not None:
            kind = {"limit_limit_gtc": fields | {"limit_price": str(price)}}
        request = NewOrder(
            client_order_id=f"bot-{self.bot_orders}",
            product_id=product,
            side=side,
            order_configuration=dict(kind),
        )
        with suppress(Refused):
            self.exchange.create(request, self.now)

    def flags(self, product: str, **flags: bool) -> None:
        self.exchange.set_flags(product, Flags(**flags), self.now)
        self.hear()

    # ------------------------------------------------------------------------ calls and their work

    def _call(self, ask: Callable[[], T], *, orders: bool = False) -> Work[T]:
        """One call. What it does at the exchange it does at one moment."""
        if orders:
            self.flying[id(ask)] = ask
        fate = yield None
        self.flying.pop(id(ask), None)
        if fate == "busy":
            raise TurnedAway
        if fate != "well":
            if fate == "late":
                self.later.append((self.now + ARRIVES_LATE, ask))
            raise CallFailed
        answer = ask()
        self.hear()
        if (yield None) != "well":
            raise CallFailed
        return answer

    def _pause(self, duration: timedelta) -> Work[None]:
        yield self.now + duration

    def _place(self, action: ac.PlaceOrder) -> Work[None]:
        outcome, order_id, reason = yield from self._sent(action)
        self.handle(
            ev.AttemptAnswered(
                at=self.now, client_order_id=action.client_order_id, outcome=outcome,
                order_id=order_id, reason=reason,
            )
        )  # fmt: skip

    def _sent(self, action: ac.PlaceOrder) -> Work[tuple[ev.AttemptOutcome, str, str]]:
        def ask() -> Any:
            return self._take(action)

        for _ in range(TRIES):
            if not self.manager.liquidator.wants(action.client_order_id):
                return "not_sent", "", "it is not wanted any more"
            try:
                order_id, reason = order_rows.order_answer(
                    (yield from self._call(ask, orders=True))
                )
            except TurnedAway:
                yield from self._pause(AGAIN)
            except CallFailed:
                return "unknown", "", "no answer"
            else:
                return ("accepted" if order_id else "refused"), order_id, reason
        return "not_sent", "", "turned away"

    def _take(self, action: ac.PlaceOrder) -> dict[str, Any]:
        """The exchange gets an order of ours."""
        name, body = action.client_order_id, action.body
        assert self.bodies.setdefault(name, body) == body, f"{name}: another order under its id"
        before = self.exchange.register.by_client_id(name)
        try:
            if action.closes:
                order = self.exchange.close(Close(**body), self.now)
            else:
                order = self.exchange.create(NewOrder(**body), self.now)
        except Refused as error:
            return refused(error.refusal, body)
        if before is None:
            self._check_taken(order)
        return created(order.order_id, body)

    def _find(self, action: ac.FindAttempt) -> Work[None]:
        looks, name, since = 0, action.client_order_id, action.since - OVERLAP
        while self.manager.liquidator.wants(name):
            try:
                found = yield from self._call(
                    lambda: [
                        self._report(order)
                        for order in self.exchange.register.newest_first()
                        if order.product_id == action.product_id and order.created_at >= since
                        if self._is_visible(order)
                    ]
                )
            except CallFailed:
                yield from self._pause(AGAIN)
                continue
            looks += 1
            for report in found:
                if report.client_order_id == name:
                    self.handle(report)
            if looks == LOOKS:
                break
            yield from self._pause(LOOK_EVERY)
        self.handle(ev.AttemptMissing(at=self.now, client_order_id=name))

    def _read_back(self, order_ids: tuple[str, ...]) -> Work[None]:
        for _ in range(BACK_TRIES):
            try:
                found = yield from self._call(lambda: self._named(order_ids))
            except CallFailed:
                return
            for report in found:
                self.handle(report)
            if len(found) == len(order_ids):
                return
            yield from self._pause(BACK_EVERY)

    def _cancel(self) -> Work[None]:
        while self.unwanted:
            ids = tuple(self.unwanted)
            with suppress(CallFailed):
                yield from self._call(partial(self._cancelled, ids))
            yield from self._pause(CANCEL_EVERY)
            working = self.manager.tracker.ledger.working
            self.unwanted = {
                name: until
                for name, until in self.unwanted.items()
                if name in working and self.now <= until
            }

    def _cancelled(self, order_ids: tuple[str, ...]) -> list[str]:
        return [self.exchange.cancel(one, self.now) for one in order_ids]

    def _quotes(self, action: ac.RefreshQuotes | ac.ConfirmQuotes) -> Work[None]:
        try:
            quotes = tuple((yield from self._call(lambda: list(self._tops()))))
        except CallFailed:
            if isinstance(action, ac.ConfirmQuotes):
                self.handle(ev.ConfirmationUnavailable(at=self.now))
            return
        kind = ev.QuotesConfirmed if isinstance(action, ac.ConfirmQuotes) else ev.Quotes
        self.handle(kind(at=self.now, quotes=quotes))

    # ---------------------------------------------------------------------------------- readings

    def _read(self) -> Work[None]:
        """Readings of the account, one after the other, as long as any is wanted."""
        while self.reconciles or (self.wanted is not None and self.manager.liquidator.is_busy):
            action = self.wanted if self.manager.liquidator.is_busy else None
            began_at, self.reconciles = self.now, False
            try:
                if (
                    action is not None and action.with_products
                ) or not self.manager.tracker.products:
                    listed = yield from self._call(self._products)
                    self.handle(ev.ProductsListed(at=began_at, products=listed))
                yield from self._read_account()
                ids = () if action is None else action.order_ids
                named = yield from self._call(partial(self._named, ids))
            except CallFailed:
                self.reconciles = True
                yield from self._pause(AGAIN)
                continue
            if action is None:
                yield from self._pause(BETWEEN)
                continue
            self.wanted = None if self.wanted is action else self.wanted
            for report in named:
                self.handle(report)
            missing = {*action.order_ids} - {report.order_id for report in named}
            self.handle(
                ev.AccountRead(
                    at=self.now, reading=action.reading, began_at=began_at,
                    missing=tuple(sorted(missing)),
                )
            )  # fmt: skip

    def _read_account(self) -> Work[None]:
        began_at, seen = self.now, dict[str, None]()
        for status in WORKING:
            found = yield from self._call(partial(self._open, status, began_at))
            for report in found:
                seen[report.order_id] = None
                self.handle(report)
        listed = {*seen}
        self.handle(ev.OpenOrdersListed(at=began_at, order_ids=tuple(seen), began_at=began_at))
        ledger, until = self.manager.tracker.ledger, self.now
        unlisted = {
            order.order_id
            for order in ledger.working.values()
            if order.order_id not in listed
            and (order.updated_at is None or order.updated_at <= began_at)
        }
        since = self.manager.readiness.fills_until
        if since is not None:
            for fill in (yield from self._call(lambda: self._fills(since - OVERLAP))):
                self.handle(fill)
        at = self.now
        positions = yield from self._call(self._positions)
        self.handle(ev.FuturesRead(at=at, positions=positions, fills_until=until))
        at = self.now
        accounts = yield from self._call(self._accounts)
        self.handle(wallet_rows.balances(accounts, at, until, {}, []))
        gone = sorted(ledger.working.keys() - listed)
        for report in (yield from self._call(lambda: self._named(gone))):
            self.handle(report)
            unlisted.discard(report.order_id)
        if not unlisted & ledger.working.keys():
            event = ev.AccountReconciled(at=self.now, fills_until=until, began_at=began_at)
            self.handle(event)

    def _is_visible(self, order: Order) -> bool:
        return self.now - order.created_at >= self.exchange.behaviour.hidden_when_new

    def _report(self, order: Order, at: datetime | None = None) -> ev.OrderReported:
        row = order_row(order, self.exchange.run, self.now)
        return order_rows.order_report(row, at or self.now)

    def _open(self, status: str, at: datetime) -> list[ev.OrderReported]:
        orders = [*self.exchange.register.open.values()]
        return [
            self._report(one, at)
            for one in reversed(orders)
            if one.status == status and self._is_visible(one)
        ]

    def _named(self, order_ids: Any) -> list[ev.OrderReported]:
        orders = [self.exchange.register.get(one) for one in order_ids]
        return [self._report(one) for one in orders if one is not None and self._is_visible(one)]

    def _fills(self, since: datetime) -> list[ev.FillReported | ev.FundingPaid]:
        return [
            order_rows.fill_report(fill_row(fill, self.exchange.run, self.now), self.now)
            for fill in self.exchange.register.fills
            if fill.at >= since
        ]

    def _positions(self) -> tuple[ev.FuturesPosition, ...]:
        held = self.exchange.futures.open_holdings()
        return tuple(
            ev.FuturesPosition(one.listing.product_id, one.contracts, one.entry_price)
            for one in held
        )

    def _accounts(self) -> list[dict[str, Any]]:
        source, lag = self.exchange.accounts, self.exchange.behaviour.balance_lag
        balances = source.as_of(self.now - lag) if lag else source.balances()
        return [account_row(one, self.exchange.run, OPENING, self.now) for one in balances]

    def _products(self) -> tuple[Any, ...]:
        exchange = self.exchange
        return tuple(
            product_from_coinbase(
                product_row(one, exchange.books[one.book], self.now, with_view_only=True)
            )
            for one in exchange.listings.values()
        )

    # --------------------------------------------------------------------------------------- laws

    def own_orders(self) -> list[Order]:
        return [
            order
            for order in self.exchange.register.newest_first()
            if order.client_order_id.startswith(OWN_PREFIX)
        ]

    def _key(self, product: str) -> str:
        listing = self.exchange.listings[product]
        return product if listing.contract is not None else listing.base

    def _held(self, key: str, sold: Decimal = D(0)) -> Decimal:
        """What of it may be sold, above `keep`, before so much was; contracts of a future."""
        if key in self.exchange.listings:
            return abs(self.exchange.futures.contracts(key) + sold)
        keep = self.keep.get(key, Decimal(0))
        total = self.exchange.accounts.wallet(key).total + sold
        return Decimal(0) if keep is None else max(Decimal(0), total - keep)

    def _check_taken(self, order: Order) -> None:
        """No more is offered than is held, `keep` aside: but for what others have traded since the
        reading that the order follows from.
        """
        key = self._key(order.product_id)
        offered = traded = Decimal(0)
        for one in self.own_orders():
            if self._key(one.product_id) == key:
                sold = one.filled if one is order else Decimal(0)
                offered += sold + (one.remaining if one.is_open else Decimal(0))
        unseen = max(self.exchange.behaviour.balance_lag, timedelta(seconds=2))
        since = self.as_of[order.client_order_id] - unseen
        held = self._held(key, order.filled if order.side == "SELL" else -order.filled)
        for fill in self.exchange.register.fills:
            by = self.exchange.register.get(fill.order_id)
            assert by is not None
            is_own = by.client_order_id.startswith(OWN_PREFIX)
            if self._key(fill.product_id) == key and fill.at >= since and not is_own:
                traded += fill.size
        assert offered <= held + traded, f"{order.client_order_id}: {offered} of {held} {key}"
        if not order.is_future:
            assert order.side == "SELL"

    def check_known(self) -> None:
        """Every own order that is open is known, and counted as alive."""
        episodes = self.manager.liquidator.memory.episodes.values()
        live = {one.client_order_id for episode in episodes for one in episode.live()}
        for order in self.exchange.register.open.values():
            name = order.client_order_id
            if name.startswith(OWN_PREFIX) and name not in self.abandoned:
                assert name in live, f"{name} is open, and nobody knows"

    def _reported(self, report: LiquidationReport, names: tuple[str, ...], event: ev.Event) -> None:
        """What the flattening says it took and paid is what the exchange's fills say; fees as far
        as they had been told when its last reading began.
        """
        self.reports.append(report)
        if report.outcome != "flat":
            self.abandoned |= {*names}
            return
        assert isinstance(event, ev.AccountRead)
        proceeds = told = fees = Decimal(0)
        for fill in self.exchange.register.fills:
            order = self.exchange.register.get(fill.order_id)
            assert order is not None
            if order.client_order_id in names:
                value = fill.price * fill.size * order.multiplier
                proceeds += value if fill.side == "SELL" else -value
                fees += fill.commission
                told += fill.commission if fill.fee_told_at <= event.began_at else Decimal(0)
        assert report.proceeds == proceeds
        assert told <= report.fees <= fees

    # ------------------------------------------------------------------------------ the fair world

    @property
    def is_busy(self) -> bool:
        return self.manager.liquidator.is_busy

    def make_fair(self) -> None:
        """No faults, no flags, every feed up, deep books; nothing new but what the sidecar does."""
        self.exchange.behaviour = Behaviour()
        for product in PRODUCTS:
            self.flags(product)
        self._deepen()
        for name in ("user", "market"):
            self.feed(name, "connected")

    def _deepen(self) -> None:
        for book, price in BOOKS.items():
            top = self.exchange.books[book].bid
            self.quote(book, price if top is None else top.price)

    def run(self, seconds: float, until: Callable[[], bool] = lambda: False) -> None:
        """Everything that is under way goes on, and time passes, until it is so."""
        end, quoted = self.now + timedelta(seconds=seconds), self.now
        while not until() and self.now < end:
            while self.frames:
                self.frame(self.frames.pop(0))
            if ready := self.ready():
                self.go_on(ready[0])
                self.wait(A_CALL_TAKES_S)
                continue
            times = [at for _, at in self.work.values() if at is not None]
            times += [at for at in (self.alarm, self.exchange.due()) if at is not None]
            times += [at for at, _ in self.later]
            at = min([one for one in times if one > self.now], default=end)
            self.wait(min(0.5, max(0.001, (at - self.now).total_seconds())))
            if self.now - quoted >= timedelta(seconds=5):
                quoted = self.now
                self._deepen()
                self.tell_quotes()

    def flatten(self) -> None:
        self.handle(ev.FlattenRequested(at=self.now, reason="enough"))

    def left(self) -> dict[str, Decimal]:
        """What is held still and could be sold, by the exchange's own word."""
        found = {}
        for wallet in self.exchange.accounts:
            name = f"{wallet.currency}-USD"
            if wallet.currency in CASH or name not in self.exchange.listings:
                continue
            listing, mid = self.exchange.listings[name], self.exchange.books[name].mid
            size = floor_to(self._held(wallet.currency), listing.base_increment)
            assert mid is not None
            if size >= listing.base_min_size and size * mid >= listing.quote_min_size:
                found[wallet.currency] = size
        held = self.exchange.futures.open_holdings()
        return found | {one.listing.product_id: one.contracts for one in held}
