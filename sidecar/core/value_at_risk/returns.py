"""Returns of several keys over the same periods, and what stands in where a history is short. No I/O.

The policies, `[var] short_history`:

    refuse   a key with fewer than `minimum` returns of its own has no figure
    proxy    the returns that it lacks are its proxy's of the same periods
    floor    the same, made larger where the proxy itself moves less than `floor` a period

A history that never moves is no history. A future whose own history is short always takes what it
lacks from its underlying: contracts live for weeks.
"""

from collections.abc import Mapping
from typing import Literal

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from sidecar.core.value_at_risk.model import Array, Unavailable

ShortHistory = Literal["refuse", "proxy", "floor"]
Logs = tuple[int, Array]  # the first period's number, logarithms of closes


class ReturnsPolicy(Struct, frozen=True, kw_only=True):
    """How many returns are used (`length`), how many are enough (`minimum`), and what stands in.

    `floor`: the least standard deviation of a stand-in, per period.
    """

    length: int = 250
    minimum: int = 100
    short_history: ShortHistory = "refuse"
    floor: float = 0.05


def align(
    logs: Mapping[str, Logs | None],
    proxies: Mapping[str, Logs | None],
    policy: ReturnsPolicy,
    period: int,
) -> Array:
    """Log returns, periods × keys in the order of `logs`, the newest last.

    `logs`: what is known of each key; `proxies`: of what stands in for it, where something may.
    `period` is the present one; what ends more than a week of periods before it is too old. As many
    periods as all share, `policy.length` at most. Raises Unavailable, naming the key.
    """
    end = min((first + len(own) for first, own in _known(logs, proxies)), default=period)
    if end < period - 7:
        names = [name for name, own in logs.items() if own and own[0] + len(own[1]) == end]
        raise Unavailable(
            f"the history of {', '.join(names) or 'a proxy'} ends {period - end} periods ago;"
            " it is read again as soon as Coinbase answers"
        )
    columns = [_column(name, own, proxies.get(name), policy, end) for name, own in logs.items()]
    if not columns:
        return np.empty((0, 0))
    matrix = np.column_stack(columns)
    shared = _newest(np.asarray(np.isnan(matrix).any(axis=1)))
    if shared < policy.minimum:
        lengths = {
            name: _newest(np.asarray(np.isnan(column)))
            for name, column in zip(logs, columns, strict=True)
        }
        name = min(lengths, key=lengths.__getitem__)
        raise _too_short(name, lengths[name], policy)
    return matrix[len(matrix) - shared :]


def _known(logs: Mapping[str, Logs | None], proxies: Mapping[str, Logs | None]) -> list[Logs]:
    """What each key's last period is read from: its own history, or else its proxy's."""
    found = (
        own if own is not None and np.ptp(own[1]) > 0 else proxies.get(name) or own
        for name, own in logs.items()
    )
    return [one for one in found if one is not None]


def _newest(missing: NDArray[np.bool_]) -> int:
    """How many of the newest periods are not missing, up to the first one that is."""
    return int(np.argmax(missing[::-1])) if missing.any() else len(missing)


def _column(
    name: str, own: Logs | None, proxy: Logs | None, policy: ReturnsPolicy, end: int
) -> Array:
    """One key's returns on the grid, NaN where there are none."""
    returns = _on_grid(own, policy.length, end)
    if proxy is None:
        count = int(np.count_nonzero(~np.isnan(returns)))
        if count < policy.minimum:
            raise _too_short(name, count, policy)
        return returns
    stand_in = _on_grid(proxy, policy.length, end)
    if policy.short_history == "floor" and not np.isnan(stand_in).all():
        deviation = float(np.nanstd(stand_in))
        if 0 < deviation < policy.floor:
            stand_in *= policy.floor / deviation
    return np.where(np.isnan(returns), stand_in, returns)


def _on_grid(logs: Logs | None, length: int, end: int) -> Array:
    """The last `length` returns up to the period `end`, NaN where there are none, or none that move."""
    grid = np.full(length, np.nan)
    if logs is not None:
        first, values = logs
        returns = np.diff(values)[: max(0, end - first - 1)][-length:]
        ahead = max(0, end - (first + len(values)))
        last = length - ahead
        taken = returns[max(0, len(returns) - last) :] if last > 0 else returns[:0]
        if taken.any():
            grid[last - len(taken) : last] = taken
    return grid


def _too_short(name: str, count: int, policy: ReturnsPolicy) -> Unavailable:
    return Unavailable(
        f"{name} has {count} returns that move, {policy.minimum} are needed; trade it when it has"
        ' them, or set [var] short_history = "proxy"'
    )
