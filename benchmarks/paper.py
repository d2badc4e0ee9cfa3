"""`make bench`, second half: the paper exchange against a bare server of the same library, one run.

The exchange and the yardstick each run in a process of their own; this process is the client, so on
two cores neither takes the other's time.
"""

import argparse
import asyncio
import json
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import uuid4

from coinbase import jwt_generator
from websockets.asyncio.client import connect

from benchmarks.measure import machine

PRODUCTS = ("BTC-USD", "ETH-USD", "LTC-USD")
CONNECTIONS = 8  # orders in flight at once
LIMITS_OFF = (
    "paper.private_requests_per_s=0",
    "paper.public_requests_per_s=0",
    "paper.requests_per_hour=0",
)

# What any server built on the same library would cost: the same bytes, nothing behind them.
BARE_SERVER = """
import asyncio, json, sys
import uvloop
from aiohttp import WSMsgType, web
frame, frames = sys.argv[1].encode(), int(sys.argv[2])
async def order(request):
    await request.read()
    return web.Response(body=b'{"success":true}', content_type="application/json")
async def stream(request):
    socket = web.WebSocketResponse(compress=False)
    await socket.prepare(request)
    await socket.receive()
    for _ in range(frames):
        await socket.send_frame(frame, WSMsgType.TEXT)
    await socket.close()
    return socket
async def main():
    app = web.Application()
    app.router.add_get("/", stream)
    app.router.add_post("/api/v3/brokerage/orders", order)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    port = site._server.sockets[0].getsockname()[1]
    print(json.dumps({"rest_url": f"http://127.0.0.1:{port}", "ws_url": f"ws://127.0.0.1:{port}"}), flush=True)
    await asyncio.Event().wait()
uvloop.run(main())
"""


def quotes_file(directory: Path, rows: int) -> Path:
    """A replay of three products that moves with every row."""
    path = directory / "quotes.csv"
    start = datetime(2026, 11, 2, tzinfo=UTC)
    with path.open("w") as file:
        file.write("time,product_id,bid,bid_size,ask,ask_size\n")
        for row in range(rows):
            at = (start + timedelta(milliseconds=row * 50)).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
            price = 60_000 + row % 97
            file.write(f"{at},{PRODUCTS[row % 3]},{price}.01,1.25,{price}.02,0.75\n")
    return path


class Server:
    """A process that prints where it is, ended when the benchmark is."""

    def __init__(self, *command: str) -> None:
        self.process = subprocess.Popen([sys.executable, *command], stdout=subprocess.PIPE)
        assert self.process.stdout is not None
        self.urls: dict[str, str] = json.loads(self.process.stdout.readline())

    def __enter__(self) -> dict[str, str]:
        return self.urls

    def __exit__(self, *_: object) -> None:
        self.process.terminate()
        self.process.wait()


def paper(*options: str) -> Server:
    sets = [word for key in LIMITS_OFF for word in ("--set", key)]
    return Server("-m", "sidecar", "paper", "--json", *sets, *options)


async def stream(url: str, wanted: int, subscribe: str) -> tuple[float, str]:
    """Seconds from the first ticker frame to the last of `wanted`, and one frame."""
    async with connect(url, max_size=None, compression=None) as socket:
        await socket.send(subscribe)
        first = await socket.recv()
        begun = time.perf_counter()
        seen, sample = 1, str(first)
        while seen < wanted:
            sample = str(await socket.recv())
            seen += 1
        return time.perf_counter() - begun, sample


