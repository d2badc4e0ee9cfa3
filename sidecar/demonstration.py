"""One process with all parts: the paper exchange, a sidecar connected to it over real sockets, a
bot.

No part of it can meet real money: hosts and keys are the paper exchange's, directories its own.
"""

import asyncio
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any, Final, NamedTuple

from structlog.typing import FilteringBoundLogger

from risk_sidecar_client import AsyncClient
from sidecar import demo_bot
from sidecar.coinbase.auth import load_key
from sidecar.coinbase.exchange_clock import ExchangeClock
from sidecar.coinbase.rest import Rest
from sidecar.config.tables import Alerts, Config
from sidecar.daemon.sidecar import Sidecar
from sidecar.paper.service.market_control import shift
from sidecar.paper.service.paper import PaperExchange
from sidecar.paper.service.world import World

# A crash comes in two waves, each of so many steps a second apart: the first reaches the limit of the day's loss, after
# which a bot that has bought all it may can only sell; the second that of the cumulative loss.
STEP: Final = Decimal("-0.09")
STEPS: Final = 5
BETWEEN_WAVES_S: Final = 20.0


class Plan(NamedTuple):
    """The plan of a demonstration. `directory`: this run's own; `seed`: of the market and the bot; `crash_after_s`:
    when the market crashes.
    """

    directory: Path
    order_socket: Path
    control_socket: Path
    seed: int
    with_bot: bool
    duration_s: float | None
    crash_after_s: float | None = None


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
            crash, bot = plan.crash_after_s, None
            if plan.with_bot:
                rest, client = (
                    Rest(config.coinbase.rest_url, key),
                    AsyncClient(config.server.order_socket),
                )
                bot = demo_bot.DemoBot(client, rest, say, plan.seed)
                bot.is_eager = crash is not None
                beside.append(group.create_task(_trade(bot, client, rest, ready)))
            if crash is not None:
                beside.append(group.create_task(_crash(crash, ready, exchange.world, bot, say)))
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
    bot: demo_bot.DemoBot, client: AsyncClient, rest: Rest, ready: asyncio.Event
) -> None:
    await ready.wait()
    try:
        await bot.run()
    finally:
        await client.close()
        await rest.close()


async def _crash(
    after_s: float,
    ready: asyncio.Event,
    world: World,
    bot: demo_bot.DemoBot | None,
    say: Callable[[str], None],
) -> None:
    """Let every price fall, in two waves."""
    await ready.wait()
    await asyncio.sleep(after_s)
    for wave in ("the market crashes", "the market crashes once more"):
        say(wave)
        for _ in range(STEPS):
            for product_id in demo_bot.PRODUCTS:
                shift(world, product_id, STEP)
            await asyncio.sleep(1)
        await asyncio.sleep(BETWEEN_WAVES_S)
    if bot is not None:
        bot.is_eager = False


async def _end(after_s: float, ready: asyncio.Event, stop: Callable[[], None]) -> None:
    await ready.wait()
    await asyncio.sleep(after_s)
    stop()
