"""A running sidecar's life: what it does by itself, what operators make it do, and its own faults."""

import asyncio
import json
import os
import pwd
import resource
import threading
import time
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from types import SimpleNamespace
from typing import Any

import pytest

from risk_sidecar_client import AskFailed, AsyncClient
from sidecar.coinbase.account_reader import AccountReader
from sidecar.core.vocabulary import actions as ac
from sidecar.core.vocabulary import events as ev
from sidecar.core.vocabulary.errors import Misuse
from sidecar.core.vocabulary.limits import Limits
from sidecar.daemon import rest_tasks
from sidecar.daemon.engine import Faulted
from sidecar.storage import disk_thread, halt_file
from tests.disk import (
    RESERVE_BYTES,
    as_killed,
    files_no_larger_than,
    mounted_read_only,
    outgrow_the_reserve,
)
from tests.fault.paper_client import trading
from tests.running_sidecar import beside

BALANCES = {"USD": "100000", "BTC": "1"}


@pytest.fixture
async def trader(tmp_path):
    async with trading(tmp_path, balances=BALANCES) as made:
        yield made


def exchange_open(trader):
    return set(trader.paper.world.exchange.register.open)


def books_open(made):
    return set(made.manager.tracker.ledger.working)


# ------------------------------------------------------------------------------- prices, products


async def test_a_product_that_nobody_followed_is_followed_once_it_is_asked_about(trader):
    async with beside(trader, coinbase={"follow": []}) as made:
        body = trader.limit("BUY", "1", "100", "SOL-USD")
        first = await made.bot.validate_order(body)
        assert "STALE_MARKET_DATA" in first.codes
        marks = made.manager.tracker.marks.mids
        await made.until(lambda: "SOL-USD" in marks, "a price of SOL")
        assert await made.bot.validate_order(body)


async def test_a_quiet_product_is_read_anew_and_not_called_stale(trader):
    async with beside(trader, limits={"max_quote_age_s": 2}) as made:
        for book in trader.paper.world.exchange.books.values():
            book.silent = True
        frozen_at = made.engine.now()

        def is_re_read():
            mid = made.manager.tracker.marks.mids["BTC-USD"].at
            return mid is not None and (mid - frozen_at).total_seconds() > 3

        await made.until(is_re_read, "a price read after the feed fell quiet")
        assert await made.bot.validate_order(trader.limit("BUY", "0.01", "60000"))


# ----------------------------------------------------------------------------------- operators


async def test_new_limits_bind_at_once_and_faulty_ones_change_nothing(trader):
    async with beside(trader) as made:
        body = trader.limit("BUY", "0.02", "60000")
        assert await made.bot.validate_order(body, dry_run=True)
        tighter = Limits(max_order_notional=1000)
        made.config = made.config.model_copy(update={"limits": tighter})
        assert (await made.ask("reload", reason="careful"))["done"]
        refused = await made.bot.validate_order(body, dry_run=True)
        assert refused.codes == ("MAX_ORDER_NOTIONAL",)
        made.config = made.config.model_copy(update={"limits": Limits(custom=("mine:rule",))})
        with pytest.raises(AskFailed, match="custom rules are loaded at the start only"):
            await made.ask("reload", reason="mine")
        assert (await made.ask("limits"))["max_order_notional"] == "1000"


BOUND = {"max_order_notional": 5000, "max_open_orders": 9, "loosen_after": "24h"}


def limited(made, **changed):
    """The file has other limits from now on."""
    limits = Limits(**BOUND | changed)
    made.config = made.config.model_copy(update={"limits": limits})


async def test_looser_limits_wait_through_a_restart_and_tighter_ones_bind_at_once(trader, tmp_path):
    looser: dict[str, Any] = BOUND | {"max_order_notional": 8000, "max_open_orders": 5}
    async with beside(trader, directory=tmp_path, limits=BOUND) as made:
        limited(made, **looser)
        answer = await made.ask("reload", reason="more")
        assert answer["text"].startswith(
            "binding from now on: tighter max_open_orders 9 → 5; queued until "
        )
        assert "max_order_notional 5000 → 8000" in answer["text"]
        before = await made.ask("limits")
        assert (before["max_order_notional"], before["max_open_orders"]) == ("5000", 5)
        (change,) = before["queued"]["changes"]
        assert (change["path"], change["way"]) == ("max_order_notional", "looser")
        assert (await made.ask("status"))["queued_limits"] == before["queued"]
    async with beside(trader, directory=tmp_path, limits=looser) as made:  # the same file
        assert (await made.ask("limits")) | {"custom": []} == before | {"custom": []}
    async with beside(trader, directory=tmp_path, limits=looser | {"loosen_after": "1h"}) as made:
        now = await made.ask("limits")
        assert (now["max_order_notional"], now["loosen_after"]) == ("5000", "1d")
        assert now["queued"]["by"] == "sidecar"
        assert now["queued"]["since"] > before["queued"]["since"]
    async with beside(trader, directory=tmp_path, limits=BOUND | {"max_open_orders": 5}) as made:
        assert "queued" not in await made.ask("limits")


