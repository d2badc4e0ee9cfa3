"""The tables of the configuration file: each key with its type, bounds, default, meaning. No I/O.

`docs/configuration.md`, `config schema` and `config example` are generated from here. The message
of a validator has two parts, `what is wrong; the mend`, and never repeats the value. `x-kind` says
in words which values may be written where JSON Schema cannot.
"""

import re
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Final, Literal, Self
from urllib.parse import SplitResult, urlsplit

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Discriminator,
    Field,
    PlainSerializer,
    Tag,
    WithJsonSchema,
    model_validator,
)

from sidecar.config.kinds import Asset, Number, ProductId, Table, Whole, not_boolean
from sidecar.config.paper import Paper
from sidecar.config.var import ValueAtRisk
from sidecar.core.vocabulary.limit_settings import Name
from sidecar.core.vocabulary.limits import Limits
from sidecar.core.vocabulary.products import CASH

SOCKET_PATH_BYTES_MAX: Final = 107  # sun_path of a Unix socket address, less its closing zero
FOLLOWED_MAX: Final = 500  # more would not fit one subscription
UID_MAX: Final = 2**32 - 2  # the highest is the kernel's "no such user"
API: Final = "/api/v3"  # of Coinbase's own addresses: every call adds it
LOOPBACK: Final = frozenset({"127.0.0.1", "::1", "localhost"})

# ----------------------------------------------------------------------------------- kinds of value


def _kept(value: object) -> object:
    if value == "all":
        return value
    try:
        amount = Decimal(str(not_boolean(value)))
    except ArithmeticError:
        amount = Decimal("nan")
    if not (amount.is_finite() and amount > 0):
        raise ValueError('is neither an amount nor "all"; write a positive amount such as "0.5"')
    return amount


def _path(value: object) -> object:
    if isinstance(value, str):
        if not value.strip() or "\0" in value:
            raise ValueError("is not a path; name a file or directory")
        if "PRIVATE KEY" in value or "\n" in value:
            raise ValueError("holds a key, not a path; put the key in a file and name the file")
        if value.startswith("~"):
            raise ValueError("begins with ~, which is not expanded here; write the whole path")
    return value


def _socket_path(value: Path) -> Path:
    if len(bytes(value)) > SOCKET_PATH_BYTES_MAX:
        raise ValueError(
            f"is longer than the {SOCKET_PATH_BYTES_MAX} bytes a Unix socket's path may have;"
            " choose a shorter one"
        )
    return value


def _mode(value: object) -> object:
    if isinstance(value, str) and re.fullmatch(r"0?[0-7]{3}", value):
        return int(value, 8)
    raise ValueError('is not a file mode; write it in octal and in quotes: "0660"')


def _split_url(value: str) -> SplitResult | None:
    if any(character.isspace() for character in value):  # urlsplit drops some of them in silence
        return None
    try:
        parts = urlsplit(value)
        return parts if parts.hostname and parts.port != 0 else None
    except ValueError:
        return None


def _url(secure: str, plain: str, *, asks: bool = False) -> Callable[[str], str]:
    """Accepts `secure://host[:port][/path]`, and `plain://` where no wire is left: on loopback. Where it `asks`,
    also `?query`, and it is left as written.
    """
    whole = "a host, a path and a query" if asks else "a host and a path"

    def check(value: str) -> str:
        parts = _split_url(value)
        if parts is None or parts.scheme not in (secure, plain):
            raise ValueError(f"is not an address; write it as {secure}://host")
        if parts.username is not None or parts.fragment or (parts.query and not asks):
            raise ValueError(f"has more than {whole}; write it as {secure}://host")
        if API in parts.path:
            raise ValueError(
                f"has {API} in it, which the sidecar adds; write it as {secure}://host"
            )
        if parts.scheme == plain and parts.hostname not in LOOPBACK:
            raise ValueError(f"would send secrets in the clear; write {secure}:// instead")
        return value if asks else value.rstrip("/")

    return check


