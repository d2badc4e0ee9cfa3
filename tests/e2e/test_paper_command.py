"""`risk-sidecar paper` as a user has it: a process, what it prints, how it ends."""

import contextlib
import json
import os
import re
import resource
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import urllib.request
from pathlib import Path

import pytest

COMMAND = Path(sys.executable).with_name("risk-sidecar")


@contextlib.contextmanager
def started(*options):
    process = subprocess.Popen(
        [COMMAND, "paper", *options], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def urls(process):
    return json.loads(process.stdout.readline())


def fetch(url):
    with urllib.request.urlopen(url, timeout=60) as answer:
        return json.load(answer)


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_it_says_where_it_is_and_ends_cleanly(how):
    with started("--json") as process:
        said = urls(process)
        assert set(said) == {
            "rest_url", "ws_url", "tls_rest_url", "tls_ws_url", "ca_file", "key_file", "state_dir",
        }  # fmt: skip
        assert fetch(said["rest_url"] + "/api/v3/brokerage/time")["iso"]
        directory = Path(said["state_dir"])
        assert directory == Path(said["key_file"]).parent
        assert stat.S_IMODE(directory.stat().st_mode) == 0o700
        for path in directory.glob("key*.json"):
            assert stat.S_IMODE(path.stat().st_mode) == 0o600
        process.send_signal(how)
        assert process.wait(timeout=60) == 0
        assert process.stderr.read() == ""
        assert not directory.exists()


# A shell that runs the tests in the background has its jobs ignore SIGINT, and they hand that on.
SIGNALLED = """
import os, signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)
from sidecar.console.app import main

_, module, number, directory = sys.argv

class Finder:
    def find_spec(self, name, path, target=None):
        if name == module:
            sys.meta_path.remove(self)
            os.kill(os.getpid(), int(number))

sys.meta_path.insert(0, Finder())
sys.argv = ["risk-sidecar", "paper", "--json", "--state-dir", directory]
main()
"""


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("module", ["uvloop", "sidecar.paper.service.paper"])
def test_it_ends_quietly_when_it_is_stopped_while_it_starts(how, module, tmp_path):
    """The signal comes as `module` is about to be imported: before the loop runs, and in it."""
    done = subprocess.run(
        [sys.executable, "-c", SIGNALLED, module, str(int(how)), str(tmp_path)],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stderr) in {(0, ""), (130, "")}
    assert list(tmp_path.iterdir()) == []


def test_two_do_not_meet():
    with started("--json") as one, started("--json") as two:
        first, second = urls(one), urls(two)
        assert not set(first.values()) & set(second.values())


def test_the_private_key_of_the_authority_is_nowhere_on_the_disk():
    with started("--json") as process:
        said = urls(process)
        for path in Path(said["ca_file"]).parent.iterdir():
            assert ("PRIVATE KEY" in path.read_text()) == path.name.startswith("key")


def test_people_are_shown_what_to_do_and_the_lines_are_true():
    """Each block is pasted as it stands: into a shell, and into Python started from that shell."""
    with started("--market", "random", "--set", "paper.balances.USD=5000") as process:
        text = ""
        while "docs/paper-exchange.md" not in text:
            text += process.stdout.readline()
        assert re.search(r"(?m)^market random:\d+, speed 1;", text)
        assert "the account holds 5,000 USD; requests: 30 a second with a key, 10 a" in text
        _, _, init, shell, sdk, feed, ccxt, hand, _ = [
            part.partition("\n")[2] for part in text.split("\n\n")
        ]
        python = f"""{sdk}
print(client.get_accounts().accounts[0].available_balance["value"])
{feed}
stream.open()
stream.heartbeats()
stream.close()
"""
        assert pasted(shell, python).startswith("5000\n")
        python = f"{ccxt}\nprint(exchange.fetch_balance({{'v3': True}})['USD']['free'])"
        assert pasted("", python) == "5000.0\n"
        with tempfile.TemporaryDirectory() as own:  # a socket's path is short
            assert "equity 5,000.00 USD" in pasted(f"cd {own}\n{init}", "")
        if shutil.which("curl") is not None:
            answers = pasted(f"{shell}\n{hand}", "")
            assert '"started":true' in answers
            assert '"too_many_requests":3' in answers


def pasted(shell, python):
    """What both print."""
    done = subprocess.run(
        ["sh", "-ec", f'{shell}\nexec "$0" -c "$1"', sys.executable, python],
        capture_output=True, text=True, timeout=60, check=False,
        env={name: os.environ[name] for name in ("PATH", "PYTHONPATH") if name in os.environ},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--market", "random:x"], "paper.market"),
        (["--market", "replay:no-such.csv"], "no-such.csv"),
        (["--speed", "fast"], "paper.speed"),
        (["--speed", "0"], "paper.speed"),
        (["--speed", "nan"], "paper.speed: NaN is not finite"),
        (["--set", "paper.taker_fee=nan"], "paper.taker_fee: NaN is not finite"),
        (["--set", "paper.balances.USD=1e500"], "write at most 20 digits before the point"),
        (["--set", "paper.colour=1"], "paper.colour"),
        (["--config", "no-such.toml"], "no-such.toml"),
        (["--state-dir", "/proc/no-such"], "--state-dir"),
        (["--colour"], "--colour"),
    ],
)
def test_what_is_wrong_is_one_line_with_its_mend(options, words):
    done = subprocess.run(
        [COMMAND, "paper", *options], capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert len(done.stderr.splitlines()) == 1
    assert words in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("room", [100, 500])
def test_a_disk_without_room_is_one_line_with_its_mend(tmp_path, room):
    """A limit on file size stands in for a full disk: keys need some 350 bytes, the certificate more."""

    def little_room():
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (room, room))

    done = subprocess.run(
        [COMMAND, "paper", "--state-dir", str(tmp_path)],
        capture_output=True, text=True, timeout=60, check=False, preexec_fn=little_room,
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (2, "")
    assert len(done.stderr.splitlines()) == 1
    assert "cannot be written (File too large)" in done.stderr
    assert not list(tmp_path.iterdir())


def test_a_port_in_use_is_named():
    with started("--json") as process:
        port = urls(process)["rest_url"].rpartition(":")[2]
        done = subprocess.run(
            [COMMAND, "paper", "--set", f"paper.port={port}"],
            capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip
    assert done.returncode == 2
    assert f"port {port} cannot be listened on" in done.stderr


def test_a_file_that_turns_out_damaged_ends_it_with_the_line_and_the_mend(tmp_path):
    path = tmp_path / "day.csv"
    good = "".join(
        f"2026-01-02T{n // 3600:02}:{n // 60 % 60:02}:{n % 60:02}Z,BTC-USD,100,1,101,1\n"
        for n in range(10_500)
    )
    header = "time,product_id,bid,bid_size,ask,ask_size\n"
    path.write_text(header + good + "2026-01-02T05:00:00Z,BTC-USD,oops,1,101,1\n")
    with started("--json", "--market", f"replay:{path}", "--speed", "10000") as process:
        urls(process)
        assert process.wait(timeout=60) == 2
        said = process.stderr.read()
    assert f"{path}, line 10502: bid" in said
    assert "Traceback" not in said


def test_a_configuration_meant_for_coinbase_meets_only_paper(tmp_path):
    """Hosts and keys of the file are ignored: a demo can never meet real money."""
    config = tmp_path / "live.toml"
    config.write_text('[coinbase]\nkey_file = "/no/such/key.json"\n[paper]\nbalances.USD = "5"\n')
    with started("--json", "--config", str(config)) as process:
        said = urls(process)
    assert all("127.0.0.1" in said[name] for name in ("rest_url", "ws_url"))
