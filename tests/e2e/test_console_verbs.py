"""Every verb as a user has it: processes beside a running sidecar on a running exchange.

One demo serves the whole file; each test leaves it ACTIVE.
"""

import json
import os
import socket
import subprocess
import sys
import threading
from pathlib import Path

import pytest

COMMAND = Path(sys.executable).with_name("risk-sidecar")
WHY = ("--reason", "a test")
# Between two commands an approval must not lapse, however slow the machine: as long as the
# configuration allows, seconds.
LASTING = ("--set", "server.reservation_s=300")


@pytest.fixture(scope="module")
def demo(tmp_path_factory):
    """Where a running demo without a bot is."""
    log = tmp_path_factory.mktemp("demo") / "log"
    with log.open("w") as errors:
        process = subprocess.Popen(
            [COMMAND, "demo", "--no-bot", "--json", "--market", "random:7", *LASTING],
            stdout=subprocess.PIPE, stderr=errors, text=True,
        )  # fmt: skip
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        assert line, log.read_text()
        yield json.loads(line)
    finally:
        process.terminate()
        process.communicate(timeout=60)


@pytest.fixture
def run(demo):
    """Run a verb over the control socket, `bot` over the order socket, `journal` on its state."""

    def call(*words, given="", where=("--control-socket", demo["control_socket"]), width=80):
        return subprocess.run(
            [COMMAND, *words, *where], input=given, capture_output=True, text=True, timeout=60,
            check=False, env={**os.environ, "COLUMNS": str(width)},
        )  # fmt: skip

    return call


@pytest.fixture
def bot(run, demo):
    def call(*words, given=""):
        where = ("--order-socket", demo["order_socket"])
        return run("validate", *words, given=given, where=where)

    return call


@pytest.fixture
def journal(run, demo):
    def call(*words):
        return run("journal", *words, where=("--state-dir", demo["state_dir"]))

    return call


def body(size="0.001", **fields):
    terms = {"market_market_ioc": {"base_size": size}}
    order = {
        "client_order_id": f"v{size}",
        "product_id": "BTC-USD",
        "side": "BUY",
        "order_configuration": terms,
    }
    return json.dumps(order | fields, indent=2)  # as people write it: on many lines


def is_one_line(done, *words, code=2):
    assert (done.returncode, done.stdout) == (code, ""), done
    assert done.stderr.count("\n") == 1
    assert "Traceback" not in done.stderr
    for word in words:
        assert word in done.stderr
    return True


# --- Views ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("verb", ["status", "positions", "limits"])
def test_a_view_is_one_line_of_json_or_a_page(run, demo, verb):
    done = run(verb, "--json")
    assert (done.returncode, done.stderr, done.stdout.count("\n")) == (0, "", 1)
    assert isinstance(json.loads(done.stdout), dict)
    page = run(verb, where=("--order-socket", demo["order_socket"]))
    assert (page.returncode, page.stderr) == (0, "")
    assert {"status": "ACTIVE", "positions": "USD", "limits": "max_leverage"}[verb] in page.stdout


def test_nobody_there_is_one_line_with_its_mend(run):
    assert is_one_line(run("status", where=("--control-socket", "/no/such.sock")), "no sidecar")


def test_what_the_portfolio_risks_is_one_line_of_json_or_a_page(run):
    view = json.loads(run("var", "report", "--json").stdout)
    assert {"var", "expected_shortfall", "stress_loss", "equity", "components"} <= view.keys()
    page = run("var", "report")
    assert (page.returncode, page.stderr) == (0, "")
    for words in ("Portfolio risk", "value at risk", "Returns of the history", "BTC-USD 250"):
        assert words in page.stdout
    assert max(map(len, page.stdout.splitlines())) <= 80


def test_a_narrow_terminal_is_kept_to(run):
    for verb in ("status", "positions"):
        assert all(len(line) <= 50 for line in run(verb, width=50).stdout.splitlines())


def test_the_configuration_says_where_to_ask(run, demo, tmp_path):
    config = tmp_path / "c.toml"
    config.write_text(f'[server]\ncontrol_socket = "{demo["control_socket"]}"\n')
    assert run("status", where=("--config", str(config))).returncode == 0


# --- One order ------------------------------------------------------------------------------------


