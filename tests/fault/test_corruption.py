"""Law: after every corruption of state and journal the next start is as tight or tighter, or it refuses.

With each cause in force, put there by the facts that raise it. `SIDECAR_CORRUPTIONS` says how many are
drawn for each.
"""

import os
import random
import shutil
from datetime import timedelta
from typing import Any

import pytest

from sidecar.core.context.state import CAUSES, TIGHTNESS
from sidecar.core.vocabulary import events as ev
from sidecar.core.vocabulary.errors import Misuse
from tests.recorded import Recorded
from tests.scenario import FUTURE, D, future, limit_order, product

DRAWN = int(os.environ.get("SIDECAR_CORRUPTIONS", "10"))
SEED = 20261129


def bought(desk, size="1", price=64000):
    """A market order nobody asked about, filled."""
    desk.send(
        ev.OrderReported,
        order_id="bought",
        product_id="BTC-USD",
        side="BUY",
        status="FILLED",
        filled=D(size),
        average_price=D(price),
        base_size=D(size),
        is_market=True,
    )


def second(desk, *prices):
    for price in prices:
        desk.now += timedelta(seconds=1)
        desk.quote("BTC-USD", price)


def crash(desk):
    """Held over three quotes and two seconds: the loss is confirmed."""
    bought(desk)
    second(desk, *[56000] * 5)


def lost_trade(desk):
    """A position is closed for less than it was bought for."""
    bought(desk)
    fill = {"product_id": "BTC-USD", "size": D(1), "price": D(63_000), "commission": D(0)}
    desk.send(ev.FillReported, order_id="closed", entry_id="e2", side="SELL", **fill)


def balance(desk, total):
    wallets = (ev.Balance("USD", D(total)),)
    desk.send(ev.BalancesRead, balances=wallets, fills_until=desk.now)


def unexplained(desk):
    for count in range(20):
        desk.now += timedelta(seconds=2)
        balance(desk, 90_000 - 100 * count)


def stale(desk):
    bought(desk)
    for _ in range(62):
        desk.now += timedelta(seconds=1)
        desk.quote("ETH-USD", 2000)
        quote = ev.Quote("BTC-USD", D(50_000), D(70_000), desk.now)
        desk.send(ev.Quotes, quotes=(quote,))


def depegged(desk):
    pair = (product("USDT-USD"), product("USDT-USDC"))
    desk.send(ev.ProductsListed, products=pair)
    for _ in range(62):
        second(desk, 64000)
        desk.quote("USDT-USD", "0.95")
        desk.quote("USDT-USDC", "1")


def without_equity(desk):
    for _ in range(2):
        desk.now += timedelta(seconds=3)
        balance(desk, 10)


def losing_margin(desk):
    """100 contracts have lost half of the margin posted."""
    wallet = {"wallet": D(20_000), "buying_power": D(0), "liquidation_buffer_percentage": D(90)}
    desk.send(ev.ProductsListed, products=(future(),))
    desk.quote(FUTURE, 64_000)
    desk.send(ev.FillReported, order_id="bought", entry_id="e1", product_id=FUTURE, side="BUY", size=D(100), price=D(64_000), commission=D(0))  # fmt: skip
    desk.send(ev.FuturesSummaryRead, **wallet, initial_margin=D(16_000))
    desk.quote(FUTURE, 56_000)


def halted(desk, **fields):
    desk.send(ev.HaltRequested, reason="lunch", **fields)


def flattening(desk):
    bought(desk)
    desk.send(ev.FlattenRequested, reason="enough")


def flat(desk):
    flattening(desk)
    desk.send(ev.LiquidationEnded, flat=True, reason="flat")


def aborted(desk):
    flattening(desk)
    halted(desk, abort_liquidation=True)


def reduce_only(desk, **fields):
    desk.send(ev.ReduceOnlyRequested, reason="careful", **fields)


def half_way(desk):
    desk.engine.is_half_way = True
    desk.engine.give_up("KeyError: half way")


