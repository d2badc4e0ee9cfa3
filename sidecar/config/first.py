"""A first configuration file: limits proposed as shares of the equity, places, and a comment for each line. No I/O."""

import json
from collections.abc import Mapping, Sequence
from decimal import ROUND_DOWN, Decimal
from typing import Final, Literal

from msgspec import Struct

from sidecar.config.kinds import ASSET
from sidecar.core.vocabulary.money import ZERO

NOT_SET: Final = "none"  # in place of a value: the limit is left out
DIGITS: Final = 2  # of an amount that is proposed: no more are meant
KEPT_SHOWN: Final = 20  # holdings that are shown as examples of `keep`


class Proposal(Struct, frozen=True):
    """A limit to propose. `of`: of `usd` the value is that share of the equity in dollars; of `ratio` it is written as
    it stands, and so many dollars today; of `plain` equity has no part in it.
    """

    name: str
    value: str
    of: Literal["usd", "ratio", "plain"]
    meaning: str

    def written(self, equity: Decimal) -> str:
        """The value as the file has it; NOT_SET where there is no equity to take a share of."""
        if self.of != "usd":
            return self.value
        amount = _two_digits(equity * Decimal(self.value))
        return f"{amount:f}" if amount else NOT_SET


PROPOSALS: Final = (
    Proposal("max_order_notional", "0.05", "usd", "USD; one order"),
    Proposal(
        "max_concentration",
        "0.5",
        "ratio",
        "worst case of one coin or contract ÷ equity; open orders included",
    ),
    Proposal("max_leverage", "2", "ratio", "all positions together ÷ equity"),
    Proposal("max_open_orders", "20", "plain", "reservations count"),
    Proposal("max_order_rate", "{ count = 10, window_s = 1 }", "plain", "approved orders"),
    Proposal("price_collar", "0.05", "plain", "a limit price at most so far beyond the market"),
    Proposal("max_daily_loss", "0.05", "ratio", "then reduce-only until 08:00 New York"),
    Proposal("max_drawdown", "0.15", "ratio", "fall from the highest so far; then reduce-only"),
    Proposal(
        "max_cumulative_loss",
        "0.25",
        "ratio",
        "of all since the start; then SOLD FLAT, once confirmed, and halted",
    ),
)


class First(Struct, frozen=True, kw_only=True):
    """The answers. `account`: in words, for a comment; `limits`: as written, by name; `held`: amounts, by asset."""

    account: str
    is_paper: bool
    rest_url: str
    ws_url: str
    ws_user_url: str
    key_file: str
    follow: Sequence[str]
    order_socket: str
    control_socket: str
    state_dir: str
    equity: Decimal
    limits: Mapping[str, str]
    held: Mapping[str, Decimal]


def first_file(first: First) -> str:
    """The text of the file. Values of limits go in as they are: the reader of the file finds their faults."""
    money = "Play money: the paper exchange on this machine." if first.is_paper else "REAL MONEY."
    lines = [
        f"# {money} Written by `risk-sidecar init` for {first.account}.",
        f"# Dollars in comments are those of an equity of {first.equity:,.2f} USD.",
        "# All keys, with their meaning: `risk-sidecar config example`.",
        "",
        "[coinbase]",
        *_hosts(first),
        f"key_file = {_text(first.key_file)}",
        f"follow = {json.dumps(list(first.follow))}  # traded by the bots: the first order finds prices",
        "",
        "[server]",
        f"order_socket = {_text(first.order_socket)}  # bots ask here",
        f"control_socket = {_text(first.control_socket)}  # the operator's",
        "# allowed_uids = [0, 1001]  # a bot under another user: its uid; unset: root and the sidecar's own user",
        "",
        "[state]",
        f"dir = {_text(first.state_dir)}  # losses and halts are counted from it: one account, one directory",
        "",
        "[positions]",
        '# keep.BTC = "0.5"  # holdings that are never counted and never sold; "all" for all of an asset',
        *_holdings(first.held),
        "",
        "[limits]",
        *_limits(first),
        "",
    ]
    return "\n".join(lines)


def _hosts(first: First) -> list[str]:
    """A comment beside the exchange that ends with its process."""
    lines = [
        f"{name} = {_text(getattr(first, name))}" for name in ("rest_url", "ws_url", "ws_user_url")
    ]
    if first.is_paper:
        return [
            "# Hosts and key are those of the exchange that runs now; for another one:",
            "# risk-sidecar init --paper --overwrite",
            *lines,
        ]
    return lines


def _holdings(held: Mapping[str, Decimal]) -> list[str]:
    """Commented out, so that none is counted out by itself."""
    named = [(name, amount) for name, amount in held.items() if ASSET.fullmatch(name)]
    return [f'# keep.{name} = "all"  # {amount:f} held' for name, amount in named[:KEPT_SHOWN]]


def _limits(first: First) -> list[str]:
    lines = []
    for one in PROPOSALS:
        value = first.limits.get(one.name, NOT_SET)
        if value == NOT_SET:
            lines.append(f"# {one.name} = …  # not set: does not apply. {one.meaning}")
        else:
            lines.append(f"{one.name} = {value}  # {_in_dollars(one, value, first.equity)}")
    others = {name: first.limits[name] for name in first.limits if name not in NAMES}
    return lines + [f"{name} = {value}" for name, value in others.items() if value != NOT_SET]


def _in_dollars(one: Proposal, value: str, equity: Decimal) -> str:
    """The meaning of a limit, and the dollars that it comes to today."""
    try:
        number = Decimal(value)
    except ArithmeticError:
        return one.meaning
    if one.of == "ratio" and equity > ZERO:
        return f"{number * equity:,.2f} USD today; {one.meaning}"
    if one.of == "usd" and equity > ZERO:
        return f"{number / equity * 100:.1f} % of the equity today; {one.meaning}"
    return one.meaning


def _two_digits(amount: Decimal) -> Decimal:
    """Rounded down to two digits that count."""
    if amount <= ZERO:
        return ZERO
    step = Decimal(1).scaleb(amount.adjusted() - DIGITS + 1)
    return amount.quantize(step, ROUND_DOWN) if step < 1 else (amount // step) * step


def _text(value: str) -> str:
    """TOML's basic strings are JSON's, but for one control character."""
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")


NAMES: Final = frozenset(one.name for one in PROPOSALS)