async def test_a_state_that_is_rebuilt_binds_as_far_as_it_can_be_read(trader, tmp_path):
    looser: dict[str, Any] = BOUND | {"max_order_notional": 8000}
    positions = {"keep": {"BTC": "0.25"}}
    async with beside(trader, directory=tmp_path, limits=BOUND) as made:
        limited(made, **looser)
        await made.ask("reload", reason="more")
        waits = (await made.ask("limits"))["queued"]
    async with beside(
        trader, directory=tmp_path, limits=looser, positions=positions, rebuild=True
    ) as made:
        found = await made.ask("limits")
        assert (found["max_order_notional"], found["queued"]) == ("5000", waits)
        assert made.held("BTC") == 1
        assert (await made.ask("status"))["queued_terms"]["keys"] == ["positions.keep"]
    async with beside(trader, directory=tmp_path, limits=BOUND, rebuild=True) as made:
        assert "queued" not in await made.ask("limits")


async def test_looser_limits_bind_once_they_have_stood_though_no_fact_comes(
    trader, tmp_path, monkeypatch
):
    """And are told to whoever has subscribed."""
    later = timedelta()
    clock = SimpleNamespace(
        now=lambda: datetime.now(UTC) + later, wall=time.monotonic, unix=time.time
    )
    monkeypatch.setattr("sidecar.daemon.sidecar.clock", clock)
    bound: dict[str, Any] = BOUND | {"loosen_after": "1h"}
    async with beside(trader, directory=tmp_path, limits=bound) as made:
        limited(made, **bound | {"max_order_notional": 8000})
        await made.ask("reload", reason="more")
        # As if both clocks had gone on: Coinbase's is not compared any more.
        made.engine.coinbase_now = lambda: None
        later = timedelta(hours=1)
        await made.until(lambda: made.manager.limits.max_order_notional == 8000, "it binds")
        assert "LIMITS_LOOSENED" in made.codes()


async def test_a_clock_that_is_set_forward_lets_no_looser_limits_bind(
    trader, tmp_path, monkeypatch
):
    """Neither while the sidecar runs, nor at a start."""
    wrong = timedelta()
    clock = SimpleNamespace(
        now=lambda: datetime.now(UTC) + wrong, wall=time.monotonic, unix=time.time
    )
    monkeypatch.setattr("sidecar.daemon.sidecar.clock", clock)
    looser: dict[str, Any] = BOUND | {"max_order_notional": 8000}
    async with beside(trader, directory=tmp_path, limits=BOUND) as made:
        await made.until(made.engine.coinbase_now, "Coinbase's time")
        limited(made, **looser)
        await made.ask("reload", reason="more")
        facts = list[ev.Event]()
        made.on_fact = facts.append
        wrong = timedelta(hours=25)
        stood_at = made.manager.loosening.memory.queued.stood_at
        await made.until(lambda: facts and facts[-1].at > stood_at, "a fact of the wrong clock")
        assert made.manager.limits.max_order_notional == 5000
    async with beside(trader, directory=tmp_path, limits=looser) as made:
        await made.until_state("ACTIVE")
        assert made.engine.now() > stood_at
        assert made.manager.limits.max_order_notional == 5000


async def test_a_start_with_other_kept_holdings_and_bots_goes_on_with_the_old_ones(
    trader, tmp_path
):
    """Until they have stood, or another user has confirmed them; taken back, they are forgotten."""

    def start(keep, uids):
        bots = {"grid": {"uids": uids}}
        return beside(
            trader,
            directory=tmp_path,
            limits=BOUND,
            positions={"keep": keep},
            server={"bots": bots},
        )

    def under(made):
        memory = made.manager.loosening.memory
        waits = memory.queued_terms and memory.terms.differing(memory.queued_terms.terms)
        uids = made.manager.settings.bot_uids["grid"]
        return made.held("BTC"), uids, waits

    both = ("positions.keep", "server.bots")
    async with start({"BTC": "0.25"}, [7]) as made:
        assert under(made) == (Decimal("0.75"), {7}, None)
    async with start({"BTC": "0.5"}, [7, 8]) as made:
        assert under(made) == (Decimal("0.75"), {7}, both)
        shown = (await made.ask("status"))["queued_terms"]
        assert (shown["keys"], shown["from_next_start"]) == (list(both), False)
        refused = await made.ask("confirm_loosening", reason="mine")
        assert not refused["done"]
    async with start({"BTC": "0.25"}, [7]) as made:
        assert under(made) == (Decimal("0.75"), {7}, None)
    async with start({"BTC": "0.5"}, [7, 8]) as made:
        await made.until(lambda: made.manager.loosening.memory.queued_terms.since, "it stands")
        now = made.engine.now()
        event = ev.LooseningConfirmed(at=now, uid=os.getuid() + 1, reason="looked at it")
        made.engine.handle(event)
        assert under(made) == (Decimal("0.75"), {7}, both)
    async with start({"BTC": "0.5"}, [7, 8]) as made:
        assert under(made) == (Decimal("0.5"), {7, 8}, None)


async def test_a_custom_rule_that_the_file_has_no_more_goes_on(trader, tmp_path, monkeypatch):
    (tmp_path / "never_rule.py").write_text(
        'def never(candidate):\n    return "never" if candidate else None\n'
    )
    monkeypatch.syspath_prepend(tmp_path)
    rule: dict[str, Any] = BOUND | {"custom": ("never_rule:never",)}
    async with beside(trader, directory=tmp_path, limits=rule) as made:
        assert made.manager.limits.custom == ("never_rule:never",)
    async with beside(trader, directory=tmp_path, limits=BOUND) as made:
        assert made.manager.limits.custom == ("never_rule:never",)
        assert len(made.manager.desk.custom) == 1
        answer = await made.ask("reload", reason="the same file")
        assert answer["done"]
        assert (await made.ask("status"))["queued_terms"]["keys"] == ["limits.custom"]


