"""Both websockets, tried as a start would use them, over real sockets."""

import socket

import pytest

from sidecar.coinbase.auth import load_key
from sidecar.config.tables import Coinbase
from sidecar.daemon.try_feeds import try_feeds
from tests.fault.paper_client import trading
from tests.scenario import product

LISTED = {name: product(name) for name in ("BTC-USD", "ETH-USD")}


async def tried(trader, within_s=60.0, **hosts):
    urls = trader.paper.urls
    found = {"ws_url": urls["ws_url"], "ws_user_url": urls["ws_url"]} | hosts
    key = load_key(trader.paper.key_file)
    return await try_feeds(Coinbase.model_validate(found), key, LISTED, within_s)


async def test_feeds_that_come_up_are_no_finding(tmp_path):
    async with trading(tmp_path) as trader:
        assert await tried(trader) == []


@pytest.mark.parametrize("name", ["ws_url", "ws_user_url"])
async def test_a_host_that_is_not_there_is_named_with_the_reason(tmp_path, name):
    async with trading(tmp_path) as trader:
        (finding,) = await tried(trader, **{name: "ws://127.0.0.1:9"})
    assert (finding.severity, finding.code) == ("critical", "WEBSOCKET")
    assert finding.text.startswith("ws://127.0.0.1:9: ConnectionRefusedError")
    assert f"see coinbase.{name}" in finding.text


async def test_a_host_that_says_nothing_is_waited_for_no_longer_than_the_deadline(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"ws://127.0.0.1:{silent.getsockname()[1]}"
        async with trading(tmp_path) as trader:
            found = await tried(trader, 0.2, ws_url=url, ws_user_url=url)
    assert ["no whole subscription within 0.2 s" in finding.text for finding in found] == [
        True,
        True,
    ]


async def test_a_subscription_that_brings_no_price_is_told(tmp_path):
    """The channels come up, and every frame with a price is lost."""
    async with trading(
        tmp_path, faults={"drop_frames": 10_000, "frames_channel": "ticker"}
    ) as trader:
        found = await tried(trader, 5.0)
    assert [finding.text.partition(": ")[2] for finding in found] == [
        "subscribed, but no price came within 5 s; see coinbase.ws_url, the network and its firewall"
    ]
