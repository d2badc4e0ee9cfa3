"""How the core behaves, beside the limits: lifetimes and confirmation. No I/O."""

from datetime import timedelta
from decimal import Decimal
from typing import Literal

from msgspec import Struct, field

from sidecar.core.account.reconciliation import DEFAULT_LAG
from sidecar.core.value_at_risk.settings import RiskSettings


class Settings(Struct, frozen=True, kw_only=True):
    """`connected` says that feeds and REST stand behind the core: it then waits for a complete
    picture, judges the feeds, asks REST to confirm losses and looks for orders that never appeared.
    Without it (library use) the caller's facts are all there is, and count as live.

    `unapproved` is the answer, beside an alert, to an order that appears without approval: none,
    its cancel, or REDUCE_ONLY. In library use every order is the caller's own word, and none is
    unapproved.

    `balance_lag`: how long a reading of a balance may lack a fill, a fee or funding that was booked.

    `time_scale` is how many seconds of the market clock go to one of the wall's: waits for Coinbase are
    in wall time. `may_flatten` names the bots that may have the account sold when they are gone,
    `named_bots` are those that the configuration knows, `bot_uids` the users that a bot's name is for, `bot_of_user`
    the bot that a user is for alone, `strategy_uids` the users that a strategy's name is for; a name that is not
    there is for all. `strategies`: whether orders that add may have a name that is in neither limits nor
    `named_strategies`; "auto": where limits name none. `liquidation_assets`
    are the assets that a flattening may sell; None for all. `exit_depth_factor`: the part of every level's size by
    which the price of an exit is shown a second time.
    """

    connected: bool = False
    reservation_life: timedelta = timedelta(seconds=10)
    confirm_for: timedelta = timedelta(seconds=2)
    confirm_quotes: int = 3
    balance_lag: timedelta = DEFAULT_LAG
    unapproved: Literal["alert", "cancel", "reduce_only"] = "alert"
    exit_depth_factor: Decimal = Decimal("0.1")
    liquidation_assets: frozenset[str] | None = None
    may_flatten: frozenset[str] = frozenset()
    named_bots: frozenset[str] = frozenset()
    bot_uids: dict[str, frozenset[int]] = {}
    bot_of_user: dict[int, str] = {}
    strategy_uids: dict[str, frozenset[int]] = {}
    strategies: Literal["any", "listed", "auto"] = "any"
    named_strategies: frozenset[str] = frozenset()
    time_scale: float = 1.0
    risk: RiskSettings = field(default_factory=RiskSettings)