async def test_a_second_operator_confirms_what_the_first_had_read(trader, tmp_path, monkeypatch):
    """Whoever asks is known by the kernel's word on the socket."""
    asks = [os.getuid()]
    monkeypatch.setattr("sidecar.server.connection._peer_uid", lambda _transport: asks[0])
    monkeypatch.setattr("sidecar.daemon.wiring.own_uids", lambda: {os.getuid(), 4242})
    async with beside(trader, directory=tmp_path, limits=BOUND) as made:
        limited(made, max_order_notional=8000)
        await made.ask("reload", reason="more")
        refused = await made.ask("confirm_loosening", reason="it is fine")
        assert not refused["done"]
        assert f"user {os.getuid()} had these limits read" in refused["text"]
        asks[0] = 4242
        second = AsyncClient(made.config.server.control_socket)
        answer = json.loads(bytes(await second.ask("confirm_loosening", reason="looked at it")))
        await second.close()
        assert answer["done"]
        assert (await made.ask("limits"))["max_order_notional"] == "8000"
        changed = [act for _, act in made.actions if isinstance(act, ac.LimitsChanged)]
        assert [act.by for act in changed] == [pwd.getpwuid(os.getuid()).pw_name, "uid 4242"]


async def test_a_reload_that_lacks_a_required_limit_changes_nothing(trader):
    async with beside(trader) as made:
        for limits in (
            Limits(require=("max_drawdown", "max_var"), max_order_notional=1),
            Limits(require=("max_drawdown",), shadow={"max_drawdown": "0.1"}),
        ):
            made.config = made.config.model_copy(update={"limits": limits})
            with pytest.raises(AskFailed, match=r"limits\.require names max_drawdown"):
                await made.ask("reload", reason="slipped")
        assert (await made.ask("limits")) == {"max_order_notional": "5000"}
        assert made.state == "ACTIVE"


async def test_a_start_without_a_required_limit_is_refused(trader, tmp_path):
    """Coins that Coinbase's account holds are nothing that this state has known."""
    lacks = {"require": ("max_drawdown", "max_var")}
    for rebuild in (False, True):
        with pytest.raises(Misuse, match=r"limits\.require names max_drawdown, max_var, not set"):
            async with beside(trader, directory=tmp_path, rebuild=rebuild, limits=lacks):
                pass
    assert [path.name for path in tmp_path.glob("damaged-*")] == []


async def test_with_a_position_it_starts_on_the_last_good_limits_until_all_required_ones_are_there(
    trader, tmp_path
):
    async with beside(trader, directory=tmp_path) as made:
        assert made.held("BTC") > 0
    lacks = {"require": ("max_drawdown",), "max_order_notional": 9_999}
    for restarted in (False, True):  # it is still so at the next start
        async with beside(trader, directory=tmp_path, limits=lacks) as made:
            assert made.state == "REDUCE_ONLY"
            (cause,) = (await made.ask("status"))["causes"]
            assert cause["code"] == "CONFIG"
            assert "limits.require names max_drawdown" in cause["reason"]
            assert (await made.ask("limits"))["max_order_notional"] == "5000"
            assert await made.bot.validate_order(trader.market("SELL", "0.01"), dry_run=True)
            refused = await made.bot.validate_order(trader.market("BUY", "0.01"), dry_run=True)
            assert refused.codes == ("STATE_REDUCE_ONLY",)
            with pytest.raises(AskFailed, match=r"limits\.require names max_drawdown"):
                await made.ask("reload", reason="not mended yet")
            if restarted:
                good = Limits(require=("max_drawdown",), max_drawdown="0.5")
                made.config = made.config.model_copy(update={"limits": good})
                await made.ask("reload", reason="mended")
                assert made.state == "ACTIVE"


async def test_a_good_configuration_at_the_start_ends_it(trader, tmp_path):
    lacks = {"require": ("max_drawdown",)}
    async with beside(trader, directory=tmp_path):
        pass
    async with beside(trader, directory=tmp_path, limits=lacks) as made:
        assert made.state == "REDUCE_ONLY"
    async with beside(trader, directory=tmp_path) as made:  # the very limits that are in force
        assert made.state == "ACTIVE"
        assert "CONFIG" in made.codes(ac.CauseCleared)


async def test_a_flattening_on_disk_goes_on_without_a_required_limit(trader, tmp_path):
    async with beside(trader, directory=tmp_path) as made:
        made.engine.handle(ev.FlattenRequested(at=made.engine.now(), reason="out"))
        await made.settled()
        as_killed(tmp_path / "state", tmp_path / "killed" / "state")
    lacks = {"require": ("max_drawdown",)}
    async with beside(trader, directory=tmp_path / "killed", limits=lacks, wait=False) as made:
        await made.until_state("HALTED")
        assert made.manager.state.has("LIQUIDATED")
        assert made.manager.state.has("CONFIG")
        assert made.held("BTC") == 0


async def test_cancel_all_cancels_and_sees_them_gone(trader):
    async with beside(trader) as made:
        for price in ("30000", "31000", "32000"):
            body = trader.limit("BUY", "0.01", price)
            assert await made.bot.validate_order(body)
            await trader.place(body)
        await made.until(lambda: len(books_open(made)) == 3, "three orders")
        answer = await made.ask("cancel_all", reason="storm")
        assert (answer["done"], answer["cancelled"]) == (True, 3)
        assert exchange_open(trader) == set()
        await made.until(lambda: not books_open(made))


