"""What the README shows is what happens."""

import contextlib
import json
import os
import re
import subprocess
import sys
from pathlib import Path

from risk_sidecar_client import Client

ROOT = Path(__file__).parents[2]
COMMAND = Path(sys.executable).with_name("risk-sidecar")
PACKAGE = {
    "PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'client'}"
}  # the one under test, if another is installed
README = (ROOT / "README.md").read_text(encoding="utf-8")
BOT, LIBRARY = re.findall(r"```python\n(.*?)```", README, re.DOTALL)


def python(code, cwd, **environment):
    return subprocess.run(
        [sys.executable, "-c", code],
        cwd=cwd,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )


@contextlib.contextmanager
def demonstration(*options):
    """A running `demo` without its bot, and where everything of it is."""
    demo = subprocess.Popen(
        [COMMAND, "demo", "--no-bot", "--json", "--config", ROOT / "config" / "paper.toml", *options],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        assert demo.stdout is not None
        yield json.loads(demo.stdout.readline())
    finally:
        demo.terminate()
        demo.communicate(timeout=60)


def test_the_library_example_prints_what_it_says(tmp_path):
    """Every comment line under a print is that print's output."""
    run = python(LIBRARY, tmp_path)
    promised = [line[2:] for line in LIBRARY.splitlines() if line.startswith("# ")]
    assert run.stdout.splitlines() == promised
    assert (tmp_path / "state.json").exists()


def test_the_bot_sends_what_is_approved_and_says_why_not(tmp_path):
    """The example, with the demonstration's socket, key and exchange in the place of the real ones."""
    with demonstration() as where:
        host = where["tls_rest_url"].removeprefix("https://")
        code = BOT.replace("/run/risk-sidecar/order.sock", where["order_socket"]).replace(
            'key_file="bot-key.json"', f'key_file="{where["key_file"]}", base_url="{host}"'
        )
        larger = code.replace('"bot-1"', '"bot-2"').replace('"0.01"', '"1"')
        assert python(code, tmp_path, REQUESTS_CA_BUNDLE=where["ca_file"]).stdout == ""
        refused = python(larger, tmp_path, REQUESTS_CA_BUNDLE=where["ca_file"]).stdout
        client = Client(where["order_socket"], timeout_s=60)
        orders = json.loads(bytes(client.ask("positions")))["open_orders"]
        client.close()
    assert [order["client_order_id"] for order in orders] == ["bot-1"]
    assert refused.startswith("('MAX_ORDER_NOTIONAL', 'MAX_POSITION_NOTIONAL')")


def test_the_operators_commands_do_what_they_say(tmp_path):
    with demonstration() as where:
        config = tmp_path / "risk.toml"
        config.write_text(f'[server]\ncontrol_socket = "{where["control_socket"]}"\n')
        shown = re.findall(r"^\$ risk-sidecar ((?:status|halt) .*)$", README, re.MULTILINE)
        assert len(shown) == 2
        for line, says in zip(shown, ("ACTIVE", "HALTED"), strict=True):
            words = [word.strip('"') for word in re.findall(r'"[^"]*"|\S+', line)]
            done = subprocess.run(
                [COMMAND, *words],
                cwd=tmp_path,
                capture_output=True,
                text=True,
                timeout=60,
                check=True,
            )
            assert says in done.stdout


def test_the_demonstration_runs_to_its_end():
    """What `make run` starts, for a while."""
    run = subprocess.run(
        [COMMAND, "demo", "--config", "config/paper.toml", "--duration", "3"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert "order socket" in run.stdout
    assert "risk-sidecar status --control-socket" in run.stdout
    assert re.search(r"bot  (BUY|SELL).* (approved|refused) ", run.stderr)


def test_what_the_demonstration_prints_can_be_copied(tmp_path):
    """Into a terminal that is elsewhere, and knows nothing of the virtual environment."""
    demo = subprocess.Popen(
        [os.path.relpath(COMMAND, ROOT), "demo", "--no-bot", "--config", "config/paper.toml"],
        cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
    )  # fmt: skip
    try:
        assert demo.stdout is not None
        lines = iter(demo.stdout.readline, "")
        line = next(line for line in lines if " status --control-socket " in line)
        done = subprocess.run(
            line, shell=True, cwd=tmp_path, env={"PATH": "/usr/bin:/bin", **PACKAGE},
            capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip
    finally:
        demo.terminate()
        demo.communicate(timeout=60)
    assert (done.returncode, done.stderr) == (0, "")
    assert "ACTIVE" in done.stdout
