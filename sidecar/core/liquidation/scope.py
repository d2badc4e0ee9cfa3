"""Scope: the part of the account that a flattening is about: open orders, and holdings. No I/O."""

from collections import Counter
from collections.abc import Iterator

from sidecar.core.account.sale_routes import Routes
from sidecar.core.account.working import WorkingOrder
from sidecar.core.context.risk_context import RiskContext
from sidecar.core.context.settings import Settings
from sidecar.core.liquidation.episode import Episode
from sidecar.core.liquidation.held import held
from sidecar.core.liquidation.liquidator_memory import LiquidatorMemory
from sidecar.core.liquidation.sales import Holding, Prices, holdings
from sidecar.core.vocabulary.money import ZERO
from sidecar.core.vocabulary.orders import BUY


class Scope:
    """Looks at the books for an episode."""

    def __init__(self, desk: RiskContext, settings: Settings) -> None:
        self._desk = desk
        self._settings = settings
        self._routes = Routes({}, frozenset())

    def working(self, episode: Episode) -> list[WorkingOrder]:
        """Open orders on the keys to be flattened, those that would add to a position first. One
        that is known by its fills alone is none.
        """
        lines = self._desk.tracker.account.lines
        adding, reducing = list[WorkingOrder](), list[WorkingOrder]()
        for order in self._working(episode):
            legs = order.legs
            line = lines.get(legs[0].key) if len(legs) == 1 else None
            held = ZERO if line is None else line.position.quantity
            lowers = held < ZERO if order.side == BUY else held > ZERO
            (reducing if lowers else adding).append(order)
        return adding + reducing

    def is_open(self, memory: LiquidatorMemory, episode: Episode) -> bool:
        """Whether there is an open order, known or not."""
        return bool(self.unread(memory, episode)) or any(True for _ in self._working(episode))

    def _working(self, episode: Episode) -> Iterator[WorkingOrder]:
        return (
            order
            for order in self._desk.tracker.ledger.working.values()
            if order.rests is not None and (episode.key is None or episode.key in self.keys(order))
        )

    def keys(self, order: WorkingOrder) -> set[str]:
        """The keys that it trades; one of unknown size binds no quantity, and yet stands there."""
        product = self._desk.tracker.products.get(order.product_id)
        return {leg.key for leg in order.legs} or ({product.key} if product is not None else set())

    @staticmethod
    def unread(memory: LiquidatorMemory, episode: Episode) -> tuple[str, ...]:
        """Orders known only to be open: they may be on any product."""
        return memory.unread if episode.key is None else ()

    def unknown(self, memory: LiquidatorMemory, episode: Episode) -> str:
        """Why the open orders or the futures of this flattening are not known; empty where they
        are.
        """
        if not memory.lists_all:
            return "the listing of open orders ends too early"
        key = episode.key
        product = None if key is None else self._desk.tracker.products.get(key)
        is_about = key is None or (product is not None and product.is_future)
        fault = self._desk.unread.fault if is_about else ""
        return f"futures cannot be read: {fault}" if fault else ""

    def holdings(self, memory: LiquidatorMemory, episode: Episode | None) -> list[Holding]:
        """The holdings that are to be flattened, the largest exposure first. None: all."""
        tracker, marks = self._desk.tracker, self._desk.tracker.marks
        prices = Prices(
            lambda book: None if (mid := marks.mids.get(book)) is None else mid.value, marks.usd
        )
        self._choose_routes()
        known = held(tracker, memory)
        covered = (one for one in known if episode is None or episode.covers(one.key))
        attempts = () if episode is None else episode.attempts.values()
        refusals = Counter(one.product_id for one in attempts if one.is_turned_down)
        return holdings(covered, self._routes, prices, refusals)

    def _choose_routes(self) -> None:
        tracker = self._desk.tracker
        listed, avoids = tracker.books.listings, self._desk.state.has("USDC_DEPEG")
        if (self._routes.listed, self._routes.avoids_usdc) != (listed, avoids):
            kept = frozenset(name for name, keep in tracker.wallets.keep.items() if keep is None)
            assets, cash = self._settings.liquidation_assets, tracker.books.cash
            self._routes = Routes(
                tracker.products, cash, assets, kept=kept, avoids_usdc=avoids, listed=listed
            )

    def is_flat(self, memory: LiquidatorMemory, episode: Episode) -> bool:
        """Whether no order is open, and no holding could be sold, now or later."""
        left = self.holdings(memory, episode)
        return not self.working(episode) and all(one.is_final for one in left)
