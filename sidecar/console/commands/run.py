"""`risk-sidecar run`: the sidecar against the Coinbase hosts that the configuration names."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from sidecar.console.locating import needed_file
from sidecar.console.options import (
    ConfigFile,
    ControlSocket,
    Json,
    OrderSocket,
    Overrides,
    StateDir,
    configuration,
    place_overrides,
)
from sidecar.console.process import (
    interruptible,
    on_signals,
    reload_on_hangup,
    standard_outlets,
)
from sidecar.console.process import run as run_loop
from sidecar.core.vocabulary.errors import Misuse

if TYPE_CHECKING:
    from sidecar.config.tables import Config

EXIT_FAULTED: Final = 3


def run(  # noqa: PLR0913, PLR0917 - the options of the command, one each
    config: ConfigFile = None,
    overrides: Overrides = None,
    state_dir: StateDir = None,
    order_socket: OrderSocket = None,
    control_socket: ControlSocket = None,
    rebuild: Annotated[
        bool,
        typer.Option(
            "--rebuild",
            help="Set a damaged state aside and begin from what Coinbase says, in REDUCE_ONLY.",
        ),
    ] = False,
    as_json: Json = False,
) -> None:
    """Run the sidecar against Coinbase: real money, by the hosts and the key in FILE."""
    file = needed_file(config, "run")
    given = [*(overrides or ()), *place_overrides(state_dir, order_socket, control_socket)]

    def reread() -> "Config":
        return configuration(file, given)

    with interruptible():
        settings = reread()
        run_loop(_serve(settings, reread, rebuild=rebuild, as_json=as_json))


async def _serve(
    settings: "Config", reread: "Callable[[], Config]", *, rebuild: bool, as_json: bool
) -> None:
    from sidecar.coinbase.auth import load_key  # noqa: PLC0415 - half a second to import
    from sidecar.daemon.engine import Faulted  # noqa: PLC0415
    from sidecar.daemon.logs import make_log  # noqa: PLC0415
    from sidecar.daemon.sidecar import Sidecar  # noqa: PLC0415

    if settings.coinbase.key_file is None:
        raise Misuse("coinbase.key_file is not set; name the key file that Coinbase gave you")
    key = load_key(settings.coinbase.key_file)
    with standard_outlets() as errors:
        log = make_log(settings.server.log, errors)
        sidecar = Sidecar(
            settings, key, log, reread=reread, log_state=errors.state, rebuild_state=rebuild
        )
        on_signals(sidecar.stop)
        reload_on_hangup(sidecar.reload)
        try:
            await sidecar.run(lambda: tell_places(settings, as_json=as_json))
        except Faulted:
            raise typer.Exit(EXIT_FAULTED) from None


def places(settings: "Config") -> dict[str, str]:
    """Where a running sidecar is reached, by the names that `--json` prints."""
    return {
        "order_socket": str(Path(settings.server.order_socket).absolute()),
        "control_socket": str(Path(settings.server.control_socket).absolute()),
        "state_dir": str(Path(settings.state.dir).absolute()),
    }


def tell_places(settings: "Config", *, as_json: bool) -> None:
    """Say where it is, once it can be asked."""
    where = places(settings)
    if as_json:
        typer.echo(json.dumps(where))
        return
    typer.echo(f"order socket   {where['order_socket']}")
    typer.echo(f"control socket {where['control_socket']}")
    typer.echo(f"state          {where['state_dir']}")
