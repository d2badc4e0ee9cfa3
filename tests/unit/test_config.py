"""The configuration: what a file means, and what is said of a faulty one."""

import os
import tomllib
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.clock import now
from sidecar.config import Config, ConfigError, load_config, parse_config
from sidecar.config.faults import dotted, show
from sidecar.config.outline import find, outline
from sidecar.core.vocabulary.products import CASH
from sidecar.daemon.recovery import new_manager

SHIPPED = Path(__file__).parents[2] / "config"
SECRET = "hunter2hunter2"


def faults(text="", *overrides):
    """The lines of the error that a faulty configuration raises."""
    with pytest.raises(ConfigError) as caught:
        parse_config(text, overrides)
    return str(caught.value).splitlines()


def fault(text="", *overrides):
    (line,) = faults(text, *overrides)
    return line


# ------------------------------------------------------------------------------------ what it means


def test_an_empty_file_is_the_defaults():
    assert parse_config("") == Config()


def test_a_number_is_exact_from_the_file_on():
    config = parse_config("[paper]\ntaker_fee = 0.1\nbalances.USD = 0.30000000000000000004")
    assert config.paper.taker_fee == Decimal("0.1")
    assert config.paper.balances["USD"] == Decimal("0.30000000000000000004")


def test_a_number_may_be_written_in_quotes():
    assert parse_config('[paper]\nspeed = "2.5"').paper.speed == Decimal("2.5")


def test_the_paper_market_may_run_as_fast_as_it_can():
    assert parse_config("", ["paper.speed=max"]).paper.speed == "max"


def test_the_paper_exchange_has_no_fault_unless_one_is_set():
    assert not any(parse_config("").paper.faults.model_dump().values())


def test_a_fault_of_the_paper_exchange_is_a_key_of_its_own_table():
    text = "[paper.faults]\ndrop_frames = 3\nclose_code = 1006\nlate_fees_s = 0.5"
    faults = parse_config(text, ["paper.faults.frames_channel=user"]).paper.faults
    assert (faults.drop_frames, faults.close_code, faults.frames_channel) == (3, 1006, "user")
    assert faults.late_fees_s == Decimal("0.5")


def test_bots_are_known_by_name_and_their_names_and_strategies_are_for_their_users():
    text = """
    [server]
    may_flatten = ["closer"]
    [server.bots.grid-bot]
    uids = [1001]
    strategies = ["grid", "both"]
    may_flatten = true
    [server.bots.other]
    uids = [1002]
    strategies = ["both", "free"]
    [server.bots.anybody]
    strategies = ["free"]
    """
    config = parse_config(text)
    manager = new_manager(config, config.limits, (), timedelta(seconds=10), now)
    settings = manager.settings
    assert settings.may_flatten == {"closer", "grid-bot"}
    assert settings.bot_uids == {"grid-bot": {1001}, "other": {1002}}
    assert settings.strategy_uids == {"grid": {1001}, "both": {1001, 1002}}
    assert settings.named_strategies == {"grid", "both", "free"}
    assert settings.strategies == "auto"
    assert "server.bots.a.odd" in fault("[server.bots.a]\nodd = 1")
    shut_out = "[server]\nallowed_uids = [0, 1001]\n[server.bots.a]\nuids = [1001, 1002]"
    assert "user 1002, who may not ask at all; add it to allowed_uids" in fault(shut_out)


@pytest.mark.parametrize(("written", "kept"), [('"0.5"', Decimal("0.5")), ('"all"', "all")])
def test_an_asset_is_kept_in_part_or_whole(written, kept):
    assert parse_config(f"[positions]\nkeep.BTC = {written}").positions.keep == {"BTC": kept}


def test_cash_is_fiat_and_usdc_unless_configured():
    assert parse_config("").positions.cash == CASH
    assert parse_config('[positions]\ncash = ["USD"]').positions.cash == ("USD",)


def test_a_socket_mode_is_octal():
    assert parse_config('[server]\nsocket_mode = "0600"').server.socket_mode == 0o600


