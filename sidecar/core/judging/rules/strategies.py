"""Does a strategy keep to its own part of the account? No I/O."""

from typing import Final

from msgspec.structs import replace

from sidecar.core.judging.candidate import OnKey
from sidecar.core.judging.rules.exposure import gross_of
from sidecar.core.judging.rules.rule import (
    NO_EQUITY,
    Doc,
    FigureBySize,
    Measured,
    Row,
    ScopedLimit,
)
from sidecar.core.judging.rules.share import Share, share_of
from sidecar.core.vocabulary.money import ZERO


def strategy_share(candidate: OnKey, _bound: ScopedLimit) -> FigureBySize:
    """Selling spot raises no exposure, but that in the coin that a coin pair buys. An account's spot that was sold
    before its purchase is told (`fold`) makes the whole no larger.
    """
    own, account = candidate.strategy, candidate.account
    if candidate.is_buy or candidate.is_future:
        whole = replace(gross_of(candidate, account), fold=-NO_EQUITY)
        return Share(gross_of(candidate, own), whole)
    return Row(base=share_of(own.gross, account.gross) if own.joined > ZERO else ZERO)


RULES: Final = (
    Measured(
        code="MAX_STRATEGY_SHARE",
        of_strategy=True,
        limit="max_strategy_share",
        reads="side",
        row=strategy_share,
        text="the strategy could reach {observed} of all gross exposure; {limit} is allowed",
        doc=Doc(
            "gross exposure of the order's strategy ÷ that of the account > limit, and the order raises the "
            "strategy's. In `[limits]` it binds each strategy by itself. Where the account holds nothing else, a "
            "strategy is all of it",
            "the limit passes; not raising passes",
        ),
    ),
)
