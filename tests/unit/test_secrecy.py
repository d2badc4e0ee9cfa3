"""No value that looks like a key is ever printed."""

import base64
import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.config.faults import ConfigError
from sidecar.config.loader import parse_config
from sidecar.paper.service.keys import Scope, new_key
from sidecar.secrecy import looks_secret, struck

PEM = new_key("ES256", Scope.VIEW).private_pem
PKCS8 = new_key("EdDSA", Scope.VIEW).private_pem
SEED = "8d5K0Zm3vXq1bTnR7wYpLc2HfJg9sAeU4oMiXkQzVtE="
BOTH = "8d5K0Zm3vXq1bTnR7wYpLc2HfJg9sAeU4oMiXkQzVtEu9zJ2k1n9f3J5d8sQe7wVb5m0y4xTq2L6rC8pH1aG3Zg=="
TOKEN = "eyJhbGciOiJFUzI1NiJ9.eyJpc3MiOiJjZHAifQ.MEUCIQDf"
KEYS = {
    "a PEM": PEM,
    "another": PKCS8,
    "a PEM in one line": PEM.replace("\n", "\\n"),
    "a PEM's first half": PEM[: len(PEM) // 2],
    "a PEM's body": PEM.splitlines()[1],
    "a seed": SEED,
    "seed and public half": BOTH,
    "a key file": json.dumps({"name": "organizations/a/apiKeys/b", "privateKey": BOTH}),
    "a token": TOKEN,
}
COMMANDS = [
    ["{}"],
    ["run", "{}"],
    ["run", "--config", "{}"],
    ["run", "--config", "x", "--set", "{}"],
    ["run", "--config", "x", "--set", "paper.market={}"],
    ["run", "--config", "x", "--set", "coinbase.key_file={}"],
    ["paper", "--market={}"],
    ["paper", "--speed", "{}"],
    ["halt", "--{}"],
    ["validate", "{}"],
    ["check", "--config", "{}"],
    ["status", "--order-socket", "{}"],
    ["reset-loss", "{}"],
    ["journal", "show", "--since", "{}"],
    ["journal", "verify", "--state-dir", "{}"],
    ["var", "{}"],
]


def parts(key):
    """Twelve characters of it in a row, of the part that is random."""
    runs = re.findall(r"[A-Za-z0-9+/=]{32,}", key.replace("\\n", "\n")) or [key]
    return {run[at : at + 12] for run in runs for at in range(0, len(run) - 12, 6)}


@pytest.mark.parametrize("key", KEYS.values(), ids=KEYS)
@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_a_key_on_the_command_line_is_not_printed_back(run, key, command):
    code, output, errors = run(*(word.replace("{}", key) for word in command))
    assert (code, output) == (2, "")
    assert "an argument looks like a key" in errors
    assert not [part for part in parts(key) if part in errors]


@pytest.mark.parametrize("way", [["--reason", "lost {}"], ["--reason=lost {}"]])
def test_a_key_in_a_reason_is_struck_out_and_the_verb_goes_on(run, way):
    """It asks a socket that nobody listens at."""
    words = [word.replace("{}", SEED) for word in way]
    code, output, errors = run("halt", *words, "--control-socket", "/nowhere/control")
    assert (code, output) == (2, "")
    assert "struck out of the reason" in errors
    assert "/nowhere/control" in errors
    assert not [part for part in parts(SEED) if part in errors]


PATHS = [
    "/run/user/1000/RiskSidecar/Bot1/control.sock",
    "/srv/TradingDesk1/BotsA/GridBotV3/control.sock",
    "/mnt/c/Users/JohnSmith/OneDrive/TradingBots/CoinbaseV2/risk.toml",
]


@pytest.mark.parametrize("path", PATHS)
def test_an_ordinary_path_is_no_key(path):
    assert struck(f"{path} is not there") == f"{path} is not there"


@pytest.mark.parametrize("key", KEYS.values(), ids=KEYS)
@pytest.mark.parametrize("where", ["limits.max_order_notional", "server.log", "paper.market"])
def test_a_key_in_the_configuration_is_not_printed_back(key, where):
    """Nor in the place of a number; the mend is still told."""
    table, name = where.split(".")
    with pytest.raises(ConfigError) as caught:
        parse_config(f"[{table}]\n{name} = {json.dumps(key)}\n")
    text = str(caught.value)
    assert "; " in text
    assert not [part for part in parts(key) if part in text]


@given(st.binary(min_size=32, max_size=64))
def test_the_base64_of_anything_random_is_struck_out(content):
    """Of what is not random, a key of zeros, nobody need keep a secret."""
    if len(set(content)) > len(content) * 3 // 4:
        assert looks_secret(base64.b64encode(content).decode())


@pytest.mark.parametrize(
    "text",
    [
        "/var/lib/risk-sidecar/journal/000000000001.state.json.gz",
        "/Users/JohnSmith1/Documents/Trading/Sidecar/Configurations/live2",
        "/tmp/pytest-of-root/pytest-234/popen-gw0/test_where_nothing_can_be_read0",
        'limits.product."BTC-USD".max_position_notional',
        "organizations/6e1d3bb1-33c3-4a5d-9d0b-0f4f4f7b2a11/apiKeys/0b5f2e5a-8d9a-4c9b-8a6e-2f1c",
        "sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
        "THELONGESTWORDSINCAPITALSWITHOUTANYSPACE2026",
        "11111111111111111111111111111111111111111",
    ],
)  # fmt: skip
def test_paths_names_and_sums_are_told_as_they_are(text):
    assert struck(text) == text
