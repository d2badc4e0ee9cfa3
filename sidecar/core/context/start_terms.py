"""Terms that bind from a start and that let limits bind less: kept holdings, bots, custom rules. No I/O.

They are the configuration's; the core only remembers them. Where `loosen_after` is in force, a start with other terms
goes on with the old ones. The new ones are queued, and bind from the first start after they have stood.
"""

from datetime import datetime, timedelta
from typing import Any

from msgspec import Struct
from msgspec.structs import replace


class StartTerms(Struct, frozen=True, kw_only=True):
    """As the configuration writes them: `positions.keep`, `server.bots`, `server.strategies`, `limits.custom`."""

    keep: dict[str, str] = {}
    bots: dict[str, dict[str, Any]] = {}
    strategies: str | None = None
    custom: tuple[str, ...] = ()

    def differing(self, other: "StartTerms") -> tuple[str, ...]:
        """The keys of the configuration in which two terms differ."""
        names = {
            "positions.keep": (self.keep, other.keep),
            "server.bots": (self.bots, other.bots),
            "server.strategies": (self.strategies, other.strategies),
            "limits.custom": (self.custom, other.custom),
        }
        return tuple(name for name, (mine, its) in names.items() if mine != its)


class QueuedTerms(Struct, frozen=True, kw_only=True):
    """Terms that wait, from when a process knew both clocks on. `stood`: they bind from the next start."""

    terms: StartTerms
    wait: timedelta
    uid: int | None
    since: datetime | None = None
    stood: bool = False


def decided(
    in_force: StartTerms,
    queued: QueuedTerms | None,
    new: StartTerms,
    wait: timedelta,
    uid: int | None,
) -> tuple[StartTerms, QueuedTerms | None]:
    """The terms of a new process, and those that are queued: a custom rule more binds at once, any other change waits.
    `uid`: the user who had them read.
    """
    if queued is not None and queued.terms == new:
        if queued.stood:
            return new, None
    else:
        queued = QueuedTerms(terms=new, wait=wait, uid=uid)
    added = tuple(name for name in new.custom if name not in in_force.custom)
    binding = replace(in_force, custom=(*in_force.custom, *added))
    if binding != new and set(binding.custom) == set(new.custom):
        binding = replace(binding, custom=new.custom)  # in another order only
    return binding, None if binding == new else queued