Kept = Annotated[
    Decimal | Literal["all"],
    BeforeValidator(_kept),
    WithJsonSchema(
        {
            "anyOf": [{"type": "number", "exclusiveMinimum": 0}, {"type": "string"}],
            "x-kind": 'number > 0 or "all"',
        }
    ),
]
# Told apart by type, so that a faulty list is not also said to be no "all".
Assets = Annotated[
    Annotated[Literal["all"], Tag("all")] | Annotated[tuple[Asset, ...], Tag("list")],
    Discriminator(lambda value: "all" if isinstance(value, str) else "list"),
]
FilePath = Annotated[Path, BeforeValidator(_path)]
SocketPath = Annotated[FilePath, AfterValidator(_socket_path)]
FileMode = Annotated[
    int,
    BeforeValidator(_mode),
    PlainSerializer(lambda mode: f"{mode:04o}", return_type=str),
    WithJsonSchema({"type": "string", "pattern": "^0?[0-7]{3}$", "x-kind": "octal text"}),
]
RestUrl = Annotated[str, AfterValidator(_url("https", "http"))]
CalledUrl = Annotated[str, AfterValidator(_url("https", "http", asks=True))]
WebSocketUrl = Annotated[str, AfterValidator(_url("wss", "ws"))]

# ------------------------------------------------------------------------------------------- tables


class Coinbase(Table):
    """Where Coinbase is, and the key that speaks for the account."""

    rest_url: RestUrl = Field("https://api.coinbase.com", description="REST host")
    ws_url: WebSocketUrl = Field(
        "wss://advanced-trade-ws.coinbase.com", description="websocket host of market data"
    )
    ws_user_url: WebSocketUrl = Field(
        "wss://advanced-trade-ws-user.coinbase.com",
        description="websocket host of the account's own orders and balances",
    )
    key_file: FilePath | None = Field(
        None,
        description="CDP key file, JSON with name and privateKey, mode 0600; its key must belong "
        "to the bot's portfolio, and may view and trade, never transfer",
    )
    follow: tuple[ProductId, ...] = Field(
        (),
        max_length=FOLLOWED_MAX,
        description="products whose prices to follow from the start; what is held, working or asked "
        "about is followed anyway",
    )
    conflate_ms: Whole = Field(
        500,
        ge=0,
        le=10_000,
        description="prices are judged at most this often, milliseconds; always before a decision on "
        "their product. 0: every one",
    )
    requests_per_s: Whole = Field(
        10,
        ge=1,
        le=30,
        description="how many REST requests a second to make at most; Coinbase allows a user 30, the "
        "bot's among them",
    )
    reconcile_s: Number = Field(
        Decimal(60),
        ge=5,
        le=3600,
        description="how often orders, fills and balances are read anew, seconds; after every gap "
        "in any case",
    )

    @property
    def is_on_loopback(self) -> bool:
        """Whether the exchange is on this machine, as the paper exchange is: all others trade real money."""
        parts = _split_url(self.rest_url)
        return parts is not None and parts.hostname in LOOPBACK


Uids = tuple[Annotated[Whole, Field(ge=0, le=UID_MAX)], ...]


class Bot(Table):
    """A bot that is known by name."""

    uids: Uids | None = Field(
        None,
        description="user ids that may say hello with this name, and ask for its strategies; unset: all that may ask",
    )
    strategies: tuple[Name, ...] = Field(
        (), description="strategies that are for these users alone"
    )
    may_flatten: bool = Field(
        default=False,
        description="whether it may ask for the whole account to be sold when it is gone (hello, "
        "on_disconnect: flatten)",
    )


class Server(Table):
    """The two Unix sockets: the bots' and the operator's."""

    order_socket: SocketPath = Field(
        Path("state/run/order.sock"), description="where bots ask before every order"
    )
    control_socket: SocketPath = Field(
        Path("state/run/control.sock"),
        description="where the operator halts, flattens and resumes; always mode 0600",
    )
    socket_mode: FileMode = Field(
        0o660,
        description="file mode of the order socket, in quotes",
        json_schema_extra={"default": "0660"},
    )
    allowed_uids: Uids | None = Field(
        None,
        description="user ids that may ask on the order socket; unset: the sidecar's own and root",
    )
    reservation_s: Number = Field(
        Decimal(10),
        ge=1,
        le=300,
        description="how long an approval waits for its order, seconds; then it is looked for once",
    )
    unapproved_orders: Literal["alert", "cancel", "reduce_only"] = Field(
        "alert",
        description="what an order that nobody asked about is answered with; reducing ones are "
        "never cancelled",
    )
    may_flatten: tuple[Name, ...] = Field(
        (),
        description="names of bots that may ask for the whole account to be sold when they are gone "
        "(hello, on_disconnect: flatten)",
    )
    strategies: Literal["any", "listed"] | None = Field(
        None,
        description="whether orders that add risk may name a strategy that neither limits.strategy nor "
        "server.bots has; unset: not once there is any limits.strategy",
    )
    bots: dict[Name, Bot] = Field(default_factory=dict, description="bots that are known by name")
    log: Literal["console", "json"] = Field(
        "console", description="how the log is written: for people, or one JSON object a line"
    )

    @model_validator(mode="after")
    def _two_sockets(self) -> Self:
        if self.order_socket == self.control_socket:
            raise ValueError(
                "order_socket and control_socket are the same path; give each its own, for who may "
                "ask must not thereby command"
            )
        return self

    @model_validator(mode="after")
    def _bots_that_may_ask(self) -> Self:
        asking = {uid for bot in self.bots.values() for uid in bot.uids or ()}
        if self.allowed_uids is not None and (shut_out := asking - set(self.allowed_uids)):
            raise ValueError(
                f"bots name user {min(shut_out)}, who may not ask at all; add it to allowed_uids"
            )
        return self