async def post_orders(url: str, headers: str, count: int) -> float:
    """Seconds for `count` market orders over a few connections, each waiting for its answers."""
    host, _, port = url.removeprefix("http://").partition(":")

    async def one(share: int) -> None:
        reader, writer = await asyncio.open_connection(host, int(port))
        for _ in range(share):
            body = json.dumps(
                {
                    "client_order_id": str(uuid4()),
                    "product_id": "BTC-USD",
                    "side": "BUY",
                    "order_configuration": {
                        "market_market_ioc": {"quote_size": "1.5"},
                    },
                }
            )
            writer.write(
                f"POST /api/v3/brokerage/orders HTTP/1.1\r\nHost: {host}\r\n{headers}"
                f"Content-Length: {len(body)}\r\n\r\n{body}".encode()
            )
            head = await reader.readuntil(b"\r\n\r\n")
            length = int(head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0])
            answer = await reader.readexactly(length)
            assert b'"success":true' in answer, answer
        writer.close()

    begun = time.perf_counter()
    await asyncio.gather(*(one(count // CONNECTIONS) for _ in range(CONNECTIONS)))
    return time.perf_counter() - begun


def authorization(key_file: str) -> str:
    key = json.loads(Path(key_file).read_text())
    uri = jwt_generator.format_jwt_uri("POST", "/api/v3/brokerage/orders")
    token = jwt_generator.build_rest_jwt(uri, key["name"], key["privateKey"])
    return f"Authorization: Bearer {token}\r\nContent-Type: application/json\r\n"


def tickers(frames: int, directory: Path) -> None:
    subscribe = json.dumps({"type": "subscribe", "channel": "ticker", "product_ids": PRODUCTS})
    path = quotes_file(directory, frames + 100)
    with paper(
        "--market", f"replay:{path}", "--speed", "max", "--set", "paper.futures=false"
    ) as urls:
        took, sample = asyncio.run(stream(urls["ws_url"], frames, subscribe))
    with Server("-c", BARE_SERVER, sample, str(frames)) as urls:
        bare, _ = asyncio.run(stream(urls["ws_url"], frames, subscribe))
    print(
        f"\n{frames:,} ticker frames of {len(sample)} bytes to one client, market as fast as possible"
    )
    print(f"  bare aiohttp, the same bytes   {frames / bare:10,.0f} frames/s")
    print(f"  paper exchange                 {frames / took:10,.0f} frames/s  (target ≥ 10,000)")
    print(f"  ratio of times                 {took / bare:10.2f}")


def orders(count: int) -> None:
    with paper("--market", "random:7") as urls:
        took = asyncio.run(post_orders(urls["rest_url"], authorization(urls["key_file"]), count))
    with Server("-c", BARE_SERVER, "", "0") as urls:
        bare = asyncio.run(post_orders(urls["rest_url"], "Authorization: none\r\n", count))
    print(
        f"\n{count:,} market orders over REST, ES256 token checked each time, {CONNECTIONS} connections"
    )
    print(f"  bare aiohttp, empty handler    {count / bare:10,.0f} requests/s")
    print(f"  paper exchange                 {count / took:10,.0f} orders/s  (target ≥ 500)")
    print(f"  ratio of times                 {took / bare:10.2f}")


def start(times: int) -> None:
    """From the command to its first answer, against the interpreter alone."""
    bare, took = [], []
    for _ in range(times):
        begun = time.perf_counter()
        subprocess.run([sys.executable, "-c", "pass"], check=True)
        bare.append(time.perf_counter() - begun)
        begun = time.perf_counter()
        with paper() as urls:
            asyncio.run(_first_answer(urls["rest_url"]))
            took.append(time.perf_counter() - begun)
    print(f"\nstart to first answered request, best of {times}")
    print(f"  python -c pass                 {min(bare) * 1000:10,.0f} ms")
    print(f"  risk-sidecar paper             {min(took) * 1000:10,.0f} ms  (target ≤ 1,000)")
    print(f"  ratio of times                 {min(took) / min(bare):10.1f}")


async def _first_answer(url: str) -> None:
    host, _, port = url.removeprefix("http://").partition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(b"GET /api/v3/brokerage/time HTTP/1.1\r\nHost: localhost\r\n\r\n")
    assert b" 200 " in await reader.readline()
    writer.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--frames", type=int, default=100_000, help="ticker frames")
    parser.add_argument("--orders", type=int, default=4_000, help="orders")
    wanted = parser.parse_args()
    print(machine())
    start(5)
    with tempfile.TemporaryDirectory() as directory:
        tickers(wanted.frames, Path(directory))
    orders(wanted.orders)


if __name__ == "__main__":
    main()
