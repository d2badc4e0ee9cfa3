"""Datings: a unit's worth, had transfers come at other moments than those that they are booked at. No I/O.

Theory of operation. Between two readings of the balances prices move, and neither reading shows when money
came. The account is reckoned through one list of moments, the earliest first: at each stands its value and its
PnL without the transfers in question, and the worth of each of them. From one moment to the next the account
grows by its PnL as a share of its value, and a transfer takes part from the moment on that it is dated at. The
product of these growths is the worth of a unit.

The best dating is found by taking one transfer at a time to its best moment, until no other moment is better.
Between two moments that is the optimum: a transfer belongs there just if it grows by more than the whole
(W. Dinkelbach, On nonlinear fractional programming, 1967).
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from math import prod
from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from sidecar.core.account.moved import Moved, Order, Point
from sidecar.core.vocabulary.money import ONE, ZERO
from sidecar.core.vocabulary.products import DOLLARS

# The least that stays of a unit, as a share of it: an account that lost all its equity, and more, still has a
# ratio after the next deposit.
LEFT_OF_A_UNIT: Final = Decimal("1E-9")
OVERLAPPING_MAX: Final = 10  # transfers: what is done for each grows with their number

Better = Callable[[Iterable[Decimal]], Decimal]  # `max` or `min`


class Present(Struct, frozen=True):
    """The account now, as the books have it: its equity, net PnL and the transfers so far, USD."""

    equity: Decimal
    pnl: Decimal
    transfers: Decimal


class Datings:
    """The moments at which some transfers may have come, and the account's growth between them.

    `least`: with less value than that, USD, the account has no ratio to grow by.
    """

    def __init__(self, moves: Sequence[Moved], present: Present, least: Decimal = ZERO) -> None:
        self.moves, self.least = moves, least
        moments = sorted(
            {moment.order: moment for moved in moves for moment in moved.moments}.items()
        )
        self.moments = [moment for _, moment in moments]
        self._place = {order: place for place, (order, _) in enumerate(moments)}
        worths = [self._worths_of(moved) for moved in moves]
        values, earned = [], []
        before = present.equity - present.pnl - present.transfers
        for place, moment in enumerate(self.moments):
            came = present.transfers if moment.transfers is None else moment.transfers
            value, pnl = before + moment.pnl + came, moment.pnl
            for moved, of_it in zip(moves, worths, strict=True):
                if moved.is_in(moment):
                    value -= of_it[place]
                    pnl -= of_it[place] - moved.worth
            values.append(value)
            earned.append(pnl)
        # From each moment to the next: the value at its start and the PnL, without these transfers, and of each.
        self._spans = [
            (
                values[place],
                earned[place + 1] - earned[place],
                [(of_it[place], of_it[place + 1] - of_it[place]) for of_it in worths],
            )
            for place in range(len(self.moments) - 1)
        ]

    def share(self, better: Better) -> Decimal:
        """A unit's worth had each transfer come at the moment that is the better, as a share of its actual worth:
        that of the moments they are booked at.
        """
        booked = [self._place[moved.booked.order] for moved in self.moves]
        told = prod(self._growths(booked), start=ONE)
        allowed = [self._places(moved, better) for moved in self.moves]
        # From both sides, for a best moment may be no better than its neighbours while another transfer stands.
        starts = [[end(places) for places in allowed] for end in (min, max)]
        best = better(self._climb(dates, better) for dates in starts)
        return max(best, LEFT_OF_A_UNIT) / max(told, LEFT_OF_A_UNIT)

    def _places(self, moved: Moved, better: Better) -> list[int]:
        """The places of the moments at which a transfer may have come. The worst may be that there was none."""
        is_past = moved.has_come and moved.others and better is max
        moments = moved.others if is_past else moved.moments
        return [self._place[moment.order] for moment in moments]

    def _climb(self, dates: list[int], better: Better) -> Decimal:
        """A unit's worth with each transfer at the moment that is the better, beginning at these."""
        best = prod(self._growths(dates), start=ONE)
        while True:  # each pass but the last finds a better dating, of finitely many
            before = best
            for number, moved in enumerate(self.moves):
                grown, place = self._best_place(number, moved, dates, better)
                if better((best, grown)) != best:
                    best, dates[number] = grown, place
            if best == before:
                return best

    def _best_place(
        self, number: int, moved: Moved, dates: list[int], better: Better
    ) -> tuple[Decimal, int]:
        """The worth of a unit with one transfer at the moment that is the better, all others standing; and that
        moment's place.
        """
        last = len(self.moments)
        out = self._growths([*dates[:number], last, *dates[number + 1 :]])
        inside = self._growths([*dates[:number], 0, *dates[number + 1 :]])
        worths = {
            place: prod(out[:place], start=ONE) * prod(inside[place:], start=ONE)
            for place in self._places(moved, better)
        }
        best = better(worths.values())
        return best, next(place for place, worth in worths.items() if worth == best)

    def _growths(self, dates: list[int]) -> list[Decimal]:
        """The growth of a unit from each moment to the next, with the transfers in from these moments on."""
        growths = []
        for place, (bare, bare_earned, parts) in enumerate(self._spans):
            value, earned = bare, bare_earned
            for date, (worth, change) in zip(dates, parts, strict=True):
                if date <= place:
                    value += worth
                    earned += change
            grown = max((value + earned) / value, LEFT_OF_A_UNIT) if value > self.least else ONE
            growths.append(grown)
        return growths

    def _worths_of(self, moved: Moved) -> list[Decimal]:
        """The worth of a transfer's quantity at each moment, USD; by its last known price where a moment knows none."""
        own = {moment.order: moment.price for moment in (*moved.others, moved.booked)}
        price, worths = next(own[one.order] for one in self.moments if one.order in own), []
        for moment in self.moments:
            price = own.get(moment.order) or moment.prices.get(moved.key) or price
            worths.append(moved.quantity * price)
        return worths


