"""A limit on an order's slippage, as a user has it: a demo, `validate`, `status` and `positions`."""

import json
import os
import subprocess
import sys
from fractions import Fraction

import httpx
import pytest

WITHIN_S = 60
COMMAND = [sys.executable, "-m", "sidecar"]
LIMIT = "0.0007"
SETTINGS = {
    "limits.max_order_slippage": LIMIT,
    "limits.max_order_notional": "20000000",
    "limits.max_position_notional": "20000000",
    "paper.balances.USD": "50000000",
    "paper.balances.BTC": "1",  # its book is followed from the start
}
STEP = Fraction(1, 10**8)


@pytest.fixture(scope="module")
def demo(tmp_path_factory):
    """Where a demo without a bot is, in whose market BTC stands still."""
    log = tmp_path_factory.mktemp("demo") / "log"
    sets = [word for name, value in SETTINGS.items() for word in ("--set", f"{name}={value}")]
    with log.open("w") as errors:
        process = subprocess.Popen(
            [*COMMAND, "demo", "--no-bot", "--json", "--market", "random:7", *sets],
            stdout=subprocess.PIPE, stderr=errors, text=True,
        )  # fmt: skip
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        assert line, log.read_text()
        where = json.loads(line)
        with httpx.Client(base_url=where["rest_url"], timeout=WITHIN_S) as http:
            http.post("/paper/market", json={"product_id": "BTC-USD", "freeze": True})
            where["http"] = http
            yield where
    finally:
        process.terminate()
        process.communicate(timeout=WITHIN_S)


def run(*words, given="", **where):
    places = [word for name, place in where.items() for word in (f"--{name}-socket", place)]
    return subprocess.run(
        [*COMMAND, *words, *places], input=given, capture_output=True, text=True,
        timeout=WITHIN_S, check=False, env={**os.environ, "COLUMNS": "100"},
    )  # fmt: skip


def buys(demo, size):
    """What `validate` says of a market order of so many BTC."""
    body = {
        "client_order_id": "try", "product_id": "BTC-USD", "side": "BUY",
        "order_configuration": {"market_market_ioc": {"base_size": f"{float(size):.8f}"}},
    }  # fmt: skip
    made = run("validate", "-", "--dry-run", given=json.dumps(body), order=demo["order_socket"])
    assert made.returncode in (0, 1), made.stderr
    return made


def until_known(demo):
    """Until the depth of the book is known; each question takes a process of its own."""
    for _ in range(WITHIN_S):
        if (made := buys(demo, "0.001")).returncode == 0:
            return
        assert "MAX_ORDER_SLIPPAGE" in made.stdout
    raise AssertionError("never known")


def test_a_too_large_order_is_refused_and_the_size_that_it_names_passes(demo):
    query = {"product_id": "BTC-USD", "limit": 500}
    path = "/api/v3/brokerage/market/product_book"
    book = demo["http"].get(path, params=query).json()["pricebook"]
    bids, asks = (
        [(Fraction(row["price"]), Fraction(row["size"])) for row in book[side]]
        for side in ("bids", "asks")
    )
    mid = (bids[0][0] + asks[0][0]) / 2

    def slippage(size):
        left, value = size, Fraction(0)
        for price, offered in asks:
            part = min(left, offered)
            left, value = left - part, value + part * price
        assert not left
        return value / size / mid - 1

    until_known(demo)
    low, high = 1, int(sum(size for _, size in asks) / STEP)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if slippage(middle * STEP) <= Fraction(LIMIT) else (low, middle)
    largest = low * STEP
    assert buys(demo, largest).returncode == 0
    refused = buys(demo, largest + STEP)
    assert refused.returncode == 1
    assert "MAX_ORDER_SLIPPAGE" in refused.stdout
    assert "by the depth of the book" in refused.stdout
    assert f"up to {float(largest):.8f}".rstrip("0") in refused.stdout.replace(",", "")


def test_status_names_the_books_that_are_followed(demo):
    until_known(demo)
    shown = run("status", "-v", control=demo["control_socket"]).stdout
    assert "order books of BTC-USD" in shown
    told = json.loads(run("status", "--json", control=demo["control_socket"]).stdout)
    assert told["sidecar"]["depth"]["followed"] == ["BTC-USD"]