async def test_cancel_all_says_nothing_of_orders_that_coinbase_does_not_list(trader, monkeypatch):
    """It says that there are more, and tells none of them."""
    monkeypatch.setattr(rest_tasks, "CANCEL_ALL_WITHIN_S", 0.0)

    async def orders(self):
        now = self._now()
        yield ev.OpenOrdersListed(at=now, order_ids=(), began_at=now, is_complete=False)

    async with beside(trader) as made:
        monkeypatch.setattr(AccountReader, "orders", orders)
        answer = await made.ask("cancel_all", reason="storm")
        assert (answer["done"], answer["remaining"]) == (False, [])
        monkeypatch.undo()


async def test_a_subscriber_hears_of_state_and_decisions(trader):
    async with beside(trader) as made:
        path = str(made.config.server.order_socket)
        reader, writer = await asyncio.open_unix_connection(path)
        topics = {"topics": ["state", "decisions"]}
        request = {"jsonrpc": "2.0", "id": 1, "method": "subscribe", "params": topics}
        writer.write(json.dumps(request).encode() + b"\n")
        assert "result" in json.loads(await reader.readline())
        await made.ask("halt", reason="lunch")
        await made.bot.validate_order(trader.limit("BUY", "0.01", "60000"))
        told = [json.loads(await reader.readline())["params"] for _ in range(3)]
        assert [(one["topic"], one.get("type")) for one in told] == [
            ("state", "CauseRaised"), ("state", "StateChanged"), ("decisions", None),
        ]  # fmt: skip
        writer.transport.abort()


async def test_a_bot_that_said_hello_is_back_after_a_restart_though_it_asks_nothing(
    trader, tmp_path
):
    """Else the account of a live bot would be sold 30 s after every upgrade."""
    name = "grid-bot"
    server = {"may_flatten": [name]}
    async with beside(trader, directory=tmp_path, server=server) as made:
        bot = AsyncClient(made.config.server.order_socket, timeout_s=60)
        await bot.hello(name, on_disconnect="flatten")
    async with beside(trader, directory=tmp_path, server=server) as made:
        sessions = made.manager.sessions
        await made.until(lambda: sessions.known[name, os.getuid()].dropped_at is None, "back")
        assert sessions.next_due() is None
        assert sessions.known[name, os.getuid()].on_disconnect == "flatten"
        await bot.bye()
        await bot.close()
        assert not sessions.known


# --------------------------------------------------------------------- orders nobody asked about


async def unasked(trader, made):
    """A resting buy and a reducing sell that nobody asked about."""
    buy = await trader.place(trader.limit("BUY", "0.01", "30000"))
    sell = await trader.place(trader.limit("SELL", "0.01", "200000"))
    await made.until(lambda: made.codes(ac.Alert).count("UNAPPROVED_ORDER") == 2, "two alerts")
    return buy, sell


async def test_unasked_orders_are_told(trader):
    async with beside(trader) as made:
        assert set(await unasked(trader, made)) == exchange_open(trader)
        assert made.state == "ACTIVE"


async def test_unasked_orders_are_cancelled_but_for_what_reduces(trader):
    async with beside(trader, server={"unapproved_orders": "cancel"}) as made:
        buy, sell = await unasked(trader, made)
        await made.until(lambda: buy not in books_open(made), "cancelled")
        assert exchange_open(trader) == {sell}


async def test_a_position_that_is_closed_by_a_call_was_asked_about(trader):
    """The order that Coinbase makes of it is the one that was approved."""
    rows = (await trader.get("/products", product_type="FUTURE"))["products"]
    product_id = rows[0]["product_id"]
    await trader.place(trader.market("SELL", "2", product_id))
    async with beside(trader) as made:
        await made.until(lambda: made.held(product_id) < 0, "the short")
        half, reservations = made.held(product_id) / 2, made.manager.tracker.ledger.reservations
        assert (await made.ask("reduce_only", reason="careful"))["done"]
        assert not await made.bot.validate_close(product_id, "close-1", size="3")
        for size, name, left in (("1", "close-1", half), (None, "close-2", 0)):
            decision = await made.bot.validate_close(product_id, name, size=size)
            assert (decision.approved, decision.reducing) == (True, True)
            body = {"client_order_id": name, "product_id": product_id}
            body |= {"size": size} if size else {}
            answer = (await trader.call("POST", "/orders/close_position", json=body)).json()
            assert answer["success"], answer
            await made.until(lambda left=left: not reservations and made.held(product_id) == left)
        assert "UNAPPROVED_ORDER" not in made.codes(ac.Alert)


async def test_an_id_like_the_sidecars_own_hides_no_order(trader):
    async with beside(trader, server={"unapproved_orders": "cancel"}) as made:
        body = trader.limit("BUY", "0.5", "30000") | {"client_order_id": "risk-sidecar-1"}
        assert (await made.bot.validate_order(body)).codes == ("INVALID_ORDER",)
        order_id = await trader.place(body)
        await made.until(lambda: order_id in books_open(made), "the order")
        assert "OWN_ORDER_DIFFERS" in made.codes(ac.Alert)
        await made.until(lambda: order_id not in books_open(made), "cancelled")
        assert exchange_open(trader) == set()


