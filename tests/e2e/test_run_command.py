"""`risk-sidecar run` and `demo` as processes: what a user sees when it works, and when it cannot."""

import json
import os
import signal
import socket as sockets
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

import pytest

from risk_sidecar_client import AskFailed, Client
from sidecar.paper.service.keys import write_key_files
from tests.papers_service import running, until

WITHIN_S = 60
COMMAND = [sys.executable, "-m", "sidecar"]


@pytest.fixture(scope="module")
def paper(tmp_path_factory):
    with running(
        tmp_path_factory.mktemp("exchange"), balances={"USD": "100000", "BTC": "1"}
    ) as made:
        yield made


def config(directory, paper, **changes):
    """A configuration for this exchange; `changes` are lines of [coinbase]."""
    urls = paper.urls
    lines = {
        "rest_url": urls["rest_url"],
        "ws_url": urls["ws_url"],
        "ws_user_url": urls["ws_url"],
        "key_file": urls["key_file"],
    } | changes
    path = directory / "risk.toml"
    path.write_text(
        "[coinbase]\n"
        + "".join(f"{name} = {json.dumps(str(value))}\n" for name, value in lines.items())
        + 'follow = ["BTC-USD"]\n[limits]\nmax_order_notional = 5000\n'
    )
    return path


def places(directory):
    return [
        "--state-dir", str(directory / "state"), "--order-socket", str(directory / "o.sock"),
        "--control-socket", str(directory / "c.sock"),
    ]  # fmt: skip


def tried(*arguments, **options):
    """A command that ends by itself."""
    return subprocess.run(
        [*COMMAND, *map(str, arguments)], capture_output=True, text=True, timeout=WITHIN_S,
        check=False, **options,
    )  # fmt: skip


