"""The library's face: RiskManager and PositionTracker for programs that have a trading engine of
their own.

Both are the core's with the edges that a library user expects: the real clock, plain verbs with
numbers as text, and files. Numbers may be given as str, int or Decimal; a float is refused, because
0.1 is not exactly a tenth.
"""

from collections.abc import Callable, Iterable, Mapping
from datetime import date, datetime
from pathlib import Path
from typing import Any, Self, get_args

from msgspec.structs import replace

from sidecar import clock as wall_clock
from sidecar.arguments import (
    Number,
    aware,
    kept,
    limits_given,
    number,
    period_start,
    price,
    side_given,
)
from sidecar.config.var import ValueAtRisk
from sidecar.core.account.position_tracker import PositionTracker as CoreTracker
from sidecar.core.context.custom_rule import CustomRule
from sidecar.core.context.settings import Settings
from sidecar.core.risk_manager import DEFAULT_SETTINGS
from sidecar.core.risk_manager import RiskManager as CoreManager
from sidecar.core.saved import (
    SavedManager,
    SavedState,
    restore_manager,
    restore_tracker,
    save_manager,
    save_tracker,
)
from sidecar.core.value_at_risk.portfolio_risk import PortfolioRisk
from sidecar.core.views import risk_view
from sidecar.core.vocabulary import events as ev
from sidecar.core.vocabulary.actions import Action
from sidecar.core.vocabulary.brakes import lacking
from sidecar.core.vocabulary.errors import Misuse
from sidecar.core.vocabulary.limits import Limits
from sidecar.core.vocabulary.order_body import Side
from sidecar.core.vocabulary.order_status import STATUS_RANK
from sidecar.core.vocabulary.products import CASH, Product, product_from_coinbase
from sidecar.custom_rules import load_custom_rules
from sidecar.storage.snapshot import read_state, write_state


