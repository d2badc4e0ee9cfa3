"""Coinbase, as it tells of an account whose history is known: the wallets that a reading shows lag, each for
so long; fills and the futures wallet are told in either order, and again; quotes are wide, missing or wrong
for a moment; REST answers late, or not at all. What the manager asks for is done as the daemon does it.

Time is virtual, in steps of `STEP_S`. The truth goes into a list of facts of tests/fund.py; the manager hears
only what Coinbase would say. A price that Coinbase has told nobody is nobody's yet: it enters the history when
it is first told, and so do coins that came meanwhile.
"""

import heapq
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from decimal import ROUND_HALF_EVEN, Decimal
from fractions import Fraction
from functools import partial
from itertools import count
from typing import Any, Literal

from sidecar.core.vocabulary import actions as ac
from sidecar.core.vocabulary import events as ev
from tests import fund
from tests.decisions import CONNECTED
from tests.fund import Fund, Losses
from tests.scenario import FUTURE, PRODUCTS, START, D, World

STEP_S = 0.5
RECONCILE_S = 60  # the daemon's default
READING_S = 0.5  # from asking to the answer
CONFIRM_WITHIN_S = 5.0  # then the daemon says that REST cannot confirm
RETRY_S = 2.5  # after a reading that REST did not answer
POLL_S = 5  # prices over REST: of quiet books, and of all while the feed is down
WIDE = D("1.08")  # ask ÷ bid of a book that has fallen apart: beyond the spread cap
CONTRACT = D("0.01")
CENT = D("0.01")
BOOK = {"BTC": "BTC-USD", "ETH": "ETH-USD", FUTURE: FUTURE}
PRICES = {"BTC": D(64_000), "ETH": D(2_000), FUTURE: D(64_000)}
FUT = "futures wallet"
SERIAL = count(1)

BookState = Literal["good", "wide", "quiet", "gone"]


@dataclass(frozen=True)
class Habits:
    """How Coinbase tells things, in seconds: how long each wallet lags in readings, how long frames take
    (of the futures wallet, None: there are none); how often prices are told; whether wide books tell of
    trades; whether REST confirms prices; whether funding comes in fills, and how long after it was paid.
    """

    lags: dict[str, float] = field(default_factory=dict)
    fill_frame_s: float = 0
    wallet_frame_s: float | None = 0
    cadence_s: float = 1
    prints: bool = False
    confirms: bool = True
    funding_fills: bool = True
    funding_told_s: float = 0


class Shown:
    """One quantity: what it is, and what a reading shows of it, each movement late by `lag_s`."""

    def __init__(self, total: Decimal, lag_s: float) -> None:
        self.total = total
        self.lag_s = lag_s
        self.moves: list[tuple[float, Decimal]] = [(0.0, total)]  # from when on each one is shown
        self.read_at = 0.0  # the last reading

    def move(self, quantity: Decimal, at: float, lag_s: float | None = None) -> float:
        """It changes; when readings show it. `lag_s`: other than the wallet's own."""
        self.total += quantity
        shown_at = at + (self.lag_s if lag_s is None else lag_s)
        self.moves.append((shown_at, quantity))
        return shown_at

    def at(self, at: float) -> Decimal:
        """What a reading shows."""
        return sum((quantity for shown_at, quantity in self.moves if shown_at <= at), D(0))


@dataclass
class Seen:
    """When readings can show a flow, when the first one did, and the one before that; `polled`: prices were
    polled then, so the next one may be from before that reading; `earliest`: the one before a frame that had it.
    """

    shown_at: float
    wallet: str
    before: float = 0.0
    first: float | None = None
    polled: bool = False
    earliest: float | None = None


@dataclass(frozen=True)
class Sweep:
    """Dollars that moved into the wallet of USD (out of it, if negative): when, and from when on readings show
    them gone from the other wallet, and come to this one.
    """

    at: float
    dollars: Decimal
    left_at: float
    came_at: float