async def test_unasked_orders_are_answered_with_reduce_only(trader):
    async with beside(trader, server={"unapproved_orders": "reduce_only"}) as made:
        await unasked(trader, made)
        assert made.state == "REDUCE_ONLY"


async def test_orders_that_were_there_before_are_nobodys_news(trader):
    await trader.place(trader.limit("BUY", "0.01", "30000"))
    async with beside(trader) as made:
        assert books_open(made) == exchange_open(trader) != set()
        assert "UNAPPROVED_ORDER" not in made.codes(ac.Alert)


async def test_three_approvals_that_never_appear_speak_of_another_portfolio(trader):
    async with beside(trader, server={"reservation_s": 1}) as made:
        for _ in range(3):
            assert await made.bot.validate_order(trader.limit("BUY", "0.01", "30000"))
        await made.until(lambda: "KEY_OF_ANOTHER_PORTFOLIO" in made.codes(ac.Alert), "the warning")
        assert not made.manager.tracker.ledger.reservations


# ---------------------------------------------------------------------------------------- losses


def asked(made):
    """The best ask of BTC as the sidecar has it."""
    return made.manager.tracker.marks.quotes["BTC-USD"].ask


async def test_a_confirmed_breach_sells_everything_and_halts(trader):
    limits = {"max_cumulative_loss": "500 USD"}
    async with beside(trader, limits=limits, liquidation={"confirm_s": 0}) as made:
        for price in ("60000", "59990", "59980", "59970"):
            crash = {"product_id": "BTC-USD", "price": price, "freeze": True}
            await trader.http.post("/paper/market", json=crash)
            await made.until(lambda price=price: asked(made) == Decimal(price), "the price")
        await made.until_state("HALTED")
        assert made.held("BTC") == 0
        assert "LIQUIDATED" in made.codes(ac.CauseRaised)
        decision = await made.bot.validate_order(trader.limit("BUY", "0.01", "50000"))
        assert "STATE_HALTED" in decision.codes
        refused = await made.ask("resume", reason="hope")
        assert not refused["done"]
        assert any("reset-loss cumulative" in line for line in refused["remaining"])
        assert (await made.ask("reset_loss", window="cumulative", reason="accepted"))["done"]
        assert (await made.ask("resume", reason="accepted"))["done"]
        await made.until_state("ACTIVE")


async def test_a_clock_that_is_wrong_for_a_while_ends_no_day(trader, tmp_path, monkeypatch):
    """Coinbase's frames tell another: both must have passed the reset."""
    wrong = timedelta()
    clock = SimpleNamespace(
        now=lambda: datetime.now(UTC) + wrong, wall=time.monotonic, unix=time.time
    )
    monkeypatch.setattr("sidecar.daemon.sidecar.clock", clock)
    limits = {"max_daily_loss": "500 USD"}
    async with beside(trader, limits=limits, liquidation={"confirm_s": 0}) as made:
        for price in ("64000", "63000", "62990", "62980"):
            crash = {"product_id": "BTC-USD", "price": price, "freeze": True}
            await trader.http.post("/paper/market", json=crash)
            await made.until(lambda price=price: asked(made) == Decimal(price), "the price")
        await made.until(lambda: "DAILY_LOSS" in made.codes(), "it is confirmed")
        await made.until(made.engine.coinbase_now, "Coinbase's time")
        windows = made.manager.tracker.windows
        day = (windows.day.started_at, windows.next_reset)
        facts = list[ev.Event]()
        made.on_fact = facts.append
        wrong = windows.next_reset - made.engine.now() + timedelta(minutes=1)
        await made.until(lambda: facts and facts[-1].at > day[1], "a fact of the wrong clock")
        assert made.manager.state.has("DAILY_LOSS")
        wrong = timedelta()
        await made.until(lambda: facts[-1].at < day[1], "a fact of the right clock")
        assert made.manager.state.has("DAILY_LOSS")
        assert (windows.day.started_at, windows.next_reset) == day
        told = [fact.ahead > timedelta() for fact in facts if isinstance(fact, ev.ClocksCompared)]
        assert told == [True, False]


async def test_a_start_under_a_wrong_clock_ends_no_day(trader, tmp_path, monkeypatch):
    """The usual wrong clock is that of a machine that has just been switched on."""
    wrong = timedelta()
    clock = SimpleNamespace(
        now=lambda: datetime.now(UTC) + wrong, wall=time.monotonic, unix=time.time
    )
    monkeypatch.setattr("sidecar.daemon.sidecar.clock", clock)
    async with beside(trader, directory=tmp_path) as made:
        await made.until_state("ACTIVE")
        windows = made.manager.tracker.windows
        day = (windows.day.started_at, windows.next_reset)
    wrong = day[1] - datetime.now(UTC) + timedelta(minutes=1)
    async with beside(trader, directory=tmp_path) as made:
        await made.until_state("ACTIVE")
        windows = made.manager.tracker.windows
        assert made.engine.now() > day[1]
        assert (windows.day.started_at, windows.next_reset) == day


# ------------------------------------------------------------------------------- disk and faults


