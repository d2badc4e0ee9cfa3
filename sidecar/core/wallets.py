"""Wallets: what the account holds of each currency, what of it is free, and what all of it is
worth. No I/O.

A balance read may lag the fills before it, so it is believed only when it cannot be lagging: no
order event within `SETTLE` of the read, and two such reads agree with each other after the fills
have been looked at. Until then a difference is a doubt; after that it is a transfer (a deposit, a
withdrawal, a fee outside trading).
"""

from datetime import datetime, timedelta
from decimal import Decimal
from typing import Final, Literal

from msgspec import Struct, field

from sidecar.core.money import ZERO

# Coinbase's balances lag its orders by about a second; twice that.
SETTLE: Final = timedelta(seconds=2)
# After a sale of our own, a balance that still holds it is no deposit for so long: it would be sold
# again, and be what is to be kept. Far beyond any lag that was seen.
OWN_SALE_SHOWS_WITHIN: Final = timedelta(seconds=60)

Verdict = Literal["agrees", "lagging", "differs", "accepted"]


class Agreement(Struct):
    """Whether reads of one quantity agree with the books, and how far a difference has been
    confirmed.
    """

    active_at: datetime | None = None  # last order event that moves the quantity
    read_at: datetime | None = None  # last read that the books followed
    suspect: Decimal | None = None
    suspect_at: datetime | None = None

    def touch(self, at: datetime) -> None:
        """An order event: a read shortly before it may have known more, or less, than the books
        did.
        """
        self.active_at = at
        if self.suspect_at is not None and abs(at - self.suspect_at) < SETTLE:
            self.suspect = self.suspect_at = None

    def judge(
        self, booked: Decimal, read: Decimal, at: datetime, fills_until: datetime | None
    ) -> Verdict:
        """What to make of a read. "accepted": the read is right, the books are to follow it."""
        if self.active_at is not None and abs(at - self.active_at) < SETTLE:
            return "lagging"
        if read == booked:
            self.suspect = self.suspect_at = None
            return "agrees"
        first = self.suspect_at
        if (
            read == self.suspect
            and first is not None
            and at > first
            and fills_until is not None
            and fills_until >= first
        ):
            self.suspect = self.suspect_at = None
            return "accepted"
        if read != self.suspect or first is None or at < first:  # anew, or the clock was set back
            self.suspect, self.suspect_at = read, at
        return "differs"

    @property
    def in_doubt(self) -> bool:
        return self.suspect is not None


class Wallet(Struct):
    """One currency's wallet, in its own units. `keep` None means all of it."""

    total: Decimal = ZERO
    keep: Decimal | None = ZERO
    held: Decimal = ZERO  # what own open orders bind
    reserved: Decimal = ZERO  # what approvals bind
    foreign_hold: Decimal = ZERO  # what Coinbase holds for no order of ours
    unpriced: Decimal = ZERO  # came in from outside before any mark was known
    value: Decimal = ZERO  # share of `Wallets.value`, USD
    agreement: Agreement = field(default_factory=Agreement)
    own_sale_at: datetime | None = None  # when a flattening last sold of it

    def may_hold_own_sale(self, read: Decimal, at: datetime) -> bool:
        """Whether a balance as high as `read` may be from before our last sale."""
        if self.own_sale_at is None or read <= self.total:
            return False
        return at < self.own_sale_at + OWN_SALE_SHOWS_WITHIN

    @property
    def position(self) -> Decimal:
        """What counts as a position: the total less `keep`, and all that is short of zero: a sale
        told before its purchase.
        """
        if self.keep is None:
            return ZERO
        return max(self.total - self.keep, min(ZERO, self.total))

    @property
    def free(self) -> Decimal:
        """What a new order may use. `keep` is never available."""
        if self.keep is None:
            return ZERO
        return self.total - self.keep - self.held - self.reserved - self.foreign_hold


class Wallets:
    """All wallets and their worth in USD."""

    def __init__(self, keep: dict[str, Decimal | None]) -> None:
        self.keep = keep
        self.by_currency: dict[str, Wallet] = {}
        self.value = ZERO
        self.in_doubt: set[str] = set()

    def get(self, currency: str) -> Wallet:
        """The currency's wallet, begun empty if there is none."""
        wallet = self.by_currency.get(currency)
        if wallet is None:
            wallet = Wallet(keep=self.keep.get(currency, ZERO))
            self.by_currency[currency] = wallet
        return wallet

    def free(self, currency: str) -> Decimal | None:
        """What a new order may use, or None when the wallet was never seen."""
        wallet = self.by_currency.get(currency)
        return None if wallet is None else wallet.free

    def move(self, wallet: Wallet, quantity: Decimal, mark: Decimal | None) -> None:
        """Change the total and its worth. `mark` is USD per unit; None values it at zero."""
        wallet.total += quantity
        self.revalue(wallet, mark)

    def revalue(self, wallet: Wallet, mark: Decimal | None) -> None:
        value = ZERO if mark is None else wallet.total * mark
        self.value += value - wallet.value
        wallet.value = value

    def note_doubt(self, currency: str, agreement: Agreement) -> None:
        """Keep the list of quantities that Coinbase and the books disagree on."""
        if agreement.in_doubt:
            self.in_doubt.add(currency)
        else:
            self.in_doubt.discard(currency)
