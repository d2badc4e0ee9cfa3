"""What people read, as text: the figures are there, and a narrow terminal does not cut them off."""

import io
from typing import Any, cast

import msgspec
import pytest
from rich.console import Console

from sidecar.console.shown import words
from sidecar.console.shown.journal_lines import readable
from sidecar.console.shown.render import status
from sidecar.console.shown.render_answers import answer, decision
from sidecar.console.shown.render_books import limits, positions
from sidecar.console.shown.render_check import checked
from sidecar.console.shown.render_liquidation import liquidation
from sidecar.console.shown.render_risk import report
from sidecar.core.vocabulary.brakes import BRAKES

NOW = "2026-11-22T13:00:00Z"


def text(renderable, width=80):
    file = io.StringIO()
    Console(file=file, width=width, highlight=False).print(renderable)
    lines = file.getvalue().splitlines()
    assert all(len(line) <= width for line in lines)
    return "\n".join(line.rstrip() for line in lines)


def row(code, observed, limit, used, *, key=None, scope="all"):
    return {
        "code": code, "scope": scope, "key": key, "limit": limit, "observed": observed, "used": used,
    }  # fmt: skip


def a_loss(usd, limit, until=None):
    return {
        "usd": usd, "base": "100000", "ratio": "0.05", "least_ratio": "0.05", "most_ratio": "0.05", "limit": limit,
        "since": NOW, "until": until,
    }  # fmt: skip


STATUS: dict[str, Any] = {
    "at": NOW,
    "state": "HALTED",
    "causes": [
        {
            "code": "DAILY_LOSS", "scope": "all", "level": "REDUCE_ONLY", "since": NOW, "by": "sidecar",
            "reason": "daily loss of 10000 USD, 10 % has reached 0.1",
            "clears_at": "2026-11-23T13:00:00Z", "mend": "wait for the daily reset",
            "confirmed": True,
        },
    ],
    "missing": ["the balances"],
    "doubts": ["Coinbase's BTC differs from the books"],
    "elsewhere": {"venues": {"stocks": "1500 USD", "prediction markets": None}, "products": {"AAPL-USD": "no coin"}},
    "unvalued": ["XYZ"],
    "feeds": {"user": "live", "market": "gapped", "market_whole_since": None},
    "equity": "98765.4321",
    "transfers": "0",
    "pnl": {"net": "-1234.5", "realised": "-1000", "unrealised": "-200", "fees": "34.5", "funding": "0"},
    "losses": {
        "daily": a_loss("10000", "0.1", "2026-11-23T13:00:00Z"), "weekly": a_loss("10000", None, "2026-11-30T13:00:00Z"),
        "cumulative": a_loss("10", "500 USD"), "drawdown": a_loss("10", None),
    },
    "next_daily_reset": "2026-11-23T13:00:00Z",
    "risk": {
        "var": "123.456", "expected_shortfall": "150", "stress_loss": None, "unavailable": "DOGE has 3 returns", "uncounted": ["AIR", "XYZ"],
        "model": "filtered", "confidence": "0.99", "horizon_s": 86400, "history": {"BTC-USD": 250},
        "books": {"held": {"var": "123.456", "expected_shortfall": "150"}}, "components": [
            {"key": "BTC", "exposure": "1000", "var": "100", "expected_shortfall": "120", "marginal_var": "0.1"},
        ], "worst_scenario": "crash of 2020-03-12", "stress": [{"scenario": "crash of 2020-03-12", "loss": "372"}],
    },
    "open_orders": 1,
    "reservations": 2,
    "usage": [
        row("MAX_LEVERAGE", "0.5", "5", "0.1"),
        row("MAX_DAILY_LOSS", "0.1", "0.1", "1"),
        row("MAX_POSITION_NOTIONAL", "16000.129", "20000", "0.8", key="BTC"),
        row("MAX_POSITION_SIZE", None, "0.5", None, key="ETH", scope="product:ETH-USD"),
        row("MAX_CONCENTRATION", "Infinity", "0.5", "Infinity"),
    ],
    "bots": [
        {
            "name": "grid", "uid": 1000, "strategy_id": "trend", "on_disconnect": "nothing", "since": NOW,
            "connections": 0, "dropped_at": NOW,
        },
    ],
    "sidecar": {
        "feeds_heard_s_ago": {"user": 61.2, "market": 0.4}, "followed": ["BTC-USD"],
        "reconciliation_fault": "HTTP 500", "journal": {"seq": 7, "disk_full": True},
        "log": {"lost": 1234, "fault": "Broken pipe"},
        "preflight": [{"severity": "warning", "code": "CLOCK_SKEW", "text": "this clock is 3 s off"}],
    },
}  # fmt: skip
POSITIONS = {
    "at": NOW,
    "positions": [
        {
            "key": "BTC", "product_ids": ["BTC-USD"], "quantity": "0.123456789", "mark": "64000.123",
            "marked_at": NOW, "average_cost": "63999.1234567", "unrealised": "12.345", "realised": "-1",
            "fees": "1", "funding": "0", "worst_long": "1", "worst_short": "0", "worst_notional": "64000",
            "open_buy": "0", "open_sell": "0", "keep": "0",
            "exit": {
                "product_id": "BTC-USD", "known_at": NOW, "why_not": "",
                "now": {"price": "63990", "cost": "12.5", "share": "0.00015625", "rounds": 1, "seconds": "0.6"},
                "thinned": {"price": "63900", "cost": "120", "share": "0.0015625", "rounds": 14, "seconds": "788.4"},
            },
        },
        {
            "key": "ETH", "product_ids": ["ETH-USD"], "quantity": "1", "mark": "2000", "marked_at": NOW,
            "average_cost": "2000", "unrealised": "0", "realised": "0", "fees": "0", "funding": "0",
            "worst_long": "1", "worst_short": "0", "worst_notional": "2000", "open_buy": "0", "open_sell": "0", "keep": "0",
            "exit": {
                "product_id": "ETH-USD", "known_at": None, "now": None, "thinned": None,
                "why_not": "no depth of ETH-USD is known that is young enough",
            },
        },
    ],
    "exit_depth_factor": "0.1",
    "wallets": [
        {
            "currency": "USD", "total": "1000000", "free": "999000.5", "held": "900", "held_elsewhere": "99.5",
            "reserved": "0", "keep": "all", "value": "1000000",
        },
    ],
    "futures_wallet": {"total": "5", "buying_power": "6", "liquidation_buffer_percentage": "90", "read_at": NOW},
    "open_orders": [
        {
            "order_id": "o1", "client_order_id": "bot-1-with-a-longer-name", "product_id": "BTC-USD",
            "side": "SELL", "size": "0.5", "filled": "0.1", "remaining": "0.4", "limit_price": None,
            "stop_price": "60000", "status": "OPEN", "strategy_id": None, "created_at": NOW,
        },
    ],
    "reservations": [
        {
            "client_order_id": "bot-2", "order_id": None, "product_id": "ETH-USD", "side": "BUY",
            "base_size": None, "quote_size": "250", "strategy_id": None, "approved_at": NOW,
            "expires_at": "2026-11-22T13:00:08Z",
        },
    ],
}  # fmt: skip


