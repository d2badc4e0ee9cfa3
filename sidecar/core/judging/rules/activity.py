"""How much is going on: identical orders, rates, open orders, adding to a position. No I/O."""

from decimal import Decimal
from typing import Final

from sidecar.core.account.exposure import Portfolio
from sidecar.core.account.reservation import RESERVATIONS_MAX, RESERVATIONS_OF_A_USER_MAX
from sidecar.core.context.activity import ONE_OF_MANY
from sidecar.core.judging.candidate import Candidate, OnKey
from sidecar.core.judging.rules.rule import Doc, Gate, Measured, Row, ScopedLimit
from sidecar.core.vocabulary.decision import Violation
from sidecar.core.vocabulary.limits import Limits
from sidecar.core.vocabulary.money import ONE, ZERO
from sidecar.core.vocabulary.products import Product


def client_order_id(candidate: Candidate) -> Violation | None:
    """A live approval with another body, or an id the exchange knows already."""
    if candidate.replaced is not None or candidate.is_rejudged:
        return None
    ledger, name = candidate.tracker.ledger, candidate.order.client_order_id
    if name in ledger.reservations:
        why = "is reserved for another order; use a new id"
    elif name in ledger.working_by_client_id or ledger.closed.has_used(name):
        why = "was used on the exchange already; use a new id"
    else:
        return None
    return Violation(
        "DUPLICATE_CLIENT_ORDER_ID", observed=name, message=f"client_order_id {name!r} {why}"
    )


def orders_like_it(candidate: Candidate, bound: ScopedLimit) -> str:
    return f"{bound.window}|{candidate.fingerprint}"


def all_orders(_check: Candidate, bound: ScopedLimit) -> str:
    return bound.window


def identical(candidate: Candidate, bound: ScopedLimit) -> Row | None:
    return _approved(candidate, bound, orders_like_it(candidate, bound))


def rate(candidate: Candidate, bound: ScopedLimit) -> Row | None:
    return _approved(candidate, bound, bound.window)


def _approved(candidate: Candidate, bound: ScopedLimit, name: str) -> Row:
    count = candidate.desk.activity.count(name, bound.rate, candidate.now)
    return Row(base=Decimal(count) if candidate.is_rejudged else count + ONE)


def _counted_before(candidate: Candidate) -> Decimal:
    """The part of an edited order's worth that counted when it was approved: an edit counts what it adds."""
    if candidate.replaced is None:
        return ZERO
    return candidate.replaced.size * (candidate.worth.unit_notional or ZERO)


def notional_added(candidate: Candidate) -> Decimal:
    return max(ZERO, (candidate.worth.notional or ZERO) - _counted_before(candidate))


def notional_in(candidate: Candidate, bound: ScopedLimit) -> Row | None:
    return _notional(candidate, bound, bound.window)


def _notional(candidate: Candidate, bound: ScopedLimit, window: str) -> Row:
    used = candidate.desk.activity.used(window, bound.quota, candidate.now)
    if candidate.is_rejudged:  # it has counted
        return Row(base=used)
    return Row(base=used - _counted_before(candidate), slope=ONE, floor=used, of="worth")


def open_orders(candidate: OnKey, bound: ScopedLimit) -> Row:
    after = bound.after(candidate)
    orders = after.orders_on_key if bound.kind == "product" else after.orders
    return Row(base=Decimal(orders - candidate.is_new), slope=ONE, of="orders")


def too_many_reservations(candidate: Candidate) -> Violation | None:
    alive, asker = candidate.tracker.ledger.reservations, candidate.asker
    if len(alive) < RESERVATIONS_OF_A_USER_MAX:
        return None
    own = 0
    if asker is not None:
        makers = (one.maker for one in alive.values())
        own = sum(maker is not None and maker.uid == asker.uid for maker in makers)
    if own >= RESERVATIONS_OF_A_USER_MAX:
        count, whose = RESERVATIONS_OF_A_USER_MAX, " of this user"
    elif len(alive) >= RESERVATIONS_MAX:
        count, whose = RESERVATIONS_MAX, ""
    else:
        return None
    return Violation(
        "MAX_OPEN_ORDERS",
        limit=str(count),
        observed=str(count + 1),
        message=f"{count} approvals{whose} are alive already; send or release them",
    )


