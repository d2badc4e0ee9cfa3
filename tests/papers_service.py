"""A running paper exchange for tests with real clients: real sockets, in this process.

    with running(directory, balances={"USD": "100000"}) as paper:
        paper.hold("BTC-USD", "64000")  # bid 63999.99, ask 64000.00, and there they stay
        paper.url("rest_url")

It has a thread and an event loop of its own, so blocking clients may be called from the test.
"""

import asyncio
import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from queue import Queue
from typing import Any, TypeVar
from urllib.request import Request, urlopen

from sidecar.config.paper import Paper
from sidecar.paper.service.paper import PaperExchange

T = TypeVar("T")

BALANCES = {"USD": "1000000", "USDC": "200000", "BTC": "10", "ETH": "100"}
UNLIMITED = {"private_requests_per_s": 0, "public_requests_per_s": 0, "requests_per_hour": 0}
WITHIN_S = 60.0
LOOK_EVERY_S = 0.01


class Running:
    """The exchange as its clients see it: addresses, key files and the hand on the market."""

    def __init__(self, exchange: PaperExchange, directory: Path) -> None:
        self.directory = directory
        self.urls = exchange.urls
        self.exchange = exchange

    def key_file(self, name: str = "key.json") -> str:
        return str(self.directory / name)

    def key(self, name: str = "key.json") -> tuple[str, str]:
        """Name and PEM of a key file."""
        row = json.loads((self.directory / name).read_text())
        return row["name"], row["privateKey"]

    @property
    def tls_host(self) -> str:
        """`localhost:PORT`, as the SDK wants it."""
        return self.urls["tls_rest_url"].removeprefix("https://")

    def control(self, path: str, method: str = "POST", **body: Any) -> Any:
        """One `/paper/…` call."""
        request = Request(
            self.urls["rest_url"] + "/paper/" + path,
            data=json.dumps(body).encode() if body else None,
            method=method,
        )
        with urlopen(request, timeout=WITHIN_S) as answer:
            return json.load(answer)

    def hold(self, product_id: str, price: str) -> None:
        """Freeze a book with this best ask, and the next lower price as its best bid."""
        self.control("market", product_id=product_id, price=price, silent=True)

    def move(self, product_id: str, price: str) -> None:
        self.control("market", product_id=product_id, price=price)

    @contextmanager
    def faults(self, **switches: Any) -> Iterator[None]:
        self.control("faults", **switches)
        try:
            yield
        finally:
            self.control("faults", "DELETE")


@contextmanager
def running(directory: Path, **settings: Any) -> Iterator[Running]:
    """A paper exchange until the block ends."""
    directory.chmod(0o700)
    values = {"market": "random:7", "balances": BALANCES, **UNLIMITED, **settings}
    began: Queue[Running | BaseException] = Queue()
    stops: Queue[Callable[[], object]] = Queue()

    async def serve() -> None:
        stop, loop = asyncio.Event(), asyncio.get_running_loop()
        async with PaperExchange(Paper.model_validate(values), directory) as exchange:
            stops.put(lambda: loop.call_soon_threadsafe(stop.set))
            began.put(Running(exchange, directory))
            await stop.wait()

    def run() -> None:
        try:
            asyncio.run(serve())
        except BaseException as error:  # noqa: BLE001 - handed to the test, whose thread it ends
            began.put(error)

    thread = threading.Thread(target=run, name="paper exchange")
    thread.start()
    paper = began.get(timeout=60)
    if isinstance(paper, BaseException):
        thread.join()
        raise paper
    try:
        yield paper
    finally:
        stops.get(timeout=WITHIN_S)()
        thread.join(timeout=WITHIN_S)
        assert not thread.is_alive(), "the exchange does not end"
        if not began.empty():
            raise RuntimeError("the exchange failed") from began.get()  # type: ignore[misc]


def until(look: Callable[[], T], within_s: float = WITHIN_S) -> T:
    """What `look` answers as soon as that is true; time passing is waited for here only."""
    end = time.monotonic() + within_s
    while not (found := look()):
        assert time.monotonic() < end, "what was waited for did not come about"
        time.sleep(LOOK_EVERY_S)
    return found