def test_a_status_names_the_order_books_followed_and_those_not_known():
    def shown(*whole):
        depth = {"followed": ["BTC-USD", "ETH-USD"], "whole": list(whole)}
        return text(status(STATUS | {"sidecar": STATUS["sidecar"] | {"depth": depth}}, 80))

    assert "order books of BTC-USD, ETH-USD" in shown("BTC-USD", "ETH-USD")
    assert "not known" not in shown("BTC-USD", "ETH-USD")
    assert "order books not known: ETH-USD" in shown("BTC-USD")
    assert "order books" not in text(status(STATUS, 80))


def test_a_status_says_what_is_and_what_to_do():
    said = text(status(STATUS, 80))
    assert "not counted here: stocks: 1500 USD" in said
    assert "not counted here: AAPL-USD" in said
    assert "prediction markets" not in said
    for words_ in (
        "HALTED", "1 open order, 2 reservations", "waiting for: the balances", "BTC differs",
        "without a price in USD: XYZ", "could not be read: HTTP 500", "fix: wait for the daily reset",
        "clears by itself: 2026-11-23 13:00:00 UTC (in 1 d 0 h)", "98,765.43", "-1,234.50",
        "10.0 %", "500 USD", "in 1 d 0 h", "value at risk 123.46 0.1 % of equity, filtered, 99.0 %, 1 d 0 h", "no figure: DOGE has 3 returns", "not counted, without a price: AIR, XYZ", "live, last news 1 min ago", "gapped",
        "the disk is full", "the log cannot be written: Broken pipe", "lines of the log that were lost: 1,234", "grid (user 1000, strategy trend): gone", "warning: this clock is 3 s off",
    ):  # fmt: skip
        assert words_ in " ".join(said.split()) or words_ in said, words_