def test_a_configuration_cannot_be_changed():
    with pytest.raises(ValueError, match="frozen"):
        parse_config("").paper.market = "random:1"  # type: ignore[misc]  # the very point


@pytest.mark.parametrize("host", ["127.0.0.1:8080", "localhost", "[::1]:9"])
def test_plain_http_is_for_loopback_only(host):
    config = parse_config(f'[coinbase]\nrest_url = "http://{host}/"')
    assert config.coinbase.rest_url == f"http://{host}"


@pytest.mark.parametrize("name", ["paper", "live"])
def test_a_shipped_configuration_sets_the_seed_limits(name):
    limits = load_config(SHIPPED / f"{name}.toml").limits
    assert (limits.max_order_notional, limits.max_position_notional) == (5000, 20000)
    assert (limits.max_open_orders, limits.max_leverage) == (20, 5)
    assert str(limits.max_daily_loss) == "0.1"
    assert str(limits.max_cumulative_loss) == "0.25"
    assert limits.max_var == Decimal("0.15")


# --------------------------------------------------------------------------- what is said of faults


def test_every_fault_is_reported_at_once():
    lines = faults("[limits]\nmax_leverage = -1\n[paper]\nspeed = 0", "a..b=1", "limits.x=1")
    assert [line.partition(": ")[0] for line in lines] == [
        "--set a..b",
        "limits.max_leverage",
        "limits.x",
        "paper.speed",
    ]


def test_every_fault_of_trading_hours_is_told_at_once():
    written = '["Mon-Fri 09:00-17:00", "Fri 16:00-18:00", "Mon 9-17", "Tue 12:00-12:00", "Sun 23:00-09:01"]'
    found = faults(f'[limits]\ntrading_hours = {{ zone = "Mars/Olympus", windows = {written} }}')
    place = "limits.trading_hours"
    overlaps = 'has hours of "Mon-Fri 09:00-17:00" in it; let only one of them have these'
    no_zone = "is no time zone that is known"
    assert found == [
        f'{place}.zone: "Mars/Olympus" {no_zone}; write one as "America/New_York" or "UTC"',
        f'{place}.windows[1]: "Fri 16:00-18:00" {overlaps}',
        f'{place}.windows[2]: "Mon 9-17" is no window; write days and times as "Mon-Fri 09:30-16:00"',
        f'{place}.windows[3]: "Tue 12:00-12:00" is empty; for a whole day write 00:00-24:00',
        f'{place}.windows[4]: "Sun 23:00-09:01" {overlaps}',
    ]


