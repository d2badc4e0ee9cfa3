"""The parts together: what is looked at before anything is read."""

import asyncio
from typing import Any, cast

from sidecar.coinbase.auth import ApiKey
from sidecar.config.tables import Config
from sidecar.daemon.outlet import WHOLE
from sidecar.daemon.waking import Waker
from sidecar.daemon.wiring import Wiring
from tests.daemon_parts import Running
from tests.decisions import connected


class Viewing:
    """Coinbase, asked with a key that may not trade. Whatever is asked beside has no answer."""

    def __init__(self) -> None:
        self.was_read = asyncio.Event()

    async def get(self, path: str, *_: object, **__: object) -> dict[str, Any]:
        match path:
            case "/key_permissions":
                return {"can_view": True, "can_trade": False, "can_transfer": False}
            case "/time":
                return {"iso": "2026-11-02T10:00:00Z"}
        self.was_read.set()
        return await asyncio.Event().wait()  # type: ignore[return-value]

    async def pages(self, path: str, *_: object, **__: object):
        yield await self.get(path)


async def test_what_the_key_may_do_is_told_before_the_account_is_read(tmp_path):
    """Only a reading makes it ready: a key that cannot cancel is known by then."""
    running, coinbase = Running(connected()), Viewing()
    server = {"order_socket": tmp_path / "o.sock", "control_socket": tmp_path / "c.sock"}
    config = Config.model_validate({"server": server})
    async with asyncio.timeout(60), asyncio.TaskGroup() as group:
        parts = Wiring(
            config,
            running.engine,
            ApiKey("nobody", "nothing"),
            cast("Any", coinbase),
            group,
            sources={},
            file=config,
            path=None,
            reread=lambda: config,
            log_state=lambda: WHOLE,
            waker=Waker((), 1.0, cast("Any", running.log), running.engine.now, lambda: "ACTIVE"),
            exchange_clock=None,
        )
        work = parts.work()
        reconciling = group.create_task(work.pop("reconcile"))
        for other in work.values():
            other.close()
        await coinbase.was_read.wait()
        assert [call["code"] for call in running.logged("critical")] == ["KEY_CANNOT_TRADE"]
        reconciling.cancel()
