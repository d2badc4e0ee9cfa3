"""The last good configuration: what of one is kept, and which start may go on with it."""

import json
from pathlib import Path

import pytest

from sidecar.config.example import example
from sidecar.config.loader import load_config, parse_config
from sidecar.config.tables import Config
from sidecar.core.vocabulary.errors import Misuse
from sidecar.daemon.last_good import Given, keep, last_good

FAULT = Misuse("limits.max_leverage: is bad; set another")
FULL = """
[coinbase]
rest_url = "https://api.example.com"
key_file = "keys/key.json"
requests_per_s = 7
[server]
order_socket = "run/o.sock"
control_socket = "/run/risk/c.sock"
socket_mode = "0600"
allowed_uids = [7, 8]
[server.bots.grid]
uids = [7]
[positions]
keep.BTC = "0.5"
keep.ETH = "all"
[limits]
custom = ["tests.everything:rule"]
max_order_notional = 5
[liquidation]
assets = ["BTC"]
confirm_s = 3
[var]
confidence = 0.95
"""


@pytest.fixture
def place(tmp_path, monkeypatch):
    """A working directory whose `state` is the default place."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "state").mkdir(mode=0o700)
    return tmp_path


def kept(place, text=FULL, name="risk.toml"):
    """The file has this text, and a sidecar has started with it."""
    file = place / name
    file.write_text(text)
    config = load_config(file)
    (place / config.state.dir).mkdir(mode=0o700, exist_ok=True)
    keep(place / config.state.dir / "configuration.json", config, file)
    return Given(file), config


def test_it_comes_back_with_places_that_do_not_hang_on_the_working_directory(place):
    given, config = kept(place)
    given.file.write_text("[limits")
    found = last_good(given, FAULT)
    for name in ("positions", "liquidation", "var"):
        assert getattr(found, name) == getattr(config, name)
    assert found.coinbase == config.coinbase.model_copy(
        update={"key_file": place / "keys" / "key.json"}
    )
    assert found.server.order_socket == place / "run" / "o.sock"
    assert found.server.control_socket == Path("/run/risk/c.sock")
    assert (found.server.socket_mode, found.server.bots) == (0o600, config.server.bots)
    assert found.state.dir == Path("state")
    assert found.limits.model_dump(exclude_defaults=True) == {"custom": config.limits.custom}


@pytest.mark.parametrize("text", ["", example()])
def test_every_shipped_configuration_can_be_kept(place, text):
    given, config = kept(place, text + "\n")
    given.file.unlink()
    assert last_good(given, FAULT).liquidation == config.liquidation


def test_nobody_else_may_read_it_and_it_says_its_version(place):
    kept(place)
    path = place / "state" / "configuration.json"
    assert path.stat().st_mode & 0o777 == 0o600
    assert json.loads(path.read_text())["version"] == 1


@pytest.mark.parametrize(
    ("command", "is_kept"),
    [
        (["wake-me"], True),
        (["/usr/bin/python3", "/opt/wake.py"], True),
        (["curl", "-d@-", "https://hooks.example.com/T0/B0/very-secret"], False),
    ],
)
def test_no_secret_is_kept(place, command, is_kept):
    given, config = kept(
        place,
        f"[alerts]\ncommand = {json.dumps(command)}\n"
        'heartbeat_url = "https://ping.example.com/very-secret"\n',
    )
    assert "very-secret" not in (place / "state" / "configuration.json").read_text()
    given.file.write_text("no TOML")
    assert last_good(given, FAULT).alerts.command == (config.alerts.command if is_kept else ())


def test_alerts_are_those_of_the_faulty_file_where_they_can_be_read(place):
    given, _ = kept(place, '[alerts]\ncommand = ["old"]\n')
    given.file.write_text('[limits]\nmax_order_notional = -1\n[alerts]\ncommand = ["new", "-t"]\n')
    assert last_good(given, FAULT).alerts.command == ("new", "-t")
    given.file.write_text('[alerts]\ncommand = "no list"\n')
    assert last_good(given, FAULT).alerts.command == ("old",)


def test_places_of_the_command_line_count_and_faulty_overrides_do_not(place):
    given, _ = kept(place)
    given.file.write_text("[")
    sockets = ("server.order_socket=/tmp/mine.sock", "nonsense")
    found = last_good(Given(given.file, sockets, ("limits.no_such=1", "=")), FAULT)
    assert found.server.order_socket == Path("/tmp/mine.sock")


@pytest.mark.parametrize(
    "text", ["[state]\ndir = 'mine'\n[limits]\nmax_leverage = -1\n", "state.dir = 'mine'\nx = 1\n"]
)
def test_the_state_directory_is_that_of_the_faulty_file_where_it_can_be_read(place, text):
    given, _ = kept(place, "[state]\ndir = 'mine'\n")
    given.file.write_text(text)
    assert last_good(given, FAULT).state.dir == Path("mine")


def test_the_command_line_names_a_state_directory_that_the_file_no_longer_tells(place):
    given, _ = kept(place, "[state]\ndir = 'mine'\n")
    for broken in ("[", "[state]\ndir = ''\n", "state = 3\n"):
        given.file.write_text(broken)
        with pytest.raises(Misuse, match=r"^limits\.max_leverage: .*\n.*--state-dir"):
            last_good(given, FAULT)
        for named in (
            Given(given.file, (f"state.dir={place / 'mine'}",)),
            Given(given.file, (), ("state.dir=mine",)),
        ):
            if broken != "state = 3\n":
                assert last_good(named, FAULT).state.dir.name == "mine"


def test_another_sidecars_state_in_the_default_place_is_not_taken_up(place):
    given, _ = kept(place)
    given.file.write_text("[")
    assert last_good(given, FAULT).state.dir == Path("state")
    other = Given(place / "other.toml")
    with pytest.raises(Misuse, match=r"configuration\.json is of .*risk\.toml.*--state-dir"):
        last_good(other, FAULT)
    named = Given(other.file, ("state.dir=state",))
    assert last_good(named, FAULT).state.dir == Path("state")


def test_without_any_kept_the_fault_alone_is_told(place):
    file = place / "risk.toml"
    file.write_text("[limits]\nmax_leverage = -1\n")
    with pytest.raises(Misuse) as told:
        last_good(Given(file), FAULT)
    assert str(told.value) == str(FAULT)
    (place / "state" / "state.json").write_text("{}")  # of an older sidecar
    with pytest.raises(Misuse, match="state holds no last good configuration yet"):
        last_good(Given(file), FAULT)


def rewritten(change):
    def meddle(path):
        content = json.loads(path.read_text())
        change(content)
        path.write_text(json.dumps(content))

    return meddle


def by_a_link(path):
    path.rename(path.with_name("elsewhere"))
    path.symlink_to(path.with_name("elsewhere"))


@pytest.mark.parametrize(
    ("meddle", "words"),
    [
        (rewritten(lambda content: content.update(version=2)), "has version 2, this sidecar reads"),
        (rewritten(lambda content: content.pop("tables")), "is damaged"),
        (
            rewritten(lambda content: content["tables"]["coinbase"].update(rest_url="ftp://x")),
            r"does not take: coinbase\.rest_url",
        ),
        (lambda path: path.write_bytes(path.read_bytes()[:40]), "is damaged"),
        (lambda path: path.write_bytes(b""), "is damaged"),
        (rewritten(lambda content: content["tables"].update(state=[])), "is damaged"),
        (lambda path: path.write_bytes(b"\xff" * 9), "is damaged"),
        (lambda path: path.chmod(0o620), "other users may have written"),
        (lambda path: path.parent.chmod(0o770), "other users may write"),
        (by_a_link, "cannot be read"),
    ],
)
def test_one_that_cannot_be_trusted_is_not_used_and_the_reason_is_told(place, meddle, words):
    given, _ = kept(place)
    given.file.write_text("[")
    meddle(place / "state" / "configuration.json")
    with pytest.raises(
        Misuse, match=r"^limits\.max_leverage: [^\n]*\nnor the last good .*" + words
    ):
        last_good(given, FAULT)


def test_a_socket_path_that_would_be_too_long_stays_as_it_was(place, monkeypatch):
    deep = place / ("d" * 100)
    deep.mkdir()
    monkeypatch.chdir(deep)
    config = parse_config("")
    Path("state").mkdir(mode=0o700)
    keep(Path("state/configuration.json"), config, Path("risk.toml"))
    found = last_good(Given(Path("risk.toml")), FAULT)
    assert found.server.order_socket == Config().server.order_socket


def test_a_place_that_cannot_even_be_looked_at_holds_none(place):
    with pytest.raises(Misuse) as told:
        last_good(Given(place / "risk.toml", (f"state.dir={'d' * 5_000}",)), FAULT)
    assert str(told.value) == str(FAULT)
