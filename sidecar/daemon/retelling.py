"""Retelling: a manager that is told the facts of a record again, of an older version's too. No I/O.

A version's questions to Coinbase are in the record, and so are the answers. Where the words of now
ask REST for prices and those of then did not, there is none: the feed's word stands, as it does
when REST is silent, once the feed has told a price of all that is held.
"""

from datetime import datetime
from typing import Final

from sidecar.core.risk_manager import RiskManager
from sidecar.core.vocabulary import actions as ac
from sidecar.core.vocabulary import events as ev
from sidecar.core.vocabulary.errors import Untrusted

ASKED: Final = ac.ConfirmQuotes.__name__  # the type of the line that says so


class Retelling:
    """Tell a fact, then `finish` it, knowing whether it had REST asked for prices then, too. The last
    of a file is not finished: lines of it may not have been written any more.
    """

    def __init__(self, manager: RiskManager) -> None:
        self.manager = manager
        self._asks = False
        self._owes_answer = False

    def tell(self, event: ev.Event) -> list[ac.Action]:
        """The actions of the fact by now; none where it cannot be true: it was left out then, too."""
        try:
            actions = self.manager.handle(event)
        except Untrusted:
            actions = []
        self._asks = any(type(action) is ac.ConfirmQuotes for action in actions)
        return actions

    def finish(self, at: datetime, *, asked: bool) -> list[ac.Action]:
        """The further actions, of an answer that the record does not have."""
        self._owes_answer |= self._asks and not asked
        self._asks, tracker = False, self.manager.tracker
        if not self._owes_answer or None in map(tracker.marks.usd, tracker.unmarked()):
            return []
        self._owes_answer = False
        return self.manager.handle(ev.ConfirmationUnavailable(at=at))