def most_alive(share: Decimal | None) -> int:
    """How many approvals of one bot may be alive, by its share of the limits: one at least."""
    return max(1, int(RESERVATIONS_MAX * (share or ONE)))


def too_many_of_a_bot(candidate: Candidate) -> Violation | None:
    alive, share = candidate.tracker.ledger.reservations, candidate.limits.max_share_of_limits
    most = most_alive(share)
    if not candidate.bot or candidate.is_rejudged or len(alive) < most:
        return None
    bot_of = candidate.tracker.orders.bot_of
    lapses = [one.expires_at for one in alive.values() if bot_of(one.maker) == candidate.bot]
    if len(lapses) < most:
        return None
    return Violation(
        "MAX_SHARE_OF_LIMITS",
        limit=str(most),
        observed=str(len(lapses) + 1),
        message=f"{len(lapses)} approvals of {candidate.bot} are alive already; send or release them",
        clears_at=min(lapses),
    )


def has_share(limits: Limits, _product: Product) -> bool:
    return limits.max_share_of_limits is not None


def bots_orders(candidate: Candidate, bound: ScopedLimit) -> str:
    return f"{bound.window}|{candidate.bot}"


def bots_orders_like_it(candidate: Candidate, bound: ScopedLimit) -> str:
    return f"{ONE_OF_MANY}{bound.window}|{candidate.fingerprint}|{candidate.bot}"


def identical_of_bot(candidate: Candidate, bound: ScopedLimit) -> Row | None:
    everyones = f"DUPLICATE_ORDER|{bound.scope}|{candidate.fingerprint}"
    return _of_bot(candidate, bound, bots_orders_like_it(candidate, bound), everyones)


def rate_of_bot(candidate: Candidate, bound: ScopedLimit) -> Row | None:
    everyones = f"MAX_ORDER_RATE|{bound.scope}"
    return _of_bot(candidate, bound, bots_orders(candidate, bound), everyones)


def _of_bot(candidate: Candidate, bound: ScopedLimit, own: str, everyones: str) -> Row | None:
    """A bot's approvals are among everyone's: of both counts the smaller is true, where a window was longer once."""
    if not candidate.bot:
        return None
    return min((_approved(candidate, bound, name) for name in (own, everyones)), key=figure_of)


def figure_of(row: Row) -> Decimal:
    return row.base


def notional_in_of_bot(candidate: Candidate, bound: ScopedLimit) -> Row | None:
    return _notional(candidate, bound, bots_orders(candidate, bound)) if candidate.bot else None


def open_orders_of_bot(candidate: Candidate, bound: ScopedLimit) -> Row | None:
    if not candidate.bot:
        return None
    names = {"all": "", "product": candidate.key, "strategy": candidate.strategy_id or ""}
    open_now = candidate.tracker.books.bot_orders.of(candidate.bot, bound.kind, names[bound.kind])
    return Row(base=Decimal(open_now + candidate.is_new))


def held_in_direction(candidate: OnKey, bound: ScopedLimit) -> Row:
    """The position that the order would add to, base units, in the scope that forbids adding."""
    book: Portfolio | None = candidate.tracker.account
    if bound.kind == "strategy":
        book = candidate.tracker.strategies.get(candidate.strategy_id or "")
    line = None if book is None else book.lines.get(candidate.key)
    if line is None:
        return Row(base=ZERO)
    return Row(base=line.position.quantity if candidate.is_buy else -line.position.quantity)


