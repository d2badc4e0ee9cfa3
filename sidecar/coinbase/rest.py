"""REST calls to Coinbase over httpx: signed, within the budget, with time-outs, failures by kind.

A failure tells the known outcome: `Refused` (Coinbase said no), `Unavailable` (it was certainly not
done), `Unknown` (it may have been done). Reads are tried again for a while; a call that changes the
account is tried once here, and the next step is for the caller, who knows its purpose. A token that
is not taken is no refusal yet: Coinbase says so of valid ones too, so a fresh one is tried, of
either.
"""

import asyncio
import os
import random  # noqa: TID251 - jitter only: nothing here is replayed
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from functools import lru_cache
from http import HTTPStatus
from typing import Any, Final

import httpx
import msgspec

from sidecar import clock
from sidecar.coinbase.auth import ApiKey
from sidecar.coinbase.backoff import wait_s
from sidecar.coinbase.body import ENCODINGS, Body, json_of
from sidecar.coinbase.budget import Budget
from sidecar.coinbase.reading import tables
from sidecar.coinbase.spare_token import Tokens
from sidecar.core.vocabulary.errors import Misuse, SidecarError, Untrusted

BROKERAGE: Final = "/api/v3/brokerage"
TIMEOUT: Final = httpx.Timeout(5.0, connect=3.0)  # seconds; Coinbase answers in tenths of one
# Seconds from a call's first byte to its answer's last. TIMEOUT is of silence alone, and begins anew with
# every byte: an answer that dribbles would hold up a flattening for as long as it likes. Twice the longest silence.
CALL_WITHIN_S: Final = 10.0
EXTENSIONS: Final = {"timeout": TIMEOUT.as_dict()}
HEADERS: Final = {
    "Accept": "application/json",
    "Accept-Encoding": ENCODINGS,
    "Content-Type": "application/json",
    "User-Agent": "coinbase-risk-sidecar",
}
SIGN_AHEAD_EVERY_S: Final = 30.0  # half of such a token's life
TRIES: Final = 5  # some five seconds in all, by the back-off's jitter
CURSOR_MAX: Final = 4_096  # characters: it goes into an address; Coinbase's have some hundred
PAGES_MAX: Final = 1_000  # a listing without end is a fault of the server
ROW_IDS: Final = (
    "entry_id",
    "uuid",
    "order_id",
)  # of fills (which name their orders too), accounts, orders
BODY_BYTES_SHOWN: Final = 200

# For a host without TLS, which is the paper exchange: it trusts no authority, since to read the public
# authorities takes two hundredths of a second.
NO_AUTHORITY: Final = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)

CERTIFICATES: Final = ("SSL_CERT_FILE", "SSL_CERT_DIR")  # of the environment: authorities to trust

# The errors of the HTTP stack. Not all are httpx's own: a TLS record that cannot be read comes
# through as ssl.SSLError, which is an OSError, and so is TimeoutError; a name that cannot be one as
# a ValueError.
NOT_AN_ADDRESS: Final = (httpx.InvalidURL, ValueError)
NOT_CONNECTED: Final = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout)
BROKEN: Final = (httpx.HTTPError, httpx.InvalidURL, httpx.StreamError, OSError, ValueError)

Query = Mapping[str, str | int | list[str] | None]
_url: Final = lru_cache(maxsize=64)(httpx.URL)  # taking one apart is half of making a request


class CallFailed(SidecarError):
    """A call did not succeed. `status` is HTTP's, 0 when there was no answer."""

    def __init__(self, what: str, status: int, words: str) -> None:
        super().__init__(f"{what}: {words}")
        self.status = status
        self.words = words


class Refused(CallFailed):
    """Coinbase answered that it will not: a wrong request, no permission, no such thing.
    `is_worded`: in its own form, a JSON object with a reason; a proxy in front of it answers in
    others.
    """

    def __init__(self, what: str, status: int, words: str, *, is_worded: bool = False) -> None:
        super().__init__(what, status, words)
        self.is_worded = is_worded


class TokenRefused(Refused):
    """401: where every try says so, Coinbase refuses the key."""


class Unavailable(CallFailed):
    """It was not done: too many requests, or the connection could not be made."""


class Withdrawn(CallFailed):
    """It was not sent: by the time it could be, it was not wanted any more."""


class Unknown(CallFailed):
    """Whether it was done is not known: a time-out, a lost connection, an error of the server."""