class Overlapping:
    """The last transfers: each changes the account that others met whose possible moments overlap with its own."""

    def __init__(self) -> None:
        self.known: list[Moved] = []

    def add(
        self, moves: Sequence[Moved], present: Present, least: Decimal
    ) -> tuple[Decimal, Decimal]:
        """Transfers have been booked. By how much they change a unit's worth at the best of all moments, and at
        the worst, as shares of what it was at those before.
        """
        best = worst = ONE
        for some in _few(moves):
            shares = self._add(some, present, least)
            best, worst = best * shares[0], worst * shares[1]
        return best, worst

    def _add(
        self, moves: Sequence[Moved], present: Present, least: Decimal
    ) -> tuple[Decimal, Decimal]:
        undone = {id(one) for moved in moves for one in self._undone(moved)}
        moves = [placed for moved in moves if (placed := self._placed(moved)) is not None]
        if not moves:
            return ONE, ONE
        met = self._met(moves)
        before = self._shares(met, present, least)
        after = self._shares([*(_once(one, undone) for one in met), *moves], present, least)
        self.known = [*(_once(one, undone) for one in self.known), *moves][-OVERLAPPING_MAX:]
        return after[0] / before[0], after[1] / before[1]

    def forget(self, open_moments: Iterable[Point], sweep_lag: timedelta) -> None:
        """Forget the transfers that overlap with no later transfer. `open_moments`: the moments that a later transfer
        may have; `sweep_lag`: for so long after its booking a transfer of dollars may be taken back.
        """
        moments = list(open_moments)
        if not moments:
            return
        since = min(one.order for one in moments)
        overlap = self._overlap(since, min(one.booked for one in moments))
        kept = {id(one) for one in overlap}
        self.known = [
            one for one in self.known if id(one) in kept or _may_be_undone(one, since[0], sweep_lag)
        ]

    def share(
        self, moves: Sequence[Moved], present: Present, least: Decimal, better: Better
    ) -> Decimal:
        """By how much transfers that are in doubt still may change a unit's worth at the better moments."""
        share = ONE
        for some in _few(moves):
            met = self._met(some)
            before = Datings(met, present, least).share(better)
            share *= Datings([*met, *some], present, least).share(better) / before
        return share

    def at_their_moments(self, moves: Sequence[Moved], net_pnl: Decimal) -> list[Moved]:
        """Transfers that have been booked, not added yet; each with the PnL that its moment had, by all that is known
        now to have come before it. What was booked since then as of an earlier moment had earned by then as well.
        `net_pnl`: the account's present one, USD.
        """
        placed = [self._placed(moved) or moved for moved in moves]
        found = []
        for moved in placed:
            booked = moved.booked
            earned = sum((one.earned_by(booked) for one in (*self.known, *placed)), ZERO)
            booked = replace(booked, pnl=booked.pnl + earned)
            own = moved.quantity * (moved.now.price - booked.price)
            now = replace(moved.now, pnl=net_pnl - own)
            found.append(replace(moved, booked=booked, now=now))
        return found

    def _undone(self, moved: Moved) -> list[Moved]:
        """The known transfers of dollars that this one takes back."""
        if moved.undoes is None:
            return []
        return [one for one in self.known if one.told_at == moved.undoes and one.key in DOLLARS]

    def _placed(self, moved: Moved) -> Moved | None:
        """One that takes another back is of its very moment, with all that the books had then: together they are
        nothing at any time. None: the other is not known any more, and neither counts.
        """
        if moved.undoes is None:
            return moved
        undone = self._undone(moved)
        return replace(moved, booked=undone[-1].booked) if undone else None

    def _met(self, moves: Sequence[Moved]) -> list[Moved]:
        """Those of before that these overlap with."""
        since, booked = min(one.first for one in moves), min(one.known_by for one in moves)
        room = OVERLAPPING_MAX - len(moves)
        return self._overlap(since, booked)[-room:] if room else []

    def _overlap(self, since: Order, booked: int) -> list[Moved]:
        """The transfers that overlap with moments from `since` on, at which `booked` transfers were booked; and those
        that overlap with these transfers.
        """
        found = list[Moved]()
        for one in reversed(self.known):
            is_known = one.number is None or one.number <= booked
            if is_known and one.last <= since:
                continue
            since, booked = min(since, one.first), min(booked, one.known_by)
            found.insert(0, one)
        return found

    @staticmethod
    def _shares(
        moves: Sequence[Moved], present: Present, least: Decimal
    ) -> tuple[Decimal, Decimal]:
        datings = Datings(moves, present, least)
        return datings.share(max), datings.share(min)


def _few(moves: Sequence[Moved]) -> Iterator[Sequence[Moved]]:
    """No more at a time than are dated together."""
    for first in range(0, len(moves), OVERLAPPING_MAX):
        yield moves[first : first + OVERLAPPING_MAX]


def _may_be_undone(moved: Moved, since: datetime, sweep_lag: timedelta) -> bool:
    """Whether a difference of dollars first read at `since`, or later, may take this transfer back."""
    told_at = moved.told_at
    return moved.key in DOLLARS and told_at is not None and since <= told_at + sweep_lag


def _once(moved: Moved, undone: set[int]) -> Moved:
    """A transfer; one that was undone came at the moment it was booked at, and at no other."""
    return replace(moved, others=()) if id(moved) in undone else moved
