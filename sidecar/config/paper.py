"""`[paper]`: the paper exchange. No I/O."""

import re
from decimal import Decimal
from typing import Annotated, Final, Literal, Self

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Discriminator,
    Field,
    Tag,
    WithJsonSchema,
    model_validator,
)

from sidecar.config.kinds import Asset, Number, ProductId, Ratio, Table, Whole, money_sized
from sidecar.config.paper_faults import Faults

SPEED_MAX: Final = 10_000


def _market(value: str) -> str:
    if not re.fullmatch(r"random(:\d{1,18})?|replay:[^,\0]+(,[^,\0]+)*", value, re.ASCII):
        raise ValueError("is not a market; write random, random:SEED or replay:FILE[,FILE…]")
    return value


def _speed_kind(value: object) -> str:
    """Text that begins like a number is one in quotes."""
    return "text" if isinstance(value, str) and not re.match(r"\s*[-+.\d]", value) else "number"


def _max(value: object) -> object:
    if value != "max":
        raise ValueError('is neither a number nor "max"; write 1 for the pace of the clock')
    return value


# Told apart by look, so that a faulty number is not also said to be no "max".
Speed = Annotated[
    Annotated[Number, Field(gt=0, le=SPEED_MAX), Tag("number")]
    | Annotated[Literal["max"], BeforeValidator(_max), Tag("text")],
    Discriminator(_speed_kind),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "number", "exclusiveMinimum": 0, "maximum": SPEED_MAX},
                {"type": "string"},
            ],
            "x-kind": f'number > 0, ≤ {SPEED_MAX}, or "max"',
        }
    ),
]
Holding = Annotated[Number, Field(ge=0), AfterValidator(money_sized)]
Delay = Annotated[Number, Field(ge=0, le=60)]
SWEEP_EVERY_MAX_S: Final = 7 * 24 * 3_600  # rarer than weekly is never, in any run
FUNDING_DELAY_MAX_S: Final = 24 * 3_600  # it is paid by the next day's settlement
Period = Annotated[Number, Field(ge=0, le=SWEEP_EVERY_MAX_S)]
FundingDelay = Annotated[Number, Field(ge=0, le=FUNDING_DELAY_MAX_S)]
Rate = Annotated[Whole, Field(ge=0, le=1_000_000)]
Port = Annotated[Whole, Field(ge=0, le=65_535)]


class Paper(Table):
    """The paper exchange of `demo` and `paper`; a live sidecar ignores it."""

    balances: dict[Asset, Holding] = Field(
        {"USD": Decimal(100_000)},
        description="what the account holds at the start, per currency; a coin may have no product",
    )
    taker_fee: Ratio = Field(
        Decimal("0.012"), description="fee of a taking fill, as a ratio of its value"
    )
    maker_fee: Ratio = Field(
        Decimal("0.006"), description="fee of a resting fill, as a ratio of its value"
    )
    futures_taker_fee: Ratio | None = Field(
        None,
        description="the same of futures, whose volume makes a tier of its own; unset: as taker_fee",
    )
    futures_maker_fee: Ratio | None = Field(
        None, description="the same of futures, of a resting fill; unset: as maker_fee"
    )
    market: Annotated[str, AfterValidator(_market)] = Field(
        "random", description="random, random:SEED or replay:FILE[,FILE…]"
    )
    speed: Speed = Field(
        Decimal(1),
        description="market seconds per second of wall time; max: as fast as the readers take it, "
        "which suits a replay",
    )
    futures: bool = Field(
        default=True, description="list US futures and serve their endpoints (/cfm)"
    )
    sweep_every_s: Period = Field(
        Decimal(0),
        description="cash beyond the margin that positions need goes from the futures wallet to USD "
        "this often, market seconds counted from midnight UTC (86400: nightly, as at Coinbase); 0: never",
    )
    funding_told: Literal["funding_pnl", "fills"] = Field(
        "funding_pnl",
        description="where the funding of futures shows beside the wallet: in funding_pnl of the "
        "balance summary, or as fills of the trade type FUNDING",
    )
    funding_delay_s: FundingDelay = Field(
        Decimal(0),
        description="from the hour that funding is for to the wallet, market seconds; until then it "
        "has only accrued",
    )
    funding_resets: Literal["daily", "on_payment"] = Field(
        "daily",
        description="when funding_pnl forgets what was paid: at midnight UTC, or once the wallet has it",
    )
    disabled_products: tuple[ProductId, ...] = Field(
        (), description="products that are listed as disabled and never quoted, from the start on"
    )
    port: Port = Field(
        0, description="port of plain HTTP and websockets, on loopback; 0: any free one"
    )
    tls_port: Port = Field(0, description="the same with TLS; 0: any free one")
    order_delay_s: Delay = Field(
        Decimal("0.01"), description="from accepting an order to matching it, market seconds"
    )
    cancel_delay_s: Delay = Field(
        Decimal("0.05"), description="from accepting a cancel to its effect, market seconds"
    )
    strict_client_order_id: bool = Field(
        default=False,
        description="refuse a used client_order_id with DUPLICATE_CLIENT_ORDER_ID, where "
        "production answers with the old order",
    )
    queued_statuses: bool = Field(
        default=False, description="show QUEUED, CANCEL_QUEUED and EDIT_QUEUED on their way"
    )
    private_requests_per_s: Rate = Field(
        30, description="requests with a token per second and key; 0: no limit"
    )
    public_requests_per_s: Rate = Field(
        10, description="requests without a token per second and address; 0: no limit"
    )
    requests_per_hour: Rate = Field(
        10_000, description="requests with a token per hour and key; 0: no limit"
    )
    faults: Faults = Field(
        default_factory=Faults,
        description="what goes wrong on purpose; a count is the next so many",
    )

    @model_validator(mode="after")
    def _two_ports(self) -> Self:
        if self.port == self.tls_port != 0:
            raise ValueError("port and tls_port are the same; give each its own, or 0")
        return self