class Rest:
    """One HTTP client for every call. `budget` counts them; urgent ones go first, and while
    `hurries` is set all are urgent.
    """

    def __init__(
        self,
        base_url: str,
        key: ApiKey | None,
        *,
        budget: Budget | None = None,
        verify: Any = True,
        wall: Callable[[], float] = clock.wall,
    ) -> None:
        """`verify`: an SSL context, for a server whose certificate is no public authority's. Raises Misuse for proxies
        and certificates of the environment's that cannot be used.
        """
        self._tokens = None if key is None else Tokens(key)
        self._budget = budget or Budget()
        self._wall = wall
        self.hurries = False
        self._base_url = base_url.rstrip("/")
        if verify is True and base_url.startswith("http:"):
            verify = NO_AUTHORITY
        self._http = _http(verify)

    async def close(self) -> None:
        await self._http.aclose()

    async def get(
        self, path: str, query: Query | None = None, *, urgent: bool = False, once: bool = False
    ) -> Any:
        """A read, tried again while it may help; `once` for a reading that can be done without.
        Raises CallFailed.
        """

        async def read() -> Any:
            await self._turn(urgent=urgent)
            return await self._call("GET", path, query=query)

        again = (TokenRefused,) if once else (Unavailable, Unknown, TokenRefused)
        return await _tried(read, again)

    async def post(
        self,
        path: str,
        body: Mapping[str, Any],
        *,
        urgent: bool = False,
        is_wanted: Callable[[], bool] = lambda: True,
    ) -> Any:
        """A change, done once at most. `is_wanted` is asked whenever its turn has come. Raises
        CallFailed; only Unknown leaves open whether it was done.
        """

        async def change() -> Any:
            await self._turn(urgent=urgent)
            if not is_wanted():
                raise Withdrawn(f"POST {path}", 0, "not wanted any more")
            return await self._call("POST", path, body=body)

        return await _tried(change, (TokenRefused,))

    async def keep_ready(self, method: str, path: str) -> None:
        """Until cancelled: have this call signed ahead, for it will be in a hurry."""
        while self._tokens is not None:
            self._tokens.sign_ahead(method, f"{self._base_url}{BROKERAGE}{path}")
            await asyncio.sleep(SIGN_AHEAD_EVERY_S)

    async def pages(
        self,
        path: str,
        name: str,
        query: Query | None = None,
        cut_short: Callable[[str], None] = lambda _text: None,
    ) -> AsyncIterator[Any]:
        """Every row of a paged listing. The end is an empty cursor, or `has_next` false.

        An empty page, one without a row that was not told before, and a cursor that repeats are the end too;
        `cut_short` is told, for Coinbase says that there is more. Raises CallFailed, and Untrusted where the
        listing is none.
        """
        cursor, told = "", set[str]()
        for _ in range(PAGES_MAX):
            page = await self.get(path, {**(query or {}), "cursor": cursor or None})
            rows = tables(page.get(name), name)
            new = [row for row in rows if (own := _id_of(row)) is None or own not in told]
            for row in new:
                yield row
            following = str(page.get("cursor") or "")
            if not following or page.get("has_next") is False:
                return
            if len(following) > CURSOR_MAX:
                words = f"the listing goes on with a cursor of {len(following)} characters"
                raise Unknown(f"GET {path}", 0, words)
            if not new or following == cursor:
                cut_short(f"GET {path}: the listing does not go on, though it says so")
                return
            told |= {own for row in new if (own := _id_of(row)) is not None}
            cursor = following
        raise Unknown(f"GET {path}", 0, f"the listing did not end within {PAGES_MAX} pages")

    async def _turn(self, *, urgent: bool) -> None:
        """Wait until the budget has room for a call."""
        await asyncio.sleep(self._budget.spend(self._wall(), urgent=urgent or self.hurries))

    async def _call(
        self,
        method: str,
        path: str,
        *,
        query: Query | None = None,
        body: Mapping[str, Any] | None = None,
    ) -> Any:
        """One try, over within CALL_WITHIN_S. Every error of the HTTP stack is a CallFailed from
        here on.
        """
        what, whole = f"{method} {path}", asyncio.timeout(CALL_WITHIN_S)
        try:
            request = self._request(method, path, query, body)
        except NOT_AN_ADDRESS as error:
            raise Unavailable(what, 0, type(error).__name__) from None
        if self._tokens is not None:
            token = self._tokens.token(method, str(request.url))
            request.headers["Authorization"] = f"Bearer {token}"
        try:
            async with whole:
                status, told = await self._answered(request)
        except Untrusted as fault:
            raise Unknown(what, 0, str(fault)) from None
        except NOT_CONNECTED as error:
            raise Unavailable(what, 0, type(error).__name__) from None
        except BROKEN as error:
            late = f"no whole answer within {CALL_WITHIN_S:g} s"
            words = late if whole.expired() else type(error).__name__
            raise Unknown(what, 0, words) from None
        return _content(what, status, told)

    async def _answered(self, request: httpx.Request) -> tuple[int, bytes]:
        """Status and body. Of a body that cannot be had, or is too large, no more is read."""
        answer = await self._http.send(request, stream=True)
        try:
            body = Body(answer.headers.get("Content-Encoding", ""))
            async for piece in answer.aiter_raw():
                body.add(piece)
            return answer.status_code, body.whole()
        finally:
            await answer.aclose()

    def _request(
        self, method: str, path: str, query: Query | None, body: Mapping[str, Any] | None
    ) -> httpx.Request:
        """Made here and not by the client, which takes four times as long over it: a cancel of a
        liquidation goes this way.
        """
        params = {name: value for name, value in (query or {}).items() if value is not None}
        return httpx.Request(
            method,
            _url(f"{self._base_url}{BROKERAGE}{path}"),
            params=params or None,
            content=msgspec.json.encode(body) if body is not None else None,
            headers=HEADERS,
            extensions=EXTENSIONS,
        )


