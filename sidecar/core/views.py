"""Views: the account's state, earnings and remaining limits, for people and programs that ask. No
I/O.

Plain dicts of JSON's kinds, with Decimals and datetimes as they are. Money in USD, losses positive,
prices in quote currency, order sizes in order units (contracts for futures). A figure that cannot
be told is None. A view changes no state.
"""

from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, Final

from msgspec import to_builtins

from sidecar.core.account import losses
from sidecar.core.account.account_window import AccountWindow
from sidecar.core.account.elsewhere import VENUES
from sidecar.core.account.exposure import Exposure, Pnl
from sidecar.core.account.losses import PERIOD_OF, Loss
from sidecar.core.account.position_tracker import PositionTracker
from sidecar.core.account.reservation import Reservation
from sidecar.core.account.wallets import Wallet
from sidecar.core.account.working import WorkingOrder
from sidecar.core.context.loss_now import reason_now
from sidecar.core.context.state import STANDS_STILL, Cause
from sidecar.core.guards.sessions import Sessions
from sidecar.core.judging.usage import Figures, usage
from sidecar.core.liquidation.exit_estimate import exit_of, exit_of_all
from sidecar.core.liquidation.liquidation_report import report_view
from sidecar.core.risk_manager import RiskManager
from sidecar.core.value_at_risk.portfolio_risk import MEASURES, NoFigure
from sidecar.core.value_at_risk.risk_report import risk_report
from sidecar.core.vocabulary.brakes import brakes_not_set
from sidecar.core.vocabulary.durations import written
from sidecar.core.vocabulary.limit_settings import LossLimit
from sidecar.core.vocabulary.money import ZERO, readable, with_money

View = dict[str, Any]

# The readings that a start waits for, in words.
MISSING: Final = {
    "products": "the list of products",
    "balances": "the balances",
    "orders": "the open orders",
    "reconciled": "the reconciliation of orders, fills and balances",
}


@with_money
def status(manager: RiskManager, now: datetime) -> View:
    """The trading state and why, profits and losses, and how far every limit is used."""
    tracker, figures = manager.tracker, _figures(manager)
    return {
        "at": now,
        "state": manager.state.account,
        "bots_may": _bots_may(manager, now),
        "causes": [_cause(cause, manager) for cause in manager.state.causes.values()],
        "missing": missing(manager),
        "doubts": _doubts(manager),
        "unvalued": sorted(tracker.unvalued()),
        "elsewhere": _elsewhere(manager),
        "feeds": {
            "user": manager.feeds.user,
            "market": manager.feeds.market,
            "market_whole_since": manager.feeds.market_whole_since,
        },
        "equity": tracker.equity,
        "kept": tracker.kept,
        "transfers": tracker.transfers,
        "pnl": _pnl(tracker),
        "losses": _losses(manager),
        "exit": exit_of_all(tracker, manager.settings.exit_depth_factor, now),
        "next_daily_reset": None if tracker.windows is None else tracker.windows.next_reset,
        "queued_limits": _queued(manager),
        "queued_terms": _queued_terms(manager),
        "risk": _risk(manager, figures),
        "open_orders": len(tracker.ledger.working),
        "reservations": len(tracker.ledger.reservations),
        "usage": usage(manager.desk, figures, now),
        "brakes_not_set": [brake._asdict() for brake in brakes_not_set(manager.limits)],
        "liquidations": [report_view(report) for report in manager.liquidator.reports()],
    }


@with_money
def positions(manager: RiskManager, now: datetime) -> View:
    """Every exposure key held, worked or once traded; wallets; open orders; live approvals."""
    tracker = manager.tracker
    keys = sorted(tracker.account.lines.keys() | tracker.account.pnl_by_key.keys())
    products: dict[str, list[str]] = {}
    for product in tracker.products.values():
        products.setdefault(product.key, []).append(product.product_id)
    summary = tracker.balances.futures
    return {
        "positions": [_position(manager, key, sorted(products.get(key, ())), now) for key in keys],
        "exit_depth_factor": manager.settings.exit_depth_factor,
        "wallets": [_wallet(name, w) for name, w in sorted(tracker.wallets.by_currency.items())],
        "futures_wallet": None
        if summary is None
        else {
            "total": summary.wallet,
            "booked": tracker.books.futures_cash.total,
            "funding_unpaid": sum(tracker.books.futures_cash.unpaid, ZERO),
            "buying_power": summary.buying_power,
            "liquidation_buffer_percentage": summary.liquidation_buffer_percentage,
            "read_at": summary.at,
        },
        "open_orders": [_order(order) for order in tracker.ledger.working.values()],
        "reservations": [_reservation(one) for one in tracker.ledger.reservations.values()],
    }


def limits(manager: RiskManager) -> View:
    """The limits in force as the configuration would write them, without those not set; and, while looser ones wait,
    `queued`: those.
    """
    known: View = manager.limits.model_dump(mode="json", exclude_unset=True)
    queued = _queued(manager)
    return known if queued is None else {**known, "queued": queued}


