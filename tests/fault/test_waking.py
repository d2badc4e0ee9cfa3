"""People are woken by a real program, which may hang, fail and flood: nothing waits for it but the next alert."""

import asyncio
import json
import os
import subprocess
import sys
from contextlib import asynccontextmanager
from typing import Any, cast

import pytest
from aiohttp import web

from sidecar.config.tables import Config
from sidecar.daemon import heartbeat, waking
from sidecar.daemon.engine import Faulted
from sidecar.daemon.waking import WAITING_MAX, Waker, give
from sidecar.demonstration import Plan, placed
from tests.fault.paper_client import trading
from tests.running_sidecar import at, beside

NOON = at("2026-11-23T12:00:00Z")


class Log:
    """What is said, one word at a time."""

    def __init__(self):
        self.said: asyncio.Queue[str] = asyncio.Queue()

    def warning(self, _text, fault, **_fields):
        self.said.put_nowait(fault)

    def info(self, text):
        self.said.put_nowait(text)


def shell(script):
    return ("/bin/sh", "-c", script)


def waker(command, log=None, within_s=10.0):
    return Waker(command, within_s, cast("Any", log or Log()), lambda: NOON, lambda: "ACTIVE")


@asynccontextmanager
async def running(made):
    task = asyncio.get_running_loop().create_task(made.run())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def read(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


async def test_an_alert_is_a_line_on_the_programs_standard_input(tmp_path):
    heard = tmp_path / "heard"
    made = waker(("/bin/sh", "-c", 'cat >> "$0"', str(heard)))
    made.tell("warning", "FEED_LOST", "the market feed is silent")
    made.tell("critical", "LIQUIDATED", 'sold "flat";\n$(reboot) `x`')
    await made.end()
    first, second = read(heard)  # the weightier first
    assert (first["code"], second["code"]) == ("LIQUIDATED", "FEED_LOST")
    assert first.pop("alert_id") != second["alert_id"]
    assert first == {
        "at": "2026-11-23T12:00:00Z",
        "severity": "critical",
        "code": "LIQUIDATED",
        "text": 'sold "flat";\n$(reboot) `x`',
        "state": "ACTIVE",
        "lost": 0,
        "more": 0,
    }
    assert made.shown() == {"sent": 2, "failed": 0, "lost": 0, "waiting": 0}


async def test_a_program_that_hangs_is_killed_with_all_that_it_began(tmp_path):
    """Its own children hold the pipe open for as long as they live."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reading = asyncio.create_task(asyncio.to_thread(pipe.read_bytes))
    command = ("/bin/sh", "-c", 'exec > "$0"; echo up; sleep 600 & sleep 600', str(pipe))
    assert await give(command, b"{}", 1.0) == "it did not end within 1 s, and was killed"
    async with asyncio.timeout(60):
        assert await reading == b"up\n"


async def test_a_child_left_behind_by_a_program_that_failed_is_ended_too(tmp_path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reading = asyncio.create_task(asyncio.to_thread(pipe.read_bytes))
    command = ("/bin/sh", "-c", 'exec > "$0"; sleep 600 & exit 7', str(pipe))
    assert await give(command, b"{}", 10.0) == "it ended with 7"
    async with asyncio.timeout(60):
        assert await reading == b""


async def test_what_a_program_that_went_well_left_behind_goes_on(tmp_path):
    """It may be what wakes somebody."""
    out, go = tmp_path / "out", tmp_path / "go"
    os.mkfifo(out)
    os.mkfifo(go)
    reading = asyncio.create_task(asyncio.to_thread(out.read_bytes))
    script = 'exec 3<> "$1" > "$0"; (read line <&3; echo "$line") & exit 0'
    with os.fdopen(os.open(go, os.O_RDWR), "w") as opened:
        assert await give(("/bin/sh", "-c", script, str(out), str(go)), b"{}", 10.0) == ""
        opened.write("woken\n")
        opened.flush()
        async with asyncio.timeout(60):
            assert await reading == b"woken\n"


async def test_what_it_writes_goes_nowhere_however_much(tmp_path):
    heard = tmp_path / "heard"
    flood = 'head -c 30000000 /dev/zero; head -c 30000000 /dev/zero >&2; cat > "$0"'
    assert await give(("/bin/sh", "-c", flood, str(heard)), b'{"a":1}', 30.0) == ""
    assert heard.read_text() == '{"a":1}'


async def test_a_program_that_reads_nothing_is_judged_by_its_end():
    assert await give(shell("exit 0"), b"x" * 10_000_000, 10.0) == ""
    assert await give(shell("exec sleep 600"), b"x" * 10_000_000, 0.5) != ""
    assert await give(shell("exit 7"), b"{}", 10.0) == "it ended with 7"
    assert (await give(("/no/such/program",), b"{}", 10.0)).startswith("it cannot be run")
    assert (await give(("a\0b",), b"{}", 10.0)).startswith("it cannot be run")


async def test_one_that_fails_is_run_again_and_then_passed_over(tmp_path, monkeypatch):
    monkeypatch.setattr(waking, "AGAIN_AFTER_S", 0.0)
    heard = tmp_path / "heard"
    log = Log()
    script = 'read line; case "$line" in *BAD*) exit 3;; esac; echo "$line" >> "$0"'
    made = waker(("/bin/sh", "-c", script, str(heard)), log)
    async with running(made), asyncio.timeout(60):
        made.tell("critical", "BAD", "never taken")
        assert [await log.said.get() for _ in range(3)] == ["it ended with 3"] * 3
    made.tell("warning", "GOOD", "the next")
    await made.end()
    (line,) = read(heard)
    assert (line["code"], line["lost"]) == ("GOOD", 1)
    assert made.shown() == {"sent": 1, "failed": 1, "lost": 0, "waiting": 0}


async def test_a_weighty_alert_waits_for_no_second_try_of_a_lesser_one(tmp_path, monkeypatch):
    monkeypatch.setattr(waking, "AGAIN_AFTER_S", 600.0)
    heard, log = tmp_path / "heard", Log()
    script = 'read line; echo "$line" >> "$0"; case "$line" in *LESSER*) exit 3;; esac'
    made = waker(("/bin/sh", "-c", script, str(heard)), log)
    async with running(made), asyncio.timeout(60):
        made.tell("warning", "LESSER", "fails")
        assert await log.said.get() == "it ended with 3"
        made.tell("critical", "FIRE", "now")
        assert await log.said.get() == "it ended with 3"  # the lesser, begun anew
    assert [one["code"] for one in read(heard)] == ["LESSER", "FIRE", "LESSER"]
    assert made.shown() == {"sent": 1, "failed": 0, "lost": 0, "waiting": 1}


def gone(count, first=0):
    return [f"bot 'invented-{number}' of user 1000 is gone" for number in range(first, count)]


async def test_a_bot_pages_nobody_at_will(tmp_path):
    """200 hellos under invented names, dropped: some at once, and the others later."""
    heard, pipe = tmp_path / "heard", tmp_path / "pipe"
    os.mkfifo(pipe)
    made = waker(("/bin/sh", "-c", 'cat >> "$0"; echo > "$1"', str(heard), str(pipe)))
    async with running(made), asyncio.timeout(60):
        for text in gone(100):
            made.tell("warning", "BOT_GONE", text)
        await asyncio.to_thread(pipe.read_bytes)  # the first is told
        for text in gone(200, first=100):
            made.tell("warning", "BOT_GONE", text)
            made.tell("warning", "BOT_GONE", text)  # waits already
        made.tell("warning", "ORDER_VANISHED", "of another code")
        await asyncio.to_thread(pipe.read_bytes)
    first, second = read(heard)
    assert (first["more"], first["text"].split("\n")[:80]) == (99, gone(80))
    assert second["code"] == "ORDER_VANISHED"
    pipe.unlink()
    await made.end()
    last = [one for one in read(heard) if one["code"] == "BOT_GONE"][-1]
    assert (last["more"], last["lost"]) == (99, 0)
    assert last["text"].split("\n")[:2] == gone(102, first=100)
    assert last["alert_id"] != first["alert_id"]


async def test_what_waits_for_its_minute_is_told_when_that_is_over(tmp_path, monkeypatch):
    monkeypatch.setattr(waking, "APART_S", 0.2)
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    made = waker(("/bin/sh", "-c", 'cat > "$0"', str(pipe)))
    async with running(made), asyncio.timeout(60):
        made.tell("warning", "FEED_LOST", "the market feed")
        (first,) = await asyncio.to_thread(read, pipe)
        made.tell("warning", "FEED_LOST", "the user feed")
        (second,) = await asyncio.to_thread(read, pipe)
    assert [first["text"], second["text"]] == ["the market feed", "the user feed"]


async def test_weighty_alerts_of_one_code_wait_for_no_minute(tmp_path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    made = waker(("/bin/sh", "-c", 'cat > "$0"', str(pipe)))
    async with running(made), asyncio.timeout(60):
        for text in ("selling all BTC", "selling all ETH"):
            made.tell("critical", "LIQUIDATION", text)
            (line,) = await asyncio.to_thread(read, pipe)
            assert line["text"] == text


async def test_a_warning_that_was_joined_to_another_is_lost_with_it():
    made = waker(("/bin/true",))
    for number in range(WAITING_MAX):
        made.tell("warning", f"CODE_{number}", "first")
    made.tell("warning", "CODE_0", "second")
    made.tell("critical", "FIRE", "needs room")
    assert made.shown()["lost"] == 2


async def test_what_is_lost_while_another_is_told_is_said_by_the_next(tmp_path, monkeypatch):
    """And what is being told already is not what is passed over."""
    monkeypatch.setattr(waking, "END_WITHIN_S", 60.0)
    heard, began, go = tmp_path / "heard", tmp_path / "began", tmp_path / "go"
    os.mkfifo(began)
    os.mkfifo(go)
    held = 'case "$line" in *first*) echo > "$1"; cat "$2";; esac'
    script = f'read -r line; printf "%s\\n" "$line" >> "$0"; {held}'
    made = waker(("/bin/sh", "-c", script, str(heard), str(began), str(go)))
    made.tell("critical", "FIRE", "the first")
    ending = asyncio.create_task(made.end())
    await asyncio.to_thread(began.read_bytes)
    for number in range(WAITING_MAX):
        made.tell("critical", "FIRE", str(number))
    for _ in range(2):  # the second waits already
        made.tell("critical", "FIRE", "two\nlines")
    await asyncio.to_thread(go.write_bytes, b"")
    await ending
    first, *others = read(heard)
    assert (first["text"], first["lost"]) == ("the first", 0)
    assert [one["text"] for one in others] == [*map(str, range(2, WAITING_MAX)), "two\nlines"]
    assert [one["lost"] for one in others] == [2] + [0] * (WAITING_MAX - 2)


async def test_a_flood_of_alerts_is_bounded_and_the_weighty_ones_stay(tmp_path):
    heard = tmp_path / "heard"
    made = waker(("/bin/sh", "-c", 'cat >> "$0"', str(heard)))
    for number in range(1_000):
        made.tell("warning", f"NOISE_{number}", f"{number} {'x' * 10_000}")
        made.tell("warning", f"NOISE_{number}", f"{number} {'x' * 10_000}")  # waits already
    for number in range(WAITING_MAX):
        made.tell("critical", "FIRE", str(number))
    made.tell("warning", "NOISE", "no room")
    assert made.shown()["waiting"] == WAITING_MAX
    assert made.shown()["lost"] == 1_001
    made.tell("critical", "FIRE", "the last")
    texts = [one.text for one in made._waiting]
    assert texts == [*map(str, range(1, WAITING_MAX)), "the last"]


async def test_the_end_waits_for_no_program_long(monkeypatch):
    monkeypatch.setattr(waking, "END_WITHIN_S", 0.5)
    made = waker(shell("exec sleep 600"), within_s=600.0)
    made.tell("critical", "FAULT", "halted")
    async with asyncio.timeout(60):
        await made.end()


# ------------------------------------------------------------------------------------ the daemon


@pytest.fixture
async def trader(tmp_path):
    async with trading(tmp_path, balances={"USD": "100000", "BTC": "1"}) as made:
        yield made


def to_file(path):
    return {"command": ["/bin/sh", "-c", 'cat >> "$0"', str(path)]}


async def test_the_alerts_of_the_daemon_reach_the_program(trader, tmp_path):
    heard = tmp_path / "heard"
    async with beside(trader, alerts=to_file(heard)) as made:
        await made.until_state("ACTIVE")
        trader.paper.world.set_faults(close_code=1006)
        await made.until(lambda: "FEED_LOST" in made.codes(), "a lost feed")
        await made.ask("flatten", reason="the test says so")
        await made.until_state("HALTED")
    told = {(one["severity"], one["code"]) for one in read(heard)}
    assert {
        ("warning", "FEED_LOST"),
        ("critical", "LIQUIDATION"),
        ("critical", "LIQUIDATED"),
    } <= told
    assert not {"TRANSFER", "PORTFOLIO"} & {code for _, code in told}


async def test_a_program_that_is_not_there_is_told_at_the_start(trader):
    async with beside(trader, alerts={"command": ["/nope/wake-me"]}) as made:
        codes: list[str] = []
        async with asyncio.timeout(60):
            while not codes:  # each answer is waited for
                found = (await made.ask("status"))["sidecar"]["preflight"]
                codes = [one["code"] for one in found]
        assert "ALERT_COMMAND" in codes


async def test_a_program_that_hangs_holds_up_no_sale(trader):
    hangs = {"command": ["/bin/sh", "-c", "sleep 600"], "command_within_s": 1}
    async with beside(trader, alerts=hangs) as made:
        await made.until_state("ACTIVE")
        await made.ask("flatten", reason="the test says so")
        await made.until_state("HALTED")
        assert trader.paper.world.exchange.accounts.wallet("BTC").total == 0
        shown = (await made.ask("status"))["sidecar"]["alerts"]
        assert shown["sent"] == 0


async def test_a_fault_of_its_own_is_the_last_word(trader, tmp_path, monkeypatch):
    heard, over, end = tmp_path / "heard", asyncio.Event(), Waker.end

    async def ended(made):
        await end(made)
        over.set()

    monkeypatch.setattr(Waker, "end", ended)

    def breaks():
        raise ZeroDivisionError("on purpose")

    async def runs_until_it_breaks():
        async with beside(trader, alerts=to_file(heard)) as made:
            await made.until_state("ACTIVE")
            asyncio.get_running_loop().call_soon(breaks)
            await over.wait()

    with pytest.raises(Faulted):
        await runs_until_it_breaks()
    told = {one["code"]: one["text"] for one in read(heard)}
    assert "on purpose" in told["FAULT"]


def test_play_money_wakes_nobody(tmp_path):
    settings = Config.model_validate(
        {"alerts": {"command": ["/bin/false"], "heartbeat_url": "https://example.com/id"}}
    )
    plan = Plan(tmp_path, tmp_path / "o", tmp_path / "c", seed=1, with_bot=False, duration_s=None)
    urls = {"rest_url": "http://127.0.0.1:1", "ws_url": "ws://127.0.0.1:1", "key_file": "key"}
    assert placed(settings, plan, urls).alerts == Config().alerts


# --------------------------------------------------------------------------------- the heartbeat


@asynccontextmanager
async def listening(answers):
    """Something that is called: each call takes the next answer, the last for ever."""
    heard: asyncio.Queue[str] = asyncio.Queue()

    async def handle(request):
        heard.put_nowait(request.path_qs)
        return web.Response(status=answers.pop(0) if len(answers) > 1 else answers[0])

    runner = web.ServerRunner(web.Server(handle), shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}/ping/secret", heard
    finally:
        await runner.cleanup()


async def test_the_heartbeat_is_called_again_and_again_and_its_failures_are_told_once(monkeypatch):
    monkeypatch.setattr(heartbeat, "EVERY_S", 0.01)
    log = Log()
    async with listening([200, 500, 500, 200]) as (url, heard), asyncio.timeout(60):
        task = asyncio.create_task(heartbeat.beat(url, cast("Any", log)))
        assert [await heard.get() for _ in range(5)] == ["/ping/secret"] * 5
        assert [await log.said.get(), await log.said.get()] == [
            "HTTP 500", "the heartbeat is heard again",
        ]  # fmt: skip
        task.cancel()
    assert log.said.empty()


async def test_nobody_there_is_told_without_the_address(monkeypatch):
    monkeypatch.setattr(heartbeat, "EVERY_S", 0.01)
    log = Log()
    async with asyncio.timeout(60):
        task = asyncio.create_task(heartbeat.beat("http://127.0.0.1:9/secret", cast("Any", log)))
        assert await log.said.get() == "ConnectError"
        task.cancel()


async def test_the_daemon_beats_while_it_runs(trader):
    async with (
        listening([200]) as (url, heard),
        beside(trader, alerts={"heartbeat_url": f"{url}?status=up&ping="}),
        asyncio.timeout(60),
    ):
        assert await heard.get() == "/ping/secret?status=up&ping="


# ------------------------------------------------------------------------------------- the command


def run_command(*arguments):
    command = [sys.executable, "-m", "sidecar", "alert", "test", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


async def test_the_command_tries_both(tmp_path):
    heard, file = tmp_path / "heard", tmp_path / "config.toml"
    async with listening([200, 404]) as (url, _):
        file.write_text(
            f'[alerts]\ncommand = ["/bin/sh", "-c", "cat > {heard}"]\nheartbeat_url = "{url}"\n'
        )
        done = await asyncio.to_thread(run_command, "--config", str(file))
        assert (done.returncode, done.stdout) == (0, "command: done\nheartbeat: done\n"), done
        (line,) = read(heard)
        assert (line["code"], line["severity"]) == ("TEST", "warning")
        failed = await asyncio.to_thread(run_command, "--config", str(file))
    assert (failed.returncode, failed.stdout) == (1, "command: done\nheartbeat: HTTP 404\n")


def test_the_command_says_what_is_missing(tmp_path):
    file = tmp_path / "config.toml"
    file.write_text("[alerts]\n")
    for arguments, words in (
        ((), "needs a configuration"),
        (("--config", str(file)), "is not set"),
    ):
        failed = run_command(*arguments)
        assert failed.returncode == 2
        assert words in failed.stderr