def test_each_rolling_window_has_its_own_use_and_every_period_its_end():
    rolls = {"in 4h": a_loss("3000", "0.1"), "in 1d": a_loss("3000", "0.05")}
    used = [row("MAX_LOSS_IN", "0.03", "0.1 in 4h", "0.3"), row("MAX_LOSS_IN", "0.03", "0.05 in 1d", "0.6")]  # fmt: skip
    view = STATUS | {"losses": {**STATUS["losses"], **rolls}, "usage": used}
    said = [" ".join(line.split()) for line in text(status(view, 120), 120).splitlines()]
    assert any(line.startswith("in 4h 3,000.00 10.0 % 30") for line in said)
    assert any(line.startswith("in 1d 3,000.00 5.0 % 60") for line in said)
    assert any(line.startswith("MAX_LOSS_IN all 3.0 % 5.0 % in 1d 60") for line in said)
    assert any(line.startswith("weekly 10,000.00 none") for line in said)
    assert any(line.startswith("the next weekly reset is in 8 d") for line in said)


@pytest.mark.parametrize("width", [60, 80, 120])
def test_a_risk_report_shows_books_contributions_and_scenarios(width):
    view = {"at": NOW, "equity": "98765.43"} | cast("dict[str, Any]", STATUS["risk"])
    said = text(report(view, width), width)
    for words_ in (
        "value at risk", "0.1 % of equity", "as held", "123.46", "BTC", "1,000.00", "120.00",
        "crash of 2020-03-12", "372.00", "BTC-USD 250", "DOGE has 3 returns",
    ):  # fmt: skip
        assert words_ in said, words_
    assert max(map(len, said.splitlines())) <= width


def test_a_risk_report_of_nothing_is_short():
    view = {"at": NOW, "equity": "0", "var": "0", "expected_shortfall": "0", "stress_loss": "0"}
    said = text(report(view, 80))
    assert "0.00" in said
    assert "What is held" not in said


def test_the_most_used_limit_comes_first():
    said = text(status(STATUS, 80))
    table = said[said.index("Limits by use") :]
    order = [
        "MAX_CONCENTRATION",
        "MAX_DAILY_LOSS",
        "MAX_POSITION_NOTIONAL",
        "MAX_LEVERAGE",
        "MAX_POSITION_SIZE",
    ]
    assert sorted(order, key=table.index) == order
    for figures in ("no equity", "16,000.13", "20,000.00", "80.0 %", "0.50×"):
        assert figures in table


@pytest.mark.parametrize("width", [50, 60, 80, 100, 200])
def test_every_width_shows_every_figure(width):
    said = text(status(STATUS, width), width)
    assert "98,765.43" in said
    assert "80.0 %" in said
    held = text(positions(POSITIONS, width), width)
    for figure in (
        "0.123457",
        "64,000.1",
        "+12.3",
        "1,000,000",
        "999,000",
        "60,000",
        "BUY",
        "bot-2",
        "250 quote",
    ):
        assert figure in held, figure
    assert "█" in said or width < 72


def test_what_is_not_confirmed_and_what_may_be_more_is_told():
    cause, loss = STATUS["causes"][0], STATUS["losses"]["daily"]
    losses = {**STATUS["losses"], "daily": {**loss, "most_ratio": "0.4"}}
    before = text(status(STATUS, 80))
    assert "not confirmed" not in before
    assert "may be" not in before
    said = text(status(STATUS | {"causes": [{**cause, "confirmed": False}], "losses": losses}, 80))
    assert "not confirmed yet: it ends by itself unless the loss stands" in said
    assert "daily: told as 5.0 %, may be 40.0 %" in said


def test_before_the_first_start_there_are_no_losses():
    view = STATUS | {
        "losses": None,
        "usage": [],
        "causes": [],
        "bots": [],
        "sidecar": {},
        "equity": None,
    }
    said = text(status(view, 80))
    assert "Losses" not in said
    assert "Equity" in said