@contextmanager
def process(*arguments, **options):
    """A command that runs until it is told to end."""
    made = subprocess.Popen(
        [*COMMAND, *map(str, arguments)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        **options,
    )  # fmt: skip
    try:
        yield made
    finally:
        made.kill()
        made.wait()
        for pipe in (made.stdout, made.stderr):
            assert pipe is not None
            pipe.close()


def body(size="0.01", price="60000", name="bot-1"):
    terms = {"base_size": size, "limit_price": price}
    return {
        "client_order_id": name, "product_id": "BTC-USD", "side": "BUY",
        "order_configuration": {"limit_limit_gtc": terms},
    }  # fmt: skip


def heeds_hangups():
    """Also where the tests themselves were started by `nohup`."""
    signal.signal(signal.SIGHUP, signal.SIG_DFL)


def ended(made, number=signal.SIGTERM):
    made.send_signal(number)
    return made.communicate(timeout=WITHIN_S)[1]


# ------------------------------------------------------------------------------------- it works


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_says_where_it_is_judges_and_ends_in_order(paper, tmp_path, number):
    with process("run", "--config", config(tmp_path, paper), *places(tmp_path), "--json") as made:
        where = json.loads(made.stdout.readline())
        assert set(where) == {"order_socket", "control_socket", "state_dir"}
        bot = Client(where["order_socket"], timeout_s=60)
        assert bot.validate_order(body())
        assert bot.validate_order(body("1", name="bot-2")).codes == ("MAX_ORDER_NOTIONAL",)
        bot.close()
        log = ended(made, number)
        assert made.returncode == 0, log
    assert "stopped" in log
    assert not (tmp_path / "o.sock").exists()
    assert (tmp_path / "state" / "state.json").exists()
    secret = json.loads(Path(paper.urls["key_file"]).read_text())["privateKey"]
    kept = "".join(
        path.read_text(errors="replace")
        for path in (tmp_path / "state").rglob("*")
        if path.is_file()
    )
    assert not any(line in log + kept for line in secret.splitlines()[1:-1])


def test_a_start_names_what_is_misspelt(paper, tmp_path):
    file = config(tmp_path, paper)
    file.write_text(
        file.read_text() + '[positions]\nkeep.EHT = "all"\n[liquidation]\nassets = ["SLO"]\n'
    )
    with process("run", "--config", file, *places(tmp_path)) as made:
        for said in ("did you mean ETH?", "did you mean SOL?"):
            while said not in (line := made.stderr.readline()):
                assert line, "the log does not say it"
        ended(made)
        assert made.returncode == 0


RULE = """
def careless(order, account, now):
    return None if order.limit_price > 0 else "no"
"""


def test_a_rule_that_raises_is_told_by_check_with_its_line_logged_once_and_not_read_anew(
    paper, tmp_path
):
    (tmp_path / "own_rule.py").write_text(RULE)
    file = config(tmp_path, paper)
    file.write_text(file.read_text() + 'custom = ["own_rule:careless"]\n')
    environment = os.environ | {
        "PYTHONPATH": f"{tmp_path}{os.pathsep}{os.environ.get('PYTHONPATH', '')}"
    }
    checked = tried("check", "--config", file, env=environment, cwd=tmp_path)
    assert checked.returncode == 1
    told = " ".join(checked.stdout.split())
    line = f"{tmp_path / 'own_rule.py'}:3".replace(" ", "")
    assert line in told.replace(" ", "")
    assert "on a market buy, a market sell, a quote-sized buy of BTC-USD" in told
    with process("run", "--config", file, *places(tmp_path), "--json", env=environment) as made:
        bot = Client(json.loads(made.stdout.readline())["order_socket"], timeout_s=60)
        market = body() | {"order_configuration": {"market_market_ioc": {"base_size": "0.01"}}}
        for number in range(3):
            assert bot.validate_order(market | {"client_order_id": f"m-{number}"}).codes == (
                "CUSTOM",
            )
        bot.close()
        (tmp_path / "own_rule.py").write_text(RULE.replace("None if", "None if order.is_market or"))
        read = tried("reload", "--control-socket", tmp_path / "c.sock")
        assert (
            "the code of own_rule:careless changed too: the OLD code runs until the next"
            in " ".join(read.stdout.split())
        )
        log = ended(made)
    assert log.count("a rule of your own raised") == 1
    assert line in log


def test_systemd_is_told_and_kept_informed(paper, tmp_path):
    listening = sockets.socket(sockets.AF_UNIX, sockets.SOCK_DGRAM)
    listening.bind(str(tmp_path / "notify"))
    listening.settimeout(WITHIN_S)
    environment = os.environ | {
        "NOTIFY_SOCKET": str(tmp_path / "notify"),
        "WATCHDOG_USEC": "200000",
    }
    environment.pop("WATCHDOG_PID", None)
    arguments = ("run", "--config", config(tmp_path, paper), *places(tmp_path))
    with process(*arguments, env=environment) as made:
        heard = {listening.recv(100).decode() for _ in range(4)}
        assert heard == {"READY=1", "WATCHDOG=1"}
        made.send_signal(signal.SIGTERM)
        while listening.recv(100) != b"STOPPING=1":
            pass
        made.communicate(timeout=WITHIN_S)
    listening.close()


def test_a_hangup_without_a_terminal_has_the_configuration_read_anew(paper, tmp_path):
    """Faulty, it changes nothing."""
    file = config(tmp_path, paper)
    arguments = ("run", "--config", file, *places(tmp_path), "--json")
    with process(*arguments, start_new_session=True, preexec_fn=heeds_hangups) as made:
        bot = Client(json.loads(made.stdout.readline())["order_socket"], timeout_s=60)
        for limit, words in (("2000", "was read anew"), ("-1", "was not read anew")):
            text = file.read_text().partition("max_order_notional")[0]
            file.write_text(f"{text}max_order_notional = {limit}\n")
            made.send_signal(signal.SIGHUP)
            while f"the configuration {words}" not in made.stderr.readline():
                assert made.poll() is None
            assert json.loads(bytes(bot.ask("limits"))) == {"max_order_notional": "2000"}
        bot.close()
        ended(made)
        assert made.returncode == 0


def test_the_demo_runs_a_bot_and_ends_by_itself(tmp_path):
    run = tried("demo", "--duration", "3", "--json", "--state-dir", tmp_path)
    assert run.returncode == 0, run.stderr
    where = json.loads(run.stdout.splitlines()[0])
    assert {"rest_url", "ws_url", "order_socket", "control_socket", "state_dir", "key_file"} <= set(
        where
    )
    assert "approved" in run.stderr
    assert list(tmp_path.iterdir()) == []  # nothing of a demo stays


# --------------------------------------------------------------------------------- it cannot


def one_line(run, code=2):
    assert run.returncode == code, run.stderr
    assert "Traceback" not in run.stderr
    return run.stderr.strip().splitlines()[-1]


def test_without_a_configuration_it_says_how_to_get_one():
    assert "risk-sidecar init" in one_line(tried("run"))


def test_without_a_key_it_says_which_key_is_missing(tmp_path):
    path = tmp_path / "risk.toml"
    path.write_text("")
    assert "coinbase.key_file is not set" in one_line(tried("run", "--config", path))


def test_every_fault_of_a_configuration_is_told(tmp_path):
    path = tmp_path / "risk.toml"
    path.write_text("[limits]\nmax_leverage = -1\nmax_order_notionl = 5\n[server]\nlog = 'xml'\n")
    run = tried("run", "--config", path)
    assert run.returncode == 2
    for words in ("limits.max_leverage", "did you mean max_order_notional", "server.log"):
        assert words in run.stderr


def test_a_key_that_others_can_read_is_refused(paper, tmp_path):
    key = tmp_path / "key.json"
    key.write_text(Path(paper.urls["key_file"]).read_text())
    key.chmod(0o644)
    run = tried("run", "--config", config(tmp_path, paper, key_file=key), *places(tmp_path))
    assert "chmod 600" in one_line(run)


def test_a_second_one_on_the_same_state_is_refused(paper, tmp_path):
    arguments = ("run", "--config", config(tmp_path, paper), *places(tmp_path), "--json")
    with process(*arguments) as made:
        made.stdout.readline()
        assert "another sidecar keeps its state here" in one_line(tried(*arguments))


def test_a_second_one_on_the_same_socket_is_refused(paper, tmp_path):
    arguments = ("run", "--config", config(tmp_path, paper), *places(tmp_path), "--json")
    with process(*arguments) as made:
        made.stdout.readline()
        other = [*arguments[:3], "--state-dir", str(tmp_path / "other"), *arguments[5:]]
        assert "another sidecar listens here" in one_line(tried(*other))


def test_a_state_from_the_future_is_left_alone(paper, tmp_path):
    arguments = ("run", "--config", config(tmp_path, paper), *places(tmp_path), "--json")
    with process(*arguments) as made:
        made.stdout.readline()
        ended(made)
    state = tmp_path / "state" / "state.json"
    content = state.read_text().replace('"version": 1', '"version": 2')
    state.write_text(content)
    assert "has version 2, this sidecar reads 1" in one_line(tried(*arguments))
    assert state.read_text() == content


def test_without_a_network_it_runs_and_refuses(paper, tmp_path):
    nowhere = {
        "rest_url": "http://127.0.0.1:9",
        "ws_url": "ws://127.0.0.1:9",
        "ws_user_url": "ws://127.0.0.1:9",
    }
    path = config(tmp_path, paper, **nowhere)
    with process("run", "--config", path, *places(tmp_path), "--json") as made:
        bot = Client(tmp_path / "o.sock", timeout_s=60)
        until((tmp_path / "o.sock").exists)
        assert set(bot.validate_order(body()).codes) & {"NOT_READY", "UNKNOWN_PRODUCT"}
        bot.close()
        while "could not be read" not in (line := made.stderr.readline()):
            assert line, "the log says nothing of it"
        log = ended(made)
        assert made.returncode == 0, log


def test_a_key_that_coinbase_refuses_is_said_loudly(paper, tmp_path):
    (tmp_path / "other").mkdir(mode=0o700)
    write_key_files(tmp_path / "other")
    key = tmp_path / "other" / "key.json"
    renamed = json.loads(key.read_text())
    renamed["name"] = json.loads(Path(paper.urls["key_file"]).read_text())["name"]
    key.write_text(json.dumps(renamed))
    with process(
        "run", "--config", config(tmp_path, paper, key_file=key), *places(tmp_path), "--json"
    ) as made:
        lines: list[str] = []
        while not any("Coinbase refuses" in line for line in lines):
            lines.append(made.stderr.readline())
            assert lines[-1], lines
        bot = Client(tmp_path / "o.sock", timeout_s=60)
        assert not bot.validate_order(body())
        bot.close()


def test_a_client_of_no_sidecar_is_told_so(tmp_path):
    with pytest.raises(AskFailed, match="no sidecar listens"):
        Client(tmp_path / "o.sock", timeout_s=60).ask("ping")
