"""Elsewhere: holdings that are neither coins nor US futures: not counted here, and never sold. No
I/O.

Stocks trade in the same listings; other venues answer to the same key. Their products are named once, and their
rows then pass without a word; where Coinbase tells the worth of a venue, it is shown.
"""

from collections.abc import Iterable
from typing import Final

from msgspec import Struct

from sidecar.core.vocabulary.actions import Action, Alert, Reconcile
from sidecar.core.vocabulary.events import ElsewhereRead, FillPassedOver, ProductElsewhere, Venue
from sidecar.core.vocabulary.wording import in_words

# Coinbase's venues that a key may reach and that are not counted here.
VENUES: Final = {
    "stocks": "stocks",
    "prediction markets": "prediction markets",
    "Global Derivatives": "perpetuals and options at drb.coinbase.com",
}
PRODUCTS_MAX: Final = 1_000  # named; of more, each is named again


class Elsewhere(Struct):
    """Products that are not ours, and why; venues with holdings, and these in words."""

    products: dict[str, str] = {}
    held: dict[str, str] = {}

    def product(self, event: ProductElsewhere) -> list[Action]:
        """A product's rows are left alone from now on."""
        if event.product_id in self.products:
            return []
        if len(self.products) >= PRODUCTS_MAX:
            del self.products[next(iter(self.products))]
        self.products[event.product_id] = event.why
        text = f"{event.product_id}: {event.why}: what is held or open of it is neither counted nor sold here"
        return [Alert(severity="warning", code="ELSEWHERE", text=text)]

    def listed(self, product_ids: Iterable[str]) -> list[Action]:
        """Products that Coinbase lists are ours, even those noted as foreign before."""
        found = sorted({*product_ids} & self.products.keys())
        for product_id in found:
            del self.products[product_id]
        return [Reconcile(reason=f"{', '.join(found)}: listed now")] if found else []

    def venues(self, event: ElsewhereRead) -> list[Action]:
        """Holdings in Coinbase's other venues, by its own word: told where a venue was empty
        before.
        """
        before = self.held
        self.held = held(event)
        return [
            Alert(
                severity="warning",
                code="ELSEWHERE",
                text=f"{VENUES.get(venue, venue)}: {words}, neither counted nor sold here",
            )
            for venue, words in self.held.items()
            if venue not in before
        ]


def held(event: ElsewhereRead) -> dict[str, str]:
    """The holdings of each venue that has some, in words."""
    return {one.venue: _words(one) for one in event.venues if one.usd or one.positions}


def _words(venue: Venue) -> str:
    worth = [in_words(venue.usd, "usd")] if venue.usd else []
    return ", ".join([*worth, *([f"{venue.positions} positions"] if venue.positions else [])])


def passed_over(event: FillPassedOver) -> list[Action]:
    """A row that makes no sense is not waited for: the balances tell its effect."""
    text = f"{event.words}; it was looked at again and again, and is passed over: balances tell what it did"
    return [Alert(severity="warning", code="FILL_PASSED_OVER", text=text)]