class State(Table):
    """The state that survives a restart."""

    dir: FilePath = Field(
        Path("state"), description="directory of the snapshot and the journal; one sidecar each"
    )
    snapshot_s: Number = Field(
        Decimal(60),
        ge=1,
        le=3600,
        description="how often the snapshot is written, seconds; a start replays what came after it",
    )
    journal_days: Whole = Field(
        30, ge=1, le=3650, description="how long finished files of the journal are kept, days"
    )


class Positions(Table):
    """The part of the account that counts as a position."""

    keep: dict[Asset, Kept] = Field(
        default_factory=dict,
        description='holdings never counted and never sold: an amount of the asset, or "all"',
    )
    cash: tuple[Asset, ...] = Field(
        CASH, description="currencies that are cash: valued, but never a position"
    )
    futures: Literal["auto", "none"] = Field(
        "auto",
        description="whether the account may have US futures: as Coinbase says; or none, whatever it answers, as long "
        "as nothing is seen of any",
    )
    balance_lag_s: Number = Field(
        Decimal(30),
        ge=0,
        le=600,
        description="how long a reading of a balance may lack a fill, a fee or funding, seconds of wall clock",
    )


class Liquidation(Table):
    """How the account is flattened when `max_cumulative_loss` is crossed, or when told to."""

    assets: Assets = Field("all", description="assets that may be sold")
    confirm_s: Number = Field(
        Decimal(2), ge=0, le=60, description="how long a breach must hold, seconds of market clock"
    )
    confirm_quotes: Whole = Field(
        3, ge=1, le=100, description="how many distinct quotes must show the breach"
    )
    exit_depth_factor: Number = Field(
        Decimal("0.1"),
        gt=0,
        le=1,
        description="part of the depth of today by which the price and the seconds of an exit are shown a second time",
    )


class Operator(Table):
    """The operator's pages. No keys yet."""


class Alerts(Table):
    """Who is told, and how."""

    command: tuple[Annotated[str, Field(min_length=1, max_length=4096)], ...] = Field(
        (),
        max_length=100,
        description="a program and its arguments, run for each alert of severity warning or critical, which it "
        "reads as a line of JSON from its standard input; none: nobody is woken",
    )
    command_within_s: Number = Field(
        Decimal(10),
        ge=1,
        le=300,
        description="then the program is killed, and tried again, seconds",
    )
    heartbeat_url: CalledUrl | None = Field(
        None,
        description="called each minute while the sidecar runs, for a service that says when it was not; the "
        "address is a secret",
    )


class Gateway(Table):
    """Orders sent through the sidecar. No keys yet."""


class Config(Table):
    """The whole file. Every table may be left out."""

    coinbase: Coinbase = Field(default_factory=Coinbase)
    server: Server = Field(default_factory=Server)
    state: State = Field(default_factory=State)
    positions: Positions = Field(default_factory=Positions)
    limits: Limits = Field(default_factory=Limits)
    liquidation: Liquidation = Field(default_factory=Liquidation)
    var: ValueAtRisk = Field(default_factory=ValueAtRisk)
    operator: Operator = Field(default_factory=Operator)
    alerts: Alerts = Field(default_factory=Alerts)
    gateway: Gateway = Field(default_factory=Gateway)
    paper: Paper = Field(default_factory=Paper)