@pytest.mark.parametrize(
    ("text", "line"),
    [
        (
            '[limits]\ntrading_hours = { zone = "UTC", windows = [] }',
            'limits.trading_hours.windows: a list has no window; write one such as "Mon-Fri 09:30-16:00"',
        ),
        (
            '[limits]\ntrading_hours = { zone = "UTC" }',
            "limits.trading_hours.windows: is missing; set it",
        ),
        (
            '[limits]\ntrading_hours = { zone = "UTC", windows = ["Mon 09:00-10:00", 5] }',
            "limits.trading_hours.windows[1]: 5 is not text; put it in quotes",
        ),
        (
            '[limits]\nloosen_after = "0h"',
            'limits.loosen_after: "0h" is no time at all; write one such as "90s", "30m", "4h" or "7d"',
        ),
        (
            "[limits]\nresume_after = 4",
            'limits.resume_after: 4 is no length of time; write one such as "90s", "30m", "4h" or "7d"',
        ),
        (
            '[limits]\nloosen_after = "60d"',
            'limits.loosen_after: "60d" is longer than 31 days; write "31d" or less',
        ),
        (
            '[limits.strategy.grid]\nloosen_after = "24h"',
            "limits.strategy.grid.loosen_after: unknown key; did you mean limits.loosen_after?",
        ),
        (
            '[limits]\nmax_loss_in = [{ window = "0h", limit = 0.03 }]',
            (
                'limits.max_loss_in[0].window: "0h" is no time at all; write one such as "90s",'
                ' "30m", "4h" or "7d"'
            ),
        ),
        (
            '[limits]\nmax_loss_in = [{ window = "4h", limit = "5 USD" }]',
            'limits.max_loss_in[0].limit: "5 USD" is not a number; write a number such as 0.5',
        ),
        (
            '[limits]\nlosing_streak = { trades = 0, cool_down = "2h" }',
            "limits.losing_streak.trades: 0 is less than 1; set 1 or more",
        ),
        (
            "[limits.strategy.grid]\nlosing_streak = { trades = 4, cool_down = 7200 }",
            (
                "limits.strategy.grid.losing_streak.cool_down: 7200 is no length of time; write one"
                ' such as "90s", "30m", "4h" or "7d"'
            ),
        ),
        (
            "[limits]\nmax_loss_in = []",
            (
                "limits.max_loss_in: a list has no window; write one as"
                ' { window = "4h", limit = 0.03 }'
            ),
        ),
        (
            '[limits]\nmax_loss_in = [{ window = "60m", limit = 0.1 }, { window = "1h", limit = 0.2 }]',
            "limits.max_loss_in: a list has the window 1h twice; keep one of them",
        ),
        (
            "[limits]\nmax_leverage = -1",
            "limits.max_leverage: -1 is not greater than 0; set a positive number",
        ),
        (
            '[limits.product."BTC-USD"]\nmax_position_size = "much"',
            (
                'limits.product."BTC-USD".max_position_size: "much" is not a number;'
                " write a number such as 0.5"
            ),
        ),
        (
            "[limits]\nmax_open_orders = 1.5",
            "limits.max_open_orders: 1.5 is not a whole number; write digits only, without quotes",
        ),
        (
            "[var]\nconfidence = 0.5",
            "var.confidence: 0.5 is not greater than 0.5; set a number above 0.5",
        ),
        ("[paper]\nspeed = inf", "paper.speed: Infinity is not finite; write a finite number"),
        ("[paper]\nspeed = nan", "paper.speed: NaN is not finite; write a finite number"),
        ("[paper]\ntaker_fee = -nan", "paper.taker_fee: -NaN is not finite; write a finite number"),
        (
            "[limits]\nmax_leverage = nan",
            "limits.max_leverage: NaN is not finite; write a finite number",
        ),
        (
            '[paper]\nbalances.USD = "1e500"',
            (
                'paper.balances.USD: "1e500" is no amount of money; '
                "write at most 20 digits before the point and 30 behind"
            ),
        ),
        (
            "[paper]\nbalances.USD = 1e-31",
            (
                "paper.balances.USD: 0.0000000000000000000000000000001 is no amount of money; "
                "write at most 20 digits before the point and 30 behind"
            ),
        ),
        (
            "[var]\nhorizon_days = true",
            "var.horizon_days: true is not a whole number; write digits only, without quotes",
        ),
        (
            '[coinbase]\nrest_url = "https://host\\n"',
            "coinbase.rest_url: the value is not an address; write it as https://host",
        ),
        (
            '[coinbase]\nrest_url = "https://api.coinbase.com/api/v3/brokerage"\n',
            "coinbase.rest_url: the value has /api/v3 in it, which the sidecar adds; write it as https://host",
        ),
        (
            "[limits]\nmax_daily_loss = 5",
            'limits.max_daily_loss: a ratio above 1 would never fire; for 5 % write 0.05, for money write "5 USD"',
        ),
        (
            "[limits]\nmax_drawdown = 100",
            'limits.max_drawdown: a ratio above 1 would never fire; for 100 % write 1, for money write "100 USD"',
        ),
        (
            "[limits]\nmax_drawdown = 250",
            'limits.max_drawdown: a ratio above 1 would never fire; for money write "250 USD"',
        ),
        ("[paper]\nspeed = true", "paper.speed: true and false are not numbers; write a number"),
        (
            "[paper]\nspeed = 'fast'",
            'paper.speed: "fast" is neither a number nor "max"; write 1 for the pace of the clock',
        ),
        (
            "[paper]\nspeed = '-1'",
            'paper.speed: "-1" is not greater than 0; set a positive number',
        ),
        (
            "[paper]\nport = 8443\ntls_port = 8443",
            "paper: port and tls_port are the same; give each its own, or 0",
        ),
        (
            "[paper]\nport = 65536",
            "paper.port: 65536 is greater than 65535; set 65535 or less",
        ),
        (
            "[paper.faults]\nclose_code = 1002",
            (
                "paper.faults.close_code: 1002 is not 0, 1000, 1001, 1006, 1011 or 1013;"
                " write 0, 1000, 1001, 1006, 1011 or 1013"
            ),
        ),
        (
            "[paper.faults]\ndrop_frames = -1",
            "paper.faults.drop_frames: -1 is less than 0; set 0 or more",
        ),
        (
            "[paper]\nmarket = 'coin toss'",
            (
                'paper.market: "coin toss" is not a market; write random, random:SEED or'
                " replay:FILE[,FILE…]"
            ),
        ),
        (
            "[positions]\nkeep.btc = 1",
            (
                'positions.keep.btc: "btc" is not a currency code; write it as Coinbase does,'
                " in capitals: BTC"
            ),
        ),
        (
            "[positions]\nkeep.BTC = 'some'",
            (
                'positions.keep.BTC: "some" is neither an amount nor "all"; write a positive amount'
                ' such as "0.5"'
            ),
        ),
        (
            "[server]\nallowed_uids = [0, -1]",
            "server.allowed_uids[1]: -1 is less than 0; set 0 or more",
        ),
        (
            "[server]\nsocket_mode = 660",
            'server.socket_mode: 660 is not a file mode; write it in octal and in quotes: "0660"',
        ),
        (
            "[liquidation]\nassets = 'BTC'",
            "liquidation.assets: \"BTC\" is not 'all'; write 'all'",
        ),
        (
            "[liquidation]\nassets = ['btc']",
            (
                'liquidation.assets[0]: "btc" is not a currency code; write it as Coinbase does,'
                " in capitals: BTC"
            ),
        ),
        ("paper = 1", "paper: 1 is not a table; write its keys under a [table] heading"),
        (
            "[state]\ndir = '~/state'",
            'state.dir: "~/state" begins with ~, which is not expanded here; write the whole path',
        ),
    ],
)
def test_a_fault_names_the_path_the_problem_and_the_mend(text, line):
    assert fault(text) == line


