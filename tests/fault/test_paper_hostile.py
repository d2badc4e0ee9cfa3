"""Clients that mean harm, or do it by accident: the service goes on, and does not swell."""

import asyncio
import contextlib
import json
import os
import resource
import signal
import sys
from pathlib import Path

import httpx
import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from sidecar.paper.service import rest, session
from tests.fault.paper_client import BROKERAGE, ended, hear, trading

IDLE = 1_000
SWELL_MAX_KIB = 96 * 1024
LIMITS_OFF = [
    word
    for name in ("private_requests_per_s", "public_requests_per_s", "requests_per_hour")
    for word in ("--set", f"paper.{name}=0")
]


class Process:
    """`risk-sidecar paper` as a process of its own, so that what it holds can be weighed."""

    def __init__(self, process: asyncio.subprocess.Process, urls: dict[str, str]) -> None:
        self.process = process
        self.urls = urls
        self.host, _, port = urls["rest_url"].removeprefix("http://").partition(":")
        self.port = int(port)

    @property
    def resident_kib(self) -> int:
        text = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(text.partition("VmRSS:")[2].split()[0])

    async def answers(self) -> bool:
        """Whether another client is served, promptly."""
        async with httpx.AsyncClient(base_url=self.urls["rest_url"], timeout=30) as http:
            return (await http.get(BROKERAGE + "/time")).status_code == 200


@pytest.fixture
async def service():
    if sys.platform != "linux":
        pytest.skip("needs /proc to weigh a process")
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "sidecar", "paper", "--json", "--market", "random:7",
        *LIMITS_OFF, stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    assert process.stdout is not None
    try:
        yield Process(process, json.loads(await process.stdout.readline()))
    finally:
        process.send_signal(signal.SIGTERM)
        assert await asyncio.wait_for(process.wait(), 60) == 0


def allow_files(wanted):
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < wanted:
        pytest.skip(f"this user may open {hard} files, and {wanted} are needed")
    if soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


async def test_a_thousand_idle_websockets_are_held_then_closed(service):
    allow_files(2 * IDLE + 200)
    before = service.resident_kib
    async with contextlib.AsyncExitStack() as stack:
        sockets = []
        for _ in range(IDLE // 50):
            batch = [connect(service.urls["ws_url"], ping_interval=None) for _ in range(50)]
            sockets += await asyncio.gather(*(stack.enter_async_context(one) for one in batch))
        assert await service.answers()
        assert service.resident_kib - before < SWELL_MAX_KIB
        codes = await asyncio.gather(*(ended(socket) for socket in sockets))
    assert set(codes) == {1008}
    assert await service.answers()


async def test_a_thousand_connections_that_say_nothing_stop_nobody(service):
    allow_files(2 * IDLE + 200)
    before = service.resident_kib
    opened = [await asyncio.open_connection(service.host, service.port) for _ in range(IDLE)]
    assert await service.answers()
    assert service.resident_kib - before < SWELL_MAX_KIB
    for _, writer in opened:
        writer.close()


async def test_many_readers_that_never_read_do_not_swell_the_service(service):
    products = ["BTC-USD", "ETH-USD", "SOL-USD", "XRP-USD", "ADA-USD", "DOGE-USD", "LTC-USD"]
    subscribe = [
        json.dumps({"type": "subscribe", "channel": channel, "product_ids": products})
        for channel in ("ticker", "level2")
    ]
    async with httpx.AsyncClient(base_url=service.urls["rest_url"]) as http:
        await http.post("/paper/market", json={"speed": "300"})  # some thousand quotes a second
    before = service.resident_kib
    async with contextlib.AsyncExitStack() as stack:
        for _ in range(20):
            deaf = await stack.enter_async_context(
                connect(service.urls["ws_url"], max_queue=1, ping_interval=None, close_timeout=0.1)
            )
            deaf.transport.pause_reading()
            for message in subscribe:
                await deaf.send(message)
        async with connect(service.urls["ws_url"], max_size=None) as reader:
            await reader.send(subscribe[0])
            numbers = [(await hear(reader))["sequence_num"] for _ in range(6_000)]
        assert numbers == list(range(6_000))
        assert service.resident_kib - before < SWELL_MAX_KIB


@pytest.mark.parametrize("speed", ["1000", "max"])
async def test_a_reader_that_never_reads_is_gone_without_its_help_and_holds_nobody_up(
    tmp_path, speed, monkeypatch
):
    monkeypatch.setattr(session, "STUCK_S", 0.5)
    async with trading(tmp_path, speed=speed) as trader:
        hub = trader.paper.world.hub
        products = ("BTC-USD", "ETH-USD", "SOL-USD")
        async with connect(
            trader.paper.urls["ws_url"], max_queue=1, ping_interval=None, close_timeout=0.1
        ) as deaf:
            deaf.transport.pause_reading()
            for channel in ("ticker", "level2"):
                message = {"type": "subscribe", "channel": channel, "product_ids": products}
                await deaf.send(json.dumps(message))
            async with trader.listen("ticker", products=products) as reader:
                while len(hub.sessions) != 2:
                    await hear(reader)
                while len(hub.sessions) == 2:  # the deaf one has not read a byte
                    await hear(reader)
                numbers = [(await hear(reader))["sequence_num"] for _ in range(200)]
        assert numbers == list(range(numbers[0], numbers[0] + 200))


@pytest.fixture
async def trader(tmp_path):
    async with trading(tmp_path) as made:
        yield made


async def test_an_oversized_frame_ends_only_its_own_connection(trader):
    async with trader.listen("heartbeats") as other, trader.listen() as hostile:
        with contextlib.suppress(ConnectionClosed):
            await hostile.send("x" * 1_000_000)
        assert await ended(hostile) == 1009
        assert await hear(other, "heartbeats")


async def test_garbage_in_place_of_frames_ends_only_its_own_connection(trader):
    async with trader.listen("heartbeats") as other:
        reader, writer = await asyncio.open_connection("127.0.0.1", trader.paper.port)
        writer.write(
            b"GET / HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        )
        assert b"101" in await reader.readline()
        writer.write(os.urandom(4_096))
        async with asyncio.timeout(60):
            await reader.read(1 << 20)
            while await reader.read(1 << 16):
                pass
        writer.close()
        assert await hear(other, "heartbeats")


async def raw(trader, request: bytes) -> bytes:
    """What a request is answered, up to the end of the connection."""
    reader, writer = await asyncio.open_connection("127.0.0.1", trader.paper.port)
    writer.write(request)
    async with asyncio.timeout(60):
        with contextlib.suppress(ConnectionError):
            answer = await reader.read(1 << 16)
    writer.close()
    return answer


async def test_a_header_too_long_is_refused_and_not_logged(trader, caplog):
    secret = "Bearer " + "s" * 6_000
    answer = await trader.http.get(BROKERAGE + "/accounts", headers={"Authorization": secret})
    assert answer.status_code in {400, 401}  # by the library or by us, as the bytes come in
    assert "sss" not in caplog.text


@pytest.mark.parametrize(
    "request_bytes",
    [
        b"\x00\x01\x02\r\n\r\n",
        b"GET\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"GET /api/v3/brokerage/time HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
        b"GET /" + b"a" * 20_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET /api/v3/brokerage/time HTTP/1.1\r\nHost: x\r\nX: " + b"a" * 50_000 + b"\r\n\r\n",
        b"GET /api/v3/brokerage/../../etc/passwd HTTP/1.1\r\nHost: x\r\n\r\n",
        b"BREW /api/v3/brokerage/time HTTP/1.1\r\nHost: x\r\n\r\n",
    ],
)
async def test_requests_that_are_none_get_a_client_error(trader, request_bytes):
    status = (await raw(trader, request_bytes)).split(b" ", 2)[1]
    assert status[:1] in {b"4", b"5"}
    assert status != b"500"
    assert (await trader.call("GET", "/accounts")).status_code == 200


async def test_a_large_body_is_refused_in_coinbases_shape(trader):
    answer = await trader.call("POST", "/orders", content=b"x" * 1_000_000)
    assert answer.status_code == 400
    assert answer.json()["error"] == "INVALID_ARGUMENT"


async def test_a_body_that_never_comes_is_not_waited_for_long(trader, monkeypatch):
    monkeypatch.setattr(rest, "BODY_WITHIN_S", 0.1)
    answer = await raw(
        trader,
        b"POST /paper/faults HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n{",
    )
    assert b" 400 " in answer.split(b"\r\n", 1)[0]


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"null",
        b"[]",
        b'"text"',
        b"\xff\xfe\x00",
        b"[" * 100_000,
        b'{"client_order_id":' * 5_000,
        b'{"client_order_id": 5}',
        b'{"client_order_id": ""}',
        b'{"client_order_id": "' + b"a" * 129 + b'"}',
        b'{"client_order_id":"a","order_configuration":[]}',
        b'{"client_order_id":"a","order_configuration":null}',
    ],
)
async def test_a_malformed_body_is_400_in_coinbases_shape(trader, body):
    answer = await trader.call("POST", "/orders", content=body)
    row = answer.json()
    assert answer.status_code == 400
    assert row["error"] == "INVALID_ARGUMENT"
    assert row["error_details"] == row["message"] != ""