def _http(verify: Any) -> httpx.AsyncClient:
    try:
        return httpx.AsyncClient(timeout=TIMEOUT, verify=verify)
    except (ImportError, OSError, ValueError) as error:
        for name in CERTIFICATES:
            if (place := os.environ.get(name)) is not None and verify is True:
                raise Misuse(
                    f"{name} names {place}, which cannot be used for certificates ({error}); name a PEM file, or unset"
                    f" {name}"
                ) from None
        raise Misuse(
            f"the environment's proxy, or the system's certificates, cannot be used ({error}); fix or unset"
            " ALL_PROXY, HTTPS_PROXY and HTTP_PROXY"
        ) from None


def _id_of(row: Mapping[str, Any]) -> str | None:
    """The id that tells a row of a listing from another; None where that is no text."""
    return next((own for name in ROW_IDS if isinstance(own := row.get(name), str) and own), None)


async def _tried(call: Callable[[], Awaitable[Any]], again: tuple[type[CallFailed], ...]) -> Any:
    """The call, up to TRIES times while it fails in one of these ways; each has a token of its own."""
    failures: list[CallFailed] = []
    while True:
        try:
            return await call()
        except again as failure:
            failures.append(failure)
        if len(failures) >= TRIES:  # the key is refused only where all say so
            raise next((one for one in failures if not isinstance(one, TokenRefused)), failures[0])
        await asyncio.sleep(wait_s(len(failures), random.random()))  # noqa: S311


def _content(what: str, status: int, body: bytes) -> Any:
    if status == HTTPStatus.TOO_MANY_REQUESTS:
        raise Unavailable(what, status, "too many requests")
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        raise Unknown(what, status, f"HTTP {status}")
    if status == HTTPStatus.UNAUTHORIZED:
        raise TokenRefused(what, status, f"HTTP {status}: {_words(body)[0]}")
    if status >= HTTPStatus.BAD_REQUEST:
        words, is_worded = _words(body)
        raise Refused(what, status, f"HTTP {status}: {words}", is_worded=is_worded)
    if status >= HTTPStatus.MULTIPLE_CHOICES:
        raise Unknown(what, status, f"HTTP {status}")
    try:
        row = json_of(body)
    except Untrusted as fault:
        raise Unknown(what, status, str(fault)) from None
    if not isinstance(row, dict):
        raise Unknown(what, status, "the answer is not a JSON object")
    return row


def _words(body: bytes) -> tuple[str, bool]:
    """Coinbase's reason, from its JSON or its plain text, and whether it was JSON."""
    try:
        row = json_of(body)
    except Untrusted:
        row = None
    words = row.get("message") or row.get("error") if isinstance(row, dict) else None
    text = body[: 4 * BODY_BYTES_SHOWN].decode("utf-8", "replace")
    return str(words or text)[:BODY_BYTES_SHOWN], bool(words)