class PositionTracker(CoreTracker):
    """Positions, orders, balances and PnL, told by plain verbs.

    `keep` names quantities that are never counted and never sold: {"BTC": "0.5"} or {"BTC": "all"}.
    `cash` names the currencies that count as cash. Give balances before fills; every verb takes
    `at`, by default the present moment.
    """

    def __init__(
        self,
        *,
        keep: Mapping[str, Number] | None = None,
        cash: Iterable[str] = CASH,
        clock: Callable[[], datetime] = wall_clock.now,
    ) -> None:
        super().__init__(keep={k: kept(value) for k, value in (keep or {}).items()}, cash=cash)
        self.clock = clock
        self.start(self._at(None))

    def list_products(
        self, products: Iterable[Mapping[str, Any] | Product], *, at: datetime | None = None
    ) -> None:
        """The products of Coinbase's product list, as its JSON objects or as `Product`."""
        listed = tuple(p if isinstance(p, Product) else product_from_coinbase(p) for p in products)
        self.apply(ev.ProductsListed(at=self._at(at), products=listed))

    def mark(
        self,
        product_id: str,
        bid: Number,
        ask: Number | None = None,
        *,
        bid_size: Number | None = None,
        ask_size: Number | None = None,
        at: datetime | None = None,
    ) -> None:
        """Best bid and ask of a product; with a single price, that is both. The sizes are those offered at
        these prices: a market order no larger than that trades at no worse a price.

        An empty or crossed book, or a spread above 5 % of the mid, gives no mark: the last good
        mark stands and grows stale.
        """
        now = self._at(at)
        low, high = number("bid", bid), number("ask", bid if ask is None else ask)
        product = self.books.product(product_id)
        sizes = (
            None if bid_size is None else number("bid_size", bid_size),
            None if ask_size is None else number("ask_size", ask_size),
        )
        self.apply(ev.Quotes(at=now, quotes=(ev.Quote(product.book, low, high, now, *sizes),)))

    def depth(
        self,
        product_id: str,
        bids: Iterable[tuple[Number, Number]],
        asks: Iterable[tuple[Number, Number]],
        *,
        at: datetime | None = None,
    ) -> None:
        """Both sides of a product's book as (price, size) in order units, best first: what `max_order_slippage` and
        `max_exit_cost` go by. At most 50 levels a side; of these, levels from the 21st on may each stand for several
        at the worst of their prices. Tell it anew while it lasts: it is good for `max_depth_age_s`.

        Raises Untrusted for levels that are not in order, or are not positive.
        """
        now, book = self._at(at), self.books.product(product_id).book
        below, above = (
            tuple((number("price", price), number("size", size)) for price, size in side)
            for side in (bids, asks)
        )
        self.apply(ev.DepthSeen(at=now, books=(ev.Depth(book, below, above, now),)))

    def balance(
        self,
        currency: str,
        available: Number,
        hold: Number = 0,
        *,
        average_entry_price: Number | None = None,
        at: datetime | None = None,
    ) -> None:
        """A wallet's balance. The first is taken as it is; a later one that differs from the books
        is believed when it is given twice, at least 2 s after the last order event. Then it is a
        transfer, not PnL.
        """
        now = self._at(at)
        entry = (
            None
            if average_entry_price is None
            else number("average_entry_price", average_entry_price)
        )
        balance = ev.Balance(currency, number("available", available), number("hold", hold), entry)
        self.apply(ev.BalancesRead(at=now, balances=(balance,), fills_until=now))

    def order_placed(
        self,
        order_id: str,
        product_id: str,
        side: Side,
        size: Number,
        price: Number | None = None,
        *,
        client_order_id: str = "",
        strategy_id: str | None = None,
        at: datetime | None = None,
    ) -> None:
        """An order is open at the exchange. `size` in base units (contracts for futures)."""
        self._report(
            order_id,
            product_id,
            side,
            at,
            status="OPEN",
            base_size=number("size", size),
            limit_price=None if price is None else number("price", price),
            rests=price is not None,
            client_order_id=client_order_id,
            strategy_id=strategy_id,
        )

    def order_updated(
        self,
        order_id: str,
        *,
        status: str = "OPEN",
        filled: Number | None = None,
        average_price: Number = 0,
        fees: Number = 0,
        at: datetime | None = None,
    ) -> None:
        """The exchange's report of an order: its status and its cumulative fills so far."""
        order = self.ledger.find(order_id)
        if order is None:
            raise Misuse(f"order {order_id!r} is not known; call order_placed first")
        if status not in STATUS_RANK:
            raise Misuse(f"status {status!r} is none of {', '.join(STATUS_RANK)}")
        self._report(
            order_id,
            order.product_id,
            order.side,
            at,
            status=status,
            base_size=order.size,
            rests=bool(order.rests),
            filled=order.reported.quantity if filled is None else number("filled", filled),
            average_price=number("average_price", average_price),
            fees=number("fees", fees),
        )

    def order_cancelled(self, order_id: str, *, at: datetime | None = None) -> None:
        """The exchange confirmed a cancel. Fills that come late still count."""
        self.order_updated(order_id, status="CANCELLED", at=at)

    def fill(
        self,
        fill_id: str,
        product_id: str,
        side: Side,
        size: Number,
        price: Number,
        fee: Number = 0,
        *,
        order_id: str | None = None,
        fee_currency: str = "",
        strategy_id: str | None = None,
        at: datetime | None = None,
    ) -> None:
        """One fill. The same `fill_id` counts once, and once only beside `order_updated` for the
        same order. An order that is first named by its fill stays open until it is placed or
        updated: its size is not known yet.
        """
        name, now = order_id or f"fill {fill_id}", self._at(at)
        self.apply(
            ev.FillReported(
                at=now,
                entry_id=fill_id,
                order_id=name,
                product_id=product_id,
                side=side_given(side),
                size=number("size", size),
                price=number("price", price),
                commission=number("fee", fee),
                commission_currency=fee_currency,
                strategy_id=strategy_id,
            )
        )
        order = self.ledger.working.get(name)
        if order is None or order.remaining:
            return
        if order_id is None or order.status != "PENDING":  # else its size was never told
            self.order_updated(name, status="FILLED", at=now)

    def save(self, path: str | Path) -> None:
        """Write the books to a state file, whole or not at all."""
        write_state(
            Path(path), SavedState(saved_at=self.clock(), manager=None, tracker=save_tracker(self))
        )

    def load(self, path: str | Path) -> Self:
        """Fill this new tracker from a state file; where there is none, it stays empty.

        Raises StateFileError for a file that cannot be used, and Misuse for a tracker in use, and
        for a manager's file: a HALT in it would be lost.
        """
        saved = read_state(Path(path))
        if saved is not None:
            if saved.manager is not None:
                raise Misuse(
                    f"{path} holds a manager's state too; take it up with RiskManager.load"
                )
            restore_tracker(saved.tracker, self)
        return self

    def _at(self, at: datetime | None) -> datetime:
        return aware(self.clock() if at is None else at)

    def _report(
        self, order_id: str, product_id: str, side: Side, at: datetime | None, **fields: Any
    ) -> None:
        self.apply(
            ev.OrderReported(
                at=self._at(at),
                order_id=order_id,
                product_id=product_id,
                side=side_given(side),
                **fields,
            )
        )