class Coinbase:
    """An account at Coinbase, and the manager that is told of it."""

    def __init__(
        self,
        habits: Habits | None = None,
        holdings: dict[str, Decimal] | None = None,
        **limits: Any,
    ) -> None:
        self.habits = habits = habits or Habits()
        totals = {name: D(0) for name in ("USD", "USDC", "BTC", "ETH", FUT, FUTURE)}
        totals |= holdings or {}
        self.wallets = {name: Shown(n, habits.lags.get(name, 0)) for name, n in totals.items()}
        self.entry_cost = D(0)  # of the contracts held
        self.entries: list[
            tuple[float, Decimal]
        ] = []  # their average prices, as readings show them
        self.prices = dict(PRICES)  # the true ones
        self.books: dict[str, BookState] = dict.fromkeys(BOOK, "good")
        self.bad: dict[str, tuple[Decimal, float]] = {}  # a wrong price, and until when
        self.told_good: dict[str, float] = dict.fromkeys(BOOK, 0.0)
        self.has_ticked = False
        self.feed_up = self.rest_up = True
        self.t = 0.0
        self.queue: list[tuple[float, int, Callable[[], None]]] = []
        self.wake: float | None = None
        self.swept_at = float("-inf")
        self.sweeps: list[Sweep] = []
        self.fills: list[ev.FillReported] = []
        self.paid: list[tuple[float, ev.FundingPaid]] = []  # from when on readings tell it
        self.funding_pnl = D(0)
        self.flows: dict[int, Seen] = {}
        self.waiting: dict[str, list[fund.Flow]] = {}  # came, or left, while nobody knew a price
        self.history: list[fund.Fact] = []
        self.known = dict(PRICES)  # as last told
        self.running: set[str] = set()
        self.reading_wanted = False
        self.last_reading = 0.0
        self.polled_at = dict.fromkeys(BOOK, 0.0)
        self.told: list[tuple[float, ac.Action]] = []
        self.world = World(settings=CONNECTED, products=(), **limits)
        self._open(totals)

    def _open(self, totals: dict[str, Decimal]) -> None:
        self._send(ev.ProductsListed, products=PRODUCTS)
        for feed in ("market", "user"):
            self._send(ev.FeedChanged, feed=feed, signal="connected")
        self.run(3)
        assert self.world.manager.state.ready, self.world.manager.readiness.missing
        held = {key: Fraction(totals[key]) for key in ("BTC", "ETH")}
        self.opening = (
            Fraction(totals["USD"] + totals["USDC"] + totals[FUT]),
            held,
            {key: Fraction(price) for key, price in self.prices.items()},
        )

    # --- What the account did ---------------------------------------------------------------------

    def new_fund(self) -> Fund:
        return Fund(*self.opening)

    def price(self, key: str, price: Decimal) -> None:
        """The market moves."""
        self.prices[key] = price

    def trade(
        self, key: str, size: Decimal, *, fee: Decimal = CENT, strategy: str | None = None
    ) -> None:
        """A market order by hand, at the price of now: base units, or contracts; sold if negative."""
        price, number = self.prices[key], next(SERIAL)
        units = size * CONTRACT if key == FUTURE else size
        if key == FUTURE:
            moved = self._close(size, price)
            shown_at = self.wallets[FUTURE].move(size, self.t)
            contracts = self.wallets[FUTURE].total
            entry = abs(self.entry_cost / (contracts * CONTRACT)) if contracts else D(0)
            self.entries.append((shown_at, entry.quantize(CENT)))
            self._move(FUT, moved - fee)
        else:
            self.wallets[key].move(size, self.t)
            self.wallets["USD"].move(-size * price - fee, self.t)
        self._learn(key, price)
        self.history.append(
            fund.Trade(self.t, key, Fraction(units), Fraction(price), Fraction(fee), strategy)
        )
        side: Literal["BUY", "SELL"] = "BUY" if size > 0 else "SELL"
        fill = ev.FillReported(
            at=self.world.now, entry_id=f"e{number}", order_id=f"o{number}", product_id=BOOK[key],
            side=side, price=price, size=abs(size), commission=fee, traded_at=self.world.now,
            strategy_id=strategy,
        )  # fmt: skip
        self.fills.append(fill)
        for late in (0, 1):  # told again a second later
            self._later(self.habits.fill_frame_s + late, lambda: self._frame(fill))

    def _close(self, contracts: Decimal, price: Decimal) -> Decimal:
        """What trading contracts pays out: the profit of those that it closes, at average cost."""
        held, paid = self.wallets[FUTURE].total, D(0)
        if held * contracts < 0:
            closed = min(abs(held), abs(contracts)) * (1 if held > 0 else -1)
            cost = self.entry_cost * closed / held
            paid = closed * CONTRACT * price - cost
            self.entry_cost -= cost
            contracts += closed
        self.entry_cost += contracts * CONTRACT * price
        return paid.quantize(D("1E-18"), ROUND_HALF_EVEN)

    def flow(self, asset: str, units: Decimal) -> int:
        """A deposit or a withdrawal; its serial number."""
        serial, wallet = next(SERIAL), self.wallets[asset]
        shown_at = wallet.move(units, self.t)
        self.flows[serial] = Seen(shown_at, asset, before=wallet.read_at)
        if asset in BOOK and not self._is_told(asset):
            flow = fund.Flow(self.t, asset, Fraction(units), serial)
            self.waiting.setdefault(asset, []).append(flow)
        else:
            cash = fund.CASH if asset == "USDC" else asset
            self.history.append(fund.Flow(self.t, cash, Fraction(units), serial))
        return serial

    def sweep(
        self,
        dollars: Decimal,
        *,
        source: str = FUT,
        lags: tuple[float | None, float | None] = (None, None),
    ) -> None:
        """Dollars move within the pot, from the futures wallet or USDC to USD (negative: from USD). `lags`: of
        the source and of USD in readings, seconds; None: the wallet's own.
        """
        self.swept_at, (source_lag, lag) = self.t, lags
        left_at = self._move(source, -dollars, source_lag)
        came_at = self.wallets["USD"].move(dollars, self.t, lag)
        self.sweeps.append(Sweep(self.t, dollars, left_at, came_at))

    def in_flight(self, at: float) -> list[fund.Flow]:
        """Sweeps of which readings show one side alone: to whoever reads them, dollars that came or left."""
        seen = list[fund.Flow]()
        for one in self.sweeps:
            shown = one.dollars * (int(one.came_at <= at) - int(one.left_at <= at))
            if one.at <= at and shown:
                seen.append(fund.Flow(one.at, fund.CASH, Fraction(shown), -1))
        return seen

    def is_lacking(self) -> bool:
        """Whether the last reading lacked a side of a sweep, or both, which frames may have told."""
        last = self.last_reading
        return any(max(one.left_at, one.came_at) > last for one in self.sweeps)

    def pay_funding(self, dollars: Decimal) -> None:
        """Funding of what is held in futures."""
        self.history.append(fund.Income(self.t, FUTURE, Fraction(dollars)))
        self._move(FUT, dollars)
        if not self.habits.funding_fills:
            self.funding_pnl += dollars
            return
        paid = ev.FundingPaid(
            at=self.world.now, product_id=FUTURE, amount=dollars, entry_id=f"f{next(SERIAL)}"
        )
        late = self.habits.funding_told_s
        self.paid.append((self.t + late, paid))
        if not late:
            self._later(
                self.habits.fill_frame_s, lambda: self._send(ev.FundingPaid, **_fields(paid))
            )

    def _move(self, wallet: str, dollars: Decimal, lag_s: float | None = None) -> float:
        shown_at = self.wallets[wallet].move(dollars, self.t, lag_s)
        if wallet == FUT and self.habits.wallet_frame_s is not None:
            self._later(self.habits.wallet_frame_s, lambda: self._summary(live=True))
        return shown_at

    # --- Quotes -----------------------------------------------------------------------------------

    def bad_tick(self, key: str, price: Decimal, seconds: float) -> bool:
        """A wrong price for less than two seconds; not while another is being told, nor right after it."""
        if key in self.bad or self.books[key] != "good" or self.told_good[key] < self.t - 1:
            return False
        self.has_ticked = True
        self.bad[key] = (price, self.t + STEP_S + seconds)
        self.told_good[key] = float("-inf")
        return True

    def feed(self, *, up: bool) -> None:
        """The market feed is lost, or back."""
        if up != self.feed_up:
            self.feed_up = up
            self._send(ev.FeedChanged, feed="market", signal="connected" if up else "lost")

    def rest(self, *, up: bool) -> None:
        """REST answers nothing any more, or answers again."""
        self.rest_up = up

    def _is_told(self, key: str) -> bool:
        """Whether the true price of now is known to whoever listens."""
        return self.books[key] in ("good", "wide") and self.known[key] == self.prices[key]

    def _learn(self, key: str, price: Decimal) -> None:
        if price != self.known[key]:
            self.known[key] = price
            self.history.append(fund.Price(self.t, key, Fraction(price)))
        for flow in self.waiting.pop(key, ()):
            self.history.append(replace(flow, at=self.t))

    def _quote(self, key: str) -> ev.Quote | None:
        """What the book shows now, if anything: the near side of a wide one is what can be had."""
        state, price, now = self.books[key], self.prices[key], self.world.now
        wrong, until = self.bad.get(key, (price, self.t))
        if self.t < until:
            price = wrong
        else:
            self.bad.pop(key, None)
        if state == "gone":
            return None
        if key not in self.bad:
            self._learn(key, price)
            if state == "good":
                self.told_good[key] = self.t
        if state != "wide":
            return ev.Quote(BOOK[key], price, price, now)
        bid, ask = (price, price * WIDE) if self._is_long(key) else (price / WIDE, price)
        last = price if self.habits.prints else None
        return ev.Quote(BOOK[key], bid.quantize(CENT), ask.quantize(CENT), now, last=last)

    def _is_long(self, key: str) -> bool:
        return self.wallets[key].total >= 0

    def _tell_quotes(self) -> None:
        """The feed's, where it is up; REST's of books that are quiet, as the daemon asks for them."""
        streamed, polled = list[str](), list[str]()
        for key, state in self.books.items():
            if self.feed_up and state in ("good", "wide"):
                streamed.append(key)
            elif self.rest_up and self.t - self.polled_at[key] >= POLL_S:
                self.polled_at[key] = self.t
                polled.append(key)
        at_cadence = self.t % self.habits.cadence_s == 0
        keys = (streamed if at_cadence or self.bad else []) + polled
        quotes = tuple(quote for key in keys if (quote := self._quote(key)) is not None)
        if quotes:
            self._send(ev.Quotes, quotes=quotes)

    # --- Readings ---------------------------------------------------------------------------------

    def _frame(self, fill: ev.FillReported, **fields: Any) -> None:
        self.world.report(
            fill.order_id, status="FILLED", product_id=fill.product_id, side=fill.side,
            filled=fill.size, average_price=fill.price, fees=fill.commission, is_market=True,
            strategy_id=fill.strategy_id, created_at=fill.traded_at, **fields,
        )  # fmt: skip
        self._answer(self.world.actions)

    def _summary(self, *, live: bool) -> None:
        """The futures wallet: a frame tells it as it is, with the dollars beside it; a reading as it shows."""
        wallet = self.wallets[FUT]
        total = wallet.total if live else wallet.at(self.t)
        for seen in self.flows.values():  # the dollars that a frame tells do not lag
            if live and seen.wallet == "USD" and seen.earliest is None:
                seen.earliest = seen.before
        self._send(
            ev.FuturesSummaryRead,
            wallet=total.quantize(CENT), buying_power=D(1_000_000), liquidation_buffer_percentage=D(1000),
            funding_pnl=None if self.habits.funding_fills else self.funding_pnl,
            fills_until=None if live else self.world.now,
            spot_cash=self.wallets["USD"].total.quantize(CENT) if live else None,
        )  # fmt: skip

    def _read_account(self) -> None:
        """A pass of the reconciler: fills, futures, balances, as Coinbase shows them now. It is tried until
        REST answers.
        """
        if not self.rest_up:
            self._later(RETRY_S, self._read_account)
            return
        self.running.discard("reading")
        now, since = self.world.now, timedelta(seconds=RECONCILE_S + 60)
        self.last_reading = self.t
        self._send(ev.OpenOrdersListed, order_ids=(), began_at=now)
        for fill in self.fills:
            if fill.traded_at is not None and fill.traded_at >= now - since:
                self._send(ev.FillReported, **_fields(fill))
        for told_at, paid in self.paid:
            if paid.at >= now - since and told_at <= self.t:
                self._send(ev.FundingPaid, **_fields(paid))
        self._summary(live=False)
        contracts = self.wallets[FUTURE].at(self.t)
        entry = next((price for at, price in reversed(self.entries) if at <= self.t), None)
        positions = (ev.FuturesPosition(FUTURE, contracts, entry),) if contracts else ()
        self._send(ev.FuturesRead, positions=positions, fills_until=now)
        self._send(ev.BalancesRead, balances=self._rows(), fills_until=now, is_complete=True)
        self._send(ev.AccountReconciled, fills_until=now, began_at=now)
        if self.reading_wanted:
            self._reconcile()

    def _rows(self) -> tuple[ev.Balance, ...]:
        rows = []
        for name in ("USD", "USDC", "BTC", "ETH"):
            wallet = self.wallets[name]
            for seen in self.flows.values():
                if seen.wallet == name and seen.first is None:
                    if seen.shown_at <= self.t:
                        seen.first, seen.polled = self.t, not self.feed_up
                    else:
                        seen.before = self.t
            wallet.read_at = self.t
            rows.append(ev.Balance(name, wallet.at(self.t)))
        return tuple(rows)

    def _reconcile(self) -> None:
        if "reading" in self.running:
            self.reading_wanted = True
            return
        self.reading_wanted = False
        self.running.add("reading")
        self._later(READING_S, self._read_account)

    # --- The daemon's part ------------------------------------------------------------------------

    def _send(self, kind: type[ev.Event], **fields: Any) -> None:
        fields.pop("at", None)
        self._answer(self.world.send(kind, **fields))

    def _take(self, event: ev.Event) -> None:
        self._answer(self.world.handle(event))

    def _answer(self, actions: list[ac.Action]) -> None:
        for action in actions:
            self.told.append((self.t, action))
            match action:
                case ac.WakeAt(at=at):
                    self.wake = (at - START).total_seconds()
                case ac.Reconcile():
                    self._reconcile()
                case ac.ConfirmQuotes(product_ids=books) if "confirm" not in self.running:
                    self.running.add("confirm")
                    asked_at = self.world.now
                    wait = READING_S if self._confirms() else CONFIRM_WITHIN_S
                    self._later(wait, partial(self._confirm, books, asked_at))
                case ac.ReadOrders(order_ids=ids):
                    self._later(READING_S, partial(self._read_orders, ids))
                case ac.RefreshQuotes(product_ids=books):
                    self._later(READING_S, partial(self._refresh, books))

    def _rest_quotes(self, books: tuple[str, ...]) -> tuple[ev.Quote, ...]:
        keys = [key for key, book in BOOK.items() if book in books]
        return tuple(quote for key in keys if (quote := self._quote(key)) is not None)

    def _confirm(self, books: tuple[str, ...], asked_at: datetime) -> None:
        self.running.discard("confirm")
        if self._confirms():
            self._send(ev.QuotesConfirmed, quotes=self._rest_quotes(books))
        else:
            self._send(ev.ConfirmationUnavailable)

    def _confirms(self) -> bool:
        return self.rest_up and (self.habits.confirms or not self.world.manager.state.ready)

    def _read_orders(self, order_ids: tuple[str, ...]) -> None:
        """REST's rows of these orders, where it answers."""
        for fill in self.fills if self.rest_up else ():
            if fill.order_id in order_ids:
                self._frame(fill, by_rest=True, base_size=fill.size)

    def _refresh(self, books: tuple[str, ...]) -> None:
        if self.rest_up and (quotes := self._rest_quotes(books)):
            self._send(ev.Quotes, quotes=quotes)

    def _later(self, seconds: float, what: Callable[[], None]) -> None:
        heapq.heappush(self.queue, (self.t + seconds, next(SERIAL), what))

    @property
    def sold_at(self) -> float | None:
        """When the account was to be sold."""
        return next((at for at, one in self.told if isinstance(one, ac.Liquidate)), None)

    def run(self, seconds: float) -> None:
        """Let time pass, until the account is sold."""
        until = self.t + seconds
        self._due()
        while self.t < until and self.sold_at is None:
            self.t += STEP_S
            self.world.now = START + timedelta(seconds=self.t)
            self._due()
            self._tell_quotes()
            if self.t - self.last_reading >= RECONCILE_S:
                self._reconcile()
            if self.wake is not None and self.t >= self.wake:
                self.wake = None
                self._send(ev.ClockAdvanced)

    def _due(self) -> None:
        while self.queue and self.queue[0][0] <= self.t and self.sold_at is None:
            heapq.heappop(self.queue)[2]()

    # --- What is so -------------------------------------------------------------------------------

    def losses(
        self, dates: dict[int, float | None] | None = None, also: Iterable[fund.Flow] = ()
    ) -> Losses:
        """The fund's, over the history so far, without the coins that left while nobody knew a price: those were
        redeemed at the last one known. `also`: flows that only seem to have been.
        """
        left = (one for flows in self.waiting.values() for one in flows if one.units < 0)
        return Losses(self.new_fund(), [*self.history, *left, *also], dates)

    def fund(self) -> Fund:
        """The fund as it stands now."""
        now = self.new_fund()
        for fact in sorted(self.history, key=lambda one: one.at):
            now.take(fact)
        return now


def _fields(event: ev.Event) -> dict[str, Any]:
    return {name: getattr(event, name) for name in event.__struct_fields__}
