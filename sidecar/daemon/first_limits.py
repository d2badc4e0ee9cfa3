"""The limits that a start binds: the configuration's, or where it lacks some that it requires or cannot be used, the
last good ones.

A start without limits that must be there, or with a faulty configuration, is refused. Only where money is at stake
would that be the greater danger: no sidecar would watch the losses of what is held, nor finish a flattening.
"""

import os
from datetime import datetime
from typing import Final

from structlog.typing import FilteringBoundLogger

from sidecar.core.risk_manager import RiskManager
from sidecar.core.vocabulary import events as ev
from sidecar.core.vocabulary.brakes import brakes_not_set, lacking
from sidecar.core.vocabulary.errors import Misuse
from sidecar.core.vocabulary.limits import Limits

REASON_MAX: Final = 4_000  # characters of a cause's reason, which each view tells


def refuse_lacking(limits: Limits) -> None:
    """Raises Misuse for limits that lack some which they require."""
    if fault := lacking(limits.require, limits):
        raise Misuse(fault)


def limits_to_bind(
    manager: RiskManager,
    limits: Limits,
    now: datetime,
    fault: Misuse | None = None,
    owners: tuple[int, ...] = (),
) -> list[ev.Event]:
    """The facts by which a recovered manager's limits become those of the configuration; none where they are so. Where
    these cannot be used and money is at stake, the fact that the last good ones stay. Raises Misuse where none is.

    `fault`: of the whole configuration, so that it has no limits; `owners`: the users whose file it is.
    """
    if fault is None and (lacks := lacking(limits.require, limits)):
        fault = Misuse(lacks)
    if fault is not None:
        if not _is_at_stake(manager):
            raise fault
        reason = ". ".join(str(fault).splitlines())
        if len(reason) > REASON_MAX:
            reason = f"{reason[:REASON_MAX]}… (the log has all faults)"
        return [ev.LimitsRefused(at=now, reason=reason)]
    if manager.loosening.standing == limits and not manager.state.has("CONFIG"):
        return []
    why = "configuration at the start"
    return [
        ev.LimitsReplaced(
            at=now, limits=limits, reason=why, by="sidecar", uid=os.getuid(), owners=owners
        )
    ]


def _is_at_stake(manager: RiskManager) -> bool:
    """Whether a position, an order or a flattening is on disk."""
    tracker = manager.tracker
    return (
        any(line.position.quantity for line in tracker.account.lines.values())
        or bool(tracker.ledger.working or tracker.ledger.reservations)
        or manager.liquidator.is_busy
        or manager.state.has("LIQUIDATION")
    )


def tell_brakes(limits: Limits, log: FilteringBoundLogger) -> None:
    """Name in the log the brakes that a start leaves unset."""
    if brakes := brakes_not_set(limits):
        log.info("brakes that are not set", limits=", ".join(brake.name for brake in brakes))