def test_an_order_is_approved_refused_or_not_asked(bot):
    approved = bot("--dry-run", given=body())
    assert approved.returncode == 0, approved
    assert "APPROVED" in approved.stdout
    refused = bot("--json", "--strategy", "trend", given=body("5"))
    assert refused.returncode == 1
    codes = [one["code"] for one in json.loads(refused.stdout)["violations"]]
    assert "MAX_ORDER_NOTIONAL" in codes


def test_without_a_dry_run_it_reserves_as_a_bot_would(bot, run, tmp_path):
    file = tmp_path / "order.json"
    file.write_text(body("0.002"))
    assert bot(str(file)).returncode == 0
    positions = json.loads(run("positions", "--json").stdout)
    assert [one["client_order_id"] for one in positions["reservations"]] == ["v0.002"]
    assert json.loads(bot("--json", str(file)).stdout)["replayed"]


def test_what_is_no_order_is_one_line(bot):
    assert is_one_line(bot(given=""), "is empty")
    assert is_one_line(bot(given=" " * 70_000), "larger than 64 KiB")


def test_what_was_typed_is_what_is_judged(bot):
    """Numbers keep their digits on the way, and an order that is none is refused, not an error."""
    done = bot("--json", given='{"client_order_id": 1.10, "a": 1e999}')
    assert done.returncode == 1
    assert not json.loads(done.stdout)["approved"]


# --- Operators ------------------------------------------------------------------------------------


def test_halt_and_resume(run, bot):
    halted = run("halt", "--reason", "lunch", "--json")
    assert (halted.returncode, json.loads(halted.stdout)["state"]) == (0, "HALTED")
    assert bot("--dry-run", given=body()).returncode == 1
    status = run("status").stdout
    assert "lunch" in status
    assert "fix: resume" in status
    resumed = run("resume", *WHY)
    assert resumed.returncode == 0
    assert "ACTIVE" in resumed.stdout


def test_reduce_only_of_one_product(run):
    assert run("reduce-only", "--product", "BTC-USD", *WHY).returncode == 0
    (cause,) = json.loads(run("status", "--json").stdout)["causes"]
    assert cause["scope"] == "product:BTC-USD"
    unknown = run("reduce-only", "--product", "NO-USD", *WHY)
    assert unknown.returncode == 1
    assert "not done" in unknown.stdout
    assert run("resume", *WHY).returncode == 0


def test_the_other_verbs_say_what_they_did(run):
    assert "none is open" in run("cancel-all", *WHY).stdout
    assert "counts from now" in run("reset-loss", "daily", *WHY).stdout
    scoped = run("reset-loss", "daily", "--product", "BTC-USD").stdout
    assert "the daily loss of BTC counts from now" in scoped
    reloaded = run("reload", *WHY)
    assert reloaded.returncode == 0
    assert reloaded.stderr.startswith('PAPER, portfolio "Paper" ')
    confirmed = run("confirm-loosening", *WHY)
    assert confirmed.returncode == 1
    assert "not done  no looser limits are queued" in confirmed.stdout
    assert "printable characters" in run("halt", "--reason", "a\nb").stderr


def test_a_verb_needs_no_reason_and_says_which_sidecar_it_reached(run, demo):
    halted = run("halt")
    assert halted.returncode == 0
    assert halted.stderr.startswith('PAPER, portfolio "Paper" ')
    assert halted.stderr.endswith(f"{demo['control_socket']}\n")
    assert "no reason given" in run("status").stdout
    assert run("resume").returncode == 0


def test_the_only_demo_is_found_by_itself(demo, tmp_path):
    """Where no configuration is named or lies in a usual place."""
    here = {
        "HOME": str(tmp_path),
        "PATH": os.environ["PATH"],
        "TMPDIR": str(Path(demo["control_socket"]).parents[1]),
    }
    others = list(Path(here["TMPDIR"]).glob("risk-sidecar-run-*/control.sock"))
    found = subprocess.run(
        [COMMAND, "status"], env=here, cwd=tmp_path, capture_output=True, text=True, timeout=60,
        check=False,
    )  # fmt: skip
    if found.returncode:  # another demo of this user's runs
        assert len(others) > 1
        assert "several sidecars may be meant" in found.stderr
        assert demo["control_socket"] in found.stderr
    else:
        assert "ACTIVE" in found.stdout


