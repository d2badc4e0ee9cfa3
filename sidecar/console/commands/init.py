"""`risk-sidecar init`: a first configuration, by asking on a terminal, or by flags."""

import asyncio
import os
import shlex
import sys
import tomllib
from collections.abc import Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, NamedTuple

import typer

from sidecar.console.exchanges import Urls, running_exchange
from sidecar.console.locating import VARIABLE, config_file
from sidecar.console.options import StateDir, configuration, toml_text
from sidecar.console.process import (
    EXIT_INTERRUPTED,
    as_called,
    forbid_core_dumps,
    interruptible,
)
from sidecar.core.vocabulary.errors import Misuse
from sidecar.escaping import escaped

if TYPE_CHECKING:
    from sidecar.config.first import Proposal
    from sidecar.config.tables import Config
    from sidecar.daemon.first_look import FirstLook

PANEL: Final = "Which exchange"
USUAL: Final = ("BTC-USD", "ETH-USD")  # followed where nothing is held
FOLLOWED_MAX: Final = 10  # of the holdings, the most valuable first


class Flags(NamedTuple):
    """The options of the command line, as far as the questions have to do with them."""

    paper: bool
    urls: Urls
    follow: tuple[str, ...]
    limits: dict[str, str]
    state_dir: Path | None
    socket_dir: Path | None
    asks: bool


FirstFile = Annotated[Path, typer.Option("--config", metavar="FILE", help="The file to write.")]
OnPaper = Annotated[
    bool,
    typer.Option(
        "--paper",
        help="For the paper exchange that runs here, or that is named.",
        rich_help_panel=PANEL,
    ),
]
KeyFile = Annotated[
    Path | None,
    typer.Option("--key-file", metavar="FILE", help="The CDP key file.", rich_help_panel=PANEL),
]
RestUrl = Annotated[
    str | None, typer.Option("--rest-url", metavar="URL", help="REST.", rich_help_panel=PANEL)
]
WsUrl = Annotated[
    str | None,
    typer.Option("--ws-url", metavar="URL", help="Websocket of prices.", rich_help_panel=PANEL),
]
WsUserUrl = Annotated[
    str | None,
    typer.Option(
        "--ws-user-url",
        metavar="URL",
        help="Websocket of the account's own orders.",
        rich_help_panel=PANEL,
    ),
]
Follow = Annotated[
    list[str] | None,
    typer.Option("--follow", metavar="PRODUCT", help="A product of the bots'; may be repeated."),
]
GivenLimits = Annotated[
    list[str] | None,
    typer.Option(
        "--limit",
        metavar="NAME=VALUE",
        help="A limit in place of the proposed one, or none; may be repeated.",
    ),
]
SocketDir = Annotated[
    Path | None,
    typer.Option("--socket-dir", metavar="DIR", help="Where bots and operators ask."),
]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace a file that is there.")]
Yes = Annotated[bool, typer.Option("--yes", help="Take every proposal; ask no question.")]


def init(  # noqa: PLR0913, PLR0917 - the options of the command, one each
    config: FirstFile = Path("risk.toml"),
    paper: OnPaper = False,
    key_file: KeyFile = None,
    rest_url: RestUrl = None,
    ws_url: WsUrl = None,
    ws_user_url: WsUserUrl = None,
    follow: Follow = None,
    limit: GivenLimits = None,
    state_dir: StateDir = None,
    socket_dir: SocketDir = None,
    overwrite: Overwrite = False,
    yes: Yes = False,
) -> None:
    """Write a first configuration: the key looked at, limits proposed by the account's equity.

    Asks on a terminal; elsewhere every proposal is taken that no option replaces.
    """
    path = config.absolute()
    if path.exists() and not overwrite:
        raise Misuse(
            f"{path} is there already; name another file with --config, or replace it with --overwrite"
        )
    given = {
        "rest_url": rest_url, "ws_url": ws_url, "ws_user_url": ws_user_url,
        "key_file": None if key_file is None else str(key_file.absolute()),
    }  # fmt: skip
    flags = Flags(
        paper=paper,
        urls={name: value for name, value in given.items() if value is not None},
        follow=tuple(follow or ()),
        limits=dict(_named(one) for one in limit or ()),
        state_dir=state_dir,
        socket_dir=socket_dir,
        asks=sys.stdin.isatty() and not yes,
    )
    with interruptible():
        forbid_core_dumps()
        try:
            _init(path, flags)
        except typer.Abort:
            typer.echo("\nnothing was written", err=True)
            raise typer.Exit(EXIT_INTERRUPTED) from None


