"""Orders as Coinbase reports them: one table of statuses, merged monotonically. No I/O.

Source: Coinbase Advanced Trade API, OrderExecutionStatus; the order of the stages is the one seen
on the wire.
"""

from typing import Final

# Rank of every OrderExecutionStatus. An order only moves to a higher rank; the terminal ones are
# never left.
STATUS_RANK: Final[dict[str, int]] = {
    "UNKNOWN_ORDER_STATUS": 0,
    "PENDING": 1,
    "QUEUED": 2,
    "OPEN": 3,
    "EDIT_QUEUED": 4,
    "CANCEL_QUEUED": 5,
    "FILLED": 9,
    "CANCELLED": 9,
    "EXPIRED": 9,
    "FAILED": 9,
}
TERMINAL_RANK: Final = 9
# Our own word, for an order that was told as open and that Coinbase does not know. A listing that has it
# opens it again; a frame, which told of it before, does not.
VANISHED: Final = "VANISHED"


def later_status(known: str, reported: str) -> str:
    """The monotone merge of two reports of one order: the later stage, whichever came first.

    EDIT_QUEUED falls back to OPEN when the edit is done; every other step back is a late or
    repeated frame. A status not in the table is treated as UNKNOWN_ORDER_STATUS, which is never
    terminal.
    """
    if known == "EDIT_QUEUED" and reported == "OPEN":
        return reported
    old, new = STATUS_RANK.get(known, 0), STATUS_RANK.get(reported, 0)
    if known == VANISHED:
        return reported if new == TERMINAL_RANK else known
    return reported if new > old else known


def is_terminal(status: str) -> bool:
    """Whether the order has ended: only late news of its fills can come."""
    return status == VANISHED or STATUS_RANK.get(status, 0) == TERMINAL_RANK
