"""What operators say: their verbs, and other limits. No I/O."""

from typing import Literal

from sidecar.core.vocabulary.events.event import Event
from sidecar.core.vocabulary.limits import Limits

LossWindow = Literal["daily", "weekly", "monthly", "rolling", "cumulative", "drawdown"]


class HaltRequested(Event, frozen=True, kw_only=True, tag=True):
    """An operator halts all trading; `fault` says the sidecar does so itself. `abort_liquidation`
    ends a flattening that is under way, too; `cancel_adding` has open orders that add risk
    cancelled.
    """

    reason: str
    by: str = "operator"
    fault: bool = False
    abort_liquidation: bool = False
    cancel_adding: bool = False


class ReduceOnlyRequested(Event, frozen=True, kw_only=True, tag=True):
    """An operator allows reducing orders only: everywhere, of one product or one strategy; as with `HaltRequested`."""

    reason: str
    by: str = "operator"
    product_id: str | None = None
    strategy_id: str | None = None
    cancel_adding: bool = False


class ResumeRequested(Event, frozen=True, kw_only=True, tag=True):
    """An operator lifts the causes that may be lifted."""

    reason: str
    by: str = "operator"


class FlattenRequested(Event, frozen=True, kw_only=True, tag=True):
    """An operator, or a dead bot's session, wants the account flat."""

    reason: str
    by: str = "operator"


class LossReset(Event, frozen=True, kw_only=True, tag=True):
    """An operator starts a loss window anew from the present figures: with every scope of it, or of one product's key
    or one strategy alone.
    """

    window: LossWindow
    reason: str
    by: str = "operator"
    product_id: str | None = None
    strategy_id: str | None = None


class LimitsReplaced(Event, frozen=True, kw_only=True, tag=True):
    """Another file of limits: it takes the place of the old one, at once or, where it is looser and `loosen_after` is
    in force, when it has stood for so long. `custom` must stay as it is. `uid`: the user who had it read; `owners`: the
    users whose file it is, as far as that is known.
    """

    limits: Limits
    reason: str = ""
    by: str = "operator"
    uid: int | None = None
    owners: tuple[int, ...] = ()


class LooseningConfirmed(Event, frozen=True, kw_only=True, tag=True):
    """An operator, whose user neither had them read nor owns their file, lets the queued limits bind at once."""

    uid: int
    reason: str
    by: str = "operator"
