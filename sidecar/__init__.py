"""The risk control that every Coinbase bot runs behind.

As a library: `PositionTracker` is told the facts, `RiskManager` says whether an order may be
sent. Names are imported when first used, so that a bot which needs one of them does not pay for
all.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

__version__ = "0.1.0"

_HOMES: Final = {
    "AsyncClient": "sidecar.client",
    "Client": "sidecar.client",
    "RiskManager": "sidecar.library",
    "PositionTracker": "sidecar.library",
    "AccountFigures": "sidecar.core.context.custom_rule",
    "OwnRule": "sidecar.core.context.custom_rule",
    "Limits": "sidecar.core.vocabulary.limits",
    "Order": "sidecar.core.vocabulary.orders",
    "Decision": "sidecar.core.vocabulary.decision",
    "Violation": "sidecar.core.vocabulary.decision",
    "Product": "sidecar.core.vocabulary.products",
    "SidecarError": "sidecar.core.vocabulary.errors",
    "ValueAtRisk": "sidecar.config.var",
}
__all__ = [
    "AccountFigures",
    "AsyncClient",
    "Client",
    "Decision",
    "Limits",
    "Order",
    "OwnRule",
    "PositionTracker",
    "Product",
    "RiskManager",
    "SidecarError",
    "ValueAtRisk",
    "Violation",
]

if TYPE_CHECKING:
    from sidecar.client import AsyncClient, Client
    from sidecar.config.var import ValueAtRisk
    from sidecar.core.context.custom_rule import AccountFigures, OwnRule
    from sidecar.core.vocabulary.decision import Decision, Violation
    from sidecar.core.vocabulary.errors import SidecarError
    from sidecar.core.vocabulary.limits import Limits
    from sidecar.core.vocabulary.orders import Order
    from sidecar.core.vocabulary.products import Product
    from sidecar.library import PositionTracker, RiskManager


def __getattr__(name: str) -> Any:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module 'sidecar' has no attribute {name!r}")
    return getattr(import_module(home), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *_HOMES])
