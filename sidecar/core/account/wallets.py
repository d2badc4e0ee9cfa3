"""Wallets: the holdings of each currency, their free part, and the worth of all. No I/O."""

from datetime import datetime, timedelta
from decimal import Decimal
from typing import Final

from msgspec import Struct, field

from sidecar.core.account.moved import Point
from sidecar.core.account.reconciliation import Reconciliation
from sidecar.core.vocabulary.money import ZERO

# After a sale of our own, a balance that still holds it is no deposit for so long: it would be sold
# again, out of the quantity that is to be kept. Far beyond any lag that was seen.
OWN_SALE_SHOWS_WITHIN: Final = timedelta(seconds=60)


class Wallet(Struct):
    """One currency's wallet, in its own units. `keep` None means all of it."""

    total: Decimal = ZERO
    keep: Decimal | None = ZERO
    held: Decimal = ZERO  # bound by own open orders
    reserved: Decimal = ZERO  # bound by approvals
    foreign_hold: Decimal = ZERO  # held by Coinbase for no order of ours
    unpriced: Decimal = ZERO  # came in from outside, and waits for its first good mark
    value: Decimal = ZERO  # share of `Wallets.value`, USD
    agreement: Reconciliation = field(default_factory=Reconciliation)
    waits_since: datetime | None = None  # when a reading first showed units that wait for a price
    own_sale_at: datetime | None = None  # when a flattening last sold of it
    read_point: Point | None = None  # the moment at which a reading last agreed

    def may_hold_own_sale(self, difference: Decimal, at: datetime) -> bool:
        """Whether a balance that is higher than the books may be from before our last sale."""
        if self.own_sale_at is None or difference <= ZERO:
            return False
        return at < self.own_sale_at + OWN_SALE_SHOWS_WITHIN

    @property
    def position(self) -> Decimal:
        """The part that counts as a position: the total less `keep`, and all that is short of zero:
        a sale told before its purchase.
        """
        if self.keep is None:
            return ZERO
        return max(self.total - self.keep, min(ZERO, self.total))

    def moved_by(self, change: Decimal) -> Decimal:
        """By how much the position would move, were the total to change by so much."""
        if self.keep is None:
            return ZERO
        total = self.total + change
        return max(total - self.keep, min(ZERO, total)) - self.position

    @property
    def counted(self) -> Decimal:
        """The part that counts in equity: the position without units that wait for their first good
        mark.
        """
        return self.position - self.unpriced if self.unpriced else self.position

    @property
    def free(self) -> Decimal:
        """The funds that a new order may use, by the smaller of books and reading. `keep` is never
        available.
        """
        if self.keep is None:
            return ZERO
        free = self.total - self.keep - self.held - self.reserved - self.foreign_hold
        doubt = self.agreement.doubt
        return free if doubt is None else free + min(ZERO, doubt.difference)

    @property
    def doubted(self) -> Decimal:
        """The unexplained excess of Coinbase's last reading over the books."""
        doubt = self.agreement.doubt
        return ZERO if doubt is None else doubt.difference


class Wallets:
    """All wallets and their worth in USD, without `keep`."""

    def __init__(self, keep: dict[str, Decimal | None]) -> None:
        self.keep = keep
        self.by_currency: dict[str, Wallet] = {}
        self.value = ZERO
        self.in_doubt: set[str] = set()
        self.waiting: set[str] = set()  # wallets with units that have no price yet

    def get(self, currency: str) -> Wallet:
        """The currency's wallet, begun empty if there is none."""
        wallet = self.by_currency.get(currency)
        if wallet is None:
            wallet = Wallet(keep=self.keep.get(currency, ZERO))
            self.by_currency[currency] = wallet
        return wallet

    def free(self, currency: str) -> Decimal | None:
        """The funds that a new order may use, or None when the wallet was never seen."""
        wallet = self.by_currency.get(currency)
        return None if wallet is None else wallet.free

    def move(self, wallet: Wallet, quantity: Decimal, mark: Decimal | None) -> None:
        """Change the total and its worth. `mark` is USD per unit; None values it at zero."""
        wallet.total += quantity
        self.revalue(wallet, mark)

    def revalue(self, wallet: Wallet, mark: Decimal | None) -> None:
        counted = wallet.counted if wallet.keep != ZERO or wallet.unpriced else wallet.total
        value = ZERO if mark is None else counted * mark
        self.value += value - wallet.value
        wallet.value = value

    def set_unpriced(self, currency: str, wallet: Wallet, quantity: Decimal) -> None:
        """So much of a wallet waits for its first good price."""
        assert quantity >= ZERO, "less than no units wait for a price"
        wallet.unpriced = quantity
        if quantity:
            self.waiting.add(currency)
        else:
            self.waiting.discard(currency)

    @property
    def is_unsure(self) -> bool:
        """Whether a transfer, or the worth of one, is still open."""
        return bool(self.in_doubt or self.waiting)

    def note_doubt(self, currency: str, agreement: Reconciliation) -> None:
        """Keep the list of quantities that Coinbase and the books disagree on."""
        if agreement.doubt is not None:
            self.in_doubt.add(currency)
        else:
            self.in_doubt.discard(currency)
