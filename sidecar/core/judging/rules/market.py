"""Is the picture good enough to judge by, does the state allow it, and is the price sane? No
I/O.
"""

from datetime import datetime, timedelta
from decimal import Decimal
from typing import Final

from msgspec.structs import replace

from sidecar.core.account.marks import Mark
from sidecar.core.context.loss_now import reason_beside_its_rule
from sidecar.core.context.state import CAUSES, Cause, Level
from sidecar.core.judging.candidate import Candidate
from sidecar.core.judging.rules.rule import Doc, Gate, Measured, Row, ScopedLimit
from sidecar.core.judging.rules.waiting import in_the_way_of_an_exit
from sidecar.core.vocabulary.decision import Violation
from sidecar.core.vocabulary.money import ONE, ZERO, readable
from sidecar.core.vocabulary.orders import OPPOSITE

CLOCK_TOLERANCE: Final = timedelta(
    seconds=2
)  # a quote this far in the future is our clock's doubt, not a price


def nothing_known(candidate: Candidate) -> Violation | None:
    if candidate.desk.state.ready or candidate.desk.orders_known:
        return None
    return Violation(
        "NOT_READY",
        observed="STARTING",
        message="balances and open orders have not been read yet; ask again shortly",
    )


def still_starting(candidate: Candidate) -> Violation | None:
    if candidate.desk.state.ready or not candidate.desk.orders_known:
        return None
    return Violation(
        "NOT_READY",
        observed="STARTING",
        message="the account is not wholly read yet; ask again shortly (status names what is missing)",
    )


def market_data(candidate: Candidate) -> Violation | None:
    """The quotes that value the order: its own book's, its key's mark and its quote currency's."""
    if fault := candidate.desk.feeds.market_fault:
        return _stale(candidate, fault, "no feed")
    marks, product = candidate.tracker.marks, candidate.product
    quote = marks.quotes.get(product.book)  # a fill is no quote: it does not tell both sides
    own = None if quote is None else Mark(ONE, quote.at)
    if found := _aged(candidate, product.book, own):
        return found
    by_key = marks.by_key.get(candidate.key)
    if by_key is not marks.mids.get(product.book) and (
        found := _aged(candidate, candidate.key, by_key)
    ):
        return found
    return _aged(candidate, product.quote, marks.by_key.get(product.quote))


def _aged(candidate: Candidate, name: str, mark: Mark | None) -> Violation | None:
    if mark is None:
        return _stale(candidate, f"no good quote values {name} in USD yet", "none")
    at = mark.at
    if at is None:  # a dollar is a dollar
        return None
    age, since = candidate.now - at, candidate.desk.feeds.market_whole_since
    if age > candidate.desk.max_quote_age:
        age_s = f"{age.total_seconds():.3f}"
        return _stale(candidate, f"the last good quote of {name} is {age_s} s old", age_s)
    if age < -CLOCK_TOLERANCE:
        text = f"the last good quote of {name} lies in the future; check the clock"
        return _stale(candidate, text, f"{age.total_seconds():.3f}")
    if since is not None and at < since:
        return _stale(candidate, f"no quote of {name} since the market feed lost frames", "gap")
    return None


def _stale(candidate: Candidate, why: str, observed: str) -> Violation:
    return Violation(
        "STALE_MARKET_DATA",
        scope=f"product:{candidate.product.product_id}",
        limit=readable(candidate.limits.max_quote_age_s),
        observed=observed,
        message=why,
    )


def account_data(candidate: Candidate) -> Violation | None:
    tracker, feeds = candidate.tracker, candidate.desk.feeds
    if why := feeds.user_fault:
        return Violation("STALE_ACCOUNT_DATA", observed=feeds.user, message=why)
    for doubt in tracker.books.doubts.values():
        return Violation("STALE_ACCOUNT_DATA", observed="doubt", message=doubt)
    if candidate.is_future and (fault := candidate.desk.unread.fault):
        return Violation(
            "STALE_ACCOUNT_DATA",
            scope=f"product:{candidate.product.product_id}",
            observed="unread",
            message=f"what futures the account has cannot be read: {fault}; ask again shortly",
        )
    return None


