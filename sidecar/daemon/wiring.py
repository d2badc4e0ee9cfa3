"""Parts: the tasks and objects beside the engine, introduced to each other. Built anew at each
start.
"""

import asyncio
import random  # noqa: TID251 - jitter only: nothing here is replayed
from collections.abc import Callable, Coroutine, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from sidecar import clock
from sidecar.coinbase.account_reader import AccountReader
from sidecar.coinbase.auth import ApiKey
from sidecar.coinbase.exchange_clock import ExchangeClock
from sidecar.coinbase.feed import Feed
from sidecar.coinbase.frames import (
    DEPTH_CHANNELS,
    MARKET_CHANNELS,
    OPTIONAL_CHANNELS,
    USER_CHANNELS,
)
from sidecar.coinbase.lag import CoinbaseTime, Lag
from sidecar.coinbase.lookups import Lookups
from sidecar.coinbase.rest import CallFailed, Rest
from sidecar.coinbase.session import Session, Step
from sidecar.config.tables import Config, Server
from sidecar.core.vocabulary import actions as ac
from sidecar.core.vocabulary import events as ev
from sidecar.core.vocabulary.errors import Misuse, Untrusted
from sidecar.custom_rules import sources_of
from sidecar.daemon import preflight
from sidecar.daemon.action_log import ActionLog
from sidecar.daemon.alarm import Alarm
from sidecar.daemon.conflation import Conflation
from sidecar.daemon.depth_stream import DepthStream
from sidecar.daemon.engine import Engine
from sidecar.daemon.heartbeat import beat
from sidecar.daemon.histories import Histories
from sidecar.daemon.liquidation import Liquidation
from sidecar.daemon.reconciler import Reconciler
from sidecar.daemon.rest_tasks import RestTasks
from sidecar.daemon.streams import Streams
from sidecar.daemon.waking import Waker
from sidecar.own_places import owners_of
from sidecar.server.answers import Answers
from sidecar.server.byte_rate import ByteRate
from sidecar.server.control import Control
from sidecar.server.listener import Listener, own_uids
from sidecar.server.subscriptions import Publisher

CONTROL_MODE: Final = 0o600
FLUSH_S: Final = 0.25  # how late subscribers hear of positions that moved last
PREFLIGHT_EVERY_S: Final = 3600.0  # permissions and clocks change without a word

TIME_WITHIN_S: Final = 2.0  # at a start: an answer takes a tenth of that
TIME_AGAIN_S: Final = 5.0  # where it was never told
TIME_EVERY_S: Final = (
    60.0  # how often Coinbase's time is read; both clocks keep it better than that
)