def test_the_money_of_a_strategy_is_told_in_dollars_and_its_share_in_per_cent():
    usage = [
        row("BUDGET", "6400", "20000", "0.32", scope="strategy:grid"),
        row("MAX_STRATEGY_SHARE", "0.0481", "0.5", "0.0962"),
    ]
    said = text(status(STATUS | {"usage": usage}, 100))
    assert "6,400.00" in said
    assert "20,000.00" in said
    assert "4.8 %" in said


def test_the_exit_of_each_position_is_shown_or_why_it_is_not_known():
    wide, narrow = (text(positions(POSITIONS, width), width) for width in (120, 60))
    for part in (
        "63,990",
        "12.50",
        "0.02 %",
        "1 s",
        "ETH: no depth of ETH-USD is known that is young enough",
    ):
        assert part in wide
        assert part in narrow
    for part in ("at 10.0 %", "120.00", "0.16 %", "13 min"):
        assert part in wide
    unknown = {**POSITIONS, "positions": [*POSITIONS["positions"]][1:]}
    assert "12.50" not in text(positions(unknown, 80))


def test_the_exit_of_all_is_in_the_status():
    """Nothing of it where nothing is held; where one is not known, which and why."""
    found = {
        "factor": "0.1", "unknown": {}, "now": {"cost": "17", "seconds": "121.8"},
        "thinned": {"cost": "98", "seconds": "1758"},
    }  # fmt: skip
    said = text(status(STATUS | {"exit": found}, 140), 140)
    assert (
        "17.00  USD by the depth of the books, in 2 min; 98.00 at 10.0 % of it, in 29 min" in said
    )
    flat = found | {"now": {"cost": "0", "seconds": "0"}}
    assert "Exit" not in text(status(STATUS | {"exit": flat}, 140), 140)
    unknown = {"ETH": "no depth of ETH-USD is known", "SOL": "it is shut"}
    said = text(status(STATUS | {"exit": found | {"unknown": unknown}}, 140), 140)
    assert (
        "the price of selling ETH is not known, and of 1 more: no depth of ETH-USD is known" in said
    )


def test_an_order_without_a_limit_shows_its_stop():
    said = text(positions(POSITIONS, 80))
    assert "bot-1-with-a-longer-name" in said
    assert "in 8 s" in said
    empty = {
        **POSITIONS,
        "positions": [],
        "wallets": [],
        "open_orders": [],
        "reservations": [],
        "futures_wallet": None,
    }
    assert "no positions" in text(positions(empty, 80))


def test_limits_are_shown_by_scope():
    said = text(
        limits(
            {
                "max_order_notional": "5000",
                "max_order_rate": {"count": 5, "window_s": "60"},
                "no_adding": True,
                "allow_products": ["BTC-USD", "ETH-USD"],
                "product": {"BTC-USD": {"price_shock": {"max_move": "0.01"}}},
                "strategy": {"grid": {"max_daily_loss": "500 USD"}},
                "shadow": {"max_leverage": "3"},
            }
        )
    )
    for part in ("5,000 USD", "5 in 60 s", "yes", "BTC-USD, ETH-USD", "product:BTC-USD", "max move 1 %", "strategy:grid", "500 USD", "shadow", "3×"):  # fmt: skip
        assert part in said
    assert "no limits are set" in text(limits({}))


QUEUED = {
    "since": NOW,
    "binds_at": "2026-11-23T13:00:00Z",
    "by": "uid 7",
    "reason": "calm",
    "changes": [
        {"path": "max_order_notional", "way": "looser", "before": "5000", "after": "7000"},
        {"path": "max_spread", "way": "other", "before": "0.05", "after": "0.04"},
    ],
}


@pytest.mark.parametrize("width", [60, 120])
def test_looser_limits_that_wait_are_shown_with_their_time(width):
    in_force = limits({"max_order_notional": "5000", "queued": QUEUED})
    for shown in (in_force, status({**STATUS, "queued_limits": QUEUED}, width)):
        said = " ".join(text(shown, width).split())
        assert "binding from 2026-11-23 13:00:00 UTC, by uid 7" in said
        assert "max_order_notional 5,000 USD → 7,000 USD (looser)" in said
        assert "max_spread 5 % → 4 % (other)" in said
    assert "Queued limits" not in text(status(STATUS, width), width)