@pytest.mark.parametrize(
    ("text", "mend"),
    [
        ("[limits]\nmax_order_notionl = 1", "did you mean max_order_notional?"),
        ("[limit]", "did you mean limits?"),
        ("[server]\nmax_leverage = 1", "did you mean limits.max_leverage?"),
        ("max_leverage = 1", "did you mean limits.max_leverage?"),
        ("[limits.strategy.mm]\nmax_ordr_size = 1", "did you mean max_order_size?"),
        ("[limits]\nbudget = 1", "did you mean limits.strategy.NAME.budget?"),
        ("[server]\nuids = [1]", "did you mean server.bots.NAME.uids?"),
        (
            "[var]\nxyzzy = 1",
            "remove it, or use one of model, confidence, horizon_days, period, history, min_history, decay, short_history, proxy, proxies, floor_volatility, simulations, crash_days, worst_periods, stress",
        ),
        ("[gateway]\nxyzzy = 1", "remove it"),
        ("[paper]\nlate_fees_s = 1", "did you mean paper.faults.late_fees_s?"),
        ("[paper.faults]\ndrop_frame = 1", "did you mean drop_frames?"),
    ],
)
def test_an_unknown_key_is_a_fault_with_a_suggestion(text, mend):
    assert fault(text).endswith(f"; {mend}")


@pytest.mark.parametrize(
    ("text", "where"),
    [("a = 1\na b", "line 2, column 3"), ("[a]\n[a]\n", "line 2, column 3")],
)
def test_ill_formed_toml_says_where(text, where):
    assert fault(text).startswith(f"{where}: not TOML: ")


@pytest.mark.parametrize("text", ["x=" + "[" * 9000, "x=" + "9" * 9000, "x=1e99999999999999999999"])
def test_toml_beyond_what_can_be_held_is_a_fault(text):
    assert fault(text).startswith("the file: not TOML: ")


