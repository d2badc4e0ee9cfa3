"""UnlistedLimits: limits of a product that no listed product has do not bind, which is said once. No I/O."""

from sidecar.core.context.risk_context import RiskContext
from sidecar.core.vocabulary.actions import Action, Alert


class UnlistedLimits:
    """Compares limits and products whenever either has changed. `told`: the products as last told to be unlisted."""

    def __init__(self, desk: RiskContext) -> None:
        self.desk = desk
        self.told: tuple[str, ...] = ()

    def look(self, actions: list[Action]) -> None:
        """Name the products that are unlisted now, where they are others than those told."""
        limits, products = self.desk.limits, self.desk.tracker.products
        unlisted = tuple(sorted(limits.product.keys() - products.keys()))
        if unlisted == self.told:
            return
        self.told = unlisted
        if unlisted:
            text = f"no listed product is named {', '.join(unlisted)}: the limits in its table do not bind"
            actions.append(Alert(severity="warning", code="LIMIT_WITHOUT_PRODUCT", text=text))