def test_a_change_of_limits_is_a_line_of_the_journal():
    head: dict[str, Any] = {
        "seq": 1,
        "sum": "0",
        "type": "LimitsChanged",
        "at": NOW,
        "by": "uid 7",
        "reason": "calm",
    }
    (looser, other) = QUEUED["changes"]
    row = head | {"changes": [looser]}
    assert (
        "by uid 7, calm: looser: max_order_notional 5000 → 7000"
        in readable(msgspec.json.encode(row)).plain
    )
    row = head | {"queued": [other], "binds_at": QUEUED["binds_at"]}
    told = readable(msgspec.json.encode(row)).plain
    assert told.endswith(
        "calm: none; queued until 2026-11-23 13:00:00 UTC: other: max_spread 0.05 → 0.04"
    )


def test_brakes_that_are_not_set_are_named_in_one_line():
    unset = [
        {"limits": ["max_daily_loss"], "unbounded": "…"},
        {"limits": ["max_leverage", "max_gross_exposure"], "unbounded": "…"},
    ]
    line = "brakes that are not set: max_daily_loss, max_leverage or max_gross_exposure"
    assert line in text(status(STATUS | {"brakes_not_set": unset}, 100), 100)
    assert "brakes" not in text(status(STATUS | {"brakes_not_set": []}, 100))
    all_set = {name: 1 for brake in BRAKES for name in brake.limits}
    shown = text(limits({n: v for n, v in all_set.items() if n != "max_daily_loss"}))
    assert "brakes that are not set: max_daily_loss" in shown
    assert "brakes" not in text(limits(all_set))


def test_a_refusal_names_every_rule_and_when_it_clears():
    violation = {
        "code": "MAX_ORDER_RATE", "scope": "strategy:grid", "limit": "5", "observed": "6",
        "message": "6 orders in 60 s", "clears_at": "2026-11-22T13:00:30Z",
    }  # fmt: skip
    view = {
        "approved": False, "client_order_id": "bot-1", "decision_id": "1", "state": "ACTIVE", "notional": None,
        "price": None, "reducing": True, "max_base_size": "0", "reserved_until": None, "replayed": True,
        "as_of": NOW, "violations": [violation], "warnings": [violation | {"code": "WARNED", "scope": "all"}],
    }  # fmt: skip
    said = text(decision(view, dry_run=True))
    for part in (
        "REFUSED",
        "bot-1",
        "reducing",
        "dry run",
        "MAX_ORDER_RATE (strategy:grid)",
        "in 30 s",
        "WARNED",
    ):
        assert part in said
    approved = view | {"approved": True, "violations": [], "reserved_until": "2026-11-22T13:00:10Z"}
    assert "given up in 10 s" in text(decision(approved, dry_run=False))


@pytest.mark.parametrize(
    ("figures", "product_id", "said"),
    [
        (("60000", "60000", "0.08333333"), "BTC-USD", "notional 60,000.00 USD at 60,000; up to 0.08333333 BTC would pass now"),
        (("640", "64000", "12"), "BIT-26FEB27-CDE", "notional 640.00 USD at 64,000; up to 12 contracts would pass now"),
        (("640", None, "0"), "BTC-USD", "notional 640.00 USD"),
        ((None, None, "0.5"), "nonsense", "up to 0.5 would pass now"),
        ((None, None, "0"), "BTC-USD", None),
    ],
)  # fmt: skip
def test_the_figures_of_a_decision_are_told_as_far_as_there_are_any(figures, product_id, said):
    notional, price, largest = figures
    view = {
        "approved": False, "client_order_id": "bot-1", "state": "ACTIVE", "notional": notional, "price": price,
        "reducing": False, "max_base_size": largest, "reserved_until": None, "replayed": False, "as_of": NOW,
        "violations": [], "warnings": [],
    }  # fmt: skip
    shown = text(decision(view, dry_run=False, product_id=product_id)).splitlines()
    assert shown == ["REFUSED  bot-1, state ACTIVE", *([] if said is None else [f"  {said}"])]


def test_no_figure_has_a_minus_before_zero():
    assert [words.money(one, signed=True) for one in ("-0.004", "0.004", "-0.005", "-0.006")] == [
        "0.00",
        "0.00",
        "0.00",
        "-0.01",
    ]
    assert [words.share(one) for one in ("-0.00001", "-0.0001", "0.0004", "-0.004", "0.5")] == [
        "0.0 %", "-0.01 %", "0.04 %", "-0.4 %", "50.0 %",
    ]  # fmt: skip


