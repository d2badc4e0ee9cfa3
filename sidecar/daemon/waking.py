"""Waking a person: each alert of weight goes to a command of the operator's, as JSON on its standard input.

    listener ─→ queue, at most 100 ─(a task)→ one child at a time, at most `within_s` each

No decision waits for it: an alert is queued, and the loop goes on. A child that hangs or fails is
killed with all that it began, begun again, and then passed over, so that it is in no later alert's
way. Where the queue is full the oldest of the least weight is lost; the next that is sent says how
many were. A bot can cause warnings at will, so those of one code wake a person at most once a
minute: warnings that come meanwhile wait, and are told together.
"""

import asyncio
import hashlib
import os
import signal
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from datetime import datetime
from typing import Any, Final, Literal, NamedTuple

import msgspec
from msgspec import Struct
from structlog.typing import FilteringBoundLogger

from sidecar.core.context.state import BY_OPERATOR, LOSSES
from sidecar.core.vocabulary import actions as ac
from sidecar.core.vocabulary import events as ev

WAITING_MAX: Final = 100
TEXT_MAX: Final = 4_000  # characters; a longer text would wake no better
TRIES: Final = 3
AGAIN_AFTER_S: Final = 2.0  # doubled each time
APART_S: Final = 60.0  # warnings of one code, at least
REAP_WITHIN_S: Final = 1.0  # a killed child that does not end waits for a disk
END_WITHIN_S: Final = 5.0  # for alerts that wait when the process ends
# Causes of which an alert of their own tells, once they are more than a first sight; and those that
# people asked for.
TOLD_OTHERWISE: Final = LOSSES | BY_OPERATOR | {"LIQUIDATION", "LIQUIDATED", "ABORTED"}

Severity = Literal["warning", "critical"]


class Woken(NamedTuple):
    """One alert to tell."""

    severity: Severity
    code: str
    text: str


class Message(Struct, frozen=True):
    """The command's input. `lost`: alerts before this one that were never told. `more`: how many of
    the same code it tells of besides the first, a line of the text each, as far as there is room.
    """

    alert_id: str
    at: datetime
    severity: Severity
    code: str
    text: str
    state: str
    lost: int = 0
    more: int = 0


def message_of(woken: Woken, at: datetime, state: str, more: int = 0) -> Message:
    """With an id that no other has."""
    severity, code, text = woken
    own = hashlib.sha256(f"{at.isoformat()} {code} {more} {text}".encode()).hexdigest()[:16]
    return Message(own, at, severity, code, text, state, more=more)


def worth_waking(actions: Iterable[ac.Action]) -> list[Woken]:
    """The alerts of weight among a fact's actions: those that the core raised, the beginning of a
    sale, and causes that no alert tells of.
    """
    alerts = [action for action in actions if isinstance(action, ac.Alert)]
    told = {alert.code for alert in alerts}
    found = [Woken(a.severity, a.code, a.text) for a in alerts if a.severity != "info"]
    for action in actions:
        match action:
            case ac.Liquidate(reason=reason):
                found.append(Woken("critical", "LIQUIDATION", f"selling everything: {reason}"))
            case ac.FlattenProduct(key=key, reason=reason):
                found.append(Woken("critical", "LIQUIDATION", f"selling all {key}: {reason}"))
            case ac.CauseRaised(code=code, scope=scope, level=level, reason=reason):
                if code not in told | TOLD_OTHERWISE:
                    severity: Severity = "warning" if level == "REDUCE_ONLY" else "critical"
                    found.append(Woken(severity, code, f"{scope}: {reason}"))
    return found