def test_two_sockets_on_one_path_are_a_fault():
    text = "[server]\norder_socket = '/run/s'\ncontrol_socket = '/run/s'"
    assert "server: order_socket and control_socket are the same path; give each" in fault(text)


def test_a_socket_path_must_fit_its_address():
    assert "107 bytes" in fault(f"[server]\norder_socket = '/{'x' * 107}'")


# ------------------------------------------------------------------------------------------ secrets


@pytest.mark.parametrize(
    "entry",
    [
        f"api_secret = '{SECRET}'",
        f"rest_url = 'https://me:{SECRET}@host'",
        f"ws_url = 'wss://host/?{SECRET}'",
        f"rest_url = 'http://{SECRET}'",
        f"ws_user_url = 'https://{SECRET}'",
        f"key_file = '''-----BEGIN EC PRIVATE KEY-----\n{SECRET}'''",
        f"key_file = ['{SECRET}']",
    ],
)
def test_a_rejected_value_of_the_coinbase_table_is_not_repeated(entry):
    assert SECRET not in "\n".join(faults(f"[coinbase]\n{entry}"))


@pytest.mark.parametrize(
    "url",
    [
        "https://push.example.com/api/push/Xy12?status=up&msg=OK&ping=",
        "https://hc.example.com/5ff3a1/",
        "http://127.0.0.1:8080/ping?id=1",
    ],
)
def test_a_heartbeats_address_is_called_as_written(url):
    assert parse_config(f'[alerts]\nheartbeat_url = "{url}"').alerts.heartbeat_url == url


@pytest.mark.parametrize(
    "entry",
    [
        'alerts.heartbeat_url = "http://example.com/5ff3a1"',
        'alerts.heartbeat_url = "https://example.com/#5ff3a1"',
        'alerts.heartbeat_url = "https://5ff3a1@example.com"',
        'alerts.heartbeat_url = "example.com/5ff3a1"',
        'alerts.heartbeat_url = ["5ff3a1"]',
        'alerts.command = "wake-me 5ff3a1"',
        'alerts = "https://example.com/5ff3a1"',
    ],
)
def test_a_rejected_value_of_the_alerts_table_is_not_repeated(entry):
    text = fault(entry)
    assert text.startswith("alerts"), text
    assert "5ff3a1" not in text


@pytest.mark.parametrize("override", [f"coinbase.a..b={SECRET}", f"coinbase={SECRET}", SECRET])
def test_a_rejected_override_does_not_repeat_its_value(override):
    assert SECRET not in "\n".join(faults("", override))


def test_a_secret_in_the_file_is_sent_to_the_key_file():
    assert "coinbase.key_file" in fault(f"[coinbase]\nprivate_key = '{SECRET}'")


def test_the_error_carries_no_other_error_that_holds_values():
    with pytest.raises(ConfigError) as caught:
        parse_config(f"[coinbase]\nkey_file = ['{SECRET}']")
    assert caught.value.__context__ is None


# ---------------------------------------------------------------------------------------- overrides


def test_an_override_lies_over_the_file_and_later_ones_over_earlier():
    config = parse_config("[paper]\nspeed = 2", ["paper.speed=3", "paper.speed=4"])
    assert config.paper.speed == 4


def test_an_override_may_quote_a_part_of_its_key():
    config = parse_config("", ['limits.product."BTC-USD".max_position_size=0.5'])
    assert config.limits.product["BTC-USD"].max_position_size == Decimal("0.5")


@pytest.mark.parametrize("value", ["random:3", '"random:3"', "'random:3'"])
def test_an_override_that_is_no_toml_value_is_text(value):
    assert parse_config("", [f"paper.market={value}"]).paper.market == "random:3"


def test_an_override_may_hold_an_equals_sign():
    assert parse_config("", ["state.dir=a=b"]).state.dir == Path("a=b")


