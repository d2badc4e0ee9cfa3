"""Returns of several keys over the same periods, and the stand-ins where a history is short. No
I/O.

The policies, `[var] short_history`:

    refuse   a key with fewer than `minimum` returns of its own has no figure
    proxy    the returns that it lacks are its proxy's of the same periods
    floor    the same, made larger where the proxy itself moves less than `floor` a period

Under every policy a key that has enough, but not all, takes the earlier returns from its proxy:
else a little of a young coin would cut the history of every key beside it. A future always takes
the returns that it lacks from its underlying: contracts live for weeks.

Closes that never move are a peg where there are `minimum` of them or more: returns of zero, as good as
any. Fewer are a coin without a trade yet; of a future they are a contract without trades
while its underlying moves, and a proxy that never moves would take all risk from its key.

Cash lacks no returns: its worth stays, but for the moves of its own history.
"""

from collections.abc import Collection, Mapping
from math import inf
from typing import Final

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from sidecar.core.value_at_risk.model import Array, Unavailable
from sidecar.core.value_at_risk.settings import ReturnsPolicy

Logs = tuple[int, Array]  # the first period's number, logarithms of closes
NONE: Final[Mapping[str, str]] = {}


class _Key(Struct, frozen=True):
    """A key's known closes. `least`: from how many returns on the closes of a key that never moves are a history;
    `is_lenient`: its proxy may stand in for all of it.
    """

    name: str
    own: Logs | None
    proxy: Logs | None
    least: float
    is_lenient: bool
    is_cash: bool


def align(  # noqa: PLR0913 - the inputs of returns, by name
    logs: Mapping[str, Logs | None],
    proxies: Mapping[str, Logs | None],
    policy: ReturnsPolicy,
    period: int,
    *,
    stale: int = 7,
    underlying: Mapping[str, str] = NONE,
    cash: Collection[str] = (),
) -> Array:
    """Log returns, periods × keys in the order of `logs`, the newest last.

    `logs`: each key's known closes; `proxies`: its proxy's; `underlying`: futures, each
    with its asset, whose proxy may stand in for all of it under any policy. `cash`: keys that did not
    move where no close is known, and that have no proxy. `period` is the present; a history that
    ends more than `stale` periods before it is too old. As many periods as all share, `policy.length` at
    most. Raises Unavailable, naming the key.

    They end with the newest that any key has. One that Coinbase has not told of for a while cuts no
    other key's last days off: its proxy's stand in for its own, and where the proxy lags too there
    is no figure. The very last period may be lacking: after its end the candles come one by one.
    """
    if not logs:
        return np.empty((0, 0))
    lenient = logs.keys() if policy.short_history != "refuse" else underlying.keys()
    keys = [
        _Key(
            name,
            own,
            proxies.get(name),
            least=inf if name in underlying else policy.minimum,
            is_lenient=name in lenient and name not in cash,
            is_cash=name in cash,
        )
        for name, own in logs.items()
    ]
    ends = [_end(key, period, stale) for key in keys]
    end = max((one for one in ends if one is not None), default=period)
    columns = {key.name: _column(key, policy, end) for key in keys}
    for name, one in columns.items():
        lag = _newest_until(~np.isnan(one))
        if 1 < lag < len(one):
            raise _too_old(name, lag + period - end)
    matrix = np.column_stack(list(columns.values()))
    if np.isnan(matrix[-1]).any():
        matrix = matrix[:-1]
    shared = _newest_until(np.asarray(np.isnan(matrix).any(axis=1)))
    if shared < policy.minimum:
        lengths = {
            name: _newest_until(np.isnan(one)) for name, one in zip(columns, matrix.T, strict=True)
        }
        name = min(lengths, key=lengths.__getitem__)
        asset = underlying.get(name, name) if name in lenient else None
        raise _too_short(name, lengths[name], policy, asset)
    return matrix[len(matrix) - shared :]


def _end(key: _Key, period: int, stale: int) -> int | None:
    """The period that the key's own history ends before; where it ceased to trade, its proxy's;
    the present period where there is neither. None for cash without a history of these days. Raises
    Unavailable for any other that is too old.
    """
    told = [(key.own, key.least)]
    if key.is_lenient:
        told.append((key.proxy, inf))
    ends = [one[0] + len(one[1]) for one, least in told if one and _is_any(np.diff(one[1]), least)]
    fresh = (one for one in ends if one >= period - stale)
    newest = next(fresh, None)
    if newest is not None or key.is_cash:
        return newest
    if ends:
        raise _too_old(key.name, period - max(ends))
    return period


def _column(key: _Key, policy: ReturnsPolicy, end: int) -> Array:
    """The key's returns on the grid that ends with the period `end`; NaN where it has none. Raises
    Unavailable.
    """
    returns = _on_grid(key.own, key.least, policy.length, end)
    if key.is_cash:
        return np.nan_to_num(returns)
    count = int(np.count_nonzero(~np.isnan(returns)))
    if count < policy.minimum and not key.is_lenient:
        raise _too_short(key.name, count, policy)
    return _filled(returns, key.proxy, policy, end)


def _is_any(returns: Array, least: float) -> bool:
    """Whether returns are a history: they move, or there are as many as of a peg."""
    return bool(returns.any()) or returns.size >= least


def _newest_until(stops: NDArray[np.bool_]) -> int:
    """How many of the newest periods there are until one that stops the count."""
    return int(np.argmax(stops[::-1])) if stops.any() else len(stops)


def _filled(returns: Array, proxy: Logs | None, policy: ReturnsPolicy, end: int) -> Array:
    """One key's returns on the grid, its proxy's where it has none."""
    if proxy is None:
        return returns
    stand_in = _on_grid(proxy, inf, policy.length, end)
    if policy.short_history == "floor" and not np.isnan(stand_in).all():
        deviation = float(np.nanstd(stand_in))
        if 0 < deviation < policy.floor:
            stand_in *= policy.floor / deviation
    return np.where(np.isnan(returns), stand_in, returns)


def _on_grid(logs: Logs | None, least: float, length: int, end: int) -> Array:
    """The last `length` returns up to the period `end`, NaN where there are none, or no history."""
    grid = np.full(length, np.nan)
    if logs is not None:
        first, values = logs
        returns = np.diff(values)[: max(0, end - first - 1)][-length:]
        ahead = max(0, end - (first + len(values)))
        last = length - ahead
        taken = returns[max(0, len(returns) - last) :] if last > 0 else returns[:0]
        if taken.size and _is_any(taken, least):
            grid[last - len(taken) : last] = taken
    return grid


def _too_short(
    name: str, count: int, policy: ReturnsPolicy, asset: str | None = None
) -> Unavailable:
    """`asset`: whose proxy might have stood in."""
    mend = (
        'trade it when it has them, or set [var] short_history = "proxy"'
        if asset is None
        else f"so has what stands in for it; name another asset: [var] proxies.{asset}"
    )
    return Unavailable(f"{name} has {count} returns that move, {policy.minimum} are needed; {mend}")


def _too_old(name: str, periods: int) -> Unavailable:
    return Unavailable(
        f"the history of {name} ends {periods} periods ago: Coinbase has not answered since, or it is"
        f' not traded any more; then leave it out: [positions] keep.{name} = "all"'
    )