async def test_a_hundred_and_one_cancels_are_too_many(trader):
    answer = await trader.call("POST", "/orders/batch_cancel", json={"order_ids": ["x"] * 101})
    assert answer.status_code == 400
    assert answer.json() == {
        "error": "InvalidArgument", "message": "Too many orderIDs entered, limit is 100",
    }  # fmt: skip


@pytest.mark.parametrize(
    "header", [None, "", "Bearer", "Bearer x", "Basic abc", "Bearer " + "a." * 2_000]
)
async def test_a_malformed_token_is_401_in_plain_text(trader, header):
    headers = {} if header is None else {"Authorization": header}
    answer = await trader.http.get(BROKERAGE + "/accounts", headers=headers)
    assert (answer.status_code, answer.text) == (401, "Unauthorized")


def stop_the_wall_clock(trader):
    """However slow the machine, all that follows is within the same second."""
    now = trader.paper.world.wall()
    trader.paper.world.wall = lambda: now


async def test_more_than_the_rate_is_429_with_headers_in_lower_case(tmp_path):
    async with trading(tmp_path, private_requests_per_s=30) as trader:
        stop_the_wall_clock(trader)
        answers = [await trader.call("GET", "/accounts") for _ in range(31)]
    *served, refused = answers
    assert {one.status_code for one in served} == {200}
    assert refused.status_code == 429
    assert refused.json()["errors"][0]["id"] == "rate_limit_exceeded"
    names = {name.decode() for name, _ in refused.headers.raw}
    assert {"x-ratelimit-limit", "x-ratelimit-remaining", "x-ratelimit-reset"} <= names


async def test_more_websockets_than_eight_a_second_are_refused(tmp_path):
    async with trading(tmp_path, public_requests_per_s=10) as trader:
        stop_the_wall_clock(trader)
        url = trader.paper.urls["ws_url"]
        async with contextlib.AsyncExitStack() as stack:
            for _ in range(8):
                await stack.enter_async_context(connect(url))
            with pytest.raises(InvalidStatus, match="429"):
                await connect(url)