def bots(sessions: Sessions) -> list[View]:
    """The bots that have said who they are, those within their grace period included."""
    return [
        {
            "name": session.name,
            "uid": session.uid,
            "strategy_id": session.strategy_id,
            "on_disconnect": session.on_disconnect,
            "since": session.since,
            "connections": session.connections,
            "dropped_at": session.dropped_at,
        }
        for session in sessions.known.values()
    ]


def _queued(manager: RiskManager) -> View | None:
    """The looser limits that wait: until when, who had them read and why, and each key that they change."""
    queued = manager.loosening.memory.queued
    if queued is None:
        return None
    return {
        "since": queued.since,
        "binds_at": queued.stood_at,
        "by": queued.by,
        "reason": queued.reason,
        "changes": to_builtins(manager.loosening.queued_changes()),
    }


def _queued_terms(manager: RiskManager) -> View | None:
    """Which keys bind from a start and wait, and since when; whether they bind from the next one already."""
    memory = manager.loosening.memory
    queued, terms = memory.queued_terms, memory.terms
    if queued is None or terms is None:
        return None
    since = queued.since
    return {
        "keys": terms.differing(queued.terms),
        "since": since,
        "binds_at": None if since is None else since + queued.wait,
        "from_next_start": queued.stood,
    }


# --- Parts of the status --------------------------------------------------------------------------


def _cause(cause: Cause, manager: RiskManager) -> View:
    return {
        "code": cause.code,
        "scope": cause.scope,
        "level": cause.level,
        "since": cause.since,
        "reason": reason_now(manager.desk, cause),
        "by": cause.by,
        "clears_at": cause.clears_at,
        "confirmed": cause.is_confirmed,
        "mend": manager.operator.mend(cause),
    }


def _bots_may(manager: RiskManager, now: datetime) -> View:
    """Whether orders that add risk, and those that reduce it, may pass anywhere, and why not."""
    state, feeds, doubts = manager.state, manager.feeds, manager.tracker.books.doubts
    reduces = state.account not in STANDS_STILL
    if state.account == "STARTING":
        why, reduces = "; ".join(missing(manager)), manager.desk.orders_known
    elif state.account != "ACTIVE":
        of_all = (cause for cause in state.causes.values() if cause.scope == "all")
        why = ", ".join(cause.code for cause in of_all if cause.level == state.account)
    else:
        why = feeds.market_fault or feeds.user_fault or next(iter(doubts.values()), "")
        why = why or _of_limits(manager, now)
    return {"add": state.account == "ACTIVE" and not why, "reduce": reduces, "why": why}


def _of_limits(manager: RiskManager, now: datetime) -> str:
    """Why the account's own limits let no order pass that adds risk, whatever it is; empty where one may."""
    limits, exits = manager.limits, manager.tracker.exits
    if limits.trading_hours is not None:
        opens = limits.trading_hours.hours.opens_at(now)
        if opens is not None:
            return f"it is outside the trading hours, which begin at {opens:%Y-%m-%d %H:%M:%S} UTC"
    if limits.max_exit_cost is not None and (unknown := exits.unknown()):
        return f"max_exit_cost: {exits.why_unknown(unknown[0])}"
    return ""


def missing(manager: RiskManager) -> list[str]:
    """The readings that a start still waits for; empty once it is over."""
    if manager.state.ready:
        return []
    words = [text for name, text in MISSING.items() if name in manager.readiness.missing]
    words += [f"REST's word on the price of {book}" for book in manager.readiness.waits_for()]
    words += [
        f"the {name} feed is {state}"
        for name, state in (("market", manager.feeds.market), ("user", manager.feeds.user))
        if state != "live"
    ]
    return words


def _elsewhere(manager: RiskManager) -> View:
    """Holdings neither counted nor sold: venues that the key may reach with their contents, as far
    as told, and products.
    """
    known = manager.doubts.elsewhere
    venues = {about: known.held.get(venue) for venue, about in VENUES.items()}
    return {"venues": venues, "products": dict(sorted(known.products.items()))}


def _doubts(manager: RiskManager) -> list[str]:
    """Where Coinbase and the books do not agree, or a fact could not be placed."""
    texts = list(manager.tracker.books.doubts.values())
    texts += [f"wallets of {name}: {text}" for name, text in manager.doubts.apart.items()]
    if fault := manager.desk.unread.fault:
        texts.append(f"what futures the account has cannot be read: {fault}")
    for name, doubt in manager.doubts.doubts().items():
        more = "more" if doubt.difference > ZERO else "less"
        since = f"{doubt.since:%Y-%m-%d %H:%M:%S} UTC"
        shown = readable(abs(doubt.difference))
        texts.append(f"Coinbase shows {shown} {more} of {name} than the books, since {since}")
    return texts


def _pnl(tracker: PositionTracker) -> View:
    account = tracker.account
    return {
        "net": account.net_pnl,
        "realised": account.pnl.realised,
        "unrealised": account.unrealised,
        "fees": account.pnl.fees,
        "funding": account.pnl.funding,
    }