async def test_a_full_disk_is_reduce_only_until_there_is_room(trader, tmp_path):
    async with beside(trader, directory=tmp_path) as made:
        with files_no_larger_than(0):
            await made.until_state("REDUCE_ONLY")
            assert await made.bot.validate_order(trader.market("SELL", "0.01"), dry_run=True)
            assert not await made.bot.validate_order(trader.market("BUY", "0.01"), dry_run=True)
        await made.until_state("ACTIVE")
        last = made.engine.journal.place.seq
    async with beside(trader, directory=tmp_path) as made:
        assert made.engine.journal.place.seq > last  # nothing was lost


async def test_a_strategy_of_another_user_is_neither_asked_for_nor_said_hello_with(trader):
    bots = {
        "grid-bot": {"uids": [os.getuid() + 1], "strategies": ["grid"]},
        "other": {"strategies": ["momo"]},
    }
    async with beside(trader, server={"bots": bots, "strategies": "listed"}) as made:
        body = trader.limit("BUY", "0.01", "60000")
        assert (
            "users"
            in (await made.bot.validate_order(body, strategy_id="grid")).violations[0].message
        )
        assert (
            "listed"
            in (await made.bot.validate_order(body, strategy_id="new")).violations[0].message
        )
        assert await made.bot.validate_order(body, strategy_id="momo")
        assert await made.bot.validate_order(trader.market("SELL", "0.01"), strategy_id="new")
        for words in ({"name": "grid-bot"}, {"name": "me", "strategy_id": "grid"}):
            with pytest.raises(AskFailed, match=r"server\.bots"):
                await made.bot.hello(**words)
        stranger = AsyncClient(made.config.server.order_socket, timeout_s=60)
        await stranger.hello("stranger")
        with pytest.raises(AskFailed, match="another bot's"):
            await stranger.release_order(body["client_order_id"])
        await stranger.close()


@pytest.mark.parametrize("share", [None, "0.5"])
@pytest.mark.parametrize(
    ("limit", "alone"),
    [
        ({"max_open_orders": 4}, "MAX_OPEN_ORDERS"),
        ({"max_order_rate": {"count": 4, "window_s": 3600}}, "MAX_ORDER_RATE"),
        ({"max_notional_in": {"usd": 1200, "window_s": 3600}}, "MAX_NOTIONAL_IN"),
    ],
    ids=lambda of: of if isinstance(of, str) else "",
)
async def test_one_bot_starves_another_unless_it_may_use_up_a_share_alone(
    trader, tmp_path, share, limit, alone
):
    """A greedy bot asks and sends as long as it may; then a modest one asks, and once more after a restart."""
    tables: dict[str, Any] = {
        "server": {"bots": {"greedy": {}, "modest": {}}},
        "limits": {"max_share_of_limits": share, **limit},
    }
    answers = []
    for _ in range(2):
        async with beside(trader, directory=tmp_path, **tables) as made:
            others = AsyncClient(made.config.server.order_socket, timeout_s=60)
            await made.bot.hello("greedy")
            await others.hello("modest")
            alive, placed = made.manager.tracker.ledger.reservations, 0
            while await made.bot.validate_order(body := trader.limit("BUY", "0.01", "30000")):
                await trader.place(body)
                placed += 1
                await made.until(lambda alive=alive: not alive, "the order on the exchange")
            refused = await made.bot.validate_order(trader.limit("BUY", "0.01", "30000"))
            other = await others.validate_order(trader.limit("BUY", "0.01", "30000"), dry_run=True)
            exit_passes = await made.bot.validate_order(trader.market("SELL", "0.01"), dry_run=True)
            assert exit_passes
            answers.append((placed, refused.codes, bool(other)))
            await others.bye()
            await others.close()
            await made.bot.bye()
    code, count = (alone, 4) if share is None else ("MAX_SHARE_OF_LIMITS", 2)
    passes = share is not None
    assert answers == [(count, (code,), passes), (0, (code,), passes)]


async def test_long_orders_that_are_none_cost_the_journal_little(trader, tmp_path):
    async with beside(trader, directory=tmp_path) as made:
        sent = trader.limit("BUY", "0.01", "60000") | {"odd": "x" * 60_000}
        for _ in range(200):
            assert (await made.bot.validate_order(sent)).codes == ("INVALID_ORDER",)
        made.engine.journal.sync()
        written = sum(path.stat().st_size for path in (tmp_path / "state/journal").iterdir())
        assert written < 200 * 60_000 / 10
        assert "DISK_FULL" not in made.codes(ac.CauseRaised)


async def stumble(trader, directory, monkeypatch):
    """A life that ends in a fault, in the middle of an order."""
    async with beside(trader, directory=directory) as made:

        def stumbles(_event):
            raise KeyError("half way")

        monkeypatch.setattr(made.manager, "decide", stumbles)
        decision = await made.bot.validate_order(trader.limit("BUY", "0.01", "60000"))
        assert decision.codes == ("NO_ANSWER",)


async def test_a_fault_of_its_own_halts_on_disk_and_is_not_met_again(trader, tmp_path, monkeypatch):
    with pytest.raises(Faulted, match="KeyError"):
        await stumble(trader, tmp_path, monkeypatch)
    async with beside(trader, directory=tmp_path) as made:
        assert made.state == "HALTED"
        status = await made.ask("status")
        assert [cause["code"] for cause in status["causes"]] == ["FAULT"]
        assert "KeyError" in status["causes"][0]["reason"]
        assert (await made.ask("resume", reason="mended"))["done"]
        await made.until_state("ACTIVE")
        assert await made.bot.validate_order(trader.limit("BUY", "0.01", "60000"))


