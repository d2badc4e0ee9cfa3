"""Own rules that raise: told in the log while they run, and by `check` before, on sample orders."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

from structlog.typing import FilteringBoundLogger

from sidecar.core.context.custom_rule import CustomRule
from sidecar.core.risk_manager import RiskManager
from sidecar.core.vocabulary.money import plain
from sidecar.core.vocabulary.products import Product
from sidecar.custom_rules import place_of, said_by
from sidecar.daemon.preflight import Finding

TELL_EVERY_S: Final = 60.0
USUAL: Final = "BTC-USD"


class RuleFaults:
    """Logs a rule that raises, at most once a minute each; the next line says how often it did meanwhile."""

    def __init__(self, log: FilteringBoundLogger, wall: Callable[[], float]) -> None:
        """`wall`: monotonic seconds."""
        self._log = log
        self._wall = wall
        self._told: dict[str, float] = {}
        self._untold: dict[str, int] = {}

    def __call__(self, rule: CustomRule, fault: Exception) -> None:
        """The rule raised, and refuses."""
        now, last = self._wall(), self._told.get(rule.name)
        if last is not None and now - last < TELL_EVERY_S:
            self._untold[rule.name] = self._untold.get(rule.name, 0) + 1
            return
        self._told[rule.name] = now
        self._log.error(
            "a rule of your own raised, and refuses",
            rule=rule.name,
            fault=said_by(fault),
            at=place_of(rule, fault),
            more=self._untold.pop(rule.name, 0),
        )


class Trials:
    """Has rules judge sample orders, and keeps which of them raised on which."""

    def __init__(self) -> None:
        self._kind = ""
        self._raised: dict[tuple[str, str, str], list[str]] = {}

    def note(self, rule: CustomRule, fault: Exception) -> None:
        """The rule raised on the order of now."""
        key = (rule.name, said_by(fault), place_of(rule, fault))
        self._raised.setdefault(key, []).append(self._kind)

    def run(self, manager: RiskManager, follow: Iterable[str]) -> list[Finding]:
        """A finding for each fault of a rule. The manager's rules must tell `note`; its books stay as they are."""
        listed = manager.tracker.products
        product = next((listed[name] for name in (*follow, USUAL) if name in listed), None)
        if product is None or not manager.desk.custom:
            return []
        price = manager.tracker.marks.usd(product.key)
        for kind, body in sample_orders(product, plain(price) if price else "1").items():
            self._kind = kind
            manager.validate_order(body, dry_run=True)
        return [
            Finding(
                "critical",
                "CUSTOM_RULE",
                f"custom rule {name} raises {said} at {place or 'a place unknown'}, on {', '.join(kinds)} of"
                f" {product.product_id}: such orders would all be refused; fix the rule",
            )
            for (name, said, place), kinds in self._raised.items()
        ]


def sample_orders(product: Product, price: str) -> Mapping[str, Mapping[str, Any]]:
    """Orders of the kinds that rules must be able to judge, in words: Coinbase's bodies."""
    size = plain(product.base_min_size or product.base_increment)
    worth = plain(product.quote_increment)
    terms: dict[str, tuple[str, dict[str, dict[str, str]]]] = {
        "a market buy": ("BUY", {"market_market_ioc": {"base_size": size}}),
        "a market sell": ("SELL", {"market_market_ioc": {"base_size": size}}),
        "a limit buy": ("BUY", {"limit_limit_gtc": {"base_size": size, "limit_price": price}}),
        "a quote-sized buy": ("BUY", {"market_market_ioc": {"quote_size": worth}}),
    }
    return {
        kind: {
            "client_order_id": f"check-{number}",
            "product_id": product.product_id,
            "side": side,
            "order_configuration": configuration,
        }
        for number, (kind, (side, configuration)) in enumerate(terms.items())
    }
