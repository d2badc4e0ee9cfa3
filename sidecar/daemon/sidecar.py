"""Sidecar: one process's life. Lock, recovery from disk, tasks and sockets; and an end in order.

The sockets answer from the first moment; until the first picture of the account is complete the
answer to every order that adds risk is no. A crash is an end without the last writing, and costs a
longer start.
"""

import asyncio
import gc
import os
from collections.abc import Callable
from contextlib import AsyncExitStack, suppress
from datetime import datetime, timedelta
from decimal import setcontext
from pathlib import Path
from typing import Any, Final

from structlog.typing import FilteringBoundLogger

from sidecar import clock
from sidecar.coinbase.auth import ApiKey
from sidecar.coinbase.budget import Budget
from sidecar.coinbase.exchange_clock import ExchangeClock
from sidecar.coinbase.rest import Rest
from sidecar.config.tables import Config
from sidecar.core.context.start_terms import QueuedTerms, StartTerms, decided
from sidecar.core.risk_manager import RiskManager
from sidecar.core.saved import SavedState
from sidecar.core.value_at_risk.portfolio_risk import MEASURES
from sidecar.core.views import missing
from sidecar.core.vocabulary import events as ev
from sidecar.core.vocabulary.errors import Misuse, each_of
from sidecar.core.vocabulary.limits import Limits
from sidecar.core.vocabulary.money import MONEY
from sidecar.custom_rules import load_custom_rules, sources_of
from sidecar.daemon import notify
from sidecar.daemon.engine import Engine, Faulted
from sidecar.daemon.first_limits import limits_to_bind, refuse_lacking, tell_brakes
from sidecar.daemon.histories import Histories
from sidecar.daemon.last_good import keep
from sidecar.daemon.names import unknown_names
from sidecar.daemon.outlet import WHOLE
from sidecar.daemon.own_rules import RuleFaults
from sidecar.daemon.recovery import Recovered, new_manager, rebuild, recover, restored, state_of
from sidecar.daemon.snapshot_writer import SnapshotWriter, shout_of_hanging, tell_of_disk
from sidecar.daemon.start_terms import terms_of, with_terms
from sidecar.daemon.waking import Waker
from sidecar.daemon.wiring import Wiring
from sidecar.daemon.witness import Witness
from sidecar.own_places import owners_of
from sidecar.storage.codec import decode_state, encode_state
from sidecar.storage.directory import StateDirectory
from sidecar.storage.disk_thread import DiskThread
from sidecar.storage.halt_file import HaltFile
from sidecar.storage.journal import Journal

READY_WITHIN_S: Final = 10.0  # then it is said to be ready though Coinbase has not been read yet
MAX_SPEED: Final = 10_000.0  # market seconds a second, where a replay runs as fast as it can


class _Stop(Exception):
    """Ends the task group in order."""