async def on_a_full_disk(trader, tmp_path, made, happens):
    """What a kill leaves, once this has happened while the journal takes no more: all that the disk had
    before, and the reserve.
    """
    await outgrow_the_reserve(trader, made)
    as_killed(tmp_path / "state", tmp_path / "killed" / "state")
    with files_no_larger_than(RESERVE_BYTES):
        await made.until_state("REDUCE_ONLY")
        await happens()
        kept = (tmp_path / "state" / "reserve").read_bytes()
    (tmp_path / "killed" / "state" / "reserve").write_bytes(kept)
    (tmp_path / "killed").chmod(0o700)
    await made.until(lambda: "DISK_FULL" not in {code for code, _ in made.manager.state.causes})


RARELY = {"snapshot_s": 3600}


async def test_what_tightened_on_a_full_disk_survives_a_kill(trader, tmp_path, small_reserve):
    """Operators' words of every scope, a latched loss, and what it counts from."""
    limits = {"max_daily_loss": "500 USD", "max_order_notional": 500_000}

    async def happens():
        for price in ("64000", "63000", "62990", "62980"):
            crash = {"product_id": "BTC-USD", "price": price, "freeze": True}
            await trader.http.post("/paper/market", json=crash)
            await made.until(lambda price=price: asked(made) == Decimal(price), "the price")
        await made.until(lambda: "DAILY_LOSS" in made.codes(), "it is confirmed")
        assert (await made.ask("reset_loss", window="drawdown", reason="new"))["done"]
        for scope in ({"product_id": "ETH-USD"}, {"strategy_id": "grid"}, {}):
            await made.ask("reduce_only", reason="careful", **scope)
        assert (await made.ask("halt", reason="lunch"))["done"]
        lived.update(await made.ask("status"))

    lived: dict[str, Any] = {}
    once: dict[str, Any] = {
        "directory": tmp_path,
        "limits": limits,
        "liquidation": {"confirm_s": 0},
    }
    async with beside(trader, state=RARELY, **once) as made:
        await on_a_full_disk(trader, tmp_path, made, happens)
    async with beside(trader, **once | {"directory": tmp_path / "killed"}) as made:
        status = await made.ask("status")
    stood = {(cause["code"], cause["scope"]): cause["reason"] for cause in lived["causes"]}
    stands = {(cause["code"], cause["scope"]): cause["reason"] for cause in status["causes"]}
    del stood["DISK_FULL", "all"]
    assert stands == stood
    assert len(stood) == 5
    for window in ("daily", "cumulative", "drawdown"):
        for field in ("base", "since"):
            assert status["losses"][window][field] == lived["losses"][window][field]


async def test_an_account_sold_on_a_full_disk_stays_halted_after_a_kill(
    trader, tmp_path, small_reserve
):
    async def happens():
        await made.ask("flatten", reason="enough")
        await made.until_state("HALTED")

    async with beside(trader, directory=tmp_path, state=RARELY) as made:
        await on_a_full_disk(trader, tmp_path, made, happens)
        sent = len(trader.paper.world.exchange.register.fills)
    async with beside(trader, directory=tmp_path / "killed") as made:
        assert [cause["code"] for cause in (await made.ask("status"))["causes"]] == ["LIQUIDATED"]
        assert (await made.ask("resume", reason="back"))["done"]
        await made.until_state("ACTIVE")
        assert len(trader.paper.world.exchange.register.fills) == sent


async def test_a_first_start_without_room_for_the_reserve_only_reduces_until_there_is(
    trader, tmp_path
):
    with files_no_larger_than(64 << 10):  # the journal would have room for now
        async with beside(trader, directory=tmp_path, wait=False) as made:
            await made.until_state("REDUCE_ONLY")
            await made.until(lambda: made.manager.state.ready, "the first picture")
            assert not await made.bot.validate_order(trader.market("BUY", "0.01"), dry_run=True)
            assert await made.bot.validate_order(trader.market("SELL", "0.01"), dry_run=True)
            assert not made.engine.journal.is_full
            resource.setrlimit(
                resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY)
            )
            await made.until_state("ACTIVE")
            await made.ask("halt", reason="lunch")
            assert halt_file.read_reserve(tmp_path / "state" / "reserve").state is not None


async def test_a_state_directory_that_cannot_be_written_is_refused_with_the_mend(trader, tmp_path):
    with mounted_read_only(tmp_path / "state"), pytest.raises(Misuse, match="user may write"):
        async with beside(trader, directory=tmp_path):
            pass


async def test_a_disk_that_was_full_at_the_end_is_told_to_have_room_at_the_start(
    trader, tmp_path, small_reserve
):
    async def happens():
        assert made.state == "REDUCE_ONLY"

    async with beside(trader, directory=tmp_path, state=RARELY) as made:
        await on_a_full_disk(trader, tmp_path, made, happens)
    async with beside(trader, directory=tmp_path / "killed") as made:
        await made.until_state("ACTIVE")
        assert "DISK_FULL" in made.codes(ac.CauseCleared)


async def test_misuse_within_is_a_fault_of_its_own(trader, tmp_path):
    """Only what is in the way of a start is the user's to mend."""

    def misused(_event):
        raise Misuse("the account cannot go there")

    async def life():
        async with beside(trader, directory=tmp_path) as made:
            made.manager.handle = misused
            with pytest.raises(AskFailed):
                await made.ask("resume", reason="x")

    with pytest.raises(Faulted):
        await life()
    async with beside(trader, directory=tmp_path) as made:
        assert made.state == "HALTED"


