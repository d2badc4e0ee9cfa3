"""The law of limits that bind their owner: those in force are never looser than some file that has stood for
`loosen_after`, was confirmed by a second user, was in force moments ago, or bound when nothing was to wait.

Files, reloads, restarts, confirmations and clocks that jump come in any order. Which files had a right to bind is
worked out here from true time, and which of two is the looser by a table of its own: nothing of the core's.
"""

from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, NamedTuple

from hypothesis import event, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from sidecar.core.vocabulary import events as ev
from sidecar.core.vocabulary.actions import Answered
from sidecar.core.vocabulary.limits import Limits
from tests.decisions import of_kind, reloaded
from tests.scenario import World

MINUTE = timedelta(minutes=1)
RETURN = 10 * MINUTE
INFINITE = Decimal("Infinity")
FIRST: dict[str, Any] = {"loosen_after": "24h", "max_order_notional": 5, "product": {"A-USD": {"max_order_size": 2}}}  # fmt: skip

files = st.fixed_dictionaries(
    {"loosen_after": st.sampled_from(["1h", "24h", "24h", "48h", None])},
    optional={
        "resume_after": st.sampled_from(["1h", "24h"]),
        "max_order_notional": st.sampled_from([4, 5, 6]),
        "min_order_size": st.sampled_from([1, 2]),
        "no_adding": st.booleans(),
        "max_daily_loss": st.sampled_from(["0.1", "0.2", "500 USD", "600 USD"]),
        "max_order_rate": st.sampled_from([{"count": c, "window_s": w} for c in (1, 2) for w in (1, 2)]),
        "block_products": st.lists(st.sampled_from(["A-USD", "B-USD", "C-USD"]), unique=True),
        "product": st.dictionaries(
            st.sampled_from(["A-USD", "B-USD"]),
            st.fixed_dictionaries({}, optional={"max_order_size": st.sampled_from([1, 2, 3])}),
        ),
        "shadow": st.fixed_dictionaries({}, optional={"max_leverage": st.sampled_from([1, 2])}),
    },
)  # fmt: skip


def corners(limits: Limits) -> dict[str, Decimal]:
    """Each thing that an order may do at most, or a wait may last at least, as a number: the more, the looser. A key
    that is missing is as loose as can be.
    """
    loss, rate = limits.max_daily_loss, limits.max_order_rate
    found: dict[str, Decimal | None] = {
        "notional": limits.max_order_notional,
        "smallest": None if limits.min_order_size is None else -limits.min_order_size,
        "adding": Decimal(0) if limits.no_adding else None,
        "loss ratio": None if loss is None else loss.ratio,
        "loss usd": None if loss is None else loss.usd,
        "rate": None if rate is None else Decimal(rate.count),
        "within": None if rate is None else -rate.window_s,
        "bound for": _less(limits.loosen_after),
        "cools for": _less(limits.resume_after),
        "shadow": None if limits.shadow is None else Decimal(0),
        "leverage": None if limits.shadow is None else limits.shadow.max_leverage,
        **{f"blocked {name}": Decimal(0) for name in limits.block_products},
        **{f"table {name}": Decimal(0) for name in limits.product},
        **{f"size {name}": table.max_order_size for name, table in limits.product.items()},
    }
    return {name: value for name, value in found.items() if value is not None}


def _less(wait: timedelta | None) -> Decimal | None:
    return None if wait is None else -Decimal(wait.total_seconds())


def is_looser(one: Limits, other: Limits) -> bool:
    """Whether anything is let through by one that the other forbids."""
    mine = corners(one)
    return any(mine.get(name, INFINITE) > bound for name, bound in corners(other).items())


class Read(NamedTuple):
    """A file, since when it is the last one that was read, how long it must stand, and who had it read first."""

    file: Limits
    since: datetime
    wait: timedelta
    uid: int