class Sidecar:
    """One running sidecar. `reread` gives the configuration anew, for `reload`; `log_state` how the
    log fares, for `status`.
    """

    def __init__(  # noqa: PLR0913 - its parts, by name
        self,
        config: Config,
        key: ApiKey,
        log: FilteringBoundLogger,
        *,
        reread: Callable[[], Config],
        log_state: Callable[[], dict[str, Any]] = lambda: WHOLE,
        exchange_clock: ExchangeClock | None = None,
        rebuild_state: bool = False,
        file: Path | None = None,
        fault: Misuse | None = None,
    ) -> None:
        """`exchange_clock`: for a market whose time is not now. `file`: of the configuration, which is kept for a start
        with a faulty one. `fault`: of the file, in whose place `config` is the last good one. Raises Misuse for custom
        rules that cannot be loaded.
        """
        self.config = self._file = config
        self.log = log
        self._key = key
        self._reread = reread
        self._log_state = log_state
        self._exchange_clock = exchange_clock
        self._now: Callable[[], datetime] = exchange_clock or clock.now
        self._rebuild_state = rebuild_state
        self._path, self._fault = file, fault
        self._faults = RuleFaults(log, clock.wall)
        self._custom = load_custom_rules(config.limits.custom, self._faults)
        self._stopping = asyncio.Event()
        self._ready = asyncio.Event()
        self._is_up = False
        self.engine: Engine | None = None  # while it runs
        self._parts: Wiring | None = None

    def stop(self) -> None:
        """End in order, soon."""
        self._stopping.set()

    def reload(self) -> None:
        """Let the limits of the configuration file bind, as the operator's verb does, on a signal
        of the system's; the outcome is in the log.
        """
        if self._parts is None:
            return
        try:
            answer = self._parts.reload("SIGHUP", "the system", None)
        except Misuse as fault:
            self.log.warning("the configuration was not read anew", fault=str(fault))
        else:
            self.log.warning("the configuration was read anew", text=answer["text"])

    async def run(self, on_ready: Callable[[], None]) -> None:
        """Until stopped. `on_ready` is called once: when the first picture is complete, or after
        `READY_WITHIN_S`.

        Raises Misuse for an obstacle to a start, and Faulted for a fault of our own, after
        which the account is halted on disk.
        """
        setcontext(MONEY)  # of all that begins here: the core need not change it at every fact
        with StateDirectory(self.config.state.dir) as directory:
            engine, first = self._recover(directory)
            self.engine = engine
            keeper = SnapshotWriter(engine, directory, self.config.state)
            waker = self._waker(engine)
            try:
                failed = await self._lived(engine, keeper, waker, first, on_ready)
                if failed is not None:
                    raise self._ended_by(engine, waker, failed) from None
            finally:
                engine.journal.close()
                await waker.end()

    async def _lived(
        self,
        engine: Engine,
        keeper: SnapshotWriter,
        waker: Waker,
        first: list[ev.Event],
        on_ready: Callable[[], None],
    ) -> BaseExceptionGroup[Exception] | None:
        """Live, and end in order if told to; else returns the fault that ended it.

        No exception is raised from within `except*`: Python before 3.11.4 would raise a group of
        it.
        """
        failed: BaseExceptionGroup[Exception] | None = None
        was_told = False
        try:
            await self._live(engine, keeper, waker, first, on_ready)
        except* _Stop:
            was_told = True
        except* Exception as faults:  # noqa: BLE001 - the one at the top: journal it, and stop
            failed = faults
        if was_told and not engine.is_half_way:  # else a fault came with the end
            keeper.write_last()
            self.log.info("stopped")
        return failed

    def _ended_by(
        self, engine: Engine, waker: Waker, faults: BaseExceptionGroup[Exception]
    ) -> Exception:
        """The exception to raise of those that ended it: the user's to mend, or a fault of our own,
        halted on disk.
        """
        misuses, others = faults.split(Misuse)
        if others is not None:
            fault = next(each_of(others))
            engine.give_up(f"{type(fault).__name__}: {fault}")
            self.log.critical("halted by a fault of its own", exc_info=others)
            waker.tell("critical", "FAULT", f"halted by a fault of its own: {fault!r}")
            return Faulted(f"halted by a fault of its own: {fault!r}")
        assert misuses is not None
        if self._is_up:  # then it is no fault of who started it
            misuse = next(each_of(misuses))
            engine.give_up(f"Misuse: {misuse}")
            waker.tell("critical", "FAULT", f"halted by a fault of its own: {misuse}")
            return Faulted("halted by a fault of its own")
        return Misuse("; ".join(map(str, each_of(misuses))))

    # ------------------------------------------------------------------------------- from the disk

    def _recover(self, directory: StateDirectory) -> tuple[Engine, list[ev.Event]]:
        """An engine that stands where the last process ended, and the events that it must be told
        first.
        """
        began, limits = clock.wall(), self.config.limits
        orders: list[ev.Event] = []
        if self._rebuild_state:
            if self._fault is not None:
                raise self._fault
            refuse_lacking(limits)
            recovered, orders = rebuild(directory, limits, self._build, self._now())
        else:
            recovered = recover(directory, limits, self._build, self._under)
        recovered = self._with_terms(recovered)
        limits = self.config.limits
        manager, loop = recovered.manager, asyncio.get_running_loop()
        now = self._now()
        binding = limits_to_bind(manager, limits, now, self._fault, owners_of(self._path))
        if self._fault is not None:
            for line in str(self._fault).splitlines():
                self.log.critical(
                    "the configuration cannot be used: goes on with the last good one", fault=line
                )

        def tell_soon() -> None:  # and not at once: the journal may be speaking from within a fact
            loop.call_soon(tell_of_disk, engine)

        journal = Journal(
            recovered.files,
            recovered.chain,
            lambda: encode_state(state_of(manager, journal.place, self._now())),
            lambda _full: tell_soon(),
            was_full=manager.state.has("DISK_FULL"),
        )
        witness = Witness(manager, lambda: HaltFile(directory.reserve), self.log)
        engine = Engine(manager, journal, self._now, self.log, witness)
        journal.disk.on_hang = lambda: shout_of_hanging(engine)
        self.log.info(
            "recovered",
            state=manager.state.account,
            lines=recovered.lines,
            seconds=round(clock.wall() - began, 3),
            stopped_in_order=recovered.was_stopped,
        )
        if recovered.tail is not None:
            self.log.warning(
                "the journal ended in the middle of a write, which was cut off",
                file=recovered.tail.path.name,
                bytes=recovered.tail.bytes_cut,
            )
        if recovered.recalled:
            self.log.warning(
                "the journal ends before the state in the reserve, which was taken up",
                line=recovered.chain.seq,
            )
        first = [*recovered.first(now), *orders]
        if witness.fault:
            first.append(ev.DiskChanged(at=now, full=True))
        return engine, [*first, *binding]

    def _under(self, saved: SavedState | None) -> Limits:
        """The facts of the last process are told again under its own terms, where these may not just be changed."""
        manager = None if saved is None else saved.manager
        if manager is not None and "loosen_after" in manager.limits and manager.loosening.terms:
            self._use(manager.loosening.terms)
        return self.config.limits

    def _use(self, terms: StartTerms) -> None:
        self.config = with_terms(self._file, terms)
        self._custom = load_custom_rules(self.config.limits.custom, self._faults)

    def _with_terms(self, recovered: Recovered) -> Recovered:
        """The manager under the terms of this start: the file's, or those of before while the file's wait."""
        manager, new = recovered.manager, terms_of(self._file)
        memory, wait = manager.loosening.memory, manager.limits.loosen_after
        terms, queued = new, None
        if memory.terms is not None and self._fault is not None:
            terms = memory.terms
        elif memory.terms is not None and wait is not None:
            read = QueuedTerms(terms=new, wait=wait, uid=os.getuid(), owners=owners_of(self._path))
            terms, queued = decided(memory.terms, memory.queued_terms, read)
        if terms != terms_of(self.config):
            self._use(terms)
            state = encode_state(state_of(manager, recovered.chain, self._now()))
            saved = decode_state(state, "the recovered state")
            manager = restored(saved, self.config.limits, self._build)
            recovered = recovered._replace(manager=manager)
        manager.loosening.memory.terms, manager.loosening.memory.queued_terms = terms, queued
        if queued is not None:
            keys = ", ".join(terms.differing(new))
            self.log.warning("goes on as before, for loosening waits", keys=keys)
        return recovered

    def _build(self, limits: Limits) -> RiskManager:
        life = timedelta(seconds=float(self.config.server.reservation_s) * self._market_speed())
        return new_manager(self.config, limits, self._custom, life, self._now)

    def _waker(self, engine: Engine) -> Waker:
        alerts, state = self.config.alerts, engine.manager.state
        within_s = float(alerts.command_within_s)
        waker = Waker(alerts.command, within_s, self.log, clock.now, lambda: state.account)
        engine.wake = lambda code, text: waker.tell("critical", code, text)
        loop = asyncio.get_running_loop()
        if engine.witness is not None:  # which writes in a thread
            engine.witness.wake_by(
                lambda code, text: loop.call_soon_threadsafe(engine.wake, code, text)
            )
        return waker

    def _market_speed(self) -> float:
        """Market seconds a wall second: waits for a bot or for Coinbase are in wall time."""
        if self._exchange_clock is None:
            return 1.0
        speed = self.config.paper.speed
        return MAX_SPEED if speed == "max" else float(speed)

    # ------------------------------------------------------------------------------------- running

    async def _live(
        self,
        engine: Engine,
        keeper: SnapshotWriter,
        waker: Waker,
        first: list[ev.Event],
        on_ready: Callable[[], None],
    ) -> None:
        """The whole run, from the first task to the last."""
        loop = asyncio.get_running_loop()
        fault = loop.create_future()
        loop.set_exception_handler(lambda _loop, context: _note_fault(fault, context))
        rest = self._rest()
        async with AsyncExitStack() as stack:
            stack.callback(loop.set_exception_handler, None)
            stack.push_async_callback(rest.close)
            async with asyncio.TaskGroup() as group:
                parts = Wiring(
                    self.config,
                    engine,
                    self._key,
                    rest,
                    group,
                    file=self._file,
                    sources=sources_of(self._custom),
                    path=self._path,
                    reread=self._reread,
                    log_state=self._log_state,
                    waker=waker,
                    exchange_clock=self._exchange_clock,
                )
                stack.push_async_callback(parts.close)
                engine.listeners.append(
                    lambda *_: self._look_whether_ready(engine, parts.histories)
                )
                await parts.hear_time()  # before causes that end with time are looked at
                for event in first:
                    engine.handle(event)
                if engine.witness is not None:
                    engine.witness.takes_up = False
                tell_brakes(engine.manager.limits, self.log)
                await parts.open()
                self._is_up = True
                self._parts = parts
                work = {**parts.work(), **keeper.work(), "systemd": notify.keep_alive()}
                work["keep the configuration"] = self._keep_configuration(keeper.directory)
                for name, running in work.items():
                    group.create_task(running, name=name)
                group.create_task(self._tell_ready(engine, on_ready), name="ready")
                group.create_task(self._tell_names(engine), name="tell names")
                group.create_task(_raise_fault(fault), name="faults")
                group.create_task(self._stop_when_told(parts), name="stop")

    async def _tell_names(self, engine: Engine) -> None:
        """Say, once the account is known, which names of the configuration stand for nothing."""
        await self._ready.wait()
        tracker = engine.manager.tracker
        config = self.config.model_copy(update={"limits": engine.manager.limits})
        held, used = tracker.wallets.by_currency, tracker.strategies
        for finding in unknown_names(config, tracker.products, held, used):
            getattr(self.log, finding.severity)(finding.text, code=finding.code)

    async def _keep_configuration(self, directory: StateDirectory) -> None:
        """A start with it has opened its sockets: it is the last good one."""
        path, config = self._path, self.config
        if path is None or self._fault is not None:
            return
        try:
            await DiskThread().do(lambda: keep(directory.configuration, config, path))
        except OSError as error:
            self.log.warning(
                "the configuration is not kept for a start with a faulty one", fault=str(error)
            )

    def _rest(self) -> Rest:
        """The HTTP client. Raises Misuse for proxies and certificates of the environment's."""
        coinbase = self.config.coinbase
        budget = Budget(per_second=coinbase.requests_per_s)
        return Rest(coinbase.rest_url, self._key, budget=budget)

    async def _stop_when_told(self, parts: Wiring) -> None:
        await self._stopping.wait()
        notify.notify("STOPPING=1")
        assert self.engine is not None
        if (settled := self.engine.behind.settled()) is not None:
            await settled
        await parts.close()
        raise _Stop

    def _look_whether_ready(self, engine: Engine, histories: Histories) -> None:
        """The account is known, and every product configured to be followed has a price; a history
        too, where value at risk is limited, unless that fails.
        """
        tracker = engine.manager.tracker
        if self._ready.is_set() or not engine.manager.state.ready:
            return
        names = (name for name in self.config.coinbase.follow if name in tracker.products)
        followed = tuple(tracker.products[name].book for name in names)
        if all(book in tracker.marks.mids for book in followed) and (
            not _needs_history(engine.manager.limits) or not histories.pending_of(followed)
        ):
            self._ready.set()

    async def _tell_ready(self, engine: Engine, on_ready: Callable[[], None]) -> None:
        """Say that orders are judged; where Coinbase cannot be read, that they are refused."""
        notify.notify("READY=1")
        await _within(READY_WITHIN_S, self._ready)
        if not engine.manager.state.ready:
            self.log.warning(
                "Coinbase could not be read yet: only what reduces risk passes",
                missing="; ".join(missing(engine.manager)),
            )
        gc.freeze()  # products, rules and modules stay: a collection need not look at them again
        on_ready()


def _needs_history(limits: Limits) -> bool:
    """Whether an order is judged by figures that past prices are needed for."""
    return any(getattr(limits, measure) is not None for measure in MEASURES)


async def _within(seconds: float, event: asyncio.Event) -> None:
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await event.wait()


def _note_fault(fault: "asyncio.Future[BaseException]", context: dict[str, Any]) -> None:
    """Keep the exception of a callback, as asyncio tells it."""
    error = context.get("exception")
    if not fault.done():
        fault.set_result(error or RuntimeError(str(context.get("message"))))


async def _raise_fault(fault: "asyncio.Future[BaseException]") -> None:
    """An exception in a callback ends the process like one in a task."""
    raise await fault
