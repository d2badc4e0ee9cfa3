"""Progress: the findings of each round of a flattening, whether they have changed, and when to
shout. No I/O.
"""

from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from typing import Final

from sidecar.core.account.marks import Marks
from sidecar.core.account.order_index import OrderIndex
from sidecar.core.account.working import WorkingOrder
from sidecar.core.liquidation.episode import Episode, Row, order_line
from sidecar.core.liquidation.sales import Holding
from sidecar.core.vocabulary.actions import Alert
from sidecar.core.vocabulary.money import ZERO

# After a round with the same findings as the one before, each wait is twice as long. A reading is
# some 20 requests, of the 10,000 an hour that Coinbase allows.
RETRY_AFTER: Final = timedelta(seconds=1)
RETRY_AT_MOST: Final = timedelta(seconds=60)
SHOUT_AFTER: Final = 3  # such rounds
SHOUT_EVERY: Final = timedelta(seconds=60)
PRICED_ANEW: Final = timedelta(seconds=30)  # a sale still open by then is not being cancelled
NAMED_MAX: Final = 20  # obstacles in one alert


def note_rows(episode: Episode, found: Iterable[Holding], marks: Marks) -> None:
    """Bring each key's row up to the holdings found; a key not seen before begins one."""
    for row in episode.rows.values():
        row.left, row.note = ZERO, ""
    for one in found:
        known = episode.rows.get(one.key)
        if known is None:
            mark = episode.marks.get(one.key) or marks.usd(one.key)
            known = Row(key=one.key, held=one.quantity, left=one.quantity, mark=mark)
            episode.rows[one.key] = known
        known.left, known.note = one.quantity, one.obstacle


def note_progress(
    episode: Episode,
    found: tuple[list[WorkingOrder], tuple[str, ...], list[Holding], str],
    ledger: OrderIndex,
    now: datetime,
) -> Iterator[Alert]:
    """Count the rounds in a row that found the same; when the findings stay for long, shout. A
    round that cancels a sale which rested counts as none: each has an id of its own, which is no
    progress.
    """
    # Open orders, those of them that cannot be read, the holdings, and why more may be held.
    working, unread, left, fault = found
    orders = [ledger.find(one.order_id) for one in episode.attempts.values()]
    sent = {one.order_id: one.first_sent for one in episode.attempts.values()}
    if any(now - sent.get(order.order_id, now - PRICED_ANEW) < PRICED_ANEW for order in working):
        return
    seen = (
        *unread,
        *(order_line(order.order_id, order.filled) for order in working),
        *(f"{one.key} {one.quantity}" for one in left),
        f"sold {sum((order.filled for order in orders if order is not None), ZERO)}",
    )
    episode.idle_rounds = episode.idle_rounds + 1 if seen == episode.found else 0
    episode.found = seen
    told_at = episode.shouted_at
    if episode.idle_rounds < SHOUT_AFTER or (told_at and now - told_at < SHOUT_EVERY):
        return
    episode.shouted_at = now
    names = [order.order_id for order in working] + [*unread]
    reasons = [f"{name} is not cancelled" for name in names]
    reasons += [f"{one.key}: {_why(episode, one)}" for one in left]
    reasons += [fault] if fault else []
    text = f"the flattening is stuck and goes on trying: {'; '.join(reasons[:NAMED_MAX])}"
    yield Alert(severity="critical", code="LIQUIDATION_STUCK", text=text)


def _why(episode: Episode, holding: Holding) -> str:
    """The obstacle to its sale, as far as is known."""
    mine = [one for one in episode.attempts.values() if one.key == holding.key and one.reason]
    return holding.obstacle or (mine[-1].reason if mine else "its orders do not fill")


def retry_after(idle_rounds: int) -> timedelta:
    """How long a round without new findings waits for the next: 1, 2, 4 … 60 s."""
    if not idle_rounds:
        return timedelta()
    return min(RETRY_AT_MOST, RETRY_AFTER * float(2 ** min(idle_rounds - 1, 6)))