class LooseningMachine(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.world = World(products=(), **FIRST)
        self.true = self.world.now
        self.skew = timedelta()
        self.last = Read(Limits(**FIRST), self.true, timedelta(), 7)
        self.rightful = [self.last.file]  # the limits in force, and files with a right to bind now
        self.former: tuple[datetime, list[Limits]] | None = None
        self.before = self.limits

    @property
    def limits(self) -> Limits:
        return self.world.manager.limits

    def send(self, kind: type[ev.Event], **fields: Any) -> None:
        """As the process does: a clock that was set is told of first."""
        self.world.now = self.true + self.skew
        self.world.send(ev.ClocksCompared, ahead=self.skew)
        self.see()
        self.world.send(kind, **fields)

    def see(self) -> None:
        """The last file has stood, once it has; what was in force before a change may return for a while."""
        if self.true - self.last.since >= self.last.wait:
            self.rightful.append(self.last.file)
        if self.limits != self.before:
            self.former = (self.true, [self.before])
            self.before = self.limits

    def read(self, file: Limits, uid: int) -> None:
        self.see()
        wait = self.limits.loosen_after or timedelta()
        if file != self.last.file:
            self.last = Read(file, self.true, wait, uid)
        if not wait:
            self.rightful.append(file)
        if self.former is not None and self.true - self.former[0] <= RETURN:
            self.rightful += [one for one in self.former[1] if one == file]

    @rule(file=files, uid=st.sampled_from([7, 8]))
    def reload(self, file: dict[str, Any], uid: int) -> None:
        self.read(Limits(**file), uid)
        self.send(ev.LimitsReplaced, limits=Limits(**file), uid=uid)

    @rule(uid=st.sampled_from([7, 8]))
    def reload_the_same(self, uid: int) -> None:
        self.read(self.last.file, uid)
        self.send(ev.LimitsReplaced, limits=self.last.file, uid=uid)

    @precondition(lambda self: self.former is not None)
    @rule(uid=st.sampled_from([7, 8]))
    def go_back(self, uid: int) -> None:
        assert self.former is not None
        file = self.former[1][0]
        self.read(file, uid)
        self.send(ev.LimitsReplaced, limits=file, uid=uid)

    @rule(uid=st.sampled_from([7, 8]))
    def confirm(self, uid: int) -> None:
        if uid != self.last.uid:
            self.rightful.append(self.last.file)
        self.send(ev.LooseningConfirmed, uid=uid, reason="seen")
        (answer,) = of_kind(self.world.actions, Answered)
        event(f"confirmed: {answer.done}")

    @rule(minutes=st.sampled_from([1, 9, 11, 59, 61, 23 * 60, 25 * 60, 49 * 60]))
    def wait(self, minutes: int) -> None:
        self.true += minutes * MINUTE
        self.send(ev.ClockAdvanced)

    @rule(hours=st.sampled_from([-50, -25, -1, 0, 1, 25, 50]))
    def set_the_clock(self, hours: int) -> None:
        self.skew = timedelta(hours=hours)
        self.send(ev.ClockAdvanced)

    @rule(file=st.none() | files, down=st.sampled_from([0, 5, 60, 25 * 60]))
    def restart(self, file: dict[str, Any] | None, down: int) -> None:
        """With the last file that was read, or another one."""
        self.true += down * MINUTE
        self.world = reloaded(self.world)
        self.send(ev.ClockAdvanced)
        self.see()
        limits = self.last.file if file is None else Limits(**file)
        if self.world.manager.loosening.standing != limits:
            self.read(limits, 7)
            self.send(ev.LimitsReplaced, limits=limits, uid=7)

    @invariant()
    def no_looser_than_some_file_with_a_right_to_bind(self) -> None:
        self.see()
        assert any(not is_looser(self.limits, file) for file in self.rightful)
        self.rightful = [self.limits]  # to be looser than these takes a right of its own

    @invariant()
    def what_is_tighter_in_the_last_file_binds(self) -> None:
        """In every key that can be compared by a number."""
        mine, file = corners(self.limits), corners(self.last.file)
        for name, bound in file.items():
            is_comparable = "loss" not in name
            assert not is_comparable or mine.get(name, INFINITE) <= bound


TestLoosening = LooseningMachine.TestCase
TestLoosening.settings = settings(
    stateful_step_count=30, max_examples=max(150, settings().max_examples)
)