def test_an_answer_says_what_remains_and_the_state():
    view = {
        "done": False,
        "text": "not everything",
        "remaining": ["DRAWDOWN (all): x; fix: reset-loss drawdown"],
    }
    said = text(answer(view, "REDUCE_ONLY"))
    for part in ("not done", "not everything", "fix: reset-loss drawdown", "REDUCE_ONLY"):
        assert part in said
    cancelled = {"done": True, "cancelled": 1, "remaining": []}
    assert "1 order was cancelled; none is open" in text(answer(cancelled, "ACTIVE"))
    some = {"done": False, "cancelled": 2, "remaining": ["o1"]}
    assert "2 orders were cancelled; 1 could not be yet" in text(answer(some, "ACTIVE"))
    cut = {"done": False, "cancelled": 2, "remaining": []}
    assert "Coinbase's listing ends too early to say" in text(answer(cut, "ACTIVE"))


def test_a_check_shows_what_would_be_sold_and_what_not():
    view = {
        "host": "https://api.coinbase.com",
        "places": ["/var/lib/risk-sidecar"],
        "equity": "100000",
        "limits": [
            {"key": "max_daily_loss", "text": "0.05", "usd": "5000", "share": "0.05", "of": "", "used": None},
            {"key": "max_order_size", "text": "5000", "usd": "320000000", "share": "3200", "of": "BTC", "used": "1.5"},
        ],
        "findings": [{"severity": "critical", "code": "KEY_CANNOT_TRADE", "text": "the key may not trade"}],
        "products": 700,
        "open_orders": 2,
        "holdings": [
            {"asset": "BTC", "amount": "0.5", "product_id": "BTC-USD", "value": "32000", "obstacle": "", "note": "the rest is kept"},
            {"asset": "XYZ", "amount": "9", "product_id": None, "value": None, "obstacle": "no product of it", "note": ""},
        ],
    }  # fmt: skip
    narrow, said = (" ".join(text(checked(view, width), width).split()) for width in (40, 80))
    for page in (narrow, said):
        for part in (
            "critical: the key may not trade",
            "700 products",
            "32,000.00",
            "not sold:",
            "not ready",
            "150.0 %",
        ):
            assert part in page
    for part in (
        "may be written: /var/lib/risk-sidecar", "today's equity of 100,000.00 USD", "max_daily_loss = 0.05",
        "max_order_size = 5000 BTC 320,000,000.00 3,200 ×",
    ):  # fmt: skip
        assert part in said
    bare = {**view, "holdings": [], "findings": [], "limits": [], "places": []}
    assert "nothing to sell" in text(checked(bare, 80))