# ----------------------------------------------------------------------------------- a slow disk


class SlowDisk:
    """Each fsync takes as long as it is told to; who waits longest, waits so many seconds."""

    def __init__(self, monkeypatch, at_most_s=2):
        self.opened, self.waits = threading.Event(), threading.Event()
        self._at_most_s = at_most_s
        self.opened.set()
        for name in ("fsync", "fdatasync"):
            real = getattr(os, name)
            monkeypatch.setattr(os, name, lambda file, real=real: self._wait(real, file))

    def _wait(self, real, file):
        if not self.opened.is_set():
            self.waits.set()
        self.opened.wait(self._at_most_s)
        real(file)

    @contextmanager
    def slow(self):
        self.waits.clear()
        self.opened.clear()
        try:
            yield
        finally:
            self.opened.set()


async def test_only_what_a_change_of_mode_causes_waits_for_the_disk(trader, monkeypatch):
    """Bots are answered by the new state at once; the operator, and what is to be cancelled, wait."""
    disk, halted = SlowDisk(monkeypatch), asyncio.Event()
    async with beside(trader, state=RARELY) as made:
        handle = made.manager.handle

        def noted(event: ev.Event) -> Any:
            actions = handle(event)
            if isinstance(event, ev.HaltRequested):
                halted.set()
            return actions

        made.manager.handle = noted
        body = trader.limit("BUY", "0.01", "30000")
        assert await made.bot.validate_order(body)
        order_id = await trader.place(body)
        await made.until(lambda: books_open(made) == {order_id}, "the resting order")
        for number in range(5):
            await made.settled()
            with disk.slow():
                halt = {"reason": "lunch", "cancel_adding": number == 4}
                asked_for = asyncio.create_task(made.ask("halt", **halt))
                assert await asyncio.to_thread(disk.waits.wait, 60)
                async with asyncio.timeout(60):
                    await halted.wait()  # what waits may be older than the halt
                halted.clear()
                assert made.state == "HALTED"
                for _ in range(20):
                    refused = await made.bot.validate_order(trader.limit("BUY", "0.01", "31000"))
                    assert "STATE_HALTED" in refused.codes
                assert not asked_for.done()
                assert not disk.opened.is_set()
                assert exchange_open(trader) == {order_id}
            assert (await asked_for)["done"]
            assert (await made.ask("resume", reason="back"))["done"]
        await made.until(lambda: not exchange_open(trader), "cancelled")


async def test_on_a_disk_that_does_not_answer_what_is_decided_is_done_and_shouted_about(
    trader, tmp_path, monkeypatch
):
    """Act, keep it in memory, shout; once it answers, all is on it."""
    heard = tmp_path / "heard"
    alerts = {"command": ["/bin/sh", "-c", f"cat >> {heard}"]}
    disk = SlowDisk(monkeypatch, at_most_s=60)
    async with beside(trader, directory=tmp_path, state=RARELY, alerts=alerts) as made:
        assert made.held("BTC") == 1
        with disk.slow():
            monkeypatch.setattr(disk_thread, "WITHIN_S", 0.5)
            assert (await made.ask("reduce_only", reason="careful", product_id="ETH-USD"))["done"]
            await made.until(lambda: ("DISK_FULL", "all") in made.manager.state.causes)
            (told,) = (c for c in (await made.ask("status"))["causes"] if c["code"] == "DISK_FULL")
            assert told["reason"] == "the disk does not answer: nothing can be kept"
            adding = await made.bot.validate_order(trader.limit("BUY", "0.01", "60000"))
            assert "STATE_REDUCE_ONLY" in adding.codes
            assert (await made.ask("flatten", reason="enough"))["done"]
            await made.until_state("HALTED")
            assert made.held("BTC") == 0
            shown = made.sidecar._parts._waker.shown
            await made.until(lambda: not shown()["waiting"], "somebody is woken")
            assert b"DISK_HANGS" in heard.read_bytes()
        monkeypatch.setattr(disk_thread, "WITHIN_S", 20)
        await made.until(lambda: ("DISK_FULL", "all") not in made.manager.state.causes, "healed")
    async with beside(trader, directory=tmp_path) as made:
        causes = {cause["code"] for cause in (await made.ask("status"))["causes"]}
        assert causes == {"LIQUIDATED", "OPERATOR_REDUCE_ONLY"}
        assert made.held("BTC") == 0


async def test_an_end_in_order_waits_no_longer_for_a_disk_that_does_not_answer(
    trader, tmp_path, monkeypatch
):
    disk = SlowDisk(monkeypatch, at_most_s=60)
    with disk.slow():
        disk.opened.set()
        async with beside(trader, directory=tmp_path) as made:
            disk.opened.clear()
            monkeypatch.setattr(disk_thread, "WITHIN_S", 0.2)
            asked_for = asyncio.create_task(made.ask("halt", reason="lunch"))
            assert await asyncio.to_thread(disk.waits.wait, 60)
            assert (await asked_for)["done"]
            journal = made.engine.journal
        assert not disk.opened.is_set()
    async with asyncio.timeout(60):
        while journal.disk.hangs:  # noqa: ASYNC110 - a thread ends, and tells nobody
            await asyncio.sleep(0.01)
    journal.close()  # a process that ended has no open files
