"""A liquidation's sales of today, by Coinbase's own word on each: previews, which send no order.

A product that would refuse the account's sale is left for the next route, as a liquidation leaves it.
"""

from typing import Final

from sidecar.coinbase.lookups import Lookups
from sidecar.config.tables import Config
from sidecar.core.account.sale_routes import Routes
from sidecar.daemon.survey import Account, Holding, books, holdings, read_bids

PREVIEWS_MAX: Final = 200  # a call each; other sales are shown as the listing has them


async def sold_today(
    lookups: Lookups, account: Account, through: Routes, config: Config
) -> list[Holding]:
    """Every position, and through which product it could be sold, or why not. Raises CallFailed, and
    Untrusted.
    """
    refusals, asked = dict[str, str](), set[str]()
    bids = await read_bids(lookups, books(account, through), through.products)
    while True:
        found = holdings(account, through, bids, config, refusals)
        new = {
            one.product_id: one.order_size
            for one in found
            if one.order_size and one.product_id is not None and one.product_id not in asked
        }
        if not new or len(asked) >= PREVIEWS_MAX:
            return found
        for product_id, size in new.items():
            asked.add(product_id)
            if why := await lookups.sale_refusal(product_id, size):
                refusals[product_id] = why
        others = [name for name in books(account, through, refusals) if name not in bids]
        bids |= await read_bids(lookups, others, through.products)
