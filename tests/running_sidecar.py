"""A running sidecar beside a running paper exchange, in the test's own loop, over real sockets.

async with trading(tmp_path) as trader, beside(trader, tmp_path) as made:
    decision = await made.bot.validate_order(body)
"""

import asyncio
import json
import tempfile
from collections.abc import Callable
from contextlib import asynccontextmanager
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import structlog
from structlog.typing import FilteringBoundLogger

from risk_sidecar_client import AsyncClient
from sidecar.coinbase.auth import load_key
from sidecar.coinbase.exchange_clock import ExchangeClock
from sidecar.config.tables import Config
from sidecar.core.risk_manager import RiskManager
from sidecar.core.vocabulary import actions as ac
from sidecar.core.vocabulary import events as ev
from sidecar.daemon.engine import Engine
from sidecar.daemon.sidecar import Sidecar
from tests.fault.paper_client import Trader

WITHIN_S = 60.0
QUICK = {
    "coinbase": {"conflate_ms": 0, "requests_per_s": 30},
    "state": {"snapshot_s": 1},
    "var": {"history": 100},  # reading a year's prices costs a start more than all else
}


class Beside:
    """The sidecar as a bot and an operator see it, and as a test may look into it."""

    def __init__(self, sidecar: Sidecar, config: Config) -> None:
        self.sidecar = sidecar
        self.config = config
        self.bot = AsyncClient(config.server.order_socket, timeout_s=WITHIN_S)
        self.operator = AsyncClient(config.server.control_socket, timeout_s=WITHIN_S)
        self.changed = asyncio.Event()
        self.actions: list[tuple[ev.Event, ac.Action]] = []
        self.on_action: Callable[[ev.Event, ac.Action], None] = lambda _event, _action: None
        self.on_fact: Callable[[ev.Event], None] = lambda _event: None

    @property
    def engine(self) -> Engine:
        assert self.sidecar.engine is not None
        return self.sidecar.engine

    @property
    def manager(self) -> RiskManager:
        return self.engine.manager

    @property
    def state(self) -> str:
        return self.manager.state.account

    def held(self, key: str) -> Decimal:
        line = self.manager.tracker.account.lines.get(key)
        return Decimal(0) if line is None else line.position.quantity

    async def ask(self, method: str, **params: Any) -> Any:
        """An operator's word, or a view."""
        return json.loads(bytes(await self.operator.ask(method, **params)))

    async def until(self, look: Callable[[], object], what: str = "") -> None:
        """Wait for it, looking after every fact."""
        try:
            async with asyncio.timeout(WITHIN_S):
                while not look():
                    self.changed.clear()
                    await self.changed.wait()
                await self.settled()
        except TimeoutError:
            raise AssertionError(f"did not come about: {what or look}") from None

    async def settled(self) -> None:
        """Wait until what is known is on disk, carried out and told."""
        if (settled := self.engine.behind.settled()) is not None:
            await settled

    async def until_state(self, state: str) -> None:
        await self.until(lambda: self.state == state, f"{state} (it is {self.state})")

    def codes(self, kind: type[ac.Action] = ac.Alert) -> list[str]:
        return [action.code for _, action in self.actions if isinstance(action, kind)]  # type: ignore[attr-defined]

    def _listen(self, event: ev.Event, actions: list[ac.Action]) -> None:
        self.on_fact(event)
        for action in actions:
            self.actions.append((event, action))
            self.on_action(event, action)
        self.changed.set()


def configured(trader: Trader, directory: Path, **tables: dict[str, Any]) -> Config:
    """A configuration for the trader's exchange; tables are laid over what is quick in a test."""
    urls = trader.paper.urls
    made: dict[str, dict[str, Any]] = {
        "coinbase": {
            "rest_url": urls["rest_url"],
            "ws_url": urls["ws_url"],
            "ws_user_url": urls["ws_url"],
            "key_file": urls["key_file"],
            "follow": ["BTC-USD", "ETH-USD"],
        },
        "server": {"order_socket": directory / "o.sock", "control_socket": directory / "c.sock"},
        "state": {"dir": directory / "state"},
        "limits": {"max_order_notional": 5000},
    }
    for name, table in [*QUICK.items(), *tables.items()]:
        made.setdefault(name, {}).update(table)
    return Config.model_validate(made)


def quiet_log() -> FilteringBoundLogger:
    log: FilteringBoundLogger = structlog.wrap_logger(
        structlog.ReturnLogger(),
        processors=[structlog.processors.KeyValueRenderer()],
        wrapper_class=structlog.make_filtering_bound_logger(20),
    )
    return log


@asynccontextmanager
async def beside(
    trader: Trader,
    *,
    directory: Path | None = None,
    clock: ExchangeClock | None = None,
    wait: bool = True,
    rebuild: bool = False,
    **tables: dict[str, Any],
):
    """A sidecar until the block ends; with `wait`, the block begins with its first picture.

    Sockets need short paths: without `directory` it has one of its own.
    """
    with tempfile.TemporaryDirectory(prefix="sidecar-test-") as own:
        config = configured(trader, directory or Path(own), **tables)
        assert config.coinbase.key_file is not None
        sidecar = Sidecar(
            config,
            load_key(config.coinbase.key_file),
            quiet_log(),
            reread=lambda: made.config,
            exchange_clock=clock,
            rebuild_state=rebuild,
        )
        made = Beside(sidecar, config)
        ready = asyncio.Event()
        task = asyncio.get_running_loop().create_task(sidecar.run(ready.set))
        await asyncio.sleep(0)  # it recovers at once, before anything is waited for
        if sidecar.engine is not None:
            sidecar.engine.listeners.append(made._listen)
        try:
            if wait:
                waiting = asyncio.get_running_loop().create_task(ready.wait())
                await asyncio.wait({task, waiting}, return_when=asyncio.FIRST_COMPLETED)
                waiting.cancel()
                if task.done():
                    await task
            yield made
        finally:
            await made.bot.close()
            await made.operator.close()
            sidecar.stop()
            await task


def at(text: str) -> datetime:
    return datetime.fromisoformat(text)
