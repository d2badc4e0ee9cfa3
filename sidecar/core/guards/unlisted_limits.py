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
        named = () if limits.market_shock is None else limits.market_shock.products or ()
        followed = tuple(sorted({*named} - products.keys()))
        if unlisted + followed == self.told:
            return
        self.told = unlisted + followed
        for names, what in (
            (unlisted, "the limits in its table do not bind"),
            (followed, "market_shock does not follow it"),
        ):
            if names:
                text = f"no listed product is named {', '.join(names)}: {what}"
                actions.append(Alert(severity="warning", code="LIMIT_WITHOUT_PRODUCT", text=text))
