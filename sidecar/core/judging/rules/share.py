"""Share: a figure that is the quotient of two rows, of which an order raises both. No I/O."""

from decimal import Decimal

from msgspec import Struct

from sidecar.core.judging.rules.rule import NO_EQUITY, Row, SizeUnit
from sidecar.core.vocabulary.money import ONE, ZERO


class Share(Struct, frozen=True):
    """`part` ÷ `whole` by the size of an order, both lines of one slope; zero up to the size from which the order
    raises the part. From there on the share never falls, if it is no more than 1, and up to a size that keeps a limit
    every smaller one keeps it.
    """

    part: Row
    whole: Row
    of: SizeUnit = "open"

    @property
    def slope(self) -> Decimal:
        return self.part.slope

    def figure(self, size: Decimal) -> Decimal:
        """The share with an order of this size in the books."""
        if self.slope and size <= self._rises_from:
            return ZERO
        return share_of(self.part.figure(size), self.whole.figure(size))

    def ends(self, near: Decimal, level: Decimal) -> tuple[Decimal, Decimal]:
        """The least size beyond which it is at `near` or more, and the largest at which it is not beyond `level`."""
        rises_from = self._rises_from
        return max(rises_from, self._size_at(near)), max(rises_from, self._size_at(level))

    @property
    def _rises_from(self) -> Decimal:
        """The size up to which the part is its floor, or is closed: a floor lies no lower than flat."""
        return (self.part.floor - self.part.base) / self.part.slope

    def _size_at(self, level: Decimal) -> Decimal:
        """The size at which the part is so much of the whole: part − level × whole is the smaller of two lines, that
        of the whole's floor and that of its growth.
        """
        part, whole = self.part, self.whole
        at_floor = (level * whole.floor - part.base) / part.slope
        if level < ONE:
            return max(at_floor, (level * whole.base - part.base) / (part.slope * (ONE - level)))
        return NO_EQUITY if part.base <= whole.base else at_floor


def share_of(part: Decimal, whole: Decimal) -> Decimal:
    """`part` ÷ `whole`; a share of zero is infinite, but for a part of zero."""
    if whole > ZERO:
        return part / whole
    return NO_EQUITY if part > ZERO else ZERO
