"""The shipped example of a configuration file, generated from its models so that it stays true. No I/O."""

import json
import re
import textwrap
from decimal import Decimal, DecimalException
from typing import Final

from sidecar.config.outline import Key, Table, outline

WIDTH: Final = 100

# The keys that a shipped configuration sets, beyond the defaults.
SEEDS: Final = """\
limits.max_order_notional = 5000
limits.max_position_notional = 20000
limits.max_open_orders = 20
limits.max_daily_loss = 0.10
limits.max_leverage = 5
limits.max_cumulative_loss = 0.25
limits.max_var = 0.15
"""

# Values for the keys that have no default: shown, but commented out.
EXAMPLES: Final = """\
coinbase.key_file = "/etc/risk-sidecar/cdp-key.json"
server.allowed_uids = [0, 1000]
server.strategies = "listed"
server.bots.grid-bot = { uids = [1000], strategies = ["grid"], may_flatten = true }
positions.keep.BTC = "0.5"
limits.min_order_size = 0.001
limits.max_order_size = 0.5
limits.max_position_size = 2
limits.max_order_rate = { count = 10, window_s = 1 }
limits.duplicate_order = { count = 1, window_s = 5 }
limits.max_notional_in = { usd = 20000, window_s = 3600 }
limits.price_collar = 0.05
limits.max_order_slippage = 0.005
limits.trading_hours = { zone = "America/New_York", windows = ["Mon-Fri 09:30-16:00"] }
limits.max_gross_exposure = 50000
limits.max_net_exposure = 30000
limits.max_strategy_share = 0.5
limits.max_concentration = 0.5
limits.max_exit_cost = 0.02
limits.losing_streak = { trades = 4, cool_down = "2h" }
limits.max_weekly_loss = 0.15
limits.max_monthly_loss = "20000 USD"
limits.max_loss_in = [{ window = "4h", limit = 0.03 }]
limits.max_drawdown = "5000 USD"
limits.max_expected_shortfall = 0.20
limits.max_stress_loss = 0.30
limits.max_margin_drawdown = 0.5
limits.min_liquidation_buffer = 50
limits.price_shock = { max_move = 0.01, window_s = 20, lockout_s = 900, action = "reduce_only" }
limits.market_shock = { fall = 0.05, window = "5m", share = 0.5, lockout = "1h", action = "reduce_only" }
limits.loosen_after = "24h"
limits.resume_after = "4h"
limits.max_share_of_limits = 0.5
limits.require = ["max_daily_loss", "max_drawdown"]
limits.allow_products = ["BTC-USD", "ETH-USD"]
limits.product."BTC-USD".max_position_size = 0.5
limits.strategy.momentum = { max_order_notional = 1000, budget = 10000, own_positions_only = true }
limits.shadow.max_order_notional = 2500
var.proxies.PEPE = "DOGE"
var.stress.exchange_hacked = { BTC = -0.3, others = -0.5 }
paper.futures_taker_fee = 0.0003
paper.futures_maker_fee = 0.0002
paper.faults = { drop_frames = 3, frames_channel = "user", hide_new_orders_s = 2 }
alerts.heartbeat_url = "https://example.com/ping/id"
"""

EXAMPLE_HEAD: Final = """\
# Configuration of risk-sidecar. A key is shown with its default or a sensible value; one that is
# commented out is not set, and a limit that is not set does not apply.
"""


def example() -> str:
    """A commented configuration file: every key, its meaning, and a value that parses."""
    lines = EXAMPLE_HEAD.splitlines()
    for table in outline().tables:
        lines += ["", *_comment(summary(table)), f"[{table.name}]"]
        for key in table.keys:
            lines += [*_comment(f"{key.description} ({key.kind})"), *_assignments(table.name, key)]
        for nested in table.tables:
            shown = f"# {_line(EXAMPLES, table.name, nested.name)}"
            lines += [*_comment(nested.description), shown]
    return "\n".join(lines) + "\n"


def _comment(text: str) -> list[str]:
    return textwrap.wrap(text, WIDTH, initial_indent="# ", subsequent_indent="# ")


def _assignments(table: str, key: Key) -> list[str]:
    """The key with its seed or its default, or else commented out with an example."""
    if seed := _line(SEEDS, table, key.name):
        return [seed]
    if key.default is None:
        return [f"# {_line(EXAMPLES, table, key.name)}"]
    if isinstance(key.default, dict):
        return [f"{key.name}.{name} = {_toml(value)}" for name, value in key.default.items()]
    return textwrap.wrap(f"{key.name} = {written(key)}", WIDTH, subsequent_indent="  ")


def _line(text: str, table: str, name: str) -> str | None:
    """The line of `text` for a key, less its table: the heading has said it."""
    found = re.search(rf"^{table}\.({name}\b.*)$", text, re.MULTILINE)
    return found[1] if found else None


def written(key: Key) -> str:
    """The default as the file would say it: decimals, which JSON keeps as text, without quotes."""
    if isinstance(key.default, str) and key.kind.startswith("number"):
        try:
            return f"{Decimal(key.default):f}"
        except DecimalException:
            return _toml(key.default)
    return _toml(key.default)


def _toml(value: object) -> str:
    """Text, numbers, booleans and lists of them are written in TOML as in JSON."""
    return json.dumps(value, ensure_ascii=False)


def summary(table: Table) -> str:
    """The first paragraph of a description: the rest is for readers of the source."""
    summary = " ".join(table.description.partition("\n\n")[0].split())
    return summary if summary.endswith(".") else f"{summary[:1].upper()}{summary[1:]}."
