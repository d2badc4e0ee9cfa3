"""`risk-sidecar paper`: the paper exchange alone, for any Coinbase client."""

import asyncio
import json
import resource
import secrets
import signal
import tempfile
from pathlib import Path
from typing import Final

import typer

from sidecar.config.paper import Paper
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
from sidecar.core.errors import Misuse

SEED_BELOW: Final = 10**6  # short enough to be typed again
EXIT_USAGE: Final = 2


def paper(  # noqa: PLR0913, PLR0917 - the options of the command, one each
    config: ConfigFile = None,
    market: MarketSpec = None,
    speed: Speed = None,
    overrides: Overrides = None,
    state_dir: StateDir = None,
    order_socket: OrderSocket = None,
    control_socket: ControlSocket = None,
    as_json: Json = False,
) -> None:
    """Run the paper exchange: Coinbase on this machine, with play money.

    Every host and key of the configuration is ignored; loopback only.

    Keys and certificates are new each time and removed at the end.
    """
    del order_socket, control_socket  # the sidecar's; taken so that one command line fits all three
    settings = configuration(config, [*(overrides or ()), *market_overrides(market, speed)]).paper
    _raise_file_limit()
    with _directory(state_dir) as directory:
        try:
            with asyncio.Runner(loop_factory=_loop) as runner:
                runner.run(_serve(settings, Path(directory), as_json=as_json))
        except* Misuse as faults:  # a replayed file may turn out to be damaged in the middle
            raise Misuse("; ".join(str(fault) for fault in faults.exceptions)) from None


def _directory(parent: Path | None) -> "tempfile.TemporaryDirectory[str]":
    """A directory of this run's own, mode 0700, removed at the end. Raises Misuse."""
    try:
        if parent is not None:
            parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        return tempfile.TemporaryDirectory(prefix="risk-sidecar-paper-", dir=parent)
    except OSError as error:
        raise Misuse(
            f"--state-dir {parent}: {error.strerror}; name a directory that this user may write"
        ) from None


async def _serve(settings: Paper, directory: Path, *, as_json: bool) -> None:
    """Run until SIGINT or SIGTERM."""
    from sidecar.paper.service.paper import PaperExchange  # noqa: PLC0415 - half a second to import

    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    async with PaperExchange(settings, directory, entropy=secrets.randbelow(SEED_BELOW)) as running:
        if as_json:
            typer.echo(json.dumps(running.urls))
        else:
            _greet(running.urls, _market(settings, running.seed), str(settings.speed))
        await stop.wait()


def _market(settings: Paper, seed: int) -> str:
    """The market such that the same can be asked for again."""
    return settings.market if settings.market != "random" else f"random:{seed}"


def _greet(urls: dict[str, str], market: str, speed: str) -> None:
    from rich.console import Console  # noqa: PLC0415 - not needed with --json

    console = Console(highlight=False, soft_wrap=True)
    tls_port = urls["tls_rest_url"].rpartition(":")[2]
    console.print(
        "[bold]Paper exchange[/bold]: Coinbase Advanced Trade on this machine, play money"
    )
    console.print(f"market {market}, speed {speed}; Ctrl-C ends it\n")
    for name in ("rest_url", "ws_url", "tls_rest_url", "tls_ws_url", "ca_file", "key_file"):
        console.print(f"  {name:<13} {urls[name]}")
    console.print("\n[bold]For Coinbase's own SDK[/bold]")
    console.print(f"  export REQUESTS_CA_BUNDLE={urls['ca_file']} SSL_CERT_FILE={urls['ca_file']}")
    console.print(
        f"  RESTClient(key_file={urls['key_file']!r}, base_url='localhost:{tls_port}')",
        markup=False,
    )
    console.print(
        f"  WSClient(key_file={urls['key_file']!r}, base_url={urls['ws_url']!r}, …)", markup=False
    )
    console.print("\n[bold]For ccxt[/bold]")
    api = {"rest": urls["rest_url"], "ws": urls["ws_url"]}
    console.print(f"  ccxt.coinbase({{'urls': {{'api': {api}}}, …}})", markup=False)
    console.print(
        "\nFaults: POST /paper/faults; market: POST /paper/market; docs/paper-exchange.md"
    )


def _loop() -> asyncio.AbstractEventLoop:
    """The faster loop where there is one."""
    try:
        import uvloop  # noqa: PLC0415 - not made for Windows
    except ImportError:
        return asyncio.new_event_loop()
    return uvloop.new_event_loop()


def _raise_file_limit() -> None:
    """Each connection is a file: take as many as this user may have."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