def _state(candidate: Candidate, level: Level, code: str) -> Violation | None:
    causes = [cause for cause in candidate.causes if cause.level == level]
    if not causes:
        return None
    return Violation(
        code,
        scope=causes[0].scope,
        observed=", ".join(cause.code for cause in causes),
        message="; ".join(
            f"{reason_beside_its_rule(candidate.desk, cause)} (fix: {CAUSES[cause.code].mend})"
            for cause in causes
        ),
        clears_at=_latest(causes),
    )


def _latest(causes: list[Cause]) -> datetime | None:
    """When waiting alone would lift them all; None if one of them never lifts by itself."""
    times = [cause.clears_at for cause in causes]
    known = [time for time in times if time is not None]
    return max(known) if len(known) == len(times) else None


def halted(candidate: Candidate) -> Violation | None:
    return _state(candidate, "HALTED", "STATE_HALTED")


def liquidating(candidate: Candidate) -> Violation | None:
    return _state(candidate, "LIQUIDATING", "STATE_LIQUIDATING")


def reduce_only(candidate: Candidate) -> Violation | None:
    """Where other approvals are why the order is no exit, it passes once they have lapsed."""
    found = _state(candidate, "REDUCE_ONLY", "STATE_REDUCE_ONLY")
    waits = None if found is None else in_the_way_of_an_exit(candidate)
    if found is None or waits is None:
        return found
    times = [time for time in (found.clears_at, waits.clears_at) if time is not None]
    return replace(found, message=found.message + waits.text, clears_at=min(times))


def price_shock(candidate: Candidate) -> Violation | None:
    return _locked(candidate, "PRICE_SHOCK")


def market_shock(candidate: Candidate) -> Violation | None:
    return _locked(candidate, "MARKET_SHOCK")


def _locked(candidate: Candidate, code: str) -> Violation | None:
    for cause in candidate.causes:
        if cause.code == code:
            return Violation(code, cause.scope, message=cause.reason, clears_at=cause.clears_at)
    return None


def self_cross(candidate: Candidate) -> Violation | None:
    """Own resting orders are met at their limit prices, stops that are not triggered at their stops; a
    stop meets them once triggered, so it is judged alike.
    """
    theirs = _met_first(candidate)
    if theirs is None:
        return None
    reach = _reach(candidate)
    if reach is None or not _meets(candidate, theirs, reach):
        return None
    return Violation(
        "SELF_CROSS",
        observed=readable(theirs),
        message=f"it would trade against an own resting order at {readable(theirs)}; cancel that first",
    )


def self_cross_room(candidate: Candidate) -> Decimal | None:
    """A market order may take the quoted size, where an own order lies behind that."""
    if not candidate.order.is_market:
        return None
    theirs, far, (touch, size) = _met_first(candidate), candidate.worth.price, _touch(candidate)
    if theirs is None or far is None or not _meets(candidate, theirs, far):
        return None
    if size is None or touch is None or _meets(candidate, theirs, touch):
        return ZERO
    return size


def _met_first(candidate: Candidate) -> Decimal | None:
    touch, _ = _touch(candidate)
    return candidate.tracker.ledger.met_first(
        candidate.product.book, OPPOSITE[candidate.order.side], touch
    )


def _meets(candidate: Candidate, theirs: Decimal, reach: Decimal) -> bool:
    return theirs <= reach if candidate.is_buy else theirs >= reach


def _touch(candidate: Candidate) -> tuple[Decimal | None, Decimal | None]:
    """The best price on the other side, and the size offered at it."""
    quote = candidate.quote
    if quote is None:
        return None, None
    return (quote.ask, quote.ask_size) if candidate.is_buy else (quote.bid, quote.bid_size)


def _reach(candidate: Candidate) -> Decimal | None:
    """The worst price that the order may trade at: of a market order that is no larger than the quoted size,
    the quote; of a larger order, or where no size is told, that and its slippage.
    """
    order, (touch, size) = candidate.order, _touch(candidate)
    if order.limit_price is not None:
        return order.limit_price
    if touch is None or size is None:
        return candidate.worth.price
    asked, quoted = order.base_size, size
    if asked is None:
        asked, quoted = order.quote_size or ZERO, size * touch
    return touch if asked <= quoted else candidate.worth.price


