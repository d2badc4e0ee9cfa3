"""`risk-sidecar run`: the sidecar against the Coinbase hosts that the configuration names."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final, NamedTuple

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
    from sidecar.coinbase.auth import ApiKey
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
    places = place_overrides(state_dir, order_socket, control_socket)
    given = [*(overrides or ()), *places]

    def reread() -> "Config":
        return configuration(file, given)

    def reread_whole() -> "Config":  # a file with which the next start would fail lifts nothing
        _key_of(read := reread())
        return read

    with interruptible():
        from sidecar.daemon.last_good import Given, last_good  # noqa: PLC0415 - as of _serve

        try:
            settings = reread()
            start, again = _Start(settings, _key_of(settings), file, None, rebuild), reread
        except Misuse as fault:
            if rebuild:
                raise
            settings = last_good(Given(file, tuple(places), tuple(overrides or ())), fault)
            start = _Start(settings, _other_key(settings, fault), file, fault, rebuild)
            again = reread_whole
        run_loop(_serve(start, again, as_json=as_json))


class _Start(NamedTuple):
    """What a sidecar begins with. `fault`: of the file, in whose place the last good configuration is."""

    settings: "Config"
    key: "ApiKey"
    file: Path
    fault: Misuse | None
    rebuild: bool


def _key_of(settings: "Config") -> "ApiKey":
    """Raises Misuse for a configuration whose key, or whose rules, cannot be used."""
    from sidecar.coinbase.auth import load_key  # noqa: PLC0415 - half a second to import
    from sidecar.custom_rules import load_custom_rules  # noqa: PLC0415

    if settings.coinbase.key_file is None:
        raise Misuse("coinbase.key_file is not set; name the key file that Coinbase gave you")
    load_custom_rules(settings.limits.custom)
    return load_key(settings.coinbase.key_file)


def _other_key(settings: "Config", fault: Misuse) -> "ApiKey":
    """That of the last good configuration, where the file has this fault. Raises Misuse."""
    try:
        return _key_of(settings)
    except Misuse as other:
        if str(other) == str(fault):  # both name the same key
            raise
        raise Misuse(f"{fault}\nnor the last good configuration: {other}") from None


async def _serve(start: _Start, reread: "Callable[[], Config]", *, as_json: bool) -> None:
    from sidecar.daemon.engine import Faulted  # noqa: PLC0415
    from sidecar.daemon.logs import make_log  # noqa: PLC0415
    from sidecar.daemon.sidecar import Sidecar  # noqa: PLC0415

    settings = start.settings
    with standard_outlets() as errors:
        log = make_log(settings.server.log, errors)
        sidecar = Sidecar(
            settings,
            start.key,
            log,
            reread=reread,
            log_state=errors.state,
            rebuild_state=start.rebuild,
            file=start.file,
            fault=start.fault,
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
