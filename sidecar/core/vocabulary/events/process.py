"""The process and its host: start and end, time, the clock, the disk. No I/O."""

from datetime import datetime, timedelta

from sidecar.core.vocabulary.events.event import Event


class Started(Event, frozen=True, kw_only=True, tag=True):
    """A new process has taken up the books: no feed is live, no reading done. `unclean_since`: the
    last moment known of a process that was killed; None after an orderly stop. `ahead`: see
    `ClocksCompared`.
    """

    unclean_since: datetime | None = None
    ahead: timedelta = timedelta()


class Stopped(Event, frozen=True, kw_only=True, tag=True):
    """The process ends in order: all facts are on disk."""


class ClockAdvanced(Event, frozen=True, kw_only=True, tag=True):
    """Only time has passed."""


class ClocksCompared(Event, frozen=True, kw_only=True, tag=True):
    """The machine's clock, which `at` is told by, is so far ahead of Coinbase's; behind where negative."""

    ahead: timedelta


class DiskChanged(Event, frozen=True, kw_only=True, tag=True):
    """The disk is full, or has room again. `hangs`: it does not answer, which is as bad."""

    full: bool
    hangs: bool = False


class LimitsRefused(Event, frozen=True, kw_only=True, tag=True):
    """The limits of the configuration cannot be used at a start, and money is at stake: the last good ones stay."""

    reason: str
