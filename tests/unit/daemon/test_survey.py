"""What a liquidation would have to sell, and every reason why it could not."""

import json
import re
from datetime import UTC, datetime
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from sidecar.config.tables import Config
from sidecar.core.vocabulary import events as ev
from sidecar.core.vocabulary.brakes import BRAKES
from sidecar.core.vocabulary.errors import Misuse
from sidecar.daemon.checks import look
from sidecar.daemon.survey import Account, books, holdings, routes
from sidecar.own_places import see_own
from tests.fault.paper_client import trading
from tests.scenario import FUTURE, D, future, product

OPENS = datetime(2026, 11, 23, 23, tzinfo=UTC)


@pytest.fixture(autouse=True)
def _somewhere_of_its_own(tmp_path, monkeypatch):
    """The state's default place is below here, and is looked at too."""
    monkeypatch.chdir(tmp_path)


def held(*products, balances=(("BTC", "1"),), futures=(), bids=None, **tables):
    listed = {one.product_id: one for one in products}
    account = Account(
        balances=tuple(ev.Balance(name, D(total)) for name, total in balances),
        futures=tuple(ev.FuturesPosition(name, D(count)) for name, count in futures),
        open_orders=0,
    )
    bids = {name: D(64000) for name in listed} if bids is None else bids
    config = Config(**tables)
    return holdings(account, routes(listed, config), bids, config)


def the_one(*products, **options):
    (row,) = held(*products, **options)
    return row


def test_what_is_held_is_sold_through_its_product_in_dollars():
    row = the_one(product("BTC-EUR"), product("BTC-USDC"), product("BTC-USD"))
    assert (row.product_id, row.amount, row.value, row.obstacle) == ("BTC-USD", 1, 64000, "")


def test_the_book_that_an_alias_shares_has_its_price():
    row = the_one(product("BTC-USDC", alias="BTC-USD"), bids={"BTC-USD": D(5)})
    assert (row.product_id, row.value) == ("BTC-USDC", 5)


def test_cash_and_nothing_are_no_holdings():
    assert held(product("BTC-USD"), balances=[("USD", "5"), ("EUR", "1"), ("BTC", "0")]) == []


def test_of_what_is_kept_only_the_rest_is_sold():
    row = the_one(product("BTC-USD"), positions={"keep": {"BTC": "0.75"}})
    assert (row.amount, row.obstacle, row.note) == (D("0.25"), "", "the rest is kept")
    for keep in ("all", "3"):
        row = the_one(product("BTC-USD"), positions={"keep": {"BTC": keep}})
        assert (row.amount, row.obstacle) == (0, "kept, by [positions] keep")


@pytest.mark.parametrize(
    ("flags", "why"),
    [
        ({"is_disabled": True}, "takes no orders now (is_disabled)"),
        ({"trading_disabled": True}, "(trading_disabled)"),
        ({"view_only": True}, "(view_only)"),
        ({"cancel_only": True}, "(cancel_only)"),
        ({"base_min_size": D(2)}, "dust: Coinbase sells no less than 2"),
        ({"base_increment": D(2), "base_min_size": D(0)}, "dust"),
    ],
)
def test_why_a_product_cannot_be_sold(flags, why):
    assert why in the_one(product("BTC-USD", **flags)).obstacle


def test_what_is_not_to_be_sold_and_what_nobody_buys_for_dollars():
    assert (
        "[liquidation] assets"
        in the_one(product("BTC-USD"), liquidation={"assets": ["ETH"]}).obstacle
    )
    row = the_one(product("BTC-XYZ"))
    assert (row.obstacle, row.product_id, row.value) == ("no product sells it for cash", None, None)


def test_what_nobody_buys_for_dollars_is_sold_for_other_cash_and_valued_where_it_can_be():
    row = the_one(product("BTC-EUR"), bids={"BTC-EUR": D(50)})
    assert (row.product_id, row.value, row.note) == ("BTC-EUR", None, "for EUR")
    eur = product("EUR-USD")
    row = the_one(product("BTC-EUR"), eur, bids={"BTC-EUR": D(50), "EUR-USD": D(2)})
    assert row.value == 100


