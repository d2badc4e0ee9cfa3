"""A start whose configuration cannot be used: with money at stake it goes on with the last good one, else it is refused."""

import json
import signal
import subprocess
import sys
from contextlib import contextmanager

import pytest

from risk_sidecar_client import AskFailed, Client
from tests.papers_service import running, until

WITHIN_S = 120
COMMAND = [sys.executable, "-m", "sidecar"]
LIMITS = "[limits]\nmax_order_notional = 5000\n"


@pytest.fixture(scope="module")
def paper(tmp_path_factory):
    with running(
        tmp_path_factory.mktemp("exchange"), balances={"USD": "100000", "BTC": "1"}
    ) as made:
        yield made


class Desk:
    """A working directory with a configuration file; its state, as by default, in `state`."""

    def __init__(self, directory, paper):
        urls = paper.urls
        hosts = {
            "rest_url": urls["rest_url"],
            "ws_url": urls["ws_url"],
            "ws_user_url": urls["ws_url"],
            "key_file": urls["key_file"],
        }
        lines = [f"{name} = {json.dumps(str(value))}\n" for name, value in hosts.items()]
        self.directory = directory
        self.woken = directory / "woken"
        wake = directory / "wake"
        wake.write_text(f"#!/bin/sh\ncat >> {self.woken}\n")
        wake.chmod(0o700)
        self.tables = (
            "[coinbase]\n" + "".join(lines) + 'follow = ["BTC-USD"]\n'
            "[state]\nsnapshot_s = 1\n[var]\nhistory = 100\n"
            f"[alerts]\ncommand = [{json.dumps(str(wake))}]\n"
        )
        self.file = directory / "risk.toml"
        self.write(LIMITS)

    def write(self, limits):
        self.file.write_text(self.tables + limits)

    def command(self, *arguments):
        return [*COMMAND, *arguments, "--config", str(self.file)]

    def tried(self, *arguments):
        return subprocess.run(
            self.command(*arguments), cwd=self.directory, capture_output=True, text=True,
            timeout=WITHIN_S, check=False,
        )  # fmt: skip

    @contextmanager
    def running(self, *arguments, number=signal.SIGKILL):
        """Until the block ends, by this signal. The block begins when it has told where it is."""
        with open(self.directory / "log", "a", encoding="utf-8") as log:  # noqa: PTH123
            made = subprocess.Popen(
                [*self.command("run"), "--json", *arguments], cwd=self.directory, text=True,
                stdout=subprocess.PIPE, stderr=log,
            )  # fmt: skip
            assert made.stdout is not None
            try:
                where = json.loads(made.stdout.readline() or "{}")
                assert where, (self.directory / "log").read_text()
                operator = Client(where["control_socket"], timeout_s=WITHIN_S)
                yield operator
                operator.close()
            finally:
                made.send_signal(number)
                made.wait(WITHIN_S)
                made.stdout.close()

    @property
    def kept(self):
        return self.directory / "state" / "configuration.json"


def asked(operator, method, **params):
    return json.loads(bytes(operator.ask(method, **params)))


def causes(operator):
    return {cause["code"]: cause["reason"] for cause in asked(operator, "status")["causes"]}


def quantities(operator):
    return [float(row["quantity"]) for row in asked(operator, "positions")["positions"]]


def order(side, name):
    return {
        "client_order_id": name, "product_id": "BTC-USD", "side": side,
        "order_configuration": {"market_market_ioc": {"base_size": "0.001"}},
    }  # fmt: skip


