"""Heartbeat: an address that is called each minute, so that silence is noticed by who waits for it.

The address may hold a secret: it is in no log.
"""

import asyncio
from typing import Final

import httpx
from structlog.typing import FilteringBoundLogger

from sidecar.coinbase.rest import BROKEN, NO_AUTHORITY

EVERY_S: Final = 60.0
WITHIN_S: Final = 10.0  # as a whole


async def beat(url: str, log: FilteringBoundLogger) -> None:
    """Until cancelled: call it. The first failure is told, and the first success after one."""
    if not url:
        return
    fails = False
    async with _client(url) as http:
        while True:
            fault = await _call(http, url)
            if fault and not fails:
                log.warning("the heartbeat is not heard", fault=fault)
            if fails and not fault:
                log.info("the heartbeat is heard again")
            fails = bool(fault)
            await asyncio.sleep(EVERY_S)


async def call(url: str) -> str:
    """Call it once. Why it was not heard; empty when it was."""
    async with _client(url) as http:
        return await _call(http, url)


def _client(url: str) -> httpx.AsyncClient:
    verify = NO_AUTHORITY if url.startswith("http:") else True
    return httpx.AsyncClient(timeout=WITHIN_S, verify=verify)


async def _call(http: httpx.AsyncClient, url: str) -> str:
    """Why it was not heard; empty when it was. Of the answer only the status is read."""
    try:
        async with asyncio.timeout(WITHIN_S), http.stream("GET", url) as answer:
            return "" if answer.is_success else f"HTTP {answer.status_code}"
    except BROKEN as error:
        return type(error).__name__
