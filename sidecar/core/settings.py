"""How the core behaves, beside the limits: lifetimes and confirmation. No I/O."""

from datetime import timedelta

from msgspec import Struct


class Settings(Struct, frozen=True, kw_only=True):
    """`connected` says that feeds and REST stand behind the core: it then waits for a complete
    picture, judges the feeds, asks REST to confirm losses and looks for orders that never appeared.
    Without it (library use) the caller's facts are all there is, and count as live.
    """

    connected: bool = False
    reservation_life: timedelta = timedelta(seconds=10)
    confirm_for: timedelta = timedelta(seconds=2)
    confirm_quotes: int = 3