def test_prices_are_read_where_it_is_sold():
    listed = {one.product_id: one for one in (product("BTC-EUR"), product("EUR-USD"), future())}
    account = Account(
        balances=(ev.Balance("BTC", D(1)), ev.Balance("XYZ", D(1))),
        futures=(ev.FuturesPosition(FUTURE, D(1)),),
        open_orders=0,
    )
    assert books(account, routes(listed, Config())) == ["BTC-EUR", FUTURE, "EUR-USD"]


def test_how_it_would_be_sold_is_noted():
    row = the_one(product("BTC-USD", limit_only=True, base_max_size=D("0.4")))
    assert (row.obstacle, row.note) == (
        "",
        "by limit orders (limit_only), in pieces of at most 0.4",
    )
    assert "(post_only)" in the_one(product("BTC-USD", post_only=True)).note
    assert "(auction_mode)" in the_one(product("BTC-USD", auction_mode=True)).note


def test_futures_are_closed_in_their_session():
    row = the_one(future(), balances=(), futures=[(FUTURE, "-3")])
    assert (row.amount, row.value, row.note) == (-3, D(1920), "closed with close_position")
    shut = the_one(future(session_open=False, opens_at=OPENS), balances=(), futures=[(FUTURE, "1")])
    assert "is closed, and opens 2026-11-23 23:00 UTC" in shut.obstacle
    assert "not in Coinbase's list" in the_one(balances=(), futures=[(FUTURE, "1")]).obstacle


def test_the_largest_comes_first():
    rows = held(
        product("BTC-USD"), product("ETH-USD"), balances=[("ETH", "1"), ("BTC", "2"), ("XYZ", "9")]
    )
    assert [row.asset for row in rows] == ["BTC", "ETH", "XYZ"]


def at(trader, **tables):
    urls = trader.paper.urls
    coinbase = {name: urls[name] for name in ("rest_url", "ws_url", "key_file")}
    coinbase["ws_user_url"] = urls["ws_url"]
    return Config(**{"coinbase": coinbase, "limits": {"max_leverage": 5}, **tables})


async def test_a_whole_check_reads_and_never_sends(tmp_path):
    async with trading(tmp_path, balances={"USD": "1000", "BTC": "1", "ETH": "2"}) as trader:
        await trader.place(trader.limit("SELL", "0.25", "90000"))
        report = await look(at(trader, positions={"keep": {"ETH": "all"}}))
        listed = await trader.get("/orders/historical/batch")
    assert len(listed["orders"]) == 1
    assert (report.open_orders, [f for f in report.findings if f.severity != "info"]) == (1, [])
    rows = {row.asset: row for row in report.holdings}
    assert (rows["BTC"].amount, rows["BTC"].obstacle) == (1, "")  # what is on hold is held
    assert rows["BTC"].value is not None
    assert "kept" in rows["ETH"].obstacle


async def test_a_key_that_is_refused_is_critical(tmp_path):
    async with trading(tmp_path) as trader:
        row = json.loads(trader.paper.key_file.read_text())
        stranger = tmp_path / "stranger.json"
        stranger.touch(mode=0o600)
        pem = generate_private_key(SECP256R1()).private_bytes(
            Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption()
        )
        stranger.write_text(json.dumps(row | {"privateKey": pem.decode()}))
        rest_url = trader.paper.urls["rest_url"]
        report = await look(at(trader, coinbase={"rest_url": rest_url, "key_file": stranger}))
    codes = {finding.code for finding in report.findings if finding.severity == "critical"}
    assert codes == {"KEY_UNREADABLE", "ACCOUNT_UNREADABLE"}
    assert report.products is None


async def test_without_limits_it_warns_and_without_a_key_it_ends_early():
    report = await look(Config())
    codes = [finding.code for finding in report.findings]
    assert codes == ["NO_LIMITS", "BRAKES_NOT_SET", "KEY_FILE"]