LOSS = {"max_order_notional": 5000}
SHOCK = {"price_shock": {"max_move": "0.01", "window_s": 20, "lockout_s": 900}}
MARKET = {"market_shock": {"fall": "0.05", "products": ["BTC-USD"]}}
# By a name: what raises it, and the limits it takes.
WAYS: dict[str, tuple[Any, dict[str, Any]]] = {
    "OPERATOR_REDUCE_ONLY": (reduce_only, LOSS),
    "OPERATOR_REDUCE_ONLY of a product": (lambda d: reduce_only(d, product_id="BTC-USD"), LOSS),
    "OPERATOR_REDUCE_ONLY of a strategy": (lambda d: reduce_only(d, strategy_id="grid"), LOSS),
    "OPERATOR_HALT": (halted, LOSS),
    "FAULT": (lambda desk: halted(desk, fault=True), LOSS),
    "FAULT half way": (half_way, LOSS),
    "DAILY_LOSS": (crash, {"max_daily_loss": "0.05"}),
    "DAILY_LOSS of a product": (crash, {"product": {"BTC-USD": {"max_daily_loss": "0.05"}}}),
    "WEEKLY_LOSS": (crash, {"max_weekly_loss": "0.05"}),
    "MONTHLY_LOSS": (crash, {"max_monthly_loss": "0.05"}),
    "LOSS_IN": (crash, {"max_loss_in": [{"window": "4h", "limit": "0.05"}]}),
    "LOSING_STREAK": (lost_trade, {"losing_streak": {"trades": 1, "cool_down": "2h"}}),
    "DRAWDOWN": (crash, {"max_drawdown": "0.05"}),
    "CUMULATIVE_LOSS": (crash, {"max_cumulative_loss": "0.05"}),
    "MARGIN_DRAWDOWN": (losing_margin, {"max_margin_drawdown": "0.5"}),
    "NO_EQUITY": (without_equity, {"max_daily_loss": "0.05"}),
    "PRICE_SHOCK": (lambda desk: second(desk, 64000, 65000), SHOCK),
    "MARKET_SHOCK": (lambda desk: second(desk, 64000, 64000, 64000, 60000), MARKET),
    "UNAPPROVED_ORDER": (bought, LOSS),
    "STALE_MARK": (stale, LOSS),
    "BALANCE_UNEXPLAINED": (unexplained, LOSS),
    "IMPLAUSIBLE_REPORT": (lambda desk: bought(desk, price=640000), LOSS),
    "USDC_DEPEG": (depegged, LOSS),
    "DISK_FULL": (lambda desk: desk.send(ev.DiskChanged, full=True), LOSS),
    "CONFIG": (lambda desk: desk.send(ev.LimitsRefused, reason="no max_drawdown"), LOSS),
    "LIQUIDATION": (flattening, LOSS),
    "LIQUIDATED": (flat, LOSS),
    "ABORTED": (aborted, LOSS),
}


def lived(directory, name, chance):
    """A life of several files with a snapshot on the way, this cause in force when it is killed; the causes,
    and its clock.
    """
    raises, limits = WAYS[name]
    desk = Recorded(directory, unapproved="reduce_only", **limits).begin()

    def quiet():
        desk.ask(limit_order(price="60000"))
        desk.send(ev.ClockAdvanced)

    def snapshot():
        desk.journal.sync()
        desk.snapshot()

    steps = [quiet, desk.rotate, quiet, snapshot, quiet, desk.rotate, quiet]
    if name == "FAULT half way":
        steps.append(lambda: raises(desk))  # the process ends with it
    else:
        steps.insert(chance.randrange(1, len(steps)), lambda: raises(desk))
    for step in steps:
        step()
    desk.close()
    causes = {(one.code, one.scope): one for one in desk.manager.state.causes.values()}
    if name == "FAULT half way":
        return {"FAULT": ("HALTED", None, None)}, desk.now
    assert name.partition(" ")[0] in {code for code, _ in causes}, causes
    bound = {of: FUTURE if of[1] == "futures" else one.key for of, one in causes.items()}
    return {
        of: (cause.level, bound[of], cause.strategy_id) for of, cause in causes.items()
    }, desk.now


def files(directory):
    return [
        path
        for path in sorted(directory.rglob("*"))
        if path.is_file() and path.name not in {"lock", "reserve"}
    ]


def spoil(chance, directory):
    """Corrupt something; the words say what."""
    if chance.random() < 0.1:
        shutil.rmtree(directory / "journal")
        return "the journal deleted"
    path = chance.choice(files(directory))
    content = path.read_bytes()
    place = chance.randrange(len(content) + 1)
    lines = content.splitlines(keepends=True)
    count = chance.randint(1, max(1, len(lines)))
    kinds = {
        "deleted": None,
        "emptied": b"",
        "cut": content[:place],
        "zeroed from": content[:place] + b"\0" * (len(content) - place),
        "zeroed": b"\0" * len(content),
        "lines cut": b"".join(lines[:-count]),
        "a line gone": b"".join(lines[: count - 1] + lines[count:]),
        "a line twice": b"".join(lines[:count] + lines[count - 1 :]),
        "a bit flipped": content[:place]
        + bytes(byte ^ 4 for byte in content[place : place + 1])
        + content[place + 1 :],
    }
    kind = chance.choice(sorted(kinds))
    changed = kinds[kind]
    if changed is None:
        path.unlink()
    else:
        path.write_bytes(changed)
    return f"{path.name} {kind} ({place} of {len(content)}, {count} of {len(lines)} lines)"


def next_start(directory, name, now):
    """What stands when the next process has begun, or the words in which it refuses."""
    try:
        desk = Recorded(directory, start=now, unapproved="reduce_only", **WAYS[name][1])
    except Misuse as refusal:
        return str(refusal)
    desk.files.close()
    return desk.manager.state


@pytest.mark.parametrize("name", WAYS)
def test_after_every_corruption_the_next_start_is_as_tight_or_refuses(tmp_path, name):
    refused = 0
    for number in range(DRAWN):
        chance = random.Random(f"{SEED} {name} {number}")
        directory = tmp_path / str(number)
        stood, now = lived(directory, name, chance)
        what = spoil(chance, directory)
        state = next_start(directory, name, now)
        if isinstance(state, str):
            assert "restore" in state, (number, what, state)
            refused += 1
            continue
        for cause, (level, key, strategy_id) in stood.items():
            now_stands = state.level_for(state.binding(key or "", strategy_id))
            assert TIGHTNESS[now_stands] >= TIGHTNESS[level], (number, what, cause, state.causes)
    assert refused < DRAWN


def test_each_cause_is_tried():
    assert {name.partition(" ")[0] for name in WAYS} == set(CAUSES)
