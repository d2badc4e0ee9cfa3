"""The account's fills as they are recorded: numbers, ids, and fees that are told late. No I/O."""

from datetime import datetime, timedelta
from decimal import Decimal
from hashlib import sha256
from typing import Final
from uuid import UUID, uuid5

from sidecar.core.vocabulary.money import ZERO
from sidecar.paper.venue.book import Level
from sidecar.paper.venue.order import Fill, Order, Side
from sidecar.paper.venue.register import Register

FUNDING: Final = "FUNDING"


class Receipts:
    """Counts the trades of all books, and writes down which of them were the account's."""

    def __init__(self, run: UUID, register: Register) -> None:
        self.number = 0  # of the latest trade
        # Orders with a fill of which the fee is to be told later, since the caller last looked.
        self.untold: list[str] = []
        self._run = run
        self._register = register
        self._untold: dict[str, list[Decimal]] = {}

    def count(self) -> int:
        """The number of the next trade."""
        self.number += 1
        return self.number

    def write(  # noqa: PLR0913 - a fill's facts
        self,
        order: Order,
        level: Level,
        fee: Decimal,
        now: datetime,
        *,
        is_maker: bool,
        late: timedelta,
    ) -> None:
        """The latest trade was this order's; its fee is told `late`."""
        if late:
            self.untold.append(order.order_id)
            self._untold.setdefault(order.order_id, []).append(fee)
        else:
            order.fees_told += fee
        entry_id, trade_id = self._ids()
        self._register.fills.append(
            Fill(
                number=self.number,
                entry_id=entry_id,
                trade_id=trade_id,
                order_id=order.order_id,
                product_id=order.product_id,
                side=order.side,
                price=level.price,
                size=level.size,
                commission=fee,
                is_maker=is_maker,
                at=now,
                fee_told_at=now + late,
            )
        )

    def write_funding(
        self, product_id: str, side: Side, mark: Decimal, cost: Decimal, now: datetime
    ) -> None:
        """A payment of funding as a fill of no size; `cost` is negative when it was received."""
        self.count()
        entry_id, trade_id = self._ids()
        self._register.fills.append(
            Fill(
                number=self.number,
                entry_id=entry_id,
                trade_id=trade_id,
                order_id="",
                product_id=product_id,
                side=side,
                price=mark,
                size=ZERO,
                commission=cost,
                is_maker=False,
                at=now,
                fee_told_at=now,
                trade_type=FUNDING,
            )
        )

    def _ids(self) -> tuple[str, str]:
        identity = f"{self._run}/fill/{self.number}"
        trade_id = uuid5(self._run, f"trade/{self.number}")
        return sha256(identity.encode()).hexdigest(), str(trade_id)

    def late_fee(self, order_id: str) -> Decimal:
        """The oldest fee of an order that was not told with its fill."""
        fees = self._untold[order_id]
        fee = fees.pop(0)
        if not fees:
            del self._untold[order_id]
        return fee
