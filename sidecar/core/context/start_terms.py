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
    """Terms that wait, from when a process knew both clocks on. `stood`: they bind from the next start. `uid`: the user
    who had them read; `owners`: the users whose file it is.
    """

    terms: StartTerms
    wait: timedelta
    uid: int | None
    owners: tuple[int, ...] = ()
    since: datetime | None = None
    stood: bool = False


def decided(
    in_force: StartTerms, queued: QueuedTerms | None, read: QueuedTerms
) -> tuple[StartTerms, QueuedTerms | None]:
    """The terms of a new process that has read some, and those that are queued: a custom rule more binds at once, any
    other change waits.
    """
    new = read.terms
    if queued is None or queued.terms != new:
        queued = read
    elif queued.stood:
        return new, None
    elif not set(read.owners) <= set(queued.owners):
        queued = replace(queued, owners=tuple(sorted({*queued.owners, *read.owners})))
    added = tuple(name for name in new.custom if name not in in_force.custom)
    binding = replace(in_force, custom=(*in_force.custom, *added))
    if binding != new and set(binding.custom) == set(new.custom):
        binding = replace(binding, custom=new.custom)  # in another order only
    return binding, None if binding == new else queued