async def test_brakes_that_are_not_set_are_named_in_a_line_and_required_ones_are_critical():
    brakes: dict[str, Any] = {name: 1 for brake in BRAKES for name in brake.limits[:1]} | {
        "max_order_rate": {"count": 1, "window_s": 1}
    }
    report = await look(Config.model_validate({"limits": brakes}))
    assert [finding.code for finding in report.findings] == ["KEY_FILE"]
    del brakes["max_drawdown"], brakes["max_leverage"]
    brakes |= {"require": ["max_drawdown", "max_var"], "shadow": {"max_drawdown": 0.2}}
    lacking, unset, _ = (await look(Config.model_validate({"limits": brakes}))).findings
    assert (lacking.severity, lacking.code) == ("critical", "REQUIRED_LIMITS")
    assert lacking.text.startswith(
        "limits.require names max_drawdown, max_var, not set for the whole account"
    )
    assert (unset.severity, unset.text) == (
        "info", "brakes that are not set: max_drawdown, max_leverage or max_gross_exposure",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("allowed", "uids", "told"),
    [
        (None, [7], False),
        (None, [0], False),
        (None, [7, 1002, 1001], True),
        (
            [0, 7, 1001, 1002],
            [7, 1002, 1001],
            False,
        ),  # the configuration holds these against each other
    ],
)
async def test_a_bots_user_that_may_not_ask_is_told(monkeypatch, allowed, uids, told):
    monkeypatch.setattr("os.getuid", lambda: 7)
    server = {"allowed_uids": allowed, "bots": {"grid": {"uids": uids}, "any": {}}}
    report = await look(Config.model_validate({"server": server}))
    found = [finding for finding in report.findings if finding.code == "BOT_MAY_NOT_ASK"]
    assert [finding.severity for finding in found] == ["warning"] * told
    assert all(
        "user 1001," in finding.text and "which is 7 here" in finding.text for finding in found
    )


@pytest.mark.parametrize(
    ("command", "codes"),
    [
        (["/nope/wake-me"], ["ALERT_COMMAND"]),
        (["no-such-program", "-v"], ["ALERT_COMMAND"]),
        ([__file__], ["ALERT_COMMAND"]),  # no program
        (["/bin/sh", "-c", "true"], []),
        (["sh"], []),
        ([], []),
    ],
)
async def test_it_warns_where_nobody_can_be_woken(command, codes):
    report = await look(Config(alerts={"command": command}))
    found = [finding for finding in report.findings if finding.code == "ALERT_COMMAND"]
    assert [(one.code, one.severity) for one in found] == [(code, "warning") for code in codes]


def kept_below(place):
    return Config(
        state={"dir": place / "own" / "state"},
        server={
            "order_socket": place / "own" / "o" / "s",
            "control_socket": place / "own" / "c" / "s",
        },
    )


@pytest.mark.parametrize("made", ["", "own", "own/state/journal", "own/o", "own/c"])
@pytest.mark.parametrize("opened", [False, True])
async def test_it_says_where_others_may_write_as_a_start_would(tmp_path, made, opened):
    """Of directories that are there and of those that are not; and makes none."""
    deepest = tmp_path / "p" / made
    deepest.mkdir(parents=True)
    for one in (deepest, *deepest.relative_to(tmp_path).parents):
        (tmp_path / one).chmod(0o755)
    if opened:
        deepest.chmod(0o775)
    report = await look(kept_below(tmp_path / "p"))
    found = [(one.severity, one.text) for one in report.findings if one.code == "NOT_ITS_OWN"]
    mend = f"other users may write {deepest} (mode 0775); chmod go-w {deepest}, or choose another place"
    assert found == ([("critical", mend)] if opened else [])
    assert not list(deepest.iterdir())
    if opened:
        with pytest.raises(Misuse, match=re.escape(mend)):
            see_own(deepest)


async def test_below_the_directory_for_everybody_nothing_is_in_the_way(tmp_path):
    place = tmp_path / "p"
    place.mkdir()
    place.chmod(0o1777)
    assert "NOT_ITS_OWN" not in {one.code for one in (await look(kept_below(place))).findings}


async def test_a_place_that_cannot_be_looked_at_is_a_finding():
    report = await look(Config(state={"dir": "x" * 300}))
    assert [one.text for one in report.findings if one.code == "NOT_ITS_OWN"]
