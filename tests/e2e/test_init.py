"""`risk-sidecar init` as a user has it: by flags, by questions on a terminal, and what comes of its file."""

import contextlib
import json
import os
import pty
import shutil
import stat
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path

import pytest

from risk_sidecar_client import Client
from tests.papers_service import running

COMMAND = Path(sys.executable).with_name("risk-sidecar")
WITHIN_S = 60
ORDER = {
    "client_order_id": "bot-1", "product_id": "BTC-USD", "side": "BUY",
    "order_configuration": {"limit_limit_gtc": {"base_size": "0.001", "limit_price": "60000"}},
}  # fmt: skip


@pytest.fixture(scope="module")
def paper(tmp_path_factory):
    balances = {"USD": "50000", "BTC": "1", "ETH": "2"}
    with running(tmp_path_factory.mktemp("exchange"), balances=balances) as made:
        made.hold("BTC-USD", "64000")
        made.hold("ETH-USD", "3000")
        yield made


@pytest.fixture
def place():
    """A directory with a path as short as a socket's must be; it is the machine's for temporary files too."""
    with tempfile.TemporaryDirectory() as own:
        yield Path(own)


@pytest.fixture
def call(place):
    def call(*words, **options):
        kept = {name: value for name, value in os.environ.items() if name != "RISK_SIDECAR_CONFIG"}
        return subprocess.run(
            [COMMAND, *map(str, words)], capture_output=True, text=True, timeout=WITHIN_S, check=False, cwd=place,
            env=kept | {"TMPDIR": str(place), "HOME": str(place)}, **{"stdin": subprocess.DEVNULL} | options,
        )  # fmt: skip

    return call


def named(paper, key="key.json"):
    """The exchange, by flags."""
    urls = paper.urls
    return [
        "--paper", "--rest-url", urls["rest_url"], "--ws-url", urls["ws_url"], "--key-file", paper.key_file(key),
    ]  # fmt: skip


def limits(place, name="risk.toml"):
    return tomllib.loads((place / name).read_text())["limits"]