def beyond_touch(candidate: Candidate, _bound: ScopedLimit) -> Row | None:
    """How far the limit price goes through the market, as a ratio of the far touch (or of the stop
    price).
    """
    order, quote = candidate.order, candidate.quote
    # A bracket's own limit is its target; the 5 % beyond its trigger is Coinbase's doing.
    price = order.given_limit
    if price is None:
        return None
    reference = order.stop_price
    if reference is None:
        if quote is None:
            return None
        reference = quote.ask if candidate.is_buy else quote.bid
    if price <= reference if candidate.is_buy else price >= reference:
        return None  # on its own side of the market
    return Row(base=abs(price / reference - ONE))


RULES: Final = (
    Gate(
        code="NOT_READY",
        judge=nothing_known,
        reads_state=True,
        exempt_if_reducing=False,
        doc=Doc("still STARTING and balances or open orders have not been read: nothing passes"),
    ),
    Gate(
        code="NOT_READY",
        judge=still_starting,
        reads_state=True,
        exempt_if_reducing=True,
        doc=Doc("still STARTING: reducing orders pass once balances and open orders are read"),
    ),
    Gate(
        code="STALE_MARKET_DATA",
        judge=market_data,
        exempt_if_reducing=True,
        doc=Doc(
            "the quote that values the order (or converts it to USD) is missing, older than `max_quote_age_s`, from "
            "before a gap, or the market feed is silent",
            "an age equal to the limit passes",
            key="max_quote_age_s",
        ),
    ),
    Gate(
        code="STALE_ACCOUNT_DATA",
        judge=account_data,
        exempt_if_reducing=True,
        doc=Doc(
            "the user feed is silent or gapped, reconciliation is unfinished, or Coinbase differs from the books; of a "
            "future: what futures the account has cannot be read"
        ),
    ),
    Gate(
        code="STATE_HALTED",
        judge=halted,
        reads_state=True,
        exempt_if_reducing=False,
        doc=Doc("a cause halts the order's scope"),
    ),
    Gate(
        code="STATE_LIQUIDATING",
        judge=liquidating,
        reads_state=True,
        exempt_if_reducing=False,
        doc=Doc("the account is being sold off"),
    ),
    Gate(
        code="STATE_REDUCE_ONLY",
        judge=reduce_only,
        reads_state=True,
        exempt_if_reducing=True,
        doc=Doc("a cause allows only reducing orders in the order's scope"),
    ),
    Gate(
        code="PRICE_SHOCK",
        judge=price_shock,
        reads_state=True,
        exempt_if_reducing=True,
        doc=Doc(
            "the product is locked after a fast move: the absolute one-second returns within `window_s` sum to "
            "`max_move` or more, or the position lost `max_loss_from_entry` or more of its entry value",
            "the limit itself breaks",
            key="price_shock",
        ),
    ),
    Gate(
        code="MARKET_SHOCK",
        judge=market_shock,
        reads_state=True,
        exempt_if_reducing=True,
        doc=Doc(
            "the account is locked after many coins fell together: at least `share` of the `products` (else of all "
            "coins with a quote now, or one within `window`) stood `fall` or more below the highest at which they had "
            "stood within `window`; a price stands until the next one, for `max_mark_age_s` at most",
            "the limits themselves break",
            key="market_shock",
        ),
    ),
    Gate(
        code="SELF_CROSS",
        judge=self_cross,
        room=self_cross_room,
        exempt_if_reducing=True,
        doc=Doc(
            "it would trade against an own resting or reserved order of the same book: a limit order that reaches "
            "its price; a market order at the quote for what is quoted, beyond that within "
            "`market_order_slippage`. A stop that is not triggered lies at its stop price: met by orders that "
            "trade through it",
            "an equal price breaks",
        ),
    ),
    Measured(
        code="PRICE_COLLAR",
        of_order=True,
        limit="price_collar",
        unit="share",
        order_row=beyond_touch,
        exempt_if_reducing=False,
        warns=False,
        text="the limit price goes {observed} through the market; {limit} is allowed",
        doc=Doc(
            "(buy limit ÷ ask − 1) or (1 − sell limit ÷ bid) > limit; stop and bracket orders are measured from their "
            "stop price",
            "the limit passes",
        ),
    ),
)