def test_flatten_asks_first_and_ends_with_a_report(run, bot):
    is_one_line(run("flatten", *WHY), "write --yes where nobody can answer")
    done = run("flatten", "--yes", *WHY)
    assert done.returncode == 0, done.stderr
    assert "the account is flat (flatten by " in done.stdout
    assert "HALTED" in run("status").stdout
    again = run("flatten", "--yes", "--json", *WHY)
    report = json.loads(again.stdout)
    assert (again.returncode, report["outcome"], report["key"]) == (0, "flat", None)
    assert bot("-", given=body()).returncode == 1
    assert run("resume", *WHY).returncode == 0


def test_flatten_unasked_names_its_sidecar(tmp_path):
    done = subprocess.run(
        [COMMAND, "flatten", "--yes"], cwd=tmp_path, capture_output=True, text=True, timeout=60,
        check=False,
    )  # fmt: skip
    assert is_one_line(done, "name the sidecar with --config or --control-socket")


@pytest.mark.parametrize(
    ("typed", "code"), [(b"yes", 1), (b"paper", 1), (b"\x04", 130), (b"Paper", 0)]
)
def test_flatten_asks_whoever_is_there_for_the_portfolios_name(run, demo, typed, code):
    """On a terminal: nothing but the name is a yes."""
    master, slave = os.openpty()
    command = [COMMAND, "flatten", *WHY, "--control-socket", demo["control_socket"]]
    process = subprocess.Popen(command, stdin=slave, stdout=slave, stderr=slave)
    os.write(master, typed + b"\n")
    assert process.wait(timeout=60) == code
    said = os.read(master, 65_536).decode()
    assert "type the portfolio's name, Paper" in said
    assert ("nothing was sold" in said) == (code != 0)
    os.close(master)
    os.close(slave)
    assert ("HALTED" in run("status").stdout) == (code == 0)
    assert run("resume").returncode == 0


def test_a_bots_socket_takes_no_orders_from_operators(run, demo):
    done = run("halt", *WHY, where=("--control-socket", demo["order_socket"]))
    assert (done.returncode, done.stdout) == (2, "")
    assert "ask it on the control socket" in done.stderr


# --- The journal ----------------------------------------------------------------------------------


def test_the_journal_of_a_running_sidecar_is_shown(journal, bot):
    bot("--json", given=body())  # a decision at least, whatever the demo's bot has asked so far
    shown = journal("show", "-n", "5")
    assert (shown.returncode, shown.stdout.count("\n")) == (0, 5)
    rows = [
        json.loads(line)
        for line in journal("show", "--json", "--type", "decided").stdout.splitlines()
    ]
    assert {row["type"] for row in rows} == {"Decided"}
    assert journal("show", "--until", "2020-01-01").stdout == ""
    assert "Started" in journal("show", "--since", "2020-01-01").stdout


def test_the_journal_is_asked_for_refusals_and_for_one_order(journal, bot):
    assert bot(given=body("5", client_order_id="much")).returncode == 1
    assert bot("--dry-run", given=body("0.001", client_order_id="much-less")).returncode == 0

    def lines(*words):
        return [json.loads(line) for line in journal("show", "--json", *words).stdout.splitlines()]

    refused = lines("--refused", "--since", "10m")
    assert not any(row["decision"]["approved"] for row in refused)
    assert "much" in {row["decision"]["client_order_id"] for row in refused}
    assert [row["type"] for row in lines("--order", "much")] == ["OrderProposed", "Decided"]
    assert not lines("--order", "mu")
    assert not lines("--order", "much", "--until", "10m")
    assert lines("--since", "00:00", "--order", "much-less")


def test_the_journal_of_a_running_sidecar_is_whole_and_the_same_again(journal):
    whole = journal("verify", "--json")
    assert (whole.returncode, json.loads(whole.stdout)["whole"]) == (0, True)
    again = journal("replay")
    assert again.returncode == 0, again
    assert "the same, to the last digit" in again.stdout


def test_other_limits_are_tried_on_the_record(journal, bot, tmp_path):
    assert bot("--dry-run", given=body("0.03")).returncode == 0
    limits = tmp_path / "tight.toml"
    limits.write_text("[limits]\nmax_order_notional = 1500\n")
    tried = journal("replay", "--limits", str(limits))
    assert tried.returncode == 0
    assert "v0.03 BUY 0.03 BTC-USD: then approved; now refused (MAX_ORDER_NOTIONAL)" in tried.stdout
    row = json.loads(journal("replay", "--json", "--limits", str(limits)).stdout)
    assert row["refused_now"] >= 1