RULES: Final = (
    Gate(
        code="DUPLICATE_CLIENT_ORDER_ID",
        judge=client_order_id,
        exempt_if_reducing=False,
        doc=Doc("another order is reserved under this id, or the exchange has seen it"),
    ),
    Measured(
        code="DUPLICATE_ORDER",
        of_order=True,
        window=orders_like_it,
        limit="duplicate_order",
        order_row=identical,
        warns=False,
        text="this would be identical order number {observed} within the window; {limit} are allowed",
        doc=Doc(
            "identical approved orders within the window, this one included, > count",
            "the count passes",
        ),
    ),
    Measured(
        code="MAX_ORDER_RATE",
        window=all_orders,
        limit="max_order_rate",
        order_row=rate,
        text="this would be approved order number {observed} within the window; {limit} are allowed",
        doc=Doc(
            "approved orders within the window, this one included, > count; refused attempts do not count",
            "the count passes",
        ),
    ),
    Measured(
        code="MAX_NOTIONAL_IN",
        limit="max_notional_in",
        unit="usd",
        order_row=notional_in,
        window=all_orders,
        notional=notional_added,
        text="orders of {observed} would be approved within the window; the limit is {limit}",
        doc=Doc(
            "notional of approved orders within the window, this one included, > usd; an edit counts what it adds",
            "the limit passes",
        ),
    ),
    Measured(
        code="MAX_OPEN_ORDERS",
        limit="max_open_orders",
        reads="side",
        row=open_orders,
        text="this would be open order number {observed}; {limit} are allowed",
        doc=Doc(
            "open orders and reservations, this one included, > limit; of one product in a "
            "product's table, else of all",
            "the limit passes",
        ),
    ),
    Gate(
        code="MAX_OPEN_ORDERS",
        judge=too_many_reservations,
        exempt_if_reducing=True,
        doc=Doc(
            f"{RESERVATIONS_MAX:,} approvals are alive at once, or {RESERVATIONS_OF_A_USER_MAX:,} of one user"
            " (not configurable)"
        ),
    ),
    Measured(
        code="MAX_SHARE_OF_LIMITS",
        of_order=True,
        of_bot=True,
        limit="duplicate_order",
        order_row=identical_of_bot,
        window=bots_orders_like_it,
        warns=False,
        text="this would be identical order number {observed} of this bot; {limit} are its share of duplicate_order",
        doc=Doc(
            "identical approved orders of this bot within the window, this one included, > its share, rounded down, at"
            " least 1",
            "the count passes",
        ),
    ),
    Measured(
        code="MAX_SHARE_OF_LIMITS",
        of_order=True,
        of_bot=True,
        limit="max_order_rate",
        order_row=rate_of_bot,
        window=bots_orders,
        text="this would be approved order number {observed} of this bot; {limit} are its share of max_order_rate",
        doc=Doc("approved orders of this bot, in the same way", "the count passes"),
    ),
    Measured(
        code="MAX_SHARE_OF_LIMITS",
        of_order=True,
        of_bot=True,
        limit="max_notional_in",
        unit="usd",
        order_row=notional_in_of_bot,
        window=bots_orders,
        notional=notional_added,
        text="orders of {observed} of this bot would be approved; {limit} are its share of max_notional_in",
        doc=Doc(
            "notional of this bot's approved orders within the window, this one included, > its share",
            "the limit passes",
        ),
    ),
    Measured(
        code="MAX_SHARE_OF_LIMITS",
        of_order=True,
        of_bot=True,
        limit="max_open_orders",
        order_row=open_orders_of_bot,
        text="this would be open order number {observed} of this bot; {limit} are its share of max_open_orders",
        doc=Doc(
            "open orders and reservations of this bot, this one included, > its share, rounded down, at least 1",
            "the limit passes",
        ),
    ),
    Gate(
        code="MAX_SHARE_OF_LIMITS",
        judge=too_many_of_a_bot,
        exempt_if_reducing=True,
        applies=has_share,
        doc=Doc(
            f"as many approvals of this bot are alive as are its share of {RESERVATIONS_MAX:,}",
            key="max_share_of_limits",
        ),
    ),
    Measured(
        code="NO_ADDING",
        of_order=True,
        per_key=True,
        limit="no_adding",
        unit="size",
        reads="side",
        row=held_in_direction,
        warns=False,
        text="a position of {observed} is open in this direction already; close it first",
        doc=Doc("`no_adding` is set, a position is open, and the order is in its direction"),
    ),
)