class Wiring:
    """All that runs. `group` owns every task; `file` is the configuration as it was read at the start,
    from `path` where it has one; `sources`: the files of own rules, as of then; `reread` gives it anew, `log_state` how
    the log fares.
    """

    def __init__(  # noqa: PLR0913 - the parts introduced to each other, by name
        self,
        config: Config,
        engine: Engine,
        key: ApiKey,
        rest: Rest,
        group: asyncio.TaskGroup,
        *,
        file: Config,
        sources: Mapping[str, bytes],
        path: Path | None,
        reread: Callable[[], Config],
        log_state: Callable[[], dict[str, Any]],
        waker: Waker,
        exchange_clock: ExchangeClock | None,
    ) -> None:
        self._config, self._file = config, file
        self._path, self._sources = path, sources
        self._engine = engine
        self._reread = reread
        self._log_state = log_state
        self._waker = waker
        self._action_log = ActionLog(engine.log)
        self._findings: list[preflight.Finding] = []
        self._portfolio = preflight.UNTOLD
        self._lookups = Lookups(rest, engine.now, self._left_out)
        self._picture = self._made_picture(rest)
        conflation = Conflation(config.coinbase.conflate_ms / 1000)
        self._streams = Streams(engine, engine.now, conflation, config.coinbase.follow)
        self._exchange_clock = exchange_clock
        self._coinbase_time = CoinbaseTime()
        if exchange_clock is None:  # else the market's clock is the exchange's own
            engine.coinbase_now = lambda: self._coinbase_time.now(clock.wall())
        urls = config.coinbase
        hosts = (urls.ws_user_url, urls.ws_url)
        self._user = self._feed(key, USER_CHANNELS, self._streams.receiver("user"), *hosts)
        self._market = self._feed(
            key, MARKET_CHANNELS, self._streams.receiver("market"), urls.ws_url
        )
        self._reconciler = Reconciler(
            engine, self._picture, self._lookups, float(config.coinbase.reconcile_s)
        )
        self._errands = RestTasks(engine, self._picture, self._lookups, rest, group)
        self._depth = self._made_depth(key)
        self.histories = Histories(engine, self._lookups, self._streams.wanted)
        self._liquidation = Liquidation(engine, self._lookups, rest, self._reconciler, group)
        self._alarm = Alarm(engine)
        self._publisher = Publisher(engine.manager)
        self._answers = self._made_answers()
        self._control = self._made_control(group)
        self._listeners = self._sockets(config.server)
        engine.carry = self._carry()
        engine.listeners += [self._action_log.tell, self._publisher.tell, waker.listen]

    def _made_answers(self) -> Answers:
        engine = self._engine
        return Answers(
            engine.manager,
            engine.handle,
            engine.now,
            decide=engine.decide,
            sessions=engine.manager.sessions,
            publisher=self._publisher,
            outside=self._outside,
        )

    def _left_out(self, fault: str) -> None:
        """A row of Coinbase's that cannot be read."""
        self._engine.log.warning("left out", fault=fault)

    def _made_picture(self, rest: Rest) -> AccountReader:
        engine, tracker = self._engine, self._engine.manager.tracker
        return AccountReader(
            rest,
            engine.now,
            self._left_out,
            asks_for_futures=self._config.positions.futures == "auto",
            shows_futures=lambda: (
                tracker.shows_futures or bool(engine.manager.desk.unread.unlisted)
            ),
        )

    def _made_depth(self, key: ApiKey) -> DepthStream:
        """Its feed is not compressed: to unpack a snapshot of megabytes at once would hold a decision up."""
        url = self._config.coinbase.ws_url
        return DepthStream(
            self._engine,
            lambda hand_over: self._feed(key, DEPTH_CHANNELS, hand_over, url, compressed=False),
            lambda action: self._errands.read_depth(action, self._depth.answered),
        )

    def _made_control(self, group: asyncio.TaskGroup) -> Control:
        return Control(
            self._answers,
            reload=self.reload,
            cancel_all=self._cancel_all,
            spawn=group.create_task,
            settled=self._engine.behind.settled,
        )

    def _feed(
        self,
        key: ApiKey,
        channels: tuple[str, ...],
        hand_over: Callable[[list[Step]], None],
        *hosts: str,
        compressed: bool = True,
    ) -> Feed:
        """A market whose time is not now tells it by its frames alone: these cannot be late."""
        told, stamped, lag = self._exchange_clock, None, None
        if told is None:
            lag = Lag(self._coinbase_time, self._oldest_s)
        else:
            stamped = told.see
        session = Session(channels, optional=OPTIONAL_CHANNELS, stamped=stamped, lag=lag)
        now = self._engine.now
        return Feed(session, hosts, key, hand_over, now=now, compressed=compressed)

    def _sockets(self, server: Server) -> tuple[Listener, ...]:
        """The bots' and the operator's."""
        own, lost = own_uids(), self._answers.lost
        uids = own if server.allowed_uids is None else frozenset(server.allowed_uids)
        order, control = server.order_socket, server.control_socket
        mode, rate, refused = server.socket_mode, ByteRate(), self._action_log.turned_away
        listeners = (
            Listener(order, self._answers, mode=mode, uids=uids, on_lost=lost, rate=rate),
            Listener(control, self._control, mode=CONTROL_MODE, uids=own, on_lost=lost),
        )
        for listener in listeners:
            listener.on_refused = refused
        return listeners

    def _carry(self) -> dict[type[ac.Action], Callable[[Any], None]]:
        """Which function carries out which action. Actions not listed are told in an answer or in
        the log.
        """
        return {
            ac.WakeAt: self._alarm.set,
            ac.LimitsChanged: self._action_log.limits,
            ac.Reconcile: self._reconciler.ask,
            ac.ConfirmQuotes: self._errands.confirm,
            ac.RefreshQuotes: self._errands.refresh,
            ac.FollowDepth: self._depth.follow,
            ac.ReadDepth: self._depth.read,
            ac.ReadProduct: self._errands.read_product,
            ac.FindOrder: self._errands.find,
            ac.CancelOrders: self._errands.cancel,
            ac.PlaceOrder: self._liquidation.place,
            ac.FindAttempt: self._liquidation.find,
            ac.ReadOrders: self._liquidation.read_orders,
            ac.ReadAccount: self._liquidation.read_account,
        }

    def work(self) -> dict[str, Coroutine[Any, Any, None]]:
        """Every task that runs from the start to the end, by name."""
        return {
            "user feed": self._user.run(),
            "market feed": self._market.run(),
            "depth": self._depth.run(),
            "follow products": self._streams.follow(self._market),
            "conflate": self._streams.conflate(),
            "reconcile": self._reconcile(),
            "keep prices fresh": self._errands.keep_fresh(self._streams.wanted),
            "sign a cancel ahead": self._errands.keep_ready(),
            "read price history": self.histories.run(),
            "alarm": self._alarm.run(),
            "tell subscribers": self._flush(),
            "sum up refusals": self._action_log.run(),
            "preflight": self._look_again(),
            "read Coinbase's time": self._keep_time(),
            "wake people": self._waker.run(),
            "heartbeat": beat(self._config.alerts.heartbeat_url or "", self._engine.log),
        }

    async def open(self) -> None:
        """Listen on both sockets. Raises SocketInUse."""
        for listener in self._listeners:
            await listener.start()

    async def close(self) -> None:
        """Let no client in any more, and drop those connected: their order was answered or is
        refused.
        """
        self._answers.stopping = True
        for listener in self._listeners:
            await listener.stop(answering=not self._engine.is_half_way)

    # --------------------------------------------------------------------------------- verbs, views

    def reload(self, reason: str, by: str, uid: int | None) -> dict[str, Any]:
        """Read the limits of the configuration file anew: they bind, or are queued as far as `loosen_after` says.
        Raises Misuse with every fault.
        """
        new, now = self._reread(), self._engine.now()
        limits, custom = new.limits, self._config.limits.custom
        if limits.custom == self._file.limits.custom != custom:  # the file's wait for a start
            limits = limits.model_copy(update={"custom": custom})
        event = ev.LimitsReplaced(
            at=now, limits=limits, reason=reason, by=by, uid=uid, owners=owners_of(self._path)
        )
        answer = next(a for a in self._engine.handle(event) if isinstance(a, ac.Answered))
        if not answer.done:
            raise Misuse(answer.text)
        others = [
            name
            for name in type(new).model_fields
            if name != "limits" and getattr(new, name) != getattr(self._file, name)
        ]
        text = answer.text
        if others:
            text += f"; [{'], ['.join(others)}] changed too and bind from the next start"
        if changed := self._changed_rules():
            text += f"; the code of {', '.join(changed)} changed too: the OLD code runs until the next start"
        return {"done": True, "text": text}

    def _changed_rules(self) -> list[str]:
        """Own rules that run as their files were at the start, which are others now."""
        now = sources_of(self._engine.manager.desk.custom)
        return [name for name, source in self._sources.items() if now.get(name) != source]

    async def _cancel_all(self, reason: str, by: str) -> dict[str, Any]:
        self._engine.log.warning("cancel-all", reason=reason, by=by)
        return await self._errands.cancel_all()

    def _outside(self) -> dict[str, Any]:
        """The daemon's own figures beside the core's."""
        wall, feeds = clock.wall(), {"user": self._user.session, "market": self._market.session}
        coinbase = self._config.coinbase
        return {
            "account": {
                "portfolio": self._portfolio.uuid,
                "portfolio_name": self._portfolio.name,
                "host": coinbase.rest_url,
                "money": "paper" if preflight.is_paper(coinbase, self._portfolio) else "real",
            },
            "feeds_heard_s_ago": {
                name: round(wall - session.heard, 3)
                for name, session in feeds.items()
                if session.state == "live"
            },
            "followed": list(self._streams.open_books()),
            "left_out": sorted(self._market.session.left_out),
            "depth": self._depth.shown(clock.wall()),
            "reconciliations": self._reconciler.passes,
            "reconciliation_fault": self._reconciler.fault,
            "history": {
                "waiting": list(self.histories.pending),
                "failing": self.histories.faults,
            },
            "journal": {
                "seq": self._engine.journal.place.seq,
                "disk_full": self._engine.journal.is_full,
            },
            "log": self._log_state(),
            "alerts": self._waker.shown(),
            "preflight": [finding._asdict() for finding in self._findings],
        }

    # ---------------------------------------------------------------------------------------- tasks

    async def _flush(self) -> None:
        while True:
            await asyncio.sleep(FLUSH_S)
            self._publisher.flush(self._engine.now())

    async def _reconcile(self) -> None:
        """The key's permissions are read before the account is, or before any promise."""
        await self._look()
        await self._reconciler.run()

    async def _look_again(self) -> None:
        while True:
            await asyncio.sleep(PREFLIGHT_EVERY_S * (1 + random.random() / 10))  # noqa: S311
            await self._look()

    def _oldest_s(self) -> float:
        """The age, in seconds, up to which a quote values an order."""
        return self._engine.manager.desk.max_quote_age.total_seconds()

    async def _keep_time(self) -> None:
        """Until cancelled: by Coinbase's time it is seen how late frames come."""
        while True:
            is_heard = self._coinbase_time.now(clock.wall()) is not None
            await asyncio.sleep(TIME_EVERY_S if is_heard else TIME_AGAIN_S)
            await self._read_time()

    async def hear_time(self) -> None:
        """Coinbase's time, if it is told soon: a start must not hang on that."""
        with suppress(TimeoutError):
            async with asyncio.timeout(TIME_WITHIN_S):
                await self._read_time()

    async def _read_time(self) -> None:
        if self._exchange_clock is not None:
            return  # the market's time is not now
        asked = clock.wall()
        with suppress(CallFailed, Untrusted):  # pre-flight says that it cannot be read
            told = await self._lookups.server_time(once=True)
            self._coinbase_time.heard(told, asked, clock.wall())

    async def _look(self) -> None:
        findings = preflight.look_at_alerts(self._config.alerts.command)
        found, portfolio = await preflight.look(self._lookups, clock.unix)
        findings += found
        for finding in findings:
            if finding not in self._findings:
                getattr(self._engine.log, finding.severity)(finding.text, code=finding.code)
                if finding.severity != "info":
                    self._waker.tell(finding.severity, finding.code, finding.text)
        self._findings = findings
        if portfolio.uuid:  # else what was known stays
            self._portfolio = portfolio
