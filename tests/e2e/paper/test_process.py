"""`risk-sidecar paper` as a process of its own, with the clients that its first line is for."""

import json
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

import ccxt
from coinbase.rest import RESTClient

COMMAND = Path(sys.executable).with_name("risk-sidecar")


@contextmanager
def process(*options):
    """The running command and the addresses it printed; it must end in good order."""
    command = [COMMAND, "paper", "--json", "--market", "random:7", *options]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as run:
        try:
            assert run.stdout is not None
            yield json.loads(run.stdout.readline())
        finally:
            run.terminate()
            out, err = run.communicate(timeout=60)
        assert (run.returncode, out, err) == (0, "", "")


def test_the_line_it_prints_is_all_that_clients_need(monkeypatch):
    with process() as urls:
        assert Path(urls["key_file"]).stat().st_mode & 0o777 == 0o600
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", urls["ca_file"])
        client = RESTClient(
            key_file=urls["key_file"], base_url=urls["tls_rest_url"].removeprefix("https://")
        )
        order = client.market_order_buy("", "BTC-USD", quote_size="100")
        assert client.get_order(order.success_response["order_id"]).order.side == "BUY"
        client.session.close()
        key = json.loads(Path(urls["key_file"]).read_text())
        api = {"rest": urls["rest_url"], "ws": urls["ws_url"]}
        exchange = ccxt.coinbase(
            {"urls": {"api": api}, "apiKey": key["name"], "secret": key["privateKey"]}
        )
        assert exchange.fetch_balance({"v3": True})["USD"]["total"] < 100_000
        exchange.session.close()
    assert not Path(urls["key_file"]).exists()
    assert not Path(urls["ca_file"]).exists()
