"""Options that `run`, `demo` and `paper` share, and how their configuration is put together."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

if TYPE_CHECKING:
    from sidecar.config.tables import Config

PANEL: Final = "Where things are kept"

ConfigFile = Annotated[
    Path | None, typer.Option("--config", metavar="FILE", help="The configuration file.")
]
Overrides = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="Lay one key over the file; may be repeated."),
]
MarketSpec = Annotated[
    str | None,
    typer.Option(
        "--market",
        metavar="SPEC",
        help="random, random:SEED or replay:FILE[,FILE…] (paper.market).",
    ),
]
Speed = Annotated[
    str | None,
    typer.Option("--speed", metavar="N", help="Market seconds per second, or max (paper.speed)."),
]
StateDir = Annotated[
    Path | None,
    typer.Option("--state-dir", metavar="DIR", help="Where to keep state.", rich_help_panel=PANEL),
]
OrderSocket = Annotated[
    Path | None,
    typer.Option("--order-socket", metavar="PATH", help="Where bots ask.", rich_help_panel=PANEL),
]
ControlSocket = Annotated[
    Path | None,
    typer.Option(
        "--control-socket", metavar="PATH", help="Where operators command.", rich_help_panel=PANEL
    ),
]
Json = Annotated[
    bool,
    typer.Option("--json", help="Once ready, print one line of JSON that says where things are."),
]


def config_of_state(panel: str) -> Any:
    """`--config` of a command that reads a sidecar's state directory; under this heading of its
    help.
    """
    return typer.Option(
        "--config",
        metavar="FILE",
        help="The sidecar's configuration, which names its state directory.",
        rich_help_panel=panel,
    )


def state_directory(panel: str) -> Any:
    """`--state-dir` of such a command."""
    return typer.Option(
        "--state-dir", metavar="DIR", help="The sidecar's state directory.", rich_help_panel=panel
    )


def configuration(path: Path | None, overrides: list[str] | None) -> "Config":
    """The file, or the defaults without one, with `--set` laid over. Raises ConfigError."""
    # The models of the configuration take longer to build than a question and its answer.
    from sidecar.config.loader import load_config, parse_config  # noqa: PLC0415

    given = tuple(overrides or ())
    return load_config(path, given) if path is not None else parse_config("", given)


def market_overrides(market: str | None, speed: str | None) -> list[str]:
    """`--market` and `--speed` as the two keys of [paper] that they set."""
    chosen = []
    if market is not None:
        chosen.append(f"paper.market={toml_text(market)}")
    if speed is not None:
        chosen.append(f"paper.speed={speed}")
    return chosen


def place_overrides(
    state_dir: Path | None, order_socket: Path | None, control_socket: Path | None
) -> list[str]:
    """`--state-dir`, `--order-socket` and `--control-socket` as the keys that they are."""
    given = {
        "state.dir": state_dir,
        "server.order_socket": order_socket,
        "server.control_socket": control_socket,
    }
    return [f"{key}={toml_text(str(path))}" for key, path in given.items() if path is not None]


def toml_text(text: str) -> str:
    """A TOML basic string: a file's name may hold quotes and backslashes."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'