def _init(path: Path, flags: Flags) -> None:
    from sidecar.config.first import First, first_file  # noqa: PLC0415 - as all of the configuration
    from sidecar.config.loader import parse_config  # noqa: PLC0415
    from sidecar.daemon.places import unusable_places  # noqa: PLC0415

    config, look = _looked(flags)
    coinbase, follow, limits = config.coinbase, _followed(flags, look), _limits(flags, look)
    places = _places(path, flags)
    if too_long := _too_long(places):
        raise Misuse(too_long)
    first = First(
        account=_account(look),
        is_paper=coinbase.is_on_loopback,
        rest_url=coinbase.rest_url,
        ws_url=coinbase.ws_url,
        ws_user_url=coinbase.ws_user_url,
        key_file=str(coinbase.key_file),
        follow=follow,
        **places,
        equity=look.equity,
        limits=limits,
        held=look.held,
    )
    text = first_file(first)
    written = parse_config(text)
    if refusals := unusable_places(written):
        raise Misuse("\n".join(refusals))
    _write(path, text)
    _tell(path, written)


def _named(text: str) -> tuple[str, str]:
    """`NAME=VALUE` as both."""
    name, equals, value = text.partition("=")
    if not (equals and name.strip() and value.strip()):
        raise Misuse(f"--limit {text}: write NAME=VALUE, e.g. --limit max_daily_loss=0.05")
    return name.strip().removeprefix("limits."), _toml(value.strip())


def _toml(value: str) -> str:
    """A value as TOML has it: text without its quotes is text too."""
    try:
        if "\n" not in value:
            tomllib.loads(f"x = {value}")
            return value
    except tomllib.TOMLDecodeError:
        pass
    return value if value == "none" else toml_text(value)


# --- The account ----------------------------------------------------------------------------------


def _looked(flags: Flags) -> "tuple[Config, FirstLook]":
    """The exchange's hosts and the key, and the account behind them. A key file that cannot be used is asked for
    again.
    """
    from sidecar.coinbase.auth import KeyFault, load_key  # noqa: PLC0415 - half a second to import
    from sidecar.daemon.first_look import first_look  # noqa: PLC0415

    urls = _exchange(flags)
    while True:
        if "key_file" not in urls:
            if not flags.asks:
                raise Misuse(
                    "init needs --key-file FILE, the key file that Coinbase gave you; or --paper, for play money"
                )
            asked = typer.prompt("CDP key file (view and trade, never transfer)")
            urls["key_file"] = str(Path(asked).expanduser().absolute())
        config = configuration(
            None, [f"coinbase.{name}={toml_text(one)}" for name, one in urls.items()]
        )
        assert config.coinbase.key_file is not None
        if flags.paper and not config.coinbase.is_on_loopback:
            raise Misuse(
                f"--paper is for an exchange on this machine, not {config.coinbase.rest_url}; leave --paper out"
            )
        try:
            load_key(config.coinbase.key_file)
        except KeyFault as fault:
            if not flags.asks or "key_file" in flags.urls:
                raise
            typer.echo(escaped(str(fault)), err=True)
            del urls["key_file"]
            continue
        look = asyncio.run(first_look(config))
        _say_account(config, look)
        return config, look


def _exchange(flags: Flags) -> Urls:
    """Hosts and key file, as far as they are known before any question."""
    urls = dict(flags.urls)
    if flags.paper and not {"rest_url", "ws_url", "key_file"} <= urls.keys():
        urls = {**running_exchange(), **urls}
    if "rest_url" in urls and "ws_url" not in urls:
        raise Misuse(
            "--rest-url names another exchange than Coinbase; name its websocket with --ws-url"
        )
    if "ws_url" in urls:
        urls.setdefault("ws_user_url", urls["ws_url"])
    return urls


def _say_account(config: "Config", look: "FirstLook") -> None:
    money = "PAPER" if config.coinbase.is_on_loopback else "REAL MONEY"
    typer.echo(
        escaped(
            f"{money}, {_account(look)}, {config.coinbase.rest_url}, equity {look.equity:,.2f} USD"
        )
    )
    for finding in look.findings:
        if finding.severity == "warning":
            typer.echo(escaped(f"warning: {finding.text}"), err=True)


def _account(look: "FirstLook") -> str:
    from sidecar.daemon.preflight import called  # noqa: PLC0415

    return called(look.portfolio)


# --- Questions ------------------------------------------------------------------------------------