@pytest.fixture
def desk(paper, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return Desk(tmp_path, paper)


@pytest.fixture
def held(desk):
    """A sidecar has run with a good file, holds coins, and was killed."""
    with desk.running() as operator:
        until(desk.kept.exists, WITHIN_S)
        assert any(quantities(operator))
    return desk


def broken_by(desk, how):
    """The arguments to start with."""
    if how == "syntax":
        desk.file.write_text("[limits\n" + desk.tables)
    elif how == "missing":
        desk.file.unlink()
    elif how == "unknown keys and bad limits":
        desk.write("[limits]\nmax_leverage = -1\nmax_order_notionl = 5\n")
    elif how == "no key":
        desk.file.write_text(LIMITS)
    elif how == "a key that is not there":
        desk.file.write_text(
            desk.file.read_text().replace("key_file = ", 'key_file = "/no/such" # ')
        )
    elif how == "a rule that is not there":
        desk.write(LIMITS + 'custom = ["no_such_module:rule"]\n')
    elif how == "override":
        return ("--set", "limits.max_leverage=-1")
    return ()


@pytest.mark.parametrize(
    ("how", "told"),
    [
        ("syntax", ["not TOML"]),
        ("missing", ["no such file"]),
        ("unknown keys and bad limits", ["limits.max_leverage", "did you mean max_order_notional"]),
        ("no key", ["coinbase.key_file is not set"]),
        ("a key that is not there", ["/no/such"]),
        ("a rule that is not there", ["custom rule 'no_such_module:rule'"]),
        ("override", ["limits.max_leverage"]),
    ],
)
def test_with_a_position_it_starts_reduce_only_tells_every_fault_and_a_good_file_lifts_it(
    held, how, told
):
    """At every start, also after one that was killed."""
    arguments = broken_by(held, how)
    before = held.kept.read_bytes()
    with held.running(*arguments) as operator:
        assert "CONFIG" in causes(operator)
    with held.running(*arguments) as operator:
        reason = causes(operator)["CONFIG"]
        assert all(words in reason for words in told)
        assert asked(operator, "status")["state"] == "REDUCE_ONLY"
        assert asked(operator, "limits")["max_order_notional"] == "5000"
        refused = operator.validate_order(order("BUY", "more"), dry_run=True)
        assert "STATE_REDUCE_ONLY" in refused.codes
        assert operator.validate_order(order("SELL", "less"), dry_run=True)
        until(
            lambda: held.woken.exists() and all(w in held.woken.read_text() for w in told), WITHIN_S
        )
        log = (held.directory / "log").read_text()
        assert all(words in log for words in told)
        assert held.kept.read_bytes() == before
        assert held.tried("status").returncode == 0  # operators find its socket all the same
        if how == "override":  # it is of the command line, which only another start changes
            with pytest.raises(AskFailed, match=r"limits\.max_leverage"):
                operator.ask("reload", reason="the same")
            return
        with pytest.raises(AskFailed):
            operator.ask("reload", reason="not mended yet")
        held.write("[limits]\nmax_order_notional = 4000\n")
        assert asked(operator, "reload", reason="mended")["done"]
        assert causes(operator) == {}
        assert asked(operator, "limits")["max_order_notional"] == "4000"


def test_a_flattening_on_disk_is_finished(desk, tmp_path_factory):
    balances = {"USD": "1000", "BTC": "1"}
    with running(tmp_path_factory.mktemp("sold"), balances=balances) as sold:
        made = Desk(desk.directory, sold)
        with made.running() as operator:
            until(made.kept.exists, WITHIN_S)
            assert any(quantities(operator))
            assert asked(operator, "flatten", reason="out")["done"]
        made.file.write_text("[limits\n")
        with made.running() as operator:
            until(lambda: "LIQUIDATED" in causes(operator), WITHIN_S)
            assert "not TOML" in causes(operator)["CONFIG"]
            assert not any(quantities(operator))


def refusal(run):
    assert run.returncode == 2, run.stderr
    assert "Traceback" not in run.stderr
    return run.stderr


def test_a_state_directory_that_the_file_no_longer_tells_is_named_on_the_command_line(held):
    (held.directory / "state").rename(held.directory / "elsewhere")
    held.file.write_text("[limits\n")
    assert "name the directory with --state-dir" in refusal(held.tried("run"))
    with held.running("--state-dir", "elsewhere") as operator:
        assert "CONFIG" in causes(operator)
        assert "name the sidecar's socket with --control-socket" in refusal(held.tried("status"))


def test_check_and_rebuild_stay_refused(held):
    held.write("[limits]\nmax_leverage = -1\n")
    for arguments in (("check",), ("run", "--rebuild")):
        assert "limits.max_leverage" in refusal(held.tried(*arguments))
    assert not list(held.directory.glob("state/damaged-*"))


def test_with_nothing_at_stake_it_is_refused(desk, tmp_path_factory):
    directory = tmp_path_factory.mktemp("poor")
    with running(directory, balances={"USD": "1000"}) as poor:
        made = Desk(desk.directory, poor)
        with made.running() as operator:
            until(made.kept.exists, WITHIN_S)
            assert not any(quantities(operator))
        made.write("[limits]\nmax_leverage = -1\n")
        assert "limits.max_leverage" in refusal(made.tried("run"))
