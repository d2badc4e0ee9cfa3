"""The short form of the status: on a small terminal the headline stays in sight, however bad things are."""

from typing import Any

import pytest

from sidecar.console.shown.render import status
from sidecar.console.shown.render_brief import LINES_BRIEF, brief
from tests.unit.console.shown.test_rendering import FLATTENED, NOW, STATUS, row, text

REASONS = {
    "DAILY_LOSS": "daily loss of 12345.67 USD, 12.35 % has reached 10 %",
    "BALANCE_UNEXPLAINED": "Coinbase shows 0.12345678 less of BTC than fills and transfers explain",
    "UNAPPROVED_ORDER": "order 6f1e6c9a-5b3e-4c51-9f0e-2f4f6c1f3a55 (BUY 0.5 BTC-USD at 64000) was not approved",
    "STALE_MARK": "ETH has had no good quote for 312 s: its mark is old",
}
FIXES = "compare status with Coinbase's own pages; it ends when a reading agrees or repeats itself"
WORST: dict[str, Any] = STATUS | {
    "state": "LIQUIDATING",
    "bots_may": {"add": False, "reduce": False, "why": "LIQUIDATION"},
    "causes": [
        {
            "code": code, "scope": "all", "level": "REDUCE_ONLY", "since": NOW, "by": "sidecar", "reason": reason,
            "clears_at": "2026-11-23T13:00:00Z", "mend": FIXES, "confirmed": True,
        }
        for code, reason in REASONS.items()
    ],
    "liquidations": [FLATTENED, FLATTENED | {"key": "ETH"}],
    "doubts": [f"Coinbase's {coin} differs from the books by 0.12345678 since 13:00:00" for coin in ("BTC", "ETH", "SOL")],
    "missing": ["the balances of all wallets", "the open orders"],
    "brakes_not_set": [{"limits": ["max_drawdown"], "unbounded": ""}, {"limits": ["max_order_rate", "max_notional_in"], "unbounded": ""}],
    "usage": [row("MAX_POSITION_NOTIONAL", "16000.129", "20000", f"0.{10 + n}", key=f"COIN{n}") for n in range(20)],
}  # fmt: skip
CALM = STATUS | {
    "state": "ACTIVE", "bots_may": {"add": True, "reduce": True, "why": ""}, "causes": [], "missing": [],
    "doubts": [], "unvalued": [], "elsewhere": {}, "sidecar": {}, "usage": WORST["usage"],
}  # fmt: skip


def lines(view, width):
    return text(brief(view, width), width).splitlines()


@pytest.mark.parametrize("width", [60, 80, 120])
@pytest.mark.parametrize("view", [STATUS, WORST, CALM], ids=["some", "worst", "calm"])
def test_it_fits_a_small_terminal(view, width):
    shown = lines(view, width)
    assert len(shown) <= LINES_BRIEF == 23
    assert shown[0].startswith(view["state"])
    assert any(line.startswith("Equity") for line in shown)
    assert shown[-1] == "status -v shows all of it"


def test_at_its_worst_it_says_what_a_bot_would_be_told_why_and_what_is_being_sold():
    said = "\n".join(lines(WORST, 80))
    assert said.startswith("LIQUIDATING  no order passes: LIQUIDATION\n")
    assert "DAILY_LOSS (all), ends in 1 d 0 h: daily loss of 12345.67 USD" in said
    assert "the account is flat (enough; 2026-11-22 13:00:02 UTC)" in said
    assert "waiting for: the balances of all wallets" in said


@pytest.mark.parametrize("width", [60, 80, 120])
def test_room_that_is_left_is_filled_with_the_limits_used_most(width):
    shown = lines(CALM, width)
    rows = [line for line in shown if "MAX_POSITION_NOTIONAL" in line]
    assert len(rows) >= 4
    assert "29.0 %" in "\n".join(shown)  # the most used of twenty
    assert "10.0 %" not in "\n".join(shown)
    assert LINES_BRIEF - len(shown) < 2  # as many as have room


def test_a_sale_is_told_while_it_lasts_and_until_bots_may_add_again():
    lasting = FLATTENED | {"outcome": "under way", "ended_at": None}
    assert "the account is being sold (enough)" in lines(CALM | {"liquidations": [lasting]}, 80)
    assert "the account" not in "\n".join(lines(CALM | {"liquidations": [FLATTENED]}, 80))


def test_without_a_limit_that_can_be_measured_no_table_is_shown():
    assert "Limits used most" not in "\n".join(lines(CALM | {"usage": []}, 80))


def test_what_is_left_out_is_counted_and_the_whole_has_it():
    shown = lines(WORST | {"causes": WORST["causes"] * 3}, 80)
    assert "and 9 more" in shown  # of twelve causes
    assert "and 6 more" in shown  # of nine warnings
    assert len(shown) <= LINES_BRIEF
    whole = text(status(WORST, 80), 80)
    assert len(whole.splitlines()) > 60
    for code in REASONS:
        assert code in whole
    assert whole.count("MAX_POSITION_NOTIONAL") == 20


@pytest.mark.parametrize(
    ("may", "told"),
    [
        ({"add": True, "reduce": True, "why": ""}, "orders pass, within the limits"),
        (
            {"add": False, "reduce": True, "why": "the market feed is silent"},
            "only orders that reduce risk pass: the market feed is silent",
        ),
        ({"add": False, "reduce": False, "why": "OPERATOR_HALT"}, "no order passes: OPERATOR_HALT"),
    ],
)
def test_the_headline_is_what_a_bot_would_be_told(may, told):
    for shown in (brief, status):
        assert text(shown(CALM | {"bots_may": may}, 120), 120).startswith(f"ACTIVE  {told}\n")


def test_of_an_older_sidecar_the_headline_is_its_state():
    older = {name: value for name, value in CALM.items() if name != "bots_may"}
    assert lines(older, 80)[0] == "ACTIVE"