@pytest.mark.parametrize(
    ("raw", "said"),
    [
        (b'{"seq":7,"sum":"0","type":"Stopped","at":"2026-11-22T13:00:00Z"}', "Stopped"),
        (b'{"seq":7,"sum":"0","type":"FeedChanged","at":"2026-11-22T13:00:00Z","feed":"user","signal":"gap"}', "feed user, signal gap"),
        (b'{"seq":7,"sum":"0","at":"2026-11-22T13:00:00Z","type":"StateChanged","before":"ACTIVE","after":"HALTED","reason":"x"}', "ACTIVE → HALTED: x"),
        (b'{"seq":7,"sum":"0","type":"OrderProposed","at":"2026-11-22T13:00:00Z","body":"not json"}', "what is no order"),
        (b'{"seq":7,"sum":"0","type":"OrderProposed","at":"2026-11-22T13:00:00Z","body":{"order_configuration":3}}', "None: None – None"),
        (b'{"seq":7,"sum":"0","type":"FillReported","at":"2026-11-22T13:00:00Z","side":"BUY","size":"1","product_id":"P","price":"2","order_id":"o"}', "BUY 1 P at 2, fee 0, order o"),
        (b'{"seq":7,"sum":"0","type":"DepthSeen","at":"2026-11-22T13:00:00Z","books":[{"product_id":"P","bids":[["1","5"],["0.5","5"]],"asks":[["2","5"]],"at":"2026-11-22T13:00:00Z"},{"product_id":"Q","bids":[],"asks":[],"at":"2026-11-22T13:00:00Z"}]}', "P 1/2, 2 and 1 levels, Q –/–, 0 and 0 levels"),
        (b'{"seq":7,"sum":"0","type":"DepthHolds","at":"2026-11-22T13:00:00Z","product_ids":["P","Q"]}', "P, Q"),
        (b'{"seq":7,"sum":"0","type":"BalancesRead","at":"2026-11-22T13:00:00Z","balances":[{"currency":"USD","available":"1","hold":"2"}]}', "USD 1 + 2 held"),
        (b'{"seq":7,"sum":"0","at":"2026-11-22T13:00:00Z","type":"Answered","done":false,"text":"t","remaining":["r"]}', "not done: t; remains: r"),
        (b'{"seq":7,"sum":"0","at":"2026-11-22T13:00:00Z","type":"PlaceOrder","client_order_id":"n","body":{"product_id":"P","side":"SELL","client_order_id":"n","order_configuration":{"market_market_ioc":{"base_size":"2"}}}}', "n: SELL 2 P"),
        (b'{"seq":7,"sum":"0","at":"2026-11-22T13:00:00Z","type":"PlaceOrder","client_order_id":"n","closes":true,"body":{"product_id":"P"}}', "n: close all P"),
        (b'{"seq":7,"sum":"0","at":"2026-11-22T13:00:00Z","type":"LiquidationReported","report":{"key":null,"outcome":"flat","cancelled":2,"proceeds":"10","fees":"1","rows":[{"key":"BTC","left":"0.5"},{"key":"ETH","left":"0"}]}}', "the account is flat, 2 orders cancelled, proceeds 10.00 USD, fees 1.00 USD, left: 0.5 BTC"),
        (b"\xff garbage", "unreadable, see journal verify"),
        (b"[1]", "unreadable"),
        (b'{"seq":1,"type":"Decided","at":"x","decision":{}}', "unreadable"),
    ],
)  # fmt: skip
def test_a_line_of_the_journal_in_words(raw, said):
    assert said in readable(raw).plain


@pytest.mark.parametrize(
    ("value", "said"),
    [("0.00000001", "0.00000001"), ("64000.123456", "64,000.12"), ("-0.5", "-0.5"), ("1E+3", "1,000"), (None, "–"),
     ("Infinity", "Infinity"), ("all", "all"), ("0", "0"), ("0.123456789", "0.123457")],
)  # fmt: skip
def test_prices_keep_what_tells_them_apart(value, said):
    assert words.short(value) == said


def test_spans_and_moments():
    assert [words.span(s) for s in (5, 65, 3700, 90_000)] == [
        "5 s",
        "1 min",
        "1 h 1 min",
        "1 d 1 h",
    ]
    assert words.away("nonsense", NOW) == "–"
    assert words.when("2026-11-22T15:00:00+02:00") == "2026-11-22 13:00:00 UTC"


FLATTENED: dict[str, Any] = {
    "episode": "e", "key": None, "reason": "enough", "outcome": "flat", "phase": "reading", "rounds": 2,
    "began_at": "2026-11-22T13:00:00Z", "ended_at": "2026-11-22T13:00:02Z", "cancelled": 3,
    "proceeds": "63990.00", "fees": "768.00", "slippage": "10.00", "slippage_ratio": "0.00015",
    "rows": [{"key": "BTC", "held": "1.2", "cancelled": 3, "sold": "1", "left": "0.2", "attempts": 1,
              "proceeds": "63990.00", "fees": "768.00", "slippage": "10.00", "note": "dust"}],
}  # fmt: skip


def test_a_flattening_shows_what_was_sold_what_is_left_and_what_it_cost():
    said = " ".join(text(liquidation(FLATTENED)).split())
    for part in (
        "the account is flat (enough)",
        "BTC: dust",
        "2 rounds",
        "63,990.00 USD",
        "10.00 USD, 0.02 %",
    ):
        assert part in said
    one = FLATTENED | {"rounds": 1, "slippage_ratio": None, "rows": [], "key": "BTC"}
    assert "1 round" in text(liquidation(one))
    assert "BTC is flat (enough)" in text(liquidation(one))
    assert "the sale of BTC was aborted" in text(liquidation(one | {"outcome": "aborted"}))
    lasting = one | {"outcome": "under way", "ended_at": None, "phase": "selling"}
    assert "BTC is being sold (enough)" in text(liquidation(lasting))
    assert "round 1, selling" in text(liquidation(lasting))
    assert "not cancelled: o1, o2" in text(liquidation(lasting | {"still_open": ["o1", "o2"]}))
