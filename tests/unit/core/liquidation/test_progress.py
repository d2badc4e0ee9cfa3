"""What a flattening that does not get on says of itself."""

from typing import Any

from sidecar.core.liquidation.attempts import Attempt
from sidecar.core.liquidation.episode import Episode
from sidecar.core.liquidation.progress import _why
from sidecar.core.liquidation.sales import Holding
from sidecar.core.vocabulary.actions import Liquidate
from tests.scenario import START, D

BTC: dict[str, Any] = {"product_id": "BTC-USD", "key": "BTC", "side": "SELL", "way": "market"}


def attempt(name: str, reason: str) -> Attempt:
    return Attempt(client_order_id=name, size=D(1), first_sent=START, reason=reason, **BTC)


def test_what_stands_in_the_way_is_the_latest_that_was_told_of_its_orders():
    trigger = Liquidate(episode="e1", reason="enough", triggered_at=START)
    episode = Episode(trigger=trigger, key=None, began_at=START)
    held = Holding(key="BTC", quantity=D(1))
    assert _why(episode, held) == "its orders do not fill"
    reasons = ("too small", "no funds", "")
    episode.attempts = {reason: attempt(reason, reason) for reason in reasons}
    assert _why(episode, held) == "no funds"