class Waker:
    """Sends alerts to the command. `state` says the account's trading state."""

    def __init__(
        self,
        command: Sequence[str],
        within_s: float,
        log: FilteringBoundLogger,
        now: Callable[[], datetime],
        state: Callable[[], str],
    ) -> None:
        self._command = tuple(command)
        self._within_s = within_s
        self._log = log
        self._now = now
        self._state = state
        self._waiting: list[Message] = []
        self._under_way: Message | None = None
        self._told_at: dict[str, float] = {}  # when a warning of this code was sent, within APART_S
        self._some = asyncio.Event()
        self._weighty = asyncio.Event()  # a critical one came since there was none
        self._lost = 0  # since the last that was sent
        self.sent = self.failed = self.lost = 0

    def listen(self, _event: ev.Event, actions: list[ac.Action]) -> None:
        """Queue the alerts of a fact's actions, as an engine tells them."""
        for woken in worth_waking(actions):
            self.tell(*woken)

    def tell(self, severity: Severity, code: str, text: str) -> None:
        """Queue an alert; one that waits already is not queued again."""
        if not self._command:
            return
        text = text[:TEXT_MAX]
        if any(one.code == code and f"\n{text}\n" in f"\n{one.text}\n" for one in self._waiting):
            return
        if severity == "warning" and self._joined(code, text):
            return
        if len(self._waiting) >= WAITING_MAX:
            self._lose(severity)
            if len(self._waiting) >= WAITING_MAX:
                return
        woken = Woken(severity, code, text)
        self._waiting.append(message_of(woken, self._now(), self._state()))
        self._some.set()
        if severity == "critical":
            self._weighty.set()

    def _joined(self, code: str, text: str) -> bool:
        """Whether a warning of the same code waits, with which it is told now."""
        for place, one in enumerate(self._waiting):
            if (one.severity, one.code) == ("warning", code) and one is not self._under_way:
                whole = f"{one.text}\n{text}"
                woken = Woken("warning", code, whole if len(whole) <= TEXT_MAX else one.text)
                self._waiting[place] = message_of(woken, one.at, one.state, one.more + 1)
                return True
        return False

    def _lose(self, severity: Severity) -> None:
        """Make room, where a waiting alert is of no more weight than the new one; count the lost."""
        waiting = [one for one in self._waiting if one is not self._under_way]
        lesser = [one for one in waiting if one.severity == "warning"]
        lost = 1
        if lesser or severity == "critical":
            passed_over = lesser[0] if lesser else waiting[0]
            self._waiting.remove(passed_over)
            lost += passed_over.more
        self._lost += lost
        self.lost += lost

    async def run(self) -> None:
        """Until cancelled: send the waiting alerts, the most weighty first."""
        while True:
            self._some.clear()
            if (message := self._next()) is not None:
                await self._send(message, TRIES)
                continue
            with suppress(TimeoutError):
                async with asyncio.timeout(self._due_in_s()):
                    await self._some.wait()

    async def end(self) -> None:
        """The process ends: send the waiting alerts, once each, for as long as that may take."""
        self._told_at.clear()
        with suppress(TimeoutError):
            async with asyncio.timeout(END_WITHIN_S):
                while (message := self._next()) is not None:
                    await self._send(message, 1)
                    self._told_at.clear()

    def _next(self) -> Message | None:
        """The most weighty that may be sent now."""
        for one in self._waiting:
            if one.severity == "critical":
                return one
        self._weighty.clear()
        now = asyncio.get_running_loop().time()
        self._told_at = {code: at for code, at in self._told_at.items() if now < at + APART_S}
        return next((one for one in self._waiting if one.code not in self._told_at), None)

    def _due_in_s(self) -> float | None:
        """When the first of those that wait may be sent; None where none waits."""
        now = asyncio.get_running_loop().time()
        due = [self._told_at[one.code] + APART_S - now for one in self._waiting]
        return max(min(due), 0) if due else None

    async def _send(self, message: Message, tries: int) -> None:
        """Send it, or pass it over; or let it wait, where it fails and a weightier one came meanwhile."""
        lost = self._lost
        data = msgspec.json.encode(msgspec.structs.replace(message, lost=lost)) + b"\n"
        self._under_way = message
        try:
            fault = await self._try(message, data, tries)
        finally:
            self._under_way = None
        if fault is None:
            return
        self._waiting.remove(message)
        if message.severity == "warning":
            self._told_at[message.code] = asyncio.get_running_loop().time()
        if fault:
            self.failed += 1
            self._lost += 1 + message.more
        else:
            self.sent += 1
            self._lost -= lost

    async def _try(self, message: Message, data: bytes, tries: int) -> str | None:
        """Why it failed; empty when it did not, None where it is to be begun anew."""
        fault = ""
        for number in range(tries):
            fault = await give(self._command, data, self._within_s)
            if not fault:
                break
            self._log.warning("the alert command failed", fault=fault, code=message.code)
            if number + 1 < tries and await self._is_overtaken(message, AGAIN_AFTER_S * 2**number):
                return None
        return fault

    async def _is_overtaken(self, message: Message, within_s: float) -> bool:
        """Whether a critical alert waits behind this lesser one before it is to be tried again."""
        if message.severity == "critical":
            await asyncio.sleep(within_s)
            return False
        with suppress(TimeoutError):
            async with asyncio.timeout(within_s):
                await self._weighty.wait()
        return self._weighty.is_set()

    def shown(self) -> dict[str, Any]:
        """How it fares, for `status`."""
        return {
            "sent": self.sent,
            "failed": self.failed,
            "lost": self.lost,
            "waiting": len(self._waiting),
        }


async def give(command: Sequence[str], data: bytes, within_s: float) -> str:
    """Run a command with this on its standard input. Why it failed; empty when it did not.

    Its output is discarded. It has a process group of its own, which ends with it where it fails,
    and at the deadline. Where it went well, processes that it left behind go on: one may be the
    very alarm.
    """
    code = None
    try:
        child = await asyncio.create_subprocess_exec(
            *command, stdin=PIPE, stdout=DEVNULL, stderr=DEVNULL, start_new_session=True
        )
    except (OSError, ValueError) as error:
        return f"it cannot be run: {error}"
    try:
        # A task of its own: in Python 3.11.2 a time-out within a task that is being cancelled is told as its cancel.
        code = await asyncio.wait_for(_fed(child, data), within_s)
    except TimeoutError:
        return f"it did not end within {within_s:g} s, and was killed"
    finally:
        await _end(child, with_group=code != 0)
    return f"it ended with {code}" if code else ""


async def _fed(child: Process, data: bytes) -> int:
    """The exit code of the child, which is given this text."""
    await _feed(child, data)
    return await child.wait()


async def _feed(child: Process, data: bytes) -> None:
    """A child that does not read is no failure: its exit code says."""
    assert child.stdin is not None
    with suppress(ConnectionError):
        child.stdin.write(data)
        await child.stdin.drain()
    child.stdin.close()


async def _end(child: Process, *, with_group: bool) -> None:
    """End the child and, with its group, all that it began, as far as there are any; also processes
    that it left behind.
    """
    assert child.stdin is not None
    if with_group:
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(child.pid, signal.SIGKILL)
    if not child.stdin.transport.is_closing():
        child.stdin.transport.abort()
    with suppress(TimeoutError):
        async with asyncio.timeout(REAP_WITHIN_S):
            await child.wait()