def _losses(manager: RiskManager) -> View | None:
    """Of the day, the week and the month, cumulative and drawdown, and of each rolling window that a limit names, from
    its highest; None before the first start is complete.
    """
    tracker = manager.tracker
    windows = tracker.windows
    if windows is None:
        return None

    def row(
        code: str,
        loss: Loss,
        window: AccountWindow,
        limit: LossLimit | None,
        length: timedelta | None = None,
    ) -> View:
        most, least, _ = manager.watch.bounds.ways(code, loss, window=length)
        name = PERIOD_OF.get(code)
        return {
            "usd": loss.usd,
            "base": loss.base,
            "ratio": loss.ratio,
            "least_ratio": least.ratio,
            "most_ratio": most.ratio,
            "limit": None if limit is None else str(limit),
            "since": window.started_at,
            "until": None if name is None else windows.period(name).next_reset,
        }

    limits = manager.limits
    whole, fall = losses.cumulative(tracker), losses.drawdown(tracker)
    found = {
        name: row(
            code,
            losses.within(tracker, name),
            windows.of_period(name),
            getattr(limits, f"max_{name}_loss"),
        )
        for code, name in PERIOD_OF.items()
    } | {
        "cumulative": row("CUMULATIVE_LOSS", whole, windows.cumulative, limits.max_cumulative_loss),
        "drawdown": row("DRAWDOWN", fall, windows.drawdown, limits.max_drawdown),
    }
    for one in limits.max_loss_in or ():
        if (rolls := windows.rolling_of(one.window)) is not None:
            loss = losses.rolling(tracker, one.window)
            name = f"in {written(one.window)}"
            found[name] = row("LOSS_IN", loss, rolls.highs[0], one.loss, one.window)
    return found


def _figures(manager: RiskManager) -> Figures:
    risk = manager.desk.portfolio_risk
    assert risk is not None
    return {name: risk.figure(name, manager.tracker, (), ZERO) for name in MEASURES}


@with_money
def risk_view(manager: RiskManager) -> View:
    """VaR and its kin as `status` has them."""
    return _risk(manager, _figures(manager))


def _risk(manager: RiskManager, figures: Figures) -> View:
    """VaR and its kin of the portfolio as it is, USD, each None where it cannot be told, and why;
    and the model and history behind the figures.
    """
    reasons = [figure.reason for figure in figures.values() if isinstance(figure, NoFigure)]
    known: View = {
        name.removeprefix("max_"): None if isinstance(figure, NoFigure) else figure.before
        for name, figure in figures.items()
    }
    own = manager.desk.portfolio_risk is manager.risk
    return {
        **known,
        "unavailable": reasons[0] if reasons else None,
        **(manager.risk.about() | risk_report(manager.risk) if own else {}),
    }


# --- Parts of the positions -----------------------------------------------------------------------


def _position(manager: RiskManager, key: str, product_ids: list[str], now: datetime) -> View:
    tracker, factor = manager.tracker, manager.settings.exit_depth_factor
    book = tracker.account
    line = book.lines.get(key) or Exposure(key, is_future=False, mark=None)
    pnl, mark = book.pnl_by_key.get(key) or Pnl(), tracker.marks.by_key.get(key)
    return {
        "key": key,
        "product_ids": product_ids,
        "quantity": line.position.quantity,
        "mark": None if mark is None else mark.value,
        "marked_at": None if mark is None else mark.at,
        "average_cost": line.position.average_price(),
        "unrealised": line.unrealised,
        "realised": pnl.realised,
        "fees": pnl.fees,
        "funding": pnl.funding,
        "worst_long": line.long,
        "worst_short": line.short,
        "worst_notional": line.notional,
        "open_buy": line.open_buy,
        "open_sell": line.open_sell,
        "keep": _keep(tracker.wallets.keep.get(key, ZERO)),
        "exit": exit_of(tracker, key, factor, now) if line.position.quantity else None,
    }


def _keep(keep: Decimal | None) -> Decimal | str:
    return "all" if keep is None else keep


def _wallet(currency: str, wallet: Wallet) -> View:
    return {
        "currency": currency,
        "total": wallet.total,
        "free": wallet.free,
        "held": wallet.held,
        "held_elsewhere": wallet.foreign_hold,
        "reserved": wallet.reserved,
        "keep": _keep(wallet.keep),
        "differs_by": wallet.doubted,
        "value": wallet.value,
    }


def _order(order: WorkingOrder) -> View:
    return {
        "order_id": order.order_id,
        "client_order_id": order.client_order_id,
        "product_id": order.product_id,
        "side": order.side,
        "size": order.size,
        "filled": order.filled,
        "remaining": order.remaining,
        "limit_price": order.limit_price,
        "stop_price": order.stop_price,
        "status": order.status,
        "strategy_id": order.strategy_id,
        "created_at": order.created_at,
    }


def _reservation(reservation: Reservation) -> View:
    order = reservation.order
    return {
        "client_order_id": order.client_order_id,
        "order_id": reservation.order_id,
        "product_id": order.product_id,
        "side": order.side,
        "base_size": order.base_size,
        "quote_size": order.quote_size,
        "strategy_id": reservation.strategy_id,
        "approved_at": reservation.approved_at,
        "expires_at": reservation.expires_at,
    }
