"""Patience: how often, and for how long, the same fault has been looked at. No I/O, no clock."""

from typing import Final, Literal

LOOKS: Final = 3
FOR_S: Final = 30.0
KNOWN_MAX: Final = 1_000  # faults; the oldest are forgotten, and looked at anew


class Patience:
    """Faults by their words: each is waited for until it was looked at LOOKS times over FOR_S seconds."""

    def __init__(self) -> None:
        self._looks: dict[str, tuple[int, float]] = {}
        self._over: dict[str, None] = {}

    def look(self, fault: str, wall: float) -> Literal["wait", "give up", "given up"]:
        """The fault is met once more; `give up` is said once."""
        if fault in self._over:
            return "given up"
        looks, since = self._looks.pop(fault, (0, wall))
        if looks + 1 >= LOOKS and wall - since >= FOR_S:
            self._over[fault] = None
            _bound(self._over)
            return "give up"
        self._looks[fault] = (looks + 1, since)
        _bound(self._looks)
        return "wait"

    def keep(self, faults: set[str]) -> None:
        """All others are over: a fault met again begins anew."""
        self._looks = {fault: known for fault, known in self._looks.items() if fault in faults}
        self._over = {fault: None for fault in self._over if fault in faults}

    def forget(self, fault: str) -> None:
        """It is over."""
        self._looks.pop(fault, None)


def _bound(known: dict[str, tuple[int, float]] | dict[str, None]) -> None:
    if len(known) > KNOWN_MAX:
        del known[next(iter(known))]
