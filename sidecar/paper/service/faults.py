"""The fault switches as they stand: the faults still to come. No I/O.

The switches and their bounds are `[paper.faults]` of the configuration; here the counts run down.
"""

from collections.abc import Mapping
from datetime import timedelta
from decimal import Decimal
from typing import Any, Final

import numpy as np
from pydantic import ValidationError

from sidecar.config.paper_faults import Faults
from sidecar.paper.venue.behaviour import Behaviour

# The switches that a websocket's frame may fall foul of, so that a frame asks once for all of them.
OF_FRAMES: Final = (
    "drop_frames",
    "duplicate_frames",
    "reorder_frames",
    "sequence_gaps",
    "future_frames",
    "delay_frames_s",
    "frames_fall_behind",
    "restart_sequence",
)


SEED: Final = 7  # every run draws the same


class FaultSwitches:
    """Faults by name; `set` in process has the effect of `POST /paper/faults` over the wire."""

    def __init__(self, faults: Faults) -> None:
        self._chance = np.random.default_rng(SEED)
        self._keep(faults)

    def _keep(self, faults: Faults) -> None:
        self._now = faults
        self.touch_frames = any(getattr(faults, name) for name in OF_FRAMES)

    @property
    def now(self) -> Faults:
        """The faults still to come."""
        return self._now

    def set(self, changes: Mapping[str, Any]) -> Faults:
        """Change some switches and leave the others.

        Raises ValueError, with a line for each fault, for an unknown switch or a wrong value.
        """
        try:
            self._keep(Faults.model_validate({**self._now.model_dump(), **changes}))
        except ValidationError as error:
            lines = (f"{row['loc'][0]}: {row['msg']}" for row in error.errors())
            raise ValueError("; ".join(lines)) from None
        return self._now

    def clear(self) -> None:
        """End all faults."""
        self._keep(Faults())

    def count_off(self, name: str) -> bool:
        """Whether this fault happens once more; if so it is counted off."""
        left = getattr(self._now, name)
        if left:
            self._keep(self._now.model_copy(update={name: left - 1}))
        return bool(left)

    def draw(self, name: str) -> bool:
        """Whether a fault that befalls a share of requests befalls this one."""
        share = getattr(self._now, name)
        return bool(share) and self._chance.random() < share

    def reset(self, name: str) -> None:
        """Switch one fault off: it has happened."""
        self._keep(self._now.model_copy(update={name: Faults.model_fields[name].default}))


def apply_to(behaviour: Behaviour, faults: Faults) -> None:
    """Hand on the faults that the exchange itself commits."""
    behaviour.late_cancelled = seconds(faults.late_cancelled_s)
    behaviour.fill_after_cancel = faults.fill_after_cancel
    behaviour.stuck_cancels = faults.stuck_cancels
    behaviour.hidden_when_new = seconds(faults.hide_new_orders_s)
    behaviour.balance_lag = seconds(faults.balance_lag_s)
    behaviour.balance_lag_of = {
        name: seconds(value) for name, value in faults.balance_lag_by_currency.items()
    }
    behaviour.futures_lag = seconds(faults.futures_balance_lag_s)
    behaviour.stuck_holds = seconds(faults.stuck_holds_s)
    behaviour.late_fees = seconds(faults.late_fees_s)
    behaviour.fine_quote_fills = faults.fine_quote_fills
    behaviour.wallet_after_fill = faults.wallet_after_fill


def remaining(behaviour: Behaviour, faults: Faults) -> Mapping[str, Any]:
    """All switches as they stand, the exchange's own count included."""
    return faults.model_dump(mode="json") | {"fill_after_cancel": behaviour.fill_after_cancel}


def seconds(value: Decimal) -> timedelta:
    """A configured number of seconds."""
    return timedelta(seconds=float(value))