class RiskManager(CoreManager):
    """Says whether an order may be sent, and which actions losses demand. One clock serves manager and tracker: the one
    given here, else the tracker's, else the real one.

    `var` says how value at risk is computed, from the closes that `learn_closes` is told;
    `portfolio_risk` computes it in place of ours.
    """

    def __init__(
        self,
        limits: Limits | None = None,
        tracker: CoreTracker | None = None,
        *,
        clock: Callable[[], datetime] | None = None,
        settings: Settings = DEFAULT_SETTINGS,
        var: ValueAtRisk | None = None,
        portfolio_risk: PortfolioRisk | None = None,
        custom: Iterable[CustomRule] = (),
    ) -> None:
        limits = Limits() if limits is None else limits_given(limits)
        if fault := lacking(limits.require, limits):
            raise Misuse(fault)
        if tracker is not None and not isinstance(tracker, CoreTracker):
            raise Misuse(f"tracker: {tracker!r} is none; give a PositionTracker")
        own = tracker if isinstance(tracker, PositionTracker) else None
        shared = clock or (wall_clock.now if own is None else own.clock)
        aware(shared())
        if own is not None:
            own.clock = shared
        super().__init__(
            limits,
            tracker if tracker is not None else PositionTracker(clock=shared),
            clock=shared,
            settings=settings if var is None else replace(settings, risk=var.settings()),
            portfolio_risk=portfolio_risk,
            custom=(*load_custom_rules(limits.custom), *custom),
        )

    def learn_closes(
        self, product_id: str, closes: Mapping[date | datetime, Number]
    ) -> list[Action]:
        """A product's closes, by the start of each period (a date is its UTC day), in any order:
        the history of value at risk. A period that is missing had no trade; the present one, which
        is not over, is left out. Tell it again, with the new closes, when a period is over.

        Only told closes are waited for: with fewer than `min_history` returns, or none ({}),
        a position in it counts as lost whole (`short_history`).

        Raises Misuse for a price that is none, and a time that is none, without a zone or to come.
        """
        now, period_s = self._now(), self.settings.risk.period_s
        told = sorted((period_start(at, now), price("close", one)) for at, one in closes.items())
        present = int(now.timestamp()) // period_s
        oldest = present - self.settings.risk.policy.length - 1  # of the closes in use
        first = told[0][0] // period_s if told else present
        return self.handle(
            ev.ClosesRead(
                at=now,
                book=self.tracker.books.product(product_id).book,
                period_s=period_s,
                since=min(first, oldest) * period_s,
                until=present * period_s,
                closes=tuple(told),
            )
        )

    def value_at_risk(self) -> dict[str, Any]:
        """Value at risk, expected shortfall and stress loss of the worst of three books, USD, each
        None where it cannot be told, and why (`unavailable`); contributions of holdings; scenarios.
        """
        view: dict[str, Any] = risk_view(self)
        return view

    # The operator's verbs; each answers its actions, as `handle` does.

    def halt(self, reason: str, *, cancel_adding: bool = False) -> list[Action]:
        """Refuse every order until `resume`. `cancel_adding`: the open orders that add risk are to be
        cancelled (`CancelOrders`), and adding orders that appear later.
        """
        event = ev.HaltRequested(at=self._now(), reason=reason, cancel_adding=cancel_adding)
        return self.handle(event)

    def reduce_only(
        self,
        reason: str,
        product_id: str | None = None,
        strategy_id: str | None = None,
        *,
        cancel_adding: bool = False,
    ) -> list[Action]:
        """Let only reducing orders through: everywhere, or for a single product or strategy.
        `cancel_adding`: the open orders there that add risk are to be cancelled (`CancelOrders`), and
        adding orders that appear later.
        """
        return self.handle(
            ev.ReduceOnlyRequested(
                at=self._now(),
                reason=reason,
                product_id=product_id,
                strategy_id=strategy_id,
                cancel_adding=cancel_adding,
            )
        )

    def resume(self, reason: str) -> list[Action]:
        """Lift the causes that may be lifted."""
        return self.handle(ev.ResumeRequested(at=self._now(), reason=reason))

    def flatten(self, reason: str) -> list[Action]:
        """Ask for the account to be sold flat; tell `liquidation_ended` when it is done."""
        return self.handle(ev.FlattenRequested(at=self._now(), reason=reason))

    def liquidation_ended(self, *, flat: bool = True) -> list[Action]:
        """A liquidation is over: the account is flat but for dust, or it was given up."""
        return self.handle(ev.LiquidationEnded(at=self._now(), flat=flat))

    def reset_loss(
        self,
        window: ev.LossWindow,
        reason: str,
        *,
        product_id: str | None = None,
        strategy_id: str | None = None,
    ) -> list[Action]:
        """Begin a loss window anew from the present figures: in every scope; of the daily, weekly and monthly also in
        one alone.
        """
        if window not in get_args(ev.LossWindow):
            raise Misuse(f"window: {window!r} is none of {', '.join(get_args(ev.LossWindow))}")
        if product_id is not None and strategy_id is not None:
            raise Misuse("give product_id or strategy_id, not both; or ask twice")
        return self.handle(
            ev.LossReset(
                at=self._now(),
                window=window,
                reason=reason,
                product_id=product_id,
                strategy_id=strategy_id,
            )
        )

    def reload(self, limits: Limits) -> list[Action]:
        """Let new limits take the place of the old ones, whole. Custom rules are loaded at
        the start only: other ones are answered with a refusal.
        """
        return self.handle(ev.LimitsReplaced(at=self._now(), limits=limits_given(limits)))

    def _now(self) -> datetime:
        return aware(self.clock())

    def save(self, path: str | Path) -> None:
        """Write the books and the trading state to one state file, whole or not at all."""
        state = SavedState(
            saved_at=self.clock(), manager=save_manager(self), tracker=save_tracker(self.tracker)
        )
        write_state(Path(path), state)

    def load(self, path: str | Path) -> Self:
        """Fill this new manager and its new tracker from a state file; where there is none, both
        stay empty. The limits stay this manager's own; where `loosen_after` is in force in the file,
        as `reload` would let them.
        """
        saved = read_state(Path(path))
        if saved is not None:
            restore_tracker(saved.tracker, self.tracker)
            if saved.manager is not None:
                self._go_on(saved.manager)
        return self

    def _go_on(self, saved: SavedManager) -> None:
        own = self.limits
        before = Limits.model_validate({**saved.limits, "custom": own.custom})
        if before.loosen_after is None:
            restore_manager(saved, self)
            return
        self.desk.use(before)
        restore_manager(saved, self)
        if self.loosening.standing != own:
            self.reload(own)
