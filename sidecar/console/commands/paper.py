"""`risk-sidecar paper`: the paper exchange alone, for any Coinbase client."""

import asyncio
import json
import secrets
import shlex
import sys
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final

import typer

from sidecar.console.exchanges import NAME, register_exchange
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
from sidecar.console.process import as_called, interruptible, on_signals, own_directory, run

if TYPE_CHECKING:
    from sidecar.config.paper import Paper

SEED_BELOW: Final = 10**6  # short enough to be typed again


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
    with interruptible():
        settings = configuration(config, [*(overrides or ()), *market_overrides(market, speed)])
        with own_directory(state_dir, "paper") as directory, own_directory(None, NAME) as told:
            run(_serve(settings.paper, Path(directory), Path(told), as_json=as_json))


async def _serve(settings: "Paper", directory: Path, told: Path, *, as_json: bool) -> None:
    """Run until SIGINT or SIGTERM, which may come as early as they like. `told`: where others find it."""
    stop = asyncio.Event()
    on_signals(stop.set)
    from sidecar.paper.service.paper import PaperExchange  # noqa: PLC0415 - half a second to import

    async with PaperExchange(settings, directory, entropy=secrets.randbelow(SEED_BELOW)) as running:
        with suppress(OSError):  # then `init --paper` is told its addresses
            register_exchange(told, running.urls)
        if as_json:
            typer.echo(json.dumps(running.urls))
        else:
            _greet(running.urls, settings, _market(settings, running.seed))
        await stop.wait()


def _market(settings: "Paper", seed: int) -> str:
    """The market such that the same can be asked for again."""
    return settings.market if settings.market != "random" else f"random:{seed}"


def _greet(urls: dict[str, str], settings: "Paper", market: str) -> None:
    """Tell where it is; every line under a heading can be pasted as it stands."""
    from rich.console import Console  # noqa: PLC0415 - not needed with --json

    console = Console(highlight=False, soft_wrap=True)
    console.print(
        "[bold]Paper exchange[/bold]: Coinbase Advanced Trade on this machine, play money"
    )
    console.print(f"market {market}, speed {settings.speed}; Ctrl-C ends it", markup=False)
    console.print(f"the account holds {_holdings(settings)}; {_rates(settings)}\n")
    for name in ("rest_url", "ws_url", "tls_rest_url", "tls_ws_url", "ca_file", "key_file"):
        console.print(f"  {name:<13} {urls[name]}", markup=False)
    console.print("\n[bold]A sidecar in front of it, in another terminal[/bold]")
    console.print(f"{as_called(sys.argv[0])} init --paper", markup=False)
    for heading, lines in _recipes(urls).items():
        console.print(f"\n[bold]{heading}[/bold]")
        for line in lines:
            console.print(line, markup=False)  # not indented: Python would mind
    console.print("\nOther holdings, no rate limits, faults: docs/paper-exchange.md")


def _recipes(urls: dict[str, str]) -> dict[str, tuple[str, ...]]:
    """The settings that connect the usual clients, by heading."""
    ca_file, key_file = shlex.quote(urls["ca_file"]), urls["key_file"]
    host = urls["tls_rest_url"].removeprefix("https://")
    api = {"rest": urls["rest_url"], "ws": urls["ws_url"]}
    account = "'apiKey': key['name'], 'secret': key['privateKey']"
    return {
        "First, in the shell": (
            f"export REQUESTS_CA_BUNDLE={ca_file} SSL_CERT_FILE={ca_file} rest_url={urls['rest_url']}",
        ),
        "Coinbase's own SDK, over TLS": (
            "from coinbase.rest import RESTClient",
            f"client = RESTClient(key_file={key_file!r}, base_url={host!r})",
        ),
        "Its websocket": (
            "from coinbase.websocket import WSClient",
            f"stream = WSClient(key_file={key_file!r}, base_url={urls['ws_url']!r}, on_message=print)",
        ),
        "ccxt, which needs nothing of the shell": (
            "import ccxt, json",
            f"key = json.load(open({key_file!r}))",
            f"exchange = ccxt.coinbase({{{account}, 'urls': {{'api': {api}}}}})",
        ),
        "A hand on the market, and what goes wrong on purpose": (
            """curl -d '{"product_id": "BTC-USD", "shift": "-0.1"}' $rest_url/paper/market""",
            """curl -d '{"too_many_requests": 3}' $rest_url/paper/faults""",
        ),
    }


def _holdings(settings: "Paper") -> str:
    held = [f"{value:,f} {name}" for name, value in settings.balances.items()]
    return ", ".join(held) or "nothing"


def _rates(settings: "Paper") -> str:
    """The limits on requests, those that are off left out."""
    limits = {
        "a second with a key": settings.private_requests_per_s,
        "a second without": settings.public_requests_per_s,
        "an hour": settings.requests_per_hour,
    }
    told = [f"{number:,} {what}" for what, number in limits.items() if number]
    return f"requests: {', '.join(told)}" if told else "no rate limits"