def test_a_reader_that_leaves_early_is_no_error(demo):
    command = f"{COMMAND} journal show -n 5000 --state-dir {demo['state_dir']} | head -n 1"
    done = subprocess.run(
        ["sh", "-c", command], capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.stdout.count("\n"), done.stderr) == (1, "")


# --- Pre-flight -----------------------------------------------------------------------------------


@pytest.fixture
def config(demo, tmp_path):
    path = tmp_path / "check.toml"
    path.write_text(
        f'[coinbase]\nrest_url = "{demo["rest_url"]}"\nkey_file = "{demo["key_file"]}"\n'
        f'ws_url = "{demo["ws_url"]}"\nws_user_url = "{demo["ws_url"]}"\n'
        'follow = ["NO-USD"]\n[limits]\nmax_order_notional = 5000\n'
        f'[state]\ndir = "{tmp_path}"\n'
        f'[server]\norder_socket = "{tmp_path}/o"\ncontrol_socket = "{tmp_path}/c"\n'
    )
    return path


def test_a_check_is_fine_and_sends_nothing(run, config):
    done = run("check", "--config", str(config), where=())
    assert (done.returncode, done.stderr) == (0, "")
    for part in ("CLOCK_SKEW", "names NO-USD", "nothing to sell", "ready, with warnings"):
        assert part in done.stdout
    row = json.loads(run("check", "--json", "--config", str(config), where=()).stdout)
    assert row["open_orders"] == 0


@pytest.mark.parametrize(
    ("overrides", "code", "said"),
    [
        (["coinbase.key_file=/no/such"], 1, "KEY_FILE critical"),
        (['limits.custom=["no.such:rule"]'], 1, "CUSTOM_RULE critical"),
        (["state.dir=/" + "x" * 300], 1, "NOT_ITS_OWN critical"),
        (["coinbase.ws_url=ws://127.0.0.1:1"], 1, "WEBSOCKET critical"),
        (["limits.max_daily_loss=0.5"], 0, "for 5 % write 0.05"),
        (["coinbase.rest_url=http://127.0.0.1:1"], 2, "cannot be reached"),
        (["limits.max_leverage=-1", "server.colour=1"], 2, "unknown key"),
    ],
)
def test_a_check_says_what_is_in_the_way(run, config, overrides, code, said):
    options = [word for one in overrides for word in ("--set", one)]
    done = run("check", "--config", str(config), *options, where=())
    assert done.returncode == code
    assert said in done.stdout + done.stderr
    assert "Traceback" not in done.stderr


def test_certificates_that_cannot_be_used_are_one_line_with_the_fix(config, tmp_path):
    (tmp_path / "empty.pem").write_text("")
    for place in ("/no/such.pem", str(tmp_path / "empty.pem")):
        done = subprocess.run(
            [COMMAND, "check", "--config", str(config), "--set", "coinbase.rest_url=https://127.0.0.1:1"],
            capture_output=True, text=True, timeout=60, check=False, env={**os.environ, "SSL_CERT_FILE": place},
        )  # fmt: skip
        assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1), done.stderr
        assert f"SSL_CERT_FILE names {place}, which cannot be used" in done.stderr
        assert "name a PEM file, or unset SSL_CERT_FILE" in done.stderr


def test_a_user_that_may_not_ask_is_told_so_however_soon_the_sidecar_closes(tmp_path):
    """Its refusal lies there to be read, although the question cannot be sent any more."""
    path = Path("o.sock")  # below here: its path is short
    here = Path.cwd()
    os.chdir(tmp_path)
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as server:
            server.bind(str(path))
            server.listen()

            def refuse():
                peer, _ = server.accept()
                with peer:
                    peer.sendall(
                        b'{"id":null,"error":{"code":-32600,"message":"user 7 may not ask here"}}\n'
                    )

            refusing = threading.Thread(target=refuse)
            refusing.start()
            process = subprocess.Popen(
                [sys.executable, "-c", LATE, str(path)], stdin=subprocess.PIPE, stderr=subprocess.PIPE, text=True
            )  # fmt: skip
            refusing.join(timeout=60)
            _, errors = process.communicate("go\n", timeout=60)
    finally:
        os.chdir(here)
    assert errors == "risk-sidecar: user 7 may not ask here\n"


# Asks once it is told to: after the sidecar has closed.
LATE = """
import sys
from sidecar.console import asking
from sidecar.console.app import main

asking._check_server = lambda _peer, _path: sys.stdin.readline()
sys.argv = ["risk-sidecar", "status", "--control-socket", sys.argv[1]]
main()
"""
