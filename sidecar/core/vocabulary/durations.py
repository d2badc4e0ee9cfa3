"""Lengths of time as they are written: "90s", "30m", "4h", "7d". No I/O."""

import re
from datetime import timedelta
from typing import Final

UNITS: Final = {
    "d": timedelta(days=1),
    "h": timedelta(hours=1),
    "m": timedelta(minutes=1),
    "s": timedelta(seconds=1),
}
# A unit as it is said, with the one that its parts are told in.
SPOKEN: Final = (
    (("d", UNITS["d"]), ("h", UNITS["h"])),
    (("h", UNITS["h"]), ("min", UNITS["m"])),
    (("min", UNITS["m"]), ("s", UNITS["s"])),
)
LONGEST: Final = timedelta(days=31)


def duration(value: object) -> timedelta:
    """The length that is written. Raises ValueError for other text, for zero, and for more than 31 days."""
    if isinstance(value, timedelta):
        return value
    found = re.fullmatch(r"(\d{1,7})([dhms])", value) if isinstance(value, str) else None
    if found is None:
        raise ValueError('is no length of time; write one such as "90s", "30m", "4h" or "7d"')
    length = int(found[1]) * UNITS[found[2]]
    if not length:
        raise ValueError('is no time at all; write one such as "90s", "30m", "4h" or "7d"')
    if length > LONGEST:
        raise ValueError(f'is longer than {LONGEST.days} days; write "{LONGEST.days}d" or less')
    return length


def written(length: timedelta) -> str:
    """The same in the largest unit that it is whole in."""
    unit = next(name for name, unit in UNITS.items() if not length % unit)
    return f"{length // UNITS[unit]}{unit}"


def spoken(length: timedelta) -> str:
    """The same as people say it, in its two largest units, rounded up: "2 d 3 h", "12 h 5 min", "40 s"."""
    for (name, unit), (smaller_name, smaller) in SPOKEN:
        parts = -(-length // smaller)
        if parts * smaller >= unit:
            whole, rest = divmod(parts * smaller, unit)
            return f"{whole} {name}" + (f" {rest // smaller} {smaller_name}" if rest else "")
    return f"{-(-length // UNITS['s'])} s"