@pytest.mark.parametrize(
    ("override", "line"),
    [
        ("speed", "--set: an override without '='; write --set dotted.key=value"),
        ("=1", "--set : the key is not a dotted TOML key; write --set dotted.key=value"),
        (
            "limits.max_leverage.x=1",
            (
                "limits.max_leverage.x: limits.max_leverage is a value, not a table;"
                " set limits.max_leverage itself"
            ),
        ),
    ],
)
def test_an_override_that_cannot_be_laid_is_a_fault(override, line):
    assert fault("[limits]\nmax_leverage = 2", override) == line


# -------------------------------------------------------------------------------------------- files


def read_fault(path, *overrides):
    with pytest.raises(ConfigError) as caught:
        load_config(path, overrides)
    return str(caught.value)


def test_a_missing_file_is_a_fault(tmp_path):
    assert "no such file; name an existing file" in read_fault(tmp_path / "none.toml")


def test_a_directory_is_a_fault(tmp_path):
    assert "is a directory; name a file in it" in read_fault(tmp_path)


def test_a_file_that_is_not_utf8_is_a_fault(tmp_path):
    (path := tmp_path / "c.toml").write_bytes(b"a = '\xff'")
    assert "is not UTF-8 at byte 5; save it as UTF-8" in read_fault(path)


def test_a_huge_file_is_a_fault(tmp_path):
    (path := tmp_path / "c.toml").write_bytes(b"#" * (2**20 + 1))
    assert "is larger than 1 MiB" in read_fault(path)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_that_may_not_be_read_is_a_fault(tmp_path):
    (path := tmp_path / "c.toml").touch(mode=0)
    assert "may not be read by this user; change its owner or mode" in read_fault(path)


def test_a_path_that_the_system_refuses_is_a_fault(tmp_path):
    assert "cannot be read (File name too long)" in read_fault(tmp_path / ("x" * 300))


def test_faults_of_overrides_are_reported_with_those_of_the_file(tmp_path):
    assert len(read_fault(tmp_path, "a..b=1").splitlines()) == 2


def test_a_byte_order_mark_is_no_fault(tmp_path):
    (path := tmp_path / "c.toml").write_bytes(b"\xef\xbb\xbf[paper]\nspeed = 3")
    assert load_config(path).paper.speed == 3


# --------------------------------------------------------------------------------------------- laws


def paths(text, *overrides):
    """The paths of a configuration's faults; none if it has none."""
    try:
        parse_config(text, overrides)
    except ConfigError as error:
        return [fault.path for fault in error.faults]
    return []


@given(st.text(), st.lists(st.text(), max_size=3))
def test_whatever_is_typed_raises_nothing_but_a_config_error(text, overrides):
    paths(text, *overrides)


TABLES = [(table.name, table) for table in outline().tables] + [
    (path, table) for path in ["paper.faults"] if (table := find(outline(), path.split(".")))
]
KEYS = [(path, f"{path}.{name}") for path, table in TABLES for name in table.names()]
ODD = ["true", "[]", "[1]", "[['x']]", "{x=1}", "''", "'abc'", "inf", "1e999", "-0.0", "00:00:00"]


@given(st.sampled_from(KEYS), st.sampled_from(ODD) | st.text() | st.decimals().map(str))
def test_whatever_a_key_holds_is_taken_or_the_key_is_named(key, value):
    """Law: a fault has the path of its key, or of its table where two keys disagree."""
    table, path = key
    assert all(p.startswith(path) or p == table for p in paths("", f"{path}={value}"))


@given(st.lists(st.text(min_size=1), min_size=1, max_size=4))
def test_a_path_in_a_message_is_a_toml_key(path):
    """Law: what a message names can be typed back."""
    node = tomllib.loads(f"{dotted(path)} = 1")
    for part in path:
        node = node[part]
    assert node == 1


@given(st.text(min_size=100))
def test_a_long_value_is_cut_in_messages(text):
    assert len(show(text)) <= 61


def test_the_outline_is_found_through_names_of_the_users():
    table = find(outline(), ["limits", "product", "BTC-USD", "max_order_rate"])
    assert table is not None
    assert table.names() == ["count", "window_s"]
    assert find(outline(), ["limits", "nothing", "x"]) is None
