"""How the exchange behaves beside its rules: delays, lags, and where it tells each fact. No I/O."""

from datetime import timedelta
from typing import Final, Literal

from msgspec import Struct

NO_DELAY: Final = timedelta(0)
FundingTold = Literal["funding_pnl", "fills"]
FundingResets = Literal["daily", "on_payment"]
StuckCancels = Literal["", "CANCEL_QUEUED", "UNKNOWN_CANCEL_ORDER"]


class Behaviour(Struct, kw_only=True):
    """All of it may be changed while the exchange runs. Market time."""

    order_delay: timedelta = NO_DELAY  # from accepted to the matching engine; edits too
    cancel_delay: timedelta = NO_DELAY  # from accepted to cancelled
    late_cancelled: timedelta = NO_DELAY  # on top of that
    fill_after_cancel: int = 0  # the next so many accepted cancels lose to a fill
    stuck_cancels: StuckCancels = (
        ""  # no order is cancelled: it stays so, or the cancel is refused so
    )
    hidden_when_new: timedelta = NO_DELAY  # how long a new order cannot be read
    balance_lag: timedelta = NO_DELAY  # how old the balances are that a reader sees
    balance_lag_of: dict[str, timedelta] = {}  # the same of single currencies, instead of it
    futures_lag: timedelta = NO_DELAY  # how old the dollars of the futures summary are, over REST
    stuck_holds: timedelta = NO_DELAY  # how long a reader still sees the hold of an ended order
    late_fees: timedelta = NO_DELAY  # how much later than a fill its fee is told
    fine_quote_fills: bool = (
        False  # buys sized in quote currency fill to the 16th decimal of a coin
    )
    wallet_after_fill: bool = False  # a future's fill is told before its effect on the wallet
    sweep_every: timedelta = NO_DELAY  # free cash leaves the futures wallet this often; zero: never
    funding_told: FundingTold = "funding_pnl"
    funding_delay: timedelta = NO_DELAY  # from the hour that funding is for to the wallet
    funding_resets: FundingResets = "daily"  # when `funding_pnl` forgets payments
    strict_client_order_id: bool = False
    queued_statuses: bool = False

    def lag(self, currency: str) -> timedelta:
        """How old the balance of this currency is that a reader sees."""
        return self.balance_lag_of.get(currency, self.balance_lag)

    @property
    def longest_lag(self) -> timedelta:
        return max(self.balance_lag, self.futures_lag, *self.balance_lag_of.values())

    @property
    def lags(self) -> bool:
        """Whether a reader sees any fact late; asked at every quote."""
        return bool(self.balance_lag or self.balance_lag_of or self.futures_lag)
