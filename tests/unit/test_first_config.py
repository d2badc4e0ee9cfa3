"""The first configuration: proposals by the equity, and text that parses whatever the account holds."""

from decimal import Decimal
from typing import Any

import pytest

from sidecar.config.first import NOT_SET, PROPOSALS, First, first_file
from sidecar.config.loader import parse_config
from sidecar.core.vocabulary.brakes import BRAKES, brakes_not_set


def first(equity="100000", **changes):
    fields: dict[str, Any] = {
        "account": "portfolio x", "is_paper": False, "rest_url": "https://api.coinbase.com",
        "ws_url": "wss://advanced-trade-ws.coinbase.com", "ws_user_url": "wss://advanced-trade-ws-user.coinbase.com",
        "key_file": "/k.json", "follow": ["BTC-USD"], "order_socket": "/s/o", "control_socket": "/s/c",
        "state_dir": "/s", "held": {}, "equity": Decimal(equity),
        "limits": {one.name: one.written(Decimal(equity)) for one in PROPOSALS},
    }  # fmt: skip
    return First(**fields | changes)


@pytest.mark.parametrize(
    ("equity", "notional"),
    [("100000", 5000), ("123456.78", 6100), ("1999", 99), ("37.5", Decimal("1.8")), ("0.01", Decimal("0.0005"))],
)  # fmt: skip
def test_an_amount_is_a_share_of_the_equity_rounded_down_to_two_digits(equity, notional):
    assert parse_config(first_file(first(equity))).limits.max_order_notional == notional


def test_every_brake_is_proposed():
    assert brakes_not_set(parse_config(first_file(first())).limits) == ()


@pytest.mark.parametrize("equity", ["0", "-5"])
def test_of_no_equity_no_amount_is_proposed(equity):
    text = first_file(first(equity))
    limits = parse_config(text).limits
    assert limits.max_order_notional is None
    assert "# max_order_notional = …  # not set" in text
    assert "USD today" not in text.partition("[limits]")[2]


def test_limits_that_are_left_out_leave_their_brakes_unset():
    limits = parse_config(first_file(first(limits={one.name: NOT_SET for one in PROPOSALS}))).limits
    assert brakes_not_set(limits) == BRAKES


@pytest.mark.parametrize("is_paper", [True, False])
def test_it_parses_whatever_is_held_and_wherever_it_is_kept(is_paper):
    odd = 'C:\\a "quoted" \x7f place'
    made = first(
        is_paper=is_paper, key_file=odd, state_dir=odd, held={'X"\n= 1': Decimal("1E+3"), "BTC": Decimal(2)}
    )  # fmt: skip
    text = first_file(made)
    config = parse_config(text)
    assert str(config.state.dir) == odd
    assert config.positions.keep == {}
    assert ("REAL MONEY" in text) is not is_paper
    shown = "\n".join(line.removeprefix("# ") for line in text.splitlines() if "keep." in line)
    assert (
        parse_config(f"[positions]\n{shown.partition(chr(10))[2]}").positions.keep["BTC"] == "all"
    )
