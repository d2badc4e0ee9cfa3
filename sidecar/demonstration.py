"""One process with all parts: the paper exchange, a sidecar connected to it over real sockets, a
bot.

No part of it can meet real money: hosts and keys are the paper exchange's, directories its own.
"""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from structlog.typing import FilteringBoundLogger

from risk_sidecar_client import AsyncClient
from sidecar import demo_bot
from sidecar.coinbase.auth import load_key
from sidecar.coinbase.exchange_clock import ExchangeClock
from sidecar.coinbase.rest import Rest
from sidecar.config.tables import Alerts, Config
from sidecar.daemon.sidecar import Sidecar
from sidecar.paper.service.paper import PaperExchange


class Plan(NamedTuple):
    """The plan of a demonstration. `directory`: this run's own; `seed`: of the market and the bot."""

    directory: Path
    order_socket: Path
    control_socket: Path
    seed: int
    with_bot: bool
    duration_s: float | None


def placed(settings: Config, plan: Plan, urls: dict[str, str]) -> Config:
    """The configuration with every host, key and path this run's own, in place of the file's."""
    coinbase = settings.coinbase.model_copy(
        update={
            "rest_url": urls["rest_url"],
            "ws_url": urls["ws_url"],
            "ws_user_url": urls["ws_url"],
            "key_file": Path(urls["key_file"]),
            "follow": settings.coinbase.follow or demo_bot.PRODUCTS,
        }
    )
    server = settings.server.model_copy(
        update={"order_socket": plan.order_socket, "control_socket": plan.control_socket}
    )
    state = settings.state.model_copy(update={"dir": plan.directory / "state"})
    alerts = Alerts()  # play money wakes no person
    places = {"coinbase": coinbase, "server": server, "state": state, "alerts": alerts}
    return settings.model_copy(update=places)


async def demonstrate(  # noqa: PLR0913 - each part by its name
    settings: Config,
    plan: Plan,
    log: FilteringBoundLogger,
    *,
    reread: Callable[[], Config],
    log_state: Callable[[], dict[str, Any]],
    on_ready: Callable[[Config, PaperExchange], None],
    on_stop: Callable[[Callable[[], None]], None],
    say: Callable[[str], None],
) -> None:
    """Run until stopped, or for the plan's time. `on_stop` is given the function that ends it.

    Raises Misuse and Faulted, as `Sidecar.run` does.
    """
    async with PaperExchange(settings.paper, plan.directory, entropy=plan.seed) as exchange:
        config = placed(settings, plan, exchange.urls)
        key = load_key(exchange.key_file)
        sidecar = Sidecar(
            config,
            key,
            log,
            reread=lambda: placed(reread(), plan, exchange.urls),
            log_state=log_state,
            exchange_clock=_market_clock(settings, exchange),
        )
        on_stop(sidecar.stop)
        ready = asyncio.Event()
        async with asyncio.TaskGroup() as group:
            beside = []
            if plan.with_bot:
                rest = Rest(config.coinbase.rest_url, key)
                beside.append(group.create_task(_trade(config, rest, plan.seed, ready, say)))
            if plan.duration_s is not None:
                beside.append(group.create_task(_end(plan.duration_s, ready, sidecar.stop)))

            def told() -> None:
                ready.set()
                on_ready(config, exchange)

            await sidecar.run(told)
            for task in beside:
                task.cancel()


def _market_clock(settings: Config, exchange: PaperExchange) -> ExchangeClock | None:
    """The exchange's own clock where its time is not now."""
    if settings.paper.market.startswith("replay:") or settings.paper.speed != 1:
        return ExchangeClock(exchange.world.now())
    return None


async def _trade(
    config: Config, rest: Rest, seed: int, ready: asyncio.Event, say: Callable[[str], None]
) -> None:
    await ready.wait()
    client = AsyncClient(config.server.order_socket)
    try:
        await demo_bot.DemoBot(client, rest, say, seed).run()
    finally:
        await client.close()
        await rest.close()


async def _end(after_s: float, ready: asyncio.Event, stop: Callable[[], None]) -> None:
    await ready.wait()
    await asyncio.sleep(after_s)
    stop()
