"""`risk-sidecar demo`: paper exchange, sidecar and a bot that asks before every order, in one command."""

import json
import secrets
import shlex
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final, NamedTuple

import typer

from sidecar.console.commands.paper import SEED_BELOW
from sidecar.console.commands.run import EXIT_FAULTED, places
from sidecar.console.locating import register
from sidecar.console.options import (
    ConfigFile,
    ControlSocket,
    Json,
    MarketSpec,
    OrderSocket,
    Overrides,
    Speed,
    StateDir,
    configuration,
    market_overrides,
)
from sidecar.console.process import (
    as_called,
    interruptible,
    on_signals,
    own_directory,
    run,
    standard_outlets,
)

if TYPE_CHECKING:
    from sidecar.config.tables import Config
    from sidecar.paper.service.paper import PaperExchange

# Without a file of limits no order would be refused, and fees of the first tier would cross the day's limit: those of
# config/paper.toml.
EMBEDDED: Final = (
    "paper.taker_fee=0.0012",
    "paper.maker_fee=0.0006",
    "limits.max_order_notional=5000",
    "limits.max_position_notional=20000",
    "limits.max_open_orders=20",
    "limits.max_leverage=5",
    "limits.max_daily_loss=0.10",
    "limits.max_cumulative_loss=0.25",
)


def demo(  # noqa: PLR0913, PLR0917 - the options of the command, one each
    config: ConfigFile = None,
    market: MarketSpec = None,
    speed: Speed = None,
    bot: Annotated[bool, typer.Option("--bot/--no-bot", help="Let a demo bot trade.")] = True,
    crash_after: Annotated[
        float | None,
        typer.Option(
            "--crash-after",
            metavar="S",
            min=1,
            help="Let the bot buy all it may, and the market crash after so many seconds: see the brakes work.",
        ),
    ] = None,
    duration: Annotated[
        float | None,
        typer.Option("--duration", metavar="S", min=0.1, help="End after so many seconds."),
    ] = None,
    overrides: Overrides = None,
    state_dir: StateDir = None,
    order_socket: OrderSocket = None,
    control_socket: ControlSocket = None,
    as_json: Json = False,
) -> None:
    """Run everything on this machine, with play money: exchange, sidecar and a bot.

    Every host and key of the configuration is ignored; loopback only.

    State, sockets and keys are new each time and removed at the end.
    """
    given = [*(() if config else EMBEDDED), *(overrides or ()), *market_overrides(market, speed)]

    def reread() -> "Config":
        return configuration(config, given)

    with interruptible():
        settings = reread()
        # Sockets lie apart: the path of one may be no longer than some hundred bytes.
        with own_directory(state_dir, "demo") as own, own_directory(None, "run") as run_dir:
            places = (
                order_socket or Path(run_dir, "order.sock"),
                control_socket or Path(run_dir, "control.sock"),
            )
            shown = Shown(
                Path(own),
                Path(run_dir),
                *places,
                bot=bot,
                duration_s=duration,
                crash_after_s=crash_after,
                as_json=as_json,
            )
            run(_serve(settings, reread, shown))


class Shown(NamedTuple):
    """The options of the command line."""

    directory: Path
    run_directory: Path
    order_socket: Path
    control_socket: Path
    bot: bool
    duration_s: float | None
    crash_after_s: float | None
    as_json: bool


async def _serve(settings: "Config", reread: "Callable[[], Config]", shown: Shown) -> None:
    from rich.console import Console  # noqa: PLC0415 - a second to import, all in all

    from sidecar.daemon.engine import Faulted  # noqa: PLC0415
    from sidecar.daemon.logs import make_log  # noqa: PLC0415
    from sidecar.demonstration import Plan, demonstrate  # noqa: PLC0415

    console = Console(stderr=True, highlight=False, soft_wrap=True)
    plan = Plan(
        directory=shown.directory,
        order_socket=shown.order_socket,
        control_socket=shown.control_socket,
        seed=secrets.randbelow(SEED_BELOW),
        with_bot=shown.bot,
        duration_s=shown.duration_s,
        crash_after_s=shown.crash_after_s,
    )

    def tell(config: "Config", exchange: "PaperExchange") -> None:
        reached = places(config)
        register(shown.run_directory, reached)
        _tell({**exchange.urls, **reached}, exchange.seed, as_json=shown.as_json)

    with standard_outlets() as errors:
        try:
            await demonstrate(
                settings,
                plan,
                make_log(settings.server.log, errors),
                reread=reread,
                log_state=errors.state,
                on_ready=tell,
                on_stop=on_signals,
                say=lambda line: console.print(f"[dim]bot[/dim]  {line}"),
            )
        except Faulted:
            raise typer.Exit(EXIT_FAULTED) from None


def _tell(where: dict[str, str], seed: int | None, *, as_json: bool) -> None:
    """Say where sockets and files are, and which commands to try."""
    if as_json:
        typer.echo(json.dumps(where))
        return
    typer.echo(
        "Risk sidecar on the paper exchange: play money, on this machine only; Ctrl-C ends it\n"
    )
    typer.echo(f"  order socket    {where['order_socket']}")
    typer.echo(f"  control socket  {where['control_socket']}")
    typer.echo(f"  state           {where['state_dir']}")
    typer.echo(f"  exchange        {where['rest_url']}")
    if seed is not None:
        typer.echo(f"  market          random:{seed}")
    control = shlex.quote(where["control_socket"])
    typer.echo("\nIn another terminal:\n")
    for verb in ("status", "positions", "halt --reason lunch", "resume --reason back"):
        typer.echo(f"  {as_called(sys.argv[0])} {verb} --control-socket {control}")
    typer.echo("")
