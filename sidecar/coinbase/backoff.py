"""How long to wait before the next attempt. Pure: chance is an argument."""

from typing import Final

FIRST_S: Final = 0.25
MOST_S: Final = 30.0  # a feed that is back is noticed within half a minute
LEAST_S: Final = 0.125  # Coinbase allows an address eight connections a second


def wait_s(failures: int, chance: float) -> float:
    """Seconds before the next attempt after so many failures in a row; `chance` in [0, 1).

    Full jitter: any time up to the doubled wait, so that many clients of one outage do not come
    back in step.
    """
    ceiling = min(MOST_S, FIRST_S * (1 << min(failures, 10)))
    return LEAST_S + chance * max(0.0, ceiling - LEAST_S)