@contextlib.contextmanager
def process(place, *words):
    made = subprocess.Popen(
        [COMMAND, *map(str, words)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=place,
        env=os.environ | {"TMPDIR": str(place), "HOME": str(place)},
    )  # fmt: skip
    try:
        yield made
    finally:
        made.terminate()
        made.communicate(timeout=WITHIN_S)


# --- By flags -------------------------------------------------------------------------------------


def test_a_running_paper_exchange_is_found_and_its_file_can_be_checked_and_run(place, call):
    with process(place, "paper", "--json") as exchange:
        urls = json.loads(exchange.stdout.readline())
        done = call("init", "--paper")
        assert done.returncode == 0, done.stderr
        file = place / "risk.toml"
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
        assert tomllib.loads(file.read_text())["coinbase"]["key_file"] == urls["key_file"]
        assert 'PAPER, portfolio "Paper"' in done.stdout
        assert "equity 100,000.00 USD" in done.stdout
        checked = call("check")
        assert checked.returncode == 0, checked.stdout + checked.stderr
        with process(place, *pasted(done, "run"), "--json") as sidecar:
            where = json.loads(sidecar.stdout.readline())
            assert f"Client({where['order_socket']!r})" in done.stdout
            with contextlib.closing(Client(where["order_socket"], timeout_s=WITHIN_S)) as bot:
                assert bot.validate_order(ORDER)
                dear = ORDER | {"client_order_id": "bot-2"}
                dear["order_configuration"] = {
                    "limit_limit_gtc": {"base_size": "0.1", "limit_price": "60000"}
                }
                assert bot.validate_order(dear).codes == ("MAX_ORDER_NOTIONAL",)


def pasted(done, verb):
    """The words after the program of the line that names this verb."""
    (line,) = [one for one in done.stdout.splitlines() if f" {verb} --config " in one]
    return line.split()[1:]


def test_limits_are_shares_of_the_equity_with_their_dollars_beside(place, call, paper):
    done = call("init", *named(paper))
    assert done.returncode == 0, done.stderr
    text = (place / "risk.toml").read_text()
    found = limits(place)
    assert found["max_order_notional"] == 5900  # 5 % of about 120,000, rounded down
    assert (found["max_daily_loss"], found["max_cumulative_loss"]) == (0.05, 0.25)
    equity = float(text.partition("an equity of ")[2].partition(" USD")[0].replace(",", ""))
    assert 119_000 < equity < 121_000
    assert f"max_daily_loss = 0.05  # {equity / 20:,.2f} USD today" in text
    assert tomllib.loads(text)["coinbase"]["follow"] == ["BTC-USD", "ETH-USD"]
    assert '# keep.BTC = "all"  # 1 held' in text
    assert "not set:" not in done.stdout


def test_a_limit_is_replaced_or_left_out_and_the_brake_that_it_was_is_named(place, call, paper):
    given = [
        "max_daily_loss=5000 USD", "max_cumulative_loss=none", "max_weekly_loss=0.1", "limits.max_open_orders=3",
    ]  # fmt: skip
    words = [word for one in given for word in ("--limit", one)]
    done = call("init", *named(paper), *words, "--config", "other.toml", "--follow", "sol-usd")
    assert done.returncode == 0, done.stderr
    found = limits(place, "other.toml")
    assert found["max_daily_loss"] == "5000 USD"
    assert (found["max_weekly_loss"], found["max_open_orders"]) == (0.1, 3)
    assert "max_cumulative_loss" not in found
    assert "not set: max_cumulative_loss. Nothing is ever sold by itself" in done.stdout
    assert "export RISK_SIDECAR_CONFIG=" in done.stdout  # no command finds it by its name
    assert tomllib.loads((place / "other.toml").read_text())["coinbase"]["follow"] == ["SOL-USD"]


def test_a_file_is_never_overwritten_unless_told(place, call, paper):
    (place / "risk.toml").write_text("mine")
    done = call("init", *named(paper))
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert "is there already" in done.stderr
    assert "--overwrite" in done.stderr
    assert (place / "risk.toml").read_text() == "mine"
    assert call("init", *named(paper), "--overwrite").returncode == 0
    assert limits(place)["max_leverage"] == 2


def test_what_cannot_be_is_one_line_with_its_fix_and_writes_nothing(place, call, paper):
    open_key = place / "open.json"
    shutil.copy(paper.key_file(), open_key)
    open_key.chmod(0o644)
    (place / "taken").write_text("")
    deep = place / ("d" * 90)
    cases = [
        ((), "needs --key-file FILE"),
        (("--paper",), "no paper exchange runs here"),
        (("--key-file", "/no/such.json", "--paper", *named(paper)[1:5]), "name the key file"),
        (("--paper", *named(paper)[1:5], "--key-file", open_key), "chmod 600"),
        (named(paper, "key-view.json"), "may not trade"),
        ((*named(paper), "--rest-url", "http://127.0.0.1:9"), "see the host"),
        ((*named(paper), "--rest-url", "http://example.com"), "in the clear"),
        (
            (*named(paper), "--rest-url", "https://example.com"),
            "--paper is for an exchange on this machine",
        ),
        (("--key-file", paper.key_file(), "--rest-url", "http://127.0.0.1:9"), "with --ws-url"),
        ((*named(paper), "--follow", "BTC-USDX"), "did you mean BTC-USD"),
        ((*named(paper), "--limit", "max_leverage"), "write NAME=VALUE"),
        ((*named(paper), "--limit", "max_levrage=3"), "did you mean max_leverage"),
        ((*named(paper), "--limit", "max_leverage=-3"), "set a positive number"),
        ((*named(paper), "--state-dir", place / "taken"), "is a file"),
        ((*named(paper), "--state-dir", deep), "--socket-dir"),
    ]
    for words, said in cases:
        done = call("init", *words)
        assert (done.returncode, done.stderr.count("\n")) == (2, 1), (words, done.stderr)
        assert said in done.stderr, (words, done.stderr)
        assert not (place / "risk.toml").exists()
    done = call("init", *named(paper), "--state-dir", deep, "--socket-dir", place / "s")
    assert done.returncode == 0, done.stderr


def test_a_key_that_may_transfer_is_warned_of(place, call, paper):
    done = call("init", *named(paper, "key-transfer.json"))
    assert done.returncode == 0, done.stderr
    assert "warning: the key may transfer" in done.stderr


def test_several_exchanges_are_told_apart_by_flags_only(place, call):
    with process(place, "paper", "--json") as one, process(place, "paper", "--json") as other:
        urls = [json.loads(made.stdout.readline())["rest_url"] for made in (one, other)]
        done = call("init", "--paper")
        assert done.returncode == 2
        assert all(url in done.stderr for url in urls)
        assert not (place / "risk.toml").exists()


# --- By questions ---------------------------------------------------------------------------------


def test_on_a_terminal_it_asks_proposes_and_asks_again_for_what_cannot_be(place, call, paper):
    answers = [
        "/no/such.json", paper.key_file(), "NOPE-USD", "eth-usd btc-usd",
        "1000", "", "0", "3", "", "none", "", "5", "0.02", "", "", str(place / "mine"),
    ]  # fmt: skip
    master, slave = pty.openpty()
    try:
        os.write(master, "".join(f"{one}\n" for one in answers).encode())
        done = call("init", *named(paper)[1:5], stdin=slave)
    finally:
        os.close(master)
        os.close(slave)
    assert done.returncode == 0, done.stderr
    found = limits(place)
    assert found["max_order_notional"] == 1000
    assert found["max_leverage"] == 3
    assert "max_order_rate" not in found
    assert found["max_daily_loss"] == 0.02
    for said in ("/no/such.json", "no product NOPE-USD", "limits.max_leverage: 0 is not greater"):
        assert said in done.stderr
    written = tomllib.loads((place / "risk.toml").read_text())
    assert written["state"]["dir"] == str(place / "mine")
    assert written["coinbase"]["follow"] == ["ETH-USD", "BTC-USD"]
    assert "not set: max_order_rate or max_notional_in" in done.stdout


def test_on_a_terminal_that_closes_nothing_is_written(place, call, paper):
    master, slave = pty.openpty()
    try:
        os.write(master, b"\x04")
        done = call("init", *named(paper), stdin=slave)
    finally:
        os.close(master)
        os.close(slave)
    assert (done.returncode, "nothing was written" in done.stderr) == (130, True)
    assert not (place / "risk.toml").exists()
