"""Sale routes: through which product a key is sold, and when that takes orders. No I/O.

The dollar comes first: an asset is sold for USD, else USDC, else other cash, else for a coin that can
itself be sold for cash, which is then sold in turn. Among these, a product that takes orders now, and that
has refused the fewest: an account may lack the wallet, or a market be closed to it. While USDC has lost its
peg, routes to it come last.
"""

from collections.abc import Mapping
from decimal import Decimal
from typing import Final

from sidecar.core.vocabulary.money import floor_to
from sidecar.core.vocabulary.products import Product

# Flags under which no order is taken: no sale is possible until they are gone.
SHUT: Final = ("is_disabled", "trading_disabled", "view_only", "cancel_only")
COIN_RANK: Final = 3  # behind USD, USDC and other cash
# While USDC is avoided: behind all others, and behind it a coin that is sold for it in turn.
USDC_RANK: Final = 4
USDC_COIN_RANK: Final = 5
USDC_AFTER: Final = 3  # refusals of every other route
NO_REFUSALS: Final[Mapping[str, int]] = {}


class Routes:
    """Through which product each key is sold. `assets` are those that may be, None for all;
    of `kept` no unit ever is, so no coin is sold for it. `avoids_usdc`: it is taken last. `listed` is the
    listing that they were found in.
    """

    def __init__(  # noqa: PLR0913 - each is named
        self,
        products: Mapping[str, Product],
        cash: frozenset[str],
        assets: frozenset[str] | None = None,
        *,
        kept: frozenset[str] = frozenset(),
        avoids_usdc: bool = False,
        listed: int = 0,
    ) -> None:
        self.products = products
        self.listed, self.avoids_usdc = listed, avoids_usdc
        self._assets = assets
        self._by_base: dict[str, list[Product]] = {}
        rank = {"USD": 0, "USDC": USDC_RANK if avoids_usdc else 1}
        rank |= dict.fromkeys(cash - rank.keys(), 2)
        listing = [one for one in products.values() if not one.is_future]
        sound = {one.base for one in listing if rank.get(one.quote, USDC_RANK) < USDC_RANK}

        def place(one: Product) -> tuple[int, str]:
            coin = COIN_RANK if one.quote in sound else USDC_COIN_RANK
            return rank.get(one.quote, coin), one.product_id

        spot = sorted(listing, key=place)
        late = (one.product_id for one in spot if avoids_usdc and place(one)[0] >= USDC_RANK)
        self._late = dict.fromkeys(late, USDC_AFTER)
        ends_in_cash = {one.base for one in spot if one.quote in rank and self.permits(one.base)}
        ends_in_cash -= kept
        for one in spot:
            if one.quote in rank or one.quote in ends_in_cash:
                self._by_base.setdefault(one.base, []).append(one)

    def permits(self, key: str) -> bool:
        """Whether a liquidation may sell it."""
        return self._assets is None or key in self._assets

    def through(self, key: str, refusals: Mapping[str, int] = NO_REFUSALS) -> Product | None:
        """The product that sells it: of those that take orders now, else of all, the best of the ones that
        refused the fewest; None for none.
        """
        contract = self.products.get(key)
        if contract is not None and contract.is_future:
            return contract
        candidates = self._by_base.get(key, [])
        if len(candidates) == 1:
            return candidates[0]
        late = self._late

        def refused(one: Product) -> int:
            return refusals.get(one.product_id, 0) + late.get(one.product_id, 0)

        taking = [one for one in candidates if not shut(one)]
        return min(taking or candidates, key=refused, default=None)


def order_size(product: Product, quantity: Decimal) -> Decimal:
    """So many base units in order units, on the product's grid."""
    return floor_to(quantity / product.contract_size, product.base_increment)


def is_dust(product: Product, quantity: Decimal, price: Decimal | None) -> bool:
    """Whether Coinbase's minimum sizes let so little (base units) not be sold. `price`: of its
    book, in quote currency.
    """
    size = order_size(product, quantity)
    if size < product.base_min_size or not size:
        return True
    return price is not None and not product.is_future and size * price < product.quote_min_size


def shut(product: Product) -> str:
    """Why the product takes no orders now; empty when it does."""
    for flag in SHUT:
        if getattr(product, flag):
            return f"{product.product_id} takes no orders now ({flag})"
    if product.session_open is False:
        opens = f", and opens {product.opens_at:%Y-%m-%d %H:%M} UTC" if product.opens_at else ""
        return f"the session of {product.product_id} is closed{opens}"
    return ""
