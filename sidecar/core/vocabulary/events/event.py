"""A fact, as the core takes it in. No I/O."""

from datetime import datetime

from msgspec import Struct


class Event(Struct, frozen=True, kw_only=True, tag_field="type", omit_defaults=True):
    """A fact. `at` is when it became known, on the market clock."""

    at: datetime