def _followed(flags: Flags, look: "FirstLook") -> list[str]:
    """Products that the bots trade: as given, as asked, or those held and the usual ones. Raises Misuse."""
    if flags.follow:
        return [_listed(name, look) for name in flags.follow]
    held = [f"{asset}-USD" for asset in look.held][:FOLLOWED_MAX]
    proposed = [name for name in dict.fromkeys([*held, *USUAL]) if name in look.products]
    while flags.asks:
        asked = typer.prompt("products that the bots trade", default=", ".join(proposed))
        try:
            return [_listed(name, look) for name in asked.replace(",", " ").split()]
        except Misuse as fault:
            typer.echo(str(fault), err=True)
    return proposed


def _listed(name: str, look: "FirstLook") -> str:
    name = name.strip().upper()
    if name not in look.products:
        near = get_close_matches(name, look.products, n=1)
        mend = f"did you mean {near[0]}?" if near else "write one as Coinbase does: BTC-USD"
        raise Misuse(f"Coinbase lists no product {escaped(name)}; {mend}")
    return name


def _limits(flags: Flags, look: "FirstLook") -> dict[str, str]:
    """The value of each limit as the file has it."""
    from sidecar.config.first import PROPOSALS  # noqa: PLC0415

    if flags.asks:
        typer.echo("Limits: Enter takes what is proposed, none leaves the limit out.")
    chosen = dict(flags.limits)
    for one in PROPOSALS:
        if one.name not in chosen:
            proposed = one.written(look.equity)
            chosen[one.name] = _asked(one, proposed) if flags.asks else proposed
    return chosen


def _asked(one: "Proposal", proposed: str) -> str:
    from sidecar.config.faults import ConfigError  # noqa: PLC0415
    from sidecar.config.loader import parse_config  # noqa: PLC0415

    while True:
        value = _toml(typer.prompt(f"{one.name} ({one.meaning})", default=proposed).strip())
        if value == "none":
            return value
        try:
            parse_config(f"[limits]\n{one.name} = {value}\n")
        except ConfigError as fault:
            typer.echo(str(fault), err=True)
        else:
            return value


def _places(path: Path, flags: Flags) -> dict[str, Any]:
    """The sockets and the state beside the file, unless named."""
    state = flags.state_dir or path.with_name(f"{path.stem}-state")
    if flags.asks and flags.state_dir is None:
        state = Path(typer.prompt("directory of the state", default=str(state))).expanduser()
    state = state.absolute()
    sockets = (flags.socket_dir or state / "run").absolute()
    return {
        "order_socket": str(sockets / "order.sock"),
        "control_socket": str(sockets / "control.sock"),
        "state_dir": str(state),
    }


def _too_long(places: Mapping[str, str]) -> str:
    from sidecar.config.tables import SOCKET_PATH_BYTES_MAX  # noqa: PLC0415

    if len(os.fsencode(places["control_socket"])) <= SOCKET_PATH_BYTES_MAX:
        return ""
    return (
        f"the sockets below {places['state_dir']} would have paths of more than {SOCKET_PATH_BYTES_MAX} bytes; name a"
        " shorter directory for them with --socket-dir"
    )


# --- The file -------------------------------------------------------------------------------------


def _write(path: Path, text: str) -> None:
    """For its owner only: it says where the key is, and how much may be lost."""
    from sidecar.storage.files import replace_file  # noqa: PLC0415

    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        replace_file(path, text.encode())
    except OSError as error:
        raise Misuse(f"{path}: {error.strerror}; name a file that this user may write") from None


def _tell(path: Path, config: "Config") -> None:
    """Where it is, which brakes it lacks, and what to paste next."""
    from sidecar.core.vocabulary.brakes import brakes_not_set  # noqa: PLC0415

    money = "PAPER" if config.coinbase.is_on_loopback else "REAL MONEY"
    typer.echo(f"\nwritten: {path} ({money})")
    for brake in brakes_not_set(config.limits):
        typer.echo(f"not set: {brake.name}. {brake.unbounded}")
    program, file = as_called(sys.argv[0]), shlex.quote(str(path))
    typer.echo("\nLook, then run it:\n")
    for verb in ("check", "run"):
        typer.echo(f"  {program} {verb} --config {file}")
    typer.echo("\nIn the bot, whose order is sent where the answer is true:\n")
    socket = str(config.server.order_socket)
    typer.echo(
        f"  from risk_sidecar_client import Client; decision = Client({socket!r}).validate_order(order)"
    )
    found = config_file(None)
    if found is None or found.absolute() != path:
        typer.echo(f"\nSo that other commands find it:\n\n  export {VARIABLE}={file}")
